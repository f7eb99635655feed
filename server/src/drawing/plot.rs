//! What was measured: values with their 95 % intervals, release by release, a mark for each author.

use super::{Anchor, Scale, Svg, label, shorten, ticks};

/// How many authors have a mark of their own. Further ones share the last.
const SERIES_MAX: usize = 6;

const SIZE: (f64, f64) = (360.0, 240.0);
const MARGIN: (f64, f64, f64, f64) = (28.0, 12.0, 46.0, 48.0);

/// How many standard errors an interval reaches on each side.
const INTERVAL: f64 = 1.96;

/// A value.
#[derive(Clone, Debug)]
pub struct PlotPoint {
    /// Which column it stands in.
    pub column: usize,
    /// Which author's it is.
    pub series: usize,
    /// The value.
    pub value: f64,
    /// Its standard error.
    pub error: Option<f64>,
    /// What it is, for those who point at it.
    pub title: String,
    /// The record that it is from.
    pub path: String,
}

/// One plot: one task, by one metric.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What was measured.
    pub title: String,
    /// What the columns are.
    pub columns: Vec<String>,
    /// The values.
    pub points: Vec<PlotPoint>,
}

/// Draws a panel.
pub fn plot(panel: &Panel) -> String {
    let mut svg = Svg::new(SIZE.0, SIZE.1);
    let (top, right, bottom, left) = MARGIN;
    let intervals = panel.points.iter().flat_map(|point| {
        let error = point.error.unwrap_or_default() * INTERVAL;
        [point.value - error, point.value + error]
    });
    let finite: Vec<f64> = intervals.filter(|it| it.is_finite()).collect();
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = match (low, high) {
        (low, high) if low > high => (0.0, 1.0),
        (low, high) if high - low <= 0.0 => (
            low - low.abs().max(1.0) * 0.1,
            high + low.abs().max(1.0) * 0.1,
        ),
        (low, high) => (low - (high - low) * 0.08, high + (high - low) * 0.08),
    };
    let y = Scale {
        from: (low, high),
        to: (SIZE.1 - bottom, top),
    };
    svg.text(
        "label",
        (left, 18.0),
        Anchor::Start,
        &shorten(&panel.title, 44),
    );
    for tick in ticks(low, high) {
        let at = y.at(tick);
        svg.line("grid", (left, at), (SIZE.0 - right, at));
        svg.text(
            "small",
            (left - 6.0, at + 4.0),
            Anchor::End,
            &label(tick, high - low),
        );
    }
    let columns = panel.columns.len().max(1);
    let step = (SIZE.0 - left - right) / columns as f64;
    let x = |column: usize| left + step * (column as f64 + 0.5);
    draw_columns(&mut svg, panel, step, &x);
    draw_curves(&mut svg, panel, &x, y);
    let authors = panel.points.iter().map(|point| point.series + 1).max();
    let series = authors.unwrap_or(1).min(SERIES_MAX);
    for point in &panel.points {
        if point.value.is_finite() && point.column < columns {
            // Authors stand beside each other in a column.
            let middle = (series - 1) as f64 / 2.0;
            let aside = (point.series.min(SERIES_MAX - 1) as f64 - middle) * (step / 8.0).min(10.0);
            draw_point(
                &mut svg,
                point,
                (x(point.column) + aside, y.at(point.value)),
                y,
            );
        }
    }
    svg.finish(&panel.title, "group")
}

/// The names of the columns, as many as fit.
fn draw_columns(svg: &mut Svg, panel: &Panel, step: f64, x: &dyn Fn(usize) -> f64) {
    let every = (52.0 / step).ceil().max(1.0) as usize;
    let chars = ((step * every as f64) / 6.5).max(6.0) as usize;
    let bottom = SIZE.1 - MARGIN.2;
    for (column, name) in panel.columns.iter().enumerate().step_by(every) {
        svg.line("grid", (x(column), bottom), (x(column), bottom + 4.0));
        svg.text(
            "small",
            (x(column), bottom + 18.0),
            Anchor::Middle,
            &shorten(name, chars),
        );
    }
}

/// What one author measured of several releases is a curve.
fn draw_curves(svg: &mut Svg, panel: &Panel, x: &dyn Fn(usize) -> f64, y: Scale) {
    for series in 0..SERIES_MAX {
        let mut points: Vec<(usize, f64)> = panel
            .points
            .iter()
            .filter(|point| point.series.min(SERIES_MAX - 1) == series && point.value.is_finite())
            .map(|point| (point.column, point.value))
            .collect();
        points.sort_by_key(|point| point.0);
        points.dedup_by_key(|point| point.0);
        for pair in points.windows(2) {
            let place = |(column, value): (usize, f64)| (x(column), y.at(value));
            svg.line(&format!("curve s{series}"), place(pair[0]), place(pair[1]));
        }
    }
}

fn draw_point(svg: &mut Svg, point: &PlotPoint, at: (f64, f64), y: Scale) {
    let series = point.series.min(SERIES_MAX - 1);
    svg.begin_link(&point.path);
    svg.add(format_args!("<g class=\"point s{series}\">"));
    svg.title(&point.title);
    if let Some(error) = point.error.filter(|error| error.is_finite()) {
        let (low, high) = (
            y.at(point.value - error * INTERVAL),
            y.at(point.value + error * INTERVAL),
        );
        svg.line("bar", (at.0, low), (at.0, high));
        svg.line("bar", (at.0 - 4.0, low), (at.0 + 4.0, low));
        svg.line("bar", (at.0 - 4.0, high), (at.0 + 4.0, high));
    }
    // Marks differ in form too, for those who can't tell colours apart.
    let (x, y) = at;
    match series % 3 {
        0 => svg.add(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/>"
        )),
        1 => svg.rectangle("mark", (x - 4.5, y - 4.5), (9.0, 9.0)),
        _ => svg.add(format_args!(
            "<path d=\"M{x:.1} {:.1}l6 10h-12z\"/>",
            y - 6.0
        )),
    }
    svg.add(format_args!("</g>"));
    svg.end_link();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_values_are_the_plot_has_its_places() {
        let point = |column, series, value, error| PlotPoint {
            column,
            series,
            value,
            error,
            title: "<b>".to_owned(),
            path: "/records/4".to_owned(),
        };
        for points in [
            vec![],
            vec![point(0, 0, 0.5, None)],
            vec![point(0, 0, 0.5, Some(0.01)), point(1, 1, 0.7, Some(0.0))],
            vec![
                point(0, 9, f64::NAN, None),
                point(1, 2, f64::INFINITY, Some(f64::NAN)),
            ],
            vec![point(0, 0, 1e300, Some(1e300)), point(1, 0, -1e300, None)],
            vec![point(7, 0, 0.5, None)],
        ] {
            let drawn = plot(&Panel {
                title: "acc".to_owned(),
                columns: vec!["a".to_owned(), "b".to_owned()],
                points,
            });
            for nonsense in ["NaN", "inf", "<b>"] {
                assert!(!drawn.contains(nonsense), "{drawn}");
            }
        }
    }
}
