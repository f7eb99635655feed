//! Logs that one key signs, which are of two histories.

use candor_tests::cli::copy_folder;
use candor_tests::everything::Everything;
use candor_tests::{TestLog, TestPublisher};

/// Enough for two full tiles, and for one above them.
const FURTHER: usize = 520;

/// ```text
/// early ──one record more──► ours
/// theirs, as long as ours, with something else in its first place
/// ```
pub(crate) struct Histories {
    pub(crate) early: TestLog,
    pub(crate) ours: TestLog,
    pub(crate) theirs: TestLog,
}

impl Histories {
    pub(crate) fn make() -> Self {
        let mut ours = TestLog::start();
        let copy = |log: &mut TestLog, name: &str| {
            assert!(log.stop().success());
            let data = log.scratch().join(name);
            copy_folder(&log.data(), &data);
            let copied = TestLog::start_at(&data, log.key().clone());
            log.restart();
            copied
        };
        // Both begin with the same key, and with nothing else.
        let theirs = copy(&mut ours, "theirs");
        theirs
            .publish(&[TestPublisher::new("other-lab").register()])
            .expect_status(201);
        for log in [&ours, &theirs] {
            fill(log);
        }
        let early = copy(&mut ours, "early");
        ours.publish(&[TestPublisher::new("another-lab").register()])
            .expect_status(201);
        Self {
            early,
            ours,
            theirs,
        }
    }
}

fn fill(log: &TestLog) {
    let Everything { lab, .. } = Everything::publish(log);
    let versions: Vec<String> = (0..FURTHER).map(|n| format!("2.{n}.0")).collect();
    for part in versions.chunks(60) {
        let records: Vec<_> = part
            .iter()
            .map(|version| lab.api_version("further-api", version, ""))
            .collect();
        log.publish(&records).expect_status(201);
    }
}
