//! What strangers can take of the machine: memory in budgets that end, and as many cores as there are.
//!
//! ```text
//! a body comes in ──► bodies ──► parsed, verified ──► the sequencer's room
//!                                 attachments behind it ──► attachments
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

/// The first bytes of each room come out of a share of their own: who fills the rest with large requests keeps
/// no small one out. One record with all that is around it fits.
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

/// What one request holds of a budget, until it is dropped.
#[derive(Debug)]
pub struct Room {
    small: OwnedSemaphorePermit,
    large: OwnedSemaphorePermit,
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
        let nothing = |share: &Arc<Semaphore>| {
            Arc::clone(share)
                .try_acquire_many_owned(0)
                .expect("nothing can always be had: the semaphores are never closed")
        };
        Room {
            small: nothing(&self.small),
            large: nothing(&self.large),
        }
    }
}

impl Room {
    /// Takes room for `bytes` more.
    pub fn take(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let small = bytes.min(SMALL_BYTES.saturating_sub(self.small.num_permits()));
        let more = |share: &OwnedSemaphorePermit, part: usize| {
            let part = u32::try_from(part).map_err(|_| NoRoom { bytes })?;
            Arc::clone(share.semaphore())
                .try_acquire_many_owned(part)
                .map_err(|_| NoRoom { bytes })
        };
        let (small, large) = (more(&self.small, small)?, more(&self.large, bytes - small)?);
        self.small.merge(small);
        self.large.merge(large);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rooms_keep_no_small_one_out() {
        let budget = Budget::new(4 * SMALL_BYTES, 1 << 20);
        let mut large = budget.room();
        large.take(SMALL_BYTES + (1 << 20)).expect("all of it");
        let mut late = budget.room();
        assert_eq!(
            late.take(SMALL_BYTES + 1),
            Err(NoRoom {
                bytes: SMALL_BYTES + 1
            })
        );
        late.take(SMALL_BYTES).expect("small ones have their share");
        assert_eq!(late.take(1), Err(NoRoom { bytes: 1 }));
        drop(large);
        late.take(1 << 20).expect("what was dropped is there again");
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let budget = Budget::new(SMALL_BYTES, 10);
        let mut room = budget.room();
        room.take(SMALL_BYTES + 11).expect_err("more than there is");
        room.take(SMALL_BYTES + 10)
            .expect("all of it is there still");
    }
}
