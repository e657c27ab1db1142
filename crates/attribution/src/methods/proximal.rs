//! Maximisers of gᵀδ + ½ δᵀHδ - λ₁‖δ‖₁ - ½λ₂‖δ‖², with H given by its products.

use hsets_core::{Error, Result};

/// The objective, as a loss to minimise: q(δ) + λ₁‖δ‖₁ with q(δ) = ½λ₂‖δ‖² - gᵀδ - ½ δᵀHδ.
pub(super) struct Objective<'a> {
    pub(super) gradient: &'a [f64],
    pub(super) hessian: &'a dyn Fn(&[f64]) -> Result<Vec<f64>>,
    pub(super) lambda1: f64,
    pub(super) lambda2: f64,
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |top: f64, value| top.max(value.abs()))
}

/// sign(v) · max(|v| - threshold, 0), the proximal map of threshold · ‖·‖₁.
pub(super) fn soft(value: f64, threshold: f64) -> f64 {
    value.signum() * (value.abs() - threshold).max(0.0)
}

impl Objective<'_> {
    /// q at δ, where Hδ = `bent`.
    fn smooth(&self, delta: &[f64], bent: &[f64]) -> f64 {
        0.5 * self.lambda2 * dot(delta, delta) - dot(self.gradient, delta) - 0.5 * dot(delta, bent)
    }

    /// Its gradient λ₂δ - g - Hδ.
    fn slope(&self, delta: &[f64], bent: &[f64]) -> Vec<f64> {
        let terms = delta.iter().zip(self.gradient).zip(bent);
        terms.map(|((d, g), h)| self.lambda2 * d - g - h).collect()
    }

    /// FISTA from 0 with backtracking: the step starts at `learning_rate` in every iteration and
    /// halves until q lies below its quadratic bound (Beck and Teboulle 2009).
    ///
    /// Stops after `iterations`, or once no element moves by more than `tolerance` times the
    /// largest. A step costs one product with H: what it leaps to is a mixture of the last two δ,
    /// and so is its product.
    pub(super) fn proximal(
        &self,
        learning_rate: f64,
        iterations: usize,
        tolerance: f64,
    ) -> Result<Vec<f64>> {
        let zero = vec![0.0; self.gradient.len()];
        // δ and Hδ, now and one step before.
        let (mut now, mut before) = ([zero.clone(), zero.clone()], [zero.clone(), zero]);
        for k in 1..=iterations {
            let momentum = (k as f64 - 2.0) / (k as f64 + 1.0);
            let leap = |at: usize| -> Vec<f64> {
                now[at].iter().zip(&before[at]).map(|(d, b)| d + momentum * (d - b)).collect()
            };
            let [point, bent] = [leap(0), leap(1)];
            before = now;
            now = self.descend(&point, &bent, learning_rate)?;
            let moved: Vec<f64> = now[0].iter().zip(&before[0]).map(|(d, b)| d - b).collect();
            if largest(&moved) <= tolerance * largest(&now[0]) {
                break;
            }
        }
        let [delta, _] = now;
        Ok(delta)
    }

    /// One proximal gradient step from `point`, where its product with H is `bent`: the next δ and
    /// its product.
    fn descend(&self, point: &[f64], bent: &[f64], learning_rate: f64) -> Result<[Vec<f64>; 2]> {
        let (value, gradient) = (self.smooth(point, bent), self.slope(point, bent));
        let mut step = learning_rate;
        loop {
            let shrink = |(v, g): (&f64, &f64)| soft(v - step * g, step * self.lambda1);
            let next: Vec<f64> = point.iter().zip(&gradient).map(shrink).collect();
            let moved: Vec<f64> = next.iter().zip(point).map(|(n, p)| n - p).collect();
            let bound = value + dot(&gradient, &moved) + dot(&moved, &moved) / (2.0 * step);
            let bent = (self.hessian)(&next)?;
            // Rounding alone must not halve the step for ever.
            if self.smooth(&next, &bent) <= bound + 1e-12 * value.abs() || step < 1e-12 {
                return Ok([next, bent]);
            }
            step *= 0.5;
        }
    }

    /// δ of (λ₂ - H) δ = g by conjugate gradients: the maximiser for λ₁ = 0.
    pub(super) fn solve(&self) -> Result<Vec<f64>> {
        let mut delta = vec![0.0; self.gradient.len()];
        let mut residual = self.gradient.to_vec();
        let mut direction = residual.clone();
        let mut norm = dot(&residual, &residual);
        let goal = 1e-14 * norm; // products are f32: no more than 7 digits to be had
        for _ in 0..self.gradient.len().min(1000) {
            if norm <= goal {
                break;
            }
            let bent = (self.hessian)(&direction)?;
            let product: Vec<f64> =
                direction.iter().zip(&bent).map(|(d, h)| self.lambda2 * d - h).collect();
            let curvature = dot(&direction, &product);
            if curvature <= 0.0 {
                let expected = "more than the largest eigenvalue of the Hessian, or there is no \
                                maximum: raise it";
                return Err(Error::config("lambda2", self.lambda2, expected));
            }
            let alpha = norm / curvature;
            for i in 0..delta.len() {
                delta[i] += alpha * direction[i];
                residual[i] -= alpha * product[i];
            }
            let next = dot(&residual, &residual);
            for (d, r) in direction.iter_mut().zip(&residual) {
                *d = r + next / norm * *d;
            }
            norm = next;
        }
        Ok(delta)
    }
}
