//! Training on a candle device.

use candle_core::Tensor;

use super::{DeviceConv2d, of_channels, size_of};
use crate::Result;

/// Sum over the batch and all pixels of each channel.
fn channel_sums(x: &Tensor) -> Result<Tensor> {
    Ok(x.flatten_from(2)?.sum((0, 2))?)
}

/// [N, C] as [N, C, 1]: channels have pixels, if only one.
fn with_pixels(x: &Tensor) -> Result<Tensor> {
    Ok(if x.rank() == 2 { x.unsqueeze(2)? } else { x.clone() })
}

pub(super) fn moments(x: &Tensor) -> Result<Vec<[f64; 2]>> {
    let x = with_pixels(x)?;
    let n = (x.elem_count() / x.dim(1)?) as f64;
    let mean = channel_sums(&x)?.affine(1.0 / n, 0.0)?;
    let centred = x.broadcast_sub(&of_channels(&mean, &x)?)?;
    let variance = channel_sums(&centred.sqr()?)?.affine(1.0 / n, 0.0)?;
    pairs(&mean, &variance)
}

pub(super) fn products(grad: &Tensor, x: &Tensor, means: &Tensor) -> Result<Vec<[f64; 2]>> {
    let (grad, x) = (with_pixels(grad)?, with_pixels(x)?);
    let centred = x.broadcast_sub(&of_channels(means, &x)?)?;
    pairs(&channel_sums(&grad)?, &channel_sums(&(grad * centred)?)?)
}

pub(super) fn of_convolution(conv: &DeviceConv2d, x: &Tensor, grad: &Tensor) -> Result<Vec<f32>> {
    let (window, groups) = (conv.window(), conv.spec.groups);
    // [groups, channels of a group, batch · pixels]
    let lines = |x: &Tensor| -> Result<Tensor> {
        let (n, c) = (x.dim(0)?, x.dim(1)?);
        let n_pixels: usize = x.dims()[2..].iter().product();
        let x = x.transpose(0, 1)?.contiguous()?;
        Ok(x.reshape((groups, c / groups, n * n_pixels))?)
    };
    if conv.is_pointwise() {
        let product = lines(grad)?.matmul(&lines(x)?.transpose(1, 2)?)?;
        return Ok(product.flatten_all()?.to_vec1()?);
    }
    let out_size = window.out_size(size_of(x)?);
    let padded = window.pad(x, 0.0)?;
    let depthwise = conv.is_depthwise();
    let left = if depthwise { grad.clone() } else { lines(grad)? };
    let tap = |tap: [usize; 2]| -> Result<Tensor> {
        let seen = window.take(&padded, tap, out_size)?;
        if depthwise {
            return channel_sums(&(&left * seen)?);
        }
        Ok(left.matmul(&lines(&seen)?.transpose(1, 2)?)?.flatten_all()?)
    };
    let taps: Vec<Tensor> = window.taps().map(tap).collect::<Result<_>>()?;
    Ok(Tensor::stack(&taps, 1)?.flatten_all()?.to_vec1()?)
}

fn pairs(a: &Tensor, b: &Tensor) -> Result<Vec<[f64; 2]>> {
    let both = Tensor::stack(&[a.flatten_all()?, b.flatten_all()?], 1)?.to_vec2::<f32>()?;
    Ok(both.iter().map(|pair| [f64::from(pair[0]), f64::from(pair[1])]).collect())
}
