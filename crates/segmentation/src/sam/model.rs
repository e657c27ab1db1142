//! The network as a whole: photo → embedding → masks of prompts.

use std::path::Path;

use hsets_core::{Error, Photo, Progress, Result};

use super::{
    EncoderConfig, Mask, Prompt, SamConfig, SamVariant, WeightsError,
    conv::Size,
    decoder::{Cells, Decoder},
    frame::Frame,
    prompt::PromptEncoder,
    tiny_vit::TinyVit,
    vit::Vit,
    weights::Weights,
};

/// A Segment Anything network with its weights.
#[derive(Debug)]
pub struct Sam {
    config: SamConfig,
    encoder: Encoder,
    pub(super) prompts: PromptEncoder,
    pub(super) decoder: Decoder,
    /// Positional encoding of the embedding's cells.
    pub(super) positions: Vec<f32>,
    variant: Option<SamVariant>,
    digest: String,
}

#[derive(Debug)]
enum Encoder {
    Vit(Vit),
    TinyVit(TinyVit),
}

/// A photo as the decoder sees it: computed once, prompted often.
#[derive(Debug)]
pub struct Embedding {
    pub(super) frame: Frame,
    /// \[grid², dim\].
    values: Vec<f32>,
    pub(super) cells: Cells,
}

/// A mask for a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The mask at the photo's size.
    pub mask: Mask,
    /// The network's own estimate of the mask's IoU with the true object.
    pub predicted_iou: f32,
    /// Logits \[(4·grid)²\] (256×256), which may be given back as [`Prompt::mask`].
    pub logits: Vec<f32>,
}

impl Sam {
    /// Reads weights by Meta's or Hugging Face's names. Without a variant, the file tells; with
    /// one, another is an error. A fine-tune of the same shape (`MedSAM` is a ViT-B) loads as well.
    pub fn load(path: &Path, variant: Option<SamVariant>) -> Result<Self, WeightsError> {
        Self::load_opened(Weights::open(path)?, variant)
    }

    /// As [`Self::load`], but fails unless the file has this SHA-256, in hexadecimal.
    pub fn load_verified(
        path: &Path,
        variant: Option<SamVariant>,
        sha256: &str,
    ) -> Result<Self, WeightsError> {
        Self::load_opened(Weights::open_verified(path, sha256)?, variant)
    }

    fn load_opened(
        mut weights: Weights,
        variant: Option<SamVariant>,
    ) -> Result<Self, WeightsError> {
        if let Some(variant) = variant {
            weights.expect(variant)?;
        }
        let variant = weights.variant()?;
        let mut sam = Self::new(variant.config(), &weights)?;
        (sam.variant, sam.digest) = (Some(variant), weights.digest());
        Ok(sam)
    }

    pub(super) fn new(config: SamConfig, weights: &Weights) -> Result<Self, WeightsError> {
        let (side, dim) = (config.image_size, config.dim);
        let encoder = match &config.encoder {
            EncoderConfig::Vit(vit) => Encoder::Vit(Vit::new(vit, side, dim, weights)?),
            EncoderConfig::TinyVit(vit) => Encoder::TinyVit(TinyVit::new(vit, side, dim, weights)?),
        };
        let prompts = PromptEncoder::new(&config, weights)?;
        Ok(Self {
            encoder,
            positions: prompts.grid_positions(),
            prompts,
            decoder: Decoder::new(&config, weights)?,
            config,
            variant: None,
            digest: String::new(),
        })
    }

    /// Sizes of the network.
    pub fn config(&self) -> &SamConfig {
        &self.config
    }

    /// Which published network it is, where it was read from a file.
    pub fn variant(&self) -> Option<SamVariant> {
        self.variant
    }

    /// SHA-256 of the weight file, in hexadecimal; empty for weights that are not from a file.
    pub fn weights_digest(&self) -> &str {
        &self.digest
    }

    /// Runs the image encoder: the photo is resized so that its longer side is 1024. Reports a stage
    /// of one unit per block, and stops between blocks when asked to.
    pub fn embed(&self, photo: &Photo, progress: &dyn Progress) -> Result<Embedding> {
        let frame = Frame::new((photo.height(), photo.width()), self.config.image_size);
        let image = frame.image(photo);
        progress.begin("SAM encoder", self.config.encoder.n_blocks() as u64);
        let check = || {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            progress.advance(1);
            Ok(())
        };
        let values = match &self.encoder {
            Encoder::Vit(encoder) => encoder.forward(&image, &check)?,
            Encoder::TinyVit(encoder) => encoder.forward(&image, &check)?,
        };
        progress.end();
        let cells =
            self.decoder.cells(&values, &self.prompts.dense(&Prompt::default()), &self.positions);
        Ok(Embedding { frame, values, cells })
    }

    /// Masks for a prompt: three for an ambiguous one (`multimask`, usual for a single point), one
    /// otherwise, in the network's order.
    pub fn predict(
        &self,
        embedding: &Embedding,
        prompt: &Prompt,
        multimask: bool,
    ) -> Result<Vec<Prediction>> {
        self.check_prompt(prompt, embedding.frame.photo)?;
        let tokens = self.prompts.tokens(prompt, embedding.frame.scale());
        let with_mask = prompt.mask.is_some().then(|| {
            self.decoder.cells(&embedding.values, &self.prompts.dense(prompt), &self.positions)
        });
        let cells = with_mask.as_ref().unwrap_or(&embedding.cells);
        let decoded =
            self.decoder.decode(cells, &self.positions, &tokens, multimask, f32::NEG_INFINITY);
        let upsampling = embedding.frame.upsampling();
        let prediction = |(_, decoded): (usize, super::decoder::Decoded)| Prediction {
            mask: upsampling.threshold(&decoded.logits, 0.0).mask,
            predicted_iou: decoded.iou,
            logits: decoded.logits,
        };
        Ok(decoded.into_iter().map(prediction).collect())
    }

    fn check_prompt(&self, prompt: &Prompt, (height, width): Size) -> Result<()> {
        let corners =
            prompt.bounds.map(|[left, top, right, bottom]| [(left, top), (right, bottom)]);
        let points = prompt.points.iter().map(|point| (point.x, point.y));
        for (x, y) in points.chain(corners.into_iter().flatten()) {
            let inside = (0.0..=width as f64).contains(&x) && (0.0..=height as f64).contains(&y);
            if !inside {
                let allowed = format!("a place within the photo, {width}x{height} pixels");
                return Err(Error::config("prompt", format!("({x}, {y})"), allowed));
            }
        }
        let expected = (4 * self.config.grid()).pow(2);
        match &prompt.mask {
            Some(mask) if mask.len() != expected => {
                Err(Error::shape("prompt mask", expected, mask.len()))
            }
            _ => Ok(()),
        }
    }
}

impl Embedding {
    /// The embedding \[grid², dim\], cell by cell.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
