//! What was withdrawn, and what falls with it.

mod common;

use candor_core::bundle::{
    Bundle, LoggedRecord, VerifiedBundle, is_carried_by, release_fallen, release_withdrawn,
    withdrawn,
};
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{Scope, TrainingConfig};
use candor_core::record::{Attachment, Kind, Predicate, Statement};
use candor_core::{Sha256, Verified};
use common::log::TestLog;
use common::story::{ORIGIN, manifest, release};
use common::{CARD, RELEASE, about, evaluation, key, model_card, publisher, signed, withdrawal_of};
use ed25519_dalek::SigningKey;
use serde_json::json;

/// A log that fills as a test tells: two publishers are registered, entries 0 and 1.
struct Told {
    log: TestLog,
}

fn lab() -> SigningKey {
    key(1)
}

fn judge() -> SigningKey {
    key(2)
}

impl Told {
    fn begin() -> Self {
        let mut log = TestLog::new(ORIGIN, key(50));
        for (name, key) in [("meta-ai", lab()), ("eleutherai", judge())] {
            log.append(&signed(publisher(name, &[&key], None), &[&key]));
        }
        Self { log }
    }

    /// Logs a statement, and says its digest.
    fn tell(&mut self, payload: Vec<u8>, key: &SigningKey) -> Sha256 {
        let digest = Statement::parse(&payload).expect("well-formed").digest;
        self.log.append(&signed(payload, &[key]));
        digest
    }

    fn card(&mut self) -> Sha256 {
        self.tell(model_card(RELEASE, CARD), &lab())
    }

    fn weights(&mut self) -> Sha256 {
        let weights = manifest().to_weights();
        let subject = weights.manifest.digest.sha256;
        self.tell(
            about(RELEASE, subject, &Predicate::Weights(weights)),
            &lab(),
        )
    }

    fn config(&mut self) -> Sha256 {
        let document = Attachment::describe("config.yml", "application/yaml", b"lr: 1");
        let config: TrainingConfig = serde_json::from_value(json!({ "document": document }))
            .expect("a config needs no more than its document");
        let subject = document.digest.sha256;
        self.tell(
            about(RELEASE, subject, &Predicate::TrainingConfig(config)),
            &lab(),
        )
    }

    fn evaluation(&mut self) -> Sha256 {
        self.tell(
            evaluation("eleutherai", RELEASE, Sha256::of(CARD)),
            &judge(),
        )
    }

    /// The publisher of the release takes back what it said.
    fn withdraw(&mut self, scope: Scope, statement: Sha256) {
        let payload = withdrawal_of(scope, "meta-ai", RELEASE, statement);
        self.tell(payload, &lab());
    }

    /// Somebody else does, which is of one record: a statement can't say more.
    fn withdraw_as_judge(&mut self, statement: Sha256) {
        let payload = withdrawal_of(Scope::Record, "eleutherai", RELEASE, statement);
        self.tell(payload, &judge());
    }

    fn verified(&self) -> Verified<VerifiedBundle> {
        let size = self.log.size();
        let records = (0..size).map(|at| self.log.bundled(LeafIndex::new(at as u64), size));
        Bundle::new(release(), self.log.checkpoint(size), records.collect())
            .verify(&self.log.key())
            .expect("all is as it was logged")
    }
}

/// The entry that the release as a whole was withdrawn by.
fn fallen(bundle: &VerifiedBundle) -> Option<u64> {
    release_withdrawn(&bundle.release, &bundle.records).map(|it| it.by.get())
}

fn record(bundle: &VerifiedBundle, kind: Kind) -> &LoggedRecord {
    let is_it = |it: &&LoggedRecord| it.record.statement().kind() == kind;
    bundle.records.iter().find(is_it).expect("it is there")
}

/// The entry that the first record of this kind was withdrawn by.
fn gone(bundle: &VerifiedBundle, kind: Kind) -> Option<u64> {
    withdrawn(record(bundle, kind), &bundle.records).map(|it| it.by.get())
}

#[test]
fn a_record_that_was_withdrawn_is_and_the_others_are_not() {
    let mut told = Told::begin();
    let (card, _) = (told.card(), told.weights());
    assert_eq!(gone(&told.verified(), Kind::ModelCard), None);
    told.withdraw(Scope::Record, card);
    let bundle = told.verified();
    assert_eq!(gone(&bundle, Kind::ModelCard), Some(4));
    assert_eq!(gone(&bundle, Kind::Weights), None);
    assert_eq!(fallen(&bundle), None, "no withdrawal of the release itself");
}

#[test]
fn a_release_is_withdrawn_with_all_that_its_publisher_had_said() {
    let mut told = Told::begin();
    let (card, _, _) = (told.card(), told.weights(), told.evaluation());
    told.withdraw(Scope::Release, card);
    let bundle = told.verified();
    assert_eq!(fallen(&bundle), Some(5));
    assert_eq!(gone(&bundle, Kind::ModelCard), Some(5));
    assert_eq!(gone(&bundle, Kind::Weights), Some(5));
    assert_eq!(gone(&bundle, Kind::Evaluation), None, "it is another's");
    assert_eq!(gone(&bundle, Kind::Publisher), None);
}

#[test]
fn of_several_withdrawals_the_first_counts() {
    let mut told = Told::begin();
    let card = told.card();
    told.withdraw(Scope::Record, card);
    told.withdraw(Scope::Release, card);
    told.withdraw(Scope::Release, card);
    let bundle = told.verified();
    assert_eq!(
        (gone(&bundle, Kind::ModelCard), fallen(&bundle)),
        (Some(3), Some(4))
    );
}

#[test]
fn nobody_withdraws_what_another_said() {
    let mut told = Told::begin();
    let (card, evaluation) = (told.card(), told.evaluation());
    told.withdraw_as_judge(card);
    told.withdraw_as_judge(evaluation);
    let bundle = told.verified();
    assert_eq!(
        (gone(&bundle, Kind::ModelCard), fallen(&bundle)),
        (None, None)
    );
    assert_eq!(gone(&bundle, Kind::Evaluation), Some(5), "its own it does");
}

#[test]
fn a_withdrawal_covers_nothing_that_came_after_it() {
    let mut told = Told::begin();
    let card = told.card();
    told.withdraw(Scope::Release, card);
    told.weights();
    let bundle = told.verified();
    assert_eq!(gone(&bundle, Kind::ModelCard), Some(3));
    assert_eq!(gone(&bundle, Kind::Weights), None);
}

#[test]
fn a_release_falls_with_its_card_or_weights_and_with_the_rest_only_if_neither_is_left() {
    let carries = |told: &Told, kind| {
        let bundle = told.verified();
        is_carried_by(record(&bundle, kind), &bundle.records)
    };
    let mut told = Told::begin();
    told.config();
    told.evaluation();
    assert!(carries(&told, Kind::TrainingConfig));
    assert!(!carries(&told, Kind::Evaluation));
    assert!(!carries(&told, Kind::Publisher));
    let card = told.card();
    assert!(carries(&told, Kind::ModelCard));
    assert!(!carries(&told, Kind::TrainingConfig));
    told.withdraw(Scope::Record, card);
    assert!(carries(&told, Kind::TrainingConfig));
    assert!(!carries(&told, Kind::Withdrawal));
}

#[test]
fn a_release_falls_by_its_own_withdrawal_or_else_by_that_of_what_carries_it() {
    let falls = |told: &Told| {
        let bundle = told.verified();
        let fallen = release_fallen(&bundle.release, &bundle.records).map(|it| it.by.get());
        let other = "meta-ai/opt-350m@1.0.0".parse().expect("a good name");
        assert_eq!(release_fallen(&other, &bundle.records), None);
        fallen
    };
    let mut told = Told::begin();
    let (card, config, evaluation) = (told.card(), told.config(), told.evaluation());
    assert_eq!(falls(&told), None);
    told.withdraw_as_judge(card);
    told.withdraw_as_judge(evaluation);
    told.withdraw(Scope::Record, config);
    assert_eq!(falls(&told), None, "the card is left");
    told.withdraw(Scope::Record, card);
    assert_eq!(falls(&told), Some(8));
    told.withdraw(Scope::Release, card);
    assert_eq!(falls(&told), Some(9), "that of all of it says the most");
}
