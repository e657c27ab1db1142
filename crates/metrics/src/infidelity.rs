//! Infidelity (Yeh et al. 2019): how badly a map predicts what perturbations do to the output.

use hsets_core::{Error, Image, Result, SaliencyMap, Scored, Shape, Target};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::score::{check_batch_size, values};

/// A perturbed image, and what the map is weighted with to predict the drop of the output.
#[derive(Debug, Clone, PartialEq)]
pub struct Perturbation {
    /// I \[C·H·W\].
    pub weights: Vec<f32>,
    /// The perturbed image.
    pub image: Image,
}

/// In what units a map is, and so what predicts a drop of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Units {
    /// Output per input, as gradients: I is the change x - x̃. captum calls such maps local.
    PerInput,
    /// Output, as Integrated Gradients: I is 1 where x̃ differs from x. captum calls them global
    /// (`multiply_by_inputs`).
    Output,
    /// Others, or none where only the order of the values means something. I is that of `Output`:
    /// infidelity that is normalised scales the map first.
    Other,
}

/// How images are perturbed.
#[derive(Debug, Clone, PartialEq)]
pub enum Perturb {
    /// Normal noise of deviation `sigma` on every feature, for maps in units of output per input.
    Gaussian {
        /// σ > 0, in units of the image.
        sigma: f32,
    },
    /// A square at a random place, all channels, takes the values of a baseline.
    Square {
        /// Its side in pixels, at most the smaller side of the image.
        side: usize,
        /// What is there instead.
        baseline: Image,
        /// Units of the map.
        units: Units,
    },
}

/// Settings of infidelity.
#[derive(Debug, Clone, PartialEq)]
pub struct Infidelity {
    /// How images are perturbed.
    pub perturb: Perturb,
    /// Number of perturbations, ≥ 1. captum and quantus draw 10.
    pub n_samples: usize,
    /// Seed of the perturbations.
    pub seed: u64,
    /// Whether the map is first scaled by the factor that fits best, so that its own scale does
    /// not matter (captum's `normalize`).
    pub normalize: bool,
    /// Images scored at a time, ≥ 1.
    pub batch_size: usize,
}

/// Mean of (Iᵀφ - (f(x) - f(x̃)))² over random perturbations, in squared units of the target; lower
/// is better. φ is the map.
///
/// The definition of the paper and of captum 0.9. quantus 0.5.3 differs: it blackens one patch after
/// the other without restoring them and multiplies map and change as matrices, not elementwise; that
/// is not offered.
pub fn infidelity(
    field: &dyn Scored,
    image: &Image,
    map: &SaliencyMap,
    target: &Target,
    settings: &Infidelity,
) -> Result<f64> {
    settings.check(image.shape())?;
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut draw = || settings.perturb.draw(image, &mut rng);
    let perturbations: Vec<_> = (0..settings.n_samples).map(|_| draw()).collect::<Result<_>>()?;
    let Infidelity { normalize, batch_size, .. } = *settings;
    infidelity_of(field, image, map, target, perturbations, normalize, batch_size)
}

/// [`infidelity`] for perturbations of the caller's choice.
pub fn infidelity_of(
    field: &dyn Scored,
    image: &Image,
    map: &SaliencyMap,
    target: &Target,
    perturbations: Vec<Perturbation>,
    normalize: bool,
    batch_size: usize,
) -> Result<f64> {
    check_batch_size(batch_size)?;
    target.check(field.n_classes())?;
    image.expect_shape("image", field.shape())?;
    if map.shape() != image.shape() {
        return Err(Error::shape("saliency map", image.shape(), map.shape()));
    }
    let mut predictions = Vec::with_capacity(perturbations.len());
    for perturbation in &perturbations {
        if perturbation.weights.len() != map.data().len() {
            let (expected, found) = (map.data().len(), perturbation.weights.len());
            return Err(Error::shape("weights of a perturbation", expected, found));
        }
        let terms = perturbation.weights.iter().zip(map.data());
        predictions.push(terms.map(|(&i, &phi)| f64::from(i) * f64::from(phi)).sum::<f64>());
    }
    let images = std::iter::once(image.clone()).chain(perturbations.into_iter().map(|p| p.image));
    let values = values(field, images, target, batch_size)?;
    let drops = values[1..].iter().map(|value| values[0] - value);
    let pairs: Vec<(f64, f64)> = predictions.into_iter().zip(drops).collect();
    let scale = if normalize { best_scale(&pairs) } else { 1.0 };
    let squares = pairs.iter().map(|(prediction, drop)| (scale * prediction - drop).powi(2));
    Ok(squares.sum::<f64>() / pairs.len() as f64)
}

/// β = Σ prediction·drop / Σ prediction²; 1 if all predictions are 0.
fn best_scale(pairs: &[(f64, f64)]) -> f64 {
    let norm: f64 = pairs.iter().map(|(prediction, _)| prediction * prediction).sum();
    let product: f64 = pairs.iter().map(|(prediction, drop)| prediction * drop).sum();
    if norm == 0.0 { 1.0 } else { product / norm }
}

impl Infidelity {
    fn check(&self, shape: Shape) -> Result<()> {
        if self.n_samples == 0 {
            return Err(Error::config("n-samples", 0, "at least 1"));
        }
        match &self.perturb {
            Perturb::Gaussian { sigma } if !(*sigma > 0.0 && sigma.is_finite()) => {
                Err(Error::config("sigma", sigma, "a standard deviation > 0"))
            }
            Perturb::Square { side, .. } if *side == 0 || *side > shape.height.min(shape.width) => {
                let largest = shape.height.min(shape.width);
                Err(Error::config("side", side, format!("1 to {largest} pixels")))
            }
            Perturb::Square { baseline, .. } => baseline.expect_shape("baseline", shape),
            Perturb::Gaussian { .. } => Ok(()),
        }
    }
}

impl Perturb {
    fn draw(&self, image: &Image, rng: &mut ChaCha8Rng) -> Result<Perturbation> {
        let shape = image.shape();
        let mut data = image.data().to_vec();
        let mut weights = vec![0.0; data.len()];
        match self {
            Self::Gaussian { sigma } => {
                for (value, weight) in data.iter_mut().zip(&mut weights) {
                    let normal: f32 = StandardNormal.sample(rng);
                    *weight = sigma * normal;
                    *value -= *weight;
                }
            }
            Self::Square { side, baseline, units } => {
                let top = rng.random_range(0..=shape.height - side);
                let left = rng.random_range(0..=shape.width - side);
                let inside = |feature: usize| {
                    let (_, y, x) = shape.position(feature);
                    (top..top + side).contains(&y) && (left..left + side).contains(&x)
                };
                for feature in (0..data.len()).filter(|&feature| inside(feature)) {
                    weights[feature] = match units {
                        Units::PerInput => data[feature] - baseline.data()[feature],
                        Units::Output | Units::Other => 1.0,
                    };
                    data[feature] = baseline.data()[feature];
                }
            }
        }
        Ok(Perturbation { weights, image: Image::new(shape, data)? })
    }
}
