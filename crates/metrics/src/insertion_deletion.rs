//! Insertion and deletion curves (Petsiuk et al. 2018, RISE).

use hsets_core::{ChannelReduction, Error, Image, Progress, Result, SaliencyMap, Scored};

use crate::road::{Removal, Ties, removal_order};
use crate::score::{check_batch_size, check_class};

/// Settings of insertion and deletion.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertionDeletion {
    /// Pixels changed between two points of the curve, ≥ 1.
    pub pixels_per_step: usize,
    /// Order of pixels of equal value.
    pub ties: Ties,
    /// How the channels of the map become one number per pixel.
    pub reduction: ChannelReduction,
    /// Images scored at a time, ≥ 1; bounds the memory, changes nothing else.
    pub batch_size: usize,
}

impl InsertionDeletion {
    /// 224 pixels per step as RISE has it for 224×224 pixels; ties in seeded random order.
    pub fn rise() -> Self {
        Self {
            pixels_per_step: 224,
            ties: Ties::Seeded(0),
            reduction: ChannelReduction::AbsSum,
            batch_size: 16,
        }
    }
}

/// Probability of the class while pixels change, from none to all.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbabilityCurve {
    /// After 0, 1, 2, … steps; the last step may be shorter.
    pub probabilities: Vec<f64>,
}

impl ProbabilityCurve {
    /// Area under the curve by trapezoids, as a share of the largest possible.
    pub fn auc(&self) -> f64 {
        let [first, .., last] = &self.probabilities[..] else { return f64::NAN };
        let sum: f64 = self.probabilities.iter().sum();
        (sum - f64::midpoint(*first, *last)) / (self.probabilities.len() - 1) as f64
    }
}

/// Starts from `image` and moves the most relevant pixels to `substrate` first. RISE takes a
/// substrate of zeros. A faithful map has a small area.
pub fn deletion(
    field: &dyn Scored,
    image: &Image,
    substrate: &Image,
    map: &SaliencyMap,
    class: usize,
    settings: &InsertionDeletion,
    progress: &dyn Progress,
) -> Result<ProbabilityCurve> {
    curve(field, [image, substrate], map, class, settings, progress)
}

/// Starts from `substrate` and moves the most relevant pixels to `image` first. RISE takes a
/// blurred image as substrate. A faithful map has a large area.
pub fn insertion(
    field: &dyn Scored,
    image: &Image,
    substrate: &Image,
    map: &SaliencyMap,
    class: usize,
    settings: &InsertionDeletion,
    progress: &dyn Progress,
) -> Result<ProbabilityCurve> {
    curve(field, [substrate, image], map, class, settings, progress)
}

fn curve(
    field: &dyn Scored,
    [start, finish]: [&Image; 2],
    map: &SaliencyMap,
    class: usize,
    settings: &InsertionDeletion,
    progress: &dyn Progress,
) -> Result<ProbabilityCurve> {
    check_batch_size(settings.batch_size)?;
    if settings.pixels_per_step == 0 {
        return Err(Error::config("pixels-per-step", 0, "at least 1"));
    }
    check_class(field, class)?;
    let shape = field.shape();
    start.expect_shape("start of the curve", shape)?;
    finish.expect_shape("end of the curve", shape)?;
    if map.shape() != shape {
        return Err(Error::shape("saliency map", shape, map.shape()));
    }
    let order = removal_order(map, settings.reduction, settings.ties, Removal::Morf)?;
    let mut data = start.data().to_vec();
    let mut after_step = |pixels: &[usize]| {
        for &pixel in pixels {
            for feature in (pixel..shape.len()).step_by(shape.n_pixels()) {
                data[feature] = finish.data()[feature];
            }
        }
        Image::new(shape, data.clone())
    };
    let steps: Vec<&[usize]> =
        std::iter::once(&order[..0]).chain(order.chunks(settings.pixels_per_step)).collect();
    progress.begin("insertion and deletion", steps.len() as u64);
    let mut probabilities = Vec::with_capacity(steps.len());
    for batch in steps.chunks(settings.batch_size) {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let images: Vec<Image> =
            batch.iter().map(|pixels| after_step(pixels)).collect::<Result<_>>()?;
        let logits = field.logits(&images)?;
        probabilities.extend(logits.iter().map(|logits| field.link().probability(logits, class)));
        progress.advance(batch.len() as u64);
    }
    progress.end();
    Ok(ProbabilityCurve { probabilities })
}
