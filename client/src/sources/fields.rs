//! The parts of a JSON object that others wrote, each with its place for messages.

use candor_core::record::{Algorithm, DigestSet};
use candor_core::weights::FilePath;
use serde_json::{Map, Value};

use super::SourceError;
use super::yaml::type_name;

/// How much of a wrong value is shown.
const SHOWN_CHARS_MAX: usize = 100;

/// An object in a file.
pub(super) struct Fields<'a> {
    file: &'a str,
    /// Where it is (RFC 6901).
    pointer: String,
    members: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The object that `value` is; `pointer` says where it is in `file`.
    pub(super) fn new(
        file: &'a str,
        pointer: String,
        value: &'a Value,
    ) -> Result<Self, SourceError> {
        match value {
            Value::Object(members) => Ok(Self {
                file,
                pointer,
                members,
            }),
            other => Err(SourceError::Field {
                file: file.to_owned(),
                pointer,
                rule: format!("should be an object, and is {}", type_name(other)),
            }),
        }
    }

    /// Why the field `name` is refused.
    pub(super) fn error(&self, name: &str, rule: &str) -> SourceError {
        // The names are those of formats, without `/` and `~`, which would be escaped.
        SourceError::Field {
            file: self.file.to_owned(),
            pointer: format!("{}/{name}", self.pointer),
            rule: rule.to_owned(),
        }
    }

    /// A field that may be absent, or null.
    pub(super) fn maybe(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn required(&self, name: &str) -> Result<&'a Value, SourceError> {
        self.maybe(name)
            .ok_or_else(|| self.error(name, "is not there"))
    }

    /// A text that may be absent.
    pub(super) fn maybe_text(&self, name: &str) -> Result<Option<&'a str>, SourceError> {
        let text = |value: &'a Value| {
            let rule = || format!("should be text, and is {}", type_name(value));
            value.as_str().ok_or_else(|| self.error(name, &rule()))
        };
        self.maybe(name).map(text).transpose()
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, SourceError> {
        self.required(name)?;
        Ok(self.maybe_text(name)?.unwrap_or_default())
    }

    /// A whole number from 0 on.
    pub(super) fn count(&self, name: &str) -> Result<u64, SourceError> {
        let value = self.required(name)?;
        value
            .as_u64()
            .ok_or_else(|| self.error(name, "should be a whole number from 0 on"))
    }

    /// An object that may be absent.
    pub(super) fn maybe_object(&self, name: &str) -> Result<Option<Self>, SourceError> {
        let object = |value| Self::new(self.file, format!("{}/{name}", self.pointer), value);
        self.maybe(name).map(object).transpose()
    }

    /// An object.
    pub(super) fn object(&self, name: &str) -> Result<Self, SourceError> {
        let value = self.required(name)?;
        Self::new(self.file, format!("{}/{name}", self.pointer), value)
    }

    /// A list of objects.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Self>, SourceError> {
        let value = self.required(name)?;
        let rule = || format!("should be a list, and is {}", type_name(value));
        let list = value.as_array().ok_or_else(|| self.error(name, &rule()))?;
        let object =
            |(n, value)| Self::new(self.file, format!("{}/{name}/{n}", self.pointer), value);
        list.iter().enumerate().map(object).collect()
    }

    /// A path inside a release.
    pub(super) fn path(&self, name: &str) -> Result<FilePath, SourceError> {
        let path = self.text(name)?.parse::<FilePath>();
        path.map_err(|error| self.error(name, &error.to_string()))
    }

    /// A digest by `algorithm`.
    pub(super) fn digest(
        &self,
        name: &str,
        algorithm: Algorithm,
    ) -> Result<DigestSet, SourceError> {
        let digest = DigestSet::new([(algorithm, self.text(name)?.to_owned())]);
        digest.map_err(|error| self.error(name, &error.to_string()))
    }

    /// A wrong value, bounded, for messages.
    pub(super) fn shown(text: &str) -> String {
        let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
        format!("{shown:?}")
    }
}
