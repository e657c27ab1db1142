//! `MobileSAM`'s image encoder: `TinyViT` (Wu et al. 2022).

use hsets_autodiff::{Activation, Conv2d, Dims, Graph, GraphBuilder, NodeId, Result};

use super::TinyVitConfig;
use super::encoder::{Windows, after, attend, neck, parts};

/// ε of batch norms and layer norms.
const EPSILON: f64 = 1e-5;

/// One graph for each block; the first begins with the stem, the first of a stage with its merging of
/// patches, and the last ends in the neck.
pub(super) fn graphs(config: &TinyVitConfig, image_size: usize, dim: usize) -> Result<Vec<Graph>> {
    let mut graphs = Vec::new();
    let mut dims = Dims::new(&[3, image_size, image_size]);
    for stage in 0..4 {
        for block in 0..config.depths[stage] {
            let (mut g, mut x) = after(dims);
            x = match (stage, block) {
                (0, 0) => stem(&mut g, x, config.dims[0])?,
                (_, 0) => merge(&mut g, x, stage, config.dims[stage])?,
                _ => x,
            };
            x = match stage {
                0 => add_convolutions(&mut g, x, block)?,
                _ => add_block(&mut g, x, config, stage, block)?,
            };
            dims = g.dims(x);
            if (stage, block + 1) == (3, config.depths[3]) {
                x = neck(&mut g, x, dim)?;
            }
            graphs.push(g.finish(x));
        }
    }
    Ok(graphs)
}

/// A convolution `name.c` and the batch norm behind it.
fn normed(g: &mut GraphBuilder, x: NodeId, name: &str, conv: Conv2d) -> Result<NodeId> {
    let x = g.conv2d(x, &format!("{name}.c"), conv)?;
    Ok(g.batch_norm(x, &format!("{name}.bn"), EPSILON))
}

fn gelu(g: &mut GraphBuilder, x: NodeId) -> NodeId {
    g.activation(x, Activation::Gelu)
}

fn depthwise(g: &GraphBuilder, x: NodeId) -> Conv2d {
    let channels = g.dims(x).sizes()[0];
    Conv2d::new(channels, 3).with_padding(1).with_groups(channels)
}

fn stem(g: &mut GraphBuilder, x: NodeId, dim: usize) -> Result<NodeId> {
    let halve = |channels| Conv2d::new(channels, 3).with_stride(2).with_padding(1);
    let x = normed(g, x, "image_encoder.patch_embed.seq.0", halve(dim / 2))?;
    let x = gelu(g, x);
    normed(g, x, "image_encoder.patch_embed.seq.2", halve(dim))
}

/// Inverted bottleneck: expand 4×, convolve each channel, contract, add, GELU.
fn add_convolutions(g: &mut GraphBuilder, x: NodeId, block: usize) -> Result<NodeId> {
    let dim = g.dims(x).sizes()[0];
    let name = |part: &str| format!("image_encoder.layers.0.blocks.{block}.{part}");
    let y = normed(g, x, &name("conv1"), Conv2d::new(4 * dim, 1))?;
    let y = gelu(g, y);
    let conv = depthwise(g, y);
    let y = normed(g, y, &name("conv2"), conv)?;
    let y = gelu(g, y);
    let y = normed(g, y, &name("conv3"), Conv2d::new(dim, 1))?;
    let x = g.add(x, y)?;
    Ok(gelu(g, x))
}

/// Patch merging: to a stage's channels and resolution; the last stage keeps that of the third.
fn merge(g: &mut GraphBuilder, x: NodeId, stage: usize, dim: usize) -> Result<NodeId> {
    let name = |part: &str| format!("image_encoder.layers.{}.downsample.{part}", stage - 1);
    let x = normed(g, x, &name("conv1"), Conv2d::new(dim, 1))?;
    let x = gelu(g, x);
    let stride = if stage < 3 { 2 } else { 1 };
    let conv = depthwise(g, x).with_stride(stride);
    let x = normed(g, x, &name("conv2"), conv)?;
    let x = gelu(g, x);
    normed(g, x, &name("conv3"), Conv2d::new(dim, 1))
}

/// Windowed attention, a depthwise convolution, an MLP.
fn add_block(
    g: &mut GraphBuilder,
    x: NodeId,
    config: &TinyVitConfig,
    stage: usize,
    block: usize,
) -> Result<NodeId> {
    let [dim, height, width] = *g.dims(x).sizes() else { unreachable!("an image") };
    let (heads, windows) = (config.heads[stage], Windows::new(height, config.windows[stage]));
    let name = |part: &str| format!("image_encoder.layers.{stage}.blocks.{block}.{part}");
    let x = g.reshape(x, &[dim, height * width])?;
    // Windows are padded before the norm.
    let y = windows.pad(g, x)?;
    let y = g.layer_norm(y, &name("attn.norm"), 0, EPSILON)?;
    let y = qkv(g, y, heads, &name("attn.qkv"))?;
    let y = windows.split(g, y)?;
    let [queries, keys, values] = parts(g, y, heads, windows)?;
    let scores = g.matmul_transposed(keys, queries, [true, false])?;
    let scores = g.scale(scores, (heads as f64 / dim as f64).sqrt());
    let biases = biases(g, heads, windows, &name("attn.attention_biases"))?;
    let scores = g.add(scores, biases)?;
    let y = attend(g, scores, values)?;
    let y = windows.join(g, y)?;
    let y = g.linear_along(y, &name("attn.proj"), dim, 0, true)?;
    let x = g.add(x, y)?;
    let x = g.reshape(x, &[dim, height, width])?;
    let conv = depthwise(g, x);
    let x = normed(g, x, &name("local_conv"), conv)?;
    let y = g.layer_norm(x, &name("mlp.norm"), 0, EPSILON)?;
    let y = g.linear_along(y, &name("mlp.fc1"), 4 * dim, 0, true)?;
    let y = gelu(g, y);
    let y = g.linear_along(y, &name("mlp.fc2"), dim, 0, true)?;
    g.add(x, y)
}

/// Queries, keys and values of tokens \[C, T\], as \[3·C, T\]. In the weights the three lie side by
/// side in each head.
fn qkv(g: &mut GraphBuilder, x: NodeId, heads: usize, name: &str) -> Result<NodeId> {
    let dim = g.dims(x).sizes()[0];
    let weight = g.parameter(&format!("{name}.weight"), &[3 * dim, dim])?;
    let weight = g.reshape(weight, &[heads, 3, dim / heads, dim])?;
    let weight = g.permute(weight, &[1, 0, 2, 3])?;
    let weight = g.reshape(weight, &[3 * dim, dim])?;
    let bias = g.parameter(&format!("{name}.bias"), &[3 * dim])?;
    let bias = g.reshape(bias, &[heads, 3, dim / heads])?;
    let bias = g.permute(bias, &[1, 0, 2])?;
    let bias = g.reshape(bias, &[3 * dim])?;
    let rows = g.transpose(x)?;
    let y = g.matmul_transposed(rows, weight, [false, true])?;
    let y = g.add(y, bias)?;
    g.transpose(y)
}

/// Biases \[heads, window²\] by (|Δy|, |Δx|), spread to \[heads, 1, keys, queries\].
///
/// The offsets are numbered as they first occur in a walk over all pairs of tokens; the first token
/// meets every offset in raster order, so the number is |Δy| · window + |Δx|.
fn biases(g: &mut GraphBuilder, heads: usize, windows: Windows, name: &str) -> Result<NodeId> {
    let (side, tokens) = (windows.side, windows.tokens());
    let table = g.parameter(name, &[heads, tokens])?;
    let offset = |i: usize| {
        let (key, query) = (i / tokens, i % tokens);
        let y = (key / side).abs_diff(query / side);
        y * side + (key % side).abs_diff(query % side)
    };
    let indices: Vec<usize> = (0..tokens * tokens).map(offset).collect();
    let biases = g.gather(table, 1, &indices)?;
    g.reshape(biases, &[heads, 1, tokens, tokens])
}
