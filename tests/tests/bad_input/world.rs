//! Logs with good records, for bad ones to conflict with.

use candor_core::record::Algorithm;
use candor_core::record::DigestSet;
use candor_core::record::kinds::Scope;
use candor_core::weights::{Manifest, ManifestFile};
use candor_tests::http::multipart;
use candor_tests::statements::digest_of;
use candor_tests::{TestLog, TestPublisher};
use serde_json::Value;

/// What the log has in `README.md` of `example-lab/tiny@1.0.0`.
pub(crate) const CARD: &[u8] = b"# Tiny\n";

/// Where a case is sent.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    /// Anybody registers.
    Open,
    /// Anybody registers, and no request may take longer than two seconds.
    Hurried,
    /// The operator admits publishers.
    Approved,
}

pub(crate) struct World {
    open: TestLog,
    hurried: TestLog,
    approved: TestLog,
    /// `example-lab`
    pub(crate) lab: TestPublisher,
    /// `auditor`
    pub(crate) auditor: TestPublisher,
    /// `rotated-lab` with the key that it has had since its second record.
    pub(crate) rotated: TestPublisher,
    /// `rotated-lab` with the key that it had before.
    pub(crate) retired: TestPublisher,
    /// A publisher that no log knows.
    pub(crate) stranger: TestPublisher,
    /// The first record of `rotated-lab`.
    pub(crate) first_registration: Value,
    /// The second.
    pub(crate) rotation: Value,
    /// The API version `example-lab/tiny-api@1.0.0`.
    pub(crate) api: Value,
    /// The model card of `example-lab/tiny@1.0.0`.
    pub(crate) card: Value,
    /// The weights of `example-lab/tiny@1.0.0`.
    pub(crate) weights: Value,
    /// What they are.
    pub(crate) manifest: Manifest,
    /// The API version `example-lab/tiny-api@0.9.0`, which was withdrawn.
    pub(crate) withdrawn: Value,
}

impl World {
    pub(crate) fn new() -> Self {
        let retired = TestPublisher::new("rotated-lab");
        let rotated = retired.with_key("the second key of rotated-lab");
        let (lab, auditor) = (
            TestPublisher::new("example-lab"),
            TestPublisher::new("auditor"),
        );
        let first_registration = retired.register();
        let rotation = retired.rotate(&first_registration, &rotated);
        let manifest = manifest(&[("config.json", b"{}"), ("model.safetensors", b"weights")]);
        let withdrawn = lab.api_version("tiny-api", "0.9.0", "");
        let world = Self {
            open: TestLog::start(),
            hurried: TestLog::start_with(&["--request-seconds-max", "2"]),
            approved: TestLog::start_with(&["--registration", "approved"]),
            stranger: TestPublisher::new("stranger"),
            api: lab.api_version("tiny-api", "1.0.0", ""),
            card: lab.model_card("tiny", "1.0.0", CARD),
            weights: lab.weights("tiny", "1.0.0", &manifest),
            lab,
            auditor,
            rotated,
            retired,
            first_registration,
            rotation,
            manifest,
            withdrawn,
        };
        world.publish();
        world
    }

    fn publish(&self) {
        let registrations = [
            self.lab.register(),
            self.auditor.register(),
            self.first_registration.clone(),
        ];
        let records = [
            self.api.clone(),
            self.withdrawn.clone(),
            self.lab.withdrawal(&self.withdrawn, Scope::Release),
        ];
        for log in [&self.open, &self.hurried] {
            log.publish(&registrations).expect_status(201);
            // A change of keys goes by itself.
            let rotation = std::slice::from_ref(&self.rotation);
            log.publish(rotation).expect_status(201);
            log.publish(&records).expect_status(201);
        }
        let release = serde_json::to_vec(&[&self.card, &self.weights]).expect("JSON");
        let (content_type, body) = multipart(&release, &[CARD, &self.manifest.to_bytes()]);
        self.open.post(content_type, &body).expect_status(201);
    }

    pub(crate) fn log(&self, which: Which) -> &TestLog {
        match which {
            Which::Open => &self.open,
            Which::Hurried => &self.hurried,
            Which::Approved => &self.approved,
        }
    }

    /// What snapshots say instead of digests that differ between versions of these tests.
    pub(crate) fn digests(&self) -> Vec<(String, &'static str)> {
        let key = |publisher: &TestPublisher| publisher.public_key().keyid().to_string();
        let record = |envelope: &Value| digest_of(envelope).to_string();
        vec![
            (key(&self.lab), "[key of example-lab]"),
            (key(&self.auditor), "[key of auditor]"),
            (key(&self.rotated), "[second key of rotated-lab]"),
            (key(&self.retired), "[first key of rotated-lab]"),
            (key(&self.stranger), "[key of stranger]"),
            (
                record(&self.first_registration),
                "[first record of rotated-lab]",
            ),
            (record(&self.rotation), "[second record of rotated-lab]"),
            (record(&self.lab.register()), "[record of example-lab]"),
        ]
    }
}

/// A manifest of files with these contents.
pub(crate) fn manifest(files: &[(&str, &[u8])]) -> Manifest {
    let file = |(path, bytes): &(&str, &[u8])| ManifestFile {
        path: path.parse().expect("a good path"),
        size: Some(bytes.len() as u64),
        digest: DigestSet::new([(
            Algorithm::Sha256,
            candor_core::Sha256::of(bytes).to_string(),
        )])
        .expect("a digest"),
    };
    Manifest::new(files.iter().map(file).collect()).expect("a good manifest")
}
