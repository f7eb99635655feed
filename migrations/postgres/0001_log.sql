-- The log itself. Nothing here is ever changed or removed, save the head and the tiles at the right edge,
-- which grow. Everything in 0002 is derived from `entry`.
--
-- Names and texts are ordered by their bytes, as everywhere else: COLLATE "C". No row points at another by a foreign
-- key: each insert would look its target up, and rows are written together by one transaction, or not at all.

-- Which log this is. One row, written by `init`.
CREATE TABLE log (
    id SMALLINT PRIMARY KEY CHECK (id = 1),
    origin TEXT NOT NULL,
    key TEXT NOT NULL
);

-- The tree after the last committed batch. One row: who locks it has the turn to write. With room in its page for
-- the versions that each batch leaves behind.
CREATE TABLE tree_head (
    id SMALLINT PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL CHECK (size >= 0),
    root BYTEA NOT NULL CHECK (octet_length(root) = 32),
    -- The text of the log's last checkpoint, which is signed behind this: where there is one, nothing is ever added.
    ending TEXT,
    -- That checkpoint, once it is signed, for the other servers.
    last_checkpoint TEXT
) WITH (fillfactor = 10);

-- The newest tree that a server told the others of. At most one row. It decides nothing: each server holds it against
-- the log's key and against what it knew before.
CREATE TABLE released (
    id SMALLINT PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL CHECK (size >= 0),
    checkpoint TEXT NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE entry (
    idx BIGINT PRIMARY KEY CHECK (idx >= 0),
    -- SHA-256 of the statement: what decides whether it was published before.
    statement BYTEA NOT NULL CHECK (octet_length(statement) = 32),
    -- Its first 8 bytes as an integer, to find candidates by: an index of these is a third as large.
    statement_key BIGINT NOT NULL,
    -- When the server took it, by its own clock, in milliseconds since 1970. Not proven by anything; null where the log
    -- was read from files that do not say.
    accepted_ms BIGINT,
    bytes BYTEA NOT NULL CHECK (octet_length(bytes) BETWEEN 1 AND 65535)
);
CREATE INDEX entry_by_statement_key ON entry (statement_key);
-- Base64 and hashes don't get smaller by enough to be worth the time.
ALTER TABLE entry ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- One row per tile; a partial one is the prefix of the full one that it becomes.
CREATE TABLE tile (
    level SMALLINT NOT NULL CHECK (level BETWEEN 0 AND 7),
    idx BIGINT NOT NULL CHECK (idx >= 0),
    hashes BYTEA NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (level, idx)
);
ALTER TABLE tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Documents that entries name. Stored in the transaction of the entry that names them first.
CREATE TABLE attachment (
    sha256 BYTEA PRIMARY KEY CHECK (octet_length(sha256) = 32),
    media_type TEXT NOT NULL,
    bytes BYTEA NOT NULL
);
ALTER TABLE attachment ALTER COLUMN bytes SET STORAGE EXTERNAL;
