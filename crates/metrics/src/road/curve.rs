//! ROAD curves and the numbers that are read off them.

use hsets_core::ChannelReduction;

use super::{Removal, Ties};
use crate::score::Score;

/// What is left of the class when a share of the pixels is imputed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoadPoint {
    /// Share of the pixels that is imputed, in percent.
    pub percentage: f64,
    /// Whether the class is still the top one.
    pub correct: bool,
    /// Its probability.
    pub probability: f64,
}

impl RoadPoint {
    pub(super) fn new(percentage: f64, score: Score) -> Self {
        Self { percentage, correct: score.correct, probability: score.probability }
    }

    /// 1 if correct, else 0: accuracy on one image.
    fn accuracy(&self) -> f64 {
        f64::from(u8::from(self.correct))
    }
}

/// One curve of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct RoadCurve {
    /// Which pixels go first.
    pub removal: Removal,
    /// The image as it is.
    pub unperturbed: RoadPoint,
    /// One point per percentage, ascending.
    pub points: Vec<RoadPoint>,
}

impl RoadCurve {
    /// Mean over the points up to `limit` percent; NaN if there is none.
    fn mean(&self, limit: f64, value: impl Fn(&RoadPoint) -> f64) -> f64 {
        let points: Vec<f64> =
            self.points.iter().filter(|point| point.percentage <= limit).map(value).collect();
        points.iter().sum::<f64>() / points.len() as f64
    }

    /// Trapezoid area of the accuracy from 0 to the last percentage, divided by its length.
    fn accuracy_area(&self) -> f64 {
        let mut area = 0.0;
        let mut last = &self.unperturbed;
        for point in &self.points {
            let length = point.percentage - last.percentage;
            area += length * (point.accuracy() + last.accuracy()) / 2.0;
            last = point;
        }
        area / last.percentage
    }
}

/// Both curves of one image, and how the pixels were ranked.
#[derive(Debug, Clone, PartialEq)]
pub struct Road {
    /// Most relevant first.
    pub morf: RoadCurve,
    /// Least relevant first. (The authors of ROAD plot it over the share that is *kept*.)
    pub lerf: RoadCurve,
    /// Order of pixels of equal value.
    pub ties: Ties,
    /// Share of the pixels, in \[0, 1\], whose place in the order was left to `ties`.
    pub tied_share: f64,
    /// How the channels of the map became one number per pixel.
    pub reduction: ChannelReduction,
}

/// Readings of "ROAD AOPC". No paper or library defines it for ROAD; the results name theirs.
///
/// All are linear in the curves, so a mean over images is the reading of the mean curve. For all,
/// higher is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aopc {
    /// 1 - mean MoRF accuracy: the reading that best fits the published tables.
    OneMinusAccuracy,
    /// 1 - mean MoRF accuracy over the percentages up to 30.
    OneMinusAccuracyUpTo30,
    /// Accuracy of the image - mean MoRF accuracy; differs from the above where the image itself
    /// is misclassified.
    AccuracyDrop,
    /// 1 - area under MoRF accuracy (trapezoids, from 0 to the last percentage, per length).
    OneMinusAccuracyArea,
    /// Probability of the image - mean MoRF probability.
    ProbabilityDrop,
    /// The same over the percentages up to 30.
    ProbabilityDropUpTo30,
    /// 1/(L+1) Σₖ₌₀ᴸ (p(x₀) - p(xₖ)): Samek et al. 2017, who count the image itself too.
    Samek,
    /// Mean LeRF accuracy - mean MoRF accuracy. (pytorch-grad-cam reports half of such a gap.)
    LerfMinusMorfAccuracy,
    /// Mean LeRF probability - mean MoRF probability.
    LerfMinusMorfProbability,
}

impl Aopc {
    /// Every reading.
    pub const ALL: [Self; 9] = [
        Self::OneMinusAccuracy,
        Self::OneMinusAccuracyUpTo30,
        Self::AccuracyDrop,
        Self::OneMinusAccuracyArea,
        Self::ProbabilityDrop,
        Self::ProbabilityDropUpTo30,
        Self::Samek,
        Self::LerfMinusMorfAccuracy,
        Self::LerfMinusMorfProbability,
    ];

    /// The name under which results report it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneMinusAccuracy => "1-accuracy",
            Self::OneMinusAccuracyUpTo30 => "1-accuracy-to-30",
            Self::AccuracyDrop => "accuracy-drop",
            Self::OneMinusAccuracyArea => "1-accuracy-area",
            Self::ProbabilityDrop => "probability-drop",
            Self::ProbabilityDropUpTo30 => "probability-drop-to-30",
            Self::Samek => "samek-aopc",
            Self::LerfMinusMorfAccuracy => "lerf-minus-morf-accuracy",
            Self::LerfMinusMorfProbability => "lerf-minus-morf-probability",
        }
    }

    /// The reading of one image; NaN where no percentage is in range.
    pub fn of(self, road: &Road) -> f64 {
        const ALL: f64 = 100.0;
        let (morf, lerf) = (&road.morf, &road.lerf);
        let (accuracy, probability) = (RoadPoint::accuracy, |point: &RoadPoint| point.probability);
        let image = &morf.unperturbed;
        match self {
            Self::OneMinusAccuracy => 1.0 - morf.mean(ALL, accuracy),
            Self::OneMinusAccuracyUpTo30 => 1.0 - morf.mean(30.0, accuracy),
            Self::AccuracyDrop => image.accuracy() - morf.mean(ALL, accuracy),
            Self::OneMinusAccuracyArea => 1.0 - morf.accuracy_area(),
            Self::ProbabilityDrop => image.probability - morf.mean(ALL, probability),
            Self::ProbabilityDropUpTo30 => image.probability - morf.mean(30.0, probability),
            Self::Samek => {
                let n = morf.points.len() as f64;
                (image.probability - morf.mean(ALL, probability)) * n / (n + 1.0)
            }
            Self::LerfMinusMorfAccuracy => lerf.mean(ALL, accuracy) - morf.mean(ALL, accuracy),
            Self::LerfMinusMorfProbability => {
                lerf.mean(ALL, probability) - morf.mean(ALL, probability)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(removal: Removal, points: [(f64, bool, f64); 3]) -> RoadCurve {
        let point =
            |(percentage, correct, probability)| RoadPoint { percentage, correct, probability };
        let unperturbed = point((0.0, true, 0.9));
        RoadCurve { removal, unperturbed, points: points.map(point).to_vec() }
    }

    #[test]
    fn readings_by_hand() {
        let road = Road {
            morf: curve(Removal::Morf, [(10.0, true, 0.6), (30.0, false, 0.3), (80.0, false, 0.0)]),
            lerf: curve(Removal::Lerf, [(10.0, true, 0.9), (30.0, true, 0.6), (80.0, false, 0.3)]),
            ties: Ties::LastFirst,
            tied_share: 0.0,
            reduction: ChannelReduction::AbsSum,
        };
        let expected = [2.0 / 3.0, 0.5, 2.0 / 3.0, 0.75, 0.6, 0.45, 0.45, 1.0 / 3.0, 0.3];
        for (aopc, expected) in Aopc::ALL.into_iter().zip(expected) {
            let found = aopc.of(&road);
            assert!((found - expected).abs() < 1e-12, "{}: {found}, not {expected}", aopc.name());
        }
    }
}
