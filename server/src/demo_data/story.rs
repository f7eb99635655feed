//! Records in their order: who registers, who publishes what, and where it came to stand.

use std::collections::BTreeMap;

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{ParentRecord, Relation};
use candor_core::record::{Kind, ReleaseName};

use super::lab::{Draft, Lab};
use super::{DemoDataError, Filled, OpenLog};

/// What is told so far.
pub(super) struct Story<'a> {
    log: &'a OpenLog,
    labs: BTreeMap<String, Lab>,
    filled: Filled,
}

/// A record in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    /// The release that it is about.
    pub(super) release: ReleaseName,
    /// Where it stands.
    pub(super) index: LeafIndex,
    /// Its statement digest.
    pub(super) statement: Sha256,
    /// Its subject digest: what evaluations of this content name.
    pub(super) sha256: Sha256,
}

impl Logged {
    /// This record as that of a parent.
    pub(super) fn as_parent(&self, relation: Relation) -> ParentRecord {
        ParentRecord {
            relation,
            release: self.release.clone(),
            index: self.index,
            statement: self.statement,
        }
    }
}

impl<'a> Story<'a> {
    /// Begins in an empty log.
    pub(super) fn begin(log: &'a OpenLog) -> Self {
        Self {
            log,
            labs: BTreeMap::new(),
            filled: Filled::default(),
        }
    }

    /// What came of it.
    pub(super) fn end(self) -> Filled {
        self.filled
    }

    /// Registers a publisher, unless it is there.
    pub(super) async fn register(
        &mut self,
        name: &str,
        display_name: &str,
        note: &'static str,
    ) -> Result<(), DemoDataError> {
        if self.labs.contains_key(name) {
            return Ok(());
        }
        let lab = Lab::new(name, display_name, note);
        self.labs.insert(name.to_owned(), lab);
        self.introduce(name).await
    }

    /// Replaces a publisher's key.
    pub(super) async fn rotate(&mut self, name: &str) -> Result<(), DemoDataError> {
        self.introduce(name).await
    }

    async fn introduce(&mut self, name: &str) -> Result<(), DemoDataError> {
        let signed = self.lab(name).introduce();
        let what = format!("the publisher record of {name}");
        self.log.publish(what, vec![signed]).await?;
        self.filled.add(Kind::Publisher);
        Ok(())
    }

    /// Publishes records by one publisher together, and says where they stand.
    pub(super) async fn publish(
        &mut self,
        by: &str,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Logged>, DemoDataError> {
        let Some(first) = drafts.first() else {
            return Ok(Vec::new());
        };
        let what = format!("what {by} says of {}", first.release);
        let about = drafts
            .iter()
            .map(|draft| (draft.release.clone(), draft.sha256));
        let about: Vec<(ReleaseName, Sha256)> = about.collect();
        for draft in &drafts {
            self.filled.add(draft.predicate.kind());
        }
        let lab = self.lab(by);
        let signed = drafts.into_iter().map(|draft| lab.sign(draft)).collect();
        let placed = self.log.publish(what, signed).await?;
        let logged = placed.into_iter().zip(about);
        let logged = logged.map(|(placed, (release, sha256))| Logged {
            release,
            index: placed.index,
            statement: placed.statement,
            sha256,
        });
        Ok(logged.collect())
    }

    /// Publishes one record.
    pub(super) async fn publish_one(
        &mut self,
        by: &str,
        draft: Draft,
    ) -> Result<Logged, DemoDataError> {
        let logged = self.publish(by, vec![draft]).await?;
        Ok(logged
            .into_iter()
            .next()
            .expect("each record gets its place"))
    }

    fn lab(&mut self, name: &str) -> &mut Lab {
        self.labs
            .get_mut(name)
            .expect("who publishes in a demonstration is registered first")
    }
}
