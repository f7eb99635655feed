//! A clock that jumps.

use std::sync::OnceLock;

/// How often it jumps, in nanoseconds.
const PAUSE: i64 = 50_000_000;

/// How far, in seconds.
const FAR: u64 = 86_400;

/// What the jumps follow from.
pub(crate) fn seed() -> Option<u64> {
    static SEED: OnceLock<Option<u64>> = OnceLock::new();
    *SEED.get_or_init(|| std::env::var("CANDOR_FAULTS_CLOCK").ok()?.parse().ok())
}

/// How many seconds off the clock is at this time.
pub(crate) fn jump(seed: u64, time: &libc::timespec) -> i64 {
    let tick = time.tv_sec * (1_000_000_000 / PAUSE) + time.tv_nsec / PAUSE;
    // SplitMix64.
    let mut mixed = seed.wrapping_add(tick.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed % (2 * FAR)).cast_signed() - FAR.cast_signed()
}
