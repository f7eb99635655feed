//! What a reader of a document relies on.

mod common;

use std::collections::BTreeSet;

use candor_core::Sha256;
use candor_sbom::{CycloneDxVersion, Made, Release, Uuid, cyclonedx, spdx};
use common::{
    RELEASE, Story, both, by_id, cdx, element, elements, full, full_training, keyid, lab, made,
    manifest, minimal, properties, related, spdx3, weak, well_known,
};
use serde_json::{Value, json};

const VERSIONS: [CycloneDxVersion; 2] = [CycloneDxVersion::V1_6, CycloneDxVersion::V1_7];

#[test]
fn the_model_has_its_name_version_publisher_and_key() {
    let [cdx, spdx] = both(&full());
    let model = &cdx["metadata"]["component"];
    assert_eq!(model["type"], "machine-learning-model");
    assert_eq!(model["group"], "example-lab");
    assert_eq!(model["name"], "opt-125m-minutes");
    assert_eq!(model["version"], "0.3.0");
    assert_eq!(model["supplier"]["name"], "Example Lab");
    assert_eq!(
        model["supplier"]["url"],
        json!(["https://example-lab.example.org/"])
    );
    assert_eq!(
        model["supplier"]["contact"],
        json!([{ "email": "example-lab@example.org" }])
    );
    let package = element(&spdx, "ai_AIPackage");
    assert_eq!(package["name"], "example-lab/opt-125m-minutes");
    assert_eq!(package["software_packageVersion"], "0.3.0");
    assert_eq!(package["software_primaryPurpose"], "model");
    let publisher = by_id(&spdx, &package["suppliedBy"]);
    assert_eq!(publisher["name"], "Example Lab");
    let key = format!("sha256:{}", keyid(&lab()));
    assert_eq!(publisher["externalIdentifier"][0]["identifier"], key);
    for document in [&cdx, &spdx] {
        assert_eq!(properties(document, "candor:release"), [RELEASE]);
        // Not the key of who evaluated it.
        assert_eq!(properties(document, "candor:publisher:key"), [&key]);
        assert_eq!(properties(document, "candor:log:origin"), [common::ORIGIN]);
        assert_eq!(properties(document, "candor:log:size"), ["8"]);
    }
}

#[test]
fn values_keep_their_digits_their_error_and_who_said_them() {
    let story = full();
    let bundle = story.verified();
    let release = Release::of(&bundle).expect("a model");
    let cdx = cyclonedx(&release, CycloneDxVersion::V1_7, &made());
    let spdx = spdx3(&story);
    let card = &cdx["metadata"]["component"]["modelCard"];
    let metrics = card["quantitativeAnalysis"]["performanceMetrics"]
        .as_array()
        .expect("a list");
    assert_eq!(metrics.len(), 6);
    assert_eq!(
        metrics[0],
        json!({ "type": "acc", "value": "0.379", "slice": "EleutherAI/lambada_openai, split test" })
    );
    assert_eq!(metrics[1]["value"], "good");
    assert_eq!(
        metrics[2],
        json!({ "type": "acc", "value": "0.3790025228022511", "slice": "lambada_openai, 0-shot" })
    );
    for document in [&cdx, &spdx] {
        let values = properties(document, "candor:metric");
        assert_eq!(values.len(), 6);
        let value: Value = serde_json::from_str(values[2]).expect("JSON");
        assert_eq!(value["author"], "example-evals");
        assert_eq!(value["standardError"], 0.006_758_931_440_268_226);
        assert_eq!(value["samples"], 5153);
        assert_eq!(value["entry"], 5);
    }
    let metrics = element(&spdx, "ai_AIPackage")["ai_metric"]
        .as_array()
        .expect("a list");
    let keys: BTreeSet<_> = metrics.iter().map(|it| it["key"].as_str()).collect();
    assert_eq!(keys.len(), metrics.len(), "each key once");
    let key = "acc, lambada_openai, 0-shot, evaluation by example-evals";
    let value = |key: &str| {
        metrics
            .iter()
            .find(|it| it["key"] == key)
            .map(|it| &it["value"])
    };
    assert_eq!(value(key), Some(&json!("0.3790025228022511")));
    assert_eq!(
        value(&format!("{key}: standard error")),
        Some(&json!("0.006758931440268226"))
    );
    assert_eq!(value(&format!("{key}'")), Some(&json!("0.4")));
}

#[test]
fn evaluations_say_who_assessed_and_what_it_bears_out() {
    let bundle = full().verified();
    let release = Release::of(&bundle).expect("a model");
    let document = cyclonedx(&release, CycloneDxVersion::V1_7, &made());
    let declarations = &document["declarations"];
    assert_eq!(declarations["assessors"][0]["thirdParty"], true);
    assert_eq!(
        declarations["assessors"][0]["organization"]["name"],
        "Example Evaluations"
    );
    let claim = &declarations["claims"][0];
    assert_eq!(claim["bom-ref"], "claim/5");
    assert_eq!(claim["evidence"], json!(["evidence/6"]));
    assert_eq!(claim["counterEvidence"], json!(["evidence/7"]));
    let attestations = declarations["attestations"].as_array().expect("a list");
    assert_eq!(attestations.len(), 3);
    assert!(attestations[0]["map"].is_null());
    assert_eq!(attestations[1]["map"], json!([{ "claims": ["claim/5"] }]));
    assert_eq!(
        attestations[2]["map"],
        json!([{ "counterClaims": ["claim/5"] }])
    );
    let citation = &document["citations"][0];
    assert_eq!(citation["attributedTo"], "publisher/example-evals");
    let pointers = citation["pointers"].as_array().expect("a list");
    assert_eq!(pointers.len(), 4);
    let pointer = pointers[0].as_str().expect("text");
    assert_eq!(
        document.pointer(pointer).expect("it leads there")["value"],
        "0.3790025228022511"
    );
}

#[test]
fn without_citations_no_value_of_others_stands_as_the_publishers_own() {
    let older = cdx(&full());
    assert!(older["citations"].is_null());
    let card = &older["metadata"]["component"]["modelCard"];
    let metrics = card["quantitativeAnalysis"]["performanceMetrics"].as_array();
    let values: Vec<_> = metrics
        .into_iter()
        .flatten()
        .map(|it| &it["value"])
        .collect();
    assert_eq!(values, ["0.379", "good"], "the card's own");
    // The others are there, each with its author, and who assessed is declared.
    let all = properties(&older, "candor:metric").into_iter();
    let all = all.map(|it| serde_json::from_str::<Value>(it).expect("JSON"));
    let authors: Vec<_> = all.map(|it| it["author"].clone()).collect();
    assert_eq!(authors.len(), 6);
    assert!(authors[2..].iter().all(|it| it == "example-evals"));
    assert_eq!(
        older["declarations"]["attestations"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    // Where there is no card, nothing stands for one.
    let mut story = Story::begin();
    story.weights(&manifest(), &json!({}), true);
    story.evaluation(&json!({}));
    let document = cdx(&story);
    assert!(document["metadata"]["component"]["modelCard"].is_null());
    assert_eq!(properties(&document, "candor:metric").len(), 1);
}

#[test]
fn parents_are_those_of_the_weights_record_and_what_the_training_config_names_besides() {
    let mut story = Story::begin();
    let statement = Sha256::of("a record");
    let parent = |relation: &str| {
        json!({ "relation": relation, "release": "meta-ai/opt-125m@1.0.0", "index": 0,
            "statement": statement })
    };
    let parents = json!({ "parents": [parent("adapter-for"), parent("merged-from")] });
    story.weights(&manifest(), &parents, true);
    // It names the first of these, too, by its name alone, and one more.
    story.training(&full_training());
    let [cdx, spdx] = both(&story);
    let ancestors = cdx["metadata"]["component"]["pedigree"]["ancestors"].clone();
    let named: Vec<_> = ancestors
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| (it["name"].as_str(), it["properties"][0]["value"].as_str()))
        .collect();
    assert_eq!(
        named,
        [
            (Some("opt-125m"), Some("adapter-for")),
            (Some("opt-125m"), Some("merged-from")),
            (Some("opt-350m"), Some("distilled-from")),
        ]
    );
    assert_eq!(
        ancestors[0]["properties"][1]["value"],
        format!("sha256:{statement}")
    );
    assert_eq!(cdx["dependencies"][0]["dependsOn"], json!(["parent/1"]));
    assert_eq!(related(&spdx, "descendantOf").len(), 3);
}

#[test]
fn training_names_data_settings_and_parents() {
    let [cdx, spdx] = both(&full());
    let workflow = &cdx["formulation"][0]["workflows"][0];
    assert_eq!(workflow["timeStart"], "2023-02-06T08:15:00Z");
    let inputs = workflow["inputs"].as_array().expect("a list");
    assert_eq!(inputs.len(), 4, "three data sets, and the settings");
    let settings = inputs[3]["parameters"].as_array().expect("a list");
    let rate = json!({ "name": "optimizer.params.lr", "value": "0.00002" });
    assert!(settings.contains(&rate), "{settings:?}");
    let ancestors = cdx["metadata"]["component"]["pedigree"]["ancestors"]
        .as_array()
        .expect("a list");
    let names: Vec<_> = ancestors.iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["opt-125m", "opt-350m", "facebook/opt-125m"]);
    assert_eq!(ancestors[0]["properties"][0]["value"], "adapter-for");
    // Only an adapter needs its parent to run.
    assert_eq!(
        cdx["dependencies"],
        json!([{ "ref": "model", "dependsOn": ["parent/1"] }])
    );

    let data = related(&spdx, "trainedOn");
    let names: Vec<_> = data.iter().map(|id| &by_id(&spdx, id)["name"]).collect();
    assert_eq!(
        names,
        ["Town council minutes 2010-2020", "Transcripts", "The Pile"]
    );
    // What is no address by the RFC is not written as one.
    let transcripts = by_id(&spdx, data[1]);
    assert_eq!(transcripts["software_downloadLocation"], "NOASSERTION");
    assert!(transcripts["extension"].to_string().contains("{all}"));
    assert_eq!(related(&spdx, "testedOn").len(), 1);
    assert_eq!(related(&spdx, "descendantOf").len(), 3);
    let package = element(&spdx, "ai_AIPackage");
    assert_eq!(package["ai_domain"], json!(["text-generation"]));
    assert_eq!(package["ai_limitation"], "Makes up names.");
    assert!(
        package["ai_informationAboutTraining"]
            .as_str()
            .is_some_and(|it| it.contains("metaseq 0.0.1"))
    );
}

#[test]
fn a_licence_is_declared_and_never_concluded() {
    let licensed = |license: Value| {
        let mut story = Story::begin();
        story.card(&license);
        let [cdx, spdx] = both(&story);
        let declared = related(&spdx, "hasDeclaredLicense");
        let concluded = related(&spdx, "hasConcludedLicense");
        assert_eq!((declared.len(), concluded.len()), (1, 1));
        assert!(
            concluded[0]
                .as_str()
                .is_some_and(|it| it.ends_with("/NoAssertionLicense"))
        );
        let id = declared[0].as_str().expect("text");
        let expression = if id.ends_with("/NoAssertionLicense") {
            Value::Null
        } else {
            by_id(&spdx, declared[0])["simplelicensing_licenseExpression"].clone()
        };
        (
            cdx["metadata"]["component"]["licenses"].clone(),
            expression,
            spdx,
        )
    };
    let (cdx, spdx, _) = licensed(json!({ "license": "apache-2.0" }));
    assert_eq!(
        cdx,
        json!([{ "license": { "id": "Apache-2.0", "acknowledgement": "declared" } }])
    );
    assert_eq!(spdx, "Apache-2.0");
    let (cdx, spdx, _) = licensed(json!({ "license": "MIT OR Apache-2.0" }));
    assert_eq!(
        cdx,
        json!([{ "expression": "MIT OR Apache-2.0", "acknowledgement": "declared" }])
    );
    assert_eq!(spdx, "MIT OR Apache-2.0");
    let named =
        json!({ "license": "other", "licenseName": "OPT License", "licenseLink": "a file.md" });
    let (cdx, spdx, document) = licensed(named);
    assert_eq!(
        cdx,
        json!([{ "license": { "name": "OPT License", "acknowledgement": "declared" } }])
    );
    assert_eq!(spdx, "LicenseRef-declared");
    assert_eq!(
        element(&document, "simplelicensing_SimpleLicensingText")["name"],
        "OPT License"
    );
    assert_eq!(
        properties(&document, "candor:card:license:link"),
        ["a file.md"]
    );
    let (cdx, spdx, _) = licensed(json!({}));
    assert_eq!((cdx, spdx), (Value::Null, Value::Null));
}

#[test]
fn what_the_records_do_not_say_is_absent() {
    let [cdx, spdx] = both(&minimal());
    for absent in [
        "components",
        "compositions",
        "dependencies",
        "formulation",
        "declarations",
    ] {
        assert!(cdx[absent].is_null(), "{absent}");
    }
    let model = &cdx["metadata"]["component"];
    for absent in [
        "licenses",
        "modelCard",
        "pedigree",
        "hashes",
        "description",
        "tags",
        "manufacturer",
    ] {
        assert!(model[absent].is_null(), "{absent}");
    }
    let package = element(&spdx, "ai_AIPackage")
        .as_object()
        .expect("an object");
    let fields: Vec<_> = package.keys().collect();
    assert_eq!(
        fields,
        [
            "creationInfo",
            "extension",
            "externalIdentifier",
            "externalRef",
            "name",
            "software_downloadLocation",
            "software_packageVersion",
            "software_primaryPurpose",
            "spdxId",
            "suppliedBy",
            "type"
        ]
    );
    assert!(elements(&spdx, "dataset_DatasetPackage").is_empty());
    for document in [&cdx, &spdx] {
        assert!(properties(document, "candor:withdrawn").is_empty());
        assert!(properties(document, "candor:weights:strength").is_empty());
    }
}

#[test]
fn the_ai_profile_is_claimed_only_with_the_time_of_the_release() {
    let bundle = full().verified();
    let release = Release::of(&bundle).expect("a model");
    let without = spdx(&release, &made());
    let claimed = &element(&without, "SpdxDocument")["profileConformance"];
    assert_eq!(*claimed, json!(["core", "software", "simpleLicensing"]));
    assert!(element(&without, "ai_AIPackage")["releaseTime"].is_null());
    let with = spdx(&release, &well_known());
    let claimed = &element(&with, "SpdxDocument")["profileConformance"];
    assert_eq!(
        *claimed,
        json!(["core", "software", "simpleLicensing", "ai"])
    );
    assert_eq!(
        element(&with, "ai_AIPackage")["releaseTime"],
        "2023-02-07T09:00:00Z"
    );
}

#[test]
fn the_derived_identifier_is_as_the_documentation_says() {
    let bundle = minimal().verified();
    let release = Release::of(&bundle).expect("a model");
    let document = cyclonedx(&release, CycloneDxVersion::V1_6, &made());
    assert_eq!(
        properties(&document, "candor:log:root"),
        ["+6pyaghw3diWNNMx5gXBRCoKwuv02uVj8ZQfSxErzoQ="]
    );
    // Computed by another implementation of version 5, from that root and the card's statement digest.
    let serial = "urn:uuid:91e1f902-0b7f-5f90-83b4-51c4a3f07087";
    assert_eq!(document["serialNumber"], serial);
}

#[test]
fn references_lead_to_the_log_where_its_address_is_known() {
    let bundle = full().verified();
    let release = Release::of(&bundle).expect("a model");
    let document = cyclonedx(&release, CycloneDxVersion::V1_6, &well_known());
    let references = document["metadata"]["component"]["externalReferences"]
        .as_array()
        .expect("a list");
    let of = |kind: &str| -> Vec<_> { references.iter().filter(|it| it["type"] == kind).collect() };
    let records = of("attestation");
    assert_eq!(records.len(), 6);
    assert_eq!(records[0]["url"], "https://log.example.org/records/2");
    let words = records[0]["comment"].as_str().expect("text");
    assert!(
        words
            .starts_with("model-card record, entry 2 of log.example.org/candor, statement sha256:")
    );
    assert!(words.contains(&keyid(&lab()).to_string()));
    let card = Sha256::of(common::CARD).to_string();
    assert_eq!(
        of("model-card")[0]["url"],
        format!("https://log.example.org/api/v1/attachments/{card}")
    );
    assert_eq!(of("model-card")[0]["hashes"][0]["content"], card);
    assert_eq!(of("evidence")[0]["url"], "opt-125m-minutes.candor");
    let spdx = spdx(&release, &well_known());
    let evidence = related(&spdx, "hasEvidence");
    let names: Vec<_> = evidence
        .iter()
        .map(|id| &by_id(&spdx, id)["name"])
        .collect();
    assert_eq!(names, ["opt-125m.json", "opt-125m-minutes.candor"]);
}

#[test]
fn the_same_arguments_give_the_same_document_and_others_another_identifier() {
    let bundle = full().verified();
    let release = Release::of(&bundle).expect("a model");
    let of =
        |made: &Made| cyclonedx(&release, CycloneDxVersion::V1_6, made)["serialNumber"].clone();
    let later = Made::at("2026-11-01T12:00:01Z".parse().expect("a time"));
    let shorter = minimal().verified();
    let shorter = Release::of(&shorter).expect("a model");
    // Each of what a caller can know stands somewhere in a document.
    let with = |know: &dyn Fn(&mut Made)| {
        let mut made = made();
        know(&mut made);
        of(&made)
    };
    let mut serials = vec![
        of(&made()),
        of(&later),
        with(&|it| it.log = well_known().log),
        with(&|it| it.bundle = well_known().bundle),
        with(&|it| it.released = well_known().released),
        cyclonedx(&release, CycloneDxVersion::V1_7, &made())["serialNumber"].clone(),
        cyclonedx(&shorter, CycloneDxVersion::V1_6, &made())["serialNumber"].clone(),
    ];
    assert_eq!(of(&made()), serials[0]);
    assert_eq!(spdx(&release, &made()), spdx(&release, &made()));
    serials.sort_by_key(ToString::to_string);
    serials.dedup();
    assert_eq!(serials.len(), 7);
    let own: Uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
        .parse()
        .expect("a UUID");
    let mut given = made();
    given.serial = Some(own);
    assert_eq!(of(&given), format!("urn:uuid:{own}"));
    let document = spdx(&release, &given);
    assert_eq!(
        element(&document, "SpdxDocument")["spdxId"],
        format!("urn:uuid:{own}#document")
    );
}

#[test]
fn every_name_in_a_document_is_there_once_and_leads_somewhere() {
    fn references(value: &Value, names: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(name) = members.get("bom-ref").and_then(Value::as_str) {
                    names.push(name.to_owned());
                }
                members.values().for_each(|it| references(it, names));
            }
            Value::Array(items) => items.iter().for_each(|it| references(it, names)),
            _ => {}
        }
    }
    for story in [full(), minimal(), weak()] {
        let bundle = story.verified();
        let release = Release::of(&bundle).expect("a model");
        for version in VERSIONS {
            let mut names = Vec::new();
            references(&cyclonedx(&release, version, &made()), &mut names);
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count);
        }
        let document = spdx(&release, &made());
        let graph = document["@graph"].as_array().expect("a graph");
        let ids: Vec<_> = graph
            .iter()
            .filter_map(|it| it["spdxId"].as_str())
            .collect();
        let once: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(once.len(), ids.len());
        for relationship in elements(&document, "Relationship") {
            for to in relationship["to"].as_array().expect("a list") {
                let to = to.as_str().expect("text");
                assert!(
                    once.contains(to) || to.ends_with("/NoAssertionLicense"),
                    "{to}"
                );
            }
        }
        let listed = element(&document, "SpdxDocument")["element"]
            .as_array()
            .map(Vec::len);
        assert_eq!(listed, Some(ids.len() - 1), "all but the document itself");
    }
}

#[test]
fn records_without_a_model_are_refused() {
    let mut story = Story::begin();
    let predicate = json!({
        "provider": "Example Lab",
        "endpoint": "https://api.example.org/v1",
        "modelId": "minutes",
        "behind": "undisclosed",
        "validFrom": "2026-01-01T00:00:00Z",
    });
    let digest = Sha256::of(candor_core::record::to_canonical_json(&predicate));
    story.sign("api-version", RELEASE, digest, &predicate, &lab());
    let bundle = story.verified();
    let error = Release::of(&bundle).expect_err("an API version is no model");
    assert_eq!(
        error.to_string(),
        "there is no card, weights or training config of example-lab/opt-125m-minutes@0.3.0, and so no model to describe; an API version is a service, and has none"
    );
}
