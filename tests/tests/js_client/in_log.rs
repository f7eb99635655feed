//! What a log that lies could have signed: records by the wrong keys, and checkpoints that are none. Statements that are none
//! are in `in_statements`, documents in `in_documents`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

use super::in_file::malleate;
use super::scene::{
    RELEASE, Scene, about_itself, card, envelope, key, keyid, listed, publisher, sign, signature,
};

/// A change to what is logged.
pub(crate) type Change = Box<dyn Fn(&mut Scene)>;

/// A change with its name.
pub(crate) fn change(name: &str, change: impl Fn(&mut Scene) + 'static) -> (String, Change) {
    (name.to_owned(), Box::new(change))
}

/// Records that are signed by others than should have.
const SIGNERS: [(&str, &str, &[u8]); 7] = [
    ("card-by-old-key", "card", &[1]),
    ("card-by-stranger", "card", &[9]),
    ("card-by-another-publisher", "card", &[3]),
    ("evaluation-by-the-lab", "evaluation", &[2]),
    ("rotation-by-old-key-alone", "second", &[1]),
    ("rotation-by-new-key-alone", "second", &[2]),
    ("rotation-by-stranger", "second", &[9, 2]),
];

/// Texts of checkpoints that a log could sign and that are none.
const CHECKPOINTS: [(&str, &str); 14] = [
    ("signed-other-origin", "log.example.org/other\nSIZE\nROOT\n"),
    ("signed-two-lines", "log.example.org/candor\nSIZE\n"),
    (
        "signed-leading-zero",
        "log.example.org/candor\n0SIZE\nROOT\n",
    ),
    (
        "signed-size-negative",
        "log.example.org/candor\n-SIZE\nROOT\n",
    ),
    (
        "signed-size-overflow",
        "log.example.org/candor\n18446744073709551616\nROOT\n",
    ),
    (
        "signed-size-largest",
        "log.example.org/candor\n18446744073709551615\nROOT\n",
    ),
    ("signed-size-smaller", "log.example.org/candor\n3\nROOT\n"),
    ("signed-root-short", "log.example.org/candor\nSIZE\nAAAA\n"),
    ("signed-empty-tree", "log.example.org/candor\n0\nROOT\n"),
    (
        "signed-empty-line",
        "log.example.org/candor\nSIZE\nROOT\n\nmore\n",
    ),
    (
        "signed-retired-twice",
        "log.example.org/candor\nSIZE\nROOT\nretired\nretired\n",
    ),
    (
        "signed-retired-with-a-word",
        "log.example.org/candor\nSIZE\nROOT\nretired soon\n",
    ),
    (
        "signed-retired-to-no-key",
        "log.example.org/candor\nSIZE\nROOT\nretired key https://x.org\n",
    ),
    (
        "signed-retired-to-no-address",
        "log.example.org/candor\nSIZE\nROOT\nretired KEY ftp://x.org\n",
    ),
];

/// Texts of checkpoints with lines that change nothing.
const EXTENSIONS: [(&str, &str); 3] = [
    (
        "extensions",
        "log.example.org/candor\nSIZE\nROOT\none more line\nretiredly\n",
    ),
    ("retired", "log.example.org/candor\nSIZE\nROOT\nretired\n"),
    (
        "retired-to",
        "log.example.org/candor\nSIZE\nROOT\nretired KEY https://x.org/2027/\n",
    ),
];

/// Points that are no keys: of order 1, 2, 4 and 8 by the curve's definition, in canonical and other encodings; one that has
/// a second encoding; and a number that is the y of no point.
const NO_KEYS: [&str; 10] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0200000000000000000000000000000000000000000000000000000000000000",
];

/// All of them.
pub(crate) fn changes() -> Vec<(String, Change)> {
    let mut changes = Vec::new();
    changes.extend(SIGNERS.map(|(name, record, signers)| {
        change(name, move |it| it.at(record).signers = signers.to_vec())
    }));
    changes.extend(CHECKPOINTS.map(|(name, text)| checkpoint(name, text)));
    let lines: Vec<_> = (0..17).map(|n| format!("{n}\n")).collect();
    let text = format!("log.example.org/candor\nSIZE\nROOT\n{}", lines.concat());
    changes.push(checkpoint("signed-many-lines", &text));
    changes.extend(successions());
    changes.extend(signatures());
    changes.extend(strange_keys());
    changes
}

/// Well signed, and otherwise than is usual.
pub(crate) fn harmless() -> Vec<(String, Change)> {
    let mut changes: Vec<_> = EXTENSIONS.map(|(name, text)| checkpoint(name, text)).into();
    changes.extend([
        card_signed("unnamed", |payload| vec![listed("", &sign(2, payload))]),
        card_signed("null-keyid", |payload| {
            vec![json!({ "keyid": null, "sig": signature(2, payload)["sig"] })]
        }),
        card_signed("named-by-nonsense", |payload| {
            vec![listed("release key", &sign(2, payload))]
        }),
        card_signed("with-a-stranger", |payload| {
            vec![
                signature(9, payload),
                signature(2, payload),
                listed("nonsense", b"x"),
            ]
        }),
        change("by-two-keys", |it| {
            rotate(it, &[2, 4], &[2, 4]);
            it.append("late", card("example-lab/other@1", "# Other\n"), &[4, 2]);
        }),
        change("late-rotation", |it| {
            rotate(it, &[5], &[2, 5]);
            it.append("late", card("example-lab/other@1", "# Other\n"), &[5]);
        }),
    ]);
    changes
}

fn checkpoint(name: &str, text: &str) -> (String, Change) {
    let text = text.to_owned();
    change(name, move |it| {
        let key = it.key().to_string();
        it.checkpoint = Some(text.replace("KEY", &key));
    })
}

/// Lists these keys from now on.
fn rotate(scene: &mut Scene, keys: &[u8], signers: &[u8]) {
    let second = Sha256::of(&scene.at("second").payload);
    scene.append(
        "third",
        publisher("example-lab", keys, Some(second)),
        signers,
    );
}

/// Keys that follow from nothing, or come back.
fn successions() -> Vec<(String, Change)> {
    fn listing(
        name: &str,
        keys: &'static [u8],
        previous: Option<&'static str>,
    ) -> (String, Change) {
        change(name, move |it| {
            it.at("evals").payload = publisher("example-evals", keys, previous.map(Sha256::of));
        })
    }
    let other = Sha256::of("x");
    vec![
        change("card-before-its-key", |it| {
            let card = it.records.remove(it.position("card"));
            it.records.insert(1, card);
            it.keep(&["first", "card", "evals", "second"]);
        }),
        change("rotation-follows-nothing", |it| {
            it.at("second").payload = publisher("example-lab", &[2], None);
        }),
        change("rotation-follows-another", move |it| {
            it.at("second").payload = publisher("example-lab", &[2], Some(other));
        }),
        change("rotation-lists-a-key-twice", |it| {
            let first = Sha256::of(&it.at("first").payload);
            it.at("second").payload = publisher("example-lab", &[2, 1, 2], Some(first));
        }),
        change("retired-key-returns", |it| rotate(it, &[1, 2], &[1, 2])),
        change("rotation-by-retired-key", |it| rotate(it, &[4], &[1, 4])),
        change("record-by-retired-key-later", |it| {
            it.append("late", card("example-lab/other@1", "# Other\n"), &[1]);
        }),
        change("registration-of-a-taken-name", |it| {
            it.append("thief", publisher("example-lab", &[9], None), &[9]);
        }),
        listing("registration-follows-something", &[3], Some("x")),
        listing("registration-by-one-of-two-keys", &[3, 4], None),
        listing("registration-lists-a-key-twice", &[3, 3], None),
        listing("registration-without-keys", &[], None),
    ]
}

/// Signatures of the card in place of its own.
fn card_signed(name: &str, sign: impl Fn(&[u8]) -> Vec<Value> + 'static) -> (String, Change) {
    change(name, move |scene| {
        let payload = scene.at("card").payload.clone();
        scene.at("card").envelope = Some(envelope(&payload, &sign(&payload)));
    })
}

/// Signatures that are none, or are somebody else's.
fn signatures() -> Vec<(String, Change)> {
    /// One signature that says to be by the right key, its bytes changed.
    fn altered(name: &str, alter: impl Fn(&mut Vec<u8>) + 'static) -> (String, Change) {
        card_signed(name, move |payload| {
            let mut sig = sign(2, payload);
            alter(&mut sig);
            vec![listed(&keyid(2), &sig)]
        })
    }
    vec![
        altered("sig-malleated", |sig| malleate(sig)),
        altered("sig-63-bytes", |sig| sig.truncate(63)),
        altered("sig-65-bytes", |sig| sig.push(0)),
        altered("sig-none", Vec::clear),
        altered("sig-bit", |sig| sig[5] ^= 1),
        altered("sig-r-of-small-order", |sig| {
            sig[..32].fill(0);
            sig[0] = 1;
        }),
        altered("sig-r-not-canonical", |sig| {
            sig[..32].fill(0xff);
            sig[31] = 0x7f;
        }),
        card_signed("sig-malleated-unnamed", |payload| {
            let mut sig = sign(2, payload);
            malleate(&mut sig);
            vec![listed("", &sig)]
        }),
        card_signed("sig-by-nobody", |_| vec![json!({ "keyid": "", "sig": "" })]),
        card_signed("sig-named-after-another", |payload| {
            vec![listed(&keyid(2), &sign(9, payload))]
        }),
        card_signed("sig-over-the-payload-alone", |payload| {
            vec![listed(&keyid(2), &key(2).sign(payload).to_bytes())]
        }),
        card_signed("sig-over-another-statement", |_| {
            vec![signature(2, &card(RELEASE, "# Another\n"))]
        }),
        change("sig-bad-beside-a-good-one", |it| {
            rotate(it, &[2, 4], &[2, 4]);
            let late = card("example-lab/other@1", "# Other\n");
            it.append("late", late.clone(), &[2]);
            let signatures = [signature(2, &late), listed(&keyid(4), &[7; 64])];
            it.at("late").envelope = Some(envelope(&late, &signatures));
        }),
    ]
}

/// A registration of a key by its DER.
fn registration(der: &[u8], algorithm: &str, keyid: &str) -> Vec<u8> {
    let key = BASE64_STANDARD.encode(der);
    let listed = json!({ "keyid": keyid, "algorithm": algorithm, "publicKey": key });
    let predicate = json!({ "displayName": "Evals", "keys": [listed] });
    about_itself("publisher", "example-evals", &predicate)
}

/// Keys that are none.
fn strange_keys() -> Vec<(String, Change)> {
    let der = |point: &str| {
        let der = format!("302a300506032b6570032100{point}");
        hex::decode(der).expect("hexadecimal")
    };
    let id = |der: &[u8]| Sha256::of(der).to_string();
    let mut changes = Vec::new();
    for (n, point) in NO_KEYS.into_iter().enumerate() {
        let der = der(point);
        let payload = registration(&der, "ed25519", &id(&der));
        // With the neutral point as R and 0 as S, it holds for such a key over every eighth message, by those who let it.
        let mut identity = [0; 64];
        identity[0] = 1;
        let forged = envelope(&payload, &[listed(&id(&der), &identity)]);
        changes.push(change(&format!("key-of-small-order-{n}"), move |it| {
            it.at("evals").payload.clone_from(&payload);
            it.at("evals").envelope = Some(forged.clone());
        }));
    }
    let good = der(&hex::encode(key(3).verifying_key().to_bytes()));
    let longer = [&good[..], &[0]].concat();
    let x448 = [&good[..8], &[0x71], &good[9..]].concat();
    for (name, payload) in [
        ("key-algorithm", registration(&good, "rsa", &id(&good))),
        (
            "key-id-of-another",
            registration(&good, "ed25519", &keyid(1)),
        ),
        (
            "key-with-more-behind",
            registration(&longer, "ed25519", &id(&longer)),
        ),
        (
            "key-short",
            registration(&good[..43], "ed25519", &id(&good[..43])),
        ),
        (
            "key-of-another-algorithm",
            registration(&x448, "ed25519", &id(&x448)),
        ),
    ] {
        changes.push(change(name, move |it| {
            it.at("evals").payload.clone_from(&payload);
        }));
    }
    changes
}
