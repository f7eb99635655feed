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
CREATE INDEX record_by_subject ON record (subject, idx);
CREATE INDEX record_by_publisher ON record (publisher, idx);
CREATE INDEX record_by_kind ON record (kind, idx);
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

CREATE TABLE release (
    name TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    first_idx INTEGER NOT NULL REFERENCES entry (idx),
    withdrawn_by INTEGER REFERENCES entry (idx)
) STRICT;
CREATE INDEX release_by_model ON release (model, first_idx);
