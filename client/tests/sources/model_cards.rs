//! Model cards: front matter, sections, and what is made to break them.

use std::fmt::Write as _;

use candor_client::sources::{SourceError, model_card};
use candor_core::Sha256;
use candor_core::record::Predicate;
use candor_core::record::kinds::ModelCard;
use serde_json::json;

use super::{one, release, shared};

fn card(document: &str) -> (ModelCard, Vec<String>) {
    let drafts = model_card::draft("README.md", document.as_bytes(), &release()).expect(document);
    let (draft, warnings) = one(drafts);
    match draft.predicate {
        Predicate::ModelCard(card) => (card, warnings),
        other => panic!("{other:?}"),
    }
}

fn card_error(document: &str) -> SourceError {
    model_card::draft("README.md", document.as_bytes(), &release()).expect_err("refused")
}

#[test]
fn front_matter_fills_the_card() {
    let document = "---\nlicense: other\nlicense_name: opt\nlicense_link: LICENSE.md\nlanguage: [en, no]\n\
        tags:\n- pytorch\n- text-generation\ndatasets: the_pile\nbase_model: facebook/opt-125m\n\
        base_model_relation: finetune\npipeline_tag: text-generation\nlibrary_name: transformers\n\
        model-index:\n- name: x\n  results:\n  - task: {type: text-generation, name: Text}\n    \
        dataset: {type: lambada, name: LAMBADA, split: test}\n    metrics:\n    - {type: acc, value: 0.379}\n    \
        - {type: note, value: good}\n    source: {name: eval, url: https://example.org/x}\n---\n# OPT\n\n\
        ## Intended uses & limitations\n\nFor **research**.\n\n## Evaluation\n\nSee [the paper](https://a.b).\n";
    let (card, warnings) = card(document);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(card.license.as_deref(), Some("other"));
    assert_eq!(card.license_name.as_deref(), Some("opt"));
    assert_eq!(card.license_link.as_deref(), Some("LICENSE.md"));
    // The code for Norwegian, which YAML 1.1 takes for false.
    assert_eq!(card.languages, ["en", "no"]);
    assert_eq!(card.tags, ["pytorch", "text-generation"]);
    assert_eq!(card.datasets, ["the_pile"]);
    assert_eq!(card.base_models[0].name, "facebook/opt-125m");
    assert_eq!(card.base_models[0].relation.as_deref(), Some("finetune"));
    assert_eq!(card.results[0].metrics[0].value, json!(0.379));
    assert_eq!(card.results[0].metrics[1].value, json!("good"));
    assert_eq!(card.results[0].dataset.split.as_deref(), Some("test"));
    assert_eq!(
        card.results[0]
            .source
            .as_ref()
            .and_then(|s| s.url.as_deref()),
        Some("https://example.org/x")
    );
    assert_eq!(card.intended_use.as_deref(), Some("For research."));
    assert_eq!(card.limitations.as_deref(), Some("For research."));
    assert_eq!(card.evaluation_summary.as_deref(), Some("See the paper."));
    assert_eq!(card.document.media_type, "text/markdown");
    assert_eq!(card.document.digest.sha256, Sha256::of(document));
}

#[test]
fn a_card_without_front_matter_is_a_card() {
    for document in [
        "# Model\n",
        "",
        "---\n---\n# Model",
        "\u{feff}---\nlicense:\n---\n",
        "--- x\n---\n",
    ] {
        let (card, warnings) = card(document);
        assert_eq!((card.license, warnings), (None, Vec::new()), "{document:?}");
    }
    for document in [
        "---\nlicense: mit\n# Model",
        "---\njust text\n---\n",
        "---\n- a\n---\n",
    ] {
        let (card, warnings) = card(document);
        assert_eq!((card.license, warnings.len()), (None, 1), "{document:?}");
    }
    assert_eq!(
        card("\u{feff}---\r\nlicense: mit\r\n---\r\n")
            .0
            .license
            .as_deref(),
        Some("mit")
    );
}

#[test]
fn fields_that_do_not_fit_are_left_out_by_name_and_the_others_stay() {
    let long = "x".repeat(2_000);
    let document = format!(
        "---\nlicense: [mit, apache-2.0]\nlicense_name: {long}\nlanguage: \"e\\u0007n\"\npipeline_tag: \"a\\u202eb\"\n\
         library_name: 3\ntags: [good, {long}, {long}, 7, fine]\nbase_model: a/b\nbase_model_relation: cousin\n\
         datasets: {{a: b}}\nmodel-index:\n- results:\n  - task: {{type: t}}\n    dataset: {{type: d, name: {long}}}\n    \
         metrics: [{{type: acc, value: 1}}]\n    source: {{url: ftp://x}}\n  - task: {{type: {long}}}\n    \
         dataset: {{type: d}}\n    metrics: [{{type: acc, value: 2}}]\n  - dataset: {{type: d}}\n  - nonsense\n  \
         - task: {{type: t}}\n    dataset: {{type: d}}\n    metrics: [{{type: acc}}, {{value: 3}}]\n---\n"
    );
    let (card, warnings) = card(&document);
    assert_eq!((card.license, card.license_name), (None, None));
    assert_eq!((card.pipeline_tag, card.library_name), (None, None));
    assert!(card.languages.is_empty() && card.datasets.is_empty());
    assert_eq!(card.tags, ["good", "fine"]);
    assert_eq!(card.base_models[0].relation, None);
    assert_eq!(card.results.len(), 1);
    assert_eq!(card.results[0].metrics[0].value, json!(1));
    assert_eq!(
        (&card.results[0].source, &card.results[0].dataset.name),
        (&None, &None)
    );
    for place in [
        "license:",
        "licenseName:",
        "out of languages:",
        "pipelineTag",
        "library_name",
        "out of tags:",
        "tags/3",
        "base_model_relation",
        "datasets",
        "out of results/source/url",
        "out of results/task/type",
        "model-index/0/results/2/task/type",
        "model-index/0/results/3/task/type",
        "model-index/0/results/4/metrics/0/value",
        "model-index/0/results/4/metrics/1/type",
    ] {
        assert!(
            warnings
                .iter()
                .any(|w| w.starts_with("README.md: ") && w.contains(place)),
            "{place}: {warnings:#?}"
        );
    }
    assert!(warnings.iter().all(|w| w.len() < 600), "{warnings:#?}");
}

#[test]
fn what_is_left_out_of_a_list_does_not_take_its_neighbours_along() {
    let long = "x".repeat(200);
    let (card, warnings) = card(&format!(
        "---\ntags: [a, {long}, {long}, b, {long}, c]\n---\n"
    ));
    assert_eq!(card.tags, ["a", "b", "c"]);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
}

#[test]
fn front_matter_made_to_exhaust_the_reader_is_refused() {
    let mut bomb = "---\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(bomb, "a{n}: &a{n} [{aliases}]").expect("a String takes any text");
    }
    bomb += "---\n";
    let short: Vec<_> = bomb.lines().take(6).chain(["---"]).collect();
    let error = card_error(&short.join("\n"));
    assert!(matches!(error, SourceError::YamlLimit { .. }), "{error}");
    assert!(matches!(card_error(&bomb), SourceError::YamlLimit { .. }));
    let deep = format!(
        "---\ntags: {}{}\n---\n",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    assert!(matches!(
        card_error(&deep),
        SourceError::YamlLimit { .. } | SourceError::Yaml { .. }
    ));
    let large = format!("---\ntags: [{}]\n---\n", "tag, ".repeat(60_000));
    let error = card_error(&large);
    assert!(
        matches!(
            error,
            SourceError::TooLarge {
                bytes_max: 262_144,
                ..
            }
        ),
        "{error}"
    );
    for broken in [
        "---\na: [\n---\n",
        "---\na: b\na: c\n---\n",
        "---\na: *none\n---\n",
        "---\na: &a [*a]\n---\n",
    ] {
        let error = card_error(broken);
        let text = error.to_string();
        assert!(text.starts_with("README.md: the front matter "), "{text}");
        assert!(!error.hint().is_empty());
    }
    let error = model_card::draft("README.md", b"a\xff", &release()).expect_err("not UTF-8");
    assert!(matches!(error, SourceError::NotUtf8 { valid_up_to: 1, .. }));
}

#[test]
fn a_card_that_says_too_much_for_an_entry_keeps_what_matters() {
    let result = "  - task: {type: text-generation}\n    dataset: {type: d, name: a data set with a rather long name}\n    \
                  metrics:\n    - {type: accuracy, value: 0.123456789}\n";
    let document = format!(
        "---\nlicense: mit\nlanguage: [{}]\nmodel-index:\n- results:\n{}---\n",
        "en, ".repeat(700),
        result.repeat(250)
    );
    let (card, warnings) = card(&document);
    assert_eq!(card.license.as_deref(), Some("mit"));
    assert!(card.languages.is_empty());
    assert!(
        warnings.iter().any(|w| w.contains("languages")),
        "{warnings:?}"
    );
    let many = format!(
        "---\nlicense: mit\ntags: [{}]\nmodel-index:\n- results:\n{}---\n",
        vec!["x".repeat(120); 200].join(", "),
        result.repeat(240)
    );
    let (card, warnings) = self::card(&many);
    assert!(
        card.results.is_empty() && card.tags.len() == 200,
        "{warnings:?}"
    );
    assert!(warnings[0].contains("left out results"), "{warnings:?}");
}

#[test]
fn the_card_of_opt_becomes_a_record() {
    let Some(document) = shared("opt/model_card.md") else {
        return;
    };
    let drafts = model_card::draft("model_card.md", &document, &release()).expect("a card");
    let (draft, warnings) = one(drafts);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(draft.sha256, Sha256::of(&document));
    assert_eq!(draft.attachments[0].descriptor.name, "model_card.md");
    for other in [
        "opt/data_card.md",
        "opt/README.md",
        "opt/chronicles/final_update.md",
    ] {
        let document = shared(other).expect("it is beside the card");
        one(model_card::draft(other, &document, &release()).expect(other));
    }
}
