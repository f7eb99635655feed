//! joblib's pickles, which have the data of arrays between their operations.
//!
//! ```text
//! … NumpyArrayWrapper │ BUILD {"shape", "dtype", …} │ (length: 1 byte │ 0xff…)? │ data of the array │ further operations …
//! ```
//!
//! <https://github.com/joblib/joblib/blob/main/joblib/numpy_pickle.py>: `NumpyArrayWrapper.read_array`. What `pickle.load`
//! makes of such a file is another thing: it takes the data for operations.
//!
//! Always: where an array follows, and how long it is, is known as joblib's pickler says it, or the pickle is not followed
//! behind that: a wrapper is made by a call of its class without arguments, and nothing is done with it but to tell it once
//! what the array is, in the one form that there is. What is called stands there by its name, with its arguments.

use std::collections::BTreeSet;

use super::{ARGUMENT, Fault, Node, Object, Value, Walker, Wanted, walk};

/// What says that an array follows.
pub(crate) const WRAPPER: &str = "joblib.numpy_pickle.NumpyArrayWrapper";

/// What is known of an array that follows.
enum Array {
    /// So many bytes.
    Bytes { bytes: u64, is_aligned: bool },
    /// A pickle of its objects.
    Objects,
}

impl Walker<'_> {
    /// Goes on behind the data of an array, if what was just told its attributes says that one follows.
    pub(super) fn pass_array(&mut self) -> Result<(), Fault> {
        let top = self.top()?;
        if !self.is_wrapper(top) {
            return Ok(());
        }
        if self.wrapper.take() != Some(top) {
            return beyond("a wrapper of an array of joblib's is told twice what it is");
        }
        // Python takes the array from behind the frame.
        if self.reader.at() < self.frame_end {
            return beyond("an array of joblib's follows within a frame");
        }
        self.frame_end = 0;
        match self.array(top) {
            None => beyond(
                "an array of joblib's follows, and how long it is is not said in a form that is known",
            ),
            Some(Array::Bytes { bytes, is_aligned }) => {
                if is_aligned {
                    let padding = self.u8()?;
                    self.reader.skip(u64::from(padding), ARGUMENT)?;
                }
                Ok(self.reader.skip(bytes, ARGUMENT)?)
            }
            Some(Array::Objects) => {
                let mut found = BTreeSet::new();
                let at = self.reader.at();
                let walked = walk(self.source, at, Wanted::Imports, &mut found);
                self.imports.append(&mut found);
                match walked {
                    Ok(pickle) => {
                        self.reader.go_to(pickle.end);
                        Ok(())
                    }
                    Err(stopped) => beyond(&format!("in an array of joblib's: {stopped}")),
                }
            }
        }
    }

    /// If a call makes the wrapper of an array. What could do so in another way is not followed.
    pub(super) fn is_call_of_wrapper(&self, class: Value, arguments: Value) -> Result<bool, Fault> {
        let (Some(name), Some(items)) = (self.global_at(class), self.tuple_at(arguments)) else {
            return beyond("among arrays of joblib's, what it calls is computed");
        };
        let is_one = |item: &Value| self.is_global(*item, WRAPPER);
        if name == WRAPPER {
            if items.is_empty() && self.wrapper.is_none() {
                return Ok(true);
            }
            return beyond("a wrapper of an array of joblib's is made in a form that is not known");
        }
        if matches!(name, "copyreg._reconstructor" | "copy_reg._reconstructor") {
            let [class, base, state] = items else {
                return beyond("an object is made in a form that is not known");
            };
            let base = self.global_at(*base).and_then(|base| base.rsplit_once('.'));
            let Some(("builtins" | "__builtin__", base)) = base else {
                return beyond("an object is made of another class than those of Python's own");
            };
            if self.global_at(*class).is_none() {
                return beyond("among arrays of joblib's, the class of an object is computed");
            }
            if !is_one(class) {
                return Ok(false);
            }
            if base == "object" && *state == Value::Nothing && self.wrapper.is_none() {
                return Ok(true);
            }
            return beyond("a wrapper of an array of joblib's is made in a form that is not known");
        }
        if items.iter().any(is_one) {
            return beyond(
                "the class of the wrappers of joblib's arrays is given to what it calls",
            );
        }
        // It gives back what is an object, as it is.
        let is_scalar = name.ends_with(".multiarray.scalar");
        if is_scalar && !matches!(items, [dtype, ..] if self.is_of_values(*dtype)) {
            return beyond("among arrays of joblib's, a value of NumPy's is of an unknown type");
        }
        Ok(false)
    }

    /// Checks that nothing is done with a wrapper before it was told what it is.
    pub(super) fn check_taken(&self, values: &[Value]) -> Result<(), Fault> {
        match self.wrapper {
            Some(wrapper) if values.contains(&wrapper) => {
                beyond("a wrapper of an array of joblib's is not told what it is")
            }
            _ => Ok(()),
        }
    }

    /// Checks that what is recalled is no wrapper: it stays one there when its place is taken by the array.
    pub(super) fn check_recalled(&self, value: Value) -> Result<(), Fault> {
        if self.wanted == Wanted::ImportsBetweenArrays && self.is_wrapper(value) {
            return beyond("a wrapper of an array of joblib's is used twice");
        }
        Ok(())
    }

    fn is_wrapper(&self, value: Value) -> bool {
        let call = self.object(value).and_then(|object| object.call);
        call.is_some_and(|(class, arguments)| {
            self.is_global(class, WRAPPER)
                || matches!(self.tuple_at(arguments), Some([first, ..]) if self.is_global(*first, WRAPPER))
        })
    }

    /// If a type is one of numbers or texts.
    fn is_of_values(&self, dtype: Value) -> bool {
        let Some(object) = self.object(dtype) else {
            return false;
        };
        if self.dtype(object).is_some_and(|(kind, _)| kind != 'O') {
            return true;
        }
        let code = object.call.and_then(|(class, arguments)| {
            let [code, ..] = self.tuple_at(arguments)? else {
                return None;
            };
            self.is_global(class, "numpy.dtype")
                .then(|| self.text_at(*code))?
        });
        code.is_some_and(|code| code.starts_with(['M', 'm']))
    }

    /// What array a wrapper was told that it is for.
    fn array(&self, wrapper: Value) -> Option<Array> {
        let wrapper = self.object(wrapper)?;
        let [state] = wrapper.states[..] else {
            return None;
        };
        let state = self.object(state)?;
        let is_plain = |object: &Object| object.appended == 0 && object.states.is_empty();
        if !wrapper.entries.is_empty()
            || wrapper.appended > 0
            || state.call.is_some()
            || !is_plain(state)
        {
            return None;
        }
        let [mut subclass, mut shape, mut order, mut dtype, mut is_mapped] = [None; 5];
        let mut alignment = None;
        for (key, value) in &state.entries {
            let field = match self.text_at(*key)? {
                "subclass" => &mut subclass,
                "shape" => &mut shape,
                "order" => &mut order,
                "dtype" => &mut dtype,
                "allow_mmap" => &mut is_mapped,
                "numpy_array_alignment_bytes" => &mut alignment,
                _ => return None,
            };
            if field.replace(*value).is_some() {
                return None;
            }
        }
        self.global_at(subclass?)?;
        if !matches!(self.text_at(order?)?, "C" | "F") {
            return None;
        }
        let Some(Value::Bool(is_mapped)) = is_mapped else {
            return None;
        };
        let is_aligned = match alignment {
            None | Some(Value::Nothing) => false,
            Some(Value::Int(_)) => true,
            Some(_) => return None,
        };
        let (kind, size) = self.dtype(self.object(dtype?)?)?;
        let mut bytes = size;
        for length in self.tuple_at(shape?)? {
            let Value::Int(length) = length else {
                return None;
            };
            bytes = bytes.checked_mul(u64::try_from(*length).ok()?)?;
        }
        match kind {
            'O' if is_mapped => None,
            'O' => Some(Array::Objects),
            _ => Some(Array::Bytes { bytes, is_aligned }),
        }
    }

    fn at_node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(number) => self.nodes.get(number as usize),
            _ => None,
        }
    }

    pub(super) fn object(&self, value: Value) -> Option<&Object> {
        match self.at_node(value)? {
            Node::Object(object) => object.as_deref(),
            _ => None,
        }
    }

    pub(super) fn tuple_at(&self, value: Value) -> Option<&[Value]> {
        match self.at_node(value)? {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn text_at(&self, value: Value) -> Option<&str> {
        match self.at_node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    fn global_at(&self, value: Value) -> Option<&str> {
        match self.at_node(value)? {
            Node::Global(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn is_global(&self, value: Value, name: &str) -> bool {
        self.global_at(value) == Some(name)
    }
}

fn beyond<T>(rule: &str) -> Result<T, Fault> {
    Err(Fault::Beyond(rule.to_owned()))
}
