//! What is left to do, and how long it will take, by what was measured.

use std::fmt;

use crate::{Result, Results, Shard, Verdict, time_left};

/// What is left of an evaluation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cost {
    /// By model, in the order of the plan.
    pub models: Vec<ModelCost>,
    /// Rows of a picture under a model.
    pub rows_per_picture: usize,
}

/// What is left of a model's share.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCost {
    /// The model.
    pub model: String,
    /// Pictures that are done.
    pub n_done: usize,
    /// Pictures that are not; at most so many where correct ones are still to be found.
    pub n_left: usize,
    /// Pictures whose time is known: those that did not fail.
    pub n_measured: usize,
    /// Their wall time together.
    pub seconds: f64,
}

impl ModelCost {
    /// Mean wall time of a picture; `None` before the first.
    pub fn seconds_per_picture(&self) -> Option<f64> {
        (self.n_measured > 0).then(|| self.seconds / self.n_measured as f64)
    }

    /// One more is done, in so many seconds unless it failed.
    pub(crate) fn finished(&mut self, seconds: Option<f64>) {
        self.n_done += 1;
        self.n_left = self.n_left.saturating_sub(1);
        if let Some(seconds) = seconds {
            self.n_measured += 1;
            self.seconds += seconds;
        }
    }
}

impl Cost {
    /// By what the file holds of a shard.
    pub(crate) fn of(results: &Results, shard: Shard) -> Result<Self> {
        let plan = results.plan();
        let paces = results.paces()?;
        let mut models = Vec::new();
        for model in &plan.models {
            let done = results.done(&model.name)?;
            let candidates = results.candidates_of(&model.name)?;
            let held = candidates.iter().filter(|c| shard.holds(c.rank));
            let chosen = held.clone().filter(|c| c.verdict.has_rows()).count();
            let refused = held.filter(|c| c.verdict == Verdict::Misclassified).count();
            let wanted = match plan.selection.samples {
                Some(_) => chosen,
                None => (0..plan.dataset.n).filter(|&rank| shard.holds(rank)).count() - refused,
            };
            let (n_measured, seconds) = paces.get(&model.name).copied().unwrap_or_default();
            models.push(ModelCost {
                model: model.name.clone(),
                n_done: done.len(),
                n_left: wanted.saturating_sub(done.len()),
                n_measured,
                seconds,
            });
        }
        Ok(Self { models, rows_per_picture: plan.rows_per_picture() })
    }

    /// Pictures × models that are left.
    pub fn n_left(&self) -> usize {
        self.models.iter().map(|model| model.n_left).sum()
    }

    /// Pictures × models that are done.
    pub fn n_done(&self) -> usize {
        self.models.iter().map(|model| model.n_done).sum()
    }

    /// Wall time that is left; a model without measurement takes the mean of the others. `None`
    /// before the first measurement.
    pub fn seconds_left(&self) -> Option<f64> {
        if self.n_left() == 0 {
            return Some(0.0);
        }
        let n_measured: usize = self.models.iter().map(|model| model.n_measured).sum();
        let seconds: f64 = self.models.iter().map(|model| model.seconds).sum();
        let mean = (n_measured > 0).then(|| seconds / n_measured as f64)?;
        let left = |m: &ModelCost| m.n_left as f64 * m.seconds_per_picture().unwrap_or(mean);
        Some(self.models.iter().map(left).sum())
    }
}

impl fmt::Display for Cost {
    /// "12 of 100 pictures, 3 h 12 min left".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, left) = (self.n_done(), self.n_left());
        write!(f, "{done} of {} pictures, {} left", done + left, time_left(self.seconds_left()))
    }
}
