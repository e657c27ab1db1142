//! Exact first and second input derivatives of frozen networks, and the gradients with respect to
//! weights that train them.
//!
//! A [`Graph`] is made of a closed set of [`Op`]s that follow six rules and knows no weights; [`Weights`] are bound
//! to it in a [`Network`], which gives logits, input gradients of any scalar of the logits, and
//! rows of the input Hessian, many at once from one linearisation. The same graphs are trained by
//! [`Backpropagation`].

mod backend;
mod builder;
mod dims;
mod error;
mod graph;
mod module_field;
mod network;
mod op;
mod ops;
mod plan;
mod sweep;
mod training;
mod weights;
mod window;

pub use backend::{
    Backend, Cpu, CpuIndices, CpuTensor, Device, DeviceConv2d, DeviceIndices, LineValues, Matrices,
    Patch, Through, WindowOps,
};
pub use builder::{GraphBuilder, Interpolation, ResizePoints};
pub use dims::Dims;
pub use error::{Error, Result, WeightsError};
pub use graph::{Graph, Node, NodeId, ParameterSpec};
pub use hsets_kernels::{Curve, LineMap, Padding, Pool2dSpec};
pub use module_field::ModuleField;
pub use network::{Gradient, Linearized, Network};
pub use op::{Activation, Conv2d, Op, Pad, ParameterId, Pool2d, Slice};
pub use ops::attention::{Attention, Between, Product, Weighted};
pub use ops::learning::{Moments, Norms};
pub use training::{Backpropagation, Pass};
pub use weights::Weights;
