//! Builds graphs, with shape inference: a network that does not fit is refused where it is written.
//!
//! Axes are those of one image (the batch is not among them), counted from 0. Besides the layers of
//! convolutional networks on \[C, H, W\] there are, for tensors of rank 1 to 8,
//!
//! | rule | methods |
//! |---|---|
//! | source | `input`, `add_input`, `parameter`, `constant` |
//! | linear | `add`, `subtract` (broadcast), `scale`, `linear_along`, `sum`, `mean`, `broadcast`, `concat_along`, `slice`, `pad`, `gather`, `permute`, `reshape`, `conv_transpose2d`, `separable`, `resize2d`, `select` (constant mask) |
//! | curve | `activation` |
//! | bilinear | `multiply`, `divide` (broadcast), `matmul` |
//! | choice | `max`, `max_pool2d` |
//! | lines | `softmax`, `normalize`, `layer_norm`, `group_norm` |
//!
//! `permute` costs nothing by itself: the plan holds tensors in the order that suits what reads
//! them, and `reshape` moves nothing where neighbouring axes are only split or joined.

mod tensors;

use hsets_core::Shape;
use hsets_kernels::{Conv2dSpec, Pool2dSpec};

use crate::error::{Error, Result};
use crate::{
    Activation, Conv2d, Dims, Graph, Node, NodeId, Op, ParameterId, ParameterSpec, Pool2d, Slice,
};
pub use tensors::{Interpolation, ResizePoints};

/// Adds ops one after another and gives a [`Graph`] in the end.
///
/// ```
/// use hsets_autodiff::{Activation, Conv2d, GraphBuilder};
/// use hsets_core::Shape;
/// let mut g = GraphBuilder::new(Shape::new(3, 32, 32));
/// let x = g.input();
/// let x = g.conv2d(x, "conv1", Conv2d::new(8, 3).with_padding(1).with_bias())?;
/// let x = g.activation(x, Activation::Relu);
/// let x = g.global_avg_pool2d(x)?;
/// let x = g.flatten(x);
/// let logits = g.linear(x, "fc", 10)?;
/// let graph = g.finish(logits);
/// assert_eq!(graph.n_classes(), 10);
/// assert_eq!(graph.parameters()[0].name, "conv1.weight");
/// # Ok::<(), hsets_autodiff::Error>(())
/// ```
#[derive(Debug)]
pub struct GraphBuilder {
    nodes: Vec<Node>,
    parameters: Vec<ParameterSpec>,
}

impl GraphBuilder {
    /// A graph for images of this shape.
    pub fn new(input: Shape) -> Self {
        Self::for_input(Dims::from(input).sizes())
    }

    /// A graph whose first input has these sizes.
    pub fn for_input(sizes: &[usize]) -> Self {
        let mut builder = Self { nodes: vec![], parameters: vec![] };
        builder.add_input(sizes);
        builder
    }

    /// One more input.
    ///
    /// # Panics
    /// If there is no axis or more than [`Dims::MAX_RANK`].
    pub fn add_input(&mut self, sizes: &[usize]) -> NodeId {
        self.push("input", Op::Input, vec![], Dims::new(sizes))
    }

    /// The image, or the first input.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Shape of a node's output as an image \[C, H, W\], see [`Dims::image`].
    pub fn shape(&self, node: NodeId) -> Shape {
        self.dims(node).image()
    }

    /// Sizes of a node's output.
    pub fn dims(&self, node: NodeId) -> Dims {
        self.nodes[node.0].dims
    }

    /// Convolution with parameters `{name}.weight` and, if asked for, `{name}.bias`.
    pub fn conv2d(&mut self, x: NodeId, name: &str, conv: Conv2d) -> Result<NodeId> {
        let input = self.image("conv2d", name, x)?;
        let in_size = [input.height, input.width];
        let refuse = |reason: String| refusal("conv2d", name, reason);
        let Conv2d { out_channels, kernel, stride, dilation, groups, .. } = conv;
        if [kernel, stride, dilation].concat().contains(&0) || groups == 0 || out_channels == 0 {
            return Err(refuse(
                "kernel, stride, dilation, groups and channels must be 1 or more".into(),
            ));
        }
        if !input.channels.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
            return Err(refuse(format!(
                "{groups} groups do not divide {} channels in and {out_channels} out",
                input.channels
            )));
        }
        let padding = conv.padding.resolve(in_size, kernel, stride, dilation);
        let in_channels = input.channels;
        let spec =
            Conv2dSpec { in_channels, out_channels, groups, kernel, stride, dilation, padding };
        let [height, width] = spec.output_size(in_size).ok_or_else(|| {
            refuse(format!("the kernel {kernel:?} does not fit into {input}: use a larger image"))
        })?;
        let weight = self.add_parameter(name, "weight", &spec.weight_shape());
        let bias = conv.bias.then(|| self.add_parameter(name, "bias", &[out_channels]));
        let shape = Shape::new(out_channels, height, width);
        Ok(self.push(name, Op::Conv2d { spec, weight, bias }, vec![x], shape))
    }

    /// Fully connected layer of a vector with `{name}.weight` \[O, I\] and `{name}.bias` \[O\].
    pub fn linear(&mut self, x: NodeId, name: &str, out_features: usize) -> Result<NodeId> {
        let input = self.shape(x);
        if input.n_pixels() != 1 {
            return Err(refusal("linear", name, format!("flatten the input {input} first")));
        }
        self.linear_along(x, name, out_features, 0, true)
    }

    /// Batch norm with `{name}.weight`, `.bias`, `.running_mean` and `.running_var`.
    pub fn batch_norm(&mut self, x: NodeId, name: &str, eps: f64) -> NodeId {
        let dims = self.dims(x);
        let parameters = ["weight", "bias", "running_mean", "running_var"]
            .map(|suffix| self.add_parameter(name, suffix, &dims.sizes()[..1]));
        self.push(name, Op::BatchNorm { parameters, eps }, vec![x], dims)
    }

    /// Elementwise activation.
    pub fn activation(&mut self, x: NodeId, activation: Activation) -> NodeId {
        let shape = self.dims(x);
        self.push("activation", Op::Activation(activation), vec![x], shape)
    }

    /// Max pooling.
    pub fn max_pool2d(&mut self, x: NodeId, pool: Pool2d) -> Result<NodeId> {
        let (spec, shape) = self.pool_spec("max_pool2d", x, pool)?;
        Ok(self.push("max_pool2d", Op::MaxPool2d(spec), vec![x], shape))
    }

    /// Average pooling.
    pub fn avg_pool2d(&mut self, x: NodeId, pool: Pool2d) -> Result<NodeId> {
        let (spec, shape) = self.pool_spec("avg_pool2d", x, pool)?;
        Ok(self.push("avg_pool2d", Op::AvgPool2d(spec), vec![x], shape))
    }

    /// Average pooling to height and width `size`.
    pub fn adaptive_avg_pool2d(&mut self, x: NodeId, size: [usize; 2]) -> Result<NodeId> {
        let name = "adaptive_avg_pool2d";
        if size.contains(&0) {
            return Err(refusal(name, name, "the output size must be 1 or more".into()));
        }
        let shape = Shape::new(self.image(name, name, x)?.channels, size[0], size[1]);
        Ok(self.push(name, Op::AdaptiveAvgPool2d(size), vec![x], shape))
    }

    /// Average over all pixels, to \[C, 1, 1\].
    pub fn global_avg_pool2d(&mut self, x: NodeId) -> Result<NodeId> {
        self.adaptive_avg_pool2d(x, [1, 1])
    }

    /// Sum of two nodes, broadcast to a common shape (aligned at their last axes).
    pub fn add(&mut self, a: NodeId, b: NodeId) -> Result<NodeId> {
        let dims = self.common("add", a, b)?;
        Ok(self.push("add", Op::Add, vec![a, b], dims))
    }

    /// Product of two nodes, broadcast to a common shape, such as \[C, H, W\] and a gate
    /// \[C, 1, 1\].
    pub fn multiply(&mut self, x: NodeId, gate: NodeId) -> Result<NodeId> {
        let dims = self.common("multiply", x, gate)?;
        Ok(self.push("multiply", Op::Multiply, vec![x, gate], dims))
    }

    /// Concatenation along channels, the first axis.
    pub fn concat(&mut self, inputs: &[NodeId]) -> Result<NodeId> {
        self.concat_along(0, inputs)
    }

    /// Any tensor to a vector.
    pub fn flatten(&mut self, x: NodeId) -> NodeId {
        let dims = Dims::new(&[self.dims(x).n_elements()]);
        self.push("flatten", Op::Reshape, vec![x], dims)
    }

    /// Zero channels before and after.
    pub fn pad_channels(&mut self, x: NodeId, before: usize, after: usize) -> NodeId {
        self.pad_axis(x, 0, before, after)
    }

    /// The finished graph; `logits` is its output.
    ///
    /// # Panics
    /// If `logits` is not a node of this builder.
    pub fn finish(self, logits: NodeId) -> Graph {
        self.finish_with(logits, &[])
    }

    /// The finished graph with several outputs. Such a graph has values and no derivatives.
    ///
    /// # Panics
    /// If one of them is not a node of this builder.
    pub fn finish_with(self, output: NodeId, others: &[NodeId]) -> Graph {
        let Self { nodes, parameters } = self;
        let is_own = |node: &NodeId| node.0 < nodes.len();
        assert!(is_own(&output) && others.iter().all(is_own), "an output is no node of this graph");
        Graph { nodes, parameters, output, others: others.to_vec(), link: None }
    }

    fn pool_spec(&self, op: &'static str, x: NodeId, pool: Pool2d) -> Result<(Pool2dSpec, Shape)> {
        let input = self.image(op, op, x)?;
        let in_size = [input.height, input.width];
        let Pool2d { kernel, stride, count_include_pad, .. } = pool;
        if [kernel, stride].concat().contains(&0) {
            return Err(refusal(op, op, "kernel and stride must be 1 or more".into()));
        }
        let padding = pool.padding.resolve(in_size, kernel, stride, [1; 2]);
        let widest = [padding.top, padding.bottom].map(|p| 2 * p > kernel[0]);
        let highest = [padding.left, padding.right].map(|p| 2 * p > kernel[1]);
        if widest.contains(&true) || highest.contains(&true) {
            return Err(refusal(op, op, format!("padding is over half of the window {kernel:?}")));
        }
        let spec = Pool2dSpec { kernel, stride, padding, count_include_pad };
        let [height, width] = spec.output_size(in_size).ok_or_else(|| {
            let reason = format!("the window {kernel:?} does not fit into {input}");
            refusal(op, op, format!("{reason}: use a larger image"))
        })?;
        Ok((spec, Shape::new(input.channels, height, width)))
    }

    fn pad_axis(&mut self, x: NodeId, axis: usize, before: usize, after: usize) -> NodeId {
        let (dims, len) = (self.dims(x), self.dims(x).sizes()[axis]);
        let slice = Slice { axis, start: before, step: 1, len };
        self.push("pad", Op::Pad(slice), vec![x], dims.with(axis, before + len + after))
    }

    /// What two nodes are broadcast to.
    fn common(&self, op: &'static str, a: NodeId, b: NodeId) -> Result<Dims> {
        let (left, right) = (self.dims(a), self.dims(b));
        left.broadcast(right)
            .ok_or_else(|| refusal(op, op, format!("{left} and {right} do not go together")))
    }

    /// The input of an op on images.
    fn image(&self, op: &'static str, name: &str, x: NodeId) -> Result<Shape> {
        let dims = self.dims(x);
        match dims.rank() {
            3 => Ok(dims.image()),
            _ => Err(refusal(op, name, format!("{dims} is no image [channels, height, width]"))),
        }
    }

    fn add_parameter(&mut self, name: &str, suffix: &str, shape: &[usize]) -> ParameterId {
        let name = format!("{name}.{suffix}");
        self.parameters.push(ParameterSpec { name, shape: shape.to_vec() });
        ParameterId(self.parameters.len() - 1)
    }

    fn push(&mut self, name: &str, op: Op, inputs: Vec<NodeId>, dims: impl Into<Dims>) -> NodeId {
        self.nodes.push(Node { name: name.into(), op, inputs, dims: dims.into() });
        NodeId(self.nodes.len() - 1)
    }
}

fn refusal(op: &'static str, name: &str, reason: String) -> Error {
    Error::Graph { op, name: name.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_inferred() {
        let mut g = GraphBuilder::new(Shape::new(3, 224, 224));
        let x = g.input();
        let x = g.conv2d(x, "conv1", Conv2d::new(64, 7).with_stride(2).with_padding(3)).unwrap();
        assert_eq!(g.shape(x), Shape::new(64, 112, 112));
        let x = g.max_pool2d(x, Pool2d::new(3, 2).with_padding(1)).unwrap();
        assert_eq!(g.shape(x), Shape::new(64, 56, 56));
        let x = g.flatten(x);
        assert_eq!(g.shape(x).channels, 64 * 56 * 56);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut g = GraphBuilder::new(Shape::new(3, 4, 4));
        let x = g.input();
        let error = g.conv2d(x, "stem", Conv2d::new(8, 7)).unwrap_err().to_string();
        assert!(error.contains("stem") && error.contains("larger image"), "{error}");
        assert!(g.conv2d(x, "c", Conv2d::new(8, 3).with_groups(2)).is_err());
        let y = g.conv2d(x, "c", Conv2d::new(8, 3)).unwrap();
        assert!(g.add(x, y).is_err());
        assert!(g.linear(x, "fc", 2).is_err());
        assert!(g.multiply(x, y).is_err());
        assert!(g.matmul(x, y).is_err());
        assert!(g.reshape(x, &[3, 15]).is_err());
        assert!(g.permute(x, &[0, 1, 1]).is_err());
        assert!(g.slice(x, 1, 2, 3).is_err());
        let vector = g.flatten(x);
        let error = g.conv2d(vector, "late", Conv2d::new(8, 1)).unwrap_err().to_string();
        assert!(error.contains("late") && error.contains("no image"), "{error}");
    }
}
