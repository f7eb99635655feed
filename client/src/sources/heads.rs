//! What the files of a release say of themselves at their beginnings, looked at before they are hashed.
//!
//! ```text
//! folder ──hash──► OpenFile ─┬► Head… ──► Heads ─┬► tensors      what each is, by the digest of its bytes, and where
//!                            │                   ├► parameters   from the headers of safetensors files
//!                            └► digests          ├► warnings     what a release should not have, and may
//!                                                └► refusals     files that are not what their names say
//! ```
//!
//! Always: what is read here are bytes that the digest is taken over, or there is no digest; a file is never opened a
//! second time. What is kept of a file is bounded, whatever it says of itself (`candor_formats`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use candor_core::Sha256;
use candor_core::weights::{FilePath, Manifest, ManifestFile, Place, Tensor};
use candor_formats::{
    Contents, Format, FormatError, Import, Index, IndexError, Pickles, Risk, Source, SourceError,
    pickles, read,
};

use super::shards;
use crate::hashing::{FileError, Look, OpenFile};

/// How many files are named that are odd and not known to be dangerous; a folder of other programs' files has thousands.
const WARNED_OF_MAX: usize = 50;

/// How much of any file is looked at.
const MAGIC_BYTES: usize = 48;

/// The bytes of all tensors of one file together are at most so many times those of the file: some share their bytes.
const SHARED_MAX: u64 = 4;

/// What stands in a git checkout in place of a file that Git LFS keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// How HDF5 files begin, whose contents are not read.
const HDF5: (&str, &[u8]) = (".h5", b"\x89HDF\r\n\x1a\n");

/// Element types that parameters have. Whole numbers may be packed or no parameters at all.
const FLOATS: [&str; 6] = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"];

/// Element types that hold no parameters: positions, masks.
const NOT_PARAMETERS: [&str; 2] = ["I64", "BOOL"];

/// The beginnings of a folder's files.
pub(super) struct Heads {
    files: BTreeMap<FilePath, (Head, Vec<Sha256>)>,
}

/// A tensor whose data is in another file.
pub(super) struct Elsewhere<'a> {
    /// Which file of the release.
    pub(super) file: &'a ManifestFile,
    /// As the file says that tells of it.
    pub(super) tensor: &'a candor_formats::Tensor,
}

/// The beginning of one file.
#[derive(Default)]
pub(super) struct Head {
    /// The first bytes.
    bytes: Vec<u8>,
    /// What its header says, or what is wrong with it, if its name says that it has one.
    contents: Option<Result<Contents, FormatError>>,
    /// The pickle that it is, or has in it, if it is in no format that its name says.
    hidden: Option<Hidden>,
    /// What it says of the other files, or what is wrong with it, if its name says that it is the index of a model in
    /// shards.
    index: Option<Result<Index, IndexError>>,
}

/// A pickle in a file whose name does not say so.
struct Hidden {
    /// What it is, or may be, for a sentence that begins with the file.
    what: String,
    /// What it imports, if that is known.
    contents: Option<Contents>,
}

impl Heads {
    /// The heads of the files of a folder, each with the digests of the ranges that [`Head::read`] asked for.
    pub(super) fn new(heads: impl IntoIterator<Item = (FilePath, (Head, Vec<Sha256>))>) -> Self {
        let files = heads.into_iter().collect();
        Self { files }
    }

    /// The first file that is not what its name says, and why.
    pub(super) fn refused(&self) -> Option<(&FilePath, &FormatError)> {
        self.files.iter().find_map(|(path, (head, _))| {
            let error = head.contents.as_ref()?.as_ref().err()?;
            (!is_unknown(error)).then_some((path, error))
        })
    }

    /// The first index that is none, or does not fit the files that it is about, and why.
    pub(super) fn refused_index(&self, manifest: &Manifest) -> Option<(&FilePath, String)> {
        self.indexes(manifest)
            .find_map(|(path, checked)| Some((path, checked.err()?)))
    }

    /// The indexes of models in shards, held against the shards: what is wrong or doubtful.
    fn indexes(
        &self,
        manifest: &Manifest,
    ) -> impl Iterator<Item = (&FilePath, Result<Option<String>, String>)> {
        let contents = |path: &FilePath| {
            let (head, _) = self.files.get(path)?;
            head.contents.as_ref()?.as_ref().ok()
        };
        self.files.iter().filter_map(move |(path, (head, _))| {
            let checked = match head.index.as_ref()? {
                Ok(index) => shards::check(path, index, manifest, contents),
                Err(error) => Err(error.to_string()),
            };
            Some((path, checked))
        })
    }

    /// The contents of each file that has a format.
    fn contents(&self) -> impl Iterator<Item = (&FilePath, &Contents, &[Sha256])> {
        self.files.iter().filter_map(|(path, (head, digests))| {
            let contents = head.contents.as_ref()?.as_ref().ok()?;
            Some((path, contents, digests.as_slice()))
        })
    }

    /// The tensors whose data is in another file than the one that tells of them (ONNX's external data). Each must be in a
    /// file of the release: what is wrong with one that is not, by the file that tells of it.
    pub(super) fn elsewhere<'a>(
        &'a self,
        manifest: &'a Manifest,
    ) -> Result<Vec<Elsewhere<'a>>, (&'a FilePath, String)> {
        let (mut found, mut asked) = (Vec::new(), BTreeMap::new());
        for (path, contents, _) in self.contents() {
            for tensor in &contents.tensors {
                let Some(relative) = &tensor.file else {
                    continue;
                };
                let wrong = |rule: String| (path, format!("tensor {:?}: {rule}", tensor.name));
                let other = match path.as_str().rsplit_once('/') {
                    Some((folder, _)) => format!("{folder}/{relative}"),
                    None => relative.clone(),
                };
                let other: FilePath = other.parse().map_err(|error| wrong(format!("{error}")))?;
                let Some(file) = manifest.file(&other) else {
                    return Err(wrong(format!("its data is in {other}, which is not there")));
                };
                if file.size.is_none_or(|size| tensor.range.end > size) {
                    let end = tensor.range.end;
                    return Err(wrong(format!(
                        "its data would end at byte {end} of {other}, behind its end"
                    )));
                }
                let asked: &mut u64 = asked.entry(&file.path).or_default();
                *asked = asked.saturating_add(tensor.range.end - tensor.range.start);
                if *asked > file.size.unwrap_or_default().saturating_mul(SHARED_MAX) {
                    return Err(wrong(format!(
                        "with it, the tensors in {other} have more than {SHARED_MAX} times its bytes"
                    )));
                }
                found.push(Elsewhere { file, tensor });
            }
        }
        Ok(found)
    }

    /// The tensors of all files, each with its place; `elsewhere` has the digests of [`Heads::elsewhere`].
    pub(super) fn tensors(&self, elsewhere: &[(Elsewhere<'_>, Sha256)]) -> Vec<(Tensor, Place)> {
        let mut tensors: Vec<_> = elsewhere
            .iter()
            .map(|(Elsewhere { file, tensor }, sha256)| {
                let place = Place {
                    path: file.path.clone(),
                    offset: tensor.range.start,
                };
                (listed(tensor, *sha256), place)
            })
            .collect();
        for (path, contents, digests) in self.contents() {
            let own = contents
                .tensors
                .iter()
                .filter(|tensor| tensor.file.is_none());
            for (tensor, sha256) in own.zip(digests) {
                let place = Place {
                    path: path.clone(),
                    offset: tensor.range.start,
                };
                tensors.push((listed(tensor, *sha256), place));
            }
        }
        tensors
    }

    /// How many parameters the safetensors files of one folder hold together. `None` at any doubt: a tensor that
    /// is there twice, packed numbers, an adapter that is only a part.
    pub(super) fn parameters(&self, manifest: &Manifest) -> Option<u64> {
        let files: Vec<_> = manifest
            .files()
            .iter()
            .filter(|file| is_safetensors(file.path.as_str()))
            .collect();
        let parent = |file: &ManifestFile| {
            file.path
                .as_str()
                .rsplit_once('/')
                .map(|(parent, _)| parent.to_owned())
        };
        let is_adapter = |file: &ManifestFile| file.path.as_str().ends_with("adapter_config.json");
        let first = parent(files.first()?);
        if files.iter().any(|file| parent(file) != first) || manifest.files().iter().any(is_adapter)
        {
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut total = 0_u64;
        for file in files {
            let (head, _) = self.files.get(&file.path)?;
            for tensor in &head.contents.as_ref()?.as_ref().ok()?.tensors {
                total = total.checked_add(parameters(tensor)?)?;
                if !seen.insert(&tensor.name) {
                    return None;
                }
            }
        }
        (total > 0).then_some(total)
    }

    /// What a release should not have, and may.
    pub(super) fn warnings(&self, manifest: &Manifest) -> Vec<String> {
        let files = manifest.files().iter();
        let of_files = files.filter_map(|file| {
            let (head, _) = self.files.get(&file.path)?;
            let what = head.doubtful(&file.path)?;
            Some((head.is_dangerous(), format!("{}: {what}", file.path)))
        });
        let (dangerous, others): (Vec<_>, Vec<_>) =
            of_files.partition(|(is_dangerous, _)| *is_dangerous);
        let more = others.len().saturating_sub(WARNED_OF_MAX);
        let others = others.into_iter().take(WARNED_OF_MAX);
        let mut warnings: Vec<_> = dangerous.into_iter().chain(others).map(|it| it.1).collect();
        if more > 0 {
            warnings.push(format!(
                "{more} more files are not what such files are as a rule; none of them is known to run programs"
            ));
        }
        let of_indexes = self
            .indexes(manifest)
            .filter_map(|(path, checked)| Some(format!("{path}: {}", checked.ok()??)));
        warnings.extend(of_indexes);
        warnings
    }
}

impl Head {
    /// Whether it is known to run programs, or to get at what does.
    fn is_dangerous(&self) -> bool {
        let hidden = self.hidden.as_ref();
        let contents = match &self.contents {
            Some(contents) => contents.as_ref().ok(),
            None => hidden.and_then(|hidden| hidden.contents.as_ref()),
        };
        let imports = contents.map_or(&[][..], |contents| &contents.imports);
        imports.iter().any(|import| import.risk == Risk::Dangerous)
    }

    /// Looks at the beginning of the file at `path`: at its header too, unless it is to be taken as bytes alone.
    pub(super) fn read(
        path: &FilePath,
        file: &OpenFile,
        is_bytes_alone: bool,
    ) -> Result<Look<Self>, FileError> {
        let mut bytes =
            vec![0; MAGIC_BYTES.min(usize::try_from(file.size()).unwrap_or(MAGIC_BYTES))];
        file.read_at(0, &mut bytes)?;
        let is_read = !is_bytes_alone && !bytes.starts_with(LFS_POINTER);
        let format = Format::of(path.as_str()).filter(|_| is_read);
        let mut head = Self {
            bytes,
            ..Self::default()
        };
        if is_read && Index::is_named(path.as_str()) {
            head.index = Some(match Index::read(file) {
                Err(IndexError::Source(SourceError::Io(error))) => {
                    return Err(file.error_of(error));
                }
                index => index,
            });
        }
        let contents = match format.map(|format| read(format, file)) {
            Some(Err(FormatError::Source(SourceError::Io(error)))) => {
                return Err(file.error_of(error));
            }
            // Files of many programs have the names that PyTorch's have.
            None | Some(Err(FormatError::Magic(Format::Pytorch))) => {
                if is_read {
                    head.hidden = Hidden::read(file).map_err(|error| file.error_of(error))?;
                }
                return Ok(Look {
                    seen: head,
                    ranges: Vec::new(),
                });
            }
            Some(contents) => contents.and_then(|contents| bounded(contents, file.size())),
        };
        let tensors = contents.iter().flat_map(|contents| &contents.tensors);
        let own = tensors.filter(|tensor| tensor.file.is_none());
        let ranges = own.map(|tensor| tensor.range.clone()).collect();
        head.contents = Some(contents);
        Ok(Look { seen: head, ranges })
    }

    /// What is doubtful about it, as a sentence behind its name.
    fn doubtful(&self, path: &FilePath) -> Option<String> {
        if self.bytes.starts_with(LFS_POINTER) {
            let words = "it is a Git LFS pointer, and not the file that it stands for";
            return Some(words.to_owned());
        }
        match &self.contents {
            Some(Ok(contents)) => doubts(contents),
            // What is refused was refused before.
            Some(Err(error)) => Some(format!("its tensors are not listed: {error}")),
            None => {
                let (ending, magic) = HDF5;
                let is_one = path.as_str().to_ascii_lowercase().ends_with(ending);
                let words = "it does not begin as an HDF5 file does";
                let hidden = self.hidden.as_ref().map(Hidden::doubts);
                hidden.or_else(|| {
                    (is_one && !self.bytes.starts_with(magic)).then(|| words.to_owned())
                })
            }
        }
    }
}

impl Hidden {
    /// Looks for a pickle; most files are told to be none by their first bytes.
    fn read(file: &OpenFile) -> io::Result<Option<Self>> {
        let (what, is_one) = match pickles(file)? {
            Pickles::None => return Ok(None),
            Pickles::Found(what) => (what, true),
            Pickles::Unclear(why) => (why, false),
        };
        let contents = match is_one.then(|| read(Format::Pytorch, file)) {
            Some(Err(FormatError::Source(SourceError::Io(error)))) => return Err(error),
            Some(Ok(contents)) => Some(contents),
            // That it is one was found where its files are not listed.
            Some(Err(_)) | None => None,
        };
        Ok(Some(Self { what, contents }))
    }

    fn doubts(&self) -> String {
        let imports = self.contents.as_ref().and_then(doubts_of_imports);
        match imports {
            Some(imports) => format!("{}; {imports}", self.what),
            None => format!("{}, whatever its name says", self.what),
        }
    }
}

/// Whether a file may be quite right, and is newer than what is known here.
fn is_unknown(error: &FormatError) -> bool {
    match error {
        FormatError::UnknownDtype { .. } | FormatError::Version { .. } => true,
        FormatError::Entry { error, .. } => is_unknown(error),
        _ => false,
    }
}

/// Refuses a file whose tensors would take far more hashing than the file itself.
fn bounded(contents: Contents, file_bytes: u64) -> Result<Contents, FormatError> {
    let own = contents
        .tensors
        .iter()
        .filter(|tensor| tensor.file.is_none());
    // The same range costs nothing more.
    let ranges: BTreeSet<_> = own.map(|it| (it.range.start, it.range.end)).collect();
    let bytes = ranges.iter().map(|(start, end)| end - start);
    let all = bytes.fold(0, u64::saturating_add);
    if all > file_bytes.saturating_mul(SHARED_MAX) {
        return Err(FormatError::Header(format!(
            "its tensors have {all} bytes in all, and the file only {file_bytes}"
        )));
    }
    Ok(contents)
}

/// How many imports are named of each sort.
const IMPORTS_NAMED: usize = 3;

/// What is to be said of contents that are as they should be, and yet not all that one could wish for: what pickles run
/// comes first, then what of them nobody knows.
fn doubts(contents: &Contents) -> Option<String> {
    doubts_of_imports(contents).or_else(|| {
        let first = contents.unlisted.first()?;
        let more = match contents.unlisted.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        // What has no name is the file itself.
        let which = match first.name.as_str() {
            "" => String::new(),
            name => format!("{name:?}, which "),
        };
        Some(format!("not listed as tensors: {which}{}{more}", first.why))
    })
}

fn doubts_of_imports(contents: &Contents) -> Option<String> {
    let of = |risk| {
        let of = contents
            .imports
            .iter()
            .filter(move |import| import.risk == risk);
        named(&of.collect::<Vec<_>>())
    };
    let mut doubts = Vec::new();
    if let Some(names) = of(Risk::Dangerous) {
        doubts.push(format!("who loads it runs {names}, which can do anything"));
    }
    if let Some(names) = of(Risk::Unknown) {
        doubts.push(format!("it imports {names}, which weights don't need"));
    }
    if let Some(why) = &contents.not_followed {
        doubts.push(format!("it may run more than could be checked: {why}"));
    }
    (!doubts.is_empty()).then(|| doubts.join("; "))
}

/// The first of some imports, and how many there are. A name that is not a plain one is quoted.
fn named(imports: &[&Import]) -> Option<String> {
    let first = imports.chunks(IMPORTS_NAMED).next()?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '(' | ')');
    let names = first.iter().map(|Import { name, .. }| {
        if name.chars().all(is_plain) {
            name.clone()
        } else {
            format!("{name:?}")
        }
    });
    let names = names.collect::<Vec<_>>().join(", ");
    Some(match imports.len() - first.len() {
        0 => names,
        more => format!("{names} and {more} more"),
    })
}

/// What a release says of a tensor.
fn listed(tensor: &candor_formats::Tensor, sha256: Sha256) -> Tensor {
    Tensor {
        bytes: tensor.range.end - tensor.range.start,
        dtype: tensor.dtype.to_string(),
        name: tensor.name.clone(),
        sha256,
        shape: tensor.shape.clone(),
    }
}

/// How many parameters a tensor holds, if its elements are numbers that say so.
fn parameters(tensor: &candor_formats::Tensor) -> Option<u64> {
    let dtype = tensor.dtype.as_str();
    if NOT_PARAMETERS.contains(&dtype) {
        return Some(0);
    }
    FLOATS.contains(&dtype).then(|| tensor.elements())?
}

impl Source for OpenFile {
    fn bytes(&self) -> u64 {
        self.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_at(offset, buffer).map_err(|error| match error {
            FileError::Io { error, .. } => error,
            error @ (FileError::Changed { .. } | FileError::Threads(_)) => io::Error::other(error),
        })
    }
}

fn is_safetensors(path: &str) -> bool {
    std::path::Path::new(path)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data_bytes: usize) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.resize(file.len() + data_bytes, 0);
        file
    }

    fn look(path: &str, bytes: &[u8], is_bytes_alone: bool) -> Look<Head> {
        let folder = tempfile::tempdir().expect("made");
        let at = folder.path().join(path);
        std::fs::write(&at, bytes).expect("written");
        let path: FilePath = path.parse().expect("a path");
        let file = OpenFile::open(&at, None, bytes.len() as u64).expect("open");
        Head::read(&path, &file, is_bytes_alone).expect("read")
    }

    #[test]
    fn a_pickle_is_seen_whatever_its_name_is() {
        let call = b"\x80\x02cos\nsystem\n(X\x02\0\0\0idtR.";
        for (name, bytes, words) in [
            (
                "model.dill",
                &call[..],
                "it is a pickle; who loads it runs os.system",
            ),
            (
                "pytorch_model",
                call,
                "it is a pickle; who loads it runs os.system",
            ),
            (
                "state.sav",
                b"\x80\x02N.",
                "it is a pickle, whatever its name says",
            ),
            (
                "model.pkl.gz",
                b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab",
                "it is compressed (gzip), which is not looked into",
            ),
            // Taken for no file of PyTorch's.
            (
                "model.bin",
                b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07",
                "the file is compressed (zlib)",
            ),
        ] {
            let head = look(name, bytes, false).seen;
            let path = name.parse().expect("a path");
            let said = head.doubtful(&path).unwrap_or_default();
            assert!(said.contains(words), "{name}: {said}");
            assert_eq!(head.is_dangerous(), said.contains("os.system"), "{name}");
            assert_eq!(look(name, bytes, true).seen.doubtful(&path), None);
        }
        for (name, bytes) in [
            ("README.md", &b"# Tiny\n"[..]),
            ("LICENSE", b"The licence.\n"),
            ("model.bin", &[0x82, 5, b')', 0xff, 0xff]),
        ] {
            let path = name.parse().expect("a path");
            assert_eq!(
                look(name, bytes, false).seen.doubtful(&path),
                None,
                "{name}"
            );
        }
    }

    #[test]
    fn a_header_is_read_if_the_file_has_all_of_it() {
        let header =
            r#"{"__metadata__":{"a":"1"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        let bytes = file(header, 24);
        let found = look("m.safetensors", &bytes, false);
        assert_eq!(found.seen.bytes, bytes[..MAGIC_BYTES]);
        let data = bytes.len() as u64 - 24;
        assert_eq!(found.ranges, vec![data..data + 24]);
        let contents = found.seen.contents.expect("a format").expect("read");
        assert_eq!(parameters(&contents.tensors[0]), Some(6));
        for size in [0, 1, 7, 8, 9, 60, bytes.len() - 1] {
            let found = look("m.safetensors", &bytes[..size], false);
            assert!(matches!(found.seen.contents, Some(Err(_))), "{size}");
            let found = look("m.safetensors", &bytes[..size], true);
            assert!(found.seen.contents.is_none(), "{size}");
        }
    }
}
