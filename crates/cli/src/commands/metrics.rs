//! `hsets metrics`: what the maps of any program are worth.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use hsets_pipeline::{
    Measured, MetricReport, MetricSettings, Reading,
    core::Error,
    measure,
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
    output::{say, short},
    progress::{self, Bars},
    settings::baseline,
    table::Table,
};

pub(crate) fn run(args: &MetricsArgs, general: &General) -> Result<(), Failure> {
    let pairs = pairs(args)?;
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
                plot(&report, &name, &folder.join(format!("{:03}-{}.png", index + 1, pair.name)))?;
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

/// A map and the picture it explains.
#[derive(Debug, PartialEq, Eq)]
struct Pair {
    name: String,
    map: PathBuf,
    input: PathBuf,
}

/// One input takes all maps; files are paired by order; with folders, names decide.
fn pairs(args: &MetricsArgs) -> anyhow::Result<Vec<Pair>> {
    let by_order = !args.maps.iter().chain(&args.inputs).any(|path| path.is_dir());
    let maps = expanded(&args.maps, &["npy", "safetensors"])?;
    let inputs = expanded(&args.inputs, &["jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff"])?;
    let pair = |map: PathBuf, input: &Path| Pair { name: name(&map), map, input: input.to_owned() };
    if let [input] = &inputs[..] {
        return Ok(maps.into_iter().map(|map| pair(map, input)).collect());
    }
    if by_order {
        if maps.len() != inputs.len() {
            let expected = format!("as many as inputs, {}, or a single input", inputs.len());
            return Err(Error::config("map", maps.len(), expected).into());
        }
        return Ok(maps.into_iter().zip(&inputs).map(|(map, input)| pair(map, input)).collect());
    }
    let by_name: BTreeMap<String, &PathBuf> =
        inputs.iter().map(|input| (stem(input), input)).collect();
    let find = |map: PathBuf| {
        let input = by_name.get(&name(&map)).ok_or_else(|| {
            let expected = format!("an input named {}", name(&map));
            Error::config("map", map.display(), expected)
        })?;
        Ok(pair(map, input))
    };
    maps.into_iter().map(find).collect()
}

/// Files, and those with one of `endings` in folders and their folders, in order.
fn expanded(paths: &[PathBuf], endings: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        gather(path, endings, 2, &mut files)?;
        if files.len() == before {
            anyhow::bail!("{}: no file that ends in {}", path.display(), endings.join(", "));
        }
    }
    Ok(files)
}

fn gather(
    folder: &Path,
    endings: &[&str],
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if path.is_dir() && depth > 0 {
            gather(&path, endings, depth - 1, files)?;
        } else if endings.iter().any(|known| known.eq_ignore_ascii_case(ending)) {
            files.push(path);
        }
    }
    Ok(())
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The picture's name: of `cat/maps.safetensors`, as `explain` writes it, it is `cat`.
fn name(map: &Path) -> String {
    match (stem(map).as_str(), map.parent().and_then(Path::file_name)) {
        ("maps", Some(folder)) => folder.to_string_lossy().into_owned(),
        (stem, _) => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_maps() {
        assert_eq!(name(Path::new("out/cat/maps.safetensors")), "cat");
        assert_eq!(name(Path::new("maps/cat.npy")), "cat");
        assert_eq!(name(Path::new("maps.npy")), "maps");
    }
}
