//! Attention without derivatives, softmax(q·k + mask)·v, a part of it at a time: the weights of all
//! heads, tokens × tokens each, are never there together.
//!
//! With derivatives it is a matrix product, a map of lines and another product, which keep what they
//! need.

use std::sync::Arc;

use hsets_kernels::LineMap;

use crate::backend::{Backend, Matrices};
use crate::{Dims, Result, Slice};

/// Numbers of weights that may be there at a time, more only if one matrix has more.
const MOST: usize = 1 << 22;

/// What happens to q·k on its way to the weights.
pub(crate) enum Between<B: Backend> {
    /// Product with a number.
    Scale(f64),
    /// Sum with a mask.
    Add(Arc<B::Tensor>),
    /// Softmax along an axis.
    Lines(LineMap, usize),
}

/// A product of matrices with its factors and its size.
pub(crate) struct Product<'a, B: Backend> {
    pub(crate) axes: &'a [Vec<usize>; 3],
    pub(crate) factors: [Arc<B::Tensor>; 2],
    pub(crate) dims: Dims,
}

/// The last product of an attention: the weights and values, in either order.
pub(crate) struct Weighted<'a, B: Backend> {
    pub(crate) axes: &'a [Vec<usize>; 3],
    pub(crate) values: Arc<B::Tensor>,
    /// Whether the weights are the second factor.
    pub(crate) values_first: bool,
}

/// The values of an attention of `batch` images.
pub(crate) fn value<B: Backend>(
    backend: &B,
    scores: &Product<'_, B>,
    between: &[Between<B>],
    last: &Weighted<'_, B>,
    (dims, batch): (Dims, usize),
) -> Result<B::Tensor> {
    let axes = &last.axes[2];
    let n_batch_axes = axes.len() - 2;
    // The longest axis over which the matrices are independent.
    let longest =
        axes[..n_batch_axes].iter().enumerate().max_by_key(|(_, axis)| dims.sizes()[**axis]);
    let Some((place, &axis)) = longest else {
        return part(backend, scores, between, last, (dims, batch), None);
    };
    let from_end = axes.len() - place;
    let n = dims.sizes()[axis];
    let of_one = scores.dims.n_elements() * batch / n;
    let len = (MOST / of_one.max(1)).clamp(1, n);
    if len == n {
        return part(backend, scores, between, last, (dims, batch), None);
    }
    let (mut parts, mut extents) = (Vec::new(), Vec::new());
    for start in (0..n).step_by(len) {
        let len = len.min(n - start);
        let range = Some(Range { from_end, start, len });
        let of = (dims.with(axis, len), batch);
        parts.push(part(backend, scores, between, last, of, range)?);
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

fn part<B: Backend>(
    backend: &B,
    scores: &Product<'_, B>,
    between: &[Between<B>],
    last: &Weighted<'_, B>,
    (dims, batch): (Dims, usize),
    range: Option<Range>,
) -> Result<B::Tensor> {
    let cut = |x: &Arc<B::Tensor>, axes: &[usize]| match range {
        Some(range) => range.cut(backend, x, range.axis(axes, backend.dims(x))),
        None => Ok(Arc::clone(x)),
    };
    let [q_axes, k_axes, s_axes] = scores.axes;
    let (q, k) = (cut(&scores.factors[0], q_axes)?, cut(&scores.factors[1], k_axes)?);
    let s_axis = range.and_then(|range| range.axis(s_axes, scores.dims));
    let s_dims = match (range, s_axis) {
        (Some(range), Some(axis)) => scores.dims.with(axis, range.len),
        _ => scores.dims,
    };
    let to = Matrices { of: (s_dims, batch), axes: s_axes };
    let mut weights = Arc::new(backend.matmul((&q, q_axes), (&k, k_axes), to, None)?);
    for step in between {
        weights = match step {
            Between::Scale(factor) => Arc::new(backend.scale(weights, *factor)?),
            Between::Add(mask) => {
                let mask_dims = backend.dims(mask);
                let missing = scores.dims.rank() - mask_dims.rank();
                let axis = s_axis.and_then(|axis| axis.checked_sub(missing));
                let axis = axis.filter(|&axis| mask_dims.sizes()[axis] > 1);
                let mask =
                    range.map_or(Ok(Arc::clone(mask)), |range| range.cut(backend, mask, axis))?;
                Arc::new(backend.add(weights, &mask)?)
            }
            Between::Lines(map, axis) => backend.lines((*map, *axis), &weights)?.y,
        };
    }
    let [left, right, y_axes] = last.axes;
    let to = Matrices { of: (dims, batch), axes: y_axes };
    if last.values_first {
        let values = cut(&last.values, left)?;
        return backend.matmul((&values, left), (&weights, right), to, None);
    }
    let values = cut(&last.values, right)?;
    backend.matmul((&weights, left), (&values, right), to, None)
}
