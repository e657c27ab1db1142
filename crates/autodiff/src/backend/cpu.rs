//! The CPU: [`hsets_kernels`] on `[C, N, H, W]` buffers from a pool.

mod training;
mod window;

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use hsets_core::Shape;
use hsets_kernels::{self as kernels, Conv2dSpec, Curve, Epilogue, Pool2dSpec, Scalar};
use rayon::prelude::*;

use super::{Backend, Through, WindowOps};
use crate::{Error, Result};

/// The CPU in `f32` or `f64`, on rayon's current thread pool.
#[derive(Debug, Default)]
pub struct Cpu<T> {
    pool: Arc<Pool<T>>,
    width: PhantomData<T>,
}

/// Buffers that are used again: fresh memory costs more than most elementwise ops.
#[derive(Debug, Default)]
struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T: Scalar> Pool<T> {
    /// A buffer of `len` elements of any value.
    fn take(&self, len: usize) -> Vec<T> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &Vec<T>| buffer.len() >= len && buffer.len() <= 2 * len + 64;
        let best = free
            .iter()
            .enumerate()
            .filter(|(_, buffer)| fits(buffer))
            .min_by_key(|(_, buffer)| buffer.len())
            .map(|(at, _)| at);
        if let Some(at) = best {
            return free.swap_remove(at);
        }
        drop(free);
        vec![T::ZERO; len]
    }

    fn give_back(&self, buffer: Vec<T>) {
        if !buffer.is_empty() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }
}

/// `[C, N, H, W]` elements. The buffer may be longer than they are; it goes back to its pool.
#[derive(Debug)]
pub struct CpuTensor<T: Scalar> {
    buffer: Vec<T>,
    shape: Shape,
    batch: usize,
    pool: Arc<Pool<T>>,
}

impl<T: Scalar> Drop for CpuTensor<T> {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}

impl<T: Scalar> CpuTensor<T> {
    fn data(&self) -> &[T] {
        &self.buffer[..self.shape.len() * self.batch]
    }

    fn data_mut(&mut self) -> &mut [T] {
        &mut self.buffer[..self.shape.len() * self.batch]
    }

    fn size(&self) -> [usize; 2] {
        [self.shape.height, self.shape.width]
    }
}

impl<T: Scalar> Cpu<T> {
    /// A CPU with an empty buffer pool.
    pub fn new() -> Self {
        Self { pool: Arc::new(Pool(Mutex::new(Vec::new()))), width: PhantomData }
    }

    /// Frees the buffers that are not in use.
    pub fn release_memory(&self) {
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A tensor with elements of any value, for kernels that write every one.
    fn uninit(&self, shape: Shape, batch: usize) -> CpuTensor<T> {
        let buffer = self.pool.take(shape.len() * batch);
        CpuTensor { buffer, shape, batch, pool: Arc::clone(&self.pool) }
    }

    fn zeros(&self, shape: Shape, batch: usize) -> CpuTensor<T> {
        let mut tensor = self.uninit(shape, batch);
        tensor.data_mut().par_chunks_mut(CHUNK).for_each(|chunk| chunk.fill(T::ZERO));
        tensor
    }

    /// A tensor for the output of a convolution.
    fn conv2d_output(&self, conv: &kernels::Conv2d<T>, x: &CpuTensor<T>) -> CpuTensor<T> {
        let spec = conv.spec();
        let [height, width] = spec.output_size(x.size()).unwrap_or_default();
        self.uninit(Shape::new(spec.out_channels, height, width), x.batch)
    }

    /// The tensor itself where nobody else holds it, else a copy.
    fn own(&self, tensor: Arc<CpuTensor<T>>) -> CpuTensor<T> {
        Arc::try_unwrap(tensor).unwrap_or_else(|shared| {
            let mut own = self.uninit(shared.shape, shared.batch);
            copy(shared.data(), own.data_mut(), false);
            own
        })
    }

    /// The gradient to add to, and whether there was one.
    fn target(
        &self,
        into: Option<CpuTensor<T>>,
        shape: Shape,
        batch: usize,
    ) -> (CpuTensor<T>, bool) {
        match into {
            Some(tensor) => (tensor, true),
            None => (self.uninit(shape, batch), false),
        }
    }

    /// A gradient to add to, zeros at first.
    fn sum_target(&self, into: Option<CpuTensor<T>>, shape: Shape, batch: usize) -> CpuTensor<T> {
        into.unwrap_or_else(|| self.zeros(shape, batch))
    }
}

/// Elements a task of an elementwise copy handles.
const CHUNK: usize = 1 << 15;

fn nothing_to_join() -> Error {
    Error::Unsupported("concatenation of nothing".into())
}

fn narrow<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::from_f64(v)).collect()
}

/// Copies (or adds) in parallel.
fn copy<T: Scalar>(from: &[T], to: &mut [T], accumulate: bool) {
    if accumulate {
        return kernels::add_assign(to, from);
    }
    let chunks = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
    chunks.for_each(|(to, from)| to.copy_from_slice(from));
}

impl<T: Scalar> Backend for Cpu<T> {
    type Scalar = T;
    type Tensor = CpuTensor<T>;
    type Conv2d = kernels::Conv2d<T>;
    type Linear = (kernels::Linear<T>, [usize; 2]);
    type Vector = Vec<T>;
    type Indices = CpuIndices;

    fn prepare_conv2d(&self, spec: Conv2dSpec, weights: &[f64]) -> Result<Self::Conv2d> {
        Ok(kernels::Conv2d::new(spec, narrow(weights)))
    }

    fn prepare_linear(&self, out: usize, weights: &[f64]) -> Result<Self::Linear> {
        let inputs = weights.len() / out;
        Ok((kernels::Linear::new(inputs, out, narrow(weights)), [out, inputs]))
    }

    fn prepare_vector(&self, values: &[f64]) -> Result<Self::Vector> {
        Ok(narrow(values))
    }

    fn upload(&self, shape: Shape, batch: &[&[T]]) -> Result<CpuTensor<T>> {
        let mut tensor = self.uninit(shape, batch.len());
        let plane = shape.n_pixels();
        for (p, to) in tensor.data_mut().chunks_exact_mut(plane).enumerate() {
            let (channel, element) = (p / batch.len(), p % batch.len());
            let from = batch[element].get(channel * plane..(channel + 1) * plane);
            to.copy_from_slice(from.ok_or_else(|| Error::Input {
                expected: format!("{shape}"),
                found: format!("{} elements", batch[element].len()),
            })?);
        }
        Ok(tensor)
    }

    fn window_ops(&self) -> Option<&dyn WindowOps<Self>> {
        Some(self)
    }

    fn one_hot(&self, shape: Shape, features: &[usize]) -> Result<CpuTensor<T>> {
        let mut tensor = self.zeros(shape, features.len());
        let plane = shape.n_pixels();
        for (element, feature) in features.iter().enumerate() {
            let at = (feature / plane * features.len() + element) * plane + feature % plane;
            tensor.data_mut()[at] = T::ONE;
        }
        Ok(tensor)
    }

    fn download(&self, x: &CpuTensor<T>) -> Result<Vec<Vec<T>>> {
        let plane = x.shape.n_pixels();
        let element = |n: usize| {
            let planes = x.data().chunks_exact(plane).skip(n).step_by(x.batch);
            planes.flatten().copied().collect()
        };
        Ok((0..x.batch).map(element).collect())
    }

    fn shape(&self, x: &CpuTensor<T>) -> Shape {
        x.shape
    }

    fn conv2d(
        &self,
        conv: &Self::Conv2d,
        x: &CpuTensor<T>,
        bias: Option<&Vec<T>>,
    ) -> Result<CpuTensor<T>> {
        let mut out = self.conv2d_output(conv, x);
        conv.forward(x.batch, x.size(), x.data(), bias.map(Vec::as_slice), out.data_mut());
        Ok(out)
    }

    fn conv2d_adjoint(
        &self,
        conv: &Self::Conv2d,
        grad: &CpuTensor<T>,
        in_shape: Shape,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let (mut out, accumulate) = self.target(into, in_shape, grad.batch);
        let in_size = [in_shape.height, in_shape.width];
        conv.adjoint(grad.batch, in_size, grad.data(), out.data_mut(), accumulate);
        Ok(out)
    }

    fn conv2d_curve(
        &self,
        conv: &Self::Conv2d,
        x: &CpuTensor<T>,
        bias: Option<&Vec<T>>,
        curve: Curve,
        derivatives: usize,
    ) -> Result<(CpuTensor<T>, Option<CpuTensor<T>>, Option<CpuTensor<T>>)> {
        let mut out = self.conv2d_output(conv, x);
        let [mut slopes, mut bends] =
            [1, 2].map(|order| (order <= derivatives).then(|| self.uninit(out.shape, out.batch)));
        let epilogue = Epilogue::Curve {
            curve,
            slopes: slopes.as_mut().map(CpuTensor::data_mut),
            bends: bends.as_mut().map(CpuTensor::data_mut),
        };
        let bias = bias.map(Vec::as_slice);
        conv.forward_with(x.batch, x.size(), x.data(), bias, Some(epilogue), out.data_mut());
        Ok((out, slopes, bends))
    }

    fn conv2d_scaled(
        &self,
        conv: &Self::Conv2d,
        x: &CpuTensor<T>,
        slopes: &CpuTensor<T>,
    ) -> Result<(CpuTensor<T>, CpuTensor<T>)> {
        let (mut out, mut unscaled) = (self.conv2d_output(conv, x), self.conv2d_output(conv, x));
        let epilogue = Epilogue::Scale {
            unscaled: Some(unscaled.data_mut()),
            factor: slopes.data(),
            plus: None,
        };
        conv.forward_with(x.batch, x.size(), x.data(), None, Some(epilogue), out.data_mut());
        Ok((out, unscaled))
    }

    fn conv2d_adjoint_through(
        &self,
        conv: &Self::Conv2d,
        grad: &CpuTensor<T>,
        in_shape: Shape,
        into: Option<CpuTensor<T>>,
        through: &Through<'_, CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let (mut out, accumulate) = self.target(into, in_shape, grad.batch);
        let in_size = [in_shape.height, in_shape.width];
        let epilogue = match through {
            Through::Output(curve, y) => Epilogue::Slope { curve: *curve, output: y.data() },
            Through::Slopes(slopes, plus) => Epilogue::Scale {
                unscaled: None,
                factor: slopes.data(),
                plus: plus.map(|(bends, z_dot)| (bends.data(), z_dot.data())),
            },
        };
        let (batch, grad) = (grad.batch, grad.data());
        conv.adjoint_with(batch, in_size, grad, out.data_mut(), accumulate, Some(epilogue));
        Ok(out)
    }

    fn linear(
        &self,
        (matrix, [out_features, _]): &Self::Linear,
        x: &CpuTensor<T>,
        bias: Option<&Vec<T>>,
    ) -> Result<CpuTensor<T>> {
        let mut out = self.uninit(Shape::new(*out_features, 1, 1), x.batch);
        matrix.forward(x.batch, x.data(), bias.map(Vec::as_slice), out.data_mut());
        Ok(out)
    }

    fn linear_adjoint(
        &self,
        (matrix, [_, in_features]): &Self::Linear,
        grad: &CpuTensor<T>,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let shape = Shape::new(*in_features, 1, 1);
        let (mut out, accumulate) = self.target(into, shape, grad.batch);
        matrix.adjoint(grad.batch, grad.data(), out.data_mut(), accumulate);
        Ok(out)
    }

    fn channel_affine(
        &self,
        parts: &[&CpuTensor<T>],
        scale: &Vec<T>,
        shift: Option<&Vec<T>>,
        curve: Option<Curve>,
    ) -> Result<CpuTensor<T>> {
        let first = parts.first().ok_or_else(nothing_to_join)?;
        let mut out = self.uninit(Shape { channels: scale.len(), ..first.shape }, first.batch);
        let len = first.batch * first.shape.n_pixels();
        let parts: Vec<&[T]> = parts.iter().map(|part| part.data()).collect();
        let shift = shift.map(Vec::as_slice);
        kernels::channel_affine(len, &parts, scale, shift, curve, out.data_mut());
        Ok(out)
    }

    fn channel_affine_adjoint(
        &self,
        grad: &CpuTensor<T>,
        scale: &Vec<T>,
        first: usize,
        n: usize,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let (mut out, accumulate) =
            self.target(into, Shape { channels: n, ..grad.shape }, grad.batch);
        let len = grad.batch * grad.shape.n_pixels();
        let (grad, scale) =
            (&grad.data()[first * len..(first + n) * len], &scale[first..first + n]);
        kernels::channel_scale(len, grad, scale, out.data_mut(), accumulate);
        Ok(out)
    }

    fn curve(&self, curve: Curve, z: Arc<CpuTensor<T>>) -> Result<CpuTensor<T>> {
        match Arc::try_unwrap(z) {
            Ok(mut own) => {
                kernels::curve_in_place(curve, own.data_mut());
                Ok(own)
            }
            Err(z) => {
                let mut out = self.uninit(z.shape, z.batch);
                kernels::curve_values(curve, z.data(), out.data_mut());
                Ok(out)
            }
        }
    }

    fn curve_adjoint_by_output(
        &self,
        curve: Curve,
        y: &CpuTensor<T>,
        grad: Arc<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let mut own = self.own(grad);
        kernels::curve_adjoint_by_output(curve, y.data(), own.data_mut());
        Ok(own)
    }

    fn curve_slopes(
        &self,
        curve: Curve,
        z: &CpuTensor<T>,
        bends: bool,
    ) -> Result<(CpuTensor<T>, Option<CpuTensor<T>>)> {
        let mut slopes = self.uninit(z.shape, z.batch);
        let mut bends = bends.then(|| self.uninit(z.shape, z.batch));
        let bends_out = bends.as_mut().map(CpuTensor::data_mut);
        kernels::curve_slopes(curve, z.data(), slopes.data_mut(), bends_out);
        Ok((slopes, bends))
    }

    fn max_pool2d(
        &self,
        spec: &Pool2dSpec,
        x: &CpuTensor<T>,
    ) -> Result<(CpuTensor<T>, CpuIndices)> {
        let [height, width] = spec.output_size(x.size()).unwrap_or_default();
        let mut out = self.uninit(Shape::new(x.shape.channels, height, width), x.batch);
        let mut indices = vec![0; out.data().len()];
        kernels::max_pool2d(spec, x.size(), x.data(), out.data_mut(), &mut indices);
        Ok((out, CpuIndices { indices, batch: x.batch, size: [height, width] }))
    }

    fn gather(&self, x: &CpuTensor<T>, from: &CpuIndices) -> Result<CpuTensor<T>> {
        let [height, width] = from.size;
        let mut out = self.uninit(Shape::new(x.shape.channels, height, width), x.batch);
        let planes = (x.shape.n_pixels(), height * width);
        kernels::gather(x.batch, from.batch, planes, x.data(), &from.indices, out.data_mut());
        Ok(out)
    }

    fn scatter(
        &self,
        grad: &CpuTensor<T>,
        from: &CpuIndices,
        in_shape: Shape,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let mut out = self.sum_target(into, in_shape, grad.batch);
        let planes = (in_shape.n_pixels(), grad.shape.n_pixels());
        let (batch, own) = (grad.batch, from.batch);
        kernels::scatter_add(batch, own, planes, grad.data(), &from.indices, out.data_mut());
        Ok(out)
    }

    fn avg_pool2d(&self, spec: &Pool2dSpec, x: &CpuTensor<T>) -> Result<CpuTensor<T>> {
        let [height, width] = spec.output_size(x.size()).unwrap_or_default();
        let mut out = self.uninit(Shape::new(x.shape.channels, height, width), x.batch);
        kernels::avg_pool2d(spec, x.size(), x.data(), out.data_mut(), false);
        Ok(out)
    }

    fn avg_pool2d_adjoint(
        &self,
        spec: &Pool2dSpec,
        grad: &CpuTensor<T>,
        in_shape: Shape,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let mut out = self.sum_target(into, in_shape, grad.batch);
        let in_size = [in_shape.height, in_shape.width];
        kernels::avg_pool2d(spec, in_size, grad.data(), out.data_mut(), true);
        Ok(out)
    }

    fn adaptive_avg_pool2d(&self, size: [usize; 2], x: &CpuTensor<T>) -> Result<CpuTensor<T>> {
        let mut out = self.uninit(Shape::new(x.shape.channels, size[0], size[1]), x.batch);
        kernels::adaptive_avg_pool2d(x.size(), size, x.data(), out.data_mut(), false);
        Ok(out)
    }

    fn adaptive_avg_pool2d_adjoint(
        &self,
        grad: &CpuTensor<T>,
        in_shape: Shape,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let mut out = self.sum_target(into, in_shape, grad.batch);
        let in_size = [in_shape.height, in_shape.width];
        kernels::adaptive_avg_pool2d(in_size, grad.size(), grad.data(), out.data_mut(), true);
        Ok(out)
    }

    fn add(&self, a: Arc<CpuTensor<T>>, b: &CpuTensor<T>) -> Result<CpuTensor<T>> {
        let mut sum = self.own(a);
        kernels::add_assign(sum.data_mut(), b.data());
        Ok(sum)
    }

    fn add_curve(
        &self,
        a: Arc<CpuTensor<T>>,
        b: Arc<CpuTensor<T>>,
        curve: Curve,
    ) -> Result<CpuTensor<T>> {
        let (mut sum, other) = match Arc::try_unwrap(a) {
            Ok(own) => (own, b),
            Err(shared) => (self.own(b), shared),
        };
        kernels::add_curve(curve, sum.data_mut(), other.data());
        Ok(sum)
    }

    fn concat(&self, parts: &[&CpuTensor<T>]) -> Result<CpuTensor<T>> {
        let channels = parts.iter().map(|part| part.shape.channels).sum();
        let first = parts.first().ok_or_else(nothing_to_join)?;
        let shape = Shape { channels, ..first.shape };
        let mut out = self.uninit(shape, first.batch);
        let mut rest = out.data_mut();
        for part in parts {
            let (to, behind) = rest.split_at_mut(part.data().len());
            copy(part.data(), to, false);
            rest = behind;
        }
        Ok(out)
    }

    fn channels(
        &self,
        x: &CpuTensor<T>,
        first: usize,
        n: usize,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let shape = Shape { channels: n, ..x.shape };
        let (mut out, accumulate) = self.target(into, shape, x.batch);
        let channel = x.batch * x.shape.n_pixels();
        copy(&x.data()[first * channel..(first + n) * channel], out.data_mut(), accumulate);
        Ok(out)
    }

    fn pad_channels(&self, x: &CpuTensor<T>, before: usize, after: usize) -> Result<CpuTensor<T>> {
        let shape = Shape { channels: before + x.shape.channels + after, ..x.shape };
        let mut out = self.zeros(shape, x.batch);
        let first = before * x.batch * x.shape.n_pixels();
        copy(x.data(), &mut out.data_mut()[first..first + x.data().len()], false);
        Ok(out)
    }

    fn reshape(&self, x: Arc<CpuTensor<T>>, shape: Shape) -> Result<CpuTensor<T>> {
        let (from, to) = (x.shape.n_pixels(), shape.n_pixels());
        let mut out = self.uninit(shape, x.batch);
        let batch = x.batch;
        // Only [C, N, H, W] ↔ [C·H·W, N] moves anything, and only for batches.
        for (p, plane) in x.data().chunks_exact(from).enumerate() {
            let (channel, n) = (p / batch, p % batch);
            for (i, &value) in plane.iter().enumerate() {
                let feature = channel * from + i;
                out.data_mut()[(feature / to * batch + n) * to + feature % to] = value;
            }
        }
        Ok(out)
    }

    fn multiply(
        &self,
        x: &CpuTensor<T>,
        factor: &CpuTensor<T>,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let (mut out, accumulate) = self.target(into, x.shape, x.batch);
        kernels::multiply_planes(
            (x.batch, x.shape.n_pixels()),
            (factor.batch, factor.shape.n_pixels()),
            x.data(),
            factor.data(),
            out.data_mut(),
            accumulate,
        );
        Ok(out)
    }

    fn multiply_owned(&self, x: Arc<CpuTensor<T>>, factor: &CpuTensor<T>) -> Result<CpuTensor<T>> {
        let mut own = self.own(x);
        let dims = (own.batch, own.shape.n_pixels());
        kernels::multiply_assign_planes(dims, factor.batch, own.data_mut(), factor.data());
        Ok(own)
    }

    fn spread(
        &self,
        gate: &CpuTensor<T>,
        x: &CpuTensor<T>,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let (plane, batch) = (x.shape.n_pixels(), gate.batch);
        let mut out = self.sum_target(into, x.shape, batch);
        let planes = out.data_mut().par_chunks_mut(plane).zip(gate.data());
        planes.enumerate().for_each(|(p, (out, &gate))| {
            let own = if x.batch == batch { p } else { p / batch };
            let x = &x.data()[own * plane..][..plane];
            out.iter_mut().zip(x).for_each(|(out, &x)| *out += gate * x);
        });
        Ok(out)
    }

    fn sum_planes(
        &self,
        x: &CpuTensor<T>,
        y: &CpuTensor<T>,
        into: Option<CpuTensor<T>>,
    ) -> Result<CpuTensor<T>> {
        let shape = Shape::new(x.shape.channels, 1, 1);
        let (mut out, accumulate) = self.target(into, shape, x.batch);
        let dims = (x.batch, x.shape.n_pixels());
        kernels::sum_planes(dims, y.batch, x.data(), y.data(), out.data_mut(), accumulate);
        Ok(out)
    }
}

/// For each pooled element, where in its plane it came from.
#[derive(Debug)]
pub struct CpuIndices {
    indices: Vec<u32>,
    batch: usize,
    size: [usize; 2],
}
