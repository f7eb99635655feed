//! Files of `PyTorch`'s from before version 0.1.10: archives of tar, which it reads to this day.
//!
//! ```text
//! header: 512 bytes │ file, to a multiple of 512 │ …       sys_info, pickle: a pickle
//!                                                          storages: a number, then each: pickle │ length │ data
//!                                                          tensors: a number, then each: pickle │ dimensions, …
//! ```
//!
//! `legacy_load` in <https://github.com/pytorch/pytorch/blob/main/torch/serialization.py>. Only imports are looked for, in
//! each file of the archive, whatever it is called: of two with one name, others take another one.
//!
//! Always: an archive is followed as far as it has the form that `PyTorch` wrote, which is files alone, with their sizes in
//! plain digits. Of all else, as links, folders with a size and fields that change the next header, programs make different
//! things (`Lib/tarfile.py`, <https://github.com/python/cpython>): then it is said that there may be more.

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
    let head = read_bytes(source, 0, BLOCK_BYTES, "the first bytes")?;
    Ok(is_header(&head))
}

/// If this begins with a header of tar, whose sum is right. That it says so nobody needs.
pub(crate) fn is_header(head: &[u8]) -> bool {
    head.get(..512).is_some_and(has_sum)
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
        let size = plain_octal(&header[124..136]);
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
        if !is_plain(&header) {
            pickles.not_followed(format!(
                "at byte {at} of its archive there is something else than a file"
            ));
        }
        // Whatever it is, it is a file to those who don't know what.
        let part = Part::new(source, at + BLOCK_BYTES..end);
        if part.bytes() > 0 {
            file(&header, &part, &mut pickles)?;
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

/// If a header is that of a file as it is. An old one with a name that ends so is that of a folder.
fn is_plain(header: &[u8]) -> bool {
    match header[156] {
        b'0' | b'7' => true,
        0 => {
            let name = header[..100].split(|byte| *byte == 0).next();
            !name.unwrap_or_default().ends_with(b"/")
        }
        _ => false,
    }
}

/// If the sum of the bytes of a header is what it says, with spaces where it says so: of bytes with or without a sign,
/// as the archives of some old programs have it.
fn has_sum(header: &[u8]) -> bool {
    let is_said = |at: usize| (148..156).contains(&at);
    let bytes = || {
        (0..)
            .zip(header)
            .map(move |(at, byte)| if is_said(at) { b' ' } else { *byte })
    };
    let said = octal(&header[148..156]);
    said == Some(bytes().map(i128::from).sum())
        || said == Some(bytes().map(|byte| i128::from(byte.cast_signed())).sum())
}

/// A number as it is written in a header: in digits to the base of 8, with spaces before and a zero or space behind them.
fn plain_octal(field: &[u8]) -> Option<u64> {
    let text = str::from_utf8(field).ok()?.trim_start_matches(' ');
    let digits = text.trim_end_matches([' ', '\0']);
    if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
        return None;
    }
    u64::from_str_radix(digits, 8).ok()
}

/// A number in a header, in all ways in which Python understands one: up to the first zero, with a sign, underscores, a
/// prefix and spaces; or, behind a byte of 0x80 or 0xff, as it is.
fn octal(field: &[u8]) -> Option<i128> {
    if let [sign @ (0x80 | 0xff), rest @ ..] = field {
        let number = rest
            .iter()
            .fold(0, |number, byte| number << 8 | i128::from(*byte));
        let below = if *sign == 0xff {
            1 << (8 * rest.len())
        } else {
            0
        };
        return Some(number - below);
    }
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
    let text: String = str::from_utf8(text).ok()?.trim().replace('_', "");
    let digits = text.trim_start_matches(['+', '-']);
    let number = match digits
        .strip_prefix("0o")
        .or_else(|| digits.strip_prefix("0O"))
    {
        Some(digits) => i128::from_str_radix(digits, 8).ok()?,
        None if digits.is_empty() => 0,
        None => i128::from_str_radix(digits, 8).ok()?,
    };
    Some(if text.starts_with('-') {
        -number
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_python_reads() {
        for (field, number) in [
            (&b"0001750\0"[..], Some(0o1750)),
            (b" 1750 \0 ", Some(0o1750)),
            (b"0o17_50\0", Some(0o1750)),
            (b"+17\0rest", Some(0o17)),
            (b"\x00175000", Some(0)),
            (b"-17\0", Some(-0o17)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\0\0\0\0\0\0\0\x09", Some(9)),
            (b"9\0", None),
        ] {
            assert_eq!(octal(field), number, "{field:?}");
        }
        for (field, number) in [
            (&b"00000001750\0"[..], Some(0o1750)),
            (b"       1750 ", Some(0o1750)),
            (b"\0\x30\x30\x30\x30\x30\x31\x37\x35\x30\0", None),
            (b"1750\x001\0", None),
            (b"0o1750\0", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\0\x09", None),
            (b"\0\0", None),
        ] {
            assert_eq!(plain_octal(field), number, "{field:?}");
        }
    }
}
