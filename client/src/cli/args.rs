//! What can be typed. Parsing never acts; [`super::settings`] works out what is meant.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help text, where backticks would stand as they are"
)]

use std::num::NonZeroUsize;
use std::path::PathBuf;

use candor_core::record::{Kind, PublisherName, ReleaseName};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::reference::{self, EXIT_CODES};

mod contents;
mod export;
mod fetching;
mod lineage;
mod parts;
mod publishing;
mod reports;

pub use contents::{DiffArgs, OmsCommand, OmsSignArgs, OmsVerifyArgs, TensorsArgs};
pub use export::{BomFormat, ExportArgs};
pub use fetching::FetchArgs;
pub use lineage::{Format, LineageArgs, ParentArg};
pub use parts::{
    ByteRange, ProveChunkArgs, ProveFileArgs, ProveTensorArgs, VerifyChunkArgs, VerifyFileArgs,
    VerifyTensorArgs,
};
pub use publishing::{PublishArgs, ReleaseArgs, With, WithdrawArgs};
pub use reports::ReportArgs;

/// Publish what an AI model is, and check what others published.
///
/// Candor is a log of signed records about AI models: what a model is, which bits it is, how it was made,
/// and what answers behind an API. `candor` publishes such records and verifies them without trusting the
/// log's server.
#[derive(Debug, Parser)]
#[command(
    name = "candor",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = EXIT_CODES,
    after_long_help = format!("{}\n{EXIT_CODES}", reference::help())
)]
pub struct Cli {
    /// What all commands have in common.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What all commands have in common.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Common {
    /// The log's address [env: CANDOR_LOG]
    #[arg(long, global = true, value_name = "URL")]
    pub log: Option<String>,
    /// The log's verifier key, from its operator [env: CANDOR_LOG_KEY]
    #[arg(long, global = true, value_name = "KEY")]
    pub log_key: Option<String>,
    /// Your signing key [env: CANDOR_KEY_FILE, or the key itself in CANDOR_KEY] [default:
    /// ~/.config/candor/key.pem]
    #[arg(long, global = true, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Where to remember the checkpoints that were seen [env: CANDOR_STATE_DIR] [default:
    /// ~/.local/state/candor]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only what was asked for, warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a signing key
    ///
    /// Example: candor keygen
    Keygen(KeygenArgs),
    /// Register a publisher, show it, or change its keys
    #[command(subcommand)]
    Publisher(PublisherCommand),
    /// Publish a folder as a release
    ///
    /// Signs a record for each thing that the folder holds (card, weights, training config), publishes
    /// them together, and writes the .candor bundle with the proofs. Doing it again changes nothing.
    ///
    /// Example: candor release ./opt-125m --as meta-ai/opt-125m@1.0.0
    Release(ReleaseArgs),
    /// Publish one record from a file
    ///
    /// The file is a card, a config, evaluation results or a list of checksums, of which a record is made;
    /// or a statement (in-toto), which is signed; or an envelope (DSSE), which is sent as it is. With --kind and
    /// --as, a file may also hold the predicate alone, what the statement says: the usual way for an API version.
    ///
    /// Example: candor publish results.json --as meta-ai/opt-125m@1.0.0 --author eleutherai
    ///
    /// An API version has a name of its own: candor publish api.json --kind api-version --as meta-ai/opt-api@2026-11-01
    Publish(PublishArgs),
    /// Take back a release, or one record, for good
    ///
    /// Nothing leaves the log: readers are told that it no longer stands, and why. It can't be undone, and a
    /// version is never used again.
    ///
    /// Example: candor withdraw meta-ai/opt-125m@1.0.0 --reason error --explanation "Wrong files."
    Withdraw(WithdrawArgs),
    /// Check a bundle, a folder, a record or a proof
    ///
    /// What looks like an index, a statement digest or a release is that; a file of such a name is written with ./
    /// before it. In a folder, .git, .cache/huggingface, .candor-fetch and bundles of the release itself at the top are
    /// no part of a release, and are not checked: they are named, and `--strict` refuses them.
    ///
    /// A folder with no --bundle and no --as is looked up in the log by the digest of its files: all of them, and no
    /// others, must be those of a release. Whoever has files can release them, so the release is named with what is not
    /// checked, until --as says which one is meant.
    ///
    /// The digests of a folder's files are remembered in the state folder, and a file that has the size, the times and
    /// the place on this machine's disk that it had is not read again: `--reread` reads all. It is for disks that may rot or
    /// be somebody else's, and for whoever does not trust the state folder or the clock.
    ///
    /// With --json, there is always a verdict (holds, refuted, could-not-tell or bad-input) and the exit code;
    /// docs/json.md describes all of it.
    ///
    /// With --sarif and --junit, there is a file for CI, whatever the verdict is; docs/ci.md has examples.
    ///
    /// Example: candor verify ./opt-125m --bundle opt-125m-1.0.0.candor
    Verify(VerifyArgs),
    /// Download a release's files, each checked as it arrives
    ///
    /// What the files must be comes from the log, or from a bundle, and then nobody but the sources is asked. The sources
    /// may be anybody: each file, and each 8 MiB of a large one, is checked when it comes, and has its name only when all
    /// of it is right. A source that sends other bytes is named, and the next one is asked. What broke off goes on where
    /// it was when the command is run again: what is not whole is in .candor-fetch, inside the folder.
    ///
    /// A release that was withdrawn, or that no strong digests are known of, is not fetched. The exit code is 1 where all
    /// sources sent wrong bytes, and 3 where none of them had the right ones.
    ///
    /// Example: candor fetch meta-ai/opt-125m@1.0.0 --from hf://facebook/opt-125m --from file:///mnt/mirror/opt-125m
    Fetch(FetchArgs),
    /// Say how two releases differ, file by file and tensor by tensor
    ///
    /// The same tensors are the same in whatever files they are. Each is a release in the log, a bundle, or a folder, whose files are read. The exit code is 0 where they are the
    /// same, and 1 where they differ.
    ///
    /// Example: candor diff opt-125m-1.0.0.candor ./opt-125m-sharded
    Diff(DiffArgs),
    /// List the tensors of a release: name, type, shape, place and digest
    ///
    /// They are as the headers of its files say; of a folder, files are read. To prove some of them, use prove-tensor.
    ///
    /// Example: candor tensors opt-125m-1.0.0.candor
    Tensors(TensorsArgs),
    /// Prove some files of a release without the others
    ///
    /// Example: candor prove-file opt-125m-1.0.0.candor config.json -o config.proof.json
    ProveFile(ProveFileArgs),
    /// Prove some 8 MiB chunks of a large file without the rest
    ///
    /// Chunks and bytes are counted from 0, and the last byte of a range is one of it, as in HTTP.
    ///
    /// Example: candor prove-chunk opt-125m-1.0.0.candor model.safetensors --bytes 8388608-16777215 -o chunk.json
    ProveChunk(ProveChunkArgs),
    /// Draw where a release comes from, with each step checked
    ///
    /// A release names its parents when it is published: candor release --parent. Shown are its ancestors, who signed
    /// them, and what was withdrawn. The exit code is 0 where the log has each record that is named as a parent's,
    /// 1 where it has something else there, and 3 where there is no telling. A withdrawal changes none of it: it is
    /// shown on the release that was withdrawn, and on all that were made from it.
    ///
    /// Example: candor lineage meta-ai/opt-125m@1.0.0 --format dot
    Lineage(LineageArgs),
    /// Prove some tensors of a release without the others
    ///
    /// Example: candor prove-tensor opt-125m-1.0.0.candor model.decoder.embed_tokens.weight -o embed.json
    ProveTensor(ProveTensorArgs),
    /// Check files against their proof, and read no others
    ///
    /// Asks nobody: the proof has the records that say which log has the release.
    ///
    /// Example: candor verify-file ./opt-125m --proof config.proof.json
    VerifyFile(VerifyFileArgs),
    /// Check chunks against their proof, reading no more of the file than these
    ///
    /// What is read may be the whole file, what is there of one, or a file with the chunks alone: that one is told by
    /// its size, or by --at. Asks nobody: the proof has the records that say which log has the release.
    ///
    /// Example: candor verify-chunk ./opt-125m/model.safetensors --proof chunk.json
    VerifyChunk(VerifyChunkArgs),
    /// Check tensors against their proof, reading no more of a file than these
    ///
    /// Asks nobody: the proof has the records that say which log has the release.
    ///
    /// Example: candor verify-tensor ./opt-125m --proof embed.json
    VerifyTensor(VerifyTensorArgs),
    /// Sign a model as the OpenSSF does (OMS, model.sig), or verify such a signature
    #[command(subcommand)]
    Oms(OmsCommand),
    /// Write a release as a bill of materials (CycloneDX, SPDX)
    ///
    /// All of it is verified first, as `candor verify` does; what does not hold is refused, and nothing is written. A release
    /// that was withdrawn, or has a parent that was, or weak digests only, is written and marked in the document, with a
    /// warning, and the exit code is 0: `candor verify` says whether it may be used, and whether your policy has it.
    ///
    /// The document has the time of now. With SOURCE_DATE_EPOCH set, the same bundle gives the same document, byte for byte.
    /// Entries have addresses at the log that is named, and a urn: where none is.
    ///
    /// Example: candor export opt-125m-1.0.0.candor --format cyclonedx -o opt-125m.cdx.json
    Export(ExportArgs),
    /// Show a release, a model or a record
    ///
    /// Example: candor show meta-ai/opt-125m@1.0.0
    Show(ShowArgs),
    /// List records, publishers or models
    ///
    /// Example: candor list records --kind evaluation
    List(ListArgs),
    /// Walk through the log's entries, checking each
    ///
    /// Example: candor log --follow
    Log(LogArgs),
    /// Get the proof that an entry is in the log
    ///
    /// Example: candor proof 4711 -o 4711.tlog-proof
    Proof(ProofArgs),
    /// Get the log's newest checkpoint, checked against those seen before
    ///
    /// Example: candor checkpoint
    Checkpoint,
    /// Print what records of a kind may say, as a JSON Schema
    ///
    /// Without a kind, prints what the schemas of all kinds have in common.
    ///
    /// Example: candor schema evaluation
    Schema {
        /// publisher, model-card, weights, training-config, api-version, evaluation or withdrawal
        kind: Option<Kind>,
    },
    /// Print completions for a shell
    ///
    /// Example: candor completions bash > ~/.local/share/bash-completion/completions/candor
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write all of them
    ///
    /// Example: candor man --dir ~/.local/share/man/man1
    Man {
        /// Write one page for each command into this folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// `candor keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// Where to write the key; never overwrites [default: where --key is looked for]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Leave the key unencrypted
    #[arg(long)]
    pub no_passphrase: bool,
}

/// `candor publisher`.
#[derive(Debug, Subcommand)]
pub enum PublisherCommand {
    /// Register a name with your key
    ///
    /// Example: candor publisher register meta-ai --display-name "Meta AI"
    Register(RegisterArgs),
    /// Show a publisher and its keys
    ///
    /// Example: candor publisher show meta-ai
    Show {
        /// Which publisher
        name: PublisherName,
    },
    /// Change the name, page or contact that people read
    ///
    /// What is not given stays as it is; an empty page or contact is taken away.
    ///
    /// Example: candor publisher update meta-ai --contact security@example.org
    Update(UpdateArgs),
    /// Replace your key by a new one; keys of others stay
    ///
    /// A key that is taken off the list never comes back.
    ///
    /// Example: candor publisher rotate meta-ai --new-key new.pem
    Rotate {
        /// Which publisher
        name: PublisherName,
        /// The new key
        #[arg(long, value_name = "FILE")]
        new_key: PathBuf,
        /// Keep your old key on the list too
        #[arg(long, conflicts_with = "drop_others")]
        keep_old: bool,
        /// Take all keys but the new one off the list, those of others too
        #[arg(long)]
        drop_others: bool,
    },
}

/// `candor publisher register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The name to register; it is yours for good
    pub name: PublisherName,
    /// What people call you [default: NAME]
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,
    /// Your page
    #[arg(long)]
    pub url: Option<String>,
    /// Where to report problems to
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<String>,
    /// Write the signed registration to a new file, for an operator to admit, and send nothing
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
}

/// `candor publisher update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Which publisher
    pub name: PublisherName,
    /// What people call you
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,
    /// Your page
    #[arg(long)]
    pub url: Option<String>,
    /// Where to report problems to
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<String>,
}

/// `candor verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A .candor bundle, a folder, a record (file, index or statement digest), a release's name, a .tlog-proof, or
    /// a .candor-evidence against a log
    pub target: String,
    /// Check the folder against this bundle, offline
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// The release that it should be: a bundle must be of it; a folder without a bundle is held against the log's.
    /// Without either, the log is asked which releases have the folder's very files
    #[arg(long = "as", value_name = "RELEASE")]
    pub release: Option<ReleaseName>,
    /// Check the record against this proof, offline
    #[arg(long, value_name = "FILE")]
    pub proof: Option<PathBuf>,
    /// The record that the proof is about: an envelope, or the entry's bytes
    #[arg(long, visible_alias = "entry", value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Hold the release against this policy, too: publishers, records, licences, pickles, witnesses
    /// [env: CANDOR_POLICY]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Refuse what no release lists, too: .git, .cache/huggingface, .candor-fetch and bundles of the release
    #[arg(long)]
    pub strict: bool,
    /// The folder of the release that this one is an adapter for, which is checked along with it
    #[arg(long, value_name = "DIR")]
    pub base: Option<PathBuf>,
    /// Check the base's folder against this bundle, and not against the log's records
    #[arg(long, value_name = "FILE", requires = "base")]
    pub base_bundle: Option<PathBuf>,
    /// Never ask the log; bundles, and records with a proof, are verified offline anyway. A folder is held against the
    /// one bundle at its top
    #[arg(long)]
    pub offline: bool,
    /// Read every file of the folder, also those that nobody wrote to since they were last read
    #[arg(long)]
    pub reread: bool,
    /// How many files are read at once [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Files with what was found.
    #[command(flatten)]
    pub reports: ReportArgs,
}

/// `candor show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A release (publisher/model@version), a model (publisher/model), an entry's index, or a statement digest
    pub target: String,
}

/// `candor list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list
    #[arg(default_value = "records")]
    pub what: Listed,
    /// Only records of this kind
    #[arg(long)]
    pub kind: Option<Kind>,
    /// Only what this publisher signed
    #[arg(long, value_name = "NAME")]
    pub publisher: Option<PublisherName>,
    /// Only what is said about this release
    #[arg(long, value_name = "RELEASE")]
    pub about: Option<ReleaseName>,
    /// Only records before this entry
    #[arg(long, value_name = "INDEX", value_parser = index)]
    pub before: Option<u64>,
    /// How many to list
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    /// Records, newest first
    Records,
    /// Publishers, by name
    Publishers,
    /// Models, by name
    Models,
}

/// `candor log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Begin with this entry
    #[arg(long, value_name = "INDEX", default_value_t = 0, value_parser = index)]
    pub from: u64,
    /// Keep waiting for new entries
    #[arg(long, short)]
    pub follow: bool,
    /// Stop after this many entries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// `candor proof`.
#[derive(Debug, Args)]
pub struct ProofArgs {
    /// Which entry
    #[arg(value_parser = index)]
    pub index: u64,
    /// Write the proof to a new file instead of the terminal
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the entry itself, the signed record, to a new file too
    #[arg(long, value_name = "FILE")]
    pub entry: Option<PathBuf>,
}

/// An entry's index, as it is written everywhere: no sign and no leading zeros, with which 64 digits would be a digest.
pub fn index(text: &str) -> Result<u64, &'static str> {
    let index = text.parse().ok();
    index.filter(|index: &u64| index.to_string() == text).ok_or(
        "write an index: entries are counted from 0, and `candor list` shows where records are",
    )
}

impl Command {
    /// Whether it prints JSON, whatever the common options say.
    pub fn prints_json(&self) -> bool {
        matches!(self, Self::Lineage(args) if args.format == Some(Format::Json))
    }

    /// Whether it is about a log, and not about this machine alone.
    pub fn asks_a_log(&self) -> bool {
        !matches!(
            self,
            Self::Keygen(_)
                | Self::VerifyFile(_)
                | Self::VerifyChunk(_)
                | Self::VerifyTensor(_)
                | Self::Oms(_)
                | Self::Schema { .. }
                | Self::Completions { .. }
                | Self::Man { .. }
        )
    }
}
