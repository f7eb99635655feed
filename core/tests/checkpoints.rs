//! Checkpoints (C2SP `tlog-checkpoint`): what a log may say of its tree, and in which form only.
//!
//! The example in the specification, from <https://github.com/C2SP/C2SP> at commit
//! 5ba5ee830903e91240fc6f9f3a7a9293d49e69c9. The notes around checkpoints are tested in `notes.rs`; here
//! every note is properly signed.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::merkle::{Hash, LeafHash, TreeHead, TreeSize};
use candor_core::note::{
    Checkpoint, CheckpointError, LogKey, NextLog, NoteError, NoteSigner, Origin, Retirement,
};
use ed25519_dalek::SigningKey;

const ORIGIN: &str = "example.org/candor";

/// A signer whose key is made of one repeated byte.
fn signer(name: &str, seed: u8) -> NoteSigner {
    let name = name.parse().expect("the test gives a valid name");
    NoteSigner::new(name, SigningKey::from_bytes(&[seed; 32]))
}

fn log_signer() -> NoteSigner {
    signer(ORIGIN, 9)
}

fn some_root() -> Hash {
    LeafHash::of_bytes(b"the only entry").to_hash()
}

/// What a client makes of a note with this text that the log really signed.
fn read_checkpoint(text: &str) -> Result<Checkpoint, CheckpointError> {
    let log = log_signer();
    let note = log.sign(text.to_owned()).to_string();
    LogKey::from(log.verifier_key().clone())
        .verify_checkpoint(note.as_bytes())
        .map(candor_core::Verified::into_inner)
}

#[test]
fn a_checkpoint_that_was_signed_is_read_back() {
    let log = log_signer();
    let key: LogKey = log
        .verifier_key()
        .to_string()
        .parse()
        .expect("the key is written and read");
    assert_eq!(key.origin().as_str(), ORIGIN);
    let small = TreeHead {
        size: TreeSize::new(1),
        root: some_root(),
    };
    let largest = TreeHead {
        size: TreeSize::new(u64::MAX),
        root: some_root(),
    };
    for head in [TreeHead::empty(), small, largest] {
        let note = Checkpoint::sign(head, &log);
        let text = format!("{ORIGIN}\n{}\n{}\n", head.size, head.root);
        assert_eq!(note.unverified_text(), text);
        let read = key
            .verify_checkpoint(note.to_string().as_bytes())
            .expect("the log signed it");
        assert_eq!((read.head, &read.extensions), (head, &Vec::new()));
        assert_eq!(read.to_string(), text);
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes());
        // The other implementation refuses sizes that are no signed 64-bit number.
        if let Ok(theirs) = theirs {
            assert_eq!((theirs.origin(), theirs.size()), (ORIGIN, head.size.get()));
            assert_eq!(theirs.hash().0, *head.root.as_bytes());
        } else {
            assert_eq!(head, largest);
        }
    }
}

#[test]
fn a_checkpoint_signed_by_anybody_else_is_refused() {
    let note = Checkpoint::sign(TreeHead::empty(), &log_signer()).to_string();
    for other in [signer(ORIGIN, 8), signer("example.org/other", 9)] {
        let key = LogKey::from(other.verifier_key().clone());
        let result = key.verify_checkpoint(note.as_bytes());
        assert!(
            matches!(
                result,
                Err(CheckpointError::Note(NoteError::NoTrustedSignature { .. }))
            ),
            "{result:?}"
        );
    }
    let result = LogKey::from(log_signer().verifier_key().clone())
        .verify_checkpoint(note.replace('0', "1").as_bytes());
    assert!(
        matches!(result, Err(CheckpointError::Note(_))),
        "{result:?}"
    );
}

#[test]
fn a_tree_size_in_any_other_form_is_refused() {
    let root = some_root();
    for size in [
        "",
        "00",
        "01",
        "007",
        "+1",
        "-1",
        "-0",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x10",
        "1_000",
        "1,000",
        "a",
        "１",
        "٣",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        let error = CheckpointError::Size(size.to_owned());
        assert_eq!(
            read_checkpoint(&format!("{ORIGIN}\n{size}\n{root}\n")),
            Err(error)
        );
    }
    for size in ["1", "10", "18446744073709551615"] {
        let read = read_checkpoint(&format!("{ORIGIN}\n{size}\n{root}\n"))
            .expect("a plain number is read");
        assert_eq!(read.head.size.to_string(), size);
    }
}

#[test]
fn a_checkpoint_without_all_three_lines_is_refused() {
    for (text, found) in [
        ("\n", 1),
        ("example.org/candor\n", 1),
        ("example.org/candor\n5\n", 2),
    ] {
        assert_eq!(
            read_checkpoint(text),
            Err(CheckpointError::TooFewLines { found })
        );
    }
}

#[test]
fn a_root_in_any_other_form_is_refused() {
    let right = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    assert!(read_checkpoint(&format!("{ORIGIN}\n5\n{right}\n")).is_ok());
    for root in [
        String::new(),
        "=".to_owned(),
        format!(" {right}"),
        format!("{right} "),
        format!("{right}="),
        right.trim_end_matches('=').to_owned(),
        right.replace('/', "_"),
        right.replace("q2I=", "q2J="),
        BASE64_STANDARD.encode([7; 31]),
        BASE64_STANDARD.encode([7; 33]),
        BASE64_STANDARD.encode([7; 64]),
        "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62".to_owned(),
    ] {
        let result = read_checkpoint(&format!("{ORIGIN}\n5\n{root}\n"));
        let shortened = root.chars().take(80).collect();
        assert_eq!(result, Err(CheckpointError::Root(shortened)));
    }
}

#[test]
fn extension_lines_are_kept_and_printed_again() {
    let root = some_root();
    for lines in [
        vec!["one"],
        vec!["one", "two words", "— three"],
        vec!["x"; 16],
    ] {
        let text = format!("{ORIGIN}\n5\n{root}\n{}\n", lines.join("\n"));
        let read = read_checkpoint(&text).expect("extension lines are opaque");
        assert_eq!(read.extensions, lines);
        assert_eq!(read.to_string(), text);
    }
}

#[test]
fn an_empty_extension_line_or_too_many_are_refused() {
    let root = some_root();
    for lines in [
        "\n",
        "\n\n",
        "\none\n",
        "one\n\n",
        "one\n\ntwo\n",
        &"x\n".repeat(17),
    ] {
        let text = format!("{ORIGIN}\n5\n{root}\n{lines}");
        assert_eq!(
            read_checkpoint(&text),
            Err(CheckpointError::Extensions),
            "{lines:?}"
        );
    }
}

#[test]
fn a_checkpoint_of_another_log_is_refused_whoever_signed_it() {
    let root = some_root();
    for found in [
        "example.org/other",
        "example.org/candor/",
        "example.org/Candor",
        "Example.org/candor",
        "example.org/candor ",
        "",
    ] {
        let error = CheckpointError::OtherOrigin {
            expected: ORIGIN.parse().expect("an origin"),
            found: found.to_owned(),
        };
        assert_eq!(
            read_checkpoint(&format!("{found}\n5\n{root}\n")),
            Err(error)
        );
    }
}

#[test]
fn an_empty_tree_with_a_wrong_root_is_refused() {
    let empty = Hash::of_empty_tree();
    let read =
        read_checkpoint(&format!("{ORIGIN}\n0\n{empty}\n")).expect("the empty tree has this root");
    assert_eq!(read.head, TreeHead::empty());
    let zeros = Hash::from_bytes([0; 32]);
    for root in [some_root(), zeros] {
        assert_eq!(
            read_checkpoint(&format!("{ORIGIN}\n0\n{root}\n")),
            Err(CheckpointError::EmptyTreeRoot)
        );
    }
}

#[test]
fn text_that_is_no_origin_is_refused() {
    let long = "x".repeat(256);
    for text in [
        "",
        "a b",
        "a+b",
        "a\n",
        "example.org/",
        "https://example.org",
        "a\u{a0}b",
        &long,
    ] {
        assert!(text.parse::<Origin>().is_err(), "{text:?}");
    }
    for text in [
        "example.org",
        "example.org/candor",
        "localhost:8000/log",
        &long[1..],
    ] {
        assert_eq!(text.parse::<Origin>().expect("an origin").as_str(), text);
    }
}

#[test]
fn the_checkpoint_in_the_specification_is_read() {
    // Its key is not published, so the same text is signed by one of ours.
    let log = signer("example.com/behind-the-sofa", 1);
    let text = "example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let checkpoint = LogKey::from(log.verifier_key().clone())
        .verify_checkpoint(log.sign(text.to_owned()).to_string().as_bytes())
        .expect("the specification's checkpoint is a checkpoint");
    assert_eq!(checkpoint.origin.as_str(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.head.size, TreeSize::new(20_852_163));
    assert_eq!(
        checkpoint.head.root.to_string(),
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    );
    assert_eq!(checkpoint.extensions, [""; 0]);
    assert_eq!(checkpoint.to_string(), text);
}

#[test]
fn the_last_checkpoint_says_where_the_log_goes_on() {
    let log = log_signer();
    let key = LogKey::from(log.verifier_key().clone());
    let head = TreeHead {
        size: TreeSize::new(1),
        root: some_root(),
    };
    let other = LogKey::from(signer("example.org/candor-2", 8).verifier_key().clone());
    let next = NextLog::new(other.clone(), "https://example.org/candor-2/").expect("a good one");
    assert_eq!(next.url(), "https://example.org/candor-2");
    let before = read_checkpoint(&format!("{ORIGIN}\n1\n{}\n", head.root)).expect("it is read");
    for (next, line) in [
        (None, "retired".to_owned()),
        (
            Some(next),
            format!("retired {other} https://example.org/candor-2"),
        ),
    ] {
        let note = Checkpoint::sign_last(head, Retirement { next: next.clone() }, &log);
        let text = format!("{ORIGIN}\n1\n{}\n{line}\n", head.root);
        assert_eq!(note.unverified_text(), text);
        let last = key
            .verify_checkpoint(note.to_string().as_bytes())
            .expect("it was signed");
        assert_eq!(last.retirement, Some(Retirement { next }));
        assert_eq!((last.head, last.to_string()), (head, text));
        assert!(last.rank() > before.rank(), "it comes behind the same tree");
        assert!(last.rank() < (TreeSize::new(2), false));
    }
}

#[test]
fn what_looks_like_a_retirement_and_is_none_is_refused() {
    let root = some_root();
    let read = |lines: &str| read_checkpoint(&format!("{ORIGIN}\n1\n{root}\n{lines}\n"));
    let key = signer("example.org/candor-2", 8).verifier_key().to_string();
    let long = format!("https://example.org/{}", "x".repeat(1_024));
    for line in [
        "retired ".to_owned(),
        "retired soon".to_owned(),
        format!("retired {key}"),
        format!("retired {key} https://example.org more"),
        format!("retired {key}  https://example.org"),
        format!("retired {key} ftp://example.org"),
        format!("retired {key} https://"),
        format!("retired {key} https://example.org/é"),
        format!("retired {key} {long}"),
        format!("retired {}x https://example.org", &key[..key.len() - 1]),
    ] {
        let read = read(&line);
        assert!(
            matches!(read, Err(CheckpointError::Retirement(_))),
            "{line:?}: {read:?}"
        );
    }
    let twice = read(&format!("retired\nretired {key} https://example.org"));
    assert_eq!(twice, Err(CheckpointError::TwoRetirements));
    for opaque in ["retiredness", " retired", "Retired", "note retired"] {
        assert_eq!(read(opaque).expect("it is opaque").retirement, None);
    }
}
