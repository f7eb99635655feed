//! Payloads that are not strict JSON, statements of other kinds, and statements that break a rule.

use candor_tests::TestPublisher;
use candor_tests::statements::{fit_subject, payload_of};
use serde_json::{Value, json};

use super::Case;
use super::world::World;

pub(crate) fn cases(world: &World) -> Vec<Case> {
    [
        payloads(&world.lab),
        kinds(&world.lab),
        schemas(world),
        names(world),
        rules(world),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn payloads(lab: &TestPublisher) -> Vec<Case> {
    let good = lab.api_version("tiny", "1.4.0", "note");
    let rewritten = |name, old, new: &str| malformed(name, &lab.rewritten(&good, old, new));
    let mut not_utf8 = payload_of(&good);
    let at = not_utf8.len() / 2;
    not_utf8[at] = 0xff;
    let nested = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    vec![
        malformed("a payload that is not JSON", &lab.sign(b"<xml/>".to_vec())),
        malformed("a payload that is a list", &lab.sign(b"[]".to_vec())),
        malformed("a payload that is not UTF-8", &lab.sign(not_utf8)),
        malformed("a payload with more behind it", &{
            let payload = [payload_of(&good), b"{}".to_vec()].concat();
            lab.sign(payload)
        }),
        rewritten(
            "a key twice in the payload",
            "\"predicate\":",
            "\"predicate\":{},\"predicate\":",
        ),
        rewritten("NaN in the payload", "2048", "NaN"),
        rewritten("2^53 + 1 in the payload", "2048", "9007199254740993"),
        rewritten(
            "a number with more digits than a double",
            "\"note\":\"note\"",
            "\"note\":0.1000000000000000055",
        ),
        rewritten(
            "a payload nested 1,000 deep",
            "\"note\":\"note\"",
            &format!("\"note\":{nested}"),
        ),
    ]
}

fn malformed(name: &'static str, envelope: &Value) -> Case {
    Case::record(name, envelope, 422, "malformed-statement")
}

fn kinds(lab: &TestPublisher) -> Vec<Case> {
    let good = lab.api_version("tiny", "1.4.1", "");
    let with =
        |field: &str, value: &str| lab.altered(&good, |statement| statement[field] = value.into());
    vec![
        malformed(
            "another statement type",
            &with("_type", "https://in-toto.io/Statement/v0.1"),
        ),
        malformed(
            "an unknown predicate type",
            &with("predicateType", "https://slsa.dev/provenance/v1"),
        ),
        malformed(
            "a version of a predicate type that is not known yet",
            &with("predicateType", "urn:candor:weights:v2"),
        ),
    ]
}

fn violation(
    name: &'static str,
    publisher: &TestPublisher,
    good: &Value,
    edit: impl FnOnce(&mut Value),
) -> Case {
    Case::record(
        name,
        &publisher.altered(good, edit),
        422,
        "schema-violation",
    )
}

fn remove(value: &mut Value, field: &str) {
    let members = value.as_object_mut().expect("an object");
    members.remove(field).expect("it is there");
}

fn schemas(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let api = lab.api_version("tiny", "1.4.2", "");
    let api = |name, edit: fn(&mut Value)| violation(name, lab, &api, edit);
    let card = |name, edit: fn(&mut Value)| violation(name, lab, &world.card, edit);
    let weights = |name, edit: fn(&mut Value)| violation(name, lab, &world.weights, edit);
    let registration = world.stranger.register();
    let publisher =
        |name, edit: fn(&mut Value)| violation(name, &world.stranger, &registration, edit);
    vec![
        api("a field that is missing", |s| {
            remove(&mut s["predicate"], "endpoint");
        }),
        api("a field that nobody knows", |s| {
            s["predicate"]["endpont"] = "https://api.example.org".into();
        }),
        api("a field of the wrong type", |s| {
            s["predicate"]["contextLength"] = "2048".into();
        }),
        api("a number that is too small", |s| {
            s["predicate"]["contextLength"] = json!(-1);
        }),
        api("a time without a time zone", |s| {
            s["predicate"]["validFrom"] = "2026-01-01T00:00:00".into();
        }),
        api("an address that runs code", |s| {
            s["predicate"]["endpoint"] = "javascript:alert(1)".into();
        }),
        api("a word that is none of those allowed", |s| {
            s["predicate"]["behind"] = "secret".into();
        }),
        api("no subject", |s| s["subject"] = json!([])),
        api("two subjects", |s| {
            let subject = s["subject"][0].clone();
            s["subject"] = json!([subject, subject]);
        }),
        api("a digest of the wrong length", |s| {
            s["subject"][0]["digest"]["sha256"] = "4f3db3".into();
        }),
        api("a digest in capitals", |s| {
            s["subject"][0]["digest"]["sha256"] = "AB".repeat(32).into();
        }),
        api("nothing right", |s| {
            s["subject"] = json!(7);
            s["predicate"] = json!({"provider": "", "annotations": [], "more": 1});
        }),
        card("a digest by another algorithm for an attachment", |s| {
            s["predicate"]["document"]["digest"] =
                json!({"md5": "d41d8cd98f00b204e9800998ecf8427e"});
        }),
        card("an attachment name with a slash", |s| {
            s["predicate"]["document"]["name"] = "../../README.md".into();
        }),
        card("an attachment name with an escape sequence", |s| {
            s["predicate"]["document"]["name"] = "README\u{1b}[31m.md".into();
        }),
        card("a media type with a line break", |s| {
            s["predicate"]["document"]["mediaType"] = "text/html\r\nset-cookie: a=b".into();
        }),
        weights("a strength that the algorithms do not have", |s| {
            s["predicate"]["strength"] = "weak".into();
        }),
        weights("a digest of the wrong length for the files", |s| {
            s["predicate"]["root"] = "00".into();
        }),
        publisher("a display name that reverses the text", |s| {
            s["predicate"]["displayName"] = "Meta\u{202e}IA".into();
        }),
        publisher("a key of another algorithm", |s| {
            s["predicate"]["keys"][0]["algorithm"] = "rsa".into();
        }),
        publisher("a publisher without keys", |s| {
            s["predicate"]["keys"] = json!([]);
        }),
        publisher("a key twice", |s| {
            let key = s["predicate"]["keys"][0].clone();
            s["predicate"]["keys"] = json!([key, key]);
        }),
        violation(
            "a result that claims to answer and names no record",
            &world.auditor,
            &world.auditor.evaluation(
                &world.api,
                candor_core::record::kinds::Outcome::Reported,
                None,
            ),
            |s| s["predicate"]["outcome"] = "reproduced".into(),
        ),
    ]
}

fn names(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let api = lab.api_version("tiny", "1.4.3", "");
    let named = |name, release: &'static str| {
        violation(name, lab, &api, move |s| {
            s["subject"][0]["name"] = release.into();
        })
    };
    let registration = world.stranger.register();
    let publisher = |name, publisher: &'static str| {
        violation(name, &world.stranger, &registration, move |s| {
            s["subject"][0]["name"] = publisher.into();
        })
    };
    vec![
        named("a release without a version", "example-lab/tiny"),
        named("a release name in capitals", "example-lab/Tiny@1.4.3"),
        named(
            "a release name with a Cyrillic letter",
            "example-lab/t\u{456}ny@1.4.3",
        ),
        named(
            "a release name with an invisible character",
            "example-lab/tiny\u{200b}@1.4.3",
        ),
        named(
            "a release name with a line break",
            "example-lab/tiny@1.4.3\n",
        ),
        named(
            "a release name with two dots for the folder above",
            "example-lab/../tiny@1.4.3",
        ),
        publisher("a publisher name with a Cyrillic letter", "m\u{435}ta-ai"),
        publisher("a publisher name with a control character", "meta\u{7}ai"),
        publisher("a publisher name with full-width letters", "\u{ff4d}eta-ai"),
        publisher("a publisher name that begins with a hyphen", "-meta"),
    ]
}

fn rules(world: &World) -> Vec<Case> {
    let World { lab, stranger, .. } = world;
    let api = lab.api_version("tiny", "1.4.4", "");
    let registration = stranger.register();
    let rule = |name, publisher: &TestPublisher, good: &Value, edit: fn(&mut Value)| {
        malformed(name, &publisher.altered(good, edit))
    };
    vec![
        rule(
            "a subject digest that is not that of the predicate",
            lab,
            &api,
            |s| {
                s["predicate"]["modelId"] = "another".into();
            },
        ),
        rule(
            "a subject digest that is not that of the document",
            lab,
            &world.card,
            |s| {
                s["subject"][0]["digest"]["sha256"] = "ab".repeat(32).into();
            },
        ),
        rule("an end before the beginning", lab, &api, |s| {
            s["predicate"]["validUntil"] = "2025-01-01T00:00:00Z".into();
            fit_subject(s);
        }),
        rule(
            "a display name with an invisible character",
            stranger,
            &registration,
            |s| {
                s["predicate"]["displayName"] = "Meta\u{200b} AI".into();
                fit_subject(s);
            },
        ),
        rule(
            "a display name in a second spelling",
            stranger,
            &registration,
            |s| {
                s["predicate"]["displayName"] = "Me\u{301}ta".into();
                fit_subject(s);
            },
        ),
        rule("a key of small order", stranger, &registration, |s| {
            // The point (0, 1), for which a signature of R = (0, 1) and S = 0 holds over everything.
            let key = "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            s["predicate"]["keys"][0]["publicKey"] = key.into();
            fit_subject(s);
        }),
        rule(
            "a key under another key's ID",
            stranger,
            &registration,
            |s| {
                s["predicate"]["keys"][0]["keyid"] = "ab".repeat(32).into();
                fit_subject(s);
            },
        ),
    ]
}
