//! The tables of a catalogue, in the form of this version.
//!
//! They are made, and never changed: a catalogue in another form is made anew. All rows are about entries, which they
//! name by index: `release.id` is the index of the first record about a release, `publisher.id` that of a
//! registration, and `record` is the record that a row is from.

use super::sql::Dialect;

/// The form of the tables below, and of what is written into them. Whoever changes either adds one.
pub(super) const FORM: i64 = 3;

/// `{text}` is text that sorts by its bytes; `{key}` is a number that rows are found by.
const TABLES: &str = "
CREATE TABLE progress (
    id {key} CHECK (id = 1),
    form BIGINT NOT NULL,
    log {text} NOT NULL,
    -- How many entries are in the catalogue.
    size BIGINT NOT NULL,
    -- The leaf hash of the last of them: a log that was put back from before may have another.
    last_leaf {text} NOT NULL
);

CREATE TABLE publisher (
    id {key},
    name {text} NOT NULL UNIQUE,
    display_name {text} NOT NULL,
    url {text},
    -- Its newest `publisher` record.
    record BIGINT NOT NULL,
    records BIGINT NOT NULL,
    releases BIGINT NOT NULL,
    -- What its names look like. It has its name since it was registered, and what people call it since this record.
    name_skeleton {text} NOT NULL,
    display_skeleton {text} NOT NULL,
    display_since BIGINT NOT NULL
);
CREATE INDEX publisher_by_name_skeleton ON publisher (name_skeleton, id);
CREATE INDEX publisher_by_display_skeleton ON publisher (display_skeleton, display_since);
CREATE INDEX publisher_by_records ON publisher (records, id);

CREATE TABLE model (
    -- The first record about any of its releases.
    id {key},
    name {text} NOT NULL UNIQUE,
    publisher {text} NOT NULL,
    releases BIGINT NOT NULL,
    -- `release.id` of the newest.
    newest BIGINT NOT NULL
);
CREATE INDEX model_by_newest ON model (newest);

CREATE TABLE release (
    id {key},
    name {text} NOT NULL UNIQUE,
    model {text} NOT NULL,
    publisher {text} NOT NULL,
    accepted_ms BIGINT,
    -- A bit for each kind of record about it, in the order of the kinds.
    kinds BIGINT NOT NULL,
    -- Its publisher's records, and their withdrawals.
    card BIGINT, card_withdrawn_by BIGINT,
    weights BIGINT, weights_withdrawn_by BIGINT,
    config BIGINT, config_withdrawn_by BIGINT,
    api BIGINT, api_withdrawn_by BIGINT,
    -- The withdrawal of all of it; and the one that it falls with, which is that or one of a record that carries it.
    withdrawn_by BIGINT,
    fallen_by BIGINT,
    licence {text},
    task {text},
    summary {text},
    files BIGINT,
    bytes BIGINT,
    parameters BIGINT,
    format {text},
    is_weak BIGINT,
    evaluations BIGINT NOT NULL
);
CREATE INDEX release_by_model ON release (model, id);

CREATE TABLE edge (
    record BIGINT NOT NULL,
    n BIGINT NOT NULL,
    child {text} NOT NULL,
    relation {text} NOT NULL,
    parent {text} NOT NULL,
    parent_model {text} NOT NULL,
    -- Where the parent's record stands, as the child's says.
    parent_record BIGINT,
    withdrawn_by BIGINT,
    PRIMARY KEY (record, n)
);
CREATE INDEX edge_by_child ON edge (child, record);
CREATE INDEX edge_by_parent ON edge (parent, record);
CREATE INDEX edge_by_parent_model ON edge (parent_model, record);

CREATE TABLE evaluation (
    record BIGINT NOT NULL,
    n BIGINT NOT NULL,
    release {text} NOT NULL,
    model {text} NOT NULL,
    author {text} NOT NULL,
    -- 1 if the author is not the release's own publisher.
    by_others BIGINT NOT NULL,
    task {text} NOT NULL,
    metric {text} NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    standard_error DOUBLE PRECISION,
    samples BIGINT,
    few_shot BIGINT,
    harness {text} NOT NULL,
    harness_version {text},
    outcome {text} NOT NULL,
    date {text},
    accepted_ms BIGINT,
    withdrawn_by BIGINT,
    PRIMARY KEY (record, n)
);
CREATE INDEX evaluation_by_release ON evaluation (release, task, metric, record, n);
CREATE INDEX evaluation_by_release_and_record ON evaluation (release, record, n);
CREATE INDEX evaluation_by_release_and_side ON evaluation (release, by_others, record, n) WHERE withdrawn_by IS NULL;
CREATE INDEX evaluation_by_release_and_outcome ON evaluation (release, outcome, record, n);
-- A row for each record that says so, so that nobody's record gets lost among many values.
CREATE INDEX evaluation_by_failure ON evaluation (release, author, record)
    WHERE outcome = 'failed-to-reproduce' AND n = 0 AND withdrawn_by IS NULL;
CREATE INDEX evaluation_by_model ON evaluation (model, task, metric, record, n);
CREATE INDEX evaluation_by_model_and_record ON evaluation (model, record, n);
-- What was withdrawn, however much it is, takes nobody's time who asks for what stands.
CREATE INDEX evaluation_standing_of_model ON evaluation (model, record DESC, n DESC) WHERE withdrawn_by IS NULL;
CREATE INDEX evaluation_by_task ON evaluation (task, metric, record, n);
CREATE INDEX evaluation_by_task_and_record ON evaluation (task, record, n);
CREATE INDEX evaluation_by_metric ON evaluation (metric, record, n);
CREATE INDEX evaluation_by_author ON evaluation (author, task, metric, record, n);
CREATE INDEX evaluation_by_author_and_record ON evaluation (author, record, n);

CREATE TABLE api_version (
    record {key},
    name {text} NOT NULL UNIQUE,
    model {text} NOT NULL,
    publisher {text} NOT NULL,
    provider {text} NOT NULL,
    endpoint {text} NOT NULL,
    model_id {text} NOT NULL,
    is_alias BIGINT,
    behind {text},
    behind_model {text},
    valid_from {text} NOT NULL,
    valid_until {text},
    -- The same, in seconds since 1970.
    valid_from_s BIGINT NOT NULL,
    valid_until_s BIGINT,
    replaces {text},
    withdrawn_by BIGINT
);
CREATE INDEX api_version_by_model ON api_version (model, valid_from_s, record);
CREATE INDEX api_version_by_model_id ON api_version (model_id, valid_from_s, record);
CREATE INDEX api_version_by_publisher ON api_version (publisher, valid_from_s, record);
CREATE INDEX api_version_by_behind_model ON api_version (behind_model, valid_from_s, record);
CREATE INDEX api_version_by_replaces ON api_version (replaces);
CREATE INDEX api_version_by_time ON api_version (valid_from_s, record);

CREATE TABLE withdrawal (
    record {key},
    author {text} NOT NULL,
    release {text} NOT NULL,
    -- The record that is withdrawn, if it is one.
    target BIGINT,
    scope {text} NOT NULL,
    reason {text} NOT NULL,
    explanation {text} NOT NULL,
    replacement {text}
);
CREATE INDEX withdrawal_by_author ON withdrawal (author, record);
CREATE INDEX withdrawal_by_release ON withdrawal (release, record);
CREATE INDEX withdrawal_by_reason ON withdrawal (reason, record);

-- Which releases hold a file with this digest, by their own publishers' word.
CREATE TABLE file (
    digest BYTEA NOT NULL,
    -- The weights record that lists it, and the file's number in its manifest: in the key, as paths are too long for one.
    record BIGINT NOT NULL,
    n BIGINT NOT NULL,
    algorithm {text} NOT NULL,
    release BIGINT NOT NULL,
    path {text} NOT NULL,
    size BIGINT,
    PRIMARY KEY (digest, record, n, algorithm)
) {by_key};

-- Records that are not in the other tables: they could not be read, or the database did not take them.
CREATE TABLE left_out (
    record {key},
    why {text} NOT NULL,
    -- 1 if this program could not read it: another version of it may.
    is_unread BIGINT NOT NULL
);

CREATE TABLE growth (
    -- Days since 1970, by the server's clock; -1 where nobody knows.
    day BIGINT NOT NULL,
    kind {text} NOT NULL,
    records BIGINT NOT NULL,
    PRIMARY KEY (day, kind)
) {by_key};
";

/// What is searched. FTS5 takes the terms as they are: they are ASCII, of the letters, digits and `_` that its `ascii`
/// tokenizer is told to keep together. It knows which documents have a term, and not where.
const DOCUMENTS_SQLITE: &str = "
CREATE VIRTUAL TABLE document USING fts5 (
    terms, tokenize = \"ascii tokenchars '_'\", detail = none, prefix = '3 4'
);
";

/// The same for Postgres, which is handed the terms as they are too.
const DOCUMENTS_POSTGRES: &str = "
CREATE TABLE document (
    rowid BIGINT PRIMARY KEY,
    terms TEXT NOT NULL,
    vector TSVECTOR NOT NULL GENERATED ALWAYS AS (array_to_tsvector(string_to_array(terms, ' '))) STORED
);
CREATE INDEX document_by_vector ON document USING gin (vector);
";

/// All tables, for an engine.
pub(super) fn tables(dialect: Dialect) -> String {
    let (text, key, by_key, documents) = match dialect {
        Dialect::Sqlite => (
            "TEXT",
            "INTEGER PRIMARY KEY",
            "WITHOUT ROWID",
            DOCUMENTS_SQLITE,
        ),
        Dialect::Postgres => (
            "TEXT COLLATE \"C\"",
            "BIGINT PRIMARY KEY",
            "",
            DOCUMENTS_POSTGRES,
        ),
    };
    let tables = TABLES
        .replace("{text}", text)
        .replace("{key}", key)
        .replace("{by_key}", by_key);
    format!("{tables}{documents}")
}
