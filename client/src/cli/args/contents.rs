//! What can be typed about what is in files: how they differ, and signatures over a folder.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::SystemTime;

use candor_core::weights::FilePath;
use clap::{Args, Subcommand};

/// `candor diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A release in the log, a bundle or a folder
    pub first: String,
    /// The same, which is to be compared with it
    pub second: String,
    /// Take this file of a folder as it is, and not as what its name says (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub as_bytes: Vec<FilePath>,
    /// How many files are read at once [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// `candor tensors`.
#[derive(Debug, Args)]
pub struct TensorsArgs {
    /// A release in the log, a bundle or a folder
    pub release: String,
    /// Take this file of a folder as it is, and not as what its name says (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub as_bytes: Vec<FilePath>,
    /// How many files are read at once [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// `candor oms`.
#[derive(Debug, Subcommand)]
pub enum OmsCommand {
    /// Sign a folder with an EC key, and write model.sig
    ///
    /// The key is an EC key (P-256, P-384 or P-521) in PEM form, since OMS has no signatures by Ed25519, which
    /// publishers' keys are. With a certificate, whoever trusts its root can verify. An encrypted key asks for its
    /// passphrase (CANDOR_PASSPHRASE).
    ///
    /// Example: candor oms sign ./opt-125m --private-key ec.pem
    Sign(OmsSignArgs),
    /// Check model.sig, and the folder against it
    ///
    /// Example: candor oms verify ./opt-125m --public-key ec-public.pem
    Verify(OmsVerifyArgs),
}

/// `candor oms sign`.
#[derive(Debug, Args)]
pub struct OmsSignArgs {
    /// The folder with the model's files
    pub folder: PathBuf,
    /// The key to sign with
    #[arg(long, value_name = "FILE")]
    pub private_key: PathBuf,
    /// The certificate of the key, and those on the way to the root, in one PEM file
    #[arg(long, value_name = "FILE")]
    pub certificates: Option<PathBuf>,
    /// Where to write the signature, a new file [default: model.sig in the folder]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// How many files are read at once [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// `candor oms verify`.
#[derive(Debug, Args)]
pub struct OmsVerifyArgs {
    /// The folder with the model's files
    pub folder: PathBuf,
    /// The signature [default: model.sig in the folder]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// The public key of whom you trust
    #[arg(long, value_name = "FILE", required_unless_present = "roots")]
    pub public_key: Option<PathBuf>,
    /// The root certificates that you trust, in one PEM file; further ones in it may be needed on the way
    #[arg(long, value_name = "FILE", conflicts_with = "public_key")]
    pub roots: Option<PathBuf>,
    /// When the certificates must be valid, as 2026-11-26T12:00:00Z: when you know the model to have been signed [default: now]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339, requires = "roots")]
    pub at: Option<SystemTime>,
    /// How many files are read at once [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}
