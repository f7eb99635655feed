//! Objects that are kept in memory, and a store of them that fails when it is told to.
//!
//! Always, or the test fails: nothing is written over with other bytes save the checkpoint, that never goes back, and
//! all that its tree needs is there before it.

use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use axum::body::Bytes;
use candor_core::merkle::{EntryBundlePath, TileIndex, TilePath, TreeSize};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

/// What is done with a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    /// It is done.
    #[default]
    Good,
    /// It fails.
    Fails,
    /// It is done, and is said to have failed.
    FailsAndWrites,
}

#[derive(Debug, Default)]
pub(super) struct Objects {
    inner: InMemory,
    /// How tiles, bundles and attachments fare.
    others: Mutex<Mood>,
    /// How the checkpoint fares.
    checkpoint: Mutex<Mood>,
    /// Held while something is written, so that it is compared with what it replaces.
    writing: tokio::sync::Mutex<()>,
    /// What should never be.
    wrongs: Mutex<Vec<String>>,
}

impl Objects {
    pub(super) fn set_objects(&self, mood: Mood) {
        *self.others.lock().expect("no test panics here") = mood;
    }

    pub(super) fn set_checkpoint(&self, mood: Mood) {
        *self.checkpoint.lock().expect("no test panics here") = mood;
    }

    /// The size of the tree whose checkpoint is there.
    pub(super) async fn size(&self) -> Option<u64> {
        let got = self.inner.get(&"checkpoint".into()).await.ok()?;
        let text = got.bytes().await.expect("it is in memory");
        Some(size_of(&text).get())
    }

    /// The names of all objects.
    pub(super) async fn names(&self) -> Vec<String> {
        let found = self.inner.list(None).collect::<Vec<_>>().await;
        let found = found.into_iter().map(|it| it.expect("it is in memory"));
        found.map(|it| it.location.to_string()).collect()
    }

    /// What should never have been.
    pub(super) fn wrongs(&self) -> Vec<String> {
        self.wrongs.lock().expect("no test panics here").clone()
    }

    #[track_caller]
    pub(super) fn assert_right(&self) {
        let wrongs = self.wrongs();
        assert!(wrongs.is_empty(), "{wrongs:#?}");
    }

    /// What would be wrong with writing `bytes` now.
    async fn wrongs_of(&self, location: &Path, bytes: &Bytes) -> Vec<String> {
        let there = match self.inner.get(location).await {
            Ok(there) => Some(there.bytes().await.expect("it is in memory")),
            Err(_) => None,
        };
        let mut wrongs = Vec::new();
        if location.as_ref() == "checkpoint" {
            let size = size_of(bytes);
            if there.is_some_and(|there| size_of(&there) > size) {
                wrongs.push(format!("the checkpoint goes back to {size}"));
            }
            let tiles = TilePath::all_in_tree(size).map(|path| path.to_string());
            let bundles = (0..)
                .map_while(|index| EntryBundlePath::in_tree(TileIndex::new(index), size))
                .map(|path| path.to_string());
            for name in tiles.chain(bundles) {
                if self.inner.head(&name.as_str().into()).await.is_err() {
                    wrongs.push(format!("{name} is missing at {size}"));
                }
            }
        } else if there.is_some_and(|there| there != *bytes) {
            wrongs.push(format!("{location} is written over"));
        }
        wrongs
    }
}

fn size_of(checkpoint: &[u8]) -> TreeSize {
    let text = String::from_utf8_lossy(checkpoint);
    let line = text.lines().nth(1).expect("a checkpoint has a size");
    TreeSize::new(line.parse().expect("a number"))
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects in memory")
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let mood = if location.as_ref() == "checkpoint" {
            &self.checkpoint
        } else {
            &self.others
        };
        let mood = *mood.lock().expect("no test panics here");
        let failed = || Error::Generic {
            store: "memory",
            source: "it was told to fail".into(),
        };
        if mood == Mood::Fails {
            return Err(failed());
        }
        let bytes = Bytes::from(payload.clone());
        let _one = self.writing.lock().await;
        let wrongs = self.wrongs_of(location, &bytes).await;
        let put = self.inner.put_opts(location, payload, options).await?;
        let mut all = self.wrongs.lock().expect("no test panics here");
        all.extend(wrongs);
        if mood == Mood::FailsAndWrites {
            return Err(failed());
        }
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
