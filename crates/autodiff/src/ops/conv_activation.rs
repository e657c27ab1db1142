//! Convolution and activation in one pass over memory.
//!
//! The rules are those of [`super::linear`] and [`super::activation`]: y = φ(A·x + b),
//! ẏ = φ'·(A·ẋ), and on the way back the activation *before* a convolution:
//! λ_z = φ'·(Aᵀ·λ), λ̇_z = φ'·(Aᵀ·λ̇) + φ''·λ_y·ż.

use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::Curve;

use super::Order;
use super::activation::Saved;
use crate::Result;
use crate::backend::{Backend, Through};

/// y, and what the other sweeps need.
pub(crate) fn value<B: Backend>(
    backend: &B,
    (conv, bias): (&B::Conv2d, Option<&B::Vector>),
    x: &B::Tensor,
    curve: Curve,
    order: Order,
) -> Result<(Arc<B::Tensor>, super::Saved<B>)> {
    let by_output = curve.output_tells_slope();
    let derivatives = match order {
        Order::Zero => 0,
        Order::First if by_output => 0,
        Order::First => 1,
        Order::Second => 2,
    };
    let (y, slopes, bends) = backend.conv2d_curve(conv, x, bias, curve, derivatives)?;
    let y = Arc::new(y);
    let saved = match slopes {
        Some(slopes) => super::Saved::Curve(Saved::Slopes { slopes, bends }),
        None if order == Order::First => {
            super::Saved::Curve(Saved::Output { curve, y: Arc::clone(&y) })
        }
        None => super::Saved::Nothing,
    };
    Ok((y, saved))
}

/// ẏ and ż.
pub(crate) fn tangent<B: Backend>(
    backend: &B,
    conv: &B::Conv2d,
    saved: &Saved<B>,
    x_dot: &B::Tensor,
) -> Result<(B::Tensor, Arc<B::Tensor>)> {
    match saved {
        Saved::Slopes { slopes, .. } => {
            let (y_dot, z_dot) = backend.conv2d_scaled(conv, x_dot, slopes)?;
            Ok((y_dot, Arc::new(z_dot)))
        }
        Saved::Output { .. } => {
            let z_dot = Arc::new(backend.conv2d(conv, x_dot, None)?);
            Ok((super::activation::tangent(backend, saved, &z_dot)?, z_dot))
        }
    }
}

/// λ_z of the activation before the convolution; with ż, λ̇_z.
pub(crate) fn adjoint<B: Backend>(
    backend: &B,
    conv: &B::Conv2d,
    saved: &Saved<B>,
    z_dot: Option<&B::Tensor>,
    grad: &B::Tensor,
    in_shape: Shape,
    into: Option<B::Tensor>,
) -> Result<B::Tensor> {
    let through = match saved {
        Saved::Output { curve, y } => Through::Output(*curve, y.as_ref()),
        Saved::Slopes { slopes, bends } => Through::Slopes(slopes, bends.as_ref().zip(z_dot)),
    };
    backend.conv2d_adjoint_through(conv, grad, in_shape, into, &through)
}
