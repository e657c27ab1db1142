//! Curves of ROAD.

use hsets_report::{
    document::Blocks,
    plot::{Axis, LinePlot, Series},
};

use super::numbers::Numbers;
use crate::examiner::{curve_column, curve_point};

/// More curves with bands than these cannot be told apart.
const SHOWN: [&str; 6] =
    ["hsets-paper", "hsets-reference", "hsets-complete", "ig", "moxi", "random-map"];

/// Accuracy and probability, most and least relevant pixels first.
pub(super) fn plots(blocks: Blocks, numbers: &Numbers, model: &str) -> Blocks {
    let orders = [("morf", "most relevant first"), ("lerf", "least relevant first")];
    ["accuracy", "probability"].into_iter().fold(blocks, |blocks, what| {
        blocks.row(|row| {
            orders.into_iter().fold(row, |row, (removal, order)| {
                let name = format!("{}-{removal}-{what}-{model}", numbers.kind.name());
                let plot = plot(numbers, model, removal, what);
                let plot = LinePlot { title: format!("{model}: {what}, {order}"), ..plot };
                row.plot(name, plot, "Means over pictures and runs; bands are 95 % intervals.")
            })
        })
    })
}

fn plot(numbers: &Numbers, model: &str, removal: &str, what: &str) -> LinePlot {
    let metrics = numbers.plan.metrics.iter();
    let percentages: Vec<f64> =
        metrics.filter_map(|metric| curve_point(metric, removal, what)).collect();
    let axes = LinePlot::new("")
        .x(Axis::new("pixels imputed").unit("%").range(0.0, 100.0))
        .y(Axis::new(what).range(0.0, 1.0));
    let shown = SHOWN.into_iter().filter(|name| numbers.methods().contains(name));
    shown.fold(axes, |plot, method| {
        let means = percentages.iter().filter_map(|&percentage| {
            let metric = curve_column(removal, what, percentage);
            let mean = numbers.mean(model, method, &metric)?;
            Some(((percentage, mean.pictures.mean), mean.interval))
        });
        let (points, band): (Vec<_>, Vec<_>) = means.unzip();
        let series = Series::new(method, points);
        let has_band = band.iter().all(|(low, _): &(f64, f64)| low.is_finite());
        plot.series(if has_band { series.band(band) } else { series })
    })
}
