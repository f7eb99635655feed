//! `candor_fuzz::checksum_list`, for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| candor_fuzz::checksum_list(bytes));
