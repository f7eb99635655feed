//! What the files of a release are: by their names, and by what they hold.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use candor_core::weights::FilePath;
use candor_formats::{Format, FormatError, Pickles, SourceError, pickles, read};

use super::{Policy, Rule};
use crate::hashing::{FileError, OpenFile};

/// How files end that are pickles by their names, beside those of `PyTorch`.
const PICKLE_ENDINGS: [&str; 6] = ["cloudpickle", "dill", "joblib", "pickle", "pk", "pt2"];

/// How files of weights end whose format is none that is read here, and so none that a policy can list.
const OTHER_ENDINGS: [&str; 12] = [
    "h5", "hdf5", "keras", "mar", "mlmodel", "msgpack", "nemo", "ot", "params", "pb", "pdparams",
    "tflite",
];

/// What was seen of the files of a folder, as they were hashed.
#[derive(Debug, Default)]
pub struct FilesSeen(Mutex<BTreeMap<FilePath, Seen>>);

/// What was seen of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether there is a pickle in it.
    pub(super) pickles: Pickles,
    /// Why it is not what its name says, if it is not.
    pub(super) misnamed: Option<String>,
}

impl FilesSeen {
    /// Looks at a file for what `policy` asks of it.
    pub fn look(&self, policy: &Policy, path: &FilePath, file: &OpenFile) -> Result<(), FileError> {
        let rules = policy.rules();
        let mut seen = Seen {
            pickles: Pickles::None,
            misnamed: None,
        };
        if rules.contains(&Rule::Pickle) {
            seen.pickles = pickles(file).map_err(|error| file.error_of(error))?;
        }
        if rules.contains(&Rule::Formats)
            && let Some(format) = Format::of(path.as_str())
        {
            seen.misnamed = match read(format, file) {
                Err(FormatError::Source(SourceError::Io(error))) => {
                    return Err(file.error_of(error));
                }
                Err(error) => Some(error.to_string()),
                Ok(_) => None,
            };
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.clone(), seen);
        Ok(())
    }

    /// All that was seen so far.
    pub fn take(&self) -> BTreeMap<FilePath, Seen> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *all)
    }
}

/// Whether a file is a pickle by its name.
pub(super) fn is_named_as_pickle(path: &FilePath) -> bool {
    Format::of(path.as_str()) == Some(Format::Pytorch) || ends_in(path, &PICKLE_ENDINGS)
}

/// Whether a file is one of weights by its name, in a format that no policy can list.
pub(super) fn is_named_as_other_weights(path: &FilePath) -> bool {
    ends_in(path, &PICKLE_ENDINGS) || ends_in(path, &OTHER_ENDINGS)
}

fn ends_in(path: &FilePath, endings: &[&str]) -> bool {
    let ending = path.as_str().rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|it| endings.iter().any(|known| it.eq_ignore_ascii_case(known)))
}
