//! Records that conflict with what the log holds, or point at what it does not hold.

use candor_core::Sha256;
use candor_core::record::kinds::{Outcome, Scope};
use candor_tests::statements::{digest_of, fit_subject};
use serde_json::{Value, json};

use super::Case;
use super::world::{CARD, World};

pub(crate) fn cases(world: &World) -> Vec<Case> {
    [
        releases(world),
        pointers(world),
        parents(world),
        withdrawals(world),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn releases(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let (first, second) = (
        lab.api_version("tiny-api", "1.0.1", "first"),
        lab.api_version("tiny-api", "1.0.1", "second"),
    );
    vec![
        Case::record(
            "a release that exists with other content",
            &lab.api_version("tiny-api", "1.0.0", "something else"),
            409,
            "release-exists",
        ),
        Case::with_documents(
            "a model card that exists with other content",
            &lab.model_card("tiny", "1.0.0", b"# Tiny, improved"),
            &[b"# Tiny, improved"],
            409,
            "release-exists",
        ),
        Case::json(
            "two records for one place in one request",
            json!([first, second]).to_string(),
            409,
            "release-exists",
        ),
        Case::record(
            "an addition to a withdrawn release",
            &lab.model_card("tiny-api", "0.9.0", CARD),
            409,
            "release-withdrawn",
        ),
    ]
}

fn pointers(world: &World) -> Vec<Case> {
    let World { lab, auditor, .. } = world;
    let unknown = |name, envelope: &Value| Case::record(name, envelope, 422, "unknown-reference");
    let never_logged = lab.api_version("tiny-api", "7.7.7", "");
    let other_bytes = auditor.altered(
        &auditor.evaluation(&world.api, Outcome::Reported, None),
        |s| s["subject"][0]["digest"]["sha256"] = "ab".repeat(32).into(),
    );
    let behind = lab.altered(&lab.api_version("tiny-api", "1.0.2", ""), |s| {
        let statement = Sha256::of("nothing").to_string();
        s["predicate"]["behind"] =
            json!({"release": "example-lab/tiny@1.0.0", "statement": statement});
        fit_subject(s);
    });
    vec![
        unknown(
            "an evaluation of a release that nobody has described",
            &auditor.evaluation(&never_logged, Outcome::Reported, None),
        ),
        unknown(
            "an evaluation of other bytes than the release has",
            &other_bytes,
        ),
        unknown(
            "an evaluation that answers a record that is not there",
            &auditor.evaluation(&world.api, Outcome::Reproduced, Some(&never_logged)),
        ),
        unknown(
            "an API version with a statement behind it that is not there",
            &behind,
        ),
        unknown(
            "a withdrawal of a record that is not there",
            &lab.withdrawal(&never_logged, Scope::Record),
        ),
    ]
}

/// Where `World` puts the records that these are about.
const API_INDEX: u64 = 4;
const CARD_INDEX: u64 = 7;

fn parents(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    let child = |parent: &Value| {
        let weights = lab.weights("child", "1.0.0", &world.manifest);
        lab.altered(&weights, |s| s["predicate"]["parents"] = json!([parent]))
    };
    let api = json!({
        "relation": "distilled-from",
        "release": "example-lab/tiny-api@1.0.0",
        "index": API_INDEX,
        "statement": digest_of(&world.api),
    });
    let with = |field: &str, value: Value| {
        let mut parent = api.clone();
        parent[field] = value;
        child(&parent)
    };
    let unknown = |name, envelope: &Value| Case::record(name, envelope, 422, "unknown-reference");
    let registration = digest_of(&lab.register()).to_string();
    let sibling = lab.api_version("tiny-api", "1.0.3", "");
    let in_request = child(&json!({
        "relation": "distilled-from",
        "release": "example-lab/tiny-api@1.0.3",
        "index": CARD_INDEX + 2,
        "statement": digest_of(&sibling),
    }));
    vec![
        unknown(
            "a parent that is not in the log",
            &with("statement", json!(Sha256::of("nothing"))),
        ),
        unknown(
            "a parent at another index",
            &with("index", json!(CARD_INDEX)),
        ),
        unknown(
            "a parent of another release",
            &with("release", json!("example-lab/tiny@1.0.0")),
        ),
        unknown(
            "a parent that is a registration",
            &child(&json!({
                "relation": "distilled-from",
                "release": "example-lab/tiny@1.0.0",
                "index": 0,
                "statement": registration,
            })),
        ),
        Case::json(
            "a parent in the same request",
            json!([sibling, in_request]).to_string(),
            422,
            "unknown-reference",
        ),
        Case::record(
            "a release that is its own parent",
            &with("release", json!("example-lab/child@1.0.0")),
            422,
            "malformed-statement",
        ),
        Case::record(
            "a parent without an index",
            &child(&json!({
                "relation": "distilled-from",
                "release": "example-lab/tiny-api@1.0.0",
                "statement": digest_of(&world.api),
            })),
            422,
            "schema-violation",
        ),
    ]
}

fn withdrawals(world: &World) -> Vec<Case> {
    let World { lab, auditor, .. } = world;
    let bad = |name, envelope: &Value| Case::record(name, envelope, 422, "bad-withdrawal");
    let registration = digest_of(&lab.register()).to_string();
    vec![
        bad(
            "a withdrawal of the record of another",
            &auditor.withdrawal(&world.api, Scope::Record),
        ),
        Case::record(
            "a withdrawal of the release of another",
            &auditor.withdrawal(&world.api, Scope::Release),
            422,
            "malformed-statement",
        ),
        bad(
            "a withdrawal under another release",
            &lab.altered(&lab.withdrawal(&world.api, Scope::Record), |s| {
                s["subject"][0]["name"] = "example-lab/tiny@1.0.0".into();
            }),
        ),
        bad(
            "a withdrawal of a registration",
            &lab.altered(&lab.withdrawal(&world.api, Scope::Record), |s| {
                s["subject"][0]["digest"]["sha256"] = registration.into();
            }),
        ),
    ]
}
