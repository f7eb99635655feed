//! `/api/v1/records`: list and show records.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::Sha256;
use candor_core::merkle::{LeafHash, LeafIndex, TreeSize};
use candor_core::record::kinds::Attachment;
use candor_core::record::{PublicKey, PublisherName, ReleaseName, SignedRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::answer::{
    Fields, PathOf, QueryOf, cut_page, json, json_items, json_page, missing, next_page, page_items,
    parse,
};
use super::models::FromIndexParameters;
use super::problem::Problem;
use super::{Log, Shared};
use crate::storage::{LoggedRecord, Questions, RecordFilter, RecordPage, RecordRow, StorageError};

/// A record in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Its index in the log.
    index: u64,
    /// Its statement digest.
    statement: String,
    /// What it is.
    #[schema(example = "model-card")]
    kind: &'static str,
    /// Who signed it.
    publisher: String,
    /// What it is about.
    subject: SubjectAnswer,
    /// The withdrawal that it fell to.
    withdrawn_by: Option<u64>,
    /// When the server took it, by its own clock, which nothing proves; null where the log was read from files that do
    /// not say.
    accepted_at: Option<String>,
}

/// What a record is about.
#[derive(Serialize, ToSchema)]
struct SubjectAnswer {
    /// A publisher or a release.
    #[schema(example = "meta-ai/opt-125m@1.0.0")]
    name: String,
    /// What exactly, by the rules of the kind.
    sha256: String,
}

impl Summary {
    pub(crate) fn of(row: &RecordRow) -> Self {
        Self {
            index: row.index.get(),
            statement: row.statement.to_string(),
            kind: row.kind.name(),
            publisher: row.publisher.to_string(),
            subject: SubjectAnswer {
                name: row.subject.clone(),
                sha256: row.subject_sha256.to_string(),
            },
            withdrawn_by: row.withdrawn_by.map(LeafIndex::get),
            accepted_at: accepted_at(row)
                .map(|at| humantime::format_rfc3339_millis(at).to_string()),
        }
    }
}

/// When the server took a record, by its own clock.
pub(super) fn accepted_at(row: &RecordRow) -> Option<std::time::SystemTime> {
    let since = u64::try_from(row.accepted_ms?).unwrap_or_default();
    Some(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(since))
}

/// A page of records.
#[derive(Serialize, ToSchema)]
struct RecordsAnswer {
    /// Newest first.
    records: Vec<Summary>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

/// Which records.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParameters {
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Only those before this index.
    before: Option<u64>,
    /// Only those of this kind.
    kind: Option<String>,
    /// Only those signed by this publisher.
    publisher: Option<String>,
    /// Only those about this publisher or release.
    subject: Option<String>,
    /// Only these fields of each item, with commas between.
    #[param(example = "index,kind")]
    fields: Option<String>,
}

/// Lists records, newest first.
#[utoipa::path(
    get, path = "/api/v1/records", operation_id = "list_records", tag = "records", params(ListParameters),
    responses((status = 200, description = "A page of records, newest first", body = RecordsAnswer))
)]
pub(super) async fn list(
    State(log): Shared,
    QueryOf(parameters): QueryOf<ListParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = Fields::of::<Summary>(parameters.fields.as_deref())?;
    let limit = page_items(parameters.limit)?;
    let filter = RecordFilter {
        kind: parameters
            .kind
            .as_deref()
            .map(|kind| parse("kind", kind))
            .transpose()?,
        publisher: parameters
            .publisher
            .as_deref()
            .map(|name| parse("publisher", name))
            .transpose()?,
        subject: parameters
            .subject
            .as_deref()
            .map(subject_name)
            .transpose()?,
    };
    let size = log.sequencer.newest().await.head.size;
    let end = parameters
        .before
        .map_or(size, |before| size.min(TreeSize::new(before)));
    let page = RecordPage {
        before: end,
        limit: limit + 1,
    };
    let mut rows = log.view(log.storage.records(&filter, page)).await?;
    let more = cut_page(&mut rows, limit);
    let next = rows.last().filter(|_| more).map(|last| {
        let before = Some(last.index.to_string());
        let limit = Some(limit.to_string());
        let ListParameters {
            kind,
            publisher,
            subject,
            fields,
            ..
        } = parameters;
        let parameters = [
            ("before", before),
            ("fields", fields),
            ("limit", limit),
            ("kind", kind),
            ("publisher", publisher),
            ("subject", subject),
        ];
        next_page("/api/v1/records", &parameters)
    });
    let answer = RecordsAnswer {
        records: rows.iter().map(Summary::of).collect(),
        next,
    };
    let next = answer.next.as_deref();
    Ok(json_items(&headers, next, &answer, "records", &fields))
}

/// Weights records with one manifest.
#[derive(Serialize, ToSchema)]
struct ManifestAnswer {
    /// Oldest first, whoever signed them.
    records: Vec<Summary>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

/// Finds releases by their files: the weights records whose manifest has this digest. None is an empty list.
#[utoipa::path(
    get, path = "/api/v1/manifests/{sha256}", operation_id = "find_manifest", tag = "records",
    params(("sha256" = String, Path, description = "The SHA-256 of a manifest, as 64 hexadecimal digits"), FromIndexParameters),
    responses((status = 200, description = "A page of weights records, oldest first", body = ManifestAnswer))
)]
pub(super) async fn by_manifest(
    State(log): Shared,
    PathOf(sha256): PathOf<String>,
    QueryOf(parameters): QueryOf<FromIndexParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let manifest: Sha256 = parse("sha256", &sha256)?;
    let limit = page_items(parameters.limit)?;
    let after = parameters.after.map(LeafIndex::new);
    let mut rows = log
        .view(log.storage.weights_of(manifest, after, limit + 1))
        .await?;
    let more = cut_page(&mut rows, limit);
    let next = rows.last().filter(|_| more).map(|last| {
        let parameters = [
            ("after", Some(last.index.to_string())),
            ("limit", Some(limit.to_string())),
        ];
        next_page(&format!("/api/v1/manifests/{manifest}"), &parameters)
    });
    let answer = ManifestAnswer {
        records: rows.iter().map(Summary::of).collect(),
        next,
    };
    Ok(json_page(&headers, answer.next.as_deref(), &answer))
}

/// A subject as the log would write it: a publisher, or a release.
fn subject_name(name: &str) -> Result<String, Problem> {
    if name.contains(['/', '@']) {
        let release: ReleaseName = parse("subject", name)?;
        Ok(release.to_string())
    } else {
        let publisher: PublisherName = parse("subject", name)?;
        Ok(publisher.to_string())
    }
}

/// A record with all that it says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordAnswer {
    #[serde(flatten)]
    summary: Summary,
    /// Its leaf hash, as base64.
    leaf_hash: String,
    /// Key IDs on its signatures.
    signed_by: Vec<String>,
    /// The DSSE envelope, as it is logged.
    envelope: Value,
    /// The statement inside.
    statement_json: Value,
    /// The documents that it names.
    #[schema(value_type = Vec<Object>)]
    attachments: Vec<Attachment>,
}

impl RecordAnswer {
    pub(super) fn of(LoggedRecord { row, entry }: LoggedRecord) -> Result<Self, StorageError> {
        let summary = Summary::of(&row);
        let record = SignedRecord::from_entry(&entry).map_err(StorageError::damaged)?;
        let statement = record.statement();
        let attachments = statement.predicate.attachments();
        Ok(Self {
            summary,
            leaf_hash: LeafHash::of(&entry).to_hash().to_string(),
            signed_by: record
                .envelope()
                .signatures()
                .iter()
                .map(|signature| signature.keyid.clone())
                .collect(),
            envelope: record.envelope().to_json(),
            statement_json: statement.json().clone(),
            attachments: attachments.into_iter().cloned().collect(),
        })
    }
}

/// Shows one record, by its index or its statement digest.
#[utoipa::path(
    get, path = "/api/v1/records/{id}", operation_id = "show_record", tag = "records",
    params(("id" = String, Path, description = "An index, or a statement digest of 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The record", body = RecordAnswer),
        (status = 404, description = "No such record", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(log): Shared,
    PathOf(id): PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let record = find(&log, &id).await?.ok_or_else(|| {
        missing(
            &format!("record {id}"),
            "list the records at /api/v1/records",
        )
    })?;
    Ok(json(&headers, &RecordAnswer::of(record)?))
}

/// The record with this index or statement digest, if it is in the released tree.
pub(super) async fn find(log: &Log, id: &str) -> Result<Option<LoggedRecord>, Problem> {
    let index = if let Ok(statement) = id.parse::<Sha256>() {
        let questions = Questions {
            statements: [statement].into(),
            ..Questions::default()
        };
        match log
            .storage
            .known(&questions)
            .await?
            .statements
            .get(&statement)
        {
            Some(known) => known.index,
            None => return Ok(None),
        }
    } else {
        let rule = "write an index, or a statement digest of 64 lower-case hexadecimal digits";
        let index = id.parse().ok().map(LeafIndex::new);
        // As it is written elsewhere: no leading zeros, no sign.
        index
            .filter(|index| index.to_string() == id)
            .ok_or_else(|| Problem::parameter("id", rule))?
    };
    if log.sequencer.newest().await.head.size.leaf(index).is_none() {
        return Ok(None);
    }
    log.view(log.storage.record(index)).await
}

/// A public key, as it stands in publisher records.
pub(super) fn key_json(key: &PublicKey) -> Value {
    serde_json::to_value(key).expect("keys are JSON")
}
