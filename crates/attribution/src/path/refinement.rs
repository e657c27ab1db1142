//! The number of steps at which Integrated Gradients add up.

use hsets_core::{Evaluation, Result};

use super::{Refinement, Tour};
use crate::{Quadrature, Steps};

/// The points of the path that [`Steps::UntilGap`] came to, in order.
pub(super) struct Refined {
    pub(super) points: Vec<Evaluation>,
    pub(super) weights: Vec<f64>,
    pub(super) refinement: Refinement,
}

/// Doubles m from [`Steps::FIRST`] until the gap is closed and was near it before.
///
/// Integrated Gradients sum to `Σ_k w_k ∇f(x_k)·a`, so that the gap needs one number of each point.
pub(super) fn refined(
    tour: &Tour<'_>,
    rule: Quadrature,
    gap: f64,
    at_most: usize,
) -> Result<Refined> {
    let displacement = tour.displacement();
    let ends = if rule.includes_ends() { None } else { Some(tour.end_logits()?) };
    let mut points: Vec<Point> = Vec::new();
    let (mut n_gradients, mut was_near) = (0, false);
    let mut steps = Steps::FIRST;
    loop {
        let (fractions, weights) = rule.points(steps);
        let reused = rule.nests() && !points.is_empty();
        let fresh = fractions.iter().enumerate().filter(|(k, _)| !reused || k % 2 == 1);
        let fresh: Vec<f64> = fresh.map(|(_, &fraction)| fraction).collect();
        let mut found = Vec::with_capacity(fresh.len());
        tour.visit(&fresh, |evaluation| found.push(Point::new(evaluation, &displacement)))?;
        n_gradients += fresh.len();
        points = if reused { interleaved(points, found) } else { found };
        let attributed: f64 = points.iter().zip(&weights).map(|(point, w)| w * point.slope).sum();
        let difference = match (&ends, points.first(), points.last()) {
            (Some((baseline, image)), ..) => tour.value(image) - tour.value(baseline),
            (None, Some(first), Some(last)) => last.value(tour) - first.value(tour),
            (None, ..) => 0.0,
        };
        let open = (attributed - difference).abs();
        let allowed = gap * difference.abs();
        let closed = open <= allowed && was_near;
        if closed || 2 * steps > at_most {
            let points = points.into_iter().map(|point| point.evaluation).collect();
            let refinement = Refinement { steps, n_gradients, closed };
            return Ok(Refined { points, weights, refinement });
        }
        (steps, was_near) = (2 * steps, open <= Steps::SLACK * allowed);
    }
}

struct Point {
    evaluation: Evaluation,
    /// ∇f(xₖ)·a.
    slope: f64,
}

impl Point {
    fn new(evaluation: Evaluation, displacement: &[f32]) -> Self {
        let products = evaluation.gradient.iter().zip(displacement);
        let slope = products.map(|(&g, &a)| f64::from(g) * f64::from(a)).sum();
        Self { evaluation, slope }
    }

    fn value(&self, tour: &Tour<'_>) -> f64 {
        tour.value(&self.evaluation.logits)
    }
}

/// Known, found, known, found, …, known.
fn interleaved(known: Vec<Point>, found: Vec<Point>) -> Vec<Point> {
    let mut found = found.into_iter();
    known.into_iter().flat_map(|point| [Some(point), found.next()]).flatten().collect()
}
