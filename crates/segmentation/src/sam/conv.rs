//! Convolutions on channels-last images \[H·W, C\].

use rayon::prelude::*;

use super::{
    gemm::{Packed, Rows, multiply},
    ops::{gelu_all, vectorized},
};

/// Side lengths of an image, height first.
pub(super) type Size = (usize, usize);

/// A square convolution as a product of patches \[`k²·C`\] with the weights.
#[derive(Debug, Clone)]
pub(super) struct Conv2d {
    weight: Packed,
    bias: Vec<f32>,
    kernel: usize,
    stride: usize,
    padding: usize,
    inputs: usize,
}

impl Conv2d {
    /// `weight` \[outputs, inputs, kernel, kernel\], `bias` \[outputs\].
    pub(super) fn new(
        weight: &[f32],
        bias: Vec<f32>,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Self {
        let (outputs, taps) = (bias.len(), kernel * kernel);
        let inputs = weight.len() / outputs / taps;
        let mut by_tap = vec![0.0; weight.len()];
        for (i, &value) in weight.iter().enumerate() {
            let (output, input, tap) = (i / taps / inputs, i / taps % inputs, i % taps);
            by_tap[(output * taps + tap) * inputs + input] = value;
        }
        let length = taps * inputs;
        let weight = Packed::transposed(Rows::new(&by_tap, length), length, outputs);
        Self { weight, bias, kernel, stride, padding, inputs }
    }

    /// Size of the output for an input of `size`.
    pub(super) fn output_size(&self, (height, width): Size) -> Size {
        let side = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        (side(height), side(width))
    }

    /// The convolution of x \[H·W, inputs\], on all threads, a row of the output at a time.
    pub(super) fn forward(&self, x: &[f32], size: Size) -> Vec<f32> {
        let (out_height, out_width) = self.output_size(size);
        let (n, length) = (self.weight.n(), self.weight.k());
        let mut y = vec![0.0; out_height * out_width * n];
        y.par_chunks_mut(out_width * n).enumerate().for_each_init(
            || vec![0.0; out_width * length],
            |patches, (out_y, y)| {
                self.gather(x, size, out_y, patches);
                multiply(Rows::new(patches, length), out_width, &self.weight, y, n);
                for row in y.chunks_exact_mut(n) {
                    row.iter_mut().zip(&self.bias).for_each(|(y, b)| *y += b);
                }
            },
        );
        y
    }

    /// Patches \[output width, k, k, C\] of one row of the output; zero outside the image.
    fn gather(&self, x: &[f32], (height, width): Size, out_y: usize, patches: &mut [f32]) {
        patches.fill(0.0);
        let (channels, kernel) = (self.inputs, self.kernel);
        for (out_x, patch) in patches.chunks_exact_mut(kernel * kernel * channels).enumerate() {
            for (ky, row) in patch.chunks_exact_mut(kernel * channels).enumerate() {
                let Some(y) = (out_y * self.stride + ky).checked_sub(self.padding) else {
                    continue;
                };
                if y >= height {
                    continue;
                }
                let left = out_x * self.stride;
                let skip = self.padding.saturating_sub(left);
                let start = left + skip - self.padding;
                let taps = kernel.min(width + self.padding - left).saturating_sub(skip);
                row[skip * channels..(skip + taps) * channels]
                    .copy_from_slice(&x[(y * width + start) * channels..][..taps * channels]);
            }
        }
    }
}

/// A 3×3 convolution of each channel on its own, padded by 1.
#[derive(Debug, Clone)]
pub(super) struct Depthwise {
    /// \[9\]\[C\].
    weight: Vec<f32>,
    bias: Vec<f32>,
    stride: usize,
}

impl Depthwise {
    /// `weight` \[C, 1, 3, 3\], `bias` \[C\].
    pub(super) fn new(weight: &[f32], bias: Vec<f32>, stride: usize) -> Self {
        let channels = bias.len();
        let at = |i: usize| weight[i % channels * 9 + i / channels];
        Self { weight: (0..9 * channels).map(at).collect(), bias, stride }
    }

    /// Size of the output for an input of `size`.
    pub(super) fn output_size(&self, (height, width): Size) -> Size {
        (height.div_ceil(self.stride), width.div_ceil(self.stride))
    }

    /// The convolution of x \[H·W, C\], on all threads, with or without GELU after it.
    pub(super) fn forward(&self, x: &[f32], size: Size, gelu: bool) -> Vec<f32> {
        let (out_height, out_width) = self.output_size(size);
        let channels = self.bias.len();
        let mut y = vec![0.0; out_height * out_width * channels];
        y.par_chunks_mut(out_width * channels).enumerate().for_each(|(out_y, y)| {
            vectorized(
                #[inline(always)]
                || self.row(x, size, out_y, y),
            );
            if gelu {
                gelu_all(y);
            }
        });
        y
    }

    #[inline(always)]
    fn row(&self, x: &[f32], (height, width): Size, out_y: usize, y: &mut [f32]) {
        let channels = self.bias.len();
        for (out_x, y) in y.chunks_exact_mut(channels).enumerate() {
            y.copy_from_slice(&self.bias);
            for (tap, weight) in self.weight.chunks_exact(channels).enumerate() {
                let (row, column) = (out_y * self.stride + tap / 3, out_x * self.stride + tap % 3);
                if (1..=height).contains(&row) && (1..=width).contains(&column) {
                    let x = &x[((row - 1) * width + column - 1) * channels..][..channels];
                    for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                        *y += x * w;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i * 7919 % 101) as f32 / 50.0 - 1.0).collect()
    }

    /// Σ over taps and inputs, straight from the definition.
    #[test]
    fn convolutions_match_their_definition() {
        let (height, width, inputs, outputs) = (5, 7, 3, 4);
        let x = fill(height * width * inputs);
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (2, 2, 0), (1, 1, 0)] {
            let weight = fill(outputs * inputs * kernel * kernel);
            let bias = fill(outputs);
            let conv = Conv2d::new(&weight, bias.clone(), kernel, stride, padding);
            let y = conv.forward(&x, (height, width));
            let (out_height, out_width) = conv.output_size((height, width));
            assert_eq!(y.len(), out_height * out_width * outputs);
            for (i, &y) in y.iter().enumerate() {
                let (pixel, output) = (i / outputs, i % outputs);
                let mut exact = bias[output];
                for tap in 0..kernel * kernel {
                    let row = pixel / out_width * stride + tap / kernel;
                    let column = pixel % out_width * stride + tap % kernel;
                    if row < padding || column < padding {
                        continue;
                    }
                    let (row, column) = (row - padding, column - padding);
                    if row < height && column < width {
                        for c in 0..inputs {
                            exact += x[(row * width + column) * inputs + c]
                                * weight[(output * inputs + c) * kernel * kernel + tap];
                        }
                    }
                }
                assert!((y - exact).abs() < 1e-4, "kernel {kernel}, stride {stride}, {i}");
            }
        }
    }

    /// A depthwise convolution is a convolution whose weights between channels are zero.
    #[test]
    fn depthwise_is_a_diagonal_convolution() {
        let (size, channels) = ((5, 6), 4);
        let (x, weight, bias) = (fill(30 * channels), fill(9 * channels), fill(channels));
        let mut full = vec![0.0; channels * channels * 9];
        for c in 0..channels {
            full[(c * channels + c) * 9..][..9].copy_from_slice(&weight[c * 9..][..9]);
        }
        for stride in [1, 2] {
            let depthwise = Depthwise::new(&weight, bias.clone(), stride);
            let conv = Conv2d::new(&full, bias.clone(), 3, stride, 1);
            assert_eq!(depthwise.output_size(size), conv.output_size(size));
            let (a, b) = (depthwise.forward(&x, size, false), conv.forward(&x, size));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}
