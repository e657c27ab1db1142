//! A network with its preprocessing and labels.

use std::{path::PathBuf, sync::Arc};

use hsets_pipeline::{
    Explainer, Explanation as Found, Method, Settings as Plan, Subject,
    attribution::{Baseline, Normalisation},
    core::{
        Error as CoreError, Image, Progress, SegmentMap, Smoothing, Target, TwiceDifferentiable,
    },
    models::{self, Classifier, Prepared},
    normalisation,
    segmentation::{SegmenterChoice, merged},
};
use numpy::{PyArray2, PyArray3, PyArray4, PyReadonlyArray2, ndarray};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::PyList,
};

use crate::{
    arrays::{self, Batch, Picture, unshaped},
    errors::{Error, Result},
    explanation::Explanation,
    game::Game,
    interaction::Interaction,
    run::compute,
    segment::segmenter,
    settings::{Settings, baseline},
};

/// Images whose logits or gradients are asked for between two looks for Ctrl-C.
const CHUNK: usize = 32;

/// A classifier and where its weights came from.
pub(crate) struct Loaded {
    pub(crate) classifier: Classifier,
    pub(crate) origin: String,
}

impl Loaded {
    pub(crate) fn field(&self) -> &dyn TwiceDifferentiable {
        self.classifier.field()
    }

    pub(crate) fn normalisation(&self) -> Normalisation {
        normalisation(self.classifier.preprocessing())
    }

    pub(crate) fn prepare(&self, py: Python<'_>, picture: &Picture<'_>) -> PyResult<Prepared> {
        match picture {
            Picture::Path(path) => compute(py, false, |_| Ok(self.classifier.read(path)?)),
            Picture::Pixels(pixels) => {
                let photo = arrays::photo(pixels)?;
                let preprocessing = self.classifier.preprocessing();
                compute(py, false, |_| Ok(preprocessing.prepare(&photo)?))
            }
            Picture::Normalised(values) => {
                let image = arrays::image(values)?;
                compute(py, false, |_| self.denormalised(image))
            }
        }
    }

    /// A normalised image with the photo it would have been made from.
    fn denormalised(&self, image: Image) -> Result<Prepared> {
        image.expect_shape("image", self.field().shape())?;
        Ok(Prepared { photo: self.classifier.preprocessing().denormalize(&image)?, image })
    }

    /// What `ask` finds with an explainer of one picture.
    fn explained<T>(
        &self,
        prepared: &Prepared,
        segmenting: &Segmenting,
        progress: &dyn Progress,
        ask: impl FnOnce(Explainer<'_>) -> Result<T>,
    ) -> Result<T> {
        let subject = Subject {
            image: &prepared.image,
            photo: &prepared.photo,
            normalisation: &self.normalisation(),
        };
        ask(segmenting.explainer(self.field(), &subject, progress)?)
    }

    fn explanation(
        &self,
        prepared: &Prepared,
        segmenting: &Segmenting,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<Found> {
        self.explained(prepared, segmenting, progress, |explainer| {
            Ok(explainer.explain(plan, progress)?)
        })
    }

    pub(crate) fn target(&self, target: Option<&Class>, against: Option<&Class>) -> Result<Target> {
        let class = match (target, against) {
            (None, None) => return Ok(Target::Top),
            (None, Some(_)) => {
                let expected = "needs a target to compare with it";
                return Err(CoreError::config("against", "given", expected).into());
            }
            (Some(Class::Name(name)), None) => return Ok(self.classifier.scalar(name)?),
            (Some(class), None) => return Ok(Target::Logit(self.class(class)?)),
            (Some(class), Some(_)) => self.class(class)?,
        };
        let against = against.map(|class| self.class(class)).transpose()?.unwrap_or(class);
        Ok(Target::Difference { class, against })
    }

    fn class(&self, class: &Class) -> Result<usize> {
        let text = match class {
            Class::Index(index) => index.to_string(),
            Class::Name(name) => name.clone(),
        };
        Ok(self.classifier.labels().find(&text)?)
    }
}

/// A class: its index or its label.
pub(crate) enum Class {
    Index(i64),
    Name(String),
}

impl<'py> FromPyObject<'_, 'py> for Class {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let index = || given.extract().map(Self::Index);
        given.extract().map(Self::Name).or_else(|_| index()).map_err(|_| {
            let found = given.get_type();
            PyTypeError::new_err(format!("a class is an index or a name, not {found}"))
        })
    }
}

/// What is explained of each image of a batch.
pub(crate) enum Classes {
    All(Class),
    Each(Vec<Class>),
}

impl<'py> FromPyObject<'_, 'py> for Classes {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let given = arrays::listed(&given)?;
        if given.is_instance_of::<PyList>() {
            return given.extract().map(Self::Each);
        }
        given.extract().map(Self::All)
    }
}

/// Where segments come from: a name, or labels \[H, W\].
#[derive(FromPyObject)]
pub(crate) enum Segments<'py> {
    Name(String),
    Labels(PyReadonlyArray2<'py, i32>),
}

/// Segments that are there already, or what makes them.
struct Segmenting {
    choice: SegmenterChoice,
    given: Option<SegmentMap>,
}

impl Segmenting {
    fn new(py: Python<'_>, segments: Option<&Segments<'_>>, side: usize) -> PyResult<Self> {
        let name = match segments {
            None => SegmenterChoice::DEFAULT,
            Some(Segments::Name(name)) => name,
            Some(Segments::Labels(labels)) => {
                let given = Some(arrays::segments(labels)?);
                let choice = SegmenterChoice::LabelMap { file: PathBuf::from("an array") };
                return Ok(Self { choice, given });
            }
        };
        Ok(Self { choice: segmenter(py, name, side)?, given: None })
    }

    fn explainer<'a>(
        &self,
        field: &'a dyn TwiceDifferentiable,
        subject: &Subject<'a>,
        progress: &dyn Progress,
    ) -> Result<Explainer<'a>> {
        Ok(match &self.given {
            Some(segments) => Explainer::with_segments(field, subject, segments.clone())?,
            None => Explainer::new(field, subject, self.choice.build()?.as_ref(), progress)?,
        })
    }
}

/// One of the most probable classes.
#[pyclass(frozen, get_all, module = "hsets")]
pub(crate) struct Prediction {
    /// Index of the class.
    class_index: usize,
    /// Its label.
    label: String,
    /// Its probability.
    probability: f64,
    /// Its logit.
    logit: f32,
}

#[pymethods]
impl Prediction {
    fn __repr__(&self) -> String {
        let Self { class_index, label, probability, .. } = self;
        format!(
            "Prediction(label={label:?}, probability={probability:.4}, class_index={class_index})"
        )
    }
}

/// An image classifier, ready to be explained. Made by `hsets.load` and `hsets.from_torch`.
#[pyclass(frozen, module = "hsets")]
pub(crate) struct Network(pub(crate) Arc<Loaded>);

#[pymethods]
impl Network {
    /// Name of the architecture, of the ONNX file or of the module.
    #[getter]
    fn name(&self) -> &str {
        self.0.classifier.name()
    }

    /// Where the weights came from.
    #[getter]
    fn weights(&self) -> &str {
        &self.0.origin
    }

    /// SHA-256 of the weights, hexadecimal.
    #[getter]
    fn weights_sha256(&self) -> &str {
        self.0.classifier.weights_sha256()
    }

    /// Shape (C, H, W) of the images.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        let shape = self.0.classifier.shape();
        (shape.channels, shape.height, shape.width)
    }

    /// Number of classes.
    #[getter]
    fn n_classes(&self) -> usize {
        self.0.field().n_classes()
    }

    /// How logits become probabilities: "softmax" or "sigmoid".
    #[getter]
    fn probabilities(&self) -> &'static str {
        self.0.field().link().name()
    }

    /// Names of the classes.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.classifier.labels().names())
    }

    /// Mean of each channel, of pixel values in 0 to 1.
    #[getter]
    fn mean(&self) -> [f32; 3] {
        self.0.classifier.preprocessing().mean
    }

    /// Standard deviation of each channel, of pixel values in 0 to 1.
    #[getter]
    fn std(&self) -> [f32; 3] {
        self.0.classifier.preprocessing().std
    }

    /// A picture as the network sees it: float32 [C, H, W].
    fn preprocess<'py>(
        &self,
        py: Python<'py>,
        image: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let prepared = self.0.prepare(py, &arrays::picture(image)?)?;
        arrays::of_map(py, prepared.image.shape(), prepared.image.into_data())
    }

    /// Logits [N, K] of normalised images [N, C, H, W].
    fn logits<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let batch = self.batch(x)?;
        let images = batch.slices()?;
        let logits = compute(py, false, |progress| {
            chunked(&images, progress, |chunk| Ok(self.0.field().logits_of_slices(chunk)?))
        })?;
        let size = (logits.len(), self.n_classes());
        arrays::array2(py, size, logits.into_iter().flatten().collect())
    }

    /// The `top` most probable classes of a picture, most probable first.
    #[pyo3(signature = (image, top = 5))]
    fn predict(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        top: usize,
    ) -> PyResult<Vec<Prediction>> {
        let prepared = self.0.prepare(py, &arrays::picture(image)?)?;
        let ranked =
            compute(py, false, |_| Ok(self.0.classifier.predict(&prepared.image, top)?))?;
        let prediction = |found: models::Prediction| Prediction {
            class_index: found.class,
            label: found.label,
            probability: found.probability,
            logit: found.logit,
        };
        Ok(ranked.into_iter().map(prediction).collect())
    }

    /// Gradient [N, C, H, W] of the target with respect to normalised images [N, C, H, W].
    #[pyo3(signature = (x, target = None, *, against = None))]
    fn gradient<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        target: Option<Class>,
        against: Option<Class>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let batch = self.batch(x)?;
        let target = self.0.target(target.as_ref(), against.as_ref())?;
        let images = batch.slices()?;
        let found = compute(py, false, |progress| {
            let field = self.0.field();
            chunked(&images, progress, |chunk| Ok(field.gradients_of_slices(chunk, &target)?))
        })?;
        batch.shaped(py, found.into_iter().map(|one| one.gradient).collect())
    }

    /// Rows [n, C, H, W] of the Hessian of the target at one normalised image [C, H, W]: row i
    /// says what acts together with the i-th of `features`, each (channel, y, x).
    ///
    /// `smoothing` is how ReLU is smoothed, without which there is no Hessian: "paper",
    /// "reference", "exact" or "softplus:BETA".
    #[pyo3(signature = (x, features, target = None, *, against = None, smoothing = "paper"))]
    fn hessian_rows<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        features: &Bound<'py, PyAny>,
        target: Option<Class>,
        against: Option<Class>,
        smoothing: &str,
    ) -> PyResult<Bound<'py, PyArray4<f32>>> {
        let image = self.batch(x)?.one("hessian_rows")?;
        let shape = image.shape();
        let features: Vec<[usize; 3]> = arrays::listed(features)?.extract().map_err(|_| {
            PyValueError::new_err("features: expected a list of (channel, y, x), none below 0")
        })?;
        let index = |&[channel, y, x]: &[usize; 3]| {
            let inside = channel < shape.channels && y < shape.height && x < shape.width;
            inside.then(|| shape.index(channel, y, x)).ok_or_else(|| {
                PyValueError::new_err(format!("feature ({channel}, {y}, {x}) lies outside {shape}"))
            })
        };
        let indices = features.iter().map(index).collect::<PyResult<Vec<_>>>()?;
        let smoothing = smoothing_named(smoothing)?;
        let target = self.0.target(target.as_ref(), against.as_ref())?;
        let rows = compute(py, false, |progress| {
            let logits = self.0.field().logits(std::slice::from_ref(&image))?.swap_remove(0);
            let target = target.fixed(&logits);
            target.check(logits.len())?;
            let curvature = self.0.field().curvature_at(&image, &target, smoothing)?;
            chunked(&indices, progress, |chunk| Ok(curvature.rows(chunk)?))
        })?;
        let size = (rows.len(), shape.channels, shape.height, shape.width);
        let rows = ndarray::Array4::from_shape_vec(size, rows.concat()).map_err(unshaped)?;
        Ok(PyArray4::from_owned_array(py, rows))
    }

    /// Maps of the shape of `x`: normalised images [N, C, H, W] or one [C, H, W].
    ///
    /// `target`: a class for all images or a list of one each; without it, the top class of each.
    /// `baselines`: "zero", "black", "white", "mean", "blur", "noise", or an image [C, H, W].
    #[pyo3(signature = (
        x, target = None, method = "ig", *, against = None, baselines = None, segments = None,
        settings = None, seed = 0, progress = false
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn attribute<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        target: Option<Classes>,
        method: &str,
        against: Option<Class>,
        baselines: Option<Bound<'py, PyAny>>,
        segments: Option<&Bound<'py, PyAny>>,
        settings: Option<&Settings>,
        seed: u64,
        progress: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let batch = self.batch(x)?;
        let mut segmenting = self.segmenting(py, segments)?;
        let mut plan = Self::settings(settings, Some(method), seed)?.plan;
        if !plan.method.asks_for_segments() {
            let shape = self.0.classifier.shape();
            let whole = SegmentMap::whole(shape.width, shape.height).map_err(Error::from)?;
            segmenting.given = Some(whole);
        }
        if let Some(baseline) = baselines {
            plan.baseline = self.baseline(&baseline, seed)?;
        }
        let images = batch.slices()?;
        let targets = self.targets(target.as_ref(), against.as_ref(), images.len())?;
        let shape = batch.shape();
        let maps = compute(py, progress, |progress| {
            let each = images.iter().zip(targets);
            let map = |(image, target): (&&[f32], Target)| {
                let prepared = self.0.denormalised(Image::new(shape, image.to_vec())?)?;
                let plan = Plan { target, ..plan.clone() };
                let found = self.0.explanation(&prepared, &segmenting, &plan, progress)?;
                Ok(found.map.data().to_vec())
            };
            each.map(map).collect::<Result<Vec<Vec<f32>>>>()
        })?;
        batch.shaped(py, maps)
    }

    /// Explains one picture: a path, a PIL image, uint8 [H, W, 3], or normalised float [C, H, W].
    #[pyo3(signature = (
        image, target = None, *, against = None, method = None, segments = None, settings = None,
        seed = 0, progress = false
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn explain(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        target: Option<Class>,
        against: Option<Class>,
        method: Option<&str>,
        segments: Option<&Bound<'_, PyAny>>,
        settings: Option<&Settings>,
        seed: u64,
        progress: bool,
    ) -> PyResult<Explanation> {
        let picture = arrays::picture(image)?;
        let input = match &picture {
            Picture::Path(path) => path.display().to_string(),
            Picture::Pixels(_) | Picture::Normalised(_) => "an array".to_owned(),
        };
        let prepared = self.0.prepare(py, &picture)?;
        let segmenting = self.segmenting(py, segments)?;
        let mut settings = Self::settings(settings, method, seed)?;
        settings.plan.target = self.0.target(target.as_ref(), against.as_ref())?;
        let found = compute(py, progress, |progress| {
            self.0.explanation(&prepared, &segmenting, &settings.plan, progress)
        })?;
        Ok(Explanation {
            network: Arc::clone(&self.0),
            found,
            photo: prepared.photo,
            settings,
            segmenter: segmenting.choice,
            input,
        })
    }

    /// Measures and tests two regions of a picture, bool [H, W] each at the size that the network
    /// sees, as `explain(method="contrasts")` does those it proposes.
    #[pyo3(signature = (
        image, first, second, target = None, *, against = None, segments = None, settings = None,
        seed = 0, progress = false
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn contrast(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        first: &Bound<'_, PyAny>,
        second: &Bound<'_, PyAny>,
        target: Option<Class>,
        against: Option<Class>,
        segments: Option<&Bound<'_, PyAny>>,
        settings: Option<&Settings>,
        seed: u64,
        progress: bool,
    ) -> PyResult<Interaction> {
        let prepared = self.0.prepare(py, &arrays::picture(image)?)?;
        let segmenting = self.segmenting(py, segments)?;
        let pair = [[arrays::region(first)?, arrays::region(second)?]];
        let mut plan = Self::settings(settings, Some("contrasts"), seed)?.plan;
        plan.target = self.0.target(target.as_ref(), against.as_ref())?;
        plan.contrasts.regions.trials.exhaustive();
        let mut found = compute(py, progress, |progress| {
            self.0.explained(&prepared, &segmenting, progress, |explainer| {
                Ok(explainer.contrast(&plan, &pair, progress)?)
            })
        })?;
        let found = found.pop().ok_or_else(|| PyValueError::new_err("no pair was measured"))?;
        Ok(Interaction(found))
    }

    /// Plays every coalition of the segments of a picture, merged until at most `players` (16 or
    /// fewer) are left: what they are worth together, exactly, for 2**players forward passes.
    #[pyo3(signature = (
        image, target = None, *, against = None, players = 10, segments = None, settings = None,
        seed = 0, progress = false
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn game(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        target: Option<Class>,
        against: Option<Class>,
        players: usize,
        segments: Option<&Bound<'_, PyAny>>,
        settings: Option<&Settings>,
        seed: u64,
        progress: bool,
    ) -> PyResult<Game> {
        let prepared = self.0.prepare(py, &arrays::picture(image)?)?;
        let segmenting = self.segmenting(py, segments)?;
        let mut plan = Self::settings(settings, None, seed)?.plan;
        plan.target = self.0.target(target.as_ref(), against.as_ref())?;
        compute(py, progress, |progress| {
            self.0.explained(&prepared, &segmenting, progress, |explainer| {
                let segments = merged(explainer.segments(), players)?;
                let found = explainer.resegmented(segments.clone())?.exact_game(&plan, progress)?;
                let reference = &plan.contrasts.references[0];
                let normalisation = self.0.normalisation();
                let reference = reference.image(&prepared.image, &segments, &normalisation)?;
                Ok(Game { known: found.game, segments, reference })
            })
        })
    }

    fn __repr__(&self) -> String {
        let (name, shape) = (self.name(), self.0.classifier.shape());
        format!("Network({name}, input {shape}, {} classes, {})", self.n_classes(), self.0.origin)
    }
}

impl Network {
    fn batch<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Batch<'py>> {
        let batch = Batch::new(x)?;
        let (found, expected) = (batch.shape(), self.0.classifier.shape());
        if found != expected {
            return Err(Error::from(CoreError::shape("images", expected, found)).into());
        }
        Ok(batch)
    }

    fn segmenting(
        &self,
        py: Python<'_>,
        segments: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Segmenting> {
        let shape = self.0.classifier.shape();
        let segments = segments.map(arrays::segmenter).transpose()?;
        Segmenting::new(py, segments.as_ref(), shape.height.min(shape.width))
    }

    fn settings(
        settings: Option<&Settings>,
        method: Option<&str>,
        seed: u64,
    ) -> PyResult<Settings> {
        let paper = || Settings::new("paper", Plan::paper());
        let mut settings = settings.cloned().unwrap_or_else(paper);
        if let Some(method) = method {
            settings.plan.method = method.parse::<Method>().map_err(Error::from)?;
        }
        Ok(settings.with_seed(seed))
    }

    fn baseline(&self, given: &Bound<'_, PyAny>, seed: u64) -> PyResult<Baseline> {
        if let Ok(name) = given.extract::<String>() {
            return Ok(baseline(&name, seed)?);
        }
        Ok(Baseline::Image(self.batch(given)?.one("baselines")?))
    }

    fn targets(
        &self,
        target: Option<&Classes>,
        against: Option<&Class>,
        n: usize,
    ) -> PyResult<Vec<Target>> {
        match target {
            None => Ok(vec![self.0.target(None, against)?; n]),
            Some(Classes::All(class)) => Ok(vec![self.0.target(Some(class), against)?; n]),
            Some(Classes::Each(classes)) if classes.len() == n => {
                let each = classes.iter().map(|class| self.0.target(Some(class), against));
                Ok(each.collect::<Result<_>>()?)
            }
            Some(Classes::Each(classes)) => {
                let found = classes.len();
                Err(PyValueError::new_err(format!("target: {found} classes for {n} images")))
            }
        }
    }
}

/// What `ask` says of each of `all`, with a look for Ctrl-C between chunks.
fn chunked<T, R>(
    all: &[T],
    progress: &dyn Progress,
    ask: impl Fn(&[T]) -> Result<Vec<R>>,
) -> Result<Vec<R>> {
    let mut found = Vec::with_capacity(all.len());
    for chunk in all.chunks(CHUNK) {
        if progress.is_cancelled() {
            return Err(CoreError::Cancelled.into());
        }
        found.extend(ask(chunk)?);
    }
    Ok(found)
}

/// How ReLU is smoothed, by name.
fn smoothing_named(name: &str) -> PyResult<Smoothing> {
    let beta = name.strip_prefix("softplus:").and_then(|beta| beta.parse::<f32>().ok());
    match (name, beta) {
        ("paper", _) => Ok(Smoothing::PAPER),
        ("reference", _) => Ok(Smoothing::REFERENCE),
        ("exact", _) => Ok(Smoothing::Exact),
        (_, Some(beta)) if beta > 0.0 && beta.is_finite() => Ok(Smoothing::Softplus { beta }),
        _ => {
            let expected = "expected paper, reference, exact or softplus:BETA";
            Err(PyValueError::new_err(format!("smoothing = {name}: {expected}")))
        }
    }
}
