//! What was measured.

use hsets_core::{ChannelReduction, CompletenessGap, SaliencyMap};
use hsets_metrics::{Aopc, ProbabilityCurve, Road};

use super::MetricSettings;

/// Numbers about one map; `None` for what was not asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricReport {
    /// The class whose probability and correctness were measured.
    pub class: usize,
    /// How the channels of the map became one number per pixel.
    pub reduction: ChannelReduction,
    /// Share of the pixels, in \[0, 1\], that are not 0.
    pub coverage: f64,
    /// Gini sparsity in \[0, 1\].
    pub gini: Option<f64>,
    /// 1 - coverage: the Gini that as many equal pixels have, whatever they hold.
    pub gini_of_equal: Option<f64>,
    /// Entropy of the pixels' shares, in nats; NaN for a map of zeros.
    pub entropy: Option<f64>,
    /// Both curves of ROAD.
    pub road: Option<Road>,
    /// Probability while the most relevant pixels go to 0.
    pub deletion: Option<ProbabilityCurve>,
    /// Probability while the most relevant pixels of the image replace those of a blurred one.
    pub insertion: Option<ProbabilityCurve>,
    /// Mean squared error of the predicted drop of the target, the map scaled to fit best.
    pub infidelity: Option<f64>,
    /// Σ map against f(x) - f(x'); NaN for a map that is not in units of the output.
    pub completeness: Option<CompletenessGap>,
    /// Largest relative change of the map.
    pub max_sensitivity: Option<f64>,
    /// What could not be measured, and why.
    pub notes: Vec<&'static str>,
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
}

impl MetricReport {
    pub(super) fn new(map: &SaliencyMap, settings: &MetricSettings, class: usize) -> Self {
        let pixels = map.per_pixel(settings.reduction);
        let n_marked = pixels.iter().filter(|value| **value != 0.0).count();
        Self {
            class,
            reduction: settings.reduction,
            coverage: n_marked as f64 / pixels.len() as f64,
            gini: None,
            gini_of_equal: None,
            entropy: None,
            road: None,
            deletion: None,
            insertion: None,
            infidelity: None,
            completeness: None,
            max_sensitivity: None,
            notes: Vec::new(),
        }
    }

    /// Every number that was measured, in the order of tables. The names and their order depend
    /// only on what was asked for, so reports of one run make the columns of one table.
    pub fn readings(&self) -> Vec<Reading> {
        let mut readings = Vec::new();
        let mut add = |name: &str, value: Option<f64>, better: Better| {
            readings.extend(value.map(|value| Reading { name: name.to_owned(), value, better }));
        };
        add("coverage", Some(self.coverage), Better::Neither);
        add("gini", self.gini, Better::Higher);
        add("gini-of-equal", self.gini_of_equal, Better::Neither);
        add("entropy", self.entropy, Better::Lower);
        if let Some(road) = &self.road {
            for aopc in Aopc::ALL {
                add(&format!("road-{}", aopc.name()), Some(aopc.of(road)), Better::Higher);
            }
            add("tied-share", Some(road.tied_share), Better::Neither);
        }
        add("deletion-auc", self.deletion.as_ref().map(ProbabilityCurve::auc), Better::Lower);
        add("insertion-auc", self.insertion.as_ref().map(ProbabilityCurve::auc), Better::Higher);
        add("infidelity", self.infidelity, Better::Lower);
        let gap = |gap: fn(&CompletenessGap) -> f64| self.completeness.as_ref().map(gap);
        add("completeness-gap", gap(CompletenessGap::absolute), Better::Zero);
        add("completeness-gap-relative", gap(CompletenessGap::relative), Better::Zero);
        add("max-sensitivity", self.max_sensitivity, Better::Lower);
        readings
    }

    /// The reading of this name.
    pub fn reading(&self, name: &str) -> Option<f64> {
        self.readings().into_iter().find(|reading| reading.name == name).map(|r| r.value)
    }
}
