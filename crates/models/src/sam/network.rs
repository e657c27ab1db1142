//! A Segment Anything network with its weights on a device: encoder, prompts and decoder.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Tensor;
use hsets_autodiff::{Backend, Cpu, Network, Weights};

use super::decoder::{CELLS, MASKS, transformer, upscaling};
use super::encoder::Encoder;
use super::prompt::{Prompt, PromptEncoder};
use super::{SamConfig, SamWeights, WeightsError};
use crate::Device;

/// Bytes that are held for the next layer: activations differ in size from stage to stage, and all of
/// them together are many times as many.
const IDLE_MEMORY: usize = 16 << 20;

/// A Segment Anything network with its weights.
pub struct SamNetwork {
    config: SamConfig,
    name: Option<&'static str>,
    digest: String,
    parts: Box<dyn Parts>,
}

/// An image as the decoder sees it: computed once, prompted often.
pub struct SamEmbedding {
    values: Arc<Vec<f32>>,
    cells: Box<dyn Cells>,
}

/// One mask of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedMask {
    /// Its number among the masks that the decoder gives.
    pub index: usize,
    /// Predicted IoU with the true object.
    pub iou: f32,
    /// Logits \[(4·grid)²\].
    pub logits: Vec<f32>,
}

impl SamNetwork {
    /// Reads weights by Meta's or Hugging Face's names. With a name of a published network
    /// ([`SamConfig::NAMES`]), those of another are an error; a fine-tune of the same shape (`MedSAM`
    /// is a ViT-B) loads as well.
    pub fn load(path: &Path, name: Option<&str>, device: Device) -> Result<Self, WeightsError> {
        Self::published(SamWeights::open(path)?, name, device)
    }

    /// As [`Self::load`], but fails unless the file has this SHA-256, in hexadecimal.
    pub fn load_verified(
        path: &Path,
        name: Option<&str>,
        device: Device,
        sha256: &str,
    ) -> Result<Self, WeightsError> {
        Self::published(SamWeights::open_verified(path, sha256)?, name, device)
    }

    fn published(
        mut weights: SamWeights,
        name: Option<&str>,
        device: Device,
    ) -> Result<Self, WeightsError> {
        let (name, config) = weights.config(name)?;
        let mut network = Self::new(config, &weights, device)?;
        (network.name, network.digest) = (Some(name), weights.digest());
        Ok(network)
    }

    /// A network of any sizes.
    pub fn new(
        config: SamConfig,
        weights: &SamWeights,
        device: Device,
    ) -> Result<Self, WeightsError> {
        if device == Device::Cpu {
            return Self::on(Cpu::<f32>::with_idle_memory(IDLE_MEMORY), config, weights);
        }
        let device = device.candle().map_err(|error| WeightsError::Device(Box::new(error)))?;
        Self::on(hsets_autodiff::Device::new(device), config, weights)
    }

    /// A network of any sizes on any backend.
    pub fn on<B: Backend<Scalar = f32> + Clone>(
        backend: B,
        config: SamConfig,
        weights: &SamWeights,
    ) -> Result<Self, WeightsError> {
        let parts = Box::new(OnBackend::new(backend, &config, weights)?);
        Ok(Self { config, name: None, digest: String::new(), parts })
    }

    /// Sizes of the network.
    pub fn config(&self) -> &SamConfig {
        &self.config
    }

    /// The name of the published network it is, where it was read from a file.
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// SHA-256 of the weight file, in hexadecimal; empty for weights that are not from a file.
    pub fn weights_digest(&self) -> &str {
        &self.digest
    }

    /// Blocks of the image encoder.
    pub fn n_blocks(&self) -> usize {
        self.parts.n_blocks()
    }

    /// Runs the image encoder on a normalised image \[3, size, size\]. `watch` is asked before each of
    /// its blocks, and its error stops the encoder.
    pub fn embed(
        &self,
        image: &[f32],
        watch: &mut dyn FnMut() -> hsets_core::Result<()>,
    ) -> hsets_core::Result<SamEmbedding> {
        let values = Arc::new(self.parts.encode(image, watch)?);
        let cells = self.parts.cells(&values, &Prompt::default())?;
        Ok(SamEmbedding { values, cells })
    }

    /// The masks of a prompt, whose places are in pixels of the network's square, with a predicted IoU
    /// above `min_iou`; masks 1, 2 and 3 for an ambiguous one (`multimask`), else mask 0. Others are
    /// never made. On this thread and those of rayon that are idle.
    pub fn decode(
        &self,
        embedding: &SamEmbedding,
        prompt: &Prompt,
        multimask: bool,
        min_iou: f32,
    ) -> hsets_core::Result<Vec<DecodedMask>> {
        let masks = if multimask { 1..MASKS } else { 0..1 };
        let tokens = self.parts.tokens(prompt);
        let decoded = if prompt.mask.is_some() {
            self.parts.cells(&embedding.values, prompt)?.decode(&tokens, masks, min_iou)
        } else {
            embedding.cells.decode(&tokens, masks, min_iou)
        };
        Ok(decoded?)
    }
}

impl SamEmbedding {
    /// The embedding \[dim, grid, grid\].
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl std::fmt::Debug for SamNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SamNetwork").field("config", &self.config).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SamEmbedding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SamEmbedding").finish_non_exhaustive()
    }
}

/// The parts of a network on some backend.
trait Parts: Send + Sync {
    fn n_blocks(&self) -> usize;
    fn encode(
        &self,
        image: &[f32],
        watch: &mut dyn FnMut() -> hsets_core::Result<()>,
    ) -> hsets_core::Result<Vec<f32>>;
    /// Tokens of a prompt, row by row.
    fn tokens(&self, prompt: &Prompt) -> Vec<f32>;
    /// An embedding, and what the mask of a prompt adds to it.
    fn cells(&self, embedding: &[f32], prompt: &Prompt) -> hsets_autodiff::Result<Box<dyn Cells>>;
}

/// Cells that any number of prompts look at.
trait Cells: Send + Sync {
    fn decode(
        &self,
        tokens: &[f32],
        masks: Range<usize>,
        min_iou: f32,
    ) -> hsets_autodiff::Result<Vec<DecodedMask>>;
}

struct OnBackend<B: Backend> {
    encoder: Encoder<B>,
    prompts: PromptEncoder<B>,
    decoder: Arc<Decoder<B>>,
}

struct Decoder<B: Backend> {
    backend: B,
    config: SamConfig,
    /// Those of the transformer, and the places of cells.
    weights: BTreeMap<String, Tensor>,
    upscaling: Network<B>,
}

impl<B: Backend<Scalar = f32> + Clone> OnBackend<B> {
    fn new(backend: B, config: &SamConfig, weights: &SamWeights) -> Result<Self, WeightsError> {
        let encoder = Encoder::new(&backend, config, weights)?;
        let prompts = PromptEncoder::new(&backend, config, weights)?;
        let [content, places] = CELLS;
        let mut of_decoder = weights.of(&transformer(config, 1)?, &[content, places])?;
        of_decoder.insert(places.into(), cells(config, &prompts.grid_positions())?);
        let decoder = Decoder {
            upscaling: weights.bind(&backend, &upscaling(config)?)?,
            backend,
            config: config.clone(),
            weights: of_decoder,
        };
        Ok(Self { encoder, prompts, decoder: Arc::new(decoder) })
    }
}

/// Numbers of every cell, \[dim, grid²\].
fn cells(config: &SamConfig, values: &[f32]) -> hsets_autodiff::Result<Tensor> {
    let shape = (config.dim, config.grid().pow(2));
    Ok(Tensor::from_slice(values, shape, &candle_core::Device::Cpu)?)
}

impl<B: Backend<Scalar = f32> + Clone> Parts for OnBackend<B> {
    fn n_blocks(&self) -> usize {
        self.encoder.n_blocks()
    }

    fn encode(
        &self,
        image: &[f32],
        watch: &mut dyn FnMut() -> hsets_core::Result<()>,
    ) -> hsets_core::Result<Vec<f32>> {
        self.encoder.run(image, watch)
    }

    fn tokens(&self, prompt: &Prompt) -> Vec<f32> {
        self.prompts.tokens(prompt)
    }

    fn cells(&self, embedding: &[f32], prompt: &Prompt) -> hsets_autodiff::Result<Box<dyn Cells>> {
        let dense = self.prompts.dense(prompt)?;
        let sum: Vec<f32> = embedding.iter().zip(&dense).map(|(a, b)| a + b).collect();
        let content = cells(&self.decoder.config, &sum)?;
        let decoder = Arc::clone(&self.decoder);
        Ok(Box::new(OfImage { decoder, content, transformers: Mutex::default() }))
    }
}

/// The decoder with the cells of an image.
struct OfImage<B: Backend> {
    decoder: Arc<Decoder<B>>,
    content: Tensor,
    /// The transformer for so many tokens of a prompt, made when it is needed.
    transformers: Mutex<BTreeMap<usize, Arc<Network<B>>>>,
}

impl<B: Backend<Scalar = f32> + Clone> OfImage<B> {
    fn transformer(&self, n: usize) -> hsets_autodiff::Result<Arc<Network<B>>> {
        let known = || self.transformers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = known().get(&n) {
            return Ok(Arc::clone(network));
        }
        // Not under the lock: rayon may give a thread that waits another mask, which asks for it.
        let Decoder { backend, config, weights, .. } = &*self.decoder;
        let mut weights = weights.clone();
        weights.insert(CELLS[0].into(), self.content.clone());
        let graph = transformer(config, n)?;
        let network = Network::for_values(backend.clone(), &graph, &Weights::new(weights))?;
        Ok(Arc::clone(known().entry(n).or_insert(Arc::new(network))))
    }
}

impl<B: Backend<Scalar = f32> + Clone> Cells for OfImage<B> {
    fn decode(
        &self,
        tokens: &[f32],
        masks: Range<usize>,
        min_iou: f32,
    ) -> hsets_autodiff::Result<Vec<DecodedMask>> {
        let Decoder { backend, config, upscaling, .. } = &*self.decoder;
        let n = tokens.len() / config.dim;
        let transformer = self.transformer(n)?;
        let none = vec![0.0; config.dim];
        let tokens = transformer.upload(0, &[if n == 0 { &none } else { tokens }])?;
        let outputs = transformer.values(vec![Arc::new(tokens)])?;
        let [ious, coefficients, cells] = &outputs[..] else { return Ok(vec![]) };
        let ious = backend.download(ious)?.remove(0);
        let kept: Vec<usize> = masks.filter(|&mask| ious[mask] > min_iou).collect();
        if kept.is_empty() {
            return Ok(vec![]);
        }
        let logits = upscaling.values(vec![Arc::clone(cells), Arc::clone(coefficients)])?;
        let logits = backend.download(&logits[0])?.remove(0);
        let pixels = logits.len() / MASKS;
        let mask = |index: usize| DecodedMask {
            index,
            iou: ious[index],
            logits: logits[index * pixels..][..pixels].to_vec(),
        };
        Ok(kept.into_iter().map(mask).collect())
    }
}
