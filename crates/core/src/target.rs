//! The scalar of the logits that is explained.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A scalar function of the logits, with its first and second derivatives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The logit of one class (never its softmax): what H-Sets explains.
    Logit(usize),
    /// The logit of whichever class is largest at the point in question.
    Top,
    /// Logit of `class` minus logit of `against`: why this class and not that one.
    Difference {
        /// The class that is explained.
        class: usize,
        /// The class it is compared with.
        against: usize,
    },
    /// ln of the probability of one class (minus the cross-entropy loss), by [`probabilities`].
    LogProbability(usize),
    /// ln(p / (1 - p)) of one class: its logit minus the ln Σ exp of all others. It does not level
    /// off where the class is sure, and other classes count as they compete.
    LogOdds(usize),
    /// Any linear combination of the logits, one weight per class.
    Weighted(Vec<f32>),
}

impl Target {
    /// What its value is, in words.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Logit(_) | Self::Top => "logit",
            Self::Difference { .. } => "difference of logits",
            Self::LogProbability(_) => "log-probability",
            Self::LogOdds(_) => "log-odds",
            Self::Weighted(_) => "weighted logits",
        }
    }

    /// Fails if a class does not exist among `n_classes`, or is held against itself.
    pub fn check(&self, n_classes: usize) -> Result<()> {
        let check_class = |class: usize| {
            if class < n_classes {
                return Ok(());
            }
            Err(Error::config("target", class, format!("a class index below {n_classes}")))
        };
        match self {
            Self::Top => Ok(()),
            Self::Difference { class, against } => {
                check_class(*class)?;
                check_class(*against)?;
                if class == against {
                    return Err(Error::config(
                        "against",
                        against,
                        "another class than the one that is explained",
                    ));
                }
                Ok(())
            }
            Self::LogOdds(_) if n_classes < 2 => {
                Err(Error::config("target", "log-odds", "a network of two classes or more"))
            }
            Self::Logit(class) | Self::LogProbability(class) | Self::LogOdds(class) => {
                check_class(*class)
            }
            Self::Weighted(weights) if weights.len() == n_classes => Ok(()),
            Self::Weighted(weights) => {
                Err(Error::shape("target weights", n_classes, weights.len()))
            }
        }
    }

    /// The target with its class chosen: [`Target::Top`] becomes the logit of the class that is
    /// largest here, all others stay what they are.
    #[must_use]
    pub fn fixed(&self, logits: &[f32]) -> Self {
        if *self != Self::Top {
            return self.clone();
        }
        let wide: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
        Self::Logit(argmax(&wide))
    }

    /// The scalar's value at these logits.
    pub fn value(&self, logits: &[f64]) -> f64 {
        match self {
            Self::Logit(class) => logits[*class],
            Self::Top => logits[argmax(logits)],
            Self::Difference { class, against } => logits[*class] - logits[*against],
            Self::LogProbability(class) => logits[*class] - log_normaliser(logits),
            Self::LogOdds(class) => logits[*class] - log_sum_exp(&others(logits, *class)),
            Self::Weighted(weights) => {
                logits.iter().zip(weights).map(|(z, &w)| z * f64::from(w)).sum()
            }
        }
    }

    /// Its gradient with respect to the logits.
    pub fn gradient(&self, logits: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; logits.len()];
        match self {
            Self::Logit(class) => gradient[*class] = 1.0,
            Self::Top => gradient[argmax(logits)] = 1.0,
            Self::Difference { class, against } => {
                gradient[*class] += 1.0;
                gradient[*against] -= 1.0;
            }
            Self::LogProbability(class) => {
                let probabilities = probabilities(logits);
                gradient.iter_mut().zip(probabilities).for_each(|(g, p)| *g = -p);
                gradient[*class] += 1.0;
            }
            Self::LogOdds(class) => {
                let rivals = softmax(&others(logits, *class));
                gradient.iter_mut().zip(rivals).for_each(|(g, q)| *g = -q);
                gradient[*class] = 1.0;
            }
            Self::Weighted(weights) => {
                gradient.iter_mut().zip(weights).for_each(|(g, &w)| *g = f64::from(w));
            }
        }
        gradient
    }

    /// Its Hessian with respect to the logits times `direction`; `None` where it is zero.
    pub fn hessian_product(&self, logits: &[f64], direction: &[f64]) -> Option<Vec<f64>> {
        // The classes whose ln Σ exp is subtracted.
        let probabilities = match self {
            Self::LogProbability(_) => probabilities(logits),
            Self::LogOdds(class) => softmax(&others(logits, *class)),
            _ => return None,
        };
        let mean: f64 = probabilities.iter().zip(direction).map(|(p, v)| p * v).sum();
        Some(probabilities.iter().zip(direction).map(|(p, v)| -p * (v - mean)).collect())
    }
}

/// Probabilities of the classes: softmax of the logits; of a single logit the sigmoid, since such a
/// network was trained to tell its class from everything else.
pub fn probabilities(logits: &[f64]) -> Vec<f64> {
    match *logits {
        [logit] => vec![softmax(&[logit, 0.0])[0]],
        _ => softmax(logits),
    }
}

/// Whether a network with these logits says `class`: its logit is the largest, the first of equals;
/// a single logit says its class where it is above 0 (a probability above ½).
pub fn is_predicted(logits: &[f32], class: usize) -> bool {
    if let [logit] = *logits {
        return logit > 0.0;
    }
    let beats = |i: usize| logits[i] > logits[class] || (i < class && logits[i] >= logits[class]);
    !(0..logits.len()).any(|i| i != class && beats(i))
}

/// softmax of the logits, free of overflow.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits[argmax(logits)];
    let mut probabilities: Vec<f64> = logits.iter().map(|z| (z - top).exp()).collect();
    let sum: f64 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|p| *p /= sum);
    probabilities
}

/// ln of what [`probabilities`] divides by: the other side of a single logit is a logit of 0.
fn log_normaliser(logits: &[f64]) -> f64 {
    match *logits {
        [logit] => log_sum_exp(&[logit, 0.0]),
        _ => log_sum_exp(logits),
    }
}

/// ln Σ exp of the logits, free of overflow.
fn log_sum_exp(logits: &[f64]) -> f64 {
    let top = logits[argmax(logits)];
    top + logits.iter().map(|z| (z - top).exp()).sum::<f64>().ln()
}

/// The logits with that of one class at minus infinity, where it counts for nothing; against a
/// single logit stands one of 0.
fn others(logits: &[f64], class: usize) -> Vec<f64> {
    if logits.len() == 1 {
        return vec![0.0];
    }
    let mut others = logits.to_vec();
    others[class] = f64::NEG_INFINITY;
    others
}

/// Index of the largest value, the first among equals.
fn argmax(values: &[f64]) -> usize {
    let better = |best: usize, i: usize| if values[i] > values[best] { i } else { best };
    (1..values.len()).fold(0, better)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f64; 4] = [0.3, -1.2, 2.0, 0.7];

    #[test]
    fn derivatives_match_finite_differences() {
        let targets = [
            Target::Logit(1),
            Target::Top,
            Target::Difference { class: 0, against: 3 },
            Target::LogProbability(3),
            Target::LogOdds(2),
            Target::LogOdds(3),
            Target::Weighted(vec![0.5, -1.0, 2.0, 0.25]),
        ];
        let direction = [0.4, -0.1, 0.9, -0.6];
        let step = 1e-5;
        let moved = |sign: f64| -> Vec<f64> {
            LOGITS.iter().zip(direction).map(|(z, v)| z + sign * step * v).collect()
        };
        for target in targets {
            let slope = (target.value(&moved(1.0)) - target.value(&moved(-1.0))) / (2.0 * step);
            let gradient = target.gradient(&LOGITS);
            let exact: f64 = gradient.iter().zip(direction).map(|(g, v)| g * v).sum();
            assert!((slope - exact).abs() < 1e-8, "{target:?}: {slope} against {exact}");
            let (up, down) = (target.gradient(&moved(1.0)), target.gradient(&moved(-1.0)));
            let product = target.hessian_product(&LOGITS, &direction).unwrap_or(vec![0.0; 4]);
            for i in 0..4 {
                let numeric = (up[i] - down[i]) / (2.0 * step);
                assert!((numeric - product[i]).abs() < 1e-8, "{target:?}, logit {i}");
            }
        }
    }

    #[test]
    fn a_single_logit_means_a_sigmoid() {
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        for z in [-700.0, -3.0, 0.0, 1.2, 30.0] {
            assert!((probabilities(&[z])[0] - sigmoid(z)).abs() < 1e-15, "{z}");
        }
        let (target, z, step) = (Target::LogProbability(0), 1.2, 1e-5);
        assert!((target.value(&[z]) - sigmoid(z).ln()).abs() < 1e-12);
        let slope = (target.value(&[z + step]) - target.value(&[z - step])) / (2.0 * step);
        assert!((target.gradient(&[z])[0] - slope).abs() < 1e-9);
        let bend = (target.gradient(&[z + step])[0] - target.gradient(&[z - step])[0]) / step;
        let product = target.hessian_product(&[z], &[2.0]).unwrap();
        assert!((product[0] - bend).abs() < 1e-9);
        let odds = Target::LogOdds(0);
        assert_eq!((odds.value(&[z]), odds.gradient(&[z])), (z, vec![1.0]));
        assert_eq!(odds.hessian_product(&[z], &[2.0]), Some(vec![0.0]));
        assert!(is_predicted(&[0.1], 0) && !is_predicted(&[-0.1], 0));
    }

    #[test]
    fn first_of_equals_is_predicted() {
        assert!(is_predicted(&[1.0, 1.0], 0) && !is_predicted(&[1.0, 1.0], 1));
    }

    #[test]
    fn only_the_top_is_fixed() {
        assert_eq!(Target::Top.fixed(&[0.5, 2.0, 2.0]), Target::Logit(1));
        assert_eq!(Target::LogProbability(0).fixed(&[0.5, 2.0]), Target::LogProbability(0));
    }

    #[test]
    fn unknown_class_is_refused() {
        let error = Target::Logit(10).check(10).unwrap_err();
        assert_eq!(error.to_string(), "target = 10: a class index below 10");
    }
}
