//! RFC 8785, the JSON Canonicalization Scheme: one spelling for each JSON value.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

/// The canonical JSON of `value`.
///
/// Numbers are written as the doubles that RFC 8785 knows, so whole numbers must not exceed 2^53; where they
/// could, the type that holds them checks.
///
/// # Panics
///
/// If `value` can't be JSON, such as a map whose keys are not text. No type of this crate is.
pub fn to_canonical_json(value: &impl Serialize) -> Vec<u8> {
    canonical_of(&serde_json::to_value(value).expect("the types of this crate are JSON"))
}

/// The canonical JSON of `value`, which is not copied for it.
pub(super) fn canonical_of(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write_value(value, &mut out);
    out.into_bytes()
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        // Section 3.2.2.3: as ECMAScript writes a double.
        Value::Number(number) => {
            let number = number
                .as_f64()
                .expect("serde_json numbers are doubles or 64-bit integers");
            out.push_str(ryu_js::Buffer::new().format(number));
        }
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            // Section 3.2.3: sorted by UTF-16 code units, which differs from the order of UTF-8 beyond U+FFFF.
            let mut members: Vec<_> = members.iter().collect();
            // ASCII has the same order in both.
            if members.iter().all(|(key, _)| key.is_ascii()) {
                members.sort_by_key(|(key, _)| key.as_str());
            } else {
                members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            }
            out.push('{');
            for (n, (key, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_value(value, out);
            }
            out.push('}');
        }
    }
}

/// Section 3.2.2.2: only quotes, backslashes and control characters are escaped.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    // All of these are ASCII, so that they are characters wherever they stand.
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            control => write!(out, "\\u{control:04x}").expect("a String takes any text"),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}
