//! The four sweeps over a plan: value, tangent, adjoint, adjoint-tangent.
//!
//! With scalar s(logits) and its adjoints λ, the product of the Hessian with a direction v is the
//! derivative of the gradient along v: a tangent sweep carries ẋ = v forward, an adjoint-tangent
//! sweep brings λ̇ back, and λ̇ at the input is H·v (forward over reverse).

use std::sync::Arc;

use hsets_core::Smoothing;

use crate::backend::{Backend, Patch};
use crate::ops::attention::{Attention, Between, Product, Weighted};
use crate::ops::bilinear::{Bilinear, Both, Wanted};
use crate::ops::learning::Learning;
use crate::ops::linear::Linear;
use crate::ops::{
    Moved, Order, Saved, Step, activation, attention, choice, conv_activation, lines,
};
use crate::plan::{Plan, PlanNode};
use crate::{Dims, Error, Result};

type Slots<B> = Vec<Option<Arc<<B as Backend>::Tensor>>>;

/// A network linearised at a batch of images.
pub(crate) struct Linearization<'a, B: Backend> {
    pub(crate) backend: &'a B,
    pub(crate) plan: &'a Plan<B>,
    /// Number of images.
    batch: usize,
    order: Order,
    pub(crate) saved: Vec<Saved<B>>,
    outputs: Vec<Arc<B::Tensor>>,
}

impl<'a, B: Backend> Linearization<'a, B> {
    /// The value sweep at the inputs `x`; `learning` is there in training.
    pub(crate) fn new(
        backend: &'a B,
        plan: &'a Plan<B>,
        x: Vec<Arc<B::Tensor>>,
        smoothing: Smoothing,
        order: Order,
        mut learning: Option<&mut Learning<'_, B>>,
    ) -> Result<Self> {
        let batch = x.iter().map(|x| backend.batch(x)).max().unwrap_or(1);
        let mut values = Forward::new(plan);
        let mut saved: Vec<Saved<B>> = plan.nodes.iter().map(|_| Saved::Nothing).collect();
        let (mut input, uses) = (x.into_iter(), plan.uses());
        for (at, node) in plan.nodes.iter().enumerate().filter(|(at, _)| !plan.runs_before(*at)) {
            if values.is_written(at) || order == Order::Zero && node.is_inside {
                continue;
            }
            if let (Some(chain), Order::Zero) = (&node.attention, order) {
                let y = attend(backend, plan, chain, (at, batch), &mut values)?;
                values.write(at, Arc::new(y));
                continue;
            }
            let mut inputs = values.read_all(node)?;
            if node.weights.is_some() {
                saved[at] = Saved::Input(Arc::clone(inputs.first().ok_or_else(no_value)?));
            }
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
            let (value, keep) = match (&node.step, &mut learning) {
                (Step::Input, _) => (input.next().ok_or_else(no_value)?, Saved::Nothing),
                (Step::BatchNorm { parameters, eps }, Some(learning)) => {
                    let x = inputs.remove(0);
                    let (y, keep) = learning.normalize(parameters, *eps, x)?;
                    (Arc::new(y), Saved::BatchNorm(keep))
                }
                (step, _) => {
                    let of = (node.dims, node.batch(batch));
                    let (y, keep) = step.value(backend, of, inputs, smoothing, order)?;
                    let keep = match keep {
                        Saved::Choice(keep) => behind_curve(node, &uses, &mut saved, keep, &y),
                        keep => keep,
                    };
                    (y, keep)
                }
            };
            if node.weights.is_none() {
                saved[at] = keep;
            }
            values.write(at, value);
        }
        Ok(Self { backend, plan, batch, order, saved, outputs: values.outputs(plan)? })
    }

    /// Logits \[K\] of each batch element.
    pub(crate) fn logits(&self) -> Result<Vec<Vec<B::Scalar>>> {
        self.backend.download(&self.outputs[0])
    }

    /// The values of all outputs.
    pub(crate) fn into_outputs(self) -> Vec<Arc<B::Tensor>> {
        self.outputs
    }

    /// The adjoint sweep: gradient with respect to the input, from that with respect to the logits;
    /// `None` where it is not needed. Must run before [`Self::products`].
    pub(crate) fn gradient(
        &mut self,
        logits_grad: B::Tensor,
        mut learning: Option<&mut Learning<'_, B>>,
    ) -> Result<Option<Arc<B::Tensor>>> {
        let (backend, plan, second) = (self.backend, self.plan, self.order == Order::Second);
        let mut grads = Backward::new(backend, plan, self.batch, Some(logits_grad));
        for (at, node) in plan.nodes.iter().enumerate().rev() {
            if let Step::Input = node.step {
                continue;
            }
            let Some(grad) = grads.take(at) else { continue };
            if grads.passed[at] {
                grads.put(node.inputs[0], grad)?;
                continue;
            }
            if let (Some(learning), Some(weights)) = (&mut learning, node.weights)
                && let (Step::Linear(linear), Saved::Input(x)) = (&node.step, &self.saved[at])
            {
                learning.weights(linear, weights, x, &grad)?;
            }
            if let Some(saved) = self.activation_before(at).filter(|_| !second)
                && grads.pass_through(node, saved, None, &grad)?
            {
                continue;
            }
            match (&mut self.saved[at], &node.step) {
                (Saved::Nothing, Step::Fixed(_, parameter)) => {
                    if let (Some(learning), Some(id)) = (&mut learning, parameter) {
                        learning.source(*id, &grad)?;
                    }
                }
                (Saved::Nothing | Saved::Input(_), Step::Linear(linear)) => {
                    grads.push_linear(node, linear, &grad)?;
                }
                (Saved::BatchNorm(normed), Step::BatchNorm { parameters, .. }) => {
                    if let Some(learning) = &mut learning {
                        let x_grad = learning.normalize_adjoint(parameters, normed, grad)?;
                        grads.add(node.inputs[0], x_grad)?;
                    }
                }
                (Saved::Curve(saved), Step::Curve(_)) => {
                    let z_grad = activation::adjoint(backend, saved, grad)?;
                    grads.add(node.inputs[0], z_grad)?;
                }
                (Saved::Choice(saved), Step::Choice(_)) => {
                    grads.push_choice(node, saved, &grad)?;
                }
                (Saved::ActivatedChoice(saved, behind), Step::Choice(_)) => {
                    let grad = Arc::new(activation::adjoint(backend, behind, grad)?);
                    grads.push_choice(node, saved, &grad)?;
                    grads.passed[node.inputs[0]] = true;
                }
                (Saved::Bilinear(saved), Step::Bilinear(op)) => {
                    let (wanted, into) = (grads.wanted(node), grads.take_two(node));
                    let both = op.adjoint(backend, saved, &grad, second, wanted, into)?;
                    grads.put_two(node, both)?;
                }
                (Saved::Lines(saved), Step::Lines { map, axis }) => {
                    grads.accumulate(node.inputs[0], |into| {
                        lines::adjoint(backend, (*map, *axis), saved, &grad, second, into)
                    })?;
                }
                (saved, step) => return Err(strangers(saved, step)),
            }
        }
        Ok(grads.take(plan.input()))
    }

    /// The activation that the convolution at `at` reads, if its adjoint is complete once this
    /// convolution has added to it.
    fn activation_before(&self, at: usize) -> Option<&activation::Saved<B>> {
        let node = &self.plan.nodes[at];
        let Step::Linear(Linear::Conv2d { .. }) = node.step else { return None };
        let input = node.inputs[0];
        match &self.saved[input] {
            Saved::Curve(saved) if self.plan.nodes[input].first_reader == at => Some(saved),
            _ => None,
        }
    }

    /// The tangent sweep along `directions`: tangents of the logits, and what comes back needs.
    pub(crate) fn tangent(&self, directions: B::Tensor) -> Result<Tangent<B>> {
        let moved = self.plan.nodes.iter().map(|_| Moved::Nothing).collect();
        let batch = self.backend.batch(&directions);
        self.tangent_from(0, batch, Forward::new(self.plan), moved, Some(directions))
    }

    /// The tangent sweep from a node on, given the tangents of those before it.
    pub(crate) fn tangent_from(
        &self,
        first: usize,
        batch: usize,
        mut tangents: Forward<B>,
        mut moved: Vec<Moved<B>>,
        mut input: Option<B::Tensor>,
    ) -> Result<Tangent<B>> {
        let (backend, plan) = (self.backend, self.plan);
        let nodes = plan.nodes.iter().enumerate().skip(first).filter(|(_, node)| node.active);
        for (at, node) in nodes.filter(|(at, _)| !plan.runs_before(*at)) {
            let inputs = tangents.read(node);
            let of = (node.dims, batch);
            let only = || inputs.first().cloned().flatten().ok_or_else(no_value);
            if let Some((conv, _, _, activation)) = plan.conv_activation(at)
                && let Saved::Curve(saved) = &self.saved[activation]
            {
                let (y_dot, z_dot) =
                    conv_activation::tangent(backend, conv, saved, only()?.as_ref())?;
                moved[activation] = Moved::Before(z_dot);
                tangents.write(activation, Arc::new(y_dot));
                continue;
            }
            let (tangent, keep) = match (&node.step, &self.saved[at]) {
                (Step::Input, _) => (Arc::new(input.take().ok_or_else(no_value)?), Moved::Nothing),
                (Step::Linear(linear), Saved::Nothing) => {
                    (linear.forward(backend, of, inputs, false)?, Moved::Nothing)
                }
                (Step::Curve(_), Saved::Curve(saved)) => {
                    let z_dot = only()?;
                    let y_dot = activation::tangent(backend, saved, &z_dot)?;
                    (Arc::new(y_dot), Moved::Before(z_dot))
                }
                (Step::Choice(_), Saved::Choice(saved) | Saved::ActivatedChoice(saved, _)) => {
                    let y_dot = choice::tangent(backend, saved, only()?.as_ref(), of)?;
                    (Arc::new(y_dot), Moved::Nothing)
                }
                (Step::Bilinear(op), Saved::Bilinear(saved)) => {
                    let mut inputs = inputs.into_iter();
                    let dots = [inputs.next().flatten(), inputs.next().flatten()];
                    let y_dot = op.tangent(backend, saved, &dots, of)?.ok_or_else(no_value)?;
                    (Arc::new(y_dot), Moved::Both(dots))
                }
                (Step::Lines { map, axis }, Saved::Lines(saved)) => {
                    let x_dot = only()?;
                    let y_dot = lines::tangent(backend, (*map, *axis), saved, &x_dot)?;
                    (Arc::new(y_dot), Moved::Before(x_dot))
                }
                (step, saved) => return Err(strangers(saved, step)),
            };
            moved[at] = keep;
            tangents.write(at, tangent);
        }
        Ok(Tangent { batch, moved, logits: tangents.outputs(plan)?.remove(0) })
    }

    /// The adjoint-tangent sweep: H·v for the directions of `tangent`. `logits_grad_dot` is the
    /// change of the scalar's gradient at the logits, `None` for a scalar linear in them.
    pub(crate) fn products(
        &self,
        mut tangent: Tangent<B>,
        logits_grad_dot: Option<B::Tensor>,
    ) -> Result<Option<Arc<B::Tensor>>> {
        let (backend, plan) = (self.backend, self.plan);
        let mut grads = Backward::new(backend, plan, tangent.batch, logits_grad_dot);
        for (at, node) in plan.nodes.iter().enumerate().rev().filter(|(_, node)| node.needed) {
            if let Step::Input = node.step {
                continue;
            }
            let grad = grads.take(at);
            if let (Some(grad), true) = (&grad, grads.passed[at]) {
                grads.put(node.inputs[0], Arc::clone(grad))?;
                continue;
            }
            if let (Some(grad), Some(saved)) = (&grad, self.activation_before(at)) {
                let z_dot = match &tangent.moved[node.inputs[0]] {
                    Moved::Before(z_dot) => Some(z_dot.as_ref()),
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
            match (&node.step, &self.saved[at], moved) {
                (Step::Linear(linear), Saved::Nothing, _) => {
                    if let Some(grad) = grad {
                        grads.push_linear(node, linear, &grad)?;
                    }
                }
                (Step::Curve(_), Saved::Curve(saved), Moved::Before(z_dot)) => {
                    let next = activation::adjoint_tangent(backend, saved, z_dot, grad)?;
                    if let Some(z_grad) = next {
                        grads.add(node.inputs[0], z_grad)?;
                    }
                }
                (Step::Curve(_), Saved::Curve(saved), Moved::Patches(patches)) => {
                    let z_grad = activation::adjoint_tangent_in_windows(
                        backend, saved, node.dims, &patches, grad,
                    )?;
                    if let Some(z_grad) = z_grad {
                        grads.add(node.inputs[0], z_grad)?;
                    }
                }
                (Step::Choice(_), Saved::Choice(saved) | Saved::ActivatedChoice(saved, _), _) => {
                    if let Some(grad) = grad {
                        grads.push_choice(node, saved, &grad)?;
                    }
                }
                (Step::Bilinear(op), Saved::Bilinear(saved), Moved::Both(dots)) => {
                    let (wanted, into) = (grads.wanted(node), grads.take_two(node));
                    let grad = grad.as_deref();
                    let both = op.adjoint_tangent(backend, saved, &dots, grad, wanted, into)?;
                    grads.put_two(node, both)?;
                }
                (Step::Lines { map, axis }, Saved::Lines(saved), Moved::Before(x_dot)) => {
                    let (kind, grad) = ((*map, *axis), grad.as_deref());
                    let x_grad = lines::adjoint_tangent(backend, kind, saved, &x_dot, grad)?;
                    if let Some(x_grad) = x_grad {
                        grads.add(node.inputs[0], x_grad)?;
                    }
                }
                (Step::Lines { map, axis }, Saved::Lines(saved), Moved::Patches(patches)) => {
                    let ops = backend
                        .window_ops()
                        .ok_or_else(|| strangers(&self.saved[at], &node.step))?;
                    let x_dot = ops.embed(node.dims.image(), &patches)?;
                    let (kind, grad) = ((*map, *axis), grad.as_deref());
                    let x_grad = lines::adjoint_tangent(backend, kind, saved, &x_dot, grad)?;
                    if let Some(x_grad) = x_grad {
                        grads.add(node.inputs[0], x_grad)?;
                    }
                }
                (step, saved, _) => return Err(strangers(saved, step)),
            }
        }
        Ok(grads.take(plan.input()))
    }
}

/// The attention whose last product is at `at`, by parts.
fn attend<B: Backend>(
    backend: &B,
    plan: &Plan<B>,
    (which, chain): &(usize, Vec<usize>),
    (at, batch): (usize, usize),
    values: &mut Forward<B>,
) -> Result<B::Tensor> {
    let stranger = || Error::Unsupported("an attention without its products".into());
    let [first, rest @ ..] = chain.as_slice() else { return Err(stranger()) };
    let (first, last) = (&plan.nodes[*first], &plan.nodes[at]);
    let (Step::Bilinear(Bilinear::MatMul(axes)), Step::Bilinear(Bilinear::MatMul(last_axes))) =
        (&first.step, &last.step)
    else {
        return Err(stranger());
    };
    let mut read = |at: usize| values.read_one(at).ok_or_else(no_value);
    let factors = [read(first.inputs[0])?, read(first.inputs[1])?];
    let scores = Product { axes, factors, dims: first.dims };
    let mut between = Vec::with_capacity(rest.len());
    for &inside in rest {
        let node = &plan.nodes[inside];
        between.push(match &node.step {
            Step::Linear(Linear::Scale(factor)) => Between::Scale(*factor),
            Step::Linear(Linear::Reshape) => Between::Reshape(node.dims),
            Step::Linear(Linear::Add) => Between::Add(read(node.inputs[1])?),
            Step::Lines { map, axis } => Between::Lines(*map, *axis),
            _ => return Err(stranger()),
        });
    }
    let values = read(last.inputs[1 - which])?;
    let weighted = Weighted { axes: last_axes, values, values_first: *which == 1 };
    let attention = Attention { scores, between, weighted, of: (last.dims, batch) };
    if plan.for_values
        && let Some(y) = backend.attention(&attention)?
    {
        return Ok(y);
    }
    attention::by_parts(backend, &attention)
}

/// What max pooling keeps: where it alone reads an activation, for gradients, that keeps nothing.
fn behind_curve<B: Backend>(
    node: &PlanNode<B>,
    uses: &[usize],
    saved: &mut [Saved<B>],
    keep: choice::Saved<B>,
    y: &Arc<B::Tensor>,
) -> Saved<B> {
    let input = node.inputs[0];
    let (Saved::Curve(activation::Saved::Output { curve, .. }), choice::Saved::Indices(_)) =
        (&saved[input], &keep)
    else {
        return Saved::Choice(keep);
    };
    if uses[input] > 1 {
        return Saved::Choice(keep);
    }
    let behind = activation::Saved::Output { curve: *curve, y: Arc::clone(y) };
    saved[input] = Saved::Nothing;
    Saved::ActivatedChoice(keep, behind)
}

/// What a tangent sweep leaves behind.
pub(crate) struct Tangent<B: Backend> {
    batch: usize,
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

    /// What a node reads; `None` is zero.
    fn read(&mut self, node: &PlanNode<B>) -> Slots<B> {
        node.inputs.iter().map(|&input| self.read_one(input)).collect()
    }

    fn read_all(&mut self, node: &PlanNode<B>) -> Result<Vec<Arc<B::Tensor>>> {
        self.read(node).into_iter().map(|input| input.ok_or_else(no_value)).collect()
    }

    fn read_one(&mut self, at: usize) -> Option<Arc<B::Tensor>> {
        self.uses[at] -= 1;
        let slot = &mut self.slots[at];
        if self.uses[at] == 0 { slot.take() } else { slot.clone() }
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

    fn outputs(mut self, plan: &Plan<B>) -> Result<Vec<Arc<B::Tensor>>> {
        plan.outputs.iter().map(|&at| self.read_one(at).ok_or_else(no_value)).collect()
    }
}

/// Adjoints on their way back; `None` is zero. Those that nobody needs are not made.
struct Backward<'a, B: Backend> {
    backend: &'a B,
    plan: &'a Plan<B>,
    batch: usize,
    slots: Slots<B>,
    /// Activations whose slot holds λ_z already.
    passed: Vec<bool>,
}

impl<'a, B: Backend> Backward<'a, B> {
    fn new(
        backend: &'a B,
        plan: &'a Plan<B>,
        batch: usize,
        logits_grad: Option<B::Tensor>,
    ) -> Self {
        let mut slots: Slots<B> = plan.nodes.iter().map(|_| None).collect();
        slots[plan.output()] = logits_grad.map(Arc::new);
        let passed = vec![false; slots.len()];
        Self { backend, plan, batch, slots, passed }
    }

    fn take(&mut self, at: usize) -> Option<Arc<B::Tensor>> {
        self.slots[at].take()
    }

    /// Size and batch of a node's adjoint.
    fn of(&self, at: usize) -> (Dims, usize) {
        let node = &self.plan.nodes[at];
        (node.dims, node.batch(self.batch))
    }

    /// Adds a gradient.
    fn put(&mut self, at: usize, grad: Arc<B::Tensor>) -> Result<()> {
        if !self.plan.nodes[at].needed {
            return Ok(());
        }
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
        let (Step::Linear(Linear::Conv2d { conv, .. }), input) = (&node.step, node.inputs[0])
        else {
            return Ok(false);
        };
        if !self.plan.nodes[input].needed {
            return Ok(false);
        }
        let into = match self.slots[input].take().map(Arc::try_unwrap) {
            None => None,
            Some(Ok(own)) => Some(own),
            Some(Err(shared)) => {
                self.slots[input] = Some(shared);
                return Ok(false);
            }
        };
        let in_shape = self.plan.nodes[input].dims.image();
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
        if !self.plan.nodes[at].needed {
            return Ok(());
        }
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

    fn push_linear(
        &mut self,
        node: &PlanNode<B>,
        linear: &Linear<B>,
        grad: &Arc<B::Tensor>,
    ) -> Result<()> {
        let backend = self.backend;
        let mut offset = 0;
        for &input in &node.inputs {
            let of = self.of(input);
            if linear.passes_on(backend, grad, of) {
                self.put(input, Arc::clone(grad))?;
            } else {
                self.accumulate(input, |into| linear.adjoint(backend, grad, of, offset, into))?;
            }
            offset += linear.extent(of.0);
        }
        Ok(())
    }

    fn push_choice(
        &mut self,
        node: &PlanNode<B>,
        saved: &choice::Saved<B>,
        grad: &Arc<B::Tensor>,
    ) -> Result<()> {
        let (backend, of) = (self.backend, self.of(node.inputs[0]));
        self.accumulate(node.inputs[0], |into| choice::adjoint(backend, saved, grad, of, into))
    }

    /// Sizes and batches of the factors of a product, where their gradient is needed.
    fn wanted(&self, node: &PlanNode<B>) -> Wanted {
        let wanted = |i: usize| {
            let input = *node.inputs.get(i)?;
            self.plan.nodes[input].needed.then(|| self.of(input))
        };
        [wanted(0), wanted(1)]
    }

    /// The two gradients of a product that nobody else holds, to be added to.
    fn take_two(&mut self, node: &PlanNode<B>) -> Both<B> {
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

    fn put_two(&mut self, node: &PlanNode<B>, grads: Both<B>) -> Result<()> {
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

/// A sweep without the one before it, or training without what learns.
fn strangers<B: Backend>(_saved: &Saved<B>, step: &Step<B>) -> Error {
    Error::Unsupported(format!("{} without what its value sweep keeps", step.name()))
}
