//! What both formats say in their own words: data sets, values, settings, digests.

use std::collections::BTreeMap;

use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{
    CardDataset, CardMetric, CardResult, DataSource, Evaluation, EvaluationResult,
};
use candor_core::record::{DigestSet, PublisherName};
use serde_json::{Map, Value};

use crate::object::Object;
use crate::release::Release;

/// A data set that the model was trained on. A training config says more of one than a card does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dataset<'a> {
    pub(crate) name: &'a str,
    pub(crate) source: Option<&'a DataSource>,
}

/// All of them: the training config's, and those that only the card names.
pub(crate) fn datasets<'a>(release: &Release<'a>) -> Vec<Dataset<'a>> {
    let sources = release.config.map_or(&[][..], |config| &config.data);
    let mut datasets: Vec<Dataset<'a>> = sources
        .iter()
        .map(|source| Dataset {
            name: &source.name,
            source: Some(source),
        })
        .collect();
    for name in release.card.map_or(&[][..], |card| &card.datasets) {
        if !datasets.iter().any(|it| it.name == name) {
            datasets.push(Dataset { name, source: None });
        }
    }
    datasets
}

/// One value, and who says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measured<'a> {
    /// The publisher, in the card.
    Card {
        result: &'a CardResult,
        metric: &'a CardMetric,
    },
    /// The author of an evaluation.
    Evaluation {
        index: LeafIndex,
        evaluation: &'a Evaluation,
        result: &'a EvaluationResult,
    },
}

/// All of them: the card's, and those of the evaluations.
pub(crate) fn values<'a>(release: &Release<'a>) -> Vec<Measured<'a>> {
    let results = release.card.map_or(&[][..], |card| &card.results);
    let card = results.iter().flat_map(|result| {
        let metrics = result.metrics.iter();
        metrics.map(move |metric| Measured::Card { result, metric })
    });
    let evaluations = release.evaluations.iter().flat_map(|it| {
        let (index, evaluation) = (it.index, it.evaluation);
        let results = evaluation.results.iter();
        results.map(move |result| Measured::Evaluation {
            index,
            evaluation,
            result,
        })
    });
    card.chain(evaluations).collect()
}

impl<'a> Measured<'a> {
    /// What was measured.
    pub(crate) fn metric(self) -> &'a str {
        match self {
            Self::Card { metric, .. } => &metric.metric_type,
            Self::Evaluation { result, .. } => &result.metric,
        }
    }

    /// The value, as text.
    pub(crate) fn value(self) -> String {
        match self {
            Self::Card { metric, .. } => text(&metric.value),
            Self::Evaluation { result, .. } => text(&result.value.into()),
        }
    }

    /// On what: `lambada_openai, 0-shot`.
    pub(crate) fn on(self) -> String {
        match self {
            Self::Card { result, .. } => dataset_words(&result.dataset),
            Self::Evaluation { result, .. } => {
                let shots = result.few_shot.map(|n| format!(", {n}-shot"));
                format!("{}{}", result.task, shots.unwrap_or_default())
            }
        }
    }

    pub(crate) fn standard_error(self) -> Option<String> {
        match self {
            Self::Card { .. } => None,
            Self::Evaluation { result, .. } => result.standard_error.map(|it| text(&it.into())),
        }
    }

    pub(crate) fn samples(self) -> Option<u64> {
        match self {
            Self::Card { .. } => None,
            Self::Evaluation { result, .. } => result.samples,
        }
    }

    /// Who says it, if it is not the publisher in the card.
    pub(crate) fn author(self) -> Option<&'a PublisherName> {
        match self {
            Self::Card { .. } => None,
            Self::Evaluation { evaluation, .. } => Some(&evaluation.author),
        }
    }

    /// All that was said of it, in the records' own names.
    pub(crate) fn to_json(self) -> String {
        let object = match self {
            Self::Card { result, metric } => Object::new()
                .with("record", "model-card")
                .with("task", result.task.task_type.as_str())
                .with("dataset", result.dataset.dataset_type.as_str())
                .maybe("split", result.dataset.split.as_deref())
                .maybe("config", result.dataset.config.as_deref())
                .maybe("revision", result.dataset.revision.as_deref())
                .with("metric", metric.metric_type.as_str())
                .with("value", metric.value.clone())
                .maybe(
                    "source",
                    result.source.as_ref().and_then(|it| it.name.as_deref()),
                )
                .maybe(
                    "sourceUrl",
                    result.source.as_ref().and_then(|it| it.url.as_deref()),
                ),
            Self::Evaluation {
                index,
                evaluation,
                result,
            } => Object::new()
                .with("record", "evaluation")
                .with("entry", index.get())
                .with("author", evaluation.author.as_str())
                .with("outcome", evaluation.outcome.name())
                .with("task", result.task.as_str())
                .with("metric", result.metric.as_str())
                .with("value", result.value)
                .maybe("standardError", result.standard_error)
                .maybe("samples", result.samples)
                .maybe("fewShot", result.few_shot),
        };
        Value::from(object).to_string()
    }
}

/// `EleutherAI/lambada_openai, split test`.
pub(crate) fn dataset_words(dataset: &CardDataset) -> String {
    let parts = [
        ("config", &dataset.config),
        ("split", &dataset.split),
        ("revision", &dataset.revision),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(name, part)| part.as_ref().map(|part| format!(", {name} {part}")));
    format!("{}{}", dataset.dataset_type, parts.collect::<String>())
}

/// A JSON value as text: text as it is, the rest as JSON.
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Settings by names such as `optimizer.params.lr`, each once.
pub(crate) fn settings(settings: &Map<String, Value>) -> BTreeMap<String, String> {
    fn flatten(name: String, value: &Value, flat: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                for (part, value) in inner {
                    flatten(format!("{name}.{part}"), value, flat);
                }
            }
            value => {
                // A name with a dot in it can be the same as two names.
                let mut name = name;
                while flat.contains_key(&name) {
                    name.push('\'');
                }
                flat.insert(name, text(value));
            }
        }
    }
    let mut flat = BTreeMap::new();
    for (name, value) in settings {
        flatten(name.clone(), value, &mut flat);
    }
    flat
}

/// `gitCommit 09440ee4…, sha256 bcae5878…`.
pub(crate) fn digest_words(digests: &DigestSet) -> String {
    let words: Vec<_> = digests
        .iter()
        .map(|(algorithm, digest)| format!("{algorithm} {digest}"))
        .collect();
    words.join(", ")
}
