//! Linear ops y = A·x + b.
//!
//! Value: A·x + b. Tangent: A·ẋ. Adjoint: Aᵀ·λ. Adjoint-tangent: Aᵀ·λ̇.

use std::sync::Arc;

use hsets_kernels::Pool2dSpec;

use crate::backend::Backend;
use crate::{Dims, Error, Result, Slice};

/// A linear op with its weights. Axes are those of the tensors as the plan holds them.
pub(crate) enum Linear<B: Backend> {
    Conv2d {
        conv: B::Conv2d,
        bias: Option<B::Vector>,
    },
    /// The adjoint of a convolution.
    ConvTranspose2d {
        conv: B::Conv2d,
    },
    /// Fully connected, of a vector.
    Dense {
        matrix: B::Linear,
        bias: Option<B::Vector>,
    },
    /// Of the concatenation of its inputs, where it has several.
    ChannelAffine {
        scale: B::Vector,
        shift: B::Vector,
    },
    AvgPool2d(Pool2dSpec),
    AdaptiveAvgPool2d([usize; 2]),
    Add,
    Scale(f64),
    Sum,
    Broadcast,
    Concat {
        axis: usize,
        /// Sizes of the inputs along it.
        extents: Vec<usize>,
    },
    Slice(Slice),
    Pad(Slice),
    Gather {
        axis: usize,
        indices: Arc<[usize]>,
    },
    Permute(Vec<usize>),
    Reshape,
}

impl<B: Backend> Linear<B> {
    /// A·x, plus b if `affine`; inputs that are `None` are zero. `dims` and `batch` are those of the
    /// output.
    pub(crate) fn forward(
        &self,
        backend: &B,
        (dims, batch): (Dims, usize),
        inputs: Vec<Option<Arc<B::Tensor>>>,
        affine: bool,
    ) -> Result<Arc<B::Tensor>> {
        if let Self::Concat { axis, extents } = self {
            let parts: Vec<Option<&B::Tensor>> = inputs.iter().map(Option::as_deref).collect();
            return Ok(Arc::new(backend.concat(*axis, &parts, (dims, batch), extents)?));
        }
        let mut given = inputs.into_iter().flatten();
        let x = given.next().ok_or_else(|| Error::Unsupported("an op without input".into()))?;
        let y = match self {
            Self::Conv2d { conv, bias } => {
                backend.conv2d(conv, &x, bias.as_ref().filter(|_| affine))?
            }
            Self::ConvTranspose2d { conv } => {
                backend.conv2d_adjoint(conv, &x, dims.image(), None)?
            }
            Self::Dense { matrix, bias } => {
                backend.linear(matrix, &x, bias.as_ref().filter(|_| affine))?
            }
            Self::ChannelAffine { scale, shift } => {
                let rest: Vec<Arc<B::Tensor>> = given.collect();
                let parts: Vec<&B::Tensor> =
                    std::iter::once(&x).chain(&rest).map(AsRef::as_ref).collect();
                backend.channel_affine(&parts, scale, affine.then_some(shift), None)?
            }
            Self::AvgPool2d(spec) => backend.avg_pool2d(spec, &x)?,
            Self::AdaptiveAvgPool2d(size) => backend.adaptive_avg_pool2d(*size, &x)?,
            Self::Add => return sum(backend, x, given.next(), (dims, batch)),
            Self::Scale(factor) => backend.scale(x, *factor)?,
            Self::Sum => backend.sum_to(&x, (dims, batch), None)?,
            Self::Broadcast => backend.broadcast(&x, (dims, batch))?,
            Self::Concat { .. } => return Err(Error::Unsupported("nothing to join".into())),
            Self::Slice(slice) => backend.slice(&x, *slice, None)?,
            Self::Pad(slice) => backend.unslice(&x, *slice, dims.sizes()[slice.axis], None)?,
            Self::Gather { axis, indices } => backend.take(&x, *axis, indices)?,
            Self::Permute(order) => backend.permute(&x, order)?,
            Self::Reshape => backend.reshape(x, dims)?,
        };
        Ok(Arc::new(y))
    }

    /// Aᵀ·λ for an input of the given size and batch, added to `into`. `offset` is where that input
    /// begins in a concatenation.
    pub(crate) fn adjoint(
        &self,
        backend: &B,
        grad: &Arc<B::Tensor>,
        (dims, batch): (Dims, usize),
        offset: usize,
        into: Option<B::Tensor>,
    ) -> Result<B::Tensor> {
        match self {
            Self::Conv2d { conv, .. } => backend.conv2d_adjoint(conv, grad, dims.image(), into),
            Self::ConvTranspose2d { conv } => {
                plus(backend, backend.conv2d(conv, grad, None)?, into)
            }
            Self::Dense { matrix, .. } => backend.linear_adjoint(matrix, grad, into),
            Self::ChannelAffine { scale, .. } => {
                backend.channel_affine_adjoint(grad, scale, offset, dims.sizes()[0], into)
            }
            Self::AvgPool2d(spec) => backend.avg_pool2d_adjoint(spec, grad, dims.image(), into),
            Self::AdaptiveAvgPool2d(_) => {
                backend.adaptive_avg_pool2d_adjoint(grad, dims.image(), into)
            }
            Self::Add | Self::Broadcast => backend.sum_to(grad, (dims, batch), into),
            Self::Scale(factor) => plus(backend, backend.scale(Arc::clone(grad), *factor)?, into),
            Self::Sum => plus(backend, backend.broadcast(grad, (dims, batch))?, into),
            Self::Concat { axis, .. } => {
                let len = dims.sizes()[*axis];
                let slice = Slice { axis: *axis, start: offset, step: 1, len };
                of_batch(backend, grad, batch, into, |grad, into| backend.slice(grad, slice, into))
            }
            Self::Slice(slice) => backend.unslice(grad, *slice, dims.sizes()[slice.axis], into),
            Self::Pad(slice) => backend.slice(grad, *slice, into),
            Self::Gather { axis, indices } => {
                backend.put(grad, (*axis, dims.sizes()[*axis]), indices, into)
            }
            Self::Permute(order) => {
                let mut back = vec![0; order.len()];
                order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
                plus(backend, backend.permute(grad, &back)?, into)
            }
            Self::Reshape => plus(backend, backend.reshape(Arc::clone(grad), dims)?, into),
        }
    }

    /// How much of a concatenation an input of this size takes.
    pub(crate) fn extent(&self, dims: Dims) -> usize {
        match self {
            Self::Concat { axis, .. } => dims.sizes()[*axis],
            _ => dims.sizes()[0],
        }
    }

    /// Whether an adjoint of this size and batch is that of an input, unchanged.
    pub(crate) fn passes_on(&self, backend: &B, grad: &B::Tensor, input: (Dims, usize)) -> bool {
        matches!(self, Self::Add) && (backend.dims(grad), backend.batch(grad)) == input
    }
}

/// a + b where there is a b, broadcast to `dims` and `batch`.
fn sum<B: Backend>(
    backend: &B,
    a: Arc<B::Tensor>,
    b: Option<Arc<B::Tensor>>,
    (dims, batch): (Dims, usize),
) -> Result<Arc<B::Tensor>> {
    let is_whole = |x: &B::Tensor| (backend.dims(x), backend.batch(x)) == (dims, batch);
    let (a, b) = match b {
        Some(b) if !is_whole(&a) && is_whole(&b) => (b, Some(a)),
        b => (a, b),
    };
    let a = if is_whole(&a) { a } else { Arc::new(backend.broadcast(&a, (dims, batch))?) };
    Ok(match b {
        Some(b) => Arc::new(backend.add(a, &b)?),
        None => a,
    })
}

/// x + `into` where there is something.
fn plus<B: Backend>(backend: &B, x: B::Tensor, into: Option<B::Tensor>) -> Result<B::Tensor> {
    match into {
        Some(into) => backend.add(Arc::new(into), &x),
        None => Ok(x),
    }
}

/// What `f` makes of a gradient, summed over the batch where the input has none.
fn of_batch<B: Backend>(
    backend: &B,
    grad: &B::Tensor,
    batch: usize,
    into: Option<B::Tensor>,
    f: impl FnOnce(&B::Tensor, Option<B::Tensor>) -> Result<B::Tensor>,
) -> Result<B::Tensor> {
    if backend.batch(grad) == batch {
        return f(grad, into);
    }
    let part = f(grad, None)?;
    backend.sum_to(&part, (backend.dims(&part), batch), into)
}
