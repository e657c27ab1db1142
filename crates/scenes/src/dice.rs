//! Random numbers that are the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A `ChaCha8` stream with the few distributions a scene needs.
///
/// They are spelled out here so that a picture never changes with a version of a sampling library.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of picture `index`: one key per (task, seed), one stream per picture.
    pub(crate) fn new(task: u64, seed: u64, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&task.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(index);
        Self(rng)
    }

    /// 32 random bits.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in `0..n`, for small n (the bias is below n / 2³²).
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.bits()) * n as u64) >> 32) as usize
    }

    /// Uniform in `[lo, hi)`.
    pub(crate) fn between(&mut self, lo: f32, hi: f32) -> f32 {
        let unit = (self.bits() >> 8) as f32 / (1 << 24) as f32;
        lo + (hi - lo) * unit
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.between(0.0, 1.0) < p
    }

    /// One of `items`.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_and_differ() {
        let first = |task, seed, index| Dice::new(task, seed, index).bits();
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        let others = [first(0, 2, 3), first(1, 0, 3), first(1, 2, 0), first(2, 1, 3)];
        assert!(others.iter().all(|&bits| bits != first(1, 2, 3)));
    }

    #[test]
    fn below_is_even() {
        let mut dice = Dice::new(0, 0, 0);
        let mut counts = [0; 3];
        (0..3000).for_each(|_| counts[dice.below(3)] += 1);
        assert!(counts.iter().all(|&n| (900..1100).contains(&n)), "{counts:?}");
    }
}
