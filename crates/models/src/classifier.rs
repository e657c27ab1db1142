//! A classifier ready to be explained: network, preprocessing, labels, and where they came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hsets_autodiff::{Graph, Weights};
use hsets_core::{Image, Link, Photo, Progress, Randomisable, Shape, Target, TwiceDifferentiable};
use hsets_weights::{Digest, TensorFile};

use crate::architecture::{Architecture, GraphOptions, PaddingMode};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::input::{Exif, read_input, read_photo};
use crate::labels::Labels;
use crate::model_config::ModelConfig;
#[cfg(feature = "onnx")]
use crate::onnx::OnnxFile;
use crate::preprocessing::{Prepared, Preprocessing};
use crate::published::Published;
use crate::recognise::{channels, classes, contents, fits, matching};
use crate::resample::Interpolation;
use crate::weights::{Naming, WeightFile};

/// What to load and what to override. `None` everywhere means: as the weights say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// An architecture (`resnet50`) or, without `weights`, an alias or a repository of the hub,
    /// either with `@REVISION`, or an ONNX file (`net.onnx`).
    pub model: Option<String>,
    /// A weight file; without `model`, its tensors tell the architecture. An ONNX file is one, too.
    pub weights: Option<PathBuf>,
    /// A named architecture whose preprocessing an ONNX file shares, where it states none.
    pub like: Option<String>,
    /// The output of an ONNX file that holds the logits, where it has several.
    pub output: Option<String>,
    /// A file of labels.
    pub labels: Option<PathBuf>,
    /// Mean of each channel, of values in \[0, 1\].
    pub mean: Option<[f32; 3]>,
    /// Standard deviation of each channel.
    pub std: Option<[f32; 3]>,
    /// (height, width) the network sees.
    pub input_size: Option<[usize; 2]>,
    /// Length of the short side after resizing.
    pub resize: Option<usize>,
    /// Share of the resized picture's short side that the crop keeps, timm's `crop_pct`: another way
    /// to say `resize`.
    pub crop_fraction: Option<f64>,
    /// Filter of the resize.
    pub interpolation: Option<Interpolation>,
    /// What becomes of the orientation in photos.
    pub exif: Option<Exif>,
    /// Padding of strided convolutions.
    pub padding: Option<PaddingMode>,
    /// eps of batch norm.
    pub batch_norm_eps: Option<f64>,
    /// How logits become probabilities: [`Link::Sigmoid`] where several classes may be true of a picture
    /// at once.
    pub probabilities: Option<Link>,
    /// Where the network runs.
    pub device: Device,
    /// Bytes that activations may take: batches are chosen by it.
    pub memory: Option<usize>,
}

/// A class with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Index of the class.
    pub class: usize,
    /// Its name.
    pub label: String,
    /// By the [`Link`] of the network.
    pub probability: f64,
    /// The logit.
    pub logit: f32,
}

/// A network with everything that belongs to its weights.
pub struct Classifier {
    structure: Structure,
    graph: Graph,
    weights: Weights,
    network: Box<dyn TwiceDifferentiable>,
    preprocessing: Preprocessing,
    labels: Labels,
    digest: Digest,
    notes: Vec<String>,
    device: Device,
    memory: Option<usize>,
}

impl Randomisable for Classifier {
    fn n_layers(&self) -> usize {
        self.graph.layers().count()
    }

    fn randomised(&self, n: usize, seed: u64) -> hsets_core::Result<Box<dyn TwiceDifferentiable>> {
        let weights = self.weights.randomised(&self.graph, n, seed).map_err(Error::from)?;
        Ok(self.device.bind(&self.graph, &weights, self.memory)?)
    }
}

/// Where the graph came from.
enum Structure {
    Named {
        architecture: Architecture,
        options: GraphOptions,
    },
    /// A file of this name.
    #[cfg_attr(not(feature = "onnx"), expect(dead_code))]
    Onnx(String),
}

impl Classifier {
    /// Loads an ONNX file, or an architecture with weights from a file or, where only a model is
    /// named, from the hub.
    pub fn load(options: &LoadOptions, progress: &dyn Progress) -> Result<Self> {
        if let Some(path) = onnx_file(options)? {
            return Self::from_onnx(&path, options);
        }
        let (path, asked) = match (&options.weights, &options.model) {
            (Some(path), Some(model)) => (path.clone(), Some(model.parse()?)),
            (Some(path), None) => (path.clone(), None),
            (None, Some(model)) => (fetch(model, progress)?, model.parse().ok()),
            (None, None) => {
                let hint = "name a model with --model, or a weight file with --weights";
                return Err(Error::UnknownModel(hint.into()));
            }
        };
        let file = TensorFile::read(&path)?;
        let stated = ModelConfig::from_metadata(file.metadata()).or(ModelConfig::beside(&path)?);
        Self::from_file(file, &stated, &path, asked, options)
    }

    /// A classifier from the bytes of a weight file; `name` stands for it in errors. The model and
    /// the weights of `options` do not matter: the bytes tell the architecture.
    pub fn from_bytes(bytes: &[u8], name: &Path, options: &LoadOptions) -> Result<Self> {
        check_named(options)?;
        let file = TensorFile::from_bytes(name, bytes.to_vec())?;
        let stated = ModelConfig::from_metadata(file.metadata());
        Self::from_file(file, &stated, name, None, options)
    }

    /// A classifier from the bytes of an ONNX file that holds its weights itself; `name` stands for
    /// it. `metadata` is what is known beyond that of the file, under the same names. The model and
    /// the weights of `options` do not matter.
    #[cfg(feature = "onnx")]
    pub fn from_onnx_bytes(
        bytes: &[u8],
        name: &Path,
        metadata: &BTreeMap<String, String>,
        options: &LoadOptions,
    ) -> Result<Self> {
        let file = OnnxFile::from_bytes(name, bytes)?;
        let stated = ModelConfig::from_metadata(metadata);
        let stated = stated.or(ModelConfig::from_metadata(file.metadata()));
        Self::from_onnx_file(&file, &stated, name, options)
    }

    /// A network with pseudo-random weights, to be trained; the model and the weights of `options`
    /// do not matter.
    pub fn untrained(
        architecture: Architecture,
        n_classes: usize,
        options: &LoadOptions,
    ) -> Result<Self> {
        let stated = ModelConfig::default();
        let shape = preprocessing(architecture, None, &stated, options)?.shape();
        let graph = architecture.graph(&GraphOptions::new(shape, n_classes))?;
        let file = WeightFile {
            weights: Weights::random(&graph, 0)?,
            naming: Naming::Torchvision,
            architecture: Some(architecture),
            metadata: BTreeMap::new(),
            digest: Digest::from(String::new()),
            notes: Vec::new(),
        };
        let published = Published::plain(architecture);
        Self::assemble(published, file, &stated, options, Path::new("random weights"))
    }

    fn from_file(
        file: TensorFile,
        stated: &ModelConfig,
        path: &Path,
        asked: Option<Published>,
        options: &LoadOptions,
    ) -> Result<Self> {
        let (named, note) = named(path, stated, asked)?;
        let file = WeightFile::choose(file, named.map(|named| named.architecture))?;
        let Some(published) = named.or(file.architecture.map(Published::plain)) else {
            let contents = contents(&file.weights);
            let problem = "not the weights of a known architecture (`hsets models` lists them)";
            let help = "--model NAME says which is meant, and then what does not fit";
            return Err(Error::file(path, format!("{problem}, but {contents}; {help}")));
        };
        let mut classifier = Self::assemble(published, file, stated, options, path)?;
        classifier.notes.extend(note);
        Ok(classifier)
    }

    fn assemble(
        published: Published,
        file: WeightFile,
        stated: &ModelConfig,
        options: &LoadOptions,
        path: &Path,
    ) -> Result<Self> {
        let architecture = published.architecture;
        let trained = architecture.trained_size(|name| Some(file.weights.get(name)?.dims()));
        let preprocessing = preprocessing(architecture, trained, stated, options)?;
        let n_classes = classes(architecture, &file.weights).unwrap_or(1000);
        let eps = architecture.batch_norm_eps(file.naming);
        let graph_options = GraphOptions {
            padding: options.padding.or(stated.padding).or(published.padding),
            batch_norm_eps: options
                .batch_norm_eps
                .or(stated.batch_norm_eps)
                .or(published.batch_norm_eps)
                .or(Some(eps)),
            channels: channels(&file.weights),
            ..GraphOptions::new(preprocessing.shape(), n_classes)
        };
        // Widths of another architecture may not even go together in this one.
        let graph = architecture.graph(&graph_options).map_err(|error| {
            match file.architecture.or_else(|| looks_like(path)) {
                Some(other) if other != architecture => Error::Weights(format!(
                    "{}: this file looks like a {other}, not a {architecture}",
                    path.display()
                )),
                _ => error,
            }
        })?;
        let graph = with_link(graph, stated.probabilities, options)?;
        let weights = architecture.resized(file.weights, preprocessing.crop)?;
        let file = WeightFile { weights, ..file };
        // Binding checks the weights too; only where it fails, what is wrong is found out in full.
        let bound = options.device.bind(&graph, &file.weights, options.memory);
        let network = bound.or_else(|error| {
            let problem = |problem| Error::Weights(format!("{}: {problem}", path.display()));
            let looks_like = file.architecture.or_else(|| looks_like(path));
            fits(architecture, &graph, &file.weights, looks_like).map_err(problem)?;
            Err(error)
        })?;
        let mut notes = [&file.notes[..], &stated.notes].concat();
        notes.extend(link_note(&graph, options));
        Ok(Self {
            structure: Structure::Named { architecture, options: graph_options },
            labels: labels(n_classes, stated, options)?,
            network,
            graph,
            weights: file.weights,
            preprocessing,
            digest: file.digest,
            notes,
            device: options.device,
            memory: options.memory,
        })
    }

    #[cfg(not(feature = "onnx"))]
    fn from_onnx(path: &Path, _options: &LoadOptions) -> Result<Self> {
        let what = format!("reading '{}'", path.display());
        Err(Error::NotCompiled { what, feature: "onnx" })
    }

    #[cfg(feature = "onnx")]
    fn from_onnx(path: &Path, options: &LoadOptions) -> Result<Self> {
        let file = OnnxFile::read(path)?;
        let stated = ModelConfig::from_metadata(file.metadata()).or(ModelConfig::beside(path)?);
        Self::from_onnx_file(&file, &stated, path, options)
    }

    #[cfg(feature = "onnx")]
    fn from_onnx_file(
        file: &OnnxFile,
        stated: &ModelConfig,
        path: &Path,
        options: &LoadOptions,
    ) -> Result<Self> {
        let like = options.like.as_deref().map(crate::like::preprocessing).transpose()?;
        // What a file says of itself is nearer to it than what a namesake was trained with.
        let usual = stated.apply(like.clone().unwrap_or(Preprocessing::IMAGENET));
        let knows_size = like.is_some() || stated.states_size();
        let wished = knows_size.then_some(usual.crop);
        let net = file.network(options.input_size, wished, options.output.as_deref())?;
        let graph = with_link(net.graph, net.probabilities.or(stated.probabilities), options)?;
        let shape = graph.input_shape();
        let mut notes = net.notes;
        notes.extend(link_note(&graph, options));
        notes.extend(stated.notes.iter().cloned());
        let mut preprocessing = usual.with_input_size([shape.height, shape.width]);
        let normalised = like.is_some() || stated.states_normalisation();
        if net.takes_bytes {
            // The network does the rest itself.
            preprocessing.mean = [0.0; 3];
            preprocessing.std = [1.0 / 255.0; 3];
        } else if !normalised && (options.mean.is_none() || options.std.is_none()) {
            notes.push(
                "it does not say how pictures are prepared: ImageNet's mean and standard deviation are \
                 taken; --mean and --std, or --like NAME, say otherwise"
                    .into(),
            );
        }
        let preprocessing = overridden(&preprocessing, options)?;
        notes.iter_mut().for_each(|note| *note = format!("{}: {note}", path.display()));
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
        Ok(Self {
            labels: labels(graph.n_classes(), stated, options)?,
            network: options.device.bind(&graph, &net.weights, options.memory)?,
            graph,
            weights: net.weights,
            structure: Structure::Onnx(name),
            preprocessing,
            digest: Digest::from(file.sha256().to_owned()),
            notes,
            device: options.device,
            memory: options.memory,
        })
    }

    /// The network as a field, for every stage.
    pub fn field(&self) -> &dyn TwiceDifferentiable {
        self.network.as_ref()
    }

    /// Name of the architecture, or of the ONNX file.
    pub fn name(&self) -> &str {
        match &self.structure {
            Structure::Named { architecture, .. } => architecture.name(),
            Structure::Onnx(name) => name,
        }
    }

    /// The named architecture it is, if it is one.
    pub fn architecture(&self) -> Option<Architecture> {
        match self.structure {
            Structure::Named { architecture, .. } => Some(architecture),
            Structure::Onnx(_) => None,
        }
    }

    /// The network without weights, to bind it elsewhere (another device, `f64`).
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The weights under canonical names.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// What happens to a photo.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// The names of the classes.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What a name asks for: the logit of a class, by its label or index; with `logprob:` or `logodds:`
    /// before it, these.
    pub fn scalar(&self, name: &str) -> Result<Target> {
        let (class, link) = (|name: &str| self.labels.find(name), self.graph.link());
        Ok(match (name.strip_prefix("logprob:"), name.strip_prefix("logodds:")) {
            (Some(name), _) => link.log_probability(class(name)?),
            (None, Some(name)) => link.log_odds(class(name)?),
            (None, None) => Target::Logit(class(name)?),
        })
    }

    /// How strided convolutions pad; `None` for an ONNX file, where each says it.
    pub fn padding(&self) -> Option<PaddingMode> {
        match &self.structure {
            Structure::Named { architecture, options } => {
                Some(options.padding.unwrap_or(architecture.padding()))
            }
            Structure::Onnx(_) => None,
        }
    }

    /// eps of the batch norms; `None` for an ONNX file, where each has its own.
    pub fn batch_norm_eps(&self) -> Option<f64> {
        match &self.structure {
            Structure::Named { architecture, options } => {
                let usual = || architecture.batch_norm_eps(Naming::Torchvision);
                Some(options.batch_norm_eps.unwrap_or_else(usual))
            }
            Structure::Onnx(_) => None,
        }
    }

    /// The same structure with another number of logits, to be trained. Fails for an ONNX file.
    pub fn graph_for(&self, n_logits: usize) -> Result<Graph> {
        match &self.structure {
            Structure::Named { architecture, options } => {
                architecture.graph(&GraphOptions { n_classes: n_logits, ..options.clone() })
            }
            Structure::Onnx(name) => Err(Error::UnknownModel(format!(
                "{name} can be explained, but not trained: name an architecture with --model"
            ))),
        }
    }

    /// SHA-256 of the weight file in hexadecimal.
    pub fn weights_sha256(&self) -> &str {
        self.digest.as_str()
    }

    /// What people should know of how the network was read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Shape of the images.
    pub fn shape(&self) -> Shape {
        self.graph.input_shape()
    }

    /// Reads an image file, or a tensor from a `.safetensors` file, as the network wants it.
    pub fn read(&self, path: &Path) -> Result<Prepared> {
        let prepared = read_input(path, &self.preprocessing)?;
        let (found, expected) = (prepared.image.shape(), self.shape());
        if found != expected {
            let problem = format!(
                "the input is {found}, the network takes {expected}: load it with this input size"
            );
            return Err(Error::file(path, problem));
        }
        Ok(prepared)
    }

    /// Reads a mask \[H·W\] at the size the network sees, resized and cropped as a photo is: an
    /// image file in which everything that is not black is inside.
    pub fn read_mask(&self, path: &Path) -> Result<Vec<bool>> {
        let photo = read_photo(path, self.preprocessing.exif)?;
        let is_inside = |pixel: &[u8]| pixel.iter().any(|&value| value > 0);
        let inside = photo
            .rgb()
            .chunks_exact(3)
            .flat_map(|pixel| [if is_inside(pixel) { u8::MAX } else { 0 }; 3]);
        let white = Photo::new(photo.width(), photo.height(), inside.collect())?;
        let seen = self.preprocessing.prepare(&white)?.photo;
        let mask: Vec<bool> = seen.rgb().chunks_exact(3).map(|pixel| pixel[0] > 127).collect();
        if !mask.contains(&true) {
            let problem = "nothing of the mask is inside what the network sees: paint the evidence \
                           in any colour but black";
            return Err(Error::file(path, problem));
        }
        Ok(mask)
    }

    /// The `n` most probable classes, most probable first.
    pub fn predict(&self, image: &Image, n: usize) -> Result<Vec<Prediction>> {
        let logits = self.network.logits(std::slice::from_ref(image))?.swap_remove(0);
        Ok(self.ranked(&logits, n))
    }

    /// The `n` most probable classes by these logits \[K\], most probable first.
    pub fn ranked(&self, logits: &[f32], n: usize) -> Vec<Prediction> {
        let wide: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
        let probabilities = self.graph.link().probabilities(&wide);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        let prediction = |class: usize| Prediction {
            class,
            label: self.labels.name(class).to_owned(),
            probability: probabilities[class],
            logit: logits[class],
        };
        order.into_iter().take(n).map(prediction).collect()
    }
}

/// The user's word before that of the weights.
fn with_link(graph: Graph, stated: Option<Link>, options: &LoadOptions) -> Result<Graph> {
    if let Some(link) = options.probabilities {
        link.check(graph.n_classes())?;
    }
    let stated = stated.filter(|link| link.check(graph.n_classes()).is_ok());
    Ok(match options.probabilities.or(stated) {
        Some(link) => graph.with_link(link),
        None => graph,
    })
}

/// What is unusual about the probabilities, unless the user asked for it.
fn link_note(graph: &Graph, options: &LoadOptions) -> Option<String> {
    if options.probabilities.is_some() {
        return None;
    }
    let whose = if graph.n_classes() == 1 { "one logit: its" } else { "each class by itself: a" };
    (graph.link() == Link::Sigmoid)
        .then(|| format!("{whose} probability is the sigmoid, not the softmax"))
}

/// The user's word before that of the weights before that of the architecture.
/// Of this size unless the weights (`trained`), what is stated beside them or the user says another.
fn preprocessing(
    architecture: Architecture,
    trained: Option<[usize; 2]>,
    stated: &ModelConfig,
    options: &LoadOptions,
) -> Result<Preprocessing> {
    let usual = architecture.preprocessing();
    let usual = match trained.filter(|&size| size != usual.crop) {
        Some(size) => usual.with_input_size(size),
        None => usual,
    };
    let mut preprocessing = stated.apply(usual);
    if let Some(size) = options.input_size {
        preprocessing = preprocessing.with_input_size(size);
    }
    overridden(&preprocessing, options)
}

/// With what the user says of all but the size, which is there already; checked.
fn overridden(preprocessing: &Preprocessing, options: &LoadOptions) -> Result<Preprocessing> {
    let resize = match (options.resize, options.crop_fraction) {
        (None, None) => preprocessing.resize,
        (Some(resize), None) => resize,
        (None, Some(fraction)) if fraction > 0.0 && fraction <= 1.0 => {
            preprocessing.clone().with_crop_fraction(fraction).resize
        }
        (None, Some(fraction)) => {
            return Err(hsets_core::Error::config("crop", fraction, "above 0, at most 1").into());
        }
        (Some(_), Some(fraction)) => {
            let expected = "without --resize, which says the same in pixels";
            return Err(hsets_core::Error::config("crop", fraction, expected).into());
        }
    };
    let preprocessing = Preprocessing {
        mean: options.mean.unwrap_or(preprocessing.mean),
        std: options.std.unwrap_or(preprocessing.std),
        resize,
        interpolation: options.interpolation.unwrap_or(preprocessing.interpolation),
        crop: preprocessing.crop,
        exif: options.exif.unwrap_or(preprocessing.exif),
    };
    preprocessing.check()?;
    Ok(preprocessing)
}

/// The ONNX file that is asked for, if it is one.
fn onnx_file(options: &LoadOptions) -> Result<Option<PathBuf>> {
    let is_one = |path: &Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    let named = options.model.as_deref().map(Path::new).filter(|path| is_one(path));
    let path = match (named, &options.weights) {
        (Some(path), None) => path,
        (Some(path), Some(_)) => {
            let problem = "an ONNX file is a network with its weights: leave out --weights";
            return Err(Error::file(path, problem));
        }
        (None, Some(path)) if is_one(path) => {
            if options.model.is_some() {
                let problem = "an ONNX file is a network with its weights: pass it with --model";
                return Err(Error::file(path, problem));
            }
            path
        }
        _ => {
            check_named(options)?;
            return Ok(None);
        }
    };
    if let Some(padding) = options.padding {
        let expected = "with a named architecture only: in an ONNX file every convolution says it";
        return Err(hsets_core::Error::config("padding", format!("{padding:?}"), expected).into());
    }
    Ok(Some(path.to_owned()))
}

/// Fails on what is said of ONNX files only.
fn check_named(options: &LoadOptions) -> Result<()> {
    let only = [(&options.like, "like"), (&options.output, "output")];
    if let Some((Some(value), name)) = only.into_iter().find(|(value, _)| value.is_some()) {
        let expected = "with an ONNX file only";
        return Err(hsets_core::Error::config(name, value, expected).into());
    }
    Ok(())
}

fn labels(n_classes: usize, stated: &ModelConfig, options: &LoadOptions) -> Result<Labels> {
    let (labels, source) = match (&options.labels, &stated.labels) {
        (Some(path), _) => (Labels::read(path)?, path.display().to_string()),
        (None, Some(labels)) => (labels.clone(), "the labels with the weights".to_owned()),
        (None, None) => return Ok(Labels::default_for(n_classes)),
    };
    if labels.len() != n_classes {
        let found = labels.len();
        return Err(Error::UnknownLabel(format!(
            "{source}: {found} labels, but the network has {n_classes} classes"
        )));
    }
    Ok(labels)
}

/// The user's word before that of the weights, and a note where they differ; `None` if nobody names
/// the architecture.
fn named(
    path: &Path,
    stated: &ModelConfig,
    asked: Option<Published>,
) -> Result<(Option<Published>, Option<String>)> {
    let stated_name = stated.architecture.as_deref();
    if let Some(asked) = asked {
        let differs = |name: &&str| {
            name.parse().map_or(true, |stated: Published| stated.architecture != asked.architecture)
        };
        let note = stated_name.filter(differs).map(|name| {
            let taken = asked.architecture;
            format!("{}: said to be {name}, taken for {taken} as asked", path.display())
        });
        return Ok((Some(asked), note));
    }
    let Some(name) = stated_name else { return Ok((None, None)) };
    let published = name.parse().map_err(|_| {
        let what = "are not of a network this program has";
        let help = "`hsets models` lists those; --model NAME says what they are instead";
        Error::file(path, format!("the weights of '{name}', as they are named, {what}: {help}"))
    });
    published.map(|published| (Some(published), None))
}

/// The architecture whose tensors a file holds, whatever was asked for.
fn looks_like(path: &Path) -> Option<Architecture> {
    TensorFile::read(path)
        .ok()?
        .state_dict(|dict| matching(dict, None))
        .map(|(_, m)| m.architecture)
}

#[cfg(feature = "hub")]
fn fetch(model: &str, progress: &dyn Progress) -> Result<PathBuf> {
    Ok(crate::hub::Hub::from_env().fetch(model, progress)?.weights)
}

#[cfg(not(feature = "hub"))]
fn fetch(model: &str, _progress: &dyn Progress) -> Result<PathBuf> {
    crate::aliases::repository(model)?;
    Err(Error::NotCompiled { what: format!("downloading '{model}'"), feature: "hub" })
}
