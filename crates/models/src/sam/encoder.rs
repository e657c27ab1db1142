//! Image encoders as chains of graphs, one for each block: photos become embeddings, and there is a
//! place between blocks to report progress and to stop.

use std::sync::Arc;

use hsets_autodiff::{Backend, Conv2d, Dims, Graph, GraphBuilder, Network, NodeId, Result, Slice};

use super::{EncoderConfig, SamConfig, SamWeights, WeightsError, tiny_vit, vit};

/// ε of the neck's layer norms.
const NECK_EPSILON: f64 = 1e-6;

/// An encoder with its weights on a device.
pub(super) struct Encoder<B: Backend> {
    blocks: Vec<Network<B>>,
}

impl<B: Backend<Scalar = f32> + Clone> Encoder<B> {
    /// Binds one block after the other, so that the weights are never there twice.
    pub(super) fn new(
        backend: &B,
        config: &SamConfig,
        weights: &SamWeights,
    ) -> Result<Self, WeightsError> {
        let graphs = graphs(config)?;
        let bind = |graph: &Graph| weights.bind(backend, graph);
        Ok(Self { blocks: graphs.iter().map(bind).collect::<Result<_, _>>()? })
    }

    /// Number of blocks.
    pub(super) fn n_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// From an image \[3, size, size\] to its embedding \[dim, grid, grid\]; `watch` is asked before
    /// each block.
    pub(super) fn run(
        &self,
        image: &[f32],
        watch: &mut dyn FnMut() -> hsets_core::Result<()>,
    ) -> hsets_core::Result<Vec<f32>> {
        let [first, ..] = self.blocks.as_slice() else { return Ok(image.to_vec()) };
        let mut x = Arc::new(first.upload(0, &[image])?);
        for block in &self.blocks {
            watch()?;
            x = block.values(vec![x])?.remove(0);
        }
        Ok(first.backend().download(&x).map_err(hsets_core::Error::from)?.remove(0))
    }
}

/// The graph of each block: the first takes the image, the last gives the embedding.
fn graphs(config: &SamConfig) -> Result<Vec<Graph>> {
    match &config.encoder {
        EncoderConfig::Vit(vit) => vit::graphs(vit, config.image_size, config.dim),
        EncoderConfig::TinyVit(vit) => tiny_vit::graphs(vit, config.image_size, config.dim),
    }
}

/// What turns tokens \[C, H, W\] into the embedding: convolution 1×1, norm, convolution 3×3, norm.
pub(super) fn neck(g: &mut GraphBuilder, x: NodeId, dim: usize) -> Result<NodeId> {
    let name = |i: usize| format!("image_encoder.neck.{i}");
    let x = g.conv2d(x, &name(0), Conv2d::new(dim, 1))?;
    let x = g.layer_norm(x, &name(1), 0, NECK_EPSILON)?;
    let x = g.conv2d(x, &name(2), Conv2d::new(dim, 3).with_padding(1))?;
    g.layer_norm(x, &name(3), 0, NECK_EPSILON)
}

/// Square windows on a square grid of tokens; those at the right and lower edge are padded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    grid: usize,
    pub(super) side: usize,
}

impl Windows {
    pub(super) fn new(grid: usize, side: usize) -> Self {
        Self { grid, side }
    }

    fn per_side(self) -> usize {
        self.grid.div_ceil(self.side)
    }

    /// Number of windows.
    pub(super) fn count(self) -> usize {
        self.per_side().pow(2)
    }

    /// Tokens of a window.
    pub(super) fn tokens(self) -> usize {
        self.side * self.side
    }

    fn is_whole(self) -> bool {
        self.grid.is_multiple_of(self.side)
    }

    /// Tokens \[C, grid²\] with one of zeros behind them, if windows are padded with it.
    pub(super) fn pad(self, g: &mut GraphBuilder, x: NodeId) -> Result<NodeId> {
        if self.is_whole() { Ok(x) } else { g.pad(x, 1, 0, 1) }
    }

    /// Tokens \[C, grid²\], and the padding behind them, window by window \[C, windows·tokens\].
    pub(super) fn split(self, g: &mut GraphBuilder, x: NodeId) -> Result<NodeId> {
        if self.count() == 1 {
            return Ok(x);
        }
        let token = |at: usize| {
            let (window, token) = (at / self.tokens(), at % self.tokens());
            let y = window / self.per_side() * self.side + token / self.side;
            let x = window % self.per_side() * self.side + token % self.side;
            if y < self.grid && x < self.grid { y * self.grid + x } else { self.grid * self.grid }
        };
        let indices: Vec<usize> = (0..self.count() * self.tokens()).map(token).collect();
        g.gather(x, 1, &indices)
    }

    /// Windows \[C, windows·tokens\] as tokens \[C, grid²\], without the padding.
    pub(super) fn join(self, g: &mut GraphBuilder, x: NodeId) -> Result<NodeId> {
        if self.count() == 1 {
            return Ok(x);
        }
        let place = |at: usize| {
            let (y, x) = (at / self.grid, at % self.grid);
            let window = y / self.side * self.per_side() + x / self.side;
            window * self.tokens() + y % self.side * self.side + x % self.side
        };
        let indices: Vec<usize> = (0..self.grid * self.grid).map(place).collect();
        g.gather(x, 1, &indices)
    }
}

/// Queries, keys and values \[3·heads·d, windows·tokens\], each as \[heads, windows, d, tokens\].
pub(super) fn parts(
    g: &mut GraphBuilder,
    qkv: NodeId,
    heads: usize,
    windows: Windows,
) -> Result<[NodeId; 3]> {
    let width = g.dims(qkv).sizes()[0] / 3;
    let mut parts = [qkv; 3];
    for (i, part) in parts.iter_mut().enumerate() {
        let rows = g.slice_by(qkv, Slice { axis: 0, start: i * width, step: 1, len: width })?;
        let sizes = [heads, width / heads, windows.count(), windows.tokens()];
        let rows = g.reshape(rows, &sizes)?;
        *part = g.permute(rows, &[0, 2, 1, 3])?;
    }
    Ok(parts)
}

/// Values \[heads, windows, d, tokens\] under softmax weights of scores \[heads, windows, keys,
/// queries\], as \[heads·d, windows·tokens\].
pub(super) fn attend(g: &mut GraphBuilder, scores: NodeId, values: NodeId) -> Result<NodeId> {
    let weights = g.softmax(scores, 2)?;
    let y = g.matmul(values, weights)?;
    let y = g.permute(y, &[0, 2, 1, 3])?;
    let [heads, d, windows, tokens] = *g.dims(y).sizes() else { unreachable!("four axes") };
    g.reshape(y, &[heads * d, windows * tokens])
}

/// A graph for what another gives.
pub(super) fn after(dims: Dims) -> (GraphBuilder, NodeId) {
    let g = GraphBuilder::for_input(dims.sizes());
    let x = g.input();
    (g, x)
}
