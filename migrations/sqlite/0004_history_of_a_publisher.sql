-- Where a publisher's keys come from, however much it has published.
CREATE INDEX record_of_publisher ON record (publisher, idx) WHERE kind = 'publisher';
