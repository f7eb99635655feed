//! What a record changes in the views: pure, so that deriving them again from the entries gives the same.

use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::Scope;
use candor_core::record::{Kind, Predicate, PublisherName, PublisherState, Record, ReleaseName};
use candor_core::{Sha256, Verified};

/// One record's effect on the views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewChange {
    /// Where the record stands.
    pub index: LeafIndex,
    /// What it is.
    pub kind: Kind,
    /// Who signed it.
    pub publisher: PublisherName,
    /// What it is about.
    pub subject: String,
    /// What exactly.
    pub subject_sha256: Sha256,
    /// The release that it is about, for all kinds but `publisher`.
    pub release: Option<ReleaseName>,
    /// What else it does.
    pub effect: Effect,
}

/// What a record does besides being there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// Registers a publisher or changes its keys.
    Publisher {
        /// What people call it.
        display_name: String,
        /// Its home page.
        url: Option<String>,
        /// Its keys from here on.
        state: PublisherState,
    },
    /// Withdraws one record.
    WithdrawRecord {
        /// Where that stands.
        target: LeafIndex,
    },
    /// Withdraws a release: all records about it that the author signed.
    WithdrawRelease,
}

impl ViewChange {
    /// What `record` at `index` changes. `publisher` is its publisher's state before it, `withdrawn` where
    /// the record stands that it withdraws.
    pub fn of(
        record: &Verified<Record>,
        index: LeafIndex,
        publisher: Option<&PublisherState>,
        withdrawn: Option<LeafIndex>,
    ) -> Self {
        let statement = record.statement();
        let effect = match (
            &statement.predicate,
            PublisherState::after(publisher, record, index),
        ) {
            (Predicate::Publisher(predicate), Some(state)) => Effect::Publisher {
                display_name: predicate.display_name.clone(),
                url: predicate.url.clone(),
                state,
            },
            (Predicate::Withdrawal(withdrawal), _) => match (withdrawal.scope, withdrawn) {
                (Scope::Release, _) => Effect::WithdrawRelease,
                (Scope::Record, Some(target)) => Effect::WithdrawRecord { target },
                (Scope::Record, None) => Effect::None,
            },
            _ => Effect::None,
        };
        Self {
            index,
            kind: statement.kind(),
            publisher: statement.publisher().clone(),
            subject: statement.subject.name.to_string(),
            subject_sha256: statement.subject.sha256,
            release: statement.release().cloned(),
            effect,
        }
    }
}
