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
    root BLOB NOT NULL CHECK (length(root) = 32),
    -- The text of the log's last checkpoint, which is signed behind this: where there is one, nothing is ever added.
    ending TEXT
) STRICT;

CREATE TABLE entry (
    idx INTEGER PRIMARY KEY CHECK (idx >= 0),
    -- SHA-256 of the statement: what decides whether it was published before.
    statement BLOB NOT NULL CHECK (length(statement) = 32),
    -- When the server took it, by its own clock, in milliseconds since 1970. Not proven by anything; null where the log
    -- was read from files that do not say.
    accepted_ms INTEGER,
    bytes BLOB NOT NULL CHECK (length(bytes) BETWEEN 1 AND 65535)
) STRICT;

-- What finds an entry by its statement's digest, by the name of the release that it is the first about, and by the
-- manifest that it names as the release's weights: the first 8 bytes of each digest. They find candidates; the entry's
-- row decides. Written once, when a
-- generation of 65,536 entries is complete; until then the server has its keys in memory.
CREATE TABLE digest_run (
    -- The generation, times 256, and the first byte of the keys.
    bucket INTEGER PRIMARY KEY CHECK (bucket >= 0),
    -- 8 bytes of key and 2 of the entry's place in the generation, again and again, sorted.
    keys BLOB NOT NULL CHECK (length(keys) % 10 = 0)
) STRICT;

-- Which keys a generation can't have: a split block Bloom filter.
CREATE TABLE digest_filter (
    generation INTEGER PRIMARY KEY CHECK (generation >= 0),
    filter BLOB NOT NULL CHECK (length(filter) = 262144)
) STRICT;

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
