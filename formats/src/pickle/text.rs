//! How pickles write texts and numbers: as they are, or in lines, as Python 2 would print them.

use crate::source::{Reader, SourceError};
use crate::tensor::NAME_BYTES_MAX;

use super::{ARGUMENT, Fault, fault};

/// The longest text that is kept, which is the longest name.
pub(super) const TEXT_BYTES_MAX: u64 = NAME_BYTES_MAX as u64;

/// The longest number by which something is remembered; as much as 64 bits take, with room for zeros and signs.
const MEMO_BYTES_MAX: usize = 64;

/// Reads the argument of an operation that pushes a text: STRING, UNICODE, BINSTRING, `SHORT_BINSTRING`, BINUNICODE,
/// `SHORT_BINUNICODE`, BINUNICODE8. None for what is too long to be kept, or no text.
pub(super) fn text(reader: &mut Reader<'_>, operation: u8) -> Result<Option<String>, Fault> {
    if matches!(operation, b'S' | b'V') {
        let Some(line) = line(reader, NAME_BYTES_MAX)? else {
            return Ok(None);
        };
        return Ok(if operation == b'V' {
            raw_unicode(&line)
        } else {
            unquoted(&line)
        });
    }
    let length = length(reader, operation)?;
    if length > TEXT_BYTES_MAX {
        reader.skip(length, ARGUMENT)?;
        return Ok(None);
    }
    let bytes = reader.take(length, ARGUMENT)?.to_vec();
    Ok(String::from_utf8(bytes).ok())
}

/// How many bytes long an argument is that says so.
pub(super) fn length(reader: &mut Reader<'_>, operation: u8) -> Result<u64, Fault> {
    Ok(match operation {
        b'U' | b'C' | 0x8a | 0x8c => {
            let [length] = reader.array(ARGUMENT)?;
            u64::from(length)
        }
        0x8d | 0x8e | 0x96 => reader.u64(ARGUMENT)?,
        b'B' | b'X' => u64::from(reader.u32(ARGUMENT)?),
        // These two have a sign.
        _ => match i32::from_le_bytes(reader.array(ARGUMENT)?).try_into() {
            Ok(length) => length,
            Err(_) => return fault("an argument with a negative length"),
        },
    })
}

/// A line, if it has at most so many bytes. One without an end is the last thing that Python reads.
pub(super) fn line(reader: &mut Reader<'_>, kept: usize) -> Result<Option<Vec<u8>>, Fault> {
    let line = reader.line(kept, ARGUMENT)?;
    if !line.has_end {
        return Err(end(reader).into());
    }
    Ok((!line.is_long).then_some(line.bytes))
}

/// The error of a pickle that goes on behind the end of its file.
pub(super) fn end(reader: &Reader<'_>) -> SourceError {
    SourceError::End {
        what: ARGUMENT,
        end: reader.at() + 1,
        bytes: reader.at(),
    }
}

/// A whole number in a line, if it is written in the one way in which picklers do: Python understands others, some of
/// them differently in its two unpicklers.
pub(super) fn plain_int(line: &[u8]) -> Option<i64> {
    let text = str::from_utf8(line).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits == "0" || digits.starts_with(|c: char| matches!(c, '1'..='9'));
    (is_plain && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The number of PUT or GET, in all ways in which Python understands one: with a sign, underscores, spaces, zeros before
/// it, and whatever behind a zero byte.
pub(super) fn memo_number(reader: &mut Reader<'_>) -> Result<u64, Fault> {
    let Some(line) = line(reader, MEMO_BYTES_MAX)? else {
        return Err(Fault::Beyond(format!(
            "what it remembers, or recalls, is by a number of more than {MEMO_BYTES_MAX} digits"
        )));
    };
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let mut digits: Vec<u8> = line
        .iter()
        .copied()
        .filter(|byte| *byte != b'_' && !is_space(byte))
        .collect();
    let mut is_negative = false;
    if let [sign @ (b'+' | b'-'), ..] = digits[..] {
        is_negative = sign == b'-';
        digits.remove(0);
    }
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let is_zero = digits.iter().all(|digit| *digit == b'0');
    if !is_number || is_negative && !is_zero {
        return fault("what it remembers, or recalls, is by no number");
    }
    let number = str::from_utf8(&digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| {
        Fault::Beyond(
            "what it remembers, or recalls, is by a number of more than 64 bits".to_owned(),
        )
    })
}

/// A text in quotes, with what stands behind backslashes.
fn unquoted(line: &[u8]) -> Option<String> {
    let line = line.trim_ascii();
    let [first @ (b'\'' | b'"'), inner @ .., last] = line else {
        return None;
    };
    if first != last {
        return None;
    }
    let mut text = Vec::new();
    let mut rest = inner;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'\\' {
            text.push(*byte);
            continue;
        }
        let (escaped, behind) = rest.split_first()?;
        rest = behind;
        let byte = match escaped {
            b'\\' | b'\'' | b'"' => *escaped,
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'x' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                u8::try_from(hex(digits)?).ok()?
            }
            b'0'..=b'7' => {
                let mut number = u32::from(escaped - b'0');
                for _ in 0..2 {
                    if let [digit @ b'0'..=b'7', behind @ ..] = rest {
                        number = number * 8 + u32::from(digit - b'0');
                        rest = behind;
                    }
                }
                u8::try_from(number & 0xff).ok()?
            }
            other => {
                text.push(b'\\');
                *other
            }
        };
        text.push(byte);
    }
    String::from_utf8(text).ok()
}

/// A text in Latin-1, with all other characters by their numbers: `\u0151`, `\U0001f600`.
fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut rest = line;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        text.push(char::from(*byte));
        if *byte != b'\\' {
            continue;
        }
        let Some((next, behind)) = rest.split_first() else {
            break;
        };
        rest = behind;
        let length = match next {
            b'u' => 4,
            b'U' => 8,
            other => {
                text.push(char::from(*other));
                continue;
            }
        };
        let (digits, behind) = rest.split_at_checked(length)?;
        rest = behind;
        text.pop();
        text.push(char::from_u32(hex(digits)?)?);
    }
    Some(text)
}

fn hex(digits: &[u8]) -> Option<u32> {
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_lines_are_read_as_python_does() {
        for (line, text) in [
            (r"'os'", Some("os")),
            (r#""o\x73""#, Some("os")),
            (r"'o\163'", Some("os")),
            (r"'\'\\\n\q'", Some("'\\\n\\q")),
            ("' '\r", Some(" ")),
            (r"'a", None),
            (r"'a'b", None),
            (r"'\x7'", None),
            (r"'\'", None),
            ("", None),
        ] {
            assert_eq!(unquoted(line.as_bytes()).as_deref(), text, "{line}");
        }
        for (line, text) in [
            (&b"os"[..], Some("os")),
            (br"o\u0073", Some("os")),
            (br"\U0001f600\\u0073\", Some("\u{1f600}\\\\u0073\\")),
            (b"\xe9", Some("\u{e9}")),
            (br"\u007", None),
            (br"\ud800", None),
        ] {
            assert_eq!(raw_unicode(line).as_deref(), text, "{line:?}");
        }
        for (line, number) in [
            ("0", Some(0)),
            ("-17", Some(-17)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("007", None),
            ("+1", None),
            ("1_0", None),
            ("-0x1", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(plain_int(line.as_bytes()), number, "{line}");
        }
    }

    #[test]
    fn what_is_remembered_is_by_any_number_that_python_understands() {
        let read = |line: &str| {
            let line = [line.as_bytes(), b"\n"].concat();
            memo_number(&mut Reader::new(&line.as_slice())).ok()
        };
        for (line, number) in [
            ("7", Some(7)),
            ("+1", Some(1)),
            ("1_0", Some(10)),
            (" 007\t", Some(7)),
            ("-0", Some(0)),
            ("5\0rest", Some(5)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(read(line), number, "{line}");
        }
    }
}
