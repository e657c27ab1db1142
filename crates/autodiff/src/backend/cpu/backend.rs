//! What the engine asks of the CPU.

use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::{self as kernels, Conv2dSpec, Curve, Epilogue, LineMap, Pool2dSpec, Scalar};

use super::{Cpu, CpuIndices, CpuTensor, narrow, nothing_to_join, tensors, training};
use crate::backend::{Backend, LineValues, Matrices, Through, WindowOps};
use crate::ops::attention::Attention;
use crate::{Dims, Error, Result, Slice};

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

                /// Not inlined: the table behind it, and so the kernels, would be made where it is.
                #[inline(never)]
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
                    let mut z = z;
                    if let Some(own) = Arc::get_mut(&mut z)
                        && Arc::get_mut(&mut own.buffer).is_some()
                    {
                        kernels::curve_in_place(curve, own.data_mut());
                        return Ok(Arc::unwrap_or_clone(z));
                    }
                    let mut out = self.uninit(z.dims, z.batch);
                    kernels::curve_values(curve, z.data(), out.data_mut());
                    Ok(out)
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
