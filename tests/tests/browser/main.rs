//! The registry's pages in a real browser. `CANDOR_BROWSER` names a folder in which npm has put playwright-core and
//! axe-core.

use std::path::Path;
use std::process::Command;

use candor_tests::TestLog;
use candor_tests::everything::Everything;

const PAGES: [&str; 22] = [
    "/",
    "/search",
    "/search?q=tiny",
    "/search?q=nothing-like-it",
    "/search?since=x",
    "/publishers",
    "/publishers/zeta-lab",
    "/publishers/nobody",
    "/models",
    "/models/example-lab/tiny",
    "/models/example-lab/tiny-api",
    "/models/example-lab/none",
    "/releases/example-lab/tiny@1.0.0",
    "/releases/example-lab/tiny-api@1.0.0",
    "/releases/example-lab/tiny-api@1.1.0",
    "/releases/example-lab/tiny@1.0.0/files",
    "/releases/example-lab/tiny@1.0.0/card",
    "/records",
    "/records/0",
    "/records/99",
    "/compare?a=example-lab/tiny@1.0.0&b=example-lab/tiny-api@1.0.0",
    "/status",
];

#[test]
#[expect(clippy::print_stdout, reason = "what was not tried is said")]
fn every_page_is_accessible_fits_its_window_and_asks_nobody_else() {
    let Some(modules) = std::env::var_os("CANDOR_BROWSER") else {
        println!(
            "skipped: CANDOR_BROWSER does not name a folder with playwright-core and axe-core"
        );
        return;
    };
    let log = TestLog::start();
    Everything::publish(&log);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/pages.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(log.url())
        .arg(modules)
        .args(PAGES)
        .output()
        .expect("node runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said, "looked at 22 pages\n");
}
