//! A log with a release in it, and the bundle of that release.

use candor_core::Sha256;
use candor_core::bundle::{Bundle, BundleError, BundledRecord};
use candor_core::merkle::LeafIndex;
use candor_core::note::LogKey;
use candor_core::record::{DigestSet, Predicate, ReleaseName};
use candor_core::weights::{MANIFEST_MEDIA_TYPE, Manifest, ManifestFile};
use ed25519_dalek::SigningKey;

use super::log::TestLog;
use super::{CARD, RELEASE, about, evaluation, key, model_card, publisher, signed, state_after};

pub(crate) const ORIGIN: &str = "log.example.org/candor";

/// A log with a release in it: two registrations, the first publisher's second list of keys, the release's
/// card and weights, an evaluation by the other publisher, and entries of no concern around them.
pub(crate) struct Story {
    pub(crate) log: TestLog,
    /// How many entries the bundle's checkpoint covers; the log has more.
    pub(crate) size: usize,
    pub(crate) meta: LeafIndex,
    pub(crate) meta_second: LeafIndex,
    pub(crate) eleuther: LeafIndex,
    pub(crate) card: LeafIndex,
    pub(crate) weights: LeafIndex,
    pub(crate) evaluation: LeafIndex,
    pub(crate) manifest: Vec<u8>,
    pub(crate) bundle: Bundle,
}

pub(crate) fn meta_old() -> SigningKey {
    key(1)
}

pub(crate) fn meta_new() -> SigningKey {
    key(2)
}

pub(crate) fn eleuther_key() -> SigningKey {
    key(3)
}

pub(crate) fn manifest() -> Manifest {
    let file = |path: &str, bytes: &str| ManifestFile {
        path: path.parse().expect("a good path"),
        size: Some(bytes.len() as u64),
        digest: DigestSet::sha256(Sha256::of(bytes)),
    };
    Manifest::new(vec![
        file("README.md", "# OPT 125M\n"),
        file("model.safetensors", "weights"),
    ])
    .expect("a good list")
}

pub(crate) fn story() -> Story {
    let mut log = TestLog::new(ORIGIN, key(50));
    let (old, new, eleuther) = (meta_old(), meta_new(), eleuther_key());
    log.pad(2);
    let first = signed(publisher("meta-ai", &[&old], None), &[&old])
        .verify(None)
        .expect("a registration");
    let meta = log.append_verified(&first);
    let first = state_after(None, &first, meta.get());
    log.pad(1);
    let registration = signed(publisher("eleutherai", &[&eleuther], None), &[&eleuther]);
    let eleuther_at = log.append(&registration);
    let second = signed(
        publisher("meta-ai", &[&new], Some(first.record)),
        &[&old, &new],
    );
    let meta_second = log.append(&second);
    log.pad(3);
    let card = log.append(&signed(model_card(RELEASE, CARD), &[&new]));
    let manifest = manifest();
    let predicate = manifest.to_weights();
    let subject = predicate.manifest.digest.sha256;
    let weights = about(RELEASE, subject, &Predicate::Weights(predicate));
    let weights = log.append(&signed(weights, &[&new]));
    let evaluated = signed(evaluation("eleutherai", RELEASE, subject), &[&eleuther]);
    let evaluation = log.append(&evaluated);
    log.pad(1);
    let size = log.size();
    log.pad(5);

    let mut story = Story {
        log,
        size,
        meta,
        meta_second,
        eleuther: eleuther_at,
        card,
        weights,
        evaluation,
        manifest: manifest.to_bytes(),
        bundle: Bundle::new(release(), String::new(), Vec::new()),
    };
    story.bundle = story.bundle_of(&[meta, eleuther_at, meta_second, card, weights, evaluation]);
    story
}

pub(crate) fn release() -> ReleaseName {
    RELEASE.parse().expect("a good name")
}

impl Story {
    pub(crate) fn bundle_of(&self, records: &[LeafIndex]) -> Bundle {
        let bundled = records
            .iter()
            .map(|index| self.log.bundled(*index, self.size))
            .collect();
        let mut bundle = Bundle::new(release(), self.log.checkpoint(self.size), bundled);
        // A bundle has only documents that its records name.
        if records.contains(&self.weights) {
            bundle.attach(MANIFEST_MEDIA_TYPE, &self.manifest);
        }
        if records.contains(&self.card) {
            bundle.attach("text/markdown", CARD);
        }
        bundle
    }

    pub(crate) fn key(&self) -> LogKey {
        self.log.key()
    }

    /// The good bundle, changed.
    pub(crate) fn refused(&self, change: impl FnOnce(&mut Bundle)) -> BundleError {
        let mut bundle = self.bundle.clone();
        change(&mut bundle);
        bundle
            .verify(&self.key())
            .expect_err("it should be refused")
    }

    pub(crate) fn refused_without(&self, index: LeafIndex) -> BundleError {
        self.refused(|bundle| bundle.records.retain(|record| record.index != index))
    }
}

pub(crate) fn at(bundle: &mut Bundle, index: LeafIndex) -> &mut BundledRecord {
    bundle
        .records
        .iter_mut()
        .find(|record| record.index == index)
        .expect("the bundle has this record")
}
