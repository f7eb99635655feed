//! Training configs: settings, broken syntax, and telling them from other files.

use std::path::Path;

use candor_client::sources::{SourceError, SourceKind, detect, training_config};
use candor_core::record::Predicate;
use candor_core::record::kinds::TrainingConfig;
use serde_json::{Value, json};

use super::{one, release, shared};

fn config(file: &str, contents: &[u8]) -> (TrainingConfig, Vec<String>) {
    let (draft, warnings) = one(training_config::draft(file, contents, &release()).expect(file));
    match draft.predicate {
        Predicate::TrainingConfig(config) => (config, warnings),
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_keep_their_names_and_become_json() {
    let yaml = b"learning_rate: 1.0e-8\n\"betas\": [0.9, 0.95]\nstart: 2022-05-03\n1: one\nbig: 12345678901234567890\n\
        large: 1e20\nnan: .nan\ninf: -.inf\nno: no\nzero: 007\nnested: {a: {b: ~}}\nbase: &base {x: 1}\nmore: {<<: *base, y: 2}\n";
    let (config, warnings) = config("train.yaml", yaml);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(
        Value::Object(config.hyperparameters),
        json!({
            "learning_rate": 1e-8, "betas": [0.9, 0.95], "start": "2022-05-03", "1": "one",
            "big": "12345678901234567890", "large": "1e+20", "nan": ".nan", "inf": "-.inf", "no": "no",
            "zero": "007", "nested": { "a": { "b": null } }, "base": { "x": 1 }, "more": { "x": 1, "y": 2 },
        })
    );
    assert_eq!(config.framework, None);
    assert_eq!(config.document.media_type, "application/yaml");
}

#[test]
fn json_configs_are_read_even_if_only_nearly_json() {
    let (strict, warnings) = config(
        "training_args.json",
        br#"{"learning_rate": 5e-05, "seed": 42}"#,
    );
    assert_eq!(
        (strict.document.media_type.as_str(), warnings.len()),
        ("application/json", 0)
    );
    assert_eq!(strict.framework.expect("named").name, "transformers");
    let (loose, warnings) = config(
        "train_config.json",
        b"{\n\t\"lr\": NaN, # why\n\t\"a\": [1,],\n}",
    );
    assert_eq!(
        (loose.document.media_type.as_str(), warnings.len()),
        ("text/plain", 1)
    );
    assert_eq!(loose.hyperparameters["lr"], json!("NaN"));
    for (file, contents) in [
        ("train.json", "[1]"),
        ("train.json", "{"),
        ("train.yml", "- a"),
        ("train.yml", ""),
        ("train.yml", "\u{0}"),
    ] {
        let result = training_config::draft(file, contents.as_bytes(), &release());
        let error = result.expect_err(contents);
        assert!(error.to_string().starts_with(file), "{error}");
    }
    let deep = format!("{{\"lr\": {}{}}}", "[".repeat(30), "]".repeat(30));
    let error =
        training_config::draft("train.json", deep.as_bytes(), &release()).expect_err("too deep");
    assert!(matches!(error, SourceError::YamlLimit { .. }), "{error}");
}

#[test]
fn a_config_with_broken_syntax_is_a_document_without_settings() {
    for (file, contents, line) in [
        (
            "train.yml",
            "{\n  \"pipe-parallel-size\": 1\n  \"lr\": 2\n}\n",
            "line 3",
        ),
        ("train.yml", "pipe_parallel_size: 1\nlr: [\n", "line 2"),
        (
            "train.json",
            "{\"pipe-parallel-size\": 1,\n \"lr\": 2, \"lr\": 3}",
            "line 2",
        ),
    ] {
        assert!(training_config::is_training_config(
            file,
            contents.as_bytes()
        ));
        let (config, warnings) = config(file, contents.as_bytes());
        assert!(config.hyperparameters.is_empty());
        assert_eq!(config.document.media_type, "text/plain");
        assert_eq!(
            config.framework.expect("its settings are named").name,
            "gpt-neox"
        );
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(line), "{warnings:?}");
    }
}

#[test]
fn settings_that_are_too_many_become_those_that_fit() {
    let list = vec!["0.123456789"; 5_000].join(", ");
    let (config, warnings) =
        self::config("train.yml", format!("lr: 0.1\nlist: [{list}]\n").as_bytes());
    assert_eq!(Value::Object(config.hyperparameters), json!({ "lr": 0.1 }));
    assert_eq!(warnings.len(), 1);
    let text = "x".repeat(60_000);
    let (config, warnings) =
        self::config("train.yml", format!("lr: 0.1\ntext: {text}\n").as_bytes());
    assert!(config.hyperparameters.is_empty());
    assert_eq!(warnings.len(), 2);
    let many: Vec<_> = (0..1_100).map(|n| format!("k{n}: 1")).collect();
    let many = many.join("\n");
    assert_eq!(
        self::config("train.yml", many.as_bytes())
            .0
            .hyperparameters
            .len(),
        1_024
    );
    let (config, warnings) = self::config(
        "train.yml",
        format!("lr: 1\n{}: 2\n\"\": 3\n", "k".repeat(129)).as_bytes(),
    );
    assert_eq!((config.hyperparameters.len(), warnings.len()), (1, 2));
}

#[test]
fn training_configs_are_told_from_a_models_own_configs() {
    for (path, contents) in [
        ("training_config.json", "{}"),
        ("sub/train_config.yaml", "a: 1"),
        ("training_args.json", "{}"),
        ("my-train.yml", "a: 1"),
        ("pretrain_125m.yaml", "a: 1"),
        ("training/anything.json", "{}"),
        ("opt.json", r#"{"learning_rate": 1}"#),
        ("opt.yml", "{ \"train-iters\": 143000, }"),
        ("opt.yaml", "optim:\n  lr: 1\n"),
    ] {
        assert!(
            training_config::is_training_config(path, contents.as_bytes()),
            "{path}"
        );
    }
    for (path, contents) in [
        ("config.json", r#"{"learning_rate": 1}"#),
        ("training/config.json", "{}"),
        ("tokenizer_config.json", r#"{"lr": 1}"#),
        ("model.safetensors.index.json", r#"{"lr": 1}"#),
        ("data_config.json", "[]"),
        ("trainer_state.json", r#"{"train_batch_size": 8}"#),
        ("constrained.yml", "a: 1"),
        ("docker-compose.yml", "services: {}"),
        ("train.py", "lr = 1"),
        (
            "results.json",
            r#"{"results": {"a": {"acc": 1}}, "config": {"lr": 1}}"#,
        ),
        ("record.json", r#"{"_type": "x", "lr": 1}"#),
        ("training", "lr: 1"),
        ("broken.yml", "services: ["),
    ] {
        assert!(
            !training_config::is_training_config(path, contents.as_bytes()),
            "{path}"
        );
    }
}

#[test]
fn the_configs_of_pythia_become_records() {
    for (model, layers) in [("70m", 6), ("6.9b", 32), ("12b", 0)] {
        let file = format!("pythia/configs/pythia-{model}.yml");
        let Some(contents) = shared(&file) else {
            return;
        };
        assert_eq!(
            detect(Path::new(&file), &contents).expect("known"),
            SourceKind::TrainingConfig
        );
        let (config, warnings) = config(&file, &contents);
        assert_eq!(
            config.framework.expect("NeoX has settings of its own").name,
            "gpt-neox"
        );
        assert_eq!(config.document.name, format!("pythia-{model}.yml"));
        if model == "12b" {
            // It was published with a comma missing.
            assert!(warnings[0].contains("line 21"), "{warnings:?}");
            assert!(config.hyperparameters.is_empty());
            continue;
        }
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(config.hyperparameters["num-layers"], json!(layers));
        assert_eq!(config.hyperparameters["train-iters"], json!(143_000));
        assert_eq!(
            config.hyperparameters["optimizer"]["params"]["eps"],
            json!(1e-8)
        );
    }
}
