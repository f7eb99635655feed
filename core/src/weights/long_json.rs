//! Documents that may list hundreds of thousands of things, read into what they list and never into JSON values.
//!
//! Not here: that the JSON was strict. Whoever reads one compares it with its canonical form, which has no key twice, nothing
//! behind the value, and no number that loses digits.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::record::JsonError;

/// Why a document can't be read.
pub(super) enum Unread {
    /// It is no JSON.
    Json(JsonError),
    /// It is JSON, and not of this form.
    Form(String),
}

/// Reads a document.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unread> {
    let text = str::from_utf8(bytes).map_err(|e| {
        Unread::Json(JsonError::NotUtf8 {
            valid_up_to: e.valid_up_to(),
        })
    })?;
    serde_json::from_str(text).map_err(|e| match e.classify() {
        Category::Data => Unread::Form(without_place(&e)),
        Category::Syntax | Category::Eof | Category::Io => {
            Unread::Json(JsonError::Syntax(e.to_string()))
        }
    })
}

/// Reads the items of a list one by one and stops behind the last that there may be: text from strangers would fill the
/// memory if it became JSON values first.
pub(super) fn at_most<'de, T, D>(
    max: usize,
    what: &'static str,
    deserializer: D,
) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Items<T> {
        max: usize,
        what: &'static str,
        of: PhantomData<T>,
    }

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = sequence.next_element()? {
                if items.len() == self.max {
                    let Self { max, what, .. } = self;
                    return Err(A::Error::custom(format!("it lists more than {max} {what}")));
                }
                items.push(item);
            }
            Ok(items)
        }
    }

    let of = PhantomData;
    deserializer.deserialize_seq(Items { max, what, of })
}

/// What is wrong with a document that is JSON. Where, in one that is a single line, helps nobody.
fn without_place(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
