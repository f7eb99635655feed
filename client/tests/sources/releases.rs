//! A folder as a release, and what a draft checks of itself.

use std::path::Path;

use candor_client::hashing::Options;
use candor_client::sources::{ReleaseDrafts, SourceError, model_card, release_drafts};
use candor_core::record::kinds::Strength;
use candor_core::record::{Kind, Predicate, SubjectName, Version};
use serde_json::json;
use tempfile::TempDir;

use super::{bundle_of, folder, one, release};

fn drafts_of(folder: &TempDir, config: Option<&Path>) -> Result<ReleaseDrafts, SourceError> {
    let drafts = release_drafts(
        folder.path(),
        &release(),
        config,
        Options::default(),
        &mut |_| {},
    )?;
    for draft in &drafts.drafts {
        draft.check().expect("the log would take it");
    }
    Ok(drafts)
}

/// A safetensors file with one tensor of these element type and shape.
fn safetensors(dtype: &str, shape: &[usize], bytes: usize) -> Vec<u8> {
    let tensor = json!({ "dtype": dtype, "shape": shape, "data_offsets": [0, bytes] });
    let header = json!({ "__metadata__": { "format": "pt" }, "weight": tensor, }).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + bytes, 7);
    file
}

#[test]
fn a_folder_becomes_weights_card_and_config() {
    let tensors = safetensors("F16", &[3, 5], 30);
    let bundle = bundle_of(&release());
    let folder = folder(&[
        ("ReadMe.md", b"---\nlicense: mit\n---\n# Uses\nMany.\n"),
        ("config.json", b"{\"learning_rate\": 1}"),
        ("train.yml", b"lr: 0.1\n"),
        ("model.safetensors", &tensors),
        ("this.candor", &bundle),
    ]);
    let drafts = drafts_of(&folder, None).expect("a release");
    let kinds: Vec<_> = drafts
        .drafts
        .iter()
        .map(|draft| draft.predicate.kind())
        .collect();
    assert_eq!(
        kinds,
        [Kind::Weights, Kind::ModelCard, Kind::TrainingConfig]
    );
    assert_eq!(
        (drafts.ignored, drafts.warnings),
        (vec!["this.candor".to_owned()], Vec::new())
    );
    assert_eq!(drafts.manifest.files().len(), 4);
    let Predicate::Weights(weights) = &drafts.drafts[0].predicate else {
        panic!("weights come first")
    };
    assert_eq!(
        (weights.format.as_deref(), weights.parameters),
        (Some("safetensors"), Some(15))
    );
    assert_eq!(weights.strength, Strength::Strong);
    assert_eq!(drafts.drafts[0].subject, SubjectName::Release(release()));
}

#[test]
fn several_configs_ask_for_a_choice() {
    let folder = folder(&[("a/train.yml", b"lr: 1"), ("b/train.yml", b"lr: 2")]);
    let error = drafts_of(&folder, None).expect_err("which?");
    assert!(
        error.to_string().contains("a/train.yml, b/train.yml"),
        "{error}"
    );
    assert!(error.hint().contains("--config FILE"));
    let drafts = drafts_of(&folder, Some(&folder.path().join("b/train.yml"))).expect("chosen");
    let Predicate::TrainingConfig(config) = &drafts.drafts[1].predicate else {
        panic!("a config")
    };
    assert_eq!(config.hyperparameters["lr"], json!(2));
    assert!(
        drafts.warnings[0].contains("no README.md"),
        "{:?}",
        drafts.warnings
    );
    let missing = folder.path().join("c.yml");
    assert!(
        matches!(drafts_of(&folder, Some(&missing)), Err(SourceError::Io { path, .. }) if path == missing)
    );
}

#[test]
fn a_release_without_card_and_config_is_a_release() {
    let folder = folder(&[("model.onnx", b"x"), ("sub/README.md", b"# not the card")]);
    let drafts = drafts_of(&folder, None).expect("a release");
    assert_eq!((drafts.drafts.len(), drafts.warnings.len()), (1, 2));
}

#[test]
fn parameters_are_counted_only_where_there_is_no_doubt() {
    let parameters = |files: &[(&str, &[u8])]| {
        let drafts = drafts_of(&folder(files), None).expect("a release");
        match &drafts.drafts[0].predicate {
            Predicate::Weights(weights) => weights.parameters,
            other => panic!("{other:?}"),
        }
    };
    let good = safetensors("F32", &[2, 3], 24);
    assert_eq!(parameters(&[("m.safetensors", &good)]), Some(6));
    let mut longer = good.clone();
    longer.push(0);
    let mut endless = good.clone();
    endless[7] = 0x7f;
    let no_json = [3, 0, 0, 0, 0, 0, 0, 0, b'{', b'{', b'{'];
    for files in [
        vec![("m.safetensors", &longer[..])],
        vec![("m.safetensors", &endless[..])],
        vec![("m.safetensors", &no_json[..])],
        vec![("m.safetensors", &good[..20])],
        vec![("m.safetensors", b"")],
        vec![("m.safetensors", &safetensors("U8", &[24], 24)[..])],
        vec![(
            "m.safetensors",
            &safetensors("F32", &[usize::MAX, usize::MAX], 24)[..],
        )],
        vec![("a.safetensors", &good[..]), ("b.safetensors", &good[..])],
        vec![
            ("unet/m.safetensors", &good[..]),
            ("vae/m.safetensors", &safetensors("F16", &[2], 4)[..]),
        ],
        vec![("m.safetensors", &good[..]), ("adapter_config.json", b"{}")],
        vec![("model.bin", b"x")],
    ] {
        assert_eq!(
            parameters(&files),
            None,
            "{:?}",
            files.iter().map(|f| f.0).collect::<Vec<_>>()
        );
    }
}

#[test]
fn an_entry_that_would_be_too_large_is_refused_before_it_is_signed() {
    let (mut draft, _) = one(model_card::draft("README.md", b"# x", &release()).expect("a card"));
    let Predicate::ModelCard(card) = &mut draft.predicate else {
        panic!("a card")
    };
    card.annotations
        .insert("long".to_owned(), json!("x".repeat(50_000)));
    let error = draft.check().expect_err("too large");
    assert!(
        matches!(
            error,
            SourceError::EntryTooLarge {
                bytes_max: 65_535,
                ..
            }
        ),
        "{error}"
    );
    let Predicate::ModelCard(card) = &mut draft.predicate else {
        panic!("a card")
    };
    card.annotations.clear();
    card.license = Some(String::new());
    let error = draft.check().expect_err("an empty licence");
    assert!(
        error.context()[0].starts_with("/predicate/license: "),
        "{error:?}"
    );
    assert!(!error.to_string().contains("/predicate"), "{error}");
    let version: Version = "1.0.0".parse().expect("a version");
    assert_eq!(release().version(), &version);
    let (mut draft, _) = one(model_card::draft("README.md", b"# x", &release()).expect("a card"));
    draft.attachments[0].bytes.push(b'!');
    assert!(matches!(
        draft.check(),
        Err(SourceError::AttachmentMismatch { .. })
    ));
    draft.attachments.clear();
    assert!(matches!(
        draft.check(),
        Err(SourceError::AttachmentMissing { .. })
    ));
}

#[test]
fn what_is_said_of_files_is_said_of_what_was_hashed() {
    let tensors = safetensors("F16", &[3, 5], 30);
    let folder = folder(&[
        ("a.yml", b"lr: 1\n"),
        ("m.safetensors", &tensors),
        ("z", b"the last one"),
    ]);
    let config = folder.path().join("a.yml");
    // As soon as the last file is hashed, others take their places.
    let swap = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("written");
    };
    let drafts = release_drafts(
        folder.path(),
        &release(),
        None,
        Options::default(),
        &mut |progress| {
            if progress.bytes == progress.bytes_total {
                swap("m.safetensors", &safetensors("F16", &[5, 3, 1], 30));
            }
        },
    );
    let drafts = drafts.expect("the header was read with the digest").drafts;
    assert!(
        matches!(&drafts[0].predicate, Predicate::Weights(it) if it.parameters == Some(15)),
        "{drafts:?}"
    );
    let error = release_drafts(
        folder.path(),
        &release(),
        Some(&config),
        Options::default(),
        &mut |progress| {
            if progress.bytes == progress.bytes_total {
                swap("a.yml", b"lr: 2\n");
            }
        },
    )
    .expect_err("another config than the manifest lists");
    assert!(
        matches!(&error, SourceError::Changed { path } if path.ends_with("a.yml")),
        "{error}"
    );
}

#[test]
fn files_that_are_not_what_their_names_say_are_named() {
    let warnings = |name: &str, bytes: &[u8]| {
        let folder = folder(&[
            (name, bytes),
            ("README.md", b"---\nlicense: mit\n---\n"),
            ("train.yml", b"lr: 1\n"),
        ]);
        drafts_of(&folder, None).expect("a release").warnings
    };
    let tensors = safetensors("I8", &[3], 3);
    for (name, bytes) in [
        ("m.safetensors", &tensors[..]),
        ("m.gguf", b"GGUF\x03\0\0\0"),
        ("m.bin", b"anything"),
    ] {
        assert_eq!(warnings(name, bytes), [""; 0], "{name}");
    }
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n";
    for (name, bytes, words) in [
        (
            "m.safetensors",
            &b"see https://example.org"[..],
            "has no header",
        ),
        ("m.safetensors", b"", "has no header"),
        (
            "m.safetensors",
            &tensors[..tensors.len() - 1],
            "by its own header",
        ),
        ("m.safetensors", pointer, "a Git LFS pointer"),
        ("m.bin", pointer, "a Git LFS pointer"),
        ("m.GGUF", b"GG", "does not begin as a GGUF file"),
    ] {
        let warnings = warnings(name, bytes);
        assert!(
            warnings.len() == 1 && warnings[0].contains(words) && warnings[0].starts_with(name),
            "{name}: {warnings:?}"
        );
    }
}
