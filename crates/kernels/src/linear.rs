//! Fully connected layers: out = W·x + b, for a batch.
//!
//! The weights are read once for the whole batch, in both directions: for large layers nothing else
//! costs time.

use rayon::prelude::*;

use crate::{Isa, Scalar};

/// Partial sums of a dot product: two vectors of the widest kind.
const LANES: usize = 32;
/// Weights a task should read at least.
const TASK_WEIGHTS: usize = 1 << 15;
/// Most columns of a task of the adjoint, whose sums stay in the first-level cache.
const MAX_COLUMNS: usize = 1024;

/// A matrix of frozen weights \[O, I\].
#[derive(Debug)]
pub struct Linear<T> {
    in_features: usize,
    out_features: usize,
    weights: Vec<T>,
    isa: Isa,
}

impl<T: Scalar> Linear<T> {
    /// Prepares row-major weights \[O, I\].
    ///
    /// # Panics
    /// If the number of weights is not `in_features · out_features`.
    pub fn new(in_features: usize, out_features: usize, weights: Vec<T>) -> Self {
        assert_eq!(weights.len(), in_features * out_features);
        Self { in_features, out_features, weights, isa: Isa::detect() }
    }

    /// `out` [O, N] becomes W·x + bias for `x` [I, N].
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn forward(&self, batch: usize, x: &[T], bias: Option<&[T]>, out: &mut [T]) {
        assert_eq!(x.len(), self.in_features * batch);
        assert_eq!(out.len(), self.out_features * batch);
        assert!(bias.is_none_or(|bias| bias.len() == self.out_features));
        if self.in_features == 0 || out.is_empty() {
            out.chunks_exact_mut(batch.max(1)).enumerate().for_each(|(o, out)| {
                out.fill(bias.map_or(T::ZERO, |bias| bias[o]));
            });
            return;
        }
        let images = transpose(x, batch);
        let n_rows = TASK_WEIGHTS.div_ceil(self.in_features);
        let rows = self.weights.par_chunks(n_rows * self.in_features);
        rows.zip(out.par_chunks_mut(n_rows * batch)).enumerate().for_each(|(task, (rows, out))| {
            self.isa.vectorise(
                #[inline(always)]
                || dots_of_rows(rows, &images, self.in_features, out),
            );
            if let Some(bias) = bias {
                for (out, &bias) in out.chunks_exact_mut(batch).zip(&bias[task * n_rows..]) {
                    for out in out {
                        *out += bias;
                    }
                }
            }
        });
    }

    /// `grad_in` [I, N] becomes (or grows by) Wᵀ·`grad_out` for `grad_out` [O, N].
    ///
    /// # Panics
    /// If a slice has the wrong length.
    pub fn adjoint(&self, batch: usize, grad_out: &[T], grad_in: &mut [T], accumulate: bool) {
        assert_eq!(grad_out.len(), self.out_features * batch);
        assert_eq!(grad_in.len(), self.in_features * batch);
        if grad_in.is_empty() {
            return;
        }
        let fair = self.in_features / (4 * rayon::current_num_threads());
        let n_columns = fair.next_multiple_of(LANES).clamp(2 * LANES, MAX_COLUMNS);
        grad_in.par_chunks_mut(n_columns * batch).enumerate().for_each(|(task, grad_in)| {
            let columns = task * n_columns..task * n_columns + grad_in.len() / batch;
            T::with_scratch(grad_in.len(), |sums| {
                sums.fill(T::ZERO);
                self.isa.vectorise(
                    #[inline(always)]
                    || self.add_rows(columns.clone(), batch, grad_out, sums),
                );
                for (j, grad_in) in grad_in.chunks_exact_mut(batch).enumerate() {
                    for (n, grad_in) in grad_in.iter_mut().enumerate() {
                        let sum = sums[n * columns.len() + j];
                        *grad_in = if accumulate { *grad_in + sum } else { sum };
                    }
                }
            });
        });
    }

    /// `sums` [N, columns] grows by `Σ_o grad_out[o, n] · W[o, columns]`, four rows at a time but
    /// each sum in the order of o.
    #[inline(always)]
    fn add_rows(
        &self,
        columns: std::ops::Range<usize>,
        batch: usize,
        grad_out: &[T],
        sums: &mut [T],
    ) {
        let len = columns.len();
        let row = |o: usize| &self.weights[o * self.in_features + columns.start..][..len];
        let mut o = 0;
        while o + 4 <= self.out_features {
            let rows = [row(o), row(o + 1), row(o + 2), row(o + 3)];
            for n in 0..batch {
                let g: [T; 4] = std::array::from_fn(|k| grad_out[(o + k) * batch + n]);
                let sums = &mut sums[n * len..][..len];
                for j in 0..len {
                    let sum = sums[j] + g[0] * rows[0][j] + g[1] * rows[1][j];
                    sums[j] = sum + g[2] * rows[2][j] + g[3] * rows[3][j];
                }
            }
            o += 4;
        }
        for o in o..self.out_features {
            for n in 0..batch {
                let g = grad_out[o * batch + n];
                let sums = sums[n * len..][..len].iter_mut();
                sums.zip(row(o)).for_each(|(sum, &weight)| *sum += g * weight);
            }
        }
    }
}

/// [I, N] to [N, I].
fn transpose<T: Scalar>(x: &[T], batch: usize) -> Vec<T> {
    if batch == 1 {
        return x.to_vec();
    }
    (0..batch).flat_map(|n| x.iter().skip(n).step_by(batch).copied()).collect()
}

/// `out` [rows, N] becomes the dot product of every row with every image [N, len].
#[inline(always)]
fn dots_of_rows<T: Scalar>(rows: &[T], images: &[T], len: usize, out: &mut [T]) {
    let batch = images.len() / len;
    for (row, out) in rows.chunks_exact(len).zip(out.chunks_exact_mut(batch)) {
        let image = |n: usize| &images[n * len..][..len];
        let mut n = 0;
        while n + 4 <= batch {
            let sums = dots(row, [image(n), image(n + 1), image(n + 2), image(n + 3)]);
            out[n..n + 4].copy_from_slice(&sums);
            n += 4;
        }
        for n in n..batch {
            [out[n]] = dots(row, [image(n)]);
        }
    }
}

/// Dot products of one row with several vectors, each summed in the same order however many.
#[inline(always)]
fn dots<T: Scalar, const N: usize>(row: &[T], images: [&[T]; N]) -> [T; N] {
    let mut sums = [[T::ZERO; LANES]; N];
    let (chunks, tail) = row.as_chunks::<LANES>();
    for (at, weights) in chunks.iter().enumerate() {
        for n in 0..N {
            let x = &images[n][at * LANES..][..LANES];
            for lane in 0..LANES {
                sums[n][lane] += weights[lane] * x[lane];
            }
        }
    }
    for n in 0..N {
        let x = &images[n][row.len() - tail.len()..];
        sums[n].iter_mut().zip(tail).zip(x).for_each(|((sum, &w), &x)| *sum += w * x);
    }
    sums.map(fold)
}

/// Sum of partial sums, pairwise.
#[inline(always)]
pub(crate) fn fold<T: Scalar>(mut sums: [T; LANES]) -> T {
    let mut len = LANES;
    while len > 1 {
        len /= 2;
        for i in 0..len {
            sums[i] += sums[i + len];
        }
    }
    sums[0]
}

/// Σ x·y with the partial sums of every dot product here.
#[inline(always)]
pub(crate) fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    let [sum] = dots(x, [y]);
    sum
}
