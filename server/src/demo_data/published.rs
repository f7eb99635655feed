//! What labs have published of OPT and Pythia, in a folder with the layout of their repositories:
//!
//! ```text
//! opt/model_card.md, data_card.md                             ──► cards of opt-175b, opt-66b, opt-125m, opt-data
//! opt/opt175b_md5sum_shards.csv, opt66b_md5sum_shards.csv     ──► weights, of which MD5 is all that was published
//! opt/evals/opt-125m.json, opt-66b.json                       ──► evaluations by EleutherAI
//! pythia/configs/pythia-{70m,6.9b,12b}.yml                    ──► training configs
//! pythia/evals/pythia-70m_step{1000,33000,143000}.zero-shot.json ──► three evaluations along one training run
//! ```
//!
//! Always: every record says that the labs did not publish it, and where its content is from. The API versions, which say
//! what answered when, are made up, and say that too.
//!
//! Not here: a training config of OPT-175B. Its chronicles tell of the run, and none of them is the config that was run,
//! which is what such a record names.

use std::path::{Path, PathBuf};

use candor_core::record::kinds::{
    ApiVersion, Behind, Decoding, Disclosed, ModelCard, Source, SystemPrompt, Undisclosed, Unnamed,
    Weights,
};
use candor_core::record::{PublisherName, ReleaseName};
use candor_core::weights::Manifest;
use serde_json::{Map, json};

use super::figures::{self, METASEQ, PYTHIA, from};
use super::lab::{Document, Draft, NO_SUCH_API, NOTE, empty_card, note, release};
use super::story::{Logged, Story};
use super::{DemoDataError, checksums, config, form, harness, name_of, read_document, read_text};

pub(super) const META: &str = "meta-ai";
pub(super) const ELEUTHER: &str = "eleutherai";

/// The folder, read and checked: records of releases, and evaluations of what these say.
pub(super) struct PublishedData {
    /// By Meta AI: OPT's cards and weights, and its API.
    opt: Vec<Vec<Draft>>,
    /// By EleutherAI: Pythia's configs, one release after the other.
    pythia: Vec<Draft>,
    /// By either, in their order.
    evaluations: Vec<(&'static str, Draft)>,
}

/// What should be in the folder.
const LAYOUT: &str = "What labs published of OPT and Pythia is expected, under these names: \
opt/model_card.md, opt/data_card.md, opt/opt175b_md5sum_shards.csv, opt/opt66b_md5sum_shards.csv and \
opt/evals/opt-{125m,66b}.json, from projects/OPT of facebookresearch/metaseq and evals/opt of EleutherAI/pythia; \
pythia/configs/pythia-{70m,6.9b,12b}.yml and \
pythia/evals/pythia-70m_step{1000,33000,143000}.zero-shot.json, from EleutherAI/pythia. \
Without --from, the program brings examples of its own";

/// Where files are.
struct Folder<'a>(&'a Path);

impl PublishedData {
    /// Reads all files.
    pub(super) fn read(folder: &Path) -> Result<Self, DemoDataError> {
        for part in ["opt", "pythia"] {
            let path = folder.join(format!("{part}/"));
            if !path.is_dir() {
                return Err(form(&path, format!("there is no such folder. {LAYOUT}")));
            }
        }
        let folder = Folder(folder);
        let mut evaluations = Vec::new();
        let mut opt = Vec::new();
        let weights_175b = folder.weights("opt-175b", "opt175b_md5sum_shards.csv")?;
        let statement_175b = weights_175b.statement();
        let weights_66b = folder.weights("opt-66b", "opt66b_md5sum_shards.csv")?;
        for (model, weights) in [
            ("opt-175b", Some(weights_175b)),
            ("opt-66b", Some(weights_66b)),
            ("opt-125m", None),
        ] {
            let card = folder.card(model, "model_card.md")?;
            if model != "opt-175b" {
                let file = format!("opt/evals/{model}.json");
                let draft = folder.evaluation(&card, &file)?;
                evaluations.push((ELEUTHER, draft));
            }
            if model == "opt-66b" {
                let by_meta = figures::opt_66b_by_meta(&publisher(META));
                let draft = Draft::evaluation(&card.release, card.sha256, by_meta, None);
                evaluations.push((META, draft.checked()?));
            }
            opt.push(std::iter::once(card).chain(weights).collect());
        }
        opt.push(vec![folder.card("opt-data", "data_card.md")?]);
        opt.push(
            api_versions(statement_175b)
                .into_iter()
                .map(Draft::checked)
                .collect::<Result<_, _>>()?,
        );
        let mut pythia = Vec::new();
        for step in ["1000", "33000", "143000"] {
            let config = folder.training_config("70m", &format!("step{step}"))?;
            let file = format!("pythia/evals/pythia-70m_step{step}.zero-shot.json");
            evaluations.push((ELEUTHER, folder.evaluation(&config, &file)?));
            pythia.push(config);
        }
        pythia.push(folder.training_config("6.9b", "step143000")?);
        pythia.push(folder.training_config("12b", "step143000")?);
        Ok(Self {
            opt,
            pythia,
            evaluations,
        })
    }

    /// Publishes it all, and says where the card of OPT-125M stands.
    pub(super) async fn publish(self, story: &mut Story<'_>) -> Result<Logged, DemoDataError> {
        story
            .register(META, "Meta AI (demonstration)", NOTE)
            .await?;
        story
            .register(ELEUTHER, "EleutherAI (demonstration)", NOTE)
            .await?;
        let mut logged = Vec::new();
        for drafts in self.opt {
            logged.extend(story.publish(META, drafts).await?);
        }
        for draft in self.pythia {
            story.publish_one(ELEUTHER, draft).await?;
        }
        for (author, draft) in self.evaluations {
            story.publish_one(author, draft).await?;
        }
        let of_125m = |it: &Logged| it.release == opt("opt-125m");
        Ok(logged
            .into_iter()
            .find(of_125m)
            .expect("OPT-125M has a card"))
    }
}

/// A release of OPT.
pub(super) fn opt(model: &str) -> ReleaseName {
    release(&format!("{META}/{model}@1.0.0"))
}

pub(super) fn publisher(name: &str) -> PublisherName {
    name.parse().expect("the names of demonstrations are names")
}

impl Folder<'_> {
    fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn card(&self, model: &str, file: &str) -> Result<Draft, DemoDataError> {
        let path = self.path(&format!("opt/{file}"));
        let document = Document::new(file, "text/markdown", read_text(&path)?);
        let is_data = model == "opt-data";
        let text = |text: &str| Some(text.to_owned());
        let card = ModelCard {
            license: text("other").filter(|_| !is_data),
            license_name: text("OPT-175B License Agreement").filter(|_| !is_data),
            license_link: text(&format!("{METASEQ}/MODEL_LICENSE.md")).filter(|_| !is_data),
            tags: vec!["opt".to_owned()],
            pipeline_tag: text("text-generation").filter(|_| !is_data),
            annotations: from(&format!("{METASEQ}/{file}")),
            ..empty_card()
        };
        Draft::card(&opt(model), card, document).checked()
    }

    fn weights(&self, model: &str, file: &str) -> Result<Draft, DemoDataError> {
        let path = self.path(&format!("opt/{file}"));
        let manifest = checksums::read(&path, &read_text(&path)?)?;
        shards(model, file, &manifest).checked()
    }

    /// An evaluation of what `about` says.
    fn evaluation(&self, about: &Draft, file: &str) -> Result<Draft, DemoDataError> {
        let path = self.path(file);
        let run = harness::read(&path, read_document(&path)?)?;
        let place = match file.strip_prefix("pythia/evals/") {
            Some(name) => format!("{PYTHIA}/evals/pythia-v1/{name}"),
            None => format!("{PYTHIA}/evals/opt/{}", name_of(&path)),
        };
        let (evaluation, raw) = run.by(&publisher(ELEUTHER), from(&place));
        Draft::evaluation(&about.release, about.sha256, evaluation, Some(raw)).checked()
    }

    fn training_config(&self, size: &str, version: &str) -> Result<Draft, DemoDataError> {
        let file = format!("pythia-{size}.yml");
        let path = self.path(&format!("pythia/configs/{file}"));
        let mut annotations = from(&format!("{PYTHIA}/models/{file}"));
        annotations.insert("trainingStep".to_owned(), json!(version));
        let (mut config, document, why_not) = config::read(&file, &read_text(&path)?, annotations);
        if let Some(why_not) = why_not {
            let word = format!("the document's settings are not repeated here: {why_not}");
            config
                .annotations
                .insert("settings".to_owned(), json!(word));
        }
        let name = release(&format!("{ELEUTHER}/pythia-{size}@{version}"));
        Draft::training_config(&name, config, document).checked()
    }
}

/// The digests of a model's shards, as `file` lists them.
pub(super) fn shards(model: &str, file: &str, manifest: &Manifest) -> Draft {
    let note_on_file =
        "For checking downloads of the shards. No other digests of them were published.";
    let source = Source {
        uri: Some(format!("{METASEQ}/assets/{file}")),
        note: Some(note_on_file.to_owned()),
        digest: None,
    };
    let weights = |weights: Weights| Weights {
        format: Some("pytorch".to_owned()),
        source: Some(source),
        annotations: note(NOTE),
        ..weights
    };
    Draft::weights(&opt(model), manifest, weights)
}

/// What answered behind an API that never was: the release, the release with other settings, and nobody says what.
fn api_versions(weights: candor_core::Sha256) -> Vec<Draft> {
    let name = |version: &str| release(&format!("{META}/opt-175b-api@{version}"));
    let behind = || {
        Behind::Release(Disclosed {
            release: opt("opt-175b"),
            statement: Some(weights),
        })
    };
    let first = ApiVersion {
        provider: "Meta AI".to_owned(),
        endpoint: "https://opt.example.org/v1/completions".to_owned(),
        model_id: "opt-175b".to_owned(),
        alias: Some(true),
        behind: behind(),
        decoding: Some(Decoding {
            temperature: Some(0.7),
            top_p: Some(0.9),
            max_tokens: Some(256),
            other: Map::new(),
            ..Decoding::default()
        }),
        system_prompt: Some(SystemPrompt::Unnamed(Unnamed::None)),
        context_length: Some(2_048),
        valid_from: "2022-05-03T00:00:00Z".to_owned(),
        valid_until: Some("2022-09-01T00:00:00Z".to_owned()),
        replaces: None,
        annotations: note(NO_SUCH_API),
    };
    let second = ApiVersion {
        decoding: Some(Decoding {
            temperature: Some(1.0),
            max_tokens: Some(512),
            ..Decoding::default()
        }),
        valid_from: "2022-09-01T00:00:00Z".to_owned(),
        valid_until: None,
        replaces: Some(name("2022-05-03")),
        ..first.clone()
    };
    let third = ApiVersion {
        behind: Behind::Undisclosed(Undisclosed::Undisclosed),
        decoding: None,
        system_prompt: Some(SystemPrompt::Unnamed(Unnamed::Undisclosed)),
        context_length: None,
        valid_from: "2023-04-05T00:00:00Z".to_owned(),
        replaces: Some(name("2022-09-01")),
        ..second.clone()
    };
    vec![
        Draft::api_version(&name("2022-05-03"), first),
        Draft::api_version(&name("2022-09-01"), second),
        Draft::api_version(&name("2023-04-05"), third),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use candor_core::record::{Kind, Predicate};

    use super::*;

    /// A folder of the layout, with little in each file.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("folders");
            fs::write(path, text).expect("files");
        };
        let results = r#"{"results":{"piqa":{"acc":0.5,"acc_stderr":0.01}}}"#;
        let sums = "shard,md5sum\na.pt,d41d8cd98f00b204e9800998ecf8427e\n";
        write("opt/model_card.md", "# OPT\n");
        write("opt/data_card.md", "# Data\n");
        write("opt/opt175b_md5sum_shards.csv", sums);
        write("opt/opt66b_md5sum_shards.csv", sums);
        for model in ["opt-125m", "opt-66b"] {
            write(&format!("opt/evals/{model}.json"), results);
        }
        for size in ["70m", "6.9b", "12b"] {
            write(
                &format!("pythia/configs/pythia-{size}.yml"),
                "{\"pipe-parallel-size\": 1, # one\n}",
            );
        }
        for step in ["1000", "33000", "143000"] {
            write(
                &format!("pythia/evals/pythia-70m_step{step}.zero-shot.json"),
                results,
            );
        }
        folder
    }

    #[test]
    fn all_files_become_records_that_say_that_the_labs_did_not_publish_them() {
        let folder = folder();
        let read = PublishedData::read(folder.path()).expect("all is there");
        let evaluations = read.evaluations.iter().map(|(_, draft)| draft);
        let all: Vec<&Draft> = read
            .opt
            .iter()
            .flatten()
            .chain(&read.pythia)
            .chain(evaluations)
            .collect();
        let count = |kind| {
            all.iter()
                .filter(|draft| draft.predicate.kind() == kind)
                .count()
        };
        let counts = [
            Kind::ModelCard,
            Kind::Weights,
            Kind::TrainingConfig,
            Kind::ApiVersion,
            Kind::Evaluation,
        ]
        .map(count);
        assert_eq!(counts, [4, 2, 5, 3, 6]);
        for draft in &all {
            let text = String::from_utf8(draft.payload()).expect("JSON");
            assert!(text.contains("did not publish this record"), "{text}");
        }
        let Predicate::TrainingConfig(config) = &read.pythia[0].predicate else {
            panic!("a config")
        };
        assert_eq!(config.hyperparameters["pipe-parallel-size"], 1);
        assert_eq!(
            config.framework.as_ref().map(|it| it.name.as_str()),
            Some("gpt-neox")
        );
    }

    #[test]
    fn a_folder_without_one_of_them_is_refused_and_the_file_named() {
        for file in [
            "opt/model_card.md",
            "opt/opt66b_md5sum_shards.csv",
            "opt/evals/opt-66b.json",
            "pythia/configs/pythia-12b.yml",
            "pythia/evals/pythia-70m_step33000.zero-shot.json",
        ] {
            let folder = folder();
            fs::remove_file(folder.path().join(file)).expect("it goes");
            let error = PublishedData::read(folder.path()).err().expect(file);
            assert!(error.to_string().contains(file), "{error}");
            fs::create_dir(folder.path().join(file)).expect("a folder in its place");
            let error = PublishedData::read(folder.path()).err().expect(file);
            assert!(error.to_string().contains("should be a file"), "{error}");
        }
    }
}
