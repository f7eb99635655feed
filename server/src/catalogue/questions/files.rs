//! Which releases hold a file.

use crate::catalogue::Catalogue;
use crate::catalogue::sql::Columns;
use crate::storage::StorageError;

/// A release that lists a file with the digest that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHolder {
    /// Where it stands among all.
    pub place: FilePlace,
    /// The release's name.
    pub release: String,
    /// Where the file is in the release's folder.
    pub path: String,
    /// How the digest was made, under in-toto's name.
    pub algorithm: String,
    /// The file's size in bytes, where it was published.
    pub size: Option<i64>,
    /// The withdrawal that the release falls with.
    pub fallen_by: Option<i64>,
}

/// Where a holder stands: by who listed the file first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// The `weights` record whose manifest lists it.
    pub record: i64,
    /// The file's number in that manifest.
    pub n: i64,
}

impl Catalogue {
    /// The releases that list a file with this digest, in the order in which they said so, from behind `after` on.
    pub async fn holders(
        &self,
        digest: &[u8],
        after: Option<FilePlace>,
        limit: u32,
    ) -> Result<Vec<FileHolder>, StorageError> {
        let (record, n) = after.map_or((-1, 0), |it| (it.record, it.n));
        let rows = self
            .pool
            .rows(
                "SELECT file.record, file.n, release.name, file.path, file.algorithm, file.size, release.fallen_by
                 FROM file JOIN release ON release.id = file.release
                 WHERE file.digest = $1 AND (file.record, file.n) > ($2, $3)
                 ORDER BY file.record, file.n, file.algorithm LIMIT $4",
                vec![
                    digest.to_vec().into(),
                    record.into(),
                    n.into(),
                    i64::from(limit).into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row);
                Ok(FileHolder {
                    place: FilePlace {
                        record: columns.next()?,
                        n: columns.next()?,
                    },
                    release: columns.next()?,
                    path: columns.next()?,
                    algorithm: columns.next()?,
                    size: columns.next()?,
                    fallen_by: columns.next()?,
                })
            })
            .collect()
    }
}
