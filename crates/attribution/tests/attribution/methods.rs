//! The compared methods against PyTorch.

use crate::methods_goldens::{ARCHIPELAGO_CLASS, CLASS, Goldens, SHAPE};
use hsets_attribution::methods::{
    ArchipelagoMap, Caso, CasoNoise, HessianIntegral, IntegratedHessians, Moxi, MoxiCurve, MoxiMap,
    NoiseScale, Reward, SmoothGrad, SmoothStatistic, Solver, Xrai, arch_attribute, archipelago_map,
    caso, caso_at, gradient, gradient_times_input, integrated_hessians, integrated_hessians_within,
    merge_pairs, moxi, moxi_map, smooth_grad, xrai,
};
use hsets_attribution::{Normalisation, Quadrature};
use hsets_core::analytic::Polynomial;
use hsets_core::{ChannelReduction, FeatureSet, Image, SaliencyMap, Shape, Silent, Target};

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn pixels(map: &SaliencyMap) -> Vec<f64> {
    widen(&map.per_pixel(ChannelReduction::Sum))
}

#[test]
fn gradients() {
    let goldens = Goldens::load();
    let (field, target) = (goldens.model(), Target::Logit(CLASS));
    let (baseline, image) = (goldens.image("baseline"), goldens.image("image"));
    let map = gradient(&field, &image, &target).unwrap();
    goldens.assert_close("gradient", &widen(map.data()), 1e-6);
    let map = gradient_times_input(&field, &baseline, &image, &target).unwrap();
    goldens.assert_close("gradient_times_input", &widen(map.data()), 1e-6);
}

/// f = Σ ½x² has gradient x + noise: the mean is the image, the variance that of the noise.
#[test]
fn smooth_grad_of_a_square() {
    let shape = Shape::new(1, 8, 8);
    let terms = (0..shape.len()).map(|i| (0.5, vec![i, i])).collect();
    let field = Polynomial::new(shape, vec![terms]);
    let image = Image::new(shape, (0..shape.len()).map(|i| i as f32 / 63.0).collect()).unwrap();
    let mean_of = |settings: &SmoothGrad| {
        let map = smooth_grad(&field, &image, &Target::Logit(0), settings, &Silent).unwrap();
        widen(map.data())
    };
    let settings = SmoothGrad { n_samples: 400, ..SmoothGrad::paper() };
    for (value, pixel) in mean_of(&settings).iter().zip(widen(image.data())) {
        assert!((value - pixel).abs() < 4.0 * 0.15 / 20.0, "{value} against {pixel}");
    }
    let noise = NoiseScale::Absolute(0.3);
    let settings = SmoothGrad { noise, statistic: SmoothStatistic::Variance, ..settings };
    let variances = mean_of(&settings);
    let mean = variances.iter().sum::<f64>() / variances.len() as f64;
    assert!((mean / 0.09 - 1.0).abs() < 0.03, "{mean}");
    assert_eq!(variances, mean_of(&SmoothGrad { batch: 7, ..settings }), "batches change nothing");
}

#[test]
fn archipelago() {
    let goldens = Goldens::load();
    let (field, segments) = (goldens.model(), goldens.segments("fine"));
    let (baseline, image) = (goldens.image("baseline"), goldens.image("image"));
    let pairs: Vec<[u32; 2]> = goldens
        .indices("archipelago.pairs")
        .chunks_exact(2)
        .map(|pair| [pair[0] as u32, pair[1] as u32])
        .collect();
    let mut sets = merge_pairs(&pairs[..4]);
    let n = segments.n_segments();
    let members = goldens.values("archipelago.sets");
    let mut expected: Vec<(Vec<u32>, f64)> = members
        .chunks_exact(n)
        .map(|row| (0..n as u32).filter(|&k| row[k as usize] > 0.0).collect())
        .zip(goldens.values("archipelago.effects"))
        .collect();
    sets.sort();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(sets, expected.iter().map(|(set, _)| set.clone()).collect::<Vec<_>>());
    let target = Target::Logit(ARCHIPELAGO_CLASS);
    let effects = arch_attribute(&field, &baseline, &image, &segments, &sets, &target, 2).unwrap();
    for (found, (set, expected)) in effects.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{set:?}: {found} against {expected}");
    }
    let in_order: Vec<f64> = members
        .chunks_exact(n)
        .filter_map(|row| {
            let set: Vec<u32> = (0..n as u32).filter(|&k| row[k as usize] > 0.0).collect();
            sets.iter().position(|known| *known == set).map(|place| effects[place])
        })
        .collect();
    goldens.assert_close("archipelago.effects", &in_order, 1e-5);
    let rule = ArchipelagoMap::PositiveSets { n: 5 };
    let map = archipelago_map(&image, &segments, &sets, &effects, rule).unwrap();
    goldens.assert_close("archipelago.map", &pixels(&map), 1e-5);
    assert!(arch_attribute(&field, &baseline, &image, &segments, &[vec![16]], &target, 2).is_err());
}

#[test]
fn cafo_and_caso() {
    let goldens = Goldens::load();
    let field = goldens.model();
    let normalisation = Normalisation { mean: vec![0.4; 3], std: vec![0.2, 0.25, 0.3] };
    let start = goldens.f32s("caso.start");
    let noisy = goldens.f32s("caso.noisy");
    let noisy: Vec<Image> =
        noisy.chunks_exact(SHAPE.len()).map(|x| Image::new(SHAPE, x.to_vec()).unwrap()).collect();
    let noise = |own_class| Some(CasoNoise { n_samples: 4, spread: 0.15, own_class });
    let cases = [
        ("plain", vec![goldens.image("image")], None),
        ("smooth", noisy.clone(), noise(false)),
        ("own", noisy, noise(true)),
    ];
    for (name, images, noise) in cases {
        let lambda1 = goldens.values(&format!("caso.{name}.lambda1"))[0];
        let exact = Caso { lambda1, lambda2: 20.0, noise, ..Caso::paper() };
        let steps = Solver::Proximal { iterations: 10, learning_rate: 0.03 };
        let smooth = Caso { lambda1: 0.0, ..exact.clone() };
        for (what, settings) in [
            ("cafo", Caso { second_order: false, solver: steps, ..exact.clone() }),
            ("cafo_exact", Caso { second_order: false, ..exact.clone() }),
            ("caso", Caso { solver: steps, ..exact.clone() }),
            ("caso_exact", exact.clone()),
            ("caso_smooth", smooth.clone()),
            ("magnitude", Caso { magnitude: true, ..smooth }),
        ] {
            let map = caso_at(&field, &images, CLASS, &normalisation, &start, &settings, &Silent)
                .unwrap();
            goldens.assert_close(&format!("caso.{name}.{what}"), &widen(map.data()), 1e-4);
        }
    }
}

#[test]
fn caso_is_seeded_and_checked() {
    let goldens = Goldens::load();
    let (field, image) = (goldens.model(), goldens.image("image"));
    let normalisation = Normalisation::identity(3);
    let noise = Some(CasoNoise { n_samples: 3, spread: 0.15, own_class: false });
    let map = |seed| {
        let settings = Caso { noise, seed, lambda1: 0.0, ..Caso::paper() };
        caso(&field, &image, CLASS, &normalisation, &settings, &Silent).unwrap()
    };
    assert_eq!(map(1), map(1));
    assert_ne!(map(1), map(2));
    let broken = Caso { lambda2: 0.0, ..Caso::paper() };
    let error = caso(&field, &image, CLASS, &normalisation, &broken, &Silent).unwrap_err();
    assert_eq!(error.to_string(), "lambda2 = 0: a number > 0");
}

#[test]
fn moxi_orders_and_rewards() {
    let goldens = Goldens::load();
    let field = goldens.model();
    let (baseline, image) = (goldens.image("baseline"), goldens.image("image"));
    for (name, reward) in [
        ("log-probability", Reward::LogProbability),
        ("log-odds", Reward::LogOdds),
        ("logit", Reward::Logit),
    ] {
        for (curve_name, curve) in
            [("insertion", MoxiCurve::Insertion), ("deletion", MoxiCurve::Deletion)]
        {
            let settings = Moxi { grid: 3, reward, curve, batch: 4, ..Moxi::paper() };
            let found = moxi(&field, &baseline, &image, CLASS, &settings, &Silent).unwrap();
            let order: Vec<usize> = found.order.iter().map(|&label| label as usize).collect();
            assert_eq!(order, goldens.indices(&format!("moxi.{name}.{curve_name}.order")));
            let rewards = format!("moxi.{name}.{curve_name}.rewards");
            goldens.assert_close(&rewards, &found.rewards, 1e-5);
        }
    }
}

#[test]
fn moxi_maps() {
    let goldens = Goldens::load();
    let field = goldens.model();
    let (baseline, image) = (goldens.image("baseline"), goldens.image("image"));
    let curve = MoxiCurve::Deletion;
    let settings =
        Moxi { grid: 3, curve, reward: Reward::Logit, n_patches: Some(4), ..Moxi::paper() };
    let found = moxi(&field, &baseline, &image, CLASS, &settings, &Silent).unwrap();
    assert_eq!((found.order.len(), found.rewards.len()), (4, 5));
    let gains = moxi_map(&image, &found, MoxiMap::MarginalGain).unwrap();
    let ranks = pixels(&moxi_map(&image, &found, MoxiMap::Rank).unwrap());
    let first = found.patches.labels().iter().position(|&l| l == found.order[0]).unwrap();
    let loss = found.rewards[0] - found.rewards[1];
    assert!((pixels(&gains)[first] - loss).abs() < 1e-5 && loss > 0.0);
    assert!((ranks[first] - 9.0).abs() < 1e-5);
    assert_eq!(ranks.iter().filter(|r| **r == 0.0).count(), pixels_outside(&found));
}

fn pixels_outside(found: &hsets_attribution::methods::MoxiOrder) -> usize {
    found.patches.labels().iter().filter(|label| !found.order.contains(label)).count()
}

#[test]
fn xrai_regions() {
    let goldens = Goldens::load();
    let attributions = SaliencyMap::new(SHAPE, goldens.f32s("gradient_times_input")).unwrap();
    let maps = [goldens.segments("coarse"), goldens.segments("fine")];
    let settings = Xrai { min_new_pixels: 3, ..Xrai::paper() };
    let map = xrai(&attributions, &maps, &settings).unwrap();
    goldens.assert_close("xrai", &pixels(&map), 1e-5);
}

#[test]
fn integrated_hessians_of_pairs() {
    let goldens = Goldens::load();
    let (field, target) = (goldens.model(), Target::Logit(CLASS));
    let (baseline, image) = (goldens.image("baseline"), goldens.image("image"));
    let pairs: Vec<[usize; 2]> =
        goldens.indices("hessians.pairs").chunks_exact(2).map(|p| [p[0], p[1]]).collect();
    let gammas = |integral| {
        let settings = IntegratedHessians { integral, ..IntegratedHessians::paper() };
        integrated_hessians(&field, &baseline, &image, &pairs, &target, &settings, &Silent).unwrap()
    };
    goldens.assert_close("hessians.exact", &gammas(HessianIntegral::Line { nodes: 40 }), 1e-4);
    let nested = |quadrature, steps| gammas(HessianIntegral::Nested { quadrature, steps });
    goldens.assert_close("hessians.exact", &nested(Quadrature::GaussLegendre, 6), 1e-5);
    goldens.assert_close("hessians.riemann", &nested(Quadrature::Riemann, 6), 1e-5);
}

#[test]
fn integrated_hessians_of_all_pairs_in_sets() {
    let goldens = Goldens::load();
    let (field, target) = (goldens.model(), Target::Logit(CLASS));
    let (baseline, image) = (goldens.image("baseline"), goldens.image("image"));
    let settings = IntegratedHessians::paper();
    let within = |sets: &[FeatureSet]| {
        integrated_hessians_within(&field, &baseline, &image, sets, &target, &settings, &Silent)
            .unwrap()
    };
    let members = [3usize, 17, 40, 90];
    let map = within(&[FeatureSet::new(members)]);
    for i in members {
        let pairs: Vec<[usize; 2]> = members.iter().map(|&j| [i, j]).collect();
        let gammas =
            integrated_hessians(&field, &baseline, &image, &pairs, &target, &settings, &Silent);
        let expected: f64 = gammas.unwrap().iter().sum();
        assert!((f64::from(map.data()[i]) - expected).abs() < 1e-5, "{i}");
    }
    assert_eq!(map.data().iter().filter(|value| **value != 0.0).count(), members.len());
    // All pairs of all features: Integrated Gradients, which add up to the difference of f.
    let all: f64 =
        within(&[FeatureSet::new(0..SHAPE.len())]).data().iter().copied().map(f64::from).sum();
    let logits = hsets_core::Scored::logits(&field, &[image, baseline]).unwrap();
    let difference = f64::from(logits[0][CLASS] - logits[1][CLASS]);
    assert!((all - difference).abs() < 1e-3 * difference.abs(), "{all} against {difference}");
}
