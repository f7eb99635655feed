//! Training configs: the YAML or JSON that a training run was started with.

use std::collections::BTreeSet;

use candor_core::record::kinds::{Framework, TrainingConfig};
use candor_core::record::{Predicate, ReleaseName};
use serde_json::{Map, Value};

use super::yaml::{Part, parse_json_like, parse_yaml, type_name};
use super::{Draft, DraftAttachment, Drafts, SourceError, document_name, text};

/// The most bytes of a config that are read: generous, since they are written by hand.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// The most bytes of an entry that repeats the settings. More would crowd out what publishers add.
const ENTRY_BYTES_MAX: usize = 40 * 1024;

/// What the schema takes of names: how many, and how long each.
const NAMES_MAX: usize = 1_024;
const NAME_CHARS_MAX: usize = 128;

/// JSON files that come with a model and say nothing of its training.
const NEVER: [&str; 18] = [
    "adapter_config.json",
    "added_tokens.json",
    "all_results.json",
    "config.json",
    "config_sentence_transformers.json",
    "data_config.json",
    "eval_results.json",
    "generation_config.json",
    "model_index.json",
    "modules.json",
    "preprocessor_config.json",
    "processor_config.json",
    "quantize_config.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "train_results.json",
    "trainer_state.json",
    "vocab.json",
];

/// Settings that only training has, with `_` for `-`.
const TRAINING_KEYS: [&str; 14] = [
    "gradient_accumulation_steps",
    "learning_rate",
    "lr",
    "lr_scheduler",
    "lr_scheduler_type",
    "max_lr",
    "min_lr",
    "num_train_epochs",
    "optimizer",
    "per_device_train_batch_size",
    "train_batch_size",
    "train_iters",
    "train_micro_batch_size_per_gpu",
    "weight_decay",
];

/// Whether a file is a training config, by its path in the release (`/` between parts) and its contents.
///
/// Its name says so (`training_config.*`, `train_config.*`, `training_args.json`, a YAML file with a word that
/// begins with "train", any config in a folder `training`), or its contents do: settings such as `learning_rate`
/// at the top, or one level below. What describes a model or its tokenizer never is one.
pub fn is_training_config(path: &str, contents: &[u8]) -> bool {
    let path = path.to_ascii_lowercase();
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path.as_str()));
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    let is_yaml = matches!(extension, "yml" | "yaml");
    let is_never =
        NEVER.contains(&name) || name.starts_with("tokenizer") || name.ends_with(".index.json");
    if !(is_yaml || extension == "json") || is_never {
        return false;
    }
    let is_named_so = matches!(stem, "training_config" | "train_config" | "training_args")
        || folders.split('/').any(|folder| folder == "training")
        || (is_yaml
            && words(stem).any(|word| word.starts_with("train") || word.starts_with("pretrain")));
    is_named_so || has_training_keys(name, contents)
}

fn words(stem: &str) -> impl Iterator<Item = &str> {
    stem.split(|c: char| !c.is_alphanumeric())
}

fn has_training_keys(name: &str, contents: &[u8]) -> bool {
    let Ok(config) = Config::read(name, contents) else {
        return false;
    };
    // Records, and results of an evaluation, may repeat how a model was trained.
    let results = config.settings.get("results");
    if config.keys.contains("_type") || results.is_some_and(Value::is_object) {
        return false;
    }
    let inner = config.settings.values().filter_map(Value::as_object);
    inner
        .flat_map(Map::keys)
        .chain(&config.keys)
        .any(|key| TRAINING_KEYS.contains(&key.replace('-', "_").as_str()))
}

/// Reads a config. `file` is its name or path, for messages and for the attachment's name.
///
/// One whose syntax is broken becomes a record too, as the document alone: it may be what was run, by a reader
/// that took it.
pub fn draft(file: &str, bytes: &[u8], release: &ReleaseName) -> Result<Drafts, SourceError> {
    let Config {
        settings,
        keys,
        media_type,
        mut warnings,
    } = Config::read(file, bytes)?;
    let attachment = DraftAttachment::new(document_name(file), media_type, bytes.to_vec());
    let framework = framework(file, &keys, &settings);
    let config = |hyperparameters| TrainingConfig {
        document: attachment.descriptor.clone(),
        framework: framework.clone(),
        code: None,
        hyperparameters,
        data: Vec::new(),
        hardware: None,
        duration: None,
        checkpoints: Vec::new(),
        parents: Vec::new(),
        annotations: Map::new(),
    };
    let draft = |hyperparameters| {
        let predicate = Predicate::TrainingConfig(config(hyperparameters));
        Draft::of_document(release, predicate, attachment.clone())
    };
    let settings = named_well(file, settings, &mut warnings);
    let whole = draft(settings.clone());
    if settings.len() <= NAMES_MAX && whole.entry_bytes() <= ENTRY_BYTES_MAX {
        return Ok(Drafts {
            drafts: vec![whole],
            warnings,
        });
    }
    warnings.push(format!(
        "{file}: the settings are too many for a record, so it repeats only those at the top that are single values; the document has all"
    ));
    let scalars = settings
        .into_iter()
        .filter(|(_, value)| !value.is_array() && !value.is_object());
    let mut short = draft(scalars.take(NAMES_MAX).collect());
    if short.entry_bytes() > ENTRY_BYTES_MAX {
        warnings.push(format!(
            "{file}: these are too many as well, so the record has none"
        ));
        short = draft(Map::new());
    }
    Ok(Drafts {
        drafts: vec![short],
        warnings,
    })
}

/// A config as far as it can be read.
struct Config {
    settings: Map<String, Value>,
    /// The names of the settings at the top; those that stand at the beginnings of lines, if more can't be read.
    keys: BTreeSet<String>,
    media_type: &'static str,
    warnings: Vec<String>,
}

impl Config {
    fn read(file: &str, bytes: &[u8]) -> Result<Self, SourceError> {
        if bytes.len() as u64 > CONFIG_BYTES_MAX {
            return Err(SourceError::TooLarge {
                file: file.to_owned(),
                what: "the config",
                bytes: bytes.len() as u64,
                bytes_max: CONFIG_BYTES_MAX,
            });
        }
        let text = text(file, bytes)?;
        let error = match Self::parse(file, text) {
            Err(error @ (SourceError::Yaml { .. } | SourceError::Json { .. })) => error,
            result => return result,
        };
        let keys = keys_of_lines(text);
        if keys.is_empty() {
            return Err(error);
        }
        Ok(Self {
            settings: Map::new(),
            keys,
            media_type: "text/plain",
            warnings: vec![format!(
                "{error}; it is attached as plain text, and the record repeats none of its settings"
            )],
        })
    }

    fn parse(file: &str, text: &str) -> Result<Self, SourceError> {
        let (value, is_strict, media_type) = if file.to_ascii_lowercase().ends_with(".json") {
            let json = parse_json_like(file, text.as_bytes())?;
            (json.value, json.is_strict, "application/json")
        } else {
            let part = Part {
                file,
                what: "the config",
            };
            (parse_yaml(part, text)?, true, "application/yaml")
        };
        let Value::Object(settings) = value else {
            return Err(SourceError::Form {
                file: file.to_owned(),
                rule: "a training config is a list of names and values",
                found: type_name(&value).to_owned(),
            });
        };
        let loose = format!("{file}: it is not strict JSON, so it is attached as plain text");
        Ok(Self {
            keys: settings.keys().cloned().collect(),
            settings,
            media_type: if is_strict { media_type } else { "text/plain" },
            warnings: if is_strict { Vec::new() } else { vec![loose] },
        })
    }
}

/// The names of settings that stand at the beginnings of lines, as `name:` or `"name":`.
fn keys_of_lines(text: &str) -> BTreeSet<String> {
    let key = |line: &str| {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || c == '{');
        let (key, _) = line.split_once(':')?;
        let key = key.trim_end().trim_matches('"');
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        (!key.is_empty() && key.chars().all(is_name)).then(|| key.to_owned())
    };
    text.lines().filter_map(key).take(NAMES_MAX).collect()
}

/// Leaves out names that the schema does not take.
fn named_well(
    file: &str,
    settings: Map<String, Value>,
    warnings: &mut Vec<String>,
) -> Map<String, Value> {
    let is_good = |name: &str| (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    let (good, bad): (Map<_, _>, Map<_, _>) =
        settings.into_iter().partition(|(name, _)| is_good(name));
    for (name, _) in bad {
        let name: String = name.chars().take(40).collect();
        warnings.push(format!(
            "{file}: left out the setting {name:?}: its name should have 1 to {NAME_CHARS_MAX} characters"
        ));
    }
    good
}

/// The framework, where the settings are those of one and no other.
fn framework(
    file: &str,
    keys: &BTreeSet<String>,
    settings: &Map<String, Value>,
) -> Option<Framework> {
    let has = |name: &str| keys.contains(name);
    let has_all = |names: &[&str]| names.iter().all(|name| has(name));
    let is_training_args = document_name(file).eq_ignore_ascii_case("training_args.json");
    let name = if has("pipe-parallel-size") || has("pipe_parallel_size") {
        "gpt-neox"
    } else if has_all(&["base_model", "micro_batch_size"])
        && (has("sequence_len") || has("val_set_size"))
    {
        "axolotl"
    } else if has("transformers_version")
        || is_training_args
        || has_all(&["output_dir", "per_device_train_batch_size", "logging_dir"])
    {
        "transformers"
    } else {
        return None;
    };
    let version = settings.get("transformers_version").and_then(Value::as_str);
    let is_version =
        |text: &&str| text.len() <= 100 && text.starts_with(|c: char| c.is_ascii_digit());
    let is_plain = |text: &&str| text.chars().all(|c| c.is_ascii_graphic());
    Some(Framework {
        name: name.to_owned(),
        version: version
            .filter(|_| name == "transformers")
            .filter(is_version)
            .filter(is_plain)
            .map(str::to_owned),
        uri: None,
    })
}
