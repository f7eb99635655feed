//! Records of every kind, with documents, changed keys and withdrawals.

use candor_core::record::kinds::{Outcome, Scope};
use candor_core::record::{Algorithm, DigestSet};
use candor_core::weights::{Manifest, ManifestFile};
use serde_json::Value;

use crate::http::multipart;
use crate::{TestLog, TestPublisher};

/// The card of `tiny`.
pub const CARD: &[u8] = b"# Tiny\n";

/// What a new log is filled with.
pub struct Everything {
    /// `example-lab`
    pub lab: TestPublisher,
    /// `auditor`
    pub auditor: TestPublisher,
    /// `zeta-lab` with its second key.
    pub zeta: TestPublisher,
    /// What is published, in the order of the log.
    pub envelopes: Vec<Value>,
}

impl Everything {
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
    pub fn publish(log: &TestLog) -> Self {
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
            lab,
            auditor,
            zeta,
            envelopes,
        }
    }
}

impl Everything {
    /// A record of each kind, and who signed it.
    pub fn one_of_each(&self) -> [(&TestPublisher, &Value); 6] {
        let of = |publisher, index: usize| (publisher, &self.envelopes[index]);
        [
            of(&self.lab, 0),
            of(&self.lab, 4),
            of(&self.lab, 10),
            of(&self.lab, 11),
            of(&self.auditor, 12),
            of(&self.auditor, 14),
        ]
    }
}

/// The manifest of `tiny`.
pub fn manifest() -> Manifest {
    let digest = candor_core::Sha256::of(b"weights").to_string();
    let file = ManifestFile {
        path: "model.safetensors".parse().expect("a path"),
        size: Some(7),
        digest: DigestSet::new([(Algorithm::Sha256, digest)]).expect("a digest"),
    };
    Manifest::new(vec![file]).expect("a manifest")
}
