//! The path, Integrated Gradients and their completeness on closed-form fields.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hsets_attribution::{PathGradients, PathSettings, Quadrature, integrated_gradients};
use hsets_core::analytic::Polynomial;
use hsets_core::{Differentiable, Error, Image, Progress, Shape, Silent, Target};
use proptest::prelude::*;

const SHAPE: Shape = Shape::new(1, 2, 2);

fn field(logits: Vec<Vec<(f64, Vec<usize>)>>) -> Polynomial {
    Polynomial::new(SHAPE, logits)
}

fn image(data: [f32; 4]) -> Image {
    Image::new(SHAPE, data.to_vec()).unwrap()
}

fn along(field: &dyn Differentiable, settings: &PathSettings, target: &Target) -> PathGradients {
    let (baseline, image) = (image([0.1, -0.2, 0.0, 0.4]), image([1.0, 0.5, -1.5, 2.0]));
    PathGradients::along(field, &baseline, &image, settings, target, &Silent).unwrap()
}

fn settings(steps: usize, quadrature: Quadrature) -> PathSettings {
    PathSettings { steps: steps.into(), quadrature, batch: 7, keep_points: false }
}

/// x₀²x₁ + 2·x₁x₂x₃ - 3·x₃, degree 3.
fn cubic() -> Polynomial {
    field(vec![vec![(1.0, vec![0, 0, 1]), (2.0, vec![1, 2, 3]), (-3.0, vec![3])]])
}

fn gap(steps: usize, quadrature: Quadrature) -> f64 {
    let path = along(&cubic(), &settings(steps, quadrature), &Target::Logit(0));
    integrated_gradients(&path).unwrap().completeness.absolute().abs()
}

#[test]
fn completeness_gap_shrinks_at_the_rate_of_the_rule() {
    // Doubling m halves the gap of the Riemann sum and quarters that of the trapezoid.
    for steps in [16, 32, 64] {
        let riemann = gap(steps, Quadrature::Riemann) / gap(2 * steps, Quadrature::Riemann);
        assert!((1.9..2.1).contains(&riemann), "Riemann, {steps}: {riemann}");
    }
    let trapezoid = gap(4, Quadrature::Trapezoid) / gap(8, Quadrature::Trapezoid);
    assert!((3.9..4.1).contains(&trapezoid), "trapezoid: {trapezoid}");
    // The gradient is of degree 2 along the path: two nodes are exact.
    assert!(gap(2, Quadrature::GaussLegendre) < 1e-5);
}

#[test]
fn gap_and_relative_gap_are_those_of_the_map() {
    let path = along(&cubic(), &PathSettings::riemann(10), &Target::Logit(0));
    let ig = integrated_gradients(&path).unwrap();
    let sum: f64 = ig.map.data().iter().map(|&v| f64::from(v)).sum();
    let difference = path.image_value() - path.baseline_value();
    // f(x) = 0.5 - 3 - 6, f(x') = -0.002 - 1.2
    assert!((difference - (-8.5 + 1.202)).abs() < 1e-6);
    assert!((ig.completeness.absolute() - (sum - difference)).abs() < 1e-12);
    let relative = ig.completeness.relative();
    assert!((relative - (sum - difference).abs() / difference.abs()).abs() < 1e-12);
}

#[test]
fn batch_size_changes_nothing() {
    let target = Target::Logit(0);
    let one = along(&cubic(), &PathSettings { batch: 1, ..PathSettings::riemann(20) }, &target);
    let all = along(&cubic(), &PathSettings { batch: 100, ..PathSettings::riemann(20) }, &target);
    assert_eq!(one.points(), all.points());
    assert_eq!(one.mean(), all.mean());
    assert_eq!(one.points().len(), 21);
    assert_eq!(one.image_gradient(), Some(one.points()[20].as_slice()));
}

#[test]
fn means_are_those_of_the_points() {
    let path = along(&cubic(), &PathSettings::riemann(9), &Target::Logit(0));
    for i in 0..SHAPE.len() {
        let column: Vec<f32> = path.points().iter().map(|gradient| gradient[i]).collect();
        let mean = column.iter().sum::<f32>() / 10.0;
        let mean_abs = column.iter().map(|g| g.abs()).sum::<f32>() / 10.0;
        assert!((path.mean()[i] - mean).abs() < 1e-5);
        assert!((path.mean_abs()[i] - mean_abs).abs() < 1e-5);
    }
}

#[test]
fn top_target_follows_the_largest_logit() {
    // f₀ = 1 is on top until x₀ = 0.5, f₁ = 2·x₀ after it.
    let field = field(vec![vec![(1.0, vec![])], vec![(2.0, vec![0])]]);
    let (baseline, image) = (image([0.0; 4]), image([1.0, 0.0, 0.0, 0.0]));
    let settings = PathSettings::riemann(9);
    let path =
        PathGradients::along(&field, &baseline, &image, &settings, &Target::Top, &Silent).unwrap();
    for (k, gradient) in path.points().iter().enumerate() {
        let expected = if k >= 5 { 2.0 } else { 0.0 };
        assert!((gradient[0] - expected).abs() < 1e-6, "point {k}");
    }
    assert_eq!(path.image_logits(), [1.0, 2.0]);
}

/// Counts what it is told, and cancels at once if asked.
#[derive(Default)]
struct Counter {
    announced: AtomicU64,
    done: AtomicU64,
    cancel: AtomicBool,
}

impl Progress for Counter {
    fn begin(&self, _stage: &str, total: u64) {
        self.announced.store(total, Ordering::Relaxed);
    }
    fn advance(&self, n: u64) {
        self.done.fetch_add(n, Ordering::Relaxed);
    }
    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

#[test]
fn progress_is_told_and_may_cancel() {
    let (baseline, image) = (image([0.0; 4]), image([1.0; 4]));
    let run = |progress: &Counter| {
        let settings = PathSettings::riemann(33);
        PathGradients::along(&cubic(), &baseline, &image, &settings, &Target::Top, progress)
    };
    let counter = Counter::default();
    run(&counter).unwrap();
    assert_eq!(counter.announced.load(Ordering::Relaxed), 34);
    assert_eq!(counter.done.load(Ordering::Relaxed), 34);
    counter.cancel.store(true, Ordering::Relaxed);
    assert!(matches!(run(&counter), Err(Error::Cancelled)));
}

#[test]
fn bad_input_is_refused() {
    let (zero, one) = (image([0.0; 4]), image([1.0; 4]));
    let run = |baseline: &Image, image: &Image, settings: &PathSettings, target: &Target| {
        PathGradients::along(&cubic(), baseline, image, settings, target, &Silent).unwrap_err()
    };
    let good = PathSettings::riemann(4);
    let other = Image::constant(Shape::new(1, 2, 3), 0.0);
    assert!(run(&other, &one, &good, &Target::Top).to_string().starts_with("baseline"));
    assert!(run(&zero, &other, &good, &Target::Top).to_string().starts_with("image"));
    assert!(run(&zero, &one, &good, &Target::Logit(1)).to_string().starts_with("target = 1"));
    let none = PathSettings::riemann(0);
    assert_eq!(run(&zero, &one, &none, &Target::Top).to_string(), "steps = 0: at least 1");
    let broken = field(vec![vec![(f64::NAN, vec![0])]]);
    let error = PathGradients::along(&broken, &zero, &one, &good, &Target::Top, &Silent);
    assert!(matches!(error, Err(Error::NotFinite { .. })));
}

proptest! {
    /// IG of a·f + b·g is a·IG(f) + b·IG(g).
    #[test]
    fn ig_is_linear(a in -2.0f64..2.0, b in -2.0f64..2.0) {
        let f = vec![(1.0, vec![0, 1]), (2.0, vec![3, 3])];
        let g = vec![(1.0, vec![1, 2, 3]), (-1.0, vec![0])];
        let scaled = |terms: &[(f64, Vec<usize>)], by: f64| -> Vec<(f64, Vec<usize>)> {
            terms.iter().map(|(weight, factors)| (by * weight, factors.clone())).collect()
        };
        let sum = [scaled(&f, a), scaled(&g, b)].concat();
        let map = |terms| {
            let path = along(&field(vec![terms]), &PathSettings::riemann(12), &Target::Logit(0));
            integrated_gradients(&path).unwrap().map
        };
        let (f, g, sum) = (map(f), map(g), map(sum));
        for i in 0..SHAPE.len() {
            let expected = a * f64::from(f.data()[i]) + b * f64::from(g.data()[i]);
            prop_assert!((f64::from(sum.data()[i]) - expected).abs() < 1e-4);
        }
    }
}

#[test]
fn ig_is_symmetric_and_blind_to_the_way_the_function_is_written() {
    // x₀ and x₁ play the same part and have the same values; x₂ plays none.
    let product = field(vec![vec![(2.0, vec![0, 1]), (1.0, vec![3])]]);
    let rewritten =
        field(vec![vec![(0.5, vec![1, 0]), (3.0, vec![3]), (1.5, vec![0, 1]), (-2.0, vec![3])]]);
    let (baseline, image) = (image([0.0; 4]), image([0.7, 0.7, 0.3, -1.0]));
    let map = |field: &Polynomial| {
        let settings = PathSettings::riemann(25);
        let path =
            PathGradients::along(field, &baseline, &image, &settings, &Target::Logit(0), &Silent);
        integrated_gradients(&path.unwrap()).unwrap().map.data().to_vec()
    };
    let (first, second) = (map(&product), map(&rewritten));
    assert!((first[0] - first[1]).abs() < 1e-6);
    assert!(first[2].abs() < 1e-9);
    first.iter().zip(&second).for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
}
