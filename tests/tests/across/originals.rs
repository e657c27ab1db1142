//! The compared methods on small networks against the programs of their authors: goldens of
//! `fixtures/methods/originals.py`.
//!
//! Both sides compute in `f64`, but for what ours takes and gives, which is `f32`: rounding leaves
//! 1e-6, the authors' stopping rules and their sums in `f32` the rest of 1e-4. A point of a path that
//! is rounded may lie on the other side of a kink, where its gradient jumps. `-- --nocapture` prints
//! what was found.
#![allow(clippy::print_stdout, reason = "the table in docs/methods.md")]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, safetensors};
use hsets_attribution::methods::{
    Caso, CasoNoise, HessianIntegral, IntegratedHessians, Moxi, MoxiCurve, Reward, SmoothGrad,
    SmoothStatistic, Solver, Xrai, arch_attribute, caso_at, gradient, gradient_times_input,
    integrated_hessians, integrated_hessians_within, merge_pairs, moxi, smooth_grad_at, xrai,
};
use hsets_attribution::{
    Baseline, Normalisation, PathGradients, PathSettings, Quadrature, integrated_gradients,
};
use hsets_autodiff::{Cpu, Network, Weights};
use hsets_core::{
    FeatureSet, Image, SaliencyMap, SegmentMap, Shape, Silent, Smoothing, Target,
    TwiceDifferentiable,
};
use hsets_detection::{ArchDetect, arch_detect};
use hsets_models::{Architecture, GraphOptions};

const NETWORKS: [&str; 2] = ["resnet20", "mobilenet_v3_small"];
const CLASS: usize = 3;
const TARGET: Target = Target::Logit(CLASS);
const SHAPE: Shape = Shape::new(3, 32, 32);
/// Every so many features of a map are in the file.
const STRIDE: usize = 13;
const SOFTPLUS: Smoothing = Smoothing::Softplus { beta: 10.0 };
/// Of the largest value.
const TOLERANCE: f64 = 1e-4;
/// Where one of the points of a path may jump over a kink.
const KINKED: f64 = 2e-3;

/// What the authors' programs got, and what they got it from.
struct Goldens(HashMap<String, Tensor>);

impl Goldens {
    fn load() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/methods");
        Self(safetensors::load(root.join("originals.safetensors"), &Device::Cpu).unwrap())
    }

    fn f64s(&self, name: &str) -> Vec<f64> {
        let tensor = self.0.get(name).unwrap_or_else(|| panic!("no golden {name}"));
        tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn indices(&self, name: &str) -> Vec<usize> {
        self.f64s(name).into_iter().map(|v| v as usize).collect()
    }

    /// Input of the programs.
    fn f32s(&self, name: &str) -> Vec<f32> {
        self.0[name].flatten_all().unwrap().to_vec1().unwrap()
    }

    fn image(&self, name: &str) -> Image {
        Image::new(SHAPE, self.f32s(name)).unwrap()
    }

    /// Copies of the image with the noise of the file.
    fn noisy(&self) -> Vec<Image> {
        let (image, noise) = (self.image("image"), self.f32s("noise"));
        let add = |noise: &[f32]| image.data().iter().zip(noise).map(|(x, n)| x + n).collect();
        noise.chunks_exact(SHAPE.len()).map(|n| Image::new(SHAPE, add(n)).unwrap()).collect()
    }

    fn segments(&self, name: &str) -> SegmentMap {
        let labels: Vec<u32> =
            self.indices(&format!("segments.{name}")).into_iter().map(|v| v as u32).collect();
        SegmentMap::new(SHAPE.width, SHAPE.height, &labels).unwrap()
    }
}

/// As the script: the last norm of a residual branch is damped, or sums would grow without bound.
fn damped(weights: &Weights) -> Weights {
    let damp = |(name, tensor): (&str, &Tensor)| {
        let ends = name.ends_with(".bn2.weight") || name.ends_with(".bn3.weight");
        let tensor = if ends { (tensor * 0.25).unwrap() } else { tensor.clone() };
        (name.to_owned(), tensor)
    };
    Weights::new(weights.iter().map(damp))
}

/// A network with what the programs got of it.
struct Case {
    name: &'static str,
    /// What the network computes in.
    width: &'static str,
    goldens: Goldens,
    field: Box<dyn TwiceDifferentiable>,
}

impl Case {
    /// Every network, in both widths.
    fn all() -> Vec<Self> {
        NETWORKS.into_iter().flat_map(Self::both).collect()
    }

    fn both(name: &'static str) -> [Self; 2] {
        let architecture: Architecture = name.parse().unwrap();
        let graph = architecture.graph(&GraphOptions::new(SHAPE, 10)).unwrap();
        let weights = damped(&Weights::random(&graph, 0).unwrap());
        let double: Network<Cpu<f64>> = Network::new(&graph, &weights).unwrap();
        let single: Network<Cpu<f32>> = Network::new(&graph, &weights).unwrap();
        let goldens = Goldens::load;
        [
            Self { name, width: "f64", goldens: goldens(), field: Box::new(double) },
            Self { name, width: "f32", goldens: goldens(), field: Box::new(single) },
        ]
    }

    fn place(&self, what: &str) -> String {
        format!("{}.{what}", self.name)
    }

    /// Fails if the largest difference is more than 1e-4 of the largest value.
    fn compare(&self, what: &str, found: &[f64]) {
        let expected = self.goldens.f64s(&self.place(what));
        assert_eq!(found.len(), expected.len(), "{what}");
        self.assert_close(what, found.iter().copied(), &expected, TOLERANCE);
    }

    /// The same of some features of a map, and of its norm.
    fn compare_map(&self, what: &str, map: &[f64]) {
        self.compare_map_to(what, map, TOLERANCE);
    }

    fn compare_map_to(&self, what: &str, map: &[f64], tolerance: f64) {
        let mut expected = self.goldens.f64s(&self.place(what));
        let norm = expected.pop().unwrap();
        let found = map.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!((found / norm - 1.0).abs() <= tolerance, "{what}: norm {found}, not {norm}");
        let some = map.iter().copied().step_by(STRIDE);
        assert_eq!(some.len(), expected.len(), "{what}");
        self.assert_close(what, some, &expected, tolerance);
    }

    fn assert_close(
        &self,
        what: &str,
        found: impl Iterator<Item = f64>,
        expected: &[f64],
        tolerance: f64,
    ) {
        let largest = expected.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
        let differences = found.zip(expected).map(|(a, b)| (a - b).abs() / largest);
        let difference = differences.fold(0.0, f64::max);
        println!("{:50} {} {difference:.1e}", self.place(what), self.width);
        assert!(difference <= tolerance, "{}: {difference:.1e}", self.place(what));
    }

    /// Tolerance of a path whose points are exact: in `f32` the network itself rounds.
    fn of_path(&self) -> f64 {
        if self.width == "f64" { TOLERANCE } else { KINKED }
    }

    fn ig(&self, [baseline, image]: [&Image; 2], steps: usize, rule: Quadrature) -> SaliencyMap {
        let settings = PathSettings { quadrature: rule, ..PathSettings::riemann(steps) };
        let field = self.field.as_ref();
        let path = PathGradients::along(field, baseline, image, &settings, &TARGET, &Silent);
        integrated_gradients(&path.unwrap()).unwrap().map
    }
}

fn widen(map: &SaliencyMap) -> Vec<f64> {
    map.data().iter().map(|&v| f64::from(v)).collect()
}

fn normalisation() -> Normalisation {
    Normalisation { mean: vec![0.4; 3], std: vec![0.2, 0.25, 0.3] }
}

/// Rounded so that 16 steps between two images are exact.
fn dyadic(image: &Image) -> Image {
    let data = image.data().iter().map(|v| (v * 128.0).round() / 128.0);
    Image::new(SHAPE, data.collect()).unwrap()
}

/// captum's trapezoid gives its 17 points weights that sum to 16/17. Our published sum has both ends
/// fully: captum's left sum and the gradient at the image.
#[test]
fn gradients_and_their_integrals() {
    for case in Case::all() {
        let (image, baseline) = (case.goldens.image("image"), case.goldens.image("baseline"));
        let field = case.field.as_ref();
        let slope = gradient(field, &image, &TARGET).unwrap();
        case.compare_map("gradient", &widen(&slope));
        let zero = Image::constant(SHAPE, 0.0);
        let product = gradient_times_input(field, &zero, &image, &TARGET).unwrap();
        case.compare_map("gradient_x_input", &widen(&product));
        let (image, baseline) = (dyadic(&image), dyadic(&baseline));
        let ig = |rule| widen(&case.ig([&baseline, &image], 16, rule));
        let trapezoid = ig(Quadrature::Trapezoid).into_iter().map(|v| v * 16.0 / 17.0);
        case.compare_map_to("ig.riemann_trapezoid", &trapezoid.collect::<Vec<_>>(), case.of_path());
        let end = widen(&gradient_times_input(field, &baseline, &image, &TARGET).unwrap());
        let published = ig(Quadrature::Riemann).into_iter().zip(end);
        let left: Vec<f64> = published.map(|(sum, end)| (17.0 * sum - end) / 16.0).collect();
        case.compare_map_to("ig.riemann_left", &left, case.of_path());
        case.compare_map_to("ig.gausslegendre", &ig(Quadrature::GaussLegendre), KINKED);
    }
}

#[test]
fn smooth_grad() {
    for case in Case::all() {
        for (what, statistic) in [
            ("smoothgrad", SmoothStatistic::Mean),
            ("smoothgrad_sq", SmoothStatistic::MeanSquare),
            ("vargrad", SmoothStatistic::Variance),
        ] {
            let settings = SmoothGrad { statistic, ..SmoothGrad::paper() };
            let copies = case.goldens.noisy();
            let map = smooth_grad_at(case.field.as_ref(), &copies, &TARGET, &settings, &Silent);
            case.compare_map(what, &widen(&map.unwrap()));
        }
    }
}

#[test]
fn archipelago() {
    for case in Case::all() {
        let (field, goldens) = (case.field.as_ref(), &case.goldens);
        let (image, baseline) = (goldens.image("image"), goldens.image("baseline"));
        let segments = goldens.segments("patches");
        let settings = ArchDetect::reference();
        let found = arch_detect(field, &baseline, &image, &segments, &TARGET, &settings, &Silent);
        let found = found.unwrap();
        let pairs: Vec<usize> =
            found.pairs.iter().flat_map(|p| p.pair).map(|label| label as usize).collect();
        assert_eq!(pairs, goldens.indices(&case.place("archipelago.pairs")));
        let strengths: Vec<f64> = found.pairs.iter().map(|pair| pair.strength).collect();
        case.compare("archipelago.strengths", &strengths);
        case.compare("archipelago.main_effects", &found.main_effects);
        let pairs: Vec<[u32; 2]> = found.pairs[..5].iter().map(|pair| pair.pair).collect();
        let mut sets = merge_pairs(&pairs);
        let rows = goldens.indices(&case.place("archipelago.sets"));
        let members = |row: &[usize]| -> Vec<u32> {
            (0..row.len() as u32).filter(|&k| row[k as usize] == 1).collect()
        };
        let expected: Vec<Vec<u32>> =
            rows.chunks_exact(segments.n_segments()).map(members).collect();
        sets.sort_by_key(|set| expected.iter().position(|other| other == set));
        assert_eq!(sets, expected);
        let effects =
            arch_attribute(field, &baseline, &image, &segments, &sets, &TARGET, 20).unwrap();
        case.compare("archipelago.effects", &effects);
    }
}

#[test]
fn cafo_and_caso() {
    for case in Case::all() {
        let goldens = &case.goldens;
        let value = |what: &str| goldens.f64s(&case.place(what))[0];
        let noise = Some(CasoNoise { n_samples: 2, spread: 0.15, own_class: false });
        let own = Some(CasoNoise { n_samples: 2, spread: 0.15, own_class: true });
        let ten_steps = Solver::Proximal { iterations: 10, learning_rate: 0.03 };
        for relu in ["", "softplus."] {
            let exact = Caso {
                lambda1: value(&format!("{relu}caso.lambda1")),
                lambda2: value(&format!("{relu}caso.lambda2")),
                smoothing: if relu.is_empty() { Smoothing::Exact } else { SOFTPLUS },
                ..Caso::paper()
            };
            let caso = Caso { solver: ten_steps, ..exact.clone() };
            let cafo = Caso { second_order: false, ..caso.clone() };
            let smooth = Caso { lambda1: 0.0, ..exact.clone() };
            for (what, settings) in [
                ("caso", caso.clone()),
                ("caso.exact", exact.clone()),
                ("cafo", cafo.clone()),
                ("cafo.exact", Caso { second_order: false, ..exact.clone() }),
                ("cafo.noisy", Caso { noise, ..cafo }),
                ("caso.smooth", smooth.clone()),
                ("caso.magnitude", Caso { magnitude: true, ..smooth }),
                ("caso.noisy", Caso { noise, ..caso.clone() }),
                ("caso.own", Caso { noise: own, ..caso }),
            ] {
                let what = format!("{relu}{what}");
                if !goldens.0.contains_key(&case.place(&what)) {
                    assert_eq!(relu, "softplus.", "{what}");
                    continue;
                }
                let images = match settings.noise {
                    Some(_) => goldens.noisy(),
                    None => vec![goldens.image("image")],
                };
                let (field, start) = (case.field.as_ref(), goldens.f32s("start"));
                let normalisation = normalisation();
                let map =
                    caso_at(field, &images, CLASS, &normalisation, &start, &settings, &Silent);
                case.compare_map(&what, &widen(&map.unwrap()));
            }
        }
    }
}

#[test]
fn moxi_orders_and_rewards() {
    for case in Case::all() {
        let goldens = &case.goldens;
        let (image, baseline) = (goldens.image("image"), goldens.image("baseline"));
        for (name, reward) in [
            ("log-probability", Reward::LogProbability),
            ("log-odds", Reward::LogOdds),
            ("logit", Reward::Logit),
        ] {
            let curves = [("insertion", MoxiCurve::Insertion), ("deletion", MoxiCurve::Deletion)];
            for (curve_name, curve) in curves {
                let settings = Moxi { grid: 4, reward, curve, ..Moxi::paper() };
                let field = case.field.as_ref();
                let found = moxi(field, &baseline, &image, CLASS, &settings, &Silent).unwrap();
                let order: Vec<usize> = found.order.iter().map(|&label| label as usize).collect();
                let what = format!("moxi.{name}.{curve_name}");
                assert_eq!(order, goldens.indices(&case.place(&format!("{what}.order"))));
                case.compare(&format!("{what}.rewards"), &found.rewards);
            }
        }
    }
}

#[test]
fn xrai_regions() {
    for case in Case::all() {
        let mut mean = SaliencyMap::zeros(SHAPE);
        for end in [Baseline::Black, Baseline::White] {
            let image = case.goldens.image("image");
            let end = end.image(&image, &normalisation()).unwrap();
            let ig = case.ig([&end, &image], 20, Quadrature::Riemann);
            mean.data_mut().iter_mut().zip(ig.data()).for_each(|(mean, ig)| *mean += ig / 2.0);
        }
        let segments = ["coarse", "patches"].map(|name| case.goldens.segments(name));
        let map = xrai(&mean, &segments, &Xrai::paper()).unwrap();
        let pixels = map.per_pixel(hsets_core::ChannelReduction::Sum);
        case.compare_map("xrai", &pixels.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    }
}

#[test]
fn integrated_hessians_of_six_features() {
    for case in Case::all() {
        let (field, goldens) = (case.field.as_ref(), &case.goldens);
        let (image, baseline) = (goldens.image("image"), goldens.image("baseline"));
        let members = goldens.indices(&case.place("softplus.hessians.members"));
        let pairs: Vec<[usize; 2]> =
            members.iter().flat_map(|&i| members.iter().map(move |&j| [i, j])).collect();
        let settings = IntegratedHessians {
            integral: HessianIntegral::Nested { quadrature: Quadrature::Riemann, steps: 6 },
            smoothing: SOFTPLUS,
        };
        let gammas =
            integrated_hessians(field, &baseline, &image, &pairs, &TARGET, &settings, &Silent);
        case.compare("softplus.hessians.gammas", &gammas.unwrap());
        // One product with the set's part of x - x' is the sum over its pairs.
        let sets = [FeatureSet::new(members.iter().copied())];
        let within = integrated_hessians_within(
            field, &baseline, &image, &sets, &TARGET, &settings, &Silent,
        )
        .unwrap();
        let expected = goldens.f64s(&case.place("softplus.hessians.gammas"));
        let sums: Vec<f64> =
            expected.chunks_exact(members.len()).map(|row| row.iter().sum()).collect();
        let largest = sums.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
        for (&i, sum) in members.iter().zip(&sums) {
            let difference = (f64::from(within.data()[i]) - sum).abs() / largest;
            assert!(difference <= TOLERANCE, "{i}: {difference:.1e}");
        }
    }
}
