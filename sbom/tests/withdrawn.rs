//! What was withdrawn can be seen.

mod common;

use common::{Story, both, element, full_card, full_training, judge, manifest, properties};
use serde_json::json;

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
    let evaluation = story.evaluation(&json!({}));
    story.withdrawal(training, "record", "error");
    story.withdrawal_by("example-evals", &judge(), evaluation, "record", "error");
    let [cdx, spdx] = both(&story);
    for document in [&cdx, &spdx] {
        assert!(properties(document, "candor:withdrawn").is_empty());
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
