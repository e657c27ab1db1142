//! `hsets gradient`: logits and input gradient.

use hsets_pipeline::core::Target;
use hsets_report::Tensors;
use serde_json::json;

use super::tensors::{Loaded, write};
use crate::{
    args::{General, GradientArgs},
    network::check_finite,
};

pub(crate) fn run(args: &GradientArgs, general: &General) -> anyhow::Result<()> {
    let loaded = Loaded::new(&args.one, general)?;
    let Loaded { network, prepared, target } = &loaded;
    let field = network.field();
    let (logits, gradient) = if args.smooth {
        let smoothing = args.preset.smoothing();
        let curvature = field.curvature_at(&prepared.image, target, smoothing)?;
        (curvature.logits().to_vec(), curvature.gradient().to_vec())
    } else {
        let found = field.gradients(std::slice::from_ref(&prepared.image), target)?.remove(0);
        (found.logits, found.gradient)
    };
    check_finite(&logits)?;
    let tensors = Tensors::new().f32("logits", &[logits.len()], &logits).f32(
        "gradient",
        &loaded.dimensions(),
        &gradient,
    );
    let class = network.described(target, &logits);
    let facts = json!({
        "target": class,
        "smoothed": args.smooth,
        "tensors": { "logits": [logits.len()], "gradient": loaded.dimensions() },
    });
    let what = if *target == Target::Top { "the most probable class, " } else { "" };
    let smoothed = if args.smooth { "smoothed " } else { "" };
    write(&args.one, general, &tensors, &format!("{smoothed}gradient of {what}{class}"), facts)
}
