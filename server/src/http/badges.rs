//! `/badges/…`: an image that says what the log lists of a release. No more than that: it proves nothing, and says so.
//!
//! ```text
//! ┌────────┬────────────────┐
//! │ candor │ 1.0.0 · logged │     what it says is text, and its title says it in full
//! └────────┴────────────────┘
//! ```
//!
//! Always: it has no script, no style and no link, and loads nothing. What is in it are names, which are plain ASCII, and
//! the log's origin, which is escaped.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use candor_core::record::{Kind, ModelName, ReleaseName};

use super::answer::{PathOf, etag_of, etag_value, has_already};
use super::problem::{Name, Problem};
use super::{Log, Shared};
use crate::storage::{EntriesLimit, RecordFilter, RecordPage, ReleaseRow};

/// What all badges' names end in.
const SVG: &str = ".svg";

/// Nothing is loaded, whoever opens the image by itself.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'");

/// Asked about again each time, and by caches that don't, each minute.
const CACHED: HeaderValue = HeaderValue::from_static("no-cache, max-age=60");

/// How many characters of a version are shown; the title has all of it.
const VERSION_CHARS_MAX: usize = 24;

const LABEL: &str = "candor";

/// What is behind white text.
const LABEL_COLOUR: &str = "#333";

const PADDING: u32 = 7;

/// What the log lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The release with its weights, or an API version.
    Logged,
    /// The release, and nothing that says which bits it is.
    NoWeights,
    /// The release, whose weights were withdrawn.
    WeightsWithdrawn,
    /// The release was.
    Withdrawn,
    /// Nothing.
    Missing,
}

/// What a badge is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Model(ModelName),
    Release(ReleaseName),
}

impl Subject {
    /// What a path names; none where that can't be a name.
    fn parse(publisher: &str, name: &str) -> Option<Self> {
        let name = format!("{publisher}/{name}");
        if name.contains('@') {
            return name.parse().ok().map(Self::Release);
        }
        name.parse().ok().map(Self::Model)
    }
}

/// `GET /badges/{publisher}/{model}.svg` and `GET /badges/{publisher}/{model}@{version}.svg`
pub(super) async fn badge(
    State(log): Shared,
    PathOf((publisher, name)): PathOf<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(name) = name.strip_suffix(SVG) else {
        let detail = format!("badges are images, whose names end in {SVG}");
        return Err(Problem::new(Name::NotFound, detail)
            .hint("ask for /badges/PUBLISHER/MODEL.svg, or /badges/PUBLISHER/MODEL@VERSION.svg"));
    };
    let origin = log.identity.origin.as_str();
    let Some(subject) = Subject::parse(&publisher, name) else {
        let title = format!("There is no such name in {origin}.");
        return Ok(answer(&headers, Standing::Missing, None, &title));
    };
    let found = find(&log, &subject).await?;
    let (standing, release) = match &found {
        Some((standing, release)) => (*standing, Some(release)),
        None => (Standing::Missing, None),
    };
    let title = title(&subject, standing, release, origin);
    Ok(answer(&headers, standing, release, &title))
}

async fn find(log: &Log, subject: &Subject) -> Result<Option<(Standing, ReleaseName)>, Problem> {
    let row = match subject {
        Subject::Model(model) => log.view(log.storage.newest_release(model)).await?,
        Subject::Release(release) => {
            let limit = EntriesLimit { items: 1, bytes: 1 };
            let page = log.view(log.storage.release(release, None, limit)).await?;
            page.map(|page| page.row)
        }
    };
    match row {
        None => Ok(None),
        Some(row) => Ok(Some((standing(log, &row).await?, row.name))),
    }
}

async fn standing(log: &Log, row: &ReleaseRow) -> Result<Standing, Problem> {
    if row.withdrawn_by.is_some() {
        return Ok(Standing::Withdrawn);
    }
    if row.kinds.contains(&Kind::ApiVersion) {
        return Ok(Standing::Logged);
    }
    if !row.kinds.contains(&Kind::Weights) {
        return Ok(Standing::NoWeights);
    }
    // There is one such record, which may have been withdrawn by itself.
    let filter = RecordFilter {
        kind: Some(Kind::Weights),
        publisher: None,
        subject: Some(row.name.to_string()),
    };
    let page = RecordPage {
        before: log.sequencer.newest().await.head.size,
        limit: 1,
    };
    let weights = log.view(log.storage.records(&filter, page)).await?;
    Ok(match weights.first() {
        Some(weights) if weights.withdrawn_by.is_none() => Standing::Logged,
        Some(_) => Standing::WeightsWithdrawn,
        None => Standing::NoWeights,
    })
}

/// What the image says to those who can't see it, or point at it.
fn title(
    subject: &Subject,
    standing: Standing,
    release: Option<&ReleaseName>,
    origin: &str,
) -> String {
    let what = match (subject, release) {
        (_, Some(release)) | (Subject::Release(release), None) => release.to_string(),
        (Subject::Model(model), None) => model.to_string(),
    };
    let says = match standing {
        Standing::Logged => "is logged",
        Standing::NoWeights => "is logged, without weights",
        Standing::WeightsWithdrawn => "is logged, and its weights were withdrawn",
        Standing::Withdrawn => "was withdrawn",
        Standing::Missing => "is not in this log",
    };
    format!("{what} {says}: {origin}. This image proves nothing; candor verify does.")
}

impl Standing {
    fn words(self) -> &'static str {
        match self {
            Self::Logged => "logged",
            Self::NoWeights => "no weights",
            Self::WeightsWithdrawn => "weights withdrawn",
            Self::Withdrawn => "withdrawn",
            Self::Missing => "not in this log",
        }
    }

    /// Dark enough to read white text on.
    fn colour(self) -> &'static str {
        match self {
            Self::Logged => "#17692b",
            Self::NoWeights => "#7a4a00",
            Self::WeightsWithdrawn | Self::Withdrawn => "#a1152a",
            Self::Missing => "#5c5c5c",
        }
    }
}

fn answer(
    headers: &HeaderMap,
    standing: Standing,
    release: Option<&ReleaseName>,
    title: &str,
) -> Response {
    let image = draw(standing, release, title);
    let status = match standing {
        Standing::Missing => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    };
    let common = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, CACHED),
        // Also on a 304, and on what is too short to be compressed.
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    // Weak, since it may be sent compressed or not.
    let etag = format!("W/{}", etag_of(image.as_bytes()));
    if status == StatusCode::OK && has_already(headers, &etag) {
        let etag = [(header::ETAG, etag_value(&etag))];
        return (StatusCode::NOT_MODIFIED, common, etag).into_response();
    }
    let content_type = HeaderValue::from_static("image/svg+xml; charset=utf-8");
    let mut response = (status, common, image).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    if status == StatusCode::OK {
        headers.insert(header::ETAG, etag_value(&etag));
    }
    response
}

fn draw(standing: Standing, release: Option<&ReleaseName>, title: &str) -> String {
    let words = standing.words();
    let text = match release {
        Some(release) => format!("{} \u{b7} {words}", shortened(release.version().as_str())),
        None => words.to_owned(),
    };
    let (left, right) = (width(LABEL), width(&text));
    let (split, whole) = (left + 2 * PADDING, left + right + 4 * PADDING);
    let (title, text, colour) = (escape(title), escape(&text), standing.colour());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"20\" viewBox=\"0 0 {whole} 20\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>"
    );
    let _ = write!(
        svg,
        "<rect width=\"{split}\" height=\"20\" fill=\"{LABEL_COLOUR}\"/><rect x=\"{split}\" width=\"{}\" height=\"20\" fill=\"{colour}\"/>",
        whole - split
    );
    svg.push_str(
        "<g fill=\"#fff\" font-family=\"Verdana,'DejaVu Sans',sans-serif\" font-size=\"11\">",
    );
    // As wide as it was taken to be, whatever font there is.
    for (x, width, text) in [(PADDING, left, LABEL), (split + PADDING, right, &text)] {
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"14\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\">{text}</text>"
        );
    }
    svg.push_str("</g></svg>\n");
    svg
}

fn shortened(version: &str) -> String {
    if version.chars().count() <= VERSION_CHARS_MAX {
        return version.to_owned();
    }
    let begin: String = version.chars().take(VERSION_CHARS_MAX - 1).collect();
    format!("{begin}\u{2026}")
}

/// About how many pixels text takes at this size.
fn width(text: &str) -> u32 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ' ' | '\u{b7}' => 4,
        'f' | 'r' | 't' | '-' => 5,
        'm' | 'w' => 10,
        '+' | '\u{2026}' => 9,
        _ => 7,
    };
    text.chars().map(of).sum()
}

/// Text as XML 1.0 takes it, between tags and in attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What XML has no way to write.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Standing; 5] = [
        Standing::Logged,
        Standing::NoWeights,
        Standing::WeightsWithdrawn,
        Standing::Withdrawn,
        Standing::Missing,
    ];

    fn release(name: &str) -> ReleaseName {
        name.parse().expect("a release")
    }

    /// Relative luminance (WCAG 2.2) of `#rgb` or `#rrggbb`.
    fn luminance(colour: &str) -> f64 {
        let digits = colour.trim_start_matches('#');
        let long: String = match digits.len() {
            3 => digits.chars().flat_map(|c| [c, c]).collect(),
            _ => digits.to_owned(),
        };
        let channel = |at: usize| {
            let value = u8::from_str_radix(&long[at..at + 2], 16).expect("a colour");
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    }

    /// 4.5 is what WCAG 2.2 asks for (AA).
    #[test]
    fn white_text_can_be_read_on_each_colour() {
        let colours = ALL.map(Standing::colour).into_iter().chain([LABEL_COLOUR]);
        for colour in colours {
            let contrast = 1.05 / (luminance(colour) + 0.05);
            assert!(contrast >= 4.5, "{colour}: {contrast}");
        }
    }

    #[test]
    fn a_badge_is_a_small_image_that_loads_and_runs_nothing() {
        for standing in ALL {
            let name = release("example-lab/tiny-lm@1.0.0");
            let svg = draw(standing, Some(&name), "A title.");
            for never in [
                "<script",
                "<style",
                "style=",
                "href",
                "url(",
                "<a ",
                "<image",
                "foreignObject",
                " on",
            ] {
                assert!(!svg.contains(never), "{never} in {svg}");
            }
            assert!(svg.contains("<title>A title.</title>"));
            assert!(svg.contains(&format!(">1.0.0 \u{b7} {}</text>", standing.words())));
            assert!(svg.len() < 1_500, "{}", svg.len());
        }
    }

    #[test]
    fn what_is_text_stays_text() {
        let hostile = "log.example.org/<script>&\"'\u{1}\u{ffff}\u{f6}";
        let svg = draw(Standing::Missing, None, hostile);
        let escaped = "log.example.org/&lt;script&gt;&amp;&quot;&#39;\u{fffd}\u{fffd}\u{f6}";
        assert_eq!(svg.matches(escaped).count(), 2, "{svg}");
        assert!(!svg.contains("<script"), "{svg}");
    }

    #[test]
    fn a_long_version_is_cut_and_the_title_has_all_of_it() {
        let name = release(&format!("example-lab/tiny-lm@{}", "9".repeat(64)));
        let subject = Subject::Release(name.clone());
        let title = title(&subject, Standing::Logged, Some(&name), "log.example.org");
        assert!(title.contains(&"9".repeat(64)), "{title}");
        let svg = draw(Standing::Logged, Some(&name), &title);
        let shown = format!(">{}\u{2026} \u{b7} logged</text>", "9".repeat(23));
        assert!(svg.contains(&shown), "{svg}");
    }

    #[test]
    fn a_name_is_a_models_or_a_releases() {
        let parse = |publisher, name| Subject::parse(publisher, name);
        assert!(matches!(parse("a-lab", "m"), Some(Subject::Model(_))));
        assert!(matches!(parse("a-lab", "m.svg"), Some(Subject::Model(_))));
        assert!(matches!(
            parse("a-lab", "m@1.0.0+r1"),
            Some(Subject::Release(_))
        ));
        for (publisher, name) in [
            ("a-lab", ""),
            ("a-lab", "m@"),
            ("A", "m"),
            ("a-lab", "m@1@2"),
            ("a-lab", "<m>"),
        ] {
            assert_eq!(parse(publisher, name), None, "{publisher}/{name}");
        }
    }
}
