//! The errors of a log that was asked: no answer, an answer that does not hold, two histories.

use candor_core::bundle::BundleError;
use candor_core::merkle::ProofError;
use candor_core::note::CheckpointError;
use candor_core::record::{AuthorityError, Kind, RecordError};

use super::{digest, hash, index, not_allowed, path, print, publisher, release, size};
use crate::bundle_maker::BundleMakerError;
use crate::cli::error::CliError;
use crate::log_client::LogError;
use crate::memory::{EvidenceError, EvidenceFile, MemoryError, Misfit};
use crate::problem::{Problem, Violation};
use crate::publish::PublishError;
use crate::replay::ReplayError;
use crate::testing::log_key;
use crate::transport::TransportError;

fn url() -> String {
    "https://log.example.org/api/v1/records".to_owned()
}

fn root_mismatch() -> ProofError {
    ProofError::RootMismatch {
        computed: hash(1),
        expected: hash(2),
    }
}

/// A refusal with everything that a log may say.
fn problem() -> Box<Problem> {
    Box::new(Problem {
        problem_type: "urn:candor:problem:schema".to_owned(),
        title: "Not as its schema says".to_owned(),
        status: 422,
        detail: Some("the statement does not fit the schema of api-version records".to_owned()),
        hint: Some("correct the fields that are named".to_owned()),
        pointer: Some("/predicate".to_owned()),
        record: Some(1),
        violations: vec![Violation {
            pointer: "/predicate".to_owned(),
            rule: "required".to_owned(),
            message: "\"endpoint\" is missing".to_owned(),
        }],
    })
}

#[test]
fn what_is_said_of_a_log_that_does_not_answer_as_one() {
    let of_log = messages! { LogError as CliError::from;
        LogError::Url { .. } => "log.example.org"
            .parse::<crate::log_client::LogUrl>()
            .expect_err("no scheme"),
        LogError::Transport(_) => LogError::Transport(TransportError::OutOfReach {
            url: url(),
            reason: "connection refused".to_owned(),
        }),
        LogError::Problem(_) => LogError::Problem(problem()),
        LogError::NotALog { .. } => LogError::NotALog { url: url() },
        LogError::Status { .. } => LogError::Status { url: url(), status: 502 },
        LogError::Answer { .. } => LogError::Answer {
            url: url(),
            reason: "expected value at line 1 column 1".to_owned(),
        },
        LogError::Checkpoint(_) => LogError::Checkpoint(CheckpointError::TooFewLines { found: 1 }),
        LogError::NotInTree { .. } => LogError::NotInTree { index: index(9), error: root_mismatch() },
        LogError::NotTheTree { .. } => LogError::NotTheTree { size: size(4) },
        LogError::ReadOnly { .. } => LogError::ReadOnly { url: url() },
        LogError::NoSuchEntry { .. } => LogError::NoSuchEntry { index: index(9), size: size(4) },
        LogError::ListedPastEnd { .. } => LogError::ListedPastEnd { index: index(9), size: size(4) },
        LogError::Attachment { .. } => LogError::Attachment {
            asked: digest("a card"),
            found: digest("another"),
        },
    };
    let of_transport = messages! { TransportError as |error| CliError::from(LogError::from(error));
        TransportError::OutOfReach { .. } => TransportError::OutOfReach {
            url: url(),
            reason: "connection refused".to_owned(),
        },
        TransportError::TooLong { .. } => TransportError::TooLong { url: url(), bytes_max: 65_536 },
    };
    insta::assert_snapshot!(of_log + &of_transport);
}

#[test]
fn a_refusal_of_a_log_is_told_with_all_that_it_says_wherever_it_comes_up() {
    let refused = || LogError::Problem(problem());
    let misfit = Box::new(misfit());
    let errors: [(&str, CliError); 8] = [
        ("to a question", refused().into()),
        ("to a record", PublishError::Log(refused()).into()),
        (
            "to a question before publishing",
            PublishError::Memory(refused().into()).into(),
        ),
        (
            "to a question after publishing",
            PublishError::Replay(refused().into()).into(),
        ),
        (
            "to a question for its checkpoint",
            MemoryError::Log(refused()).into(),
        ),
        (
            "to a question for a tile",
            MemoryError::NoProof {
                misfit,
                error: refused(),
            }
            .into(),
        ),
        (
            "to a question for a bundle",
            BundleMakerError::Replay(refused().into()).into(),
        ),
        (
            "to a question for a publisher",
            ReplayError::Log(refused()).into(),
        ),
    ];
    for (to, error) in errors {
        let printed = print(to, &error);
        for said in [
            "the log says: the statement does not fit the schema of api-version records",
            "\n  record 2 of those that were sent\n  /predicate: \"endpoint\" is missing\n",
        ] {
            assert!(printed.contains(said), "{said:?} is not in\n{printed}");
        }
        assert_eq!(error.problem(), Some(&*problem()), "{to}");
    }
}

#[test]
fn what_is_said_where_a_log_says_little() {
    let little = |title: &str, status| Problem {
        title: title.to_owned(),
        status,
        problem_type: "about:blank".to_owned(),
        detail: None,
        hint: None,
        pointer: None,
        record: None,
        violations: Vec::new(),
    };
    let printed = [little("Busy", 503), little("", 403)].map(|problem| {
        let words = format!("{:?}, {}", problem.title, problem.status);
        print(&words, &LogError::Problem(Box::new(problem)).into())
    });
    insta::assert_snapshot!(printed.concat());
}

fn misfit() -> Misfit {
    Misfit {
        origin: log_key().origin(),
        seen: size(9),
        shown: size(4),
        evidence: EvidenceFile::Written("/home/lab/fork-1.candor-evidence".into()),
    }
}

#[test]
fn what_is_said_of_a_log_that_does_not_fit_what_was_seen() {
    let misfit = || Box::new(misfit());
    let not_kept = Misfit {
        evidence: EvidenceFile::NotWritten("No space left on device".to_owned()),
        ..*misfit()
    };
    let of_memory = messages! { MemoryError as CliError::from;
        MemoryError::Fork(_) => MemoryError::Fork(misfit()),
        MemoryError::Forked { .. } => MemoryError::Forked {
            origin: log_key().origin(),
            evidence: "/home/lab/fork-1.candor-evidence".into(),
        },
        MemoryError::Unproven(_) => MemoryError::Unproven(Box::new(not_kept)),
        MemoryError::NoProof { .. } => MemoryError::NoProof {
            misfit: misfit(),
            error: LogError::Status { url: url(), status: 502 },
        },
        MemoryError::Stale(_) => MemoryError::Stale(misfit()),
        MemoryError::Remembered { .. } => MemoryError::Remembered {
            path: path(),
            error: CheckpointError::TooFewLines { found: 1 },
        },
        MemoryError::Log(_) => MemoryError::Log(LogError::Status { url: url(), status: 502 }),
        MemoryError::Io { .. } => MemoryError::Io { path: path(), error: not_allowed() },
    };
    let of_file = |error| CliError::Evidence {
        path: path(),
        error,
    };
    let of_evidence = messages! { EvidenceError as of_file;
        EvidenceError::Form(_) => EvidenceError::Form("its type is not urn:candor:evidence:v1".to_owned()),
        EvidenceError::Checkpoint { .. } => EvidenceError::Checkpoint {
            origin: log_key().origin(),
            field: "seen",
            error: CheckpointError::OtherOrigin {
                expected: log_key().origin(),
                found: "log.example.org/candor".to_owned(),
            },
        },
    };
    insta::assert_snapshot!(of_memory + &of_evidence);
}

#[test]
fn what_is_said_of_entries_that_should_not_be_there() {
    let unknown = || {
        Box::new(AuthorityError::UnknownPublisher {
            publisher: publisher(),
        })
    };
    let of_replay = messages! { ReplayError as CliError::from;
        ReplayError::Log(_) => ReplayError::Log(LogError::Status { url: url(), status: 502 }),
        ReplayError::Record { .. } => ReplayError::Record {
            index: index(9),
            error: Box::new(RecordError::NotCanonical),
        },
        ReplayError::Authority { .. } => ReplayError::Authority { index: index(9), error: unknown() },
        ReplayError::Unexplained { .. } => ReplayError::Unexplained { index: index(9), error: unknown() },
        ReplayError::NotTheirs { .. } => ReplayError::NotTheirs { index: index(9), publisher: publisher() },
    };
    let of_bundle_maker = messages! { BundleMakerError as CliError::from;
        BundleMakerError::NoSuchRelease(_) => BundleMakerError::NoSuchRelease(release()),
        BundleMakerError::Log(_) => BundleMakerError::Log(LogError::Status { url: url(), status: 502 }),
        BundleMakerError::Memory(_) => BundleMakerError::Memory(MemoryError::Stale(Box::new(misfit()))),
        BundleMakerError::Replay(_) => BundleMakerError::Replay(ReplayError::Unexplained {
            index: index(9),
            error: unknown(),
        }),
        BundleMakerError::OtherRecord { .. } => BundleMakerError::OtherRecord {
            index: index(9),
            publisher: publisher(),
            release: release(),
        },
        BundleMakerError::TooLong { .. } => BundleMakerError::TooLong {
            release: release(),
            bytes: 1 << 30,
        },
        BundleMakerError::LeftOut { .. } => BundleMakerError::LeftOut {
            release: release(),
            index: index(9),
            kind: Kind::Weights,
            what: "leaves it",
        },
        BundleMakerError::Refused { .. } => BundleMakerError::Refused {
            release: release(),
            error: Box::new(BundleError::Order(index(9))),
        },
    };
    insta::assert_snapshot!(of_replay + &of_bundle_maker);
}
