//! `candor oms sign`: a folder's signature as the `OpenSSF` writes it.

use std::path::{Path, PathBuf};

use candor_oms::{Signer, SigningKey};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::args::OmsSignArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::progress::HashingBar;
use crate::cli::text::{Text, Tone, counted};
use crate::cli::{Session, files};
use crate::hashing::Options;
use crate::oms::{OmsError, Place, SIGNATURE_NAME, Signed};

/// The most bytes of a file with keys or certificates that are read.
pub(super) const PEM_BYTES_MAX: usize = 1 << 20;

/// Runs it.
pub fn sign(args: &OmsSignArgs, session: &mut Session) -> Result<Exit, CliError> {
    let place = place(&args.folder, args.signature.as_ref());
    files::check_new(&place.signature)?;
    let signer = signer(args, session)?;
    let options = Options {
        threads: args.threads,
        known: None,
        // What is signed is what is there now.
        reads_all: true,
        below: None,
    };
    let bar = HashingBar::new(&session.printer);
    let made = place.sign(&signer, options, &mut |progress| bar.show(progress));
    drop(bar);
    let Signed {
        statement,
        bundle,
        inside,
        left_out,
    } = made.map_err(of_file(&args.folder))?;
    files::write(&place.signature, bundle.to_json().as_bytes())?;
    let key = signer.public_key().hint();
    let words = format!(
        "  {} of {}, by the key {key}",
        counted(statement.files().len() as u64, "file", "files"),
        statement.name()
    );
    let path = place.signature.display().to_string();
    let line = Text::of(Tone::Good, "signed    ").plain(&path);
    session.printer.line(line.with(Tone::Dim, words));
    session.printer.json(&json!({
        "signature": path,
        "files": statement.files().len(),
        "rootDigest": statement.root_digest(),
        "key": key,
        "leftOut": left_out,
    }));
    let mut note = |words: String| session.printer.note(Text::of(Tone::Dim, words));
    if !left_out.is_empty() {
        note(format!("left out: {}", some_of(&left_out)));
    }
    if let Some(inside) = inside {
        note(format!(
            "{inside} is a file of the folder now, and `candor verify` refuses it with a release that was made before: \
             sign first and release then, or keep the signature elsewhere with `--signature FILE`"
        ));
    }
    Ok(Exit::Holds)
}

/// How many paths are named of those that are left out; a folder has any number of them.
const PATHS_NAMED_MAX: usize = 20;

/// These paths, or the first of them.
pub(super) fn some_of(paths: &[String]) -> String {
    let (named, others) = paths.split_at(paths.len().min(PATHS_NAMED_MAX));
    let named = named.join(", ");
    match others.len() {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Where the signature is, unless told otherwise: in the folder.
pub(super) fn place(folder: &Path, signature: Option<&PathBuf>) -> Place {
    let default = || folder.join(SIGNATURE_NAME);
    Place {
        folder: folder.to_owned(),
        signature: signature.cloned().unwrap_or_else(default),
    }
}

fn signer(args: &OmsSignArgs, session: &Session) -> Result<Signer, CliError> {
    let path = &args.private_key;
    let text = Zeroizing::new(files::read(path, PEM_BYTES_MAX)?);
    let text = str::from_utf8(&text).map_err(|_| CliError::Form {
        path: path.clone(),
        what: "is no key in PEM form, which is text".to_owned(),
        hint: "name the file with the private key, as `openssl ecparam -name prime256v1 -genkey -noout -out KEY` writes it",
    })?;
    let passphrase = if text.contains("ENCRYPTED") {
        session.settings.passphrase(&path.display().to_string())
    } else {
        None
    };
    let passphrase = passphrase.as_ref().map(|it| it.as_bytes());
    let key = SigningKey::from_pem(text, passphrase).map_err(of_file(path))?;
    match &args.certificates {
        None => Ok(Signer::with_key(key)),
        Some(path) => {
            let chain = files::read(path, PEM_BYTES_MAX)?;
            Signer::with_certificate(key, &chain).map_err(of_file(path))
        }
    }
}

/// For errors that are about a file.
pub(super) fn of_file<E: Into<OmsError>>(path: &Path) -> impl FnOnce(E) -> CliError {
    let path = path.to_owned();
    |error| CliError::Oms {
        path,
        error: Box::new(error.into()),
    }
}
