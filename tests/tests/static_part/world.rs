//! A log with a static part, and what should be in that.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candor_core::merkle::{EntryBundlePath, TileIndex, TilePath, TreeSize};
use candor_tests::TestLog;
use candor_tests::load::{Load, LoadPlan};
use tempfile::TempDir;

/// A log whose static part is a folder.
pub(super) struct World {
    pub(super) log: TestLog,
    pub(super) folder: PathBuf,
    _folder: TempDir,
}

impl World {
    pub(super) fn start() -> Self {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("static");
        fs::create_dir(&folder).expect("a folder for the static part");
        let log = TestLog::start_with(&["--static-part", text(&folder)]);
        Self {
            log,
            folder,
            _folder: parent,
        }
    }

    /// Publishes `records` records, and returns the log's checkpoint when the static part has it.
    pub(super) fn grow(&self, name: &str, records: u64) -> String {
        grow(&self.log, name, records);
        wait_for_checkpoint(&self.log, &self.folder)
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Publishes `records` records.
pub(super) fn grow(log: &TestLog, name: &str, records: u64) {
    if size_of(&log.get("/checkpoint").text()) == TreeSize::new(0) {
        Load::register_publishers(log);
    }
    let plan = LoadPlan {
        name: name.to_owned(),
        writers: 4,
        watchers: 0,
        records_per_request: 1..=64,
        records_max: records,
        seed: 7,
    };
    let seen = Load::start(log, plan).finish();
    assert_eq!(seen.acknowledged.len() as u64, records);
}

/// Waits until the static part in `folder` shows what the log shows, and returns that.
#[track_caller]
pub(super) fn wait_for_checkpoint(log: &TestLog, folder: &Path) -> String {
    let begun = Instant::now();
    loop {
        let shown = fs::read_to_string(folder.join("checkpoint")).unwrap_or_default();
        let newest = log.get("/checkpoint").text();
        if shown == newest {
            return shown;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the folder shows {shown:?} and not {newest:?}\n{}",
            log.log_lines()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The size of the tree of a checkpoint.
pub(super) fn size_of(checkpoint: &str) -> TreeSize {
    let line = checkpoint.lines().nth(1).expect("a checkpoint has a size");
    TreeSize::new(line.parse().expect("a number"))
}

/// The names of the tiles and bundles that a tree of `size` has.
pub(super) fn names(size: TreeSize) -> Vec<String> {
    let bundles = (0..).map_while(|index| EntryBundlePath::in_tree(TileIndex::new(index), size));
    TilePath::all_in_tree(size)
        .map(|path| path.to_string())
        .chain(bundles.map(|path| path.to_string()))
        .collect()
}

/// The names of all files in a folder, save the checkpoint and what has a dot in front.
pub(super) fn files_in(folder: &Path) -> Vec<String> {
    fn collect(folder: &Path, below: &str, found: &mut Vec<String>) {
        for file in fs::read_dir(folder).expect("a folder") {
            let file = file.expect("an entry");
            let name = format!("{below}{}", text(Path::new(&file.file_name())));
            if file.file_type().expect("a type").is_dir() {
                collect(&file.path(), &format!("{name}/"), found);
            } else if name != "checkpoint" && !name.starts_with('.') {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    collect(folder, "", &mut found);
    found.sort();
    found
}

/// Asserts that `folder` has what the tree of the log's checkpoint needs, byte for byte as the server serves it.
#[track_caller]
pub(super) fn assert_complete(log: &TestLog, folder: &Path) {
    let checkpoint = wait_for_checkpoint(log, folder);
    for name in names(size_of(&checkpoint)) {
        let served = log.get(&format!("/{name}")).expect_status(200).body;
        let stored = fs::read(folder.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(stored == served, "{name} differs");
    }
}
