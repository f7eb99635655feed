//! Reading the documents that entries name, and holding them against what is said of them.

use super::flaw::Flaw;
use crate::replay::NamedDocument;
use crate::storage::snapshot::Contents;
use crate::storage::{NewAttachment, StorageError};

/// Documents, and what is wrong with some of them.
#[derive(Default)]
pub(super) struct Documents {
    /// All that were asked for.
    pub(super) read: Vec<NewAttachment>,
    pub(super) flaws: Vec<Flaw>,
}

/// Whether the bytes of a document are wanted, or only whether they are right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    Kept,
    Dropped,
}

impl Documents {
    /// Reads and checks all documents that are `named`, one by one.
    pub(super) async fn read(
        contents: &mut dyn Contents,
        named: Vec<NamedDocument>,
        bytes: Bytes,
    ) -> Result<Self, StorageError> {
        let mut documents = Self::default();
        for document in named {
            let stored = contents.attachment(document.sha256).await?;
            if let Err(fault) = document.check(stored.as_ref()) {
                documents.flaws.push(Flaw::Document {
                    sha256: document.sha256,
                    named_by: document.named_by(),
                    fault,
                });
            }
            documents.read.push(NewAttachment {
                sha256: document.sha256,
                media_type: document.media_type().to_owned(),
                bytes: match (stored, bytes) {
                    (Some(stored), Bytes::Kept) => stored.bytes,
                    _ => Vec::new(),
                },
            });
        }
        Ok(documents)
    }
}
