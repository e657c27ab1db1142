//! Measures and curves of what was measured.

use hsets_pipeline::{
    self as pipeline, MetricReport,
    metrics::{ProbabilityCurve, RoadCurve},
};

use super::{Curve, Measure, MethodReport};
use crate::{
    document::{Better, Estimate},
    plot::Axis,
};

impl MethodReport<'_> {
    /// With every number and curve of `metrics`, instead of the numbers it has.
    #[must_use]
    pub fn measured(self, metrics: &MetricReport) -> Self {
        let measures = metrics.readings().into_iter().map(|reading| Measure {
            name: reading.name,
            value: Estimate::exact(reading.value),
            decimals: 3,
            better: match reading.better {
                pipeline::Better::Higher => Some(Better::Higher),
                pipeline::Better::Lower => Some(Better::Lower),
                pipeline::Better::Zero | pipeline::Better::Neither => None,
            },
        });
        Self { measures: measures.collect(), curves: curves(metrics), ..self }
    }
}

fn curves(metrics: &MetricReport) -> Vec<Curve> {
    let mut curves = Vec::new();
    if let Some(road) = &metrics.road {
        curves.push(of_road(
            &road.morf,
            "ROAD, most relevant pixels first",
            "Pixels are imputed in the order of the map. The faster a curve falls, the more \
             faithful is the map.",
        ));
        curves.push(of_road(
            &road.lerf,
            "ROAD, least relevant pixels first",
            "The longer a curve stays up, the more faithful is the map.",
        ));
    }
    if let Some(deletion) = &metrics.deletion {
        let caption = "Pixels go to zero in the order of the map. A faithful map has a small area.";
        curves.push(of_probabilities(deletion, "Deletion", caption));
    }
    if let Some(insertion) = &metrics.insertion {
        let caption = "Pixels come into a blurred image in the order of the map. A faithful map \
                       has a large area.";
        curves.push(of_probabilities(insertion, "Insertion", caption));
    }
    curves
}

fn of_road(curve: &RoadCurve, title: &str, caption: &str) -> Curve {
    let points = std::iter::once(&curve.unperturbed).chain(&curve.points);
    let points = points.map(|point| (point.percentage, point.probability)).collect();
    new(title, caption, "pixels imputed", points)
}

fn of_probabilities(curve: &ProbabilityCurve, title: &str, caption: &str) -> Curve {
    let last = curve.probabilities.len().saturating_sub(1).max(1) as f64;
    let points = curve.probabilities.iter().enumerate();
    let points = points.map(|(i, probability)| (100.0 * i as f64 / last, *probability)).collect();
    new(title, caption, "pixels changed", points)
}

fn new(title: &str, caption: &str, share: &str, points: Vec<(f64, f64)>) -> Curve {
    Curve {
        title: title.into(),
        caption: caption.into(),
        x: Axis::new(share).unit("%").range(0.0, 100.0),
        y: Axis::new("probability of the class").range(0.0, 1.0),
        points,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_start_at_the_untouched_image_and_end_at_all_pixels() {
        let curve = ProbabilityCurve { probabilities: vec![0.9, 0.5, 0.1] };
        let points = of_probabilities(&curve, "", "").points;
        assert_eq!(points, [(0.0, 0.9), (50.0, 0.5), (100.0, 0.1)]);
    }
}
