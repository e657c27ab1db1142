//! Three steps against PyTorch: loss, learning rate, gradients, weights, running statistics, of a
//! network with every kind of layer that has parameters. `fixtures/training/make_goldens.py` made
//! the numbers.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use hsets_autodiff::{
    Activation, Backpropagation, Conv2d, Cpu, Graph, GraphBuilder, Norms, Pool2d,
};
use hsets_core::{Image, Shape, Silent};
use hsets_models::Device;
use hsets_training::{
    Augmentation, Examples, Job, Optimizer, Result, Settings, SoftTargets, State, fit,
};
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;

const N_CLASSES: usize = 3;
const SHAPE: Shape = Shape { channels: 3, height: 8, width: 8 };

struct Goldens(Vec<u8>);

impl Goldens {
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/training");
        Self(std::fs::read(folder.join("goldens.safetensors")).unwrap())
    }

    fn f32(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let (words, _) = file.tensor(name).unwrap().data().as_chunks::<4>();
        words.iter().map(|&word| f32::from_le_bytes(word)).collect()
    }

    fn f64(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let (words, _) = file.tensor(name).unwrap().data().as_chunks::<8>();
        words.iter().map(|&word| f64::from_le_bytes(word)).collect()
    }

    fn values(&self, graph: &Graph, prefix: &str) -> Vec<Vec<f32>> {
        graph.parameters().iter().map(|p| self.f32(&format!("{prefix}.{}", p.name))).collect()
    }
}

fn graph() -> Graph {
    let mut g = GraphBuilder::new(SHAPE);
    let x = g.input();
    let x = g.conv2d(x, "conv1", Conv2d::new(4, 3).with_padding(1)).unwrap();
    let x = g.batch_norm(x, "bn1", 1e-5);
    let x = g.activation(x, Activation::Relu);
    let depthwise = Conv2d::new(4, 3).with_stride(2).with_padding(1).with_groups(4);
    let x = g.conv2d(x, "depthwise", depthwise).unwrap();
    let x = g.batch_norm(x, "bn2", 1e-5);
    let x = g.activation(x, Activation::HardSwish);
    let y = g.conv2d(x, "conv2", Conv2d::new(4, 1).with_bias()).unwrap();
    let x = g.add(x, y).unwrap();
    let x = g.max_pool2d(x, Pool2d::new(3, 2).with_padding(1)).unwrap();
    let x = g.flatten(x);
    let logits = g.linear(x, "fc", N_CLASSES).unwrap();
    g.finish(logits)
}

/// Pictures of classes 0, 1, 2, 0, 1, 2.
struct Given(Vec<Image>, Vec<[usize; 1]>);

impl Given {
    fn new(goldens: &Goldens) -> Self {
        let pixels = goldens.f32("images");
        let images = pixels.chunks_exact(SHAPE.len()).map(|p| Image::new(SHAPE, p.to_vec()));
        let images: Vec<Image> = images.map(Result::unwrap).collect();
        let classes = (0..images.len()).map(|i| [i % N_CLASSES]).collect();
        Self(images, classes)
    }
}

impl Examples for Given {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn answers(&self, index: usize) -> &[usize] {
        &self.1[index]
    }

    fn view(&self, index: usize, _rng: &mut ChaCha8Rng) -> Result<Image> {
        self.plain(index)
    }

    fn plain(&self, index: usize) -> Result<Image> {
        Ok(self.0[index].clone())
    }
}

fn settings(optimizer: Optimizer, learning_rate: f64, weight_decay: f64) -> Settings {
    Settings {
        epochs: 3,
        batch: 6,
        optimizer,
        learning_rate,
        weight_decay,
        warmup: 0.0,
        label_smoothing: 0.1,
        augmentation: Augmentation::NONE,
        ..Settings::scratch()
    }
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{what}: {found} for {expected}");
    }
}

fn check(name: &str, settings: &Settings) {
    let (goldens, graph) = (Goldens::read(), graph());
    let examples = Given::new(&goldens);
    let job = Job {
        graph: &graph,
        groups: &[N_CLASSES],
        training: &examples,
        validation: None,
        settings,
        device: Device::Cpu,
        save_every: 0,
    };
    let mut state = State::new(goldens.values(&graph, "first"));
    fit(&job, &mut state, &Silent, &mut |_, _| Ok(())).unwrap();
    let losses = goldens.f32(&format!("{name}.losses"));
    let rates = goldens.f64(&format!("{name}.rates"));
    for ((epoch, loss), rate) in state.history.iter().zip(losses).zip(rates) {
        let error = (epoch.training_loss - f64::from(loss)).abs();
        assert!(error < 1e-5, "{name}: loss {} for {loss}", epoch.training_loss);
        assert!((epoch.learning_rate - rate).abs() < 1e-12, "{name}: rate for {rate}");
    }
    assert_eq!(state.history.len(), 3);
    let after = goldens.values(&graph, &format!("{name}.after"));
    for ((parameter, found), after) in graph.parameters().iter().zip(&state.values).zip(&after) {
        assert_close(found, after, 1e-5, &format!("{name}: {}", parameter.name));
    }
}

#[test]
fn sgd() {
    check("sgd", &settings(Optimizer::SGD, 0.1, 0.01));
}

#[test]
fn nesterov() {
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
    check("nesterov", &settings(optimizer, 0.1, 0.01));
}

#[test]
fn adam_w() {
    check("adamw", &settings(Optimizer::ADAM_W, 0.01, 0.05));
}

#[test]
fn gradients() {
    let (goldens, graph) = (Goldens::read(), graph());
    let examples = Given::new(&goldens);
    let net = Backpropagation::new(Cpu::<f32>::new(), graph.clone(), Norms::Batch, |_| true);
    let images: Vec<&[f32]> = examples.0.iter().map(Image::data).collect();
    let answers: Vec<Vec<usize>> = examples.1.iter().map(|class| class.to_vec()).collect();
    let targets = SoftTargets { groups: &[N_CLASSES], aid: 0.0, smoothing: 0.1 };
    let values = goldens.values(&graph, "first");
    let pass = net.run(&values, &images, |z| targets.loss(z, &answers).gradients).unwrap();
    let mut n_checked = 0;
    for (parameter, found) in graph.parameters().iter().zip(&pass.gradients) {
        let Some(found) = found else { continue };
        let expected = goldens.f32(&format!("sgd.gradient.{}", parameter.name));
        assert_close(found, &expected, 1e-6, &parameter.name);
        n_checked += 1;
    }
    assert_eq!(n_checked, 10);
}
