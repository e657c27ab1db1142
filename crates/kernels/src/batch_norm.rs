//! Batch norm in training: y = γ·(x - μ)/σ + β with μ and σ² of the batch itself, per channel over
//! [channels, batch · plane].
//!
//! Sums over a batch are long, so they are made of short sums in the width of the numbers, added in
//! `f64`; a channel is never divided among threads.

use rayon::prelude::*;

use crate::matvec::fold;
use crate::parallel::for_planes;
use crate::{Isa, Scalar};

/// Numbers that are added in their own width.
const SHORT: usize = 512;
/// Partial sums of a short sum.
const LANES: usize = 32;

/// Mean and biased variance of each channel; `len` = batch · plane.
///
/// # Panics
/// If the length does not fit.
pub fn channel_moments<T: Scalar>(len: usize, x: &[T]) -> Vec<[f64; 2]> {
    assert!(len > 0 && x.len().is_multiple_of(len));
    let of_channel = |x: &[T]| {
        let centre = T::from_f64(
            sum(
                x,
                x,
                #[inline(always)]
                |x, _| x,
            ) / len as f64,
        );
        // Around a centre close to the mean nothing is lost, however far from zero x lies.
        let shift = sum(
            x,
            x,
            #[inline(always)]
            |x, _| x - centre,
        ) / len as f64;
        let squares = sum(
            x,
            x,
            #[inline(always)]
            |x, _| (x - centre) * (x - centre),
        );
        [centre.to_f64() + shift, (squares / len as f64 - shift * shift).max(0.0)]
    };
    x.par_chunks_exact(len).map(of_channel).collect()
}

/// Σ grad and Σ grad·(x - mean) of each channel.
///
/// # Panics
/// If the lengths do not fit.
pub fn channel_products<T: Scalar>(
    len: usize,
    grad: &[T],
    x: &[T],
    means: &[f64],
) -> Vec<[f64; 2]> {
    assert_eq!(grad.len(), x.len());
    assert_eq!(means.len() * len, x.len());
    let channels = grad.par_chunks_exact(len).zip(x.par_chunks_exact(len)).zip(means);
    let of_channel = |((grad, x), &mean): ((&[T], &[T]), &f64)| {
        let centre = T::from_f64(mean);
        let total = sum(
            grad,
            x,
            #[inline(always)]
            |grad, _| grad,
        );
        let product = sum(
            grad,
            x,
            #[inline(always)]
            |grad, x| grad * (x - centre),
        );
        [total, product - (mean - centre.to_f64()) * total]
    };
    channels.map(of_channel).collect()
}

/// `grad = a[c]·grad + b[c]·x + c[c]`: the adjoint of batch norm, with the factors that its
/// statistics give.
///
/// # Panics
/// If the lengths do not fit.
pub fn channel_combine<T: Scalar>(len: usize, grad: &mut [T], x: &[T], [a, b, c]: [&[T]; 3]) {
    assert_eq!(grad.len(), x.len());
    assert!(a.len() * len == x.len() && b.len() == a.len() && c.len() == a.len());
    for_planes(grad, len, |first, grad| {
        Isa::detect().vectorise(
            #[inline(always)]
            || {
                let channels = grad.chunks_exact_mut(len).zip(x[first * len..].chunks_exact(len));
                for (channel, (grad, x)) in (first..).zip(channels) {
                    let (a, b, c) = (a[channel], b[channel], c[channel]);
                    grad.iter_mut().zip(x).for_each(|(g, &x)| *g = a * *g + b * x + c);
                }
            },
        );
    });
}

/// Σ f(x, y).
fn sum<T: Scalar>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> f64 {
    Isa::detect().vectorise(
        #[inline(always)]
        || {
            let short = |(x, y): (&[T], &[T])| {
                let mut sums = [T::ZERO; LANES];
                let ((xs, x_tail), (ys, y_tail)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
                for (x, y) in xs.iter().zip(ys) {
                    for lane in 0..LANES {
                        sums[lane] += f(x[lane], y[lane]);
                    }
                }
                for (lane, (&x, &y)) in x_tail.iter().zip(y_tail).enumerate() {
                    sums[lane] += f(x, y);
                }
                fold(&mut sums).to_f64()
            };
            x.chunks(SHORT).zip(y.chunks(SHORT)).map(short).sum()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_far_off_numbers_are_exact() {
        let len = 5000;
        let x: Vec<f32> = (0..2 * len).map(|i| 1000.0 + ((i * 37) % 101) as f32 / 64.0).collect();
        for (channel, [mean, variance]) in channel_moments(len, &x).into_iter().enumerate() {
            let x: Vec<f64> = x[channel * len..][..len].iter().map(|&v| f64::from(v)).collect();
            let expected = x.iter().sum::<f64>() / len as f64;
            let spread = x.iter().map(|v| (v - expected).powi(2)).sum::<f64>() / len as f64;
            assert!((mean - expected).abs() < 1e-9 * expected, "{mean} {expected}");
            assert!((variance - spread).abs() < 1e-5 * spread, "{variance} {spread}");
        }
    }

    #[test]
    fn products_and_combination_follow_their_formulas() {
        let (len, means) = (1037, [0.5, -2.0]);
        let x: Vec<f64> = (0..2 * len).map(|i| (i as f64 * 0.7).sin()).collect();
        let grad: Vec<f64> = (0..2 * len).map(|i| (i as f64 * 0.3).cos()).collect();
        for (c, [total, product]) in
            channel_products(len, &grad, &x, &means).into_iter().enumerate()
        {
            let pairs = || grad[c * len..][..len].iter().zip(&x[c * len..][..len]);
            let expected: f64 = pairs().map(|(g, x)| g * (x - means[c])).sum();
            assert!((total - pairs().map(|(g, _)| g).sum::<f64>()).abs() < 1e-9);
            assert!((product - expected).abs() < 1e-9);
        }
        let mut combined = grad.clone();
        channel_combine(len, &mut combined, &x, [&[2.0, 3.0], &[0.5, 1.5], &[-1.0, 4.0]]);
        assert_eq!(combined[5], 2.0 * grad[5] + 0.5 * x[5] - 1.0);
        assert_eq!(combined[len], 3.0 * grad[len] + 1.5 * x[len] + 4.0);
    }
}
