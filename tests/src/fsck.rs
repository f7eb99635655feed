//! Somebody else's checker of whole logs: `fsck` of Tessera (`transparency-dev/tessera`), of the version in `tests/fsck`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use candor_core::note::LogKey;

use crate::program;

/// The program, built once for each target folder.
pub struct Fsck(PathBuf);

impl Fsck {
    /// The program, which all tests of one process share.
    pub fn built() -> &'static Self {
        static BUILT: OnceLock<Fsck> = OnceLock::new();
        BUILT.get_or_init(Self::build)
    }

    fn build() -> Self {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("fsck");
        let server = program("candor-server");
        let target = server.ancestors().nth(2).expect("in target/PROFILE");
        let tools = target.join("tools");
        fs::create_dir_all(&tools).expect("a folder in the target folder");
        // Go knows by itself whether there is something to build.
        let fsck = tools.join("fsck");
        let output = Command::new("go")
            .args(["build", "-o"])
            .arg(&fsck)
            .arg("github.com/transparency-dev/tessera/cmd/fsck")
            .current_dir(sources)
            // The Go that is there, and no other fetched in its place.
            .env("GOTOOLCHAIN", "local")
            .output()
            .expect("Go is installed (`cargo xtask test` installs what the tests need)");
        assert!(
            output.status.success(),
            "go build (Tessera needs Go 1.25 or later): {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self(fsck)
    }

    /// Checks the whole log at `url`: every entry, every tile, the checkpoint. Returns what is wrong with it.
    pub fn check(&self, url: &str, key: &LogKey, scratch: &Path) -> Result<(), String> {
        let key_file = scratch.join("log.vkey");
        fs::write(&key_file, key.to_string()).expect("the key is written");
        let output = Command::new(&self.0)
            .args(["--ui=false", "--N=8", "--storage_url", &format!("{url}/")])
            .arg("--public_key")
            .arg(&key_file)
            .output()
            .expect("the program that was just built runs");
        // It exits with 0 whatever it has found.
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success()
            && said.contains("Successfully fsck'd")
            && !said.contains("failed")
        {
            return Ok(());
        }
        // What it shows of tiles is long.
        Err(said
            .lines()
            .map(|line| line.chars().take(200).collect::<String>() + "\n")
            .collect())
    }
}
