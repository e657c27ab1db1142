//! The four sweeps over a plan: value, tangent, adjoint, adjoint-tangent.
//!
//! With scalar s(logits) and its adjoints λ, the product of the Hessian with a direction v is the
//! derivative of the gradient along v: a tangent sweep carries ẋ = v forward, an adjoint-tangent
//! sweep brings λ̇ back, and λ̇ at the input is H·v (forward over reverse).

use std::sync::Arc;

use hsets_core::Smoothing;

use crate::backend::Backend;
use crate::ops::{Moved, Saved, activation, conv_activation, linear, max_pool2d, multiply};
use crate::plan::{Plan, PlanNode, Step};
use crate::window::Patch;
use crate::{Error, Result};

/// What the value sweep keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Values only.
    Zero,
    /// Enough for gradients.
    First,
    /// Enough for Hessian products.
    Second,
}

type Slots<B> = Vec<Option<Arc<<B as Backend>::Tensor>>>;

/// A network linearised at a batch of images.
pub(crate) struct Linearization<'a, B: Backend> {
    pub(crate) backend: &'a B,
    pub(crate) plan: &'a Plan<B>,
    order: Order,
    pub(crate) saved: Vec<Saved<B>>,
    logits: Arc<B::Tensor>,
}

impl<'a, B: Backend> Linearization<'a, B> {
    /// The value sweep at `x`.
    pub(crate) fn new(
        backend: &'a B,
        plan: &'a Plan<B>,
        x: B::Tensor,
        smoothing: Smoothing,
        order: Order,
    ) -> Result<Self> {
        let mut values = Forward::new(plan);
        let mut saved: Vec<Saved<B>> = plan.nodes.iter().map(|_| Saved::Nothing).collect();
        let (mut input, uses) = (Some(x), plan.uses());
        for (at, node) in plan.nodes.iter().enumerate().filter(|(at, _)| !plan.runs_before(*at)) {
            if values.is_written(at) {
                continue;
            }
            let mut inputs = values.read(node)?;
            if let Some((kind, activation)) = plan.memory_activation(at)
                && let curve = kind.curve(smoothing)
                && (order == Order::Zero || order == Order::First && curve.output_tells_slope())
            {
                let (y, keep) = activation::behind(backend, &node.step, inputs, curve, order)?;
                saved[activation] = keep;
                values.write(activation, y);
                continue;
            }
            if let Some((conv, bias, kind, activation)) = plan.conv_activation(at) {
                let curve = kind.curve(smoothing);
                let (y, keep) =
                    conv_activation::value(backend, (conv, bias), &inputs[0], curve, order)?;
                saved[activation] = keep;
                values.write(activation, y);
                continue;
            }
            let (value, keep) = match &node.step {
                Step::Input => (Arc::new(input.take().ok_or_else(no_value)?), Saved::Nothing),
                Step::Activation(kind) if order == Order::Zero => {
                    let y = backend.curve(kind.curve(smoothing), inputs.remove(0))?;
                    (Arc::new(y), Saved::Nothing)
                }
                Step::Activation(kind) => {
                    let second = order == Order::Second;
                    let curve = kind.curve(smoothing);
                    let (y, keep) = activation::value(backend, curve, inputs.remove(0), second)?;
                    (y, Saved::Activation(keep))
                }
                Step::MaxPool2d(spec) => {
                    let (y, indices) = backend.max_pool2d(spec, &inputs[0])?;
                    let (y, input) = (Arc::new(y), node.inputs[0]);
                    let keep = match &saved[input] {
                        Saved::Activation(activation::Saved::Output { curve, .. })
                            if uses[input] == 1 =>
                        {
                            let behind =
                                activation::Saved::Output { curve: *curve, y: Arc::clone(&y) };
                            saved[input] = Saved::Nothing;
                            Saved::ActivatedMaxPool2d(indices, behind)
                        }
                        _ => Saved::MaxPool2d(indices),
                    };
                    (y, keep)
                }
                Step::Multiply => {
                    let (b, a) = (inputs.remove(1), inputs.remove(0));
                    let (y, keep) = multiply::value(backend, a, b)?;
                    let keep =
                        if order == Order::Zero { Saved::Nothing } else { Saved::Multiply(keep) };
                    (Arc::new(y), keep)
                }
                step => {
                    let y = linear::forward(backend, step, node.shape, inputs, true)?;
                    (Arc::new(y), Saved::Nothing)
                }
            };
            saved[at] = keep;
            values.write(at, value);
        }
        Ok(Self { backend, plan, order, saved, logits: values.output()? })
    }

    /// Logits \[K\] of each batch element.
    pub(crate) fn logits(&self) -> Result<Vec<Vec<B::Scalar>>> {
        self.backend.download(&self.logits)
    }

    /// The adjoint sweep: gradient with respect to the input, from that with respect to the logits.
    /// Must run before [`Self::products`].
    pub(crate) fn gradient(&mut self, logits_grad: B::Tensor) -> Result<Arc<B::Tensor>> {
        let (backend, plan, second) = (self.backend, self.plan, self.order == Order::Second);
        let mut grads = Backward::new(backend, plan, Some(logits_grad));
        for (at, node) in plan.nodes.iter().enumerate().skip(1).rev() {
            let Some(grad) = grads.take(at) else { continue };
            if grads.passed[at] {
                grads.put(node.inputs[0], grad)?;
                continue;
            }
            if let Some(saved) = self.activation_before(at).filter(|_| !second)
                && grads.pass_through(node, saved, None, &grad)?
            {
                continue;
            }
            match &mut self.saved[at] {
                Saved::Nothing => grads.push_linear(node, &grad)?,
                Saved::Activation(saved) => {
                    let z_grad = activation::adjoint(backend, saved, grad)?;
                    grads.add(node.inputs[0], z_grad)?;
                }
                Saved::MaxPool2d(indices) => grads.push_max_pool2d(node, indices, &grad)?,
                Saved::ActivatedMaxPool2d(indices, behind) => {
                    let grad = Arc::new(activation::adjoint(backend, behind, grad)?);
                    grads.push_max_pool2d(node, indices, &grad)?;
                    grads.passed[node.inputs[0]] = true;
                }
                Saved::Multiply(saved) => {
                    let into = grads.take_two(node);
                    let both = multiply::adjoint(backend, saved, &grad, second, into)?;
                    grads.put_two(node, both)?;
                }
            }
        }
        grads.input()
    }

    /// The activation that the convolution at `at` reads, if its adjoint is complete once this
    /// convolution has added to it.
    fn activation_before(&self, at: usize) -> Option<&activation::Saved<B>> {
        let node = &self.plan.nodes[at];
        let Step::Conv2d { .. } = node.step else { return None };
        let input = node.inputs[0];
        match &self.saved[input] {
            Saved::Activation(saved) if self.plan.nodes[input].first_reader == at => Some(saved),
            _ => None,
        }
    }

    /// The tangent sweep along `directions`: tangents of the logits, and what comes back needs.
    pub(crate) fn tangent(&self, directions: B::Tensor) -> Result<Tangent<B>> {
        let moved = self.plan.nodes.iter().map(|_| Moved::Nothing).collect();
        self.tangent_from(0, Forward::new(self.plan), moved, Some(directions))
    }

    /// The tangent sweep from a node on, given the tangents of those before it.
    pub(crate) fn tangent_from(
        &self,
        first: usize,
        mut tangents: Forward<B>,
        mut moved: Vec<Moved<B>>,
        mut input: Option<B::Tensor>,
    ) -> Result<Tangent<B>> {
        let (backend, plan) = (self.backend, self.plan);
        let nodes = plan.nodes.iter().enumerate().skip(first);
        for (at, node) in nodes.filter(|(at, _)| !plan.runs_before(*at)) {
            let mut inputs = tangents.read(node)?;
            if let Some((conv, _, _, activation)) = plan.conv_activation(at)
                && let Saved::Activation(saved) = &self.saved[activation]
            {
                let (y_dot, z_dot) = conv_activation::tangent(backend, conv, saved, &inputs[0])?;
                moved[activation] = Moved::Activation(z_dot);
                tangents.write(activation, Arc::new(y_dot));
                continue;
            }
            let (tangent, keep) = match (&node.step, &self.saved[at]) {
                (Step::Input, _) => (input.take().ok_or_else(no_value)?, Moved::Nothing),
                (_, Saved::Activation(saved)) => {
                    let z_dot = inputs.remove(0);
                    (activation::tangent(backend, saved, &z_dot)?, Moved::Activation(z_dot))
                }
                (_, Saved::MaxPool2d(indices) | Saved::ActivatedMaxPool2d(indices, _)) => {
                    (max_pool2d::tangent(backend, indices, &inputs[0])?, Moved::Nothing)
                }
                (_, Saved::Multiply(saved)) => {
                    let (b, a) = (inputs.remove(1), inputs.remove(0));
                    (multiply::tangent(backend, saved, &a, &b)?, Moved::Multiply(a, b))
                }
                (step, Saved::Nothing) => {
                    (linear::forward(backend, step, node.shape, inputs, false)?, Moved::Nothing)
                }
            };
            moved[at] = keep;
            tangents.write(at, Arc::new(tangent));
        }
        Ok(Tangent { moved, logits: tangents.output()? })
    }

    /// The adjoint-tangent sweep: H·v for the directions of `tangent`. `logits_grad_dot` is the
    /// change of the scalar's gradient at the logits, `None` for a scalar linear in them.
    pub(crate) fn products(
        &self,
        mut tangent: Tangent<B>,
        logits_grad_dot: Option<B::Tensor>,
    ) -> Result<Option<Arc<B::Tensor>>> {
        let (backend, plan) = (self.backend, self.plan);
        let mut grads = Backward::new(backend, plan, logits_grad_dot);
        for (at, node) in plan.nodes.iter().enumerate().skip(1).rev() {
            let grad = grads.take(at);
            if let (Some(grad), true) = (&grad, grads.passed[at]) {
                grads.put(node.inputs[0], Arc::clone(grad))?;
                continue;
            }
            if let (Some(grad), Some(saved)) = (&grad, self.activation_before(at)) {
                let z_dot = match &tangent.moved[node.inputs[0]] {
                    Moved::Activation(z_dot) => Some(z_dot.as_ref()),
                    _ => None,
                };
                if grads.pass_through(node, saved, z_dot, grad)? {
                    if let Moved::Patches(patches) = &tangent.moved[node.inputs[0]] {
                        grads.bend(node.inputs[0], saved, patches)?;
                    }
                    continue;
                }
            }
            let moved = std::mem::replace(&mut tangent.moved[at], Moved::Nothing);
            match (&self.saved[at], moved) {
                (Saved::Activation(saved), Moved::Activation(z_dot)) => {
                    let next = activation::adjoint_tangent(backend, saved, z_dot, grad)?;
                    if let Some(z_grad) = next {
                        grads.add(node.inputs[0], z_grad)?;
                    }
                }
                (Saved::Activation(saved), Moved::Patches(patches)) => {
                    let z_grad = activation::adjoint_tangent_in_windows(
                        backend, saved, node.shape, &patches, grad,
                    )?;
                    if let Some(z_grad) = z_grad {
                        grads.add(node.inputs[0], z_grad)?;
                    }
                }
                (Saved::Multiply(saved), Moved::Multiply(a, b)) => {
                    let into = grads.take_two(node);
                    let (dots, grad) = ([a.as_ref(), b.as_ref()], grad.as_deref());
                    let both = multiply::adjoint_tangent(backend, saved, dots, grad, into)?;
                    grads.put_two(node, both)?;
                }
                (Saved::MaxPool2d(indices), _) => {
                    if let Some(grad) = grad {
                        grads.push_max_pool2d(node, indices, &grad)?;
                    }
                }
                _ => {
                    if let Some(grad) = grad {
                        grads.push_linear(node, &grad)?;
                    }
                }
            }
        }
        Ok(grads.take(0))
    }
}

/// What a tangent sweep leaves behind.
pub(crate) struct Tangent<B: Backend> {
    moved: Vec<Moved<B>>,
    /// Tangents of the logits.
    pub(crate) logits: Arc<B::Tensor>,
}

/// Values or tangents on their way forward; each is dropped after its last reader.
pub(crate) struct Forward<B: Backend> {
    slots: Slots<B>,
    uses: Vec<usize>,
}

impl<B: Backend> Forward<B> {
    pub(crate) fn new(plan: &Plan<B>) -> Self {
        Self { slots: plan.nodes.iter().map(|_| None).collect(), uses: plan.uses() }
    }

    fn read(&mut self, node: &PlanNode<B>) -> Result<Vec<Arc<B::Tensor>>> {
        node.inputs.iter().map(|&input| self.read_one(input)).collect()
    }

    fn read_one(&mut self, at: usize) -> Result<Arc<B::Tensor>> {
        self.uses[at] -= 1;
        let slot = &mut self.slots[at];
        let value = if self.uses[at] == 0 { slot.take() } else { slot.clone() };
        value.ok_or_else(no_value)
    }

    /// Counts what a node reads without giving it.
    pub(crate) fn skip(&mut self, node: &PlanNode<B>) {
        node.inputs.iter().for_each(|&input| self.uses[input] -= 1);
    }

    /// Whether a node is still to be read.
    pub(crate) fn is_read(&self, at: usize) -> bool {
        self.uses[at] > 0
    }

    pub(crate) fn write(&mut self, at: usize, value: Arc<B::Tensor>) {
        self.slots[at] = Some(value);
    }

    /// Whether a node was computed together with the one before it.
    fn is_written(&self, at: usize) -> bool {
        self.slots[at].is_some()
    }

    fn output(mut self) -> Result<Arc<B::Tensor>> {
        self.slots.pop().flatten().ok_or_else(no_value)
    }
}

/// Adjoints on their way back; `None` is zero.
struct Backward<'a, B: Backend> {
    backend: &'a B,
    plan: &'a Plan<B>,
    slots: Slots<B>,
    /// Activations whose slot holds λ_z already.
    passed: Vec<bool>,
}

impl<'a, B: Backend> Backward<'a, B> {
    fn new(backend: &'a B, plan: &'a Plan<B>, logits_grad: Option<B::Tensor>) -> Self {
        let mut slots: Slots<B> = plan.nodes.iter().map(|_| None).collect();
        if let Some(last) = slots.last_mut() {
            *last = logits_grad.map(Arc::new);
        }
        let passed = vec![false; slots.len()];
        Self { backend, plan, slots, passed }
    }

    fn take(&mut self, at: usize) -> Option<Arc<B::Tensor>> {
        self.slots[at].take()
    }

    fn input(mut self) -> Result<Arc<B::Tensor>> {
        self.take(0).ok_or_else(no_value)
    }

    /// Adds a gradient.
    fn put(&mut self, at: usize, grad: Arc<B::Tensor>) -> Result<()> {
        let sum = match self.slots[at].take() {
            Some(there) => Arc::new(self.backend.add(there, &grad)?),
            None => grad,
        };
        self.slots[at] = Some(sum);
        Ok(())
    }

    fn add(&mut self, at: usize, grad: B::Tensor) -> Result<()> {
        self.put(at, Arc::new(grad))
    }

    /// The adjoint of a convolution and of the activation before it in one. False, and nothing
    /// done, if someone else still holds the gradient to add to.
    fn pass_through(
        &mut self,
        node: &PlanNode<B>,
        saved: &activation::Saved<B>,
        z_dot: Option<&B::Tensor>,
        grad: &B::Tensor,
    ) -> Result<bool> {
        let (Step::Conv2d { conv, .. }, input) = (&node.step, node.inputs[0]) else {
            return Ok(false);
        };
        let into = match self.slots[input].take().map(Arc::try_unwrap) {
            None => None,
            Some(Ok(own)) => Some(own),
            Some(Err(shared)) => {
                self.slots[input] = Some(shared);
                return Ok(false);
            }
        };
        let in_shape = self.plan.nodes[input].shape;
        let z_grad =
            conv_activation::adjoint(self.backend, conv, saved, z_dot, grad, in_shape, into)?;
        self.slots[input] = Some(Arc::new(z_grad));
        self.passed[input] = true;
        Ok(true)
    }

    /// Adds φ''·λ_y·ż to the λ_z of an activation that was passed through.
    fn bend(
        &mut self,
        at: usize,
        saved: &activation::Saved<B>,
        patches: &[Patch<B>],
    ) -> Result<()> {
        if let Some(Ok(own)) = self.slots[at].take().map(Arc::try_unwrap) {
            let z_grad = activation::add_bends(self.backend, saved, patches, own)?;
            self.slots[at] = Some(Arc::new(z_grad));
        }
        Ok(())
    }

    /// Adds what `make` gives; `make` adds to the gradient it gets.
    fn accumulate(
        &mut self,
        at: usize,
        make: impl FnOnce(Option<B::Tensor>) -> Result<B::Tensor>,
    ) -> Result<()> {
        match self.slots[at].take().map(Arc::try_unwrap) {
            None => self.slots[at] = Some(Arc::new(make(None)?)),
            Some(Ok(own)) => self.slots[at] = Some(Arc::new(make(Some(own))?)),
            Some(Err(shared)) => {
                let own = make(None)?;
                self.slots[at] = Some(Arc::new(self.backend.add(shared, &own)?));
            }
        }
        Ok(())
    }

    fn push_linear(&mut self, node: &PlanNode<B>, grad: &Arc<B::Tensor>) -> Result<()> {
        let (backend, plan) = (self.backend, self.plan);
        let mut first_channel = 0;
        for &input in &node.inputs {
            let in_shape = plan.nodes[input].shape;
            match &node.step {
                Step::Add => self.put(input, Arc::clone(grad))?,
                Step::Flatten => {
                    let flat = backend.reshape(Arc::clone(grad), in_shape)?;
                    self.add(input, flat)?;
                }
                step => self.accumulate(input, |into| {
                    linear::adjoint(backend, step, grad, in_shape, first_channel, into)
                })?,
            }
            first_channel += in_shape.channels;
        }
        Ok(())
    }

    fn push_max_pool2d(
        &mut self,
        node: &PlanNode<B>,
        indices: &B::Indices,
        grad: &Arc<B::Tensor>,
    ) -> Result<()> {
        let (backend, in_shape) = (self.backend, self.plan.nodes[node.inputs[0]].shape);
        self.accumulate(node.inputs[0], |into| {
            max_pool2d::adjoint(backend, indices, grad, in_shape, into)
        })
    }

    /// The two gradients of a product that nobody else holds, to be added to.
    fn take_two(&mut self, node: &PlanNode<B>) -> [Option<B::Tensor>; 2] {
        let same = node.inputs[0] == node.inputs[1];
        let mut take = |at: usize| match self.slots[at].take().map(Arc::try_unwrap) {
            Some(Ok(own)) => Some(own),
            Some(Err(shared)) => {
                self.slots[at] = Some(shared);
                None
            }
            None => None,
        };
        [take(node.inputs[0]), if same { None } else { take(node.inputs[1]) }]
    }

    fn put_two(&mut self, node: &PlanNode<B>, grads: [Option<B::Tensor>; 2]) -> Result<()> {
        for (&input, grad) in node.inputs.iter().zip(grads) {
            if let Some(grad) = grad {
                self.add(input, grad)?;
            }
        }
        Ok(())
    }
}

fn no_value() -> Error {
    Error::Unsupported("the graph reads a node before it is computed".into())
}
