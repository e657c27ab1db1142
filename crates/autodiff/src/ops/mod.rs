//! The rules of derivatives, one file each.
//!
//! Every op has four sweeps: value, tangent, adjoint and adjoint-tangent (the tangent of the
//! adjoint, which carries second derivatives). What does not depend on the image has no tangent, and
//! an adjoint only where it is trained.
//!
//! | rule | value | tangent | adjoint | adjoint-tangent |
//! |---|---|---|---|---|
//! | source | itself | ẋ of the image | | |
//! | linear | A·x + b | A·ẋ | Aᵀ·λ | Aᵀ·λ̇ |
//! | curve | φ(z) | φ'·ż | φ'·λ | φ'·λ̇ + φ''·λ·ż |
//! | bilinear | B(a, b) | B(ȧ, b) + B(a, ḃ) | Bᵀ(λ, b), Bᵀ(a, λ) | Bᵀ(λ̇, b) + Bᵀ(λ, ḃ), and so for b |
//! | choice | chosen x | chosen ẋ | λ to the chosen | λ̇ to the chosen |
//! | lines | L(x) | J·ẋ | J·λ | J·λ̇ + J̇·λ |

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod bilinear;
pub(crate) mod choice;
pub(crate) mod conv_activation;
pub(crate) mod learning;
pub(crate) mod linear;
pub(crate) mod lines;

use std::sync::Arc;

use hsets_core::Smoothing;
use hsets_kernels::LineMap;

use crate::backend::{Backend, Patch};
use crate::{Activation, Dims, Error, ParameterId, Result};

/// What the value sweep keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Values only.
    Zero,
    /// Enough for gradients.
    First,
    /// Enough for Hessian products.
    Second,
}

/// One op with prepared weights, by rule. See [`crate::Op`] for what each computes.
pub(crate) enum Step<B: Backend> {
    /// Source: the image.
    Input,
    /// Source: numbers that are the same for every image, and the parameter that they are.
    Fixed(Arc<B::Tensor>, Option<ParameterId>),
    Linear(linear::Linear<B>),
    /// Batch norm as it is trained: the statistics may be those of the batch.
    BatchNorm {
        parameters: [ParameterId; 4],
        eps: f64,
    },
    Curve(Activation),
    Bilinear(bilinear::Bilinear),
    Choice(choice::Choice),
    Lines {
        map: LineMap,
        axis: usize,
    },
}

/// What the sweeps of one linearisation keep about a node.
pub(crate) enum Saved<B: Backend> {
    /// Linear ops need nothing.
    Nothing,
    /// Linear ops whose weights are trained: x.
    Input(Arc<B::Tensor>),
    BatchNorm(learning::Normed<B>),
    Curve(activation::Saved<B>),
    Choice(choice::Saved<B>),
    /// Max pooling that alone reads an activation, for gradients: a maximum tells φ' where it was
    /// taken, so that the activation itself keeps nothing.
    ActivatedChoice(choice::Saved<B>, activation::Saved<B>),
    Bilinear(bilinear::Saved<B>),
    Lines(lines::Saved<B>),
}

/// What a tangent sweep keeps for the adjoint-tangent sweep that follows it.
pub(crate) enum Moved<B: Backend> {
    /// Linear ops and choices need nothing.
    Nothing,
    /// ż before a curve, ẋ before a map of lines.
    Before(Arc<B::Tensor>),
    /// ż before a curve, where it is zero outside small windows.
    Patches(Vec<Patch<B>>),
    /// ȧ and ḃ of a bilinear op.
    Both([Option<Arc<B::Tensor>>; 2]),
}

impl<B: Backend> Step<B> {
    /// The rule it follows.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Input | Self::Fixed(..) => "a source",
            Self::Linear(_) => "a linear op",
            Self::BatchNorm { .. } => "a batch norm",
            Self::Curve(_) => "an activation",
            Self::Bilinear(_) => "a product",
            Self::Choice(_) => "a choice",
            Self::Lines { .. } => "a map of lines",
        }
    }

    /// The value, and what the other sweeps need; `dims` and `batch` are those of the output.
    /// Inputs, fixed numbers and batch norms in training are the sweep's business.
    pub(crate) fn value(
        &self,
        backend: &B,
        (dims, batch): (Dims, usize),
        mut inputs: Vec<Arc<B::Tensor>>,
        smoothing: Smoothing,
        order: Order,
    ) -> Result<(Arc<B::Tensor>, Saved<B>)> {
        let keeps = order != Order::Zero;
        let no_input = || Error::Unsupported("an op without its input".into());
        if inputs.is_empty() && !matches!(self, Self::Fixed(..)) {
            return Err(no_input());
        }
        Ok(match self {
            Self::Fixed(tensor, _) => (Arc::clone(tensor), Saved::Nothing),
            Self::Input | Self::BatchNorm { .. } => return Err(no_input()),
            Self::Linear(linear) => {
                let inputs = inputs.into_iter().map(Some).collect();
                (linear.forward(backend, (dims, batch), inputs, true)?, Saved::Nothing)
            }
            Self::Curve(kind) if !keeps => {
                let y = backend.curve(kind.curve(smoothing), inputs.remove(0))?;
                (Arc::new(y), Saved::Nothing)
            }
            Self::Curve(kind) => {
                let (curve, second) = (kind.curve(smoothing), order == Order::Second);
                let (y, keep) = activation::value(backend, curve, inputs.remove(0), second)?;
                (y, Saved::Curve(keep))
            }
            Self::Bilinear(op) => {
                let mut inputs = inputs.into_iter();
                let (Some(a), Some(b)) = (inputs.next(), inputs.next()) else {
                    return Err(no_input());
                };
                let y = op.forward(backend, &a, &b, (dims, batch), None)?;
                let keep = || Saved::Bilinear(bilinear::Saved::new(a, b));
                (Arc::new(y), if keeps { keep() } else { Saved::Nothing })
            }
            Self::Choice(choice) => {
                let (y, keep) = choice.value(backend, &inputs[0], (dims, batch))?;
                (Arc::new(y), if keeps { Saved::Choice(keep) } else { Saved::Nothing })
            }
            Self::Lines { map, axis } => {
                let (y, keep) = lines::value(backend, (*map, *axis), &inputs[0])?;
                (y, if keeps { Saved::Lines(keep) } else { Saved::Nothing })
            }
        })
    }
}
