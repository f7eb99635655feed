//! Released trees: what readers may see.
//!
//! ```text
//! sequencer ── committed and signed ─────────────────────┐
//!                                                        ├──► kept on stable storage ──► shown
//! peers ── released by another server ──► verified ──────┘               │
//!                                                                        └──► peers are told
//! ```
//!
//! Always: a tree that is shown extends every tree that was shown before, and is kept first ([`LastSigned`]), so
//! neither this server nor the next start of it can come to show a second history. What another server on the same
//! database released is held against the log's key and against the tree that was shown last, as a client would:
//! a database that was set back, or filled from elsewhere, ends the server.

use std::sync::Arc;
use std::time::Duration;

use candor_core::Verified;
use candor_core::merkle::{ConsistencyProof, LeafIndex, ProofPlan, TreeHead};
use candor_core::note::{Checkpoint, CheckpointError, LogKey, Retirement};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tracing::warn;

use crate::failpoint::failpoint;
use crate::last_signed::{LastSigned, LastSignedError};
use crate::own_thread::block;
use crate::storage::{Peers, Storage, StorageError};
use crate::tree::RightEdge;

/// How often the others are asked what they released when nobody here wants to know.
const FOLLOW_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait before asking again for a tree that is committed and not released yet.
const RELEASE_PAUSE: Duration = Duration::from_millis(20);

/// How many readers wait for an answer of the others at a time, without waiting to ask.
const READERS_MAX: usize = 1_024;

/// A tree that is committed and signed: what readers may see.
#[derive(Clone, Debug)]
pub struct Released {
    /// Its size and root.
    pub head: TreeHead,
    /// The signed checkpoint.
    pub checkpoint: String,
    verified: Verified<Checkpoint>,
}

impl Released {
    /// The tree of a checkpoint of the log with `key`.
    pub fn of(checkpoint: String, key: &LogKey) -> Result<Self, CheckpointError> {
        let verified = key.verify_checkpoint(checkpoint.as_bytes())?;
        Ok(Self {
            head: verified.head,
            checkpoint,
            verified,
        })
    }

    /// Whether the log ends with it, and where it goes on.
    pub fn retirement(&self) -> Option<&Retirement> {
        self.verified.retirement.as_ref()
    }

    /// Its checkpoint.
    pub fn verified(&self) -> &Verified<Checkpoint> {
        &self.verified
    }

    /// Puts its checkpoint on stable storage.
    pub fn keep_in(&self, kept: &mut LastSigned) -> Result<(), LastSignedError> {
        kept.write(&self.verified, &self.checkpoint)
    }

    /// Whether it comes behind `other`: it has a larger tree, or is the last word on the same.
    fn is_behind(&self, other: &Self) -> bool {
        self.verified.rank() > other.verified.rank()
    }
}

/// Why a tree is not shown, and none after it.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// It can't be kept, or is not the one that was kept.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
    /// What another server is said to have released is not this log's.
    #[error(
        "the database holds a checkpoint that another server of this log released, and it is none: {0}"
    )]
    NotOurs(#[from] CheckpointError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Where trees are released: for the sequencer, and for the one who follows the other servers.
pub struct Releases {
    storage: Arc<dyn Storage>,
    key: LogKey,
    kept: Mutex<LastSigned>,
    shown: watch::Sender<Arc<Released>>,
}

/// Where readers look.
#[derive(Clone)]
pub struct Shown {
    released: watch::Receiver<Arc<Released>>,
    /// Asks what the other servers released, if there are any.
    ask: Option<mpsc::Sender<oneshot::Sender<()>>>,
}

/// Asks the other servers on behalf of readers.
pub struct Follower {
    releases: Arc<Releases>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
}

impl Releases {
    /// Begins with `first`, which `kept` holds, and tells the others of it.
    pub async fn begin(
        storage: Arc<dyn Storage>,
        key: LogKey,
        kept: LastSigned,
        first: Released,
    ) -> (Arc<Self>, Shown, Option<Follower>) {
        if let Some(peers) = storage.peers() {
            tell(peers, &first).await;
        }
        let is_shared = storage.peers().is_some();
        let (shown, receiver) = watch::channel(Arc::new(first));
        let releases = Arc::new(Self {
            storage,
            key,
            kept: Mutex::new(kept),
            shown,
        });
        let (ask, asked) = mpsc::channel(READERS_MAX);
        let follower = is_shared.then(|| Follower {
            releases: Arc::clone(&releases),
            asked,
        });
        let shown = Shown {
            released: receiver,
            ask: is_shared.then_some(ask),
        };
        (releases, shown, follower)
    }

    /// The tree that is shown.
    pub fn newest(&self) -> Arc<Released> {
        Arc::clone(&self.shown.borrow())
    }

    /// Shows a tree that is committed and signed here, and tells the others. After an error, it can be tried again.
    pub async fn release(&self, released: Released) -> Result<(), LastSignedError> {
        let mut kept = self.kept.lock().await;
        // Another server may have added to it since, and released that.
        if !released.is_behind(&self.newest()) {
            return Ok(());
        }
        keep(&mut kept, &released)?;
        failpoint("kept");
        if let Some(peers) = self.storage.peers() {
            tell(peers, &released).await;
        }
        self.shown.send_replace(Arc::new(released));
        Ok(())
    }

    /// Checks that the tree in storage, whose head was `head` in this turn, extends the one that was kept last.
    pub async fn check(&self, head: TreeHead) -> Result<(), LastSignedError> {
        // Nothing that is newer is kept meanwhile.
        let kept = self.kept.lock().await;
        let storage = self.storage.as_ref();
        match kept.check(storage, head).await {
            // Either the database was set back; or this server stood still in its turn and lost it, and what another
            // one has written since was kept: then the database has that now.
            Err(LastSignedError::Behind { .. }) => {
                let now = storage.head().await?;
                RightEdge::at(now, storage).await?;
                kept.check(storage, now).await?;
                Err(LastSignedError::Storage(StorageError::TurnLost))
            }
            checked => checked,
        }
    }

    /// Shows what another server released, if it is newer than what is shown.
    async fn take_over(&self, checkpoint: String) -> Result<(), ReleaseError> {
        let mut kept = self.kept.lock().await;
        let shown = self.newest();
        if checkpoint == shown.checkpoint {
            return Ok(());
        }
        let released = Released::of(checkpoint, &self.key)?;
        if shown.is_behind(&released) {
            // That server is yet to hear of ours.
            return Ok(());
        }
        let head = released.head;
        kept.check_end(head)?;
        let plan = ProofPlan::consistency(shown.head.size, head.size)
            .expect("the one is not larger than the other");
        let tiles = self.storage.tiles(&plan.tiles()).await?;
        let proof = ConsistencyProof {
            old: shown.head.size,
            new: head.size,
            path: plan.hashes(&tiles).map_err(StorageError::damaged)?,
        };
        proof
            .verify(&shown.head, &head)
            .map_err(|_| kept.other_history())?;
        keep(&mut kept, &released)?;
        self.shown.send_replace(Arc::new(released));
        Ok(())
    }
}

/// Puts a checkpoint on stable storage, before anybody sees it.
fn keep(kept: &mut LastSigned, released: &Released) -> Result<(), LastSignedError> {
    block(|| released.keep_in(kept))
}

/// Lets the other servers know. Where that fails, they find the tree committed, and release it themselves.
async fn tell(peers: &dyn Peers, released: &Released) {
    if let Err(error) = peers.tell(released.verified(), &released.checkpoint).await {
        warn!(%error, "the other servers could not be told of the released tree");
    }
}

impl Follower {
    /// Asks whenever a reader wants to know, and every now and then. Ends when nobody can ask any more, or with an
    /// error when the database shows another history.
    pub async fn run(mut self) -> Result<(), ReleaseError> {
        let releases = Arc::clone(&self.releases);
        let peers = releases.storage.peers().expect("there are peers to follow");
        loop {
            let mut waiting = Vec::new();
            match tokio::time::timeout(FOLLOW_PAUSE, self.asked.recv()).await {
                Ok(Some(reader)) => waiting.push(reader),
                Ok(None) => return Ok(()),
                Err(_) => {}
            }
            // Whoever asked before the database is asked can have its answer.
            while let Ok(reader) = self.asked.try_recv() {
                waiting.push(reader);
            }
            match peers.newest().await {
                Ok(Some(checkpoint)) => match releases.take_over(checkpoint).await {
                    Err(ReleaseError::Storage(error)) => {
                        warn!(%error, "what another server released could not be checked");
                    }
                    // What is shown is not newer than what is kept; it is tried again.
                    Err(ReleaseError::LastSigned(error)) if error.is_no_room() => {
                        warn!(%error, "there is no room to keep what another server released");
                    }
                    taken => taken?,
                },
                Ok(None) => {}
                // Readers go on with what is known here.
                Err(error) => warn!(%error, "the other servers' releases are out of reach"),
            }
            for reader in waiting {
                let _ = reader.send(());
            }
        }
    }
}

impl Shown {
    /// The newest tree that this server knows to be released.
    pub fn known(&self) -> Arc<Released> {
        Arc::clone(&self.released.borrow())
    }

    /// Each tree as this server comes to know that it is released, beginning with the newest.
    pub fn changes(&self) -> watch::Receiver<Arc<Released>> {
        self.released.clone()
    }

    /// The newest tree that any server had released when this was asked.
    pub async fn newest(&self) -> Arc<Released> {
        if let Some(ask) = &self.ask {
            let (answer, answered) = oneshot::channel();
            if ask.send(answer).await.is_ok() {
                // An answer that was dropped is of a server that stops.
                let _ = answered.await;
            }
        }
        self.known()
    }

    /// The newest released tree, once it holds the entry at `index`: between commit and signature, the storage
    /// shows entries that are in no released tree yet. `None` when the server stops first.
    pub async fn with(&self, index: LeafIndex) -> Option<Arc<Released>> {
        let mut released = self.released.clone();
        loop {
            let has_it = |released: &Arc<Released>| released.head.size.leaf(index).is_some();
            if has_it(&released.borrow_and_update()) {
                return Some(self.known());
            }
            // The others don't say when they release something: they are asked.
            let asked = async {
                match &self.ask {
                    Some(_) => {
                        self.newest().await;
                        tokio::time::sleep(RELEASE_PAUSE).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = released.changed() => changed.ok()?,
                () = asked => {}
            }
        }
    }
}
