//! Every error of the client as it is printed, with the exit code, for a reviewer to read as its user does.
//!
//! ```text
//! a row for each variant ──► CliError ──► Printer::error ──► one snapshot per area
//! ```
//!
//! Always: a variant without a row does not compile; a row with an example of another variant fails, and so does an
//! error without a hint.
//!
//! Not here: what core's errors say in each case (`core/tests/messages.rs`); here they stand for what becomes of them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anstream::adapter::strip_str;
use candor_core::Sha256;
use candor_core::merkle::{Hash, LeafIndex, TreeSize};
use candor_core::record::{JsonError, PublisherName, ReleaseName};

use super::Printer;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;

/// What is printed of an example of every variant.
macro_rules! messages {
    ($error:ident as $of:expr; $($(#[$on:meta])? $pattern:pat => $example:expr,)*) => {{
        let _ = |error: &$error| match error { $($(#[$on])? $pattern => (),)* };
        let mut printed = String::new();
        $($(#[$on])? {
            let (variant, example): (_, $error) = (stringify!($pattern), $example);
            assert!(matches!(&example, $pattern), "the row of {variant} shows {example:?}");
            printed += &$crate::cli::printer::messages::print(variant, &$of(example));
        })*
        printed
    }};
}

mod commands;
#[cfg(unix)]
mod fetching;
mod files;
mod log;
mod proofs;

fn print(variant: &str, error: &CliError) -> String {
    assert!(
        !error.hint().is_empty(),
        "{variant} says nothing of what to do next"
    );
    let written = Written::default();
    let mut printer = Printer {
        out: Box::new(io::sink()),
        err: Box::new(written.clone()),
        json: false,
        quiet: false,
        err_is_terminal: false,
        closed: false,
        lost: None,
    };
    printer.error(error);
    let written = written.0.lock().expect("nobody panicked while writing");
    format!(
        "{variant}\n{}exit {}\n\n",
        strip_str(str::from_utf8(&written).expect("text")),
        Exit::of_error(error).code()
    )
}

/// What went to a stream.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().expect("nobody panicked while writing");
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn path() -> PathBuf {
    "/home/lab/file".into()
}

fn not_allowed() -> io::Error {
    io::Error::from_raw_os_error(13)
}

fn release() -> ReleaseName {
    "example-lab/tiny-lm@1.0.0".parse().expect("a name")
}

fn publisher() -> PublisherName {
    "example-lab".parse().expect("a name")
}

fn index(index: u64) -> LeafIndex {
    LeafIndex::new(index)
}

fn size(size: u64) -> TreeSize {
    TreeSize::new(size)
}

fn digest(text: &str) -> Sha256 {
    Sha256::of(text)
}

fn hash(byte: u8) -> Hash {
    Hash::from_bytes([byte; 32])
}

fn json_error() -> JsonError {
    JsonError::Syntax("expected value at line 3 column 7".to_owned())
}
