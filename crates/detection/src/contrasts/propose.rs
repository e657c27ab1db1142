//! Proposes pairs of regions that may interact.

use hsets_core::{Mask, Result, SegmentMap, Shape};

use super::{
    config::Proposals,
    region::{Blur, Ordered, Plane, grown, peak},
    slopes::Slopes,
};

/// Pairs of regions that may interact, and what they were found by.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// Disjoint pairs, that of the segment with the strongest row first; each at every area that it
    /// may have, the smallest first.
    pub pairs: Vec<Vec<[Mask; 2]>>,
    /// Σ over segments A of |D_A| \[H·W\], blurred: where the gradient depends on what else is there.
    pub partners: Vec<f32>,
    /// Mean ∇g along the path to x \[C·H·W\].
    whole: Vec<f32>,
}

impl Proposed {
    /// Asks for the gradients without each segment, then for those that refine pairs.
    pub(super) fn new(
        slopes: &Slopes<'_>,
        segments: &SegmentMap,
        settings: &Proposals,
    ) -> Result<Self> {
        let proposer = Proposer::new(slopes, segments, settings)?;
        let pairs = proposer.pairs()?;
        let Proposer { partners, whole, .. } = proposer;
        Ok(Self { pairs, partners, whole })
    }

    /// The region that the interaction of a pair depends on most:
    /// D = (x - b) ⊙ (∇g - ∇g without P - ∇g without Q + ∇g without both), along the path.
    pub(super) fn third(
        &self,
        slopes: &Slopes<'_>,
        [first, second]: &[Mask; 2],
        settings: &Proposals,
    ) -> Result<Option<Mask>> {
        let shape = slopes.removal.image().shape();
        let both = first.union(second);
        let mut present = self.whole.clone();
        let without = slopes.along(&both)?;
        present.iter_mut().zip(without).for_each(|(sum, g)| *sum += g);
        let mut absent = slopes.along(first)?;
        let without = slopes.along(second)?;
        absent.iter_mut().zip(without).for_each(|(sum, g)| *sum += g);
        let plane = slopes.partners(&present, &absent, &both);
        let forbidden = grown(&both, settings.gap * side(shape))?;
        let blurred = Blur::new(shape, settings.blur).apply(&plane);
        let ordered = Ordered::of(&blurred, &forbidden, settings.reach * side(shape));
        ordered.map(|ordered| ordered.first(n_pixels(settings.area, shape))).transpose()
    }
}

/// Gradients it takes for `n` segments.
pub(super) fn n_gradients(slopes: &Slopes<'_>, settings: &Proposals, n: usize) -> u64 {
    let refinements = 2 * settings.rounds * settings.n_pairs;
    slopes.n_at() * (n as u64 + 1) + slopes.n_along() * (refinements as u64 + 1)
}

/// The shorter one.
fn side(shape: Shape) -> f64 {
    shape.height.min(shape.width) as f64
}

/// Pixels of a region.
fn n_pixels(area: f64, shape: Shape) -> usize {
    ((area * shape.n_pixels() as f64).round() as usize).max(1)
}

/// What every segment is worth to every other pixel.
struct Proposer<'a> {
    slopes: &'a Slopes<'a>,
    settings: &'a Proposals,
    blur: Blur,
    /// ∇g along the path to x.
    whole: Vec<f32>,
    /// Blurred D_A of every segment.
    rows: Vec<Plane>,
    /// Pixels too near a segment to be its partner.
    near: Vec<Mask>,
    partners: Plane,
}

impl<'a> Proposer<'a> {
    fn new(slopes: &'a Slopes<'a>, segments: &SegmentMap, settings: &'a Proposals) -> Result<Self> {
        let shape = slopes.removal.image().shape();
        let blur = Blur::new(shape, settings.blur);
        let mut masks = vec![Mask::empty(shape.width, shape.height)];
        let n = segments.n_segments() as u32;
        masks.extend((0..n).map(|label| Mask::of_segments(segments, &[label])));
        let (mut at_image, mut rows) = (None, Vec::new());
        let mut sum = vec![0.0; shape.n_pixels()];
        slopes.at(&masks, |gradient| {
            let Some(present) = &at_image else {
                at_image = Some(gradient);
                return Ok(());
            };
            let row = slopes.partners(present, &gradient, &masks[rows.len() + 1]);
            sum.iter_mut().zip(&row).for_each(|(sum, d)| *sum += d.abs());
            rows.push(blur.apply(&row));
            Ok(())
        })?;
        let whole = slopes.along(&masks[0])?;
        let gap = settings.gap * side(shape);
        let near = masks[1..].iter().map(|mask| grown(mask, gap)).collect::<Result<_>>()?;
        let partners = blur.apply(&sum);
        Ok(Self { slopes, settings, blur, whole, rows, near, partners })
    }

    /// Disjoint pairs, the one with the strongest row first.
    fn pairs(&self) -> Result<Vec<Vec<[Mask; 2]>>> {
        let shape = self.slopes.removal.image().shape();
        let mut used = Mask::empty(shape.width, shape.height);
        let mut pairs = Vec::new();
        while pairs.len() < self.settings.n_pairs {
            let Some(sizes) = self.pair(&used)? else { break };
            for [first, second] in &sizes {
                used = used.union(first).union(second);
            }
            pairs.push(sizes);
        }
        Ok(pairs)
    }

    /// The pair of the segment with the highest peak, at every area; no region has a pixel that is
    /// used already.
    fn pair(&self, used: &Mask) -> Result<Option<Vec<[Mask; 2]>>> {
        let mut best: Option<(usize, f32)> = None;
        for (segment, row) in self.rows.iter().enumerate() {
            let Some((_, top)) = peak(row, &self.near[segment].union(used)) else { continue };
            if best.is_none_or(|(_, value)| top.abs() > value) {
                best = Some((segment, top.abs()));
            }
        }
        let Some((segment, _)) = best else { return Ok(None) };
        let start = self.ordered(&self.rows[segment], &self.near[segment].union(used));
        let Some(mut second) = start else { return Ok(None) };
        let mut first = None;
        for _ in 0..self.settings.rounds {
            let Some(found) = self.partner(&second, used)? else { return Ok(None) };
            let Some(back) = self.partner(&found, used)? else { return Ok(None) };
            (first, second) = (Some(found), back);
        }
        first.map(|first| self.sizes(&first, &second)).transpose()
    }

    /// The regions at every area. What both would take belongs to the first.
    fn sizes(&self, first: &Ordered, second: &Ordered) -> Result<Vec<[Mask; 2]>> {
        let shape = self.slopes.removal.image().shape();
        let areas = std::iter::once(&self.settings.area).chain(&self.settings.larger);
        let at = |&area: &f64| {
            let n = n_pixels(area, shape);
            let first = first.first(n)?;
            let second = second.first(n)?.difference(&first);
            Ok([first, second])
        };
        areas.map(at).collect()
    }

    /// The region that a region interacts with most.
    fn partner(&self, region: &Ordered, used: &Mask) -> Result<Option<Ordered>> {
        let shape = self.slopes.removal.image().shape();
        let region = region.first(n_pixels(self.settings.area, shape))?;
        let absent = self.slopes.along(&region)?;
        let plane = self.slopes.partners(&self.whole, &absent, &region);
        let forbidden = grown(&region, self.settings.gap * side(shape))?.union(used);
        Ok(self.ordered(&self.blur.apply(&plane), &forbidden))
    }

    fn ordered(&self, plane: &[f32], forbidden: &Mask) -> Option<Ordered> {
        let shape = self.slopes.removal.image().shape();
        Ordered::of(plane, forbidden, self.settings.reach * side(shape))
    }
}
