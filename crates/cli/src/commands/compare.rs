//! `hsets compare`: several methods on the same picture, with what each is worth.

use std::{path::Path, time::Instant};

use hsets_pipeline::{
    Explainer, Explanation, Method, MetricReport, MetricSettings, Settings, Subject, Work,
    core::{Error, Segmenter},
    models::Prepared,
    segmentation::SegmenterChoice,
};
use hsets_report::{
    Cell, Comparison, Provenance, Record, Tensors,
    html::{ImageReport, IndexEntry, image_page},
    output::Folder,
    panel,
    record::metrics_record,
};
use serde_json::{Value, json};

use super::{
    explain::{SOFTWARE, folders},
    index,
};
use crate::{
    args::{CompareArgs, General, chosen},
    failure::{Failure, for_each_input},
    measuring::metric_settings,
    network::Network,
    output::{say, short},
    progress::{self, Bars},
    settings::single_settings,
    table::Table,
};

const PAGE: &str = "compare.html";

pub(crate) fn run(args: &CompareArgs, general: &General) -> Result<(), Failure> {
    let choice = args.method.segmenter.choice(general)?;
    let network = Network::load(&args.model, general, &args.inputs)?;
    let choice = choice.for_side(network.side());
    let segmenter = choice.build()?;
    let mut settings = single_settings(&args.method, &args.single, general, &network)?;
    settings.target = network.target(&args.target)?;
    let metrics = metric_settings(&args.metrics, general, true)?;
    metrics.check()?;
    let job = Job {
        network: &network,
        methods: chosen(&args.methods),
        settings,
        metrics,
        choice,
        segmenter,
        args,
        general,
    };
    let folders = folders(&args.out, &args.inputs);
    let name = |input: &std::path::PathBuf| input.display().to_string();
    let mut pages = Vec::new();
    let outcome = for_each_input(&args.inputs, name, |index, input| {
        progress::check()?;
        let folder = Folder::begin(&folders[index])?;
        let prefix = match args.inputs.len() {
            1 => String::new(),
            n => format!("[{}/{n}] ", index + 1),
        };
        pages.extend(job.compare(input, folder, &prefix)?);
        Ok(())
    });
    index::write_after(outcome, &args.out, "Comparisons", network.name(), pages)
}

struct Job<'a> {
    network: &'a Network,
    methods: Vec<Method>,
    settings: Settings,
    metrics: MetricSettings,
    choice: SegmenterChoice,
    segmenter: Box<dyn Segmenter>,
    args: &'a CompareArgs,
    general: &'a General,
}

/// One method on one picture.
struct Outcome {
    method: Method,
    seconds: f64,
    found: Result<(Explanation, MetricReport), Error>,
}

impl Job<'_> {
    /// Gives what an index shows of the input; nothing if every method failed.
    fn compare(
        &self,
        input: &Path,
        folder: Folder,
        prefix: &str,
    ) -> anyhow::Result<Option<IndexEntry>> {
        let prepared = self.network.read(input)?;
        let normalisation = self.network.normalisation();
        let subject = Subject {
            image: &prepared.image,
            photo: &prepared.photo,
            normalisation: &normalisation,
        };
        let bars = Bars::new(self.general.quiet, prefix.to_owned());
        let mask = self.network.mask(self.args.metrics.mask.as_deref(), input)?;
        let explainer =
            Explainer::new(self.network.field(), &subject, self.segmenter.as_ref(), &bars)?
                .known(mask.as_deref(), Some(self.network.classifier()));
        let begun = Instant::now();
        let mut outcomes = Vec::with_capacity(self.methods.len());
        for (index, &method) in self.methods.iter().enumerate() {
            let left = remaining(begun, index, self.methods.len());
            let label = format!("{prefix}{}/{} {method}{left}: ", index + 1, self.methods.len());
            outcomes.push(self.outcome(&explainer, method, label)?);
        }
        self.write(input, &prepared, &explainer, &outcomes, folder)
    }

    /// What is wrong with one method is its outcome; only Ctrl-C ends the comparison.
    fn outcome(
        &self,
        explainer: &Explainer<'_>,
        method: Method,
        label: String,
    ) -> Result<Outcome, Error> {
        let settings = Settings { method, ..self.settings.clone() };
        let bars = Bars::new(self.general.quiet, label);
        let begun = Instant::now();
        let explanation = explainer.explain(&settings, &bars);
        let seconds = begun.elapsed().as_secs_f64();
        let found = explanation.and_then(|explanation| {
            let report = explainer.measure(&explanation, &settings, &self.metrics, &bars)?;
            Ok((explanation, report))
        });
        match found {
            Err(Error::Cancelled) => Err(Error::Cancelled),
            found => Ok(Outcome { method, seconds, found }),
        }
    }

    fn write(
        &self,
        input: &Path,
        prepared: &Prepared,
        explainer: &Explainer<'_>,
        outcomes: &[Outcome],
        mut folder: Folder,
    ) -> anyhow::Result<Option<IndexEntry>> {
        let target = self.settings.target.fixed(explainer.logits());
        let described = self.network.described(&target, explainer.logits());
        let link = self.network.field().link();
        let share = target.class().map(|class| link.probability(explainer.logits(), class));
        let mut facts = vec![self.network.name().to_owned()];
        facts.extend(share.map(|p| format!("probability {p:.3}")));
        facts.push(format!("preset {}", self.args.method.preset.name()));
        facts.push(format!("segments by {}", self.choice));
        facts.push(format!("channels by {}", self.metrics.reduction.name()));
        let cells: Vec<Cell> = outcomes.iter().map(cell).collect();
        let comparison = Comparison {
            title: &described,
            subtitle: &facts.join("   ·   "),
            photo: &prepared.photo,
            segments: explainer.segments(),
            cells: &cells,
        };
        let table = readings(outcomes);
        let record = self.record(input, &described, explainer, outcomes);
        folder.add("compare.png", &comparison.draw()?.png()?)?;
        let page = self.page(input, &described, prepared, outcomes)?;
        if let Some(page) = &page {
            folder.add(PAGE, page.as_bytes())?;
        }
        folder.add("compare.csv", table.csv().as_bytes())?;
        folder.add("compare.json", (serde_json::to_string_pretty(&record)? + "\n").as_bytes())?;
        folder.add("maps.safetensors", &maps(outcomes).encode()?)?;
        progress::check()?;
        let written = folder.publish()?;
        if self.general.json {
            say(&record.to_string());
        } else if !self.general.quiet {
            say(&format!("{}: {described}", input.display()));
            say(&summary(outcomes).aligned());
            say(&format!("  {}", written.join("compare.png").display()));
        }
        let (input, photo) = (input.display().to_string(), &prepared.photo);
        let entry = |_| index::entry(&written, PAGE, &input, described, &panel::photo(photo));
        page.map(entry).transpose()
    }

    /// The page of all methods that did not fail; `None` if all did.
    fn page(
        &self,
        input: &Path,
        title: &str,
        prepared: &Prepared,
        outcomes: &[Outcome],
    ) -> anyhow::Result<Option<String>> {
        let input = input.display().to_string();
        let provenance = Provenance {
            input: &input,
            model: &self.network.record(),
            label: &|class| self.network.label(class),
            segmenter: &self.choice,
            baseline: &self.args.method.baseline,
            preset: self.args.method.preset.name(),
            software: SOFTWARE,
        };
        let mut explained = Vec::new();
        let mut failures = Vec::new();
        for Outcome { method, found, .. } in outcomes {
            match found {
                Ok((explanation, report)) => {
                    let settings = Settings { method: *method, ..self.settings.clone() };
                    let record = Record::new(explanation, &settings, &provenance);
                    explained.push((explanation, record, report));
                }
                Err(error) => failures.push((format!("failed: {method}"), error.to_string())),
            }
        }
        if explained.is_empty() {
            return Ok(None);
        }
        let pairs: Vec<_> = explained.iter().map(|(found, record, _)| (*found, record)).collect();
        let mut page = ImageReport::new(title, &prepared.photo, &pairs)?;
        let methods = page.methods.into_iter().zip(&explained);
        page.methods = methods.map(|(method, (.., report))| method.measured(report)).collect();
        page.settings.extend(failures);
        Ok(Some(image_page(&page)?))
    }

    fn record(
        &self,
        input: &Path,
        target: &str,
        explainer: &Explainer<'_>,
        outcomes: &[Outcome],
    ) -> Value {
        let methods: Vec<Value> = outcomes.iter().map(outcome_record).collect();
        json!({
            "software": SOFTWARE,
            "input": input.display().to_string(),
            "model": self.network.record(),
            "target": target,
            "segmenter": self.choice.to_string(),
            "n_segments": explainer.segments().n_segments(),
            "preset": self.args.method.preset.name(),
            "baseline": self.args.method.baseline,
            "seed": self.general.seed,
            "methods": methods,
        })
    }
}

/// ", about 12 s left" once there is something to judge by: methods take as long on average as
/// those before.
fn remaining(begun: Instant, done: usize, total: usize) -> String {
    if done < 2 {
        return String::new();
    }
    let seconds = begun.elapsed().as_secs_f64() / done as f64 * (total - done) as f64;
    if seconds < 3.0 { String::new() } else { format!(", about {seconds:.0} s left") }
}

fn outcome_record(outcome: &Outcome) -> Value {
    let Outcome { method, seconds, found } = outcome;
    match found {
        Err(error) => json!({ "method": method.name(), "error": error.to_string() }),
        Ok((explanation, report)) => {
            let work = |work: Work| {
                json!({
                    "n_forwards": work.n_forwards,
                    "n_gradients": work.n_gradients,
                    "n_linearisations": work.n_linearisations,
                    "n_rows": work.n_rows,
                })
            };
            json!({
                "method": method.name(),
                "description": method.description(),
                "seconds": seconds,
                "alone": work(explanation.cost.alone),
                "reused": work(explanation.cost.reused),
                "n_sets": explanation.sets.len(),
                "metrics": metrics_record(report),
            })
        }
    }
}

fn cell(outcome: &Outcome) -> Cell {
    let name = outcome.method.name().to_owned();
    match &outcome.found {
        Err(error) => Cell { name, map: Err(error.to_string()), lines: Vec::new() },
        Ok((explanation, report)) => {
            let mut lines = lines(report);
            lines.push(super::explain::work(&explanation.cost.alone));
            Cell { name, map: Ok(explanation.map.clone()), lines }
        }
    }
}

/// What is written under a map: up to two numbers a line.
fn lines(report: &MetricReport) -> Vec<String> {
    let shown = report.readings.iter().filter_map(|reading| {
        reading.label.map(|label| format!("{label} {}", short(reading.value)))
    });
    shown.collect::<Vec<_>>().chunks(2).map(|parts| parts.join("   ·   ")).collect()
}

/// The numbers of the picture, a method a row.
fn summary(outcomes: &[Outcome]) -> Table {
    let measured = outcomes.iter().find_map(|outcome| outcome.found.as_ref().ok());
    let readings = measured.map_or(&[][..], |(_, report)| &report.readings);
    let labels: Vec<&str> = readings.iter().filter_map(|reading| reading.label).collect();
    let head = ["  method"].into_iter().chain(labels.iter().copied());
    let mut table = Table::new(head.chain(["seconds"]));
    for Outcome { method, seconds, found } in outcomes {
        let mut row = vec![format!("  {method}")];
        match found {
            Err(error) => row[0] = format!("  {method}: {error}"),
            Ok((_, report)) => {
                let shown = report.readings.iter().filter(|reading| reading.label.is_some());
                row.extend(shown.map(|reading| short(reading.value)));
                row.push(short(*seconds));
            }
        }
        table.row(row);
    }
    table
}

/// Every reading, a method a row.
fn readings(outcomes: &[Outcome]) -> Table {
    let measured = outcomes.iter().find_map(|outcome| outcome.found.as_ref().ok());
    let names: Vec<String> = measured.map_or(Vec::new(), |(_, report)| {
        report.readings.iter().map(|reading| reading.name.clone()).collect()
    });
    let work = ["n_forwards", "n_gradients", "n_linearisations", "n_rows", "seconds", "error"];
    let head = std::iter::once("method").chain(names.iter().map(String::as_str)).chain(work);
    let mut table = Table::new(head);
    for Outcome { method, seconds, found } in outcomes {
        let mut row = vec![method.name().to_owned()];
        match found {
            Err(error) => {
                row.extend(vec![String::new(); names.len() + 5]);
                row.push(error.to_string());
            }
            Ok((explanation, report)) => {
                row.extend(report.readings.iter().map(|reading| reading.value.to_string()));
                let Work { n_forwards, n_gradients, n_linearisations, n_rows } =
                    explanation.cost.alone;
                let counts = [n_forwards, n_gradients, n_linearisations, n_rows];
                row.extend(counts.iter().map(ToString::to_string));
                row.extend([format!("{seconds:.3}"), String::new()]);
            }
        }
        table.row(row);
    }
    table
}

/// A tensor [C, H, W] for each method.
fn maps(outcomes: &[Outcome]) -> Tensors {
    let mut tensors = Tensors::new();
    for outcome in outcomes {
        if let Ok((explanation, _)) = &outcome.found {
            let shape = explanation.map.shape();
            let dims = [shape.channels, shape.height, shape.width];
            tensors = tensors.f32(outcome.method.name(), &dims, explanation.map.data());
        }
    }
    tensors
}
