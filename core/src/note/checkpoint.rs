//! C2SP `tlog-checkpoint`: a log's signed tree head.
//!
//! ```text
//! example.com/behind-the-sofa\n                     origin: which log
//! 20852163\n                                        tree size
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n    root hash
//! …\n                                               extension lines; ours has none, or one in the last: `Retirement`
//! \n
//! — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1…\n
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    KeyName, NoteError, NoteSigner, Retirement, RetirementError, SignedNote, VerifierKey,
    VerifierKeyError,
};
use crate::Verified;
use crate::merkle::{TreeHead, TreeSize};

/// The most extension lines that are read. The specification advises against any.
const EXTENSION_LINES_MAX: usize = 16;

/// Which log a checkpoint is of: the first line. Also the name of the log's key, so it must be able to
/// name one; the specification recommends a URL without its scheme.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin(KeyName);

/// A log's statement of its tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Size and root.
    pub head: TreeHead,
    /// Further lines, which are opaque save the retirement. Covered by the signature, but by no proof.
    pub extensions: Vec<String>,
    /// What one of these says, if this is the log's last checkpoint.
    pub retirement: Option<Retirement>,
}

/// What a verifier knows of a log beforehand: its key, whose name is its origin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogKey(VerifierKey);

/// Text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no origin for a log: write a URL without its scheme, such as example.org/candor, with no spaces, plus signs or slash at the end"
)]
pub struct OriginError {
    found: String,
}

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it does not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Another log's checkpoint.
    #[error("this is a checkpoint of {found:?}, and not of {expected}")]
    OtherOrigin {
        /// The log that was asked for.
        expected: Origin,
        /// The first line.
        found: String,
    },
    /// Not three lines or more.
    #[error("a checkpoint has at least three lines, and this one has {found}")]
    TooFewLines {
        /// How many it has.
        found: usize,
    },
    /// The second line is not a number.
    #[error(
        "the checkpoint's second line is {0:?} and should be the tree size, without leading zeroes"
    )]
    Size(String),
    /// The third line is not a hash.
    #[error(
        "the checkpoint's third line is {0:?} and should be the root hash, the base64 of 32 bytes"
    )]
    Root(String),
    /// An extension line is empty, or there are too many.
    #[error("the checkpoint has an empty extension line, or over {EXTENSION_LINES_MAX}")]
    Extensions,
    /// An extension line begins as a retirement, and is none.
    #[error("the checkpoint says that the log is retired, and how can't be read: {0}")]
    Retirement(#[from] RetirementError),
    /// Two extension lines are retirements.
    #[error("the checkpoint says twice that the log is retired")]
    TwoRetirements,
    /// The text is not as it is written.
    #[error("the checkpoint's text is not in the form in which it is signed")]
    OtherForm,
    /// The empty tree has one root, and this is another.
    #[error(
        "the checkpoint says that the tree is empty and gives it a root that the empty tree does not have"
    )]
    EmptyTreeRoot,
}

impl Origin {
    /// The origin.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// As the name of the log's key.
    pub fn to_key_name(&self) -> KeyName {
        self.0.clone()
    }
}

impl FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let error = || OriginError {
            found: text.chars().take(100).collect(),
        };
        if text.ends_with('/')
            || text.contains("://")
            || text.contains(char::is_control)
            || text.len() > 255
        {
            return Err(error());
        }
        text.parse().map(Self).map_err(|_| error())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl LogKey {
    /// The key as a verifier key.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.0
    }

    /// The log that it is the key of: the key's name.
    pub fn origin(&self) -> Origin {
        Origin(self.0.name().clone())
    }

    /// Reads a checkpoint of this log, and checks the log's signature on it.
    pub fn verify_checkpoint(&self, bytes: &[u8]) -> Result<Verified<Checkpoint>, CheckpointError> {
        let note = SignedNote::parse(bytes)?.verify(std::slice::from_ref(&self.0))?;
        Checkpoint::parse_text(&note.text, &self.origin()).map(Verified::attest)
    }
}

impl From<VerifierKey> for LogKey {
    fn from(key: VerifierKey) -> Self {
        Self(key)
    }
}

impl FromStr for LogKey {
    type Err = VerifierKeyError;
    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Checkpoint {
    /// Signs the tree `head` as the log whose key `signer` holds.
    ///
    /// The caller makes sure that `head` extends every tree that this key ever signed.
    pub fn sign(head: TreeHead, signer: &NoteSigner) -> SignedNote {
        let origin = Origin(signer.verifier_key().name().clone());
        signer.sign(Self::new(origin, head, None).to_string())
    }

    /// Signs the tree `head` as the last one of the log whose key `signer` holds.
    ///
    /// The caller makes sure that nothing is ever appended to that tree.
    pub fn sign_last(head: TreeHead, retirement: Retirement, signer: &NoteSigner) -> SignedNote {
        let origin = Origin(signer.verifier_key().name().clone());
        signer.sign(Self::new(origin, head, Some(retirement)).to_string())
    }

    /// What a log has to sign, as its last checkpoint if it is retired with that tree.
    pub fn new(origin: Origin, head: TreeHead, retirement: Option<Retirement>) -> Self {
        Self {
            origin,
            head,
            extensions: retirement.iter().map(Retirement::to_string).collect(),
            retirement,
        }
    }

    /// Orders a log's checkpoints by when they were signed: of a smaller tree first, and the last one behind all others
    /// of its tree.
    pub fn rank(&self) -> (TreeSize, bool) {
        (self.head.size, self.retirement.is_some())
    }

    /// Reads a checkpoint's text that nobody signed yet, to decide whether it can be signed. It must be as it would be
    /// written.
    pub fn from_unsigned(text: &str, expected: &Origin) -> Result<Self, CheckpointError> {
        let read = Self::parse_text(text, expected)?;
        if read.to_string() == text {
            Ok(read)
        } else {
            Err(CheckpointError::OtherForm)
        }
    }

    fn parse_text(text: &str, expected: &Origin) -> Result<Self, CheckpointError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, extensions @ ..] = lines.as_slice() else {
            return Err(CheckpointError::TooFewLines { found: lines.len() });
        };
        if *origin != expected.as_str() {
            let found = origin.chars().take(100).collect();
            return Err(CheckpointError::OtherOrigin {
                expected: expected.clone(),
                found,
            });
        }
        let shortened = |text: &str| text.chars().take(80).collect::<String>();
        let plain =
            size.bytes().all(|b| b.is_ascii_digit()) && (*size == "0" || !size.starts_with('0'));
        let size = Some(size)
            .filter(|_| plain)
            .and_then(|size| size.parse().ok())
            .map(TreeSize::new)
            .ok_or_else(|| CheckpointError::Size(shortened(size)))?;
        let root = root
            .parse()
            .map_err(|_| CheckpointError::Root(shortened(root)))?;
        if extensions.len() > EXTENSION_LINES_MAX || extensions.iter().any(|line| line.is_empty()) {
            return Err(CheckpointError::Extensions);
        }
        // Of two, one would be believed, and not by everybody the same.
        let mut retirements = extensions
            .iter()
            .filter_map(|line| Retirement::parse_line(line).transpose());
        let retirement = retirements.next().transpose()?;
        if retirements.next().is_some() {
            return Err(CheckpointError::TwoRetirements);
        }
        if size == TreeSize::EMPTY && root != TreeHead::empty().root {
            return Err(CheckpointError::EmptyTreeRoot);
        }
        Ok(Self {
            origin: expected.clone(),
            head: TreeHead { size, root },
            extensions: extensions.iter().map(|&line| line.to_owned()).collect(),
            retirement,
        })
    }
}

/// The note's text.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, self.head.root)?;
        self.extensions
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}
