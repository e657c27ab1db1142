//! Elementwise kernels over [channels, batch, plane].
//!
//! Factors that belong to the linearisation point may have batch 1 while the tangents have more:
//! such a factor [C, 1, plane] is shared by every tangent of the batch.

use crate::{Curve, Scalar};

/// `out = φ(z)`.
pub fn curve_values<T: Scalar>(curve: Curve, z: &[T], out: &mut [T]) {
    out.iter_mut().zip(z).for_each(|(out, &z)| *out = curve.evaluate(z)[0]);
}

/// `slopes = φ'(z)` and, where asked, `bends = φ''(z)`.
pub fn curve_slopes<T: Scalar>(curve: Curve, z: &[T], slopes: &mut [T], bends: Option<&mut [T]>) {
    slopes.iter_mut().zip(z).for_each(|(slope, &z)| *slope = curve.evaluate(z)[1]);
    if let Some(bends) = bends {
        bends.iter_mut().zip(z).for_each(|(bend, &z)| *bend = curve.evaluate(z)[2]);
    }
}

/// `x += y`.
pub fn add_assign<T: Scalar>(x: &mut [T], y: &[T]) {
    x.iter_mut().zip(y).for_each(|(x, &y)| *x += y);
}

/// `out[c, n, i] = scale[c] · x[c, n, i] + shift[c]`, `len` = batch · plane.
pub fn channel_affine<T: Scalar>(len: usize, x: &[T], scale: &[T], shift: &[T], out: &mut [T]) {
    for (c, (x, out)) in x.chunks_exact(len).zip(out.chunks_exact_mut(len)).enumerate() {
        x.iter().zip(out).for_each(|(&x, out)| *out = scale[c] * x + shift[c]);
    }
}

/// `out[c, n, i] (+)= scale[c] · x[c, n, i]`: tangent and adjoint of [`channel_affine`].
pub fn channel_scale<T: Scalar>(len: usize, x: &[T], scale: &[T], out: &mut [T], accumulate: bool) {
    for (c, (x, out)) in x.chunks_exact(len).zip(out.chunks_exact_mut(len)).enumerate() {
        for (&x, out) in x.iter().zip(out) {
            *out = scale[c] * x + if accumulate { *out } else { T::ZERO };
        }
    }
}

/// `out[c, n, i] (+)= factor[c, n', i'] · x[c, n, i]`.
///
/// `factor` is [C, `factor_batch`, `factor_plane`] with `factor_batch` 1 or `batch` and
/// `factor_plane` 1 (a gate per channel) or `plane`.
#[allow(clippy::too_many_arguments)]
pub fn multiply_planes<T: Scalar>(
    (batch, plane): (usize, usize),
    (factor_batch, factor_plane): (usize, usize),
    x: &[T],
    factor: &[T],
    out: &mut [T],
    accumulate: bool,
) {
    if !accumulate {
        out.fill(T::ZERO);
    }
    multiply_add_planes((batch, plane), (factor_batch, factor_plane), x, factor, out);
}

/// `out[c, n, i] += factor[c, n', i'] · x[c, n, i]`, shapes as in [`multiply_planes`].
pub fn multiply_add_planes<T: Scalar>(
    (batch, plane): (usize, usize),
    (factor_batch, factor_plane): (usize, usize),
    x: &[T],
    factor: &[T],
    out: &mut [T],
) {
    for (p, (x, out)) in x.chunks_exact(plane).zip(out.chunks_exact_mut(plane)).enumerate() {
        let own = if factor_batch == batch { p } else { p / batch };
        let factor = &factor[own * factor_plane..][..factor_plane];
        if factor_plane == 1 {
            x.iter().zip(out).for_each(|(&x, out)| *out += factor[0] * x);
        } else {
            x.iter().zip(factor).zip(out).for_each(|((&x, &f), out)| *out += f * x);
        }
    }
}

/// `out[c, n] (+)= Σ_i x[c, n, i] · y[c, n', i]`: adjoint of a gate per channel. `y` is
/// [C, `y_batch`, plane] with `y_batch` 1 or `batch`.
pub fn sum_planes<T: Scalar>(
    (batch, plane): (usize, usize),
    y_batch: usize,
    x: &[T],
    y: &[T],
    out: &mut [T],
    accumulate: bool,
) {
    for (p, (x, out)) in x.chunks_exact(plane).zip(out).enumerate() {
        let own = if y_batch == batch { p } else { p / batch };
        let sum: T = x.iter().zip(&y[own * plane..]).map(|(&x, &y)| x * y).sum();
        *out = sum + if accumulate { *out } else { T::ZERO };
    }
}
