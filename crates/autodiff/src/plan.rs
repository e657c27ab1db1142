//! A graph with its weights, ready to run on a device: what does not depend on the image computed
//! once, batch norms folded into the convolutions before them, dead ops removed, kernels prepared,
//! axes in the order that suits the ops that read them.

mod fold;
mod lower;
mod order;
mod reach;

use hsets_core::Shape;
use hsets_kernels::LineMap;

use crate::backend::Backend;
use crate::dims::follow;
use crate::ops::Step;
use crate::ops::bilinear::Bilinear;
use crate::ops::linear::Linear;
use crate::{Activation, Dims, Graph, ParameterId, Result, Weights};
use lower::Planner;
pub(crate) use reach::{Reach, union};

/// A step, where it reads from, and the shape it gives.
pub(crate) struct PlanNode<B: Backend> {
    pub(crate) step: Step<B>,
    /// Positions in [`Plan::nodes`].
    pub(crate) inputs: Vec<usize>,
    pub(crate) dims: Dims,
    /// Whether it depends on the image: only then has it a tangent, and the batch of the images.
    pub(crate) active: bool,
    /// Whether its adjoint is of use.
    pub(crate) needed: bool,
    /// Weights and bias of a linear op in training.
    pub(crate) weights: Option<(ParameterId, Option<ParameterId>)>,
    /// The activation of a convolution, batch norm or sum, if nothing else reads that: both run as one.
    pub(crate) activation: Option<usize>,
    /// Of the last product of an attention: which factor the weights are, and from the first product
    /// to their softmax all that stands between both.
    pub(crate) attention: Option<(usize, Vec<usize>)>,
    /// Whether an attention without derivatives computes it by parts.
    pub(crate) is_inside: bool,
    /// The first node that reads this one. Its adjoint is the last to arrive.
    pub(crate) first_reader: usize,
    /// Which outputs read a pixel, for ops that work on windows.
    pub(crate) reach: Option<Reach>,
}

impl<B: Backend> PlanNode<B> {
    /// Its batch, where images come n at a time.
    pub(crate) fn batch(&self, n: usize) -> usize {
        if self.active { n } else { 1 }
    }
}

type ConvActivation<'a, B> =
    (&'a <B as Backend>::Conv2d, Option<&'a <B as Backend>::Vector>, Activation, usize);

/// What runs.
pub(crate) struct Plan<B: Backend> {
    pub(crate) nodes: Vec<PlanNode<B>>,
    /// Where the outputs are, the logits first.
    pub(crate) outputs: Vec<usize>,
    /// Whether it is for values alone, and may take ways that derivatives have not.
    pub(crate) for_values: bool,
    /// The first of them, whose tangents along one feature stay in small windows.
    pub(crate) n_windowed: usize,
    /// Where the inputs are, the image first.
    inputs: Vec<usize>,
}

impl<B: Backend> Plan<B> {
    /// Of a network whose weights stay as they are.
    pub(crate) fn new(backend: &B, graph: &Graph, weights: &Weights) -> Result<Self> {
        weights.check(graph)?;
        Self::of(Planner::new(backend, graph, &|id| weights.elements(graph, id), None)?)
    }

    /// For values alone, of parameters that are read when they are needed.
    pub(crate) fn for_values(
        backend: &B,
        graph: &Graph,
        values: &dyn Fn(ParameterId) -> Result<Vec<B::Scalar>>,
    ) -> Result<Self> {
        let plan = Self::of(Planner::new(backend, graph, values, None)?)?;
        Ok(Self { for_values: true, ..plan })
    }

    /// Of one pass of training: parameters are sources, batch norms stay as they are.
    pub(crate) fn for_training(
        backend: &B,
        graph: &Graph,
        values: &dyn Fn(ParameterId) -> Result<Vec<B::Scalar>>,
        trained: &[bool],
    ) -> Result<Self> {
        Self::of(Planner::new(backend, graph, values, Some(trained))?)
    }

    fn of(planner: Planner<'_, B>) -> Result<Self> {
        let (nodes, outputs) = planner.finish()?;
        let is_input = |at: &usize| matches!(nodes[*at].step, Step::Input);
        let inputs = (0..nodes.len()).filter(is_input).collect();
        let mut plan = Self { nodes, outputs, for_values: false, n_windowed: 0, inputs };
        plan.pair();
        plan.find_attentions();
        plan.n_windowed = reach::n_windowed(&plan.nodes);
        Ok(plan)
    }

    /// Finds what runs with its activation, and the first readers.
    fn pair(&mut self) {
        let uses = self.uses();
        for at in 0..self.nodes.len() {
            for input in self.nodes[at].inputs.clone() {
                let is_activation = matches!(self.nodes[at].step, Step::Curve(_));
                let pairs = match &self.nodes[input].step {
                    Step::Linear(Linear::Conv2d { .. } | Linear::ChannelAffine { .. }) => true,
                    Step::Linear(Linear::Add) => self.adds_equals(input),
                    _ => false,
                };
                let before = &mut self.nodes[input];
                before.first_reader = before.first_reader.min(at);
                if is_activation && uses[input] == 1 && pairs && before.active {
                    before.activation = Some(at);
                }
            }
        }
    }

    /// Finds products of softmax weights that nothing else reads.
    fn find_attentions(&mut self) {
        let uses = self.uses();
        for at in 0..self.nodes.len() {
            let found = [0, 1].into_iter().find_map(|i| Some((i, self.weights_of(at, i, &uses)?)));
            if let Some((which, chain)) = found {
                chain.iter().for_each(|&inside| self.nodes[inside].is_inside = true);
                self.nodes[at].attention = Some((which, chain));
            }
        }
    }

    /// From the product that gives scores to the softmax behind it, if the product at `at` is that of
    /// an attention with such weights as its factor `which`.
    fn weights_of(&self, at: usize, which: usize, uses: &[usize]) -> Option<Vec<usize>> {
        let Step::Bilinear(Bilinear::MatMul(axes)) = &self.nodes[at].step else {
            return None;
        };
        let summed = axes[which].iter().rev().nth(which);
        let weights = self.nodes[at].inputs[which];
        let Step::Lines { map: LineMap::Softmax, axis } = self.nodes[weights].step else {
            return None;
        };
        let mut chain = vec![weights];
        // The axes over which the matrices are independent must stay what they are.
        let mut outer = axes[which][..axes[which].len() - 2].to_vec();
        let mut next = self.nodes[weights].inputs[0];
        let is_last = summed == Some(&axis) && uses[weights] == 1;
        while is_last && uses[next] == 1 && self.nodes[next].active {
            let node = &self.nodes[next];
            chain.push(next);
            next = match &node.step {
                Step::Bilinear(Bilinear::MatMul(_)) => {
                    chain.reverse();
                    return Some(chain);
                }
                Step::Linear(Linear::Scale(_)) => node.inputs[0],
                Step::Linear(Linear::Reshape) => {
                    let from = self.nodes[node.inputs[0]].dims;
                    let followed = outer.iter().map(|&axis| follow(node.dims, from, axis));
                    outer = followed.collect::<Option<_>>()?;
                    node.inputs[0]
                }
                // The mask comes second, and is broadcast to the scores.
                Step::Linear(Linear::Add) if self.nodes[node.inputs[0]].dims == node.dims => {
                    node.inputs[0]
                }
                _ => return None,
            };
        }
        None
    }

    /// Whether the sum at `at` is one of two tensors of its own size.
    fn adds_equals(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        let equal =
            |&input: &usize| self.nodes[input].active && self.nodes[input].dims == node.dims;
        node.inputs.len() == 2 && node.inputs.iter().all(equal)
    }

    /// The convolution at `at` with its bias, activation and where that is, if both run as one.
    pub(crate) fn conv_activation(&self, at: usize) -> Option<ConvActivation<'_, B>> {
        let node = &self.nodes[at];
        let activation = node.activation?;
        match (&node.step, &self.nodes[activation].step) {
            (Step::Linear(Linear::Conv2d { conv, bias }), Step::Curve(kind)) => {
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
            (Step::Linear(Linear::ChannelAffine { .. } | Linear::Add), Step::Curve(kind)) => {
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
            let is_conv = matches!(before.step, Step::Linear(Linear::Conv2d { .. }));
            before.activation == Some(at) && is_conv
        })
    }

    /// How often each node's output is read.
    pub(crate) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for input in self.nodes.iter().flat_map(|node| &node.inputs) {
            uses[*input] += 1;
        }
        self.outputs.iter().for_each(|&output| uses[output] += 1);
        uses
    }

    /// Where the image is.
    pub(crate) fn input(&self) -> usize {
        self.inputs[0]
    }

    /// Where all inputs are.
    pub(crate) fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// Where the logits are.
    pub(crate) fn output(&self) -> usize {
        self.outputs[0]
    }

    pub(crate) fn input_dims(&self) -> Dims {
        self.nodes[self.input()].dims
    }

    pub(crate) fn input_shape(&self) -> Shape {
        self.input_dims().image()
    }

    /// Sizes of the logits.
    pub(crate) fn output_dims(&self) -> Dims {
        self.nodes[self.output()].dims
    }

    pub(crate) fn n_classes(&self) -> usize {
        self.output_dims().n_elements()
    }
}
