//! A lineage: releases in columns by their distance, with what they were made from on their left.

use std::collections::{BTreeMap, HashMap};

use super::{Anchor, Svg, shorten};

const BOX: (f64, f64) = (246.0, 46.0);
const GAP: (f64, f64) = (76.0, 14.0);
const MARGIN: f64 = 8.0;

/// How many characters of a model and its version fit into a box, in the widest of common typefaces, and how many smaller ones.
const NAME_CHARS: usize = 28;
const WORDS_CHARS: usize = 36;

/// A release.
#[derive(Clone, Debug, Default)]
pub struct GraphNode {
    /// Its name.
    pub name: String,
    /// What is known of it, in a word or two.
    pub note: String,
    /// Where it is shown; none where the log has nothing of it.
    pub path: Option<String>,
    /// Its column: below 0 on the left.
    pub distance: i32,
    /// Whether it fell.
    pub is_withdrawn: bool,
}

/// That one was made from another.
#[derive(Clone, Debug)]
pub struct GraphEdge {
    /// What was made.
    pub child: String,
    /// From what.
    pub parent: String,
    /// How.
    pub relation: String,
    /// Whether that was taken back.
    pub is_withdrawn: bool,
}

/// Draws a graph. Its releases are links, in the order in which they stand.
pub fn graph(nodes: &[GraphNode], edges: &[GraphEdge]) -> String {
    let mut columns: BTreeMap<i32, Vec<&GraphNode>> = BTreeMap::new();
    for node in nodes {
        columns.entry(node.distance).or_default().push(node);
    }
    let rows = columns.values().map(Vec::len).max().unwrap_or(1);
    let width = columns.len().max(1) as f64 * (BOX.0 + GAP.0) - GAP.0 + 2.0 * MARGIN;
    let height = rows as f64 * (BOX.1 + GAP.1) - GAP.1 + 2.0 * MARGIN;
    let mut places: HashMap<&str, (f64, f64)> = HashMap::new();
    for (column, nodes) in columns.values().enumerate() {
        let taken = nodes.len() as f64 * (BOX.1 + GAP.1) - GAP.1;
        let top = (height - taken) / 2.0;
        for (row, node) in nodes.iter().enumerate() {
            let place = (
                MARGIN + column as f64 * (BOX.0 + GAP.0),
                top + row as f64 * (BOX.1 + GAP.1),
            );
            places.insert(&node.name, place);
        }
    }
    let mut svg = Svg::new(width, height);
    for edge in edges {
        if let (Some(parent), Some(child)) = (
            places.get(edge.parent.as_str()),
            places.get(edge.child.as_str()),
        ) {
            draw_edge(&mut svg, *parent, *child, edge);
        }
    }
    for node in columns.values().flatten() {
        draw_node(&mut svg, places[node.name.as_str()], node);
    }
    let title = format!("Lineage of {} releases", nodes.len());
    svg.finish(&title, "group")
}

fn draw_edge(svg: &mut Svg, parent: (f64, f64), child: (f64, f64), edge: &GraphEdge) {
    let from = (parent.0 + BOX.0, parent.1 + BOX.1 / 2.0);
    let to = (child.0, child.1 + BOX.1 / 2.0);
    let bend = ((to.0 - from.0) / 2.0).max(20.0);
    let class = if edge.is_withdrawn {
        "edge gone"
    } else {
        "edge"
    };
    svg.add(format_args!(
        "<path class=\"{class}\" d=\"M{:.1} {:.1}C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}l-6 -4m6 4l-6 4\">",
        from.0, from.1, from.0 + bend, from.1, to.0 - bend, to.1, to.0, to.1
    ));
    let taken_back = if edge.is_withdrawn {
        " (withdrawn)"
    } else {
        ""
    };
    svg.title(&format!(
        "{} {} {}{taken_back}",
        edge.child, edge.relation, edge.parent
    ));
    svg.add(format_args!("</path>"));
    let middle = (
        f64::midpoint(from.0, to.0),
        f64::midpoint(from.1, to.1) - 3.0,
    );
    // Between neighbours there is room for a word.
    if (to.0 - from.0 - GAP.0).abs() < 1.0 {
        svg.text("small", middle, Anchor::Middle, how(&edge.relation));
    }
}

/// A relation in a word that fits between two boxes.
fn how(relation: &str) -> &str {
    match relation.split_once('-') {
        Some(("fine", _)) => "fine-tuned",
        Some((first, _)) => first,
        None => relation,
    }
}

fn draw_node(svg: &mut Svg, at: (f64, f64), node: &GraphNode) {
    if let Some(path) = &node.path {
        svg.begin_link(path);
    }
    let class = match (node.distance, node.is_withdrawn, node.path.is_some()) {
        (_, true, _) => "node gone",
        (0, ..) => "node here",
        (_, _, false) => "node unknown",
        _ => "node",
    };
    svg.rectangle(class, at, BOX);
    let x = at.0 + 10.0;
    let (publisher, model) = node.name.split_once('/').unwrap_or(("", &node.name));
    svg.text(
        "label",
        (x, at.1 + 19.0),
        Anchor::Start,
        &shorten(model, NAME_CHARS),
    );
    let words = match (node.is_withdrawn, node.path.is_some()) {
        (true, _) => "withdrawn",
        (false, false) => "not in this log",
        _ => &node.note,
    };
    let separator = if words.is_empty() { "" } else { ": " };
    svg.text(
        "small",
        (x, at.1 + 36.0),
        Anchor::Start,
        &shorten(&format!("{publisher}{separator}{words}"), WORDS_CHARS),
    );
    svg.title(&node.name);
    if node.path.is_some() {
        svg.end_link();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_is_a_link_and_every_edge_is_told() {
        let node = |name: &str, distance, path: Option<&str>| GraphNode {
            name: name.to_owned(),
            path: path.map(str::to_owned),
            distance,
            ..GraphNode::default()
        };
        let nodes = [
            node("lab/base@1", -1, Some("/releases/lab/base@1")),
            node("lab/m@1", 0, Some("/releases/lab/m@1")),
            node("elsewhere/x@1", -1, None),
        ];
        let edge = |parent: &str| GraphEdge {
            child: "lab/m@1".to_owned(),
            parent: parent.to_owned(),
            relation: "fine-tune-of".to_owned(),
            is_withdrawn: false,
        };
        let edges = [
            edge("lab/base@1"),
            edge("elsewhere/x@1"),
            edge("not/shown@1"),
        ];
        let drawn = graph(&nodes, &edges);
        assert_eq!(drawn.matches("<a href=").count(), 2);
        assert_eq!(drawn.matches("<path").count(), 2);
        assert!(
            drawn.contains("<title>lab/m@1 fine-tune-of lab/base@1</title>"),
            "{drawn}"
        );
        assert!(drawn.contains("elsewhere: not in this log"), "{drawn}");
        assert!(drawn.contains(">fine-tuned<"), "{drawn}");
        assert!(graph(&[], &[]).starts_with("<svg"));
    }
}
