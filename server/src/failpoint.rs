//! Points on a batch's way at which a test ends the server, or makes it stand still.
//!
//! `CANDOR_FAILPOINT=committed:3:kill` ends the process (SIGKILL) when it comes to the point `committed` for the third
//! time; `stop` in the place of `kill` stops it (SIGSTOP) until somebody lets it go on. Only in builds with debug
//! assertions: a release has no such points.

/// A point. In their order: `turn` (begun), `planned`, `written` (and not committed), `committed`, `published` (to the
/// static part), `signed`, `kept` (the checkpoint, on stable storage), `released` (and nobody answered), `shown` (in the
/// static part). `told`: a webhook has taken a record, and that is not written down. And `closed`: the log is retired, and nobody has signed that yet.
pub(crate) fn failpoint(name: &str) {
    #[cfg(debug_assertions)]
    plan::reach(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod plan {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    struct Plan {
        name: String,
        nth: u64,
        signal: Signal,
        seen: AtomicU64,
    }

    pub(super) fn reach(name: &str) {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        let plan = PLAN.get_or_init(|| {
            let text = std::env::var("CANDOR_FAILPOINT").ok()?;
            Some(parse(&text).expect("CANDOR_FAILPOINT is NAME:NTH:kill or NAME:NTH:stop"))
        });
        let Some(plan) = plan else { return };
        if plan.name == name && plan.seen.fetch_add(1, Ordering::SeqCst) + 1 == plan.nth {
            kill_process(getpid(), plan.signal).expect("a process can send itself a signal");
        }
    }

    fn parse(text: &str) -> Option<Plan> {
        let mut parts = text.split(':');
        Some(Plan {
            name: parts.next()?.to_owned(),
            nth: parts.next()?.parse().ok()?,
            signal: match parts.next()? {
                "kill" => Signal::KILL,
                "stop" => Signal::STOP,
                _ => return None,
            },
            seen: AtomicU64::new(0),
        })
    }
}
