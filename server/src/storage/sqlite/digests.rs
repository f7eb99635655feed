//! Which entries a digest may lead to: a statement's, that of a release's name, or of weights their manifest's.
//!
//! ```text
//! entries 0 … 65,535    65,536 … 131,071    131,072 … now
//! ┌────────┬─────────┐  ┌────────┬───────┐  ┌───────────────────────┐
//! │ filter │ memory  │  │ filter │       │  │ open: all keys, in    │
//! │ run    │ on disk │  │ run    │       │  │ memory alone          │
//! └────────┴─────────┘  └────────┴───────┘  └───────────────────────┘
//! ```
//!
//! Digests come in no order, and an index over them that grows with the log touches another page for each entry.
//! So the keys of the last entries are in memory, where the next start finds them again in the entries themselves.
//! When a generation is complete, its keys are written once, sorted, in the transaction of the entry that completes
//! it; a filter says without reading them that a key is not among them.
//!
//! Always: a key is the first 8 bytes of a SHA-256, and only finds candidates. Who asks compares the whole digest, or
//! the name, with what the entry's row says. Manifests are what others can have in common: a key may lead to many entries. Memory is never ahead of what was committed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{PoisonError, RwLock};

use candor_core::Sha256;
use candor_core::merkle::TreeSize;
use candor_core::record::ReleaseName;
use futures_util::TryStreamExt as _;
use sqlx::{Row as _, SqliteConnection};

use super::json_list;
use crate::storage::StorageError;
use crate::storage::rows::{from_db, sha256_from_db, to_db};

/// How many entries a generation has, as a power of two. More would make starting slower, which reads the entries
/// of the open one, and fewer would make more filters to ask.
const GENERATION_BITS: u32 = 16;

/// A run is in so many rows, so that looking for a key reads a few kilobytes.
const BUCKETS: u64 = 256;

/// The bytes of a key in a run: the key, and its entry's place in the generation.
const ITEM_BYTES: usize = 8 + 2;

/// The first 8 bytes of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(u64);

impl Key {
    pub(super) fn of_statement(statement: Sha256) -> Self {
        let bytes = statement.as_bytes().first_chunk::<8>();
        Self(u64::from_be_bytes(*bytes.expect("32 bytes have a first 8")))
    }

    pub(super) fn of_release(name: &ReleaseName) -> Self {
        Self::of_name(&name.to_string())
    }

    pub(super) fn of_name(name: &str) -> Self {
        Self::of_statement(Sha256::of(name.as_bytes()))
    }

    pub(super) fn of_manifest(manifest: Sha256) -> Self {
        Self::of_statement(manifest)
    }

    fn bucket(self) -> u64 {
        self.0 >> (u64::BITS - BUCKETS.ilog2())
    }
}

/// What finds the entries of an open log.
pub(super) struct Digests(RwLock<State>);

#[derive(Default)]
struct State {
    /// How many entries it covers.
    size: u64,
    /// One for each complete generation.
    filters: Filters,
    /// The keys of the generation that is not complete, and their entries.
    open: BTreeSet<(Key, u64)>,
}

impl State {
    fn add(&mut self, grown: Grown) {
        self.size = grown.size;
        for run in &grown.complete {
            self.filters.push(&run.filter);
        }
        let first = first_open(self.size);
        // They are of one generation, all of them.
        if self.open.first().is_some_and(|(_, index)| *index < first) {
            self.open.clear();
        }
        let open = grown.keys.into_iter().filter(|(_, index)| *index >= first);
        self.open.extend(open);
    }
}

/// The first entry of the generation that is not complete.
fn first_open(size: u64) -> u64 {
    (size >> GENERATION_BITS) << GENERATION_BITS
}

/// What a batch adds.
pub(super) struct Grown {
    size: u64,
    keys: Vec<(Key, u64)>,
    complete: Vec<Run>,
}

/// The keys of a complete generation.
struct Run {
    generation: u64,
    /// Sorted by key.
    keys: Vec<(Key, u64)>,
    filter: Filter,
}

/// Entries that may be what was asked for: some by index, others somewhere in buckets on disk.
#[derive(Default)]
pub(super) struct Candidates {
    entries: Vec<u64>,
    /// Which keys to look for in which bucket.
    buckets: BTreeMap<u64, Vec<Key>>,
}

impl Digests {
    /// Of a log without entries.
    pub(super) fn empty() -> Self {
        Self(RwLock::default())
    }

    /// Takes over what `other` has, which was derived anew.
    pub(super) fn replace(&self, other: Self) {
        let other = other.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other;
    }

    /// Reads the filters, and the entries of the open generation.
    pub(super) async fn load(
        connection: &mut SqliteConnection,
        size: TreeSize,
    ) -> Result<Self, StorageError> {
        let digests = Self::empty();
        digests.reload(connection, size).await?;
        Ok(digests)
    }

    async fn reload(
        &self,
        connection: &mut SqliteConnection,
        size: TreeSize,
    ) -> Result<(), StorageError> {
        let size = size.get();
        let mut state = State {
            size,
            ..State::default()
        };
        let mut rows =
            sqlx::query("SELECT generation, filter FROM digest_filter ORDER BY generation")
                .fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let generation = state.filters.count as u64;
            if from_db(row.try_get(0)?)? != generation {
                let missing = format!("the digest filter of generation {generation} is missing");
                return Err(StorageError::Damaged(missing));
            }
            state.filters.push(&Filter::from_bytes(row.try_get(1)?)?);
        }
        drop(rows);
        if state.filters.count as u64 != size >> GENERATION_BITS {
            let found = state.filters.count;
            let wrong = format!("{found} digest filters do not fit a log of {size} entries");
            return Err(StorageError::Damaged(wrong));
        }
        let first = to_db(first_open(size))?;
        let mut rows = sqlx::query("SELECT idx, statement FROM entry WHERE idx >= ?1")
            .bind(first)
            .fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let key = Key::of_statement(sha256_from_db(row.try_get(1)?)?);
            state.open.insert((key, from_db(row.try_get(0)?)?));
        }
        drop(rows);
        let mut rows = sqlx::query("SELECT first_idx, name FROM release WHERE first_idx >= ?1")
            .bind(first)
            .fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let key = Key::of_name(row.try_get(1)?);
            state.open.insert((key, from_db(row.try_get(0)?)?));
        }
        drop(rows);
        let mut rows = sqlx::query(
            "SELECT idx, subject_sha256 FROM record WHERE kind = 'weights' AND idx >= ?1",
        )
        .bind(first)
        .fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            let key = Key::of_manifest(sha256_from_db(row.try_get(1)?)?);
            state.open.insert((key, from_db(row.try_get(0)?)?));
        }
        drop(rows);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }

    /// Catches up if another program has written to the log.
    pub(super) async fn cover(
        &self,
        connection: &mut SqliteConnection,
        size: TreeSize,
    ) -> Result<(), StorageError> {
        let covered = self.state(|state| state.size);
        if covered == size.get() {
            return Ok(());
        }
        self.reload(connection, size).await
    }

    fn state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many bytes the filters have: 4 for each entry of a complete generation, and room for those of the next ones.
    pub(super) fn filter_bytes(&self) -> u64 {
        self.state(|state| {
            let groups = state.filters.groups.iter();
            groups.map(|group| size_of_val(&**group) as u64).sum()
        })
    }

    /// Where to look for `keys`. To be asked before the transaction's first question: what was committed after
    /// that, it does not see.
    pub(super) fn candidates(&self, keys: impl Iterator<Item = Key>) -> Candidates {
        let keys: HashSet<Key> = keys.collect();
        let mut candidates = Candidates::default();
        self.state(|state| {
            for key in &keys {
                let open = state.open.range((*key, 0)..=(*key, u64::MAX));
                candidates.entries.extend(open.map(|(_, index)| *index));
                for generation in state.filters.that_may_have(*key) {
                    let bucket = generation * BUCKETS + key.bucket();
                    candidates.buckets.entry(bucket).or_default().push(*key);
                }
            }
        });
        candidates
    }

    /// What the entries from `before` to `after` add, whose keys are `keys`.
    pub(super) fn grow(&self, before: TreeSize, after: TreeSize, keys: Vec<(Key, u64)>) -> Grown {
        let generations = before.get() >> GENERATION_BITS..after.get() >> GENERATION_BITS;
        let complete = generations
            .map(|generation| {
                let is_of_it = |(_, index): &&(Key, u64)| *index >> GENERATION_BITS == generation;
                let mut all: Vec<_> =
                    self.state(|state| state.open.iter().filter(is_of_it).copied().collect());
                all.extend(keys.iter().filter(is_of_it));
                all.sort_unstable();
                Run::new(generation, all)
            })
            .collect();
        Grown {
            size: after.get(),
            keys,
            complete,
        }
    }

    /// Takes over what was committed.
    pub(super) fn committed(&self, grown: Grown) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        state.add(grown);
    }
}

impl Grown {
    /// Writes the runs that are complete.
    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), StorageError> {
        for run in &self.complete {
            for (keys, bucket) in run.buckets().iter().zip(0..) {
                sqlx::query("INSERT INTO digest_run (bucket, keys) VALUES (?1, ?2)")
                    .bind(to_db(run.generation * BUCKETS + bucket)?)
                    .bind(keys)
                    .execute(&mut *connection)
                    .await?;
            }
            sqlx::query("INSERT INTO digest_filter (generation, filter) VALUES (?1, ?2)")
                .bind(to_db(run.generation)?)
                .bind(run.filter.to_bytes())
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

impl Run {
    fn new(generation: u64, keys: Vec<(Key, u64)>) -> Self {
        let mut filter = Filter::empty();
        for (key, _) in &keys {
            filter.add(*key);
        }
        Self {
            generation,
            keys,
            filter,
        }
    }

    /// One row for each first byte that a key can have.
    fn buckets(&self) -> Vec<Vec<u8>> {
        let mut buckets = vec![Vec::new(); usize::try_from(BUCKETS).expect("a few")];
        for (key, index) in &self.keys {
            let place = index - (self.generation << GENERATION_BITS);
            let place = u16::try_from(place).expect("a generation has 65,536 entries");
            let bucket = &mut buckets[usize::try_from(key.bucket()).expect("below 256")];
            bucket.extend_from_slice(&key.0.to_be_bytes());
            bucket.extend_from_slice(&place.to_be_bytes());
        }
        buckets
    }
}

impl Candidates {
    /// The indexes of all entries that any of the keys may lead to, as the list that `json_each` takes. `None` if
    /// there are none, which is what most records find.
    pub(super) async fn find(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Option<String>, StorageError> {
        let entries = self.entries(connection).await?;
        Ok((!entries.is_empty()).then(|| json_list(entries.iter())))
    }

    /// The same as numbers, in no order.
    pub(super) async fn entries(
        mut self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<u64>, StorageError> {
        if !self.buckets.is_empty() {
            let mut rows = sqlx::query(
                "SELECT bucket, keys FROM digest_run WHERE bucket IN (SELECT value FROM json_each(?1))",
            )
            .bind(json_list(self.buckets.keys()))
            .fetch(connection);
            while let Some(row) = rows.try_next().await? {
                let (bucket, items) = (from_db(row.try_get(0)?)?, row.try_get(1)?);
                let wanted = self.buckets.get(&bucket).into_iter().flatten();
                let found = wanted.flat_map(|key| entries_of(*key, bucket, items));
                self.entries.extend(found);
            }
        }
        Ok(self.entries)
    }
}

/// The entries of `key`, in a bucket whose sorted `items` are as [`Run::buckets`] writes them.
fn entries_of(key: Key, bucket: u64, items: &[u8]) -> impl Iterator<Item = u64> {
    let first = (bucket / BUCKETS) << GENERATION_BITS;
    let key = key.0.to_be_bytes();
    let (items, _) = items.as_chunks::<ITEM_BYTES>();
    let from = items.partition_point(|item| item.as_slice() < &key[..]);
    let of_key = items[from..]
        .iter()
        .map_while(move |item| item.strip_prefix(&key)?.try_into().ok());
    of_key.map(move |place| first + u64::from(u16::from_be_bytes(place)))
}

/// A split block Bloom filter, as Apache Parquet describes it: a key sets one bit in each of 8 words that are side
/// by side. With 16 bits for each of two keys an entry, some 1 in 1,000 strangers passes; weights have a third, and a log of
/// nothing else some more strangers.
struct Filter(Box<[Block]>);

/// One key's bits are all in one of these.
type Block = [u32; 8];

impl Filter {
    /// 32 bytes each.
    const BLOCKS: usize = 1 << (GENERATION_BITS - 3);

    fn empty() -> Self {
        Self(vec![[0; 8]; Self::BLOCKS].into())
    }

    fn block(key: Key) -> usize {
        // From the high half, as the bits are from the low one.
        let block = ((key.0 >> 32) * Self::BLOCKS as u64) >> 32;
        usize::try_from(block).expect("there are a few thousand")
    }

    fn bits(key: Key) -> Block {
        const SALT: [u32; 8] = [
            0x47b6_137b,
            0x4497_4d91,
            0x8824_ad5b,
            0xa2b7_289d,
            0x7054_95c7,
            0x2df1_424b,
            0x9efc_4947,
            0x5c6b_fb31,
        ];
        let [.., a, b, c, d] = key.0.to_be_bytes();
        let low = u32::from_be_bytes([a, b, c, d]);
        SALT.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
    }

    fn add(&mut self, key: Key) {
        for (word, bit) in self.0[Self::block(key)].iter_mut().zip(Self::bits(key)) {
            *word |= bit;
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let words = self.0.iter().flatten();
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, StorageError> {
        let (words, rest) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let (blocks, more) = words.as_chunks::<8>();
        if !rest.is_empty() || !more.is_empty() || blocks.len() != Self::BLOCKS {
            let wrong = format!("a digest filter has {} bytes", bytes.len());
            return Err(StorageError::Damaged(wrong));
        }
        Ok(Self(blocks.into()))
    }
}

/// How many filters are side by side.
const GROUP: usize = 16;

/// The filters of all complete generations.
///
/// A key is in the same block of each, so the same blocks of several filters are side by side: all of them are asked for
/// each key, and what that costs is waiting for memory.
#[derive(Default)]
struct Filters {
    count: usize,
    /// What is behind the last filter has no bits, and passes nothing.
    groups: Vec<Box<[[Block; GROUP]]>>,
}

impl Filters {
    fn push(&mut self, filter: &Filter) {
        let place = self.count % GROUP;
        if place == 0 {
            let group = vec![[Block::default(); GROUP]; Filter::BLOCKS];
            self.groups.push(group.into());
        }
        let group = self.groups.last_mut().expect("there is one with room");
        for (blocks, block) in group.iter_mut().zip(&filter.0) {
            blocks[place] = *block;
        }
        self.count += 1;
    }

    /// The generations that may have a key: those that do, and few others.
    fn that_may_have(&self, key: Key) -> impl Iterator<Item = u64> {
        let (place, bits) = (Filter::block(key), Filter::bits(key));
        let blocks = self.groups.iter().flat_map(move |group| &group[place]);
        let passes = move |block: &Block| {
            let missing = block.iter().zip(bits);
            missing.fold(0, |all, (word, bit)| all | (bit & !word)) == 0
        };
        let generations = (0_u64..).zip(blocks);
        generations.filter_map(move |(generation, block)| passes(block).then_some(generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        Key::of_statement(Sha256::of(n.to_be_bytes()))
    }

    #[test]
    fn filters_pass_their_own_keys_and_few_strangers() {
        // More than stand side by side.
        let groups = 2 * u32::try_from(GROUP).expect("a few");
        let generations = groups + 3;
        let keys_each = 2 << GENERATION_BITS;
        let mut filters = Filters::default();
        for generation in 0..generations {
            let mut filter = Filter::empty();
            // All but the first and the last few are nearly empty, so that the test does not take long.
            let is_full = generation == 0 || generation >= groups;
            let count = if is_full { keys_each } else { 9 };
            for n in 0..count {
                filter.add(key(generation * keys_each + n));
            }
            filters.push(&Filter::from_bytes(&filter.to_bytes()).expect("a filter"));
        }
        for generation in 0..generations {
            for n in 0..9 {
                let key = key(generation * keys_each + n);
                let mut passed = filters.that_may_have(key);
                assert!(
                    passed.any(|it| it == u64::from(generation)),
                    "{generation} {n}"
                );
            }
        }
        let of_the_first = (0..keys_each).map(|n| filters.that_may_have(key(n)));
        assert!(of_the_first.map(|mut it| it.next()).all(|it| it == Some(0)));
        let strangers = generations * keys_each..(generations + 1) * keys_each;
        let passed: usize = strangers
            .map(|n| filters.that_may_have(key(n)).count())
            .sum();
        assert!(
            passed < 4 * 300,
            "{passed} pairs of {keys_each} strangers and 4 full filters pass"
        );
        Filter::from_bytes(&[0; 32]).err().expect("too short");
    }

    #[test]
    fn a_bucket_has_the_entries_of_its_keys() {
        let generation = 5;
        let first = generation << GENERATION_BITS;
        // Three entries with one key, and the neighbours of that key.
        let [before, twice, behind] = [(7 << 56) - 1, 7 << 56, (7 << 56) + 1].map(Key);
        let mut keys = vec![
            (behind, first + 65_535),
            (twice, first + 300),
            (before, first),
            (twice, first + 1),
            (twice, first + 2),
        ];
        keys.sort_unstable();
        let buckets = Run::new(generation, keys).buckets();
        let entries = |key: Key| {
            let bucket = generation * BUCKETS + key.bucket();
            let items = &buckets[usize::try_from(key.bucket()).expect("below 256")];
            entries_of(key, bucket, items).collect::<Vec<_>>()
        };
        assert_eq!(entries(twice), [first + 1, first + 2, first + 300]);
        assert_eq!(entries(before), [first]);
        assert_eq!(entries(behind), [first + 65_535]);
        assert!(entries(Key(behind.0 + 1)).is_empty());
        assert!(entries(Key(u64::MAX)).is_empty());
    }
}
