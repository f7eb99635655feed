//! Text from strangers in errors, and JSON by its form.

use candor_core::record::from_json;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The most characters of a stranger's text in an error.
const CHARACTERS_MAX: usize = 200;

/// The beginning of `text`.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(CHARACTERS_MAX).collect()
}

/// Reads JSON of a known form, or says in printable text where it is not of it.
pub(crate) fn form<T: DeserializeOwned>(json: Value) -> Result<T, String> {
    from_json(json).map_err(|error| {
        // serde repeats names of unknown fields as they are.
        let text = error.to_string();
        let mut shown = String::new();
        for c in text.chars().take(CHARACTERS_MAX) {
            if c.is_control() || !c.is_ascii() {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
        }
        shown
    })
}
