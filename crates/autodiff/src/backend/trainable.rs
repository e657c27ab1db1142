//! What a device must compute for training, beside the sweeps.

use std::sync::Arc;

use super::Backend;
use crate::Result;

/// A device on which weights can be trained.
///
/// Statistics are per channel, over the batch and all pixels.
pub trait Trainable: Backend {
    /// Mean and biased variance of each channel.
    fn channel_moments(&self, x: &Self::Tensor) -> Result<Vec<[f64; 2]>>;
    /// Σ grad and Σ grad·(x - mean) of each channel.
    fn channel_products(
        &self,
        grad: &Self::Tensor,
        x: &Self::Tensor,
        means: &[f64],
    ) -> Result<Vec<[f64; 2]>>;
    /// `a[c]·grad + b[c]·x + c[c]`, reusing the gradient where nobody else holds it.
    fn channel_combine(
        &self,
        grad: Arc<Self::Tensor>,
        x: &Self::Tensor,
        factors: [&[f64]; 3],
    ) -> Result<Self::Tensor>;
    /// Gradient with respect to the weights \[O, I/groups, kh, kw\] of a convolution of `x`.
    fn conv2d_weight_gradient(
        &self,
        conv: &Self::Conv2d,
        x: &Self::Tensor,
        grad: &Self::Tensor,
    ) -> Result<Vec<Self::Scalar>>;
    /// Gradient with respect to the matrix \[O, I\] of a fully connected layer of `x`.
    fn linear_weight_gradient(
        &self,
        x: &Self::Tensor,
        grad: &Self::Tensor,
    ) -> Result<Vec<Self::Scalar>>;
}
