//! Which releases some files are: by the digest of their manifest.

use candor_core::Sha256;

use super::{LogClient, LogError, PAGE_ITEMS};
use crate::api::{RecordView, RecordsView};

impl LogClient {
    /// The `weights` records with this manifest, whoever signed them, oldest first; and whether the log has more of them
    /// than it gives at once.
    pub fn weights_of(&self, manifest: Sha256) -> Result<(Vec<RecordView>, bool), LogError> {
        let path = format!("api/v1/manifests/{manifest}?limit={PAGE_ITEMS}");
        let page: RecordsView = self.view(&path)?;
        let mut records = page.records;
        // Their order is what counts, and the indexes are what will be proven.
        records.sort_by_key(|row| row.index);
        records.dedup_by_key(|row| row.index);
        Ok((records, page.next.is_some()))
    }
}
