//! The part of an input that a block of outputs reads, copied into a small zero-padded buffer in
//! which every tap of the kernel is a constant offset.
//!
//! An input read with stride s is split into s·s *phases* (its pixels with equal remainders), so
//! that neighbouring outputs always read neighbouring numbers.

#![allow(unsafe_code)] // Calls the copying loop, whose reach is asserted just before.

use std::ops::Range;

use crate::Scalar;
use crate::micro::{Micro, Rows};

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

    /// Strides of a buffer that holds any of the blocks.
    pub(crate) fn strides(&self, blocks: &[Block]) -> Strides {
        let most = |len: fn(&Block) -> usize| blocks.iter().map(len).max().unwrap_or(0);
        let row = most(|block| block.columns.len()) + self.halo[1];
        let image = row * (most(|block| block.rows.len()) + self.halo[0]);
        let phase = image * most(|block| block.images.len());
        let channel = apart(phase * self.phases.len());
        Strides { row, image, phase, channel }
    }

    /// Offset of every (channel, tap), taps fastest.
    pub(crate) fn offsets(&self, channels: usize, strides: Strides) -> Vec<usize> {
        let tap = |channel: usize, &(phase, [row, column]): &(usize, [usize; 2])| {
            channel * strides.channel + phase * strides.phase + row * strides.row + column
        };
        (0..channels).flat_map(|i| self.taps.iter().map(move |at| tap(i, at))).collect()
    }

    /// Copies what `block` reads of the given channels into `buffer`.
    pub(crate) fn fill<T: Scalar>(
        &self,
        micro: Micro<T>,
        block: &Block,
        channels: Range<usize>,
        view: View<'_, T>,
        strides: Strides,
        buffer: &mut [T],
    ) {
        let full = |[rows, columns]: &[Inside; 2]| {
            rows.len == block.rows.len() + self.halo[0]
                && columns.len == block.columns.len() + self.halo[1]
        };
        let inside = self.inside(block, view.size);
        if !inside.iter().all(full) {
            buffer[..channels.len() * strides.channel].fill(T::ZERO);
        }
        self.copy(micro, (block, &inside), channels, view, strides, buffer);
    }

    /// What of each phase of `block` lies inside a picture.
    pub(crate) fn inside(&self, block: &Block, size: [usize; 2]) -> Vec<[Inside; 2]> {
        let n = [block.rows.len() + self.halo[0], block.columns.len() + self.halo[1]];
        let start = [block.rows.start, block.columns.start];
        let inside = |axis: usize, phase: usize| {
            let first = start[axis] as isize + self.first[axis];
            inside(first, n[axis], self.stride[axis], phase, size[axis])
        };
        self.phases.iter().map(|phase| [inside(0, phase[0]), inside(1, phase[1])]).collect()
    }

    /// As [`Source::fill`], but leaves alone what lies outside the picture; takes what of the block
    /// lies inside.
    pub(crate) fn copy<T: Scalar>(
        &self,
        micro: Micro<T>,
        (block, inside): (&Block, &[[Inside; 2]]),
        channels: Range<usize>,
        view: View<'_, T>,
        strides: Strides,
        buffer: &mut [T],
    ) {
        let plane = view.size[0] * view.size[1];
        for (i, channel) in channels.enumerate() {
            for (p, [rows, columns]) in inside.iter().enumerate() {
                if rows.len * columns.len == 0 {
                    continue;
                }
                for (j, image) in block.images.clone().enumerate() {
                    let to = i * strides.channel + p * strides.phase + j * strides.image;
                    let to = &mut buffer[to + rows.to * strides.row + columns.to..];
                    let from = (channel * view.batch + image) * plane;
                    let from = &view.values[from + rows.from * view.size[1] + columns.from..];
                    let row_step = self.stride[0] * view.size[1];
                    copy_plane(
                        micro,
                        (from, row_step),
                        (to, strides.row),
                        [rows.len, columns.len],
                        self.stride[1],
                    );
                }
            }
        }
    }
}

/// The least distance of at least `len` numbers at which rows do not fall on the same sets of a cache:
/// an odd number of its lines.
pub(crate) fn apart(len: usize) -> usize {
    const LINE: usize = 16;
    LINE * (len.div_ceil(LINE) | 1)
}

/// The part of a line of a buffer that lies inside the picture.
pub(crate) struct Inside {
    /// First position in the buffer, the position in the picture it is copied from, and how many.
    to: usize,
    from: usize,
    len: usize,
}

/// Position i of `n` takes pixel stride·(first + i) + phase, if there is one.
fn inside(first: isize, n: usize, stride: usize, phase: usize, size: usize) -> Inside {
    // Pixels of this phase.
    let n_pixels = size.saturating_sub(phase).div_ceil(stride) as isize;
    let to = (-first).clamp(0, n as isize);
    let end = (n_pixels - first).clamp(to, n as isize);
    let from = (first + to).max(0) as usize * stride + phase;
    Inside { to: to as usize, from, len: (end - to) as usize }
}

/// Copies every `step`-th number of rows at given distances.
pub(crate) fn copy_plane<T: Scalar>(
    micro: Micro<T>,
    (from, from_row): (&[T], usize),
    (to, to_row): (&mut [T], usize),
    [n_rows, len]: [usize; 2],
    step: usize,
) {
    assert!((n_rows - 1) * from_row + (len - 1) * step < from.len());
    assert!((n_rows - 1) * to_row + len <= to.len());
    if [1, 2, 4].contains(&step) {
        let from = Rows { start: from.as_ptr(), step: from_row };
        let to = Rows { start: to.as_mut_ptr(), step: to_row };
        // SAFETY: the last row ends inside, on both sides, by the assertions.
        unsafe { (micro.copy_rows)(from, to, n_rows, len, step) };
        return;
    }
    for row in 0..n_rows {
        let from = from[row * from_row..].iter().step_by(step);
        to[row * to_row..][..len].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
    }
}
