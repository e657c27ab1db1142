//! A network: a graph bound to weights on a device.

use std::borrow::Cow;
use std::sync::Arc;

use hsets_core::{
    Curvature, Differentiable, Evaluation, Image, Link, Scored, Shape, Smoothing, Target,
    TwiceDifferentiable,
};
use hsets_kernels::Scalar;

use crate::backend::{Backend, Cpu, Device};
use crate::ops::Order;
use crate::plan::Plan;
use crate::sweep::{Linearization, Tangent};
use crate::{Error, Graph, ParameterSpec, Result, Weights};

/// A graph with weights, on the CPU in `f32` or `f64` ([`Network::new`]) or on a candle device
/// ([`Network::on_device`]).
///
/// As a field ([`Scored`], [`Differentiable`], [`TwiceDifferentiable`]) it takes and gives `f32`;
/// the methods named here take and give the width of the network.
pub struct Network<B: Backend = Cpu<f32>> {
    backend: B,
    plan: Plan<B>,
    link: Link,
    memory: usize,
    activations: usize,
}

/// Logits \[K\] and gradient \[C·H·W\] of one image, in the width of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient<T> {
    /// Logits.
    pub logits: Vec<T>,
    /// Gradient of the target with respect to the image.
    pub gradient: Vec<T>,
}

/// Images of a batch that are worth running together: enough for deep layers to fill the kernels,
/// few enough for early ones to stay in the caches.
const LARGEST_BATCH: usize = 8;

impl<T> Network<Cpu<T>>
where
    Cpu<T>: Backend,
    T: Scalar,
{
    /// Binds weights to a graph on the CPU. Fails with everything wrong with the weights at once.
    pub fn new(graph: &Graph, weights: &Weights) -> Result<Self> {
        Self::with_backend(Cpu::new(), graph, weights)
    }
}

impl Network<Device> {
    /// Binds weights to a graph on a candle device (CUDA, Metal, or candle's own CPU).
    pub fn on_device(
        graph: &Graph,
        weights: &Weights,
        device: &candle_core::Device,
    ) -> Result<Self> {
        Self::with_backend(Device::new(device.clone()), graph, weights)
    }
}

impl<B: Backend> Network<B> {
    /// Memory for activations unless set otherwise: 2 GiB.
    pub const DEFAULT_MEMORY: usize = 2 << 30;

    /// Binds weights to a graph on any backend.
    pub fn with_backend(backend: B, graph: &Graph, weights: &Weights) -> Result<Self> {
        let plan = Plan::new(&backend, graph, weights)?;
        Ok(Self::of_plan(backend, plan, graph.link()))
    }

    fn of_plan(backend: B, plan: Plan<B>, link: Link) -> Self {
        let activations = plan.nodes.iter().filter(|n| n.active).map(|n| n.dims.n_elements()).sum();
        Self { backend, plan, link, memory: Self::DEFAULT_MEMORY, activations }
    }

    /// As [`Network::with_backend`], for values alone: they may differ by rounding from those of a
    /// network that has derivatives.
    pub fn for_values(backend: B, graph: &Graph, weights: &Weights) -> Result<Self> {
        weights.check(graph)?;
        let plan = Plan::for_values(&backend, graph, &|id| weights.elements(graph, id))?;
        Ok(Self::of_plan(backend, plan, graph.link()))
    }

    /// As [`Network::for_values`], of parameters that `read` gives row by row when they are needed, so
    /// that not all of them are there at once beside what is made of them.
    pub fn for_values_read(
        backend: B,
        graph: &Graph,
        read: &dyn Fn(&ParameterSpec) -> Result<Vec<B::Scalar>>,
    ) -> Result<Self> {
        let plan = Plan::for_values(&backend, graph, &|id| read(graph.parameter(id)))?;
        Ok(Self::of_plan(backend, plan, graph.link()))
    }

    /// With this budget in bytes for activations: batches are chosen to stay below it. Fails if a
    /// single image needs more.
    pub fn with_memory(mut self, bytes: usize) -> Result<Self> {
        let needed = self.memory_of_one();
        if bytes < needed {
            return Err(Error::Memory { budget: bytes, needed });
        }
        self.memory = bytes;
        Ok(self)
    }

    /// Bytes that one image, or one Hessian row, takes on its way.
    fn memory_of_one(&self) -> usize {
        // Values or derivatives of every node stay, and about as much is on its way.
        2 * self.activations * size_of::<B::Scalar>()
    }

    /// Images (or Hessian rows) that go through together.
    fn largest_batch(&self) -> usize {
        (self.memory / self.memory_of_one().max(1)).clamp(1, LARGEST_BATCH)
    }

    /// Logits \[K\] of each image \[C·H·W\].
    pub fn logits_of(&self, images: &[&[B::Scalar]]) -> Result<Vec<Vec<B::Scalar>>> {
        in_pool(|| self.logits_here(images))
    }

    fn logits_here(&self, images: &[&[B::Scalar]]) -> Result<Vec<Vec<B::Scalar>>> {
        let mut logits = Vec::with_capacity(images.len());
        for batch in images.chunks(self.largest_batch()) {
            logits.extend(self.linearize(batch, Smoothing::Exact, Order::Zero)?.logits()?);
        }
        Ok(logits)
    }

    /// Logits and input gradient of `target` at each image \[C·H·W\]. With a `smoothing` other
    /// than exact this is the gradient as detection sees it.
    pub fn gradients_of(
        &self,
        images: &[&[B::Scalar]],
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Vec<Gradient<B::Scalar>>> {
        self.check_derivable()?;
        target.check(self.plan.n_classes())?;
        in_pool(|| self.gradients_here(images, target, smoothing))
    }

    fn gradients_here(
        &self,
        images: &[&[B::Scalar]],
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Vec<Gradient<B::Scalar>>> {
        let mut gradients = Vec::with_capacity(images.len());
        for batch in images.chunks(self.largest_batch()) {
            let mut linearization = self.linearize(batch, smoothing, Order::First)?;
            let logits = linearization.logits()?;
            let seeds = self.upload_logits(logits.iter().map(|z| target.gradient(&widen(z))))?;
            let batch = self.input_gradients(&mut linearization, seeds, batch.len())?;
            let both = logits.into_iter().zip(batch);
            gradients.extend(both.map(|(logits, gradient)| Gradient { logits, gradient }));
        }
        Ok(gradients)
    }

    /// Linearises at one image \[C·H·W\], for any number of Hessian products.
    pub fn linearized_at(
        &self,
        image: &[B::Scalar],
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Linearized<'_, B>> {
        self.check_derivable()?;
        target.check(self.plan.n_classes())?;
        in_pool(|| self.linearized_here(image, target, smoothing))
    }

    fn linearized_here(
        &self,
        image: &[B::Scalar],
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Linearized<'_, B>> {
        let mut linearization = self.linearize(&[image], smoothing, Order::Second)?;
        let logits = linearization.logits()?.remove(0);
        let seeds = self.upload_logits(std::iter::once(target.gradient(&widen(&logits))))?;
        let gradient = self.input_gradients(&mut linearization, seeds, 1)?.remove(0);
        Ok(Linearized { network: self, linearization, target: target.clone(), logits, gradient })
    }

    fn linearize(
        &self,
        batch: &[&[B::Scalar]],
        smoothing: Smoothing,
        order: Order,
    ) -> Result<Linearization<'_, B>> {
        let shape = self.plan.input_shape();
        if let Some(wrong) = batch.iter().find(|image| image.len() != shape.len()) {
            let found = format!("{} elements", wrong.len());
            return Err(Error::Input { expected: shape.to_string(), found });
        }
        let x = self.backend.upload(self.plan.input_dims(), batch)?;
        Linearization::new(&self.backend, &self.plan, vec![Arc::new(x)], smoothing, order, None)
    }

    /// Derivatives are of one output with respect to one input, of a network that is made for them.
    fn check_derivable(&self) -> Result<()> {
        let is_single = self.plan.inputs().len() == 1 && self.plan.outputs.len() == 1;
        if is_single && !self.plan.for_values {
            return Ok(());
        }
        let problem =
            "derivatives of a network for values alone, or with several inputs or outputs";
        Err(Error::Unsupported(problem.into()))
    }

    /// The device it runs on.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Elements of an input, by its number, as a tensor on the device.
    pub fn upload(&self, input: usize, batch: &[&[B::Scalar]]) -> Result<B::Tensor> {
        let dims = self.plan.nodes[self.plan.inputs()[input]].dims;
        if let Some(wrong) = batch.iter().find(|x| x.len() != dims.n_elements()) {
            let found = format!("{} elements", wrong.len());
            return Err(Error::Input { expected: dims.to_string(), found });
        }
        self.backend.upload(dims, batch)
    }

    /// The values of all outputs, as tensors on the device, from all inputs, which have the same
    /// batch and the sizes that the graph gives them.
    pub fn values(&self, inputs: Vec<Arc<B::Tensor>>) -> Result<Vec<Arc<B::Tensor>>> {
        let wanted = self.plan.inputs().iter().map(|&at| self.plan.nodes[at].dims);
        let found = inputs.iter().map(|x| self.backend.dims(x));
        if !wanted.clone().eq(found.clone()) {
            let list = |all: Vec<crate::Dims>| format!("{all:?}");
            let (expected, found) = (list(wanted.collect()), list(found.collect()));
            return Err(Error::Input { expected, found });
        }
        // Not in the pool: large buffers of its threads are hardly given back to the system.
        let (backend, plan) = (&self.backend, &self.plan);
        Linearization::new(backend, plan, inputs, Smoothing::Exact, Order::Zero, None)
            .map(Linearization::into_outputs)
    }

    /// The adjoint sweep of n images; zeros where the logits do not depend on them.
    fn input_gradients(
        &self,
        linearization: &mut Linearization<'_, B>,
        seeds: B::Tensor,
        n: usize,
    ) -> Result<Vec<Vec<B::Scalar>>> {
        match linearization.gradient(seeds, None)? {
            Some(gradient) => self.backend.download(&gradient),
            None => Ok(vec![vec![B::Scalar::ZERO; self.plan.input_shape().len()]; n]),
        }
    }

    fn upload_logits(&self, vectors: impl Iterator<Item = Vec<f64>>) -> Result<B::Tensor> {
        let vectors: Vec<Vec<B::Scalar>> = vectors.map(|vector| narrow(&vector)).collect();
        let slices: Vec<&[B::Scalar]> = vectors.iter().map(Vec::as_slice).collect();
        self.backend.upload(self.plan.output_dims(), &slices)
    }
}

/// A network linearised at one image: logits, gradient, and any number of Hessian products.
pub struct Linearized<'a, B: Backend> {
    network: &'a Network<B>,
    linearization: Linearization<'a, B>,
    target: Target,
    logits: Vec<B::Scalar>,
    gradient: Vec<B::Scalar>,
}

impl<B: Backend> Linearized<'_, B> {
    /// Logits \[K\] of the network as smoothed.
    pub fn logits(&self) -> &[B::Scalar] {
        &self.logits
    }

    /// Gradient \[C·H·W\] with the smoothed derivatives.
    pub fn gradient(&self) -> &[B::Scalar] {
        &self.gradient
    }

    /// H·v for each direction \[C·H·W\].
    pub fn products(&self, directions: &[&[B::Scalar]]) -> Result<Vec<Vec<B::Scalar>>> {
        let dims = self.network.plan.input_dims();
        let mut products = Vec::with_capacity(directions.len());
        for batch in directions.chunks(self.network.largest_batch()) {
            let directions = self.network.backend.upload(dims, batch)?;
            products.extend(in_pool(|| {
                self.brought_back(self.linearization.tangent(directions)?, batch.len())
            })?);
        }
        Ok(products)
    }

    /// Rows `H[j, :]` \[C·H·W\] of the given features.
    pub fn rows(&self, features: &[usize]) -> Result<Vec<Vec<B::Scalar>>> {
        let shape = self.network.plan.input_shape();
        if let Some(outside) = features.iter().find(|&&feature| feature >= shape.len()) {
            let expected = format!("a feature below {}", shape.len());
            return Err(hsets_core::Error::config("feature", outside, expected).into());
        }
        let mut rows = Vec::with_capacity(features.len());
        for batch in features.chunks(self.network.largest_batch()) {
            rows.extend(in_pool(|| {
                self.brought_back(self.linearization.tangent_of_features(batch)?, batch.len())
            })?);
        }
        Ok(rows)
    }

    /// H·v of the n directions v whose tangents are given.
    fn brought_back(&self, tangent: Tangent<B>, n: usize) -> Result<Vec<Vec<B::Scalar>>> {
        let backend = &self.network.backend;
        let logits = widen(&self.logits);
        let bends = backend.download(&tangent.logits)?.into_iter();
        let bends: Option<Vec<Vec<f64>>> =
            bends.map(|dot| self.target.hessian_product(&logits, &widen(&dot))).collect();
        let seeds = bends.map(|bends| self.network.upload_logits(bends.into_iter())).transpose()?;
        match self.linearization.products(tangent, seeds)? {
            Some(products) => backend.download(products.as_ref()),
            None => Ok(vec![vec![B::Scalar::ZERO; self.gradient.len()]; n]),
        }
    }
}

impl<B: Backend> Scored for Network<B> {
    fn shape(&self) -> Shape {
        self.plan.input_shape()
    }

    fn n_classes(&self) -> usize {
        self.plan.n_classes()
    }

    fn link(&self) -> Link {
        self.link
    }

    fn logits(&self, images: &[Image]) -> hsets_core::Result<Vec<Vec<f32>>> {
        self.logits_unchecked(&self.planes(images)?)
    }

    fn logits_of_slices(&self, images: &[&[f32]]) -> hsets_core::Result<Vec<Vec<f32>>> {
        self.check(images)?;
        self.logits_unchecked(images)
    }
}

/// Of images whose elements are known to be finite and as many as the network takes.
impl<B: Backend> Network<B> {
    fn logits_unchecked(&self, images: &[&[f32]]) -> hsets_core::Result<Vec<Vec<f32>>> {
        let data = own_width::<B::Scalar>(images);
        let slices: Vec<&[B::Scalar]> = data.iter().map(AsRef::as_ref).collect();
        Ok(self.logits_of(&slices)?.iter().map(|logits| single(logits)).collect())
    }

    fn gradients_unchecked(
        &self,
        images: &[&[f32]],
        target: &Target,
    ) -> hsets_core::Result<Vec<Evaluation>> {
        let data = own_width::<B::Scalar>(images);
        let slices: Vec<&[B::Scalar]> = data.iter().map(AsRef::as_ref).collect();
        let gradients = self.gradients_of(&slices, target, Smoothing::Exact)?;
        gradients
            .into_iter()
            .map(|g| {
                check_finite(&g.logits)?;
                Ok(Evaluation { logits: single(&g.logits), gradient: single(&g.gradient) })
            })
            .collect()
    }

    fn planes<'i>(&self, images: &'i [Image]) -> hsets_core::Result<Vec<&'i [f32]>> {
        let shape = self.plan.input_shape();
        let plane = |image: &'i Image| image.expect_shape("image", shape).map(|()| image.data());
        images.iter().map(plane).collect()
    }

    fn check(&self, images: &[&[f32]]) -> hsets_core::Result<()> {
        images.iter().try_for_each(|data| Image::check(self.plan.input_shape(), data))
    }
}

fn own_width<'i, T: Scalar>(images: &[&'i [f32]]) -> Vec<Cow<'i, [T]>> {
    images.iter().map(|data| T::of_singles(data)).collect()
}

impl<B: Backend> Differentiable for Network<B> {
    fn gradients(&self, images: &[Image], target: &Target) -> hsets_core::Result<Vec<Evaluation>> {
        self.gradients_unchecked(&self.planes(images)?, target)
    }

    fn gradients_of_slices(
        &self,
        images: &[&[f32]],
        target: &Target,
    ) -> hsets_core::Result<Vec<Evaluation>> {
        self.check(images)?;
        self.gradients_unchecked(images, target)
    }
}

impl<B: Backend> TwiceDifferentiable for Network<B> {
    fn curvature_at(
        &self,
        image: &Image,
        target: &Target,
        smoothing: Smoothing,
    ) -> hsets_core::Result<Box<dyn Curvature + '_>> {
        image.expect_shape("image", self.plan.input_shape())?;
        let data = B::Scalar::of_singles(image.data());
        let linearized = self.linearized_at(&data, target, smoothing)?;
        check_finite(&linearized.logits)?;
        let (logits, gradient) = (single(&linearized.logits), single(&linearized.gradient));
        Ok(Box::new(NetworkCurvature { linearized, logits, gradient }))
    }
}

/// [`Linearized`] in `f32`.
struct NetworkCurvature<'a, B: Backend> {
    linearized: Linearized<'a, B>,
    logits: Vec<f32>,
    gradient: Vec<f32>,
}

impl<B: Backend> Curvature for NetworkCurvature<'_, B> {
    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    fn products(&self, directions: &[Vec<f32>]) -> hsets_core::Result<Vec<Vec<f32>>> {
        let own = |v: &Vec<f32>| v.iter().map(|&v| B::Scalar::from_f64(v.into())).collect();
        let directions: Vec<Vec<B::Scalar>> = directions.iter().map(own).collect();
        let slices: Vec<&[B::Scalar]> = directions.iter().map(Vec::as_slice).collect();
        Ok(self.linearized.products(&slices)?.iter().map(|row| single(row)).collect())
    }

    fn rows(&self, features: &[usize]) -> hsets_core::Result<Vec<Vec<f32>>> {
        Ok(self.linearized.rows(features)?.iter().map(|row| single(row)).collect())
    }
}

/// Runs on a thread of rayon's pool, so that every kernel finds the pool awake.
fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

fn check_finite<T: Scalar>(logits: &[T]) -> Result<()> {
    match logits.iter().position(|z| !z.to_f64().is_finite()) {
        Some(class) => Err(Error::NotFinite { class, value: logits[class].to_f64() }),
        None => Ok(()),
    }
}

fn widen<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|v| v.to_f64()).collect()
}

fn narrow<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::from_f64(v)).collect()
}

fn single<T: Scalar>(values: &[T]) -> Vec<f32> {
    values.iter().map(|v| v.to_f64() as f32).collect()
}
