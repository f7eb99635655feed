//! What a log that lies could have signed: records by the wrong keys, statements that are none, documents that are not what
//! the records say.

use candor_core::Sha256;
use serde_json::{Value, json};

use super::in_file::malleate;
use super::scene::{
    BASE, RELEASE, Scene, about_itself, card, envelope, evaluation, key, keyid, listed, publisher,
    sign, signature, withdrawal,
};

/// A change to what is logged.
pub(crate) type Change = Box<dyn Fn(&mut Scene)>;

fn change(change: impl Fn(&mut Scene) + 'static) -> Change {
    Box::new(change)
}

/// Signatures of the card in place of its own.
fn card_signed(signatures: impl Fn(&[u8]) -> Vec<Value> + 'static) -> Change {
    change(move |scene| {
        let payload = scene.at("card").payload.clone();
        scene.at("card").envelope = Some(envelope(&payload, &signatures(&payload)));
    })
}

/// Who may sign what.
pub(crate) fn keys() -> Vec<(&'static str, Change)> {
    vec![
        (
            "card-by-old-key",
            change(|it| it.at("card").signers = vec![1]),
        ),
        (
            "card-by-stranger",
            change(|it| it.at("card").signers = vec![9]),
        ),
        (
            "card-by-another-publisher",
            change(|it| it.at("card").signers = vec![3]),
        ),
        (
            "card-by-nobody",
            card_signed(|_| vec![json!({ "keyid": "", "sig": "" })]),
        ),
        (
            "evaluation-by-the-lab",
            change(|it| it.at("evaluation").signers = vec![2]),
        ),
        (
            "card-before-its-key",
            change(|it| {
                let card = it.records.remove(it.position("card"));
                it.records.insert(1, card);
                it.keep(&["first", "card", "evals", "second"]);
            }),
        ),
        (
            "rotation-by-old-key-alone",
            change(|it| it.at("second").signers = vec![1]),
        ),
        (
            "rotation-by-new-key-alone",
            change(|it| it.at("second").signers = vec![2]),
        ),
        (
            "rotation-by-stranger",
            change(|it| it.at("second").signers = vec![9, 2]),
        ),
        (
            "rotation-follows-nothing",
            change(|it| it.at("second").payload = publisher("example-lab", &[2], None)),
        ),
        (
            "rotation-follows-another",
            change(|it| {
                it.at("second").payload = publisher("example-lab", &[2], Some(Sha256::of("x")))
            }),
        ),
        (
            "rotation-lists-a-key-twice",
            change(|it| {
                let first = Sha256::of(&it.at("first").payload);
                it.at("second").payload = publisher("example-lab", &[2, 1, 2], Some(first));
            }),
        ),
        (
            "retired-key-returns",
            change(|it| {
                let second = Sha256::of(&it.at("second").payload);
                it.append(
                    "third",
                    publisher("example-lab", &[1, 2], Some(second)),
                    &[1, 2],
                );
            }),
        ),
        (
            "rotation-by-retired-key",
            change(|it| {
                let second = Sha256::of(&it.at("second").payload);
                it.append(
                    "third",
                    publisher("example-lab", &[4], Some(second)),
                    &[1, 4],
                );
            }),
        ),
        (
            "record-by-retired-key-later",
            change(|it| it.append("late", card("example-lab/other@1", "# Other\n"), &[1])),
        ),
        (
            "registration-follows-something",
            change(|it| {
                it.at("evals").payload = publisher("example-evals", &[3], Some(Sha256::of("x")))
            }),
        ),
        (
            "registration-by-one-of-two-keys",
            change(|it| it.at("evals").payload = publisher("example-evals", &[3, 4], None)),
        ),
        (
            "registration-lists-a-key-twice",
            change(|it| it.at("evals").payload = publisher("example-evals", &[3, 3], None)),
        ),
        (
            "registration-of-a-taken-name",
            change(|it| it.append("thief", publisher("example-lab", &[9], None), &[9])),
        ),
        (
            "registration-without-keys",
            change(|it| it.at("evals").payload = publisher("example-evals", &[], None)),
        ),
        (
            "sig-malleated",
            card_signed(|payload| {
                let mut sig = sign(2, payload);
                malleate(&mut sig);
                vec![listed(&keyid(2), &sig)]
            }),
        ),
        (
            "sig-malleated-unnamed",
            card_signed(|payload| {
                let mut sig = sign(2, payload);
                malleate(&mut sig);
                vec![listed("", &sig)]
            }),
        ),
        (
            "sig-63-bytes",
            card_signed(|payload| vec![listed(&keyid(2), &sign(2, payload)[..63])]),
        ),
        (
            "sig-65-bytes",
            card_signed(|payload| vec![listed(&keyid(2), &[sign(2, payload), vec![0]].concat())]),
        ),
        (
            "sig-bit",
            card_signed(|payload| {
                let mut sig = sign(2, payload);
                sig[5] ^= 1;
                vec![listed(&keyid(2), &sig)]
            }),
        ),
        (
            "sig-r-of-small-order",
            card_signed(|payload| {
                let mut sig = sign(2, payload);
                sig[..32].fill(0);
                sig[0] = 1;
                vec![listed(&keyid(2), &sig)]
            }),
        ),
        (
            "sig-r-not-canonical",
            card_signed(|payload| {
                let mut sig = sign(2, payload);
                sig[..32].fill(0xff);
                sig[31] = 0x7f;
                vec![listed(&keyid(2), &sig)]
            }),
        ),
        (
            "sig-named-after-another",
            card_signed(|payload| vec![listed(&keyid(2), &sign(9, payload))]),
        ),
        (
            "sig-bad-beside-a-good-one",
            card_signed(|payload| vec![signature(2, payload), listed("", &[0; 64])]).and(|it| {
                let second = Sha256::of(&it.at("second").payload);
                let third = publisher("example-lab", &[2, 4], Some(second));
                it.append("third", third, &[2, 4]);
                let late = card("example-lab/other@1", "# Other\n");
                it.append("late", late.clone(), &[2]);
                it.at("late").envelope = Some(envelope(
                    &late,
                    &[signature(2, &late), listed(&keyid(4), &[7; 64])],
                ));
            }),
        ),
        (
            "sig-over-the-payload-alone",
            card_signed(|payload| {
                use ed25519_dalek::Signer as _;
                vec![listed(&keyid(2), &key(2).sign(payload).to_bytes())]
            }),
        ),
        (
            "sig-over-another-statement",
            card_signed(|_| vec![signature(2, &card(RELEASE, "# Another\n"))]),
        ),
    ]
}

trait And {
    fn and(self, then: impl Fn(&mut Scene) + 'static) -> Change;
}

impl And for Change {
    fn and(self, then: impl Fn(&mut Scene) + 'static) -> Change {
        Box::new(move |scene| {
            self(scene);
            then(scene);
        })
    }
}

/// Signed otherwise, and well.
pub(crate) fn well_signed() -> Vec<(&'static str, Change)> {
    vec![
        (
            "unnamed",
            card_signed(|payload| vec![listed("", &sign(2, payload))]),
        ),
        (
            "null-keyid",
            card_signed(|payload| {
                vec![json!({ "keyid": null, "sig": signature(2, payload)["sig"] })]
            }),
        ),
        (
            "named-by-nonsense",
            card_signed(|payload| vec![listed("release key 2022", &sign(2, payload))]),
        ),
        (
            "with-a-stranger",
            card_signed(|payload| {
                vec![
                    signature(9, payload),
                    signature(2, payload),
                    listed("nonsense", b"x"),
                ]
            }),
        ),
        (
            "by-two-keys",
            change(|it| {
                let second = Sha256::of(&it.at("second").payload);
                it.append(
                    "third",
                    publisher("example-lab", &[2, 4], Some(second)),
                    &[2, 4],
                );
                it.append("late", card("example-lab/other@1", "# Other\n"), &[4, 2]);
            }),
        ),
        (
            "late-rotation",
            change(|it| {
                let second = Sha256::of(&it.at("second").payload);
                it.append(
                    "third",
                    publisher("example-lab", &[5], Some(second)),
                    &[2, 5],
                );
                it.append("late", card("example-lab/other@1", "# Other\n"), &[5]);
            }),
        ),
    ]
}

/// A key that is put into a registration by hand.
fn registration_with(der: &[u8], algorithm: &'static str, stated: Option<String>) -> Vec<u8> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let keyid = stated.unwrap_or_else(|| Sha256::of(der).to_string());
    let listed =
        json!({ "keyid": keyid, "algorithm": algorithm, "publicKey": BASE64_STANDARD.encode(der) });
    about_itself(
        "publisher",
        "example-evals",
        &json!({ "displayName": "Evals", "keys": [listed] }),
    )
}

/// Keys that are none.
pub(crate) fn strange_keys() -> Vec<(String, Change)> {
    let der =
        |point: &str| hex::decode(format!("302a300506032b6570032100{point}")).expect("hexadecimal");
    let good = hex::encode(key(3).verifying_key().to_bytes());
    let mut changes: Vec<(String, Change)> = Vec::new();
    // By the curve's definition: of order 1, 2, 4 and 8, in canonical and other encodings; and y of no point.
    let zeros = "00".repeat(31);
    for (n, point) in [
        format!("01{zeros}"),
        format!("01{}80", "00".repeat(30)),
        format!("00{zeros}"),
        format!("ec{}7f", "ff".repeat(30)),
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".to_owned(),
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".to_owned(),
        format!("ed{}7f", "ff".repeat(30)),
        format!("ee{}ff", "ff".repeat(30)),
        format!("02{zeros}"),
        format!("f0{}7f", "ff".repeat(30)),
    ]
    .into_iter()
    .enumerate()
    {
        let payload = registration_with(&der(&point), "ed25519", None);
        let mut identity = [0; 64];
        identity[0] = 1;
        let forged = listed(&Sha256::of(der(&point)).to_string(), &identity);
        changes.push((
            format!("key-of-small-order-{n}"),
            change(move |it| {
                it.at("evals").payload = payload.clone();
                it.at("evals").envelope = Some(envelope(&payload, std::slice::from_ref(&forged)));
            }),
        ));
    }
    for (name, payload) in [
        ("key-algorithm", registration_with(&der(&good), "rsa", None)),
        (
            "key-id-of-another",
            registration_with(&der(&good), "ed25519", Some(keyid(1))),
        ),
        (
            "key-with-more-behind",
            registration_with(&[der(&good), vec![0]].concat(), "ed25519", None),
        ),
        (
            "key-short",
            registration_with(&der(&good)[..43], "ed25519", None),
        ),
        (
            "key-of-another-algorithm",
            registration_with(
                &[&der(&good)[..8], &[0x71], &der(&good)[9..]].concat(),
                "ed25519",
                None,
            ),
        ),
    ] {
        changes.push((
            name.to_owned(),
            change(move |it| it.at("evals").payload = payload.clone()),
        ));
    }
    changes
}

/// A statement in place of the card's, signed as the card is.
fn restated(name: &'static str, then: fn(&mut Value)) -> Change {
    change(move |scene| scene.restate(name, then))
}

/// The card's payload as text, changed.
fn rewritten(then: impl Fn(&str) -> String + 'static) -> Change {
    change(move |scene| {
        let payload =
            String::from_utf8(scene.at("card").payload.clone()).expect("a statement is UTF-8");
        let other = then(&payload);
        assert_ne!(payload, other, "nothing was changed");
        scene.at("card").payload = other.into_bytes();
    })
}

/// Statements that are none.
pub(crate) fn statements() -> Vec<(&'static str, Change)> {
    vec![
        (
            "json-key-twice",
            rewritten(|it| it.replacen("\"predicate\":", "\"predicate\":1,\"predicate\":", 1)),
        ),
        ("json-trailing", rewritten(|it| format!("{it}x"))),
        (
            "json-lossy-number",
            rewritten(|it| it.replacen("\"license\"", "\"n\":1e400,\"license\"", 1)),
        ),
        (
            "json-surrogate",
            rewritten(|it| it.replacen("\"license\"", "\"n\":\"\\ud800\",\"license\"", 1)),
        ),
        (
            "json-depth",
            rewritten(|it| {
                it.replacen(
                    "\"license\"",
                    &format!("\"n\":{}{},\"license\"", "[".repeat(40), "]".repeat(40)),
                    1,
                )
            }),
        ),
        ("json-array", rewritten(|_| "[]".to_owned())),
        ("json-mark", rewritten(|it| format!("\u{feff}{it}"))),
        (
            "size-with-point",
            rewritten(|it| it.replacen("\"size\":7", "\"size\":7.0", 1)),
        ),
        (
            "statement-type",
            restated("card", |it| {
                it["_type"] = json!("https://in-toto.io/Statement/v0.1")
            }),
        ),
        (
            "statement-type-null",
            restated("card", |it| it["_type"] = json!(null)),
        ),
        (
            "kind-unknown",
            restated("card", |it| {
                it["predicateType"] = json!("urn:candor:poem:v1")
            }),
        ),
        (
            "kind-later",
            restated("card", |it| {
                it["predicateType"] = json!("urn:candor:model-card:v2")
            }),
        ),
        (
            "subject-two",
            restated("card", |it| {
                it["subject"] = json!([it["subject"][0], it["subject"][0]])
            }),
        ),
        (
            "subject-none",
            restated("card", |it| it["subject"] = json!([])),
        ),
        (
            "subject-object",
            restated("card", |it| it["subject"] = it["subject"][0].clone()),
        ),
        (
            "subject-no-name",
            restated("card", |it| it["subject"][0]["name"] = json!("example-lab")),
        ),
        (
            "subject-upper-case",
            restated("card", |it| {
                it["subject"][0]["name"] = json!("Example-Lab/tiny-lm@1.0.0")
            }),
        ),
        (
            "subject-digest-upper-case",
            restated("card", |it| {
                it["subject"][0]["digest"]["sha256"] = json!("A".repeat(64))
            }),
        ),
        (
            "subject-no-digest",
            restated("card", |it| {
                it["subject"][0]["digest"] = json!({ "md5": "x" })
            }),
        ),
        (
            "subject-of-another-card",
            restated("card", |it| {
                it["subject"][0]["digest"]["sha256"] = json!(Sha256::of("x"))
            }),
        ),
        (
            "card-without-document",
            restated("card", |it| {
                drop(
                    it["predicate"]
                        .as_object_mut()
                        .expect("an object")
                        .remove("document"),
                )
            }),
        ),
        (
            "card-license-number",
            restated("card", |it| it["predicate"]["license"] = json!(2)),
        ),
        (
            "card-tags-null",
            restated("card", |it| it["predicate"]["tags"] = json!(null)),
        ),
        (
            "card-size-negative",
            restated("card", |it| it["predicate"]["document"]["size"] = json!(-7)),
        ),
        (
            "card-name-bidi",
            restated("card", |it| {
                it["predicate"]["document"]["name"] = json!("README\u{202e}dm.")
            }),
        ),
        (
            "card-name-not-normal",
            restated("card", |it| {
                it["predicate"]["document"]["name"] = json!("e\u{301}")
            }),
        ),
        (
            "card-name-control",
            restated("card", |it| {
                it["predicate"]["document"]["name"] = json!("a\u{9b}b")
            }),
        ),
        (
            "config-subject",
            restated("config", |it| {
                it["subject"][0]["digest"]["sha256"] = json!(Sha256::of("x"))
            }),
        ),
        (
            "config-parent-no-release",
            restated("config", |it| {
                it["predicate"]["parents"] = json!([{ "release": "x", "relation": "fine-tune-of" }])
            }),
        ),
        (
            "evaluation-no-answers",
            restated("evaluation", |it| {
                it["predicate"]["outcome"] = json!("reproduced")
            }),
        ),
        (
            "evaluation-value-text",
            restated("evaluation", |it| {
                it["predicate"]["results"][0]["value"] = json!("0.7")
            }),
        ),
        (
            "evaluation-by-another-author",
            restated("evaluation", |it| {
                it["predicate"]["author"] = json!("example-lab")
            }),
        ),
        (
            "evaluation-digest-unknown",
            restated("evaluation", |it| {
                it["predicate"]["harness"]["digest"] = json!({ "crc32": "ab" })
            }),
        ),
        (
            "publisher-name-control",
            change(|it| {
                let mut predicate = json!({ "displayName": "a\nb" });
                let payload: Value = serde_json::from_slice(&it.at("evals").payload).expect("JSON");
                predicate["keys"] = payload["predicate"]["keys"].clone();
                it.at("evals").payload = about_itself("publisher", "example-evals", &predicate);
            }),
        ),
        (
            "publisher-subject",
            restated("evals", |it| {
                it["subject"][0]["digest"]["sha256"] = json!(Sha256::of("x"))
            }),
        ),
        (
            "publisher-of-a-release",
            restated("evals", |it| it["subject"][0]["name"] = json!(RELEASE)),
        ),
        (
            "api-until-before-from",
            change(|it| api(it, &json!("2026-01-01T00:00:00Z"))),
        ),
        ("api-until-no-time", change(|it| api(it, &json!("never")))),
        (
            "weights-strength",
            restated("weights", |it| it["predicate"]["strength"] = json!("weak")),
        ),
        (
            "weights-algorithms-unknown",
            restated("weights", |it| {
                it["predicate"]["algorithms"] = json!(["sha256", "sha3"])
            }),
        ),
        (
            "weights-itself-as-parent",
            restated("weights", |it| {
                it["predicate"]["parents"][0]["release"] = json!(RELEASE)
            }),
        ),
        (
            "weights-parent-twice",
            restated("weights", |it| {
                it["predicate"]["parents"] =
                    json!([it["predicate"]["parents"][0], it["predicate"]["parents"][0]])
            }),
        ),
    ]
}

/// An API version that is valid until then.
pub(crate) fn api(scene: &mut Scene, until: &Value) {
    let predicate = json!({
        "provider": "Example", "endpoint": "https://api.example.org", "modelId": "tiny", "behind": { "release": RELEASE },
        "decoding": { "temperature": 0.5, "stop": ["x"], "topX": 7 }, "validFrom": "2026-05-01T00:00:00Z", "validUntil": until,
    });
    scene.append(
        "api",
        about_itself("api-version", "example-lab/tiny-api@1", &predicate),
        &[2],
    );
}

/// What the log promises of releases, and what was withdrawn or is not as it is named.
pub(crate) fn standing() -> Vec<(&'static str, Change)> {
    let withdraw = |what: &'static str, scope: &'static str| {
        change(move |it: &mut Scene| {
            let payload = it.at(what).payload.clone();
            it.append(
                "withdrawal",
                withdrawal("example-lab", RELEASE, scope, &payload),
                &[2],
            );
        })
    };
    vec![
        (
            "card-twice",
            change(|it| it.append("again", card(RELEASE, "# Tiny\n"), &[2])),
        ),
        (
            "weights-twice",
            change(|it| {
                let again = it.at("weights").payload.clone();
                it.append("again", again, &[2]);
            }),
        ),
        ("card-withdrawn", withdraw("card", "record")),
        ("weights-withdrawn", withdraw("weights", "record")),
        ("release-withdrawn", withdraw("config", "release")),
        (
            "release-withdrawn-by-another",
            change(|it| {
                let card = it.at("card").payload.clone();
                it.append(
                    "withdrawal",
                    withdrawal("example-evals", RELEASE, "release", &card),
                    &[3],
                );
            }),
        ),
        (
            "only-config-withdrawn",
            withdraw("config", "record")
                .and(|it| it.keep(&["first", "second", "config", "withdrawal"])),
        ),
        (
            "only-others-say",
            change(|it| it.keep(&["evals", "evaluation"])),
        ),
        (
            "parent-other-statement",
            restated("weights", |it| {
                it["predicate"]["parents"][0]["statement"] = json!(Sha256::of("x"))
            }),
        ),
        (
            "parent-behind",
            restated("weights", |it| {
                it["predicate"]["parents"][0]["index"] = json!(1000)
            }),
        ),
        (
            "parent-other-release",
            restated("weights", |it| {
                it["predicate"]["parents"][0]["release"] = json!("example-lab/another@1")
            }),
        ),
        (
            "parent-other-kind",
            change(|it| {
                let (index, digest) = (it.index_of("second"), Sha256::of(&it.at("second").payload));
                it.restate("weights", |weights| {
                    weights["predicate"]["parents"][0]["index"] = json!(index);
                    weights["predicate"]["parents"][0]["statement"] = json!(digest);
                });
            }),
        ),
        (
            "grandparent-other-statement",
            change(|it| {
                let first = it.index_of("first");
                it.restate("base", |base| {
                base["predicate"]["parents"] = json!([{
                    "relation": "merged-from", "release": "example-lab/older@1", "index": first, "statement": Sha256::of("x"),
                }]);
            });
                let digest = Sha256::of(&it.at("base").payload);
                it.restate("weights", |weights| {
                    weights["predicate"]["parents"][0]["statement"] = json!(digest)
                });
            }),
        ),
    ]
}

/// Withdrawals and parents that refute nothing.
pub(crate) fn harmless_standing() -> Vec<(&'static str, Change)> {
    vec![
        (
            "config-withdrawn",
            change(|it| {
                let payload = it.at("config").payload.clone();
                it.append(
                    "withdrawal",
                    withdrawal("example-lab", RELEASE, "record", &payload),
                    &[2],
                );
            }),
        ),
        (
            "evaluation-withdrawn",
            change(|it| {
                let payload = it.at("evaluation").payload.clone();
                it.append(
                    "withdrawal",
                    withdrawal("example-evals", RELEASE, "record", &payload),
                    &[3],
                );
            }),
        ),
        (
            "withdrawn-by-another",
            change(|it| {
                let payload = it.at("card").payload.clone();
                it.append(
                    "withdrawal",
                    withdrawal("example-evals", RELEASE, "record", &payload),
                    &[3],
                );
            }),
        ),
        (
            "base-withdrawn",
            change(|it| {
                let payload = it.at("base").payload.clone();
                it.append(
                    "withdrawal",
                    withdrawal("example-lab", BASE, "release", &payload),
                    &[2],
                );
            }),
        ),
        (
            "parent-not-here",
            change(|it| {
                it.at("base").is_bundled = false;
                drop(it.attachments.pop());
            }),
        ),
        (
            "parent-named-by-config",
            restated("config", |it| {
                it["predicate"]["parents"] = json!([{ "release": "somebody/else@1", "relation": "fine-tune-of", "statement": Sha256::of("x") }]);
            }),
        ),
        (
            "api-version",
            change(|it| api(it, &json!("2026-06-01T00:00:00Z"))),
        ),
        (
            "evaluations-of-anything",
            change(|it| {
                it.append(
                    "more",
                    evaluation("example-evals", RELEASE, Sha256::of("something else")),
                    &[3],
                );
            }),
        ),
    ]
}

/// Checkpoints that the log signed and that are none.
pub(crate) fn checkpoints() -> Vec<(&'static str, Change)> {
    let key = |scene: &Scene| scene.key().to_string();
    let text =
        |text: &'static str| change(move |it: &mut Scene| it.checkpoint = Some(text.to_owned()));
    vec![
        (
            "signed-other-origin",
            text("log.example.org/other\nSIZE\nROOT\n"),
        ),
        ("signed-two-lines", text("log.example.org/candor\nSIZE\n")),
        (
            "signed-leading-zero",
            text("log.example.org/candor\n0SIZE\nROOT\n"),
        ),
        (
            "signed-size-negative",
            text("log.example.org/candor\n-SIZE\nROOT\n"),
        ),
        (
            "signed-size-overflow",
            text("log.example.org/candor\n18446744073709551616\nROOT\n"),
        ),
        (
            "signed-size-largest",
            text("log.example.org/candor\n18446744073709551615\nROOT\n"),
        ),
        (
            "signed-size-smaller",
            text("log.example.org/candor\n3\nROOT\n"),
        ),
        (
            "signed-root-short",
            text("log.example.org/candor\nSIZE\nAAAA\n"),
        ),
        (
            "signed-empty-tree",
            text("log.example.org/candor\n0\nROOT\n"),
        ),
        (
            "signed-empty-line",
            text("log.example.org/candor\nSIZE\nROOT\n\nmore\n"),
        ),
        (
            "signed-many-lines",
            text(
                "log.example.org/candor\nSIZE\nROOT\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n",
            ),
        ),
        (
            "signed-retired-twice",
            text("log.example.org/candor\nSIZE\nROOT\nretired\nretired\n"),
        ),
        (
            "signed-retired-with-a-word",
            text("log.example.org/candor\nSIZE\nROOT\nretired soon\n"),
        ),
        (
            "signed-retired-to-no-key",
            text("log.example.org/candor\nSIZE\nROOT\nretired key https://log.example.org\n"),
        ),
        (
            "signed-retired-to-no-address",
            change(move |it| {
                it.checkpoint = Some(format!(
                    "{}\nSIZE\nROOT\nretired {} ftp://log.example.org\n",
                    it.origin,
                    key(it)
                ))
            }),
        ),
    ]
}

/// Checkpoints with lines that change nothing.
pub(crate) fn harmless_checkpoints() -> Vec<(&'static str, Change)> {
    let key = |scene: &Scene| scene.key().to_string();
    let text =
        |text: &'static str| change(move |it: &mut Scene| it.checkpoint = Some(text.to_owned()));
    vec![
        (
            "extensions",
            text("log.example.org/candor\nSIZE\nROOT\none more line\nretiredly\n"),
        ),
        (
            "retired",
            text("log.example.org/candor\nSIZE\nROOT\nretired\n"),
        ),
        (
            "retired-to",
            change(move |it| {
                it.checkpoint = Some(format!(
                    "{}\nSIZE\nROOT\nretired {} https://log.example.org/2027/\n",
                    it.origin,
                    key(it)
                ))
            }),
        ),
    ]
}
