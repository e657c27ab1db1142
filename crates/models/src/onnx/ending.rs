//! Where the logits of a network are.

use super::read::{Model, Node};

/// What holds the logits, and what to say about it.
pub(super) struct Ending<'a> {
    pub(super) logits: &'a str,
    pub(super) note: Option<String>,
}

/// The values before the probabilities that `output` is: softmax and sigmoid are undone by leaving
/// them out. Where something else is made of probabilities, that is said.
pub(super) fn of<'a>(model: &'a Model, output: &'a str) -> Ending<'a> {
    let mut value = output;
    let mut clip: Option<&Node> = None;
    while let Some(node) = maker(model, value) {
        let Some(before) = node.input(0) else { break };
        match node.op.as_str() {
            "Softmax" | "LogSoftmax" | "Sigmoid" => {
                let behind = clip.map(|clip| format!(" and {clip}")).unwrap_or_default();
                let mut note =
                    format!("it ends in {node}{behind}: the logits before that are explained");
                if node.op == "Sigmoid" {
                    note += "; where there are several, probabilities are shown as those of a \
                             softmax, not the sigmoid of each";
                }
                return Ending { logits: before, note: Some(note) };
            }
            "Clip" => (clip, value) = (Some(node), before),
            _ if passes(node) => value = before,
            _ => break,
        }
    }
    let note = probabilities(model, output, MAX_STEPS).map(|node| {
        format!("its output is made of probabilities, those of {node}, but taken for logits")
    });
    Ending { logits: output, note }
}

/// Nodes behind which the end of a network is looked for.
const MAX_STEPS: usize = 16;

fn maker<'a>(model: &'a Model, value: &str) -> Option<&'a Node> {
    model.nodes.iter().find(|node| node.outputs.iter().any(|output| output == value))
}

/// Whether it gives the numbers it takes.
fn passes(node: &Node) -> bool {
    matches!(
        node.op.as_str(),
        "Identity" | "Cast" | "Dropout" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten"
    )
}

/// A softmax or sigmoid of which this value is made number by number, or as a mean.
fn probabilities<'a>(model: &'a Model, value: &str, n_steps: usize) -> Option<&'a Node> {
    let node = maker(model, value)?;
    let n_steps = n_steps.checked_sub(1)?;
    let of = |value: &str| probabilities(model, value, n_steps);
    match node.op.as_str() {
        "Softmax" | "Sigmoid" | "HardSigmoid" => Some(node),
        "Clip" | "ReduceMean" | "ReduceSum" | "ReduceMax" | "Gather" | "Slice" | "Transpose"
        | "Pow" | "Sqrt" => of(node.input(0)?),
        // A factor of its own scales features elsewhere (squeeze and excitation), so that all that is
        // no constant must be probabilities.
        "Add" | "Sub" | "Mul" | "Div" | "Sum" | "Mean" | "Max" | "Concat" => {
            let made = node.inputs.iter().filter(|input| maker(model, input).is_some());
            let found: Option<Vec<&Node>> = made.map(|input| of(input)).collect();
            found?.into_iter().next()
        }
        _ if passes(node) => of(node.input(0)?),
        _ => None,
    }
}
