//! What somebody could do to a bundle's file, without the log's help.

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use candor_core::Sha256;
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

use super::scene::{Dice, key};

/// A change to a bundle's JSON.
pub(crate) type Edit = Box<dyn Fn(&mut Value)>;
/// A change to a bundle's text.
pub(crate) type Rewrite = Box<dyn Fn(&str) -> Vec<u8>>;

fn edit(change: impl Fn(&mut Value) + 'static) -> Edit {
    Box::new(change)
}

/// The order of the Ed25519 group, little-endian (RFC 8032 section 5.1).
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
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
fn rebase64(value: &mut Value, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = BASE64_STANDARD
        .decode(value.as_str().expect("a text"))
        .expect("base64");
    change(&mut bytes);
    *value = json!(BASE64_STANDARD.encode(bytes));
}

fn records(bundle: &mut Value) -> &mut Vec<Value> {
    bundle["records"].as_array_mut().expect("a list")
}

/// Proofs, indexes and the order of records.
pub(crate) fn proofs(dice: &mut Dice) -> Vec<(String, Edit)> {
    let mut edits: Vec<(String, Edit)> = Vec::new();
    for n in 0..12 {
        let (record, hash, bit) = (dice.below(8), dice.below(3), dice.below(256));
        edits.push((
            format!("proof-bit-{n}"),
            edit(move |it| {
                rebase64(&mut it["records"][record]["proof"][hash], |hash| {
                    hash[bit / 8] ^= 1 << (bit % 8)
                })
            }),
        ));
    }
    let more: Vec<(&str, Edit)> = vec![
        ("proof-shorter", edit(|it| drop(hashes(it, 4).pop()))),
        (
            "proof-without-first",
            edit(|it| drop(hashes(it, 5).remove(0))),
        ),
        ("proof-empty", edit(|it| hashes(it, 2).clear())),
        (
            "proof-longer",
            edit(|it| hashes(it, 4).push(json!(BASE64_STANDARD.encode([0; 32])))),
        ),
        (
            "proof-longer-below",
            edit(|it| hashes(it, 0).insert(0, json!(BASE64_STANDARD.encode([9; 32])))),
        ),
        ("proof-reversed", edit(|it| hashes(it, 5).reverse())),
        (
            "proof-of-another",
            edit(|it| it["records"][4]["proof"] = it["records"][5]["proof"].clone()),
        ),
        (
            "proof-trailing-bits",
            edit(|it| hashes(it, 4)[0] = json!(format!("{}B=", "A".repeat(42)))),
        ),
        (
            "proof-unpadded",
            edit(|it| hashes(it, 4)[0] = json!("A".repeat(43))),
        ),
        (
            "proof-short-hash",
            edit(|it| hashes(it, 4)[0] = json!(BASE64_STANDARD.encode([0; 31]))),
        ),
        (
            "proof-url-safe",
            edit(|it| hashes(it, 4)[0] = json!(format!("{}=", "_".repeat(42) + "8"))),
        ),
        ("proof-number", edit(|it| hashes(it, 4)[0] = json!(7))),
        (
            "proof-text",
            edit(|it| it["records"][4]["proof"] = json!("AAAA")),
        ),
        (
            "index-next",
            edit(|it| {
                it["records"][7]["index"] =
                    json!(it["records"][7]["index"].as_u64().expect("an index") + 1)
            }),
        ),
        (
            "index-beyond",
            edit(|it| it["records"][7]["index"] = json!(1000)),
        ),
        (
            "index-largest",
            edit(|it| it["records"][7]["index"] = json!(1_u64 << 53)),
        ),
        (
            "index-negative",
            edit(|it| it["records"][0]["index"] = json!(-1)),
        ),
        (
            "index-fraction",
            edit(|it| it["records"][0]["index"] = json!(0.5)),
        ),
        (
            "index-text",
            edit(|it| it["records"][0]["index"] = json!("1")),
        ),
        (
            "index-null",
            edit(|it| it["records"][0]["index"] = json!(null)),
        ),
        ("order-swapped", edit(|it| records(it).swap(4, 5))),
        ("order-reversed", edit(|it| records(it).reverse())),
        (
            "record-twice",
            edit(|it| {
                let twice = it["records"][4].clone();
                records(it).insert(4, twice);
            }),
        ),
        (
            "entries-swapped",
            edit(|it| {
                let card = it["records"][4]["entry"].take();
                it["records"][4]["entry"] = it["records"][5]["entry"].take();
                it["records"][5]["entry"] = card;
            }),
        ),
        (
            "without-registration",
            edit(|it| drop(records(it).remove(0))),
        ),
        ("without-author", edit(|it| drop(records(it).remove(1)))),
        ("without-rotation", edit(|it| drop(records(it).remove(2)))),
        (
            "without-anything-about-it",
            edit(|it| {
                records(it).truncate(4);
                it["attachments"] = json!([]);
            }),
        ),
        (
            "without-records",
            edit(|it| {
                records(it).clear();
                it["attachments"] = json!([]);
            }),
        ),
    ];
    edits.extend(more.into_iter().map(|(name, edit)| (name.to_owned(), edit)));
    edits
}

fn hashes(bundle: &mut Value, record: usize) -> &mut Vec<Value> {
    bundle["records"][record]["proof"]
        .as_array_mut()
        .expect("a list")
}

/// The form of the file, its envelopes and its documents.
pub(crate) fn forms() -> Vec<(&'static str, Edit)> {
    let entry = |change: fn(&mut Value)| edit(move |it| change(&mut it["records"][4]["entry"]));
    let mut edits: Vec<(&'static str, Edit)> = vec![
        ("entry-array", entry(|it| *it = json!([]))),
        ("entry-null", entry(|it| *it = json!(null))),
        ("entry-text", entry(|it| *it = json!("x"))),
        (
            "entry-without-payload",
            entry(|it| drop(it.as_object_mut().expect("an object").remove("payload"))),
        ),
        (
            "entry-without-type",
            entry(|it| drop(it.as_object_mut().expect("an object").remove("payloadType"))),
        ),
        (
            "entry-other-type",
            entry(|it| it["payloadType"] = json!("text/plain")),
        ),
        (
            "entry-no-signatures",
            entry(|it| it["signatures"] = json!([])),
        ),
        (
            "entry-signatures-object",
            entry(|it| it["signatures"] = json!({})),
        ),
        (
            "entry-many-signatures",
            entry(|it| it["signatures"] = json!(vec![it["signatures"][0].clone(); 21])),
        ),
        (
            "entry-payload-not-base64",
            entry(|it| it["payload"] = json!("?")),
        ),
        (
            "entry-payload-long",
            entry(|it| it["payload"] = json!("A".repeat(65_536))),
        ),
        (
            "entry-too-long",
            entry(|it| it["payload"] = json!("A".repeat(65_532))),
        ),
        (
            "entry-payload-trailing-bits",
            entry(|it| it["payload"] = json!("AB")),
        ),
        (
            "entry-keyid-long",
            entry(|it| it["signatures"][0]["keyid"] = json!("é".repeat(129))),
        ),
        (
            "entry-keyid-number",
            entry(|it| it["signatures"][0]["keyid"] = json!(7)),
        ),
        (
            "entry-keyid-other",
            entry(|it| it["signatures"][0]["keyid"] = json!("")),
        ),
        (
            "entry-without-sig",
            entry(|it| it["signatures"][0] = json!({ "keyid": "" })),
        ),
        (
            "entry-sig-text",
            entry(|it| it["signatures"][0] = json!("AAAA")),
        ),
        (
            "entry-sig-cut",
            entry(|it| {
                rebase64(&mut it["signatures"][0]["sig"], |sig| {
                    sig.truncate(sig.len() - 1)
                })
            }),
        ),
        (
            "entry-sig-malleated",
            entry(|it| rebase64(&mut it["signatures"][0]["sig"], |sig| malleate(sig))),
        ),
        (
            "entry-payload-bit",
            entry(|it| rebase64(&mut it["payload"], |payload| payload[40] ^= 1)),
        ),
        (
            "bundle-type",
            edit(|it| it["bundle"] = json!("urn:candor:bundle:v2")),
        ),
        ("bundle-more", edit(|it| it["more"] = json!(1))),
        (
            "bundle-array",
            edit(|it| {
                *it = json!([
                    it["bundle"],
                    it["release"],
                    it["checkpoint"],
                    it["records"],
                    it["attachments"]
                ])
            }),
        ),
        (
            "record-more",
            edit(|it| it["records"][0]["more"] = json!(1)),
        ),
        (
            "record-array",
            edit(|it| it["records"][0] = json!([1, {}, []])),
        ),
        ("records-object", edit(|it| it["records"] = json!({}))),
        (
            "release-other",
            edit(|it| it["release"] = json!("example-lab/tiny-lm@1.0.1")),
        ),
        (
            "release-no-name",
            edit(|it| it["release"] = json!("Example-Lab/tiny-lm@1.0.0")),
        ),
        (
            "release-cyrillic",
            edit(|it| it["release"] = json!("ex\u{430}mple-lab/tiny-lm@1.0.0")),
        ),
        ("release-null", edit(|it| it["release"] = json!(null))),
        ("checkpoint-null", edit(|it| it["checkpoint"] = json!(null))),
        (
            "attachments-null",
            edit(|it| it["attachments"] = json!(null)),
        ),
        (
            "attachments-object",
            edit(|it| it["attachments"] = json!({})),
        ),
        (
            "attachment-more",
            edit(|it| it["attachments"][0]["more"] = json!(1)),
        ),
        (
            "attachment-array",
            edit(|it| it["attachments"][0] = json!([it["attachments"][0]["sha256"], "x", ""])),
        ),
        (
            "attachment-without-type",
            edit(|it| {
                drop(
                    it["attachments"][0]
                        .as_object_mut()
                        .expect("an object")
                        .remove("mediaType"),
                )
            }),
        ),
        (
            "attachment-upper-case",
            edit(|it| {
                it["attachments"][0]["sha256"] = json!(
                    it["attachments"][0]["sha256"]
                        .as_str()
                        .expect("a text")
                        .to_uppercase()
                );
            }),
        ),
        (
            "attachment-other-digest",
            edit(|it| it["attachments"][0]["sha256"] = json!(Sha256::of("other"))),
        ),
        (
            "attachment-bit",
            edit(|it| rebase64(&mut it["attachments"][1]["data"], |data| data[20] ^= 4)),
        ),
        (
            "attachment-cut",
            edit(|it| rebase64(&mut it["attachments"][2]["data"], |data| data.truncate(32))),
        ),
        (
            "attachment-not-base64",
            edit(|it| it["attachments"][0]["data"] = json!("not base64")),
        ),
        (
            "attachment-unpadded",
            edit(|it| it["attachments"][0]["data"] = json!("IyBUaW55Cg")),
        ),
        (
            "attachment-line-break",
            edit(|it| it["attachments"][0]["data"] = json!("IyBUaW55Cg==\n")),
        ),
        (
            "attachment-not-named",
            edit(|it| {
                let stray = json!({ "sha256": Sha256::of("stray"), "mediaType": "text/plain", "data": BASE64_STANDARD.encode("stray") });
                it["attachments"]
                    .as_array_mut()
                    .expect("a list")
                    .push(stray);
            }),
        ),
    ];
    for field in ["bundle", "release", "checkpoint", "records"] {
        let name = match field {
            "bundle" => "without-bundle",
            "release" => "without-release",
            "checkpoint" => "without-checkpoint",
            _ => "without-list",
        };
        edits.push((
            name,
            edit(move |it| drop(it.as_object_mut().expect("an object").remove(field))),
        ));
    }
    edits
}

/// The checkpoint's note.
pub(crate) fn notes() -> Vec<(&'static str, Edit)> {
    fn note(change: impl Fn(&str) -> String + 'static) -> Edit {
        edit(move |it| {
            let before = it["checkpoint"].as_str().expect("a text").to_owned();
            let after = change(&before);
            assert_ne!(before, after, "nothing was changed");
            it["checkpoint"] = json!(after);
        })
    }
    /// The line of the log's signature, its bytes changed.
    fn resigned(note: &str, change: impl Fn(&mut Vec<u8>)) -> String {
        let (text, line) = note.rsplit_once(' ').expect("a signature line");
        let mut bytes = BASE64_STANDARD.decode(line.trim_end()).expect("base64");
        change(&mut bytes);
        format!("{text} {}\n", BASE64_STANDARD.encode(bytes))
    }
    vec![
        ("note-size", note(|it| it.replacen("\n\n", "0\n\n", 1))),
        (
            "note-other-origin",
            note(|it| it.replacen("log.example.org", "log.example.com", 1)),
        ),
        (
            "note-one-line-less",
            note(|it| it.replacen("\n\n", "\n", 1)),
        ),
        ("note-windows", note(|it| it.replace('\n', "\r\n"))),
        ("note-tab", note(|it| it.replacen('\n', "\t\n", 1))),
        ("note-no-final-newline", note(|it| it.trim_end().to_owned())),
        ("note-empty", note(|_| String::new())),
        (
            "note-text-alone",
            note(|it| {
                it.split_inclusive("\n\n")
                    .next()
                    .expect("a text")
                    .to_owned()
            }),
        ),
        ("note-hyphen", note(|it| it.replacen('—', "-", 1))),
        ("note-two-spaces", note(|it| it.replacen("— ", "—  ", 1))),
        ("note-bad-line-behind", note(|it| format!("{it}x\n"))),
        (
            "note-signature-bit",
            note(|it| resigned(it, |sig| sig[10] ^= 1)),
        ),
        (
            "note-signature-cut",
            note(|it| resigned(it, |sig| sig.truncate(sig.len() - 1))),
        ),
        (
            "note-signature-longer",
            note(|it| resigned(it, |sig| sig.push(0))),
        ),
        (
            "note-signature-malleated",
            note(|it| resigned(it, |sig| malleate(&mut sig[4..]))),
        ),
        (
            "note-signature-identity",
            note(|it| {
                resigned(it, |sig| {
                    sig[4..].fill(0);
                    sig[4] = 1;
                })
            }),
        ),
        ("note-key-id", note(|it| resigned(it, |sig| sig[0] ^= 1))),
        (
            "note-many-signatures",
            note(|it| {
                let line = it
                    .lines()
                    .last()
                    .expect("a line")
                    .replace("log.example.org/candor", "another.example");
                format!("{it}{}", format!("{line}\n").repeat(128))
            }),
        ),
        (
            "note-good-and-bad-signature",
            note(|it| {
                let bad = resigned(it, |sig| sig[20] ^= 1);
                format!("{it}{}\n", bad.lines().last().expect("a line"))
            }),
        ),
        (
            "note-by-another-key",
            note(|it| {
                let (text, _) = it.rsplit_once("\n\n").expect("a note");
                let text = format!("{text}\n");
                resigned(it, |sig| {
                    sig[4..].copy_from_slice(&key(51).sign(text.as_bytes()).to_bytes())
                })
            }),
        ),
    ]
}

/// The file's text.
pub(crate) fn texts(dice: &mut Dice) -> Vec<(String, Rewrite)> {
    fn text(change: impl Fn(&str) -> String + 'static) -> Rewrite {
        Box::new(move |it| {
            let after = change(it);
            assert_ne!(it, after, "nothing was changed");
            after.into_bytes()
        })
    }
    /// A field that DSSE does not know, in the first envelope: what is in it must still be strict JSON.
    fn more(value: &'static str) -> Rewrite {
        text(move |it| it.replacen("\"payload\":", &format!("\"more\":{value},\"payload\":"), 1))
    }
    let mut texts: Vec<(String, Rewrite)> = Vec::new();
    for n in 0..8 {
        let part = dice.below(1000);
        texts.push((
            format!("cut-{n}"),
            Box::new(move |it| it.as_bytes()[..it.len() * part / 1000].to_vec()),
        ));
    }
    let deep = "[".repeat(29).leak();
    let deeper: &'static str = format!("{deep}[]{}", "]".repeat(29)).leak();
    let deep_object: &'static str = format!("{deep}{{\"a\":1}}{}", "]".repeat(29)).leak();
    let values: &'static str = format!("[{}0]", "0,".repeat(500_000)).leak();
    let fixed: Vec<(&str, Rewrite)> = vec![
        (
            "key-twice",
            text(|it| it.replacen("\"bundle\":", "\"bundle\":\"x\",\"bundle\":", 1)),
        ),
        (
            "key-twice-escaped",
            text(|it| it.replacen("\"bundle\":", "\"\\u0062undle\":\"x\",\"bundle\":", 1)),
        ),
        ("key-twice-inside", more("{\"a\":1,\"a\":1}")),
        ("number-lossy", more("9007199254740993")),
        ("number-lossy-fraction", more("0.10000000000000000555")),
        ("number-overflow", more("1e400")),
        ("number-underflow", more("1e-400")),
        ("number-leading-zero", more("01")),
        ("number-plus", more("+1")),
        ("number-point", more("1.")),
        ("number-nan", more("NaN")),
        ("number-hex", more("0x10")),
        ("surrogate-alone", more("\"\\ud800\"")),
        ("surrogate-low", more("\"\\udc00x\"")),
        ("surrogates-reversed", more("\"\\udc00\\ud800\"")),
        ("escape-unknown", more("\"\\x41\"")),
        ("control-character", more("\"a\u{1}b\"")),
        ("line-break-in-text", more("\"a\nb\"")),
        ("word-cut", more("nul")),
        ("word-python", more("None")),
        ("too-deep", more(deeper)),
        ("too-deep-object", more(deep_object)),
        ("too-many-values", more(values)),
        ("comment", text(|it| format!("// a bundle\n{it}"))),
        ("byte-order-mark", text(|it| format!("\u{feff}{it}"))),
        ("no-break-space", text(|it| format!("{it}\u{a0}"))),
        ("trailing-comma", text(|it| it.replacen("]}", ",]}", 1))),
        ("two-values", text(|it| format!("{it} {{}}"))),
        ("nothing", text(|_| String::new())),
        ("null", text(|_| "null".to_owned())),
        (
            "single-quotes",
            text(|it| it.replacen("\"bundle\"", "'bundle'", 1)),
        ),
        (
            "index-with-point",
            text(|it| {
                let at = it.find("\"index\":").expect("an index") + 8;
                let end = at + it[at..].find(',').expect("more");
                format!("{}.0{}", &it[..end], &it[end..])
            }),
        ),
        (
            "index-with-exponent",
            text(|it| {
                let at = it.find("\"index\":").expect("an index") + 8;
                let end = at + it[at..].find(',').expect("more");
                format!("{}e0{}", &it[..end], &it[end..])
            }),
        ),
        (
            "not-utf-8",
            Box::new(|it: &str| {
                it.replacen("\"bundle\"", "\"bundle\0\"", 1)
                    .into_bytes()
                    .into_iter()
                    .map(|b| if b == 0 { 0xff } else { b })
                    .collect()
            }),
        ),
        (
            "surrogate-in-utf-8",
            Box::new(|it: &str| {
                let mut bytes = it.as_bytes().to_vec();
                bytes.splice(2..2, [0xed, 0xa0, 0x80]);
                bytes
            }),
        ),
    ];
    texts.extend(fixed.into_iter().map(|(name, it)| (name.to_owned(), it)));
    texts
}

/// Changes that nothing comes of: other spellings of the same envelope, and what nobody vouches for.
pub(crate) fn harmless() -> Vec<(&'static str, Edit)> {
    vec![
        (
            "url-safe",
            edit(|it| {
                let entry = &mut it["records"][4]["entry"];
                let payload = BASE64_STANDARD
                    .decode(entry["payload"].as_str().expect("a text"))
                    .expect("base64");
                entry["payload"] = json!(BASE64_URL_SAFE_NO_PAD.encode(payload));
            }),
        ),
        (
            "unknown-fields",
            edit(|it| {
                it["records"][4]["entry"]["more"] =
                    json!([1, { "a": null }, 1.5, true, "é\u{1f600}"]);
                it["records"][4]["entry"]["signatures"][0]["cert"] = json!("x");
            }),
        ),
        (
            "no-attachments",
            edit(|it| drop(it.as_object_mut().expect("an object").remove("attachments"))),
        ),
        (
            "attachment-twice",
            edit(|it| {
                let twice = it["attachments"][0].clone();
                it["attachments"]
                    .as_array_mut()
                    .expect("a list")
                    .push(twice);
            }),
        ),
        (
            "media-type",
            edit(|it| it["attachments"][0]["mediaType"] = json!("application/x-anything")),
        ),
        (
            "signature-of-a-stranger",
            edit(|it| {
                let note = it["checkpoint"].as_str().expect("a text").to_owned();
                let line = note
                    .lines()
                    .last()
                    .expect("a line")
                    .replace("log.example.org/candor", "witness.example");
                it["checkpoint"] = json!(format!("{note}{line}\n"));
            }),
        ),
        (
            "without-others",
            edit(|it| {
                records(it).remove(7);
                records(it).remove(1);
            }),
        ),
    ]
}
