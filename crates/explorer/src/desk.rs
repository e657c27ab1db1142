//! A warm picture: what was computed of it once, and the two threads that answer questions on it.
//!
//! What borrows from the network (its linearisation, the explainer) lives on the stacks of these
//! threads, so that a picture is dropped by ending them. One answers what takes a blink, the other
//! what takes long: nobody waits for Integrated Gradients to see what the network says without a
//! region.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use hsets_core::{
    Curvature, Error, Image, Mask, Photo, Progress, Removal, Result, SegmentMap, Segmentation,
    Target,
};
use hsets_pipeline::{
    ContrastSettings, Explainer, Reference, Subject,
    attribution::{Baseline, Normalisation},
    detection::{self, HessianSets},
    models::{Classifier, Prepared},
    normalisation,
    segmentation::SegmenterChoice,
};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{
    error::Refusal,
    region::Region,
    removal::{reference, without},
};

/// Work at a desk.
pub(crate) type Job = Box<dyn for<'a> FnOnce(&mut Desk<'a>) + Send>;

/// Whose turn it is: of all pictures, one short and one long job run at a time.
pub(crate) struct Turns {
    quick: Turn,
    long: Turn,
}

/// One job at a time.
#[derive(Clone, Default)]
pub(crate) struct Turn {
    taken: Arc<Mutex<()>>,
    /// Threads of their own: among those of long jobs a short one waits for passes of whole batches.
    threads: Option<Arc<ThreadPool>>,
}

impl Turns {
    pub(crate) fn new() -> io::Result<Self> {
        let threads = ThreadPoolBuilder::new().build().map_err(io::Error::other)?;
        let quick = Turn { threads: Some(Arc::new(threads)), ..Turn::default() };
        Ok(Self { quick, long: Turn::default() })
    }
}

impl Turn {
    /// Returns once nobody has the turn.
    pub(crate) fn pass(&self) {
        drop(self.taken.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn take<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let _taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.threads {
            Some(threads) => threads.install(work),
            None => work(),
        }
    }
}

/// Segmentations that are kept for a picture.
const SEGMENTATIONS: usize = 16;

/// How a picture is segmented: by whom, and with what painted over.
pub(crate) type SegmentsKey = (String, Vec<Region>);

/// A picture that is being looked at.
pub(crate) struct Warm {
    pub(crate) prepared: Arc<Prepared>,
    /// Of the whole picture.
    pub(crate) logits: Vec<f32>,
    quick: mpsc::Sender<Job>,
    long: mpsc::Sender<Job>,
    /// Long jobs stand aside while it is taken.
    pub(crate) quick_turn: Turn,
    segments: Mutex<Vec<(SegmentsKey, Arc<Segmentation>)>>,
}

impl Warm {
    pub(crate) fn new(
        classifier: Arc<Classifier>,
        prepared: Arc<Prepared>,
        turns: &Turns,
    ) -> Result<Self, Refusal> {
        let image = std::slice::from_ref(&prepared.image);
        let logits = turns.quick.take(|| classifier.field().logits(image))?;
        let logits = logits.into_iter().next().unwrap_or_default();
        if logits.is_empty() || !logits.iter().all(|logit| logit.is_finite()) {
            return Err(Refusal::internal(
                "the network gave something that is not a number; check its weights",
            ));
        }
        let quick = start(Arc::clone(&classifier), Arc::clone(&prepared), &turns.quick)?;
        let long = start(classifier, Arc::clone(&prepared), &turns.long)?;
        let quick_turn = turns.quick.clone();
        Ok(Self { prepared, logits, quick, long, quick_turn, segments: Mutex::default() })
    }

    /// Hands in a job. A desk that is gone drops it, which the one who waits sees.
    pub(crate) fn run(&self, is_long: bool, job: Job) {
        let _ = if is_long { &self.long } else { &self.quick }.send(job);
    }

    /// The segments, if they were asked for before.
    pub(crate) fn known_segments(&self, key: &SegmentsKey) -> Option<Arc<Segmentation>> {
        let known = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(other, _)| other == key).map(|(_, found)| Arc::clone(found))
    }

    /// The segments by `choice`, with the regions of the key painted over.
    pub(crate) fn segments(
        &self,
        key: &SegmentsKey,
        choice: &SegmenterChoice,
        progress: &dyn Progress,
    ) -> Result<Arc<Segmentation>, Refusal> {
        if let Some(known) = self.known_segments(key) {
            return Ok(known);
        }
        let (by, edits) = key;
        let photo = &self.prepared.photo;
        let new = if edits.is_empty() {
            let side = photo.width().min(photo.height());
            choice.clone().for_side(side).build()?.segment_with(photo, progress)?
        } else {
            let base = self.segments(&(by.clone(), Vec::new()), choice, progress)?;
            Segmentation { segments: painted(&base.segments, edits)?, masks: base.masks.clone() }
        };
        if progress.is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        let new = Arc::new(new);
        let mut known = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SEGMENTATIONS {
            known.remove(0);
        }
        known.push((key.clone(), Arc::clone(&new)));
        Ok(new)
    }
}

/// Segments with every region as one more segment on top.
fn painted(base: &SegmentMap, regions: &[Region]) -> Result<SegmentMap> {
    let mut labels = base.labels().to_vec();
    for (label, region) in (base.n_segments() as u32..).zip(regions) {
        let n = labels.len();
        let inside = region.pixels().take_while(|&pixel| pixel < n);
        inside.for_each(|pixel| labels[pixel] = label);
    }
    SegmentMap::new(base.width(), base.height(), &labels)
}

/// A thread with a desk. It ends when nobody can hand in jobs any more.
fn start(
    classifier: Arc<Classifier>,
    prepared: Arc<Prepared>,
    turn: &Turn,
) -> Result<mpsc::Sender<Job>, Refusal> {
    let (send, receive) = mpsc::channel::<Job>();
    let turn = turn.clone();
    let work = move || {
        let normalisation = normalisation(classifier.preprocessing());
        let new = || Desk {
            classifier: &classifier,
            prepared: &prepared,
            normalisation: &normalisation,
            curvature: None,
            explainer: None,
            removal: None,
            references: Vec::new(),
            logits: Vec::new(),
        };
        let mut desk = new();
        for job in receive {
            // A job that panics takes its answer with it, and what it left half done.
            if catch_unwind(AssertUnwindSafe(|| turn.take(|| job(&mut desk)))).is_err() {
                desk = new();
            }
        }
    };
    let thread = std::thread::Builder::new().name("desk".into()).spawn(work);
    thread.map(|_| send).map_err(|error| Refusal::internal(error.to_string()))
}

/// What is kept of a picture.
pub(crate) struct Desk<'a> {
    pub(crate) classifier: &'a Classifier,
    pub(crate) prepared: &'a Prepared,
    pub(crate) normalisation: &'a Normalisation,
    /// Of the target that was asked about last.
    curvature: Option<(Target, Box<dyn Curvature + 'a>)>,
    explainer: Option<(Target, SegmentsKey, usize, Explainer<'a>)>,
    /// For glances.
    removal: Option<(Target, SegmentsKey, Removal<'a>)>,
    references: Vec<(String, SegmentsKey, Arc<Image>)>,
    logits: Vec<(Arc<Image>, Region, Vec<f32>)>,
}

/// Logits of pictures without a region that are kept.
const KNOWN: usize = 256;
/// References that are kept.
const REFERENCES_KEPT: usize = 8;
/// Explanations after which an explainer is made anew, so that what it keeps is bounded.
const EXPLANATIONS: usize = 100;

impl<'a> Desk<'a> {
    pub(crate) fn image(&self) -> &'a Image {
        &self.prepared.image
    }

    /// The linearisation as detection smooths it.
    pub(crate) fn curvature(&mut self, target: &Target) -> Result<&dyn Curvature> {
        if self.curvature.as_ref().is_none_or(|(known, _)| known != target) {
            // Two at a time would take the memory twice.
            self.curvature = None;
            let smoothing = HessianSets::paper().smoothing;
            let new = self.classifier.field().curvature_at(self.image(), target, smoothing)?;
            self.curvature = Some((target.clone(), new));
        }
        let curvature = self.curvature.as_ref().map(|(_, curvature)| curvature.as_ref());
        curvature.ok_or(Error::Cancelled)
    }

    /// The image where a path starts.
    pub(crate) fn baseline(&self, baseline: &Baseline) -> Result<Image> {
        baseline.image(self.image(), self.normalisation)
    }

    /// What removed pixels show, by the name of the reference, in these segments.
    pub(crate) fn reference(
        &mut self,
        name: &str,
        key: &SegmentsKey,
        segments: &SegmentMap,
    ) -> Result<Arc<Image>> {
        let found = self.references.iter().find(|(n, k, _)| n == name && k == key);
        if let Some((.., known)) = found {
            return Ok(Arc::clone(known));
        }
        let new = reference(name)?.image(self.image(), segments, self.normalisation)?;
        let new = Arc::new(new);
        if self.references.len() >= REFERENCES_KEPT {
            self.references.remove(0);
        }
        self.references.push((name.to_owned(), key.clone(), Arc::clone(&new)));
        Ok(new)
    }

    /// The picture without a region, as people see it.
    pub(crate) fn seen_without(&self, region: &Region, shown: &Image) -> Result<Photo> {
        let image = without(self.image(), region, shown)?;
        self.classifier.preprocessing().denormalize(&image)
    }

    /// Logits of the picture without each of the regions, which show what `shown` is there.
    pub(crate) fn logits_without(
        &mut self,
        regions: &[Region],
        shown: &Arc<Image>,
    ) -> Result<Vec<Vec<f32>>> {
        let known = |desk: &Self, region: &Region| {
            let found = desk.logits.iter().find(|(s, r, _)| Arc::ptr_eq(s, shown) && r == region);
            found.map(|(.., logits)| logits.clone())
        };
        let mut new: Vec<Region> = Vec::new();
        for region in regions {
            if known(self, region).is_none() && !new.contains(region) {
                new.push(region.clone());
            }
        }
        let images = new.iter().map(|region| without(self.image(), region, shown));
        let computed = self.classifier.field().logits(&images.collect::<Result<Vec<_>>>()?)?;
        let computed = new.into_iter().zip(computed);
        self.logits.extend(computed.map(|(region, logits)| (Arc::clone(shown), region, logits)));
        let found = regions.iter().map(|region| known(self, region).unwrap_or_default()).collect();
        let surplus = self.logits.len().saturating_sub(KNOWN);
        self.logits.drain(..surplus);
        Ok(found)
    }

    /// D of a region from two gradients: see [`hsets_pipeline::detection::partners`].
    pub(crate) fn glance(
        &mut self,
        region: &Mask,
        target: &Target,
        settings: &ContrastSettings,
        (key, segments): (&SegmentsKey, &SegmentMap),
        progress: &dyn Progress,
    ) -> Result<Vec<f32>> {
        let is_known = |(t, k, _): &(Target, SegmentsKey, Removal<'_>)| t == target && k == key;
        if !self.removal.as_ref().is_some_and(is_known) {
            let first = settings.references.first().unwrap_or(&Reference::Ring);
            let shown = first.image(self.image(), segments, self.normalisation)?;
            let field = self.classifier.field();
            let removal = Removal::new(field, self.image(), first.name(), shown, target.clone())?;
            self.removal = Some((target.clone(), key.clone(), removal));
        }
        let Some((.., removal)) = &self.removal else { return Err(Error::Cancelled) };
        let mut glance = settings.regions.clone();
        (glance.proposals.copies, glance.proposals.midpoints) = (1, 1);
        let field = self.classifier.field();
        detection::partners(field, removal, region, &glance, progress)
    }

    /// The explainer of the picture in these segments.
    pub(crate) fn explainer(
        &mut self,
        target: &Target,
        key: &SegmentsKey,
        segmentation: &Segmentation,
    ) -> Result<&Explainer<'a>> {
        let kept = self.explainer.take().filter(|(known, _, uses, _)| {
            // Another target shares next to nothing, and would take its memory besides.
            known == target && *uses < EXPLANATIONS
        });
        let segments = segmentation.segments.clone();
        let (uses, explainer) = match kept {
            Some((_, known, uses, explainer)) if known == *key => (uses, explainer),
            Some((_, _, uses, explainer)) => (uses, explainer.resegmented(segments)?),
            None => {
                let subject = Subject {
                    image: &self.prepared.image,
                    photo: &self.prepared.photo,
                    normalisation: self.normalisation,
                };
                let field = self.classifier.field();
                (0, Explainer::with_segments(field, &subject, segments)?)
            }
        };
        let kept = self.explainer.insert((target.clone(), key.clone(), uses + 1, explainer));
        Ok(&kept.3)
    }
}
