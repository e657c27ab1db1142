//! `ArchDetect` (Tsang et al. 2020): which pairs of segments interact, by forward passes alone.
//!
//! Segment i is *inserted* when its pixels are those of the image x and not those of the baseline x'.
//! The discrete mixed difference f(ij) - f(i) - f(j) + f(∅) is taken twice: from the baseline, with
//! i and j inserted, and from the image, with i and j removed. The strength of a pair is the mean of
//! the two squares. n segments cost 2 + 2n + n(n-1) forward passes.

use hsets_core::{Error, Image, Progress, Result, Scored, SegmentMap, Target};
use serde::{Deserialize, Serialize};

/// Around which image pairs are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contexts {
    /// Baseline and image: the mean of both squares.
    Both,
    /// Insertion into the baseline only.
    Baseline,
    /// Removal from the image only (the authors' `single_context`).
    Image,
}

/// Settings of `ArchDetect`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchDetect {
    /// Around which image pairs are tested.
    pub contexts: Contexts,
    /// Mixed differences below this share of the smallest of the four |f| are rounding and count as
    /// 0; ≥ 0. It depends on the zero of f, so it suits logits, not their differences.
    pub negligible: f64,
    /// Images per call of the field, ≥ 1.
    pub batch: usize,
}

impl ArchDetect {
    /// Both contexts, as in the paper; nothing is negligible.
    pub fn paper() -> Self {
        Self { contexts: Contexts::Both, negligible: 0.0, batch: 20 }
    }

    /// Both contexts; shares below 1e-5 are negligible, as in the authors' program.
    pub fn reference() -> Self {
        Self { negligible: 1e-5, ..Self::paper() }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if self.batch == 0 {
            return Err(Error::config("batch", 0, "at least 1"));
        }
        if self.negligible.is_nan() || self.negligible < 0.0 {
            return Err(Error::config("negligible", self.negligible, "a share ≥ 0"));
        }
        Ok(())
    }
}

/// A pair of segments and how strongly it interacts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairStrength {
    /// The labels, ascending.
    pub pair: [u32; 2],
    /// Mean square of the mixed differences, ≥ 0, in squared units of the target.
    pub strength: f64,
}

/// What `ArchDetect` finds.
#[derive(Debug, Clone, PartialEq)]
pub struct ArchDetection {
    /// All pairs, the strongest first, ties in order of labels.
    pub pairs: Vec<PairStrength>,
    /// f(i) - f(∅) in the baseline's context, of every segment: `ArchAttribute` of single segments.
    pub main_effects: Vec<f64>,
}

/// Strengths of all pairs of segments, and the main effects.
pub fn arch_detect(
    field: &dyn Scored,
    baseline: &Image,
    image: &Image,
    segments: &SegmentMap,
    target: &Target,
    settings: &ArchDetect,
    progress: &dyn Progress,
) -> Result<ArchDetection> {
    check(field, [baseline, image], segments, target, settings)?;
    let n = segments.n_segments() as u32;
    let n_contexts = if settings.contexts == Contexts::Both { 2 } else { 1 };
    // The main effects need single insertions into the baseline in any case.
    let single_contexts = if settings.contexts == Contexts::Baseline { 1 } else { 2 };
    let n_pairs = u64::from(n) * u64::from(n.saturating_sub(1)) / 2;
    progress.begin("arch-detect", single_contexts * (u64::from(n) + 1) + n_contexts * n_pairs);
    let game = Game { field, segments, target, batch: settings.batch, progress };
    let single = Singles::of(&game, baseline, image)?;
    let main_effects = single.inserted.iter().map(|value| value - single.none).collect();
    let from_baseline = if settings.contexts == Contexts::Image {
        None
    } else {
        Some(mixed_differences(&game, baseline, image, &single, settings.negligible)?)
    };
    let from_image = if settings.contexts == Contexts::Baseline {
        None
    } else {
        let single = Singles::of(&game, image, baseline)?;
        Some(mixed_differences(&game, image, baseline, &single, settings.negligible)?)
    };
    progress.end();
    let squares = [from_baseline, from_image].into_iter().flatten();
    let mut strengths = vec![0.0; n_pairs as usize];
    for differences in squares {
        for (strength, difference) in strengths.iter_mut().zip(differences) {
            *strength += difference * difference / n_contexts as f64;
        }
    }
    let of_pair = |(pair, strength)| PairStrength { pair, strength };
    let mut pairs: Vec<PairStrength> = pairs(n).zip(strengths).map(of_pair).collect();
    pairs.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    Ok(ArchDetection { pairs, main_effects })
}

fn check(
    field: &dyn Scored,
    images: [&Image; 2],
    segments: &SegmentMap,
    target: &Target,
    settings: &ArchDetect,
) -> Result<()> {
    target.check(field.n_classes())?;
    let shape = field.shape();
    images[0].expect_shape("baseline", shape)?;
    images[1].expect_shape("image", shape)?;
    if (segments.width(), segments.height()) != (shape.width, shape.height) {
        let found = format!("{}x{}", segments.width(), segments.height());
        return Err(Error::shape("segments", format!("{}x{}", shape.width, shape.height), found));
    }
    settings.check()
}

/// All pairs i < j in order.
fn pairs(n: u32) -> impl Iterator<Item = [u32; 2]> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| [i, j]))
}

/// What a coalition of segments is worth.
struct Game<'a> {
    field: &'a dyn Scored,
    segments: &'a SegmentMap,
    target: &'a Target,
    batch: usize,
    progress: &'a dyn Progress,
}

impl Game<'_> {
    /// The target at `context` with each of the sets taken from `other`.
    fn values<S: AsRef<[u32]>>(
        &self,
        context: &Image,
        other: &Image,
        sets: impl Iterator<Item = S>,
    ) -> Result<Vec<f64>> {
        let mut images = sets.map(|set| self.inserted(context, other, set.as_ref()));
        let mut values = Vec::new();
        loop {
            if self.progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let batch: Vec<Image> = images.by_ref().take(self.batch).collect::<Result<_>>()?;
            if batch.is_empty() {
                return Ok(values);
            }
            for logits in self.field.logits(&batch)? {
                let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
                values.push(self.target.value(&logits));
            }
            self.progress.advance(batch.len() as u64);
        }
    }

    fn inserted(&self, context: &Image, other: &Image, set: &[u32]) -> Result<Image> {
        let shape = context.shape();
        let mut data = context.data().to_vec();
        let planes = data.chunks_exact_mut(shape.n_pixels());
        for (plane, source) in planes.zip(other.data().chunks_exact(shape.n_pixels())) {
            for ((value, &o), label) in plane.iter_mut().zip(source).zip(self.segments.labels()) {
                if set.contains(label) {
                    *value = o;
                }
            }
        }
        Image::new(shape, data)
    }
}

/// f(∅) and f(i) in one context.
struct Singles {
    none: f64,
    inserted: Vec<f64>,
}

impl Singles {
    fn of(game: &Game<'_>, context: &Image, other: &Image) -> Result<Self> {
        let sets = (0..game.segments.n_segments() as u32).map(|label| vec![label]);
        let values = game.values(context, other, std::iter::once(Vec::new()).chain(sets))?;
        Ok(Self { none: values[0], inserted: values[1..].to_vec() })
    }
}

/// f(ij) - f(i) - f(j) + f(∅) of all pairs in one context.
fn mixed_differences(
    game: &Game<'_>,
    context: &Image,
    other: &Image,
    single: &Singles,
    negligible: f64,
) -> Result<Vec<f64>> {
    let n = game.segments.n_segments() as u32;
    let both = game.values(context, other, pairs(n))?;
    let difference = |([i, j], both): ([u32; 2], f64)| {
        let (f_i, f_j) = (single.inserted[i as usize], single.inserted[j as usize]);
        let difference = single.none - f_i - f_j + both;
        let smallest =
            [single.none, f_i, f_j, both].into_iter().map(f64::abs).fold(f64::MAX, f64::min);
        if difference.abs() < negligible * smallest { 0.0 } else { difference }
    };
    Ok(pairs(n).zip(both).map(difference).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{Shape, Silent, analytic::Polynomial};

    /// f = 1 + 2 x₀x₁ + x₂ + x₂x₃²: two pairs that interact, four that do not.
    #[test]
    fn mixed_differences_of_products() {
        let shape = Shape::new(1, 1, 4);
        let terms = vec![(1.0, vec![]), (2.0, vec![0, 1]), (1.0, vec![2]), (1.0, vec![2, 3, 3])];
        let field = Polynomial::new(shape, vec![terms]);
        let (baseline, image) = (Image::constant(shape, 0.0), Image::constant(shape, 1.0));
        let segments = SegmentMap::new(4, 1, &[0, 1, 2, 3]).unwrap();
        let detect = |settings: &ArchDetect| {
            let target = Target::Logit(0);
            arch_detect(&field, &baseline, &image, &segments, &target, settings, &Silent).unwrap()
        };
        let found = detect(&ArchDetect::paper());
        assert_eq!(found.pairs[0], PairStrength { pair: [0, 1], strength: 4.0 });
        assert_eq!(found.pairs[1], PairStrength { pair: [2, 3], strength: 1.0 });
        assert!(found.pairs[2..].iter().all(|pair| pair.strength.abs() < 1e-12));
        assert_eq!(found.main_effects, [0.0, 0.0, 1.0, 0.0]);
        for contexts in [Contexts::Baseline, Contexts::Image] {
            let single = detect(&ArchDetect { contexts, batch: 1, ..ArchDetect::paper() });
            assert_eq!(single, found, "this field has the same interactions everywhere");
        }
    }
}
