//! What can be wrong with a log, and where.

use candor_core::Sha256;
use candor_core::merkle::{LeafIndex, TilePath, TreeHead, TreeSize};

use crate::replay::{BadEntry, DocumentFault};
use crate::storage::snapshot::{View, ViewKey, ViewRow};

/// Something that is not as the entries and what was signed say.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// An entry should not be there.
    #[error(transparent)]
    BadEntry(#[from] BadEntry),
    /// An entry is not there.
    #[error("entry {0} is missing")]
    MissingEntry(LeafIndex),
    /// An entry is another one.
    #[error("entry {0} is not the one that the tree was made of: somebody changed it")]
    OtherEntry(LeafIndex),
    /// There are entries that the tree does not have.
    #[error("entry {0} is there, and the tree ends before it")]
    EntryBehind(LeafIndex),
    /// An entry and its tile contradict each other, and what would tell who is right is damaged too.
    #[error(
        "entry {index} and {path} contradict each other, and the tiles do not tell which of them is right"
    )]
    EntryOrTile {
        /// The entry.
        index: LeafIndex,
        /// The tile.
        path: TilePath,
    },
    /// What finds an entry by its statement does not.
    #[error("entry {0}: the digest of its statement is stored wrongly")]
    Statement(LeafIndex),
    /// A tile is not there, or too short.
    #[error("{0} is missing, or not as long as it must be")]
    MissingTile(TilePath),
    /// A tile is another one.
    #[error("{path}: its hash number {place} is wrong")]
    Tile {
        /// The tile.
        path: TilePath,
        /// Which of its hashes, counted from 0.
        place: usize,
    },
    /// A tile that the tree does not have.
    #[error("{0} is there, and the tree has no such tile")]
    ExtraTile(String),
    /// The tree on record is another one.
    #[error("the tree on record has the root {} for {} entries, and the entries have {expected}", found.root, found.size)]
    Head {
        /// What is on record.
        found: TreeHead,
        /// The root of as many entries.
        expected: candor_core::merkle::Hash,
    },
    /// There are fewer entries than were signed.
    #[error(
        "there are {found} entries, and the log signed a tree of {signed}: the others are lost here"
    )]
    Behind {
        /// How many there are.
        found: TreeSize,
        /// How many were signed.
        signed: TreeSize,
    },
    /// The log is closed with something else than its last checkpoint.
    #[error("the last checkpoint that is stored is not this log's: {0}")]
    LastCheckpoint(String),
    /// The entries are not those that were signed.
    #[error("the first {0} entries are not those that the log signed")]
    OtherHistory(TreeSize),
    /// A document is not what the entries say.
    #[error("attachment {sha256}, which entry {named_by} names: {fault}")]
    Document {
        /// Which document.
        sha256: Sha256,
        /// The first entry that names it.
        named_by: LeafIndex,
        /// What is wrong.
        fault: DocumentFault,
    },
    /// A document that no entry names.
    #[error("attachment {0} is stored, and no entry names it")]
    ExtraDocument(Sha256),
    /// A row of a view is not what follows from the entries.
    #[error("{}", row_text(*.view, .key, .found.as_ref(), .expected.as_ref()))]
    View {
        /// Which view.
        view: View,
        /// Which row.
        key: ViewKey,
        /// What it says, if it is there.
        found: Option<ViewRow>,
        /// What follows from the entries, if it should be there.
        expected: Option<ViewRow>,
    },
    /// The database finds something wrong with itself.
    #[error("the database says: {0}")]
    Structure(String),
    /// Something can't even be read.
    #[error("it can't be read: {0}")]
    Unreadable(String),
}

impl Flaw {
    /// Whether everything else can be derived from the entries again. Otherwise, entries or documents have to come from
    /// elsewhere.
    pub fn is_derived(&self) -> bool {
        matches!(
            self,
            Self::Statement(_)
                | Self::MissingTile(_)
                | Self::Tile { .. }
                | Self::ExtraTile(_)
                | Self::View { .. }
        )
    }
}

fn row_text(
    view: View,
    key: &ViewKey,
    found: Option<&ViewRow>,
    expected: Option<&ViewRow>,
) -> String {
    let row = match key {
        ViewKey::Number(number) => format!("the row {number} of {}", view.name()),
        ViewKey::Name(name) => {
            let names = name
                .split('/')
                .map(|hex| text_in(hex).unwrap_or_else(|| hex.to_owned()));
            let names: Vec<_> = names.collect();
            format!("the row {} of {}", names.join("/"), view.name())
        }
    };
    let (found, expected) = match (found, expected) {
        (Some(found), Some(expected)) => (found, expected),
        (Some(_), None) => return format!("{row} is there, and does not follow from the entries"),
        (None, _) => return format!("{row} is missing"),
    };
    let columns = found.columns.split(' ').zip(expected.columns.split(' '));
    let different =
        columns
            .filter(|(found, expected)| found != expected)
            .map(|(found, expected)| {
                let (name, found) = found.split_once('=').unwrap_or((found, ""));
                let (_, expected) = expected.split_once('=').unwrap_or((expected, ""));
                format!(
                    "{name} is {}, and should be {}",
                    shortened(&readable(found)),
                    shortened(&readable(expected))
                )
            });
    format!("{row}: {}", different.collect::<Vec<_>>().join("; "))
}

/// A column's value, for people.
fn readable(value: &str) -> String {
    let hex = value
        .strip_prefix("x'")
        .and_then(|it| it.strip_suffix('\''));
    let text = hex.and_then(text_in).map(|text| format!("{text:?}"));
    text.unwrap_or_else(|| value.to_owned())
}

/// The text that hexadecimal digits stand for, if people can read it.
fn text_in(hex: &str) -> Option<String> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    let text = String::from_utf8(bytes).ok()?;
    (rest.is_empty() && !text.chars().any(char::is_control)).then_some(text)
}

fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    if text.chars().count() <= CHARS_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(CHARS_MAX).collect();
    format!("{start}…")
}
