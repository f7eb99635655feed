//! Changes as rows of tables: a name, where in a document, and what is put there.

use serde_json::Value;

/// Puts a value, written as JSON, to where a JSON pointer leads. `-` takes away what is there.
pub(crate) fn set(document: &mut Value, pointer: &str, value: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        *document = parsed(value);
        return;
    };
    let parent = document.pointer_mut(parent);
    match parent.unwrap_or_else(|| panic!("there is nothing above {pointer}")) {
        Value::Array(items) => {
            let at: usize = name.parse().expect("an index");
            match value {
                "-" => drop(items.remove(at)),
                value if at == items.len() => items.push(parsed(value)),
                value => items[at] = parsed(value),
            }
        }
        Value::Object(members) => match value {
            "-" => drop(members.remove(name).expect("it is there")),
            value => drop(members.insert(name.to_owned(), parsed(value))),
        },
        other => panic!("nothing is inside of {other}"),
    }
}

fn parsed(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or_else(|e| panic!("{value}: {e}"))
}

/// Another text, in which the first place where `from` is became `to`.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> String {
    let other = text.replacen(from, to, 1);
    assert_ne!(text, other, "nothing was changed: {from}");
    other
}

/// A list, mutable.
pub(crate) fn list<'a>(document: &'a mut Value, pointer: &str) -> &'a mut Vec<Value> {
    let list = document.pointer_mut(pointer).and_then(Value::as_array_mut);
    list.unwrap_or_else(|| panic!("there is no list at {pointer}"))
}
