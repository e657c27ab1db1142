//! Prompts (points, a box, a mask) and their encoding as tokens.

use super::{
    SamConfig, WeightsError,
    conv::Conv2d,
    layers::layer_norm,
    ops::{LayerNorm, gelu_all},
    weights::Weights,
};

/// A point the user clicks on, in pixels of the photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Column, may be fractional.
    pub x: f64,
    /// Row, may be fractional.
    pub y: f64,
    /// Whether the point belongs to the object (or is to be left out of it).
    pub foreground: bool,
}

/// What to segment: any mix of points, a box and a mask.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prompt {
    /// Points on the object and off it.
    pub points: Vec<Point>,
    /// A box around the object, \[left, top, right, bottom\] in pixels of the photo.
    pub bounds: Option<[f64; 4]>,
    /// Low-resolution logits of an earlier answer, \[(4·grid)²\] row by row (256×256).
    pub mask: Option<Vec<f32>>,
}

impl Prompt {
    /// One point on the object.
    pub fn point(x: f64, y: f64) -> Self {
        Self { points: vec![Point { x, y, foreground: true }], ..Self::default() }
    }

    /// A box around the object.
    pub fn bounds(bounds: [f64; 4]) -> Self {
        Self { bounds: Some(bounds), ..Self::default() }
    }
}

#[derive(Debug)]
pub(super) struct PromptEncoder {
    dim: usize,
    grid: usize,
    image_size: usize,
    /// \[2, dim / 2\].
    frequencies: Vec<f32>,
    /// Background point, foreground point, upper left corner, lower right corner.
    kinds: [Vec<f32>; 4],
    not_a_point: Vec<f32>,
    no_mask: Vec<f32>,
    mask: MaskEncoder,
}

/// Convolutions that bring a mask to the size of the image embedding.
#[derive(Debug)]
struct MaskEncoder {
    halve: [(Conv2d, LayerNorm); 2],
    project: Conv2d,
}

impl PromptEncoder {
    pub(super) fn new(config: &SamConfig, weights: &Weights) -> Result<Self, WeightsError> {
        let dim = config.dim;
        let get =
            |name: &str, shape: &[usize]| weights.get(&format!("prompt_encoder.{name}"), shape);
        let kind = |i: usize| get(&format!("point_embeddings.{i}.weight"), &[1, dim]);
        Ok(Self {
            dim,
            grid: config.grid(),
            image_size: config.image_size,
            frequencies: get("pe_layer.positional_encoding_gaussian_matrix", &[2, dim / 2])?,
            kinds: [kind(0)?, kind(1)?, kind(2)?, kind(3)?],
            not_a_point: get("not_a_point_embed.weight", &[1, dim])?,
            no_mask: get("no_mask_embed.weight", &[1, dim])?,
            mask: MaskEncoder::new(dim, weights)?,
        })
    }

    /// Positional encoding of every cell of the image embedding, \[grid², dim\].
    pub(super) fn grid_positions(&self) -> Vec<f32> {
        let n = self.grid;
        let centre = |i: usize| (i as f32 + 0.5) / n as f32;
        (0..n * n).flat_map(|i| self.position(centre(i % n), centre(i / n))).collect()
    }

    /// What the prompt adds to the image embedding, \[dim\] for every cell or \[grid², dim\].
    pub(super) fn dense(&self, prompt: &Prompt) -> Vec<f32> {
        match &prompt.mask {
            Some(mask) => self.mask.forward(mask, 4 * self.grid),
            None => self.no_mask.clone(),
        }
    }

    /// Tokens \[n, dim\] of points and box; `scale` takes pixels of the photo to the network's.
    pub(super) fn tokens(&self, prompt: &Prompt, scale: (f64, f64)) -> Vec<f32> {
        let mut tokens = Vec::new();
        for point in &prompt.points {
            let kind = &self.kinds[usize::from(point.foreground)];
            tokens.extend(self.place(point.x * scale.0, point.y * scale.1, kind));
        }
        match prompt.bounds {
            Some([left, top, right, bottom]) => {
                tokens.extend(self.place(left * scale.0, top * scale.1, &self.kinds[2]));
                tokens.extend(self.place(right * scale.0, bottom * scale.1, &self.kinds[3]));
            }
            None if !prompt.points.is_empty() => tokens.extend(&self.not_a_point),
            None => {}
        }
        tokens
    }

    /// The encoding of a pixel's centre plus what it means.
    fn place(&self, x: f64, y: f64, kind: &[f32]) -> Vec<f32> {
        let fraction = |v: f64| ((v + 0.5) / self.image_size as f64) as f32;
        let position = self.position(fraction(x), fraction(y));
        position.iter().zip(kind).map(|(p, k)| p + k).collect()
    }

    /// Random Fourier features \[sin 2πfv, cos 2πfv\] of v = 2·(x, y) - 1 (Tancik et al. 2020).
    fn position(&self, x: f32, y: f32) -> Vec<f32> {
        let (x, y) = (2.0 * x - 1.0, 2.0 * y - 1.0);
        let (fx, fy) = self.frequencies.split_at(self.dim / 2);
        let angle = |(fx, fy): (&f32, &f32)| 2.0 * std::f32::consts::PI * (x * fx + y * fy);
        let angles: Vec<f32> = fx.iter().zip(fy).map(angle).collect();
        angles.iter().map(|a| a.sin()).chain(angles.iter().map(|a| a.cos())).collect()
    }
}

impl MaskEncoder {
    /// Channels after the second convolution.
    const CHANNELS: usize = 16;

    fn new(dim: usize, weights: &Weights) -> Result<Self, WeightsError> {
        let n = Self::CHANNELS;
        let name = |i: usize| format!("prompt_encoder.mask_downscaling.{i}");
        let conv = |i: usize, inputs, outputs, kernel: usize| {
            let weight =
                weights.get(&format!("{}.weight", name(i)), &[outputs, inputs, kernel, kernel])?;
            let bias = weights.get(&format!("{}.bias", name(i)), &[outputs])?;
            Ok(Conv2d::new(&weight, bias, kernel, kernel, 0))
        };
        let norm = |i: usize, width| layer_norm(weights, &name(i), width, 1e-6);
        let halve =
            [(conv(0, 1, n / 4, 2)?, norm(1, n / 4)?), (conv(3, n / 4, n, 2)?, norm(4, n)?)];
        Ok(Self { halve, project: conv(6, n, dim, 1)? })
    }

    fn forward(&self, mask: &[f32], side: usize) -> Vec<f32> {
        let (mut x, mut size) = (mask.to_vec(), (side, side));
        for (conv, norm) in &self.halve {
            x = conv.forward(&x, size);
            norm.apply(&mut x);
            gelu_all(&mut x);
            size = conv.output_size(size);
        }
        self.project.forward(&x, size)
    }
}
