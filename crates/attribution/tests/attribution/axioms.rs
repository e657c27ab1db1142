//! The axioms of cooperative games on sets small enough to enumerate.
//!
//! With the dividends d(T) ≥ 0 that IDG-Vis defines and v(I) = Σ d(T) over all T ⊆ I:
//!
//! | axiom | holds | why |
//! |---|---|---|
//! | non-negativity | always | d(T) is a mean of norms, or a norm |
//! | monotonicity | always | a larger set adds dividends, none of them negative |
//! | superadditivity | always | disjoint sets share only ∅, and d(∅) = 0 |
//! | symmetry | always | d sees a feature only through its gradient and its step |
//! | implementation invariance | always | d sees only gradients |
//! | linearity | scale, and the triangle inequality | the absolute value is not linear |
//! | sensitivity | always | where a single feature changed, d({i}) is at least the mean slope |
//! | null player, v(I ∪ i) = v(I) | only in weaker forms, below | every T ∪ i has a dividend of its own |
//!
//! A null player in the sense of the game would need d(T ∪ i) = 0 for every T. As d(T) is the
//! directional gradient along the *whole* of T and not an inclusion-exclusion difference, a feature
//! without effect leaves it as it is (xᵢ = x'ᵢ) or dilutes it (∂f/∂xᵢ = 0, but â still has a
//! component there). What holds: d(T ∪ i) ≤ d(T), with equality where xᵢ = x'ᵢ, and v({i}) = 0.
//!
//! The sampled v(I) is a *mean* of dividends: non-negative and symmetric, and blind to a feature
//! with xᵢ = x'ᵢ; but neither monotone nor superadditive.

use hsets_attribution::{
    Directional, IdgVis, PathGradients, PathMean, PathSettings, Samples, Steps, coalition_values,
    harsanyi_dividends, saliency_map, score_exactly, score_sets, score_subsets,
};
use hsets_core::analytic::{Monomial, Polynomial};
use hsets_core::{Error, FeatureSet, Image, Shape, Silent, Target};
use proptest::prelude::*;

const SHAPE: Shape = Shape::new(1, 2, 4);

/// The four definitions of a dividend.
fn definitions() -> Vec<IdgVis> {
    let mut all = Vec::new();
    for directional in [Directional::Projection, Directional::Elementwise] {
        for path_mean in [PathMean::OfNorms, PathMean::NormOfMean] {
            all.push(IdgVis { directional, path_mean, ..IdgVis::paper() });
        }
    }
    all
}

fn path(terms: &[Monomial], x: &[f32]) -> PathGradients {
    let field = Polynomial::new(SHAPE, vec![terms.to_vec()]);
    let (zero, image) = (Image::constant(SHAPE, 0.0), Image::new(SHAPE, x.to_vec()).unwrap());
    let settings = IdgVis::paper().path();
    PathGradients::along(&field, &zero, &image, &settings, &Target::Logit(0), &Silent).unwrap()
}

fn dividends(path: &PathGradients, set: &FeatureSet, settings: &IdgVis) -> Vec<f64> {
    score_exactly(path, set, settings).unwrap().dividends
}

fn value(path: &PathGradients, set: &FeatureSet, settings: &IdgVis) -> f64 {
    score_exactly(path, set, settings).unwrap().value
}

/// Features that meet in products of two and three, and squares.
fn terms() -> impl Strategy<Value = Vec<Monomial>> {
    let factors = prop::collection::vec(0..SHAPE.len(), 1..4);
    prop::collection::vec((-2.0f64..2.0, factors), 1..6)
}

fn pixels() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.5f32..1.5, SHAPE.len())
}

proptest! {
    #[test]
    fn values_are_non_negative_monotone_and_superadditive(terms in terms(), x in pixels()) {
        let path = path(&terms, &x);
        let all = FeatureSet::new(0..6);
        for settings in definitions() {
            let dividends = dividends(&path, &all, &settings);
            prop_assert!(dividends[0] == 0.0);
            prop_assert!(dividends.iter().all(|d| *d >= 0.0));
            let values = coalition_values(&dividends);
            for small in 0..values.len() {
                for other in 0..values.len() {
                    let union = small | other;
                    let slack = 1e-9 * (1.0 + values[union]);
                    prop_assert!(values[small] <= values[union] + slack);
                    if small & other == 0 {
                        prop_assert!(values[small] + values[other] <= values[union] + slack);
                    }
                }
            }
        }
    }

    #[test]
    fn value_is_the_sum_of_the_dividends_of_its_game(terms in terms(), x in pixels()) {
        let path = path(&terms, &x);
        let all = FeatureSet::new([0, 2, 3, 5, 7]);
        for settings in definitions() {
            // v of every coalition on its own, not by the transform.
            let coalition = |mask: usize| {
                let members = all.iter().enumerate().filter(move |(i, _)| mask >> i & 1 == 1);
                value(&path, &FeatureSet::new(members.map(|(_, feature)| feature)), &settings)
            };
            let values: Vec<f64> = (0..32).map(coalition).collect();
            let dividends = dividends(&path, &all, &settings);
            for (found, expected) in harsanyi_dividends(&values).iter().zip(&dividends) {
                prop_assert!((found - expected).abs() < 1e-9 * (1.0 + values[31]));
            }
        }
    }

    #[test]
    fn a_feature_without_effect_adds_nothing(terms in terms(), x in pixels()) {
        // No term mentions feature 7: the gradient vanishes there.
        let blind = |(weight, factors): &Monomial| {
            (*weight, factors.iter().map(|i| i % 7).collect::<Vec<_>>())
        };
        let path = path(&terms.iter().map(blind).collect::<Vec<_>>(), &x);
        for settings in definitions() {
            prop_assert!(value(&path, &FeatureSet::new([7]), &settings) == 0.0);
            let dividends = dividends(&path, &FeatureSet::new([0, 1, 4, 7]), &settings);
            for subset in 0..8 {
                let (without, with) = (dividends[subset], dividends[subset | 8]);
                prop_assert!(with <= without * (1.0 + 1e-12));
            }
        }
    }

    #[test]
    fn a_feature_at_its_baseline_changes_no_dividend(terms in terms(), x in pixels()) {
        let mut x = x;
        x[7] = 0.0;
        let path = path(&terms, &x);
        for settings in definitions() {
            let (large, small) = (FeatureSet::new([0, 1, 4, 7]), FeatureSet::new([0, 1, 4]));
            let with = dividends(&path, &large, &settings);
            (0..8).for_each(|subset| assert_eq!(with[subset].to_bits(), with[subset | 8].to_bits()));
            // So the mean over subsets does not notice it, while the sum counts every T twice.
            let large = score_exactly(&path, &large, &settings).unwrap();
            let small = score_exactly(&path, &small, &settings).unwrap();
            prop_assert!((large.expectation(0.5) - small.expectation(0.5)).abs() < 1e-9);
            prop_assert!((large.value - 2.0 * small.value).abs() < 1e-9 * (1.0 + large.value));
        }
    }

    #[test]
    fn dividends_scale_with_the_function_and_obey_the_triangle_inequality(
        f in terms(), g in terms(), x in pixels(), factor in -3.0f64..3.0,
    ) {
        let set = FeatureSet::new(0..5);
        let scaled: Vec<Monomial> = f.iter().map(|(w, i)| (factor * w, i.clone())).collect();
        let sum = [f.clone(), g.clone()].concat();
        for settings in definitions() {
            let of = |terms: &[Monomial]| dividends(&path(terms, &x), &set, &settings);
            let (f, g, scaled, sum) = (of(&f), of(&g), of(&scaled), of(&sum));
            for subset in 0..f.len() {
                let size = 1.0 + f[subset] + g[subset];
                prop_assert!((scaled[subset] - factor.abs() * f[subset]).abs() < 1e-5 * size);
                prop_assert!(sum[subset] <= f[subset] + g[subset] + 1e-5 * size);
            }
        }
    }
}

#[test]
fn equal_features_have_equal_dividends() {
    // f is symmetric in features 0 and 1, which have the same value.
    let terms = [(2.0, vec![0, 1]), (1.0, vec![0, 2]), (1.0, vec![1, 2]), (-1.0, vec![3])];
    let path = path(&terms, &[0.8, 0.8, -0.4, 1.0, 0.0, 0.0, 0.0, 0.0]);
    for settings in definitions() {
        let dividends = dividends(&path, &FeatureSet::new([0, 1, 2, 3]), &settings);
        for rest in [0b0000, 0b0100, 0b1000, 0b1100] {
            assert!((dividends[rest | 1] - dividends[rest | 2]).abs() < 1e-9);
        }
    }
}

#[test]
fn scores_are_blind_to_the_way_the_function_is_written() {
    let x = [0.5, -0.3, 1.0, 0.2, 0.9, -1.0, 0.4, 0.7];
    let first = path(&[(1.0, vec![0, 1, 2]), (2.0, vec![4])], &x);
    let second = path(&[(0.25, vec![2, 0, 1]), (2.0, vec![4]), (0.75, vec![1, 2, 0])], &x);
    let set = FeatureSet::new([0, 1, 2, 4]);
    for settings in definitions() {
        let gap = value(&first, &set, &settings) - value(&second, &set, &settings);
        assert!(gap.abs() < 1e-6);
    }
}

#[test]
fn a_single_changed_feature_that_moves_f_has_a_value() {
    // Only feature 2 leaves the baseline: d({2}) ≥ |f(x) - f(x')| / |a₂|, up to the Riemann sum.
    let terms = [(1.0, vec![2, 2, 2]), (-2.0, vec![2]), (1.0, vec![0, 1])];
    let path = path(&terms, &[0.0, 0.0, 1.7, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let slope = (path.image_value() - path.baseline_value()).abs() / 1.7;
    for settings in definitions() {
        let value = value(&path, &FeatureSet::new([2]), &settings);
        assert!(value > 0.9 * slope, "{settings:?}: {value} against {slope}");
    }
}

#[test]
fn the_sampled_mean_is_neither_monotone_nor_superadditive() {
    // f = x₀: a feature without effect dilutes the mean.
    let path = path(&[(1.0, vec![0])], &[1.0; 8]);
    let settings = IdgVis::paper();
    let mean = |set: &[usize]| {
        let set = FeatureSet::new(set.iter().copied());
        score_exactly(&path, &set, &settings).unwrap().expectation(0.5)
    };
    // d({0}) = 1, d({1}) = 0, d({0,1}) = 1/√2.
    assert!((mean(&[0]) - 0.5).abs() < 1e-12);
    assert!((mean(&[0, 1]) - 0.25 * (1.0 + 0.5f64.sqrt())).abs() < 1e-7);
    assert!(mean(&[0, 1]) < mean(&[0]) + mean(&[1]));
}

#[test]
fn sampling_estimates_the_expectation_within_its_standard_error() {
    let terms = [(1.0, vec![0, 1]), (-2.0, vec![2, 3]), (0.5, vec![1, 1, 4])];
    let path = path(&terms, &[0.5, -0.3, 1.0, 0.2, 0.9, -1.0, 0.4, 0.7]);
    let set = FeatureSet::new([0, 1, 2, 3, 4, 6]);
    for definition in definitions() {
        for keep_probability in [0.3, 0.5] {
            let settings =
                IdgVis { samples: Samples::Fixed(4000), keep_probability, ..definition.clone() };
            let exact = score_exactly(&path, &set, &settings).unwrap();
            let exact = exact.expectation(keep_probability);
            let score = score_sets(&path, std::slice::from_ref(&set), &settings).unwrap()[0];
            assert!(score.standard_error > 0.0 && score.standard_error < 0.05 * exact);
            let gap = (score.value - exact).abs();
            assert!(gap < 4.0 * score.standard_error, "{settings:?}: {gap}");
        }
    }
}

#[test]
fn scores_match_the_formulae_written_out() {
    // ∇f = (x₁, x₀) = k/m · (−2, 1) along the path to (1, −2); the mean of k/m is 1/2.
    let path = path(&[(1.0, vec![0, 1])], &[1.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let set = FeatureSet::new([0, 1]);
    let subsets = [set.clone(), set.clone()];
    let score = |settings: &IdgVis| score_subsets(&path, &set, &subsets, settings).unwrap();
    // |(−2)·1 + 1·(−2)| / √5 · 1/2
    let paper = score(&IdgVis::paper());
    assert!((paper.value - 2.0 / 5f64.sqrt()).abs() < 1e-6);
    assert!(paper.standard_error < 1e-12);
    // Twice ‖(2·1, 1·2)‖ / √5 · 1/2
    let reference = score(&IdgVis::reference());
    assert!((reference.value - 8f64.sqrt() / 5f64.sqrt()).abs() < 1e-6);
}

#[test]
fn the_map_adds_the_values_of_overlapping_sets() {
    let path = path(&[(1.0, vec![0, 1])], &[1.0; 8]);
    let sets = [FeatureSet::new([0, 1]), FeatureSet::new([1, 5])];
    let scores = score_sets(&path, &sets, &IdgVis::paper()).unwrap();
    let map = saliency_map(SHAPE, &sets, &scores).unwrap();
    let (first, second) = (scores[0].value as f32, scores[1].value as f32);
    assert_eq!(map.data(), [first, first + second, 0.0, 0.0, 0.0, second, 0.0, 0.0]);
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let path = path(&[(1.0, vec![0, 1]), (1.0, vec![2, 3, 4])], &[0.3; 8]);
    let sets = [FeatureSet::new(0..8), FeatureSet::new([0, 1, 2]), FeatureSet::new([3, 4])];
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| score_sets(&path, &sets, &IdgVis::paper()).unwrap())
    };
    assert_eq!(run(1), run(2));
    assert_eq!(run(1), run(4));
}

#[test]
fn only_means_over_the_path_do_without_its_points() {
    let field = Polynomial::new(SHAPE, vec![vec![(1.0, vec![0, 1])]]);
    let (zero, image) = (Image::constant(SHAPE, 0.0), Image::constant(SHAPE, 1.0));
    let along = |keep_points| {
        let settings = PathSettings { keep_points, ..PathSettings::riemann(30) };
        PathGradients::along(&field, &zero, &image, &settings, &Target::Top, &Silent).unwrap()
    };
    let (lean, full) = (along(false), along(true));
    let sets = [FeatureSet::new([0, 1, 2])];
    let reference = IdgVis::reference();
    let scores = score_sets(&lean, &sets, &reference).unwrap();
    assert_eq!(scores, score_sets(&full, &sets, &reference).unwrap());
    let error = score_sets(&lean, &sets, &IdgVis::paper()).unwrap_err().to_string();
    assert!(error.contains("keep_points"), "{error}");
}

#[test]
fn degenerate_sets_score_zero_and_bad_settings_are_refused() {
    let path = path(&[(1.0, vec![0, 1])], &[0.0; 8]);
    let sets = [FeatureSet::default(), FeatureSet::new([0, 1])];
    for score in score_sets(&path, &sets, &IdgVis::paper()).unwrap() {
        assert!(score.value == 0.0 && score.standard_error == 0.0);
    }
    let refused = |settings: IdgVis, sets: &[FeatureSet]| {
        score_sets(&path, sets, &settings).unwrap_err().to_string()
    };
    let paper = IdgVis::paper;
    assert!(
        refused(IdgVis { samples: Samples::Fixed(1), ..paper() }, &sets).starts_with("samples = 1")
    );
    assert!(refused(IdgVis { steps: Steps::Fixed(0), ..paper() }, &sets).starts_with("steps = 0"));
    for keep_probability in [0.0, 1.5, f64::NAN] {
        let error = refused(IdgVis { keep_probability, ..paper() }, &sets);
        assert!(error.starts_with("keep-probability"), "{error}");
    }
    assert!(refused(paper(), &[FeatureSet::new([8])]).starts_with("set = 8"));
    let subsets = [FeatureSet::new([0]), FeatureSet::new([0, 2])];
    let error = score_subsets(&path, &sets[1], &subsets, &paper()).unwrap_err().to_string();
    assert_eq!(error, "subset = 2: features of the set that is scored");
    let large = FeatureSet::new(0..13);
    assert!(matches!(score_exactly(&path, &large, &paper()), Err(Error::Config { .. })));
}
