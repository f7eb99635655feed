//! Tessera's POSIX driver: its own example program, and one of ours that takes its settings as flags.
//!
//! Both are built with the machine's Go from `bench/tessera`, which names the version.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use candor_core::note::{LogKey, VerifierKey};
use ed25519_dalek::SigningKey;

use crate::server::Server;

/// The name of the log, which is its origin.
const ORIGIN: &str = "example.org/tessera-bench";

/// The programs, built.
pub(crate) struct Tessera {
    folder: tempfile::TempDir,
}

/// Which of the programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// `cmd/conformance/posix` of Tessera.
    Example,
    /// `bench/tessera`.
    Flags,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Example => "example",
            Self::Flags => "flags",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Example => "github.com/transparency-dev/tessera/cmd/conformance/posix",
            Self::Flags => ".",
        }
    }
}

impl Tessera {
    /// Builds them. Go fetches Tessera's modules the first time.
    pub(crate) fn build() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        for program in [Program::Example, Program::Flags] {
            let output = Command::new("go")
                .args(["build", "-o"])
                .arg(folder.path().join(program.name()))
                .arg(program.package())
                .current_dir(sources())
                // The Go that is there, and no other fetched in its place.
                .env("GOTOOLCHAIN", "local")
                .output()
                .context("go: Tessera is built with Go 1.25 or later, which must be on the path")?;
            ensure!(
                output.status.success(),
                "go build (Tessera needs Go 1.25 or later): {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(Self { folder })
    }

    /// The version, by the file that Go goes by.
    pub(crate) fn version() -> anyhow::Result<String> {
        let file = sources().join("go.mod");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let version = text.lines().find_map(|line| {
            line.trim()
                .strip_prefix("github.com/transparency-dev/tessera ")
        });
        let version = version.context("bench/tessera/go.mod names no version of Tessera")?;
        Ok(version.trim().to_owned())
    }

    /// Starts a new log in `data`.
    pub(crate) fn serve(
        &self,
        program: Program,
        data: &Path,
        flags: &[String],
    ) -> anyhow::Result<(Server, LogKey)> {
        // Of a log that is gone in a minute.
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = VerifierKey::new(ORIGIN.parse()?, key.verifying_key());
        let key_file = data.with_extension("key");
        let mut private = vec![1];
        private.extend_from_slice(&key.to_bytes());
        let private = BASE64_STANDARD.encode(private);
        fs::write(
            &key_file,
            format!("PRIVATE+KEY+{ORIGIN}+{}+{private}", public.id()),
        )?;
        let lines = data.with_extension("tessera.log");
        let address = free_address()?;
        let mut command = Command::new(self.folder.path().join(program.name()));
        command
            .arg("--storage_dir")
            .arg(data)
            .args(["--listen", &address])
            .arg("--private_key")
            .arg(&key_file)
            .args(flags)
            .stderr(File::create(&lines)?);
        let server = Server::start_at(address, &mut command)
            .with_context(|| fs::read_to_string(&lines).unwrap_or_default())?;
        Ok((server, LogKey::from(public)))
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tessera")
}

/// An address that nobody listens on: Tessera's program does not say which one it got.
fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
