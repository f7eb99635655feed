//! `/api/v1`: publishers, records, models, releases, attachments.

use candor_tests::TestPublisher;
use candor_tests::http::get_with;
use candor_tests::raw::ask;
use candor_tests::statements::{digest_of, fit_subject, statement_of};
use serde_json::{Value, json};

use super::world::{CARD, World};

/// One field of each item.
fn each(items: &[Value], field: &str) -> Vec<Value> {
    items.iter().map(|item| item[field].clone()).collect()
}

#[test]
fn a_publisher_is_shown_with_its_keys_and_where_they_come_from() {
    let world = World::new();
    let publisher = world.json("/api/v1/publishers/zeta-lab");
    let keyid = world.zeta.public_key().keyid().to_string();
    assert_eq!(publisher["name"], "zeta-lab");
    assert_eq!(
        each(publisher["keys"].as_array().expect("keys"), "keyid"),
        [json!(keyid)]
    );
    assert_eq!(publisher["retired"][0]["at"], 3);
    assert_eq!(publisher["history"], json!([2, 3]));
    assert_eq!(
        publisher["record"],
        digest_of(&world.envelopes[3]).to_string()
    );

    // What is not there is null, as everywhere.
    for field in ["url", "contact", "next"] {
        assert_eq!(publisher.get(field), Some(&Value::Null), "{field}");
    }
    let publishers = world.json("/api/v1/publishers");
    assert_eq!(
        each(publishers["publishers"].as_array().expect("a list"), "name"),
        ["auditor", "example-lab", "zeta-lab"]
    );
    assert_eq!(publishers["next"], Value::Null);
}

#[test]
fn a_record_is_the_same_by_index_and_by_digest() {
    let world = World::new();
    for (n, envelope) in world.envelopes.iter().enumerate() {
        let record = world.json(&format!("/api/v1/records/{n}"));
        let digest = digest_of(envelope).to_string();
        assert_eq!(record, world.json(&format!("/api/v1/records/{digest}")));
        assert_eq!(record["index"], n);
        assert_eq!(record["statement"], digest);
        assert_eq!(&record["envelope"], envelope);
        assert_eq!(record["statementJson"], statement_of(envelope));
        assert_eq!(
            record["subject"]["name"],
            statement_of(envelope)["subject"][0]["name"]
        );
        let kind = record["kind"].as_str().expect("a kind");
        assert_eq!(
            statement_of(envelope)["predicateType"],
            format!("urn:candor:{kind}:v1")
        );
    }
    assert_eq!(
        world.json("/api/v1/records/3")["signedBy"]
            .as_array()
            .map(Vec::len),
        Some(2),
        "a rotation is signed by the old key and by the new one"
    );
}

#[test]
fn lists_of_records_are_filtered() {
    let world = World::new();
    let indexes = |query: &str| {
        let list = world.json(&format!("/api/v1/records?{query}"));
        each(list["records"].as_array().expect("a list"), "index")
    };
    assert_eq!(indexes("kind=publisher"), [3, 2, 1, 0]);
    assert_eq!(indexes("kind=evaluation&publisher=auditor"), [12]);
    assert_eq!(indexes("publisher=zeta-lab"), [13, 9, 8, 3, 2]);
    assert_eq!(
        indexes("subject=example-lab/tiny-api@1.0.0"),
        [14, 13, 12, 4]
    );
    assert_eq!(indexes("subject=example-lab%2Ftiny-api%401.2.0%2Br1"), [6]);
    assert_eq!(
        indexes("subject=example-lab/tiny-api@1.0.0&publisher=auditor"),
        [14, 12]
    );
    assert_eq!(
        indexes("subject=example-lab/tiny-api@1.0.0&kind=evaluation"),
        [13, 12]
    );
    assert_eq!(indexes("subject=zeta-lab&publisher=zeta-lab"), [3, 2]);
    assert_eq!(indexes("before=3"), [2, 1, 0]);
    assert_eq!(indexes("before=0"), [0; 0]);
    assert_eq!(indexes("publisher=nobody"), [0; 0]);
    assert_eq!(indexes("limit=2"), [15, 14]);
}

#[test]
fn every_page_leads_to_the_next_without_gaps_or_duplicates() {
    let world = World::new();
    let lists = [
        ("/api/v1/records", "records", "index", 16),
        ("/api/v1/records?kind=api-version", "records", "index", 6),
        (
            "/api/v1/records?publisher=example-lab&kind=api-version",
            "records",
            "index",
            4,
        ),
        (
            "/api/v1/records?subject=example-lab/tiny-api@1.0.0",
            "records",
            "index",
            4,
        ),
        ("/api/v1/publishers", "publishers", "name", 3),
        ("/api/v1/models", "models", "name", 4),
        ("/api/v1/models?publisher=example-lab", "models", "name", 3),
        ("/api/v1/models/example-lab/tiny-api", "releases", "name", 3),
        (
            "/api/v1/releases/example-lab/tiny-api@1.0.0",
            "records",
            "index",
            4,
        ),
    ];
    for (path, list, key, count) in lists {
        let whole = each(&world.pages(path, list, 500), key);
        assert_eq!(whole.len(), count, "{path}");
        for limit in [1, 2, 3, 4] {
            assert_eq!(
                each(&world.pages(path, list, limit), key),
                whole,
                "{path}, limit {limit}"
            );
        }
    }
}

/// A version may have a plus sign, which queries read as a space unless it is escaped.
#[test]
fn pages_about_a_release_with_a_plus_sign_lead_on() {
    let world = World::new();
    let about = &world.envelopes[6];
    let evaluations: Vec<_> = [&world.auditor, &world.lab, &world.zeta]
        .map(|by| by.evaluation(about, candor_core::record::kinds::Outcome::Reported, None))
        .into();
    world.log.publish(&evaluations).expect_status(201);
    let path = "/api/v1/records?subject=example-lab/tiny-api@1.2.0%2Br1";
    let indexes = each(&world.pages(path, "records", 1), "index");
    assert_eq!(indexes, [18, 17, 16, 6]);
}

#[test]
fn models_and_releases_show_what_the_records_say() {
    let world = World::new();
    let models = world.json("/api/v1/models");
    assert_eq!(
        models["models"],
        json!([
            {"name": "example-lab/other-api", "releases": 1, "latest": "example-lab/other-api@1.0.0"},
            {"name": "example-lab/tiny", "releases": 1, "latest": "example-lab/tiny@1.0.0"},
            {"name": "example-lab/tiny-api", "releases": 3, "latest": "example-lab/tiny-api@1.2.0+r1"},
            {"name": "zeta-lab/zed", "releases": 2, "latest": "zeta-lab/zed@1.1.0"},
        ])
    );
    let tiny = world.json("/api/v1/models/example-lab/tiny");
    assert_eq!(
        tiny["releases"][0]["kinds"],
        json!(["model-card", "weights"])
    );

    let release = world.json("/api/v1/releases/example-lab/tiny-api@1.0.0");
    assert_eq!(
        each(release["records"].as_array().expect("a list"), "index"),
        [4, 12, 13, 14]
    );
    assert_eq!(
        each(release["records"].as_array().expect("a list"), "publisher"),
        ["example-lab", "auditor", "zeta-lab", "auditor"]
    );
    let plus = world.json("/api/v1/releases/example-lab/tiny-api@1.2.0+r1");
    assert_eq!(plus["name"], "example-lab/tiny-api@1.2.0+r1");
}

#[test]
fn a_withdrawal_shows_wherever_what_it_withdraws_shows() {
    let world = World::new();
    let withdrawn_by = |path: &str| world.json(path)["withdrawnBy"].clone();
    // One record: the auditor's evaluation, and nothing else of that release.
    assert_eq!(withdrawn_by("/api/v1/records/12"), 14);
    assert_eq!(withdrawn_by("/api/v1/records/4"), Value::Null);
    assert_eq!(withdrawn_by("/api/v1/records/13"), Value::Null);
    assert_eq!(
        withdrawn_by("/api/v1/releases/example-lab/tiny-api@1.0.0"),
        Value::Null
    );
    // A release.
    assert_eq!(withdrawn_by("/api/v1/records/5"), 15);
    assert_eq!(
        withdrawn_by("/api/v1/releases/example-lab/tiny-api@1.1.0"),
        15
    );
    let model = world.json("/api/v1/models/example-lab/tiny-api");
    assert_eq!(
        each(model["releases"].as_array().expect("a list"), "withdrawnBy"),
        [Value::Null, json!(15), Value::Null]
    );
    let list = world.json("/api/v1/records?limit=12");
    let flagged: Vec<_> = list["records"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|record| !record["withdrawnBy"].is_null())
        .map(|record| (record["index"].clone(), record["withdrawnBy"].clone()))
        .collect();
    assert_eq!(flagged, [(json!(12), json!(14)), (json!(5), json!(15))]);
}

#[test]
fn an_answer_that_the_client_has_is_not_sent_again() {
    let world = World::new();
    let digest = candor_core::Sha256::of(CARD);
    for path in [
        "/api/v1/log".to_owned(),
        "/api/v1/records".to_owned(),
        "/api/v1/records/4".to_owned(),
        "/api/v1/publishers".to_owned(),
        "/api/v1/publishers/auditor".to_owned(),
        "/api/v1/models".to_owned(),
        "/api/v1/models/example-lab/tiny".to_owned(),
        "/api/v1/releases/example-lab/tiny@1.0.0".to_owned(),
        "/api/v1/proofs/inclusion?index=4".to_owned(),
        "/api/v1/proofs/consistency?from=4".to_owned(),
        format!("/api/v1/attachments/{digest}"),
    ] {
        let first = world.log.get(&path).expect_status(200);
        let etag = first.header("etag").to_owned();
        // Weak where the answer may travel compressed; an attachment's says which bytes, and is its name.
        let strong = etag.trim_start_matches("W/");
        assert!(strong.starts_with('"'), "{path}: {etag:?}");
        if path.contains("/attachments/") {
            assert_eq!(etag, format!("\"{digest}\""));
        } else {
            assert!(etag.starts_with("W/"), "{path}: {etag:?}");
        }
        let url = format!("{}{path}", world.log.url());
        let again = get_with(&url, "if-none-match", &format!("\"other\", W/{strong}"));
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), etag, "{path}");
        let other = get_with(&url, "if-none-match", "\"other\"");
        assert_eq!((other.status, other.body), (200, first.body), "{path}");
    }
    // To have what is not here is no answer.
    let unknown = candor_core::Sha256::of(b"unknown");
    let url = format!("{}/api/v1/attachments/{unknown}", world.log.url());
    let answer = get_with(&url, "if-none-match", &format!("\"{unknown}\""));
    assert_eq!(answer.status, 404);
    let before = world.log.get("/api/v1/records").header("etag").to_owned();
    world
        .log
        .publish(&[world.lab.api_version("tiny-api", "2.0.0", "")])
        .expect_status(201);
    assert_ne!(world.log.get("/api/v1/records").header("etag"), before);
}

#[test]
fn an_attachment_is_a_download_that_never_changes() {
    let world = World::new();
    let record = world.json("/api/v1/records/10");
    let attachment = &record["attachments"][0];
    assert_eq!(attachment["name"], "README.md");
    let sha256 = attachment["digest"]["sha256"].as_str().expect("a digest");
    let answer = world.log.get(&format!("/api/v1/attachments/{sha256}"));
    assert_eq!(answer.body, CARD);
    assert_eq!(answer.header("content-type"), "text/markdown");
    assert_eq!(answer.header("content-disposition"), "attachment");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(answer.header("cache-control").contains("immutable"));
    assert!(answer.header("content-security-policy").contains("sandbox"));
}

#[test]
fn pages_of_other_origins_may_read_and_not_write() {
    let world = World::new();
    for path in [
        "/checkpoint",
        "/api/v1/records",
        "/tile/0/000.p/4",
        "/api/v1/records/99",
    ] {
        let answer = ask(
            world.log.url(),
            "GET",
            path,
            &["origin: https://dashboard.example"],
        );
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    }
    let preflight = ask(
        world.log.url(),
        "OPTIONS",
        "/api/v1/records",
        &[
            "origin: https://dashboard.example",
            "access-control-request-method: POST",
            "access-control-request-headers: content-type",
        ],
    );
    let allowed = preflight.header("access-control-allow-methods");
    assert_eq!(allowed, "GET,HEAD");
    // What a read may carry, and no content-type, without which nothing is published.
    let headers = preflight.header("access-control-allow-headers");
    assert_eq!(headers, "if-none-match,last-event-id");
}

#[test]
fn head_says_what_get_would_and_other_methods_are_told_which_there_are() {
    let world = World::new();
    for path in [
        "/checkpoint",
        "/api/v1/records/4",
        "/tile/entries/000.p/4",
        "/",
        "/readyz",
    ] {
        let get = ask(world.log.url(), "GET", path, &[]);
        let head = ask(world.log.url(), "HEAD", path, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for header in ["content-type", "content-length", "etag", "cache-control"] {
            assert_eq!(head.header(header), get.header(header), "{path}: {header}");
        }
    }
    let delete = ask(world.log.url(), "DELETE", "/api/v1/records", &[]);
    assert_eq!(delete.status, 405);
    assert_eq!(delete.header("allow"), "GET,HEAD,POST");
}

#[test]
fn a_publisher_is_shown_with_what_it_says_of_itself() {
    let world = World::new();
    let known = TestPublisher::new("known-lab");
    let registration = known.altered(&known.register(), |statement| {
        statement["predicate"]["url"] = "https://known.example".into();
        statement["predicate"]["contact"] = "mailto:security@known.example".into();
        fit_subject(statement);
    });
    world.log.publish(&[registration]).expect_status(201);
    let publisher = world.json("/api/v1/publishers/known-lab");
    assert_eq!(publisher["url"], "https://known.example");
    assert_eq!(publisher["contact"], "mailto:security@known.example");
}

/// Keys change as often as their owner likes. Each part of the history has the keys that its records retired.
#[test]
fn the_history_of_a_publisher_comes_in_parts_with_the_keys_that_went() {
    let world = World::new();
    let mut lab = TestPublisher::new("restless-lab");
    let mut newest = lab.register();
    world
        .log
        .publish(std::slice::from_ref(&newest))
        .expect_status(201);
    let mut keyids = Vec::new();
    for n in 0..5 {
        let next = lab.with_key(&format!("key {n} of restless-lab"));
        newest = lab.rotate(&newest, &next);
        world
            .log
            .publish(std::slice::from_ref(&newest))
            .expect_status(201);
        keyids.push(json!(lab.public_key().keyid().to_string()));
        lab = next;
    }
    let path = "/api/v1/publishers/restless-lab";
    let whole = world.json(path);
    assert_eq!(
        each(whole["retired"].as_array().expect("a list"), "keyid"),
        keyids
    );
    assert_eq!(whole["history"], json!([16, 17, 18, 19, 20, 21]));
    assert_eq!(
        world.pages(path, "history", 2),
        *whole["history"].as_array().expect("a list")
    );
    assert_eq!(world.pages(path, "history", 6).len(), 6);
    let part = world.json(&format!("{path}?limit=2&after=17"));
    assert_eq!(part["history"], json!([18, 19]));
    assert_eq!(
        each(part["retired"].as_array().expect("a list"), "at"),
        [18, 19]
    );
    assert_eq!(part["keys"], whole["keys"]);

    // A key of long ago is still known for what it was.
    let first = TestPublisher::new("restless-lab");
    let problem = world
        .log
        .publish(&[first.api_version("m", "1", "")])
        .expect_status(403);
    assert_eq!(problem.json()["type"], "urn:candor:problem:revoked-key");
    let back = lab.with_key("key 1 of restless-lab");
    let problem = world
        .log
        .publish(&[lab.rotate(&newest, &back)])
        .expect_status(422);
    assert!(
        problem.text().contains("can't come back"),
        "{}",
        problem.text()
    );
}
