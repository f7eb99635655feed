-- Views: what the entries say, laid out for questions. Drop them, derive them from `entry` again, and they
-- are the same.

CREATE TABLE record (
    idx BIGINT PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    -- Who signed it.
    publisher TEXT COLLATE "C" NOT NULL,
    -- What it is about: a publisher, or a release.
    subject TEXT COLLATE "C" NOT NULL,
    subject_sha256 BYTEA NOT NULL CHECK (octet_length(subject_sha256) = 32),
    -- The withdrawal that it fell to.
    withdrawn_by BIGINT
);
-- Every question for records, however it is filtered, reads only rows that it answers with, newest first: whoever
-- fills the log with what a filter leaves out must not make it slow. With the kind in front of the row's index, one
-- index answers for one kind and, merged over all kinds, for all.
CREATE INDEX record_by_kind ON record (kind, idx);
CREATE INDEX record_by_publisher ON record (publisher, kind, idx);
CREATE INDEX record_by_subject ON record (subject, kind, idx);
-- What one publisher says of one release. The other kinds have one author for a subject, and need no index.
CREATE INDEX record_by_subject_and_publisher ON record (subject, publisher, kind, idx)
    WHERE kind = 'evaluation' OR kind = 'withdrawal';
-- Which releases are the very files that somebody has.
CREATE INDEX record_by_manifest ON record (subject_sha256, idx) WHERE kind = 'weights';
-- What a release is does not change.
CREATE UNIQUE INDEX record_once_per_release ON record (subject, kind)
    WHERE kind IN ('model-card', 'weights', 'training-config', 'api-version');

CREATE TABLE publisher (
    name TEXT COLLATE "C" PRIMARY KEY,
    display_name TEXT NOT NULL,
    url TEXT,
    -- Its newest `publisher` record.
    record_idx BIGINT NOT NULL,
    record_statement BYTEA NOT NULL CHECK (octet_length(record_statement) = 32)
);

CREATE TABLE publisher_key (
    publisher TEXT COLLATE "C" NOT NULL,
    keyid BYTEA NOT NULL CHECK (octet_length(keyid) = 32),
    public_key TEXT NOT NULL,
    -- Its place in the list of keys.
    position BIGINT NOT NULL,
    -- The `publisher` record that left it out; none while it counts.
    retired_at BIGINT,
    PRIMARY KEY (publisher, keyid)
);
CREATE INDEX publisher_key_by_keyid ON publisher_key (keyid);
-- A publisher's keys of today, and those that one of its records left out, without the thousands that there may be.
CREATE INDEX publisher_key_by_retirement ON publisher_key (publisher, retired_at);

CREATE TABLE release (
    name TEXT COLLATE "C" PRIMARY KEY,
    model TEXT COLLATE "C" NOT NULL,
    first_idx BIGINT NOT NULL,
    withdrawn_by BIGINT
);
CREATE INDEX release_by_model ON release (model, first_idx);
