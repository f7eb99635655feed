//! `POST /api/v1/records`: publishes records.
//!
//! ```text
//! JSON ───────────────────────► parse ──► verify ──────────────────────────────────► submit ──► receipts
//! form: part `records` ───────► parse ──► verify ──► parts `attachment` ──► manifests ──► submit ──► receipts
//!       (room for bodies)        (room for records)    (room for attachments)
//! ```
//!
//! Anybody can register a name and publish under it in one request, so verified means well-formed and signed,
//! and not trusted: whatever is held has a budget ([`crate::limits`]).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use candor_core::Sha256;
use candor_core::bundle::Receipt;
use candor_core::merkle::LeafIndex;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::fresh_of;
use super::asker::Asker;
use super::body::{BodyError, Incoming, Waiting, innermost};
use super::outgoing::Taken;
use super::problem::{Name, Problem};
use super::proofs::receipts;
use super::{Log, Shared};
use crate::accept::{
    ATTACHMENTS_BYTES_MAX, Accepted, Again, Parsed, REQUEST_JSON_BYTES_MAX, accept,
};
use crate::limits::Room;
use crate::plan::{Placed, Refused};
use crate::sequencer::SubmitError;
use crate::storage::NewAttachment;

/// The most that one multipart body may have: its parts, and a megabyte for what stands between them.
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
    /// The proof, in the form of C2SP tlog-proof.
    receipt: String,
}

/// One record, or several that are published together.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
enum RecordsBody {
    One(EnvelopeBody),
    Several(EnvelopesBody),
}

/// Up to 256 records.
#[derive(Serialize, ToSchema)]
#[schema(min_items = 1, max_items = 256)]
struct EnvelopesBody(Vec<EnvelopeBody>);

/// A DSSE envelope.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EnvelopeBody {
    #[schema(example = "application/vnd.in-toto+json")]
    payload_type: String,
    /// Base64 of the statement, which is as schemas/KIND.schema.json says.
    payload: String,
    #[schema(min_items = 1, max_items = 20)]
    signatures: Vec<SignatureBody>,
}

/// One signature of an envelope.
#[derive(Serialize, ToSchema)]
struct SignatureBody {
    /// The key's ID: without it, all keys have to be tried.
    keyid: Option<String>,
    /// Base64 of 64 bytes.
    sig: String,
}

/// Records, and the attachments that they name, in this order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
struct RecordsForm {
    records: RecordsBody,
    /// The bytes of each document.
    #[schema(value_type = Vec<String>, format = Binary)]
    attachment: Vec<Vec<u8>>,
}

/// Publishes one record, or several as one release: all of them or none.
///
/// The body is one DSSE envelope, or a list of up to 256. With attachments, it is `multipart/form-data`: the
/// first part is named `records` and holds that JSON, and parts named `attachment` follow, the bytes of each
/// document that a statement names by its SHA-256. The answer comes when the entries are on stable storage
/// and in a signed tree.
#[utoipa::path(
    post, path = "/api/v1/records", operation_id = "publish_records", tag = "records",
    request_body(
        description = "DSSE envelopes, alone or with the attachments that they name",
        content((RecordsBody = "application/json"), (RecordsForm = "multipart/form-data"))
    ),
    responses(
        (status = 201, description = "At least one record is new", body = Published),
        (status = 200, description = "All records were in the log already", body = Published),
        (status = "4XX", description = "Refused; nothing is stored", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn publish(State(log): Shared, request: Request) -> Result<Response, Problem> {
    let Received {
        accepted,
        attachments,
        rooms,
    } = read_body(&log, request).await?;
    let storage = log.storage.as_ref();
    let ready = accepted.ready(attachments, storage, &log.limits).await?;
    // Before anything is logged: what is logged is answered.
    let mut answer_room = log.limits.answers.room();
    answer_room.take(ready.known.len() * RECEIPT_BYTES)?;
    let new = if ready.submission.records.is_empty() {
        Vec::new()
    } else {
        let placed = log.sequencer.submit(ready.submission, rooms).await;
        placed.map_err(|error| in_request(error, &ready.known))?
    };
    // Taken after the answer: a tree that holds all of the new ones. A record that was there before may have
    // been committed this very moment, for somebody who published it at the same time.
    let released = match ready.known.iter().flatten().map(|(index, _)| *index).max() {
        Some(index) => log.sequencer.released_with(index).await?,
        None => log.sequencer.newest().await,
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
    let placed_count = placed.len();
    let indexes: Vec<LeafIndex> = placed.iter().map(|placed| placed.index).collect();
    let receipts = receipts(&log.recent, &released, &indexes).await?;
    let records = placed
        .into_iter()
        .zip(receipts)
        .map(|(placed, receipt)| PublishedRecord {
            index: placed.index.get(),
            statement: placed.statement.to_string(),
            created: placed.created,
            receipt: written(&receipt),
        })
        .collect();
    let status = if created_any {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = fresh_of(
        placed_count * RECEIPT_BYTES,
        status,
        &Published {
            checkpoint: released.checkpoint.clone(),
            records,
        },
    );
    response
        .extensions_mut()
        .insert(Taken(Arc::new(answer_room)));
    Ok(response)
}

/// A receipt's text, in one piece.
fn written(receipt: &Receipt) -> String {
    let mut text = String::with_capacity(RECEIPT_BYTES);
    write!(text, "{receipt}").expect("a text takes all that is written");
    text
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

/// What is answered about one record, about: a proof in a tree of 2^26 entries, and the checkpoint.
const RECEIPT_BYTES: usize = 2 << 10;

/// The most bytes before the first part of a form, and of the headers of a part. Two header lines are all that
/// a part needs.
const PART_HEAD_BYTES_MAX: usize = 16 << 10;

/// A request, read and verified.
struct Received {
    accepted: Accepted,
    attachments: Vec<NewAttachment>,
    /// The memory that they take.
    rooms: Vec<Room>,
}

async fn read_body(log: &Log, request: Request) -> Result<Received, Problem> {
    refuse_encoded(request.headers())?;
    match media_type(request.headers()).as_str() {
        "application/json" => {
            let limit = REQUEST_JSON_BYTES_MAX;
            let asker = asker_of(&request);
            let (_, body) = incoming(log, request, limit);
            // Has the room, which is held until the bytes have become records.
            let flow = body.flow();
            let body = body.read().await;
            let body = body.map_err(|error| error.problem(limit, FEWER_RECORDS))?;
            let (accepted, room) = accept_records(log, &asker, &body).await?;
            drop((body, flow));
            Ok(Received {
                accepted,
                attachments: Vec::new(),
                rooms: vec![room],
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

/// Nothing is unpacked: a little that becomes much is a way to take a server's memory, and signed records are small.
fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(());
    };
    if encoding == "identity" {
        return Ok(());
    }
    let detail = format!("the body's content-encoding is {encoding:?}, and none is taken");
    Err(Problem::new(Name::UnsupportedMediaType, detail).hint("send the body as it is"))
}

fn asker_of(request: &Request) -> Asker {
    let asker = request.extensions().get::<Asker>();
    asker
        .expect("all that is asked has passed `around`")
        .clone()
}

fn media_type(headers: &HeaderMap) -> String {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next();
    media_type.unwrap_or_default().trim().to_lowercase()
}

/// A request without its body, and the body, of which nobody has verified anything.
fn incoming(log: &Log, request: Request, bytes_max: usize) -> (Request, Incoming) {
    let waiting = request.extensions().get::<Waiting>();
    let waiting = waiting.cloned().unwrap_or_default();
    let (parts, body) = request.into_parts();
    let body = Incoming::new(body, bytes_max, log.limits.bodies.room(), waiting);
    (Request::from_parts(parts, Body::empty()), body)
}

/// Parses and verifies records, and takes the room that they need until they are answered.
///
/// An address pays for its records before their signatures are checked, and a publisher behind that.
async fn accept_records(
    log: &Log,
    asker: &Asker,
    body: &[u8],
) -> Result<(Accepted, Room), Problem> {
    let begun = Instant::now();
    let per_address = &log.rates.records_per_address;
    asker.note(per_address.take(&asker.client, 1))?;
    let parsed = log
        .limits
        .compute(body.len(), || Parsed::parse(body))
        .await?;
    asker.note(per_address.take(&asker.client, parsed.count() - 1))?;
    let per_publisher = &log.rates.records_per_publisher;
    let again = if per_publisher.is_limited() {
        Again::IsLookedUp
    } else {
        Again::IsFoundLater
    };
    let mut room = log.limits.records.room();
    room.take(parsed.bytes())?;
    let accepted = accept(
        parsed,
        log.storage.as_ref(),
        &log.recent,
        &log.registration,
        &log.limits,
        again,
    );
    let accepted = accepted.await?;
    if per_publisher.is_limited() {
        // What is logged already anybody has, and can send again.
        for (publisher, records) in accepted.new_by_publisher() {
            asker.note(per_publisher.take(&publisher, records))?;
        }
    }
    let verify = begun.elapsed().as_secs_f64();
    log.metrics.verify_seconds.observe(verify);
    Ok((accepted, room))
}

/// Attachments are read only after the records before them were verified, and only those that the records name.
async fn read_multipart(log: &Log, request: Request) -> Result<Received, Problem> {
    let asker = asker_of(&request);
    let (mut request, body) = incoming(log, request, MULTIPART_BYTES_MAX);
    let flow = body.flow();
    *request.body_mut() = Body::new(body);
    // The body has its own limit.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|error| malformed(&error.body_text()))?;
    flow.allow(PART_HEAD_BYTES_MAX);
    let first = next_part(&mut parts)
        .await?
        .filter(|part| part.name() == Some("records"));
    let first = first.ok_or_else(|| malformed("the first part must be named `records`"))?;
    flow.allow(MULTIPART_BYTES_MAX);
    let body = read_part(first, REQUEST_JSON_BYTES_MAX as u64, FEWER_RECORDS).await?;
    flow.at_work();
    let (mut accepted, room) = accept_records(log, &asker, &body).await?;
    drop(body);
    flow.keep_in(log.limits.attachments.room());
    let mut attachments: Vec<NewAttachment> = Vec::new();
    if !accepted.has_new() {
        // What is logged is complete; anybody can send it again, with anything behind it.
        return Ok(Received {
            accepted,
            attachments,
            rooms: vec![room],
        });
    }
    let mut left = ATTACHMENTS_BYTES_MAX;
    let mut number = 0;
    loop {
        flow.allow(PART_HEAD_BYTES_MAX);
        let Some(part) = next_part(&mut parts).await? else {
            break;
        };
        if part.name() != Some("attachment") {
            return Err(malformed(
                "parts behind `records` must be named `attachment`",
            ));
        }
        number += 1;
        flow.allow(MULTIPART_BYTES_MAX);
        let bytes_max = accepted.attachment_bytes_max().min(left);
        let bytes = read_part(part, bytes_max, AS_STATED).await?;
        left -= bytes.len() as u64;
        flow.at_work();
        let (length, attach) = (bytes.len(), || accepted.attach(number, bytes));
        attachments.extend(log.limits.compute(length, attach).await?);
    }
    flow.at_work();
    let rooms = vec![room, flow.take_room(log.limits.attachments.room())];
    Ok(Received {
        accepted,
        attachments,
        rooms,
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
    match BodyError::below(error) {
        None | Some(BodyError::Broken(_)) => malformed(&innermost(error)),
        Some(error) => error.problem(MULTIPART_BYTES_MAX, AS_STATED),
    }
}
