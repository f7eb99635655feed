//! Which calls fail.
//!
//! `sync:log.db-wal:20:1:EIO`: of the calls of this kind on files whose names contain this, the 20th and no other fails
//! with this error. The kinds are `open`, `write`, `truncate`, `sync` and `rename`; a count of `0` is all from there on. In
//! the place of an error stands `SLOW`, for one that takes 50 ms, or `KILL`, for the end of the program.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Write,
    Truncate,
    Sync,
    Rename,
}

struct Rule {
    kind: Kind,
    path: String,
    first: u64,
    count: u64,
    what: What,
    seen: AtomicU64,
}

#[derive(Clone, Copy)]
enum What {
    Error(i32),
    Slow,
    Kill,
}

/// The error with which a call on this file should fail, if it should.
pub(crate) fn fault(kind: Kind, path: &str) -> Option<i32> {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        let text = std::env::var("CANDOR_FAULTS").unwrap_or_default();
        let rules = text.split(',').filter(|rule| !rule.is_empty());
        rules
            .map(|rule| Rule::parse(rule).unwrap_or_else(|| panic!("CANDOR_FAULTS: {rule:?}")))
            .collect()
    });
    rules.iter().find_map(|rule| rule.apply(kind, path))
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let kind = match parts.next()? {
            "open" => Kind::Open,
            "write" => Kind::Write,
            "truncate" => Kind::Truncate,
            "sync" => Kind::Sync,
            "rename" => Kind::Rename,
            _ => return None,
        };
        let path = parts.next()?.to_owned();
        let (first, count) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let what = match parts.next()? {
            "EIO" => What::Error(libc::EIO),
            "ENOSPC" => What::Error(libc::ENOSPC),
            "EDQUOT" => What::Error(libc::EDQUOT),
            "EROFS" => What::Error(libc::EROFS),
            "SLOW" => What::Slow,
            "KILL" => What::Kill,
            _ => return None,
        };
        Some(Self {
            kind,
            path,
            first,
            count,
            what,
            seen: AtomicU64::new(0),
        })
    }

    fn apply(&self, kind: Kind, path: &str) -> Option<i32> {
        if kind != self.kind || !path.contains(&self.path) {
            return None;
        }
        let n = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let applies = n >= self.first && (self.count == 0 || n < self.first + self.count);
        match self.what {
            _ if !applies => None,
            What::Error(error) => Some(error),
            What::Slow => {
                std::thread::sleep(Duration::from_millis(50));
                None
            }
            What::Kill => {
                // SAFETY: a signal to this very process, as any program may send it.
                unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
                None
            }
        }
    }
}
