//! The methods. A new one is an arm of [`Method`] and a function from a [`Task`] to [`Findings`].

mod hessian_sets;
mod integrated_gradients;

use std::{fmt, str::FromStr};

use hsets_attribution::{PathGradients, PathSettings};
use hsets_core::{
    Error, Image, Progress, Result, SaliencyMap, SegmentMap, Target, TwiceDifferentiable,
};

use crate::{ScoredSet, Settings, stopwatch::Stopwatch};

/// Which method makes the saliency map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// H-Sets: Hessian sets, scored by IDG-Vis.
    HSets,
    /// Integrated Gradients (Sundararajan et al. 2017).
    Ig,
}

impl Method {
    /// All methods.
    pub const ALL: &[Self] = &[Self::HSets, Self::Ig];

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::HSets => "hsets",
            Self::Ig => "ig",
        }
    }

    pub(crate) fn run(self, task: &Task<'_>, stopwatch: &mut Stopwatch) -> Result<Findings> {
        match self {
            Self::HSets => hessian_sets::run(task, stopwatch),
            Self::Ig => integrated_gradients::run(task, stopwatch),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|method| method.name() == name);
        let names = || Self::ALL.iter().map(|m| m.name()).collect::<Vec<_>>().join(" or ");
        found.copied().ok_or_else(|| Error::config("method", name, names()))
    }
}

/// What a method is given.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) field: &'a dyn TwiceDifferentiable,
    pub(crate) image: &'a Image,
    pub(crate) baseline: &'a Image,
    /// Never [`Target::Top`].
    pub(crate) target: &'a Target,
    pub(crate) segments: &'a SegmentMap,
    pub(crate) settings: &'a Settings,
    pub(crate) progress: &'a dyn Progress,
}

/// What a method finds.
pub(crate) struct Findings {
    /// Ranked, the highest score first.
    pub(crate) sets: Vec<ScoredSet>,
    pub(crate) map: SaliencyMap,
    /// Of Integrated Gradients along the path that was used.
    pub(crate) completeness_gap: f64,
    pub(crate) n_gradients: usize,
    pub(crate) n_rows: usize,
}

impl Task<'_> {
    /// Gradients of `target` along the path of this task.
    fn path(&self, settings: &PathSettings, target: &Target) -> Result<PathGradients> {
        let Self { field, baseline, image, progress, .. } = *self;
        PathGradients::along(field, baseline, image, settings, target, progress)
    }
}
