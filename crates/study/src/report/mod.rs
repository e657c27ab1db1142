//! The report of a study, from its files of results alone.

mod ablation;
mod cost;
mod curves;
mod methods;
mod numbers;
mod settings;
mod text;

use std::path::Path;

use anyhow::Result;
use hsets_report::{
    document::{Blocks, Document, Figure},
    output::Folder,
};

use crate::{
    examples::{self, Example},
    experiment::Kind,
    interactions,
    manifest::{Manifest, SOFTWARE},
};
use numbers::Numbers;

/// Writes the report of what is in `out` into `out`.
pub(crate) fn write(out: &Path) -> Result<()> {
    let manifest = Manifest::read(out)?;
    let document = document(out, &manifest)?;
    let mut folder = Folder::begin(out)?;
    document.add_to(&mut folder)?;
    folder.publish()?;
    Ok(())
}

fn document(out: &Path, manifest: &Manifest) -> Result<Document> {
    let mut experiments = Vec::new();
    for kind in Kind::ALL {
        experiments.extend(Numbers::open(out, kind, manifest)?);
    }
    let subtitle = format!("{}, protocol {}, by {SOFTWARE}", manifest.study, manifest.protocol);
    let document = Document::new("The evaluation of H-Sets, made again").subtitle(subtitle);
    let document = document.section("What this is", |blocks| text::about(blocks, manifest));
    let document = experiments.iter().fold(document, |document, numbers| {
        document.section(title(numbers.kind), |blocks| section(blocks, numbers, manifest))
    });
    let document = match interactions::table(out, &manifest.study)? {
        Some(table) => document.section("Does it tell interactions from additions?", |blocks| {
            blocks.paragraph(interactions::ABOUT).table(table)
        }),
        None => document,
    };
    let figures: Vec<Figure> = examples::all(out)?.into_iter().map(figure).collect();
    let document = document.section("Examples", |blocks| {
        let blocks = blocks.paragraph(
            "The first pictures of each model with the map of every method, run 1: the brighter, \
             the more; where a map is zero the photo shows, grey.",
        );
        figures.into_iter().fold(blocks, Blocks::figure)
    });
    Ok(document.section("How it was made", |blocks| {
        experiments.iter().fold(blocks, |blocks, numbers| {
            let command = manifest.commands.get(numbers.kind.name()).cloned().unwrap_or_default();
            blocks.section(format!("Experiment {}", numbers.kind.name()), |blocks| {
                let blocks = blocks.code(command).facts(numbers.facts());
                settings::in_full(blocks, &numbers.plan)
            })
        })
    }))
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Methods => "Methods and controls",
        Kind::Photos => "Real photos",
        Kind::Nu => "Ablation: size of the sets",
        Kind::Mu => "Ablation: threshold",
        Kind::Samples => "Ablation: sampled subsets",
        Kind::Steps => "Ablation: steps of the path",
        Kind::Prior => "Ablation: prior and seeds",
        Kind::Readings => "Readings of ROAD",
        Kind::Cost => "Cost",
    }
}

fn section(blocks: Blocks, numbers: &Numbers, manifest: &Manifest) -> Blocks {
    match numbers.kind {
        Kind::Methods | Kind::Photos => methods::section(blocks, numbers, manifest),
        Kind::Nu | Kind::Mu | Kind::Samples | Kind::Steps => {
            ablation::varied(blocks, numbers, manifest)
        }
        Kind::Prior | Kind::Readings => ablation::listed(blocks, numbers, manifest),
        Kind::Cost => cost::section(blocks, numbers, manifest),
    }
}

fn figure((example, png): (Example, Vec<u8>)) -> Figure {
    Figure {
        name: example.name,
        png,
        alt: format!("Photo, segments and saliency maps. {}", example.caption),
        caption: example.caption.into(),
    }
}
