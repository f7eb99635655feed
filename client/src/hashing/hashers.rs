//! Several digests of one file in one reading.

use blake2::Blake2b512;
use candor_core::record::{Algorithm, DigestSet};
use md5::Md5;
use sha1::Sha1;
use sha2::digest::{Digest as _, DynDigest};
use sha2::{Sha224, Sha256, Sha384, Sha512};

/// How many bytes each hash function gets at once.
const STEP_BYTES: usize = 128 * 1024;

/// Digests in the making.
pub(super) struct Hashers(Vec<(Algorithm, Box<dyn DynDigest + Send>)>);

impl Hashers {
    /// SHA-256, and those of `also`, of a file of `size` bytes; except for git's commits and trees, which no file is.
    pub(super) fn new(also: impl IntoIterator<Item = Algorithm>, size: u64) -> Self {
        let mut hashers = Self(vec![(
            Algorithm::Sha256,
            Box::new(Sha256::default()) as Box<dyn DynDigest + Send>,
        )]);
        for algorithm in also {
            let hasher: Box<dyn DynDigest + Send> = match algorithm {
                Algorithm::Md5 => Box::new(Md5::default()),
                Algorithm::Sha1 => Box::new(Sha1::default()),
                Algorithm::Sha224 => Box::new(Sha224::default()),
                Algorithm::Sha384 => Box::new(Sha384::default()),
                Algorithm::Sha512 => Box::new(Sha512::default()),
                Algorithm::Blake2b => Box::new(Blake2b512::default()),
                Algorithm::Blake3 => Box::new(blake3::Hasher::new()),
                // Of a file in a repository that uses SHA-1, as nearly all do.
                Algorithm::GitBlob => Box::new(Sha1::new_with_prefix(git_blob_head(size))),
                Algorithm::Sha256 | Algorithm::GitCommit | Algorithm::GitTree => continue,
            };
            hashers.0.push((algorithm, hasher));
        }
        hashers
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        // Step by step, so that the second hash function finds in the processor's cache what the first one left there.
        for step in bytes.chunks(STEP_BYTES) {
            for (_, hasher) in &mut self.0 {
                hasher.update(step);
            }
        }
    }

    /// The digests of all bytes.
    pub(super) fn finish(self) -> DigestSet {
        let digests = self.0.into_iter().map(|(algorithm, mut hasher)| {
            let mut digest = vec![0; hasher.output_size()];
            hasher
                .finalize_into_reset(&mut digest)
                .expect("the buffer has the digest's size");
            (algorithm, hex::encode(digest))
        });
        DigestSet::new(digests).expect("each digest has its algorithm's length")
    }
}

/// Whether the digest of a file is one that is computed here.
pub(crate) fn is_computed(algorithm: Algorithm, digest: &str) -> bool {
    const SHA1_DIGITS: usize = 40;
    algorithm.is_of_bytes() || (algorithm == Algorithm::GitBlob && digest.len() == SHA1_DIGITS)
}

/// What git puts in front of a file's bytes (gitformat-loose, "an object header").
fn git_blob_head(size: u64) -> String {
    format!("blob {size}\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `abc`, from RFC 1321 (A.5), FIPS 180-4's examples, RFC 7693 (A) and b3sum.
    #[test]
    fn every_strong_algorithm_is_computed() {
        let found = Hashers::new(Algorithm::ALL, 0).finish();
        for algorithm in Algorithm::ALL {
            assert_eq!(
                found.by(algorithm).is_some(),
                is_computed(algorithm, &"0".repeat(40)),
                "{algorithm}"
            );
        }
        assert!(!is_computed(Algorithm::GitBlob, &"0".repeat(64)));
    }

    #[test]
    fn digests_are_those_of_the_specifications() {
        let all = [
            // `printf abc | git hash-object --stdin`
            (
                Algorithm::GitBlob,
                "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f",
            ),
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
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
        let mut hashers = Hashers::new(all.map(|(algorithm, _)| algorithm), 3);
        hashers.update(b"a");
        hashers.update(b"bc");
        let found = hashers.finish();
        for (algorithm, digest) in all {
            assert_eq!(found.by(algorithm), Some(digest), "{algorithm}");
        }
    }
}
