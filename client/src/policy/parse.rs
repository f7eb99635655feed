//! The file: strict TOML, in which nothing is skipped that is not known.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use candor_core::Sha256;
use candor_core::note::{Quorum, WitnessKey};
use candor_core::record::{Kind, PublisherName};
use candor_formats::Format;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{AcceptedPublisher, PickleRule, Policy, RequiredRecords, Witnesses};
use crate::config::reason;

/// The one form of the file that there is.
const VERSION: u64 = 1;

/// The licence that stands for all that have no identifier; which one it is, its name says.
const OTHER: &str = "other";

/// The longest name of a licence.
const LICENSE_BYTES_MAX: usize = 200;

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Option<Spanned<u64>>,
    publishers: Option<Publishers>,
    records: Option<Records>,
    weights: Option<Spanned<Weights>>,
    license: Option<License>,
    witnesses: Option<WitnessSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publishers {
    accepted: Spanned<Vec<Publisher>>,
}

/// A name, or a name with its keys.
struct Publisher(AcceptedPublisher);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Records {
    required: Spanned<Vec<RequiredKind>>,
    evaluations_by: Option<Spanned<Vec<PublisherName>>>,
}

/// A kind of which a release can have a record.
struct RequiredKind(Kind);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weights {
    pickle: Option<PickleRule>,
    formats: Option<Spanned<Vec<Format>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct License {
    accepted: Spanned<Vec<LicenseName>>,
}

/// As it is compared: in lower case.
struct LicenseName(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessSection {
    quorum: Spanned<usize>,
    keys: Vec<Parsed<WitnessKey>>,
    max_age: Option<Age>,
}

struct Age(Duration);

/// What is written as a text.
struct Parsed<T>(T);

impl Policy {
    /// Reads a policy. What is wrong is said with its line, and without repeating it: it may be another file, with a
    /// secret in it.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: File = toml::from_str(text).map_err(|error| PolicyError(reason(text, &error)))?;
        let at = Lines(text);
        if let Some(version) = &file.version
            && *version.get_ref() != VERSION
        {
            return Err(at.error(version, "the version is not 1, which is the only one"));
        }
        let mut policy = Self {
            publishers: None,
            records: None,
            pickle: None,
            formats: None,
            licenses: None,
            witnesses: None,
        };
        if let Some(Publishers { accepted }) = file.publishers {
            policy.publishers = Some(publishers(&accepted, at)?);
        }
        if let Some(section) = file.records {
            policy.records = Some(records(&section, at)?);
        }
        if let Some(section) = file.weights {
            let Weights { pickle, formats } = section.get_ref();
            if pickle.is_none() && formats.is_none() {
                return Err(at.error(
                    &section,
                    "[weights] asks nothing: neither pickle nor formats",
                ));
            }
            policy.pickle = *pickle;
            if let Some(formats) = formats {
                at.check_some(formats)?;
                policy.formats = Some(formats.get_ref().iter().copied().collect());
            }
        }
        if let Some(License { accepted }) = file.license {
            at.check_some(&accepted)?;
            let names = accepted.into_inner().into_iter();
            policy.licenses = Some(names.map(|LicenseName(name)| name).collect());
        }
        if let Some(section) = file.witnesses {
            let keys = section.keys.into_iter().map(|Parsed(key)| key).collect();
            let quorum = Quorum::new(keys, *section.quorum.get_ref());
            policy.witnesses = Some(Witnesses {
                quorum: quorum.map_err(|error| at.error(&section.quorum, &error.to_string()))?,
                max_age: section.max_age.map(|Age(age)| age),
            });
        }
        if policy.rules().is_empty() {
            return Err(PolicyError(
                "it asks nothing: there is no rule in it".to_owned(),
            ));
        }
        Ok(policy)
    }
}

fn publishers(
    accepted: &Spanned<Vec<Publisher>>,
    at: Lines<'_>,
) -> Result<Vec<AcceptedPublisher>, PolicyError> {
    at.check_some(accepted)?;
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for Publisher(publisher) in accepted.get_ref() {
        // Of two that say which keys count, one would be believed.
        if !names.insert(&publisher.name) {
            let twice = format!("{} is accepted twice", publisher.name);
            return Err(at.error(accepted, &twice));
        }
        all.push(publisher.clone());
    }
    Ok(all)
}

fn records(section: &Records, at: Lines<'_>) -> Result<RequiredRecords, PolicyError> {
    at.check_some(&section.required)?;
    let kinds: BTreeSet<_> = section.required.get_ref().iter().map(|it| it.0).collect();
    let mut evaluations_by = BTreeSet::new();
    if let Some(authors) = &section.evaluations_by {
        at.check_some(authors)?;
        if !kinds.contains(&Kind::Evaluation) {
            return Err(at.error(
                authors,
                "whose evaluations count is said, and `required` asks for none: add \"evaluation\" to it",
            ));
        }
        evaluations_by.extend(authors.get_ref().iter().cloned());
    }
    Ok(RequiredRecords {
        kinds,
        evaluations_by,
    })
}

/// Says where in a text something is.
#[derive(Clone, Copy)]
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn error<T>(self, what: &Spanned<T>, words: &str) -> PolicyError {
        let before = self.0.get(..what.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        PolicyError(format!("line {line}: {words}"))
    }

    /// An empty list would refuse everything, which nobody writes a list for.
    fn check_some<T>(self, list: &Spanned<Vec<T>>) -> Result<(), PolicyError> {
        if list.get_ref().is_empty() {
            return Err(self.error(
                list,
                "the list is empty, and nothing would do: leave the rule out, or fill it",
            ));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Publisher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            name: PublisherName,
            keys: Vec<Sha256>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Publisher;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a publisher's name, or { name = \"…\", keys = [\"…\"] }")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Publisher, E> {
                let name = name.parse().map_err(E::custom)?;
                let keys = Vec::new();
                Ok(Publisher(AcceptedPublisher { name, keys }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Publisher, A::Error> {
                let Table { name, keys } = Table::deserialize(MapAccessDeserializer::new(map))?;
                if keys.is_empty() {
                    return Err(A::Error::custom(
                        "the list of keys is empty, and no signature would do",
                    ));
                }
                Ok(Publisher(AcceptedPublisher { name, keys }))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for RequiredKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parsed(kind) = Parsed::<Kind>::deserialize(deserializer)?;
        match kind {
            Kind::ModelCard
            | Kind::Weights
            | Kind::TrainingConfig
            | Kind::ApiVersion
            | Kind::Evaluation => Ok(Self(kind)),
            Kind::Publisher | Kind::Withdrawal => Err(D::Error::custom(format!(
                "a {kind} record can't be asked of a release: of model-card, weights, training-config, api-version and evaluation"
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for LicenseName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.to_lowercase();
        let is_plain = !name.is_empty()
            && name.len() <= LICENSE_BYTES_MAX
            && name.trim() == name
            && !name.contains(char::is_control);
        if !is_plain {
            return Err(D::Error::custom(
                "a licence is the identifier that cards have, such as \"apache-2.0\", or \"other:NAME\"",
            ));
        }
        if name.trim_end_matches(':') == OTHER {
            return Err(D::Error::custom(
                "\"other\" stands for any licence at all: write \"other:NAME\", with the card's license_name",
            ));
        }
        Ok(Self(name))
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match humantime::parse_duration(&text) {
            Ok(age) if age.as_secs() > 0 => Ok(Self(age)),
            Ok(_) | Err(_) => Err(D::Error::custom(
                "an age is a time such as \"12h\" or \"30 days\", of a second at least",
            )),
        }
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);
        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
            type Value = Parsed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Parsed<T>, E> {
                text.parse().map(Parsed).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text(PhantomData))
    }
}

/// The licence of a card as it is compared: its identifier; of one without, its name.
pub(super) fn license_of(license: &str, name: Option<&str>) -> String {
    let license = license.to_lowercase();
    match name {
        Some(name) if license == OTHER => format!("{OTHER}:{}", name.to_lowercase()),
        _ => license,
    }
}
