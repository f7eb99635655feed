-- The log itself. Nothing here is ever changed or removed, save the head and the tiles at the right edge,
-- which grow. Everything in 0002 is derived from `entry`.

-- Which log this is. One row, written by `init`.
CREATE TABLE log (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    origin TEXT NOT NULL,
    key TEXT NOT NULL
) STRICT;

-- The tree after the last committed batch. One row.
CREATE TABLE tree_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL CHECK (size >= 0),
    root BLOB NOT NULL CHECK (length(root) = 32)
) STRICT;

CREATE TABLE entry (
    idx INTEGER PRIMARY KEY CHECK (idx >= 0),
    -- SHA-256 of the statement: what decides whether it was published before.
    statement BLOB NOT NULL CHECK (length(statement) = 32),
    -- Its first 8 bytes as an integer, to find candidates by: indexes over random 32-byte keys are slow.
    statement_key INTEGER NOT NULL,
    -- When the server took it, by its own clock, in milliseconds since 1970. Not proven by anything.
    accepted_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL CHECK (length(bytes) BETWEEN 1 AND 65535)
) STRICT;
CREATE INDEX entry_by_statement_key ON entry (statement_key);

-- One row per tile; a partial one is the prefix of the full one that it becomes.
CREATE TABLE tile (
    level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7),
    idx INTEGER NOT NULL CHECK (idx >= 0),
    hashes BLOB NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, idx)
) STRICT;

-- Documents that entries name. Stored in the transaction of the entry that names them first.
CREATE TABLE attachment (
    sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    media_type TEXT NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
