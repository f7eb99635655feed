//! Problem documents (RFC 9457): the one place where errors become answers.

use std::any::Any;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use candor_core::record::{AuthorityError, EnvelopeError, Kind, SchemaViolation};
use serde::Serialize;
use tracing::{error, warn};

use crate::accept::AcceptError;
use crate::limits::NoRoom;
use crate::plan::{Conflict, Refused};
use crate::rates::TooMany;
use crate::sequencer::SubmitError;
use crate::storage::StorageError;

/// What went wrong, for programs: the last part of the problem's type, `urn:candor:problem:NAME`. Names are
/// part of the API and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are described by `Name::title`")]
pub enum Name {
    MalformedRequest,
    MalformedBody,
    MalformedJson,
    MalformedEnvelope,
    MalformedStatement,
    SchemaViolation,
    TooManyRecords,
    TooLarge,
    UnknownPublisher,
    UnknownKey,
    RevokedKey,
    BadSignature,
    BadKeyChange,
    NameTaken,
    NotAdmitted,
    ReleaseExists,
    ReleaseWithdrawn,
    UnknownReference,
    BadWithdrawal,
    BadAttachment,
    MissingAttachment,
    BadManifest,
    BadParameter,
    UnsupportedMediaType,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    Timeout,
    TooManyRequests,
    Overloaded,
    LogRetired,
    Stopping,
    StorageFull,
    StorageOutOfReach,
    Internal,
}

/// An answer that says what is wrong, where, and what to do.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:candor:problem:NAME`
    r#type: String,
    /// The same for all problems of a type.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// What to do next.
    #[serde(skip_serializing_if = "String::is_empty")]
    hint: String,
    /// Which record of the request, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<usize>,
    /// Where in the statement, as JSON pointers, and which rule of the schema.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Violation>)]
    violations: Vec<SchemaViolation>,
    #[serde(skip)]
    name: Option<Name>,
    /// After how many seconds it is of use to try again.
    #[serde(skip)]
    retry: Option<u64>,
}

/// A place where a statement is not as its schema says.
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes candor_core's type in the OpenAPI document"
)]
pub(super) struct Violation {
    /// A JSON pointer into the statement.
    pointer: String,
    /// The schema's keyword, such as `required`.
    rule: String,
    /// In words.
    message: String,
}

impl Name {
    const fn parts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::MalformedRequest => (
                "malformed-request",
                400,
                "Not a request that has one meaning",
            ),
            Self::MalformedBody => ("malformed-body", 400, "The body can't be read"),
            Self::MalformedJson => ("malformed-json", 400, "Not strict JSON"),
            Self::MalformedEnvelope => ("malformed-envelope", 400, "Not a DSSE envelope"),
            Self::MalformedStatement => (
                "malformed-statement",
                422,
                "Not a statement that this log takes",
            ),
            Self::SchemaViolation => (
                "schema-violation",
                422,
                "The statement does not fit its schema",
            ),
            Self::TooManyRecords => ("too-many-records", 400, "No records, or too many"),
            Self::TooLarge => ("too-large", 413, "Larger than this log takes"),
            Self::UnknownPublisher => ("unknown-publisher", 403, "No such publisher"),
            Self::UnknownKey => ("unknown-key", 403, "Not signed by a key of the publisher"),
            Self::RevokedKey => ("revoked-key", 403, "Signed by a key that counts no longer"),
            Self::BadSignature => ("bad-signature", 403, "A signature does not hold"),
            Self::BadKeyChange => ("bad-key-change", 422, "The keys can't change like this"),
            Self::NameTaken => ("name-taken", 409, "The publisher is registered already"),
            Self::NotAdmitted => (
                "not-admitted",
                403,
                "The operator has not admitted this publisher",
            ),
            Self::ReleaseExists => (
                "release-exists",
                409,
                "The release says something else already",
            ),
            Self::ReleaseWithdrawn => ("release-withdrawn", 409, "The release was withdrawn"),
            Self::UnknownReference => (
                "unknown-reference",
                422,
                "It points at something that is not in the log",
            ),
            Self::BadWithdrawal => ("bad-withdrawal", 422, "This can't be withdrawn like this"),
            Self::BadAttachment => (
                "bad-attachment",
                422,
                "An attachment is not what a record says",
            ),
            Self::MissingAttachment => ("missing-attachment", 422, "An attachment is missing"),
            Self::BadManifest => (
                "bad-manifest",
                422,
                "The manifest is not what the record says",
            ),
            Self::BadParameter => ("bad-parameter", 400, "A parameter can't be read"),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                415,
                "Not a body that is taken here",
            ),
            Self::NotFound => ("not-found", 404, "Not here"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "Not done with this method"),
            Self::NotAcceptable => ("not-acceptable", 406, "Not sent in this encoding"),
            Self::Timeout => ("timeout", 408, "The request took too long"),
            Self::TooManyRequests => ("too-many-requests", 429, "More than is allowed a minute"),
            Self::Overloaded => ("overloaded", 503, "Too much waits already"),
            Self::LogRetired => ("log-retired", 410, "The log takes no further record"),
            Self::Stopping => ("stopping", 503, "The server is stopping"),
            Self::StorageFull => ("storage-full", 503, "The log's disk is full"),
            Self::StorageOutOfReach => (
                "storage-out-of-reach",
                503,
                "The log's database does not answer",
            ),
            Self::Internal => ("internal", 500, "The server failed"),
        }
    }

    /// The name, as in the type.
    pub const fn as_str(self) -> &'static str {
        self.parts().0
    }

    /// The status that it is answered with.
    pub const fn status(self) -> u16 {
        self.parts().1
    }

    /// What all problems of this name have in common.
    pub const fn title(self) -> &'static str {
        self.parts().2
    }
}

impl Problem {
    /// A problem of this name.
    pub fn new(name: Name, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:candor:problem:{}", name.as_str()),
            title: name.title(),
            status: name.status(),
            detail: detail.into(),
            hint: String::new(),
            record: None,
            violations: Vec::new(),
            name: Some(name),
            retry: (name.status() == 503).then_some(2),
        }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says after how many seconds it is of use to try again.
    #[must_use]
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry = Some(seconds);
        self
    }

    /// Says which record of the request it is about.
    #[must_use]
    fn record(mut self, record: usize) -> Self {
        self.record = Some(record);
        self
    }

    /// What is wrong with this request.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// What to do next; nothing, where there is nothing to be done.
    pub(super) fn hint_text(&self) -> &str {
        &self.hint
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.name.unwrap_or(Name::Internal)
    }

    /// A parameter that can't be read.
    pub(super) fn parameter(name: &str, detail: &str) -> Self {
        Self::new(Name::BadParameter, format!("{name}: {detail}")).hint("see /api/v1/openapi.json")
    }

    /// The client took longer than a request may take.
    pub(super) fn timeout(limit: Duration) -> Self {
        let detail = format!(
            "the request was not complete after {} seconds",
            limit.as_secs()
        );
        Self::new(Name::Timeout, detail).hint("send it again, faster; publishing twice is harmless")
    }

    /// The server took longer than a request may take.
    pub(super) fn too_busy(limit: Duration) -> Self {
        let detail = format!("the answer was not ready after {} seconds", limit.as_secs());
        Self::new(Name::Overloaded, detail)
            .hint("try again in a few seconds; publishing twice is harmless")
    }

    /// The storage shows what nobody can prove yet.
    pub(super) fn not_released() -> Self {
        let detail =
            "the newest records are stored, and the tree that holds them can't be released yet";
        Self::new(Name::Overloaded, detail).hint(
            "try again in a few seconds; /checkpoint and /tile/ have what was released before",
        )
    }

    /// The catalogue is not open.
    pub(super) fn no_catalogue() -> Self {
        let detail = "what models, publishers, releases and search are shown from is not ready yet, or can't be \
                      opened, as on a full disk";
        Self::new(Name::Overloaded, detail).hint(
            "try again in a few seconds; /status says what is not well, and /records, proofs, tiles and /checkpoint are \
             served meanwhile",
        )
    }

    /// Something that only the operator can mend; what it is goes to the operator's log alone. Who finds all
    /// connections to the database taken, or none to be had, is told to come back.
    fn internal(error: &StorageError) -> Self {
        match error {
            StorageError::Database(sqlx::Error::PoolTimedOut) => {
                warn!("a request waited for the database too long");
                Self::new(Name::Overloaded, "the log is busy: too many questions wait")
                    .hint("try again in a few seconds; publishing twice is harmless")
            }
            StorageError::OutOfReach(_) | StorageError::Silent(_) => {
                warn!(%error, "a request could not be answered");
                Self::out_of_reach("the log's database is out of reach")
            }
            StorageError::NotALog(_)
            | StorageError::Damaged(_)
            | StorageError::Elsewhere(_)
            | StorageError::Retired
            | StorageError::Full(_)
            | StorageError::NotDurable(_)
            | StorageError::TurnLost
            | StorageError::Held { .. }
            | StorageError::Replaced { .. }
            | StorageError::Io { .. }
            | StorageError::Database(_) => {
                error!(%error, "a request failed");
                Self::new(Name::Internal, "the log's storage failed")
                    .hint("try again later; publishing twice is harmless")
            }
        }
    }

    /// Nothing is lost, and nothing is to be done but to wait for the operator.
    fn out_of_reach(detail: impl Into<String>) -> Self {
        Self::new(Name::StorageOutOfReach, detail)
            .hint("try again in a minute: the operator has to bring the database back; publishing twice is harmless")
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        Self::internal(&error)
    }
}

impl From<NoRoom> for Problem {
    fn from(error: NoRoom) -> Self {
        Self::new(Name::Overloaded, error.to_string())
            .hint("try again in a few seconds; publishing twice is harmless")
    }
}

impl From<TooMany> for Problem {
    fn from(error: TooMany) -> Self {
        let seconds = error.allowance.wait_seconds();
        let mut problem = Self::new(Name::TooManyRequests, error.to_string()).hint(format!(
            "try again in {seconds} seconds; the header ratelimit says what is left, and nothing of this was stored"
        ));
        problem.retry = Some(seconds);
        problem
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        let detail = error.to_string();
        match error {
            AcceptError::Json(_) => Self::new(Name::MalformedJson, detail)
                .hint("send one DSSE envelope, or a list of them, as JSON"),
            AcceptError::Count(0) => Self::new(Name::TooManyRecords, detail)
                .hint("send one DSSE envelope, or a list of them, as JSON"),
            AcceptError::Count(_) => Self::new(Name::TooManyRecords, detail)
                .hint("publish further records with further requests"),
            AcceptError::Envelope {
                record,
                error: EnvelopeError::TooLong { .. } | EnvelopeError::PayloadTooLong { .. },
            }
            | AcceptError::EntryTooLong { record, .. } => Self::new(Name::TooLarge, detail)
                .hint("put the long parts into an attachment, which the statement names by hash")
                .record(record),
            AcceptError::Envelope { record, .. } => Self::new(Name::MalformedEnvelope, detail)
                .hint("see https://github.com/secure-systems-lab/dsse/blob/master/envelope.md")
                .record(record),
            AcceptError::Statement { record, .. } => Self::new(Name::MalformedStatement, detail)
                .hint("compare the statement with the example of its kind in schemas/examples of Candor's repository")
                .record(record),
            AcceptError::Schema {
                record,
                kind,
                violations,
            } => {
                let hint = format!(
                    "see schemas/{kind}.schema.json and schemas/examples/{kind}.json in Candor's repository"
                );
                let problem = Self::new(Name::SchemaViolation, detail)
                    .hint(hint)
                    .record(record);
                Self {
                    violations,
                    ..problem
                }
            }
            AcceptError::Authority { record, error, .. } => {
                Self::new(authority_name(&error), detail)
                    .hint(error.hint())
                    .record(record)
            }
            AcceptError::KeyChangeNotAlone { record, .. } => Self::new(Name::BadKeyChange, detail)
                .hint("publish the change of keys in a request of its own")
                .record(record),
            AcceptError::TooManyChecks { record, .. } => Self::new(Name::TooLarge, detail)
                .hint("name the key of each signature by its ID (`keyid`), or send fewer records at a time")
                .record(record),
            AcceptError::AttachmentTooLarge { record, .. } => Self::new(Name::TooLarge, detail)
                .hint("keep the document elsewhere, and name it by URI and digest")
                .record(record),
            AcceptError::AttachmentNotNamed { .. } => Self::new(Name::BadAttachment, detail)
                .hint("send the very bytes whose hash the record names"),
            AcceptError::AttachmentSize { record, .. } => Self::new(Name::BadAttachment, detail)
                .hint("state the size of the very bytes whose hash the record names")
                .record(record),
            AcceptError::AttachmentMissing { record, .. } => {
                missing_attachment(detail).record(record)
            }
            AcceptError::TooMuchToRead { record, .. } => Self::new(Name::TooLarge, detail)
                .hint("publish fewer releases' weights with one request")
                .record(record),
            AcceptError::Manifest { record, .. } => Self::new(Name::BadManifest, detail)
                .hint("let `candor release` make manifest and record together")
                .record(record),
            AcceptError::Storage(error) => Self::internal(&error),
        }
    }
}

fn missing_attachment(detail: String) -> Problem {
    Problem::new(Name::MissingAttachment, detail)
        .hint("send it in the same request: multipart/form-data, `records` first, then parts named `attachment`")
}

fn authority_name(error: &AuthorityError) -> Name {
    match error {
        AuthorityError::UnknownPublisher { .. } => Name::UnknownPublisher,
        AuthorityError::UnknownKey { .. } => Name::UnknownKey,
        AuthorityError::RevokedKey { .. } => Name::RevokedKey,
        AuthorityError::BadSignature { .. } => Name::BadSignature,
        AuthorityError::KeyNotProven { .. }
        | AuthorityError::RetiredKeyReturns { .. }
        | AuthorityError::DuplicateKey { .. }
        | AuthorityError::NothingToFollow { .. } => Name::BadKeyChange,
        AuthorityError::NotTheSuccessor { .. } => Name::NameTaken,
        AuthorityError::NotAdmitted { .. } => Name::NotAdmitted,
    }
}

impl From<Refused> for Problem {
    fn from(Refused { record, conflict }: Refused) -> Self {
        let detail = conflict.to_string();
        let problem = match conflict {
            Conflict::Authority(error) => {
                Self::new(authority_name(&error), detail).hint(error.hint())
            }
            Conflict::ReleaseExists { .. } => Self::new(Name::ReleaseExists, detail).hint(
                "what a release is does not change, and a version is never used again: publish another version",
            ),
            Conflict::Withdrawn { .. } => {
                Self::new(Name::ReleaseWithdrawn, detail).hint("a withdrawn version is never used again: publish another version")
            }
            Conflict::UnknownReference { .. } | Conflict::UnknownSubject { .. } => {
                Self::new(Name::UnknownReference, detail).hint(
                    "publish first what it is about, or take the digest from /api/v1/releases/…",
                )
            }
            Conflict::OtherParent { .. } => Self::new(Name::UnknownReference, detail).hint(
                "take the parent's release, index and statement digest from one record in /api/v1/releases/…",
            ),
            Conflict::ParentInRequest { .. } => Self::new(Name::UnknownReference, detail)
                .hint("publish the parent first, by itself, and name it with the index that the answer gives"),
            Conflict::NotWithdrawable { kind: Kind::Publisher, .. } => {
                Self::new(Name::BadWithdrawal, detail)
                    .hint("change the keys with a publisher record that follows it")
            }
            Conflict::NotWithdrawable { .. } => Self::new(Name::BadWithdrawal, detail)
                .hint("what was withdrawn stays so: publish it again as another version"),
            Conflict::NotTheirs { .. } | Conflict::OtherSubject { .. } => Self::new(Name::BadWithdrawal, detail)
                .hint("name the record by its statement digest, and sign as its publisher"),
            Conflict::AttachmentMissing { .. } => missing_attachment(detail),
        };
        problem.record(record)
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let detail = error.to_string();
        match error {
            SubmitError::Refused(refused) => refused.into(),
            SubmitError::QueueFull { .. } => {
                Self::new(Name::Overloaded, detail).hint("try again in a few seconds")
            }
            SubmitError::Retired { next: None } => Self::new(Name::LogRetired, detail)
                .hint("publish to another log; what is here stays here, and can be read and verified"),
            SubmitError::Retired { next: Some(_) } => Self::new(Name::LogRetired, detail)
                .hint("publish there, once the last checkpoint of this log has shown you its key; `candor publish` does so by itself"),
            SubmitError::Stopping => Self::new(Name::Stopping, detail)
                .hint("try again in a few seconds; publishing twice is harmless"),
            SubmitError::Full => Self::new(Name::StorageFull, detail)
                .hint("try again later: the operator has to make room; reading goes on"),
            SubmitError::OutOfReach => Self::out_of_reach(detail),
            SubmitError::Failed => Self::new(Name::Internal, detail)
                .hint("try again later; publishing twice is harmless"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.status).expect("Name::status has HTTP statuses only");
        let retry = self.retry;
        let name = self.name();
        let mut response = (status, Json(&self)).into_response();
        response.extensions_mut().insert(name);
        // For pages, which say it in their own form.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// For paths that lead nowhere.
pub(super) async fn not_found(uri: axum::http::Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(Name::NotFound, format!("there is nothing at {path}"))
        .hint("see /api/v1/openapi.json")
}

/// For methods that a path has not.
pub(super) async fn method_not_allowed(method: axum::http::Method) -> Problem {
    let detail = format!("{method} is not done here");
    Problem::new(Name::MethodNotAllowed, detail).hint("see /api/v1/openapi.json")
}

/// For clients that take none of the encodings that there are, nor the bytes as they are.
pub(super) fn not_acceptable() -> Problem {
    let detail = "the header accept-encoding allows none of zstd, br, gzip and identity, and there is no other";
    Problem::new(Name::NotAcceptable, detail).hint("leave the header out, or take one of these")
}

/// For bugs: the request ends, the server goes on.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that CatchPanicLayer asks for"
)]
pub(super) fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let cause = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied());
    error!(cause = cause.unwrap_or("unknown"), "a handler panicked");
    Problem::new(
        Name::Internal,
        "the server has a bug that this request found",
    )
    .into_response()
}
