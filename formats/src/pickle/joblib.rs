//! joblib's pickles, which have the data of arrays between their operations.
//!
//! ```text
//! … NumpyArrayWrapper │ BUILD {"shape", "dtype", …} │ (length: 1 byte │ 0xff…)? │ data of the array │ further operations …
//! ```
//!
//! <https://github.com/joblib/joblib/blob/main/joblib/numpy_pickle.py>: `NumpyArrayWrapper.read_array`. What `pickle.load`
//! makes of such a file is another thing: it takes the data for operations.

use std::collections::BTreeSet;

use super::{ARGUMENT, Fault, Node, Object, Value, Walker, Wanted, walk};

/// What says that an array follows.
pub(crate) const WRAPPER: &str = "joblib.numpy_pickle.NumpyArrayWrapper";

/// What is known of an array that follows.
enum Array {
    /// So many bytes.
    Bytes(u64),
    /// A pickle of its objects.
    Objects,
}

impl Walker<'_> {
    /// Goes on behind the data of an array, if what was just told its attributes says that one follows.
    pub(super) fn pass_array(&mut self) -> Result<(), Fault> {
        let top = self.top()?;
        let Some(state) = self.state_of_wrapper(top) else {
            return Ok(());
        };
        let Some((array, is_aligned)) = self.array(state) else {
            return Err(Fault::Beyond(
                "an array of joblib's follows, and how long it is is not said in a form that is known".to_owned(),
            ));
        };
        match array {
            Array::Bytes(bytes) => {
                if is_aligned {
                    let padding = self.u8()?;
                    self.reader.skip(u64::from(padding), ARGUMENT)?;
                }
                self.reader.skip(bytes, ARGUMENT)?;
            }
            Array::Objects => {
                let mut found = BTreeSet::new();
                let at = self.reader.at();
                let walked = walk(self.source, at, Wanted::Imports, &mut found);
                self.imports.append(&mut found);
                match walked {
                    Ok(pickle) => self.reader.go_to(pickle.end),
                    Err(stopped) => {
                        return Err(Fault::Beyond(format!("in an array of joblib's: {stopped}")));
                    }
                }
            }
        }
        Ok(())
    }

    /// What the wrapper of an array was told, if this is one.
    fn state_of_wrapper(&self, value: Value) -> Option<&Object> {
        let object = self.object(value)?;
        let (class, arguments) = object.call?;
        // Made as a new object of the class, or by `copyreg._reconstructor` of it.
        let is_wrapper = self.is_global(class, WRAPPER)
            || matches!(self.tuple_at(arguments)?, [first, ..] if self.is_global(*first, WRAPPER));
        is_wrapper.then_some(())?;
        self.object(*object.states.last()?)
    }

    fn array(&self, state: &Object) -> Option<(Array, bool)> {
        let entry = |key: &str| {
            let found = state
                .entries
                .iter()
                .rev()
                .find(|(name, _)| self.text_at(*name) == Some(key));
            found.map(|(_, value)| *value)
        };
        let (_, arguments) = self.object(entry("dtype")?)?.call?;
        let [code, ..] = self.tuple_at(arguments)? else {
            return None;
        };
        let code = self.text_at(*code)?;
        if code.starts_with('O') {
            return Some((Array::Objects, false));
        }
        // As "f8": a letter, and the bytes of an element; texts have four for each of their characters.
        let kind = code.chars().next()?;
        let size: u64 = code.get(1..)?.parse().ok()?;
        let size = match kind {
            'b' | 'i' | 'u' | 'f' | 'c' | 'S' => size,
            'U' => size.checked_mul(4)?,
            // Of several fields, or of time, which its state says more of.
            _ => return None,
        };
        let mut bytes = size;
        for length in self.tuple_at(entry("shape")?)? {
            let Value::Int(length) = length else {
                return None;
            };
            bytes = bytes.checked_mul(u64::try_from(*length).ok()?)?;
        }
        let is_aligned = matches!(entry("numpy_array_alignment_bytes"), Some(Value::Int(_)));
        Some((Array::Bytes(bytes), is_aligned))
    }

    fn at_node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(number) => self.nodes.get(number as usize),
            _ => None,
        }
    }

    fn object(&self, value: Value) -> Option<&Object> {
        match self.at_node(value)? {
            Node::Object(object) => object.as_deref(),
            _ => None,
        }
    }

    fn tuple_at(&self, value: Value) -> Option<&[Value]> {
        match self.at_node(value)? {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    fn text_at(&self, value: Value) -> Option<&str> {
        match self.at_node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    fn is_global(&self, value: Value, name: &str) -> bool {
        matches!(self.at_node(value), Some(Node::Global(found)) if &**found == name)
    }
}
