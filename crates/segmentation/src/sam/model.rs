//! The network as a whole: photo → embedding → masks of prompts.

use std::{
    fmt::Write as _,
    io::Read,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use hsets_core::{Error, Photo, Result};
use sha2::{Digest, Sha256};

use super::{
    Check, EncoderConfig, Mask, Prompt, SamConfig, Variant, WeightsError,
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
    variant: Option<Variant>,
    path: PathBuf,
    digest: OnceLock<String>,
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
    pub fn load(path: &Path, variant: Option<Variant>) -> Result<Self, WeightsError> {
        let weights = Weights::open(path)?;
        if let Some(variant) = variant {
            weights.expect(variant)?;
        }
        let variant = weights.variant()?;
        let mut sam = Self::new(variant.config(), &weights)?;
        sam.variant = Some(variant);
        sam.path = path.into();
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
            path: PathBuf::new(),
            digest: OnceLock::new(),
        })
    }

    #[cfg(test)]
    pub(super) fn set_path(&mut self, path: &Path) {
        self.path = path.into();
    }

    /// Sizes of the network.
    pub fn config(&self) -> &SamConfig {
        &self.config
    }

    /// Which published network it is, where it was read from a file.
    pub fn variant(&self) -> Option<Variant> {
        self.variant
    }

    /// SHA-256 of the weight file, in hexadecimal; read once, when first asked for.
    pub fn weights_digest(&self) -> Result<&str> {
        if let Some(digest) = self.digest.get() {
            return Ok(digest);
        }
        let mut hasher = Sha256::new();
        let mut file = std::fs::File::open(&self.path).map_err(Error::field)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(Error::field)? {
                0 => break,
                n => hasher.update(&buffer[..n]),
            }
        }
        Ok(self.digest.get_or_init(|| hexadecimal(&hasher.finalize())))
    }

    /// Runs the image encoder: the photo is resized so that its longer side is 1024. `check` is
    /// asked between blocks and stops the run with its error.
    pub fn embed(&self, photo: &Photo, check: &Check<'_>) -> Result<Embedding> {
        let frame = Frame::new((photo.height(), photo.width()), self.config.image_size);
        let image = frame.image(photo);
        let values = match &self.encoder {
            Encoder::Vit(encoder) => encoder.forward(&image, check)?,
            Encoder::TinyVit(encoder) => encoder.forward(&image, check)?,
        };
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

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
