//! The derivative rules, one file per kind of op.
//!
//! Every op has four sweeps: value, tangent, adjoint and adjoint-tangent (the tangent of the
//! adjoint, which carries second derivatives). For a linear op y = A·x + b they are A·x + b, A·ẋ,
//! Aᵀ·λ and Aᵀ·λ̇, so [`linear`] serves all of those; the ops with second derivatives have a file
//! each.

pub(crate) mod activation;
pub(crate) mod conv_activation;
pub(crate) mod linear;
pub(crate) mod max_pool2d;
pub(crate) mod multiply;

use std::sync::Arc;

use crate::backend::Backend;
use crate::window::Patch;

/// What the sweeps of one linearisation keep about a node.
pub(crate) enum Saved<B: Backend> {
    /// Linear ops need nothing.
    Nothing,
    Activation(activation::Saved<B>),
    MaxPool2d(B::Indices),
    /// Max pooling that alone reads an activation, for gradients: a maximum tells φ' where it was
    /// taken, so that the activation itself keeps nothing.
    ActivatedMaxPool2d(B::Indices, activation::Saved<B>),
    Multiply(multiply::Saved<B>),
}

/// What a tangent sweep keeps for the adjoint-tangent sweep that follows it.
pub(crate) enum Moved<B: Backend> {
    /// Linear ops need nothing.
    Nothing,
    /// ż before an activation.
    Activation(Arc<B::Tensor>),
    /// ż before an activation, where it is zero outside small windows.
    Patches(Vec<Patch<B>>),
    /// ȧ and ḃ of a product.
    Multiply(Arc<B::Tensor>, Arc<B::Tensor>),
}
