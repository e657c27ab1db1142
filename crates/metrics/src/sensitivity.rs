//! Max-sensitivity (Yeh et al. 2019): how much a map can change when the image hardly does.

use hsets_core::{Error, Image, Result, SaliencyMap};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use crate::score::check_batch_size;

/// Settings of max-sensitivity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxSensitivity {
    /// Largest change r > 0 of a feature, in units of the image; changes are uniform in \[-r, r\].
    #[serde(serialize_with = "hsets_core::as_typed")]
    pub radius: f32,
    /// Number of perturbed images, ≥ 1.
    pub n_samples: usize,
    /// Seed of the perturbations.
    pub seed: u64,
    /// Images explained at a time, ≥ 1.
    pub batch_size: usize,
}

impl MaxSensitivity {
    /// Radius 0.02, 10 samples.
    pub fn captum() -> Self {
        Self { radius: 0.02, n_samples: 10, seed: 0, batch_size: 16 }
    }

    /// Radius 0.2, 200 samples.
    pub fn quantus() -> Self {
        Self { radius: 0.2, n_samples: 200, ..Self::captum() }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        check_batch_size(self.batch_size)?;
        if !(self.radius > 0.0 && self.radius.is_finite()) {
            return Err(Error::config("radius", self.radius, "a number > 0"));
        }
        if self.n_samples == 0 {
            return Err(Error::config("n-samples", 0, "at least 1"));
        }
        Ok(())
    }
}

/// Largest ‖φ(x̃) - φ(x)‖ / ‖φ(x)‖ over images x̃ near `image`, in Frobenius norms; lower is better.
///
/// `explain` gives the maps φ of images. captum and quantus share this definition; where φ(x) is
/// zero, captum's denominator 1 is used.
pub fn max_sensitivity(
    image: &Image,
    mut explain: impl FnMut(&[Image]) -> Result<Vec<SaliencyMap>>,
    settings: &MaxSensitivity,
) -> Result<f64> {
    settings.check()?;
    let MaxSensitivity { radius, n_samples, .. } = *settings;
    let unperturbed = explain(std::slice::from_ref(image))?;
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut perturbed = || {
        let moved = image.data().iter().map(|value| value + rng.random_range(-radius..=radius));
        Image::new(image.shape(), moved.collect())
    };
    let mut largest = 0.0f64;
    for first in (0..n_samples).step_by(settings.batch_size) {
        let n = settings.batch_size.min(n_samples - first);
        let images: Vec<Image> = (0..n).map(|_| perturbed()).collect::<Result<_>>()?;
        largest = largest.max(largest_change(&unperturbed[0], &explain(&images)?));
    }
    Ok(largest)
}

/// Largest ‖φ̃ - φ‖ / ‖φ‖ over the maps φ̃ of perturbed images.
pub fn largest_change(map: &SaliencyMap, perturbed: &[SaliencyMap]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let scale = norm(&mut map.data().iter().map(|&value| f64::from(value)));
    let change = |other: &SaliencyMap| {
        let pairs = map.data().iter().zip(other.data());
        norm(&mut pairs.map(|(&a, &b)| f64::from(a) - f64::from(b)))
    };
    let largest = perturbed.iter().map(change).fold(0.0, f64::max);
    if scale == 0.0 { largest } else { largest / scale }
}
