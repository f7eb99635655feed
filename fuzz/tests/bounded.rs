//! Each target, for a few seconds: mutated examples, as random as they can be without looking at the code.
//!
//! `CANDOR_FUZZ_SECONDS` says how long each may take; `CANDOR_SEED` repeats a run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use candor_fuzz::{TARGETS, Target};
use candor_tests::load::Random;

/// How long each target may take, in seconds.
const SECONDS: u64 = 2;

/// What parsers look for.
const TOKENS: [&str; 24] = [
    "\n",
    "\n\n",
    "\u{2014} ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\u0000",
    "\\ud800",
    "e308",
    "-0",
    "1e400",
    "null",
    "==",
    "/",
    "..",
    "x001/",
    ".p/255",
    "---\n",
    "\u{0}",
    "\u{202e}",
];

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is part of the result"
)]
fn every_target_holds_for_mutated_examples() {
    let seconds = std::env::var("CANDOR_FUZZ_SECONDS").map_or(SECONDS, |seconds| {
        seconds.parse().expect("CANDOR_FUZZ_SECONDS is a number")
    });
    let mut random = Random::from_environment();
    for (name, target) in TARGETS {
        let examples = examples(name);
        for example in &examples {
            try_one(name, target, example);
        }
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut tried = 0_u64;
        while Instant::now() < end {
            let input = mutated(&examples, &mut random);
            try_one(name, target, &input);
            tried += 1;
        }
        println!("{name}: {tried} inputs from {} examples", examples.len());
        assert!(tried > 100, "{name}: {tried} inputs in {seconds} seconds");
    }
}

/// An input that fails is kept, and said.
fn try_one(name: &str, target: Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        let kept = std::env::temp_dir().join(format!("candor-fuzz-{name}"));
        let _ = fs::write(&kept, input);
        panic!(
            "{name} does not hold for the {} bytes in {}: {panic:?}",
            input.len(),
            kept.display()
        );
    }
}

fn examples(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no examples");
    paths
        .iter()
        .map(|path| fs::read(path).expect("it can be read"))
        .collect()
}

fn mutated(examples: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut pick = |count: usize| {
        let picked = random.within(&(0..=count.max(1) as u64 - 1));
        usize::try_from(picked).expect("it fits")
    };
    let mut input = examples[pick(examples.len())].clone();
    for _ in 0..=pick(6) {
        let at = pick(input.len() + 1);
        match pick(8) {
            0 if at < input.len() => input[at] ^= 1 << pick(8),
            1 if at < input.len() => input[at] = u8::try_from(pick(256)).expect("a byte"),
            2 => {
                let end = at + pick((input.len() - at).min(40) + 1);
                input.drain(at..end);
            }
            3 => {
                let end = at + pick((input.len() - at).min(80) + 1);
                let copy = input[at..end].to_vec();
                let to = pick(input.len() + 1);
                input.splice(to..to, copy);
            }
            4 => {
                let other = &examples[pick(examples.len())];
                let start = pick(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[start..]);
            }
            5 | 6 => {
                let token = TOKENS[pick(TOKENS.len())];
                input.splice(at..at, token.bytes());
            }
            _ => {
                // Another digit, where there is one.
                let digit = input.iter().skip(at).position(u8::is_ascii_digit);
                if let Some(digit) = digit {
                    input[at + digit] = b'0' + u8::try_from(pick(10)).expect("a digit");
                }
            }
        }
    }
    input
}
