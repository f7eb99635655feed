//! Why a pickle is not followed to its end.

use std::fmt;
use std::io;

use crate::source::SourceError;

use super::PROTOCOL_MAX;

/// Why a pickle is not followed to its end.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The file can't be read.
    Io(io::Error),
    /// Python stops here, too, if it gets here: it may have run code before.
    Broken {
        /// Where the operation is.
        at: u64,
        rule: String,
        /// If something may have been called before that it imports.
        has_called: bool,
    },
    /// Python may go on.
    Beyond { at: u64, rule: String },
    /// So it does, in a version to come.
    Protocol { at: u64, protocol: u8 },
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Broken { at, rule, .. } => write!(f, "byte {at} of its pickle: {rule}"),
            Self::Beyond { at, rule } => {
                write!(f, "its pickle is not followed behind byte {at}: {rule}")
            }
            Self::Protocol { at, protocol } => write!(
                f,
                "byte {at} of its pickle: it is of protocol {protocol}, where {PROTOCOL_MAX} is the last known"
            ),
        }
    }
}

/// Why an operation can't be followed.
pub(super) enum Fault {
    /// No Python follows it.
    Rule(String),
    /// Python may.
    Beyond(String),
    /// It is of a protocol to come.
    Protocol(u8),
    Source(SourceError),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

pub(super) fn fault<T>(rule: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Rule(rule.into()))
}

impl Fault {
    /// As the end of a pickle, for an operation at this byte.
    pub(super) fn at(self, at: u64, has_called: bool) -> Stopped {
        let broken = |rule| Stopped::Broken {
            at,
            rule,
            has_called,
        };
        match self {
            Self::Source(SourceError::Io(error)) => Stopped::Io(error),
            Self::Source(error) => broken(error.to_string()),
            Self::Rule(rule) => broken(rule),
            Self::Beyond(rule) => Stopped::Beyond { at, rule },
            Self::Protocol(protocol) => Stopped::Protocol { at, protocol },
        }
    }
}
