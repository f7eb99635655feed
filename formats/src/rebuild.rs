//! Tensors in a pickle of `PyTorch`'s: found by the path of keys that leads to each.
//!
//! ```text
//! {"layer": {"w": _rebuild_tensor_v2(("storage", FloatStorage, "0", "cpu", 6), 0, (2, 3), (3, 1), …)}}
//!   ──► "layer.w": storage 0 of 6 F32, from element 0 on, shape [2, 3], steps [3, 1]
//! ```
//!
//! <https://github.com/pytorch/pytorch/blob/main/torch/_utils.py>
//!
//! Not here: whether these numbers fit the file. Values may be in each other in a ring, or be reached on more ways than
//! can be gone: each ring is gone once, and of ways there is a most.

use std::collections::HashMap;

use crate::FormatError;
use crate::format::{at_most, check_count};
use crate::globals::{self, Elements};
use crate::pickle::{Node, Object, Pickle, Value};
use crate::tensor::NAME_BYTES_MAX;

/// How many keys a path has at most.
const DEPTH_MAX: usize = 256;

/// How many values are looked at, on all ways.
const VISITS_MAX: usize = 4_000_000;

/// How many bytes all names and shapes take together: a pickle may say many times of one tensor where it is.
const FOUND_BYTES_MAX: usize = 256 << 20;

/// What `torch._utils` makes that isn't a range of a storage, and why.
const OTHERS: [(&str, &str); 7] = [
    (
        "_rebuild_qtensor",
        "its elements are quantized, by numbers that stand elsewhere",
    ),
    ("_rebuild_sparse_tensor", "it is sparse"),
    ("_rebuild_nested_tensor", "it is made of several tensors"),
    ("_rebuild_meta_tensor_no_storage", NO_DATA),
    (
        "_rebuild_wrapper_subclass",
        "it is of a class that keeps its data elsewhere",
    ),
    (
        "_rebuild_device_tensor_from_numpy",
        "it is made from an array of another device",
    ),
    (
        "_rebuild_device_tensor_from_cpu_tensor",
        "it is made from a tensor of another device",
    ),
];
const HAS_STATE: &str = "it has a state, which may be other data";
const NO_DATA: &str = "it has no data";
const NO_NAME: &str = "a key on the way to it is neither a whole number nor a short text";

/// A tensor, or why there is none where there should be one.
pub(crate) struct Found<'a> {
    pub(crate) name: String,
    pub(crate) what: Result<Parts<'a>, String>,
}

/// What a pickle says of a tensor.
pub(crate) struct Parts<'a> {
    /// The storage that it is in: its key, the type that its class has, and how many elements of that it has.
    pub(crate) key: &'a str,
    pub(crate) of: Elements,
    pub(crate) length: i64,
    /// What the tensor's own elements are.
    pub(crate) elements: Elements,
    pub(crate) offset: i64,
    pub(crate) shape: Vec<i64>,
    pub(crate) steps: Vec<i64>,
}

/// Finds the tensors of a pickle, in the order of the keys that lead to them.
pub(crate) fn tensors(pickle: &Pickle) -> Result<Vec<Found<'_>>, FormatError> {
    let mut finder = Finder {
        pickle,
        path: String::new(),
        keys: 0,
        above: Vec::new(),
        nameless: None,
        found: Vec::new(),
        visits: 0,
        found_bytes: 0,
    };
    finder.visit(pickle.root)?;
    Ok(finder.found)
}

/// What a call makes.
enum Made<'a> {
    Tensor(Parts<'a>),
    /// What one of its arguments is.
    Same(Value),
    /// A tensor, but not one in a range of bytes.
    Not(String),
}

/// Goes from value to value.
struct Finder<'a> {
    pickle: &'a Pickle,
    path: String,
    keys: usize,
    /// The values that it is in, by their numbers.
    above: Vec<u32>,
    /// Why what is found has no name of its own, if it has none.
    nameless: Option<&'static str>,
    found: Vec<Found<'a>>,
    visits: usize,
    found_bytes: usize,
}

impl<'a> Finder<'a> {
    fn visit(&mut self, value: Value) -> Result<(), FormatError> {
        let (Value::Node(number), Some(node)) = (value, self.pickle.node(value)) else {
            return Ok(());
        };
        let items = match node {
            Node::Text(_) | Node::Global(_) => return Ok(()),
            Node::Persistent(_) => {
                return self.find(Err("it is a storage, and no tensor".to_owned()));
            }
            Node::Tuple(items) => items.len(),
            Node::Object(object) => object.as_ref().map_or(0, |object| object.entries.len()),
        };
        self.visits = self.visits.saturating_add(1 + items);
        at_most("ways to its values", self.visits as u64, VISITS_MAX)?;
        if self.above.contains(&number) {
            return Ok(());
        }
        if self.above.len() >= DEPTH_MAX {
            let why = format!("it is in more than {DEPTH_MAX} other values");
            return self.find(Err(why));
        }
        self.above.push(number);
        match node {
            Node::Tuple(items) => {
                for (number, item) in (0..).zip(items) {
                    self.visit_at(Value::Int(number), *item)?;
                }
            }
            Node::Object(Some(object)) => self.visit_object(object)?,
            _ => {}
        }
        self.above.pop();
        Ok(())
    }

    fn visit_object(&mut self, object: &'a Object) -> Result<(), FormatError> {
        if let Some((function, arguments)) = object.call {
            let function = self.pickle.global(function);
            let items = self.pickle.tuple(arguments);
            let made = function
                .zip(items)
                .and_then(|(function, items)| made(self.pickle, function, items, 0));
            let is_changed = !object.entries.is_empty() || !object.states.is_empty();
            match made {
                Some(_) if is_changed => {
                    return self.find(Err("its pickle changes it after it is made".to_owned()));
                }
                Some(Made::Tensor(parts)) => return self.find(Ok(parts)),
                Some(Made::Not(why)) => return self.find(Err(why)),
                Some(Made::Same(value)) => return self.visit(value),
                None => {}
            }
            match (function, items) {
                (Some("collections.OrderedDict"), Some([pairs])) => self.visit_pairs(*pairs)?,
                _ => self.visit(arguments)?,
            }
        }
        self.visit_entries(&object.entries)?;
        for state in &object.states {
            self.visit(*state)?;
        }
        Ok(())
    }

    /// What a key was set to last, it is.
    fn visit_entries(&mut self, entries: &[(Value, Value)]) -> Result<(), FormatError> {
        #[derive(PartialEq, Eq, Hash)]
        enum Key<'a> {
            Int(i64),
            Text(&'a str),
            Other(usize),
        }
        let pickle = self.pickle;
        let key = |place: usize, key: Value| match (key, pickle.text(key)) {
            (Value::Int(number), _) => Key::Int(number),
            (_, Some(text)) => Key::Text(text),
            _ => Key::Other(place),
        };
        let mut last = HashMap::new();
        for (place, (name, _)) in entries.iter().enumerate() {
            last.insert(key(place, *name), place);
        }
        for (place, (name, value)) in entries.iter().enumerate() {
            if last.get(&key(place, *name)) == Some(&place) {
                self.visit_at(*name, *value)?;
            }
        }
        Ok(())
    }

    /// A list of pairs, as Python 2 gives it to an `OrderedDict`.
    fn visit_pairs(&mut self, pairs: Value) -> Result<(), FormatError> {
        let Some(list) = self.pickle.object(pairs) else {
            return self.visit(pairs);
        };
        let mut entries = Vec::new();
        for (_, pair) in &list.entries {
            let items = match self.pickle.node(*pair) {
                Some(Node::Tuple(items)) => items.to_vec(),
                Some(Node::Object(Some(pair))) => {
                    pair.entries.iter().map(|(_, item)| *item).collect()
                }
                _ => Vec::new(),
            };
            match items[..] {
                [key, value] => entries.push((key, value)),
                _ => entries.push((Value::Opaque, *pair)),
            }
        }
        self.visits = self.visits.saturating_add(entries.len());
        at_most("ways to its values", self.visits as u64, VISITS_MAX)?;
        self.visit_entries(&entries)
    }

    fn visit_at(&mut self, key: Value, value: Value) -> Result<(), FormatError> {
        if !matches!(value, Value::Node(_)) {
            return Ok(());
        }
        let (length, nameless) = (self.path.len(), self.nameless);
        let number;
        let text = match (key, self.pickle.text(key)) {
            (Value::Int(key), _) => {
                number = key.to_string();
                &number
            }
            (_, Some(text)) => text,
            _ => {
                self.nameless = Some(NO_NAME);
                "?"
            }
        };
        if length + 1 + text.len() > NAME_BYTES_MAX {
            self.nameless = Some("its name is too long");
        } else {
            if self.keys > 0 {
                self.path.push('.');
            }
            self.path.push_str(text);
        }
        self.keys += 1;
        self.visit(value)?;
        self.keys -= 1;
        self.path.truncate(length);
        self.nameless = nameless;
        Ok(())
    }

    fn find(&mut self, what: Result<Parts<'a>, String>) -> Result<(), FormatError> {
        let what = match self.nameless {
            Some(why) => what.and_then(|_| Err(why.to_owned())),
            None => what,
        };
        let name = self.path.clone();
        let numbers = what
            .as_ref()
            .map_or(0, |it| it.shape.len() + it.steps.len());
        self.found_bytes += size_of::<Found<'_>>() + name.len() + numbers * size_of::<i64>();
        self.found.push(Found { name, what });
        check_count(self.found.len() as u64)?;
        let bytes = self.found_bytes as u64;
        at_most(
            "bytes in names and shapes of tensors",
            bytes,
            FOUND_BYTES_MAX,
        )
    }
}

/// What a call of a function makes, if that is one that makes tensors.
fn made<'a>(pickle: &'a Pickle, function: &str, items: &[Value], depth: usize) -> Option<Made<'a>> {
    // The arguments of an outer call were there before it, so this ends, but maybe late.
    if depth > 4 {
        return Some(Made::Not("its class is of classes of classes".to_owned()));
    }
    if let "torch._tensor._rebuild_from_type" | "torch._tensor._rebuild_from_type_v2" = function {
        let inner = match items {
            [_, _, _, state] if is_state(pickle, *state) => {
                return Some(Made::Not(HAS_STATE.to_owned()));
            }
            [function, _, items, _] => pickle.global(*function).zip(pickle.tuple(*items)),
            _ => None,
        };
        let made = inner.and_then(|(function, items)| made(pickle, function, items, depth + 1));
        return made.or_else(|| Some(Made::Not(other_form(function))));
    }
    let name = function.strip_prefix("torch._utils.")?;
    let made = match (name, items) {
        ("_rebuild_parameter", [data, _, _]) => Made::Same(*data),
        ("_rebuild_parameter_with_state", [data, _, _, state]) => {
            if is_state(pickle, *state) {
                Made::Not(HAS_STATE.to_owned())
            } else {
                Made::Same(*data)
            }
        }
        ("_rebuild_tensor", [storage, offset, shape, steps])
        | ("_rebuild_tensor_v2", [storage, offset, shape, steps, _, _]) => {
            tensor(pickle, [*storage, *offset, *shape, *steps], None)
        }
        ("_rebuild_tensor_v2", [storage, offset, shape, steps, _, _, bits])
            if !has_entries(pickle, *bits) =>
        {
            tensor(pickle, [*storage, *offset, *shape, *steps], None)
        }
        ("_rebuild_tensor_v3", [storage, offset, shape, steps, _, _, dtype]) => {
            tensor(pickle, [*storage, *offset, *shape, *steps], Some(*dtype))
        }
        ("_rebuild_tensor_v3", [storage, offset, shape, steps, _, _, dtype, bits])
            if !has_entries(pickle, *bits) =>
        {
            tensor(pickle, [*storage, *offset, *shape, *steps], Some(*dtype))
        }
        ("_rebuild_tensor_v2", [_, _, _, _, _, _, _])
        | ("_rebuild_tensor_v3", [_, _, _, _, _, _, _, _]) => {
            Made::Not("its elements are to be conjugated or negated".to_owned())
        }
        (name, _) if name.starts_with("_rebuild_") => {
            let why = OTHERS.iter().find(|(known, _)| *known == name);
            Made::Not(why.map_or_else(|| other_form(name), |(_, why)| (*why).to_owned()))
        }
        _ => return None,
    };
    Some(made)
}

/// If a tensor is told any attributes: nothing, and an empty dictionary, are none.
fn is_state(pickle: &Pickle, state: Value) -> bool {
    match pickle.node(state) {
        Some(Node::Object(None)) => false,
        Some(Node::Object(Some(object))) => {
            object.call.is_some()
                || !object.entries.is_empty()
                || !object.states.is_empty()
                || object.appended > 0
        }
        Some(_) => true,
        None => state != Value::Nothing,
    }
}

fn other_form(function: &str) -> String {
    format!("it is made by {function} in a form that is not known")
}

/// Conjugated and negated views have such an entry; no entries, or no dictionary, is neither.
fn has_entries(pickle: &Pickle, bits: Value) -> bool {
    let object = pickle.object(bits);
    object.map_or(
        !matches!(bits, Value::Opaque | Value::Nothing | Value::Bool(_)),
        |bits| !bits.entries.is_empty() || bits.call.is_some(),
    )
}

fn tensor(pickle: &Pickle, parts: [Value; 4], dtype: Option<Value>) -> Made<'_> {
    let [storage, offset, shape, steps] = parts;
    let id = match pickle.node(storage) {
        Some(Node::Persistent(id)) => pickle.tuple(*id).unwrap_or_default(),
        _ => &[],
    };
    let ([kind, class, key, location, length] | [kind, class, key, location, length, _]) = id
    else {
        return Made::Not("its storage is not said in the form that is known".to_owned());
    };
    let found = (
        pickle.text(*kind),
        pickle.global(*class),
        pickle.text(*key),
        *length,
        offset,
    );
    let (Some("storage"), Some(class), Some(key), Value::Int(length), Value::Int(offset)) = found
    else {
        return Made::Not("its storage is not said in the form that is known".to_owned());
    };
    if pickle.text(*location) == Some("meta") {
        return Made::Not(NO_DATA.to_owned());
    }
    let Some(of) = globals::of_storage(class) else {
        return Made::Not(format!("its storage is of the unknown class {class:?}"));
    };
    let elements = match dtype {
        None => Some(of),
        Some(dtype) => pickle.global(dtype).and_then(globals::of_dtype),
    };
    let Some(elements) = elements else {
        return Made::Not("its elements are of an unknown type".to_owned());
    };
    let Some((shape, steps)) = numbers(pickle, shape).zip(numbers(pickle, steps)) else {
        return Made::Not("its shape is not said in the form that is known".to_owned());
    };
    Made::Tensor(Parts {
        key,
        of,
        length,
        elements,
        offset,
        shape,
        steps,
    })
}

/// A tuple of whole numbers, or a `torch.Size` of one.
fn numbers(pickle: &Pickle, value: Value) -> Option<Vec<i64>> {
    let items = match pickle.object(value) {
        Some(Object {
            call: Some((class, arguments)),
            ..
        }) if pickle.global(*class) == Some("torch.Size") => match pickle.tuple(*arguments)? {
            [items] => pickle.tuple(*items)?,
            _ => return None,
        },
        _ => pickle.tuple(value)?,
    };
    let number = |item: &Value| match item {
        Value::Int(number) => Some(*number),
        _ => None,
    };
    items.iter().map(number).collect()
}
