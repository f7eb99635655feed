//! `CycloneDX` 1.6 and 1.7 (ECMA-424): an ML-BOM in JSON.
//!
//! ```text
//! { "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:…", "version": 1,
//!   "metadata":     { "timestamp", "tools", "component": the model, with its modelCard and pedigree },
//!   "components":   [ files, data sets, training framework ],
//!   "compositions": [ whether all files are listed ],
//!   "dependencies": [ what an adapter needs ],
//!   "formulation":  [ how it was trained ],
//!   "declarations": { who evaluated it, and which claims that bears out },
//!   "citations":    [ who said which value ] }                              1.7 only
//! ```
//!
//! Always: each `bom-ref` is there once. What the two versions have in common is the same in both. Only 1.7 has `citations`,
//! and so only there the model card has the values of evaluations: in 1.6 they would read as the publisher's own, and stand
//! in `candor:metric` alone, each with its author.
//!
//! Not here: `vulnerabilities`, `services`, confidence intervals: a record has a standard error, and an interval would need
//! an assumption that nobody made. The error is in `candor:metric`.
//!
//! <https://cyclonedx.org/docs/1.6/json/>, <https://cyclonedx.org/docs/1.7/json/>

mod declarations;
mod formulation;
mod model;
mod parts;

use candor_core::record::{Algorithm, DigestSet, PublisherName};
use serde_json::{Value, json};

use crate::identity::Uuid;
use crate::made::Made;
use crate::object::Object;
use crate::properties::{Property, files_not_listed};
use crate::reference::{is_mail_address, is_reference};
use crate::release::Release;

/// Which version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CycloneDxVersion {
    /// 1.6, of 2024.
    V1_6,
    /// 1.7, of 2025.
    V1_7,
}

impl CycloneDxVersion {
    /// As it stands in a document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_6 => "1.6",
            Self::V1_7 => "1.7",
        }
    }
}

/// A release as a `CycloneDX` document.
pub fn cyclonedx(release: &Release<'_>, version: CycloneDxVersion, made: &Made) -> Value {
    let serial = Uuid::of_document(release, &format!("cyclonedx-{}", version.name()), made);
    let tool = Object::new()
        .with("type", "application")
        .with("name", env!("CARGO_PKG_NAME"))
        .with("version", env!("CARGO_PKG_VERSION"));
    let metadata = Object::new()
        .with("timestamp", made.time.as_str())
        .with("tools", json!({ "components": [Value::from(tool)] }))
        .with("component", model::component(release, version, made));
    let document = Object::new()
        .with(
            "$schema",
            format!(
                "http://cyclonedx.org/schema/bom-{}.schema.json",
                version.name()
            ),
        )
        .with("bomFormat", "CycloneDX")
        .with("specVersion", version.name())
        .with("serialNumber", format!("urn:uuid:{serial}"))
        .with("version", 1)
        .with("metadata", metadata)
        .list("components", parts::components(release))
        .list("compositions", compositions(release))
        .list("dependencies", model::dependencies(release))
        .list("formulation", formulation::formulas(release, made))
        .part("declarations", declarations::declarations(release, made));
    let citations = match version {
        CycloneDxVersion::V1_6 => Vec::new(),
        CycloneDxVersion::V1_7 => declarations::citations(release, made),
    };
    document.list("citations", citations).into()
}

/// Says that the files are all there, or that they are not listed.
fn compositions(release: &Release<'_>) -> Vec<Value> {
    if release.weights.is_none() {
        return Vec::new();
    }
    let aggregate = match files_not_listed(release) {
        None => "complete",
        Some(_) => "incomplete",
    };
    vec![json!({ "aggregate": aggregate, "assemblies": [model::REF] })]
}

/// A publisher, as far as its own record is in the bundle.
fn organization(release: &Release<'_>, name: &PublisherName) -> Object {
    let publisher = release.publisher(name);
    let url = publisher.and_then(|it| it.url.as_deref());
    let contact = publisher.and_then(|it| it.contact.as_deref());
    let mail = contact.filter(|it| is_mail_address(it));
    Object::new()
        .with("bom-ref", organization_ref(name))
        .with("name", release.display_name(name))
        .list(
            "url",
            url.filter(|it| is_reference(it))
                .map(Value::from)
                .into_iter()
                .collect(),
        )
        .list(
            "contact",
            mail.map(|it| json!({ "email": it })).into_iter().collect(),
        )
}

fn organization_ref(name: &PublisherName) -> String {
    format!("publisher/{name}")
}

fn properties(properties: Vec<Property>) -> Vec<Value> {
    let json = |it: Property| json!({ "name": it.name, "value": it.value });
    properties.into_iter().map(json).collect()
}

/// The digests that `CycloneDX` has a name for.
fn hashes(digests: &DigestSet) -> Vec<Value> {
    let json =
        |(algorithm, digest)| Some(json!({ "alg": hash_name(algorithm)?, "content": digest }));
    digests.iter().filter_map(json).collect()
}

fn hash_name(algorithm: Algorithm) -> Option<&'static str> {
    Some(match algorithm {
        Algorithm::Md5 => "MD5",
        Algorithm::Sha1 => "SHA-1",
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha384 => "SHA-384",
        Algorithm::Sha512 => "SHA-512",
        Algorithm::Blake2b => "BLAKE2b-512",
        Algorithm::Blake3 => "BLAKE3",
        // What git names are objects of its own, and no files as they are.
        Algorithm::Sha224 | Algorithm::GitCommit | Algorithm::GitTree | Algorithm::GitBlob => {
            return None;
        }
    })
}

fn has_hash_name(algorithm: Algorithm) -> bool {
    hash_name(algorithm).is_some()
}
