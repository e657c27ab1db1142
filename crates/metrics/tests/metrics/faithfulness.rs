//! Faithfulness metrics on a polynomial, against PyTorch, captum and quantus' imputation.

use crate::common::Goldens;
use hsets_core::{Differentiable, Image, SaliencyMap, Silent, Target};
use hsets_metrics::{
    Aopc, Infidelity, InsertionDeletion, MaxSensitivity, Perturb, Perturbation, RoadSettings, Ties,
    Units, deletion, infidelity, infidelity_of, insertion, largest_change, max_sensitivity, road,
};

const CLASS: usize = 1;

fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < tolerance, "{what}, {i}: {a} against {b}");
    }
}

#[test]
fn insertion_and_deletion() {
    let goldens = Goldens::load();
    let (field, map) = (goldens.model(), goldens.map("model.map"));
    let image = goldens.image("model.image");
    let settings = InsertionDeletion {
        pixels_per_step: 5,
        ties: Ties::LastFirst,
        batch_size: 4,
        ..InsertionDeletion::rise()
    };
    let zeros = Image::constant(image.shape(), 0.0);
    let half = Image::constant(image.shape(), 0.5);
    let deletion = deletion(&field, &image, &zeros, &map, CLASS, &settings, &Silent).unwrap();
    let insertion = insertion(&field, &image, &half, &map, CLASS, &settings, &Silent).unwrap();
    for (name, curve) in [("deletion", deletion), ("insertion", insertion)] {
        assert_close(name, &curve.probabilities, &goldens.f64s(&format!("{name}.curve")), 1e-6);
        assert_close(name, &[curve.auc()], &goldens.f64s(&format!("{name}.auc")), 1e-6);
    }
}

#[test]
fn road_curves_without_noise() {
    let goldens = Goldens::load();
    let (field, map) = (goldens.model(), goldens.map("model.map"));
    let image = goldens.image("model.image");
    let settings = RoadSettings { noise: 0.0, ties: Ties::LastFirst, ..RoadSettings::paper() };
    let road = road(&field, &image, &map, CLASS, &settings, &Silent).unwrap();
    for curve in [&road.morf, &road.lerf] {
        let name = curve.removal.name();
        let probabilities: Vec<f64> = curve.points.iter().map(|p| p.probability).collect();
        let expected = goldens.f64s(&format!("curve.{name}.probability"));
        assert_close(name, &probabilities, &expected, 1e-5);
        let correct: Vec<f64> =
            curve.points.iter().map(|p| f64::from(u8::from(p.correct))).collect();
        assert_close(name, &correct, &goldens.f64s(&format!("curve.{name}.correct")), 1e-9);
    }
    let expected = goldens.f64s("curve.morf.correct");
    let expected = 1.0 - expected.iter().sum::<f64>() / expected.len() as f64;
    assert_close("aopc", &[Aopc::OneMinusAccuracy.of(&road)], &[expected], 1e-9);
}

#[test]
fn batches_change_nothing() {
    let goldens = Goldens::load();
    let (field, map) = (goldens.model(), goldens.map("model.map"));
    let image = goldens.image("model.image");
    let with = |batch_size| {
        let settings = RoadSettings { batch_size, ..RoadSettings::paper() };
        road(&field, &image, &map, CLASS, &settings, &Silent).unwrap()
    };
    assert_eq!(with(1), with(7));
    let empty = RoadSettings { batch_size: 0, ..RoadSettings::paper() };
    assert!(road(&field, &image, &map, CLASS, &empty, &Silent).is_err());
}

#[test]
fn infidelity_as_captum() {
    let goldens = Goldens::load();
    let (field, map) = (goldens.model(), goldens.map("model.map"));
    let image = goldens.image("model.image");
    let noise = goldens.f32s("infidelity.noise");
    let perturbations: Vec<Perturbation> = noise
        .chunks_exact(image.shape().len())
        .map(|noise| {
            let moved = image.data().iter().zip(noise).map(|(x, i)| x - i).collect();
            let image = Image::new(image.shape(), moved).unwrap();
            Perturbation { weights: noise.to_vec(), image }
        })
        .collect();
    let target = Target::Logit(CLASS);
    for (name, normalize) in [("False", false), ("True", true)] {
        let found =
            infidelity_of(&field, &image, &map, &target, perturbations.clone(), normalize, 5)
                .unwrap();
        let expected = goldens.f64s(&format!("infidelity.{name}"))[0];
        assert!((found - expected).abs() < 1e-5 * expected, "{found} against {expected}");
    }
}

/// x·∇f is the whole truth about a linear output, and its gradient is, per input.
#[test]
fn perfect_maps_have_no_infidelity() {
    let goldens = Goldens::load();
    let image = goldens.image("model.image");
    let shape = image.shape();
    let logit = (0..shape.len()).map(|i| (0.01 * i as f64, vec![i])).collect();
    let field = hsets_core::analytic::Polynomial::new(shape, vec![logit]);
    let gradient: Vec<f32> = (0..shape.len()).map(|i| 0.01 * i as f32).collect();
    let product = gradient.iter().zip(image.data()).map(|(g, x)| g * x).collect();
    let baseline = Image::constant(shape, 0.0);
    let square = |units| Perturb::Square { side: 3, baseline: baseline.clone(), units };
    for (map, perturb) in [
        (gradient.clone(), Perturb::Gaussian { sigma: 0.3 }),
        (gradient, square(Units::PerInput)),
        (product, square(Units::Output)),
    ] {
        let map = SaliencyMap::new(shape, map).unwrap();
        let settings =
            Infidelity { perturb, n_samples: 20, seed: 1, normalize: false, batch_size: 8 };
        let found = infidelity(&field, &image, &map, &Target::Logit(0), &settings).unwrap();
        assert!(found < 1e-8, "{found}");
        let zeros = SaliencyMap::zeros(shape);
        let worse = infidelity(&field, &image, &zeros, &Target::Logit(0), &settings).unwrap();
        assert!(worse > 1e-2, "{worse}");
    }
}

#[test]
fn max_sensitivity_as_captum() {
    let goldens = Goldens::load();
    let field = goldens.model();
    let image = goldens.image("model.image");
    let explain = |images: &[Image]| {
        let evaluations = field.gradients(images, &Target::Logit(CLASS))?;
        evaluations.into_iter().map(|e| SaliencyMap::new(image.shape(), e.gradient)).collect()
    };
    let noise = goldens.f32s("infidelity.noise");
    let perturbed: Vec<Image> = noise
        .chunks_exact(image.shape().len())
        .map(|noise| {
            let moved = image.data().iter().zip(noise).map(|(x, i)| x + i).collect();
            Image::new(image.shape(), moved).unwrap()
        })
        .collect();
    let maps: hsets_core::Result<Vec<SaliencyMap>> = explain(&perturbed);
    let unperturbed: hsets_core::Result<Vec<SaliencyMap>> = explain(std::slice::from_ref(&image));
    let found = largest_change(&unperturbed.unwrap()[0], &maps.unwrap());
    let expected = goldens.f64s("sensitivity")[0];
    assert!((found - expected).abs() < 1e-5 * expected, "{found} against {expected}");
    let settings = MaxSensitivity::captum();
    let small = max_sensitivity(&image, explain, &settings).unwrap();
    let large =
        max_sensitivity(&image, explain, &MaxSensitivity { radius: 0.2, ..settings }).unwrap();
    assert!((large / small - 10.0).abs() < 1e-3, "the gradient of a quadratic is linear");
}
