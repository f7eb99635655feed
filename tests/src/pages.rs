//! The pages for people, as tests of them know them.

/// Every kind of page: its path, its status, and words that it must show of [`crate::everything::Everything`].
pub const PAGES: [(&str, u16, &str); 30] = [
    ("/", 200, "example-lab/tiny@1.0.0"),
    ("/search", 200, "zeta-lab/zed@1.1.0"),
    ("/search?q=tiny", 200, "example-lab/tiny@1.0.0"),
    ("/search?q=nothing-like-it", 200, "Nothing was found"),
    ("/search?since=x", 200, "is no day"),
    ("/publishers", 200, "zeta-lab"),
    ("/publishers/zeta-lab", 200, "Keys that count no longer"),
    (
        "/publishers/nobody",
        404,
        "publisher nobody is not in this log",
    ),
    ("/models", 200, "example-lab/tiny-api"),
    ("/models/example-lab/tiny", 200, "Model card of 1.0.0"),
    (
        "/models/example-lab/tiny-api",
        200,
        "What was claimed to answer",
    ),
    (
        "/models/example-lab/none",
        404,
        "model example-lab/none is not in this log",
    ),
    ("/releases/example-lab/tiny@1.0.0", 200, "The manifest"),
    (
        "/releases/example-lab/tiny-api@1.0.0",
        200,
        "who did not publish it",
    ),
    (
        "/releases/example-lab/tiny-api@1.1.0",
        200,
        "<q>It was wrong.</q>",
    ),
    (
        "/releases/example-lab/tiny-api@1.0.0/evaluations",
        200,
        "zeta-lab</a> says that it tried, and did not find what was claimed",
    ),
    (
        "/releases/example-lab/tiny@1.0.0/files",
        200,
        "model.safetensors",
    ),
    (
        "/releases/example-lab/tiny@1.0.0/card",
        200,
        "<h3>Tiny</h3>",
    ),
    ("/records", 200, "Newest records"),
    ("/records/0", 200, "Place in the tree"),
    ("/records/4", 200, "What answers"),
    (
        "/records/10",
        200,
        "In this server's words; what is proven is",
    ),
    ("/records/11", 200, "model.safetensors"),
    (
        "/records/13",
        200,
        "zeta-lab says that it tried, and did not find what was claimed.",
    ),
    ("/records/15", 200, "Takes back"),
    ("/records/99", 404, "There is no record"),
    (
        "/compare?a=example-lab/tiny@1.0.0&b=example-lab/tiny-api@1.0.0",
        200,
        "only in the first",
    ),
    (
        "/status",
        200,
        "Everything that the server looks at is well",
    ),
    ("/withdrawals", 200, "It was wrong."),
    ("/docs/api", 200, "/api/v1/records"),
];
