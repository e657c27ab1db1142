//! Elementwise kernels that overwrite what they read: half the memory traffic.

use crate::parallel::for_planes;
use crate::{Curve, Isa, Scalar};

impl Curve {
    /// Whether φ' can be told from φ(z) alone, so that z need not be kept for the gradient.
    pub fn output_tells_slope(self) -> bool {
        matches!(self, Self::Relu | Self::Relu6)
    }

    /// `grad *= φ'(z)`, given `y = φ(z)`.
    #[inline(always)]
    pub(crate) fn multiply_slope_by_output<T: Scalar>(self, y: &[T], grad: &mut [T]) {
        // ReLU has no upper clip.
        let top = T::from_f64(if self == Self::Relu6 { 6.0 } else { f64::INFINITY });
        for (grad, &y) in grad.iter_mut().zip(y) {
            *grad = if y > T::ZERO && y < top { *grad } else { T::ZERO };
        }
    }
}

/// `x = φ(x)`.
pub fn curve_in_place<T: Scalar>(curve: Curve, x: &mut [T]) {
    for_planes(x, 1, |_, x| {
        Isa::detect().vectorise(
            #[inline(always)]
            || curve.values_in_place(x),
        );
    });
}

/// `grad *= φ'(z)`, given `y = φ(z)`, for curves where [`Curve::output_tells_slope`].
///
/// # Panics
/// If the lengths differ, or the output of the curve does not tell its slope.
pub fn curve_adjoint_by_output<T: Scalar>(curve: Curve, y: &[T], grad: &mut [T]) {
    assert_eq!(y.len(), grad.len());
    assert!(curve.output_tells_slope(), "{curve:?}: the slope is not told by the output");
    for_planes(grad, 1, |first, grad| {
        let y = &y[first..first + grad.len()];
        Isa::detect().vectorise(
            #[inline(always)]
            || curve.multiply_slope_by_output(y, grad),
        );
    });
}

/// `x[c, n, i] *= factor[c, n', i]`; `factor` is [C, `factor_batch`, plane] with `factor_batch` 1 or
/// `batch`.
///
/// # Panics
/// If the lengths do not fit.
pub fn multiply_assign_planes<T: Scalar>(
    (batch, plane): (usize, usize),
    factor_batch: usize,
    x: &mut [T],
    factor: &[T],
) {
    assert!(factor_batch == batch || factor_batch == 1);
    assert_eq!(factor.len() * batch, x.len() * factor_batch);
    for_planes(x, plane, |first, x| {
        Isa::detect().vectorise(
            #[inline(always)]
            || {
                for (p, x) in (first..).zip(x.chunks_exact_mut(plane)) {
                    let own = if factor_batch == batch { p } else { p / batch };
                    let factor = &factor[own * plane..][..plane];
                    x.iter_mut().zip(factor).for_each(|(x, &f)| *x *= f);
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{curve_slopes, curve_values, multiply_planes};

    #[test]
    fn same_as_out_of_place() {
        let z: Vec<f32> = (0..60_000).map(|i| ((i as f32) * 0.37).sin() * 9.0).collect();
        let grad: Vec<f32> = z.iter().map(|z| z * 0.5 - 1.0).collect();
        for curve in [Curve::Relu, Curve::Relu6] {
            let (mut y, mut in_place) = (z.clone(), z.clone());
            curve_values(curve, &z, &mut y);
            curve_in_place(curve, &mut in_place);
            assert_eq!(y, in_place);

            let (mut slopes, mut expected, mut found) = (z.clone(), z.clone(), grad.clone());
            curve_slopes(curve, &z, &mut slopes, None);
            multiply_planes((6, 100), 6, &grad, &slopes, &mut expected, false);
            curve_adjoint_by_output(curve, &y, &mut found);
            assert_eq!(expected, found, "{curve:?}");
        }
    }

    #[test]
    fn shared_factor() {
        let mut x = vec![1.0f64, 2.0, 3.0, 4.0];
        multiply_assign_planes((2, 2), 1, &mut x, &[10.0, 100.0]);
        assert_eq!(x, [10.0, 200.0, 30.0, 400.0]);
    }
}
