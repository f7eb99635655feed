//! One `TensorProto`: what it says of itself, and where that puts its data.
//!
//! Always: the data of a tensor with elements is in one place, and as long as type and shape take. Only what is in memory
//! as it would be in `raw_data` has a range of bytes.

use std::ops::Range;

use crate::FormatError;
use crate::format::check_dimensions;
use crate::tensor::{Dtype, NAME_BYTES_MAX, Tensor, Unlisted, elements};

use super::wire::{Field, Kind, Schema, Wire};

const TENSOR: Schema = Schema {
    what: "a tensor",
    once: &[2, 3, 8, RAW, 12, 14],
    repeated: &[1, FLOATS, 5, TEXTS, 7, DOUBLES, 11, 13, 16],
};
const PAIR: Schema = Schema {
    what: "a pair",
    once: &[1, 2],
    repeated: &[],
};

/// The longest path to another file that is read, and the longest of the other values beside it.
const LOCATION_BYTES_MAX: usize = 4_096;

/// The fields with data, and how their elements are written, one by one. (All but the texts may stand without anything
/// between them, too.)
const DATA: [(u32, &str, Kind); 7] = [
    (FLOATS, "float_data", Kind::Fixed32),
    (5, "int32_data", Kind::Varint),
    (TEXTS, "string_data", Kind::Bytes),
    (7, "int64_data", Kind::Varint),
    (RAW, "raw_data", Kind::Bytes),
    (DOUBLES, "double_data", Kind::Fixed64),
    (11, "uint64_data", Kind::Varint),
];
const FLOATS: u32 = 4;
const TEXTS: u32 = 6;
const RAW: u32 = 9;
const DOUBLES: u32 = 10;

/// What `data_location` says.
const IN_THIS_FILE: u64 = 0;
const IN_ANOTHER_FILE: u64 = 1;

const NO_LOCATION: &str = "it does not say which other file its data is in";

/// A type of elements: its number, its name, how many bits an element has, and the field for it that is not `raw_data`.
type Known = (u64, &'static str, u64, u32);

/// `TensorProto.DataType`, with the names of safetensors where it has the type, and that of `NumPy` for the pair of two
/// numbers of 64 bits. The bits of texts are never asked for.
const DTYPES: [Known; 28] = [
    (1, "F32", 32, FLOATS),
    (2, "U8", 8, 5),
    (3, "I8", 8, 5),
    (4, "U16", 16, 5),
    (5, "I16", 16, 5),
    (6, "I32", 32, 5),
    (INT64, "I64", 64, 7),
    (8, "STRING", 0, TEXTS),
    (9, "BOOL", 8, 5),
    (10, "F16", 16, 5),
    (11, "F64", 64, DOUBLES),
    (12, "U32", 32, 11),
    (13, "U64", 64, 11),
    (14, "C64", 64, FLOATS),
    (15, "C128", 128, DOUBLES),
    (16, "BF16", 16, 5),
    (17, "F8_E4M3", 8, 5),
    (18, "F8_E4M3FNUZ", 8, 5),
    (19, "F8_E5M2", 8, 5),
    (20, "F8_E5M2FNUZ", 8, 5),
    (21, "UINT4", 4, 5),
    (22, "INT4", 4, 5),
    (23, "F4", 4, 5),
    (24, "F8_E8M0", 8, 5),
    (25, "UINT2", 2, 5),
    (26, "INT2", 2, 5),
    (27, "F6_E2M3", 6, 5),
    (28, "F6_E3M2", 6, 5),
];
const INT64: u64 = 7;

/// A tensor, as it stands in the file.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    pub(super) dtype: Option<u64>,
    /// Data that stands in this very message.
    data: Option<Data>,
    location: u64,
    external: Option<External>,
    /// Where the message ends.
    end: u64,
}

/// Data in a field that may stand more than once.
struct Data {
    field: u32,
    /// Where it is, if that is one place.
    range: Option<Range<u64>>,
}

/// The values that say where in another file the data is, as they stand there.
#[derive(Default)]
struct External {
    location: Option<String>,
    offset: Option<String>,
    length: Option<String>,
    checksum: Option<String>,
    basepath: Option<String>,
}

/// Where the data of a tensor is: in another file or this one, or in no range of bytes, and why.
enum At {
    Range(Option<String>, Range<u64>),
    NoRange(String),
}

/// A tensor, and whether it has a range of bytes.
pub(super) enum Place {
    Listed(Tensor),
    Unlisted(Unlisted),
}

impl Entry {
    pub(super) fn read(wire: &mut Wire<'_>, field: &Field) -> Result<Self, FormatError> {
        let mut message = field.message(&TENSOR)?;
        let mut entry = Self {
            name: String::new(),
            shape: Vec::new(),
            dtype: None,
            data: None,
            location: IN_THIS_FILE,
            external: None,
            end: message.end(),
        };
        while let Some(field) = wire.next(&mut message)? {
            match field.number {
                1 => wire.numbers(&field, |length| {
                    if length > i64::MAX as u64 {
                        return Err(field.wrong("is a negative dimension"));
                    }
                    check_dimensions(entry.shape.len() as u64 + 1)?;
                    entry.shape.push(length);
                    Ok(())
                })?,
                2 => entry.dtype = Some(field.number()?),
                // An obsolete way to cut a tensor into several.
                3 => return Err(field.wrong("is a segment, which nothing reads")),
                8 => entry.name = wire.text(&field, "bytes in a tensor's name", NAME_BYTES_MAX)?,
                13 => {
                    let external = entry.external.get_or_insert_default();
                    external.pair(wire, &field)?;
                }
                14 => entry.location = field.number()?,
                12 | 16 => {}
                _ => entry.data(&field)?,
            }
        }
        Ok(entry)
    }

    /// Notes where data is.
    fn data(&mut self, field: &Field) -> Result<(), FormatError> {
        let Some((_, _, single)) = data_field(field.number) else {
            return Ok(());
        };
        field.is(&[single, Kind::Bytes])?;
        // No bytes are one text, and nothing of everything else.
        if field.range.is_empty() && field.number != TEXTS {
            return Ok(());
        }
        let Some(before) = &mut self.data else {
            let in_one = field.kind == Kind::Bytes;
            self.data = Some(Data {
                field: field.number,
                range: in_one.then(|| field.range.clone()),
            });
            return Ok(());
        };
        if before.field != field.number {
            return Err(field.wrong(&format!(
                "is data, and there is some in field {}",
                before.field
            )));
        }
        before.range = None;
        Ok(())
    }

    /// Whether these can be the places of the values of a sparse tensor of so many dimensions: one number for each, or one
    /// for each dimension.
    pub(super) fn are_indices(&self, values: &Self, rank: u64) -> bool {
        let [count] = values.shape[..] else {
            return false;
        };
        self.dtype == Some(INT64) && (self.shape == [count] || self.shape == [count, rank])
    }

    /// How long the path to another file is.
    pub(super) fn location_bytes(&self) -> usize {
        let external = self.external.as_ref();
        let location = external.and_then(|it| it.location.as_ref());
        location.map_or(0, String::len)
    }

    /// It, by this name.
    pub(super) fn place(self, name: String) -> Result<Place, FormatError> {
        let number = self.dtype.unwrap_or(0);
        let Some(known) = DTYPES.iter().find(|(known, ..)| *known == number) else {
            let dtype = number.to_string();
            return Err(FormatError::UnknownDtype { name, dtype });
        };
        match self.at(known) {
            Err(rule) => Err(FormatError::Tensor { name, rule }),
            Ok(At::Range(file, range)) => Ok(Place::Listed(Tensor {
                name,
                dtype: Dtype::new(known.1),
                shape: self.shape,
                file,
                range,
            })),
            Ok(At::NoRange(why)) => Ok(Place::Unlisted(Unlisted { name, why })),
        }
    }

    /// Where its data is, or what is wrong with it.
    fn at(&self, known: &Known) -> Result<At, String> {
        let (_, dtype, bits, typed) = *known;
        let too_many = || format!("{:?} are more elements than any file has", self.shape);
        let elements = elements(&self.shape).ok_or_else(too_many)?;
        let bits = elements.checked_mul(bits).ok_or_else(too_many)?;
        let bytes = bits.div_ceil(8);
        match (self.location, &self.external) {
            (IN_THIS_FILE, None) => {}
            (IN_ANOTHER_FILE, Some(_)) if typed == TEXTS => {
                return Err("texts can't be in another file".to_owned());
            }
            (IN_ANOTHER_FILE, Some(external)) if self.data.is_none() => {
                return external.at(bytes, &self.shape, dtype);
            }
            (IN_ANOTHER_FILE, Some(_)) => {
                return Err("it has data both in this file and in another one".to_owned());
            }
            (IN_ANOTHER_FILE, None) => return Err(NO_LOCATION.to_owned()),
            (IN_THIS_FILE, Some(_)) => {
                return Err(
                    "it names another file, and does not say that its data is there".to_owned(),
                );
            }
            (other, _) => return Err(format!("its data is in the unknown place {other}")),
        }
        let Some(data) = &self.data else {
            return if elements == 0 {
                Ok(At::Range(None, self.end..self.end))
            } else {
                Err("it has no data".to_owned())
            };
        };
        let field = data_field(data.field).map_or("", |(_, name, _)| name);
        if data.field != typed && (data.field != RAW || typed == TEXTS) {
            return Err(format!("elements of type {dtype} can't be in {field}"));
        }
        if elements == 0 {
            return Err(format!("it has no elements, and data in {field}"));
        }
        match (data.field, &data.range) {
            (TEXTS, _) => Ok(At::NoRange("its elements are texts".to_owned())),
            (RAW | FLOATS | DOUBLES, Some(range)) => {
                check_length(range.end - range.start, bytes, &self.shape, dtype)?;
                Ok(At::Range(None, range.clone()))
            }
            (FLOATS | DOUBLES, None) => Ok(At::NoRange(format!(
                "its elements are in {field}, in more than one part"
            ))),
            _ => Ok(At::NoRange(format!(
                "its elements are in {field}, as numbers of varying length"
            ))),
        }
    }
}

impl External {
    /// Takes up one of the pairs.
    fn pair(&mut self, wire: &mut Wire<'_>, field: &Field) -> Result<(), FormatError> {
        let mut message = field.message(&PAIR)?;
        let (mut key, mut value) = (String::new(), String::new());
        while let Some(field) = wire.next(&mut message)? {
            let text = if field.number == 1 {
                &mut key
            } else {
                &mut value
            };
            *text = wire.text(
                &field,
                "bytes in a value about another file",
                LOCATION_BYTES_MAX,
            )?;
        }
        let slot = match key.as_str() {
            "location" => &mut self.location,
            "offset" => &mut self.offset,
            "length" => &mut self.length,
            "checksum" => &mut self.checksum,
            "basepath" => &mut self.basepath,
            // Others are a program's own, as the `prepacked_0` of ONNX Runtime, which names bytes that it made of the
            // tensor's. ONNX leaves them alone, too.
            _ => return Ok(()),
        };
        if slot.replace(value).is_some() {
            return Err(field.wrong(&format!("has the key {key:?} of one before")));
        }
        Ok(())
    }

    /// Where in another file a tensor is that takes so many bytes. Whether that file has them is not known here.
    fn at(&self, bytes: u64, shape: &[u64], dtype: &str) -> Result<At, String> {
        let location = self.location.as_deref().ok_or(NO_LOCATION)?;
        let location = plain(location)?;
        let start = match &self.offset {
            Some(offset) => number("offset", offset)?,
            None => 0,
        };
        if let Some(length) = &self.length {
            check_length(number("length", length)?, bytes, shape, dtype)?;
        }
        let end = start.checked_add(bytes).ok_or_else(|| {
            format!("{bytes} bytes at the offset {start} would end behind any file")
        })?;
        Ok(At::Range(Some(location), start..end))
    }
}

/// The field with data that has this number.
fn data_field(number: u32) -> Option<(u32, &'static str, Kind)> {
    DATA.into_iter().find(|(known, ..)| *known == number)
}

fn check_length(found: u64, needed: u64, shape: &[u64], dtype: &str) -> Result<(), String> {
    if found != needed {
        return Err(format!(
            "{found} bytes are not what {shape:?} elements of type {dtype} take"
        ));
    }
    Ok(())
}

/// A number as ONNX writes it in a text: decimal digits, and nothing else.
fn number(key: &str, text: &str) -> Result<u64, String> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| format!("its {key} {text:?} is no number"))
}

/// A path that leads to a file in the folder or below it, on any system, in the one way that there is to write it: what
/// names the same file has to be the same text. Steps that lead nowhere (`./w.bin`) are left out.
fn plain(location: &str) -> Result<String, String> {
    let is_drive = location.as_bytes().get(1) == Some(&b':');
    let steps: Vec<_> = location
        .split('/')
        .filter(|step| !matches!(*step, "" | "."))
        .collect();
    if location.starts_with('/') || is_drive || location.contains('\\') || steps.contains(&"..") {
        return Err(format!(
            "its location {location:?} is an ONNX path that leaves the folder"
        ));
    }
    let is_folder = steps.is_empty() || location.ends_with('/') || location.ends_with("/.");
    if location.contains('\0') || is_folder {
        return Err(format!("its location {location:?} is no path of a file"));
    }
    Ok(steps.join("/"))
}
