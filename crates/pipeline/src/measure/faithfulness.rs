//! Whether a map predicts what the network does when pixels go.

use hsets_attribution::Baseline;
use hsets_core::{CompletenessGap, Error, Image, Result, Shape};
use hsets_metrics::{
    Aopc, Infidelity, InsertionDeletion, Perturb, ProbabilityCurve, RoadCurve, RoadPoint,
    RoadSettings, Units, deletion, infidelity, insertion, road,
};

use super::{
    Better, Curve, Measured, Stoppable, Task,
    metric::{Found, Named, Needs, Spec, named},
};

/// What all curves of this file show.
const PROBABILITY: &str = "probability of the class";

pub(super) const ROAD: Spec = Spec {
    name: "road",
    needs: Needs::Nothing,
    readings: || {
        let label = |aopc| match aopc {
            Aopc::OneMinusAccuracy => Some("ROAD 1-acc"),
            Aopc::LerfMinusMorfProbability => Some("LeRF-MoRF"),
            _ => None,
        };
        let aopc = |aopc: Aopc| Named {
            name: format!("road-{}", aopc.name()),
            better: Better::Higher,
            label: label(aopc),
        };
        let tied = named([("tied-share", Better::Neither, None)]);
        Aopc::ALL.into_iter().map(aopc).chain(tied).collect()
    },
    measure: |task| {
        let Measured { field, image, .. } = *task.of;
        let reduction = task.settings.reduction;
        let settings = RoadSettings { reduction, ..task.settings.road.clone() };
        let found = road(field, image, task.map, task.class, &settings, task.progress)?;
        let values = Aopc::ALL.into_iter().map(|aopc| aopc.of(&found));
        let curves = vec![
            of_road(
                "road-morf",
                &found.morf,
                "ROAD, most relevant pixels first",
                "Pixels are imputed in the order of the map. The faster a curve falls, the more \
                 faithful is the map.",
            ),
            of_road(
                "road-lerf",
                &found.lerf,
                "ROAD, least relevant pixels first",
                "The longer a curve stays up, the more faithful is the map.",
            ),
        ];
        Ok(Found { values: values.chain([found.tied_share]).collect(), curves, note: None })
    },
};

fn of_road(
    name: &'static str,
    curve: &RoadCurve,
    title: &'static str,
    caption: &'static str,
) -> Curve {
    let points = || std::iter::once(&curve.unperturbed).chain(&curve.points);
    Curve {
        name,
        title,
        caption,
        share_of: "pixels imputed",
        quantity: PROBABILITY,
        points: points().map(|point| (point.percentage, point.probability)).collect(),
        correct: points().map(|point: &RoadPoint| point.correct).collect(),
    }
}

pub(super) const INSERTION_DELETION: Spec = Spec {
    name: "insertion-deletion",
    needs: Needs::Nothing,
    readings: || {
        named([
            ("deletion-auc", Better::Lower, Some("deletion")),
            ("insertion-auc", Better::Higher, Some("insertion")),
        ])
    },
    measure: |task| {
        let Measured { field, image, normalisation, .. } = *task.of;
        let settings = InsertionDeletion {
            pixels_per_step: image.shape().n_pixels().div_ceil(task.settings.curve_steps),
            ties: task.settings.road.ties,
            reduction: task.settings.reduction,
            batch_size: task.settings.road.batch_size,
        };
        let (map, class, progress) = (task.map, task.class, task.progress);
        let blurred = Baseline::Blur { sigma: task.settings.insertion_blur };
        let blurred = blurred.image(image, normalisation)?;
        let zero = Image::constant(image.shape(), 0.0);
        let deletion = deletion(field, image, &zero, map, class, &settings, progress)?;
        let insertion = insertion(field, image, &blurred, map, class, &settings, progress)?;
        let values = vec![deletion.auc(), insertion.auc()];
        let curves = vec![
            of_probabilities(
                "deletion",
                &deletion,
                "Deletion",
                "Pixels go to zero in the order of the map. A faithful map has a small area.",
            ),
            of_probabilities(
                "insertion",
                &insertion,
                "Insertion",
                "Pixels come into a blurred image in the order of the map. A faithful map has a \
                 large area.",
            ),
        ];
        Ok(Found { values, curves, note: None })
    },
};

fn of_probabilities(
    name: &'static str,
    curve: &ProbabilityCurve,
    title: &'static str,
    caption: &'static str,
) -> Curve {
    let last = curve.probabilities.len().saturating_sub(1).max(1) as f64;
    let points = curve.probabilities.iter().enumerate();
    Curve {
        name,
        title,
        caption,
        share_of: "pixels changed",
        quantity: PROBABILITY,
        points: points.map(|(i, &probability)| (100.0 * i as f64 / last, probability)).collect(),
        correct: Vec::new(),
    }
}

pub(super) const INFIDELITY: Spec = Spec {
    name: "infidelity",
    needs: Needs::Nothing,
    readings: || named([("infidelity", Better::Lower, Some("infidelity"))]),
    measure: |task| {
        let Measured { field, image, .. } = *task.of;
        let Shape { height, width, .. } = image.shape();
        let perturb = Perturb::Square {
            side: (height.min(width) / 4).max(1),
            baseline: task.baseline.clone(),
            units: task.settings.units,
        };
        let settings = Infidelity {
            perturb,
            n_samples: task.settings.infidelity_samples,
            seed: task.settings.road.seed,
            normalize: true,
            batch_size: task.settings.road.batch_size,
        };
        let field = Stoppable { field, progress: task.progress };
        Ok(Found::of([infidelity(&field, image, task.map, task.target, &settings)?]))
    },
};

pub(super) const COMPLETENESS: Spec = Spec {
    name: "completeness",
    needs: Needs::Nothing,
    readings: || {
        named([
            ("completeness-gap", Better::Zero, None),
            ("completeness-gap-relative", Better::Zero, None),
        ])
    },
    measure: |task| {
        if task.settings.units != Units::Output {
            let note = "completeness needs a map in units of the output: not a number";
            return Ok(Found { note: Some(note), ..Found::of([f64::NAN; 2]) });
        }
        let gap = completeness(task)?;
        Ok(Found::of([gap.absolute(), gap.relative()]))
    },
};

fn completeness(task: &Task<'_>) -> Result<CompletenessGap> {
    let images = [task.of.image.clone(), task.baseline.clone()];
    let value = |logits: &Vec<f32>| {
        task.target.value(&logits.iter().map(|&z| f64::from(z)).collect::<Vec<_>>())
    };
    match &task.of.field.logits(&images)?.iter().map(value).collect::<Vec<_>>()[..] {
        [image, baseline] => Ok(CompletenessGap::new(task.map, *image, *baseline)),
        values => Err(Error::shape("logits", "2 images", values.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_start_at_the_untouched_image_and_end_at_all_pixels() {
        let curve = ProbabilityCurve { probabilities: vec![0.9, 0.5, 0.1] };
        let points = of_probabilities("", &curve, "", "").points;
        assert_eq!(points, [(0.0, 0.9), (50.0, 0.5), (100.0, 0.1)]);
    }
}
