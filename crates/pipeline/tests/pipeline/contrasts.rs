//! Contrasts and their kin through the pipeline, on a field whose interactions are known.

use hsets_core::{Image, Mask, Photo, Shape, Silent, Target, analytic::Polynomial};
use hsets_pipeline::{
    Explainer, Explanation, Method, Reference, Scalar, Settings, Subject,
    attribution::{Baseline, Normalisation},
    segmentation::Grid,
};

const SIDE: usize = 12;
const SHAPE: Shape = Shape::new(3, SIDE, SIDE);
/// Two distant pixels of the first channel.
const A: usize = SIDE + 1;
const B: usize = 4 * SIDE + 10;

/// Two classes: 6·x_A·x_B and a sum of all pixels; and a sum.
fn field() -> Polynomial {
    let linear = (0..SHAPE.len()).map(|i| (0.01 * (i as f64).cos(), vec![i]));
    let first = linear.clone().chain([(6.0, vec![A, B])]).collect();
    Polynomial::new(SHAPE, vec![first, linear.collect()])
}

/// Hands an explainer of 4 × 4 segments to `run`.
fn with_explainer<T>(run: impl FnOnce(&Explainer<'_>) -> T) -> T {
    let field = field();
    let photo = Photo::new(SIDE, SIDE, vec![200; 3 * SIDE * SIDE]).unwrap();
    let value = |i: usize| 1.0 + 0.1 * (i as f32 * 0.7).sin();
    let image = Image::new(SHAPE, (0..SHAPE.len()).map(value).collect()).unwrap();
    let normalisation = Normalisation::identity(3);
    let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
    let grid = Grid { rows: 4, columns: 4 };
    run(&Explainer::new(&field, &subject, &grid, &Silent).unwrap())
}

/// The product changes sign under no reference but one beyond the picture.
fn settings(method: Method) -> Settings {
    let mut settings = Settings { method, ..Settings::paper() };
    let far = Image::constant(SHAPE, 0.0);
    let mut data = far.into_data();
    data[B] = 3.0;
    let far = Image::new(SHAPE, data).unwrap();
    settings.contrasts.references =
        [Baseline::Zero, Baseline::Image(far)].map(Reference::Baseline).to_vec();
    settings
}

fn explain(explainer: &Explainer<'_>, method: Method) -> Explanation {
    explainer.explain(&settings(method), &Silent).unwrap()
}

#[test]
fn the_product_is_claimed_and_its_reference_named() {
    with_explainer(|explainer| {
        let explanation = explain(explainer, Method::Contrasts);
        assert_eq!(explanation.target, Target::LogOdds(0));
        let found = explanation.interactions.contrasts.unwrap();
        let first = &found.interactions[0];
        assert!(first.claim && first.depends_on_reference());
        assert_eq!(first.references[0].name, "image");
        assert!(first.regions.iter().any(|region| region.contains(A)));
        assert!(explanation.interactions.pair_effects.unwrap().n_segments() == 16);
        let banzhaf = explanation.interactions.banzhaf.unwrap();
        let label = explainer.segments().label(A) as usize;
        assert!(banzhaf.iter().all(|value| *value <= banzhaf[label] + 0.5));
        // With two classes the log-odds are the difference of the logits: the sums cancel.
        let given = {
            let mut settings = settings(Method::Contrasts);
            settings.contrasts.scalar = Scalar::Given;
            explainer.explain(&settings, &Silent).unwrap()
        };
        assert_eq!(given.target, Target::Logit(0));
    });
}

#[test]
fn regions_that_are_given_have_the_numbers_of_those_found() {
    with_explainer(|explainer| {
        let settings = settings(Method::Contrasts);
        let found = explainer.explain(&settings, &Silent).unwrap().interactions.contrasts.unwrap();
        let pairs: Vec<[Mask; 2]> =
            found.interactions.iter().map(|pair| pair.regions.clone()).collect();
        let again = explainer.contrast(&settings, &pairs, &Silent).unwrap();
        assert_eq!(again, found.interactions);
        let partners = explainer.partners(&settings, &pairs[0][0], &Silent).unwrap();
        assert_eq!(partners.len(), SIDE * SIDE);
    });
}

#[test]
fn what_one_method_knows_spares_the_next() {
    with_explainer(|explainer| {
        let first = explain(explainer, Method::Contrasts);
        assert_eq!(first.cost.reused.n_forwards, 0);
        let effects = explain(explainer, Method::PairEffects);
        assert_eq!(effects.cost.alone, effects.cost.reused);
        assert_eq!(effects.cost.alone.n_forwards, 1 + 16 + 120);
        let moved = explain(explainer, Method::MovedContrasts);
        assert!(moved.cost.alone.n_forwards > moved.cost.reused.n_forwards);
        assert!(moved.cost.reused.n_gradients > 0);
        let alone = with_explainer(|fresh| explain(fresh, Method::MovedContrasts));
        assert_eq!(alone.map, moved.map);
        let regions = |explanation: Explanation| {
            explanation.interactions.contrasts.unwrap().interactions.clone()
        };
        assert_eq!(regions(alone), regions(moved));
    });
}

#[test]
fn controls_are_moved_and_shuffled() {
    with_explainer(|explainer| {
        let found = explain(explainer, Method::Contrasts);
        let moved = explain(explainer, Method::MovedContrasts);
        let sum = |explanation: &Explanation| explanation.map.data().iter().sum::<f32>();
        assert!((sum(&found) - sum(&moved)).abs() < 1e-3 * sum(&found));
        assert_ne!(found.map, moved.map);
        let areas = |explanation: &Explanation| -> usize {
            let contrasts = explanation.interactions.contrasts.as_ref().unwrap();
            contrasts.interactions.iter().flat_map(|pair| &pair.regions).map(Mask::area).sum()
        };
        assert_eq!(areas(&found), areas(&moved));
        let banzhaf = explain(explainer, Method::Banzhaf);
        assert_ne!(banzhaf.map, explain(explainer, Method::ShuffledBanzhaf).map);
        for method in Method::ALL {
            assert!(!method.is_control() || method.control().is_none());
            assert!(method.control().is_none_or(Method::is_control));
        }
    });
}

#[test]
fn a_reference_named_twice_is_refused() {
    with_explainer(|explainer| {
        let mut settings = settings(Method::Contrasts);
        settings.contrasts.references = vec![Reference::Ring, Reference::Ring];
        let error = explainer.explain(&settings, &Silent).unwrap_err().to_string();
        assert_eq!(error, "references = ring: each reference once");
        settings.contrasts.references.clear();
        assert!(explainer.explain(&settings, &Silent).is_err());
    });
}
