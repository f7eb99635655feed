//! What operators and programmers look at: health, metrics, and the description of the API.

use std::collections::BTreeMap;

use serde_json::Value;

use super::world::World;

/// Reads `OpenMetrics` text: each sample with its labels, and its value.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    let mut families: Vec<&str> = Vec::new();
    let mut samples = BTreeMap::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').expect("# KEYWORD name …");
            let (name, _) = rest.split_once(' ').expect("# KEYWORD name …");
            match keyword {
                "HELP" => families.push(name),
                "TYPE" | "UNIT" => assert_eq!(families.last(), Some(&name), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("name value");
        let family = families.last().expect("samples come behind their family");
        assert!(sample.starts_with(family), "{line}");
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(
            samples.insert(sample.to_owned(), value),
            None,
            "{line} is there twice"
        );
    }
    samples
}

#[test]
#[expect(clippy::float_cmp, reason = "counts are whole numbers")]
fn metrics_count_what_happened() {
    let world = World::new();
    world.log.publish(&[Value::Null]).expect_status(400);
    let answer = world.log.get("/metrics").expect_status(200);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), content_type);
    let samples = samples(&answer.text());
    let value = |name: &str| {
        *samples
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {samples:#?}"))
    };
    assert_eq!(value("candor_tree_size"), 16.0);
    assert_eq!(value("candor_records_logged_total"), 16.0);
    assert_eq!(value("candor_queue_depth"), 0.0);
    assert_eq!(
        value("candor_refused_total{problem=\"malformed-envelope\"}"),
        1.0
    );
    assert_eq!(value("candor_requests_total{status=\"201\"}"), 3.0);
    assert_eq!(value("candor_requests_total{status=\"400\"}"), 1.0);
    assert_eq!(value("candor_batch_entries_sum"), 16.0);
    for (step, times) in [
        ("verify", 3.0),
        ("queue_wait", 3.0),
        ("look_up", 3.0),
        ("integrate", 3.0),
        ("commit", 3.0),
        ("release", 3.0),
    ] {
        assert_eq!(value(&format!("candor_{step}_seconds_count")), times);
        assert!(value(&format!("candor_{step}_seconds_sum")) > 0.0, "{step}");
    }
    let readers = |state: &str| value(&format!("candor_readers{{state=\"{state}\"}}"));
    assert_eq!(readers("busy") + readers("idle"), 4.0);
    // A log of 65,536 entries has the first 4 MiB of it.
    assert_eq!(value("candor_index_bytes"), 0.0);
    assert!(value("candor_sequencer_alive_seconds") > 1.7e9);
    assert!(value("candor_storage_free_bytes") > 0.0);
}

/// What it says when something is wrong, the server's own tests show, and `serving` on a disk that is full.
#[test]
fn a_log_that_is_well_is_healthy_and_ready() {
    let world = World::new();
    assert_eq!(world.log.get("/healthz").expect_status(200).text(), "ok\n");
    let ready = world.log.get("/readyz").expect_status(200);
    assert_eq!(ready.header("cache-control"), "no-store");
    let ready = ready.json();
    let free = ready["freeBytes"].as_u64().expect("a number");
    assert_eq!(
        ready,
        serde_json::json!({
            "ready": true,
            "size": 16,
            "freeBytes": free,
            "checks": {
                "sequencer": true,
                "storage": true,
                "checkpoint": true,
                "commit": true,
                "space": true,
            },
        })
    );
}

/// What operators are given to watch the log with speaks of what the log says, and of what its documentation explains.
#[test]
fn alerts_and_dashboard_name_metrics_and_sections_that_are_there() {
    let world = World::new();
    // What was never counted is not there.
    world.log.post("application/json", b"{").expect_status(400);
    // Nor are webhooks where there are none.
    let settings = world.log.scratch().join("candor.toml");
    let webhook = "[[webhook]]\nname = \"hook\"\nurl = \"https://hooks.example.org/\"\n";
    std::fs::write(&settings, webhook).expect("it is written");
    let settings = settings.to_str().expect("a path in UTF-8");
    let told = candor_tests::TestLog::start_with(&["--config", settings]);
    let metrics = world.log.get("/metrics").text() + &told.get("/metrics").text();
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| std::fs::read_to_string(repository.join(name)).expect(name);
    let operating = read("docs/operating.md").to_lowercase();
    let mut named = std::collections::BTreeSet::new();
    for file in ["deploy/alerts.yml", "deploy/grafana.json"] {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        named.extend(
            words
                .filter(|word| word.starts_with("candor_"))
                .map(str::to_owned),
        );
        for section in text.split("docs/operating.md#").skip(1) {
            let section: String = section
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            assert!(
                operating.contains(&format!("### {section}\n")),
                "{file}: docs/operating.md has no section {section}"
            );
        }
    }
    assert!(named.len() > 12, "{named:?}");
    for name in named {
        // A histogram's buckets are described under its own name, a counter's total without its ending.
        let described = name.trim_end_matches("_bucket").trim_end_matches("_total");
        assert!(
            metrics.contains(&format!("# HELP {described} ")),
            "{name} is not in:\n{metrics}"
        );
    }
}
