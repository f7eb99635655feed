//! A folder's signature as the `OpenSSF` writes it (`model.sig`): made, and held against the folder.
//!
//! ```text
//! folder ──hash──► files ─┬─► Statement ──► Signer ──► model.sig
//!                         └─► compare ◄──── Verified ◄── model.sig, key or roots
//! ```
//!
//! Always: nothing is left out but git's own files and the signature itself, which every reader of such signatures leaves
//! out; what a signature leaves out by its own word besides is not left out here.
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

use crate::folder::{FolderError, FolderFiles, LeftOut, Progress, hash_folder};
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
        options: Options<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<FolderFiles<()>, OmsError> {
        let look = |_: &FilePath, _: &OpenFile| Ok(Look::default());
        Ok(hash_folder(
            &self.folder,
            LeftOut::Git,
            options,
            look,
            progress,
        )?)
    }

    /// Signs the folder as it is: all files but git's and the signature itself.
    pub fn sign(
        &self,
        signer: &Signer,
        options: Options<'_>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(Statement, Bundle), OmsError> {
        let found = self.hash(options, progress)?;
        let inside = self.inside();
        let mut files = Vec::new();
        for file in &found.files {
            let name: ResourceName = file.path.as_str().parse()?;
            if Some(name.as_str()) != inside.as_deref() && !is_git_path(&name) {
                let sha256 = sha256_of(file);
                files.push(SignedFile { name, sha256 });
            }
        }
        let signature = inside.iter().map(|path| path.parse());
        let ignored: Vec<ResourceName> = signature.collect::<Result<_, _>>()?;
        let statement = Statement::new(&self.name(), files, ignored)?;
        let bundle = signer.sign(&statement);
        Ok((statement, bundle))
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
        let found = self.hash(options, progress).map_err(|error| match error {
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
        Ok((verified, comparison))
    }
}

fn sha256_of(file: &ManifestFile) -> Sha256 {
    let digest = file.digest.by(Algorithm::Sha256);
    digest
        .and_then(|digest| digest.parse().ok())
        .expect("hashing gives each file a SHA-256")
}
