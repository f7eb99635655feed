//! Pickles: programs for a machine with a stack that make Python's objects. They are followed here, and not run.
//!
//! ```text
//! operation: 1 byte │ its argument │ … │ "." ──► the values that it names and puts together: texts, whole numbers,
//!                                               tuples, objects (by who would make them of what), and what it imports
//! ```
//!
//! Protocols 0 to 5: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>, and where that differs from what
//! Python does, as `Modules/_pickle.c` has it.
//!
//! Always: nothing is imported or called. Each import is noted before anything else that could fail. Values refer to
//! each other by number, so that however deep they go, nothing here goes as deep.

use std::collections::BTreeSet;

use crate::source::{Reader, Source};
use crate::tensor::NAME_BYTES_MAX;

mod call;
mod dtype;
mod import;
mod joblib;
mod memo;
mod stack;
mod stopped;
mod text;
mod value;

pub(crate) use joblib::WRAPPER;
use memo::Memo;
pub(crate) use stopped::Stopped;
use stopped::{Fault, fault};
pub(crate) use value::{Node, Object, Pickle, Value};

/// The most operations of a pickle, each of which takes a byte: less than a minute.
const OPERATIONS_MAX: u64 = 1 << 30;

/// How much memory all values of a pickle may take: those of 250,000 tensors, or of a pickle of which only the imports are
/// looked for, what it remembers of 8 million texts and lists.
const MEMORY_BYTES_MAX: usize = 256 << 20;

/// What values take of it: a place in a list with room for as many again, and a piece of memory with what it takes to know
/// of it.
const NODE_BYTES: usize = 2 * size_of::<Node>();
const PIECE_BYTES: usize = 32;
const OBJECT_BYTES: usize = size_of::<Object>() + PIECE_BYTES;
const ITEM_BYTES: usize = 2 * size_of::<(Value, Value)>();

/// The most different things that a pickle imports.
const IMPORTS_MAX: usize = 10_000;

const PROTOCOL_MAX: u8 = 5;

/// Numbers up to here may be protocols to come. No Python takes the others.
const PROTOCOL_TO_COME_MAX: u8 = 9;

/// The number with which files of `PyTorch`'s from before version 1.6 begin (0x1950a86a20f9469cfc6c).
const TORCH_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const TORCH_MAGIC_DECIMAL: &[u8] = b"119547037146038801333356";

/// What is looked for in a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// What it imports; of its values only as many are kept as that takes.
    Imports,
    /// Its values, too.
    Values,
    /// What it imports, with arrays between its operations, as joblib puts them there.
    ImportsBetweenArrays,
}

/// Follows the pickle that begins at byte `at` to its end, and adds to the imports what it imports, be it allowed or
/// not; also what it does before it stops.
pub(crate) fn walk(
    source: &dyn Source,
    at: u64,
    wanted: Wanted,
    imports: &mut BTreeSet<String>,
) -> Result<Pickle, Stopped> {
    let mut reader = Reader::new(source);
    reader.go_to(at);
    let mut walker = Walker {
        source,
        reader,
        operation_at: at,
        frame_end: 0,
        wanted,
        imports,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Memo::default(),
        nodes: Vec::new(),
        memory: 0,
        names_bytes: 0,
        has_called: false,
        wrapper: None,
    };
    for _ in 0..OPERATIONS_MAX {
        let at = walker.reader.at();
        walker.operation_at = at;
        let step = walker.step();
        let root = step.and_then(|root| walker.check_frame(root.is_some()).map(|()| root));
        let root = match root {
            Ok(None) => continue,
            Ok(Some(root)) => root,
            Err(fault) => return Err(fault.at(at, walker.has_called)),
        };
        // Values that are left below it are no one's, as in Python.
        return Ok(Pickle {
            nodes: walker.nodes,
            root,
            end: walker.reader.at(),
        });
    }
    let at = walker.reader.at();
    let rule = format!("more than {OPERATIONS_MAX} operations");
    Err(Stopped::Beyond { at, rule })
}

/// Follows a pickle that the rest of a file from byte `at` on is.
pub(crate) fn walk_to_end(
    source: &dyn Source,
    at: u64,
    wanted: Wanted,
    imports: &mut BTreeSet<String>,
) -> Result<Pickle, Stopped> {
    let pickle = walk(source, at, wanted, imports)?;
    if pickle.end != source.bytes() {
        let rule = format!("it ends here, and there are {} bytes", source.bytes());
        return Err(Stopped::Broken {
            at: pickle.end,
            rule,
            has_called: false,
        });
    }
    Ok(pickle)
}

/// The machine.
struct Walker<'a> {
    source: &'a dyn Source,
    reader: Reader<'a>,
    /// Where the operation is that is followed.
    operation_at: u64,
    /// Where the frame ends that it is in; 0 if it is in none.
    frame_end: u64,
    wanted: Wanted,
    imports: &'a mut BTreeSet<String>,
    stack: Vec<Value>,
    /// How high the stack was at each mark that is still there.
    marks: Vec<usize>,
    memo: Memo,
    nodes: Vec<Node>,
    /// How many bytes of memory the values take.
    memory: usize,
    /// How many bytes were read a second time for the names of imports.
    names_bytes: u64,
    /// If something may have been called that it imports.
    has_called: bool,
    /// The one of joblib's objects, by its number, that says that an array follows, until it was told which.
    wrapper: Option<Value>,
}

impl Walker<'_> {
    /// Follows one operation; returns what the pickle makes, if it is the last.
    fn step(&mut self) -> Result<Option<Value>, Fault> {
        let operation = self.u8()?;
        match operation {
            b'.' => return self.pop().map(Some),
            b'(' => self.mark()?,
            b'0' => self.pop_or_mark()?,
            b'1' => drop(self.pops_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.check_taken(&[top])?;
                self.push(top)?;
            }
            0x80 => {
                let protocol = self.u8()?;
                if protocol > PROTOCOL_TO_COME_MAX {
                    return fault(format!("there is no protocol {protocol}"));
                }
                if protocol > PROTOCOL_MAX {
                    return Err(Fault::Protocol(protocol));
                }
            }
            0x95 => self.frame()?,
            0x98 => drop(self.top()?),
            b'N' => self.push(Value::Nothing)?,
            0x88 | 0x89 => self.push(Value::Bool(operation == 0x88))?,
            // A buffer, which the program that loads the pickle has from elsewhere.
            0x97 => self.push(Value::Opaque)?,
            b'c' | b'i' | 0x82..=0x84 | 0x93 => self.import(operation)?,
            b'R' | b'b' | b'o' | 0x81 | 0x92 | b'P' | b'Q' => self.call(operation)?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(operation)?,
            b'I' | b'L' | b'F' => self.line(operation)?,
            b'J' | b'K' | b'M' | b'G' | 0x8a | 0x8b => self.number(operation)?,
            b'X' | 0x8c | 0x8d | b'T' | b'U' | b'S' | b'V' => self.text(operation)?,
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = text::length(&mut self.reader, operation)?;
                self.reader.skip(length, ARGUMENT)?;
                self.push(Value::Opaque)?;
            }
            b')' | b't' | 0x85..=0x87 => self.tuple(operation)?,
            b']' | b'}' | 0x8f => self.push_object(None)?,
            b'l' | b'd' | 0x91 => {
                let items = self.pops_to_mark()?;
                self.push_object(None)?;
                self.fill(items, operation == b'd')?;
            }
            b'a' | b's' => {
                let is_keyed = operation == b's';
                let items = self.pops(if is_keyed { 2 } else { 1 })?;
                self.fill(items, is_keyed)?;
            }
            b'e' | b'u' | 0x90 => {
                let items = self.pops_to_mark()?;
                self.fill(items, operation == b'u')?;
            }
            _ => return fault(format!("{operation:#04x} is no operation")),
        }
        Ok(None)
    }

    /// FRAME: how much to read at once.
    fn frame(&mut self) -> Result<(), Fault> {
        let length = self.reader.u64(ARGUMENT)?;
        let end = self.reader.at().saturating_add(length);
        if self.reader.at() < self.frame_end {
            if end > self.frame_end {
                return Err(Fault::Beyond(
                    "a frame reaches out of another one".to_owned(),
                ));
            }
            return Ok(());
        }
        self.frame_end = end;
        Ok(())
    }

    /// Python's unpickler in C forgets what is left of a frame where an operation goes on behind it, or the pickle ends
    /// before; the other one doesn't. No pickler makes such frames.
    fn check_frame(&self, is_stop: bool) -> Result<(), Fault> {
        let is_over_end = self.operation_at < self.frame_end && self.reader.at() > self.frame_end;
        if is_over_end || is_stop && self.reader.at() < self.frame_end {
            let end = self.frame_end;
            return Err(Fault::Beyond(format!(
                "its frame ends at byte {end}, and no operation does there"
            )));
        }
        Ok(())
    }

    /// PUT, BINPUT, `LONG_BINPUT`, MEMOIZE; GET, BINGET, `LONG_BINGET`.
    fn remember(&mut self, operation: u8) -> Result<(), Fault> {
        let number = match operation {
            0x94 => self.memo.count(),
            b'q' | b'h' => u64::from(self.u8()?),
            b'r' | b'j' => u64::from(self.reader.u32(ARGUMENT)?),
            _ => text::memo_number(&mut self.reader)?,
        };
        if matches!(operation, b'g' | b'h' | b'j') {
            return match self.memo.recall(number) {
                Some(value) => {
                    self.check_recalled(value)?;
                    self.push(value)
                }
                None => fault(format!("it recalls {number}, which it did not remember")),
            };
        }
        let top = self.top()?;
        let bytes = self.memo.remember(number, top);
        self.charge(bytes)
    }

    /// INT, LONG, FLOAT: in lines.
    fn line(&mut self, operation: u8) -> Result<(), Fault> {
        let line = text::line(&mut self.reader, NAME_BYTES_MAX)?.unwrap_or_default();
        let digits = line.strip_suffix(b"L").unwrap_or(&line);
        self.push(match operation {
            b'F' => Value::Opaque,
            b'I' if line == b"00" || line == b"01" => Value::Bool(line == b"01"),
            _ if digits == TORCH_MAGIC_DECIMAL => Value::TorchMagic,
            _ => text::plain_int(digits).map_or(Value::Opaque, Value::Int),
        })
    }

    /// BININT, BININT1, BININT2, BINFLOAT, LONG1, LONG4.
    fn number(&mut self, operation: u8) -> Result<(), Fault> {
        let value = match operation {
            b'J' => Value::Int(i32::from_le_bytes(self.reader.array(ARGUMENT)?).into()),
            b'K' => Value::Int(self.u8()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.reader.array(ARGUMENT)?).into()),
            b'G' => {
                self.reader.skip(8, ARGUMENT)?;
                Value::Opaque
            }
            _ => {
                let length = text::length(&mut self.reader, operation)?;
                if length > LONG_BYTES_MAX {
                    self.reader.skip(length, ARGUMENT)?;
                    Value::Opaque
                } else {
                    long(self.reader.take(length, ARGUMENT)?)
                }
            }
        };
        self.push(value)
    }

    /// BINUNICODE, `SHORT_BINUNICODE`, BINUNICODE8, BINSTRING, `SHORT_BINSTRING`, STRING, UNICODE.
    fn text(&mut self, operation: u8) -> Result<(), Fault> {
        let text = text::text(&mut self.reader, operation)?;
        let value = match (text, self.wanted) {
            (None, _) => Value::Opaque,
            (Some(text), Wanted::Values | Wanted::ImportsBetweenArrays) => {
                self.charge(text.len() + PIECE_BYTES)?;
                self.node(Node::Text(text.into()))?
            }
            (Some(_), Wanted::Imports) => Value::Place(self.operation_at),
        };
        self.push(value)
    }

    /// `EMPTY_TUPLE`, TUPLE, TUPLE1, TUPLE2, TUPLE3.
    fn tuple(&mut self, operation: u8) -> Result<(), Fault> {
        let items = match operation {
            b')' => Vec::new(),
            b't' => self.pops_to_mark()?,
            _ => self.pops(usize::from(operation - 0x84))?,
        };
        let tuple = self.tuple_node(items)?;
        self.push(tuple)
    }

    /// Adds items to the object at the top: one by one, or as keys and values. What happens to others when that is
    /// done to them is not followed.
    fn fill(&mut self, items: Vec<Value>, are_keyed: bool) -> Result<(), Fault> {
        if are_keyed && !items.len().is_multiple_of(2) {
            return fault("a key without a value");
        }
        let count = items.len();
        let Some(object) = self.top_object()? else {
            return Ok(());
        };
        if are_keyed {
            if object.entries.is_empty() {
                object.entries.reserve_exact(count / 2);
            }
            let pairs = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
            object.entries.extend(pairs);
            return self.charge(count / 2 * ITEM_BYTES);
        }
        let before = object.entries.len();
        for item in items {
            // Long lists are of numbers.
            if matches!(item, Value::Node(_)) {
                object.entries.push((Value::Int(object.appended), item));
            }
            object.appended += 1;
        }
        let more = object.entries.len() - before;
        self.charge(more * ITEM_BYTES)
    }

    fn push_object(&mut self, object: Option<Box<Object>>) -> Result<(), Fault> {
        let object = self.node(Node::Object(object))?;
        self.push(object)
    }

    fn tuple_node(&mut self, items: Vec<Value>) -> Result<Value, Fault> {
        if self.wanted == Wanted::Imports {
            return Ok(Value::Opaque);
        }
        self.charge(items.len() * size_of::<Value>() + PIECE_BYTES)?;
        self.node(Node::Tuple(items.into()))
    }

    /// Keeps a value, unless only imports are looked for.
    fn node(&mut self, node: Node) -> Result<Value, Fault> {
        if self.wanted == Wanted::Imports {
            return Ok(Value::Opaque);
        }
        self.charge(NODE_BYTES)?;
        let number = u32::try_from(self.nodes.len());
        let number = number.or_else(|_| fault("too many values"))?;
        self.nodes.push(node);
        Ok(Value::Node(number))
    }

    /// Takes so many bytes of the memory for values.
    fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        self.memory += bytes;
        if self.memory > MEMORY_BYTES_MAX {
            let max = MEMORY_BYTES_MAX >> 20;
            return Err(Fault::Beyond(format!(
                "its values take more than {max} MiB"
            )));
        }
        Ok(())
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        let [byte] = self.reader.array(ARGUMENT)?;
        Ok(byte)
    }
}

/// What is missing where a pickle is cut.
const ARGUMENT: &str = "an operation";

/// The longest number of LONG1 and LONG4 that is looked at; zeros may stand behind it.
const LONG_BYTES_MAX: u64 = 64;

/// A number as LONG1 and LONG4 write it, little end first, as far as it matters.
fn long(mut bytes: &[u8]) -> Value {
    let is_negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let sign = if is_negative { 0xff } else { 0 };
    while let [rest @ .., before, last] = bytes
        && *last == sign
        && (*before >= 0x80) == is_negative
    {
        bytes = &bytes[..=rest.len()];
    }
    if bytes == TORCH_MAGIC {
        return Value::TorchMagic;
    }
    let mut wide = [sign; 8];
    match wide.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        }
        None => Value::Opaque,
    }
}

#[cfg(test)]
pub(crate) mod tests;
