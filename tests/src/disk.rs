//! Disks that are small enough to be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A file system of its own in memory. Dropping it takes it away.
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Makes one of so many mebibytes. `None`, with a note, where this user may not.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { folder }),
            refused => {
                eprintln!("skipped: no file system can be mounted here: {refused:?}");
                None
            }
        }
    }

    /// Its top folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.path().join("filler"))
            .expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            let bytes = vec![b'x'; size];
            loop {
                match filler.write_all(&bytes) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Takes away what filled it.
    pub fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}
