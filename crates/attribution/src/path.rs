//! Gradients at the points of the straight path from a baseline to the image.
//!
//! ∇f(xₖ) depends on neither the set nor the subset that is scored, so it is computed once per
//! image and shared by all that follows.

use hsets_core::{Differentiable, Error, Evaluation, Image, Progress, Result, Shape, Target};

use crate::Quadrature;

/// How the path is sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct PathSettings {
    /// m ≥ 1: steps of the path.
    pub steps: usize,
    /// How the points are placed and weighted.
    pub quadrature: Quadrature,
    /// Images per call of the field, at least 1: bounds memory, and how soon a cancellation is
    /// noticed.
    pub batch: usize,
    /// Keep the gradient of every point (4·d bytes each). Set scores need them, unless they use
    /// only the mean over the path; Integrated Gradients does not.
    pub keep_points: bool,
}

impl PathSettings {
    /// The published sum over `steps` + 1 points, with every gradient kept.
    pub fn riemann(steps: usize) -> Self {
        Self { steps, quadrature: Quadrature::Riemann, batch: 16, keep_points: true }
    }

    /// `steps` Gauss–Legendre nodes as captum places them, means only.
    pub fn gauss_legendre(steps: usize) -> Self {
        Self { steps, quadrature: Quadrature::GaussLegendre, batch: 16, keep_points: false }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::config("steps", 0, "at least 1"));
        }
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
    image_logits: Vec<f32>,
    values: [f64; 2],
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
        let (fractions, weights) = settings.quadrature.points(settings.steps);
        let mut sums = Sums::new(image.shape().len(), settings);
        progress.begin("path gradients", fractions.len() as u64);
        for (fractions, weights) in
            fractions.chunks(settings.batch).zip(weights.chunks(settings.batch))
        {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let point = |&fraction: &f64| image.interpolate(baseline, fraction as f32);
            let images: Vec<Image> = fractions.iter().map(point).collect();
            for (evaluation, &weight) in field.gradients(&images, target)?.into_iter().zip(weights)
            {
                sums.add(evaluation, weight)?;
            }
            progress.advance(fractions.len() as u64);
        }
        progress.end();
        sums.finish(field, baseline, image, target, weights)
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

    fn add(&mut self, evaluation: Evaluation, weight: f64) -> Result<()> {
        let gradient = &evaluation.gradient;
        if gradient.len() != self.mean.len() {
            return Err(Error::shape("gradient", self.mean.len(), gradient.len()));
        }
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
        Ok(())
    }

    fn finish(
        self,
        field: &dyn Differentiable,
        baseline: &Image,
        image: &Image,
        target: &Target,
        weights: Vec<f64>,
    ) -> Result<PathGradients> {
        let image_gradient = match (&self.last, self.includes_ends) {
            (Some(last), true) => Some(last.gradient.clone()),
            _ => None,
        };
        let (baseline_logits, image_logits) = match (self.first_logits, self.last) {
            (Some(first), Some(last)) if self.includes_ends => (first, last.logits),
            _ => end_logits(field, baseline, image)?,
        };
        if !self.mean_abs.iter().all(|v| v.is_finite()) {
            return Err(Error::NotFinite {
                what: "gradient along the path".into(),
                hint: "check the weights of the network for NaN and infinity".into(),
            });
        }
        let displacement = image.data().iter().zip(baseline.data()).map(|(x, b)| x - b).collect();
        Ok(PathGradients {
            shape: image.shape(),
            displacement,
            weights,
            points: self.points,
            mean: narrow(&self.mean),
            mean_abs: narrow(&self.mean_abs),
            image_gradient,
            values: [value(target, &baseline_logits), value(target, &image_logits)],
            image_logits,
        })
    }
}

fn end_logits(
    field: &dyn Differentiable,
    baseline: &Image,
    image: &Image,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut logits = field.logits(&[baseline.clone(), image.clone()])?.into_iter();
    match (logits.next(), logits.next()) {
        (Some(first), Some(last)) => Ok((first, last)),
        _ => Err(Error::shape("logits", "2 images", "fewer")),
    }
}

fn value(target: &Target, logits: &[f32]) -> f64 {
    target.value(&logits.iter().map(|&z| f64::from(z)).collect::<Vec<_>>())
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}
