//! Where a release's files are fetched from, and what is said of that afterwards.
//!
//! ```text
//! --from TEXT, --mirrors FILE ──► Source…        whom the user names
//! weights record, source.uri ───► Source         whom the publisher names: with --from-record alone
//! Outcome, Stopped ─────────────► words, JSON    who was given up for which file, and why
//! ```
//!
//! Not here: fetching, and checking what comes (`candor_fetch`).

use std::fmt;

use candor_fetch::{
    FetchError, FileOutcome, How, MirrorFault, Outcome, PlanError, Source, SourceError, Stopped,
};
use serde_json::{Value, json};

use super::text::{counted, grouped};

/// How many files are named for which a mirror was given up.
const FILES_NAMED_MAX: usize = 5;

/// Where people look at a repository, whose files are at `hf://ORG/REPO`.
const HUGGING_FACE_PAGES: &str = "https://huggingface.co/";

/// Why a release was not fetched, beside what its records come to.
#[derive(Debug, thiserror::Error)]
pub enum FetchFailure {
    /// No source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A release that can't be fetched.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A fetch that did not end well.
    #[error("{}", stopped.error)]
    Stopped {
        /// Why, and what was done until then.
        stopped: Stopped,
        /// How many files the release has.
        files: usize,
    },
}

impl FetchFailure {
    /// What the reader can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Source(error) => error.hint().to_owned(),
            Self::Plan(error) => error.hint().to_owned(),
            Self::Stopped { stopped, .. } => match &stopped.error {
                FetchError::Differs { .. } => {
                    "move it away, fetch into another folder (`--out DIR`), or have it replaced (`--replace`)"
                        .to_owned()
                }
                error @ FetchError::NoMirror { mirrors, .. } if all_lie(mirrors) => {
                    format!("tell whoever runs a source that lies; {}", error.hint())
                }
                error => error.hint(),
            },
        }
    }

    /// Further lines: what is there, and which mirrors were given up for other files.
    pub fn context(&self) -> Vec<String> {
        let Self::Stopped { stopped, files } = self else {
            return Vec::new();
        };
        let Outcome { files: there, .. } = &stopped.outcome;
        let mut lines = Vec::new();
        if !there.is_empty() {
            lines.push(format!(
                "{} of {} are there, and checked",
                grouped(there.len() as u64),
                counted(*files as u64, "file", "files")
            ));
        }
        let is_told = |fault: &MirrorFault| match &stopped.error {
            FetchError::NoMirror { file, .. } => fault.file == *file,
            _ => false,
        };
        let others = stopped.outcome.faults.iter().filter(|it| !is_told(it));
        lines.extend(given_up(others));
        lines
    }

    /// The same for programs: `files` and `faults`.
    pub fn details(&self) -> Option<Value> {
        match self {
            Self::Stopped { stopped, .. } => Some(outcome_json(&stopped.outcome)),
            Self::Source(_) | Self::Plan(_) => None,
        }
    }
}

/// Whether every mirror sent bytes that are not the release's.
pub fn all_lie(mirrors: &[MirrorFault]) -> bool {
    !mirrors.is_empty() && mirrors.iter().all(|it| it.fault.is_lie())
}

/// Reads a list of mirrors, one a line; what follows a `#` at the beginning of a line, or behind a blank, is a comment.
/// If a line is no source, its number, from 1.
pub fn sources_in(list: &str) -> Result<Vec<Source>, (usize, SourceError)> {
    let mut sources = Vec::new();
    for (number, line) in list.lines().enumerate() {
        let comment = line.char_indices().find(|(at, c)| {
            *c == '#' && line[..*at].chars().last().is_none_or(char::is_whitespace)
        });
        let line = line[..comment.map_or(line.len(), |(at, _)| at)].trim();
        if !line.is_empty() {
            sources.push(line.parse().map_err(|error| (number + 1, error))?);
        }
    }
    Ok(sources)
}

/// Where a weights record says that its digests were published, if that is a place with files: a repository on Hugging
/// Face, or a folder behind `https`. It may not name this machine's own files, nor have anybody on the way read along.
pub fn source_of_record(uri: &str) -> Option<Source> {
    let text = if let Some(page) = uri.strip_prefix(HUGGING_FACE_PAGES) {
        let page = page.strip_suffix('/').unwrap_or(page);
        let parts: Vec<&str> = page.split('/').collect();
        match parts.as_slice() {
            [org, repo] => format!("hf://{org}/{repo}"),
            [org, repo, "tree" | "resolve" | "commit", revision] => {
                format!("hf://{org}/{repo}@{revision}")
            }
            _ => return None,
        }
    } else if uri.starts_with("hf://") || (uri.starts_with("https://") && uri.ends_with('/')) {
        uri.to_owned()
    } else {
        return None;
    };
    text.parse().ok()
}

/// Which mirrors were given up, a sentence for each.
pub fn given_up<'a>(faults: impl IntoIterator<Item = &'a MirrorFault>) -> Vec<String> {
    let mut by_source: Vec<(&Source, Vec<&MirrorFault>)> = Vec::new();
    for fault in faults {
        match by_source.iter_mut().find(|(it, _)| **it == fault.source) {
            Some((_, faults)) => faults.push(fault),
            None => by_source.push((&fault.source, vec![fault])),
        }
    }
    let words = |(source, faults): (&Source, Vec<&MirrorFault>)| {
        let named = faults.iter().take(FILES_NAMED_MAX);
        let mut named: Vec<_> = named
            .map(|it| format!("{} ({})", it.file, it.fault))
            .collect();
        if let Some(more) = faults.len().checked_sub(FILES_NAMED_MAX + 1) {
            named.push(format!("and {} more", grouped(more as u64 + 1)));
        }
        let files = counted(faults.len() as u64, "file", "files");
        format!("{source} was given up for {files}: {}", named.join(", "))
    };
    by_source.into_iter().map(words).collect()
}

/// How files came to be there, in words.
pub fn how_they_came(files: &[FileOutcome]) -> String {
    let (mut fetched, mut there, mut resumed) = (0, 0, Vec::new());
    for file in files {
        match file.how {
            How::Fetched => fetched += 1,
            How::AlreadyThere => there += 1,
            How::Resumed { from } => resumed.push((&file.path, from)),
        }
    }
    let mut words = Vec::new();
    if fetched > 0 {
        words.push(format!("{} fetched", counted(fetched, "file", "files")));
    }
    if !resumed.is_empty() {
        let named = resumed.iter().take(FILES_NAMED_MAX);
        let mut named: Vec<_> = named
            .map(|(path, from)| format!("{path} from byte {from}"))
            .collect();
        if let Some(more) = resumed.len().checked_sub(FILES_NAMED_MAX + 1) {
            named.push(format!("and {} more", grouped(more as u64 + 1)));
        }
        let files = counted(resumed.len() as u64, "file", "files");
        words.push(format!("{files} resumed: {}", named.join(", ")));
    }
    if there > 0 {
        let files = counted(there, "file", "files");
        words.push(format!("{files} there already, and read"));
    }
    words.join("; ")
}

/// `files` and `faults`, as JSON.
pub fn outcome_json(outcome: &Outcome) -> Value {
    let files = outcome.files.iter().map(|file| {
        let (how, from) = match file.how {
            How::AlreadyThere => ("there", None),
            How::Fetched => ("fetched", None),
            How::Resumed { from } => ("resumed", Some(from)),
        };
        json!({
            "path": file.path,
            "bytes": file.size,
            "how": how,
            "from": from,
            "bytesReceived": file.received,
        })
    });
    let faults = outcome.faults.iter().map(|it| {
        let range = it.fault.range();
        json!({
            "source": it.source.to_string(),
            "file": it.file,
            "fault": it.fault.name(),
            "isLie": it.fault.is_lie(),
            "chunk": it.fault.chunk(),
            "firstByte": range.as_ref().map(|range| range.start),
            "lastByte": range.as_ref().map(|range| range.end.saturating_sub(1)),
            "detail": it.fault.to_string(),
        })
    });
    json!({ "files": files.collect::<Vec<_>>(), "faults": faults.collect::<Vec<_>>() })
}

/// A fault as it happens, for a warning.
pub struct AsItHappens<'a>(pub &'a MirrorFault);

impl fmt::Display for AsItHappens<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MirrorFault {
            source,
            file,
            fault,
        } = self.0;
        write!(f, "{file}: {source} is given up: {fault}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candor_fetch::Fault;

    fn shown(sources: &[Source]) -> Vec<String> {
        sources.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_list_of_mirrors_has_one_a_line_and_comments() {
        let list =
            "# ours\nhttps://a.example/x\n\n  hf://org/repo@v1\t# theirs\r\nfile:///mnt/a#b\n";
        let found = sources_in(list).expect("a list");
        assert_eq!(
            shown(&found),
            [
                "https://a.example/x/",
                "https://huggingface.co/org/repo/resolve/v1/",
                "file:///mnt/a#b"
            ]
        );
        assert_eq!(sources_in("# none\n"), Ok(Vec::new()));
        let (line, error) = sources_in("https://a.example/\n\nb.example\n").expect_err("no source");
        assert_eq!(line, 3);
        assert!(matches!(error, SourceError::Scheme(_)), "{error}");
    }

    #[test]
    fn a_record_names_a_page_of_a_repository_or_a_folder_behind_https() {
        for (uri, expected) in [
            (
                "https://huggingface.co/facebook/opt-125m",
                "hf://facebook/opt-125m",
            ),
            (
                "https://huggingface.co/facebook/opt-125m/",
                "hf://facebook/opt-125m",
            ),
            (
                "https://huggingface.co/org/repo/tree/v1.0",
                "hf://org/repo@v1.0",
            ),
            ("hf://org/repo@abc", "hf://org/repo@abc"),
            (
                "https://files.example.org/tiny/",
                "https://files.example.org/tiny/",
            ),
        ] {
            let expected: Source = expected.parse().expect("a source");
            assert_eq!(source_of_record(uri), Some(expected), "{uri}");
        }
        for uri in [
            "",
            "http://files.example.org/tiny/",
            "https://raw.example.org/tiny/md5sums.csv",
            "file:///etc",
            "git+https://git.example.org/x.git",
            "https://huggingface.co/org/repo/blob/main/model.safetensors",
            "https://huggingface.co/datasets/org/repo",
            "https://huggingface.co/",
            "https://files.example.org/tiny?token=1/",
            "hf://../x",
        ] {
            assert_eq!(source_of_record(uri), None, "{uri}");
        }
    }

    #[test]
    fn the_files_of_one_mirror_are_summed_up_and_few_are_named() {
        let fault = |source: &str, file: usize| MirrorFault {
            source: source.parse().expect("a source"),
            file: format!("{file}.bin").parse().expect("a path"),
            fault: Fault::Missing { status: Some(404) },
        };
        let mut faults: Vec<_> = (0..6).map(|n| fault("https://a.example/", n)).collect();
        faults.push(fault("https://b.example/", 1));
        let missing = "it has no such file (HTTP status 404)";
        let lines = given_up(&faults);
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with(&format!(
                "https://a.example/ was given up for 6 files: 0.bin ({missing}), 1.bin"
            )),
            "{}",
            lines[0]
        );
        assert!(lines[0].ends_with(", and 1 more"), "{}", lines[0]);
        assert_eq!(
            lines[1],
            format!("https://b.example/ was given up for 1 file: 1.bin ({missing})")
        );
    }

    #[test]
    fn one_mirror_that_is_out_of_reach_leaves_it_open() {
        let of = |fault| MirrorFault {
            source: "https://a.example/".parse().expect("a source"),
            file: "a".parse().expect("a path"),
            fault,
        };
        let lie = || of(Fault::Chunk { range: 0..8 });
        assert!(all_lie(&[lie(), lie()]));
        assert!(!all_lie(&[lie(), of(Fault::Missing { status: None })]));
        assert!(!all_lie(&[]));
    }
}
