//! The same again, written another way: what two say alike is not one's own mistake.

use serde_json::Value;

/// Size and root of a checkpoint, by the text of C2SP `tlog-checkpoint` alone; `None` where it is none of `origin`.
pub(crate) fn checkpoint(text: &str, origin: &str) -> Option<(u64, [u8; 32])> {
    let lines: Vec<&str> = text.strip_suffix('\n')?.split('\n').collect();
    let [first, size, root, ..] = lines.as_slice() else {
        return None;
    };
    let is_decimal =
        size.bytes().all(|byte| byte.is_ascii_digit()) && (*size == "0" || !size.starts_with('0'));
    if *first != origin || size.is_empty() || !is_decimal {
        return None;
    }
    Some((size.parse().ok()?, base64(root)?.try_into().ok()?))
}

/// Standard base64 with padding, of which there is one text for all bytes.
fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|it| *it == digit)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    let rest = bits & ((1 << count) - 1);
    (rest == 0 && (digits.len() * 6) / 8 == bytes.len()).then_some(bytes)
}

/// The root that an inclusion proof leads to, by the loop of RFC 9162 section 2.1.3.2; `None` where it has another
/// length than it must have.
pub(crate) fn root_of_proof(
    index: u64,
    size: u64,
    leaf: [u8; 32],
    path: &[[u8; 32]],
) -> Option<[u8; 32]> {
    if index >= size {
        return None;
    }
    let (mut fn_, mut sn, mut r) = (index, size - 1, leaf);
    for p in path {
        if sn == 0 {
            return None;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = hash_children(p, &r);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            r = hash_children(&r, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    (sn == 0).then_some(r)
}

fn hash_children(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let bytes = [&[0x01][..], left, right].concat();
    *candor_core::Sha256::of(&bytes).as_bytes()
}

/// Whether canonical JSON (RFC 8785) has no space outside of strings, and its keys in the order of their UTF-16.
pub(crate) fn check_canonical(bytes: &[u8]) {
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b' ' | b'\n' | b'\r' | b'\t' => assert!(in_string, "a space"),
            _ => {}
        }
    }
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let value: Value = serde_json::from_str(text).expect("JSON");
    check_order(&value, text);
}

/// Looks at one object's keys, where they stand in the text.
fn check_order(value: &Value, text: &str) {
    let Value::Object(object) = value else { return };
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
    let rest = &mut &text[1..];
    for key in keys {
        let quoted = serde_json::to_string(key).expect("text is JSON");
        // Behind the keys before it: none of them is found twice.
        let Some(at) = rest.find(&format!("{quoted}:")) else {
            // Escapes can be written in more than one way.
            return;
        };
        *rest = &rest[at..];
    }
}
