//! `candor export`: a release's verified records as a bill of materials in other people's formats.
//!
//! ```text
//! bundle ──► verify, hold against what was seen of its log ──┐
//! name   ──► make_bundle ────────────────────────────────────┴─► candor_sbom ──► stdout, or a new file
//! ```
//!
//! Always: nothing is written of what does not hold. A release that was withdrawn is no such thing: it is written, and
//! marked in the document, since whoever has it in use needs that more than no document; the exit code is 0. What may be
//! used is asked of `candor verify`.
//!
//! Not here: what stands where in a document. That is `candor_sbom`.

use std::path::Path;
use std::time::SystemTime;

use candor_core::bundle::{BUNDLE_BYTES_MAX, VerifiedBundle};
use candor_core::record::ReleaseName;
use candor_core::{Sha256, Verified};
use candor_sbom::{BundleFile, CycloneDxVersion, Made, Release, Time, cyclonedx, spdx};
use serde_json::json;

use crate::bundle_maker::{Others, Wanted, make_bundle};
use crate::cli::args::{BomFormat, ExportArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone, algorithms, harmless_json};
use crate::cli::{Session, files, page};
use crate::log_client::SignedCheckpoint;

/// A release, after its checks.
struct Source {
    verified: Verified<VerifiedBundle>,
    /// The bundle that it was read from.
    file: Option<BundleFile>,
    /// What others say of it, as the log lists that.
    others: Option<Others>,
}

/// Runs it.
pub fn run(args: &ExportArgs, session: &mut Session) -> Result<Exit, CliError> {
    if args.released.is_some() && args.format != BomFormat::Spdx {
        return Err(CliError::Usage {
            what: "`--released` is for SPDX: CycloneDX has no place for it".to_owned(),
            hint: "leave it out, or write SPDX with `--format spdx`".to_owned(),
        });
    }
    if let Some(out) = &args.out {
        files::check_new(out)?;
    }
    let time = rfc3339(session.settings.document_time()?);
    let log = session.settings.log_url()?;
    let source = source(&args.target, session)?;
    let release = Release::of(&source.verified)?;
    let made = Made {
        time,
        serial: args.serial,
        // A folder is an address on this machine alone.
        log: log.and_then(|url| url.to_string().parse().ok()),
        bundle: source.file.clone(),
        released: args.released.clone(),
    };
    let document = match args.format {
        BomFormat::CycloneDx1_7 => cyclonedx(&release, CycloneDxVersion::V1_7, &made),
        BomFormat::CycloneDx1_6 => cyclonedx(&release, CycloneDxVersion::V1_6, &made),
        BomFormat::Spdx => spdx(&release, &made),
    };
    let text = serde_json::to_string_pretty(&document).expect("a value is JSON");
    // The same bytes in a file as on a terminal, which must not obey what publishers wrote.
    let text = format!("{}\n", harmless_json(&text));
    let warnings = warnings(&release, &source);
    match &args.out {
        Some(file) => files::write(file, text.as_bytes())?,
        None => session.printer.verbatim(text.as_bytes()),
    }
    let name = &source.verified.release;
    let words = format!("  {name} as {}", format_words(args.format));
    session
        .printer
        .note(Text::of(Tone::Good, "exported").plain(words));
    for warning in &warnings {
        session.printer.warning(warning);
    }
    if let Some(file) = &args.out {
        session.printer.json(&json!({
            "document": file.display().to_string(),
            "sha256": Sha256::of(&text),
            "format": format_words(args.format),
            "release": name,
            "withdrawnBy": release.fallen().map(|it| it.by),
            "warnings": warnings,
        }));
    }
    Ok(Exit::Holds)
}

/// What is meant, verified. What is written like a release in the log is that, whatever files there are, as `candor
/// verify` has it.
fn source(target: &str, session: &Session) -> Result<Source, CliError> {
    let path = Path::new(target);
    match (target.parse::<ReleaseName>(), path.exists()) {
        (Ok(_), true) => Err(CliError::Usage {
            what: format!(
                "{target:?} is a release's name, and there is a file or folder of that name"
            ),
            hint: format!(
                "write ./{target} for what is here; for what is in the log, run the command in another folder"
            ),
        }),
        (Ok(release), false) => {
            let client = session.settings.client()?;
            let made = make_bundle(&client, &session.settings.memory()?, &Wanted::all(&release))?;
            Ok(Source {
                verified: made.verified,
                file: None,
                others: Some(made.others),
            })
        }
        (Err(_), true) => source_in_file(path, session),
        (Err(_), false) => Err(CliError::Usage {
            what: format!("{target:?} is no file here, and no release"),
            hint:
                "check the path of the .candor bundle; a release is written publisher/model@version"
                    .to_owned(),
        }),
    }
}

fn source_in_file(path: &Path, session: &Session) -> Result<Source, CliError> {
    let key = session.settings.log_key()?;
    let bytes = files::read(path, BUNDLE_BYTES_MAX)?;
    let bundle = files::parse_bundle(path, &bytes)?;
    let refused = |error| CliError::Bundle {
        path: path.to_owned(),
        error: Box::new(error),
    };
    let verified = bundle.verify(&key).map_err(refused)?;
    let checkpoint =
        SignedCheckpoint::verify(bundle.checkpoint, &key).map_err(|e| refused(e.into()))?;
    // Without a place for what was seen, nothing was.
    if let Ok(memory) = session.settings.memory() {
        memory.compare_offline(&key, &checkpoint)?;
    }
    // The name alone: where it lies here is nobody's business.
    let name = path.file_name().unwrap_or(path.as_os_str());
    let file = BundleFile {
        name: name.to_string_lossy().into_owned(),
        sha256: Sha256::of(&bytes),
    };
    Ok(Source {
        verified,
        file: Some(file),
        others: None,
    })
}

/// What whoever reads the document should know, all of which is in it too but for the last.
fn warnings(release: &Release<'_>, source: &Source) -> Vec<String> {
    let name = &source.verified.release;
    let fallen = release.fallen().map(|it| {
        let words = page::withdrawn_words(&it);
        format!("{name} does not stand, and the document says so: {words}")
    });
    let withdrawn = release.withdrawn_records().iter().map(|(logged, it)| {
        let (kind, words) = (logged.record.statement().kind(), page::withdrawn_words(it));
        format!(
            "what the {kind} record (entry {}) says is left out: {words}",
            logged.index
        )
    });
    let weak = release.weak_digests().map(|weak| {
        format!(
            "the files have only digests by {}, which are weak, and the document says so: a file that has them may be another one",
            algorithms(weak)
        )
    });
    let not_listed = release.files_not_listed();
    let not_listed = not_listed.map(|why| format!("the files are not listed one by one: {why}"));
    let others = source.others.as_ref();
    let others = others.and_then(|it| page::others_words(it, name));
    fallen
        .into_iter()
        .chain(withdrawn)
        .chain(weak)
        .chain(not_listed)
        .chain(others)
        .collect()
}

fn format_words(format: BomFormat) -> &'static str {
    match format {
        BomFormat::CycloneDx1_7 => "CycloneDX 1.7",
        BomFormat::CycloneDx1_6 => "CycloneDX 1.6",
        BomFormat::Spdx => "SPDX 3.0.1",
    }
}

fn rfc3339(time: SystemTime) -> Time {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.parse()
        .expect("humantime writes whole seconds, in UTC")
}
