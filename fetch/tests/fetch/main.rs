//! Fetching, from servers that misbehave on purpose, into real folders.

#![cfg(unix)]
// What users would read is printed, for whoever reads the tests.
#![allow(clippy::print_stdout)]

mod folders;
mod killed;
mod large;
mod messages;
mod mirrors;
mod resuming;
mod server;
mod world;
