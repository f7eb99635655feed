//! What `candor verify-file`, `verify-chunk` and `verify-tensor` have in common: the proof, from the log's key down, and
//! the files that they look into.
//!
//! Always: no link is followed below the folder that the user names.

use std::fs;
use std::path::{Path, PathBuf};

use candor_core::Verified;
use candor_core::bundle::{
    BundleError, PART_PROOF_BYTES_MAX, PartKind, PartProof, ProvenParts, VerifiedParts,
};
use candor_core::record::kinds::Weights;
use candor_core::weights::FilePath;

use super::report::Report;
use super::{compare_offline, release};
use crate::cli::error::CliError;
use crate::cli::{Session, files};
use crate::hashing::{FileError, OpenFile};
use crate::log_client::SignedCheckpoint;

/// A proof that holds.
pub(super) struct Proof {
    pub(super) proven: Verified<VerifiedParts>,
    checkpoint: SignedCheckpoint,
}

/// Reads a proof, and checks it.
pub(super) fn read(path: &Path, session: &Session) -> Result<Proof, CliError> {
    let refused = |error| CliError::PartProof {
        path: path.to_owned(),
        error: Box::new(error),
    };
    let key = session.settings.log_key()?;
    let bytes = files::read(path, PART_PROOF_BYTES_MAX)?;
    let proof = PartProof::parse(&bytes).map_err(refused)?;
    let proven = proof.verify(&key).map_err(refused)?;
    let checkpoint = SignedCheckpoint::verify(proof.bundle.checkpoint, &key)
        .map_err(|error| refused(BundleError::from(error).into()))?;
    Ok(Proof { proven, checkpoint })
}

/// What to say to whoever has a proof of other parts than the command looks at.
pub(super) fn other_parts(path: &Path, proof: &Proof) -> CliError {
    let (found, verb) = match &proof.proven.parts {
        ProvenParts::Files(_) => (PartKind::Files, "verify-file"),
        ProvenParts::Chunks(_) => (PartKind::Chunks, "verify-chunk"),
        ProvenParts::Tensors(_) => (PartKind::Tensors, "verify-tensor"),
    };
    CliError::Usage {
        what: format!("{} is a proof of {found}", path.display()),
        hint: format!("check it with `candor {verb}`"),
    }
}

impl Proof {
    /// The weights record that the parts lead to.
    pub(super) fn weights(&self) -> &Weights {
        let weights = self.proven.bundle.weights();
        weights.expect("the proof was held against it").1
    }

    /// A report that begins with the release, whose parts are `judge`d then.
    pub(super) fn report(
        &self,
        parts: &str,
        target: &Path,
        session: &Session,
        judge: impl FnOnce(&mut Report) -> Result<(), CliError>,
    ) -> Result<Report, CliError> {
        let bundle = &self.proven.bundle;
        let mut report = Report::new(format!(
            "{parts} of {} as {}",
            target.display(),
            bundle.release
        ));
        release::judge(bundle, release::From::Bundle, &mut report);
        judge(&mut report)?;
        compare_offline(&self.checkpoint, session, &mut report)?;
        Ok(report)
    }
}

/// A file to look into.
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// The folder below which no link is followed; what the user names as a file may be one.
    pub(super) below: Option<PathBuf>,
    pub(super) bytes: u64,
}

impl Place {
    /// The file at `path` in `folder`, if it is there and no link on the way: that would lead to another folder's file.
    pub(super) fn inside(folder: &Path, path: &FilePath) -> Option<Self> {
        let mut at = folder.to_owned();
        let mut metadata = None;
        for part in path.as_str().split('/') {
            at.push(part);
            metadata = fs::symlink_metadata(&at).ok();
            metadata.as_ref().filter(|it| !it.is_symlink())?;
        }
        let bytes = metadata.filter(fs::Metadata::is_file)?.len();
        Some(Self {
            path: at,
            below: Some(folder.to_owned()),
            bytes,
        })
    }

    /// What the user names: the file of a release in its folder, or by itself; `None` if the folder has none there.
    pub(super) fn named(target: &Path, inside: &FilePath) -> Result<Option<Self>, CliError> {
        let metadata = fs::metadata(target).map_err(CliError::file(target))?;
        if metadata.is_dir() {
            return Ok(Self::inside(target, inside));
        }
        if !metadata.is_file() {
            return Err(CliError::Form {
                path: target.to_owned(),
                what: "is neither a file nor a folder".to_owned(),
                hint: "name the file, or the folder that holds the release's files",
            });
        }
        // The user's own links are theirs; behind them, nothing moves while it is read.
        let path = fs::canonicalize(target).map_err(CliError::file(target))?;
        Ok(Some(Self {
            path,
            below: None,
            bytes: metadata.len(),
        }))
    }

    /// Opens it to be read.
    pub(super) fn open(&self) -> Result<OpenFile, CliError> {
        OpenFile::open(&self.path, self.below.as_deref(), self.bytes).map_err(unreadable)
    }
}

/// What to say of a file that can't be read.
pub(super) fn unreadable(error: FileError) -> CliError {
    CliError::Folder(error.into())
}
