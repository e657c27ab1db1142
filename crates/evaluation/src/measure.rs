//! Names of the numbers, before there are any.

use hsets_core::{Image, Result, SaliencyMap, Scored, Shape, Silent, Target};
use hsets_pipeline::{Measured, Metric, MetricSettings, attribution::Normalisation, measure};

/// Names of all readings that these settings give, in their order.
pub fn metric_names(settings: &MetricSettings) -> Result<Vec<String>> {
    // They depend on the settings only, so any map of anything will do.
    let image = Image::constant(Nothing.shape(), 1.0);
    let map = SaliencyMap::new(Nothing.shape(), vec![1.0; Nothing.shape().len()])?;
    let of = Measured {
        field: &Nothing,
        image: &image,
        normalisation: &Normalisation::identity(3),
        target: &Target::Logit(0),
    };
    let report = measure(&of, &map, settings, &Silent)?;
    let mut names: Vec<String> = report.readings().into_iter().map(|r| r.name).collect();
    // Only a method has it; it is the last of all readings.
    if settings.metrics.contains(&Metric::MaxSensitivity) {
        names.push("max-sensitivity".into());
    }
    Ok(names)
}

/// Two classes, whatever it sees.
struct Nothing;

impl Scored for Nothing {
    fn shape(&self) -> Shape {
        Shape::new(3, 16, 16)
    }

    fn n_classes(&self) -> usize {
        2
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        Ok(vec![vec![0.0; 2]; images.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Photo;
    use hsets_core::analytic::Polynomial;
    use hsets_pipeline::{Explainer, Settings, Subject, segmentation::Grid};

    /// A real explanation gives readings of just these names.
    #[test]
    fn names_are_those_of_readings() {
        let shape = Shape::new(3, 8, 8);
        let field = Polynomial::new(shape, vec![vec![(1.0, vec![0, 70])], vec![(0.5, vec![3])]]);
        let photo = Photo::new(8, 8, vec![255; shape.len()]).unwrap();
        let (image, normalisation) = (Image::constant(shape, 1.0), Normalisation::identity(3));
        let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
        let segmenter = Grid { rows: 2, columns: 2 };
        let explainer = Explainer::new(&field, &subject, &segmenter, &Silent).unwrap();
        let settings = Settings::paper();
        let explanation = explainer.explain(&settings, &Silent).unwrap();
        for metrics in
            [Metric::ALL.to_vec(), vec![Metric::Gini], vec![Metric::Road, Metric::MaxSensitivity]]
        {
            let metrics = MetricSettings { metrics, ..MetricSettings::paper() };
            let report = explainer.measure(&explanation, &settings, &metrics, &Silent).unwrap();
            let found: Vec<String> = report.readings().into_iter().map(|r| r.name).collect();
            assert_eq!(metric_names(&metrics).unwrap(), found);
        }
    }
}
