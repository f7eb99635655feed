//! The sections of a Markdown document, as plain text.

/// The most bytes of one line that are looked at; far more than is taken of a section.
const LINE_BYTES_MAX: usize = 10_000;

/// A heading and what stands under it, down to the next heading of its level.
pub(super) struct Section {
    /// The words of the heading: lower case, without punctuation and without "and".
    pub(super) words: String,
    level: usize,
    lines: Vec<String>,
}

/// Splits `document` at its ATX headings (`## Uses`). What is in code fences and comments is left out.
pub(super) fn sections(document: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    // The sections that the line is in, from the outermost: at most one of each level.
    let mut open: Vec<usize> = Vec::new();
    let mut fence: Option<&str> = None;
    let mut in_comment = false;
    for line in document.lines() {
        let line = without_comments(shorten(line), &mut in_comment);
        let trimmed = line.trim();
        if let Some(mark) = fence {
            if trimmed.starts_with(mark) {
                fence = None;
            }
            continue;
        }
        fence = ["```", "~~~"]
            .into_iter()
            .find(|mark| trimmed.starts_with(mark));
        if fence.is_some() {
            continue;
        }
        let heading = heading(&line);
        let plain = plain_line(heading.map_or(trimmed, |(_, title)| title));
        if let Some((level, _)) = heading {
            open.retain(|section| sections[*section].level < level);
        }
        for section in &open {
            sections[*section].lines.push(plain.clone());
        }
        if let Some((level, _)) = heading {
            open.push(sections.len());
            sections.push(Section {
                words: words(&plain),
                level,
                lines: Vec::new(),
            });
        }
    }
    sections
}

fn shorten(line: &str) -> &str {
    &line[..line.floor_char_boundary(LINE_BYTES_MAX)]
}

impl Section {
    /// The text, cut behind a word so that it has at most `chars_max` characters. `None` if there is none.
    pub(super) fn text(&self, chars_max: usize) -> Option<String> {
        let mut text = String::new();
        for line in &self.lines {
            // One empty line at most, as between paragraphs.
            if line.is_empty() && (text.is_empty() || text.ends_with("\n\n")) {
                continue;
            }
            text.push_str(line);
            text.push('\n');
        }
        let text = text.trim();
        (!text.is_empty()).then(|| cut(text, chars_max))
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    // One character is for the mark that says that there is more.
    let head: String = text.chars().take(chars_max - 1).collect();
    let end = head.rfind(char::is_whitespace).unwrap_or(head.len());
    format!("{}…", head[..end].trim_end())
}

/// Level and title of an ATX heading.
fn heading(line: &str) -> Option<(usize, &str)> {
    let line = line.trim_end();
    let indent = line.len() - line.trim_start_matches(' ').len();
    let line = line.trim_start_matches(' ');
    let level = line.bytes().take_while(|b| *b == b'#').count();
    let title = &line[level..];
    let is_heading = indent < 4
        && (1..=6).contains(&level)
        && (title.is_empty() || title.starts_with([' ', '\t']));
    is_heading.then(|| {
        (
            level,
            title.trim_matches(|c: char| c == '#' || c.is_whitespace()),
        )
    })
}

fn words(title: &str) -> String {
    let title = title.to_lowercase();
    let words: Vec<_> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && *word != "and")
        .collect();
    words.join(" ")
}

fn without_comments(line: &str, in_comment: &mut bool) -> String {
    let mut out = String::new();
    let mut rest = line;
    loop {
        let mark = if *in_comment { "-->" } else { "<!--" };
        let Some((before, after)) = rest.split_once(mark) else {
            break;
        };
        if !*in_comment {
            out.push_str(before);
        }
        *in_comment = !*in_comment;
        rest = after;
    }
    if !*in_comment {
        out.push_str(rest);
    }
    out
}

/// A line without Markdown's marks. Templates' placeholders and the rules of tables become empty lines.
fn plain_line(line: &str) -> String {
    let is_rule = !line.is_empty() && line.chars().all(|c| "|:-=* ".contains(c));
    if is_rule || line.contains("[More Information Needed]") {
        return String::new();
    }
    let mut out = String::new();
    let mut rest = line.trim_start_matches("> ");
    while let Some(at) = rest.find(['[', '!', '`', '*', '<']) {
        out.push_str(&rest[..at]);
        let here = &rest[at..];
        let (text, length) = link(here)
            .or_else(|| tag(here))
            .unwrap_or_else(|| mark(&out, here));
        out.push_str(text);
        rest = &here[length..];
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `[text](target)` and `![text](target)`: the text, and how many bytes it all has.
fn link(here: &str) -> Option<(&str, usize)> {
    let open = if here.starts_with("![") { 2 } else { 1 };
    if !here[open - 1..].starts_with('[') {
        return None;
    }
    let (text, after) = here[open..].split_once("](")?;
    let target = after.find(')')?;
    let is_plain = !text.contains('[');
    is_plain.then(|| (text, here.len() - after.len() + target + 1))
}

/// An HTML tag: nothing, and how many bytes it has.
fn tag(here: &str) -> Option<(&str, usize)> {
    let inside = here.strip_prefix('<')?;
    if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') {
        return None;
    }
    let end = inside.find('>')?;
    // `<https://example.org>` is an address.
    let address = inside[..end].contains("://").then_some(&inside[..end]);
    Some((address.unwrap_or_default(), end + 2))
}

/// Marks for emphasis and code go, unless they stand alone, as a list's or a product's; all else remains.
fn mark<'a>(before: &str, here: &'a str) -> (&'a str, usize) {
    let ends = before.chars().next_back().is_none_or(char::is_whitespace);
    let stands_alone = ends && here[1..].chars().next().is_none_or(char::is_whitespace);
    match here.as_bytes()[0] {
        b'`' => ("", 1),
        b'*' if !stands_alone => ("", 1),
        _ => (&here[..1], 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_under(document: &str, words: &str) -> Option<String> {
        let sections = sections(document);
        let section = sections.iter().find(|section| section.words == words)?;
        section.text(1_500)
    }

    #[test]
    fn a_section_ends_at_the_next_heading_of_its_level() {
        let document = "# Model\n\nIntro.\n\n## Uses\n\nTo *write* [text](https://a.b/c).\n\n### Direct Use\n\n\
                        `generate()`\n\n## Limitations\nMany.\n## Uses\nNot these.\n";
        assert_eq!(
            text_under(document, "uses").expect("it is there"),
            "To write text.\n\nDirect Use\n\ngenerate()"
        );
        assert_eq!(text_under(document, "limitations").expect("there"), "Many.");
        assert_eq!(text_under(document, "evaluation"), None);
    }

    #[test]
    fn code_comments_and_placeholders_are_no_text() {
        let document = "## Uses\n<!-- What for?\n## Limitations\n-->\n[More Information Needed]\n```sh\n# Evaluation\n```\n";
        assert_eq!(text_under(document, "uses"), None);
        assert_eq!(text_under(document, "limitations"), None);
        assert_eq!(text_under(document, "evaluation"), None);
    }

    #[test]
    fn headings_are_compared_by_their_words() {
        for title in [
            "## **Bias, Risks, and Limitations** ##",
            "  # bias & risks — LIMITATIONS",
        ] {
            assert_eq!(
                sections(title)[0].words,
                "bias risks limitations",
                "{title}"
            );
        }
        for title in ["#NoSpace", "    # code", "####### seven"] {
            assert!(sections(title).is_empty(), "{title}");
        }
    }

    #[test]
    fn long_text_is_cut_behind_a_word() {
        let document = format!("# Uses\n{}", "wörter ".repeat(1_000));
        let text = text_under(&document, "uses").expect("it is there");
        assert!(text.chars().count() <= 1_500, "{}", text.chars().count());
        assert!(text.ends_with("wörter…"), "{text}");
    }

    #[test]
    fn marks_that_mean_something_stay() {
        assert_eq!(
            plain_line("2 * 3 < 4 and a_b [1] *so* <br>ok ![x](y) <https://a.b>"),
            "2 * 3 < 4 and a_b [1] so ok x https://a.b"
        );
        assert_eq!(plain_line("[![badge](u)](v) é*"), "[badge](v) é");
    }
}
