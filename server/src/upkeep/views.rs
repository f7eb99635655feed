//! Comparing the rows of two databases, one of which was derived just now.

use std::cmp::Ordering;

use futures_util::stream::{BoxStream, StreamExt as _};

use super::flaw::Flaw;
use crate::storage::StorageError;
use crate::storage::snapshot::{Form, Snapshot, View};

/// Hands over all differences between what is stored and what was derived.
pub(super) async fn compare(
    stored: &mut dyn Snapshot,
    derived: &mut dyn Snapshot,
    form: Form,
    mut different: impl FnMut(Flaw),
) -> Result<(), StorageError> {
    for view in View::all(form) {
        let pairs = (stored.view(*view, form), derived.view(*view, form));
        merge(
            pairs,
            |row| row.key.clone(),
            |stored, derived| {
                if stored != derived {
                    let key = stored.as_ref().or(derived.as_ref()).expect("there is one");
                    different(Flaw::View {
                        view: *view,
                        key: key.key.clone(),
                        found: stored,
                        expected: derived,
                    });
                }
            },
        )
        .await?;
    }
    Ok(())
}

/// Hands over the documents that are stored on one side only: of the other, there is nothing to say.
pub(super) async fn compare_documents(
    stored: &mut dyn Snapshot,
    derived: &mut dyn Snapshot,
    mut different: impl FnMut(Flaw),
) -> Result<(), StorageError> {
    let pairs = (stored.attachments(), derived.attachments());
    merge(
        pairs,
        |digest| *digest,
        |stored, derived| {
            // One that is missing was found where it is named.
            if let (Some(stored), None) = (stored, derived) {
                different(Flaw::ExtraDocument(stored));
            }
        },
    )
    .await
}

type Rows<'a, T> = BoxStream<'a, Result<T, StorageError>>;

/// Goes through two sorted lists side by side.
async fn merge<T: Send, K: Ord>(
    (mut left, mut right): (Rows<'_, T>, Rows<'_, T>),
    key: impl Fn(&T) -> K,
    mut pair: impl FnMut(Option<T>, Option<T>),
) -> Result<(), StorageError> {
    let (mut one, mut other) = (next(&mut left).await?, next(&mut right).await?);
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => key(one).cmp(&key(other)),
        };
        pair(
            if order.is_le() { one.take() } else { None },
            if order.is_ge() { other.take() } else { None },
        );
        if order.is_le() {
            one = next(&mut left).await?;
        }
        if order.is_ge() {
            other = next(&mut right).await?;
        }
    }
}

async fn next<T>(rows: &mut Rows<'_, T>) -> Result<Option<T>, StorageError> {
    rows.next().await.transpose()
}
