//! Choices: max pooling and maxima along an axis, y[i] = x[argmax].
//!
//! The choice of the maximum is locally constant, so the op is linear around the point: the tangent
//! gathers what was chosen, the adjoint scatters back to it, and there is no second derivative.

use hsets_kernels::Pool2dSpec;

use crate::backend::Backend;
use crate::{Dims, Result};

/// What is chosen from.
#[derive(Debug, Clone)]
pub(crate) enum Choice {
    MaxPool2d(Pool2dSpec),
    Max { axis: usize },
}

/// What was chosen.
pub(crate) enum Saved<B: Backend> {
    Indices(B::Indices),
    /// 1 where x was chosen, else 0.
    Mask(B::Tensor),
}

impl Choice {
    /// y, and what was chosen.
    pub(crate) fn value<B: Backend>(
        &self,
        backend: &B,
        x: &B::Tensor,
        of: (Dims, usize),
    ) -> Result<(B::Tensor, Saved<B>)> {
        match self {
            Self::MaxPool2d(spec) => {
                let (y, indices) = backend.max_pool2d(spec, x)?;
                Ok((y, Saved::Indices(indices)))
            }
            Self::Max { axis } => {
                let mask = backend.max_mask(x, *axis)?;
                Ok((backend.product(x, &mask, of, None)?, Saved::Mask(mask)))
            }
        }
    }
}

/// ẏ.
pub(crate) fn tangent<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    x_dot: &B::Tensor,
    of: (Dims, usize),
) -> Result<B::Tensor> {
    match saved {
        Saved::Indices(indices) => backend.gather(x_dot, indices),
        Saved::Mask(mask) => backend.product(x_dot, mask, of, None),
    }
}

/// λ_x from λ_y, added to `into`; also λ̇_x from λ̇_y.
pub(crate) fn adjoint<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    grad: &B::Tensor,
    (dims, batch): (Dims, usize),
    into: Option<B::Tensor>,
) -> Result<B::Tensor> {
    match saved {
        Saved::Indices(indices) => backend.scatter(grad, indices, dims.image(), into),
        Saved::Mask(mask) => backend.product(mask, grad, (dims, batch), into),
    }
}
