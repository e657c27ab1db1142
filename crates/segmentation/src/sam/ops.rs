//! The layers of the network that are not convolutions, on rows of channels.
//!
//! Loops are plain and are compiled once per vector width ([`vectorized`]).

use pulp::Arch;
use rayon::prelude::*;

use super::gemm::{Packed, Rows, multiply};

/// Rows a task takes at a time.
const ROWS_PER_TASK: usize = 96;

/// Runs `body` compiled for the widest vectors of this machine.
#[inline(always)]
pub(super) fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(body)
}

/// What follows a linear map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Activation {
    None,
    Gelu,
    Relu,
}

impl Activation {
    #[inline(always)]
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::None => x,
            Self::Gelu => gelu(x),
            Self::Relu => x.max(0.0),
        }
    }
}

/// y = x·Wᵀ + b.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    weight: Packed,
    bias: Vec<f32>,
}

impl Linear {
    /// `weight` \[outputs, inputs\], `bias` \[outputs\].
    pub(super) fn new(weight: &[f32], bias: Vec<f32>) -> Self {
        let inputs = weight.len() / bias.len();
        let weight = Packed::transposed(Rows::new(weight, inputs), inputs, bias.len());
        Self { weight, bias }
    }

    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    pub(super) fn inputs(&self) -> usize {
        self.weight.k()
    }

    /// `activation`(x·Wᵀ + b) of rows x, on this thread.
    pub(super) fn apply_here(&self, x: &[f32], activation: Activation, y: &mut [f32]) {
        let (rows, n) = (x.len() / self.inputs(), self.outputs());
        multiply(Rows::new(x, self.inputs()), rows, &self.weight, y, n);
        add_bias(y, &self.bias, activation);
    }

    /// As [`Self::apply_here`], into a new vector.
    pub(super) fn forward_here(&self, x: &[f32], activation: Activation) -> Vec<f32> {
        let mut y = vec![0.0; x.len() / self.inputs() * self.outputs()];
        self.apply_here(x, activation, &mut y);
        y
    }

    /// `activation`(x·Wᵀ + b) of rows x, on all threads.
    pub(super) fn forward(&self, x: &[f32], activation: Activation) -> Vec<f32> {
        let mut y = vec![0.0; x.len() / self.inputs() * self.outputs()];
        x.par_chunks(ROWS_PER_TASK * self.inputs())
            .zip(y.par_chunks_mut(ROWS_PER_TASK * self.outputs()))
            .for_each(|(x, y)| self.apply_here(x, activation, y));
        y
    }
}

fn add_bias(y: &mut [f32], bias: &[f32], activation: Activation) {
    vectorized(
        #[inline(always)]
        || {
            for row in y.chunks_exact_mut(bias.len()) {
                for (y, b) in row.iter_mut().zip(bias) {
                    *y = activation.apply(*y + b);
                }
            }
        },
    );
}

/// Normalises each row of channels to mean 0 and variance 1, then scales and shifts it.
///
/// On channels-last data this is also the paper's `LayerNorm2d`.
#[derive(Debug, Clone)]
pub(super) struct LayerNorm {
    scale: Vec<f32>,
    shift: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    pub(super) fn new(scale: Vec<f32>, shift: Vec<f32>, epsilon: f32) -> Self {
        Self { scale, shift, epsilon }
    }

    /// In place, on this thread.
    pub(super) fn apply_here(&self, x: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || x.chunks_exact_mut(self.scale.len()).for_each(|row| self.apply_row(row)),
        );
    }

    /// In place, on all threads.
    pub(super) fn apply(&self, x: &mut [f32]) {
        x.par_chunks_mut(ROWS_PER_TASK * self.scale.len()).for_each(|rows| self.apply_here(rows));
    }

    #[inline(always)]
    fn apply_row(&self, row: &mut [f32]) {
        let n = row.len() as f32;
        let mean = sum(row, |x| x) / n;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / n;
        let factor = 1.0 / (variance + self.epsilon).sqrt();
        for ((x, scale), shift) in row.iter_mut().zip(&self.scale).zip(&self.shift) {
            *x = (*x - mean) * factor * scale + shift;
        }
    }
}

/// x ← exp(x - max x); returns the sum: softmax but for the division. Call inside [`vectorized`].
#[inline(always)]
pub(super) fn fold_exp(row: &mut [f32]) -> f32 {
    let top = fold(row, f32::NEG_INFINITY, |x| x, f32::max);
    row.iter_mut().for_each(|x| *x = exp(*x - top));
    sum(row, |x| x)
}

/// x += y.
pub(super) fn add(x: &mut [f32], y: &[f32]) {
    vectorized(
        #[inline(always)]
        || x.iter_mut().zip(y).for_each(|(x, y)| *x += y),
    );
}

/// GELU with the exact normal distribution: x·Φ(x).
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// GELU of every value, on this thread.
pub(super) fn gelu_all(x: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || x.iter_mut().for_each(|x| *x = gelu(*x)),
    );
}

/// erf(x) to 3e-7, by the rational minimax approximation on [-4, 4] common in tensor libraries.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let z = x * x;
    let odd = [
        -2.726_142_4e-10,
        2.770_681_2e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    let even = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    x * polynomial(&odd, z) / polynomial(&even, z)
}

/// eˣ to 2 ulp for x ≤ 88: 2ⁿ·eʳ with |r| ≤ ln 2 / 2; below -87 it is about 1e-38.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let taylor = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    polynomial(&taylor, r) * f32::from_bits(power)
}

/// Horner's scheme, highest power first.
#[inline(always)]
fn polynomial(coefficients: &[f32], x: f32) -> f32 {
    coefficients.iter().fold(0.0, |value, c| value * x + c)
}

#[inline(always)]
fn sum(x: &[f32], map: impl Fn(f32) -> f32) -> f32 {
    fold(x, 0.0, map, |a, b| a + b)
}

/// Folds in 32 lanes, so that it can be vectorised, then folds the lanes.
#[inline(always)]
fn fold(x: &[f32], start: f32, map: impl Fn(f32) -> f32, combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; 32];
    let (chunks, rest) = x.as_chunks::<32>();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = combine(*lane, map(x)));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane = combine(*lane, map(x)));
    lanes.into_iter().fold(start, combine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_match_their_definitions() {
        for i in -6000..=6000 {
            let x = i as f32 * 1e-3;
            let z = f64::from(x);
            let exact = 0.5 * z * (1.0 + libm::erf(z / 2.0_f64.sqrt()));
            assert!((f64::from(gelu(x)) - exact).abs() < 1.5e-6, "gelu({x})");
            let x = x * 14.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 3e-7 * exact, "exp({x})");
        }
        assert!(exp(-1e30) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn normalisation_and_exponentials() {
        let row: Vec<f32> = (0..77).map(|i| (i * i % 31) as f32).collect();
        let mut x = row.clone();
        LayerNorm::new(vec![2.0; 77], vec![1.0; 77], 0.0).apply(&mut x);
        let mean = x.iter().sum::<f32>() / 77.0;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 77.0;
        assert!((mean - 1.0).abs() < 1e-5 && (variance - 4.0).abs() < 1e-4);
        let mut x = row;
        let sum = fold_exp(&mut x);
        assert!((x.iter().sum::<f32>() / sum - 1.0).abs() < 1e-6);
        assert!((x[1] / x[0] - 1.0_f32.exp()).abs() < 1e-5);
    }
}
