//! The fifth sweep: gradients with respect to weights.
//!
//! Training runs the graph as it is written: batch norms are not folded away, because their
//! statistics are those of the batch. Going back, every op passes the adjoint to its inputs as in
//! the adjoint sweep, and those with parameters leave their gradients behind:
//!
//! | op | gradients |
//! |---|---|
//! | convolution, fully connected | λ_w = Σ λ_y ⊗ x over batch and pixels, λ_b = Σ λ_y |
//! | batch norm, x̂ = (x - μ)/σ | λ_γ = Σ λ_y·x̂, λ_β = Σ λ_y, λ_x = γ/σ·(λ_y - λ_β/M - x̂·λ_γ/M) |
//!
//! with M the numbers of a channel. With frozen statistics μ and σ do not depend on x, and
//! λ_x = γ/σ·λ_y.

use std::sync::Arc;

use hsets_core::{Shape, Smoothing};
use hsets_kernels::Scalar;

use crate::backend::Trainable;
use crate::ops::{activation, linear, max_pool2d, multiply};
use crate::plan::Step;
use crate::{Error, Graph, NodeId, Op, ParameterId, Result};

/// Whose mean and variance batch norms use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// Those of the batch; they are given back, to update the running ones.
    Batch,
    /// The running ones, which stay as they are.
    Frozen,
}

/// Runs a graph forward and back for training, on a device of its own.
pub struct Backpropagation<B: Trainable> {
    backend: B,
    graph: Graph,
    norms: Norms,
    trained: Vec<bool>,
    /// Nodes whose adjoint is needed: a trained parameter lies at or before them.
    needed: Vec<bool>,
    uses: Vec<usize>,
}

/// What one batch gives.
#[derive(Debug, Clone)]
pub struct Pass<T> {
    /// Logits \[K\] of each image.
    pub logits: Vec<Vec<T>>,
    /// Gradient of each parameter of the graph, `None` for those that are not trained.
    pub gradients: Vec<Option<Vec<T>>>,
    /// Statistics of the batch, of each batch norm.
    pub moments: Vec<Moments>,
}

/// Statistics of a batch at one batch norm.
#[derive(Debug, Clone)]
pub struct Moments {
    /// The running mean that they update.
    pub running_mean: ParameterId,
    /// The running variance that they update.
    pub running_variance: ParameterId,
    /// Mean and biased variance of each channel.
    pub of_channels: Vec<[f64; 2]>,
    /// Numbers of a channel: batch · pixels.
    pub n: usize,
}

impl<B: Trainable> Backpropagation<B> {
    /// `trained` chooses parameters by name; running statistics are never trained.
    pub fn new(backend: B, graph: Graph, norms: Norms, trained: impl Fn(&str) -> bool) -> Self {
        let is_statistic = statistics(&graph);
        let names = graph.parameters.iter().zip(&is_statistic);
        let trained: Vec<bool> =
            names.map(|(p, is_statistic)| !is_statistic && trained(&p.name)).collect();
        let mut needed = vec![false; graph.nodes.len()];
        let mut uses = vec![0; graph.nodes.len()];
        for (at, node) in graph.nodes.iter().enumerate() {
            needed[at] = node.inputs.iter().any(|input| needed[input.0])
                || parameters(&node.op).iter().any(|id| trained[id.0]);
            node.inputs.iter().for_each(|input| uses[input.0] += 1);
        }
        uses[graph.output.0] += 1;
        Self { backend, graph, norms, trained, needed, uses }
    }

    /// The graph it runs.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Which parameters of the graph are trained.
    pub fn trained(&self) -> &[bool] {
        &self.trained
    }

    /// Logits, and the gradients of a loss, at a batch of `images` \[C·H·W\].
    ///
    /// `values` holds the numbers of each parameter of the graph; `loss` turns logits into the
    /// gradient of the loss with respect to them.
    pub fn run(
        &self,
        values: &[Vec<B::Scalar>],
        images: &[&[B::Scalar]],
        loss: impl FnOnce(&[Vec<B::Scalar>]) -> Vec<Vec<B::Scalar>> + Send,
    ) -> Result<Pass<B::Scalar>> {
        self.check(values, images)?;
        // On a thread of the pool, so that every kernel finds the pool awake.
        rayon::scope(|_| {
            let mut sweep = Sweep { of: self, values, n: images.len(), moments: Vec::new() };
            let (logits, saved) = sweep.forward(images)?;
            let seeds = loss(&logits);
            let gradients = sweep.backward(saved, &seeds)?;
            Ok(Pass { logits, gradients, moments: sweep.moments })
        })
    }

    fn check(&self, values: &[Vec<B::Scalar>], images: &[&[B::Scalar]]) -> Result<()> {
        let shape = self.graph.input_shape();
        let wrong = images.iter().find(|image| image.len() != shape.len());
        if wrong.is_some() || images.is_empty() {
            let found =
                wrong.map_or("no image".into(), |image| format!("{} elements", image.len()));
            return Err(Error::Input { expected: shape.to_string(), found });
        }
        let sizes = self.graph.parameters.iter().map(|p| p.shape.iter().product::<usize>());
        if values.iter().map(Vec::len).eq(sizes) {
            return Ok(());
        }
        let expected = format!("{} parameters of the graph's shapes", self.graph.parameters.len());
        Err(Error::Input { expected, found: format!("{} others", values.len()) })
    }
}

/// Which parameters are running statistics.
fn statistics(graph: &Graph) -> Vec<bool> {
    let mut is_statistic = vec![false; graph.parameters.len()];
    for node in &graph.nodes {
        if let Op::BatchNorm { parameters: [_, _, mean, variance], .. } = &node.op {
            is_statistic[mean.0] = true;
            is_statistic[variance.0] = true;
        }
    }
    is_statistic
}

fn parameters(op: &Op) -> Vec<ParameterId> {
    match op {
        Op::Conv2d { weight, bias, .. } | Op::Linear { weight, bias } => {
            std::iter::once(*weight).chain(*bias).collect()
        }
        Op::BatchNorm { parameters, .. } => parameters.to_vec(),
        _ => vec![],
    }
}

/// What the way back needs of a node.
enum Saved<B: Trainable> {
    Linear(Step<B>, Arc<B::Tensor>),
    Norm { x: Arc<B::Tensor>, means: Vec<f64>, inverse_deviations: Vec<f64> },
    Activation(activation::Saved<B>),
    MaxPool2d(B::Indices),
    Multiply(multiply::Saved<B>),
    Plain(Step<B>),
}

struct Sweep<'a, B: Trainable> {
    of: &'a Backpropagation<B>,
    values: &'a [Vec<B::Scalar>],
    n: usize,
    moments: Vec<Moments>,
}

type Forward<B> = (Vec<Vec<<B as crate::Backend>::Scalar>>, Vec<Saved<B>>);

impl<B: Trainable> Sweep<'_, B> {
    fn forward(&mut self, images: &[&[B::Scalar]]) -> Result<Forward<B>> {
        let Backpropagation { backend, graph, .. } = self.of;
        let mut uses = self.of.uses.clone();
        let mut slots: Vec<Option<Arc<B::Tensor>>> = vec![None; graph.nodes.len()];
        let mut saved = Vec::with_capacity(graph.nodes.len());
        for (at, node) in graph.nodes.iter().enumerate() {
            let mut read = |input: &NodeId| {
                uses[input.0] -= 1;
                let slot = &mut slots[input.0];
                let value = if uses[input.0] == 0 { slot.take() } else { slot.clone() };
                value.ok_or_else(no_value)
            };
            let inputs = node.inputs.iter().map(&mut read).collect::<Result<Vec<_>>>()?;
            let (value, keep) = if node.op == Op::Input {
                (Arc::new(backend.upload(node.shape, images)?), Saved::Plain(Step::Input))
            } else {
                self.value(&node.op, node.shape, inputs)?
            };
            saved.push(keep);
            slots[at] = Some(value);
        }
        let logits = slots[graph.output.0].take().ok_or_else(no_value)?;
        Ok((backend.download(&logits)?, saved))
    }

    /// Value of one op, and what its way back needs.
    fn value(
        &mut self,
        op: &Op,
        shape: Shape,
        mut inputs: Vec<Arc<B::Tensor>>,
    ) -> Result<(Arc<B::Tensor>, Saved<B>)> {
        let backend = &self.of.backend;
        let plain = |step: Step<B>, inputs: Vec<Arc<B::Tensor>>| {
            let y = linear::forward(backend, &step, shape, inputs, true)?;
            Ok((Arc::new(y), Saved::Plain(step)))
        };
        match op {
            Op::Conv2d { spec, weight, bias } => {
                let conv = backend.prepare_conv2d(*spec, &self.wide(*weight))?;
                self.with_weights(Step::Conv2d { conv, bias: self.vector(*bias)? }, shape, inputs)
            }
            Op::Linear { weight, bias } => {
                let matrix = backend.prepare_linear(shape.channels, &self.wide(*weight))?;
                self.with_weights(Step::Linear { matrix, bias: self.vector(*bias)? }, shape, inputs)
            }
            Op::BatchNorm { parameters, eps } => {
                self.batch_norm(parameters, *eps, shape, inputs.remove(0))
            }
            Op::Activation(kind) => {
                let curve = kind.curve(Smoothing::Exact);
                let (y, keep) = activation::value(backend, curve, inputs.remove(0), false)?;
                Ok((y, Saved::Activation(keep)))
            }
            Op::MaxPool2d(spec) => {
                let (y, indices) = backend.max_pool2d(spec, &inputs[0])?;
                Ok((Arc::new(y), Saved::MaxPool2d(indices)))
            }
            Op::Multiply => {
                let (b, a) = (inputs.remove(1), inputs.remove(0));
                let (y, keep) = multiply::value(backend, a, b)?;
                Ok((Arc::new(y), Saved::Multiply(keep)))
            }
            Op::AvgPool2d(spec) => plain(Step::AvgPool2d(*spec), inputs),
            Op::AdaptiveAvgPool2d(size) => plain(Step::AdaptiveAvgPool2d(*size), inputs),
            Op::Add => plain(Step::Add, inputs),
            Op::Concat => plain(Step::Concat, inputs),
            Op::Flatten => plain(Step::Flatten, inputs),
            Op::PadChannels { before, after } => {
                plain(Step::PadChannels { before: *before, after: *after }, inputs)
            }
            Op::Input => Err(no_value()),
        }
    }

    fn with_weights(
        &self,
        step: Step<B>,
        shape: Shape,
        inputs: Vec<Arc<B::Tensor>>,
    ) -> Result<(Arc<B::Tensor>, Saved<B>)> {
        let x = Arc::clone(&inputs[0]);
        let y = linear::forward(&self.of.backend, &step, shape, inputs, true)?;
        Ok((Arc::new(y), Saved::Linear(step, x)))
    }

    fn batch_norm(
        &mut self,
        parameters: &[ParameterId; 4],
        eps: f64,
        shape: Shape,
        x: Arc<B::Tensor>,
    ) -> Result<(Arc<B::Tensor>, Saved<B>)> {
        let backend = &self.of.backend;
        let [weight, bias, running_mean, running_variance] = *parameters;
        let of_channels = match self.of.norms {
            Norms::Frozen => {
                let running = self.wide(running_mean).into_iter().zip(self.wide(running_variance));
                running.map(|(mean, variance)| [mean, variance]).collect()
            }
            Norms::Batch => backend.channel_moments(&x)?,
        };
        let means: Vec<f64> = of_channels.iter().map(|[mean, _]| *mean).collect();
        let inverse_deviations: Vec<f64> =
            of_channels.iter().map(|[_, variance]| (variance + eps).sqrt().recip()).collect();
        let scale: Vec<f64> = pairwise(&self.wide(weight), &inverse_deviations, |w, d| w * d);
        let shift =
            pairwise(&self.wide(bias), &pairwise(&means, &scale, |m, s| m * s), |b, m| b - m);
        let (scale, shift) = (backend.prepare_vector(&scale)?, backend.prepare_vector(&shift)?);
        let y = backend.channel_affine(&[x.as_ref()], &scale, Some(&shift), None)?;
        if self.of.norms == Norms::Batch {
            let n = self.n * shape.n_pixels();
            self.moments.push(Moments { running_mean, running_variance, of_channels, n });
        }
        Ok((Arc::new(y), Saved::Norm { x, means, inverse_deviations }))
    }

    fn backward(
        &self,
        mut saved: Vec<Saved<B>>,
        seeds: &[Vec<B::Scalar>],
    ) -> Result<Vec<Option<Vec<B::Scalar>>>> {
        let Backpropagation { backend, graph, needed, .. } = self.of;
        let mut gradients = vec![None; graph.parameters.len()];
        let mut adjoints = Adjoints { of: self.of, slots: vec![None; graph.nodes.len()] };
        let seeds: Vec<&[B::Scalar]> = seeds.iter().map(Vec::as_slice).collect();
        let logits = graph.output;
        let seeds = backend.upload(Shape::new(graph.n_classes(), 1, 1), &seeds)?;
        adjoints.put(logits, Arc::new(seeds))?;
        while let Some(keep) = saved.pop() {
            let at = saved.len();
            let node = &graph.nodes[at];
            let Some(grad) = adjoints.slots[at].take().filter(|_| needed[at]) else { continue };
            let inputs = &node.inputs;
            match keep {
                Saved::Linear(step, x) => {
                    self.leave_weights(&step, &node.op, &x, &grad, &mut gradients)?;
                    drop(x);
                    adjoints.linear(&step, inputs, &grad)?;
                }
                Saved::Norm { x, means, inverse_deviations } => {
                    let statistics = (means.as_slice(), inverse_deviations.as_slice());
                    let x_grad =
                        self.norm_adjoint(&node.op, &x, statistics, grad, &mut gradients)?;
                    adjoints.put(inputs[0], Arc::new(x_grad))?;
                }
                Saved::Activation(mut keep) => {
                    let z_grad = activation::adjoint(backend, &mut keep, grad)?;
                    adjoints.put(inputs[0], Arc::new(z_grad))?;
                }
                Saved::MaxPool2d(indices) => {
                    let in_shape = graph.nodes[inputs[0].0].shape;
                    adjoints.accumulate(inputs[0], |into| {
                        max_pool2d::adjoint(backend, &indices, &grad, in_shape, into)
                    })?;
                }
                Saved::Multiply(mut keep) => {
                    let both = multiply::adjoint(backend, &mut keep, &grad, false, [None, None])?;
                    for (&input, grad) in inputs.iter().zip(both) {
                        grad.map_or(Ok(()), |grad| adjoints.put(input, Arc::new(grad)))?;
                    }
                }
                Saved::Plain(step) => adjoints.linear(&step, inputs, &grad)?,
            }
        }
        Ok(gradients)
    }

    /// Gradients of a convolution's or fully connected layer's weights and bias.
    fn leave_weights(
        &self,
        step: &Step<B>,
        op: &Op,
        x: &B::Tensor,
        grad: &B::Tensor,
        gradients: &mut [Option<Vec<B::Scalar>>],
    ) -> Result<()> {
        let backend = &self.of.backend;
        let (Op::Conv2d { weight, bias, .. } | Op::Linear { weight, bias }) = op else {
            return Ok(());
        };
        if self.of.trained[weight.0] {
            gradients[weight.0] = match step {
                Step::Conv2d { conv, .. } => Some(backend.conv2d_weight_gradient(conv, x, grad)?),
                Step::Linear { .. } => Some(backend.linear_weight_gradient(x, grad)?),
                _ => None,
            };
        }
        if let Some(bias) = bias.filter(|bias| self.of.trained[bias.0]) {
            let zeros = vec![0.0; backend.shape(grad).channels];
            let sums = backend.channel_products(grad, grad, &zeros)?;
            gradients[bias.0] = Some(narrow(sums.iter().map(|[sum, _]| *sum)));
        }
        Ok(())
    }

    /// λ_x of a batch norm; leaves λ_γ and λ_β.
    fn norm_adjoint(
        &self,
        op: &Op,
        x: &B::Tensor,
        (means, inverse_deviations): (&[f64], &[f64]),
        grad: Arc<B::Tensor>,
        gradients: &mut [Option<Vec<B::Scalar>>],
    ) -> Result<B::Tensor> {
        let backend = &self.of.backend;
        let Op::BatchNorm { parameters: [weight, bias, ..], .. } = op else {
            return Err(no_value());
        };
        let sums = backend.channel_products(&grad, x, means)?;
        let with_x_hat = sums.iter().zip(inverse_deviations).map(|([_, product], d)| product * d);
        let with_x_hat: Vec<f64> = with_x_hat.collect();
        if self.of.trained[weight.0] {
            gradients[weight.0] = Some(narrow(with_x_hat.iter().copied()));
        }
        if self.of.trained[bias.0] {
            gradients[bias.0] = Some(narrow(sums.iter().map(|[sum, _]| *sum)));
        }
        let scale = pairwise(&self.wide(*weight), inverse_deviations, |w, d| w * d);
        if self.of.norms == Norms::Frozen {
            return backend.channel_affine(
                &[grad.as_ref()],
                &backend.prepare_vector(&scale)?,
                None,
                None,
            );
        }
        // γ/σ·(λ_y - λ_β/M - x̂·λ_γ/M) as a·λ_y + b·x + c
        let n = (self.n * backend.shape(x).n_pixels()) as f64;
        let slopes: Vec<f64> = (0..scale.len())
            .map(|c| -scale[c] * inverse_deviations[c] * with_x_hat[c] / n)
            .collect();
        let shifts: Vec<f64> =
            (0..scale.len()).map(|c| -scale[c] * sums[c][0] / n - slopes[c] * means[c]).collect();
        backend.channel_combine(grad, x, [&scale, &slopes, &shifts])
    }

    fn wide(&self, id: ParameterId) -> Vec<f64> {
        self.values[id.0].iter().map(|value| value.to_f64()).collect()
    }

    fn vector(&self, id: Option<ParameterId>) -> Result<Option<B::Vector>> {
        id.map(|id| self.of.backend.prepare_vector(&self.wide(id))).transpose()
    }
}

/// Adjoints on their way back; those that nobody needs are not made.
struct Adjoints<'a, B: Trainable> {
    of: &'a Backpropagation<B>,
    slots: Vec<Option<Arc<B::Tensor>>>,
}

impl<B: Trainable> Adjoints<'_, B> {
    fn put(&mut self, at: NodeId, grad: Arc<B::Tensor>) -> Result<()> {
        let slot = &mut self.slots[at.0];
        *slot = Some(match slot.take() {
            Some(there) => Arc::new(self.of.backend.add(there, &grad)?),
            None => grad,
        });
        Ok(())
    }

    /// Adds what `make` gives; `make` adds to the adjoint it gets.
    fn accumulate(
        &mut self,
        at: NodeId,
        make: impl FnOnce(Option<B::Tensor>) -> Result<B::Tensor>,
    ) -> Result<()> {
        if !self.of.needed[at.0] {
            return Ok(());
        }
        match self.slots[at.0].take().map(Arc::try_unwrap) {
            None => self.slots[at.0] = Some(Arc::new(make(None)?)),
            Some(Ok(own)) => self.slots[at.0] = Some(Arc::new(make(Some(own))?)),
            Some(Err(shared)) => {
                self.slots[at.0] = Some(shared);
                let own = make(None)?;
                self.put(at, Arc::new(own))?;
            }
        }
        Ok(())
    }

    /// Passes an adjoint through a linear op.
    fn linear(&mut self, step: &Step<B>, inputs: &[NodeId], grad: &Arc<B::Tensor>) -> Result<()> {
        let (backend, nodes) = (&self.of.backend, &self.of.graph.nodes);
        let mut first_channel = 0;
        for &input in inputs {
            let in_shape = nodes[input.0].shape;
            match step {
                Step::Add => self.put(input, Arc::clone(grad))?,
                Step::Flatten => {
                    let flat = backend.reshape(Arc::clone(grad), in_shape)?;
                    self.put(input, Arc::new(flat))?;
                }
                step => self.accumulate(input, |into| {
                    linear::adjoint(backend, step, grad, in_shape, first_channel, into)
                })?,
            }
            first_channel += in_shape.channels;
        }
        Ok(())
    }
}

fn pairwise(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

fn narrow<T: Scalar>(values: impl Iterator<Item = f64>) -> Vec<T> {
    values.map(T::from_f64).collect()
}

fn no_value() -> Error {
    Error::Unsupported("the graph reads a node before it is computed".into())
}
