//! Sets grown over Hessians known in closed form.

use std::sync::Mutex;

use hsets_core::analytic::{Monomial, Polynomial};
use hsets_core::{
    Curvature, Error, Image, Progress, Result, SaliencyMap, SegmentMap, Shape, Silent, Smoothing,
    Target, TwiceDifferentiable,
};
use hsets_detection::{
    Detection, GivenSeed, Growth, HessianSets, RowScaling, SegmentChoice, SpatialPrior, Stop,
    detect, grow_sets, ranked_seeds,
};
use proptest::prelude::*;

const SHAPE: Shape = Shape::new(2, 4, 4);

/// Half of x'Hx: at any image the Hessian is that of the pairs.
fn quadratic(pairs: &[(f64, usize, usize)]) -> Polynomial {
    let term = |&(weight, i, j): &(f64, usize, usize)| -> Monomial { (weight, vec![i, j]) };
    Polynomial::new(SHAPE, vec![pairs.iter().map(term).collect()])
}

/// Feature 0 ranks highest, then 1, and so on.
fn ascending() -> SaliencyMap {
    let rank = (0..SHAPE.len()).map(|i| -(i as f32)).collect();
    SaliencyMap::new(SHAPE, rank).unwrap()
}

/// Quarters of the picture: 0 and 1 above, 2 and 3 below.
fn quarters() -> SegmentMap {
    let labels: Vec<u32> = (0..16).map(|p| u32::from(p % 4 >= 2) + 2 * u32::from(p >= 8)).collect();
    SegmentMap::new(4, 4, &labels).unwrap()
}

fn run(field: &Polynomial, settings: &HessianSets) -> Detection {
    let image = Image::constant(SHAPE, 1.0);
    let (segments, target) = (quarters(), Target::Logit(0));
    detect(field, &image, &segments, &ascending(), &target, settings, &Silent).unwrap()
}

fn members(found: &Detection, set: usize) -> Vec<usize> {
    found.sets[set].members.iter().map(|member| member.feature).collect()
}

fn seeded(feature: usize, settings: &HessianSets) -> HessianSets {
    HessianSets { given_seeds: vec![GivenSeed::Feature(feature)], ..settings.clone() }
}

#[test]
fn one_set_per_segment_in_the_order_of_the_seeds() {
    let field = quadratic(&[(1.0, 0, 5), (2.0, 2, 30), (1.0, 8, 24), (3.0, 10, 11)]);
    let settings = HessianSets { n_sets: 3, ..HessianSets::paper() };
    let found = run(&field, &settings);
    assert_eq!(found.sets.len(), 3);
    assert_eq!(members(&found, 0), [0, 5]);
    assert_eq!(members(&found, 1), [2, 30]);
    assert_eq!(members(&found, 2), [8, 24]);
    assert_eq!(found.sets.iter().map(|set| set.seed.segment).collect::<Vec<_>>(), [0, 1, 2]);
    // Both members of each set were asked, three sets at a time.
    assert_eq!((found.statistics.rows, found.statistics.batches), (6, 2));
    assert!(found.sets.iter().all(|set| set.stop == Stop::Exhausted));
    // More sets than segments: as many as there are segments.
    assert_eq!(run(&field, &HessianSets { n_sets: 9, ..settings }).sets.len(), 4);
}

#[test]
fn best_first_follows_the_strongest_and_depth_first_the_first() {
    // 0 leads to 1 (strong) and 4 (weak); 1 leads to 5, 4 to 16.
    let field = quadratic(&[(10.0, 0, 1), (8.0, 0, 4), (9.0, 1, 5), (7.0, 4, 16), (6.5, 5, 17)]);
    let best = run(&field, &seeded(0, &HessianSets::paper()));
    assert_eq!(members(&best, 0), [0, 1, 4, 5, 17, 16]);
    // Row 5 is [9 at 1, 6.5 at 17]; 17 joins with 6.5/9, and 16 with 7/8 once row 4 is known.
    assert_eq!(best.sets[0].rows, [0, 1, 5, 4, 16, 17]);
    let depth = HessianSets { growth: Growth::DepthFirst, ..HessianSets::paper() };
    let depth = run(&field, &seeded(0, &depth));
    assert_eq!(members(&depth, 0), [0, 1, 4, 5, 17, 16]);
    assert_eq!(depth.sets[0].rows, [0, 1, 5, 17, 4, 16]);
}

#[test]
fn features_inside_the_segment_come_first() {
    // Seed 0 interacts most with 2 and 3 (segment 1), less with 1 and 5 (segment 0).
    let pairs = [(10.0, 0, 2), (9.0, 0, 3), (8.0, 0, 1), (7.0, 0, 5), (20.0, 1, 4), (30.0, 2, 6)];
    let field = quadratic(&pairs);
    let with = |prior| seeded(0, &HessianSets { prior, max_features: 6, ..HessianSets::paper() });
    assert_eq!(members(&run(&field, &with(SpatialPrior::None)), 0), [0, 2, 3, 1, 5, 6]);
    assert_eq!(members(&run(&field, &with(SpatialPrior::InsideFirst)), 0), [0, 1, 5, 2, 3, 6]);
    // Feature 4, two steps away but inside, comes before 2 and 3 are taken.
    assert_eq!(members(&run(&field, &with(SpatialPrior::ExhaustInside)), 0), [0, 1, 5, 4, 2, 3]);
}

#[test]
fn complete_preset_gives_every_segment_a_set_inside_it() {
    // Seed 0 interacts most with 2 and 3 (segment 1); of its own segment 1, 5 and 16 (pixel 0).
    let pairs = [(10.0, 0, 2), (9.0, 0, 3), (8.0, 0, 1), (7.0, 0, 5), (0.5, 0, 16), (3.0, 10, 11)];
    let field = quadratic(&pairs);
    // A segment has 8 features: 4, 2 and 1 of them.
    let sets = |max_share| {
        let settings = HessianSets { n_sets: 1, max_share, ..HessianSets::complete() };
        let found = run(&field, &settings);
        assert_eq!(found.sets.len(), 4, "whatever n_sets");
        assert!(found.sets.iter().all(|set| set.rows.len() <= 1));
        found
    };
    assert_eq!(members(&sets(0.5), 0), [0, 1, 5, 16]);
    assert_eq!(members(&sets(0.25), 0), [0, 1]);
    let smallest = sets(HessianSets::complete().max_share);
    assert_eq!(smallest.sets.iter().map(|set| set.members.len()).collect::<Vec<_>>(), [1; 4]);
    // All of segment 0 is too few to fill the set, and nothing outside is taken.
    assert_eq!(members(&sets(1.0), 0), [0, 1, 5, 16]);
    for share in [0.0, -0.5, 1.5, f32::NAN] {
        let settings = HessianSets { max_share: share, ..HessianSets::complete() };
        assert!(matches!(settings.check(), Err(Error::Config { setting: "share", .. })));
    }
}

#[test]
fn reference_preset_stops_one_past_nu_and_takes_the_seed_only_if_a_row_leads_to_it() {
    let pairs: Vec<_> = (1..20).map(|i| (f64::from(i), 0, i as usize)).collect();
    let field = quadratic(&pairs);
    let settings = HessianSets { max_features: 6, ..HessianSets::reference() };
    let found = run(&field, &seeded(0, &settings));
    assert_eq!(members(&found, 0), [19, 18, 17, 16, 15, 14, 13]);
    assert_eq!(found.sets[0].stop, Stop::Full);
    let own = quadratic(&[(5.0, 0, 0), (6.0, 0, 7)]);
    assert_eq!(members(&run(&own, &seeded(0, &HessianSets::reference())), 0), [0, 7]);
}

#[test]
fn negative_rows_let_no_interaction_pass_in_the_reference_preset() {
    // Scaled to [0, 1], the strongest interaction is 0 and no interaction is 1.
    let field = quadratic(&[(-1.0, 0, 3)]);
    let settings = HessianSets { max_features: 40, ..HessianSets::reference() };
    let found = run(&field, &seeded(0, &settings));
    let all_but_3: Vec<usize> = (0..32).filter(|i| *i != 3).collect();
    assert_eq!(found.sets[0].features().indices(), all_but_3);
    let paper = run(&field, &seeded(0, &HessianSets::paper()));
    assert_eq!(paper.sets[0].features().indices(), [0, 3]);
}

#[test]
fn empty_sets_are_replaced_by_the_next_seed_of_the_walk() {
    // 0 and 1 (segment 0) lead nowhere, 4 does; 2 (segment 1) does; segment 2 has nothing.
    let field = quadratic(&[(1.0, 4, 5), (1.0, 2, 3), (1.0, 10, 11)]);
    let settings = HessianSets { n_sets: 2, ..HessianSets::reference() };
    let found = run(&field, &settings);
    let seeds: Vec<usize> = found.sets.iter().map(|set| set.seed.feature).collect();
    // The walk tries 0, 1, then 2, which leads on, then 4.
    assert_eq!(seeds, [2, 4]);
    let hasty = SegmentChoice::UntilNonEmpty { attempts: 1 };
    let found = run(&field, &HessianSets { segments: hasty, ..settings.clone() });
    let seeds: Vec<usize> = found.sets.iter().map(|set| set.seed.feature).collect();
    assert_eq!(seeds, [2, 10]);
    let kept = HessianSets { segments: SegmentChoice::HighestSeeds, ..settings };
    assert!(run(&field, &kept).sets[0].members.is_empty());
}

#[test]
fn caps_and_sizes_are_kept() {
    let chain: Vec<_> = (0..31).map(|i| (1.0, i, i + 1)).collect();
    let field = quadratic(&chain);
    let capped = HessianSets { max_rows: Some(3), lookahead: 8, ..HessianSets::paper() };
    let found = run(&field, &seeded(0, &capped));
    assert_eq!(members(&found, 0), [0, 1, 2, 3]);
    assert_eq!((found.sets[0].stop, found.sets[0].rows.len()), (Stop::RowCap, 3));
    let small = HessianSets { max_features: 5, ..HessianSets::paper() };
    let found = run(&field, &seeded(0, &small));
    assert_eq!((found.sets[0].stop, found.sets[0].members.len()), (Stop::Full, 5));
    let alone = HessianSets { max_features: 1, ..HessianSets::paper() };
    let found = run(&field, &seeded(9, &alone));
    assert_eq!((members(&found, 0), found.statistics.rows), (vec![9], 0));
}

#[test]
fn a_pixel_may_be_the_seed() {
    let field = quadratic(&[(1.0, 7, 12), (2.0, 23, 31)]);
    let pixel = HessianSets {
        given_seeds: vec![GivenSeed::Pixel { x: 3, y: 1 }, GivenSeed::Feature(31)],
        ..HessianSets::paper()
    };
    let found = run(&field, &pixel);
    assert_eq!(members(&found, 0), [7, 12]);
    assert_eq!(members(&found, 1), [31, 23]);
}

#[test]
fn bad_settings_and_input_are_refused() {
    let field = quadratic(&[(1.0, 0, 1)]);
    let image = Image::constant(SHAPE, 1.0);
    let refused = |settings: HessianSets| {
        let (segments, target) = (quarters(), Target::Logit(0));
        let found = detect(&field, &image, &segments, &ascending(), &target, &settings, &Silent);
        found.unwrap_err().to_string()
    };
    let paper = HessianSets::paper;
    for threshold in [-0.1, 1.0, f32::NAN] {
        let error = refused(HessianSets { threshold, ..paper() });
        assert!(error.starts_with("mu = ") && error.ends_with("below 1"), "{error}");
    }
    assert_eq!(refused(HessianSets { n_sets: 0, ..paper() }), "sets = 0: at least 1");
    assert_eq!(refused(HessianSets { max_features: 0, ..paper() }), "nu = 0: at least 1");
    assert_eq!(refused(HessianSets { lookahead: 0, ..paper() }), "lookahead = 0: at least 1");
    assert_eq!(refused(HessianSets { max_rows: Some(0), ..paper() }), "max-rows = 0: at least 1");
    let prior = SpatialPrior::ExhaustInside;
    assert!(refused(HessianSets { prior, ..HessianSets::reference() }).starts_with("prior"));
    assert!(refused(seeded(32, &paper())).starts_with("seed = 32"));

    let target = Target::Logit(0);
    let wrong = SegmentMap::whole(4, 5).unwrap();
    let error = detect(&field, &image, &wrong, &ascending(), &target, &paper(), &Silent);
    assert!(matches!(error, Err(Error::Shape { .. })));
    let target = Target::Logit(1);
    let error = detect(&field, &image, &quarters(), &ascending(), &target, &paper(), &Silent);
    assert!(matches!(error, Err(Error::Config { setting: "target", .. })));
}

#[test]
fn growth_can_be_cancelled() {
    struct Impatient;
    impl Progress for Impatient {
        fn begin(&self, _stage: &str, _total: u64) {}
        fn advance(&self, _n: u64) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let (field, image) = (quadratic(&[(1.0, 0, 1)]), Image::constant(SHAPE, 1.0));
    let (segments, paper, target) = (quarters(), HessianSets::paper(), Target::Logit(0));
    let found = detect(&field, &image, &segments, &ascending(), &target, &paper, &Impatient);
    assert!(matches!(found, Err(Error::Cancelled)));
}

/// Remembers which rows it was asked for.
struct Recorder<'a> {
    inner: Box<dyn Curvature + 'a>,
    asked: Mutex<Vec<usize>>,
}

impl Curvature for Recorder<'_> {
    fn logits(&self) -> &[f32] {
        self.inner.logits()
    }
    fn gradient(&self) -> &[f32] {
        self.inner.gradient()
    }
    fn products(&self, directions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        self.inner.products(directions)
    }
    fn rows(&self, features: &[usize]) -> Result<Vec<Vec<f32>>> {
        self.asked.lock().unwrap().extend(features);
        self.inner.rows(features)
    }
}

/// Scaled row, written as directly as possible.
fn scaled(row: &[f32], settings: &HessianSets) -> Vec<f32> {
    let (min, max) = row.iter().fold((f32::MAX, f32::MIN), |(a, b), &h| (a.min(h), b.max(h)));
    let largest = min.abs().max(max.abs());
    row.iter()
        .map(|&h| match settings.scaling {
            _ if largest == 0.0 => 0.0,
            RowScaling::MinMax => (h - min) / (max - min + 1e-8),
            _ => h.abs() / largest,
        })
        .collect()
}

/// The strongest of `candidates` (outside, strength, feature); lower indices win ties.
fn strongest(candidates: impl Iterator<Item = (bool, f32, usize)>) -> Option<(bool, f32, usize)> {
    candidates.min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)))
}

/// Best-first growth as the paper words it: one step, one search over everything.
fn best_first_by_the_book(h: &[Vec<f32>], seed: usize, settings: &HessianSets) -> Vec<usize> {
    let segments = quarters();
    let segment = |i: usize| segments.label(SHAPE.pixel(i));
    let outside = |i: usize| settings.prior != SpatialPrior::None && segment(i) != segment(seed);
    let mut members = vec![(seed, 1.0)];
    let mut rows: Vec<(usize, Vec<f32>)> = Vec::new();
    while members.len() < settings.max_features {
        let candidates = rows.iter().flat_map(|(_, row)| {
            row.iter().enumerate().map(|(i, &strength)| (outside(i), strength, i))
        });
        let new = candidates
            .filter(|c| c.1 > settings.threshold && members.iter().all(|(m, _)| *m != c.2));
        if let Some((_, strength, feature)) = strongest(new) {
            members.push((feature, strength));
            continue;
        }
        let unknown = members.iter().filter(|(m, _)| rows.iter().all(|(known, _)| known != m));
        let unknown = unknown.map(|&(member, strength)| (false, strength, member));
        let Some((_, _, next)) = strongest(unknown) else { break };
        rows.push((next, scaled(&h[next], settings)));
    }
    members.into_iter().map(|(feature, _)| feature).collect()
}

/// Depth-first growth as the authors' program recurses.
fn depth_first_by_the_book(
    h: &[Vec<f32>],
    at: usize,
    settings: &HessianSets,
    set: &mut Vec<usize>,
) {
    if set.len() > settings.max_features {
        return;
    }
    let row = scaled(&h[at], settings);
    let mut order: Vec<usize> = (0..row.len()).filter(|&i| row[i] > settings.threshold).collect();
    order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    let mut added = Vec::new();
    for feature in order {
        if !set.contains(&feature) {
            set.push(feature);
            added.push(feature);
            if set.len() > settings.max_features {
                return;
            }
        }
    }
    for feature in added {
        depth_first_by_the_book(h, feature, settings, set);
    }
}

fn hessian(curvature: &dyn Curvature) -> Vec<Vec<f32>> {
    curvature.rows(&(0..SHAPE.len()).collect::<Vec<_>>()).unwrap()
}

/// Few values, so that ties are common.
fn pairs() -> impl Strategy<Value = Vec<(f64, usize, usize)>> {
    let weight = (-6i32..=6).prop_map(|w| f64::from(w) / 2.0);
    prop::collection::vec((weight, 0..SHAPE.len(), 0..SHAPE.len()), 1..60)
}

fn any_settings(base: HessianSets) -> impl Strategy<Value = HessianSets> {
    (1usize..20, 0.0f32..0.9, 1usize..6, 0usize..2).prop_map(
        move |(max_features, threshold, lookahead, prior)| HessianSets {
            max_features,
            threshold,
            lookahead,
            prior: if prior == 0 { SpatialPrior::None } else { base.prior },
            ..base.clone()
        },
    )
}

fn grown(curvature: &dyn Curvature, settings: &HessianSets, seeds: usize) -> Vec<Vec<usize>> {
    let ranked = ranked_seeds(&ascending(), &quarters(), SegmentChoice::HighestSeeds).unwrap();
    let (sets, _) =
        grow_sets(curvature, SHAPE, &quarters(), &ranked[..seeds], settings, &Silent).unwrap();
    sets.iter().map(|set| set.members.iter().map(|member| member.feature).collect()).collect()
}

proptest! {
    #[test]
    fn lockstep_gives_the_sets_of_the_book_and_no_row_twice(
        pairs in pairs(),
        paper in any_settings(HessianSets::paper()),
        reference in any_settings(HessianSets::reference()),
    ) {
        let (field, image) = (quadratic(&pairs), Image::constant(SHAPE, 1.0));
        let inner = field.curvature_at(&image, &Target::Logit(0), Smoothing::Exact).unwrap();
        let h = hessian(inner.as_ref());
        let curvature = Recorder { inner, asked: Mutex::default() };
        let seeds = [0, 2, 8, 10];

        let found = grown(&curvature, &paper, 4);
        for (set, seed) in found.iter().zip(seeds) {
            prop_assert_eq!(set, &best_first_by_the_book(&h, seed, &paper));
            prop_assert!(set.contains(&seed) && set.len() <= paper.max_features);
        }
        let mut asked = std::mem::take(&mut *curvature.asked.lock().unwrap());
        let n_asked = asked.len();
        asked.sort_unstable();
        asked.dedup();
        prop_assert_eq!(asked.len(), n_asked);

        let found = grown(&curvature, &reference, 4);
        for (set, seed) in found.iter().zip(seeds) {
            let mut expected = Vec::new();
            depth_first_by_the_book(&h, seed, &reference, &mut expected);
            prop_assert_eq!(set, &expected);
            prop_assert!(set.len() <= reference.max_features + 1);
        }
    }

    #[test]
    fn sets_depend_neither_on_each_other_nor_on_lookahead(
        pairs in pairs(), settings in any_settings(HessianSets::paper()), cap in 1usize..12,
    ) {
        let settings = HessianSets { max_rows: Some(cap), ..settings };
        let detected = |settings: &HessianSets| run(&quadratic(&pairs), settings).sets;
        let together = detected(&settings);
        for set in &together {
            let alone = HessianSets { lookahead: 1, ..seeded(set.seed.feature, &settings) };
            prop_assert_eq!(&detected(&alone)[0], set);
            prop_assert!(set.rows.len() <= cap);
            prop_assert_eq!(set.features().len(), set.members.len());
        }
    }

    #[test]
    fn exhausting_the_inside_never_takes_an_outsider_too_early(pairs in pairs()) {
        let prior = SpatialPrior::ExhaustInside;
        let settings = HessianSets { prior, ..HessianSets::paper() };
        let segments = quarters();
        for set in run(&quadratic(&pairs), &settings).sets {
            let inside = |feature: usize| segments.label(SHAPE.pixel(feature)) == set.seed.segment;
            let first_outside = set.members.iter().position(|m| !inside(m.feature));
            let Some(first_outside) = first_outside else { continue };
            // Every member inside at that point had given its row before.
            let asked = |m: usize| set.rows.iter().position(|row| *row == m);
            let outsider_asked = set.members[first_outside..]
                .iter().filter(|m| !inside(m.feature)).filter_map(|m| asked(m.feature)).min();
            for member in &set.members[..first_outside] {
                let before = asked(member.feature).zip(outsider_asked).is_none_or(|(a, b)| a < b);
                prop_assert!(before, "{member:?} in {set:?}");
            }
        }
    }
}
