//! Session ids: 27 characters that sort by time and do not repeat (a KSUID).
//!
//! 4 bytes of seconds since `EPOCH`, 16 random bytes, as one 160-bit number in base 62. One
//! generator per worker, seeded by the operating system; the stream cipher behind it keeps ids of
//! others unguessable. Costs about 100 ns. Called by the worker for every HTTP request.

use crate::auth::request::SessionId;
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// Makes the session ids of one worker.
pub struct SessionIds(ChaCha8Rng);

impl SessionIds {
    /// `seed` comes from the operating system; two generators of one seed make the same ids.
    pub fn new(seed: [u8; 32]) -> SessionIds {
        SessionIds(ChaCha8Rng::from_seed(seed))
    }

    /// The next id, at `unix_seconds`. Times before 2014-05-13 or past 2150-06-19 count as those
    /// days.
    pub fn next(&mut self, unix_seconds: u64) -> SessionId {
        let seconds = u32::try_from(unix_seconds.saturating_sub(EPOCH)).unwrap_or(u32::MAX);
        let mut limbs = [seconds, 0, 0, 0, 0];
        for limb in &mut limbs[1..] {
            *limb = self.0.next_u32();
        }
        encode(limbs)
    }
}

/// The 160-bit number of big-endian `limbs` in base 62. Each round splits off [`DIGITS_PER_ROUND`]
/// digits, as many as let the running remainder and a limb fit into 64 bits: 21 divisions by a
/// constant rather than 135 for digit after digit.
#[expect(clippy::indexing_slicing, reason = "the remainder is below the alphabet's length")]
fn encode(mut limbs: [u32; 5]) -> SessionId {
    let mut digits = [0; 27];
    for chunk in digits.rchunks_mut(DIGITS_PER_ROUND) {
        let mut rest = 0;
        for limb in &mut limbs {
            let value = rest << 32 | u64::from(*limb);
            *limb = (value / ROUND) as u32;
            rest = value % ROUND;
        }
        let mut rest = rest as u32;
        for digit in chunk.iter_mut().rev() {
            *digit = ALPHABET[(rest % 62) as usize];
            rest /= 62;
        }
    }
    SessionId(digits)
}

/// 2014-05-13T16:53:20Z, the epoch of KSUIDs, in unix seconds.
const EPOCH: u64 = 1_400_000_000;
const DIGITS_PER_ROUND: usize = 5;
const ROUND: u64 = 62u64.pow(DIGITS_PER_ROUND as u32);
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn smallest_and_largest() {
        assert_eq!(encode([0; 5]).as_str(), "0".repeat(27));
        assert_eq!(encode([u32::MAX; 5]).as_str(), "aWgEPTl1tmebfsQzFP4bxwgy80V");
    }

    #[test]
    fn times_outside_the_range_are_clamped() {
        let id = |seconds| SessionIds::new([7; 32]).next(seconds);
        assert_eq!(id(0), id(EPOCH));
        assert_eq!(id(u64::MAX), id(EPOCH + u64::from(u32::MAX)));
    }

    #[test]
    fn ids_do_not_repeat() {
        let mut ids = SessionIds::new([7; 32]);
        let mut seen: Vec<_> = (0..10_000).map(|_| ids.next(EPOCH).0).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
        assert_ne!(SessionIds::new([8; 32]).next(EPOCH), SessionIds::new([7; 32]).next(EPOCH));
    }

    proptest! {
        #[test]
        fn text_sorts_as_the_number_and_decodes_to_it(a: [u32; 5], b: [u32; 5]) {
            prop_assert_eq!(a.cmp(&b), encode(a).as_str().cmp(encode(b).as_str()));
            prop_assert_eq!(decode(encode(a).as_str()), a);
        }
    }

    /// Digit after digit, as on paper.
    fn decode(text: &str) -> [u32; 5] {
        let mut limbs = [0u32; 5];
        for c in text.bytes() {
            let mut carry = ALPHABET.iter().position(|a| *a == c).unwrap() as u64;
            for limb in limbs.iter_mut().rev() {
                let value = u64::from(*limb) * 62 + carry;
                *limb = value as u32;
                carry = value >> 32;
            }
        }
        limbs
    }
}
