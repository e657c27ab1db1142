//! Does a method tell interactions from additions? Asked of the small networks of fixtures/truth,
//! which add, multiply, or do both by construction, or whose scenes are drawn again without parts.

use std::path::Path;

use anyhow::Result;
use hsets_report::document::{Better, Cell, Column, Estimate, Table};
use hsets_tests::study::{
    Interval, PairStudy, Purpose, Sheet, TruthNetwork, Values, of_pairs_in_short,
};

use crate::watch::tell;

/// File of the results.
const FILE: &str = "interactions.csv";

/// What the section says before its table.
pub(crate) const ABOUT: &str = "Every method is asked for its first pair of regions: the strongest \
     contrast or effect of a pair, both times the first set, or the two best places of a map. \
     Additions are pictures under networks that add by construction (bag) or were trained to \
     (additive); interactions are those where a scene drawn again without two parts shows that they \
     interact by more than half of the log-odds (live), under networks trained to combine two parts \
     (xor, and) and under a product (prod). docs/interactions.md says more.";

/// Measures what the folder lacks.
pub(crate) fn conduct(out: &Path, pictures: u64) -> Result<()> {
    if pictures == 0 {
        return Ok(());
    }
    let study = PairStudy {
        purpose: Purpose::Report,
        contenders: of_pairs_in_short(),
        pictures,
        whether_live_or_not: pictures,
        // Of the trained ones, one of each architecture that is not slow.
        looks_at: &|kind: &str, network: &TruthNetwork| {
            let is_control = network.name.starts_with(kind);
            is_control || ["resnet18-0", "vgg11_bn-0"].contains(&network.name.as_str())
        },
        has: &|_| true,
    };
    study.run(&mut Sheet::open(&out.join(FILE))?, &|done| tell(&format!("interactions: {done}")))
}

const ADDITIONS: [&str; 2] = ["pairs-bag", "pairs-additive"];
const INTERACTIONS: [&str; 3] = ["pairs-xor", "pairs-and", "pairs-prod"];

/// The table of what is there; `None` if nothing is.
pub(crate) fn table(out: &Path, study: &str) -> Result<Option<Table>> {
    let file = out.join(FILE);
    if !file.exists() {
        return Ok(None);
    }
    let mut values = Values::default();
    Sheet::read(&file)?.into_iter().for_each(|row| values.add(row));
    let mut table = Table::new("interactions", "Methods on networks whose interactions are known")
        .column(Column::text("method"))
        .column(Column::number("claims on additions", 2).better(Better::Lower))
        .column(Column::number("claims, live", 2).better(Better::Higher))
        .column(Column::number("AUROC", 2).better(Better::Higher))
        .column(Column::number("both parts held", 2).better(Better::Higher))
        .column(
            Column::number("bagmix: |I*| of the first pair / largest", 2).better(Better::Higher),
        );
    for contender in of_pairs_in_short() {
        let name = contender.name.as_str();
        let of = |metric: &'static str, subjects: &[&'static str]| -> Vec<[&'static str; 2]> {
            subjects.iter().map(|&subject| [subject, metric]).collect()
        };
        let mean = |metric, subjects: &[&'static str]| values.mean_of(name, &of(metric, subjects));
        let claims = mean("claim", &ADDITIONS);
        let (none, always) = ("no live picture", "always names a pair");
        let (live, dead) = (of("strength-live", &INTERACTIONS), of("strength", &ADDITIONS));
        table = table.row([
            Cell::text(name),
            cell(claims, always),
            cell(mean("claim-live", &INTERACTIONS), if claims.is_some() { none } else { always }),
            cell(values.auroc(name, &live, &dead), none),
            cell(mean("held-live", &INTERACTIONS), none),
            cell(mean("share", &["pairs-bagmix"]), "no picture with a pair"),
        ]);
    }
    let note = "Means over pictures with 95 % bootstrap intervals.";
    Ok(Some(table.note(note).command(format!("cargo xtask reproduce {study}"))))
}

fn cell(interval: Option<Interval>, without: &str) -> Cell {
    match interval {
        Some(Interval { mean, low, high }) if low.is_finite() => {
            Cell::Number(Estimate::interval(mean, low, high))
        }
        Some(Interval { mean, .. }) => Cell::number(mean),
        None => Cell::text(without),
    }
}
