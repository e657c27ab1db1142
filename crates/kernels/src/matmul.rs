//! Matrix products of activations, anywhere in their tensors and transposed or not:
//! out\[i, j\] = Σ_k a\[i, k\] · b\[k, j\].
//!
//! Both factors are packed by parts into panels that the register tiles of the convolution read.
//! Sums run over at most [`TERMS`] products in registers and are then added up in the output, in the
//! same order whatever the split into tasks.

#![allow(unsafe_code)] // Calls the register tiles, whose reach is asserted just before.

use rayon::prelude::*;

use crate::gather::panels;
use crate::micro::{Micro, Rows};
use crate::shared::Shared;
use crate::{Isa, Scalar};

/// Longest run of a sum kept in registers.
const TERMS: usize = 128;
/// Column tiles that are packed together.
const TILES: usize = 8;
/// Rows a task takes at most.
const ROWS: usize = 224;
/// Products below which threads cost more than they bring.
const SERIAL_PRODUCTS: usize = 200_000;

/// Sizes and strides of a matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatMul {
    /// Rows of a, columns of a (rows of b), columns of b.
    pub sizes: [usize; 3],
    /// Distances of neighbouring rows and of neighbouring columns of a.
    pub a: [usize; 2],
    /// The same of b.
    pub b: [usize; 2],
    /// Distance of neighbouring rows of the output, whose columns are dense.
    pub out: usize,
}

impl MatMul {
    /// `out (+)= a · b` once for each of `offsets`, where output, a and b begin. Outputs must not
    /// overlap.
    ///
    /// # Panics
    /// If an operand is too short.
    pub fn run<T: Scalar>(
        &self,
        offsets: &[[usize; 3]],
        out: &mut [T],
        a: &[T],
        b: &[T],
        accumulate: bool,
    ) {
        let [m, k, n] = self.sizes;
        if m * n * offsets.len() == 0 {
            return;
        }
        assert!(k > 0, "a product over nothing");
        let reach = |sizes: [usize; 2], steps: [usize; 2]| {
            (sizes[0] - 1) * steps[0] + (sizes[1] - 1) * steps[1]
        };
        let ends = [reach([m, n], [self.out, 1]), reach([m, k], self.a), reach([k, n], self.b)];
        let lens = [out.len(), a.len(), b.len()];
        for at in offsets {
            assert!((0..3).all(|i| at[i] + ends[i] < lens[i]), "a matrix product beyond its ends");
        }
        let micro = T::micro(Isa::detect());
        let most = micro.tiles.len();
        let serial = m * k * n * offsets.len() < SERIAL_PRODUCTS;
        let wanted = if serial { 1 } else { 2 * rayon::current_num_threads() };
        let (n_panels, n_tiles) = (m.div_ceil(most), n.div_ceil(micro.columns()));
        let wanted = wanted.div_ceil(offsets.len());
        // Tasks along the longer side pack less of the other factor.
        let [n_parts, n_across] = if n_tiles > n_panels {
            let n_parts = m.div_ceil(ROWS);
            [n_parts, wanted.div_ceil(n_parts).min(n_tiles)]
        } else {
            [wanted.min(n_panels).max(m.div_ceil(ROWS)), 1]
        };
        let all: Vec<(usize, usize)> = panels(m, most).collect();
        let out = Shared::new(out);
        let task = |task: usize| {
            let at = offsets[task / (n_parts * n_across)];
            let (part, across) = (task / n_across % n_parts, task % n_across);
            let own = &all[part * n_panels / n_parts..(part + 1) * n_panels / n_parts];
            let tiles = across * n_tiles / n_across..(across + 1) * n_tiles / n_across;
            if !own.is_empty() && !tiles.is_empty() {
                let (a, b) = (&a[at[1]..], &b[at[2]..]);
                // SAFETY: parts are disjoint rows and columns of disjoint outputs.
                unsafe { self.part(micro, (own, tiles), (&out, at[0]), a, b, accumulate) };
            }
        };
        let n_tasks = offsets.len() * n_parts * n_across;
        if serial {
            (0..n_tasks).for_each(task);
        } else {
            (0..n_tasks).into_par_iter().for_each(task);
        }
    }

    /// Some panels of rows, by some tiles of columns.
    ///
    /// # Safety
    /// No other thread may use these rows and columns of the output.
    unsafe fn part<T: Scalar>(
        &self,
        micro: Micro<T>,
        (panels, of_tiles): (&[(usize, usize)], std::ops::Range<usize>),
        (out, first): (&Shared<'_, T>, usize),
        a: &[T],
        b: &[T],
        accumulate: bool,
    ) {
        let ([_, k, n], columns) = (self.sizes, micro.columns());
        let most = micro.tiles.len();
        let n_tiles = of_tiles.len();
        let room =
            [panels.len() * most * TERMS, TILES.min(n_tiles) * TERMS * columns, most * columns];
        let offsets: Vec<usize> = (0..TERMS).map(|term| term * columns).collect();
        T::with_scratch(room.iter().sum::<usize>() + 64, |scratch| {
            let start = scratch.as_ptr().align_offset(64).min(64);
            let (right, rest) = scratch[start..].split_at_mut(room[1]);
            let (left, rest) = rest.split_at_mut(room[0]);
            let sums = &mut rest[..room[2]];
            let n_runs = k.div_ceil(TERMS);
            for run in 0..n_runs {
                let terms = run * k / n_runs..(run + 1) * k / n_runs;
                for (panel, left) in panels.iter().zip(left.chunks_exact_mut(most * TERMS)) {
                    pack_rows(a, self.a, *panel, terms.clone(), left);
                }
                for block in of_tiles.clone().step_by(TILES) {
                    let tiles = block..of_tiles.end.min(block + TILES);
                    for (tile, right) in tiles.clone().zip(right.chunks_exact_mut(TERMS * columns))
                    {
                        self.pack_right(micro, b, tile * columns, terms.clone(), right);
                    }
                    for (tile, right) in tiles.zip(right.chunks_exact(TERMS * columns)) {
                        let len = columns.min(n - tile * columns);
                        let n_vectors = len.div_ceil(micro.lanes);
                        let lefts = left.chunks_exact(most * TERMS);
                        for (&(row, n_rows), left) in panels.iter().zip(lefts) {
                            let at = first + row * self.out + tile * columns;
                            let reach = (n_rows - 1) * self.out + len;
                            assert!(terms.len() <= TERMS && n_rows <= most);
                            // SAFETY: the panels hold TERMS rows, sums a whole tile; that the
                            // output ends behind the last row is asserted by `pointer`.
                            unsafe {
                                (micro.tiles[n_rows - 1][n_vectors - 1])(
                                    terms.len(),
                                    left.as_ptr(),
                                    right.as_ptr(),
                                    offsets.as_ptr(),
                                    sums.as_mut_ptr(),
                                    false,
                                    Rows { start: left.as_ptr(), step: 0 },
                                );
                                (micro.store_rows)(
                                    Rows { start: sums.as_ptr(), step: columns },
                                    Rows { start: out.pointer(at, reach), step: self.out },
                                    n_rows,
                                    len,
                                    Rows { start: std::ptr::null(), step: 0 },
                                    accumulate || run > 0,
                                    1,
                                );
                            }
                        }
                    }
                }
            }
        });
    }

    /// Columns of b, term by term, zeros behind the last.
    fn pack_right<T: Scalar>(
        &self,
        micro: Micro<T>,
        b: &[T],
        first: usize,
        terms: std::ops::Range<usize>,
        to: &mut [T],
    ) {
        let ([term_step, column_step], columns) = (self.b, micro.columns());
        let len = columns.min(self.sizes[2] - first);
        let from = &b[first * column_step + terms.start * term_step..];
        if len < columns {
            to[..terms.len() * columns].fill(T::ZERO);
        }
        if column_step == 1 {
            let rows = (from, term_step);
            crate::source::copy_plane(micro, rows, (to, columns), [terms.len(), len], 1);
            return;
        }
        for column in 0..len {
            let from = from[column * column_step..].iter().step_by(term_step);
            let to = to[column..].iter_mut().step_by(columns);
            to.zip(from).take(terms.len()).for_each(|(to, &from)| *to = from);
        }
    }
}

/// Some rows of a matrix, whose steps from row to row and from term to term are given, term by term.
pub(crate) fn pack_rows<T: Scalar>(
    matrix: &[T],
    [row_step, term_step]: [usize; 2],
    (first, n_rows): (usize, usize),
    terms: std::ops::Range<usize>,
    to: &mut [T],
) {
    /// Terms that are packed together: they stay in the first-level cache.
    const BLOCK: usize = 64;
    let from = &matrix[first * row_step + terms.start * term_step..];
    let to = &mut to[..terms.len() * n_rows];
    if row_step == 1 {
        for (term, to) in to.chunks_exact_mut(n_rows).enumerate() {
            let from = &from[term * term_step..][..n_rows];
            // So few that copying them by a call would take longer.
            for (to, &from) in to.iter_mut().zip(from) {
                *to = from;
            }
        }
        return;
    }
    for (block, to) in to.chunks_mut(BLOCK * n_rows).enumerate() {
        for row in 0..n_rows {
            let from = &from[row * row_step + block * BLOCK * term_step..];
            if term_step == 1 {
                for (to, &from) in to[row..].iter_mut().step_by(n_rows).zip(from) {
                    *to = from;
                }
            } else {
                let from = from.iter().step_by(term_step);
                for (to, &from) in to[row..].iter_mut().step_by(n_rows).zip(from) {
                    *to = from;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Scalar>(spec: MatMul, offsets: &[[usize; 3]], tolerance: f64) {
        let [m, k, n] = spec.sizes;
        let last = |i: usize| offsets.iter().map(|at| at[i]).max().unwrap();
        let end = |rows, columns, [row, column]: [usize; 2]| {
            1 + (rows - 1) * row + (columns - 1) * column
        };
        let numbers = |n: usize, by: f64| {
            (0..n).map(|i| T::from_f64((i as f64 * by).sin())).collect::<Vec<T>>()
        };
        let a = numbers(last(1) + end(m, k, spec.a), 0.7);
        let b = numbers(last(2) + end(k, n, spec.b), 1.3);
        for accumulate in [false, true] {
            let mut out = numbers(last(0) + end(m, n, [spec.out, 1]), 0.1);
            let before = out.clone();
            spec.run(offsets, &mut out, &a, &b, accumulate);
            for at in offsets {
                for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let term = |k: usize| {
                        let left = a[at[1] + i * spec.a[0] + k * spec.a[1]].to_f64();
                        left * b[at[2] + k * spec.b[0] + j * spec.b[1]].to_f64()
                    };
                    let place = at[0] + i * spec.out + j;
                    let own = if accumulate { before[place].to_f64() } else { 0.0 };
                    let expected = own + (0..k).map(term).sum::<f64>();
                    let error = (out[place].to_f64() - expected).abs();
                    assert!(error < tolerance * k as f64, "{spec:?} {at:?} ({i}, {j}): {error:e}");
                }
            }
        }
    }

    #[test]
    fn as_the_definition() {
        for sizes in [[1, 1, 1], [3, 5, 7], [30, 200, 45], [15, 300, 1], [260, 9, 70], [1, 64, 33]]
        {
            let [m, k, n] = sizes;
            for a in [[k, 1], [1, m]] {
                for b in [[n, 1], [1, k]] {
                    let spec = MatMul { sizes, a, b, out: n };
                    check::<f64>(spec, &[[0, 0, 0]], 1e-14);
                    check::<f32>(spec, &[[0, 0, 0], [m * n, 0, k * n]], 1e-6);
                    check::<f64>(MatMul { out: n + 3, ..spec }, &[[5, 1, 2]], 1e-14);
                }
            }
        }
    }
}
