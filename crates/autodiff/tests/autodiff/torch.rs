//! Small modern networks against PyTorch's double backward in `f64`: logits, gradient and a product
//! of the Hessian. `fixtures/engine/make_goldens.py` made the numbers.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use hsets_autodiff::{
    Activation, Conv2d, Cpu, Graph, GraphBuilder, Interpolation, Network, NodeId, ResizePoints,
    Result, Weights,
};
use hsets_core::{Shape, Smoothing, Target};

const CHANNELS: usize = 8;
const CLASSES: usize = 4;

fn block(g: &mut GraphBuilder, x: NodeId, name: &str) -> Result<NodeId> {
    let named = |layer: &str| format!("{name}.{layer}");
    let y = g.layer_norm(x, &named("norm1"), 1, 1e-6)?;
    let qkv = g.linear_along(y, &named("qkv"), 3 * CHANNELS, 1, true)?;
    let qkv = g.reshape(qkv, &[10, 3, 2, CHANNELS / 2])?;
    let qkv = g.permute(qkv, &[1, 2, 0, 3])?;
    let mut part = |i| {
        let part = g.slice(qkv, 0, i, 1)?;
        g.reshape(part, &[2, 10, CHANNELS / 2])
    };
    let (q, k, v) = (part(0)?, part(1)?, part(2)?);
    let q = g.scale(q, (CHANNELS as f64 / 2.0).powf(-0.5));
    let k = g.transpose(k)?;
    let scores = g.matmul(q, k)?;
    let weights = g.softmax(scores, 2)?;
    let y = g.matmul(weights, v)?;
    let y = g.permute(y, &[1, 0, 2])?;
    let y = g.reshape(y, &[10, CHANNELS])?;
    let y = g.linear_along(y, &named("proj"), CHANNELS, 1, true)?;
    let x = g.add(x, y)?;
    let y = g.layer_norm(x, &named("norm2"), 1, 1e-6)?;
    let y = g.linear_along(y, &named("fc1"), 2 * CHANNELS, 1, true)?;
    let y = g.activation(y, Activation::Gelu);
    let y = g.linear_along(y, &named("fc2"), CHANNELS, 1, true)?;
    g.add(x, y)
}

fn transformer(g: &mut GraphBuilder) -> Result<NodeId> {
    let mut patches = Conv2d::new(CHANNELS, 4).with_bias();
    patches.stride = [4, 4];
    let x = g.conv2d(g.input(), "patches", patches)?;
    let x = g.reshape(x, &[CHANNELS, 9])?;
    let x = g.permute(x, &[1, 0])?;
    let class = g.parameter("cls_token", &[1, CHANNELS])?;
    let x = g.concat_along(0, &[class, x])?;
    let position = g.parameter("pos_embed", &[10, CHANNELS])?;
    let x = g.add(x, position)?;
    let x = block(g, x, "block0")?;
    let x = block(g, x, "block1")?;
    let x = g.layer_norm(x, "norm", 1, 1e-6)?;
    let x = g.slice(x, 0, 0, 1)?;
    let x = g.reshape(x, &[CHANNELS])?;
    g.linear(x, "head", CLASSES)
}

fn modern(g: &mut GraphBuilder) -> Result<NodeId> {
    let x = g.conv2d(g.input(), "stem", Conv2d::new(CHANNELS, 2).with_stride(2).with_bias())?;
    let x = g.layer_norm(x, "stem_norm", 0, 1e-6)?;
    let depthwise = Conv2d::new(CHANNELS, 5).with_padding(2).with_groups(CHANNELS).with_bias();
    let y = g.conv2d(x, "dw", depthwise)?;
    let y = g.permute(y, &[1, 2, 0])?;
    let y = g.layer_norm(y, "norm", 2, 1e-6)?;
    let y = g.linear_along(y, "fc1", 3 * CHANNELS, 2, true)?;
    let y = g.activation(y, Activation::GeluTanh);
    let y = g.linear_along(y, "fc2", CHANNELS, 2, true)?;
    let y = g.scale_along(y, "gamma", 2)?;
    let y = g.permute(y, &[2, 0, 1])?;
    let x = g.add(x, y)?;
    let x = g.group_norm(x, "groups", 2, 1e-5)?;
    let x = g.mean(x, &[1, 2])?;
    let x = g.flatten(x);
    g.linear(x, "head", CLASSES)
}

fn decoder(g: &mut GraphBuilder) -> Result<NodeId> {
    let stem = Conv2d::new(CHANNELS, 3).with_stride(2).with_padding(1).with_bias();
    let x = g.conv2d(g.input(), "stem", stem)?;
    let x = g.activation(x, Activation::Elu { alpha: 1.0 });
    let x =
        g.resize2d(x, [12, 12], None, Interpolation::Bicubic(-0.75), ResizePoints::HalfPixel)?;
    let up = Conv2d::new(4, 3).with_stride(2).with_padding(1).with_bias();
    let x = g.conv_transpose2d(x, "up", up, [1, 1])?;
    let x = g.resize2d(x, [6, 6], None, Interpolation::Bilinear, ResizePoints::HalfPixel)?;
    let x = g.reshape(x, &[4, 36])?;
    let x = g.permute(x, &[1, 0])?;
    let square = g.multiply(x, x)?;
    let norm = g.sum(square, &[1])?;
    let inverse = g.activation(norm, Activation::Power { exponent: -0.5 });
    let unit = g.multiply(x, inverse)?;
    let q = g.linear_along(unit, "q", 6, 1, false)?;
    let k = g.linear_along(x, "k", 6, 1, false)?;
    let k = g.activation(k, Activation::Tanh);
    let scores = g.matmul_transposed(q, k, [true, false])?;
    let scores = g.activation(scores, Activation::Erf);
    let y = g.flatten(scores);
    let y = g.linear(y, "head", CLASSES)?;
    let most = g.max(x, 0)?;
    let most = g.sum(most, &[1])?;
    let most = g.reshape(most, &[1])?;
    g.add(y, most)
}

fn check(name: &str, make: impl Fn(&mut GraphBuilder) -> Result<NodeId>) {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/engine/goldens.safetensors");
    let all: HashMap<String, Tensor> = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let numbers = |key: &str| -> Vec<f64> { all[&format!("{name}.{key}")].to_vec1().unwrap() };
    let prefix = format!("{name}.weights.");
    let own = all.iter().filter_map(|(key, tensor)| {
        key.strip_prefix(&prefix).map(|key| (key.to_owned(), tensor.clone()))
    });
    let weights = Weights::new(own);

    let mut g = GraphBuilder::new(Shape::new(3, 12, 12));
    let logits = make(&mut g).unwrap();
    let graph: Graph = g.finish(logits);
    let network: Network<Cpu<f64>> = Network::new(&graph, &weights).unwrap();
    let target = Target::LogProbability(1);
    let here = network.linearized_at(&numbers("x"), &target, Smoothing::Exact).unwrap();
    let product = here.products(&[&numbers("v")]).unwrap().remove(0);
    for (what, found) in
        [("logits", here.logits()), ("gradient", here.gradient()), ("product", &product)]
    {
        let expected = numbers(what);
        let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let difference: Vec<f64> = found.iter().zip(&expected).map(|(a, b)| a - b).collect();
        let error = norm(&difference) / norm(&expected);
        assert!(error < 1e-11, "{name}: {what} is off by {error:e}");
    }
}

#[test]
fn a_transformer() {
    check("transformer", transformer);
}

#[test]
fn a_modern_convolutional_network() {
    check("modern", modern);
}

#[test]
fn a_decoder() {
    check("decoder", decoder);
}
