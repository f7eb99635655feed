//! Whoever is told of records is told of each.

use super::{RecordRow, StorageError};

/// That records, of which there are more, are those from `first` on: there is one for each entry.
pub(crate) fn check_gapless(rows: &[RecordRow], first: u64) -> Result<(), StorageError> {
    let expected = (first..).take(rows.len().max(1));
    if rows.iter().map(|row| row.index.get()).eq(expected) {
        return Ok(());
    }
    let what = format!("the record of entry {first}, or one of those behind it, is missing");
    Err(StorageError::Damaged(what))
}

#[cfg(test)]
mod tests {
    use candor_core::Sha256;
    use candor_core::merkle::LeafIndex;
    use candor_core::record::Kind;

    use super::*;

    fn rows(range: std::ops::Range<u64>) -> Vec<RecordRow> {
        let row = |index| RecordRow {
            index: LeafIndex::new(index),
            statement: Sha256::of("x"),
            kind: Kind::Weights,
            publisher: "a-lab".parse().expect("a name"),
            subject: "a-lab/m@1".to_owned(),
            subject_sha256: Sha256::of("x"),
            withdrawn_by: None,
            accepted_ms: None,
        };
        range.map(row).collect()
    }

    #[test]
    fn a_record_that_is_missing_is_damage() {
        check_gapless(&rows(3..6), 3).expect("without gaps");
        for (rows, first) in [(rows(3..6), 2), (rows(0..0), 0)] {
            check_gapless(&rows, first).expect_err("a gap");
        }
        let mut gap = rows(3..9);
        gap.remove(2);
        check_gapless(&gap, 3).expect_err("a gap");
    }
}
