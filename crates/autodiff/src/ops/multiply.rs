//! Products y = a ∘ b, where b may be a gate with one value per channel (squeeze-and-excite).
//!
//! | sweep | rule |
//! |---|---|
//! | value | y = a ∘ b |
//! | tangent | ẏ = ȧ ∘ b + a ∘ ḃ |
//! | adjoint | λ_a = λ_y ∘ b, λ_b = Σ λ_y ∘ a |
//! | adjoint-tangent | λ̇_a = λ̇_y ∘ b + λ_y ∘ ḃ, λ̇_b = Σ λ̇_y ∘ a + Σ λ_y ∘ ȧ |
//!
//! Σ runs over the pixels a gate value serves; without a gate it is no sum at all.

use std::sync::Arc;

use crate::Result;
use crate::backend::Backend;

/// The factors, and after the adjoint sweep λ_y.
pub(crate) struct Saved<B: Backend> {
    a: Arc<B::Tensor>,
    b: Arc<B::Tensor>,
    grad: Option<Arc<B::Tensor>>,
}

/// y.
pub(crate) fn value<B: Backend>(
    backend: &B,
    a: Arc<B::Tensor>,
    b: Arc<B::Tensor>,
) -> Result<(B::Tensor, Saved<B>)> {
    let y = backend.multiply(&a, &b, None)?;
    Ok((y, Saved { a, b, grad: None }))
}

/// ẏ.
pub(crate) fn tangent<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    a_dot: &B::Tensor,
    b_dot: &B::Tensor,
) -> Result<B::Tensor> {
    let first = backend.multiply(a_dot, &saved.b, None)?;
    towards_a(backend, saved, b_dot, &saved.a, Some(first))
}

/// (λ_a, λ_b), added to what is there; keeps λ_y if `second`.
#[allow(clippy::type_complexity)]
pub(crate) fn adjoint<B: Backend>(
    backend: &B,
    saved: &mut Saved<B>,
    grad: &Arc<B::Tensor>,
    second: bool,
    into: [Option<B::Tensor>; 2],
) -> Result<[Option<B::Tensor>; 2]> {
    let [into_a, into_b] = into;
    let a = backend.multiply(grad, &saved.b, into_a)?;
    let b = towards_b(backend, saved, grad, &saved.a, into_b)?;
    saved.grad = second.then(|| Arc::clone(grad));
    Ok([Some(a), Some(b)])
}

/// (λ̇_a, λ̇_b), added to what is there; `grad_dot` is λ̇_y, `None` for zero.
#[allow(clippy::type_complexity)]
pub(crate) fn adjoint_tangent<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    [a_dot, b_dot]: [&B::Tensor; 2],
    grad_dot: Option<&B::Tensor>,
    into: [Option<B::Tensor>; 2],
) -> Result<[Option<B::Tensor>; 2]> {
    let [mut a, mut b] = into;
    if let Some(grad_dot) = grad_dot {
        a = Some(backend.multiply(grad_dot, &saved.b, a)?);
        b = Some(towards_b(backend, saved, grad_dot, &saved.a, b)?);
    }
    if let Some(grad) = &saved.grad {
        a = Some(towards_a(backend, saved, b_dot, grad, a)?);
        b = Some(towards_b(backend, saved, a_dot, grad, b)?);
    }
    Ok([a, b])
}

/// A change of b times a tensor shaped like a.
fn towards_a<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    b: &B::Tensor,
    like_a: &B::Tensor,
    into: Option<B::Tensor>,
) -> Result<B::Tensor> {
    if is_gate(backend, saved) {
        backend.spread(b, like_a, into)
    } else {
        backend.multiply(b, like_a, into)
    }
}

/// A tensor shaped like a, times another, brought to the shape of b.
fn towards_b<B: Backend>(
    backend: &B,
    saved: &Saved<B>,
    x: &B::Tensor,
    like_a: &B::Tensor,
    into: Option<B::Tensor>,
) -> Result<B::Tensor> {
    if is_gate(backend, saved) {
        backend.sum_planes(x, like_a, into)
    } else {
        backend.multiply(x, like_a, into)
    }
}

fn is_gate<B: Backend>(backend: &B, saved: &Saved<B>) -> bool {
    backend.shape(&saved.a) != backend.shape(&saved.b)
}
