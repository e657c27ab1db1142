//! SAM's mask decoder as graphs: a two-way transformer between the tokens of a prompt and the cells of
//! an image, then upscaling. Tokens and cells are columns, \[dim, T\] and \[dim, grid²\].
//!
//! Three things make it cheap, all of them exact:
//!
//! - The cells of an image are *parameters* of the transformer. What the first layer computes of them
//!   alone does not depend on the input, and is computed once for all prompts.
//! - With T tokens and h heads there are only T·h columns of scores, so the projections of the cells
//!   are moved to the tokens: q·(W_k·x) = (W_kᵀ·q)·x, and Σ p·(W_v·x) = W_v·(Σ p·x). For the 7 tokens
//!   of a point that is 56 columns where the projections have 128, and the cells are never projected.
//! - The predicted IoU does not need the mask: upscaling is a graph of its own, for those that want it.

use hsets_autodiff::{Activation, Graph, GraphBuilder, NodeId, Result};

use super::SamConfig;

/// Masks the decoder gives: one for a clear prompt, three for an ambiguous one.
pub(super) const MASKS: usize = 4;

/// Heads of every attention.
const HEADS: usize = 8;

/// ε of the transformer's layer norms.
const EPSILON: f64 = 1e-5;

/// Names of the parameters that are no weights: the embedding with what the prompt adds to it, and the
/// places of the cells, both \[dim, grid²\].
pub(super) const CELLS: [&str; 2] = ["cells", "positions"];

/// From tokens \[n, dim\] of a prompt (one that is not used, where there are none) to predicted IoUs
/// \[MASKS\], coefficients of the masks \[MASKS, dim/8\] and cells \[dim, grid²\].
pub(super) fn transformer(config: &SamConfig, n: usize) -> Result<Graph> {
    let dim = config.dim;
    let name = |name: &str| format!("mask_decoder.{name}");
    let mut builder = GraphBuilder::for_input(&[n.max(1), dim]);
    let g = &mut builder;
    let prompt = g.input();
    let iou_token = g.parameter(&name("iou_token.weight"), &[1, dim])?;
    let mask_tokens = g.parameter(&name("mask_tokens.weight"), &[MASKS, dim])?;
    let all = [iou_token, mask_tokens, prompt];
    let points = g.concat_along(0, &all[..if n > 0 { 3 } else { 2 }])?;
    let points = g.transpose(points)?;
    let [content, positions] = CELLS;
    let cells = config.grid().pow(2);
    let content = g.parameter(content, &[dim, cells])?;
    let positions = g.parameter(positions, &[dim, cells])?;

    let layer = |index: usize| Layer(format!("mask_decoder.transformer.layers.{index}"));
    let (first, second) = (layer(0), layer(1));
    let placed = g.add(content, positions)?;
    let tokens = first.among_tokens(g, points, points)?;
    let tokens = first.norm(g, tokens, 1)?;
    let sum = g.add(tokens, points)?;
    let attended = first.to_shared_cells(g, sum, content, placed)?;
    let tokens = first.update(g, tokens, attended, config.mlp_dim)?;
    let sum = g.add(tokens, points)?;
    let scores = first.shared_cell_scores(g, sum, placed)?;
    let content = first.update_cells(g, content, scores, tokens)?;

    let sum = g.add(tokens, points)?;
    let attended = second.among_tokens(g, sum, tokens)?;
    let tokens = g.add(tokens, attended)?;
    let tokens = second.norm(g, tokens, 1)?;
    let placed = g.add(content, positions)?;
    let sum = g.add(tokens, points)?;
    let to_image = second.part("cross_attn_token_to_image");
    let attended = to_cells(g, &to_image, sum, content, placed)?;
    let tokens = second.update(g, tokens, attended, config.mlp_dim)?;
    let sum = g.add(tokens, points)?;
    let scores = second.cell_scores(g, sum, placed)?;
    let content = second.update_cells(g, content, scores, tokens)?;

    let placed = g.add(content, positions)?;
    let sum = g.add(tokens, points)?;
    let last = name("transformer.final_attn_token_to_image");
    let attended = to_cells(g, &last, sum, content, placed)?;
    let tokens = g.add(tokens, attended)?;
    let tokens = g.layer_norm(tokens, &name("transformer.norm_final_attn"), 0, EPSILON)?;

    let iou_token = g.slice(tokens, 1, 0, 1)?;
    let ious = mlp(g, iou_token, &name("iou_prediction_head"), [256, 256, MASKS])?;
    let ious = g.flatten(ious);
    let mut coefficients = Vec::with_capacity(MASKS);
    for mask in 0..MASKS {
        let token = g.slice(tokens, 1, 1 + mask, 1)?;
        let mlp_name = name(&format!("output_hypernetworks_mlps.{mask}"));
        let row = mlp(g, token, &mlp_name, [dim, dim, dim / 8])?;
        coefficients.push(g.reshape(row, &[1, dim / 8])?);
    }
    let coefficients = g.concat_along(0, &coefficients)?;
    Ok(builder.finish_with(ious, &[coefficients, content]))
}

/// From cells \[dim, grid²\] and coefficients \[MASKS, dim/8\] to the logits of all masks \[MASKS,
/// 4·grid, 4·grid\]: two transposed convolutions 2×2, each cell becoming 4×4 pixels, then the product
/// with the coefficients.
pub(super) fn upscaling(config: &SamConfig) -> Result<Graph> {
    let (dim, grid) = (config.dim, config.grid());
    let mut g = GraphBuilder::for_input(&[dim, grid * grid]);
    let x = g.input();
    let coefficients = g.add_input(&[MASKS, dim / 8]);
    let name = |i: usize| format!("mask_decoder.output_upscaling.{i}");
    // The four pixels of a cell stay side by side until the end.
    let x = pixels(&mut g, x, &name(0), dim / 4)?; // dim/4, 4, grid²
    let x = g.layer_norm(x, &name(1), 0, 1e-6)?;
    let x = g.activation(x, Activation::Gelu);
    let x = g.reshape(x, &[dim / 4, 4 * grid * grid])?;
    let x = pixels(&mut g, x, &name(3), dim / 8)?; // dim/8, 4, 4·grid²
    let x = g.activation(x, Activation::Gelu);
    let x = g.reshape(x, &[dim / 8, 16 * grid * grid])?;
    let x = g.matmul(coefficients, x)?;
    // Rows and columns of the finer pixels, of the coarser, and of cells.
    let x = g.reshape(x, &[MASKS, 2, 2, 2, 2, grid, grid])?;
    let x = g.permute(x, &[0, 5, 3, 1, 6, 4, 2])?;
    let x = g.reshape(x, &[MASKS, 4 * grid, 4 * grid])?;
    Ok(g.finish(x))
}

/// A transposed convolution 2×2 of columns \[I, n\], as \[O, 4, n\].
fn pixels(g: &mut GraphBuilder, x: NodeId, name: &str, outputs: usize) -> Result<NodeId> {
    let [inputs, n] = *g.dims(x).sizes() else { unreachable!("columns") };
    let weight = g.parameter(&format!("{name}.weight"), &[inputs, outputs, 2, 2])?;
    let weight = g.reshape(weight, &[inputs, 4 * outputs])?;
    let bias = g.parameter(&format!("{name}.bias"), &[outputs])?;
    let bias = g.reshape(bias, &[outputs, 1])?;
    let bias = g.broadcast(bias, &[outputs, 4])?;
    let bias = g.reshape(bias, &[4 * outputs])?;
    let rows = g.transpose(x)?;
    let y = g.matmul(rows, weight)?;
    let y = g.add(y, bias)?;
    let y = g.transpose(y)?;
    g.reshape(y, &[outputs, 4, n])
}

/// Three linear layers with ReLU between, of columns.
fn mlp(g: &mut GraphBuilder, x: NodeId, name: &str, widths: [usize; 3]) -> Result<NodeId> {
    let mut x = x;
    for (i, width) in widths.into_iter().enumerate() {
        if i > 0 {
            x = g.activation(x, Activation::Relu);
        }
        x = g.linear_along(x, &format!("{name}.layers.{i}"), width, 0, true)?;
    }
    Ok(x)
}

/// Columns \[dim, T\] by a projection of an attention.
fn project(
    g: &mut GraphBuilder,
    x: NodeId,
    attention: &str,
    part: &str,
    width: usize,
) -> Result<NodeId> {
    g.linear_along(x, &format!("{attention}.{part}_proj"), width, 0, true)
}

/// Columns \[heads·d, T\] as \[heads, d, T\].
fn by_head(g: &mut GraphBuilder, x: NodeId) -> Result<NodeId> {
    let [width, n] = *g.dims(x).sizes() else { unreachable!("columns") };
    g.reshape(x, &[HEADS, width / HEADS, n])
}

/// The weights \[heads·d, dim\] of a projection to heads as \[heads, d, dim\].
fn weight_by_head(
    g: &mut GraphBuilder,
    attention: &str,
    part: &str,
    [width, dim]: [usize; 2],
) -> Result<NodeId> {
    let weight = g.parameter(&format!("{attention}.{part}_proj.weight"), &[width, dim])?;
    g.reshape(weight, &[HEADS, width / HEADS, dim])
}

/// \[heads, dim, T\] as \[dim, heads·T\].
fn side_by_side(g: &mut GraphBuilder, x: NodeId) -> Result<NodeId> {
    let [heads, dim, n] = *g.dims(x).sizes() else { unreachable!("three axes") };
    let x = g.permute(x, &[1, 0, 2])?;
    g.reshape(x, &[dim, heads * n])
}

/// 1/√d of heads of `width` channels together.
fn scale(width: usize) -> f64 {
    1.0 / ((width / HEADS) as f64).sqrt()
}

/// Attention of queries, keys and values \[heads, d, T\], as \[heads·d, queries\].
fn attend(g: &mut GraphBuilder, [queries, keys, values]: [NodeId; 3]) -> Result<NodeId> {
    let [heads, d, n] = *g.dims(queries).sizes() else { unreachable!("three axes") };
    let scores = g.matmul_transposed(keys, queries, [true, false])?;
    let scores = g.scale(scores, scale(heads * d));
    let weights = g.softmax(scores, 1)?;
    let y = g.matmul(values, weights)?;
    g.reshape(y, &[heads * d, n])
}

/// Attention with all its projections to `width` channels, of columns \[dim, T\] that queries, keys
/// and values are made of.
fn attention(
    g: &mut GraphBuilder,
    name: &str,
    columns: [NodeId; 3],
    width: usize,
) -> Result<NodeId> {
    let dim = g.dims(columns[2]).sizes()[0];
    let mut parts = columns;
    for (part, which) in parts.iter_mut().zip(["q", "k", "v"]) {
        let projected = project(g, *part, name, which, width)?;
        *part = by_head(g, projected)?;
    }
    let y = attend(g, parts)?;
    project(g, y, name, "out", dim)
}

/// Tokens attend to cells, given without and with their positions.
///
/// The bias of the keys shifts all scores of a query alike, so softmax does not see it.
fn to_cells(
    g: &mut GraphBuilder,
    attention: &str,
    queries: NodeId,
    cells: NodeId,
    placed: NodeId,
) -> Result<NodeId> {
    let [dim, n] = *g.dims(queries).sizes() else { unreachable!("columns") };
    let width = dim / 2;
    let queries = project(g, queries, attention, "q", width)?;
    let queries = by_head(g, queries)?;
    let keys = weight_by_head(g, attention, "k", [width, dim])?;
    let folded = g.matmul_transposed(keys, queries, [true, false])?;
    let folded = side_by_side(g, folded)?;
    let scores = g.matmul_transposed(placed, folded, [true, false])?;
    let scores = g.scale(scores, scale(width));
    let weights = g.softmax(scores, 0)?;
    let mixed = g.matmul(cells, weights)?;
    let mixed = g.reshape(mixed, &[dim, HEADS, n])?;
    let mixed = g.permute(mixed, &[1, 0, 2])?;
    let values = weight_by_head(g, attention, "v", [width, dim])?;
    let y = g.matmul(values, mixed)?;
    let y = g.reshape(y, &[width, n])?;
    let bias = g.parameter(&format!("{attention}.v_proj.bias"), &[width])?;
    let bias = g.reshape(bias, &[width, 1])?;
    let y = g.add(y, bias)?;
    project(g, y, attention, "out", dim)
}

/// One layer of the two-way transformer, by the name of its weights.
struct Layer(String);

impl Layer {
    fn part(&self, part: &str) -> String {
        format!("{}.{part}", self.0)
    }

    fn norm(&self, g: &mut GraphBuilder, x: NodeId, index: usize) -> Result<NodeId> {
        g.layer_norm(x, &self.part(&format!("norm{index}")), 0, EPSILON)
    }

    /// Attention among tokens: queries and keys from `placed`, values from `x`.
    fn among_tokens(&self, g: &mut GraphBuilder, placed: NodeId, x: NodeId) -> Result<NodeId> {
        let dim = g.dims(x).sizes()[0];
        attention(g, &self.part("self_attn"), [placed, placed, x], dim)
    }

    /// Tokens attend to cells that are the same for every prompt: those are projected once.
    fn to_shared_cells(
        &self,
        g: &mut GraphBuilder,
        queries: NodeId,
        cells: NodeId,
        placed: NodeId,
    ) -> Result<NodeId> {
        let width = g.dims(cells).sizes()[0] / 2;
        let name = self.part("cross_attn_token_to_image");
        attention(g, &name, [queries, placed, cells], width)
    }

    /// Adds what the tokens saw in the image, then the MLP.
    fn update(
        &self,
        g: &mut GraphBuilder,
        tokens: NodeId,
        attended: NodeId,
        hidden: usize,
    ) -> Result<NodeId> {
        let dim = g.dims(tokens).sizes()[0];
        let tokens = g.add(tokens, attended)?;
        let tokens = self.norm(g, tokens, 2)?;
        let y = g.linear_along(tokens, &self.part("mlp.lin1"), hidden, 0, true)?;
        let y = g.activation(y, Activation::Relu);
        let y = g.linear_along(y, &self.part("mlp.lin2"), dim, 0, true)?;
        let tokens = g.add(tokens, y)?;
        self.norm(g, tokens, 3)
    }

    /// Keys \[heads, d, T\] of tokens, scaled.
    fn keys(&self, g: &mut GraphBuilder, tokens: NodeId) -> Result<NodeId> {
        let width = g.dims(tokens).sizes()[0] / 2;
        let keys = project(g, tokens, &self.part("cross_attn_image_to_token"), "k", width)?;
        let keys = g.scale(keys, scale(width));
        by_head(g, keys)
    }

    /// Scores \[heads·T, cells\] of cells that are the same for every prompt as queries, and tokens as
    /// keys.
    fn shared_cell_scores(
        &self,
        g: &mut GraphBuilder,
        tokens: NodeId,
        placed: NodeId,
    ) -> Result<NodeId> {
        let (dim, cells) = (g.dims(placed).sizes()[0], g.dims(placed).sizes()[1]);
        let queries = project(g, placed, &self.part("cross_attn_image_to_token"), "q", dim / 2)?;
        let queries = by_head(g, queries)?;
        let keys = self.keys(g, tokens)?;
        let scores = g.matmul_transposed(keys, queries, [true, false])?;
        let n = g.dims(scores).sizes()[1];
        g.reshape(scores, &[HEADS * n, cells])
    }

    /// Scores \[heads·T, cells\] of cells as queries and tokens as keys.
    fn cell_scores(&self, g: &mut GraphBuilder, tokens: NodeId, placed: NodeId) -> Result<NodeId> {
        let [dim, n] = *g.dims(tokens).sizes() else { unreachable!("columns") };
        let (width, name) = (dim / 2, self.part("cross_attn_image_to_token"));
        let keys = self.keys(g, tokens)?;
        let queries = weight_by_head(g, &name, "q", [width, dim])?;
        let folded = g.matmul_transposed(queries, keys, [true, false])?;
        let folded = side_by_side(g, folded)?;
        let scores = g.matmul_transposed(folded, placed, [true, false])?;
        let bias = g.parameter(&format!("{name}.q_proj.bias"), &[width])?;
        let bias = g.reshape(bias, &[HEADS, 1, width / HEADS])?;
        let shifts = g.matmul(bias, keys)?;
        let shifts = g.reshape(shifts, &[HEADS * n, 1])?;
        g.add(scores, shifts)
    }

    /// Cells and what they take from the tokens, given their scores \[heads·T, cells\], normalised.
    fn update_cells(
        &self,
        g: &mut GraphBuilder,
        cells: NodeId,
        scores: NodeId,
        tokens: NodeId,
    ) -> Result<NodeId> {
        let [dim, n] = *g.dims(tokens).sizes() else { unreachable!("columns") };
        let n_cells = g.dims(cells).sizes()[1];
        let (width, name) = (dim / 2, self.part("cross_attn_image_to_token"));
        let values = project(g, tokens, &name, "v", width)?;
        let values = by_head(g, values)?;
        let out = g.parameter(&format!("{name}.out_proj.weight"), &[dim, width])?;
        let out = g.reshape(out, &[dim, HEADS, width / HEADS])?;
        let out = g.permute(out, &[1, 0, 2])?;
        let folded = g.matmul(out, values)?;
        let folded = side_by_side(g, folded)?;
        // The weights of a head sum to 1: a share of the bias with each value adds all of it.
        let bias = g.parameter(&format!("{name}.out_proj.bias"), &[dim])?;
        let bias = g.scale(bias, 1.0 / HEADS as f64);
        let bias = g.reshape(bias, &[dim, 1])?;
        let folded = g.add(folded, bias)?;
        let scores = g.reshape(scores, &[HEADS, n, n_cells])?;
        let weights = g.softmax(scores, 1)?;
        let weights = g.reshape(weights, &[HEADS * n, n_cells])?;
        let update = g.matmul(folded, weights)?;
        let cells = g.add(update, cells)?;
        self.norm(g, cells, 4)
    }
}
