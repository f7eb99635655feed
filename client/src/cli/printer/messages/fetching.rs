//! The errors of fetching a release's files.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use candor_core::weights::FilePath;
use candor_fetch::{
    Fault, FetchError, FileOutcome, How, MirrorFault, Obstacle, Outcome, PlanError, Source,
    SourceError, Stopped,
};

use super::not_allowed;
use crate::cli::error::CliError;
use crate::cli::mirrors::FetchFailure;

fn file() -> FilePath {
    "model.safetensors".parse().expect("a path")
}

fn folder() -> PathBuf {
    "tiny-1.0.0".into()
}

fn source(text: &str) -> Source {
    text.parse().expect("a source")
}

fn fault(mirror: &str, file: &str, fault: Fault) -> MirrorFault {
    MirrorFault {
        source: source(mirror),
        file: file.parse().expect("a path"),
        fault,
    }
}

fn lie(mirror: &str) -> MirrorFault {
    let range = 8_388_608..16_777_216;
    fault(mirror, "model.safetensors", Fault::Chunk { range })
}

fn stopped(error: FetchError) -> CliError {
    stopped_with(error, Outcome::default())
}

fn stopped_with(error: FetchError, outcome: Outcome) -> CliError {
    let stopped = Stopped { error, outcome };
    CliError::Fetch(Box::new(FetchFailure::Stopped { stopped, files: 5 }))
}

/// An example, for where one is wanted.
pub(super) fn differs() -> CliError {
    stopped(FetchError::Differs {
        file: file(),
        difference: "it has 12 bytes, and the release's 1048576".to_owned(),
    })
}

#[test]
fn what_is_said_of_sources() {
    let printed = messages! { SourceError as |error: SourceError| CliError::Fetch(Box::new(error.into()));
        SourceError::Scheme(_) => "mirror.example/x".parse::<Source>().expect_err("no scheme"),
        SourceError::NotAUrl { .. } => "https://".parse::<Source>().expect_err("no host"),
        SourceError::Credentials { .. } => "https://me:secret@a.example/".parse::<Source>().expect_err("a password"),
        SourceError::Query(_) => "https://a.example/?sig=1".parse::<Source>().expect_err("a query"),
        SourceError::Repository(_) => "hf://a/b/c".parse::<Source>().expect_err("three names"),
        SourceError::Revision(_) => "hf://a/b@../c".parse::<Source>().expect_err("two dots"),
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_releases_that_can_not_be_fetched() {
    let printed = messages! { PlanError as |error: PlanError| CliError::Fetch(Box::new(error.into()));
        PlanError::NoSource => PlanError::NoSource,
        PlanError::Weak(_) => PlanError::Weak(file()),
        PlanError::SizeUnknown(_) => PlanError::SizeUnknown(file()),
        PlanError::Reserved(_) => PlanError::Reserved(".candor-fetch/x".parse().expect("a path")),
        PlanError::ChunkList(_) => PlanError::ChunkList(file()),
        PlanError::ChunkListLonger => PlanError::ChunkListLonger,
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_fetches_that_did_not_end_well() {
    let printed = messages! { FetchError as stopped;
        FetchError::Target { .. } => FetchError::Target { path: folder(), error: not_allowed() },
        FetchError::Busy { .. } => FetchError::Busy { path: folder() },
        FetchError::OneName { .. } => FetchError::OneName {
            path: folder(),
            a: "README.md".to_owned(),
            b: "readme.md".to_owned(),
        },
        FetchError::InTheWay { .. } => FetchError::InTheWay {
            file: "tokenizer/vocab.txt".parse().expect("a path"),
            at: "tokenizer".to_owned(),
            what: Obstacle::Link,
        },
        FetchError::Differs { .. } => FetchError::Differs {
            file: file(),
            difference: "it has 12 bytes, and the release's 1048576".to_owned(),
        },
        FetchError::NoRoom { .. } => FetchError::NoRoom {
            path: folder(),
            needed: 4 << 30,
            available: 1 << 30,
        },
        FetchError::Disk { .. } => FetchError::Disk {
            file: file(),
            doing: "writing",
            at: 8_388_608,
            error: io::Error::from_raw_os_error(28),
        },
        FetchError::NoMirror { .. } => FetchError::NoMirror {
            file: file(),
            kept: 8_388_608,
            mirrors: vec![
                lie("https://a.example/"),
                fault(
                    "hf://org/repo",
                    "model.safetensors",
                    Fault::Stalled { at: 9_000_000, waited: Duration::from_secs(30) },
                ),
            ],
        },
        FetchError::Contradiction { .. } => FetchError::Contradiction {
            file: file(),
            contradiction: "it has 0 bytes, and its digest is not that of 0 bytes",
        },
        FetchError::Threads(_) => FetchError::Threads(io::Error::from_raw_os_error(11)),
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_where_all_mirrors_lie_and_of_what_was_fetched_until_then() {
    let mirrors = vec![lie("https://a.example/"), lie("https://b.example/")];
    let card = FileOutcome {
        path: "README.md".parse().expect("a path"),
        size: 12,
        how: How::Fetched,
        received: 12,
    };
    let missing = Fault::Missing { status: Some(404) };
    let mut faults = vec![fault("https://a.example/", "README.md", missing)];
    faults.extend(mirrors.clone());
    let error = FetchError::NoMirror {
        file: file(),
        kept: 8_388_608,
        mirrors,
    };
    let files = vec![card];
    let printed = super::print("NoMirror", &stopped_with(error, Outcome { files, faults }));
    insta::assert_snapshot!(printed);
}
