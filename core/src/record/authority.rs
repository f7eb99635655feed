//! Who may sign what.
//!
//! The rules, which anybody can replay from the entries of a log in their order:
//!
//! 1. A record is signed by its publisher ([`Statement::publisher`]): for cards, weights, configs and API
//!    versions the namespace of the release, for evaluations and withdrawals their stated author.
//! 2. The first `publisher` record of a name registers it. It is signed by every key that it lists, so that
//!    nobody can list a key that is not theirs. Where the operator admits publishers, also by the operator.
//! 3. Every further `publisher` record of a name states the digest of the one before it, is signed by a key
//!    that one lists, and by every key that is new. From then on only the keys that it lists count.
//! 4. A key that was taken off the list never comes back.
//!
//! What follows: a name stays with those who registered it, for good.

use std::collections::BTreeSet;

use super::envelope::EnvelopeSignature;
use super::kinds::Publisher;
use super::{
    Envelope, Predicate, PublicKey, PublisherName, Record, SignatureFault, Statement, SubjectName,
};
use crate::merkle::LeafIndex;
use crate::{Sha256, Verified};

/// What the log says of a publisher after some of its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherState {
    /// Its name.
    pub name: PublisherName,
    /// Statement digest of its newest `publisher` record.
    pub record: Sha256,
    /// Where that record stands.
    pub at: LeafIndex,
    /// Its keys by that record.
    pub keys: Vec<PublicKey>,
    /// Keys that earlier records listed and later ones don't.
    pub retired: Vec<RetiredKey>,
}

/// A key that counts no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// The key.
    pub key: PublicKey,
    /// The `publisher` record that left it out.
    pub at: LeafIndex,
}

/// Who may register a name.
#[derive(Clone, Copy, Debug)]
pub enum Admission<'a> {
    /// Anybody: first come, first served. Also the rule for verifiers, who judge a log by its entries.
    Open,
    /// Those whose registration the operator signed too, with this key.
    ByOperator(&'a PublicKey),
}

/// Why a record's signatures don't suffice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// No `publisher` record of that name.
    #[error("no publisher {publisher} is registered with this log")]
    UnknownPublisher {
        /// The name.
        publisher: PublisherName,
    },
    /// Signed by keys that are not the publisher's.
    #[error("none of the signatures is by a key of {publisher} (key ids on the record: {keyids})")]
    UnknownKey {
        /// Who should have signed.
        publisher: PublisherName,
        /// The hints on the signatures.
        keyids: String,
    },
    /// Signed by a key that counts no longer.
    #[error("the key {keyid} is no longer a key of {publisher}: entry {at} took it off the list")]
    RevokedKey {
        /// Whose key it was.
        publisher: PublisherName,
        /// Which key.
        keyid: Sha256,
        /// Since when.
        at: LeafIndex,
    },
    /// A signature of a right key that does not hold.
    #[error("the signature by key {keyid} does not hold: {fault}")]
    BadSignature {
        /// Which key.
        keyid: Sha256,
        /// What is wrong with it.
        fault: SignatureFault,
    },
    /// A new key that has not signed.
    #[error("the key {keyid} is new, and has not signed this record itself")]
    KeyNotProven {
        /// Which key.
        keyid: Sha256,
    },
    /// A key that was taken off the list is on it again.
    #[error("the key {keyid} was taken off the list by entry {at}, and can't come back")]
    RetiredKeyReturns {
        /// Which key.
        keyid: Sha256,
        /// Since when.
        at: LeafIndex,
    },
    /// A key is listed twice.
    #[error("the key {keyid} is listed twice")]
    DuplicateKey {
        /// Which key.
        keyid: Sha256,
    },
    /// A registration for a name that is taken, or an update that does not follow the newest record.
    #[error("{publisher} is registered already: its newest record is {newest} (entry {at}), and this one follows {}", found.map_or("none".to_owned(), |digest| digest.to_string()))]
    NotTheSuccessor {
        /// The name.
        publisher: PublisherName,
        /// The record that should be named as `previous`.
        newest: Sha256,
        /// Where that stands.
        at: LeafIndex,
        /// What `previous` says.
        found: Option<Sha256>,
    },
    /// An update of a name that nobody registered.
    #[error("the record follows {previous}, and {publisher} has no record yet")]
    NothingToFollow {
        /// The name.
        publisher: PublisherName,
        /// What `previous` says.
        previous: Sha256,
    },
    /// The operator has not admitted this publisher.
    #[error(
        "this log registers publishers that its operator admits, and the operator (key {operator}) has not signed this record"
    )]
    NotAdmitted {
        /// The operator's key.
        operator: Sha256,
    },
}

impl AuthorityError {
    /// Whether an earlier `publisher` record that was not looked at could make it right. Who was told which records
    /// there are, and did not see all entries, can't take such an error for a refutation.
    pub fn may_want_for_earlier_records(&self) -> bool {
        match self {
            Self::UnknownPublisher { .. }
            | Self::UnknownKey { .. }
            | Self::KeyNotProven { .. }
            | Self::NotTheSuccessor { .. }
            | Self::NothingToFollow { .. } => true,
            Self::RevokedKey { .. }
            | Self::BadSignature { .. }
            | Self::RetiredKeyReturns { .. }
            | Self::DuplicateKey { .. }
            | Self::NotAdmitted { .. } => false,
        }
    }

    /// What the reader can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnknownPublisher { .. } => {
                "register the name first: `candor publisher register NAME`"
            }
            Self::UnknownKey { .. } => {
                "sign with a key that `candor publisher show NAME` lists (`--key FILE`)"
            }
            Self::RevokedKey { .. } => {
                "sign with a key that `candor publisher show NAME` lists today (`--key FILE`)"
            }
            Self::BadSignature { .. } => {
                "sign the payload again, and send it exactly as it was signed"
            }
            Self::KeyNotProven { .. } => {
                "sign the record with each new key as well, which shows that it is yours"
            }
            Self::RetiredKeyReturns { .. } => "make a new key: `candor keygen`",
            Self::DuplicateKey { .. } => "list each key once",
            Self::NotTheSuccessor { .. } => {
                "if the name is yours, state the newest record's digest as `previous` (`candor publisher rotate` and `candor publisher update` do); else choose another name"
            }
            Self::NothingToFollow { .. } => "leave `previous` out of a registration",
            Self::NotAdmitted { .. } => {
                "sign with `candor publisher register NAME --request FILE`, and send the file to the operator, who admits it"
            }
        }
    }
}

impl PublisherState {
    /// The state after `record`, which stands at `at`; `None` if it is not a `publisher` record.
    ///
    /// # Panics
    ///
    /// If it is one, and was checked against another state than `before`.
    pub fn after(before: Option<&Self>, record: &Verified<Record>, at: LeafIndex) -> Option<Self> {
        let statement = record.statement();
        let (Predicate::Publisher(publisher), SubjectName::Publisher(name)) =
            (&statement.predicate, &statement.subject.name)
        else {
            return None;
        };
        assert_eq!(
            record.checked_against(),
            before.map(|before| before.record),
            "keys follow from a record only by the state that it was checked against"
        );
        let gone = before
            .into_iter()
            .flat_map(|before| &before.keys)
            .filter(|key| !publisher.keys.contains(key));
        let mut retired = before.map_or_else(Vec::new, |before| before.retired.clone());
        retired.extend(gone.map(|key| RetiredKey {
            key: key.clone(),
            at,
        }));
        Some(Self {
            name: name.clone(),
            record: statement.digest,
            at,
            keys: publisher.keys.clone(),
            retired,
        })
    }

    fn retired(&self, key: &PublicKey) -> Option<&RetiredKey> {
        self.retired.iter().find(|retired| retired.key == *key)
    }
}

/// The signatures that count, and the publisher's keys that made them.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) signatures: Vec<EnvelopeSignature>,
    pub(super) keys: Vec<PublicKey>,
}

/// Applies the rules.
pub(super) fn check(
    envelope: &Envelope,
    statement: &Statement,
    publisher: Option<&PublisherState>,
    admission: Admission<'_>,
) -> Result<Counted, AuthorityError> {
    let signatures = Signatures {
        message: envelope.signed_bytes(),
        all: envelope.signatures(),
        candidates: candidates(statement, publisher, admission),
    };
    let mut counted = match (&statement.predicate, publisher) {
        (Predicate::Publisher(update), None) => registration(update, statement, &signatures)?,
        (Predicate::Publisher(update), Some(state)) => succession(update, state, &signatures)?,
        (_, None) => {
            return Err(AuthorityError::UnknownPublisher {
                publisher: statement.publisher().clone(),
            });
        }
        (_, Some(state)) => signatures.by_any_current(state)?,
    };
    if let (Predicate::Publisher(_), None, Admission::ByOperator(operator)) =
        (&statement.predicate, publisher, admission)
    {
        let by_operator = signatures
            .by(operator)?
            .ok_or(AuthorityError::NotAdmitted {
                operator: operator.keyid(),
            })?;
        // An operator who registers a name of its own has signed as its key already.
        if !counted.signatures.contains(&by_operator) {
            counted.signatures.push(by_operator);
        }
    }
    Ok(counted)
}

/// Rule 2.
fn registration(
    update: &Publisher,
    statement: &Statement,
    signatures: &Signatures<'_>,
) -> Result<Counted, AuthorityError> {
    if let Some(previous) = update.previous {
        return Err(AuthorityError::NothingToFollow {
            publisher: statement.publisher().clone(),
            previous,
        });
    }
    check_distinct(&update.keys)?;
    signatures.by_each(update.keys.clone())
}

/// Rules 3 and 4.
fn succession(
    update: &Publisher,
    state: &PublisherState,
    signatures: &Signatures<'_>,
) -> Result<Counted, AuthorityError> {
    if update.previous != Some(state.record) {
        return Err(AuthorityError::NotTheSuccessor {
            publisher: state.name.clone(),
            newest: state.record,
            at: state.at,
            found: update.previous,
        });
    }
    check_distinct(&update.keys)?;
    for key in &update.keys {
        if let Some(retired) = state.retired(key) {
            return Err(AuthorityError::RetiredKeyReturns {
                keyid: key.keyid(),
                at: retired.at,
            });
        }
    }
    let mut counted = signatures.by_any_current(state)?;
    let new = update
        .keys
        .iter()
        .filter(|key| !state.keys.contains(key))
        .cloned()
        .collect();
    let Counted { signatures, keys } = signatures.by_each(new)?;
    counted.signatures.extend(signatures);
    counted.keys.extend(keys);
    Ok(counted)
}

fn check_distinct(keys: &[PublicKey]) -> Result<(), AuthorityError> {
    for (n, key) in keys.iter().enumerate() {
        if keys[..n].contains(key) {
            return Err(AuthorityError::DuplicateKey { keyid: key.keyid() });
        }
    }
    Ok(())
}

/// How many signature checks it takes at most to apply the rules: one for each signature whose key ID names a
/// key that could have signed. Where it names none, one for each such key, and one for a key that it was.
pub(super) fn checks_max(
    envelope: &Envelope,
    statement: &Statement,
    publisher: Option<&PublisherState>,
    admission: Admission<'_>,
) -> usize {
    let candidates = candidates(statement, publisher, admission);
    let checks = |signature: &EnvelopeSignature| {
        if candidates.contains(&signature.keyid) {
            1
        } else {
            candidates.len() + 1
        }
    };
    envelope.signatures().iter().map(checks).sum()
}

/// The key IDs of all keys that could have signed.
fn candidates(
    statement: &Statement,
    publisher: Option<&PublisherState>,
    admission: Admission<'_>,
) -> BTreeSet<String> {
    let listed = match &statement.predicate {
        Predicate::Publisher(update) => update.keys.as_slice(),
        _ => &[],
    };
    let current = publisher.map_or(&[][..], |state| &state.keys);
    let operator = match admission {
        Admission::Open => None,
        Admission::ByOperator(operator) => Some(operator),
    };
    let keys = listed.iter().chain(current).chain(operator);
    keys.map(|key| key.keyid().to_string()).collect()
}

/// The signatures of an envelope, and what they should be over.
struct Signatures<'a> {
    message: Vec<u8>,
    all: &'a [EnvelopeSignature],
    /// The key IDs of all keys that could have made them.
    candidates: BTreeSet<String>,
}

impl Signatures<'_> {
    /// The signature by `key`, if there is one. One that names `key` as its own and does not hold is an error.
    ///
    /// Key IDs are only hints, so a signature whose ID says nothing is tried with every key. One that names
    /// another key which could have signed is left to that key: it holds there, or the record is refused.
    fn by(&self, key: &PublicKey) -> Result<Option<EnvelopeSignature>, AuthorityError> {
        let keyid = key.keyid().to_string();
        for signature in self.all {
            let named = signature.keyid == keyid;
            if !named && self.candidates.contains(&signature.keyid) {
                continue;
            }
            match key.verify(&self.message, &signature.sig) {
                Ok(()) => {
                    return Ok(Some(EnvelopeSignature {
                        keyid,
                        sig: signature.sig.clone(),
                    }));
                }
                Err(fault) if named => {
                    return Err(AuthorityError::BadSignature {
                        keyid: key.keyid(),
                        fault,
                    });
                }
                Err(_) => {}
            }
        }
        Ok(None)
    }

    fn by_each(&self, keys: Vec<PublicKey>) -> Result<Counted, AuthorityError> {
        let proven = |key: &PublicKey| {
            self.by(key)?
                .ok_or(AuthorityError::KeyNotProven { keyid: key.keyid() })
        };
        Ok(Counted {
            signatures: keys.iter().map(proven).collect::<Result<_, _>>()?,
            keys,
        })
    }

    fn by_any_current(&self, state: &PublisherState) -> Result<Counted, AuthorityError> {
        let mut counted = Counted::default();
        for key in &state.keys {
            if let Some(signature) = self.by(key)? {
                counted.signatures.push(signature);
                counted.keys.push(key.clone());
            }
        }
        if !counted.keys.is_empty() {
            return Ok(counted);
        }
        // Only for the message, so only those that a signature names: there may be thousands.
        for RetiredKey { key, at } in &state.retired {
            let keyid = key.keyid();
            let named = keyid.to_string();
            if let Some(signature) = self.all.iter().find(|it| it.keyid == named) {
                key.verify(&self.message, &signature.sig)
                    .map_err(|fault| AuthorityError::BadSignature { keyid, fault })?;
                let publisher = state.name.clone();
                return Err(AuthorityError::RevokedKey {
                    publisher,
                    keyid,
                    at: *at,
                });
            }
        }
        let keyids = self
            .all
            .iter()
            .map(|signature| match signature.keyid.as_str() {
                "" => "none".to_owned(),
                keyid => keyid.chars().take(64).collect(),
            });
        Err(AuthorityError::UnknownKey {
            publisher: state.name.clone(),
            keyids: keyids.collect::<Vec<_>>().join(", "),
        })
    }
}
