//! The log's own files: the checkpoint, tiles and entry bundles, and proofs, all verified with the core.

use candor_core::Verified;
use candor_core::bundle::Receipt;
use candor_core::merkle::{
    CompactRange, ConsistencyProof, Entry, EntryBundle, EntryBundlePath, Hash, InclusionProof,
    LeafHash, LeafIndex, Tile, TileIndex, TileLevel, TilePath, TileWidth, TreeHead, TreeSize,
};
use candor_core::note::Checkpoint;
use candor_core::record::SignedRecord;
use candor_tests::raw::ask;
use candor_tests::{Answer, TestLog, TestPublisher};
use serde_json::Value;

/// A log of `size` entries.
fn log_of(size: usize) -> TestLog {
    let log = TestLog::start();
    let lab = TestPublisher::new("example-lab");
    let mut envelopes = vec![lab.register()];
    envelopes.extend((1..size).map(|n| lab.api_version("tiny", &n.to_string(), "")));
    for batch in envelopes.chunks(60) {
        log.publish(batch).expect_status(201);
    }
    log
}

fn checkpoint(log: &TestLog) -> Verified<Checkpoint> {
    let answer = log.get("/checkpoint").expect_status(200);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-cache");
    log.key()
        .verify_checkpoint(&answer.body)
        .expect("a checkpoint that the log signed")
}

/// Tiles and bundles: `application/octet-stream`, and never another.
fn file(log: &TestLog, path: &impl std::fmt::Display) -> Answer {
    let answer = log.get(&format!("/{path}")).expect_status(200);
    assert_eq!(
        answer.header("content-type"),
        "application/octet-stream",
        "{path}"
    );
    assert_eq!(
        answer.header("cache-control"),
        "public, max-age=31536000, immutable",
        "{path}"
    );
    answer
}

fn tile(log: &TestLog, path: TilePath) -> Tile {
    Tile::parse(&file(log, &path).body, path.width).expect("a tile of that width")
}

/// All entries of a tree of `size`, by its bundles.
fn entries(log: &TestLog, size: TreeSize) -> Vec<Entry> {
    let bundle = |index| {
        let path = EntryBundlePath::in_tree(TileIndex::new(index), size)?;
        let bundle = EntryBundle::parse(&file(log, &path).body, path.width);
        Some(bundle.expect("a bundle of that width").into_entries())
    };
    (0..).map_while(bundle).flatten().collect()
}

/// The heads of all trees from the empty one on.
fn heads(entries: &[Entry]) -> Vec<TreeHead> {
    let mut range = CompactRange::empty();
    let mut heads = vec![range.head()];
    for entry in entries {
        range.append(LeafHash::of(entry), |_, _| {});
        heads.push(range.head());
    }
    heads
}

fn hashes(answer: &Value) -> Vec<Hash> {
    let hashes = answer["hashes"].as_array().expect("a list");
    hashes
        .iter()
        .map(|hash| {
            hash.as_str()
                .and_then(|hash| hash.parse().ok())
                .expect("base64")
        })
        .collect()
}

#[test]
fn the_entries_lead_to_the_root_of_the_checkpoint_and_so_do_the_tiles() {
    let log = log_of(301);
    let head = checkpoint(&log).head;
    assert_eq!(head.size.get(), 301);
    let entries = entries(&log, head.size);
    assert_eq!(entries.len(), 301);
    assert_eq!(heads(&entries).last(), Some(&head));
    for entry in &entries {
        SignedRecord::from_entry(entry).expect("every entry is a canonical record");
    }

    let mut range = CompactRange::empty();
    let mut above = Vec::new();
    for index in 0..2 {
        let path = TilePath::in_tree(TileLevel::LEAVES, TileIndex::new(index), head.size);
        let tile = tile(&log, path.expect("in the tree"));
        for hash in tile.hashes() {
            range.append(LeafHash::from_hash(*hash), |node, hash| {
                if node.level.get() == 8 {
                    above.push(hash);
                }
            });
        }
    }
    assert_eq!(range.head(), head);
    let level = TileLevel::new(1).expect("a level");
    let paths: Vec<_> = TilePath::all_in_tree(head.size)
        .filter(|path| path.level == level)
        .collect();
    assert_eq!(paths.len(), 1);
    assert_eq!(tile(&log, paths[0]).hashes(), above);
}

#[test]
fn tiles_and_bundles_of_older_sizes_stay() {
    let log = log_of(260);
    let full = tile(
        &log,
        TilePath::in_tree(TileLevel::LEAVES, TileIndex::new(0), TreeSize::new(256)).expect("full"),
    );
    let all = entries(&log, TreeSize::new(256));
    for width in [1, 7, 60, 120, 255] {
        let width = TileWidth::new(width).expect("a width");
        let older = tile(
            &log,
            TilePath {
                level: TileLevel::LEAVES,
                index: TileIndex::new(0),
                width,
            },
        );
        assert_eq!(older.hashes(), &full.hashes()[..width.count()]);
        let older = EntryBundlePath {
            index: TileIndex::new(0),
            width,
        };
        let bundle = EntryBundle::parse(&file(&log, &older).body, width).expect("a bundle");
        assert_eq!(bundle.entries(), &all[..width.count()]);
    }
    for beyond in [
        "/tile/0/001",
        "/tile/0/001.p/5",
        "/tile/1/000",
        "/tile/1/000.p/2",
        "/tile/0/002",
        "/tile/entries/001.p/5",
        "/tile/entries/001",
    ] {
        assert_eq!(log.get(beyond).status, 404, "{beyond}");
    }
    assert_eq!(log.get("/tile/1/000.p/1").status, 200);
}

#[test]
fn every_inclusion_proof_holds_for_its_entry_alone() {
    let log = log_of(24);
    let entries = entries(&log, checkpoint(&log).head.size);
    let heads = heads(&entries);
    for size in 1..=24_u64 {
        for index in 0..size {
            let answer = log.get(&format!(
                "/api/v1/proofs/inclusion?index={index}&size={size}"
            ));
            let answer = answer.expect_status(200).json();
            let (at, head) = (
                TreeSize::new(size),
                &heads[usize::try_from(size).expect("small")],
            );
            let proof = InclusionProof {
                at: at.leaf(LeafIndex::new(index)).expect("in the tree"),
                path: hashes(&answer),
            };
            let position = usize::try_from(index).expect("small");
            let leaf = LeafHash::of(&entries[position]);
            assert_eq!(answer["leafHash"], leaf.to_hash().to_string());
            proof.verify(leaf, head).expect("the proof holds");
            let other = LeafHash::of(&entries[(position + 1) % 24]);
            proof.verify(other, head).expect_err("for this entry alone");
            assert_eq!(
                answer["receipt"].is_string(),
                size == 24,
                "{index} of {size}"
            );
        }
    }
}

#[test]
fn every_consistency_proof_holds_between_its_trees() {
    let log = log_of(24);
    let entries = entries(&log, checkpoint(&log).head.size);
    let heads = heads(&entries);
    for (new, new_head) in heads.iter().enumerate() {
        for (old, old_head) in heads[..=new].iter().enumerate() {
            let answer = log.get(&format!("/api/v1/proofs/consistency?from={old}&to={new}"));
            let proof = ConsistencyProof {
                old: old_head.size,
                new: new_head.size,
                path: hashes(&answer.expect_status(200).json()),
            };
            proof.verify(old_head, new_head).expect("the proof holds");
        }
    }
    let released = log.get("/api/v1/proofs/consistency?from=7").json();
    assert_eq!(released["to"], 24);
}

#[test]
fn the_log_shows_the_tree_of_its_checkpoint_and_proofs_come_as_receipts() {
    let log = log_of(5);
    let signed = log.get("/checkpoint").text();
    let head = checkpoint(&log).head;
    let shown = log.get("/api/v1/log").json();
    assert_eq!(shown["origin"], candor_tests::ORIGIN);
    assert_eq!(shown["key"], log.key().to_string());
    assert_eq!(shown["size"], 5);
    assert_eq!(shown["root"], head.root.to_string());
    assert_eq!(shown["checkpoint"], signed);
    assert_eq!(shown["registration"], "open");
    for (n, entry) in (0..).zip(&entries(&log, head.size)) {
        let answer = log
            .get(&format!("/api/v1/proofs/inclusion?index={n}"))
            .json();
        let receipt: Receipt = answer["receipt"]
            .as_str()
            .expect("text")
            .parse()
            .expect("a receipt");
        let logged = receipt.verify(entry, log.key()).expect("it holds");
        assert_eq!(logged.index.get(), n);
    }
}

#[test]
fn an_empty_log_has_a_checkpoint_and_nothing_else() {
    let log = TestLog::start();
    assert_eq!(checkpoint(&log).head, TreeHead::empty());
    for path in [
        "/tile/0/000",
        "/tile/0/000.p/1",
        "/tile/entries/000.p/1",
        "/api/v1/records/0",
    ] {
        assert_eq!(log.get(path).status, 404, "{path}");
    }
    assert_eq!(
        log.get("/api/v1/records").json()["records"],
        serde_json::json!([])
    );
    assert_eq!(
        log.get("/api/v1/proofs/consistency?from=0")
            .expect_status(200)
            .json()["to"],
        0
    );
    assert!(
        log.get("/")
            .expect_status(200)
            .text()
            .contains("There are none yet")
    );
}

#[test]
fn entry_bundles_travel_compressed_if_the_client_likes() {
    let log = log_of(40);
    let plain = ask(log.url(), "GET", "/tile/entries/000.p/40", &[]);
    assert_eq!(plain.header("content-encoding"), "");
    let zipped = ask(
        log.url(),
        "GET",
        "/tile/entries/000.p/40",
        &["accept-encoding: gzip"],
    );
    assert_eq!(zipped.status, 200);
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert_eq!(zipped.header("vary"), "accept-encoding");
    assert!(
        zipped.body.len() < plain.body.len(),
        "{} bytes",
        zipped.body.len()
    );
    // The client of the other tests asks for compression, and decompresses.
    assert_eq!(file(&log, &"tile/entries/000.p/40").body, plain.body);
}
