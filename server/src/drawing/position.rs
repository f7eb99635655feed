//! Where an entry stands in the tree: its leaf hash, and what leads from it to the root.

use super::{Anchor, Svg};

const ROW: f64 = 34.0;
const WIDTH: f64 = 420.0;
const RADIUS: f64 = 7.0;

/// A step from a hash to the one above it.
#[derive(Clone, Debug)]
pub struct PathStep {
    /// The hash that it takes beside it, in short.
    pub sibling: String,
    /// Whether that stands on the left.
    pub is_left: bool,
    /// The hash above both, in short.
    pub parent: String,
}

/// Draws the way from a leaf, at the bottom, to the root.
pub fn position(leaf: &str, steps: &[PathStep]) -> String {
    let height = (steps.len() + 1) as f64 * ROW + 12.0;
    let mut svg = Svg::new(WIDTH, height);
    let y = |level: usize| height - 22.0 - level as f64 * ROW;
    // Each step goes half as far aside as the one below it, so that the drawing looks like the tree that it is part of.
    let mut x = WIDTH / 2.0;
    // Names stand on the side on which no line is.
    let leaf_on_left = steps.first().is_some_and(|step| !step.is_left);
    let name = format!("leaf {leaf}");
    let mut dots = vec![("dot leaf", (x, y(0)), leaf_on_left, name)];
    for (level, step) in steps.iter().enumerate() {
        let aside = if step.is_left { -1.0 } else { 1.0 } * 44.0;
        let sibling = (x + aside, y(level));
        let parent = ((x + aside / 2.0).clamp(90.0, WIDTH - 90.0), y(level + 1));
        svg.line("edge strong", (x, y(level)), parent);
        svg.line("edge", sibling, parent);
        dots.push(("dot", sibling, step.is_left, step.sibling.clone()));
        let is_root = level + 1 == steps.len();
        let (class, name) = if is_root {
            ("dot here", format!("root {}", step.parent))
        } else {
            ("dot path", String::new())
        };
        dots.push((class, parent, step.is_left, name));
        x = parent.0;
    }
    for (class, (x, y), on_left, name) in dots {
        svg.add(format_args!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{RADIUS}\"/>"
        ));
        let (place, anchor) = if on_left {
            (x - RADIUS - 4.0, Anchor::End)
        } else {
            (x + RADIUS + 4.0, Anchor::Start)
        };
        svg.text("small mono", (place, y + 4.0), anchor, &name);
    }
    let title = format!("The way from the leaf to the root: {} hashes", steps.len());
    svg.finish(&title, "img")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_its_sibling_and_stays_in_the_picture() {
        for depth in [0, 1, 20, 63] {
            let step = PathStep {
                sibling: "abcd".to_owned(),
                is_left: true,
                parent: "ef01".to_owned(),
            };
            let drawn = position("0123", &vec![step; depth]);
            assert_eq!(drawn.matches("<circle").count(), 1 + 2 * depth);
            assert_eq!(drawn.matches(">abcd<").count(), depth);
            assert!(!drawn.contains("cx=\"-"), "{drawn}");
        }
    }
}
