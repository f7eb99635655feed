//! A batch of records on its way into the catalogue: what is there is loaded, changed by what the records say, and
//! written back, in one transaction.

use std::collections::{BTreeSet, HashMap};

use candor_core::record::Statement;

use super::derive::{Derived, Logged, Withdrawn};
use super::rows::{
    MODEL, PUBLISHER, RELEASE, model_of, model_values, publisher_of, publisher_values, release_of,
    release_values,
};
use super::sql::{Changes, Dialect, Value};
use super::terms::Terms;
use crate::storage::StorageError;

/// Adds records, which stand behind all that is in the catalogue, in their order.
pub(super) async fn add(changes: &mut Changes, records: &[Logged<'_>]) -> Result<(), StorageError> {
    let statements: Vec<&Statement> = records.iter().map(|it| it.statement).collect();
    let mut derived = load(changes, &statements).await?;
    let before: HashMap<i64, usize> = derived
        .documents
        .iter()
        .map(|(id, terms)| (*id, terms.len()))
        .collect();
    let unchanged: HashMap<i64, Terms> = derived.documents.clone();
    for record in records {
        derived.add(record);
    }
    derived.documents.retain(|id, terms| {
        before.get(id) != Some(&terms.len()) || unchanged.get(id) != Some(terms)
    });
    store(changes, derived).await
}

/// What the catalogue has of all that these statements are about.
async fn load(changes: &mut Changes, statements: &[&Statement]) -> Result<Derived, StorageError> {
    let mut derived = Derived::default();
    let mut publishers = BTreeSet::new();
    let (mut models, mut releases) = (BTreeSet::new(), BTreeSet::new());
    for statement in statements {
        publishers.insert(statement.publisher().to_string());
        if let Some(release) = statement.release() {
            // Whose release it is counts it, and lends it its name.
            publishers.insert(release.publisher().to_string());
            models.insert(release.model().to_string());
            releases.insert(release.to_string());
        }
    }
    let select = format!("SELECT {PUBLISHER} FROM publisher");
    for row in changes
        .rows_among(&select, "name", texts(publishers))
        .await?
    {
        let it = publisher_of(&row)?;
        derived.publishers.insert(it.name.clone(), it);
    }
    let select = format!("SELECT {MODEL} FROM model");
    for row in changes.rows_among(&select, "name", texts(models)).await? {
        let it = model_of(&row)?;
        derived.models.insert(it.name.clone(), it);
    }
    let select = format!("SELECT {RELEASE} FROM release");
    for row in changes.rows_among(&select, "name", texts(releases)).await? {
        let it = release_of(&row)?;
        derived.releases.insert(it.name.clone(), it);
    }
    load_documents(changes, &mut derived).await?;
    Ok(derived)
}

fn texts(names: BTreeSet<String>) -> Vec<Value> {
    names.into_iter().map(Value::from).collect()
}

/// The terms of all that was loaded, and of the newest releases, which may not be it any more.
async fn load_documents(changes: &mut Changes, derived: &mut Derived) -> Result<(), StorageError> {
    let publishers = derived.publishers.values().map(|it| it.id);
    let releases = derived.releases.values().map(|it| it.id);
    let newest = derived.models.values().map(|it| it.newest);
    let ids: BTreeSet<i64> = publishers.chain(releases).chain(newest).collect();
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let rows = changes.rows_among("SELECT rowid, terms FROM document", "rowid", ids);
    for row in rows.await? {
        let terms: String = row.at(1)?;
        derived
            .documents
            .insert(row.at(0)?, Terms::from_text(&terms));
    }
    Ok(())
}

async fn store(changes: &mut Changes, derived: Derived) -> Result<(), StorageError> {
    let publishers = derived.publishers.into_values().map(publisher_values);
    changes
        .upsert("publisher", PUBLISHER, publishers.collect())
        .await?;
    let models = derived.models.into_values().map(model_values);
    changes.upsert("model", MODEL, models.collect()).await?;
    let releases = derived.releases.into_values().map(release_values);
    changes
        .upsert("release", RELEASE, releases.collect())
        .await?;
    store_documents(changes, derived.documents).await?;
    let new = derived.new;
    for (table, columns, rows, conflict) in [
        ("edge", EDGE, new.edges, ""),
        ("evaluation", EVALUATION, new.evaluations, ""),
        ("api_version", API_VERSION, new.api_versions, ""),
        ("withdrawal", WITHDRAWAL, new.withdrawals, ""),
        ("file", FILE, new.files, ""),
    ] {
        changes.insert(table, columns, rows, conflict).await?;
    }
    for withdrawn in derived.withdrawn {
        withdraw(changes, withdrawn).await?;
    }
    let growth = derived.growth.into_iter();
    let growth = growth.map(|((day, kind), records)| vec![day.into(), kind.into(), records.into()]);
    let add = "ON CONFLICT (day, kind) DO UPDATE SET records = growth.records + excluded.records";
    changes
        .insert("growth", "day, kind, records", growth.collect(), add)
        .await
}

const EDGE: &str = "record, n, child, relation, parent, parent_model, parent_record, withdrawn_by";
const EVALUATION: &str = "record, n, release, model, author, by_others, task, metric, value, standard_error, samples, few_shot, harness, harness_version, outcome, date, accepted_ms, withdrawn_by";
const API_VERSION: &str = "record, name, model, publisher, provider, endpoint, model_id, is_alias, behind, behind_model, valid_from, valid_until, valid_from_s, valid_until_s, replaces, withdrawn_by";
const WITHDRAWAL: &str = "record, author, release, target, scope, reason, explanation, replacement";
const FILE: &str = "digest, record, n, algorithm, release, path, size";

/// FTS5 has no `ON CONFLICT`, but replaces a row by its number.
async fn store_documents(
    changes: &mut Changes,
    documents: HashMap<i64, Terms>,
) -> Result<(), StorageError> {
    let rows = documents.into_iter();
    let rows: Vec<Vec<Value>> = rows
        .map(|(id, terms)| vec![id.into(), terms.to_text().into()])
        .collect();
    match changes.dialect() {
        Dialect::Postgres => changes.upsert("document", "rowid, terms", rows).await,
        Dialect::Sqlite => {
            for row in rows {
                let replace = "INSERT OR REPLACE INTO document (rowid, terms) VALUES ($1, $2)";
                changes.execute(replace, row).await?;
            }
            Ok(())
        }
    }
}

async fn withdraw(changes: &mut Changes, withdrawn: Withdrawn) -> Result<(), StorageError> {
    match withdrawn {
        Withdrawn::Record { by, target } => {
            for table in ["edge", "evaluation", "api_version"] {
                let update = format!(
                    "UPDATE {table} SET withdrawn_by = $1 WHERE record = $2 AND withdrawn_by IS NULL"
                );
                changes
                    .execute(update, vec![by.into(), target.into()])
                    .await?;
            }
        }
        Withdrawn::Release {
            by,
            release,
            author,
        } => {
            // A release's own edges and its version of an API are its publisher's, who alone withdraws all of it.
            for (table, of_author) in [
                ("edge", "child = $2 AND $3 = $3"),
                ("evaluation", "release = $2 AND author = $3"),
                ("api_version", "name = $2 AND publisher = $3"),
            ] {
                let update = format!(
                    "UPDATE {table} SET withdrawn_by = $1
                     WHERE {of_author} AND record < $1 AND withdrawn_by IS NULL"
                );
                let values = vec![by.into(), release.as_str().into(), author.as_str().into()];
                changes.execute(update, values).await?;
            }
        }
    }
    Ok(())
}
