//! MoXI (Sumiyasu et al. 2024): patches inserted or deleted one by one, the best first.
//!
//! With self-context Shapley values and pairwise interactions, the best next patch is simply the one
//! whose insertion gives the highest reward (or whose deletion the lowest): N patches cost about
//! N²/2 forward passes.

use hsets_core::{
    Error, Image, Link, Progress, Result, SaliencyMap, Scored, SegmentMap, Shape, Target,
};
use serde::{Deserialize, Serialize};

use super::segments::{composed, for_batches, segment_map};

/// What a coalition of patches is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reward {
    /// ln p: what the tables of H-Sets use.
    LogProbability,
    /// ln p/(1-p): the default of MoXI's authors.
    LogOdds,
    /// The logit.
    Logit,
}

impl Reward {
    fn of(self, class: usize, link: Link) -> Target {
        match self {
            Self::LogProbability => link.log_probability(class),
            Self::LogOdds => link.log_odds(class),
            Self::Logit => Target::Logit(class),
        }
    }
}

/// Which curve the order is best for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoxiCurve {
    /// Starts from nothing; the patch that raises the reward most comes first.
    Insertion,
    /// Starts from the image; the patch whose removal lowers the reward most comes first.
    Deletion,
}

impl MoxiCurve {
    /// Insertion wants high rewards, deletion low ones.
    fn sign(self) -> f64 {
        match self {
            Self::Insertion => 1.0,
            Self::Deletion => -1.0,
        }
    }
}

/// Settings of MoXI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moxi {
    /// g ≥ 1: the image is a grid of g × g patches.
    pub grid: usize,
    /// What a coalition is worth.
    pub reward: Reward,
    /// Which curve the order is best for.
    pub curve: MoxiCurve,
    /// Patches to order, at most g²; `None` orders all.
    pub n_patches: Option<usize>,
    /// Images per call of the field, ≥ 1.
    pub batch: usize,
}

impl Moxi {
    /// 10 × 10 patches, ln p, insertion, all patches: as compared in the tables of H-Sets.
    pub fn paper() -> Self {
        Self {
            grid: 10,
            reward: Reward::LogProbability,
            curve: MoxiCurve::Insertion,
            n_patches: None,
            batch: 32,
        }
    }

    /// 14 × 14 patches, ln p/(1-p), insertion: the defaults of MoXI's authors for images whose
    /// absent patches take the baseline.
    pub fn reference() -> Self {
        Self { grid: 14, reward: Reward::LogOdds, ..Self::paper() }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if self.batch == 0 {
            return Err(Error::config("batch", 0, "at least 1"));
        }
        if self.grid == 0 {
            return Err(Error::config("grid", 0, "at least 1 patch a side"));
        }
        Ok(())
    }
}

/// Patches in the order MoXI chose them.
#[derive(Debug, Clone, PartialEq)]
pub struct MoxiOrder {
    /// The grid as a label map; label = row · g + column of the patch.
    pub patches: SegmentMap,
    /// Labels, first chosen first.
    pub order: Vec<u32>,
    /// Which curve the order is best for.
    pub curve: MoxiCurve,
    /// Reward before the first patch and after every patch: one more than `order`.
    pub rewards: Vec<f64>,
}

/// Orders the patches of `image` for `class`; absent patches take the values of `baseline` (0 in
/// normalised space for MoXI's authors).
pub fn moxi(
    field: &dyn Scored,
    baseline: &Image,
    image: &Image,
    class: usize,
    settings: &Moxi,
    progress: &dyn Progress,
) -> Result<MoxiOrder> {
    settings.check()?;
    let reward = settings.reward.of(class, field.link());
    reward.check(field.n_classes())?;
    image.expect_shape("image", field.shape())?;
    baseline.expect_shape("baseline", field.shape())?;
    let patches = grid_patches(image.shape(), settings.grid)?;
    let n = patches.n_segments();
    let n_chosen = settings.n_patches.unwrap_or(n).min(n);
    // Insertion puts patches of the image into the baseline; deletion the other way round.
    let (start, other) = match settings.curve {
        MoxiCurve::Insertion => (baseline, image),
        MoxiCurve::Deletion => (image, baseline),
    };
    let sign = settings.curve.sign();
    let rewards_of = |chosen: &[u32], candidates: &[Option<u32>]| {
        let with = |candidate: &Option<u32>| {
            composed(start, other, &patches, chosen.iter().copied().chain(*candidate))
        };
        let mut rewards = Vec::with_capacity(candidates.len());
        let each = |logits: Vec<f64>| rewards.push(reward.value(&logits));
        for_batches(field, candidates.iter().map(with), settings.batch, each)?;
        Ok::<_, Error>(rewards)
    };
    let (mut order, mut rewards) = (Vec::new(), rewards_of(&[], &[None])?);
    progress.begin("moxi", n_chosen as u64);
    while order.len() < n_chosen {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let left = (0..n as u32).filter(|label| !order.contains(label));
        let candidates: Vec<Option<u32>> = left.map(Some).collect();
        let scores = rewards_of(&order, &candidates)?;
        // The first among equals.
        let better = |best: usize, i: usize| {
            if sign * scores[i] > sign * scores[best] { i } else { best }
        };
        let best = (1..scores.len()).fold(0, better);
        order.extend(candidates[best]);
        rewards.push(scores[best]);
        progress.advance(1);
    }
    progress.end();
    Ok(MoxiOrder { patches, order, curve: settings.curve, rewards })
}

/// g × g patches by nearest neighbour: pixel y belongs to row ⌊y·g/H⌋.
fn grid_patches(shape: Shape, grid: usize) -> Result<SegmentMap> {
    let largest = shape.height.min(shape.width);
    if !(1..=largest).contains(&grid) {
        return Err(Error::config("grid", grid, format!("1 to {largest} patches a side")));
    }
    let label = |pixel: usize| {
        let (y, x) = (pixel / shape.width, pixel % shape.width);
        (y * grid / shape.height * grid + x * grid / shape.width) as u32
    };
    let labels: Vec<u32> = (0..shape.n_pixels()).map(label).collect();
    SegmentMap::new(shape.width, shape.height, &labels)
}

/// How the order becomes a map. MoXI's authors do not say; neither do those of H-Sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoxiMap {
    /// The marginal gain of the reward when the patch was chosen (its loss, for deletion), signed.
    /// Gains need not fall along the order, so a map ranks patches differently from the order.
    MarginalGain,
    /// g² for the first patch, one less for each later one, 0 for those not ordered: ranks exactly
    /// as the order does.
    Rank,
}

/// A map of the ordered patches; every pixel has the value of its patch, split among channels.
pub fn moxi_map(image: &Image, result: &MoxiOrder, rule: MoxiMap) -> Result<SaliencyMap> {
    let n = result.patches.n_segments();
    let mut scores = vec![0.0; n];
    let sign = result.curve.sign();
    for (position, &label) in result.order.iter().enumerate() {
        scores[label as usize] = match rule {
            MoxiMap::MarginalGain => {
                sign * (result.rewards[position + 1] - result.rewards[position])
            }
            MoxiMap::Rank => (n - position) as f64,
        };
    }
    segment_map(image.shape(), &result.patches, &scores)
}
