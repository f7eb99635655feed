//! What can be wrong with a mirror.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use candor_core::weights::{CHUNK_BYTES, FilePath};

use crate::Source;

/// What was wrong with a mirror, about one file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody there, no TLS, or an answer that is not HTTP.
    #[error("no answer: {reason}")]
    Unreachable {
        /// What the system says.
        reason: String,
    },
    /// Redirects without end.
    #[error("it redirected {count} times, the last time to {to:?}, and sent no file")]
    Redirects {
        /// How often they were followed.
        count: u32,
        /// The host of the last.
        to: String,
    },
    /// A redirect that leads nowhere.
    #[error("it redirects to {location:?}, which is no address")]
    Location {
        /// What it said, shortened.
        location: String,
    },
    /// From `https` to `http`.
    #[error("it redirects from https to http, to {to:?}, where anybody on the way can read along")]
    Downgrade {
        /// The host.
        to: String,
    },
    /// It has no such file.
    #[error("it has no such file{}", in_brackets(*status))]
    Missing {
        /// The HTTP status, unless it is a folder of this machine.
        status: Option<u16>,
    },
    /// Another status than one that brings bytes.
    #[error("it answered with HTTP status {status}")]
    Status {
        /// Which.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Bytes that are not the file's.
    #[error(
        "it sends the file in the content encoding {encoding:?}, and was asked for it as it is"
    )]
    Encoded {
        /// What it said, shortened.
        encoding: String,
    },
    /// It does not say how much it sends.
    #[error(
        "it does not say how many bytes it sends (no Content-Length), or sends them compressed"
    )]
    NoLength,
    /// A file of another size.
    #[error("its file has {found} bytes, and the release's {expected}")]
    Size {
        /// By what it says, or has.
        found: u64,
        /// By the manifest.
        expected: u64,
    },
    /// Other bytes than were asked for.
    #[error("it was asked for the bytes from {asked} on, and its Content-Range is {said:?}")]
    Range {
        /// The first byte that was asked for.
        asked: u64,
        /// What it said, shortened; empty if nothing.
        said: String,
    },
    /// Another file than the one whose beginning it had sent.
    #[error("its file changed while it was fetched: it has another ETag now")]
    Changed,
    /// The connection ended before the file did.
    #[error("it broke off at byte {at}: {reason}")]
    Cut {
        /// How many bytes there were until then.
        at: u64,
        /// What the system says.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("it stood still at byte {at}, for {} s", waited.as_secs_f64())]
    Stalled {
        /// How many bytes there were until then.
        at: u64,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Wrong bytes, found by the chunk list.
    #[error(
        "it sent wrong bytes: those from {} to {} (chunk {}) have not the leaf hash that the release's chunk list has",
        range.start, range.end - 1, range.start / CHUNK_BYTES
    )]
    Chunk {
        /// Where the chunk is in the file. Some byte in it is wrong, and all before it are right.
        range: Range<u64>,
    },
    /// Wrong bytes, found by the file's digest.
    #[error("it sent wrong bytes: their {algorithm} is {found}, and the release's {expected}")]
    Digest {
        /// Which digest.
        algorithm: &'static str,
        /// That of what it sent.
        found: String,
        /// The manifest's.
        expected: String,
    },
    /// A folder of this machine that can't be read.
    #[error("it can't be read: {reason}")]
    Unreadable {
        /// What the system says.
        reason: String,
    },
}

/// Which mirror was given up for which file, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorFault {
    /// The mirror.
    pub source: Source,
    /// The file, for which it is not asked again.
    pub file: FilePath,
    /// What was wrong.
    pub fault: Fault,
}

impl Fault {
    /// Whether it sent bytes that are not the release's: tell whoever runs it.
    pub fn is_lie(&self) -> bool {
        matches!(self, Self::Chunk { .. } | Self::Digest { .. })
    }

    /// A word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Redirects { .. } => "redirects",
            Self::Location { .. } => "location",
            Self::Downgrade { .. } => "downgrade",
            Self::Missing { .. } => "missing",
            Self::Status { .. } => "status",
            Self::Encoded { .. } => "encoded",
            Self::NoLength => "no-length",
            Self::Size { .. } => "size",
            Self::Range { .. } => "range",
            Self::Changed => "changed",
            Self::Cut { .. } => "cut",
            Self::Stalled { .. } => "stalled",
            Self::Chunk { .. } => "wrong-chunk",
            Self::Digest { .. } => "wrong-digest",
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// Where in the file the wrong bytes are, as far as is known.
    pub fn range(&self) -> Option<Range<u64>> {
        match self {
            Self::Chunk { range } => Some(range.clone()),
            _ => None,
        }
    }

    /// Which chunk the wrong bytes are in, as far as is known; counted from 0.
    pub fn chunk(&self) -> Option<u64> {
        Some(self.range()?.start / CHUNK_BYTES)
    }

    /// Whether it may be over when it is asked again.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Cut { .. } | Self::Stalled { .. } | Self::Changed => {
                true
            }
            // RFC 9110 section 15.5.9, RFC 8470 section 5.2, RFC 6585 section 4, and what servers say of themselves.
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502..=504),
            Self::Redirects { .. }
            | Self::Location { .. }
            | Self::Downgrade { .. }
            | Self::Missing { .. }
            | Self::Encoded { .. }
            | Self::NoLength
            | Self::Size { .. }
            | Self::Range { .. }
            | Self::Chunk { .. }
            | Self::Digest { .. }
            | Self::Unreadable { .. } => false,
        }
    }

    /// How long it wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl fmt::Display for MirrorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.fault)
    }
}

fn in_brackets(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" (HTTP status {status})"))
}
