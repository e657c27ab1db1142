//! From sheets of results to pages.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use hsets_pipeline::metrics::{Bootstrap, Summary};
use hsets_report::{
    document::{Better, Block, Blocks, Cell, Column, Document, Estimate, Spread, Table},
    plot::{Axis, Bar, BarPlot},
};
use hsets_tests::study::{Row, Sheet};

/// A metric of the tables.
struct Metric {
    name: &'static str,
    head: &'static str,
    better: Option<Better>,
}

const fn metric(name: &'static str, head: &'static str, better: Option<Better>) -> Metric {
    Metric { name, head, better }
}

const HIGHER: Option<Better> = Some(Better::Higher);
const LOWER: Option<Better> = Some(Better::Lower);

const OF_MAPS: [Metric; 4] = [
    metric("precision", "on parts", HIGHER),
    metric("weaker", "of the weakest part", HIGHER),
    metric("iou", "IoU per part", HIGHER),
    metric("all-found", "all parts found", HIGHER),
];
const OF_SETS: [Metric; 6] = [
    metric("pair-first", "two parts in the first set", None),
    metric("pair-by-chance", "by chance", None),
    metric("pair-any", "in any set", None),
    metric("first-recall", "of the weakest part, first set", None),
    metric("first-precision", "first set on parts", None),
    metric("first-pixels", "pixels of the first set", None),
];
const OF_CHANGES: [Metric; 6] = [
    metric("precision", "on parts", None),
    metric("weaker", "of the weakest part", None),
    metric("all-found", "all parts found", None),
    metric("pair-first", "two parts in the first set", None),
    metric("pair-any", "in any set", None),
    metric("first-precision", "first set on parts", None),
];
const OF_DECOYS: [Metric; 3] = [
    metric("decoy", "of the decoy", None),
    metric("decoy-wins", "decoy above the parts", None),
    metric("precision", "on parts", None),
];
const OF_PHOTOS: [Metric; 7] = [
    metric("1-accuracy", "ROAD, 1 - accuracy", HIGHER),
    metric("probability-drop", "ROAD, probability drop", HIGHER),
    metric("lerf-minus-morf-accuracy", "LeRF - MoRF, accuracy", HIGHER),
    metric("lerf-minus-morf-probability", "LeRF - MoRF, probability", HIGHER),
    metric("insertion", "insertion", HIGHER),
    metric("deletion", "deletion", LOWER),
    metric("gini", "Gini", None),
];

/// Values of one subject by contender and metric, each by (network, picture).
type Values = BTreeMap<String, BTreeMap<String, BTreeMap<(String, String), f64>>>;

/// Reads the sheets and writes `truth.md` and `photos.md` with their figures.
pub(crate) fn write(sheets: &[PathBuf], out: &Path) -> Result<()> {
    let mut subjects: BTreeMap<String, (Values, Vec<String>)> = BTreeMap::new();
    for sheet in sheets {
        for Row { subject, network, picture, contender, metric, value } in Sheet::read(sheet)? {
            let (values, order) = subjects.entry(subject).or_default();
            if !order.contains(&contender) {
                order.push(contender.clone());
            }
            let of_metric = values.entry(contender).or_default().entry(metric).or_default();
            of_metric.insert((network, picture), value);
        }
    }
    let photos = subjects.remove("photos");
    fs::create_dir_all(out)?;
    if !subjects.is_empty() {
        let title = "Ground truth: tables";
        let tasks = subjects.iter().fold(Document::new(title), |page, (task, (values, order))| {
            page.section(task.clone(), |blocks| of_task(task, values, order, blocks))
        });
        save(&tasks, "truth", out)?;
    }
    if let Some((values, order)) = photos {
        let page = Document::new("Photos: tables");
        let page = page.section("MobileNetV2", |blocks| of_photos(&values, &order, blocks));
        save(&page, "photos", out)?;
    }
    Ok(())
}

fn save(page: &Document, name: &str, out: &Path) -> Result<()> {
    fs::write(out.join(format!("{name}.md")), page.markdown())?;
    for (file, bytes) in page.pictures()? {
        fs::write(out.join(file), bytes)?;
    }
    for block in sections(&page.blocks) {
        if let Block::Plot(plot) = block {
            fs::write(out.join(format!("{}.svg", plot.name)), plot.plot.svg()?)?;
        }
    }
    Ok(())
}

fn sections(blocks: &[Block]) -> Vec<&Block> {
    blocks
        .iter()
        .flat_map(|block| match block {
            Block::Section { blocks, .. } => sections(blocks),
            other => vec![other],
        })
        .collect()
}

fn of_task(task: &str, values: &Values, order: &[String], blocks: Blocks) -> Blocks {
    let (changed, methods): (Vec<String>, Vec<String>) = order
        .iter()
        .cloned()
        .partition(|name| name.starts_with("hsets, ") && name != "hsets, reference");
    let n = most(values);
    let caption = |what: &str| format!("{what}: mean and 95 % interval over {n} pictures.");
    let blocks = blocks
        .table(table(
            format!("{task}-maps"),
            caption("The first pixels of each map, as many as the parts have"),
            values,
            &methods,
            &OF_MAPS,
        ))
        .table(table(
            format!("{task}-sets"),
            caption("Sets"),
            values,
            &with_sets(values, order),
            &OF_SETS,
        ))
        .plot(
            task,
            plot(task, "precision", "share of the marked pixels on parts", values, &methods),
            "Whiskers are 95 % intervals.",
        )
        .table(differences(format!("{task}-differences"), values, &methods, "complete", &OF_MAPS))
        .table(differences(format!("{task}-changes"), values, &changed, "hsets", &OF_CHANGES));
    if task.starts_with("decoy") {
        let caption = caption("The decoy, drawn independently of the class");
        return blocks.table(table(format!("{task}-wins"), caption, values, &methods, &OF_DECOYS));
    }
    blocks
}

fn of_photos(values: &Values, order: &[String], blocks: Blocks) -> Blocks {
    let n = most(values);
    let caption = format!("Mean and 95 % interval over {n} photos.");
    blocks
        .table(table("photos".into(), caption, values, order, &OF_PHOTOS))
        .table(differences("photos-differences".into(), values, order, "complete", &OF_PHOTOS))
        .plot(
            "photos-road",
            plot("ROAD", "1-accuracy", "1 - mean accuracy", values, order),
            "Whiskers are 95 % intervals.",
        )
        .plot(
            "photos-insertion",
            plot("Insertion", "insertion", "area under the curve", values, order),
            "Whiskers are 95 % intervals.",
        )
}

fn most(values: &Values) -> usize {
    values.values().flat_map(BTreeMap::values).map(BTreeMap::len).max().unwrap_or(0)
}

fn with_sets(values: &Values, order: &[String]) -> Vec<String> {
    let has = |name: &&String| {
        let of_metric = values[*name].get("pair-first");
        of_metric.is_some_and(|values| values.values().any(|value| !value.is_nan()))
    };
    order.iter().filter(has).cloned().collect()
}

/// NaN stands for what a method does not have.
fn mean(values: &Values, contender: &str, metric: &str) -> Option<Estimate> {
    let found = values.get(contender)?.get(metric)?;
    estimate(&found.values().copied().filter(|value| !value.is_nan()).collect::<Vec<_>>())
}

/// Mean with its 95 % interval.
fn estimate(values: &[f64]) -> Option<Estimate> {
    let Summary { n, mean, .. } = Summary::of(values);
    let (low, high) = Bootstrap::STANDARD.interval(values);
    match n {
        0 => None,
        1 => Some(Estimate::exact(mean)),
        _ => Some(Estimate::interval(mean, low, high)),
    }
}

fn cell(estimate: Option<Estimate>) -> Cell {
    estimate.map_or(Cell::Missing, Cell::Number)
}

fn columns(table: Table, metrics: &[Metric]) -> Table {
    metrics.iter().fold(table.column(Column::text("method")), |table, metric| {
        let column = Column::number(metric.head, 2);
        table.column(match metric.better {
            Some(better) => column.better(better),
            None => column,
        })
    })
}

fn table(
    name: String,
    caption: String,
    values: &Values,
    contenders: &[String],
    metrics: &[Metric],
) -> Table {
    let table = columns(Table::new(name, caption), metrics);
    contenders.iter().fold(table, |table, contender| {
        let cells = metrics.iter().map(|metric| cell(mean(values, contender, metric.name)));
        table.row(std::iter::once(Cell::text(contender.as_str())).chain(cells))
    })
}

/// `to` minus every other on the same pictures, or, where `to` is plain H-Sets, the others minus it.
fn differences(
    name: String,
    values: &Values,
    contenders: &[String],
    to: &str,
    metrics: &[Metric],
) -> Table {
    let reversed = to == "hsets";
    let caption = if reversed {
        "One setting changed, minus H-Sets as it is, on the same pictures: mean and 95 % interval."
            .to_owned()
    } else {
        format!("`{to}` minus each other, on the same pictures: mean and 95 % interval.")
    };
    let plain: Vec<Metric> = metrics.iter().map(|m| metric(m.name, m.head, None)).collect();
    let table = columns(Table::new(name, caption), &plain);
    contenders.iter().filter(|name| *name != to).fold(table, |table, contender| {
        let cells = metrics.iter().map(|metric| {
            let of = |name: &str| values.get(name)?.get(metric.name);
            let (Some(ours), Some(theirs)) = (of(to), of(contender)) else { return Cell::Missing };
            let difference = |(picture, a): (_, &f64)| {
                let b = theirs.get(picture)?;
                let difference = if reversed { b - a } else { a - b };
                (!difference.is_nan()).then_some(difference)
            };
            cell(estimate(&ours.iter().filter_map(difference).collect::<Vec<_>>()))
        });
        table.row(std::iter::once(Cell::text(contender.as_str())).chain(cells))
    })
}

fn plot(title: &str, metric: &str, axis: &str, values: &Values, order: &[String]) -> BarPlot {
    order.iter().fold(BarPlot::new(title, Axis::new(axis).range(0.0, 1.0)), |plot, contender| {
        let Some(Estimate { value, spread }) = mean(values, contender, metric) else { return plot };
        let bar = Bar::new(value);
        plot.bar(
            contender.as_str(),
            match spread {
                Spread::Interval(low, high) => bar.interval(low, high),
                _ => bar,
            },
        )
    })
}
