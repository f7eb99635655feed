//! Bills of materials as other people's validators read them, where `cargo xtask test` has fetched these.
#![expect(clippy::print_stdout, reason = "a skipped check says why")]

use std::path::Path;
use std::process::Command;

/// The script that holds each document of a folder against its schema.
const SCRIPT: &str = include_str!("../../sbom/tests/common/validate.py");

/// Asserts that each of the folder's files is a valid document of its format.
#[track_caller]
pub fn expect_valid(folder: &Path) {
    let Some(python) = std::env::var_os("CANDOR_PYTHON") else {
        println!("skipped: CANDOR_PYTHON does not name a Python");
        return;
    };
    let spdx = std::env::var_os("CANDOR_SPDX");
    if spdx.is_none() {
        println!("skipped: CANDOR_SPDX does not name a folder with SPDX's schema and shapes");
    }
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(folder)
        .args(spdx)
        .output()
        .expect("CANDOR_PYTHON is a Python");
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    let files = std::fs::read_dir(folder).expect("a folder").count();
    assert_eq!(said.lines().count(), files, "{said}{wrong}");
    for line in said.lines() {
        assert!(line.ends_with(": valid"), "{line}");
    }
}
