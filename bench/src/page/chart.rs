//! Charts as small SVG files, the same bytes for the same figures, readable on light and on dark pages.
//!
//! ```text
//! title
//! 10k ┤        ╭──── series
//!  1k ┤  ╭─────╯            a scale of powers of ten, since what is compared differs by such
//!     └──┬─────┬─────┬──
//! ```

use std::fmt::Write as _;

/// Several values of one thing, for each step of the horizontal axis.
pub(crate) struct Series {
    /// What it is.
    pub(crate) name: String,
    /// One for each step; there may be holes.
    pub(crate) values: Vec<Option<f64>>,
}

/// Lines over named steps.
pub(crate) struct Lines {
    /// What is shown, and in which unit.
    pub(crate) title: String,
    /// The steps of the horizontal axis.
    pub(crate) steps: Vec<String>,
    /// The lines.
    pub(crate) series: Vec<Series>,
}

/// One bar.
pub(crate) struct Bar {
    /// What it is.
    pub(crate) name: String,
    /// How long it is.
    pub(crate) value: f64,
    /// Whether it is ours.
    pub(crate) own: bool,
}

/// A panel with lines.
const PANEL: (f64, f64) = (380.0, 280.0);

/// Left, top, right and bottom of what is drawn in a panel: room for numbers, the title and the legend, names of steps.
const MARGIN: (f64, f64, f64, f64) = (52.0, 64.0, 16.0, 30.0);

/// A bar, with the space below it and its name above it.
const BAR_HEIGHT: f64 = 40.0;

/// How wide a chart of bars is.
const BARS_WIDTH: f64 = 760.0;

const STYLE: &str = "<style>
text { font: 12px sans-serif; fill: #57606a }
.title { font-weight: bold; fill: #24292f }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
.c0 { stroke: #0969da } .f0 { fill: #0969da }
.c1 { stroke: #bc4c00 } .f1 { fill: #bc4c00 }
.c2 { stroke: #1a7f37 } .f2 { fill: #1a7f37 }
.c3 { stroke: #8250df } .f3 { fill: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title { fill: #f0f6fc } .grid { stroke: #3d444d }
.c0 { stroke: #4493f8 } .f0 { fill: #4493f8 }
.c1 { stroke: #db6d28 } .f1 { fill: #db6d28 }
.c2 { stroke: #3fb950 } .f2 { fill: #3fb950 }
.c3 { stroke: #ab7df8 } .f3 { fill: #ab7df8 }
}
</style>
";

/// How many colours there are.
const COLOURS: usize = 4;

/// Panels beside one another.
pub(crate) fn lines(panels: &[Lines]) -> String {
    let width = PANEL.0 * panels.len() as f64;
    let mut body = String::new();
    for (n, panel) in panels.iter().enumerate() {
        draw_panel(&mut body, panel, PANEL.0 * n as f64);
    }
    svg(width, PANEL.1, &body)
}

/// Bars below one another, longest possible for the largest value.
pub(crate) fn bars(title: &str, bars: &[Bar]) -> String {
    let mut body = String::new();
    text(&mut body, (12.0, 22.0), "start", " class=\"title\"", title);
    let longest = bars
        .iter()
        .map(|bar| bar.value)
        .fold(f64::MIN_POSITIVE, f64::max);
    for (n, bar) in bars.iter().enumerate() {
        let top = 36.0 + BAR_HEIGHT * n as f64;
        text(&mut body, (12.0, top + 12.0), "start", "", &bar.name);
        let length = (BARS_WIDTH - 100.0) * bar.value / longest;
        let colour = usize::from(!bar.own);
        let _ = writeln!(
            body,
            "<rect class=\"f{colour}\" x=\"12\" y=\"{:.1}\" width=\"{length:.1}\" height=\"14\" rx=\"2\"/>",
            top + 17.0
        );
        let label = short(bar.value);
        text(&mut body, (18.0 + length, top + 28.0), "start", "", &label);
    }
    svg(BARS_WIDTH, 44.0 + BAR_HEIGHT * bars.len() as f64, &body)
}

fn svg(width: f64, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\">\n{STYLE}{body}</svg>\n"
    )
}

fn draw_panel(body: &mut String, panel: &Lines, left: f64) {
    let (x0, x1) = (left + MARGIN.0, left + PANEL.0 - MARGIN.2);
    let (y0, y1) = (PANEL.1 - MARGIN.3, MARGIN.1);
    text(
        body,
        (left + 12.0, 22.0),
        "start",
        " class=\"title\"",
        &panel.title,
    );
    let (low, high) = decades(panel);
    let y = |value: f64| y0 + (y1 - y0) * (value.log10() - low) / (high - low);
    let step = (x1 - x0) / panel.steps.len().max(1) as f64;
    let x = |n: usize| x0 + step * (n as f64 + 0.5);
    let mut decade = low;
    while decade <= high {
        let value = 10_f64.powf(decade);
        let at = y(value);
        let _ = writeln!(
            body,
            "<line class=\"grid\" x1=\"{x0:.1}\" y1=\"{at:.1}\" x2=\"{x1:.1}\" y2=\"{at:.1}\"/>"
        );
        text(body, (x0 - 6.0, at + 4.0), "end", "", &short(value));
        decade += 1.0;
    }
    for (n, name) in panel.steps.iter().enumerate() {
        text(body, (x(n), y0 + 20.0), "middle", "", name);
    }
    let mut legend = left + 12.0;
    for (n, series) in panel.series.iter().enumerate() {
        let colour = n % COLOURS;
        let points: Vec<(f64, f64)> = series
            .values
            .iter()
            .enumerate()
            .filter_map(|(n, value)| {
                value
                    .filter(|value| *value > 0.0)
                    .map(|value| (x(n), y(value)))
            })
            .collect();
        let path: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            body,
            "<polyline class=\"line c{colour}\" points=\"{}\"/>",
            path.join(" ")
        );
        for (x, y) in points {
            let _ = writeln!(
                body,
                "<circle class=\"f{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
            );
        }
        let _ = writeln!(
            body,
            "<circle class=\"f{colour}\" cx=\"{legend:.1}\" cy=\"40\" r=\"4\"/>"
        );
        text(body, (legend + 8.0, 44.0), "start", "", &series.name);
        // As wide as its letters may be.
        legend += 26.0 + 6.6 * series.name.chars().count() as f64;
    }
}

/// The powers of ten around all values.
fn decades(panel: &Lines) -> (f64, f64) {
    let values = || {
        let all = panel.series.iter().flat_map(|series| &series.values);
        all.flatten().copied().filter(|value| *value > 0.0)
    };
    let low = values().fold(f64::MAX, f64::min).log10().floor();
    let high = values().fold(f64::MIN_POSITIVE, f64::max).log10().ceil();
    if low < high {
        (low, high)
    } else {
        (high - 1.0, high)
    }
}

/// `12,345` as `12k`: for axes and the ends of bars.
fn short(value: f64) -> String {
    let rounded = |value: f64| {
        let text = format!("{value:.1}");
        text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
    };
    if value >= 1e6 {
        format!("{}M", rounded(value / 1e6))
    } else if value >= 1e3 {
        format!("{}k", rounded(value / 1e3))
    } else {
        format!("{value}").chars().take(5).collect()
    }
}

fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        body,
        "<text{class} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}
