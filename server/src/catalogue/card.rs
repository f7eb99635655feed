//! What a model card says, as text: what of it is searched, and what of it introduces a release in a list.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// How much of a card is read. What is behind it is on the release's page, and not found by its words.
const CARD_BYTES_MAX: usize = 256 * 1024;

/// How long an introduction is, in characters.
const SUMMARY_CHARS_MAX: usize = 280;

/// A first paragraph that is shorter introduces nothing: a badge, a link to a paper.
const SUMMARY_CHARS_MIN: usize = 40;

/// A card's text, without its marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CardText {
    /// All of it.
    pub text: String,
    /// The first paragraph that says something, shortened.
    pub summary: Option<String>,
}

/// The extensions of Markdown that model cards use.
pub fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
}

/// Reads a card, whatever it is: what is not Markdown is text.
pub(super) fn read(card: &[u8]) -> CardText {
    let card = &card[..card.len().min(CARD_BYTES_MAX)];
    let card = String::from_utf8_lossy(card);
    let mut found = CardText::default();
    let mut paragraph = None;
    for event in Parser::new_ext(without_front_matter(&card), options()) {
        match event {
            Event::Start(Tag::Paragraph) => paragraph = Some(found.text.len()),
            Event::End(TagEnd::Paragraph) => {
                if let Some(begun) = paragraph.take()
                    && found.summary.is_none()
                {
                    found.summary = summary_of(&found.text[begun..]);
                }
                found.text.push('\n');
            }
            Event::Text(text) | Event::Code(text) => found.text.push_str(&text),
            // HTML between Markdown is layout, mostly.
            Event::SoftBreak | Event::HardBreak | Event::End(_) => found.text.push(' '),
            _ => {}
        }
    }
    found
}

/// The card behind its front matter: what stands between two lines of three dashes at its very beginning.
pub fn without_front_matter(card: &str) -> &str {
    let card = card.strip_prefix('\u{feff}').unwrap_or(card);
    let Some(rest) = card
        .strip_prefix("---\n")
        .or_else(|| card.strip_prefix("---\r\n"))
    else {
        return card;
    };
    let mut read = 0;
    for line in rest.split_inclusive('\n') {
        read += line.len();
        if line.trim_end() == "---" {
            return &rest[read..];
        }
    }
    card
}

fn summary_of(paragraph: &str) -> Option<String> {
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let text = words.join(" ");
    if text.chars().count() < SUMMARY_CHARS_MIN {
        return None;
    }
    if text.chars().count() <= SUMMARY_CHARS_MAX {
        return Some(text);
    }
    let cut: String = text.chars().take(SUMMARY_CHARS_MAX).collect();
    let whole = cut
        .rsplit_once(' ')
        .map_or(cut.as_str(), |(whole, _)| whole);
    Some(format!("{whole} …"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_introduced_by_its_first_paragraph_that_says_something() {
        let card = "---\nlicense: mit\n---\n# Tiny LM\n\n[Paper](https://example.org)\n\n\
                    Tiny LM is a *small* language model, which `example-lab` made for tests.\n\n- one\n- two\n";
        let card = read(card.as_bytes());
        let summary = "Tiny LM is a small language model, which example-lab made for tests.";
        assert_eq!(card.summary.as_deref(), Some(summary));
        assert!(!card.text.contains("license"), "{}", card.text);
        for word in ["Tiny LM", "Paper", "one", "two"] {
            assert!(card.text.contains(word), "{word} in {}", card.text);
        }
    }

    #[test]
    fn front_matter_that_does_not_end_is_text() {
        let card = "---\nno end";
        assert_eq!(without_front_matter(card), card);
    }

    #[test]
    fn whatever_bytes_a_card_has_it_is_read() {
        for card in [
            &b"\xff\xfe\x00"[..],
            b"",
            b"---\n---\n",
            b"[[[[[[[[[[",
            b"| a |\n|--",
        ] {
            read(card);
        }
        let long = "word ".repeat(1_000);
        let summary = read(long.as_bytes()).summary.expect("it says something");
        assert!(summary.chars().count() <= SUMMARY_CHARS_MAX + 2);
    }
}
