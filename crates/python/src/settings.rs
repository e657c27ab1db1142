//! Settings by the names that the program has.

use hsets_pipeline::{
    Method, Reference, Settings as Plan,
    attribution::{Baseline, PathSettings, Quadrature, Samples, Steps},
    core::Error as CoreError,
};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::PyDict,
};

use crate::errors::{Error, Result};

/// How pictures are explained: a preset with what was changed of it.
///
/// `Settings.paper(mu=0.3)`, `Settings.reference()`, `Settings.complete(nu=500)`.
#[pyclass(frozen, eq, module = "hsets")]
#[derive(Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) preset: &'static str,
    pub(crate) plan: Plan,
    /// The baseline as it was named.
    pub(crate) baseline: String,
}

#[pymethods]
impl Settings {
    /// As published.
    #[staticmethod]
    #[pyo3(signature = (**changes))]
    fn paper(changes: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::new("paper", Plan::paper()).changed(changes)
    }

    /// As in the authors' program.
    #[staticmethod]
    #[pyo3(signature = (**changes))]
    fn reference(changes: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::new("reference", Plan::reference()).changed(changes)
    }

    /// A set and a score for every segment, a rank for every pixel.
    #[staticmethod]
    #[pyo3(signature = (**changes))]
    fn complete(changes: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::new("complete", Plan::complete()).changed(changes)
    }

    /// The same with changes.
    #[pyo3(signature = (**changes))]
    fn replace(&self, changes: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        self.clone().changed(changes)
    }

    /// Every setting, as in explanation.json.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = serde_json::to_string(&self.plan);
        let text = text.map_err(|error| PyValueError::new_err(error.to_string()))?;
        py.import("json")?.call_method1("loads", (text,))
    }

    fn __repr__(&self) -> String {
        let Self { preset, plan, .. } = self;
        let (method, found) = (plan.method, &plan.detection);
        let (mu, nu, sets) = (found.threshold, found.max_features, found.n_sets);
        format!("Settings.{preset}(method=\"{method}\", mu={mu}, nu={nu}, sets={sets})")
    }
}

impl Settings {
    pub(crate) fn new(preset: &'static str, plan: Plan) -> Self {
        Self { preset, plan, baseline: "zero".into() }
    }

    /// With this seed for everything random, the noise that stands for "absent" too.
    pub(crate) fn with_seed(mut self, seed: u64) -> Self {
        self.plan = self.plan.with_seed(seed);
        let references = self.plan.contrasts.references.iter_mut();
        let baselines = references.filter_map(|reference| match reference {
            Reference::Baseline(baseline) => Some(baseline),
            _ => None,
        });
        for baseline in baselines.chain([&mut self.plan.baseline]) {
            if let Baseline::Noise { seed: own, .. } = baseline {
                *own = seed;
            }
        }
        self
    }

    fn changed(mut self, changes: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        for (name, value) in changes.into_iter().flatten() {
            self.set(&name.extract::<String>()?, &value)?;
        }
        // Adaptive steps bring a rule of their own, but what was asked for counts.
        if let Some(rule) = changes.map(|all| all.get_item("quadrature")).transpose()?.flatten() {
            self.set("quadrature", &rule)?;
        }
        self.plan.check().map_err(Error::from)?;
        Ok(self)
    }

    /// Lays one change over the settings.
    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let plan = &mut self.plan;
        let (trials, proposals) =
            (&mut plan.contrasts.regions.trials, &mut plan.contrasts.regions.proposals);
        match name {
            "method" => plan.method = given::<String>(name, value)?.parse().map_err(Error::from)?,
            "mu" => plan.detection.threshold = given(name, value)?,
            "nu" => plan.detection.max_features = given(name, value)?,
            "sets" => plan.detection.n_sets = given(name, value)?,
            "max_rows" => plan.detection.max_rows = given(name, value)?,
            "samples" => plan.attribution.samples = typed::<Samples>(value)?,
            "steps" => {
                let steps = typed::<Steps>(value)?;
                (plan.attribution.steps, plan.ig.steps) = (steps, steps);
                if matches!(steps, Steps::UntilGap { .. }) {
                    plan.ig.quadrature = PathSettings::for_steps(steps).quadrature;
                }
            }
            "quadrature" => plan.ig.quadrature = typed::<Quadrature>(value)?,
            "baseline" => {
                self.baseline = given(name, value)?;
                plan.baseline = baseline(&self.baseline, 0)?;
            }
            "references" => {
                let names: Vec<String> = given(name, value)?;
                let references = names.iter().map(|name| reference(name));
                plan.contrasts.references = references.collect::<Result<_>>()?;
            }
            "contexts" => trials.contexts = given(name, value)?,
            "delta" => trials.delta = given(name, value)?,
            "order" => trials.order = given(name, value)?,
            "pairs" => proposals.n_pairs = given(name, value)?,
            "reach" => proposals.reach = given(name, value)?,
            "copies" => {
                proposals.copies = given(name, value)?;
                proposals.row_copies = proposals.copies;
            }
            "coalitions" => plan.contrasts.banzhaf.coalitions = given(name, value)?,
            _ => {
                let known = "method, mu, nu, sets, max_rows, samples, steps, quadrature, baseline, \
                             references, contexts, delta, order, pairs, reach, copies, coalitions";
                let text = format!("no setting '{name}'; there are {known}");
                return Err(PyTypeError::new_err(text));
            }
        }
        Ok(())
    }
}

/// The value of a setting.
fn given<T: for<'a, 'py> FromPyObject<'a, 'py>>(
    name: &str,
    value: &Bound<'_, PyAny>,
) -> PyResult<T> {
    let extracted = value.extract::<T>().map_err(Into::into);
    extracted.map_err(|error: PyErr| {
        let text = format!("{name}: {}", error.value(value.py()));
        if error.is_instance_of::<PyTypeError>(value.py()) {
            PyTypeError::new_err(text)
        } else {
            PyValueError::new_err(text)
        }
    })
}

/// A reference by name.
fn reference(name: &str) -> Result<Reference> {
    let expected =
        "expected ring, blur, blur:SIGMA, imputed, rolled, zero, black, white, mean or noise";
    let baseline = || Ok::<_, CoreError>(Baseline::named(name, 0)?.map(Reference::Baseline));
    let found = Reference::named(name).map_or_else(baseline, |found| Ok(Some(found)))?;
    Ok(found.ok_or_else(|| CoreError::config("references", name, expected))?)
}

/// A setting as the command line takes it: a number, or text such as "auto:0.05".
fn typed<T: std::str::FromStr>(value: &Bound<'_, PyAny>) -> PyResult<T>
where
    T::Err: std::fmt::Display,
{
    let text = value.str()?.to_string();
    text.parse().map_err(|error: T::Err| PyValueError::new_err(error.to_string()))
}

/// A baseline by name.
pub(crate) fn baseline(name: &str, seed: u64) -> Result<Baseline> {
    let expected = "expected zero, black, white, mean, blur, blur:SIGMA or noise";
    let found = Baseline::named(name, seed)?;
    Ok(found.ok_or_else(|| CoreError::config("baseline", name, expected))?)
}

/// Names of the methods, with what each is.
#[pyfunction]
pub(crate) fn methods() -> Vec<(&'static str, &'static str)> {
    Method::ALL.iter().map(|method| (method.name(), method.description())).collect()
}
