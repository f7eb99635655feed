//! File descriptors: how many there are, and how many of them connections may take.
//!
//! ```text
//! 0 ─────────── FILES_KEPT ──────────────────────── soft limit ─── hard limit
//!   the log's own files        connections                 └──────► raised as far as it goes
//! ```
//!
//! Always: connections never take the descriptors that the log itself needs. Anybody can open connections, and a
//! log that can't open its files can't go on.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the log itself holds open, with room to spare: the database and its write-ahead log once for each of 5
/// connections, temporary files of theirs, `last-signed`, the lock, the listener, and what the runtime needs.
const FILES_KEPT: u64 = 128;

/// The most connections that are served at a time, whatever the system allows.
const CONNECTIONS_MAX: u64 = 16_384;

/// Too few files can be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{limit} files can be open at a time, and a log needs {FILES_KEPT} for itself and some for connections: raise the limit, such as with `ulimit -n 4096`"
)]
pub struct TooFewFiles {
    limit: u64,
}

/// Raises the soft limit on open files as far as it is of use and allowed, and returns how many connections can
/// be served at a time.
pub fn connections_max() -> Result<usize, TooFewFiles> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = FILES_KEPT + CONNECTIONS_MAX;
    let wanted = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum,
        };
        // Where it is refused, the limit stays, and is read again below.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    connections_within(getrlimit(Resource::Nofile).current)
}

/// How many connections fit beside the log's own files; `None` is no limit.
fn connections_within(limit: Option<u64>) -> Result<usize, TooFewFiles> {
    let limit = limit.unwrap_or(u64::MAX);
    match limit.saturating_sub(FILES_KEPT).min(CONNECTIONS_MAX) {
        0 => Err(TooFewFiles { limit }),
        connections => Ok(usize::try_from(connections).expect("CONNECTIONS_MAX fits a usize")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_log_its_files() {
        assert_eq!(connections_within(Some(1_024)), Ok(896));
        assert_eq!(connections_within(Some(129)), Ok(1));
        assert_eq!(connections_within(Some(1 << 20)), Ok(16_384));
        assert_eq!(connections_within(None), Ok(16_384));
        let error = connections_within(Some(128)).expect_err("none for connections");
        assert!(error.to_string().starts_with("128 files"), "{error}");
    }
}
