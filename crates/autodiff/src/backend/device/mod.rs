//! Any candle device (CUDA, Metal, or candle's own CPU): the sweeps as candle tensor ops in `f32`,
//! on `[N, …]` tensors.
//!
//! candle's autograd is not used. Where candle has no op that fits (depthwise convolution, pooling
//! with overlap, adjoints of strided maps), the map is written as a sum over the taps of its
//! window, each a strided slice.

mod curve;
mod tensors;
mod training;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;
use hsets_core::Shape;
use hsets_kernels::{Conv2dSpec, Curve, LineMap, Pool2dSpec};

use super::{Backend, LineValues, Matrices};
use crate::{Dims, Error, Result, Slice};
use window::Window;

/// A candle device.
#[derive(Debug, Clone)]
pub struct Device {
    device: candle_core::Device,
    /// Matrices and indices that ops need beside their inputs, uploaded once.
    kept: Arc<Mutex<HashMap<Kept, Tensor>>>,
}

/// What a tensor that is kept holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kept {
    Averages(Averages),
    Indices(Vec<usize>),
}

impl Device {
    /// Runs on this device.
    pub fn new(device: candle_core::Device) -> Self {
        Self { device, kept: Arc::default() }
    }

    /// A tensor that is made when first asked for.
    fn kept(&self, what: &Kept, make: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tensor) = kept.get(what) {
            return Ok(tensor.clone());
        }
        let tensor = make()?;
        kept.insert(what.clone(), tensor.clone());
        Ok(tensor)
    }

    fn indices(&self, indices: Vec<usize>) -> Result<Tensor> {
        let narrow: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        self.kept(&Kept::Indices(indices), || Ok(Tensor::new(narrow, &self.device)?))
    }
}

/// Prepared convolution weights \[O, I/groups, kh, kw\].
#[derive(Debug)]
pub struct DeviceConv2d {
    spec: Conv2dSpec,
    kernel: Tensor,
}

impl DeviceConv2d {
    fn window(&self) -> Window {
        let Conv2dSpec { kernel, stride, dilation, padding, .. } = self.spec;
        Window { kernel, stride, dilation, padding }
    }

    /// Whether every pixel is by itself: then the axes behind the channels may be any.
    fn is_pointwise(&self) -> bool {
        let Conv2dSpec { kernel, stride, padding, groups, .. } = self.spec;
        let one = [kernel, stride] == [[1; 2]; 2] && groups == 1;
        one && padding == hsets_kernels::Padding::all(0)
    }

    /// [O, I], [N, I, …] to [N, O, …], of the transposed kernel if told.
    fn pointwise(&self, x: &Tensor, transposed: bool) -> Result<Tensor> {
        let kernel = self.kernel.flatten_from(1)?;
        let kernel = if transposed { kernel.t()?.contiguous()? } else { kernel };
        let mut dims = x.dims().to_vec();
        let lines = x.reshape((dims[0], dims[1], dims[2..].iter().product::<usize>()))?;
        dims[1] = kernel.dim(0)?;
        Ok(kernel.broadcast_matmul(&lines)?.reshape(dims)?)
    }

    fn is_depthwise(&self) -> bool {
        let spec = &self.spec;
        spec.groups > 1 && spec.groups == spec.in_channels && spec.groups == spec.out_channels
    }

    /// Weight of one tap of a depthwise kernel \[1, C, 1, 1\].
    fn tap_weight(&self, [u, v]: [usize; 2]) -> Result<Tensor> {
        let weight = self.kernel.narrow(2, u, 1)?.narrow(3, v, 1)?;
        Ok(weight.reshape((1, self.spec.out_channels, 1, 1))?)
    }

    /// The convolution of an already padded input.
    fn valid(&self, x: &Tensor) -> Result<Tensor> {
        let Conv2dSpec { stride, dilation, groups, .. } = self.spec;
        Ok(x.conv2d(&self.kernel, 0, same("stride", stride)?, same("dilation", dilation)?, groups)?)
    }

    /// Its adjoint, to an input of at most `padded_size`.
    fn valid_adjoint(&self, grad: &Tensor) -> Result<Tensor> {
        let Conv2dSpec { stride, dilation, groups, .. } = self.spec;
        let (stride, dilation) = (same("stride", stride)?, same("dilation", dilation)?);
        let kernels = self.kernel.chunk(groups, 0)?;
        let grads = grad.chunk(groups, 1)?;
        let parts = grads
            .iter()
            .zip(&kernels)
            .map(|(g, k)| g.contiguous()?.conv_transpose2d(k, 0, 0, stride, dilation))
            .collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 1)?)
    }
}

/// candle takes one number for both directions.
fn same(what: &str, [vertical, horizontal]: [usize; 2]) -> Result<usize> {
    if vertical == horizontal {
        return Ok(vertical);
    }
    let reason = format!("{what} {vertical}x{horizontal}: this device needs both the same");
    Err(Error::Unsupported(format!("convolution with {reason}; use --device cpu")))
}

/// Which tap of the window each maximum came from.
#[derive(Debug)]
pub struct DeviceIndices {
    window: Window,
    /// 1 where this tap was the maximum.
    chosen: Vec<Tensor>,
}

fn size_of(x: &Tensor) -> Result<[usize; 2]> {
    let (_, _, height, width) = x.dims4()?;
    Ok([height, width])
}

fn plus(own: Tensor, into: Option<Tensor>) -> Result<Tensor> {
    Ok(match into {
        Some(there) => (there + own)?,
        None => own,
    })
}

fn pool_window(spec: &Pool2dSpec) -> Window {
    let Pool2dSpec { kernel, stride, padding, .. } = *spec;
    Window { kernel, stride, dilation: [1; 2], padding }
}

impl Device {
    /// R·x·Cᵀ for a matrix of rows and one of columns: average pooling, which is separable.
    fn average(&self, x: &Tensor, rows: &Averages, columns: &Averages) -> Result<Tensor> {
        let (n, c, h, w) = x.dims4()?;
        let x = x.reshape((n * c * h, w))?.matmul(&self.matrix(columns)?.t()?)?;
        let x = x.reshape((n * c, h, columns.out))?.transpose(1, 2)?.contiguous()?;
        let x = x.reshape((n * c * columns.out, h))?.matmul(&self.matrix(rows)?.t()?)?;
        let x = x.reshape((n * c, columns.out, rows.out))?.transpose(1, 2)?.contiguous()?;
        Ok(x.reshape((n, c, rows.out, columns.out))?)
    }

    fn matrix(&self, averages: &Averages) -> Result<Tensor> {
        self.kept(&Kept::Averages(averages.clone()), || {
            let shape = (averages.out, averages.size);
            Ok(Tensor::from_vec(averages.weights(), shape, &self.device)?)
        })
    }

    fn pool_averages(spec: &Pool2dSpec, size: usize, axis: usize) -> Averages {
        let before = [spec.padding.top, spec.padding.left][axis];
        let after = [spec.padding.bottom, spec.padding.right][axis];
        let out = (size + before + after - spec.kernel[axis]) / spec.stride[axis] + 1;
        Averages::new(out, size, |i| {
            let start = i * spec.stride[axis];
            let range = start.saturating_sub(before)
                ..(start + spec.kernel[axis]).saturating_sub(before).min(size);
            let divisor = if spec.count_include_pad { spec.kernel[axis] } else { range.len() };
            (range, divisor)
        })
    }

    fn adaptive_averages(size: usize, out: usize) -> Averages {
        Averages::new(out, size, |i| {
            let range = i * size / out..((i + 1) * size).div_ceil(out);
            let divisor = range.len();
            (range, divisor)
        })
    }
}

/// A matrix \[out, size\] that averages ranges along one axis, or its transpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Averages {
    out: usize,
    size: usize,
    /// Range and divisor of each average.
    ranges: Vec<(std::ops::Range<usize>, usize)>,
    transposed: bool,
}

impl Averages {
    fn new(
        out: usize,
        size: usize,
        range: impl Fn(usize) -> (std::ops::Range<usize>, usize),
    ) -> Self {
        Self { out, size, ranges: (0..out).map(range).collect(), transposed: false }
    }

    fn transposed(self) -> Self {
        Self { out: self.size, size: self.out, transposed: !self.transposed, ..self }
    }

    fn weights(&self) -> Vec<f32> {
        let mut weights = vec![0.0; self.out * self.size];
        for (i, (range, divisor)) in self.ranges.iter().enumerate() {
            for at in range.clone() {
                let place = if self.transposed { at * self.size + i } else { i * self.size + at };
                weights[place] = 1.0 / *divisor as f32;
            }
        }
        weights
    }
}

impl Backend for Device {
    type Scalar = f32;
    type Tensor = Tensor;
    type Conv2d = DeviceConv2d;
    type Linear = Tensor;
    type Vector = Tensor;
    type Indices = DeviceIndices;

    fn prepare_conv2d(&self, spec: Conv2dSpec, weights: Vec<f32>) -> Result<DeviceConv2d> {
        let kernel = Tensor::from_vec(weights, &spec.weight_shape(), &self.device)?;
        Ok(DeviceConv2d { spec, kernel })
    }

    fn prepare_linear(&self, out: usize, weights: Vec<f32>) -> Result<Tensor> {
        let inputs = weights.len() / out;
        Ok(Tensor::from_vec(weights, (out, inputs), &self.device)?)
    }

    fn prepare_vector(&self, values: &[f64]) -> Result<Tensor> {
        self.tensor(values, &[values.len()])
    }

    fn spec(conv: &DeviceConv2d) -> &Conv2dSpec {
        &conv.spec
    }

    fn upload(&self, dims: Dims, batch: &[&[f32]]) -> Result<Tensor> {
        Ok(Tensor::from_vec(batch.concat(), of_batch(dims, batch.len()), &self.device)?)
    }

    fn constant(&self, dims: Dims, values: &[f64]) -> Result<Tensor> {
        self.tensor(values, &of_batch(dims, 1))
    }

    fn one_hot(&self, dims: Dims, features: &[usize]) -> Result<Tensor> {
        let len = dims.n_elements();
        let mut data = vec![0.0; features.len() * len];
        for (n, feature) in features.iter().enumerate() {
            data[n * len + feature] = 1.0;
        }
        self.upload(dims, &data.chunks_exact(len).collect::<Vec<_>>())
    }

    fn download(&self, x: &Tensor) -> Result<Vec<Vec<f32>>> {
        Ok(x.flatten_from(1)?.to_vec2()?)
    }

    fn dims(&self, x: &Tensor) -> Dims {
        Dims::new(&x.dims()[1..])
    }

    fn batch(&self, x: &Tensor) -> usize {
        x.dims()[0]
    }

    fn conv2d(&self, conv: &DeviceConv2d, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let window = conv.window();
        let padded = || window.pad(x, 0.0);
        let out = if conv.is_pointwise() {
            conv.pointwise(x, false)?
        } else if conv.is_depthwise() {
            let padded = padded()?;
            let out_size = window.out_size(size_of(x)?);
            let mut sum: Option<Tensor> = None;
            for tap in window.taps() {
                let part = window.take(&padded, tap, out_size)?;
                sum = Some(plus(part.broadcast_mul(&conv.tap_weight(tap)?)?, sum)?);
            }
            sum.ok_or_else(|| Error::Unsupported("an empty kernel".into()))?
        } else {
            conv.valid(&padded()?)?
        };
        match bias {
            Some(bias) => Ok(out.broadcast_add(&of_channels(bias, &out)?)?),
            None => Ok(out),
        }
    }

    fn conv2d_adjoint(
        &self,
        conv: &DeviceConv2d,
        grad: &Tensor,
        in_shape: Shape,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        if conv.is_pointwise() {
            return plus(conv.pointwise(grad, true)?, into);
        }
        let window = conv.window();
        let in_size = [in_shape.height, in_shape.width];
        let padded = if conv.is_depthwise() {
            let mut sum: Option<Tensor> = None;
            for tap in window.taps() {
                let part = grad.broadcast_mul(&conv.tap_weight(tap)?)?;
                sum = Some(plus(window.put(&part, tap, in_size)?, sum)?);
            }
            sum.ok_or_else(|| Error::Unsupported("an empty kernel".into()))?
        } else {
            window.fill(&conv.valid_adjoint(grad)?, in_size)?
        };
        plus(window.crop(&padded, in_size)?, into)
    }

    fn linear(&self, matrix: &Tensor, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let out = x.flatten_from(1)?.matmul(&matrix.t()?)?;
        let mut dims = x.dims().to_vec();
        dims[1] = matrix.dim(0)?;
        let out = out.reshape(dims)?;
        match bias {
            Some(bias) => Ok(out.broadcast_add(&of_channels(bias, &out)?)?),
            None => Ok(out),
        }
    }

    fn linear_adjoint(
        &self,
        matrix: &Tensor,
        grad: &Tensor,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        let out = grad.flatten_from(1)?.matmul(matrix)?;
        let mut dims = grad.dims().to_vec();
        dims[1] = matrix.dim(1)?;
        plus(out.reshape(dims)?, into)
    }

    fn channel_affine(
        &self,
        parts: &[&Tensor],
        scale: &Tensor,
        shift: Option<&Tensor>,
        curve: Option<Curve>,
    ) -> Result<Tensor> {
        let x = Tensor::cat(parts, 1)?;
        let scaled = x.broadcast_mul(&of_channels(scale, &x)?)?;
        let z = match shift {
            Some(shift) => scaled.broadcast_add(&of_channels(shift, &x)?)?,
            None => scaled,
        };
        curve.map_or(Ok(z.clone()), |curve| curve::value(curve, &z))
    }

    fn channel_affine_adjoint(
        &self,
        grad: &Tensor,
        scale: &Tensor,
        first: usize,
        n: usize,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        let scaled = grad.broadcast_mul(&of_channels(scale, grad)?)?;
        plus(scaled.narrow(1, first, n)?.contiguous()?, into)
    }

    fn curve(&self, curve: Curve, z: Arc<Tensor>) -> Result<Tensor> {
        curve::value(curve, &z)
    }

    fn curve_slopes(
        &self,
        curve: Curve,
        z: &Tensor,
        bends: bool,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let bends = if bends { Some(curve::bend(curve, z)?) } else { None };
        Ok((curve::slope(curve, z)?, bends))
    }

    fn curve_adjoint_by_output(
        &self,
        curve: Curve,
        y: &Tensor,
        grad: Arc<Tensor>,
    ) -> Result<Tensor> {
        // φ'(z) of ReLU and ReLU6 is what their own formula gives at y.
        Ok((grad.as_ref() * curve::slope(curve, y)?)?)
    }

    fn max_pool2d(&self, spec: &Pool2dSpec, x: &Tensor) -> Result<(Tensor, DeviceIndices)> {
        let window = pool_window(spec);
        let out_size = window.out_size(size_of(x)?);
        let padded = window.pad(x, f32::NEG_INFINITY)?;
        let parts: Vec<Tensor> =
            window.taps().map(|tap| window.take(&padded, tap, out_size)).collect::<Result<_>>()?;
        let max = parts.iter().skip(1).try_fold(parts[0].clone(), |max, part| max.maximum(part))?;
        // The first tap that reaches the maximum has it, as on the CPU.
        let mut left = max.ones_like()?;
        let mut chosen = Vec::with_capacity(parts.len());
        for part in &parts {
            let here = (part.eq(&max)?.to_dtype(max.dtype())? * &left)?;
            left = (left - &here)?;
            chosen.push(here);
        }
        Ok((max, DeviceIndices { window, chosen }))
    }

    fn gather(&self, x: &Tensor, from: &DeviceIndices) -> Result<Tensor> {
        let out_size = from.window.out_size(size_of(x)?);
        let padded = from.window.pad(x, 0.0)?;
        let mut sum: Option<Tensor> = None;
        for (tap, chosen) in from.window.taps().zip(&from.chosen) {
            let part = from.window.take(&padded, tap, out_size)?;
            sum = Some(plus(part.broadcast_mul(chosen)?, sum)?);
        }
        sum.ok_or_else(|| Error::Unsupported("an empty window".into()))
    }

    fn scatter(
        &self,
        grad: &Tensor,
        from: &DeviceIndices,
        in_shape: Shape,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        let in_size = [in_shape.height, in_shape.width];
        let mut sum: Option<Tensor> = None;
        for (tap, chosen) in from.window.taps().zip(&from.chosen) {
            let part = from.window.put(&grad.broadcast_mul(chosen)?, tap, in_size)?;
            sum = Some(plus(part, sum)?);
        }
        let sum = sum.ok_or_else(|| Error::Unsupported("an empty window".into()))?;
        plus(from.window.crop(&sum, in_size)?, into)
    }

    fn avg_pool2d(&self, spec: &Pool2dSpec, x: &Tensor) -> Result<Tensor> {
        let [height, width] = size_of(x)?;
        let rows = Self::pool_averages(spec, height, 0);
        self.average(x, &rows, &Self::pool_averages(spec, width, 1))
    }

    fn avg_pool2d_adjoint(
        &self,
        spec: &Pool2dSpec,
        grad: &Tensor,
        in_shape: Shape,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        let rows = Self::pool_averages(spec, in_shape.height, 0).transposed();
        let columns = Self::pool_averages(spec, in_shape.width, 1).transposed();
        plus(self.average(grad, &rows, &columns)?, into)
    }

    fn adaptive_avg_pool2d(&self, size: [usize; 2], x: &Tensor) -> Result<Tensor> {
        let [height, width] = size_of(x)?;
        let rows = Self::adaptive_averages(height, size[0]);
        self.average(x, &rows, &Self::adaptive_averages(width, size[1]))
    }

    fn adaptive_avg_pool2d_adjoint(
        &self,
        grad: &Tensor,
        in_shape: Shape,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        let [height, width] = size_of(grad)?;
        let rows = Self::adaptive_averages(in_shape.height, height).transposed();
        let columns = Self::adaptive_averages(in_shape.width, width).transposed();
        plus(self.average(grad, &rows, &columns)?, into)
    }

    fn add(&self, a: Arc<Tensor>, b: &Tensor) -> Result<Tensor> {
        if a.dims() == b.dims() {
            return Ok((a.as_ref() + b)?);
        }
        Ok(a.broadcast_add(&tensors::padded(b, a.rank())?)?)
    }

    fn add_curve(&self, a: Arc<Tensor>, b: Arc<Tensor>, curve: Curve) -> Result<Tensor> {
        curve::value(curve, &(a.as_ref() + b.as_ref())?)
    }

    fn scale(&self, x: Arc<Tensor>, factor: f64) -> Result<Tensor> {
        Ok(x.affine(factor, 0.0)?)
    }

    fn concat(
        &self,
        axis: usize,
        parts: &[Option<&Tensor>],
        of: (Dims, usize),
        extents: &[usize],
    ) -> Result<Tensor> {
        tensors::concat(&self.device, axis, parts, of, extents)
    }

    fn slice(&self, x: &Tensor, slice: Slice, into: Option<Tensor>) -> Result<Tensor> {
        if slice.step == 1 {
            return plus(tensors::narrow(x, slice)?, into);
        }
        let indices = self.indices(tensors::of_slice(slice))?;
        plus(tensors::take(x, slice.axis, &indices)?, into)
    }

    fn unslice(
        &self,
        x: &Tensor,
        slice: Slice,
        size: usize,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        if slice.step == 1 {
            return plus(tensors::widen(x, slice, size)?, into);
        }
        let indices = self.indices(tensors::of_slice(slice))?;
        plus(tensors::put(x, (slice.axis, size), &indices)?, into)
    }

    fn take(&self, x: &Tensor, axis: usize, indices: &[usize]) -> Result<Tensor> {
        tensors::take(x, axis, &self.indices(indices.to_vec())?)
    }

    fn put(
        &self,
        grad: &Tensor,
        (axis, size): (usize, usize),
        indices: &[usize],
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        let indices = self.indices(indices.to_vec())?;
        plus(tensors::put(grad, (axis, size), &indices)?, into)
    }

    fn permute(&self, x: &Tensor, order: &[usize]) -> Result<Tensor> {
        tensors::permute(x, order)
    }

    fn reshape(&self, x: Arc<Tensor>, dims: Dims) -> Result<Tensor> {
        Ok(x.reshape(of_batch(dims, x.dim(0)?))?)
    }

    fn broadcast(&self, x: &Tensor, (dims, batch): (Dims, usize)) -> Result<Tensor> {
        let x = tensors::padded(x, dims.rank() + 1)?;
        Ok(x.broadcast_as(of_batch(dims, batch))?.contiguous()?)
    }

    fn sum_to(&self, x: &Tensor, of: (Dims, usize), into: Option<Tensor>) -> Result<Tensor> {
        plus(tensors::sum_to(x, of)?, into)
    }

    fn multiply(&self, x: &Tensor, factor: &Tensor, into: Option<Tensor>) -> Result<Tensor> {
        plus(x.broadcast_mul(factor)?, into)
    }

    fn multiply_owned(&self, x: Arc<Tensor>, factor: &Tensor) -> Result<Tensor> {
        self.multiply(&x, factor, None)
    }

    fn product(
        &self,
        x: &Tensor,
        y: &Tensor,
        of: (Dims, usize),
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        let rank = x.rank().max(y.rank());
        let product = tensors::padded(x, rank)?.broadcast_mul(&tensors::padded(y, rank)?)?;
        plus(tensors::sum_to(&product, of)?, into)
    }

    fn matmul(
        &self,
        x: (&Tensor, &[usize]),
        y: (&Tensor, &[usize]),
        to: Matrices<'_>,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        plus(tensors::matmul(x, y, to)?, into)
    }

    fn max_mask(&self, x: &Tensor, axis: usize) -> Result<Tensor> {
        let places = self.indices((0..x.dim(axis + 1)?).collect())?;
        tensors::max_mask(x, axis + 1, &places)
    }

    fn lines(&self, (map, axis): (LineMap, usize), x: &Tensor) -> Result<LineValues<Tensor>> {
        tensors::lines(map, axis + 1, x)
    }

    fn lines_jacobian(
        &self,
        (map, axis): (LineMap, usize),
        at: &LineValues<Tensor>,
        v: &Tensor,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        plus(tensors::jacobian(map, axis + 1, at, v)?, into)
    }

    fn lines_second(
        &self,
        (map, axis): (LineMap, usize),
        at: &LineValues<Tensor>,
        x_dot: &Tensor,
        (grad, grad_dot): (&Tensor, Option<&Tensor>),
    ) -> Result<Tensor> {
        let second = tensors::second(map, axis + 1, at, x_dot, grad)?;
        match grad_dot {
            Some(grad_dot) => self.lines_jacobian((map, axis), at, grad_dot, Some(second)),
            None => Ok(second),
        }
    }

    fn channel_moments(&self, x: &Tensor) -> Result<Vec<[f64; 2]>> {
        training::moments(x)
    }

    fn channel_products(&self, grad: &Tensor, x: &Tensor, means: &[f64]) -> Result<Vec<[f64; 2]>> {
        training::products(grad, x, &self.prepare_vector(means)?)
    }

    fn channel_combine(
        &self,
        grad: Arc<Tensor>,
        x: &Tensor,
        [a, b, c]: [&[f64]; 3],
    ) -> Result<Tensor> {
        let of = |values: &[f64]| of_channels(&self.prepare_vector(values)?, x);
        let sum = (grad.broadcast_mul(&of(a)?)? + x.broadcast_mul(&of(b)?)?)?;
        Ok(sum.broadcast_add(&of(c)?)?)
    }

    fn conv2d_weight_gradient(
        &self,
        conv: &DeviceConv2d,
        x: &Tensor,
        grad: &Tensor,
    ) -> Result<Vec<f32>> {
        training::of_convolution(conv, x, grad)
    }

    fn linear_weight_gradient(&self, x: &Tensor, grad: &Tensor) -> Result<Vec<f32>> {
        let product = grad.flatten_from(1)?.t()?.matmul(&x.flatten_from(1)?)?;
        Ok(product.flatten_all()?.to_vec1()?)
    }
}

/// [N, …].
fn of_batch(dims: Dims, batch: usize) -> Vec<usize> {
    std::iter::once(batch).chain(dims.sizes().iter().copied()).collect()
}

/// One number for each channel of x, to be broadcast to it.
fn of_channels(vector: &Tensor, x: &Tensor) -> Result<Tensor> {
    let mut dims = vec![1; x.rank()];
    dims[1] = vector.elem_count();
    Ok(vector.reshape(dims)?)
}

impl Device {
    fn tensor(&self, values: &[f64], shape: &[usize]) -> Result<Tensor> {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Ok(Tensor::from_vec(values, shape, &self.device)?)
    }
}
