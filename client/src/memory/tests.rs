use candor_core::merkle::TreeSize;

use super::*;
use crate::testing::{FakeLog, answer, log_key, overtaken};

fn memory() -> (tempfile::TempDir, Memory) {
    let dir = tempfile::tempdir().expect("a folder");
    let memory = Memory::new(dir.path().join("state"));
    (dir, memory)
}

fn evidence(error: &MemoryError) -> Evidence {
    let path = evidence_path(error);
    Evidence::parse(&fs::read(path).expect("the file is there")).expect("it is evidence")
}

fn evidence_path(error: &MemoryError) -> PathBuf {
    let (MemoryError::Fork(misfit)
    | MemoryError::Unproven(misfit)
    | MemoryError::NoProof { misfit, .. }
    | MemoryError::Stale(misfit)) = error
    else {
        panic!("{error:?} has no evidence");
    };
    let EvidenceFile::Written(path) = &misfit.evidence else {
        panic!("{}", misfit.evidence);
    };
    path.clone()
}

fn is_fork(evidence: &Evidence) -> bool {
    let judged = evidence.judge(&log_key());
    judged.expect("the log signed both").is_fork()
}

#[test]
fn a_log_that_grows_is_remembered() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(3);
    let client = log.client();
    assert_eq!(memory.newest(client.key()).expect("readable"), None);
    assert_eq!(memory.fetch(&client).expect("first").1, Advance::First);
    assert_eq!(memory.fetch(&client).expect("same").1, Advance::Same);
    log.grow(300);
    let from = TreeSize::new(3);
    assert_eq!(
        memory.fetch(&client).expect("grown").1,
        Advance::Grown { from }
    );
    let newest = memory
        .newest(client.key())
        .expect("readable")
        .expect("there");
    assert_eq!(newest.size(), TreeSize::new(303));
}

#[test]
fn the_empty_log_is_the_beginning_of_every_log() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    let client = log.client();
    memory.fetch(&client).expect("empty");
    log.grow(1);
    let from = TreeSize::EMPTY;
    assert_eq!(
        memory.fetch(&client).expect("grown").1,
        Advance::Grown { from }
    );
}

#[test]
fn what_was_found_is_said_even_where_no_evidence_can_be_kept() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(2);
    let other = log.fork();
    other.register("somebody-else", 5);
    log.grow(1);
    memory.fetch(&log.client()).expect("first");
    let lock = memory.dir_of(log.client().key()).join("lock");
    fs::remove_file(&lock).expect("the lock is there");
    fs::create_dir(lock).expect("in the way");
    let error = memory.fetch(&other.client()).expect_err("two histories");
    let MemoryError::Fork(misfit) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(misfit.evidence, EvidenceFile::NotWritten(_)),
        "{}",
        misfit.evidence
    );
}

#[test]
fn a_rewritten_log_is_caught_and_the_evidence_convinces_by_itself() {
    for (seen_size, shown_size) in [(3, 3), (3, 5), (4, 9), (300, 301), (256, 600), (9, 4)] {
        let (_dir, memory) = memory();
        let log = FakeLog::new();
        log.grow(2);
        let other = log.fork();
        other.register("somebody-else", 5);
        other.grow(shown_size - 3);
        log.grow(seen_size - 2);
        memory.fetch(&log.client()).expect("first");
        let error = memory.fetch(&other.client()).expect_err("two histories");
        if shown_size < seen_size {
            // The larger tree's tiles are gone with it, so all that is known is that the log went back.
            assert!(matches!(error, MemoryError::Stale(_)), "{error:?}");
            continue;
        }
        assert!(
            matches!(error, MemoryError::Fork(_)),
            "{seen_size} to {shown_size}: {error:?}"
        );
        let evidence = evidence(&error);
        assert!(is_fork(&evidence), "{seen_size} to {shown_size}");
        fs::remove_file(evidence_path(&error)).expect("the file is there");
        let newest = memory.newest(&log_key()).expect("readable").expect("there");
        assert_eq!(newest.size().get(), seen_size as u64, "what was seen stays");
        let tampered = Evidence {
            shown: evidence.seen.clone(),
            ..evidence
        };
        assert!(!is_fork(&tampered));
    }
}

#[test]
fn a_log_that_goes_back_is_stale() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(10);
    memory.fetch(&log.client()).expect("first");
    log.state().shown = Some(6);
    let error = memory.fetch(&log.client()).expect_err("smaller");
    let MemoryError::Stale(misfit) = &error else {
        panic!("{error:?}")
    };
    assert_eq!((misfit.seen.get(), misfit.shown.get()), (10, 6));
    assert!(
        !is_fork(&evidence(&error)),
        "going back is no fork by itself"
    );
    // The same finding is written once.
    let again = memory.fetch(&log.client()).expect_err("smaller");
    assert_eq!(again.context(), error.context());
}

#[test]
fn tiles_that_belong_to_no_signed_tree_accuse_nobody_of_a_fork() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(3);
    memory.fetch(&log.client()).expect("first");
    log.grow(4);
    log.intercept("tile/0/000.p/7", || {
        answer(200, "application/octet-stream", vec![1; 7 * 32])
    });
    let error = memory.fetch(&log.client()).expect_err("garbage");
    assert!(matches!(error, MemoryError::Unproven(_)), "{error:?}");
    assert!(!is_fork(&evidence(&error)));
}

#[test]
fn a_checkpoint_from_a_file_is_compared_as_far_as_that_goes() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(3);
    let checkpoint = |log: &FakeLog| log.client().checkpoint().expect("signed");
    assert_eq!(
        memory
            .compare_offline(&log_key(), &checkpoint(&log))
            .expect("nothing seen"),
        None
    );
    memory.fetch(&log.client()).expect("first");
    let other = FakeLog::new();
    other.register("somebody-else", 5);
    let seen = memory
        .compare_offline(&log_key(), &checkpoint(&other))
        .expect("no telling");
    assert_eq!(seen, Some(TreeSize::new(3)));
    other.grow(2);
    let error = memory
        .compare_offline(&log_key(), &checkpoint(&other))
        .expect_err("two trees of one size");
    assert!(matches!(error, MemoryError::Fork(_)), "{error:?}");
}

#[test]
fn a_remembered_checkpoint_that_was_changed_is_not_believed() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(3);
    memory.fetch(&log.client()).expect("first");
    let path = memory.dir_of(&log_key()).join("checkpoint");
    let text = fs::read_to_string(&path).expect("there");
    fs::write(&path, text.replacen("\n3\n", "\n1\n", 1)).expect("written");
    let error = memory.fetch(&log.client()).expect_err("changed");
    assert!(matches!(error, MemoryError::Remembered { .. }), "{error:?}");
}

/// How many evidence files there are, by what their names begin with.
fn evidence_files(memory: &Memory, name: &str) -> usize {
    let files = fs::read_dir(memory.dir_of(&log_key())).expect("a log's memory");
    let names = files.map(|file| file.expect("a file").file_name());
    names
        .filter(|it| it.to_string_lossy().starts_with(name))
        .count()
}

/// Two histories from the third entry on: one of `seen_size` entries, which is remembered, and one of
/// `shown_size`.
fn forked(memory: &Memory, seen_size: usize, shown_size: usize) -> (FakeLog, FakeLog) {
    let log = FakeLog::new();
    log.grow(2);
    let other = log.fork();
    other.register("somebody-else", 5);
    other.grow(shown_size - 3);
    log.grow(seen_size - 2);
    memory.fetch(&log.client()).expect("first");
    (log, other)
}

#[test]
fn the_beginning_of_what_was_seen_is_older_and_no_evidence() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(6);
    let earlier = log.client().checkpoint().expect("signed");
    log.grow(4);
    memory.fetch(&log.client()).expect("first");
    let newest = TreeSize::new(10);
    assert_eq!(
        memory.advance(&log.client(), &earlier).expect("one log"),
        Advance::Older { newest }
    );
    let remembered = memory.newest(&log_key()).expect("readable").expect("there");
    assert_eq!(remembered.size(), newest);
    assert_eq!(evidence_files(&memory, "stale"), 0);
}

#[test]
fn a_log_that_lags_for_a_moment_leaves_no_evidence() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(6);
    let earlier = log.state().checkpoint();
    log.grow(4);
    memory.fetch(&log.client()).expect("first");
    let newest = log.state().checkpoint();
    let mut answers = vec![newest, earlier];
    log.intercept("checkpoint", move || {
        answer(200, "text/plain", answers.pop().expect("asked twice"))
    });
    assert_eq!(memory.fetch(&log.client()).expect("good").1, Advance::Same);
    assert_eq!(evidence_files(&memory, "stale"), 0);
}

#[test]
fn a_checkpoint_that_others_overtake_on_its_way_is_good() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(3);
    memory.fetch(&log.client()).expect("first");
    let client = overtaken("checkpoint", &log, &memory);
    let newest = TreeSize::new(4);
    let (shown, advance) = memory.fetch(&client).expect("one log");
    assert_eq!(
        (shown.size().get(), advance),
        (3, Advance::Older { newest })
    );
    assert_eq!(evidence_files(&memory, "stale"), 0);
}

#[test]
fn a_log_that_withholds_a_tile_does_not_take_its_signature_back() {
    for status in [404, 500, 200] {
        let (_dir, memory) = memory();
        let (_log, other) = forked(&memory, 3, 5);
        let body = if status == 200 { "too short" } else { "" };
        other.intercept("tile/", move || {
            answer(status, "application/octet-stream", body)
        });
        let error = memory.fetch(&other.client()).expect_err("not proven");
        assert!(matches!(error, MemoryError::NoProof { .. }), "{error:?}");
        let evidence = evidence(&error);
        assert_eq!(evidence.finding, Finding::Unproven);
        let shown = evidence.judge(&log_key()).expect("signed").shown;
        assert_eq!(shown.size(), TreeSize::new(5));
        let newest = memory.newest(&log_key()).expect("readable").expect("there");
        assert_eq!(newest.size(), TreeSize::new(3), "what was seen stays");
    }
}

#[test]
fn a_fork_is_proven_without_the_tiles_of_the_tree_that_was_dropped() {
    let (_dir, memory) = memory();
    let (_log, other) = forked(&memory, 4, 9);
    other.intercept("tile/0/000.p/4", || answer(404, "text/plain", ""));
    let error = memory.fetch(&other.client()).expect_err("two histories");
    assert!(matches!(error, MemoryError::Fork(_)), "{error:?}");
}

#[test]
fn a_failed_proof_stays_failed_when_its_last_piece_is_withheld() {
    let (_dir, memory) = memory();
    let (_log, other) = forked(&memory, 256, 257);
    // Where the root of the first 256 entries is; the consistency proof goes without.
    other.intercept("tile/1/000", || answer(500, "text/plain", ""));
    let error = memory.fetch(&other.client()).expect_err("not proven");
    assert!(matches!(error, MemoryError::Unproven(_)), "{error:?}");
    assert_eq!(evidence(&error).finding, Finding::Unproven);
}

#[test]
fn two_roots_of_one_size_need_no_tiles() {
    let (_dir, memory) = memory();
    let (_log, other) = forked(&memory, 4, 4);
    other.intercept("tile/", || answer(500, "text/plain", ""));
    let error = memory.fetch(&other.client()).expect_err("two histories");
    assert!(matches!(error, MemoryError::Fork(_)), "{error:?}");
    assert!(is_fork(&evidence(&error)));
}

#[test]
fn a_log_that_was_caught_is_refused_until_somebody_moves_the_evidence_away() {
    let (dir, memory) = memory();
    let (log, other) = forked(&memory, 3, 5);
    let error = memory.fetch(&other.client()).expect_err("two histories");
    let path = evidence_path(&error);
    let client = log.client();
    let checkpoint = client.checkpoint().expect("signed");
    let refusals = [
        memory.fetch(&client).map(|_| ()).expect_err("caught"),
        memory
            .advance(&client, &checkpoint)
            .map(|_| ())
            .expect_err("caught"),
        memory
            .compare_offline(&log_key(), &checkpoint)
            .map(|_| ())
            .expect_err("caught"),
    ];
    for refusal in refusals {
        let MemoryError::Forked { evidence, .. } = &refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(*evidence, path);
    }
    let away = dir.path().join("moved.candor-evidence");
    fs::rename(&path, away).expect("moved");
    assert_eq!(memory.fetch(&client).expect("good").1, Advance::Same);
    // A name accuses nobody.
    let evidence = Evidence {
        proof: None,
        ..evidence_of_fork(&memory, &other)
    };
    fs::write(&path, evidence.to_json()).expect("written");
    assert_eq!(memory.fetch(&client).expect("good").1, Advance::Same);
    fs::write(&path, "{}").expect("written");
    assert_eq!(memory.fetch(&client).expect("good").1, Advance::Same);
}

fn evidence_of_fork(memory: &Memory, other: &FakeLog) -> Evidence {
    let error = memory.fetch(&other.client()).expect_err("two histories");
    let found = evidence(&error);
    fs::remove_file(evidence_path(&error)).expect("the file is there");
    found
}

#[test]
fn a_fork_finds_room_beside_all_the_noise() {
    let (_dir, memory) = memory();
    let (_log, other) = forked(&memory, 3, 5);
    for n in 1..=EVIDENCE_FILES_MAX {
        for finding in ["stale", "unproven"] {
            let name = format!("{finding}-{n}.candor-evidence");
            fs::write(memory.dir_of(&log_key()).join(name), "noise").expect("written");
        }
    }
    let error = memory.fetch(&other.client()).expect_err("two histories");
    assert!(is_fork(&evidence(&error)));
}

#[test]
fn evidence_that_the_log_did_not_sign_is_none() {
    let (_dir, memory) = memory();
    let (_log, other) = forked(&memory, 3, 5);
    let evidence = evidence_of_fork(&memory, &other);
    for field in ["seen", "shown"] {
        let mut forged = evidence.clone();
        let text = if field == "seen" {
            &mut forged.seen
        } else {
            &mut forged.shown
        };
        *text = text
            .replacen("\n3\n", "\n4\n", 1)
            .replacen("\n5\n", "\n6\n", 1);
        let error = forged.judge(&log_key()).expect_err("not signed");
        assert!(error.to_string().contains(field), "{error}");
    }
    for bytes in [b"{}".as_slice(), b"", b"\xff"] {
        assert!(Evidence::parse(bytes).is_err());
    }
}

#[test]
fn many_at_once_never_go_back() {
    let (_dir, memory) = memory();
    let log = FakeLog::new();
    log.grow(1);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..40).for_each(|_| log.grow(1)));
        for _ in 0..4 {
            scope.spawn(|| {
                // Each has a client and files of its own, as processes do.
                let (client, memory) = (log.client(), memory.clone());
                let mut last = 0;
                for _ in 0..20 {
                    memory.fetch(&client).expect("the log only grows");
                    let newest = memory
                        .newest(client.key())
                        .expect("whole")
                        .expect("there")
                        .size()
                        .get();
                    assert!(newest >= last, "{newest} after {last}");
                    last = newest;
                }
            });
        }
    });
}
