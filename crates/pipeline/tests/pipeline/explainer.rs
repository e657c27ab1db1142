//! Many methods on one image: the same results as alone, and nothing computed twice.

use hsets_pipeline::{
    Explainer, Explanation, HessiansWithin, Method, PairedSets, Settings, Subject, Work,
    attribution::{Normalisation, Quadrature},
    core::{
        ChannelReduction, Error, FeatureSet, Image, Photo, SegmentMap, Shape, Silent, Target,
        analytic::Polynomial,
    },
    explain,
    segmentation::{Grid, Whole},
};

const SHAPE: Shape = Shape::new(3, 12, 12);
const GRID: Grid = Grid { rows: 3, columns: 3 };

/// Pixels (1, 1) and (2, 2) act together, as do (9, 9) and (10, 10), and across segments (0, 4) and
/// (0, 9); (5, 5) acts alone.
fn field() -> Polynomial {
    let at = |y, x| SHAPE.index(0, y, x);
    let first = vec![
        (2.0, vec![at(1, 1), at(2, 2)]),
        (1.0, vec![at(9, 9), at(10, 10)]),
        (0.5, vec![at(5, 5)]),
        (0.75, vec![at(0, 4), at(0, 9)]),
    ];
    Polynomial::new(SHAPE, vec![first, vec![(1.0, vec![at(0, 11)])]])
}

struct Picture {
    image: Image,
    photo: Photo,
    normalisation: Normalisation,
}

impl Picture {
    fn new() -> Self {
        Self {
            image: Image::constant(SHAPE, 1.0),
            photo: Photo::new(12, 12, vec![255; 432]).unwrap(),
            normalisation: Normalisation::identity(3),
        }
    }

    fn subject(&self) -> Subject<'_> {
        let Self { image, photo, normalisation } = self;
        Subject { image, photo, normalisation }
    }
}

fn all_settings() -> Vec<Settings> {
    let with = |preset: &Settings| {
        let preset = preset.clone();
        Method::ALL.iter().map(move |&method| Settings { method, ..preset.clone() })
    };
    let mut paper = Settings::paper();
    // Regions of 16 pixels, and no second for the exact solution.
    (paper.xrai.regions.min_new_pixels, paper.moxi.order.grid) = (1, 4);
    let reference = Settings { moxi: paper.moxi.clone(), ..Settings::reference() };
    with(&paper).chain(with(&reference)).collect()
}

fn same(a: &Explanation, b: &Explanation) {
    assert_eq!(a.map, b.map);
    assert_eq!(a.sets, b.sets);
    assert_eq!(a.target, b.target);
    assert_eq!(a.measures, b.measures);
    assert_eq!(a.cost.alone, b.cost.alone);
}

#[test]
fn some_methods_ask_for_no_segments() {
    let (field, picture) = (field(), Picture::new());
    let subject = picture.subject();
    let segmented = Explainer::new(&field, &subject, &GRID, &Silent).unwrap();
    let whole = Explainer::new(&field, &subject, &Whole, &Silent).unwrap();
    let mut n = 0;
    for settings in all_settings() {
        if !settings.method.asks_for_segments() {
            let maps = [&segmented, &whole].map(|e| e.explain(&settings, &Silent).unwrap().map);
            assert_eq!(maps[0], maps[1], "{}", settings.method);
            n += 1;
        }
    }
    assert_eq!(n, 12);
}

#[test]
fn explanations_do_not_depend_on_what_came_before() {
    let (field, picture) = (field(), Picture::new());
    let subject = picture.subject();
    let explainer = Explainer::new(&field, &subject, &GRID, &Silent).unwrap();
    for settings in all_settings() {
        let alone = explain(&field, &subject, &GRID, &settings, &Silent).unwrap();
        assert_eq!(alone.cost.reused, Work::default(), "{}", settings.method);
        same(&explainer.explain(&settings, &Silent).unwrap(), &alone);
        same(&explainer.explain(&settings, &Silent).unwrap(), &alone);
    }
}

#[test]
fn what_is_shared_is_computed_once() {
    let (field, picture) = (field(), Picture::new());
    let explainer = Explainer::new(&field, &picture.subject(), &GRID, &Silent).unwrap();
    let cost = |settings: &Settings| explainer.explain(settings, &Silent).unwrap().cost;
    let of = |method| Settings { method, ..Settings::paper() };
    let ig = cost(&of(Method::Ig));
    assert_eq!((ig.alone.n_gradients, ig.reused.n_gradients), (51, 0));
    let hsets = cost(&of(Method::HSets));
    assert_eq!((hsets.alone.n_gradients, hsets.reused.n_gradients), (51, 51));
    assert!(hsets.alone.n_rows > 0 && hsets.reused.n_rows == 0);
    for method in [Method::HSets, Method::RandomSets] {
        let again = cost(&of(method));
        assert_eq!((again.alone, again.reused), (hsets.alone, hsets.alone));
    }
    // Another threshold asks for the same rows, another seed for none.
    let mut settings = of(Method::HSets);
    settings.detection.threshold = 0.1;
    let lower = cost(&settings);
    assert!(lower.reused.n_rows > 0, "{lower:?}");
    let seeded = cost(&of(Method::HSets).with_seed(5));
    assert_eq!(seeded.alone, seeded.reused);
    let gradient = cost(&of(Method::Gradient));
    assert_eq!(gradient.alone, Work { n_gradients: 1, ..Work::default() });
    assert_eq!(cost(&of(Method::GradientXInput)).reused, gradient.alone);
    assert_eq!(cost(&of(Method::RandomMap)).alone, Work::default());
}

#[test]
fn work_is_what_the_methods_say() {
    let (field, picture) = (field(), Picture::new());
    let explainer = Explainer::new(&field, &picture.subject(), &GRID, &Silent).unwrap();
    let alone = |settings: &Settings| explainer.explain(settings, &Silent).unwrap().cost.alone;
    let mut settings = Settings { method: Method::Archipelago, ..Settings::paper() };
    // 2 + 2n + n(n - 1) forward passes for the pairs of 9 segments, then f(x') and the sets.
    let n_sets = explainer.explain(&settings, &Silent).unwrap().sets.len();
    assert_eq!(alone(&settings).n_forwards, 2 + 18 + 72 + 1 + n_sets);
    settings.method = Method::SmoothGrad;
    assert_eq!(alone(&settings), Work { n_gradients: 50, ..Work::default() });
    settings.method = Method::Moxi;
    settings.moxi.order.grid = 3;
    assert_eq!(alone(&settings), Work { n_forwards: 1 + 45, ..Work::default() });
    settings.method = Method::Ig;
    settings.ig.quadrature = Quadrature::GaussLegendre;
    assert_eq!(alone(&settings), Work { n_gradients: 50, n_forwards: 2, ..Work::default() });
}

#[test]
fn methods_find_what_they_should() {
    let (field, picture) = (field(), Picture::new());
    let explainer = Explainer::new(&field, &picture.subject(), &GRID, &Silent).unwrap();
    let explained =
        |method| explainer.explain(&Settings { method, ..Settings::paper() }, &Silent).unwrap();
    let pixels = |method| explained(method).map.per_pixel(ChannelReduction::Sum);
    let at = |y: usize, x: usize| y * 12 + x;
    let gradient = pixels(Method::Gradient);
    assert!((gradient[at(1, 1)] - 2.0).abs() < 1e-6 && gradient[at(0, 0)].abs() < 1e-6);
    let mut settings = Settings { method: Method::Archipelago, ..Settings::paper() };
    settings.archipelago.n_pairs = 1;
    let found = explainer.explain(&settings, &Silent).unwrap().sets;
    assert_eq!(found[0].features.len(), 3 * 2 * 16);
    assert!(found[0].features.contains(at(0, 4)) && found[0].features.contains(at(0, 9)));
    assert!((found[0].score - 0.75).abs() < 1e-6);
    let first = &explained(Method::IntegratedHessians).sets[0];
    assert_eq!(first.features.indices(), [at(1, 1), at(2, 2)]);
    assert!((first.score - 2.0).abs() < 1e-2, "{}", first.score);
    let random = explained(Method::RandomSets).sets;
    let sizes = |sets: &[hsets_pipeline::ScoredSet]| -> usize {
        sets.iter().map(|set| set.features.len()).sum()
    };
    assert_eq!(sizes(&random), sizes(&explained(Method::HSets).sets));
    let centre = pixels(Method::SegmentsByCentre);
    assert!(centre[at(5, 5)] > centre[at(5, 0)] && centre[at(5, 0)] > centre[at(0, 0)]);
    let by_ig = pixels(Method::SegmentsByIg);
    assert!(by_ig[at(0, 0)] > by_ig[at(11, 11)] && by_ig[at(11, 11)] > by_ig[at(5, 5)]);
}

#[test]
fn pairs_may_be_given() {
    let (field, picture) = (field(), Picture::new());
    let explainer = Explainer::new(&field, &picture.subject(), &Whole, &Silent).unwrap();
    let given = FeatureSet::new([13, 14]);
    let settings = Settings {
        method: Method::IntegratedHessians,
        integrated_hessians: HessiansWithin {
            sets: PairedSets::Given(vec![given.clone()]),
            ..HessiansWithin::paper()
        },
        ..Settings::paper()
    };
    let sets = explainer.explain(&settings, &Silent).unwrap().sets;
    assert_eq!(sets[0].features, given);
    // Half of 2·x₁₃·x₂₆ falls to x₁₃'s own slope.
    assert!(sets[0].score > 0.0);
}

#[test]
fn what_a_method_cannot_do_is_a_named_error() {
    let (field, picture) = (field(), Picture::new());
    let explainer = Explainer::new(&field, &picture.subject(), &Whole, &Silent).unwrap();
    let error = |settings: &Settings| explainer.explain(settings, &Silent).unwrap_err();
    let settings = Settings { method: Method::Archipelago, ..Settings::paper() };
    assert_eq!(
        error(&settings).to_string(),
        "segments = 1: at least 2, or there is no pair: choose another segmenter"
    );
    let target = Target::Difference { class: 0, against: 1 };
    let settings = Settings { method: Method::Moxi, target, ..Settings::paper() };
    assert!(matches!(error(&settings), Error::Config { setting: "target", .. }));
    // What failed before does not stand in the way.
    assert!(explainer.explain(&Settings::paper(), &Silent).is_ok());
}

#[test]
fn segments_may_be_changed_and_the_path_stays() {
    let (field, picture) = (field(), Picture::new());
    let subject = picture.subject();
    let segments = SegmentMap::new(2, 2, &[0, 1, 2, 3]).unwrap();
    let explainer = Explainer::new(&field, &subject, &GRID, &Silent).unwrap();
    let before = explainer.explain(&Settings::complete(), &Silent).unwrap();
    let after = explainer.resegmented(segments.clone()).unwrap();
    let after = after.explain(&Settings::complete(), &Silent).unwrap();
    let fresh = Explainer::with_segments(&field, &subject, segments).unwrap();
    same(&after, &fresh.explain(&Settings::complete(), &Silent).unwrap());
    assert_eq!((before.sets.len(), after.sets.len()), (9, 4));
    assert_eq!(after.cost.reused.n_gradients, before.cost.alone.n_gradients);
}

#[test]
fn segments_may_be_brought() {
    let (field, picture) = (field(), Picture::new());
    let labels: Vec<u32> = (0..4).collect();
    let segments = SegmentMap::new(2, 2, &labels).unwrap();
    let explainer = Explainer::with_segments(&field, &picture.subject(), segments).unwrap();
    assert_eq!(explainer.segments().areas(), [36; 4]);
    assert_eq!(explainer.logits(), [4.25, 1.0]);
}

#[test]
fn names_are_read_back() {
    for &method in Method::ALL {
        assert_eq!(method.name().parse::<Method>().unwrap(), method);
    }
    let error = "lime".parse::<Method>().unwrap_err().to_string();
    assert!(error.contains("hsets") && error.contains("segments-by-centre"), "{error}");
    assert_eq!(Method::ALL.iter().filter(|method| method.is_control()).count(), 8);
}

#[test]
fn sets_made_by_hand_are_scored_as_those_that_are_found() {
    let (field, picture) = (field(), Picture::new());
    let subject = picture.subject();
    let explainer = Explainer::new(&field, &subject, &GRID, &Silent).unwrap();
    let found = explainer.explain(&Settings::paper(), &Silent).unwrap();
    let sets: Vec<FeatureSet> = found.sets.iter().map(|set| set.features.clone()).collect();
    let by_hand = Settings { given_sets: sets.clone(), ..Settings::paper() };
    let given = explainer.explain(&by_hand, &Silent).unwrap();
    // Subsets are drawn by the place of a set, which ranking changes: scores agree as samples do.
    assert_eq!(given.sets.len(), found.sets.len());
    for given in &given.sets {
        let found = found.sets.iter().find(|found| found.features == given.features).unwrap();
        let error = given.standard_error.hypot(found.standard_error);
        assert!((given.score - found.score).abs() < 4.0 * error + 1e-9);
        assert!(given.grown.is_none());
    }
    assert_eq!(given.cost.alone.n_rows, 0);
    for wrong in [FeatureSet::default(), FeatureSet::new([SHAPE.len()])] {
        let settings = Settings { given_sets: vec![wrong], ..Settings::paper() };
        let error = explainer.explain(&settings, &Silent).unwrap_err().to_string();
        assert!(error.contains("given set"), "{error}");
    }
}
