//! Sliding windows as strided slices of candle tensors `[N, C, H, W]`.

use candle_core::Tensor;
use hsets_kernels::Padding;

use crate::Result;

/// Geometry of a window that slides over a padded input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) padding: Padding,
}

impl Window {
    /// Offsets within the kernel, row by row.
    pub(super) fn taps(self) -> impl Iterator<Item = [usize; 2]> {
        let [height, width] = self.kernel;
        (0..height).flat_map(move |u| (0..width).map(move |v| [u, v]))
    }

    fn padded_size(self, [height, width]: [usize; 2]) -> [usize; 2] {
        let Padding { top, bottom, left, right } = self.padding;
        [height + top + bottom, width + left + right]
    }

    pub(super) fn out_size(self, in_size: [usize; 2]) -> [usize; 2] {
        let padded = self.padded_size(in_size);
        std::array::from_fn(|axis| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            (padded[axis] - reach) / self.stride[axis] + 1
        })
    }

    /// The input with its padding.
    pub(super) fn pad(self, x: &Tensor, value: f32) -> Result<Tensor> {
        let Padding { top, bottom, left, right } = self.padding;
        let sides = [(2, top, bottom), (3, left, right)];
        let mut x = x.clone();
        for (dim, before, after) in sides.into_iter().filter(|(_, b, a)| b + a > 0) {
            let border = |n: usize| {
                let mut dims = x.dims().to_vec();
                dims[dim] = n;
                Tensor::full(value, dims, x.device())
            };
            x = Tensor::cat(&[border(before)?, x.clone(), border(after)?], dim)?;
        }
        Ok(x.contiguous()?)
    }

    /// The input without its padding.
    pub(super) fn crop(self, padded: &Tensor, [height, width]: [usize; 2]) -> Result<Tensor> {
        let rows = padded.narrow(2, self.padding.top, height)?;
        Ok(rows.narrow(3, self.padding.left, width)?.contiguous()?)
    }

    /// Zeros at the bottom and right, up to the padded size: what a stride leaves out.
    pub(super) fn fill(self, x: &Tensor, in_size: [usize; 2]) -> Result<Tensor> {
        let [height, width] = self.padded_size(in_size);
        let x = x.pad_with_zeros(2, 0, height - x.dim(2)?)?;
        Ok(x.pad_with_zeros(3, 0, width - x.dim(3)?)?)
    }

    /// What one tap of the window sees, for every position of the window.
    pub(super) fn take(self, padded: &Tensor, tap: [usize; 2], out: [usize; 2]) -> Result<Tensor> {
        let mut x = padded.clone();
        for axis in 0..2 {
            let (dim, stride) = (axis + 2, self.stride[axis]);
            let span = (out[axis] - 1) * stride + 1;
            x = x.narrow(dim, tap[axis] * self.dilation[axis], span)?;
            if stride > 1 {
                let mut dims = x.dims().to_vec();
                dims[dim] = out[axis];
                dims.insert(dim + 1, stride);
                let whole = x.pad_with_zeros(dim, 0, stride - 1)?.contiguous()?;
                x = whole.reshape(dims)?.narrow(dim + 1, 0, 1)?.squeeze(dim + 1)?;
            }
        }
        Ok(x.contiguous()?)
    }

    /// Adjoint of [`Self::take`]: a padded input that is zero except where the tap looks.
    pub(super) fn put(self, x: &Tensor, tap: [usize; 2], in_size: [usize; 2]) -> Result<Tensor> {
        let padded = self.padded_size(in_size);
        let mut x = x.clone();
        for axis in 0..2 {
            let (dim, stride) = (axis + 2, self.stride[axis]);
            let n = x.dim(dim)?;
            let span = (n - 1) * stride + 1;
            if stride > 1 {
                let mut dims = x.dims().to_vec();
                dims[dim] = n * stride;
                let spread = x.unsqueeze(dim + 1)?.pad_with_zeros(dim + 1, 0, stride - 1)?;
                x = spread.reshape(dims)?.narrow(dim, 0, span)?;
            }
            let before = tap[axis] * self.dilation[axis];
            x = x.pad_with_zeros(dim, before, padded[axis] - before - span)?;
        }
        Ok(x)
    }
}
