//! What the suites share.

use hsets_kernels::Scalar;

/// Reproducible numbers in (-1, 1).
pub(crate) fn numbers(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Rounded to f32, so that both widths compute with the same numbers.
        f64::from(((state >> 40) as f32) / (1u32 << 23) as f32 - 1.0)
    };
    (0..len).map(|_| next()).collect()
}

/// To the width under test.
pub(crate) fn narrow<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&x| T::from_f64(x)).collect()
}

/// Largest acceptable error of a sum of `n` products of numbers in (-1, 1).
pub(crate) fn tolerance<T: Scalar>(n: usize) -> f64 {
    let epsilon = if size_of::<T>() == 4 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    2.0 * epsilon * (n as f64 + 4.0)
}

/// Panics where `found` is not `expected`.
pub(crate) fn assert_close<T: Scalar>(found: &[T], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found.to_f64() - expected).abs();
        assert!(
            error <= tolerance,
            "{what}: {found:?} for {expected} at {i} (tolerance {tolerance:e})"
        );
    }
}

/// Σ x·y.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Runs `f` with a pool of `n` threads.
pub(crate) fn with_threads<R: Send>(n: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool").install(f)
}
