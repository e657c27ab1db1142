//! Integrated Gradients (Sundararajan et al. 2017).

use hsets_core::{Result, SaliencyMap};

use crate::PathGradients;

/// Attributions of all features, and how far they are from adding up.
#[derive(Debug, Clone)]
pub struct IntegratedGradients {
    /// `IGᵢ = (xᵢ - x'ᵢ) · mean over k of ∂f/∂xᵢ(xₖ)`.
    pub map: SaliencyMap,
    /// Σ IG against f(x) - f(x').
    pub completeness: Completeness,
}

/// Completeness says `Σᵢ IGᵢ = f(x) - f(x')`; a finite sum leaves a gap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completeness {
    /// `Σᵢ IGᵢ`.
    pub attributed: f64,
    /// f(x) - f(x').
    pub difference: f64,
}

impl Completeness {
    /// Σ IG - (f(x) - f(x')).
    pub fn gap(self) -> f64 {
        self.attributed - self.difference
    }

    /// |gap| / |f(x) - f(x')|; `None` where f(x) = f(x').
    pub fn relative_gap(self) -> Option<f64> {
        (self.difference != 0.0).then(|| (self.gap() / self.difference).abs())
    }
}

/// Integrated Gradients from gradients already computed along the path.
pub fn integrated_gradients(path: &PathGradients) -> Result<IntegratedGradients> {
    let map: Vec<f32> = path.displacement().iter().zip(path.mean()).map(|(a, g)| a * g).collect();
    let attributed = map.iter().map(|&v| f64::from(v)).sum();
    let difference = path.image_value() - path.baseline_value();
    Ok(IntegratedGradients {
        map: SaliencyMap::new(path.shape(), map)?,
        completeness: Completeness { attributed, difference },
    })
}
