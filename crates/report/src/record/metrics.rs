//! Measurements as JSON, and their curves as a plot.

use hsets_pipeline::{Curve, MetricReport};
use serde_json::{Map, Value, json};

use crate::plot::{Axis, LinePlot, Series};

/// Every reading by its name, then the curves by theirs. What is not a number (the entropy of
/// nothing) is null.
pub fn metrics_record(report: &MetricReport) -> Value {
    let readings = report.readings.iter();
    let readings: Map<String, Value> =
        readings.map(|reading| (reading.name.clone(), json!(reading.value))).collect();
    let curves: Map<String, Value> =
        report.curves.iter().map(|curve| (curve.name.to_owned(), curve_record(curve))).collect();
    json!({
        "class": report.class,
        "channels": report.reduction.name(),
        "ties": report.ties.name(),
        "readings": readings,
        "curves": curves,
        "notes": report.notes,
    })
}

fn curve_record(curve: &Curve) -> Value {
    let (percentages, values): (Vec<f64>, Vec<f64>) = curve.points.iter().copied().unzip();
    let mut record = json!({
        "share_of": curve.share_of,
        "percentages": percentages,
        "quantity": curve.quantity,
        "values": values,
    });
    if !curve.correct.is_empty() {
        record["correct"] = json!(curve.correct);
    }
    record
}

/// The curves of the first quantity that was measured, such as the probability of the class; `None`
/// if there is none.
pub fn curves_plot(title: &str, report: &MetricReport) -> Option<LinePlot> {
    let first = report.curves.first()?;
    let of_it = report.curves.iter().filter(|curve| curve.quantity == first.quantity);
    let series = of_it.map(|curve| Series::new(curve.title, curve.points.clone())).collect();
    Some(LinePlot {
        series,
        ..LinePlot::new(title)
            .x(Axis::new("pixels changed").unit("%").range(0.0, 100.0))
            .y(Axis::new(first.quantity).range(0.0, 1.0))
    })
}
