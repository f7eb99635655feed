//! The one strong digest that a file is held against.

use blake2::Blake2b512;
use candor_core::record::{Algorithm, DigestSet};
use sha2::digest::DynDigest;
use sha2::{Sha224, Sha256, Sha384, Sha512};

/// The digest that a file must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) algorithm: Algorithm,
    /// Lower-case hexadecimal.
    pub(crate) digest: String,
}

/// A digest in the making.
pub(crate) struct Hasher(Box<dyn DynDigest + Send>);

impl Expected {
    /// SHA-256 if it is there, which processors have instructions for, and otherwise any strong one; `None` if all are weak.
    pub(crate) fn of(digests: &DigestSet) -> Option<Self> {
        let strong = || digests.iter().filter(|(it, _)| it.is_strong());
        let (algorithm, digest) = strong()
            .find(|(algorithm, _)| *algorithm == Algorithm::Sha256)
            .or_else(|| strong().next())?;
        Some(Self {
            algorithm,
            digest: digest.to_owned(),
        })
    }

    /// A hasher that gives a digest to compare with this one.
    pub(crate) fn hasher(&self) -> Hasher {
        Hasher(match self.algorithm {
            Algorithm::Sha256 => Box::new(Sha256::default()) as Box<dyn DynDigest + Send>,
            Algorithm::Sha224 => Box::new(Sha224::default()),
            Algorithm::Sha384 => Box::new(Sha384::default()),
            Algorithm::Sha512 => Box::new(Sha512::default()),
            Algorithm::Blake2b => Box::new(Blake2b512::default()),
            Algorithm::Blake3 => Box::new(blake3::Hasher::new()),
            Algorithm::Md5
            | Algorithm::Sha1
            | Algorithm::GitCommit
            | Algorithm::GitTree
            | Algorithm::GitBlob => unreachable!("`of` takes strong ones only"),
        })
    }

    /// Checks the bytes of a whole file; the digest that they have, if it is another one.
    pub(crate) fn check(&self, hasher: Hasher) -> Result<(), String> {
        let found = hasher.finish();
        if found == self.digest {
            Ok(())
        } else {
            Err(found)
        }
    }
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `abc`, from FIPS 180-4's examples, RFC 7693 (A) and b3sum.
    #[test]
    fn every_strong_algorithm_is_that_of_its_specification() {
        let all = [
            (
                Algorithm::Sha224,
                "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            ),
            (
                Algorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                Algorithm::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Algorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (
                Algorithm::Blake2b,
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            ),
            (
                Algorithm::Blake3,
                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            ),
        ];
        assert_eq!(
            Algorithm::ALL
                .into_iter()
                .filter(|it| it.is_strong())
                .count(),
            all.len()
        );
        for (algorithm, digest) in all {
            let digests = DigestSet::new([(algorithm, digest.to_owned())]).expect("a digest");
            let expected = Expected::of(&digests).expect("strong");
            let hash = |text: &[u8]| {
                let mut hasher = expected.hasher();
                hasher.update(text);
                expected.check(hasher)
            };
            assert_eq!(hash(b"abc"), Ok(()), "{algorithm}");
            assert!(hash(b"abd").is_err(), "{algorithm}");
        }
    }

    #[test]
    fn a_weak_digest_says_nothing() {
        let digests = DigestSet::new([(Algorithm::Sha1, "0".repeat(40))]).expect("a digest");
        assert_eq!(Expected::of(&digests), None);
    }
}
