//! Several files at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use ureq::Agent;

use crate::file::fetch_file;
use crate::folder::{Folder, same_but_for_case};
use crate::partial::Partial;
use crate::{
    Fault, FetchError, FileOutcome, MirrorFault, Options, Outcome, Plan, Progress, Stopped,
};

/// How many files may be ones that no source has before the others are given up, too: the addresses are wrong, then.
const LACKING_MAX: usize = 10;

/// How often it is said how far it has come.
const PROGRESS: Duration = Duration::from_millis(50);

/// What all connections know.
pub(crate) struct Shared<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) agent: &'a Agent,
    pub(crate) options: &'a Options,
    pub(crate) folder: &'a Folder,
    /// Bytes that are there.
    pub(crate) bytes: AtomicU64,
    begun: AtomicUsize,
    /// A file can't be fetched, and the others wait for the next time.
    is_given_up: AtomicBool,
    /// Files that no source has.
    lacking: AtomicUsize,
    /// How often each source failed. Whoever begins a file asks the one first that did so least.
    strikes: Vec<AtomicU32>,
    faults: Mutex<Vec<MirrorFault>>,
}

/// Fetches all files of a plan.
///
/// `agent` says whose certificates are believed, through which proxy requests go, and what the program calls itself; its
/// limits on time and redirects are not used. `progress` is told at the beginning, many times a second, and at the end.
///
/// Whatever fails for one file ends all, save that no source has it, which a few files may be before all is ended. What was
/// fetched of the others is kept in [`WORK_FOLDER`](crate::WORK_FOLDER), and the next fetch goes on from there. So does one
/// after a crash.
pub fn fetch(
    plan: &Plan,
    agent: &Agent,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Outcome, Stopped> {
    let nothing = |error| Stopped {
        error,
        outcome: Outcome::default(),
    };
    let folder = Folder::open(&plan.target).map_err(nothing)?;
    let result = check_room(plan, options, &folder)
        .map_err(nothing)
        .and_then(|()| fetch_into(&folder, plan, agent, options, progress));
    folder.tidy(result.is_ok());
    result
}

/// What can be seen before anything is fetched: names that can't be, files that are in the way, too little room.
fn check_room(plan: &Plan, options: &Options, folder: &Folder) -> Result<(), FetchError> {
    if folder.ignores_case()
        && let Some((a, b)) = same_but_for_case(&plan.jobs)
    {
        let path = folder.path().to_owned();
        return Err(FetchError::OneName { path, a, b });
    }
    let mut needed = 0_u64;
    for job in &plan.jobs {
        match folder.size_of(&job.path)? {
            Some(size) if size == job.size => continue,
            Some(size) if !options.replace => {
                return Err(FetchError::Differs {
                    file: job.path.clone(),
                    difference: format!("it has {size} bytes, and the release's {}", job.size),
                });
            }
            Some(_) | None => {}
        }
        let left = job.size.saturating_sub(Partial::bytes_of(folder, job));
        needed = needed.saturating_add(left);
    }
    if let Some(available) = folder.available()
        && available < needed
    {
        return Err(FetchError::NoRoom {
            path: folder.path().to_owned(),
            needed,
            available,
        });
    }
    Ok(())
}

fn fetch_into(
    folder: &Folder,
    plan: &Plan,
    agent: &Agent,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Outcome, Stopped> {
    // Largest first: one that is begun last keeps a single connection busy while the others have nothing to do.
    let mut order: Vec<usize> = (0..plan.jobs.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(plan.jobs[*index].size));
    let shared = Shared {
        plan,
        agent,
        options,
        folder,
        bytes: AtomicU64::new(0),
        begun: AtomicUsize::new(order.first().copied().unwrap_or(0)),
        is_given_up: AtomicBool::new(false),
        lacking: AtomicUsize::new(0),
        strikes: plan.sources.iter().map(|_| AtomicU32::new(0)).collect(),
        faults: Mutex::new(Vec::new()),
    };
    let bytes_total = plan.bytes();
    let mut told = 0;
    let mut say = || {
        // Copies, so that no connection waits for what becomes of them.
        let faults = shared.faults_from(told);
        told += faults.len();
        progress(Progress {
            bytes: shared.bytes.load(Ordering::Relaxed).min(bytes_total),
            bytes_total,
            file: &plan.jobs[shared.begun.load(Ordering::Relaxed)].path,
            faults: &faults,
        });
    };
    say();
    let mut outcome = Outcome::default();
    let mut first_error = None;
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for n in 0..options.connections.get().min(order.len()) {
            let (sender, shared, next, order) = (sender.clone(), &shared, &next, &order);
            let spawned = thread::Builder::new()
                .name(format!("fetching-{n}"))
                .spawn_scoped(scope, move || work(shared, next, order, &sender));
            if let Err(error) = spawned {
                shared.give_up();
                first_error = Some(FetchError::Threads(error));
                break;
            }
        }
        drop(sender);
        loop {
            match results.recv_timeout(PROGRESS) {
                Ok(Ok(file)) => outcome.files.push(file),
                // What failed first made the others stop, unless that was nothing worse than a file that nobody has.
                Ok(Err(error)) => match &first_error {
                    Some(first) if error.is_lacking() || !first.is_lacking() => {}
                    Some(_) | None => first_error = Some(error),
                },
                Err(RecvTimeoutError::Timeout) => say(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    say();
    outcome.files.sort_by(|a, b| a.path.cmp(&b.path));
    outcome.faults = shared.faults.into_inner().expect("no thread panicked");
    match first_error {
        None => Ok(outcome),
        Some(error) => Err(Stopped { error, outcome }),
    }
}

/// Fetches one file after the other until there is none, or one failed as others may.
fn work(
    shared: &Shared<'_>,
    next: &AtomicUsize,
    order: &[usize],
    results: &mpsc::Sender<Result<FileOutcome, FetchError>>,
) {
    let mut buffer = Vec::new();
    while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed))
        && !shared.is_given_up()
    {
        shared.begun.store(index, Ordering::Relaxed);
        // `None` was given up on the way, for another file's error.
        if let Some(result) = fetch_file(shared, &shared.plan.jobs[index], &mut buffer).transpose()
        {
            if let Err(error) = &result
                && (!error.is_lacking()
                    || shared.lacking.fetch_add(1, Ordering::Relaxed) >= LACKING_MAX)
            {
                shared.give_up();
            }
            // Somebody listens as long as there are threads.
            let _ = results.send(result);
        }
    }
}

impl Shared<'_> {
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// The sources as indexes, in the order in which they are asked for a file that is begun now.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.plan.sources.len()).collect();
        order.sort_by_key(|source| self.strikes[*source].load(Ordering::Relaxed));
        order
    }

    /// A source failed, in a way that may be the same for the next file.
    pub(crate) fn strike(&self, source: usize, fault: &Fault) {
        if !matches!(fault, Fault::Missing { .. }) {
            self.strikes[source].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A source is not asked again for a file.
    pub(crate) fn report(&self, fault: MirrorFault) {
        let mut faults = self.faults.lock().expect("no thread panicked");
        faults.push(fault);
    }

    /// Those that were reported behind the first `told`.
    fn faults_from(&self, told: usize) -> Vec<MirrorFault> {
        let faults = self.faults.lock().expect("no thread panicked");
        faults[told..].to_vec()
    }
}
