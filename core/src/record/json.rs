//! Strict JSON: what every reader understands in the same way, and nothing else.
//!
//! Refused beyond RFC 8259: text that is not UTF-8, duplicate keys, anything behind the value, nesting over
//! [`JSON_DEPTH_MAX`], lone surrogates, and numbers that RFC 8785 (which knows only IEEE 754 doubles) would
//! write with another value.

use std::cell::Cell;
use std::fmt;

use memchr::memchr2;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may be nested.
pub const JSON_DEPTH_MAX: usize = 32;

/// The largest whole number that every JSON reader keeps: 2^53 (RFC 8785 section 3.2.2.3, RFC 7493).
const WHOLE_NUMBER_MAX: f64 = 9_007_199_254_740_992.0;

/// Why text is not strict JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("the text is not UTF-8: the bytes from {valid_up_to} on are no character")]
    NotUtf8 {
        /// How many bytes are UTF-8.
        valid_up_to: usize,
    },
    /// Not JSON, or JSON that readers understand in different ways.
    #[error("{0}")]
    Syntax(String),
    /// A number that changes its value when it becomes an IEEE 754 double.
    #[error(
        "the number {number} at line {line} column {column} would not survive: as a double it reads {becomes}; write it as a string, or with fewer digits"
    )]
    Number {
        /// As written, shortened.
        number: String,
        /// What it becomes.
        becomes: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
}

/// Reads one JSON value, which must be all of `bytes`.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, JsonError> {
    parse_strict_bounded(bytes, usize::MAX)
}

/// Reads one JSON value that is made of at most `values_max` values, itself among them. A value takes two
/// bytes of text and a hundred of memory, so text from strangers needs the bound.
pub fn parse_strict_bounded(bytes: &[u8], values_max: usize) -> Result<Value, JsonError> {
    let text = str::from_utf8(bytes).map_err(|e| JsonError::NotUtf8 {
        valid_up_to: e.valid_up_to(),
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let strict = StrictValue {
        depth: 0,
        values_left: &Cell::new(values_max),
    };
    let value = strict
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|e| JsonError::Syntax(explained(&e, text)))?;
    check_numbers(text)?;
    Ok(value)
}

/// Python writes NaN and Infinity into JSON unless told otherwise, and "expected value" does not say that these
/// are what is wrong.
fn explained(error: &serde_json::Error, text: &str) -> String {
    let line = text.lines().nth(error.line().saturating_sub(1));
    let at = line.and_then(|line| line.get(error.column().saturating_sub(1)..));
    let is_no_number = at.is_some_and(|at| at.starts_with("NaN") || at.starts_with("Infinity"));
    if is_no_number {
        format!(
            "{error}; NaN and Infinity are not JSON: leave the value out, or write null or a text"
        )
    } else {
        error.to_string()
    }
}

/// Reads a value at `depth`, refusing what [`Value`]'s own reader would let pass.
struct StrictValue<'a> {
    depth: usize,
    values_left: &'a Cell<usize>,
}

impl StrictValue<'_> {
    fn inside<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(E::custom(format!("nested more than {JSON_DEPTH_MAX} deep")));
        }
        Ok(Self {
            depth: self.depth + 1,
            values_left: self.values_left,
        })
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.values_left.get().checked_sub(1);
        self.values_left
            .set(left.ok_or_else(|| D::Error::custom("it has too many values"))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self.inside()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            let value = members.next_value_seed(self.inside()?)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// Checks each number of `text`, which is known to be JSON: outside of strings, what begins with a digit or
/// a minus sign is a number.
fn check_numbers(text: &str) -> Result<(), JsonError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let length = bytes[at..]
                    .iter()
                    .take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .count();
                check_number(text, at, &text[at..at + length])?;
                at += length;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// One past the closing quote of the string that opens at `open`.
fn end_of_string(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    loop {
        at += memchr2(b'"', b'\\', &bytes[at..]).expect("JSON closes its strings");
        match bytes[at] {
            b'"' => return at + 1,
            _ => at += 2,
        }
    }
}

fn check_number(text: &str, at: usize, number: &str) -> Result<(), JsonError> {
    let value: f64 = number.parse().expect("serde_json took it for a number");
    let becomes = ryu_js::Buffer::new().format(value).to_owned();
    // RFC 8785 writes whole numbers up to 1e21 in full; past 2^53 their last digits are invented.
    let written_in_full = !becomes.contains(['e', '.']);
    let survives = value.is_finite()
        && !(written_in_full && value.abs() > WHOLE_NUMBER_MAX)
        && significant_digits(number) == significant_digits(&becomes);
    if survives {
        return Ok(());
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Err(JsonError::Number {
        number: number.chars().take(40).collect(),
        becomes,
        line: before.matches('\n').count() + 1,
        column: at - line_start + 1,
    })
}

/// A decimal number as `0.digits * 10^exponent`, so that two spellings can be compared.
fn significant_digits(number: &str) -> (String, i64) {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let leading_zeros = digits.len() - digits.trim_start_matches('0').len();
    let digits = digits.trim_matches('0').to_owned();
    if digits.is_empty() {
        return (digits, 0);
    }
    let exponent: i64 = exponent
        .trim_start_matches('+')
        .parse()
        .unwrap_or(i64::MAX / 2);
    let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    // An exponent can be as far off as its author likes.
    let exponent = exponent
        .saturating_add(count(whole.len()))
        .saturating_sub(count(leading_zeros));
    (digits, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse_strict(text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn numbers_that_keep_their_value_are_read() {
        for number in [
            "0",
            "-0",
            "1.50",
            "1e-8",
            "1.0E+2",
            "9007199254740992",
            "-9007199254740992",
            "4.3e23",
            "5e-324",
        ] {
            parse_strict(number.as_bytes()).expect(number);
        }
    }

    #[test]
    fn numbers_that_lose_digits_are_refused() {
        for number in [
            "9007199254740993",
            "9007199254740994",
            "1e20",
            "0.1000000000000000055",
            "1e400",
            "-1e400",
            "2e-324",
            // Exponents at the ends of what an integer holds, and beyond.
            "0.01e-9223372036854775808",
            "10e9223372036854775807",
            "1e-99999999999999999999",
        ] {
            refused(number);
        }
        assert_eq!(
            refused("{\n \"n\": 9007199254740993}"),
            "the number 9007199254740993 at line 2 column 7 would not survive: as a double it reads \
             9007199254740992; write it as a string, or with fewer digits"
        );
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        assert_eq!(
            refused(r#"{"a": 1, "b": 2, "a": 3}"#),
            "the key \"a\" is there twice at line 1 column 20"
        );
        assert!(refused("{} {}").contains("trailing characters"));
        for text in [
            "NaN",
            "[NaN]",
            "Infinity",
            "01",
            "{a: 1}",
            "[1,]",
            r#""\ud800""#,
            "'a'",
            "",
            "nul",
            "// c\n1",
        ] {
            refused(text);
        }
        for text in ["NaN", "{\n \"a\": [1, NaN]}", "Infinity", "[-Infinity]"] {
            let error = refused(text);
            assert!(error.contains("NaN and Infinity are not JSON"), "{error}");
        }
        assert!(!refused("nul").contains("NaN"));
        assert_eq!(
            parse_strict(b"\"\xff\"").expect_err("not UTF-8"),
            JsonError::NotUtf8 { valid_up_to: 1 }
        );
    }

    #[test]
    fn the_number_of_values_can_be_limited() {
        let text = br#"{"a": [1, 2], "b": null}"#;
        parse_strict_bounded(text, 5).expect("an object, a list, two numbers and null");
        let error = parse_strict_bounded(text, 4).expect_err("one too many");
        assert!(error.to_string().contains("too many values"), "{error}");
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        parse_strict(nested(JSON_DEPTH_MAX).as_bytes()).expect("as deep as allowed");
        assert!(refused(&nested(JSON_DEPTH_MAX + 1)).contains("nested more than 32 deep"));
        refused(&nested(1_000));
        refused(&"{\"a\":".repeat(100_000));
    }

    #[test]
    fn numbers_inside_strings_are_text() {
        parse_strict(br#"["9007199254740993 \" 9007199254740993", "\\", 1]"#)
            .expect("strings hold anything");
    }
}
