//! `candor export`: a release's verified records as a bill of materials in other people's formats.
//!
//! ```text
//! bundle ──► verify, hold against what was seen of its log ──┐
//! name   ──► make_bundle ────────────────────────────────────┴─► candor_sbom ──► stdout, or a new file
//! ```
//!
//! Always: nothing is written of what does not hold, the parents that its records name among it. A release that was withdrawn
//! is no such thing: it is written, and marked in the document, since whoever has it in use needs that more than no document;
//! so is one with a parent that was. The exit code is 0. What may be used is asked of `candor verify`, which holds it against
//! a policy, too.
//!
//! Not here: what stands where in a document. That is `candor_sbom`.

use std::path::Path;
use std::time::SystemTime;

use candor_core::bundle::{BUNDLE_BYTES_MAX, VerifiedBundle};
use candor_core::record::ReleaseName;
use candor_core::{Sha256, Verified};
use candor_sbom::{BundleFile, CycloneDxVersion, Made, Release, Time, cyclonedx, spdx};
use serde_json::json;

use super::lineage;
use crate::bundle_maker::{Ancestors, Others, Wanted, make_bundle};
use crate::cli::args::{BomFormat, ExportArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::page::lineage::{open_parents, withdrawn_ancestors_words};
use crate::cli::text::{Text, Tone, algorithms, harmless_json};
use crate::cli::{Session, files, page};
use crate::lineage::Lineage;
use crate::log_client::SignedCheckpoint;

/// A release, after its checks.
struct Source {
    verified: Verified<VerifiedBundle>,
    /// The bundle that it was read from.
    file: Option<BundleFile>,
    /// What the log said besides, where it was asked.
    log: Option<FromLog>,
}

/// What a log says of a release beside its records.
struct FromLog {
    /// What others say of it, as the log lists that.
    others: Others,
    /// What became of its ancestors' records.
    ancestors: Ancestors,
    /// Whether all of its entries were read, so that no list can leave any out.
    has_all_entries: bool,
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
    let ancestors = source.log.as_ref().map(|it| &it.ancestors);
    let lineage = Lineage::of(&source.verified, ancestors, usize::MAX);
    lineage::check(&lineage)?;
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
    let not_checked = not_checked(&lineage, &source);
    match &args.out {
        Some(file) => files::write(file, text.as_bytes())?,
        None => session.printer.verbatim(text.as_bytes()),
    }
    let name = &source.verified.release;
    let words = format!("  {name} as {}", format_words(args.format));
    session
        .printer
        .note(Text::of(Tone::Good, "exported").plain(words));
    for words in &not_checked {
        session
            .printer
            .note(Text::of(Tone::Dim, "not checked").plain(format!("  {words}")));
    }
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
            "notChecked": not_checked,
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
                log: Some(FromLog {
                    others: made.others,
                    ancestors: made.ancestors,
                    has_all_entries: client.has_all_entries(),
                }),
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
        log: None,
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
    let log = source.log.as_ref();
    let others = log.and_then(|it| page::others_words(&it.others, name));
    fallen
        .into_iter()
        .chain(withdrawn_ancestors_words(release.withdrawn_ancestors()))
        .chain(withdrawn)
        .chain(weak)
        .chain(not_listed)
        .chain(others)
        .collect()
}

/// What leaves room for the document to be wrong, although all that is in it holds.
fn not_checked(lineage: &Lineage<'_>, source: &Source) -> Vec<String> {
    let bundle = &source.verified;
    let left_out = match &source.log {
        None => Some(format!(
            "whether anything was withdrawn that the bundle leaves out, or that the log took after the checkpoint's {} entries: `candor export {}` asks the log",
            bundle.checkpoint.head.size, bundle.release
        )),
        Some(log) => (!log.has_all_entries).then(|| {
            "whether the log's lists leave records out: `candor log` walks through all entries"
                .to_owned()
        }),
    };
    let cut = lineage.is_cut.then(|| {
        let looked_at = lineage.nodes.len() - 1;
        format!("further ancestors: there are more than the {looked_at} that are looked at")
    });
    let open = open_parents(lineage);
    left_out.into_iter().chain(open).chain(cut).collect()
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
