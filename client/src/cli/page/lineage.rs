//! A release's ancestors, in words, as a graph for Graphviz, and as JSON.
//!
//! Always: what publishers named is data. Names stand in text that is made harmless, and in DOT and JSON as strings.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use candor_sbom::WithdrawnAncestor;
use serde_json::{Value, json};

use super::{signed_by, withdrawn_words};
use crate::bundle_maker::Missing;
use crate::cli::text::{Text, Tone, counted};
use crate::lineage::{Edge, KnownNode, Lineage, Node, Open, State};

/// How many withdrawn ancestors are told one by one; a hundred may stand behind one release.
const WITHDRAWN_MAX: usize = 20;

/// How many parents that were not checked are told one by one.
const OPEN_MAX: usize = 10;

/// How many withdrawn ancestors are named with each node of a drawing.
const NAMED_MAX: usize = 3;

/// The graph as a tree, each release with its parents below it. One that was shown already is only named.
pub fn drawing(lineage: &Lineage<'_>) -> Vec<Text> {
    let root = &lineage.nodes[0];
    let mut lines =
        vec![Text::of(Tone::Strong, root.release.to_string()).with(Tone::Dim, about(root))];
    lines.extend(below(lineage, root, "  "));
    let mut shown = BTreeSet::from([0]);
    // What is still to be drawn, the next at the end: an edge, what stands before it, and whether it is the last of its child's.
    let mut stack: Vec<(&Edge<'_>, String, bool)> = Vec::new();
    let push = |stack: &mut Vec<_>, child: usize, before: &str| {
        let edges: Vec<_> = lineage.parents_of(child).collect();
        let last = edges.len();
        for (n, edge) in edges.into_iter().enumerate().rev() {
            stack.push((edge, before.to_owned(), n + 1 == last));
        }
    };
    push(&mut stack, 0, "");
    while let Some((edge, before, is_last)) = stack.pop() {
        let node = &lineage.nodes[edge.parent];
        let (branch, next) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        let line = Text::of(Tone::Dim, format!("{before}{branch}"))
            .plain(format!("{} ", edge.relation.name()))
            .with(Tone::Strong, node.release.to_string());
        let line = state_piece(line, edge).plain(named_otherwise(edge, node));
        let before = format!("{before}{next}");
        if !shown.insert(edge.parent) {
            lines.push(line.with(Tone::Dim, "  (see above)"));
            continue;
        }
        lines.push(line.with(Tone::Dim, about(node)));
        lines.extend(below(lineage, node, &format!("{before}  ")));
        push(&mut stack, edge.parent, &before);
    }
    lines
}

/// The graph in the language of Graphviz.
pub fn dot(lineage: &Lineage<'_>) -> String {
    let mut out = String::from("digraph lineage {\n  rankdir=BT;\n  node [shape=box];\n");
    for (number, node) in lineage.nodes.iter().enumerate() {
        let mut label = vec![node.release.to_string()];
        label.extend(node.known.map(|known| {
            let statement = known.record.record.statement();
            format!(
                "{}, entry {}, by {}",
                statement.kind(),
                known.record.index,
                statement.publisher()
            )
        }));
        if node.known.is_some_and(|it| it.is_weak) {
            label.push("weak digests".to_owned());
        }
        let withdrawn = node.known.and_then(|it| it.withdrawn);
        if let Some(it) = withdrawn {
            let reason = it.withdrawal.reason.name();
            label.push(format!("WITHDRAWN by entry {} ({reason})", it.by));
        }
        if !node.withdrawn_ancestors.is_empty() {
            label.push("a parent was withdrawn".to_owned());
        }
        let colour = match (&withdrawn, node.withdrawn_ancestors.is_empty()) {
            (Some(_), _) => ", color=red",
            (None, false) => ", color=orange",
            (None, true) => "",
        };
        let label: Vec<_> = label.iter().map(|line| quoted(line)).collect();
        let _ = writeln!(
            out,
            "  n{number} [label=\"{}\"{colour}];",
            label.join("\\n")
        );
    }
    for edge in &lineage.edges {
        let style = match edge.state {
            State::Checked => "",
            State::Named => ", style=dotted",
            State::Open(_) => ", style=dashed",
            State::Refuted(_) => ", color=red",
        };
        let state = match edge.state {
            State::Checked => "",
            State::Named | State::Open(_) | State::Refuted(_) => state_name(&edge.state),
        };
        let label = [edge.relation.name(), state].join(" ");
        let _ = writeln!(
            out,
            "  n{} -> n{} [label=\"{}\"{style}];",
            edge.child,
            edge.parent,
            quoted(label.trim_end())
        );
    }
    out.push_str("}\n");
    out
}

/// All of it as JSON, without the verdict.
pub fn lineage_json(lineage: &Lineage<'_>) -> Value {
    let name = |number: usize| &lineage.nodes[number].release;
    let node = |node: &Node<'_>| {
        let names = node.withdrawn_ancestors.iter().map(|it| name(*it));
        let mut object = json!({
            "release": node.release,
            "depth": node.depth,
            "withdrawnAncestors": names.collect::<Vec<_>>(),
            "notFollowed": node.not_followed,
            "known": node.known.is_some(),
        });
        if let Some(known) = &node.known {
            let statement = known.record.record.statement();
            let keys = known.record.record.signed_by().iter();
            object["kind"] = json!(statement.kind());
            object["index"] = json!(known.record.index);
            object["statement"] = json!(statement.digest);
            object["publisher"] = json!(statement.publisher());
            object["signedBy"] = keys.map(|key| json!(key.keyid())).collect();
            object["weak"] = json!(known.is_weak);
            object["withdrawn"] = known
                .withdrawn
                .map_or(Value::Null, |it| withdrawn_json(&it));
        }
        object
    };
    let edge = |edge: &Edge<'_>| {
        json!({
            "child": name(edge.child),
            "parent": name(edge.parent),
            "relation": edge.relation,
            "namedBy": edge.named_by.index,
            "index": edge.index,
            "statement": edge.statement,
            "state": state_name(&edge.state),
            "detail": state_words(edge),
        })
    };
    json!({
        "release": name(0),
        "nodes": lineage.nodes.iter().map(node).collect::<Vec<_>>(),
        "edges": lineage.edges.iter().map(edge).collect::<Vec<_>>(),
        "cut": lineage.is_cut,
    })
}

/// What of it says something about the release itself: how many edges there are, those that do not hold, and the ancestors
/// that were withdrawn. Null, if the release names no parents.
pub fn lineage_gist_json(lineage: &Lineage<'_>) -> Value {
    if lineage.is_empty() {
        return Value::Null;
    }
    let name = |number: usize| &lineage.nodes[number].release;
    let of_state = |wanted: &str| {
        let edges = lineage.edges.iter();
        edges
            .filter(|edge| state_name(&edge.state) == wanted)
            .map(|edge| {
                json!({
                    "child": name(edge.child), "parent": name(edge.parent),
                    "relation": edge.relation, "detail": state_words(edge),
                })
            })
            .collect::<Vec<_>>()
    };
    let checked = lineage.edges.iter();
    let checked = checked.filter(|edge| edge.state == State::Checked).count();
    let withdrawn = lineage.withdrawn().map(|(node, it)| {
        let mut object = withdrawn_json(&it);
        object["release"] = json!(node.release);
        object["depth"] = json!(node.depth);
        object
    });
    json!({
        "edges": lineage.edges.len(),
        "checked": checked,
        "named": of_state("named"),
        "open": of_state("open"),
        "refuted": of_state("refuted"),
        "withdrawn": withdrawn.collect::<Vec<_>>(),
        "cut": lineage.is_cut,
    })
}

/// Each ancestor that was withdrawn, as a sentence.
pub fn withdrawn_ancestors(lineage: &Lineage<'_>) -> Vec<String> {
    let withdrawn = lineage.withdrawn();
    let withdrawn = withdrawn.map(|(node, withdrawn)| WithdrawnAncestor {
        release: &node.release,
        depth: node.depth,
        withdrawn,
    });
    withdrawn_ancestors_words(&withdrawn.collect::<Vec<_>>())
}

/// The same of those that are known otherwise.
pub fn withdrawn_ancestors_words(all: &[WithdrawnAncestor<'_>]) -> Vec<String> {
    let words = |it: &WithdrawnAncestor<'_>| {
        let steps = match it.depth {
            1 => "a parent".to_owned(),
            depth => format!("an ancestor, {depth} steps up"),
        };
        format!(
            "{steps}, {}, is {}",
            it.release,
            withdrawn_words(&it.withdrawn)
        )
    };
    let mut sentences: Vec<_> = all.iter().take(WITHDRAWN_MAX).map(words).collect();
    if let Some(more) = all.len().checked_sub(WITHDRAWN_MAX).filter(|it| *it > 0) {
        let words = counted(more as u64, "more ancestor is", "more ancestors are");
        sentences.push(format!("{words} withdrawn: `candor lineage` lists them"));
    }
    sentences
}

/// Each parent that was not held against its record, as a sentence.
pub fn open_parents(lineage: &Lineage<'_>) -> Vec<String> {
    let is_open = |edge: &&Edge<'_>| matches!(edge.state, State::Open(_) | State::Named);
    let open: Vec<_> = lineage.edges.iter().filter(is_open).collect();
    let told = open.iter().take(OPEN_MAX);
    let mut sentences: Vec<_> = told
        .map(|edge| format!("a parent: {}", edge_words(lineage, edge)))
        .collect();
    if let Some(more) = open.len().checked_sub(OPEN_MAX).filter(|it| *it > 0) {
        let words = counted(more as u64, "more parent", "more parents");
        sentences.push(format!(
            "{words}: `candor lineage {}` lists them",
            lineage.nodes[0].release
        ));
    }
    sentences
}

/// `X quantized-from Y: entry 4 is about Z, and not about Y`.
pub fn edge_words(lineage: &Lineage<'_>, edge: &Edge<'_>) -> String {
    format!(
        "{} {} {}: {}",
        lineage.nodes[edge.child].release,
        edge.relation.name(),
        lineage.nodes[edge.parent].release,
        state_words(edge)
    )
}

/// `checked`, `named`, `refuted` or `open`.
fn state_name(state: &State) -> &'static str {
    match state {
        State::Checked => "checked",
        State::Named => "named",
        State::Refuted(_) => "refuted",
        State::Open(_) => "open",
    }
}

fn state_words(edge: &Edge<'_>) -> String {
    match (&edge.state, edge.index) {
        (State::Checked, Some(index)) => {
            format!("entry {index} is the record that is named, and stands before")
        }
        (State::Checked, None) => {
            "a record of the parent's has the statement digest that is named".to_owned()
        }
        (State::Named, _) => {
            "the training config names it, and no record of the parent's that is known here"
                .to_owned()
        }
        (State::Refuted(error), _) => error.to_string(),
        (State::Open(Open::NotHere), _) => {
            "the parent's record is not here: `candor lineage` asks the log".to_owned()
        }
        (State::Open(Open::Missing(Missing::Bounded)), _) => {
            "not looked at: there are more ancestors than are".to_owned()
        }
        (State::Open(Open::Missing(Missing::Unlisted)), _) => {
            "the log lists no record of the parent".to_owned()
        }
        (State::Open(Open::Missing(Missing::Unexplained(words))), _) => words.clone(),
    }
}

fn state_piece(line: Text, edge: &Edge<'_>) -> Text {
    match edge.state {
        State::Checked => line.with(Tone::Good, "  checked"),
        State::Named => line.with(Tone::Dim, "  by name alone"),
        State::Refuted(_) => line
            .with(Tone::Bad, "  REFUTED")
            .plain(format!(": {}", state_words(edge))),
        State::Open(_) => line
            .with(Tone::Warning, "  unclear")
            .plain(format!(": {}", state_words(edge))),
    }
}

/// ` (by entry 4)`, where that is another record than the one that is told of the release.
fn named_otherwise(edge: &Edge<'_>, node: &Node<'_>) -> String {
    match (edge.index, &node.known) {
        (Some(index), Some(known)) if known.record.index != index => format!(" (by entry {index})"),
        _ => String::new(),
    }
}

/// `  weights, entry 6, signed by example-lab (key a0afb49898da)`.
fn about(node: &Node<'_>) -> String {
    let Some(KnownNode { record, .. }) = &node.known else {
        return String::new();
    };
    let kind = record.record.statement().kind();
    format!(
        "  {}, entry {}, {}",
        kind.name(),
        record.index,
        signed_by(&record.record)
    )
}

/// What is worth a line of its own below a node.
fn below(lineage: &Lineage<'_>, node: &Node<'_>, before: &str) -> Vec<Text> {
    let mut lines = Vec::new();
    let start = || Text::of(Tone::Dim, before);
    if let Some(it) = node.known.and_then(|it| it.withdrawn) {
        let words = withdrawn_words(&it);
        let words = words.trim_start_matches("withdrawn").to_owned();
        lines.push(start().with(Tone::Bad, "WITHDRAWN").plain(words));
    }
    if !node.withdrawn_ancestors.is_empty() {
        let all = node.withdrawn_ancestors.iter();
        let mut names: Vec<_> = all
            .take(NAMED_MAX)
            .map(|it| lineage.nodes[*it].release.to_string())
            .collect();
        match node.withdrawn_ancestors.len() - names.len() {
            0 => {}
            more => names.push(format!("and {more} more")),
        }
        let words = format!(": {}", names.join(", "));
        lines.push(
            start()
                .with(Tone::Warning, "a parent was withdrawn")
                .plain(words),
        );
    }
    if node.known.is_some_and(|it| it.is_weak) {
        let words = "WEAK digests: other files can be made to have the same ones";
        lines.push(start().with(Tone::Warning, words));
    }
    if node.not_followed > 0 {
        let parents = counted(node.not_followed as u64, "parent", "parents");
        lines.push(start().with(Tone::Dim, format!("{parents} further up, not looked at")));
    }
    lines
}

fn withdrawn_json(it: &candor_core::bundle::Withdrawn<'_>) -> Value {
    json!({ "by": it.by, "reason": it.withdrawal.reason, "detail": withdrawn_words(it) })
}

/// A string between quotes in DOT.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_string_in_dot_is_escaped() {
        assert_eq!(quoted(r#"a"]; b \ c"#), r#"a\"]; b \\ c"#);
    }
}
