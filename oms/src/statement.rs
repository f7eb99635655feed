//! The statement that is signed: in-toto Statement v1 with the predicate of OMS 1.0 section 5.
//!
//! ```text
//! {"_type": …Statement/v1, "subject": [{"name", "digest": {"sha256": root}}],
//!  "predicateType": https://model_signing/signature/v1.0,
//!  "predicate": {"serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks", "ignore_paths"},
//!                "resources": [{"name", "algorithm": "sha256", "digest"}…]}}
//! ```
//!
//! Always: at least one file, each name once, in one of two orders, with the root digest that follows from them.

use std::collections::BTreeSet;

use candor_core::Sha256;
use candor_core::digest::NotSha256;
use candor_core::record::{JsonError, STATEMENT_TYPE, parse_strict_bounded};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ignored::{GIT_PATHS, Ignored};
use crate::name::{ResourceName, ResourceNameError};
use crate::text::{form, shortened};

/// The predicate type of OMS 1.0.
pub const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";

/// The most files of one statement.
pub const FILES_MAX: usize = 200_000;

/// A file is four JSON values, and may have some more that are not known here.
const VALUES_MAX: usize = 8 * FILES_MAX;

const METHOD: &str = "files";
const HASH: &str = "sha256";

/// The name that `model_signing` gives to the file where a model is one file.
const SINGLE_FILE: &str = ".";

/// The most paths to ignore. Signers name some; they decide nothing here, and people are to see them.
pub const IGNORE_PATHS_MAX: usize = 10_000;

/// What a signature says of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    name: String,
    files: Vec<SignedFile>,
    root: Sha256,
    ignore_paths: Vec<ResourceName>,
    allow_symlinks: bool,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedFile {
    /// Where it is in the model's folder.
    pub name: ResourceName,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

/// Why there is no statement, or not one that is read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Not strict JSON.
    #[error("the statement is not strict JSON: {0}")]
    Json(#[from] JsonError),
    /// A field is missing, unknown or of the wrong type.
    #[error("the statement's form: {0}")]
    Form(String),
    /// Another type of statement.
    #[error("the statement's type is {0:?}, and only {STATEMENT_TYPE:?} is read here")]
    Type(String),
    /// Another predicate.
    #[error("the predicate type is {0:?}, and only {PREDICATE_TYPE:?} is read here")]
    PredicateType(String),
    /// More or less than one subject.
    #[error("the statement has {0} subjects, and a model is exactly one")]
    Subjects(usize),
    /// A model without a name.
    #[error("the model's name (subject[0].name) is empty")]
    NoName,
    /// Parts of files in place of files.
    #[error("the model is signed by shards, which are not read here")]
    Shards,
    /// An unknown way to make a list of files.
    #[error("the model is signed by the method {0:?}, and only {METHOD:?} is read here")]
    Method(String),
    /// `shard_size`, where there are no shards.
    #[error("serialization has a shard_size, and the method {METHOD:?} has no shards")]
    ShardSize,
    /// Hashed by something else.
    #[error("{of} is hashed by {algorithm:?}, and only {HASH:?} is read here")]
    Algorithm {
        /// The model or a file of it, quoted.
        of: String,
        /// By what.
        algorithm: String,
    },
    /// A digest that is none.
    #[error("the digest of {of}: {error}")]
    Digest {
        /// The model or a file of it, quoted.
        of: String,
        /// Which rule.
        error: NotSha256,
    },
    /// A file's name that is none.
    #[error("a file of the statement: {0}")]
    Name(ResourceNameError),
    /// A path to ignore that is none.
    #[error("ignore_paths: {0}")]
    IgnorePath(ResourceNameError),
    /// More paths to ignore than anybody reads.
    #[error("ignore_paths has {0} paths, and may have at most {IGNORE_PATHS_MAX}")]
    IgnorePaths(usize),
    /// Everything is to be ignored.
    #[error("ignore_paths has {0:?}, which is the whole model")]
    IgnoresAll(String),
    /// Nothing or too much is signed.
    #[error("the statement lists {0} files, and may list 1 to {FILES_MAX}")]
    Count(usize),
    /// Two files of one name.
    #[error("the file {:?} is listed twice", .0.as_str())]
    Twice(ResourceName),
    /// Neither order.
    #[error("the files are sorted neither by the parts of their names nor by their names")]
    Order,
    /// A file that is signed and to be ignored.
    #[error("the file {:?} is listed, and {ignored:?} is to be ignored", file.as_str())]
    Ignored {
        /// Which file.
        file: ResourceName,
        /// By which path.
        ignored: String,
    },
    /// The subject is not the files.
    #[error("the root digest is {stated}, and that of the files listed is {computed}")]
    Root {
        /// As the subject says.
        stated: Sha256,
        /// As the files give.
        computed: Sha256,
    },
}

impl StatementError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Json(_)
            | Self::Form(_)
            | Self::Subjects(_)
            | Self::NoName
            | Self::ShardSize
            | Self::Digest { .. }
            | Self::Name(_)
            | Self::Twice(_)
            | Self::Order
            | Self::Root { .. } => {
                "the program that signed it does not follow OMS 1.0: ask its author, and don't use the signature"
            }
            Self::Type(_) | Self::PredicateType(_) => {
                "it is a signature of something else, or by a release before 0.3: sign the model again"
            }
            Self::Shards | Self::Method(_) | Self::Algorithm { .. } => {
                "sign the model again by whole files and SHA-256, which is what `model_signing sign` does"
            }
            Self::IgnorePath(_) | Self::IgnoresAll(_) => {
                "name what is to be ignored inside the model's folder, and not the whole of it"
            }
            Self::Count(_) => "sign a folder with files in it; pack many small files into archives",
            Self::IgnorePaths(_) => {
                "name the folders that are to be ignored, and not each file in them"
            }
            Self::Ignored { ignored, .. } if GIT_PATHS.contains(&ignored.as_str()) => {
                "such signatures leave out what has that name at the top, also where it is not git's: rename it"
            }
            Self::Ignored { .. } => "leave the file out, or don't ignore it",
        }
    }
}

impl Statement {
    /// States that the model `name` (its folder's name, for people) has these files, and that `ignore_paths` were left
    /// out of them. [`GIT_PATHS`] are among those always, since every verifier ignores them.
    pub fn new(
        name: &str,
        mut files: Vec<SignedFile>,
        ignore_paths: impl IntoIterator<Item = ResourceName>,
    ) -> Result<Self, StatementError> {
        if name.is_empty() {
            return Err(StatementError::NoName);
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let git = GIT_PATHS.map(|path| path.parse().expect("each is a name"));
        let ignore_paths: BTreeSet<_> = ignore_paths.into_iter().chain(git).collect();
        let statement = Self {
            name: name.to_owned(),
            root: root_digest(&files),
            files,
            ignore_paths: ignore_paths.into_iter().collect(),
            allow_symlinks: false,
        };
        statement.checked()
    }

    /// Reads the payload of an envelope, whose signature was checked.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        let json: StatementJson =
            form(parse_strict_bounded(payload, VALUES_MAX)?).map_err(StatementError::Form)?;
        if json.kind != STATEMENT_TYPE {
            return Err(StatementError::Type(shortened(&json.kind)));
        }
        if json.predicate_type != PREDICATE_TYPE {
            return Err(StatementError::PredicateType(shortened(
                &json.predicate_type,
            )));
        }
        let [subject] =
            <[_; 1]>::try_from(json.subject).map_err(|all| StatementError::Subjects(all.len()))?;
        let subject: SubjectJson = form(subject).map_err(StatementError::Form)?;
        let predicate: PredicateJson = form(json.predicate).map_err(StatementError::Form)?;
        check_serialization(&predicate.serialization)?;

        let files = files(predicate.resources, &subject.name)?;
        let ignore_paths = ignore_paths(predicate.serialization.ignore_paths)?;
        let statement = Self {
            root: digest("the model", &subject.digest.sha256)?,
            name: subject.name,
            files,
            ignore_paths,
            allow_symlinks: predicate.serialization.allow_symlinks,
        };
        statement.checked()
    }

    fn checked(self) -> Result<Self, StatementError> {
        if self.name.is_empty() {
            return Err(StatementError::NoName);
        }
        if self.files.is_empty() || self.files.len() > FILES_MAX {
            return Err(StatementError::Count(self.files.len()));
        }
        if self.ignore_paths.len() > IGNORE_PATHS_MAX {
            return Err(StatementError::IgnorePaths(self.ignore_paths.len()));
        }
        let ignored = Ignored::new(&self.ignore_paths);
        let mut names = BTreeSet::new();
        for file in &self.files {
            if !names.insert(&file.name) {
                return Err(StatementError::Twice(file.name.clone()));
            }
            if let Some(path) = ignored.holding(&file.name) {
                return Err(StatementError::Ignored {
                    file: file.name.clone(),
                    ignored: path.as_str().to_owned(),
                });
            }
        }
        let in_order = self.files.is_sorted_by(|a, b| a.name < b.name)
            || (self.files).is_sorted_by(|a, b| a.name.as_str() < b.name.as_str());
        if !in_order {
            return Err(StatementError::Order);
        }
        let computed = root_digest(&self.files);
        if self.root != computed {
            return Err(StatementError::Root {
                stated: self.root,
                computed,
            });
        }
        Ok(self)
    }

    /// The bytes to sign. The same statement gives the same bytes.
    pub(crate) fn to_payload(&self) -> Vec<u8> {
        let resources = self.files.iter().map(|file| ResourceJson {
            name: file.name.as_str().to_owned(),
            algorithm: HASH.to_owned(),
            digest: file.sha256.to_string(),
        });
        let predicate = PredicateJson {
            serialization: SerializationJson {
                method: METHOD.to_owned(),
                hash_type: HASH.to_owned(),
                allow_symlinks: self.allow_symlinks,
                ignore_paths: self.ignore_paths.iter().map(ToString::to_string).collect(),
                shard_size: None,
            },
            resources: resources.collect(),
        };
        let subject = SubjectJson {
            name: self.name.clone(),
            digest: SubjectDigestJson {
                sha256: self.root.to_string(),
            },
        };
        let json = StatementToWrite {
            kind: STATEMENT_TYPE,
            subject: [subject],
            predicate_type: PREDICATE_TYPE,
            predicate,
        };
        serde_json::to_vec(&json).expect("it has only texts, lists and objects")
    }

    /// What the model's folder was called. For people only: it decides nothing.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files, each once: by the parts of their names (`model_signing`) or by their names (OMS 1.0 section 6.4).
    pub fn files(&self) -> &[SignedFile] {
        &self.files
    }

    /// SHA-256 over the files' digests, in the order of [`Self::files`] (OMS 1.0 section 6.5.1).
    ///
    /// An alias to find a model by, never its identity. It covers no names: a model whose files have other names in the
    /// same order has the same root. And the two orders give the same files two roots.
    pub fn root_digest(&self) -> Sha256 {
        self.root
    }

    /// What the signer left out, as signed.
    pub fn ignore_paths(&self) -> &[ResourceName] {
        &self.ignore_paths
    }

    /// Whether the signer hashed what links point at, as signed.
    pub fn allow_symlinks(&self) -> bool {
        self.allow_symlinks
    }
}

fn root_digest(files: &[SignedFile]) -> Sha256 {
    let digests: Vec<u8> = files
        .iter()
        .flat_map(|file| *file.sha256.as_bytes())
        .collect();
    Sha256::of(digests)
}

fn digest(of: &str, text: &str) -> Result<Sha256, StatementError> {
    text.parse().map_err(|error| StatementError::Digest {
        of: of.to_owned(),
        error,
    })
}

fn ignore_paths(paths: Vec<String>) -> Result<Vec<ResourceName>, StatementError> {
    let path = |path: String| match path.as_str() {
        "" | "." => Err(StatementError::IgnoresAll(path)),
        text => text.parse().map_err(StatementError::IgnorePath),
    };
    paths.into_iter().map(path).collect()
}

fn check_serialization(json: &SerializationJson) -> Result<(), StatementError> {
    match json.method.as_str() {
        METHOD => {}
        "shards" => return Err(StatementError::Shards),
        other => return Err(StatementError::Method(shortened(other))),
    }
    if json.shard_size.is_some() {
        return Err(StatementError::ShardSize);
    }
    if json.hash_type != HASH {
        return Err(StatementError::Algorithm {
            of: "the model".to_owned(),
            algorithm: shortened(&json.hash_type),
        });
    }
    Ok(())
}

fn files(mut resources: Vec<ResourceJson>, model: &str) -> Result<Vec<SignedFile>, StatementError> {
    // A model that is one file: `model_signing` calls the file ".", OMS 1.0 section 5.2.1 by its name, which is the
    // model's.
    if let [only] = resources.as_mut_slice()
        && only.name == SINGLE_FILE
        && !model.contains('/')
    {
        model.clone_into(&mut only.name);
    }
    let file = |resource: ResourceJson| {
        let name: ResourceName = resource.name.parse().map_err(StatementError::Name)?;
        let of = format!("the file {:?}", shortened(name.as_str()));
        if resource.algorithm != HASH {
            return Err(StatementError::Algorithm {
                of,
                algorithm: shortened(&resource.algorithm),
            });
        }
        let sha256 = digest(&of, &resource.digest)?;
        Ok(SignedFile { name, sha256 })
    };
    resources.into_iter().map(file).collect()
}

#[derive(Serialize)]
struct StatementToWrite {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [SubjectJson; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: PredicateJson,
}

// Subject and predicate are read when it is known that this is a statement about a model.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementJson {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Value>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Value,
}

#[derive(Serialize, Deserialize)]
struct SubjectJson {
    name: String,
    digest: SubjectDigestJson,
}

#[derive(Serialize, Deserialize)]
struct SubjectDigestJson {
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PredicateJson {
    serialization: SerializationJson,
    resources: Vec<ResourceJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SerializationJson {
    method: String,
    hash_type: String,
    allow_symlinks: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignore_paths: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard_size: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct ResourceJson {
    name: String,
    algorithm: String,
    digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<SignedFile> {
        let file = |name: &&str| SignedFile {
            name: name.parse().expect("a name"),
            sha256: Sha256::of(name),
        };
        names.iter().map(file).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let cache = "cache".parse().expect("a name");
        let written = Statement::new("m", files(&["b", "a/é \n\"", "a"]), [cache]);
        let written = written.expect("a statement");
        assert_eq!(Statement::parse(&written.to_payload()), Ok(written.clone()));
        let ignored = written.ignore_paths().iter().map(ResourceName::as_str);
        assert!(ignored.eq([".git", ".gitattributes", ".github", ".gitignore", "cache"]));
    }

    #[test]
    fn what_readers_would_refuse_is_not_written() {
        let new = |name: &str, names: &[&str]| {
            Statement::new(name, files(names), []).map_err(|error| error.to_string())
        };
        assert!(new("m", &["a"]).is_ok());
        let refused = [
            (
                new("m", &[]),
                "the statement lists 0 files, and may list 1 to 200000",
            ),
            (
                new("", &["a"]),
                "the model's name (subject[0].name) is empty",
            ),
            (new("m", &["a", "b", "a"]), "the file \"a\" is listed twice"),
            (
                new("m", &["a", ".github/x"]),
                "the file \".github/x\" is listed, and \".github\" is to be ignored",
            ),
        ];
        for (said, message) in refused {
            assert_eq!(said, Err(message.to_owned()));
        }
        let [listed] = <[_; 1]>::try_from(files(&["a/b"])).expect("one");
        let folder = "a".parse().expect("a name");
        assert!(Statement::new("m", vec![listed], [folder]).is_err());
    }

    #[test]
    fn there_is_an_end_to_paths_that_are_ignored() {
        let paths = |count| (0..count).map(|n| format!("x{n}").parse().expect("a name"));
        let new = |count| Statement::new("m", files(&["a"]), paths(count));
        new(IGNORE_PATHS_MAX - GIT_PATHS.len()).expect("not too many");
        assert_eq!(
            new(IGNORE_PATHS_MAX),
            Err(StatementError::IgnorePaths(
                IGNORE_PATHS_MAX + GIT_PATHS.len()
            ))
        );
    }
}
