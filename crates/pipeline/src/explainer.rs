//! One image, explained by any number of methods.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use hsets_attribution::{Normalisation, PathGradients};
use hsets_core::{
    ChannelReduction, Error, Image, MaskReport, Photo, Progress, Randomisable, Removal, Result,
    Scored, SegmentMap, Segmentation, Segmenter, Target, TwiceDifferentiable,
};

use crate::{
    Cost, Explanation, Measures, Reference, Settings,
    memo::{Memo, RemovalMemo, Shelf, Start},
    method::{Findings, Task},
    stopwatch::Stopwatch,
    work::Counted,
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

/// How the pictures of a network are normalised.
#[cfg(feature = "models")]
pub fn normalisation(preprocessing: &hsets_models::Preprocessing) -> Normalisation {
    Normalisation { mean: preprocessing.mean.to_vec(), std: preprocessing.std.to_vec() }
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
    Explainer::new(field, subject, segmenter, progress)?.explain(settings, progress)
}

/// One image with its segments, to be explained by any number of methods and settings.
///
/// What several of them need is computed once: the gradients along a path, the linearisation of the
/// network with the rows of its Hessian, and the sets that were found. An explanation is the same
/// whatever was explained before. Its [`Cost`] says what its method takes alone, and how much of
/// that was spared.
///
/// It holds what it computed: with the defaults, 51 gradients of the image's size and up to 256 MiB
/// of Hessian rows, besides the activations of the network in each linearisation.
///
/// ```
/// use hsets_pipeline::{
///     Explainer, Method, Settings, Subject, attribution::Normalisation,
///     core::{Image, Photo, Shape, Silent, analytic::Polynomial}, segmentation::Grid,
/// };
/// # let shape = Shape::new(3, 2, 2);
/// # let field = Polynomial::new(shape, vec![vec![(1.0, vec![0, 4]), (1.0, vec![3])]]);
/// # let photo = Photo::new(2, 2, vec![255; 12])?;
/// # let normalisation = Normalisation::identity(3);
/// # let image = Image::constant(shape, 1.0);
/// let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
/// let segmenter = Grid { rows: 2, columns: 2 };
/// let explainer = Explainer::new(&field, &subject, &segmenter, &Silent)?;
/// for method in [Method::HSets, Method::Ig, Method::SegmentsByArea] {
///     let settings = Settings { method, ..Settings::paper() };
///     println!("{method}: {}", explainer.explain(&settings, &Silent)?.measures.gini);
/// }
/// # Ok::<(), hsets_core::Error>(())
/// ```
pub struct Explainer<'a> {
    pub(crate) field: Counted<'a>,
    pub(crate) image: &'a Image,
    pub(crate) photo: &'a Photo,
    pub(crate) normalisation: &'a Normalisation,
    pub(crate) segments: SegmentMap,
    pub(crate) memo: Memo<'a>,
    /// Which pixels hold the evidence, for metrics.
    pub(crate) mask: Option<&'a [bool]>,
    /// The network with its weights drawn anew, for metrics.
    pub(crate) network: Option<&'a dyn Randomisable>,
    masks: Option<MaskReport>,
    logits: Vec<f32>,
    /// Time taken before the first explanation.
    preparation: RefCell<Stopwatch>,
}

impl<'a> Explainer<'a> {
    /// Splits the photo into segments and asks the network for its logits.
    pub fn new(
        field: &'a dyn TwiceDifferentiable,
        subject: &Subject<'a>,
        segmenter: &dyn Segmenter,
        progress: &dyn Progress,
    ) -> Result<Self> {
        subject.image.expect_shape("image", field.shape())?;
        let stopwatch = RefCell::default();
        let segment = || segmenter.segment_with(subject.photo, progress);
        let Segmentation { segments, masks } =
            Stopwatch::time(&stopwatch, "segmentation", segment)?;
        Ok(Self { masks, ..Self::prepared(field, subject, segments, stopwatch)? })
    }

    /// With segments that are already there, of any size.
    pub fn with_segments(
        field: &'a dyn TwiceDifferentiable,
        subject: &Subject<'a>,
        segments: SegmentMap,
    ) -> Result<Self> {
        Self::prepared(field, subject, segments, RefCell::default())
    }

    fn prepared(
        field: &'a dyn TwiceDifferentiable,
        subject: &Subject<'a>,
        segments: SegmentMap,
        preparation: RefCell<Stopwatch>,
    ) -> Result<Self> {
        let image = subject.image;
        image.expect_shape("image", field.shape())?;
        Ok(Self {
            field: Counted { field, ledger: Arc::default() },
            image,
            photo: subject.photo,
            normalisation: subject.normalisation,
            segments: at_size_of(image, segments)?,
            memo: Memo::default(),
            mask: None,
            network: None,
            masks: None,
            logits: logits(field, image, &preparation)?,
            preparation,
        })
    }

    /// The same image in other segments, of any size. What does not depend on segments stays known:
    /// path gradients, linearisations, Hessian rows.
    pub fn resegmented(self, segments: SegmentMap) -> Result<Self> {
        let segments = at_size_of(self.image, segments)?;
        let memo =
            Memo { detections: Shelf::default(), removal: RemovalMemo::default(), ..self.memo };
        Ok(Self { segments, masks: None, memo, ..self })
    }

    /// With what some metrics need besides: which pixels \[H·W\] hold the evidence, and the network
    /// with its weights drawn anew.
    #[must_use]
    pub fn known(self, mask: Option<&'a [bool]>, network: Option<&'a dyn Randomisable>) -> Self {
        Self { mask, network, ..self }
    }

    /// Logits \[`n_classes`\] of the image.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// What these settings explain of the image.
    pub fn explained(&self, settings: &Settings) -> Target {
        settings.explained(&self.logits, self.field.link())
    }

    /// The segments, at the size of the image.
    pub fn segments(&self) -> &SegmentMap {
        &self.segments
    }

    /// Explains the image.
    pub fn explain(&self, settings: &Settings, progress: &dyn Progress) -> Result<Explanation> {
        settings.check()?;
        let before = self.field.ledger.begin();
        self.memo.removal.begin();
        let stopwatch = RefCell::new(self.preparation.take());
        let start = self.start(settings)?;
        let target = self.explained(settings);
        target.check(self.logits.len())?;
        let task = Task {
            explainer: self,
            settings,
            baseline: &start.image,
            target: &target,
            progress,
            stopwatch: &stopwatch,
        };
        let Findings { sets, map, completeness, refinement, baseline_logits, interactions } =
            settings.method.run(&task)?;
        let baseline_logits = match baseline_logits {
            Some(logits) => logits,
            None => self.baseline_logits(&start, &stopwatch)?,
        };
        let gini = task.time("metrics", || hsets_metrics::gini(&map, ChannelReduction::AbsSum))?;
        self.field.ledger.reuse(self.memo.removal.reused());
        let after = self.field.ledger.tally();
        let reused = after.reused - before.reused;
        Ok(Explanation {
            image: self.image.clone(),
            target,
            logits: self.logits.clone(),
            link: self.field.link(),
            baseline_logits,
            segments: self.segments.clone(),
            masks: self.masks.clone(),
            sets,
            interactions,
            map,
            refinement,
            measures: Measures { gini, completeness },
            cost: Cost {
                timings: stopwatch.into_inner().into_timings(),
                alone: after.computed - before.computed + reused,
                reused,
            },
        })
    }

    /// Pictures with parts removed; all that ask for those of one reference and target share what is
    /// known of them.
    pub fn removal(&self, reference: &Reference, target: &Target) -> Result<Arc<Removal<'a>>> {
        let key = (reference.clone(), target.fixed(&self.logits));
        self.memo.removal.removals.get(&self.field.ledger, key, || {
            let shown = reference.image(self.image, &self.segments, self.normalisation)?;
            let field = self.field.clone();
            let target = target.fixed(&self.logits);
            let removal = Removal::new(field, self.image, reference.name(), shown, target)?;
            Ok(Arc::new(removal))
        })
    }

    /// The path of IDG-Vis.
    pub(crate) fn path_of(
        &self,
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<Arc<PathGradients>> {
        let start = self.start(settings)?;
        let target = settings.target.fixed(&self.logits);
        let stopwatch = RefCell::default();
        let baseline = &start.image;
        let target = &settings.attribution.target(&target);
        let task =
            Task { explainer: self, settings, baseline, target, progress, stopwatch: &stopwatch };
        task.path(&settings.attribution.path(), target)
    }

    fn start(&self, settings: &Settings) -> Result<Arc<Start>> {
        let baseline = settings.baseline.clone();
        self.memo.starts.get(&self.field.ledger, baseline, || {
            let image = settings.baseline.image(self.image, self.normalisation)?;
            Ok(Arc::new(Start { image, logits: OnceLock::new() }))
        })
    }

    fn baseline_logits(&self, start: &Start, time: &RefCell<Stopwatch>) -> Result<Vec<f32>> {
        if let Some(known) = start.logits.get() {
            return Ok(known.clone());
        }
        let found = logits(self.field.field, &start.image, time)?;
        Ok(start.logits.get_or_init(|| found).clone())
    }
}

/// Logits of one image, all finite.
fn logits(
    field: &dyn TwiceDifferentiable,
    image: &Image,
    stopwatch: &RefCell<Stopwatch>,
) -> Result<Vec<f32>> {
    let forward = || field.logits(std::slice::from_ref(image));
    let logits = Stopwatch::time(stopwatch, "logits", forward)?.pop().unwrap_or_default();
    if logits.len() != field.n_classes() {
        return Err(Error::shape("logits", field.n_classes(), logits.len()));
    }
    if !logits.iter().all(|logit| logit.is_finite()) {
        return Err(Error::NotFinite {
            what: "the network's output".into(),
            hint: "check the weights for NaN and infinity, and the input's normalisation".into(),
        });
    }
    Ok(logits)
}

fn at_size_of(image: &Image, segments: SegmentMap) -> Result<SegmentMap> {
    let shape = image.shape();
    if (segments.width(), segments.height()) == (shape.width, shape.height) {
        return Ok(segments);
    }
    segments.resized(shape.width, shape.height)
}
