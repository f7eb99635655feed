//! Publishers' keys as the sequencer knows them to be, so that it need not ask for them in each turn.
//!
//! Always: they are those of one tree, and are used in a turn on that tree only. A record is not even looked up if its
//! signatures were checked against the very keys that count; any other is judged by what the storage says.

use std::collections::{HashMap, HashSet};

use candor_core::Verified;
use candor_core::merkle::TreeHead;
use candor_core::record::{Kind, PublisherName, PublisherState, Record};

use crate::storage::{Batch, Known, Questions, StorageError, Turn};
use crate::views::Effect;

/// The most publishers: some 5 MB.
const PUBLISHERS_MAX: usize = 10_000;

/// Publishers after the entries of one tree.
pub(crate) struct CurrentKeys {
    head: TreeHead,
    /// Without most of the keys that they retired, which only matter where a check fails.
    publishers: HashMap<PublisherName, PublisherState>,
}

impl Default for CurrentKeys {
    fn default() -> Self {
        Self {
            head: TreeHead::empty(),
            publishers: HashMap::new(),
        }
    }
}

impl CurrentKeys {
    /// What the log knows of the things that matter for placing `records`.
    pub(crate) async fn look_up<'a>(
        &mut self,
        turn: &mut dyn Turn,
        records: impl Iterator<Item = &'a Verified<Record>>,
    ) -> Result<Known, StorageError> {
        if turn.head() != self.head || self.publishers.len() > PUBLISHERS_MAX {
            self.publishers.clear();
            self.head = turn.head();
        }
        let mut questions = Questions::default();
        let mut confirmed = HashSet::new();
        for record in records {
            if self.confirm(record) {
                questions.about_statement(record.statement());
                confirmed.insert(record.statement().publisher());
            } else {
                questions.about(record.envelope(), record.statement());
            }
        }
        let mut known = turn.known(&questions).await?;
        let asked = known.publishers.clone();
        for name in confirmed {
            if !known.publishers.contains_key(name) {
                let state = self.publishers[name].clone();
                known.publishers.insert(name.clone(), state);
            }
        }
        self.publishers.extend(asked);
        Ok(known)
    }

    /// Whether the record was checked against the keys that count, and changes none.
    fn confirm(&self, record: &Verified<Record>) -> bool {
        let state = self.publishers.get(record.statement().publisher());
        record.statement().kind() != Kind::Publisher
            && state.is_some_and(|state| record.checked_against() == Some(state.record))
    }

    /// Takes over what a batch changed that was committed.
    pub(crate) fn committed(&mut self, batch: &Batch) {
        self.head = batch.after;
        for view in &batch.views {
            if let Effect::Publisher { state, .. } = &view.effect {
                self.publishers.insert(state.name.clone(), state.clone());
            }
        }
    }
}
