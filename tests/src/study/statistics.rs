//! Means with 95 % intervals.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A mean and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Values it is the mean of.
    pub n: usize,
}

impl Interval {
    /// Whether 0 lies outside: a difference that is there.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;

/// Mean of `values` with the percentile interval of a seeded bootstrap over them; NaN for the ends
/// of fewer than two, and for the mean of none.
pub fn bootstrap(values: &[f64]) -> Interval {
    let n = values.len();
    if n < 2 {
        let mean = values.first().copied().unwrap_or(f64::NAN);
        return Interval { mean, low: f64::NAN, high: f64::NAN, n };
    }
    let mean_of = |sum: f64| sum / n as f64;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut pick = || values[((u64::from(rng.next_u32()) * n as u64) >> 32) as usize];
    let mut means: Vec<f64> =
        (0..RESAMPLES).map(|_| mean_of((0..n).map(|_| pick()).sum())).collect();
    means.sort_by(f64::total_cmp);
    let mean = mean_of(values.iter().sum());
    let at = |share: f64| means[(share * RESAMPLES as f64) as usize];
    Interval { mean, low: at(0.025), high: at(0.975), n }
}

/// [`bootstrap`] of the differences of pairs.
pub fn difference(pairs: &[(f64, f64)]) -> Interval {
    bootstrap(&pairs.iter().map(|(a, b)| a - b).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_that_of_the_normal_law() {
        // 100 values of mean 0.5 and standard deviation 0.5: ± 1.96 · 0.05.
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let found = bootstrap(&values);
        assert!((found.mean - 0.5).abs() < 1e-12);
        assert!((found.low - 0.402).abs() < 0.015 && (found.high - 0.598).abs() < 0.015);
        assert!(!difference(&[(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]).excludes_zero());
        assert!(difference(&[(1.0, 0.0), (2.0, 1.0), (1.5, 1.0)]).excludes_zero());
        assert!(bootstrap(&[1.0]).low.is_nan() && bootstrap(&[]).mean.is_nan());
    }
}
