//! SmoothGrad (Smilkov et al. 2017): gradients over noisy copies of the image.

use hsets_core::{Differentiable, Error, Image, Progress, Result, SaliencyMap, Target};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// Deviation of the noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseScale {
    /// A share of max - min of the image, as in the paper.
    Spread(#[serde(serialize_with = "hsets_core::as_typed")] f32),
    /// In units of the image, as captum's `stdevs`.
    Absolute(#[serde(serialize_with = "hsets_core::as_typed")] f32),
}

impl NoiseScale {
    /// σ for an image.
    fn deviation(self, image: &Image) -> f32 {
        let top = image.data().iter().fold(f32::NEG_INFINITY, |top, &v| top.max(v));
        let bottom = image.data().iter().fold(f32::INFINITY, |bottom, &v| bottom.min(v));
        match self {
            Self::Spread(share) => share * (top - bottom),
            Self::Absolute(deviation) => deviation,
        }
    }
}

/// What is taken over the noisy gradients g.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmoothStatistic {
    /// Mean of g: SmoothGrad.
    Mean,
    /// Mean of g²: `SmoothGrad²` (Hooker et al. 2019).
    MeanSquare,
    /// Mean of g² - (mean of g)²: `VarGrad` (Adebayo et al. 2018).
    Variance,
}

/// Settings of SmoothGrad.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmoothGrad {
    /// Noisy copies n ≥ 1.
    pub n_samples: usize,
    /// Deviation of the noise.
    pub noise: NoiseScale,
    /// What is taken over the gradients.
    pub statistic: SmoothStatistic,
    /// Seed of the noise.
    pub seed: u64,
    /// Images per call of the field, ≥ 1.
    pub batch: usize,
}

impl SmoothGrad {
    /// 50 copies, noise of 15 % of the image's range.
    pub fn paper() -> Self {
        Self {
            n_samples: 50,
            noise: NoiseScale::Spread(0.15),
            statistic: SmoothStatistic::Mean,
            seed: 0,
            batch: 16,
        }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if self.n_samples == 0 || self.batch == 0 {
            return Err(Error::config("n-samples, batch", 0, "at least 1"));
        }
        let (NoiseScale::Spread(value) | NoiseScale::Absolute(value)) = self.noise;
        if !(value >= 0.0 && value.is_finite()) {
            return Err(Error::config("noise", value, "a number ≥ 0"));
        }
        Ok(())
    }
}

/// The elements of `image` with normal noise of the given deviation of every feature.
pub(super) fn noisy_data(
    image: &Image,
    deviation: impl Fn(usize) -> f32,
    rng: &mut ChaCha8Rng,
) -> Vec<f32> {
    let noisy = |(feature, value): (usize, &f32)| {
        let normal: f32 = StandardNormal.sample(rng);
        value + deviation(feature) * normal
    };
    image.data().iter().enumerate().map(noisy).collect()
}

/// The statistic of the gradients at noisy copies of `image`, one value per feature.
pub fn smooth_grad(
    field: &dyn Differentiable,
    image: &Image,
    target: &Target,
    settings: &SmoothGrad,
    progress: &dyn Progress,
) -> Result<SaliencyMap> {
    image.expect_shape("image", field.shape())?;
    settings.check()?;
    let deviation = settings.noise.deviation(image);
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let noisy = |_| Image::new(image.shape(), noisy_data(image, |_| deviation, &mut rng));
    over_copies(field, (0..settings.n_samples).map(noisy), target, settings, progress)
}

/// [`smooth_grad`] over copies that are given.
pub fn smooth_grad_at(
    field: &dyn Differentiable,
    copies: &[Image],
    target: &Target,
    settings: &SmoothGrad,
    progress: &dyn Progress,
) -> Result<SaliencyMap> {
    let settings = SmoothGrad { n_samples: copies.len(), ..settings.clone() };
    settings.check()?;
    over_copies(field, copies.iter().cloned().map(Ok), target, &settings, progress)
}

fn over_copies(
    field: &dyn Differentiable,
    mut copies: impl Iterator<Item = Result<Image>>,
    target: &Target,
    settings: &SmoothGrad,
    progress: &dyn Progress,
) -> Result<SaliencyMap> {
    target.check(field.n_classes())?;
    let SmoothGrad { n_samples, batch, .. } = *settings;
    let (mut sum, mut squares) = (vec![0.0; field.shape().len()], vec![0.0; field.shape().len()]);
    progress.begin("smooth-grad", n_samples as u64);
    loop {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let images: Vec<Image> = copies.by_ref().take(batch).collect::<Result<_>>()?;
        if images.is_empty() {
            break;
        }
        for evaluation in field.gradients(&images, target)? {
            for ((sum, square), &g) in sum.iter_mut().zip(&mut squares).zip(&evaluation.gradient) {
                *sum += f64::from(g);
                *square += f64::from(g).powi(2);
            }
        }
        progress.advance(images.len() as u64);
    }
    progress.end();
    let n = n_samples as f64;
    let statistic = |(sum, square): (f64, f64)| match settings.statistic {
        SmoothStatistic::Mean => sum / n,
        SmoothStatistic::MeanSquare => square / n,
        SmoothStatistic::Variance => square / n - (sum / n).powi(2),
    };
    let map = sum.into_iter().zip(squares).map(|pair| statistic(pair) as f32).collect();
    SaliencyMap::new(field.shape(), map)
}
