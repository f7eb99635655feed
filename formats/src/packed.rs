//! Files that are compressed, or archives other than zip: told by their first bytes, and not looked into.
//!
//! Always: what any of Python's loaders of pickles would unpack is told, also where an empty stream or a frame to be skipped
//! stands before the data. Where the first bytes may be those of other files, too, as of text or of a safetensors file with
//! a header of a certain length, what is behind them has to be what the method makes.
//!
//! - gzip: RFC 1952; zlib: RFC 1950
//! - bzip2: <https://sourceware.org/git/?p=bzip2.git;a=blob;f=decompress.c>
//! - LZMA: <https://github.com/tukaani-project/xz/blob/master/doc/lzma-file-format.txt>, of which joblib and Python's own
//!   writers write one kind
//! - what joblib tells by its first bytes: `joblib/numpy_pickle_utils.py`, <https://github.com/joblib/joblib>

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use crate::tar;

/// How much of a file is looked at.
pub(crate) const HEAD_BYTES: u64 = 512;

/// The two ways in which a stream of bzip2's goes on behind its level: with a block, or with its end.
const BZIP2_BLOCK: &[u8] = b"1AY&SY";
const BZIP2_END: &[u8] = b"\x17\x72\x45\x38\x50\x90";

/// How long the number is that is behind `ZF` in files of joblib's from before version 0.10.
const ZFILE_DIGITS: usize = 19;

/// An LZMA file says as how many bytes it unpacks to less than this, or that it does not know.
const LZMA_BYTES_MAX: u64 = 1 << 38;

/// How much is inflated at most to see whether something inflates.
const INFLATED_BYTES: usize = 1 << 10;

/// How a file is packed that begins like this, by its first [`HEAD_BYTES`], for a sentence that begins with the file.
pub(crate) fn packed(head: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| head.starts_with(magic);
    if is_gzip(head) {
        Some("compressed (gzip)")
    } else if is_bzip2(head) {
        Some("compressed (bzip2)")
    } else if begins(b"\xfd7zXZ") {
        Some("compressed (xz)")
    } else if is_lzma(head) {
        Some("compressed (lzma)")
    } else if begins(b"\x28\xb5\x2f\xfd") {
        Some("compressed (zstd)")
    } else if begins(b"\x04\x22\x4d\x18") || begins(b"\x02\x21\x4c\x18") {
        Some("compressed (LZ4)")
    } else if matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
        Some("compressed (zstd or LZ4)")
    } else if is_zlib(head) {
        Some("compressed (zlib)")
    } else if is_zfile(head) {
        Some("compressed (zlib, as joblib did)")
    } else if begins(b"7z\xbc\xaf\x27\x1c") || begins(b"Rar!\x1a\x07") {
        Some("an archive")
    } else if head.get(257..262) == Some(b"ustar") || tar::is_header(head) {
        Some("an archive (tar)")
    } else {
        None
    }
}

/// Where its header has further fields, what is behind these is not looked at.
fn is_gzip(head: &[u8]) -> bool {
    let Some(([0x1f, 0x8b, 8, flags, ..], data)) = head.split_at_checked(10) else {
        return head.starts_with(b"\x1f\x8b\x08");
    };
    match flags {
        0 => inflates(data, 0),
        1..=0x1f => true,
        _ => false,
    }
}

fn is_bzip2(head: &[u8]) -> bool {
    let Some((b"BZh", [b'1'..=b'9', rest @ ..])) = head.split_at_checked(3) else {
        return false;
    };
    rest.starts_with(BZIP2_BLOCK) || rest.starts_with(BZIP2_END)
}

/// The kind that everybody writes, and joblib reads. Behind its properties stand a size of memory, and one of the data.
fn is_lzma(head: &[u8]) -> bool {
    if !head.starts_with(b"\x5d\x00") {
        return false;
    }
    let Some(bytes) = head.get(5..13).and_then(|bytes| bytes.try_into().ok()) else {
        return true;
    };
    let bytes = u64::from_le_bytes(bytes);
    bytes == u64::MAX || bytes < LZMA_BYTES_MAX
}

fn is_zlib(head: &[u8]) -> bool {
    let [first, second, ..] = *head else {
        return false;
    };
    let is_header = first & 0x0f == 8
        && first >> 4 <= 7
        && second & 0x20 == 0
        && u16::from_be_bytes([first, second]).is_multiple_of(31);
    is_header && inflates(head, inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER)
}

/// A number in digits to the base of 16, as Python writes or understands it, and zlib's data.
fn is_zfile(head: &[u8]) -> bool {
    let digits = head
        .strip_prefix(b"ZF")
        .and_then(|it| it.get(..ZFILE_DIGITS));
    digits.is_some_and(|digits| {
        digits.iter().all(|byte| {
            byte.is_ascii_hexdigit()
                || byte.is_ascii_whitespace()
                || matches!(byte, b'x' | b'X' | b'_' | b'+' | 0x0b)
        })
    })
}

/// If data that goes on behind these bytes may be DEFLATE's.
fn inflates(data: &[u8], flags: u32) -> bool {
    let flags = flags
        | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT
        | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut out = [0; INFLATED_BYTES];
    let mut state = DecompressorOxide::new();
    let (status, _, written) = decompress(&mut state, data, &mut out, 0, flags);
    match status {
        TINFLStatus::Done | TINFLStatus::HasMoreOutput | TINFLStatus::NeedsMoreInput => true,
        // Its end may be elsewhere for other programs.
        _ => written > 0 && status == TINFLStatus::Adler32Mismatch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A safetensors file without tensors whose header has so many bytes.
    fn safetensors(header: usize) -> Vec<u8> {
        let text = format!("{{{}}}", " ".repeat(header - 2));
        let mut file = [&(header as u64).to_le_bytes(), text.as_bytes()].concat();
        file.truncate(512);
        file
    }

    #[test]
    fn what_unpacks_is_told_also_where_it_seems_to_be_something_else() {
        let stored = |flags: u8| {
            let block = b"\0\x05\0\xfa\xffhello";
            [&b"\x1f\x8b\x08"[..], &[flags], b"\0\0\0\0{\x03", block].concat()
        };
        for (head, how) in [
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab".to_vec(), "gzip"),
            // With a ninth byte as that of a safetensors file.
            (stored(0), "gzip"),
            (stored(8), "gzip"),
            (b"BZh91AY&SY\0\0".to_vec(), "bzip2"),
            // Nothing, and then another stream.
            (
                b"BZh9\x17\x72\x45\x38\x50\x90\0\0\0\0BZh9".to_vec(),
                "bzip2",
            ),
            (b"\xfd7zXZ\0\0\x04".to_vec(), "xz"),
            (
                b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0".to_vec(),
                "lzma",
            ),
            // With little memory.
            (b"\x5d\0\x10\0\0\x20\0\0\0\0\0\0\0\0".to_vec(), "lzma"),
            (b"\x28\xb5\x2f\xfd\x04".to_vec(), "zstd"),
            (b"\x04\x22\x4d\x18\x64".to_vec(), "LZ4"),
            (b"\x5a\x2a\x4d\x18\x04\0\0\0".to_vec(), "zstd or LZ4"),
            (b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07".to_vec(), "zlib"),
            (b"\x58\x85\xcb\x48\xcd\xc9\xc9\x07".to_vec(), "zlib"),
            // As it is, which is text.
            (
                [&b"\x78\x01\0\x20\x40\xdf\xbf"[..], &[b'A'; 400]].concat(),
                "zlib",
            ),
            (b"ZF0x2c               \x78\x9c".to_vec(), "as joblib did"),
            (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), "an archive"),
        ] {
            let found = packed(&head).unwrap_or_default();
            assert!(found.contains(how), "{how}: {found:?}, {head:x?}");
        }
    }

    #[test]
    fn what_only_begins_so_is_not_packed() {
        for header in [
            376, 24_184, 40_056, 55_928, 35_615, 93, 65_629, 559_903, 236_664,
        ] {
            assert_eq!(packed(&safetensors(header)), None, "{header}");
        }
        for text in [
            "x^2 + y^2 = z^2, as everybody knows\n",
            "hC is a unit, and X? is none\n",
            "BZh is how bzip2 begins",
            "BZh9 too",
            "ZFNet is a network of 2013, by Zeiler and Fergus",
        ] {
            assert_eq!(packed(text.as_bytes()), None, "{text}");
        }
        assert_eq!(packed(&[0; 512]), None);
    }
}
