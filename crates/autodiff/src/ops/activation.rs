//! Activations y = φ(z), elementwise.
//!
//! | sweep | rule |
//! |---|---|
//! | value | y = φ(z) |
//! | tangent | ẏ = φ'(z)·ż |
//! | adjoint | λ_z = φ'(z)·λ_y |
//! | adjoint-tangent | λ̇_z = φ'(z)·λ̇_y + φ''(z)·λ_y·ż |
//!
//! φ' and φ'' may be smoothed stand-ins ([`hsets_core::Smoothing`]). φ''(z)·λ_y is the same for
//! every tangent of a linearisation, so the adjoint sweep stores it.

use std::sync::Arc;

use hsets_kernels::Curve;

use crate::Result;
use crate::backend::Backend;

/// Derivatives at the point of linearisation.
pub(crate) struct Saved<B: Backend> {
    /// φ'(z).
    slopes: B::Tensor,
    /// φ''(z), and after the adjoint sweep φ''(z)·λ_y.
    bends: Option<B::Tensor>,
}

/// y, and φ' (and φ'' if `second`).
pub(crate) fn value<B: Backend>(
    backend: &B,
    curve: Curve,
    z: Arc<B::Tensor>,
    second: bool,
) -> Result<(B::Tensor, Saved<B>)> {
    let (slopes, bends) = backend.curve_slopes(curve, &z, second)?;
    Ok((backend.curve(curve, z)?, Saved { slopes, bends }))
}

/// ẏ.
pub(crate) fn tangent<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    z_dot: &B::Tensor,
) -> Result<B::Tensor> {
    backend.multiply(z_dot, &saved.slopes, None)
}

/// λ_z; turns the stored φ'' into φ''·λ_y.
pub(crate) fn adjoint<B: Backend>(
    backend: &B,
    saved: &mut Saved<B>,
    grad: &B::Tensor,
) -> Result<B::Tensor> {
    if let Some(bends) = saved.bends.take() {
        saved.bends = Some(backend.multiply(&bends, grad, None)?);
    }
    backend.multiply(grad, &saved.slopes, None)
}

/// λ̇_z; `grad_dot` is λ̇_y, `None` for zero.
pub(crate) fn adjoint_tangent<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    z_dot: &B::Tensor,
    grad_dot: Option<&B::Tensor>,
) -> Result<Option<B::Tensor>> {
    let through = grad_dot.map(|grad| backend.multiply(grad, &saved.slopes, None)).transpose()?;
    match &saved.bends {
        Some(bends) => backend.multiply(z_dot, bends, through).map(Some),
        None => Ok(through),
    }
}
