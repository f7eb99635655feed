//! How requests reach a log: one small trait, and its implementations over HTTP and in a folder.
//!
//! Always: an answer has a limit before it is read, and every wait has an end.
//!
//! Not here: what a log is asked and what its answers mean ([`crate::log_client`]).

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::problem::PROBLEM_BYTES_MAX;

/// How long it may take to reach the log's machine.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// How long the log may think. A publication waits for its batch, its commit and its witnesses.
const ANSWER_WAIT: Duration = Duration::from_mins(1);

/// How long one answer's body, or one upload, may take: 128 MB at 0.5 MB/s.
const BODY_WAIT: Duration = Duration::from_secs(256);

/// Names a PEM file with the certificates of those who are believed, as OpenSSL has it.
const ROOTS_VARIABLE: &str = "SSL_CERT_FILE";

/// Who asks.
const USER_AGENT: &str = concat!(
    "candor/",
    env!("CARGO_PKG_VERSION"),
    " (+",
    env!("CARGO_PKG_REPOSITORY"),
    ")"
);

/// One question to a log.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Where to.
    pub url: &'a str,
    /// What is sent along; a request with a body is a `POST`, one without a `GET`.
    pub body: Option<&'a RequestBody>,
    /// The most bytes of an answer that are read.
    pub answer_bytes_max: usize,
}

/// What a `POST` carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestBody {
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The media type, as stated.
    pub content_type: String,
    /// How long to wait before asking again, where the answer says so in seconds.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody there, or the connection broke.
    #[error("no answer from {url}: {reason}")]
    OutOfReach {
        /// What was asked for.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// More bytes than such an answer can have.
    #[error("the answer from {url} is longer than {bytes_max} bytes, which no such answer is")]
    TooLong {
        /// What was asked for.
        url: String,
        /// The limit.
        bytes_max: usize,
    },
}

impl TransportError {
    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OutOfReach { .. } => {
                "check the address (`--log URL`) and the network; a `.candor` bundle verifies without either"
            }
            Self::TooLong { .. } => {
                "check that the address is a log's (`--log URL`), and tell its operator"
            }
        }
    }
}

/// Sends requests. Fakes stand in for it in tests.
pub trait Transport: Send + Sync {
    /// Sends one request and reads the answer, whatever its status.
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError>;

    /// Lets time pass before a request is repeated.
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// HTTP/1.1, with TLS for `https` addresses.
#[derive(Debug)]
pub struct HttpTransport {
    agent: ureq::Agent,
    /// Why nobody's certificate can be checked.
    no_roots: Option<String>,
}

impl HttpTransport {
    /// With the time limits of this module.
    pub fn new() -> Self {
        let (agent, no_roots) = agent();
        Self { agent, no_roots }
    }
}

/// An HTTP client that says who asks, and believes the certificates that this program believes; and why there are none of
/// these, if there are none: then it believes nobody.
pub fn agent() -> (ureq::Agent, Option<String>) {
    let (roots, no_roots) = match roots() {
        Ok(roots) => (roots, None),
        Err(why) => (RootCerts::from([]), Some(why)),
    };
    let config = ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .http_status_as_error(false)
        .user_agent(USER_AGENT)
        .max_redirects(3)
        .timeout_connect(Some(CONNECT_WAIT))
        .timeout_send_body(Some(BODY_WAIT))
        .timeout_recv_response(Some(ANSWER_WAIT))
        .timeout_recv_body(Some(BODY_WAIT))
        .build();
    (config.new_agent(), no_roots)
}

/// Who is believed to know whose a certificate is: those whom Mozilla does, or where OpenSSL's variable names others, these.
fn roots() -> Result<RootCerts, String> {
    let Some(file) = std::env::var_os(ROOTS_VARIABLE).filter(|file| !file.is_empty()) else {
        return Ok(RootCerts::WebPki);
    };
    let wrong = |why: &dyn fmt::Display| {
        format!(
            "{ROOTS_VARIABLE} names {}: {why}",
            Path::new(&file).display()
        )
    };
    let pem = fs::read(&file).map_err(|error| wrong(&error))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| wrong(&error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(wrong(&"there is no certificate in it"));
    }
    Ok(certificates.into())
}

impl Default for HttpTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let out_of_reach = |reason: &dyn std::fmt::Display| TransportError::OutOfReach {
            url: request.url.to_owned(),
            reason: reason.to_string(),
        };
        if let Some(why) = &self.no_roots
            && request.url.starts_with("https:")
        {
            return Err(out_of_reach(why));
        }
        let answer = match request.body {
            None => self.agent.get(request.url).call(),
            Some(body) => self
                .agent
                .post(request.url)
                .content_type(&body.content_type)
                .send(&body.bytes[..]),
        };
        let answer = answer.map_err(|e| out_of_reach(&e))?;
        let header = |name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let content_type = header("content-type").unwrap_or_default();
        let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
        let status = answer.status().as_u16();
        // A refusal is short, whatever was asked for.
        let bytes_max = if answer.status().is_success() {
            request.answer_bytes_max
        } else {
            PROBLEM_BYTES_MAX
        };
        // One byte more than allowed, after decompression, tells a full answer from a cut one.
        let mut body = Vec::new();
        answer
            .into_body()
            .into_reader()
            .take(bytes_max as u64 + 1)
            .read_to_end(&mut body)
            .map_err(|e| out_of_reach(&e))?;
        if body.len() > bytes_max {
            return Err(TransportError::TooLong {
                url: request.url.to_owned(),
                bytes_max,
            });
        }
        Ok(Response {
            status,
            content_type,
            retry_after: retry_after.map(Duration::from_secs),
            body,
        })
    }
}

/// A folder of this machine, which answers as a web server would that has nothing else.
#[derive(Debug)]
pub struct FolderTransport;

impl Transport for FolderTransport {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let path = request.url.strip_prefix("file://").unwrap_or(request.url);
        let path = path.split('?').next().unwrap_or_default();
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let beyond = request.answer_bytes_max as u64 + 1;
            // A pipe would be waited for, and a device may have no end.
            let kind = fs::metadata(path)?.file_type();
            if !kind.is_file() && !kind.is_dir() {
                return Err(io::Error::other("it is no file"));
            }
            File::open(path)?.take(beyond).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let answer = |status, body| {
            Ok(Response {
                status,
                content_type: String::new(),
                retry_after: None,
                body,
            })
        };
        if request.body.is_some() {
            return answer(405, Vec::new());
        }
        match read() {
            Ok(body) if body.len() > request.answer_bytes_max => Err(TransportError::TooLong {
                url: request.url.to_owned(),
                bytes_max: request.answer_bytes_max,
            }),
            Ok(body) => answer(200, body),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::IsADirectory
                        | io::ErrorKind::NotADirectory
                ) =>
            {
                answer(404, Vec::new())
            }
            Err(error) => Err(TransportError::OutOfReach {
                url: request.url.to_owned(),
                reason: error.to_string(),
            }),
        }
    }
}
