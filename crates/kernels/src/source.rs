//! The part of an input that a block of outputs reads, copied into a small zero-padded buffer in
//! which every tap of the kernel is a constant offset.
//!
//! An input read with stride s is split into s·s *phases* (its pixels with equal remainders), so
//! that neighbouring outputs always read neighbouring numbers.

use std::ops::Range;

use crate::Scalar;

/// Dense values `[channels, batch, height, width]`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, T> {
    pub(crate) values: &'a [T],
    pub(crate) batch: usize,
    pub(crate) size: [usize; 2],
}

/// A block of outputs.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) images: Range<usize>,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// Where taps read: output (y, x) takes in[stride·(y, x) + tap] for each tap.
#[derive(Debug)]
pub(crate) struct Source {
    stride: [usize; 2],
    /// Remainders (row, column) that any tap needs.
    phases: Vec<[usize; 2]>,
    /// Least tap, in units of the stride.
    first: [isize; 2],
    /// Rows and columns a block needs beyond its own.
    pub(crate) halo: [usize; 2],
    /// Phase, row and column of each tap.
    taps: Vec<(usize, [usize; 2])>,
}

/// Strides of the buffer of one block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strides {
    pub(crate) row: usize,
    pub(crate) image: usize,
    pub(crate) phase: usize,
    pub(crate) channel: usize,
}

impl Source {
    pub(crate) fn new(stride: [usize; 2], taps: &[[isize; 2]], shift: [isize; 2]) -> Self {
        let split = |tap: &[isize; 2], axis: usize| {
            let (at, step) = (tap[axis] + shift[axis], stride[axis] as isize);
            (at.div_euclid(step), at.rem_euclid(step) as usize)
        };
        let bounds = |axis: usize| {
            let all = || taps.iter().map(|tap| split(tap, axis).0);
            (all().min().unwrap_or(0), all().max().unwrap_or(0))
        };
        let (rows, columns) = (bounds(0), bounds(1));
        let mut phases = Vec::new();
        let taps = taps.iter().map(|tap| {
            let ((row, row_phase), (column, column_phase)) = (split(tap, 0), split(tap, 1));
            let phase = [row_phase, column_phase];
            let index = phases.iter().position(|&known| known == phase).unwrap_or_else(|| {
                phases.push(phase);
                phases.len() - 1
            });
            (index, [(row - rows.0) as usize, (column - columns.0) as usize])
        });
        let taps = taps.collect();
        let halo = [(rows.1 - rows.0) as usize, (columns.1 - columns.0) as usize];
        Self { stride, phases, first: [rows.0, columns.0], halo, taps }
    }

    /// Whether output (y, x) reads input (y, x) alone.
    pub(crate) fn is_identity(&self) -> bool {
        self.taps.len() == 1 && self.stride == [1, 1] && self.halo == [0, 0] && self.first == [0, 0]
    }

    pub(crate) fn n_phases(&self) -> usize {
        self.phases.len()
    }

    pub(crate) fn strides(&self, block: &Block) -> Strides {
        let row = block.columns.len() + self.halo[1];
        let image = row * (block.rows.len() + self.halo[0]);
        let phase = image * block.images.len();
        Strides { row, image, phase, channel: phase * self.phases.len() }
    }

    /// Offset of every (channel, tap), taps fastest.
    pub(crate) fn offsets(&self, channels: usize, strides: Strides) -> Vec<usize> {
        let tap = |channel: usize, &(phase, [row, column]): &(usize, [usize; 2])| {
            channel * strides.channel + phase * strides.phase + row * strides.row + column
        };
        (0..channels).flat_map(|i| self.taps.iter().map(move |at| tap(i, at))).collect()
    }

    /// Copies what `block` reads of the given channels into `buffer`.
    #[inline(always)]
    pub(crate) fn fill<T: Scalar>(
        &self,
        block: &Block,
        channels: Range<usize>,
        view: View<'_, T>,
        buffer: &mut [T],
    ) {
        let strides = self.strides(block);
        let [height, width] = view.size;
        let top = block.rows.start as isize + self.first[0];
        let left = block.columns.start as isize + self.first[1];
        let [row_step, step] = self.stride;
        let n_rows = block.rows.len() + self.halo[0];
        let mut to = 0;
        for channel in channels {
            for &[row_phase, phase] in &self.phases {
                // Columns of the buffer that lie inside the picture.
                let inside = |size: usize| {
                    (size as isize - phase as isize + step as isize - 1).div_euclid(step as isize)
                };
                let from = (-left).clamp(0, strides.row as isize);
                let end = (inside(width) - left).clamp(from, strides.row as isize);
                let (from, end) = (from as usize, end as usize);
                for image in block.images.clone() {
                    let plane = (channel * view.batch + image) * height * width;
                    for row in 0..n_rows {
                        let line = &mut buffer[to..to + strides.row];
                        to += strides.row;
                        let y = (top + row as isize) * row_step as isize + row_phase as isize;
                        if y < 0 || y >= height as isize || from == end {
                            line.fill(T::ZERO);
                            continue;
                        }
                        let x = ((left + from as isize) * step as isize + phase as isize) as usize;
                        let source = &view.values[plane + y as usize * width + x..];
                        copy_row(line, source, from..end, step);
                    }
                }
            }
        }
    }
}

/// `line` becomes zero but for `inside`, which takes every `step`-th of `source`.
#[inline(always)]
fn copy_row<T: Scalar>(line: &mut [T], source: &[T], inside: Range<usize>, step: usize) {
    line[..inside.start].iter_mut().for_each(|x| *x = T::ZERO);
    line[inside.end..].iter_mut().for_each(|x| *x = T::ZERO);
    let line = &mut line[inside];
    match step {
        1 => line.copy_from_slice(&source[..line.len()]),
        2 => {
            let (last, pairs) = (line.len() - 1, source.chunks_exact(2));
            line.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
            line[last] = source[2 * last];
        }
        _ => line.iter_mut().zip(source.iter().step_by(step)).for_each(|(to, &from)| *to = from),
    }
}
