//! CAFO and CASO (Singla et al. 2019): the sparse perturbation that raises the loss most, to first
//! and to second order.
//!
//! δ maximises gᵀδ + ½ δᵀHδ - λ₁‖δ‖₁ - ½λ₂‖δ‖², g and H the gradient and Hessian of the
//! cross-entropy of the class, with respect to *pixels* in \[0, 1\]: with x = (p - mean) / std,
//! g and H with respect to x are scaled by 1/std on each side. H is not zero even for ReLU networks,
//! as softmax itself is curved. CAFO leaves H out.

use hsets_core::{
    Curvature, Differentiable, Error, Image, Progress, Result, SaliencyMap, Shape, Smoothing,
    Target, TwiceDifferentiable,
};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use super::proximal::{Objective, dot, soft};
use super::smooth_grad::noisy_data;
use crate::Normalisation;

/// How the maximum is found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Solver {
    /// The maximum itself: soft-thresholding for CAFO, conjugate gradients for CASO with λ₁ = 0,
    /// else FISTA until it rests.
    Exact,
    /// What the authors' program does, for CAFO too: a fixed number of FISTA steps from 0. Ten
    /// steps of 0.03 with λ₂ = 20 stop short of the maximum.
    Proximal {
        /// Number of steps, ≥ 1.
        iterations: usize,
        /// First step length tried, > 0; halved until it fits.
        learning_rate: f64,
    },
}

/// Means of g and H over noisy copies of the image (the "smooth" variants).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CasoNoise {
    /// Number of copies, ≥ 1; all their linearisations are held at once.
    pub n_samples: usize,
    /// Deviation as a share of max - min of the pixels.
    #[serde(serialize_with = "hsets_core::as_typed")]
    pub spread: f32,
    /// Whether every copy explains its own top class, as in the authors' program, instead of the
    /// class of the image.
    pub own_class: bool,
}

/// Settings of CAFO and CASO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caso {
    /// λ₁ ≥ 0: the larger, the sparser.
    pub lambda1: f64,
    /// λ₂ > 0. CASO adds to it the largest eigenvalue of H.
    pub lambda2: f64,
    /// Whether H is used (CASO) or not (CAFO).
    pub second_order: bool,
    /// Steps ≥ 1 of the power iteration for the largest eigenvalue. The authors take 10, which
    /// underestimates it where eigenvalues are close; the maximum exists as long as λ₂ covers that.
    pub power_steps: usize,
    /// How the maximum is found.
    pub solver: Solver,
    /// Noisy copies; `None` for the image itself.
    pub noise: Option<CasoNoise>,
    /// Whether the map is δ² / ‖δ‖² instead of δ.
    pub magnitude: bool,
    /// Treatment of ReLU in H; exact in the authors' program.
    pub smoothing: Smoothing,
    /// Seed of the noise and of the start of the power iteration.
    pub seed: u64,
}

impl Caso {
    /// CAFO, solved exactly, with the λ of the authors' command line.
    pub fn cafo() -> Self {
        Self { second_order: false, ..Self::paper() }
    }

    /// CASO, solved exactly, with the λ of the authors' command line: 1e-4 and 4.
    pub fn paper() -> Self {
        Self {
            lambda1: 1e-4,
            lambda2: 4.0,
            second_order: true,
            power_steps: 10,
            solver: Solver::Exact,
            noise: None,
            magnitude: false,
            smoothing: Smoothing::Exact,
            seed: 0,
        }
    }

    /// CASO as the authors' command line runs it: ten steps of 0.05.
    pub fn reference() -> Self {
        let solver = Solver::Proximal { iterations: 10, learning_rate: 0.05 };
        Self { solver, ..Self::paper() }
    }

    /// Hessian products to expect; exact solutions may need more, backtracking does.
    fn n_products(&self) -> u64 {
        let steps = match self.solver {
            Solver::Proximal { iterations, .. } => iterations,
            Solver::Exact => 50,
        };
        (self.power_steps + steps) as u64
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if !(self.lambda1 >= 0.0 && self.lambda1.is_finite()) {
            return Err(Error::config("lambda1", self.lambda1, "a number ≥ 0"));
        }
        if !(self.lambda2 > 0.0 && self.lambda2.is_finite()) {
            return Err(Error::config("lambda2", self.lambda2, "a number > 0"));
        }
        if self.power_steps == 0 {
            return Err(Error::config("power-steps", 0, "at least 1"));
        }
        if self.noise.is_some_and(|noise| noise.n_samples == 0) {
            return Err(Error::config("n-samples", 0, "at least 1"));
        }
        match self.solver {
            Solver::Proximal { iterations, learning_rate }
                if iterations == 0 || learning_rate.is_nan() || learning_rate <= 0.0 =>
            {
                let value = format!("{iterations} steps of {learning_rate}");
                Err(Error::config("solver", value, "at least one step of positive length"))
            }
            _ => Ok(()),
        }
    }
}

/// δ of every feature, with respect to pixels, signed; or its magnitude.
pub fn caso(
    field: &dyn TwiceDifferentiable,
    image: &Image,
    class: usize,
    normalisation: &Normalisation,
    settings: &Caso,
    progress: &dyn Progress,
) -> Result<SaliencyMap> {
    settings.check()?;
    let images = match settings.noise {
        None => vec![image.clone()],
        Some(noise) => noisy_copies(image, normalisation, noise, settings.seed)?,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    rng.set_stream(1); // stream 0 is the noise
    let start: Vec<f32> =
        (0..image.shape().len()).map(|_| rng.random_range(-0.5f32..0.5)).collect();
    caso_at(field, &images, class, normalisation, &start, settings, progress)
}

/// [`caso`] with g and H as means over `images`, and the power iteration from `start`.
pub fn caso_at(
    field: &dyn TwiceDifferentiable,
    images: &[Image],
    class: usize,
    normalisation: &Normalisation,
    start: &[f32],
    settings: &Caso,
    progress: &dyn Progress,
) -> Result<SaliencyMap> {
    settings.check()?;
    let shape = field.shape();
    let log_probability = |class| field.link().log_probability(class);
    log_probability(class).check(field.n_classes())?;
    let scale = pixel_scale(shape, normalisation)?;
    if start.len() != shape.len() || images.is_empty() {
        return Err(Error::shape("start of the power iteration", shape.len(), start.len()));
    }
    let mut targets = vec![log_probability(class); images.len()];
    if settings.noise.is_some_and(|noise| noise.own_class) {
        let logits = field.logits(images)?;
        targets = logits.iter().map(|logits| log_probability(top(logits))).collect();
    }
    let delta = if settings.second_order {
        let curvatures = linearised(field, images, &targets, settings.smoothing)?;
        let n = curvatures.len() as f64;
        let gradient = mean_gradient(curvatures.iter().map(|c| c.gradient()), &scale, n);
        let hessian = |v: &[f64]| {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            progress.advance(1);
            mean_product(&curvatures, &scale, v)
        };
        progress.begin("caso", settings.n_products());
        let lambda2 = settings.lambda2 + largest_eigenvalue(&hessian, start, settings.power_steps)?;
        let delta = maximise(settings, &gradient, &hessian, lambda2)?;
        progress.end();
        delta
    } else {
        let gradients = first_order(field, images, &targets)?;
        let n = gradients.len() as f64;
        let gradient = mean_gradient(gradients.iter().map(Vec::as_slice), &scale, n);
        let hessian = |v: &[f64]| Ok(vec![0.0; v.len()]);
        maximise(settings, &gradient, &hessian, settings.lambda2)?
    };
    let norm = if settings.magnitude { dot(&delta, &delta) } else { 1.0 };
    let value = |d: &f64| if settings.magnitude { d * d / norm } else { *d } as f32;
    SaliencyMap::new(shape, delta.iter().map(value).collect())
}

fn maximise(
    settings: &Caso,
    gradient: &[f64],
    hessian: &dyn Fn(&[f64]) -> Result<Vec<f64>>,
    lambda2: f64,
) -> Result<Vec<f64>> {
    let lambda1 = settings.lambda1;
    let objective = Objective { gradient, hessian, lambda1, lambda2 };
    match settings.solver {
        Solver::Proximal { iterations, learning_rate } => {
            objective.proximal(learning_rate, iterations, 0.0)
        }
        Solver::Exact if !settings.second_order => {
            Ok(gradient.iter().map(|&g| soft(g, lambda1) / lambda2).collect())
        }
        Solver::Exact if lambda1 == 0.0 => objective.solve(),
        Solver::Exact => objective.proximal(1.0 / lambda2, 1000, 1e-7),
    }
}

fn linearised<'a>(
    field: &'a dyn TwiceDifferentiable,
    images: &[Image],
    targets: &[Target],
    smoothing: Smoothing,
) -> Result<Vec<Box<dyn Curvature + 'a>>> {
    let pairs = images.iter().zip(targets);
    pairs.map(|(image, target)| field.curvature_at(image, target, smoothing)).collect()
}

fn first_order(
    field: &dyn Differentiable,
    images: &[Image],
    targets: &[Target],
) -> Result<Vec<Vec<f32>>> {
    let mut gradients = Vec::with_capacity(images.len());
    for (image, target) in images.iter().zip(targets) {
        let evaluations = field.gradients(std::slice::from_ref(image), target)?;
        gradients.extend(evaluations.into_iter().map(|evaluation| evaluation.gradient));
    }
    Ok(gradients)
}

/// dx/dp of every feature: 1 / std of its channel.
fn pixel_scale(shape: Shape, normalisation: &Normalisation) -> Result<Vec<f64>> {
    if normalisation.std.len() != shape.channels {
        return Err(Error::shape("std", shape.channels, normalisation.std.len()));
    }
    let scale = |feature| 1.0 / f64::from(normalisation.std[feature / shape.n_pixels()]);
    Ok((0..shape.len()).map(scale).collect())
}

/// Mean gradient of the loss -ln p with respect to the pixels.
fn mean_gradient<'a>(
    gradients: impl Iterator<Item = &'a [f32]>,
    scale: &[f64],
    n: f64,
) -> Vec<f64> {
    let mut mean = vec![0.0; scale.len()];
    for gradient in gradients {
        for ((mean, &g), scale) in mean.iter_mut().zip(gradient).zip(scale) {
            *mean -= f64::from(g) * scale / n;
        }
    }
    mean
}

/// Mean product of the loss' Hessian with respect to the pixels.
fn mean_product(
    curvatures: &[Box<dyn Curvature + '_>],
    scale: &[f64],
    v: &[f64],
) -> Result<Vec<f64>> {
    let direction: Vec<f32> = v.iter().zip(scale).map(|(v, s)| (v * s) as f32).collect();
    let mut mean = vec![0.0; v.len()];
    for curvature in curvatures {
        for product in curvature.products(std::slice::from_ref(&direction))? {
            for ((mean, &h), scale) in mean.iter_mut().zip(&product).zip(scale) {
                *mean -= f64::from(h) * scale / curvatures.len() as f64;
            }
        }
    }
    Ok(mean)
}

/// Rayleigh quotient of the last but one vector of the power iteration, as the authors take it.
fn largest_eigenvalue(
    hessian: &dyn Fn(&[f64]) -> Result<Vec<f64>>,
    start: &[f32],
    steps: usize,
) -> Result<f64> {
    let mut vector = normalized(start.iter().map(|&v| f64::from(v)).collect());
    let mut eigenvalue = 0.0;
    for _ in 0..steps {
        let product = hessian(&vector)?;
        eigenvalue = dot(&vector, &product);
        vector = normalized(product);
    }
    Ok(eigenvalue)
}

fn normalized(mut vector: Vec<f64>) -> Vec<f64> {
    let norm = dot(&vector, &vector).sqrt().max(1e-12);
    for value in &mut vector {
        *value /= norm;
    }
    vector
}

fn top(logits: &[f32]) -> usize {
    let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
    (1..logits.len()).fold(0, better)
}

/// Copies with normal noise on the pixels, of `spread` times their range.
fn noisy_copies(
    image: &Image,
    normalisation: &Normalisation,
    noise: CasoNoise,
    seed: u64,
) -> Result<Vec<Image>> {
    let shape = image.shape();
    let Normalisation { mean, std } = normalisation;
    if std.len() != shape.channels || mean.len() != shape.channels {
        return Err(Error::shape("normalisation", shape.channels, std.len()));
    }
    let channel = |feature: usize| feature / shape.n_pixels();
    let pixel = |(i, x): (usize, &f32)| x * std[channel(i)] + mean[channel(i)];
    let pixels = || image.data().iter().enumerate().map(pixel);
    let range = pixels().fold(f32::NEG_INFINITY, f32::max) - pixels().fold(f32::INFINITY, f32::min);
    let deviation = |feature: usize| noise.spread * range / std[channel(feature)];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let copy = |_| Image::new(shape, noisy_data(image, deviation, &mut rng));
    (0..noise.n_samples).map(copy).collect()
}
