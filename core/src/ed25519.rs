//! Which Ed25519 public keys count.

use ed25519_dalek::VerifyingKey;

/// Whether signatures by `key` mean anything: it is not of small order (anybody could sign for it), and its
/// bytes are the one encoding of its point (RFC 8032 section 5.1.3), so that no key has two names.
pub(crate) fn is_usable(key: &VerifyingKey) -> bool {
    !key.is_weak() && key.to_edwards().compress().as_bytes() == key.as_bytes()
}
