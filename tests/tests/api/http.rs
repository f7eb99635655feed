//! What caches, browsers and proxies rely on.

use candor_tests::http::get_with;
use candor_tests::raw::ask;

use super::world::World;

#[test]
fn a_checkpoint_that_the_client_has_is_not_sent_again() {
    let world = World::new();
    let first = world.log.get("/checkpoint").expect_status(200);
    let etag = first.header("etag");
    assert!(etag.starts_with('"'), "{etag:?}");
    let url = format!("{}/checkpoint", world.log.url());
    let again = get_with(&url, "if-none-match", etag);
    assert_eq!((again.status, again.body.len()), (304, 0));
    world
        .log
        .publish(&[world.lab.api_version("tiny-api", "2.0.0", "")])
        .expect_status(201);
    let newer = get_with(&url, "if-none-match", etag).expect_status(200);
    assert_ne!(newer.header("etag"), etag);
}

/// A cache that keeps one of the two for all clients would send gzip to those who can't read it.
#[test]
fn whether_an_answer_was_sent_or_not_it_varies_with_the_encoding() {
    let world = World::new();
    let first = world.log.get("/api/v1/records").expect_status(200);
    assert_eq!(first.header("vary"), "accept-encoding");
    let url = format!("{}/api/v1/records", world.log.url());
    let again = get_with(&url, "if-none-match", first.header("etag")).expect_status(304);
    assert_eq!(again.header("vary"), "accept-encoding");
}

#[test]
fn who_takes_no_encoding_gets_no_answer_that_could_be_cached() {
    let world = World::new();
    for path in ["/tile/entries/000.p/4", "/api/v1/records"] {
        for refuses in ["accept-encoding: identity;q=0", "accept-encoding: *;q=0"] {
            let answer = ask(world.log.url(), "GET", path, &[refuses]);
            assert_eq!(answer.status, 406, "{path}, {refuses}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            let problem = answer.json();
            assert_eq!(problem["type"], "urn:candor:problem:not-acceptable");
        }
        let zipped = "accept-encoding: identity;q=0, gzip";
        let answer = ask(world.log.url(), "GET", path, &[zipped]);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-encoding"), "gzip", "{path}");
    }
}

/// Pages are kept as they were sent, so one reader must never get what another one takes.
#[test]
fn each_reader_of_a_page_gets_it_as_they_take_it() {
    let world = World::new();
    let takes = |encodings: &str| {
        let header = format!("accept-encoding: {encodings}");
        ask(
            world.log.url(),
            "GET",
            "/models/example-lab/tiny",
            &[&header],
        )
    };
    let plain = ask(world.log.url(), "GET", "/models/example-lab/tiny", &[]);
    assert!(plain.text().contains("example-lab/tiny"));
    // Made first, and then found.
    for _ in 0..2 {
        for (encodings, encoding) in [
            ("gzip", "gzip"),
            ("br;q=0.9, gzip;q=0.1", "br"),
            ("identity", ""),
            ("identity;q=0, zstd", "zstd"),
        ] {
            let page = takes(encodings).expect_status(200);
            assert_eq!(page.header("content-encoding"), encoding, "{encodings}");
            assert_eq!(page.header("vary"), "accept-encoding", "{encodings}");
            assert_eq!(page.header("etag"), plain.header("etag"), "{encodings}");
            assert_eq!(
                page.header("content-length"),
                page.body.len().to_string(),
                "{encodings}"
            );
            assert_eq!(page.body == plain.body, encoding.is_empty(), "{encodings}");
        }
        assert_eq!(takes("identity;q=0").status, 406);
        let has = format!("if-none-match: {}", plain.header("etag"));
        let again = ask(
            world.log.url(),
            "GET",
            "/models/example-lab/tiny",
            &["accept-encoding: gzip", &has],
        );
        assert_eq!(again.status, 304);
        assert_eq!(again.header("content-encoding"), "");
        assert_eq!(again.header("vary"), "accept-encoding");
    }
    let head = ask(world.log.url(), "HEAD", "/models/example-lab/tiny", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
}

/// What is cached for good has one address.
#[test]
fn tiles_have_no_second_spelling() {
    let world = World::new();
    for path in [
        "/tile/0/%30%30%30.p/4",
        "/tile/%30/000.p/4",
        "/tile/entries/000.p%2F4",
        "/tile/entries/%30%30%30.p/4",
    ] {
        let answer = ask(world.log.url(), "GET", path, &[]);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    world.log.get("/tile/0/000.p/4").expect_status(200);
}

#[test]
fn options_are_those_of_paths_that_there_are() {
    let world = World::new();
    let options = |path| ask(world.log.url(), "OPTIONS", path, &[]);
    for path in ["/checkpoint", "/api/v1/records/4", "/"] {
        let answer = options(path);
        assert_eq!(
            (answer.status, answer.header("allow")),
            (204, "GET,HEAD"),
            "{path}"
        );
    }
    assert_eq!(options("/api/v1/records").header("allow"), "GET,HEAD,POST");
    for path in ["/api/v2/records", "/nothing"] {
        assert_eq!(options(path).status, 404, "{path}");
    }
}

#[test]
fn pages_lead_on_by_a_link_too() {
    let world = World::new();
    for path in [
        "/api/v1/records?limit=2",
        "/api/v1/publishers?limit=2",
        "/api/v1/models?limit=2",
        "/api/v1/models/example-lab/tiny-api?limit=2",
        "/api/v1/releases/example-lab/tiny-api@1.0.0?limit=2",
        "/api/v1/publishers/zeta-lab?limit=1",
    ] {
        let page = world.log.get(path).expect_status(200);
        let next = page.json()["next"]
            .as_str()
            .expect("a next page")
            .to_owned();
        assert_eq!(
            page.header("link"),
            format!("<{next}>; rel=\"next\""),
            "{path}"
        );
        assert_eq!(
            page.header("access-control-expose-headers"),
            "etag,link,ratelimit,ratelimit-policy,retry-after,x-request-id"
        );
    }
    assert_eq!(world.log.get("/api/v1/records").header("link"), "");
}
