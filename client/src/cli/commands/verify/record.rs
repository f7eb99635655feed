//! One record: against a proof file, or against the log.

use std::path::Path;

use candor_core::Sha256;
use candor_core::bundle::{LoggedRecord, Receipt, release_withdrawn, withdrawn};
use candor_core::merkle::{Entry, LeafIndex};
use candor_core::note::LogKey;
use candor_core::record::{Envelope, ReleaseName, SignedRecord, parse_strict, to_canonical_json};

use super::places::Logged;
use super::release::{judge_lists, signers};
use super::report::{Doubt, Finding, Report, Signer};
use crate::bundle_maker::{Wanted, make_bundle};
use crate::cli::error::CliError;
use crate::cli::files;
use crate::cli::page;
use crate::log_client::{LogClient, ProvenEntry, SignedCheckpoint};
use crate::memory::Memory;
use crate::publish::PublishError;
use crate::replay::Replay;

/// The most bytes of a record's file: an envelope, spread out for people.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// The most bytes of a proof's file; longer ones are refused when they are read.
const PROOF_BYTES_MAX: usize = 1 << 20;

/// A record in a file.
pub(super) enum InFile {
    /// With its signatures.
    Envelope(Box<SignedRecord>),
    /// Without: the digests that its payload may have, as it is and in canonical form.
    Statement([Sha256; 2]),
}

/// Reads a record's file.
pub(super) fn read(path: &Path) -> Result<InFile, CliError> {
    let form = |what: &str| CliError::Form {
        path: path.to_owned(),
        what: what.to_owned(),
        hint: "name an envelope (DSSE) or a statement (in-toto), as JSON; a file of a release is verified with its folder: `candor verify DIR`",
    };
    let bytes = match files::read(path, RECORD_BYTES_MAX) {
        Err(CliError::FileTooLong { .. }) => {
            return Err(form("is no record: it is longer than any"));
        }
        read => read?,
    };
    let json = parse_strict(&bytes).map_err(|e| form(&format!("is no record: {e}")))?;
    if json.get("payloadType").is_some() {
        let envelope =
            Envelope::from_json(&json).map_err(|e| PublishError::from(Box::new(e.into())))?;
        let record =
            SignedRecord::from_envelope(envelope).map_err(|e| PublishError::from(Box::new(e)))?;
        return Ok(InFile::Envelope(Box::new(record)));
    }
    if json.get("_type").is_some() {
        return Ok(InFile::Statement([
            Sha256::of(&bytes),
            Sha256::of(to_canonical_json(&json)),
        ]));
    }
    Err(form("is no record: it has neither payloadType nor _type"))
}

/// A record against a proof, offline.
pub(super) fn against_proof(
    record: &Path,
    proof: &Path,
    key: &LogKey,
) -> Result<(Report, SignedCheckpoint), CliError> {
    let InFile::Envelope(signed) = read(record)? else {
        return Err(CliError::Form {
            path: record.to_owned(),
            what: "is a statement without its signatures, and a proof is about both".to_owned(),
            hint: "name the envelope: `candor proof INDEX --entry FILE` writes it; or leave out `--proof` to ask the log",
        });
    };
    let refused = |error| CliError::Receipt {
        path: proof.to_owned(),
        error: Box::new(error),
    };
    let text = String::from_utf8_lossy(&files::read(proof, PROOF_BYTES_MAX)?).into_owned();
    let receipt: Receipt = text.parse().map_err(refused)?;
    let entry = Entry::new(signed.envelope().to_canonical_json()).map_err(|e| CliError::Form {
        path: record.to_owned(),
        what: format!("is in no log: {e}"),
        hint: "name another record",
    })?;
    let logged = receipt.verify(&entry, key).map_err(refused)?;
    let statement = signed.statement();
    let mut report = Report::new(format!("entry {}", logged.index));
    report.checked.push(format!(
        "the {} record of {} is in the log, at entry {}",
        statement.kind(),
        statement.subject.name,
        logged.index
    ));
    for signature in signed.envelope().signatures() {
        if let Ok(keyid) = signature.keyid.parse() {
            report.signers.push(Signer {
                publisher: statement.publisher().clone(),
                keyid,
                records: vec![(statement.kind().to_string(), logged.index)],
                retired_by: None,
                checked: false,
            });
        }
    }
    report.checkpoint = Some((*logged.checkpoint).clone());
    report.doubts.push(Doubt {
        words: format!(
            "the signature is not checked: a lone proof does not say which keys are {}'s",
            statement.publisher()
        ),
        hint: format!(
            "verify a .candor bundle that holds the record, or ask the log: `candor verify {}`",
            logged.index
        ),
        is_of_weak_digests: false,
    });
    report.logged = vec![Logged {
        kind: statement.kind(),
        index: logged.index,
        accepted_at: None,
    }];
    report.not_checked.push(format!(
        "whether the record was withdrawn: `candor verify {}` asks the log",
        logged.index
    ));
    let checkpoint = SignedCheckpoint {
        text: receipt.checkpoint,
        checkpoint: logged.checkpoint.clone(),
    };
    Ok((report, checkpoint))
}

/// A record's file against the log.
pub(super) fn file_in_log(
    path: &Path,
    client: &LogClient,
    memory: &Memory,
) -> Result<Report, CliError> {
    let digests = match read(path)? {
        InFile::Envelope(record) => vec![record.statement().digest],
        InFile::Statement(digests) => digests.to_vec(),
    };
    // The signed checkpoint shows that what answers is the log, before its word is taken for anything.
    let (checkpoint, advance) = memory.fetch(client)?;
    for digest in &digests {
        match client.record_by_statement(*digest) {
            Ok(view) => {
                let mut report = statement_in_log(*digest, view.index, client, memory)?;
                report.leave_open_if_first(advance);
                return Ok(report);
            }
            Err(error) if error.is_absence() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let words = format!(
        "the log says that it has no record with the statement digest {}, which nobody can prove",
        digests[0]
    );
    if checkpoint.checkpoint.retirement.is_some() {
        return Err(CliError::Absent {
            what: words,
            hint: "check that it was published to this log, or to one that it goes on in"
                .to_owned(),
        });
    }
    let mut report = Report::new(path.display().to_string());
    report.doubts.push(Doubt {
        words,
        hint: "check that it was published to this log; `candor log` walks through all entries"
            .to_owned(),
        is_of_weak_digests: false,
    });
    Ok(report)
}

/// A statement digest against the log, which says where the record is.
pub(super) fn statement_in_log(
    digest: Sha256,
    index: LeafIndex,
    client: &LogClient,
    memory: &Memory,
) -> Result<Report, CliError> {
    let (checkpoint, advance) = memory.fetch(client)?;
    let (entry, _) = client.listed_entry(index, &checkpoint)?;
    let (mut report, logged) = judge(&entry, &checkpoint, client, memory)?;
    report.leave_open_if_first(advance);
    if logged.record.statement().digest != digest {
        let words = format!(
            "the log names entry {index} as the record with statement digest {digest}, and it is another"
        );
        report.findings.push(Finding::Broken { words });
    }
    Ok(report)
}

/// An entry of the log.
pub(super) fn index_in_log(
    index: LeafIndex,
    client: &LogClient,
    memory: &Memory,
) -> Result<Report, CliError> {
    let (checkpoint, advance) = memory.fetch(client)?;
    let entry = client.entry(index, &checkpoint)?;
    let (mut report, _) = judge(&entry, &checkpoint, client, memory)?;
    report.leave_open_if_first(advance);
    Ok(report)
}

fn judge(
    entry: &ProvenEntry,
    checkpoint: &SignedCheckpoint,
    client: &LogClient,
    memory: &Memory,
) -> Result<(Report, LoggedRecord), CliError> {
    let index = entry.index;
    let logged = Replay::default().check_alone(client, checkpoint, entry)?;
    let statement = logged.record.statement();
    let mut report = Report::new(format!("entry {index}"));
    report.checked.push(format!(
        "the {} record of {} is in the log, at entry {index}, and signed by those who had to",
        statement.kind(),
        statement.subject.name
    ));
    report.checkpoint = Some((*checkpoint.checkpoint).clone());
    report.signers = signers(std::slice::from_ref(&logged), &[]);
    report.logged = vec![Logged {
        kind: statement.kind(),
        index,
        accepted_at: None,
    }];
    if let Some(release) = statement.release() {
        judge_standing(&logged, release, client, memory, &mut report)?;
    }
    judge_lists(client.has_all_entries(), checkpoint.size(), &mut report);
    Ok((report, logged))
}

/// Whether the record was withdrawn, by the release's other records.
fn judge_standing(
    logged: &LoggedRecord,
    release: &ReleaseName,
    client: &LogClient,
    memory: &Memory,
    report: &mut Report,
) -> Result<(), CliError> {
    let author = logged.record.statement().publisher().clone();
    let made = make_bundle(client, memory, &Wanted::own(release).with([author]))?;
    report.signers = signers(std::slice::from_ref(logged), &made.verified.records);
    let records = page::records_about(release, &made.verified.records);
    // A withdrawal covers what its author signed, and nothing that others say of the release.
    if let Some(it) = release_withdrawn(release, &records).filter(|it| it.by != logged.index) {
        report
            .remarks
            .push(format!("{release} is {}", page::withdrawn_words(&it)));
    }
    if let Some(it) = withdrawn(logged, &records).filter(|it| it.by != logged.index) {
        let words = format!("the record is {}", page::withdrawn_words(&it));
        report.findings.push(Finding::Withdrawn {
            words,
            by: it.by,
            part: None,
        });
    }
    Ok(())
}

/// Whether a file's beginning is that of a tlog-proof.
pub(super) fn is_proof(bytes: &[u8]) -> bool {
    bytes.starts_with(b"c2sp.org/tlog-proof@")
}
