//! Figures that others published, for where no folder with their files is named, and for what stands in a paper.

use candor_core::record::PublisherName;
use candor_core::record::kinds::{Annotations, Evaluation, EvaluationResult, Harness, Outcome};
use serde_json::json;

use super::lab::{NOTE, note};

/// Where Meta AI published OPT, at the commit that this is written for.
pub(super) const METASEQ: &str =
    "https://github.com/facebookresearch/metaseq/blob/f7ffa5fd61cf/projects/OPT";

/// Where EleutherAI published configs and results, likewise.
pub(super) const PYTHIA: &str = "https://github.com/EleutherAI/pythia/blob/a19eecb807ec";

/// A task, the accuracy, and its standard error.
pub(super) type Accuracy = (&'static str, f64, f64);

/// OPT-66B, zero-shot, as EleutherAI measured it: `evals/opt/opt-66b.json` in [`PYTHIA`], to four digits. That file has 57
/// tasks more.
pub(super) const OPT_66B: [Accuracy; 8] = [
    ("arc_challenge", 0.3720, 0.0141),
    ("arc_easy", 0.7168, 0.0092),
    ("lambada_openai", 0.7390, 0.0061),
    ("logiqa", 0.2273, 0.0164),
    ("piqa", 0.7878, 0.0095),
    ("sciq", 0.9260, 0.0083),
    ("winogrande", 0.6875, 0.0130),
    ("wsc", 0.5481, 0.0490),
];

/// Pythia 70M after so many steps of its training, zero-shot: `evals/pythia-v1` in [`PYTHIA`], to four digits.
pub(super) const PYTHIA_70M: [(&str, [Accuracy; 8]); 3] = [
    (
        "step1000",
        [
            ("arc_challenge", 0.1698, 0.0110),
            ("arc_easy", 0.3085, 0.0095),
            ("lambada_openai", 0.0501, 0.0030),
            ("logiqa", 0.2028, 0.0158),
            ("piqa", 0.5604, 0.0116),
            ("sciq", 0.4520, 0.0157),
            ("winogrande", 0.5114, 0.0140),
            ("wsc", 0.5577, 0.0489),
        ],
    ),
    (
        "step33000",
        [
            ("arc_challenge", 0.1817, 0.0113),
            ("arc_easy", 0.4011, 0.0101),
            ("lambada_openai", 0.2234, 0.0058),
            ("logiqa", 0.2089, 0.0159),
            ("piqa", 0.5985, 0.0114),
            ("sciq", 0.6640, 0.0149),
            ("winogrande", 0.4972, 0.0141),
            ("wsc", 0.3654, 0.0474),
        ],
    ),
    (
        "step143000",
        [
            ("arc_challenge", 0.1809, 0.0112),
            ("arc_easy", 0.3737, 0.0099),
            ("lambada_openai", 0.1846, 0.0054),
            ("logiqa", 0.2104, 0.0160),
            ("piqa", 0.5947, 0.0115),
            ("sciq", 0.6010, 0.0155),
            ("winogrande", 0.5280, 0.0140),
            ("wsc", 0.3654, 0.0474),
        ],
    ),
];

/// MD5 of OPT-66B's eight shards: `assets/opt66b_md5sum_shards.csv` in [`METASEQ`].
pub(super) const OPT_66B_SHARDS: &str = "\
shard,md5sum
reshard-model_part-0.pt,8ca8fe431adb4584f56bc00e3a5c5231
reshard-model_part-1.pt,bb1c1ca956e38c36ab9968eb2eca19bc
reshard-model_part-2.pt,a87d6b45875d52906b587f7ed23ceda9
reshard-model_part-3.pt,6a680f9e709766eedcf25fab6a0b708a
reshard-model_part-4.pt,71c4c72aad8068d0d74b611a622f164e
reshard-model_part-5.pt,1fc5525be4bb541773daf529d419c759
reshard-model_part-6.pt,1fc5525be4bb541773daf529d419c759
reshard-model_part-7.pt,95188a537bcc295d000ba519365dbf64
";

/// What Meta AI measured of OPT-66B without tools, zero-shot: "Toolformer: Language Models Can Teach Themselves to Use
/// Tools", arXiv 2302.04761, tables 3, 4, 5 and 7. In per cent, as they stand there; no errors were published. The paper
/// on OPT itself (arXiv 2205.01068) shows its zero-shot results as plots, so it has no numbers to repeat.
const OPT_66B_BY_META: [(&str, f64); 11] = [
    ("LAMA: SQuAD", 21.6),
    ("LAMA: Google-RE", 2.9),
    ("LAMA: T-REx", 30.1),
    ("ASDiv", 6.0),
    ("SVAMP", 4.9),
    ("MAWPS", 7.9),
    ("WebQS", 18.6),
    ("NQ", 11.4),
    ("TriviaQA", 45.7),
    ("TempLAMA", 14.5),
    ("Dateset", 1.3),
];

/// What a record says that repeats something published.
pub(super) fn from(source: &str) -> Annotations {
    let mut annotations = note(NOTE);
    annotations.insert("source".to_owned(), json!(source));
    annotations
}

/// EleutherAI's accuracies, where `source` says.
pub(super) fn accuracies(author: &PublisherName, figures: &[Accuracy], source: &str) -> Evaluation {
    let result = |(task, value, error): &Accuracy| EvaluationResult {
        task: (*task).to_owned(),
        metric: "acc".to_owned(),
        value: *value,
        standard_error: Some(*error),
        samples: None,
        few_shot: Some(0),
    };
    Evaluation {
        author: author.clone(),
        harness: Harness {
            name: "lm-evaluation-harness".to_owned(),
            version: None,
            uri: Some("https://github.com/EleutherAI/lm-evaluation-harness".to_owned()),
            digest: None,
        },
        results: figures.iter().map(result).collect(),
        config: None,
        raw_results: None,
        outcome: Outcome::Reported,
        answers: None,
        date: None,
        annotations: from(source),
    }
}

/// What Meta AI published of OPT-66B itself.
pub(super) fn opt_66b_by_meta(author: &PublisherName) -> Evaluation {
    let paper = "https://arxiv.org/abs/2302.04761";
    let results = OPT_66B_BY_META.map(|(task, value)| EvaluationResult {
        task: task.to_owned(),
        metric: "per cent correct".to_owned(),
        value,
        standard_error: None,
        samples: None,
        few_shot: Some(0),
    });
    let mut annotations = from(paper);
    annotations.insert(
        "tables".to_owned(),
        json!("3, 4, 5 and 7, row OPT (66B); standard errors were not published"),
    );
    Evaluation {
        author: author.clone(),
        harness: Harness {
            name: "the zero-shot prompts of Toolformer".to_owned(),
            version: None,
            uri: Some(paper.to_owned()),
            digest: None,
        },
        results: results.to_vec(),
        config: None,
        raw_results: None,
        outcome: Outcome::Reported,
        answers: None,
        date: None,
        annotations,
    }
}
