//! What fault tests tried, for whoever runs them: a line each, and all of them together in a file.

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::json;

use crate::history::History;

/// Where the counts go as well, one JSON object in a line, if it is set.
pub const COUNTS_VARIABLE: &str = "CANDOR_FAULT_COUNTS";

/// Set for the long forms.
pub const LONG_VARIABLE: &str = "CANDOR_FAULTS_LONG";

/// How often a fault is tried: `CANDOR_FAULT_ROUNDS` says so, or else which form is run.
pub fn rounds(short: u64, long: u64) -> u64 {
    match std::env::var("CANDOR_FAULT_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("CANDOR_FAULT_ROUNDS is a number"),
        Err(_) if is_long() => long,
        Err(_) => short,
    }
}

/// Whether the long forms are run.
pub fn is_long() -> bool {
    std::env::var_os(LONG_VARIABLE).is_some()
}

/// Says that `fault` was tried so often, and what it was tried on. Whoever comes to this has found nothing lost, and no
/// two histories.
#[expect(clippy::print_stdout, reason = "what was tried is part of the result")]
pub fn report(fault: &str, times: u64, history: &History, verified: u64) {
    let (acknowledged, checkpoints) = (history.acknowledged(), history.checkpoints());
    assert!(acknowledged > 0, "a load that nobody answers shows nothing");
    println!(
        "{fault}: {times} times; {acknowledged} entries acknowledged, 0 lost; {checkpoints} checkpoints seen, 0 \
         inconsistent; {verified} entries verified"
    );
    let Some(file) = std::env::var_os(COUNTS_VARIABLE) else {
        return;
    };
    let line = json!({
        "fault": fault,
        "times": times,
        "acknowledged": acknowledged,
        "checkpoints": checkpoints,
        "verified": verified,
    });
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .expect("the file for counts opens");
    writeln!(file, "{line}").expect("it is written");
}
