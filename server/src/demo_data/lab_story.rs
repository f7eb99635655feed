//! A made-up lab and a made-up auditor, with all that a registry can show of them:
//!
//! ```text
//! example-lab    tiny-lm 1.0.0, (a new key), 1.1.0 (withdrawn), 2.0.0 ──► tiny-lm-4bit
//!                meta-ai/opt-125m ──► opt-125m-minutes ──► opt-125m-minutes-int8
//!                chat-api: two API versions in front of tiny-lm, and one that nobody says more of
//! example-evals  evaluates tiny-lm's three versions, agrees with the lab, and in one place does not
//! ```

use candor_core::Sha256;
use candor_core::record::DigestSet;
use candor_core::record::ReleaseName;
use candor_core::record::kinds::{
    Annotations, ApiVersion, BaseModel, Behind, Disclosed, Evaluation, EvaluationResult, Framework,
    Harness, ModelCard, Outcome, Parent, Reason, Relation, Scope, TrainingConfig, Weights,
    Withdrawal,
};
use candor_core::weights::{Manifest, ManifestFile};
use serde_json::{Map, Value, json};

use super::DemoDataError;
use super::examples::{fine_tuning, undisclosed};
use super::front_matter;
use super::lab::{Document, Draft, MADE_UP, NOTE, empty_card, note, release};
use super::story::{Logged, Story};

const LAB: &str = "example-lab";
const EVALS: &str = "example-evals";

/// A task and its metric, and over how many samples.
const TASKS: [(&str, u64); 4] = [
    ("arc_easy", 2_376),
    ("lambada_openai", 5_153),
    ("piqa", 1_838),
    ("winogrande", 1_267),
];

/// What the lab measured of each version, and what the auditor did: accuracies, in the order of the tasks. On the last
/// version's ARC the two are far apart, and elsewhere within what chance leaves open.
const VERSIONS: [(&str, [f64; 4], [f64; 4]); 3] = [
    (
        "1.0.0",
        [0.412, 0.355, 0.618, 0.503],
        [0.408, 0.351, 0.625, 0.509],
    ),
    (
        "1.1.0",
        [0.437, 0.382, 0.631, 0.511],
        [0.431, 0.379, 0.624, 0.515],
    ),
    (
        "2.0.0",
        [0.525, 0.441, 0.667, 0.534],
        [0.452, 0.437, 0.661, 0.540],
    ),
];

/// Publishes it. `opt_125m` is the record that says what OPT-125M is.
pub(super) async fn publish(story: &mut Story<'_>, opt_125m: &Logged) -> Result<(), DemoDataError> {
    story
        .register(LAB, "Example Lab (demonstration)", MADE_UP)
        .await?;
    story
        .register(EVALS, "Example Evals (demonstration)", MADE_UP)
        .await?;
    let mut weights = Vec::new();
    let mut claims = Vec::new();
    for (n, version) in VERSIONS.iter().enumerate() {
        if n == 1 {
            story.rotate(LAB).await?;
        }
        let (of_version, claim) = tiny_lm(story, version).await?;
        weights.push(of_version);
        claims.push(claim);
    }
    let [first, second, third] = weights.as_slice() else {
        return Ok(());
    };
    for (claim, (version, said, found)) in claims.iter().zip(VERSIONS) {
        answer(story, claim, version, &said, &found).await?;
    }
    withdraw(story, second, &third.release).await?;
    quantized(story, third).await?;
    minutes(story, opt_125m).await?;
    chat_api(story, first, third).await
}

/// A version of tiny-lm with all that its lab says of it: where its weights stand, and its evaluation.
async fn tiny_lm(
    story: &mut Story<'_>,
    (version, values, _): &(&str, [f64; 4], [f64; 4]),
) -> Result<(Logged, Logged), DemoDataError> {
    let of = release(&format!("{LAB}/tiny-lm@{version}"));
    let rows: Vec<String> = TASKS
        .iter()
        .zip(values)
        .map(|((task, _), value)| format!("| {task} | acc | {value:.3} |"))
        .collect();
    let text = include_str!("carried/tiny-lm.md")
        .replace("VERSION", version)
        .replace("RESULTS", &rows.join("\n"));
    let (fields, _) = front_matter::read(&text);
    let card = ModelCard {
        intended_use: Some("Trying out how releases are published, found and verified.".to_owned()),
        limitations: Some("It has never seen a text, so it knows none.".to_owned()),
        annotations: note(MADE_UP),
        ..fields
    };
    let config = TrainingConfig {
        framework: Some(Framework {
            name: "transformers".to_owned(),
            version: None,
            uri: None,
        }),
        hyperparameters: pretraining(),
        ..empty_config(note(MADE_UP))
    };
    let manifest = manifest(
        &of,
        &[
            ("README.md", text.len() as u64),
            ("config.json", 651),
            ("model.safetensors", 268_435_456),
            ("tokenizer.json", 1_048_576),
        ],
    );
    let drafts = vec![
        Draft::card(&of, card, markdown(&text)),
        Draft::weights(&of, &manifest, |weights| Weights {
            format: Some("safetensors".to_owned()),
            parameters: Some(134_217_728),
            annotations: note(MADE_UP),
            ..weights
        }),
        Draft::training_config(
            &of,
            config,
            yaml("pretrain.yml", include_str!("carried/pretrain.yml")),
        ),
    ];
    let logged = story.publish(LAB, drafts).await?;
    let weights = logged.into_iter().nth(1).expect("three were published");
    let claim = evaluation(LAB, values, Outcome::Reported, None);
    let claim = Draft::evaluation(&of, weights.sha256, claim, None);
    let claim = story.publish_one(LAB, claim).await?;
    Ok((weights, claim))
}

/// The auditor tries what the lab claims.
async fn answer(
    story: &mut Story<'_>,
    claim: &Logged,
    version: &str,
    said: &[f64; 4],
    found: &[f64; 4],
) -> Result<(), DemoDataError> {
    let is_near = |(said, found): (&f64, &f64)| (said - found).abs() < 0.02;
    let outcome = if said.iter().zip(found).all(is_near) {
        Outcome::Reproduced
    } else {
        Outcome::FailedToReproduce
    };
    let of = release(&format!("{LAB}/tiny-lm@{version}"));
    let answer = evaluation(EVALS, found, outcome, Some(claim.statement));
    let draft = Draft::evaluation(&of, claim.sha256, answer, None);
    story.publish_one(EVALS, draft).await?;
    Ok(())
}

async fn withdraw(
    story: &mut Story<'_>,
    weights: &Logged,
    replacement: &ReleaseName,
) -> Result<(), DemoDataError> {
    let withdrawal = Withdrawal {
        author: LAB.parse().expect("a name"),
        scope: Scope::Release,
        reason: Reason::Error,
        explanation: "The tokenizer that was published with this version is that of another model, so what it writes makes no sense. Use 2.0.0. (This is a demonstration: there are no such files.)".to_owned(),
        replacement: Some(replacement.clone()),
        annotations: note(MADE_UP),
    };
    let draft = Draft::withdrawal(&weights.release, weights.statement, withdrawal);
    story.publish_one(LAB, draft).await?;
    Ok(())
}

async fn quantized(story: &mut Story<'_>, parent: &Logged) -> Result<(), DemoDataError> {
    let of = release("example-lab/tiny-lm-4bit@2.0.0");
    let text = include_str!("carried/tiny-lm-4bit.md");
    let card = ModelCard {
        license: Some("apache-2.0".to_owned()),
        languages: vec!["en".to_owned()],
        tags: vec!["tiny".to_owned(), "4-bit".to_owned()],
        pipeline_tag: Some("text-generation".to_owned()),
        base_models: base("example-lab/tiny-lm", "quantized"),
        annotations: note(MADE_UP),
        ..empty_card()
    };
    let files = [("model.gguf", 67_108_864)];
    made_from(
        story,
        &of,
        card,
        text,
        &files,
        (parent, Relation::QuantizedFrom),
    )
    .await?;
    Ok(())
}

/// OPT-125M, what was made of it, and what was made of that.
async fn minutes(story: &mut Story<'_>, opt_125m: &Logged) -> Result<(), DemoDataError> {
    let of = release("example-lab/opt-125m-minutes@0.3.0");
    let card = ModelCard {
        license: Some("other".to_owned()),
        languages: vec!["en".to_owned()],
        tags: vec!["opt".to_owned(), "minutes".to_owned()],
        pipeline_tag: Some("text-generation".to_owned()),
        base_models: base("facebook/opt-125m", "finetune"),
        annotations: note(NOTE),
        ..empty_card()
    };
    let files = [("config.json", 651), ("model.safetensors", 250_501_128)];
    let text = include_str!("carried/opt-125m-minutes.md");
    let parent = (opt_125m, Relation::FineTuneOf);
    let minutes = made_from(story, &of, card.clone(), text, &files, parent).await?;
    let config = TrainingConfig {
        parents: vec![Parent {
            release: opt_125m.release.clone(),
            relation: Relation::FineTuneOf,
            statement: Some(opt_125m.statement),
        }],
        annotations: note(MADE_UP),
        ..fine_tuning()
    };
    let document = yaml("finetune.yml", include_str!("carried/finetune.yml"));
    let config = Draft::training_config(&of, config, document);
    story.publish_one(LAB, config).await?;

    let of = release("example-lab/opt-125m-minutes-int8@0.3.0");
    let card = ModelCard {
        base_models: base("example-lab/opt-125m-minutes", "quantized"),
        ..card
    };
    let text = include_str!("carried/opt-125m-minutes-int8.md");
    let files = [("model.gguf", 125_823_912)];
    let parent = (&minutes, Relation::QuantizedFrom);
    made_from(story, &of, card, text, &files, parent).await?;
    Ok(())
}

/// Publishes a card and weights that were made from others, and says where the weights stand.
async fn made_from(
    story: &mut Story<'_>,
    of: &ReleaseName,
    card: ModelCard,
    text: &str,
    files: &[(&str, u64)],
    (parent, relation): (&Logged, Relation),
) -> Result<Logged, DemoDataError> {
    let manifest = manifest(of, files);
    let format = files.iter().find_map(|(path, _)| {
        let (_, ending) = path.rsplit_once('.')?;
        matches!(ending, "safetensors" | "gguf").then(|| ending.to_owned())
    });
    let drafts = vec![
        Draft::card(of, card, markdown(text)),
        Draft::weights(of, &manifest, |weights| Weights {
            format,
            parents: vec![parent.as_parent(relation)],
            annotations: note(MADE_UP),
            ..weights
        }),
    ];
    let logged = story.publish(LAB, drafts).await?;
    Ok(logged.into_iter().nth(1).expect("two were published"))
}

/// What answered behind the lab's API, one after the other.
async fn chat_api(
    story: &mut Story<'_>,
    first: &Logged,
    third: &Logged,
) -> Result<(), DemoDataError> {
    let name = |version: &str| release(&format!("{LAB}/chat-api@{version}"));
    let behind = |weights: &Logged| {
        Behind::Release(Disclosed {
            release: weights.release.clone(),
            statement: Some(weights.statement),
        })
    };
    let last = ApiVersion {
        replaces: Some(name("2026-08-01")),
        annotations: note(MADE_UP),
        ..undisclosed()
    };
    let middle = ApiVersion {
        behind: behind(third),
        system_prompt: None,
        context_length: Some(2_048),
        valid_from: "2026-08-01T00:00:00Z".to_owned(),
        replaces: Some(name("2026-05-01")),
        ..last.clone()
    };
    let begin = ApiVersion {
        behind: behind(first),
        valid_from: "2026-05-01T00:00:00Z".to_owned(),
        valid_until: Some("2026-08-01T00:00:00Z".to_owned()),
        replaces: None,
        ..middle.clone()
    };
    let drafts = vec![
        Draft::api_version(&name("2026-05-01"), begin),
        Draft::api_version(&name("2026-08-01"), middle),
        Draft::api_version(&name("2026-11-01"), last),
    ];
    story.publish(LAB, drafts).await?;
    Ok(())
}

fn evaluation(
    author: &str,
    values: &[f64; 4],
    outcome: Outcome,
    answers: Option<Sha256>,
) -> Evaluation {
    let result = |((task, samples), value): (&(&str, u64), &f64)| EvaluationResult {
        task: (*task).to_owned(),
        metric: "acc".to_owned(),
        value: *value,
        standard_error: Some(standard_error(*value, *samples)),
        samples: Some(*samples),
        few_shot: Some(0),
    };
    Evaluation {
        author: author.parse().expect("a name"),
        harness: Harness {
            name: "lm-evaluation-harness".to_owned(),
            version: Some("0.4.2".to_owned()),
            uri: Some("https://github.com/EleutherAI/lm-evaluation-harness".to_owned()),
            digest: None,
        },
        results: TASKS.iter().zip(values).map(result).collect(),
        config: None,
        raw_results: None,
        outcome,
        answers,
        date: Some("2026-10-01T12:00:00Z".to_owned()),
        annotations: note(MADE_UP),
    }
}

/// That of a share of `samples`, to six digits.
#[expect(
    clippy::cast_precision_loss,
    reason = "there are a few thousand samples"
)]
pub(super) fn standard_error(share: f64, samples: u64) -> f64 {
    let error = (share * (1.0 - share) / samples as f64).sqrt();
    (error * 1e6).round() / 1e6
}

/// Files that never were.
pub(super) fn manifest(of: &ReleaseName, files: &[(&str, u64)]) -> Manifest {
    let listed = |(path, size): &(&str, u64)| ManifestFile {
        path: path.parse().expect("a path"),
        size: Some(*size),
        digest: DigestSet::sha256(Sha256::of(format!("made up: {of} {path}"))),
    };
    Manifest::new(files.iter().map(listed).collect()).expect("files with digests, each once")
}

/// The settings in the document.
fn pretraining() -> Map<String, Value> {
    Map::from_iter([
        ("num-layers".to_owned(), json!(12)),
        ("hidden-size".to_owned(), json!(768)),
        ("learning_rate".to_owned(), json!(0.0003)),
        ("train_batch_size".to_owned(), json!(256)),
        ("seed".to_owned(), json!(42)),
    ])
}

fn empty_config(annotations: Annotations) -> TrainingConfig {
    TrainingConfig {
        code: None,
        hardware: None,
        duration: None,
        data: Vec::new(),
        checkpoints: Vec::new(),
        parents: Vec::new(),
        annotations,
        ..fine_tuning()
    }
}

fn base(name: &str, relation: &str) -> Vec<BaseModel> {
    vec![BaseModel {
        name: name.to_owned(),
        relation: Some(relation.to_owned()),
    }]
}

fn markdown(text: &str) -> Document {
    Document::new("README.md", "text/markdown", text)
}

fn yaml(name: &str, text: &str) -> Document {
    Document::new(name, "application/yaml", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_agree_but_on_one_task_of_the_last_version() {
        let mut apart = Vec::new();
        for (version, said, found) in VERSIONS {
            for ((task, samples), (said, found)) in TASKS.iter().zip(said.iter().zip(&found)) {
                let errors = [said, found].map(|value| standard_error(*value, *samples));
                let of_difference = errors[0].hypot(errors[1]);
                if (said - found).abs() > 1.96 * of_difference {
                    apart.push((version, *task));
                }
            }
        }
        assert_eq!(apart, [("2.0.0", "arc_easy")]);
    }
}
