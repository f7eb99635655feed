//! Records of OPT and Pythia where no folder with what was published is named: OPT-125M's from the examples in
//! `schemas/examples`, the others' from the figures in [`figures`].
//!
//! Examples and figures come without the documents that they were taken from, so cards get documents of this demonstration,
//! and evaluations go without their raw results.

use std::path::Path;

use candor_core::record::kinds::{
    ApiVersion, Behind, Decoding, Disclosed, Evaluation, ModelCard, Publisher, TrainingConfig,
    Weights, Withdrawal,
};
use candor_core::record::to_canonical_json;
use candor_core::weights::Manifest;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::figures::{self, METASEQ, PYTHIA, accuracies};
use super::lab::{Document, Draft, NO_SUCH_API, NOTE, empty_card, note, release};
use super::published::{ELEUTHER, META, opt, publisher, shards};
use super::story::{Logged, Story};
use super::{DemoDataError, checksums};

const PUBLISHER: &str = include_str!("../../../schemas/examples/publisher.json");
const CARD: &str = include_str!("../../../schemas/examples/model-card.json");
const MANIFEST: &str = include_str!("../../../schemas/examples/manifest.json");
const WEIGHTS: &str = include_str!("../../../schemas/examples/weights.json");
const EVALUATION: &str = include_str!("../../../schemas/examples/evaluation.json");
const API_VERSION: &str = include_str!("../../../schemas/examples/api-version.json");
const WITHDRAWAL: &str = include_str!("../../../schemas/examples/withdrawal.json");
const UNDISCLOSED: &str = include_str!("../../../schemas/examples/api-version-undisclosed.json");
const TRAINING_CONFIG: &str = include_str!("../../../schemas/examples/training-config.json");

/// Publishes them, and says where the weights of OPT-125M stand.
pub(super) async fn publish(story: &mut Story<'_>) -> Result<Logged, DemoDataError> {
    let meta: Publisher = predicate(PUBLISHER);
    let display_name = format!("{} (demonstration)", meta.display_name);
    story.register(META, &display_name, NOTE).await?;
    story
        .register(ELEUTHER, "EleutherAI (demonstration)", NOTE)
        .await?;
    let opt = opt("opt-125m");
    let card = ModelCard {
        annotations: note(NOTE),
        ..predicate(CARD)
    };
    let document = include_str!("carried/opt-125m.md");
    let document = Document::new("README.md", "text/markdown", document);
    let stated: Weights = predicate(WEIGHTS);
    let weights = |weights: Weights| Weights {
        format: stated.format,
        parameters: stated.parameters,
        source: stated.source,
        annotations: note(NOTE),
        ..weights
    };
    let drafts = vec![
        Draft::card(&opt, card, document),
        Draft::weights(&opt, &manifest(), weights),
    ];
    let logged = story.publish(META, drafts).await?;
    let weights = logged.into_iter().next_back().expect("two were published");

    let evaluation = Evaluation {
        annotations: note(NOTE),
        ..predicate(EVALUATION)
    };
    let draft = Draft::evaluation(&opt, weights.sha256, evaluation, None);
    story.publish_one(ELEUTHER, draft).await?;
    api_versions(story, &weights).await?;
    larger_opt(story).await?;
    pythia(story).await?;
    Ok(weights)
}

/// OPT-175B, of which there is little to say, and OPT-66B, which its makers and another lab measured.
async fn larger_opt(story: &mut Story<'_>) -> Result<(), DemoDataError> {
    let card = |model: &str, text: &str| {
        let card = ModelCard {
            license: Some("other".to_owned()),
            license_name: Some("OPT-175B License Agreement".to_owned()),
            license_link: Some(format!("{METASEQ}/MODEL_LICENSE.md")),
            tags: vec!["opt".to_owned()],
            pipeline_tag: Some("text-generation".to_owned()),
            annotations: note(NOTE),
            ..empty_card()
        };
        Draft::card(
            &opt(model),
            card,
            Document::new("README.md", "text/markdown", text),
        )
    };
    let of_175b = card("opt-175b", include_str!("carried/opt-175b.md"));
    story.publish_one(META, of_175b).await?;
    let of_66b = card("opt-66b", include_str!("carried/opt-66b.md"));
    let about = of_66b.sha256;
    let file = "opt66b_md5sum_shards.csv";
    let manifest = checksums::read(Path::new(file), figures::OPT_66B_SHARDS)?;
    let drafts = vec![of_66b, shards("opt-66b", file, &manifest)];
    story.publish(META, drafts).await?;
    let source = format!("{PYTHIA}/evals/opt/opt-66b.json");
    let theirs = accuracies(&publisher(ELEUTHER), &figures::OPT_66B, &source);
    let ours = figures::opt_66b_by_meta(&publisher(META));
    for (author, evaluation) in [(ELEUTHER, theirs), (META, ours)] {
        let draft = Draft::evaluation(&opt("opt-66b"), about, evaluation, None);
        story.publish_one(author, draft).await?;
    }
    Ok(())
}

/// Pythia 70M along its training.
async fn pythia(story: &mut Story<'_>) -> Result<(), DemoDataError> {
    for (step, figures) in figures::PYTHIA_70M {
        let of = release(&format!("{ELEUTHER}/pythia-70m@{step}"));
        let card = ModelCard {
            license: Some("apache-2.0".to_owned()),
            languages: vec!["en".to_owned()],
            tags: vec!["pythia".to_owned()],
            pipeline_tag: Some("text-generation".to_owned()),
            annotations: note(NOTE),
            ..empty_card()
        };
        let text = include_str!("carried/pythia-70m.md");
        let card = Draft::card(&of, card, Document::new("README.md", "text/markdown", text));
        let about = card.sha256;
        story.publish_one(ELEUTHER, card).await?;
        let source = format!("{PYTHIA}/evals/pythia-v1/pythia-70m_{step}.zero-shot.json");
        let evaluation = accuracies(&publisher(ELEUTHER), &figures, &source);
        let draft = Draft::evaluation(&of, about, evaluation, None);
        story.publish_one(ELEUTHER, draft).await?;
    }
    Ok(())
}

/// One, the one that takes its place, and that the first no longer answers.
async fn api_versions(story: &mut Story<'_>, weights: &Logged) -> Result<(), DemoDataError> {
    let (first, second) = (
        release("meta-ai/opt-125m-api@2022-05-03"),
        release("meta-ai/opt-125m-api@2022-09-01"),
    );
    let stated: ApiVersion = predicate(API_VERSION);
    let of_may = ApiVersion {
        behind: Behind::Release(Disclosed {
            release: weights.release.clone(),
            statement: Some(weights.statement),
        }),
        replaces: None,
        annotations: note(NO_SUCH_API),
        ..stated
    };
    let of_september = ApiVersion {
        decoding: Some(Decoding {
            temperature: Some(1.0),
            max_tokens: Some(512),
            ..Decoding::default()
        }),
        valid_from: "2022-09-01T00:00:00Z".to_owned(),
        valid_until: None,
        replaces: Some(first.clone()),
        ..of_may.clone()
    };
    let of_may = Draft::api_version(&first, of_may);
    let statement = of_may.statement();
    let drafts = vec![of_may, Draft::api_version(&second, of_september)];
    story.publish(META, drafts).await?;
    let withdrawal = Withdrawal {
        annotations: note(NOTE),
        ..predicate(WITHDRAWAL)
    };
    let draft = Draft::withdrawal(&first, statement, withdrawal);
    story.publish_one(META, draft).await?;
    Ok(())
}

/// An API version of which nobody says what answers.
pub(super) fn undisclosed() -> ApiVersion {
    predicate(UNDISCLOSED)
}

/// A config of a fine-tuned model.
pub(super) fn fine_tuning() -> TrainingConfig {
    predicate(TRAINING_CONFIG)
}

fn predicate<T: DeserializeOwned>(example: &str) -> T {
    let mut statement: Value = serde_json::from_str(example).expect("the examples are JSON");
    serde_json::from_value(statement["predicate"].take())
        .expect("the examples are as their schemas say")
}

fn manifest() -> Manifest {
    let manifest: Value = serde_json::from_str(MANIFEST).expect("the examples are JSON");
    Manifest::parse(&to_canonical_json(&manifest)).expect("the example is a manifest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_read_as_what_they_are() {
        assert_eq!(predicate::<Publisher>(PUBLISHER).display_name, "Meta AI");
        assert_eq!(
            manifest().to_weights().root,
            predicate::<Weights>(WEIGHTS).root
        );
        assert_eq!(predicate::<Evaluation>(EVALUATION).results.len(), 5);
        assert!(!fine_tuning().parents.is_empty());
        assert!(matches!(undisclosed().behind, Behind::Undisclosed(_)));
        assert!(predicate::<ApiVersion>(API_VERSION).replaces.is_some());
        assert_eq!(
            predicate::<Withdrawal>(WITHDRAWAL).replacement,
            Some(release("meta-ai/opt-125m-api@2022-09-01"))
        );
        assert!(predicate::<ModelCard>(CARD).license.is_some());
    }
}
