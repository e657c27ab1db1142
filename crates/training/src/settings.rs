//! How a network is trained.

use hsets_autodiff::Norms;
use hsets_core::{Error, Result};
use serde::Serialize;

use crate::{Augmentation, Optimizer, Schedule};

/// Everything that decides the weights, beside the network and the examples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Times every example is seen, 1 or more.
    pub epochs: u64,
    /// Examples of a step, 1 or more; those left over at the end of an epoch wait for the next.
    pub batch: usize,
    /// How weights move.
    pub optimizer: Optimizer,
    /// Highest learning rate η, above 0.
    pub learning_rate: f64,
    /// Epochs of linear warm-up before the cosine, 0 or more.
    pub warmup: f64,
    /// Weight decay λ of everything trained, 0 or more.
    pub weight_decay: f64,
    /// Label smoothing ε, in \[0, 1).
    pub label_smoothing: f64,
    /// Views of each photo.
    pub augmentation: Augmentation,
    /// Whether batch norms keep their running statistics.
    pub frozen_norms: bool,
    /// Share of a batch's statistics in the running ones, in (0, 1\].
    pub norm_momentum: f64,
    /// Epochs without a better validation accuracy after which training ends; `None`: never.
    pub patience: Option<u64>,
    /// Share of the steps over which the weight of the aid fades from 1 to 0, in (0, 1\].
    pub aid_share: f64,
    /// Seed of the weights, the order and the views.
    pub seed: u64,
}

impl Settings {
    /// From random weights: SGD, learning rate 0.1, flips and shifts.
    pub fn scratch() -> Self {
        Self {
            epochs: 30,
            batch: 128,
            optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true },
            learning_rate: 0.1,
            warmup: 1.0,
            weight_decay: 5e-4,
            label_smoothing: 0.0,
            augmentation: Augmentation::NONE,
            frozen_norms: false,
            norm_momentum: 0.1,
            patience: None,
            aid_share: 2.0 / 3.0,
            seed: 0,
        }
    }

    /// From trained weights: smaller steps, smaller batches.
    pub fn fine_tuning() -> Self {
        Self {
            epochs: 10,
            batch: 32,
            optimizer: Optimizer::SGD,
            learning_rate: 0.01,
            warmup: 0.5,
            weight_decay: 1e-4,
            label_smoothing: 0.1,
            ..Self::scratch()
        }
    }

    /// What batch norms do.
    pub fn norms(&self) -> Norms {
        if self.frozen_norms { Norms::Frozen } else { Norms::Batch }
    }

    /// Steps of an epoch of `n` examples: at least one.
    pub fn steps_of_epoch(&self, n: usize) -> u64 {
        (n / self.batch).max(1) as u64
    }

    /// The learning rate over all steps, for epochs of `n` examples.
    pub fn schedule(&self, n: usize) -> Schedule {
        let per_epoch = self.steps_of_epoch(n);
        let n_warmup = (self.warmup * per_epoch as f64).round() as u64;
        Schedule { peak: self.learning_rate, n_warmup, n_steps: self.epochs * per_epoch }
    }

    /// Weight of the aid at a step.
    pub fn aid(&self, step: u64, n_steps: u64) -> f64 {
        (1.0 - step as f64 / (self.aid_share * n_steps as f64)).max(0.0)
    }

    /// Fails if a number is out of range.
    pub fn check(&self) -> Result<()> {
        let ranges = [
            ("epochs", self.epochs as f64, self.epochs > 0, "1 or more"),
            ("batch", self.batch as f64, self.batch > 0, "1 or more"),
            ("learning_rate", self.learning_rate, self.learning_rate > 0.0, "above 0"),
            ("warmup", self.warmup, self.warmup >= 0.0, "0 or more epochs"),
            ("weight_decay", self.weight_decay, self.weight_decay >= 0.0, "0 or more"),
            (
                "label_smoothing",
                self.label_smoothing,
                (0.0..1.0).contains(&self.label_smoothing),
                "at least 0, below 1",
            ),
            (
                "norm_momentum",
                self.norm_momentum,
                self.norm_momentum > 0.0 && self.norm_momentum <= 1.0,
                "above 0, at most 1",
            ),
            (
                "aid_share",
                self.aid_share,
                self.aid_share > 0.0 && self.aid_share <= 1.0,
                "above 0, at most 1",
            ),
        ];
        for (name, value, is_fine, expected) in ranges {
            if !is_fine || !value.is_finite() {
                return Err(Error::config(name, value, expected));
            }
        }
        let rates = match self.optimizer {
            Optimizer::Sgd { momentum, .. } => vec![("momentum", momentum)],
            Optimizer::AdamW { beta1, beta2, .. } => vec![("beta1", beta1), ("beta2", beta2)],
        };
        for (name, rate) in rates {
            if !(0.0..1.0).contains(&rate) {
                return Err(Error::config(name, rate, "at least 0, below 1"));
            }
        }
        self.augmentation.check()
    }
}
