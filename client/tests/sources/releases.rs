//! A folder as a release, and what a draft checks of itself.

use std::path::Path;

use candor_client::hashing::Options;
use candor_client::sources::{
    ReleaseDrafts, ReleaseFolder, SourceError, model_card, release_drafts,
};
use candor_core::record::kinds::Strength;
use candor_core::record::{Kind, Predicate, SubjectName, Version};
use candor_core::weights::FilePath;
use serde_json::json;
use tempfile::TempDir;

use super::{bundle_of, folder, one, release};

fn drafts_of(folder: &TempDir, config: Option<&Path>) -> Result<ReleaseDrafts, SourceError> {
    let of = ReleaseFolder {
        folder: folder.path(),
        release: &release(),
        config,
        as_bytes: &[],
        from_pointers: false,
        source: None,
    };
    let drafts = release_drafts(of, Options::default(), &mut |_| {})?;
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
    let folder = folder(&[("model.bin", b"x"), ("sub/README.md", b"# not the card")]);
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
    for files in [
        vec![("m.safetensors", &safetensors("U8", &[24], 24)[..])],
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
    let name = release();
    let mut of = ReleaseFolder {
        folder: folder.path(),
        release: &name,
        config: None,
        as_bytes: &[],
        from_pointers: false,
        source: None,
    };
    let drafts = release_drafts(of, Options::default(), &mut |progress| {
        if progress.bytes == progress.bytes_total {
            swap("m.safetensors", &safetensors("F16", &[5, 3, 1], 30));
        }
    });
    let drafts = drafts.expect("the header was read with the digest").drafts;
    assert!(
        matches!(&drafts[0].predicate, Predicate::Weights(it) if it.parameters == Some(15)),
        "{drafts:?}"
    );
    of.config = Some(&config);
    let error = release_drafts(of, Options::default(), &mut |progress| {
        if progress.bytes == progress.bytes_total {
            swap("a.yml", b"lr: 2\n");
        }
    })
    .expect_err("another config than the manifest lists");
    assert!(
        matches!(&error, SourceError::Changed { path } if path.ends_with("a.yml")),
        "{error}"
    );
}

/// A release of one file, beside what every release should have.
fn of_one(
    name: &str,
    bytes: &[u8],
    as_bytes: &[FilePath],
) -> Result<(Vec<String>, bool), SourceError> {
    let folder = folder(&[
        (name, bytes),
        ("README.md", b"---\nlicense: mit\n---\n"),
        ("train.yml", b"lr: 1\n"),
    ]);
    let of = ReleaseFolder {
        folder: folder.path(),
        release: &release(),
        config: None,
        as_bytes,
        from_pointers: false,
        source: None,
    };
    let drafts = release_drafts(of, Options::default(), &mut |_| {})?;
    let has_tensors = drafts.drafts.iter().any(|draft| {
        draft.check().expect("the log would take it");
        matches!(&draft.predicate, Predicate::Weights(it) if it.tensors.is_some())
    });
    Ok((drafts.warnings, has_tensors))
}

#[test]
fn files_that_are_not_what_their_names_say_are_refused() {
    let tensors = safetensors("I8", &[3], 3);
    let mut longer = tensors.clone();
    longer.push(0);
    let mut endless = tensors.clone();
    endless[7] = 0x7f;
    let empty_gguf = [&b"GGUF\x03\0\0\0"[..], &[0; 16]].concat();
    for (name, bytes, has_tensors) in [
        ("m.safetensors", &tensors[..], true),
        ("m.gguf", &empty_gguf[..], false),
        ("m.bin", b"anything", false),
    ] {
        let found = of_one(name, bytes, &[]).expect("a release");
        assert_eq!(found, (Vec::new(), has_tensors), "{name}");
    }
    for (name, bytes, words) in [
        ("m.safetensors", &b"see elsewhere"[..], "does not begin as"),
        ("m.safetensors", b"", "would end at byte 8"),
        ("m.safetensors", &tensors[..tensors.len() - 1], "of 2"),
        ("m.safetensors", &longer, "should end at byte"),
        ("m.safetensors", &endless, "its header says to have"),
        (
            "m.safetensors",
            &[3, 0, 0, 0, 0, 0, 0, 0, b'{', b'{', b'{'],
            "its header",
        ),
        (
            "m.safetensors",
            &safetensors("F32", &[usize::MAX, usize::MAX], 24),
            "are not what",
        ),
        ("m.GGUF", b"GG", "would end at byte 4"),
    ] {
        let error = of_one(name, bytes, &[]).expect_err(words);
        assert!(
            matches!(&error, SourceError::Contents { file, .. } if file.as_str() == name),
            "{name}: {error:?}"
        );
        let said = error.to_string();
        assert!(said.contains(words) && said.starts_with(name), "{said}");
        let found = of_one(name, bytes, &[name.parse().expect("a path")]).expect("as bytes");
        assert_eq!(found, (Vec::new(), false), "{name}");
    }
    let error = of_one("m.bin", b"", &["n.bin".parse().expect("a path")]);
    let error = error.expect_err("a slip of the pen");
    assert!(
        matches!(&error, SourceError::NoSuchFile { file, .. } if file.as_str() == "n.bin"),
        "{error}"
    );
}

#[test]
fn what_may_be_right_and_looks_wrong_is_named() {
    for (name, bytes, words) in [
        (
            "m.bin",
            &b"\x80\x02cos\nsystem\n(S'true'\ntR."[..],
            "who loads it runs os.system",
        ),
        (
            "m.pkl",
            b"\x80\x02cos\nsystem\n(S'true'\ntR\xff",
            "who loads it runs os.system, which can do anything; it may run more than could be checked: byte",
        ),
        (
            "m.pickle",
            b"\x80\x02cmylib\nNet\ncos\nsystem\n0.",
            "runs os.system, which can do anything; it imports mylib.Net, which weights don't need",
        ),
        (
            "m.joblib",
            b"\x80\x02Np99999999999999999999\n0cos\nsystem\n.",
            "it may run more than could be checked: its pickle is not followed behind byte 3",
        ),
        (
            "m.pk",
            b"\x80\x02cnumpy\ndtype\n.",
            "not listed as tensors: the file is no archive but a pickle",
        ),
        ("m.pt.tar", b"\x80\x06N.", "of version 6 of pickles"),
        ("m.h5", b"x", "does not begin as an HDF5 file"),
        (
            "m.safetensors",
            &safetensors("F3", &[8], 3),
            "are not listed",
        ),
    ] {
        let (warnings, has_tensors) = of_one(name, bytes, &[]).expect("a release");
        assert!(
            warnings.len() == 1 && warnings[0].contains(words) && warnings[0].starts_with(name),
            "{name}: {warnings:?}"
        );
        assert!(!has_tensors, "{name}");
    }
}

#[test]
fn the_same_tensors_have_the_same_root_in_whatever_files_they_are() {
    let file = |tensors: &[(&str, [u8; 2])]| {
        let mut header = serde_json::Map::new();
        for (n, (name, _)) in tensors.iter().enumerate() {
            let offsets = [2 * n, 2 * n + 2];
            let tensor = json!({ "dtype": "U8", "shape": [2], "data_offsets": offsets });
            header.insert((*name).to_owned(), tensor);
        }
        let header = serde_json::Value::from(header).to_string();
        let data = tensors.iter().flat_map(|(_, data)| *data);
        let length = (header.len() as u64).to_le_bytes();
        let bytes = length.into_iter().chain(header.into_bytes()).chain(data);
        bytes.collect::<Vec<u8>>()
    };
    let tensors = |files: &[(&str, &[u8])]| {
        let drafts = drafts_of(&folder(files), None).expect("a release");
        match &drafts.drafts[0].predicate {
            Predicate::Weights(weights) => weights.tensors.clone().expect("tensors"),
            other => panic!("{other:?}"),
        }
    };
    let (a, b, c) = (("a", [1, 2]), ("b", [3, 4]), ("c", [1, 2]));
    let one = tensors(&[("m.safetensors", &file(&[a, b, c]))]);
    let two = tensors(&[
        ("m-1.safetensors", &file(&[c, b])),
        ("m-2.safetensors", &file(&[a])),
    ]);
    assert_eq!((one.count, one.root), (3, two.root));
    assert_ne!(one.list, two.list, "the places are others");
    let twice = tensors(&[
        ("m-1.safetensors", &file(&[a, b, c])),
        ("m-2.safetensors", &file(&[a])),
    ]);
    assert_eq!((twice.count, twice.root), (3, one.root));
    for other in [
        file(&[a, b]),
        file(&[a, b, ("c", [2, 1])]),
        file(&[a, b, ("d", [1, 2])]),
    ] {
        assert_ne!(tensors(&[("m.safetensors", &other)]).root, one.root);
    }
}

/// A message of protobuf's encoding: its number as a field, its length, its bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("short messages only");
    assert!(length < 128, "longer ones have a longer length");
    [&[number << 3 | 2, length], bytes].concat()
}

/// An ONNX model with one tensor of these bytes, which are in another file.
fn onnx(location: &str, offset: usize, length: usize) -> Vec<u8> {
    let entry = |key: &str, value: &str| {
        let entry = [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
        field(13, &entry)
    };
    let tensor = [
        // One dimension, of UINT8.
        vec![1 << 3, u8::try_from(length).expect("few"), 2 << 3, 2],
        field(8, b"weight"),
        entry("location", location),
        entry("offset", &offset.to_string()),
        entry("length", &length.to_string()),
        // EXTERNAL.
        vec![14 << 3, 1],
    ]
    .concat();
    [vec![1 << 3, 10], field(7, &field(5, &tensor))].concat()
}

#[test]
fn a_tensor_may_be_in_another_file_than_the_one_that_tells_of_it() {
    let tensors = safetensors("U8", &[3], 3);
    let data = tensors.len() - 3;
    let root = |files: &[(&str, &[u8])]| {
        let drafts = drafts_of(&folder(files), None)?;
        match &drafts.drafts[0].predicate {
            Predicate::Weights(weights) => Ok(weights.tensors.clone().map(|it| it.root)),
            other => panic!("{other:?}"),
        }
    };
    let alone = root(&[("m.safetensors", &tensors)]).expect("a release");
    let model = onnx("data/m.bin", data, 3);
    let both = root(&[("m/model.onnx", &model), ("m/data/m.bin", &tensors)]);
    assert_eq!(both.expect("a release"), alone, "the same tensor");
    for (files, words) in [
        (
            vec![("m/model.onnx", &model)],
            "m/data/m.bin, which is not there",
        ),
        (
            vec![("m/model.onnx", &model), ("data/m.bin", &tensors)],
            "m/data/m.bin, which is not there",
        ),
        (
            vec![("model.onnx", &onnx("m.bin", data, 4)), ("m.bin", &tensors)],
            "behind its end",
        ),
        (
            vec![
                ("a/model.onnx", &onnx("../m.bin", data, 3)),
                ("m.bin", &tensors),
            ],
            "leaves the folder",
        ),
    ] {
        let files: Vec<_> = files.iter().map(|(at, it)| (*at, it.as_slice())).collect();
        let error = root(&files).expect_err(words);
        assert!(
            matches!(&error, SourceError::Contents { file, .. } if file.as_str().ends_with("model.onnx")),
            "{error:?}"
        );
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn of_many_odd_files_some_are_named_and_the_dangerous_ones_always() {
    let names: Vec<_> = (0..60).map(|n| format!("{n:02}.pkl")).collect();
    let odd = names
        .iter()
        .map(|name| (name.as_str(), &b"csome\nthing\n."[..]));
    let dangerous = ("z.pkl", &b"cos\nsystem\n(S'id'\ntR."[..]);
    let files: Vec<_> = odd.chain([dangerous]).collect();
    let warnings = drafts_of(&folder(&files), None)
        .expect("a release")
        .warnings;
    let of_files: Vec<_> = warnings.iter().filter(|it| it.contains(".pkl")).collect();
    assert_eq!(of_files.len(), 51, "{warnings:?}");
    assert!(of_files[0].starts_with("z.pkl"), "{warnings:?}");
    let rest = "10 more files are not what such files are as a rule";
    assert!(
        warnings.iter().any(|it| it.starts_with(rest)),
        "{warnings:?}"
    );
}
