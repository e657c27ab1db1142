//! Points and weights on [0, 1] that turn an integral into a sum.

use std::{f64::consts::PI, str::FromStr};

use hsets_core::Error;
use serde::{Deserialize, Serialize};

/// How the integral over the path becomes a sum over points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quadrature {
    /// The m + 1 points k/m, all of weight 1/(m + 1): the published sum. Error O(1/m).
    #[default]
    Riemann,
    /// The m + 1 points k/m, the two ends of half weight. Error O(1/m²) on smooth fields.
    Trapezoid,
    /// The m Gauss–Legendre nodes (captum's default). Exact for polynomials of degree 2m - 1.
    GaussLegendre,
    /// The m + 1 points (1 - cos(kπ/m))/2, dense at both ends as the Gauss–Legendre nodes are, and
    /// found again among those of 2m steps. Exact for polynomials of degree m.
    ClenshawCurtis,
}

impl Quadrature {
    /// (fractions in ascending order, weights that sum to 1) for `steps` ≥ 1.
    pub fn points(self, steps: usize) -> (Vec<f64>, Vec<f64>) {
        let uniform = || (0..=steps).map(|k| k as f64 / steps as f64).collect();
        match self {
            Self::Riemann => (uniform(), vec![1.0 / (steps + 1) as f64; steps + 1]),
            Self::Trapezoid => {
                let mut weights = vec![1.0 / steps as f64; steps + 1];
                weights[0] *= 0.5;
                weights[steps] *= 0.5;
                (uniform(), weights)
            }
            Self::GaussLegendre => {
                (1..=steps).rev().map(|root| gauss_legendre(steps, root)).unzip()
            }
            Self::ClenshawCurtis => (0..=steps).map(|k| clenshaw_curtis(steps, k)).unzip(),
        }
    }

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Riemann => "riemann",
            Self::Trapezoid => "trapezoid",
            Self::GaussLegendre => "gauss-legendre",
            Self::ClenshawCurtis => "clenshaw-curtis",
        }
    }

    /// Whether the baseline and the image are themselves points.
    pub fn includes_ends(self) -> bool {
        self != Self::GaussLegendre
    }

    /// Whether every point of m steps is one of 2m steps, each second.
    pub fn nests(self) -> bool {
        self != Self::GaussLegendre
    }
}

impl FromStr for Quadrature {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let rules = [Self::Riemann, Self::Trapezoid, Self::GaussLegendre, Self::ClenshawCurtis];
        let expected = "riemann, trapezoid, gauss-legendre or clenshaw-curtis";
        let found = rules.into_iter().find(|rule| rule.name() == name);
        found.ok_or_else(|| Error::config("quadrature", name, expected))
    }
}

/// (node, weight) on [0, 1] of the `root`-th largest zero (from 1) of the Legendre polynomial
/// Pₙ, by Newton's method from Tricomi's estimate.
fn gauss_legendre(n: usize, root: usize) -> (f64, f64) {
    let mut z = (PI * (root as f64 - 0.25) / (n as f64 + 0.5)).cos();
    for _ in 0..100 {
        let (value, slope) = legendre(n, z);
        let step = value / slope;
        z -= step;
        if step.abs() < 1e-15 {
            break;
        }
    }
    let (_, slope) = legendre(n, z);
    // On [-1, 1] the weight is 2 / ((1 - z²) Pₙ'(z)²); the map to [0, 1] halves it.
    (0.5 * (1.0 + z), 1.0 / ((1.0 - z * z) * slope * slope))
}

/// (node, weight) on [0, 1] of point `k` of `n` steps: the integral of the cosine series that
/// interpolates at all points.
fn clenshaw_curtis(n: usize, k: usize) -> (f64, f64) {
    let angle = PI * k as f64 / n as f64;
    // ∫ cos(jθ) sin θ dθ vanishes for odd j; the last term of the series counts half.
    let term = |j: usize| {
        let half = if 2 * j == n { 1.0 } else { 2.0 };
        half * (2.0 * j as f64 * angle).cos() / (4 * j * j - 1) as f64
    };
    let sum = 1.0 - (1..=n / 2).map(term).sum::<f64>();
    let end = if k == 0 || k == n { 0.5 } else { 1.0 };
    (0.5 * (1.0 - angle.cos()), end * sum / n as f64)
}

/// Pₙ(z) and Pₙ'(z) for |z| < 1, by the three-term recurrence.
fn legendre(n: usize, z: f64) -> (f64, f64) {
    let (mut previous, mut current) = (1.0, z);
    for k in 1..n {
        let k = k as f64;
        (previous, current) = (current, ((2.0 * k + 1.0) * z * current - k * previous) / (k + 1.0));
    }
    (current, n as f64 * (z * current - previous) / (z * z - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [Quadrature; 4] = [
        Quadrature::Riemann,
        Quadrature::Trapezoid,
        Quadrature::GaussLegendre,
        Quadrature::ClenshawCurtis,
    ];

    #[test]
    fn weights_sum_to_one_and_fractions_ascend() {
        for rule in RULES {
            for steps in [1, 2, 5, 50, 301] {
                let (fractions, weights) = rule.points(steps);
                assert_eq!(fractions.len(), weights.len());
                assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-13, "{rule:?} {steps}");
                assert!(fractions.is_sorted(), "{rule:?} {steps}");
                let open = fractions[0] > 0.0 && fractions[fractions.len() - 1] < 1.0;
                assert_eq!(open, !rule.includes_ends(), "{rule:?} {steps}");
            }
        }
    }

    #[test]
    fn gauss_legendre_is_exact_up_to_degree_2n_minus_1() {
        for n in [1, 2, 3, 8, 20] {
            let (fractions, weights) = Quadrature::GaussLegendre.points(n);
            for degree in 0..2 * n {
                let sum: f64 =
                    fractions.iter().zip(&weights).map(|(z, w)| w * z.powi(degree as i32)).sum();
                let exact = 1.0 / (degree + 1) as f64; // ∫₀¹ zᵈ dz
                assert!((sum - exact).abs() < 1e-13, "n {n}, degree {degree}: {sum}");
            }
        }
    }

    #[test]
    fn clenshaw_curtis_is_exact_up_to_degree_n() {
        for n in [1, 2, 3, 8, 21] {
            let (fractions, weights) = Quadrature::ClenshawCurtis.points(n);
            for degree in 0..=n {
                let sum: f64 =
                    fractions.iter().zip(&weights).map(|(z, w)| w * z.powi(degree as i32)).sum();
                let exact = 1.0 / (degree + 1) as f64;
                assert!((sum - exact).abs() < 1e-13, "n {n}, degree {degree}: {sum}");
            }
        }
    }

    #[test]
    fn each_second_point_of_twice_the_steps_is_the_same_number() {
        for rule in RULES.into_iter().filter(|rule| rule.nests()) {
            for steps in [1, 8, 25] {
                let finer = rule.points(2 * steps).0;
                let found: Vec<f64> = finer.into_iter().step_by(2).collect();
                assert_eq!(found, rule.points(steps).0, "{rule:?} {steps}");
            }
        }
    }

    #[test]
    fn gauss_legendre_has_the_tabulated_nodes() {
        // Abramowitz & Stegun, table 25.4, n = 3, mapped to [0, 1].
        let (fractions, weights) = Quadrature::GaussLegendre.points(3);
        let z = 0.774_596_669_241_483_4;
        for (found, expected) in fractions.iter().zip([0.5 * (1.0 - z), 0.5, 0.5 * (1.0 + z)]) {
            assert!((found - expected).abs() < 1e-15);
        }
        for (found, expected) in weights.iter().zip([5.0 / 18.0, 8.0 / 18.0, 5.0 / 18.0]) {
            assert!((found - expected).abs() < 1e-15);
        }
    }
}
