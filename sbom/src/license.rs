//! SPDX licence identifiers and expressions, out of what a card says.
//!
//! ```text
//! apache-2.0                    ─► Id("Apache-2.0")              the list's own spelling
//! MIT OR Apache-2.0             ─► Expression, as written
//! other, "OPT License", link    ─► Named("OPT License")
//! openrail                      ─► Named("openrail")             nothing is guessed
//! ```
//!
//! An expression with a `LicenseRef-…` is a name too: nobody could look up what it refers to.

use candor_core::record::kinds::ModelCard;
use spdx::identifiers::LICENSES;
use spdx::{AdditionItem, Expression, LicenseItem};

/// A card's licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum License {
    /// On SPDX's list.
    Id(&'static str),
    /// Put together from those that are.
    Expression(String),
    /// Anything else, by its name.
    Named(String),
}

/// The version of SPDX's list that identifiers are looked up in.
pub(crate) fn list_version() -> &'static str {
    spdx::license_version()
}

impl License {
    /// What the card says, if it says something.
    pub(crate) fn of(card: &ModelCard) -> Option<Self> {
        let stated = card.license.as_deref().filter(|it| *it != "other");
        let Some(stated) = stated else {
            let name = card.license_name.as_ref().or(card.license.as_ref())?;
            return Some(Self::Named(name.clone()));
        };
        // The Hub writes all of them in lower case.
        let listed = LICENSES
            .iter()
            .find(|it| it.name.eq_ignore_ascii_case(stated) && !is_no_license(it.name));
        if let Some(listed) = listed {
            return Some(Self::Id(listed.name));
        }
        if is_listed_expression(stated) {
            return Some(Self::Expression(stated.to_owned()));
        }
        let name = card.license_name.as_deref().unwrap_or(stated);
        Some(Self::Named(name.to_owned()))
    }
}

/// What the parser's list has and SPDX's own has not: the word for that nobody looked, and parts of other identifiers.
fn is_no_license(name: &str) -> bool {
    name == "NOASSERTION" || name.starts_with("GFDL-") && name.ends_with("invariants")
}

fn is_listed_expression(text: &str) -> bool {
    Expression::parse(text).is_ok_and(|expression| {
        expression.requirements().all(|it| {
            let is_listed = match &it.req.license {
                LicenseItem::Spdx { id, .. } => !is_no_license(id.name),
                LicenseItem::Other(_) => false,
            };
            let addition = it.req.addition.as_ref();
            is_listed && !matches!(addition, Some(AdditionItem::Other(_)))
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(license: Option<&str>, name: Option<&str>) -> Option<License> {
        let document = json!({
            "name": "README.md", "mediaType": "text/markdown", "size": 1,
            "digest": { "sha256": "0".repeat(64) },
        });
        let mut card = json!({ "document": document });
        for (field, value) in [("license", license), ("licenseName", name)] {
            if let Some(value) = value {
                card[field] = json!(value);
            }
        }
        License::of(&serde_json::from_value(card).expect("a card"))
    }

    #[test]
    fn a_licence_on_the_list_has_the_lists_spelling() {
        assert_eq!(
            of(Some("apache-2.0"), None),
            Some(License::Id("Apache-2.0"))
        );
        assert_eq!(of(Some("MIT"), None), Some(License::Id("MIT")));
        assert_eq!(
            of(Some("cc-by-nc-4.0"), None),
            Some(License::Id("CC-BY-NC-4.0"))
        );
    }

    #[test]
    fn an_expression_is_one_only_if_all_of_it_is_listed() {
        for good in [
            "MIT OR Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "(MIT AND ISC)",
        ] {
            assert_eq!(
                of(Some(good), None),
                Some(License::Expression(good.to_owned()))
            );
        }
        for bad in [
            "MIT OR Llama-9",
            "LicenseRef-Llama",
            "MIT OR LicenseRef-Llama",
            "MIT OR",
            "MIT/ISC",
        ] {
            assert_eq!(of(Some(bad), None), Some(License::Named(bad.to_owned())));
        }
    }

    #[test]
    fn a_licence_that_is_not_listed_keeps_its_name() {
        let named = |name: &str| Some(License::Named(name.to_owned()));
        assert_eq!(of(Some("other"), Some("OPT License")), named("OPT License"));
        assert_eq!(of(Some("other"), None), named("other"));
        assert_eq!(of(None, Some("OPT License")), named("OPT License"));
        assert_eq!(of(Some("openrail"), None), named("openrail"));
        assert_eq!(of(Some("openrail"), Some("Open RAIL")), named("Open RAIL"));
        assert_eq!(
            of(Some("gfdl-1.1-invariants"), None),
            named("gfdl-1.1-invariants")
        );
        assert_eq!(of(Some("noassertion"), None), named("noassertion"));
        assert_eq!(of(None, None), None);
    }
}
