//! `declarations` and `citations`: who evaluated the model, and what that bears out.
//!
//! ```text
//! assessor  the author ◄── attestation  its evaluation ──► claim  the record that it answers
//!                                                            └─ evidence, or counterEvidence: the evaluation's record
//! ```

use std::collections::{BTreeMap, BTreeSet};

use candor_core::merkle::LeafIndex;
use candor_core::record::PublisherName;
use candor_core::record::kinds::Outcome;
use serde_json::{Value, json};

use super::{model, organization, organization_ref};
use crate::facts::values;
use crate::made::Made;
use crate::object::Object;
use crate::properties::record_words;
use crate::reference::entry;
use crate::release::{Evaluated, Release};

/// Nothing, if nobody evaluated the model.
pub(super) fn declarations(release: &Release<'_>, made: &Made) -> Object {
    let evaluations = &release.evaluations;
    let authors: BTreeSet<_> = evaluations.iter().map(|it| &it.evaluation.author).collect();
    let assessors = authors.into_iter().map(|author| assessor(release, author));
    let attestations = evaluations.iter().map(|it| attestation(release, it));
    let evidence = evaluations.iter().map(|it| evidence(release, it, made));
    Object::new()
        .list("assessors", assessors.collect())
        .list("attestations", attestations.collect())
        .list("claims", claims(release, made))
        .list("evidence", evidence.collect())
}

/// Who said which value, for the values that are not the publisher's own.
pub(super) fn citations(release: &Release<'_>, made: &Made) -> Vec<Value> {
    let mut pointers: BTreeMap<&PublisherName, Vec<String>> = BTreeMap::new();
    for (at, value) in values(release).into_iter().enumerate() {
        if let Some(author) = value.author() {
            let pointer = format!(
                "/metadata/component/modelCard/quantitativeAnalysis/performanceMetrics/{at}"
            );
            pointers.entry(author).or_default().push(pointer);
        }
    }
    let citation = |(author, pointers): (&PublisherName, Vec<String>)| {
        json!({
            "pointers": pointers,
            "timestamp": made.time.as_str(),
            "attributedTo": organization_ref(author),
        })
    };
    pointers.into_iter().map(citation).collect()
}

fn assessor(release: &Release<'_>, author: &PublisherName) -> Value {
    let is_own = author == release.name.publisher();
    // The model's supplier is written out there already, and no bom-ref may be there twice.
    let organization = if is_own {
        Object::new().with("name", release.display_name(author))
    } else {
        organization(release, author)
    };
    Object::new()
        .with("bom-ref", format!("assessor/{author}"))
        .with("thirdParty", !is_own)
        .with("organization", organization)
        .into()
}

fn attestation(release: &Release<'_>, it: &Evaluated<'_>) -> Value {
    let evaluation = it.evaluation;
    let harness = &evaluation.harness;
    let version = harness.version.as_ref().map(|it| format!(" {it}"));
    let date = evaluation.date.as_ref().map(|it| format!(", {it}"));
    let summary = format!(
        "{}: {} with {}{}{}",
        evaluation.outcome.name(),
        values_words(evaluation.results.len()),
        harness.name,
        version.unwrap_or_default(),
        date.unwrap_or_default()
    );
    let claim = answered(release, it).map(|index| match evaluation.outcome {
        Outcome::FailedToReproduce => json!({ "counterClaims": [claim_ref(index)] }),
        Outcome::Reported | Outcome::Reproduced => json!({ "claims": [claim_ref(index)] }),
    });
    Object::new()
        .with("summary", summary)
        .with("assessor", format!("assessor/{}", evaluation.author))
        .list("map", claim.into_iter().collect())
        .into()
}

fn values_words(count: usize) -> String {
    if count == 1 {
        "1 value".to_owned()
    } else {
        format!("{count} values")
    }
}

fn evidence(release: &Release<'_>, it: &Evaluated<'_>, made: &Made) -> Value {
    let logged = release
        .records
        .iter()
        .find(|logged| logged.index == it.index);
    let words = logged.map(|logged| record_words(release, logged));
    let url = entry(made.log.as_ref(), &release.checkpoint.origin, it.index);
    Object::new()
        .with("bom-ref", evidence_ref(it.index))
        .maybe("description", words)
        .with(
            "data",
            json!([{ "name": "evaluation record", "contents": { "url": url } }]),
        )
        .into()
}

/// One for each record that an evaluation answers.
fn claims(release: &Release<'_>, made: &Made) -> Vec<Value> {
    let mut tried: BTreeMap<LeafIndex, Vec<&Evaluated<'_>>> = BTreeMap::new();
    for it in &release.evaluations {
        if let Some(index) = answered(release, it) {
            tried.entry(index).or_default().push(it);
        }
    }
    let claim = |(index, tried): (LeafIndex, Vec<&Evaluated<'_>>)| {
        let of = |outcome: Outcome| -> Vec<Value> {
            let these = tried.iter().filter(|it| it.evaluation.outcome == outcome);
            these.map(|it| evidence_ref(it.index).into()).collect()
        };
        let said = release.records.iter().find(|it| it.index == index);
        let withdrawn = said.and_then(|it| release.withdrawal_of(it));
        let withdrawn = withdrawn.map(|it| format!(", which entry {} withdrew", it.by));
        let predicate = format!(
            "what entry {index} of {} says{}",
            release.checkpoint.origin,
            withdrawn.unwrap_or_default()
        );
        Object::new()
            .with("bom-ref", claim_ref(index))
            .with("target", model::REF)
            .with("predicate", predicate)
            .list("evidence", of(Outcome::Reproduced))
            .list("counterEvidence", of(Outcome::FailedToReproduce))
            .with(
                "externalReferences",
                json!([{
                    "type": "attestation",
                    "url": entry(made.log.as_ref(), &release.checkpoint.origin, index),
                }]),
            )
            .into()
    };
    tried.into_iter().map(claim).collect()
}

/// The record whose claim was tried, if it is one about the release in the bundle.
fn answered(release: &Release<'_>, it: &Evaluated<'_>) -> Option<LeafIndex> {
    release
        .record(it.evaluation.answers?)
        .map(|logged| logged.index)
}

fn claim_ref(index: LeafIndex) -> String {
    format!("claim/{index}")
}

fn evidence_ref(index: LeafIndex) -> String {
    format!("evidence/{index}")
}
