//! What methods cost, each alone.

use std::time::Duration;

use hsets_report::{
    document::{Blocks, Cell, Column, Table},
    plot::{Axis, Bar, BarPlot},
};

use super::numbers::{Effort, Numbers};
use crate::manifest::Manifest;

/// Work and time of every method.
pub(super) fn section(blocks: Blocks, numbers: &Numbers, manifest: &Manifest) -> Blocks {
    let blocks = blocks.paragraph(
        "Every method by itself on the same few pictures, nothing shared between methods, metrics \
         not counted. Times are of this machine, however busy it was; the counts are not.",
    );
    numbers.models().into_iter().fold(blocks, |blocks, model| {
        let name = format!("cost-{model}-seconds");
        blocks.table(table(numbers, manifest, model, true)).plot(
            name,
            plot(numbers, model),
            "Wall time of one explanation.",
        )
    })
}

/// Work alone, for results in which methods share what they compute.
pub(super) fn work_tables(blocks: Blocks, numbers: &Numbers, manifest: &Manifest) -> Blocks {
    let models = numbers.models().into_iter();
    models.fold(blocks, |blocks, model| blocks.table(table(numbers, manifest, model, false)))
}

fn table(numbers: &Numbers, manifest: &Manifest, model: &str, timed: bool) -> Table {
    let name = format!("{}-cost-{model}", numbers.kind.name());
    let caption = format!("{model}: what an explanation takes alone, mean over pictures");
    let mut table = Table::new(name, caption)
        .column(Column::text("method"))
        .column(Column::number("forward passes", 1))
        .column(Column::number("gradients", 1))
        .column(Column::number("linearisations", 1))
        .column(Column::number("Hessian rows", 1));
    if timed {
        table = table.column(Column::text("time")).column(Column::text("of it segmentation"));
    }
    for method in numbers.methods() {
        table = table.row(match numbers.effort(model, method) {
            Some(effort) => cells(method, effort, timed),
            None => vec![Cell::text(method), numbers.of_runs(model, method, "")],
        });
    }
    numbers.with_origin(table, manifest)
}

fn cells(method: &str, effort: &Effort, timed: bool) -> Vec<Cell> {
    let counts = effort.work.into_iter().map(Cell::number);
    let times = [effort.seconds, effort.segmentation].into_iter().filter(|_| timed);
    let times = times.map(|seconds| Cell::Time(Duration::from_secs_f64(seconds.max(0.0))));
    std::iter::once(Cell::text(method)).chain(counts).chain(times).collect()
}

fn plot(numbers: &Numbers, model: &str) -> BarPlot {
    let plot =
        BarPlot::new(format!("{model}: time of an explanation"), Axis::new("time").unit("s"));
    let timed = numbers.methods().into_iter();
    let timed = timed.filter_map(|method| Some((method, numbers.effort(model, method)?.seconds)));
    timed.fold(plot, |plot, (method, seconds)| plot.bar(method, Bar::new(seconds)))
}
