//! What a verification came to, as files for the programs that run it: SARIF and `JUnit`.
//!
//! ```text
//! Report ──┬─► terminal, --json
//!          └─► Outcome… ─┐
//! CliError ──► Outcome ──┴─► Verification ─┬─► sarif ──► --sarif FILE
//!                                          └─► junit ──► --junit FILE
//! ```
//!
//! Always: there is a file whatever the verdict is, also where there is none, since a step that finds no file takes it for
//! nothing found. It is whole, or as it was before. What publishers say is in it as data: nothing that a terminal would
//! obey, and nothing that XML does not know.
//!
//! Not here: what the outcomes are (`commands::verify::report`).

mod junit;
mod rule;
mod sarif;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::args::ReportArgs;
use super::error::CliError;
use super::exit::Exit;
use super::files;
use super::text::without_private_keys;
pub use rule::Rule;

/// The most outcomes of one rule in a file; a wholly different folder has hundreds of thousands. GitHub shows 5,000
/// results of a file, and takes 25,000.
const OF_A_RULE_MAX: usize = 2_000;

/// How much of a file that is there is looked at, to see whether it is an earlier report.
const HEAD_BYTES: u64 = 512;

/// One thing that was found, or was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What sort of thing.
    pub rule: Rule,
    /// In words.
    pub words: String,
    /// The file of the folder that it is about, if it is about one.
    pub path: Option<String>,
}

/// A verification that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// What was verified, in words.
    pub target: String,
    /// The same, as it was typed.
    pub typed: String,
    /// What it came to.
    pub exit: Exit,
    /// What was found, in the order in which people are told.
    pub outcomes: Vec<Outcome>,
}

impl Outcome {
    /// About no file.
    pub fn new(rule: Rule, words: impl Into<String>) -> Self {
        Self {
            rule,
            words: words.into(),
            path: None,
        }
    }

    /// About the file at `path` in the folder.
    pub fn of_file(rule: Rule, path: &str, words: impl Into<String>) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..Self::new(rule, words)
        }
    }
}

impl Verification {
    /// One that did not get to a verdict of its own.
    pub fn of_error(typed: &str, error: &CliError) -> Self {
        let mut words = error.to_string();
        for line in error.context() {
            words = format!("{words}\n{line}");
        }
        let hint = error.hint();
        if !hint.is_empty() {
            words = format!("{words}\nhint: {hint}");
        }
        Self {
            target: without_private_keys(typed).into_owned(),
            typed: without_private_keys(typed).into_owned(),
            exit: Exit::of_error(error),
            outcomes: vec![Outcome::new(Rule::Error, without_private_keys(&words))],
        }
    }

    /// The same with so few outcomes that readers take them: of each rule the first, and how many there are more.
    fn bounded(&self) -> Self {
        let mut outcomes = Vec::new();
        for rule in Rule::ALL {
            let of_it = || self.outcomes.iter().filter(|it| it.rule == rule);
            outcomes.extend(of_it().take(OF_A_RULE_MAX).cloned());
            let more = of_it().count().saturating_sub(OF_A_RULE_MAX);
            if more > 0 {
                let words = format!("and {more} more of these; `--json` lists all");
                outcomes.push(Outcome::new(rule, words));
            }
        }
        Self {
            outcomes,
            ..self.clone()
        }
    }
}

impl ReportArgs {
    /// Writes over the reports of the run before, whose verdict would be taken for this one's, where words that are no
    /// command name them. What is not such a file is left alone, and none is made: what the words mean is not known.
    pub fn write_wrong_usage(words: &[OsString], error: &clap::Error) {
        let is_verify = words.iter().any(|word| word == "verify");
        let named = |flag: &str| {
            let mut found = words.windows(2).filter(|pair| pair[0] == flag);
            let beside = found.next().map(|pair| PathBuf::from(&pair[1]));
            beside.or_else(|| {
                let mut texts = words.iter().filter_map(|word| word.to_str());
                texts.find_map(|word| Some(word.strip_prefix(flag)?.strip_prefix('=')?.into()))
            })
        };
        let of_before = |flag, begins| {
            let path: PathBuf = named(flag)?;
            (is_report(&path, begins)).then_some(path)
        };
        let reports = Self {
            sarif: of_before("--sarif", sarif::HEAD),
            junit: of_before("--junit", junit::HEAD),
        };
        let words = without_private_keys(&error.to_string()).into_owned();
        let verification = Verification {
            target: "a command that was not understood".to_owned(),
            typed: String::new(),
            exit: Exit::BadInput,
            outcomes: vec![Outcome::new(Rule::Error, words)],
        };
        if is_verify {
            // The error itself is told whatever becomes of the files.
            let _ = reports.write(&verification);
        }
    }

    /// Checks that files can go where they are to go, before anything is verified: not over anything but an earlier
    /// report, and not into what is verified. `inputs` are the files that the command reads.
    pub fn check(&self, folder: Option<&Path>, inputs: &[&Path]) -> Result<(), CliError> {
        if let (Some(sarif), Some(junit)) = (&self.sarif, &self.junit)
            && files::is_same_file(sarif, junit)
        {
            return Err(CliError::Usage {
                what: format!(
                    "`--sarif` and `--junit` both name {}, and the one would overwrite the other",
                    sarif.display()
                ),
                hint: "name two files".to_owned(),
            });
        }
        for (path, begins) in self.files() {
            if inputs.iter().any(|input| files::is_same_file(path, input)) {
                return Err(CliError::FileExists {
                    path: path.to_owned(),
                });
            }
            if folder.is_some_and(|folder| is_inside(path, folder)) {
                return Err(CliError::Usage {
                    what: format!(
                        "{} would be a file of the folder that is verified, and the next run would find it there",
                        path.display()
                    ),
                    hint: "name a file outside the folder".to_owned(),
                });
            }
            check_place(path, begins)?;
        }
        Ok(())
    }

    /// Writes what was asked for.
    pub fn write(&self, verification: &Verification) -> Result<(), CliError> {
        if self.sarif.is_none() && self.junit.is_none() {
            return Ok(());
        }
        let bounded = verification.bounded();
        if let Some(path) = &self.sarif {
            files::write(path, sarif::write(&bounded).as_bytes())?;
        }
        if let Some(path) = &self.junit {
            files::write(path, junit::write(&bounded).as_bytes())?;
        }
        Ok(())
    }

    /// The files that are to be written, and what each begins with.
    fn files(&self) -> impl Iterator<Item = (&PathBuf, &'static str)> {
        let sarif = self.sarif.iter().map(|path| (path, sarif::HEAD));
        sarif.chain(self.junit.iter().map(|path| (path, junit::HEAD)))
    }
}

/// Whether a file at `path`, which need not be there, is in `folder`.
fn is_inside(path: &Path, folder: &Path) -> bool {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = fs::canonicalize(dir.unwrap_or(Path::new(".")));
    let folder = fs::canonicalize(folder);
    matches!((dir, folder), (Ok(dir), Ok(folder)) if dir.starts_with(&folder))
}

/// Whether there is an earlier report of this sort at `path`.
fn is_report(path: &Path, begins: &str) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    path.is_file() && read.is_ok() && head.starts_with(begins.as_bytes())
}

/// Refuses to overwrite anything but an earlier report of the same sort, or nothing: a path that was mistyped may be that
/// of weights. Pipes and devices are there to be written into.
fn check_place(path: &Path, begins: &str) -> Result<(), CliError> {
    if !path.is_file() {
        return Ok(());
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    read.map_err(CliError::file(path))?;
    if head.is_empty() || head.starts_with(begins.as_bytes()) {
        return Ok(());
    }
    Err(CliError::FileExists {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests;
