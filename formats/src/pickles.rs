//! Whether a file is a pickle or has one in it, whatever it is named.
//!
//! ```text
//! bytes ─┬► operations of a pickle, or of several ───► a pickle
//!        ├► arrays: one of Python's objects ─────────► a pickle; and what is behind them, likewise
//!        ├► a zip archive: each entry, likewise, and those that are named so
//!        ├► compressed, or an archive of another sort ─► unclear
//!        └► anything else ──► none
//! ```
//!
//! Always: nothing is unpickled, and of what is compressed no more is inflated than a beginning. What begins as a
//! pickle is one, also where it does not go on as one: a program that loads it runs it up to there. Most other files are
//! told by their first bytes.
//!
//! Not here: pickles that begin behind a file's first byte, which a program must know of; of those of the protocols 0 and
//! 1 that break off, such as import nothing that is known to be dangerous and call nothing, or break off within their first
//! bytes and import by numbers of extensions alone, which any data may begin with; and other ways to run code, such as what
//! Keras keeps of layers.

use std::collections::BTreeSet;
use std::io;

use crate::FormatError;
use crate::imports::{Risk, beyond_weights};
use crate::numpy::{self, Behind};
use crate::packed::{HEAD_BYTES, packed};
use crate::pickle::{self, Stopped, Value, WRAPPER, Wanted};
use crate::pickled::is_noise;
use crate::source::{Beginning, Part, Source, SourceError};
use crate::zip::{self, Entry, Names};

/// How much of a compressed entry is inflated, in which the header of an array is; and of all entries of an archive.
const INFLATED_BYTES_MAX: u64 = 65 << 10;
const INFLATED_ALL_MAX: u64 = 64 << 20;

/// How many pickles that say no protocol and import nothing may be one behind the other, in what is none of these.
const PICKLES_MAX: usize = 64;

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

impl Pickles {
    fn found(what: &str) -> Self {
        Self::Found(what.to_owned())
    }

    fn unclear(why: &str) -> Self {
        Self::Unclear(why.to_owned())
    }
}

/// Looks whether a file is a pickle, or has one in it.
pub fn pickles(source: &dyn Source) -> io::Result<Pickles> {
    let head = head(source)?;
    if begins_as_zip(&head) {
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

fn begins_as_zip(head: &[u8]) -> bool {
    head.starts_with(&zip::ENTRY_MAGIC) || head.starts_with(&zip::END_MAGIC)
}

/// Looks at a file that is no zip archive.
fn alone(source: &dyn Source, head: &[u8]) -> io::Result<Pickles> {
    if head.starts_with(&numpy::MAGIC) {
        return behind_arrays(source);
    }
    // What breaks off within its first bytes does so whatever is behind them.
    let first = as_pickle(&Beginning::new(head, source.bytes()));
    match first.or_else(|_| as_pickle(source))? {
        Pickles::None => {}
        found => return Ok(found),
    }
    let packed = packed(head).map(|how| format!("it is {how}, which is not looked into"));
    Ok(packed.map_or(Pickles::None, Pickles::Unclear))
}

/// Looks at a file that begins with arrays: for objects in them, and at what is behind them, which a program may go on to
/// load.
fn behind_arrays(source: &dyn Source) -> io::Result<Pickles> {
    match numpy::behind(source) {
        Ok(Behind::Nothing) => Ok(Pickles::None),
        Ok(Behind::Objects) => Ok(Pickles::found(
            "it is an array of Python objects, which are a pickle",
        )),
        Ok(Behind::Unknown(why)) => Ok(Pickles::Unclear(format!("it is an array, and {why}"))),
        Ok(Behind::Other(at)) => {
            let rest = Part::new(source, at..source.bytes());
            let head = head(&rest)?;
            let found = if begins_as_zip(&head) {
                Pickles::unclear("it is a zip archive, which is not looked into")
            } else {
                alone(&rest, &head)?
            };
            Ok(of_part(
                found,
                &format!("behind its arrays, from byte {at} on"),
            ))
        }
        Err(error) => unclear("it begins as a NumPy file does", error),
    }
}

/// What was found of a part of a file, of which that is said.
fn of_part(found: Pickles, part: &str) -> Pickles {
    match found {
        Pickles::None => Pickles::None,
        Pickles::Found(what) => Pickles::Found(format!("{part}: {what}")),
        Pickles::Unclear(why) => Pickles::Unclear(format!("{part}: {why}")),
    }
}

/// What can be said of a pickle.
enum One {
    Is,
    Unclear(String),
    /// It may be one that ends at this byte, as other data may, and imports nothing.
    Ends(u64),
    IsNot,
}

/// Whether it can be followed as one or several pickles: to its end, or a step beyond the beginning that only pickles
/// have.
fn as_pickle(source: &dyn Source) -> io::Result<Pickles> {
    let found = || Ok(Pickles::found("it is a pickle"));
    let mut at = 0;
    for _ in 0..PICKLES_MAX {
        match one(source, at)? {
            One::Is => return found(),
            One::Unclear(why) => {
                return Ok(Pickles::Unclear(format!(
                    "it begins as a pickle may: {why}"
                )));
            }
            // Of those that import nothing, the last one must end with the file: many a byte is an operation.
            One::Ends(end) if end == source.bytes() => return found(),
            One::Ends(end) => at = end,
            One::IsNot => return Ok(Pickles::None),
        }
    }
    found()
}

/// Follows the pickle that may begin at byte `at`.
fn one(source: &dyn Source, at: u64) -> io::Result<One> {
    let mut protocol = [0; 2];
    if source.bytes() - at >= PROTOCOL_BYTES {
        source.read_at(at, &mut protocol)?;
    }
    let has_protocol = matches!(protocol, [PROTOCOL, ..=PROTOCOL_MAX]);
    let mut imports = BTreeSet::new();
    let walked = pickle::walk(source, at, Wanted::Imports, &mut imports);
    let mut beyond = beyond_weights(&imports).into_iter();
    let is_known = beyond.any(|import| import.risk == Risk::Dangerous) || imports.contains(WRAPPER);
    Ok(match walked {
        Ok(pickle) if has_protocol || !imports.is_empty() || pickle.root == Value::TorchMagic => {
            One::Is
        }
        Ok(pickle) => One::Ends(pickle.end),
        // The first numbers of a safetensors file may be those of a pickle, and what follows never is. Lines of text may
        // be imports, and hardly those that run programs, or are called.
        Err(Stopped::Broken { at: end, .. } | Stopped::Protocol { at: end, .. })
            if has_protocol && end > at + PROTOCOL_BYTES || is_known =>
        {
            One::Is
        }
        Err(Stopped::Broken {
            at: end,
            rule,
            has_called: true,
        }) if !is_noise(&imports, end - at) => One::Unclear(format!(
            "it calls what it imports, and breaks off at byte {end}: {rule}"
        )),
        Err(stopped @ Stopped::Protocol { .. }) if !is_noise(&imports, u64::MAX) => {
            One::Unclear(stopped.to_string())
        }
        Err(Stopped::Broken { .. } | Stopped::Protocol { .. }) => One::IsNot,
        Err(Stopped::Beyond { .. }) if has_protocol || !imports.is_empty() => One::Is,
        Err(stopped @ Stopped::Beyond { .. }) => One::Unclear(stopped.to_string()),
        Err(Stopped::Io(error)) => return Err(error),
    })
}

fn in_archive(source: &dyn Source) -> io::Result<Pickles> {
    let entries = match zip::entries(source, Names::Arrays) {
        Ok(entries) => entries,
        Err(error) => return unclear("it begins as a zip archive does", error),
    };
    let mut all = Pickles::None;
    let mut inflated = 0;
    for entry in &entries {
        let found = in_entry(source, entry, &mut inflated)?;
        let part = format!("it is a zip archive, and of its entry {:?}", entry.name);
        match of_part(found, &part) {
            found @ Pickles::Found(_) => return Ok(found),
            unclear @ Pickles::Unclear(_) if all == Pickles::None => all = unclear,
            Pickles::Unclear(_) | Pickles::None => {}
        }
    }
    Ok(all)
}

/// Looks at an entry; `inflated` is how many bytes were inflated of those before.
fn in_entry(source: &dyn Source, entry: &Entry, inflated: &mut u64) -> io::Result<Pickles> {
    let ending = entry.name.rsplit_once('.').map(|(_, ending)| ending);
    if ending.is_some_and(|it| it.eq_ignore_ascii_case("pkl")) {
        return Ok(Pickles::found("it is a pickle by its name"));
    }
    if !entry.is_deflated {
        let part = Part::new(source, entry.range.clone());
        let head = head(&part)?;
        return in_opened(&part, &head);
    }
    // Of most a few bytes tell that they are nothing.
    for max in [HEAD_BYTES, INFLATED_BYTES_MAX] {
        let start = match zip::start(source, entry, max) {
            Ok(start) => start,
            Err(error) => return unclear("it is compressed", error),
        };
        let bytes = start.bytes.as_slice();
        let head = &bytes[..bytes.len().min(usize::try_from(HEAD_BYTES).expect("small"))];
        if start.is_all {
            return in_opened(&bytes, head);
        }
        // It is as long as it says for all that read it, and what is behind its beginning was not inflated.
        if entry.bytes < bytes.len() as u64 {
            break;
        }
        if let Ok(found) = in_opened(&Beginning::new(bytes, entry.bytes), head) {
            return Ok(found);
        }
        *inflated += INFLATED_BYTES_MAX;
        if *inflated > INFLATED_ALL_MAX {
            return Ok(Pickles::unclear(
                "it is compressed, with the others before it to more than is inflated here",
            ));
        }
    }
    Ok(Pickles::unclear(
        "it is compressed, and may go on as a pickle behind what is inflated of it",
    ))
}

/// Looks at what is in an entry.
fn in_opened(source: &dyn Source, head: &[u8]) -> io::Result<Pickles> {
    if begins_as_zip(head) {
        return Ok(Pickles::unclear(
            "it is a zip archive itself, which is not looked into",
        ));
    }
    alone(source, head)
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

#[cfg(test)]
mod tests;
