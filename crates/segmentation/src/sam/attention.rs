//! Attention within windows of a grid of tokens, with a bias per pair of tokens.

use rayon::prelude::*;

use super::{
    gemm::{Packed, Rows, multiply},
    ops::{fold_exp, vectorized},
};

/// Queries a task takes at a time, at least; a multiple of a window's width.
const QUERIES_PER_TASK: usize = 56;

/// softmax(q·kᵀ/√d + bias)·v within square windows.
#[derive(Debug, Clone)]
pub(super) struct WindowAttention {
    pub(super) heads: usize,
    /// Channels of a head, d.
    pub(super) width: usize,
    /// Side of the grid of tokens.
    pub(super) grid: usize,
    /// Side of a window; windows at the right and lower edge are padded to full size.
    pub(super) window: usize,
    pub(super) layout: Layout,
    pub(super) bias: Bias,
}

/// Where q, k and v of a head stand in a row of 3·heads·d channels.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layout {
    /// \[q, k, v\]\[head\]\[d\].
    PartFirst,
    /// \[head\]\[q, k, v\]\[d\].
    HeadFirst,
}

/// What is added to q·kᵀ/√d.
#[derive(Debug, Clone)]
pub(super) enum Bias {
    /// q·(R_h\[Δy\] + R_w\[Δx\]): decomposed relative positions, tables \[2·window - 1, d\] packed.
    Relative { height: Packed, width: Packed },
    /// One number for each \[head\]\[query\]\[key\].
    Table(Vec<f32>),
}

/// Keys and values of one head in one window.
struct Memory {
    keys: Packed,
    values: Packed,
}

/// Buffers of one task.
#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    rows: Vec<f32>,
    columns: Vec<f32>,
}

impl WindowAttention {
    fn windows_per_side(&self) -> usize {
        self.grid.div_ceil(self.window)
    }

    fn tokens(&self) -> usize {
        self.window * self.window
    }

    /// Token of the grid at place `token` of a window; `None` in the padding.
    fn source(&self, window: usize, token: usize) -> Option<usize> {
        let per_side = self.windows_per_side();
        let y = window / per_side * self.window + token / self.window;
        let x = window % per_side * self.window + token % self.window;
        (y < self.grid && x < self.grid).then_some(y * self.grid + x)
    }

    /// From qkv \[grid², 3·heads·d\] to \[grid², heads·d\]; `padding` is the qkv of a padded token.
    pub(super) fn forward(&self, qkv: &[f32], padding: &[f32]) -> Vec<f32> {
        let n_parts = self.windows_per_side().pow(2) * self.heads;
        let memories: Vec<Memory> =
            (0..n_parts).into_par_iter().map(|part| self.memory(qkv, padding, part)).collect();
        let queries = QUERIES_PER_TASK.div_ceil(self.window).min(self.window) * self.window;
        // By window, head, token, so that a task's part is contiguous.
        let size = self.tokens() * self.width;
        let mut parts = vec![0.0; n_parts * size];
        let blocks: Vec<_> = parts
            .chunks_mut(size)
            .enumerate()
            .flat_map(|(part, out)| {
                let blocks = out.chunks_mut(queries * self.width).enumerate();
                blocks.map(move |(block, out)| (part, block * queries, out))
            })
            .collect();
        blocks.into_par_iter().for_each_init(Scratch::default, |scratch, (part, first, out)| {
            self.gather(qkv, padding, part, 0, first..first + out.len() / self.width, scratch);
            self.attend(&memories[part], part % self.heads, first, scratch, out);
        });
        self.unpartition(&parts)
    }

    /// Copies channels of q (0), k (1) or v (2) of some tokens of a window to `scratch.queries`.
    fn gather(
        &self,
        qkv: &[f32],
        padding: &[f32],
        part: usize,
        which: usize,
        tokens: std::ops::Range<usize>,
        scratch: &mut Scratch,
    ) {
        let (window, head) = (part / self.heads, part % self.heads);
        let start = match self.layout {
            Layout::PartFirst => (which * self.heads + head) * self.width,
            Layout::HeadFirst => (head * 3 + which) * self.width,
        };
        scratch.queries.clear();
        for token in tokens {
            let row = match self.source(window, token) {
                Some(token) => &qkv[token * padding.len()..][..padding.len()],
                None => padding,
            };
            scratch.queries.extend_from_slice(&row[start..start + self.width]);
        }
    }

    fn memory(&self, qkv: &[f32], padding: &[f32], part: usize) -> Memory {
        let (tokens, d) = (self.tokens(), self.width);
        let mut scratch = Scratch::default();
        self.gather(qkv, padding, part, 1, 0..tokens, &mut scratch);
        let scale = 1.0 / (d as f32).sqrt();
        scratch.queries.iter_mut().for_each(|k| *k *= scale);
        let keys = Packed::transposed(Rows::new(&scratch.queries, d), d, tokens);
        self.gather(qkv, padding, part, 2, 0..tokens, &mut scratch);
        Memory { keys, values: Packed::new(Rows::new(&scratch.queries, d), tokens, d) }
    }

    /// The output \[queries, d\] for the gathered queries, the first of which is `first`.
    fn attend(
        &self,
        memory: &Memory,
        head: usize,
        first: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let (tokens, d) = (self.tokens(), self.width);
        let n = out.len() / d;
        let Scratch { queries, scores, rows, columns } = scratch;
        scores.resize(n * tokens, 0.0);
        let q = Rows::new(queries, d);
        multiply(q, n, &memory.keys, scores, tokens);
        if let Bias::Relative { height, width } = &self.bias {
            rows.resize(n * height.n(), 0.0);
            columns.resize(n * width.n(), 0.0);
            multiply(q, n, height, rows, height.n());
            multiply(q, n, width, columns, width.n());
        }
        let mut sums = vec![0.0; n];
        vectorized(
            #[inline(always)]
            || {
                for (i, row) in scores.chunks_exact_mut(tokens).enumerate() {
                    self.add_bias(head, first + i, i, rows, columns, row);
                    sums[i] = fold_exp(row);
                }
            },
        );
        multiply(Rows::new(scores, tokens), n, &memory.values, out, d);
        for (row, sum) in out.chunks_exact_mut(d).zip(&sums) {
            row.iter_mut().for_each(|x| *x /= sum);
        }
    }

    #[inline(always)]
    fn add_bias(
        &self,
        head: usize,
        query: usize,
        i: usize,
        rows: &[f32],
        columns: &[f32],
        scores: &mut [f32],
    ) {
        let side = self.window;
        match &self.bias {
            Bias::Relative { .. } => {
                // Entry Δ + side - 1 of a table belongs to query - key = Δ: keys run backwards.
                let table = 2 * side - 1;
                let (y, x) = (query / side, query % side);
                let rows = &rows[i * table + y..][..side];
                let columns = &columns[i * table + x..][..side];
                for (scores, row) in scores.chunks_exact_mut(side).zip(rows.iter().rev()) {
                    for (score, column) in scores.iter_mut().zip(columns.iter().rev()) {
                        *score += row + column;
                    }
                }
            }
            Bias::Table(table) => {
                let tokens = self.tokens();
                let table = &table[(head * tokens + query) * tokens..][..tokens];
                scores.iter_mut().zip(table).for_each(|(score, bias)| *score += bias);
            }
        }
    }

    /// \[window\]\[head\]\[token\]\[d\] → \[grid²\]\[head\]\[d\], without the padding.
    fn unpartition(&self, parts: &[f32]) -> Vec<f32> {
        let (tokens, d, side) = (self.tokens(), self.width, self.window);
        let mut out = vec![0.0; self.grid * self.grid * self.heads * d];
        out.par_chunks_mut(self.heads * d).enumerate().with_min_len(64).for_each(|(at, out)| {
            let (y, x) = (at / self.grid, at % self.grid);
            let window = y / side * self.windows_per_side() + x / side;
            let token = y % side * side + x % side;
            for (head, out) in out.chunks_exact_mut(d).enumerate() {
                let start = ((window * self.heads + head) * tokens + token) * d;
                out.copy_from_slice(&parts[start..start + d]);
            }
        });
        out
    }
}
