//! SAM's image encoder: a vision transformer with windowed attention (Li et al. 2022, `ViTDet`).
//!
//! Tokens are columns \[C, T\].

use hsets_autodiff::{Activation, Conv2d, Dims, Graph, GraphBuilder, NodeId, Result};

use super::VitConfig;
use super::encoder::{Windows, after, attend, neck, parts};

/// ε of the blocks' layer norms.
const EPSILON: f64 = 1e-6;

/// One graph for each block; the first makes patches, the last ends in the neck.
pub(super) fn graphs(config: &VitConfig, image_size: usize, dim: usize) -> Result<Vec<Graph>> {
    let grid = image_size / config.patch;
    let tokens = Dims::new(&[config.dim, grid * grid]);
    let graph = |block: usize| {
        let mut g;
        let mut x;
        if block == 0 {
            (g, x) = after(Dims::new(&[3, image_size, image_size]));
            x = patches(&mut g, x, config)?;
        } else {
            (g, x) = after(tokens);
        }
        x = add_block(&mut g, x, block, config, grid)?;
        if block + 1 == config.depth {
            x = g.reshape(x, &[config.dim, grid, grid])?;
            x = neck(&mut g, x, dim)?;
        }
        Ok(g.finish(x))
    };
    (0..config.depth).map(graph).collect()
}

/// Patches of an image as tokens, with their places.
fn patches(g: &mut GraphBuilder, image: NodeId, config: &VitConfig) -> Result<NodeId> {
    let patches = Conv2d::new(config.dim, config.patch).with_stride(config.patch).with_bias();
    let x = g.conv2d(image, "image_encoder.patch_embed.proj", patches)?;
    let [dim, height, width] = *g.dims(x).sizes() else { unreachable!("an image") };
    let x = g.reshape(x, &[dim, height * width])?;
    let positions = g.parameter("image_encoder.pos_embed", &[1, height, width, dim])?;
    let positions = g.reshape(positions, &[height * width, dim])?;
    let positions = g.transpose(positions)?;
    g.add(x, positions)
}

/// x + attention(norm x), then x + MLP(norm x).
fn add_block(
    g: &mut GraphBuilder,
    x: NodeId,
    block: usize,
    config: &VitConfig,
    grid: usize,
) -> Result<NodeId> {
    let dim = config.dim;
    let name = |part: &str| format!("image_encoder.blocks.{block}.{part}");
    let side = if config.global.contains(&block) { grid } else { config.window };
    let windows = Windows::new(grid, side);
    let y = g.layer_norm(x, &name("norm1"), 0, EPSILON)?;
    // Windows are padded behind the norm: the qkv of a padded token is the bias.
    let y = windows.pad(g, y)?;
    let y = g.linear_along(y, &name("attn.qkv"), 3 * dim, 0, true)?;
    let y = windows.split(g, y)?;
    let [queries, keys, values] = parts(g, y, config.heads, windows)?;
    let scores = scores(g, queries, keys, side, &name("attn"))?;
    let y = attend(g, scores, values)?;
    let y = windows.join(g, y)?;
    let y = g.linear_along(y, &name("attn.proj"), dim, 0, true)?;
    let x = g.add(x, y)?;
    let y = g.layer_norm(x, &name("norm2"), 0, EPSILON)?;
    let y = g.linear_along(y, &name("mlp.lin1"), 4 * dim, 0, true)?;
    let y = g.activation(y, Activation::Gelu);
    let y = g.linear_along(y, &name("mlp.lin2"), dim, 0, true)?;
    g.add(x, y)
}

/// k·q/√d + q·(R_h\[Δy\] + R_w\[Δx\]) of queries and keys \[heads, windows, d, side²\], as \[heads,
/// windows, keys, queries\]: decomposed relative positions.
fn scores(
    g: &mut GraphBuilder,
    queries: NodeId,
    keys: NodeId,
    side: usize,
    name: &str,
) -> Result<NodeId> {
    let [heads, windows, d, tokens] = *g.dims(queries).sizes() else { unreachable!("four axes") };
    let scores = g.matmul_transposed(keys, queries, [true, false])?;
    let scores = g.scale(scores, 1.0 / (d as f64).sqrt());
    // Keys by row and column.
    let scores = g.reshape(scores, &[heads, windows, side, side, tokens])?;
    let queries = g.reshape(queries, &[heads, windows, d, side, side])?;
    let table = relative(g, &format!("{name}.rel_pos_h"), side, d)?;
    let rows = g.permute(queries, &[0, 1, 3, 2, 4])?;
    let rows = g.matmul(table, rows)?; // y of queries, of keys, x of queries
    let rows = g.permute(rows, &[0, 1, 3, 2, 4])?;
    let rows = g.reshape(rows, &[heads, windows, side, 1, tokens])?;
    let scores = g.add(scores, rows)?;
    let table = relative(g, &format!("{name}.rel_pos_w"), side, d)?;
    let columns = g.permute(queries, &[0, 1, 4, 2, 3])?;
    let columns = g.matmul(table, columns)?; // x of queries, of keys, y of queries
    let columns = g.permute(columns, &[0, 1, 3, 4, 2])?;
    let columns = g.reshape(columns, &[heads, windows, 1, side, tokens])?;
    let scores = g.add(scores, columns)?;
    g.reshape(scores, &[heads, windows, tokens, tokens])
}

/// R\[query - key\] \[side, side, d\] of a table \[2·side - 1, d\] that begins with the farthest key
/// behind.
fn relative(g: &mut GraphBuilder, name: &str, side: usize, d: usize) -> Result<NodeId> {
    let table = g.parameter(name, &[2 * side - 1, d])?;
    let offset = |i: usize| i / side + side - 1 - i % side;
    let indices: Vec<usize> = (0..side * side).map(offset).collect();
    let table = g.gather(table, 0, &indices)?;
    g.reshape(table, &[side, side, d])
}
