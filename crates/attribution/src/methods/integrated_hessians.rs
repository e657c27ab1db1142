//! Integrated Hessians (Janizek et al. 2021) of chosen pairs of features.
//!
//! `Γᵢⱼ = (xᵢ - x'ᵢ)(xⱼ - x'ⱼ) ∬ αβ ∂²f(x' + αβ(x - x'))/∂xᵢ∂xⱼ dα dβ`, and for i = j also
//! `(xᵢ - x'ᵢ) ∬ ∂f(x' + αβ(x - x'))/∂xᵢ dα dβ`. Over all pairs they sum to f(x) - f(x').

use hsets_core::{
    Error, FeatureSet, Image, Progress, Result, SaliencyMap, Smoothing, Target, TwiceDifferentiable,
};
use serde::{Deserialize, Serialize};

use crate::Quadrature;

/// How the double integral becomes a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum HessianIntegral {
    /// As one integral over t = αβ, whose density is -ln t. With t = s² and Gauss–Legendre nodes in
    /// s it converges fast: n points of the path instead of n².
    Line {
        /// n ≥ 1.
        nodes: usize,
    },
    /// As two nested sums. `path_explain` takes the Riemann points 0, 1/6, … 1 for both (its 50
    /// samples are 7 × 7), which counts the ends fully and so is biased.
    Nested {
        /// Points of each sum.
        quadrature: Quadrature,
        /// Steps of each sum, ≥ 1.
        steps: usize,
    },
}

impl HessianIntegral {
    /// (t, weight) of every point, weights adding up to about 1: ∬ g(αβ) ≈ Σ weight · g(t).
    fn points(self) -> Vec<(f64, f64)> {
        match self {
            Self::Line { nodes } => {
                let (nodes, weights) = Quadrature::GaussLegendre.points(nodes);
                // dt = 2s ds and -ln t = -2 ln s.
                let point = |(s, w): (f64, f64)| (s * s, -4.0 * w * s * s.ln());
                nodes.into_iter().zip(weights).map(point).collect()
            }
            Self::Nested { quadrature, steps } => {
                let (nodes, weights) = quadrature.points(steps);
                let outer = nodes.iter().zip(&weights);
                let inner =
                    |(a, wa)| nodes.iter().zip(&weights).map(move |(b, wb)| (a * b, wa * wb));
                outer.flat_map(inner).collect()
            }
        }
    }
}

/// Settings of Integrated Hessians.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegratedHessians {
    /// How the integral becomes a sum.
    pub integral: HessianIntegral,
    /// Treatment of ReLU, whose own second derivative is 0. The authors use softplus.
    pub smoothing: Smoothing,
}

impl IntegratedHessians {
    /// 20 nodes on the line, softplus with β = 10.
    pub fn paper() -> Self {
        Self {
            integral: HessianIntegral::Line { nodes: 20 },
            smoothing: Smoothing::Softplus { beta: 10.0 },
        }
    }

    /// The 7 × 7 points of `path_explain`.
    pub fn reference() -> Self {
        let integral = HessianIntegral::Nested { quadrature: Quadrature::Riemann, steps: 6 };
        Self { integral, ..Self::paper() }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        match self.integral {
            HessianIntegral::Line { nodes: 0 } => Err(Error::config("nodes", 0, "at least 1")),
            HessianIntegral::Nested { steps: 0, .. } => {
                Err(Error::config("steps", 0, "at least 1"))
            }
            _ => Ok(()),
        }
    }
}

/// Γ of every pair of features, in units of the target. One linearisation per point of the path; one
/// Hessian row per distinct first feature and point.
pub fn integrated_hessians(
    field: &dyn TwiceDifferentiable,
    baseline: &Image,
    image: &Image,
    pairs: &[[usize; 2]],
    target: &Target,
    settings: &IntegratedHessians,
    progress: &dyn Progress,
) -> Result<Vec<f64>> {
    settings.check()?;
    target.check(field.n_classes())?;
    image.expect_shape("image", field.shape())?;
    baseline.expect_shape("baseline", field.shape())?;
    let d = image.data().len();
    if let Some(feature) = pairs.iter().flatten().find(|feature| **feature >= d) {
        return Err(Error::config("pairs", feature, format!("features below {d}")));
    }
    let mut firsts: Vec<usize> = pairs.iter().map(|pair| pair[0]).collect();
    firsts.sort_unstable();
    firsts.dedup();
    let row_of: Vec<usize> =
        pairs.iter().map(|pair| firsts.partition_point(|f| f < &pair[0])).collect();
    let away = |feature: usize| f64::from(image.data()[feature] - baseline.data()[feature]);
    let points = settings.integral.points();
    let mut gammas = vec![0.0; pairs.len()];
    progress.begin("integrated-hessians", points.len() as u64);
    for (t, weight) in points {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let point = image.interpolate(baseline, t as f32);
        let curvature = field.curvature_at(&point, target, settings.smoothing)?;
        let rows = curvature.rows(&firsts)?;
        for ((gamma, &[i, j]), &row) in gammas.iter_mut().zip(pairs).zip(&row_of) {
            *gamma += weight * t * away(i) * away(j) * f64::from(rows[row][j]);
            if i == j {
                *gamma += weight * away(i) * f64::from(curvature.gradient()[i]);
            }
        }
        progress.advance(1);
    }
    progress.end();
    Ok(gammas)
}

/// φᵢ = Σⱼ Γᵢⱼ over the members j of the sets that feature i is in, itself included: Integrated
/// Hessians restricted to the pairs inside `sets`. A set of all features gives Integrated Gradients.
///
/// Σⱼ Γᵢⱼ over a set I is one product of the Hessian with (x - x') cut to I, so a set of any size
/// costs one product per point of the path.
pub fn integrated_hessians_within(
    field: &dyn TwiceDifferentiable,
    baseline: &Image,
    image: &Image,
    sets: &[FeatureSet],
    target: &Target,
    settings: &IntegratedHessians,
    progress: &dyn Progress,
) -> Result<SaliencyMap> {
    settings.check()?;
    target.check(field.n_classes())?;
    image.expect_shape("image", field.shape())?;
    baseline.expect_shape("baseline", field.shape())?;
    let away: Vec<f32> = image.data().iter().zip(baseline.data()).map(|(x, b)| x - b).collect();
    let d = away.len();
    if let Some(feature) = sets.iter().flat_map(FeatureSet::iter).find(|&feature| feature >= d) {
        return Err(Error::config("sets", feature, format!("features below {d}")));
    }
    let cut = |set: &FeatureSet| {
        let mut direction = vec![0.0; d];
        set.iter().for_each(|feature| direction[feature] = away[feature]);
        direction
    };
    let directions: Vec<Vec<f32>> = sets.iter().map(cut).collect();
    let points = settings.integral.points();
    let mut sums = vec![0.0; d];
    progress.begin("integrated-hessians", points.len() as u64);
    for (t, weight) in points {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let point = image.interpolate(baseline, t as f32);
        let curvature = field.curvature_at(&point, target, settings.smoothing)?;
        for (set, product) in sets.iter().zip(curvature.products(&directions)?) {
            for i in set.iter() {
                let slope = f64::from(curvature.gradient()[i]);
                sums[i] += weight * f64::from(away[i]) * (t * f64::from(product[i]) + slope);
            }
        }
        progress.advance(1);
    }
    progress.end();
    SaliencyMap::new(image.shape(), sums.into_iter().map(|sum| sum as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_integrates_products_of_powers() {
        // ∬ (αβ)ⁿ = 1/(n+1)².
        for n in 0..4 {
            let points = HessianIntegral::Line { nodes: 20 }.points();
            let integral: f64 = points.iter().map(|(t, w)| w * t.powi(n)).sum();
            let exact = 1.0 / f64::from((n + 1) * (n + 1));
            assert!((integral - exact).abs() < 1e-4, "{n}: {integral} against {exact}");
        }
    }
}
