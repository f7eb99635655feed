//! Signed notes (C2SP `signed-note`). Their keys are tested in `verifier_keys.rs`, checkpoints in `checkpoints.rs`.
//!
//! The examples in the specifications, from <https://github.com/C2SP/C2SP> at commit
//! 5ba5ee830903e91240fc6f9f3a7a9293d49e69c9; the `signed_note` crate as a second opinion, both ways; and for
//! everything accepted, twins that differ in little and are refused.

mod signing;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::note::{
    KeyId, NOTE_BYTES_MAX, NoteError, NoteSignature, NoteSigner, Origin, SIGNATURES_MAX,
    SignedNote, VerifierKey,
};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use signing::{key_of, name, note, signature, signer, verify};

/// The example in signed-note, "Example".
const FOO_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const FOO_NOTE: &str = "This is an example message.\n\n\
    — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The example at the top of signed-note.
const QUASIMODO_NOTE: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\
    ed è subito sera.\n\n\
    — quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

/// The example at the top of tlog-checkpoint.
const SOFA_NOTE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

#[test]
fn the_key_in_the_specification_verifies_the_note_in_the_specification() {
    let key: VerifierKey = FOO_KEY.parse().expect("the specification's key is a key");
    assert_eq!(key.to_string(), FOO_KEY);
    assert_eq!(key.id().as_bytes(), &[0x53, 0x0d, 0x90, 0x3a]);
    let note = SignedNote::parse(FOO_NOTE.as_bytes()).expect("the specification's note is a note");
    assert_eq!(note.to_string(), FOO_NOTE);
    let verified = note
        .verify(std::slice::from_ref(&key))
        .expect("the note is signed by the key");
    assert_eq!(verified.text, "This is an example message.\n");
    assert_eq!(verified.signed_by, [key]);
}

#[test]
fn the_other_notes_in_the_specifications_are_read_and_printed_the_same() {
    for (text, name, id, body) in [
        (
            QUASIMODO_NOTE,
            "quasimodo.example/salvatore",
            [0x36, 0x7b, 0xa0, 0x4b],
            "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n",
        ),
        (
            SOFA_NOTE,
            "example.com/behind-the-sofa",
            [0x03, 0x3d, 0xe0, 0xae],
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        ),
    ] {
        let note = SignedNote::parse(text.as_bytes()).expect("the specification's note is a note");
        assert_eq!(note.to_string(), text);
        assert_eq!(note.unverified_text(), body);
        let [signature] = note.signatures() else {
            panic!("one signature")
        };
        assert_eq!(signature.name.as_str(), name);
        assert_eq!(signature.key_id, KeyId::from_bytes(id));
        assert_eq!(signature.signature.len(), 64);
    }
}

#[test]
fn no_bit_of_a_note_can_be_flipped() {
    let key = [FOO_KEY.parse().expect("a key")];
    for at in 0..FOO_NOTE.len() {
        for bit in 0..8 {
            let mut bytes = FOO_NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let result = SignedNote::parse(&bytes).and_then(|note| note.verify(&key));
            assert!(result.is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn no_byte_of_a_note_can_be_left_out_doubled_or_added() {
    let key = [FOO_KEY.parse().expect("a key")];
    let refused = |bytes: &[u8]| {
        SignedNote::parse(bytes)
            .and_then(|note| note.verify(&key))
            .is_err()
    };
    let bytes = FOO_NOTE.as_bytes();
    assert!(!refused(bytes));
    for at in 0..bytes.len() {
        assert!(refused(&bytes[..at]), "the first {at} bytes");
        assert!(
            refused(&[&bytes[..at], &bytes[at + 1..]].concat()),
            "without byte {at}"
        );
        assert!(
            refused(&[&bytes[..=at], &bytes[at..]].concat()),
            "with byte {at} twice"
        );
    }
    for at in 0..=bytes.len() {
        for added in [b"\n", b" ", b"=", b"A", b"+", b"\0"] {
            assert!(
                refused(&[&bytes[..at], added, &bytes[at..]].concat()),
                "{added:?} before byte {at}"
            );
        }
    }
}

#[test]
fn the_text_may_have_empty_lines_and_lines_that_look_like_signatures() {
    let signer = signer("example.org/log", 1);
    for text in [
        "a\n",
        "\n",
        "\n\n",
        "\n\n\n",
        "a\n\nb\n",
        "a\n\n\n\nb\n\n",
        "a\n\n— x AAAAAAA=\n",
        "— x AAAAAAA=\n\n",
    ] {
        let note = signer.sign(text.to_owned()).to_string();
        assert_eq!(verify(&note, &key_of(&signer)).as_deref(), Ok(text));
    }
}

#[test]
fn signatures_of_unknown_keys_are_ignored() {
    let known = signer("example.org/log", 1);
    let text = "text\n";
    let good = signature(&known, text);
    let other_key_same_name = signature(&signer("example.org/log", 2), text);
    assert_ne!(other_key_same_name.key_id, good.key_id);
    let other_name_same_id = NoteSignature {
        name: name("example.org/other"),
        ..good.clone()
    };
    let not_ed25519 = NoteSignature {
        signature: vec![7; 2_424],
        ..other_key_same_name.clone()
    };
    let one_byte = NoteSignature {
        signature: vec![7],
        ..other_key_same_name.clone()
    };
    for unknown in [
        other_key_same_name,
        other_name_same_id,
        not_ed25519,
        one_byte,
    ] {
        let before = note(text, &[unknown.clone(), good.clone()]);
        let after = note(text, &[good.clone(), unknown.clone()]);
        assert_eq!(verify(&before, &key_of(&known)).as_deref(), Ok(text));
        assert_eq!(verify(&after, &key_of(&known)).as_deref(), Ok(text));
        let alone = verify(&note(text, std::slice::from_ref(&unknown)), &key_of(&known));
        let expected = NoteError::NoTrustedSignature {
            signed_by: vec![format!("{}+{}", unknown.name, unknown.key_id)],
            wanted: vec![format!("example.org/log+{}", good.key_id)],
        };
        assert_eq!(alone, Err(expected));
    }
}

#[test]
fn a_note_that_nobody_was_asked_about_is_refused() {
    let signer = signer("example.org/log", 1);
    let result = verify(&note("text\n", &[signature(&signer, "text\n")]), &[]);
    assert!(
        matches!(result, Err(NoteError::NoTrustedSignature { wanted, .. }) if wanted.is_empty())
    );
}

#[test]
fn a_known_key_with_a_bad_signature_condemns_the_note() {
    let (a, b) = (signer("example.org/a", 1), signer("example.org/b", 2));
    let text = "text\n";
    let keys = [a.verifier_key().clone(), b.verifier_key().clone()];
    let good = signature(&b, text);
    let right = signature(&a, text);
    let cut = |length| NoteSignature {
        signature: right.signature[..length].to_vec(),
        ..right.clone()
    };
    let longer = NoteSignature {
        signature: [&*right.signature, &[0]].concat(),
        ..right.clone()
    };
    let zeros = NoteSignature {
        signature: vec![0; 64],
        ..right.clone()
    };
    for bad in [
        signature(&a, "other text\n"),
        signature(&a, "text\n\n"),
        cut(1),
        cut(63),
        longer,
        zeros,
    ] {
        let refused = NoteError::BadSignature {
            name: name("example.org/a"),
            key_id: a.verifier_key().id(),
        };
        for signatures in [
            [bad.clone(), good.clone()],
            [good.clone(), bad.clone()],
            [right.clone(), bad.clone()],
        ] {
            assert_eq!(
                verify(&note(text, &signatures), &keys),
                Err(refused.clone())
            );
        }
        // To somebody who doesn't know the key, it is one more unknown signature.
        assert_eq!(
            verify(&note(text, &[bad, good.clone()]), &keys[1..]).as_deref(),
            Ok(text)
        );
    }
}

#[test]
fn a_signature_given_twice_counts_once() {
    let signer = signer("example.org/log", 1);
    let twice = vec![signature(&signer, "text\n"); 2];
    let parsed =
        SignedNote::parse(note("text\n", &twice).as_bytes()).expect("the note is well-formed");
    assert_eq!(parsed.signatures(), twice);
    let verified = parsed
        .verify(&key_of(&signer))
        .expect("both signatures are good");
    assert_eq!(verified.signed_by, key_of(&signer));
}

#[test]
fn everybody_who_signed_is_named_and_nobody_else() {
    let signers: Vec<NoteSigner> = (1..=5)
        .map(|n| signer(&format!("example.org/{n}"), n))
        .collect();
    let signed: Vec<NoteSignature> = [3, 0, 4]
        .map(|n: usize| signature(&signers[n], "text\n"))
        .to_vec();
    let keys: Vec<VerifierKey> = signers[..4]
        .iter()
        .map(|signer| signer.verifier_key().clone())
        .collect();
    let parsed =
        SignedNote::parse(note("text\n", &signed).as_bytes()).expect("the note is well-formed");
    let verified = parsed.verify(&keys).expect("two known keys signed");
    assert_eq!(verified.signed_by, [keys[3].clone(), keys[0].clone()]);
}

#[test]
fn sixteen_signatures_are_read_and_so_are_all_up_to_the_limit() {
    let signer_of = |n: usize| {
        signer(
            &format!("example.org/{n}"),
            u8::try_from(n).expect("at most 200"),
        )
    };
    let text = "text\n";
    let all: Vec<NoteSignature> = (0..=SIGNATURES_MAX)
        .map(|n| signature(&signer_of(n), text))
        .collect();
    for count in [1, 2, 16, 17, SIGNATURES_MAX] {
        let last = key_of(&signer_of(count - 1));
        assert_eq!(
            verify(&note(text, &all[..count]), &last).as_deref(),
            Ok(text),
            "{count} signatures"
        );
    }
    let keys: Vec<VerifierKey> = (0..16)
        .map(|n| signer_of(n).verifier_key().clone())
        .collect();
    let parsed =
        SignedNote::parse(note(text, &all[..16]).as_bytes()).expect("16 signatures are read");
    assert_eq!(parsed.verify(&keys).expect("all are good").signed_by, keys);
    let over = note(text, &all);
    assert_eq!(verify(&over, &keys), Err(NoteError::TooManySignatures));
}

#[test]
fn a_note_is_read_up_to_the_limit_of_its_length() {
    let signer = signer("example.org/log", 1);
    let rest = note("\n", &[signature(&signer, "\n")]).len() - 1;
    let mut text = "x".repeat(NOTE_BYTES_MAX - rest - 1);
    text.push('\n');
    let longest = note(&text, &[signature(&signer, &text)]);
    assert_eq!(longest.len(), NOTE_BYTES_MAX);
    assert_eq!(verify(&longest, &key_of(&signer)), Ok(text.clone()));
    text.insert(0, 'x');
    let over = note(&text, &[signature(&signer, &text)]);
    assert_eq!(
        verify(&over, &key_of(&signer)),
        Err(NoteError::TooLong {
            bytes: NOTE_BYTES_MAX + 1
        })
    );
}

#[test]
fn control_characters_are_refused_wherever_they_are() {
    let (text, signature_line) = foo_parts();
    for code in (0..0x20_u8).filter(|code| *code != b'\n') {
        let c = char::from(code);
        for (note, at) in [
            (format!("{c}{text}\n{signature_line}"), 0),
            (format!("{text}\n{c}{signature_line}"), text.len() + 1),
            (
                format!("{text}\n{signature_line}{c}"),
                text.len() + 1 + signature_line.len(),
            ),
        ] {
            let error = NoteError::ControlCharacter {
                code: code.into(),
                at,
            };
            assert_eq!(SignedNote::parse(note.as_bytes()), Err(error));
        }
    }
    // Those above the ASCII ones are allowed.
    let signer = signer("example.org/log", 1);
    let text = "\u{7f}\u{80}\u{85}\u{2028}\u{feff}\u{10ffff}\n";
    assert_eq!(
        verify(&note(text, &[signature(&signer, text)]), &key_of(&signer)).as_deref(),
        Ok(text)
    );
}

/// The specification's example in its two parts.
fn foo_parts() -> (&'static str, &'static str) {
    let (text, signature_line) = FOO_NOTE
        .split_once("\n\n")
        .expect("an empty line is between them");
    (&FOO_NOTE[..=text.len()], signature_line)
}

#[test]
fn lines_that_end_as_in_windows_are_refused() {
    let windows = FOO_NOTE.replace('\n', "\r\n");
    let at = "This is an example message.".len();
    let error = NoteError::ControlCharacter { code: 0x0d, at };
    assert_eq!(SignedNote::parse(windows.as_bytes()), Err(error));
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    for bad in [
        &[0xff][..],
        &[0xc0, 0x8a],
        &[0xed, 0xa0, 0x80],
        &[0xe2, 0x80],
    ] {
        let bytes = [b"abc", bad, FOO_NOTE.as_bytes()].concat();
        assert_eq!(
            SignedNote::parse(&bytes),
            Err(NoteError::NotUtf8 { valid_up_to: 3 })
        );
    }
}

#[test]
fn a_note_without_signatures_or_without_a_final_newline_is_refused() {
    let (text, signature_line) = foo_parts();
    let no_final_newline = FOO_NOTE.strip_suffix('\n').expect("it ends in one");
    let only_text = format!("{text}\n");
    let no_empty_line = format!("{text}{signature_line}");
    let empty_line_at_the_end = format!("{FOO_NOTE}\n");
    for bad in [
        "",
        "\n",
        "\n\n",
        "\n\n\n",
        text,
        &only_text,
        no_final_newline,
        &no_empty_line,
        &empty_line_at_the_end,
        signature_line,
    ] {
        assert_eq!(
            SignedNote::parse(bad.as_bytes()),
            Err(NoteError::NoSignatures),
            "{bad:?}"
        );
    }
}

#[test]
fn a_signature_line_in_any_other_form_is_refused() {
    let (text, signature_line) = foo_parts();
    let line = signature_line.strip_suffix('\n').expect("it ends in one");
    let (name, base64) = (
        "example.com/foo",
        line.rsplit_once(' ').expect("three parts").1,
    );
    let id_only = BASE64_STANDARD.encode([0x53, 0x0d, 0x90, 0x3a]);
    let url_safe = base64.replacen('A', "-", 1);
    let spare_bits = base64.replace("aQM=", "aQN=");
    assert!(url_safe != base64 && spare_bits != base64);
    for bad in [
        "—".to_owned(),
        "— ".to_owned(),
        "text".to_owned(),
        format!("- {name} {base64}"),
        format!("– {name} {base64}"),
        format!("—{name} {base64}"),
        format!("—  {name} {base64}"),
        format!(" — {name} {base64}"),
        format!("— {name}  {base64}"),
        format!("— {name} {base64} "),
        format!("— {name}"),
        format!("— {name} "),
        format!("— {base64}"),
        format!("—  {base64}"),
        format!("— ex+ample {base64}"),
        format!("— ex\u{a0}ample {base64}"),
        format!("— ex\u{3000}ample {base64}"),
        format!("— {name} {url_safe}"),
        format!("— {name} {}", base64.trim_end_matches('=')),
        format!("— {name} {base64}="),
        format!("— {name} {spare_bits}"),
        format!("— {name} {}", &base64[..5]),
        format!("— {name} AAAA"),
        format!("— {name} {id_only}"),
    ] {
        let found: String = bad.chars().take(80).collect();
        for (note, line) in [
            (format!("{text}\n{bad}\n{signature_line}"), 1),
            (format!("{text}\n{signature_line}{bad}\n"), 2),
        ] {
            let error = NoteError::BadSignatureLine {
                line,
                found: found.clone(),
            };
            assert_eq!(SignedNote::parse(note.as_bytes()), Err(error));
        }
    }
}

#[test]
#[should_panic(expected = "a note's text ends in a newline")]
fn a_text_without_a_final_newline_is_not_signed() {
    signer("example.org/log", 1).sign("text".to_owned());
}

#[test]
#[should_panic(expected = "no other control characters")]
fn a_text_with_control_characters_is_not_signed() {
    signer("example.org/log", 1).sign("te\txt\n".to_owned());
}

#[test]
fn a_signer_does_not_print_its_key() {
    let printed = format!("{:?}", signer("example.org/log", 0xab));
    assert!(
        !printed.contains("abab") && !printed.contains("171"),
        "{printed}"
    );
}

// The signed_note crate as a second opinion.

fn their_signer(name: &str, seed: [u8; 32]) -> signed_note::StandardSigner {
    let key = VerifierKey::new(
        name.parse().expect("a name"),
        SigningKey::from_bytes(&seed).verifying_key(),
    );
    let secret = BASE64_STANDARD.encode([&[1][..], &seed].concat());
    signed_note::StandardSigner::new(&format!("PRIVATE+KEY+{name}+{}+{secret}", key.id()))
        .expect("a signer key")
}

fn their_verifiers(keys: &[VerifierKey]) -> signed_note::VerifierList {
    let verifiers = keys.iter().map(|key| {
        let verifier =
            signed_note::StandardVerifier::new(&key.to_string()).expect("they read our keys");
        Box::new(verifier) as Box<dyn signed_note::Verifier>
    });
    signed_note::VerifierList::new(verifiers.collect())
}

/// The text, if they find it signed by one of `keys`.
fn they_verify(note: &[u8], keys: &[VerifierKey]) -> Option<Vec<u8>> {
    let note = signed_note::Note::from_bytes(note).ok()?;
    note.verify(&their_verifiers(keys)).ok()?;
    Some(note.text().to_vec())
}

fn any_text() -> impl Strategy<Value = String> {
    "([^\\x00-\\x1f]{0,20}\n){1,5}"
}

fn any_name() -> impl Strategy<Value = String> {
    "[a-z0-9./ж_-]{1,30}"
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_verify_what_we_sign(name in any_name(), seed: [u8; 32], text in any_text()) {
        let signer = NoteSigner::new(name.parse().expect("a name"), SigningKey::from_bytes(&seed));
        let note = signer.sign(text.clone()).to_string();
        prop_assert_eq!(they_verify(note.as_bytes(), &key_of(&signer)), Some(text.into_bytes()));
    }

    #[test]
    fn we_verify_what_they_sign(name in any_name(), seeds: [[u8; 32]; 3], text in any_text(), by in 0..3_usize) {
        let mut note = signed_note::Note::new(text.as_bytes(), &[]).expect("they accept the text");
        let signers = seeds.map(|seed| their_signer(&name, seed));
        let signers = signers.each_ref().map(|signer| signer as &dyn signed_note::Signer);
        note.add_sigs(&signers).expect("they sign");
        let key = SigningKey::from_bytes(&seeds[by]).verifying_key();
        let key = VerifierKey::new(name.parse().expect("a name"), key);
        let parsed = SignedNote::parse(&note.to_bytes()).expect("we read their note");
        prop_assert_eq!(parsed.to_string().into_bytes(), note.to_bytes());
        prop_assert_eq!(&parsed.verify(&[key]).expect("we verify it").text, &text);
    }

    #[test]
    fn we_sign_the_same_bytes_as_they(name in any_name(), seed: [u8; 32], text in any_text()) {
        let ours = NoteSigner::new(name.parse().expect("a name"), SigningKey::from_bytes(&seed)).sign(text.clone());
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).expect("they accept the text");
        theirs.add_sigs(&[&their_signer(&name, seed)]).expect("they sign");
        prop_assert_eq!(ours.to_string().into_bytes(), theirs.to_bytes());
    }

    #[test]
    fn we_agree_on_what_is_a_note(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, "[\n —+=A-C/\\x00\\x7f\u{a0}]"), 1..4),
    ) {
        let mut note: Vec<char> = QUASIMODO_NOTE.chars().collect();
        for (at, edit, new) in edits {
            let at = at.index(note.len());
            let new = new.chars().next().expect("one character");
            match edit {
                0 => note[at] = new,
                1 => note.insert(at, new),
                _ => { note.remove(at); }
            }
        }
        let note: String = note.into_iter().collect();
        let ours = SignedNote::parse(note.as_bytes());
        let theirs = signed_note::Note::from_bytes(note.as_bytes());
        // We also refuse names with the control characters that are not ASCII or above the space.
        let (_, lines) = note.rsplit_once("\n\n").unwrap_or_default();
        if !lines.contains('\u{7f}') {
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", note);
        }
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.unverified_text().as_bytes(), theirs.text());
            prop_assert_eq!(ours.to_string().into_bytes(), theirs.to_bytes());
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "(\\PC|\n|— ){0,60}") {
        let _ = SignedNote::parse(&bytes);
        let _ = SignedNote::parse(text.as_bytes());
        let _ = text.parse::<VerifierKey>();
        let _ = text.parse::<Origin>();
    }
}
