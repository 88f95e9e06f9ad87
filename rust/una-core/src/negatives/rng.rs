//! Keyed randomness: a draw is a function of `(seed, epoch, row, view, purpose, slot)` and of nothing else.
//!
//! The generator is Philox4x64-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
//! SC 2011), the same as `numpy.random.Philox`: it holds no state, so any worker can make any draw.

const MULTIPLIERS: [u64; 2] = [0xD2E7_470E_E14C_6C93, 0xCA5A_8263_9512_1157];
const WEYL: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xBB67_AE85_84CA_A73B];
const ROUNDS: usize = 10;

/// Second half of the generator's key: it names this stream, so that other uses of a seed share nothing with it.
const STREAM: u64 = 0x756E_615F_6661_7374; // "una_fast"

/// One block of Philox4x64-10: four random words of `counter` under `key`.
#[must_use]
pub fn philox4x64(counter: [u64; 4], key: [u64; 2]) -> [u64; 4] {
    let [words] = philox4x64_each([counter], key);
    words
}

/// Several blocks at once: a block is a chain of multiplications, and chains side by side fill each other's waits.
#[inline]
fn philox4x64_each<const N: usize>(counters: [[u64; 4]; N], key: [u64; 2]) -> [[u64; 4]; N] {
    // Two multiplications a round, each waiting for the one before. All blocks go through a round together, which the
    // compiler unrolls; the key is the same for all and is bumped once.
    let (mut blocks, mut k) = (counters, key);
    for _ in 0..ROUNDS {
        for c in &mut blocks {
            let a = u128::from(c[0]) * u128::from(MULTIPLIERS[0]);
            let b = u128::from(c[2]) * u128::from(MULTIPLIERS[1]);
            *c = [(b >> 64) as u64 ^ c[1] ^ k[0], b as u64, (a >> 64) as u64 ^ c[3] ^ k[1], a as u64];
        }
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    blocks
}

/// The decision that a draw is for. Draws for different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The choice of tokens that go.
    Select = 0,
    /// The choice of the term that takes a token's place.
    Replace = 1,
}

/// The place of a sentence in a training run; with the seed, the key of all its draws.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrawKey {
    /// Pass over the corpus.
    pub epoch: u64,
    /// Row of the sentence in the corpus.
    pub row: u64,
    /// Number among several negatives of the same row in the same epoch.
    pub view: u32,
}

/// All the draws that belong to one sentence.
///
/// ```
/// use una_core::DrawKey;
/// use una_core::negatives::{Draws, Purpose, unit};
///
/// let draws = Draws::new(42, DrawKey { epoch: 0, row: 7, view: 0 });
/// let words = draws.block(Purpose::Select, 3);
/// assert_eq!(draws.block(Purpose::Select, 3), words, "no state: any worker can make any draw");
/// assert_ne!(draws.block(Purpose::Replace, 3), words);
/// assert!(words.iter().all(|&word| (0.0..1.0).contains(&unit(word))));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Draws {
    seed: u64,
    key: DrawKey,
}

impl Draws {
    /// The draws of the sentence of this key under `seed`.
    #[must_use]
    pub const fn new(seed: u64, key: DrawKey) -> Self {
        Self { seed, key }
    }

    /// Four random words for `slot` of `purpose`.
    #[must_use]
    pub fn block(&self, purpose: Purpose, slot: u64) -> [u64; 4] {
        let [words] = self.blocks(purpose, [slot]);
        words
    }

    /// [`Self::block`] of several slots.
    #[inline]
    pub(crate) fn blocks<const N: usize>(&self, purpose: Purpose, slots: [u64; N]) -> [[u64; 4]; N] {
        let what = u64::from(self.key.view) << 8 | purpose as u64;
        let counter = |slot| [slot, self.key.row, self.key.epoch, what];
        philox4x64_each(slots.map(counter), [self.seed, STREAM])
    }
}

/// A word as a float64 in `[0, 1)`, a multiple of 2^-53.
#[must_use]
pub const fn unit(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A word as an integer in `0..n`, by multiplication; each value is off its fair share by at most 2^-64.
#[must_use]
pub const fn below(word: u64, n: usize) -> usize {
    ((word as u128 * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_published_test_vectors() {
        // kat_vectors of the authors' Random123 distribution, lines "philox4x64 10".
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x1655_4d9e_ca36_314c, 0xdb20_fe9d_672d_0fdc, 0xd7e7_72ce_e186_176b, 0x7e68_b68a_ec7b_a23b],
            ),
            (
                [u64::MAX; 4],
                [u64::MAX; 2],
                [0x87b0_92c3_013f_e90b, 0x438c_3c67_be8d_0224, 0x9cc7_d7c6_9cd7_77b6, 0xa09c_aebf_594f_0ba0],
            ),
            (
                [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89],
                [0x4528_21e6_38d0_1377, 0xbe54_66cf_34e9_0c6c],
                [0xa528_f454_03e6_1d95, 0x38c7_2dbd_566e_9788, 0xa5a1_610e_72fd_18b5, 0x57bd_43b5_e52b_7fe6],
            ),
        ];
        for (counter, key, words) in cases {
            assert_eq!(philox4x64(counter, key), words);
        }
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let base = Draws::new(1, DrawKey::default());
        let blocks = [
            base.block(Purpose::Select, 0),
            base.block(Purpose::Select, 1),
            base.block(Purpose::Replace, 0),
            Draws::new(2, DrawKey::default()).block(Purpose::Select, 0),
            Draws::new(1, DrawKey { epoch: 1, ..DrawKey::default() }).block(Purpose::Select, 0),
            Draws::new(1, DrawKey { row: 1, ..DrawKey::default() }).block(Purpose::Select, 0),
            Draws::new(1, DrawKey { view: 1, ..DrawKey::default() }).block(Purpose::Select, 0),
        ];
        for (i, a) in blocks.iter().enumerate() {
            assert!(!blocks[..i].contains(a), "block {i} repeats an earlier one");
        }
    }

    #[test]
    fn blocks_side_by_side_are_those_made_one_by_one() {
        let draws = Draws::new(5, DrawKey { epoch: 1, row: 2, view: 3 });
        let one_by_one = [7, 0, u64::MAX].map(|slot| draws.block(Purpose::Replace, slot));
        assert_eq!(draws.blocks(Purpose::Replace, [7, 0, u64::MAX]), one_by_one);
    }

    #[test]
    fn unit_and_below_stay_in_range() {
        assert!(unit(0).abs() < f64::EPSILON);
        assert!(unit(u64::MAX) < 1.0);
        assert_eq!(below(0, 8001), 0);
        assert_eq!(below(u64::MAX, 8001), 8000);
    }
}
