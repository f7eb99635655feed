//! How two releases differ: in which files, and in which tensors, wherever these are.
//!
//! ```text
//! manifest, tensors ─┐
//!                    ├─► Difference ─┬─► files     same, changed, moved, only in one
//! manifest, tensors ─┘               ├─► tensors   same, of another type or shape, with other data, renamed, only in one
//!                                    └─► in what   sharding, types, tensors, config, tokenizer, …
//! ```
//!
//! Always: what differs is by digests, and what a file is for by its name: that is a help to read it, and proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{FilePath, Manifest, ManifestFile, Tensor, TensorList};
use crate::record::Algorithm;

/// One of two releases.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its files.
    pub manifest: &'a Manifest,
    /// Its tensors, where they are known.
    pub tensors: Option<&'a TensorList>,
}

/// How two releases differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In their files.
    pub files: FileDifference,
    /// In their tensors, if those of both are known.
    pub tensors: Option<TensorDifference>,
    /// In what, in few words; in nothing, if they are the same.
    pub aspects: BTreeSet<Aspect>,
}

/// How the files of two releases differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileDifference {
    /// How many have the same path and a strong digest in common.
    pub same: usize,
    /// Those with the same path and another size or digest.
    pub changed: Vec<FilePath>,
    /// Those with the same path and no strong digest in common: there is no telling.
    pub not_compared: Vec<FilePath>,
    /// Those with the same SHA-256 and another path, in the first and in the second.
    pub moved: Vec<(FilePath, FilePath)>,
    /// Those that only the first has.
    pub removed: Vec<FilePath>,
    /// Those that only the second has.
    pub added: Vec<FilePath>,
}

/// How the tensors of two releases differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorDifference {
    /// How many are the same, in whatever files.
    pub same: usize,
    /// Those with the same name and elements of another type, as they are in the first and in the second.
    pub retyped: Vec<(Tensor, Tensor)>,
    /// Those with the same name and type and another shape.
    pub reshaped: Vec<(Tensor, Tensor)>,
    /// Those with the same name, type and shape, and other data.
    pub altered: Vec<(Tensor, Tensor)>,
    /// Those that have another name in the second.
    pub renamed: Vec<(Tensor, Tensor)>,
    /// Those that only the first has.
    pub removed: Vec<Tensor>,
    /// Those that only the second has.
    pub added: Vec<Tensor>,
    /// In how many files the first and the second have theirs.
    pub files: (usize, usize),
    /// Whether a name stands for several tensors, or a tensor has none: the file says then which it is, so that the same
    /// tensors in other files may be another model.
    pub is_ambiguous: bool,
}

/// In what two releases differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// The same tensors in other files.
    Sharding,
    /// The same tensors in files of the same names, and something else in these: what their headers say beside the tensors.
    Headers,
    /// Tensors of the same names and shapes, with elements of other types.
    Types,
    /// Tensors.
    Tensors,
    /// Files with weights, of which it is not known which tensors they hold.
    Weights,
    /// How the model is to be built or run.
    Config,
    /// The tokenizer.
    Tokenizer,
    /// The card, the licence: what is to be read.
    Documents,
    /// Other files.
    Others,
}

impl Aspect {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sharding => "sharding",
            Self::Headers => "headers of weight files",
            Self::Types => "element types",
            Self::Tensors => "tensors",
            Self::Weights => "weight files",
            Self::Config => "config",
            Self::Tokenizer => "tokenizer",
            Self::Documents => "documents",
            Self::Others => "other files",
        }
    }
}

impl Difference {
    /// Compares two releases.
    pub fn new(first: Side<'_>, second: Side<'_>) -> Self {
        let files = FileDifference::new(first.manifest, second.manifest);
        let tensors = first
            .tensors
            .zip(second.tensors)
            .map(|(first, second)| TensorDifference::new(first, second));
        let mut difference = Self {
            files,
            tensors,
            aspects: BTreeSet::new(),
        };
        difference.aspects = difference.aspects(first, second);
        difference
    }

    fn aspects(&self, first: Side<'_>, second: Side<'_>) -> BTreeSet<Aspect> {
        let mut aspects = BTreeSet::new();
        let places = [first, second].map(|side| side.tensors.map(files_of).unwrap_or_default());
        // A file is explained by the tensors in it only if each side that has it says which.
        let is_listed = |path: &FilePath| {
            let sides = [first, second].into_iter().zip(&places);
            let mut has_it = sides.filter(|(side, _)| side.manifest.file(path).is_some());
            has_it.all(|(_, places)| places.contains(path))
        };
        let FileDifference {
            changed,
            moved,
            removed,
            added,
            ..
        } = &self.files;
        let moved = moved.iter().flat_map(|(from, to)| [from, to]);
        let others = changed.iter().chain(removed).chain(added).chain(moved);
        for path in others {
            aspects.insert(match &self.tensors {
                Some(tensors)
                    if !tensors.is_same() && (is_listed(path) || is_index(path.as_str())) =>
                {
                    tensors.aspect()
                }
                // Tensors are all that there is in these files, but for a header.
                Some(tensors)
                    if is_index(path.as_str())
                        || is_listed(path) && path.as_str().ends_with(".safetensors") =>
                {
                    if tensors.is_ambiguous {
                        Aspect::Weights
                    } else if places[0] == places[1] {
                        Aspect::Headers
                    } else {
                        Aspect::Sharding
                    }
                }
                _ if is_weight_file(path.as_str()) => Aspect::Weights,
                _ => aspect_of(path.as_str()),
            });
        }
        aspects
    }
}

impl FileDifference {
    fn new(first: &Manifest, second: &Manifest) -> Self {
        let mut difference = Self::default();
        let mut removed: Vec<&ManifestFile> = Vec::new();
        for file in first.files() {
            match second
                .file(&file.path)
                .map(|other| Likeness::of(file, other))
            {
                Some(Likeness::Same) => difference.same += 1,
                Some(Likeness::Differs) => difference.changed.push(file.path.clone()),
                Some(Likeness::Unknown) => difference.not_compared.push(file.path.clone()),
                None => removed.push(file),
            }
        }
        let mut by_digest: BTreeMap<&str, Vec<&ManifestFile>> = BTreeMap::new();
        let added = second.files().iter();
        let added = added.filter(|file| first.file(&file.path).is_none());
        let (strong, weak): (Vec<_>, Vec<_>) = added.partition(|file| key(file).is_some());
        for file in strong {
            by_digest
                .entry(key(file).unwrap_or_default())
                .or_default()
                .push(file);
        }
        for file in removed {
            let twins = key(file).and_then(|key| by_digest.get_mut(key));
            match twins.and_then(Vec::pop) {
                Some(other) => {
                    let moved = (file.path.clone(), other.path.clone());
                    difference.moved.push(moved);
                }
                None => difference.removed.push(file.path.clone()),
            }
        }
        let added = by_digest.into_values().flatten().chain(weak);
        difference.added = added.map(|file| file.path.clone()).collect();
        difference.added.sort();
        difference
    }
}

/// What the digests of two files say of each other.
enum Likeness {
    /// A strong digest of both is the same, and nothing else differs.
    Same,
    /// A size or a digest differs.
    Differs,
    /// They have no strong digest in common.
    Unknown,
}

impl Likeness {
    fn of(first: &ManifestFile, second: &ManifestFile) -> Self {
        let sizes_differ = first.size.zip(second.size).is_some_and(|(a, b)| a != b);
        let of_both: Vec<_> = first.digest.in_common(&second.digest).collect();
        if sizes_differ || of_both.iter().any(|(_, a, b)| a != b) {
            Self::Differs
        } else if of_both.iter().any(|(algorithm, ..)| algorithm.is_strong()) {
            Self::Same
        } else {
            Self::Unknown
        }
    }
}

/// What a file is looked up by that may have been moved.
fn key(file: &ManifestFile) -> Option<&str> {
    file.digest.by(Algorithm::Sha256)
}

impl TensorDifference {
    fn new(first: &TensorList, second: &TensorList) -> Self {
        let set = |list: &'_ TensorList| -> BTreeSet<_> {
            list.tensors().iter().map(|it| it.tensor.clone()).collect()
        };
        let (a, b) = (set(first), set(second));
        let mut difference = Self {
            same: a.intersection(&b).count(),
            files: (files_of(first).len(), files_of(second).len()),
            is_ambiguous: [&a, &b].into_iter().any(is_ambiguous),
            ..Self::default()
        };
        let mut names: BTreeMap<&str, (Vec<&Tensor>, Vec<&Tensor>)> = BTreeMap::new();
        for tensor in a.difference(&b) {
            names.entry(&tensor.name).or_default().0.push(tensor);
        }
        for tensor in b.difference(&a) {
            names.entry(&tensor.name).or_default().1.push(tensor);
        }
        for (first, second) in names.into_values() {
            // Where a name stands for several, nobody can say which became which.
            if let ([first], [second]) = (&first[..], &second[..]) {
                difference.add((*first).clone(), (*second).clone());
            } else {
                difference.removed.extend(first.into_iter().cloned());
                difference.added.extend(second.into_iter().cloned());
            }
        }
        difference.find_renamed();
        difference
    }

    fn add(&mut self, first: Tensor, second: Tensor) {
        let list = if first.dtype != second.dtype {
            &mut self.retyped
        } else if first.shape != second.shape {
            &mut self.reshaped
        } else {
            &mut self.altered
        };
        list.push((first, second));
    }

    /// What one has and the other has under another name.
    fn find_renamed(&mut self) {
        type Nameless = (String, Vec<u64>, crate::Sha256);
        let nameless =
            |it: &Tensor| -> Nameless { (it.dtype.clone(), it.shape.clone(), it.sha256) };
        let mut added: BTreeMap<Nameless, Vec<Tensor>> = BTreeMap::new();
        for tensor in self.added.drain(..).rev() {
            added.entry(nameless(&tensor)).or_default().push(tensor);
        }
        for tensor in std::mem::take(&mut self.removed) {
            match added.get_mut(&nameless(&tensor)).and_then(Vec::pop) {
                Some(other) => self.renamed.push((tensor, other)),
                None => self.removed.push(tensor),
            }
        }
        self.added = added.into_values().flatten().collect();
        self.added.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Whether both have the same tensors.
    pub fn is_same(&self) -> bool {
        self.retyped.is_empty() && self.is_same_but_for_types()
    }

    fn is_same_but_for_types(&self) -> bool {
        let pairs = [&self.reshaped, &self.altered, &self.renamed];
        pairs.iter().all(|pairs| pairs.is_empty())
            && self.removed.is_empty()
            && self.added.is_empty()
    }

    fn aspect(&self) -> Aspect {
        let mut retyped = self.retyped.iter();
        if self.is_same_but_for_types() && retyped.all(|(a, b)| a.shape == b.shape) {
            Aspect::Types
        } else {
            Aspect::Tensors
        }
    }
}

fn is_ambiguous(tensors: &BTreeSet<Tensor>) -> bool {
    let names: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    names.len() < tensors.len() || names.contains("")
}

/// The files that tensors are in.
fn files_of(list: &TensorList) -> BTreeSet<&FilePath> {
    let places = list.tensors().iter().flat_map(|listed| &listed.places);
    places.map(|place| &place.path).collect()
}

/// Whether a file says which of others has which tensors: `model.safetensors.index.json`, also of a variant, as in
/// `model.safetensors.index.fp16.json`.
fn is_index(path: &str) -> bool {
    let parts = [".safetensors.index.", ".bin.index."];
    path.strip_suffix(".json").is_some() && parts.iter().any(|part| path.contains(part))
}

/// Whether a file is one of weights by its name.
fn is_weight_file(path: &str) -> bool {
    const ENDINGS: [&str; 10] = [
        ".safetensors",
        ".gguf",
        ".onnx",
        ".bin",
        ".pt",
        ".pth",
        ".ckpt",
        ".npy",
        ".npz",
        ".h5",
    ];
    let name = path.to_ascii_lowercase();
    is_index(path) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// What another file is for, by its name.
fn aspect_of(path: &str) -> Aspect {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or(&path);
    let is_any = |names: &[&str]| names.iter().any(|it| name.starts_with(it));
    if is_any(&[
        "tokenizer",
        "vocab",
        "merges.txt",
        "special_tokens_map",
        "added_tokens",
        "spiece",
        "sentencepiece",
    ]) {
        Aspect::Tokenizer
    } else if is_any(&["readme", "license", "licence", "notice", "use_policy"])
        || [".md", ".pdf"].iter().any(|ending| name.ends_with(ending))
    {
        Aspect::Documents
    } else if [".json", ".yml", ".yaml", ".toml"]
        .iter()
        .any(|ending| name.ends_with(ending))
        || name.contains("config")
    {
        Aspect::Config
    } else {
        Aspect::Others
    }
}
