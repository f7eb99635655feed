//! Talks to one log, and believes nothing that its key and its tree do not bear out.
//!
//! ```text
//! GET /checkpoint ──log key──► SignedCheckpoint ─┐
//! GET /tile/…     ──ProofPlan──► proof ──────────┼──verify──► ProvenEntry
//! GET /tile/entries/… ──► entry ─────────────────┘
//! ```
//!
//! Always: proofs are built here from tiles and verified against a checkpoint whose signature was checked;
//! the log's own proofs are never asked for. Every answer has a size limit.
//!
//! Not here: what was seen before ([`crate::memory`]), who may sign what (core, through [`crate::replay`]).

mod error;
mod manifests;
mod static_log;
mod url;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use candor_core::merkle::{
    ConsistencyProof, ENTRY_BYTES_MAX, Entry, EntryBundle, EntryBundlePath, Hash, InclusionProof,
    LeafHash, LeafIndex, ProofPlan, TILE_WIDTH, Tile, TileIndex, TilePath, TileWidth, TreeHead,
    TreeSize,
};
use candor_core::note::{Checkpoint, CheckpointError, LogKey, NOTE_BYTES_MAX};
use candor_core::record::{ModelName, PublisherName, ReleaseName};
use candor_core::{Sha256, Verified};
use serde::de::DeserializeOwned;

use crate::api::{
    ComparisonView, ModelView, ModelsView, PublishedView, PublisherView, PublishersView,
    RecordView, RecordsView, ReleaseView,
};
use crate::problem::Problem;
use crate::transport::{Request, RequestBody, Response, Transport};
pub use error::LogError;
use static_log::Index;
pub use static_log::Progress;
pub use url::{LogUrl, query_value};

/// A full tile: 256 hashes of 32 bytes.
const TILE_BYTES_MAX: usize = TILE_WIDTH as usize * 32;

/// A full entry bundle of the longest entries, each behind its length.
const ENTRY_BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + ENTRY_BYTES_MAX);

/// A JSON view: a release with 256 evaluations of 64 KiB each, statements spelled out, is 16 MiB.
const VIEW_BYTES_MAX: usize = 32 << 20;

/// The most items of one list: who has more to say about one release of their own has to be followed in the log.
const ITEMS_MAX: usize = 20_000;

/// How many records are asked for at once: the most that a log gives.
const PAGE_ITEMS: usize = 500;

/// The most tiles that are kept in memory: 32 MiB of them.
const TILES_KEPT_MAX: usize = 4096;

/// The most entry bundles that are kept in memory; at worst 16 MiB each.
const ENTRY_BUNDLES_KEPT_MAX: usize = 8;

/// How often a log that says to be overloaded is asked again.
const RETRIES_MAX: u32 = 4;

/// The longest wait between two tries, whatever the log asks for.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(15);

/// A log: where it is, and the key that everything it says is held against.
pub struct LogClient {
    base: LogUrl,
    key: LogKey,
    transport: Box<dyn Transport>,
    tiles: Mutex<HashMap<TilePath, Tile>>,
    entry_bundles: Mutex<HashMap<EntryBundlePath, EntryBundle>>,
    /// The checkpoint that came last.
    newest: Mutex<Option<SignedCheckpoint>>,
    /// What all entries say, of a log that is files alone.
    index: Mutex<Option<Index>>,
    /// The folder where that is kept.
    cache: Option<PathBuf>,
    /// Who is shown how far it has come.
    progress: Option<Progress>,
    /// Whether records are to be sent.
    is_for_writing: bool,
}

/// A checkpoint whose signature was checked, and its text as the log signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The signed note.
    pub text: String,
    /// What it says.
    pub checkpoint: Verified<Checkpoint>,
}

/// An entry that was shown to stand at its index in a checkpoint's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEntry {
    /// Where it stands.
    pub index: LeafIndex,
    /// Its bytes.
    pub entry: Entry,
}

impl SignedCheckpoint {
    /// Checks the log's signature.
    pub fn verify(text: String, key: &LogKey) -> Result<Self, CheckpointError> {
        let checkpoint = key.verify_checkpoint(text.as_bytes())?;
        Ok(Self { text, checkpoint })
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    /// How many entries the tree has.
    pub fn size(&self) -> TreeSize {
        self.checkpoint.head.size
    }
}

impl LogClient {
    /// A client of the log at `base` with the key `key`.
    pub fn new(base: LogUrl, key: LogKey, transport: Box<dyn Transport>) -> Self {
        Self {
            base,
            key,
            transport,
            tiles: Mutex::default(),
            entry_bundles: Mutex::default(),
            newest: Mutex::default(),
            index: Mutex::default(),
            cache: None,
            progress: None,
            is_for_writing: false,
        }
    }

    /// Keeps what it learns of a log that is files alone in the folder `dir`, which is made when it is needed.
    #[must_use]
    pub fn with_cache(mut self, dir: PathBuf) -> Self {
        self.cache = Some(dir);
        self
    }

    /// Shows how far it has come while it reads all entries.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// For sending records: of a log that is files alone, nothing more is read before it says that it takes none.
    #[must_use]
    pub fn for_writing(mut self) -> Self {
        self.is_for_writing = true;
        self
    }

    /// The key that the log is held to.
    pub fn key(&self) -> &LogKey {
        &self.key
    }

    /// Where the log is.
    pub fn base(&self) -> &LogUrl {
        &self.base
    }

    /// The newest checkpoint, its signature checked. It has not been held against earlier ones: that is
    /// what [`crate::memory::Memory::advance`] does.
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, LogError> {
        let bytes = self.fetch("checkpoint", NOTE_BYTES_MAX)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| self.bad_answer("checkpoint", "it is not UTF-8"))?;
        let checkpoint = SignedCheckpoint::verify(text, &self.key)?;
        *locked(&self.newest) = Some(checkpoint.clone());
        Ok(checkpoint)
    }

    /// A tile, which nothing vouches for until a proof from it holds.
    pub fn tile(&self, path: TilePath) -> Result<Tile, LogError> {
        if let Some(tile) = locked(&self.tiles).get(&path) {
            return Ok(tile.clone());
        }
        let full = TilePath {
            width: TileWidth::FULL,
            ..path
        };
        let (bytes, served) = self.fetch_or_full(
            [
                (path.to_string(), path.width),
                (full.to_string(), full.width),
            ],
            TILE_BYTES_MAX,
        )?;
        let mut tile = Tile::parse(&bytes, served)
            .map_err(|e| self.bad_answer(&path.to_string(), &e.to_string()))?;
        if served != path.width {
            tile = Tile::new(tile.hashes()[..path.width.count()].to_vec())
                .expect("a width is at least 1");
        }
        let mut tiles = locked(&self.tiles);
        if tiles.len() >= TILES_KEPT_MAX {
            tiles.clear();
        }
        tiles.insert(path, tile.clone());
        Ok(tile)
    }

    /// An entry bundle, which nothing vouches for until its entries are proven.
    pub fn entry_bundle(&self, path: EntryBundlePath) -> Result<EntryBundle, LogError> {
        if let Some(bundle) = locked(&self.entry_bundles).get(&path) {
            return Ok(bundle.clone());
        }
        let bundle = self.fetch_entry_bundle(path)?;
        let mut bundles = locked(&self.entry_bundles);
        if bundles.len() >= ENTRY_BUNDLES_KEPT_MAX {
            bundles.clear();
        }
        bundles.insert(path, bundle.clone());
        Ok(bundle)
    }

    fn fetch_entry_bundle(&self, path: EntryBundlePath) -> Result<EntryBundle, LogError> {
        let full = EntryBundlePath {
            width: TileWidth::FULL,
            ..path
        };
        let (bytes, served) = self.fetch_or_full(
            [
                (path.to_string(), path.width),
                (full.to_string(), full.width),
            ],
            ENTRY_BUNDLE_BYTES_MAX,
        )?;
        let mut bundle = EntryBundle::parse(&bytes, served)
            .map_err(|e| self.bad_answer(&path.to_string(), &e.to_string()))?;
        if served != path.width {
            let mut entries = bundle.into_entries();
            entries.truncate(path.width.count());
            bundle = EntryBundle::new(entries).expect("a width is 1 to 256");
        }
        Ok(bundle)
    }

    /// Forgets what was fetched, so that it is fetched again.
    pub fn forget_tiles(&self) {
        locked(&self.tiles).clear();
        locked(&self.entry_bundles).clear();
    }

    /// The entry at `index`, proven to be in the checkpoint's tree.
    pub fn entry(
        &self,
        index: LeafIndex,
        checkpoint: &SignedCheckpoint,
    ) -> Result<ProvenEntry, LogError> {
        Ok(self.entry_and_proof(index, checkpoint)?.0)
    }

    /// The entry at an index that the log named, with its proof.
    pub fn listed_entry(
        &self,
        index: LeafIndex,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(ProvenEntry, Vec<Hash>), LogError> {
        self.entry_and_proof(index, checkpoint)
            .map_err(|error| match error {
                LogError::NoSuchEntry { index, size } => LogError::ListedPastEnd { index, size },
                error => error,
            })
    }

    /// The same as [`LogClient::entry`], with the inclusion proof's hashes.
    pub fn entry_and_proof(
        &self,
        index: LeafIndex,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(ProvenEntry, Vec<Hash>), LogError> {
        let size = checkpoint.size();
        let at = size
            .leaf(index)
            .ok_or(LogError::NoSuchEntry { index, size })?;
        let bundle = TileIndex::new(index.get() / u64::from(TILE_WIDTH));
        let bundle = EntryBundlePath::in_tree(bundle, size)
            .expect("the bundle of an entry inside the tree is inside the tree");
        let entry = self.entry_bundle(bundle)?.entries()[EntryBundle::offset(index)].clone();
        let path = self.hashes(&ProofPlan::inclusion(at))?;
        let proof = InclusionProof { at, path };
        proof
            .verify(LeafHash::of(&entry), &checkpoint.head())
            .map_err(|error| LogError::NotInTree { index, error })?;
        Ok((ProvenEntry { index, entry }, proof.path))
    }

    /// A consistency proof made of the log's tiles. It proves nothing until it is verified against both heads.
    pub fn consistency(&self, old: TreeSize, new: TreeSize) -> Result<ConsistencyProof, LogError> {
        let plan = ProofPlan::consistency(old, new)
            .map_err(|e| self.bad_answer("checkpoint", &e.to_string()))?;
        Ok(ConsistencyProof {
            old,
            new,
            path: self.hashes(&plan)?,
        })
    }

    /// Computes what is planned from tiles.
    pub fn hashes(&self, plan: &ProofPlan) -> Result<Vec<Hash>, LogError> {
        let tiles = plan
            .tiles()
            .into_iter()
            .map(|path| Ok((path, self.tile(path)?)))
            .collect::<Result<HashMap<_, _>, LogError>>()?;
        Ok(plan
            .hashes(&tiles)
            .expect("each planned tile was fetched with its width"))
    }

    /// A page of records, newest first. `path` is the first page's, or `next` of the page before.
    pub fn records_page(&self, path: &str) -> Result<RecordsView, LogError> {
        self.view(self.page_path(path)?)
    }

    /// The record with this statement digest.
    pub fn record_by_statement(&self, statement: Sha256) -> Result<RecordView, LogError> {
        self.view(&format!("api/v1/records/{statement}"))
    }

    /// A page of publishers.
    pub fn publishers_page(&self, path: &str) -> Result<PublishersView, LogError> {
        self.view(self.page_path(path)?)
    }

    /// One publisher. Its history is in order, and each entry is there once.
    pub fn publisher(&self, name: &PublisherName) -> Result<PublisherView, LogError> {
        let path = format!("api/v1/publishers/{name}");
        let mut publisher: PublisherView = self.view(&path)?;
        while let Some(next) = publisher.next.take() {
            let page: PublisherView = self.view(self.page_path(&next)?)?;
            self.check_page(&path, publisher.history.len(), page.history.len())?;
            publisher.history.extend(page.history);
            publisher.next = page.next;
        }
        self.check_length(&path, publisher.history.len())?;
        publisher.history.sort_unstable();
        publisher.history.dedup();
        Ok(publisher)
    }

    /// A page of models.
    pub fn models_page(&self, path: &str) -> Result<ModelsView, LogError> {
        self.view(self.page_path(path)?)
    }

    /// One model, with all of its releases.
    pub fn model(&self, name: &ModelName) -> Result<ModelView, LogError> {
        let path = format!("api/v1/models/{name}");
        let mut model: ModelView = self.view(&path)?;
        while let Some(next) = model.next.take() {
            let page: ModelView = self.view(self.page_path(&next)?)?;
            self.check_page(&path, model.releases.len(), page.releases.len())?;
            model.releases.extend(page.releases);
            model.next = page.next;
        }
        Ok(model)
    }

    /// What the log says of a release as a whole. Its records come in pages, which are asked for elsewhere.
    pub fn release(&self, name: &ReleaseName) -> Result<ReleaseView, LogError> {
        self.view(&format!("api/v1/releases/{name}?limit=1"))
    }

    /// Every record about `release` by `publisher`, newest first. What others say of it does not count.
    pub fn records_by(
        &self,
        release: &ReleaseName,
        publisher: &PublisherName,
    ) -> Result<Vec<RecordView>, LogError> {
        let first = format!("{}&publisher={publisher}", records_about(release));
        let mut rows = Vec::new();
        let mut next = Some(first.clone());
        while let Some(path) = next {
            let page = self.records_page(&path)?;
            if !rows.is_empty() || page.next.is_some() {
                self.check_page(&first, rows.len(), page.records.len())?;
            }
            rows.extend(page.records);
            next = page.next;
        }
        Ok(rows)
    }

    /// Who did not find what was claimed of `release`, by the log's list, which has each of them once: however much else
    /// one of them publishes, it pushes nobody off.
    pub fn failures(&self, release: &ReleaseName) -> Result<ComparisonView, LogError> {
        self.view(&format!("api/v1/releases/{release}/evaluations"))
    }

    /// The newest records about `release`, by whomever, until `is_enough` of those that were read so far. Says besides
    /// whether the log has more.
    pub fn newest_records(
        &self,
        release: &ReleaseName,
        is_enough: impl Fn(&[RecordView]) -> bool,
    ) -> Result<(Vec<RecordView>, bool), LogError> {
        let mut rows = Vec::new();
        let mut next = Some(records_about(release));
        while let Some(path) = next.take() {
            let page = self.records_page(&path)?;
            // A page without rows would have us ask for ever.
            next = page.next.filter(|_| !page.records.is_empty());
            rows.extend(page.records);
            if is_enough(&rows) {
                break;
            }
        }
        Ok((rows, next.is_some()))
    }

    /// Pages that lead on bring something, and end.
    fn check_page(&self, path: &str, before: usize, items: usize) -> Result<(), LogError> {
        if items == 0 {
            return Err(self.bad_answer(path, "it names a next page that is empty"));
        }
        self.check_length(path, before + items)
    }

    fn check_length(&self, path: &str, items: usize) -> Result<(), LogError> {
        if items > ITEMS_MAX {
            let reason = format!("its list has over {ITEMS_MAX} items, and does not end");
            return Err(self.bad_answer(path, &reason));
        }
        Ok(())
    }

    /// An attachment, whose bytes are what the digest says.
    pub fn attachment(&self, sha256: Sha256, bytes_max: usize) -> Result<Vec<u8>, LogError> {
        let bytes = self.fetch(&format!("api/v1/attachments/{sha256}"), bytes_max)?;
        let found = Sha256::of(&bytes);
        if found == sha256 {
            Ok(bytes)
        } else {
            Err(LogError::Attachment {
                asked: sha256,
                found,
            })
        }
    }

    /// Sends records. What comes back is for the caller to verify ([`crate::publish`]).
    pub fn send_records(&self, body: &RequestBody) -> Result<PublishedView, LogError> {
        let path = "api/v1/records";
        match self.ask(path, Some(body), VIEW_BYTES_MAX) {
            Ok(answer) => self.read_json(path, &answer),
            Err(error) if error.is_no_answer_of_a_log() => {
                self.require_server()?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether what was asked so far was answered from all entries of the log, as of files alone, and not from lists
    /// that nobody can prove to be complete.
    pub fn has_all_entries(&self) -> bool {
        locked(&self.index).is_some()
    }

    fn view<T: DeserializeOwned>(&self, path: &str) -> Result<T, LogError> {
        if locked(&self.index).is_some() {
            return self.answer_from_entries(path);
        }
        match self.fetch(path, VIEW_BYTES_MAX) {
            Ok(body) => self.read_json(path, &body),
            Err(error) if error.is_missing_file() && self.has_no_api()? => {
                if self.is_for_writing {
                    return Err(self.read_only());
                }
                self.answer_from_entries(path)
            }
            Err(error) => Err(error),
        }
    }

    fn read_json<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, LogError> {
        serde_json::from_slice(body).map_err(|e| self.bad_answer(path, &e.to_string()))
    }

    /// Pages name the next one; only paths of this API are followed.
    fn page_path<'a>(&self, path: &'a str) -> Result<&'a str, LogError> {
        path.strip_prefix('/')
            .filter(|path| path.starts_with("api/v1/"))
            .filter(|path| path.bytes().all(|b| b.is_ascii_graphic()))
            .ok_or_else(|| {
                self.bad_answer("api/v1", "it names a next page that is none of the API's")
            })
    }

    fn fetch(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, LogError> {
        self.ask(path, None, bytes_max)
    }

    /// Fetches a partial tile or bundle. A log may drop those once the full one is there, so that is tried
    /// second (C2SP `tlog-tiles`, "Partial Tiles").
    fn fetch_or_full(
        &self,
        [partial, full]: [(String, TileWidth); 2],
        bytes_max: usize,
    ) -> Result<(Vec<u8>, TileWidth), LogError> {
        match self.fetch(&partial.0, bytes_max) {
            Ok(bytes) => Ok((bytes, partial.1)),
            // Tiles may be plain files behind any server, which has words of its own for what is not there.
            Err(error)
                if (error.is_absence() || error.is_missing_file()) && !partial.1.is_full() =>
            {
                // If neither is there, the first error names what was needed.
                let bytes = self.fetch(&full.0, bytes_max).map_err(|_| error)?;
                Ok((bytes, full.1))
            }
            Err(error) => Err(error),
        }
    }

    /// Asks, and asks again while the log says to be overloaded.
    fn ask(
        &self,
        path: &str,
        body: Option<&RequestBody>,
        answer_bytes_max: usize,
    ) -> Result<Vec<u8>, LogError> {
        let url = format!("{}/{path}", self.base);
        let request = Request {
            url: &url,
            body,
            answer_bytes_max,
        };
        let mut tries = 0;
        loop {
            let answer = self.transport.send(&request)?;
            let overloaded = answer.status == 503;
            match answer.retry_after {
                Some(wait) if overloaded && tries < RETRIES_MAX => {
                    self.transport.wait(wait.min(RETRY_WAIT_MAX));
                    tries += 1;
                }
                _ => return read_status(url, answer),
            }
        }
    }

    fn bad_answer(&self, path: &str, reason: &str) -> LogError {
        LogError::Answer {
            url: format!("{}/{path}", self.base),
            reason: reason.to_owned(),
        }
    }
}

/// The first page of records about `release`.
fn records_about(release: &ReleaseName) -> String {
    format!(
        "/api/v1/records?limit={PAGE_ITEMS}&subject={}",
        query_value(release)
    )
}

/// The body of a success, or the error that the status means.
fn read_status(url: String, answer: Response) -> Result<Vec<u8>, LogError> {
    let status = answer.status;
    if matches!(status, 200 | 201) {
        return Ok(answer.body);
    }
    let is_problem = answer.content_type.starts_with("application/problem+json");
    let problem = is_problem
        .then(|| Problem::parse(status, &answer.body))
        .flatten();
    Err(match problem {
        Some(problem) if status != 404 || problem.is_absence() => {
            LogError::Problem(Box::new(problem))
        }
        Some(_) | None if status == 404 => LogError::NotALog { url },
        Some(_) | None => LogError::Status { url, status },
    })
}

/// A panic while a cache was held leaves a cache, so the poison does not matter.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
