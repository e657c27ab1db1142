//! Weight files: Meta's `.pth` and `.safetensors`, and Hugging Face's `facebook/sam-vit-*`.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor, pickle::PthTensors, safetensors::BufferedSafetensors};
use sha2::{Digest as _, Sha256};

use super::SamVariant;

/// Why weights could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Not a file of weights, or not all of one.
    #[error(
        "cannot read weights from {path}: {reason}; it should be a whole .safetensors, .pth or .pt \
         file, so fetch it again if it may be cut short"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A tensor is missing.
    #[error("{path} has no tensor {name}: it is not the weights of a Segment Anything network")]
    Missing {
        /// The file.
        path: PathBuf,
        /// Meta's name of the tensor.
        name: String,
    },
    /// A tensor has another shape.
    #[error(
        "{path}: tensor {name} has shape {found:?}, expected {expected:?}; is it another variant?"
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// Meta's name of the tensor.
        name: String,
        /// The shape the network needs.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The weights are of another variant than asked for.
    #[error(
        "{path} holds the weights of {found}, not of {asked}; ask for {found} or give another file"
    )]
    WrongVariant {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        asked: SamVariant,
        /// What the file holds.
        found: SamVariant,
    },
    /// The file is not the one that was published.
    #[error(
        "{path} has the SHA-256 {found}, expected {expected}: it is damaged or another file; remove \
         it and fetch it again"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// SHA-256 that it should have, in hexadecimal.
        expected: String,
        /// SHA-256 that it has.
        found: String,
    },
}

impl From<WeightsError> for hsets_core::Error {
    fn from(error: WeightsError) -> Self {
        Self::field(error)
    }
}

/// SHA-256 of a file, in hexadecimal.
pub(super) fn digest(path: &Path) -> Result<String, WeightsError> {
    let fail =
        |error: io::Error| WeightsError::Read { path: path.into(), reason: error.to_string() };
    let mut file = File::open(path).map_err(fail)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).map_err(fail)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
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

/// Tensors by Meta's names, whatever the file calls them.
pub(super) struct Weights {
    path: PathBuf,
    source: Source,
    names: BTreeSet<String>,
}

enum Source {
    Pth(Box<PthTensors>),
    Safetensors(BufferedSafetensors),
    #[cfg(any(test, feature = "testing"))]
    Generated(Generate),
}

/// Makes a tensor of a name and a shape.
#[cfg(any(test, feature = "testing"))]
pub(super) type Generate = Box<dyn Fn(&str, &[usize]) -> Vec<f32>>;

impl Weights {
    /// Opens a file by its extension; tensors are read as they are asked for.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let fail = |reason: String| WeightsError::Read { path: path.into(), reason };
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let (source, names) = match extension.to_ascii_lowercase().as_str() {
            "safetensors" => {
                let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
                let file =
                    BufferedSafetensors::new(bytes).map_err(|error| fail(error.to_string()))?;
                let names = file.tensors().into_iter().map(|(name, _)| name).collect();
                (Source::Safetensors(file), names)
            }
            "pth" | "pt" => {
                let file = PthTensors::new(path, None).map_err(|error| fail(error.to_string()))?;
                let names = file.tensor_infos().keys().cloned().collect();
                (Source::Pth(Box::new(file)), names)
            }
            other => return Err(fail(format!("unknown extension '{other}'"))),
        };
        Ok(Self { path: path.into(), source, names })
    }

    /// Weights made by `generate(name, shape)`.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn generated(generate: Generate) -> Self {
        let source = Source::Generated(generate);
        Self { path: "generated".into(), source, names: BTreeSet::new() }
    }

    /// Which published network the weights are of.
    pub(super) fn variant(&self) -> Result<SamVariant, WeightsError> {
        if self.stored_name("image_encoder.patch_embed.seq.0.c.weight").is_some() {
            return Ok(SamVariant::Mobile);
        }
        let deep = |block: usize| {
            self.stored_name(&format!("image_encoder.blocks.{block}.norm1.weight")).is_some()
        };
        match (deep(0), deep(12), deep(24)) {
            (true, false, _) => Ok(SamVariant::VitB),
            (true, true, false) => Ok(SamVariant::VitL),
            (true, true, true) => Ok(SamVariant::VitH),
            _ => Err(self.missing("image_encoder.blocks.0.norm1.weight")),
        }
    }

    /// Fails unless the weights are of this variant.
    pub(super) fn expect(&self, asked: SamVariant) -> Result<(), WeightsError> {
        let found = self.variant()?;
        if found == asked {
            return Ok(());
        }
        Err(WeightsError::WrongVariant { path: self.path.clone(), asked, found })
    }

    /// The tensor with Meta's `name`, as `f32`, row by row.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        #[cfg(any(test, feature = "testing"))]
        if let Source::Generated(generate) = &self.source {
            return Ok(generate(name, shape));
        }
        let stored = self.stored_name(name).ok_or_else(|| self.missing(name))?;
        let tensor = self.read(&stored)?;
        if tensor.dims() != shape {
            return Err(WeightsError::Shape {
                path: self.path.clone(),
                name: name.into(),
                expected: shape.into(),
                found: tensor.dims().into(),
            });
        }
        let values = tensor.to_dtype(DType::F32).and_then(|tensor| tensor.flatten_all()?.to_vec1());
        values.map_err(|error| self.unreadable(&error))
    }

    fn read(&self, stored: &str) -> Result<Tensor, WeightsError> {
        let tensor = match &self.source {
            Source::Pth(file) => file.get(stored),
            Source::Safetensors(file) => file.load(stored, &Device::Cpu).map(Some),
            #[cfg(any(test, feature = "testing"))]
            Source::Generated(_) => Ok(None),
        };
        tensor.map_err(|error| self.unreadable(&error))?.ok_or_else(|| self.missing(stored))
    }

    /// The file's name of a tensor. Some names are of other tensors in the other naming, so a file
    /// is read by one of them throughout.
    fn stored_name(&self, name: &str) -> Option<String> {
        let hugging_face = self.names.iter().any(|name| name.starts_with("vision_encoder."));
        let has = |name: &String| self.names.contains(name);
        if !hugging_face {
            return Some(name.to_string()).filter(has);
        }
        let shared = name.ends_with("positional_encoding_gaussian_matrix");
        let shared = shared.then(|| SHARED_EMBEDDING.to_string());
        [Some(hugging_face_name(name)), shared].into_iter().flatten().find(has)
    }

    fn missing(&self, name: &str) -> WeightsError {
        WeightsError::Missing { path: self.path.clone(), name: name.into() }
    }

    fn unreadable(&self, error: &candle_core::Error) -> WeightsError {
        WeightsError::Read { path: self.path.clone(), reason: error.to_string() }
    }
}

/// Where Hugging Face also keeps the matrix of the positional encoding.
const SHARED_EMBEDDING: &str = "shared_image_embedding.positional_embedding";

/// Meta's name → Hugging Face's.
pub(super) fn hugging_face_name(name: &str) -> String {
    /// Parts of names, in an order in which no part is renamed twice.
    const PARTS: [(&str, &str); 21] = [
        ("iou_prediction_head.layers.0", "iou_prediction_head.proj_in"),
        ("iou_prediction_head.layers.1", "iou_prediction_head.layers.0"),
        ("iou_prediction_head.layers.2", "iou_prediction_head.proj_out"),
        ("output_upscaling.0", "upscale_conv1"),
        ("output_upscaling.1", "upscale_layer_norm"),
        ("output_upscaling.3", "upscale_conv2"),
        ("mask_downscaling.0", "mask_embed.conv1"),
        ("mask_downscaling.1", "mask_embed.layer_norm1"),
        ("mask_downscaling.3", "mask_embed.conv2"),
        ("mask_downscaling.4", "mask_embed.layer_norm2"),
        ("mask_downscaling.6", "mask_embed.conv3"),
        ("point_embeddings", "point_embed"),
        ("pe_layer.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
        ("image_encoder", "vision_encoder"),
        ("neck.0", "neck.conv1"),
        ("neck.1", "neck.layer_norm1"),
        ("neck.2", "neck.conv2"),
        ("neck.3", "neck.layer_norm2"),
        ("patch_embed.proj", "patch_embed.projection"),
        (".norm", ".layer_norm"),
        ("blocks", "layers"),
    ];
    let mut name = name.to_string();
    if let Some(at) = name.find("output_hypernetworks_mlps") {
        let (head, tail) = name.split_at(at);
        let tail = tail.replace("layers.0", "proj_in").replace("layers.2", "proj_out");
        name = format!("{head}{}", tail.replace("layers.1", "layers.0"));
    }
    PARTS.iter().fold(name, |name, (meta, hugging_face)| name.replace(meta, hugging_face))
}
