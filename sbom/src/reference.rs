//! RFC 3986: which text is an address, and the addresses of what is in the log.
//!
//! ```text
//! with the log's URL     https://log.example.org/records/9          …/api/v1/attachments/SHA-256
//! without it             urn:candor:entry:ORIGIN/9                  urn:candor:attachment:SHA-256
//! ```
//!
//! Records have addresses by looser rules, and a licence's link is any line of text. The schemas ask for references by the
//! RFC, and some readers refuse a whole document for one that is none; what has not the form is written as text elsewhere.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::note::Origin;

/// Where a log is served: `http://` or `https://`, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogUrl(String);

/// Text that is no log's URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no URL of a log: write it as https://log.example.org, without a query or a fragment"
)]
pub struct NotLogUrl {
    found: String,
}

impl FromStr for LogUrl {
    type Err = NotLogUrl;
    fn from_str(text: &str) -> Result<Self, NotLogUrl> {
        let is_web = text.starts_with("https://") || text.starts_with("http://");
        if !is_web || !is_uri(text) || text.contains(['?', '#']) {
            return Err(NotLogUrl {
                found: text.chars().take(200).collect(),
            });
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an entry of the log is.
pub(crate) fn entry(log: Option<&LogUrl>, origin: &Origin, index: LeafIndex) -> String {
    log.map_or_else(
        || format!("urn:candor:entry:{}/{index}", encoded(origin.as_str())),
        |LogUrl(url)| format!("{url}/records/{index}"),
    )
}

/// Where a document that a record names is.
pub(crate) fn attachment(log: Option<&LogUrl>, sha256: Sha256) -> String {
    log.map_or_else(
        || format!("urn:candor:attachment:{sha256}"),
        |LogUrl(url)| format!("{url}/api/v1/attachments/{sha256}"),
    )
}

/// `text` as a part of a URN: what RFC 8141 does not take is percent-encoded.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes all that is written to it");
        }
    }
    encoded
}

/// Whether `text` is a URI with a scheme.
pub(crate) fn is_uri(text: &str) -> bool {
    is_reference(text) && scheme(text).is_some()
}

/// Whether `text` is a URI or a relative reference. Stricter than RFC 3986: no IP addresses in brackets.
pub(crate) fn is_reference(text: &str) -> bool {
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    if text.is_empty() || !has_only_allowed(before) || !has_only_allowed(fragment) {
        return false;
    }
    let scheme = scheme(before);
    let rest = scheme.map_or(before, |scheme| &before[scheme.len() + 1..]);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    if scheme.is_none() && rest[..end].contains(':') {
        return false;
    }
    rest.strip_prefix("//").is_none_or(|rest| {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        is_authority(&rest[..end])
    })
}

fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_first = |c: char| c.is_ascii_alphabetic();
    let is_further = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (scheme.starts_with(is_first) && scheme.chars().all(is_further)).then_some(scheme)
}

fn is_authority(text: &str) -> bool {
    let (_, host) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    !host.is_empty() && text.matches('@').count() <= 1 && port.bytes().all(|b| b.is_ascii_digit())
}

fn has_only_allowed(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => bytes
            .get(at + 1..at + 3)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'@' | b'!' | b'$' | b'&' | b'\''
        | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
        other => other.is_ascii_alphanumeric(),
    })
}

/// Whether `text` is a mail address of the plain kind.
pub(crate) fn is_mail_address(text: &str) -> bool {
    let is_local = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let is_domain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local.chars().all(is_local)
            && domain.chars().all(is_domain)
            && domain.split('.').count() > 1
            && domain.split('.').all(|label| !label.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_form_of_a_reference_is_one() {
        for good in [
            "https://huggingface.co/facebook/opt-125m",
            "git+https://git.example.org/a/b.git",
            "https://user@example.org:8080/a?b=c#d",
            "urn:candor:entry:log.example.org/candor/9",
            "mailto:a@example.org",
        ] {
            assert!(is_uri(good) && is_reference(good), "{good}");
        }
        for good in ["LICENSE.md", "a/b:c", "#part", "a%20b"] {
            assert!(!is_uri(good) && is_reference(good), "{good}");
        }
        for bad in [
            "",
            "LICENSE 2.md",
            "see: the model's page",
            "https://example.org/{id}",
            "https://example.org/a[1]",
            "https://example.org/100%",
            "https://example.org/%zz",
            "https://a:b:c/",
            "https://example.org:port/",
            "https:///a",
            "https://a@b@c/",
            "https://example.org/#a#b",
            "https://ex\u{e4}mple.org/",
            "https://example.org/\"",
            ":a",
            "1a:b",
        ] {
            assert!(!is_reference(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_of_an_entry_keeps_logs_apart() {
        let name = |origin: &str| {
            let origin: Origin = origin.parse().expect("a good origin");
            entry(None, &origin, LeafIndex::new(9))
        };
        assert_eq!(
            name("log.example.org/candor"),
            "urn:candor:entry:log.example.org/candor/9"
        );
        assert_eq!(
            name("l\u{f6}g?a#b%"),
            "urn:candor:entry:l%C3%B6g%3Fa%23b%25/9"
        );
        assert!(is_uri(&name("l\u{f6}g?a#b%")));
    }

    #[test]
    fn a_log_is_served_at_a_web_address() {
        let url: LogUrl = "https://log.example.org/candor/"
            .parse()
            .expect("a good URL");
        let origin: Origin = "log.example.org".parse().expect("a good origin");
        assert_eq!(
            entry(Some(&url), &origin, LeafIndex::new(9)),
            "https://log.example.org/candor/records/9"
        );
        for bad in [
            "log.example.org",
            "ftp://log.example.org",
            "file:///etc",
            "https://a/?b",
            "https://a/#b",
            "https://",
        ] {
            assert!(bad.parse::<LogUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_contact_is_a_mail_address_or_text() {
        assert!(is_mail_address("opt@example.org"));
        for bad in [
            "opt",
            "opt@",
            "@example.org",
            "a b@example.org",
            "a@b",
            "a@b@example.org",
            "a@example..org",
        ] {
            assert!(!is_mail_address(bad), "{bad}");
        }
    }
}
