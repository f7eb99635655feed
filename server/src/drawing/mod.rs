//! Drawings on pages: SVG that is made here and stands in the page, so that nothing is loaded and nothing is run.
//!
//! Colours and fonts are the style sheet's, by classes, in light and dark; places and sizes are numbers. Each drawing
//! has a title that says what it shows, and the page has the same in words or in a table beside it.
//!
//! Always: text from outside goes through `Svg::text` or `Svg::title`, which escape it.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places on a page need no more digits than a page has"
)]

mod graph;
mod growth;
mod plot;
mod position;
mod timeline;

use std::fmt::Write as _;

pub use graph::{GraphEdge, GraphNode, graph};
pub use growth::{GrowthPoint, growth};
pub use plot::{Panel, PlotPoint, plot};
pub use position::{PathStep, position};
pub use timeline::{Span, timeline};

/// A drawing in the making.
struct Svg {
    text: String,
    width: f64,
    height: f64,
}

/// Where text stands beside its point.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

impl Svg {
    /// A drawing of this size, in pixels where it is not made smaller.
    fn new(width: f64, height: f64) -> Self {
        Self {
            text: String::new(),
            width,
            height,
        }
    }

    /// Adds markup that has nothing from outside in it but numbers.
    fn add(&mut self, markup: std::fmt::Arguments<'_>) {
        self.text
            .write_fmt(markup)
            .expect("text takes what is written to it");
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    fn rectangle(&mut self, class: &str, at: (f64, f64), size: (f64, f64)) {
        let ((x, y), (width, height)) = (at, size);
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\"/>"
        ));
    }

    fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        let ((x, y), anchor, text) = (at, anchor.name(), escape(text));
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// What people are told who point at what was begun before.
    fn title(&mut self, text: &str) {
        let text = escape(text);
        self.add(format_args!("<title>{text}</title>"));
    }

    fn begin_link(&mut self, to: &str) {
        let to = escape(to);
        self.add(format_args!("<a href=\"{to}\">"));
    }

    fn end_link(&mut self) {
        self.add(format_args!("</a>"));
    }

    /// The whole drawing. A picture, for those who can't see it, unless there are links in it.
    fn finish(self, title: &str, role: &str) -> String {
        let (width, height, title, text) = (self.width, self.height, escape(title), self.text);
        format!(
            "<svg class=\"drawing\" xmlns=\"http://www.w3.org/2000/svg\" role=\"{role}\" aria-label=\"{title}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">{text}</svg>"
        )
    }
}

/// Text as it stands in markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has none of these.
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text that fits: cut in the middle, where names differ least.
fn shorten(text: &str, chars_max: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= chars_max {
        return text.to_owned();
    }
    let tail = chars_max / 2;
    let head = chars_max - tail - 1;
    let parts = [&chars[..head], &['…'], &chars[chars.len() - tail..]];
    parts.concat().into_iter().collect()
}

/// A scale from values to places.
#[derive(Clone, Copy)]
struct Scale {
    from: (f64, f64),
    to: (f64, f64),
}

impl Scale {
    fn at(self, value: f64) -> f64 {
        let ((first, last), (begin, end)) = (self.from, self.to);
        if (last - first).abs() < f64::MIN_POSITIVE {
            return f64::midpoint(begin, end);
        }
        begin + (value - first) / (last - first) * (end - begin)
    }
}

/// Some three to six round numbers between two values.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return vec![low];
    }
    let rough = span / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|it| it * power)
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    let mut ticks = Vec::new();
    let mut at = (low / step).ceil() * step;
    while at <= high + step * 1e-9 && ticks.len() < 10 {
        ticks.push(at);
        at += step;
    }
    ticks
}

/// A number for a scale: with no more digits than it takes.
fn label(value: f64, span: f64) -> String {
    if value.abs() >= 10_000.0 || (value != 0.0 && value.abs() < 1e-4) {
        return format!("{value:.1e}");
    }
    let digits = if span >= 10.0 {
        0
    } else if span >= 1.0 {
        1
    } else if span >= 0.1 {
        2
    } else {
        3
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_never_becomes_markup() {
        let hostile = "<script>alert(1)</script>\" onload='x' &amp;\u{0}";
        let mut svg = Svg::new(10.0, 10.0);
        svg.text("label", (1.0, 2.0), Anchor::Start, hostile);
        svg.title(hostile);
        svg.begin_link(hostile);
        svg.end_link();
        let drawn = svg.finish(hostile, "img");
        assert!(!drawn.contains("<script"), "{drawn}");
        assert!(!drawn.contains("\" onload"), "{drawn}");
        assert!(!drawn.contains('\u{0}'), "{drawn}");
        assert_eq!(drawn.matches("&lt;script&gt;").count(), 4);
    }

    #[test]
    fn scales_have_round_numbers() {
        assert_eq!(ticks(0.0, 1.0), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(3.0, 47.0), [20.0, 40.0]);
        assert_eq!(ticks(5.0, 5.0), [5.0]);
        assert_eq!(ticks(f64::NEG_INFINITY, 5.0).len(), 1);
        let scale = Scale {
            from: (0.0, 10.0),
            to: (100.0, 0.0),
        };
        assert!((scale.at(2.5) - 75.0).abs() < 1e-9);
    }

    #[test]
    fn names_are_cut_in_the_middle() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("example-lab/tiny-lm@1.0.0", 13), "exampl…@1.0.0");
    }
}
