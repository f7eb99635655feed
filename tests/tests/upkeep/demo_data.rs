//! `candor-server demo-data`: a log that somebody new looks at, and that everything else takes for a log.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use candor_tests::cli::Person;
use candor_tests::demo::{demo_data, flags_of_what_is_there, start};
use candor_tests::{TestLog, published_data};
use serde_json::Value;

use super::world::{expect_sound, printed};

/// What two authors or more measured of a release: the tasks, and whether they agree.
fn compared(log: &TestLog, release: &str) -> Vec<(String, String)> {
    let path = format!("/api/v1/releases/{release}/evaluations");
    let json = log.get(&path).expect_status(200).json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let measured = json["measured"].as_array().expect("a list").iter();
    measured
        .filter(|it| it["agreement"] != "alone")
        .map(|it| (text(&it["task"]), text(&it["agreement"])))
        .collect()
}

/// Who measured something of a release.
fn authors(log: &TestLog, release: &str) -> Vec<String> {
    let path = format!("/api/v1/evaluations?release={release}&limit=200");
    let json = log.get(&path).expect_status(200).json();
    let evaluations = json["evaluations"].as_array().expect("a list").iter();
    let mut authors: Vec<String> = evaluations
        .map(|it| it["author"].as_str().expect("a name").to_owned())
        .collect();
    authors.sort_unstable();
    authors.dedup();
    authors
}

/// What every demonstration shows, with whatever content.
fn expect_all_that_a_registry_shows(log: &TestLog) {
    assert_eq!(
        authors(log, "meta-ai/opt-66b@1.0.0"),
        ["eleutherai", "meta-ai"]
    );
    for step in ["step1000", "step33000", "step143000"] {
        assert_eq!(
            authors(log, &format!("eleutherai/pythia-70m@{step}")),
            ["eleutherai"]
        );
    }
    log.get("/api/v1/releases/meta-ai/opt-175b@1.0.0")
        .expect_status(200);
    let by_task: Vec<(String, String)> = compared(log, "example-lab/tiny-lm@2.0.0");
    let agree = |task: &str, agreement: &str| (task.to_owned(), agreement.to_owned());
    assert_eq!(
        by_task,
        [
            agree("arc_easy", "differ"),
            agree("lambada_openai", "agree"),
            agree("piqa", "agree"),
            agree("winogrande", "agree"),
        ]
    );
    let withdrawn = log.get("/api/v1/withdrawals").expect_status(200).json();
    let of = withdrawn["withdrawals"].as_array().expect("a list").iter();
    let of: Vec<&str> = of.filter_map(|it| it["release"].as_str()).collect();
    assert!(of.contains(&"example-lab/tiny-lm@1.1.0"), "{of:?}");
    let auditor = Person::new(log, "auditor");
    auditor
        .candor(log, "lineage example-lab/opt-125m-minutes-int8@0.3.0")
        .expect_code(0)
        .expect_words("example-lab/opt-125m-minutes@0.3.0")
        .expect_words("meta-ai/opt-125m@1.0.0");
    auditor
        .candor(log, "show example-lab/chat-api")
        .expect_code(0)
        .expect_words("2026-08-01");
}

/// That each record says what it is: whoever finds one elsewhere must not take it for the lab's.
fn expect_each_record_to_say_what_it_is(log: &TestLog) {
    let mut next = Some("/api/v1/records?limit=100".to_owned());
    while let Some(path) = next {
        let page = log.get(&path).expect_status(200).json();
        for record in page["records"].as_array().expect("a list") {
            let path = format!("/api/v1/records/{}", record["index"]);
            let whole = log.get(&path).expect_status(200).json().to_string();
            assert!(whole.contains("A demonstration."), "{whole}");
        }
        next = page["next"].as_str().map(str::to_owned);
    }
}

/// The pages that the home page leads to, by links alone: each is there, and small.
fn expect_pages_that_lead_on_and_are_small(log: &TestLog) {
    let mut seen = BTreeSet::new();
    let mut todo = vec!["/".to_owned()];
    while let Some(path) = todo.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let page = log.get(&path).expect_status(200).text();
        assert!(
            page.len() < 50 * 1024,
            "{path} has {} bytes of HTML",
            page.len()
        );
        let links = page.split("href=\"").skip(1);
        let links = links.filter_map(|it| it.split(['"', '#']).next());
        let is_page = |it: &&str| {
            let is_other = ["/api/", "/badges/", "/checkpoint", "/tile/"]
                .iter()
                .any(|other| it.starts_with(other));
            it.starts_with('/') && !is_other && !it.contains(".atom") && !it.contains(".svg")
        };
        todo.extend(links.filter(is_page).map(|it| it.replace("&amp;", "&")));
    }
    assert!(seen.len() > 50, "the pages lead nowhere: {seen:?}");
}

#[test]
fn somebody_new_finds_what_a_registry_is_for_and_verifies_what_the_command_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("log");
    let (mut log, said) = start(&data, &[]);
    let command = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("candor "))
        .next_back()
        .expect("it says how to verify something");
    Person::new(&log, "reader")
        .candor(&log, command)
        .expect_code(0);
    expect_all_that_a_registry_shows(&log);
    expect_each_record_to_say_what_it_is(&log);
    expect_pages_that_lead_on_and_are_small(&log);
    assert!(log.stop().success());
    expect_sound(&data);
    // The same once more: the log is there.
    let again = printed(&demo_data(&data, &[]), 2);
    assert!(again.contains("there is a log"), "{again}");
}

#[test]
fn what_labs_published_and_a_real_model_become_records_where_they_are_there() {
    let flags = flags_of_what_is_there();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("log");
    let (mut log, _) = start(&data, &flags);
    expect_all_that_a_registry_shows(&log);
    expect_pages_that_lead_on_and_are_small(&log);
    if published_data().is_some() {
        let weights = log
            .get("/api/v1/releases/meta-ai/opt-175b@1.0.0")
            .expect_status(200);
        assert!(
            weights.text().contains("\"files\":992"),
            "{}",
            weights.text()
        );
    }
    if flags.contains(&"--model") {
        let answer = log
            .get("/api/v1/search?q=all-minilm")
            .expect_status(200)
            .json();
        assert_eq!(
            answer["hits"][0]["name"],
            "sentence-transformers/all-minilm-l6-v2@1.0.0"
        );
    }
    assert!(log.stop().success());
    expect_sound(&data);
}

#[test]
fn further_records_are_the_same_in_every_run_and_a_log_is_sound_with_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let first_lines = ["first", "second"].map(|name| {
        let data = folder.path().join(name);
        let (mut log, said) = start(&data, &["--records", "2000"]);
        // The catalogue is there already: nobody waits for what is shown.
        let statistics = log.get("/api/v1/statistics").expect_status(200).json();
        assert!(statistics["models"].as_u64() > Some(200), "{statistics}");
        assert!(log.stop().success());
        expect_sound(&data);
        said.lines().next().expect("it says how many").to_owned()
    });
    assert!(first_lines[0].contains(" records: "), "{}", first_lines[0]);
    assert_eq!(first_lines[0], first_lines[1]);
}

#[test]
fn what_can_t_be_read_leaves_no_log_behind_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("empty")).expect("a folder");
    let text = |path: &Path| path.to_str().expect("a plain name").to_owned();
    let (empty, nowhere) = (text(&path("empty")), text(&path("nowhere")));
    for (flags, words) in [
        (vec!["--from", &nowhere], "nowhere/opt/"),
        (vec!["--from", &empty], "empty/opt/"),
        (vec!["--model", &empty], "empty/README.md: there is none"),
        (
            vec!["--model", &nowhere],
            "nowhere/README.md: there is none",
        ),
        (vec!["--model-as", "a/b@1"], "--model"),
        (vec!["--records", "10000001"], "may be at most 10000000"),
        (
            vec!["--model", &empty, "--model-as", "load-lab-001/a@1"],
            "--model-as",
        ),
    ] {
        let data = path("log");
        let said = printed(&demo_data(&data, &flags), 2);
        assert!(said.contains(words), "{flags:?}: {said}");
        assert!(!data.exists(), "{flags:?} left a log behind");
    }
}
