-- Views: what the entries say, laid out for questions. Drop them, derive them from `entry` again, and they
-- are the same.

-- Names stand once, at the first record about the publisher or the release; other rows have that record's index instead.
-- So all indexes grow at their right edge, or at that of a publisher or a model.
CREATE TABLE record (
    idx INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    -- Who signed it: `publisher.first_idx`.
    publisher INTEGER NOT NULL,
    -- What it is about: `publisher.first_idx` or `release.first_idx`. A record is about one or the other, so they differ.
    subject INTEGER NOT NULL,
    -- 32 bytes. Without a CHECK, which calls a function, and what calls one needs a way back: copies of all the pages
    -- that a statement of many rows changes.
    subject_sha256 BLOB NOT NULL,
    -- The withdrawal that it fell to. Looked at in the end, also so that there need be no way back.
    withdrawn_by INTEGER REFERENCES entry (idx) DEFERRABLE INITIALLY DEFERRED
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
-- What a release is does not change: the planner sees to it, and so does this.
CREATE UNIQUE INDEX record_once_per_release ON record (subject, kind)
    WHERE kind IN ('model-card', 'weights', 'training-config', 'api-version');

CREATE TABLE publisher (
    -- Its first record.
    first_idx INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
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

-- A name finds its release by `digest_run`.
CREATE TABLE release (
    -- The first record about it.
    first_idx INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    withdrawn_by INTEGER REFERENCES entry (idx) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX release_by_model ON release (model);
