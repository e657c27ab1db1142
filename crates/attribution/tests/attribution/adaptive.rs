//! Steps and samples that are found against those that are given.

use hsets_attribution::{
    IdgVis, PathGradients, PathSettings, Quadrature, SampleSum, Samples, SetScore, Steps,
    integrated_gradients, score_sets,
};
use hsets_core::analytic::Polynomial;
use hsets_core::{FeatureSet, Image, Shape, Silent, Target};

const SHAPE: Shape = Shape::new(1, 4, 6);

/// Σ over triples of weighted products, each feature in several.
fn field() -> Polynomial {
    let weight = |k: usize| ((k * 7 % 11) as f64 - 4.0) / 5.0;
    let terms = (0..40).map(|k| (weight(k), vec![k % 24, (k * 5 + 3) % 24, (k * 11 + 7) % 24]));
    Polynomial::new(SHAPE, vec![terms.collect()])
}

fn image() -> Image {
    Image::new(SHAPE, (0..24).map(|i| 0.4 + (i * 13 % 17) as f32 / 9.0).collect()).unwrap()
}

fn along(steps: Steps, quadrature: Quadrature) -> PathGradients {
    let settings = PathSettings { quadrature, ..PathSettings::for_steps(steps) };
    let zero = Image::constant(SHAPE, 0.0);
    PathGradients::along(&field(), &zero, &image(), &settings, &Target::Logit(0), &Silent).unwrap()
}

fn relative_gap(path: &PathGradients) -> f64 {
    integrated_gradients(path).unwrap().completeness.relative()
}

#[test]
fn found_steps_are_the_first_that_close_the_gap() {
    for (rule, gap) in [
        (Quadrature::Riemann, 0.05),
        (Quadrature::Riemann, 0.02),
        (Quadrature::Trapezoid, 0.002),
        (Quadrature::GaussLegendre, 0.05),
        (Quadrature::ClenshawCurtis, 0.05),
    ] {
        let found = along(Steps::until_gap(gap), rule);
        let open = |steps| relative_gap(&along(Steps::Fixed(steps), rule));
        let levels = [8, 16, 32, 64, 128, 256];
        let first = levels
            .windows(2)
            .find(|pair| open(pair[0]) <= 4.0 * gap && open(pair[1]) <= gap)
            .unwrap()[1];
        let refinement = found.refinement();
        assert_eq!((refinement.steps, refinement.closed), (first, true), "{rule:?} {gap}");
        // The same points with the same weights: the same numbers.
        let given = along(Steps::Fixed(first), rule);
        assert_eq!(found.weights(), given.weights());
        assert_eq!((found.mean(), found.points()), (given.mean(), given.points()));
        let visited = levels.iter().filter(|&&level| level <= first).sum();
        let n_gradients = if rule.nests() { first + 1 } else { visited };
        assert_eq!(refinement.n_gradients, n_gradients, "{rule:?}");
    }
}

#[test]
fn end_dense_points_close_the_gap_with_fewer_gradients_than_the_default() {
    let found = along(Steps::AUTO, Quadrature::ClenshawCurtis);
    let published = along(Steps::Fixed(50), Quadrature::Riemann);
    assert!(found.refinement().n_gradients < published.refinement().n_gradients / 2);
    assert!(relative_gap(&found) < relative_gap(&published));
}

#[test]
fn steps_stop_at_the_cap_and_say_so() {
    let capped = Steps::UntilGap { gap: 1e-6, at_most: 40 };
    let refinement = along(capped, Quadrature::Riemann).refinement();
    assert_eq!((refinement.steps, refinement.n_gradients, refinement.closed), (32, 33, false));
}

/// Six sets: all well apart but the last two, which are all but equal.
fn sets() -> Vec<FeatureSet> {
    let pairs = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]];
    pairs.map(|[a, b]| FeatureSet::new((0..24).filter(|i| i % 12 == a || i % 12 == b))).to_vec()
}

fn ranking(scores: &[SetScore]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].value.total_cmp(&scores[a].value));
    order
}

fn scores(samples: Samples, sample_sum: SampleSum) -> Vec<SetScore> {
    let settings = IdgVis { samples, sample_sum, ..IdgVis::paper() };
    score_sets(&along(Steps::Fixed(50), Quadrature::Riemann), &sets(), &settings).unwrap()
}

#[test]
fn a_settled_order_is_that_of_many_samples() {
    let many = scores(Samples::Fixed(4000), SampleSum::Mean);
    let samples = Samples::UntilSettled { confidence: 0.9, tie: 0.0, at_most: 4000 };
    let found = scores(samples, SampleSum::Mean);
    assert!(found.iter().all(|score| score.settled), "{found:?}");
    assert_eq!(ranking(&found), ranking(&many));
    let n: usize = found.iter().map(|score| score.n_samples).sum();
    assert!(n < 6 * 4000 / 2, "{n}");
}

#[test]
fn the_first_subsets_are_those_of_a_given_number() {
    let found = scores(Samples::AUTO, SampleSum::Mean);
    for (set, score) in found.iter().enumerate() {
        let given = scores(Samples::Fixed(score.n_samples), SampleSum::Mean)[set];
        assert_eq!((score.value, score.standard_error), (given.value, given.standard_error));
    }
    assert_eq!(found, scores(Samples::AUTO, SampleSum::Mean));
}

#[test]
fn sums_are_over_as_many_subsets_of_every_set() {
    let samples = Samples::UntilSettled { confidence: 0.9, tie: 0.0, at_most: 100 };
    let found = scores(samples, SampleSum::Sum);
    assert!(found.iter().all(|score| score.n_samples == found[0].n_samples), "{found:?}");
}

#[test]
fn samples_stop_at_the_cap_and_say_so() {
    let samples = Samples::UntilSettled { confidence: 0.95, tie: 0.0, at_most: 200 };
    let settings = IdgVis { samples, seed: 1, ..IdgVis::paper() };
    // The same set twice, its subsets drawn from two streams: there is no order.
    let twice = vec![sets()[0].clone(), sets()[0].clone()];
    let path = along(Steps::Fixed(50), Quadrature::Riemann);
    let found = score_sets(&path, &twice, &settings).unwrap();
    assert!(found.iter().all(|score| !score.settled && score.n_samples == 200), "{found:?}");
    // Unless they count as equal.
    let settings = IdgVis { samples: Samples::AUTO, ..settings };
    let found = score_sets(&path, &twice, &settings).unwrap();
    assert!(found.iter().all(|score| score.settled && score.n_samples < 1000), "{found:?}");
}
