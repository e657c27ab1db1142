//! Cross-entropy with label smoothing.
//!
//! With K classes, targets q = (1 - ε)·\[k = class\] + ε/K (Szegedy et al. 2016), the loss of one
//! example is -Σ q_k·log p_k, its gradient with respect to the logits p - q, and that of a batch the
//! mean over its examples.

use hsets_core::softmax;

/// The value of a loss and its gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Mean over the examples.
    pub value: f64,
    /// With respect to the logits of each example.
    pub gradients: Vec<Vec<f32>>,
}

/// What the logits of an example should say.
///
/// Logits come in groups: the first is the classes; each of the others, if there are any, is asked
/// a question of its own that helps to learn (see [`crate::Aid`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoftTargets<'a> {
    /// Logits of each group.
    pub groups: &'a [usize],
    /// Weight of the groups after the first, together.
    pub aid: f64,
    /// ε.
    pub smoothing: f64,
}

impl SoftTargets<'_> {
    /// The loss of a batch; `answers` holds the right one of each group for each example.
    pub fn loss(&self, logits: &[Vec<f32>], answers: &[Vec<usize>]) -> Loss {
        let n = logits.len() as f64;
        let n_questions = self.groups.len().saturating_sub(1) as f64;
        let mut value = 0.0;
        let mut gradients = Vec::with_capacity(logits.len());
        for (logits, answers) in logits.iter().zip(answers) {
            let mut gradient = Vec::with_capacity(logits.len());
            let mut first = 0;
            for (group, (&len, &answer)) in self.groups.iter().zip(answers).enumerate() {
                let weight = if group == 0 { 1.0 } else { self.aid / n_questions };
                let of_group = self.one(&logits[first..first + len], answer, weight / n);
                value += of_group.0;
                gradient.extend(of_group.1);
                first += len;
            }
            gradients.push(gradient);
        }
        Loss { value, gradients }
    }

    /// Value and gradient of one group of one example, times `weight`.
    fn one(&self, logits: &[f32], answer: usize, weight: f64) -> (f64, Vec<f32>) {
        let wide: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
        let highest = wide.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = wide.iter().map(|z| (z - highest).exp()).sum::<f64>().ln() + highest;
        let rest = self.smoothing / wide.len() as f64;
        let target = |class: usize| rest + if class == answer { 1.0 - self.smoothing } else { 0.0 };
        let terms = wide.iter().enumerate().map(|(class, z)| target(class) * (log_sum - z));
        let value = weight * terms.sum::<f64>();
        let probabilities = softmax(&wide).into_iter().enumerate();
        (value, probabilities.map(|(k, p)| (weight * (p - target(k))) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_is_the_slope_of_the_value() {
        let targets = SoftTargets { groups: &[3, 2, 2], aid: 0.6, smoothing: 0.1 };
        let logits = vec![vec![0.5, -1.0, 2.0, 0.3, 0.1, -0.7, 0.9]; 2];
        let answers = vec![vec![2, 0, 1], vec![0, 1, 1]];
        let loss = targets.loss(&logits, &answers);
        for at in 0..7 {
            let moved = |step: f32| {
                let mut logits = logits.clone();
                logits[1][at] += step;
                targets.loss(&logits, &answers).value
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - f64::from(loss.gradients[1][at])).abs() < 1e-5, "{at}");
        }
    }
}
