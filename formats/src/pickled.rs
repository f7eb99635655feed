//! Files that are pickles, one behind the other, and maybe data behind them: what they import, and no tensors.
//!
//! ```text
//! pickle │ pickle… │ data?           what programs write with pickle.dump
//! pickle: a number │ 4 pickles │ data   PyTorch before 1.6
//! pickle with data in it             joblib
//! ```
//!
//! Always: of such a file, the imports are said as far as it could be followed, and where that is, if it isn't to its end.
//! That it is something else is said only where Python would stop, too, before it had imported anything.

use std::collections::BTreeSet;

use crate::imports::{Beside, COMPUTED, EXTENSION, beyond};
use crate::packed::{HEAD_BYTES, packed};
use crate::pickle::{self, Pickle, Stopped, Value, WRAPPER, Wanted};
use crate::source::{Source, SourceError, read as read_bytes};
use crate::tensor::{Contents, Unlisted};
use crate::{Format, FormatError, tar};

/// How pickles of protocol 2 on begin; those before begin with any operation.
const PROTOCOL: u8 = 0x80;
const PROTOCOL_MAX: u8 = 5;

/// How many pickles a file from before version 1.6 has before its data: a number, a version, the sizes of types, the
/// object, the keys.
const LEGACY_PICKLES: usize = 5;

/// How many pickles of other files are followed.
const PICKLES_MAX: usize = 10_000;

/// The most different things that are imported by all pickles of a file together.
const IMPORTS_MAX: usize = 10_000;

/// Within how many bytes data that is no pickle breaks off, which may begin with numbers of extensions.
const NOISE_BYTES: u64 = 16;

/// What was found in the pickles of a file.
#[derive(Default)]
pub(crate) struct Pickles {
    imports: BTreeSet<String>,
    /// If data of arrays is between their operations.
    is_with_arrays: bool,
    not_followed: Option<String>,
}

impl Pickles {
    /// Follows a pickle that the rest of a source is. None if that can't be done, which is noted.
    pub(crate) fn walk_to_end(
        &mut self,
        source: &dyn Source,
        at: u64,
        wanted: Wanted,
    ) -> Result<Option<Pickle>, FormatError> {
        let mut found = BTreeSet::new();
        let walked = pickle::walk_to_end(source, at, wanted, &mut found);
        self.add(found);
        self.take(walked)
    }

    /// Follows a pickle. None if that can't be done, which is noted.
    pub(crate) fn walk(
        &mut self,
        source: &dyn Source,
        at: u64,
        wanted: Wanted,
    ) -> Result<Option<Pickle>, FormatError> {
        let mut found = BTreeSet::new();
        let walked = pickle::walk(source, at, wanted, &mut found);
        self.add(found);
        self.take(walked)
    }

    /// Notes why there may be more imports than are known.
    pub(crate) fn not_followed(&mut self, why: String) {
        self.not_followed.get_or_insert(why);
    }

    /// Says of a file what was found in it.
    pub(crate) fn put_into(self, contents: &mut Contents) {
        let beside = if self.is_with_arrays {
            Beside::Arrays
        } else {
            Beside::Weights
        };
        contents.imports = beyond(&self.imports, beside);
        contents.not_followed = self.not_followed;
    }

    fn add(&mut self, mut imports: BTreeSet<String>) {
        if self.imports.len() + imports.len() > IMPORTS_MAX {
            self.not_followed(format!("its pickles have more than {IMPORTS_MAX} imports"));
            return;
        }
        self.imports.append(&mut imports);
    }

    fn take(&mut self, walked: Result<Pickle, Stopped>) -> Result<Option<Pickle>, FormatError> {
        match walked {
            Ok(pickle) => Ok(Some(pickle)),
            Err(Stopped::Io(error)) => Err(SourceError::Io(error).into()),
            Err(stopped) => {
                self.not_followed(stopped.to_string());
                Ok(None)
            }
        }
    }
}

/// Reads a file that is no zip archive.
pub(crate) fn read(source: &dyn Source) -> Result<Contents, FormatError> {
    let head_bytes = source.bytes().min(HEAD_BYTES);
    let head = read_bytes(source, 0, head_bytes, "the first bytes")?;
    let mut found = BTreeSet::new();
    let first = pickle::walk(source, 0, Wanted::Imports, &mut found);
    if found.contains(WRAPPER) {
        return with_arrays(source, found, first);
    }
    let has_protocol = matches!(head[..], [PROTOCOL, ..=PROTOCOL_MAX, ..]);
    let end = match &first {
        Err(Stopped::Broken { at, .. }) => *at,
        _ => u64::MAX,
    };
    let is_said = has_protocol || !is_noise(&found, end);
    let mut all = Pickles::default();
    if tar::is_one(source)? {
        // Some may read it as a pickle, too, if its first file is called so.
        if is_said {
            all.add(found);
        }
        return tar::read(source, all);
    }
    match &first {
        Err(Stopped::Protocol { at: 0, protocol }) => {
            return Err(FormatError::Version {
                of: "pickles",
                found: protocol.to_string(),
                known: "0 to 5",
            });
        }
        // Any file could begin with an operation of a pickle, and some with several.
        Err(Stopped::Broken { .. }) if !is_said => {
            let Some(how) = packed(&head) else {
                return Err(FormatError::Magic(Format::Pytorch));
            };
            let why =
                format!("the file is {how}, and what a pickle in it would import is not checked");
            return contents(all, why);
        }
        _ => all.add(found),
    }
    let Some(first) = all.take(first)? else {
        let why = "the file is no archive but a pickle that can't be followed, whose tensors are not listed";
        return contents(all, why.to_owned());
    };
    let is_legacy = first.root == Value::TorchMagic;
    let (count, at) = further(source, first.end, is_legacy, &mut all)?;
    let is_whole = at == source.bytes();
    if !has_protocol && !is_whole && all.imports.is_empty() && all.not_followed.is_none() {
        return Err(FormatError::Magic(Format::Pytorch));
    }
    let what = match count {
        1 => "a pickle".to_owned(),
        count => format!("{count} pickles"),
    };
    contents(
        all,
        if is_legacy {
            "the file is in the form from before PyTorch 1.6, whose tensors are not listed"
                .to_owned()
        } else if is_whole {
            format!("the file is no archive but {what}, whose tensors are not listed")
        } else {
            format!(
                "the file is no archive but {what}, whose tensors are not listed, and unknown data from byte {at} on"
            )
        },
    )
}

/// Follows the pickles behind the first one, which ends at byte `at`; returns how many there are in all, and where the last
/// one ends.
fn further(
    source: &dyn Source,
    mut at: u64,
    is_legacy: bool,
    all: &mut Pickles,
) -> Result<(usize, u64), FormatError> {
    let mut count = 1;
    let max = if is_legacy {
        LEGACY_PICKLES
    } else {
        PICKLES_MAX
    };
    // One that is cut before its data is not in this form.
    while count < max && (is_legacy || at < source.bytes()) {
        let next = read_bytes(source, at, 2.min(source.bytes() - at), "a pickle")?;
        let mut found = BTreeSet::new();
        let walked = pickle::walk(source, at, Wanted::Imports, &mut found);
        let is_said = is_legacy || matches!(next[..], [PROTOCOL, ..=PROTOCOL_MAX]);
        match walked {
            // Programs put other data behind pickles, too, and what that seems to import is mostly no name.
            Err(Stopped::Broken { .. })
                if !is_said && !found.iter().any(|name| is_like_name(name)) =>
            {
                break;
            }
            Err(Stopped::Protocol { .. }) if found.is_empty() => break,
            walked => {
                all.add(found);
                match all.take(walked)? {
                    Some(pickle) => at = pickle.end,
                    None => break,
                }
            }
        }
        count += 1;
        if count == PICKLES_MAX && at < source.bytes() {
            all.not_followed(format!("it has more than {PICKLES_MAX} pickles"));
        }
    }
    Ok((count, at))
}

/// A pickle of joblib's, which is to be followed in both ways: as joblib does, and as Python does, which takes the data of
/// arrays for operations.
fn with_arrays(
    source: &dyn Source,
    plain: BTreeSet<String>,
    first: Result<Pickle, Stopped>,
) -> Result<Contents, FormatError> {
    let mut all = Pickles {
        is_with_arrays: true,
        ..Pickles::default()
    };
    all.add(plain);
    if let Err(stopped @ (Stopped::Io(_) | Stopped::Beyond { .. })) = first {
        all.take(Err(stopped))?;
    }
    let walked = all.walk(source, 0, Wanted::ImportsBetweenArrays)?;
    if let Some(pickle) = walked
        && pickle.end < source.bytes()
    {
        all.not_followed(format!(
            "behind byte {}, where its pickle ends, there is unknown data",
            pickle.end
        ));
    }
    contents(
        all,
        "the file is a pickle of joblib's, whose arrays are not listed".to_owned(),
    )
}

/// What there is to say of a file that has no tensors that are listed.
pub(crate) fn contents(pickles: Pickles, why: String) -> Result<Contents, FormatError> {
    let mut contents = Contents::sharing(Format::Pytorch, Vec::new())?;
    let name = String::new();
    contents.unlisted.push(Unlisted { name, why });
    pickles.put_into(&mut contents);
    Ok(contents)
}

/// If of a pickle that breaks off at byte `end` nothing is to be thought: no module has such names as it imports, or all
/// are numbers of extensions, and it is shorter than a pickle could be that does something.
pub(crate) fn is_noise(imports: &BTreeSet<String>, end: u64) -> bool {
    let is_extension = |name: &String| name.starts_with(EXTENSION);
    let mut names = imports.iter().filter(|name| is_like_name(name));
    !names.any(|name| end > NOISE_BYTES || !is_extension(name))
}

/// If this could be imported, and isn't only what stands somewhere in other data, as in lines of text.
fn is_like_name(import: &str) -> bool {
    // Names behind points lead on in a module, whose name ends at some point.
    let module = import.split('.').next().unwrap_or_default();
    let is_part = |c: char| !c.is_whitespace() && !c.is_control();
    import.contains(COMPUTED) || !module.is_empty() && module.chars().all(is_part)
}

/// The first pickle of files from before version 1.6, as mostly written.
#[cfg(test)]
pub(crate) const MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

#[cfg(test)]
pub(crate) mod tests;
