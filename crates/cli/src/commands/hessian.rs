//! `hsets hessian`: rows of the input Hessian, smoothed as in detection.

use hsets_pipeline::core::{Error, Shape};
use hsets_report::Tensors;
use serde_json::json;

use super::tensors::{Loaded, write};
use crate::{
    args::{General, HessianArgs},
    network::check_finite,
};

pub(crate) fn run(args: &HessianArgs, general: &General) -> anyhow::Result<()> {
    let loaded = Loaded::new(&args.one, general)?;
    let Loaded { network, prepared, target } = &loaded;
    let shape = prepared.image.shape();
    let features: Result<Vec<usize>, Error> =
        args.at.iter().map(|&at| feature(at, shape)).collect();
    let features = features?;
    let field = network.field();
    let curvature = field.curvature_at(&prepared.image, target, args.preset.smoothing())?;
    check_finite(curvature.logits())?;
    let rows = curvature.rows(&features)?;
    let dimensions = [rows.len(), shape.channels, shape.height, shape.width];
    let tensors = Tensors::new().f32("rows", &dimensions, &rows.concat());
    let class = network.described(target, curvature.logits());
    let facts = json!({
        "target": class,
        "preset": args.preset.name(),
        "at": args.at,
        "tensors": { "rows": dimensions },
    });
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    let summary = format!("{} {noun} of the Hessian of {class}", rows.len());
    write(&args.one, general, &tensors, &summary, facts)
}

fn feature([channel, y, x]: [usize; 3], shape: Shape) -> Result<usize, Error> {
    if channel < shape.channels && y < shape.height && x < shape.width {
        return Ok(shape.index(channel, y, x));
    }
    let value = format!("{channel},{y},{x}");
    Err(Error::config("at", value, format!("channel, row and column inside the input {shape}")))
}
