//! One request to a webhook, and whether its answer counts.
//!
//! Always: no redirect is followed, of an answer's body no more is read than lets the connection be used again, and
//! whatever is said of a failure names neither the address nor what was answered.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use candor_core::note::WebhookContent;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

use super::settings::WebhookUrl;

/// How long a receiver may take for its answer; the least that Standard Webhooks recommends.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// How long it may take to be reached.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// How long its connection is kept without a request.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// How much of an answer's body is read, and thrown away.
const BODY_BYTES_MAX: usize = 16 << 10;

/// How long that may take. The record counts as told by then.
const BODY_TIME_MAX: Duration = Duration::from_millis(500);

/// The longest text that is kept of a failure.
const WHY_CHARS_MAX: usize = 300;

/// Where messages go.
pub(super) struct Receiver {
    url: WebhookUrl,
    /// What sends them, once it could be made: that takes certificates, which may come later.
    client: Option<Client>,
}

/// Why a receiver does not have a message, as far as anybody knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// In words, without bounds only from this program.
    pub(super) why: String,
    /// How long it wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Receiver {
    /// Nothing is asked yet.
    pub(super) fn new(url: &WebhookUrl) -> Self {
        Self {
            url: url.clone(),
            client: None,
        }
    }

    fn client(&mut self) -> Result<&Client, Failure> {
        if self.client.is_none() {
            let made = client_for(&self.url).map_err(|error| Failure {
                why: format!(
                    "there is no way to ask it, for want of certificates by which to know it: install ca-certificates, or name a file with SSL_CERT_FILE ({})",
                    in_words(error)
                ),
                retry_after: None,
            })?;
            self.client = Some(made);
        }
        Ok(self.client.as_ref().expect("it is made"))
    }

    /// Sends a message, and returns when its receiver has it.
    pub(super) async fn tell(
        &mut self,
        content: &WebhookContent,
        signature: &str,
    ) -> Result<(), Failure> {
        let header = |text: &str| HeaderValue::from_str(text).expect("printable ASCII");
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            ("webhook-id".parse().expect("a name"), header(content.id())),
            (
                "webhook-timestamp".parse().expect("a name"),
                header(content.timestamp()),
            ),
            (
                "webhook-signature".parse().expect("a name"),
                header(signature),
            ),
        ]);
        let url = self.url.to_url();
        let request = self
            .client()?
            .post(url)
            .headers(headers)
            .body(content.body().to_owned());
        let answer = request.send().await.map_err(|error| Failure {
            why: in_words(error),
            retry_after: None,
        })?;
        let told = judge(answer.status(), answer.headers());
        let _ = tokio::time::timeout(BODY_TIME_MAX, throw_away(answer)).await;
        told
    }
}

/// What asks a receiver, and nobody else.
fn client_for(url: &WebhookUrl) -> reqwest::Result<Client> {
    // Somebody may have chosen others before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder()
        .user_agent(concat!("candor-server/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .timeout(ANSWER_TIME_MAX)
        .connect_timeout(CONNECT_TIME_MAX)
        .http1_only()
        .https_only(url.is_https())
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE_TIME_MAX);
    if url.is_loopback() {
        // On this machine, whatever its files say of that name, and past all proxies.
        let here = [
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
        ];
        client = client.no_proxy().resolve_to_addrs("localhost", &here);
    }
    if !url.is_https() {
        // It needs no certificates, and may run where there are none.
        client = client.tls_certs_only([]);
    }
    client.build()
}

/// What is left of an answer's body, so that its connection can be used again; a long one ends the connection.
async fn throw_away(mut answer: reqwest::Response) {
    let mut bytes = 0;
    while bytes < BODY_BYTES_MAX
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        bytes += chunk.len();
    }
}

fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let code = status.as_u16();
    let why = if status.is_redirection() {
        format!(
            "the receiver answered {code}, and no redirect is followed: name where it leads in the settings"
        )
    } else {
        format!("the receiver answered {code}")
    };
    let retry_after = headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok());
    let retry_after = retry_after.and_then(|it| it.parse().ok());
    Err(Failure {
        why,
        retry_after: retry_after.map(Duration::from_secs),
    })
}

/// An error with all its causes, save the address.
fn in_words(error: reqwest::Error) -> String {
    if error.is_timeout() && !error.is_connect() {
        return format!(
            "the receiver did not answer within {} seconds",
            ANSWER_TIME_MAX.as_secs()
        );
    }
    let error = error.without_url();
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        why.push_str(": ");
        why.push_str(&error.to_string());
        cause = error.source();
    }
    let plain = why.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(WHY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_2xx_counts() {
        let judged = |code: u16, retry: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(retry) = retry {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(retry));
            }
            judge(StatusCode::from_u16(code).expect("a status"), &headers)
        };
        for code in [200, 201, 202, 204, 299] {
            assert_eq!(judged(code, Some("9")), Ok(()));
        }
        for code in [301, 302, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503] {
            let failure = judged(code, None).expect_err("a failure");
            assert!(failure.why.contains(&code.to_string()), "{failure:?}");
            assert_eq!(failure.retry_after, None);
            assert_eq!(failure.why.contains("no redirect is followed"), code < 400);
        }
        for (said, meant) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("-1", None),
            ("soon", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            let failure = judged(503, Some(said)).expect_err("a failure");
            assert_eq!(
                failure.retry_after,
                meant.map(Duration::from_secs),
                "{said}"
            );
        }
    }
}
