//! Equality with quantus 0.5.3, on goldens of `fixtures/metrics/make_goldens.py`.

use crate::common::Goldens;
use hsets_core::ChannelReduction;
use hsets_metrics::{entropy, gini, impute, impute_noisy};

#[test]
fn sparseness_and_complexity() {
    let goldens = Goldens::load();
    let reductions = [ChannelReduction::AbsSum, ChannelReduction::SumAbs, ChannelReduction::MaxAbs];
    for name in ["dense", "sparse", "one_hot", "constant"] {
        let map = goldens.map(&format!("map.{name}"));
        for reduction in reductions {
            let key = format!("{name}.{}", reduction.name());
            let expected = goldens.f64s(&format!("gini.{key}"))[0];
            let found = gini(&map, reduction).unwrap();
            assert!((found - expected).abs() < 1e-6, "gini.{key}: {found} against {expected}");
            let expected = goldens.f64s(&format!("entropy.{key}"))[0];
            let found = entropy(&map, reduction).unwrap();
            assert!((found - expected).abs() < 1e-6, "entropy.{key}: {found} against {expected}");
        }
    }
}

#[test]
fn imputation_without_noise() {
    let goldens = Goldens::load();
    let image = goldens.image("road.image");
    for name in ["scattered", "disc", "stripes"] {
        let order = goldens.indices(&format!("road.{name}.order"));
        for percentage in [1, 33, 75, 99] {
            let removed = &order[..order.len() * percentage / 100];
            let expected = goldens.f32s(&format!("road.{name}.{percentage}"));
            let imputed = impute(&image, removed).unwrap();
            let errors = imputed.data().iter().zip(&expected).map(|(a, b)| (a - b).abs());
            let error = errors.fold(0.0, f32::max);
            assert!(error < 1e-6, "{name} at {percentage} %: off by {error}");
        }
    }
}

#[test]
fn noise_has_its_deviation_and_its_seed() {
    let goldens = Goldens::load();
    let image = goldens.image("road.image");
    let order = goldens.indices("road.scattered.order");
    let removed = &order[..order.len() / 2];
    let clean = impute(&image, removed).unwrap();
    let noisy = |stream| impute_noisy(&image, removed, 0.01, 7, stream).unwrap();
    let differences: Vec<f64> =
        noisy(0).data().iter().zip(clean.data()).map(|(a, b)| f64::from(a - b)).collect();
    let n = (3 * removed.len()) as f64;
    let deviation = (differences.iter().map(|d| d * d).sum::<f64>() / n).sqrt();
    assert!((deviation - 0.01).abs() < 0.001, "{deviation}");
    assert_eq!(differences.iter().filter(|d| **d != 0.0).count(), 3 * removed.len());
    assert_eq!(noisy(0), noisy(0));
    assert_ne!(noisy(0), noisy(1));
}
