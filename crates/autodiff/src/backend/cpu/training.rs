//! Training on the CPU.

use hsets_kernels::{self as kernels, Scalar};

use super::{CpuTensor, narrow};

/// Numbers of a channel: batch · pixels.
fn channel_len<T: Scalar>(x: &CpuTensor<T>) -> usize {
    x.batch * x.plane()
}

pub(super) fn moments<T: Scalar>(x: &CpuTensor<T>) -> Vec<[f64; 2]> {
    kernels::channel_moments(channel_len(x), x.data())
}

pub(super) fn products<T: Scalar>(
    grad: &CpuTensor<T>,
    x: &CpuTensor<T>,
    means: &[f64],
) -> Vec<[f64; 2]> {
    kernels::channel_products(channel_len(x), grad.data(), x.data(), means)
}

pub(super) fn combine<T: Scalar>(
    mut grad: CpuTensor<T>,
    x: &CpuTensor<T>,
    factors: [&[f64]; 3],
) -> CpuTensor<T> {
    let [a, b, c] = factors.map(narrow::<T>);
    kernels::channel_combine(channel_len(x), grad.data_mut(), x.data(), [&a, &b, &c]);
    grad
}

pub(super) fn of_convolution<T: Scalar>(
    conv: &kernels::Conv2d<T>,
    x: &CpuTensor<T>,
    grad: &CpuTensor<T>,
) -> Vec<T> {
    let spec = conv.spec();
    let mut out = vec![T::ZERO; spec.weight_shape().iter().product()];
    let (x, in_size, batch) = (x.data(), x.size(), x.batch);
    kernels::conv2d_weight_gradient(spec, batch, in_size, x, grad.data(), &mut out);
    out
}

pub(super) fn of_matrix<T: Scalar>(x: &CpuTensor<T>, grad: &CpuTensor<T>) -> Vec<T> {
    let mut out = vec![T::ZERO; x.dims.n_elements() * grad.dims.n_elements()];
    kernels::linear_weight_gradient(x.batch, x.data(), grad.data(), &mut out);
    out
}
