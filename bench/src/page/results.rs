//! The lines that the programs added to a file, of which the latest of each kind counts.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

/// What tells one figure of a program from another: the rest is what was measured.
const KEYS: [&str; 12] = [
    "bench",
    "storage",
    "connections",
    "records_per_request",
    "what",
    "size",
    "batch",
    "log",
    "settings",
    "catalogue",
    "files",
    "bytes_each",
];

/// All that was measured, each thing once.
pub(crate) struct Results(Vec<Row>);

/// One line.
pub(crate) struct Row(Value);

impl Results {
    /// Reads a file that `--json` wrote.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let mut rows: Vec<Row> = Vec::new();
        for (line, n) in text.lines().zip(1..) {
            let at = || format!("{}, line {n}", file.display());
            let row = Row(serde_json::from_str(line).with_context(at)?);
            match rows.iter_mut().find(|other| other.is_about(&row)) {
                Some(older) => *older = row,
                None => rows.push(row),
            }
        }
        Ok(Self(rows))
    }

    /// What the program `bench` measured, in the order of the file.
    pub(crate) fn of(&self, bench: &str) -> Vec<&Row> {
        let rows = self.0.iter();
        rows.filter(|row| row.text("bench") == bench).collect()
    }
}

impl Row {
    /// The text named `name`, or nothing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// The number named `name`, if it was measured.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.0[name].as_f64()
    }

    /// The number with `digits` behind the point, and commas; a dash if it was not measured.
    pub(crate) fn shown(&self, name: &str, digits: usize) -> String {
        self.number(name)
            .map_or_else(|| "–".to_owned(), |number| grouped(number, digits))
    }

    fn is_about(&self, other: &Self) -> bool {
        KEYS.iter().all(|key| self.0.get(key) == other.0.get(key))
    }
}

/// `12345.6` as `12,346`.
pub(crate) fn grouped(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    let (whole, rest) = text.find('.').map_or((&*text, ""), |at| text.split_at(at));
    let mut grouped = String::new();
    for (n, digit) in whole.chars().enumerate() {
        let after = whole.len() - n;
        if n > 0 && after % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}
