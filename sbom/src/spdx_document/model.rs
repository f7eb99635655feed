//! The model's own element, its publisher and its licence.

use std::collections::BTreeSet;

use candor_core::record::kinds::TrainingConfig;
use serde_json::{Value, json};

use super::graph::{Graph, NO_ASSERTION_LICENSE};
use super::{dictionary_entry, extension, external_ref, withdrawal};
use crate::facts::{digest_words, settings, values};
use crate::license::{License, list_version};
use crate::made::{Made, Time};
use crate::object::Object;
use crate::properties::{of_release, record_words};
use crate::reference::{entry, is_mail_address, is_uri};
use crate::release::Release;

/// Adds them, and says what the model is called.
pub(super) fn add(release: &Release<'_>, made: &Made, graph: &mut Graph) -> String {
    let publisher = publisher(release, graph);
    let card = release.card;
    let config = release.config;
    let task = card.and_then(|card| card.pipeline_tag.as_deref());
    let settings = config
        .map(|config| settings(&config.hyperparameters))
        .unwrap_or_default();
    let settings = settings
        .iter()
        .map(|(name, value)| dictionary_entry(name, value));
    let package = Object::new()
        .with("name", release.name.model().to_string())
        .with("software_packageVersion", release.name.version().as_str())
        .with("software_primaryPurpose", "model")
        // No record says where the release is to be had, and the AI profile asks for it.
        .with("software_downloadLocation", "NOASSERTION")
        .with("suppliedBy", publisher)
        .maybe("releaseTime", made.released.as_ref().map(Time::as_str))
        .maybe("comment", release.fallen.as_ref().map(withdrawal::marked))
        .maybe("software_sourceInfo", source_words(release))
        .list("ai_domain", task.map(Value::from).into_iter().collect())
        .maybe("ai_informationAboutApplication", application_words(release))
        .maybe(
            "ai_informationAboutTraining",
            config.and_then(training_words),
        )
        .maybe(
            "ai_limitation",
            card.and_then(|card| card.limitations.as_deref()),
        )
        .list("ai_hyperparameter", settings.collect())
        .list("ai_metric", metrics(release))
        .list(
            "externalIdentifier",
            vec![json!({
                "type": "ExternalIdentifier",
                "externalIdentifierType": "other",
                "identifier": release.name.to_string(),
                "issuingAuthority": release.checkpoint.origin.to_string(),
            })],
        )
        .list("externalRef", external_refs(release, made))
        .list("extension", extension(of_release(release)));
    let model = graph.add("ai_AIPackage", "model", package);
    if let Some(fallen) = &release.fallen {
        withdrawal::annotate(graph, &model, "withdrawal", fallen);
    }
    licenses(release, &model, graph);
    model
}

fn publisher(release: &Release<'_>, graph: &mut Graph) -> String {
    let name = release.name.publisher();
    let publisher = release.publisher(name);
    let url = publisher.and_then(|it| it.url.as_deref());
    let url = url.map(|url| external_ref("altWebPage", url, ""));
    let keys = release.keys().into_iter().map(|key| {
        json!({
            "type": "ExternalIdentifier",
            "externalIdentifierType": "other",
            "identifier": format!("sha256:{key}"),
            "comment": "the ID of a key that signed: SHA-256 of its SubjectPublicKeyInfo",
            "issuingAuthority": release.checkpoint.origin.to_string(),
        })
    });
    let contact = publisher.and_then(|it| it.contact.as_deref());
    let mail = contact.filter(|it| is_mail_address(it)).map(|mail| {
        json!({
            "type": "ExternalIdentifier",
            "externalIdentifierType": "email",
            "identifier": mail,
        })
    });
    let organization = Object::new()
        .with("name", release.display_name(name))
        .list("externalRef", url.into_iter().collect())
        .list("externalIdentifier", keys.chain(mail).collect());
    graph.add("Organization", "publisher", organization)
}

/// Declared by the publisher; concluded by nobody.
fn licenses(release: &Release<'_>, model: &str, graph: &mut Graph) {
    let link = release.card.and_then(|card| card.license_link.as_deref());
    let declared = release.card.and_then(License::of).map(|license| {
        let expression = match license {
            License::Id(id) => expression(id),
            License::Expression(text) => expression(&text),
            License::Named(name) => {
                let reference = link.map(|link| external_ref("license", link, ""));
                let text = Object::new()
                    .with("name", name)
                    .with("simplelicensing_licenseText", "NOASSERTION")
                    .list("externalRef", reference.into_iter().collect());
                let text = graph.add("simplelicensing_SimpleLicensingText", "license-text", text);
                let id = "LicenseRef-declared";
                expression(id).with(
                    "simplelicensing_customIdToUri",
                    json!([dictionary_entry(id, &text)]),
                )
            }
        };
        graph.add("simplelicensing_LicenseExpression", "license", expression)
    });
    let nothing = || NO_ASSERTION_LICENSE.to_owned();
    let declared = declared.unwrap_or_else(nothing);
    graph.relate(model, "hasDeclaredLicense", &[declared], None);
    graph.relate(model, "hasConcludedLicense", &[nothing()], None);
}

fn expression(text: &str) -> Object {
    Object::new()
        .with("simplelicensing_licenseExpression", text)
        .with("simplelicensing_licenseListVersion", list_version())
}

/// One entry for a value, one for its standard error, one for how many samples; each under a key of its own.
fn metrics(release: &Release<'_>) -> Vec<Value> {
    let mut keys = BTreeSet::new();
    let mut entries = Vec::new();
    for it in values(release) {
        let by = it.author().map_or("model card".to_owned(), |author| {
            format!("evaluation by {author}")
        });
        let mut key = format!("{}, {}, {by}", it.metric(), it.on());
        while !keys.insert(key.clone()) {
            key.push('\'');
        }
        entries.push(dictionary_entry(&key, &it.value()));
        if let Some(error) = it.standard_error() {
            entries.push(dictionary_entry(&format!("{key}: standard error"), &error));
        }
        if let Some(samples) = it.samples() {
            entries.push(dictionary_entry(
                &format!("{key}: samples"),
                &samples.to_string(),
            ));
        }
    }
    entries
}

fn external_refs(release: &Release<'_>, made: &Made) -> Vec<Value> {
    let origin = &release.checkpoint.origin;
    let at = |index| entry(made.log.as_ref(), origin, index);
    let fallen = release.fallen.as_ref();
    let fallen = fallen.map(|it| withdrawal::advisory(release, it, made));
    let records = release
        .records
        .iter()
        .map(|logged| external_ref("other", &at(logged.index), &record_words(release, logged)));
    let code = release.config.and_then(|config| config.code.as_ref());
    let code = code.filter(|code| is_uri(&code.uri)).map(|code| {
        let digest = code.digest.as_ref().map(digest_words);
        let comment = format!("trained with {}", digest.as_deref().unwrap_or("this code"));
        external_ref("vcs", &code.uri, &comment)
    });
    fallen.into_iter().chain(records).chain(code).collect()
}

fn source_words(release: &Release<'_>) -> Option<String> {
    let source = release.weights?.source.as_ref()?;
    let parts = [source.uri.as_deref(), source.note.as_deref()];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("Where the digests come from: {}", parts.join(". ")))
}

fn application_words(release: &Release<'_>) -> Option<String> {
    let card = release.card?;
    let library = card.library_name.as_ref();
    let library = library.map(|library| format!("Loaded with {library}."));
    let parts: Vec<_> = card.intended_use.iter().cloned().chain(library).collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// Framework, machines and time, a line each. Settings and data have places of their own.
fn training_words(config: &TrainingConfig) -> Option<String> {
    let mut lines = Vec::new();
    if let Some(it) = &config.framework {
        let parts = [Some(&it.name), it.version.as_ref(), it.uri.as_ref()];
        let parts: Vec<_> = parts.into_iter().flatten().cloned().collect();
        lines.push(format!("Framework: {}", parts.join(" ")));
    }
    if let Some(it) = &config.hardware {
        let parts = [
            it.accelerator
                .as_ref()
                .map(|name| format!("accelerator {name}")),
            it.count.map(|count| format!("{count} of them")),
            it.nodes.map(|nodes| format!("machines: {nodes}")),
            it.note.clone(),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        lines.push(format!("Hardware: {}", parts.join(", ")));
    }
    if let Some(it) = &config.duration {
        let parts = [
            it.started.as_ref().map(|time| format!("from {time}")),
            it.finished.as_ref().map(|time| format!("to {time}")),
            it.wall_hours.map(|hours| format!("{hours} hours")),
            it.accelerator_hours
                .map(|hours| format!("{hours} accelerator hours")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        lines.push(format!("Duration: {}", parts.join(", ")));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}
