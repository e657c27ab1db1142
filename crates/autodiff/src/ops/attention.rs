//! Attention without derivatives, softmax(q·k + mask)·v: the weights of all heads, tokens × tokens
//! each, are never there together.
//!
//! In a network for values alone a device may have a kernel for it ([`Backend::attention`]); else it
//! is computed a part at a time, by the products that derivatives go through.
//! With derivatives it is a matrix product, a map of lines and another product, which keep what they
//! need.

use std::sync::Arc;

use hsets_kernels::LineMap;

use crate::backend::{Backend, Matrices};
use crate::dims::follow;
use crate::{Dims, Result, Slice};

/// Numbers of weights that may be there at a time, more only if one matrix has more.
const MOST: usize = 1 << 22;

/// An attention of tensors `T`, as the plan holds them.
#[derive(Debug)]
pub struct Attention<'a, T> {
    /// The product of queries and keys, in either order.
    pub scores: Product<'a, T>,
    /// What happens to it on its way to the weights.
    pub between: Vec<Between<T>>,
    /// The product of weights and values.
    pub weighted: Weighted<'a, T>,
    /// Size and batch of the result.
    pub of: (Dims, usize),
}

/// A step from scores to weights.
#[derive(Debug)]
pub enum Between<T> {
    /// Product with a number.
    Scale(f64),
    /// The same numbers under another size; axes over which the matrices are independent stay.
    Reshape(Dims),
    /// Sum with a mask, broadcast.
    Add(Arc<T>),
    /// Softmax along an axis.
    Lines(LineMap, usize),
}

/// A product of matrices with its factors and its size.
#[derive(Debug)]
pub struct Product<'a, T> {
    /// Axes of both factors and of the product that are (broadcast …, row, column).
    pub axes: &'a [Vec<usize>; 3],
    /// The factors.
    pub factors: [Arc<T>; 2],
    /// Size of the product.
    pub dims: Dims,
}

/// The last product of an attention: the weights and values, in either order.
#[derive(Debug)]
pub struct Weighted<'a, T> {
    /// Axes of both factors and of the product that are (broadcast …, row, column).
    pub axes: &'a [Vec<usize>; 3],
    /// The values.
    pub values: Arc<T>,
    /// Whether the weights are the second factor.
    pub values_first: bool,
}

/// The values of an attention, a part at a time.
pub(crate) fn by_parts<B: Backend>(
    backend: &B,
    attention: &Attention<'_, B::Tensor>,
) -> Result<B::Tensor> {
    let (dims, batch) = attention.of;
    let axes = &attention.weighted.axes[2];
    let n_batch_axes = axes.len() - 2;
    // The longest axis over which the matrices are independent.
    let longest =
        axes[..n_batch_axes].iter().enumerate().max_by_key(|(_, axis)| dims.sizes()[**axis]);
    let Some((place, &axis)) = longest else {
        return part(backend, attention, dims, None);
    };
    let from_end = axes.len() - place;
    let n = dims.sizes()[axis];
    let of_one = attention.scores.dims.n_elements() * batch / n;
    let len = (MOST / of_one.max(1)).clamp(1, n);
    if len == n {
        return part(backend, attention, dims, None);
    }
    let (mut parts, mut extents) = (Vec::new(), Vec::new());
    for start in (0..n).step_by(len) {
        let len = len.min(n - start);
        let range = Some(Range { from_end, start, len });
        parts.push(part(backend, attention, dims.with(axis, len), range)?);
        extents.push(len);
    }
    let parts: Vec<Option<&B::Tensor>> = parts.iter().map(Some).collect();
    backend.concat(axis, &parts, (dims, batch), &extents)
}

/// Indices along an axis, counted from the last one of a matrix.
#[derive(Clone, Copy)]
struct Range {
    from_end: usize,
    start: usize,
    len: usize,
}

impl Range {
    /// The axis, if a tensor with these axes has it and it is not broadcast.
    fn axis(self, axes: &[usize], dims: Dims) -> Option<usize> {
        let axis = axes[axes.len().checked_sub(self.from_end)?];
        (dims.sizes()[axis] > 1).then_some(axis)
    }

    fn cut<B: Backend>(
        self,
        backend: &B,
        x: &Arc<B::Tensor>,
        axis: Option<usize>,
    ) -> Result<Arc<B::Tensor>> {
        let Some(axis) = axis else { return Ok(Arc::clone(x)) };
        let slice = Slice { axis, start: self.start, step: 1, len: self.len };
        Ok(Arc::new(backend.slice(x, slice, None)?))
    }
}

/// A part of an attention; `dims` is the size of that part of the result.
fn part<B: Backend>(
    backend: &B,
    Attention { scores, between, weighted, of: (_, batch) }: &Attention<'_, B::Tensor>,
    dims: Dims,
    range: Option<Range>,
) -> Result<B::Tensor> {
    let cut = |x: &Arc<B::Tensor>, axes: &[usize]| match range {
        Some(range) => range.cut(backend, x, range.axis(axes, backend.dims(x))),
        None => Ok(Arc::clone(x)),
    };
    let [q_axes, k_axes, s_axes] = scores.axes;
    let (q, k) = (cut(&scores.factors[0], q_axes)?, cut(&scores.factors[1], k_axes)?);
    // The axis that is cut, as the scores have it now, and their size without the cut.
    let mut axis = range.and_then(|range| range.axis(s_axes, scores.dims));
    let mut whole = scores.dims;
    let of_part = |dims: Dims, axis: Option<usize>| match (range, axis) {
        (Some(range), Some(axis)) => dims.with(axis, range.len),
        _ => dims,
    };
    let to = Matrices { of: (of_part(whole, axis), *batch), axes: s_axes };
    let mut weights = Arc::new(backend.matmul((&q, q_axes), (&k, k_axes), to, None)?);
    for step in between {
        weights = match step {
            Between::Scale(factor) => Arc::new(backend.scale(weights, *factor)?),
            Between::Reshape(dims) => {
                axis = axis.and_then(|axis| follow(whole, *dims, axis));
                whole = *dims;
                Arc::new(backend.reshape(weights, of_part(whole, axis))?)
            }
            Between::Add(mask) => {
                let mask_dims = backend.dims(mask);
                let missing = whole.rank() - mask_dims.rank();
                let axis = axis.and_then(|axis| axis.checked_sub(missing));
                let axis = axis.filter(|&axis| mask_dims.sizes()[axis] > 1);
                let mask =
                    range.map_or(Ok(Arc::clone(mask)), |range| range.cut(backend, mask, axis))?;
                Arc::new(backend.add(weights, &mask)?)
            }
            Between::Lines(map, axis) => backend.lines((*map, *axis), &weights)?.y,
        };
    }
    let [left, right, y_axes] = weighted.axes;
    let to = Matrices { of: (dims, *batch), axes: y_axes };
    if weighted.values_first {
        let values = cut(&weighted.values, left)?;
        return backend.matmul((&values, left), (&weights, right), to, None);
    }
    let values = cut(&weighted.values, right)?;
    backend.matmul((&weights, left), (&values, right), to, None)
}
