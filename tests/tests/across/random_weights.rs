//! Model parameter randomisation on a real network, against quantus 0.6.0: the same weights, drawn
//! there, give the same scores (`fixtures/metrics/make_newer_goldens.py`).

use std::path::Path;

use anyhow::{Context as _, Result};
use hsets_autodiff::{Activation, Conv2d, Graph, GraphBuilder, Network, Weights};
use hsets_pipeline::{
    core::{ChannelReduction, Differentiable as _, Image, SaliencyMap, Shape, Target},
    metrics::{efficient_mprt, mprt},
};

const SHAPE: Shape = Shape::new(3, 12, 12);

/// The network of the script.
fn graph() -> Result<Graph> {
    let mut g = GraphBuilder::new(SHAPE);
    let x = g.input();
    let x = g.conv2d(x, "conv1", Conv2d::new(5, 3).with_padding(1).with_bias())?;
    let x = g.activation(x, Activation::Silu);
    let x = g.conv2d(x, "conv2", Conv2d::new(8, 3).with_stride(2).with_bias())?;
    let x = g.activation(x, Activation::Silu);
    let x = g.global_avg_pool2d(x)?;
    let logits = g.linear(x, "fc", 3)?;
    Ok(g.finish(logits))
}

#[test]
fn random_weights_as_quantus() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/metrics");
    let file = folder.join("newer_goldens.safetensors");
    let tensors = candle_core::safetensors::load(file, &candle_core::Device::Cpu)?;
    let golden = |name: &str| tensors.get(name).with_context(|| name.to_owned());
    let graph = graph()?;
    let image = Image::new(SHAPE, golden("picture")?.flatten_all()?.to_vec1()?)?;
    let map = |state: usize| -> Result<SaliencyMap> {
        let tensor =
            |name: &str| Ok((name.to_owned(), golden(&format!("mprt.{state}.{name}"))?.clone()));
        let names = graph.parameters().iter().map(|parameter| tensor(&parameter.name));
        let weights = Weights::new(names.collect::<Result<Vec<_>>>()?);
        let network: Network = Network::new(&graph, &weights)?;
        let gradient = network.gradients(std::slice::from_ref(&image), &Target::Logit(1))?;
        Ok(SaliencyMap::new(SHAPE, gradient[0].gradient.clone())?)
    };
    let trained = map(0)?;
    let random = [map(1)?, map(2)?, map(3)?];
    let found = mprt(&trained, &random, ChannelReduction::AbsSum)?;
    let expected: Vec<f64> = golden("mprt")?.to_vec1()?;
    // f32 gradients: a rank or two of 144 may change places.
    for (found, expected) in found.correlations.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-4, "{found} against {expected}");
    }
    assert!(found.average() < 0.2 && (found.last() - expected[2]).abs() < 1e-4);
    let found = efficient_mprt(&trained, &random[2], ChannelReduction::Sum, 100)?;
    let expected: f64 = golden("emprt")?.to_vec1::<f64>()?[0];
    // A pixel at the edge of a bin may fall into its neighbour.
    assert!((found - expected).abs() < 5e-3, "{found} against {expected}");
    Ok(())
}

/// Drawing weights anew is seeded, leaves what is below, and gives another map.
#[test]
fn the_bundled_network_forgets() -> Result<()> {
    use hsets_pipeline::{
        core::{Randomisable as _, Silent},
        models::{Classifier, LoadOptions},
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bundled");
    let weights = Some(fixtures.join("model.safetensors"));
    let classifier = Classifier::load(&LoadOptions { weights, ..LoadOptions::default() }, &Silent)?;
    let image = classifier.read(&fixtures.join("pictures/000008-draw.png"))?.image;
    let images = std::slice::from_ref(&image);
    let n = classifier.n_layers();
    // 19 convolutions with a batch norm each, and the last layer.
    assert_eq!(n, 39);
    let logits = |n: usize, seed: u64| classifier.randomised(n, seed)?.logits(images);
    assert_eq!(logits(0, 1)?, classifier.field().logits(images)?);
    assert_eq!(logits(n, 1)?, logits(n, 1)?);
    assert_ne!(logits(n, 1)?, logits(n, 2)?);
    assert_ne!(logits(1, 1)?, logits(0, 1)?);
    assert!(logits(n, 1)?[0].iter().all(|logit| logit.is_finite()));
    let mask = classifier.read_mask(&fixtures.join("masks/000008-draw.png"))?;
    let share = mask.iter().filter(|&&inside| inside).count() as f64 / mask.len() as f64;
    assert!((0.02..0.4).contains(&share), "{share}");
    Ok(())
}
