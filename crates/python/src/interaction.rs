//! Regions that act together.

use hsets_pipeline::{
    core::Mask,
    detection::{self, Contrast},
};
use hsets_report::{contrast_words, verdict_words};
use numpy::PyArray2;
use pyo3::{prelude::*, types::PyDict};

use crate::arrays::array2;

/// Two regions and how they act together, measured by taking them away.
#[pyclass(frozen, module = "hsets")]
pub(crate) struct Interaction(pub(crate) detection::Interaction);

#[pymethods]
impl Interaction {
    /// What both are worth beyond the sum of their parts, in units of the output.
    #[getter]
    fn effect(&self) -> f64 {
        self.0.contrast.effect.mean
    }

    /// Its standard error over contexts.
    #[getter]
    fn standard_error(&self) -> f64 {
        self.0.contrast.effect.standard_error
    }

    /// Its 95 % interval.
    #[getter]
    fn interval(&self) -> [f64; 2] {
        self.0.contrast.effect.interval()
    }

    /// p of the test against an effect that is small on the scale, corrected for all pairs.
    #[getter]
    fn p_value(&self) -> f64 {
        self.0.p_value
    }

    /// Whether an interaction is claimed.
    #[getter]
    fn claim(&self) -> bool {
        self.0.claim
    }

    /// "synergy" or "redundancy".
    #[getter]
    fn sign(&self) -> &'static str {
        self.0.sign().name()
    }

    /// What effects are measured by.
    #[getter]
    fn scale(&self) -> f64 {
        self.0.scale
    }

    /// Means of the output with both regions, without the first, without the second, without both.
    #[getter]
    fn contrast(&self) -> [f64; 4] {
        let Contrast { both, without_first, without_second, without_both, .. } = self.0.contrast;
        [both, without_first, without_second, without_both]
    }

    /// Effects under the other references, by name.
    #[getter]
    fn references<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let effects = PyDict::new(py);
        for other in &self.0.references {
            effects.set_item(&other.name, other.contrast.effect.mean)?;
        }
        Ok(effects)
    }

    /// Whether the effect has another sign under another reference; `None` where it was measured under
    /// one alone.
    #[getter]
    fn depends_on_reference(&self) -> Option<bool> {
        (!self.0.references.is_empty()).then(|| self.0.depends_on_reference())
    }

    /// The two regions, bool [H, W] each.
    #[getter]
    fn regions<'py>(&self, py: Python<'py>) -> PyResult<[Bound<'py, PyArray2<bool>>; 2]> {
        let plane = |mask: &Mask| array2(py, (mask.height(), mask.width()), mask.inside().to_vec());
        Ok([plane(&self.0.regions[0])?, plane(&self.0.regions[1])?])
    }

    fn __repr__(&self) -> String {
        let words = contrast_words(&self.0.contrast, ["first", "second"]);
        format!("Interaction({}; {words})", verdict_words(&self.0))
    }
}
