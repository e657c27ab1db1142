//! The closed set of ops a network is made of.
//!
//! Every op follows one of six rules: source, linear, curve, bilinear, choice, lines. A rule has a
//! value, a tangent, an adjoint and an adjoint-tangent, and all matches are exhaustive: a new op does
//! not compile until it has them all, on every backend.

use std::sync::Arc;

use hsets_kernels::{Conv2dSpec, Curve, LineMap, Padding, Pool2dSpec};

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

/// One op of a graph, by the rule of its derivatives.
///
/// Axes are those of one image: the batch is nobody's business but the backend's.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Source: the image, or another input.
    Input,
    /// Source: a parameter, the same for every image.
    Parameter(ParameterId),
    /// Source: numbers that are part of the network, row by row.
    Constant(Arc<[f64]>),

    /// Linear: convolution.
    Conv2d {
        /// Channels, kernel, stride, padding, dilation, groups.
        spec: Conv2dSpec,
        /// Weights \[O, I/groups, kh, kw\].
        weight: ParameterId,
        /// Bias \[O\].
        bias: Option<ParameterId>,
    },
    /// Linear: transposed convolution, the adjoint of a convolution.
    ConvTranspose2d {
        /// The convolution whose adjoint it is: its inputs are the outputs of this one.
        spec: Conv2dSpec,
        /// Weights \[I, O/groups, kh, kw\].
        weight: ParameterId,
    },
    /// Linear: fully connected layer along one axis.
    Linear {
        /// Weights \[O, I\].
        weight: ParameterId,
        /// Bias \[O\].
        bias: Option<ParameterId>,
        /// The axis of size I that becomes one of size O.
        axis: usize,
    },
    /// Linear: batch norm with frozen statistics, `(x - mean)/√(var + eps) · weight + bias`, along
    /// the first axis.
    BatchNorm {
        /// Weight, bias, running mean, running variance, each \[C\].
        parameters: [ParameterId; 4],
        /// Added to the variance.
        eps: f64,
    },
    /// Linear: average pooling.
    AvgPool2d(Pool2dSpec),
    /// Linear: average pooling to a given height and width (1×1 is global pooling).
    AdaptiveAvgPool2d([usize; 2]),
    /// Linear: sum of two tensors, broadcast to a common shape.
    Add,
    /// Linear: product with a number.
    Scale(f64),
    /// Linear: sum over the axes where the output has size 1 and the input has not.
    Sum,
    /// Linear: broadcast to the shape of the output.
    Broadcast,
    /// Linear: concatenation along an axis.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// Linear: every `step`-th index along an axis.
    Slice(Slice),
    /// Linear: zeros everywhere but at a slice of the output, which holds the input.
    Pad(Slice),
    /// Linear: given indices along an axis, in that order.
    Gather {
        /// The axis.
        axis: usize,
        /// Indices below its size.
        indices: Arc<[usize]>,
    },
    /// Linear: axes in another order; axis k of the output is axis `order[k]` of the input.
    Permute(Vec<usize>),
    /// Linear: the same elements, row by row, under another shape.
    Reshape,

    /// Curve: elementwise activation.
    Activation(Activation),

    /// Bilinear: elementwise product, broadcast to a common shape.
    Multiply,
    /// Bilinear: matrix product over the last two axes, broadcast over those before.
    MatMul {
        /// Whether the first and the second factor are transposed.
        transposed: [bool; 2],
    },

    /// Choice: max pooling.
    MaxPool2d(Pool2dSpec),
    /// Choice: maximum along an axis, which stays with size 1.
    Max {
        /// The axis.
        axis: usize,
    },

    /// Lines: softmax or normalisation along an axis.
    Lines {
        /// Which of them.
        map: LineMap,
        /// The axis.
        axis: usize,
    },
}

/// Indices start, start + step, … along an axis, `len` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The axis.
    pub axis: usize,
    /// First index.
    pub start: usize,
    /// Distance of neighbours, 1 or more.
    pub step: usize,
    /// How many.
    pub len: usize,
}

/// Elementwise activations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// max(0, z).
    Relu,
    /// max(0, z), called as a function in the original network, where all others are modules:
    /// smoothing that swaps modules leaves it exact.
    FunctionalRelu,
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
    /// z·(1 + tanh(√(2/π)·(z + 0.044715·z³)))/2.
    GeluTanh,
    /// ln(1 + exp(βz))/β.
    Softplus {
        /// β > 0.
        beta: f32,
    },
    /// exp(z).
    Exp,
    /// ln z.
    Log,
    /// √z.
    Sqrt,
    /// 1/z.
    Reciprocal,
    /// z to the power of a constant.
    Power {
        /// The constant.
        exponent: f64,
    },
    /// The error function.
    Erf,
    /// tanh(z).
    Tanh,
    /// |z|.
    Abs,
    /// min(max(low, z), high). A network's ReLU6 should be [`Activation::Relu6`], which smoothing
    /// knows.
    Clip {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// z where z > 0, else slope·z.
    LeakyRelu {
        /// Slope below 0.
        slope: f64,
    },
    /// z where z > 0, else α·(exp(z) - 1).
    Elu {
        /// α.
        alpha: f64,
    },
}

impl Activation {
    /// The curve that stands for this activation under `smoothing`.
    pub fn curve(self, smoothing: Smoothing) -> Curve {
        match (self, smoothing) {
            (Self::Relu | Self::FunctionalRelu, Smoothing::Exact)
            | (Self::FunctionalRelu, Smoothing::SqrtModules { .. }) => Curve::Relu,
            (Self::Relu6, Smoothing::Exact) => Curve::Relu6,
            (Self::Relu | Self::FunctionalRelu, Smoothing::Sqrt { tau })
            | (Self::Relu | Self::Relu6, Smoothing::SqrtModules { tau }) => {
                Curve::SqrtRelu { tau: widen(tau) }
            }
            (Self::Relu6, Smoothing::Sqrt { tau }) => Curve::SqrtRelu6 { tau: widen(tau) },
            (Self::Relu | Self::FunctionalRelu, Smoothing::Softplus { beta })
            | (Self::Softplus { beta }, _) => Curve::Softplus { beta: widen(beta) },
            (Self::Relu6, Smoothing::Softplus { beta }) => Curve::Softplus6 { beta: widen(beta) },
            (Self::HardSwish, _) => Curve::HardSwish,
            (Self::HardSigmoid, _) => Curve::HardSigmoid,
            (Self::Sigmoid, _) => Curve::Sigmoid,
            (Self::Silu, _) => Curve::Silu,
            (Self::Gelu, _) => Curve::Gelu,
            (Self::GeluTanh, _) => Curve::GeluTanh,
            (Self::Exp, _) => Curve::Exp,
            (Self::Log, _) => Curve::Log,
            (Self::Sqrt, _) => Curve::Sqrt,
            (Self::Reciprocal, _) => Curve::Reciprocal,
            (Self::Power { exponent }, _) => Curve::Power { exponent },
            (Self::Erf, _) => Curve::Erf,
            (Self::Tanh, _) => Curve::Tanh,
            (Self::Abs, _) => Curve::Abs,
            (Self::Clip { low, high }, _) => Curve::Clip { low, high },
            (Self::LeakyRelu { slope }, _) => Curve::LeakyRelu { slope },
            (Self::Elu { alpha }, _) => Curve::Elu { alpha },
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
