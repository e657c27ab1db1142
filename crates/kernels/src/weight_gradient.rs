//! Gradients with respect to weights: what training needs beside the adjoints.
//!
//! ∂s/∂w[o, i, u, v] = Σ_{n, y, x} λ[o, n, y, x] · in[i, n, s·y + d·u - p, s·x + d·v - p]
//!
//! The sum runs over pixels, so both factors are laid out pixel by pixel: panels of output channels
//! [pixel][o] against the padded input [pixel][i]. Each tap is then a matrix product whose right
//! side starts at a constant distance, and the unrolled input is never written.
//!
//! Images are divided into a number of parts that depends on the problem alone, and the parts are
//! added in order: the result is the same on any number of threads, bit for bit.

#![allow(unsafe_code)] // Calls the register tiles of `micro`, whose pointers are checked here.

use rayon::prelude::*;

use crate::conv2d::Conv2dSpec;
use crate::matvec::dot;
use crate::micro::{Micro, Rows};
use crate::{Isa, Scalar};

/// Most parts the images are divided into.
const MAX_PARTS: usize = 16;
/// Most numbers that the sums of all parts may take.
const MAX_SUMS: usize = 1 << 24;
/// Pixels of a product: both sides stay in the caches while all taps and panels use them.
const CHUNK: usize = 256;

/// `out` [O, I/groups, kh, kw] becomes the gradient with respect to the weights, for inputs `x`
/// [I, N, h, w] and output gradients `grad` [O, N, oh, ow].
///
/// # Panics
/// If a slice has the wrong length.
pub fn conv2d_weight_gradient<T: Scalar>(
    spec: &Conv2dSpec,
    batch: usize,
    in_size: [usize; 2],
    x: &[T],
    grad: &[T],
    out: &mut [T],
) {
    let Some(out_size) = spec.output_size(in_size) else { return out.fill(T::ZERO) };
    let problem = Problem { spec, batch, in_size, out_size };
    assert_eq!(x.len(), spec.in_channels * batch * area(in_size));
    assert_eq!(grad.len(), spec.out_channels * batch * area(out_size));
    assert_eq!(out.len(), spec.weight_shape().iter().product::<usize>());
    if spec.in_channels == spec.groups {
        problem.one_channel_each(x, grad, out);
    } else {
        problem.products(x, grad, out);
    }
}

/// `out` [O, I] becomes Σ_n grad[o, n] · x[i, n], the gradient with respect to the matrix of a
/// fully connected layer.
///
/// # Panics
/// If a slice has the wrong length.
pub fn linear_weight_gradient<T: Scalar>(batch: usize, x: &[T], grad: &[T], out: &mut [T]) {
    let in_features = x.len() / batch.max(1);
    assert_eq!(out.len() * batch, grad.len() * in_features);
    if out.is_empty() {
        return;
    }
    let images: Vec<T> =
        (0..batch).flat_map(|n| x.iter().skip(n).step_by(batch).copied()).collect();
    let rows = out.par_chunks_exact_mut(in_features).zip(grad.par_chunks_exact(batch));
    rows.for_each(|(out, grad)| {
        out.fill(T::ZERO);
        Isa::detect().vectorise(
            #[inline(always)]
            || {
                for (&g, image) in grad.iter().zip(images.chunks_exact(in_features)) {
                    out.iter_mut().zip(image).for_each(|(out, &x)| *out += g * x);
                }
            },
        );
    });
}

fn area([height, width]: [usize; 2]) -> usize {
    height * width
}

#[derive(Clone, Copy)]
struct Problem<'a> {
    spec: &'a Conv2dSpec,
    batch: usize,
    in_size: [usize; 2],
    out_size: [usize; 2],
}

/// How the products are cut for the register tiles.
struct Tiling {
    /// Numbers in a vector.
    lanes: usize,
    /// Rows of a full panel.
    max_rows: usize,
    /// Numbers of a pixel: input channels, rounded up to whole vectors.
    depth: usize,
    /// First row and number of rows of each panel.
    panels: Vec<(usize, usize)>,
    /// First channel and vectors of each block of columns.
    blocks: Vec<(usize, usize)>,
    /// Distance of each tap from the first, in numbers.
    taps: Vec<usize>,
    /// Where each output pixel's window begins, in numbers.
    pixels: Vec<usize>,
}

impl Tiling {
    /// Numbers of the sums of one tile.
    fn tile(&self) -> usize {
        self.max_rows * 2 * self.lanes
    }

    /// Numbers of the sums of one group.
    fn sums(&self) -> usize {
        self.panels.len() * self.taps.len() * self.blocks.len() * self.tile()
    }
}

impl Problem<'_> {
    /// Height and width of the padded input that the windows cover.
    fn padded(&self) -> [usize; 2] {
        let Conv2dSpec { kernel, stride, dilation, .. } = self.spec;
        [0, 1].map(|a| stride[a] * (self.out_size[a] - 1) + dilation[a] * (kernel[a] - 1) + 1)
    }

    /// First element of a plane of the input, and of a plane of the output.
    fn planes<'s, T>(&self, x: &'s [T], size: [usize; 2], channel: usize, n: usize) -> &'s [T] {
        &x[(channel * self.batch + n) * area(size)..][..area(size)]
    }

    /// Dense groups.
    fn products<T: Scalar>(&self, x: &[T], grad: &[T], out: &mut [T]) {
        let Conv2dSpec { in_channels, out_channels, groups, .. } = *self.spec;
        let (rows, channels) = (out_channels / groups, in_channels / groups);
        let micro = T::micro(Isa::detect());
        let tiling = self.tiling(&micro, rows, channels);
        let most = (MAX_SUMS / (groups * tiling.sums())).clamp(1, MAX_PARTS);
        let n_parts = self.batch.clamp(1, most);
        let part = |part: usize| {
            let images = part * self.batch / n_parts..(part + 1) * self.batch / n_parts;
            let mut sums = vec![T::ZERO; groups * tiling.sums()];
            let mut sides = Sides::new(self, &tiling, rows);
            for (group, sums) in sums.chunks_exact_mut(tiling.sums()).enumerate() {
                for n in images.clone() {
                    sides.lay_out(self, &tiling, x, grad, [group * rows, group * channels, n]);
                    sides.multiply(&micro, &tiling, sums);
                }
            }
            sums
        };
        let parts: Vec<Vec<T>> = (0..n_parts).into_par_iter().map(part).collect();
        let n_taps = tiling.taps.len();
        out.par_chunks_exact_mut(channels * n_taps).enumerate().for_each(|(row, out)| {
            let (group, row) = (row / rows, row % rows);
            let (panel, row) = (row / tiling.max_rows, row % tiling.max_rows);
            for (at, out) in out.iter_mut().enumerate() {
                let (channel, tap) = (at / n_taps, at % n_taps);
                let block = channel / (2 * tiling.lanes);
                let column = channel % (2 * tiling.lanes);
                let tile = (panel * n_taps + tap) * tiling.blocks.len() + block;
                let at = group * tiling.sums() + tile * tiling.tile();
                let at = at + row * 2 * tiling.lanes + column;
                *out = parts.iter().map(|sums| sums[at]).sum();
            }
        });
    }

    fn tiling<T: Scalar>(&self, micro: &Micro<T>, rows: usize, channels: usize) -> Tiling {
        let Conv2dSpec { kernel, stride, dilation, .. } = *self.spec;
        let (lanes, max_rows) = (micro.lanes, micro.tiles.len());
        let depth = channels.next_multiple_of(lanes);
        let [_, width] = self.padded();
        let at = |y: usize, x: usize| (y * width + x) * depth;
        let cut = |len: usize, step: usize| {
            (0..len).step_by(step).map(move |first| (first, step.min(len - first)))
        };
        let [kh, kw] = kernel;
        let [oh, ow] = self.out_size;
        Tiling {
            lanes,
            max_rows,
            depth,
            panels: cut(rows, max_rows).collect(),
            blocks: cut(depth, 2 * lanes).map(|(first, len)| (first, len / lanes)).collect(),
            taps: (0..kh * kw)
                .map(|t| at(dilation[0] * (t / kw), dilation[1] * (t % kw)))
                .collect(),
            pixels: (0..oh * ow).map(|p| at(stride[0] * (p / ow), stride[1] * (p % ow))).collect(),
        }
    }

    /// One input channel for each output channel (depthwise): dot products of planes.
    ///
    /// Planes are laid out with the same distance between rows, the input's split by the phase of
    /// the stride, so that each tap is one dot product of two long lines.
    fn one_channel_each<T: Scalar>(&self, x: &[T], grad: &[T], out: &mut [T]) {
        let Conv2dSpec { out_channels, groups, kernel: [kh, kw], stride, dilation, .. } =
            *self.spec;
        let [oh, ow] = self.out_size;
        let reach = [0, 1].map(|a| dilation[a] * (self.spec.kernel[a] - 1) / stride[a]);
        let [rows, width] = [oh + reach[0], ow + reach[1]];
        let len = (oh - 1) * width + ow;
        out.par_chunks_exact_mut(kh * kw).enumerate().for_each(|(o, out)| {
            out.fill(T::ZERO);
            let mut phases = vec![T::ZERO; stride[0] * stride[1] * rows * width];
            let mut line = vec![T::ZERO; len];
            for n in 0..self.batch {
                let from = self.planes(x, self.in_size, o / (out_channels / groups), n);
                self.split(from, &mut phases, [rows, width]);
                let grads = self.planes(grad, self.out_size, o, n).chunks_exact(ow);
                grads.enumerate().for_each(|(y, row)| {
                    line[y * width..][..ow].copy_from_slice(row);
                });
                for (t, out) in out.iter_mut().enumerate() {
                    let [a, b] = [dilation[0] * (t / kw), dilation[1] * (t % kw)];
                    let phase = a % stride[0] * stride[1] + b % stride[1];
                    let first = phase * rows * width + a / stride[0] * width + b / stride[1];
                    *out += dot(&phases[first..][..len], &line);
                }
            }
        });
    }

    /// Writes a plane of the input by phases [stride y, stride x, rows, width], padded by zeros.
    fn split<T: Scalar>(&self, from: &[T], phases: &mut [T], [rows, width]: [usize; 2]) {
        let Conv2dSpec { stride, padding, .. } = self.spec;
        let [_, w] = self.in_size;
        for (y, row) in from.chunks_exact(w).enumerate() {
            let y = y + padding.top;
            if y / stride[0] >= rows {
                break;
            }
            for (x, &value) in row.iter().enumerate() {
                let x = x + padding.left;
                if x / stride[1] < width {
                    let phase = y % stride[0] * stride[1] + x % stride[1];
                    phases[(phase * rows + y / stride[0]) * width + x / stride[1]] = value;
                }
            }
        }
    }
}

/// Both sides of the products of one image and group.
struct Sides<T> {
    /// Padded input [pixel][channel].
    right: Vec<T>,
    /// Gradients [panel][pixel][row].
    left: Vec<T>,
}

impl<T: Scalar> Sides<T> {
    fn new(problem: &Problem<'_>, tiling: &Tiling, rows: usize) -> Self {
        Self {
            right: vec![T::ZERO; area(problem.padded()) * tiling.depth],
            left: vec![T::ZERO; area(problem.out_size) * rows],
        }
    }

    fn lay_out(
        &mut self,
        problem: &Problem<'_>,
        tiling: &Tiling,
        x: &[T],
        grad: &[T],
        [first_row, first_channel, n]: [usize; 3],
    ) {
        let ([height, width], [_, w]) = (problem.padded(), problem.in_size);
        let padding = problem.spec.padding;
        let n_columns = w.min(width.saturating_sub(padding.left));
        let channels = problem.spec.in_channels / problem.spec.groups;
        let planes: Vec<&[T]> = (first_channel..first_channel + channels)
            .map(|channel| problem.planes(x, problem.in_size, channel, n))
            .collect();
        for y in 0..problem.in_size[0].min(height.saturating_sub(padding.top)) {
            let first = ((y + padding.top) * width + padding.left) * tiling.depth;
            let row = &mut self.right[first..][..n_columns * tiling.depth];
            for (channel, plane) in planes.iter().enumerate() {
                let to = row.iter_mut().skip(channel).step_by(tiling.depth);
                to.zip(&plane[y * w..]).for_each(|(to, &value)| *to = value);
            }
        }
        let n_pixels = tiling.pixels.len();
        for &(first, n_rows) in &tiling.panels {
            let panel = &mut self.left[first * n_pixels..][..n_rows * n_pixels];
            for row in 0..n_rows {
                let from = problem.planes(grad, problem.out_size, first_row + first + row, n);
                let to = panel.iter_mut().skip(row).step_by(n_rows);
                to.zip(from).for_each(|(to, &value)| *to = value);
            }
        }
    }

    /// Adds the products of all panels, taps and blocks to `sums` [panel][tap][block][tile].
    fn multiply(&self, micro: &Micro<T>, tiling: &Tiling, sums: &mut [T]) {
        let n_pixels = tiling.pixels.len();
        for begin in (0..n_pixels).step_by(CHUNK) {
            let n_terms = CHUNK.min(n_pixels - begin);
            let mut tiles = sums.chunks_exact_mut(tiling.tile());
            for &(first, n_rows) in &tiling.panels {
                let left = &self.left[first * n_pixels + begin * n_rows..][..n_terms * n_rows];
                for &tap in &tiling.taps {
                    for &(channel, vectors) in &tiling.blocks {
                        let Some(sums) = tiles.next() else { return };
                        let right = &self.right[tap + channel..];
                        let offsets = &tiling.pixels[begin..begin + n_terms];
                        let last = offsets.last().map_or(0, |last| last + vectors * tiling.lanes);
                        assert!(last <= right.len() && sums.len() == tiling.tile());
                        let (left, right) = (left.as_ptr(), right.as_ptr());
                        let ahead = Rows { start: left, step: 0 };
                        // SAFETY: `left` has n_rows numbers for each term; the offsets ascend and
                        // the last leaves room for the vectors; `sums` is a whole tile.
                        unsafe {
                            micro.tiles[n_rows - 1][vectors - 1](
                                n_terms,
                                left,
                                right,
                                offsets.as_ptr(),
                                sums.as_mut_ptr(),
                                true,
                                ahead,
                            );
                        }
                    }
                }
            }
        }
    }
}
