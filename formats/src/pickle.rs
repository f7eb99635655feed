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

use std::collections::{BTreeSet, HashMap};

use crate::source::{Reader, Source, SourceError};
use crate::tensor::NAME_BYTES_MAX;
use crate::{FormatError, globals};

mod value;

pub(crate) use value::{Node, Object, Pickle, Value};

/// The most operations of a pickle: those of a million tensors are some 30 million.
const OPERATIONS_MAX: u64 = 64_000_000;

/// The most values at once on the stack; picklers put at most 1,000 there, but for the elements of a tuple.
const STACK_MAX: usize = 1_000_000;

/// The most values that a pickle remembers by number: each text and tuple, once.
const MEMO_MAX: usize = 4_000_000;

/// The most values that are kept: a tensor takes some 9.
const NODES_MAX: usize = 4_000_000;

/// The most values that others consist of.
const ITEMS_MAX: usize = 8_000_000;

/// The most bytes of texts that are kept.
const TEXTS_BYTES_MAX: usize = 128 << 20;

/// The longest text that is kept, which is the longest name.
const TEXT_BYTES_MAX: u64 = NAME_BYTES_MAX as u64;

/// The most different things that a pickle imports.
const IMPORTS_MAX: usize = 100_000;

const PROTOCOL_MAX: u8 = 5;

/// What stands for a part of a name that isn't there as a text.
const COMPUTED: &str = "(computed)";

/// Follows the pickle that begins at byte `at` to its end, and adds to the imports what it imports, be it allowed or
/// not.
pub(crate) fn walk(
    source: &dyn Source,
    at: u64,
    imports: &mut BTreeSet<String>,
) -> Result<Pickle, FormatError> {
    let mut reader = Reader::new(source);
    reader.skip(at, "a pickle")?;
    let mut walker = Walker {
        reader,
        imports,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        nodes: Vec::new(),
        items: 0,
        texts_bytes: 0,
    };
    for _ in 0..OPERATIONS_MAX {
        let at = walker.reader.at();
        let root = match walker.step() {
            Ok(None) => continue,
            Ok(Some(root)) => root,
            Err(Fault::Source(SourceError::Io(error))) => {
                return Err(SourceError::Io(error).into());
            }
            Err(Fault::Source(error)) => return Err(wrong(at, error.to_string(), imports)),
            Err(Fault::Rule(rule)) => return Err(wrong(at, rule, imports)),
        };
        // Values that are left below it are no one's, as in Python.
        return Ok(Pickle {
            nodes: walker.nodes,
            root,
            end: walker.reader.at(),
        });
    }
    let rule = format!("more than {OPERATIONS_MAX} operations");
    Err(wrong(walker.reader.at(), rule, imports))
}

/// Follows a pickle that the rest of a file from byte `at` on is.
pub(crate) fn walk_to_end(
    source: &dyn Source,
    at: u64,
    imports: &mut BTreeSet<String>,
) -> Result<Pickle, FormatError> {
    let pickle = walk(source, at, imports)?;
    if pickle.end != source.bytes() {
        let rule = format!("it ends here, and there are {} bytes", source.bytes());
        return Err(wrong(pickle.end, rule, imports));
    }
    Ok(pickle)
}

/// An error of a pickle.
fn wrong(at: u64, rule: String, imports: &BTreeSet<String>) -> FormatError {
    FormatError::Pickle {
        at,
        rule,
        imports: globals::beyond_weights(imports),
    }
}

/// Why an operation can't be followed.
enum Fault {
    Rule(String),
    Source(SourceError),
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

fn fault<T>(rule: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Rule(rule.into()))
}

/// The machine.
struct Walker<'a> {
    reader: Reader<'a>,
    imports: &'a mut BTreeSet<String>,
    stack: Vec<Value>,
    /// How high the stack was at each mark that is still there.
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    nodes: Vec<Node>,
    items: usize,
    texts_bytes: usize,
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
                self.push(top)?;
            }
            0x80 => {
                let protocol = self.u8()?;
                if protocol > PROTOCOL_MAX {
                    return fault(format!("protocol {protocol}, where 5 is the last known"));
                }
            }
            0x95 => {
                let length = self.reader.u64(ARGUMENT)?;
                if length > self.reader.left() {
                    return fault(format!("a frame of {length} bytes"));
                }
            }
            // Buffers stand outside of a pickle, and files have none.
            0x97 => return fault("a buffer that is not in the file"),
            0x98 => drop(self.top()?),
            b'N' | 0x88 | 0x89 => self.push(Value::Opaque)?,
            b'c' | b'i' | 0x82..=0x84 | 0x93 => self.import(operation)?,
            b'R' | b'b' | b'o' | 0x81 | 0x92 | b'P' | b'Q' => self.call(operation)?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(operation)?,
            b'I' | b'L' | b'F' | b'S' | b'V' => self.line(operation)?,
            b'J' | b'K' | b'M' | b'G' | 0x8a | 0x8b => self.number(operation)?,
            b'X' | 0x8c | 0x8d | b'T' | b'U' => self.text(operation)?,
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = self.length(operation)?;
                self.reader.skip(length, ARGUMENT)?;
                self.push(Value::Opaque)?;
            }
            b')' | b't' | 0x85..=0x87 => self.tuple(operation)?,
            b']' | b'}' | 0x8f => self.push_object(Object::default())?,
            b'l' | b'd' | 0x91 => {
                let items = self.pops_to_mark()?;
                self.push_object(Object::default())?;
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

    /// GLOBAL, INST, EXT1 to 4, `STACK_GLOBAL`.
    fn import(&mut self, operation: u8) -> Result<(), Fault> {
        let name = match operation {
            0x93 => {
                let [module, name] = self.pop_array()?;
                format!("{}.{}", self.part(module), self.part(name))
            }
            b'c' | b'i' => {
                let module = self.name()?;
                format!("{module}.{}", self.name()?)
            }
            // Of which module, only the program that loads it knows.
            0x82 => format!("(extension).{}", self.u8()?),
            0x83 => format!(
                "(extension).{}",
                u16::from_le_bytes(self.reader.array(ARGUMENT)?)
            ),
            _ => format!(
                "(extension).{}",
                i32::from_le_bytes(self.reader.array(ARGUMENT)?)
            ),
        };
        if !self.imports.contains(&name) {
            if self.imports.len() >= IMPORTS_MAX {
                return fault(format!("more than {IMPORTS_MAX} imports"));
            }
            self.imports.insert(name.clone());
        }
        self.texts_bytes += name.len();
        let global = self.node(Node::Global(name.into()))?;
        if operation != b'i' {
            return self.push(global);
        }
        let items = self.pops_to_mark()?;
        self.make(global, items)
    }

    /// A part of a name, as it is given for an import.
    fn part(&self, value: Value) -> &str {
        match value {
            Value::Node(number) => match &self.nodes[number as usize] {
                Node::Text(text) => text,
                _ => COMPUTED,
            },
            _ => COMPUTED,
        }
    }

    /// A line with the name of a module, or one in it.
    fn name(&mut self) -> Result<String, Fault> {
        match self.reader.line(NAME_BYTES_MAX, ARGUMENT)? {
            Some(line) => Ok(String::from_utf8_lossy(&line).into_owned()),
            None => fault(format!(
                "an import by a name of more than {NAME_BYTES_MAX} bytes"
            )),
        }
    }

    /// REDUCE, BUILD, OBJ, NEWOBJ, `NEWOBJ_EX`, PERSID, BINPERSID.
    fn call(&mut self, operation: u8) -> Result<(), Fault> {
        match operation {
            b'R' | 0x81 => {
                let [class, arguments] = self.pop_array()?;
                self.push_call(class, arguments)
            }
            0x92 => {
                let [class, arguments, named] = self.pop_array()?;
                self.make(class, vec![arguments, named])
            }
            b'o' => {
                let mut items = self.pops_to_mark()?;
                if items.is_empty() {
                    return fault("an object without a class");
                }
                let class = items.remove(0);
                self.make(class, items)
            }
            b'b' => {
                let state = self.pop()?;
                if let Some(object) = self.top_object()? {
                    object.states.push(state);
                    self.count(1)?;
                }
                Ok(())
            }
            b'P' => {
                self.reader.line(0, ARGUMENT)?;
                let found = self.node(Node::Persistent(Value::Opaque))?;
                self.push(found)
            }
            _ => {
                let id = self.pop()?;
                let found = self.node(Node::Persistent(id))?;
                self.push(found)
            }
        }
    }

    /// PUT, BINPUT, `LONG_BINPUT`, MEMOIZE; GET, BINGET, `LONG_BINGET`.
    fn remember(&mut self, operation: u8) -> Result<(), Fault> {
        let number = match operation {
            0x94 => self.memo.len() as u64,
            b'q' | b'h' => u64::from(self.u8()?),
            b'r' | b'j' => u64::from(self.reader.u32(ARGUMENT)?),
            _ => {
                let line = self.reader.line(20, ARGUMENT)?.unwrap_or_default();
                let digits = str::from_utf8(&line).unwrap_or_default();
                // Python takes other ways to write a number, too, which no pickler writes.
                let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                match digits.parse().ok().filter(|_| is_plain) {
                    Some(number) => number,
                    None => return fault("what it remembers, or recalls, is by no number"),
                }
            }
        };
        if matches!(operation, b'g' | b'h' | b'j') {
            return match self.memo.get(&number) {
                Some(value) => self.push(*value),
                None => fault(format!("it recalls {number}, which it did not remember")),
            };
        }
        let top = self.top()?;
        self.memo.insert(number, top);
        at_most("remembered values", self.memo.len(), MEMO_MAX)
    }

    /// INT, LONG, FLOAT, STRING, UNICODE: in lines.
    fn line(&mut self, operation: u8) -> Result<(), Fault> {
        let line = self.reader.line(NAME_BYTES_MAX, ARGUMENT)?;
        let line = line.and_then(|line| String::from_utf8(line).ok());
        // What is written with backslashes is not read: it is then a text that isn't known.
        let text = line.as_deref().filter(|line| !line.contains('\\'));
        let value = match (operation, text) {
            (b'I', Some("00" | "01")) => Value::Opaque,
            (b'I' | b'L', Some(text)) => {
                let digits = text.strip_suffix('L').unwrap_or(text);
                digits.parse().map_or(Value::Opaque, Value::Int)
            }
            (b'V', Some(text)) => self.text_node(text)?,
            (b'S', Some(text)) => {
                let inner = ['\'', '"']
                    .into_iter()
                    .find_map(|quote| text.trim().strip_prefix(quote)?.strip_suffix(quote));
                match inner {
                    Some(inner) => self.text_node(inner)?,
                    None => Value::Opaque,
                }
            }
            _ => Value::Opaque,
        };
        self.push(value)
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
                let length = self.length(operation)?;
                if length > 8 {
                    self.reader.skip(length, ARGUMENT)?;
                    Value::Opaque
                } else {
                    let bytes = self.reader.take(length, ARGUMENT)?;
                    let is_negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
                    let mut wide = [if is_negative { 0xff } else { 0 }; 8];
                    wide[..bytes.len()].copy_from_slice(bytes);
                    Value::Int(i64::from_le_bytes(wide))
                }
            }
        };
        self.push(value)
    }

    /// BINUNICODE, `SHORT_BINUNICODE`, BINUNICODE8, BINSTRING, `SHORT_BINSTRING`.
    fn text(&mut self, operation: u8) -> Result<(), Fault> {
        let length = self.length(operation)?;
        if length > TEXT_BYTES_MAX {
            self.reader.skip(length, ARGUMENT)?;
            return self.push(Value::Opaque);
        }
        let bytes = self.reader.take(length, ARGUMENT)?.to_vec();
        let value = match str::from_utf8(&bytes) {
            Ok(text) => self.text_node(text)?,
            Err(_) => Value::Opaque,
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
        self.count(items.len())?;
        let Some(object) = self.top_object()? else {
            return Ok(());
        };
        if are_keyed {
            let pairs = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
            object.entries.extend(pairs);
            return Ok(());
        }
        for item in items {
            // Long lists are of numbers.
            if matches!(item, Value::Node(_)) {
                object.entries.push((Value::Int(object.appended), item));
            }
            object.appended += 1;
        }
        Ok(())
    }

    fn make(&mut self, class: Value, items: Vec<Value>) -> Result<(), Fault> {
        let arguments = self.tuple_node(items)?;
        self.push_call(class, arguments)
    }

    fn push_call(&mut self, class: Value, arguments: Value) -> Result<(), Fault> {
        self.push_object(Object {
            call: Some((class, arguments)),
            ..Object::default()
        })
    }

    fn push_object(&mut self, object: Object) -> Result<(), Fault> {
        let object = self.node(Node::Object(object.into()))?;
        self.push(object)
    }

    fn text_node(&mut self, text: &str) -> Result<Value, Fault> {
        self.texts_bytes += text.len();
        self.node(Node::Text(text.into()))
    }

    fn tuple_node(&mut self, items: Vec<Value>) -> Result<Value, Fault> {
        self.count(items.len())?;
        self.node(Node::Tuple(items.into()))
    }

    fn node(&mut self, node: Node) -> Result<Value, Fault> {
        at_most("bytes of texts", self.texts_bytes, TEXTS_BYTES_MAX)?;
        at_most("values", self.nodes.len() + 1, NODES_MAX)?;
        let number = u32::try_from(self.nodes.len());
        let number = number.or_else(|_| fault("too many values"))?;
        self.nodes.push(node);
        Ok(Value::Node(number))
    }

    fn count(&mut self, items: usize) -> Result<(), Fault> {
        self.items += items;
        at_most("values in others", self.items, ITEMS_MAX)
    }

    fn push(&mut self, value: Value) -> Result<(), Fault> {
        self.stack.push(value);
        at_most("values on the stack", self.stack.len(), STACK_MAX)
    }

    fn mark(&mut self) -> Result<(), Fault> {
        self.marks.push(self.stack.len());
        at_most("marks on the stack", self.marks.len(), STACK_MAX)
    }

    /// How many values can't be taken, because they are below a mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value, Fault> {
        match self.stack[self.floor()..].last() {
            Some(value) => Ok(*value),
            None => fault("it needs a value where there is none"),
        }
    }

    fn top_object(&mut self) -> Result<Option<&mut Object>, Fault> {
        let Value::Node(number) = self.top()? else {
            return Ok(None);
        };
        match &mut self.nodes[number as usize] {
            Node::Object(object) => Ok(Some(object)),
            _ => Ok(None),
        }
    }

    fn pop(&mut self) -> Result<Value, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pops(&mut self, count: usize) -> Result<Vec<Value>, Fault> {
        match self.stack[self.floor()..].len().checked_sub(count) {
            Some(left) => Ok(self.stack.split_off(self.floor() + left)),
            None => fault(format!("it needs {count} values where there are fewer")),
        }
    }

    fn pop_array<const N: usize>(&mut self) -> Result<[Value; N], Fault> {
        let values = self.pops(N)?;
        values.try_into().or_else(|_| fault("too few values"))
    }

    /// POP: takes a mark where there is no value above it.
    fn pop_or_mark(&mut self) -> Result<(), Fault> {
        if self.stack.len() > self.floor() {
            self.stack.pop();
            return Ok(());
        }
        self.pops_to_mark().map(drop)
    }

    fn pops_to_mark(&mut self) -> Result<Vec<Value>, Fault> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => fault("it goes back to a mark where there is none"),
        }
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        let [byte] = self.reader.array(ARGUMENT)?;
        Ok(byte)
    }

    /// How many bytes long an argument is that says so.
    fn length(&mut self, operation: u8) -> Result<u64, Fault> {
        Ok(match operation {
            b'U' | b'C' | 0x8a | 0x8c => u64::from(self.u8()?),
            0x8d | 0x8e | 0x96 => self.reader.u64(ARGUMENT)?,
            b'B' | b'X' => u64::from(self.reader.u32(ARGUMENT)?),
            // These two have a sign.
            _ => match i32::from_le_bytes(self.reader.array(ARGUMENT)?).try_into() {
                Ok(length) => length,
                Err(_) => return fault("an argument with a negative length"),
            },
        })
    }
}

/// What is missing where a pickle is cut.
const ARGUMENT: &str = "an operation";

fn at_most(what: &str, found: usize, max: usize) -> Result<(), Fault> {
    if found > max {
        return fault(format!("more than {max} {what}"));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
