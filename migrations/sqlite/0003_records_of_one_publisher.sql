-- What one publisher says of one release, which clients judge it by. Without this, whoever says much about a release of
-- somebody else makes that question as slow as their own records are many.
CREATE INDEX record_by_subject_and_publisher ON record (subject, publisher, idx);
