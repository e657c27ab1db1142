//! What is known of one image, so that nothing is computed twice.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use hsets_attribution::{Baseline, PathGradients, Quadrature, Steps};
use hsets_core::{Curvature, Error, Image, Mask, Removal, Result, SaliencyMap, Smoothing, Target};
use hsets_detection::{Contrasts, Detection, HessianSets, Proposed};

use crate::Reference;
use crate::work::{CountedCurvature, Ledger, Work};

/// Everything that may serve a second explanation of one image.
#[derive(Default)]
pub(crate) struct Memo<'a> {
    pub(crate) starts: Shelf<Baseline, Arc<Start>>,
    pub(crate) paths: Shelf<PathKey, Arc<PathGradients>>,
    pub(crate) gradients: Shelf<Target, Arc<SaliencyMap>>,
    pub(crate) curvatures: Shelf<(Target, Smoothing), Arc<Remembered<'a>>>,
    pub(crate) detections: Shelf<DetectionKey, Arc<Detection>>,
    pub(crate) removal: RemovalMemo<'a>,
}

/// What is known of pictures with parts removed; all of it depends on the segments.
#[derive(Default)]
pub(crate) struct RemovalMemo<'a> {
    pub(crate) removals: Shelf<(Reference, Target), Arc<Removal<'a>>>,
    pub(crate) proposals: Shelf<ProposalKey, Arc<Proposed>>,
    pub(crate) triples: Shelf<(ProposalKey, [Mask; 2]), Option<[Mask; 3]>>,
}

/// What proposals depend on, beside the segments.
pub(crate) type ProposalKey = (Contrasts, Reference, Target);

impl RemovalMemo<'_> {
    /// Another explanation begins.
    pub(crate) fn begin(&self) {
        self.removals.0.borrow().iter().for_each(|kept| kept.value.begin());
    }

    /// What was known before this explanation and served it.
    pub(crate) fn reused(&self) -> Work {
        let n_forwards = self.removals.0.borrow().iter().map(|kept| kept.value.n_reused()).sum();
        Work { n_forwards, ..Work::default() }
    }
}

/// Where a path starts.
pub(crate) struct Start {
    pub(crate) image: Image,
    /// Asked for only where no path tells them.
    pub(crate) logits: OnceLock<Vec<f32>>,
}

/// What the gradients along a path depend on.
#[derive(PartialEq)]
pub(crate) struct PathKey {
    pub(crate) baseline: Baseline,
    pub(crate) steps: Steps,
    pub(crate) quadrature: Quadrature,
    pub(crate) keep_points: bool,
    pub(crate) target: Target,
}

/// What the sets depend on.
#[derive(PartialEq)]
pub(crate) struct DetectionKey {
    pub(crate) settings: HessianSets,
    pub(crate) target: Target,
    /// Of the path whose Integrated Gradients rank the seeds.
    pub(crate) baseline: Baseline,
    pub(crate) steps: Steps,
}

/// Values by what they depend on, each with what it cost.
pub(crate) struct Shelf<K, V>(RefCell<Vec<Kept<K, V>>>);

struct Kept<K, V> {
    key: K,
    value: V,
    work: Work,
    /// The explanation that used it last.
    run: usize,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: PartialEq, V: Clone> Shelf<K, V> {
    /// The value of `key`, made only if it is not there. `make` must not ask for other values:
    /// their cost would count twice.
    pub(crate) fn get(
        &self,
        ledger: &Ledger,
        key: K,
        make: impl FnOnce() -> Result<V>,
    ) -> Result<V> {
        let before = ledger.tally();
        if let Some(kept) = self.0.borrow_mut().iter_mut().find(|kept| kept.key == key) {
            if kept.run != before.run {
                kept.run = before.run;
                ledger.reuse(kept.work);
            }
            return Ok(kept.value.clone());
        }
        let value = make()?;
        let after = ledger.tally();
        let work = after.computed + after.reused - (before.computed + before.reused);
        self.0.borrow_mut().push(Kept { key, value: value.clone(), work, run: before.run });
        Ok(value)
    }
}

/// Bytes of Hessian rows that are kept; further ones are computed whenever they are asked for.
const ROOM: usize = 256 << 20;

/// A linearisation that keeps the rows it gave.
pub(crate) struct Remembered<'a> {
    curvature: CountedCurvature<'a>,
    rows: Mutex<BTreeMap<usize, Vec<f32>>>,
}

impl<'a> Remembered<'a> {
    pub(crate) fn new(curvature: CountedCurvature<'a>) -> Self {
        Self { curvature, rows: Mutex::default() }
    }
}

impl Curvature for Remembered<'_> {
    fn logits(&self) -> &[f32] {
        self.curvature.logits()
    }

    fn gradient(&self) -> &[f32] {
        self.curvature.gradient()
    }

    fn products(&self, directions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        self.curvature.products(directions)
    }

    fn rows(&self, features: &[usize]) -> Result<Vec<Vec<f32>>> {
        let mut known = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = features.iter().filter(|feature| !known.contains_key(feature));
        let unknown: Vec<usize> = unknown.copied().collect();
        let n_rows = features.len() - unknown.len();
        self.curvature.ledger.reuse(Work { n_rows, ..Work::default() });
        let computed = if unknown.is_empty() { vec![] } else { self.curvature.rows(&unknown)? };
        if computed.len() != unknown.len() {
            return Err(Error::shape("Hessian rows", unknown.len(), computed.len()));
        }
        let new: BTreeMap<usize, Vec<f32>> = unknown.into_iter().zip(computed).collect();
        let row = |feature: &usize| known.get(feature).or(new.get(feature)).cloned();
        let rows: Vec<Vec<f32>> = features.iter().filter_map(row).collect();
        let n_kept = ROOM / (size_of::<f32>() * self.gradient().len().max(1));
        let n_free = n_kept.saturating_sub(known.len());
        known.extend(new.into_iter().take(n_free));
        Ok(rows)
    }
}
