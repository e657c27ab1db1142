//! From a graph to steps.

use std::collections::HashMap;
use std::sync::Arc;

use hsets_core::Smoothing;
use hsets_kernels::{Conv2dSpec, Padding, Scalar as _};

use super::fold::{Open, scale_rows};
use super::{PlanNode, Reach, order};
use crate::backend::Backend;
use crate::ops::bilinear::Bilinear;
use crate::ops::choice::Choice;
use crate::ops::linear::Linear;
use crate::ops::{Order, Step};
use crate::{Dims, Graph, NodeId, Op, ParameterId, Result, Slice};

/// Where a node of the graph is held, and in which order of axes.
#[derive(Debug, Clone)]
struct Held {
    at: usize,
    order: Vec<usize>,
}

type Values<'a, T> = &'a dyn Fn(ParameterId) -> Result<Vec<T>>;

pub(super) struct Planner<'a, B: Backend> {
    pub(super) backend: &'a B,
    pub(super) graph: &'a Graph,
    values: Values<'a, B::Scalar>,
    /// Which parameters are trained; `None` outside of training.
    pub(super) trained: Option<&'a [bool]>,
    /// The live nodes that read each node.
    pub(super) readers: Vec<Vec<usize>>,
    /// Which nodes depend on the image.
    pub(super) depends: Vec<bool>,
    /// Which nodes are joined into the batch norms that read them; none in training.
    joined: Vec<bool>,
    held: Vec<Option<Held>>,
    pub(super) nodes: Vec<PlanNode<B>>,
    /// Steps that can still take in a scale and shift.
    pub(super) open: HashMap<usize, Open<B::Scalar>>,
    /// Nodes that hold another in another order.
    reordered: HashMap<(usize, Vec<usize>), usize>,
}

impl<'a, B: Backend> Planner<'a, B> {
    pub(super) fn new(
        backend: &'a B,
        graph: &'a Graph,
        values: Values<'a, B::Scalar>,
        trained: Option<&'a [bool]>,
    ) -> Result<Self> {
        let (readers, depends) = (readers(graph), depends(graph));
        let joined = match trained {
            None => joined(graph, &readers, &depends),
            Some(_) => vec![false; graph.nodes.len()],
        };
        let mut planner = Self {
            backend,
            graph,
            values,
            trained,
            readers,
            depends,
            joined,
            open: HashMap::new(),
            held: vec![None; graph.nodes.len()],
            nodes: Vec::new(),
            reordered: HashMap::new(),
        };
        for at in 0..=graph.end() {
            let is_live = !planner.readers[at].is_empty()
                || graph.is_output(at)
                || graph.nodes[at].op == Op::Input;
            if is_live && !planner.joined[at] {
                planner.held[at] = Some(planner.lower(at)?);
            }
        }
        Ok(planner)
    }

    /// The steps that the outputs need, and where those are.
    pub(super) fn finish(mut self) -> Result<(Vec<PlanNode<B>>, Vec<usize>)> {
        let outputs = self.graph.outputs().map(|output| self.plain(output));
        let mut outputs = outputs.collect::<Result<Vec<_>>>()?;
        let mut live = vec![false; self.nodes.len()];
        outputs.iter().for_each(|&output| live[output] = true);
        for at in (0..live.len()).rev() {
            let is_input = matches!(self.nodes[at].step, Step::Input);
            live[at] |= is_input;
            if live[at] {
                self.nodes[at].inputs.iter().for_each(|&input| live[input] = true);
            }
        }
        let mut place = vec![usize::MAX; self.nodes.len()];
        let mut nodes: Vec<PlanNode<B>> = Vec::new();
        for (at, mut node) in self.nodes.into_iter().enumerate().filter(|(at, _)| live[*at]) {
            node.inputs.iter_mut().for_each(|input| *input = place[*input]);
            place[at] = nodes.len();
            nodes.push(node);
        }
        outputs.iter_mut().for_each(|output| *output = place[*output]);
        Ok((nodes, outputs))
    }

    /// Adds a step. Outside of training, what does not depend on the image is computed at once.
    pub(super) fn push(&mut self, step: Step<B>, inputs: Vec<usize>, dims: Dims) -> Result<usize> {
        let active =
            matches!(step, Step::Input) || inputs.iter().any(|&input| self.nodes[input].active);
        let step = if self.trained.is_none() && !active && !matches!(step, Step::Fixed(..)) {
            let fixed = |&input: &usize| match &self.nodes[input].step {
                Step::Fixed(tensor, _) => Some(Arc::clone(tensor)),
                _ => None,
            };
            let values = inputs.iter().filter_map(fixed).collect();
            let (value, _) =
                step.value(self.backend, (dims, 1), values, Smoothing::Exact, Order::Zero)?;
            Step::Fixed(value, None)
        } else {
            step
        };
        let inputs = if matches!(step, Step::Fixed(..)) { vec![] } else { inputs };
        let is_trained = |id: &ParameterId| self.trained.is_some_and(|trained| trained[id.0]);
        let needed = match (&step, self.trained) {
            (_, None) => active,
            (Step::Fixed(_, Some(id)), Some(_)) => is_trained(id),
            (Step::BatchNorm { parameters, .. }, Some(_)) => {
                parameters.iter().any(is_trained) || inputs.iter().any(|&i| self.nodes[i].needed)
            }
            _ => inputs.iter().any(|&input| self.nodes[input].needed),
        };
        let of_image = inputs.iter().filter(|&&input| self.nodes[input].active);
        let in_dims: Vec<Dims> = of_image.map(|&input| self.nodes[input].dims).collect();
        let reach = Reach::of(&step, &in_dims, dims);
        self.nodes.push(PlanNode {
            step,
            inputs,
            dims,
            active,
            needed,
            weights: None,
            activation: None,
            attention: None,
            is_inside: false,
            first_reader: usize::MAX,
            reach,
        });
        Ok(self.nodes.len() - 1)
    }

    /// Adds a linear op with weights.
    fn push_weighted(
        &mut self,
        linear: Linear<B>,
        weights: Option<(ParameterId, Option<ParameterId>)>,
        input: usize,
        dims: Dims,
    ) -> Result<usize> {
        let at = self.push(Step::Linear(linear), vec![input], dims)?;
        if let (Some(trained), Some((weight, bias))) = (self.trained, weights)
            && std::iter::once(weight).chain(bias).any(|id| trained[id.0])
        {
            let node = &mut self.nodes[at];
            (node.weights, node.needed) = (weights, true);
        }
        Ok(at)
    }

    /// Where a node is held.
    fn held(&self, id: NodeId) -> Held {
        let rank = self.graph.nodes[id.0].dims.rank();
        self.held[id.0].clone().unwrap_or(Held { at: 0, order: order::plain(rank) })
    }

    /// A node with its axes in the given order.
    fn in_order(&mut self, id: NodeId, wanted: &[usize]) -> Result<usize> {
        let held = self.held(id);
        self.reorder(&held, wanted)
    }

    fn reorder(&mut self, held: &Held, wanted: &[usize]) -> Result<usize> {
        if held.order == wanted {
            return Ok(held.at);
        }
        let change = order::change(&held.order, wanted);
        if let Some(&at) = self.reordered.get(&(held.at, change.clone())) {
            return Ok(at);
        }
        let from = self.nodes[held.at].dims;
        let dims = from.permuted(&change);
        // Axes of one index are nowhere in particular.
        let long = change.iter().filter(|&&axis| from.sizes()[axis] > 1);
        let step = if long.is_sorted() {
            Step::Linear(Linear::Reshape)
        } else {
            Step::Linear(Linear::Permute(change.clone()))
        };
        let at = self.push(step, vec![held.at], dims)?;
        self.reordered.insert((held.at, change), at);
        Ok(at)
    }

    /// A node with its axes as the graph has them.
    fn plain(&mut self, id: NodeId) -> Result<usize> {
        let rank = self.graph.nodes[id.0].dims.rank();
        self.in_order(id, &order::plain(rank))
    }

    fn lower(&mut self, at: usize) -> Result<Held> {
        let graph = self.graph;
        let node = &graph.nodes[at];
        let (dims, inputs) = (node.dims, node.inputs.as_slice());
        let plain = |at: usize| Held { at, order: order::plain(dims.rank()) };
        Ok(match &node.op {
            Op::Input => plain(self.push(Step::Input, vec![], dims)?),
            Op::Parameter(id) => {
                let tensor = self.backend.upload(dims, &[(self.values)(*id)?.as_slice()])?;
                plain(self.push(Step::Fixed(Arc::new(tensor), Some(*id)), vec![], dims)?)
            }
            Op::Constant(values) => {
                let tensor = self.backend.constant(dims, values)?;
                plain(self.push(Step::Fixed(Arc::new(tensor), None), vec![], dims)?)
            }
            Op::Conv2d { spec, weight, bias } => {
                let x = self.plain(inputs[0])?;
                let (matrix, values) = self.conv2d(at, *spec, *weight, *bias)?;
                let weights = Some((*weight, *bias));
                plain(self.push_open(at, (*spec, matrix, values), weights, x, dims)?)
            }
            Op::ConvTranspose2d { spec, weight } => {
                let x = self.plain(inputs[0])?;
                let conv = self.backend.prepare_conv2d(*spec, (self.values)(*weight)?)?;
                let linear = Linear::ConvTranspose2d { conv };
                plain(self.push_weighted(linear, Some((*weight, None)), x, dims)?)
            }
            Op::Linear { weight, bias, axis } => {
                let matrix = (self.values)(*weight)?;
                let (values, weights) = (self.wide(*bias)?, Some((*weight, *bias)));
                let map = Map { matrix, bias: values, axis: *axis, weights };
                self.linear(at, inputs[0], map, dims)?
            }
            Op::BatchNorm { parameters, eps } => self.batch_norm(at, *parameters, *eps, dims)?,
            Op::AvgPool2d(spec) => {
                let x = self.plain(inputs[0])?;
                plain(self.push(Step::Linear(Linear::AvgPool2d(*spec)), vec![x], dims)?)
            }
            Op::AdaptiveAvgPool2d(size) => {
                let x = self.plain(inputs[0])?;
                plain(self.push(Step::Linear(Linear::AdaptiveAvgPool2d(*size)), vec![x], dims)?)
            }
            Op::MaxPool2d(spec) => {
                let x = self.plain(inputs[0])?;
                plain(self.push(Step::Choice(Choice::MaxPool2d(*spec)), vec![x], dims)?)
            }
            Op::Add => self.elementwise(Step::Linear(Linear::Add), inputs, dims)?,
            Op::Multiply => self.elementwise(Step::Bilinear(Bilinear::Multiply), inputs, dims)?,
            Op::MatMul { transposed } => match self.matrix(inputs, *transposed)? {
                Some(matrix) => {
                    let map = Map { matrix, bias: vec![], axis: dims.rank() - 1, weights: None };
                    self.linear(at, inputs[0], map, dims)?
                }
                None => self.matmul(inputs, *transposed, dims)?,
            },
            Op::Scale(factor) => {
                self.along(inputs[0], dims, |_| Step::Linear(Linear::Scale(*factor)))?
            }
            Op::Activation(kind) => self.along(inputs[0], dims, |_| Step::Curve(*kind))?,
            Op::Sum => self.along(inputs[0], dims, |_| Step::Linear(Linear::Sum))?,
            Op::Broadcast => {
                let x = self.plain(inputs[0])?;
                plain(self.push(Step::Linear(Linear::Broadcast), vec![x], dims)?)
            }
            Op::Slice(slice) => self.along(inputs[0], dims, |held| {
                Step::Linear(Linear::Slice(slice_along(*slice, held)))
            })?,
            Op::Pad(slice) => self.along(inputs[0], dims, |held| {
                Step::Linear(Linear::Pad(slice_along(*slice, held)))
            })?,
            Op::Gather { axis, indices } => self.along(inputs[0], dims, |held| {
                let (axis, indices) = (order::place(held, *axis), Arc::clone(indices));
                Step::Linear(Linear::Gather { axis, indices })
            })?,
            Op::Max { axis } => self.along(inputs[0], dims, |held| {
                Step::Choice(Choice::Max { axis: order::place(held, *axis) })
            })?,
            Op::Lines { map, axis } => self.along(inputs[0], dims, |held| Step::Lines {
                map: *map,
                axis: order::place(held, *axis),
            })?,
            Op::Concat { axis } => {
                let leading = self.leading(inputs, dims.rank());
                let parts = inputs.iter().map(|&part| self.in_order(part, &leading));
                let parts = parts.collect::<Result<Vec<_>>>()?;
                let extents = inputs.iter().map(|part| graph.nodes[part.0].dims.sizes()[*axis]);
                let (extents, axis) = (extents.collect(), order::place(&leading, *axis));
                let step = Step::Linear(Linear::Concat { axis, extents });
                let at = self.push(step, parts, dims.permuted(&leading))?;
                Held { at, order: leading }
            }
            Op::Permute(axes) => {
                let Held { at, order } = self.held(inputs[0]);
                // Axis k of the output is axis axes[k] of the input.
                Held { at, order: order.iter().map(|&axis| order::place(axes, axis)).collect() }
            }
            Op::Reshape => self.reshape(inputs[0], dims)?,
        })
    }

    fn batch_norm(
        &mut self,
        at: usize,
        parameters: [ParameterId; 4],
        eps: f64,
        dims: Dims,
    ) -> Result<Held> {
        if let Some(conv) = self.folds_into(at) {
            return Ok(self.held(NodeId(conv)));
        }
        let step = if self.trained.is_some() {
            Step::BatchNorm { parameters, eps }
        } else {
            let (scale, shift) = self.affine(&parameters, eps)?;
            Step::Linear(Linear::ChannelAffine {
                scale: self.backend.prepare_vector(&scale)?,
                shift: self.backend.prepare_vector(&shift)?,
            })
        };
        let parts = self.parts(at);
        let parts = parts.into_iter().map(|part| self.plain(part)).collect::<Result<Vec<_>>>()?;
        Ok(Held { at: self.push(step, parts, dims)?, order: order::plain(dims.rank()) })
    }

    /// A step along the axes of one tensor, in whatever order it is held.
    fn along(
        &mut self,
        input: NodeId,
        dims: Dims,
        step: impl FnOnce(&[usize]) -> Step<B>,
    ) -> Result<Held> {
        let Held { at, order } = self.held(input);
        let at = self.push(step(&order), vec![at], dims.permuted(&order))?;
        Ok(Held { at, order })
    }

    fn reshape(&mut self, input: NodeId, dims: Dims) -> Result<Held> {
        let from = self.graph.nodes[input.0].dims;
        let mut held = self.held(input);
        let order = if let Some(order) = order::reshaped(from, &held.order, dims) {
            order
        } else {
            let plain = order::plain(from.rank());
            held = Held { at: self.reorder(&held, &plain)?, order: plain };
            order::plain(dims.rank())
        };
        let to = dims.permuted(&order);
        if self.nodes[held.at].dims == to {
            return Ok(Held { at: held.at, order });
        }
        let at = self.push(Step::Linear(Linear::Reshape), vec![held.at], to)?;
        Ok(Held { at, order })
    }

    /// The order of the first of several tensors that has all axes and depends on the image, or of the
    /// first that has all axes.
    fn leading(&self, inputs: &[NodeId], rank: usize) -> Vec<usize> {
        let whole = inputs.iter().filter(|id| self.graph.nodes[id.0].dims.rank() == rank);
        let all: Vec<Held> = whole.map(|&id| self.held(id)).collect();
        let active = all.iter().find(|held| self.nodes[held.at].active);
        let leading = active.or(all.first()).map(|held| held.order.clone());
        leading.unwrap_or_else(|| order::plain(rank))
    }

    fn elementwise(&mut self, step: Step<B>, inputs: &[NodeId], dims: Dims) -> Result<Held> {
        let leading = self.leading(inputs, dims.rank());
        let is_plain = leading == order::plain(dims.rank());
        let mut operands = Vec::with_capacity(inputs.len());
        for &input in inputs {
            let own = self.graph.nodes[input.0].dims;
            operands.push(if own.rank() == dims.rank() {
                self.in_order(input, &leading)?
            } else if is_plain {
                self.plain(input)?
            } else {
                let padded = own.padded(dims.rank());
                let x = self.plain(input)?;
                let at = self.push(Step::Linear(Linear::Reshape), vec![x], padded)?;
                self.reorder(&Held { at, order: order::plain(dims.rank()) }, &leading)?
            });
        }
        let dims = dims.permuted(&leading);
        if let Some(at) = self.folded(&step, (inputs, &operands), dims)? {
            return Ok(Held { at, order: leading });
        }
        Ok(Held { at: self.push(step, operands, dims)?, order: leading })
    }

    /// Factors may be held in any order. The product is held as the second factor is, if that depends
    /// on the image: the values of an attention then come out as its queries came in.
    fn matmul(&mut self, inputs: &[NodeId], transposed: [bool; 2], dims: Dims) -> Result<Held> {
        let held = [self.held(inputs[0]), self.held(inputs[1])];
        let [a_axes, b_axes] = [0, 1].map(|i| {
            let rank = held[i].order.len();
            let mut axes: Vec<usize> =
                (0..rank).map(|axis| order::place(&held[i].order, axis)).collect();
            if transposed[i] {
                axes.swap(rank - 1, rank - 2);
            }
            axes
        });
        let follows =
            |i: usize| held[i].order.len() == dims.rank() && self.nodes[held[i].at].active;
        let mut out = match [1, 0].into_iter().find(|&i| follows(i)) {
            // As the factor, with its own rows and columns in their places.
            Some(i) if transposed[i] => {
                let n = dims.rank();
                let swap = |&axis: &usize| match axis {
                    axis if axis == n - 1 => n - 2,
                    axis if axis == n - 2 => n - 1,
                    axis => axis,
                };
                held[i].order.iter().map(swap).collect()
            }
            Some(i) => held[i].order.clone(),
            None => order::plain(dims.rank()),
        };
        if out.last().is_none_or(|&last| last + 2 < dims.rank()) {
            out = order::plain(dims.rank());
        }
        let out_axes = (0..dims.rank()).map(|axis| order::place(&out, axis)).collect();
        let step = Step::Bilinear(Bilinear::MatMul([a_axes, b_axes, out_axes]));
        let at = self.push(step, vec![held[0].at, held[1].at], dims.permuted(&out))?;
        Ok(Held { at, order: out })
    }

    /// The second factor of a product as a matrix \[O, I\] of a linear map along the last axis of the
    /// first, if it is fixed.
    fn matrix(&self, inputs: &[NodeId], transposed: [bool; 2]) -> Result<Option<Vec<B::Scalar>>> {
        let held = [self.held(inputs[0]), self.held(inputs[1])];
        let (x, fixed) = (&self.nodes[held[0].at], &self.nodes[held[1].at]);
        let Step::Fixed(tensor, _) = &fixed.step else { return Ok(None) };
        if self.trained.is_some() || transposed[0] || !x.active || fixed.dims.rank() != 2 {
            return Ok(None);
        }
        let matrix = self.backend.download(tensor)?.remove(0);
        // Held as [I, O], unless one of the two exchanged them.
        let is_transposed = transposed[1] != (held[1].order == [1, 0]);
        let n_out = fixed.dims.sizes()[1];
        let column = |o: usize| matrix.iter().skip(o).step_by(n_out).copied();
        Ok(Some(if is_transposed { matrix } else { (0..n_out).flat_map(column).collect() }))
    }

    /// Fully connected along an axis: of a vector, or a convolution with one pixel.
    fn linear(
        &mut self,
        at: usize,
        input: NodeId,
        map: Map<B::Scalar>,
        dims: Dims,
    ) -> Result<Held> {
        let Map { mut matrix, mut bias, axis, weights } = map;
        let from = self.graph.nodes[input.0].dims;
        let (n_in, n_out) = (from.sizes()[axis], dims.sizes()[axis]);
        if n_in == from.n_elements() && axis == 0 {
            let x = self.plain(input)?;
            let matrix = self.backend.prepare_linear(n_out, matrix)?;
            let bias = self.vector((!bias.is_empty()).then_some(bias))?;
            let at = self.push_weighted(Linear::Dense { matrix, bias }, weights, x, dims)?;
            return Ok(Held { at, order: order::plain(dims.rank()) });
        }
        let mut order = self.held(input).order;
        let place = order::place(&order, axis);
        order[..=place].rotate_right(1);
        let x = self.in_order(input, &order)?;
        let x = self.absorbed(x, &mut matrix, &mut bias);
        let spec = Conv2dSpec {
            in_channels: n_in,
            out_channels: n_out,
            groups: 1,
            kernel: [1; 2],
            stride: [1; 2],
            dilation: [1; 2],
            padding: Padding::all(0),
        };
        let dims = dims.permuted(&order);
        Ok(Held { at: self.push_open(at, (spec, matrix, bias), weights, x, dims)?, order })
    }

    /// Adds a convolution, which stays open for what scales it.
    fn push_open(
        &mut self,
        of: usize,
        (spec, matrix, bias): (Conv2dSpec, Vec<B::Scalar>, Vec<f64>),
        weights: Option<(ParameterId, Option<ParameterId>)>,
        x: usize,
        dims: Dims,
    ) -> Result<usize> {
        if self.is_scaled(of) {
            let open = Open::Conv2d { spec, weights: matrix, bias };
            let at = self.push_weighted(open.linear(self.backend)?, weights, x, dims)?;
            self.open.insert(at, open);
            return Ok(at);
        }
        let conv = self.backend.prepare_conv2d(spec, matrix)?;
        let bias = self.vector((!bias.is_empty()).then_some(bias))?;
        self.push_weighted(Linear::Conv2d { conv, bias }, weights, x, dims)
    }

    /// Weights and bias (empty if there is none) of the convolution at `at`, with the batch norm behind
    /// it where that is folded in.
    fn conv2d(
        &self,
        at: usize,
        spec: Conv2dSpec,
        weight: ParameterId,
        bias: Option<ParameterId>,
    ) -> Result<(Vec<B::Scalar>, Vec<f64>)> {
        let mut weights = (self.values)(weight)?;
        let mut bias = self.wide(bias)?;
        if let Some((scale, shift)) = self.norm_behind(at)? {
            scale_rows(&mut weights, &scale);
            bias.resize(spec.out_channels, 0.0);
            let fold = |((b, scale), shift): ((&f64, &f64), &f64)| b * scale + shift;
            bias = bias.iter().zip(&scale).zip(&shift).map(fold).collect();
        }
        Ok((weights, bias))
    }

    /// The convolution that the batch norm at `at` is folded into, if it is one that can be.
    fn folds_into(&self, at: usize) -> Option<usize> {
        let node = &self.graph.nodes[at];
        let (Op::BatchNorm { .. }, [NodeId(conv)]) = (&node.op, node.inputs.as_slice()) else {
            return None;
        };
        let is_conv = matches!(self.graph.nodes[*conv].op, Op::Conv2d { .. });
        let only_reader = self.readers[*conv].len() == 1 && !self.graph.is_output(*conv);
        (is_conv && only_reader && self.trained.is_none()).then_some(*conv)
    }

    /// What the batch norm at `at` reads.
    fn parts(&self, at: usize) -> Vec<NodeId> {
        let parts = |&input: &NodeId| {
            if self.joined[input.0] { self.parts(input.0) } else { vec![input] }
        };
        self.graph.nodes[at].inputs.iter().flat_map(parts).collect()
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
        let [weight, bias, mean, var] = parameters.map(|id| self.wide(Some(id)));
        let (weight, bias, mean, var) = (weight?, bias?, mean?, var?);
        let scale: Vec<f64> = weight.iter().zip(&var).map(|(w, v)| w / (v + eps).sqrt()).collect();
        let shift = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok((scale, shift))
    }

    /// The numbers of a parameter, if there is one.
    fn wide(&self, id: Option<ParameterId>) -> Result<Vec<f64>> {
        let values = id.map(|id| (self.values)(id)).transpose()?.unwrap_or_default();
        Ok(values.iter().map(|value| value.to_f64()).collect())
    }

    fn vector(&self, values: Option<Vec<f64>>) -> Result<Option<B::Vector>> {
        values.map(|values| self.backend.prepare_vector(&values)).transpose()
    }
}

/// A linear map along an axis.
struct Map<T> {
    /// \[O, I\].
    matrix: Vec<T>,
    /// \[O\], or nothing.
    bias: Vec<f64>,
    axis: usize,
    /// The parameters that it is made of, if it is.
    weights: Option<(ParameterId, Option<ParameterId>)>,
}

/// A slice along an axis as it is held.
fn slice_along(slice: Slice, held: &[usize]) -> Slice {
    Slice { axis: order::place(held, slice.axis), ..slice }
}

/// Which nodes depend on the image.
fn depends(graph: &Graph) -> Vec<bool> {
    let mut depends = vec![false; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        depends[at] = node.op == Op::Input || node.inputs.iter().any(|input| depends[input.0]);
    }
    depends
}

/// Which nodes are concatenations of channels that only batch norms read, themselves or through
/// others like it: they take the parts. Readers come after what they read.
fn joined(graph: &Graph, readers: &[Vec<usize>], depends: &[bool]) -> Vec<bool> {
    let mut joined = vec![false; graph.nodes.len()];
    for at in (0..graph.end()).rev() {
        let node = &graph.nodes[at];
        let takes_parts = |&reader: &usize| {
            joined[reader] || matches!(graph.nodes[reader].op, Op::BatchNorm { .. })
        };
        joined[at] = matches!(node.op, Op::Concat { axis: 0 })
            && !graph.is_output(at)
            && readers[at].iter().all(takes_parts)
            && node.inputs.iter().all(|input| depends[input.0]);
    }
    joined
}

/// The live nodes that read each node.
fn readers(graph: &Graph) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); graph.nodes.len()];
    for at in (0..graph.nodes.len()).rev() {
        if graph.is_output(at) || !readers[at].is_empty() {
            for input in &graph.nodes[at].inputs {
                readers[input.0].push(at);
            }
        }
    }
    readers
}
