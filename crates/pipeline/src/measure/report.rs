//! What was measured.

use hsets_core::{ChannelReduction, SaliencyMap};
use hsets_metrics::Ties;

use super::MetricSettings;

/// Numbers about one map.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricReport {
    /// The class whose probability and correctness were measured.
    pub class: usize,
    /// How the channels of the map became one number per pixel.
    pub reduction: ChannelReduction,
    /// What decided among pixels of equal value.
    pub ties: Ties,
    /// Every number that was asked for, in the order of tables. The names and their order depend
    /// only on what was asked for, so reports of one run make the columns of one table.
    pub readings: Vec<Reading>,
    /// The curves that readings were read off.
    pub curves: Vec<Curve>,
    /// What could not be measured, and why.
    pub notes: Vec<String>,
}

/// Which values are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The higher the better.
    Higher,
    /// The lower the better.
    Lower,
    /// Nearest to 0.
    Zero,
    /// Says nothing about good or bad.
    Neither,
}

/// One number with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Name, as tables and files have it.
    pub name: String,
    /// The number; NaN where it is not defined.
    pub value: f64,
    /// Which values are good.
    pub better: Better,
    /// A short name, if it is one of those that are shown under pictures.
    pub label: Option<&'static str>,
}

/// A curve, for plots and files.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name, as files have it.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// How to read it.
    pub caption: &'static str,
    /// What runs from 0 to 100 %.
    pub share_of: &'static str,
    /// What is measured.
    pub quantity: &'static str,
    /// (percent, value), ascending.
    pub points: Vec<(f64, f64)>,
    /// Whether the class is the top one at each point; empty where that was not asked.
    pub correct: Vec<bool>,
}

impl MetricReport {
    pub(super) fn new(map: &SaliencyMap, settings: &MetricSettings, class: usize) -> Self {
        let pixels = map.per_pixel(settings.reduction);
        let n_marked = pixels.iter().filter(|value| **value != 0.0).count();
        let value = n_marked as f64 / pixels.len() as f64;
        let coverage = Reading {
            name: COVERAGE.into(),
            value,
            better: Better::Neither,
            label: Some("covers"),
        };
        Self {
            class,
            reduction: settings.reduction,
            ties: settings.road.ties,
            readings: vec![coverage],
            curves: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The number of this name.
    pub fn reading(&self, name: &str) -> Option<f64> {
        self.readings.iter().find(|reading| reading.name == name).map(|reading| reading.value)
    }
}

/// Share of the pixels, in \[0, 1\], that are not 0: always measured.
pub(super) const COVERAGE: &str = "coverage";
