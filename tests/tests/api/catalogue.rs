//! `/api/v1`: what is derived for those who look around.

use candor_core::Sha256;
use candor_tests::http::get_with;
use serde_json::{Value, json};

use super::world::World;

fn each(answer: &Value, list: &str, field: &str) -> Vec<Value> {
    let items = answer[list].as_array().expect("a list");
    items.iter().map(|item| item[field].clone()).collect()
}

#[test]
fn what_was_published_is_found_at_once() {
    let world = World::new();
    for (question, expected) in [
        (
            "q=tiny",
            vec!["example-lab/tiny@1.0.0", "example-lab/tiny-api@1.2.0%2Br1"],
        ),
        ("q=zed&newest=true", vec!["zeta-lab/zed@1.1.0"]),
        ("q=auditor", vec!["auditor"]),
        ("kind=weights", vec!["example-lab/tiny@1.0.0"]),
        ("kind=evaluation", vec!["example-lab/tiny-api@1.0.0"]),
        ("publisher=zeta-lab&kind=publisher", vec!["zeta-lab"]),
        ("q=tiny&licence=mit", vec![]),
        ("q=tiny&until=2000-01-01", vec![]),
    ] {
        let found = world.json(&format!("/api/v1/search?limit=2&{question}"));
        let expected: Vec<Value> = expected
            .iter()
            .map(|it| it.replace("%2B", "+").into())
            .collect();
        assert_eq!(each(&found, "hits", "name"), expected, "{question}");
    }
    let all = world.pages("/api/v1/search", "hits", 3);
    assert_eq!(all.len(), 3 + 7, "each publisher and each release, once");
}

#[test]
fn a_pasted_digest_finds_the_releases_that_hold_the_file() {
    let world = World::new();
    let digest = Sha256::of(b"weights").to_string();
    let found = world.json(&format!("/api/v1/search?q={digest}"));
    assert_eq!(each(&found, "hits", "name"), ["example-lab/tiny@1.0.0"]);
    let found = world.json(&format!(
        "/api/v1/search?digest={}&q=tiny",
        digest.to_uppercase()
    ));
    assert_eq!(each(&found, "hits", "name"), ["example-lab/tiny@1.0.0"]);
    let holders = world.json(&format!("/api/v1/files/{digest}"));
    assert_eq!(each(&holders, "releases", "index"), [11]);
    let nobody = world.json(&format!("/api/v1/files/{}", "0".repeat(64)));
    assert_eq!(nobody["releases"], json!([]));
}

#[test]
fn evaluations_are_listed_and_compared() {
    let world = World::new();
    // The one that was answered was withdrawn.
    let listed = world.json("/api/v1/evaluations?release=example-lab/tiny-api@1.0.0");
    assert_eq!(each(&listed, "evaluations", "author"), ["zeta-lab"]);
    let all =
        world.json("/api/v1/evaluations?model=example-lab/tiny-api&withdrawn=true&byOthers=true");
    assert_eq!(
        each(&all, "evaluations", "withdrawnBy"),
        [json!(14), Value::Null]
    );
    let compared = world.json("/api/v1/releases/example-lab/tiny-api@1.0.0/evaluations");
    assert_eq!(each(&compared, "measured", "agreement"), ["alone"]);
    let none = world.json("/api/v1/releases/example-lab/tiny@1.0.0/evaluations");
    assert_eq!(none["measured"], json!([]));
    world
        .log
        .get("/api/v1/releases/example-lab/none@1/evaluations")
        .expect_status(404);
}

#[test]
fn api_versions_withdrawals_lineage_and_counts_are_there() {
    let world = World::new();
    let versions = world.json("/api/v1/api-versions?model=example-lab/tiny-api");
    let names = [
        "example-lab/tiny-api@1.0.0",
        "example-lab/tiny-api@1.2.0+r1",
    ];
    assert_eq!(each(&versions, "apiVersions", "name"), names);
    let before = world.json("/api/v1/api-versions?at=1999-12-31");
    assert_eq!(before["apiVersions"], json!([]));
    let withdrawals = world.json("/api/v1/withdrawals");
    assert_eq!(each(&withdrawals, "withdrawals", "index"), [15, 14]);
    assert_eq!(
        each(&withdrawals, "withdrawals", "target"),
        [Value::Null, json!(12)]
    );
    let lineage = world.json("/api/v1/lineage/example-lab/tiny@1.0.0");
    assert_eq!(each(&lineage, "releases", "distance"), [0]);
    world
        .log
        .get("/api/v1/lineage/example-lab/none@1")
        .expect_status(404);
    let statistics = world.json("/api/v1/statistics");
    assert_eq!(statistics["records"], 16);
    assert_eq!(
        (&statistics["publishers"], &statistics["releases"]),
        (&json!(3), &json!(7))
    );
}

#[test]
fn several_entries_are_proven_against_one_checkpoint() {
    let world = World::new();
    let batch = world.json("/api/v1/proofs?indexes=3,0,15");
    assert_eq!(each(&batch, "proofs", "index"), [3, 0, 15]);
    for proof in batch["proofs"].as_array().expect("proofs") {
        let one = world.json(&format!(
            "/api/v1/proofs/inclusion?index={}",
            proof["index"]
        ));
        assert_eq!(
            (&proof["hashes"], &batch["size"]),
            (&one["hashes"], &one["size"])
        );
    }
    world
        .log
        .get("/api/v1/proofs?indexes=0,16")
        .expect_status(404);
    world.log.get("/api/v1/proofs?indexes=").expect_status(400);
    let many = vec!["0"; 257].join(",");
    world
        .log
        .get(&format!("/api/v1/proofs?indexes={many}"))
        .expect_status(400);
}

#[test]
fn a_client_names_the_fields_that_it_wants() {
    let world = World::new();
    for (path, list) in [
        ("/api/v1/records?fields=index,kind", "records"),
        ("/api/v1/publishers?fields=name", "publishers"),
        ("/api/v1/models?fields=name", "models"),
        ("/api/v1/search?fields=name,type", "hits"),
        (
            "/api/v1/evaluations?fields=value&withdrawn=true",
            "evaluations",
        ),
        ("/api/v1/api-versions?fields=name", "apiVersions"),
        ("/api/v1/withdrawals?fields=reason", "withdrawals"),
    ] {
        let fields = path
            .split(['=', '&'])
            .nth(1)
            .expect("fields")
            .split(',')
            .count();
        let items = world.pages(path, list, 1);
        assert!(!items.is_empty(), "{path}");
        for item in items {
            assert_eq!(
                item.as_object().map(serde_json::Map::len),
                Some(fields),
                "{path}: {item}"
            );
        }
    }
    let answer = world.log.get("/api/v1/records?fields=index,nonsense");
    assert!(
        answer
            .text()
            .contains("there is no \\\"nonsense\\\"; there are "),
        "{}",
        answer.text()
    );
    answer.expect_status(400);
}

#[test]
fn what_a_client_has_already_is_not_sent_again() {
    let world = World::new();
    for path in [
        "/api/v1/search?q=tiny",
        "/api/v1/statistics",
        "/api/v1/evaluations",
    ] {
        let first = world.log.get(path).expect_status(200);
        let url = format!("{}{path}", world.log.url());
        get_with(&url, "if-none-match", first.header("etag")).expect_status(304);
    }
}

#[test]
fn bad_parameters_say_what_is_wrong() {
    let world = World::new();
    for (path, words) in [
        ("search?kind=paper", "kind"),
        ("search?publisher=Not%20one", "publisher"),
        ("search?since=yesterday", "is no day"),
        ("search?since=2026-05-02&until=2026-05-01", "before since"),
        ("search?after=x", "address of the next page"),
        ("search?limit=0", "limit"),
        ("search?digest=xyz", "hexadecimal digits"),
        ("search?tag=", "tag"),
        ("search?nonsense=1", "nonsense"),
        ("files/abc", "hexadecimal digits"),
        ("evaluations?release=x", "release"),
        ("api-versions?at=2026-02-30", "is no day"),
        ("withdrawals?reason=whim", "reason"),
        (
            "lineage/example-lab/tiny@1.0.0?direction=sideways",
            "direction",
        ),
        ("lineage/example-lab/tiny@1.0.0?depth=65", "depth"),
        ("proofs?indexes=one", "indexes"),
    ] {
        let answer = world.log.get(&format!("/api/v1/{path}")).expect_status(400);
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{path}"
        );
        let text = answer.text();
        assert!(text.contains(words), "{path}: {text}");
    }
}

#[test]
fn a_catalogue_that_was_deleted_is_derived_again() {
    let mut world = World::new();
    let before = world.json("/api/v1/search?limit=500");
    world.log.kill();
    let file = world.log.data().join("catalogue.db");
    std::fs::remove_file(&file).expect("it was there");
    for ending in ["-wal", "-shm"] {
        let mut beside = file.clone().into_os_string();
        beside.push(ending);
        let _ = std::fs::remove_file(beside);
    }
    world.log.restart();
    assert_eq!(world.json("/api/v1/search?limit=500"), before);
}
