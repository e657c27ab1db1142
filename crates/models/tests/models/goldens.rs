//! Every architecture against PyTorch, on generated weights: see `fixtures/models/README.md`.
//!
//! In `f64` the sampled entries and norms must agree to 1e-8 of the vector.
//!
//! In `f32` the measure is the distance from `f64` (‖a - b‖/‖b‖, whole vectors), ours against
//! PyTorch's. Logits must stay within twice the largest of PyTorch's. Derivatives must stay within
//! twice PyTorch's, except where a
//! pre-activation lies so near a kink that rounding decides its side: then one run jumps and another
//! does not. Such jumps may happen to a quarter of a family's vectors, and none may be larger than
//! twice the largest that happens to PyTorch anywhere in these cases.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::support::{distance, error, number, quantities, uniform};
use candle_core::{Device, Tensor};
use hsets_autodiff::{Cpu, Network, Weights};
use hsets_core::{Shape, Silent};
use hsets_models::{Architecture, Classifier, GraphOptions, LoadOptions};
use serde_json::Value;

/// Multiply-adds of one forward pass above which a case waits for a release build.
const DEBUG_LIMIT: u64 = 400_000_000;

fn goldens(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models").join(file);
    let text = std::fs::read_to_string(path).expect("the golden file is there");
    serde_json::from_str(&text).expect("the golden file is JSON")
}

/// As the script: the last norm of a residual branch is damped, or sums would grow without bound.
fn damped(weights: &Weights) -> Weights {
    let damp = |(name, tensor): (&str, &Tensor)| {
        let ends = name.ends_with(".bn2.weight") || name.ends_with(".bn3.weight");
        let tensor = if ends { (tensor * 0.25).expect("a tensor") } else { tensor.clone() };
        (name.to_owned(), tensor)
    };
    Weights::new(weights.iter().map(damp))
}

fn check(case: &Value, all: &Value) -> Option<Vec<Comparison>> {
    let size = |value: &Value| value.as_u64().expect("a size") as usize;
    let name = case["model"].as_str()?;
    let architecture: Architecture = name.parse().expect("an architecture");
    let input = Shape::new(3, size(&case["size"][0]), size(&case["size"][1]));
    let width = |(name, width): (&String, &Value)| (name.clone(), size(width));
    let channels = match case["channels"].as_object() {
        Some(widths) => widths.iter().map(width).collect(),
        None if name.starts_with("vgg") => {
            let hidden = size(&all["hidden"]);
            ["classifier.0", "classifier.3"].map(|name| (name.to_owned(), hidden)).into()
        }
        None => BTreeMap::new(),
    };
    let options = GraphOptions {
        channels,
        padding: Some(case["padding"].as_str()?.parse().expect("a padding")),
        batch_norm_eps: case["eps"].as_f64(),
        ..GraphOptions::new(input, 10)
    };
    let graph = architecture.graph(&options).expect("a graph");
    if cfg!(debug_assertions) && graph.multiply_adds() > DEBUG_LIMIT {
        return None;
    }
    // Position embeddings are drawn for the size they are trained at.
    let own = GraphOptions { input: architecture.preprocessing().shape(), ..options };
    let own =
        if name.contains("patch") { &architecture.graph(&own).expect("a graph") } else { &graph };
    let weights = damped(&Weights::random(own, 0).expect("weights"));
    let weights = architecture.resized(weights, [input.height, input.width]).expect("weights");
    let image: Vec<f64> =
        uniform("image", input.len()).into_iter().map(|v| f64::from(v as f32)).collect();
    let features: Vec<usize> = case["features"].as_array()?.iter().map(size).collect();
    let vectors = case["vectors"].as_object()?;
    let names: Vec<String> = vectors.keys().cloned().collect();
    let settings = (size(&all["target"]), size(&all["ig_steps"]));
    let double = Network::<Cpu<f64>>::new(&graph, &weights).expect("a network");
    let double = quantities(&double, &image, &features, &names, settings);
    let single = Network::<Cpu<f32>>::new(&graph, &weights).expect("a network");
    let single = quantities(&single, &image, &features, &names, settings);
    let compare = |(quantity, golden): (&String, &Value)| Comparison {
        what: format!("{name} {quantity}"),
        double: error(&double[quantity], golden),
        single: distance(&single[quantity], &double[quantity]),
        pytorch: number(&golden["f32_distance"]),
    };
    Some(vectors.iter().map(compare).collect())
}

/// Relative errors of one vector.
struct Comparison {
    what: String,
    double: f64,
    single: f64,
    pytorch: f64,
}

impl Comparison {
    fn is_near(&self) -> bool {
        self.single <= 2.0 * self.pytorch
    }

    fn line(&self) -> String {
        let Self { what, double, single, pytorch } = self;
        format!("{what}: f64 {double:.1e}, f32 {single:.1e}, PyTorch's f32 {pytorch:.1e}\n")
    }
}

/// Checks all cases of a family in a file; gives a line on each vector.
fn check_family(file: &str, family: &str) -> String {
    let all = goldens(file);
    let cases = all["cases"].as_array().expect("cases");
    // Of logits, and of derivatives.
    let mut largest = [0.0_f64; 2];
    for (name, vector) in
        cases.iter().flat_map(|case| case["vectors"].as_object().expect("vectors"))
    {
        let kind = &mut largest[usize::from(name != "logits")];
        *kind = kind.max(number(&vector["f32_distance"]));
    }

    let of_family = |case: &&Value| case["model"].as_str().is_some_and(|m| m.contains(family));
    let compared: Vec<Comparison> =
        cases.iter().filter(of_family).filter_map(|case| check(case, &all)).flatten().collect();
    assert!(!compared.is_empty(), "no case of {family} was light enough");
    let report: String = compared.iter().map(Comparison::line).collect();
    for c in &compared {
        assert!(c.double <= 1e-8, "f64 is off: {}", c.line());
        let limit = largest[usize::from(!c.what.ends_with("logits"))];
        assert!(c.single <= 2.0 * limit, "f32 is off: {}{report}", c.line());
    }
    let n_near = compared.iter().filter(|c| c.is_near()).count();
    assert!(4 * n_near >= 3 * compared.len(), "f32 is off too often:\n{report}");
    report
}

#[test]
fn vgg_agrees_with_pytorch() {
    println!("{}", check_family("goldens.json", "vgg"));
}

#[test]
fn resnet_agrees_with_pytorch() {
    println!("{}", check_family("goldens.json", "resnet"));
}

#[test]
fn densenet_agrees_with_pytorch() {
    println!("{}", check_family("goldens.json", "densenet"));
}

#[test]
fn mobilenet_agrees_with_pytorch() {
    println!("{}", check_family("goldens.json", "mobilenet"));
}

#[test]
fn efficientnet_agrees_with_timm() {
    println!("{}", check_family("modern.json", "efficientnet"));
}

#[test]
fn convnext_agrees_with_timm() {
    println!("{}", check_family("transformers.json", "convnext"));
}

#[test]
fn vit_agrees_with_timm() {
    println!("{}", check_family("transformers.json", "patch"));
}

#[test]
fn regnet_agrees_with_timm() {
    println!("{}", check_family("modern.json", "regnet"));
}

/// A parameter as the script fills it, see `Weights::random`; it takes all weights of what is called
/// `classifier` for those of a fully connected layer, a norm's too.
fn parameter(name: &str, shape: &[usize]) -> Tensor {
    let is_norm = !name.starts_with("classifier.");
    let fan_in = shape.iter().skip(1).product::<usize>().max(1) as f64;
    let (centre, spread) = match shape.len() {
        1 if name.ends_with("running_var") => (1.0, 0.5),
        1 if name.ends_with("weight") && is_norm => (1.0, 0.25),
        1 if !name.ends_with("weight") => (0.0, 0.1),
        _ => (0.0, (6.0 / fan_in).sqrt()),
    };
    let n = shape.iter().product();
    let values: Vec<f32> =
        uniform(name, n).into_iter().map(|u| (centre + spread * u) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
}

/// Weights under the names of torchvision and of Hugging Face give their logits.
#[test]
fn names_of_other_libraries_lead_to_their_logits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("renamed.safetensors");
    let files = ["modern.json", "transformers.json"].map(goldens);
    for case in files.iter().flat_map(|all| all["renamed"].as_array().unwrap()) {
        let name = case["model"].as_str().unwrap();
        let shapes = case["shapes"].as_object().unwrap().iter();
        let tensors: HashMap<String, Tensor> = shapes
            .map(|(name, shape)| {
                let shape: Vec<usize> = serde_json::from_value(shape.clone()).unwrap();
                (name.clone(), parameter(name, &shape))
            })
            .collect();
        candle_core::safetensors::save(&tensors, &path).unwrap();
        let size: [usize; 2] = serde_json::from_value(case["size"].clone()).unwrap();
        let options = LoadOptions {
            weights: Some(path.clone()),
            input_size: Some(size),
            ..LoadOptions::default()
        };
        let classifier = Classifier::load(&options, &Silent).unwrap();
        assert_eq!(classifier.architecture(), Some(name.parse().unwrap()), "{}", case["library"]);
        let network = Network::<Cpu<f64>>::new(classifier.graph(), classifier.weights()).unwrap();
        let image: Vec<f64> = uniform("image", classifier.shape().len());
        let image: Vec<f64> = image.into_iter().map(|v| f64::from(v as f32)).collect();
        let logits = network.logits_of(&[&image]).unwrap().remove(0);
        let expected: Vec<f64> = serde_json::from_value(case["logits"].clone()).unwrap();
        let off = distance(&logits, &expected);
        println!("{name} of {}: {off:.1e}", case["library"]);
        assert!(off < 1e-8, "{name} of {}: {off:.1e}", case["library"]);
    }
}

#[test]
fn other_widths_agree_with_pytorch() {
    println!("{}", check_family("variants.json", ""));
}
