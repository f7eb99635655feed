//! `candor oms verify`: a folder against its signature in the `OpenSSF`'s form.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use candor_core::bundle::{BUNDLE_BYTES_MAX, Bundle};
use candor_oms::{PublicKey, Roots, SignedBy, Trust, Verified};

use super::report::{Finding, Report};
use crate::cli::args::OmsVerifyArgs;
use crate::cli::commands::oms::{PEM_BYTES_MAX, of_file, place, some_of};
use crate::cli::error::CliError;
use crate::cli::progress::HashingBar;
use crate::cli::text::counted;
use crate::cli::{Session, files};
use crate::hashing::Options;

/// Checks the signature, and then the folder.
pub(super) fn judge(args: &OmsVerifyArgs, session: &Session) -> Result<Report, CliError> {
    let place = place(&args.folder, args.signature.as_ref());
    let trust = trust(args)?;
    let signature = files::read(&place.signature, candor_oms::BUNDLE_BYTES_MAX)?;
    let options = Options {
        threads: args.threads,
        known: None,
        reads_all: true,
        below: None,
    };
    let bar = HashingBar::new(&session.printer);
    let judged = place.verify(&signature, &trust, options, &mut |progress| {
        bar.show(progress);
    });
    drop(bar);
    let (verified, comparison) = judged.map_err(of_file(&place.signature))?;
    let mut report = Report::new(args.folder.display().to_string());
    let statement = verified.statement();
    report.checked.push(format!(
        "{} names {} of {:?}, and was signed by {}",
        place.signature.display(),
        counted(statement.files().len() as u64, "file", "files"),
        statement.name(),
        signer(&verified)
    ));
    if comparison.is_same() {
        report
            .checked
            .push("the folder has these files, and no others".to_owned());
    }
    report.remarks.push(format!(
        "its root digest, {}, covers the files' digests and not their names",
        statement.root_digest()
    ));
    for file in comparison.changed {
        report.findings.push(Finding::Changed {
            path: file.name,
            how: format!("sha256 {} instead of {}", file.found, file.signed),
        });
    }
    let missing = comparison.missing.into_iter();
    report
        .findings
        .extend(missing.map(|path| Finding::Missing { path }));
    let extra = comparison.extra.into_iter();
    report
        .findings
        .extend(extra.map(|path| unsigned(&args.folder, path)));
    if !comparison.ignored.is_empty() {
        report.not_checked.push(format!(
            "what is in {}, which such signatures leave out",
            some_of(&comparison.ignored)
        ));
    }
    if !comparison.ignore_paths_not_followed.is_empty() {
        report.remarks.push(format!(
            "the signer wants these ignored too, which was not done: {}",
            some_of(&comparison.ignore_paths_not_followed)
        ));
    }
    report.not_checked.push(
        "whether the model is in a log, or was withdrawn: such a signature says nothing of that"
            .to_owned(),
    );
    Ok(report)
}

/// A file that is not signed. Candor's own bundles are none of the files of such a signature: whoever made it need not know
/// of any.
fn unsigned(folder: &Path, path: String) -> Finding {
    let is_bundle = || {
        let size = fs::symlink_metadata(folder.join(&path)).map(|it| it.len());
        let fits = size.is_ok_and(|size| size <= BUNDLE_BYTES_MAX as u64);
        let bytes = fits.then(|| files::read(&folder.join(&path), BUNDLE_BYTES_MAX));
        bytes.is_some_and(|bytes| bytes.is_ok_and(|it| Bundle::looks_like_one(&it)))
    };
    if path.ends_with(".candor") && is_bundle() {
        return Finding::Proof {
            path,
            what: "a bundle of a Candor log, which is not signed",
            hint: "keep the bundle outside of the folder: this signature allows no files but those that it lists",
        };
    }
    Finding::Extra { path, what: None }
}

fn trust(args: &OmsVerifyArgs) -> Result<Trust, CliError> {
    let read = |path| files::read(path, PEM_BYTES_MAX);
    match (&args.public_key, &args.roots) {
        (Some(path), _) => {
            let text = read(path)?;
            let key = PublicKey::from_pem(&String::from_utf8_lossy(&text));
            Ok(Trust::Key(key.map_err(of_file(path))?))
        }
        (None, Some(path)) => {
            let roots = Roots::from_pem(&read(path)?).map_err(of_file(path))?;
            let at = args.at.unwrap_or_else(SystemTime::now);
            Ok(Trust::Roots { roots, at })
        }
        (None, None) => Err(CliError::Usage {
            what: "nothing says whom you trust".to_owned(),
            hint: "name a key with `--public-key FILE`, or certificates with `--roots FILE`"
                .to_owned(),
        }),
    }
}

fn signer(verified: &Verified) -> String {
    match verified.signer() {
        SignedBy::Key(hint) => format!("the key {hint}, which you trust"),
        SignedBy::Certificate(identity) => {
            let mut words = format!(
                "{} (certificate {} of {}, valid until {})",
                identity.subject,
                identity.serial,
                identity.issuer,
                humantime::format_rfc3339_seconds(identity.not_after)
            );
            if !identity.alternative_names.is_empty() {
                words = format!("{words}, {}", identity.alternative_names.join(", "));
            }
            words
        }
    }
}
