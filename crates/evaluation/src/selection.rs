//! Which pictures, in which order: a seeded shuffle, tried from its beginning.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// The order in which pictures are tried: a permutation of 0 .. n. The same everywhere, for ever.
pub fn order(n: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..n).collect();
    // Fisher and Yates; of 2⁶⁴ numbers, the upper half of a product is uniform to 2⁻³⁰ and better.
    for last in (1..n).rev() {
        let below = u128::from(rng.next_u64()) * (last as u128 + 1);
        order.swap(last, (below >> 64) as usize);
    }
    order
}

/// A picture that was tried for a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The model.
    pub model: String,
    /// Place in the order, from 0.
    pub rank: usize,
    /// The picture.
    pub image: String,
    /// Its class, as the model numbers classes.
    pub class: usize,
    /// The model's most probable class.
    pub predicted: Option<usize>,
    /// Probability of that class.
    pub probability: Option<f64>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it could not be read.
    pub reason: Option<String>,
}

/// What became of a picture that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is explained.
    Chosen,
    /// The model takes it for another class, and only correct ones are wanted.
    Misclassified,
    /// It cannot be read. Its rows say so; it does not count as one of the samples.
    Unreadable,
}

impl Verdict {
    /// The name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Misclassified => "misclassified",
            Self::Unreadable => "unreadable",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Chosen, Self::Misclassified, Self::Unreadable].into_iter().find(|v| v.name() == name)
    }

    /// Whether the picture has rows.
    pub fn has_rows(self) -> bool {
        self != Self::Misclassified
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_a_permutation_and_stays() {
        let mut shuffled = order(1000, 7);
        assert_eq!(shuffled[..6], order(1000, 7)[..6]);
        assert_ne!(shuffled[..6], order(1000, 8)[..6]);
        // Written down once: whoever changes it changes every selection ever made.
        assert_eq!(order(10, 0), [6, 1, 8, 3, 2, 9, 0, 5, 4, 7]);
        shuffled.sort_unstable();
        assert_eq!(shuffled, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn every_place_is_equally_likely() {
        let n = 6000;
        let mut counts = [[0_u32; 5]; 5];
        for seed in 0..n {
            order(5, seed).into_iter().enumerate().for_each(|(at, item)| counts[at][item] += 1);
        }
        // A fifth of 6000 with a deviation of 31: five deviations.
        assert!(counts.iter().flatten().all(|count| count.abs_diff(1200) < 155), "{counts:?}");
    }
}
