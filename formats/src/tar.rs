//! Files of `PyTorch`'s from before version 0.1.10: archives of tar, which it reads to this day.
//!
//! ```text
//! header: 512 bytes │ file, to a multiple of 512 │ …       sys_info, pickle: a pickle
//!                                                          storages: a number, then each: pickle │ length │ data
//!                                                          tensors: a number, then each: pickle │ dimensions, …
//! ```
//!
//! `legacy_load` in <https://github.com/pytorch/pytorch/blob/main/torch/serialization.py>. Only imports are looked for, in
//! each file of the archive, whatever it is called: of two with one name, and of links, others take another one.

use crate::FormatError;
use crate::globals;
use crate::pickle::{Pickle, Value, Wanted};
use crate::pickled::{Pickles, contents};
use crate::source::{Part, Source, read as read_bytes};
use crate::tensor::{Contents, DIMENSIONS_MAX};

const BLOCK_BYTES: u64 = 512;

/// How many files are looked at; there are four.
const FILES_MAX: usize = 1_000;

/// The most tensors and storages that are followed, in all.
const ITEMS_MAX: u64 = 1_000_000;

/// What follows each of the pickles that a file counts.
#[derive(Clone, Copy)]
enum Kind {
    Storages,
    Tensors,
}

/// If a file begins with a header of tar, whose sum is right.
pub(crate) fn is_one(source: &dyn Source) -> Result<bool, FormatError> {
    if source.bytes() < BLOCK_BYTES {
        return Ok(false);
    }
    Ok(has_sum(&read_bytes(
        source,
        0,
        BLOCK_BYTES,
        "the first bytes",
    )?))
}

/// Reads an archive; `pickles` has what was found in the whole of it before.
pub(crate) fn read(source: &dyn Source, mut pickles: Pickles) -> Result<Contents, FormatError> {
    let mut at = 0;
    for count in 0.. {
        if at + BLOCK_BYTES > source.bytes() {
            break;
        }
        let header = read_bytes(source, at, BLOCK_BYTES, "a header")?;
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let size = octal(&header[124..136]);
        let end = size.and_then(|size| (at + BLOCK_BYTES).checked_add(size));
        let Some(end) = end.filter(|end| has_sum(&header) && *end <= source.bytes()) else {
            pickles.not_followed(format!(
                "at byte {at} of its archive there is no header of a file"
            ));
            break;
        };
        if count >= FILES_MAX {
            pickles.not_followed(format!("its archive has more than {FILES_MAX} files"));
            break;
        }
        // Files as they are; all others have no data, or say more of those that follow.
        if matches!(header[156], 0 | b'0' | b'7') {
            file(
                &header,
                &Part::new(source, at + BLOCK_BYTES..end),
                &mut pickles,
            )?;
        }
        at = end.next_multiple_of(BLOCK_BYTES);
    }
    let why =
        "the file is in the form from before PyTorch 0.1.10 (tar), whose tensors are not listed";
    contents(pickles, why.to_owned())
}

/// Follows the pickles of a file.
fn file(header: &[u8], source: &dyn Source, pickles: &mut Pickles) -> Result<(), FormatError> {
    let name = header[..100].split(|byte| *byte == 0).next();
    let kind = match name.unwrap_or_default() {
        b"storages" => Kind::Storages,
        b"tensors" => Kind::Tensors,
        _ => {
            return pickles.walk_to_end(source, 0, Wanted::Imports).map(drop);
        }
    };
    let Some(first) = pickles.walk(source, 0, Wanted::Values)? else {
        return Ok(());
    };
    let count = match first.root {
        Value::Int(count) if (0..=ITEMS_MAX.cast_signed()).contains(&count) => count,
        _ => {
            pickles.not_followed(
                "its archive does not say how many storages or tensors it has".to_owned(),
            );
            return Ok(());
        }
    };
    let mut at = first.end;
    for _ in 0..count {
        let Some(pickle) = pickles.walk(source, at, Wanted::Values)? else {
            return Ok(());
        };
        at = match behind(source, &pickle, kind)? {
            Some(end) if end <= source.bytes() => end,
            _ => {
                pickles
                    .not_followed("the data in its archive is in no form that is known".to_owned());
                return Ok(());
            }
        };
    }
    if let Kind::Storages = kind {
        pickles.walk_to_end(source, at, Wanted::Imports)?;
    }
    Ok(())
}

/// Where the data ends that a pickle tells of.
fn behind(source: &dyn Source, pickle: &Pickle, kind: Kind) -> Result<Option<u64>, FormatError> {
    let number = |bytes: u64| -> Result<u64, FormatError> {
        let mut number = [0; 8];
        let found = read_bytes(source, pickle.end, bytes, "a length")?;
        number[..found.len()].copy_from_slice(&found);
        Ok(u64::from_le_bytes(number))
    };
    let bytes = match kind {
        Kind::Storages => {
            let class = match pickle.tuple(pickle.root) {
                Some([_, _, class]) => pickle.global(*class).and_then(globals::of_storage),
                _ => None,
            };
            let Some((_, _, item_bytes)) = class else {
                return Ok(None);
            };
            number(8)?
                .checked_mul(item_bytes)
                .and_then(|bytes| bytes.checked_add(8))
        }
        // How many dimensions in 4 bytes, and 4 of nothing; lengths, steps, and where in the storage it begins.
        Kind::Tensors => Some(number(4)?)
            .filter(|dimensions| *dimensions <= DIMENSIONS_MAX as u64)
            .map(|dimensions| 8 + 16 * dimensions + 8),
    };
    Ok(bytes.and_then(|bytes| pickle.end.checked_add(bytes)))
}

/// If the sum of the bytes of a header is what it says, with spaces where it says so.
fn has_sum(header: &[u8]) -> bool {
    let is_said = |at: usize| (148..156).contains(&at);
    let sum: u64 = (0..)
        .zip(header)
        .map(|(at, byte)| u64::from(if is_said(at) { b' ' } else { *byte }))
        .sum();
    octal(&header[148..156]) == Some(sum)
}

/// A number as it is written in a header: in digits to the base of 8, with spaces and zeros around them; or, behind a byte
/// of 0x80, as it is.
fn octal(field: &[u8]) -> Option<u64> {
    if let [0x80, zeros @ .., a, b, c, d, e, f, g, h] = field {
        let number = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
        return zeros.iter().all(|byte| *byte == 0).then_some(number);
    }
    let text = str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c| matches!(c, ' ' | '\0'));
    let digits = digits.split('\0').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 8).ok()
}
