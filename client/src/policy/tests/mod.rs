//! Policies and their verdicts, without files and programs.

use super::*;

mod judging;
mod parsing;

/// Its secret key is 32 bytes of 1.
const WITNESS: &str =
    "witness.example.com/w1+04758baf+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

fn policy(text: &str) -> Policy {
    Policy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
