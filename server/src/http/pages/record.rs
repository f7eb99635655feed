//! A record: the statement, who signed it, and where it stands in the tree.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::merkle::{Hash, LeafHash, LeafIndex, TreeSize};
use candor_core::record::SignedRecord;

use super::said::Said;
use super::shown::{self, BetweenTags, Listed};
use super::{Frame, Html, Page};
use crate::drawing::{PathStep, position};
use crate::http::Shared;
use crate::http::answer::PathOf;
use crate::http::proofs::receipts;
use crate::http::records::find;
use crate::storage::StorageError;

/// How much of a statement a page shows, in bytes: the API has all of it.
const STATEMENT_BYTES_MAX: usize = 24 * 1024;

/// An entry up to so long is shown as it is, and of a longer one the beginning: its payload is the statement again.
const ENTRY_BYTES_MAX: usize = 4 * 1024;
const ENTRY_BYTES_SHOWN: usize = 1024;

#[derive(Template)]
#[template(path = "record.html")]
struct RecordPage {
    frame: Frame,
    record: Listed,
    subject_sha256: String,
    leaf_hash: String,
    signed_by: Vec<(String, String)>,
    said: Said,
    statement: BetweenTags,
    is_cut: bool,
    attachments: Vec<(String, String, String)>,
    /// The entry's bytes, as they are logged.
    entry: BetweenTags,
    entry_is_cut: bool,
    entry_bytes: usize,
    tree: String,
    tree_size: u64,
    /// The tile and the entry bundle that it is in.
    bundle: String,
    previous: Option<u64>,
    next: Option<u64>,
}

#[derive(Template)]
#[template(path = "missing.html")]
struct Missing {
    frame: Frame,
    id: String,
}

/// `GET /records/{id}`
pub(super) async fn record(State(log): Shared, PathOf(id): PathOf<String>) -> Page {
    let logged = match find(&log, &id).await {
        Ok(Some(logged)) => logged,
        // A storage that does not answer says nothing about what is there.
        Err(problem) if problem.name().status() >= 500 => return Err(problem),
        Ok(None) | Err(_) => {
            let frame = Frame::of(&log).await;
            return Ok(Html::with(StatusCode::NOT_FOUND, &Missing { frame, id }));
        }
    };
    let released = log.sequencer.newest().await;
    let signed = SignedRecord::from_entry(&logged.entry).map_err(StorageError::damaged)?;
    let statement = signed.statement();
    let leaf = LeafHash::of(&logged.entry).to_hash();
    let index = logged.row.index;
    let receipt = receipts(&log.recent, &released, &[index]).await?;
    let path = receipt
        .first()
        .map(|it| it.path.as_slice())
        .unwrap_or_default();
    let text = serde_json::to_string_pretty(statement.json()).expect("it was JSON");
    let entry = String::from_utf8_lossy(logged.entry.as_bytes()).into_owned();
    let attachments = statement.predicate.attachments();
    let signatures = signed.envelope().signatures().iter();
    let size = released.head.size.get();
    Ok(Html::of(&RecordPage {
        frame: Frame::of(&log).await,
        record: Listed::of(&logged.row),
        subject_sha256: logged.row.subject_sha256.to_string(),
        leaf_hash: leaf.to_string(),
        signed_by: signatures
            .map(|it| (it.keyid.clone(), BASE64_STANDARD.encode(&it.sig)))
            .collect(),
        said: Said::of(&log, statement).await?,
        is_cut: text.len() > STATEMENT_BYTES_MAX,
        statement: cut(text, STATEMENT_BYTES_MAX),
        attachments: attachments
            .into_iter()
            .map(|it| {
                (
                    it.name.clone(),
                    it.digest.sha256.to_string(),
                    shown::bytes(it.size),
                )
            })
            .collect(),
        entry_is_cut: entry.len() > ENTRY_BYTES_MAX,
        entry_bytes: entry.len(),
        entry: match entry.len() {
            ..=ENTRY_BYTES_MAX => BetweenTags(entry),
            _ => cut(entry, ENTRY_BYTES_SHOWN),
        },
        tree: draw_position(leaf, index, released.head.size, path),
        tree_size: size,
        bundle: format!("/api/v1/records/{index}"),
        previous: index.get().checked_sub(1),
        next: Some(index.get() + 1).filter(|next| *next < size),
    }))
}

fn cut(mut text: String, bytes: usize) -> BetweenTags {
    text.truncate(text.floor_char_boundary(bytes));
    BetweenTags(text)
}

/// Draws the way from a leaf to the root, by the recursion that defines inclusion proofs (RFC 9162, 2.1.3.2).
fn draw_position(leaf: Hash, index: LeafIndex, size: TreeSize, path: &[Hash]) -> String {
    let short = |hash: &Hash| hash.to_string().chars().take(10).collect::<String>();
    let (mut place, mut last) = (index.get(), size.get().saturating_sub(1));
    let mut at = leaf;
    let mut steps = Vec::with_capacity(path.len());
    for sibling in path {
        // At the right edge, levels without a sibling are skipped.
        let is_left = place % 2 == 1 || place == last;
        if is_left {
            while place.is_multiple_of(2) && place > 0 {
                (place, last) = (place / 2, last / 2);
            }
        }
        at = if is_left {
            Hash::of_children(sibling, &at)
        } else {
            Hash::of_children(&at, sibling)
        };
        (place, last) = (place / 2, last / 2);
        steps.push(PathStep {
            sibling: short(sibling),
            is_left,
            parent: short(&at),
        });
    }
    position(&short(&leaf), &steps)
}
