//! safetensors: a number, a header in JSON, and the data of the tensors without holes.
//!
//! ```text
//! 8 bytes: N, little end first │ N bytes: {"NAME": {"dtype", "shape", "data_offsets"}, …}, maybe spaces │ data
//! ```

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::format::{check_count, check_name, clipped};
use crate::source::{Reader, Source};
use crate::tensor::{Contents, DIMENSIONS_MAX, Dtype, TENSORS_MAX, Tensor, elements};
use crate::{Format, FormatError};

/// The longest header that the reference reader takes.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// What is not a tensor in a header.
const METADATA: &str = "__metadata__";

/// The types that there are, and how many bits each element has.
const DTYPES: [(&str, u64); 22] = [
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("I64", 64),
    ("U64", 64),
    ("F64", 64),
    ("C64", 64),
];

/// A header: the tensors in the order in which they stand there.
struct Header(Vec<(String, Entry)>);

/// What a header says of a tensor. What else stands there is not looked at, as in the reference reader.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    #[serde(deserialize_with = "shape")]
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

pub(crate) fn read(source: &dyn Source) -> Result<Contents, FormatError> {
    let mut reader = Reader::new(source);
    let length = reader.u64("the length of the header")?;
    if length > HEADER_BYTES_MAX {
        // Most files that are something else have a large number here.
        if reader.left() > 0 && reader.array("the header")? != *b"{" {
            return Err(FormatError::Magic(Format::Safetensors));
        }
        return Err(FormatError::HeaderTooLong {
            found: length,
            max: HEADER_BYTES_MAX,
        });
    }
    let header = reader.take(length, "the header")?;
    if !header.starts_with(b"{") {
        return Err(FormatError::Magic(Format::Safetensors));
    }
    let Header(entries) =
        serde_json::from_slice(header).map_err(|error| FormatError::header(&error))?;
    check_count(entries.len() as u64)?;
    let (data, data_bytes) = (reader.at(), reader.left());
    let tensors = entries
        .into_iter()
        .map(|(name, entry)| tensor(name, entry, data, data_bytes))
        .collect::<Result<_, _>>()?;
    let contents = Contents::new(Format::Safetensors, tensors)?;
    check_no_holes(&contents, data, data + data_bytes)?;
    Ok(contents)
}

fn tensor(name: String, entry: Entry, data: u64, data_bytes: u64) -> Result<Tensor, FormatError> {
    check_name(&name)?;
    let Entry {
        dtype,
        shape,
        data_offsets: (start, end),
    } = entry;
    let wrong = |rule: String| FormatError::Tensor {
        name: name.clone(),
        rule,
    };
    if start > end || end > data_bytes {
        return Err(wrong(format!(
            "its data is said to be from byte {start} to byte {end} of {data_bytes}"
        )));
    }
    let Some((_, bits)) = DTYPES.iter().find(|(known, _)| *known == dtype) else {
        let dtype = clipped(&dtype);
        return Err(FormatError::UnknownDtype { name, dtype });
    };
    let needed = elements(&shape).and_then(|elements| elements.checked_mul(*bits));
    if needed != (end - start).checked_mul(8) {
        return Err(wrong(format!(
            "{} bytes are not what {shape:?} elements of type {dtype} take",
            end - start
        )));
    }
    Ok(Tensor {
        dtype: Dtype::new(dtype),
        shape,
        file: None,
        range: data + start..data + end,
        name,
    })
}

/// Every byte of the data is some tensor's: in a hole, anything could be hidden.
fn check_no_holes(contents: &Contents, data: u64, file_end: u64) -> Result<(), FormatError> {
    let mut end = data;
    for tensor in &contents.tensors {
        if tensor.range.start > end {
            return Err(FormatError::Tensor {
                name: tensor.name.clone(),
                rule: format!(
                    "between byte {end} of the file and its data at byte {} there are bytes of no tensor",
                    tensor.range.start
                ),
            });
        }
        end = end.max(tensor.range.end);
    }
    if end != file_end {
        return Err(FormatError::Header(format!(
            "by it the file should end at byte {end}, and it has {file_end}"
        )));
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Header {
    /// As a list: a map would keep one of two tensors that have the same name.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                while let Some(name) = members.next_key::<String>()? {
                    if name == METADATA {
                        members.next_value::<Metadata>()?;
                        continue;
                    }
                    entries.push((name, members.next_value()?));
                    if entries.len() > TENSORS_MAX {
                        let rule = format!("it has more than {TENSORS_MAX} tensors");
                        return Err(serde::de::Error::custom(rule));
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Texts by their names, which nothing here is made of.
struct Metadata;

/// A text that is read over.
struct Text;

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Metadata, A::Error> {
                while members.next_entry::<Text, Text>()?.is_some() {}
                Ok(Metadata)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Over;
        impl Visitor<'_> for Over {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, _: &str) -> Result<Text, E> {
                Ok(Text)
            }
        }
        deserializer.deserialize_str(Over)
    }
}

/// A shape, of which no more is kept than a tensor may have dimensions.
fn shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    struct Lengths;
    impl<'de> Visitor<'de> for Lengths {
        type Value = Vec<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of lengths")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut lengths: A) -> Result<Vec<u64>, A::Error> {
            let mut shape = Vec::new();
            while let Some(length) = lengths.next_element()? {
                if shape.len() == DIMENSIONS_MAX {
                    let rule = format!("a tensor has more than {DIMENSIONS_MAX} dimensions");
                    return Err(serde::de::Error::custom(rule));
                }
                shape.push(length);
            }
            Ok(shape)
        }
    }
    deserializer.deserialize_seq(Lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data_bytes: usize) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.resize(file.len() + data_bytes, 0);
        file
    }

    fn refusal(file: &[u8]) -> String {
        read(&file).expect_err("it is refused").to_string()
    }

    #[test]
    fn tensors_are_read_from_the_header_by_their_place() {
        let header = r#"{"b":{"dtype":"F32","shape":[2,3],"data_offsets":[2,26]},"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},"none":{"dtype":"I64","shape":[0,7],"data_offsets":[26,26]}}   "#;
        let file = file(header, 26);
        let data = file.len() as u64 - 26;
        let contents = read(&file.as_slice()).expect("read");
        let found: Vec<_> = contents
            .tensors
            .iter()
            .map(|it| {
                (
                    it.name.as_str(),
                    it.dtype.as_str(),
                    it.shape.as_slice(),
                    it.range.clone(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a", "BF16", [].as_slice(), data..data + 2),
                ("b", "F32", [2, 3].as_slice(), data + 2..data + 26),
                ("none", "I64", [0, 7].as_slice(), data + 26..data + 26),
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_place() {
        let tensor = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
        };
        let one = |tensor: &str| format!(r#"{{"w":{tensor}}}"#);
        let good = tensor("F32", "[2]", "[0,8]");
        assert!(read(&file(&one(&good), 8).as_slice()).is_ok());
        for (bytes, words) in [
            (
                vec![],
                "the length of the header would end at byte 8, and the file has 0",
            ),
            (vec![0; 8], "does not begin as a safetensors file"),
            (
                (1_u64 << 63).to_le_bytes().to_vec(),
                "says to have 9223372036854775808 bytes",
            ),
            (b"see elsewhere".to_vec(), "does not begin as a safetensors"),
            (
                [&u64::MAX.to_le_bytes()[..], b"{"].concat(),
                "says to have 18446744073709551615 bytes",
            ),
            (
                99_u64.to_le_bytes().to_vec(),
                "the header would end at byte 107",
            ),
            (file("[]", 0), "does not begin as a safetensors file"),
            (file("{\"w\":", 0), "EOF while parsing"),
            (file("{} x", 0), "trailing characters"),
            (file(&one("{}"), 0), "missing field `dtype`"),
            (
                file(&one(&tensor("F32", "[-1]", "[0,8]")), 8),
                "invalid value: integer `-1`",
            ),
            (
                file(&one(&tensor("F99", "[2]", "[0,8]")), 8),
                "unknown type F99",
            ),
            (
                file(&one(&tensor("F32", "[2]", "[0,7]")), 8),
                "7 bytes are not what [2] elements",
            ),
            (
                file(&one(&tensor("F4", "[3]", "[0,2]")), 2),
                "2 bytes are not what [3] elements",
            ),
            (
                file(&one(&tensor("F32", "[2]", "[8,0]")), 8),
                "from byte 8 to byte 0 of 8",
            ),
            (
                file(&one(&tensor("F32", "[2]", "[0,8]")), 7),
                "from byte 0 to byte 8 of 7",
            ),
            (
                file(&one(&tensor("F32", "[2]", "[0,8]")), 9),
                "should end at byte 70, and it has 71",
            ),
            (
                file(&one(&tensor("F32", "[2]", "[1,9]")), 9),
                "bytes of no tensor",
            ),
            (
                file(&one(&tensor("U8", "[4294967296,4294967296]", "[0,0]")), 0),
                "0 bytes are not what",
            ),
            (
                file(&one(&tensor("U8", "[18446744073709551615,2]", "[0,8]")), 8),
                "8 bytes are not what",
            ),
            (
                file(&format!(r#"{{"w":{good},"w":{good}}}"#), 8),
                "two tensors \"w\"",
            ),
            (
                file(
                    &format!(r#"{{"v":{},"w":{good}}}"#, tensor("U8", "[4]", "[4,8]")),
                    8,
                ),
                "\"w\" and \"v\" overlap",
            ),
            (file(r#"{"__metadata__":{"a":1}}"#, 0), "expected a string"),
            (file(r#"{"__metadata__":"a"}"#, 0), "texts by their names"),
        ] {
            let said = refusal(&bytes);
            assert!(said.contains(words), "{words:?}: {said}");
            assert!(said.len() < 1_000);
        }
    }

    #[test]
    fn what_a_header_goes_on_with_takes_no_memory_and_is_repeated_in_part() {
        let one = |dtype: &str, shape: &str| {
            format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,1]}}}}"#)
        };
        for length in [64, 4_000_000] {
            let shape = format!("[{}1]", "1,".repeat(length));
            let said = refusal(&file(&one("U8", &shape), 1));
            assert!(said.contains("more than 64 dimensions"), "{said}");
        }
        let long = "x".repeat(100_000);
        for header in [one(&long, "[1]"), one("U8", &format!("\"{long}\""))] {
            assert!(refusal(&file(&header, 1)).len() < 1_000);
        }
        let tensor = r#""w":{"dtype":"U8","shape":[],"data_offsets":[0,0]},"#;
        let many = format!("{{{}}}", tensor.repeat(1_000_001));
        assert!(refusal(&file(&many, 0)).contains("more than 1000000 tensors"));
    }
}
