//! A model in shards: what its index says, held against what the shards' own headers say.
//!
//! ```text
//! model.safetensors.index.json ─► weight_map: tensor ─► file ─┐
//!                                                             ├─► the same names in the same files, or a refusal
//! model-00001-of-00003.safetensors … ─► header: tensors ──────┘
//! ```
//!
//! Always: a file that is taken as bytes alone, or whose header could not be followed, refutes no index; that it was not
//! held against one is a warning.

use std::collections::{BTreeMap, BTreeSet};

use candor_core::weights::{FilePath, Manifest};
use candor_formats::{Contents, Index};

/// How many names a refusal or a warning has.
const NAMED_MAX: usize = 3;

/// Holds the index at `path` against the files that it names. What is wrong with it, or else what is doubtful.
pub(super) fn check<'a>(
    path: &FilePath,
    index: &Index,
    manifest: &Manifest,
    contents: impl Fn(&FilePath) -> Option<&'a Contents>,
) -> Result<Option<String>, String> {
    let mut by_file: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tensor, file) in &index.weight_map {
        by_file.entry(file).or_default().insert(tensor);
    }
    let (mut bytes, mut unread) = (0_u64, Vec::new());
    for (relative, mapped) in by_file {
        let file = beside(path, relative)?;
        if manifest.file(&file).is_none() {
            return Err(format!(
                "it places {} in {file}, which is not there",
                named(mapped.iter().copied())
            ));
        }
        let Some(contents) = contents(&file) else {
            unread.push(file);
            continue;
        };
        let tensors = contents.tensors.iter().map(|it| it.name.as_str());
        let unlisted = contents.unlisted.iter().map(|it| it.name.as_str());
        let held: BTreeSet<_> = tensors.chain(unlisted).collect();
        let mut wrong = mapped.difference(&held).copied().peekable();
        if wrong.peek().is_some() {
            let names = named(wrong);
            return Err(format!(
                "it places {names} in {file}, which has no such tensor"
            ));
        }
        let mut wrong = held.difference(&mapped).copied().peekable();
        if wrong.peek().is_some() {
            let names = named(wrong);
            return Err(format!("{file} has {names}, which it does not place there"));
        }
        let ranges = contents.tensors.iter().map(|it| &it.range);
        bytes = ranges.fold(bytes, |bytes, it| bytes.saturating_add(it.end - it.start));
    }
    if let Some(first) = unread.first() {
        let more = match unread.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return Ok(Some(format!(
            "it was not held against {first}{more}, whose tensors are not known"
        )));
    }
    // Tensors that share their data are counted once by some, and twice by others.
    let other = index.total_size.filter(|stated| *stated != bytes);
    Ok(other.map(|stated| {
        format!("its total_size is {stated}, and the tensors in its files have {bytes} bytes")
    }))
}

/// The file that an index names, which may not be anywhere but in the release.
fn beside(index: &FilePath, relative: &str) -> Result<FilePath, String> {
    let path = match index.as_str().rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{relative}"),
        None => relative.to_owned(),
    };
    path.parse().map_err(|error| format!("{error}"))
}

/// Some names of tensors, as text from others.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    let (some, more) = names.split_at(names.len().min(NAMED_MAX));
    let shortened = |name: &&str| {
        let short: String = name.chars().take(100).collect();
        format!("{short:?}")
    };
    let some: Vec<_> = some.iter().map(shortened).collect();
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let tensors = if names.len() == 1 {
        "the tensor"
    } else {
        "the tensors"
    };
    format!("{tensors} {}{more}", some.join(", "))
}
