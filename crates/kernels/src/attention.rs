//! Attention: for every query the mean of the values, under the softmax of its scores,
//! out\[q\] = Σ_k softmax_k(scale · ⟨query\[q\], key\[k\]⟩ + biases\[k, q\]) · value\[k\].
//!
//! A block of queries is as wide as a register tile. Its scores, one row for each key, are what the
//! tiles of the second product read: they stay in the caches and are never packed, and those of all
//! queries are never there together.
//!
//! Sums over keys run over at most [`TERMS`] products in registers and are then added up, in the same
//! order whatever the split into tasks.

#![allow(unsafe_code)] // Calls the register tiles, whose reach is asserted just before.

use rayon::prelude::*;

use crate::gather::panels;
use crate::matmul::pack_rows;
use crate::micro::{Micro, Rows};
use crate::shared::Shared;
use crate::{Isa, Scalar};

/// Longest run of a sum kept in registers.
const TERMS: usize = 128;
/// Products below which threads cost more than they bring.
const SERIAL_PRODUCTS: usize = 200_000;

/// One attention or many of the same sizes, anywhere in their tensors.
#[derive(Debug, Clone)]
pub struct Attention<'a, T> {
    /// Number of queries, and of keys and values.
    pub tokens: [usize; 2],
    /// Channels of a query or key, and of a value.
    pub channels: [usize; 2],
    /// What a product of query and key is multiplied with.
    pub scale: T,
    /// Queries.
    pub queries: Tokens<'a, T>,
    /// Keys.
    pub keys: Tokens<'a, T>,
    /// Values.
    pub values: Tokens<'a, T>,
    /// What is added to the scores.
    pub biases: Vec<Bias<'a, T>>,
    /// Distances of neighbouring tokens and of neighbouring channels of the output.
    pub out: [usize; 2],
}

/// Tokens with their channels, in a tensor.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a, T> {
    /// The tensor.
    pub values: &'a [T],
    /// Distances of neighbouring tokens and of neighbouring channels.
    pub steps: [usize; 2],
}

/// What is added to the scores. Keys are numbered along two axes, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Bias<'a, T> {
    /// The tensor.
    pub values: &'a [T],
    /// Distance of neighbouring queries.
    pub query: usize,
    /// Distances of neighbouring keys along both axes, 0 where the bias is the same.
    pub keys: [usize; 2],
    /// Keys along the second axis.
    pub row: usize,
}

/// Where the parts of an attention begin in their tensors.
#[derive(Debug, Clone)]
pub struct Starts {
    /// Output, queries, keys and values.
    pub tokens: [usize; 4],
    /// Every bias.
    pub biases: Vec<usize>,
}

impl<T: Scalar> Attention<'_, T> {
    /// Computes `out` once for each of `starts`. Outputs must not overlap.
    ///
    /// # Panics
    /// If a tensor is too short.
    pub fn run(&self, starts: &[Starts], out: &mut [T]) {
        let ([n_queries, n_keys], [width, out_width]) = (self.tokens, self.channels);
        if n_queries * out_width * starts.len() == 0 {
            return;
        }
        assert!(n_keys * width > 0, "an attention to nothing");
        starts.iter().for_each(|starts| self.check(starts, out.len()));
        let micro = T::micro(Isa::detect());
        let n_blocks = n_queries.div_ceil(micro.columns());
        let out = Shared::new(out);
        let n_products = n_queries * n_keys * (width + out_width) * starts.len();
        if n_products < SERIAL_PRODUCTS {
            for starts in starts {
                let memory = self.memory(micro, starts);
                (0..n_blocks).for_each(|block| self.block(micro, &memory, starts, block, &out));
            }
            return;
        }
        starts.par_iter().for_each(|starts| {
            let memory = self.memory(micro, starts);
            let block = |block| self.block(micro, &memory, starts, block, &out);
            (0..n_blocks).into_par_iter().for_each(block);
        });
    }

    fn check(&self, starts: &Starts, len: usize) {
        let ([n_queries, n_keys], [width, out_width]) = (self.tokens, self.channels);
        let end = |start: usize, sizes: [usize; 2], steps: [usize; 2]| {
            start + (sizes[0] - 1) * steps[0] + (sizes[1] - 1) * steps[1]
        };
        let [to, queries, keys, values] = starts.tokens;
        let fits = end(to, [n_queries, out_width], self.out) < len
            && end(queries, [n_queries, width], self.queries.steps) < self.queries.values.len()
            && end(keys, [n_keys, width], self.keys.steps) < self.keys.values.len()
            && end(values, [n_keys, out_width], self.values.steps) < self.values.values.len();
        assert!(fits && starts.biases.len() == self.biases.len(), "an attention beyond its ends");
    }

    /// Keys and values as panels of rows: those of the keys are keys, those of the values channels.
    fn memory(&self, micro: Micro<T>, starts: &Starts) -> Memory<T> {
        let ([_, n_keys], [width, out_width]) = (self.tokens, self.channels);
        let most = micro.tiles.len();
        let packed = |of: &Tokens<'_, T>, start: usize, (rows, terms): (usize, usize), swap| {
            let [token, channel] = of.steps;
            let steps = if swap { [channel, token] } else { [token, channel] };
            let mut all = vec![T::ZERO; rows * terms];
            for panel in panels(rows, most) {
                let to = &mut all[panel.0 * terms..(panel.0 + panel.1) * terms];
                pack_rows(&of.values[start..], steps, panel, 0..terms, to);
            }
            all
        };
        let [_, _, keys, values] = starts.tokens;
        Memory {
            keys: packed(&self.keys, keys, (n_keys, width), false),
            values: packed(&self.values, values, (out_width, n_keys), true),
        }
    }

    /// A block of queries, as many as a tile has columns.
    fn block(
        &self,
        micro: Micro<T>,
        memory: &Memory<T>,
        starts: &Starts,
        block: usize,
        out: &Shared<'_, T>,
    ) {
        let ([n_queries, n_keys], [width, out_width]) = (self.tokens, self.channels);
        let (columns, most) = (micro.columns(), micro.tiles.len());
        let first = block * columns;
        let n = columns.min(n_queries - first);
        let n_vectors = n.div_ceil(micro.lanes);
        let offsets: [usize; TERMS] = std::array::from_fn(|term| term * columns);
        let room = [width * columns, n_keys * columns, most * columns, columns];
        T::with_scratch(room.iter().sum::<usize>() + 64, |scratch| {
            let start = scratch.as_ptr().align_offset(64).min(64);
            let (queries, rest) = scratch[start..].split_at_mut(room[0]);
            let (scores, rest) = rest.split_at_mut(room[1]);
            let (sums, rest) = rest.split_at_mut(room[2]);
            let factors = &mut rest[..columns];
            self.take_queries(starts.tokens[1], (first, n), queries, columns);
            for (key, n_rows) in panels(n_keys, most) {
                let panel = &memory.keys[key * width..(key + n_rows) * width];
                let to = &mut scores[key * columns..(key + n_rows) * columns];
                product(micro, (panel, n_rows), queries, &offsets, n_vectors, to);
            }
            let mut walks = self.walks(starts, first);
            Isa::detect().vectorise(
                #[inline(always)]
                || {
                    let used = n_vectors * micro.lanes;
                    match used {
                        _ if used.is_multiple_of(16) => {
                            weigh::<T, 16>(scores, columns, n, &mut walks, &mut factors[..used]);
                        }
                        _ if used.is_multiple_of(8) => {
                            weigh::<T, 8>(scores, columns, n, &mut walks, &mut factors[..used]);
                        }
                        _ => weigh::<T, 2>(scores, columns, n, &mut walks, &mut factors[..used]),
                    }
                },
            );
            for (channel, n_rows) in panels(out_width, most) {
                let panel = &memory.values[channel * n_keys..(channel + n_rows) * n_keys];
                product(micro, (panel, n_rows), scores, &offsets, n_vectors, sums);
                let [token_step, channel_step] = self.out;
                for row in 0..n_rows {
                    let at = starts.tokens[0] + first * token_step + (channel + row) * channel_step;
                    let sums = sums[row * columns..][..n].iter().zip(&*factors);
                    // SAFETY: blocks are disjoint parts of disjoint outputs, inside by `check`.
                    let to = unsafe { out.slice(at, (n - 1) * token_step + 1) };
                    if token_step == 1 {
                        for (to, (&sum, &factor)) in to.iter_mut().zip(sums) {
                            *to = sum * factor;
                        }
                    } else {
                        let to = to.iter_mut().step_by(token_step);
                        to.zip(sums).for_each(|(to, (&sum, &factor))| *to = sum * factor);
                    }
                }
            }
        });
    }

    /// The biases of queries from `first` on, at the first key.
    fn walks<'s>(&'s self, starts: &Starts, first: usize) -> Vec<Walk<'s, T>> {
        let walk = |(&bias, &start): (&'s Bias<'s, T>, &usize)| {
            let start = start + first * bias.query;
            Walk { bias, start, row: start, at: start, number: 0 }
        };
        self.biases.iter().zip(&starts.biases).map(walk).collect()
    }

    /// Channels of some queries, scaled; zeros behind the last.
    fn take_queries(&self, start: usize, (first, n): (usize, usize), to: &mut [T], columns: usize) {
        let [token, channel] = self.queries.steps;
        for (i, to) in to.chunks_exact_mut(columns).enumerate() {
            let from = &self.queries.values[start + first * token + i * channel..];
            let (some, rest) = to.split_at_mut(n);
            rest.fill(T::ZERO);
            if token == 1 {
                for (to, &from) in some.iter_mut().zip(from) {
                    *to = from * self.scale;
                }
            } else {
                let from = from.iter().step_by(token);
                some.iter_mut().zip(from).for_each(|(to, &from)| *to = from * self.scale);
            }
        }
    }
}

/// A bias on its way from key to key.
struct Walk<'a, T> {
    bias: Bias<'a, T>,
    /// Where the first key begins, the first of this row, and this one, with its number in the row.
    start: usize,
    row: usize,
    at: usize,
    number: usize,
}

impl<T: Scalar> Walk<'_, T> {
    fn begin(&mut self) {
        (self.row, self.at, self.number) = (self.start, self.start, 0);
    }

    /// Adds the biases of this key and W queries from `first` on, of which there are `n`, and goes on
    /// to the next key.
    #[inline(always)]
    fn add<const W: usize>(&mut self, first: usize, n: usize, scores: &mut [T; W]) {
        let step = self.bias.query;
        let from = &self.bias.values[self.at + first * step..];
        match from.first_chunk::<W>() {
            Some(from) if step == 1 && first + W <= n => {
                for (score, &bias) in scores.iter_mut().zip(from) {
                    *score += bias;
                }
            }
            _ => {
                for (i, score) in scores.iter_mut().enumerate().take(n - first) {
                    *score += from[i * step];
                }
            }
        }
        self.number += 1;
        self.at += self.bias.keys[1];
        if self.number == self.bias.row {
            self.row += self.bias.keys[0];
            (self.at, self.number) = (self.row, 0);
        }
    }
}

struct Memory<T> {
    keys: Vec<T>,
    values: Vec<T>,
}

/// A panel of rows times columns that lie a tile's width apart, term by term.
fn product<T: Scalar>(
    micro: Micro<T>,
    (panel, n_rows): (&[T], usize),
    right: &[T],
    offsets: &[usize; TERMS],
    n_vectors: usize,
    to: &mut [T],
) {
    let (columns, n_terms) = (micro.columns(), panel.len() / n_rows);
    assert!(right.len() >= n_terms * columns && to.len() >= n_rows * columns);
    for first in (0..n_terms).step_by(TERMS) {
        let terms = TERMS.min(n_terms - first);
        let (left, right) = (&panel[first * n_rows..], &right[first * columns..]);
        // SAFETY: every term has a row of the panel and one of `right`, by the lengths asserted.
        unsafe {
            (micro.tiles[n_rows - 1][n_vectors - 1])(
                terms,
                left.as_ptr(),
                right.as_ptr(),
                offsets.as_ptr(),
                to.as_mut_ptr(),
                first > 0,
                Rows { start: left.as_ptr(), step: 0 },
            );
        }
    }
}

/// x ← exp(x + biases - max of its column), and 1 over the sum of every column, for as many columns as
/// there are `factors`, W at a time; the biases are those of `n` queries.
#[inline(always)]
fn weigh<T: Scalar, const W: usize>(
    scores: &mut [T],
    columns: usize,
    n: usize,
    walks: &mut [Walk<'_, T>],
    factors: &mut [T],
) {
    let (groups, _) = factors.as_chunks_mut::<W>();
    for (group, factors) in groups.iter_mut().enumerate() {
        let first = group * W;
        walks.iter_mut().for_each(Walk::begin);
        let mut tops = [T::from_f64(f64::NEG_INFINITY); W];
        for row in scores.chunks_exact_mut(columns) {
            let Some(row) = row[first..].first_chunk_mut::<W>() else { continue };
            for walk in walks.iter_mut().filter(|_| first < n) {
                walk.add(first, n, row);
            }
            for (top, &x) in tops.iter_mut().zip(&*row) {
                *top = if x > *top { x } else { *top };
            }
        }
        let mut sums = [T::ZERO; W];
        for rows in scores.chunks_mut(columns * TERMS) {
            let mut part = [T::ZERO; W];
            for row in rows.chunks_exact_mut(columns) {
                let Some(row) = row[first..].first_chunk_mut::<W>() else { continue };
                for ((x, &top), sum) in row.iter_mut().zip(&tops).zip(&mut part) {
                    *x = (*x - top).exp_below();
                    *sum += *x;
                }
            }
            for (sum, &part) in sums.iter_mut().zip(&part) {
                *sum += part;
            }
        }
        *factors = sums.map(|sum| T::ONE / sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two attentions side by side, by the definition.
    fn check<T: Scalar>(
        [n_queries, n_keys, width, out_width, row]: [usize; 5],
        is_dense: bool,
        tolerance: f64,
    ) {
        let numbers = |n: usize, by: f64| -> Vec<T> {
            (0..n).map(|i| T::from_f64((i as f64 * by).sin())).collect()
        };
        let steps = |n: usize, channels: usize| if is_dense { [1, n] } else { [channels, 1] };
        let queries = numbers(2 * n_queries * width, 0.7);
        let keys = numbers(2 * n_keys * width, 1.3);
        let values = numbers(2 * n_keys * out_width, 2.1);
        let mask = numbers(n_keys * n_queries, 0.3);
        let rows = numbers(2 * n_keys / row * n_queries, 0.9);
        let attention = Attention {
            tokens: [n_queries, n_keys],
            channels: [width, out_width],
            scale: T::from_f64(0.8),
            queries: Tokens { values: &queries, steps: steps(n_queries, width) },
            keys: Tokens { values: &keys, steps: steps(n_keys, width) },
            values: Tokens { values: &values, steps: steps(n_keys, out_width) },
            biases: vec![
                Bias { values: &mask, query: n_keys, keys: [0, 1], row: n_keys },
                Bias { values: &rows, query: 1, keys: [n_queries, 0], row },
            ],
            out: steps(n_queries, out_width),
        };
        let starts: Vec<Starts> = (0..2)
            .map(|i| Starts {
                tokens: [
                    n_queries * out_width,
                    n_queries * width,
                    n_keys * width,
                    n_keys * out_width,
                ]
                .map(|len| i * len),
                biases: vec![0, i * n_keys / row * n_queries],
            })
            .collect();
        let mut out = numbers(2 * n_queries * out_width, 0.1);
        attention.run(&starts, &mut out);
        for (i, query) in (0..2).flat_map(|i| (0..n_queries).map(move |query| (i, query))) {
            let at = |x: &Tokens<'_, T>, token: usize, channel: usize, start: usize| {
                x.values[start + token * x.steps[0] + channel * x.steps[1]].to_f64()
            };
            let [to, q, k, v] = starts[i].tokens;
            let score = |key: usize| {
                let product =
                    |c: usize| at(&attention.queries, query, c, q) * at(&attention.keys, key, c, k);
                0.8 * (0..width).map(product).sum::<f64>()
                    + mask[query * n_keys + key].to_f64()
                    + rows[starts[i].biases[1] + key / row * n_queries + query].to_f64()
            };
            let powers: Vec<f64> = (0..n_keys).map(|key| score(key).exp()).collect();
            for c in 0..out_width {
                let term = |key: usize| powers[key] * at(&attention.values, key, c, v);
                let expected = (0..n_keys).map(term).sum::<f64>() / powers.iter().sum::<f64>();
                let found = out[to + query * attention.out[0] + c * attention.out[1]].to_f64();
                let error = (found - expected).abs();
                assert!(error < tolerance, "{n_queries} {n_keys} {is_dense}: {error:e}");
            }
        }
    }

    #[test]
    fn as_the_definition() {
        for sizes in
            [[1, 1, 1, 1, 1], [7, 300, 16, 8, 20], [50, 49, 33, 5, 7], [33, 12, 260, 3, 12]]
        {
            for is_dense in [false, true] {
                check::<f64>(sizes, is_dense, 1e-13);
                check::<f32>(sizes, is_dense, 1e-5);
            }
        }
    }
}
