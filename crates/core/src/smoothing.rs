//! How the kinks of a network are smoothed before it is differentiated twice.

use serde::{Deserialize, Serialize};

/// Treatment of `ReLU` and `ReLU6` when a network is linearised. All other activations keep their
/// own derivatives.
///
/// The Hessian of a plain ReLU network vanishes almost everywhere, so detection smooths it. Forward
/// values stay those of the exact network, except for [`Smoothing::Softplus`] and where a clip is
/// dropped.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Smoothing {
    /// The true network: derivative 0 or 1, second derivative 0.
    #[default]
    Exact,
    /// Exact values; the derivative of ReLU becomes `z/√(z²+τ)` for z ≥ 0 and `1 + z/√(z²+τ)` for
    /// z < 0, its second derivative `τ/(z²+τ)^(3/2)` (Zhang et al. 2020, "adv2"). `ReLU6` is
    /// ReLU(z) - ReLU(z - 6), both corners smoothed so.
    Sqrt {
        /// τ > 0; H-Sets uses 1e-3.
        #[serde(serialize_with = "crate::as_typed")]
        tau: f32,
    },
    /// As [`Smoothing::Sqrt`], but of modules alone, each of which becomes a smoothed ReLU: the upper
    /// clip of `ReLU6` is dropped, in values too, and a ReLU that the original calls as a function
    /// stays exact (torchvision's DenseNet ends in one). What the authors' program does.
    SqrtModules {
        /// τ > 0; the authors use 1e-3.
        #[serde(serialize_with = "crate::as_typed")]
        tau: f32,
    },
    /// ReLU becomes `ln(1 + exp(βz))/β` in values and all derivatives (as in Integrated Hessians);
    /// `ReLU6` is softplus(z) - softplus(z - 6).
    Softplus {
        /// β > 0; the larger, the closer to ReLU.
        #[serde(serialize_with = "crate::as_typed")]
        beta: f32,
    },
}

impl Smoothing {
    /// τ of H-Sets.
    pub const TAU: f32 = 1e-3;
    /// What preset `paper` uses in detection.
    pub const PAPER: Self = Self::Sqrt { tau: Self::TAU };
    /// What preset `reference` uses in detection.
    pub const REFERENCE: Self = Self::SqrtModules { tau: Self::TAU };
}
