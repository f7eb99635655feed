//! What the model is related to: files, data sets, parents, and the documents that its records name.

use candor_core::record::Predicate;
use candor_core::record::kinds::{Attachment, CardDataset};
use serde_json::{Value, json};

use super::graph::Graph;
use super::{extension, external_ref, has_hash_name, hash, hashes, withdrawal};
use crate::facts::{Dataset, dataset_words, datasets, digest_words};
use crate::made::Made;
use crate::object::Object;
use crate::properties::{Properties, attachment_words, listed_files, of_file, of_parent};
use crate::reference::{attachment, is_uri};
use crate::release::Release;

/// Adds all of it.
pub(super) fn add(release: &Release<'_>, made: &Made, model: &str, graph: &mut Graph) {
    let files: Vec<_> = listed_files(release)
        .iter()
        .enumerate()
        .map(|(at, file)| {
            let element = Object::new()
                .with("name", file.path.to_string())
                .list("verifiedUsing", hashes(&file.digest))
                .list("extension", extension(of_file(file, has_hash_name)));
            graph.add("software_File", &format!("file-{}", at + 1), element)
        })
        .collect();
    graph.relate(model, "contains", &files, None);
    data(release, model, graph);
    parents(release, made, model, graph);
    documents(release, made, model, graph);
}

fn data(release: &Release<'_>, model: &str, graph: &mut Graph) {
    let trained: Vec<_> = datasets(release)
        .into_iter()
        .enumerate()
        .map(|(at, dataset)| {
            let id = format!("data-{}", at + 1);
            graph.add("dataset_DatasetPackage", &id, trained_on(dataset))
        })
        .collect();
    graph.relate(model, "trainedOn", &trained, None);
    let results = release.card.map_or(&[][..], |card| &card.results);
    let mut seen: Vec<&CardDataset> = Vec::new();
    let mut tested = Vec::new();
    for dataset in results.iter().map(|result| &result.dataset) {
        if seen.contains(&dataset) {
            continue;
        }
        seen.push(dataset);
        let id = format!("test-data-{}", seen.len());
        let element = dataset_package(&dataset_words(dataset))
            .maybe("summary", dataset.name.as_deref())
            .with("software_downloadLocation", "NOASSERTION");
        tested.push(graph.add("dataset_DatasetPackage", &id, element));
    }
    graph.relate(model, "testedOn", &tested, None);
}

fn dataset_package(name: &str) -> Object {
    Object::new()
        .with("name", name)
        .with("dataset_datasetType", json!(["noAssertion"]))
        .with("software_primaryPurpose", "data")
}

fn trained_on(dataset: Dataset<'_>) -> Object {
    let source = dataset.source;
    let uri = source.and_then(|it| it.uri.as_deref());
    let location = uri.filter(|uri| is_uri(uri)).unwrap_or("NOASSERTION");
    let digest = source.and_then(|it| it.digest.as_ref());
    let mut extra = Properties::new();
    if let Some(source) = source {
        extra.maybe("data:tokens", source.tokens);
        extra.maybe("data:samples", source.samples);
        extra.maybe("data:uri", uri.filter(|uri| !is_uri(uri)));
        extra.maybe("data:digest", digest.map(digest_words));
    }
    dataset_package(dataset.name)
        .with("software_downloadLocation", location)
        .maybe("description", source.and_then(|it| it.note.as_deref()))
        .list("verifiedUsing", digest.map(hashes).unwrap_or_default())
        .list("extension", extension(extra.done()))
}

/// The releases that it was made from, and the card's base models; each with a relationship that says how.
fn parents(release: &Release<'_>, made: &Made, model: &str, graph: &mut Graph) {
    let package = |name: &str| {
        Object::new()
            .with("name", name)
            .with("software_primaryPurpose", "model")
    };
    for (at, parent) in release.parents.iter().enumerate() {
        let mut extra = Properties::new();
        of_parent(parent, &mut extra);
        let withdrawn = parent.withdrawn.as_ref();
        let advisory = withdrawn.map(|it| withdrawal::advisory(release, it, made));
        let element = package(&parent.release.model().to_string())
            .with("software_packageVersion", parent.release.version().as_str())
            .maybe("comment", withdrawn.map(withdrawal::marked))
            .list("externalRef", advisory.into_iter().collect())
            .list("extension", extension(extra.done()));
        let id = graph.add("software_Package", &format!("parent-{}", at + 1), element);
        if let Some(withdrawn) = withdrawn {
            let of = format!("withdrawal-of-parent-{}", at + 1);
            withdrawal::annotate(graph, &id, &of, withdrawn);
        }
        graph.relate(model, "descendantOf", &[id], Some(parent.relation.name()));
    }
    let bases = release.card.map_or(&[][..], |card| &card.base_models);
    for (at, base) in bases.iter().enumerate() {
        let id = format!("base-model-{}", at + 1);
        let id = graph.add("software_Package", &id, package(&base.name));
        graph.relate(model, "descendantOf", &[id], base.relation.as_deref());
    }
}

/// The card, the manifest with its lists, the configuration file, raw results, and the bundle; not those of a record that was
/// withdrawn by itself.
fn documents(release: &Release<'_>, made: &Made, model: &str, graph: &mut Graph) {
    let mut add = |relationship: &str, purpose: &str, document: &Attachment, of: String| {
        let element = document_file(document, purpose, made);
        let id = graph.add("software_File", &of, element);
        graph.relate(model, relationship, &[id], None);
    };
    for logged in &release.records {
        if release.withdrawal_of(logged).is_some() {
            continue;
        }
        let of = |what: &str| format!("{what}-of-entry-{}", logged.index);
        match &logged.record.statement().predicate {
            Predicate::ModelCard(it) => {
                add(
                    "hasDocumentation",
                    "documentation",
                    &it.document,
                    of("card"),
                );
            }
            Predicate::Weights(it) => {
                add("hasMetadata", "manifest", &it.manifest, of("manifest"));
                if let Some(chunks) = &it.chunks {
                    add("hasMetadata", "manifest", &chunks.list, of("chunks"));
                }
                if let Some(tensors) = &it.tensors {
                    add("hasMetadata", "manifest", &tensors.list, of("tensors"));
                }
            }
            Predicate::TrainingConfig(it) => {
                add("hasMetadata", "configuration", &it.document, of("config"));
            }
            Predicate::Evaluation(it) => {
                if let Some(raw) = &it.raw_results {
                    add("hasEvidence", "evidence", raw, of("results"));
                }
            }
            Predicate::Publisher(_) | Predicate::ApiVersion(_) | Predicate::Withdrawal(_) => {}
        }
    }
    if let Some(bundle) = &made.bundle {
        let element = Object::new()
            .with("name", bundle.name.as_str())
            .with(
                "summary",
                "the records with their proofs, as a .candor bundle",
            )
            .with("software_primaryPurpose", "evidence")
            .list(
                "verifiedUsing",
                vec![hash("sha256", &bundle.sha256.to_string())],
            );
        let id = graph.add("software_File", "bundle", element);
        graph.relate(model, "hasEvidence", &[id], None);
    }
}

fn document_file(document: &Attachment, purpose: &str, made: &Made) -> Object {
    let sha256 = document.digest.sha256;
    let locator = attachment(made.log.as_ref(), sha256);
    let reference: Value = external_ref("other", &locator, &attachment_words(document));
    Object::new()
        .with("name", document.name.as_str())
        .with("contentType", document.media_type.as_str())
        .with("software_primaryPurpose", purpose)
        .list("verifiedUsing", vec![hash("sha256", &sha256.to_string())])
        .list("externalRef", vec![reference])
}
