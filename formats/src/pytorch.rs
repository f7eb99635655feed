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
//! Not here: files that are no zip archive ([`crate::pickled`]), and of programs (`TorchScript`) and packages
//! (`torch.package`) what is in no `data.pkl`.

use std::collections::{BTreeMap, BTreeSet};

use crate::format::check_dimensions;
use crate::globals::Elements;
use crate::pickle::{Pickle, Wanted};
use crate::pickled::Pickles;
use crate::rebuild::{Found, Parts};
use crate::source::{Source, read as read_bytes};
use crate::tensor::{Contents, Dtype, Tensor, Unlisted, elements};
use crate::zip::{self, Entry};
use crate::{Format, FormatError, pickled, rebuild};

/// The versions of archives that there are.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=10;

/// The longest text in an entry of its own: a version, or the order of bytes.
const TEXT_BYTES_MAX: u64 = 64;

/// How the names of files end that are pickles. Those of others tell by their first bytes.
const PICKLE_ENDINGS: [&str; 4] = ["pkl", "pickle", "pk", "joblib"];

pub(crate) fn read(source: &dyn Source) -> Result<Contents, FormatError> {
    let head = read_bytes(source, 0, source.bytes().min(4), "the first bytes")?;
    if head == zip::ENTRY_MAGIC {
        return archive(source);
    }
    pickled::read(source)
}

/// What the files of an archive say of it.
struct Archive<'a> {
    /// By their names in its one folder, in small letters: `PyTorch` looks for them without regard to case.
    entries: BTreeMap<String, &'a Entry>,
    is_big_first: bool,
    /// The type that the storages were said to have, by their keys.
    storages: BTreeMap<String, Elements>,
}

fn archive(source: &dyn Source) -> Result<Contents, FormatError> {
    let entries = zip::entries(source, zip::Names::Paths)?;
    let mut pickles = Pickles::default();
    let mut inflated = zip::Inflated::default();
    // What is left in memory at the end is the pickle with the tensors.
    for entry in &entries {
        if is_pickle(source, entry)? && !is_main(&entry.name) {
            walk(source, entry, Wanted::Imports, &mut pickles, &mut inflated)?;
        }
    }
    if !entries.iter().any(|entry| is_main(&entry.name)) {
        let why = "the file is an archive without a data.pkl, as packages (torch.package) and old programs \
                   (TorchScript) are: what it holds is not listed";
        return pickled::contents(pickles, why.to_owned());
    }
    let mut archive = opened(source, &entries)?;
    let Some(main) = archive.entries.get("data.pkl").copied() else {
        return Err(FormatError::Zip(
            "it has no file data.pkl in its one folder".to_owned(),
        ));
    };
    let pickle = walk(source, main, Wanted::Values, &mut pickles, &mut inflated)?;
    let (mut tensors, mut unlisted) = (Vec::new(), Vec::new());
    if archive.is_program() {
        unlisted.push(Unlisted {
            name: String::new(),
            why: "the file is a program (TorchScript), which runs when it is loaded; what its code and constants \
                  hold is not listed"
                .to_owned(),
        });
    }
    let found = match &pickle {
        None => None,
        Some(pickle) => match rebuild::tensors(pickle) {
            Ok(found) => Some(found),
            Err(FormatError::TooMany { what, max, .. }) => {
                let why = format!("the file has more {what} than {max}, and is not read further");
                unlisted.push(Unlisted {
                    name: String::new(),
                    why,
                });
                None
            }
            Err(error) => return Err(error),
        },
    };
    let is_read = found.is_some();
    archive.place_all(found.unwrap_or_default(), &mut tensors, &mut unlisted)?;
    if pickle.is_none() {
        let why = "the pickle that tells of its tensors can't be followed: they are not listed";
        unlisted.push(Unlisted {
            name: String::new(),
            why: why.to_owned(),
        });
    }
    for (name, entry) in archive.entries.iter().filter(|_| is_read) {
        if let Some(key) = name.strip_prefix("data/")
            && !archive.storages.contains_key(key)
        {
            unlisted.push(Unlisted {
                name: entry
                    .name
                    .split_once('/')
                    .map_or("", |(_, name)| name)
                    .to_owned(),
                why: "it is data of no tensor that was understood".to_owned(),
            });
        }
    }
    let mut contents = Contents::sharing(Format::Pytorch, tensors)?;
    contents.unlisted = unlisted;
    pickles.put_into(&mut contents);
    Ok(contents)
}

/// If it is the pickle that tells of the tensors, in a folder of the archive.
fn is_main(name: &str) -> bool {
    matches!(
        name.split('/').collect::<Vec<_>>()[..],
        [name] | [_, name] if name.eq_ignore_ascii_case("data.pkl")
    )
}

/// If an entry is a pickle, by its name or by how it begins.
fn is_pickle(source: &dyn Source, entry: &Entry) -> Result<bool, FormatError> {
    let ending = entry
        .name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    if ending.is_some_and(|ending| PICKLE_ENDINGS.contains(&ending.as_str())) {
        return Ok(true);
    }
    // Data of tensors may begin with anything.
    if entry.name.contains("/data/")
        || entry.name.contains("/.data/")
        || entry.name.contains("/constants/")
    {
        return Ok(false);
    }
    let head = zip::head(source, entry, 2)?;
    let is_unseen = head.len() < 2 && entry.bytes >= 2;
    Ok(matches!(head[..], [0x80, ..=5]) || is_unseen)
}

/// Follows the pickle that is an entry. None if that can't be done, which is noted.
fn walk(
    source: &dyn Source,
    entry: &Entry,
    wanted: Wanted,
    pickles: &mut Pickles,
    inflated: &mut zip::Inflated,
) -> Result<Option<Pickle>, FormatError> {
    if !inflated.has_room_for(entry) {
        pickles.not_followed(format!(
            "its entry {:?} is a pickle, and compressed, with the others before it to more than is inflated here",
            entry.name
        ));
        return Ok(None);
    }
    zip::within(source, entry, |source| {
        pickles.walk_to_end(source, 0, wanted)
    })
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
        // No two are the same but for capital letters.
        entries.insert(name.to_ascii_lowercase(), entry);
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
            of: Format::Pytorch.name(),
            found: format!("{version:?}"),
            known: "1 to 10",
        });
    }
    Ok(Archive {
        entries,
        is_big_first,
        storages: BTreeMap::new(),
    })
}

impl Archive<'_> {
    fn is_program(&self) -> bool {
        let mut names = self.entries.keys();
        names.any(|name| name == "constants.pkl" || name.starts_with("code/"))
    }

    /// Finds where all tensors are.
    fn place_all(
        &mut self,
        found: Vec<Found<'_>>,
        tensors: &mut Vec<Tensor>,
        unlisted: &mut Vec<Unlisted>,
    ) -> Result<(), FormatError> {
        let mut names = BTreeSet::new();
        for Found { name, what } in found {
            let placed = match what {
                Ok(parts) => self.place(&name, &parts)?,
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
        Ok(())
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
        let Some(entry) = self.entries.get(&file.to_ascii_lowercase()).copied() else {
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
        let key = key.to_ascii_lowercase();
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

#[cfg(test)]
pub(crate) mod tests;
