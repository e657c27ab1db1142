//! Two-dimensional convolution (cross-correlation, as networks use the word) and its adjoint.
//!
//! out[o, n, y, x] = bias[o] + Σ_{i, u, v} w[o, i, u, v] · in[i, n, s·y + d·u - p, s·x + d·v - p]

use crate::Scalar;

/// Zero padding at the four sides, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same at all four sides.
    pub const fn all(pixels: usize) -> Self {
        Self { top: pixels, bottom: pixels, left: pixels, right: pixels }
    }
}

/// Everything about a convolution but its weights and the size of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dSpec {
    /// Channels of the input, a multiple of `groups`.
    pub in_channels: usize,
    /// Channels of the output, a multiple of `groups`.
    pub out_channels: usize,
    /// Number of groups; `in_channels` for depthwise.
    pub groups: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal dilation.
    pub dilation: [usize; 2],
    /// Zero padding.
    pub padding: Padding,
}

impl Conv2dSpec {
    /// Height and width of the output, `None` if the kernel does not fit into the padded input.
    pub fn output_size(&self, [height, width]: [usize; 2]) -> Option<[usize; 2]> {
        let size = |padded: usize, axis: usize| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            Some(padded.checked_sub(reach)? / self.stride[axis] + 1)
        };
        Some([
            size(height + self.padding.top + self.padding.bottom, 0)?,
            size(width + self.padding.left + self.padding.right, 1)?,
        ])
    }

    /// Shape of the weights \[O, I/groups, kh, kw\].
    pub fn weight_shape(&self) -> [usize; 4] {
        let [height, width] = self.kernel;
        [self.out_channels, self.in_channels / self.groups, height, width]
    }
}

/// A convolution with frozen weights, prepared once for both directions.
#[derive(Debug)]
pub struct Conv2d<T> {
    spec: Conv2dSpec,
    weights: Vec<T>,
}

impl<T: Scalar> Conv2d<T> {
    /// Prepares weights of shape [`Conv2dSpec::weight_shape`], row-major.
    ///
    /// # Panics
    /// If the number of weights does not fit the spec.
    pub fn new(spec: Conv2dSpec, weights: Vec<T>) -> Self {
        assert_eq!(weights.len(), spec.weight_shape().iter().product::<usize>());
        Self { spec, weights }
    }

    /// The spec it was made from.
    pub fn spec(&self) -> &Conv2dSpec {
        &self.spec
    }

    /// `out` [O, N, oh, ow] becomes the convolution of `x` [I, N, h, w], plus `bias` [O].
    pub fn forward(
        &self,
        batch: usize,
        in_size: [usize; 2],
        x: &[T],
        bias: Option<&[T]>,
        out: &mut [T],
    ) {
        let Some([oh, ow]) = self.spec.output_size(in_size) else { return };
        let plane = oh * ow;
        for (o, rows) in out.chunks_exact_mut(batch * plane).enumerate() {
            rows.fill(bias.map_or(T::ZERO, |bias| bias[o]));
        }
        self.for_each_tap(batch, in_size, |weight, at_in, at_out| {
            out[at_out] += self.weights[weight] * x[at_in];
        });
    }

    /// `grad_in` [I, N, h, w] becomes (or, if `accumulate`, grows by) the adjoint applied to
    /// `grad_out` [O, N, oh, ow].
    pub fn adjoint(
        &self,
        batch: usize,
        in_size: [usize; 2],
        grad_out: &[T],
        grad_in: &mut [T],
        accumulate: bool,
    ) {
        if !accumulate {
            grad_in.fill(T::ZERO);
        }
        self.for_each_tap(batch, in_size, |weight, at_in, at_out| {
            grad_in[at_in] += self.weights[weight] * grad_out[at_out];
        });
    }

    /// Calls `tap(weight index, input index, output index)` for every product of the sum.
    fn for_each_tap(
        &self,
        batch: usize,
        [h, w]: [usize; 2],
        mut tap: impl FnMut(usize, usize, usize),
    ) {
        let spec = &self.spec;
        let Some([oh, ow]) = spec.output_size([h, w]) else { return };
        let [_, group_in, kh, kw] = spec.weight_shape();
        let group_out = spec.out_channels / spec.groups;
        for o in 0..spec.out_channels {
            let first_in = o / group_out * group_in;
            for i in 0..group_in {
                for n in 0..batch {
                    for (y, x) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
                        for (u, v) in (0..kh).flat_map(|u| (0..kw).map(move |v| (u, v))) {
                            let sy = (y * spec.stride[0] + u * spec.dilation[0])
                                .checked_sub(spec.padding.top);
                            let sx = (x * spec.stride[1] + v * spec.dilation[1])
                                .checked_sub(spec.padding.left);
                            let (Some(sy), Some(sx)) = (sy, sx) else { continue };
                            if sy < h && sx < w {
                                tap(
                                    ((o * group_in + i) * kh + u) * kw + v,
                                    (((first_in + i) * batch + n) * h + sy) * w + sx,
                                    ((o * batch + n) * oh + y) * ow + x,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
