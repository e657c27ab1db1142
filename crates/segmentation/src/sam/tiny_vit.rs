//! `MobileSAM`'s image encoder: `TinyViT` (Wu et al. 2022), its batch norms folded at loading.

use super::{
    TinyVitConfig, WeightsError,
    attention::{Bias, Layout, WindowAttention},
    conv::{Conv2d, Depthwise, Size},
    layers::{layer_norm, linear},
    neck::Neck,
    ops::{Activation, LayerNorm, Linear, add, gelu_all},
    weights::Weights,
};
use rayon::prelude::*;

/// ε of batch norms and layer norms.
const EPSILON: f32 = 1e-5;

#[derive(Debug)]
pub(super) struct TinyVit {
    stem: [Conv2d; 2],
    convolutions: Vec<MbConv>,
    /// Merging before each attention stage, and its blocks.
    stages: Vec<(Merge, Vec<Block>)>,
    neck: Neck,
    image_size: usize,
}

impl TinyVit {
    pub(super) fn new(
        config: &TinyVitConfig,
        image_size: usize,
        out_dim: usize,
        weights: &Weights,
    ) -> Result<Self, WeightsError> {
        let dims = config.dims;
        let stem = |i: usize, inputs, outputs| {
            let name = format!("image_encoder.patch_embed.seq.{i}");
            let (weight, bias) = folded(weights, &name, [outputs, inputs, 3])?;
            Ok(Conv2d::new(&weight, bias, 3, 2, 1))
        };
        let mut stages = Vec::new();
        for stage in 1..4 {
            // The last stage keeps the resolution of the third.
            let (stride, grid) =
                if stage < 3 { (2, image_size >> (stage + 2)) } else { (1, image_size >> 4) };
            let merge = Merge::new(stage - 1, dims[stage - 1], dims[stage], stride, weights)?;
            let block = |i| Block::new(config, stage, grid, i, weights);
            stages.push((merge, (0..config.depths[stage]).map(block).collect::<Result<_, _>>()?));
        }
        let convolution = |i| MbConv::new(i, dims[0], weights);
        Ok(Self {
            stem: [stem(0, 3, dims[0] / 2)?, stem(2, dims[0] / 2, dims[0])?],
            convolutions: (0..config.depths[0]).map(convolution).collect::<Result<_, _>>()?,
            stages,
            neck: Neck::new(dims[3], out_dim, weights)?,
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
        let mut x = self.stem[0].forward(image, size);
        par_gelu(&mut x);
        let size = self.stem[0].output_size(size);
        let mut x = self.stem[1].forward(&x, size);
        let mut size = self.stem[1].output_size(size);
        for convolution in &self.convolutions {
            check()?;
            convolution.forward(&mut x, size);
        }
        for (merge, blocks) in &self.stages {
            (x, size) = merge.forward(&x, size);
            for block in blocks {
                check()?;
                block.forward(&mut x, size);
            }
        }
        Ok(self.neck.forward(&x, size))
    }
}

fn par_gelu(x: &mut [f32]) {
    x.par_chunks_mut(1 << 14).for_each(gelu_all);
}

/// Weight and bias of the convolution `name.c` followed by the batch norm `name.bn`, as one.
fn folded(
    weights: &Weights,
    name: &str,
    [outputs, inputs, kernel]: [usize; 3],
) -> Result<(Vec<f32>, Vec<f32>), WeightsError> {
    let mut weight =
        weights.get(&format!("{name}.c.weight"), &[outputs, inputs, kernel, kernel])?;
    let norm = |part: &str| weights.get(&format!("{name}.bn.{part}"), &[outputs]);
    let (scale, shift) = (norm("weight")?, norm("bias")?);
    let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
    let mut bias = shift;
    for (i, weight) in weight.chunks_exact_mut(inputs * kernel * kernel).enumerate() {
        let factor = scale[i] / (variance[i] + EPSILON).sqrt();
        weight.iter_mut().for_each(|w| *w *= factor);
        bias[i] -= mean[i] * factor;
    }
    Ok((weight, bias))
}

/// A folded convolution 1×1.
fn pointwise(
    weights: &Weights,
    name: &str,
    inputs: usize,
    outputs: usize,
) -> Result<Linear, WeightsError> {
    let (weight, bias) = folded(weights, name, [outputs, inputs, 1])?;
    Ok(Linear::new(&weight, bias))
}

/// A folded depthwise convolution 3×3.
fn depthwise(
    weights: &Weights,
    name: &str,
    channels: usize,
    stride: usize,
) -> Result<Depthwise, WeightsError> {
    let (weight, bias) = folded(weights, name, [channels, 1, 3])?;
    Ok(Depthwise::new(&weight, bias, stride))
}

/// Inverted bottleneck: expand 4×, convolve each channel, contract, add, GELU.
#[derive(Debug)]
struct MbConv {
    expand: Linear,
    convolve: Depthwise,
    contract: Linear,
}

impl MbConv {
    fn new(index: usize, dim: usize, weights: &Weights) -> Result<Self, WeightsError> {
        let name = |part: &str| format!("image_encoder.layers.0.blocks.{index}.{part}");
        Ok(Self {
            expand: pointwise(weights, &name("conv1"), dim, 4 * dim)?,
            convolve: depthwise(weights, &name("conv2"), 4 * dim, 1)?,
            contract: pointwise(weights, &name("conv3"), 4 * dim, dim)?,
        })
    }

    fn forward(&self, x: &mut [f32], size: Size) {
        let hidden = self.expand.forward(x, Activation::Gelu);
        let hidden = self.convolve.forward(&hidden, size, true);
        add(x, &self.contract.forward(&hidden, Activation::None));
        par_gelu(x);
    }
}

/// Patch merging: to the next stage's channels and resolution.
#[derive(Debug)]
struct Merge {
    widen: Linear,
    convolve: Depthwise,
    project: Linear,
}

impl Merge {
    fn new(
        stage: usize,
        inputs: usize,
        outputs: usize,
        stride: usize,
        weights: &Weights,
    ) -> Result<Self, WeightsError> {
        let name = |part: &str| format!("image_encoder.layers.{stage}.downsample.{part}");
        Ok(Self {
            widen: pointwise(weights, &name("conv1"), inputs, outputs)?,
            convolve: depthwise(weights, &name("conv2"), outputs, stride)?,
            project: pointwise(weights, &name("conv3"), outputs, outputs)?,
        })
    }

    fn forward(&self, x: &[f32], size: Size) -> (Vec<f32>, Size) {
        let hidden = self.widen.forward(x, Activation::Gelu);
        let hidden = self.convolve.forward(&hidden, size, true);
        (self.project.forward(&hidden, Activation::None), self.convolve.output_size(size))
    }
}

/// Windowed attention, a depthwise convolution, an MLP.
#[derive(Debug)]
struct Block {
    norm: LayerNorm,
    qkv: Linear,
    /// qkv of a token of zeros, which pads the windows before the norm.
    padding: Vec<f32>,
    attention: WindowAttention,
    project: Linear,
    convolve: Depthwise,
    mlp_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
}

impl Block {
    fn new(
        config: &TinyVitConfig,
        stage: usize,
        grid: usize,
        index: usize,
        weights: &Weights,
    ) -> Result<Self, WeightsError> {
        let (dim, heads, window) = (config.dims[stage], config.heads[stage], config.windows[stage]);
        let name = |part: &str| format!("image_encoder.layers.{stage}.blocks.{index}.{part}");
        let norm = layer_norm(weights, &name("attn.norm"), dim, EPSILON)?;
        let qkv = linear(weights, &name("attn.qkv"), dim, 3 * dim)?;
        let mut zeros = vec![0.0; dim];
        norm.apply_here(&mut zeros);
        let biases = weights.get(&name("attn.attention_biases"), &[heads, window * window])?;
        let bias = Bias::Table(bias_table(&biases, heads, window));
        let (width, layout) = (dim / heads, Layout::HeadFirst);
        Ok(Self {
            padding: qkv.forward_here(&zeros, Activation::None),
            norm,
            qkv,
            attention: WindowAttention { heads, width, grid, window, layout, bias },
            project: linear(weights, &name("attn.proj"), dim, dim)?,
            convolve: depthwise(weights, &name("local_conv"), dim, 1)?,
            mlp_norm: layer_norm(weights, &name("mlp.norm"), dim, EPSILON)?,
            expand: linear(weights, &name("mlp.fc1"), dim, 4 * dim)?,
            contract: linear(weights, &name("mlp.fc2"), 4 * dim, dim)?,
        })
    }

    fn forward(&self, x: &mut Vec<f32>, size: Size) {
        let mut y = x.clone();
        self.norm.apply(&mut y);
        let qkv = self.qkv.forward(&y, Activation::None);
        let attended = self.attention.forward(&qkv, &self.padding);
        add(x, &self.project.forward(&attended, Activation::None));
        *x = self.convolve.forward(x, size, false);
        y.copy_from_slice(x);
        self.mlp_norm.apply(&mut y);
        let hidden = self.expand.forward(&y, Activation::Gelu);
        add(x, &self.contract.forward(&hidden, Activation::None));
    }
}

/// Biases \[heads, window²\] by (|Δy|, |Δx|), spread to \[head\]\[query\]\[key\].
///
/// The offsets are numbered as they first occur in a walk over all pairs of tokens; the first token
/// meets every offset in raster order, so the number is |Δy| · window + |Δx|.
fn bias_table(biases: &[f32], heads: usize, window: usize) -> Vec<f32> {
    let tokens = window * window;
    let mut table = Vec::with_capacity(heads * tokens * tokens);
    for biases in biases.chunks_exact(tokens) {
        for query in 0..tokens {
            for key in 0..tokens {
                let y = (query / window).abs_diff(key / window);
                let x = (query % window).abs_diff(key % window);
                table.push(biases[y * window + x]);
            }
        }
    }
    table
}
