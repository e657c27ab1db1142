//! Measures and curves of what was measured.

use hsets_pipeline::{self as pipeline, MetricReport};

use super::{Curve, Measure, MethodReport};
use crate::{
    document::{Better, Estimate},
    plot::Axis,
};

impl MethodReport<'_> {
    /// With every number and curve of `metrics`, instead of the numbers it has.
    #[must_use]
    pub fn measured(self, metrics: &MetricReport) -> Self {
        let measures = metrics.readings.iter().map(|reading| Measure {
            name: reading.name.clone(),
            value: Estimate::exact(reading.value),
            decimals: 3,
            better: match reading.better {
                pipeline::Better::Higher => Some(Better::Higher),
                pipeline::Better::Lower => Some(Better::Lower),
                pipeline::Better::Zero | pipeline::Better::Neither => None,
            },
        });
        let curves = metrics.curves.iter().map(|curve| Curve {
            title: curve.title.into(),
            caption: curve.caption.into(),
            x: Axis::new(curve.share_of).unit("%").range(0.0, 100.0),
            y: axis_of(curve),
            points: curve.points.clone(),
        });
        Self { measures: measures.collect(), curves: curves.collect(), ..self }
    }
}

/// From 0 to 1; from -1 where something is below 0; as far as the curve goes where it goes further.
fn axis_of(curve: &pipeline::Curve) -> Axis {
    let axis = Axis::new(curve.quantity);
    let within = |low: f64| curve.points.iter().all(|(_, value)| (low..=1.0).contains(value));
    match (within(0.0), within(-1.0)) {
        (true, _) => axis.range(0.0, 1.0),
        (false, true) => axis.range(-1.0, 1.0),
        (false, false) => axis,
    }
}
