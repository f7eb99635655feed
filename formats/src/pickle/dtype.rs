//! Types of `NumPy`'s in pickles.
//!
//! ```text
//! numpy.dtype("f8", False, True) │ BUILD (3, "<", None, None, None, -1, -1, 0)
//!              kind and bytes               order, …     bytes, alignment, flags
//! ```
//!
//! <https://github.com/numpy/numpy/blob/main/numpy/_core/src/multiarray/descriptor.c>: `arraydescr_reduce`,
//! `arraydescr_setstate`. `NumPy` believes a state that says otherwise than the type: then arrays are longer than they seem,
//! or take numbers for the addresses of objects.

use super::{Fault, Object, Value, Walker, Wanted};

/// What an element is, by the letter of its type, and how many bytes it has.
pub(super) type Dtype = (char, u64);

/// The flags of types of objects, and of text.
const OBJECT_FLAGS: i64 = 63;
const TEXT_FLAGS: i64 = 8;

impl Walker<'_> {
    /// Checks what a type at the top was told, if it is one: nothing, or once what agrees with it.
    pub(super) fn check_dtype_told(&self) -> Result<(), Fault> {
        let Some(object) = self.object(self.top()?) else {
            return Ok(());
        };
        let Some((class, arguments)) = object.call else {
            return Ok(());
        };
        if !self.is_global(class, "numpy.dtype") {
            return Ok(());
        }
        let code = match self.tuple_at(arguments) {
            Some([code, ..]) => self.text_at(*code),
            _ => None,
        };
        let is_other = match code.and_then(|code| code.chars().next()) {
            // Of fields, and of time, whose states say more.
            Some(kind) => matches!(kind, 'V' | 'M' | 'm'),
            // Of a class of Python's, which it imports; or the same type once more.
            None => self.wanted == Wanted::Values,
        };
        if is_other || self.dtype(object).is_some() {
            return Ok(());
        }
        Err(Fault::Beyond(
            "a type of NumPy's is told something else than it is".to_owned(),
        ))
    }

    /// What type this is, if it is made as `NumPy` writes it.
    pub(super) fn dtype(&self, object: &Object) -> Option<Dtype> {
        let (class, arguments) = object.call?;
        let code = match self.tuple_at(arguments)? {
            [code] => code,
            [code, a, b] if [a, b].into_iter().all(is_bool) => code,
            _ => return None,
        };
        if !self.is_global(class, "numpy.dtype")
            || !object.entries.is_empty()
            || object.appended > 0
        {
            return None;
        }
        // As "f8": a letter, and the bytes of an element; texts have four for each of their characters.
        let code = self.text_at(*code)?;
        let kind = code.chars().next()?;
        let digits = code.get(1..)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let size: u64 = digits.parse().ok()?;
        let size = match kind {
            'b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'O' => size,
            'U' => size.checked_mul(4)?,
            _ => return None,
        };
        let agrees = match object.states[..] {
            [] => true,
            [state] => self.agrees((kind, size), state),
            _ => false,
        };
        agrees.then_some((kind, size))
    }

    fn agrees(&self, (kind, size): Dtype, state: Value) -> bool {
        let Some(
            [
                Value::Int(3),
                order,
                Value::Nothing,
                Value::Nothing,
                Value::Nothing,
                Value::Int(bytes),
                Value::Int(_),
                Value::Int(flags),
            ],
        ) = self.tuple_at(state)
        else {
            return false;
        };
        let expected = match kind {
            'O' => OBJECT_FLAGS,
            'U' => TEXT_FLAGS,
            _ => 0,
        };
        let has_bytes = match kind {
            'S' | 'U' => u64::try_from(*bytes) == Ok(size),
            _ => *bytes == -1,
        };
        let is_order = matches!(self.text_at(*order), Some("<" | ">" | "|" | "="));
        is_order && has_bytes && *flags == expected
    }
}

/// Python 2 writes them as numbers.
fn is_bool(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(0 | 1))
}
