//! Numbers about saliency maps of any program.

use hsets_pipeline::{
    Measured, Metric, MetricSettings,
    core::{ChannelReduction, SaliencyMap},
    measure as measure_map,
    metrics::Units,
};
use hsets_report::record::metrics_record;
use pyo3::prelude::*;

use crate::{
    arrays,
    errors::Error,
    network::{Class, Network},
    run::compute,
};

/// Gini sparsity, in 0 to 1, of a map [H, W] or [C, H, W].
#[pyfunction]
#[pyo3(signature = (map, *, channels = "abs-sum"))]
pub(crate) fn gini(map: &Bound<'_, PyAny>, channels: &str) -> PyResult<f64> {
    let reduction: ChannelReduction = channels.parse().map_err(Error::from)?;
    let (py, map) = (map.py(), arrays::map(map, None)?);
    compute(py, false, |_| Ok(hsets_pipeline::metrics::gini(&map, reduction)?))
}

/// Measures a map [H, W] or [C, H, W] of a picture; gives a dictionary of readings, as the program
/// does with `--json`.
///
/// `mask`: where the evidence is, bool [H, W] at the size that the network sees, for metrics that
/// need it. `output_units`: whether the map adds up to a difference of the output.
#[pyfunction]
#[pyo3(signature = (
    map, image, network, target = None, *, metrics = None, mask = None,
    channels = "abs-sum", output_units = true, seed = 0, progress = false
))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub(crate) fn measure<'py>(
    py: Python<'py>,
    map: &Bound<'py, PyAny>,
    image: &Bound<'py, PyAny>,
    network: &Network,
    target: Option<Class>,
    metrics: Option<Vec<String>>,
    mask: Option<&Bound<'py, PyAny>>,
    channels: &str,
    output_units: bool,
    seed: u64,
    progress: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let network = &network.0;
    let prepared = network.prepare(py, &arrays::picture(image)?)?;
    let map: SaliencyMap = arrays::map(map, Some(prepared.image.shape()))?;
    let mut settings = MetricSettings::paper().with_seed(seed);
    settings.reduction = channels.parse().map_err(Error::from)?;
    settings.units = if output_units { Units::Output } else { Units::Other };
    if let Some(names) = metrics {
        let named: Result<Vec<Metric>, _> = names.iter().map(|name| name.parse()).collect();
        settings.metrics = named.map_err(Error::from)?;
    }
    let target = network.target(target.as_ref(), None)?;
    let mask = mask.map(|mask| arrays::mask(mask, prepared.image.shape())).transpose()?;
    let report = compute(py, progress, |progress| {
        let normalisation = network.normalisation();
        let (field, image) = (network.field(), &prepared.image);
        let measured = Measured {
            field,
            image,
            normalisation: &normalisation,
            target: &target,
            mask: mask.as_deref(),
        };
        Ok(measure_map(&measured, &map, &settings, progress)?)
    })?;
    py.import("json")?.call_method1("loads", (metrics_record(&report).to_string(),))
}
