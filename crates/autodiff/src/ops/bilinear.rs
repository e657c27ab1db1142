//! Bilinear ops y = B(a, b): products, elementwise and of matrices.
//!
//! | sweep | elementwise | matrices |
//! |---|---|---|
//! | value | y = a ∘ b | y = a·b |
//! | tangent | ẏ = ȧ ∘ b + a ∘ ḃ | ẏ = ȧ·b + a·ḃ |
//! | adjoint | λ_a = Σ λ ∘ b, λ_b = Σ λ ∘ a | λ_a = λ·bᵀ, λ_b = aᵀ·λ |
//! | adjoint-tangent | λ̇_a = Σ λ̇ ∘ b + Σ λ ∘ ḃ, so for b | λ̇_a = λ̇·bᵀ + λ·ḃᵀ, λ̇_b = aᵀ·λ̇ + ȧᵀ·λ |
//!
//! Σ runs over what the factor is broadcast to, such as the pixels that a gate value serves; where
//! nothing is broadcast it is no sum at all.

use std::sync::Arc;

use crate::backend::{Backend, Matrices};
use crate::{Dims, Result};

/// Which product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bilinear {
    /// Elementwise.
    Multiply,
    /// Of matrices: the axes of a, b and y that are (broadcast …, row, column).
    MatMul([Vec<usize>; 3]),
}

/// The factors, and after the adjoint sweep λ.
pub(crate) struct Saved<B: Backend> {
    a: Arc<B::Tensor>,
    b: Arc<B::Tensor>,
    grad: Option<Arc<B::Tensor>>,
}

impl<B: Backend> Saved<B> {
    pub(crate) fn new(a: Arc<B::Tensor>, b: Arc<B::Tensor>) -> Self {
        Self { a, b, grad: None }
    }
}

/// Two gradients, of the factors where they are needed.
pub(crate) type Both<B> = [Option<<B as Backend>::Tensor>; 2];

/// Size and batch of both factors, `None` for those whose gradient is not needed.
pub(crate) type Wanted = [Option<(Dims, usize)>; 2];

impl Bilinear {
    /// B(a, b), added to `into`.
    pub(crate) fn forward<B: Backend>(
        &self,
        backend: &B,
        a: &B::Tensor,
        b: &B::Tensor,
        of: (Dims, usize),
        into: Option<B::Tensor>,
    ) -> Result<B::Tensor> {
        match self {
            Self::Multiply => backend.product(a, b, of, into),
            Self::MatMul([a_axes, b_axes, y_axes]) => {
                backend.matmul((a, a_axes), (b, b_axes), Matrices { of, axes: y_axes }, into)
            }
        }
    }

    /// Bᵀ(λ, b), of the size of a.
    fn towards_a<B: Backend>(
        &self,
        backend: &B,
        grad: &B::Tensor,
        b: &B::Tensor,
        of: (Dims, usize),
        into: Option<B::Tensor>,
    ) -> Result<B::Tensor> {
        match self {
            Self::Multiply => backend.product(grad, b, of, into),
            Self::MatMul([a_axes, b_axes, y_axes]) => {
                let (b_axes, to) = (transposed(b_axes), Matrices { of, axes: a_axes });
                backend.matmul((grad, y_axes), (b, &b_axes), to, into)
            }
        }
    }

    /// Bᵀ(a, λ), of the size of b.
    fn towards_b<B: Backend>(
        &self,
        backend: &B,
        a: &B::Tensor,
        grad: &B::Tensor,
        of: (Dims, usize),
        into: Option<B::Tensor>,
    ) -> Result<B::Tensor> {
        match self {
            Self::Multiply => backend.product(grad, a, of, into),
            Self::MatMul([a_axes, b_axes, y_axes]) => {
                let (a_axes, to) = (transposed(a_axes), Matrices { of, axes: b_axes });
                backend.matmul((a, &a_axes), (grad, y_axes), to, into)
            }
        }
    }

    /// ẏ; a tangent that is `None` is zero.
    pub(crate) fn tangent<B: Backend>(
        &self,
        backend: &B,
        saved: &Saved<B>,
        dots: &[Option<Arc<B::Tensor>>; 2],
        of: (Dims, usize),
    ) -> Result<Option<B::Tensor>> {
        let mut sum = None;
        if let Some(a_dot) = &dots[0] {
            sum = Some(self.forward(backend, a_dot, &saved.b, of, None)?);
        }
        if let Some(b_dot) = &dots[1] {
            sum = Some(self.forward(backend, &saved.a, b_dot, of, sum)?);
        }
        Ok(sum)
    }

    /// (λ_a, λ_b), added to what is there; keeps λ if `second`.
    pub(crate) fn adjoint<B: Backend>(
        &self,
        backend: &B,
        saved: &mut Saved<B>,
        grad: &Arc<B::Tensor>,
        second: bool,
        wanted: Wanted,
        into: Both<B>,
    ) -> Result<Both<B>> {
        let both = self.pull(backend, [&saved.a, &saved.b], grad, wanted, into)?;
        saved.grad = second.then(|| Arc::clone(grad));
        Ok(both)
    }

    /// (λ̇_a, λ̇_b), added to what is there; `grad_dot` is λ̇, `None` for zero.
    pub(crate) fn adjoint_tangent<B: Backend>(
        &self,
        backend: &B,
        saved: &Saved<B>,
        dots: &[Option<Arc<B::Tensor>>; 2],
        grad_dot: Option<&B::Tensor>,
        wanted: Wanted,
        into: Both<B>,
    ) -> Result<Both<B>> {
        let mut both = into;
        if let Some(grad_dot) = grad_dot {
            both = self.pull(backend, [&saved.a, &saved.b], grad_dot, wanted, both)?;
        }
        let Some(grad) = &saved.grad else { return Ok(both) };
        let [mut a, mut b] = both;
        if let (Some(of), Some(b_dot)) = (wanted[0], &dots[1]) {
            a = Some(self.towards_a(backend, grad, b_dot, of, a)?);
        }
        if let (Some(of), Some(a_dot)) = (wanted[1], &dots[0]) {
            b = Some(self.towards_b(backend, a_dot, grad, of, b)?);
        }
        Ok([a, b])
    }

    fn pull<B: Backend>(
        &self,
        backend: &B,
        [a, b]: [&B::Tensor; 2],
        grad: &B::Tensor,
        wanted: Wanted,
        [mut into_a, mut into_b]: Both<B>,
    ) -> Result<Both<B>> {
        if let Some(of) = wanted[0] {
            into_a = Some(self.towards_a(backend, grad, b, of, into_a)?);
        }
        if let Some(of) = wanted[1] {
            into_b = Some(self.towards_b(backend, a, grad, of, into_b)?);
        }
        Ok([into_a, into_b])
    }
}

/// Rows and columns exchanged.
fn transposed(axes: &[usize]) -> Vec<usize> {
    let mut axes = axes.to_vec();
    let n = axes.len();
    axes.swap(n - 1, n - 2);
    axes
}
