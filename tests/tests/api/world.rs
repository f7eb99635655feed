//! A log that has something of everything.

pub(crate) use candor_tests::everything::CARD;
use candor_tests::everything::Everything;
use candor_tests::{TestLog, TestPublisher};
use serde_json::Value;

pub(crate) struct World {
    pub(crate) log: TestLog,
    pub(crate) lab: TestPublisher,
    pub(crate) auditor: TestPublisher,
    /// `zeta-lab` with its second key.
    pub(crate) zeta: TestPublisher,
    /// What was published, in the order of the log.
    pub(crate) envelopes: Vec<Value>,
}

impl World {
    /// The records are those of [`Everything::publish`].
    pub(crate) fn new() -> Self {
        let log = TestLog::start();
        let Everything {
            lab,
            auditor,
            zeta,
            envelopes,
        } = Everything::publish(&log);
        Self {
            log,
            lab,
            auditor,
            zeta,
            envelopes,
        }
    }

    /// `GET path`, which must be there.
    pub(crate) fn json(&self, path: &str) -> Value {
        let answer = self.log.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        answer.json()
    }

    /// The items of a list, page by page as `next` leads, each page full but the last.
    pub(crate) fn pages(&self, path: &str, list: &str, limit: usize) -> Vec<Value> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut next = Some(format!("{path}{joint}limit={limit}"));
        let mut items = Vec::new();
        while let Some(path) = next {
            let page = self.json(&path);
            let part = page[list].as_array().expect("a list");
            items.extend(part.iter().cloned());
            next = page["next"].as_str().map(str::to_owned);
            if next.is_some() {
                assert_eq!(part.len(), limit, "{path} is not full, and not the last");
            } else {
                assert!(!part.is_empty(), "{path} is the last page, and empty");
            }
            assert!(items.len() < 1_000, "{path}: the pages go round");
        }
        items
    }
}
