//! What was withdrawn can be seen.

mod common;

use candor_core::Sha256;
use candor_sbom::{CycloneDxVersion, Release, cyclonedx, spdx};
use common::{
    Story, both, by_id, cdx, element, elements, full_card, full_training, judge, made, manifest,
    properties, related,
};
use serde_json::{Value, json};

const BASE: &str = "example-lab/base@1.0.0";
const TUNED: &str = "example-lab/tuned@1.0.0";

#[test]
fn a_withdrawn_release_is_written_in_full_and_marked() {
    for (scope, subject) in [("release", 0), ("record", 0), ("record", 1)] {
        let mut story = Story::begin();
        let records = [
            story.card(&full_card()),
            story.weights(&manifest(), &json!({}), true),
        ];
        story.training(&full_training());
        story.withdrawal(records[subject], scope, "security");
        let [cdx, spdx] = both(&story);
        for document in [&cdx, &spdx] {
            assert_eq!(properties(document, "candor:withdrawn"), ["true"]);
            assert_eq!(properties(document, "candor:withdrawn:by"), ["entry 5"]);
            assert_eq!(
                properties(document, "candor:withdrawn:reason"),
                ["security"]
            );
            assert_eq!(
                properties(document, "candor:withdrawn:replacement"),
                ["example-lab/opt-125m-minutes@0.3.1"]
            );
        }
        let advisory = &cdx["metadata"]["component"]["externalReferences"][0];
        assert_eq!(advisory["type"], "advisories");
        assert_eq!(advisory["url"], "urn:candor:entry:log.example.org/candor/5");
        assert!(
            advisory["comment"]
                .as_str()
                .is_some_and(|it| it.contains("private letters"))
        );
        assert_eq!(cdx["components"][0]["type"], "file");
        assert_eq!(cdx["formulation"].as_array().map(Vec::len), Some(1));
        let package = element(&spdx, "ai_AIPackage");
        assert!(
            package["comment"]
                .as_str()
                .is_some_and(|it| it.starts_with("WITHDRAWN: "))
        );
        assert_eq!(
            package["externalRef"][0]["externalRefType"],
            "securityAdvisory"
        );
        assert_eq!(element(&spdx, "Annotation")["subject"], package["spdxId"]);
    }
}

#[test]
fn a_release_of_a_training_config_alone_falls_with_it() {
    let mut story = Story::begin();
    let training = story.training(&full_training());
    for document in both(&story) {
        assert!(properties(&document, "candor:withdrawn").is_empty());
    }
    story.withdrawal(training, "record", "error");
    let [cdx, spdx] = both(&story);
    for document in [&cdx, &spdx] {
        assert_eq!(properties(document, "candor:withdrawn"), ["true"]);
    }
    assert_eq!(cdx["formulation"].as_array().map(Vec::len), Some(1));
}

#[test]
fn of_another_record_that_was_withdrawn_only_that_is_said() {
    let mut story = Story::begin();
    story.card(&full_card());
    let training = story.training(&full_training());
    let evaluation = story.evaluation(&json!({ "rawResults": {
        "name": "raw.json", "mediaType": "application/json", "size": 2,
        "digest": { "sha256": Sha256::of("{}") },
    }}));
    let documents = ["finetune.yml", "raw.json"];
    let is_named = |document: &Value, name: &str| document.to_string().contains(name);
    for document in both(&story) {
        assert!(documents.iter().all(|name| is_named(&document, name)));
    }
    story.withdrawal(training, "record", "error");
    story.withdrawal_by("example-evals", &judge(), evaluation, "record", "error");
    let [cdx, spdx] = both(&story);
    for document in [&cdx, &spdx] {
        assert!(properties(document, "candor:withdrawn").is_empty());
        assert!(!documents.iter().any(|name| is_named(document, name)));
        assert!(is_named(document, "README.md"), "the card stands");
        let withdrawn = properties(document, "candor:withdrawn:record");
        assert_eq!(withdrawn.len(), 2);
        assert!(
            withdrawn[0].starts_with(
                "entry 3, training-config by example-lab: withdrawn by entry 5 (error)"
            )
        );
        assert!(
            withdrawn[1].starts_with("entry 4, evaluation by example-evals: withdrawn by entry 6")
        );
        assert_eq!(
            properties(document, "candor:metric").len(),
            2,
            "the card's own"
        );
    }
    assert!(cdx["formulation"].is_null() && cdx["declarations"].is_null());
    // The record itself is in the log, and is not named without its withdrawal.
    for list in [
        &cdx["metadata"]["component"]["externalReferences"],
        &element(&spdx, "ai_AIPackage")["externalRef"],
    ] {
        let list = list.as_array().expect("a list").iter();
        let marked = list.filter(|it| {
            let words = it["comment"].as_str().unwrap_or_default();
            words.starts_with("training-config") && words.contains("; withdrawn by entry 5 (error)")
                || words.starts_with("evaluation")
                    && words.contains("; withdrawn by entry 6 (error)")
        });
        assert_eq!(marked.count(), 2);
    }
    assert!(element(&spdx, "ai_AIPackage")["ai_hyperparameter"].is_null());
}

#[test]
fn a_value_that_was_withdrawn_is_not_listed_whatever_became_of_the_release() {
    let mut story = Story::begin();
    let card = story.card(&json!({}));
    let evaluation = story.evaluation(&json!({}));
    story.withdrawal(card, "release", "legal");
    for document in both(&story) {
        assert_eq!(properties(&document, "candor:metric").len(), 1);
    }
    story.withdrawal_by("example-evals", &judge(), evaluation, "record", "error");
    for document in both(&story) {
        assert!(properties(&document, "candor:metric").is_empty());
        assert_eq!(properties(&document, "candor:withdrawn"), ["true"]);
        assert_eq!(properties(&document, "candor:withdrawn:record").len(), 1);
    }
}

#[test]
fn nobody_withdraws_what_another_said() {
    let mut story = Story::begin();
    let card = story.card(&full_card());
    story.withdrawal_by("example-evals", &judge(), card, "record", "other");
    for document in both(&story) {
        assert!(properties(&document, "candor:withdrawn").is_empty());
        assert!(properties(&document, "candor:withdrawn:record").is_empty());
    }
}

/// The properties of an element or component, by name.
fn own_property<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    let cyclonedx = (&of["properties"], "name", "value");
    let spdx = (
        &of["extension"][0]["extension_cdxProperty"],
        "extension_cdxPropName",
        "extension_cdxPropValue",
    );
    let (list, name_key, value_key) = if of["spdxId"].is_null() {
        cyclonedx
    } else {
        spdx
    };
    let mut list = list.as_array().map_or(&[][..], Vec::as_slice).iter();
    list.find(|it| it[name_key] == name)?[value_key].as_str()
}

/// The parents, as the formats have them.
fn parents(document: &Value) -> Vec<&Value> {
    if document["bomFormat"].is_null() {
        let parents = related(document, "descendantOf");
        return parents.iter().map(|id| by_id(document, id)).collect();
    }
    let ancestors = &document["metadata"]["component"]["pedigree"]["ancestors"];
    ancestors.as_array().expect("a list").iter().collect()
}

#[test]
fn a_withdrawn_parent_is_marked_and_the_model_says_so() {
    let mut story = Story::begin();
    let base = story.parent(BASE, &[]);
    let tuned = story.parent(TUNED, &[]);
    story.weights(&manifest(), &json!({ "parents": [tuned, base] }), true);
    for document in both(&story) {
        assert!(properties(&document, "candor:withdrawn:ancestor").is_empty());
        for parent in parents(&document) {
            assert_eq!(own_property(parent, "candor:parent:withdrawn"), None);
            assert!(parent["externalReferences"].is_null() && parent["externalRef"].is_null());
        }
    }
    story.parent_withdrawal(&base, "security");
    let [cdx, spdx] = both(&story);
    for document in [&cdx, &spdx] {
        // It is still what it was made from, and stands.
        assert!(properties(document, "candor:withdrawn").is_empty());
        let ancestors = properties(document, "candor:withdrawn:ancestor");
        assert_eq!(ancestors.len(), 1);
        let words =
            "example-lab/base@1.0.0, a parent: withdrawn by entry 5 (security): The training data";
        assert!(ancestors[0].starts_with(words), "{ancestors:?}");
        let [tuned, base] = parents(document)[..] else {
            panic!("two parents");
        };
        assert_eq!(own_property(tuned, "candor:parent:withdrawn"), None);
        let of_base = |name: &str| own_property(base, &format!("candor:parent:withdrawn{name}"));
        assert_eq!(of_base(""), Some("true"));
        assert_eq!(of_base(":by"), Some("entry 5"));
        assert_eq!(of_base(":reason"), Some("security"));
        assert!(of_base(":explanation").is_some_and(|it| it.contains("private letters")));
    }
    let advisory = &parents(&cdx)[1]["externalReferences"][0];
    assert_eq!(advisory["type"], "advisories");
    assert_eq!(advisory["url"], "urn:candor:entry:log.example.org/candor/5");
    let base = parents(&spdx)[1];
    let comment = base["comment"].as_str().expect("text");
    assert!(comment.starts_with("WITHDRAWN: "), "{comment}");
    assert_eq!(
        base["externalRef"][0]["externalRefType"],
        "securityAdvisory"
    );
    assert_eq!(element(&spdx, "Annotation")["subject"], base["spdxId"]);
}

#[test]
fn an_ancestor_further_up_that_was_withdrawn_is_said_of_the_model() {
    let mut story = Story::begin();
    let base = story.parent(BASE, &[]);
    let tuned = story.parent(TUNED, &[&base]);
    story.weights(&manifest(), &json!({ "parents": [tuned] }), true);
    story.parent_withdrawal(&base, "legal");
    for document in both(&story) {
        let ancestors = properties(&document, "candor:withdrawn:ancestor");
        assert_eq!(ancestors.len(), 1);
        let words = "example-lab/base@1.0.0, an ancestor, 2 steps up: withdrawn by entry 5 (legal)";
        assert!(ancestors[0].starts_with(words), "{ancestors:?}");
        let parent = own_property(parents(&document)[0], "candor:parent:withdrawn");
        assert_eq!(parent, None, "the parent stands");
        assert!(document["@graph"].is_null() || elements(&document, "Annotation").is_empty());
    }
}

#[test]
fn of_a_parent_that_the_bundle_leaves_out_nothing_is_said() {
    let mut story = Story::begin();
    let base = story.parent(BASE, &[]);
    story.weights(&manifest(), &json!({ "parents": [base] }), true);
    story.parent_withdrawal(&base, "security");
    let (with, without) = (
        story.verified(),
        story.verified_with(|at| at != 2 && at != 4),
    );
    let documents = |bundle| {
        let release = Release::of(bundle).expect("a model");
        [
            cyclonedx(&release, CycloneDxVersion::V1_7, &made()),
            spdx(&release, &made()),
        ]
    };
    let [cdx, spdx] = documents(&without);
    for document in [&cdx, &spdx] {
        assert!(properties(document, "candor:withdrawn:ancestor").is_empty());
        assert_eq!(
            own_property(parents(document)[0], "candor:parent:withdrawn"),
            None
        );
    }
    // What is said of it is a part of what the identifier follows from.
    let [marked, marked_spdx] = documents(&with);
    assert_ne!(cdx["serialNumber"], marked["serialNumber"]);
    let id = |document: &Value| element(document, "ai_AIPackage")["spdxId"].clone();
    assert_ne!(id(&spdx), id(&marked_spdx));
}

#[test]
fn releases_that_name_each_other_have_an_end() {
    let mut story = Story::begin();
    // No log takes what names a record behind it; a bundle of one that did is a bundle.
    let named = |release: &str| {
        json!({ "relation": "fine-tune-of", "release": release, "index": 9,
            "statement": Sha256::of("a record") })
    };
    let base = story.parent(BASE, &[&named(TUNED), &named(common::RELEASE)]);
    let tuned = story.parent(TUNED, &[&named(BASE)]);
    story.weights(&manifest(), &json!({ "parents": [tuned] }), true);
    story.parent_withdrawal(&base, "legal");
    let document = cdx(&story);
    assert_eq!(properties(&document, "candor:withdrawn:ancestor").len(), 1);
}

#[test]
fn a_claim_that_was_withdrawn_is_none_without_that() {
    let mut story = Story::begin();
    story.card(&json!({}));
    let first = story.evaluation(&json!({}));
    story.evaluation(&json!({ "outcome": "reproduced", "answers": first }));
    let claim = |story: &Story| cdx(story)["declarations"]["claims"][0]["predicate"].clone();
    assert_eq!(claim(&story), "what entry 3 of log.example.org/candor says");
    story.withdrawal_by("example-evals", &judge(), first, "record", "error");
    assert_eq!(
        claim(&story),
        "what entry 3 of log.example.org/candor says, which entry 5 withdrew"
    );
}
