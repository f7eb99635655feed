//! The bare parts in one process: strict parse, strict verify, and `SQLite` with the one index that duplicates are found
//! by. No network, no schema, no rules, no tree, no views, no receipts: what a log can't be faster than.
//!
//! It commits as many records at once as wait in a log that is asked in the same form, all of them: whose records come
//! one by one over 64 connections can't have them committed by the thousand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use candor_core::Sha256;
use candor_core::record::{PAYLOAD_TYPE, pae, parse_strict};
use clap::Args;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Serialize;
use serde_json::Value;

use crate::report::Report;
use crate::workload::{Signed, Workload, cores};

/// How the bare parts are measured.
#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// How many records
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// How many records each commit has
    #[arg(long, default_value_t = 1_024)]
    batch: usize,
}

/// What the bare parts come to.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Ceiling {
    /// Records a second.
    pub(crate) rate: f64,
    /// How many records.
    records: usize,
    /// How many to a commit.
    batch: usize,
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let ceiling = measure(options.records, options.batch)?;
    report.add(&ceiling.line(), &ceiling)
}

impl Ceiling {
    /// For people.
    pub(crate) fn line(&self) -> String {
        format!(
            "ceiling: {:.0} records/s: strict parse and verify on {} threads, SQLite commits of {}, {} records",
            self.rate,
            cores(),
            self.batch,
            self.records,
        )
    }
}

/// Parses and verifies on all cores, and writes on one more thread.
pub(crate) fn measure(records: usize, batch: usize) -> anyhow::Result<Ceiling> {
    let workload = Workload::new("ceiling");
    let keys: Vec<VerifyingKey> = workload
        .publishers()
        .iter()
        .map(|publisher| publisher.key.verifying_key())
        .collect();
    let signed = workload.signed(records);
    let folder = tempfile::tempdir()?;
    let mut database = open(&folder.path().join("bare.db"))?;
    let batches: Vec<&[Signed]> = signed.chunks(batch).collect();
    let next = AtomicUsize::new(0);
    let (batches, next, keys) = (&batches, &next, &keys);
    let elapsed = std::thread::scope(|scope| {
        let (done, checked) = mpsc::sync_channel::<&[Signed]>(2);
        let begun = Instant::now();
        let writer = scope.spawn(move || -> anyhow::Result<Duration> {
            let mut index = 0_i64;
            for batch in checked {
                insert(&mut database, &mut index, batch)?;
            }
            Ok(begun.elapsed())
        });
        for _ in 0..cores() {
            let done = done.clone();
            scope.spawn(move || {
                while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for record in *batch {
                        let envelope = parse_strict(&record.entry).expect("canonical JSON");
                        check(&envelope, &keys[record.publisher]);
                    }
                    done.send(batch).expect("the writer listens");
                }
            });
        }
        drop(done);
        writer.join().expect("the writer does not panic")
    })?;
    Ok(Ceiling {
        rate: records as f64 / elapsed.as_secs_f64(),
        records,
        batch,
    })
}

/// What every server has to do with an envelope before it may believe a word of it.
pub(crate) fn check(envelope: &Value, key: &VerifyingKey) {
    let payload = envelope["payload"].as_str().expect("a payload");
    let payload = base64_of(payload);
    parse_strict(&payload).expect("a statement");
    let signature = envelope["signatures"][0]["sig"]
        .as_str()
        .expect("a signature");
    let signature = Signature::from_slice(&base64_of(signature)).expect("64 bytes");
    key.verify_strict(&pae(PAYLOAD_TYPE, &payload), &signature)
        .expect("the record was signed with this key");
    std::hint::black_box(Sha256::of(&payload));
}

fn base64_of(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD
        .decode(text)
        .expect("base64")
}

/// As the log's own database is opened.
fn open(file: &std::path::Path) -> anyhow::Result<rusqlite::Connection> {
    let database = rusqlite::Connection::open(file)?;
    database.execute_batch(
        "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 8000;
         CREATE TABLE entry (idx INTEGER PRIMARY KEY, statement BLOB NOT NULL, statement_key INTEGER NOT NULL,
             bytes BLOB NOT NULL) STRICT;
         CREATE INDEX entry_by_statement_key ON entry (statement_key);",
    )?;
    Ok(database)
}

fn insert(
    database: &mut rusqlite::Connection,
    index: &mut i64,
    batch: &[Signed],
) -> anyhow::Result<()> {
    let transaction = database.transaction()?;
    {
        let mut find =
            transaction.prepare_cached("SELECT statement FROM entry WHERE statement_key = ?1")?;
        let mut insert = transaction.prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3, ?4)")?;
        for record in batch {
            let statement = record.statement.as_bytes();
            let key = i64::from_be_bytes(*statement.first_chunk::<8>().expect("32 bytes"));
            let mut known = find.query((key,))?;
            while let Some(row) = known.next()? {
                let found = row.get_ref(0)?.as_blob()?;
                anyhow::ensure!(found != statement, "each record is a new one");
            }
            drop(known);
            insert.execute((*index, statement.as_slice(), key, &record.entry))?;
            *index += 1;
        }
    }
    transaction.commit()?;
    Ok(())
}
