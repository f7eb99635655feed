//! What labs have published so far, as records: OPT's model card and checksums, Pythia's training configs,
//! and evaluations of both. The files are in `shared/data` beside the project; without them nothing is tested.
//!
//! How they become releases:
//!
//! ```text
//! meta-ai/opt-175b@1.0.0      model_card.md, and the list of MD5 digests as its weights
//! meta-ai/opt-66b@1.0.0       the same card, which is about the whole family; its own list; an evaluation
//! meta-ai/opt-125m@1.0.0      the same card, so that the evaluation has something to be about
//! meta-ai/opt-data@1.0.0      data_card.md: a release has one card, and this one is of the data
//! eleutherai/pythia-70m@1.1   the training config, and evaluations of three checkpoints of that run
//! eleutherai/pythia-{6.9b,12b}@1.1
//! ```
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use candor_core::bundle::Bundle;
use candor_core::record::Algorithm;
use candor_tests::cli::{Person, Ran};
use candor_tests::{TestLog, published_data};
use serde_json::Value;

/// Where Meta AI published OPT, at the commit of the copy.
const METASEQ: &str =
    "https://github.com/facebookresearch/metaseq/blob/f7ffa5fd61cf/projects/OPT/assets";

/// A log with two labs, and the files.
struct Scene {
    log: TestLog,
    data: PathBuf,
    meta: Person,
    eleuther: Person,
}

impl Scene {
    /// Nothing where the files are not.
    fn new() -> Option<Self> {
        let Some(data) = published_data() else {
            println!("skipped: shared/data is not there");
            return None;
        };
        let log = TestLog::start();
        let meta = Person::registered(&log, "meta-ai");
        let eleuther = Person::registered(&log, "eleutherai");
        Some(Self {
            log,
            data,
            meta,
            eleuther,
        })
    }

    /// `candor publish`, with a path below the data.
    fn publish(&self, who: &Person, file: &str, rest: &[&str]) -> Ran {
        let path = self.data.join(file);
        let path = path.to_str().expect("the path is UTF-8");
        who.candor_args(&self.log, &[&["publish", path], rest].concat())
            .expect_code(0)
    }

    /// OPT-175B: its card, and all that was published about its weights.
    fn publish_opt_175b(&self) {
        let release = ["--as", "meta-ai/opt-175b@1.0.0"];
        self.publish(&self.meta, "opt/model_card.md", &release);
        let uri = format!("{METASEQ}/opt175b_md5sum_shards.csv");
        let source = [
            "--source-uri",
            &uri,
            "--source-note",
            "For checking downloads of the 992 shards; no other digests of OPT-175B were ever published.",
            "--out",
            "opt-175b-1.0.0.candor",
        ];
        self.publish(
            &self.meta,
            "opt/opt175b_md5sum_shards.csv",
            &[&release[..], &source].concat(),
        )
        .expect_words("md5 is weak");
    }

    fn show(&self, what: &str) -> String {
        let shown = self.eleuther.candor(&self.log, &format!("show {what}"));
        shown.expect_code(0).stdout
    }

    fn show_json(&self, what: &str) -> Value {
        let shown = self
            .eleuther
            .candor(&self.log, &format!("show {what} --json"));
        shown.expect_code(0).json()
    }

    /// The predicates of a kind in a release.
    fn predicates(&self, release: &str, kind: &str) -> Vec<Value> {
        let shown = self.show_json(release);
        let records = shown["records"].as_array().expect("records");
        let of_kind = records.iter().filter(|record| record["kind"] == kind);
        of_kind
            .map(|record| record["statementJson"]["predicate"].clone())
            .collect()
    }
}

#[test]
fn all_that_was_published_of_opt_175b_is_a_card_and_weak_digests_and_the_page_says_so() {
    let Some(scene) = Scene::new() else { return };
    scene.publish_opt_175b();
    insta::assert_snapshot!(scene.show("meta-ai/opt-175b"));

    let weights = &scene.predicates("meta-ai/opt-175b@1.0.0", "weights")[0];
    assert_eq!(weights["files"], 992);
    assert_eq!(weights["algorithms"], serde_json::json!(["md5"]));
    assert_eq!(weights["strength"], "weak");
    // The bundle proves that the list is in the log, and does not make more of it than it is.
    let verified = scene
        .meta
        .candor(&scene.log, "verify opt-175b-1.0.0.candor");
    verified.expect_code(0).expect_words("weak");
    let folder = scene
        .meta
        .write("opt/checkpoint_last-model_part-0-shard0.pt", "x");
    let folder = folder.parent().expect("a folder").display().to_string();
    scene
        .meta
        .candor(
            &scene.log,
            &format!("verify {folder} --bundle opt-175b-1.0.0.candor"),
        )
        .expect_error(1, "missing: checkpoint_last-model_part-0-shard1.pt")
        .expect_words("MD5");
}

#[test]
fn each_of_the_992_digests_of_opt_175b_is_in_the_log_and_none_makes_a_good_verdict() {
    let Some(scene) = Scene::new() else { return };
    let list = scene.data.join("opt/opt175b_md5sum_shards.csv");
    let release = "meta-ai/opt-175b@1.0.0";
    let rest = ["--as", release, "--dry-run"];
    let dry = scene
        .publish(
            &scene.meta,
            "opt/opt175b_md5sum_shards.csv",
            &[&rest[..], &["--json"]].concat(),
        )
        .json();
    assert!(dry["warnings"].to_string().contains("md5 is weak"), "{dry}");
    let shown = dry["records"].to_string();
    assert!(shown.contains("\"files\":992") && shown.contains("\"strength\":\"weak\""));
    scene
        .publish(&scene.meta, "opt/opt175b_md5sum_shards.csv", &rest)
        .expect_words("md5 is weak");

    // What is in the log is the list, digest for digest.
    scene.publish_opt_175b();
    let bundle = Bundle::parse(&scene.meta.read("opt-175b-1.0.0.candor")).expect("a bundle");
    let bundle = bundle.verify(scene.log.key()).expect("it holds");
    let manifest = bundle.manifests.values().next().expect("a manifest");
    let csv = std::fs::read_to_string(list).expect("the file is there");
    let rows = csv.lines().skip(1).filter_map(|line| line.split_once(','));
    let rows: BTreeMap<_, _> = rows.collect();
    let listed = manifest.files().iter();
    let listed = listed.map(|it| (it.path.as_str(), it.digest.by(Algorithm::Md5).expect("MD5")));
    assert_eq!(listed.collect::<BTreeMap<_, _>>(), rows);
    assert_eq!(rows.len(), 992);

    // That the record is in the log is proven, and that it is weak is said.
    let of_release = scene
        .eleuther
        .candor(&scene.log, &format!("verify {release} --json"));
    let said = of_release.json();
    assert!(
        said["remarks"].to_string().contains("which are weak"),
        "{said}"
    );
    let shown = scene.show(release);
    assert!(
        shown.contains("992 files, sizes unknown") && shown.contains("WEAK"),
        "{shown}"
    );
    assert_eq!(
        scene.show_json(release)["records"][1]["statementJson"]["predicate"]["strength"],
        "weak"
    );
}

/// A list in the form of OPT-175B's, of files that are there: all that MD5 can say for them is that nobody can tell.
#[test]
fn a_folder_whose_992_md5_digests_are_right_is_left_open() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let name = |n: usize| format!("checkpoint_last-model_part-{}-shard{}.pt", n / 124, n % 124);
    // MD5 of "hello\n".
    let row = |n| format!("{},b1946ac92492d2347c6235b4d2611184", name(n));
    let rows: Vec<_> = (0..992).map(row).collect();
    lab.write("sums.csv", format!("shard,md5sum\n{}", rows.join("\n")));
    lab.candor(
        &log,
        "publish sums.csv --as example-lab/large@1 --out large.candor",
    )
    .expect_code(0);
    for n in 0..992 {
        lab.write(&format!("large/{}", name(n)), "hello\n");
    }
    let verify = "verify large --bundle large.candor";
    lab.candor(&log, verify).expect_error(
        3,
        "992 files have the digests that are listed, by MD5 alone",
    );
    let said = lab
        .candor(&log, &format!("{verify} --json"))
        .expect_code(3)
        .json();
    assert_eq!(said["verdict"], "could-not-tell");
    assert!(said["doubts"].to_string().contains("992 files"), "{said}");
    assert!(!said["checked"].to_string().contains("992"), "{said}");
    lab.write(&format!("large/{}", name(991)), "hallo\n");
    lab.candor(&log, verify)
        .expect_error(1, "changed: checkpoint_last-model_part-7-shard123.pt");
}

#[test]
fn the_list_of_opt_66b_names_two_shards_with_one_digest() {
    let Some(scene) = Scene::new() else { return };
    let uri = format!("{METASEQ}/opt66b_md5sum_shards.csv");
    let rest = ["--as", "meta-ai/opt-66b@1.0.0", "--source-uri", &uri];
    scene
        .publish(&scene.meta, "opt/opt66b_md5sum_shards.csv", &rest)
        .expect_words("reshard-model_part-5.pt, reshard-model_part-6.pt");
    let weights = &scene.predicates("meta-ai/opt-66b@1.0.0", "weights")[0];
    assert_eq!(
        (&weights["files"], &weights["strength"]),
        (&8.into(), &"weak".into())
    );
    assert_eq!(weights["source"]["uri"], uri);
}

#[test]
fn the_training_configs_of_pythia_become_records_with_their_settings() {
    let Some(scene) = Scene::new() else { return };
    for (size, settings) in [("70m", 60), ("6.9b", 60), ("12b", 0)] {
        let release = format!("eleutherai/pythia-{size}@1.1");
        let published = scene.publish(
            &scene.eleuther,
            &format!("pythia/configs/pythia-{size}.yml"),
            &["--as", &release],
        );
        let config = &scene.predicates(&release, "training-config")[0];
        let read = config["hyperparameters"]
            .as_object()
            .map_or(0, serde_json::Map::len);
        if settings == 0 {
            // A comma is missing in the file as it was published. It goes along as it is.
            published.expect_words("is not YAML that can be read");
            assert_eq!(read, 0);
        } else {
            assert!(published.stderr.is_empty(), "{}", published.transcript());
            assert_eq!(config["framework"]["name"], "gpt-neox");
            assert!(read > 40, "{read} settings of {size}");
        }
    }
    insta::assert_snapshot!(scene.show("eleutherai/pythia-70m"));
}

#[test]
fn evaluations_keep_every_value_and_its_standard_error() {
    let Some(scene) = Scene::new() else { return };
    // An evaluation is about a content that the log knows: here, of the card of the whole family.
    for model in ["opt-125m", "opt-66b"] {
        let release = format!("meta-ai/{model}@1.0.0");
        scene.publish(&scene.meta, "opt/model_card.md", &["--as", &release]);
        let author = ["--as", &release, "--author", "eleutherai"];
        scene.publish(&scene.eleuther, &format!("opt/evals/{model}.json"), &author);
    }
    let release = "eleutherai/pythia-70m@1.1";
    scene.publish(
        &scene.eleuther,
        "pythia/configs/pythia-70m.yml",
        &["--as", release],
    );
    for step in ["step1000", "step33000", "step143000"] {
        let file = format!("pythia/evals/pythia-70m_{step}.zero-shot.json");
        scene.publish(&scene.eleuther, &file, &["--as", release]);
    }
    assert_eq!(scene.predicates(release, "evaluation").len(), 3);

    for model in ["opt-125m", "opt-66b"] {
        let file = scene.data.join(format!("opt/evals/{model}.json"));
        let file: Value = serde_json::from_slice(&std::fs::read(file).expect("the file is there"))
            .expect("results are JSON");
        let evaluation = &scene.predicates(&format!("meta-ai/{model}@1.0.0"), "evaluation")[0];
        assert_eq!(evaluation["author"], "eleutherai");
        assert_eq!(evaluation["outcome"], "reported");
        let mut with_error = 0;
        for (task, metrics) in file["results"].as_object().expect("tasks") {
            for (metric, value) in metrics.as_object().expect("metrics") {
                if metric.ends_with("_stderr") {
                    continue;
                }
                let results = evaluation["results"].as_array().expect("results");
                let result = results
                    .iter()
                    .find(|it| it["task"] == *task && it["metric"] == *metric)
                    .unwrap_or_else(|| panic!("{task} {metric} is lost"));
                assert_eq!(result["value"], *value, "{task} {metric}");
                let error = &metrics[&format!("{metric}_stderr")];
                assert_eq!(result["standardError"], *error, "{task} {metric}");
                with_error += usize::from(error.is_number());
            }
        }
        assert!(with_error > 50, "{with_error} values with an error");
    }
    insta::assert_snapshot!(scene.show("meta-ai/opt-125m"));
}

#[test]
fn the_data_card_is_a_card_of_the_data() {
    let Some(scene) = Scene::new() else { return };
    scene.publish_opt_175b();
    let card = scene.data.join("opt/data_card.md");
    let card = card.to_str().expect("the path is UTF-8");
    let second = ["publish", card, "--as", "meta-ai/opt-175b@1.0.0"];
    scene
        .meta
        .candor_args(&scene.log, &second)
        .expect_error(2, "has its model-card record already");
    scene.publish(
        &scene.meta,
        "opt/data_card.md",
        &["--as", "meta-ai/opt-data@1.0.0"],
    );
    assert_eq!(
        scene
            .predicates("meta-ai/opt-data@1.0.0", "model-card")
            .len(),
        1
    );
}
