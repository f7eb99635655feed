//! `[[webhook]]` in the file of settings.
//!
//! Always: of an address, nothing is ever shown but scheme, host and port. What stands before or behind may be a secret.

use std::collections::HashSet;
use std::fmt;

use candor_core::merkle::LeafIndex;
use candor_core::record::{Kind, PublisherName};
use reqwest::Url;
use serde::Deserialize;

use crate::config::{Secret, whole_number};
use crate::storage::RecordRow;

/// The longest name.
const NAME_CHARS_MAX: usize = 64;

/// The most webhooks: each that waits for an answer holds a connection.
const WEBHOOKS_MAX: usize = 64;

/// The longest address.
const URL_CHARS_MAX: usize = 2_048;

/// A table of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WebhookTable {
    name: String,
    url: Secret,
    kinds: Option<Vec<Kind>>,
    publishers: Option<Vec<PublisherName>>,
    #[serde(default, deserialize_with = "whole_number")]
    from: Option<u64>,
}

/// Whom to tell of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// What it is called: in the outbox, in log lines and in metrics.
    pub name: String,
    /// Where it is told.
    pub url: WebhookUrl,
    /// Of which kinds; of all, if there are none.
    pub kinds: Vec<Kind>,
    /// Signed by whom; by anybody, if there are none.
    pub publishers: Vec<PublisherName>,
    /// Where it begins when it is new, if not with what is logged from then on.
    pub from: Option<LeafIndex>,
}

/// Where a webhook is told.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookTable {
    /// All tables, or the name of one that can't be and why.
    pub(crate) fn check_all(tables: Vec<Self>) -> Result<Vec<Webhook>, (String, String)> {
        if tables.len() > WEBHOOKS_MAX {
            let name = tables[WEBHOOKS_MAX].name.chars().take(NAME_CHARS_MAX);
            let rule = format!(
                "there are {} webhooks, and at most {WEBHOOKS_MAX}",
                tables.len()
            );
            return Err((name.collect(), rule));
        }
        let mut names = HashSet::new();
        let mut webhooks = Vec::with_capacity(tables.len());
        for table in tables {
            let name: String = table.name.chars().take(NAME_CHARS_MAX).collect();
            let webhook = table.check().map_err(|rule| (name.clone(), rule))?;
            if !names.insert(webhook.name.clone()) {
                return Err((name, "another one has this name".to_owned()));
            }
            webhooks.push(webhook);
        }
        Ok(webhooks)
    }

    fn check(self) -> Result<Webhook, String> {
        let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_CHARS_MAX).contains(&self.name.len()) || !self.name.chars().all(is_good) {
            return Err(format!(
                "a name has 1 to {NAME_CHARS_MAX} characters, of a-z, 0-9 and -"
            ));
        }
        for (what, is_empty) in [
            ("kinds", self.kinds.as_ref().is_some_and(Vec::is_empty)),
            (
                "publishers",
                self.publishers.as_ref().is_some_and(Vec::is_empty),
            ),
        ] {
            if is_empty {
                return Err(format!(
                    "{what} is empty, so nothing would ever be told: leave it out for all"
                ));
            }
        }
        Ok(Webhook {
            name: self.name,
            url: WebhookUrl::parse(self.url.text())?,
            kinds: self.kinds.unwrap_or_default(),
            publishers: self.publishers.unwrap_or_default(),
            from: self.from.map(LeafIndex::new),
        })
    }
}

impl Webhook {
    /// Whether it is to be told of a record.
    pub(super) fn wants(&self, row: &RecordRow) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&row.kind))
            && (self.publishers.is_empty() || self.publishers.contains(&row.publisher))
    }
}

impl WebhookUrl {
    /// What is wrong is said without repeating any of it.
    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > URL_CHARS_MAX {
            return Err(format!(
                "its url has {} characters, and at most {URL_CHARS_MAX} are read",
                text.len()
            ));
        }
        let url: Url = text
            .parse()
            .map_err(|error| format!("its url is none: {error}"))?;
        if url.fragment().is_some() {
            return Err("its url has a part behind #, which is never sent".to_owned());
        }
        let url = Self(url);
        match url.0.scheme() {
            "https" => Ok(url),
            "http" if url.is_loopback() => Ok(url),
            "http" => Err(
                "its url is http:// to another machine, where others read and change what is sent: use https://"
                    .to_owned(),
            ),
            _ => Err("its url is neither https:// nor http:// to this machine".to_owned()),
        }
    }

    /// Whether it is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self.0.host_str() {
            Some("localhost") => true,
            Some(host) => {
                let address = host.trim_start_matches('[').trim_end_matches(']');
                let address: Result<std::net::IpAddr, _> = address.parse();
                address.is_ok_and(|it| it.to_canonical().is_loopback())
            }
            None => false,
        }
    }

    /// All of it, to be sent to.
    pub(super) fn to_url(&self) -> Url {
        self.0.clone()
    }

    /// Whether it is reached by TLS.
    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// Scheme, host and port.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}", self.0.scheme())?;
        match self.0.port() {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Sha256;

    use super::*;

    fn tables(toml: &str) -> Vec<WebhookTable> {
        #[derive(Deserialize)]
        struct File {
            webhook: Vec<WebhookTable>,
        }
        let file: File = toml::from_str(toml).expect("tables");
        file.webhook
    }

    fn check(toml: &str) -> Result<Vec<Webhook>, String> {
        WebhookTable::check_all(tables(toml)).map_err(|(name, rule)| format!("{name}: {rule}"))
    }

    fn with_url(url: &str) -> Result<Vec<Webhook>, String> {
        check(&format!("[[webhook]]\nname = \"hook\"\nurl = {url:?}"))
    }

    #[test]
    fn an_address_is_https_or_on_this_machine() {
        for good in [
            "https://hooks.example.org/candor?key=x",
            "https://user:secret@hooks.example.org:8443/",
            "https://192.0.2.1/",
            "http://127.0.0.1:8080/hook",
            "http://127.8.8.8/",
            "http://[::1]:8080/hook",
            "http://localhost:8080/hook",
            "http://LOCALHOST/hook",
        ] {
            with_url(good).expect(good);
        }
        for bad in [
            "http://hooks.example.org/",
            "http://192.0.2.1/",
            "http://0.0.0.0/",
            "http://localhost.example.org/",
            "http://127.0.0.1.example.org/",
            "http://[2001:db8::1]/",
            "ftp://localhost/",
            "file:///etc/passwd",
            "hooks.example.org",
            "/hook",
            "",
            "https://",
            "https://hooks.example.org/#x",
        ] {
            let said = with_url(bad).expect_err(bad);
            assert!(said.starts_with("hook: its url"), "{said}");
        }
        let long = format!("https://example.org/{}", "x".repeat(URL_CHARS_MAX));
        with_url(&long).expect_err("too long");
    }

    #[test]
    fn what_may_be_a_secret_in_an_address_is_never_shown() {
        let secret = "tell-nobody";
        for url in [
            format!("https://user:{secret}@hooks.example.org:8443/candor"),
            format!("https://{secret}@hooks.example.org/"),
            format!("https://hooks.example.org/{secret}"),
            format!("https://hooks.example.org/?key={secret}"),
        ] {
            let webhooks = with_url(&url).expect("a good one");
            let shown = format!(
                "{webhooks:?} {} {:?}",
                webhooks[0].url,
                tables(&format!("[[webhook]]\nname = \"hook\"\nurl = {url:?}"))
            );
            assert!(shown.contains("https://hooks.example.org"), "{shown}");
            assert!(!shown.contains(secret), "{shown}");
        }
        for url in [
            format!("http://user:{secret}@hooks.example.org/"),
            format!("https://hooks.example.org:{secret}/"),
            format!("https://hooks.example.org/#{secret}"),
            secret.to_owned(),
        ] {
            let said = with_url(&url).expect_err("a bad one");
            assert!(!said.contains(secret), "{said}");
        }
    }

    #[test]
    fn names_tell_webhooks_apart() {
        let two = |one: &str, other: &str| {
            check(&format!(
                "[[webhook]]\nname = {one:?}\nurl = \"https://a.example.org\"\n[[webhook]]\nname = {other:?}\nurl = \"https://b.example.org\""
            ))
        };
        assert_eq!(two("one", "two-2").expect("good ones").len(), 2);
        let said = two("one", "one").expect_err("the same twice");
        assert_eq!(said, "one: another one has this name");
        for bad in ["", "One", "o ne", "o.ne", "\u{f6}ne", &"x".repeat(65)] {
            let said = two("two", bad).expect_err(bad);
            assert!(said.contains("a name has 1 to 64 characters"), "{said}");
        }
        let many = "[[webhook]]\nname = \"x\"\nurl = \"https://a.example.org\"\n".repeat(65);
        let said = check(&many).expect_err("too many");
        assert!(
            said.contains("there are 65 webhooks, and at most 64"),
            "{said}"
        );
    }

    #[test]
    fn a_webhook_is_told_of_what_it_asks_for() {
        let webhook = |more: &str| {
            let toml =
                format!("[[webhook]]\nname = \"hook\"\nurl = \"https://a.example.org\"\n{more}");
            check(&toml).map(|mut webhooks| webhooks.remove(0))
        };
        let row = |kind, publisher: &str| RecordRow {
            index: LeafIndex::new(0),
            statement: Sha256::of("x"),
            kind,
            publisher: publisher.parse().expect("a name"),
            subject: "a-lab/m@1".to_owned(),
            subject_sha256: Sha256::of("x"),
            withdrawn_by: None,
            accepted_ms: None,
        };
        let rows = [
            row(Kind::Weights, "a-lab"),
            row(Kind::ModelCard, "a-lab"),
            row(Kind::Weights, "b-lab"),
        ];
        for (more, wanted) in [
            ("", [true, true, true]),
            ("kinds = [\"weights\"]", [true, false, true]),
            ("publishers = [\"a-lab\"]", [true, true, false]),
            (
                "kinds = [\"weights\", \"withdrawal\"]\npublishers = [\"b-lab\", \"c-lab\"]\nfrom = 0",
                [false, false, true],
            ),
        ] {
            let webhook = webhook(more).expect(more);
            assert_eq!(rows.each_ref().map(|row| webhook.wants(row)), wanted);
            assert_eq!(webhook.from.is_some(), more.contains("from"));
        }
        for (more, part) in [
            ("kinds = []", "kinds is empty"),
            ("publishers = []", "publishers is empty"),
        ] {
            assert!(webhook(more).expect_err(more).contains(part));
        }
    }
}
