//! 3×3 convolutions of stride 1 by Winograd's minimal filtering: fewer products, a little more
//! rounding.
//!
//! For every position (u, v) of a transformed tile, channels mix by a matrix product
//! M[u, v] = U[u, v] · V[u, v] with U = G g Gᵀ [O, I] made once and V = Bᵀ d B [I, tiles].

#![allow(unsafe_code)] // Calls the inner loops, whose reach is asserted just before.

use std::f64::consts::SQRT_2;

use rayon::prelude::*;

use crate::Scalar;
use crate::emit::{Emit, Place};
use crate::gather::{area, panels};
use crate::isa::{Isa, prefetch};
use crate::micro::Rows;
use crate::shared::Shared;
use crate::source::{Block, View, apart};
use crate::transforms::Line;

/// Longest run of a sum kept in registers: short, to make up for the rounding of the transforms.
const MAX_TERMS: usize = 64;
/// Bytes of transformed inputs and products a task may hold.
const TASK_BYTES: usize = 3 << 19;
/// Tiles below which a task would read more weights than it computes.
const MIN_TILES: usize = 96;

/// G of F(2×2, 3×3).
const G_2: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
/// G of F(4×4, 3×3) at 0, ±√½, ±√2 and ∞.
const G_4: [[f64; 3]; 6] = [
    [1.0, 0.0, 0.0],
    [-2.0 / 3.0, -SQRT_2 / 3.0, -1.0 / 3.0],
    [-2.0 / 3.0, SQRT_2 / 3.0, -1.0 / 3.0],
    [1.0 / 6.0, SQRT_2 / 6.0, 1.0 / 3.0],
    [1.0 / 6.0, -SQRT_2 / 6.0, 1.0 / 3.0],
    [0.0, 0.0, 1.0],
];

/// Transformed weights of one direction of a convolution.
#[derive(Debug)]
pub(crate) struct Winograd<T> {
    /// m of F(m×m, 3×3): 2 or 4.
    m: usize,
    rows: usize,
    channels: usize,
    /// Where the first of the nine taps reads.
    first_tap: [isize; 2],
    /// First row and number of rows of each panel.
    panels: Vec<(usize, usize)>,
    /// [(u, v)][panel][channel][row of panel].
    weights: Vec<T>,
    isa: Isa,
}

/// One task's view of its tiles.
struct Tiling {
    block: Block,
    /// Tile rows and columns of an image.
    grid: [usize; 2],
    /// Tiles in all, and that in whole columns of register tiles.
    n_tiles: usize,
    row: usize,
    /// Distance between the taps of tiles: room for a vector that begins with the last tile.
    tap: usize,
    /// Distance between the positions of transformed inputs.
    inputs: usize,
}

impl<T: Scalar> Winograd<T> {
    /// Transforms the weights of a 3×3 convolution of stride 1 in one group: `weight(row, channel,
    /// tap)` for [rows, channels] and nine taps in reading order, the first at `first_tap`.
    pub(crate) fn new(
        isa: Isa,
        m: usize,
        [rows, channels]: [usize; 2],
        first_tap: [isize; 2],
        weight: impl Fn(usize, usize, usize) -> T + Sync,
    ) -> Self {
        assert!(isa <= Isa::detect(), "{isa:?} is not available on this machine");
        let g: &[[f64; 3]] = if m == 2 { &G_2 } else { &G_4 };
        let n = m + 2;
        let panels: Vec<_> = panels(rows, T::micro(isa).tiles.len()).collect();
        let mut weights = vec![T::ZERO; n * n * rows * channels];
        let positions = weights.par_chunks_exact_mut((rows * channels).max(1));
        positions.enumerate().for_each(|(position, weights)| {
            let (g_u, g_v) = (g[position / n], g[position % n]);
            let factors: [f64; 9] = std::array::from_fn(|tap| g_u[tap / 3] * g_v[tap % 3]);
            let terms: Vec<_> = (0..9).filter(|&tap| factors[tap] != 0.0).collect();
            let mut weights = weights.iter_mut();
            for &(start, n_rows) in &panels {
                for ((channel, row), to) in pairs(channels, n_rows).zip(&mut weights) {
                    let term = |&t: &usize| factors[t] * weight(start + row, channel, t).to_f64();
                    *to = T::from_f64(terms.iter().map(term).sum());
                }
            }
        });
        Self { m, rows, channels, first_tap, panels, weights, isa }
    }

    /// Computes an output of the given size.
    pub(crate) fn run(
        &self,
        view: View<'_, T>,
        out_size: [usize; 2],
        out: &mut [T],
        emit: &Emit<'_, T>,
    ) {
        assert_eq!(view.values.len(), self.channels * view.batch * area(view.size));
        assert_eq!(out.len(), self.rows * view.batch * area(out_size));
        assert!(emit.bias.is_none_or(|bias| bias.len() == self.rows));
        if out.is_empty() {
            return;
        }
        let grid = out_size.map(|size| size.div_ceil(self.m));
        let blocks = self.blocks(view.batch, grid);
        let wanted = rayon::current_num_threads();
        let n_parts = wanted.div_ceil(blocks.len()).min(self.panels.len());
        let out = Shared::new(out);
        let place = Place::whole(out_size);
        (0..blocks.len() * n_parts).into_par_iter().for_each(|task| {
            let (block, part) = (&blocks[task / n_parts], task % n_parts);
            let n_panels = self.panels.len();
            let panels = &self.panels[part * n_panels / n_parts..(part + 1) * n_panels / n_parts];
            self.task(view, block, panels, (&out, place, emit));
        });
    }

    /// Blocks of tile rows, of several images where these are small.
    fn blocks(&self, batch: usize, [height, width]: [usize; 2]) -> Vec<Block> {
        let n = self.m + 2;
        let fit = TASK_BYTES / (n * n * (self.rows + self.channels) * size_of::<T>());
        let fit = fit.max(MIN_TILES);
        let images = (fit / (height * width)).clamp(1, batch);
        let fair = (batch * height * width).div_ceil(2 * rayon::current_num_threads());
        let rows = (fit.min(fair.max(MIN_TILES)) / width).clamp(1, height);
        let (n_images, n_rows) = (batch.div_ceil(images), height.div_ceil(rows));
        // The same number of blocks for every thread.
        let n_rows = match rayon::current_num_threads() {
            n if n_rows > 1 && n_images == 1 => n_rows.next_multiple_of(n).min(height),
            _ => n_rows,
        };
        let part = |len: usize, i: usize, n: usize| i * len / n..(i + 1) * len / n;
        let block = |i: usize| Block {
            images: part(batch, i / n_rows, n_images),
            rows: part(height, i % n_rows, n_rows),
            columns: 0..width,
        };
        (0..n_images * n_rows).map(block).collect()
    }

    /// Some panels of all outputs of a block.
    fn task(
        &self,
        view: View<'_, T>,
        block: &Block,
        panels: &[(usize, usize)],
        target: (&Shared<'_, T>, Place, &Emit<'_, T>),
    ) {
        let micro = T::micro(self.isa);
        let n = self.m + 2;
        let grid = [block.rows.len(), block.columns.len()];
        let n_tiles = block.images.len() * area(grid);
        let row = n_tiles.next_multiple_of(micro.columns());
        let tiling = Tiling {
            block: block.clone(),
            grid,
            n_tiles,
            row,
            tap: apart(row + micro.lanes),
            inputs: apart(self.channels * micro.columns()),
        };
        let first = panels.first().map_or(0, |panel| panel.0);
        let n_rows = panels.last().map_or(0, |panel| panel.0 + panel.1) - first;
        let products_step = apart(n_rows * row);
        let lens = [
            n * n * tiling.inputs * row / micro.columns(),
            n * n * products_step,
            n * n * tiling.tap,
            self.m * self.m * row + micro.lanes,
        ];
        T::with_scratch(lens.iter().sum::<usize>() + 64, |scratch| {
            let start = scratch.as_ptr().align_offset(64).min(64);
            let (inputs, rest) = scratch[start..].split_at_mut(lens[0]);
            let (products, rest) = rest.split_at_mut(lens[1]);
            let (taps, rest) = rest.split_at_mut(lens[2]);
            let tiles = &mut rest[..lens[3]];
            for channel in 0..self.channels {
                self.split(&tiling, view, channel, taps);
                self.transform(&tiling, taps, (inputs, channel));
            }
            for position in 0..n * n {
                let products = &mut products[position * products_step..][..n_rows * row];
                self.multiply(position, &tiling, panels, inputs, products);
            }
            for &panel in panels {
                for channel in panel.0..panel.0 + panel.1 {
                    self.invert(&tiling, products, (panel, first, n_rows), channel, tiles);
                    self.write(&tiling, tiles, channel, view.batch, target);
                }
            }
        });
    }

    /// d of one channel: [(u, v)][tile].
    fn split(&self, tiling: &Tiling, view: View<'_, T>, channel: usize, taps: &mut [T]) {
        let micro = T::micro(self.isa);
        let [height, width] = tiling.grid;
        let (m, n) = (self.m, self.m + 2);
        let padded = width.next_multiple_of(micro.lanes);
        let first = (tiling.block.rows.start * m) as isize + self.first_tap[0];
        let images = pairs(tiling.block.images.len(), m * height + 2);
        for (i, y) in images {
            // Tiles overlap by two rows: row y is row u = y - m·t of one or two tiles t.
            let tiles = [y / m, (y / m).wrapping_sub(1)].map(|tile| {
                let u = y.wrapping_sub(m.wrapping_mul(tile));
                (tile < height && u < n).then(|| n * u * tiling.tap + (i * height + tile) * width)
            });
            let line = usize::try_from(first + y as isize).ok().filter(|&y| y < view.size[0]);
            let Some(y) = line else {
                for (at, v) in
                    tiles.into_iter().flatten().flat_map(|at| (0..n).map(move |v| (at, v)))
                {
                    taps[at + v * tiling.tap..][..width].fill(T::ZERO);
                }
                continue;
            };
            let image = channel * view.batch + tiling.block.images.start + i;
            let row = (image * view.size[0] + y) * view.size[1];
            let pixels = view.values[row..][..view.size[1]].as_ptr();
            // The same line of the next channel.
            let next = pixels.wrapping_add(view.batch * area(view.size));
            let step = 64 / size_of::<T>();
            (0..view.size[1]).step_by(step).for_each(|x| prefetch(next.wrapping_add(x)));
            let line = Line { pixels, width: view.size[1], first: self.first_tap[1] };
            let reach = (n - 1) * tiling.tap + padded;
            assert!(tiles.into_iter().flatten().all(|at| at + reach <= taps.len()));
            let to = tiles.map(|at| at.map(|at| taps.as_mut_ptr().wrapping_add(at)));
            // SAFETY: the farthest write was just checked. What is written beyond the tiles is
            // overwritten by the next line, or never read.
            unsafe { (micro.winograd[m / 4].split)(line, to, tiling.tap, width) };
        }
    }

    /// V of one channel: [columns][(u, v)][channel][column].
    fn transform(&self, tiling: &Tiling, taps: &[T], (inputs, channel): (&mut [T], usize)) {
        let micro = T::micro(self.isa);
        let (columns, n) = (micro.columns(), self.m + 2);
        let step = tiling.inputs;
        for at in (0..tiling.n_tiles).step_by(columns) {
            let len = (tiling.n_tiles - at).min(columns);
            let from = &taps[at..];
            let to = &mut inputs[at / columns * n * n * step + channel * columns..];
            let padded = len.next_multiple_of(micro.lanes);
            assert!((n * n - 1) * tiling.tap + padded <= from.len());
            assert!((n * n - 1) * step + padded <= to.len());
            // SAFETY: the farthest read and write were just checked.
            unsafe {
                let transform = micro.winograd[self.m / 4].input;
                transform(from.as_ptr(), tiling.tap, to.as_mut_ptr(), step, len);
            }
        }
    }

    /// M = U · V for one position of the transformed tiles: [panel][columns][row of panel][column].
    fn multiply(
        &self,
        position: usize,
        tiling: &Tiling,
        panels: &[(usize, usize)],
        inputs: &[T],
        products: &mut [T],
    ) {
        let micro = T::micro(self.isa);
        let columns = micro.columns();
        let first = panels.first().map_or(0, |panel| panel.0);
        let offsets: Vec<usize> = (0..self.channels).map(|k| k * columns).collect();
        let reach = (self.channels - 1) * columns;
        let n_positions = (self.m + 2) * (self.m + 2);
        let n_column_tiles = tiling.n_tiles.div_ceil(columns);
        let n_parts = self.channels.div_ceil(MAX_TERMS);
        for &(start, n_rows) in panels {
            let weights = &self.weights[(position * self.rows + start) * self.channels..];
            let products = &mut products[(start - first) * tiling.row..][..n_rows * tiling.row];
            for part in 0..n_parts {
                let terms = part * self.channels / n_parts..(part + 1) * self.channels / n_parts;
                let own = &weights[terms.start * n_rows..terms.end * n_rows];
                let coming = &weights[terms.end * n_rows..];
                let coming = &coming[..coming.len().min(own.len())];
                let mut ahead = Rows::ahead(coming, n_column_tiles, terms.len());
                for tile in 0..n_column_tiles {
                    let at = tile * columns;
                    let n_vectors = (tiling.n_tiles - at).min(columns).div_ceil(micro.lanes);
                    let sums = &mut products[tile * n_rows * columns..][..n_rows * columns];
                    let values = (tile * n_positions + position) * tiling.inputs;
                    let values = &inputs[values..];
                    assert!(reach + n_vectors * micro.lanes <= values.len());
                    // SAFETY: offsets, weights and sums are slices of sufficient length, the
                    // farthest read was just checked, `new` checked the instructions.
                    unsafe {
                        micro.tiles[n_rows - 1][n_vectors - 1](
                            terms.len(),
                            own.as_ptr(),
                            values.as_ptr(),
                            offsets[terms.clone()].as_ptr(),
                            sums.as_mut_ptr(),
                            part > 0,
                            ahead,
                        );
                    }
                    ahead = ahead.next(terms.len());
                }
            }
        }
    }

    /// Y = Aᵀ M A of one channel: [(a, b)][tile].
    fn invert(
        &self,
        tiling: &Tiling,
        products: &[T],
        ((start, panel_rows), first, n_rows): ((usize, usize), usize, usize),
        channel: usize,
        tiles: &mut [T],
    ) {
        let micro = T::micro(self.isa);
        let (m, columns) = (self.m, micro.columns());
        let panel = (start - first) * tiling.row + (channel - start) * columns;
        let (from_step, to_step) = (apart(n_rows * tiling.row), tiling.row);
        for at in (0..tiling.n_tiles).step_by(micro.lanes) {
            let from = &products[panel + at / columns * panel_rows * columns + at % columns..];
            let to = &mut tiles[at..];
            assert!(((m + 2) * (m + 2) - 1) * from_step + micro.lanes <= from.len());
            assert!((m * m - 1) * to_step + micro.lanes <= to.len());
            // SAFETY: the farthest read and write were just checked.
            unsafe {
                let invert = micro.winograd[m / 4].output;
                invert(from.as_ptr(), from_step, to.as_mut_ptr(), to_step);
            }
        }
    }

    /// Writes the tiles of one channel.
    fn write(
        &self,
        tiling: &Tiling,
        tiles: &[T],
        channel: usize,
        batch: usize,
        (out, place, emit): (&Shared<'_, T>, Place, &Emit<'_, T>),
    ) {
        let micro = T::micro(self.isa);
        let (m, block, plane) = (self.m, &tiling.block, area(place.plane));
        let [height, width] = tiling.grid;
        let len = place.plane[1];
        let y = block.rows.start * m;
        let n_rows = (m * height).min(place.plane[0] - y);
        let bias = emit.bias.map_or(T::ZERO, |bias| bias[channel]);
        for (i, image) in block.images.clone().enumerate() {
            let first = channel * batch * plane + place.index(image, y, 0);
            for row in 0..n_rows {
                let (tile, a) = ((i * height + row / m) * width, row % m);
                let from = &tiles[m * a * tiling.row + tile..];
                let padded = len.div_ceil(m).next_multiple_of(micro.lanes);
                assert!((m - 1) * tiling.row + padded <= from.len());
                let from = Rows { start: from.as_ptr(), step: tiling.row };
                let to = out.pointer(first + row * len, len);
                // SAFETY: every pixel belongs to one block, every channel to one task of it; the
                // farthest read was just checked.
                unsafe { (micro.winograd[m / 4].join)(from, to, len, bias, emit.accumulate) };
            }
            if let Some(finish) = emit.finish {
                // SAFETY: as above.
                unsafe { finish.apply(self.isa, first, out.slice(first, n_rows * len)) };
            }
        }
    }
}

fn pairs(n: usize, m: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (0..m).map(move |j| (i, j)))
}
