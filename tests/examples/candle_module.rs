//! What acts together in a photo, says a network of candle-transformers that knows nothing of this
//! project; and what only the same weights in a graph of ours can say.
//!
//! `cargo run --release -p hsets-tests --example candle_module -- WEIGHTS PHOTO`, where WEIGHTS is an
//! `EfficientNet`-B0 in `.safetensors` under torchvision's names.
#![allow(clippy::print_stdout, reason = "an example for people")]

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use candle_transformers::models::efficientnet::{EfficientNet, MBConvConfig};
use hsets_attribution::{PathGradients, PathSettings, integrated_gradients};
use hsets_autodiff::ModuleField;
use hsets_core::{
    ChannelReduction, Mask, Removal, Scored as _, Segmenter as _, Silent, Smoothing, Target,
};
use hsets_detection::{Contrasts, measure_contrasts, ring};
use hsets_models::{Classifier, LoadOptions, PaddingMode};
use hsets_pipeline::segmentation::QuickShift;

/// Candle's gradients take their time: a small picture and few of them.
const SIDE: usize = 128;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (weights, photo) = arguments.next().zip(arguments.next()).context("WEIGHTS PHOTO")?;
    // Ours, for how it wants pictures and for second derivatives. The module pads as TensorFlow.
    let options = LoadOptions {
        weights: Some(weights.clone()),
        padding: Some(PaddingMode::Same),
        batch_norm_eps: Some(1e-3),
        input_size: Some([SIDE, SIDE]),
        ..LoadOptions::default()
    };
    let ours = Classifier::load(&options, &Silent)?;
    let module = module(&weights, ours.field().n_classes())?;
    let field = ModuleField::new(module, ours.shape(), Device::Cpu)?;
    let prepared = ours.read(&photo)?;
    let image = &prepared.image;
    let logits = field.logits(std::slice::from_ref(image))?.remove(0);
    let class = ours.ranked(&logits, 1).remove(0);
    println!("{}: {} ({:.1} %)", photo.display(), class.label, 100.0 * class.probability);

    let black = hsets_core::Image::constant(image.shape(), 0.0);
    let (settings, target) = (PathSettings::gauss_legendre(20), Target::Logit(class.class));
    let path = PathGradients::along(&field, &black, image, &settings, &target, &Silent)?;
    let ig = integrated_gradients(&path)?;
    println!("Integrated Gradients miss the difference by {:.3}", ig.completeness.relative());

    let segments = QuickShift::photo_of(SIDE).segment(&prepared.photo)?;
    let removal =
        Removal::new(&field, image, "ring", ring(image, &segments)?, Target::LogOdds(class.class))?;
    let mut strengths = vec![0.0; segments.n_segments()];
    for (value, &label) in ig.map.per_pixel(ChannelReduction::Sum).iter().zip(segments.labels()) {
        strengths[label as usize] += value;
    }
    let mut order: Vec<u32> = (0..).take(strengths.len()).collect();
    order.sort_by(|&a, &b| strengths[b as usize].total_cmp(&strengths[a as usize]));
    let pair = [0, 1].map(|at| Mask::of_segments(&segments, &order[at..=at]));
    let settings = Contrasts::standard();
    let found = measure_contrasts(&[&removal], &segments, &[pair], &settings, &Silent)?;
    let effect = found[0].contrast.effect;
    let [low, high] = effect.interval();
    println!("its two strongest segments together: {:+.2} [{low:+.2}, {high:+.2}]", effect.mean);

    let curvature = ours.field().curvature_at(image, &target, Smoothing::Exact)?;
    let row = curvature.rows(&[image.shape().len() / 2])?.remove(0);
    let norm = row.iter().map(|h| h * h).sum::<f32>().sqrt();
    println!("a row of the Hessian, which candle cannot give, has the norm {norm:.3e}");
    Ok(())
}

fn module(weights: &Path, n_classes: usize) -> anyhow::Result<EfficientNet> {
    let bytes = std::fs::read(weights)?;
    let weights = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu)?;
    Ok(EfficientNet::new(weights, MBConvConfig::b0(), n_classes)?)
}
