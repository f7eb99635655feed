//! `components`: what is in the model, and what it was made with.

use serde_json::{Value, json};

use super::{has_hash_name, hashes, properties};
use crate::facts::{Dataset, datasets, digest_words};
use crate::object::Object;
use crate::properties::{Properties, listed_files, of_file};
use crate::reference::is_reference;
use crate::release::Release;

/// The `bom-ref` of the framework.
pub(super) const FRAMEWORK_REF: &str = "framework";

/// Files, data sets and the framework.
pub(super) fn components(release: &Release<'_>) -> Vec<Value> {
    let files = listed_files(release).iter().map(|file| {
        let component = Object::new()
            .with("type", "file")
            .with("bom-ref", format!("file/{}", file.path))
            .with("name", file.path.to_string())
            .list("hashes", hashes(&file.digest))
            .list("properties", properties(of_file(file, has_hash_name)));
        Value::from(component)
    });
    let data = datasets(release).into_iter().enumerate();
    let data = data.map(|(at, dataset)| self::data(at, dataset));
    files.chain(data).chain(framework(release)).collect()
}

/// The `bom-ref` of the data set at this place of the list.
pub(super) fn data_ref(at: usize) -> String {
    format!("data/{}", at + 1)
}

fn data(at: usize, dataset: Dataset<'_>) -> Value {
    let uri = dataset.source.and_then(|it| it.uri.as_deref());
    let mut extra = Properties::new();
    if let Some(source) = dataset.source {
        extra.maybe("data:tokens", source.tokens);
        extra.maybe("data:samples", source.samples);
        extra.maybe("data:uri", uri.filter(|uri| !is_reference(uri)));
        extra.maybe("data:digest", source.digest.as_ref().map(digest_words));
    }
    let hashes = dataset.source.and_then(|it| it.digest.as_ref()).map(hashes);
    let reference = uri
        .filter(|uri| is_reference(uri))
        .map(|uri| json!({ "type": "distribution", "url": uri }));
    Object::new()
        .with("type", "data")
        .with("bom-ref", data_ref(at))
        .with("name", dataset.name)
        .maybe(
            "description",
            dataset.source.and_then(|it| it.note.as_deref()),
        )
        .list("hashes", hashes.unwrap_or_default())
        .list("externalReferences", reference.into_iter().collect())
        .with("data", json!([{ "type": "dataset", "name": dataset.name }]))
        .list("properties", properties(extra.done()))
        .into()
}

fn framework(release: &Release<'_>) -> Option<Value> {
    let framework = release.config?.framework.as_ref()?;
    let uri = framework.uri.as_deref().filter(|uri| is_reference(uri));
    let reference = uri.map(|uri| json!({ "type": "website", "url": uri }));
    let component = Object::new()
        .with("type", "framework")
        .with("bom-ref", FRAMEWORK_REF)
        .with("name", framework.name.as_str())
        .maybe("version", framework.version.as_deref())
        .list("externalReferences", reference.into_iter().collect());
    Some(component.into())
}
