//! What the logits of a network say of its classes.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Target, target::argmax};

/// How the logits of a network become probabilities: the inverse link of the loss it was trained
/// with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// One class of several: the softmax of all logits.
    #[default]
    Softmax,
    /// Each class by itself, and any number of them at once: the sigmoid of its own logit.
    Sigmoid,
}

impl Link {
    /// Of a network with so many logits of which no more is known: a single one can only mean its
    /// class against everything else.
    pub fn usual(n_classes: usize) -> Self {
        if n_classes == 1 { Self::Sigmoid } else { Self::Softmax }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
        }
    }

    /// Fails where so many logits can't have this meaning.
    pub fn check(self, n_classes: usize) -> Result<()> {
        if self == Self::Softmax && n_classes < 2 {
            let expected = "sigmoid: the softmax of a single logit is always 1";
            return Err(Error::config("probabilities", self.name(), expected));
        }
        Ok(())
    }

    /// Probabilities of the classes \[K\] by their logits \[K\].
    pub fn probabilities(self, logits: &[f64]) -> Vec<f64> {
        match self {
            Self::Softmax => softmax(logits),
            Self::Sigmoid => logits.iter().map(|&logit| sigmoid(logit)).collect(),
        }
    }

    /// Probability of one class by the logits \[K\] of a network.
    pub fn probability(self, logits: &[f32], class: usize) -> f64 {
        match self {
            Self::Softmax => {
                let wide: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
                softmax(&wide)[class]
            }
            Self::Sigmoid => sigmoid(f64::from(logits[class])),
        }
    }

    /// Whether a network with these logits says `class`: its logit is the largest, the first of
    /// equals; where each class stands by itself, it is above 0 (a probability above ½).
    pub fn is_predicted(self, logits: &[f32], class: usize) -> bool {
        let at = logits[class];
        let beats = |i: usize| logits[i] > at || (i < class && logits[i] >= at);
        match self {
            Self::Softmax => !(0..logits.len()).any(|i| i != class && beats(i)),
            Self::Sigmoid => at > 0.0,
        }
    }

    /// ln of the probability of a class.
    pub fn log_probability(self, class: usize) -> Target {
        match self {
            Self::Softmax => Target::LogProbability(class),
            Self::Sigmoid => Target::LogSigmoid(class),
        }
    }

    /// ln(p / (1 - p)) of a class; of a sigmoid that is the logit itself.
    pub fn log_odds(self, class: usize) -> Target {
        match self {
            Self::Softmax => Target::LogOdds(class),
            Self::Sigmoid => Target::Logit(class),
        }
    }
}

impl FromStr for Link {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let mut all = [Self::Softmax, Self::Sigmoid].into_iter();
        all.find(|link| link.name() == name)
            .ok_or_else(|| Error::config("probabilities", name, "softmax or sigmoid"))
    }
}

/// 1 / (1 + exp(-z)), free of overflow.
pub(crate) fn sigmoid(logit: f64) -> f64 {
    let small = (-logit.abs()).exp();
    if logit < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) }
}

/// softmax of the logits, free of overflow.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits[argmax(logits)];
    let mut probabilities: Vec<f64> = logits.iter().map(|z| (z - top).exp()).collect();
    let sum: f64 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|p| *p /= sum);
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_themselves_have_a_sigmoid_each() {
        let logits = [-700.0, -3.0, 0.0, 1.2, 30.0];
        let found = Link::Sigmoid.probabilities(&logits);
        for (z, p) in logits.into_iter().zip(found) {
            assert!((p - 1.0 / (1.0 + (-z).exp())).abs() < 1e-15, "{z}");
            assert!((Link::Sigmoid.probability(&[z as f32], 0) - p).abs() < 1e-8, "{z}");
        }
        let both = [0.1, 2.0, -0.1];
        assert_eq!([0, 1, 2].map(|k| Link::Sigmoid.is_predicted(&both, k)), [true, true, false]);
        assert_eq!([0, 1, 2].map(|k| Link::Softmax.is_predicted(&both, k)), [false, true, false]);
        assert_eq!([1, 2].map(Link::usual), [Link::Sigmoid, Link::Softmax]);
        assert!(Link::Softmax.check(1).is_err() && Link::Softmax.check(2).is_ok());
        assert!(Link::Sigmoid.check(1).is_ok() && Link::Sigmoid.check(2).is_ok());
        assert_eq!("sigmoid".parse::<Link>().unwrap(), Link::Sigmoid);
        assert!("logit".parse::<Link>().unwrap_err().to_string().contains("softmax or sigmoid"));
    }

    #[test]
    fn probabilities_of_a_softmax_sum_to_one() {
        let logits = [1000.0, 998.5, -2000.0];
        let found = softmax(&logits);
        let second = 1.0 / (1.0 + 1.5_f64.exp());
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((found[1] - second).abs() < 1e-12, "{found:?}");
        let narrow = logits.map(|z| z as f32);
        assert!((Link::Softmax.probability(&narrow, 1) - second).abs() < 1e-12);
    }

    #[test]
    fn first_of_equals_is_predicted() {
        let says = |class| Link::Softmax.is_predicted(&[1.0, 1.0], class);
        assert!(says(0) && !says(1));
    }
}
