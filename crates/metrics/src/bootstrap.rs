//! Intervals without assumptions about how values are distributed.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// The percentile bootstrap (Efron 1979) of a mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Samples drawn, each with as many values as there are, with replacement.
    pub resamples: usize,
    /// Probability that the interval is to hold the mean, in (0, 1).
    pub confidence: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Bootstrap {
    /// 95 % by 10,000 samples.
    pub const STANDARD: Self = Self { resamples: 10_000, confidence: 0.95, seed: 0 };

    /// Interval of the mean of `values`; NaN for fewer than two, or without resamples.
    ///
    /// For two methods on the same pictures give the differences, picture by picture: that is the
    /// paired bootstrap, where both methods are seen on the same drawn pictures.
    pub fn interval(&self, values: &[f64]) -> (f64, f64) {
        let n = values.len();
        if n < 2 || self.resamples == 0 {
            return (f64::NAN, f64::NAN);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut draw = || values[((u128::from(rng.next_u64()) * n as u128) >> 64) as usize];
        let mut mean = || (0..n).map(|_| draw()).sum::<f64>() / n as f64;
        let mut means: Vec<f64> = (0..self.resamples).map(|_| mean()).collect();
        means.sort_by(f64::total_cmp);
        let tail = (1.0 - self.confidence) / 2.0;
        (quantile(&means, tail), quantile(&means, 1.0 - tail))
    }
}

/// Quantile of sorted values, linear between neighbours as in NumPy.
fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let at = probability * (sorted.len() - 1) as f64;
    let (below, share) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + share * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_by_hand() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 1.0), 4.0);
    }

    /// `scipy.stats.bootstrap((x,), numpy.mean, method="percentile", n_resamples=1_000_000)` of
    /// SciPy 1.17.1 gives (1.1583, 5.0417) for these twelve values.
    #[test]
    fn as_scipy() {
        let values = [0.1, 0.3, 0.2, 1.5, 2.5, 0.9, 3.0, 12.0, 7.0, 0.4, 5.6, 1.1];
        let (low, high) = Bootstrap::STANDARD.interval(&values);
        assert!((low - 1.1583).abs() < 0.03 && (high - 5.0417).abs() < 0.09, "{low} {high}");
    }

    /// The interval holds the true mean as often as it says (a little less, with so few values).
    #[test]
    fn covers_the_mean() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let bootstrap = Bootstrap { resamples: 500, ..Bootstrap::STANDARD };
        let covered = (0..400).filter(|_| {
            let values: Vec<f64> = (0..40).map(|_| uniform()).collect();
            let (low, high) = bootstrap.interval(&values);
            low < 0.5 && 0.5 < high
        });
        let covered = covered.count();
        assert!((364..=392).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn seeded_and_honest_about_too_little() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * i)).collect();
        let of = |seed| Bootstrap { seed, ..Bootstrap::STANDARD }.interval(&values);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(Bootstrap::STANDARD.interval(&[1.0]).0.is_nan());
        assert_eq!(Bootstrap::STANDARD.interval(&[2.0, 2.0]), (2.0, 2.0));
    }
}
