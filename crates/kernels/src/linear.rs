//! Fully connected layers: out = W·x + b, for a batch.
//!
//! The weights are read once for the whole batch, in both directions: for large layers nothing else
//! costs time.

use rayon::prelude::*;

use crate::matvec::{ROWS, VECTORS, add_multiples, products};
use crate::{Isa, Scalar};

/// Two vectors of the widest kind.
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
        Self::with_isa([in_features, out_features], weights, Isa::detect())
    }

    /// As [`Linear::new`], for given vector instructions.
    ///
    /// # Panics
    /// If the number of weights does not fit or this machine lacks the instructions.
    pub fn with_isa([in_features, out_features]: [usize; 2], weights: Vec<T>, isa: Isa) -> Self {
        assert_eq!(weights.len(), in_features * out_features);
        assert!(isa <= Isa::detect(), "{isa:?} is not available on this machine");
        Self { in_features, out_features, weights, isa }
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
        let n_rows = TASK_WEIGHTS.div_ceil(self.in_features).next_multiple_of(ROWS);
        let rows = self.weights.par_chunks(n_rows * self.in_features);
        rows.zip(out.par_chunks_mut(n_rows * batch)).enumerate().for_each(|(task, (rows, out))| {
            let groups = rows.chunks(ROWS * self.in_features);
            for (rows, out) in groups.zip(out.chunks_mut(ROWS * batch)) {
                self.products(rows, &images, batch, out);
            }
            if let Some(bias) = bias {
                for (out, &bias) in out.chunks_exact_mut(batch).zip(&bias[task * n_rows..]) {
                    out.iter_mut().for_each(|out| *out += bias);
                }
            }
        });
    }

    /// `out` [R, N] becomes the products of at most [`ROWS`] rows with all images [N, I].
    fn products(&self, rows: &[T], images: &[T], batch: usize, out: &mut [T]) {
        let mut few = [T::ZERO; ROWS * VECTORS];
        for (i, images) in images.chunks(VECTORS * self.in_features).enumerate() {
            let n = images.len() / self.in_features;
            let few = &mut few[..rows.len() / self.in_features * n];
            products(self.isa, self.in_features, rows, images, few);
            for (out, few) in out.chunks_exact_mut(batch).zip(few.chunks_exact(n)) {
                out[i * VECTORS..][..n].copy_from_slice(few);
            }
        }
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
        let factors = transpose(grad_out, batch);
        // Rows that meet zeros alone, half of them behind a ReLU, are not read.
        let counts = |&o: &usize| grad_out[o * batch..][..batch].iter().any(|&g| g != T::ZERO);
        let rows: Vec<usize> = (0..self.out_features).filter(counts).collect();
        let runs = || rows.chunk_by(|&a, &b| a + 1 == b).flat_map(|run| run.chunks(ROWS));
        let fair = self.in_features / (4 * rayon::current_num_threads());
        let n_columns = fair.next_multiple_of(LANES).clamp(2 * LANES, MAX_COLUMNS);
        grad_in.par_chunks_mut(n_columns * batch).enumerate().for_each(|(task, grad_in)| {
            let (first, columns) = (task * n_columns, grad_in.len() / batch);
            T::with_scratch(grad_in.len(), |sums| {
                sums.fill(T::ZERO);
                for run in runs() {
                    let o = run[0];
                    let rows = (&self.weights[o * self.in_features + first..], self.in_features);
                    let factors = (&factors[o..], self.out_features);
                    add_multiples(self.isa, run.len(), columns, rows, factors, sums);
                }
                for (j, grad_in) in grad_in.chunks_exact_mut(batch).enumerate() {
                    for (n, grad_in) in grad_in.iter_mut().enumerate() {
                        let sum = sums[n * columns + j];
                        *grad_in = if accumulate { *grad_in + sum } else { sum };
                    }
                }
            });
        });
    }
}

/// [I, N] to [N, I].
fn transpose<T: Scalar>(x: &[T], batch: usize) -> Vec<T> {
    if batch == 1 {
        return x.to_vec();
    }
    (0..batch).flat_map(|n| x.iter().skip(n).step_by(batch).copied()).collect()
}
