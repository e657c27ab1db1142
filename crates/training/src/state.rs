//! Where a training is.

use crate::history::Epoch;

/// Everything that training needs to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Numbers of each parameter of the graph, in its order.
    pub values: Vec<Vec<f32>>,
    /// What the optimiser keeps of each parameter, in the order of
    /// [`crate::Optimizer::memories`]; empty for those that are not trained.
    pub memories: Vec<Vec<Vec<f32>>>,
    /// Steps done.
    pub step: u64,
    /// Of the epoch that is not over yet: Σ loss·examples, examples that were right, examples.
    pub running: [f64; 3],
    /// The epochs that are over.
    pub history: Vec<Epoch>,
}

impl State {
    /// The beginning, from these parameters.
    pub fn new(values: Vec<Vec<f32>>) -> Self {
        let memories = vec![Vec::new(); values.len()];
        Self { values, memories, step: 0, running: [0.0; 3], history: Vec::new() }
    }

    /// The epoch with the highest validation accuracy (the lowest training loss, where nothing is
    /// held out), the first of equals.
    pub fn best(&self) -> Option<&Epoch> {
        let score = |epoch: &Epoch| epoch.validation_accuracy.unwrap_or(-epoch.training_loss);
        let better = |best: Option<&'_ Epoch>, epoch: &Epoch| {
            best.is_none_or(|best| score(epoch) > score(best))
        };
        let mut best: Option<&Epoch> = None;
        for epoch in &self.history {
            if better(best, epoch) {
                best = Some(epoch);
            }
        }
        best
    }
}
