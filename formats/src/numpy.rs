//! `NumPy`'s `.npy`: an array behind a header that is a dictionary as Python writes it, or several, one behind the other.
//!
//! ```text
//! \x93NUMPY │ version: 2 bytes │ length: 2 or 4 bytes │ {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } │ data
//! ```
//!
//! One array has no name. Several, as `numpy.save` writes them into one open file, are called `0`, `1`, …

use std::ops::Range;

use crate::format::{check_count, check_dimensions, clipped};
use crate::pickle::Wanted;
use crate::pickled::Pickles;
use crate::source::{Part, Reader, Source, read as read_bytes};
use crate::tensor::{Contents, Dtype, Tensor, Unlisted, elements};
use crate::{Format, FormatError};

pub(crate) const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// The longest header that is read; real ones have some 128 bytes.
const HEADER_BYTES_MAX: u64 = 64 << 10;

/// The element types that have a name of safetensors, little end first or with no end at all, and their bytes.
const DTYPES: [(&str, &str, u64); 14] = [
    ("|b1", "BOOL", 1),
    ("|u1", "U8", 1),
    ("|i1", "I8", 1),
    ("<u2", "U16", 2),
    ("<i2", "I16", 2),
    ("<f2", "F16", 2),
    ("<u4", "U32", 4),
    ("<i4", "I32", 4),
    ("<f4", "F32", 4),
    ("<u8", "U64", 8),
    ("<i8", "I64", 8),
    ("<f8", "F64", 8),
    ("<c8", "C64", 8),
    ("<c16", "C128", 16),
];

/// How many arrays of one file are looked at for objects.
const ARRAYS_MAX: usize = 10_000;

/// How much of a type that isn't known is said.
const TYPE_CHARS: usize = 100;

/// How deep types may be in types.
const DEPTH_MAX: usize = 8;

/// The header of an array.
pub(crate) struct Head {
    pub(crate) elements: Elements,
    by_columns: bool,
    shape: Vec<u64>,
    /// Where what is behind it begins.
    pub(crate) data: u64,
}

/// What an array is of.
pub(crate) enum Elements {
    /// Numbers of one of the types with a name, and the bytes of one.
    Known(&'static str, u64),
    /// Objects of Python's, which are a pickle.
    Objects,
    /// Anything else, as the header has it, and the bytes of one, if they are known.
    Other(String, Option<u64>),
}

/// Why arrays of objects are not listed.
pub(crate) const OBJECTS: &str =
    "its elements are Python objects, which only running its pickle would make";

pub(crate) fn read(source: &dyn Source) -> Result<Contents, FormatError> {
    let (mut tensors, mut unlisted) = (Vec::new(), Vec::new());
    let mut pickles = Pickles::default();
    let mut at = 0;
    loop {
        let count = tensors.len() + unlisted.len();
        check_count(count as u64 + 1)?;
        let name = count.to_string();
        let head = head(&Part::new(source, at..source.bytes()))?;
        let data = at + head.data;
        if matches!(head.elements, Elements::Objects) {
            let why = OBJECTS.to_owned();
            unlisted.push(Unlisted { name, why });
            match pickles.walk(source, data, Wanted::Imports)? {
                Some(pickle) => at = pickle.end,
                None => break,
            }
        } else {
            let end = match head.elements {
                Elements::Known(_, bytes) => head.end(data, bytes),
                Elements::Objects | Elements::Other(..) => None,
            };
            let end = end.filter(|end| *end <= source.bytes());
            let tensor = tensor(head, name, at..end.unwrap_or(source.bytes()))?;
            at = tensor.range.end;
            tensors.push(tensor);
        }
        if at == source.bytes() {
            break;
        }
        // NumPy itself reads no further than it is asked to, whatever there is.
        if !is_array(source, at)? {
            unlisted.push(Unlisted {
                name: "?".to_owned(),
                why: format!(
                    "is no array: the {} bytes from byte {at} on",
                    source.bytes() - at
                ),
            });
            break;
        }
    }
    match (&mut tensors[..], &mut unlisted[..]) {
        ([tensor], []) => tensor.name.clear(),
        ([], [one]) => one.name.clear(),
        _ => {}
    }
    let mut contents = Contents::new(Format::Numpy, tensors)?;
    contents.unlisted = unlisted;
    pickles.put_into(&mut contents);
    Ok(contents)
}

/// What is behind the arrays that a file begins with.
pub(crate) enum Behind {
    /// Nothing, or it is not read that far.
    Nothing,
    /// Something else, from this byte on.
    Other(u64),
    /// One of them is of Python's objects.
    Objects,
    /// How long one is is not known.
    Unknown(String),
}

/// Goes over the arrays that a file begins with.
pub(crate) fn behind(source: &dyn Source) -> Result<Behind, FormatError> {
    let mut at = 0;
    for _ in 0..ARRAYS_MAX {
        let head = head(&Part::new(source, at..source.bytes()))?;
        let end = match &head.elements {
            Elements::Objects => return Ok(Behind::Objects),
            Elements::Known(_, bytes) | Elements::Other(_, Some(bytes)) => {
                head.end(at + head.data, *bytes)
            }
            Elements::Other(_, None) => None,
        };
        at = match end {
            Some(end) if end < source.bytes() => end,
            Some(_) => return Ok(Behind::Nothing),
            None => {
                return Ok(Behind::Unknown(format!(
                    "how long its array at byte {at} is is not known"
                )));
            }
        };
        if !is_array(source, at)? {
            return Ok(Behind::Other(at));
        }
    }
    Ok(Behind::Unknown(format!(
        "it has more than {ARRAYS_MAX} arrays"
    )))
}

fn is_array(source: &dyn Source, at: u64) -> Result<bool, FormatError> {
    let length = (source.bytes() - at).min(MAGIC.len() as u64);
    Ok(read_bytes(source, at, length, "the first bytes")? == MAGIC)
}

impl Head {
    /// Where the data ends that begins at byte `data`, of elements of so many bytes.
    fn end(&self, data: u64, bytes: u64) -> Option<u64> {
        data.checked_add(elements(&self.shape)?.checked_mul(bytes)?)
    }
}

/// Reads the header that an array begins with.
pub(crate) fn head(source: &dyn Source) -> Result<Head, FormatError> {
    let mut reader = Reader::new(source);
    if reader.array("the first bytes")? != MAGIC {
        return Err(FormatError::Magic(Format::Numpy));
    }
    let [major, minor] = reader.array("the version")?;
    let length = match (major, minor) {
        (1, 0) => u64::from(u16::from_le_bytes(
            reader.array("the length of the header")?,
        )),
        (2 | 3, 0) => u64::from(reader.u32("the length of the header")?),
        _ => {
            return Err(FormatError::Version {
                of: Format::Numpy.name(),
                found: format!("{major}.{minor}"),
                known: "1.0, 2.0 and 3.0",
            });
        }
    };
    if length > HEADER_BYTES_MAX {
        return Err(FormatError::HeaderTooLong {
            found: length,
            max: HEADER_BYTES_MAX,
        });
    }
    let header = reader.take(length, "the header")?;
    // Latin-1, before fields could have any name.
    let header = if major < 3 {
        header.iter().copied().map(char::from).collect()
    } else {
        String::from_utf8(header.to_vec())
            .map_err(|error| FormatError::Header(error.to_string()))?
    };
    let Header {
        descr,
        fortran_order,
        shape,
    } = header_of(&header)?;
    check_dimensions(shape.len() as u64)?;
    let known = DTYPES.iter().find(|(known, ..)| *known == descr.text);
    let elements = match known {
        _ if descr.has_objects => Elements::Objects,
        Some((_, dtype, bytes)) => Elements::Known(dtype, *bytes),
        None => Elements::Other(
            descr.text.chars().take(TYPE_CHARS).collect(),
            bytes_of(&descr.text),
        ),
    };
    // The same bytes mean another array in the other order.
    let by_columns = fortran_order && shape.len() > 1;
    Ok(Head {
        elements,
        by_columns,
        shape,
        data: reader.at(),
    })
}

/// How many bytes an element takes, of a type that is one text: `>f4`, `<U5`, `<M8[ns]`.
fn bytes_of(descr: &str) -> Option<u64> {
    let simple = descr.trim_start_matches(['<', '>', '|', '=']);
    let kind = simple.chars().next()?;
    let digits = simple.get(1..)?;
    let digits = match kind {
        'M' | 'm' => digits.split('[').next()?,
        'b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'V' | 'U' => digits,
        _ => return None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let bytes: u64 = digits.parse().ok().filter(|_| is_number)?;
    bytes.checked_mul(if kind == 'U' { 4 } else { 1 })
}

/// The tensor that an array of numbers is, which is this part of a file.
pub(crate) fn tensor(head: Head, name: String, array: Range<u64>) -> Result<Tensor, FormatError> {
    let Head {
        elements: kind,
        by_columns,
        shape,
        data,
    } = head;
    let (dtype, bytes) = match kind {
        Elements::Known(dtype, bytes) => (dtype, bytes),
        Elements::Other(dtype, _) => return Err(FormatError::UnknownDtype { name, dtype }),
        Elements::Objects => {
            let rule = OBJECTS.to_owned();
            return Err(FormatError::Tensor { name, rule });
        }
    };
    let range = array.start + data..array.end;
    let left = range.end - range.start;
    if elements(&shape).and_then(|elements| elements.checked_mul(bytes)) != Some(left) {
        let rule = format!("{left} bytes are not what {shape:?} elements of type {dtype} take");
        return Err(FormatError::Tensor { name, rule });
    }
    let dtype = if by_columns {
        format!("{dtype} by columns")
    } else {
        dtype.to_owned()
    };
    Ok(Tensor {
        name,
        dtype: Dtype::new(dtype),
        shape,
        file: None,
        range,
    })
}

/// What a header says.
struct Header {
    descr: Descr,
    fortran_order: bool,
    shape: Vec<u64>,
}

/// A type of elements, as it is written.
struct Descr {
    text: String,
    has_objects: bool,
}

/// Reads a header: these three, each once, in any order. Nothing else that Python could mean is understood.
fn header_of(text: &str) -> Result<Header, FormatError> {
    let mut literal = Literal { rest: text };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    literal.expect("{")?;
    while !literal.take("}") {
        let key = literal.string()?;
        literal.expect(":")?;
        let is_new = match key.as_str() {
            "descr" => descr.replace(literal.descr()?).is_none(),
            "fortran_order" => fortran_order.replace(literal.bool()?).is_none(),
            "shape" => shape.replace(literal.tuple()?).is_none(),
            _ => false,
        };
        if !is_new {
            return Err(FormatError::Header(format!(
                "the key {:?} is unknown, or there twice",
                clipped(&key)
            )));
        }
        if !literal.take(",") {
            literal.expect("}")?;
            break;
        }
    }
    if !literal.rest.trim().is_empty() {
        return Err(literal.wrong("the end"));
    }
    match (descr, fortran_order, shape) {
        (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header {
            descr,
            fortran_order,
            shape,
        }),
        _ => Err(FormatError::Header(
            "it has not all of descr, fortran_order and shape".to_owned(),
        )),
    }
}

/// A part of Python's literals, read from the left.
struct Literal<'a> {
    rest: &'a str,
}

impl Literal<'_> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start_matches([' ', '\n']);
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), FormatError> {
        if self.take(token) {
            return Ok(());
        }
        Err(self.wrong(token))
    }

    fn wrong(&self, expected: &str) -> FormatError {
        let found: String = self.rest.chars().take(20).collect();
        FormatError::Header(format!("where {expected} should be, there is {found:?}"))
    }

    fn string(&mut self) -> Result<String, FormatError> {
        let quote = ["'", "\""].into_iter().find(|quote| self.take(quote));
        let end = quote.and_then(|quote| Some((self.rest.find(quote)?, quote.len())));
        let Some((end, quote)) = end else {
            return Err(self.wrong("a text in quotes"));
        };
        let text = self.rest[..end].to_owned();
        if text.contains('\\') {
            return Err(self.wrong("a text without backslashes"));
        }
        self.rest = &self.rest[end + quote..];
        Ok(text)
    }

    /// A type, and whether one of Python's objects is in it.
    fn descr(&mut self) -> Result<Descr, FormatError> {
        let before = self.rest.trim_start_matches([' ', '\n']);
        let mut simple = None;
        let has_objects = self.has_objects(&mut simple, 0)?;
        let text = &before[..before.len() - self.rest.len()];
        Ok(Descr {
            text: simple.unwrap_or_else(|| text.to_owned()),
            has_objects,
        })
    }

    /// Reads over a type: a text, a list of fields, or another type and a shape. A text is given back.
    fn has_objects(
        &mut self,
        text: &mut Option<String>,
        depth: usize,
    ) -> Result<bool, FormatError> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("a type that is less deep in others"));
        }
        let mut has_objects = false;
        if self.take("(") {
            has_objects |= self.has_objects(&mut None, depth + 1)?;
            self.expect(",")?;
            self.lengths()?;
            self.expect(")")?;
            return Ok(has_objects);
        }
        if self.take("[") {
            while !self.take("]") {
                has_objects |= self.field(depth + 1)?;
                if !self.take(",") {
                    self.expect("]")?;
                    break;
                }
            }
            return Ok(has_objects);
        }
        let found = self.string()?;
        // Texts of any length (T) are objects, too, and "object" is one of the names that are read, but never written.
        has_objects = found.contains(['O', 'T']) || found.contains("bject");
        *text = Some(found);
        Ok(has_objects)
    }

    /// A field: its name or two, its type, and maybe a shape.
    fn field(&mut self, depth: usize) -> Result<bool, FormatError> {
        self.expect("(")?;
        if self.take("(") {
            self.string()?;
            self.expect(",")?;
            self.string()?;
            self.expect(")")?;
        } else {
            self.string()?;
        }
        self.expect(",")?;
        let has_objects = self.has_objects(&mut None, depth)?;
        if self.take(",") {
            self.lengths()?;
        }
        self.expect(")")?;
        Ok(has_objects)
    }

    /// A shape in a type, which may be one number.
    fn lengths(&mut self) -> Result<(), FormatError> {
        self.rest = self.rest.trim_start_matches([' ', '\n']);
        if self.rest.starts_with('(') {
            return self.tuple().map(drop);
        }
        let digits = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if digits.len() == self.rest.len() {
            return Err(self.wrong("a length"));
        }
        self.rest = digits;
        Ok(())
    }

    fn bool(&mut self) -> Result<bool, FormatError> {
        if self.take("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    fn tuple(&mut self) -> Result<Vec<u64>, FormatError> {
        let mut numbers = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            self.rest = self.rest.trim_start_matches([' ', '\n']);
            let end = self.rest.find(|c: char| !c.is_ascii_digit());
            let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            let number = digits.parse().map_err(|_| self.wrong("a length"))?;
            numbers.push(number);
            // Python 2 wrote its long integers so.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            check_dimensions(numbers.len() as u64)?;
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests;
