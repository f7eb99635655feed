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
    /// How the digest was made, under in-toto's name.
    pub algorithm: String,
    /// The file's size in bytes, where it was published.
    pub size: Option<i64>,
    /// The `weights` record whose manifest lists it.
    pub record: i64,
    /// The withdrawal that the release falls with.
    pub fallen_by: Option<i64>,
}

/// Where a holder stands: by release, and by path within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// The first record about the release.
    pub release: i64,
    /// The file's path.
    pub path: String,
}

impl Catalogue {
    /// The releases that list a file with this digest, oldest first, from behind `after` on.
    pub async fn holders(
        &self,
        digest: &[u8],
        after: Option<&FilePlace>,
        limit: u32,
    ) -> Result<Vec<FileHolder>, StorageError> {
        let (release, path) = after.map_or((-1, ""), |it| (it.release, it.path.as_str()));
        let rows = self
            .pool
            .rows(
                "SELECT file.release, file.path, release.name, file.algorithm, file.size, file.record, release.fallen_by
                 FROM file JOIN release ON release.id = file.release
                 WHERE file.digest = $1 AND (file.release, file.path) > ($2, $3)
                 ORDER BY file.release, file.path, file.algorithm LIMIT $4",
                vec![
                    digest.to_vec().into(),
                    release.into(),
                    path.into(),
                    i64::from(limit).into(),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row);
                Ok(FileHolder {
                    place: FilePlace {
                        release: columns.next()?,
                        path: columns.next()?,
                    },
                    release: columns.next()?,
                    algorithm: columns.next()?,
                    size: columns.next()?,
                    record: columns.next()?,
                    fallen_by: columns.next()?,
                })
            })
            .collect()
    }
}
