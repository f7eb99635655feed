//! How files are fetched.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How files are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many files are fetched at once. Each takes a connection and 8 MiB of memory.
    pub connections: NonZeroUsize,
    /// Whether a file that is there and is another one gives way to the release's, once that is whole.
    pub replace: bool,
    /// How long a mirror is waited for.
    pub patience: Patience,
}

/// How long a mirror is waited for, and how often it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long it may take to find a mirror's address, and again to reach it, TLS and all.
    pub connect: Duration,
    /// How long a mirror may send nothing.
    pub stall: Duration,
    /// How often a mirror that broke off or could not be reached is tried again for a file. It counts from zero once it has
    /// sent a mebibyte.
    pub retries: u32,
    /// How long the first of these waits; each later one waits twice as long, up to half a minute.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: NonZeroUsize::new(4).expect("4 is not 0"),
            replace: false,
            patience: Patience::default(),
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            retries: 5,
            pause: Duration::from_secs(1),
        }
    }
}
