//! Ablations: one setting varied, or a list of variants.

use hsets_report::{
    document::{Blocks, Cell, Column, Table},
    plot::{Axis, LinePlot, Series},
};

use super::numbers::{AOPC, EQUAL, GAP, GINI, Numbers, TIED};
use crate::{manifest::Manifest, published::Quantity};

/// A number is varied: a table and a plot for each model.
pub(super) fn varied(blocks: Blocks, numbers: &Numbers, manifest: &Manifest) -> Blocks {
    let blocks = listed(blocks, numbers, manifest);
    numbers.models().into_iter().fold(blocks, |blocks, model| {
        let name = format!("{}-{model}", numbers.kind.name());
        let plot = plot(numbers, manifest, model);
        blocks.plot(name, plot, "Bands are 95 % intervals over pictures.")
    })
}

/// A table for each model.
pub(super) fn listed(blocks: Blocks, numbers: &Numbers, manifest: &Manifest) -> Blocks {
    let models = numbers.models().into_iter();
    models.fold(blocks, |blocks, model| blocks.table(table(numbers, manifest, model)))
}

fn table(numbers: &Numbers, manifest: &Manifest, model: &str) -> Table {
    let kind = numbers.kind;
    let what = kind.varied().unwrap_or("variant");
    let caption = match kind.varied() {
        Some(what) => format!("{model}: {} with other values of {what}", manifest.standard),
        None => format!("{model}: variants"),
    };
    let mut table = Table::new(format!("{}-{model}-table", kind.name()), caption)
        .column(Column::text(what))
        .column(Column::number("Gini sparsity", 2))
        .column(Column::number("1 − k/n", 2))
        .column(Column::number("ROAD_AOPC", 2))
        .column(Column::number("95 % interval", 3))
        .column(Column::number("LeRF − MoRF", 3))
        .column(Column::number("tied", 2));
    for method in numbers.methods() {
        let value = kind.value(method).map_or(method.to_owned(), |value| value.to_string());
        table = table.row([
            Cell::text(value),
            numbers.beside(model, method, Quantity::Gini, manifest),
            numbers.of_pictures(model, method, EQUAL),
            numbers.beside(model, method, Quantity::Aopc, manifest),
            numbers.interval(model, method, AOPC),
            numbers.interval(model, method, GAP),
            numbers.of_pictures(model, method, TIED),
        ]);
    }
    numbers.with_origin(table, manifest)
}

fn plot(numbers: &Numbers, manifest: &Manifest, model: &str) -> LinePlot {
    let what = numbers.kind.varied().unwrap_or_default();
    let axes = LinePlot::new(format!("{model}: {what}"))
        .x(Axis::new(what))
        .y(Axis::new("Gini sparsity, ROAD_AOPC").range(0.0, 1.0));
    let quantities = [
        (GINI, "Gini sparsity", Some(Quantity::Gini)),
        (EQUAL, "1 − k/n", None),
        (AOPC, "ROAD_AOPC", Some(Quantity::Aopc)),
    ];
    quantities.into_iter().fold(axes, |plot, (metric, name, quantity)| {
        let values = || {
            let methods = numbers.methods().into_iter();
            methods.filter_map(|method| Some((numbers.kind.value(method)?, method)))
        };
        let means = values().filter_map(|(value, method)| {
            let mean = numbers.mean(model, method, metric)?;
            Some(((value, mean.pictures.mean), mean.interval))
        });
        let (points, band): (Vec<_>, Vec<_>) = means.unzip();
        let series = Series::new(name, points);
        let has_band = band.iter().all(|(low, _): &(f64, f64)| low.is_finite());
        let plot = plot.series(if has_band { series.band(band) } else { series });
        let Some(quantity) = quantity else { return plot };
        let published: Vec<(f64, f64)> = values()
            .filter_map(|(value, method)| {
                Some((value, numbers.published(model, method, quantity, manifest)?))
            })
            .collect();
        if published.is_empty() {
            return plot;
        }
        plot.series(Series::new(format!("{name}, published"), published))
    })
}
