//! A release, a target folder, and how one is fetched into the other.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use candor_core::Sha256;
use candor_core::digest::Sha256Stream;
use candor_core::merkle::LeafHash;
use candor_core::record::DigestSet;
use candor_core::weights::{CHUNK_BYTES, ChunkList, Manifest, ManifestFile};
use candor_fetch::{
    FetchError, Options, Outcome, Patience, Plan, Source, Stopped, WORK_FOLDER, fetch,
};
use tempfile::TempDir;

use crate::server::{Content, Server};

/// A chunk.
pub(crate) const CHUNK: u64 = CHUNK_BYTES;

/// As a length in memory.
pub(crate) const CHUNK_LENGTH: usize = 8 << 20;

/// The name of the file where there is one.
pub(crate) const NAME: &str = "model.safetensors";

/// A release and a folder for it.
pub(crate) struct World {
    pub(crate) manifest: Manifest,
    pub(crate) chunks: Option<ChunkList>,
    pub(crate) target: TempDir,
    pub(crate) options: Options,
}

impl World {
    /// Of these files.
    pub(crate) fn of(files: &[(&str, &Content)]) -> Self {
        let mut leaves = Vec::new();
        let mut listed = Vec::new();
        let mut files = files.to_vec();
        files.sort_by_key(|(path, _)| *path);
        for (path, content) in files {
            let (digest, own) = digests(content);
            listed.push(ManifestFile {
                path: path.parse().expect("a path"),
                size: Some(content.size),
                digest: DigestSet::sha256(digest),
            });
            if content.size > CHUNK {
                leaves.extend(own.iter().flat_map(|it| *it.to_hash().as_bytes()));
            }
        }
        let manifest = Manifest::new(listed).expect("a manifest");
        let chunks = (!leaves.is_empty())
            .then(|| ChunkList::parse(&leaves, &manifest).expect("a chunk list"));
        Self {
            manifest,
            chunks,
            target: tempfile::tempdir().expect("a folder"),
            options: Options {
                patience: Patience {
                    connect: Duration::from_secs(5),
                    stall: Duration::from_millis(700),
                    retries: 2,
                    pause: Duration::from_millis(5),
                },
                ..Options::default()
            },
        }
    }

    /// Of one file.
    pub(crate) fn one(content: &Content) -> Self {
        Self::of(&[(NAME, content)])
    }

    pub(crate) fn without_chunks(mut self) -> Self {
        self.chunks = None;
        self
    }

    pub(crate) fn connections(mut self, count: usize) -> Self {
        self.options.connections = NonZeroUsize::new(count).expect("some");
        self
    }

    pub(crate) fn replacing(mut self) -> Self {
        self.options.replace = true;
        self
    }

    pub(crate) fn plan(&self, sources: &[&str]) -> Plan {
        let sources: Vec<Source> = sources
            .iter()
            .map(|it| it.parse().expect("a source"))
            .collect();
        Plan::new(
            &self.manifest,
            self.chunks.as_ref(),
            sources,
            self.target.path().to_owned(),
        )
        .expect("a plan")
    }

    pub(crate) fn fetch(&self, servers: &[&Server]) -> Result<Outcome, Stopped> {
        let urls: Vec<&str> = servers.iter().map(|it| it.url.as_str()).collect();
        self.fetch_from(&urls)
    }

    pub(crate) fn fetch_from(&self, sources: &[&str]) -> Result<Outcome, Stopped> {
        let agent = ureq::Agent::new_with_defaults();
        fetch(&self.plan(sources), &agent, &self.options, &mut |_| {})
    }

    /// Fetches, and expects that it does not end well; prints what its user would read.
    pub(crate) fn error(&self, servers: &[&Server]) -> FetchError {
        let stopped = self.fetch(servers).expect_err("an error");
        println!("{}\n    {}", stopped.error, stopped.error.hint());
        stopped.error
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.target.path().join(name)
    }

    /// Expects that the file is there, is the right one, and that nothing unfinished is left.
    pub(crate) fn check(&self, name: &str, content: &Content) {
        let found = fs::read(self.path(name)).expect("the file is there");
        assert!(found == content.bytes(), "{name} has wrong bytes");
        assert!(!self.path(WORK_FOLDER).exists(), "something is left over");
    }

    /// Expects that nothing has the file's name.
    pub(crate) fn check_absent(&self, name: &str) {
        assert!(!self.path(name).exists(), "{name} is there");
    }

    /// The unfinished files.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path(WORK_FOLDER)) else {
            return Vec::new();
        };
        let paths = entries.map(|it| it.expect("an entry").path());
        paths
            .filter(|it| it.extension().is_some_and(|it| it == "part"))
            .collect()
    }

    /// The only unfinished file, and what is in it.
    pub(crate) fn part(&self) -> (PathBuf, Vec<u8>) {
        let parts = self.parts();
        assert_eq!(parts.len(), 1, "{parts:?}");
        let bytes = fs::read(&parts[0]).expect("it can be read");
        (parts[0].clone(), bytes)
    }

    /// Leaves the beginning of the file, as an earlier fetch would that broke off there.
    pub(crate) fn leave(&self, content: &Content, bytes: u64) {
        let _ = self.error(&[&Server::new({
            let content = content.clone();
            move |asked| match asked.nth {
                0 => crate::server::Reply::whole(&content).cut(bytes),
                _ => crate::server::Reply::status(404),
            }
        })]);
        self.check_absent(NAME);
    }
}

/// A file's digest and leaf hashes.
pub(crate) fn digests(content: &Content) -> (Sha256, Vec<LeafHash>) {
    let mut stream = Sha256Stream::default();
    let mut leaves: Vec<LeafHash> = Vec::new();
    let mut buffer = vec![0; CHUNK_LENGTH];
    let mut at = 0;
    while at < content.size {
        let length = CHUNK.min(content.size - at);
        let piece = &mut buffer[..usize::try_from(length).expect("8 MiB")];
        // The chunks of zeros are all the same.
        let is_known = content.is_zeros && at > 0 && length == CHUNK;
        if !is_known {
            content.fill(at, piece);
        }
        stream.update(piece);
        leaves.push(if is_known {
            leaves[0]
        } else {
            LeafHash::of_bytes(piece)
        });
        at += length;
    }
    (stream.finish(), leaves)
}
