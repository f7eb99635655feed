//! Publishers, records and releases are what the entries say: whoever has the entries can derive them again.
//! Here it is done with core alone, and by rules that are written down a second time.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candor_core::Sha256;
use candor_core::Verified;
use candor_core::merkle::{EntryBundle, EntryBundlePath, LeafIndex, TileIndex, TreeSize};
use candor_core::record::kinds::Scope;
use candor_core::record::{
    Kind, Predicate, PublisherName, PublisherState, Record, SignedRecord, Statement,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Column as _, Connection as _, Row as _, ValueRef as _};

use crate::world::World;

/// The tables that `migrations/sqlite/0002_views.sql` makes, each with all that it says. Indexes that stand for names
/// are followed, and those of a name's first record are there as they are.
const VIEWS: [(&str, &str); 4] = [
    (
        "record",
        "SELECT idx, kind, signer.name AS publisher, coalesce(release.name, about.name) AS subject, subject_sha256,
             record.withdrawn_by
         FROM record JOIN publisher AS signer ON signer.first_idx = record.publisher
             LEFT JOIN release ON release.first_idx = record.subject
             LEFT JOIN publisher AS about ON about.first_idx = record.subject
         ORDER BY idx",
    ),
    ("publisher", "SELECT * FROM publisher ORDER BY name"),
    (
        "publisher_key",
        "SELECT * FROM publisher_key ORDER BY publisher, keyid",
    ),
    ("release", "SELECT * FROM release ORDER BY name"),
];

#[test]
fn the_views_follow_from_the_entries() {
    let world = World::new();
    let mut views = Views::default();
    for (index, record) in (0..).zip(entries(&world)) {
        views.take(LeafIndex::new(index), record);
    }
    for (table, query) in VIEWS {
        let derived = views.rows(table);
        assert!(
            !derived.is_empty(),
            "{table} has no rows, so nothing is compared"
        );
        assert_eq!(ask(&world.log.data(), query), derived, "{table}");
    }
}

/// The log's entries, as any client reads them.
fn entries(world: &World) -> Vec<SignedRecord> {
    let size = TreeSize::new(world.envelopes.len() as u64);
    let path = EntryBundlePath::in_tree(TileIndex::new(0), size).expect("they fit one bundle");
    let bundle = world.log.get(&format!("/{path}")).expect_status(200);
    let bundle = EntryBundle::parse(&bundle.body, path.width).expect("a bundle");
    let entries = bundle.entries().iter();
    entries
        .map(|entry| SignedRecord::from_entry(entry).expect("an entry is a record"))
        .collect()
}

/// What the entries so far say.
#[derive(Default)]
struct Views {
    states: HashMap<PublisherName, PublisherState>,
    /// By name: the first record, display name and URL.
    shown: BTreeMap<PublisherName, (LeafIndex, String, Option<String>)>,
    /// By publisher and key ID: the key, its last place in a list, and the record that left it out.
    keys: BTreeMap<(PublisherName, Sha256), (String, usize, Option<LeafIndex>)>,
    records: Vec<(Statement, Option<LeafIndex>)>,
    /// By name: its model, its first record, and the withdrawal that it fell to.
    releases: BTreeMap<String, (String, LeafIndex, Option<LeafIndex>)>,
}

impl Views {
    fn take(&mut self, index: LeafIndex, record: SignedRecord) {
        let publisher = record.statement().publisher().clone();
        let before = self.states.get(&publisher);
        let record = record.verify(before).expect("its keys may sign it");
        if let Some(state) = PublisherState::after(before, &record, index) {
            self.states.insert(publisher, state);
        }
        let statement = record.statement();
        if let Some(release) = statement.release() {
            let row = (release.model().to_string(), index, None);
            self.releases.entry(release.to_string()).or_insert(row);
        }
        match &statement.predicate {
            Predicate::Publisher(_) => self.change_keys(index, &record),
            Predicate::Withdrawal(withdrawal) => self.withdraw(index, statement, withdrawal.scope),
            Predicate::ModelCard(_)
            | Predicate::Weights(_)
            | Predicate::TrainingConfig(_)
            | Predicate::ApiVersion(_)
            | Predicate::Evaluation(_) => {}
        }
        self.records.push((statement.clone(), None));
    }

    fn change_keys(&mut self, index: LeafIndex, record: &Verified<Record>) {
        let Predicate::Publisher(said) = &record.statement().predicate else {
            panic!("it is a publisher record");
        };
        let name = record.statement().publisher();
        let first = self.shown.get(name).map_or(index, |(first, ..)| *first);
        let shown = (first, said.display_name.clone(), said.url.clone());
        self.shown.insert(name.clone(), shown);
        let state = &self.states[name];
        for (place, key) in state.keys.iter().enumerate() {
            let row = (key.to_base64_der(), place, None);
            self.keys.insert((name.clone(), key.keyid()), row);
        }
        for retired in state.retired.iter().filter(|it| it.at == index) {
            let row = self.keys.get_mut(&(name.clone(), retired.key.keyid()));
            row.expect("it was listed").2 = Some(index);
        }
    }

    /// A withdrawal names one record by its statement. It is that record which falls, or the release with all
    /// that the author has said of it so far; what fell before stays as it was.
    fn withdraw(&mut self, index: LeafIndex, withdrawal: &Statement, scope: Scope) {
        let subject = withdrawal.subject.name.to_string();
        if scope == Scope::Release {
            let row = self.releases.get_mut(&subject).expect("a release");
            row.2 = row.2.or(Some(index));
        }
        for (statement, withdrawn_by) in &mut self.records {
            let falls = match scope {
                Scope::Record => statement.digest == withdrawal.subject.sha256,
                Scope::Release => {
                    statement.subject.name.to_string() == subject
                        && statement.publisher() == withdrawal.publisher()
                        && statement.kind() != Kind::Withdrawal
                }
            };
            if falls {
                *withdrawn_by = withdrawn_by.or(Some(index));
            }
        }
    }

    /// The rows that a table should hold, as text.
    fn rows(&self, table: &str) -> Vec<String> {
        let or_null = |index: &Option<LeafIndex>| index.map_or("null".into(), |it| it.to_string());
        match table {
            "record" => (0..)
                .zip(&self.records)
                .map(|(index, (it, withdrawn_by))| {
                    format!(
                        "idx={index} kind={} publisher={} subject={} subject_sha256={} withdrawn_by={}",
                        it.kind().name(),
                        it.publisher(),
                        it.subject.name,
                        it.subject.sha256,
                        or_null(withdrawn_by)
                    )
                })
                .collect(),
            "publisher" => self
                .shown
                .iter()
                .map(|(name, (first, display_name, url))| {
                    let state = &self.states[name];
                    format!(
                        "first_idx={first} name={name} display_name={display_name} url={} record_idx={} record_statement={}",
                        url.as_deref().unwrap_or("null"),
                        state.at,
                        state.record
                    )
                })
                .collect(),
            "publisher_key" => self
                .keys
                .iter()
                .map(|((name, keyid), (key, place, retired))| {
                    format!(
                        "publisher={name} keyid={keyid} public_key={key} position={place} retired_at={}",
                        or_null(retired)
                    )
                })
                .collect(),
            "release" => self
                .releases
                .iter()
                .map(|(name, (model, first, withdrawn_by))| {
                    format!(
                        "first_idx={first} name={name} model={model} withdrawn_by={}",
                        or_null(withdrawn_by)
                    )
                })
                .collect(),
            _ => panic!("{table} is not derived here"),
        }
    }
}

/// What the database answers, a line for each row.
fn ask(data: &Path, query: &str) -> Vec<String> {
    let query = query.to_owned();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let rows = runtime.block_on(async {
        let options = SqliteConnectOptions::new()
            .filename(data.join("log.db"))
            .read_only(true);
        let mut database = SqliteConnection::connect_with(&options).await?;
        sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_all(&mut database)
            .await
    });
    rows.expect("the tables are there")
        .iter()
        .map(row)
        .collect()
}

fn row(row: &SqliteRow) -> String {
    let value = |column: usize| {
        if row.try_get_raw(column).expect("a column").is_null() {
            return "null".to_owned();
        }
        row.try_get::<String, _>(column)
            .or_else(|_| row.try_get::<i64, _>(column).map(|it| it.to_string()))
            .or_else(|_| row.try_get::<Vec<u8>, _>(column).map(hex::encode))
            .expect("text, a number or bytes")
    };
    let columns = row.columns().iter().enumerate();
    let columns = columns.map(|(n, column)| format!("{}={}", column.name(), value(n)));
    columns.collect::<Vec<_>>().join(" ")
}
