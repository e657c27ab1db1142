//! In which order pixels are removed.

use std::cmp::Ordering;

use hsets_core::{ChannelReduction, Result, SaliencyMap};
use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use crate::complexity::finite_pixels;

/// What decides among pixels of equal value. Maps of sets are mostly ties, so this matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ties {
    /// By a seeded shuffle: tied pixels fall in random order, as with vanishing noise on the map.
    Seeded(u64),
    /// By position, the last pixel of the raster first when the most relevant go first: what
    /// `argsort(map)[::-1]` of quantus 0.5.3 means. Its argsort is unstable, so within ties its own
    /// order depends on numpy's build; this is the stable reading.
    LastFirst,
}

impl Ties {
    /// The name under which results report it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seeded(_) => "seeded",
            Self::LastFirst => "last-first",
        }
    }
}

/// Which end of the order is removed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Most relevant first: a faithful map loses the class soon.
    Morf,
    /// Least relevant first: a faithful map keeps the class for long.
    Lerf,
}

impl Removal {
    /// The name under which results report it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Morf => "morf",
            Self::Lerf => "lerf",
        }
    }
}

/// Pixels \[H·W\] of the reduced map, first to be removed first. LeRF is MoRF reversed.
pub fn removal_order(
    map: &SaliencyMap,
    reduction: ChannelReduction,
    ties: Ties,
    removal: Removal,
) -> Result<Vec<usize>> {
    let values = finite_pixels(map, reduction)?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    if let Ties::Seeded(seed) = ties {
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    }
    order.sort_by(|&i, &j| compare(values[i], values[j]));
    if removal == Removal::Morf {
        order.reverse();
    }
    Ok(order)
}

/// Order of finite values. -0 and 0 tie, so it is not `total_cmp`.
fn compare(a: f32, b: f32) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// Share of the pixels, in \[0, 1\], that have the same value as another pixel: how much of the
/// order is left to [`Ties`].
pub fn tied_share(map: &SaliencyMap, reduction: ChannelReduction) -> Result<f64> {
    let mut values = finite_pixels(map, reduction)?;
    values.sort_unstable_by(|a, b| compare(*a, *b));
    let runs = values.chunk_by(|a, b| compare(*a, *b).is_eq()).map(<[f32]>::len);
    let n_tied: usize = runs.filter(|&len| len > 1).sum();
    Ok(n_tied as f64 / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    fn map() -> SaliencyMap {
        SaliencyMap::new(Shape::new(1, 2, 3), vec![0.0, 2.0, 0.0, -1.0, 3.0, -0.0]).unwrap()
    }

    #[test]
    fn last_first_is_reversed_stable_argsort() {
        let order = |removal| {
            removal_order(&map(), ChannelReduction::Sum, Ties::LastFirst, removal).unwrap()
        };
        assert_eq!(order(Removal::Morf), [4, 1, 5, 2, 0, 3]);
        assert_eq!(order(Removal::Lerf), [3, 0, 2, 5, 1, 4]);
    }

    #[test]
    fn seeds_only_reorder_ties() {
        let order =
            |seed| removal_order(&map(), ChannelReduction::Sum, Ties::Seeded(seed), Removal::Morf);
        let orders: Vec<_> = (0..20).map(|seed| order(seed).unwrap()).collect();
        assert!(orders.iter().all(|o| o[..2] == [4, 1] && o[5] == 3));
        assert!(orders.iter().any(|o| o[2..5] != orders[0][2..5]));
        assert_eq!(order(3).unwrap(), orders[3]);
    }

    #[test]
    fn half_of_the_pixels_are_tied() {
        assert!((tied_share(&map(), ChannelReduction::Sum).unwrap() - 0.5).abs() < 1e-12);
    }
}
