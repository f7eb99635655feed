//! `candor diff`: how two releases differ, in files and in tensors.
//!
//! ```text
//! release in the log ─► make_bundle ───┐
//! bundle ─────────────► Bundle::verify ┼─► manifest, tensors ─► Difference (candor_core::weights)
//! folder ─────────────► read_folder ───┘
//! ```

use std::num::NonZeroUsize;
use std::path::Path;

use candor_core::weights::{
    Aspect, Difference, FileDifference, FilePath, Manifest, Side, Tensor, TensorDifference,
    TensorList,
};
use serde_json::{Value, json};

use super::prove::bundle_of;
use crate::cli::Session;
use crate::cli::args::DiffArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::progress::HashingBar;
use crate::cli::text::{Text, Tone, bytes, counted, grouped};
use crate::folder::LeftOut;
use crate::hashing::Options;
use crate::sources::read_folder;

/// How many names of each sort are printed.
const NAMED_MAX: usize = 5;

/// What is compared.
pub(super) struct Known {
    /// As the user calls it.
    pub(super) what: String,
    manifest: Manifest,
    pub(super) tensors: Option<TensorList>,
}

/// Runs it.
pub fn run(args: &DiffArgs, session: &mut Session) -> Result<Exit, CliError> {
    let [first, second] =
        [&args.first, &args.second].map(|it| known(it, &args.as_bytes, args.threads, session));
    let (first, second) = (first?, second?);
    let difference = Difference::new(first.side(), second.side());
    for (mark, known) in [("-", &first), ("+", &second)] {
        let words = format!("  {}", known.headline());
        let line = Text::of(Tone::Strong, format!("{mark} {}", known.what));
        session.printer.line(line.with(Tone::Dim, words));
    }
    print(&difference, session);
    let is_open = !difference.files.not_compared.is_empty();
    let exit = match (difference.aspects.is_empty(), is_open) {
        (true, false) => Exit::Holds,
        (true, true) => Exit::CouldNotTell,
        (false, _) => Exit::Refuted,
    };
    session.printer.json(&json!({
        "same": exit == Exit::Holds,
        "differsIn": difference.aspects.iter().map(|it| it.name()).collect::<Vec<_>>(),
        "files": files_json(&difference.files),
        "tensors": difference.tensors.as_ref().map(tensors_json),
    }));
    Ok(exit)
}

impl Known {
    /// `13 files, 91.6 MB, 103 tensors in 1 file`.
    pub(super) fn headline(&self) -> String {
        let mut words = counted(self.manifest.files().len() as u64, "file", "files");
        if let Some(total) = self.manifest.total_bytes() {
            words = format!("{words}, {}", bytes(total));
        }
        if let Some(list) = &self.tensors {
            let tensors = counted(list.tensors().len() as u64, "tensor", "tensors");
            words = format!("{words}, {tensors}");
        }
        words
    }

    fn side(&self) -> Side<'_> {
        Side {
            manifest: &self.manifest,
            tensors: self.tensors.as_ref(),
        }
    }
}

/// Reads what the user means.
pub(super) fn known(
    text: &str,
    as_bytes: &[FilePath],
    threads: Option<NonZeroUsize>,
    session: &Session,
) -> Result<Known, CliError> {
    let path = Path::new(text);
    if path.is_dir() {
        return folder(path, as_bytes, threads, session);
    }
    let (_, verified) = bundle_of(text, session)?;
    let release = &verified.release;
    let open = |what: &str| CliError::CouldNotTell {
        what: format!("there is no telling which files {release} has"),
        context: vec![what.to_owned()],
        hint: format!("get another bundle, or ask the log for it, by the name {release}"),
    };
    let (index, weights) = verified
        .weights()
        .ok_or_else(|| open("it has no weights record"))?;
    let manifest = verified
        .manifests
        .get(&index)
        .ok_or_else(|| open("its manifest, the list of its files, is not in the bundle"))?;
    let tensors = verified.tensor_lists.get(&index);
    if tensors.is_none() && weights.tensors.is_some() {
        return Err(open("the list of its tensors is not in the bundle"));
    }
    Ok(Known {
        what: release.to_string(),
        manifest: manifest.clone(),
        tensors: tensors.cloned(),
    })
}

fn folder(
    path: &Path,
    as_bytes: &[FilePath],
    threads: Option<NonZeroUsize>,
    session: &Session,
) -> Result<Known, CliError> {
    let bar = HashingBar::new(&session.printer);
    let options = Options {
        threads,
        known: None,
        reads_all: true,
        below: None,
    };
    let contents = read_folder(
        path,
        LeftOut::OfAnyRelease,
        as_bytes,
        options,
        &mut |progress| {
            bar.show(progress);
        },
    )?;
    // Where they can't be listed, a release of the folder has no list of them either.
    let tensors = TensorList::new(contents.tensors, &contents.manifest).ok();
    Ok(Known {
        what: path.display().to_string(),
        manifest: contents.manifest,
        tensors,
    })
}

fn print(difference: &Difference, session: &mut Session) {
    let out = &mut session.printer;
    let aspects: Vec<_> = difference.aspects.iter().map(|it| it.name()).collect();
    match (&difference.aspects.first(), &aspects[..]) {
        (None, _) if !difference.files.not_compared.is_empty() => {
            let words = "there is no telling: files have no strong digest in common";
            out.line(Text::of(Tone::Warning, words));
        }
        (None, _) => out.line(Text::of(Tone::Good, "the same").plain(", file by file")),
        (Some(Aspect::Sharding), [only]) => {
            let words = ": what the files' headers say beside the tensors was not compared";
            let line = Text::of(Tone::Warning, format!("they differ in {only} only"));
            out.line(line.with(Tone::Dim, words));
        }
        (_, [only]) => out.line(Text::of(
            Tone::Warning,
            format!("they differ in {only} only"),
        )),
        (_, all) => {
            let words = format!("they differ in {}", all.join(", "));
            out.line(Text::of(Tone::Warning, words));
        }
    }
    // Of the same files, one side may list tensors that the other takes for bytes.
    let tensors = difference.tensors.as_ref();
    if let Some(tensors) = tensors.filter(|_| !difference.aspects.is_empty()) {
        print_tensors(tensors, session);
    }
    let FileDifference {
        same,
        changed,
        not_compared,
        moved,
        removed,
        added,
    } = &difference.files;
    let rows = [
        (changed.len(), "other bytes", names(changed)),
        (
            not_compared.len(),
            "not compared, without a strong digest in common",
            names(not_compared),
        ),
        (
            moved.len(),
            "another path",
            some(moved, |(from, to)| format!("{from} is {to}")),
        ),
        (removed.len(), "only in the first", names(removed)),
        (added.len(), "only in the second", names(added)),
    ];
    section("files", *same, &rows, session);
}

fn print_tensors(tensors: &TensorDifference, session: &mut Session) {
    let pairs = |pairs: &[(Tensor, Tensor)], words: fn(&(Tensor, Tensor)) -> String| {
        (pairs.len(), some(pairs, words))
    };
    let (retyped, retyped_names) = pairs(&tensors.retyped, |(a, b)| {
        format!("{} {} is {}", a.name, a.dtype, b.dtype)
    });
    let (reshaped, reshaped_names) = pairs(&tensors.reshaped, |(a, b)| {
        format!("{} {:?} is {:?}", a.name, a.shape, b.shape)
    });
    let (altered, altered_names) = pairs(&tensors.altered, |(a, _)| a.name.clone());
    let (renamed, renamed_names) = pairs(&tensors.renamed, |(a, b)| {
        format!("{} is {}", a.name, b.name)
    });
    let name = |tensor: &Tensor| tensor.name.clone();
    let rows = [
        (retyped, "another type", retyped_names),
        (reshaped, "another shape", reshaped_names),
        (altered, "other data", altered_names),
        (renamed, "another name", renamed_names),
        (
            tensors.removed.len(),
            "only in the first",
            some(&tensors.removed, name),
        ),
        (
            tensors.added.len(),
            "only in the second",
            some(&tensors.added, name),
        ),
    ];
    section("tensors", tensors.same, &rows, session);
}

/// A line for what is the same, and one for each way in which others differ.
fn section(what: &str, same: usize, rows: &[(usize, &str, String)], session: &mut Session) {
    let line = |first: &str, count: usize, words: &str| {
        Text::of(Tone::Dim, format!("  {first:<8}"))
            .plain(format!("{:>9}  {words}", grouped(count as u64)))
    };
    session.printer.line(line(what, same, "the same"));
    for (count, words, names) in rows.iter().filter(|(count, ..)| *count > 0) {
        session
            .printer
            .line(line("", *count, &format!("{words}: {names}")));
    }
}

fn names(paths: &[FilePath]) -> String {
    some(paths, ToString::to_string)
}

/// The first few, and how many more there are.
fn some<T>(items: &[T], words: impl Fn(&T) -> String) -> String {
    let named: Vec<_> = items.iter().take(NAMED_MAX).map(words).collect();
    let more = items.len() - named.len();
    let more = if more > 0 {
        format!(" and {} more", grouped(more as u64))
    } else {
        String::new()
    };
    format!("{}{more}", named.join(", "))
}

fn files_json(files: &FileDifference) -> Value {
    let moved: Vec<_> = files
        .moved
        .iter()
        .map(|(from, to)| json!({ "first": from, "second": to }))
        .collect();
    json!({
        "same": files.same,
        "changed": files.changed,
        "notCompared": files.not_compared,
        "moved": moved,
        "onlyFirst": files.removed,
        "onlySecond": files.added,
    })
}

fn tensors_json(tensors: &TensorDifference) -> Value {
    let pairs = |pairs: &[(Tensor, Tensor)]| -> Vec<Value> {
        let pair = |(a, b): &(Tensor, Tensor)| json!({ "first": a, "second": b });
        pairs.iter().map(pair).collect()
    };
    json!({
        "same": tensors.same,
        "files": { "first": tensors.files.0, "second": tensors.files.1 },
        "retyped": pairs(&tensors.retyped),
        "reshaped": pairs(&tensors.reshaped),
        "altered": pairs(&tensors.altered),
        "renamed": pairs(&tensors.renamed),
        "onlyFirst": tensors.removed,
        "onlySecond": tensors.added,
    })
}
