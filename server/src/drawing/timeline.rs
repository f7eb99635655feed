//! What was claimed to answer behind an API, along the time.

use super::{Anchor, Scale, Svg, shorten};
use crate::calendar::Day;

const WIDTH: f64 = 880.0;
const ROW: f64 = 34.0;
const LEFT: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// A claim, from its beginning to its end.
#[derive(Clone, Debug)]
pub struct Span {
    /// The API version's name.
    pub name: String,
    /// What is claimed to answer.
    pub behind: String,
    /// Where it is shown.
    pub path: String,
    /// In seconds since 1970.
    pub from_s: i64,
    /// The same; none while no end is known.
    pub until_s: Option<i64>,
    /// Whether it was taken back.
    pub is_withdrawn: bool,
}

/// Draws claims below each other, from the first beginning to `now_s` or the last end.
pub fn timeline(spans: &[Span], now_s: i64) -> String {
    let begin = spans.iter().map(|span| span.from_s).min().unwrap_or(now_s);
    let ends = spans.iter().map(|span| span.until_s.unwrap_or(now_s));
    let end = ends.max().unwrap_or(now_s).max(begin + 86_400);
    let height = spans.len().max(1) as f64 * ROW + BOTTOM;
    let mut svg = Svg::new(WIDTH, height);
    let x = Scale {
        from: (begin as f64, end as f64),
        to: (LEFT, WIDTH - LEFT),
    };
    for n in 0..=4 {
        let at = begin + (end - begin) / 4 * n;
        let place = x.at(at as f64);
        svg.line("grid", (place, 0.0), (place, height - BOTTOM));
        let anchor = match n {
            0 => Anchor::Start,
            4 => Anchor::End,
            _ => Anchor::Middle,
        };
        let day = Day::of_ms(at.saturating_mul(1_000)).map(|day| day.to_string());
        svg.text(
            "small",
            (place, height - 8.0),
            anchor,
            &day.unwrap_or_default(),
        );
    }
    for (row, span) in spans.iter().enumerate() {
        let top = row as f64 * ROW + 3.0;
        let from = x.at(span.from_s as f64);
        let until = x
            .at(span.until_s.unwrap_or(end.max(now_s)) as f64)
            .min(WIDTH - LEFT);
        let class = match (span.is_withdrawn, span.until_s) {
            (true, _) => "node gone",
            (false, None) => "node open",
            (false, Some(_)) => "node",
        };
        svg.begin_link(&span.path);
        svg.rectangle(class, (from, top), ((until - from).max(6.0), ROW - 8.0));
        let text = format!("{}: {}", span.name, span.behind);
        // Next to each other, whose they are need not be said each time.
        let version = span.name.split_once('@').map_or(&*span.name, |(_, it)| it);
        let behind = span
            .behind
            .split_once('/')
            .map_or(&*span.behind, |(_, it)| it);
        let label = shorten(&format!("{version}: {behind}"), 72);
        // Beside its bar where that begins late.
        let (place, anchor) = if from > WIDTH * 0.6 {
            ((WIDTH - LEFT - 6.0, top + 17.0), Anchor::End)
        } else {
            ((from + 8.0, top + 17.0), Anchor::Start)
        };
        svg.text("label", place, anchor, &label);
        svg.title(&text);
        svg.end_link();
    }
    let title = format!("Timeline of {} API versions", spans.len());
    svg.finish(&title, "group")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_drawn_whenever_they_are() {
        let span = |from_s, until_s| Span {
            name: "lab/api@1".to_owned(),
            behind: "undisclosed".to_owned(),
            path: "/releases/lab/api@1".to_owned(),
            from_s,
            until_s,
            is_withdrawn: false,
        };
        for spans in [
            vec![],
            vec![span(0, None)],
            vec![span(1_000, Some(1_001)), span(2_000_000_000, None)],
            vec![span(
                i64::from(u32::MAX) * 50,
                Some(i64::from(u32::MAX) * 58),
            )],
        ] {
            let drawn = timeline(&spans, 1_777_593_600);
            assert_eq!(drawn.matches("<a href=").count(), spans.len());
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }
}
