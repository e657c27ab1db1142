//! The scalar of the logits that is explained.

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    link::{sigmoid, softmax},
};

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
    /// ln of the softmax of one class (minus the cross-entropy loss).
    LogProbability(usize),
    /// ln of the sigmoid of one class, which stands by itself
    /// ([`Link::Sigmoid`](crate::Link::Sigmoid)).
    LogSigmoid(usize),
    /// ln(p / (1 - p)) of the softmax p of one class: its logit minus the ln Σ exp of all others. It
    /// does not level off where the class is sure, and other classes count as they compete.
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
            Self::LogProbability(_) | Self::LogSigmoid(_) => "log-probability",
            Self::LogOdds(_) => "log-odds",
            Self::Weighted(_) => "weighted logits",
        }
    }

    /// The class that it is about, if it is about one.
    pub fn class(&self) -> Option<usize> {
        match *self {
            Self::Logit(class)
            | Self::LogProbability(class)
            | Self::LogSigmoid(class)
            | Self::LogOdds(class)
            | Self::Difference { class, .. } => Some(class),
            Self::Top | Self::Weighted(_) => None,
        }
    }

    /// Whether it is a linear combination of the logits, for as long as the top class stays.
    pub fn is_linear(&self) -> bool {
        match self {
            Self::Logit(_) | Self::Top | Self::Difference { .. } | Self::Weighted(_) => true,
            Self::LogProbability(_) | Self::LogSigmoid(_) | Self::LogOdds(_) => false,
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
            Self::LogProbability(_) | Self::LogOdds(_) if n_classes < 2 => {
                Err(Error::config("target", self.unit(), "a softmax of two classes or more"))
            }
            Self::Logit(class)
            | Self::LogProbability(class)
            | Self::LogSigmoid(class)
            | Self::LogOdds(class) => check_class(*class),
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
            Self::LogProbability(class) => logits[*class] - log_sum_exp(logits),
            Self::LogSigmoid(class) => {
                let z = logits[*class];
                z.min(0.0) - (-z.abs()).exp().ln_1p()
            }
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
                gradient.iter_mut().zip(softmax(logits)).for_each(|(g, p)| *g = -p);
                gradient[*class] += 1.0;
            }
            Self::LogSigmoid(class) => gradient[*class] = sigmoid(-logits[*class]),
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
            Self::LogProbability(_) => softmax(logits),
            Self::LogSigmoid(class) => {
                let mut product = vec![0.0; logits.len()];
                let z = logits[*class];
                product[*class] = -sigmoid(z) * sigmoid(-z) * direction[*class];
                return Some(product);
            }
            Self::LogOdds(class) => softmax(&others(logits, *class)),
            _ => return None,
        };
        let mean: f64 = probabilities.iter().zip(direction).map(|(p, v)| p * v).sum();
        Some(probabilities.iter().zip(direction).map(|(p, v)| -p * (v - mean)).collect())
    }
}

/// ln Σ exp of the logits, free of overflow.
fn log_sum_exp(logits: &[f64]) -> f64 {
    let top = logits[argmax(logits)];
    top + logits.iter().map(|z| (z - top).exp()).sum::<f64>().ln()
}

/// The logits with that of one class at minus infinity, where it counts for nothing.
fn others(logits: &[f64], class: usize) -> Vec<f64> {
    let mut others = logits.to_vec();
    others[class] = f64::NEG_INFINITY;
    others
}

/// Index of the largest value, the first among equals.
pub(crate) fn argmax(values: &[f64]) -> usize {
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
            Target::LogSigmoid(2),
            Target::LogSigmoid(1),
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
    fn far_from_zero_the_sigmoid_stays_exact() {
        let of = |z: f64| Target::LogSigmoid(0).value(&[z]);
        assert_eq!(of(-800.0), -800.0);
        assert!((of(40.0) + (-40.0_f64).exp()).abs() < 1e-25);
        assert_eq!(Target::LogSigmoid(0).gradient(&[-800.0]), [1.0]);
        assert!(Target::LogOdds(0).check(1).is_err() && Target::LogSigmoid(0).check(1).is_ok());
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
