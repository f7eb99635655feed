//! Models as OCI artifacts: the digests in the manifest of a `ModelPack` or a `ModelKit`.
//!
//! <https://github.com/opencontainers/image-spec/blob/main/manifest.md>,
//! <https://github.com/modelpack/model-spec/blob/main/docs/spec.md> ("Image Manifest Extension Properties") and
//! <https://kitops.org/docs/modelkit/spec/>:
//!
//! ```text
//! manifest ─┬─ config   digest, size
//!           └─ layers   digest, size, mediaType …v1.raw    a file as it is; its path is an annotation
//!                                     mediaType …v1.tar…   an archive of files, which nothing here says anything of
//!
//! all layers are files    ──► the files, by their paths             held against the folder that they are unpacked to
//! some are archives       ──► all blobs, as sha256/4d7a…            held against `blobs` of an OCI image layout, where
//!                             (config and manifest, too)            they have these names (image-layout.md, "Blobs")
//! ```
//!
//! Always: what is listed are digests of blobs. That of an archive is never said to be of a file in it.

use std::collections::BTreeMap;

use candor_core::Sha256;
use candor_core::record::kinds::{Source, Weights};
use candor_core::record::{Algorithm, DigestSet, ReleaseName};
use candor_core::weights::{FilePath, Manifest, ManifestFile};
use serde_json::Value;

use super::fields::Fields;
use super::{Drafts, SourceError, foreign_json, weights};

const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The version of manifests, for Docker's sake.
const SCHEMA_VERSION: u64 = 2;

/// What models are packed as, by how the media types of manifest and config begin. `ModelPack` had another name first.
const FORMATS: [(&str, &str); 3] = [
    ("application/vnd.cncf.model.", "a ModelPack"),
    ("application/vnd.cnai.model.", "a ModelPack"),
    ("application/vnd.kitops.modelkit.", "a ModelKit"),
];

/// The end of the media type of a layer that is a file as it is.
const RAW: &str = ".raw";

/// Annotations with the path of a layer's file: those of `ModelPack` today and before, and that of OCI.
const PATHS: [&str; 3] = [
    "org.cncf.model.filepath",
    "org.cnai.model.filepath",
    "org.opencontainers.image.title",
];

/// Whether a document is a manifest or an index of OCI.
pub(super) fn is_manifest(json: &Value) -> bool {
    let has = |name: &str| json.get(name).is_some();
    has("schemaVersion") && (has("manifests") || (has("config") && has("layers")))
}

/// Reads a manifest of OCI into a manifest and a record about it. `file` is its name or path, for messages; `source` says
/// where it was published.
pub fn draft(
    file: &str,
    bytes: &[u8],
    release: &ReleaseName,
    source: Option<&Source>,
) -> Result<Drafts, SourceError> {
    let json = foreign_json(bytes).map_err(|error| SourceError::Json {
        file: file.to_owned(),
        error,
    })?;
    let artifact = Fields::new(file, String::new(), &json)?;
    if artifact.maybe("manifests").is_some()
        || artifact.maybe_text("mediaType")? == Some(IMAGE_INDEX)
    {
        return Err(SourceError::Index {
            file: file.to_owned(),
        });
    }
    let format = format(&artifact)?;
    let blobs = blobs(&artifact)?;
    let archives = blobs.iter().filter(|blob| blob.path.is_none()).count();
    let (files, fact) = if archives == 0 {
        let files = blobs.into_iter().map(Blob::into_file).collect();
        let fact = "They are the files; its config and its manifest are not among them.".to_owned();
        (files, fact)
    } else {
        let layers = blobs.len();
        let config = Blob::read(&artifact.object("config")?)?;
        let own = Blob {
            path: None,
            size: bytes.len() as u64,
            digest: (Algorithm::Sha256, Sha256::of(bytes).to_string()),
        };
        let files = named(&artifact, blobs.into_iter().chain([config, own]))?;
        let fact = format!(
            "They are its blobs, as they are in the blobs folder of an OCI image layout: {archives} of {layers} layers are archives, whose digests are not those of the files in them."
        );
        (files, fact)
    };
    let manifest = Manifest::new(files).map_err(|error| SourceError::Manifest {
        file: file.to_owned(),
        error,
    })?;
    let facts = [
        format!("Digests by the manifest of {format}, an OCI artifact."),
        fact,
    ];
    let weights = Weights {
        format: weights::format(&manifest).map(str::to_owned),
        source: weights::source(source, Some(DigestSet::sha256(Sha256::of(bytes))), &facts),
        ..manifest.to_weights()
    };
    Ok(Drafts {
        drafts: vec![weights::of_weights(&manifest, weights, release)],
        warnings: if archives == 0 {
            Vec::new()
        } else {
            vec![format!(
                "{file}: {archives} of its layers are archives: the record says which archives, and not which files are in them"
            )]
        },
    })
}

/// What the artifact is, if it is a model.
fn format(artifact: &Fields<'_>) -> Result<&'static str, SourceError> {
    if artifact.count("schemaVersion")? != SCHEMA_VERSION {
        return Err(artifact.error("schemaVersion", "should be 2"));
    }
    match artifact.maybe_text("mediaType")? {
        None | Some(IMAGE_MANIFEST) => (),
        Some(other) => {
            let rule = format!(
                "is {}, and should be {IMAGE_MANIFEST}",
                Fields::shown(other)
            );
            return Err(artifact.error("mediaType", &rule));
        }
    }
    let artifact_type = artifact.maybe_text("artifactType")?;
    let config_type = artifact.object("config")?.text("mediaType")?;
    let format = FORMATS.into_iter().find(|(beginning, _)| {
        artifact_type.is_some_and(|it| it.starts_with(beginning))
            || config_type.starts_with(beginning)
    });
    format.map(|(_, name)| name).ok_or_else(|| {
        let found = Fields::shown(artifact_type.unwrap_or(config_type));
        let rule = format!("{found} is no model: neither a ModelPack nor a ModelKit");
        artifact.error(
            if artifact_type.is_some() {
                "artifactType"
            } else {
                "config/mediaType"
            },
            &rule,
        )
    })
}

/// A blob of the artifact.
struct Blob {
    /// The path of the file that it is, if it is one.
    path: Option<FilePath>,
    size: u64,
    digest: (Algorithm, String),
}

impl Blob {
    /// Reads a descriptor (image-spec, descriptor.md).
    fn read(descriptor: &Fields<'_>) -> Result<Self, SourceError> {
        let digest = descriptor.text("digest")?;
        let wrong = || {
            let found = Fields::shown(digest);
            descriptor.error("digest", &format!("{found} is neither sha256: and 64 nor sha512: and 128 lower-case hexadecimal digits"))
        };
        let (algorithm, hex) = digest.split_once(':').ok_or_else(wrong)?;
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(wrong()),
        };
        let digest = (algorithm, hex.to_owned());
        DigestSet::new([digest.clone()]).map_err(|_| wrong())?;
        Ok(Self {
            path: None,
            size: descriptor.count("size")?,
            digest,
        })
    }

    /// The file that it is, at its path.
    fn into_file(self) -> ManifestFile {
        let (algorithm, hex) = self.digest;
        let name = || {
            format!("{algorithm}/{hex}")
                .parse()
                .expect("two plain names are a path")
        };
        ManifestFile {
            path: self.path.unwrap_or_else(name),
            size: Some(self.size),
            digest: DigestSet::new([(algorithm, hex)]).expect("checked when it was read"),
        }
    }
}

/// The layers, each with the path of its file if it is one.
fn blobs(artifact: &Fields<'_>) -> Result<Vec<Blob>, SourceError> {
    let layer = |layer: &Fields<'_>| {
        let mut blob = Blob::read(layer)?;
        let is_raw = layer.text("mediaType")?.ends_with(RAW);
        if let Some(annotations) = layer.maybe_object("annotations")?.filter(|_| is_raw) {
            let named = PATHS
                .into_iter()
                .find(|name| annotations.maybe(name).is_some());
            blob.path = named.map(|name| annotations.path(name)).transpose()?;
        }
        Ok(blob)
    };
    artifact.objects("layers")?.iter().map(layer).collect()
}

/// The blobs by their digests, each once: two layers may be the same.
fn named(
    artifact: &Fields<'_>,
    blobs: impl Iterator<Item = Blob>,
) -> Result<Vec<ManifestFile>, SourceError> {
    let mut files: BTreeMap<FilePath, ManifestFile> = BTreeMap::new();
    for blob in blobs {
        let file = Blob { path: None, ..blob }.into_file();
        if let Some(other) = files.get(&file.path)
            && other.size != file.size
        {
            let rule = format!("{} has two sizes, and a blob has one", file.path);
            return Err(artifact.error("layers", &rule));
        }
        files.insert(file.path.clone(), file);
    }
    Ok(files.into_values().collect())
}
