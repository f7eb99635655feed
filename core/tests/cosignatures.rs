//! Cosignatures of witnesses (C2SP `tlog-cosignature`).
//!
//! Checkpoints that other people's programs cosigned, and for everything that counts, twins that differ in little and do
//! not.

mod signing;

use std::ops::RangeInclusive;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Verified;
use candor_core::note::{
    CheckpointError, Cosignature, CosignatureFault, Cosigned, KeyId, KeyName, KeyType, LogKey,
    NoteError, NoteSignature, Quorum, QuorumError, SignedNote, VerifierKeyError, WitnessKey,
};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use signing::{name, note, signature, signer};

/// Keys of 32 bytes of 7, 1 and 2. The notes were signed by golang.org/x/mod v0.31.0 (`sumdb/note`, the log),
/// filippo.io/torchwood v0.9.0 (`CosignatureSigner`, the first witness) and github.com/transparency-dev/formats at
/// 1378f9e1b1b7 (`note.NewSignerForCosignatureV1`, the second), which wrote the keys, too.
const LOG_KEY: &str =
    "log.example.org/candor+8d01e44c+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
const WITNESSES: [&str; 2] = [
    "witness.example.com/w1+04758baf+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
    "witness.example.net/w2+379c0add+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
];
const TEXT: &str =
    "log.example.org/candor\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const COSIGNED: &str = "log.example.org/candor\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — log.example.org/candor jQHkTPdrtta4qG+xVa9G60QV/LVKNagTYXeJlCRyeYDMgLzJV73tl1c2AmI8H4Yxeph39Pmj1ct/P121GYaTGwUUrA0=\n\
    — witness.example.com/w1 BHWLrwAAAABrCPYZGGpGJpmJfO0EAnefmchG/o106eB0xYrU5Srk23oxcKH1MCGDjTsBX3JiJzh5OjbtxjEX7GfOZHmEvqdsm8kuBQ==\n\
    — witness.example.net/w2 N5wK3QAAAABrCPYZUl572CqxXJmuCrOGaK9jBqKYWv4XkAm4oTwa/2YV7/S62zTiT1zfRdycVFmgxjRZvEHuJcYXfctaE4xCqFK9AQ==\n";
const WITH_EXTENSION: &str = "log.example.org/candor\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
    an extension line\n\n\
    — log.example.org/candor jQHkTPOcWueJLoGiG760CKYkHUfpOQEgu5HC+gVMPpO6aExjQIh6pw2VCLtOupdsCrENuZe/NEn9s1E4Zws8e5Zn1wM=\n\
    — witness.example.com/w1 BHWLrwAAAABrCPYZjia9jtArSYXGGom5QRCO080mVTiXs+9YwjBj7QQJgcdajoI4/V3On3bvj9jrqrm3WNPcAPMlr/G2gBuTGOenBQ==\n\
    — witness.example.net/w2 N5wK3QAAAABrCPYZ9Wo8kmtNx3popc+7bXHNTrYAudkXkentm4AgZ32uXeXBN47H6MjWNRqPXUs9BduCfK76cPgQpBfgEnpogqFSBA==\n";

/// When they signed: 2026-11-27T03:16:41Z.
const TIME: u64 = 1_795_749_401;

/// Any time at all.
const EVER: RangeInclusive<u64> = 0..=u64::MAX;

fn log_key() -> LogKey {
    LOG_KEY.parse().expect("the log's key is one")
}

fn keys() -> Vec<WitnessKey> {
    let key = |text: &&str| text.parse().expect("a witness's key");
    WITNESSES.iter().map(key).collect()
}

fn quorum(keys: Vec<WitnessKey>, required: usize) -> Quorum {
    Quorum::new(keys, required).expect("they make a quorum")
}

fn verify(note: &str) -> Verified<Cosigned> {
    let cosigned = quorum(keys(), 2).verify(note.as_bytes(), &log_key());
    cosigned.expect("the log signed it")
}

/// The key of a witness whose secret key is one byte, as others would write it.
fn witness(witness: &str, seed: u8) -> WitnessKey {
    let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    vkey(witness, 4, key.as_bytes())
        .parse()
        .expect("it is in the form of one")
}

fn vkey(name: &str, kind: u8, key: &[u8]) -> String {
    let id = hex::encode(key_id(name, kind, key));
    let key = BASE64_STANDARD.encode([&[kind], key].concat());
    format!("{name}+{id}+{key}")
}

fn key_id(name: &str, kind: u8, key: &[u8]) -> [u8; 4] {
    let hash = Sha256::digest([name.as_bytes(), b"\n", &[kind], key].concat());
    *hash.first_chunk().expect("a hash has 32 bytes")
}

/// What a witness whose secret key is one byte puts below `text`.
fn cosign(witness: &str, seed: u8, time: u64, text: &str) -> NoteSignature {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let id = key_id(witness, 4, key.verifying_key().as_bytes());
    let signature = key.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
    NoteSignature {
        name: name(witness),
        key_id: KeyId::from_bytes(id),
        signature: [time.to_be_bytes().as_slice(), &signature.to_bytes()].concat(),
    }
}

/// [`TEXT`] with the log's signature and these below it.
fn below(lines: &[NoteSignature]) -> String {
    let log = signature(&signer("log.example.org/candor", 7), TEXT);
    note(TEXT, &[&[log], lines].concat())
}

fn who(cosigned: &Cosigned) -> Vec<(&str, u64)> {
    let all = cosigned.cosignatures.iter();
    all.map(|Cosignature { witness, time }| (witness.as_str(), *time))
        .collect()
}

fn faults(cosigned: &Cosigned) -> Vec<CosignatureFault> {
    cosigned.refused.iter().map(|it| it.fault).collect()
}

#[test]
fn cosignatures_of_other_peoples_programs_count() {
    for (text, written) in WITNESSES.iter().zip(keys()) {
        assert_eq!(written.to_string(), *text);
    }
    let both = [
        ("witness.example.com/w1", TIME),
        ("witness.example.net/w2", TIME),
    ];
    for note in [COSIGNED, WITH_EXTENSION] {
        let cosigned = verify(note);
        assert_eq!(who(&cosigned), both);
        assert_eq!(faults(&cosigned), []);
        assert!(cosigned.is_quorum(&EVER));
        assert_eq!(cosigned.checkpoint.head.size.get(), 20_852_163);
    }
    // What these programs write is what the tests below make by themselves, but for the time.
    let lines = [
        cosign("witness.example.com/w1", 1, TIME, TEXT),
        cosign("witness.example.net/w2", 2, TIME, TEXT),
    ];
    assert_eq!(below(&lines), COSIGNED);
}

#[test]
fn a_cosignature_says_when_it_was_made() {
    // The example at the top of the specification: its key is nowhere, and its time is.
    let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let read = SignedNote::parse(note.as_bytes()).expect("the specification's note is one");
    assert_eq!(read.to_string(), note);
    let [_, cosignature] = read.signatures() else {
        panic!("two signatures");
    };
    assert_eq!(cosignature.signature.len(), 72);
    assert_eq!(cosignature.signature[..8], 1_679_315_147_u64.to_be_bytes());
    // In time, and out of it.
    let cosigned = verify(COSIGNED);
    for (times, count) in [
        (TIME..=TIME, 2),
        (TIME + 1..=u64::MAX, 0),
        (0..=TIME - 1, 0),
    ] {
        assert_eq!(cosigned.witnesses(&times), count, "{times:?}");
        assert_eq!(cosigned.is_quorum(&times), count == 2, "{times:?}");
    }
}

#[test]
fn no_bit_of_a_cosignature_can_be_flipped() {
    let key = keys().swap_remove(0);
    let quorum = quorum(vec![key], 1);
    let line = cosign("witness.example.com/w1", 1, TIME, TEXT);
    for at in 0..line.signature.len() {
        for bit in 0..8 {
            let mut changed = line.clone();
            changed.signature[at] ^= 1 << bit;
            let note = below(&[changed]);
            let cosigned = quorum
                .verify(note.as_bytes(), &log_key())
                .expect("the log's");
            assert!(!cosigned.is_quorum(&EVER), "bit {bit} of byte {at}");
            assert_eq!(cosigned.refused.len(), 1, "bit {bit} of byte {at}");
        }
    }
    let note = below(&[line]);
    let cosigned = quorum
        .verify(note.as_bytes(), &log_key())
        .expect("the log's");
    assert!(cosigned.is_quorum(&EVER));
}

#[test]
fn what_is_no_cosignature_of_this_checkpoint_does_not_count_and_is_said() {
    let (one, two) = ("witness.example.com/w1", "witness.example.net/w2");
    let good = || cosign(one, 1, TIME, TEXT);
    let other_text = TEXT.replace("20852163", "20852164");
    let with = |change: fn(&mut Vec<u8>)| {
        let mut line = cosign(two, 2, TIME, TEXT);
        change(&mut line.signature);
        line
    };
    // A note signature over the text alone, by the same key, is none.
    let plain = NoteSignature {
        signature: signature(&signer(two, 2), TEXT).signature,
        ..cosign(two, 2, TIME, TEXT)
    };
    for (bad, fault) in [
        (
            cosign(two, 2, TIME, &other_text),
            CosignatureFault::Signature,
        ),
        (cosign(two, 2, 0, TEXT), CosignatureFault::Time(0)),
        (
            cosign(two, 2, 1 << 63, TEXT),
            CosignatureFault::Time(1 << 63),
        ),
        (plain, CosignatureFault::Length { bytes: 64 }),
        (
            with(|it| it.push(0)),
            CosignatureFault::Length { bytes: 73 },
        ),
        (
            with(|it| it.truncate(71)),
            CosignatureFault::Length { bytes: 71 },
        ),
        (
            with(|it| it.truncate(8)),
            CosignatureFault::Length { bytes: 8 },
        ),
        (
            with(|it| it.truncate(7)),
            CosignatureFault::Length { bytes: 7 },
        ),
        (
            // The first one's, under the second one's name and key ID.
            NoteSignature {
                signature: good().signature,
                ..cosign(two, 2, TIME, TEXT)
            },
            CosignatureFault::Signature,
        ),
    ] {
        let cosigned = verify(&below(&[bad, good()]));
        assert_eq!(who(&cosigned), [(one, TIME)], "{fault}");
        assert_eq!(faults(&cosigned), [fault]);
        assert_eq!(cosigned.refused[0].witness.as_str(), two);
        assert!(!cosigned.is_quorum(&EVER), "{fault}");
    }
    // The latest time that there is.
    let last = verify(&below(&[good(), cosign(two, 2, (1 << 63) - 1, TEXT)]));
    assert!(last.is_quorum(&EVER));
}

#[test]
fn a_witness_counts_once_and_strangers_not_at_all() {
    let (one, two) = ("witness.example.com/w1", "witness.example.net/w2");
    let again = verify(&below(&[
        cosign(one, 1, TIME, TEXT),
        cosign(one, 1, TIME, TEXT),
        cosign(one, 1, TIME + 1, TEXT),
    ]));
    assert_eq!((again.cosignatures.len(), again.witnesses(&EVER)), (3, 1));
    assert!(!again.is_quorum(&EVER));
    // Names and keys that nobody named: another name, another key, and the name of the one with the ID of the other.
    let crossed = NoteSignature {
        key_id: cosign(two, 2, TIME, TEXT).key_id,
        ..cosign(one, 1, TIME, TEXT)
    };
    let strangers = verify(&below(&[
        cosign("witness.example.org/w3", 3, TIME, TEXT),
        cosign("witness.example.org/w1", 1, TIME, TEXT),
        cosign(two, 3, TIME, TEXT),
        crossed,
        cosign(one, 1, TIME, TEXT),
    ]));
    assert_eq!(who(&strangers), [(one, TIME)]);
    assert_eq!(faults(&strangers), []);
    // A witness that has a new key, and signs with both.
    let keys = vec![witness(one, 1), witness(one, 4), witness(two, 2)];
    let lines = [cosign(one, 1, TIME, TEXT), cosign(one, 4, TIME, TEXT)];
    let rolled = quorum(keys, 2)
        .verify(below(&lines).as_bytes(), &log_key())
        .expect("the log signed it");
    assert_eq!((rolled.cosignatures.len(), rolled.witnesses(&EVER)), (2, 1));
    assert!(!rolled.is_quorum(&EVER));
}

#[test]
fn a_log_is_not_its_own_witness() {
    let keys = vec![
        witness("witness.example.com/w1", 1),
        witness("witness.example.org/other", 7),
    ];
    let lines = [
        cosign("witness.example.com/w1", 1, TIME, TEXT),
        cosign("witness.example.org/other", 7, TIME, TEXT),
    ];
    let cosigned = quorum(keys, 2)
        .verify(below(&lines).as_bytes(), &log_key())
        .expect("the log signed it");
    assert!(!cosigned.is_quorum(&EVER));
    assert_eq!(faults(&cosigned), [CosignatureFault::OfTheLog]);
}

#[test]
fn cosignatures_without_the_logs_signature_are_nothing() {
    let witnesses_alone = note(TEXT, &[cosign("witness.example.com/w1", 1, TIME, TEXT)]);
    let refused = quorum(keys(), 1).verify(witnesses_alone.as_bytes(), &log_key());
    assert!(matches!(
        refused,
        Err(CheckpointError::Note(NoteError::NoTrustedSignature { .. }))
    ));
    let damaged = COSIGNED.replacen("jQHkTPdrtta4", "jQHkTPdrtta5", 1);
    let refused = quorum(keys(), 1).verify(damaged.as_bytes(), &log_key());
    assert!(matches!(
        refused,
        Err(CheckpointError::Note(NoteError::BadSignature { .. }))
    ));
}

#[test]
fn a_quorum_is_of_as_many_witnesses_as_there_are() {
    let [one, two] = [witness("a.example", 1), witness("b.example", 2)];
    assert!(Quorum::new(vec![one.clone(), two.clone()], 2).is_ok());
    for (keys, required, error) in [
        (vec![one.clone(), two.clone()], 0, QuorumError::Zero),
        (vec![], 0, QuorumError::Zero),
        (
            vec![one.clone(), two.clone()],
            3,
            QuorumError::TooFewWitnesses {
                required: 3,
                witnesses: 2,
            },
        ),
        (
            // Two keys of one witness are one.
            vec![one.clone(), witness("a.example", 3)],
            2,
            QuorumError::TooFewWitnesses {
                required: 2,
                witnesses: 1,
            },
        ),
        (
            vec![one.clone(), two, witness("c.example", 1)],
            1,
            QuorumError::SameKey {
                first: name("a.example"),
                second: name("c.example"),
            },
        ),
        (
            vec![one.clone(), one],
            1,
            QuorumError::SameKey {
                first: name("a.example"),
                second: name("a.example"),
            },
        ),
    ] {
        assert_eq!(Quorum::new(keys, required), Err(error));
    }
}

#[test]
fn a_witness_key_of_another_type_or_with_another_id_is_refused() {
    let key = SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
    for kind in [0, 1, 2, 3, 5, 6, 0xff] {
        let text = vkey("witness.example.com/w1", kind, &key);
        assert_eq!(
            text.parse::<WitnessKey>(),
            Err(VerifierKeyError::Unsupported {
                kind,
                wanted: KeyType::Ed25519Cosignature,
                name: "witness.example.com/w1".to_owned(),
            })
        );
    }
    // The ID of the same name and key as those of a note's signer.
    let name: KeyName = name("witness.example.com/w1");
    let other = hex::encode(key_id(name.as_str(), 1, &key));
    let text = WITNESSES[0].replace("04758baf", &other);
    assert!(matches!(
        text.parse::<WitnessKey>(),
        Err(VerifierKeyError::KeyIdMismatch { .. })
    ));
    let weak = vkey(name.as_str(), 4, &[0; 32]);
    assert!(matches!(
        weak.parse::<WitnessKey>(),
        Err(VerifierKeyError::WeakKey { .. })
    ));
    assert!(LOG_KEY.parse::<WitnessKey>().is_err());
}
