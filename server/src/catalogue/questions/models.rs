//! Publishers, models and releases.

use super::Conditions;
use crate::catalogue::Catalogue;
use crate::catalogue::rows::{
    LOOKS_LIKE, MODEL, Model, PUBLISHER, Publisher, PublisherSeen, RELEASE, Release, model_of,
    publisher_of, publisher_seen_of, release_of,
};
use crate::storage::StorageError;

/// In which order models are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelOrder {
    /// By name, from the one behind this on.
    Name(String),
    /// Those with the newest releases first, from the one before this release on.
    Newest(Option<i64>),
}

impl Catalogue {
    /// A publisher, by its name.
    pub async fn publisher(&self, name: &str) -> Result<Option<PublisherSeen>, StorageError> {
        let select = format!("SELECT {PUBLISHER}, {LOOKS_LIKE} FROM publisher WHERE name = $1");
        let row = self.pool.row(select, vec![name.into()]).await?;
        row.as_ref().map(publisher_seen_of).transpose()
    }

    /// Publishers that these names could be taken for, or the other way round: those with one skeleton, but for
    /// `name` itself.
    pub async fn look_alikes(&self, of: &Publisher) -> Result<Vec<String>, StorageError> {
        let rows = self
            .pool
            .rows(
                "SELECT name FROM publisher WHERE name_skeleton = $1 OR name_skeleton = $2
                 UNION SELECT name FROM publisher WHERE display_skeleton = $1 OR display_skeleton = $2
                 ORDER BY name LIMIT 20",
                vec![
                    of.name_skeleton.as_str().into(),
                    of.display_skeleton.as_str().into(),
                ],
            )
            .await?;
        let mut names = Vec::new();
        for row in rows {
            let name: String = row.at(0)?;
            if name != of.name {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Publishers by how many records they signed, most first; at most `limit`.
    pub async fn busiest_publishers(&self, limit: u32) -> Result<Vec<Publisher>, StorageError> {
        let select =
            format!("SELECT {PUBLISHER} FROM publisher ORDER BY records DESC, id DESC LIMIT $1");
        let rows = self
            .pool
            .rows(select, vec![i64::from(limit).into()])
            .await?;
        rows.iter().map(publisher_of).collect()
    }

    /// A model, by its name.
    pub async fn model(&self, name: &str) -> Result<Option<Model>, StorageError> {
        let select = format!("SELECT {MODEL} FROM model WHERE name = $1");
        let row = self.pool.row(select, vec![name.into()]).await?;
        row.as_ref().map(model_of).transpose()
    }

    /// Models, those of one publisher if given, each with its newest release.
    pub async fn models(
        &self,
        publisher: Option<&str>,
        order: &ModelOrder,
        limit: u32,
    ) -> Result<Vec<(Model, Release)>, StorageError> {
        let mut conditions = Conditions::default();
        // A model's name begins with its publisher's and a slash; `0` is the character behind the slash.
        if let Some(publisher) = publisher {
            conditions.add(
                "name >= ? AND name < ?",
                [
                    format!("{publisher}/").into(),
                    format!("{publisher}0").into(),
                ],
            );
        }
        let order = match order {
            ModelOrder::Name(after) => {
                conditions.add("name > ?", [after.as_str().into()]);
                "name"
            }
            ModelOrder::Newest(before) => {
                conditions.add_if("newest < ?", *before);
                "newest DESC"
            }
        };
        let limit = conditions.value(i64::from(limit));
        let select = format!(
            "SELECT {MODEL} FROM model{} ORDER BY {order} LIMIT {limit}",
            conditions.to_where()
        );
        let rows = self.pool.rows(select, conditions.values).await?;
        let models: Vec<Model> = rows.iter().map(model_of).collect::<Result<_, _>>()?;
        let newest: Vec<i64> = models.iter().map(|model| model.newest).collect();
        let releases = self.releases_at(&newest).await?;
        let newest_of = |model: Model| {
            let newest = releases.iter().find(|it| it.id == model.newest)?.clone();
            Some((model, newest))
        };
        let models: Option<Vec<_>> = models.into_iter().map(newest_of).collect();
        models.ok_or_else(|| StorageError::damaged("the catalogue lacks a model's newest release"))
    }

    /// A release, by its name.
    pub async fn release(&self, name: &str) -> Result<Option<Release>, StorageError> {
        let select = format!("SELECT {RELEASE} FROM release WHERE name = $1");
        let row = self.pool.row(select, vec![name.into()]).await?;
        row.as_ref().map(release_of).transpose()
    }

    /// The releases of a model, newest first, from the one before `before` on.
    pub async fn releases_of(
        &self,
        model: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Release>, StorageError> {
        let before = before.unwrap_or(i64::MAX);
        let select = format!(
            "SELECT {RELEASE} FROM release WHERE model = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        );
        let values = vec![model.into(), before.into(), i64::from(limit).into()];
        let rows = self.pool.rows(select, values).await?;
        rows.iter().map(release_of).collect()
    }

    /// The releases with these names, as far as they are there, in no order. At most some hundred.
    pub async fn releases_named(&self, names: &[String]) -> Result<Vec<Release>, StorageError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let places = crate::catalogue::sql::placeholders(0, names.len());
        let select = format!("SELECT {RELEASE} FROM release WHERE name IN ({places})");
        let values = names.iter().map(|name| name.as_str().into()).collect();
        let rows = self.pool.rows(select, values).await?;
        rows.iter().map(release_of).collect()
    }

    /// The releases that begin at these entries, in no order.
    pub(super) async fn releases_at(&self, ids: &[i64]) -> Result<Vec<Release>, StorageError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = crate::catalogue::sql::placeholders(0, ids.len());
        let select = format!("SELECT {RELEASE} FROM release WHERE id IN ({places})");
        let values = ids.iter().map(|id| (*id).into()).collect();
        let rows = self.pool.rows(select, values).await?;
        rows.iter().map(release_of).collect()
    }

    /// The publishers that were registered at these entries, in no order.
    pub(super) async fn publishers_at(
        &self,
        ids: &[i64],
    ) -> Result<Vec<PublisherSeen>, StorageError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = crate::catalogue::sql::placeholders(0, ids.len());
        let select =
            format!("SELECT {PUBLISHER}, {LOOKS_LIKE} FROM publisher WHERE id IN ({places})");
        let values = ids.iter().map(|id| (*id).into()).collect();
        let rows = self.pool.rows(select, values).await?;
        rows.iter().map(publisher_seen_of).collect()
    }
}
