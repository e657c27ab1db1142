//! The CPU: [`hsets_kernels`] on `[C, N, H, W]` buffers from a pool.

mod attention;
mod pool;
mod tensors;
mod training;
mod window;

use std::marker::PhantomData;
use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::{self as kernels, Conv2dSpec, Curve, Epilogue, LineMap, Pool2dSpec, Scalar};
use rayon::prelude::*;

use self::pool::{Buffer, Pool};
use super::{Backend, LineValues, Matrices, Through, WindowOps};
use crate::ops::attention::Attention;
use crate::{Dims, Error, Result, Slice};

/// The CPU in `f32` or `f64`, on rayon's current thread pool. Clones share their buffers.
#[derive(Debug, Default, Clone)]
pub struct Cpu<T> {
    pool: Arc<Pool<T>>,
    width: PhantomData<T>,
}

/// Elements `[d₀, N, d₁, …]`, images `[C, N, H, W]` among them. The buffer may be longer than they
/// are; tensors with the same elements under other sizes share it until one of them is written to.
#[derive(Debug, Clone)]
pub struct CpuTensor<T: Scalar> {
    buffer: Arc<Buffer<T>>,
    /// Where they begin in the buffer.
    start: usize,
    dims: Dims,
    batch: usize,
}

impl<T: Scalar> CpuTensor<T> {
    fn len(&self) -> usize {
        self.dims.n_elements() * self.batch
    }

    fn data(&self) -> &[T] {
        &self.buffer.values[self.start..][..self.len()]
    }

    fn data_mut(&mut self) -> &mut [T] {
        let (start, len) = (self.start, self.len());
        &mut Arc::make_mut(&mut self.buffer).values[start..][..len]
    }

    fn shape(&self) -> Shape {
        self.dims.image()
    }

    fn size(&self) -> [usize; 2] {
        let shape = self.shape();
        [shape.height, shape.width]
    }

    /// Elements behind one index of the first axis, for one batch element.
    fn plane(&self) -> usize {
        self.dims.plane()
    }
}

impl<T: Scalar> Cpu<T> {
    /// A CPU with an empty buffer pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// A CPU that holds at most so many bytes in buffers that are not in use.
    pub fn with_idle_memory(bytes: usize) -> Self {
        Self { pool: Arc::new(Pool::limited(bytes / size_of::<T>())), width: PhantomData }
    }

    /// Frees the buffers that are not in use.
    pub fn release_memory(&self) {
        self.pool.clear();
    }

    /// A tensor with elements of any value, for kernels that write every one.
    fn uninit(&self, dims: impl Into<Dims>, batch: usize) -> CpuTensor<T> {
        let dims = dims.into();
        let values = self.pool.take(dims.n_elements() * batch);
        let buffer = Arc::new(Buffer { values, pool: Arc::clone(&self.pool) });
        CpuTensor { buffer, start: 0, dims, batch }
    }

    fn zeros(&self, dims: impl Into<Dims>, batch: usize) -> CpuTensor<T> {
        let mut tensor = self.uninit(dims, batch);
        tensor.data_mut().par_chunks_mut(CHUNK).for_each(|chunk| chunk.fill(T::ZERO));
        tensor
    }

    /// A tensor for the output of a convolution.
    fn conv2d_output(&self, conv: &kernels::Conv2d<T>, x: &CpuTensor<T>) -> CpuTensor<T> {
        let spec = conv.spec();
        if x.dims.rank() != 3 {
            // One pixel each: whatever the other axes are, they stay.
            return self.uninit(x.dims.with(0, spec.out_channels), x.batch);
        }
        let [height, width] = spec.output_size(x.size()).unwrap_or_default();
        self.uninit(Shape::new(spec.out_channels, height, width), x.batch)
    }

    /// A target for the adjoint of a convolution to `in_shape`.
    fn conv2d_target(
        &self,
        conv: &kernels::Conv2d<T>,
        grad: &CpuTensor<T>,
        in_shape: Shape,
        into: Option<CpuTensor<T>>,
    ) -> (CpuTensor<T>, bool) {
        let dims = match grad.dims.rank() {
            3 => in_shape.into(),
            _ => grad.dims.with(0, conv.spec().in_channels),
        };
        self.target(into, dims, grad.batch)
    }

    /// The tensor itself where nobody else holds it, else a copy.
    fn own(&self, tensor: Arc<CpuTensor<T>>) -> CpuTensor<T> {
        let mut own = Arc::unwrap_or_clone(tensor);
        if Arc::get_mut(&mut own.buffer).is_none() {
            let mut copied = self.uninit(own.dims, own.batch);
            copy(own.data(), copied.data_mut(), false);
            return copied;
        }
        own
    }

    /// The gradient to add to, and whether there was one.
    fn target(
        &self,
        into: Option<CpuTensor<T>>,
        dims: impl Into<Dims>,
        batch: usize,
    ) -> (CpuTensor<T>, bool) {
        match into {
            Some(tensor) => (tensor, true),
            None => (self.uninit(dims, batch), false),
        }
    }

    /// A gradient to add to, zeros at first.
    fn sum_target(
        &self,
        into: Option<CpuTensor<T>>,
        dims: impl Into<Dims>,
        batch: usize,
    ) -> CpuTensor<T> {
        into.unwrap_or_else(|| self.zeros(dims, batch))
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

/// Written out for each width: so the kernels are compiled in this crate, and not once more in each
/// that runs a network.
macro_rules! backend {
    ($width:ty) => {
        const _: () = {
            type T = $width;

            impl Backend for Cpu<T> {
                type Scalar = T;
                type Tensor = CpuTensor<T>;
                type Conv2d = kernels::Conv2d<T>;
                type Linear = (kernels::Linear<T>, [usize; 2]);
                type Vector = Vec<T>;
                type Indices = CpuIndices;

                fn prepare_conv2d(
                    &self,
                    spec: Conv2dSpec,
                    weights: Vec<T>,
                ) -> Result<Self::Conv2d> {
                    Ok(kernels::Conv2d::new(spec, weights))
                }

                fn prepare_linear(&self, out: usize, weights: Vec<T>) -> Result<Self::Linear> {
                    let inputs = weights.len() / out;
                    Ok((kernels::Linear::new(inputs, out, weights), [out, inputs]))
                }

                fn prepare_vector(&self, values: &[f64]) -> Result<Self::Vector> {
                    Ok(narrow(values))
                }

                fn spec(conv: &Self::Conv2d) -> &Conv2dSpec {
                    conv.spec()
                }

                fn upload(&self, dims: Dims, batch: &[&[T]]) -> Result<CpuTensor<T>> {
                    let mut tensor = self.uninit(dims, batch.len());
                    let plane = dims.plane();
                    for (p, to) in tensor.data_mut().chunks_exact_mut(plane).enumerate() {
                        let (channel, element) = (p / batch.len(), p % batch.len());
                        let from = batch[element].get(channel * plane..(channel + 1) * plane);
                        to.copy_from_slice(from.ok_or_else(|| Error::Input {
                            expected: format!("{dims}"),
                            found: format!("{} elements", batch[element].len()),
                        })?);
                    }
                    Ok(tensor)
                }

                fn constant(&self, dims: Dims, values: &[f64]) -> Result<CpuTensor<T>> {
                    self.upload(dims, &[narrow(values).as_slice()])
                }

                fn window_ops(&self) -> Option<&dyn WindowOps<Self>> {
                    Some(self)
                }

                fn one_hot(&self, dims: Dims, features: &[usize]) -> Result<CpuTensor<T>> {
                    let mut tensor = self.zeros(dims, features.len());
                    let plane = dims.plane();
                    for (element, feature) in features.iter().enumerate() {
                        let at =
                            (feature / plane * features.len() + element) * plane + feature % plane;
                        tensor.data_mut()[at] = T::ONE;
                    }
                    Ok(tensor)
                }

                fn download(&self, x: &CpuTensor<T>) -> Result<Vec<Vec<T>>> {
                    let element = |n: usize| {
                        let planes = x.data().chunks_exact(x.plane()).skip(n).step_by(x.batch);
                        planes.flatten().copied().collect()
                    };
                    Ok((0..x.batch).map(element).collect())
                }

                fn dims(&self, x: &CpuTensor<T>) -> Dims {
                    x.dims
                }

                fn batch(&self, x: &CpuTensor<T>) -> usize {
                    x.batch
                }

                fn conv2d(
                    &self,
                    conv: &Self::Conv2d,
                    x: &CpuTensor<T>,
                    bias: Option<&Vec<T>>,
                ) -> Result<CpuTensor<T>> {
                    let mut out = self.conv2d_output(conv, x);
                    conv.forward(
                        x.batch,
                        x.size(),
                        x.data(),
                        bias.map(Vec::as_slice),
                        out.data_mut(),
                    );
                    Ok(out)
                }

                fn conv2d_adjoint(
                    &self,
                    conv: &Self::Conv2d,
                    grad: &CpuTensor<T>,
                    in_shape: Shape,
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    let (mut out, accumulate) = self.conv2d_target(conv, grad, in_shape, into);
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
                    let [mut slopes, mut bends] = [1, 2].map(|order| {
                        (order <= derivatives).then(|| self.uninit(out.dims, out.batch))
                    });
                    let epilogue = Epilogue::Curve {
                        curve,
                        slopes: slopes.as_mut().map(CpuTensor::data_mut),
                        bends: bends.as_mut().map(CpuTensor::data_mut),
                    };
                    let bias = bias.map(Vec::as_slice);
                    conv.forward_with(
                        x.batch,
                        x.size(),
                        x.data(),
                        bias,
                        Some(epilogue),
                        out.data_mut(),
                    );
                    Ok((out, slopes, bends))
                }

                fn conv2d_scaled(
                    &self,
                    conv: &Self::Conv2d,
                    x: &CpuTensor<T>,
                    slopes: &CpuTensor<T>,
                ) -> Result<(CpuTensor<T>, CpuTensor<T>)> {
                    let (mut out, mut unscaled) =
                        (self.conv2d_output(conv, x), self.conv2d_output(conv, x));
                    let epilogue = Epilogue::Scale {
                        unscaled: Some(unscaled.data_mut()),
                        factor: slopes.data(),
                        plus: None,
                    };
                    conv.forward_with(
                        x.batch,
                        x.size(),
                        x.data(),
                        None,
                        Some(epilogue),
                        out.data_mut(),
                    );
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
                    let (mut out, accumulate) = self.conv2d_target(conv, grad, in_shape, into);
                    let in_size = [in_shape.height, in_shape.width];
                    let epilogue = match through {
                        Through::Output(curve, y) => {
                            Epilogue::Slope { curve: *curve, output: y.data() }
                        }
                        Through::Slopes(slopes, plus) => Epilogue::Scale {
                            unscaled: None,
                            factor: slopes.data(),
                            plus: plus.map(|(bends, z_dot)| (bends.data(), z_dot.data())),
                        },
                    };
                    let (batch, grad) = (grad.batch, grad.data());
                    conv.adjoint_with(
                        batch,
                        in_size,
                        grad,
                        out.data_mut(),
                        accumulate,
                        Some(epilogue),
                    );
                    Ok(out)
                }

                fn linear(
                    &self,
                    (matrix, [out_features, _]): &Self::Linear,
                    x: &CpuTensor<T>,
                    bias: Option<&Vec<T>>,
                ) -> Result<CpuTensor<T>> {
                    let mut out = self.uninit(x.dims.with(0, *out_features), x.batch);
                    matrix.forward(x.batch, x.data(), bias.map(Vec::as_slice), out.data_mut());
                    Ok(out)
                }

                fn linear_adjoint(
                    &self,
                    (matrix, [_, in_features]): &Self::Linear,
                    grad: &CpuTensor<T>,
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    let dims = grad.dims.with(0, *in_features);
                    let (mut out, accumulate) = self.target(into, dims, grad.batch);
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
                    let mut out = self.uninit(first.dims.with(0, scale.len()), first.batch);
                    let len = first.batch * first.plane();
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
                    let (mut out, accumulate) = self.target(into, grad.dims.with(0, n), grad.batch);
                    let len = grad.batch * grad.plane();
                    let (grad, scale) =
                        (&grad.data()[first * len..(first + n) * len], &scale[first..first + n]);
                    kernels::channel_scale(len, grad, scale, out.data_mut(), accumulate);
                    Ok(out)
                }

                fn curve(&self, curve: Curve, z: Arc<CpuTensor<T>>) -> Result<CpuTensor<T>> {
                    match Arc::try_unwrap(z).map(|mut own| match Arc::get_mut(&mut own.buffer) {
                        Some(_) => Ok(own),
                        None => Err(own),
                    }) {
                        Ok(Ok(mut own)) => {
                            kernels::curve_in_place(curve, own.data_mut());
                            Ok(own)
                        }
                        Ok(Err(z)) => {
                            let mut out = self.uninit(z.dims, z.batch);
                            kernels::curve_values(curve, z.data(), out.data_mut());
                            Ok(out)
                        }
                        Err(z) => {
                            let mut out = self.uninit(z.dims, z.batch);
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
                    let mut slopes = self.uninit(z.dims, z.batch);
                    let mut bends = bends.then(|| self.uninit(z.dims, z.batch));
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
                    let mut out =
                        self.uninit(Shape::new(x.dims.sizes()[0], height, width), x.batch);
                    let mut indices = vec![0; out.data().len()];
                    kernels::max_pool2d(spec, x.size(), x.data(), out.data_mut(), &mut indices);
                    Ok((out, CpuIndices { indices, batch: x.batch, size: [height, width] }))
                }

                fn gather(&self, x: &CpuTensor<T>, from: &CpuIndices) -> Result<CpuTensor<T>> {
                    let [height, width] = from.size;
                    let mut out =
                        self.uninit(Shape::new(x.dims.sizes()[0], height, width), x.batch);
                    let planes = (x.plane(), height * width);
                    kernels::gather(
                        x.batch,
                        from.batch,
                        planes,
                        x.data(),
                        &from.indices,
                        out.data_mut(),
                    );
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
                    let planes = (in_shape.n_pixels(), grad.plane());
                    let (batch, own) = (grad.batch, from.batch);
                    kernels::scatter_add(
                        batch,
                        own,
                        planes,
                        grad.data(),
                        &from.indices,
                        out.data_mut(),
                    );
                    Ok(out)
                }

                fn avg_pool2d(&self, spec: &Pool2dSpec, x: &CpuTensor<T>) -> Result<CpuTensor<T>> {
                    let [height, width] = spec.output_size(x.size()).unwrap_or_default();
                    let mut out =
                        self.uninit(Shape::new(x.dims.sizes()[0], height, width), x.batch);
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

                fn adaptive_avg_pool2d(
                    &self,
                    size: [usize; 2],
                    x: &CpuTensor<T>,
                ) -> Result<CpuTensor<T>> {
                    let mut out =
                        self.uninit(Shape::new(x.dims.sizes()[0], size[0], size[1]), x.batch);
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
                    kernels::adaptive_avg_pool2d(
                        in_size,
                        grad.size(),
                        grad.data(),
                        out.data_mut(),
                        true,
                    );
                    Ok(out)
                }

                fn add(&self, a: Arc<CpuTensor<T>>, b: &CpuTensor<T>) -> Result<CpuTensor<T>> {
                    let mut sum = self.own(a);
                    if (sum.dims, sum.batch) == (b.dims, b.batch) {
                        kernels::add_assign(sum.data_mut(), b.data());
                        return Ok(sum);
                    }
                    let of = (sum.dims, sum.batch);
                    Ok(self.contract(b, None, of, Some(sum)))
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

                fn scale(&self, x: Arc<CpuTensor<T>>, factor: f64) -> Result<CpuTensor<T>> {
                    let mut own = self.own(x);
                    kernels::scale_in_place(T::from_f64(factor), own.data_mut());
                    Ok(own)
                }

                fn concat(
                    &self,
                    axis: usize,
                    parts: &[Option<&CpuTensor<T>>],
                    of: (Dims, usize),
                    extents: &[usize],
                ) -> Result<CpuTensor<T>> {
                    Ok(self.join(axis, parts, of, extents))
                }

                fn slice(
                    &self,
                    x: &CpuTensor<T>,
                    slice: Slice,
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    Ok(self.cut(x, slice, into))
                }

                fn unslice(
                    &self,
                    x: &CpuTensor<T>,
                    slice: Slice,
                    size: usize,
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    let mut out = self.sum_target(into, x.dims.with(slice.axis, size), x.batch);
                    tensors::paste(x, slice, &mut out);
                    Ok(out)
                }

                fn take(
                    &self,
                    x: &CpuTensor<T>,
                    axis: usize,
                    indices: &[usize],
                ) -> Result<CpuTensor<T>> {
                    Ok(self.pick(x, axis, indices))
                }

                fn put(
                    &self,
                    grad: &CpuTensor<T>,
                    (axis, size): (usize, usize),
                    indices: &[usize],
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    let mut out = self.sum_target(into, grad.dims.with(axis, size), grad.batch);
                    tensors::drop_at(grad, axis, indices, &mut out);
                    Ok(out)
                }

                fn permute(&self, x: &CpuTensor<T>, order: &[usize]) -> Result<CpuTensor<T>> {
                    Ok(self.permuted(x, order))
                }

                fn reshape(&self, x: Arc<CpuTensor<T>>, dims: Dims) -> Result<CpuTensor<T>> {
                    Ok(self.reshaped(x, dims))
                }

                fn broadcast(&self, x: &CpuTensor<T>, of: (Dims, usize)) -> Result<CpuTensor<T>> {
                    Ok(self.contract(x, None, of, None))
                }

                fn sum_to(
                    &self,
                    x: &CpuTensor<T>,
                    of: (Dims, usize),
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    Ok(self.contract(x, None, of, into))
                }

                fn multiply(
                    &self,
                    x: &CpuTensor<T>,
                    factor: &CpuTensor<T>,
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    let (mut out, accumulate) = self.target(into, x.dims, x.batch);
                    kernels::multiply_planes(
                        (x.batch, x.plane()),
                        factor.batch,
                        x.data(),
                        factor.data(),
                        out.data_mut(),
                        accumulate,
                    );
                    Ok(out)
                }

                fn multiply_owned(
                    &self,
                    x: Arc<CpuTensor<T>>,
                    factor: &CpuTensor<T>,
                ) -> Result<CpuTensor<T>> {
                    let mut own = self.own(x);
                    let dims = (own.batch, own.plane());
                    kernels::multiply_assign_planes(
                        dims,
                        factor.batch,
                        own.data_mut(),
                        factor.data(),
                    );
                    Ok(own)
                }

                fn product(
                    &self,
                    x: &CpuTensor<T>,
                    y: &CpuTensor<T>,
                    of: (Dims, usize),
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    Ok(self.contract(x, Some(y), of, into))
                }

                fn matmul(
                    &self,
                    x: (&CpuTensor<T>, &[usize]),
                    y: (&CpuTensor<T>, &[usize]),
                    to: Matrices<'_>,
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    Ok(self.matrix_product(x, y, to, into))
                }

                fn attention(
                    &self,
                    attention: &Attention<'_, CpuTensor<T>>,
                ) -> Result<Option<CpuTensor<T>>> {
                    Ok(self.attend(attention))
                }

                fn max_mask(&self, x: &CpuTensor<T>, axis: usize) -> Result<CpuTensor<T>> {
                    Ok(self.maxima(x, axis))
                }

                fn lines(
                    &self,
                    (map, axis): (LineMap, usize),
                    x: &CpuTensor<T>,
                ) -> Result<LineValues<CpuTensor<T>>> {
                    Ok(self.line_values(map, axis, x))
                }

                fn lines_jacobian(
                    &self,
                    (map, axis): (LineMap, usize),
                    at: &LineValues<CpuTensor<T>>,
                    v: &CpuTensor<T>,
                    into: Option<CpuTensor<T>>,
                ) -> Result<CpuTensor<T>> {
                    let (mut out, accumulate) = self.target(into, v.dims, v.batch);
                    let lines = kernels::Lines::new(v.dims.sizes(), axis);
                    let (v, point) = ((v.data(), v.batch), tensors::point(at));
                    map.jacobian(lines, point, v, out.data_mut(), accumulate);
                    Ok(out)
                }

                fn lines_second(
                    &self,
                    (map, axis): (LineMap, usize),
                    at: &LineValues<CpuTensor<T>>,
                    x_dot: &CpuTensor<T>,
                    (grad, grad_dot): (&CpuTensor<T>, Option<&CpuTensor<T>>),
                ) -> Result<CpuTensor<T>> {
                    let mut out = self.uninit(x_dot.dims, x_dot.batch);
                    let lines = kernels::Lines::new(x_dot.dims.sizes(), axis);
                    let (x_dot, point) = ((x_dot.data(), x_dot.batch), tensors::point(at));
                    let grads = kernels::LineGradients {
                        grad: grad.data(),
                        grad_dot: grad_dot.map(CpuTensor::data),
                    };
                    map.second(lines, point, grads, x_dot, out.data_mut());
                    Ok(out)
                }

                fn channel_moments(&self, x: &CpuTensor<T>) -> Result<Vec<[f64; 2]>> {
                    Ok(training::moments(x))
                }

                fn channel_products(
                    &self,
                    grad: &CpuTensor<T>,
                    x: &CpuTensor<T>,
                    means: &[f64],
                ) -> Result<Vec<[f64; 2]>> {
                    Ok(training::products(grad, x, means))
                }

                fn channel_combine(
                    &self,
                    grad: Arc<CpuTensor<T>>,
                    x: &CpuTensor<T>,
                    factors: [&[f64]; 3],
                ) -> Result<CpuTensor<T>> {
                    Ok(training::combine(self.own(grad), x, factors))
                }

                fn conv2d_weight_gradient(
                    &self,
                    conv: &Self::Conv2d,
                    x: &CpuTensor<T>,
                    grad: &CpuTensor<T>,
                ) -> Result<Vec<T>> {
                    Ok(training::of_convolution(conv, x, grad))
                }

                fn linear_weight_gradient(
                    &self,
                    x: &CpuTensor<T>,
                    grad: &CpuTensor<T>,
                ) -> Result<Vec<T>> {
                    Ok(training::of_matrix(x, grad))
                }
            }
        };
    };
}

backend!(f32);
backend!(f64);

/// For each pooled element, where in its plane it came from.
#[derive(Debug)]
pub struct CpuIndices {
    indices: Vec<u32>,
    batch: usize,
    size: [usize; 2],
}
