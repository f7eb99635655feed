//! Exit codes: the one place that decides what a result means for scripts.
//!
//! What a log does not have is 3, since that is its word and proves nothing: a release, a publisher, a statement digest.
//! Only an index that was typed, and that the tree which the log signed does not reach, is 2; so is a log key that a
//! checkpoint has no signature of, wherever it comes from. What the log does not explain because it may have left
//! something out of a list is 3 too; 1 is for what was proven.

use std::process::ExitCode;

use candor_core::bundle::{BundleError, PartProofError, ReceiptError};
use candor_core::note::{CheckpointError, NoteError};
#[cfg(unix)]
use candor_fetch::{FetchError, PlanError, SourceError};
use candor_oms::VerifyError;

use super::error::CliError;
#[cfg(unix)]
use super::mirrors::{FetchFailure, all_lie};
use crate::bundle_maker::BundleMakerError;
use crate::log_client::LogError;
use crate::memory::MemoryError;
use crate::oms::OmsError;
use crate::problem::Problem;
use crate::publish::PublishError;
use crate::replay::ReplayError;

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it holds, or is done.
    Holds,
    /// 1: it does not hold.
    Refuted,
    /// 2: the command or its input was wrong.
    BadInput,
    /// 3: there is no telling: out of reach, stale, or too weak a claim.
    CouldNotTell,
}

impl Exit {
    /// As scripts see it.
    pub fn code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Refuted => 1,
            Self::BadInput => 2,
            Self::CouldNotTell => 3,
        }
    }

    /// In JSON.
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Refuted => "refuted",
            Self::BadInput => "bad-input",
            Self::CouldNotTell => "could-not-tell",
        }
    }

    /// What an error means.
    pub fn of_error(error: &CliError) -> Self {
        match error {
            CliError::Usage { .. }
            | CliError::NoLog
            | CliError::NoLogKey
            | CliError::LogKey(_)
            | CliError::NoHome
            | CliError::Config(_)
            | CliError::Key(_)
            | CliError::File { .. }
            | CliError::FileExists { .. }
            | CliError::FileTooLong { .. }
            | CliError::Source(_)
            | CliError::Folder(_)
            | CliError::NoModel(_)
            | CliError::Evidence { .. }
            | CliError::Form { .. } => Self::BadInput,
            CliError::Log(error) => Self::of_log(error),
            CliError::Memory(error) => Self::of_memory(error),
            CliError::BundleMaker(error) => Self::of_bundle_maker(error),
            CliError::Publish(error) => Self::of_publish(error),
            CliError::Replay(error) => Self::of_replay(error),
            CliError::Bundle { error, .. } => Self::of_bundle(error),
            #[cfg(unix)]
            CliError::Fetch(failure) => Self::of_fetch(failure),
            CliError::Receipt { error, .. } => Self::of_receipt(error),
            CliError::PartProof { error, .. } => Self::of_part_proof(error),
            CliError::Oms { error, .. } => Self::of_oms(error),
            CliError::Refuted { .. } => Self::Refuted,
            CliError::CouldNotTell { .. } | CliError::Absent { .. } | CliError::Output(_) => {
                Self::CouldNotTell
            }
        }
    }

    fn of_log(error: &LogError) -> Self {
        match error {
            // A note that the key did not sign says nothing about its log: the key that was typed may be another's.
            LogError::Url { .. }
            | LogError::NoSuchEntry { .. }
            | LogError::ReadOnly { .. }
            | LogError::Checkpoint(CheckpointError::Note(NoteError::NoTrustedSignature {
                ..
            })) => Self::BadInput,
            // That something is not there, or not to be had, is the word of whoever answers; it proves nothing.
            LogError::Transport(_)
            | LogError::Answer { .. }
            | LogError::Attachment { .. }
            | LogError::Problem(_)
            | LogError::NotALog { .. }
            | LogError::ListedPastEnd { .. }
            | LogError::Status { .. } => Self::CouldNotTell,
            LogError::Checkpoint(error) => match Self::of_checkpoint(error) {
                // No checkpoint at all: a sign-in page, say.
                Self::BadInput => Self::CouldNotTell,
                exit @ (Self::Holds | Self::Refuted | Self::CouldNotTell) => exit,
            },
            LogError::NotInTree { .. } | LogError::NotTheTree { .. } => Self::Refuted,
        }
    }

    /// What the log says to what was sent. 4xx says that it was wrong; 408 and 429, like all of 5xx, that it
    /// may be right later.
    fn of_refusal(problem: &Problem) -> Self {
        match problem.status {
            400..=407 | 409..=428 | 430..=499 => Self::BadInput,
            0..=399 | 408 | 429 | 500.. => Self::CouldNotTell,
        }
    }

    fn of_memory(error: &MemoryError) -> Self {
        match error {
            MemoryError::Fork(_) | MemoryError::Forked { .. } | MemoryError::Unproven(_) => {
                Self::Refuted
            }
            // A tile that can't be had accuses nobody: it may be the network.
            MemoryError::Stale(_) | MemoryError::NoProof { .. } => Self::CouldNotTell,
            MemoryError::Remembered { .. } | MemoryError::Io { .. } => Self::BadInput,
            MemoryError::Log(error) => Self::of_log(error),
        }
    }

    fn of_bundle_maker(error: &BundleMakerError) -> Self {
        match error {
            BundleMakerError::NoSuchRelease(_)
            | BundleMakerError::TooLong { .. }
            | BundleMakerError::LeftOut { .. } => Self::CouldNotTell,
            BundleMakerError::Log(error) => Self::of_log(error),
            BundleMakerError::Memory(error) => Self::of_memory(error),
            BundleMakerError::Replay(error) => Self::of_replay(error),
            BundleMakerError::Refused { .. } | BundleMakerError::OtherRecord { .. } => {
                Self::Refuted
            }
        }
    }

    fn of_publish(error: &PublishError) -> Self {
        match error {
            PublishError::Schema { .. }
            | PublishError::Statement(_)
            | PublishError::Record(_)
            | PublishError::TooLong { .. }
            | PublishError::Count(_)
            | PublishError::AttachmentSize { .. }
            | PublishError::AttachmentUnnamed(_)
            | PublishError::Manifest(_)
            | PublishError::Key(_)
            | PublishError::Retired { .. } => Self::BadInput,
            PublishError::Log(LogError::Problem(problem)) => Self::of_refusal(problem),
            PublishError::Log(error) => Self::of_log(error),
            PublishError::Memory(error) => Self::of_memory(error),
            PublishError::Replay(error) => Self::of_replay(error),
            PublishError::Sent(error) => Self::of_publish(error),
            PublishError::OtherAnswer(_) | PublishError::Receipt { .. } => Self::Refuted,
        }
    }

    fn of_replay(error: &ReplayError) -> Self {
        match error {
            ReplayError::Log(error) => Self::of_log(error),
            ReplayError::Unexplained { .. } => Self::CouldNotTell,
            ReplayError::Record { .. }
            | ReplayError::Authority { .. }
            | ReplayError::NotTheirs { .. } => Self::Refuted,
        }
    }

    fn of_bundle(error: &BundleError) -> Self {
        match error {
            BundleError::TooLong { .. } | BundleError::Json(_) | BundleError::Form(_) => {
                Self::BadInput
            }
            BundleError::Checkpoint(error) => Self::of_checkpoint_in_file(error),
            BundleError::Order(_)
            | BundleError::Twice { .. }
            | BundleError::Record { .. }
            | BundleError::Authority { .. }
            | BundleError::NothingAbout(_)
            | BundleError::Attachment { .. }
            | BundleError::AttachmentNotNamed(_)
            | BundleError::Manifest { .. }
            | BundleError::AttachmentEncoding(_) => Self::Refuted,
            BundleError::Inclusion(error) => Self::of_receipt(error),
        }
    }

    fn of_oms(error: &OmsError) -> Self {
        match error {
            OmsError::Folder(_)
            | OmsError::Bundle(_)
            // The model is signed in another way than the reader asks for.
            | OmsError::Verify(VerifyError::Method { .. })
            | OmsError::Key(_)
            | OmsError::Roots(_)
            | OmsError::Signer(_)
            | OmsError::Name(_)
            | OmsError::Statement(_) => Self::BadInput,
            OmsError::Verify(_) | OmsError::NotAsSigned(_) => Self::Refuted,
        }
    }

    fn of_part_proof(error: &PartProofError) -> Self {
        match error {
            PartProofError::TooLong { .. } | PartProofError::Json(_) | PartProofError::Form(_) => {
                Self::BadInput
            }
            PartProofError::Bundle(error) => Self::of_bundle(error),
            PartProofError::NotStated { .. }
            | PartProofError::Root { .. }
            | PartProofError::Manifest { .. } => Self::Refuted,
        }
    }

    /// One mirror that may have had the right bytes, and was not to be had, leaves it open; so does what nobody could check.
    #[cfg(unix)]
    fn of_fetch(failure: &FetchFailure) -> Self {
        match failure {
            FetchFailure::Source(
                SourceError::Scheme(_)
                | SourceError::NotAUrl { .. }
                | SourceError::Credentials { .. }
                | SourceError::Query(_)
                | SourceError::Repository(_)
                | SourceError::Revision(_),
            )
            | FetchFailure::Plan(PlanError::NoSource | PlanError::Reserved(_)) => Self::BadInput,
            FetchFailure::Plan(PlanError::Weak(_) | PlanError::SizeUnknown(_)) => {
                Self::CouldNotTell
            }
            FetchFailure::Plan(PlanError::ChunkList(_) | PlanError::ChunkListLonger) => {
                Self::Refuted
            }
            FetchFailure::Stopped { stopped, .. } => match &stopped.error {
                FetchError::NoMirror { mirrors, .. } if all_lie(mirrors) => Self::Refuted,
                FetchError::NoMirror { .. } => Self::CouldNotTell,
                FetchError::Contradiction { .. } => Self::Refuted,
                FetchError::Target { .. }
                | FetchError::Busy { .. }
                | FetchError::OneName { .. }
                | FetchError::InTheWay { .. }
                | FetchError::Differs { .. }
                | FetchError::NoRoom { .. }
                | FetchError::Disk { .. }
                | FetchError::Threads(_) => Self::BadInput,
            },
        }
    }

    fn of_receipt(error: &ReceiptError) -> Self {
        match error {
            ReceiptError::Form { .. } | ReceiptError::TooLong { .. } => Self::BadInput,
            ReceiptError::Checkpoint(error) => Self::of_checkpoint_in_file(error),
            ReceiptError::NotInTree { .. } | ReceiptError::NotIncluded { .. } => Self::Refuted,
        }
    }

    /// A checkpoint in a file. One of another log, or by another key, is no fault of the file: the key that it was held
    /// against may be the wrong one.
    fn of_checkpoint_in_file(error: &CheckpointError) -> Self {
        match error {
            CheckpointError::Note(NoteError::NoTrustedSignature { .. })
            | CheckpointError::OtherOrigin { .. } => Self::BadInput,
            error => Self::of_checkpoint(error),
        }
    }

    /// Half a note is bad input, a whole one with another signature is refuted.
    fn of_checkpoint(error: &CheckpointError) -> Self {
        match error {
            CheckpointError::Note(
                NoteError::TooLong { .. }
                | NoteError::NotUtf8 { .. }
                | NoteError::ControlCharacter { .. }
                | NoteError::NoSignatures
                | NoteError::BadSignatureLine { .. }
                | NoteError::TooManySignatures,
            ) => Self::BadInput,
            CheckpointError::Note(
                NoteError::BadSignature { .. } | NoteError::NoTrustedSignature { .. },
            )
            | CheckpointError::OtherOrigin { .. }
            | CheckpointError::TooFewLines { .. }
            | CheckpointError::Size(_)
            | CheckpointError::Root(_)
            | CheckpointError::Extensions
            | CheckpointError::Retirement(_)
            | CheckpointError::OtherForm
            | CheckpointError::TwoRetirements
            | CheckpointError::EmptyTreeRoot => Self::Refuted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
