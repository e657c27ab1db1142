//! Cooperative games of a few players, known in full: dividends, values, interaction indices.
//!
//! A game ν gives a value to every coalition of n players; coalitions are numbered by bit masks. Its
//! Harsanyi dividends m (Möbius transform) say what a coalition is worth beyond its parts,
//! ν(T) = Σ_{S⊆T} m(S). The indices of a coalition S are weighted sums over those that contain it,
//!
//! I(S) = Σ_{T⊇S} w(|T| - |S|) m(T),
//!
//! with w(k) = 1/(k + 1) for Shapley (Grabisch and Roubens 1999) and pᵏ for Banzhaf, which is the mean
//! of the discrete derivative of S where everyone else is in with probability p (Marichal and Mathonet
//! 2011; p = ½ is the Banzhaf interaction index). Of single players they are the Shapley and the
//! Banzhaf value. p = 1 is the discrete derivative at the whole picture, p = 0 the dividend.

use hsets_core::{Error, Mask, Progress, Removal, Result, SegmentMap};

use crate::Quadrature;

/// More players than this are refused: there are 2ⁿ coalitions, each a forward pass.
pub const MAX_PLAYERS: usize = 16;

/// Coalitions whose pictures are asked for together.
const CHUNK: usize = 256;

/// Which weights an interaction index has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InteractionIndex {
    /// Every size of context counts the same.
    Shapley,
    /// Every other player is in with probability p, independently.
    Banzhaf {
        /// p in \[0, 1\].
        p: f64,
    },
}

/// A game known in full.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactGame {
    /// ν of every coalition \[2ⁿ\], by bit mask.
    pub values: Vec<f64>,
    /// m of every coalition \[2ⁿ\].
    pub dividends: Vec<f64>,
}

impl ExactGame {
    /// From ν of every coalition \[2ⁿ\], by bit mask.
    pub fn new(values: Vec<f64>) -> Result<Self> {
        if !values.len().is_power_of_two() {
            let found = format!("{} values", values.len());
            return Err(Error::shape("game", "a value for each of 2ⁿ coalitions", found));
        }
        let dividends = harsanyi_dividends(&values);
        Ok(Self { values, dividends })
    }

    /// The segments of a picture play: a coalition is worth the target where all other segments are
    /// removed. 2ⁿ forward passes, at most [`MAX_PLAYERS`] segments.
    pub fn of_segments(
        removal: &Removal<'_>,
        segments: &SegmentMap,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let n = segments.n_segments();
        if n > MAX_PLAYERS {
            let expected = format!(
                "at most {MAX_PLAYERS} to play every coalition (2^{MAX_PLAYERS} forward passes): \
                 choose larger segments"
            );
            return Err(Error::config("segments", n, expected));
        }
        progress.begin("coalitions", 1 << n);
        let coalitions: Vec<usize> = (0..1 << n).collect();
        let mut values = Vec::with_capacity(coalitions.len());
        for chunk in coalitions.chunks(CHUNK) {
            let removed = |&coalition: &usize| {
                let out = (0..n as u32).filter(|label| coalition >> label & 1 == 0);
                Mask::of_segments(segments, &out.collect::<Vec<_>>())
            };
            let removed: Vec<Mask> = chunk.iter().map(removed).collect();
            values.extend(removal.values(&removed, progress)?);
        }
        progress.end();
        Self::new(values)
    }

    /// n.
    pub fn n_players(&self) -> usize {
        self.values.len().ilog2() as usize
    }

    /// The index of every coalition \[2ⁿ\], the empty one included.
    ///
    /// Shapley's 1/(k + 1) = ∫₀¹ tᵏ dt: its index is the integral of Banzhaf's over p, a polynomial of
    /// degree < n + 1, which Gauss and Legendre's points give exactly.
    pub fn index(&self, index: InteractionIndex) -> Vec<f64> {
        match index {
            InteractionIndex::Banzhaf { p } => supersets(&self.dividends, p),
            InteractionIndex::Shapley => {
                let (points, weights) = Quadrature::GaussLegendre.points(self.n_players() / 2 + 1);
                let mut sum = vec![0.0; self.dividends.len()];
                for (p, weight) in points.into_iter().zip(weights) {
                    let at_p = supersets(&self.dividends, p);
                    sum.iter_mut().zip(at_p).for_each(|(sum, value)| *sum += weight * value);
                }
                sum
            }
        }
    }

    /// The index of every player \[n\]: its Shapley or its Banzhaf value.
    pub fn player_values(&self, index: InteractionIndex) -> Vec<f64> {
        let all = self.index(index);
        (0..self.n_players()).map(|i| all[1 << i]).collect()
    }

    /// The index of every pair of players, row by row \[n·n\]: symmetric, 0 on the diagonal.
    pub fn pair_values(&self, index: InteractionIndex) -> Vec<f64> {
        let (n, all) = (self.n_players(), self.index(index));
        let value = |at: usize| {
            let (i, j) = (at / n, at % n);
            if i == j { 0.0 } else { all[1 << i | 1 << j] }
        };
        (0..n * n).map(value).collect()
    }

    /// Share of the energy Σ m(T)² of each order |T| = 1..=n: how much is alone, in pairs, in more.
    /// NaN where the game is constant.
    pub fn energy_by_order(&self) -> Vec<f64> {
        let mut energy = vec![0.0; self.n_players()];
        for (coalition, dividend) in self.dividends.iter().enumerate().skip(1) {
            energy[coalition.count_ones() as usize - 1] += dividend * dividend;
        }
        let total: f64 = energy.iter().sum();
        energy.iter().map(|energy| energy / total).collect()
    }
}

/// Σ_{T⊇S} p^(|T| - |S|) m(T) of all S, player by player.
fn supersets(dividends: &[f64], p: f64) -> Vec<f64> {
    let mut sums = dividends.to_vec();
    let n = sums.len().ilog2();
    for player in 0..n {
        for coalition in (0..sums.len()).filter(|coalition| coalition >> player & 1 == 0) {
            sums[coalition] += p * sums[coalition | 1 << player];
        }
    }
    sums
}

/// `ν(T) = Σ_{S⊆T} m(S)` for all coalitions T of n players, from 2ⁿ dividends by bit mask (zeta
/// transform).
///
/// # Panics
/// If the number of dividends is not a power of two.
pub fn coalition_values(dividends: &[f64]) -> Vec<f64> {
    transform(dividends, |with, without| with + without)
}

/// `m(T) = Σ_{S⊆T} (-1)^(|T|-|S|) ν(S)` for all coalitions T of n players, from 2ⁿ coalition values
/// by bit mask (Möbius transform). The inverse of [`coalition_values`].
///
/// # Panics
/// If the number of values is not a power of two.
pub fn harsanyi_dividends(values: &[f64]) -> Vec<f64> {
    transform(values, |with, without| with - without)
}

/// Player by player, joins the entry with the player and the entry without.
fn transform(entries: &[f64], join: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    assert!(entries.len().is_power_of_two(), "one entry per coalition: a power of two");
    let mut entries = entries.to_vec();
    let n = entries.len().ilog2();
    for player in 0..n {
        for coalition in (0..entries.len()).filter(|coalition| coalition >> player & 1 == 1) {
            entries[coalition] = join(entries[coalition], entries[coalition ^ (1 << player)]);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{Image, Shape, Silent, Target, analytic::Polynomial};

    fn game(n: usize) -> ExactGame {
        let value = |i: usize| ((i * i * 31 + i * 7) % 101) as f64 / 10.0 - 3.0;
        ExactGame::new((0..1 << n).map(value).collect()).unwrap()
    }

    #[test]
    fn transforms_match_their_sums_and_invert_each_other() {
        let dividends: Vec<f64> = (0..16).map(|i| f64::from(i * i % 7) - 2.0).collect();
        let values = coalition_values(&dividends);
        for (coalition, value) in values.iter().enumerate() {
            let inside = (0..16).filter(|other| other & coalition == *other);
            let expected: f64 = inside.map(|other| dividends[other]).sum();
            assert!((value - expected).abs() < 1e-12);
        }
        assert_eq!(harsanyi_dividends(&values), dividends);
    }

    #[test]
    fn unanimity_game_in_closed_form() {
        // ν(T) = 1 if T contains players 0, 2 and 3 of five.
        let all = 0b01101usize;
        let values = (0..32).map(|t: usize| f64::from(u8::from(t & all == all))).collect();
        let game = ExactGame::new(values).unwrap();
        assert!(
            game.dividends.iter().enumerate().all(|(t, &m)| m == f64::from(u8::from(t == all)))
        );
        let close =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        let shapley = game.player_values(InteractionIndex::Shapley);
        let banzhaf = game.player_values(InteractionIndex::Banzhaf { p: 0.5 });
        for (i, (shapley, banzhaf)) in shapley.into_iter().zip(banzhaf).enumerate() {
            let is_in = f64::from(u8::from(all >> i & 1 == 1));
            close(shapley, is_in / 3.0);
            close(banzhaf, is_in / 4.0);
        }
        close(game.pair_values(InteractionIndex::Shapley)[2], 0.5);
        close(game.pair_values(InteractionIndex::Banzhaf { p: 0.85 })[2 * 5 + 3], 0.85);
        close(game.pair_values(InteractionIndex::Shapley)[1], 0.0);
        assert_eq!(game.energy_by_order(), [0.0, 0.0, 1.0, 0.0, 0.0]);
    }

    /// Shapley values and both interaction indices as sums over contexts, the definitions.
    #[test]
    fn indices_are_the_means_over_contexts_that_define_them() {
        let (n, game) = (7, game(7));
        let factorial = |k: usize| (1..=k).product::<usize>() as f64;
        let derivative = |set: usize, context: usize| -> f64 {
            let inside = (0..1 << n).filter(|sub| sub & set == *sub);
            let sign =
                |sub: usize| if (set ^ sub).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            inside.map(|sub| sign(sub) * game.values[context | sub]).sum()
        };
        let shapley = game.index(InteractionIndex::Shapley);
        let p: f64 = 0.3;
        let banzhaf = game.index(InteractionIndex::Banzhaf { p });
        for set in [0b1usize, 0b10, 0b11, 0b101_0000, 0b111, 0b111_1111] {
            let (mut by_shapley, mut by_banzhaf) = (0.0, 0.0);
            let size = set.count_ones() as usize;
            for context in (0..1 << n).filter(|context| context & set == 0) {
                let k = context.count_ones() as usize;
                let weight = factorial(n - k - size) * factorial(k) / factorial(n - size + 1);
                let probability = p.powi(k as i32) * (1.0 - p).powi((n - k - size) as i32);
                by_shapley += weight * derivative(set, context);
                by_banzhaf += probability * derivative(set, context);
            }
            assert!((shapley[set] - by_shapley).abs() < 1e-9, "{set:b}");
            assert!((banzhaf[set] - by_banzhaf).abs() < 1e-9, "{set:b}");
        }
        let total: f64 = game.player_values(InteractionIndex::Shapley).iter().sum();
        assert!((total - (game.values[127] - game.values[0])).abs() < 1e-9, "efficiency");
    }

    #[test]
    fn the_ends_of_banzhafs_weight_are_the_picture_and_the_dividend() {
        let game = game(5);
        assert_eq!(game.index(InteractionIndex::Banzhaf { p: 0.0 }), game.dividends);
        let at_whole = game.pair_values(InteractionIndex::Banzhaf { p: 1.0 });
        let v = &game.values;
        let expected = v[0b11111] - v[0b11101] - v[0b10111] + v[0b10101];
        assert!((at_whole[5 + 3] - expected).abs() < 1e-9);
    }

    #[test]
    fn segments_play_by_their_pixels() {
        // f = 2 x₀ + x₀x₁ - x₂: segment 0 is pixel 0, segment 1 pixel 1, segment 2 the others.
        let shape = Shape::new(1, 1, 4);
        let terms = vec![(2.0, vec![0]), (1.0, vec![0, 1]), (-1.0, vec![2])];
        let field = Polynomial::new(shape, vec![terms]);
        let (image, zero) = (Image::constant(shape, 1.0), Image::constant(shape, 0.0));
        let removal = Removal::new(&field, &image, "zero", zero, Target::Logit(0)).unwrap();
        let segments = SegmentMap::new(4, 1, &[0, 1, 2, 2]).unwrap();
        let game = ExactGame::of_segments(&removal, &segments, &Silent).unwrap();
        assert_eq!(game.dividends, [0.0, 2.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0]);
        assert!(ExactGame::new(vec![1.0; 3]).is_err());
    }

    #[test]
    fn too_many_players_are_refused() {
        let shape = Shape::new(1, 1, 17);
        let field = Polynomial::new(shape, vec![vec![]]);
        let (image, zero) = (Image::constant(shape, 1.0), Image::constant(shape, 0.0));
        let removal = Removal::new(&field, &image, "zero", zero, Target::Logit(0)).unwrap();
        let segments = SegmentMap::new(17, 1, &(0..17).collect::<Vec<_>>()).unwrap();
        let error = ExactGame::of_segments(&removal, &segments, &Silent).unwrap_err().to_string();
        assert!(error.starts_with("segments = 17: at most 16"), "{error}");
    }
}
