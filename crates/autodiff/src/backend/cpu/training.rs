//! Training on the CPU.

use std::sync::Arc;

use hsets_kernels::{self as kernels, Scalar};

use super::{Cpu, CpuTensor, narrow};
use crate::Result;
use crate::backend::{Backend, Trainable};

/// Numbers of a channel: batch · pixels.
fn channel_len<T: Scalar>(x: &CpuTensor<T>) -> usize {
    x.batch * x.shape.n_pixels()
}

impl<T: Scalar> Trainable for Cpu<T> {
    fn channel_moments(&self, x: &CpuTensor<T>) -> Result<Vec<[f64; 2]>> {
        Ok(kernels::channel_moments(channel_len(x), x.data()))
    }

    fn channel_products(
        &self,
        grad: &CpuTensor<T>,
        x: &CpuTensor<T>,
        means: &[f64],
    ) -> Result<Vec<[f64; 2]>> {
        Ok(kernels::channel_products(channel_len(x), grad.data(), x.data(), means))
    }

    fn channel_combine(
        &self,
        grad: Arc<CpuTensor<T>>,
        x: &CpuTensor<T>,
        factors: [&[f64]; 3],
    ) -> Result<CpuTensor<T>> {
        let [a, b, c] = factors.map(narrow::<T>);
        let mut own = self.own(grad);
        kernels::channel_combine(channel_len(x), own.data_mut(), x.data(), [&a, &b, &c]);
        Ok(own)
    }

    fn conv2d_weight_gradient(
        &self,
        conv: &<Self as Backend>::Conv2d,
        x: &CpuTensor<T>,
        grad: &CpuTensor<T>,
    ) -> Result<Vec<T>> {
        let spec = conv.spec();
        let mut out = vec![T::ZERO; spec.weight_shape().iter().product()];
        let (x, in_size, batch) = (x.data(), x.size(), x.batch);
        kernels::conv2d_weight_gradient(spec, batch, in_size, x, grad.data(), &mut out);
        Ok(out)
    }

    fn linear_weight_gradient(&self, x: &CpuTensor<T>, grad: &CpuTensor<T>) -> Result<Vec<T>> {
        let mut out = vec![T::ZERO; x.shape.len() * grad.shape.len()];
        kernels::linear_weight_gradient(x.batch, x.data(), grad.data(), &mut out);
        Ok(out)
    }
}
