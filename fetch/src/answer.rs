//! One question to a source, and whether its answer is about the bytes that were asked for.
//!
//! ```text
//! GET /llama/model.safetensors                200   Content-Length: all of it     ─► from byte 0
//! Accept-Encoding: identity
//! Range: bytes=8388608-     (from the second  206   Content-Range: bytes 8388608-16777215/16777216
//! If-Range: "etag"           byte on)                                             ─► from byte 8388608
//! ```
//!
//! RFC 9110: section 14.2 for `Range`, 13.1.5 for `If-Range`, 14.4 for `Content-Range`, 15.3.7 for 206, 8.8.3 for `ETag`,
//! 8.4 and 12.5.3 for encodings.
//!
//! Always: an answer of a file of another size is refused before its first byte is read, and no more is read than there is
//! of the file.
//!
//! Not here: whether the bytes are the right ones.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use candor_core::weights::FilePath;
use ureq::http::{HeaderMap, Response, header};
use ureq::{Agent, Body, Timeout};

use rustix::fs::{Mode, OFlags};

use crate::redirect::{host_of, is_https, resolve};
use crate::source::{Place, Source, url_of};
use crate::{Fault, Patience};

/// How many redirects are followed. Those who keep files elsewhere need two or three.
const REDIRECTS_MAX: u32 = 10;

/// The longest that a server may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// The longest `ETag` that is sent back.
const ETAG_BYTES_MAX: usize = 256;

/// What is asked of a source.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) path: &'a FilePath,
    /// The size that the file must have, in bytes.
    pub(crate) size: u64,
    /// The first byte that is wanted.
    pub(crate) from: u64,
    /// The `ETag` of the bytes before.
    pub(crate) if_range: Option<&'a str>,
}

/// Bytes on their way.
pub(crate) struct Answer {
    reader: Box<dyn Read>,
    /// Which byte of the file comes first: the one that was asked for, or the first of all.
    pub(crate) start: u64,
    /// Which byte comes next.
    at: u64,
    /// Behind which byte the answer ends.
    end: u64,
    /// The strong `ETag` of what is sent.
    pub(crate) etag: Option<String>,
    stall: Duration,
}

impl Source {
    /// Asks for a file's bytes.
    pub(crate) fn ask(
        &self,
        agent: &Agent,
        patience: &Patience,
        ask: Ask<'_>,
    ) -> Result<Answer, Fault> {
        match self.place() {
            Place::Folder(folder) => open(folder, ask, patience),
            Place::Web(base) => get(agent, &url_of(base, ask.path), patience, ask),
        }
    }
}

impl Answer {
    /// Reads some bytes, at least one unless the answer is at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        if length == 0 {
            return Ok(0);
        }
        loop {
            match self.reader.read(&mut buffer[..length]) {
                Ok(0) => return Err(self.cut("it ended before its time".to_owned())),
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault_of(&error)),
            }
        }
    }

    /// Takes note of the end, so that the connection can carry the next question.
    pub(crate) fn finish(mut self) {
        // A server that goes on sending loses the connection; what it sends is never looked at.
        let _ = self.reader.read(&mut [0]);
    }

    fn fault_of(&self, error: &io::Error) -> Fault {
        let inner = error
            .get_ref()
            .and_then(|it| it.downcast_ref::<ureq::Error>());
        match inner {
            Some(ureq::Error::Timeout(_)) => Fault::Stalled {
                at: self.at,
                waited: self.stall,
            },
            _ => self.cut(shortened(&error.to_string())),
        }
    }

    fn cut(&self, reason: String) -> Fault {
        Fault::Cut {
            at: self.at,
            reason,
        }
    }
}

/// Opens a file in a folder of this machine.
fn open(folder: &Path, ask: Ask<'_>, patience: &Patience) -> Result<Answer, Fault> {
    let unreadable = |error: &dyn std::fmt::Display| Fault::Unreadable {
        reason: error.to_string(),
    };
    // A pipe would be waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let path = folder.join(ask.path.as_str());
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {
            return Err(Fault::Missing { status: None });
        }
        Err(error) => return Err(unreadable(&error)),
    };
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(unreadable(&"it is not a file"));
    }
    check_size(metadata.len(), ask)?;
    file.seek(SeekFrom::Start(ask.from))
        .map_err(|error| unreadable(&error))?;
    Ok(Answer {
        reader: Box::new(file),
        start: ask.from,
        at: ask.from,
        end: ask.size,
        etag: None,
        stall: patience.stall,
    })
}

/// Asks a web server, and whom it sends on to.
fn get(agent: &Agent, url: &str, patience: &Patience, ask: Ask<'_>) -> Result<Answer, Fault> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let response = send(agent, &url, patience, ask)?;
        let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if !is_redirect {
            return answer(response, patience, ask);
        }
        let location = text_of(response.headers(), &header::LOCATION);
        let next = resolve(&url, &location).ok_or_else(|| Fault::Location {
            location: shortened(&location),
        })?;
        if is_https(&url) && !is_https(&next) {
            return Err(Fault::Downgrade { to: host_of(&next) });
        }
        url = next;
    }
    Err(Fault::Redirects {
        count: REDIRECTS_MAX,
        to: host_of(&url),
    })
}

fn send(
    agent: &Agent,
    url: &str,
    patience: &Patience,
    ask: Ask<'_>,
) -> Result<Response<Body>, Fault> {
    let (connect, stall) = (Some(patience.connect), Some(patience.stall));
    let mut request = agent
        .get(url)
        .config()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // Whatever the agent has for short answers: a file takes as long as it takes.
        .timeout_global(None)
        .timeout_per_call(None)
        .timeout_recv_body(None)
        .timeout_resolve(connect)
        .timeout_connect(connect)
        .timeout_send_request(stall)
        .timeout_recv_response(stall)
        .timeout_per_read(stall)
        .timeout_per_write(stall)
        .build()
        .header(header::ACCEPT_ENCODING, "identity");
    if ask.from > 0 {
        request = request.header(header::RANGE, format!("bytes={}-", ask.from));
        if let Some(etag) = ask.if_range {
            request = request.header(header::IF_RANGE, etag);
        }
    }
    request.call().map_err(|error| match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => Fault::Unreachable {
            reason: format!("nobody there for {} s", patience.connect.as_secs_f64()),
        },
        ureq::Error::Timeout(_) => Fault::Unreachable {
            reason: format!("it said nothing for {} s", patience.stall.as_secs_f64()),
        },
        error => Fault::Unreachable {
            reason: shortened(&error.to_string()),
        },
    })
}

/// What an answer's head says of the bytes that follow.
fn answer(response: Response<Body>, patience: &Patience, ask: Ask<'_>) -> Result<Answer, Fault> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let encoding = text_of(headers, &header::CONTENT_ENCODING);
    let length = || -> Result<u64, Fault> {
        if !encoding.is_empty() && !encoding.trim().eq_ignore_ascii_case("identity") {
            return Err(Fault::Encoded {
                encoding: shortened(&encoding),
            });
        }
        // The client undoes gzip and then takes both headers away, so that a length is also the sign that nothing was
        // undone: a range of compressed bytes is not a range of the file's.
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|it| it.to_str().ok()?.trim().parse().ok());
        length.ok_or(Fault::NoLength)
    };
    let (start, end) = match status {
        200 => {
            check_size(length()?, ask)?;
            (0, ask.size)
        }
        206 if ask.from > 0 => {
            let length = length()?;
            let said = text_of(headers, &header::CONTENT_RANGE);
            let other = || Fault::Range {
                asked: ask.from,
                said: shortened(&said),
            };
            let range = ContentRange::parse(&said).ok_or_else(other)?;
            if let Some(total) = range.total {
                check_size(total, ask)?;
            }
            let end = range.last.checked_add(1).ok_or_else(other)?;
            if range.first != ask.from
                || range.last < range.first
                || end > ask.size
                || end.checked_sub(range.first) != Some(length)
            {
                return Err(other());
            }
            (ask.from, end)
        }
        // It has a range where none was asked for, or none where all was.
        206 => {
            return Err(Fault::Range {
                asked: 0,
                said: shortened(&text_of(headers, &header::CONTENT_RANGE)),
            });
        }
        // Its file ends before the byte that was asked for (RFC 9110 section 15.5.17).
        416 => return Err(unsatisfied(headers, ask)),
        404 | 410 => {
            return Err(Fault::Missing {
                status: Some(status),
            });
        }
        status => {
            let seconds = text_of(headers, &header::RETRY_AFTER).trim().parse().ok();
            let retry_after = seconds.map(Duration::from_secs);
            return Err(Fault::Status {
                status,
                retry_after: retry_after.map(|it| it.min(RETRY_AFTER_MAX)),
            });
        }
    };
    let etag = strong_etag(headers);
    Ok(Answer {
        reader: Box::new(response.into_body().into_reader()),
        start,
        at: start,
        end,
        etag,
        stall: patience.stall,
    })
}

fn check_size(found: u64, ask: Ask<'_>) -> Result<(), Fault> {
    if found == ask.size {
        return Ok(());
    }
    Err(Fault::Size {
        found,
        expected: ask.size,
    })
}

/// What a 416 says: as a rule, how long the file is.
fn unsatisfied(headers: &HeaderMap, ask: Ask<'_>) -> Fault {
    let said = text_of(headers, &header::CONTENT_RANGE);
    let total = said.strip_prefix("bytes */").and_then(|it| it.parse().ok());
    match total {
        Some(found) if found != ask.size => Fault::Size {
            found,
            expected: ask.size,
        },
        _ => Fault::Range {
            asked: ask.from,
            said: shortened(&said),
        },
    }
}

/// `bytes FIRST-LAST/TOTAL`, or `*` for a total that is not known.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (unit, range) = text.trim().split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, total) = range.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |digits: &str| {
            // `parse` would take a sign.
            let is_number = digits.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten()
        };
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        Some(Self {
            first: number(first)?,
            last: number(last)?,
            total,
        })
    }
}

/// The `ETag`, if equal ones mean equal bytes: a weak one must not be sent in `If-Range`.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = text_of(headers, &header::ETAG);
    let inner = etag.strip_prefix('"')?.strip_suffix('"')?;
    (etag.len() <= ETAG_BYTES_MAX && !inner.contains('"')).then_some(etag)
}

/// A header's text; empty if there is none. All of those of that name (RFC 9110 section 5.3), and bytes that are not text
/// too: what can't be read must not look as if it were not there.
fn text_of(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let values = headers.get_all(name).into_iter();
    let texts: Vec<_> = values
        .map(|it| String::from_utf8_lossy(it.as_bytes()))
        .collect();
    texts.join(", ")
}

/// What a server says, as far as it is shown.
fn shortened(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_graphic() || *c == ' ' || c.is_alphanumeric();
    text.chars().filter(is_plain).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_strictly() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(5, 9, Some(10)));
        assert_eq!(ContentRange::parse("Bytes 5-9/*"), range(5, 9, None));
        for text in [
            "",
            "bytes",
            "bytes 5-9",
            "bytes */10",
            "bytes +5-9/10",
            "bytes 5-/10",
            "lines 5-9/10",
            "bytes 5-99999999999999999999/10",
        ] {
            assert_eq!(ContentRange::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_weak_etag_is_none() {
        let etag = |value: &'static str| {
            let value = header::HeaderValue::from_static(value);
            strong_etag(&HeaderMap::from_iter([(header::ETAG, value)]))
        };
        assert_eq!(etag("\"abc\"").as_deref(), Some("\"abc\""));
        for weak in ["W/\"abc\"", "abc", "\"", "\"a\", \"b\""] {
            assert_eq!(etag(weak), None, "{weak}");
        }
    }
}
