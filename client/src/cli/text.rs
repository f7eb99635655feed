//! Text for people: pieces with a tone, and nothing in them that a terminal would obey.

use std::borrow::Cow;

use candor_core::record::{Algorithm, UnsafeText, check_plain_text};

/// How a piece of text is meant. Colours follow from it, in the printer; without colours it reads the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// A name or a heading.
    Strong,
    /// Less important.
    Dim,
    /// It holds.
    Good,
    /// Needs attention.
    Warning,
    /// It does not hold.
    Bad,
}

/// A line, in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The pieces, in their order; already safe to print.
    pub pieces: Vec<(Tone, String)>,
}

impl Text {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One piece.
    pub fn of(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::new().with(tone, text)
    }

    /// Adds a piece.
    #[must_use]
    pub fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        // Text from outside must not begin a line of its own, which would read as the program's.
        let line = harmless(text.as_ref()).replace('\n', " ");
        self.pieces.push((tone, line));
        self
    }

    /// Adds a plain piece.
    #[must_use]
    pub fn plain(self, text: impl AsRef<str>) -> Self {
        self.with(Tone::Plain, text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new().plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new().plain(text)
    }
}

/// Writes characters that a terminal obeys, hides or reorders as `\u{1b}`. Line breaks stay.
pub fn harmless(text: &str) -> String {
    let is_unsafe = |text: &str| {
        matches!(
            check_plain_text(text),
            Err(UnsafeText::Control(_) | UnsafeText::Invisible(_))
        )
    };
    if !is_unsafe(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            // Joins emoji and letters of several scripts, and stands in ordinary text.
            '\u{200c}' | '\u{200d}' | '\u{fe0f}' => out.push(c),
            _ if is_unsafe(c.encode_utf8(&mut [0; 4])) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// Cuts private keys in PEM form out of a text. They get there where a key's text is given in place of its file's
/// path, or of the log's key, and an error repeats what was given.
pub fn without_private_keys(text: &str) -> Cow<'_, str> {
    const HEAD: &str = "-----BEGIN";
    const MARK: &str = "PRIVATE KEY";
    let Some(mark) = text.find(MARK) else {
        return text.into();
    };
    let begin = text[..mark].rfind(HEAD).unwrap_or(mark);
    let after = &text[mark + MARK.len()..];
    // The line that ends the key has the words again. Without it, all of the rest may be the key.
    let end = after.find(MARK).map(|end| &after[end + MARK.len()..]);
    let end = end.map_or("", |rest| rest.trim_start_matches('-'));
    format!(
        "{}[a private key]{}",
        &text[..begin],
        without_private_keys(end)
    )
    .into()
}

/// [`harmless`] for JSON, where such characters stand in strings only: `\u001b` means what it stands for.
pub fn harmless_json(json: &str) -> String {
    let is_unsafe =
        |c: char| c != '\n' && harmless(c.encode_utf8(&mut [0; 4])).len() > c.len_utf8();
    let escaped = |c: char| -> String {
        let mut units = [0; 2];
        let units = c.encode_utf16(&mut units).iter();
        units.fold(String::new(), |text, unit| format!("{text}\\u{unit:04x}"))
    };
    json.chars()
        .map(|c| if is_unsafe(c) { escaped(c) } else { c.into() })
        .collect()
}

/// Algorithms of digests, as people write them.
pub fn algorithms(list: &[Algorithm]) -> String {
    let name = |algorithm: &Algorithm| match algorithm {
        Algorithm::Md5 => "MD5",
        Algorithm::Sha1 => "SHA-1",
        Algorithm::Sha224 => "SHA-224",
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha384 => "SHA-384",
        Algorithm::Sha512 => "SHA-512",
        Algorithm::Blake2b => "BLAKE2b",
        Algorithm::Blake3 => "BLAKE3",
        Algorithm::GitCommit => "git commit",
        Algorithm::GitTree => "git tree",
        Algorithm::GitBlob => "git blob",
    };
    list.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A text in one line, shortened.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= chars_max {
        return line;
    }
    let kept: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Breaks a text into lines of at most `width` characters, at spaces.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let fits = line.chars().count() + 1 + word.chars().count() <= width;
            if !line.is_empty() && !fits {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// `251,858,318`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `251.9 MB`: powers of 1000, as disks are sold.
#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            return if unit == "bytes" {
                counted(number, "byte", "bytes")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} PB")
}

/// `1 file`, `2 files`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        grouped(number),
        if number == 1 { one } else { many }
    )
}

/// The widest cell of a table. What the log says may be of any length, and goes no further.
const CELL_CHARS_MAX: usize = 200;

/// Columns with two spaces between them, each as wide as its widest cell. The last one is not padded.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let shortened = |row: &Vec<String>| -> Vec<String> {
        let cells = row.iter();
        cells.map(|cell| one_line(cell, CELL_CHARS_MAX)).collect()
    };
    let rows: Vec<_> = rows.iter().map(shortened).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| Some(row.get(column)?.chars().count()))
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(
            harmless("a\u{1b}[31mb\u{202e}c\r"),
            r"a\u{1b}[31mb\u{202e}c\u{d}"
        );
        assert_eq!(harmless("plain\ntext"), "plain\ntext");
        assert_eq!(harmless("e\u{301}"), "e\u{301}");
    }

    #[test]
    fn a_text_is_one_line_whatever_is_in_it() {
        let text = Text::from("  ").plain("one\nerror: two\u{2028}three");
        let words: String = text.pieces.into_iter().map(|(_, text)| text).collect();
        assert_eq!(words, r"  one error: two\u{2028}three");
    }

    #[test]
    fn private_keys_are_cut_out() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CSECRET\n-----END PRIVATE KEY-----";
        let encrypted = pem.replace("PRIVATE", "ENCRYPTED PRIVATE");
        for (text, expected) in [
            (format!("no key at {pem}"), "no key at [a private key]"),
            (
                format!("{pem:?} is no name"),
                "\"[a private key]\" is no name",
            ),
            (
                format!("{pem}, {encrypted}."),
                "[a private key], [a private key].",
            ),
            (pem[..40].to_owned(), "[a private key]"),
            ("PRIVATE KEY MC4CSECRET".to_owned(), "[a private key]"),
            ("a key".to_owned(), "a key"),
        ] {
            assert_eq!(without_private_keys(&text), expected);
        }
    }

    #[test]
    fn in_json_it_stays_the_same_value() {
        let value = serde_json::json!({ "a\u{202e}": "\u{1b}\\u\u{9b}\u{e0041}é\n" });
        let json = serde_json::to_string_pretty(&value).expect("JSON");
        let safe = harmless_json(&json);
        assert!(
            safe.contains(r"\u202e") && safe.contains(r"\u009b") && safe.contains(r"\udb40\udc41")
        );
        assert_eq!(harmless(&safe), safe);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).expect("JSON"),
            value
        );
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(251_858_318), "251,858,318");
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(251_858_318), "251.9 MB");
        assert_eq!(counted(1, "file", "files"), "1 file");
    }

    #[test]
    fn long_text_is_broken_at_spaces() {
        assert_eq!(
            wrapped("one two three\nfour", 8),
            ["one two", "three", "four"]
        );
        assert_eq!(one_line("one\n two three", 9), "one two…");
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".to_owned(), "bb".to_owned()],
            vec!["ccc".to_owned(), "d".to_owned()],
        ];
        assert_eq!(table(&rows), ["a    bb", "ccc  d"]);
        // The standard library pads to 65,535 at most, and panics beyond.
        let long = table(&[vec!["x".repeat(70_000), "y".to_owned()]]);
        assert_eq!(long[0].chars().count(), CELL_CHARS_MAX + 3);
    }
}
