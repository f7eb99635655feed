//! A folder's signature as the `OpenSSF` writes it (`model.sig`): made, and held against the folder.
//!
//! ```text
//! folder ──hash──► files ─┬─► Statement ──► Signer ──► model.sig
//!                         └─► compare ◄──── Verified ◄── model.sig, key or roots
//! ```
//!
//! Always: what is left out when a folder is signed is left out when it is verified, and the other way round. That is git's
//! own files and the signature itself, which every reader of such signatures leaves out, and what `candor fetch` keeps in
//! `.candor-fetch`, if the signature says so. What it wants left out besides is not.
//!
//! Not here: the format, its checks and its signatures (`candor_oms`).

use std::path::{Path, PathBuf};

use candor_core::Sha256;
use candor_core::record::Algorithm;
use candor_core::weights::{FilePath, ManifestFile};
use candor_oms::{
    Bundle, BundleError, Comparison, KeyError, ResourceName, ResourceNameError, RootsError,
    SignedFile, Signer, SignerError, Statement, StatementError, Trust, Verified, VerifyError,
    compare, is_git_path,
};

use crate::folder::{FolderError, FolderFiles, LeftOut, Progress, UNFINISHED, hash_folder};
use crate::hashing::{Look, OpenFile, Options};

/// What a signature is called that nobody gives another name.
pub const SIGNATURE_NAME: &str = "model.sig";

/// Why a folder has no signature, or another one.
#[derive(Debug, thiserror::Error)]
pub enum OmsError {
    /// The folder can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder holds something that can't have been signed, or nothing at all.
    #[error("the folder is not as it was signed: {0}")]
    NotAsSigned(FolderError),
    /// Not a signature in this form.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The signature does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// No key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No roots.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// No certificates that the key could sign with.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A file whose name no signature can have.
    #[error(transparent)]
    Name(#[from] ResourceNameError),
    /// Nothing that could be signed.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl OmsError {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder(error) | Self::NotAsSigned(error) => error.hint(),
            Self::Bundle(error) => error.hint(),
            Self::Verify(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Roots(error) => error.hint(),
            Self::Signer(error) => error.hint(),
            Self::Statement(error) => error.hint(),
            Self::Name(_) => "rename the file",
        }
        .to_owned()
    }
}

/// What signing a folder came to.
#[derive(Clone, Debug)]
pub struct Signed {
    /// What was signed.
    pub statement: Statement,
    /// Its signature.
    pub bundle: Bundle,
    /// The signature's path in the folder, if it is to be in it.
    pub inside: Option<String>,
    /// What is in the folder and was not signed.
    pub left_out: Vec<String>,
}

/// A folder that is to be signed, or is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The model's folder.
    pub folder: PathBuf,
    /// The file with its signature, which may be in it.
    pub signature: PathBuf,
}

impl Place {
    /// The signature's path in the folder, if it is in it.
    fn inside(&self) -> Option<String> {
        let parent = self
            .signature
            .parent()
            .filter(|it| !it.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
        let inside = parent.strip_prefix(self.folder.canonicalize().ok()?).ok()?;
        let path = inside.join(self.signature.file_name()?);
        Some(path.to_str()?.replace(std::path::MAIN_SEPARATOR, "/"))
    }

    /// What the model is called: its folder's name.
    fn name(&self) -> String {
        let folder = self
            .folder
            .canonicalize()
            .unwrap_or_else(|_| self.folder.clone());
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        name.to_string_lossy().into_owned()
    }

    fn hash(
        &self,
        left_out: LeftOut<'_>,
        options: Options<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<FolderFiles<()>, OmsError> {
        let look = |_: &FilePath, _: &OpenFile| Ok(Look::default());
        Ok(hash_folder(
            &self.folder,
            left_out,
            options,
            look,
            progress,
        )?)
    }

    /// Signs the folder as it is: all files but git's, those of an unfinished fetch and the signature itself.
    pub fn sign(
        &self,
        signer: &Signer,
        options: Options<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Signed, OmsError> {
        let found = self.hash(LeftOut::GitAndUnfinished, options, progress)?;
        let inside = self.inside();
        let mut files = Vec::new();
        let mut left_out = found.ignored;
        for file in &found.files {
            let path = file.path.as_str();
            if Some(path) == inside.as_deref() {
                continue;
            }
            if is_git_path(path) {
                left_out.push(path.to_owned());
                continue;
            }
            let (name, sha256) = (path.parse()?, sha256_of(file));
            files.push(SignedFile { name, sha256 });
        }
        left_out.sort();
        // Git's files are among the ignored paths of every statement.
        let unfinished = left_out.iter().filter(|path| *path == UNFINISHED);
        let ignored = inside.iter().chain(unfinished).map(|path| path.parse());
        let ignored: Vec<ResourceName> = ignored.collect::<Result<_, _>>()?;
        let statement = Statement::new(&self.name(), files, ignored)?;
        let bundle = signer.sign(&statement);
        Ok(Signed {
            statement,
            bundle,
            inside,
            left_out,
        })
    }

    /// Checks the signature, and then that the folder is what was signed.
    pub fn verify(
        &self,
        bytes: &[u8],
        trust: &Trust,
        options: Options<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(Verified, Comparison), OmsError> {
        let verified = Bundle::parse(bytes)?.verify(trust)?;
        let ignored = verified.statement().ignore_paths();
        let is_without_unfinished = ignored.iter().any(|path| path.as_str() == UNFINISHED);
        let left_out = if is_without_unfinished {
            LeftOut::GitAndUnfinished
        } else {
            LeftOut::Git
        };
        let found = self.hash(left_out, options, progress);
        let found = found.map_err(|error| match error {
            // It was a folder of files when it was signed.
            OmsError::Folder(
                error @ (FolderError::Empty { .. }
                | FolderError::Link { .. }
                | FolderError::Special { .. }
                | FolderError::NotUtf8 { .. }
                | FolderError::Name { .. }),
            ) => OmsError::NotAsSigned(error),
            error => error,
        })?;
        let files = found.files.iter();
        let digests = files.map(|file| (file.path.as_str(), sha256_of(file)));
        let mut comparison = compare(verified.statement(), digests, self.inside().as_deref());
        comparison.ignored.extend(found.ignored);
        comparison.ignored.sort();
        let not_followed = &mut comparison.ignore_paths_not_followed;
        not_followed.retain(|path| !(is_without_unfinished && path == UNFINISHED));
        Ok((verified, comparison))
    }
}

fn sha256_of(file: &ManifestFile) -> Sha256 {
    let digest = file.digest.by(Algorithm::Sha256);
    digest
        .and_then(|digest| digest.parse().ok())
        .expect("hashing gives each file a SHA-256")
}
