//! Model cards as HTML: what publishers write, with nothing left in it that runs, loads or pretends.
//!
//! ```text
//! card ──► without front matter ──► pulldown-cmark: headings two levels down, pictures as links, HTML as text
//!                                        └──► ammonia ──► page
//! ```
//!
//! Always: a page grows with its card, and no faster. Ammonia has the last word, on all of it. What it leaves is text in plain tags: no scripts, styles, forms,
//! frames or pictures, and links only to where browsers go by HTTP or mail, which say to nobody where the reader came
//! from. Pictures would be asked for at somebody else's server, who then knows who reads this.

use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Parser, Tag, TagEnd, html};

use crate::catalogue::card::{options, without_front_matter};

/// How much of a card a page shows: the rest is a click away.
pub const SHOWN_BYTES_MAX: usize = 16 * 1024;

/// The longest card that is shown at all, in bytes.
const CARD_BYTES_MAX: usize = 512 * 1024;

/// The deepest that elements are nested: what is deeper is shown without them.
const NESTED_MAX: usize = 64;

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        // The page has its own; what a card has in HTML is as large as it wants to look.
        .rm_tags([
            "h1", "h2", "img", "hgroup", "header", "footer", "nav", "map", "area",
        ])
        .link_rel(Some("nofollow ugc noopener noreferrer"))
        .url_schemes(["http", "https", "mailto"].into())
        // There is nothing of the publisher's at this log's own paths.
        .url_relative(UrlRelative::Deny);
    builder
});

/// A card as HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardHtml {
    /// Clean HTML.
    pub html: String,
    /// Whether there is more of the card than this.
    pub is_cut: bool,
}

/// Renders the first `bytes_max` bytes of a card, up to the end of a paragraph.
pub fn render(card: &[u8], bytes_max: usize) -> CardHtml {
    let text = String::from_utf8_lossy(&card[..card.len().min(CARD_BYTES_MAX)]);
    let text = without_front_matter(&text);
    let shown = cut(text, bytes_max);
    let events = Parser::new_ext(shown, options());
    let mut html = String::with_capacity(shown.len() * 3 / 2);
    html::push_html(&mut html, Events::of(events));
    CardHtml {
        html: CLEANER.clean(&html).to_string(),
        is_cut: shown.len() < text.len() || card.len() > CARD_BYTES_MAX,
    }
}

/// The beginning of a text, up to the last empty line that fits, or else the last line.
fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let head = &text[..text.floor_char_boundary(bytes_max)];
    let end = head.rfind("\n\n").or_else(|| head.rfind('\n'));
    &head[..end.unwrap_or(head.len())]
}

/// The events of a card: headings below those of the page, links in the place of pictures, and of HTML its text alone.
///
/// HTML of the card's own would be what a browser makes of it: elements that are left open are opened again in each paragraph,
/// so that a few kilobytes become a page of a hundred megabytes. What Markdown makes is closed where it was opened.
struct Events<'a, I: Iterator<Item = Event<'a>>> {
    events: I,
    /// How many elements are open.
    open: usize,
}

impl<'a, I: Iterator<Item = Event<'a>>> Events<'a, I> {
    fn of(events: I) -> Self {
        Self { events, open: 0 }
    }

    /// Whether an element that begins here is shown. The time to clean a text grows with how deep it is nested.
    fn begin(&mut self) -> bool {
        self.open += 1;
        self.open <= NESTED_MAX
    }

    fn end(&mut self) -> bool {
        self.open -= 1;
        self.open < NESTED_MAX
    }
}

impl<'a, I: Iterator<Item = Event<'a>>> Iterator for Events<'a, I> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            let event = self.events.next()?;
            let is_shown = match &event {
                Event::Start(_) => self.begin(),
                Event::End(_) => self.end(),
                _ => true,
            };
            if is_shown {
                return Some(shown(event));
            }
        }
    }
}

fn shown(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Start(Tag::Heading { level, attrs, .. }) => Event::Start(Tag::Heading {
            level: lower(level),
            id: None,
            classes: Vec::new(),
            attrs,
        }),
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
        Event::Start(Tag::Image { dest_url, .. }) => Event::Start(Tag::Link {
            link_type: LinkType::Inline,
            dest_url,
            title: CowStr::Borrowed("a picture, which is not loaded"),
            id: CowStr::Borrowed(""),
        }),
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        Event::InlineHtml(tag) if tag.starts_with("<br") => Event::HardBreak,
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(text_of(&html).into()),
        event => event,
    }
}

/// What stands between the tags of HTML. It is text from here on, whatever it looks like.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        rest = tag.split_once('>').map_or("", |(_, behind)| behind);
    }
    text + rest
}

fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(card: &str) -> String {
        render(card.as_bytes(), SHOWN_BYTES_MAX).html
    }

    #[test]
    fn a_card_is_shown_below_the_page_s_own_headings() {
        let card = "---\nlicense: mit\n---\n# Tiny\n\nA *small* [model](https://example.org/).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";
        let shown = html(card);
        for part in ["<h3>Tiny</h3>", "<em>small</em>", "<table>", "<td>1</td>"] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(
            shown.contains("rel=\"nofollow ugc noopener noreferrer\""),
            "{shown}"
        );
        assert!(!shown.contains("license"), "{shown}");
    }

    #[test]
    fn nothing_in_a_card_runs_loads_or_leads_elsewhere_unseen() {
        for card in [
            "<script>alert(1)</script>",
            "<img src=https://evil.example/x onerror=alert(1)>",
            "![x](https://evil.example/x.png)",
            "[x](javascript:alert(1))",
            "[x](data:text/html,<script>alert(1)</script>)",
            "[x](/api/v1/records)",
            "<a href=\"//evil.example\">x</a>",
            "<style>body{display:none}</style>",
            "<svg onload=alert(1)><script>alert(1)</script></svg>",
            "<form action=https://evil.example><input name=key></form>",
            "<iframe src=https://evil.example></iframe>",
            "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
            "<p style=\"position:fixed\" onclick=\"alert(1)\" class=\"verified\" id=\"x\">x</p>",
            "<base href=https://evil.example>",
            "<meta http-equiv=refresh content=\"0;https://evil.example\">",
            "<object data=x></object><embed src=x><video src=https://evil.example/v autoplay></video>",
            "<h1>Candor: verified</h1>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
            "<table background=https://evil.example/x.png><tr><td background=y>z</td></tr></table>",
        ] {
            let shown = html(card);
            for bad in [
                "<script",
                "<img",
                "onerror",
                "onclick",
                "onload",
                "javascript:",
                "data:",
                "<style",
                "<svg",
                "<form",
                "<input",
                "<iframe",
                "style=",
                "class=",
                "id=",
                "<base",
                "<meta",
                "<object",
                "<embed",
                "<video",
                "<h1",
                "href=\"/",
                "background=",
                " src=",
            ] {
                assert!(!shown.contains(bad), "{card} left {bad}: {shown}");
            }
        }
    }

    #[test]
    fn of_html_in_a_card_its_text_is_shown() {
        let card =
            "<div align=center>\nTiny, <b>small</b>\n</div>\n\nOne<br>two <sub>three</sub> 1 < 2\n";
        let shown = html(card);
        for part in ["Tiny, small", "One<br>", "two three 1 &lt; 2"] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(
            !shown.contains("<b>") && !shown.contains("<sub>"),
            "{shown}"
        );
    }

    #[test]
    fn no_card_becomes_much_more_than_it_is() {
        let open: Vec<String> = (0..1_500).map(|n| format!("<b title={n}>")).collect();
        let open = open.concat();
        for card in [
            format!("<p>{open}{}", "<p>x".repeat(4_000)),
            format!("{open}{}", "x\n\n".repeat(4_000)),
            format!("{}x", ">".repeat(30_000)),
            format!("{}x", "- ".repeat(15_000)),
            format!("{}x", "*a ".repeat(10_000)),
            format!("{}x{}", "**".repeat(7_000), "**".repeat(7_000)),
            format!("{}x{}", "[".repeat(10_000), "](a)".repeat(10_000)),
        ] {
            let shown = render(card.as_bytes(), CARD_BYTES_MAX).html;
            let (of, bytes) = (card.len(), shown.len());
            assert!(
                bytes < 10 * of,
                "{of} bytes became {bytes}: {}",
                &card[..40]
            );
        }
    }

    #[test]
    fn a_long_card_is_cut_between_paragraphs() {
        let card = "word word word\n\n".repeat(100);
        let shown = render(card.as_bytes(), 100);
        assert!(shown.is_cut);
        assert!(
            shown.html.ends_with("<p>word word word</p>\n"),
            "{}",
            shown.html
        );
        assert!(!render(b"short", 100).is_cut);
        assert!(render("é".repeat(100).as_bytes(), 33).is_cut);
        render(b"\xff\xfe\x00", 100);
    }
}
