//! The closed set of ops a network is made of.
//!
//! The sweeps match on [`Op`] exhaustively: a new op does not compile until it has a value, a
//! tangent, an adjoint and an adjoint-tangent.

use hsets_kernels::{Conv2dSpec, Curve, Padding, Pool2dSpec};

use hsets_core::Smoothing;

/// Index of a parameter in [`crate::Graph::parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterId(pub(crate) usize);

impl ParameterId {
    /// Position in [`crate::Graph::parameters`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// One op of a graph.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The image.
    Input,
    /// Convolution.
    Conv2d {
        /// Channels, kernel, stride, padding, dilation, groups.
        spec: Conv2dSpec,
        /// Weights \[O, I/groups, kh, kw\].
        weight: ParameterId,
        /// Bias \[O\].
        bias: Option<ParameterId>,
    },
    /// Fully connected layer on a flattened input.
    Linear {
        /// Weights \[O, I\].
        weight: ParameterId,
        /// Bias \[O\].
        bias: Option<ParameterId>,
    },
    /// Batch norm with frozen statistics: `(x - mean)/√(var + eps) · weight + bias`.
    BatchNorm {
        /// Weight, bias, running mean, running variance, each \[C\].
        parameters: [ParameterId; 4],
        /// Added to the variance.
        eps: f64,
    },
    /// Elementwise activation.
    Activation(Activation),
    /// Max pooling.
    MaxPool2d(Pool2dSpec),
    /// Average pooling.
    AvgPool2d(Pool2dSpec),
    /// Average pooling to a given height and width (1×1 is global pooling).
    AdaptiveAvgPool2d([usize; 2]),
    /// Sum of two tensors of the same shape.
    Add,
    /// Concatenation along channels.
    Concat,
    /// Product of two tensors of the same shape, or of a tensor and a gate \[C, 1, 1\] (second).
    Multiply,
    /// \[C, H, W\] to \[C·H·W\], in that order.
    Flatten,
    /// Zero channels before and after.
    PadChannels {
        /// Number of zero channels in front.
        before: usize,
        /// Number of zero channels behind.
        after: usize,
    },
}

/// Elementwise activations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// max(0, z).
    Relu,
    /// min(max(0, z), 6).
    Relu6,
    /// z·relu6(z + 3)/6.
    HardSwish,
    /// relu6(z + 3)/6.
    HardSigmoid,
    /// 1/(1 + exp(-z)).
    Sigmoid,
    /// z·sigmoid(z).
    Silu,
    /// z·Φ(z).
    Gelu,
    /// ln(1 + exp(βz))/β.
    Softplus {
        /// β > 0.
        beta: f32,
    },
}

impl Activation {
    /// The curve that stands for this activation under `smoothing`.
    pub fn curve(self, smoothing: Smoothing) -> Curve {
        match (self, smoothing) {
            (Self::Relu, Smoothing::Exact) => Curve::Relu,
            (Self::Relu6, Smoothing::Exact) => Curve::Relu6,
            (Self::Relu, Smoothing::Sqrt { tau })
            | (Self::Relu | Self::Relu6, Smoothing::SqrtUnclipped { tau }) => {
                Curve::SqrtRelu { tau: widen(tau) }
            }
            (Self::Relu6, Smoothing::Sqrt { tau }) => Curve::SqrtRelu6 { tau: widen(tau) },
            (Self::Relu, Smoothing::Softplus { beta }) | (Self::Softplus { beta }, _) => {
                Curve::Softplus { beta: widen(beta) }
            }
            (Self::Relu6, Smoothing::Softplus { beta }) => Curve::Softplus6 { beta: widen(beta) },
            (Self::HardSwish, _) => Curve::HardSwish,
            (Self::HardSigmoid, _) => Curve::HardSigmoid,
            (Self::Sigmoid, _) => Curve::Sigmoid,
            (Self::Silu, _) => Curve::Silu,
            (Self::Gelu, _) => Curve::Gelu,
        }
    }
}

/// The decimal number the user meant (1e-3, not 1.0000000474974513e-3), so that an `f64` network
/// is smoothed by exactly the τ that was written down.
fn widen(value: f32) -> f64 {
    format!("{value}").parse().unwrap_or(f64::from(value))
}

/// Settings of a convolution, for [`crate::GraphBuilder::conv2d`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// Channels of the output.
    pub out_channels: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Padding.
    pub padding: Pad,
    /// Vertical and horizontal dilation.
    pub dilation: [usize; 2],
    /// Number of groups.
    pub groups: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

impl Conv2d {
    /// A square kernel, stride 1, no padding, one group, no bias.
    pub const fn new(out_channels: usize, kernel: usize) -> Self {
        Self {
            out_channels,
            kernel: [kernel; 2],
            stride: [1; 2],
            padding: Pad::Explicit(Padding::all(0)),
            dilation: [1; 2],
            groups: 1,
            bias: false,
        }
    }

    /// With this stride in both directions.
    #[must_use]
    pub const fn with_stride(mut self, stride: usize) -> Self {
        self.stride = [stride; 2];
        self
    }

    /// With this padding at all sides.
    #[must_use]
    pub const fn with_padding(mut self, pixels: usize) -> Self {
        self.padding = Pad::Explicit(Padding::all(pixels));
        self
    }

    /// With `TensorFlow`'s SAME padding.
    #[must_use]
    pub const fn with_same_padding(mut self) -> Self {
        self.padding = Pad::Same;
        self
    }

    /// With this many groups.
    #[must_use]
    pub const fn with_groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// With this dilation in both directions.
    #[must_use]
    pub const fn with_dilation(mut self, dilation: usize) -> Self {
        self.dilation = [dilation; 2];
        self
    }

    /// With a bias.
    #[must_use]
    pub const fn with_bias(mut self) -> Self {
        self.bias = true;
        self
    }
}

/// How a convolution or pooling pads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pad {
    /// So many pixels at each side.
    Explicit(Padding),
    /// `TensorFlow`'s SAME: output size ⌈in/stride⌉, the odd pixel at the bottom and right.
    Same,
}

impl Pad {
    /// The pixels at each side for this input.
    pub(crate) fn resolve(
        self,
        in_size: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> Padding {
        let same = |axis: usize| {
            let reach = (kernel[axis] - 1) * dilation[axis] + 1;
            let covered = (in_size[axis].div_ceil(stride[axis]) - 1) * stride[axis] + reach;
            let total = covered.saturating_sub(in_size[axis]);
            (total / 2, total - total / 2)
        };
        match self {
            Self::Explicit(padding) => padding,
            Self::Same => {
                let ((top, bottom), (left, right)) = (same(0), same(1));
                Padding { top, bottom, left, right }
            }
        }
    }
}

/// Settings of a pooling window, for [`crate::GraphBuilder::max_pool2d`] and
/// [`crate::GraphBuilder::avg_pool2d`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool2d {
    /// Window height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Padding.
    pub padding: Pad,
    /// Average pooling: whether padding counts in the divisor (PyTorch's default).
    pub count_include_pad: bool,
}

impl Pool2d {
    /// A square window without padding.
    pub const fn new(kernel: usize, stride: usize) -> Self {
        Self {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: Pad::Explicit(Padding::all(0)),
            count_include_pad: true,
        }
    }

    /// With this padding at all sides.
    #[must_use]
    pub const fn with_padding(mut self, pixels: usize) -> Self {
        self.padding = Pad::Explicit(Padding::all(pixels));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_tensorflows() {
        let pad = |size: usize, kernel: usize, stride: usize| {
            let p = Pad::Same.resolve([size; 2], [kernel; 2], [stride; 2], [1; 2]);
            (p.top, p.bottom)
        };
        assert_eq!(pad(224, 3, 2), (0, 1));
        assert_eq!(pad(225, 3, 2), (1, 1));
        assert_eq!(pad(14, 5, 1), (2, 2));
        assert_eq!(pad(7, 1, 2), (0, 0));
    }

    #[test]
    fn tau_is_taken_as_written() {
        assert_eq!(Activation::Relu.curve(Smoothing::PAPER), Curve::SqrtRelu { tau: 1e-3 });
    }
}
