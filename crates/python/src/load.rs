//! Networks from files, the hub, and memory.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use hsets_pipeline::{
    core::{Error as CoreError, Link},
    models::{
        ALIASES, Architecture, Classifier, Device, Exif, Interpolation, LoadOptions, PaddingMode,
    },
};
use pyo3::{exceptions::PyTypeError, prelude::*};

use crate::{
    errors::{Error, Result},
    network::{Loaded, Network},
    run::compute,
};

/// The bundled model: ResNet-20 that plays rock, paper, scissors.
const BUNDLED: &[u8] = include_bytes!("../../../fixtures/bundled/model.safetensors");

/// What the program calls it.
const BUNDLED_NAME: &str = "bundled";

/// The bundled network, which plays rock, paper, scissors between two hands on 64x64 pixels.
#[pyfunction]
pub(crate) fn bundled(py: Python<'_>) -> PyResult<Network> {
    let name = Path::new("the bundled model");
    let classifier = compute(py, false, |_| {
        Ok(Classifier::from_bytes(BUNDLED, name, &LoadOptions::default())?)
    })?;
    network(py, classifier, BUNDLED_NAME.into())
}

/// Loads a network: an architecture with a weight file, a weight file alone, an ONNX file, a name of
/// the Hugging Face hub, or "bundled".
#[pyfunction]
#[pyo3(signature = (
    model = None, *, weights = None, like = None, output = None, labels = None, size = None,
    mean = None, std = None, resize = None, crop = None, interpolation = None,
    exif = None, padding = None, probabilities = None, device = "cpu",
    memory = None, progress = false
))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub(crate) fn load(
    py: Python<'_>,
    model: Option<PathBuf>,
    weights: Option<PathBuf>,
    like: Option<String>,
    output: Option<String>,
    labels: Option<PathBuf>,
    size: Option<Size>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    resize: Option<usize>,
    crop: Option<f64>,
    interpolation: Option<&str>,
    exif: Option<&str>,
    padding: Option<&str>,
    probabilities: Option<&str>,
    device: &str,
    memory: Option<usize>,
    progress: bool,
) -> PyResult<Network> {
    let model = model.map(|model| model.to_string_lossy().into_owned());
    match (&weights, model.as_deref()) {
        (None, None) => return Err(PyTypeError::new_err("load: name a model or a weight file")),
        (None, Some(BUNDLED_NAME)) => return bundled(py),
        _ => {}
    }
    let interpolation = interpolation.map(str::parse::<Interpolation>).transpose();
    let options = LoadOptions {
        model,
        weights,
        like,
        output,
        labels,
        mean,
        std,
        input_size: size.map(|size| size.0),
        resize,
        crop_fraction: crop,
        interpolation: interpolation.map_err(Error::from)?,
        exif: exif.map(str::parse::<Exif>).transpose().map_err(Error::from)?,
        padding: padding.map(str::parse::<PaddingMode>).transpose().map_err(Error::from)?,
        probabilities: probabilities.map(str::parse::<Link>).transpose().map_err(Error::from)?,
        device: device_named(device)?,
        memory,
        ..LoadOptions::default()
    };
    let classifier = compute(py, progress, |progress| Ok(Classifier::load(&options, progress)?))?;
    let origin = match (options.weights, options.model) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(path)) if classifier.architecture().is_none() => path,
        (None, model) => format!("hub:{}", model.unwrap_or_default()),
    };
    network(py, classifier, origin)
}

/// A network from the bytes of an ONNX file, and what is known of it besides under the names of its
/// metadata, as JSON.
#[pyfunction]
#[pyo3(signature = (onnx, name, metadata, *, mean = None, std = None, memory = None))]
pub(crate) fn load_onnx(
    py: Python<'_>,
    onnx: &[u8],
    name: &str,
    metadata: BTreeMap<String, String>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    memory: Option<usize>,
) -> PyResult<Network> {
    let options = LoadOptions { mean, std, memory, ..LoadOptions::default() };
    let classifier = compute(py, false, |_| {
        Ok(Classifier::from_onnx_bytes(onnx, Path::new(name), &metadata, &options)?)
    })?;
    network(py, classifier, name.to_owned())
}

/// What people should know of how a network was read goes to Python's log.
fn network(py: Python<'_>, classifier: Classifier, origin: String) -> PyResult<Network> {
    if !classifier.notes().is_empty() {
        let log = py.import("logging")?.call_method1("getLogger", ("hsets",))?;
        for note in classifier.notes() {
            log.call_method1("warning", ("%s", note))?;
        }
    }
    Ok(Network(Arc::new(Loaded { classifier, origin })))
}

fn device_named(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda),
        "metal" => Ok(Device::Metal),
        _ => Err(CoreError::config("device", name, "expected cpu, cuda or metal").into()),
    }
}

/// Height and width, or one number for both.
pub(crate) struct Size([usize; 2]);

impl<'py> FromPyObject<'_, 'py> for Size {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let square = || given.extract().map(|side| Self([side; 2]));
        given.extract().map(Self).or_else(|_| square()).map_err(|_: PyErr| {
            PyTypeError::new_err("size: expected a number of pixels, or (height, width)")
        })
    }
}

/// Names of the architectures, and of the aliases that the hub has weights for.
#[pyfunction(name = "models")]
pub(crate) fn model_names() -> (Vec<&'static str>, Vec<&'static str>) {
    let architectures = Architecture::all().map(Architecture::name);
    (architectures.collect(), ALIASES.iter().map(|(alias, _)| *alias).collect())
}
