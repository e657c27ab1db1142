//! Any candle device (CUDA, Metal, or candle's own CPU): the sweeps as candle tensor ops in `f32`,
//! on `[N, C, H, W]` tensors.
//!
//! candle's autograd is not used. Where candle has no op that fits (depthwise convolution, pooling
//! with overlap, adjoints of strided maps), the map is written as a sum over the taps of its
//! window, each a strided slice.

mod curve;
mod training;
mod window;

use std::sync::Arc;

use candle_core::Tensor;
use hsets_core::Shape;
use hsets_kernels::{Conv2dSpec, Curve, Pool2dSpec};

use super::Backend;
use crate::{Error, Result};
use window::Window;

/// A candle device.
#[derive(Debug, Clone)]
pub struct Device {
    device: candle_core::Device,
}

impl Device {
    /// Runs on this device.
    pub fn new(device: candle_core::Device) -> Self {
        Self { device }
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
        let shape = (averages.out, averages.weights.len() / averages.out.max(1));
        Ok(Tensor::from_slice(&averages.weights, shape, &self.device)?)
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

/// A matrix that averages ranges along one axis.
struct Averages {
    out: usize,
    weights: Vec<f32>,
}

impl Averages {
    fn new(
        out: usize,
        size: usize,
        range: impl Fn(usize) -> (std::ops::Range<usize>, usize),
    ) -> Self {
        let mut weights = vec![0.0; out * size];
        for (i, row) in weights.chunks_exact_mut(size).enumerate() {
            let (range, divisor) = range(i);
            row[range].fill(1.0 / divisor as f32);
        }
        Self { out, weights }
    }

    fn transposed(&self) -> Self {
        let size = self.weights.len() / self.out.max(1);
        let at = |i: usize| self.weights[i % self.out * size + i / self.out];
        Self { out: size, weights: (0..self.weights.len()).map(at).collect() }
    }
}

impl Backend for Device {
    type Scalar = f32;
    type Tensor = Tensor;
    type Conv2d = DeviceConv2d;
    type Linear = Tensor;
    type Vector = Tensor;
    type Indices = DeviceIndices;

    fn prepare_conv2d(&self, spec: Conv2dSpec, weights: &[f64]) -> Result<DeviceConv2d> {
        let kernel = self.tensor(weights, &spec.weight_shape())?;
        Ok(DeviceConv2d { spec, kernel })
    }

    fn prepare_linear(&self, out: usize, weights: &[f64]) -> Result<Tensor> {
        self.tensor(weights, &[out, weights.len() / out])
    }

    fn prepare_vector(&self, values: &[f64]) -> Result<Tensor> {
        self.tensor(values, &[1, values.len(), 1, 1])
    }

    fn upload(&self, shape: Shape, batch: &[&[f32]]) -> Result<Tensor> {
        let dims = (batch.len(), shape.channels, shape.height, shape.width);
        Ok(Tensor::from_vec(batch.concat(), dims, &self.device)?)
    }

    fn one_hot(&self, shape: Shape, features: &[usize]) -> Result<Tensor> {
        let mut data = vec![0.0; features.len() * shape.len()];
        for (n, feature) in features.iter().enumerate() {
            data[n * shape.len() + feature] = 1.0;
        }
        self.upload(shape, &data.chunks_exact(shape.len()).collect::<Vec<_>>())
    }

    fn download(&self, x: &Tensor) -> Result<Vec<Vec<f32>>> {
        Ok(x.flatten_from(1)?.to_vec2()?)
    }

    fn shape(&self, x: &Tensor) -> Shape {
        match *x.dims() {
            [_, channels, height, width] => Shape::new(channels, height, width),
            _ => Shape::new(x.elem_count(), 1, 1),
        }
    }

    fn conv2d(&self, conv: &DeviceConv2d, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let window = conv.window();
        let padded = window.pad(x, 0.0)?;
        let out = if conv.is_depthwise() {
            let out_size = window.out_size(size_of(x)?);
            let mut sum: Option<Tensor> = None;
            for tap in window.taps() {
                let part = window.take(&padded, tap, out_size)?;
                sum = Some(plus(part.broadcast_mul(&conv.tap_weight(tap)?)?, sum)?);
            }
            sum.ok_or_else(|| Error::Unsupported("an empty kernel".into()))?
        } else {
            conv.valid(&padded)?
        };
        Ok(match bias {
            Some(bias) => out.broadcast_add(bias)?,
            None => out,
        })
    }

    fn conv2d_adjoint(
        &self,
        conv: &DeviceConv2d,
        grad: &Tensor,
        in_shape: Shape,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
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
        let out = out.reshape((x.dim(0)?, matrix.dim(0)?, 1, 1))?;
        Ok(match bias {
            Some(bias) => out.broadcast_add(bias)?,
            None => out,
        })
    }

    fn linear_adjoint(
        &self,
        matrix: &Tensor,
        grad: &Tensor,
        into: Option<Tensor>,
    ) -> Result<Tensor> {
        let out = grad.flatten_from(1)?.matmul(matrix)?;
        plus(out.reshape((grad.dim(0)?, matrix.dim(1)?, 1, 1))?, into)
    }

    fn channel_affine(
        &self,
        parts: &[&Tensor],
        scale: &Tensor,
        shift: Option<&Tensor>,
        curve: Option<Curve>,
    ) -> Result<Tensor> {
        let scaled = Tensor::cat(parts, 1)?.broadcast_mul(scale)?;
        let z = match shift {
            Some(shift) => scaled.broadcast_add(shift)?,
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
        plus(grad.broadcast_mul(scale)?.narrow(1, first, n)?.contiguous()?, into)
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
        Ok((a.as_ref() + b)?)
    }

    fn add_curve(&self, a: Arc<Tensor>, b: Arc<Tensor>, curve: Curve) -> Result<Tensor> {
        curve::value(curve, &(a.as_ref() + b.as_ref())?)
    }

    fn concat(&self, parts: &[&Tensor]) -> Result<Tensor> {
        Ok(Tensor::cat(parts, 1)?)
    }

    fn channels(&self, x: &Tensor, first: usize, n: usize, into: Option<Tensor>) -> Result<Tensor> {
        plus(x.narrow(1, first, n)?.contiguous()?, into)
    }

    fn pad_channels(&self, x: &Tensor, before: usize, after: usize) -> Result<Tensor> {
        Ok(x.pad_with_zeros(1, before, after)?)
    }

    fn reshape(&self, x: Arc<Tensor>, shape: Shape) -> Result<Tensor> {
        Ok(x.reshape((x.dim(0)?, shape.channels, shape.height, shape.width))?)
    }

    fn multiply(&self, x: &Tensor, factor: &Tensor, into: Option<Tensor>) -> Result<Tensor> {
        plus(x.broadcast_mul(factor)?, into)
    }

    fn multiply_owned(&self, x: Arc<Tensor>, factor: &Tensor) -> Result<Tensor> {
        self.multiply(&x, factor, None)
    }

    fn spread(&self, gate: &Tensor, x: &Tensor, into: Option<Tensor>) -> Result<Tensor> {
        plus(gate.broadcast_mul(x)?, into)
    }

    fn sum_planes(&self, x: &Tensor, y: &Tensor, into: Option<Tensor>) -> Result<Tensor> {
        plus(x.broadcast_mul(y)?.sum_keepdim((2, 3))?, into)
    }
}

impl Device {
    fn tensor(&self, values: &[f64], shape: &[usize]) -> Result<Tensor> {
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Ok(Tensor::from_vec(values, shape, &self.device)?)
    }
}
