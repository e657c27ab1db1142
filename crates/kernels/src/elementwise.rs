//! Elementwise kernels over [channels, batch, plane].
//!
//! Factors that belong to the linearisation point may have batch 1 while the tangents have more:
//! such a factor [C, 1, plane] is shared by every tangent of the batch.

use crate::parallel::for_planes;
use crate::{Curve, Isa, Scalar};

/// Elements between two steps that stay in the first-level cache.
const SHORT: usize = 1 << 11;

/// `out = φ(z)`.
///
/// # Panics
/// If the lengths differ.
pub fn curve_values<T: Scalar>(curve: Curve, z: &[T], out: &mut [T]) {
    derivative::<T, 0>(curve, z, out);
}

/// `slopes = φ'(z)` and, where asked, `bends = φ''(z)`.
///
/// # Panics
/// If the lengths differ.
pub fn curve_slopes<T: Scalar>(curve: Curve, z: &[T], slopes: &mut [T], bends: Option<&mut [T]>) {
    derivative::<T, 1>(curve, z, slopes);
    if let Some(bends) = bends {
        derivative::<T, 2>(curve, z, bends);
    }
}

fn derivative<T: Scalar, const ORDER: usize>(curve: Curve, z: &[T], out: &mut [T]) {
    assert_eq!(z.len(), out.len());
    for_planes(out, 1, |first, out| {
        let z = &z[first..first + out.len()];
        Isa::detect().vectorise(
            #[inline(always)]
            || curve.derivative::<T, ORDER>(z, out),
        );
    });
}

/// `x += y`.
///
/// # Panics
/// If the lengths differ.
pub fn add_assign<T: Scalar>(x: &mut [T], y: &[T]) {
    assert_eq!(x.len(), y.len());
    for_planes(x, 1, |first, x| {
        Isa::detect().vectorise(
            #[inline(always)]
            || x.iter_mut().zip(&y[first..]).for_each(|(x, &y)| *x += y),
        );
    });
}

/// `x = φ(x + y)`.
///
/// # Panics
/// If the lengths differ.
pub fn add_curve<T: Scalar>(curve: Curve, x: &mut [T], y: &[T]) {
    assert_eq!(x.len(), y.len());
    for_planes(x, 1, |first, x| {
        Isa::detect().vectorise(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_mut(SHORT).zip(y[first..].chunks(SHORT)) {
                    x.iter_mut().zip(y).for_each(|(x, &y)| *x += y);
                    curve.values_in_place(x);
                }
            },
        );
    });
}

/// `out[c, n, i] = φ(scale[c] · x[c, n, i] + shift[c])`, `len` = batch · plane, where x is the
/// concatenation of `parts` along channels. Without `shift` it is zero, without `curve` φ is not
/// applied.
///
/// # Panics
/// If the lengths do not fit.
pub fn channel_affine<T: Scalar>(
    len: usize,
    parts: &[&[T]],
    scale: &[T],
    shift: Option<&[T]>,
    curve: Option<Curve>,
    out: &mut [T],
) {
    if len == 0 {
        return;
    }
    let channels: Vec<&[T]> = parts.iter().flat_map(|part| part.chunks_exact(len)).collect();
    assert!(channels.len() == scale.len() && shift.is_none_or(|shift| shift.len() == scale.len()));
    assert_eq!(out.len(), scale.len() * len);
    for_planes(out, len, |first, out| {
        Isa::detect().vectorise(
            #[inline(always)]
            || {
                for (channel, out) in (first..).zip(out.chunks_exact_mut(len)) {
                    let (scale, x) = (scale[channel], channels[channel]);
                    match shift {
                        Some(shift) => {
                            let shift = shift[channel];
                            x.iter().zip(&mut *out).for_each(|(&x, out)| *out = scale * x + shift);
                        }
                        None => x.iter().zip(&mut *out).for_each(|(&x, out)| *out = scale * x),
                    }
                    if let Some(curve) = curve {
                        curve.values_in_place(out);
                    }
                }
            },
        );
    });
}

/// `out[c, n, i] (+)= scale[c] · x[c, n, i]`: adjoint of [`channel_affine`].
///
/// # Panics
/// If the lengths do not fit.
pub fn channel_scale<T: Scalar>(len: usize, x: &[T], scale: &[T], out: &mut [T], accumulate: bool) {
    assert_eq!(x.len(), out.len());
    assert_eq!(scale.len() * len, x.len());
    for_channels(len, x, out, |channel, x, out| {
        let scale = scale[channel];
        if accumulate {
            x.iter().zip(out).for_each(|(&x, out)| *out += scale * x);
        } else {
            x.iter().zip(out).for_each(|(&x, out)| *out = scale * x);
        }
    });
}

/// Calls `f(channel, x, out)` for every run of `len`, vectorised and in parallel.
#[inline(always)]
fn for_channels<T: Scalar>(
    len: usize,
    x: &[T],
    out: &mut [T],
    f: impl Fn(usize, &[T], &mut [T]) + Sync,
) {
    if len == 0 {
        return;
    }
    for_planes(out, len, |first, out| {
        Isa::detect().vectorise(
            #[inline(always)]
            || {
                let runs = x[first * len..].chunks_exact(len).zip(out.chunks_exact_mut(len));
                runs.enumerate().for_each(|(i, (x, out))| f(first + i, x, out));
            },
        );
    });
}

/// `x *= factor`.
pub fn scale_in_place<T: Scalar>(factor: T, x: &mut [T]) {
    for_planes(x, 1, |_, x| {
        Isa::detect().vectorise(
            #[inline(always)]
            || x.iter_mut().for_each(|x| *x *= factor),
        );
    });
}

/// `out[c, n, i] (+)= factor[c, n', i] · x[c, n, i]`; `factor` is [C, `factor_batch`, plane] with
/// `factor_batch` 1 or `batch`.
///
/// # Panics
/// If the lengths do not fit.
pub fn multiply_planes<T: Scalar>(
    (batch, plane): (usize, usize),
    factor_batch: usize,
    x: &[T],
    factor: &[T],
    out: &mut [T],
    accumulate: bool,
) {
    assert_eq!(x.len(), out.len());
    assert!(factor_batch == batch || factor_batch == 1);
    assert_eq!(factor.len() * batch, x.len() * factor_batch);
    for_channels(plane, x, out, |p, x, out| {
        let own = if factor_batch == batch { p } else { p / batch };
        let products = x.iter().zip(&factor[own * plane..][..plane]);
        if accumulate {
            products.zip(out).for_each(|((&x, &f), out)| *out += f * x);
        } else {
            products.zip(out).for_each(|((&x, &f), out)| *out = f * x);
        }
    });
}
