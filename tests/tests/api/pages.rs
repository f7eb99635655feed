//! The pages for people.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_tests::pages::PAGES;
use candor_tests::statements::fit_subject;
use serde_json::json;

use super::world::World;

const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=\"alert(2)\">&'";

#[test]
fn pages_are_html_with_a_policy_that_runs_nothing_of_others() {
    let world = World::new();
    for (path, status, words) in PAGES {
        let page = world.log.get(path);
        assert_eq!(page.status, status, "{path}: {}", page.text());
        assert_eq!(
            page.header("content-type"),
            "text/html; charset=utf-8",
            "{path}"
        );
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert!(page.header("set-cookie").is_empty(), "{path}");
        let text = page.text();
        assert!(text.contains(words), "{path} has no {words:?}: {text}");
        assert_eq!(text.matches("<script").count(), 1, "{path}");
        for foreign in [" style=", " onclick=", "src=\"http", "//cdn"] {
            assert!(!text.contains(foreign), "{path} has {foreign}");
        }
        assert!(text.len() < 50 * 1024, "{path} has {} bytes", text.len());
    }
}

#[test]
fn the_style_of_a_page_is_the_one_that_its_policy_allows() {
    let world = World::new();
    let page = world.log.get("/");
    let text = page.text();
    let style = text
        .split("<style>")
        .nth(1)
        .and_then(|it| it.split("</style>").next());
    let digest = candor_core::Sha256::of(style.expect("a style"));
    let digest = BASE64_STANDARD.encode(digest.as_bytes());
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains(&format!("style-src 'sha256-{digest}'")),
        "{policy}"
    );
}

/// The paths that a page leads to on this log.
fn links(page: &str) -> Vec<String> {
    let links = page
        .split("href=\"")
        .skip(1)
        .filter_map(|it| it.split('"').next());
    let own = links.filter(|it| it.starts_with('/'));
    own.map(|it| it.replace("&#38;", "&").replace("&amp;", "&"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let world = World::new();
    let mut seen = std::collections::BTreeSet::new();
    for (path, ..) in PAGES {
        for link in links(&world.log.get(path).text()) {
            // It does not end.
            if link.starts_with("/api/v1/events") {
                continue;
            }
            if seen.insert(link.clone()) {
                let answer = world.log.get(&link);
                assert!(
                    answer.status < 400,
                    "{path} leads to {link}: {}",
                    answer.status
                );
            }
        }
    }
    assert!(seen.len() > 60, "{seen:?}");
}

#[test]
fn an_example_of_the_api_has_what_it_cannot_do_without() {
    let world = World::new();
    let page = world.log.get("/docs/api").text();
    // What this log has, and not what others have.
    assert!(
        page.contains("href=\"/api/v1/models/example-lab/tiny\""),
        "{page}"
    );
    assert!(page.contains("href=\"/api/v1/proofs?indexes=0,4,7\""));
    world
        .log
        .get("/api/v1/proofs?indexes=0,4,7")
        .expect_status(200);
    for asks_for_more in ["proofs", "proofs/inclusion", "proofs/consistency"] {
        assert!(
            !page.contains(&format!("href=\"/api/v1/{asks_for_more}\"")),
            "{asks_for_more}"
        );
    }
}

#[test]
fn a_name_alone_leads_to_its_page_and_programs_get_a_problem() {
    let world = World::new();
    let ask = |path: &str, accept: &str| {
        candor_tests::http::get_with(&format!("{}{path}", world.log.url()), "accept", accept)
    };
    // The client of the tests follows.
    for (path, words) in [
        ("/example-lab", "Key history"),
        ("/example-lab/tiny", "Model card of"),
        ("/example-lab/tiny-api@1.2.0+r1", "What answers"),
    ] {
        let page = ask(path, "text/html,*/*").expect_status(200).text();
        assert!(page.contains(words), "{path}: {page}");
    }
    // A release without its version is its model, and a word that nobody registered is looked for.
    let model = ask("/releases/example-lab/tiny", "text/html").expect_status(200);
    assert!(model.text().contains("Model card of"), "{}", model.text());
    let no_page = ask("/nope", "text/html").expect_status(404);
    assert!(
        no_page
            .text()
            .contains("no page /nope here, and no publisher")
            && no_page.text().contains("href=\"/search?q=nope\""),
        "{}",
        no_page.text()
    );
    assert_eq!(no_page.header("vary"), "accept-encoding, accept");
    assert_eq!(ask("/nope", "*/*").header("vary"), "accept");
    let lost = ask("/a/b/c/d", "text/html").expect_status(404);
    assert!(lost.text().contains("there is nothing at /a/b/c/d"));
    let program = ask("/example-lab", "*/*").expect_status(404);
    assert_eq!(program.header("content-type"), "application/problem+json");
}

#[test]
fn what_was_withdrawn_says_why_and_what_answers_says_with_which_settings() {
    let world = World::new();
    let banner = world.log.get("/releases/example-lab/tiny-api@1.1.0").text();
    for words in ["Reason: ", "<q>It was wrong.</q>", "href=\"/records/15\""] {
        assert!(banner.contains(words), "no {words}: {banner}");
    }
    let statement = &world.envelopes[4];
    let endpoint = candor_tests::statements::statement_of(statement)["predicate"]["endpoint"]
        .as_str()
        .expect("an endpoint")
        .to_owned();
    for path in [
        "/releases/example-lab/tiny-api@1.0.0",
        "/models/example-lab/tiny-api",
        "/records/4",
    ] {
        let page = world.log.get(path).text();
        assert!(page.contains(&endpoint), "{path} has no {endpoint}: {page}");
    }
}

#[test]
fn a_nul_in_an_address_is_refused_and_asked_of_no_database() {
    let world = World::new();
    for path in [
        "/api/v1/search?q=a%00b",
        "/api/v1/evaluations?task=%00",
        "/api/v1/records/%00",
        "/publishers/a%00",
        "/search?q=%00",
    ] {
        let answer = world.log.get(path);
        assert!(
            matches!(answer.status, 400 | 404),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
    }
    world.log.get("/search?q=%2500").expect_status(200);
}

#[test]
fn a_page_that_a_reader_has_is_not_sent_again() {
    let world = World::new();
    for path in ["/", "/models/example-lab/tiny", "/records/3", "/docs/api"] {
        let first = world.log.get(path).expect_status(200);
        let url = format!("{}{path}", world.log.url());
        candor_tests::http::get_with(&url, "if-none-match", first.header("etag"))
            .expect_status(304);
    }
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
        "/publishers",
        "/publishers/mallory",
        "/releases/mallory/m@1",
        "/releases/mallory/m@2",
        "/models/mallory/m",
        "/search?q=%3Cscript%3Ealert(1)",
        "/search?q=mallory",
        "/compare?a=mallory/m@1&b=mallory/m@2",
    ] {
        let page = world.log.get(path).text();
        let page = page.replacen("<script type=\"module\"", "", 1);
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

#[test]
fn feeds_have_what_is_new_and_nothing_of_others() {
    let world = World::new();
    for (path, first, absent) in [
        (
            "/feed.atom",
            "urn:candor:entry:example.org/candor-test/15",
            None,
        ),
        (
            "/publishers/zeta-lab/feed.atom",
            "/13</id>",
            Some("/15</id>"),
        ),
        (
            "/models/example-lab/tiny/feed.atom",
            "/11</id>",
            Some("/15</id>"),
        ),
    ] {
        let feed = world.log.get(path).expect_status(200);
        assert_eq!(
            feed.header("content-type"),
            "application/atom+xml; charset=utf-8"
        );
        let text = feed.text();
        let entry = text.split("<entry>").nth(1).expect("an entry");
        assert!(entry.contains(first), "{path}: {entry}");
        assert!(absent.is_none_or(|it| !text.contains(it)), "{path}: {text}");
        assert!(
            text.contains(&format!("<link rel=\"self\" href=\"{path}\"/>")),
            "{text}"
        );
    }
    world
        .log
        .get("/publishers/nobody/feed.atom")
        .expect_status(404);
    world
        .log
        .get("/models/example-lab/none/feed.atom")
        .expect_status(404);
}
