//! Measurements as JSON, and their curves as a plot.

use hsets_pipeline::{
    MetricReport,
    metrics::{ProbabilityCurve, Road, RoadCurve, RoadPoint},
};
use serde_json::{Map, Value, json};

use crate::plot::{Axis, LinePlot, Series};

/// Every reading by its name, then the curves. What is not a number (the entropy of nothing) is
/// null.
pub fn metrics_record(report: &MetricReport) -> Value {
    let reading = |reading: hsets_pipeline::Reading| (reading.name, json!(reading.value));
    let readings: Map<String, Value> = report.readings().into_iter().map(reading).collect();
    json!({
        "class": report.class,
        "channels": report.reduction.name(),
        "ties": report.road.as_ref().map(|road| road.ties.name()),
        "readings": readings,
        "road": report.road.as_ref().map(road_record),
        "deletion": report.deletion.as_ref().map(|curve| &curve.probabilities),
        "insertion": report.insertion.as_ref().map(|curve| &curve.probabilities),
        "notes": report.notes,
    })
}

fn road_record(road: &Road) -> Value {
    let curve = |curve: &RoadCurve| {
        let points = || std::iter::once(&curve.unperturbed).chain(&curve.points);
        json!({
            "percentages": points().map(|point| point.percentage).collect::<Vec<_>>(),
            "correct": points().map(|point| point.correct).collect::<Vec<_>>(),
            "probability": points().map(|point| point.probability).collect::<Vec<_>>(),
        })
    };
    json!({ "morf": curve(&road.morf), "lerf": curve(&road.lerf) })
}

/// The probability of the class along every curve that was measured; `None` if there is none.
pub fn curves_plot(title: &str, report: &MetricReport) -> Option<LinePlot> {
    let mut series = Vec::new();
    if let Some(road) = &report.road {
        let points = |curve: &RoadCurve| -> Vec<(f64, f64)> {
            let place = |point: &RoadPoint| (point.percentage, point.probability);
            std::iter::once(&curve.unperturbed).chain(&curve.points).map(place).collect()
        };
        series.push(Series::new("ROAD, most relevant first", points(&road.morf)));
        series.push(Series::new("ROAD, least relevant first", points(&road.lerf)));
    }
    let curves = [("deletion", &report.deletion), ("insertion", &report.insertion)];
    for (name, curve) in curves {
        series.extend(curve.as_ref().map(|curve| Series::new(name, places(curve))));
    }
    let plot = LinePlot {
        series,
        ..LinePlot::new(title)
            .x(Axis::new("pixels changed").unit("%").range(0.0, 100.0))
            .y(Axis::new("probability of the class").range(0.0, 1.0))
    };
    (!plot.series.is_empty()).then_some(plot)
}

fn places(curve: &ProbabilityCurve) -> Vec<(f64, f64)> {
    let last = curve.probabilities.len().saturating_sub(1).max(1) as f64;
    let place = |(step, &p): (usize, &f64)| (100.0 * step as f64 / last, p);
    curve.probabilities.iter().enumerate().map(place).collect()
}
