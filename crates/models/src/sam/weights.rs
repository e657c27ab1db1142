//! Weight files: Meta's `.pth` and `.safetensors`, and Hugging Face's `facebook/sam-vit-*`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use hsets_autodiff::{Backend, Graph, Network, ParameterSpec};
use hsets_weights::TensorFile;

use super::SamConfig;

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
    /// The weights are of another network than asked for.
    #[error(
        "{path} holds the weights of {found}, not of {asked}; ask for {found} or give another file"
    )]
    WrongNetwork {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        asked: String,
        /// What the file holds.
        found: String,
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
    /// The network could not be built or bound to its weights.
    #[error(transparent)]
    Network(#[from] hsets_autodiff::Error),
    /// The device is not to be had.
    #[error("{0}")]
    Device(Box<crate::Error>),
}

impl From<WeightsError> for hsets_core::Error {
    fn from(error: WeightsError) -> Self {
        Self::field(error)
    }
}

/// Tensors by Meta's names, whatever the file calls them.
pub struct SamWeights {
    path: PathBuf,
    source: Source,
}

enum Source {
    File {
        file: TensorFile,
        /// Names of tensors → their names in the file.
        names: BTreeMap<String, String>,
    },
    Generated(Generate),
}

/// Makes a tensor of a name and a shape.
type Generate = Box<dyn Fn(&str, &[usize]) -> Vec<f32>>;

/// Tensors by which a network is told: of a TinyViT, of a ViT, of a ViT by Hugging Face's names.
const MARKS: [&str; 3] = [
    "image_encoder.patch_embed.seq.0.c.weight",
    "image_encoder.blocks.0.norm1.weight",
    "vision_encoder.layers.0.layer_norm1.weight",
];

impl SamWeights {
    /// Opens a file; tensors are read as they are asked for.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::of_file(path, TensorFile::read(path))
    }

    /// The same of a file that must have this SHA-256.
    pub fn open_verified(path: &Path, sha256: &str) -> Result<Self, WeightsError> {
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
    pub fn digest(&mut self) -> String {
        match &mut self.source {
            Source::File { file, .. } => file.sha256().to_owned(),
            Source::Generated(_) => String::new(),
        }
    }

    /// Weights made by `generate(name, shape)`.
    pub fn generated(generate: impl Fn(&str, &[usize]) -> Vec<f32> + 'static) -> Self {
        Self { path: "generated".into(), source: Source::Generated(Box::new(generate)) }
    }

    /// The name of the published network that the weights are of; of the sizes nothing is checked.
    pub fn network(&self) -> Result<&'static str, WeightsError> {
        if self.stored_name("image_encoder.patch_embed.seq.0.c.weight").is_some() {
            return Ok("mobile-sam");
        }
        let deep = |block: usize| {
            self.stored_name(&format!("image_encoder.blocks.{block}.norm1.weight")).is_some()
        };
        match (deep(0), deep(12), deep(24)) {
            (true, false, _) => Ok("sam-vit-b"),
            (true, true, false) => Ok("sam-vit-l"),
            (true, true, true) => Ok("sam-vit-h"),
            _ => Err(self.missing("image_encoder.blocks.0.norm1.weight")),
        }
    }

    /// The sizes of the network that the weights are of; fails if it is not the one `asked` for.
    pub(super) fn config(
        &self,
        asked: Option<&str>,
    ) -> Result<(&'static str, SamConfig), WeightsError> {
        let found = self.network()?;
        if let Some(asked) = asked.filter(|&asked| asked != found) {
            let (path, asked, found) = (self.path.clone(), asked.into(), found.into());
            return Err(WeightsError::WrongNetwork { path, asked, found });
        }
        let config = SamConfig::published(found);
        Ok((found, config.ok_or_else(|| self.missing("image_encoder.blocks.0.norm1.weight"))?))
    }

    /// The parameters of a graph, without `others` that are no weights.
    pub(super) fn of(
        &self,
        graph: &Graph,
        others: &[&str],
    ) -> Result<BTreeMap<String, Tensor>, WeightsError> {
        let parameters = graph.parameters().iter();
        let own = parameters.filter(|parameter| !others.contains(&parameter.name.as_str()));
        own.map(|parameter| {
            Ok((parameter.name.clone(), self.tensor(&parameter.name, &parameter.shape)?))
        })
        .collect()
    }

    /// A graph with its weights, for values alone.
    pub(super) fn bind<B: Backend<Scalar = f32> + Clone>(
        &self,
        backend: &B,
        graph: &Graph,
    ) -> Result<Network<B>, WeightsError> {
        graph.parameters().iter().try_for_each(|p| self.check(&p.name, &p.shape))?;
        let read = |parameter: &ParameterSpec| {
            let values = self.get(&parameter.name, &parameter.shape);
            values.map_err(|error| hsets_autodiff::Error::Unsupported(error.to_string()))
        };
        Ok(Network::for_values_read(backend.clone(), graph, &read)?)
    }

    /// The numbers of the tensor with Meta's `name`, row by row.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        let tensor = self.tensor(name, shape)?;
        let values = tensor.flatten_all().and_then(|tensor| tensor.to_vec1());
        values.map_err(|error| self.unreadable(&error))
    }

    /// The tensor with Meta's `name`, as `f32`.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, WeightsError> {
        let file = match &self.source {
            Source::File { file, .. } => file,
            Source::Generated(generate) => {
                let tensor = Tensor::from_vec(generate(name, shape), shape, &Device::Cpu);
                return tensor.map_err(|error| self.unreadable(&error));
            }
        };
        self.check(name, shape)?;
        let stored = self.stored_name(name).ok_or_else(|| self.missing(name))?;
        let tensor = file.tensor(stored).map_err(|error| unreadable(&self.path, error))?;
        tensor.to_dtype(DType::F32).map_err(|error| self.unreadable(&error))
    }

    /// Fails unless there is a tensor with Meta's `name`, of this shape.
    fn check(&self, name: &str, shape: &[usize]) -> Result<(), WeightsError> {
        let Source::File { file, .. } = &self.source else { return Ok(()) };
        let stored = self.stored_name(name).ok_or_else(|| self.missing(name))?;
        match file.shape(stored) {
            Some(found) if found != shape => Err(WeightsError::Shape {
                path: self.path.clone(),
                name: name.into(),
                expected: shape.into(),
                found: found.into(),
            }),
            _ => Ok(()),
        }
    }

    /// The file's name of a tensor. Some names are of other tensors in the other naming, so a file
    /// is read by one of them throughout.
    fn stored_name(&self, name: &str) -> Option<&str> {
        let names = match &self.source {
            Source::File { names, .. } => names,
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

    fn unreadable(&self, error: &candle_core::Error) -> WeightsError {
        WeightsError::Read { path: self.path.clone(), reason: error.to_string() }
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
pub fn hugging_face_name(name: &str) -> String {
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
