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

use super::linear::Linear;
use super::{Order, Step};
use crate::backend::{Backend, Patch};
use crate::{Dims, Error, Result};

/// What the sweeps need of the point of linearisation.
pub(crate) enum Saved<B: Backend> {
    /// y, where it tells φ' and there is no φ''.
    Output { curve: Curve, y: Arc<B::Tensor> },
    /// φ'(z), and φ''(z) for second derivatives, after the adjoint sweep φ''(z)·λ_y.
    Slopes { slopes: B::Tensor, bends: Option<B::Tensor> },
}

/// y, and what the other sweeps need (φ'' only if `second`).
pub(crate) fn value<B: Backend>(
    backend: &B,
    curve: Curve,
    z: Arc<B::Tensor>,
    second: bool,
) -> Result<(Arc<B::Tensor>, Saved<B>)> {
    if !second && curve.output_tells_slope() {
        let y = Arc::new(backend.curve(curve, z)?);
        return Ok((Arc::clone(&y), Saved::Output { curve, y }));
    }
    let (slopes, bends) = backend.curve_slopes(curve, &z, second)?;
    Ok((Arc::new(backend.curve(curve, z)?), Saved::Slopes { slopes, bends }))
}

/// y of an activation right behind a batch norm or a sum, in one pass over memory, and what the
/// adjoint sweep needs; for curves where y tells φ', or without derivatives.
pub(crate) fn behind<B: Backend>(
    backend: &B,
    step: &Step<B>,
    mut inputs: Vec<Arc<B::Tensor>>,
    curve: Curve,
    order: Order,
) -> Result<(Arc<B::Tensor>, super::Saved<B>)> {
    let y = match (step, inputs.len()) {
        (Step::Linear(Linear::ChannelAffine { scale, shift }), _) => {
            let parts: Vec<&B::Tensor> = inputs.iter().map(AsRef::as_ref).collect();
            backend.channel_affine(&parts, scale, Some(shift), Some(curve))?
        }
        (Step::Linear(Linear::Add), 2) => {
            let b = inputs.remove(1);
            backend.add_curve(inputs.remove(0), b, curve)?
        }
        _ => return Err(Error::Unsupported("an activation that does not run with this op".into())),
    };
    let y = Arc::new(y);
    let saved = match order {
        Order::Zero => super::Saved::Nothing,
        _ => super::Saved::Curve(Saved::Output { curve, y: Arc::clone(&y) }),
    };
    Ok((y, saved))
}

/// ẏ.
pub(crate) fn tangent<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    z_dot: &Arc<B::Tensor>,
) -> Result<B::Tensor> {
    match saved {
        Saved::Output { curve, y } => backend.curve_adjoint_by_output(*curve, y, Arc::clone(z_dot)),
        Saved::Slopes { slopes, .. } => backend.multiply(z_dot, slopes, None),
    }
}

/// λ_z; turns the stored φ'' into φ''·λ_y.
pub(crate) fn adjoint<B: Backend>(
    backend: &B,
    saved: &mut Saved<B>,
    grad: Arc<B::Tensor>,
) -> Result<B::Tensor> {
    match saved {
        Saved::Output { curve, y } => backend.curve_adjoint_by_output(*curve, y, grad),
        Saved::Slopes { slopes, bends } => {
            if let Some(bend) = bends.take() {
                *bends = Some(backend.multiply_owned(Arc::new(bend), &grad)?);
            }
            backend.multiply_owned(grad, slopes)
        }
    }
}

/// λ̇_z for a ż that is zero outside windows; `grad_dot` is λ̇_y, `None` for zero.
pub(crate) fn adjoint_tangent_in_windows<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    dims: Dims,
    patches: &[Patch<B>],
    grad_dot: Option<Arc<B::Tensor>>,
) -> Result<Option<B::Tensor>> {
    match (saved, backend.window_ops(), grad_dot) {
        (Saved::Slopes { slopes, .. }, _, Some(grad_dot)) => {
            let through = backend.multiply_owned(grad_dot, slopes)?;
            add_bends(backend, saved, patches, through).map(Some)
        }
        (_, Some(ops), grad_dot) => {
            let z_dot = Arc::new(ops.embed(dims.image(), patches)?);
            adjoint_tangent(backend, saved, z_dot, grad_dot)
        }
        (_, None, _) => Err(Error::Unsupported("windows on this device".into())),
    }
}

/// φ''(z)·λ_y·ż for a ż that is zero outside windows, added to `through` = φ'(z)·λ̇_y.
pub(crate) fn add_bends<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    patches: &[Patch<B>],
    through: B::Tensor,
) -> Result<B::Tensor> {
    match (saved, backend.window_ops()) {
        (Saved::Slopes { bends: Some(bends), .. }, Some(ops)) => {
            ops.add_product(through, bends, patches)
        }
        _ => Ok(through),
    }
}

/// λ̇_z; `grad_dot` is λ̇_y, `None` for zero.
pub(crate) fn adjoint_tangent<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    z_dot: Arc<B::Tensor>,
    grad_dot: Option<Arc<B::Tensor>>,
) -> Result<Option<B::Tensor>> {
    let (slopes, bends) = match saved {
        Saved::Output { curve, y } => {
            let through = grad_dot.map(|grad| backend.curve_adjoint_by_output(*curve, y, grad));
            return through.transpose();
        }
        Saved::Slopes { slopes, bends } => (slopes, bends),
    };
    let through = grad_dot.map(|grad| backend.multiply_owned(grad, slopes)).transpose()?;
    match (bends, through) {
        (Some(bends), Some(through)) => backend.multiply(&z_dot, bends, Some(through)).map(Some),
        (Some(bends), None) => backend.multiply_owned(z_dot, bends).map(Some),
        (None, through) => Ok(through),
    }
}
