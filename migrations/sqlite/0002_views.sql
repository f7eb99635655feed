-- Views: what the entries say, laid out for questions. Drop them, derive them from `entry` again, and they
-- are the same.

CREATE TABLE record (
    idx INTEGER PRIMARY KEY REFERENCES entry (idx),
    kind TEXT NOT NULL,
    -- Who signed it.
    publisher TEXT NOT NULL,
    -- What it is about: a publisher, or a release.
    subject TEXT NOT NULL,
    subject_sha256 BLOB NOT NULL CHECK (length(subject_sha256) = 32),
    -- The withdrawal that it fell to.
    withdrawn_by INTEGER REFERENCES entry (idx)
) STRICT;
-- Every question for records, however it is filtered, reads only rows that it answers with, newest first: whoever
-- fills the log with what a filter leaves out must not make it slow. A row's index is at the end of each index anyway,
-- so it is not named. With the kind in front of it, one index answers for one kind and, merged over all kinds, for all.
CREATE INDEX record_by_kind ON record (kind);
CREATE INDEX record_by_publisher ON record (publisher, kind);
CREATE INDEX record_by_subject ON record (subject, kind);
-- What one publisher says of one release. The other kinds have one author for a subject, and need no index.
CREATE INDEX record_by_subject_and_publisher ON record (subject, publisher, kind)
    WHERE kind = 'evaluation' OR kind = 'withdrawal';
-- What a release is does not change.
CREATE UNIQUE INDEX record_once_per_release ON record (subject, kind)
    WHERE kind IN ('model-card', 'weights', 'training-config', 'api-version');

CREATE TABLE publisher (
    name TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    url TEXT,
    -- Its newest `publisher` record.
    record_idx INTEGER NOT NULL REFERENCES entry (idx),
    record_statement BLOB NOT NULL CHECK (length(record_statement) = 32)
) STRICT;

CREATE TABLE publisher_key (
    publisher TEXT NOT NULL REFERENCES publisher (name),
    keyid BLOB NOT NULL CHECK (length(keyid) = 32),
    public_key TEXT NOT NULL,
    -- Its place in the list of keys.
    position INTEGER NOT NULL,
    -- The `publisher` record that left it out; none while it counts.
    retired_at INTEGER REFERENCES entry (idx),
    PRIMARY KEY (publisher, keyid)
) STRICT;
CREATE INDEX publisher_key_by_keyid ON publisher_key (keyid);
-- A publisher's keys of today, and those that one of its records left out, without the thousands that there may be.
CREATE INDEX publisher_key_by_retirement ON publisher_key (publisher, retired_at);

CREATE TABLE release (
    name TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    first_idx INTEGER NOT NULL REFERENCES entry (idx),
    withdrawn_by INTEGER REFERENCES entry (idx)
) STRICT;
CREATE INDEX release_by_model ON release (model, first_idx);
