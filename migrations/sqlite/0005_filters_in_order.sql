-- Every question for records, however it is filtered, reads only rows that it answers with, newest first: a row's
-- index is at the end of each index anyway, so it is not named. With the kind in front of it, one index answers for
-- one kind and, merged over all kinds, for all of them.
DROP INDEX record_by_subject;
DROP INDEX record_by_publisher;
DROP INDEX record_by_kind;
DROP INDEX record_by_subject_and_publisher;
DROP INDEX record_of_publisher;
CREATE INDEX record_by_kind ON record (kind);
CREATE INDEX record_by_publisher ON record (publisher, kind);
CREATE INDEX record_by_subject ON record (subject, kind);
-- What one publisher says of one release. The other kinds have one author for a subject, and need no index.
CREATE INDEX record_by_subject_and_publisher ON record (subject, publisher, kind)
    WHERE kind = 'evaluation' OR kind = 'withdrawal';

-- A publisher's keys of today, and those that one of its records left out, without the thousands that there may be.
CREATE INDEX publisher_key_by_retirement ON publisher_key (publisher, retired_at);
