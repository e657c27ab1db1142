//! `hsets axioms`: how far methods are from the axioms of attribution, on one picture.

use hsets_pipeline::{
    Axiom, AxiomRow, AxiomSettings, Explainer, Settings, Subject, Violation, core::Error,
};
use hsets_report::output::write_file;
use serde_json::{Value, json};

use crate::{
    args::{AxiomsArgs, General, chosen},
    network::Network,
    output::{say, short},
    progress::{self, Bars},
    settings::single_settings,
    table::Table,
};

const LEGEND: &str = "0 where the axiom holds; in brackets, the share of violations by exact values; \
    - where the axiom says nothing: sets of methods without sets, and completeness of maps that are \
    not in units of the output (gradients, perturbations, ranks).";

pub(crate) fn run(args: &AxiomsArgs, general: &General) -> anyhow::Result<()> {
    let choice = args.method.segmenter.choice(general)?;
    let network = Network::load(&args.model, general, [&args.input])?;
    let choice = choice.for_side(network.side());
    let mut settings = single_settings(&args.method, &args.single, general, &network)?;
    settings.target = network.target(&args.target)?;
    let axioms = AxiomSettings { seed: general.seed, ..AxiomSettings::paper() };
    let prepared = network.read(&args.input)?;
    let normalisation = network.normalisation();
    let subject =
        Subject { image: &prepared.image, photo: &prepared.photo, normalisation: &normalisation };
    let bars = Bars::new(general.quiet, String::new());
    let explainer = Explainer::new(network.field(), &subject, choice.build()?.as_ref(), &bars)?;
    let methods = chosen(&args.methods);
    let mut rows: Vec<(&'static str, Result<AxiomRow, String>)> = Vec::new();
    for (index, &method) in methods.iter().enumerate() {
        progress::check()?;
        let bars = Bars::new(general.quiet, format!("{}/{} {method}: ", index + 1, methods.len()));
        let settings = Settings { method, ..settings.clone() };
        let row = match explainer.axioms(&settings, &axioms, &bars) {
            Err(Error::Cancelled) => return Err(Error::Cancelled.into()),
            row => row.map_err(|error| error.to_string()),
        };
        rows.push((method.name(), row));
    }
    let table = table(&axioms.axioms, &rows);
    if let Some(path) = &args.markdown {
        write_file(path, table.markdown().as_bytes())?;
    }
    if general.json {
        let record = json!({
            "input": args.input.display().to_string(),
            "target": network.described(&settings.target, explainer.logits()),
            "seed": general.seed,
            "methods": rows.iter().map(|row| record(&axioms.axioms, row)).collect::<Vec<_>>(),
        });
        say(&record.to_string());
    } else {
        say(&table.aligned());
        say(LEGEND);
    }
    Ok(())
}

fn table(axioms: &[Axiom], rows: &[(&'static str, Result<AxiomRow, String>)]) -> Table {
    let head = ["method"].into_iter().chain(axioms.iter().map(|axiom| axiom.name()));
    let mut table = Table::new(head);
    for (name, row) in rows {
        let cells = match row {
            Err(error) => vec![error.clone()],
            Ok(row) => row.violations.iter().map(cell).collect(),
        };
        table.row(std::iter::once((*name).to_owned()).chain(cells).collect());
    }
    table
}

fn cell(violation: &Result<Violation, String>) -> String {
    let Ok(Violation { value, standard_error, exact }) = violation else { return "-".into() };
    // Rounding of single precision.
    let number = |value: f64| if value.abs() < 1e-6 { "0".to_owned() } else { short(value) };
    let error = standard_error.map_or(String::new(), |error| format!(" ± {}", number(error)));
    let exact = exact.map_or(String::new(), |exact| format!(" ({})", number(exact)));
    format!("{}{error}{exact}", number(*value))
}

fn record(axioms: &[Axiom], (method, row): &(&'static str, Result<AxiomRow, String>)) -> Value {
    let violation = |violation: &Result<Violation, String>| match violation {
        Err(reason) => json!({ "not_measured": reason }),
        Ok(Violation { value, standard_error, exact }) => {
            json!({ "violation": value, "standard_error": standard_error, "exact": exact })
        }
    };
    match row {
        Err(error) => json!({ "method": method, "error": error }),
        Ok(row) => {
            let named = axioms.iter().zip(&row.violations);
            let named: serde_json::Map<String, Value> =
                named.map(|(axiom, found)| (axiom.name().to_owned(), violation(found))).collect();
            json!({ "method": method, "axioms": named })
        }
    }
}
