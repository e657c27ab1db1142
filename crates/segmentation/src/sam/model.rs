//! The network as a whole: photo → embedding → masks of prompts.

use std::path::Path;

use hsets_core::{Error, Photo, Progress, Result};
use hsets_models::{
    Device,
    sam::{DecodedMask, Frame, Prompt, SamConfig, SamEmbedding, SamNetwork, WeightsError},
};

use super::{Mask, SamVariant, frame::Upsampling};

impl SamVariant {
    /// Sizes of the network.
    pub fn config(self) -> SamConfig {
        SamConfig::published(self.name()).unwrap_or_else(|| unreachable!("names are shared"))
    }
}

/// A Segment Anything network with its weights.
#[derive(Debug)]
pub struct Sam {
    network: SamNetwork,
}

/// A photo as the decoder sees it: computed once, prompted often.
#[derive(Debug)]
pub struct Embedding {
    pub(super) frame: Frame,
    embedding: SamEmbedding,
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
    pub fn load(
        path: &Path,
        variant: Option<SamVariant>,
        device: Device,
    ) -> Result<Self, WeightsError> {
        Ok(Self::of(SamNetwork::load(path, variant.map(SamVariant::name), device)?))
    }

    /// As [`Self::load`], but fails unless the file has this SHA-256, in hexadecimal.
    pub fn load_verified(
        path: &Path,
        variant: Option<SamVariant>,
        device: Device,
        sha256: &str,
    ) -> Result<Self, WeightsError> {
        let name = variant.map(SamVariant::name);
        Ok(Self::of(SamNetwork::load_verified(path, name, device, sha256)?))
    }

    /// A network with its weights.
    pub fn of(network: SamNetwork) -> Self {
        Self { network }
    }

    /// Sizes of the network.
    pub fn config(&self) -> &SamConfig {
        self.network.config()
    }

    /// Which published network it is, where it was read from a file.
    pub fn variant(&self) -> Option<SamVariant> {
        self.network.name()?.parse().ok()
    }

    /// SHA-256 of the weight file, in hexadecimal; empty for weights that are not from a file.
    pub fn weights_digest(&self) -> &str {
        self.network.weights_digest()
    }

    /// Runs the image encoder: the photo is resized so that its longer side is 1024. Reports a stage
    /// of one unit per block, and stops between blocks when asked to.
    pub fn embed(&self, photo: &Photo, progress: &dyn Progress) -> Result<Embedding> {
        let frame = Frame::new((photo.height(), photo.width()), self.config().image_size);
        progress.begin("SAM encoder", self.network.n_blocks() as u64);
        let mut watch = || {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            progress.advance(1);
            Ok(())
        };
        let embedding = self.network.embed(&frame.image(photo), &mut watch)?;
        progress.end();
        Ok(Embedding { frame, embedding })
    }

    /// Masks for a prompt in pixels of the photo: three for an ambiguous one (`multimask`, usual for a
    /// single point), one otherwise, in the network's order.
    pub fn predict(
        &self,
        embedding: &Embedding,
        prompt: &Prompt,
        multimask: bool,
    ) -> Result<Vec<Prediction>> {
        self.check_prompt(prompt, embedding.frame.photo)?;
        let decoded = self.decode(embedding, prompt, multimask, f32::NEG_INFINITY)?;
        let upsampling = Upsampling::new(&embedding.frame);
        let prediction = |decoded: DecodedMask| Prediction {
            mask: upsampling.threshold(&decoded.logits, 0.0).mask,
            predicted_iou: decoded.iou,
            logits: decoded.logits,
        };
        Ok(decoded.into_iter().map(prediction).collect())
    }

    /// The masks of a prompt, in pixels of the photo, whose predicted IoU exceeds `min_iou`.
    pub(super) fn decode(
        &self,
        embedding: &Embedding,
        prompt: &Prompt,
        multimask: bool,
        min_iou: f32,
    ) -> Result<Vec<DecodedMask>> {
        let prompt = prompt.scaled(embedding.frame.scale());
        self.network.decode(&embedding.embedding, &prompt, multimask, min_iou)
    }

    fn check_prompt(&self, prompt: &Prompt, (height, width): (usize, usize)) -> Result<()> {
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
        let expected = (4 * self.config().grid()).pow(2);
        match &prompt.mask {
            Some(mask) if mask.len() != expected => {
                Err(Error::shape("prompt mask", expected, mask.len()))
            }
            _ => Ok(()),
        }
    }
}

impl Embedding {
    /// The embedding \[dim, grid, grid\].
    pub fn values(&self) -> &[f32] {
        self.embedding.values()
    }
}
