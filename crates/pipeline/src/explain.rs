//! The stages, wired for one image.

use hsets_attribution::Normalisation;
use hsets_core::{
    ChannelReduction, Error, Image, Photo, Progress, Result, SegmentMap, Segmenter,
    TwiceDifferentiable,
};

use crate::{
    Cost, Explanation, Measures, Settings,
    method::{Findings, Task},
    stopwatch::Stopwatch,
};

/// One picture, as the network and as the segmenter see it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Normalised, \[C, H, W\].
    pub image: &'a Image,
    /// The same in 8 bits; of another size if it shows the same field of view.
    pub photo: &'a Photo,
    /// How `image` was normalised; baselines other than zero need it.
    pub normalisation: &'a Normalisation,
}

/// Explains one image.
pub fn explain(
    field: &dyn TwiceDifferentiable,
    subject: &Subject<'_>,
    segmenter: &dyn Segmenter,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Explanation> {
    settings.check()?;
    let image = subject.image;
    image.expect_shape("image", field.shape())?;
    let mut stopwatch = Stopwatch::default();
    let baseline = settings.baseline.image(image, subject.normalisation)?;
    let (logits, baseline_logits) = logits(field, image, &baseline)?;
    let target = settings.target.fixed(&logits);
    let segments = stopwatch.time("segmentation", || segment(segmenter, subject, progress))?;
    let task = Task {
        field,
        image,
        baseline: &baseline,
        target: &target,
        segments: &segments,
        settings,
        progress,
    };
    let Findings { sets, map, completeness_gap, n_gradients, n_rows } =
        settings.method.run(&task, &mut stopwatch)?;
    let gini = stopwatch.time("metrics", || hsets_metrics::gini(&map, ChannelReduction::AbsSum))?;
    Ok(Explanation {
        image: image.clone(),
        target,
        logits,
        baseline_logits,
        segments,
        sets,
        map,
        measures: Measures { gini, completeness_gap },
        cost: Cost { timings: stopwatch.into_timings(), n_gradients, n_rows },
    })
}

/// Logits of the image and of the baseline, all finite.
fn logits(
    field: &dyn TwiceDifferentiable,
    image: &Image,
    baseline: &Image,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut logits = field.logits(&[image.clone(), baseline.clone()])?.into_iter();
    let [of_image, of_baseline] = [(); 2].map(|()| logits.next().unwrap_or_default());
    for logits in [&of_image, &of_baseline] {
        if logits.len() != field.n_classes() {
            return Err(Error::shape("logits", field.n_classes(), logits.len()));
        }
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(Error::NotFinite {
                what: "the network's output".into(),
                hint: "check the weights for NaN and infinity, and the input's normalisation"
                    .into(),
            });
        }
    }
    Ok((of_image, of_baseline))
}

/// The segments, at the size of the image.
fn segment(
    segmenter: &dyn Segmenter,
    subject: &Subject<'_>,
    progress: &dyn Progress,
) -> Result<SegmentMap> {
    progress.begin("segmentation", 1);
    let segments = segmenter.segment(subject.photo)?;
    progress.advance(1);
    progress.end();
    let shape = subject.image.shape();
    if (segments.width(), segments.height()) == (shape.width, shape.height) {
        return Ok(segments);
    }
    segments.resized(shape.width, shape.height)
}
