//! How one run of a [`Gather`] is cut into tasks, blocks and tiles.
//!
//! A task is a block of outputs of one group, and some panels of its weights. Every panel passes
//! over the block once, so that weights are read once and inputs stay in the second-level cache.

#![allow(unsafe_code)] // Calls the inner loops, whose reach is asserted just before.

use std::ops::Range;

use rayon::prelude::*;

use crate::Scalar;
use crate::emit::{Emit, Place};
use crate::gather::{Gather, area};
use crate::micro::{Micro, Rows};
use crate::shared::Shared;
use crate::source::{Block, Source, Strides, View};

/// Longest run of a sum kept in registers; partial sums are added up in memory. It is what makes a
/// panel of weights fit into the first-level cache, and being constant makes sums reproducible.
const MAX_TERMS: usize = 128;
/// Bytes of input a block should copy: they leave room for outputs in a second-level cache of 512 KiB.
const BLOCK_BYTES: usize = 320 << 10;
/// Products below which threads cost more than they bring.
const SERIAL_PRODUCTS: usize = 200_000;
/// Output channels from which copying the input of a matrix product pays.
const COPY_ROWS: usize = 48;
/// Numbers a task of a depthwise convolution should copy: half of a first-level cache.
const STRIP_TASK: usize = 1 << 12;

/// One run of a [`Gather`].
pub(crate) struct Call<'a, T: Scalar> {
    gather: &'a Gather<T>,
    micro: Micro<T>,
    source: Source,
    view: View<'a, T>,
    place: Place,
    out: &'a Shared<'a, T>,
    emit: &'a Emit<'a, T>,
    /// Output (y, x) reads input (y, x) alone: positions do not matter, the batch is one long row.
    flat: bool,
    /// Far fewer products than make threads worth while.
    serial: bool,
    blocks: Vec<Block>,
    /// Strides of the buffer of the largest block.
    strides: Strides,
}

/// Where a block reads its inputs.
struct Base<'a, T> {
    values: &'a [T],
    /// Offset of every term.
    offsets: &'a [usize],
    /// The largest of them.
    reach: usize,
}

impl<'a, T: Scalar> Call<'a, T> {
    pub(crate) fn new(
        gather: &'a Gather<T>,
        source: Source,
        flat: bool,
        view: View<'a, T>,
        place: Place,
        out: &'a Shared<'a, T>,
        emit: &'a Emit<'a, T>,
    ) -> Self {
        let serial = gather.weights.len() * view.batch * area(place.grid) < SERIAL_PRODUCTS;
        let micro = T::micro(gather.isa);
        let wanted = if serial { 1 } else { 4 * rayon::current_num_threads() };
        let wanted = wanted.div_ceil(gather.groups);
        let blocks =
            blocks(gather.channels, micro.columns(), &source, view.batch, place.grid, wanted);
        let strides = source.strides(&blocks);
        Self { gather, micro, source, view, place, out, emit, flat, serial, blocks, strides }
    }

    /// Computes all outputs.
    pub(crate) fn run(&self) {
        if self.gather.rows == 1 && self.gather.channels == 1 {
            self.strips();
        } else {
            self.tiles();
        }
    }

    fn for_each(&self, n: usize, task: impl Fn(usize) + Sync + Send) {
        if self.serial { (0..n).for_each(task) } else { (0..n).into_par_iter().for_each(task) }
    }

    /// General case: tasks are (group, block, part of the panels).
    fn tiles(&self) {
        let (groups, n_blocks) = (self.gather.groups, self.blocks.len());
        let n_panels = self.gather.n_panels();
        // Every part copies the input anew: no more of them than keep all threads busy.
        let wanted = if self.serial { 1 } else { rayon::current_num_threads() };
        let n_parts = wanted.div_ceil(groups * n_blocks).min(n_panels.div_ceil(2));
        let offsets = self.source.offsets(self.gather.channels, self.strides);
        let in_place = self.source.offsets(self.gather.channels, self.strides_in_place());
        self.for_each(groups * n_blocks * n_parts, |task| {
            let (group, rest) = (task / (n_blocks * n_parts), task % (n_blocks * n_parts));
            let (block, part) = (&self.blocks[rest / n_parts], rest % n_parts);
            let panels = part * n_panels / n_parts..(part + 1) * n_panels / n_parts;
            self.block(group, block, panels, [&offsets, &in_place]);
        });
    }

    /// Strides of the input itself, for matrix products.
    fn strides_in_place(&self) -> Strides {
        Strides { channel: self.view.size[1], ..self.strides }
    }

    /// Positions from the first to the last output of an image, padding included.
    fn n_positions(&self, block: &Block) -> usize {
        (block.rows.len() - 1) * self.strides.row + block.columns.len()
    }

    /// All outputs of some panels of one group in one block.
    fn block(
        &self,
        group: usize,
        block: &Block,
        panels: Range<usize>,
        [offsets, in_place]: [&[usize]; 2],
    ) {
        let gather = self.gather;
        let columns = self.micro.columns();
        let n_tiles = self.n_positions(block).div_ceil(columns) * block.images.len();
        let channels = group * gather.channels..(group + 1) * gather.channels;
        // One-by-one kernels read the input where it is, unless the last tile would leave it.
        let end = (channels.end - 1) * self.view.size[1]
            + (block.columns.start + block.columns.len()).next_multiple_of(columns);
        let is_in_place = self.flat && gather.rows < COPY_ROWS && end <= self.view.values.len();
        let offsets = if is_in_place { in_place } else { offsets };
        let reach = offsets.iter().max().copied().unwrap_or(0);
        let sums_len = n_tiles * self.micro.tiles.len() * columns;
        let copied = gather.channels * self.strides.channel + columns;
        let buffer_len = if is_in_place { 0 } else { copied };
        T::with_scratch(sums_len + buffer_len + 64, |scratch| {
            let start = scratch.as_ptr().align_offset(64).min(64);
            let (sums, buffer) = scratch[start..].split_at_mut(sums_len);
            let values = if is_in_place {
                &self.view.values[channels.start * self.view.size[1] + block.columns.start..]
            } else {
                self.source.fill(self.micro, block, channels, self.view, self.strides, buffer);
                &*buffer
            };
            let base = Base { values, offsets, reach };
            for panel in gather.panels().skip(panels.start).take(panels.len()) {
                self.panel(group, block, panel, &base, sums);
            }
        });
    }

    /// All outputs of one panel in one block.
    fn panel(
        &self,
        group: usize,
        block: &Block,
        (first, n_rows): (usize, usize),
        base: &Base<'_, T>,
        sums: &mut [T],
    ) {
        let (micro, columns) = (self.micro, self.micro.columns());
        let n_terms = self.gather.n_terms();
        let start = (group * self.gather.rows + first) * n_terms;
        let weights = &self.gather.weights[start..];
        let n_positions = self.n_positions(block);
        let per_image = n_positions.div_ceil(columns);
        let n_tiles = per_image * block.images.len();
        let channels = group * self.gather.rows + first..group * self.gather.rows + first + n_rows;
        let n_parts = n_terms.div_ceil(MAX_TERMS);
        for part in 0..n_parts {
            let terms = part * n_terms / n_parts..(part + 1) * n_terms / n_parts;
            let own = &weights[terms.start * n_rows..terms.end * n_rows];
            let coming = &weights[terms.end * n_rows..];
            let coming = &coming[..coming.len().min(own.len())];
            let mut ahead = Rows::ahead(coming, n_tiles, terms.len());
            let places = (0..block.images.len())
                .flat_map(|image| (0..per_image).map(move |at| (image, at * columns)));
            for (tile, (image, at)) in places.enumerate() {
                let len = columns.min(n_positions - at);
                let n_vectors = len.div_ceil(micro.lanes);
                // Sums that are finished at once need no place of their own.
                let own_sums = if n_parts > 1 { tile * micro.tiles.len() * columns } else { 0 };
                let sums = &mut sums[own_sums..][..n_rows * columns];
                let values = &base.values[image * self.strides.image + at..];
                assert!(base.reach + n_vectors * micro.lanes <= values.len());
                // SAFETY: offsets, weights and sums are slices of sufficient length, the farthest
                // read was just checked, `Gather::new` checked the instructions.
                unsafe {
                    micro.tiles[n_rows - 1][n_vectors - 1](
                        terms.len(),
                        own.as_ptr(),
                        values.as_ptr(),
                        base.offsets[terms.clone()].as_ptr(),
                        sums.as_mut_ptr(),
                        part > 0,
                        ahead,
                    );
                }
                ahead = ahead.next(terms.len());
                if part + 1 == n_parts {
                    self.write(block, image, at..at + len, channels.clone(), sums, columns);
                }
            }
        }
        self.finish(block, channels);
    }

    /// Writes finished sums of the given positions, rows `step` apart, to the output.
    fn write(
        &self,
        block: &Block,
        image: usize,
        positions: Range<usize>,
        channels: Range<usize>,
        sums: &[T],
        step: usize,
    ) {
        let first = positions.start;
        let (mut y, mut x) = (first / self.strides.row, first % self.strides.row);
        let mut at = first;
        while at < positions.end {
            let run = (self.strides.row - x).min(positions.end - at);
            let len = run.min(block.columns.len().saturating_sub(x));
            if len > 0 {
                let position = self.place.index(
                    block.images.start + image,
                    block.rows.start + y,
                    block.columns.start + x,
                );
                let plane = self.view.batch * area(self.place.plane);
                let rows = ((channels.start, false), [channels.len(), len]);
                let sums = (&sums[at - first..], step);
                let to = (channels.start * plane + position, plane);
                // SAFETY: every position belongs to one block, every channel to one panel.
                unsafe {
                    self.emit.store(
                        self.micro,
                        self.out,
                        rows.0,
                        rows.1,
                        sums,
                        to,
                        self.place.step[1],
                    );
                }
            }
            at += run;
            (y, x) = (y + 1, 0);
        }
    }

    /// Applies the epilogue to finished channels of a block.
    fn finish(&self, block: &Block, channels: Range<usize>) {
        let Some(finish) = self.emit.finish.filter(|_| self.place.step == [1, 1]) else { return };
        let plane = area(self.place.plane);
        for channel in channels {
            for image in block.images.clone() {
                let first = self.place.index(image, block.rows.start, block.columns.start);
                let len = (block.rows.len() - 1) * self.place.plane[1] + block.columns.len();
                let first = channel * self.view.batch * plane + first;
                // SAFETY: as for the stores before.
                unsafe {
                    finish.apply(self.gather.isa, first, self.out.slice(first, len));
                }
            }
        }
    }

    /// One channel in, one out (depthwise): tasks are (some channels, block).
    fn strips(&self) {
        let gather = self.gather;
        let (n_taps, n_blocks) = (gather.taps.len(), self.blocks.len());
        let offsets = self.source.offsets(1, self.strides);
        let reach = offsets.iter().max().copied().unwrap_or(0);
        let fair = gather.groups.div_ceil(4 * rayon::current_num_threads());
        let per_task = STRIP_TASK.div_ceil(self.strides.channel).min(fair).max(1);
        let n_parts = gather.groups.div_ceil(per_task);
        self.for_each(n_parts * n_blocks, |task| {
            let (part, block) = (task / n_blocks, &self.blocks[task % n_blocks]);
            let channels = part * per_task..((part + 1) * per_task).min(gather.groups);
            let len = self.n_positions(block);
            let padded = len.next_multiple_of(self.micro.lanes);
            let sums_len = channels.len() * block.images.len() * padded;
            let buffer_len = channels.len() * self.strides.channel + self.micro.lanes;
            T::with_scratch(sums_len + buffer_len, |scratch| {
                // First all copies, then all sums, then all stores: a processor stalls when it
                // reads what it has just written in other portions.
                let (sums, buffer) = scratch.split_at_mut(sums_len);
                self.source.fill(
                    self.micro,
                    block,
                    channels.clone(),
                    self.view,
                    self.strides,
                    buffer,
                );
                let mut strips = sums.chunks_exact_mut(padded);
                for (i, group) in channels.clone().enumerate() {
                    let weights = &gather.weights[group * n_taps..][..n_taps];
                    for (image, sums) in (0..block.images.len()).zip(&mut strips) {
                        let at = i * self.strides.channel + image * self.strides.image;
                        let base = &buffer[at..];
                        assert!(reach + padded <= base.len());
                        // SAFETY: as many weights as offsets, room for `padded` sums, the farthest
                        // read was just checked, `Gather::new` checked the instructions.
                        unsafe {
                            (self.micro.strip)(
                                n_taps,
                                weights.as_ptr(),
                                base.as_ptr(),
                                offsets.as_ptr(),
                                sums.as_mut_ptr(),
                                len,
                            );
                        }
                    }
                }
                for (i, sums) in sums.chunks_exact(padded).enumerate() {
                    let (channel, image) =
                        (channels.start + i / block.images.len(), i % block.images.len());
                    self.write_lines(block, channel, image, sums);
                }
                self.finish(block, channels);
            });
        });
    }

    /// Writes the strip of one image of one channel.
    fn write_lines(&self, block: &Block, channel: usize, image: usize, sums: &[T]) {
        let place = &self.place;
        let position =
            place.index(block.images.start + image, block.rows.start, block.columns.start);
        let first = channel * self.view.batch * area(place.plane) + position;
        let rows = ((channel, true), [block.rows.len(), block.columns.len()]);
        let to = (first, place.step[0] * place.plane[1]);
        // SAFETY: every position belongs to one block, every channel to one task.
        unsafe {
            self.emit.store(
                self.micro,
                self.out,
                rows.0,
                rows.1,
                (sums, self.strides.row),
                to,
                place.step[1],
            );
        }
    }
}

/// Divides a grid into blocks of outputs, about `wanted` of them if they stay large enough.
fn blocks(
    channels: usize,
    columns: usize,
    source: &Source,
    batch: usize,
    [height, width]: [usize; 2],
    wanted: usize,
) -> Vec<Block> {
    let budget = BLOCK_BYTES / 4;
    if height == 1 {
        let most = (budget / channels).max(columns);
        let n = width.div_ceil(most).max(wanted.min(width / (4 * columns)));
        let len = width.div_ceil(n).next_multiple_of(columns / 2);
        let block = |i: usize| Block {
            images: 0..batch,
            rows: 0..1,
            columns: i * len..((i + 1) * len).min(width),
        };
        return (0..width.div_ceil(len)).map(block).collect();
    }
    let halo = source.halo[0];
    let per_row = channels * source.n_phases() * (width + source.halo[1]);
    let most_rows = (budget / per_row).saturating_sub(halo).max(1);
    let few_rows = (4 * columns).div_ceil(width).max(3 * halo).max(1);
    let most_images = budget / (per_row * (height + halo));
    let n_images = batch.div_ceil(most_images.max(1)).max(wanted.min(batch));
    let wanted_rows = wanted.div_ceil(n_images).min(height / few_rows);
    let n_rows = height.div_ceil(most_rows).max(wanted_rows).clamp(1, height);
    let part = |len: usize, i: usize, n: usize| i * len / n..(i + 1) * len / n;
    let block = |i: usize| Block {
        images: part(batch, i / n_rows, n_images),
        rows: part(height, i % n_rows, n_rows),
        columns: 0..width,
    };
    (0..n_images * n_rows).map(block).collect()
}
