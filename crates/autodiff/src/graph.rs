//! Networks as graphs: ops in the order they run, without weights.

use hsets_core::{Link, Shape};

use crate::{Dims, Op, ParameterId};

/// Index of a node in [`Graph::nodes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// Position in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// One op with its inputs.
#[derive(Debug, Clone)]
pub struct Node {
    /// Name, as in the checkpoint where the op has parameters.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The nodes it reads, all before it.
    pub inputs: Vec<NodeId>,
    /// Sizes of its output for one image.
    pub dims: Dims,
}

/// A parameter that the weights must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Name in the checkpoint, such as `layer1.0.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl ParameterSpec {
    /// Name of the op it belongs to: all before the last dot.
    fn layer(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(layer, _)| layer)
    }
}

/// A network without weights, made by [`crate::GraphBuilder`].
#[derive(Debug, Clone)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) parameters: Vec<ParameterSpec>,
    pub(crate) output: NodeId,
    /// Other outputs.
    pub(crate) others: Vec<NodeId>,
    /// Where it is not the usual one.
    pub(crate) link: Option<Link>,
}

impl Graph {
    /// Shape of the images it takes, or of the first input.
    pub fn input_shape(&self) -> Shape {
        self.nodes[0].dims.image()
    }

    /// Number of logits.
    pub fn n_classes(&self) -> usize {
        self.nodes[self.output.0].dims.n_elements()
    }

    /// How its logits become probabilities; [`Link::usual`] unless [`Graph::with_link`] says otherwise.
    pub fn link(&self) -> Link {
        self.link.unwrap_or_else(|| Link::usual(self.n_classes()))
    }

    /// With logits of this meaning.
    #[must_use]
    pub fn with_link(self, link: Link) -> Self {
        Self { link: Some(link), ..self }
    }

    /// The ops, inputs before what reads them.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node that holds the logits.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// All outputs, the logits first.
    pub fn outputs(&self) -> impl Iterator<Item = NodeId> {
        std::iter::once(self.output).chain(self.others.iter().copied())
    }

    /// Whether the node at a position is an output.
    pub(crate) fn is_output(&self, at: usize) -> bool {
        self.outputs().any(|output| output.0 == at)
    }

    /// The position of the last output: nothing behind it is computed.
    pub(crate) fn end(&self) -> usize {
        self.outputs().map(|output| output.0).max().unwrap_or(0)
    }

    /// The graph up to what its last fully connected layer reads, with the same parameters; `None`
    /// if it does not end in such a layer.
    #[must_use]
    pub fn features(&self) -> Option<Self> {
        let last = &self.nodes[self.output.0];
        let (Op::Linear { .. }, [features]) = (&last.op, last.inputs.as_slice()) else {
            return None;
        };
        let nodes = self.nodes[..=features.0].to_vec();
        let parameters = self.parameters.clone();
        Some(Self { nodes, parameters, output: *features, others: vec![], link: None })
    }

    /// The parameters the weights must hold.
    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.parameters
    }

    /// The parameters of each op that has some, in the order they run.
    pub fn layers(&self) -> impl Iterator<Item = &[ParameterSpec]> {
        self.parameters.chunk_by(|a, b| a.layer() == b.layer())
    }

    /// The spec of one parameter.
    pub fn parameter(&self, id: ParameterId) -> &ParameterSpec {
        &self.parameters[id.0]
    }

    /// Multiply-adds of one forward pass of convolutions, linear layers and matrix products.
    pub fn multiply_adds(&self) -> u64 {
        let of_node = |node: &Node| match &node.op {
            Op::Conv2d { weight, .. } => self.n_elements(*weight) * node.dims.plane() as u64,
            Op::ConvTranspose2d { weight, .. } => {
                self.n_elements(*weight) * self.nodes[node.inputs[0].0].dims.plane() as u64
            }
            Op::Linear { weight, axis, .. } => {
                let lines = node.dims.n_elements() / node.dims.sizes()[*axis];
                self.n_elements(*weight) * lines as u64
            }
            Op::MatMul { transposed: [transposed, _] } => {
                let sizes = self.nodes[node.inputs[0].0].dims;
                let columns = sizes.rank() - if *transposed { 2 } else { 1 };
                (node.dims.n_elements() * sizes.sizes()[columns]) as u64
            }
            _ => 0,
        };
        self.nodes.iter().map(of_node).sum()
    }

    /// Activations of one image, summed over all nodes.
    pub fn n_activations(&self) -> usize {
        self.nodes.iter().map(|node| node.dims.n_elements()).sum()
    }

    fn n_elements(&self, id: ParameterId) -> u64 {
        self.parameters[id.0].shape.iter().product::<usize>() as u64
    }
}
