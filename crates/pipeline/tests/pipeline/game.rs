//! Estimators beside exact games, on fields in closed form.

use hsets_pipeline::{
    EstimatorReport, Explainer, GameReport, Settings, Subject,
    attribution::{Baseline, InteractionIndex, Normalisation},
    core::{Image, Photo, SegmentMap, Shape, Silent, Target, analytic::Polynomial},
};
use hsets_pipeline::{Reference, Scalar};

const N: usize = 10;

/// Every pixel a segment, and 1 where the reference is 0: the terms are the dividends.
fn report(terms: Vec<(f64, Vec<usize>)>) -> GameReport {
    let shape = Shape::new(1, 1, N);
    let field = Polynomial::new(shape, vec![terms, vec![]]);
    let (image, normalisation) = (Image::constant(shape, 1.0), Normalisation::identity(1));
    let photo = Photo::new(N, 1, vec![255; 3 * N]).unwrap();
    let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
    let segments = SegmentMap::new(N, 1, &(0..N as u32).collect::<Vec<_>>()).unwrap();
    let explainer = Explainer::with_segments(&field, &subject, segments).unwrap();
    let mut settings = Settings { target: Target::Logit(0), ..Settings::paper() };
    settings.contrasts.references = vec![Reference::Baseline(Baseline::Zero)];
    settings.contrasts.scalar = Scalar::Given;
    settings.contrasts.banzhaf.ridge = 0.0;
    settings.contrasts.banzhaf.coalitions = 2000;
    settings.contrasts.regions.trials.contexts = 400;
    explainer.exact_game(&settings, &Silent).unwrap()
}

fn of<'r>(report: &'r GameReport, estimator: &str, truth: &str) -> &'r EstimatorReport {
    let is = |row: &&EstimatorReport| row.estimator == estimator && row.truth == truth;
    report.estimators.iter().find(is).unwrap()
}

/// Singles and pairs of all sizes.
fn quadratic() -> Vec<(f64, Vec<usize>)> {
    let pairs = (0..N).flat_map(|i| (0..i).map(move |j| vec![i, j]));
    let pair = |(at, pair): (usize, Vec<usize>)| (((at * 29) % 17) as f64 - 8.3, pair);
    let singles = (0..N).map(|i| (5.0 - i as f64, vec![i]));
    pairs.enumerate().map(pair).chain(singles).collect()
}

#[test]
fn where_nothing_is_beyond_pairs_every_estimate_of_pairs_is_exact() {
    let report = report(quadratic());
    for (estimator, truth) in [
        ("contrasts of pairs", "Banzhaf interactions at keep"),
        ("contrasts of pairs", "Shapley interactions"),
        ("pair effects", "Banzhaf interactions at 1"),
        ("pair effects", "Banzhaf interactions"),
    ] {
        let row = of(&report, estimator, truth);
        // Pairs of equal effects may change places by rounding.
        assert!(row.correlation > 0.99 && row.error < 1e-5, "{row:?}");
    }
    // A coalition and its complement cancel pairs: what is left is exact.
    let row = of(&report, "Banzhaf by regression", "Banzhaf values");
    assert!(row.error < 1e-4, "{row:?}");
    // Integrated Gradients of a quadratic are its Shapley values, but for the sum over the path.
    let row = of(&report, "Integrated Gradients", "Shapley values");
    assert!(row.correlation > 0.999, "{row:?}");
    let control = of(&report, "products of main effects", "Shapley interactions");
    assert!(control.correlation < 0.9, "{control:?}");
    let energy = report.game.energy_by_order();
    assert!(energy[2..].iter().all(|share| share.abs() < 1e-9), "{energy:?}");
}

/// With triples, contrasts near the picture and indices at one half are different truths: each
/// estimate comes to its own.
#[test]
fn contrasts_come_to_the_index_of_their_own_contexts() {
    let triples = (0..N).map(|i| (3.0 + i as f64, vec![i, (i + 3) % N, (i + 4) % N]));
    let report = report(quadratic().into_iter().chain(triples).collect());
    let own = of(&report, "contrasts of pairs", "Banzhaf interactions at keep");
    let other = of(&report, "contrasts of pairs", "Banzhaf interactions");
    assert!(own.error < 0.06 && own.correlation > 0.98, "{own:?}");
    assert!(other.error > 2.0 * own.error, "{other:?}");
    let exact = of(&report, "pair effects", "Banzhaf interactions at 1");
    assert!(exact.error < 1e-5, "{exact:?}");
    let shapley: f64 = report.game.player_values(InteractionIndex::Shapley).iter().sum();
    let all = report.game.values[report.game.values.len() - 1] - report.game.values[0];
    assert!((shapley - all).abs() < 1e-6 * all.abs(), "{shapley} {all}");
}
