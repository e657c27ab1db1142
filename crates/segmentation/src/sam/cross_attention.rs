//! Attention between a few tokens and the many cells of the image, cheaper than written.
//!
//! With T tokens and h heads there are only T·h score columns, so the projections of the cells are
//! moved to the tokens: q·(W_k·x) = (W_kᵀ·q)·x, and Σ p·(W_v·x) = W_v·(Σ p·x). For the 7 tokens of a
//! point that is 56 columns where the projections have 128, and the cells are never projected.
//! What the tokens attend to in the first layer does not depend on the prompt at all, and is
//! projected once per image ([`SharedCells`]).

use super::{
    WeightsError,
    gemm::{Packed, Rows, multiply, multiply_transposed, product},
    layers::linear,
    ops::{Activation, Linear, exp, fold_exp, vectorized},
    weights::Weights,
};

/// Heads of every attention in the decoder.
pub(super) const HEADS: usize = 8;

/// Multi-head attention with projections; the inner width may be smaller than the outer.
#[derive(Debug)]
pub(super) struct Attention {
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    /// Per head, W_q \[d, dim\], W_k \[d, dim\], W_outᵀ \[d, dim\].
    q_heads: Vec<Packed>,
    k_heads: Vec<Packed>,
    out_heads: Vec<Packed>,
    q_bias: Vec<f32>,
    out_bias: Vec<f32>,
}

/// Projections of cells that are the same for every prompt.
#[derive(Debug)]
pub(super) struct SharedCells {
    /// (W_k·x)ᵀ \[inner, cells\].
    keys: Packed,
    /// W_v·x \[cells, inner\].
    values: Packed,
    /// W_q·x of the attention from cells to tokens, \[cells, inner\].
    queries: Vec<f32>,
}

impl SharedCells {
    /// `cells` \[cells, dim\] without and with their positions.
    pub(super) fn new(
        to_image: &Attention,
        to_tokens: &Attention,
        cells: &[f32],
        placed: &[f32],
    ) -> Self {
        let (n, inner) = (cells.len() / to_image.k.inputs(), to_image.inner());
        let keys = to_image.k.forward(placed, Activation::None);
        let values = to_image.v.forward(cells, Activation::None);
        Self {
            keys: Packed::transposed(Rows::new(&keys, inner), inner, n),
            values: Packed::new(Rows::new(&values, inner), n, inner),
            queries: to_tokens.q.forward(placed, Activation::None),
        }
    }
}

impl Attention {
    pub(super) fn new(
        weights: &Weights,
        name: &str,
        dim: usize,
        inner: usize,
    ) -> Result<Self, WeightsError> {
        let d = inner / HEADS;
        let get = |part: &str, shape: &[usize]| weights.get(&format!("{name}.{part}"), shape);
        let per_head = |pack: &dyn Fn(usize) -> Packed| (0..HEADS).map(pack).collect::<Vec<_>>();
        let (q, k) = (get("q_proj.weight", &[inner, dim])?, get("k_proj.weight", &[inner, dim])?);
        let out = get("out_proj.weight", &[dim, inner])?;
        let rows =
            |w: &[f32], head: usize| Packed::new(Rows::new(&w[head * d * dim..], dim), d, dim);
        Ok(Self {
            q: linear(weights, &format!("{name}.q_proj"), dim, inner)?,
            k: linear(weights, &format!("{name}.k_proj"), dim, inner)?,
            v: linear(weights, &format!("{name}.v_proj"), dim, inner)?,
            out: linear(weights, &format!("{name}.out_proj"), inner, dim)?,
            q_heads: per_head(&|head| rows(&q, head)),
            k_heads: per_head(&|head| rows(&k, head)),
            out_heads: per_head(&|head| {
                Packed::transposed(Rows::new(&out[head * d..], inner), d, dim)
            }),
            q_bias: get("q_proj.bias", &[inner])?,
            out_bias: get("out_proj.bias", &[dim])?,
        })
    }

    fn inner(&self) -> usize {
        self.q.outputs()
    }

    /// Channels of a head.
    fn width(&self) -> usize {
        self.inner() / HEADS
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width() as f32).sqrt()
    }

    /// Attention among tokens: queries and keys from `placed`, values from `x`, all \[T, dim\].
    pub(super) fn among_tokens(&self, placed: &[f32], x: &[f32]) -> Vec<f32> {
        let (q, k) = (here(&self.q, placed), here(&self.k, placed));
        let v = here(&self.v, x);
        let (inner, d, n) = (self.inner(), self.width(), x.len() / self.q.inputs());
        let mut attended = vec![0.0; n * inner];
        let mut scores = vec![0.0; n];
        for head in 0..HEADS {
            let part = |x: &[f32], token: usize| {
                token * inner + head * d..x.len().min(token * inner + (head + 1) * d)
            };
            for query in 0..n {
                for (key, score) in scores.iter_mut().enumerate() {
                    let dot: f32 =
                        q[part(&q, query)].iter().zip(&k[part(&k, key)]).map(|(q, k)| q * k).sum();
                    *score = dot * self.scale();
                }
                let sum = fold_exp(&mut scores);
                for (key, score) in scores.iter().enumerate() {
                    let out = attended[query * inner + head * d..][..d].iter_mut();
                    out.zip(&v[part(&v, key)]).for_each(|(o, v)| *o += score / sum * v);
                }
            }
        }
        here(&self.out, &attended)
    }

    /// Tokens attend to cells that are the same for every prompt.
    pub(super) fn to_shared_cells(&self, queries: &[f32], cells: &SharedCells) -> Vec<f32> {
        let q = self.block_diagonal(&here(&self.q, queries));
        let n = cells.keys.n();
        let mut scores = product(&q, &cells.keys);
        vectorized(
            #[inline(always)]
            || {
                for row in scores.chunks_exact_mut(n) {
                    let factor = 1.0 / fold_exp(row);
                    row.iter_mut().for_each(|p| *p *= factor);
                }
            },
        );
        here(&self.out, &self.diagonal_blocks(&product(&scores, &cells.values)))
    }

    /// Tokens attend to cells \[cells, dim\], given without and with their positions.
    ///
    /// The bias of the keys shifts all scores of a query alike, so softmax does not see it.
    pub(super) fn to_cells(&self, queries: &[f32], cells: &[f32], placed: &[f32]) -> Vec<f32> {
        let dim = self.q.inputs();
        let mut q = here(&self.q, queries);
        q.iter_mut().for_each(|q| *q *= self.scale());
        let folded = self.fold(&q, &self.k_heads);
        let n_columns = folded.len() / dim;
        let mut scores =
            product(placed, &Packed::transposed(Rows::new(&folded, dim), dim, n_columns));
        let sums = softmax_columns(&mut scores, n_columns);
        let cells = Packed::new(Rows::new(cells, dim), cells.len() / dim, dim);
        let mut mixed = vec![0.0; n_columns * dim];
        multiply_transposed(Rows::new(&scores, n_columns), n_columns, &cells, &mut mixed);
        for (row, sum) in mixed.chunks_exact_mut(dim).zip(sums) {
            row.iter_mut().for_each(|x| *x /= sum);
        }
        here(&self.out, &self.diagonal_blocks(&here(&self.v, &mixed)))
    }

    /// Scores \[cells, T·HEADS\] of shared cells as queries and tokens as keys.
    pub(super) fn shared_cell_scores(&self, tokens: &[f32], cells: &SharedCells) -> Vec<f32> {
        let inner = self.inner();
        let k = self.block_diagonal(&here(&self.k, tokens));
        product(&cells.queries, &Packed::transposed(Rows::new(&k, inner), inner, k.len() / inner))
    }

    /// Scores \[cells, T·HEADS\] of cells `placed` \[cells, dim\] as queries and tokens as keys.
    pub(super) fn cell_scores(&self, tokens: &[f32], placed: &[f32]) -> Vec<f32> {
        let (dim, d) = (self.q.inputs(), self.width());
        let mut k = here(&self.k, tokens);
        k.iter_mut().for_each(|k| *k *= self.scale());
        let folded = self.fold(&k, &self.q_heads);
        let n = folded.len() / dim;
        let mut scores = product(placed, &Packed::transposed(Rows::new(&folded, dim), dim, n));
        let shifts = k.chunks_exact(d).zip(self.q_bias.chunks_exact(d).cycle());
        let shifts: Vec<f32> =
            shifts.map(|(k, b)| k.iter().zip(b).map(|(k, b)| k * b).sum()).collect();
        vectorized(
            #[inline(always)]
            || {
                for row in scores.chunks_exact_mut(n) {
                    row.iter_mut().zip(&shifts).for_each(|(s, shift)| *s += shift);
                }
            },
        );
        scores
    }

    /// cells += what they take from the tokens, given their scores.
    pub(super) fn add_to_cells(&self, mut scores: Vec<f32>, tokens: &[f32], cells: &mut [f32]) {
        let dim = self.q.inputs();
        let n = scores.len() / (cells.len() / dim);
        let values = self.fold(&here(&self.v, tokens), &self.out_heads);
        let values = Packed::new(Rows::new(&values, dim), n, dim);
        let rows = 128;
        let mut update = vec![0.0; rows * dim];
        for (scores, cells) in scores.chunks_mut(rows * n).zip(cells.chunks_mut(rows * dim)) {
            vectorized(
                #[inline(always)]
                || scores.chunks_exact_mut(n).for_each(softmax_over_tokens),
            );
            multiply(Rows::new(scores, n), cells.len() / dim, &values, &mut update, dim);
            vectorized(
                #[inline(always)]
                || {
                    for (cell, update) in cells.chunks_exact_mut(dim).zip(update.chunks_exact(dim))
                    {
                        for ((x, u), b) in cell.iter_mut().zip(update).zip(&self.out_bias) {
                            *x += u + b;
                        }
                    }
                },
            );
        }
    }

    /// x \[T, HEADS·d\] times each head's \[d, dim\]: \[T·HEADS, dim\].
    fn fold(&self, x: &[f32], heads: &[Packed]) -> Vec<f32> {
        let (dim, d, inner) = (self.q.inputs(), self.width(), self.inner());
        let tokens = x.len() / inner;
        let mut folded = vec![0.0; tokens * HEADS * dim];
        for (head, packed) in heads.iter().enumerate() {
            let x = Rows::new(&x[head * d..], inner);
            multiply(x, tokens, packed, &mut folded[head * dim..], HEADS * dim);
        }
        folded
    }

    /// \[T, HEADS·d\] → \[T·HEADS, HEADS·d\], scaled by 1/√d, zero but in the head's own block.
    fn block_diagonal(&self, x: &[f32]) -> Vec<f32> {
        let (d, inner) = (self.width(), self.inner());
        let mut blocks = vec![0.0; x.len() * HEADS];
        for (i, part) in x.chunks_exact(d).enumerate() {
            let out = blocks[i * inner + i % HEADS * d..][..d].iter_mut();
            out.zip(part).for_each(|(o, x)| *o = x * self.scale());
        }
        blocks
    }

    /// \[T·HEADS, HEADS·d\] → \[T, HEADS·d\]: of each row its own head's block.
    fn diagonal_blocks(&self, x: &[f32]) -> Vec<f32> {
        let (d, inner) = (self.width(), self.inner());
        let rows = x.chunks_exact(inner).enumerate();
        rows.flat_map(|(i, row)| &row[i % HEADS * d..][..d]).copied().collect()
    }
}

fn here(linear: &Linear, x: &[f32]) -> Vec<f32> {
    linear.forward_here(x, Activation::None)
}

/// softmax of \[T, HEADS\] over the tokens.
#[inline(always)]
fn softmax_over_tokens(scores: &mut [f32]) {
    let (tokens, _) = scores.as_chunks_mut::<HEADS>();
    let mut top = [f32::NEG_INFINITY; HEADS];
    let mut sum = [0.0; HEADS];
    for token in &*tokens {
        top.iter_mut().zip(token).for_each(|(top, s)| *top = top.max(*s));
    }
    for token in &mut *tokens {
        for head in 0..HEADS {
            token[head] = exp(token[head] - top[head]);
            sum[head] += token[head];
        }
    }
    for token in tokens {
        token.iter_mut().zip(&sum).for_each(|(s, sum)| *s /= sum);
    }
}

/// x ← exp(x - max of its column); returns the sum of every column.
fn softmax_columns(x: &mut [f32], columns: usize) -> Vec<f32> {
    let mut top = vec![f32::NEG_INFINITY; columns];
    let mut sums = vec![0.0; columns];
    vectorized(
        #[inline(always)]
        || {
            for row in x.chunks_exact(columns) {
                top.iter_mut().zip(row).for_each(|(top, x)| *top = top.max(*x));
            }
            for row in x.chunks_exact_mut(columns) {
                for ((x, top), sum) in row.iter_mut().zip(&top).zip(&mut sums) {
                    *x = exp(*x - top);
                    *sum += *x;
                }
            }
        },
    );
    sums
}
