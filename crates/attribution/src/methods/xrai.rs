//! Regions ranked by the attributions inside them, as XRAI does (Kapishnikov et al. 2019).

use hsets_core::{Error, Result, SaliencyMap, SegmentMap};
use serde::{Deserialize, Serialize};

use super::segments::check_segments;

/// How the channels of the attributions become one number per pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XraiChannels {
    /// The largest, signed: what the authors' program does.
    Max,
    /// The sum, signed.
    Sum,
}

/// Settings of XRAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xrai {
    /// How the channels become one number.
    pub channels: XraiChannels,
    /// Regions that would add fewer pixels than this are dropped.
    pub min_new_pixels: usize,
}

impl Xrai {
    /// Maximum over channels; regions add at least 50 pixels.
    pub fn paper() -> Self {
        Self { channels: XraiChannels::Max, min_new_pixels: 50 }
    }
}

/// Ranks regions by the mean attribution of the pixels they add, greedily; every pixel gets the mean
/// of the region that first covered it, split evenly among the channels.
///
/// `attributions` are Integrated Gradients as a rule (the original averages those from a black and a
/// white baseline); `segmentations` are one or more label maps, e.g. from coarse to fine, whose
/// regions all compete. The original over-segments with Felzenszwalb's method at six scales and
/// dilates every region by 5 pixels; here the regions are what is given. Pixels that no region
/// covers get their own mean, so that the total is kept.
pub fn xrai(
    attributions: &SaliencyMap,
    segmentations: &[SegmentMap],
    settings: &Xrai,
) -> Result<SaliencyMap> {
    let shape = attributions.shape();
    for segments in segmentations {
        check_segments(shape, segments)?;
    }
    if segmentations.is_empty() {
        return Err(Error::shape("segmentations", "at least 1", 0));
    }
    let values = per_pixel(attributions, settings.channels);
    let covered = cover(&values, segmentations, settings.min_new_pixels);
    let share = |feature| (covered[shape.pixel(feature)] / shape.channels as f64) as f32;
    SaliencyMap::new(shape, (0..shape.len()).map(share).collect())
}

fn per_pixel(map: &SaliencyMap, channels: XraiChannels) -> Vec<f64> {
    let mut planes = map.data().chunks_exact(map.shape().n_pixels());
    let widen = |plane: &[f32]| plane.iter().map(|&v| f64::from(v)).collect();
    let mut pixels: Vec<f64> = planes.next().map(widen).unwrap_or_default();
    for plane in planes {
        for (pixel, &value) in pixels.iter_mut().zip(plane) {
            *pixel = match channels {
                XraiChannels::Max => pixel.max(f64::from(value)),
                XraiChannels::Sum => *pixel + f64::from(value),
            };
        }
    }
    pixels
}

/// The part of a region that is not covered yet.
#[derive(Debug, Clone, Copy, Default)]
struct Remaining {
    n_pixels: usize,
    sum: f64,
}

impl Remaining {
    fn add(&mut self, value: f64) {
        self.n_pixels += 1;
        self.sum += value;
    }

    fn mean(self) -> f64 {
        self.sum / self.n_pixels as f64
    }
}

fn cover(values: &[f64], segmentations: &[SegmentMap], min_new_pixels: usize) -> Vec<f64> {
    let mut regions: Vec<Vec<Remaining>> = Vec::new();
    for segments in segmentations {
        let mut sums = vec![Remaining::default(); segments.n_segments()];
        for (pixel, &value) in values.iter().enumerate() {
            sums[segments.label(pixel) as usize].add(value);
        }
        regions.push(sums);
    }
    let mut covered = vec![None; values.len()];
    while let Some((map, label, mean)) = densest(&regions, min_new_pixels.max(1)) {
        for pixel in 0..values.len() {
            if covered[pixel].is_none() && segmentations[map].label(pixel) as usize == label {
                covered[pixel] = Some(mean);
                for (segments, sums) in segmentations.iter().zip(&mut regions) {
                    let region = &mut sums[segments.label(pixel) as usize];
                    region.n_pixels -= 1;
                    region.sum -= values[pixel];
                }
            }
        }
    }
    let mut rest = Remaining::default();
    for pixel in (0..values.len()).filter(|&pixel| covered[pixel].is_none()) {
        rest.add(values[pixel]);
    }
    covered.into_iter().map(|value| value.unwrap_or(rest.mean())).collect()
}

/// Map, label and mean of the densest region that still adds enough pixels, the first among equals.
fn densest(regions: &[Vec<Remaining>], min_new_pixels: usize) -> Option<(usize, usize, f64)> {
    let mut best: Option<(usize, usize, f64)> = None;
    for (map, sums) in regions.iter().enumerate() {
        for (label, region) in sums.iter().enumerate() {
            let better = best.is_none_or(|(_, _, mean)| region.mean() > mean);
            if region.n_pixels >= min_new_pixels && better {
                best = Some((map, label, region.mean()));
            }
        }
    }
    best
}
