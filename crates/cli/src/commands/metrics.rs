//! `hsets metrics`: what the maps of any program are worth.

mod pairs;

use std::path::Path;

use hsets_files::name_of;
use hsets_pipeline::{
    Measured, MetricReport, MetricSettings, Reading, measure,
    metrics::{Summary, Units},
};
use hsets_report::{
    output::write_file,
    plot::Plot,
    record::{curves_plot, metrics_record},
};
use serde_json::json;

use crate::{
    args::{General, MetricsArgs},
    failure::{Failure, for_each_input},
    map_file::read_map,
    measuring::metric_settings,
    network::Network,
    output::{keep_inputs, say, short},
    progress::{self, Bars},
    settings::baseline,
    table::Table,
};

pub(crate) fn run(args: &MetricsArgs, general: &General) -> Result<(), Failure> {
    let pairs = pairs::of(&args.maps, &args.inputs)?;
    let inputs = pairs.iter().map(|pair| &pair.input);
    let network = Network::load(&args.model, general, inputs)?;
    let target = network.target(&args.target)?;
    let units = match args.units.as_str() {
        "per-input" => Units::PerInput,
        "other" => Units::Other,
        _ => Units::Output,
    };
    let settings = MetricSettings {
        units,
        baseline: baseline(&args.baseline, general.seed, &network)?,
        ..metric_settings(&args.metrics, general, false)?
    };
    settings.check()?;
    if let Some(csv) = &args.csv {
        let read = pairs.iter().flat_map(|pair| [pair.map.as_path(), &pair.input]);
        keep_inputs(csv, read)?;
    }
    let mut measured: Vec<(String, Vec<Reading>)> = Vec::new();
    let outcome = for_each_input(
        &pairs,
        |pair| pair.map.display().to_string(),
        |index, pair| {
            progress::check()?;
            let prepared = network.read(&pair.input)?;
            let shape = prepared.image.shape();
            let map = read_map(&pair.map, args.tensor.as_deref(), shape)?;
            let normalisation = network.normalisation();
            let mask = network.mask(args.metrics.mask.as_deref(), &pair.input)?;
            let of = Measured {
                field: network.field(),
                image: &prepared.image,
                normalisation: &normalisation,
                target: &target,
                mask: mask.as_deref(),
            };
            let prefix = match pairs.len() {
                1 => String::new(),
                n => format!("[{}/{n}] ", index + 1),
            };
            let bars = Bars::new(general.quiet, prefix);
            let report = measure(&of, &map, &settings, &bars)?;
            let name = pair.map.display().to_string();
            if let Some(folder) = &args.curves {
                plot(
                    &report,
                    &name,
                    &folder.join(format!("{:03}-{}.png", index + 1, name_of(&pair.name))),
                )?;
            }
            if general.json {
                let record = json!({
                    "map": name,
                    "input": pair.input.display().to_string(),
                    "label": network.label(report.class),
                    "seed": general.seed,
                    "metrics": metrics_record(&report),
                });
                say(&record.to_string());
            }
            measured.push((name, report.readings));
            Ok(())
        },
    );
    if let Some(path) = &args.csv {
        write_file(path, table(&measured).csv().as_bytes())?;
    }
    if !general.json && !general.quiet && !measured.is_empty() {
        say(&transposed(&measured).aligned());
    }
    outcome
}

fn plot(report: &MetricReport, title: &str, path: &Path) -> anyhow::Result<()> {
    if let Some(plot) = curves_plot(title, report) {
        write_file(path, &Plot::from(plot).draw()?.png()?)?;
    }
    Ok(())
}

/// A map a row, every reading a column; the mean last.
fn table(measured: &[(String, Vec<Reading>)]) -> Table {
    let names = measured.first().map_or(&[][..], |(_, readings)| readings);
    let head = ["map"].into_iter().chain(names.iter().map(|reading| reading.name.as_str()));
    let mut table = Table::new(head);
    for (name, readings) in measured {
        let values = readings.iter().map(|reading| reading.value.to_string());
        table.row(std::iter::once(name.clone()).chain(values).collect());
    }
    table
}

/// A reading a row: one map has a column, several have their mean and its 95 % interval.
fn transposed(measured: &[(String, Vec<Reading>)]) -> Table {
    let one = measured.len() == 1;
    let head = if one { measured[0].0.clone() } else { format!("mean of {}", measured.len()) };
    let interval: &[&str] = if one { &[] } else { &["95 % from", "to"] };
    let head = ["reading", head.as_str()].into_iter().chain(interval.iter().copied());
    let mut table = Table::new(head);
    for (index, reading) in measured[0].1.iter().enumerate() {
        let values: Vec<f64> = measured.iter().map(|(_, readings)| readings[index].value).collect();
        let summary = Summary::of(&values);
        let (low, high) = summary.interval();
        let mut row = vec![reading.name.clone(), short(summary.mean)];
        if !one {
            row.extend([short(low), short(high)]);
        }
        table.row(row);
    }
    table
}
