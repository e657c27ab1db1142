//! `hsets ig`: Integrated Gradients as a tensor.

use hsets_pipeline::attribution::{PathGradients, PathSettings, integrated_gradients};
use hsets_report::Tensors;
use serde_json::json;

use super::tensors::{Loaded, write};
use crate::{
    args::{General, IgArgs},
    network::check_finite,
    output::short,
    progress::Bars,
    settings::baseline,
};

pub(crate) fn run(args: &IgArgs, general: &General) -> anyhow::Result<()> {
    let loaded = Loaded::new(&args.one, general)?;
    let Loaded { network, prepared, target } = &loaded;
    let field = network.field();
    let start = baseline(&args.baseline, general.seed, network)?
        .image(&prepared.image, &network.normalisation())?;
    let logits = field.logits(std::slice::from_ref(&prepared.image))?.remove(0);
    check_finite(&logits)?;
    let target = &target.fixed(&logits);
    let settings = PathSettings { keep_points: false, ..PathSettings::for_steps(args.steps) };
    let bars = Bars::new(general.quiet, String::new());
    let path = PathGradients::along(field, &start, &prepared.image, &settings, target, &bars)?;
    let ig = integrated_gradients(&path)?;
    let tensors = Tensors::new().f32("map", &loaded.dimensions(), ig.map.data());
    let class = network.described(target, &logits);
    let gap = ig.completeness.absolute();
    let facts = json!({
        "target": class,
        "steps": path.refinement().steps,
        "baseline": args.baseline,
        "completeness_gap": gap,
        "tensors": { "map": loaded.dimensions() },
    });
    let steps = path.refinement().steps;
    let summary =
        format!("Integrated Gradients of {class}, {steps} steps, completeness gap {}", short(gap));
    write(&args.one, general, &tensors, &summary, facts)
}
