//! Bodies that are too large, too slow, cut off, or not JSON.

use candor_tests::raw::request;
use candor_tests::{TestPublisher, http};

use super::world::{Which, World};
use super::{Case, Request};

const JSON: &str = "content-type: application/json";

/// The beginning of a body whose other half does not come.
fn half(content_length: usize) -> Vec<u8> {
    let length = format!("content-length: {content_length}");
    request(
        "POST",
        "/api/v1/records",
        &[JSON, &length],
        b"[{\"payload\": \"ey",
    )
}

fn typed(content_type: &str, body: &[u8]) -> Request {
    Request::Publish {
        content_type: content_type.to_owned(),
        body: body.to_vec(),
    }
}

pub(crate) fn cases(world: &World) -> Vec<Case> {
    let lab = &world.lab;
    [
        content_types(lab),
        sizes(),
        cut_off_or_slow(lab),
        not_json(lab),
        counts(lab),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn content_types(lab: &TestPublisher) -> Vec<Case> {
    let good = lab.api_version("tiny", "1.1.0", "").to_string();
    let length = format!("content-length: {}", good.len());
    let untyped = request("POST", "/api/v1/records", &[&length], good.as_bytes());
    let problem = "unsupported-media-type";
    vec![
        Case::new(
            "a body of another type",
            typed("text/plain", good.as_bytes()),
            415,
            problem,
        ),
        Case::new(
            "a form as web pages send it",
            typed("application/x-www-form-urlencoded", b"a=b"),
            415,
            problem,
        ),
        Case::new(
            "a body without a type",
            Request::Bytes(untyped),
            415,
            problem,
        ),
    ]
}

fn sizes() -> Vec<Case> {
    let ten_megabytes = [b"[\"".as_slice(), &vec![b'a'; 10_000_000], b"\"]"].concat();
    vec![
        Case::json("a body of 10 MB", ten_megabytes.clone(), 413, "too-large"),
        Case::new(
            "a part named records of 10 MB",
            {
                let (content_type, body) = http::multipart(&ten_megabytes, &[]);
                typed(content_type, &body)
            },
            413,
            "too-large",
        ),
    ]
}

fn cut_off_or_slow(lab: &TestPublisher) -> Vec<Case> {
    let good = lab.api_version("tiny", "1.1.1", "").to_string();
    let (content_type, form) = http::multipart(good.as_bytes(), &[]);
    let headers = [
        format!("content-type: {content_type}"),
        format!("content-length: {}", form.len()),
    ];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let half_form = request("POST", "/api/v1/records", &headers, &form[..form.len() / 2]);
    let chunked = ["transfer-encoding: chunked", JSON];
    let no_chunk = request(
        "POST",
        "/api/v1/records",
        &chunked,
        b"zz\r\n[]\r\n0\r\n\r\n",
    );
    vec![
        Case::new(
            "half a body",
            Request::CutOff(half(1_000)),
            400,
            "malformed-body",
        ),
        Case::new(
            "half a form",
            Request::CutOff(half_form.clone()),
            400,
            "malformed-body",
        ),
        Case::new(
            "a chunk without a length",
            Request::Bytes(no_chunk),
            400,
            "malformed-body",
        ),
        Case::new(
            "half a body and then the client is gone",
            Request::Abandoned(half(1_000)),
            0,
            "",
        ),
        Case::new(
            "a slow body",
            Request::Slow(half(1_000_000)),
            408,
            "timeout",
        )
        .to(Which::Hurried),
        Case::new("a slow form", Request::Slow(half_form), 408, "timeout").to(Which::Hurried),
    ]
}

fn not_json(lab: &TestPublisher) -> Vec<Case> {
    let good = lab.api_version("tiny", "1.1.2", "").to_string();
    let with = |old: &str, new: &str| {
        assert!(good.contains(old), "{old} is not in {good}");
        good.replacen(old, new, 1)
    };
    let mut not_utf8 = good.clone().into_bytes();
    not_utf8[30] = 0xff;
    let nested = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let problem = "malformed-json";
    vec![
        Case::json("an empty body", "", 400, problem),
        Case::json("a body that is not JSON", "payload: eyJ9", 400, problem),
        Case::json(
            "a body with more behind it",
            format!("{good} {good}"),
            400,
            problem,
        ),
        Case::json("a body that is not UTF-8", not_utf8, 400, problem),
        Case::json(
            "NaN in the envelope",
            with("\"payloadType\"", "\"n\":NaN,\"payloadType\""),
            400,
            problem,
        ),
        Case::json(
            "2^53 + 1 in the envelope",
            with("\"payloadType\"", "\"n\":9007199254740993,\"payloadType\""),
            400,
            problem,
        ),
        Case::json(
            "a key twice in the envelope",
            with("\"payloadType\"", "\"payload\":\"e30=\",\"payloadType\""),
            400,
            problem,
        ),
        Case::json("a body nested 1,000 deep", nested, 400, problem),
        Case::json(
            "objects nested 1,000,000 deep",
            "{\"a\":".repeat(1_000_000),
            400,
            problem,
        ),
        Case::json(
            "2,000,000 values",
            format!("[{}0]", "[],".repeat(2_000_000)),
            400,
            problem,
        ),
    ]
}

fn counts(lab: &TestPublisher) -> Vec<Case> {
    let many: Vec<_> = (0..257)
        .map(|n| lab.api_version("tiny", &format!("1.2.{n}"), ""))
        .collect();
    let many = serde_json::to_vec(&many).expect("JSON");
    vec![
        Case::json("an empty list", "[]", 400, "too-many-records"),
        Case::json("257 records", many, 400, "too-many-records"),
    ]
}
