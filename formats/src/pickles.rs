//! Whether a file is a pickle or has one in it, whatever it is named.
//!
//! ```text
//! bytes ─┬► operations of a pickle, one behind the other ──► a pickle
//!        ├► an array of Python's objects ──────────────────► a pickle
//!        ├► a zip archive: each entry, likewise, and those that are named so
//!        ├► compressed, or an archive of another sort ─────► unclear
//!        └► anything else ──► none
//! ```
//!
//! Always: nothing is unpickled, and of what is compressed no more is inflated than a beginning. What begins as a
//! pickle is one, also where it does not go on as one: a program that loads it runs it up to there.
//!
//! Not here: pickles that begin behind a file's first byte, which a program must know of; damaged ones of the
//! protocols 0 and 1 that import nothing dangerous, whose beginning any text may have; and other ways to run code, such
//! as what Keras keeps of layers.

use std::collections::BTreeSet;
use std::io;

use crate::FormatError;
use crate::imports::{Risk, beyond_weights};
use crate::numpy::{self, Elements};
use crate::pickle::{self, Stopped, Wanted};
use crate::source::{Part, Source, SourceError};
use crate::zip::{self, Entry, Names};

/// How much of a file is looked at for what it is; a tar archive says so after 257 bytes.
const HEAD_BYTES: u64 = 512;

/// How much of a compressed entry is inflated, in which the header of an array is.
const INFLATED_BYTES_MAX: u64 = 65 << 10;

/// How pickles of protocol 2 on begin.
const PROTOCOL: u8 = 0x80;
const PROTOCOL_MAX: u8 = 5;

/// The bytes of that beginning.
const PROTOCOL_BYTES: u64 = 2;

/// Whether there is a pickle in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pickles {
    /// There is none.
    None,
    /// There is one: a sentence that begins with the file.
    Found(String),
    /// There may be one where this does not look: a sentence that begins with the file.
    Unclear(String),
}

/// Looks whether a file is a pickle, or has one in it.
pub fn pickles(source: &dyn Source) -> io::Result<Pickles> {
    let head = head(source)?;
    if head.starts_with(&zip::ENTRY_MAGIC) || head.starts_with(&zip::END_MAGIC) {
        return in_archive(source);
    }
    alone(source, &head)
}

fn head(source: &dyn Source) -> io::Result<Vec<u8>> {
    let length = source.bytes().min(HEAD_BYTES);
    let mut head = vec![0; usize::try_from(length).expect("a few hundred bytes")];
    source.read_at(0, &mut head)?;
    Ok(head)
}

/// Looks at a file that is no zip archive.
fn alone(source: &dyn Source, head: &[u8]) -> io::Result<Pickles> {
    if head.starts_with(&numpy::MAGIC) {
        return match numpy::head(source) {
            Ok(array) if matches!(array.elements, Elements::Objects) => Ok(Pickles::Found(
                "it is an array of Python objects, which are a pickle".to_owned(),
            )),
            Ok(_) => Ok(Pickles::None),
            Err(error) => unclear("it begins as a NumPy file does", error),
        };
    }
    match as_pickle(source, head)? {
        Pickles::None => {}
        found => return Ok(found),
    }
    let packed = packed(head).map(|how| format!("it is {how}, which is not looked into"));
    Ok(packed.map_or(Pickles::None, Pickles::Unclear))
}

/// Whether it can be followed as a pickle: to its end, or a step beyond the beginning that only pickles have.
fn as_pickle(source: &dyn Source, head: &[u8]) -> io::Result<Pickles> {
    let has_protocol = matches!(head, [PROTOCOL, ..=PROTOCOL_MAX, ..]);
    let mut imports = BTreeSet::new();
    let is_one = match pickle::walk(source, 0, Wanted::Imports, &mut imports) {
        // Of those without it, one that imports nothing must be all of the file: many a byte is an operation.
        Ok(pickle) => has_protocol || !imports.is_empty() || pickle.end == source.bytes(),
        // The first numbers of a safetensors file may be those of a pickle, and what follows never is. Lines of text may
        // be imports, and hardly those that run programs.
        Err(Stopped::Broken { at, .. } | Stopped::Protocol { at, .. }) => {
            let mut beyond = beyond_weights(&imports).into_iter();
            let runs = beyond.any(|import| import.risk == Risk::Dangerous);
            has_protocol && at > PROTOCOL_BYTES || runs
        }
        Err(Stopped::Beyond { .. }) if has_protocol || !imports.is_empty() => true,
        Err(stopped @ Stopped::Beyond { .. }) => {
            return Ok(Pickles::Unclear(format!(
                "it begins as a pickle may: {stopped}"
            )));
        }
        Err(Stopped::Io(error)) => return Err(error),
    };
    Ok(if is_one {
        Pickles::Found("it is a pickle".to_owned())
    } else {
        Pickles::None
    })
}

fn in_archive(source: &dyn Source) -> io::Result<Pickles> {
    let entries = match zip::entries(source, Names::Arrays) {
        Ok(entries) => entries,
        Err(error) => return unclear("it begins as a zip archive does", error),
    };
    let mut all = Pickles::None;
    for entry in &entries {
        match in_entry(source, entry)? {
            Pickles::Found(what) => {
                return Ok(Pickles::Found(format!(
                    "it is a zip archive, and of its entry {:?}: {what}",
                    entry.name
                )));
            }
            Pickles::Unclear(why) if all == Pickles::None => {
                all = Pickles::Unclear(format!(
                    "it is a zip archive, and of its entry {:?}: {why}",
                    entry.name
                ));
            }
            Pickles::Unclear(_) | Pickles::None => {}
        }
    }
    Ok(all)
}

fn in_entry(source: &dyn Source, entry: &Entry) -> io::Result<Pickles> {
    let ending = entry.name.rsplit_once('.').map(|(_, ending)| ending);
    if ending.is_some_and(|it| it.eq_ignore_ascii_case("pkl")) {
        return Ok(Pickles::Found("it is a pickle by its name".to_owned()));
    }
    let look = |source: &dyn Source| {
        let head = head(source)?;
        if head.starts_with(&zip::ENTRY_MAGIC) {
            let why = "it is a zip archive itself, which is not looked into";
            return Ok(Pickles::Unclear(why.to_owned()));
        }
        alone(source, &head)
    };
    if !entry.is_deflated {
        return look(&Part::new(source, entry.range.clone()));
    }
    match zip::head(source, entry, INFLATED_BYTES_MAX) {
        Ok(bytes) => look(&bytes.as_slice()),
        Err(error) => unclear("it is compressed", error),
    }
}

/// What can't be read may be there all the same, for a program that reads it otherwise.
fn unclear(what: &str, error: FormatError) -> io::Result<Pickles> {
    match error {
        FormatError::Source(SourceError::Io(error)) => Err(error),
        error => Ok(Pickles::Unclear(format!(
            "{what}, and can't be read as one: {error}"
        ))),
    }
}

/// How a file is packed that begins like this. The first 8 bytes of a safetensors file are a number that is small, and
/// the ninth is a brace: where they could be those of a packed file, that is what they are.
fn packed(head: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| head.starts_with(magic);
    let is_safetensors = head.get(4..9) == Some(b"\0\0\0\0{");
    if begins(b"\x1f\x8b") && !is_safetensors {
        Some("compressed (gzip)")
    } else if begins(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        Some("compressed (bzip2)")
    } else if begins(b"\xfd7zXZ\0") || begins(b"\x5d\0\0") && !is_safetensors {
        Some("compressed (xz)")
    } else if begins(b"\x28\xb5\x2f\xfd") {
        Some("compressed (zstd)")
    } else if begins(b"\x04\x22\x4d\x18") {
        Some("compressed (LZ4)")
    } else if is_zlib(head) && !is_safetensors {
        Some("compressed (zlib)")
    } else if begins(b"7z\xbc\xaf\x27\x1c") || begins(b"Rar!\x1a\x07") {
        Some("an archive")
    } else if head.get(257..262) == Some(b"ustar") {
        Some("an archive (tar)")
    } else {
        None
    }
}

/// RFC 1950, with the window that everybody uses. Text may begin so, and compressed data is no text.
fn is_zlib(head: &[u8]) -> bool {
    let is_text = |head: &[u8]| match str::from_utf8(head) {
        Ok(_) => true,
        // Cut within a character.
        Err(error) => error.error_len().is_none(),
    };
    matches!(head, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]) && !is_text(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zip::tests::{archive, deflated, item};

    fn found(bytes: &[u8]) -> Pickles {
        pickles(&bytes).expect("bytes in memory can be read")
    }

    /// An array with this type.
    fn npy(descr: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}");
        let header = format!("{header:117}\n");
        [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), data].concat()
    }

    /// A safetensors file without tensors whose header has so many bytes.
    fn safetensors(header: usize) -> Vec<u8> {
        let text = format!("{{{}}}", " ".repeat(header - 2));
        [&(header as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    /// `os.system("id")`, in protocol 0.
    const CALL: &[u8] = b"cos\nsystem\n(S'id'\ntR.";

    #[test]
    fn a_pickle_is_found_whatever_is_around_it() {
        let objects = npy("'|O'", b"N.");
        for (what, bytes) in [
            ("protocol 0", CALL.to_vec()),
            ("with data behind it", [CALL, &[0; 100]].concat()),
            ("without imports", b"(lp0\nI1\na.".to_vec()),
            ("protocol 4", b"\x80\x04\x95\x02\0\0\0\0\0\0\0N.".to_vec()),
            (
                "of the first protocols, damaged behind its call",
                b"cos\nsystem\n(S'id'\ntR\xff".to_vec(),
            ),
            (
                "that goes on in a protocol to come",
                b"cos\nsystem\n(S'id'\ntR\x80\x06.".to_vec(),
            ),
            ("cut", b"\x80\x04\x95\x02\0\0\0\0\0\0\0".to_vec()),
            (
                "damaged behind its call",
                b"\x80\x02cos\nsystem\n(X\x02\0\0\0idtR\xff".to_vec(),
            ),
            ("an array of objects", objects.clone()),
            (
                "in an archive, by its name",
                archive(&[item("a/data.pkl", b"")]),
            ),
            (
                "in an archive",
                archive(&[item("a/readme", b"text"), item("b", CALL)]),
            ),
            ("compressed in an archive", archive(&[deflated("b", CALL)])),
            (
                "objects in an archive",
                archive(&[deflated("b.npy", &objects)]),
            ),
        ] {
            assert!(matches!(found(&bytes), Pickles::Found(_)), "{what}");
        }
    }

    #[test]
    fn what_is_no_pickle_is_not_taken_for_one() {
        for (what, bytes) in [
            ("nothing", Vec::new()),
            ("text", b"cat\ndog\nfish\n".to_vec()),
            ("a card", b"---\nlicense: mit\n---\n# Tiny\n".to_vec()),
            ("JSON", b"{\"model_type\":\"tiny\"}\n".to_vec()),
            ("an array", npy("'<f4'", &[0; 4])),
            (
                "an archive",
                archive(&[item("a.npy", &npy("'<f4'", &[0; 4])), item("b", b"text")]),
            ),
            ("an empty archive", archive(&[])),
            ("GGUF", [&b"GGUF\x03\0\0\0"[..], &[0; 16]].concat()),
            (
                "text that begins as zlib",
                b"x^2 + y^2 = z^2, as everybody knows\n".to_vec(),
            ),
        ] {
            assert_eq!(found(&bytes), Pickles::None, "{what}");
        }
        // Each of these begins as a pickle of a protocol, or as something compressed.
        for header in [
            640, 896, 1_152, 1_408, 376, 24_184, 40_056, 55_928, 35_615, 559_903, 93,
        ] {
            assert_eq!(found(&safetensors(header)), Pickles::None, "{header}");
        }
    }

    #[test]
    fn what_is_not_looked_into_is_said() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let frames = [&b"\x95\x0a\0\0\0\0\0\0\0\x95\x14\0\0\0\0\0\0\0"[..], CALL].concat();
        let nested = archive(&[item("inner.zip", &archive(&[item("data.pkl", CALL)]))]);
        let cut = archive(&[item("data.pkl", CALL)]);
        for (bytes, words) in [
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab".to_vec(), "gzip"),
            (b"BZh91AY&SY\0\0".to_vec(), "bzip2"),
            (b"\xfd7zXZ\0\0\x04".to_vec(), "xz"),
            (b"\x28\xb5\x2f\xfd\x04".to_vec(), "zstd"),
            (b"\x04\x22\x4d\x18\x64".to_vec(), "LZ4"),
            (b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07".to_vec(), "zlib"),
            (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), "an archive"),
            (tar, "tar"),
            (frames, "it begins as a pickle may"),
            (nested, "\"inner.zip\": it is a zip archive itself"),
            (
                cut[..cut.len() - 1].to_vec(),
                "begins as a zip archive does",
            ),
            (b"\x93NUMPY\x09\0".to_vec(), "begins as a NumPy file does"),
        ] {
            match found(&bytes) {
                Pickles::Unclear(why) => assert!(why.contains(words), "{words:?}: {why}"),
                other => panic!("{words}: {other:?}"),
            }
        }
    }
}
