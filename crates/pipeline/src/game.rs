//! The segments of one picture as a game that is known in full, and what estimators make of it.

use hsets_attribution::{ExactGame, InteractionIndex, dividend, integrated_gradients, methods};
use hsets_core::{ChannelReduction, Error, FeatureSet, Image, Progress, Result};
use hsets_metrics::{second_differences, spearman};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::{Explainer, Method, Settings};

/// A picture's game, and how near estimates come to it.
#[derive(Debug, Clone, PartialEq)]
pub struct GameReport {
    /// What every coalition of segments is worth, in units of the target.
    pub game: ExactGame,
    /// Estimators beside what they estimate.
    pub estimators: Vec<EstimatorReport>,
}

/// An estimator beside the exact numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct EstimatorReport {
    /// What estimates.
    pub estimator: &'static str,
    /// What it is compared with.
    pub truth: &'static str,
    /// Spearman's correlation with the truth; NaN where either is constant.
    pub correlation: f64,
    /// Root mean square of the differences / that of the truth; NaN for estimators in other units.
    pub error: f64,
}

impl Explainer<'_> {
    /// Plays all coalitions of the segments (2ⁿ forward passes, at most
    /// [`MAX_PLAYERS`](hsets_attribution::MAX_PLAYERS) segments) under the first reference of the
    /// contrasts of `settings`, then estimates the same with the estimators of this crate: each with
    /// its settings, on the same segments and reference.
    pub fn exact_game(&self, settings: &Settings, progress: &dyn Progress) -> Result<GameReport> {
        let settings = &Settings { method: Method::PairEffects, ..settings.clone() };
        settings.check()?;
        let target = self.explained(settings);
        let reference = &settings.contrasts.references[0];
        let removal = self.removal(reference, &target)?;
        let segments = self.segments();
        if segments.n_segments() < 2 {
            return Err(Error::config("players", segments.n_segments(), "2 segments or more"));
        }
        let game = ExactGame::of_segments(&removal, segments, progress)?;
        let n = game.n_players();
        let pairs: Vec<[u32; 2]> =
            (0..n as u32).flat_map(|i| (i + 1..n as u32).map(move |j| [i, j])).collect();
        let of_pairs = |matrix: &[f64]| -> Vec<f64> {
            pairs.iter().map(|&[i, j]| matrix[i as usize * n + j as usize]).collect()
        };
        let keep = settings.contrasts.regions.trials.keep;
        let half = InteractionIndex::Banzhaf { p: 0.5 };
        let [at_keep, at_half, at_whole, shapley, dividends] = [
            InteractionIndex::Banzhaf { p: keep },
            half,
            InteractionIndex::Banzhaf { p: 1.0 },
            InteractionIndex::Shapley,
            InteractionIndex::Banzhaf { p: 0.0 },
        ]
        .map(|index| of_pairs(&game.pair_values(index)));

        let found = hsets_detection::pair_effects(&removal, segments, progress)?;
        let matrix = of_pairs(&found.effects);
        let trials = &settings.contrasts.regions.trials;
        let mut rng = ChaCha8Rng::seed_from_u64(settings.contrasts.regions.seed);
        let contexts: Vec<Vec<bool>> = (0..trials.contexts)
            .map(|_| (0..n).map(|_| rng.random::<f64>() < keep).collect())
            .collect();
        let contrasts = second_differences(&removal, segments, &pairs, &contexts, progress)?;
        let mean = |row: &Vec<f64>| row.iter().sum::<f64>() / row.len() as f64;
        let contrasts: Vec<f64> = contrasts.iter().map(mean).collect();
        let mains: Vec<f64> = pairs
            .iter()
            .map(|&[i, j]| found.main_effects[i as usize] * found.main_effects[j as usize])
            .collect();
        let regression =
            methods::banzhaf(&removal, segments, &settings.contrasts.banzhaf, progress)?;
        let path = self.path_between(removal.reference(), settings, progress)?;
        let ig = integrated_gradients(&path)?.map.per_pixel(ChannelReduction::Sum);
        let mut inside = vec![0.0; n];
        ig.iter().enumerate().for_each(|(pixel, &value)| {
            inside[segments.label(pixel) as usize] += f64::from(value);
        });
        let shape = self.image.shape();
        let published = pairs.iter().map(|pair| {
            let is_in = |feature: &usize| pair.contains(&segments.label(shape.pixel(*feature)));
            let set: FeatureSet = (0..shape.len()).filter(is_in).collect();
            dividend(&path, &set, &settings.attribution)
        });
        let published: Vec<f64> = published.collect::<Result<_>>()?;
        let size = |values: &[f64]| values.iter().map(|value| value.abs()).collect::<Vec<f64>>();
        let in_units = |estimator, truth, estimate: &[f64], exact: &[f64]| EstimatorReport {
            error: relative_error(estimate, exact),
            ..ranked(estimator, truth, estimate, exact)
        };
        let estimators = vec![
            in_units("contrasts of pairs", "Banzhaf interactions at keep", &contrasts, &at_keep),
            in_units("contrasts of pairs", "Banzhaf interactions", &contrasts, &at_half),
            in_units("contrasts of pairs", "Shapley interactions", &contrasts, &shapley),
            in_units("pair effects", "Banzhaf interactions at 1", &matrix, &at_whole),
            in_units("pair effects", "Banzhaf interactions at keep", &matrix, &at_keep),
            in_units("pair effects", "Banzhaf interactions", &matrix, &at_half),
            in_units("pair effects", "Shapley interactions", &matrix, &shapley),
            ranked("products of main effects", "Shapley interactions", &mains, &shapley),
            ranked("IDG-Vis dividends", "|Harsanyi dividends|", &published, &size(&dividends)),
            ranked("IDG-Vis dividends", "|Shapley interactions|", &published, &size(&shapley)),
            in_units(
                "Banzhaf by regression",
                "Banzhaf values",
                &regression,
                &game.player_values(half),
            ),
            in_units(
                "Integrated Gradients",
                "Shapley values",
                &inside,
                &game.player_values(InteractionIndex::Shapley),
            ),
        ];
        Ok(GameReport { game, estimators })
    }

    /// Gradients along the path from any image.
    fn path_between(
        &self,
        start: &Image,
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<std::sync::Arc<hsets_attribution::PathGradients>> {
        let baseline = hsets_attribution::Baseline::Image(start.clone());
        // IDG-Vis' own path, for the target of the game.
        self.path_of(
            &Settings { baseline, target: self.explained(settings), ..settings.clone() },
            progress,
        )
    }
}

fn ranked(
    estimator: &'static str,
    truth: &'static str,
    estimate: &[f64],
    exact: &[f64],
) -> EstimatorReport {
    let correlation = spearman(estimate, exact);
    EstimatorReport { estimator, truth, correlation, error: f64::NAN }
}

fn relative_error(estimate: &[f64], exact: &[f64]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let off = square(&mut estimate.iter().zip(exact).map(|(a, b)| a - b));
    (off / square(&mut exact.iter().copied())).sqrt()
}
