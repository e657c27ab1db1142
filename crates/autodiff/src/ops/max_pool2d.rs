//! Max pooling: y[i] = x[argmax of window i].
//!
//! The choice of the maximum is locally constant, so the op is linear around the point: the tangent
//! gathers what was chosen, the adjoint scatters back to it, and there is no second derivative.

use std::sync::Arc;

use hsets_core::Shape;

use crate::Result;
use crate::backend::Backend;

/// ẏ.
pub(crate) fn tangent<B: Backend>(
    backend: &B,
    indices: &B::Indices,
    x_dot: &B::Tensor,
) -> Result<B::Tensor> {
    backend.gather(x_dot, indices)
}

/// λ_x from λ_y, added to `into`; also λ̇_x from λ̇_y.
pub(crate) fn adjoint<B: Backend>(
    backend: &B,
    indices: &B::Indices,
    grad: &Arc<B::Tensor>,
    in_shape: Shape,
    into: Option<B::Tensor>,
) -> Result<B::Tensor> {
    backend.scatter(grad, indices, in_shape, into)
}
