//! Means over pictures or runs, with how sure they are.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// Mean of independent values, e.g. one metric over many pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Their mean; NaN for none.
    pub mean: f64,
    /// Their deviation, with n - 1 in the denominator; NaN for fewer than two.
    pub std: f64,
}

impl Summary {
    /// Of `values`. A value that is NaN makes the whole summary NaN: leave it out knowingly or not
    /// at all.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { f64::NAN };
        Self { n, mean, std }
    }

    /// Of `a[i] - b[i]`: two methods on the same pictures. Far sharper than two separate summaries
    /// where pictures differ more than methods. Values without a partner are ignored.
    pub fn of_differences(a: &[f64], b: &[f64]) -> Self {
        Self::of(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
    }

    /// Standard error of the mean.
    pub fn standard_error(&self) -> f64 {
        self.std / (self.n as f64).sqrt()
    }

    /// 95 % interval of the mean, by Student's t.
    pub fn interval(&self) -> (f64, f64) {
        let reach = student_975(self.n.saturating_sub(1)) * self.standard_error();
        (self.mean - reach, self.mean + reach)
    }
}

/// 97.5 % quantile of Student's t; NaN without a degree of freedom.
fn student_975(degrees: usize) -> f64 {
    StudentsT::new(0.0, 1.0, degrees as f64).map_or(f64::NAN, |t| t.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn student_quantiles_are_the_tabulated_ones() {
        for (degrees, quantile) in
            [(1, 12.7062), (5, 2.5706), (8, 2.3060), (29, 2.0452), (199, 1.9720)]
        {
            assert!((student_975(degrees) - quantile).abs() < 1e-4, "{degrees}");
        }
    }

    #[test]
    fn interval_by_hand() {
        let summary = Summary::of(&[1.0, 2.0, 3.0]);
        assert!((summary.mean - 2.0).abs() < 1e-12 && (summary.std - 1.0).abs() < 1e-12);
        let (low, high) = summary.interval();
        let reach = 4.302_652_729_911 / 3f64.sqrt();
        assert!((low - 2.0 + reach).abs() < 1e-9 && (high - 2.0 - reach).abs() < 1e-9);
        assert!(Summary::of(&[1.0]).interval().0.is_nan());
        let difference = Summary::of_differences(&[5.0, 7.0, 9.5], &[4.0, 6.0, 8.5]);
        assert!((difference.mean - 1.0).abs() < 1e-12 && difference.std.abs() < 1e-12);
    }
}
