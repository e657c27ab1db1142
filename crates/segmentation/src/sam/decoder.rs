//! SAM's mask decoder: a two-way transformer between prompt tokens and image, then upscaling.

use super::{
    SamConfig, WeightsError,
    cross_attention::{Attention, SharedCells},
    gemm::{Packed, Rows, multiply},
    layers::{layer_norm, linear},
    ops::{Activation, LayerNorm, Linear, add, gelu_all, vectorized},
    weights::Weights,
};

/// Masks the decoder gives: one for a clear prompt, three for an ambiguous one.
const MASKS: usize = 4;

/// ε of the transformer's layer norms.
const EPSILON: f32 = 1e-5;

#[derive(Debug)]
pub(super) struct Decoder {
    dim: usize,
    grid: usize,
    /// Token of the predicted IoU, then of the masks, \[1 + MASKS, dim\].
    output_tokens: Vec<f32>,
    layers: [Layer; 2],
    last: Attention,
    last_norm: LayerNorm,
    upscaling: Upscaling,
    hyper: Vec<Mlp>,
    iou: Mlp,
}

/// What the decoder needs to know of an image, the same for every prompt without a mask.
#[derive(Debug)]
pub(super) struct Cells {
    /// Embedding plus dense prompt, \[grid², dim\].
    content: Vec<f32>,
    shared: SharedCells,
}

/// One mask of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decoded {
    /// Predicted IoU with the true object.
    pub(super) iou: f32,
    /// Logits \[(4·grid)²\].
    pub(super) logits: Vec<f32>,
}

impl Decoder {
    pub(super) fn new(config: &SamConfig, weights: &Weights) -> Result<Self, WeightsError> {
        let dim = config.dim;
        let name = |name: &str| format!("mask_decoder.{name}");
        let mut output_tokens = weights.get(&name("iou_token.weight"), &[1, dim])?;
        output_tokens.extend(weights.get(&name("mask_tokens.weight"), &[MASKS, dim])?);
        let hyper = |i: usize| {
            let name = name(&format!("output_hypernetworks_mlps.{i}"));
            Mlp::new(weights, &name, [dim, dim, dim, dim / 8])
        };
        Ok(Self {
            dim,
            grid: config.grid(),
            output_tokens,
            layers: [Layer::new(config, 0, weights)?, Layer::new(config, 1, weights)?],
            last: Attention::new(
                weights,
                &name("transformer.final_attn_token_to_image"),
                dim,
                dim / 2,
            )?,
            last_norm: layer_norm(weights, &name("transformer.norm_final_attn"), dim, EPSILON)?,
            upscaling: Upscaling::new(dim, weights)?,
            hyper: (0..MASKS).map(hyper).collect::<Result<_, _>>()?,
            iou: Mlp::new(weights, &name("iou_prediction_head"), [dim, 256, 256, MASKS])?,
        })
    }

    /// `embedding` and `positions` \[grid², dim\]; `dense` \[grid², dim\] or \[dim\] for all cells.
    pub(super) fn cells(&self, embedding: &[f32], dense: &[f32], positions: &[f32]) -> Cells {
        let mut content = embedding.to_vec();
        content.chunks_exact_mut(dense.len()).for_each(|cells| add(cells, dense));
        let mut placed = content.clone();
        add(&mut placed, positions);
        let layer = &self.layers[0];
        let shared = SharedCells::new(&layer.to_image, &layer.to_tokens, &content, &placed);
        Cells { content, shared }
    }

    /// The masks of one prompt whose predicted IoU exceeds `min_iou`, with their numbers, on this
    /// thread; `multimask` chooses masks 1, 2 and 3 instead of mask 0.
    pub(super) fn decode(
        &self,
        cells: &Cells,
        positions: &[f32],
        prompt_tokens: &[f32],
        multimask: bool,
        min_iou: f32,
    ) -> Vec<(usize, Decoded)> {
        let point_tokens = [&self.output_tokens, prompt_tokens].concat();
        let (tokens, content) = self.transform(cells, positions, &point_tokens);
        let ious = self.iou.forward(&tokens[..self.dim]);
        let masks = if multimask { 1..MASKS } else { 0..1 };
        let kept: Vec<usize> = masks.filter(|&mask| ious[mask] > min_iou).collect();
        if kept.is_empty() {
            return Vec::new();
        }
        let hyper =
            |&mask: &usize| self.hyper[mask].forward(&tokens[(1 + mask) * self.dim..][..self.dim]);
        let hyper: Vec<f32> = kept.iter().flat_map(hyper).collect();
        let logits = self.upscaling.forward(&content, self.grid, &hyper);
        let decoded = |(mask, logits)| (mask, Decoded { iou: ious[mask], logits });
        kept.into_iter().zip(logits).map(decoded).collect()
    }

    /// The two-way transformer: tokens \[T, dim\] and cells \[grid², dim\] after it.
    fn transform(&self, cells: &Cells, positions: &[f32], points: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let [first, second] = &self.layers;
        let mut tokens = first.self_attention.among_tokens(points, points);
        first.norm1.apply_here(&mut tokens);
        let attended = first.to_image.to_shared_cells(&sum(&tokens, points), &cells.shared);
        first.update_tokens(&mut tokens, &attended);
        let placed_tokens = sum(&tokens, points);
        let mut content = cells.content.clone();
        let scores = first.to_tokens.shared_cell_scores(&placed_tokens, &cells.shared);
        first.update_cells(scores, &tokens, &mut content);

        let attended = second.self_attention.among_tokens(&sum(&tokens, points), &tokens);
        add(&mut tokens, &attended);
        second.norm1.apply_here(&mut tokens);
        let mut placed = sum(&content, positions);
        let attended = second.to_image.to_cells(&sum(&tokens, points), &content, &placed);
        second.update_tokens(&mut tokens, &attended);
        let scores = second.to_tokens.cell_scores(&sum(&tokens, points), &placed);
        second.update_cells(scores, &tokens, &mut content);

        placed.copy_from_slice(&content);
        add(&mut placed, positions);
        let attended = self.last.to_cells(&sum(&tokens, points), &content, &placed);
        add(&mut tokens, &attended);
        self.last_norm.apply_here(&mut tokens);
        (tokens, content)
    }
}

fn sum(x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(x, y)| x + y).collect()
}

/// One layer of the two-way transformer.
#[derive(Debug)]
struct Layer {
    self_attention: Attention,
    norm1: LayerNorm,
    to_image: Attention,
    norm2: LayerNorm,
    expand: Linear,
    contract: Linear,
    norm3: LayerNorm,
    to_tokens: Attention,
    norm4: LayerNorm,
}

impl Layer {
    fn new(config: &SamConfig, index: usize, weights: &Weights) -> Result<Self, WeightsError> {
        let (dim, hidden) = (config.dim, config.mlp_dim);
        let name = |part: &str| format!("mask_decoder.transformer.layers.{index}.{part}");
        let norm = |i: usize| layer_norm(weights, &name(&format!("norm{i}")), dim, EPSILON);
        let attention = |part: &str, inner| Attention::new(weights, &name(part), dim, inner);
        Ok(Self {
            self_attention: attention("self_attn", dim)?,
            norm1: norm(1)?,
            to_image: attention("cross_attn_token_to_image", dim / 2)?,
            norm2: norm(2)?,
            expand: linear(weights, &name("mlp.lin1"), dim, hidden)?,
            contract: linear(weights, &name("mlp.lin2"), hidden, dim)?,
            norm3: norm(3)?,
            to_tokens: attention("cross_attn_image_to_token", dim / 2)?,
            norm4: norm(4)?,
        })
    }

    /// Adds what the tokens saw in the image, then the MLP.
    fn update_tokens(&self, tokens: &mut [f32], attended: &[f32]) {
        add(tokens, attended);
        self.norm2.apply_here(tokens);
        let hidden = self.expand.forward_here(tokens, Activation::Relu);
        add(tokens, &self.contract.forward_here(&hidden, Activation::None));
        self.norm3.apply_here(tokens);
    }

    fn update_cells(&self, scores: Vec<f32>, tokens: &[f32], cells: &mut [f32]) {
        self.to_tokens.add_to_cells(scores, tokens, cells);
        self.norm4.apply_here(cells);
    }
}

/// Three linear layers with ReLU between.
#[derive(Debug)]
struct Mlp([Linear; 3]);

impl Mlp {
    fn new(weights: &Weights, name: &str, widths: [usize; 4]) -> Result<Self, WeightsError> {
        let layer =
            |i: usize| linear(weights, &format!("{name}.layers.{i}"), widths[i], widths[i + 1]);
        Ok(Self([layer(0)?, layer(1)?, layer(2)?]))
    }

    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let [first, second, third] = &self.0;
        let x = first.forward_here(x, Activation::Relu);
        third.forward_here(&second.forward_here(&x, Activation::Relu), Activation::None)
    }
}

/// Two transposed convolutions 2×2, each cell becoming 4×4 pixels, then the product with the masks'
/// weights.
#[derive(Debug)]
struct Upscaling {
    /// \[dim, 4·dim/4\] and \[dim/4, 4·dim/8\]: four pixels side by side.
    first: Linear,
    norm: LayerNorm,
    second: Linear,
}

impl Upscaling {
    fn new(dim: usize, weights: &Weights) -> Result<Self, WeightsError> {
        let transposed = |i: usize, inputs: usize, outputs: usize| {
            let name = |part: &str| format!("mask_decoder.output_upscaling.{i}.{part}");
            let weight = weights.get(&name("weight"), &[inputs, outputs, 2, 2])?;
            let bias = weights.get(&name("bias"), &[outputs])?;
            // [input, output, tap] → [tap, output, input]
            let at = |i: usize| {
                let (tap, output, input) = (i / inputs / outputs, i / inputs % outputs, i % inputs);
                weight[(input * outputs + output) * 4 + tap]
            };
            let weight: Vec<f32> = (0..weight.len()).map(at).collect();
            Ok(Linear::new(&weight, bias.repeat(4)))
        };
        Ok(Self {
            first: transposed(0, dim, dim / 4)?,
            norm: layer_norm(weights, "mask_decoder.output_upscaling.1", dim / 4, 1e-6)?,
            second: transposed(3, dim / 4, dim / 8)?,
        })
    }

    /// Logits \[(4·grid)²\] of every mask in `hyper` \[masks, dim/8\], from cells \[grid², dim\].
    fn forward(&self, cells: &[f32], grid: usize, hyper: &[f32]) -> Vec<Vec<f32>> {
        let width = self.second.outputs() / 4;
        let n = hyper.len() / width;
        let hyper = Packed::transposed(Rows::new(hyper, width), width, n);
        let mut masks = vec![vec![0.0; 16 * grid * grid]; n];
        let mut fine = vec![0.0; grid * 16 * width];
        let mut logits = vec![0.0; grid * 16 * n];
        for (y, row) in cells.chunks_exact(grid * self.first.inputs()).enumerate() {
            let mut coarse = self.first.forward_here(row, Activation::None);
            self.norm.apply_here(&mut coarse);
            gelu_all(&mut coarse);
            self.second.apply_here(&coarse, Activation::Gelu, &mut fine);
            multiply(Rows::new(&fine, width), grid * 16, &hyper, &mut logits, n);
            vectorized(
                #[inline(always)]
                || scatter(&logits, y, grid, &mut masks),
            );
        }
        masks
    }
}

/// Logits \[cell x\]\[2, 2\]\[2, 2\]\[mask\] of a row of cells to four rows of every mask.
#[inline(always)]
fn scatter(logits: &[f32], cell_y: usize, grid: usize, masks: &mut [Vec<f32>]) {
    let n = masks.len();
    for (i, values) in logits.chunks_exact(n).enumerate() {
        let (cell_x, coarse, fine) = (i / 16, i / 4 % 4, i % 4);
        let y = 4 * cell_y + coarse / 2 * 2 + fine / 2;
        let x = 4 * cell_x + coarse % 2 * 2 + fine % 2;
        for (mask, value) in masks.iter_mut().zip(values) {
            mask[y * 4 * grid + x] = *value;
        }
    }
}
