//! The methods. A new one is an arm of [`Method`] and a function from a [`Task`] to [`Findings`].

mod archipelago;
mod caso;
mod contrasts;
mod controls;
mod coverage;
mod gradients;
mod hessian_sets;
mod integrated_gradients;
mod integrated_hessians;
mod moxi;
mod task;
mod xrai;

pub use archipelago::Archipelago;
pub use contrasts::{ContrastSettings, Interactions, Scalar};
pub use controls::{Controls, SegmentSummary};
pub use coverage::Coverage;
pub use integrated_hessians::{HessiansWithin, PairedSets};
pub use moxi::MoxiSettings;
pub use xrai::{XraiBaselines, XraiSettings};

pub(crate) use task::{Findings, Task};

use std::{fmt, str::FromStr};

use hsets_core::{Error, Result};
use hsets_metrics::Units;
use serde::{Deserialize, Serialize};

/// Which method makes the saliency map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// H-Sets: Hessian sets, scored by IDG-Vis.
    #[serde(rename = "hsets")]
    HSets,
    /// Integrated Gradients (Sundararajan et al. 2017).
    Ig,
    /// The gradient (Simonyan et al. 2014).
    Gradient,
    /// Gradient × (image - baseline).
    GradientXInput,
    /// Mean gradient over noisy copies (Smilkov et al. 2017).
    SmoothGrad,
    /// Archipelago on segments (Tsang et al. 2020).
    Archipelago,
    /// The perturbation that raises the loss most, to first order (Singla et al. 2019).
    Cafo,
    /// The same to second order.
    Caso,
    /// Patches inserted greedily (Sumiyasu et al. 2024).
    Moxi,
    /// Segments ranked by the Integrated Gradients inside (Kapishnikov et al. 2019).
    Xrai,
    /// Integrated Hessians of the pairs inside sets (Janizek et al. 2021).
    IntegratedHessians,
    /// Pairs of regions that act together, measured and tested.
    Contrasts,
    /// Effects of all pairs of segments.
    PairEffects,
    /// Banzhaf values of segments, Integrated Gradients inside.
    Banzhaf,
    /// How much the attribution of every pixel depends on what else is there.
    InteractionMap,
    /// Control: every pixel random.
    RandomMap,
    /// Control: random sets of the sizes of those of H-Sets, scored alike.
    RandomSets,
    /// Control: segments in random order.
    RandomSegments,
    /// Control: large segments first.
    SegmentsByArea,
    /// Control: segments by the Integrated Gradients inside.
    SegmentsByIg,
    /// Control: central segments first.
    SegmentsByCentre,
    /// Control: the regions and the map of contrasts at a random place, measured alike.
    MovedContrasts,
    /// Control: Banzhaf values dealt to the segments at random.
    ShuffledBanzhaf,
}

impl Method {
    /// All methods, the controls last.
    pub const ALL: &[Self] = &[
        Self::HSets,
        Self::Ig,
        Self::Gradient,
        Self::GradientXInput,
        Self::SmoothGrad,
        Self::Archipelago,
        Self::Cafo,
        Self::Caso,
        Self::Moxi,
        Self::Xrai,
        Self::IntegratedHessians,
        Self::Contrasts,
        Self::PairEffects,
        Self::Banzhaf,
        Self::InteractionMap,
        Self::RandomMap,
        Self::RandomSets,
        Self::RandomSegments,
        Self::SegmentsByArea,
        Self::SegmentsByIg,
        Self::SegmentsByCentre,
        Self::MovedContrasts,
        Self::ShuffledBanzhaf,
    ];

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::HSets => "hsets",
            Self::Ig => "ig",
            Self::Gradient => "gradient",
            Self::GradientXInput => "gradient-x-input",
            Self::SmoothGrad => "smooth-grad",
            Self::Archipelago => "archipelago",
            Self::Cafo => "cafo",
            Self::Caso => "caso",
            Self::Moxi => "moxi",
            Self::Xrai => "xrai",
            Self::IntegratedHessians => "integrated-hessians",
            Self::Contrasts => "contrasts",
            Self::PairEffects => "pair-effects",
            Self::Banzhaf => "banzhaf",
            Self::InteractionMap => "interaction-map",
            Self::RandomMap => "random-map",
            Self::RandomSets => "random-sets",
            Self::RandomSegments => "random-segments",
            Self::SegmentsByArea => "segments-by-area",
            Self::SegmentsByIg => "segments-by-ig",
            Self::SegmentsByCentre => "segments-by-centre",
            Self::MovedContrasts => "moved-contrasts",
            Self::ShuffledBanzhaf => "shuffled-banzhaf",
        }
    }

    /// What it is, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::HSets => "Hessian sets, scored by directional gradients along the path",
            Self::Ig => "Integrated Gradients",
            Self::Gradient => "the gradient",
            Self::GradientXInput => "gradient times (image minus baseline)",
            Self::SmoothGrad => "mean gradient over noisy copies of the image",
            Self::Archipelago => "pairs of segments that interact, by masking them",
            Self::Cafo => "the sparse perturbation that raises the loss most, to first order",
            Self::Caso => "the same to second order",
            Self::Moxi => "patches inserted greedily, by what they add",
            Self::Xrai => "segments, greedily, by the Integrated Gradients inside",
            Self::IntegratedHessians => "Integrated Hessians of all pairs inside the sets of hsets",
            Self::Contrasts => "pairs of regions that act together, measured by removal and tested",
            Self::PairEffects => "segments by the effects of all pairs, by removal",
            Self::Banzhaf => "segments by Banzhaf values, Integrated Gradients inside",
            Self::InteractionMap => "how much a pixel's attribution depends on other segments",
            Self::RandomMap => "control: every pixel random",
            Self::RandomSets => "control: random sets of the sizes of those of hsets, scored alike",
            Self::RandomSegments => "control: segments in random order",
            Self::SegmentsByArea => "control: large segments first",
            Self::SegmentsByIg => "control: segments by the Integrated Gradients inside",
            Self::SegmentsByCentre => "control: central segments first",
            Self::MovedContrasts => "control: the regions of contrasts at a random place",
            Self::ShuffledBanzhaf => "control: Banzhaf values dealt to segments at random",
        }
    }

    /// The fields of [`Settings`](crate::Settings) that it reads and most other methods do not.
    pub fn own_settings(self) -> &'static [&'static str] {
        match self {
            Self::HSets
            | Self::Gradient
            | Self::GradientXInput
            | Self::SegmentsByArea
            | Self::SegmentsByCentre => &[],
            Self::Ig => &["ig"],
            Self::SmoothGrad => &["smooth_grad"],
            Self::Archipelago => &["archipelago"],
            Self::Cafo => &["cafo"],
            Self::Caso => &["caso"],
            Self::Moxi => &["moxi"],
            Self::Xrai => &["xrai"],
            Self::IntegratedHessians => &["integrated_hessians"],
            Self::Contrasts | Self::PairEffects | Self::InteractionMap => &["contrasts"],
            Self::Banzhaf => &["contrasts", "ig"],
            Self::RandomMap | Self::RandomSets | Self::RandomSegments => &["controls"],
            Self::MovedContrasts => &["contrasts", "controls"],
            Self::ShuffledBanzhaf => &["contrasts", "controls", "ig"],
            Self::SegmentsByIg => &["controls", "ig"],
        }
    }

    /// Whether it is a control, which knows nothing of the network, or little.
    pub fn is_control(self) -> bool {
        self >= Self::RandomMap
    }

    /// The control that it must beat: the same with chance in the place of what it found; `None` for
    /// controls, and for methods whose only control is a random map.
    pub fn control(self) -> Option<Self> {
        match self {
            Self::HSets | Self::IntegratedHessians => Some(Self::RandomSets),
            Self::Archipelago | Self::PairEffects => Some(Self::RandomSegments),
            Self::Xrai => Some(Self::SegmentsByIg),
            Self::Contrasts | Self::InteractionMap => Some(Self::MovedContrasts),
            Self::Banzhaf => Some(Self::ShuffledBanzhaf),
            _ => None,
        }
    }

    /// Whether it asks what the network says without parts of the picture, by a reference of its
    /// own rather than the baseline.
    pub fn is_by_removal(self) -> bool {
        matches!(
            self,
            Self::Contrasts
                | Self::PairEffects
                | Self::Banzhaf
                | Self::InteractionMap
                | Self::MovedContrasts
                | Self::ShuffledBanzhaf
        )
    }

    /// Whether segments can change its map.
    pub fn asks_for_segments(self) -> bool {
        !matches!(
            self,
            Self::Ig
                | Self::Gradient
                | Self::GradientXInput
                | Self::SmoothGrad
                | Self::Cafo
                | Self::RandomMap
        )
    }

    /// In what units its map is, unless its settings say otherwise: see [`Settings::units`].
    ///
    /// [`Settings::units`]: crate::Settings::units
    pub fn units(self) -> Units {
        match self {
            Self::HSets
            | Self::Ig
            | Self::GradientXInput
            | Self::Archipelago
            | Self::Moxi
            | Self::Xrai
            | Self::IntegratedHessians
            | Self::RandomSets => Units::Output,
            Self::Gradient | Self::SmoothGrad | Self::Cafo | Self::Caso => Units::PerInput,
            Self::Contrasts
            | Self::PairEffects
            | Self::Banzhaf
            | Self::InteractionMap
            | Self::RandomMap
            | Self::RandomSegments
            | Self::SegmentsByArea
            | Self::SegmentsByIg
            | Self::SegmentsByCentre
            | Self::MovedContrasts
            | Self::ShuffledBanzhaf => Units::Other,
        }
    }

    /// Whether it draws something at random; if not, its map depends on a seed only where its
    /// baseline does.
    pub fn draws(self) -> bool {
        match self {
            Self::HSets
            | Self::SmoothGrad
            | Self::Cafo
            | Self::Caso
            | Self::IntegratedHessians
            | Self::Contrasts
            | Self::Banzhaf
            | Self::InteractionMap
            | Self::RandomMap
            | Self::RandomSets
            | Self::RandomSegments
            | Self::MovedContrasts
            | Self::ShuffledBanzhaf => true,
            Self::Ig
            | Self::Gradient
            | Self::GradientXInput
            | Self::Archipelago
            | Self::Moxi
            | Self::Xrai
            | Self::PairEffects
            | Self::SegmentsByArea
            | Self::SegmentsByIg
            | Self::SegmentsByCentre => false,
        }
    }

    pub(crate) fn run(self, task: &Task<'_, '_>) -> Result<Findings> {
        match self {
            Self::HSets => hessian_sets::run(task),
            Self::Ig => integrated_gradients::run(task),
            Self::Gradient => gradients::gradient(task),
            Self::GradientXInput => gradients::gradient_x_input(task),
            Self::SmoothGrad => gradients::smooth(task),
            Self::Archipelago => archipelago::run(task),
            Self::Cafo => caso::run(task, &task.settings.cafo),
            Self::Caso => caso::run(task, &task.settings.caso),
            Self::Moxi => moxi::run(task),
            Self::Xrai => xrai::run(task),
            Self::IntegratedHessians => integrated_hessians::run(task),
            Self::Contrasts => contrasts::run(task),
            Self::PairEffects => contrasts::pair_effects(task),
            Self::Banzhaf => contrasts::banzhaf(task),
            Self::InteractionMap => contrasts::interaction_map(task),
            Self::RandomMap => controls::random_map(task),
            Self::RandomSets => controls::random_sets(task),
            Self::RandomSegments => controls::random_segments(task),
            Self::SegmentsByArea => controls::by_area(task),
            Self::SegmentsByIg => controls::by_ig(task),
            Self::SegmentsByCentre => controls::by_centre(task),
            Self::MovedContrasts => contrasts::moved(task),
            Self::ShuffledBanzhaf => contrasts::shuffled_banzhaf(task),
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
        let names = || Self::ALL.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ");
        found.copied().ok_or_else(|| Error::config("method", name, format!("one of {}", names())))
    }
}
