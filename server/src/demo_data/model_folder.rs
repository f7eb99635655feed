//! A model's folder as the Hugging Face hub has them: its card, and the SHA-256 of each file.
//!
//! Not here: chunks and tensors, which `candor release` lists as well.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use candor_core::digest::Sha256Stream;
use candor_core::record::kinds::{ModelCard, Weights};
use candor_core::record::{DigestSet, ReleaseName};
use candor_core::weights::{FilePath, MANIFEST_FILES_MAX, Manifest, ManifestFile};

use super::front_matter;
use super::lab::{Document, Draft, NOTE, note};
use super::story::Story;
use super::{DemoDataError, form, read_text};

/// What is no part of a release, by its path in the folder: `candor release` and `candor verify` leave it out too.
const LEFT_OUT: [&str; 3] = [".git", ".cache/huggingface", ".candor-fetch"];

/// How much of a file is hashed at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A folder, read.
pub(super) struct ModelFolder {
    publisher: String,
    drafts: Vec<Draft>,
}

impl ModelFolder {
    /// Reads the card and hashes all files.
    pub(super) fn read(folder: &Path, release: &ReleaseName) -> Result<Self, DemoDataError> {
        let path = folder.join("README.md");
        if !path.exists() {
            let rule = "there is none, and a model's folder has its card in README.md";
            return Err(form(&path, rule));
        }
        let card = read_text(&path)?;
        let (fields, left_out) = front_matter::read(&card);
        let mut annotations = note(NOTE);
        if !left_out.is_empty() {
            annotations.insert("leftOut".to_owned(), left_out.into());
        }
        let fields = ModelCard {
            annotations,
            ..fields
        };
        let document = Document::new("README.md", "text/markdown", card);
        let manifest = Manifest::new(files(folder)?).map_err(|error| DemoDataError::Manifest {
            path: folder.to_owned(),
            error,
        })?;
        if !holds_weights(&manifest) {
            let rule = format!(
                "it has no file of weights: there should be one that ends in {}",
                WEIGHTS.join(", ")
            );
            return Err(form(folder, rule));
        }
        let format = format(&manifest);
        let weights = |weights: Weights| Weights {
            format: format.map(str::to_owned),
            annotations: note(NOTE),
            ..weights
        };
        Ok(Self {
            publisher: release.publisher().to_string(),
            drafts: vec![
                Draft::card(release, fields, document).checked()?,
                Draft::weights(release, &manifest, weights).checked()?,
            ],
        })
    }

    /// Publishes it as its publisher, which is registered if it is not there.
    pub(super) async fn publish(self, story: &mut Story<'_>) -> Result<(), DemoDataError> {
        story
            .register(&self.publisher, &self.publisher, NOTE)
            .await?;
        story.publish(&self.publisher, self.drafts).await?;
        Ok(())
    }
}

/// How the names of files end that have weights in them, in the formats that `candor release` reads, and others' own.
const WEIGHTS: [&str; 12] = [
    ".safetensors",
    ".gguf",
    ".onnx",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".npz",
    ".npy",
    ".h5",
    ".msgpack",
    ".tflite",
];

fn holds_weights(manifest: &Manifest) -> bool {
    let mut files = manifest.files().iter();
    files.any(|file| {
        let path = file.path.as_str().to_ascii_lowercase();
        WEIGHTS.iter().any(|ending| path.ends_with(ending))
    })
}

/// The format of the weights, by the names of the files; nothing where no name tells.
fn format(manifest: &Manifest) -> Option<&'static str> {
    let formats = [
        (".safetensors", "safetensors"),
        (".gguf", "gguf"),
        (".onnx", "onnx"),
    ];
    let ends = |ending: &str| {
        let mut files = manifest.files().iter();
        files.any(|file| file.path.as_str().ends_with(ending))
    };
    formats
        .into_iter()
        .find_map(|(ending, format)| ends(ending).then_some(format))
}

/// All files of a folder. Links are refused: what they lead to may be anywhere.
fn files(folder: &Path) -> Result<Vec<ManifestFile>, DemoDataError> {
    let mut files = Vec::new();
    let mut open: Vec<(PathBuf, String)> = vec![(folder.to_owned(), String::new())];
    while let Some((inside, prefix)) = open.pop() {
        for entry in fs::read_dir(&inside).map_err(io_at(&inside))? {
            let entry = entry.map_err(io_at(&inside))?;
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(form(&path, "its name should be text in UTF-8"));
            };
            let relative = format!("{prefix}{name}");
            if LEFT_OUT.contains(&relative.as_str()) {
                continue;
            }
            let metadata = entry.metadata().map_err(io_at(&path))?;
            if metadata.is_dir() {
                open.push((path, format!("{relative}/")));
            } else if metadata.is_file() {
                if files.len() == MANIFEST_FILES_MAX {
                    let rule = format!("a release has at most {MANIFEST_FILES_MAX} files");
                    return Err(form(folder, rule));
                }
                files.push(listed(&path, &relative)?);
            } else {
                let rule = "a release is made of files and folders, and this is something else: put the file in the place of a link";
                return Err(form(&path, rule));
            }
        }
    }
    Ok(files)
}

fn listed(path: &Path, relative: &str) -> Result<ManifestFile, DemoDataError> {
    let in_release: FilePath = relative
        .parse()
        .map_err(|error| form(path, format!("{error}")))?;
    let mut file = File::open(path).map_err(io_at(path))?;
    let (mut digest, mut size) = (Sha256Stream::default(), 0);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece).map_err(io_at(path))?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
        size += read as u64;
    }
    Ok(ManifestFile {
        path: in_release,
        size: Some(size),
        digest: DigestSet::sha256(digest.finish()),
    })
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> DemoDataError {
    let path = path.to_owned();
    move |error| DemoDataError::Io { path, error }
}

#[cfg(test)]
mod tests {
    use candor_core::Sha256;
    use candor_core::record::Predicate;

    use super::super::lab::release;
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("folders");
            fs::write(path, text).expect("files");
        }
        folder
    }

    fn read(folder: &tempfile::TempDir) -> Result<ModelFolder, String> {
        ModelFolder::read(folder.path(), &release("example-lab/tiny@1.0.0"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_file_is_listed_with_its_digest_and_what_is_none_of_the_release_is_not() {
        let folder = folder(&[
            (
                "README.md",
                "---\nlicense: mit\ntags: {a: b}\n---\n# Tiny\n",
            ),
            ("1_Pooling/config.json", "{}"),
            ("model.safetensors", "weights"),
            (".git/HEAD", "x"),
            (".cache/huggingface/x", "x"),
        ]);
        let model = read(&folder).expect("a model");
        let [card, weights] = model.drafts.as_slice() else {
            panic!("two records")
        };
        let (Predicate::ModelCard(card), Predicate::Weights(weights_said)) =
            (&card.predicate, &weights.predicate)
        else {
            panic!("a card and weights")
        };
        assert_eq!(card.license.as_deref(), Some("mit"));
        assert_eq!(card.annotations["leftOut"], serde_json::json!(["tags"]));
        assert_eq!(weights_said.format.as_deref(), Some("safetensors"));
        let manifest = Manifest::parse(&weights.documents[0]).expect("canonical");
        let paths: Vec<_> = manifest.files().iter().map(|it| it.path.as_str()).collect();
        assert_eq!(
            paths,
            ["1_Pooling/config.json", "README.md", "model.safetensors"]
        );
        let digest = manifest.files()[2].digest.to_sha256();
        assert_eq!(digest, Some(Sha256::of("weights")));
    }

    #[test]
    fn a_folder_without_a_card_or_with_a_link_is_refused_and_the_file_named() {
        let empty = folder(&[]);
        let error = read(&empty).err().expect("no card");
        assert!(error.contains("README.md"), "{error}");
        let linked = folder(&[("README.md", "# Tiny")]);
        std::os::unix::fs::symlink("/etc/hostname", linked.path().join("config.json"))
            .expect("a link");
        let error = read(&linked).err().expect("a link");
        assert!(
            error.contains("config.json") && error.contains("link"),
            "{error}"
        );
        let without = folder(&[("README.md", "# Notes"), ("notes.txt", "x")]);
        let error = read(&without).err().expect("no weights");
        assert!(
            error.contains("no file of weights") && error.contains(".safetensors"),
            "{error}"
        );
        let named = folder(&[
            ("README.md", "---\nlanguage: \"\u{7}\"\n---\n"),
            ("model.safetensors", "weights"),
        ]);
        let error = read(&named).err().expect("no language");
        assert!(
            error.contains("example-lab/tiny@1.0.0") && error.contains("/predicate/languages"),
            "{error}"
        );
    }
}
