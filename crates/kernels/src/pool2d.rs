//! Pooling. Max pooling gives the index it took, so that its tangent is a gather and its adjoint a
//! scatter; average pooling is linear.

use std::ops::Range;

use rayon::prelude::*;

use crate::parallel::{for_chunks, for_planes, planes_per_task};
use crate::source::copy_plane;
use crate::{Isa, Padding, Scalar};

/// Window of a pooling layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool2dSpec {
    /// Window height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Padding: never the maximum of max pooling, zeros in average pooling.
    pub padding: Padding,
    /// Average pooling only: whether padding counts in the divisor.
    pub count_include_pad: bool,
}

impl Pool2dSpec {
    /// Height and width of the output, `None` if the window does not fit.
    pub fn output_size(&self, [height, width]: [usize; 2]) -> Option<[usize; 2]> {
        let padded_height = height + self.padding.top + self.padding.bottom;
        let padded_width = width + self.padding.left + self.padding.right;
        Some([
            padded_height.checked_sub(self.kernel[0])? / self.stride[0] + 1,
            padded_width.checked_sub(self.kernel[1])? / self.stride[1] + 1,
        ])
    }

    /// Rows and columns of the input that the window at (y, x) covers, without padding.
    fn window(&self, [h, w]: [usize; 2], y: usize, x: usize) -> [Range<usize>; 2] {
        let range = |at: usize, before: usize, kernel: usize, size: usize| {
            at.saturating_sub(before)..(at + kernel).saturating_sub(before).min(size)
        };
        [
            range(y * self.stride[0], self.padding.top, self.kernel[0], h),
            range(x * self.stride[1], self.padding.left, self.kernel[1], w),
        ]
    }
}

/// Max pooling of each plane of `x` [planes, h, w]. `indices` gets, for every output, the index of
/// its maximum within the plane (the first among equals; what is no number counts as largest, as in
/// PyTorch).
///
/// # Panics
/// If the lengths do not fit.
pub fn max_pool2d<T: Scalar>(
    spec: &Pool2dSpec,
    in_size: [usize; 2],
    x: &[T],
    out: &mut [T],
    indices: &mut [u32],
) {
    let Some([oh, ow]) = spec.output_size(in_size) else { return };
    let (in_plane, out_plane) = (in_size[0] * in_size[1], oh * ow);
    assert_eq!(x.len() * out_plane, out.len() * in_plane);
    assert_eq!(out.len(), indices.len());
    let n = planes_per_task(in_plane);
    let outs = out.par_chunks_mut(n * out_plane).zip(indices.par_chunks_mut(n * out_plane));
    let (isa, stride) = (Isa::detect(), spec.stride[1]);
    let micro = T::micro(isa);
    x.par_chunks(n * in_plane).zip(outs).for_each(|(x, (out, indices))| {
        T::with_scratch(ow, |values| {
            let rows = out.chunks_exact_mut(ow).zip(indices.chunks_exact_mut(ow));
            for (at, (out, indices)) in rows.enumerate() {
                let plane = &x[at / oh * in_plane..][..in_plane];
                let [rows, _] = spec.window(in_size, at % oh, 0);
                out.fill(T::from_f64(f64::NEG_INFINITY));
                let first = (rows.start * in_size[1]) as u32;
                indices.iter_mut().zip(0..).for_each(|(index, x)| {
                    *index = first + (x * stride as u32).saturating_sub(spec.padding.left as u32);
                });
                for tap in taps(spec, in_size, at % oh, ow) {
                    let values = &mut values[..tap.outputs.len()];
                    let from = (&plane[tap.first..], 0);
                    copy_plane(micro, from, (values, 0), [1, tap.outputs.len()], stride);
                    isa.vectorise(
                        #[inline(always)]
                        || {
                            let outs = out[tap.outputs.clone()].iter_mut();
                            let outs = outs.zip(&mut indices[tap.outputs.clone()]);
                            for (((out, index), &value), x) in outs.zip(&*values).zip(0..) {
                                let larger = value > *out || value.is_nan();
                                *out = if larger { value } else { *out };
                                let at = tap.first as u32 + x * stride as u32;
                                *index = if larger { at } else { *index };
                            }
                        },
                    );
                }
            }
        });
    });
}

/// One element of the windows of a row of outputs.
struct Tap {
    /// The outputs whose windows have it.
    outputs: Range<usize>,
    /// Where the first of them reads.
    first: usize,
}

/// The taps of row `y` of the outputs, `len` of them, in reading order.
fn taps(
    spec: &Pool2dSpec,
    in_size: [usize; 2],
    y: usize,
    len: usize,
) -> impl Iterator<Item = Tap> + use<> {
    let (stride, left, width) = (spec.stride[1], spec.padding.left, in_size[1]);
    let [rows, _] = spec.window(in_size, y, 0);
    let n_taps = spec.kernel[1];
    rows.flat_map(move |row| (0..n_taps).map(move |tap| (row, tap))).filter_map(
        move |(row, tap)| {
            // Outputs whose column stride·x + tap - left is inside.
            let from = left.saturating_sub(tap).div_ceil(stride);
            let end = (width + left).saturating_sub(tap).div_ceil(stride).min(len);
            let first = row * width + (from * stride + tap).saturating_sub(left);
            (from < end).then_some(Tap { outputs: from..end, first })
        },
    )
}
/// Tangent of max pooling: `out[p, i] = x[p, indices[p', i]]`, planes [C, N] of `x` taking the
/// indices of [C, `index_batch`] (`index_batch` 1 or `batch`).
///
/// # Panics
/// If the lengths do not fit or an index is not in the plane.
pub fn gather<T: Scalar>(
    batch: usize,
    index_batch: usize,
    (in_plane, out_plane): (usize, usize),
    x: &[T],
    indices: &[u32],
    out: &mut [T],
) {
    assert_eq!(x.len() * out_plane, out.len() * in_plane);
    for_planes(out, out_plane, |first, out| {
        for (p, out) in (first..).zip(out.chunks_exact_mut(out_plane)) {
            let plane = &x[p * in_plane..][..in_plane];
            let indices = plane_of(indices, out_plane, p, batch, index_batch);
            out.iter_mut().zip(indices).for_each(|(out, &index)| *out = plane[index as usize]);
        }
    });
}

/// Adjoint of max pooling: adds every element of `grad_out` to `grad_in` where it came from.
///
/// # Panics
/// If the lengths do not fit or an index is not in the plane.
pub fn scatter_add<T: Scalar>(
    batch: usize,
    index_batch: usize,
    (in_plane, out_plane): (usize, usize),
    grad_out: &[T],
    indices: &[u32],
    grad_in: &mut [T],
) {
    assert_eq!(grad_in.len() * out_plane, grad_out.len() * in_plane);
    for_planes(grad_in, in_plane, |first, grad_in| {
        for (p, plane) in (first..).zip(grad_in.chunks_exact_mut(in_plane)) {
            let grad_out = &grad_out[p * out_plane..][..out_plane];
            let indices = plane_of(indices, out_plane, p, batch, index_batch);
            grad_out.iter().zip(indices).for_each(|(&g, &index)| plane[index as usize] += g);
        }
    });
}

/// The plane of [C, `own_batch`] that belongs to plane `p` of [C, `batch`].
fn plane_of<T>(values: &[T], len: usize, p: usize, batch: usize, own_batch: usize) -> &[T] {
    let own = if own_batch == batch { p } else { p / batch };
    &values[own * len..][..len]
}

/// Average pooling of each plane of `x` [planes, h, w]; with `adjoint` the roles are swapped and
/// `out` [planes, h, w] grows by the adjoint applied to `x` [planes, oh, ow].
///
/// # Panics
/// If the lengths do not fit.
pub fn avg_pool2d<T: Scalar>(
    spec: &Pool2dSpec,
    in_size: [usize; 2],
    x: &[T],
    out: &mut [T],
    adjoint: bool,
) {
    let Some(out_size) = spec.output_size(in_size) else { return };
    let divisor = |rows: &Range<usize>, columns: &Range<usize>| {
        if spec.count_include_pad {
            spec.kernel[0] * spec.kernel[1]
        } else {
            rows.len() * columns.len()
        }
    };
    let windows = |y, x| spec.window(in_size, y, x);
    average(in_size, out_size, windows, divisor, x, out, adjoint);
}

/// Adaptive average pooling to `out_size` (PyTorch's bins: from ⌊i·h/oh⌋ to ⌈(i+1)·h/oh⌉), with
/// the same `adjoint` convention as [`avg_pool2d`].
///
/// # Panics
/// If the lengths do not fit.
pub fn adaptive_avg_pool2d<T: Scalar>(
    in_size: [usize; 2],
    out_size: [usize; 2],
    x: &[T],
    out: &mut [T],
    adjoint: bool,
) {
    let bin = |i: usize, size: usize, n: usize| i * size / n..((i + 1) * size).div_ceil(n);
    let windows = |y, x| [bin(y, in_size[0], out_size[0]), bin(x, in_size[1], out_size[1])];
    average(in_size, out_size, windows, |r, c| r.len() * c.len(), x, out, adjoint);
}

/// Averages (or their adjoint) over windows that are the same rows for every column of outputs.
fn average<T: Scalar>(
    [h, w]: [usize; 2],
    [oh, ow]: [usize; 2],
    window: impl Fn(usize, usize) -> [Range<usize>; 2],
    divisor: impl Fn(&Range<usize>, &Range<usize>) -> usize + Sync,
    x: &[T],
    out: &mut [T],
    adjoint: bool,
) {
    let (own, other) = if adjoint { (h * w, oh * ow) } else { (oh * ow, h * w) };
    assert_eq!(x.len() * own, out.len() * other);
    let n = planes_per_task(h * w);
    let columns: Vec<Range<usize>> = (0..ow).map(|x| window(0, x)[1].clone()).collect();
    let rows: Vec<Range<usize>> = (0..oh).map(|y| window(y, 0)[0].clone()).collect();
    let plane = |x: &[T], out: &mut [T], line: &mut [T]| {
        for (y, rows) in rows.iter().enumerate() {
            let scale = |columns| T::ONE / T::from_f64(divisor(rows, columns) as f64);
            line.fill(T::ZERO);
            if adjoint {
                for (columns, &x) in columns.iter().zip(&x[y * ow..]) {
                    let share = scale(columns) * x;
                    line[columns.clone()].iter_mut().for_each(|sum| *sum += share);
                }
                for out in out[rows.start * w..rows.end * w].chunks_exact_mut(w) {
                    out.iter_mut().zip(&*line).for_each(|(out, &sum)| *out += sum);
                }
            } else {
                for x in x[rows.start * w..rows.end * w].chunks_exact(w) {
                    line.iter_mut().zip(x).for_each(|(sum, &x)| *sum += x);
                }
                for (columns, out) in columns.iter().zip(&mut out[y * ow..]) {
                    *out = scale(columns) * line[columns.clone()].iter().copied().sum();
                }
            }
        }
    };
    for_chunks(out, n * own, |first, out| {
        let planes = x[first / own * other..].chunks_exact(other);
        T::with_scratch(w, |line| {
            planes.zip(out.chunks_exact_mut(own)).for_each(|(x, out)| plane(x, out, line));
        });
    });
}
