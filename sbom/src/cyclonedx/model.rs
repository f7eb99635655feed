//! `metadata.component`: the model itself.

use candor_core::bundle::Withdrawn;
use candor_core::record::Predicate;
use candor_core::record::kinds::{Attachment, Relation};
use serde_json::{Value, json};

use super::{CycloneDxVersion, organization, parts, properties};
use crate::facts::{Measured, datasets, values};
use crate::license::License;
use crate::made::Made;
use crate::object::Object;
use crate::properties::{
    Properties, attachment_words, of_parent, of_release, record_words, withdrawn_words,
};
use crate::reference::{attachment, entry, is_reference};
use crate::release::Release;

/// The model's `bom-ref`.
pub(super) const REF: &str = "model";

/// The model.
pub(super) fn component(release: &Release<'_>, version: CycloneDxVersion, made: &Made) -> Object {
    let name = release.name;
    let tags = release.card.map_or(&[][..], |card| &card.tags);
    Object::new()
        .with("type", "machine-learning-model")
        .with("bom-ref", REF)
        .with("supplier", organization(release, name.publisher()))
        .with("publisher", release.display_name(name.publisher()))
        .with("group", name.publisher().as_str())
        .with("name", name.model().model())
        .with("version", name.version().as_str())
        .list("licenses", licenses(release))
        .part(
            "pedigree",
            Object::new().list("ancestors", ancestors(release, made)),
        )
        .list("externalReferences", external_references(release, made))
        .part("modelCard", model_card(release, version))
        .list("properties", properties(of_release(release)))
        .list(
            "tags",
            tags.iter().map(|it| Value::from(it.as_str())).collect(),
        )
}

/// What an adapter is for, it does not work without.
pub(super) fn dependencies(release: &Release<'_>) -> Vec<Value> {
    let needed: Vec<_> = release
        .parents
        .iter()
        .enumerate()
        .filter(|(_, parent)| parent.relation == Relation::AdapterFor)
        .map(|(at, _)| parent_ref(at))
        .collect();
    if needed.is_empty() {
        return Vec::new();
    }
    vec![json!({ "ref": REF, "dependsOn": needed })]
}

fn parent_ref(at: usize) -> String {
    format!("parent/{}", at + 1)
}

fn licenses(release: &Release<'_>) -> Vec<Value> {
    let Some(card) = release.card else {
        return Vec::new();
    };
    let link = card
        .license_link
        .as_deref()
        .filter(|link| is_reference(link));
    let license = |field: &str, value: &str| {
        let license = Object::new()
            .with(field, value)
            .with("acknowledgement", "declared")
            .maybe("url", link);
        json!({ "license": Value::from(license) })
    };
    let license = License::of(card).map(|it| match it {
        License::Id(id) => license("id", id),
        License::Expression(expression) => {
            json!({ "expression": expression, "acknowledgement": "declared" })
        }
        License::Named(name) => license("name", &name),
    });
    license.into_iter().collect()
}

/// The releases that it was made from, and the card's base models.
fn ancestors(release: &Release<'_>, made: &Made) -> Vec<Value> {
    let model = |reference: String, name: &str| {
        Object::new()
            .with("type", "machine-learning-model")
            .with("bom-ref", reference)
            .with("name", name)
    };
    let parents = release.parents.iter().enumerate();
    let parents = parents.map(|(at, parent)| {
        let name = parent.release;
        let mut extra = Properties::new();
        extra.add("parent:relation", parent.relation.name());
        of_parent(parent, &mut extra);
        let withdrawn = parent.withdrawn.as_ref();
        let advisory = withdrawn.map(|it| advisory(release, it, made));
        model(parent_ref(at), name.model().model())
            .with("group", name.publisher().as_str())
            .with("version", name.version().as_str())
            .list("externalReferences", advisory.into_iter().collect())
            .list("properties", properties(extra.done()))
    });
    let bases = release.card.map_or(&[][..], |card| &card.base_models);
    let bases = bases.iter().enumerate().map(|(at, base)| {
        let mut extra = Properties::new();
        extra.maybe("parent:relation", base.relation.as_ref());
        model(format!("base-model/{}", at + 1), &base.name)
            .list("properties", properties(extra.done()))
    });
    parents.chain(bases).map(Value::from).collect()
}

/// Its withdrawal, its records in the log, the documents that they name, and the bundle. Of a record that was withdrawn by
/// itself no documents.
fn external_references(release: &Release<'_>, made: &Made) -> Vec<Value> {
    let origin = &release.checkpoint.origin;
    let log = made.log.as_ref();
    let fallen = release.fallen.as_ref();
    let mut references: Vec<_> = fallen
        .map(|it| advisory(release, it, made))
        .into_iter()
        .collect();
    for logged in &release.records {
        references.push(json!({
            "type": "attestation",
            "url": entry(log, origin, logged.index),
            "comment": record_words(release, logged),
        }));
        if release.withdrawal_of(logged).is_some() {
            continue;
        }
        match &logged.record.statement().predicate {
            Predicate::ModelCard(it) => references.push(document("model-card", &it.document, made)),
            Predicate::Weights(it) => {
                references.push(document("bom", &it.manifest, made));
                references.extend(it.lists().map(|list| document("other", list, made)));
            }
            Predicate::TrainingConfig(it) => {
                references.push(document("configuration", &it.document, made));
            }
            Predicate::Evaluation(it) => {
                let raw = it.raw_results.iter();
                references.extend(raw.map(|raw| document("quality-metrics", raw, made)));
            }
            Predicate::Publisher(_) | Predicate::ApiVersion(_) | Predicate::Withdrawal(_) => {}
        }
    }
    if let Some(bundle) = &made.bundle {
        let is_reference = is_reference(&bundle.name);
        let name = if is_reference {
            bundle.name.clone()
        } else {
            format!("urn:candor:bundle:{}", bundle.sha256)
        };
        references.push(json!({
            "type": "evidence",
            "url": name,
            "comment": format!("the records with their proofs, as a .candor bundle: {}", bundle.name),
            "hashes": [{ "alg": "SHA-256", "content": bundle.sha256.to_string() }],
        }));
    }
    references
}

/// The entry that withdrew something.
fn advisory(release: &Release<'_>, withdrawn: &Withdrawn<'_>, made: &Made) -> Value {
    json!({
        "type": "advisories",
        "url": entry(made.log.as_ref(), &release.checkpoint.origin, withdrawn.by),
        "comment": withdrawn_words(withdrawn),
    })
}

fn document(kind: &str, it: &Attachment, made: &Made) -> Value {
    let sha256 = it.digest.sha256;
    json!({
        "type": kind,
        "url": attachment(made.log.as_ref(), sha256),
        "comment": attachment_words(it),
        "hashes": [{ "alg": "SHA-256", "content": sha256.to_string() }],
    })
}

fn model_card(release: &Release<'_>, version: CycloneDxVersion) -> Object {
    let card = release.card;
    let datasets = 0..datasets(release).len();
    let datasets = datasets.map(|at| json!({ "ref": parts::data_ref(at) }));
    let parameters = Object::new()
        .maybe("task", card.and_then(|card| card.pipeline_tag.as_deref()))
        .list("datasets", datasets.collect());
    // What stands in the card is the publisher's word, unless a citation says whose it is, which 1.6 has none of.
    let is_said_here = |it: &Measured<'_>| match version {
        CycloneDxVersion::V1_6 => matches!(it, Measured::Card { .. }),
        CycloneDxVersion::V1_7 => true,
    };
    let metrics = values(release)
        .into_iter()
        .filter(is_said_here)
        .map(|it| json!({ "type": it.metric(), "value": it.value(), "slice": it.on() }));
    let list = |text: Option<&String>| {
        text.map(|it| Value::from(it.as_str()))
            .into_iter()
            .collect()
    };
    let considerations = Object::new()
        .list(
            "useCases",
            list(card.and_then(|card| card.intended_use.as_ref())),
        )
        .list(
            "technicalLimitations",
            list(card.and_then(|card| card.limitations.as_ref())),
        );
    Object::new()
        .part("modelParameters", parameters)
        .part(
            "quantitativeAnalysis",
            Object::new().list("performanceMetrics", metrics.collect()),
        )
        .part("considerations", considerations)
}
