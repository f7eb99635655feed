//! Who asks, and how often they may: the client's address, the request's ID, and what is left in its buckets.
//!
//! Always: an address is the connection's, or what a proxy says of it, and a client can make up neither where the
//! settings are right: of a list, the last address counts, which is the one that the nearest proxy wrote.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Shared;
use super::problem::Problem;
use crate::rates::{Allowance, Client, TooMany};

/// The header with a request's ID: in answers, in the server's log, and in requests where a proxy gives them one.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest ID that is taken over.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who asks. Answers say what they may still do.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) client: Client,
    /// What was taken out of which bucket.
    allowances: Arc<Mutex<Vec<Allowance>>>,
}

impl Asker {
    /// Whoever sent this request: the connection's other end, or whom a proxy names in `header`.
    pub(super) fn of(request: &Request, header: Option<&HeaderName>) -> Self {
        let peer = request.extensions().get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address);
        let named = header.and_then(|header| last_address(request.headers(), header));
        Self {
            client: Client::at(named.unwrap_or(peer)),
            allowances: Arc::default(),
        }
    }

    /// Notes what a bucket gave, for the answer.
    pub(super) fn note(&self, taken: Result<Option<Allowance>, TooMany>) -> Result<(), Problem> {
        let (allowance, result) = match taken {
            Ok(allowance) => (allowance, Ok(())),
            Err(refused) => (Some(refused.allowance), Err(refused.into())),
        };
        let mut allowances = self
            .allowances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(allowance) = allowance {
            // Of one bucket, what was said last counts.
            allowances.retain(|before| !before.is_of_same_bucket(&allowance));
            allowances.push(allowance);
        }
        result
    }

    /// Says in the headers of an answer what is left.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let allowances = self
            .allowances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for allowance in allowances.iter() {
            allowance.write(headers);
        }
    }
}

/// Lets those ask the database who have not asked too often.
pub(super) async fn limit_reads(State(log): Shared, request: Request, next: Next) -> Response {
    if request.method() == axum::http::Method::POST {
        return next.run(request).await;
    }
    if let Some(asker) = request.extensions().get::<Asker>() {
        let taken = log.rates.reads_per_address.take(&asker.client, 1);
        if let Err(problem) = asker.note(taken) {
            return problem.into_response();
        }
    }
    next.run(request).await
}

/// The last address of a list, which may be in several headers, each with or without a port. What stands before it is the
/// client's own, and may be anything.
fn last_address(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let said = headers.get_all(name).iter().next_back()?.as_bytes();
    let last = said.rsplit(|byte| *byte == b',').next()?;
    let last = str::from_utf8(last).ok()?.trim();
    let with_port = || Some(last.parse::<std::net::SocketAddr>().ok()?.ip());
    let in_brackets = || last.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    last.parse().ok().or_else(with_port).or_else(in_brackets)
}

/// The ID that a proxy gave a request, if it is one, or a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_good = |value: &&HeaderValue| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.as_bytes().iter().all(is_plain)
    };
    if let Some(given) = headers.get(REQUEST_ID).filter(is_good) {
        return given.clone();
    }
    let mut bytes = [0; 12];
    // It need not be secret, nor even there: without randomness nothing else works either.
    let _ = getrandom::fill(&mut bytes);
    let mut id = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(id, "{byte:02x}");
    }
    HeaderValue::try_from(id).expect("hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static("x-forwarded-for");
        let values = values.iter().map(|value| {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            (name.clone(), value)
        });
        values.collect()
    }

    #[test]
    fn of_what_proxies_say_the_last_counts() {
        let name = HeaderName::from_static("x-forwarded-for");
        for (values, expected) in [
            (&["192.0.2.1"][..], Some("192.0.2.1")),
            (&["203.0.113.7, 192.0.2.1"], Some("192.0.2.1")),
            (&["203.0.113.7", "192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1:4711"], Some("192.0.2.1")),
            (&["[2001:db8::1]:4711"], Some("2001:db8::1")),
            (&["[2001:db8::1]"], Some("2001:db8::1")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["\u{ff}, 192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1, unknown"], None),
            (&[""], None),
            (&[], None),
        ] {
            let expected = expected.map(|text| text.parse().expect("an address"));
            assert_eq!(
                last_address(&headers(values), &name),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn an_id_is_taken_over_if_it_is_plain() {
        let id = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(value).expect("a value"));
            request_id(&headers)
        };
        assert_eq!(id("a1B2-c3_d4.e5"), "a1B2-c3_d4.e5");
        for other in ["", "a b", "a\"b", "a=b", &"x".repeat(65)] {
            assert_eq!(id(other).len(), 24, "{other:?}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
