//! Pooling. Max pooling gives the index it took, so that its tangent is a gather and its adjoint a
//! scatter; average pooling is linear.

use crate::{Padding, Scalar};

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
    fn window(&self, [h, w]: [usize; 2], y: usize, x: usize) -> [std::ops::Range<usize>; 2] {
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
/// its maximum within the plane (the first among equals, as PyTorch).
pub fn max_pool2d<T: Scalar>(
    spec: &Pool2dSpec,
    in_size: [usize; 2],
    x: &[T],
    out: &mut [T],
    indices: &mut [u32],
) {
    let Some([oh, ow]) = spec.output_size(in_size) else { return };
    let planes = x.chunks_exact(in_size[0] * in_size[1]);
    let outs = out.chunks_exact_mut(oh * ow).zip(indices.chunks_exact_mut(oh * ow));
    for (plane, (out, indices)) in planes.zip(outs) {
        for at in 0..oh * ow {
            let [rows, columns] = spec.window(in_size, at / ow, at % ow);
            let first = rows.start * in_size[1] + columns.start;
            let mut best = first;
            for y in rows {
                for x in columns.clone() {
                    let index = y * in_size[1] + x;
                    if plane[index] > plane[best] {
                        best = index;
                    }
                }
            }
            out[at] = plane[best];
            indices[at] = best as u32;
        }
    }
}

/// Tangent of max pooling: `out[p, i] = x[p, indices[p', i]]`, planes [C, N] of `x` taking the
/// indices of [C, `index_batch`] (`index_batch` 1 or `batch`).
pub fn gather<T: Scalar>(
    batch: usize,
    index_batch: usize,
    (in_plane, out_plane): (usize, usize),
    x: &[T],
    indices: &[u32],
    out: &mut [T],
) {
    let planes = x.chunks_exact(in_plane).zip(out.chunks_exact_mut(out_plane));
    for (p, (plane, out)) in planes.enumerate() {
        let indices = plane_of(indices, out_plane, p, batch, index_batch);
        out.iter_mut().zip(indices).for_each(|(out, &index)| *out = plane[index as usize]);
    }
}

/// Adjoint of max pooling: adds every element of `grad_out` to `grad_in` where it came from.
pub fn scatter_add<T: Scalar>(
    batch: usize,
    index_batch: usize,
    (in_plane, out_plane): (usize, usize),
    grad_out: &[T],
    indices: &[u32],
    grad_in: &mut [T],
) {
    let planes = grad_in.chunks_exact_mut(in_plane).zip(grad_out.chunks_exact(out_plane));
    for (p, (plane, grad_out)) in planes.enumerate() {
        let indices = plane_of(indices, out_plane, p, batch, index_batch);
        grad_out.iter().zip(indices).for_each(|(&g, &index)| plane[index as usize] += g);
    }
}

/// The plane of [C, `own_batch`] that belongs to plane `p` of [C, `batch`].
fn plane_of<T>(values: &[T], len: usize, p: usize, batch: usize, own_batch: usize) -> &[T] {
    let own = if own_batch == batch { p } else { p / batch };
    &values[own * len..][..len]
}

/// Average pooling of each plane of `x` [planes, h, w]; with `adjoint` the roles are swapped and
/// `out` [planes, h, w] grows by the adjoint applied to `x` [planes, oh, ow].
pub fn avg_pool2d<T: Scalar>(
    spec: &Pool2dSpec,
    in_size: [usize; 2],
    x: &[T],
    out: &mut [T],
    adjoint: bool,
) {
    let Some(out_size) = spec.output_size(in_size) else { return };
    let divisor = |rows: &std::ops::Range<usize>, columns: &std::ops::Range<usize>| {
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

fn average<T: Scalar>(
    [h, w]: [usize; 2],
    [oh, ow]: [usize; 2],
    window: impl Fn(usize, usize) -> [std::ops::Range<usize>; 2],
    divisor: impl Fn(&std::ops::Range<usize>, &std::ops::Range<usize>) -> usize,
    x: &[T],
    out: &mut [T],
    adjoint: bool,
) {
    let n_planes = if adjoint { out.len() } else { x.len() } / (h * w);
    for p in 0..n_planes {
        for at in 0..oh * ow {
            let [rows, columns] = window(at / ow, at % ow);
            let scale = T::ONE / T::from_f64(divisor(&rows, &columns) as f64);
            let mut sum = T::ZERO;
            for y in rows {
                for index in columns.clone().map(|x| p * h * w + y * w + x) {
                    if adjoint {
                        out[index] += scale * x[p * oh * ow + at];
                    } else {
                        sum += x[index];
                    }
                }
            }
            if !adjoint {
                out[p * oh * ow + at] = scale * sum;
            }
        }
    }
}
