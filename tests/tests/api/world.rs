//! A log that has something of everything.

use candor_core::record::Algorithm;
use candor_core::record::DigestSet;
use candor_core::record::kinds::{Outcome, Scope};
use candor_core::weights::{Manifest, ManifestFile};
use candor_tests::http::multipart;
use candor_tests::{TestLog, TestPublisher};
use serde_json::Value;

pub(crate) const CARD: &[u8] = b"# Tiny\n";

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
    /// The records, by their indexes:
    ///
    /// ```text
    ///  0  example-lab              5  tiny-api@1.1.0      10  tiny@1.0.0: card
    ///  1  auditor                  6  tiny-api@1.2.0+r1   11  tiny@1.0.0: weights
    ///  2  zeta-lab                 7  other-api@1.0.0     12  auditor on 4: reported
    ///  3  zeta-lab, other key      8  zeta-lab/zed@1.0.0  13  zeta-lab on 4: failed to reproduce 12
    ///  4  tiny-api@1.0.0           9  zeta-lab/zed@1.1.0  14  auditor withdraws 12
    ///                                                     15  example-lab withdraws tiny-api@1.1.0
    /// ```
    pub(crate) fn new() -> Self {
        let log = TestLog::start();
        let (lab, auditor) = (
            TestPublisher::new("example-lab"),
            TestPublisher::new("auditor"),
        );
        let first = TestPublisher::new("zeta-lab");
        let zeta = first.with_key("the second key of zeta-lab");
        let manifest = manifest();
        let api = |version| lab.api_version("tiny-api", version, "");
        let reported = auditor.evaluation(&api("1.0.0"), Outcome::Reported, None);
        let envelopes = vec![
            lab.register(),
            auditor.register(),
            first.register(),
            first.rotate(&first.register(), &zeta),
            api("1.0.0"),
            api("1.1.0"),
            api("1.2.0+r1"),
            lab.api_version("other-api", "1.0.0", ""),
            zeta.api_version("zed", "1.0.0", ""),
            zeta.api_version("zed", "1.1.0", ""),
            lab.model_card("tiny", "1.0.0", CARD),
            lab.weights("tiny", "1.0.0", &manifest),
            reported.clone(),
            zeta.evaluation(&api("1.0.0"), Outcome::FailedToReproduce, Some(&reported)),
            auditor.withdrawal(&reported, Scope::Record),
            lab.withdrawal(&api("1.1.0"), Scope::Release),
        ];
        // A change of keys goes by itself.
        for part in [&envelopes[..3], &envelopes[3..4], &envelopes[4..]] {
            let records = serde_json::to_vec(part).expect("JSON");
            let attachments: &[&[u8]] = &[CARD, &manifest.to_bytes()];
            let attachments = if part.len() > 3 { attachments } else { &[] };
            let (content_type, body) = multipart(&records, attachments);
            log.post(content_type, &body).expect_status(201);
        }
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

pub(crate) fn manifest() -> Manifest {
    let digest = candor_core::Sha256::of(b"weights").to_string();
    let file = ManifestFile {
        path: "model.safetensors".parse().expect("a path"),
        size: Some(7),
        digest: DigestSet::new([(Algorithm::Sha256, digest)]).expect("a digest"),
    };
    Manifest::new(vec![file]).expect("a manifest")
}
