//! A graph with its weights, ready to run on a device: batch norms folded into the convolutions
//! before them, dead ops removed, kernels prepared.

use hsets_core::Shape;
use hsets_kernels::Pool2dSpec;

use crate::backend::Backend;
use crate::window::{Reach, n_windowed};
use crate::{Activation, Graph, NodeId, Op, ParameterId, Result, Weights};

/// One op with prepared weights. See [`Op`] for what each computes.
pub(crate) enum Step<B: Backend> {
    Input,
    Conv2d {
        conv: B::Conv2d,
        bias: Option<B::Vector>,
    },
    Linear {
        matrix: B::Linear,
        bias: Option<B::Vector>,
    },
    /// Of the concatenation of its inputs, where it has several.
    ChannelAffine {
        scale: B::Vector,
        shift: B::Vector,
    },
    Activation(Activation),
    MaxPool2d(Pool2dSpec),
    AvgPool2d(Pool2dSpec),
    AdaptiveAvgPool2d([usize; 2]),
    Add,
    Concat,
    Multiply,
    Flatten,
    PadChannels {
        before: usize,
        after: usize,
    },
}

/// A step, where it reads from, and the shape it gives.
pub(crate) struct PlanNode<B: Backend> {
    pub(crate) step: Step<B>,
    /// Positions in [`Plan::nodes`].
    pub(crate) inputs: Vec<usize>,
    pub(crate) shape: Shape,
    /// The activation of a convolution, batch norm or sum, if nothing else reads that: both run as one.
    pub(crate) activation: Option<usize>,
    /// The first node that reads this one. Its adjoint is the last to arrive.
    pub(crate) first_reader: usize,
    /// Which outputs read a pixel, for ops that work on windows.
    pub(crate) reach: Option<Reach>,
}

type ConvActivation<'a, B> =
    (&'a <B as Backend>::Conv2d, Option<&'a <B as Backend>::Vector>, Activation, usize);

/// What runs; the last node holds the logits.
pub(crate) struct Plan<B: Backend> {
    pub(crate) nodes: Vec<PlanNode<B>>,
    /// The first of them, whose tangents along one feature stay in small windows.
    pub(crate) n_windowed: usize,
}

impl<B: Backend> Plan<B> {
    pub(crate) fn new(backend: &B, graph: &Graph, weights: &Weights) -> Result<Self> {
        weights.check(graph)?;
        let planner = Planner { backend, graph, weights, readers: readers(graph) };
        let mut position = vec![usize::MAX; graph.nodes.len()];
        let mut nodes = Vec::new();
        for at in 0..graph.nodes.len() {
            if planner.readers[at].is_empty() && at != graph.output.0 {
                continue;
            }
            if let Some(conv) = planner.folds_into(at) {
                position[at] = position[conv];
                continue;
            }
            if planner.joins_into_norms(at) {
                continue;
            }
            let node = &graph.nodes[at];
            let inputs = planner.inputs(at).iter().map(|input| position[input.0]).collect();
            let step = planner.step(at)?;
            let (shape, none) = (node.shape, usize::MAX);
            let reach = Reach::of(&node.op);
            nodes.push(PlanNode {
                step,
                inputs,
                shape,
                activation: None,
                first_reader: none,
                reach,
            });
            position[at] = nodes.len() - 1;
            if at == graph.output.0 {
                break;
            }
        }
        let mut plan = Self { nodes, n_windowed: 0 };
        plan.pair();
        plan.n_windowed = n_windowed(&plan.nodes);
        Ok(plan)
    }

    /// Finds what runs with its activation, and the first readers.
    fn pair(&mut self) {
        let uses = self.uses();
        for at in 0..self.nodes.len() {
            for input in self.nodes[at].inputs.clone() {
                let is_activation = matches!(self.nodes[at].step, Step::Activation(_));
                let before = &mut self.nodes[input];
                before.first_reader = before.first_reader.min(at);
                let pairs = matches!(
                    before.step,
                    Step::Conv2d { .. } | Step::ChannelAffine { .. } | Step::Add
                );
                if is_activation && uses[input] == 1 && pairs {
                    before.activation = Some(at);
                }
            }
        }
    }

    /// The convolution at `at` with its bias, activation and where that is, if both run as one.
    pub(crate) fn conv_activation(&self, at: usize) -> Option<ConvActivation<'_, B>> {
        let node = &self.nodes[at];
        let activation = node.activation?;
        match (&node.step, &self.nodes[activation].step) {
            (Step::Conv2d { conv, bias }, Step::Activation(kind)) => {
                Some((conv, bias.as_ref(), *kind, activation))
            }
            _ => None,
        }
    }

    /// The activation of the batch norm or sum at `at` and where it is, if nothing else reads that.
    pub(crate) fn memory_activation(&self, at: usize) -> Option<(Activation, usize)> {
        let node = &self.nodes[at];
        let activation = node.activation?;
        match (&node.step, &self.nodes[activation].step) {
            (Step::ChannelAffine { .. } | Step::Add, Step::Activation(kind)) => {
                Some((*kind, activation))
            }
            _ => None,
        }
    }

    /// Whether the activation at `at` runs with the convolution before it.
    pub(crate) fn runs_before(&self, at: usize) -> bool {
        let inputs = self.nodes[at].inputs.iter();
        inputs.copied().any(|input| {
            let before = &self.nodes[input];
            before.activation == Some(at) && matches!(before.step, Step::Conv2d { .. })
        })
    }

    /// How often each node's output is read.
    pub(crate) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            uses[*input] += 1;
        }
        if let Some(logits) = uses.last_mut() {
            *logits += 1;
        }
        uses
    }

    pub(crate) fn input_shape(&self) -> Shape {
        self.nodes[0].shape
    }

    pub(crate) fn n_classes(&self) -> usize {
        self.nodes.last().map_or(0, |node| node.shape.channels)
    }
}

/// The live nodes that read each node.
fn readers(graph: &Graph) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); graph.nodes.len()];
    for at in (0..graph.nodes.len()).rev() {
        if at == graph.output.0 || !readers[at].is_empty() {
            for input in &graph.nodes[at].inputs {
                readers[input.0].push(at);
            }
        }
    }
    readers
}

struct Planner<'a, B> {
    backend: &'a B,
    graph: &'a Graph,
    weights: &'a Weights,
    readers: Vec<Vec<usize>>,
}

impl<B: Backend> Planner<'_, B> {
    /// The convolution that the batch norm at `at` is folded into, if it is one that can be.
    fn folds_into(&self, at: usize) -> Option<usize> {
        let node = &self.graph.nodes[at];
        let (Op::BatchNorm { .. }, [NodeId(conv)]) = (&node.op, node.inputs.as_slice()) else {
            return None;
        };
        let is_conv = matches!(self.graph.nodes[*conv].op, Op::Conv2d { .. });
        let only_reader = self.readers[*conv].len() == 1 && *conv != self.graph.output.0;
        (is_conv && only_reader).then_some(*conv)
    }

    /// Whether the node at `at` is a concatenation that only batch norms read, themselves or through
    /// others like it: they take the parts.
    fn joins_into_norms(&self, at: usize) -> bool {
        let joins = |&reader: &usize| match self.graph.nodes[reader].op {
            Op::BatchNorm { .. } => true,
            Op::Concat => self.joins_into_norms(reader),
            _ => false,
        };
        matches!(self.graph.nodes[at].op, Op::Concat)
            && at != self.graph.output.0
            && self.readers[at].iter().all(joins)
    }

    /// What the node at `at` reads.
    fn inputs(&self, at: usize) -> Vec<NodeId> {
        let parts = |&input: &NodeId| {
            if self.joins_into_norms(input.0) { self.inputs(input.0) } else { vec![input] }
        };
        self.graph.nodes[at].inputs.iter().flat_map(parts).collect()
    }

    fn step(&self, at: usize) -> Result<Step<B>> {
        Ok(match &self.graph.nodes[at].op {
            Op::Input => Step::Input,
            Op::Conv2d { spec, weight, bias } => {
                let mut weights = self.elements(*weight)?;
                let mut bias = bias.map(|bias| self.elements(bias)).transpose()?;
                if let Some((scale, shift)) = self.norm_behind(at)? {
                    let per_channel = weights.len() / spec.out_channels;
                    for (kernel, scale) in weights.chunks_exact_mut(per_channel).zip(&scale) {
                        kernel.iter_mut().for_each(|w| *w *= scale);
                    }
                    let own = bias.unwrap_or(vec![0.0; spec.out_channels]);
                    let fold = |((b, scale), shift): ((&f64, &f64), &f64)| b * scale + shift;
                    bias = Some(own.iter().zip(&scale).zip(&shift).map(fold).collect());
                }
                Step::Conv2d {
                    conv: self.backend.prepare_conv2d(*spec, &weights)?,
                    bias: self.vector(bias)?,
                }
            }
            Op::Linear { weight, bias } => {
                let out = self.graph.nodes[at].shape.channels;
                let matrix = self.backend.prepare_linear(out, &self.elements(*weight)?)?;
                let bias = bias.map(|bias| self.elements(bias)).transpose()?;
                Step::Linear { matrix, bias: self.vector(bias)? }
            }
            Op::BatchNorm { parameters, eps } => {
                let (scale, shift) = self.affine(parameters, *eps)?;
                Step::ChannelAffine {
                    scale: self.backend.prepare_vector(&scale)?,
                    shift: self.backend.prepare_vector(&shift)?,
                }
            }
            Op::Activation(activation) => Step::Activation(*activation),
            Op::MaxPool2d(spec) => Step::MaxPool2d(*spec),
            Op::AvgPool2d(spec) => Step::AvgPool2d(*spec),
            Op::AdaptiveAvgPool2d(size) => Step::AdaptiveAvgPool2d(*size),
            Op::Add => Step::Add,
            Op::Concat => Step::Concat,
            Op::Multiply => Step::Multiply,
            Op::Flatten => Step::Flatten,
            Op::PadChannels { before, after } => {
                Step::PadChannels { before: *before, after: *after }
            }
        })
    }

    /// Scale and shift of the batch norm that is folded into the convolution at `at`.
    fn norm_behind(&self, at: usize) -> Result<Option<(Vec<f64>, Vec<f64>)>> {
        let [reader] = self.readers[at][..] else { return Ok(None) };
        match &self.graph.nodes[reader].op {
            Op::BatchNorm { parameters, eps } if self.folds_into(reader) == Some(at) => {
                self.affine(parameters, *eps).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Batch norm with frozen statistics as scale and shift per channel.
    fn affine(&self, parameters: &[ParameterId; 4], eps: f64) -> Result<(Vec<f64>, Vec<f64>)> {
        let [weight, bias, mean, var] = parameters.map(|id| self.elements(id));
        let (weight, bias, mean, var) = (weight?, bias?, mean?, var?);
        let scale: Vec<f64> = weight.iter().zip(&var).map(|(w, v)| w / (v + eps).sqrt()).collect();
        let shift = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok((scale, shift))
    }

    fn elements(&self, id: ParameterId) -> Result<Vec<f64>> {
        self.weights.elements(self.graph, id)
    }

    fn vector(&self, values: Option<Vec<f64>>) -> Result<Option<B::Vector>> {
        values.map(|values| self.backend.prepare_vector(&values)).transpose()
    }
}
