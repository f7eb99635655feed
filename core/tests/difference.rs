//! How two releases differ.

mod common;

use candor_core::Sha256;
use candor_core::record::Algorithm;
use candor_core::weights::{
    Aspect, Difference, Manifest, ManifestFile, Place, Side, Tensor, TensorList,
};
use common::files::{MD5, file, manifest, path, with_digests};

/// A tensor of four bytes, by its type and data.
fn tensor(name: &str, dtype: &str, data: [u8; 4]) -> Tensor {
    Tensor {
        bytes: 4,
        dtype: dtype.to_owned(),
        name: name.to_owned(),
        sha256: Sha256::of(data),
        shape: vec![4],
    }
}

/// A release: the files, and the tensors in them, one behind the other.
struct Release {
    manifest: Manifest,
    tensors: Option<TensorList>,
}

impl Release {
    fn new(files: Vec<ManifestFile>, tensors: &[(&str, Tensor)]) -> Self {
        let manifest = manifest(files);
        let found = tensors.iter().enumerate().map(|(n, (at, tensor))| {
            let place = Place {
                path: path(at),
                offset: 4 * n as u64,
            };
            (tensor.clone(), place)
        });
        let list = TensorList::new(found, &manifest);
        let tensors = (!tensors.is_empty()).then(|| list.expect("a list"));
        Self { manifest, tensors }
    }

    fn side(&self) -> Side<'_> {
        Side {
            manifest: &self.manifest,
            tensors: self.tensors.as_ref(),
        }
    }
}

const DATA: [[u8; 4]; 3] = [*b"1111", *b"2222", *b"3333"];

/// Three tensors in one file, and some other files.
fn whole() -> Release {
    let [a, b, c] = DATA;
    Release::new(
        vec![
            file("README.md", b"# Tiny"),
            file("config.json", b"{}"),
            file("model.safetensors", &[0; 40]),
            file("tokenizer.json", b"[]"),
        ],
        &[
            ("model.safetensors", tensor("a", "U8", a)),
            ("model.safetensors", tensor("b", "U8", b)),
            ("model.safetensors", tensor("c", "U8", c)),
        ],
    )
}

/// The same with other files in place of those that have these names.
fn with(files: &[(&str, &[u8])]) -> Release {
    let mut release = whole();
    let mut all = release.manifest.files().to_vec();
    for (at, bytes) in files {
        all.retain(|file| file.path.as_str() != *at);
        all.push(file(at, bytes));
    }
    release.manifest = manifest(all);
    release
}

/// The same with other tensors in its one file.
fn with_tensors(tensors: &[Tensor]) -> Release {
    let files = with(&[("model.safetensors", &[1; 40])])
        .manifest
        .files()
        .to_vec();
    let tensors: Vec<_> = tensors
        .iter()
        .map(|it| ("model.safetensors", it.clone()))
        .collect();
    Release::new(files, &tensors)
}

fn difference(first: &Release, second: &Release) -> Difference {
    Difference::new(first.side(), second.side())
}

fn aspects(second: &Release) -> Vec<Aspect> {
    difference(&whole(), second).aspects.into_iter().collect()
}

#[test]
fn a_release_does_not_differ_from_itself() {
    let found = difference(&whole(), &whole());
    assert!(found.aspects.is_empty());
    assert_eq!(found.files.same, 4);
    assert_eq!(
        found.tensors.map(|it| (it.same, it.is_same())),
        Some((3, true))
    );
}

#[test]
fn an_index_of_shards_is_about_weight_files_and_other_json_is_not() {
    for (name, aspect) in [
        ("model.safetensors.index.json", Aspect::Headers),
        ("model.safetensors.index.fp16.json", Aspect::Headers),
        ("pytorch_model.bin.index.json", Aspect::Headers),
        ("search.index.json", Aspect::Config),
    ] {
        assert_eq!(aspects(&with(&[(name, b"{}")])), [aspect], "{name}");
    }
}

#[test]
fn other_shards_are_sharding_only() {
    let [a, b, c] = DATA;
    let sharded = Release::new(
        vec![
            file("README.md", b"# Tiny"),
            file("config.json", b"{}"),
            file("model-1.safetensors", &[0; 20]),
            file("model-2.safetensors", &[1; 20]),
            file("model.safetensors.index.json", b"{}"),
            file("tokenizer.json", b"[]"),
        ],
        &[
            ("model-2.safetensors", tensor("c", "U8", c)),
            ("model-1.safetensors", tensor("a", "U8", a)),
            ("model-1.safetensors", tensor("b", "U8", b)),
        ],
    );
    let found = difference(&whole(), &sharded);
    assert_eq!(
        found.aspects.iter().copied().collect::<Vec<_>>(),
        [Aspect::Sharding]
    );
    let tensors = found.tensors.expect("both have lists");
    assert_eq!((tensors.same, tensors.files), (3, (1, 2)));
    assert_eq!((found.files.removed.len(), found.files.added.len()), (1, 3));
    // With another file beside, it is not sharding only.
    let mut other = sharded;
    let mut files = other.manifest.files().to_vec();
    files.push(file("script.py", b"import os"));
    other.manifest = manifest(files);
    assert_eq!(aspects(&other), [Aspect::Sharding, Aspect::Others]);
}

#[test]
fn each_sort_of_file_is_told_by_its_name() {
    for (at, aspect) in [
        ("config.json", Aspect::Config),
        ("generation_config.json", Aspect::Config),
        ("tokenizer.json", Aspect::Tokenizer),
        ("sub/vocab.txt", Aspect::Tokenizer),
        ("README.md", Aspect::Documents),
        ("LICENSE", Aspect::Documents),
        ("modeling.py", Aspect::Others),
        ("pytorch_model.bin", Aspect::Weights),
    ] {
        assert_eq!(aspects(&with(&[(at, b"other")])), [aspect], "{at}");
    }
    // The tensors are the same, so something else in their file is not.
    assert_eq!(
        aspects(&with(&[("model.safetensors", &[1; 40])])),
        [Aspect::Headers]
    );
    let mut without = with(&[("model.safetensors", &[1; 40])]);
    without.tensors = None;
    assert_eq!(aspects(&without), [Aspect::Weights]);
}

#[test]
fn tensors_that_differ_are_told_by_how() {
    let [a, b, c] = DATA;
    let all = [
        tensor("a", "F8", a),
        tensor("b", "F8", b),
        tensor("c", "U8", c),
    ];
    let found = difference(&whole(), &with_tensors(&all));
    assert_eq!(
        found.aspects.iter().copied().collect::<Vec<_>>(),
        [Aspect::Types]
    );
    assert_eq!(found.tensors.expect("lists").retyped.len(), 2);

    let mut flat = tensor("b", "U8", b);
    flat.shape = vec![2, 2];
    let all = [
        tensor("a", "U8", *b"9999"),
        flat,
        tensor("d", "U8", c),
        tensor("e", "U8", *b"8888"),
    ];
    let found = difference(&whole(), &with_tensors(&all));
    assert_eq!(
        found.aspects.iter().copied().collect::<Vec<_>>(),
        [Aspect::Tensors]
    );
    let tensors = found.tensors.expect("lists");
    let name = |(a, b): &(Tensor, Tensor)| (a.name.clone(), b.name.clone());
    let same = |name: &str| (name.to_owned(), name.to_owned());
    assert_eq!(
        tensors.altered.iter().map(name).collect::<Vec<_>>(),
        [same("a")]
    );
    assert_eq!(
        tensors.reshaped.iter().map(name).collect::<Vec<_>>(),
        [same("b")]
    );
    let renamed = ("c".to_owned(), "d".to_owned());
    assert_eq!(
        tensors.renamed.iter().map(name).collect::<Vec<_>>(),
        [renamed]
    );
    assert_eq!((tensors.same, tensors.removed.len()), (0, 0));
    assert_eq!(tensors.added[0].name, "e");
    // The other way round, what was added is gone.
    let back = difference(&with_tensors(&all), &whole())
        .tensors
        .expect("lists");
    assert_eq!((back.removed[0].name.as_str(), back.added.len()), ("e", 0));
    // A type and a shape at once are more than a type.
    let mut both = tensor("b", "F8", b);
    both.shape = vec![1];
    let all = [tensor("a", "U8", a), both, tensor("c", "U8", c)];
    assert_eq!(aspects(&with_tensors(&all)), [Aspect::Tensors]);
}

#[test]
fn what_tensors_do_not_explain_is_no_sharding() {
    // A second copy of the weights, of which one side does not say which tensors it holds.
    let [a, b, c] = DATA;
    let copies = |listed: &[&str], other: &[u8]| {
        let files = with(&[("copy.bin", other)]).manifest.files().to_vec();
        let tensors: Vec<_> = listed
            .iter()
            .flat_map(|at| {
                let tensors = [("a", a), ("b", b), ("c", c)];
                tensors.map(|(name, data)| (*at, tensor(name, "U8", data)))
            })
            .collect();
        Release::new(files, &tensors)
    };
    let both = copies(&["model.safetensors", "copy.bin"], &[7; 40]);
    let one = copies(&["model.safetensors"], b"something else");
    let found: Vec<_> = difference(&both, &one).aspects.into_iter().collect();
    assert_eq!(found, [Aspect::Weights]);
    // One name for two tensors: which is which, only the files say.
    let twins = |first: &str, second: &str| {
        let files = vec![
            file("x.safetensors", first.as_bytes()),
            file("y.safetensors", second.as_bytes()),
        ];
        Release::new(
            files,
            &[
                ("x.safetensors", tensor("w", "U8", a)),
                ("y.safetensors", tensor("w", "U8", b)),
            ],
        )
    };
    let found = difference(
        &twins("1234567890", "abcdefghij"),
        &twins("abcdefghij", "1234567890"),
    );
    assert_eq!(
        found.aspects.into_iter().collect::<Vec<_>>(),
        [Aspect::Weights]
    );
}

#[test]
fn weak_digests_leave_it_open_and_a_missing_size_does_not() {
    let mut sizeless = whole();
    let mut files = sizeless.manifest.files().to_vec();
    let md5 = with_digests("tokenizer.json", None, &[(Algorithm::Md5, MD5)]);
    for of in &mut files {
        of.size = None;
        of.digest = md5.digest.clone();
    }
    sizeless.manifest = manifest(files);
    let found = difference(&sizeless, &whole()).files;
    assert_eq!((found.same, found.not_compared.len()), (0, 4));
    let found = difference(&sizeless, &sizeless).files;
    assert_eq!((found.same, found.not_compared.len()), (0, 4));
}

#[test]
fn a_file_that_was_moved_is_the_same_file() {
    let mut files = whole().manifest.files().to_vec();
    files[3].path = path("text/tokenizer.json");
    let mut second = whole();
    second.manifest = manifest(files);
    let found = difference(&whole(), &second);
    assert_eq!(
        found.files.moved,
        [(path("tokenizer.json"), path("text/tokenizer.json"))]
    );
    assert_eq!((found.files.removed.len(), found.files.added.len()), (0, 0));
    assert_eq!(
        found.aspects.into_iter().collect::<Vec<_>>(),
        [Aspect::Tokenizer]
    );
}
