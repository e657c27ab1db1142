//! ROAD, remove and debias (Rong et al. 2022): pixels are removed in the order of the map and
//! imputed from their neighbours; a faithful map changes the decision soon (MoRF) or late (LeRF).
//!
//! Imputation happens in the space of the image that is given, normalised for most networks, as in
//! quantus 0.5.3. (The authors of ROAD impute before normalisation; linear imputation commutes with
//! it, only the noise is then scaled by each channel's deviation.)

mod curve;
mod imputation;
mod multigrid;
mod order;

pub use curve::{Aopc, Road, RoadCurve, RoadPoint};
pub use imputation::impute;
pub use order::{Removal, Ties, removal_order, tied_share};

use hsets_core::{ChannelReduction, Error, Image, Progress, Result, SaliencyMap, Scored};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::score::{check_batch_size, check_class, score};

/// Settings of ROAD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoadSettings {
    /// Shares of the pixels to remove, in percent, ascending, each in (0, 100).
    pub percentages: Vec<f64>,
    /// σ ≥ 0 of the normal noise added to every imputed value, in units of the image.
    pub noise: f64,
    /// Seed of the noise.
    pub seed: u64,
    /// Order of pixels of equal value.
    pub ties: Ties,
    /// How the channels of the map become one number per pixel.
    pub reduction: ChannelReduction,
    /// Images imputed and scored at a time, ≥ 1; bounds the memory, changes nothing else.
    pub batch_size: usize,
}

impl RoadSettings {
    /// 50 percentages 1, 3, … 99, noise 0.01, abs of the channel sum, ties in seeded random order.
    pub fn paper() -> Self {
        Self {
            percentages: (1..100).step_by(2).map(f64::from).collect(),
            noise: 0.01,
            seed: 0,
            ties: Ties::Seeded(0),
            reduction: ChannelReduction::AbsSum,
            batch_size: 16,
        }
    }

    /// As quantus 0.5.3 ranks a channel-summed map: signed, ties by position.
    pub fn reference() -> Self {
        Self { ties: Ties::LastFirst, reduction: ChannelReduction::Sum, ..Self::paper() }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        let in_range = |p: &f64| 0.0 < *p && *p < 100.0;
        if self.percentages.is_empty()
            || !self.percentages.iter().all(in_range)
            || !self.percentages.is_sorted()
        {
            let value = format!("{:?}", self.percentages);
            return Err(Error::config("percentages", value, "ascending numbers in (0, 100)"));
        }
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return Err(Error::config("noise", self.noise, "a standard deviation ≥ 0"));
        }
        check_batch_size(self.batch_size)
    }
}

/// Both curves of `map` for `class`: most and least relevant pixels first.
pub fn road(
    field: &dyn Scored,
    image: &Image,
    map: &SaliencyMap,
    class: usize,
    settings: &RoadSettings,
    progress: &dyn Progress,
) -> Result<Road> {
    let curve = |removal| road_curve(field, image, map, class, removal, settings, progress);
    Ok(Road {
        morf: curve(Removal::Morf)?,
        lerf: curve(Removal::Lerf)?,
        ties: settings.ties,
        tied_share: tied_share(map, settings.reduction)?,
        reduction: settings.reduction,
    })
}

/// One curve of `map` for `class`: half the cost of [`road`].
pub fn road_curve(
    field: &dyn Scored,
    image: &Image,
    map: &SaliencyMap,
    class: usize,
    removal: Removal,
    settings: &RoadSettings,
    progress: &dyn Progress,
) -> Result<RoadCurve> {
    settings.check()?;
    check_class(field, class)?;
    image.expect_shape("image", field.shape())?;
    if map.shape() != image.shape() {
        return Err(Error::shape("saliency map", image.shape(), map.shape()));
    }
    let order = removal_order(map, settings.reduction, settings.ties, removal)?;
    progress.begin(removal.name(), settings.percentages.len() as u64);
    let logits = field.logits(std::slice::from_ref(image))?;
    let unperturbed = RoadPoint::new(0.0, score(field.link(), &logits[0], class));
    let mut points = Vec::with_capacity(settings.percentages.len());
    for (chunk, percentages) in settings.percentages.chunks(settings.batch_size).enumerate() {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let impute = |(i, &percentage): (usize, &f64)| {
            let stream = chunk * settings.batch_size + i;
            let n_removed = (order.len() as f64 * percentage / 100.0) as usize;
            impute_noisy(image, &order[..n_removed], settings.noise, settings.seed, stream as u64)
        };
        let images: Vec<Image> =
            percentages.par_iter().enumerate().map(impute).collect::<Result<_>>()?;
        let logits = field.logits(&images)?;
        let point =
            |(&p, logits): (&f64, &Vec<f32>)| RoadPoint::new(p, score(field.link(), logits, class));
        points.extend(percentages.iter().zip(&logits).map(point));
        progress.advance(percentages.len() as u64);
    }
    progress.end();
    Ok(RoadCurve { removal, unperturbed, points })
}

/// [`impute`], plus `noise` times a standard normal number on every imputed value.
///
/// The numbers come from stream `stream` of `ChaCha8` under `seed`, channel by channel in the order
/// of `removed`.
pub fn impute_noisy(
    image: &Image,
    removed: &[usize],
    noise: f64,
    seed: u64,
    stream: u64,
) -> Result<Image> {
    let imputed = impute(image, removed)?;
    if noise == 0.0 {
        return Ok(imputed);
    }
    let shape = imputed.shape();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut data = imputed.into_data();
    for plane in data.chunks_exact_mut(shape.n_pixels()) {
        for &pixel in removed {
            let normal: f64 = StandardNormal.sample(&mut rng);
            plane[pixel] += (noise * normal) as f32;
        }
    }
    Image::new(shape, data)
}
