//! Axioms measured on functions for which the answers are known.

use hsets_pipeline::{
    Axiom, AxiomSettings, Explainer, Method, PairedSets, Settings, Subject, Violation,
    attribution::{Normalisation, methods::Reward},
    core::{
        Curvature, Differentiable, Evaluation, FeatureSet, Image, Photo, Result, Scored, Shape,
        Silent, Smoothing, Target, TwiceDifferentiable, analytic::Polynomial,
    },
    segmentation::Grid,
};

const SHAPE: Shape = Shape::new(3, 4, 4);

fn violations(
    field: &dyn TwiceDifferentiable,
    settings: &Settings,
) -> Vec<Result<Violation, String>> {
    let image = Image::constant(SHAPE, 1.0);
    let photo = Photo::new(4, 4, vec![255; 48]).unwrap();
    let normalisation = Normalisation::identity(3);
    let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
    let segmenter = Grid { rows: 2, columns: 2 };
    let explainer = Explainer::new(field, &subject, &segmenter, &Silent).unwrap();
    let row = explainer.axioms(settings, &AxiomSettings::paper(), &Silent).unwrap();
    assert_eq!(row.method, settings.method);
    row.violations
}

fn violation(field: &dyn TwiceDifferentiable, method: Method, axiom: Axiom) -> f64 {
    let settings = Settings { method, ..Settings::paper() };
    let at = Axiom::ALL.iter().position(|other| *other == axiom).unwrap();
    violations(field, &settings)[at].clone().unwrap().value
}

/// Two linear classes with weights of both signs; feature 0 matters most.
fn linear() -> Polynomial {
    let terms = |phase: usize| {
        let weight = move |i: usize| if i == 0 { 4.0 } else { ((i + phase) as f64).cos() };
        (0..SHAPE.len()).map(|i| (weight(i), vec![i])).collect()
    };
    Polynomial::new(SHAPE, vec![terms(0), terms(9)])
}

/// x₀ - x₀²/2: flat at 1, while f(1) - f(0) = 1/2. And products of two features.
fn saturated() -> Polynomial {
    let first = vec![(1.0, vec![0]), (-0.5, vec![0, 0]), (2.0, vec![1, 6]), (-0.5, vec![8, 13])];
    Polynomial::new(SHAPE, vec![first, vec![(0.5, vec![3])]])
}

#[test]
fn gradient_times_input_obeys_every_axiom_of_a_linear_function() {
    let settings = Settings { method: Method::GradientXInput, ..Settings::paper() };
    for (axiom, violation) in Axiom::ALL.iter().zip(violations(&linear(), &settings)).take(6) {
        let value = violation.unwrap().value;
        assert!(value < 1e-6, "{axiom}: {value}");
    }
}

#[test]
fn integrated_gradients_obey_the_axioms_of_maps() {
    for axiom in &Axiom::ALL[..6] {
        let value = violation(&saturated(), Method::Ig, *axiom);
        assert!(value < 1e-5, "{axiom}: {value}");
    }
}

#[test]
fn completeness_is_violated_by_the_gradient() {
    // f(x) - f(0) = 1/2 + 2 - 1/2 = 2; the gradient sums to 0 + 2·2 - 2·1/2 = 3.
    let value = violation(&saturated(), Method::GradientXInput, Axiom::Completeness);
    assert!((value - 0.5).abs() < 1e-6, "{value}");
}

#[test]
fn completeness_is_asked_of_maps_in_units_of_the_output() {
    let asked = |settings: &Settings| violations(&saturated(), settings)[0].is_ok();
    for (method, is_asked) in [
        (Method::HSets, true),
        (Method::Ig, true),
        (Method::RandomSets, true),
        (Method::Gradient, false),
        (Method::Caso, false),
        (Method::RandomMap, false),
        (Method::SegmentsByIg, false),
    ] {
        let settings = Settings { method, ..Settings::paper() };
        assert_eq!(asked(&settings), is_asked, "{method}");
    }
    assert!(!asked(&Settings::complete()), "ranks");
}

#[test]
fn sensitivity_is_violated_by_a_saturated_gradient() {
    // Only feature 0 has a slope at the baseline, and none at the probe.
    assert_eq!(violation(&saturated(), Method::Gradient, Axiom::Sensitivity), 1.0);
    assert_eq!(violation(&saturated(), Method::Ig, Axiom::Sensitivity), 0.0);
}

#[test]
fn chance_violates_what_it_must() {
    // A random map gives the strongest of four equal segments a quarter of everything.
    let null = violation(&linear(), Method::RandomMap, Axiom::NullPlayer);
    assert!((0.1..0.45).contains(&null), "{null}");
    // It is the same for every function: φ(a - b/2) = φ, while φ(a) - φ(b)/2 = φ/2.
    let linearity = violation(&linear(), Method::RandomMap, Axiom::Linearity);
    assert!((linearity - 0.5).abs() < 1e-6, "{linearity}");
    assert!(violation(&linear(), Method::RandomMap, Axiom::Symmetry) > 0.1);
}

/// The values of one polynomial, but second derivatives only where the smoothing is wide, as a kink
/// has them.
struct Kinked(Polynomial, Polynomial);

impl Scored for Kinked {
    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn n_classes(&self) -> usize {
        self.0.n_classes()
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        self.0.logits(images)
    }
}

impl Differentiable for Kinked {
    fn gradients(&self, images: &[Image], target: &Target) -> Result<Vec<Evaluation>> {
        self.0.gradients(images, target)
    }
}

impl TwiceDifferentiable for Kinked {
    fn curvature_at(
        &self,
        image: &Image,
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Box<dyn Curvature + '_>> {
        let wide = matches!(smoothing, Smoothing::Sqrt { tau } if tau >= Smoothing::TAU);
        if wide { &self.1 } else { &self.0 }.curvature_at(image, target, smoothing)
    }
}

#[test]
fn implementation_invariance_is_violated_by_smoothed_second_derivatives() {
    let product = Polynomial::new(SHAPE, vec![vec![(1.0, vec![0, 5])]; 2]);
    let kinked = Kinked(linear(), product);
    let axiom = Axiom::ImplementationInvariance;
    assert!(violation(&kinked, Method::HSets, axiom) > 0.01);
    assert_eq!(violation(&kinked, Method::Ig, axiom), 0.0);
    assert_eq!(violation(&linear(), Method::HSets, axiom), 0.0);
}

#[test]
fn set_values_are_non_negative_by_idg_vis_and_not_by_sums_of_hessians() {
    assert_eq!(violation(&saturated(), Method::HSets, Axiom::NonNegativity), 0.0);
    // The pair of features 8 and 13 has the value -1/2, that of 1 and 6 the value 2.
    let mut settings = Settings { method: Method::IntegratedHessians, ..Settings::paper() };
    let pairs = [[8, 13], [1, 6]].map(FeatureSet::new);
    settings.integrated_hessians.sets = PairedSets::Given(pairs.to_vec());
    let value = violations(&saturated(), &settings)[6].clone().unwrap().value;
    assert!((value - 0.25).abs() < 0.01, "{value}");
}

#[test]
fn exact_values_are_monotone_and_superadditive_sampled_ones_are_not() {
    let settings = Settings { method: Method::HSets, ..Settings::paper() };
    let found = violations(&saturated(), &settings);
    for violation in &found[7..] {
        let violation = violation.clone().unwrap();
        assert_eq!(violation.exact, Some(0.0));
        assert!(violation.standard_error.unwrap().is_finite());
    }
    // d({1}) + d({6}) exceed d({1, 6}) by the factor √2, halves are often single features.
    assert!(found[8].clone().unwrap().value > 0.05, "{found:?}");
}

#[test]
fn what_cannot_be_measured_says_why() {
    let settings = Settings { method: Method::Moxi, ..Settings::paper() };
    let mut settings = settings;
    settings.moxi.order.grid = 2;
    let found = violations(&linear(), &settings);
    assert!(found[3].clone().unwrap_err().contains("a class for moxi"));
    assert!(found[6].clone().unwrap_err().contains("no sets"));
    assert!(found[0].clone().unwrap_err().contains("units of the output"));
    settings.moxi.order.reward = Reward::Logit;
    assert!(violations(&linear(), &settings)[0].is_ok());
    assert_eq!("null-player".parse::<Axiom>().unwrap(), Axiom::NullPlayer);
    assert!("efficiency".parse::<Axiom>().is_err());
    assert!(AxiomSettings { n_players: 13, ..AxiomSettings::paper() }.check().is_err());
}
