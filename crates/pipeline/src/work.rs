//! What is asked of a network, counted.

use std::{
    ops::{Add, Sub},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hsets_core::{
    Curvature, Differentiable, Evaluation, Image, Link, Result, Scored, Shape, Smoothing, Target,
    TwiceDifferentiable,
};

/// What was asked of a network, beside one forward pass at the image and one at each baseline that
/// no path starts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Images of which only the logits were asked for: one forward pass each.
    pub n_forwards: usize,
    /// Input gradients: a pass forward and one back each.
    pub n_gradients: usize,
    /// Linearisations for second derivatives: about a gradient each.
    pub n_linearisations: usize,
    /// Rows of the Hessian and other products with it: a pass forward and one back each.
    pub n_rows: usize,
}

impl Work {
    fn zip(self, other: Self, join: impl Fn(usize, usize) -> usize) -> Self {
        Self {
            n_forwards: join(self.n_forwards, other.n_forwards),
            n_gradients: join(self.n_gradients, other.n_gradients),
            n_linearisations: join(self.n_linearisations, other.n_linearisations),
            n_rows: join(self.n_rows, other.n_rows),
        }
    }
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Work {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

/// The work of all explanations of one image, done and spared.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Tally>);

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Number of the explanation that is being made.
    pub(crate) run: usize,
    pub(crate) computed: Work,
    pub(crate) reused: Work,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the next explanation; gives the sums so far.
    pub(crate) fn begin(&self) -> Tally {
        let mut tally = self.lock();
        tally.run += 1;
        *tally
    }

    pub(crate) fn tally(&self) -> Tally {
        *self.lock()
    }

    pub(crate) fn compute(&self, work: Work) {
        let mut tally = self.lock();
        tally.computed = tally.computed + work;
    }

    pub(crate) fn reuse(&self, work: Work) {
        let mut tally = self.lock();
        tally.reused = tally.reused + work;
    }
}

/// A field that enters in a ledger what is asked of it.
#[derive(Clone)]
pub(crate) struct Counted<'a> {
    pub(crate) field: &'a dyn TwiceDifferentiable,
    pub(crate) ledger: Arc<Ledger>,
}

impl<'a> Counted<'a> {
    /// [`TwiceDifferentiable::curvature_at`], for as long as the field itself lives.
    pub(crate) fn linearised(
        &self,
        image: &Image,
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<CountedCurvature<'a>> {
        let curvature = self.field.curvature_at(image, target, smoothing)?;
        self.ledger.compute(Work { n_linearisations: 1, ..Work::default() });
        Ok(CountedCurvature { curvature, ledger: Arc::clone(&self.ledger) })
    }
}

impl Scored for Counted<'_> {
    fn shape(&self) -> Shape {
        self.field.shape()
    }

    fn n_classes(&self) -> usize {
        self.field.n_classes()
    }

    fn link(&self) -> Link {
        self.field.link()
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        self.ledger.compute(Work { n_forwards: images.len(), ..Work::default() });
        self.field.logits(images)
    }
}

impl Differentiable for Counted<'_> {
    fn gradients(&self, images: &[Image], target: &Target) -> Result<Vec<Evaluation>> {
        self.ledger.compute(Work { n_gradients: images.len(), ..Work::default() });
        self.field.gradients(images, target)
    }
}

impl TwiceDifferentiable for Counted<'_> {
    fn curvature_at(
        &self,
        image: &Image,
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Box<dyn Curvature + '_>> {
        Ok(Box::new(self.linearised(image, target, smoothing)?))
    }
}

/// A linearisation that enters its products in a ledger.
pub(crate) struct CountedCurvature<'a> {
    curvature: Box<dyn Curvature + 'a>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Curvature for CountedCurvature<'_> {
    fn logits(&self) -> &[f32] {
        self.curvature.logits()
    }

    fn gradient(&self) -> &[f32] {
        self.curvature.gradient()
    }

    fn products(&self, directions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        self.ledger.compute(Work { n_rows: directions.len(), ..Work::default() });
        self.curvature.products(directions)
    }

    fn rows(&self, features: &[usize]) -> Result<Vec<Vec<f32>>> {
        self.ledger.compute(Work { n_rows: features.len(), ..Work::default() });
        self.curvature.rows(features)
    }
}
