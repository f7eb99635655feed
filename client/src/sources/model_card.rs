//! Model cards: a Markdown document with the front matter of the Hugging Face Hub.

use candor_core::record::kinds::{
    BaseModel, CardDataset, CardMetric, CardResult, CardSource, CardTask, ModelCard,
};
use candor_core::record::{Kind, Predicate, ReleaseName};
use serde_json::{Map, Value, json};

use super::fit::{fit_schema, fit_size};
use super::markdown::sections;
use super::yaml::{Part, parse_yaml, type_name};
use super::{Draft, DraftAttachment, Drafts, SourceError, document_name, text};

/// The most bytes of front matter. The largest on the Hub, with hundreds of results, have some 200 KB.
pub const FRONT_MATTER_BYTES_MAX: usize = 256 * 1024;

/// How many characters of a section are taken: some 250 words, a screen of text.
const SECTION_CHARS_MAX: usize = 1_500;

/// The most bytes of a predicate, so that its entry fits: 45,000 become 60,000 in base64.
const PREDICATE_BYTES_MAX: usize = 45_000;

/// What is dropped if a card is too large for an entry; the document has it all.
const DROPPED_IF_TOO_LARGE: [&str; 8] = [
    "results",
    "tags",
    "languages",
    "datasets",
    "baseModels",
    "intendedUse",
    "limitations",
    "evaluationSummary",
];

/// Sections by the words of their headings. "Intended uses & limitations" is both.
const INTENDED_USE: [&str; 5] = [
    "intended use",
    "intended uses",
    "uses",
    "use",
    "intended uses limitations",
];
const LIMITATIONS: [&str; 9] = [
    "bias risks limitations",
    "limitations",
    "limitations bias",
    "limitations biases",
    "limitations risks",
    "risks limitations",
    "risks limitations biases",
    "ethical considerations limitations",
    "intended uses limitations",
];
const EVALUATION: [&str; 3] = ["evaluation", "evaluation results", "evaluations"];

/// Reads a card. `file` is its name or path, for messages and for the attachment's name.
pub fn draft(file: &str, bytes: &[u8], release: &ReleaseName) -> Result<Drafts, SourceError> {
    let document = text(file, bytes)?;
    let mut warnings = Vec::new();
    let (front_matter, body) = front_matter(file, document, &mut warnings)?;
    let attachment = DraftAttachment::new(document_name(file), "text/markdown", bytes.to_vec());
    let mut reader = Reader {
        fields: &front_matter,
        warnings: &mut warnings,
    };
    let sections = sections(body);
    // A heading that says it best comes first, wherever it stands.
    let section = |titles: &[&str]| {
        titles
            .iter()
            .filter_map(|title| sections.iter().find(|section| section.words == *title))
            .find_map(|section| section.text(SECTION_CHARS_MAX))
    };
    let card = ModelCard {
        document: attachment.descriptor.clone(),
        license: reader.text("license"),
        license_name: reader.text("license_name"),
        license_link: reader.text("license_link"),
        languages: reader.texts("language"),
        tags: reader.texts("tags"),
        pipeline_tag: reader.text("pipeline_tag"),
        library_name: reader.text("library_name"),
        datasets: reader.texts("datasets"),
        base_models: reader.base_models(),
        results: reader.results(),
        intended_use: section(&INTENDED_USE),
        limitations: section(&LIMITATIONS),
        evaluation_summary: section(&EVALUATION),
        annotations: Map::new(),
    };
    let card = fit(&card, &mut warnings);
    let warnings = warnings.iter().map(|w| format!("{file}: {w}")).collect();
    Ok(Drafts {
        drafts: vec![Draft::of_document(
            release,
            Predicate::ModelCard(card),
            attachment,
        )],
        warnings,
    })
}

/// Leaves out what does not fit the schema, or an entry.
fn fit(card: &ModelCard, warnings: &mut Vec<String>) -> ModelCard {
    let document = json!(card.document);
    let mut predicate = json!(card);
    fit_schema(Kind::ModelCard, &mut predicate, warnings);
    // Without the document there is no card; its name is checked with the draft.
    predicate["document"] = document;
    if let Value::Object(fields) = &mut predicate {
        fit_size(fields, &DROPPED_IF_TOO_LARGE, PREDICATE_BYTES_MAX, warnings);
    }
    serde_json::from_value(predicate).expect("a card without some of its optional fields is a card")
}

/// Splits a document into its front matter, between two lines `---` at the beginning, and the rest.
fn front_matter<'a>(
    file: &str,
    document: &'a str,
    warnings: &mut Vec<String>,
) -> Result<(Map<String, Value>, &'a str), SourceError> {
    let document = document.trim_start_matches('\u{feff}');
    let mut lines = document.split_inclusive('\n');
    let is_mark = |line: &str| line.trim_end() == "---";
    let first = lines.next().unwrap_or_default();
    if !is_mark(first) {
        return Ok((Map::new(), document));
    }
    let mut end = first.len();
    let Some(mark) = lines.find(|line| {
        let found = is_mark(line);
        if !found {
            end += line.len();
        }
        found
    }) else {
        warnings.push(
            "a line --- begins front matter, and none ends it: nothing is read of it".to_owned(),
        );
        return Ok((Map::new(), document));
    };
    let (yaml, body) = (&document[first.len()..end], &document[end + mark.len()..]);
    if yaml.len() > FRONT_MATTER_BYTES_MAX {
        return Err(SourceError::TooLarge {
            file: file.to_owned(),
            what: "the front matter",
            bytes: yaml.len() as u64,
            bytes_max: FRONT_MATTER_BYTES_MAX as u64,
        });
    }
    let part = Part {
        file,
        what: "the front matter",
    };
    match parse_yaml(part, yaml)? {
        Value::Object(fields) => Ok((fields, body)),
        Value::Null => Ok((Map::new(), body)),
        other => {
            let found = type_name(&other);
            warnings.push(format!(
                "the front matter is {found} instead of names and values: nothing is read of it"
            ));
            Ok((Map::new(), body))
        }
    }
}

/// Takes fields out of front matter, and notes which are not what they should be.
struct Reader<'a> {
    fields: &'a Map<String, Value>,
    warnings: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn left_out(&mut self, place: &str, expected: &str, found: &Value) {
        let found = type_name(found);
        self.warnings.push(format!(
            "left out {place}: it is {found}, and should be {expected}"
        ));
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) => non_empty(text),
            Value::Null => None,
            other => {
                self.left_out(name, "text", other);
                None
            }
        }
    }

    /// One text, or a list of texts.
    fn texts(&mut self, name: &str) -> Vec<String> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(text)) => non_empty(text).into_iter().collect(),
            Some(Value::Array(items)) => {
                let mut texts = Vec::new();
                for (n, item) in items.iter().enumerate() {
                    match item {
                        Value::String(text) => texts.extend(non_empty(text)),
                        other => self.left_out(&format!("{name}/{n}"), "text", other),
                    }
                }
                texts
            }
            Some(other) => {
                self.left_out(name, "text or a list of texts", other);
                Vec::new()
            }
        }
    }

    fn base_models(&mut self) -> Vec<BaseModel> {
        const RELATIONS: [&str; 4] = ["finetune", "adapter", "merge", "quantized"];
        let relation = self.text("base_model_relation").filter(|relation| {
            let known = RELATIONS.contains(&relation.as_str());
            if !known {
                let relation: String = relation.chars().take(80).collect();
                self.warnings.push(format!(
                    "left out base_model_relation: {relation:?} is none of {}",
                    RELATIONS.join(", ")
                ));
            }
            known
        });
        let base_model = |name| BaseModel {
            name,
            relation: relation.clone(),
        };
        self.texts("base_model")
            .into_iter()
            .map(base_model)
            .collect()
    }

    /// The results of `model-index`, of all the models that it lists.
    fn results(&mut self) -> Vec<CardResult> {
        let models = match self.fields.get("model-index") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(models)) => models,
            Some(other) => {
                self.left_out("model-index", "a list", other);
                return Vec::new();
            }
        };
        let mut results = Vec::new();
        for (m, model) in models.iter().enumerate() {
            let place = format!("model-index/{m}/results");
            let items = match &model["results"] {
                Value::Array(items) => items.as_slice(),
                other => {
                    self.left_out(&place, "a list", other);
                    continue;
                }
            };
            for (r, item) in items.iter().enumerate() {
                results.extend(self.result(&format!("{place}/{r}"), item));
            }
        }
        results
    }

    fn result(&mut self, place: &str, item: &Value) -> Option<CardResult> {
        let task_type = self.required(&item["task"]["type"], &format!("{place}/task/type"))?;
        let dataset_type =
            self.required(&item["dataset"]["type"], &format!("{place}/dataset/type"))?;
        let metrics = match &item["metrics"] {
            Value::Array(metrics) => metrics.as_slice(),
            other => {
                self.left_out(&format!("{place}/metrics"), "a list", other);
                return None;
            }
        };
        let metrics: Vec<_> = metrics
            .iter()
            .enumerate()
            .filter_map(|(n, metric)| self.metric(&format!("{place}/metrics/{n}"), metric))
            .collect();
        if metrics.is_empty() {
            self.warnings
                .push(format!("left out {place}: it has no metric with a value"));
            return None;
        }
        let (task, dataset, source) = (&item["task"], &item["dataset"], &item["source"]);
        let source = CardSource {
            name: optional(&source["name"]),
            url: optional(&source["url"]),
        };
        Some(CardResult {
            task: CardTask {
                task_type,
                name: optional(&task["name"]),
            },
            dataset: CardDataset {
                dataset_type,
                name: optional(&dataset["name"]),
                config: optional(&dataset["config"]),
                split: optional(&dataset["split"]),
                revision: optional(&dataset["revision"]),
            },
            metrics,
            source: (source.name.is_some() || source.url.is_some()).then_some(source),
        })
    }

    fn metric(&mut self, place: &str, metric: &Value) -> Option<CardMetric> {
        let metric_type = self.required(&metric["type"], &format!("{place}/type"))?;
        let value = match &metric["value"] {
            value @ (Value::Number(_) | Value::String(_)) => value.clone(),
            other => {
                self.left_out(&format!("{place}/value"), "a number or text", other);
                return None;
            }
        };
        Some(CardMetric {
            metric_type,
            name: optional(&metric["name"]),
            value,
        })
    }

    fn required(&mut self, value: &Value, place: &str) -> Option<String> {
        let text = optional(value);
        if text.is_none() {
            self.left_out(place, "text", value);
        }
        text
    }
}

fn optional(value: &Value) -> Option<String> {
    value.as_str().and_then(non_empty)
}

fn non_empty(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
