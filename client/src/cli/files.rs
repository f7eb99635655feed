//! Reading files with a limit, and writing them so that no half of one is left.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use candor_core::bundle::{BUNDLE_BYTES_MAX, Bundle};
use candor_core::record::ReleaseName;

use super::error::CliError;
use crate::keys::KeyError;

/// Reads a file of at most `bytes_max` bytes.
pub fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    let file = File::open(path).map_err(CliError::file(path))?;
    let metadata = file.metadata().map_err(CliError::file(path))?;
    if metadata.is_dir() {
        return Err(CliError::Form {
            path: path.to_owned(),
            what: "is a folder, and should be a file".to_owned(),
            hint: "name the file",
        });
    }
    // A guess: the file may be a pipe, or grow.
    let expected = usize::try_from(metadata.len()).unwrap_or(bytes_max);
    let mut bytes = Vec::with_capacity(expected.min(bytes_max) + 1);
    file.take(bytes_max as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(CliError::file(path))?;
    if bytes.len() > bytes_max {
        return Err(CliError::FileTooLong {
            path: path.to_owned(),
            bytes_max,
        });
    }
    Ok(bytes)
}

/// Writes a file, in place of what is there. It is complete or not there, also after a crash.
///
/// What is there and is no file, such as a pipe or `/dev/null`, is written to as it is: to put a file in its place
/// would take it away from everybody else.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    // Of a link, the file that it leads to is written, and the link stays.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return File::options()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(CliError::file(path));
    }
    let name = path.file_name().ok_or_else(|| CliError::Form {
        path: path.clone(),
        what: "names no file".to_owned(),
        hint: "name the file to write",
    })?;
    // A name that nobody can foresee, and never a file that is there: in a folder that others write to, they
    // could have put a link in its place, which leads to a file of ours.
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(KeyError::Randomness)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.new", hex::encode(random)));
    let new = path.with_file_name(hidden);
    let mut file = File::create_new(&new).map_err(CliError::file(path))?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, path));
    written.map_err(|error| {
        // What is left of the attempt is of no use to anybody.
        let _ = fs::remove_file(&new);
        CliError::file(path)(error)
    })
}

/// Reads a bundle, which proves nothing before it is verified.
pub fn read_bundle(path: &Path) -> Result<Bundle, CliError> {
    parse_bundle(path, &read(path, BUNDLE_BYTES_MAX)?)
}

/// The same from the bytes of a file.
pub fn parse_bundle(path: &Path, bytes: &[u8]) -> Result<Bundle, CliError> {
    Bundle::parse(bytes).map_err(|error| CliError::Bundle {
        path: path.to_owned(),
        error: Box::new(error),
    })
}

/// Where the bundle of `release` goes when nobody says.
pub fn bundle_path(release: &ReleaseName) -> PathBuf {
    PathBuf::from(format!(
        "{}-{}.candor",
        release.model().model(),
        release.version()
    ))
}

/// Refuses to overwrite a file, whatever is in it: it may be the only copy of a key. Pipes and devices are there to be
/// written into.
pub fn check_new(path: &Path) -> Result<(), CliError> {
    if path.is_file() {
        return Err(CliError::FileExists {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Whether two paths lead to one file, be it there or still to be made.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = fs::canonicalize(dir.unwrap_or(Path::new("."))).ok()?;
        Some(dir.join(path.file_name()?))
    };
    one == other || place(one).is_some_and(|it| place(other) == Some(it))
}

/// Refuses to overwrite anything but an earlier bundle of the same release.
pub fn check_bundle_path(path: &Path, release: &ReleaseName) -> Result<(), CliError> {
    if !path.exists() {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        return match dir {
            Some(dir) if !dir.is_dir() => Err(CliError::Form {
                path: dir.to_owned(),
                what: "is no folder, and the bundle should go there".to_owned(),
                hint: "make the folder first, or name another place for the bundle with `--out FILE`",
            }),
            _ => Ok(()),
        };
    }
    match read_bundle(path) {
        Ok(bundle) if bundle.release == *release => Ok(()),
        Ok(_) | Err(_) => Err(CliError::FileExists {
            path: path.to_owned(),
        }),
    }
}
