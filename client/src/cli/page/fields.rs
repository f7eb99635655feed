//! Names on the left, values on the right, long values broken into lines.

use crate::cli::text::{Text, Tone, wrapped};

/// How wide the column of names is: the longest is "Hyperparameters".
const NAME_WIDTH: usize = 15;

/// How wide values get before they are broken.
const VALUE_WIDTH: usize = 80;

/// A list of fields, being made.
#[derive(Default)]
pub(super) struct Fields {
    lines: Vec<Text>,
}

impl Fields {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A field, unless its value is empty.
    pub(super) fn row(&mut self, name: &str, value: &str) {
        self.toned_row(name, Tone::Plain, value);
    }

    /// A field that may be missing.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.row(name, value.as_ref());
        }
    }

    /// Several values, behind commas.
    pub(super) fn list(&mut self, name: &str, values: &[String]) {
        self.row(name, &values.join(", "));
    }

    /// A field whose value has a tone.
    pub(super) fn toned_row(&mut self, name: &str, tone: Tone, value: &str) {
        let mut name = name;
        for line in wrapped(value.trim(), VALUE_WIDTH) {
            let head = format!("  {name:<NAME_WIDTH$}  ");
            self.lines.push(if line.is_empty() {
                Text::new()
            } else {
                Text::of(Tone::Dim, head).with(tone, line)
            });
            name = "";
        }
    }

    /// Lines of their own, such as a table.
    pub(super) fn block(&mut self, lines: impl IntoIterator<Item = String>) {
        self.lines.extend(
            lines
                .into_iter()
                .map(|line| Text::from(format!("    {line}"))),
        );
    }

    pub(super) fn into_lines(self) -> Vec<Text> {
        self.lines
    }
}
