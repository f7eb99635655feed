//! Files of the field become records: real ones that others published, and ones made to break the reader.
//!
//! The real ones lie beside the workspace, in `shared/data`, on some machines only; the tests that need them
//! pass without.

#[path = "sources/checksum_lists.rs"]
mod checksum_lists;
#[path = "sources/downloads.rs"]
mod downloads;
#[path = "sources/evaluations.rs"]
mod evaluations;
#[path = "sources/folders.rs"]
mod folders;
#[path = "sources/imports.rs"]
mod imports;
#[path = "sources/model_cards.rs"]
mod model_cards;
#[path = "sources/releases.rs"]
mod releases;
#[path = "sources/statements.rs"]
mod statements;
#[path = "sources/training_configs.rs"]
mod training_configs;

use std::fs;
use std::path::Path;

use candor_client::sources::evaluation::Evaluated;
use candor_client::sources::{Draft, Drafts, SourceError, evaluation};
use candor_core::Sha256;
use candor_core::record::kinds::Evaluation;
use candor_core::record::{Predicate, PublisherName, ReleaseName};
use tempfile::TempDir;

fn release() -> ReleaseName {
    "meta-ai/opt-125m@1.0.0".parse().expect("a name")
}

/// A file of `shared/data`, if it is there.
fn shared(path: &str) -> Option<Vec<u8>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    fs::read(data.join(path)).ok()
}

/// The one draft of `drafts`, checked as the log would.
fn one(drafts: Drafts) -> (Draft, Vec<String>) {
    let [draft] = <[Draft; 1]>::try_from(drafts.drafts).expect("one draft");
    draft.check().expect("the log would take it");
    (draft, drafts.warnings)
}

fn evaluations(contents: &[u8]) -> Result<(Vec<Evaluation>, Vec<String>), SourceError> {
    let author: PublisherName = "eleutherai".parse().expect("a name");
    let of = Evaluated {
        subject: &release(),
        sha256: Sha256::of("weights"),
        author: &author,
    };
    let drafts = evaluation::drafts("evals/opt-125m.json", contents, &of)?;
    let evaluations = drafts.drafts.iter().map(|draft| {
        draft.check().expect("the log would take it");
        assert_eq!(draft.attachments[0].bytes, contents);
        match &draft.predicate {
            Predicate::Evaluation(evaluation) => evaluation.clone(),
            other => panic!("{other:?}"),
        }
    });
    Ok((evaluations.collect(), drafts.warnings))
}

/// A folder with these files.
/// The text of a bundle of `release`, which proves nothing.
fn bundle_of(release: &ReleaseName) -> Vec<u8> {
    format!(
        r#"{{"bundle":"urn:candor:bundle:v1","release":"{release}","checkpoint":"","records":[]}}"#
    )
    .into_bytes()
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, contents) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("made");
        fs::write(path, contents).expect("written");
    }
    folder
}
