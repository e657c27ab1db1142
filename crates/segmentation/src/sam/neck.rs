//! What turns an encoder's tokens into the image embedding.

use super::{
    WeightsError,
    conv::{Conv2d, Size},
    layers::layer_norm,
    ops::{Activation, LayerNorm, Linear},
    weights::Weights,
};

/// ε of the neck's layer norms.
const EPSILON: f32 = 1e-6;

/// Convolution 1×1, norm, convolution 3×3, norm.
#[derive(Debug)]
pub(super) struct Neck {
    project: Linear,
    norm1: LayerNorm,
    mix: Conv2d,
    norm2: LayerNorm,
}

impl Neck {
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        weights: &Weights,
    ) -> Result<Self, WeightsError> {
        let name = |name: &str| format!("image_encoder.neck.{name}");
        let project = weights.get(&name("0.weight"), &[outputs, inputs, 1, 1])?;
        let mix = weights.get(&name("2.weight"), &[outputs, outputs, 3, 3])?;
        Ok(Self {
            project: Linear::new(&project, vec![0.0; outputs]),
            norm1: layer_norm(weights, &name("1"), outputs, EPSILON)?,
            mix: Conv2d::new(&mix, vec![0.0; outputs], 3, 1, 1),
            norm2: layer_norm(weights, &name("3"), outputs, EPSILON)?,
        })
    }

    /// From tokens \[H·W, inputs\] to the embedding \[H·W, outputs\].
    pub(super) fn forward(&self, x: &[f32], size: Size) -> Vec<f32> {
        let mut y = self.project.forward(x, Activation::None);
        self.norm1.apply(&mut y);
        let mut y = self.mix.forward(&y, size);
        self.norm2.apply(&mut y);
        y
    }
}
