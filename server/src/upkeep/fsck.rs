//! Checking a log: everything is derived from its entries once more, and compared with what is stored.
//!
//! ```text
//!             ┌─► records, signatures, keys, rules     a bad entry ends it: nothing follows from that
//! entries ────┼─► tiles, root, what was signed
//!             ├─► documents
//!             └─► views, aside, in a scratch file ──► compared with those in the database
//! ```
//!
//! Always: what is checked is not written to. Of a log that grows meanwhile, the entries are read in short snapshots,
//! and what changes (views, partial tiles) is compared in the last one, which is derived to its end before.
//!
//! Not here: how to mend it. Views and tiles are derived again by `rebuild`; entries come from a backup or a mirror.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use candor_core::merkle::{
    Hash, InclusionProof, LeafHash, LeafIndex, ProofPlan, TILE_WIDTH, Tile, TileIndex, TileLevel,
    TilePath, TileWidth, TreeHead, TreeSize,
};
use candor_core::note::LogKey;
use futures_util::StreamExt as _;
use tempfile::TempDir;

use super::documents::{Bytes, Documents};
use super::{CHUNK, Flaw, Progress, up_to, views};
use crate::own_thread::block;
use crate::replay::{Parsed, Replay};
use crate::storage::snapshot::{Contents, Snapshot, Snapshots};
use crate::storage::sqlite::{Sqlite, SqliteSnapshots};
use crate::storage::{
    Batch, CommitError, EntriesLimit, LogIdentity, NewEntry, Storage as _, StorageError, ending_of,
};
use crate::tree::{GrownTiles, RightEdge};

/// How many flaws are listed. Whoever has more has lost the disk.
const FLAWS_MAX: usize = 100;

/// A check of a log, on its way through the entries.
pub struct Fsck {
    replay: Replay,
    /// The newest tree that the log is known to have signed.
    signed: Option<TreeHead>,
    scratch: Scratch,
    report: FsckReport,
}

/// What was checked, and what is wrong.
#[derive(Debug, Default)]
pub struct FsckReport {
    /// How many entries were derived.
    pub entries: u64,
    /// How many documents were read.
    pub documents: u64,
    /// Whether all of it was checked: what is behind a bad entry was not.
    pub complete: bool,
    /// What is wrong, in the order in which it was found.
    pub flaws: Vec<Flaw>,
    /// How many flaws there are beyond those.
    pub further: u64,
}

/// Why it can't be said whether the log is as it should be.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// The log can't be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// There is no room to derive it.
    #[error(
        "what is derived is kept in a scratch file in {path} meanwhile, and that failed: {error}; name a folder with more room: --scratch DIR"
    )]
    Scratch {
        /// Where.
        path: String,
        /// Why.
        error: String,
    },
}

/// What was derived so far, without entries and documents themselves.
struct Scratch {
    folder: TempDir,
    log: Sqlite,
}

impl Fsck {
    /// Begins the check of a log that has signed a tree with the head `signed`, if that is known. What is derived is
    /// kept in `scratch`, some 500 bytes for each entry.
    pub async fn begin(
        identity: &LogIdentity,
        signed: Option<TreeHead>,
        scratch: &Path,
    ) -> Result<Self, FsckError> {
        Ok(Self {
            replay: Replay::from(RightEdge::empty()),
            signed,
            scratch: Scratch::make(identity, scratch).await?,
            report: FsckReport::default(),
        })
    }

    /// Checks a log in a database.
    pub async fn database(
        mut self,
        source: &dyn Snapshots,
        progress: Progress<'_>,
    ) -> Result<FsckReport, FsckError> {
        for finding in source.check_structure().await? {
            self.add(Flaw::Structure(finding));
        }
        let checked = self.try_database(source, progress).await;
        self.end(checked)
    }

    async fn try_database(
        &mut self,
        source: &dyn Snapshots,
        progress: Progress<'_>,
    ) -> Result<(), FsckError> {
        // What is there now, in short snapshots.
        let until = source.snapshot().await?.head().size;
        while self.size() < until {
            let mut snapshot = source.snapshot().await?;
            if !self.step(&mut *snapshot, until, progress).await? {
                return Ok(());
            }
        }
        // The rest, and all that changes, in one.
        let mut snapshot = source.snapshot().await?;
        let head = snapshot.head();
        while self.size() < head.size {
            if !self.step(&mut *snapshot, head.size, progress).await? {
                return Ok(());
            }
        }
        self.check_head(&mut *snapshot).await?;
        self.check_last_checkpoint(source, head).await?;
        self.check_tile_places(&mut *snapshot).await?;
        let form = source.form();
        let scratch = self.scratch.snapshots().await?;
        let mut derived = scratch.snapshot().await?;
        let mut flaws = Vec::new();
        let mut further = 0;
        let mut add = |flaw| {
            if flaws.len() < FLAWS_MAX {
                flaws.push(flaw);
            } else {
                further += 1;
            }
        };
        views::compare(&mut *snapshot, &mut *derived, form, &mut add).await?;
        views::compare_documents(&mut *snapshot, &mut *derived, &mut add).await?;
        for flaw in flaws {
            self.add(flaw);
        }
        self.report.further += further;
        self.report.complete = true;
        Ok(())
    }

    /// Checks a log that is files.
    pub async fn files(
        mut self,
        contents: &mut dyn Contents,
        progress: Progress<'_>,
    ) -> Result<FsckReport, FsckError> {
        let checked = self.try_files(contents, progress).await;
        self.end(checked)
    }

    async fn try_files(
        &mut self,
        contents: &mut dyn Contents,
        progress: Progress<'_>,
    ) -> Result<(), FsckError> {
        let head = contents.head();
        while self.size() < head.size {
            if !self.step(contents, head.size, progress).await? {
                return Ok(());
            }
        }
        self.check_head(contents).await?;
        self.report.complete = true;
        Ok(())
    }

    /// The report. What can't be read because it is damaged is a flaw, and no failure.
    fn end(mut self, checked: Result<(), FsckError>) -> Result<FsckReport, FsckError> {
        match checked {
            Ok(()) => {}
            Err(FsckError::Storage(error)) if error.is_damage() => {
                self.add(Flaw::Unreadable(error.to_string()));
            }
            Err(error) => return Err(error),
        }
        self.report.entries = self.size().get();
        Ok(self.report)
    }

    fn size(&self) -> TreeSize {
        self.replay.edge().head().size
    }

    fn add(&mut self, flaw: Flaw) {
        if self.report.flaws.len() < FLAWS_MAX {
            self.report.flaws.push(flaw);
        } else {
            self.report.further += 1;
        }
    }

    /// Checks the next entries of those before `until`. Returns whether anything can follow from them.
    async fn step(
        &mut self,
        contents: &mut dyn Contents,
        until: TreeSize,
        progress: Progress<'_>,
    ) -> Result<bool, FsckError> {
        let size = self.size();
        let first = LeafIndex::new(size.get());
        // A step ends where the signed tree does, to compare the two.
        let end = match self.signed {
            Some(signed) if signed.size > size => signed.size.min(until),
            _ => until,
        };
        let entries = contents.entries(first, up_to(end, size, CHUNK)).await?;
        if entries.is_empty() {
            self.add(Flaw::MissingEntry(first));
            return Ok(false);
        }
        let parsed = match block(|| Parsed::of(first, entries)) {
            Ok(parsed) => parsed,
            Err(bad) => {
                self.add(bad.into());
                return Ok(false);
            }
        };
        for index in parsed.wrong_statements() {
            self.add(Flaw::Statement(index));
        }
        let known = self.scratch.log.known(&parsed.questions()).await;
        let known = known.map_err(|error| self.scratch.failed(&error))?;
        let named = parsed.new_documents(&known);
        self.report.documents += named.len() as u64;
        let documents = Documents::read(contents, named, Bytes::Dropped).await?;
        for flaw in documents.flaws {
            self.add(flaw);
        }
        let batch = match self.replay.plan(parsed, known, documents.read) {
            Ok(batch) => batch,
            Err(bad) => {
                self.add(bad.into());
                return Ok(false);
            }
        };
        let is_last = batch.after.size == contents.head().size;
        if !self.check_tiles(contents, &batch.tiles, is_last).await? {
            return Ok(false);
        }
        if self
            .signed
            .is_some_and(|signed| signed.size == batch.after.size && signed != batch.after)
        {
            self.add(Flaw::OtherHistory(batch.after.size));
        }
        progress(batch.after.size.get(), until.get());
        self.scratch.keep(batch).await?;
        Ok(true)
    }

    /// Compares tiles with those that are stored: those that are full, and at the end of the log the others too. Returns
    /// whether the entries that they were made from are the right ones.
    async fn check_tiles(
        &mut self,
        contents: &mut dyn Contents,
        tiles: &GrownTiles,
        is_last: bool,
    ) -> Result<bool, FsckError> {
        let comparable: HashMap<TilePath, &Tile> = tiles
            .iter()
            .filter(|(_, _, tile)| is_last || tile.hashes().len() == usize::from(TILE_WIDTH))
            .map(|(level, index, tile)| (path_of(*level, *index, tile), tile))
            .collect();
        let mut paths: Vec<TilePath> = comparable.keys().copied().collect();
        paths.sort_by_key(|path| (path.level.get(), path.index.get()));
        let stored = contents.tiles(&paths).await?;
        for path in paths {
            let derived = comparable[&path].hashes();
            let Some(tile) = stored.get(&path) else {
                self.add(Flaw::MissingTile(path));
                continue;
            };
            let differ = |(found, derived): (&Hash, &Hash)| found != derived;
            let Some(place) = tile.hashes().iter().zip(derived).position(differ) else {
                continue;
            };
            if path.level.get() > 0 {
                self.add(Flaw::Tile { path, place });
                continue;
            }
            let index = LeafIndex::new(path.index.get() * u64::from(TILE_WIDTH) + place as u64);
            let flaw = self.judge(contents, path, index, derived[place], tile.hashes()[place]);
            let flaw = flaw.await?;
            let is_of_tile = matches!(flaw, Flaw::Tile { .. });
            self.add(flaw);
            if !is_of_tile {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it is the entry at `index` that was changed, or its hash in the tile: what leads to the root that was
    /// signed, by the other tiles, is right.
    async fn judge(
        &self,
        contents: &mut dyn Contents,
        path: TilePath,
        index: LeafIndex,
        derived: Hash,
        stored: Hash,
    ) -> Result<Flaw, StorageError> {
        let signed = self
            .signed
            .filter(|signed| signed.size.leaf(index).is_some());
        let head = signed.unwrap_or_else(|| contents.head());
        let unclear = Flaw::EntryOrTile { index, path };
        let Some(at) = head.size.leaf(index) else {
            return Ok(unclear);
        };
        let plan = ProofPlan::inclusion(at);
        let tiles = contents.tiles(&plan.tiles()).await?;
        let Ok(hashes) = plan.hashes(&tiles) else {
            return Ok(unclear);
        };
        let proof = InclusionProof { at, path: hashes };
        let leads_to_root = |hash| proof.verify(LeafHash::from_tile(hash), &head).is_ok();
        Ok(match (leads_to_root(derived), leads_to_root(stored)) {
            (true, _) => Flaw::Tile {
                path,
                place: usize::try_from(index.get() % u64::from(TILE_WIDTH)).expect("below 256"),
            },
            (false, true) => Flaw::OtherEntry(index),
            (false, false) => unclear,
        })
    }

    /// Compares the tree with the one on record and the one that was signed.
    async fn check_head(&mut self, contents: &mut dyn Contents) -> Result<(), FsckError> {
        let (derived, found) = (self.replay.edge().head(), contents.head());
        if derived != found {
            let expected = derived.root;
            self.add(Flaw::Head { found, expected });
        }
        if let Some(signed) = self.signed
            && signed.size > found.size
        {
            self.add(Flaw::Behind {
                found: found.size,
                signed: signed.size,
            });
        }
        let behind = LeafIndex::new(found.size.get());
        let one = EntriesLimit { items: 1, ..CHUNK };
        if !contents.entries(behind, one).await?.is_empty() {
            self.add(Flaw::EntryBehind(behind));
        }
        Ok(())
    }

    /// Checks that a log that is closed ends with its last checkpoint.
    async fn check_last_checkpoint(
        &mut self,
        source: &dyn Snapshots,
        head: TreeHead,
    ) -> Result<(), FsckError> {
        let Some(ending) = source.ending().await? else {
            return Ok(());
        };
        let key = LogKey::from(source.identity().await?.key);
        let Err(error) = ending_of(&ending, &key, head) else {
            return Ok(());
        };
        let StorageError::Damaged(wrong) = error else {
            return Err(error.into());
        };
        self.add(Flaw::LastCheckpoint(wrong));
        Ok(())
    }

    /// Looks for tiles that the tree does not have, and for those that are longer than they can be. What is missing was
    /// found where it is compared.
    async fn check_tile_places(&mut self, snapshot: &mut dyn Snapshot) -> Result<(), FsckError> {
        let size = snapshot.head().size;
        let mut extra = Vec::new();
        let mut places = snapshot.tile_places();
        while let Some(place) = places.next().await.transpose()? {
            let path = TilePath::in_tree(place.level, place.index, size);
            if path.is_none_or(|path| place.bytes > 32 * u64::from(path.width.get())) {
                extra.push(format!(
                    "the tile {} of level {}, with {} bytes",
                    place.index.get(),
                    place.level.get(),
                    place.bytes
                ));
            }
        }
        drop(places);
        for tile in extra {
            self.add(Flaw::ExtraTile(tile));
        }
        Ok(())
    }
}

fn path_of(level: TileLevel, index: TileIndex, tile: &Tile) -> TilePath {
    let width = u16::try_from(tile.hashes().len()).ok();
    TilePath {
        level,
        index,
        width: width.and_then(TileWidth::new).expect("1 to 256"),
    }
}

impl Scratch {
    async fn make(identity: &LogIdentity, folder: &Path) -> Result<Self, FsckError> {
        let failed = |error: String| FsckError::Scratch {
            path: folder.display().to_string(),
            error,
        };
        let made: io::Result<TempDir> = tempfile::Builder::new()
            .prefix(".candor-fsck-")
            .tempdir_in(folder);
        let folder = made.map_err(|error| failed(error.to_string()))?;
        let log = Sqlite::scratch(&folder.path().join("log.db"), identity).await;
        Ok(Self {
            log: log.map_err(|error| failed(error.to_string()))?,
            folder,
        })
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> FsckError {
        FsckError::Scratch {
            path: self.folder.path().display().to_string(),
            error: error.to_string(),
        }
    }

    /// Keeps what follows from a batch.
    async fn keep(&self, batch: Batch) -> Result<(), FsckError> {
        let placeholder = candor_core::merkle::Entry::new(vec![0]).expect("it is short");
        let entries = batch.entries.iter().map(|new| NewEntry {
            entry: placeholder.clone(),
            ..new.clone()
        });
        let batch = Batch {
            entries: entries.collect(),
            tiles: Vec::new(),
            ..batch
        };
        let turn = self.log.turn().await.map_err(|error| self.failed(&error))?;
        let committed = turn.commit(&batch).await;
        committed.map_err(|error: CommitError| self.failed(&error))
    }

    async fn snapshots(&self) -> Result<SqliteSnapshots, FsckError> {
        let opened = SqliteSnapshots::open(&self.folder.path().join("log.db")).await;
        opened.map_err(|error| self.failed(&error))
    }
}
