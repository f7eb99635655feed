//! The errors of what proves something: bundles, proofs, and the checkpoints in them and of a log.

use candor_core::bundle::{BundleError, PartKind, PartProofError, ReceiptError};
use candor_core::merkle::ProofError;
use candor_core::note::{CheckpointError, KeyId, NoteError, RetirementError};
use candor_core::record::{AuthorityError, Kind, RecordError};
use candor_core::weights::ManifestError;

use super::{digest, hash, index, json_error, path, publisher, release};
use crate::cli::error::CliError;
use crate::log_client::LogError;
use crate::testing::log_key;

fn of_bundle(error: BundleError) -> CliError {
    CliError::Bundle {
        path: "/home/lab/tiny-lm-1.0.0.candor".into(),
        error: Box::new(error),
    }
}

fn of_proof(error: ReceiptError) -> CliError {
    CliError::Receipt {
        path: path(),
        error: Box::new(error),
    }
}

fn of_parts(error: PartProofError) -> CliError {
    CliError::PartProof {
        path: "/home/lab/embed.json".into(),
        error: Box::new(error),
    }
}

fn not_included() -> ReceiptError {
    ReceiptError::NotIncluded {
        index: index(9),
        error: ProofError::RootMismatch {
            computed: hash(1),
            expected: hash(2),
        },
    }
}

#[test]
fn what_is_said_of_proofs_of_parts() {
    let printed = messages! { PartProofError as of_parts;
        PartProofError::TooLong { .. } => PartProofError::TooLong { bytes: 1 << 30 },
        PartProofError::Json(_) => PartProofError::Json(json_error()),
        PartProofError::Form(_) => PartProofError::Form("missing field `hashes`".to_owned()),
        PartProofError::Bundle(_) => PartProofError::Bundle(BundleError::NothingAbout(release())),
        PartProofError::NotStated { .. } => PartProofError::NotStated {
            release: release(),
            parts: PartKind::Tensors,
        },
        PartProofError::Root { .. } => PartProofError::Root { index: index(4), parts: PartKind::Chunks },
        PartProofError::Manifest { .. } => PartProofError::Manifest {
            index: index(4),
            error: ManifestError::NoCommonAlgorithm,
        },
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_bundles() {
    let printed = messages! { BundleError as of_bundle;
        BundleError::TooLong { .. } => BundleError::TooLong { bytes: 1 << 30 },
        BundleError::Json(_) => BundleError::Json(json_error()),
        BundleError::Form(_) => BundleError::Form("missing field `release`".to_owned()),
        BundleError::Checkpoint(_) => BundleError::Checkpoint(CheckpointError::TooFewLines { found: 1 }),
        BundleError::Order(_) => BundleError::Order(index(9)),
        BundleError::Twice { .. } => BundleError::Twice {
            release: release(),
            kind: Kind::Weights,
            first: index(4),
            second: index(9),
        },
        BundleError::Record { .. } => BundleError::Record {
            index: index(9),
            error: RecordError::NotCanonical,
        },
        BundleError::Inclusion(_) => BundleError::Inclusion(not_included()),
        BundleError::Authority { .. } => BundleError::Authority {
            index: index(9),
            error: AuthorityError::UnknownPublisher { publisher: publisher() },
        },
        BundleError::NothingAbout(_) => BundleError::NothingAbout(release()),
        BundleError::Attachment { .. } => BundleError::Attachment {
            stated: digest("a card"),
            actual: digest("another"),
        },
        BundleError::AttachmentNotNamed(_) => BundleError::AttachmentNotNamed(digest("a card")),
        BundleError::Manifest { .. } => BundleError::Manifest {
            index: index(9),
            error: ManifestError::NotCanonical,
        },
        BundleError::AttachmentEncoding(_) => BundleError::AttachmentEncoding(digest("a card")),
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_proofs() {
    let printed = messages! { ReceiptError as of_proof;
        ReceiptError::Form { .. } => ReceiptError::Form { line: 1, rule: "it is not c2sp.org/tlog-proof@v1" },
        ReceiptError::TooLong { .. } => ReceiptError::TooLong { bytes: 1 << 20 },
        ReceiptError::Checkpoint(_) => ReceiptError::Checkpoint(CheckpointError::TooFewLines { found: 1 }),
        ReceiptError::NotInTree { .. } => ReceiptError::NotInTree { index: index(9), size: 4 },
        ReceiptError::NotIncluded { .. } => not_included(),
    };
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_said_of_a_checkpoint_in_a_bundle() {
    insta::assert_snapshot!(checkpoints(|error| of_bundle(error.into())));
}

#[test]
fn what_is_said_of_a_checkpoint_in_a_proof() {
    insta::assert_snapshot!(checkpoints(|error| of_proof(error.into())));
}

#[test]
fn what_is_said_of_a_checkpoint_of_a_log() {
    insta::assert_snapshot!(checkpoints(|error| LogError::from(error).into()));
}

fn checkpoints(of: impl Fn(CheckpointError) -> CliError) -> String {
    let key = log_key();
    let name = || key.verifier_key().name().clone();
    let of_note = |error| of(CheckpointError::Note(error));
    let of_notes = messages! { NoteError as of_note;
        NoteError::TooLong { .. } => NoteError::TooLong { bytes: 1 << 20 },
        NoteError::NotUtf8 { .. } => NoteError::NotUtf8 { valid_up_to: 17 },
        NoteError::ControlCharacter { .. } => NoteError::ControlCharacter { code: 0x1b, at: 17 },
        NoteError::NoSignatures => NoteError::NoSignatures,
        NoteError::BadSignatureLine { .. } => NoteError::BadSignatureLine {
            line: 1,
            found: "- log.test/candor".to_owned(),
        },
        NoteError::TooManySignatures => NoteError::TooManySignatures,
        NoteError::BadSignature { .. } => NoteError::BadSignature {
            name: name(),
            key_id: KeyId::from_bytes([1; 4]),
        },
        NoteError::NoTrustedSignature { .. } => NoteError::NoTrustedSignature {
            signed_by: vec!["log.example.org/candor (key id 02020202)".to_owned()],
            wanted: vec!["log.test/candor (key id 01010101)".to_owned()],
        },
    };
    let of_checkpoints = messages! { CheckpointError as of;
        CheckpointError::Note(_) => CheckpointError::Note(NoteError::NoSignatures),
        CheckpointError::OtherOrigin { .. } => CheckpointError::OtherOrigin {
            expected: key.origin(),
            found: "log.example.org/candor".to_owned(),
        },
        CheckpointError::TooFewLines { .. } => CheckpointError::TooFewLines { found: 1 },
        CheckpointError::Size(_) => CheckpointError::Size("007".to_owned()),
        CheckpointError::Root(_) => CheckpointError::Root("AAAA".to_owned()),
        CheckpointError::Extensions => CheckpointError::Extensions,
        CheckpointError::Retirement(_) => CheckpointError::Retirement(RetirementError::Form("retired soon".to_owned())),
        CheckpointError::OtherForm => CheckpointError::OtherForm,
        CheckpointError::TwoRetirements => CheckpointError::TwoRetirements,
        CheckpointError::EmptyTreeRoot => CheckpointError::EmptyTreeRoot,
    };
    of_notes + &of_checkpoints
}
