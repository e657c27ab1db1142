//! Training on a candle device.

use std::sync::Arc;

use candle_core::Tensor;

use super::{Device, DeviceConv2d, size_of};
use crate::Result;
use crate::backend::{Backend, Trainable};

/// The dimensions a channel's statistics run over.
const OVER: (usize, usize, usize) = (0, 2, 3);

impl Trainable for Device {
    fn channel_moments(&self, x: &Tensor) -> Result<Vec<[f64; 2]>> {
        let mean = x.mean_keepdim(OVER)?;
        let variance = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(OVER)?;
        pairs(&mean, &variance)
    }

    fn channel_products(&self, grad: &Tensor, x: &Tensor, means: &[f64]) -> Result<Vec<[f64; 2]>> {
        let centred = x.broadcast_sub(&self.prepare_vector(means)?)?;
        pairs(&grad.sum_keepdim(OVER)?, &(grad * centred)?.sum_keepdim(OVER)?)
    }

    fn channel_combine(
        &self,
        grad: Arc<Tensor>,
        x: &Tensor,
        [a, b, c]: [&[f64]; 3],
    ) -> Result<Tensor> {
        let scaled = grad.broadcast_mul(&self.prepare_vector(a)?)?;
        let sum = (scaled + x.broadcast_mul(&self.prepare_vector(b)?)?)?;
        Ok(sum.broadcast_add(&self.prepare_vector(c)?)?)
    }

    fn conv2d_weight_gradient(
        &self,
        conv: &DeviceConv2d,
        x: &Tensor,
        grad: &Tensor,
    ) -> Result<Vec<f32>> {
        let (window, groups) = (conv.window(), conv.spec.groups);
        let out_size = window.out_size(size_of(x)?);
        let padded = window.pad(x, 0.0)?;
        // [groups, channels of a group, batch · pixels]
        let lines = |x: &Tensor| -> Result<Tensor> {
            let (n, c, h, w) = x.dims4()?;
            let x = x.transpose(0, 1)?.contiguous()?;
            Ok(x.reshape((groups, c / groups, n * h * w))?)
        };
        let depthwise = conv.is_depthwise();
        let left = if depthwise { grad.clone() } else { lines(grad)? };
        let tap = |tap: [usize; 2]| -> Result<Tensor> {
            let seen = window.take(&padded, tap, out_size)?;
            if depthwise {
                return Ok((&left * seen)?.sum(OVER)?);
            }
            Ok(left.matmul(&lines(&seen)?.transpose(1, 2)?)?.flatten_all()?)
        };
        let taps: Vec<Tensor> = window.taps().map(tap).collect::<Result<_>>()?;
        Ok(Tensor::stack(&taps, 1)?.flatten_all()?.to_vec1()?)
    }

    fn linear_weight_gradient(&self, x: &Tensor, grad: &Tensor) -> Result<Vec<f32>> {
        let product = grad.flatten_from(1)?.t()?.matmul(&x.flatten_from(1)?)?;
        Ok(product.flatten_all()?.to_vec1()?)
    }
}

fn pairs(a: &Tensor, b: &Tensor) -> Result<Vec<[f64; 2]>> {
    let both = Tensor::stack(&[a.flatten_all()?, b.flatten_all()?], 1)?.to_vec2::<f32>()?;
    Ok(both.iter().map(|pair| [f64::from(pair[0]), f64::from(pair[1])]).collect())
}
