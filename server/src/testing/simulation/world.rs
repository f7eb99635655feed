//! One run: clients, servers that die and come back, and what must hold in the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, TreeHead, TreeSize};
use candor_core::note::{LogKey, NoteSigner};
use candor_core::record::{Admission, PublisherState, SignedRecord};
use candor_tests::TestPublisher;
use candor_tests::load::Random;
use ed25519_dalek::SigningKey;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::database::{Faults, SimDatabase, roots};
use crate::last_signed::{LastSigned, LastSignedError};
use crate::metrics::Metrics;
use crate::own_thread::simulated;
use crate::plan::{NewRecord, Submission};
use crate::recent::Recent;
use crate::sequencer::{Sequencer, SequencerError, SequencerParts};

/// How many records there are to publish.
const RECORDS: usize = 40;

/// How many clients publish.
const CLIENTS: u64 = 3;

/// How long clients publish and servers fail, in simulated time.
const TROUBLE: Duration = Duration::from_secs(20);

/// What happened in a run, or in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    acknowledged: u64,
    entries: u64,
    trees_shown: u64,
    kills: u64,
    stops_by_itself: u64,
    backups_refused: u64,
    faults: Faults,
}

impl Outcome {
    pub(super) fn add(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.entries += other.entries;
        self.trees_shown += other.trees_shown;
        self.kills += other.kills;
        self.stops_by_itself += other.stops_by_itself;
        self.backups_refused += other.backups_refused;
        let (faults, others) = (&mut self.faults, other.faults);
        faults.not_written += others.not_written;
        faults.lost_and_written += others.lost_and_written;
        faults.lost_and_not_written += others.lost_and_not_written;
        faults.unknown += others.unknown;
        faults.turns_lost += others.turns_lost;
        faults.out_of_reach += others.out_of_reach;
    }

    /// All that can go wrong, by name, and how often it did.
    pub(super) fn faults(&self) -> [(&'static str, u64); 9] {
        let faults = self.faults;
        [
            ("a kill", self.kills),
            ("a stop by itself", self.stops_by_itself),
            ("a backup that is too old", self.backups_refused),
            ("a commit that was not written", faults.not_written),
            (
                "a commit that was lost and written",
                faults.lost_and_written,
            ),
            (
                "a commit that was lost and not written",
                faults.lost_and_not_written,
            ),
            ("a commit that nobody knows of", faults.unknown),
            ("a turn that was lost", faults.turns_lost),
            ("a database out of reach", faults.out_of_reach),
        ]
    }
}

/// What anybody was told.
#[derive(Default)]
struct Told {
    /// By statement.
    acknowledged: BTreeMap<Sha256, LeafIndex>,
    shown: BTreeMap<TreeSize, TreeHead>,
}

impl Told {
    fn acknowledge(&mut self, statement: Sha256, index: LeafIndex) {
        let before = self.acknowledged.insert(statement, index);
        assert!(
            before.is_none_or(|before| before == index),
            "{statement} was acknowledged at {before:?} and at {index}"
        );
    }

    fn show(&mut self, head: TreeHead) {
        let before = self.shown.insert(head.size, head);
        assert!(
            before.is_none_or(|before| before == head),
            "{before:?} was shown, and {head:?}"
        );
    }
}

/// A registration and releases of one publisher, signed and checked.
static RECORDS_TO_PUBLISH: LazyLock<Vec<NewRecord>> = LazyLock::new(|| {
    let lab = TestPublisher::new("example-lab");
    let signed =
        |envelope: &Value| SignedRecord::parse(envelope.to_string().as_bytes()).expect("a record");
    let first = signed(&lab.register())
        .accept(None, Admission::Open)
        .expect("it is signed");
    let state = PublisherState::after(None, &first, LeafIndex::new(0)).expect("a publisher");
    let others = (1..RECORDS).map(|n| {
        signed(&lab.api_version("tiny", &format!("1.{n}"), ""))
            .accept(Some(&state), Admission::Open)
            .expect("it is signed")
    });
    std::iter::once(first.clone())
        .chain(others)
        .map(|record| NewRecord::new(record).expect("it is short"))
        .collect()
});

/// A place for files that need not outlive the test: memory, where there is such a place.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a folder")
}

/// One of the servers of the log.
struct Server {
    database: SimDatabase,
    last_signed: PathBuf,
    running: Option<Running>,
}

struct Running {
    sequencer: Sequencer,
    task: JoinHandle<Result<(), SequencerError>>,
    watcher: JoinHandle<()>,
    _stop: watch::Sender<bool>,
}

impl Server {
    async fn start(&mut self, told: &Arc<Mutex<Told>>) -> Result<(), SequencerError> {
        let storage = Arc::new(self.database.clone());
        let (stop, stopping) = watch::channel(false);
        let parts = SequencerParts {
            storage: storage.clone(),
            recent: Arc::new(Recent::of(storage)),
            signer: Arc::new(signer()),
            static_part: None,
            operator: None,
            queue_max: 16,
            metrics: Arc::new(Metrics::new()),
        };
        let key = LogKey::from(signer().verifier_key().clone());
        let last_signed = LastSigned::open(self.last_signed.clone(), &key)?;
        let (sequencer, task) = Sequencer::start(parts, last_signed, stopping).await?;
        let mut releases = sequencer.releases();
        let told = Arc::clone(told);
        let watcher = tokio::spawn(async move {
            loop {
                let head = releases.borrow_and_update().head;
                told.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .show(head);
                if releases.changed().await.is_err() {
                    return;
                }
            }
        });
        self.running = Some(Running {
            sequencer,
            task,
            watcher,
            _stop: stop,
        });
        Ok(())
    }

    /// As SIGKILL would: whatever it was at ends where it waits.
    async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.task.abort();
            running.watcher.abort();
            let _ = running.task.await;
            drop(running.sequencer);
            self.database.disconnect();
            // What it had under way for others ends too.
            tokio::task::yield_now().await;
        }
    }
}

fn signer() -> NoteSigner {
    let name = "example.org/candor-test".parse().expect("a key's name");
    NoteSigner::new(name, SigningKey::from_bytes(&[7; 32]))
}

/// Runs the world of a seed. Panics where something does not hold, and says which seed it was.
pub(super) fn run(seed: u64) -> Outcome {
    let run = || {
        simulated::turn_on();
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime
            .expect("a runtime")
            .block_on(World::new(seed).live())
    };
    match std::panic::catch_unwind(run) {
        Ok(outcome) => outcome,
        Err(panic) => {
            report(seed);
            std::panic::resume_unwind(panic)
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "whoever wants this run again needs the seed"
)]
fn report(seed: u64) {
    eprintln!("CANDOR_SEED={seed}");
}

struct World {
    random: Random,
    servers: Vec<Arc<tokio::sync::Mutex<Server>>>,
    database: SimDatabase,
    told: Arc<Mutex<Told>>,
    outcome: Outcome,
    _folder: TempDir,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let is_shared = random.within(&(0..=1)) == 1;
        let count = if is_shared {
            random.within(&(1..=2))
        } else {
            1
        };
        let signer = signer();
        let key = signer.verifier_key().clone();
        let origin = LogKey::from(key.clone()).origin();
        let dice = Random::new(random.number());
        let database = SimDatabase::new(origin, key, is_shared, dice);
        let folder = scratch();
        let servers = (0..count).map(|n| {
            let last_signed = folder.path().join(format!("last-signed-{n}"));
            let empty = candor_core::note::Checkpoint::sign(TreeHead::empty(), &signer);
            LastSigned::create(&last_signed, &empty.to_string()).expect("it is made");
            let server = Server {
                database: database.clone(),
                last_signed,
                running: None,
            };
            Arc::new(tokio::sync::Mutex::new(server))
        });
        Self {
            servers: servers.collect(),
            random,
            database,
            told: Arc::default(),
            outcome: Outcome::default(),
            _folder: folder,
        }
    }

    async fn live(mut self) -> Outcome {
        for server in &self.servers {
            let started = server.lock().await.start(&self.told).await;
            started.expect("an empty log starts");
        }
        self.database.fail(self.random.within(&(0..=60)));
        let clients: Vec<_> = (0..CLIENTS).map(|_| self.client()).collect();
        let clients: Vec<_> = clients.into_iter().map(tokio::spawn).collect();
        self.trouble().await;
        for client in clients {
            client.abort();
            if let Err(error) = client.await
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        self.settle().await;
        self.check();
        self.outcome.faults = self.database.faults();
        self.outcome
    }

    /// Publishes records, the same ones as others at times, until it is stopped.
    fn client(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let mut random = Random::new(self.random.number());
        let servers = self.servers.clone();
        let told = Arc::clone(&self.told);
        async move {
            loop {
                sleep(Duration::from_micros(random.within(&(100..=400_000)))).await;
                let server = random.within(&(0..=servers.len() as u64 - 1));
                let server = &servers[usize::try_from(server).expect("a few")];
                let sequencer = {
                    let server = server.lock().await;
                    server.running.as_ref().map(|it| it.sequencer.clone())
                };
                let Some(sequencer) = sequencer else { continue };
                let count = random.within(&(1..=3));
                let records: Vec<_> = (0..count)
                    .map(|_| {
                        let n = random.within(&(0..=RECORDS as u64 - 1));
                        RECORDS_TO_PUBLISH[usize::try_from(n).expect("a few")].clone()
                    })
                    .collect();
                let statements: Vec<_> = records
                    .iter()
                    .map(|new| new.record().statement().digest)
                    .collect();
                let submission = Submission {
                    records,
                    attachments: Vec::new(),
                };
                // Whoever is not answered knows nothing, and may try again.
                let Ok(placed) = sequencer.submit(submission, Vec::new()).await else {
                    continue;
                };
                let shown = sequencer.released().head.size;
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                for (place, statement) in placed.iter().zip(statements) {
                    assert_eq!(place.statement, statement);
                    assert!(
                        !place.created || shown.leaf(place.index).is_some(),
                        "acknowledged before it was shown"
                    );
                    told.acknowledge(statement, place.index);
                }
            }
        }
    }

    /// Kills servers and starts them again, for a while.
    async fn trouble(&mut self) {
        let end = Instant::now() + TROUBLE;
        while Instant::now() < end {
            sleep(Duration::from_micros(
                self.random.within(&(1_000..=3_000_000)),
            ))
            .await;
            let n = self.random.within(&(0..=self.servers.len() as u64 - 1));
            let server = Arc::clone(&self.servers[usize::try_from(n).expect("a few")]);
            let mut server = server.lock().await;
            let has_stopped = match &server.running {
                Some(running) => running.task.is_finished(),
                None => true,
            };
            if has_stopped {
                if server.running.is_some() {
                    self.outcome.stops_by_itself += 1;
                }
            } else if self.random.within(&(0..=2)) == 0 {
                continue;
            } else {
                self.outcome.kills += 1;
            }
            server.kill().await;
            let server = &mut *server;
            if self.servers.len() == 1 && self.random.within(&(0..=3)) == 0 {
                self.put_an_old_backup(server).await;
            }
            // It may fail again while it starts, and is started again the next time.
            match server.start(&self.told).await {
                Ok(()) => {}
                Err(error) => assert!(passes(&error), "a server did not start: {error}"),
            }
        }
    }

    /// Puts an older copy of the database in place: a server that finds it must not start.
    async fn put_an_old_backup(&mut self, server: &mut Server) {
        let newest = self.database.contents();
        let Some(older) = newest.without_the_last() else {
            return;
        };
        let size = older.head.size;
        self.database.put_back(older);
        match server.start(&self.told).await {
            Ok(()) => {
                let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                let shown = told.shown.keys().next_back().copied();
                assert!(
                    shown.is_none_or(|shown| shown <= size),
                    "a server goes on from {size} entries, and {shown:?} were shown"
                );
            }
            Err(SequencerError::LastSigned(LastSignedError::Behind { .. })) => {
                self.outcome.backups_refused += 1;
                self.database.put_back(newest);
            }
            Err(error) => {
                assert!(passes(&error), "{error}");
                self.database.put_back(newest);
            }
        }
        server.kill().await;
    }

    /// Nothing fails any more: whoever is left publishes, and is answered.
    async fn settle(&mut self) {
        self.database.fail(0);
        for server in &self.servers {
            let mut server = server.lock().await;
            server.kill().await;
            let started = server.start(&self.told).await;
            started.expect("a log that nothing is wrong with starts");
            let sequencer = server.running.as_ref().expect("it runs").sequencer.clone();
            for record in &RECORDS_TO_PUBLISH[..2] {
                let submission = Submission {
                    records: vec![record.clone()],
                    attachments: Vec::new(),
                };
                let placed = sequencer.submit(submission, Vec::new()).await;
                let placed = placed.expect("it is published");
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                told.acknowledge(placed[0].statement, placed[0].index);
            }
            sleep(Duration::from_secs(5)).await;
        }
        for server in &self.servers {
            server.lock().await.kill().await;
        }
    }

    /// Everything that anybody was told is so.
    fn check(&mut self) {
        let contents = self.database.contents();
        let roots = roots(&contents);
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (size, head) in &told.shown {
            assert_eq!(
                roots.get(size),
                Some(head),
                "a tree was shown that is not the log's"
            );
        }
        for (statement, index) in &told.acknowledged {
            let place = usize::try_from(index.get()).expect("a few");
            let stored = contents.entries.get(place).map(|(_, statement)| statement);
            assert_eq!(stored, Some(statement), "entry {index} was acknowledged");
        }
        let mut statements: Vec<_> = contents.entries.iter().map(|(_, it)| *it).collect();
        let count = statements.len();
        statements.sort_unstable();
        statements.dedup();
        assert_eq!(statements.len(), count, "a statement was logged twice");
        self.outcome.acknowledged = told.acknowledged.len() as u64;
        self.outcome.entries = count as u64;
        self.outcome.trees_shown = told.shown.len() as u64;
    }
}

/// Whether a server that does not start with this may start the next time.
fn passes(error: &SequencerError) -> bool {
    matches!(
        error,
        SequencerError::Storage(_)
            | SequencerError::LastSigned(LastSignedError::Storage(_))
            | SequencerError::Release(_)
    )
}
