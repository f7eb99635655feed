//! GGUF: key-value pairs, what tensors there are, and their data, each at a multiple of the alignment.
//!
//! ```text
//! "GGUF" │ version │ tensors │ pairs │ pair… │ tensor… (name, dimensions, type, offset) │ padding │ data
//! ```
//!
//! Versions 2 and 3, little end first. The dimensions stand innermost first in the file.

use crate::format::{at_most, check_count, check_dimensions};
use crate::source::{Reader, Source};
use crate::tensor::{Contents, Dtype, NAME_BYTES_MAX, Tensor, elements};
use crate::{Format, FormatError};

const MAGIC: [u8; 4] = *b"GGUF";

/// How far into a file its header may reach: vocabularies of millions of words have some 100 MB.
const HEADER_BYTES_MAX: u64 = 512 << 20;

/// The most bytes of a key, by the format's description.
const KEY_BYTES_MAX: usize = 65_535;

/// How deep arrays may be in arrays.
const DEPTH_MAX: usize = 4;

/// The pair that says what all offsets are multiples of, and what they are without it.
const ALIGNMENT_KEY: &[u8] = b"general.alignment";
const ALIGNMENT: u64 = 32;

/// The types of values in pairs that have a length of their own, and that length in bytes. The others are texts and
/// arrays.
const VALUE_BYTES: [(u32, u64); 11] = [
    (0, 1),
    (1, 1),
    (2, 2),
    (3, 2),
    (4, 4),
    (5, 4),
    (6, 4),
    (7, 1),
    (10, 8),
    (11, 8),
    (12, 8),
];
const VALUE_UINT32: u32 = 4;
const VALUE_TEXT: u32 = 8;
const VALUE_ARRAY: u32 = 9;

/// A type of elements: its number, its name, how many elements a block has, and how many bytes.
type Blocks = (u32, &'static str, u64, u64);

/// `ggml_type` of `ggml.h`, with the sizes of its C structures, and with the names of safetensors where it has the type.
/// (The `gguf` package gives `Q8_1` 40 bytes, of which the structure has 36.)
const DTYPES: [Blocks; 35] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
    (42, "Q2_0", 64, 18),
];

/// A tensor, before it is known where the data begins.
struct Entry {
    name: String,
    shape: Vec<u64>,
    dtype: u32,
    offset: u64,
}

pub(crate) fn read(source: &dyn Source) -> Result<Contents, FormatError> {
    let mut reader = Reader::new(source);
    if reader.array("the first bytes")? != MAGIC {
        return Err(FormatError::Magic(Format::Gguf));
    }
    let version = reader.u32("the version")?;
    if !matches!(version, 2 | 3) {
        // The version of a file with the big end first has its one byte at the other end.
        let found = if version.trailing_zeros() >= 16 {
            format!("{} with the big end first", version.swap_bytes())
        } else {
            version.to_string()
        };
        return Err(FormatError::Version {
            of: Format::Gguf.name(),
            found,
            known: "2 and 3, with the little end first",
        });
    }
    let tensors = reader.u64("the number of tensors")?;
    check_count(tensors)?;
    let pairs = reader.u64("the number of pairs")?;
    let mut alignment = None;
    for _ in 0..pairs {
        let found = pair(&mut reader)?;
        // Of two, some readers take the first, and some the second.
        if found.is_some() && alignment.is_some() {
            return Err(FormatError::Header(
                "general.alignment is there twice".to_owned(),
            ));
        }
        alignment = alignment.or(found);
    }
    let alignment = alignment.unwrap_or(ALIGNMENT);
    let mut entries = Vec::new();
    for _ in 0..tensors {
        entries.push(entry(&mut reader)?);
    }
    let data = reader.at().next_multiple_of(alignment);
    let tensors = entries
        .into_iter()
        .map(|entry| tensor(entry, data, alignment, source.bytes()))
        .collect::<Result<_, _>>()?;
    Contents::new(Format::Gguf, tensors)
}

/// Reads over a pair; returns the alignment, if it is that.
fn pair(reader: &mut Reader<'_>) -> Result<Option<u64>, FormatError> {
    let is_alignment = text(reader, "bytes in a key", KEY_BYTES_MAX)? == ALIGNMENT_KEY;
    let kind = reader.u32("the type of a value")?;
    if !is_alignment {
        skip_value(reader, kind, 0)?;
        return Ok(None);
    }
    if kind != VALUE_UINT32 {
        return Err(FormatError::Header(format!(
            "general.alignment is of type {kind}, and should be a number of 32 bits"
        )));
    }
    let alignment = reader.u32("the alignment")?;
    if !alignment.is_power_of_two() || alignment < 8 {
        return Err(FormatError::Header(format!(
            "general.alignment is {alignment}, and should be a power of two from 8 on"
        )));
    }
    Ok(Some(u64::from(alignment)))
}

/// A name or key.
fn text<'a>(
    reader: &'a mut Reader<'_>,
    what: &'static str,
    max: usize,
) -> Result<&'a [u8], FormatError> {
    let length = reader.u64(what)?;
    check_header_end(reader, length)?;
    at_most(what, length, max)?;
    Ok(reader.take(length, what)?)
}

fn skip_value(reader: &mut Reader<'_>, kind: u32, depth: usize) -> Result<(), FormatError> {
    const WHAT: &str = "a value";
    check_header_end(reader, 0)?;
    match kind {
        VALUE_TEXT => {
            let length = reader.u64(WHAT)?;
            check_header_end(reader, length)?;
            Ok(reader.skip(length, WHAT)?)
        }
        VALUE_ARRAY if depth < DEPTH_MAX => {
            let kind = reader.u32(WHAT)?;
            let length = reader.u64(WHAT)?;
            if let Some(bytes) = value_bytes(kind) {
                let bytes = length.saturating_mul(bytes);
                check_header_end(reader, bytes)?;
                return Ok(reader.skip(bytes, WHAT)?);
            }
            // Each takes some bytes, so there are not more than the header has.
            for _ in 0..length {
                skip_value(reader, kind, depth + 1)?;
            }
            Ok(())
        }
        VALUE_ARRAY => Err(FormatError::Header(format!(
            "its arrays are in arrays, more than {DEPTH_MAX} deep"
        ))),
        kind => match value_bytes(kind) {
            Some(bytes) => Ok(reader.skip(bytes, WHAT)?),
            None => Err(FormatError::Header(format!(
                "a value is of the unknown type {kind}"
            ))),
        },
    }
}

fn value_bytes(kind: u32) -> Option<u64> {
    let known = VALUE_BYTES.iter().find(|(known, _)| *known == kind);
    known.map(|(_, bytes)| *bytes)
}

/// Checks that the header does not go on for ever.
fn check_header_end(reader: &Reader<'_>, bytes: u64) -> Result<(), FormatError> {
    let found = reader.at().saturating_add(bytes);
    if found > HEADER_BYTES_MAX {
        let max = HEADER_BYTES_MAX;
        return Err(FormatError::HeaderTooLong { found, max });
    }
    Ok(())
}

fn entry(reader: &mut Reader<'_>) -> Result<Entry, FormatError> {
    let name = str::from_utf8(text(reader, "bytes in a tensor's name", NAME_BYTES_MAX)?)
        .map_err(|error| FormatError::Header(format!("the name of a tensor: {error}")))?
        .to_owned();
    let dimensions = reader.u32("how many dimensions a tensor has")?;
    check_dimensions(u64::from(dimensions))?;
    let mut shape = Vec::new();
    for _ in 0..dimensions {
        shape.push(reader.u64("a dimension")?);
    }
    shape.reverse();
    Ok(Entry {
        name,
        shape,
        dtype: reader.u32("the type of a tensor")?,
        offset: reader.u64("the offset of a tensor")?,
    })
}

fn tensor(entry: Entry, data: u64, alignment: u64, file_end: u64) -> Result<Tensor, FormatError> {
    let Entry {
        name,
        shape,
        dtype,
        offset,
    } = entry;
    let wrong = |rule: String| FormatError::Tensor {
        name: name.clone(),
        rule,
    };
    let Some((_, known, block, block_bytes)) = DTYPES.iter().find(|(known, ..)| *known == dtype)
    else {
        let dtype = dtype.to_string();
        return Err(FormatError::UnknownDtype { name, dtype });
    };
    // Blocks lie along the innermost dimension, and don't go over from one row to the next.
    if !shape.last().unwrap_or(&1).is_multiple_of(*block) {
        return Err(wrong(format!(
            "rows of {shape:?} elements can't be blocks of {block}, as type {known} has them"
        )));
    }
    if !offset.is_multiple_of(alignment) {
        return Err(wrong(format!(
            "its offset {offset} is no multiple of {alignment}"
        )));
    }
    let bytes = elements(&shape).and_then(|elements| (elements / block).checked_mul(*block_bytes));
    let start = data.checked_add(offset);
    let end = start
        .zip(bytes)
        .and_then(|(start, bytes)| start.checked_add(bytes));
    match start.zip(end) {
        Some((start, end)) if end <= file_end => Ok(Tensor {
            dtype: Dtype::new(*known),
            shape,
            file: None,
            range: start..end,
            name,
        }),
        _ => Err(wrong(format!(
            "{shape:?} elements of type {known} at offset {offset} would end behind byte {file_end}, where the file does"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in the making.
    struct File(Vec<u8>);

    impl File {
        fn new(version: u32, tensors: u64, pairs: u64) -> Self {
            let file = Self(MAGIC.to_vec()).u32(version);
            file.u64(tensors).u64(pairs)
        }

        fn u32(mut self, number: u32) -> Self {
            self.0.extend(number.to_le_bytes());
            self
        }

        fn u64(mut self, number: u64) -> Self {
            self.0.extend(number.to_le_bytes());
            self
        }

        fn text(self, text: &str) -> Self {
            let mut file = self.u64(text.len() as u64);
            file.0.extend(text.as_bytes());
            file
        }

        fn tensor(self, name: &str, dims: &[u64], dtype: u32, offset: u64) -> Self {
            let mut file = self.text(name).u32(u32::try_from(dims.len()).expect("few"));
            for dim in dims {
                file = file.u64(*dim);
            }
            file.u32(dtype).u64(offset)
        }

        fn data(mut self, alignment: usize, bytes: usize) -> Vec<u8> {
            self.0
                .resize(self.0.len().next_multiple_of(alignment) + bytes, 0);
            self.0
        }
    }

    fn refusal(file: &[u8]) -> String {
        read(&file).expect_err("it is refused").to_string()
    }

    #[test]
    fn tensors_are_read_behind_pairs_of_all_types() {
        for version in [2, 3] {
            let mut file = File::new(version, 2, 5);
            file = file
                .text("general.architecture")
                .u32(VALUE_TEXT)
                .text("llama");
            // Two arrays: of numbers of 16 bits, and of texts.
            file = file.text("a").u32(VALUE_ARRAY).u32(2).u64(3);
            file.0.extend([0; 6]);
            file = file.text("words").u32(VALUE_ARRAY).u32(VALUE_TEXT).u64(2);
            file = file.text("one").text("two");
            file = file.text("general.alignment").u32(VALUE_UINT32).u32(64);
            file = file.text("flag").u32(7);
            file.0.push(1);
            let header = file
                .tensor("blk.0.w", &[256, 2], 12, 0)
                .tensor("norm", &[3], 0, 320);
            let file = header.data(64, 332);
            let data = file.len() as u64 - 332;
            assert_eq!(data % 64, 0);
            let contents = read(&file.as_slice()).expect("read");
            let [w, norm] = &contents.tensors[..] else {
                panic!("two tensors");
            };
            assert_eq!((w.name.as_str(), w.dtype.as_str()), ("blk.0.w", "Q4_K"));
            assert_eq!((&w.shape, &w.range), (&vec![2, 256], &(data..data + 288)));
            assert_eq!((norm.dtype.as_str(), &norm.shape), ("F32", &vec![3]));
            assert_eq!(norm.range, data + 320..data + 332);
        }
    }

    #[test]
    fn an_alignment_that_is_there_twice_is_refused() {
        let with = |alignments: &[u32]| {
            let pair = |file: File, alignment: &u32| {
                let file = file.text("general.alignment");
                file.u32(VALUE_UINT32).u32(*alignment)
            };
            let file = File::new(3, 0, alignments.len() as u64);
            read(&alignments.iter().fold(file, pair).0.as_slice())
        };
        assert!(with(&[32]).is_ok());
        let said = with(&[32, 256]).expect_err("refused").to_string();
        assert!(said.contains("general.alignment is there twice"), "{said}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_place() {
        let one = |dims: &[u64], dtype: u32, offset: u64| {
            File::new(3, 1, 0)
                .tensor("w", dims, dtype, offset)
                .data(32, 64)
        };
        assert!(read(&one(&[16], 0, 0).as_slice()).is_ok());
        let pair = |kind: u32| File::new(3, 0, 1).text("k").u32(kind);
        let aligned = |kind: u32, number: u32| {
            File::new(3, 0, 1)
                .text("general.alignment")
                .u32(kind)
                .u32(number)
                .0
        };
        let mut deep = pair(VALUE_ARRAY);
        for _ in 0..9 {
            deep = deep.u32(VALUE_ARRAY).u64(1);
        }
        let twice = File::new(3, 2, 0)
            .tensor("w", &[1], 0, 0)
            .tensor("w", &[1], 0, 32);
        let overlapping = File::new(3, 2, 0)
            .tensor("v", &[9], 0, 0)
            .tensor("w", &[1], 0, 32);
        for (file, words) in [
            (b"GGML....".to_vec(), "does not begin as a GGUF file"),
            (
                b"GG".to_vec(),
                "the first bytes would end at byte 4, and the file has 2",
            ),
            (File::new(1, 0, 0).0, "of version 1 of GGUF"),
            (
                File::new(3_u32.swap_bytes(), 0, 0).0,
                "of version 3 with the big end first",
            ),
            (File::new(3, u64::MAX, 0).0, "18446744073709551615 tensors"),
            (
                File::new(3, 1_000_000, 0).0,
                "bytes in a tensor's name would end",
            ),
            (File::new(3, 0, u64::MAX).0, "bytes in a key would end"),
            (
                File::new(3, 0, 1).u64(u64::MAX).0,
                "says to have 18446744073709551615 bytes",
            ),
            (
                File::new(3, 0, 1).u64(99).0,
                "bytes in a key would end at byte 131",
            ),
            (
                File::new(3, 0, 1).text(&"k".repeat(65_536)).0,
                "says to have 65536 bytes in a key, and at most 65535",
            ),
            (
                File::new(3, 1, 0).tensor(&"n".repeat(1_025), &[1], 0, 0).0,
                "1025 bytes in a tensor's name",
            ),
            (pair(13).u64(0).0, "unknown type 13"),
            (pair(VALUE_ARRAY).u32(13).u64(1).0, "unknown type 13"),
            (
                pair(VALUE_ARRAY).u32(10).u64(u64::MAX).0,
                "18446744073709551615 bytes",
            ),
            (
                pair(VALUE_ARRAY).u32(VALUE_TEXT).u64(u64::MAX).0,
                "a value would end",
            ),
            (deep.0, "more than 4 deep"),
            (aligned(5, 32), "is of type 5"),
            (aligned(VALUE_UINT32, 0), "general.alignment is 0"),
            (aligned(VALUE_UINT32, 48), "general.alignment is 48"),
            (one(&[16], 4, 0), "unknown type 4"),
            (one(&[17], 0, 0), "would end behind byte"),
            (one(&[16], 0, 8), "no multiple of 32"),
            (one(&[16], 0, u64::MAX - 31), "would end behind byte"),
            (one(&[31], 2, 0), "can't be blocks of 32"),
            (one(&[1 << 40, 1 << 40], 0, 0), "would end behind byte"),
            (one(&[1; 65], 0, 0), "65 dimensions"),
            (twice.data(32, 64), "two tensors \"w\""),
            (overlapping.data(32, 64), "\"v\" and \"w\" overlap"),
        ] {
            let said = refusal(&file);
            assert!(said.contains(words), "{words:?}: {said}");
        }
        let mut latin1 = one(&[16], 0, 0);
        let at = latin1
            .iter()
            .rposition(|byte| *byte == b'w')
            .expect("the name");
        latin1[at] = 0xe9;
        assert!(refusal(&latin1).contains("incomplete utf-8"));
    }

    /// A file of 4 TiB that is zeros but for its beginning, and what is at a further place.
    struct Endless(Vec<u8>, u64, Vec<u8>);

    impl Source for Endless {
        fn bytes(&self) -> u64 {
            1 << 42
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
            let Self(first, at, second) = self;
            for (place, byte) in (offset..).zip(buffer) {
                let part = if place < *at {
                    (0, first)
                } else {
                    (*at, second)
                };
                let within = usize::try_from(place - part.0).ok();
                *byte = within.and_then(|at| part.1.get(at)).copied().unwrap_or(0);
            }
            Ok(())
        }
    }

    #[test]
    fn arrays_of_nothing_come_to_an_end_with_the_header() {
        // Most of the header is one array of bytes, and the rest arrays without anything in them.
        let most = HEADER_BYTES_MAX - 1_000;
        let arrays = |length| {
            let file = File::new(3, 0, 2)
                .text("k")
                .u32(VALUE_ARRAY)
                .u32(0)
                .u64(most);
            let zeros = usize::try_from(most).expect("not much") + file.0.len();
            let rest = File(Vec::new())
                .text("l")
                .u32(VALUE_ARRAY)
                .u32(VALUE_ARRAY)
                .u64(length);
            Endless(file.0, zeros as u64, rest.0)
        };
        assert!(read(&arrays(10)).is_ok());
        let said = read(&arrays(u64::MAX)).expect_err("refused").to_string();
        assert!(
            said.contains("bytes, and at most 536870912 are read"),
            "{said}"
        );
    }
}
