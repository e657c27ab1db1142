//! Rank correlation.

/// Spearman's rank correlation in \[-1, 1\]; equal values share the mean of their ranks. NaN for
/// fewer than two values, or if one side is constant.
///
/// # Panics
/// If the sides differ in length.
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "as many values on both sides");
    pearson(&ranks(a), &ranks(b))
}

/// Pearson's correlation in \[-1, 1\]; NaN for fewer than two values, or if one side is constant.
///
/// # Panics
/// If the sides differ in length.
pub fn pearson(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "as many values on both sides");
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut product, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        product += x * y;
        square_a += x * x;
        square_b += y * y;
    }
    if square_a == 0.0 || square_b == 0.0 {
        return f64::NAN;
    }
    product / (square_a * square_b).sqrt()
}

/// Ranks from 1; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    // -0 and 0 tie, though `total_cmp` tells them apart.
    for run in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let mean = first as f64 + (run.len() + 1) as f64 / 2.0;
        run.iter().for_each(|&i| ranks[i] = mean);
        first += run.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(ranks(&[3.0, -1.0, 3.0, 0.0, -0.0]), [4.5, 1.0, 4.5, 2.5, 2.5]);
    }

    /// `scipy.stats.spearmanr([1, 2, 2, 5, 3.5], [0.3, 1, -2, 7, 7])` of SciPy 1.17.1.
    #[test]
    fn as_scipy() {
        let found = spearman(&[1.0, 2.0, 2.0, 5.0, 3.5], &[0.3, 1.0, -2.0, 7.0, 7.0]);
        assert!((found - 0.789_473_684_210_526_4).abs() < 1e-12, "{found}");
    }

    #[test]
    fn order_is_all_that_counts() {
        let a: [f64; 5] = [0.1, 2.0, 3.0, 40.0, 500.0];
        assert!((spearman(&a, &a.map(f64::ln)) - 1.0).abs() < 1e-12);
        assert!((spearman(&a, &a.map(|x| -x.powi(3))) + 1.0).abs() < 1e-12);
        assert!(spearman(&a, &[1.0; 5]).is_nan() && spearman(&[1.0], &[2.0]).is_nan());
    }
}
