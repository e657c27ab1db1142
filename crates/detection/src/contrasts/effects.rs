//! The matrix of effects of all pairs of segments.

use hsets_core::{Mask, Progress, Removal, Result, SegmentMap};

/// Second differences of all pairs of segments at the image:
/// I(A, B) = g(x) - g(x without A) - g(x without B) + g(x without both).
#[derive(Debug, Clone, PartialEq)]
pub struct PairEffects {
    /// g(x).
    pub value: f64,
    /// g(x) - g(x without A) of every segment.
    pub main_effects: Vec<f64>,
    /// I, row by row \[S·S\]: symmetric, 0 on the diagonal.
    pub effects: Vec<f64>,
}

impl PairEffects {
    /// Number of segments S.
    pub fn n_segments(&self) -> usize {
        self.main_effects.len()
    }

    /// I(A, B).
    pub fn effect(&self, a: u32, b: u32) -> f64 {
        self.effects[a as usize * self.n_segments() + b as usize]
    }

    /// Pairs of segments, the largest |I| first, ties in order of labels.
    pub fn ranked(&self) -> Vec<[u32; 2]> {
        let n = self.n_segments() as u32;
        let mut pairs: Vec<[u32; 2]> = pairs(n).collect();
        pairs.sort_by(|&[a, b], &[c, d]| {
            self.effect(c, d).abs().total_cmp(&self.effect(a, b).abs())
        });
        pairs
    }

    /// Σ over B of |I(A, B)| of every segment A: how much it has to do with others.
    pub fn totals(&self) -> Vec<f64> {
        let rows = self.effects.chunks_exact(self.n_segments().max(1));
        rows.map(|row| row.iter().map(|effect| effect.abs()).sum()).collect()
    }
}

/// All pairs i < j in order.
fn pairs(n: u32) -> impl Iterator<Item = [u32; 2]> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| [i, j]))
}

/// Effects of all pairs of segments: 1 + S + S(S - 1)/2 forward passes.
pub fn pair_effects(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    progress: &dyn Progress,
) -> Result<PairEffects> {
    let n = segments.n_segments();
    let mask = |labels: &[u32]| Mask::of_segments(segments, labels);
    let mut masks = vec![Mask::empty(segments.width(), segments.height())];
    masks.extend((0..n as u32).map(|label| mask(&[label])));
    masks.extend(pairs(n as u32).map(|pair| mask(&pair)));
    progress.begin("pair effects", masks.len() as u64);
    let values = removal.values(&masks, progress)?;
    progress.end();
    let (value, single) = (values[0], &values[1..=n]);
    let mut effects = vec![0.0; n * n];
    for ([a, b], without_both) in pairs(n as u32).zip(&values[n + 1..]) {
        let (a, b) = (a as usize, b as usize);
        let effect = value - single[a] - single[b] + without_both;
        (effects[a * n + b], effects[b * n + a]) = (effect, effect);
    }
    let main_effects = single.iter().map(|without| value - without).collect();
    Ok(PairEffects { value, main_effects, effects })
}
