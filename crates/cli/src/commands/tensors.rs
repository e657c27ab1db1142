//! What the commands that write tensors of one input share.

use std::path::PathBuf;

use hsets_pipeline::{core::Target, models::Prepared};
use hsets_report::{Tensors, output::write_file};
use serde_json::{Value, json};

use crate::{
    args::{General, ModelArgs, OneInput},
    network::Network,
    output,
};

/// A network, its input and what is differentiated.
pub(super) struct Loaded {
    pub(super) network: Network,
    pub(super) prepared: Prepared,
    pub(super) target: Target,
}

impl Loaded {
    pub(super) fn new(one: &OneInput, general: &General) -> anyhow::Result<Self> {
        let ModelArgs { weights, input, .. } = &one.model;
        let read = [Some(&one.input), weights.as_ref(), input.labels.as_ref()];
        output::keep_inputs(&one.out, read.into_iter().flatten().map(PathBuf::as_path))?;
        let network = Network::load(&one.model, general, [&one.input])?;
        let target = network.target(&one.target)?;
        let prepared = network.read(&one.input)?;
        Ok(Self { network, prepared, target })
    }

    /// Height, width and channels of the input as tensors have them.
    pub(super) fn dimensions(&self) -> [usize; 3] {
        let shape = self.prepared.image.shape();
        [shape.channels, shape.height, shape.width]
    }
}

/// Writes the tensors; says so with `summary`, or as JSON with the fields of `facts`.
pub(super) fn write(
    one: &OneInput,
    general: &General,
    tensors: &Tensors,
    summary: &str,
    facts: Value,
) -> anyhow::Result<()> {
    crate::progress::check()?;
    write_file(&one.out, &tensors.encode()?)?;
    if general.json {
        let mut record = json!({
            "input": one.input.display().to_string(),
            "out": one.out.display().to_string(),
            "seed": general.seed,
        });
        if let (Some(record), Value::Object(facts)) = (record.as_object_mut(), facts) {
            record.extend(facts);
        }
        output::say(&record.to_string());
    } else if !general.quiet {
        output::say(&format!("{}: {summary} -> {}", one.input.display(), one.out.display()));
    }
    Ok(())
}
