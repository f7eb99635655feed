//! What somebody could do to a bundle's file, without the log's help.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use candor_core::Sha256;
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

use super::edits::{list, replaced, set};
use super::scene::{Dice, key};

/// A change to a bundle's JSON.
pub(crate) type Edit = Box<dyn Fn(&mut Value)>;
/// A change to a bundle's text.
pub(crate) type Rewrite = Box<dyn Fn(&str) -> Vec<u8>>;

/// The order of the Ed25519 group, little-endian (RFC 8032 section 5.1).
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// What is put where in the file. Record 4 is the card's, and record 7 the evaluation.
const SET: [(&str, &str, &str); 58] = [
    ("proof-shorter", "/records/4/proof/2", "-"),
    ("proof-without-first", "/records/5/proof/0", "-"),
    ("proof-empty", "/records/2/proof", "[]"),
    ("proof-number", "/records/4/proof/0", "7"),
    ("proof-text", "/records/4/proof", "\"AAAA\""),
    ("proof-null", "/records/4/proof", "null"),
    ("index-beyond", "/records/7/index", "1000"),
    ("index-largest", "/records/7/index", "9007199254740992"),
    ("index-negative", "/records/0/index", "-1"),
    ("index-fraction", "/records/0/index", "0.5"),
    ("index-text", "/records/0/index", "\"1\""),
    ("index-null", "/records/0/index", "null"),
    ("without-registration", "/records/0", "-"),
    ("without-author", "/records/1", "-"),
    ("without-rotation", "/records/2", "-"),
    ("without-index", "/records/4/index", "-"),
    ("without-entry", "/records/4/entry", "-"),
    ("without-proof", "/records/4/proof", "-"),
    ("record-more", "/records/0/more", "1"),
    ("record-array", "/records/0", "[1,{},[]]"),
    ("records-object", "/records", "{}"),
    ("records-missing", "/records", "-"),
    ("entry-array", "/records/4/entry", "[]"),
    ("entry-null", "/records/4/entry", "null"),
    ("entry-text", "/records/4/entry", "\"x\""),
    ("entry-without-payload", "/records/4/entry/payload", "-"),
    ("entry-without-type", "/records/4/entry/payloadType", "-"),
    (
        "entry-other-type",
        "/records/4/entry/payloadType",
        "\"text/plain\"",
    ),
    ("entry-no-signatures", "/records/4/entry/signatures", "[]"),
    (
        "entry-signatures-object",
        "/records/4/entry/signatures",
        "{}",
    ),
    (
        "entry-payload-no-base64",
        "/records/4/entry/payload",
        "\"?\"",
    ),
    (
        "entry-payload-spare-bits",
        "/records/4/entry/payload",
        "\"AB\"",
    ),
    ("entry-payload-empty", "/records/4/entry/payload", "\"\""),
    (
        "entry-keyid-number",
        "/records/4/entry/signatures/0/keyid",
        "7",
    ),
    (
        "entry-keyid-other",
        "/records/4/entry/signatures/0/keyid",
        "\"\"",
    ),
    (
        "entry-without-sig",
        "/records/4/entry/signatures/0/sig",
        "-",
    ),
    (
        "entry-sig-text",
        "/records/4/entry/signatures/0",
        "\"AAAA\"",
    ),
    ("bundle-type", "/bundle", "\"urn:candor:bundle:v2\""),
    ("bundle-missing", "/bundle", "-"),
    ("bundle-more", "/more", "1"),
    ("bundle-null", "", "null"),
    (
        "bundle-array",
        "",
        "[\"urn:candor:bundle:v1\",\"a/b@1\",\"\",[],[]]",
    ),
    ("release-other", "/release", "\"example-lab/tiny-lm@1.0.1\""),
    (
        "release-no-name",
        "/release",
        "\"Example-Lab/tiny-lm@1.0.0\"",
    ),
    (
        "release-cyrillic",
        "/release",
        "\"ex\u{430}mple-lab/tiny-lm@1.0.0\"",
    ),
    ("release-null", "/release", "null"),
    ("release-missing", "/release", "-"),
    ("checkpoint-null", "/checkpoint", "null"),
    ("checkpoint-missing", "/checkpoint", "-"),
    ("checkpoint-empty", "/checkpoint", "\"\""),
    ("attachments-null", "/attachments", "null"),
    ("attachments-object", "/attachments", "{}"),
    ("attachment-more", "/attachments/0/more", "1"),
    ("attachment-array", "/attachments/0", "[\"x\",\"x\",\"\"]"),
    ("attachment-without-type", "/attachments/0/mediaType", "-"),
    (
        "attachment-no-base64",
        "/attachments/0/data",
        "\"not base64\"",
    ),
    (
        "attachment-unpadded",
        "/attachments/0/data",
        "\"IyBUaW55Cg\"",
    ),
    (
        "attachment-line-break",
        "/attachments/0/data",
        "\"IyBUaW55Cg==\\n\"",
    ),
];

/// A value in the first envelope that DSSE does not know: what it ignores must be strict JSON all the same.
const MORE: [(&str, &str); 20] = [
    ("key-twice-inside", "{\"a\":1,\"a\":1}"),
    ("number-lossy", "9007199254740993"),
    ("number-lossy-fraction", "0.10000000000000000555"),
    ("number-overflow", "1e400"),
    ("number-underflow", "1e-400"),
    ("number-leading-zero", "01"),
    ("number-plus", "+1"),
    ("number-point", "1."),
    ("number-nan", "NaN"),
    ("number-hex", "0x10"),
    ("surrogate-alone", "\"\\ud800\""),
    ("surrogate-low", "\"\\udc00x\""),
    ("surrogates-reversed", "\"\\udc00\\ud800\""),
    ("escape-unknown", "\"\\x41\""),
    ("control-character", "\"a\u{1}b\""),
    ("line-break-in-text", "\"a\nb\""),
    ("word-cut", "nul"),
    ("word-python", "None"),
    ("key-without-quotes", "{a:1}"),
    ("value-missing", ""),
];

/// What becomes what in the file's text.
const REPLACED: [(&str, &str, &str); 8] = [
    ("key-twice", "\"bundle\":", "\"bundle\":\"x\",\"bundle\":"),
    (
        "key-twice-escaped",
        "\"bundle\":",
        "\"\\u0062undle\":\"x\",\"bundle\":",
    ),
    ("trailing-comma", "]}", ",]}"),
    ("single-quotes", "\"bundle\"", "'bundle'"),
    ("comment", "{", "/* a bundle */{"),
    ("byte-order-mark", "{", "\u{feff}{"),
    ("no-break-space", "{", "\u{a0}{"),
    ("two-values", "{", "{} {"),
];

/// What becomes what in the checkpoint's note.
const NOTES: [(&str, &str, &str); 8] = [
    ("note-size", "\n\n", "0\n\n"),
    ("note-other-origin", "log.example.org", "log.example.com"),
    ("note-one-line-less", "\n\n", "\n"),
    ("note-tab", "\n", "\t\n"),
    ("note-return", "\n", "\r\n"),
    ("note-hyphen", "—", "-"),
    ("note-two-spaces", "— ", "—  "),
    ("note-no-dash", "— ", ""),
];

/// The second spelling of a signature: the order added to S.
pub(crate) fn malleate(signature: &mut [u8]) {
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(GROUP_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

/// Changes the bytes behind a base64 text.
fn rebase64(document: &mut Value, pointer: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let value = document.pointer_mut(pointer).expect("it is there");
    let mut bytes = BASE64_STANDARD
        .decode(value.as_str().expect("a text"))
        .expect("base64");
    change(&mut bytes);
    *value = json!(BASE64_STANDARD.encode(bytes));
}

fn edit(name: &str, change: impl Fn(&mut Value) + 'static) -> (String, Edit) {
    (name.to_owned(), Box::new(change))
}

/// Changes to the file's JSON.
pub(crate) fn edits(dice: &mut Dice) -> Vec<(String, Edit)> {
    let mut edits = Vec::new();
    for n in 0..12 {
        let (record, hash, bit) = (dice.below(8), dice.below(3), dice.below(256));
        let pointer = format!("/records/{record}/proof/{hash}");
        edits.push(edit(&format!("proof-bit-{n}"), move |it| {
            rebase64(it, &pointer, |hash| hash[bit / 8] ^= 1 << (bit % 8));
        }));
    }
    for (name, pointer, value) in SET {
        edits.push(edit(name, move |it| set(it, pointer, value)));
    }
    edits.extend(orders());
    edits.extend(envelopes());
    edits.extend(documents());
    edits.extend(notes());
    edits
}

/// Proofs and the order of records.
fn orders() -> Vec<(String, Edit)> {
    let hash = |text: String| format!("\"{text}\"");
    let spare = hash(format!("{}B=", "A".repeat(42)));
    let (unpadded, short) = (hash("A".repeat(43)), hash(BASE64_STANDARD.encode([0; 31])));
    let url_safe = hash(format!("{}8=", "_".repeat(42)));
    let (longer, below) = (
        hash(BASE64_STANDARD.encode([0; 32])),
        BASE64_STANDARD.encode([9; 32]),
    );
    vec![
        edit("proof-spare-bits", move |it| {
            set(it, "/records/4/proof/0", &spare);
        }),
        edit("proof-unpadded", move |it| {
            set(it, "/records/4/proof/0", &unpadded);
        }),
        edit("proof-short-hash", move |it| {
            set(it, "/records/4/proof/0", &short);
        }),
        edit("proof-url-safe", move |it| {
            set(it, "/records/4/proof/0", &url_safe);
        }),
        edit("proof-longer", move |it| {
            let end = list(it, "/records/4/proof").len();
            set(it, &format!("/records/4/proof/{end}"), &longer);
        }),
        edit("proof-longer-below", move |it| {
            list(it, "/records/0/proof").insert(0, json!(below));
        }),
        edit("proof-reversed", |it| {
            list(it, "/records/5/proof").reverse();
        }),
        edit("proof-of-another", |it| {
            it["records"][4]["proof"] = it["records"][5]["proof"].clone();
        }),
        edit("index-next", |it| {
            let next = it["records"][7]["index"].as_u64().expect("an index") + 1;
            it["records"][7]["index"] = json!(next);
        }),
        edit("order-swapped", |it| list(it, "/records").swap(4, 5)),
        edit("order-reversed", |it| list(it, "/records").reverse()),
        edit("record-twice", |it| {
            let twice = it["records"][4].clone();
            list(it, "/records").insert(4, twice);
        }),
        edit("entries-swapped", |it| {
            let card = it["records"][4]["entry"].take();
            it["records"][4]["entry"] = it["records"][5]["entry"].take();
            it["records"][5]["entry"] = card;
        }),
        edit("without-anything-about-it", |it| {
            list(it, "/records").truncate(4);
            list(it, "/attachments").clear();
        }),
        edit("without-records", |it| {
            list(it, "/records").clear();
            list(it, "/attachments").clear();
        }),
    ]
}

/// The card's envelope.
fn envelopes() -> Vec<(String, Edit)> {
    const SIG: &str = "/records/4/entry/signatures/0/sig";
    let long = |count| format!("\"{}\"", "A".repeat(count));
    let (payload_long, entry_long) = (long(65_536), long(65_532));
    vec![
        edit("entry-payload-long", move |it| {
            set(it, "/records/4/entry/payload", &payload_long);
        }),
        edit("entry-too-long", move |it| {
            set(it, "/records/4/entry/payload", &entry_long);
        }),
        edit("entry-many-signatures", |it| {
            let signature = it["records"][4]["entry"]["signatures"][0].clone();
            it["records"][4]["entry"]["signatures"] = json!(vec![signature; 21]);
        }),
        edit("entry-keyid-long", |it| {
            it["records"][4]["entry"]["signatures"][0]["keyid"] = json!("é".repeat(129));
        }),
        edit("entry-sig-cut", |it| {
            rebase64(it, SIG, |sig| sig.truncate(63));
        }),
        edit("entry-sig-malleated", |it| {
            rebase64(it, SIG, |sig| malleate(sig));
        }),
        edit("entry-payload-bit", |it| {
            rebase64(it, "/records/4/entry/payload", |payload| payload[40] ^= 1);
        }),
    ]
}

/// The documents that come along.
fn documents() -> Vec<(String, Edit)> {
    vec![
        edit("attachment-upper-case", |it| {
            let digest = it["attachments"][0]["sha256"].as_str().expect("a text");
            it["attachments"][0]["sha256"] = json!(digest.to_uppercase());
        }),
        edit("attachment-other-digest", |it| {
            it["attachments"][0]["sha256"] = json!(Sha256::of("other"));
        }),
        edit("attachment-bit", |it| {
            rebase64(it, "/attachments/1/data", |data| data[20] ^= 4);
        }),
        edit("attachment-cut", |it| {
            rebase64(it, "/attachments/2/data", |data| data.truncate(32));
        }),
        edit("attachment-not-named", |it| {
            let data = BASE64_STANDARD.encode("stray");
            let stray =
                json!({ "sha256": Sha256::of("stray"), "mediaType": "text/plain", "data": data });
            list(it, "/attachments").push(stray);
        }),
    ]
}

/// The checkpoint's note.
fn notes() -> Vec<(String, Edit)> {
    fn note(name: &str, change: impl Fn(&str) -> String + 'static) -> (String, Edit) {
        edit(name, move |it| {
            let before = it["checkpoint"].as_str().expect("a text").to_owned();
            let after = change(&before);
            assert_ne!(before, after, "nothing was changed");
            it["checkpoint"] = json!(after);
        })
    }
    let replacements = NOTES
        .into_iter()
        .map(|(name, from, to)| note(name, move |it| replaced(it, from, to)));
    let others = vec![
        note("note-windows", |it| it.replace('\n', "\r\n")),
        note("note-no-final-newline", |it| it.trim_end().to_owned()),
        note("note-text-alone", |it| {
            it.split_inclusive("\n\n")
                .next()
                .expect("a text")
                .to_owned()
        }),
        note("note-bad-line-behind", |it| format!("{it}x\n")),
        note("note-signature-bit", |it| resigned(it, |sig| sig[10] ^= 1)),
        note("note-signature-cut", |it| {
            resigned(it, |sig| sig.truncate(67))
        }),
        note("note-signature-longer", |it| {
            resigned(it, |sig| sig.push(0))
        }),
        note("note-signature-malleated", |it| {
            resigned(it, |sig| malleate(&mut sig[4..]))
        }),
        note("note-signature-identity", |it| {
            resigned(it, |sig| {
                sig[4..].fill(0);
                sig[4] = 1;
            })
        }),
        note("note-key-id", |it| resigned(it, |sig| sig[0] ^= 1)),
        note("note-many-signatures", |it| {
            let line = it.lines().last().expect("a line");
            let line = line.replace("log.example.org/candor", "another.example");
            format!("{it}{}", format!("{line}\n").repeat(128))
        }),
        note("note-good-and-bad-signature", |it| {
            let bad = resigned(it, |sig| sig[20] ^= 1);
            format!("{it}{}\n", bad.lines().last().expect("a line"))
        }),
        note("note-by-another-key", |it| {
            let (text, _) = it.rsplit_once("\n\n").expect("a note");
            let signature = key(51).sign(format!("{text}\n").as_bytes()).to_bytes();
            resigned(it, |sig| sig[4..].copy_from_slice(&signature))
        }),
    ];
    replacements.chain(others).collect()
}

/// A note, the bytes of its signature changed.
fn resigned(note: &str, change: impl Fn(&mut Vec<u8>)) -> String {
    let (text, line) = note.rsplit_once(' ').expect("a signature line");
    let mut bytes = BASE64_STANDARD.decode(line.trim_end()).expect("base64");
    change(&mut bytes);
    format!("{text} {}\n", BASE64_STANDARD.encode(bytes))
}

/// Changes to the file's text.
pub(crate) fn texts(dice: &mut Dice) -> Vec<(String, Rewrite)> {
    fn text(name: &str, change: impl Fn(&str) -> String + 'static) -> (String, Rewrite) {
        (name.to_owned(), Box::new(move |it| change(it).into_bytes()))
    }
    fn more(name: &str, value: &str) -> (String, Rewrite) {
        let more = format!("\"more\":{value},\"payload\":");
        text(name, move |it| replaced(it, "\"payload\":", &more))
    }
    /// Behind the first index.
    fn behind_index(it: &str, more: &str) -> String {
        let at = it.find("\"index\":").expect("an index");
        let end = at + it[at..].find(',').expect("more");
        format!("{}{more}{}", &it[..end], &it[end..])
    }
    let mut texts: Vec<(String, Rewrite)> = Vec::new();
    for n in 0..8 {
        let part = dice.below(1000);
        let cut = move |it: &str| it.as_bytes()[..it.len() * part / 1000].to_vec();
        texts.push((format!("cut-{n}"), Box::new(cut)));
    }
    let replacements = REPLACED.into_iter();
    texts.extend(replacements.map(|(name, from, to)| text(name, move |it| replaced(it, from, to))));
    texts.extend(MORE.into_iter().map(|(name, value)| more(name, value)));
    let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(29), "]".repeat(29));
    texts.extend([
        more("too-deep", &nested("[]")),
        more("too-deep-object", &nested("{\"a\":1}")),
        more("too-many-values", &format!("[{}0]", "0,".repeat(500_000))),
        text("nothing", |_| String::new()),
        text("null", |_| "null".to_owned()),
        text("index-with-point", |it| behind_index(it, ".0")),
        text("index-with-exponent", |it| behind_index(it, "e0")),
    ]);
    let bytes: [(&str, &[u8]); 2] = [
        ("not-utf-8", &[0xff]),
        ("surrogate-in-utf-8", &[0xed, 0xa0, 0x80]),
    ];
    for (name, bytes) in bytes {
        let inserted = move |it: &str| [&it.as_bytes()[..2], bytes, &it.as_bytes()[2..]].concat();
        texts.push((name.to_owned(), Box::new(inserted)));
    }
    texts
}

/// Changes that nothing comes of: other spellings of the same envelope, and what nobody vouches for.
pub(crate) fn harmless() -> Vec<(String, Edit)> {
    vec![
        edit("url-safe", |it| {
            let payload = it["records"][4]["entry"]["payload"]
                .as_str()
                .expect("a text");
            let payload = BASE64_STANDARD.decode(payload).expect("base64");
            it["records"][4]["entry"]["payload"] = json!(BASE64_URL_SAFE_NO_PAD.encode(payload));
        }),
        edit("unknown-fields", |it| {
            let more = "[1,{\"a\":null},1.5,true,\"é\u{1f600}\"]";
            set(it, "/records/4/entry/more", more);
            set(it, "/records/4/entry/signatures/0/cert", "\"x\"");
        }),
        edit("no-attachments", |it| set(it, "/attachments", "-")),
        edit("attachment-twice", |it| {
            let twice = it["attachments"][0].clone();
            list(it, "/attachments").push(twice);
        }),
        edit("media-type", |it| {
            set(it, "/attachments/0/mediaType", "\"application/x-anything\"");
        }),
        edit("signature-of-a-stranger", |it| {
            let note = it["checkpoint"].as_str().expect("a text");
            let line = note.lines().last().expect("a line");
            let line = line.replace("log.example.org/candor", "witness.example");
            it["checkpoint"] = json!(format!("{note}{line}\n"));
        }),
        edit("without-others", |it| {
            set(it, "/records/7", "-");
            set(it, "/records/1", "-");
        }),
    ]
}
