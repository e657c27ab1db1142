//! Pages to test with. Their numbers are invented.

use hsets_report::{
    document::{Better, Cell, Column, Document, Estimate, Table},
    plot::{Axis, Bar, BarPlot, LinePlot, Series},
};

/// A report with everything that can be in one.
pub(crate) fn document() -> Document {
    Document::new("A run with invented numbers")
        .subtitle("3 models, 4 methods, 100 pictures")
        .section("Sparsity", |section| {
            section
                .paragraph("Sparse maps are short to read.")
                .table(sparsity())
                .row(|row| row.plot("gini", bars(), "Diamonds are published values.").plot("road", curves(), "Bands are 95 % intervals over pictures."))
        })
        .section("Cost", |section| {
            section.section("By stage", |inner| inner.list(["gradients", "Hessian rows"]))
        })
        .section("Settings", |section| {
            section
                .code("hsets evaluate --data DIR --methods hsets,ig --samples 100 --runs 5 --out results.db")
                .facts([("mu", "0.5"), ("nu", "2000"), ("seed", "0")].map(|(a, b)| (a.into(), b.into())))
        })
}

fn sparsity() -> Table {
    let models = [
        ("VGG16", [(0.71, 0.72), (0.91, 0.92), (0.85, 0.81), (0.95, 0.955)]),
        ("DenseNet121", [(0.60, 0.63), (0.90, 0.91), (0.72, 0.74), (0.94, 0.93)]),
        ("ResNet101", [(0.81, 0.80), (0.91, 0.90), (0.87, 0.93), (0.98, 0.90)]),
    ];
    let table = Table::new("sparsity", "Gini sparsity, mean ± standard deviation over 5 runs")
        .column(Column::text("model"))
        .column(Column::number("IG", 2))
        .column(Column::number("Archipelago", 2))
        .column(Column::number("MoXI", 2))
        .column(Column::number("H-Sets", 2).better(Better::Higher))
        .command("cargo xtask reproduce imagenet --data DIR")
        .settings([("mu", "0.5"), ("nu", "2000")].map(|(a, b)| (a.to_owned(), b.to_owned())))
        .note("Only pictures that are classified correctly.");
    models.into_iter().fold(table, |table, (model, numbers)| {
        let cell = |(published, ours)| Cell::beside(Estimate::std(ours, 0.01), published);
        table.row(std::iter::once(Cell::text(model)).chain(numbers.map(cell)))
    })
}

fn bars() -> BarPlot {
    let plot = BarPlot::new(
        "Gini sparsity by model and method",
        Axis::new("Gini sparsity").range(0.0, 1.0),
    )
    .series(["IG", "MoXI", "H-Sets"]);
    let bar = |value: f64, published| {
        Some(Bar::new(value).interval(value - 0.02, value + 0.02).published(published))
    };
    plot.group("VGG16", [bar(0.72, 0.71), bar(0.81, 0.85), bar(0.955, 0.95)])
        .group("DenseNet121", [bar(0.63, 0.60), None, bar(0.93, 0.94)])
}

fn curves() -> LinePlot {
    let curve = |name: &str, rate: f64| {
        let points: Vec<(f64, f64)> =
            (0..50).map(|i| (f64::from(2 * i + 1), (-rate * f64::from(i) / 10.0).exp())).collect();
        let band = points.iter().map(|(_, y)| (y - 0.04, y + 0.04)).collect::<Vec<_>>();
        Series::new(name, points).band(band)
    };
    let names = ["H-Sets", "IG", "Archipelago", "MoXI", "CASO", "CAFO", "gradient", "random"];
    let plot = LinePlot::new("ROAD, most relevant pixels first")
        .x(Axis::new("pixels imputed").unit("%").range(0.0, 100.0))
        .y(Axis::new("accuracy").range(0.0, 1.0))
        .level("chance", 0.001);
    names
        .iter()
        .enumerate()
        .fold(plot, |plot, (i, name)| plot.series(curve(name, 3.0 - 0.35 * i as f64)))
}
