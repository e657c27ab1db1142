//! One picture explained.

use std::{path::PathBuf, sync::Arc};

use hsets_pipeline::{
    Explanation as Found, Reference,
    core::{FeatureSet, Photo, Shape},
    detection::PairEffects,
    segmentation::SegmenterChoice,
};
use hsets_report::{ModelRecord, Provenance, Results, output::Folder};
use numpy::{PyArray1, PyArray2, PyArray3};
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    arrays, errors::Error, interaction::Interaction, network::Loaded, run::compute,
    settings::Settings,
};

/// A picture explained: which groups of pixels act together, and how much each matters.
#[pyclass(frozen, module = "hsets")]
pub(crate) struct Explanation {
    pub(crate) network: Arc<Loaded>,
    pub(crate) found: Found,
    pub(crate) photo: Photo,
    pub(crate) settings: Settings,
    pub(crate) segmenter: SegmenterChoice,
    pub(crate) input: String,
}

#[pymethods]
impl Explanation {
    /// What is explained, for people.
    #[getter]
    fn target(&self, py: Python<'_>) -> PyResult<String> {
        self.results(py, |results| Ok(results.title().to_owned()))
    }

    /// Index of the class that is explained; None where several are.
    #[getter]
    fn class_index(&self) -> Option<usize> {
        self.found.target.class()
    }

    /// Probability of that class.
    #[getter]
    fn probability(&self) -> Option<f64> {
        self.class_index().map(|class| self.found.link.probability(&self.found.logits, class))
    }

    /// Logits [K] of the picture.
    #[getter]
    fn logits<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_slice(py, &self.found.logits)
    }

    /// One score per feature, float32 [C, H, W].
    #[getter]
    fn map<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let map = &self.found.map;
        arrays::of_map(py, map.shape(), map.data().to_vec())
    }

    /// The sets, the highest score first; empty for methods without sets.
    #[getter]
    fn sets(&self) -> Vec<InteractionSet> {
        let shape = self.found.image.shape();
        let sets = self.found.sets.iter();
        let set = |set: &hsets_pipeline::ScoredSet| InteractionSet {
            shape,
            features: set.features.clone(),
            score: set.score,
            standard_error: set.standard_error,
            n_samples: set.n_samples,
            seed: set.grown.map(|grown| shape.position(grown.seed)),
            segment: set.grown.map(|grown| grown.segment),
        };
        sets.map(set).collect()
    }

    /// "interaction" where a pair of regions is claimed to act together, "none found" where none is;
    /// None for methods that do not test.
    #[getter]
    fn verdict(&self) -> Option<&'static str> {
        let contrasts = self.found.interactions.contrasts.as_ref()?;
        Some(if contrasts.has_claim() { "interaction" } else { "none found" })
    }

    /// Pairs of regions that were tested, the strongest first; empty for methods that do not test.
    #[getter]
    fn interactions(&self) -> Vec<Interaction> {
        let contrasts = self.found.interactions.contrasts.iter();
        contrasts.flat_map(|found| found.interactions.iter().cloned().map(Interaction)).collect()
    }

    /// Effects of all pairs of segments, float64 [S, S]; None for methods without.
    #[getter]
    fn pair_effects<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        let effects = self.found.interactions.pair_effects.as_ref();
        let matrix = |found: &Arc<PairEffects>| {
            arrays::array2(py, (found.n_segments(), found.n_segments()), found.effects.clone())
        };
        effects.map(matrix).transpose()
    }

    /// What removed pixels show where interactions are claimed, float32 [C, H, W].
    #[getter]
    fn reference<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let Found { image, segments, .. } = &self.found;
        let reference = self.settings.plan.contrasts.references.first();
        let reference = reference.unwrap_or(&Reference::Ring);
        let reference = reference.image(image, segments, &self.network.normalisation());
        let reference = reference.map_err(Error::from)?;
        arrays::of_map(py, reference.shape(), reference.into_data())
    }

    /// Labels of the segments, int32 [H, W].
    #[getter]
    fn segments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        arrays::of_segments(py, &self.found.segments)
    }

    /// What the network sees, uint8 [H, W, 3].
    #[getter]
    fn photo<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        arrays::of_photo(py, &self.photo)
    }

    /// The same, normalised: float32 [C, H, W].
    #[getter]
    fn image<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let image = &self.found.image;
        arrays::of_map(py, image.shape(), image.data().to_vec())
    }

    /// Gini sparsity of the map, in 0 to 1.
    #[getter]
    fn gini(&self) -> f64 {
        self.found.measures.gini
    }

    /// All of it as a dictionary: the content of explanation.json.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.results(py, |results| results.record().to_pretty_json())?;
        py.import("json")?.call_method1("loads", (text,))
    }

    /// The page of `hsets explain`, which needs nothing but itself.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method has one lifetime")]
    fn html(&self, py: Python<'_>) -> PyResult<String> {
        self.results(py, |results| results.page())
    }

    /// Everything side by side, as PNG.
    fn figure<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let png = self.results(py, |results| results.figure()?.png())?;
        Ok(PyBytes::new(py, &png))
    }

    /// Writes the files of `hsets explain` into a folder; they appear together or not at all.
    fn save(&self, py: Python<'_>, out: PathBuf) -> PyResult<PathBuf> {
        self.results(py, |results| {
            let mut folder = Folder::begin(out)?;
            results.draw()?.add_to(&mut folder)?;
            folder.publish()
        })
    }

    /// Draws the photo with what was found into axes of matplotlib; gives them.
    #[pyo3(signature = (ax = None))]
    fn plot<'py>(
        slf: &Bound<'py, Self>,
        ax: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("hsets._plot")?.call_method1("explanation", (slf, ax))
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        let page = slf.get().html(slf.py())?;
        slf.py().import("hsets._plot")?.call_method1("framed", (page,))?.extract()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (target, method) = (self.target(py)?, self.settings.plan.method);
        let found = match self.verdict() {
            Some("none found") => "no interaction found".to_owned(),
            Some(verdict) => verdict.to_owned(),
            None => format!("{} sets", self.found.sets.len()),
        };
        Ok(format!("Explanation({target:?}, {method}, {found}, Gini {:.3})", self.gini()))
    }
}

impl Explanation {
    fn results<T: Send>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&Results<'_>) -> hsets_report::Result<T> + Send,
    ) -> PyResult<T> {
        let classifier = &self.network.classifier;
        compute(py, false, |_| {
            let provenance = Provenance {
                input: &self.input,
                model: &ModelRecord::new(classifier, &self.network.origin),
                label: &|class| classifier.labels().name(class).to_owned(),
                segmenter: &self.segmenter,
                baseline: &self.settings.baseline,
                preset: self.settings.preset,
                software: concat!("hsets ", env!("CARGO_PKG_VERSION")),
            };
            let (found, settings) = (&self.found, &self.settings.plan);
            Ok(ask(&Results::new(found, &self.photo, settings, &provenance))?)
        })
    }
}

/// Features that act together.
#[pyclass(frozen, module = "hsets")]
pub(crate) struct InteractionSet {
    shape: Shape,
    features: FeatureSet,
    /// How much the set matters.
    #[pyo3(get)]
    score: f64,
    /// Standard error of the score; 0 where nothing is sampled.
    #[pyo3(get)]
    standard_error: f64,
    /// Subsets that were sampled.
    #[pyo3(get)]
    n_samples: usize,
    /// The feature (channel, y, x) from which the set was grown.
    #[pyo3(get)]
    seed: Option<(usize, usize, usize)>,
    /// The segment of the seed.
    #[pyo3(get)]
    segment: Option<u32>,
}

#[pymethods]
impl InteractionSet {
    /// Members, bool [C, H, W].
    #[getter]
    fn features<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<bool>>> {
        arrays::of_features(py, self.shape, &self.features)
    }

    /// Pixels with a member in any channel, bool [H, W].
    #[getter]
    fn pixels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<bool>>> {
        let mut pixels = vec![false; self.shape.n_pixels()];
        self.features.iter().for_each(|feature| pixels[self.shape.pixel(feature)] = true);
        arrays::array2(py, (self.shape.height, self.shape.width), pixels)
    }

    fn __len__(&self) -> usize {
        self.features.len()
    }

    fn __repr__(&self) -> String {
        let Self { score, standard_error, features, .. } = self;
        let n_features = features.len();
        format!("InteractionSet(score={score:.4} ± {standard_error:.4}, {n_features} features)")
    }
}
