//! Digests that people paste.

use std::str::FromStr;

/// A digest in hexadecimal, by an algorithm that its length leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digest(Vec<u8>);

/// Text that is no digest.
#[derive(Debug, thiserror::Error)]
#[error(
    "a digest has 32 (MD5), 40 (SHA-1), 56, 64 (SHA-256), 96 or 128 hexadecimal digits, and this has {0} characters or others"
)]
pub(super) struct DigestError(usize);

/// How many hexadecimal digits the digests have that manifests list.
const DIGITS: [usize; 6] = [32, 40, 56, 64, 96, 128];

/// Of text that is only hexadecimal digits, but not as many as a digest has: how many.
pub(super) fn digits_of_none(text: &str) -> Option<usize> {
    let is_hexadecimal = text.len() >= DIGITS[0] && text.bytes().all(|b| b.is_ascii_hexdigit());
    (is_hexadecimal && !DIGITS.contains(&text.len())).then_some(text.len())
}

impl Digest {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        // As pages, lists and image stores write it: `sha256:…`, `md5:…`.
        let is_name = |it: &str| it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let digits = match text.split_once(':') {
            Some((algorithm, digits)) if is_name(algorithm) => digits,
            _ => text,
        };
        let error = || DigestError(text.chars().count());
        if !DIGITS.contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        let pairs = digits.as_bytes().chunks_exact(2);
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
            u8::from_str_radix(pair, 16).map_err(|_| error())
        };
        pairs.map(byte).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_and_other_text_is_not() {
        let md5 = "D41D8CD98F00B204E9800998ECF8427E";
        assert_eq!(
            md5.parse::<Digest>().expect("MD5").into_bytes()[..2],
            [0xd4, 0x1d]
        );
        let sha256 = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(
            sha256
                .parse::<Digest>()
                .expect("SHA-256")
                .into_bytes()
                .len(),
            32
        );
        // As a release's page shows it.
        let named = format!("md5:{}", md5.to_lowercase()).parse::<Digest>();
        assert_eq!(named.expect("MD5"), md5.parse::<Digest>().expect("MD5"));
        for text in [
            "",
            "opt",
            "md5 :d41d8cd98f00b204e9800998ecf8427e",
            "d41d8cd98f00b204e9800998ecf8427",
            "+41d8cd98f00b204e9800998ecf8427e",
            "ｄ41d8cd98f00b204e9800998ecf842",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_digest_that_lost_a_digit_is_told_from_words() {
        assert_eq!(digits_of_none(&"ab".repeat(32)), None);
        assert_eq!(digits_of_none(&"ab".repeat(32)[1..]), Some(63));
        assert_eq!(digits_of_none("facade"), None);
        assert_eq!(digits_of_none(&"x".repeat(63)), None);
    }
}
