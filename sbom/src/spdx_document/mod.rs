//! SPDX 3.0.1: a document with the AI, dataset, software and licensing classes, in JSON-LD.
//!
//! ```text
//! SpdxDocument ─rootElement─► software_Sbom ─rootElement─► ai_AIPackage, the model
//!                                                            ├─ suppliedBy ────────► Organization
//!                                                            ├─ hasDeclaredLicense ► LicenseExpression, or NoAssertionLicense
//!                                                            ├─ contains ──────────► software_File …
//!                                                            ├─ trainedOn, testedOn ► dataset_DatasetPackage …
//!                                                            ├─ descendantOf ──────► software_Package …, its parents
//!                                                            └─ hasDocumentation, hasMetadata, hasEvidence ► software_File …
//! ```
//!
//! Always: each element's `spdxId` is the document's UUID and a part of its own, `urn:uuid:…#model`. A licence is declared by
//! the publisher; concluded is none, and the document says so. The same arguments give the same document.
//!
//! Which profiles are claimed: `core`, `software` and `simpleLicensing`; `ai` where the time of the release is known, without
//! which that profile does not hold. `dataset` never: it asks when a data set was made and by whom. `extension` never, though
//! properties are extensions: in the published context that word is the name of a field, and the claim reads as nonsense. A parent is
//! a `software_Package` with the purpose `model`, since of an `ai_AIPackage` more would have to be said than a name.
//!
//! Not here: `dataLicense`, which is the publisher's to give; texts of licences, for which `NOASSERTION` stands.
//!
//! <https://spdx.github.io/spdx-spec/v3.0.1/>

mod graph;
mod model;
mod related;
mod withdrawal;

use candor_core::record::{Algorithm, DigestSet};
use serde_json::{Value, json};

use crate::made::Made;
use crate::object::Object;
use crate::properties::Property;
use crate::release::Release;
use graph::Graph;

/// A release as an SPDX 3.0.1 document.
pub fn spdx(release: &Release<'_>, made: &Made) -> Value {
    let mut graph = Graph::new(release, made);
    let model = model::add(release, made, &mut graph);
    related::add(release, made, &model, &mut graph);
    let mut profiles = vec!["core", "software", "simpleLicensing"];
    if made.released.is_some() {
        profiles.push("ai");
    }
    graph.into_document(&release.name.to_string(), &profiles, &model)
}

/// `candor:…` properties, as the extension that SPDX has for those of `CycloneDX`.
fn extension(properties: Vec<Property>) -> Vec<Value> {
    if properties.is_empty() {
        return Vec::new();
    }
    let entry = |it: Property| {
        json!({
            "type": "extension_CdxPropertyEntry",
            "extension_cdxPropName": it.name,
            "extension_cdxPropValue": it.value,
        })
    };
    let entries: Vec<_> = properties.into_iter().map(entry).collect();
    vec![json!({ "type": "extension_CdxPropertiesExtension", "extension_cdxProperty": entries })]
}

/// The digests that SPDX has a name for.
fn hashes(digests: &DigestSet) -> Vec<Value> {
    let hash = |(algorithm, digest): (_, &str)| Some(self::hash(hash_name(algorithm)?, digest));
    digests.iter().filter_map(hash).collect()
}

fn hash(algorithm: &str, digest: &str) -> Value {
    json!({ "type": "Hash", "algorithm": algorithm, "hashValue": digest })
}

fn hash_name(algorithm: Algorithm) -> Option<&'static str> {
    Some(match algorithm {
        Algorithm::Md5 => "md5",
        Algorithm::Sha1 => "sha1",
        Algorithm::Sha224 => "sha224",
        Algorithm::Sha256 => "sha256",
        Algorithm::Sha384 => "sha384",
        Algorithm::Sha512 => "sha512",
        Algorithm::Blake2b => "blake2b512",
        Algorithm::Blake3 => "blake3",
        // What git names are objects of its own, and no files as they are.
        Algorithm::GitCommit | Algorithm::GitTree | Algorithm::GitBlob => return None,
    })
}

fn has_hash_name(algorithm: Algorithm) -> bool {
    hash_name(algorithm).is_some()
}

fn external_ref(kind: &str, locator: &str, comment: &str) -> Value {
    Object::new()
        .with("type", "ExternalRef")
        .with("externalRefType", kind)
        .with("locator", json!([locator]))
        .maybe("comment", (!comment.is_empty()).then_some(comment))
        .into()
}

fn dictionary_entry(key: &str, value: &str) -> Value {
    json!({ "type": "DictionaryEntry", "key": key, "value": value })
}
