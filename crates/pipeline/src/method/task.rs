//! What a method is given, and what it gives.

use std::{cell::RefCell, sync::Arc};

use hsets_attribution::{Baseline, PathGradients, PathSettings, Refinement, methods};
use hsets_core::{
    CompletenessGap, Error, Image, Progress, Result, SaliencyMap, SegmentMap, Smoothing, Target,
};

use crate::{
    Explainer, Interactions, ScoredSet, Settings,
    memo::{PathKey, Remembered},
    stopwatch::Stopwatch,
    work::Counted,
};

/// What a method is given.
#[derive(Clone, Copy)]
pub(crate) struct Task<'t, 'a> {
    pub(crate) explainer: &'t Explainer<'a>,
    pub(crate) settings: &'t Settings,
    pub(crate) baseline: &'t Image,
    /// Never [`Target::Top`].
    pub(crate) target: &'t Target,
    pub(crate) progress: &'t dyn Progress,
    pub(crate) stopwatch: &'t RefCell<Stopwatch>,
}

/// What a method finds.
pub(crate) struct Findings {
    /// Ranked, the highest score first.
    pub(crate) sets: Vec<ScoredSet>,
    pub(crate) map: SaliencyMap,
    /// Of Integrated Gradients along the path that was used.
    pub(crate) completeness: Option<CompletenessGap>,
    /// Of that path.
    pub(crate) refinement: Option<Refinement>,
    /// Logits of the baseline of the settings, where that path starts there.
    pub(crate) baseline_logits: Option<Vec<f32>>,
    /// Of methods that measure them.
    pub(crate) interactions: Interactions,
}

impl From<SaliencyMap> for Findings {
    /// Of a method that has nothing but a map.
    fn from(map: SaliencyMap) -> Self {
        Self {
            sets: Vec::new(),
            map,
            completeness: None,
            refinement: None,
            baseline_logits: None,
            interactions: Interactions::default(),
        }
    }
}

/// Gradients of all points of a path are kept, for whoever may need them later, up to this size.
const POINTS_KEPT: usize = 256 << 20;

impl<'t, 'a> Task<'t, 'a> {
    pub(super) fn field(&self) -> &'t Counted<'a> {
        &self.explainer.field
    }

    pub(super) fn image(&self) -> &'t Image {
        self.explainer.image
    }

    pub(super) fn segments(&self) -> &'t SegmentMap {
        &self.explainer.segments
    }

    /// Runs a stage of the method.
    pub(crate) fn time<T>(
        &self,
        stage: &'static str,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        Stopwatch::time(self.stopwatch, stage, run)
    }

    /// Gradients of `target` along the path of this task.
    pub(crate) fn path(
        &self,
        settings: &PathSettings,
        target: &Target,
    ) -> Result<Arc<PathGradients>> {
        self.path_from(&self.settings.baseline, self.baseline, settings, target)
    }

    /// Gradients of `target` along the path from the baseline `name`, which is the image `start`.
    pub(super) fn path_from(
        &self,
        name: &Baseline,
        start: &Image,
        settings: &PathSettings,
        target: &Target,
    ) -> Result<Arc<PathGradients>> {
        let (field, image) = (self.field(), self.image());
        let size = (settings.steps.largest() + 1).saturating_mul(size_of_val(image.data()));
        let settings = PathSettings {
            keep_points: settings.keep_points || size <= POINTS_KEPT,
            ..settings.clone()
        };
        let key = PathKey {
            baseline: name.clone(),
            steps: settings.steps,
            quadrature: settings.quadrature,
            keep_points: settings.keep_points,
            target: target.clone(),
        };
        self.explainer.memo.paths.get(&field.ledger, key, || {
            let along =
                || PathGradients::along(field, start, image, &settings, target, self.progress);
            self.time("path gradients", along).map(Arc::new)
        })
    }

    /// Gradient of `target` at the image.
    pub(super) fn gradient(&self, target: &Target) -> Result<Arc<SaliencyMap>> {
        self.explainer.memo.gradients.get(&self.field().ledger, target.clone(), || {
            let gradient = || methods::gradient(self.field(), self.image(), target);
            self.time("gradient", gradient).map(Arc::new)
        })
    }

    /// The linearisation at the image.
    pub(super) fn curvature(
        &self,
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Arc<Remembered<'a>>> {
        let key = (target.clone(), smoothing);
        self.explainer.memo.curvatures.get(&self.field().ledger, key, || {
            let linearised = || self.field().linearised(self.image(), target, smoothing);
            self.time("detection", linearised).map(|curvature| Arc::new(Remembered::new(curvature)))
        })
    }

    /// The class that is explained, for methods defined on classes alone.
    pub(super) fn class(&self) -> Result<usize> {
        let one = self.target.class().filter(|_| !matches!(self.target, Target::Difference { .. }));
        one.ok_or_else(|| {
            let method = self.settings.method;
            Error::config("target", "of several classes", format!("a class for {method}"))
        })
    }
}
