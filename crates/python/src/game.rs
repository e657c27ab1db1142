//! Segments as players of a game that is known in full.

use hsets_pipeline::{
    attribution::{ExactGame, InteractionIndex},
    core::{Image, SegmentMap},
};
use numpy::{PyArray1, PyArray2, PyArray3};
use pyo3::prelude::*;

use crate::arrays;

/// The Banzhaf index: everyone else is in with probability one half.
const BANZHAF: InteractionIndex = InteractionIndex::Banzhaf { p: 0.5 };

/// What every coalition of a picture's segments is worth, the other segments removed.
#[pyclass(frozen, module = "hsets")]
pub(crate) struct Game {
    pub(crate) known: ExactGame,
    pub(crate) segments: SegmentMap,
    pub(crate) reference: Image,
}

#[pymethods]
impl Game {
    /// Number n of players.
    #[getter]
    fn n_players(&self) -> usize {
        self.known.n_players()
    }

    /// Labels of the segments that play, int32 [H, W].
    #[getter]
    fn segments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        arrays::of_segments(py, &self.segments)
    }

    /// What removed segments show, float32 [C, H, W].
    #[getter]
    fn reference<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<f32>>> {
        arrays::of_map(py, self.reference.shape(), self.reference.data().to_vec())
    }

    /// Worth of every coalition, float64 [2**n]: bit i of the index says whether player i is in.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.known.values)
    }

    /// Harsanyi dividends of every coalition, float64 [2**n].
    #[getter]
    fn dividends<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.known.dividends)
    }

    /// Shapley values of the players, float64 [n].
    #[getter]
    fn shapley_values<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.known.player_values(InteractionIndex::Shapley))
    }

    /// Banzhaf values of the players, float64 [n].
    #[getter]
    fn banzhaf_values<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.known.player_values(BANZHAF))
    }

    /// Shapley interaction indices of all pairs, float64 [n, n], 0 on the diagonal.
    #[getter]
    fn shapley_interactions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.pairs(py, InteractionIndex::Shapley)
    }

    /// Banzhaf interaction indices of all pairs, float64 [n, n], 0 on the diagonal.
    #[getter]
    fn banzhaf_interactions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        self.pairs(py, BANZHAF)
    }

    fn __repr__(&self) -> String {
        let values = &self.known.values;
        let (none, all) = (values[0], values[values.len() - 1]);
        format!("Game({} players, {none:.3} with none, {all:.3} with all)", self.n_players())
    }
}

impl Game {
    fn pairs<'py>(
        &self,
        py: Python<'py>,
        index: InteractionIndex,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let n = self.n_players();
        arrays::array2(py, (n, n), self.known.pair_values(index))
    }
}
