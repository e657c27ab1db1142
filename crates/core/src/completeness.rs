//! How far the scores of a map are from adding up to the output they explain.

use crate::SaliencyMap;

/// Σ map - (f(x) - f(x')), the gap of the completeness axiom (Sundararajan et al. 2017).
///
/// captum calls the absolute gap the convergence delta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompletenessGap {
    /// Σ map, what the map attributes in total.
    pub attributed: f64,
    /// f(x) - f(x'), what there is to attribute.
    pub difference: f64,
}

impl CompletenessGap {
    /// The gap of `map` for the outputs f(x) at the image and f(x') at the baseline.
    pub fn new(map: &SaliencyMap, at_image: f64, at_baseline: f64) -> Self {
        let attributed = map.data().iter().map(|&value| f64::from(value)).sum();
        Self { attributed, difference: at_image - at_baseline }
    }

    /// Σ map - (f(x) - f(x')), signed, in units of f.
    pub fn absolute(&self) -> f64 {
        self.attributed - self.difference
    }

    /// |absolute gap| / |f(x) - f(x')|; infinite where the output does not change but the map is
    /// not zero in sum.
    pub fn relative(&self) -> f64 {
        if self.absolute() == 0.0 { 0.0 } else { self.absolute().abs() / self.difference.abs() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    #[test]
    fn gap_is_what_is_missing() {
        let map = SaliencyMap::new(Shape::new(1, 1, 2), vec![1.5, 2.0]).unwrap();
        let gap = CompletenessGap::new(&map, 5.0, 1.0);
        assert_eq!((gap.absolute(), gap.relative()), (-0.5, 0.125));
        assert!(CompletenessGap::new(&map, 1.0, 1.0).relative().is_infinite());
    }
}
