//! Tangents on windows, on the CPU.

use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::{self as kernels, Scalar, Window};
use rayon::prelude::*;

use super::{Cpu, CpuIndices, CpuTensor};
use crate::Result;
use crate::backend::{Backend, Patch, WindowOps};

type CpuPatch<T> = Patch<Cpu<T>>;

impl<T: Scalar> CpuPatch<T>
where
    Cpu<T>: Backend<Tensor = CpuTensor<T>>,
{
    /// Rows of a channel, each with where it begins in a plane `width` wide whose first pixel is
    /// `origin`.
    fn rows(
        &self,
        channel: usize,
        width: usize,
        origin: [usize; 2],
    ) -> impl Iterator<Item = (usize, &[T])> {
        let [n_rows, n_columns] = self.window.size;
        let first = [0, 1].map(|axis| self.window.origin[axis] - origin[axis]);
        let rows = self.values.data()[channel * n_rows * n_columns..].chunks_exact(n_columns);
        let at = move |y: usize| (first[0] + y) * width + first[1];
        rows.take(n_rows).enumerate().map(move |(y, row)| (at(y), row))
    }
}

impl<T: Scalar> Cpu<T> {
    fn of_window(&self, channels: usize, window: Window) -> CpuTensor<T> {
        self.uninit(Shape::new(channels, window.size[0], window.size[1]), 1)
    }
}

impl<T: Scalar> WindowOps<Cpu<T>> for Cpu<T>
where
    Cpu<T>: Backend<Tensor = CpuTensor<T>, Conv2d = kernels::Conv2d<T>, Indices = CpuIndices>,
{
    fn pixel(&self, shape: Shape, feature: usize) -> Result<CpuPatch<T>> {
        let (plane, pixel) = (shape.n_pixels(), feature % shape.n_pixels());
        let mut values = self.uninit(Shape::new(shape.channels, 1, 1), 1);
        values.data_mut().fill(T::ZERO);
        values.data_mut()[feature / plane] = T::ONE;
        let window = Window { origin: [pixel / shape.width, pixel % shape.width], size: [1, 1] };
        Ok(Patch { window, values: Arc::new(values) })
    }

    fn conv2d(
        &self,
        conv: &kernels::Conv2d<T>,
        x: &CpuPatch<T>,
        window: Window,
    ) -> Result<CpuTensor<T>> {
        let mut out = self.of_window(conv.spec().out_channels, window);
        conv.forward_window(1, x.window, x.values.data(), None, window, out.data_mut());
        Ok(out)
    }

    fn scale(&self, x: &CpuPatch<T>, factor: &CpuTensor<T>) -> Result<CpuTensor<T>> {
        let mut out = self.of_window(factor.shape().channels, x.window);
        let (plane, width) = (factor.shape().n_pixels(), factor.shape().width);
        let n_pixels = x.values.shape().n_pixels();
        for (channel, out) in out.data_mut().chunks_exact_mut(n_pixels).enumerate() {
            let rows = x.rows(channel, width, [0, 0]);
            let factor = &factor.data()[channel * plane..][..plane];
            let outs = out.chunks_exact_mut(x.window.size[1]);
            for (out, (at, row)) in outs.zip(rows) {
                let products = row.iter().zip(&factor[at..]);
                out.iter_mut().zip(products).for_each(|(out, (&x, &factor))| *out = factor * x);
            }
        }
        Ok(out)
    }

    fn gather(
        &self,
        x: &CpuPatch<T>,
        in_shape: Shape,
        from: &CpuIndices,
        window: Window,
    ) -> Result<CpuTensor<T>> {
        let mut out = self.of_window(in_shape.channels, window);
        let [height, width] = from.size;
        let ([n_rows, n_columns], [top, left]) = (x.window.size, x.window.origin);
        for (at, out) in out.data_mut().iter_mut().enumerate() {
            let (pixel, columns) = (at % (window.size[0] * window.size[1]), window.size[1]);
            let channel = at / (window.size[0] * columns);
            let y = channel * height + window.origin[0] + pixel / columns;
            let index = from.indices[y * width + window.origin[1] + pixel % columns] as usize;
            let (y, x_at) = (index / in_shape.width, index % in_shape.width);
            let (y, x_at) = (y.wrapping_sub(top), x_at.wrapping_sub(left));
            let inside = y < n_rows && x_at < n_columns;
            let value = || x.values.data()[(channel * n_rows + y) * n_columns + x_at];
            *out = if inside { value() } else { T::ZERO };
        }
        Ok(out)
    }

    fn crop(&self, x: &CpuTensor<T>, window: Window) -> Result<CpuTensor<T>> {
        let shape = x.shape();
        let mut out = self.of_window(shape.channels, window);
        let [height, width] = window.size;
        for (channel, out) in out.data_mut().chunks_exact_mut(height * width).enumerate() {
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                let first = shape.index(channel, window.origin[0] + y, window.origin[1]);
                out.copy_from_slice(&x.data()[first..first + width]);
            }
        }
        Ok(out)
    }

    fn grow(&self, x: &CpuPatch<T>, window: Window) -> Result<CpuTensor<T>> {
        let mut out = self.of_window(x.values.shape().channels, window);
        out.data_mut().fill(T::ZERO);
        let [height, width] = window.size;
        for (channel, out) in out.data_mut().chunks_exact_mut(height * width).enumerate() {
            for (at, row) in x.rows(channel, width, window.origin) {
                out[at..at + row.len()].copy_from_slice(row);
            }
        }
        Ok(out)
    }

    fn embed(&self, shape: Shape, patches: &[CpuPatch<T>]) -> Result<CpuTensor<T>> {
        let mut out = self.zeros(shape, patches.len());
        let planes = out.data_mut().par_chunks_exact_mut(shape.n_pixels());
        planes.enumerate().for_each(|(plane, out)| {
            let (channel, patch) = (plane / patches.len(), &patches[plane % patches.len()]);
            for (at, row) in patch.rows(channel, shape.width, [0, 0]) {
                out[at..at + row.len()].copy_from_slice(row);
            }
        });
        Ok(out)
    }

    fn add_product(
        &self,
        mut sum: CpuTensor<T>,
        factor: &CpuTensor<T>,
        patches: &[CpuPatch<T>],
    ) -> Result<CpuTensor<T>> {
        let (n_pixels, width) = (sum.shape().n_pixels(), sum.shape().width);
        let planes = sum.data_mut().par_chunks_exact_mut(n_pixels);
        planes.enumerate().for_each(|(plane, sum)| {
            let (channel, patch) = (plane / patches.len(), &patches[plane % patches.len()]);
            let factor = &factor.data()[channel * n_pixels..][..n_pixels];
            for (at, row) in patch.rows(channel, width, [0, 0]) {
                let products = factor[at..].iter().zip(row);
                let sums = sum[at..].iter_mut();
                sums.zip(products).for_each(|(sum, (&factor, &x))| *sum += factor * x);
            }
        });
        Ok(sum)
    }
}
