//! Steps down the gradient.

use serde::Serialize;

/// How weights move. Weight decay λ is a setting of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum, as PyTorch has it: g += λ·w, b = μ·b + g,
    /// w -= η·b, or with Nesterov's momentum w -= η·(g + μ·b).
    Sgd {
        /// μ, in \[0, 1).
        momentum: f64,
        /// Whether the momentum is Nesterov's.
        nesterov: bool,
    },
    /// AdamW (Loshchilov and Hutter 2019): w -= η·λ·w, m = β₁·m + (1 - β₁)·g,
    /// v = β₂·v + (1 - β₂)·g², w -= η·m̂/(√v̂ + ε), with m̂ and v̂ corrected for their start at 0.
    AdamW {
        /// β₁, in \[0, 1).
        beta1: f64,
        /// β₂, in \[0, 1).
        beta2: f64,
        /// ε, above 0.
        eps: f64,
    },
}

impl Optimizer {
    /// Momentum 0.9.
    pub const SGD: Self = Self::Sgd { momentum: 0.9, nesterov: false };
    /// PyTorch's numbers.
    pub const ADAM_W: Self = Self::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 };

    /// Names of what is kept of each weight between steps.
    pub fn memories(self) -> &'static [&'static str] {
        match self {
            Self::Sgd { .. } => &["momentum"],
            Self::AdamW { .. } => &["mean", "square"],
        }
    }

    /// One step, the `step`-th from 0: moves `weights`, updates the memories of each.
    pub fn step(
        self,
        step: u64,
        (rate, decay): (f64, f64),
        weights: &mut [f32],
        gradient: &[f32],
        memories: &mut [Vec<f32>],
    ) {
        match (self, memories) {
            (Self::Sgd { momentum, nesterov }, [buffer]) => {
                let (rate, decay, momentum) = (rate as f32, decay as f32, momentum as f32);
                each(weights, gradient, [buffer], |w, g, [b]| {
                    let g = g + decay * *w;
                    // PyTorch starts the buffer with the gradient itself: the same as from 0.
                    *b = momentum * *b + g;
                    *w -= rate * if nesterov { g + momentum * *b } else { *b };
                });
            }
            (Self::AdamW { beta1, beta2, eps }, [mean, square]) => {
                let steps = i32::try_from(step + 1).unwrap_or(i32::MAX);
                let corrections = [1.0 - beta1.powi(steps), 1.0 - beta2.powi(steps)];
                let size = (rate / corrections[0]) as f32;
                let root = corrections[1].sqrt() as f32;
                let keep = (1.0 - rate * decay) as f32;
                let (beta1, beta2, eps) = (beta1 as f32, beta2 as f32, eps as f32);
                each(weights, gradient, [mean, square], |w, g, [m, v]| {
                    *m += (1.0 - beta1) * (g - *m);
                    *v = beta2 * *v + (1.0 - beta2) * g * g;
                    *w = keep * *w - size * *m / (v.sqrt() / root + eps);
                });
            }
            _ => {}
        }
    }
}

/// Calls `f` for each weight with its gradient and its memories.
fn each<const N: usize>(
    weights: &mut [f32],
    gradient: &[f32],
    mut memories: [&mut Vec<f32>; N],
    f: impl Fn(&mut f32, f32, [&mut f32; N]),
) {
    for (i, (w, &g)) in weights.iter_mut().zip(gradient).enumerate() {
        f(w, g, memories.each_mut().map(|memory| &mut memory[i]));
    }
}
