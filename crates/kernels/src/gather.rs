//! The one convolution kernel behind both directions: every output gathers its inputs.
//!
//! out[o, n, origin + step·(y, x)] = Σ_{i, t} w[o, i, t] · in[i, n, stride·(y, x) + tap[t] + shift]
//!
//! A block of outputs copies what it reads into a padded buffer ([`Source`]), in which a tile of
//! neighbouring outputs is a product of packed weights [o, (i, t)] with rows that start at constant
//! offsets: a matrix product without ever writing the unrolled matrix.

#![allow(unsafe_code)] // Calls the tile kernels, whose reach is asserted just before.

use rayon::prelude::*;

use crate::Scalar;
use crate::emit::{Emit, Place};
use crate::isa::Isa;
use crate::shared::Shared;
use crate::source::{Block, Source, Strides, View};

/// Longest run of a sum kept in registers; partial sums are added up in memory. It is what makes a
/// panel of weights fit into the first-level cache, and being constant makes sums reproducible.
const MAX_TERMS: usize = 256;
/// Bytes of input a block should copy: half of a small second-level cache.
const BLOCK_BYTES: usize = 384 << 10;
/// Products below which threads cost more than they bring.
const SERIAL_PRODUCTS: usize = 200_000;

/// A convolution as a gather, with packed weights.
#[derive(Debug)]
pub(crate) struct Gather<T> {
    groups: usize,
    /// Output and input channels of a group.
    rows: usize,
    channels: usize,
    stride: [usize; 2],
    taps: Vec<[isize; 2]>,
    /// Per group, panels of rows: [group][panel][(channel, tap)][row of panel].
    weights: Vec<T>,
    isa: Isa,
}

impl<T: Scalar> Gather<T> {
    /// Packs `weight(group, row, channel, tap)`.
    pub(crate) fn new(
        isa: Isa,
        [groups, rows, channels]: [usize; 3],
        stride: [usize; 2],
        taps: Vec<[isize; 2]>,
        weight: impl Fn(usize, usize, usize, usize) -> T,
    ) -> Self {
        assert!(isa <= Isa::detect(), "{isa:?} is not available on this machine");
        let mut gather = Self { groups, rows, channels, stride, taps, weights: Vec::new(), isa };
        let mut weights = Vec::with_capacity(groups * rows * gather.n_terms());
        for group in 0..groups {
            for (first, n_rows) in gather.panels() {
                for channel in 0..channels {
                    for tap in 0..gather.taps.len() {
                        let panel = first..first + n_rows;
                        weights.extend(panel.map(|row| weight(group, row, channel, tap)));
                    }
                }
            }
        }
        gather.weights = weights;
        gather
    }

    /// The weight that `new` was given.
    pub(crate) fn weight(&self, group: usize, row: usize, channel: usize, tap: usize) -> T {
        let n_terms = self.n_terms();
        let panel = self.panels().find(|&(first, n_rows)| row < first + n_rows);
        let (first, n_rows) = panel.unwrap_or((0, 1));
        let term = channel * self.taps.len() + tap;
        self.weights[(group * self.rows + first) * n_terms + term * n_rows + row - first]
    }

    fn n_terms(&self) -> usize {
        self.channels * self.taps.len()
    }

    fn n_panels(&self) -> usize {
        self.rows.div_ceil(T::micro(self.isa).tiles.len())
    }

    /// First row and number of rows of each panel, as equal as can be.
    fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<T> {
        let (rows, n) = (self.rows, self.n_panels());
        (0..n).map(move |i| (i * rows / n, (i + 1) * rows / n - i * rows / n))
    }

    /// Whether every output is zero.
    pub(crate) fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    /// Computes all of `place`'s grid.
    pub(crate) fn run(
        &self,
        view: View<'_, T>,
        shift: [isize; 2],
        place: Place,
        out: &mut [T],
        emit: &Emit<'_, T>,
    ) {
        assert_eq!(view.values.len(), self.groups * self.channels * view.batch * area(view.size));
        assert_eq!(out.len(), self.groups * self.rows * view.batch * area(place.plane));
        assert!(emit.bias.is_none_or(|bias| bias.len() == self.groups * self.rows));
        let source = Source::new(self.stride, &self.taps, shift);
        let flat = source.is_identity() && place.is_whole(view.size);
        let (view, place) = if flat {
            let row = [1, view.batch * area(view.size)];
            (View { values: view.values, batch: 1, size: row }, Place::whole(row))
        } else {
            (view, place)
        };
        let n_products = self.weights.len() * view.batch * area(place.grid);
        if n_products == 0 {
            return;
        }
        let out = Shared::new(out);
        let serial = n_products < SERIAL_PRODUCTS;
        let call = Call { gather: self, source, flat, view, place, out: &out, emit };
        if self.rows == 1 && self.channels == 1 {
            call.strips(serial);
        } else {
            call.tiles(serial);
        }
    }
}

fn area([height, width]: [usize; 2]) -> usize {
    height * width
}

/// One run of a [`Gather`].
struct Call<'a, T: Scalar> {
    gather: &'a Gather<T>,
    source: Source,
    /// Output (y, x) reads input (y, x) alone: positions do not matter, the batch is one long row.
    flat: bool,
    view: View<'a, T>,
    place: Place,
    out: &'a Shared<'a, T>,
    emit: &'a Emit<'a, T>,
}

fn for_each(serial: bool, n: usize, task: impl Fn(usize) + Sync + Send) {
    if serial { (0..n).for_each(task) } else { (0..n).into_par_iter().for_each(task) }
}

impl<T: Scalar> Call<'_, T> {
    /// General case: tasks are (group, block, part of the panels).
    fn tiles(&self, serial: bool) {
        let gather = self.gather;
        let wanted = if serial { 1 } else { 4 * rayon::current_num_threads() };
        let blocks = self.blocks(gather.channels, wanted.div_ceil(gather.groups));
        let n_panels = gather.n_panels();
        let n_parts = wanted.div_ceil(gather.groups * blocks.len()).min(n_panels.div_ceil(2));
        for_each(serial, gather.groups * blocks.len() * n_parts, |task| {
            let (group, rest) = (task / (blocks.len() * n_parts), task % (blocks.len() * n_parts));
            let (block, part) = (&blocks[rest / n_parts], rest % n_parts);
            let panels = part * n_panels / n_parts..(part + 1) * n_panels / n_parts;
            self.block(group, block, panels);
        });
    }

    /// Divides the grid into blocks of outputs, about `wanted` of them if they stay large enough.
    fn blocks(&self, channels: usize, wanted: usize) -> Vec<Block> {
        let [height, width] = self.place.grid;
        let columns = T::micro(self.gather.isa).columns();
        let per_row = channels * self.source.n_phases() * (width + self.source.halo[1]);
        let budget = BLOCK_BYTES / size_of::<T>();
        if height == 1 {
            let most = (budget / channels).max(columns);
            let n = width.div_ceil(most).max(wanted.min(width / (4 * columns)));
            let len = width.div_ceil(n).next_multiple_of(columns);
            let block = |i: usize| Block {
                images: 0..self.view.batch,
                rows: 0..1,
                columns: i * len..((i + 1) * len).min(width),
            };
            return (0..width.div_ceil(len)).map(block).collect();
        }
        let halo = self.source.halo[0];
        let most_rows = (budget / per_row).saturating_sub(halo).max(1);
        let few_rows = (4 * columns).div_ceil(width).max(3 * halo).max(1);
        let images_wanted = wanted.min(self.view.batch);
        let most_images = budget / (per_row * (height + halo));
        let n_images = self.view.batch.div_ceil(most_images.max(1)).max(images_wanted);
        let n_rows = height
            .div_ceil(most_rows)
            .max(wanted.div_ceil(n_images).min(height / few_rows))
            .clamp(1, height);
        let part = |len: usize, i: usize, n: usize| i * len / n..(i + 1) * len / n;
        let block = |i: usize| Block {
            images: part(self.view.batch, i / n_rows, n_images),
            rows: part(height, i % n_rows, n_rows),
            columns: 0..width,
        };
        (0..n_images * n_rows).map(block).collect()
    }

    /// All outputs of some panels of one group in one block.
    fn block(&self, group: usize, block: &Block, panels: std::ops::Range<usize>) {
        let gather = self.gather;
        let micro = T::micro(gather.isa);
        let columns = micro.columns();
        let mut strides = self.source.strides(block);
        let first_channel = group * gather.channels;
        // One-by-one kernels read the input where it is, unless the last tile would leave it.
        let in_place = self.flat
            && {
                let end = block.columns.start + block.columns.len().next_multiple_of(columns);
                (first_channel + gather.channels - 1) * self.view.size[1] + end
                    <= self.view.values.len()
            }
            && gather.rows < 128;
        if in_place {
            strides.channel = self.view.size[1];
        }
        let offsets = self.source.offsets(gather.channels, strides);
        let per_image = (block.rows.len() - 1) * strides.row + block.columns.len();
        let n_per_image = per_image.div_ceil(columns);
        let n_tiles = n_per_image * block.images.len();
        let max_rows = micro.tiles.len();
        let sums_len = n_tiles * max_rows * columns;
        let buffer_len = if in_place { 0 } else { gather.channels * strides.channel + columns };
        T::with_scratch(sums_len + buffer_len + 64, |scratch| {
            let start = scratch.as_ptr().align_offset(64).min(64);
            let (sums, buffer) = scratch[start..].split_at_mut(sums_len);
            let base = if in_place {
                &self.view.values[first_channel * self.view.size[1] + block.columns.start..]
            } else {
                let channels = first_channel..first_channel + gather.channels;
                gather.isa.vectorise(
                    #[inline(always)]
                    || self.source.fill(block, channels, self.view, buffer),
                );
                &*buffer
            };
            let tiles = Tiles { strides, offsets: &offsets, per_image, n_per_image };
            for (first, n_rows) in gather.panels().skip(panels.start).take(panels.len()) {
                self.panel(group, block, &tiles, (first, n_rows), base, sums);
            }
        });
    }

    /// All outputs of one panel in one block.
    fn panel(
        &self,
        group: usize,
        block: &Block,
        tiles: &Tiles<'_>,
        (first, n_rows): (usize, usize),
        base: &[T],
        sums: &mut [T],
    ) {
        let gather = self.gather;
        let micro = T::micro(gather.isa);
        let columns = micro.columns();
        let n_terms = gather.n_terms();
        let weights =
            &gather.weights[(group * gather.rows + first) * n_terms..][..n_rows * n_terms];
        let reach = tiles.offsets.iter().max().copied().unwrap_or(0);
        let n_parts = n_terms.div_ceil(MAX_TERMS);
        for part in 0..n_parts {
            let terms = part * n_terms / n_parts..(part + 1) * n_terms / n_parts;
            for image in 0..block.images.len() {
                for tile in 0..tiles.n_per_image {
                    let at = image * tiles.strides.image + tile * columns;
                    let len = columns.min(tiles.per_image - tile * columns);
                    let n_vectors = len.div_ceil(micro.lanes);
                    let slot = (image * tiles.n_per_image + tile) * micro.tiles.len() * columns;
                    let sums = &mut sums[slot..slot + n_rows * columns];
                    assert!(at + reach + n_vectors * micro.lanes <= base.len());
                    // SAFETY: offsets, weights and sums are slices of sufficient length, the
                    // farthest read was just checked, `new` checked the instructions.
                    unsafe {
                        micro.tiles[n_rows - 1][n_vectors - 1](
                            terms.len(),
                            weights[terms.start * n_rows..].as_ptr(),
                            base[at..].as_ptr(),
                            tiles.offsets[terms.start..].as_ptr(),
                            sums.as_mut_ptr(),
                            part > 0,
                        );
                    }
                    if part + 1 == n_parts {
                        let channels =
                            group * gather.rows + first..group * gather.rows + first + n_rows;
                        self.write(
                            block,
                            image,
                            tiles.strides,
                            tile * columns,
                            channels,
                            sums,
                            columns,
                            len,
                        );
                    }
                }
            }
        }
    }

    /// Writes a tile (or strip) of finished sums to the output.
    #[allow(clippy::too_many_arguments)]
    fn write(
        &self,
        block: &Block,
        image: usize,
        strides: Strides,
        at: usize,
        channels: std::ops::Range<usize>,
        sums: &[T],
        columns: usize,
        len: usize,
    ) {
        self.gather.isa.vectorise(
            #[inline(always)]
            || {
                let mut done = 0;
                while done < len {
                    let (y, x) = ((at + done) / strides.row, (at + done) % strides.row);
                    let run = (strides.row - x).min(len - done);
                    let valid = run.min(block.columns.len().saturating_sub(x));
                    if valid > 0 {
                        let position = self.place.index(
                            block.images.start + image,
                            block.rows.start + y,
                            block.columns.start + x,
                        );
                        for (row, channel) in channels.clone().enumerate() {
                            let sums = &sums[row * columns + done..][..valid];
                            let to = channel * self.view.batch * area(self.place.plane) + position;
                            self.emit.run(channel, sums, self.place.step[1], self.out, to);
                        }
                    }
                    done += run;
                }
            },
        );
    }

    /// One channel in, one out (depthwise): tasks are (channel, block).
    fn strips(&self, serial: bool) {
        let gather = self.gather;
        let micro = T::micro(gather.isa);
        let blocks = self.blocks(1, 1);
        for_each(serial, gather.groups * blocks.len(), |task| {
            let (group, block) = (task / blocks.len(), &blocks[task % blocks.len()]);
            let strides = self.source.strides(block);
            let offsets = self.source.offsets(1, strides);
            let reach = offsets.iter().max().copied().unwrap_or(0);
            let len = (block.rows.len() - 1) * strides.row + block.columns.len();
            let padded = len.next_multiple_of(micro.lanes);
            T::with_scratch(padded + strides.channel + micro.lanes, |scratch| {
                let (sums, buffer) = scratch.split_at_mut(padded);
                gather.isa.vectorise(
                    #[inline(always)]
                    || self.source.fill(block, group..group + 1, self.view, buffer),
                );
                let weights = &gather.weights[group * gather.taps.len()..][..gather.taps.len()];
                for image in 0..block.images.len() {
                    let base = &buffer[image * strides.image..];
                    assert!(reach + padded <= base.len());
                    // SAFETY: as many weights as offsets, room for `padded` sums, the farthest read
                    // was just checked, `new` checked the instructions.
                    unsafe {
                        (micro.strip)(
                            weights.len(),
                            weights.as_ptr(),
                            base.as_ptr(),
                            offsets.as_ptr(),
                            sums.as_mut_ptr(),
                            len,
                        );
                    }
                    self.write(block, image, strides, 0, group..group + 1, sums, padded, len);
                }
            });
        });
    }
}

/// How the tiles of a block lie in its buffer.
struct Tiles<'a> {
    strides: Strides,
    offsets: &'a [usize],
    /// Positions from the first to the last output of an image, padding included.
    per_image: usize,
    n_per_image: usize,
}
