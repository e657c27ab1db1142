//! Training: the same sweeps, with a place where the gradients of weights go.
//!
//! Training runs the graph as it is written: batch norms are not folded away, because their
//! statistics are those of the batch, and parameters that are sources are not computed beforehand.

use std::sync::Arc;

use hsets_core::Smoothing;

use crate::backend::Backend;
use crate::ops::Order;
use crate::ops::learning::{Learning, Moments, Norms};
use crate::plan::Plan;
use crate::sweep::Linearization;
use crate::{Error, Graph, Op, Result};

/// Runs a graph forward and back for training, on a device of its own.
pub struct Backpropagation<B: Backend> {
    backend: B,
    graph: Graph,
    norms: Norms,
    trained: Vec<bool>,
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

impl<B: Backend> Backpropagation<B> {
    /// `trained` chooses parameters by name; running statistics are never trained.
    pub fn new(backend: B, graph: Graph, norms: Norms, trained: impl Fn(&str) -> bool) -> Self {
        let is_statistic = statistics(&graph);
        let names = graph.parameters.iter().zip(&is_statistic);
        let trained: Vec<bool> =
            names.map(|(p, is_statistic)| !is_statistic && trained(&p.name)).collect();
        Self { backend, graph, norms, trained }
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
        rayon::scope(|_| self.run_here(values, images, loss))
    }

    fn run_here(
        &self,
        values: &[Vec<B::Scalar>],
        images: &[&[B::Scalar]],
        loss: impl FnOnce(&[Vec<B::Scalar>]) -> Vec<Vec<B::Scalar>>,
    ) -> Result<Pass<B::Scalar>> {
        let Self { backend, graph, norms, trained } = self;
        let plan = Plan::for_training(backend, graph, &|id| Ok(values[id.0].clone()), trained)?;
        let mut learning = Learning {
            backend,
            norms: *norms,
            values,
            trained,
            gradients: vec![None; graph.parameters.len()],
            moments: Vec::new(),
        };
        let x = backend.upload(plan.input_dims(), images)?;
        let (smoothing, order) = (Smoothing::Exact, Order::First);
        let mut linearization = Linearization::new(
            backend,
            &plan,
            vec![Arc::new(x)],
            smoothing,
            order,
            Some(&mut learning),
        )?;
        let logits = linearization.logits()?;
        let seeds = loss(&logits);
        let seeds: Vec<&[B::Scalar]> = seeds.iter().map(Vec::as_slice).collect();
        let seeds = backend.upload(plan.output_dims(), &seeds)?;
        linearization.gradient(seeds, Some(&mut learning))?;
        Ok(Pass { logits, gradients: learning.gradients, moments: learning.moments })
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
