//! Gradients at the points of the straight path from a baseline to the image.
//!
//! ∇f(xₖ) depends on neither the set nor the subset that is scored, so it is computed once per
//! image and shared by all that follows.

use hsets_core::{Differentiable, Error, Evaluation, Image, Progress, Result, Shape, Target};
use serde::{Deserialize, Serialize};

mod refinement;

use crate::{Quadrature, Steps};
use refinement::refined;

/// How the path is sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathSettings {
    /// m: steps of the path.
    pub steps: Steps,
    /// How the points are placed and weighted.
    pub quadrature: Quadrature,
    /// Images per call of the field, at least 1: bounds memory, and how soon a cancellation is
    /// noticed. Where the rule nests and m is to be found, the gradients of all points are held
    /// besides.
    pub batch: usize,
    /// Keep the gradient of every point (4·d bytes each). Set scores need them, unless they use
    /// only the mean over the path; Integrated Gradients does not.
    pub keep_points: bool,
}

impl PathSettings {
    /// The published sum over `steps` + 1 points, with every gradient kept.
    pub fn riemann(steps: impl Into<Steps>) -> Self {
        let steps = steps.into();
        Self { steps, quadrature: Quadrature::Riemann, batch: 16, keep_points: true }
    }

    /// `steps` Gauss–Legendre nodes as captum places them, means only.
    pub fn gauss_legendre(steps: impl Into<Steps>) -> Self {
        let steps = steps.into();
        Self { steps, quadrature: Quadrature::GaussLegendre, batch: 16, keep_points: false }
    }

    /// The published sum where m is given. Where it is to be found, Clenshaw–Curtis, which finds all
    /// points again among those of twice the steps and closes the gap sooner. Every gradient is kept.
    pub fn for_steps(steps: Steps) -> Self {
        let quadrature = match steps {
            Steps::Fixed(_) => Quadrature::Riemann,
            Steps::UntilGap { .. } => Quadrature::ClenshawCurtis,
        };
        Self { quadrature, ..Self::riemann(steps) }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        self.steps.check()?;
        if self.batch == 0 {
            return Err(Error::config("batch", 0, "at least 1"));
        }
        Ok(())
    }
}

/// Gradients of one target along one path, with what every method needs of them.
#[derive(Debug, Clone)]
pub struct PathGradients {
    shape: Shape,
    displacement: Vec<f32>,
    weights: Vec<f64>,
    points: Vec<Vec<f32>>,
    mean: Vec<f32>,
    mean_abs: Vec<f32>,
    image_gradient: Option<Vec<f32>>,
    baseline_logits: Vec<f32>,
    image_logits: Vec<f32>,
    values: [f64; 2],
    refinement: Refinement,
}

/// How many steps a path came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refinement {
    /// m.
    pub steps: usize,
    /// Gradients that were computed for it.
    pub n_gradients: usize,
    /// Whether the completeness gap is as small as was asked for; true where m was given.
    pub closed: bool,
}

impl PathGradients {
    /// Asks `field` for the gradient of `target` at the points xₖ = x' + (k/m)(x - x') from
    /// `baseline` x' to `image` x.
    ///
    /// With [`Target::Top`] the class is chosen anew at every point.
    pub fn along(
        field: &dyn Differentiable,
        baseline: &Image,
        image: &Image,
        settings: &PathSettings,
        target: &Target,
        progress: &dyn Progress,
    ) -> Result<Self> {
        settings.check()?;
        target.check(field.n_classes())?;
        image.expect_shape("image", field.shape())?;
        baseline.expect_shape("baseline", field.shape())?;
        let tour = Tour { field, baseline, image, target, batch: settings.batch, progress };
        let mut sums = Sums::new(image.shape().len(), settings);
        let (weights, refinement) = match settings.steps {
            Steps::Fixed(steps) => {
                let (fractions, weights) = settings.quadrature.points(steps);
                let mut left = weights.iter();
                tour.visit(&fractions, |evaluation| {
                    sums.add(evaluation, left.next().copied().unwrap_or_default());
                })?;
                let n_gradients = fractions.len();
                (weights, Refinement { steps, n_gradients, closed: true })
            }
            Steps::UntilGap { gap, at_most } => {
                let found = refined(&tour, settings.quadrature, gap, at_most)?;
                for (evaluation, &weight) in found.points.into_iter().zip(&found.weights) {
                    sums.add(evaluation, weight);
                }
                (found.weights, found.refinement)
            }
        };
        sums.finish(&tour, weights, refinement)
    }

    /// Shape of the image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// a = x - x' \[C·H·W\].
    pub fn displacement(&self) -> &[f32] {
        &self.displacement
    }

    /// Weight of every point; they sum to 1.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// How many steps there are, and what they took.
    pub fn refinement(&self) -> Refinement {
        self.refinement
    }

    /// ∇f(xₖ) \[C·H·W\] of every point, from the baseline on; empty unless
    /// [`PathSettings::keep_points`].
    pub fn points(&self) -> &[Vec<f32>] {
        &self.points
    }

    /// Weighted mean over k of ∇f(xₖ) \[C·H·W\].
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Weighted mean over k of |∇f(xₖ)| \[C·H·W\].
    pub fn mean_abs(&self) -> &[f32] {
        &self.mean_abs
    }

    /// ∇f(x) \[C·H·W\], where the image is itself a point of the path.
    pub fn image_gradient(&self) -> Option<&[f32]> {
        self.image_gradient.as_deref()
    }

    /// Logits at the baseline.
    pub fn baseline_logits(&self) -> &[f32] {
        &self.baseline_logits
    }

    /// Logits at the image.
    pub fn image_logits(&self) -> &[f32] {
        &self.image_logits
    }

    /// f(x'): the target at the baseline.
    pub fn baseline_value(&self) -> f64 {
        self.values[0]
    }

    /// f(x): the target at the image.
    pub fn image_value(&self) -> f64 {
        self.values[1]
    }
}

/// What is asked along which path.
struct Tour<'a> {
    field: &'a dyn Differentiable,
    baseline: &'a Image,
    image: &'a Image,
    target: &'a Target,
    batch: usize,
    progress: &'a dyn Progress,
}

impl Tour<'_> {
    /// Hands the evaluation at each of the points x' + fraction·(x - x') to `each`.
    fn visit(&self, fractions: &[f64], mut each: impl FnMut(Evaluation)) -> Result<()> {
        self.progress.begin("path gradients", fractions.len() as u64);
        for fractions in fractions.chunks(self.batch) {
            if self.progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let point = |&fraction: &f64| self.image.interpolate(self.baseline, fraction as f32);
            let images: Vec<Image> = fractions.iter().map(point).collect();
            for evaluation in self.field.gradients(&images, self.target)? {
                let (expected, found) = (self.image.shape().len(), evaluation.gradient.len());
                if found != expected {
                    return Err(Error::shape("gradient", expected, found));
                }
                each(evaluation);
            }
            self.progress.advance(fractions.len() as u64);
        }
        self.progress.end();
        Ok(())
    }

    /// a = x - x'.
    fn displacement(&self) -> Vec<f32> {
        self.image.data().iter().zip(self.baseline.data()).map(|(x, b)| x - b).collect()
    }

    /// Logits at the baseline and at the image.
    fn end_logits(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let ends = [self.baseline.clone(), self.image.clone()];
        let mut logits = self.field.logits(&ends)?.into_iter();
        match (logits.next(), logits.next()) {
            (Some(first), Some(last)) => Ok((first, last)),
            _ => Err(Error::shape("logits", "2 images", "fewer")),
        }
    }

    /// The target at these logits.
    fn value(&self, logits: &[f32]) -> f64 {
        self.target.value(&logits.iter().map(|&z| f64::from(z)).collect::<Vec<_>>())
    }
}

/// What is gathered while the points stream by.
struct Sums {
    mean: Vec<f64>,
    mean_abs: Vec<f64>,
    keep_points: bool,
    points: Vec<Vec<f32>>,
    first_logits: Option<Vec<f32>>,
    last: Option<Evaluation>,
    includes_ends: bool,
}

impl Sums {
    fn new(len: usize, settings: &PathSettings) -> Self {
        Self {
            mean: vec![0.0; len],
            mean_abs: vec![0.0; len],
            keep_points: settings.keep_points,
            points: Vec::new(),
            first_logits: None,
            last: None,
            includes_ends: settings.quadrature.includes_ends(),
        }
    }

    fn add(&mut self, evaluation: Evaluation, weight: f64) {
        let gradient = &evaluation.gradient;
        for ((mean, mean_abs), &g) in self.mean.iter_mut().zip(&mut self.mean_abs).zip(gradient) {
            let term = weight * f64::from(g);
            *mean += term;
            *mean_abs += term.abs();
        }
        if self.keep_points {
            self.points.push(gradient.clone());
        }
        self.first_logits.get_or_insert_with(|| evaluation.logits.clone());
        self.last = Some(evaluation);
    }

    fn finish(
        self,
        tour: &Tour<'_>,
        weights: Vec<f64>,
        refinement: Refinement,
    ) -> Result<PathGradients> {
        let image_gradient = match (&self.last, self.includes_ends) {
            (Some(last), true) => Some(last.gradient.clone()),
            _ => None,
        };
        let (baseline_logits, image_logits) = match (self.first_logits, self.last) {
            (Some(first), Some(last)) if self.includes_ends => (first, last.logits),
            _ => tour.end_logits()?,
        };
        if !self.mean_abs.iter().all(|v| v.is_finite()) {
            return Err(Error::NotFinite {
                what: "gradient along the path".into(),
                hint: "check the weights of the network for NaN and infinity".into(),
            });
        }
        Ok(PathGradients {
            shape: tour.image.shape(),
            displacement: tour.displacement(),
            weights,
            points: self.points,
            mean: narrow(&self.mean),
            mean_abs: narrow(&self.mean_abs),
            image_gradient,
            values: [tour.value(&baseline_logits), tour.value(&image_logits)],
            baseline_logits,
            image_logits,
            refinement,
        })
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}
