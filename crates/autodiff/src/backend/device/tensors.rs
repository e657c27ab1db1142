//! Tensors of any rank on a candle device. Axes here count the batch as axis 0, unless they come from
//! the plan.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use hsets_kernels::LineMap;

use super::of_batch;
use crate::backend::{LineValues, Matrices};
use crate::{Dims, Result, Slice};

/// With axes of size 1 behind the batch, up to this rank.
pub(super) fn padded(x: &Tensor, rank: usize) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    while dims.len() < rank {
        dims.insert(1, 1);
    }
    Ok(x.reshape(dims)?)
}

/// Broadcast or summed to a size and batch.
pub(super) fn sum_to(x: &Tensor, (dims, batch): (Dims, usize)) -> Result<Tensor> {
    let wanted = of_batch(dims, batch);
    let rank = wanted.len().max(x.rank());
    let mut sum = padded(x, rank)?;
    let missing = rank - wanted.len();
    for axis in 0..rank {
        let size = match axis {
            0 => batch,
            axis if axis <= missing => 1,
            axis => wanted[axis - missing],
        };
        if size == 1 && sum.dim(axis)? > 1 {
            sum = sum.sum_keepdim(axis)?;
        }
    }
    if sum.elem_count() == wanted.iter().product::<usize>() {
        return Ok(sum.reshape(wanted)?);
    }
    Ok(sum.broadcast_as(wanted)?.contiguous()?)
}

pub(super) fn concat(
    device: &Device,
    axis: usize,
    parts: &[Option<&Tensor>],
    (dims, batch): (Dims, usize),
    extents: &[usize],
) -> Result<Tensor> {
    let part = |(part, extent): (Option<&Tensor>, usize)| -> Result<Tensor> {
        let wanted = of_batch(dims.with(axis, extent), batch);
        Ok(match part {
            Some(part) => part.broadcast_as(wanted)?.contiguous()?,
            None => Tensor::zeros(wanted, candle_core::DType::F32, device)?,
        })
    };
    let parts =
        parts.iter().copied().zip(extents.iter().copied()).map(part).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&parts, axis + 1)?)
}

/// The indices of a slice.
pub(super) fn of_slice(slice: Slice) -> Vec<usize> {
    (0..slice.len).map(|i| slice.start + i * slice.step).collect()
}

/// A slice of neighbours.
pub(super) fn narrow(x: &Tensor, slice: Slice) -> Result<Tensor> {
    Ok(x.narrow(slice.axis + 1, slice.start, slice.len)?.contiguous()?)
}

/// Its adjoint.
pub(super) fn widen(x: &Tensor, slice: Slice, size: usize) -> Result<Tensor> {
    let after = size - slice.start - slice.len;
    Ok(x.pad_with_zeros(slice.axis + 1, slice.start, after)?)
}

pub(super) fn take(x: &Tensor, axis: usize, indices: &Tensor) -> Result<Tensor> {
    Ok(x.contiguous()?.index_select(indices, axis + 1)?)
}

pub(super) fn put(grad: &Tensor, (axis, size): (usize, usize), indices: &Tensor) -> Result<Tensor> {
    let mut dims = grad.dims().to_vec();
    dims[axis + 1] = size;
    let zeros = Tensor::zeros(dims, grad.dtype(), grad.device())?;
    Ok(zeros.index_add(indices, &grad.contiguous()?, axis + 1)?)
}

/// Axes of the plan in another order.
pub(super) fn permute(x: &Tensor, order: &[usize]) -> Result<Tensor> {
    let order: Vec<usize> = std::iter::once(0).chain(order.iter().map(|axis| axis + 1)).collect();
    Ok(x.permute(order)?.contiguous()?)
}

pub(super) fn matmul(
    (x, x_axes): (&Tensor, &[usize]),
    (y, y_axes): (&Tensor, &[usize]),
    Matrices { of: (dims, batch), axes }: Matrices<'_>,
) -> Result<Tensor> {
    let rank = 1 + x_axes.len().max(y_axes.len());
    let (x, y) = (padded(&permute(x, x_axes)?, rank)?, padded(&permute(y, y_axes)?, rank)?);
    let product = stacked_matmul(&x, &y)?;
    let ordered = dims.permuted(axes);
    let product = sum_to(&product, (ordered, batch))?;
    let mut back = vec![0; axes.len()];
    axes.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
    permute(&product, &back)
}

/// x·y of stacks of matrices, broadcast to each other; candle takes a stack of one axis only.
fn stacked_matmul(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let n_axes = x.rank() - 2;
    let stack = |x: &Tensor, sizes: &[usize]| -> Result<Tensor> {
        let matrix = &x.dims()[n_axes..];
        let all = x.broadcast_as([sizes, matrix].concat())?.contiguous()?;
        Ok(all.reshape((sizes.iter().product::<usize>(), matrix[0], matrix[1]))?)
    };
    let pairs = x.dims()[..n_axes].iter().zip(y.dims());
    let sizes: Vec<usize> = pairs.map(|(&a, &b)| a.max(b)).collect();
    let product = stack(x, &sizes)?.matmul(&stack(y, &sizes)?)?;
    Ok(product.reshape([sizes.as_slice(), &product.dims()[1..]].concat())?)
}

/// 1 at the first maximum along an axis, else 0; `places` are the indices along it.
pub(super) fn max_mask(x: &Tensor, axis: usize, places: &Tensor) -> Result<Tensor> {
    let mut dims = vec![1; x.rank()];
    dims[axis] = x.dim(axis)?;
    let first = x.contiguous()?.argmax_keepdim(axis)?;
    Ok(places.reshape(dims)?.broadcast_eq(&first)?.to_dtype(x.dtype())?)
}

pub(super) fn lines(map: LineMap, axis: usize, x: &Tensor) -> Result<LineValues<Tensor>> {
    match map {
        LineMap::Softmax => {
            let powers = x.broadcast_sub(&x.max_keepdim(axis)?)?.exp()?;
            let y = powers.broadcast_div(&powers.sum_keepdim(axis)?)?;
            Ok(LineValues { y: Arc::new(y), r: None })
        }
        LineMap::Normalize { eps, .. } => {
            let centred = without_mean(map, axis, x)?;
            let r = (centred.sqr()?.mean_keepdim(axis)? + eps)?.sqrt()?.recip()?;
            let y = centred.broadcast_mul(&r)?;
            Ok(LineValues { y: Arc::new(y), r: Some(r) })
        }
    }
}

/// v - m(v) where the map is centred.
fn without_mean(map: LineMap, axis: usize, v: &Tensor) -> Result<Tensor> {
    match map {
        LineMap::Normalize { centred: true, .. } => Ok(v.broadcast_sub(&v.mean_keepdim(axis)?)?),
        LineMap::Normalize { centred: false, .. } | LineMap::Softmax => Ok(v.clone()),
    }
}

/// J·v.
pub(super) fn jacobian(
    map: LineMap,
    axis: usize,
    at: &LineValues<Tensor>,
    v: &Tensor,
) -> Result<Tensor> {
    let product = v.broadcast_mul(&at.y)?;
    match &at.r {
        None => {
            let rest = v.broadcast_sub(&product.sum_keepdim(axis)?)?;
            Ok(rest.broadcast_mul(&at.y)?)
        }
        Some(r) => {
            let part = at.y.broadcast_mul(&product.mean_keepdim(axis)?)?;
            let rest = (without_mean(map, axis, v)? - part)?;
            Ok(rest.broadcast_mul(r)?)
        }
    }
}

/// J̇·λ for the direction ẋ.
pub(super) fn second(
    map: LineMap,
    axis: usize,
    at: &LineValues<Tensor>,
    x_dot: &Tensor,
    grad: &Tensor,
) -> Result<Tensor> {
    let y = &at.y;
    let y_dot = jacobian(map, axis, at, x_dot)?;
    match &at.r {
        None => {
            let of_grad = (y.as_ref() * grad)?.sum_keepdim(axis)?;
            let of_dot = y_dot.broadcast_mul(grad)?.sum_keepdim(axis)?;
            let first = y_dot.broadcast_mul(&grad.broadcast_sub(&of_grad)?)?;
            Ok((first - y.broadcast_mul(&of_dot)?)?)
        }
        Some(r) => {
            // ṙ/r·J·λ - r·(ẏ·m(y∘λ) + y·m(ẏ∘λ)) with ṙ/r = -r·m(y∘ẋ)
            let rate = x_dot.broadcast_mul(y)?.mean_keepdim(axis)?.broadcast_mul(r)?.neg()?;
            let of_grad = (y.as_ref() * grad)?.mean_keepdim(axis)?;
            let of_dot = y_dot.broadcast_mul(grad)?.mean_keepdim(axis)?;
            let moved = (y_dot.broadcast_mul(&of_grad)? + y.broadcast_mul(&of_dot)?)?;
            let scaled = rate.broadcast_mul(&jacobian(map, axis, at, grad)?)?;
            Ok((scaled - moved.broadcast_mul(r)?)?)
        }
    }
}
