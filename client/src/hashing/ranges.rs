//! Digests of parts of a file, while the file goes by once.

use std::collections::BTreeMap;
use std::ops::Range;

use candor_core::Sha256;
use sha2::Digest as _;

/// The digests of ranges of one file in the making.
pub(super) struct RangeHashers {
    /// The ranges that were asked for, in the order in which they were.
    asked: Vec<Range<u64>>,
    /// Each of them once, by where it begins: those that are not done yet.
    waiting: BTreeMap<(u64, u64), sha2::Sha256>,
    done: BTreeMap<(u64, u64), Sha256>,
}

impl RangeHashers {
    pub(super) fn new(asked: Vec<Range<u64>>) -> Self {
        let (mut waiting, mut done) = (BTreeMap::new(), BTreeMap::new());
        for range in &asked {
            if range.is_empty() {
                done.insert((range.start, range.end), Sha256::of([]));
            } else {
                waiting.insert((range.start, range.end), sha2::Sha256::new());
            }
        }
        Self {
            asked,
            waiting,
            done,
        }
    }

    /// Whether none was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Takes the file's `bytes` from `offset` on, which follow those that it took before.
    pub(super) fn update(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        let begun = self.waiting.range_mut(..(end, 0));
        let mut ended = Vec::new();
        for ((start, range_end), hasher) in begun {
            let from = (*start).max(offset) - offset;
            let to = (*range_end).min(end) - offset;
            let inside = |at: u64| usize::try_from(at).expect("inside the bytes");
            hasher.update(&bytes[inside(from)..inside(to)]);
            if *range_end <= end {
                ended.push((*start, *range_end));
            }
        }
        for range in ended {
            if let Some(hasher) = self.waiting.remove(&range) {
                let digest = Sha256::from_bytes(hasher.finalize().into());
                self.done.insert(range, digest);
            }
        }
    }

    /// The digests, in the order in which they were asked for. All bytes went by.
    pub(super) fn finish(self) -> Vec<Sha256> {
        let digest = |range: &Range<u64>| self.done[&(range.start, range.end)];
        self.asked.iter().map(digest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_has_its_digest_however_the_bytes_come() {
        let bytes: Vec<u8> = (0..=255).collect();
        // Side by side, one twice, one in another, across pieces, empty ones, all of it.
        let asked = [
            0..10,
            10..11,
            0..10,
            3..200,
            60..70,
            256..256,
            0..0,
            0..256,
            255..256,
        ];
        for step in [1, 7, 64, 256] {
            let mut hashers = RangeHashers::new(asked.to_vec());
            assert!(!hashers.is_empty());
            for (n, piece) in bytes.chunks(step).enumerate() {
                hashers.update((n * step) as u64, piece);
            }
            let expected = asked.clone().map(|range| {
                let at = |at: u64| usize::try_from(at).expect("small");
                Sha256::of(&bytes[at(range.start)..at(range.end)])
            });
            assert_eq!(hashers.finish(), expected, "{step}");
        }
    }
}
