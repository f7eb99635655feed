//! What a webhook is sent of a record, as one line of printable ASCII.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use candor_core::note::{LogKey, WebhookContent, WebhookError};
use serde::Serialize;

use crate::http::Summary;
use crate::storage::RecordRow;

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    summary: Summary,
    log: &'a str,
}

/// The message about a record that is sent `now`.
pub(super) fn compose(
    key: &LogKey,
    row: &RecordRow,
    now: SystemTime,
) -> Result<WebhookContent, WebhookError> {
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    // When the record was accepted, where the log knows that.
    let accepted = row.accepted_ms.and_then(|ms| u64::try_from(ms).ok());
    let at = accepted.map_or(since, Duration::from_millis);
    let origin = key.origin();
    let body = Body {
        r#type: "record.logged",
        timestamp: humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + at).to_string(),
        data: Data {
            summary: Summary::of(row),
            log: origin.as_str(),
        },
    };
    let json = serde_json::to_string(&body).expect("messages are JSON");
    WebhookContent::compose(key, row.index, since.as_secs(), &to_ascii(&json))
}

/// JSON that says the same in printable ASCII: all else is in its texts, where it can be escaped.
fn to_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if (' '..='~').contains(&c) {
            ascii.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use candor_core::Sha256;
    use candor_core::merkle::LeafIndex;
    use candor_core::note::NoteSigner;
    use candor_core::record::Kind;
    use ed25519_dalek::SigningKey;
    use serde_json::{Value, json};

    use super::*;

    fn key(origin: &str) -> LogKey {
        let name = origin.parse().expect("a name");
        let signer = NoteSigner::new(name, SigningKey::from_bytes(&[7; 32]));
        signer.verifier_key().clone().into()
    }

    fn row(accepted_ms: Option<i64>) -> RecordRow {
        RecordRow {
            index: LeafIndex::new(41),
            statement: Sha256::of("a statement"),
            kind: Kind::Weights,
            publisher: "example-lab".parse().expect("a name"),
            subject: "example-lab/tiny-lm@1.0.0".to_owned(),
            subject_sha256: Sha256::of("a manifest"),
            withdrawn_by: Some(LeafIndex::new(99)),
            accepted_ms,
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_message_says_what_the_list_says_and_of_which_log() {
        let key = key("log.example.org/candor");
        let content = compose(&key, &row(Some(1_767_323_045_006)), at(1_767_400_000));
        let content = content.expect("it can be sent");
        assert_eq!(content.timestamp(), "1767400000", "when it is sent");
        let body: Value = serde_json::from_str(content.body()).expect("JSON");
        let expected = json!({
            "type": "record.logged",
            "timestamp": "2026-01-02T03:04:05.006Z",
            "data": {
                "index": 41,
                "statement": Sha256::of("a statement").to_string(),
                "kind": "weights",
                "publisher": "example-lab",
                "subject": {
                    "name": "example-lab/tiny-lm@1.0.0",
                    "sha256": Sha256::of("a manifest").to_string(),
                },
                "withdrawnBy": 99,
                "acceptedAt": "2026-01-02T03:04:05.006Z",
                "log": "log.example.org/candor",
            },
        });
        assert_eq!(body, expected);
        // Where nobody knows when it was accepted.
        let content = compose(&key, &row(None), at(1_767_323_045)).expect("it can be sent");
        let body: Value = serde_json::from_str(content.body()).expect("JSON");
        assert_eq!(body["timestamp"], "2026-01-02T03:04:05.000Z");
        assert_eq!(body["data"]["acceptedAt"], Value::Null);
    }

    #[test]
    fn what_is_no_printable_ascii_is_written_as_such() {
        for origin in [
            "log.example.org/\u{f6}ffentlich",
            "log.example.org/\u{1f50f}",
            "log.example.org/\u{7f}",
            "log.example.org/\"quoted\\",
            &format!("example.org/{}", "\u{1f50f}".repeat(60)),
        ] {
            let key = key(origin);
            let content = compose(&key, &row(None), at(1)).expect("it can be sent");
            assert!(
                content
                    .as_str()
                    .bytes()
                    .all(|byte| (b' '..=b'~').contains(&byte))
            );
            let body: Value = serde_json::from_str(content.body()).expect("JSON");
            assert_eq!(body["data"]["log"], origin);
        }
    }

    /// The longest names that there are fit.
    #[test]
    fn the_longest_message_has_room() {
        let publisher = "p".repeat(64);
        let longest = RecordRow {
            index: LeafIndex::new(u64::MAX),
            kind: Kind::TrainingConfig,
            subject: format!("{publisher}/{}@{}", "m".repeat(96), "v".repeat(64)),
            publisher: publisher.parse().expect("a name"),
            withdrawn_by: Some(LeafIndex::new(u64::MAX)),
            ..row(Some(253_402_300_799_999))
        };
        let key = key(&"\u{1f50f}".repeat(63));
        let content = compose(&key, &longest, at(253_402_300_799));
        let bytes = content.expect("it fits").as_str().len();
        assert!(bytes < 2_000, "{bytes}");
    }
}
