//! Fully connected layers: out = W·x + b, for a batch.

use crate::Scalar;

/// A matrix of frozen weights \[O, I\].
#[derive(Debug)]
pub struct Linear<T> {
    in_features: usize,
    out_features: usize,
    weights: Vec<T>,
}

impl<T: Scalar> Linear<T> {
    /// Prepares row-major weights \[O, I\].
    ///
    /// # Panics
    /// If the number of weights is not `in_features · out_features`.
    pub fn new(in_features: usize, out_features: usize, weights: Vec<T>) -> Self {
        assert_eq!(weights.len(), in_features * out_features);
        Self { in_features, out_features, weights }
    }

    /// `out` [O, N] becomes W·x + bias for `x` [I, N].
    pub fn forward(&self, batch: usize, x: &[T], bias: Option<&[T]>, out: &mut [T]) {
        for o in 0..self.out_features {
            for n in 0..batch {
                let row = &self.weights[o * self.in_features..][..self.in_features];
                let sum: T = row.iter().enumerate().map(|(i, &w)| w * x[i * batch + n]).sum();
                out[o * batch + n] = sum + bias.map_or(T::ZERO, |bias| bias[o]);
            }
        }
    }

    /// `grad_in` [I, N] becomes (or grows by) Wᵀ·`grad_out` for `grad_out` [O, N].
    pub fn adjoint(&self, batch: usize, grad_out: &[T], grad_in: &mut [T], accumulate: bool) {
        if !accumulate {
            grad_in.fill(T::ZERO);
        }
        for o in 0..self.out_features {
            for i in 0..self.in_features {
                for n in 0..batch {
                    grad_in[i * batch + n] +=
                        self.weights[o * self.in_features + i] * grad_out[o * batch + n];
                }
            }
        }
    }
}
