//! Sampled contrasts on fields whose interactions are known.

use hsets_core::{
    Error, Image, Mask, Removal, Result, SegmentMap, Shape, Silent, Target,
    analytic::{Monomial, Polynomial},
};
use hsets_detection::{
    Contrasted, Contrasts, Sign, find_contrasts, interaction_map, measure_contrasts, pair_effects,
    partners,
};

/// 12 × 12 pixels in 16 blocks of 3 × 3.
const SIDE: usize = 12;
const SHAPE: Shape = Shape::new(1, SIDE, SIDE);

/// Pixels in the middle of three distant blocks.
const A: usize = SIDE + 1;
const B: usize = 4 * SIDE + 10;
const C: usize = 10 * SIDE + 4;

fn blocks() -> SegmentMap {
    let label = |pixel: usize| (pixel / SIDE / 3 * 4 + pixel % SIDE / 3) as u32;
    SegmentMap::new(SIDE, SIDE, &(0..SIDE * SIDE).map(label).collect::<Vec<_>>()).unwrap()
}

fn image() -> Image {
    let value = |pixel: usize| 1.0 + 0.1 * (pixel as f32 * 0.7).sin();
    Image::new(SHAPE, (0..SIDE * SIDE).map(value).collect()).unwrap()
}

/// Weighted pixels, squares that bend and yet do not interact, and the given terms.
fn field(terms: &[Monomial]) -> Polynomial {
    let linear = (0..SIDE * SIDE).map(|i| (0.01 * (i as f64 * 0.3).cos(), vec![i]));
    let squares = (0..SIDE * SIDE).map(|i| (0.005, vec![i, i]));
    Polynomial::new(SHAPE, vec![linear.chain(squares).chain(terms.iter().cloned()).collect()])
}

fn zero() -> Image {
    Image::constant(SHAPE, 0.0)
}

fn find(field: &Polynomial, settings: &Contrasts) -> Result<Contrasted> {
    let image = image();
    let removal = Removal::new(field, &image, "zero", zero(), Target::Logit(0))?;
    find_contrasts(field, &[&removal], &blocks(), settings, &Silent)
}

fn holds(mask: &Mask, pixel: usize) -> bool {
    mask.contains(pixel)
}

#[test]
fn a_product_is_found_claimed_and_measured() {
    let found = find(&field(&[(4.0, vec![A, B])]), &Contrasts::standard()).unwrap();
    let first = &found.interactions[0];
    assert!(first.claim && first.p_value < 1e-6 && first.sign() == Sign::Synergy);
    let [p, q] = &first.regions;
    assert!(holds(p, A) && holds(q, B) || holds(p, B) && holds(q, A));
    let image = image();
    let product = 4.0 * f64::from(image.data()[A]) * f64::from(image.data()[B]);
    assert!((first.contrast.effect.mean - product).abs() < 1e-4);
    let contrast = &first.contrast;
    let rest = contrast.additive_without_both();
    assert!((contrast.without_both - rest - product).abs() < 1e-4);
    assert!(found.interactions[1..].iter().all(|other| !other.claim));
    assert!(found.triples.is_empty() || found.triples.iter().all(|triple| !triple.claim));
}

#[test]
fn a_product_with_minus_is_redundant() {
    let found = find(&field(&[(-4.0, vec![A, B])]), &Contrasts::standard()).unwrap();
    let first = &found.interactions[0];
    assert!(first.claim && first.sign() == Sign::Redundancy);
}

/// Sums and squares: the rows are 0, so there is nothing to propose, and what is measured all the
/// same is nothing.
#[test]
fn sums_are_never_claimed() {
    let field = field(&[]);
    let image = image();
    let removal = Removal::new(&field, &image, "zero", zero(), Target::Logit(0)).unwrap();
    let pixel = |at| Mask::of_pixels(SIDE, SIDE, [at]).unwrap();
    for seed in 0..20 {
        let settings = Contrasts { seed, ..Contrasts::standard() };
        let found = find(&field, &settings).unwrap();
        assert!(found.interactions.iter().all(|pair| !pair.claim && pair.strength() < 1e-4));
        let pairs = [[pixel(A), pixel(B)], [pixel(B), pixel(C)]];
        let given = measure_contrasts(&[&removal], &blocks(), &pairs, &settings, &Silent).unwrap();
        assert!(given.iter().all(|pair| !pair.claim && pair.contrast.effect.mean.abs() < 1e-4));
    }
}

/// Everything interacts a little with everything, in random directions: significant, and not worth
/// a claim.
#[test]
fn small_interactions_are_measured_and_not_claimed() {
    let mut terms = vec![(3.0, vec![A]), (3.0, vec![B])];
    let centres = (0..16).map(|block| (block / 4 * 3 + 1) * SIDE + block % 4 * 3 + 1);
    let centres: Vec<usize> = centres.collect();
    for (at, &i) in centres.iter().enumerate() {
        for (other, &j) in centres.iter().enumerate().skip(at + 1) {
            terms.push((0.1 * ((at * 7 + other * 3) as f64).sin(), vec![i, j]));
        }
    }
    let field = field(&terms);
    let found = find(&field, &Contrasts::standard()).unwrap();
    assert!(!found.has_claim());
    let first = &found.interactions[0];
    assert!(first.contrast.effect.mean.abs() > 0.01);
    // The same against 0 claims them.
    let mut settings = Contrasts::standard();
    settings.trials.delta = 0.0;
    assert!(find(&field, &settings).unwrap().has_claim());
}

/// x_A·x_B·x_C: every pair rises and falls with the third. Regions are single pixels: larger ones
/// would hold two of the three.
#[test]
fn a_product_of_three_is_a_group_of_three() {
    let mut settings = Contrasts::standard();
    settings.proposals.area = 0.007;
    let field = field(&[(4.0, vec![A, B, C])]);
    let found = find(&field, &settings).unwrap();
    let first = &found.interactions[0];
    assert!(first.claim);
    let triple = &found.triples[0];
    assert!(triple.claim, "p {}", triple.p_value);
    for pixel in [A, B, C] {
        assert!(triple.regions.iter().any(|region| holds(region, pixel)));
    }
    let data = image();
    let product = [A, B, C].iter().map(|&at| f64::from(data.data()[at])).product::<f64>() * 4.0;
    assert!((triple.dividend.mean - product).abs() < 1e-4);
    assert!(triple.without_third.effect.mean.abs() < 1e-4);
    settings.trials.order = 2;
    assert!(find(&field, &settings).unwrap().triples.is_empty());
}

#[test]
fn stopping_early_gives_up_no_claim_that_is_clear() {
    let field = field(&[(4.0, vec![A, B])]);
    let early = find(&field, &Contrasts::standard()).unwrap();
    let mut settings = Contrasts::standard();
    settings.trials.exhaustive();
    let full = find(&field, &settings).unwrap();
    assert_eq!(early.interactions[0], full.interactions[0]);
    assert_eq!(full.interactions[0].contrast.effect.n, 24);
    assert!(early.interactions[1..].iter().all(|pair| pair.contrast.effect.n == 8));
}

#[test]
fn threads_do_not_matter_and_seeds_do() {
    let field = field(&[(4.0, vec![A, B, C]), (0.5, vec![A, C])]);
    let on = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = Contrasts { seed, ..Contrasts::standard() };
        pool.install(|| find(&field, &settings).unwrap())
    };
    assert_eq!(on(1, 7), on(3, 7));
    assert_ne!(on(1, 7).interactions[0].contrast, on(1, 8).interactions[0].contrast);
}

/// (x_A - b_A)(x_B - b_B) with b_A = 0, and b_B below or above x_B.
#[test]
fn an_effect_may_depend_on_the_reference() {
    let field = field(&[(1.0, vec![A, B])]);
    let image = image();
    let mut above = zero().into_data();
    above[B] = 2.0;
    let above = Image::new(SHAPE, above).unwrap();
    let removal = |name: &str, reference: Image| {
        Removal::new(&field, &image, name, reference, Target::Logit(0)).unwrap()
    };
    let (zero, half, above) = (
        removal("zero", zero()),
        removal("half", Image::constant(SHAPE, 0.5)),
        removal("above", above),
    );
    let pixel = |at| Mask::of_pixels(SIDE, SIDE, [at]).unwrap();
    let pairs = [[pixel(A), pixel(B)]];
    let measure = |removals: &[&Removal<'_>]| {
        let settings = Contrasts::standard();
        measure_contrasts(removals, &blocks(), &pairs, &settings, &Silent).unwrap().remove(0)
    };
    let steady = measure(&[&zero, &half]);
    assert!(!steady.depends_on_reference() && steady.references[0].name == "half");
    let moved = measure(&[&zero, &half, &above]);
    assert!(moved.depends_on_reference());
    assert_eq!(moved.contrast, steady.contrast);
    assert!(moved.references[1].contrast.effect.mean < 0.0);
}

#[test]
fn partners_and_maps_point_at_the_other_factor() {
    let field = field(&[(4.0, vec![A, B])]);
    let image = image();
    let removal = Removal::new(&field, &image, "zero", zero(), Target::Logit(0)).unwrap();
    let settings = Contrasts::standard();
    let region = Mask::of_pixels(SIDE, SIDE, [A]).unwrap();
    let plane = partners(&field, &removal, &region, &settings, &Silent).unwrap();
    let product = 4.0 * image.data()[A] * image.data()[B];
    // Along the path, the mean gradient at B is half of what it is at its end, but for the noise.
    assert!((plane[B] - product / 2.0).abs() < 0.02 * product);
    assert!((0..plane.len()).filter(|&p| p != B).all(|p| plane[p].abs() < 1e-5));
    let map = interaction_map(&field, &removal, &blocks(), &settings, &Silent).unwrap();
    let mut order: Vec<usize> = (0..map.len()).collect();
    order.sort_by(|&a, &b| map[b].total_cmp(&map[a]));
    let mut top = [order[0], order[1]];
    top.sort_unstable();
    assert_eq!(top, [A, B]);
}

#[test]
fn pair_effects_are_second_differences() {
    let field = field(&[(4.0, vec![A, B]), (-1.0, vec![A, C])]);
    let image = image();
    let removal = Removal::new(&field, &image, "zero", zero(), Target::Logit(0)).unwrap();
    let effects = pair_effects(&removal, &blocks(), &Silent).unwrap();
    let label = |pixel| blocks().label(pixel);
    let x = |at: usize| f64::from(image.data()[at]);
    assert!((effects.effect(label(A), label(B)) - 4.0 * x(A) * x(B)).abs() < 1e-4);
    assert!((effects.effect(label(C), label(A)) + x(A) * x(C)).abs() < 1e-4);
    assert!(effects.effect(label(B), label(C)).abs() < 1e-4);
    let mut first = [label(A), label(B)];
    first.sort_unstable();
    assert_eq!(effects.ranked()[0], first);
    assert_eq!(effects.ranked().len(), 120);
    let totals = effects.totals();
    assert!(totals[label(A) as usize] > totals[label(B) as usize]);
}

#[test]
fn no_picture_is_asked_for_twice() {
    let field = field(&[(4.0, vec![A, B])]);
    let image = image();
    let removal = Removal::new(&field, &image, "zero", zero(), Target::Logit(0)).unwrap();
    pair_effects(&removal, &blocks(), &Silent).unwrap();
    removal.begin();
    pair_effects(&removal, &blocks(), &Silent).unwrap();
    assert_eq!(removal.n_reused(), 1 + 16 + 120);
}

#[test]
fn what_cannot_be_is_refused() {
    let field = field(&[]);
    let image = image();
    let removal = Removal::new(&field, &image, "zero", zero(), Target::Logit(0)).unwrap();
    let settings = Contrasts::standard();
    let measure = |segments: &SegmentMap, pair: [Mask; 2], settings: &Contrasts| {
        measure_contrasts(&[&removal], segments, &[pair], settings, &Silent).unwrap_err()
    };
    let mask = |pixels: &[usize]| Mask::of_pixels(SIDE, SIDE, pixels.iter().copied()).unwrap();
    let shared = measure(&blocks(), [mask(&[1, 2]), mask(&[2, 3])], &settings);
    assert!(shared.to_string().contains("1 shared pixels"), "{shared}");
    let empty = measure(&blocks(), [mask(&[]), mask(&[3])], &settings);
    assert!(empty.to_string().contains("empty"), "{empty}");
    let small = Mask::of_pixels(2, 2, [1]).unwrap();
    assert!(matches!(measure(&blocks(), [small, mask(&[3])], &settings), Error::Shape { .. }));
    let whole = SegmentMap::whole(SIDE, SIDE).unwrap();
    let error = measure(&whole, [mask(&[1]), mask(&[3])], &settings);
    assert!(error.to_string().contains("segmenter"), "{error}");
    for change in [
        |s: &mut Contrasts| s.proposals.n_pairs = 0,
        |s: &mut Contrasts| s.proposals.area = 0.0,
        |s: &mut Contrasts| s.proposals.noise = f64::NAN,
        |s: &mut Contrasts| s.trials.contexts = 1,
        |s: &mut Contrasts| s.trials.keep = 1.0,
        |s: &mut Contrasts| s.trials.delta = -0.1,
        |s: &mut Contrasts| s.trials.order = 4,
    ] {
        let mut settings = Contrasts::standard();
        change(&mut settings);
        let error = measure(&blocks(), [mask(&[1]), mask(&[3])], &settings);
        assert!(matches!(error, Error::Config { .. }), "{error}");
    }
    let none = find_contrasts(&field, &[], &blocks(), &settings, &Silent).unwrap_err();
    assert!(none.to_string().contains("references"), "{none}");
}
