//! What can be measured. A new metric is an arm of [`Metric`] and a [`Spec`] in a file of this
//! folder: columns, pages, curves and help follow from it.

use std::{fmt, str::FromStr};

use hsets_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{
    Better, Curve, Task, faithfulness, interactions, mask, randomisation, sparsity, stability,
};

/// A metric, or several that are computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Gini sparsity, and that of as many equal pixels.
    Gini,
    /// Entropy of the pixels' shares.
    Entropy,
    /// ROAD, most and least relevant pixels first.
    Road,
    /// Areas under the insertion and deletion curves.
    InsertionDeletion,
    /// How badly the map predicts what grey squares do to the output.
    Infidelity,
    /// Σ map against f(x) - f(x').
    Completeness,
    /// Precision and earth mover's distance against a mask of the evidence.
    Mask,
    /// How much the map changes when the image hardly does.
    MaxSensitivity,
    /// How alike the map stays under JPEG and noise.
    Stability,
    /// How alike the map stays when the weights are drawn anew, layer by layer.
    Mprt,
    /// How much more complex the map is when all weights are drawn anew.
    Emprt,
    /// Whether effects of pairs are those that are measured in other contexts.
    InteractionFaithfulness,
    /// Insertion and deletion of segments by the effects of their pairs.
    InteractionCurves,
}

/// What a metric needs besides a map, its picture and the network's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A mask of the evidence.
    Mask,
    /// The method that made the map.
    Method,
    /// The method, and a network whose weights can be drawn anew.
    Weights,
    /// A method that gives effects of pairs of segments.
    PairEffects,
}

impl Needs {
    /// The same in words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Mask => "a mask of where the evidence is",
            Self::Method => "the method that made the map",
            Self::Weights => "the method, and a network whose weights can be drawn anew",
            Self::PairEffects => {
                "effects of pairs of segments, which contrasts and pair-effects give"
            }
        }
    }
}

/// Everything there is to know about a metric.
pub(super) struct Spec {
    /// The name that [`FromStr`] takes.
    pub(super) name: &'static str,
    pub(super) needs: Needs,
    /// Its readings in the order of tables.
    pub(super) readings: fn() -> Vec<Named>,
    pub(super) measure: fn(&Task<'_>) -> Result<Found>,
}

/// What a metric found.
#[derive(Default)]
pub(super) struct Found {
    /// A value for each reading, in their order; NaN where it is not defined.
    pub(super) values: Vec<f64>,
    pub(super) curves: Vec<Curve>,
    /// What could not be measured, and why.
    pub(super) note: Option<&'static str>,
}

impl Found {
    /// Numbers alone.
    pub(super) fn of(values: impl Into<Vec<f64>>) -> Self {
        Self { values: values.into(), ..Self::default() }
    }
}

/// A reading before it is measured.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) better: Better,
    pub(super) label: Option<&'static str>,
}

/// Readings by name, with which values are good, and a label where they are shown under pictures.
pub(super) fn named<const N: usize>(
    readings: [(&str, Better, Option<&'static str>); N],
) -> Vec<Named> {
    let named = |(name, better, label): (&str, _, _)| Named { name: name.into(), better, label };
    readings.map(named).into()
}

impl Metric {
    /// All metrics, in the order of tables.
    pub const ALL: &[Self] = &[
        Self::Gini,
        Self::Entropy,
        Self::Road,
        Self::InsertionDeletion,
        Self::Infidelity,
        Self::Completeness,
        Self::Mask,
        Self::MaxSensitivity,
        Self::Stability,
        Self::Mprt,
        Self::Emprt,
        Self::InteractionFaithfulness,
        Self::InteractionCurves,
    ];

    pub(super) fn spec(self) -> &'static Spec {
        match self {
            Self::Gini => &sparsity::GINI,
            Self::Entropy => &sparsity::ENTROPY,
            Self::Road => &faithfulness::ROAD,
            Self::InsertionDeletion => &faithfulness::INSERTION_DELETION,
            Self::Infidelity => &faithfulness::INFIDELITY,
            Self::Completeness => &faithfulness::COMPLETENESS,
            Self::Mask => &mask::MASK,
            Self::MaxSensitivity => &stability::MAX_SENSITIVITY,
            Self::Stability => &stability::STABILITY,
            Self::Mprt => &randomisation::MPRT,
            Self::Emprt => &randomisation::EMPRT,
            Self::InteractionFaithfulness => &interactions::FAITHFULNESS,
            Self::InteractionCurves => &interactions::CURVES,
        }
    }

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// What it needs besides a map.
    pub fn needs(self) -> Needs {
        self.spec().needs
    }

    /// Names of its readings, in the order of tables.
    pub fn reading_names(self) -> Vec<String> {
        (self.spec().readings)().into_iter().map(|reading| reading.name).collect()
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|metric| metric.name() == name);
        let names = || Self::ALL.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ");
        found.copied().ok_or_else(|| Error::config("metrics", name, format!("of {}", names())))
    }
}
