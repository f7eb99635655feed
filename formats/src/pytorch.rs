//! What `torch.save` writes: a zip archive of a pickle that says what there is, and the data that it speaks of.
//!
//! ```text
//! NAME/data.pkl ──► "layer.w" is elements 0 to 6 of storage 0 ──► NAME/data/0, where it lies in the archive
//! ```
//!
//! <https://github.com/pytorch/pytorch/blob/main/torch/serialization.py>
//!
//! Always: all pickles are followed, and what they import is said, also where no tensor can be listed. Tensors may share
//! their data: tied weights are saved once.
//!
//! Not here: the tensors of files from before `PyTorch` 1.6, which are pickles one behind the other, and of programs
//! (`TorchScript`) those that are its constants.

use std::collections::{BTreeMap, BTreeSet};

use crate::format::check_dimensions;
use crate::globals::{self, Elements};
use crate::pickle::Pickle;
use crate::rebuild::{Found, Parts};
use crate::source::{Source, read as read_bytes};
use crate::tensor::{Contents, Dtype, Tensor, Unlisted, elements};
use crate::zip::{self, Entry};
use crate::{Format, FormatError, pickle, rebuild};

/// The versions of archives that there are.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=10;

/// The longest text in an entry of its own: a version, or the order of bytes.
const TEXT_BYTES_MAX: u64 = 64;

/// How pickles of protocol 2 on begin; those before begin with any operation.
const PROTOCOL: u8 = 0x80;
const PROTOCOL_MAX: u8 = 5;

/// The first pickle of files from before version 1.6: a number.
const LEGACY_MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// How many pickles such a file has before its data: this number, a version, the sizes of types, the object, the keys.
const LEGACY_PICKLES: usize = 5;

/// How many pickles of other files are followed.
const PICKLES_MAX: usize = 10_000;

pub(crate) fn read(source: &dyn Source) -> Result<Contents, FormatError> {
    let length = source.bytes().min(LEGACY_MAGIC.len() as u64);
    let head = read_bytes(source, 0, length, "the first bytes")?;
    if head.starts_with(&zip::ENTRY_MAGIC) {
        return archive(source);
    }
    pickles(source, &head)
}

/// What the files of an archive say of it.
struct Archive<'a> {
    source: &'a dyn Source,
    /// By their names in its one folder.
    entries: BTreeMap<&'a str, &'a Entry>,
    is_big_first: bool,
    /// The type that the storages were said to have, by their keys.
    storages: BTreeMap<&'a str, Elements>,
}

fn archive(source: &dyn Source) -> Result<Contents, FormatError> {
    let entries = zip::entries(source)?;
    let mut archive = opened(source, &entries)?;
    let mut imports = BTreeSet::new();
    for (name, entry) in &archive.entries {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        if ending.is_some_and(|it| it.eq_ignore_ascii_case("pkl")) && *name != "data.pkl" {
            archive.walk(entry, &mut imports)?;
        }
    }
    // What is left in memory at the end is the pickle with the tensors.
    let Some(main) = archive.entries.get("data.pkl") else {
        return Err(FormatError::Zip("it has no file data.pkl".to_owned()));
    };
    let pickle = archive.walk(main, &mut imports)?;
    let (mut tensors, mut unlisted) = (Vec::new(), Vec::new());
    if archive
        .entries
        .keys()
        .any(|name| *name == "constants.pkl" || name.starts_with("code/"))
    {
        unlisted.push(Unlisted {
            name: String::new(),
            why: "the file is a program (TorchScript), which runs when it is loaded; what its code and constants \
                  hold is not listed"
                .to_owned(),
        });
    }
    let mut names = BTreeSet::new();
    for Found { name, what } in rebuild::tensors(&pickle)? {
        let placed = match what {
            Ok(parts) => archive.place(&name, &parts)?,
            Err(why) => Err(why),
        };
        let placed = placed.and_then(|tensor| {
            if names.insert(name.clone()) {
                return Ok(tensor);
            }
            Err("other keys than those to another tensor give the same name".to_owned())
        });
        match placed {
            Ok(tensor) => tensors.push(tensor),
            Err(why) => unlisted.push(Unlisted { name, why }),
        }
    }
    for name in archive.entries.keys() {
        if let Some(key) = name.strip_prefix("data/")
            && !archive.storages.contains_key(key)
        {
            unlisted.push(Unlisted {
                name: (*name).to_owned(),
                why: "it is data of no tensor that was understood".to_owned(),
            });
        }
    }
    let mut contents = Contents::sharing(Format::Pytorch, tensors)?;
    contents.unlisted = unlisted;
    contents.imports = globals::beyond_weights(&imports);
    Ok(contents)
}

/// Sorts the files of an archive by their names in its one folder, and reads those that say how to read it.
fn opened<'a>(source: &'a dyn Source, all: &'a [Entry]) -> Result<Archive<'a>, FormatError> {
    let wrong = |rule: String| FormatError::Zip(rule);
    let folder = all.first().and_then(|entry| entry.name.split_once('/'));
    let Some((folder, _)) = folder else {
        return Err(wrong("its first file is in no folder".to_owned()));
    };
    let mut entries = BTreeMap::new();
    for entry in all {
        let name = entry.name.strip_prefix(folder);
        let Some(name) = name.and_then(|name| name.strip_prefix('/')) else {
            return Err(wrong(format!(
                "the entry {:?} is not in the folder {folder:?}, where the first one is",
                entry.name
            )));
        };
        entries.insert(name, entry);
    }
    let text = |name: &str| match entries.get(name) {
        Some(entry) => zip::content(source, entry, TEXT_BYTES_MAX).map(Some),
        None => Ok(None),
    };
    let is_big_first = match text("byteorder")?.as_deref() {
        None | Some(b"little") => false,
        Some(b"big") => true,
        Some(other) => {
            return Err(wrong(format!(
                "its file byteorder says {:?}, and not little or big",
                String::from_utf8_lossy(other)
            )));
        }
    };
    let version = match text("version")? {
        Some(version) => version,
        None => text(".data/version")?
            .ok_or_else(|| wrong("it has no file version, and no .data/version".to_owned()))?,
    };
    let version = String::from_utf8_lossy(&version);
    let number = version.trim_end_matches('\n').parse();
    if !number.is_ok_and(|number| VERSIONS.contains(&number)) {
        return Err(FormatError::Version {
            format: Format::Pytorch,
            found: format!("{version:?}"),
            known: "1 to 10",
        });
    }
    Ok(Archive {
        source,
        entries,
        is_big_first,
        storages: BTreeMap::new(),
    })
}

impl Archive<'_> {
    /// Follows the pickle that is an entry.
    fn walk(&self, entry: &Entry, imports: &mut BTreeSet<String>) -> Result<Pickle, FormatError> {
        zip::within(self.source, entry, |source| {
            pickle::walk_to_end(source, 0, imports)
        })
    }

    /// Finds where in the file a tensor is; or why it isn't there as it is.
    fn place(
        &mut self,
        name: &str,
        parts: &Parts<'_>,
    ) -> Result<Result<Tensor, String>, FormatError> {
        let wrong = |rule: String| FormatError::Tensor {
            name: name.to_owned(),
            rule,
        };
        let Parts {
            key,
            of: (of, _, of_bytes),
            length,
            elements: (_, dtype, item_bytes),
            ..
        } = *parts;
        let file = format!("data/{key}");
        let found = self.entries.get_key_value(file.as_str());
        let Some((file, entry)) = found.map(|(file, entry)| (*file, *entry)) else {
            return Err(wrong(format!("its data {file:?} is not in the archive")));
        };
        let bytes = u64::try_from(length)
            .ok()
            .and_then(|length| length.checked_mul(of_bytes));
        if bytes != Some(entry.bytes) {
            return Err(wrong(format!(
                "its data {file:?} has {} bytes, and should be {length} elements of type {of}",
                entry.bytes
            )));
        }
        // The first type that is said is the one that PyTorch takes, for all.
        let key = file.strip_prefix("data/").unwrap_or(file);
        let (first, ..) = *self.storages.entry(key).or_insert(parts.of);
        if first != of {
            return Err(wrong(format!(
                "its data {file:?} is said to be of type {first} and of type {of}"
            )));
        }
        let shape = lengths(&parts.shape).map_err(&wrong)?;
        let steps = lengths(&parts.steps).map_err(&wrong)?;
        check_dimensions(shape.len() as u64)?;
        if shape.len() != steps.len() {
            return Err(wrong(format!("shape {shape:?} with steps {steps:?}")));
        }
        let outside = || {
            wrong(format!(
                "shape {shape:?} by steps of {steps:?} from element {} on would end behind the {} bytes of its data \
                 {file:?}",
                parts.offset, entry.bytes
            ))
        };
        let offset = u64::try_from(parts.offset).map_err(|_| outside())?;
        let end = end_of(offset, &shape, &steps).and_then(|end| end.checked_mul(item_bytes));
        if end.is_none_or(|end| end > entry.bytes) {
            return Err(outside());
        }
        if entry.is_deflated {
            return Ok(Err("its data is compressed".to_owned()));
        }
        if self.is_big_first && item_bytes > 1 {
            return Ok(Err("its elements have the big end first".to_owned()));
        }
        if !is_in_order(&shape, &steps) {
            return Ok(Err(format!(
                "its elements are not one behind the other: shape {shape:?}, steps {steps:?}"
            )));
        }
        // Both are within the entry, which is within the file.
        let bytes = elements(&shape).unwrap_or(0) * item_bytes;
        let start = entry.range.start + offset * item_bytes;
        Ok(Ok(Tensor {
            name: name.to_owned(),
            dtype: Dtype::new(dtype),
            shape,
            file: None,
            range: start..start + bytes,
        }))
    }
}

fn lengths(numbers: &[i64]) -> Result<Vec<u64>, String> {
    let positive = numbers.iter().map(|number| u64::try_from(*number));
    let positive: Result<_, _> = positive.collect();
    positive.map_err(|_| format!("a length or step of {numbers:?} is negative"))
}

/// The element behind the last one.
fn end_of(offset: u64, shape: &[u64], steps: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(offset);
    }
    let mut last = offset;
    for (length, step) in shape.iter().zip(steps) {
        last = last.checked_add((length - 1).checked_mul(*step)?)?;
    }
    last.checked_add(1)
}

/// If the elements are one behind the other, row by row. Steps along which there is one element, or none, say nothing.
fn is_in_order(shape: &[u64], steps: &[u64]) -> bool {
    if shape.contains(&0) {
        return true;
    }
    let mut next = Some(1_u64);
    for (length, step) in shape.iter().zip(steps).rev() {
        if *length != 1 && Some(*step) != next {
            return false;
        }
        next = next.and_then(|next| next.checked_mul(*length));
    }
    true
}

/// A file that is pickles, one behind the other, and maybe data behind them.
fn pickles(source: &dyn Source, head: &[u8]) -> Result<Contents, FormatError> {
    let mut imports = BTreeSet::new();
    let has_protocol = matches!(head, [PROTOCOL, ..=PROTOCOL_MAX, ..]);
    let mut at = match pickle::walk(source, 0, &mut imports) {
        Ok(pickle) => pickle.end,
        Err(error @ FormatError::Pickle { .. }) => {
            // Any file could begin with an operation of a pickle, and some with several.
            if has_protocol || imports.iter().any(|name| is_like_name(name)) {
                return Err(error);
            }
            return Err(FormatError::Magic(Format::Pytorch));
        }
        Err(error) => return Err(error),
    };
    if !has_protocol && at != source.bytes() && imports.is_empty() {
        return Err(FormatError::Magic(Format::Pytorch));
    }
    let is_legacy = head == LEGACY_MAGIC;
    let (mut count, max) = (
        1,
        if is_legacy {
            LEGACY_PICKLES
        } else {
            PICKLES_MAX
        },
    );
    // One that is cut before its data is not in this form.
    while count < max && (is_legacy || at < source.bytes()) {
        let next = read_bytes(source, at, 2.min(source.bytes() - at), "a pickle")?;
        let mut found = BTreeSet::new();
        let walked = pickle::walk(source, at, &mut found);
        // Programs put other data behind pickles, too, and what that seems to import is nothing.
        if walked.is_ok() || matches!(next[..], [PROTOCOL, ..=PROTOCOL_MAX]) {
            imports.append(&mut found);
        }
        match walked {
            Ok(pickle) => at = pickle.end,
            Err(FormatError::Pickle { .. }) if !is_legacy => break,
            Err(error) => return Err(error),
        }
        count += 1;
    }
    let mut contents = Contents::sharing(Format::Pytorch, Vec::new())?;
    let what = match count {
        1 => "a pickle".to_owned(),
        count => format!("{count} pickles"),
    };
    let why = if is_legacy {
        "the file is in the form from before PyTorch 1.6, whose tensors are not listed".to_owned()
    } else if at < source.bytes() {
        format!(
            "the file is no archive but {what}, whose tensors are not listed, and unknown data from byte {at} on"
        )
    } else {
        format!("the file is no archive but {what}, whose tensors are not listed")
    };
    contents.unlisted.push(Unlisted {
        name: String::new(),
        why,
    });
    contents.imports = globals::beyond_weights(&imports);
    Ok(contents)
}

/// If this could be a name in Python, and isn't only what stands somewhere in other data.
fn is_like_name(import: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let has_both = !import.starts_with('.') && !import.ends_with('.');
    has_both && import.chars().all(is_part)
}

#[cfg(test)]
mod tests;
