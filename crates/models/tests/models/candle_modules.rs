//! The networks of candle-transformers, by their authors, beside ours with the same weights: logits
//! and, where candle has them, gradients.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
};

use candle_core::{DType, Device, Module, Shape as Dims, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use candle_transformers::models::{convnext, efficientnet, vit};
use hsets_autodiff::ModuleField;
use hsets_core::{Differentiable, Image, Scored, Shape, Target};
use hsets_models::{Classifier, LoadOptions, PaddingMode};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

const CLASSES: usize = 10;

/// Weights that are drawn when a module asks for them, by name, and kept under that name.
#[derive(Clone, Default)]
struct Drawn(Arc<Mutex<HashMap<String, Tensor>>>);

impl SimpleBackend for Drawn {
    fn get(
        &self,
        dims: Dims,
        name: &str,
        _: Init,
        _: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        if name.contains(".grn.") {
            candle_core::bail!("{name} is of ConvNeXt V2")
        }
        let mut rng = ChaCha8Rng::seed_from_u64(name.bytes().map(u64::from).sum());
        let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0;
        let fan_in: usize = dims.dims().iter().skip(1).product();
        let (centre, spread) = match name.rsplit('.').next() {
            Some("running_var") => (1.0, 0.2),
            Some("gamma") => (0.5, 0.2),
            // Of a norm, what is one vector; of a layer, as He et al. have it.
            Some("weight") if dims.rank() == 1 => (1.0, 0.2),
            Some("weight") => (0.0, (6.0 / fan_in as f64).sqrt()),
            _ => (0.0, 0.2),
        };
        let values = (0..dims.elem_count()).map(|_| (centre + spread * uniform()) as f32);
        let tensor = Tensor::from_vec(values.collect::<Vec<_>>(), dims, device)?;
        self.0.lock().unwrap().insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name} without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

impl Drawn {
    fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, Device::Cpu)
    }

    /// Our network from a file of these weights.
    fn ours(&self, side: usize, options: LoadOptions) -> Classifier {
        let tensors = self.0.lock().unwrap();
        let bytes = safetensors::serialize(tensors.iter(), None).unwrap();
        let options = LoadOptions { input_size: Some([side, side]), ..options };
        Classifier::from_bytes(&bytes, Path::new("drawn.safetensors"), &options).unwrap()
    }
}

fn images(shape: Shape) -> Vec<Image> {
    let image = |seed: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let value = |_| rng.next_u32() as f32 / u32::MAX as f32 * 4.0 - 2.0;
        Image::new(shape, (0..shape.len()).map(value).collect()).unwrap()
    };
    (0..2).map(image).collect()
}

/// ‖a - b‖ / ‖b‖.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
    };
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

/// Both in f32: rounding is all they may differ by.
fn compare(module: impl Module + Send + Sync, ours: &Classifier) -> ModuleField<impl Module> {
    let theirs = ModuleField::new(module, ours.shape(), Device::Cpu).unwrap();
    assert_eq!(theirs.n_classes(), CLASSES);
    let images = images(ours.shape());
    let (a, b) = (ours.field().logits(&images).unwrap(), theirs.logits(&images).unwrap());
    for (a, b) in a.iter().zip(&b) {
        assert!(distance(a, b) < 2e-5, "logits: {}", distance(a, b));
    }
    theirs
}

#[test]
fn efficientnet_has_the_same_gradients() {
    let drawn = Drawn::default();
    let configs = efficientnet::MBConvConfig::b0();
    let module = efficientnet::EfficientNet::new(drawn.builder(), configs, CLASSES).unwrap();
    // Padding and eps are TensorFlow's there, names torchvision's.
    let options = LoadOptions {
        padding: Some(PaddingMode::Same),
        batch_norm_eps: Some(1e-3),
        ..LoadOptions::default()
    };
    let ours = drawn.ours(64, options);
    let theirs = compare(module, &ours);
    let images = images(ours.shape());
    for target in [Target::Top, Target::Difference { class: 1, against: 4 }] {
        let a = ours.field().gradients(&images, &target).unwrap();
        let b = theirs.gradients(&images, &target).unwrap();
        for (a, b) in a.iter().zip(&b) {
            let distance = distance(&a.gradient, &b.gradient);
            assert!(distance < 1e-4, "gradient: {distance}");
        }
    }
}

/// Candle's layer norm and softmax have no backward pass: its gradient of these would be wrong
/// without a word. Ours is that of the same logits.
fn only_ours_has_a_gradient(module: impl Module + Send + Sync, ours: &Classifier) {
    let theirs = compare(module, ours);
    let image = &images(ours.shape())[..1];
    let refused = theirs.gradients(image, &Target::Top).unwrap_err().to_string();
    assert!(refused.contains("not the derivative"), "{refused}");
    let gradient = ours.field().gradients(image, &Target::Logit(2)).unwrap().remove(0).gradient;
    let step = 1e-2f32;
    let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    let moved = |by: f32| {
        let data = image[0].data().iter().zip(&gradient).map(|(x, g)| x + by * g / size);
        theirs.logits(&[Image::new(ours.shape(), data.collect()).unwrap()]).unwrap()[0][2]
    };
    let measured = (moved(step) - moved(-step)) / (2.0 * step);
    assert!((measured / size - 1.0).abs() < 0.02, "{measured} against {size}");
}

#[test]
fn vit_has_the_same_logits() {
    let drawn = Drawn::default();
    let config = vit::Config {
        hidden_size: 192,
        num_attention_heads: 3,
        intermediate_size: 768,
        ..vit::Config::vit_base_patch16_224()
    };
    let module = vit::Model::new(&config, CLASSES, drawn.builder()).unwrap();
    let ours = drawn.ours(config.image_size, LoadOptions::default());
    only_ours_has_a_gradient(move |x: &Tensor| module.forward(x), &ours);
}

#[test]
fn convnext_has_the_same_logits() {
    let drawn = Drawn::default();
    let module = convnext::convnext(&convnext::Config::tiny(), CLASSES, drawn.builder()).unwrap();
    only_ours_has_a_gradient(module, &drawn.ours(64, LoadOptions::default()));
}
