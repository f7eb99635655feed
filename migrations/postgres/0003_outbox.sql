-- How far each webhook has come. Not derived from `entry`, and not part of the log: what is lost here is told again, or
-- begins anew.

-- One row for each webhook that a server ever had in its settings. One that is taken out of these keeps its row, and goes
-- on from there when it is back.
CREATE TABLE outbox (
    -- Its name in the settings.
    webhook TEXT COLLATE "C" PRIMARY KEY,
    -- The index that it began with.
    first_idx BIGINT NOT NULL CHECK (first_idx >= 0),
    -- The next record to tell it of, or to pass over. Moved only behind an answer that it has all before.
    next_idx BIGINT NOT NULL CHECK (next_idx >= first_idx),
    -- How many times in a row it did not take that record.
    attempts BIGINT NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- When it is tried again, by the server's clock, in milliseconds since 1970.
    retry_ms BIGINT,
    -- Why it failed last.
    error TEXT,
    -- Which server tells it, and until when nobody else does, by this database's clock: a server that dies loses it then.
    server TEXT,
    leased_until TIMESTAMPTZ,
    CHECK ((server IS NULL) = (leased_until IS NULL))
) WITH (fillfactor = 50);
