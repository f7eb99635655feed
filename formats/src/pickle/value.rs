//! The values that a pickle names and puts together.
//!
//! ```text
//! Value ──number──► Node: text │ import │ tuple of values │ object: call, items by keys, states │ identifier
//! ```

/// A value, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Something that is neither a name nor a length, and that no tensor is in: numbers with a point, bytes…
    Opaque,
    /// `None`.
    Nothing,
    Bool(bool),
    Int(i64),
    /// The number that files of `PyTorch`'s from before version 1.6 begin with.
    TorchMagic,
    /// A text, by the byte where the operation is that has it; where only imports are looked for.
    Place(u64),
    /// A [`Node`] by its number.
    Node(u32),
}

/// A value that is longer than a number.
#[derive(Debug)]
pub(crate) enum Node {
    Text(Box<str>),
    /// Something that is imported, as `module.name`.
    Global(Box<str>),
    Tuple(Box<[Value]>),
    /// None for one that is empty.
    Object(Option<Box<Object>>),
    /// What the program that loads the pickle has by this identifier.
    Persistent(Value),
}

/// Anything that can change: dictionaries, lists, sets, and what calls make.
#[derive(Debug, Default)]
pub(crate) struct Object {
    /// What is called for it, and with what.
    pub(crate) call: Option<(Value, Value)>,
    /// Its items by their keys, in the order in which they were set; what was appended, by its place, where it matters.
    pub(crate) entries: Vec<(Value, Value)>,
    /// How many items were appended.
    pub(crate) appended: i64,
    /// What it is told to have as attributes, one after the other.
    pub(crate) states: Vec<Value>,
}

/// An object of which nothing is said.
static EMPTY: Object = Object {
    call: None,
    entries: Vec::new(),
    appended: 0,
    states: Vec::new(),
};

/// What a pickle makes.
#[derive(Debug)]
pub(crate) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(crate) root: Value,
    /// The byte behind it.
    pub(crate) end: u64,
}

impl Pickle {
    pub(crate) fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(number) => self.nodes.get(number as usize),
            _ => None,
        }
    }

    pub(crate) fn text(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn global(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Global(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn object(&self, value: Value) -> Option<&Object> {
        match self.node(value)? {
            Node::Object(object) => Some(object.as_deref().unwrap_or(&EMPTY)),
            _ => None,
        }
    }
}
