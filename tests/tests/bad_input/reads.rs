//! Questions that make no sense.

use super::Case;

pub(crate) fn cases() -> Vec<Case> {
    [static_log(), parameters(), paths()]
        .into_iter()
        .flatten()
        .collect()
}

fn get(name: &'static str, path: &str, status: u16, problem: &'static str) -> Case {
    Case::read(name, "GET", path, status, problem)
}

fn static_log() -> Vec<Case> {
    let bad = |name, path| get(name, path, 400, "bad-parameter");
    let missing = |name, path| get(name, path, 404, "not-found");
    vec![
        bad(
            "a tile index that overflows",
            "/tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ),
        bad(
            "an entry bundle index that overflows",
            "/tile/entries/x999/x999/x999/x999/x999/x999/x999/999",
        ),
        bad("a tile level that does not exist", "/tile/64/000"),
        bad("a tile level that is a word", "/tile/data/000"),
        bad("a tile index without leading zeroes", "/tile/0/7"),
        bad("a tile of width 256", "/tile/0/000.p/256"),
        bad("a tile of width 0", "/tile/0/000.p/0"),
        bad(
            "a tile path that leads elsewhere",
            "/tile/0/../../log-key.pem",
        ),
        missing("a tile beyond the tree", "/tile/0/x001/000"),
        missing("a tile wider than the tree", "/tile/0/000.p/250"),
        missing("a tile level above the tree", "/tile/5/000"),
        missing(
            "an entry bundle wider than the tree",
            "/tile/entries/000.p/250",
        ),
    ]
}

fn parameters() -> Vec<Case> {
    let bad = |name, path| get(name, path, 400, "bad-parameter");
    let missing = |name, path| get(name, path, 404, "not-found");
    vec![
        bad("a limit of 0", "/api/v1/records?limit=0"),
        bad("a limit of 501", "/api/v1/records?limit=501"),
        bad("a limit that is a word", "/api/v1/records?limit=all"),
        bad("a parameter that nobody knows", "/api/v1/records?offset=7"),
        bad("a parameter twice", "/api/v1/records?limit=1&limit=2"),
        bad(
            "a kind that does not exist",
            "/api/v1/records?kind=tokenizer",
        ),
        bad(
            "a publisher filter in capitals",
            "/api/v1/records?publisher=Meta",
        ),
        bad(
            "a subject filter that is no name",
            "/api/v1/records?subject=bad%20bad",
        ),
        bad(
            "a record index that overflows",
            "/api/v1/records/18446744073709551616",
        ),
        bad("a record index that is negative", "/api/v1/records/-1"),
        bad("a proof without an index", "/api/v1/proofs/inclusion"),
        bad(
            "a proof from a larger to a smaller tree",
            "/api/v1/proofs/consistency?from=5&to=3",
        ),
        bad(
            "an attachment digest of the wrong length",
            "/api/v1/attachments/abcd",
        ),
        bad("a path that is not UTF-8", "/api/v1/records/%ff"),
        missing(
            "a record beyond the tree",
            "/api/v1/records/18446744073709551615",
        ),
        missing("a statement that is not there", {
            "/api/v1/records/abababababababababababababababababababababababababababababababab"
        }),
        missing(
            "an entry beyond the tree",
            "/api/v1/proofs/inclusion?index=4000",
        ),
        missing(
            "an entry beyond an older tree",
            "/api/v1/proofs/inclusion?index=5&size=5",
        ),
        missing(
            "a proof in a tree that is larger than the log",
            "/api/v1/proofs/inclusion?index=0&size=4000",
        ),
        missing(
            "a proof to a tree that is larger than the log",
            "/api/v1/proofs/consistency?from=1&to=4000",
        ),
        bad(
            "a proof from a tree that is larger than the log",
            "/api/v1/proofs/consistency?from=4000",
        ),
    ]
}

fn paths() -> Vec<Case> {
    let missing = |name, path| get(name, path, 404, "not-found");
    let other = |name, method, path| Case::read(name, method, path, 405, "method-not-allowed");
    vec![
        missing("a path that leads nowhere", "/api/v2/records"),
        missing(
            "a publisher that does not exist",
            "/api/v1/publishers/nobody",
        ),
        missing(
            "a model that does not exist",
            "/api/v1/models/example-lab/huge",
        ),
        missing(
            "a release that does not exist",
            "/api/v1/releases/example-lab/tiny@7.7.7",
        ),
        get(
            "a manifest by half of its digest",
            "/api/v1/manifests/9f86d081884c7d659a2feaa0c55ad015",
            400,
            "bad-parameter",
        ),
        get(
            "a release without its version",
            "/api/v1/releases/example-lab/tiny",
            400,
            "bad-parameter",
        ),
        other(
            "a method that a list does not have",
            "DELETE",
            "/api/v1/records",
        ),
        other(
            "a method that a record does not have",
            "PUT",
            "/api/v1/records/0",
        ),
        other(
            "a method that the checkpoint does not have",
            "POST",
            "/checkpoint",
        ),
    ]
}
