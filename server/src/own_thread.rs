//! A thread for one task alone.
//!
//! Tasks of a runtime stand in line for its threads. A request takes some 0.1 ms of a core, and the sequencer waits for
//! the database some thirty times a batch: among the others, it would stand in line thirty times behind all requests
//! that came meanwhile. On a thread of its own it goes on as soon as there is something to go on with.

use std::convert::Infallible;
use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Keeps the thread, after its task has ended too: connections that it opened can be used as long.
pub(crate) type Alive = mpsc::Sender<Infallible>;

/// Runs `task` on a thread of its own, and returns when it ends.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    task: impl Future<Output = T> + Send + 'static,
) -> io::Result<(Alive, JoinHandle<T>)> {
    #[cfg(test)]
    if simulated::is_on() {
        return Ok((mpsc::channel(1).0, tokio::spawn(task)));
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (alive, mut gone) = mpsc::channel(1);
    let (end, ended) = oneshot::channel();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                // Nobody waits for it any more when the process ends.
                let _ = end.send(task.await);
                gone.recv().await;
            });
        })?;
    let task = tokio::spawn(async { ended.await.expect("the task does not panic") });
    Ok((alive, task))
}

/// Does `work` that blocks the thread: nobody else waits for one that runs a single task, and the other tasks of a
/// runtime with several go on on others.
pub(crate) fn block<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => tokio::task::block_in_place(work),
    }
}

/// In a simulation, one thread runs everything.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::Cell;

    thread_local! {
        static IS_ON: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether tasks that should have a thread of their own stay on this one.
    pub(super) fn is_on() -> bool {
        IS_ON.get()
    }

    /// From now on, they do.
    pub(crate) fn turn_on() {
        IS_ON.set(true);
    }
}
