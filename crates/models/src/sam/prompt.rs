//! Prompts (points, a box, a mask) and their encoding as tokens.

use std::sync::Arc;

use hsets_autodiff::{Activation, Backend, Conv2d, GraphBuilder, Network, Result};

use super::{SamConfig, SamWeights, WeightsError};

/// A point, in pixels of a photo or of the network's square.
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
    /// A box around the object, \[left, top, right, bottom\] in the same pixels.
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

    /// The same places in pixels of another picture, each `scale` (x, y) times as far.
    #[must_use]
    pub fn scaled(&self, scale: (f64, f64)) -> Self {
        let point = |p: &Point| Point { x: p.x * scale.0, y: p.y * scale.1, ..*p };
        let corners = |[left, top, right, bottom]: [f64; 4]| {
            [left * scale.0, top * scale.1, right * scale.0, bottom * scale.1]
        };
        Self {
            points: self.points.iter().map(point).collect(),
            bounds: self.bounds.map(corners),
            mask: self.mask.clone(),
        }
    }
}

/// Encodes prompts, with its weights. Only masks go through a graph.
pub(super) struct PromptEncoder<B: Backend> {
    dim: usize,
    grid: usize,
    image_size: usize,
    /// \[2, dim / 2\].
    frequencies: Vec<f32>,
    /// Background point, foreground point, upper left corner, lower right corner.
    kinds: [Vec<f32>; 4],
    not_a_point: Vec<f32>,
    no_mask: Vec<f32>,
    mask: Network<B>,
}

impl<B: Backend<Scalar = f32> + Clone> PromptEncoder<B> {
    pub(super) fn new(
        backend: &B,
        config: &SamConfig,
        weights: &SamWeights,
    ) -> Result<Self, WeightsError> {
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
            mask: weights.bind(backend, &downscaling(config)?)?,
        })
    }

    /// Positional encoding of every cell of the image embedding, \[dim, grid²\].
    pub(super) fn grid_positions(&self) -> Vec<f32> {
        let n = self.grid;
        let centre = |i: usize| (i as f32 + 0.5) / n as f32;
        let cells: Vec<Vec<f32>> =
            (0..n * n).map(|i| self.position(centre(i % n), centre(i / n))).collect();
        (0..self.dim).flat_map(|channel| cells.iter().map(move |cell| cell[channel])).collect()
    }

    /// What the prompt adds to the image embedding, \[dim, grid²\].
    pub(super) fn dense(&self, prompt: &Prompt) -> Result<Vec<f32>> {
        let Some(mask) = &prompt.mask else {
            let cells = self.grid * self.grid;
            return Ok(self.no_mask.iter().flat_map(|&x| std::iter::repeat_n(x, cells)).collect());
        };
        let mask = Arc::new(self.mask.upload(0, &[mask])?);
        let dense = self.mask.values(vec![mask])?.remove(0);
        Ok(self.mask.backend().download(&dense)?.remove(0))
    }

    /// Tokens \[n, dim\] of points and box.
    pub(super) fn tokens(&self, prompt: &Prompt) -> Vec<f32> {
        let mut tokens = Vec::new();
        for point in &prompt.points {
            let kind = &self.kinds[usize::from(point.foreground)];
            tokens.extend(self.place(point.x, point.y, kind));
        }
        match prompt.bounds {
            Some([left, top, right, bottom]) => {
                tokens.extend(self.place(left, top, &self.kinds[2]));
                tokens.extend(self.place(right, bottom, &self.kinds[3]));
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

/// Convolutions that bring a mask \[1, 4·grid, 4·grid\] to the size of the image embedding.
fn downscaling(config: &SamConfig) -> Result<hsets_autodiff::Graph> {
    /// Channels after the second convolution.
    const CHANNELS: usize = 16;
    let side = 4 * config.grid();
    let mut g = GraphBuilder::for_input(&[1, side, side]);
    let mut x = g.input();
    let name = |i: usize| format!("prompt_encoder.mask_downscaling.{i}");
    for (i, channels) in [(0, CHANNELS / 4), (3, CHANNELS)] {
        x = g.conv2d(x, &name(i), Conv2d::new(channels, 2).with_stride(2).with_bias())?;
        x = g.layer_norm(x, &name(i + 1), 0, 1e-6)?;
        x = g.activation(x, Activation::Gelu);
    }
    let x = g.conv2d(x, &name(6), Conv2d::new(config.dim, 1).with_bias())?;
    Ok(g.finish(x))
}
