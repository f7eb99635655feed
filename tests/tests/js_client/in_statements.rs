//! Statements that are none, and records that were withdrawn, or are not as others name them.

use candor_core::Sha256;
use serde_json::{Value, json};

use super::edits::{replaced, set};
use super::in_log::{Change, change};
use super::scene::{BASE, RELEASE, Scene, about_itself, card, evaluation, withdrawal};

/// What is put where in which statement.
const RESTATED: [(&str, &str, &str, &str); 33] = [
    (
        "statement-type",
        "card",
        "/_type",
        "\"https://in-toto.io/Statement/v0.1\"",
    ),
    ("statement-type-null", "card", "/_type", "null"),
    (
        "kind-unknown",
        "card",
        "/predicateType",
        "\"urn:candor:poem:v1\"",
    ),
    (
        "kind-later",
        "card",
        "/predicateType",
        "\"urn:candor:model-card:v2\"",
    ),
    ("kind-number", "card", "/predicateType", "7"),
    ("subject-none", "card", "/subject", "[]"),
    ("subject-object", "card", "/subject", "{}"),
    (
        "subject-no-name",
        "card",
        "/subject/0/name",
        "\"example-lab\"",
    ),
    (
        "subject-upper-case",
        "card",
        "/subject/0/name",
        "\"Example-Lab/tiny-lm@1.0.0\"",
    ),
    (
        "subject-digest-short",
        "card",
        "/subject/0/digest/sha256",
        "\"ab\"",
    ),
    (
        "subject-digest-upper-case",
        "card",
        "/subject/0/digest/sha256",
        UPPER_CASE,
    ),
    (
        "subject-no-digest",
        "card",
        "/subject/0/digest",
        "{\"md5\":\"x\"}",
    ),
    (
        "subject-of-another-card",
        "card",
        "/subject/0/digest/sha256",
        OTHER,
    ),
    ("card-without-document", "card", "/predicate/document", "-"),
    ("card-license-number", "card", "/predicate/license", "2"),
    ("card-tags-null", "card", "/predicate/tags", "null"),
    (
        "card-size-negative",
        "card",
        "/predicate/document/size",
        "-7",
    ),
    (
        "card-name-bidi",
        "card",
        "/predicate/document/name",
        "\"README\u{202e}dm.\"",
    ),
    (
        "card-name-not-normal",
        "card",
        "/predicate/document/name",
        "\"e\u{301}\"",
    ),
    (
        "card-name-control",
        "card",
        "/predicate/document/name",
        "\"a\u{9b}b\"",
    ),
    (
        "config-subject",
        "config",
        "/subject/0/digest/sha256",
        OTHER,
    ),
    (
        "config-parent",
        "config",
        "/predicate/parents",
        "[{\"release\":\"x\",\"relation\":\"fine-tune-of\"}]",
    ),
    (
        "evaluation-no-answers",
        "evaluation",
        "/predicate/outcome",
        "\"reproduced\"",
    ),
    (
        "evaluation-value-text",
        "evaluation",
        "/predicate/results/0/value",
        "\"0.7\"",
    ),
    (
        "evaluation-other-author",
        "evaluation",
        "/predicate/author",
        "\"example-lab\"",
    ),
    (
        "evaluation-digest-unknown",
        "evaluation",
        "/predicate/harness/digest",
        "{\"crc32\":\"ab\"}",
    ),
    (
        "publisher-subject",
        "evals",
        "/subject/0/digest/sha256",
        OTHER,
    ),
    (
        "publisher-of-a-release",
        "evals",
        "/subject/0/name",
        "\"example-lab/tiny-lm@1.0.0\"",
    ),
    (
        "weights-strength",
        "weights",
        "/predicate/strength",
        "\"weak\"",
    ),
    (
        "weights-algorithms",
        "weights",
        "/predicate/algorithms",
        "[\"sha256\",\"sha3\"]",
    ),
    (
        "weights-itself",
        "weights",
        "/predicate/parents/0/release",
        "\"example-lab/tiny-lm@1.0.0\"",
    ),
    (
        "parent-other-statement",
        "weights",
        "/predicate/parents/0/statement",
        OTHER,
    ),
    (
        "parent-other-release",
        "weights",
        "/predicate/parents/0/release",
        "\"example-lab/another@1\"",
    ),
];

/// A digest of something else, and one that is no digest.
const OTHER: &str = "\"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\"";
const UPPER_CASE: &str = "\"2D711642B726B04401627CA9FBAC32F5C8530FB1903CC4DB02258717921A4881\"";

/// What becomes what in the card's payload.
const REWRITTEN: [(&str, &str, &str); 8] = [
    (
        "json-key-twice",
        "\"predicate\":",
        "\"predicate\":1,\"predicate\":",
    ),
    ("json-trailing", "{\"_type\"", "{} {\"_type\""),
    (
        "json-lossy-number",
        "\"license\"",
        "\"n\":1e400,\"license\"",
    ),
    (
        "json-surrogate",
        "\"license\"",
        "\"n\":\"\\ud800\",\"license\"",
    ),
    ("json-comma", "\"license\"", ",\"license\""),
    ("json-mark", "{\"_type\"", "\u{feff}{\"_type\""),
    ("size-with-point", "\"size\":7", "\"size\":7.0"),
    ("size-with-exponent", "\"size\":7", "\"size\":70e-1"),
];

/// All of them.
pub(crate) fn changes() -> Vec<(String, Change)> {
    let mut changes = Vec::new();
    changes.extend(RESTATED.map(|(name, record, pointer, value)| {
        change(name, move |it| {
            it.restate(record, |json| set(json, pointer, value));
        })
    }));
    changes.extend(
        REWRITTEN.map(|(name, from, to)| rewritten(name, move |it| replaced(it, from, to))),
    );
    let depth = format!("\"n\":{}{},\"license\"", "[".repeat(40), "]".repeat(40));
    changes.extend([
        rewritten("json-depth", move |it| replaced(it, "\"license\"", &depth)),
        rewritten("json-array", |_| "[]".to_owned()),
        restated("subject-two", "card", |it| {
            it["subject"] = json!([it["subject"][0], it["subject"][0]]);
        }),
        restated("weights-parent-twice", "weights", |it| {
            let parents = json!([it["predicate"]["parents"][0], it["predicate"]["parents"][0]]);
            it["predicate"]["parents"] = parents;
        }),
        change("publisher-name-control", |it| {
            let payload: Value = serde_json::from_slice(&it.at("evals").payload).expect("JSON");
            let predicate = json!({ "displayName": "a\nb", "keys": payload["predicate"]["keys"] });
            it.at("evals").payload = about_itself("publisher", "example-evals", &predicate);
        }),
        change("api-until-before-from", |it| {
            api(it, "2026-01-01T00:00:00Z");
        }),
        change("api-until-no-time", |it| api(it, "never")),
    ]);
    changes.extend(standing());
    changes
}

fn restated(name: &str, record: &'static str, then: fn(&mut Value)) -> (String, Change) {
    change(name, move |it| it.restate(record, then))
}

/// The card's payload as text, changed.
fn rewritten(name: &str, then: impl Fn(&str) -> String + 'static) -> (String, Change) {
    change(name, move |it| {
        let payload = String::from_utf8(it.at("card").payload.clone()).expect("UTF-8");
        it.at("card").payload = then(&payload).into_bytes();
    })
}

/// An API version that is valid until then.
fn api(scene: &mut Scene, until: &str) {
    let predicate = json!({
        "provider": "Example", "endpoint": "https://api.example.org", "modelId": "tiny",
        "behind": { "release": RELEASE }, "decoding": { "temperature": 0.5, "stop": ["x"], "topX": 7 },
        "validFrom": "2026-05-01T00:00:00Z", "validUntil": until,
    });
    let payload = about_itself("api-version", "example-lab/tiny-api@1", &predicate);
    scene.append("api", payload, &[2]);
}

/// Withdraws a record by its author, or with it all of its release.
fn withdraw(scene: &mut Scene, record: &str, (author, seed): (&str, u8), scope: &str) {
    let payload = scene.at(record).payload.clone();
    let release = if record == "base" { BASE } else { RELEASE };
    scene.append(
        "withdrawal",
        withdrawal(author, release, scope, &payload),
        &[seed],
    );
}

const LAB: (&str, u8) = ("example-lab", 2);
const EVALS: (&str, u8) = ("example-evals", 3);

/// What the log promises of releases; what was withdrawn; parents that are something else.
fn standing() -> Vec<(String, Change)> {
    vec![
        change("card-twice", |it| {
            it.append("again", card(RELEASE, "# Tiny\n"), &[2]);
        }),
        change("weights-twice", |it| {
            let again = it.at("weights").payload.clone();
            it.append("again", again, &[2]);
        }),
        change("card-withdrawn", |it| withdraw(it, "card", LAB, "record")),
        change("weights-withdrawn", |it| {
            withdraw(it, "weights", LAB, "record");
        }),
        change("release-withdrawn", |it| {
            withdraw(it, "config", LAB, "release");
        }),
        change("release-withdrawn-by-another", |it| {
            withdraw(it, "card", EVALS, "release");
        }),
        change("only-config-withdrawn", |it| {
            withdraw(it, "config", LAB, "record");
            it.keep(&["first", "second", "config", "withdrawal"]);
        }),
        change("only-others-say", |it| it.keep(&["evals", "evaluation"])),
        restated("parent-behind", "weights", |it| {
            it["predicate"]["parents"][0]["index"] = json!(1000);
        }),
        change("parent-other-kind", |it| {
            let (index, digest) = (it.index_of("second"), Sha256::of(&it.at("second").payload));
            it.restate("weights", |weights| {
                weights["predicate"]["parents"][0]["index"] = json!(index);
                weights["predicate"]["parents"][0]["statement"] = json!(digest);
            });
        }),
        change("grandparent-other-statement", |it| {
            let parent = json!({
                "relation": "merged-from", "release": "example-lab/older@1",
                "index": it.index_of("first"), "statement": Sha256::of("x"),
            });
            it.restate("base", |base| {
                base["predicate"]["parents"] = json!([parent]);
            });
            let digest = Sha256::of(&it.at("base").payload);
            it.restate("weights", |weights| {
                weights["predicate"]["parents"][0]["statement"] = json!(digest);
            });
        }),
    ]
}

/// Withdrawals, parents and others' words that refute nothing.
pub(crate) fn harmless() -> Vec<(String, Change)> {
    vec![
        change("config-withdrawn", |it| {
            withdraw(it, "config", LAB, "record");
        }),
        change("evaluation-withdrawn", |it| {
            withdraw(it, "evaluation", EVALS, "record");
        }),
        change("withdrawn-by-another", |it| {
            withdraw(it, "card", EVALS, "record");
        }),
        change("base-withdrawn", |it| withdraw(it, "base", LAB, "release")),
        change("withdrawn-before-it-was-said", |it| {
            withdraw(it, "card", LAB, "record");
            let withdrawal = it.records.pop().expect("it was appended");
            let at = it.position("base");
            it.records.insert(at, withdrawal);
            // The weights name their base by where it stands.
            let index = it.index_of("base");
            it.restate("weights", |weights| {
                weights["predicate"]["parents"][0]["index"] = json!(index);
            });
        }),
        change("parent-not-here", |it| {
            it.at("base").is_bundled = false;
            it.attachments.pop();
        }),
        restated("parent-named-by-config", "config", |it| {
            let parent = json!({
                "release": "somebody/else@1", "relation": "fine-tune-of", "statement": Sha256::of("x"),
            });
            it["predicate"]["parents"] = json!([parent]);
        }),
        change("api-version", |it| api(it, "2026-06-01T00:00:00Z")),
        change("evaluation-of-anything", |it| {
            let payload = evaluation("example-evals", RELEASE, Sha256::of("something else"));
            it.append("more", payload, &[3]);
        }),
    ]
}
