//! The last checkpoint of a log: an extension line in it says that the log is closed, and where it goes on.
//!
//! ```text
//! log.example.org/2026\n
//! 20852163\n
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n
//! retired log.example.org/2027+8cf4ef35+AfZH… https://log.example.org/2027\n     this line
//! \n
//! — log.example.org/2026 …\n
//! ```
//!
//! In the checkpoint, and not in a note of its own: so a retirement is where the newest checkpoint is, in static parts,
//! mirrors, bundles and the memory of clients, and it is signed by the key that everybody has. Programs that don't know
//! the line skip it, as C2SP `tlog-checkpoint` has it, and see a log that does not grow.

use std::fmt;

use super::{LogKey, VerifierKeyError};

/// What the line begins with.
const WORD: &str = "retired";

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 1_024;

/// A log's last word: it takes no further entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retirement {
    /// Where it goes on; nowhere, if there is none.
    pub next: Option<NextLog>,
}

/// The log that follows a closed one: its next shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NextLog {
    /// Its key, whose name is its origin.
    pub key: LogKey,
    url: String,
}

/// Why a line that begins as a retirement is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetirementError {
    /// Neither `retired` alone, nor with a key and a URL.
    #[error("the line {0:?} should be `retired`, or `retired KEY URL`")]
    Form(String),
    /// The next log's key is none.
    #[error("the next log's key is refused: {0}")]
    Key(#[from] VerifierKeyError),
    /// The next log's address is none.
    #[error(
        "the next log's address is {0:?}, and should be a URL of http or https, of at most {URL_BYTES_MAX} bytes"
    )]
    Url(String),
}

impl NextLog {
    /// The log with `key` at `url`.
    pub fn new(key: LogKey, url: &str) -> Result<Self, RetirementError> {
        let rest = (url.strip_prefix("https://")).or_else(|| url.strip_prefix("http://"));
        let is_good = rest.is_some_and(|rest| !rest.is_empty())
            && url.len() <= URL_BYTES_MAX
            && url.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_good {
            return Err(RetirementError::Url(shortened(url)));
        }
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { key, url })
    }

    /// Where it is, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Retirement {
    /// Reads an extension line; `None` if it is about something else.
    pub(super) fn parse_line(line: &str) -> Result<Option<Self>, RetirementError> {
        let mut words = line.split(' ');
        if words.next() != Some(WORD) {
            return Ok(None);
        }
        let next = match (words.next(), words.next(), words.next()) {
            (None, _, _) => None,
            (Some(key), Some(url), None) => Some(NextLog::new(key.parse()?, url)?),
            _ => return Err(RetirementError::Form(shortened(line))),
        };
        Ok(Some(Self { next }))
    }
}

/// The extension line.
impl fmt::Display for Retirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WORD)?;
        match &self.next {
            Some(NextLog { key, url }) => write!(f, " {key} {url}"),
            None => Ok(()),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
