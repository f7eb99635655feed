use candor_core::merkle::TreeSize;

use super::*;
use crate::testing::{FakeLog, answer, log_key};

fn memory() -> (tempfile::TempDir, Memory) {
    let dir = tempfile::tempdir().expect("a folder");
    let memory = Memory::new(dir.path().join("state"));
    (dir, memory)
}

fn evidence(error: &MemoryError) -> Evidence {
    let (MemoryError::Fork { evidence, .. }
    | MemoryError::Unproven { evidence, .. }
    | MemoryError::Stale { evidence, .. }) = error
    else {
        panic!("{error:?} has no evidence");
    };
    let EvidenceFile::Written(evidence) = evidence else {
        panic!("{evidence}");
    };
    serde_json::from_slice(&fs::read(evidence).expect("the file is there")).expect("it is evidence")
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
    let place = memory.dir_of(log.client().key());
    for n in 1..=EVIDENCE_FILES_MAX {
        fs::create_dir(place.join(format!("evidence-{n}.candor-evidence"))).expect("in the way");
    }
    let error = memory.fetch(&other.client()).expect_err("two histories");
    let MemoryError::Fork { evidence, .. } = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(evidence, EvidenceFile::NotWritten(_)),
        "{evidence}"
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
            assert!(matches!(error, MemoryError::Stale { .. }), "{error:?}");
            continue;
        }
        assert!(
            matches!(error, MemoryError::Fork { .. }),
            "{seen_size} to {shown_size}: {error:?}"
        );
        let evidence = evidence(&error);
        assert!(
            evidence.is_conclusive(&log_key()),
            "{seen_size} to {shown_size}"
        );
        let newest = memory.newest(&log_key()).expect("readable").expect("there");
        assert_eq!(newest.size().get(), seen_size as u64, "what was seen stays");
        let tampered = Evidence {
            shown: evidence.seen.clone(),
            ..evidence
        };
        assert!(!tampered.is_conclusive(&log_key()));
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
    let MemoryError::Stale { seen, shown, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((seen.get(), shown.get()), (10, 6));
    assert!(
        !evidence(&error).is_conclusive(&log_key()),
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
    assert!(matches!(error, MemoryError::Unproven { .. }), "{error:?}");
    assert!(!evidence(&error).is_conclusive(&log_key()));
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
    assert!(matches!(error, MemoryError::Fork { .. }), "{error:?}");
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
