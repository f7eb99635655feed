//! Receipts (C2SP `tlog-proof`): one entry's place in a log, as text.

mod common;

use std::str::FromStr as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::bundle::{Receipt, ReceiptError};
use candor_core::merkle::{Entry, Hash, LeafIndex};
use candor_core::note::LogKey;
use common::key;
use common::log::TestLog;
use common::story::{ORIGIN, Story, story};

/// The example of C2SP `tlog-proof`, with signatures of the right form in place of its ellipses. Nothing in
/// it can be verified; it shows the form.
fn example() -> String {
    let signature = |name: &str| format!("— {name} {}\n", BASE64_STANDARD.encode([7; 68]));
    format!(
        "c2sp.org/tlog-proof@v1\n\
         extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6\n\
         index 73894\n\
         gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n\
         B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n\
         EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=\n\
         RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=\n\
         AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n\
         \n\
         example.com/fancylog\n\
         109482\n\
         sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\
         \n\
         {}{}",
        signature("example.com/fancylog"),
        signature("witness1.example"),
    )
}

fn refused_receipt(text: &str) -> String {
    Receipt::from_str(text).expect_err("no receipt").to_string()
}

/// The receipt of the card.
fn receipt(story: &Story) -> Receipt {
    Receipt {
        extra: None,
        index: story.card,
        path: story.log.proof(story.card, story.size),
        checkpoint: story.log.checkpoint(story.size),
    }
}

#[test]
fn the_example_of_the_specification_is_read() {
    let text = example();
    let receipt = Receipt::from_str(&text).expect("the specification's form");
    assert_eq!(
        receipt.extra.as_deref(),
        Some(&b"age-v1.2.1-darwin-arm64.tar.gz"[..])
    );
    assert_eq!(receipt.index, LeafIndex::new(73_894));
    assert_eq!(receipt.path.len(), 5);
    assert_eq!(
        receipt.path[0].to_string(),
        "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ="
    );
    assert!(
        receipt
            .checkpoint
            .starts_with("example.com/fancylog\n109482\n")
    );
    assert_eq!(receipt.to_string(), text);
}

#[test]
fn a_receipt_reads_back_and_verifies() {
    let story = story();
    for size in usize::try_from(story.card.get()).expect("small") + 1..=story.log.size() {
        let receipt = Receipt {
            path: story.log.proof(story.card, size),
            checkpoint: story.log.checkpoint(size),
            ..receipt(&story)
        };
        let read = Receipt::from_str(&receipt.to_string()).expect("its own text");
        assert_eq!(read, receipt);
        let logged = read
            .verify(story.log.entry(story.card), &story.key())
            .expect("as logged");
        assert_eq!(logged.index, story.card);
        assert_eq!(logged.checkpoint.head, story.log.head(size));
    }
    // A tree of one entry has an empty proof.
    let mut log = TestLog::new(ORIGIN, key(50));
    log.pad(1);
    let only = Receipt {
        extra: None,
        index: LeafIndex::new(0),
        path: Vec::new(),
        checkpoint: log.checkpoint(1),
    };
    assert!(
        only.to_string()
            .starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nlog.example.org/candor\n1\n")
    );
    assert_eq!(Receipt::from_str(&only.to_string()).as_ref(), Ok(&only));
    only.verify(log.entry(LeafIndex::new(0)), &log.key())
        .expect("the only entry");
}

#[test]
fn a_receipt_is_for_its_entry_at_its_index_in_its_log() {
    let story = story();
    let good = receipt(&story);
    let entry = story.log.entry(story.card);
    let key = story.key();
    let refused = |receipt: &Receipt, entry: &Entry, key: &LogKey| {
        receipt
            .verify(entry, key)
            .expect_err("it should be refused")
    };
    assert!(matches!(
        refused(&good, story.log.entry(story.weights), &key),
        ReceiptError::NotIncluded { .. }
    ));
    let elsewhere = Receipt {
        index: story.weights,
        ..good.clone()
    };
    assert!(matches!(
        refused(&elsewhere, entry, &key),
        ReceiptError::NotIncluded { .. }
    ));
    let outside = Receipt {
        index: LeafIndex::new(u64::MAX),
        ..good.clone()
    };
    assert_eq!(
        refused(&outside, entry, &key).to_string(),
        format!(
            "the proof is about entry 18446744073709551615, and its checkpoint's tree has {} entries",
            story.size
        )
    );
    let other = TestLog::new(ORIGIN, common::key(51)).key();
    assert!(matches!(
        refused(&good, entry, &other),
        ReceiptError::Checkpoint(_)
    ));
    for n in 0..good.path.len() {
        let mut changed = good.clone();
        let mut hash = *changed.path[n].as_bytes();
        hash[n] ^= 1;
        changed.path[n] = Hash::from_bytes(hash);
        assert!(matches!(
            refused(&changed, entry, &key),
            ReceiptError::NotIncluded { .. }
        ));
    }
}

#[test]
fn extra_is_read_and_vouched_for_by_nobody() {
    let story = story();
    let entry = story.log.entry(story.card);
    let plain = receipt(&story)
        .verify(entry, &story.key())
        .expect("as logged");
    for extra in [&b""[..], b"signed by the tooth fairy", &vec![0xff; 65_536]] {
        let receipt = Receipt {
            extra: Some(extra.to_vec()),
            ..receipt(&story)
        };
        let read = Receipt::from_str(&receipt.to_string()).expect("extra is allowed");
        assert_eq!(read, receipt);
        let logged = read.verify(entry, &story.key()).expect("as logged");
        assert_eq!(logged, plain, "the verdict says nothing of it");
    }
    let long = Receipt {
        extra: Some(vec![0; 65_537]),
        ..receipt(&story)
    };
    assert_eq!(
        refused_receipt(&long.to_string()),
        "line 2 of the proof: behind extra comes base64, of at most 65,536 bytes"
    );
}

#[test]
fn a_receipt_of_another_form_is_refused_by_its_line() {
    let good = example();
    let changed = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from:?} is in the example");
        refused_receipt(&text)
    };
    let header = "line 1 of the proof: a proof begins with c2sp.org/tlog-proof@v1";
    assert_eq!(changed("@v1", "@v2"), header);
    assert_eq!(changed("c2sp.org", " c2sp.org"), header);
    assert_eq!(changed("@v1\n", "@v1\r\n"), header);

    let index = "line 3 of the proof: it should be index and a number without leading zeroes";
    for bad in [
        "index 073894",
        "index 00",
        "index -1",
        "index +1",
        "index 1.0",
        "index 0x1",
        "index ",
        "index 7 ",
        "index  7",
        "Index 73894",
        "73894",
        "index 18446744073709551616",
    ] {
        assert_eq!(changed("index 73894", bad), index, "{bad:?}");
    }
    assert_eq!(
        changed("index 73894", "extra AAAA"),
        index,
        "extra comes once"
    );
    // Without extra, the index is in the second line.
    assert_eq!(
        refused_receipt(
            &good
                .replacen("extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6\n", "", 1)
                .replacen("index 73894", "index 01", 1)
        ),
        "line 2 of the proof: it should be index and a number without leading zeroes"
    );
    let extra = "line 2 of the proof: behind extra comes base64, of at most 65,536 bytes";
    for bad in [
        "extra ?",
        "extra YW",
        "extra YWdl YWdl",
        "extra YWdl=",
        "extra -_--",
    ] {
        assert_eq!(
            changed("extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6", bad),
            extra,
            "{bad:?}"
        );
    }
    let hash = "line 6 of the proof: it should be the base64 of a 32-byte hash";
    let third = "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=";
    for bad in [
        "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs",
        "EKNzoDWG8LGC0Yp9o-sv3qllpMP9uHQ9B20KNL-Q1zs=",
        "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zt=",
        "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs= ",
        "EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL8=",
        "index 1",
    ] {
        assert_eq!(changed(third, bad), hash, "{bad:?}");
    }
}

#[test]
fn a_receipt_needs_the_empty_line_before_its_checkpoint() {
    let good = example();
    // The checkpoint's own empty line comes next, so that its origin stands where a hash should be.
    assert_eq!(
        refused_receipt(&good.replacen("\n\n", "\n", 1)),
        "line 9 of the proof: it should be the base64 of a 32-byte hash"
    );
    let (proof, _) = good.split_once("\n\n").expect("an empty line");
    for text in [proof, "", "c2sp.org/tlog-proof@v1\n", "index 1\n"] {
        assert_eq!(
            refused_receipt(text),
            "line 1 of the proof: the proof ends before its checkpoint, which follows an empty line"
        );
    }
    assert_eq!(
        refused_receipt("c2sp.org/tlog-proof@v1\n\nexample.com\n"),
        "line 2 of the proof: it should be index and a number without leading zeroes"
    );
}

#[test]
fn a_receipt_has_at_most_64_hashes() {
    let with = |hashes: usize| {
        let path = "AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=\n".repeat(hashes);
        format!("c2sp.org/tlog-proof@v1\nindex 1\n{path}\nexample.com/fancylog\n")
    };
    let longest = Receipt::from_str(&with(64)).expect("a tree of 2^64 entries has 64");
    assert_eq!(longest.path.len(), 64);
    assert_eq!(
        refused_receipt(&with(65)),
        "line 67 of the proof: no inclusion proof has over 64 hashes"
    );
    assert_eq!(
        refused_receipt(&with(10_000)),
        "line 67 of the proof: no inclusion proof has over 64 hashes"
    );
    let endless = with(100_000);
    assert_eq!(
        refused_receipt(&endless),
        format!("the proof has {} bytes, more than any proof", endless.len())
    );
}
