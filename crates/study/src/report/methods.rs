//! The paper's main tables, the controls, and the curves behind them.

use hsets_pipeline::{Method, metrics::Aopc};
use hsets_report::{
    document::{Better, Blocks, Cell, Column, Table},
    plot::{Axis, Bar, BarPlot},
};

use super::{
    cost, curves,
    numbers::{AOPC, EQUAL, GAP, GINI, Numbers, TIED},
};
use crate::{experiment::Kind, manifest::Manifest, published::Quantity};

/// What the paper calls its two quantities.
const QUANTITIES: [(Quantity, &str, &str, &str); 2] =
    [(Quantity::Gini, GINI, "gini", "Gini sparsity"), (Quantity::Aopc, AOPC, "aopc", "ROAD_AOPC")];

pub(super) fn section(blocks: Blocks, numbers: &Numbers, manifest: &Manifest) -> Blocks {
    let blocks = QUANTITIES.iter().fold(blocks, |blocks, (of, metric, name, title)| {
        let table = overview(numbers, manifest, *of, (name, title));
        let plot = bars(numbers, manifest, *of, metric, title);
        let name = format!("{}-{name}", numbers.kind.name());
        blocks.table(table).plot(name, plot, "Whiskers: 95 % intervals over pictures.")
    });
    let blocks = numbers.models().into_iter().fold(blocks, |blocks, model| {
        blocks.section(format!("{model}, in detail"), |blocks| {
            let blocks = blocks
                .table(intervals(numbers, manifest, model))
                .table(readings(numbers, manifest, model, true))
                .table(readings(numbers, manifest, model, false))
                .table(controls(numbers, manifest, model));
            curves::plots(blocks, numbers, model)
        })
    });
    match numbers.kind {
        // Its methods are not timed one by one.
        Kind::Photos => blocks
            .section("What photos cost", |blocks| cost::work_tables(blocks, numbers, manifest)),
        _ => blocks,
    }
}

fn is_control(method: &str) -> bool {
    method.parse::<Method>().is_ok_and(Method::is_control)
}

fn explanations(numbers: &Numbers) -> impl Iterator<Item = &str> {
    numbers.methods().into_iter().filter(|method| !is_control(method))
}

fn overview(
    numbers: &Numbers,
    manifest: &Manifest,
    of: Quantity,
    (name, title): (&str, &str),
) -> Table {
    let name = format!("{}-{name}-table", numbers.kind.name());
    let caption = format!("{title}, mean ± standard deviation over runs");
    let mut table = Table::new(name, caption).column(Column::text("method"));
    for model in numbers.models() {
        table = table.column(Column::number(model, 2).better(Better::Higher));
    }
    for method in explanations(numbers) {
        let cells = numbers.models().into_iter();
        let cells = cells.map(|model| numbers.beside(model, method, of, manifest));
        table = table.row(std::iter::once(Cell::text(method)).chain(cells));
    }
    numbers.with_origin(table, manifest)
}

fn bars(
    numbers: &Numbers,
    manifest: &Manifest,
    of: Quantity,
    metric: &str,
    title: &str,
) -> BarPlot {
    let models = numbers.models();
    let bar = |model: &str, method: &str| {
        let mean = numbers.mean(model, method, metric)?;
        let bar = Bar::new(mean.runs.mean);
        let bar = match mean.interval {
            (low, high) if low.is_finite() => bar.interval(low, high),
            _ => bar,
        };
        let published = numbers.published(model, method, of, manifest);
        Some(published.map_or(bar, |value| bar.published(value)))
    };
    let plot = BarPlot::new(format!("{title} by method"), Axis::new(title).range(0.0, 1.0))
        .series(models.clone());
    numbers.methods().into_iter().fold(plot, |plot, method| {
        plot.group(method, models.iter().map(|model| bar(model, method)).collect::<Vec<_>>())
    })
}

/// Both quantities with intervals, and differences from the standard.
fn intervals(numbers: &Numbers, manifest: &Manifest, model: &str) -> Table {
    let name = format!("{}-intervals-{model}", numbers.kind.name());
    let caption = format!(
        "{model}: means with 95 % intervals, and Δ, the method minus {} on the same pictures",
        manifest.standard
    );
    let mut table = Table::new(name, caption).column(Column::text("method"));
    for (_, _, _, title) in QUANTITIES {
        table =
            table.column(Column::number(title, 3)).column(Column::number(format!("Δ {title}"), 3));
    }
    for method in numbers.methods() {
        let cells = QUANTITIES.iter().flat_map(|(_, metric, _, _)| {
            [numbers.interval(model, method, metric), numbers.difference(model, method, metric)]
        });
        table = table.row(std::iter::once(Cell::text(method)).chain(cells));
    }
    numbers.with_origin(table, manifest)
}

/// Every reading of ROAD_AOPC: those of accuracy or those of probability.
fn readings(numbers: &Numbers, manifest: &Manifest, model: &str, of_accuracy: bool) -> Table {
    let what = if of_accuracy { "accuracy" } else { "probability" };
    let name = format!("{}-readings-{what}-{model}", numbers.kind.name());
    let caption =
        format!("{model}: readings of ROAD_AOPC by {what}, mean ± standard deviation over runs");
    let mut table = Table::new(name, caption).column(Column::text("method"));
    let is_one = |aopc: &&Aopc| aopc.name().contains("accuracy") == of_accuracy;
    for aopc in Aopc::ALL.iter().filter(is_one) {
        table = table.column(Column::number(aopc.name(), 3).better(Better::Higher));
    }
    for method in numbers.methods() {
        let cells = Aopc::ALL
            .iter()
            .filter(is_one)
            .map(|aopc| numbers.of_runs(model, method, &format!("road-{}", aopc.name())));
        table = table.row(std::iter::once(Cell::text(method)).chain(cells));
    }
    numbers.with_origin(table, manifest)
}

/// What the numbers are worth: beside chance, and beside what the number of pixels alone gives.
fn controls(numbers: &Numbers, manifest: &Manifest, model: &str) -> Table {
    let name = format!("{}-controls-{model}", numbers.kind.name());
    let caption = format!("{model}: methods beside controls");
    let mut table = Table::new(name, caption)
        .column(Column::text("method"))
        .column(Column::number("Gini sparsity", 3))
        .column(Column::number("1 − k/n", 3))
        .column(Column::number("ROAD_AOPC", 3))
        .column(Column::number("LeRF − MoRF", 3))
        .column(Column::number("tied", 3));
    let methods = numbers.methods();
    let (of_chance, explaining): (Vec<&str>, Vec<&str>) =
        methods.into_iter().partition(|method| is_control(method));
    for method in explaining.into_iter().chain(of_chance) {
        let label = if is_control(method) { format!("control: {method}") } else { method.into() };
        table = table.row([
            Cell::text(label),
            numbers.interval(model, method, GINI),
            numbers.of_pictures(model, method, EQUAL),
            numbers.interval(model, method, AOPC),
            numbers.interval(model, method, GAP),
            numbers.of_pictures(model, method, TIED),
        ]);
    }
    let table = table.note(
        "1 − k/n is the Gini of as many equal pixels as the map marks: what their number alone \
         gives. Tied is the share of pixels that have a value in common with another: their order \
         is left to chance. A method is faithful by ROAD if it is so beyond the controls. A map of \
         zeros has a Gini of 0: CAFO and CASO give one where the network is so sure of the class \
         that its loss is flat.",
    );
    numbers.with_origin(table, manifest)
}
