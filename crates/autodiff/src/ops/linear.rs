//! Linear ops y = A·x + b: convolution, fully connected, batch norm, average pooling, sum,
//! concatenation, flattening, channel padding.
//!
//! Value: A·x + b. Tangent: A·ẋ. Adjoint: Aᵀ·λ. Adjoint-tangent: Aᵀ·λ̇.

use std::sync::Arc;

use hsets_core::Shape;

use crate::backend::Backend;
use crate::plan::Step;
use crate::{Error, Result};

/// A·x, plus b if `affine`.
pub(crate) fn forward<B: Backend>(
    backend: &B,
    step: &Step<B>,
    out_shape: Shape,
    mut inputs: Vec<Arc<B::Tensor>>,
    affine: bool,
) -> Result<B::Tensor> {
    let x = inputs.remove(0);
    match step {
        Step::Conv2d { conv, bias } => backend.conv2d(conv, &x, bias.as_ref().filter(|_| affine)),
        Step::Linear { matrix, bias } => {
            backend.linear(matrix, &x, bias.as_ref().filter(|_| affine))
        }
        Step::ChannelAffine { scale, shift } => {
            backend.channel_affine(&parts(&x, &inputs), scale, affine.then_some(shift), None)
        }
        Step::AvgPool2d(spec) => backend.avg_pool2d(spec, &x),
        Step::AdaptiveAvgPool2d(size) => backend.adaptive_avg_pool2d(*size, &x),
        Step::Add => backend.add(x, &inputs[0]),
        Step::Concat => backend.concat(&parts(&x, &inputs)),
        Step::Flatten => backend.reshape(x, out_shape),
        Step::PadChannels { before, after } => backend.pad_channels(&x, *before, *after),
        Step::Input | Step::Activation(_) | Step::MaxPool2d(_) | Step::Multiply => {
            Err(Error::Unsupported("not a linear op".into()))
        }
    }
}

fn parts<'a, T>(first: &'a Arc<T>, others: &'a [Arc<T>]) -> Vec<&'a T> {
    std::iter::once(first).chain(others).map(AsRef::as_ref).collect()
}

/// Aᵀ·λ for the input number `which` of shape `in_shape`, added to `into`. `first_channel` is
/// where that input begins in a concatenation.
pub(crate) fn adjoint<B: Backend>(
    backend: &B,
    step: &Step<B>,
    grad: &B::Tensor,
    in_shape: Shape,
    first_channel: usize,
    into: Option<B::Tensor>,
) -> Result<B::Tensor> {
    match step {
        Step::Conv2d { conv, .. } => backend.conv2d_adjoint(conv, grad, in_shape, into),
        Step::Linear { matrix, .. } => backend.linear_adjoint(matrix, grad, into),
        Step::ChannelAffine { scale, .. } => {
            backend.channel_affine_adjoint(grad, scale, first_channel, in_shape.channels, into)
        }
        Step::AvgPool2d(spec) => backend.avg_pool2d_adjoint(spec, grad, in_shape, into),
        Step::AdaptiveAvgPool2d(_) => backend.adaptive_avg_pool2d_adjoint(grad, in_shape, into),
        Step::Concat => backend.channels(grad, first_channel, in_shape.channels, into),
        Step::PadChannels { before, .. } => {
            backend.channels(grad, *before, in_shape.channels, into)
        }
        Step::Add
        | Step::Flatten
        | Step::Input
        | Step::Activation(_)
        | Step::MaxPool2d(_)
        | Step::Multiply => Err(Error::Unsupported("not a linear op of its own adjoint".into())),
    }
}
