//! Where a training is.

use hsets_core::{Error, Result};

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

    /// Whether a training can have come here, as far as the counters tell.
    pub(crate) fn is_possible(&self) -> bool {
        let [loss, right, seen] = self.running;
        let share = |share: f64| (0.0..=1.0).contains(&share);
        let of_epoch = |epoch: &Epoch| {
            epoch.training_loss.is_finite()
                && epoch.learning_rate.is_finite()
                && share(epoch.training_accuracy)
                && epoch.validation_loss.is_none_or(f64::is_finite)
                && epoch.validation_accuracy.is_none_or(share)
        };
        let steps = std::iter::once(0).chain(self.history.iter().map(|epoch| epoch.step));
        let in_order = self.history.iter().zip(1..).all(|(epoch, number)| epoch.epoch == number);
        loss.is_finite()
            && seen.is_finite()
            && (0.0..=seen).contains(&right)
            && self.history.iter().all(of_epoch)
            && in_order
            && steps.is_sorted()
            && self.history.last().is_none_or(|last| last.step <= self.step)
    }

    /// Fails unless the counters are those of epochs of `per_epoch` steps of `batch` examples.
    pub(crate) fn check(&self, per_epoch: u64, n_steps: u64, batch: usize) -> Result<()> {
        let [.., seen] = self.running;
        let fits = self.step <= n_steps
            && self.history.len() as u64 == self.step / per_epoch
            && self.history.iter().all(|epoch| epoch.step == epoch.epoch * per_epoch)
            && seen == (self.step % per_epoch) as f64 * batch as f64;
        if fits {
            return Ok(());
        }
        let problem = format!("step {} of {n_steps}", self.step);
        let expected = "a checkpoint whose epochs and steps fit together: begin anew";
        Err(Error::config("checkpoint", problem, expected))
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
