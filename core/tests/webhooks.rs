//! What a log signs when it tells somebody of a record: never text that could be a checkpoint, nor the other way round.

mod signing;

use candor_core::merkle::{LeafIndex, TreeHead};
use candor_core::note::webhook::{BODY_PREFIX, CONTENT_BYTES_MAX, PREFIX};
use candor_core::note::{
    Checkpoint, KeyName, LogKey, Origin, SignedNote, WebhookContent, WebhookError,
};
use ed25519_dalek::Signer as _;
use proptest::prelude::*;

use signing::signer;

const BODY: &str = r#"{"type":"record.logged","timestamp":"2026-01-02T03:04:05.006Z","data":{"index":4711,"log":"example.org/candor"}}"#;

fn key() -> LogKey {
    signer("example.org/candor", 7)
        .verifier_key()
        .clone()
        .into()
}

fn content() -> WebhookContent {
    let composed = WebhookContent::compose(&key(), LeafIndex::new(4711), 1_767_323_045, BODY);
    composed.expect("it is good")
}

#[test]
fn content_is_what_was_put_together_and_is_read_as_it_was_written() {
    let content = content();
    let id = content.id().to_owned();
    assert!(
        id.starts_with(PREFIX) && id.ends_with("+4711") && !id.contains('.'),
        "{id}"
    );
    assert_eq!((content.timestamp(), content.body()), ("1767323045", BODY));
    assert_eq!(content.as_str(), format!("{id}.1767323045.{BODY}"));
    let read = WebhookContent::parse(content.as_str().as_bytes(), &key());
    assert_eq!(read, Ok(content.clone()));
    let later = WebhookContent::compose(&key(), LeafIndex::new(4711), 1_767_323_999, BODY);
    assert_eq!(later.expect("it is good").id(), id, "whenever it is sent");
    for (index, time) in [(0, 0), (u64::MAX, u64::MAX)] {
        let edge = WebhookContent::compose(&key(), LeafIndex::new(index), time, BODY);
        assert_eq!(edge.expect("it is good").body(), BODY);
    }
}

#[test]
fn a_signature_is_over_the_id_the_time_and_the_body_and_by_the_logs_key() {
    let (signer, content) = (signer("example.org/candor", 7), content());
    let signature = signer.webhook_signature(&content);
    assert!(content.is_signed(&key(), &signature));
    let other = signing::signer("example.org/candor", 8);
    assert!(!content.is_signed(&other.verifier_key().clone().into(), &signature));
    for (from, to) in [
        ("+4711.", "+4712."),
        (".1767323045.", ".1767323046."),
        (":4711,", ":4712,"),
    ] {
        let text = content.as_str().replace(from, to);
        assert_ne!(text, content.as_str());
        let twin = WebhookContent::parse(text.as_bytes(), &key()).expect("it has the form");
        assert!(!twin.is_signed(&key(), &signature), "{to}");
    }
    for bad in [&[][..], &signature[1..], &[0; 64]] {
        assert!(!content.is_signed(&key(), bad));
    }
    let header = WebhookContent::header_of(&signature);
    assert!(
        header.starts_with("v1a,") && header.len() == 4 + 88,
        "{header}"
    );
    assert!(key().to_webhook_key().starts_with("whpk_"));
}

fn assert_refused(twin: &str, error: WebhookError) {
    let found = WebhookContent::parse(twin.as_bytes(), &key());
    assert_eq!(found, Err(error), "{twin}");
}

#[test]
fn a_line_break_or_another_byte_that_is_not_printable_is_refused_wherever_it_stands() {
    let good = content().as_str().to_owned();
    let at = |before: &str| good.find(before).expect("it is there") + before.len();
    let (in_body, in_name) = (at("data\":"), at("example.org"));
    for (twin, byte, at) in [
        (format!("{good}\n"), b'\n', good.len()),
        (format!("{good}\r"), b'\r', good.len()),
        (format!("\n{good}"), b'\n', 0),
        (good.replace(":{", ":\n{"), b'\n', in_body),
        (good.replace("org", "org\u{2028}"), 0xe2, in_name),
        (good.replace("org", "org\u{7f}"), 0x7f, in_name),
        (good.replace("org", "\u{f6}rg"), 0xc3, in_name - 3),
    ] {
        assert_refused(&twin, WebhookError::Byte { byte, at });
    }
}

#[test]
fn what_differs_in_little_is_refused() {
    let good = content().as_str().to_owned();
    let id = content().id().to_owned();
    let expected = id.trim_end_matches("4711").to_owned();
    let replaced = |from: &str, to: &str| good.replace(from, to);
    for twin in [
        replaced(PREFIX, "candor+records+"),
        format!(" {good}"),
        String::new(),
        replaced(&expected, &expected.replace('+', "++")),
    ] {
        assert_refused(&twin, WebhookError::Prefix);
    }
    for twin in [
        replaced(&expected, "candor+record+0123456789abcdef+"),
        replaced("+4711.", "+04711."),
        replaced("+4711.", "+."),
        replaced("+4711.", "+47a11."),
        replaced("+4711.", "+-4711."),
        id.clone(),
    ] {
        let expected = expected.clone();
        assert_refused(&twin, WebhookError::Id { expected });
    }
    for time in [".01767323045.", ".1767323045", "..1767323045."] {
        assert_refused(&replaced(".1767323045.", time), WebhookError::Timestamp);
    }
    for twin in [
        format!("{id}.1767323045."),
        replaced(".{", ". {"),
        replaced("record.logged", "record.lodged"),
        format!("{good} "),
    ] {
        assert_refused(&twin, WebhookError::Body);
    }
    let long = format!("{id}.1.{BODY_PREFIX}{}}}", " ".repeat(CONTENT_BYTES_MAX));
    assert_refused(&long, WebhookError::TooLong { bytes: long.len() });
    let other = signing::signer("example.org/candor", 8);
    let other = other.verifier_key().clone().into();
    assert!(WebhookContent::parse(good.as_bytes(), &other).is_err());
}

/// The two kinds of text that a log's key signs have nothing in common: neither as a whole nor at their beginning.
#[test]
fn no_checkpoint_is_a_message_and_no_message_a_checkpoint() {
    let checkpoint = Checkpoint::new(key().origin(), TreeHead::empty(), None).to_string();
    assert!(checkpoint.ends_with('\n'));
    assert!(WebhookContent::parse(checkpoint.as_bytes(), &key()).is_err());
    let message = content().as_str().to_owned();
    assert!(Checkpoint::from_unsigned(&message, &key().origin()).is_err());
    // Nor is it a note's text, whatever is put around it.
    let signature = signer("example.org/candor", 7).webhook_signature(&content());
    for text in [message.clone(), format!("{message}\n")] {
        let note = SignedNote::new(text, key().verifier_key(), signature.clone());
        let verified = SignedNote::parse(note.to_string().as_bytes())
            .and_then(|note| note.verify(&[key().verifier_key().clone()]));
        assert!(verified.is_err());
    }
    // A message's beginning is no name of a log, so no checkpoint begins like one.
    assert!(PREFIX.parse::<KeyName>().is_err());
    assert!(format!("{PREFIX}x").parse::<Origin>().is_err());
}

proptest! {
    /// Whatever a log is called, and however large it is.
    #[test]
    fn no_checkpoint_of_any_log_has_the_form_of_a_message(name in "\\PC{1,40}", size in 1_u64.., root: [u8; 32]) {
        prop_assume!(name.parse::<Origin>().is_ok());
        let origin: Origin = name.parse().expect("as assumed");
        let head = TreeHead {
            size: candor_core::merkle::TreeSize::new(size),
            root: candor_core::merkle::Hash::from_bytes(root),
        };
        let text = Checkpoint::new(origin, head, None).to_string();
        prop_assert!(text.ends_with('\n'));
        prop_assert!(!WebhookContent::is_meant(text.as_bytes()));
    }

    /// What is accepted has no line break, and is written as it was read.
    #[test]
    fn what_is_accepted_has_no_line_break(at in 0_usize..200, byte: u8) {
        let mut bytes = content().as_str().as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = WebhookContent::parse(&bytes, &key()) {
            prop_assert_eq!(read.as_str().as_bytes(), &bytes);
            prop_assert!(read.as_str().is_ascii() && !read.as_str().contains(['\n', '\r']));
        }
    }
}

/// The same bytes as anybody's Ed25519: RFC 8032, over the content as it is.
#[test]
fn the_signature_is_plain_ed25519() {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let plain = secret.sign(content().as_str().as_bytes()).to_vec();
    let made = signer("example.org/candor", 7).webhook_signature(&content());
    assert_eq!(made, plain);
}
