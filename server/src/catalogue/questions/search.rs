//! Full-text search.

use std::str::FromStr;

use super::Conditions;
use crate::catalogue::Catalogue;
use crate::catalogue::rows::{PublisherSeen, Release};
use crate::catalogue::sql::{Dialect, Value};
use crate::catalogue::terms::{Place, Question};
use crate::storage::StorageError;

/// What is searched for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Words and filters.
    pub question: Question,
    /// A digest of a file that a release lists.
    pub digest: Option<Vec<u8>>,
    /// Where the page before ended.
    pub after: Option<HitPlace>,
    /// How many hits at most.
    pub limit: u32,
}

/// Where a hit stands among all: by where its words were found, and newest first among those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitPlace {
    /// Where the words were found.
    pub place: Place,
    /// The first record about it.
    pub id: i64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its place among all.
    pub place: HitPlace,
    /// What it is.
    pub of: HitOf,
}

/// A publisher or a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HitOf {
    /// A publisher.
    Publisher(PublisherSeen),
    /// A release.
    Release(Box<Release>),
}

impl HitPlace {
    /// As it stands in the address of the next page.
    pub fn to_cursor(self) -> String {
        let place = Place::ALL.iter().position(|it| *it == self.place);
        format!("{}.{}", place.unwrap_or_default(), self.id)
    }
}

impl FromStr for HitPlace {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let rule = "it is taken from the address of the next page as it is";
        let (place, id) = text.split_once('.').ok_or(rule)?;
        let place = place
            .parse::<usize>()
            .ok()
            .and_then(|it| Place::ALL.get(it));
        Ok(Self {
            place: *place.ok_or(rule)?,
            id: id.parse().ok().filter(|id| *id >= 0).ok_or(rule)?,
        })
    }
}

impl Catalogue {
    /// Finds publishers and releases: those whose names have the words first, then those that say so of themselves,
    /// then those whose text does; newest first among each.
    pub async fn search(&self, search: &Search) -> Result<Vec<Hit>, StorageError> {
        let mut found: Vec<HitPlace> = Vec::new();
        for place in Place::ALL {
            // Without words, there is nothing to be found in one place or another.
            let is_asked = place == Place::Name || search.question.has_words();
            let before = match search.after {
                Some(after) if after.place > place => continue,
                Some(after) if after.place == place => after.id,
                _ => i64::MAX,
            };
            let left = i64::from(search.limit) - i64::try_from(found.len()).unwrap_or(i64::MAX);
            if !is_asked || left <= 0 {
                break;
            }
            for id in self.found_at(search, place, before, left).await? {
                found.push(HitPlace { place, id });
            }
        }
        self.hits(found).await
    }

    /// The documents that are found at one place, newest first.
    async fn found_at(
        &self,
        search: &Search,
        place: Place,
        before: i64,
        limit: i64,
    ) -> Result<Vec<i64>, StorageError> {
        let mut conditions = Conditions::default();
        let question = &search.question;
        let select = match &search.digest {
            // The index of files is in the order of the answer.
            Some(digest) if question.is_empty() => {
                conditions.add("digest = ?", [digest.clone().into()]);
                conditions.add("release < ?", [before.into()]);
                "SELECT DISTINCT release FROM file"
            }
            _ => {
                if !question.is_empty() {
                    let (condition, text) = match self.pool.dialect() {
                        Dialect::Sqlite => ("document MATCH ?", question.to_fts5(place)),
                        Dialect::Postgres => {
                            ("vector @@ CAST(? AS tsquery)", question.to_tsquery(place))
                        }
                    };
                    conditions.add(condition, [Value::from(text)]);
                }
                conditions.add("rowid < ?", [before.into()]);
                if let Some(digest) = &search.digest {
                    conditions.add(
                        "rowid IN (SELECT release FROM file WHERE digest = ?)",
                        [digest.clone().into()],
                    );
                }
                "SELECT rowid FROM document"
            }
        };
        let limit = conditions.value(limit);
        let select = format!(
            "{select}{} ORDER BY 1 DESC LIMIT {limit}",
            conditions.to_where()
        );
        let rows = self.pool.rows(select, conditions.values).await?;
        rows.iter().map(|row| row.at(0)).collect()
    }

    /// What is at these places, in their order.
    async fn hits(&self, places: Vec<HitPlace>) -> Result<Vec<Hit>, StorageError> {
        let ids: Vec<i64> = places.iter().map(|place| place.id).collect();
        let releases = self.releases_at(&ids).await?;
        let publishers = self.publishers_at(&ids).await?;
        let mut hits = Vec::with_capacity(places.len());
        for place in places {
            let release = releases.iter().find(|it| it.id == place.id);
            let publisher = publishers.iter().find(|it| it.publisher.id == place.id);
            let of = match (release, publisher) {
                (Some(release), _) => HitOf::Release(Box::new(release.clone())),
                (None, Some(publisher)) => HitOf::Publisher(publisher.clone()),
                // Between two questions, the catalogue was made anew.
                (None, None) => continue,
            };
            hits.push(Hit { place, of });
        }
        Ok(hits)
    }
}
