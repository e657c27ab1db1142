//! Maps of whole lines along an axis, y = L(x): softmax and normalisation, whose Jacobian J is
//! symmetric. The formulas stand in [`hsets_kernels::LineMap`].

use std::sync::Arc;

use hsets_kernels::{LineMap, Window};

use crate::Result;
use crate::backend::{Backend, LineValues, WindowOps};

/// y and what goes with it, and after the adjoint sweep λ.
pub(crate) struct Saved<B: Backend> {
    values: LineValues<B::Tensor>,
    grad: Option<Arc<B::Tensor>>,
}

impl<B: Backend> Saved<B> {
    /// The map in a window, where lines are those of pixels.
    pub(crate) fn in_window(
        &self,
        ops: &dyn WindowOps<B>,
        window: Window,
    ) -> Result<LineValues<B::Tensor>> {
        let y = Arc::new(ops.crop(&self.values.y, window)?);
        let r = self.values.r.as_ref().map(|r| ops.crop(r, window)).transpose()?;
        Ok(LineValues { y, r })
    }
}

/// Which map, and along which axis.
pub(crate) type Kind = (LineMap, usize);

/// y, and what the other sweeps need.
pub(crate) fn value<B: Backend>(
    backend: &B,
    kind: Kind,
    x: &B::Tensor,
) -> Result<(Arc<B::Tensor>, Saved<B>)> {
    let values = backend.lines(kind, x)?;
    Ok((Arc::clone(&values.y), Saved { values, grad: None }))
}

/// ẏ = J·ẋ.
pub(crate) fn tangent<B: Backend>(
    backend: &B,
    kind: Kind,
    saved: &Saved<B>,
    x_dot: &B::Tensor,
) -> Result<B::Tensor> {
    backend.lines_jacobian(kind, &saved.values, x_dot, None)
}

/// λ_x = J·λ, added to `into`; keeps λ if `second`.
pub(crate) fn adjoint<B: Backend>(
    backend: &B,
    kind: Kind,
    saved: &mut Saved<B>,
    grad: &Arc<B::Tensor>,
    second: bool,
    into: Option<B::Tensor>,
) -> Result<B::Tensor> {
    saved.grad = second.then(|| Arc::clone(grad));
    backend.lines_jacobian(kind, &saved.values, grad, into)
}

/// λ̇_x = J·λ̇ + J̇·λ; `grad_dot` is λ̇, `None` for zero.
pub(crate) fn adjoint_tangent<B: Backend>(
    backend: &B,
    kind: Kind,
    saved: &Saved<B>,
    x_dot: &B::Tensor,
    grad_dot: Option<&B::Tensor>,
) -> Result<Option<B::Tensor>> {
    match (&saved.grad, grad_dot) {
        (Some(grad), _) => {
            backend.lines_second(kind, &saved.values, x_dot, (grad, grad_dot)).map(Some)
        }
        (None, Some(grad_dot)) => {
            backend.lines_jacobian(kind, &saved.values, grad_dot, None).map(Some)
        }
        (None, None) => Ok(None),
    }
}
