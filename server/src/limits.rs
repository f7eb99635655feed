//! What strangers can take of the machine: memory in budgets that end, and as many cores as there are.
//!
//! ```text
//! a body comes in ──► bodies ──► parsed ──► records ──► verified ──► the sequencer
//!                                 attachments behind it ──► attachments ──┘
//! an answer goes out ──► answers
//! ```
//!
//! Always: bytes are charged when they arrive and not when they are announced, so who announces much and
//! sends nothing takes nothing. Whoever finds a budget used up is told to come back, and waits for nobody.
//!
//! Not here: how long a client may take ([`crate::http`]), and the queue ([`crate::sequencer`]).

use std::num::NonZero;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Rooms up to this size come out of a share of their own: who fills the rest with large requests keeps no small
/// one out. One record with all that is around it fits.
const SMALL_BYTES: usize = 128 << 10;

/// The most manifests that are read at a time. One of 200,000 files takes some 150 MB while it is checked.
const MANIFESTS_MAX: usize = 2;

/// Work on fewer bytes is done where it is asked for: handing it over would cost about as much.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// What all requests share.
#[derive(Debug)]
pub struct Limits {
    /// For bodies whose records nobody has verified: eight of the largest at a time, beside 512 small ones.
    pub bodies: Budget,
    /// For records on their way into the log, as they are in memory: three of those that take most of it, beside 512
    /// small requests.
    pub records: Budget,
    /// For attachments until they are stored: four of the largest requests at a time, beside 512 small ones.
    pub attachments: Budget,
    /// For answers until they are sent: six of the largest attachments at a time, beside 512 small answers.
    pub answers: Budget,
    cores: Semaphore,
    manifests: Semaphore,
}

/// Bytes that may be held for one purpose, all requests together.
#[derive(Clone, Debug)]
pub struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// What one request holds of a budget, until it is dropped: of one share, the small one as long as that is enough.
#[derive(Debug)]
pub struct Room {
    budget: Budget,
    held: OwnedSemaphorePermit,
}

/// A budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server is busy: it has no room for {bytes} more bytes at the moment")]
pub struct NoRoom {
    /// How many were to be added.
    pub bytes: usize,
}

impl Limits {
    /// With nothing taken.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            bodies: Budget::new(64 << 20, 64 << 20),
            records: Budget::new(64 << 20, 192 << 20),
            attachments: Budget::new(64 << 20, 256 << 20),
            answers: Budget::new(64 << 20, 192 << 20),
            cores: Semaphore::new(cores),
            manifests: Semaphore::new(MANIFESTS_MAX),
        }
    }

    /// Does `work` on `bytes` bytes. Long work is left to a thread of its own, on as many cores as there are,
    /// so that everybody else is answered meanwhile.
    pub async fn compute<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        if bytes <= INLINE_BYTES_MAX {
            return work();
        }
        let _core = Self::turn(&self.cores).await;
        tokio::task::block_in_place(work)
    }

    /// Waits for a turn at reading a manifest.
    pub async fn manifest_turn(&self) -> impl Drop + use<'_> {
        Self::turn(&self.manifests).await
    }

    async fn turn(turns: &Semaphore) -> tokio::sync::SemaphorePermit<'_> {
        turns
            .acquire()
            .await
            .expect("the semaphores are never closed")
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Budget {
    fn new(small: usize, large: usize) -> Self {
        Self {
            small: Arc::new(Semaphore::new(small)),
            large: Arc::new(Semaphore::new(large)),
        }
    }

    /// A room with nothing in it.
    pub fn room(&self) -> Room {
        let nothing = Arc::clone(&self.small).try_acquire_many_owned(0);
        Room {
            budget: self.clone(),
            held: nothing.expect("nothing can always be had: the semaphores are never closed"),
        }
    }
}

impl Room {
    /// Takes room for `bytes` more.
    pub fn take(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let more = |share: &Arc<Semaphore>, bytes: usize| {
            let permits = u32::try_from(bytes).map_err(|_| NoRoom { bytes })?;
            Arc::clone(share)
                .try_acquire_many_owned(permits)
                .map_err(|_| NoRoom { bytes })
        };
        let all = self.held.num_permits().saturating_add(bytes);
        let is_small = Arc::ptr_eq(self.held.semaphore(), &self.budget.small);
        if is_small && all > SMALL_BYTES {
            // It is a large one after all, and leaves its place to the small ones.
            self.held = more(&self.budget.large, all)?;
        } else {
            let more = more(self.held.semaphore(), bytes)?;
            self.held.merge(more);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rooms_keep_no_small_one_out() {
        let budget = Budget::new(2 * SMALL_BYTES, 4 * SMALL_BYTES);
        let large: Vec<Room> = (0..2)
            .map(|_| {
                let mut room = budget.room();
                room.take(SMALL_BYTES).expect("a small room");
                room.take(SMALL_BYTES).expect("becomes a large one");
                room
            })
            .collect();
        let mut late = [budget.room(), budget.room()];
        for room in &mut late {
            room.take(SMALL_BYTES).expect("small ones have their share");
        }
        let bytes = SMALL_BYTES + 1;
        assert_eq!(late[0].take(1), Err(NoRoom { bytes }));
        drop(large);
        late[0].take(1).expect("what was dropped is there again");
        budget
            .room()
            .take(SMALL_BYTES)
            .expect("and what a small one left that became large");
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let budget = Budget::new(SMALL_BYTES, 2 * SMALL_BYTES);
        let mut room = budget.room();
        room.take(2 * SMALL_BYTES + 1)
            .expect_err("more than there is");
        room.take(SMALL_BYTES).expect("all of the small share");
        room.take(SMALL_BYTES).expect("all of the large one");
    }
}
