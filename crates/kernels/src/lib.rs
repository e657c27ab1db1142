//! CPU kernels of networks: convolution, linear maps, pooling and elementwise curves, products of
//! matrices and of broadcast tensors, softmax and normalisation, each with its adjoint, in `f32` and `f64`; what training needs besides, gradients with respect to weights
//! and batch norm over the batch; and attention for values alone.
//!
//! **Layout.** Activations are dense, row-major `[channels, batch, height, width]`: one channel of
//! the whole batch is contiguous, so a 1×1 convolution is one matrix product whatever the batch,
//! and concatenation along channels is appending.
//!
//! **Linear kernels are used four ways.** Value and tangent are `forward` (the tangent without
//! bias), adjoint and adjoint-tangent are `adjoint`. With `accumulate`, an adjoint adds to its
//! output instead of overwriting it.
//!
//! **Same result on any number of threads**, bit for bit: work is split by output element, never
//! inside a sum. The sum for one output element does not depend on the batch it is part of either.
//!
//! Shapes are the caller's duty: slices of the wrong length panic.

// What is not inlined is not compiled for the vector instructions chosen at run time.
#![allow(clippy::inline_always)]
// Loops over several small arrays at once read better, and compile better, with indices.
#![allow(clippy::needless_range_loop)]

mod attention;
mod batch_norm;
mod conv2d;
mod curve;
mod elementwise;
mod emit;
mod epilogue;
mod exponential;
mod gather;
mod in_place;
mod isa;
mod linear;
mod lines;
mod matmul;
mod matvec;
mod micro;
mod parallel;
mod pool2d;
mod rows;
mod scalar;
mod shared;
mod simd;
mod source;
mod strided;
mod tiling;
mod transforms;
mod weight_gradient;
mod winograd;

pub use attention::{Attention, Bias, Starts, Tokens};
pub use batch_norm::{channel_combine, channel_moments, channel_products};
pub use conv2d::{Algorithm, Conv2d, Conv2dSpec, Padding, Window};
pub use curve::Curve;
pub use elementwise::{
    add_assign, add_curve, channel_affine, channel_scale, curve_slopes, curve_values,
    multiply_planes, scale_in_place,
};
pub use epilogue::Epilogue;
pub use in_place::{curve_adjoint_by_output, curve_in_place, multiply_assign_planes};
pub use isa::Isa;
pub use linear::Linear;
pub use lines::{Batched, LineGradients, LineMap, LinePoint, Lines};
pub use matmul::MatMul;
pub use pool2d::{Pool2dSpec, adaptive_avg_pool2d, avg_pool2d, gather, max_pool2d, scatter_add};
pub use scalar::Scalar;
pub use strided::strided_product;
pub use weight_gradient::{conv2d_weight_gradient, linear_weight_gradient};
