//! SAM's image encoder: a vision transformer with windowed attention (Li et al. 2022, `ViTDet`).

use super::{
    VitConfig, WeightsError,
    attention::{Bias, Layout, WindowAttention},
    conv::Conv2d,
    gemm::{Packed, Rows},
    layers::{layer_norm, linear},
    neck::Neck,
    ops::{Activation, LayerNorm, Linear, add},
    weights::Weights,
};

/// ε of the blocks' layer norms.
const EPSILON: f32 = 1e-6;

#[derive(Debug)]
pub(super) struct Vit {
    patches: Conv2d,
    /// \[grid², dim\].
    positions: Vec<f32>,
    blocks: Vec<Block>,
    neck: Neck,
    image_size: usize,
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    /// qkv of a token of zeros, which pads the windows after the norm.
    padding: Vec<f32>,
    attention: WindowAttention,
    project: Linear,
    norm2: LayerNorm,
    expand: Linear,
    contract: Linear,
}

impl Vit {
    pub(super) fn new(
        config: &VitConfig,
        image_size: usize,
        out_dim: usize,
        weights: &Weights,
    ) -> Result<Self, WeightsError> {
        let (dim, patch, grid) = (config.dim, config.patch, image_size / config.patch);
        let name = |name: &str| format!("image_encoder.{name}");
        let weight = weights.get(&name("patch_embed.proj.weight"), &[dim, 3, patch, patch])?;
        let bias = weights.get(&name("patch_embed.proj.bias"), &[dim])?;
        let blocks = (0..config.depth).map(|i| Block::new(config, grid, i, weights));
        Ok(Self {
            patches: Conv2d::new(&weight, bias, patch, patch, 0),
            positions: weights.get(&name("pos_embed"), &[1, grid, grid, dim])?,
            blocks: blocks.collect::<Result<_, _>>()?,
            neck: Neck::new(dim, out_dim, weights)?,
            image_size,
        })
    }

    /// From an image \[size², 3\] to its embedding \[grid², `out_dim`\].
    pub(super) fn forward(
        &self,
        image: &[f32],
        check: &super::Check<'_>,
    ) -> hsets_core::Result<Vec<f32>> {
        let size = (self.image_size, self.image_size);
        let mut x = self.patches.forward(image, size);
        add(&mut x, &self.positions);
        for block in &self.blocks {
            check()?;
            block.forward(&mut x);
        }
        Ok(self.neck.forward(&x, self.patches.output_size(size)))
    }
}

impl Block {
    fn new(
        config: &VitConfig,
        grid: usize,
        index: usize,
        weights: &Weights,
    ) -> Result<Self, WeightsError> {
        let (dim, heads) = (config.dim, config.heads);
        let width = dim / heads;
        let name = |name: &str| format!("image_encoder.blocks.{index}.{name}");
        let window = if config.global.contains(&index) { grid } else { config.window };
        let table = |axis: &str| {
            let table =
                weights.get(&name(&format!("attn.rel_pos_{axis}")), &[2 * window - 1, width])?;
            Ok(Packed::transposed(Rows::new(&table, width), width, 2 * window - 1))
        };
        let bias = Bias::Relative { height: table("h")?, width: table("w")? };
        Ok(Self {
            norm1: layer_norm(weights, &name("norm1"), dim, EPSILON)?,
            qkv: linear(weights, &name("attn.qkv"), dim, 3 * dim)?,
            padding: weights.get(&name("attn.qkv.bias"), &[3 * dim])?,
            attention: WindowAttention {
                heads,
                width,
                grid,
                window,
                layout: Layout::PartFirst,
                bias,
            },
            project: linear(weights, &name("attn.proj"), dim, dim)?,
            norm2: layer_norm(weights, &name("norm2"), dim, EPSILON)?,
            expand: linear(weights, &name("mlp.lin1"), dim, 4 * dim)?,
            contract: linear(weights, &name("mlp.lin2"), 4 * dim, dim)?,
        })
    }

    /// x ← x + attention(norm x), then x ← x + MLP(norm x).
    fn forward(&self, x: &mut [f32]) {
        let mut y = x.to_vec();
        self.norm1.apply(&mut y);
        let qkv = self.qkv.forward(&y, Activation::None);
        let attended = self.attention.forward(&qkv, &self.padding);
        add(x, &self.project.forward(&attended, Activation::None));
        y.copy_from_slice(x);
        self.norm2.apply(&mut y);
        let hidden = self.expand.forward(&y, Activation::Gelu);
        add(x, &self.contract.forward(&hidden, Activation::None));
    }
}
