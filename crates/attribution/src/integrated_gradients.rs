//! Integrated Gradients (Sundararajan et al. 2017).

use hsets_core::{CompletenessGap, Result, SaliencyMap};

use crate::PathGradients;

/// Attributions of all features, and how far they are from adding up.
#[derive(Debug, Clone)]
pub struct IntegratedGradients {
    /// `IGᵢ = (xᵢ - x'ᵢ) · mean over k of ∂f/∂xᵢ(xₖ)`.
    pub map: SaliencyMap,
    /// Σ IG against f(x) - f(x'): 0 with enough steps.
    pub completeness: CompletenessGap,
}

/// Integrated Gradients from gradients already computed along the path.
pub fn integrated_gradients(path: &PathGradients) -> Result<IntegratedGradients> {
    let products = path.displacement().iter().zip(path.mean()).map(|(a, g)| a * g);
    let map = SaliencyMap::new(path.shape(), products.collect())?;
    let completeness = CompletenessGap::new(&map, path.image_value(), path.baseline_value());
    Ok(IntegratedGradients { map, completeness })
}
