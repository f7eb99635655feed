//! Documents as other people's validators read them: the JSON schemas of `CycloneDX`, and JSON schema and SHACL shapes of SPDX.
//!
//! `CANDOR_PYTHON` names a Python that has their packages, and `CANDOR_SPDX` a folder with SPDX 3.0.1's `schema.json`,
//! `spdx-model.ttl` and `spdx-context.jsonld`, as they are published with the specification; `cargo xtask test` fetches both
//! where it can. Without them, the test says what it did not do.

#![allow(
    clippy::print_stdout,
    reason = "what the validators said is for people to read"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use candor_sbom::{CycloneDxVersion, Release, cyclonedx, spdx as spdx_document};
use common::{
    Story, full, full_card, full_training, judge, made, manifest, minimal, weak, well_known,
};
use serde_json::{Value, json};
use spdx::identifiers::LICENSES;

const SCRIPT: &str = include_str!("common/validate.py");

fn stories() -> Vec<(&'static str, Story)> {
    let mut withdrawn = Story::begin();
    withdrawn.weights(&manifest(), &json!({}), true);
    let card = withdrawn.card(&full_card());
    withdrawn.training(&full_training());
    withdrawn.withdrawal(card, "release", "superseded");
    let mut parent = Story::begin();
    let base = parent.parent("example-lab/base@1.0.0", &[]);
    let tuned = parent.parent("example-lab/tuned@1.0.0", &[&base]);
    parent.weights(&manifest(), &json!({ "parents": [tuned, base] }), true);
    parent.parent_withdrawal(&base, "security");
    parent.parent_withdrawal(&tuned, "retired");
    let mut records = Story::begin();
    records.card(&full_card());
    let training = records.training(&full_training());
    let evaluation = records.evaluation(&json!({}));
    records.evaluation(&json!({ "outcome": "reproduced", "answers": evaluation }));
    records.withdrawal(training, "record", "error");
    records.withdrawal_by("example-evals", &judge(), evaluation, "record", "error");
    let mut named = Story::begin();
    named.card(
        &json!({ "license": "other", "licenseName": "OPT License", "licenseLink": "a file.md" }),
    );
    let mut expression = Story::begin();
    expression.card(&json!({ "license": "MIT OR Apache-2.0" }));
    vec![
        ("full", full()),
        ("minimal", minimal()),
        ("withdrawn", withdrawn),
        ("withdrawn-parents", parent),
        ("withdrawn-records", records),
        ("weak", weak()),
        ("named-licence", named),
        ("licence-expression", expression),
    ]
}

fn documents(folder: &Path) {
    let write = |name: String, document: &Value| {
        let text = serde_json::to_string_pretty(document).expect("JSON");
        fs::write(folder.join(name), text).expect("a folder of the test's own");
    };
    for (name, story) in stories() {
        let bundle = story.verified();
        let release = Release::of(&bundle).expect("a model");
        let mut all = vec![("", made())];
        // The rest is the same with and without.
        if name == "full" || name == "minimal" {
            all.push(("-well-known", well_known()));
        }
        for (how, made) in all {
            for version in [CycloneDxVersion::V1_6, CycloneDxVersion::V1_7] {
                let document = cyclonedx(&release, version, &made);
                write(
                    format!("{name}{how}.cdx-{}.json", version.name()),
                    &document,
                );
            }
            write(
                format!("{name}{how}.spdx.json"),
                &spdx_document(&release, &made),
            );
        }
    }
    // Each licence that is written by its identifier is one that the schema has.
    let mut story = Story::begin();
    story.card(&json!({ "license": "mit" }));
    let bundle = story.verified();
    let release = Release::of(&bundle).expect("a model");
    let mut all = cyclonedx(&release, CycloneDxVersion::V1_6, &made());
    let licenses = &mut all["metadata"]["component"]["licenses"];
    assert_eq!(licenses[0]["license"]["id"], "MIT");
    let ids = LICENSES
        .iter()
        .map(|it| it.name)
        .filter(|it| !has_no_license(it));
    *licenses = ids.map(|id| json!({ "license": { "id": id } })).collect();
    assert!(licenses.as_array().is_some_and(|it| it.len() > 700));
    write("all-licences.cdx-1.6.json".to_owned(), &all);
    // A validator that takes anything would be no test.
    let bundle = full().verified();
    let release = Release::of(&bundle).expect("a model");
    let mut broken = cyclonedx(&release, CycloneDxVersion::V1_6, &made());
    broken["metadata"]["component"]["licenses"] = json!([{ "license": { "id": "OPT" } }]);
    write("broken-licence.cdx-1.6.json".to_owned(), &broken);
    let mut broken = cyclonedx(&release, CycloneDxVersion::V1_7, &made());
    broken["components"][0]["hashes"][0]["alg"] = json!("SHA-224");
    write("broken-hash.cdx-1.7.json".to_owned(), &broken);
    let mut broken = spdx_document(&release, &made());
    let graph = broken["@graph"].as_array_mut().expect("a graph");
    let model = graph
        .iter_mut()
        .find(|it| it["type"] == "ai_AIPackage")
        .expect("a model");
    let id = model["spdxId"].clone();
    // The schema takes any name here; only the shapes know that a model is no publisher.
    model["suppliedBy"] = id;
    write("broken-supplier.spdx.json".to_owned(), &broken);
}

/// Words of the parser's list that `candor_sbom` writes as names.
fn has_no_license(name: &str) -> bool {
    name == "NOASSERTION" || name.ends_with("invariants")
}

#[test]
fn validators_of_others_take_every_document() {
    let Some(python) = std::env::var_os("CANDOR_PYTHON") else {
        println!("skipped: CANDOR_PYTHON does not name a Python");
        return;
    };
    let shapes = std::env::var_os("CANDOR_SPDX");
    if shapes.is_none() {
        println!(
            "skipped in part: CANDOR_SPDX does not name a folder with SPDX's schema and shapes"
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    documents(folder.path());
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(folder.path())
        .args(shapes)
        .output()
        .expect("CANDOR_PYTHON is a Python");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    for line in said.lines() {
        let (name, verdict) = line.split_once(": ").expect("NAME: VERDICT");
        assert_eq!(verdict == "valid", !name.starts_with("broken-"), "{line}");
    }
    assert_eq!(said.lines().count(), 10 * 3 + 1 + 3);
}
