//! Weight files: Meta's `.pth` and `.safetensors`, and Hugging Face's `facebook/sam-vit-*`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use candle_core::{DType, Tensor};
use hsets_weights::TensorFile;

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

/// Tensors by Meta's names, whatever the file calls them.
pub(super) struct Weights {
    path: PathBuf,
    source: Source,
}

enum Source {
    File {
        file: TensorFile,
        /// Names of tensors → their names in the file.
        names: BTreeMap<String, String>,
    },
    #[cfg(any(test, feature = "testing"))]
    Generated(Generate),
}

/// Makes a tensor of a name and a shape.
#[cfg(any(test, feature = "testing"))]
pub(super) type Generate = Box<dyn Fn(&str, &[usize]) -> Vec<f32>>;

/// Tensors by which a network is told: of a TinyViT, of a ViT, of a ViT by Hugging Face's names.
const MARKS: [&str; 3] = [
    "image_encoder.patch_embed.seq.0.c.weight",
    "image_encoder.blocks.0.norm1.weight",
    "vision_encoder.layers.0.layer_norm1.weight",
];

impl Weights {
    /// Opens a file; tensors are read as they are asked for.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::of_file(path, TensorFile::read(path))
    }

    /// The same of a file that must have this SHA-256.
    pub(super) fn open_verified(path: &Path, sha256: &str) -> Result<Self, WeightsError> {
        Self::of_file(path, TensorFile::read_verified(path, sha256))
    }

    fn of_file(path: &Path, file: hsets_weights::Result<TensorFile>) -> Result<Self, WeightsError> {
        let file = file.map_err(|error| unreadable(path, error))?;
        let is_network = |dict: &hsets_weights::StateDict<'_>| {
            MARKS.iter().any(|mark| dict.contains(mark)).then_some(())
        };
        let found = file.state_dict(is_network).map(|(dict, ())| dict);
        let dict = found.unwrap_or_else(|| file.largest_dict());
        let names = dict.iter().map(|(name, full, _)| (name.to_owned(), full.to_owned()));
        let names = names.collect();
        Ok(Self { path: path.into(), source: Source::File { file, names } })
    }

    /// SHA-256 of the file, in hexadecimal; empty where there is none.
    pub(super) fn digest(&mut self) -> String {
        match &mut self.source {
            Source::File { file, .. } => file.sha256().to_owned(),
            #[cfg(any(test, feature = "testing"))]
            Source::Generated(_) => String::new(),
        }
    }

    /// Weights made by `generate(name, shape)`.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn generated(generate: Generate) -> Self {
        Self { path: "generated".into(), source: Source::Generated(generate) }
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
        let file = match &self.source {
            Source::File { file, .. } => file,
            #[cfg(any(test, feature = "testing"))]
            Source::Generated(generate) => return Ok(generate(name, shape)),
        };
        let stored = self.stored_name(name).ok_or_else(|| self.missing(name))?;
        let tensor = file.tensor(stored).map_err(|error| unreadable(&self.path, error))?;
        if tensor.dims() != shape {
            return Err(WeightsError::Shape {
                path: self.path.clone(),
                name: name.into(),
                expected: shape.into(),
                found: tensor.dims().into(),
            });
        }
        let values = |tensor: Tensor| tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1();
        values(tensor).map_err(|error: candle_core::Error| WeightsError::Read {
            path: self.path.clone(),
            reason: error.to_string(),
        })
    }

    /// The file's name of a tensor. Some names are of other tensors in the other naming, so a file
    /// is read by one of them throughout.
    fn stored_name(&self, name: &str) -> Option<&str> {
        let names = match &self.source {
            Source::File { names, .. } => names,
            #[cfg(any(test, feature = "testing"))]
            Source::Generated(_) => return None,
        };
        let hugging_face = names.keys().any(|name| name.starts_with("vision_encoder."));
        if !hugging_face {
            return names.get(name).map(String::as_str);
        }
        let shared = name.ends_with("positional_encoding_gaussian_matrix");
        let shared = shared.then_some(SHARED_EMBEDDING);
        let stored = names.get(&hugging_face_name(name)).or_else(|| names.get(shared?));
        stored.map(String::as_str)
    }

    fn missing(&self, name: &str) -> WeightsError {
        WeightsError::Missing { path: self.path.clone(), name: name.into() }
    }
}

fn unreadable(path: &Path, error: hsets_weights::Error) -> WeightsError {
    let reason = match error {
        hsets_weights::Error::Io { source, .. } => source.to_string(),
        hsets_weights::Error::File { problem, .. } => problem,
        hsets_weights::Error::Digest { path, expected, found } => {
            return WeightsError::Digest { path, expected, found };
        }
        other => other.to_string(),
    };
    WeightsError::Read { path: path.into(), reason }
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
