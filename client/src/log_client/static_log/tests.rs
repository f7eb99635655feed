use std::fs;
use std::path::Path;

use candor_core::merkle::{Entry, EntryBundle, LeafIndex};
use candor_core::record::{Kind, ReleaseName};

use super::*;
use crate::testing::{FakeLog, answer, evaluation_record, weights_record, withdrawal_record};
use crate::transport::RequestBody;

const RELEASE: &str = "first-lab/tiny@1.0.0";

/// A log as plain files show it: whatever else is asked for is not found, in a file server's words.
fn files() -> FakeLog {
    let log = FakeLog::new();
    log.intercept("api/v1/", || answer(404, "text/html", "<h1>Not Found</h1>"));
    log
}

/// With two publishers, a release, what the other says of it, and its withdrawal.
fn story() -> FakeLog {
    let log = files();
    log.register("first-lab", 1);
    log.register("second-lab", 2);
    let weights = weights_record(RELEASE, "some", 1);
    log.add(&weights);
    let subject = weights.statement().subject.sha256;
    log.add(&evaluation_record(RELEASE, subject, "second-lab", 1, 2));
    log.add(&weights_record("first-lab/tiny@2.0.0", "other", 1));
    log.add(&withdrawal_record(
        RELEASE,
        weights.statement().digest,
        "release",
        1,
    ));
    log
}

fn release() -> ReleaseName {
    RELEASE.parse().expect("a release")
}

fn bundles_asked_for(log: &FakeLog) -> Vec<String> {
    let asked = std::mem::take(&mut log.state().asked);
    let bundles = asked
        .into_iter()
        .filter(|it| it.starts_with("tile/entries/"));
    bundles.collect()
}

fn with_cache(log: &FakeLog, dir: &Path) -> LogClient {
    log.client().with_cache(dir.to_owned())
}

#[test]
fn questions_are_answered_from_the_entries() {
    let log = story();
    let client = log.client();
    let page = client
        .records_page("/api/v1/records?limit=4")
        .expect("read");
    let found = page.records.iter().map(|row| (row.index.get(), row.kind));
    let kinds = [
        (5, Kind::Withdrawal),
        (4, Kind::Weights),
        (3, Kind::Evaluation),
        (2, Kind::Weights),
    ];
    assert_eq!(found.collect::<Vec<_>>(), kinds);
    let rest = client.records_page(&page.next.expect("there are two more"));
    let rest = rest.expect("read");
    assert_eq!(rest.records.len(), 2);
    assert_eq!(rest.next, None);

    let publisher = "first-lab".parse().expect("a name");
    let own = client.records_by(&release(), &publisher).expect("read");
    let own: Vec<_> = own
        .iter()
        .map(|row| (row.index.get(), row.withdrawn_by))
        .collect();
    assert_eq!(own, [(5, None), (2, Some(LeafIndex::new(5)))]);
    let manifest = weights_record(RELEASE, "some", 1)
        .statement()
        .subject
        .sha256;
    let (found, more) = client.weights_of(manifest).expect("read");
    let found: Vec<_> = found
        .iter()
        .map(|row| (row.index.get(), row.withdrawn_by))
        .collect();
    assert_eq!((found, more), (vec![(2, Some(LeafIndex::new(5)))], false));
    let (none, _) = client
        .weights_of(candor_core::Sha256::of("nothing"))
        .expect("read");
    assert_eq!(none, [], "nobody released that");
    let statement = weights_record(RELEASE, "some", 1).statement().digest;
    let weights = client.record_by_statement(statement).expect("read");
    assert_eq!(weights.index, LeafIndex::new(2));
    let history = client.publisher(&publisher).expect("read").history;
    assert_eq!(history, [LeafIndex::new(0)]);
    let publishers = client.publishers_page("/api/v1/publishers").expect("read");
    assert_eq!(publishers.publishers.len(), 2);
    let model = client.model(release().model()).expect("read");
    let kinds: Vec<_> = model
        .releases
        .iter()
        .map(|it| it.kinds.as_slice())
        .collect();
    let first = [Kind::Weights, Kind::Evaluation, Kind::Withdrawal].as_slice();
    assert_eq!(kinds, [first, &[Kind::Weights]]);
    let models = client.models_page("/api/v1/models").expect("read").models;
    assert_eq!(models[0].latest.to_string(), "first-lab/tiny@2.0.0");
    let view = client.release(&release()).expect("read");
    assert_eq!(view.withdrawn_by, Some(LeafIndex::new(5)));
    for absent in [
        client
            .record_by_statement(candor_core::Sha256::of("nothing"))
            .map(drop),
        client
            .publisher(&"third-lab".parse().expect("a name"))
            .map(drop),
        client
            .release(&"first-lab/tiny@3".parse().expect("a name"))
            .map(drop),
    ] {
        assert!(absent.expect_err("it is not there").is_absence());
    }
    // All of it from one bundle.
    assert_eq!(bundles_asked_for(&log), ["tile/entries/000.p/6"]);
}

#[test]
fn a_withdrawal_of_one_record_covers_that_alone() {
    let log = files();
    log.register("first-lab", 1);
    let weights = weights_record(RELEASE, "some", 1);
    log.add(&weights);
    log.add(&withdrawal_record(
        RELEASE,
        weights.statement().digest,
        "record",
        1,
    ));
    let client = log.client();
    let row = client.record_by_statement(weights.statement().digest);
    assert_eq!(row.expect("read").withdrawn_by, Some(LeafIndex::new(2)));
    let view = client.release(&release()).expect("read");
    assert_eq!(view.withdrawn_by, None);
}

#[test]
fn a_log_that_has_no_such_record_is_not_taken_for_files() {
    let log = FakeLog::new();
    log.grow(3);
    let absent = log.client().release(&release());
    assert!(absent.expect_err("it is not there").is_absence());
    // Something on the way answers one question in the log's place.
    log.intercept("api/v1/releases", || answer(404, "text/html", "no"));
    let lost = log.client().release(&release());
    assert!(matches!(lost, Err(LogError::NotALog { .. })), "{lost:?}");
    assert!(bundles_asked_for(&log).is_empty());
}

#[test]
fn entries_that_are_not_those_of_the_checkpoint_answer_nothing() {
    let log = files();
    log.grow(300);
    let mut entries = log.state().entries[..256].to_vec();
    let mut bytes = entries[7].as_bytes().to_vec();
    *bytes.last_mut().expect("an entry has bytes") ^= 1;
    entries[7] = Entry::new(bytes).expect("short");
    let changed = EntryBundle::new(entries).expect("256").to_bytes();
    log.intercept("tile/entries/000", move || {
        answer(200, "application/octet-stream", changed.clone())
    });
    let client = log.client();
    let error = client.answer_from_entries::<serde_json::Value>("api/v1/publishers");
    assert!(
        matches!(error, Err(LogError::NotTheTree { .. })),
        "{error:?}"
    );
}

#[test]
fn the_next_command_reads_what_is_new() {
    let log = files();
    let folder = tempfile::tempdir().expect("a folder");
    log.grow(300);
    let publishers = |client: &LogClient| {
        let page = client.publishers_page("/api/v1/publishers");
        page.expect("read").publishers.len()
    };
    let before = publishers(&with_cache(&log, folder.path()));
    assert_eq!(bundles_asked_for(&log).len(), 2);
    assert_eq!(publishers(&with_cache(&log, folder.path())), before);
    assert_eq!(bundles_asked_for(&log).len(), 0);
    log.register("first-lab", 1);
    assert_eq!(publishers(&with_cache(&log, folder.path())), before + 1);
    assert_eq!(bundles_asked_for(&log), ["tile/entries/001.p/45"]);
    // One that lags shows the beginning of what was read.
    log.state().shown = Some(300);
    assert_eq!(publishers(&with_cache(&log, folder.path())), before);
    assert_eq!(bundles_asked_for(&log).len(), 0);
}

#[test]
fn a_file_that_is_damaged_or_of_another_history_counts_for_nothing() {
    let log = story();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("index");
    let release_at = |log: &FakeLog| {
        let view = with_cache(log, folder.path()).release(&release());
        view.map(|view| view.withdrawn_by)
    };
    let right = release_at(&log).expect("read");
    let kept = fs::read(&file).expect("it is kept");
    for byte in 0..kept.len() {
        let mut damaged = kept.clone();
        damaged[byte] ^= 1;
        assert!(cache::from_bytes(&damaged).is_none(), "byte {byte}");
        assert!(cache::from_bytes(&kept[..byte]).is_none(), "{byte} bytes");
    }
    // Whole, but of another version.
    let (content, _) = kept.split_last_chunk::<32>().expect("it has a digest");
    let mut other = [b"candor 9", &content["candor ".len()..]].concat();
    other.extend(candor_core::Sha256::of(&other).as_bytes());
    assert!(cache::from_bytes(&other).is_none());
    fs::write(&file, &kept[..40]).expect("written");
    assert_eq!(release_at(&log).expect("read anew"), right);
    assert_eq!(fs::read(&file).expect("it is kept"), kept);

    let other = files();
    other.register("third-lab", 3);
    other.grow(20);
    let absent = release_at(&other).expect_err("it is not in this one");
    assert!(absent.is_absence(), "{absent}");
}

#[test]
fn files_take_no_records_and_are_not_read_for_that() {
    let log = story();
    let client = log.client().for_writing();
    let error = client.release(&release()).map(drop);
    assert!(matches!(error, Err(LogError::ReadOnly { .. })), "{error:?}");
    let body = RequestBody {
        content_type: "application/json".to_owned(),
        bytes: Vec::new(),
    };
    let error = client.send_records(&body).map(drop);
    assert!(matches!(error, Err(LogError::ReadOnly { .. })), "{error:?}");
    assert!(bundles_asked_for(&log).is_empty());
}
