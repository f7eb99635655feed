use candor_core::merkle::TreeSize;
use candor_core::note::{NoteSigner, Origin};
use ed25519_dalek::SigningKey;

use super::*;
use crate::storage::LogIdentity;
use crate::storage::sqlite::Sqlite as Log;

/// Which index answers a question about records, as the database's own planner says.
async fn plan(pool: &SqlitePool, filter: &RecordFilter, page: RecordPage) -> String {
    let mut query = page_of("EXPLAIN QUERY PLAN SELECT idx FROM record", filter, page);
    let steps = query.build().fetch_all(pool).await.expect("a plan");
    let steps = steps.iter().map(|row| row.get::<String, _>(3));
    steps.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn every_question_about_records_has_its_index_and_sorts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log.db");
    let origin: Origin = "example.org/candor-test".parse().expect("an origin");
    let signer = NoteSigner::new(origin.to_key_name(), SigningKey::from_bytes(&[1; 32]));
    let identity = LogIdentity {
        origin,
        key: signer.verifier_key().clone(),
    };
    Log::create(&file, &identity).await.expect("a new log");
    let log = Log::open(&file).await.expect("the log opens");

    let publisher = Some("example-lab".parse().expect("a name"));
    let subject = Some("example-lab/tiny@1".to_owned());
    let filter = |kind, publisher: &Option<PublisherName>, subject: &Option<String>| RecordFilter {
        kind,
        publisher: publisher.clone(),
        subject: subject.clone(),
    };
    let evaluation = Some(Kind::Evaluation);
    for (filter, index) in [
        (
            filter(evaluation, &None, &None),
            "record_by_kind (kind=? AND idx<?)",
        ),
        (
            filter(None, &publisher, &None),
            "record_by_publisher (publisher=? AND idx<?)",
        ),
        (
            filter(evaluation, &publisher, &None),
            "record_by_publisher (publisher=? AND idx<?)",
        ),
        (
            filter(Some(Kind::Publisher), &publisher, &None),
            "record_of_publisher (publisher=? AND idx<?)",
        ),
        (
            filter(None, &None, &subject),
            "record_by_subject (subject=? AND idx<?)",
        ),
        (
            filter(evaluation, &None, &subject),
            "record_by_subject (subject=? AND idx<?)",
        ),
        (
            filter(None, &publisher, &subject),
            "record_by_subject_and_publisher (subject=? AND publisher=? AND idx<?)",
        ),
    ] {
        let newest = RecordPage::NewestBefore(TreeSize::new(1_000), 50);
        let found = plan(&log.readers, &filter, newest).await;
        assert!(found.ends_with(index), "{filter:?}: {found}");
        let oldest = RecordPage::OldestFrom(LeafIndex::new(0), TreeSize::new(1_000), 50);
        let found = plan(&log.readers, &filter, oldest).await;
        assert!(!found.contains("TEMP B-TREE"), "{filter:?}: {found}");
    }
}
