//! Which records there are, for those who follow the log: the newest from memory, all others from the storage.
//!
//! ```text
//! released ──► ring (the newest 4,096) ──► every listener that keeps up
//!      └─────► storage, by its indexes ──► a listener that is far behind, until it has caught up
//! ```
//!
//! Always: each record is rendered once for all listeners that keep up with the log, however many they are, and nothing is
//! kept for a listener. What is in the ring is what the log shows: a withdrawal, which changes what was there before it,
//! empties it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candor_core::merkle::LeafIndex;
use candor_core::record::{Kind, PublisherName};

use super::super::Log;
use super::super::problem::Problem;
use super::super::records::Summary;
use crate::storage::{RecordFilter, RecordRow, check_gapless};

/// How many records are in memory: some 3 MB.
const RING_RECORDS: usize = 4_096;

/// How many are read at a time, to fill the ring or for a listener that is behind it.
const ROWS: u32 = 128;

/// The most bytes that a listener is given at a time, save that there is always one record.
const PART_BYTES_MAX: usize = 32 << 10;

/// What all listeners read.
pub(super) struct Feed {
    ring: Mutex<Ring>,
    /// Held by whoever reads what comes behind the ring; the others wait, and find it there.
    filling: tokio::sync::Mutex<()>,
}

/// Records without gaps.
#[derive(Default)]
struct Ring {
    first: u64,
    records: VecDeque<Rendered>,
}

struct Rendered {
    kind: Kind,
    publisher: PublisherName,
    event: String,
}

/// What comes next for a listener.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Events, as they are sent.
    pub(super) events: String,
    /// How many.
    pub(super) count: u64,
    /// The ID of the last one.
    pub(super) last: Option<u64>,
    /// Everything before this index was looked at.
    pub(super) next: u64,
}

/// Where a record is found.
enum Found {
    Here(Part),
    /// It comes behind what is in the ring.
    Ahead,
    /// It has left the ring.
    Gone,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            ring: Mutex::default(),
            filling: tokio::sync::Mutex::default(),
        }
    }

    /// What comes from `next` on, in a released tree of `size` entries, which are more.
    pub(super) async fn read(
        &self,
        log: &Log,
        filter: &RecordFilter,
        next: u64,
        size: u64,
    ) -> Result<Part, Problem> {
        if size - next > RING_RECORDS as u64 {
            return stored(log, filter, next, size).await;
        }
        loop {
            // A name of its own: the lock must not be held while something is read.
            let found = self.ring().find(filter, next, size);
            match found {
                Found::Here(part) => return Ok(part),
                Found::Gone => return stored(log, filter, next, size).await,
                Found::Ahead => self.fill(log, next, size).await?,
            }
        }
    }

    /// Reads on behind the ring, at least to `next`.
    async fn fill(&self, log: &Log, next: u64, size: u64) -> Result<(), Problem> {
        let _filling = self.filling.lock().await;
        let from = match self.ring().end() {
            end if end > next => return Ok(()),
            // Nobody was here for a while.
            end if end < next => next,
            end => end,
        };
        let after = from.checked_sub(1).map(LeafIndex::new);
        let everything = RecordFilter::default();
        let rows = log
            .view(log.storage.records_after(&everything, after, ROWS))
            .await?;
        let rows: Vec<RecordRow> = rows
            .into_iter()
            .take_while(|row| row.index.get() < size)
            .collect();
        check_gapless(&rows, from)?;
        self.ring().extend(from, &rows);
        Ok(())
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes from `next` on, by the storage's own indexes.
async fn stored(log: &Log, filter: &RecordFilter, next: u64, size: u64) -> Result<Part, Problem> {
    let after = next.checked_sub(1).map(LeafIndex::new);
    let rows = log
        .view(log.storage.records_after(filter, after, ROWS))
        .await?;
    let is_full = rows.len() == ROWS as usize;
    let mut part = Part {
        next,
        ..Part::default()
    };
    for row in &rows {
        if row.index.get() >= size {
            part.next = size;
            return Ok(part);
        }
        part.push(row.index.get(), &render(row));
        if part.is_full() {
            return Ok(part);
        }
    }
    if !is_full {
        part.next = size;
    }
    Ok(part)
}

fn render(row: &RecordRow) -> String {
    let summary = serde_json::to_string(&Summary::of(row)).expect("summaries are JSON");
    format!("id: {}\nevent: record\ndata: {summary}\n\n", row.index)
}

impl Part {
    fn push(&mut self, index: u64, event: &str) {
        self.events.push_str(event);
        self.count += 1;
        self.last = Some(index);
        self.next = index + 1;
    }

    fn is_full(&self) -> bool {
        self.events.len() >= PART_BYTES_MAX
    }
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    fn find(&self, filter: &RecordFilter, next: u64, size: u64) -> Found {
        if next < self.first {
            return Found::Gone;
        }
        let end = self.end().min(size);
        if next >= end {
            return Found::Ahead;
        }
        let mut part = Part::default();
        let skipped = usize::try_from(next - self.first).expect("the ring is small");
        for (index, record) in (next..end).zip(self.records.range(skipped..)) {
            if record.passes(filter) {
                part.push(index, &record.event);
            }
            part.next = index + 1;
            if part.is_full() {
                break;
            }
        }
        Found::Here(part)
    }

    /// Adds records that begin at `from`: where the ring ends, or anew.
    fn extend(&mut self, from: u64, rows: &[RecordRow]) {
        let changes = |row: &RecordRow| row.kind == Kind::Withdrawal;
        if from != self.end() || rows.iter().any(changes) {
            self.records.clear();
            self.first = from;
        }
        self.records.extend(rows.iter().map(|row| Rendered {
            kind: row.kind,
            publisher: row.publisher.clone(),
            event: render(row),
        }));
        while self.records.len() > RING_RECORDS {
            self.records.pop_front();
            self.first += 1;
        }
    }
}

impl Rendered {
    fn passes(&self, filter: &RecordFilter) -> bool {
        filter.kind.is_none_or(|kind| kind == self.kind)
            && filter
                .publisher
                .as_ref()
                .is_none_or(|publisher| *publisher == self.publisher)
    }
}

#[cfg(test)]
mod tests {
    use candor_core::Sha256;

    use super::*;

    fn row(index: u64) -> RecordRow {
        let publisher = if index.is_multiple_of(3) {
            "a-lab"
        } else {
            "b-lab"
        };
        RecordRow {
            index: LeafIndex::new(index),
            statement: Sha256::of(index.to_be_bytes()),
            kind: if index.is_multiple_of(2) {
                Kind::Weights
            } else {
                Kind::Evaluation
            },
            publisher: publisher.parse().expect("a name"),
            subject: format!("a-lab/m@{index}"),
            subject_sha256: Sha256::of("x"),
            withdrawn_by: None,
            accepted_ms: Some(1_767_323_045_006),
        }
    }

    fn rows(range: std::ops::Range<u64>) -> Vec<RecordRow> {
        range.map(row).collect()
    }

    fn find(ring: &Ring, filter: &RecordFilter, next: u64, size: u64) -> (u64, Option<u64>, u64) {
        match ring.find(filter, next, size) {
            Found::Here(part) => (part.count, part.last, part.next),
            Found::Ahead => panic!("{next} is ahead"),
            Found::Gone => panic!("{next} is gone"),
        }
    }

    #[test]
    fn what_is_in_the_ring_is_found_and_nothing_beyond_the_tree() {
        let mut ring = Ring::default();
        ring.extend(0, &rows(0..10));
        let all = RecordFilter::default();
        assert_eq!(find(&ring, &all, 0, 10), (10, Some(9), 10));
        assert_eq!(find(&ring, &all, 4, 8), (4, Some(7), 8));
        assert!(matches!(ring.find(&all, 10, 11), Found::Ahead));
        assert!(matches!(ring.find(&all, 8, 8), Found::Ahead));
        let some = RecordFilter {
            kind: Some(Kind::Weights),
            publisher: Some("a-lab".parse().expect("a name")),
            subject: None,
        };
        assert_eq!(find(&ring, &some, 1, 10), (1, Some(6), 10));
        assert_eq!(
            find(&ring, &some, 7, 10),
            (0, None, 10),
            "and it need not be looked at again"
        );
    }

    #[test]
    fn the_ring_keeps_the_newest_and_begins_anew_behind_a_gap_and_where_a_withdrawal_changes_what_was()
     {
        let mut ring = Ring::default();
        let many = RING_RECORDS as u64 + 100;
        ring.extend(0, &rows(0..many));
        assert_eq!((ring.first, ring.end()), (100, many));
        assert!(matches!(
            ring.find(&RecordFilter::default(), 99, many),
            Found::Gone
        ));
        ring.extend(many, &rows(many..many + 1));
        assert_eq!((ring.first, ring.end()), (101, many + 1));
        let mut withdrawal = row(many + 1);
        withdrawal.kind = Kind::Withdrawal;
        ring.extend(many + 1, &[withdrawal]);
        assert_eq!((ring.first, ring.end()), (many + 1, many + 2));
        ring.extend(many + 9, &rows(many + 9..many + 12));
        assert_eq!((ring.first, ring.end()), (many + 9, many + 12));
    }

    #[test]
    fn a_part_has_an_end() {
        let mut ring = Ring::default();
        ring.extend(0, &rows(0..1_000));
        let Found::Here(part) = ring.find(&RecordFilter::default(), 0, 1_000) else {
            panic!("it is there");
        };
        assert!(
            part.events.len() < PART_BYTES_MAX + 1_000,
            "{}",
            part.events.len()
        );
        assert_eq!(part.next, part.count);
        assert!((20..1_000).contains(&part.count), "{}", part.count);
    }

    #[test]
    fn an_event_is_four_lines() {
        let event = render(&row(3));
        let lines: Vec<&str> = event.split('\n').collect();
        assert_eq!(lines.len(), 5, "{event}");
        assert_eq!(&lines[..2], ["id: 3", "event: record"]);
        let data: serde_json::Value =
            serde_json::from_str(lines[2].strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(data["index"], 3);
        assert_eq!(&lines[3..], ["", ""]);
    }
}
