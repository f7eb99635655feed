//! The front matter of a model card, as far as it is lines: `name: text`, and lists of texts.
//!
//! ```text
//! ---
//! license: apache-2.0
//! language: [en, de]        # or one text, or lines that begin with a hyphen
//! tags:
//! - feature-extraction
//! ---
//! ```
//!
//! Always: nothing is guessed. What is nested, quoted with escapes or folded is left out, and named; the card itself is the
//! document of the record, and has all of it.

use std::collections::BTreeMap;

use candor_core::record::kinds::{BaseModel, ModelCard};

use super::lab::empty_card;

/// The names that a record has a field for.
const KNOWN: [&str; 9] = [
    "base_model",
    "datasets",
    "language",
    "library_name",
    "license",
    "license_link",
    "license_name",
    "pipeline_tag",
    "tags",
];

/// What is read of a card, and the names that were left out.
pub(super) fn read(card: &str) -> (ModelCard, Vec<String>) {
    let mut left_out = Vec::new();
    let mut fields = fields(lines(card), &mut left_out);
    let mut list = |name: &str| fields.remove(name).unwrap_or_default();
    let base_models = list("base_model");
    let (datasets, languages, tags) = (list("datasets"), list("language"), list("tags"));
    let mut text = |name: &str| {
        let mut found = fields.remove(name)?;
        if found.len() > 1 {
            left_out.push(name.to_owned());
            return None;
        }
        found.pop()
    };
    let read = ModelCard {
        license: text("license"),
        license_name: text("license_name"),
        license_link: text("license_link"),
        pipeline_tag: text("pipeline_tag"),
        library_name: text("library_name"),
        languages,
        tags,
        datasets,
        base_models: base_models
            .into_iter()
            .map(|name| BaseModel {
                name,
                relation: None,
            })
            .collect(),
        ..empty_card()
    };
    (read, left_out)
}

/// The lines of the front matter; none where there is none.
fn lines(card: &str) -> Vec<&str> {
    let mut lines = card.trim_start_matches('\u{feff}').lines();
    if lines.next().map(str::trim_end) != Some("---") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for line in lines {
        if line.trim_end() == "---" {
            return found;
        }
        found.push(line.trim_end());
    }
    // No line ends it: it is a line drawn above a text.
    Vec::new()
}

fn fields(lines: Vec<&str>, left_out: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // What the lines below a name belong to.
    let mut open: Option<(String, Option<Vec<String>>)> = None;
    let mut close = |open: Option<(String, Option<Vec<String>>)>| {
        let Some((name, values)) = open else { return };
        match values {
            // A name that is there twice says two things.
            Some(values) if !fields.contains_key(&name) => {
                if !values.is_empty() {
                    fields.insert(name, values);
                }
            }
            _ => {
                fields.remove(&name);
                left_out.push(name);
            }
        }
    };
    for line in lines {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let item = line.trim_start().strip_prefix("- ");
        let top = !line.starts_with([' ', '\t', '-']);
        if let (true, Some((name, value))) = (top, line.split_once(':')) {
            close(open.take());
            if KNOWN.contains(&name) {
                open = Some((name.to_owned(), values(value)));
            }
            continue;
        }
        if let Some((_, values)) = &mut open {
            let value = item.and_then(plain);
            match (values.as_mut(), value) {
                (Some(values), Some(value)) => values.push(value),
                _ => *values = None,
            }
        }
    }
    close(open.take());
    fields
}

/// What stands behind a name: one text, a list in brackets, or nothing yet.
fn values(value: &str) -> Option<Vec<String>> {
    let value = value.trim();
    if value.is_empty() {
        return Some(Vec::new());
    }
    let inside = value
        .strip_prefix('[')
        .and_then(|value| value.strip_suffix(']'));
    match inside {
        Some(inside) => inside.split(',').map(plain).collect(),
        None => plain(value).map(|value| vec![value]),
    }
}

/// A text as it stands, or in quotes; nothing where YAML would read more into it.
fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    for quote in ['"', '\''] {
        let inside = text
            .strip_prefix(quote)
            .and_then(|text| text.strip_suffix(quote));
        if let Some(inside) = inside {
            let is_plain = !inside.contains([quote, '\\']) && !inside.is_empty();
            return is_plain.then(|| inside.to_owned());
        }
    }
    let is_plain = !text.is_empty()
        && !text.starts_with(|c: char| "[]{}&*!|>%@`\"'#,?-".contains(c))
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !matches!(text, "null" | "~" | "true" | "false");
    is_plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_fields() {
        let (card, left_out) = read(
            "---\nlicense: apache-2.0\nlanguage: [en, 'de']\ntags:\n- a b\n  - \"c\"\n# no\ninference: false\nmodel-index:\n- name: x\n  results: []\nbase_model: facebook/opt-125m\n---\n# Tiny\n",
        );
        assert_eq!(card.license.as_deref(), Some("apache-2.0"));
        assert_eq!(card.languages, ["en", "de"]);
        assert_eq!(card.tags, ["a b", "c"]);
        assert_eq!(card.base_models[0].name, "facebook/opt-125m");
        assert!(left_out.is_empty(), "{left_out:?}");
    }

    #[test]
    fn what_yaml_would_read_more_into_is_left_out_and_named() {
        for (field, line) in [
            ("license", "license: >\n  folded"),
            ("license", "license: &a mit"),
            ("license", "license: \"m\\u0069t\""),
            ("license", "license:\n- a\n- b"),
            ("license", "license: mit\nlicense: gpl"),
            ("license", "license: mit # or so"),
            ("tags", "tags:\n- {a: b}"),
            ("tags", "tags:\n- a\n  more of it"),
            ("tags", "tags: [a, [b]]"),
            ("datasets", "datasets:\n  - name: x"),
        ] {
            let (card, left_out) = read(&format!("---\n{line}\n---\n"));
            assert_eq!(left_out, [field], "{line}");
            assert_eq!(card, empty_card(), "{line}");
        }
    }

    #[test]
    fn a_card_without_front_matter_has_none() {
        for card in [
            "",
            "# Tiny",
            "---\nlicense: mit\n# never ends",
            "--\nlicense: mit\n--\n",
        ] {
            assert_eq!(read(card), (empty_card(), Vec::new()), "{card}");
        }
    }
}
