//! Runs the scripts of `tests/browser`, which drive Chromium.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder with what npm has put there, or nothing, of which it is said that nothing was tried.
#[expect(clippy::print_stdout, reason = "what was not tried is said")]
pub(crate) fn modules() -> Option<PathBuf> {
    let modules = std::env::var_os("CANDOR_BROWSER");
    if modules.is_none() {
        println!(
            "skipped: CANDOR_BROWSER does not name a folder with playwright-core and axe-core"
        );
    }
    modules.map(PathBuf::from)
}

/// The target folder, where whoever looks for what was wrong finds it.
pub(crate) fn target() -> PathBuf {
    let program = candor_tests::program("candor");
    let target = program.ancestors().nth(2);
    target.expect("programs are in target/PROFILE").to_owned()
}

/// A script with what it is told.
pub(crate) struct Script(Command);

impl Script {
    /// `node tests/browser/NAME MODULES …`
    pub(crate) fn new(name: &str, modules: &Path) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
        let mut command = Command::new("node");
        command.arg(folder.join(name)).arg(modules);
        Self(command)
    }

    pub(crate) fn arg(self, argument: impl AsRef<OsStr>) -> Self {
        self.args([argument])
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.0.args(arguments);
        self
    }

    /// Runs it, and returns what it prints. It ends well whatever it finds, so that all of that is to be read.
    pub(crate) fn run(mut self) -> String {
        let output = self.0.output().expect("node runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{errors}");
        said
    }
}
