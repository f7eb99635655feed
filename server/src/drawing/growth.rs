//! How many records a log had, day by day.

use std::fmt::Write as _;

use super::{Anchor, Scale, Svg, label, ticks};

const SIZE: (f64, f64) = (560.0, 160.0);
const MARGIN: (f64, f64, f64, f64) = (10.0, 10.0, 26.0, 52.0);

/// The end of a day.
#[derive(Clone, Debug)]
pub struct GrowthPoint {
    /// The day, in days since 1970.
    pub day: i64,
    /// As it is written.
    pub name: String,
    /// How many records there were.
    pub total: i64,
}

/// Draws the number of records over time, from nothing.
pub fn growth(points: &[GrowthPoint]) -> String {
    let (top, right, bottom, left) = MARGIN;
    let mut svg = Svg::new(SIZE.0, SIZE.1);
    let floor = SIZE.1 - bottom;
    let first = points.first().map_or(0, |point| point.day);
    let last = points.last().map_or(1, |point| point.day);
    let high = points.last().map_or(1, |point| point.total).max(1) as f64;
    let x = Scale {
        // The first day's records came during it.
        from: ((first - 1) as f64, last as f64),
        to: (left, SIZE.0 - right),
    };
    let y = Scale {
        from: (0.0, high),
        to: (floor, top),
    };
    for tick in ticks(0.0, high) {
        svg.line("grid", (left, y.at(tick)), (SIZE.0 - right, y.at(tick)));
        svg.text(
            "small",
            (left - 6.0, y.at(tick) + 4.0),
            Anchor::End,
            &label(tick, high),
        );
    }
    let mut path = format!("M{left:.1} {floor:.1}");
    for point in points {
        let (x, y) = (x.at(point.day as f64), y.at(point.total as f64));
        write!(path, "L{x:.1} {y:.1}").expect("text takes what is written to it");
    }
    svg.add(format_args!(
        "<path class=\"area\" d=\"{path}V{floor:.1}Z\"/><path class=\"curve s0\" d=\"{path}\"/>"
    ));
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        svg.text("small", (left, SIZE.1 - 8.0), Anchor::Start, &first.name);
        svg.text(
            "small",
            (SIZE.0 - right, SIZE.1 - 8.0),
            Anchor::End,
            &last.name,
        );
    }
    let total = points.last().map_or(0, |point| point.total);
    svg.finish(&format!("Growth of the log to {total} records"), "img")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_no_day_or_one_is_drawn_too() {
        let point = |day, total| GrowthPoint {
            day,
            name: "2026-05-01".to_owned(),
            total,
        };
        for points in [
            vec![],
            vec![point(20_000, 1)],
            vec![point(20_000, 1), point(20_400, 1_000_000)],
        ] {
            let drawn = growth(&points);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }
}
