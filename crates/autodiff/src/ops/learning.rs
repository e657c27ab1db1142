//! What training adds to the sweeps: batch norms over the batch, and where gradients with respect to
//! parameters go.
//!
//! | op | gradients |
//! |---|---|
//! | convolution, fully connected | λ_w = Σ λ_y ⊗ x over batch and pixels, λ_b = Σ λ_y |
//! | batch norm, x̂ = (x - μ)/σ | λ_γ = Σ λ_y·x̂, λ_β = Σ λ_y, λ_x = γ/σ·(λ_y - λ_β/M - x̂·λ_γ/M) |
//! | source | Σ λ over the batch |
//!
//! with M the numbers of a channel. With frozen statistics μ and σ do not depend on x, and
//! λ_x = γ/σ·λ_y.

use std::sync::Arc;

use hsets_kernels::Scalar;

use super::linear::Linear;
use crate::backend::Backend;
use crate::{ParameterId, Result};

/// Whose mean and variance batch norms use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// Those of the batch; they are given back, to update the running ones.
    Batch,
    /// The running ones, which stay as they are.
    Frozen,
}

/// Statistics of a batch at one batch norm.
#[derive(Debug, Clone)]
pub struct Moments {
    /// The running mean that they update.
    pub running_mean: ParameterId,
    /// The running variance that they update.
    pub running_variance: ParameterId,
    /// Mean and biased variance of each channel.
    pub of_channels: Vec<[f64; 2]>,
    /// Numbers of a channel: batch · pixels.
    pub n: usize,
}

/// What the way back through a batch norm needs.
pub(crate) struct Normed<B: Backend> {
    x: Arc<B::Tensor>,
    means: Vec<f64>,
    inverse_deviations: Vec<f64>,
}

/// Parameters of one pass of training, and what it leaves.
pub(crate) struct Learning<'a, B: Backend> {
    pub(crate) backend: &'a B,
    pub(crate) norms: Norms,
    pub(crate) values: &'a [Vec<B::Scalar>],
    /// Which parameters are trained.
    pub(crate) trained: &'a [bool],
    pub(crate) gradients: Vec<Option<Vec<B::Scalar>>>,
    pub(crate) moments: Vec<Moments>,
}

impl<B: Backend> Learning<'_, B> {
    /// y of a batch norm.
    pub(crate) fn normalize(
        &mut self,
        parameters: &[ParameterId; 4],
        eps: f64,
        x: Arc<B::Tensor>,
    ) -> Result<(B::Tensor, Normed<B>)> {
        let backend = self.backend;
        let [weight, bias, running_mean, running_variance] = *parameters;
        let of_channels = match self.norms {
            Norms::Frozen => {
                let running = self.wide(running_mean).into_iter().zip(self.wide(running_variance));
                running.map(|(mean, variance)| [mean, variance]).collect()
            }
            Norms::Batch => backend.channel_moments(&x)?,
        };
        let means: Vec<f64> = of_channels.iter().map(|[mean, _]| *mean).collect();
        let inverse_deviations: Vec<f64> =
            of_channels.iter().map(|[_, variance]| (variance + eps).sqrt().recip()).collect();
        let scale: Vec<f64> = pairwise(&self.wide(weight), &inverse_deviations, |w, d| w * d);
        let shift =
            pairwise(&self.wide(bias), &pairwise(&means, &scale, |m, s| m * s), |b, m| b - m);
        let (scale, shift) = (backend.prepare_vector(&scale)?, backend.prepare_vector(&shift)?);
        let y = backend.channel_affine(&[x.as_ref()], &scale, Some(&shift), None)?;
        if self.norms == Norms::Batch {
            let n = self.channel_len(&x);
            self.moments.push(Moments { running_mean, running_variance, of_channels, n });
        }
        Ok((y, Normed { x, means, inverse_deviations }))
    }

    /// λ_x of a batch norm; leaves λ_γ and λ_β.
    pub(crate) fn normalize_adjoint(
        &mut self,
        parameters: &[ParameterId; 4],
        normed: &Normed<B>,
        grad: Arc<B::Tensor>,
    ) -> Result<B::Tensor> {
        let (backend, [weight, bias, ..]) = (self.backend, *parameters);
        let Normed { x, means, inverse_deviations } = normed;
        let sums = backend.channel_products(&grad, x, means)?;
        let with_x_hat = sums.iter().zip(inverse_deviations).map(|([_, product], d)| product * d);
        let with_x_hat: Vec<f64> = with_x_hat.collect();
        self.leave(weight, || Ok(narrow(with_x_hat.iter().copied())))?;
        self.leave(bias, || Ok(narrow(sums.iter().map(|[sum, _]| *sum))))?;
        let scale = pairwise(&self.wide(weight), inverse_deviations, |w, d| w * d);
        if self.norms == Norms::Frozen {
            let scale = backend.prepare_vector(&scale)?;
            return backend.channel_affine(&[grad.as_ref()], &scale, None, None);
        }
        // γ/σ·(λ_y - λ_β/M - x̂·λ_γ/M) as a·λ_y + b·x + c
        let n = self.channel_len(x) as f64;
        let slopes: Vec<f64> = (0..scale.len())
            .map(|c| -scale[c] * inverse_deviations[c] * with_x_hat[c] / n)
            .collect();
        let shifts: Vec<f64> =
            (0..scale.len()).map(|c| -scale[c] * sums[c][0] / n - slopes[c] * means[c]).collect();
        backend.channel_combine(grad, x, [&scale, &slopes, &shifts])
    }

    /// Leaves the gradients of a linear op's weights and bias.
    pub(crate) fn weights(
        &mut self,
        linear: &Linear<B>,
        (weight, bias): (ParameterId, Option<ParameterId>),
        x: &B::Tensor,
        grad: &B::Tensor,
    ) -> Result<()> {
        let backend = self.backend;
        match linear {
            Linear::Conv2d { conv, .. } => {
                self.leave(weight, || backend.conv2d_weight_gradient(conv, x, grad))?;
            }
            Linear::ConvTranspose2d { conv } => {
                // The convolution whose adjoint it is takes λ_y to x's shape.
                self.leave(weight, || backend.conv2d_weight_gradient(conv, grad, x))?;
            }
            Linear::Dense { .. } => {
                self.leave(weight, || backend.linear_weight_gradient(x, grad))?;
            }
            Linear::ChannelAffine { .. }
            | Linear::AvgPool2d(_)
            | Linear::AdaptiveAvgPool2d(_)
            | Linear::Add
            | Linear::Scale(_)
            | Linear::Sum
            | Linear::Broadcast
            | Linear::Concat { .. }
            | Linear::Slice(_)
            | Linear::Pad(_)
            | Linear::Gather { .. }
            | Linear::Permute(_)
            | Linear::Reshape => {}
        }
        let Some(bias) = bias else { return Ok(()) };
        self.leave(bias, || {
            let zeros = vec![0.0; backend.dims(grad).sizes()[0]];
            let sums = backend.channel_products(grad, grad, &zeros)?;
            Ok(narrow(sums.iter().map(|[sum, _]| *sum)))
        })
    }

    /// Leaves the gradient of a parameter that is a source.
    pub(crate) fn source(&mut self, id: ParameterId, grad: &B::Tensor) -> Result<()> {
        let backend = self.backend;
        self.leave(id, || {
            let sum = backend.sum_to(grad, (backend.dims(grad), 1), None)?;
            Ok(backend.download(&sum)?.remove(0))
        })
    }

    /// Keeps a gradient, if it is of something trained.
    fn leave(
        &mut self,
        id: ParameterId,
        gradient: impl FnOnce() -> Result<Vec<B::Scalar>>,
    ) -> Result<()> {
        if self.trained[id.0] {
            self.gradients[id.0] = Some(gradient()?);
        }
        Ok(())
    }

    /// Numbers of a channel: batch · pixels.
    fn channel_len(&self, x: &B::Tensor) -> usize {
        self.backend.batch(x) * self.backend.dims(x).plane()
    }

    fn wide(&self, id: ParameterId) -> Vec<f64> {
        self.values[id.0].iter().map(|value| value.to_f64()).collect()
    }
}

fn pairwise(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

fn narrow<T: Scalar>(values: impl Iterator<Item = f64>) -> Vec<T> {
    values.map(T::from_f64).collect()
}
