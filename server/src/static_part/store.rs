//! Objects by their names: written, compared, removed; and the one that changes, the checkpoint.
//!
//! Always: an object is whole and durable once it is written, or not there. The checkpoint is replaced only as
//! the one that was read: in a bucket by its `ETag`, in a folder under a lock. So it never goes back,
//! also where two servers write at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, UpdateVersion,
};

use super::error::StaticPartError;

/// The one object that changes.
const CHECKPOINT: &str = "checkpoint";

/// In a copy of a log: when its entries were accepted, 8 bytes for each (a big-endian `i64` of milliseconds since 1970;
/// the least one where nobody knows). It is no part of what the log signed.
pub(super) const ACCEPTED: &str = "accepted-ms";

/// The bytes of a time in it.
pub(super) const ACCEPTED_BYTES: usize = 8;

/// Held in a folder while its checkpoint is replaced. No web server shows files whose names begin with a dot, or
/// it does no harm: it is empty.
const LOCK: &str = ".checkpoint-lock";

/// How long to wait for it.
const LOCK_TIME_MAX: Duration = Duration::from_secs(10);

/// How long to wait before it is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Where objects are kept.
#[derive(Debug)]
pub(super) struct Store {
    /// For people.
    location: String,
    objects: Arc<dyn ObjectStore>,
    /// In a folder: what is locked. It has neither attributes nor conditions.
    lock: Option<PathBuf>,
    /// In a folder: where it is, and which it was when it was opened.
    place: Option<(PathBuf, FolderId)>,
}

/// What tells a folder from every other: the device that it is on, and its number there.
type FolderId = (u64, u64);

/// An object that never changes, and how it is served.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Below the log's address.
    pub(super) name: String,
    /// What it is.
    pub(super) media_type: String,
    /// Whether browsers must not show it: somebody else's bytes.
    pub(super) is_download: bool,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// What was done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It was not there.
    New,
    /// What was there was something else.
    Mended,
    /// It was there.
    AsItWas,
}

/// What is read of an object.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) bytes: Vec<u8>,
    /// Where the store says it.
    pub(super) media_type: Option<String>,
    version: UpdateVersion,
}

/// The checkpoint that is there, and what tells it from every other.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) text: Vec<u8>,
    version: UpdateVersion,
}

impl Store {
    /// A folder of files.
    pub(super) fn folder(
        location: String,
        objects: Arc<dyn ObjectStore>,
        folder: &FilePath,
    ) -> std::io::Result<Self> {
        Ok(Self {
            location,
            objects,
            lock: Some(folder.join(LOCK)),
            place: Some((folder.to_owned(), id_of(folder)?)),
        })
    }

    /// A store with attributes and conditions.
    pub(super) fn objects(location: String, objects: Arc<dyn ObjectStore>) -> Self {
        Self {
            location,
            objects,
            lock: None,
            place: None,
        }
    }

    /// Says whether a folder still is the one that was opened: what is written where one was mounted or removed is
    /// written elsewhere than people read.
    pub(super) fn check_place(&self) -> Result<(), StaticPartError> {
        let Some((folder, opened)) = &self.place else {
            return Ok(());
        };
        if id_of(folder).is_ok_and(|found| found == *opened) {
            return Ok(());
        }
        Err(StaticPartError::Replaced {
            location: self.location.clone(),
        })
    }

    /// For people.
    pub(super) fn location(&self) -> &str {
        &self.location
    }

    /// Puts an object there, whatever is there.
    pub(super) async fn put(&self, object: Object) -> Result<(), StaticPartError> {
        let cache = "public, max-age=31536000, immutable";
        let mut attributes = self.attributes(&object.media_type, cache);
        if object.is_download && self.lock.is_none() {
            attributes.insert(Attribute::ContentDisposition, "attachment".into());
        }
        let options = PutOptions {
            attributes,
            ..PutOptions::default()
        };
        let (path, payload) = (path(&object.name), PutPayload::from(object.bytes));
        self.objects
            .put_opts(&path, payload, options)
            .await
            .map_err(|error| self.failed("write", &object.name, error))?;
        Ok(())
    }

    /// Puts [`ACCEPTED`] there, which grows with the log.
    pub(super) async fn put_accepted(&self, bytes: Vec<u8>) -> Result<(), StaticPartError> {
        let options = PutOptions {
            attributes: self.attributes("application/octet-stream", "no-cache"),
            ..PutOptions::default()
        };
        let (path, payload) = (path(ACCEPTED), PutPayload::from(bytes));
        self.objects
            .put_opts(&path, payload, options)
            .await
            .map_err(|error| self.failed("write", ACCEPTED, error))?;
        Ok(())
    }

    /// Puts an object there, unless it is there just so.
    pub(super) async fn put_if_other(&self, object: Object) -> Result<Written, StaticPartError> {
        let there = self.read(&object.name).await?.map(|read| read.bytes);
        match there {
            Some(there) if there == object.bytes => Ok(Written::AsItWas),
            Some(_) => self.put(object).await.map(|()| Written::Mended),
            None => self.put(object).await.map(|()| Written::New),
        }
    }

    /// Removes what is in the folder `name`, and says how many objects that were.
    pub(super) async fn remove_all_in(&self, name: &str) -> Result<usize, StaticPartError> {
        let found: Vec<_> = self
            .objects
            .list(Some(&path(name)))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(|error| self.failed("list", name, error))?;
        for object in &found {
            match self.objects.delete(object).await {
                // Another server was faster.
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(self.failed("delete", object.as_ref(), error)),
            }
        }
        Ok(found.len())
    }

    /// The checkpoint that is there.
    pub(super) async fn checkpoint(&self) -> Result<Option<Shown>, StaticPartError> {
        let read = self.read(CHECKPOINT).await?;
        Ok(read.map(|read| Shown {
            text: read.bytes,
            version: read.version,
        }))
    }

    /// Replaces the checkpoint if it still is `seen`; else returns false.
    pub(super) async fn replace_checkpoint(
        &self,
        seen: Option<&Shown>,
        text: &str,
    ) -> Result<bool, StaticPartError> {
        // In a folder, whoever writes holds the lock and has read under it: see `lock`.
        let mode = match seen {
            _ if self.lock.is_some() => PutMode::Overwrite,
            None => PutMode::Create,
            Some(seen) => PutMode::Update(seen.version.clone()),
        };
        let options = PutOptions {
            mode,
            attributes: self.attributes("text/plain; charset=utf-8", "no-cache"),
            ..PutOptions::default()
        };
        let payload = PutPayload::from(text.as_bytes().to_vec());
        match self
            .objects
            .put_opts(&path(CHECKPOINT), payload, options)
            .await
        {
            Ok(_) => Ok(true),
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("write", CHECKPOINT, error)),
        }
    }

    /// In a folder, waits until nobody else replaces the checkpoint, which takes no time to speak of; elsewhere there is
    /// nothing to wait for.
    pub(super) async fn lock(&self) -> Result<Option<File>, StaticPartError> {
        let Some(path) = self.lock.clone() else {
            return Ok(None);
        };
        let locked = lock_file(&path).await;
        let locked = locked.map_err(|error| StaticPartError::Lock {
            location: self.location.clone(),
            path,
            error,
        })?;
        Ok(Some(locked))
    }

    /// An object, if it is there.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Read>, StaticPartError> {
        let failed = |error| self.failed("read", name, error);
        let got = match self.objects.get(&path(name)).await {
            Ok(got) => got,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let version = UpdateVersion {
            e_tag: got.meta.e_tag.clone(),
            version: got.meta.version.clone(),
        };
        let media_type = got.attributes.get(&Attribute::ContentType);
        let media_type = media_type.map(|media_type| media_type.to_string());
        let bytes = got.bytes().await.map_err(failed)?;
        Ok(Some(Read {
            bytes: bytes.into(),
            media_type,
            version,
        }))
    }

    /// A part of an object, if it is there; less of it, if it ends before.
    pub(super) async fn read_range(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, StaticPartError> {
        let meta = match self.objects.head(&path(name)).await {
            Ok(meta) => meta,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed("read", name, error)),
        };
        let end = range.end.min(meta.size);
        if range.start >= end {
            return Ok(Some(Vec::new()));
        }
        let read = self.objects.get_range(&path(name), range.start..end).await;
        let read = read.map_err(|error| self.failed("read", name, error))?;
        Ok(Some(read.into()))
    }

    /// As candor-server's own answers have them. Files have none; their server says it for them.
    fn attributes(&self, media_type: &str, cache_control: &'static str) -> Attributes {
        if self.lock.is_some() {
            return Attributes::new();
        }
        Attributes::from_iter([
            (Attribute::ContentType, media_type.to_owned()),
            (Attribute::CacheControl, cache_control.to_owned()),
        ])
    }

    fn failed(&self, verb: &'static str, name: &str, error: Error) -> StaticPartError {
        StaticPartError::Store {
            location: self.location.clone(),
            verb,
            name: name.to_owned(),
            error,
        }
    }
}

/// The times in a part of [`ACCEPTED`].
pub(super) fn accepted_of(bytes: &[u8]) -> Vec<Option<i64>> {
    let (times, _) = bytes.as_chunks::<ACCEPTED_BYTES>();
    let times = times.iter().map(|time| i64::from_be_bytes(*time));
    times
        .map(|time| (time != i64::MIN).then_some(time))
        .collect()
}

/// The bytes of times in [`ACCEPTED`].
pub(super) fn bytes_of_accepted(times: impl IntoIterator<Item = Option<i64>>) -> Vec<u8> {
    let times = times.into_iter().map(|time| time.unwrap_or(i64::MIN));
    times.flat_map(i64::to_be_bytes).collect()
}

fn id_of(folder: &FilePath) -> std::io::Result<FolderId> {
    let metadata = std::fs::metadata(folder)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn path(name: &str) -> Path {
    Path::parse(name).expect("names of tiles, bundles and digests are plain")
}

/// Tries again and again, for a while: a program that stands still with the lock must not hold this one up for good.
async fn lock_file(path: &FilePath) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_TIME_MAX => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(TryLockError::WouldBlock) => {
                let held = "another program has held it for 10 seconds";
                return Err(io::Error::new(io::ErrorKind::WouldBlock, held));
            }
        }
    }
}
