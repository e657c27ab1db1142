//! The stages together, on fields whose interactions are known.

use hsets_pipeline::{
    Explanation, Method, Settings, Subject,
    attribution::{Baseline, Normalisation, PathClass},
    core::{
        ChannelReduction, Error, Image, Photo, Progress, Scored, Segmenter, Shape, Silent, Target,
        analytic::Polynomial,
    },
    detection::{GivenSeed, HessianSets, SeedRanking},
    explain,
    segmentation::{Grid, LabelMap, Whole},
};

const SHAPE: Shape = Shape::new(3, 4, 4);

/// f₀ = 2·x₀·x₅ + x₁₀·x₁₅ + 0.5·x₃, f₁ = x₁₂: pixels 0 and 5, 10 and 15 act together.
fn field() -> Polynomial {
    let first = vec![(2.0, vec![0, 5]), (1.0, vec![10, 15]), (0.5, vec![3])];
    Polynomial::new(SHAPE, vec![first, vec![(1.0, vec![12])]])
}

fn run(settings: &Settings, segmenter: &dyn Segmenter) -> Result<Explanation, Error> {
    let photo = Photo::new(4, 4, vec![255; 48]).unwrap();
    let image = Image::constant(SHAPE, 1.0);
    let subject =
        Subject { image: &image, photo: &photo, normalisation: &Normalisation::identity(3) };
    explain(&field(), &subject, segmenter, settings, &Silent)
}

const GRID: Grid = Grid { rows: 2, columns: 2 };

fn features(explanation: &Explanation) -> Vec<&[usize]> {
    explanation.sets.iter().map(|set| set.features.indices()).collect()
}

#[test]
fn finds_both_pairs_and_ranks_the_stronger_first() {
    let explanation = run(&Settings::paper(), &GRID).unwrap();
    assert_eq!(explanation.target, Target::Logit(0));
    assert_eq!(features(&explanation)[..2], [&[0, 5][..], &[10, 15]]);
    let scores: Vec<f64> = explanation.sets.iter().map(|set| set.score).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let map = explanation.map.data();
    assert!(map[0] > map[10] && map[10] > 0.0 && map[1].abs() < f32::EPSILON);
    assert_eq!(explanation.cost.alone.n_gradients, 51);
    assert!(explanation.cost.alone.n_rows > 0);
    assert_eq!(explanation.segments.n_segments(), 4);
    assert!(explanation.measures.completeness.unwrap().absolute().abs() < 1e-6);
}

#[test]
fn the_complete_preset_gives_every_segment_a_set_and_every_pixel_a_rank() {
    let mut settings = Settings::complete();
    settings.detection.max_share = 0.25;
    let explanation = run(&settings, &GRID).unwrap();
    // Of the segment of pixels 0, 1, 4, 5: the pair that acts together. One row for each seed.
    assert_eq!(explanation.sets.len(), 4);
    assert_eq!(features(&explanation)[0], [0, 5]);
    assert_eq!(explanation.cost.alone.n_rows, 4);
    let pixels = explanation.map.per_pixel(ChannelReduction::AbsSum);
    assert!(pixels.iter().all(|&value| value > 0.0));
    // The pair of the best segment leads, the rest of every segment comes after all sets.
    assert!(pixels[0] > pixels[15] && pixels[15] > pixels[1] && pixels[1] > pixels[11]);
    // The same path as that of Integrated Gradients.
    assert_eq!(explanation.cost.alone.n_gradients, 51);
}

#[test]
fn a_complete_map_needs_a_set_in_every_segment() {
    let settings = Settings { detection: HessianSets::paper(), ..Settings::complete() };
    assert!(matches!(settings.check(), Err(Error::Config { setting: "coverage", .. })));
}

#[test]
fn path_gradients_are_not_shared_where_their_target_differs() {
    let mut settings = Settings::reference();
    settings.detection.seed_ranking = SeedRanking::IntegratedGradients;
    assert_eq!(run(&settings, &GRID).unwrap().cost.alone.n_gradients, 62);
    // The gradient that ranks seeds is that at the end of a path of the same target.
    settings.detection.seed_ranking = SeedRanking::Gradient;
    assert_eq!(run(&settings, &GRID).unwrap().cost.alone.n_gradients, 31);
    settings.attribution.class = PathClass::Fixed;
    assert_eq!(run(&settings, &GRID).unwrap().cost.alone.n_gradients, 32);
}

#[test]
fn the_logits_of_the_baseline_are_told_with_and_without_a_path() {
    for method in [Method::HSets, Method::Ig, Method::Xrai, Method::SegmentsByArea] {
        let baseline = Baseline::Image(Image::constant(SHAPE, 0.25));
        let settings = Settings { method, baseline, ..Settings::paper() };
        let explanation = run(&settings, &GRID).unwrap();
        let baseline = Image::constant(SHAPE, 0.25);
        let expected = field().logits(&[baseline]).unwrap();
        assert_eq!(explanation.baseline_logits, expected[0], "{method}");
    }
}

#[test]
fn integrated_gradients_have_no_sets_and_no_rows() {
    let settings = Settings { method: Method::Ig, ..Settings::paper() };
    let explanation = run(&settings, &Whole).unwrap();
    assert!(explanation.sets.is_empty());
    assert_eq!(explanation.cost.alone.n_rows, 0);
    assert!((explanation.map.data()[3] - 0.5).abs() < 1e-6);
    assert!((explanation.map.data()[0] - 1.0).abs() < 1e-6);
}

#[test]
fn the_prior_touches_neither_gradients_nor_scores() {
    let grid = run(&Settings::paper(), &GRID).unwrap();
    let same = LabelMap::new(grid.segments.clone());
    let brought = run(&Settings::paper(), &same).unwrap();
    assert_eq!(grid.sets, brought.sets);
    assert_eq!(grid.map, brought.map);
}

#[test]
fn given_seeds_and_targets_are_followed() {
    let mut settings = Settings::paper();
    settings.detection.given_seeds = vec![GivenSeed::Pixel { x: 2, y: 2 }];
    assert_eq!(features(&run(&settings, &GRID).unwrap()), [&[10, 15]]);
    settings.detection.given_seeds = vec![GivenSeed::Pixel { x: 4, y: 0 }];
    let error = run(&settings, &GRID).unwrap_err();
    assert!(matches!(error, Error::Config { setting: "seed-pixel", .. }), "{error}");
    let settings = Settings { target: Target::Logit(7), ..Settings::paper() };
    assert!(matches!(run(&settings, &GRID), Err(Error::Config { setting: "target", .. })));
}

#[test]
fn a_broken_network_is_named() {
    let broken = Polynomial::new(SHAPE, vec![vec![(f64::NAN, vec![0])], vec![]]);
    let photo = Photo::new(4, 4, vec![255; 48]).unwrap();
    let image = Image::constant(SHAPE, 1.0);
    let subject =
        Subject { image: &image, photo: &photo, normalisation: &Normalisation::identity(3) };
    let error = explain(&broken, &subject, &Whole, &Settings::paper(), &Silent).unwrap_err();
    assert!(error.to_string().contains("check the weights"), "{error}");
}

#[test]
fn a_stop_is_obeyed() {
    struct Impatient;
    impl Progress for Impatient {
        fn begin(&self, _stage: &str, _total: u64) {}
        fn advance(&self, _n: u64) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let photo = Photo::new(4, 4, vec![255; 48]).unwrap();
    let image = Image::constant(SHAPE, 1.0);
    let subject =
        Subject { image: &image, photo: &photo, normalisation: &Normalisation::identity(3) };
    let stopped = explain(&field(), &subject, &Whole, &Settings::paper(), &Impatient);
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

#[test]
fn baselines_are_used() {
    let settings =
        Settings { baseline: Baseline::Image(Image::constant(SHAPE, 1.0)), ..Settings::paper() };
    let explanation = run(&settings, &GRID).unwrap();
    assert_eq!(explanation.logits, explanation.baseline_logits);
}
