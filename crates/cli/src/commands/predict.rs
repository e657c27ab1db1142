//! `hsets predict`: the most probable classes.

use std::path::Path;

use hsets_pipeline::core::Link;
use hsets_report::record::{ClassRecord, top_classes};
use serde::Serialize;

use crate::{
    args::{General, PredictArgs},
    failure::{Failure, for_each_input},
    network::Network,
    output,
};

/// How many classes are printed.
const N_TOP: usize = 5;

#[derive(Serialize)]
struct Prediction {
    input: String,
    top: Vec<ClassRecord>,
}

pub(crate) fn run(args: &PredictArgs, general: &General) -> Result<(), Failure> {
    let network = Network::load(&args.model, general, &args.inputs)?;
    for_each_input(
        &args.inputs,
        |input| input.display().to_string(),
        |_, input| predict(&network, input, general),
    )
}

fn predict(network: &Network, input: &Path, general: &General) -> anyhow::Result<()> {
    crate::progress::check()?;
    let prepared = network.read(input)?;
    let field = network.field();
    let logits = field.logits(std::slice::from_ref(&prepared.image))?.remove(0);
    crate::network::check_finite(&logits)?;
    let link = field.link();
    let top = top_classes(&logits, link, N_TOP, &|class| network.label(class));
    let prediction = Prediction { input: input.display().to_string(), top };
    if general.json {
        output::say(&serde_json::to_string(&prediction)?);
        return Ok(());
    }
    output::say(&prediction.input);
    let kind = if link == Link::Sigmoid { ", sigmoid" } else { "" };
    for class in &prediction.top {
        let percent = 100.0 * class.probability;
        output::say(&format!(
            "  {percent:5.1} %{kind}  {} (class {}, logit {:.2})",
            class.label, class.index, class.logit
        ));
    }
    Ok(())
}
