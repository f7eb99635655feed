//! C2SP `tlog-cosignature`: what witnesses sign below a log's checkpoint.
//!
//! ```text
//! example.com/behind-the-sofa\n                     the checkpoint, as the log signed it
//! 20852163\n
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n
//! \n
//! — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1…\n
//! — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNi…\n      base64(key id (4) || time (8) || signature (64))
//!
//! signed: cosignature/v1\n │ time 1679315147\n │ the checkpoint's text, with its extension lines
//! ```
//!
//! Semantically: at that time, this was the largest tree of the log that the witness had seen, and it began with all
//! that it had seen before. The extension lines are the log's word alone.
//!
//! Always: a witness counts once, whatever it signed and with how many of its keys. The signed bytes do not name the
//! witness, so one key under two names would be two witnesses: [`Quorum::new`] refuses it, and the log's own key is no
//! witness's.
//!
//! Not here: cosignatures by ML-DSA-44 (type 0x06), which are skipped as those of unknown keys are; asking witnesses
//! for theirs; and what time it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ed25519_dalek::{Signature, VerifyingKey};

use super::verifier_key::{parse, write};
use super::{
    Checkpoint, CheckpointError, KeyId, KeyName, KeyType, LogKey, NoteSignature, SignedNote,
    VerifierKeyError,
};
use crate::Verified;

/// A time of 8 bytes and an Ed25519 signature of 64.
const COSIGNATURE_BYTES: usize = 72;

/// The latest time that there is: the specification has none over 2^63 - 1.
const TIME_MAX: u64 = i64::MAX as u64;

/// A witness's name and Ed25519 public key: `<name>+<hex key id>+<base64(0x04 || key)>`.
///
/// ```
/// # use candor_core::note::WitnessKey;
/// let text = "witness.example.com/w1+04758baf+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
/// let key: WitnessKey = text.parse()?;
/// assert_eq!(key.name().as_str(), "witness.example.com/w1");
/// assert_eq!(key.to_string(), text);
/// # Ok::<_, candor_core::note::VerifierKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WitnessKey {
    name: KeyName,
    id: KeyId,
    key: VerifyingKey,
}

/// Witnesses that somebody trusts, and how many of them have to sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quorum {
    keys: Vec<WitnessKey>,
    required: usize,
}

/// A checkpoint with those of a quorum's witnesses that cosigned it. Comes only as `Verified<Cosigned>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosigned {
    /// What the log signed.
    pub checkpoint: Checkpoint,
    /// Cosignatures that hold, in the note's order. One witness may have several.
    pub cosignatures: Vec<Cosignature>,
    /// Lines that say to be a witness's, and don't count.
    pub refused: Vec<RefusedCosignature>,
    required: usize,
}

/// That a witness saw a checkpoint, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosignature {
    /// Whose it is.
    pub witness: KeyName,
    /// When it was made, by the witness's clock: seconds since 1970.
    pub time: u64,
}

/// A line below a checkpoint that has a witness's name and key ID, and is no cosignature of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the cosignature of {witness} (key id {key_id}) {fault}")]
pub struct RefusedCosignature {
    /// Whose it says to be.
    pub witness: KeyName,
    /// By which key.
    pub key_id: KeyId,
    /// What is wrong.
    pub fault: CosignatureFault,
}

/// What is wrong with a cosignature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CosignatureFault {
    /// Not as long as one is.
    #[error("has {bytes} bytes, and one has {COSIGNATURE_BYTES}: a time and a signature")]
    Length {
        /// How long it is.
        bytes: usize,
    },
    /// Before the first second of 1970 had passed, or beyond what there is.
    #[error("has the time {0}, which is none")]
    Time(u64),
    /// It does not verify.
    #[error("is not over this checkpoint at that time")]
    Signature,
    /// The log would be its own witness.
    #[error("is by the log's own key, and no log is its own witness")]
    OfTheLog,
}

/// Why witnesses can't make a quorum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// Nobody would have to sign.
    #[error("a quorum of 0 asks nothing")]
    Zero,
    /// More than there are.
    #[error("the quorum is {required}, and there {} here", witnesses_in_words(*.witnesses))]
    TooFewWitnesses {
        /// How many have to sign.
        required: usize,
        /// How many there are, by their names.
        witnesses: usize,
    },
    /// One key under two names, which would count as two witnesses.
    #[error("{first} and {second} have one and the same key, and one key is one witness")]
    SameKey {
        /// The one.
        first: KeyName,
        /// The other; the same where the key stands there twice.
        second: KeyName,
    },
}

fn witnesses_in_words(count: usize) -> String {
    match count {
        1 => "is 1 witness".to_owned(),
        count => format!("are {count} witnesses"),
    }
}

impl WitnessKey {
    /// Whose it is.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its ID.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Reads a signature line that has this key's name and ID.
    fn check(&self, line: &NoteSignature, text: &str) -> Result<u64, CosignatureFault> {
        let bytes = &line.signature;
        let wrong_length = CosignatureFault::Length { bytes: bytes.len() };
        let (time, signature) = bytes.split_first_chunk().ok_or(wrong_length)?;
        let signature = Signature::from_slice(signature).map_err(|_| wrong_length)?;
        let time = u64::from_be_bytes(*time);
        if !(1..=TIME_MAX).contains(&time) {
            return Err(CosignatureFault::Time(time));
        }
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        let verified = self.key.verify_strict(message.as_bytes(), &signature);
        verified
            .map(|()| time)
            .map_err(|_| CosignatureFault::Signature)
    }
}

impl FromStr for WitnessKey {
    type Err = VerifierKeyError;
    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        let (name, id, key) = parse(text, KeyType::Ed25519Cosignature)?;
        Ok(Self { name, id, key })
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = (&self.name, self.id, &self.key);
        write(f, parts, KeyType::Ed25519Cosignature)
    }
}

impl Quorum {
    /// `required` of the witnesses whose keys these are. One that has several keys, an old and a new one, counts once.
    pub fn new(keys: Vec<WitnessKey>, required: usize) -> Result<Self, QuorumError> {
        let mut owners: BTreeMap<&[u8; 32], &KeyName> = BTreeMap::new();
        for key in &keys {
            if let Some(first) = owners.insert(key.key.as_bytes(), &key.name) {
                return Err(QuorumError::SameKey {
                    first: first.clone(),
                    second: key.name.clone(),
                });
            }
        }
        let witnesses = distinct(keys.iter().map(|key| &key.name));
        if required == 0 {
            return Err(QuorumError::Zero);
        }
        if required > witnesses {
            return Err(QuorumError::TooFewWitnesses {
                required,
                witnesses,
            });
        }
        Ok(Self { keys, required })
    }

    /// How many have to sign.
    pub fn required(&self) -> usize {
        self.required
    }

    /// Checks the log's signature on a checkpoint, and the cosignatures of these witnesses.
    ///
    /// Those of others are skipped, as the specification has it. One that says to be of these witnesses and is not is
    /// returned by itself: it does not count, and somebody put it there.
    pub fn verify(&self, note: &[u8], log: &LogKey) -> Result<Verified<Cosigned>, CheckpointError> {
        let checkpoint = log.verify_checkpoint(note)?;
        let note = SignedNote::parse(note)?;
        let (mut cosignatures, mut refused) = (Vec::new(), Vec::new());
        for line in note.signatures() {
            let is_by = |key: &&WitnessKey| key.name == line.name && key.id == line.key_id;
            let Some(key) = self.keys.iter().find(is_by) else {
                continue;
            };
            let checked = if key.key == *log.verifier_key().key() {
                Err(CosignatureFault::OfTheLog)
            } else {
                key.check(line, note.unverified_text())
            };
            let witness = key.name.clone();
            match checked {
                Ok(time) => cosignatures.push(Cosignature { witness, time }),
                Err(fault) => refused.push(RefusedCosignature {
                    witness,
                    key_id: key.id,
                    fault,
                }),
            }
        }
        Ok(Verified::attest(Cosigned {
            checkpoint: checkpoint.into_inner(),
            cosignatures,
            refused,
            required: self.required,
        }))
    }
}

impl Cosigned {
    /// How many witnesses cosigned it at one of these times.
    pub fn witnesses(&self, times: &RangeInclusive<u64>) -> usize {
        let in_time = self.cosignatures.iter();
        let in_time = in_time.filter(|cosignature| times.contains(&cosignature.time));
        distinct(in_time.map(|cosignature| &cosignature.witness))
    }

    /// Whether as many did as the quorum asks for.
    pub fn is_quorum(&self, times: &RangeInclusive<u64>) -> bool {
        self.witnesses(times) >= self.required
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a KeyName>) -> usize {
    names.collect::<BTreeSet<_>>().len()
}
