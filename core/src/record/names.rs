//! Names of publishers, models and releases: `meta-ai`, `meta-ai/opt-125m`, `meta-ai/opt-125m@1.0.0`.
//!
//! All are lower-case ASCII, so that no two look alike and none depends on a file system's idea of case.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name of a publisher: 1 to 64 of `a-z 0-9 -`, not beginning or ending with `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PublisherName(String);

/// `publisher/model`; the model has 1 to 96 of `a-z 0-9 . _ -`, beginning and ending with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ModelName {
    publisher: PublisherName,
    model: String,
}

/// The part of a release's name behind `@`: 1 to 64 of `a-z 0-9 . _ + -`, beginning and ending with a letter
/// or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(String);

/// `publisher/model@version`: a release, or a version of an API.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReleaseName {
    model: ModelName,
    version: Version,
}

/// Why text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A character that names don't have.
    #[error("{what} {found:?} has {character:?} (U+{code:04X}); allowed are {allowed}")]
    Character {
        /// Which part.
        what: &'static str,
        /// The part as given.
        found: String,
        /// The first character that is not allowed.
        character: char,
        /// Its code point.
        code: u32,
        /// What is.
        allowed: &'static str,
    },
    /// Empty or too long.
    #[error("{what} {found:?} has {chars} characters, and may have 1 to {chars_max}")]
    Length {
        /// Which part.
        what: &'static str,
        /// The part as given, shortened.
        found: String,
        /// How many it has.
        chars: usize,
        /// How many it may have.
        chars_max: usize,
    },
    /// Begins or ends with punctuation.
    #[error("{what} {found:?} must begin and end with a letter or a digit")]
    Edge {
        /// Which part.
        what: &'static str,
        /// The part as given.
        found: String,
    },
    /// A part is missing.
    #[error("{found:?} is not of the form {form}")]
    Form {
        /// The text, shortened.
        found: String,
        /// What it should look like.
        form: &'static str,
    },
}

/// What one part of a name may hold.
struct Part {
    what: &'static str,
    chars_max: usize,
    punctuation: &'static [u8],
    allowed: &'static str,
}

const PUBLISHER: Part = Part {
    what: "the publisher",
    chars_max: 64,
    punctuation: b"-",
    allowed: "a-z, 0-9 and -",
};
const MODEL: Part = Part {
    what: "the model",
    chars_max: 96,
    punctuation: b"._-",
    allowed: "a-z, 0-9 and . _ -",
};
const VERSION: Part = Part {
    what: "the version",
    chars_max: 64,
    punctuation: b"._+-",
    allowed: "a-z, 0-9 and . _ + -",
};

impl Part {
    fn check(&self, text: &str) -> Result<String, NameError> {
        let shortened = || text.chars().take(100).collect::<String>();
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_allowed =
            |c: char| is_plain(c) || u8::try_from(c).is_ok_and(|b| self.punctuation.contains(&b));
        if let Some(character) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(NameError::Character {
                what: self.what,
                found: shortened(),
                character,
                code: character.into(),
                allowed: self.allowed,
            });
        }
        if text.is_empty() || text.len() > self.chars_max {
            return Err(NameError::Length {
                what: self.what,
                found: shortened(),
                chars: text.len(),
                chars_max: self.chars_max,
            });
        }
        if !text.starts_with(is_plain) || !text.ends_with(is_plain) {
            return Err(NameError::Edge {
                what: self.what,
                found: shortened(),
            });
        }
        Ok(text.to_owned())
    }
}

impl PublisherName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ModelName {
    /// Joins the two parts.
    pub fn new(publisher: PublisherName, model: &str) -> Result<Self, NameError> {
        Ok(Self {
            publisher,
            model: MODEL.check(model)?,
        })
    }

    /// Whose model it is.
    pub fn publisher(&self) -> &PublisherName {
        &self.publisher
    }

    /// The part behind the slash.
    pub fn model(&self) -> &str {
        &self.model
    }
}

impl Version {
    /// The version.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ReleaseName {
    /// Joins the two parts.
    pub fn new(model: ModelName, version: Version) -> Self {
        Self { model, version }
    }

    /// Which model.
    pub fn model(&self) -> &ModelName {
        &self.model
    }

    /// Whose model.
    pub fn publisher(&self) -> &PublisherName {
        &self.model.publisher
    }

    /// Which version of it.
    pub fn version(&self) -> &Version {
        &self.version
    }
}

fn form_error(text: &str, form: &'static str) -> NameError {
    NameError::Form {
        found: text.chars().take(200).collect(),
        form,
    }
}

impl FromStr for PublisherName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        PUBLISHER.check(text).map(Self)
    }
}

impl FromStr for Version {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        VERSION.check(text).map(Self)
    }
}

impl FromStr for ModelName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (publisher, model) = text
            .split_once('/')
            .ok_or_else(|| form_error(text, "publisher/model, as in meta-ai/opt-125m"))?;
        Self::new(publisher.parse()?, model)
    }
}

impl FromStr for ReleaseName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let form = || {
            form_error(
                text,
                "publisher/model@version, as in meta-ai/opt-125m@1.0.0",
            )
        };
        let (model, version) = text.split_once('@').ok_or_else(form)?;
        Ok(Self::new(model.parse()?, version.parse()?))
    }
}

impl fmt::Display for PublisherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.publisher, self.model)
    }
}

impl fmt::Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.model, self.version)
    }
}

/// Names are text in JSON, and are checked when they are read.
macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(PublisherName, ModelName, Version, ReleaseName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_they_were_written() {
        for name in [
            "meta-ai/opt-125m@1.0.0",
            "eleutherai/pythia-6.9b@step143000",
            "a/b@c",
            "x/y_z.w@2026-05-01+r1",
        ] {
            assert_eq!(name.parse::<ReleaseName>().expect(name).to_string(), name);
        }
    }

    #[test]
    fn names_that_could_be_taken_for_others_are_refused() {
        for name in [
            "",
            "meta-ai",
            "meta-ai/opt",
            "meta-ai@1",
            "Meta-AI/opt@1",
            "m\u{435}ta-ai/opt@1",
            "meta-ai/opt\u{200b}@1",
            "meta-ai/opt@1\n",
            "-meta/opt@1",
            "meta-ai/../opt@1",
            "meta-ai/.opt@1",
            "meta-ai/opt@",
            "a/b/c@1",
            "a/b@c@d",
            "meta_ai/opt@1",
            " a/b@1",
        ] {
            assert!(name.parse::<ReleaseName>().is_err(), "{name:?}");
        }
        let cyrillic = "m\u{435}ta-ai"
            .parse::<PublisherName>()
            .expect_err("looks like meta-ai")
            .to_string();
        assert!(cyrillic.contains("U+0435"), "{cyrillic}");
        assert!("a".repeat(64).parse::<PublisherName>().is_ok());
        assert!("a".repeat(65).parse::<PublisherName>().is_err());
    }
}
