//! The pages for people.

use candor_tests::statements::fit_subject;
use serde_json::json;

use super::world::World;

const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=\"alert(2)\">&'";

#[test]
fn pages_are_html_with_a_policy_that_runs_nothing() {
    let world = World::new();
    for (path, status) in [
        ("/", 200),
        ("/records/0", 200),
        ("/records/10", 200),
        ("/records/99", 404),
        ("/records/x", 404),
    ] {
        let page = world.log.get(path);
        assert_eq!(page.status, status, "{path}");
        assert_eq!(
            page.header("content-type"),
            "text/html; charset=utf-8",
            "{path}"
        );
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'"),
            "{path}: {policy}"
        );
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert!(page.text().contains("<!doctype html>"), "{path}");
        assert!(!page.text().contains("<script"), "{path}");
    }
    let home = world.log.get("/").text();
    assert!(home.contains("<a href=\"/records/15\">15</a>"), "{home}");
    assert!(home.contains("example-lab/tiny-api@1.2.0+r1"), "{home}");
    assert!(
        home.contains("href=\"/records/14\">withdrawn</a>"),
        "{home}"
    );
    let style = world.log.get("/style.css").expect_status(200);
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
}

#[test]
fn the_home_page_leads_to_everything_that_it_names_and_to_what_is_older() {
    let world = World::new();
    let more: Vec<_> = (0..50)
        .map(|n| world.lab.api_version("many", &n.to_string(), ""))
        .collect();
    world.log.publish(&more).expect_status(201);
    let home = world.log.get("/").text();
    for part in [
        "<a href=\"/?before=16\" rel=\"next\">older</a>",
        "<a href=\"/api/v1/releases/example-lab/many@7\">example-lab/many@7</a>",
        "<a href=\"/api/v1/publishers/example-lab\">example-lab</a>",
        "by the log's clock",
        " UTC</td>",
        &world.log.key().to_string(),
    ] {
        assert!(home.contains(part), "{part} is not in {home}");
    }
    let older = world.log.get("/?before=16").expect_status(200).text();
    assert!(older.contains("<a href=\"/records/15\">15</a>"), "{older}");
    assert!(!older.contains("older</a>"), "{older}");
    assert!(older.contains("<a href=\"/\">newest</a>"), "{older}");
    for path in [
        "/api/v1/releases/example-lab/tiny-api@1.2.0%2Br1",
        "/api/v1/publishers/zeta-lab",
    ] {
        assert!(
            older.contains(&format!("href=\"{path}\"")),
            "{path} is not in {older}"
        );
        world.log.get(path).expect_status(200);
    }
    assert_eq!(world.log.get("/?before=x").status, 400);
}

#[test]
fn hostile_text_is_shown_and_not_run() {
    let world = World::new();
    let mallory = candor_tests::TestPublisher::new("mallory");
    let registration = mallory.altered(&mallory.register(), |statement| {
        statement["predicate"]["displayName"] = HOSTILE.into();
        fit_subject(statement);
    });
    let api = mallory.altered(&mallory.api_version("m", "1", ""), |statement| {
        statement["predicate"]["provider"] = HOSTILE.into();
        statement["predicate"]["annotations"] = json!({HOSTILE: [HOSTILE]});
        fit_subject(statement);
    });
    let document = b"<script>alert(3)</script>";
    let card = mallory.altered(&mallory.model_card("m", "2", document), |statement| {
        statement["predicate"]["document"]["name"] = "<script>alert(4)<!--.html".into();
        statement["predicate"]["document"]["mediaType"] = "text/html".into();
    });
    let records = serde_json::to_vec(&[registration, api, card]).expect("JSON");
    let (content_type, body) = candor_tests::http::multipart(&records, &[document]);
    world.log.post(content_type, &body).expect_status(201);

    for path in [
        "/",
        "/records/16",
        "/records/17",
        "/records/18",
        "/records/%3Cscript%3Ealert(1)",
    ] {
        let page = world.log.get(path).text();
        for tag in ["<script", "<img", "<!--"] {
            assert!(!page.contains(tag), "{path} has {tag}: {page}");
        }
    }
    let page = world.log.get("/records/17").text();
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    assert!(
        world
            .log
            .get("/records/18")
            .text()
            .contains("&#60;script&#62;alert(4)")
    );

    // Documents are somebody else's, of whatever type they say to be.
    let path = format!("/api/v1/attachments/{}", candor_core::Sha256::of(document));
    let answer = world.log.get(&path).expect_status(200);
    assert_eq!(answer.header("content-disposition"), "attachment");
    assert_eq!(
        answer.header("content-security-policy"),
        "default-src 'none'; sandbox"
    );
}
