//! Where the logits of a network are.

use std::collections::BTreeMap;

use hsets_core::Link;

use super::read::{Model, Node};

/// What holds the logits, and what to say about it.
pub(super) struct Ending<'a> {
    pub(super) logits: &'a str,
    /// How they become probabilities, where the file says it.
    pub(super) link: Option<Link>,
    pub(super) note: Option<String>,
}

/// The values before the probabilities that `output` is: softmax and sigmoid are undone by leaving
/// them out. Where something else is made of probabilities, that is said.
pub(super) fn of<'a>(model: &'a Model, output: &'a str) -> Ending<'a> {
    let makers = makers(model);
    let mut value = output;
    let mut clip: Option<&Node> = None;
    while let Some(&node) = makers.get(value) {
        let Some(before) = node.input(0) else { break };
        match node.op.as_str() {
            "Softmax" | "LogSoftmax" | "Sigmoid" => {
                let behind = clip.map(|clip| format!(" and {clip}")).unwrap_or_default();
                let note =
                    format!("it ends in {node}{behind}: the logits before that are explained");
                let link = if node.op == "Sigmoid" { Link::Sigmoid } else { Link::Softmax };
                return Ending { logits: before, link: Some(link), note: Some(note) };
            }
            "Clip" => (clip, value) = (Some(node), before),
            _ if passes(node) => value = before,
            _ => break,
        }
    }
    let mut search = Search { makers, known: BTreeMap::new() };
    let note = search.probabilities(output, MAX_STEPS).map(|node| {
        format!("its output is made of probabilities, those of {node}, but taken for logits")
    });
    Ending { logits: output, link: None, note }
}

/// Nodes behind which the end of a network is looked for.
const MAX_STEPS: usize = 16;

/// The nodes by what they give, with those in branches, whose names may come again outside.
fn makers(model: &Model) -> BTreeMap<&str, &Node> {
    let mut makers = BTreeMap::new();
    let mut level: Vec<&Node> = model.nodes.iter().collect();
    while !level.is_empty() {
        for node in &level {
            for output in &node.outputs {
                makers.entry(output.as_str()).or_insert(*node);
            }
        }
        let branches = level.iter().flat_map(|node| node.branches.iter().flatten());
        level = branches.flat_map(|branch| &branch.nodes).collect();
    }
    makers
}

/// Whether it gives the numbers it takes.
fn passes(node: &Node) -> bool {
    matches!(
        node.op.as_str(),
        "Identity" | "Cast" | "Dropout" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten"
    )
}

struct Search<'a> {
    makers: BTreeMap<&'a str, &'a Node>,
    /// What was found before: each value is looked at once.
    known: BTreeMap<&'a str, Option<&'a Node>>,
}

impl<'a> Search<'a> {
    /// A softmax or sigmoid of which this value is made number by number, or as a mean.
    fn probabilities(&mut self, value: &'a str, n_steps: usize) -> Option<&'a Node> {
        if let Some(&found) = self.known.get(value) {
            return found;
        }
        let node = *self.makers.get(value)?;
        let found = n_steps.checked_sub(1).and_then(|n_steps| self.behind(node, n_steps));
        self.known.insert(value, found);
        found
    }

    fn behind(&mut self, node: &'a Node, n_steps: usize) -> Option<&'a Node> {
        match node.op.as_str() {
            "Softmax" | "Sigmoid" | "HardSigmoid" => Some(node),
            "Clip" | "ReduceMean" | "ReduceSum" | "ReduceMax" | "Gather" | "Slice"
            | "Transpose" | "Pow" | "Sqrt" => self.probabilities(node.input(0)?, n_steps),
            // A factor of its own scales features elsewhere (squeeze and excitation), so that all
            // that is no constant must be probabilities.
            "Add" | "Sub" | "Mul" | "Div" | "Sum" | "Mean" | "Max" | "Concat" => {
                let mut found = None;
                for input in &node.inputs {
                    if self.makers.contains_key(input.as_str()) {
                        let one = self.probabilities(input, n_steps)?;
                        found.get_or_insert(one);
                    }
                }
                found
            }
            "If" => {
                let mut results = node.branches.iter().flatten().flat_map(|one| &one.outputs);
                results.find_map(|result| self.probabilities(result, n_steps))
            }
            _ if passes(node) => self.probabilities(node.input(0)?, n_steps),
            _ => None,
        }
    }
}
