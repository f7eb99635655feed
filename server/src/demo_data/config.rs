//! The training configs that were published of Pythia: YAML that is JSON with comments and commas too many.
//!
//! Not here: YAML. What is not JSON once comments and last commas are gone is attached as it is, and its settings are not
//! repeated: so it is with the config of Pythia 12B, in which a comma is missing.

use candor_core::record::kinds::{Annotations, Framework, TrainingConfig};
use candor_core::record::{JsonError, parse_strict};
use serde_json::{Map, Value};

use super::lab::Document;

/// Reads a config, and says why its settings are not repeated where they are not. `name` is the document's.
pub(super) fn read(
    name: &str,
    text: &str,
    annotations: Annotations,
) -> (TrainingConfig, Document, Option<String>) {
    let (settings, media_type, why_not) = match settings(text) {
        Ok(settings) => (settings, "application/yaml", None),
        Err(rule) => (Map::new(), "text/plain", Some(rule)),
    };
    let document = Document::new(name, media_type, text);
    // GPT-NeoX writes this name with hyphens, and no other framework has it so.
    let framework = text.contains("\"pipe-parallel-size\"").then(|| Framework {
        name: "gpt-neox".to_owned(),
        version: None,
        uri: None,
    });
    let config = TrainingConfig {
        document: document.descriptor.clone(),
        framework,
        code: None,
        hyperparameters: settings,
        data: Vec::new(),
        hardware: None,
        duration: None,
        checkpoints: Vec::new(),
        parents: Vec::new(),
        annotations,
    };
    (config, document, why_not)
}

fn settings(text: &str) -> Result<Map<String, Value>, String> {
    let read = parse_strict(plain_json(text).as_bytes());
    match read.map_err(|error: JsonError| error.to_string())? {
        Value::Object(settings) => Ok(settings),
        _ => Err("it is JSON, and no list of names and values".to_owned()),
    }
}

/// The text without comments (`#` to the end of its line) and without commas before a closing bracket.
fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut in_string = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_string => {
                plain.push(c);
                plain.extend(chars.next());
                continue;
            }
            '"' => in_string = !in_string,
            '#' if !in_string => {
                chars.by_ref().find(|c| *c == '\n');
                plain.push('\n');
                continue;
            }
            '}' | ']' if !in_string => {
                let end = plain.trim_end();
                if let Some(before) = end.strip_suffix(',') {
                    plain.truncate(before.len());
                }
            }
            _ => {}
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: &str) -> Result<Value, String> {
        settings(text).map(Value::Object)
    }

    #[test]
    fn comments_and_last_commas_are_left_out_and_nothing_in_texts() {
        let text = "{\n  # 32 gpus, }\n  \"a-b\": [1, 2,], # \"x\"\n  \"c\": \"#1,}\\\"#,]\",\n  \"d\": {\"e\": 1.0e-8,},\n}\n";
        assert_eq!(
            of(text),
            Ok(json!({ "a-b": [1, 2], "c": "#1,}\"#,]", "d": { "e": 1e-8 } }))
        );
    }

    #[test]
    fn what_is_no_json_then_is_attached_and_not_repeated() {
        for text in [
            "{ \"a\": 1 \"b\": 2 }",
            "{ \"a\": 1, \"a\": 2 }",
            "a: 1",
            "[1]",
            "{ \"a\": \"open }",
            "{ ,, }",
            "",
        ] {
            of(text).expect_err(text);
            let (config, document, why_not) = read("c.yml", text, Annotations::new());
            assert!(why_not.is_some() && config.hyperparameters.is_empty());
            assert_eq!(document.bytes, text.as_bytes());
            assert_eq!(document.descriptor.media_type, "text/plain");
        }
    }
}
