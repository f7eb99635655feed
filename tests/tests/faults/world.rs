//! A log whose server runs on a disk that fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use candor_tests::history::{History, LogReader};
use candor_tests::load::{Load, LoadPlan, Random};
use candor_tests::{TestLog, program};
use tempfile::TempDir;

/// How long a server may take to die of a fault.
const PATIENCE: Duration = Duration::from_mins(1);

/// A log in a folder, with a static part beside it, and all that anybody saw of it.
pub(super) struct World {
    pub(super) log: TestLog,
    pub(super) history: History,
    pub(super) random: Random,
    /// Where all files of the log are.
    pub(super) disk: PathBuf,
    loads: u64,
    _folder: TempDir,
}

impl World {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = folder.path().canonicalize().expect("a path").join("disk");
        fs::create_dir_all(disk.join("static")).expect("a folder");
        let mut log = TestLog::start_in(&disk.join("data"));
        Load::register_publishers(&log);
        assert!(log.stop().success());
        Self {
            history: History::new(log.key().clone()),
            log,
            random: Random::from_environment(),
            disk,
            loads: 0,
            _folder: folder,
        }
    }

    pub(super) fn static_part(&self) -> PathBuf {
        self.disk.join("static")
    }

    /// Starts the server as if nothing was wrong.
    pub(super) fn start_well(&mut self) {
        self.log.give([]);
        self.log
            .set_flags(&["--static-part", text(&self.static_part())]);
        self.log.restart();
    }

    /// Starts the server with faults.
    pub(super) fn start_with(&mut self, variables: &[(&'static str, String)]) {
        let library = program("libcandor_faults.so");
        let mut all = vec![
            ("LD_PRELOAD", text(&library).to_owned()),
            ("CANDOR_FAULTS_DIR", text(&self.disk).to_owned()),
        ];
        all.extend_from_slice(variables);
        self.log.give(all);
        self.log
            .set_flags(&["--static-part", text(&self.static_part())]);
        self.log.restart();
    }

    /// Publishers at work, until they are stopped.
    pub(super) fn load(&mut self) -> Load {
        self.load_of(1_000_000)
    }

    pub(super) fn load_of(&mut self, records_max: u64) -> Load {
        self.loads += 1;
        let plan = LoadPlan {
            name: format!("load-{}", self.loads),
            writers: 8,
            watchers: 2,
            records_per_request: 1..=32,
            records_max,
            seed: self.random.number(),
        };
        Load::start(&self.log, plan)
    }

    pub(super) fn pause(&mut self, milliseconds: std::ops::RangeInclusive<u64>) {
        let pause = self.random.within(&milliseconds);
        std::thread::sleep(Duration::from_millis(pause));
    }

    /// Waits until the server has ended by itself. Returns false when it goes on.
    pub(super) fn wait_for_death(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while !self.log.has_died() {
            if begun.elapsed() > patience.min(PATIENCE) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// The log goes on from all that anybody saw, and so does its static part.
    #[track_caller]
    pub(super) fn check(&mut self) {
        self.start_well();
        self.history.check(&LogReader::new(&self.log));
        assert!(self.log.stop().success());
        self.check_static_part();
    }

    /// What readers of the static part find, whenever they come: all that its checkpoint needs.
    #[track_caller]
    pub(super) fn check_static_part(&self) {
        if !self.static_part().join("checkpoint").exists() {
            return;
        }
        let checked = Command::new(program("candor-server"))
            .args(["fsck", "--files", text(&self.static_part())])
            .args(["--key", &self.log.key().to_string()])
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(0), "{said}");
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// A load whose publishers are sent away, and told that nobody knows, and come back until all is acknowledged.
pub(super) fn patient_load(
    log: &TestLog,
    name: &str,
    records_max: u64,
    random: &mut Random,
) -> Load {
    let plan = LoadPlan {
        name: name.to_owned(),
        writers: 8,
        watchers: 2,
        records_per_request: 1..=32,
        records_max,
        seed: random.number(),
    };
    let load = Load::start(log, plan);
    load.server_may_refuse();
    load.server_may_not_know();
    load
}
