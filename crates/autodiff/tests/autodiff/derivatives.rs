//! Every op: gradient and Hessian products against finite differences in f64, symmetry of the
//! Hessian, and agreement between batches and single images, on random shapes.

use hsets_autodiff::{
    Activation, Backend, Backpropagation, Conv2d, Cpu, Device, Graph, GraphBuilder, Network,
    NodeId, Norms, Weights,
};
use std::sync::Arc;

use hsets_core::{Differentiable, Image, Shape, Smoothing, Target};
use proptest::prelude::*;

use crate::ops::{self, Make, OPS};

fn graph(make: Make, height: usize, width: usize) -> Graph {
    let mut g = GraphBuilder::new(Shape::new(2, height, width));
    let x = g.input();
    let x = g.conv2d(x, "first", Conv2d::new(4, 3).with_padding(1).with_bias()).unwrap();
    let x = g.activation(x, Activation::Relu);
    let x = make(&mut g, x).unwrap();
    let x = g.conv2d(x, "last", Conv2d::new(3, 1).with_bias()).unwrap();
    let x = g.activation(x, Activation::Relu);
    let x = g.flatten(x);
    let logits = g.linear(x, "fc", 3).unwrap();
    g.finish(logits)
}

fn network(graph: &Graph, seed: u64) -> Network<Cpu<f64>> {
    Network::new(graph, &Weights::random(graph, seed).unwrap()).unwrap()
}

/// Deterministic numbers in (-1, 1).
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    (0..n).map(|i| ((i as f64 + 1.0) * 12.9898 + seed as f64 * 78.233).sin()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Consistent smooth activations: finite differences are legitimate.
const SOFT: Smoothing = Smoothing::Softplus { beta: 3.0 };

fn check(name: &str, make: Make, height: usize, width: usize, seed: u64, target: &Target) {
    let graph = graph(make, height, width);
    let network = network(&graph, seed);
    let n = graph.input_shape().len();
    let (x, v, u) = (numbers(n, seed), numbers(n, seed + 1), numbers(n, seed + 2));
    let moved = |step: f64| -> Vec<f64> { x.iter().zip(&v).map(|(x, v)| x + step * v).collect() };

    let here = network.linearized_at(&x, target, SOFT).unwrap();
    let products = here.products(&[&v, &u]).unwrap();
    let (hv, hu) = (&products[0], &products[1]);

    // Kinks of max pooling and the hard curves lie off this path for almost every seed; the
    // smaller of two steps is taken where one crosses a kink.
    let error = |step: f64| {
        let at = |s: f64| network.linearized_at(&moved(s), target, SOFT).unwrap();
        let (up, down) = (at(step), at(-step));
        let value = |l: &hsets_autodiff::Linearized<'_, Cpu<f64>>| target.value(l.logits());
        let slope = (value(&up) - value(&down)) / (2.0 * step);
        let exact = dot(here.gradient(), &v);
        let slope_error = (slope - exact).abs() / (1.0 + exact.abs());
        let bend: Vec<f64> = up
            .gradient()
            .iter()
            .zip(down.gradient())
            .map(|(up, down)| (up - down) / (2.0 * step))
            .collect();
        let difference: f64 = bend.iter().zip(hv).map(|(a, b)| (a - b).powi(2)).sum();
        slope_error.max(difference.sqrt() / (1.0 + dot(hv, hv).sqrt()))
    };
    let error = error(1e-4).min(error(1e-6));
    assert!(error < 2e-6, "{name} {height}x{width} seed {seed} {target:?}: error {error:e}");

    // H is symmetric, whatever the smoothing.
    for smoothing in [SOFT, Smoothing::PAPER, Smoothing::REFERENCE] {
        let here = network.linearized_at(&x, target, smoothing).unwrap();
        let products = here.products(&[&v, &u]).unwrap();
        let (left, right) = (dot(&u, &products[0]), dot(&v, &products[1]));
        let scale = dot(&products[0], &products[0]).sqrt() * dot(&u, &u).sqrt();
        assert!((left - right).abs() <= 1e-11 * (1.0 + scale), "{name}: {left} against {right}");
    }

    // A row is the product with a unit vector; <H u, v> = <u, H v> ties rows and products.
    let features = [0, n / 2, n - 1];
    let rows = here.rows(&features).unwrap();
    for (row, feature) in rows.iter().zip(features) {
        let scale = 1.0 + dot(row, row).sqrt() * dot(&v, &v).sqrt();
        assert!((dot(row, &v) - hv[feature]).abs() < 1e-11 * scale, "{name}: row {feature}");
    }
    assert!((dot(hu, &v) - dot(hv, &u)).abs() < 1e-10 * (1.0 + dot(hv, hv)), "{name}");

    // Without second derivatives more is done in one pass; the numbers are the same.
    let exact = network.linearized_at(&x, target, Smoothing::Exact).unwrap();
    let first = network.gradients_of(&[&x], target, Smoothing::Exact).unwrap().remove(0);
    assert_eq!(first.logits, exact.logits(), "{name}: logits without second derivatives");
    let value = network.logits_of(&[&x]).unwrap().remove(0);
    assert_eq!(value, exact.logits(), "{name}: logits without derivatives");
    for (a, b) in first.gradient.iter().zip(exact.gradient()) {
        assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{name}: gradient alone, {a} {b}");
    }

    // A batch gives the bits of single images.
    let batch = network.gradients_of(&[&x, &v, &u], target, Smoothing::Exact).unwrap();
    for (image, of_batch) in [&x, &v, &u].into_iter().zip(&batch) {
        let alone = network.gradients_of(&[image], target, Smoothing::Exact).unwrap();
        assert_eq!(&alone[0], of_batch, "{name}: batch against single image");
    }
}

#[test]
fn every_op_at_a_fixed_shape() {
    for (name, make) in OPS {
        check(name, *make, 9, 8, 5, &Target::Logit(1));
        check(name, *make, 9, 8, 6, &Target::LogProbability(2));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_op_at_random_shapes(
        op in 0..OPS.len(), height in 4usize..12, width in 4usize..12, seed in 0u64..1000,
    ) {
        let (name, make) = OPS[op];
        check(name, make, height, width, seed, &Target::Difference { class: 0, against: 2 });
    }
}

/// Rows begin on windows, products on whole tensors: both must give the same Hessian, for features
/// at borders and in the middle, and for ops on either side of where windows end.
#[test]
fn rows_on_windows_are_products() {
    for (name, make) in OPS {
        let graph = graph(*make, 21, 26);
        let network = network(&graph, 3);
        let n = graph.input_shape().len();
        for smoothing in [SOFT, Smoothing::PAPER] {
            let here = network.linearized_at(&numbers(n, 5), &Target::Logit(1), smoothing).unwrap();
            let features = [0, 25, 26 * 10 + 13, 26 * 20, n / 2, n - 1];
            for (&feature, row) in features.iter().zip(here.rows(&features).unwrap()) {
                let mut direction = vec![0.0; n];
                direction[feature] = 1.0;
                let product = here.products(&[&direction]).unwrap().remove(0);
                let scale = dot(&product, &product).sqrt().max(1e-12);
                for (a, b) in row.iter().zip(&product) {
                    assert!((a - b).abs() < 1e-12 * scale, "{name}, feature {feature}: {a} {b}");
                }
                let alone = here.rows(&[feature]).unwrap().remove(0);
                assert_eq!(alone, row, "{name}: a row depends on its batch");
            }
        }
    }
}

/// Without derivatives, attention over many tokens goes by parts: the same numbers.
#[test]
fn a_large_attention_goes_by_parts() {
    let mut g = GraphBuilder::new(Shape::new(4, 40, 40));
    let x = g.reshape(g.input(), &[4, 1600]).unwrap();
    let x = g.permute(x, &[1, 0]).unwrap();
    let mask = g.constant(&[1, 1600], (0..1600).map(|i| f64::from(i % 7)).collect()).unwrap();
    let y = ops::attention(&mut g, x, "attention", Some(mask)).unwrap();
    let y = g.mean(y, &[0]).unwrap();
    let logits = g.flatten(y);
    let graph = g.finish(logits);
    let network: Network<Cpu<f32>> =
        Network::new(&graph, &Weights::random(&graph, 4).unwrap()).unwrap();
    let x: Vec<f32> = numbers(6400, 2).iter().map(|&x| x as f32).collect();
    let by_parts = network.logits_of(&[&x]).unwrap().remove(0);
    let at_once = network.gradients_of(&[&x], &Target::Top, Smoothing::Exact).unwrap().remove(0);
    assert_eq!(by_parts, at_once.logits);
}

/// A network for values alone has an attention of its own: the same numbers, of any batch.
#[test]
fn attention_for_values_alone_agrees() {
    let tokens = |g: &mut GraphBuilder, is_masked: bool| {
        let x = g.reshape(g.input(), &[4, 120]).unwrap();
        let x = g.permute(x, &[1, 0]).unwrap();
        let mask = (0..120).map(|i| f64::from(i % 7)).collect();
        let mask = g.constant(&[1, 120], mask).unwrap();
        ops::attention(g, x, "attention", is_masked.then_some(mask)).unwrap()
    };
    let makes: [&dyn Fn(&mut GraphBuilder) -> NodeId; 3] =
        [&|g| tokens(g, true), &|g| tokens(g, false), &|g| {
            let x = g.input();
            ops::relative(g, x, [2, 2, 12, 10]).unwrap()
        }];
    for make in makes {
        let mut g = GraphBuilder::new(Shape::new(4, 12, 10));
        let y = make(&mut g);
        let graph = g.finish(y);
        let weights = Weights::random(&graph, 4).unwrap();
        let network: Network<Cpu<f64>> = Network::new(&graph, &weights).unwrap();
        let alone = Network::for_values(Cpu::<f64>::new(), &graph, &weights).unwrap();
        let device = candle_core::Device::Cpu;
        let device = Device::new(device);
        let by_device = Network::for_values(device, &graph, &weights).unwrap();
        let (x, other) = (numbers(480, 2), numbers(480, 7));
        let expected = network.logits_of(&[&x, &other]).unwrap();
        let found = alone.logits_of(&[&x, &other]).unwrap().concat();
        for (a, b) in found.iter().zip(expected.concat()) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        let [single, other] = [x.clone(), other].map(|x| x.iter().map(|&x| x as f32).collect());
        let single: [Vec<f32>; 2] = [single, other];
        let found = by_device.logits_of(&[&single[0], &single[1]]).unwrap().concat();
        for (a, b) in found.iter().zip(expected.concat()) {
            assert!((f64::from(*a) - b).abs() < 1e-5, "{a} {b}");
        }
        let error = alone.gradients_of(&[&x], &Target::Top, Smoothing::Exact).unwrap_err();
        assert!(error.to_string().contains("for values alone"), "{error}");
    }
}

#[test]
fn graphs_have_several_inputs_and_outputs() {
    let mut g = GraphBuilder::for_input(&[3, 5]);
    let (a, b) = (g.input(), g.add_input(&[5, 2]));
    let sum = g.matmul(a, b).unwrap();
    let scaled = g.scale(a, 2.0);
    let shift = g.constant(&[3, 1], vec![1.0, 2.0, 3.0]).unwrap();
    let shifted = g.add(scaled, shift).unwrap();
    let graph = g.finish_with(sum, &[scaled, shifted, a]);
    let network = Network::for_values(Cpu::<f64>::new(), &graph, &Weights::default()).unwrap();
    let (a, b) = (numbers(15, 1), numbers(10, 2));
    let inputs = [&a, &b].into_iter().enumerate();
    let inputs = inputs.map(|(i, x)| Arc::new(network.upload(i, &[x]).unwrap())).collect();
    let outputs = network.values(inputs).unwrap();
    let outputs: Vec<Vec<f64>> = outputs
        .iter()
        .map(|output| network.backend().download(output).unwrap().remove(0))
        .collect();
    for i in 0..15 {
        assert_eq!(outputs[1][i], 2.0 * a[i]);
        assert_eq!(outputs[2][i], 2.0 * a[i] + (i / 5 + 1) as f64);
    }
    for i in 0..6 {
        let exact: f64 = (0..5).map(|k| a[i / 2 * 5 + k] * b[k * 2 + i % 2]).sum();
        assert!((outputs[0][i] - exact).abs() < 1e-12);
    }
    assert_eq!(outputs[3], a);
    let lone = Arc::new(network.upload(0, &[&a]).unwrap());
    assert!(network.values(vec![lone]).is_err());
}

#[test]
fn exact_relu_has_no_curvature() {
    let graph = graph(|_, x| Ok(x), 6, 6);
    let network = network(&graph, 1);
    let x = numbers(graph.input_shape().len(), 3);
    let here = network.linearized_at(&x, &Target::Logit(0), Smoothing::Exact).unwrap();
    assert!(here.rows(&[7]).unwrap()[0].iter().all(|&h| h == 0.0));
}

#[test]
fn smoothed_values_stay_exact() {
    let graph = graph(|g, x| Ok(g.activation(x, Activation::Relu6)), 6, 6);
    let network = network(&graph, 1);
    let x = numbers(graph.input_shape().len(), 3);
    let exact = network.logits_of(&[&x]).unwrap().remove(0);
    let smooth = network.linearized_at(&x, &Target::Top, Smoothing::PAPER).unwrap();
    assert_eq!(smooth.logits(), exact);
}

#[test]
fn wrong_weights_are_listed_in_one_error() {
    let graph = graph(|_, x| Ok(x), 6, 6);
    let good = Weights::random(&graph, 1).unwrap();
    let tensors = good.iter().filter(|(name, _)| *name != "fc.bias").map(|(name, tensor)| {
        let name = if name == "last.bias" { "lost.bias" } else { name };
        (name.to_owned(), tensor.clone())
    });
    let Err(error) = Network::<Cpu<f32>>::new(&graph, &Weights::new(tensors)) else {
        panic!("accepted wrong weights");
    };
    let text = error.to_string();
    assert!(text.contains("2 missing: last.bias, fc.bias"), "{text}");
    assert!(text.contains("1 unexpected: lost.bias"), "{text}");
}

#[test]
fn f32_follows_f64() {
    let graph = graph(|g, x| g.add(x, x), 8, 8);
    let weights = Weights::random(&graph, 9).unwrap();
    let (wide, narrow) = (
        Network::<Cpu<f64>>::new(&graph, &weights).unwrap(),
        Network::<Cpu<f32>>::new(&graph, &weights).unwrap(),
    );
    let x = numbers(graph.input_shape().len(), 4);
    let x32: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let x: Vec<f64> = x32.iter().map(|&x| f64::from(x)).collect();
    let wide = wide.linearized_at(&x, &Target::Logit(0), Smoothing::PAPER).unwrap();
    let narrow = narrow.linearized_at(&x32, &Target::Logit(0), Smoothing::PAPER).unwrap();
    for (wide, narrow) in wide.rows(&[5]).unwrap()[0].iter().zip(&narrow.rows(&[5]).unwrap()[0]) {
        assert!((wide - f64::from(*narrow)).abs() < 1e-3 * (1.0 + wide.abs()), "{wide} {narrow}");
    }
}

/// candle's CPU, and the GPU where one is compiled in.
fn devices() -> Vec<candle_core::Device> {
    let mut devices = vec![candle_core::Device::Cpu];
    if cfg!(feature = "cuda") {
        devices.push(candle_core::Device::new_cuda(0).unwrap());
    }
    if cfg!(feature = "metal") {
        devices.push(candle_core::Device::new_metal(0).unwrap());
    }
    devices
}

/// The device backend against the f64 engine: the same sweeps in other kernels.
#[test]
fn candle_devices_agree() {
    for device in devices() {
        candle_device_agrees(&device);
    }
}

fn candle_device_agrees(device: &candle_core::Device) {
    let relative = |a: &[f32], b: &[f64]| {
        let difference: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
        (difference / dot(b, b).max(1e-12)).sqrt()
    };
    for (name, make) in OPS {
        let graph = graph(*make, 9, 8);
        let weights = Weights::random(&graph, 3).unwrap();
        let exact = network(&graph, 3);
        let device = Network::on_device(&graph, &weights, device).unwrap();
        let x32: Vec<f32> =
            numbers(graph.input_shape().len(), 8).iter().map(|&x| x as f32).collect();
        let x: Vec<f64> = x32.iter().map(|&x| f64::from(x)).collect();
        for smoothing in [SOFT, Smoothing::PAPER, Smoothing::Exact] {
            let target = Target::LogProbability(1);
            let exact = exact.linearized_at(&x, &target, smoothing).unwrap();
            let device = device.linearized_at(&x32, &target, smoothing).unwrap();
            let gap = relative(device.gradient(), exact.gradient());
            assert!(gap < 1e-4, "{name} {smoothing:?}: gradient {gap:e}");
            let features = [1, 40];
            let rows = device.rows(&features).unwrap();
            for (row, exact) in rows.iter().zip(exact.rows(&features).unwrap()) {
                let gap = relative(row, &exact);
                assert!(gap < 1e-3, "{name} {smoothing:?}: row {gap:e}");
            }
        }
        let batch = device.gradients_of(&[&x32, &x32], &Target::Top, Smoothing::Exact).unwrap();
        assert_eq!(batch.len(), 2);
    }
}

/// The numbers of each parameter, in the order of the graph.
fn values(graph: &Graph, seed: u64) -> Vec<Vec<f64>> {
    let weights = Weights::random(graph, seed).unwrap();
    let value = |name: &str| weights.get(name).unwrap().flatten_all().unwrap();
    let wide = |name: &str| value(name).to_dtype(candle_core::DType::F64).unwrap();
    graph.parameters().iter().map(|p| wide(&p.name).to_vec1().unwrap()).collect()
}

/// A loss Σ u·logits, whose gradient is u.
fn pass<B: Backend<Scalar = f64>>(
    net: &Backpropagation<B>,
    values: &[Vec<f64>],
    images: &[&[f64]],
    u: &[Vec<f64>],
) -> hsets_autodiff::Pass<f64> {
    net.run(values, images, |_| u.to_vec()).unwrap()
}

fn check_weights(name: &str, make: Make, norms: Norms) {
    let graph = graph(make, 9, 8);
    let n = graph.input_shape().len();
    let images: Vec<Vec<f64>> = (0..3).map(|i| numbers(n, 7 + i)).collect();
    let images: Vec<&[f64]> = images.iter().map(Vec::as_slice).collect();
    let u: Vec<Vec<f64>> = (0..3).map(|i| numbers(3, 40 + i)).collect();
    let net = Backpropagation::new(Cpu::<f64>::new(), graph.clone(), norms, |_| true);
    let values = values(&graph, 5);
    let exact = pass(&net, &values, &images, &u);
    for (at, parameter) in graph.parameters().iter().enumerate() {
        let Some(gradient) = &exact.gradients[at] else {
            assert!(parameter.name.contains("running_"), "{name}: {}", parameter.name);
            continue;
        };
        let direction = numbers(gradient.len(), at as u64);
        let along = |step: f64| {
            let mut moved = values.clone();
            moved[at].iter_mut().zip(&direction).for_each(|(w, d)| *w += step * d);
            let logits = pass(&net, &moved, &images, &u).logits;
            logits.iter().zip(&u).map(|(logits, u)| dot(logits, u)).sum::<f64>()
        };
        let slope = |step: f64| (along(step) - along(-step)) / (2.0 * step);
        let expected = dot(gradient, &direction);
        let error = |step: f64| (slope(step) - expected).abs() / (1.0 + expected.abs());
        let error = error(1e-5).min(error(1e-7));
        assert!(error < 2e-6, "{name}, {norms:?}, {}: error {error:e}", parameter.name);
    }
}

#[test]
fn weight_gradients_match_finite_differences() {
    for (name, make) in OPS {
        check_weights(name, *make, Norms::Batch);
        check_weights(name, *make, Norms::Frozen);
    }
}

#[test]
fn weight_gradients_are_the_same_on_a_device() {
    for (name, make) in OPS {
        let graph = graph(*make, 9, 8);
        let n = graph.input_shape().len();
        let images: Vec<Vec<f64>> = (0..3).map(|i| numbers(n, 7 + i)).collect();
        let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let singles: Vec<Vec<f32>> = images.iter().map(|image| narrow(image)).collect();
        let images: Vec<&[f64]> = images.iter().map(Vec::as_slice).collect();
        let singles: Vec<&[f32]> = singles.iter().map(Vec::as_slice).collect();
        let u: Vec<Vec<f64>> = (0..3).map(|i| numbers(3, 40 + i)).collect();
        let values = values(&graph, 5);
        let cpu = Backpropagation::new(Cpu::<f64>::new(), graph.clone(), Norms::Batch, |_| true);
        let exact = pass(&cpu, &values, &images, &u);
        let device = Device::new(candle_core::Device::Cpu);
        let device = Backpropagation::new(device, graph.clone(), Norms::Batch, |_| true);
        let values: Vec<Vec<f32>> = values.iter().map(|v| narrow(v)).collect();
        let narrowed: Vec<Vec<f32>> = u.iter().map(|v| narrow(v)).collect();
        let found = device.run(&values, &singles, |_| narrowed).unwrap();
        for (at, parameter) in graph.parameters().iter().enumerate() {
            let (Some(a), Some(b)) = (&exact.gradients[at], &found.gradients[at]) else { continue };
            let scale = 1.0 + dot(a, a).sqrt();
            let error = a.iter().zip(b).map(|(a, &b)| (a - f64::from(b)).abs()).fold(0.0, f64::max);
            assert!(error < 2e-4 * scale, "{name}, {}: {error:e} of {scale}", parameter.name);
        }
    }
}

#[test]
fn only_what_is_trained_has_a_gradient() {
    let graph = graph(|g, x| g.conv2d(x, "op", Conv2d::new(4, 3)), 9, 8);
    let image = numbers(graph.input_shape().len(), 1);
    let values = values(&graph, 5);
    let all = Backpropagation::new(Cpu::<f64>::new(), graph.clone(), Norms::Batch, |_| true);
    let some = |name: &str| name.starts_with("fc") || name == "op.bias" || name == "last.weight";
    let few = Backpropagation::new(Cpu::<f64>::new(), graph.clone(), Norms::Batch, some);
    let run = |net| pass(net, &values, &[&image], &[vec![1.0, -2.0, 0.5]]).gradients;
    let (all, few) = (run(&all), run(&few));
    for (at, parameter) in graph.parameters().iter().enumerate() {
        let expected = if some(&parameter.name) { all[at].clone() } else { None };
        assert_eq!(few[at], expected, "{}", parameter.name);
    }
}

/// In memory of others, an image is what it is in its own, at either width.
#[test]
fn slices_are_images() {
    let graph = graph(OPS[0].1, 6, 5);
    let weights = Weights::random(&graph, 3).unwrap();
    let shape = graph.input_shape();
    let single: Vec<f32> = numbers(shape.len(), 1).into_iter().map(|v| v as f32).collect();
    let image = Image::new(shape, single.clone()).unwrap();
    let target = Target::Logit(1);
    let narrow: Network<Cpu<f32>> = Network::new(&graph, &weights).unwrap();
    let wide: Network<Cpu<f64>> = Network::new(&graph, &weights).unwrap();
    let fields: [&dyn Differentiable; 2] = [&narrow, &wide];
    for field in fields {
        let images = std::slice::from_ref(&image);
        assert_eq!(field.logits_of_slices(&[&single]).unwrap(), field.logits(images).unwrap());
        let expected = field.gradients(images, &target).unwrap();
        assert_eq!(field.gradients_of_slices(&[&single], &target).unwrap(), expected);
        let mut broken = single.clone();
        broken[7] = f32::NAN;
        for wrong in [&single[1..], &broken] {
            assert!(field.logits_of_slices(&[wrong]).is_err());
            assert!(field.gradients_of_slices(&[wrong], &target).is_err());
        }
    }
}
