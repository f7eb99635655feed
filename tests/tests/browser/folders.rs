//! Folders that readers have.

use std::fs;
use std::path::PathBuf;

use candor_tests::cli::{Person, copy_folder, write_release};

/// What is in the files, and must be in no request.
const SECRET: &str = "nobody but the reader sees this; ";

pub(crate) struct Folders {
    /// What is released as `tiny`.
    pub(crate) folder: PathBuf,
    /// The same, with another `config.json`.
    pub(crate) changed: PathBuf,
    pub(crate) empty: PathBuf,
}

impl Folders {
    pub(crate) fn write(of: &Person) -> Self {
        let folder = of.home.join("tiny");
        write_release(&folder);
        // More than three chunks, so that it takes a while.
        let large = SECRET.repeat((25 << 20) / SECRET.len() + 1);
        of.write("tiny/large.dat", large);
        of.write("tiny/deeper/still/notes.txt", SECRET);
        let changed = of.home.join("changed");
        copy_folder(&folder, &changed);
        of.write("changed/config.json", SECRET);
        let empty = of.home.join("empty");
        fs::create_dir_all(&empty).expect("a folder");
        Self {
            folder,
            changed,
            empty,
        }
    }
}
