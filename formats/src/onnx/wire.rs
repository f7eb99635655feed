//! The wire format of protobuf: a message is fields, one behind the other, and some of them are messages again.
//!
//! ```text
//! field: varint (number << 3 │ wire type) ─► type 0: a varint │ 1: 8 bytes │ 5: 4 bytes │ 2: a length (varint), and that many bytes
//! ```
//!
//! Always: a field ends where its message does, or before. Of the bytes of a field only those are read that are asked
//! for. Stricter than protobuf's own readers: a field that the schema does not know is refused (it could be a new place
//! for tensors), and so is one that should stand once and stands twice (they merge them, or take the last).
//!
//! See <https://protobuf.dev/programming-guides/encoding/>.

use std::ops::Range;

use crate::FormatError;
use crate::format::at_most;
use crate::source::{Reader, Source};

/// How deep messages may be in messages; protobuf's own readers have the same bound.
const DEPTH_MAX: usize = 100;

/// What fields a message may have.
pub(super) struct Schema {
    /// The message, for a sentence.
    pub(super) what: &'static str,
    /// The numbers of the fields that it has at most once; below 32.
    pub(super) once: &'static [u32],
    /// The numbers of those that it may have more than once.
    pub(super) repeated: &'static [u32],
}

/// A message, from its next field on.
#[derive(Clone)]
pub(super) struct Message {
    schema: &'static Schema,
    at: u64,
    end: u64,
    depth: usize,
    /// A bit for each field that it has at most once and that was there.
    seen: u32,
}

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Varint,
    Fixed64,
    Bytes,
    Fixed32,
}

/// A field of a message.
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) kind: Kind,
    /// Where its bytes are, behind its number and its length.
    pub(super) range: Range<u64>,
    /// Where it begins.
    at: u64,
    /// What it is, if it is a varint.
    varint: u64,
    /// The message that it is in, and how deep that is.
    what: &'static str,
    depth: usize,
}

/// Reads a file that is a message.
pub(super) struct Wire<'a> {
    reader: Reader<'a>,
    bytes: u64,
}

impl Message {
    /// Where it ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// An error that says where it is.
    pub(super) fn wrong(&self, rule: &str) -> FormatError {
        wrong(self.at, &format!("{} {rule}", self.schema.what))
    }
}

impl Field {
    /// Checks that it is written in one of these ways.
    pub(super) fn is(&self, kinds: &[Kind]) -> Result<(), FormatError> {
        if kinds.contains(&self.kind) {
            return Ok(());
        }
        Err(self.wrong(&format!("can't be written as {:?}", self.kind)))
    }

    /// It, as a message.
    pub(super) fn message(&self, schema: &'static Schema) -> Result<Message, FormatError> {
        self.is(&[Kind::Bytes])?;
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong(&format!("is in more than {DEPTH_MAX} messages")));
        }
        Ok(Message {
            schema,
            at: self.range.start,
            end: self.range.end,
            depth: self.depth + 1,
            seen: 0,
        })
    }

    /// It, as a number.
    pub(super) fn number(&self) -> Result<u64, FormatError> {
        self.is(&[Kind::Varint])?;
        Ok(self.varint)
    }

    /// An error that says where it is.
    pub(super) fn wrong(&self, rule: &str) -> FormatError {
        let Self { number, what, .. } = self;
        wrong(self.at, &format!("field {number} of {what} {rule}"))
    }
}

impl<'a> Wire<'a> {
    pub(super) fn new(source: &'a dyn Source) -> Self {
        Self {
            reader: Reader::new(source),
            bytes: source.bytes(),
        }
    }

    /// The file, as a message.
    pub(super) fn file(&self, schema: &'static Schema) -> Message {
        Message {
            schema,
            at: 0,
            end: self.bytes,
            depth: 0,
            seen: 0,
        }
    }

    /// The next field of a message. The one before is passed over, however much of it was read.
    pub(super) fn next(&mut self, message: &mut Message) -> Result<Option<Field>, FormatError> {
        let at = message.at;
        let Schema {
            what,
            once,
            repeated,
        } = *message.schema;
        if at == message.end {
            return Ok(None);
        }
        self.reader.go_to(at);
        let tag = self.varint(message.end, what)?;
        let number = u32::try_from(tag >> 3).unwrap_or(u32::MAX);
        let mut field = Field {
            number,
            kind: Kind::Varint,
            range: at..at,
            at,
            varint: 0,
            what,
            depth: message.depth,
        };
        if once.contains(&number) {
            if message.seen & (1 << number) != 0 {
                return Err(field.wrong("stands twice"));
            }
            message.seen |= 1 << number;
        } else if !repeated.contains(&number) {
            return Err(field.wrong("is not known"));
        }
        let (kind, bytes) = match tag & 7 {
            0 => (Kind::Varint, 0),
            1 => (Kind::Fixed64, 8),
            2 => (Kind::Bytes, self.varint(message.end, what)?),
            5 => (Kind::Fixed32, 4),
            other => return Err(field.wrong(&format!("is of the wire type {other}"))),
        };
        field.kind = kind;
        let start = self.reader.at();
        if kind == Kind::Varint {
            field.varint = self.varint(message.end, what)?;
        }
        let end = self.reader.at().saturating_add(bytes);
        if end > message.end {
            return Err(field.wrong(&format!(
                "would end at byte {end}, and {what} does at byte {}",
                message.end
            )));
        }
        field.range = start..end;
        message.at = end;
        Ok(Some(field))
    }

    /// The text that a field is.
    pub(super) fn text(
        &mut self,
        field: &Field,
        what: &'static str,
        max: usize,
    ) -> Result<String, FormatError> {
        field.is(&[Kind::Bytes])?;
        let length = field.range.end - field.range.start;
        at_most(what, length, max)?;
        self.reader.go_to(field.range.start);
        let bytes = self.reader.take(length, "a text")?;
        match str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(field.wrong(&format!("is no text: {error}"))),
        }
    }

    /// The numbers that a field is: one, or more without anything between them.
    pub(super) fn numbers(
        &mut self,
        field: &Field,
        mut each: impl FnMut(u64) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        field.is(&[Kind::Varint, Kind::Bytes])?;
        self.reader.go_to(field.range.start);
        while self.reader.at() < field.range.end {
            each(self.varint(field.range.end, "its field")?)?;
        }
        Ok(())
    }

    /// A number of which each byte has 7 bits, the lowest first, and says with its highest whether another one follows.
    fn varint(&mut self, end: u64, what: &'static str) -> Result<u64, FormatError> {
        let at = self.reader.at();
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            if self.reader.at() >= end {
                return Err(wrong(
                    at,
                    &format!("a number would end behind byte {end}, where {what} does"),
                ));
            }
            let [byte] = self.reader.array("a number")?;
            let bits = u64::from(byte & 0x7f);
            // Of the tenth byte there is one bit in a number of 64.
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(wrong(at, "a number has more than 64 bits"))
    }
}

fn wrong(at: u64, rule: &str) -> FormatError {
    FormatError::Header(format!("at byte {at}: {rule}"))
}
