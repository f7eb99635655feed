//! The index of a model in shards, as `transformers` writes it beside them: which tensor is in which file.
//!
//! ```text
//! {"metadata": {"total_size": 90864192}, "weight_map": {"NAME": "model-00001-of-00003.safetensors", …}}
//! ```
//!
//! Not here: whether the files are there, and hold what the index says.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::source::{self, Source, SourceError};
use crate::tensor::{NAME_BYTES_MAX, TENSORS_MAX};

/// The most bytes of an index: some 160 for each of as many tensors as a file may have.
pub const INDEX_BYTES_MAX: u64 = 32 << 20;

/// The most bytes of a file's name in it.
const FILE_BYTES_MAX: usize = 4_096;

/// An index, as its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// By each tensor's name, the file that it is in, from the folder of the index on.
    pub weight_map: BTreeMap<String, String>,
    /// How many bytes the tensors have in all, if it says so in a whole number.
    pub total_size: Option<u64>,
}

/// Why a file is no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Too long.
    #[error("it has {0} bytes, and of an index at most {INDEX_BYTES_MAX} are read")]
    TooLong(u64),
    /// Not JSON, or not of this form.
    #[error("it is no index of a model in shards: {0}")]
    Form(String),
}

impl Index {
    /// Whether a file of this name is an index: `model.safetensors.index.json`, `pytorch_model.bin.index.json`, and with
    /// the name of a variant, as in `model.safetensors.index.fp16.json`.
    pub fn is_named(path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        path.strip_suffix(".json").is_some()
            && [".safetensors.index.", ".bin.index."]
                .iter()
                .any(|part| path.contains(part))
    }

    /// Reads an index.
    pub fn read(source: &dyn Source) -> Result<Self, IndexError> {
        let length = source.bytes();
        if length > INDEX_BYTES_MAX {
            return Err(IndexError::TooLong(length));
        }
        let bytes = source::read(source, 0, length, "the index")?;
        // A list would be taken for the members in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(IndexError::Form("it is no JSON object".to_owned()));
        }
        let read: IndexJson =
            serde_json::from_slice(&bytes).map_err(|error| IndexError::Form(error.to_string()))?;
        let metadata = read.metadata.unwrap_or_default();
        Ok(Self {
            weight_map: read.weight_map.0,
            total_size: metadata.total_size.0,
        })
    }
}

/// What else stands there is not looked at, as in `transformers`.
#[derive(Deserialize)]
struct IndexJson {
    #[serde(default)]
    metadata: Option<Metadata>,
    weight_map: WeightMap,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    total_size: TotalSize,
}

struct WeightMap(BTreeMap<String, String>);

/// Some wrote it as a fraction or as text: what is no whole number is as if it were not there.
#[derive(Default)]
struct TotalSize(Option<u64>);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = WeightMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("files by the names of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<WeightMap, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((name, file)) = members.next_entry::<String, String>()? {
                    if name.len() > NAME_BYTES_MAX || file.len() > FILE_BYTES_MAX {
                        return Err(A::Error::custom(format!(
                            "a tensor's name has at most {NAME_BYTES_MAX} bytes, and a file's {FILE_BYTES_MAX}"
                        )));
                    }
                    if map.len() == TENSORS_MAX {
                        return Err(A::Error::custom(format!(
                            "it has more than {TENSORS_MAX} tensors"
                        )));
                    }
                    // A reader would take the one or the other.
                    if map.contains_key(&name) {
                        return Err(A::Error::custom(format!(
                            "it has the tensor {name:?} twice"
                        )));
                    }
                    map.insert(name, file);
                }
                Ok(WeightMap(map))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for TotalSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = TotalSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes")
            }

            fn visit_u64<E>(self, bytes: u64) -> Result<TotalSize, E> {
                Ok(TotalSize(Some(bytes)))
            }

            fn visit_i64<E>(self, _: i64) -> Result<TotalSize, E> {
                Ok(TotalSize(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<TotalSize, E> {
                Ok(TotalSize(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<TotalSize, E> {
                Ok(TotalSize(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<TotalSize, E> {
                Ok(TotalSize(None))
            }

            fn visit_unit<E>(self) -> Result<TotalSize, E> {
                Ok(TotalSize(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<TotalSize, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TotalSize(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<TotalSize, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(TotalSize(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Index, IndexError> {
        Index::read(&text.as_bytes())
    }

    #[test]
    fn an_index_is_read_as_transformers_writes_it() {
        let index = read(
            r#"{"metadata": {"total_parameters": 2, "total_size": 8},
                "weight_map": {"w": "model-00002-of-00002.safetensors", "v": "model-00001-of-00002.safetensors"}}"#,
        )
        .expect("an index");
        assert_eq!(index.total_size, Some(8));
        assert_eq!(index.weight_map["w"], "model-00002-of-00002.safetensors");
        assert_eq!(index.weight_map.len(), 2);
        for (metadata, total_size) in [
            ("", None),
            (r#""metadata":null,"#, None),
            (r#""metadata":{},"#, None),
            (r#""metadata":{"total_size":8.5},"#, None),
            (r#""metadata":{"total_size":"8"},"#, None),
            (r#""metadata":{"total_size":-8},"#, None),
            (r#""metadata":{"total_size":{"a":[1]}},"#, None),
            (r#""metadata":{"total_size":[8,{}]},"#, None),
            (r#""metadata":{"total_size":null},"#, None),
            (
                r#""metadata":{"total_size":0,"more":[[]]},"more":1,"#,
                Some(0),
            ),
        ] {
            let index = read(&format!(r#"{{{metadata}"weight_map":{{}}}}"#));
            assert_eq!(index.expect(metadata).total_size, total_size, "{metadata}");
        }
    }

    #[test]
    fn what_readers_would_take_in_two_ways_is_no_index() {
        let long = "w".repeat(NAME_BYTES_MAX + 1);
        for (text, words) in [
            ("", "no JSON object"),
            (r#"[null,{"w":"a"}]"#, "no JSON object"),
            ("{", "EOF while parsing"),
            ("{}", "missing field `weight_map`"),
            (r#"{"weight_map":["w"]}"#, "files by the names of tensors"),
            (r#"{"weight_map":{"w":1}}"#, "expected a string"),
            (r#"{"weight_map":{"w":"a"}} x"#, "trailing characters"),
            (
                r#"{"weight_map":{"w":"a","w":"b"}}"#,
                "the tensor \"w\" twice",
            ),
            (
                r#"{"weight_map":{"w":"a","w":"a"}}"#,
                "the tensor \"w\" twice",
            ),
            (
                r#"{"weight_map":{"w":"a"},"weight_map":{}}"#,
                "duplicate field `weight_map`",
            ),
            (
                r#"{"metadata":{"total_size":1,"total_size":2},"weight_map":{}}"#,
                "duplicate field",
            ),
            (r#"{"metadata":1,"weight_map":{}}"#, "invalid type"),
            ("{\"weight_map\":{\"w\u{0}\":\"a\"}}", "control character"),
            (
                &format!(r#"{{"weight_map":{{"{long}":"a"}}}}"#),
                "at most 1024 bytes",
            ),
            (
                &format!(
                    r#"{{"weight_map":{{"w":"{}"}}}}"#,
                    "a".repeat(FILE_BYTES_MAX + 1)
                ),
                "a file's 4096",
            ),
        ] {
            let said = read(text).expect_err(words).to_string();
            assert!(said.contains(words), "{words:?}: {said}");
            assert!(said.len() < 2_000, "{said}");
        }
        let not_utf8 = Index::read(&b"{\"weight_map\":{\"\xff\":\"a\"}}".as_slice());
        assert!(not_utf8.is_err());
        let many: Vec<_> = (0..=TENSORS_MAX).map(|n| format!(r#""{n}":"a""#)).collect();
        let many = read(&format!(r#"{{"weight_map":{{{}}}}}"#, many.join(",")));
        let said = many.expect_err("too many").to_string();
        assert!(said.contains("more than"), "{said}");
    }

    #[test]
    fn an_index_that_is_too_long_is_not_read() {
        struct Long;
        impl Source for Long {
            fn bytes(&self) -> u64 {
                INDEX_BYTES_MAX + 1
            }
            fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<()> {
                panic!("nobody reads it")
            }
        }
        let error = Index::read(&Long).expect_err("too long");
        assert!(matches!(error, IndexError::TooLong(_)), "{error}");
    }

    #[test]
    fn an_index_is_told_by_its_name() {
        for name in [
            "model.safetensors.index.json",
            "pytorch_model.bin.index.json",
            "unet/diffusion_pytorch_model.safetensors.index.json",
            "model.safetensors.index.fp16.json",
        ] {
            assert!(Index::is_named(name), "{name}");
        }
        for name in [
            "index.json",
            "model.safetensors",
            "model.safetensors.json",
            "tf_model.h5.index.json",
        ] {
            assert!(!Index::is_named(name), "{name}");
        }
    }
}
