//! `candor_fuzz::weights_file`, for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::weights_file(bytes));
