//! `/api/v1/records`: publish, list and show records.

use std::error::Error as _;

use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use candor_core::Sha256;
use candor_core::merkle::{LeafHash, LeafIndex, TreeSize};
use candor_core::record::kinds::Attachment;
use candor_core::record::{PublicKey, SignedRecord};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::answer::{
    PathOf, QueryOf, cut_page, fresh, json, missing, next_page, page_items, parse,
};
use super::problem::{Name, Problem};
use super::proofs::receipts;
use super::{Log, Shared};
use crate::accept::{ATTACHMENTS_BYTES_MAX, Accepted, REQUEST_JSON_BYTES_MAX, accept};
use crate::plan::{Placed, Refused};
use crate::sequencer::{Room, SubmitError};
use crate::storage::{
    LoggedRecord, NewAttachment, Questions, RecordFilter, RecordPage, RecordRow, StorageError,
};

/// The most that one multipart body may have: its parts, and a megabyte for what stands between them, which
/// the parser holds in memory until it ends.
#[expect(clippy::cast_possible_truncation, reason = "64 MiB fit every usize")]
const MULTIPART_BYTES_MAX: usize =
    REQUEST_JSON_BYTES_MAX + ATTACHMENTS_BYTES_MAX as usize + (1 << 20);

/// What was published.
#[derive(Serialize, ToSchema)]
struct Published {
    /// The signed checkpoint of a tree that holds all of the records.
    checkpoint: String,
    /// One for each record of the request, in its order.
    records: Vec<PublishedRecord>,
}

/// Where a record stands.
#[derive(Serialize, ToSchema)]
struct PublishedRecord {
    /// Its index in the log.
    index: u64,
    /// Its statement digest.
    statement: String,
    /// Whether this request put it there.
    created: bool,
    /// The proof, in the form of C2SP tlog-proof: for a record that was there before, that its first entry is
    /// in the tree of this answer's checkpoint.
    receipt: String,
}

/// Publishes one record, or several as one release: all of them or none.
///
/// The body is one DSSE envelope, or a list of up to 64. With attachments, it is `multipart/form-data`: the
/// first part is named `records` and holds that JSON, and parts named `attachment` follow, the bytes of each
/// document that a statement names by its SHA-256. The answer comes when the entries are on stable storage
/// and in a signed tree.
#[utoipa::path(
    post, path = "/api/v1/records", tag = "records",
    request_body(description = "DSSE envelopes", content((Object = "application/json"), (Object = "multipart/form-data"))),
    responses(
        (status = 201, description = "At least one record is new", body = Published),
        (status = 200, description = "All records were in the log already", body = Published),
        (status = "4XX", description = "Refused; nothing is stored", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again later", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn publish(State(log): Shared, request: Request) -> Result<Response, Problem> {
    let answer = publish_request(&log, request).await;
    if let Err(problem) = &answer {
        log.metrics.count_refusal(problem.name());
    }
    answer
}

async fn publish_request(log: &Log, request: Request) -> Result<Response, Problem> {
    let Received {
        accepted,
        attachments,
        room,
    } = read_body(log, request).await?;
    let ready = accepted.ready(attachments, log.storage.as_ref()).await?;
    let new = if ready.submission.records.is_empty() {
        Vec::new()
    } else {
        let placed = log.sequencer.submit(ready.submission, room).await;
        placed.map_err(|error| in_request(error, &ready.known))?
    };
    // Taken after the answer: a tree that holds all of the new ones. A record that was there before may have
    // been committed this very moment, for somebody who published it at the same time.
    let released = match ready.known.iter().flatten().map(|(index, _)| *index).max() {
        Some(index) => log.sequencer.released_with(index).await?,
        None => log.sequencer.released(),
    };
    let created_any = new.iter().any(|placed| placed.created);
    let mut new = new.into_iter();
    let placed = ready.known.into_iter().map(|known| {
        known.map_or_else(
            || {
                new.next()
                    .expect("the sequencer places each record of a submission")
            },
            |(index, statement)| Placed {
                index,
                statement,
                created: false,
            },
        )
    });
    let placed: Vec<Placed> = placed.collect();
    let indexes: Vec<LeafIndex> = placed.iter().map(|placed| placed.index).collect();
    let receipts = receipts(log.storage.as_ref(), &released, &indexes).await?;
    let records = placed
        .into_iter()
        .zip(receipts)
        .map(|(placed, receipt)| PublishedRecord {
            index: placed.index.get(),
            statement: placed.statement.to_string(),
            created: placed.created,
            receipt: receipt.to_string(),
        })
        .collect();
    let status = if created_any {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(fresh(
        status,
        &Published {
            checkpoint: released.checkpoint.clone(),
            records,
        },
    ))
}

/// Counts the record that was refused among all of the request, not only those that were new.
fn in_request(error: SubmitError, known: &[Option<(LeafIndex, Sha256)>]) -> SubmitError {
    let SubmitError::Refused(refused) = error else {
        return error;
    };
    let mut new = known
        .iter()
        .enumerate()
        .filter(|(_, known)| known.is_none());
    let record = new.nth(refused.record).map_or(0, |(n, _)| n);
    SubmitError::Refused(Refused { record, ..refused })
}

/// A request, read and verified.
struct Received {
    accepted: Accepted,
    attachments: Vec<NewAttachment>,
    room: Room,
}

async fn read_body(log: &Log, request: Request) -> Result<Received, Problem> {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_lowercase();
    match content_type.as_str() {
        "application/json" => {
            let limit = REQUEST_JSON_BYTES_MAX;
            let body = axum::body::to_bytes(request.into_body(), limit)
                .await
                .map_err(|e| unreadable(&e, limit))?;
            let accepted = accept(&body, log.storage.as_ref(), &log.registration).await?;
            let room = log.sequencer.reserve(accepted.bytes())?;
            Ok(Received {
                accepted,
                attachments: Vec::new(),
                room,
            })
        }
        "multipart/form-data" => read_multipart(log, request).await,
        found => {
            let found = match found {
                "" => "the request has no content-type".to_owned(),
                found => format!("the request's content-type is {found:?}"),
            };
            let detail =
                format!("{found}; bodies of application/json and multipart/form-data are taken");
            Err(Problem::new(Name::UnsupportedMediaType, detail)
                .hint("set the header content-type to what the body is"))
        }
    }
}

/// Attachments are read only after the records before them were verified, so that nobody without a
/// registered key can make the server hold bytes.
async fn read_multipart(log: &Log, request: Request) -> Result<Received, Problem> {
    let mut request = request;
    DefaultBodyLimit::max(MULTIPART_BYTES_MAX).apply(&mut request);
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|error| malformed(&error.body_text()))?;
    let first = next_part(&mut parts)
        .await?
        .filter(|part| part.name() == Some("records"));
    let first = first.ok_or_else(|| malformed("the first part must be named `records`"))?;
    let body = read_part(first, REQUEST_JSON_BYTES_MAX as u64, FEWER_RECORDS).await?;
    let mut accepted = accept(&body, log.storage.as_ref(), &log.registration).await?;
    let room = log.sequencer.reserve(accepted.bytes())?;
    let mut attachments: Vec<NewAttachment> = Vec::new();
    if !accepted.has_new() {
        // What is logged is complete; anybody can send it again, with anything behind it.
        return Ok(Received {
            accepted,
            attachments,
            room,
        });
    }
    let mut left = ATTACHMENTS_BYTES_MAX;
    let mut number = 0;
    while let Some(part) = next_part(&mut parts).await? {
        if part.name() != Some("attachment") {
            return Err(malformed(
                "parts behind `records` must be named `attachment`",
            ));
        }
        number += 1;
        let bytes_max = accepted.attachment_bytes_max().min(left);
        let bytes = read_part(part, bytes_max, AS_STATED).await?;
        left -= bytes.len() as u64;
        attachments.extend(accepted.attach(number, bytes)?);
    }
    Ok(Received {
        accepted,
        attachments,
        room,
    })
}

async fn next_part(parts: &mut Multipart) -> Result<Option<Field<'_>>, Problem> {
    parts
        .next_field()
        .await
        .map_err(|error| unreadable_part(&error))
}

/// What to do about records that are too long.
const FEWER_RECORDS: &str =
    "put large documents into attachments, and send fewer records at a time";

/// What to do about attachments that are too long.
const AS_STATED: &str = "send only attachments that the records name, in their stated sizes";

/// Reads a part of at most `bytes_max` bytes; of a longer one, `hint` says what to do.
async fn read_part(mut part: Field<'_>, bytes_max: u64, hint: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part
        .chunk()
        .await
        .map_err(|error| unreadable_part(&error))?
    {
        if (bytes.len() + chunk.len()) as u64 > bytes_max {
            let detail = format!(
                "this part of the request may have at most {bytes_max} bytes, and has more"
            );
            return Err(Problem::new(Name::TooLarge, detail).hint(hint));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn malformed(detail: &str) -> Problem {
    let detail = format!("the multipart body can't be read: {detail}");
    Problem::new(Name::MalformedBody, detail)
        .hint("send a part named `records` first, and parts named `attachment` behind it")
}

fn unreadable_part(error: &MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("the body may have at most {MULTIPART_BYTES_MAX} bytes, and has more");
        return Problem::new(Name::TooLarge, detail).hint(AS_STATED);
    }
    malformed(&innermost(error))
}

/// What went wrong at the bottom: the layers above only say that something below them did.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn unreadable(error: &axum::Error, limit: usize) -> Problem {
    let is_too_long = error
        .source()
        .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
    if is_too_long {
        return Problem::new(
            Name::TooLarge,
            format!("the body may have at most {limit} bytes, and has more"),
        )
        .hint(FEWER_RECORDS);
    }
    let detail = format!("the body can't be read to its end: {}", innermost(error));
    Problem::new(Name::MalformedBody, detail).hint("send it again, as long as content-length says")
}

/// A record in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
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
    /// When the server took it, by its own clock, which nothing proves.
    accepted_at: String,
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
    pub(super) fn of(row: &RecordRow) -> Self {
        let since =
            std::time::Duration::from_millis(u64::try_from(row.accepted_ms).unwrap_or_default());
        let accepted = std::time::SystemTime::UNIX_EPOCH + since;
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
            accepted_at: humantime::format_rfc3339_millis(accepted).to_string(),
        }
    }
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
    /// How many, at most 500.
    limit: Option<u32>,
    /// Only those before this index.
    before: Option<u64>,
    /// Only those of this kind.
    kind: Option<String>,
    /// Only those signed by this publisher.
    publisher: Option<String>,
    /// Only those about this publisher or release.
    subject: Option<String>,
}

/// Lists records, newest first.
#[utoipa::path(
    get, path = "/api/v1/records", tag = "records", params(ListParameters),
    responses((status = 200, body = RecordsAnswer))
)]
pub(super) async fn list(
    State(log): Shared,
    QueryOf(parameters): QueryOf<ListParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
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
        subject: parameters.subject.clone(),
    };
    let size = log.sequencer.released().head.size;
    let end = parameters
        .before
        .map_or(size, |before| size.min(TreeSize::new(before)));
    let mut rows = log
        .view(
            log.storage
                .records(&filter, RecordPage::NewestBefore(end, limit + 1)),
        )
        .await?;
    let more = cut_page(&mut rows, limit);
    let next = rows.last().filter(|_| more).map(|last| {
        let before = Some(last.index.to_string());
        let limit = Some(limit.to_string());
        let ListParameters {
            kind,
            publisher,
            subject,
            ..
        } = parameters;
        let parameters = [
            ("before", before),
            ("limit", limit),
            ("kind", kind),
            ("publisher", publisher),
            ("subject", subject),
        ];
        next_page("/api/v1/records", &parameters)
    });
    Ok(json(
        &headers,
        &RecordsAnswer {
            records: rows.iter().map(Summary::of).collect(),
            next,
        },
    ))
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

impl RecordAnswer {
    /// Key IDs, the statement laid out for people, and name, digest and size of each attachment.
    pub(super) fn for_page(self) -> (Vec<String>, String, Vec<(String, String, u64)>) {
        let statement = serde_json::to_string_pretty(&self.statement_json).expect("it was JSON");
        let attachments = self
            .attachments
            .into_iter()
            .map(|a| (a.name, a.digest.sha256.to_string(), a.size));
        (self.signed_by, statement, attachments.collect())
    }
}

/// Shows one record, by its index or its statement digest.
#[utoipa::path(
    get, path = "/api/v1/records/{id}", tag = "records",
    params(("id" = String, Path, description = "An index, or a statement digest of 64 hexadecimal digits")),
    responses(
        (status = 200, body = RecordAnswer),
        (status = 404, body = Problem, content_type = "application/problem+json"),
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
    if log.sequencer.released().head.size.leaf(index).is_none() {
        return Ok(None);
    }
    log.view(log.storage.record(index)).await
}

/// A public key, as it stands in publisher records.
pub(super) fn key_json(key: &PublicKey) -> Value {
    serde_json::to_value(key).expect("keys are JSON")
}
