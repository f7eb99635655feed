//! RFC 9562: the identifier of a document, by default one that follows from what it is made of.
//!
//! ```text
//! version 5 (SHA-1, RFC 9562 section 5.5) of
//!   namespace   version 5 of the URL namespace and "urn:candor:sbom:v1"
//!   name        FORMAT \n TIME \n ORIGIN \n SIZE \n ROOT \n RELEASE \n,
//!               then INDEX \n STATEMENT DIGEST \n of each record about it,
//!               then ancestor RELEASE INDEX \n of each ancestor that was withdrawn, by that entry,
//!               then of what the caller knows: log URL \n, bundle SHA-256 NAME \n, released TIME \n
//!   FORMAT      cyclonedx-1.6, cyclonedx-1.7, spdx-3.0.1
//! ```
//!
//! Always: another format, time, checkpoint, release, record or withdrawn ancestor gives another identifier, and so does anything
//! else that the caller knows: in SPDX, what has the identifier of another document is that document. SHA-1 is what version 5 has, and
//! carries nothing here: an identifier is a name and proves nothing.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest as _, Sha1};

use crate::made::Made;
use crate::release::Release;

/// A UUID (RFC 9562), which is `urn:uuid:` and 32 digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid([u8; 16]);

/// Text that is no UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no UUID, such as 2d4e1b1c-56a1-5d5f-9a3c-0a1b2c3d4e5f in lower case")]
pub struct NotUuid {
    found: String,
}

/// The namespace of URLs, 6ba7b811-9dad-11d1-80b4-00c04fd430c8.
const URL_NAMESPACE: Uuid = Uuid([
    0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
]);

impl Uuid {
    /// These 16 bytes, such as random ones with version and variant set.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Version 5: the same name in the same namespace is always the same.
    fn of_name(self, name: &str) -> Self {
        let digest = Sha1::new()
            .chain_update(self.0)
            .chain_update(name)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x50;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// The identifier of the document about `release` in `format`.
    pub(crate) fn of_document(release: &Release<'_>, format: &str, made: &Made) -> Self {
        if let Some(serial) = made.serial {
            return serial;
        }
        let checkpoint = release.checkpoint;
        let head = &checkpoint.head;
        let mut name = format!(
            "{format}\n{}\n{}\n{}\n{}\n{}\n",
            made.time, checkpoint.origin, head.size, head.root, release.name
        );
        let records = release
            .records
            .iter()
            .map(|it| format!("{}\n{}\n", it.index, it.record.statement().digest));
        name.extend(records);
        let ancestors = release.withdrawn_ancestors().iter();
        name.extend(ancestors.map(|it| format!("ancestor {} {}\n", it.release, it.withdrawn.by)));
        let log = made.log.as_ref().map(|it| format!("log {it}\n"));
        let bundle = made.bundle.as_ref();
        let bundle = bundle.map(|it| format!("bundle {} {}\n", it.sha256, it.name));
        let released = made.released.as_ref().map(|it| format!("released {it}\n"));
        name.extend(log.into_iter().chain(bundle).chain(released));
        URL_NAMESPACE.of_name("urn:candor:sbom:v1").of_name(&name)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = hex::encode(self.0);
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        f.write_str(&parts.join("-"))
    }
}

impl FromStr for Uuid {
    type Err = NotUuid;
    fn from_str(text: &str) -> Result<Self, NotUuid> {
        let mut bytes = [0; 16];
        let digits = text.replace('-', "");
        if hex::decode_to_slice(digits, &mut bytes).is_ok() && Self(bytes).to_string() == text {
            return Ok(Self(bytes));
        }
        Err(NotUuid {
            found: text.chars().take(80).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_5_is_as_others_compute_it() {
        // From RFC 9562, appendix A.4.
        let dns: Uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
            .parse()
            .expect("a UUID");
        assert_eq!(
            dns.of_name("www.example.com").to_string(),
            "2ed6657d-e927-568b-95e1-2665a8aea6a2"
        );
    }

    #[test]
    fn another_spelling_of_a_uuid_is_refused() {
        for bad in [
            "",
            "6BA7B810-9dad-11d1-80b4-00c04fd430c8",
            "6ba7b8109dad11d180b400c04fd430c8",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c",
            "6ba7b81-09dad-11d1-80b4-00c04fd430c8",
            "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        ] {
            assert!(bad.parse::<Uuid>().is_err(), "{bad}");
        }
    }
}
