//! Scalar activation curves φ with their first and second derivatives.

use crate::Scalar;
use crate::exponential::{
    elu, erf, exponential, gelu_tanh, logarithm, power, sigmoid, silu, softplus, tanh,
};

/// An activation, with the derivatives it is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Curve {
    /// max(0, z); φ'' = 0.
    Relu,
    /// min(max(0, z), 6); φ'' = 0.
    Relu6,
    /// Values of `ReLU`; φ' = r(z) = z/√(z²+τ) + \[z < 0\], φ'' = τ/(z²+τ)^(3/2)
    /// (Zhang et al. 2020, "adv2").
    SqrtRelu {
        /// τ.
        tau: f64,
    },
    /// Values of `ReLU6`; φ' = r(z) - r(z - 6).
    SqrtRelu6 {
        /// τ.
        tau: f64,
    },
    /// ln(1 + exp(βz))/β.
    Softplus {
        /// β.
        beta: f64,
    },
    /// softplus(z) - softplus(z - 6).
    Softplus6 {
        /// β.
        beta: f64,
    },
    /// z·min(max(0, z + 3), 6)/6; φ'' = 1/3 on (-3, 3), else 0.
    HardSwish,
    /// min(max(0, z + 3), 6)/6; φ'' = 0.
    HardSigmoid,
    /// 1/(1 + exp(-z)).
    Sigmoid,
    /// z·sigmoid(z).
    Silu,
    /// z·Φ(z) with the normal distribution function Φ (the exact form, not its tanh approximation).
    Gelu,
    /// z·(1 + tanh(√(2/π)·(z + 0.044715·z³)))/2, the approximation of `Gelu`.
    GeluTanh,
    /// exp(z).
    Exp,
    /// ln z.
    Log,
    /// √z.
    Sqrt,
    /// 1/z.
    Reciprocal,
    /// z to the power of a constant.
    Power {
        /// The constant.
        exponent: f64,
    },
    /// 2/√π·∫₀ᶻ exp(-t²) dt.
    Erf,
    /// tanh(z).
    Tanh,
    /// |z|; φ' = sign(z), φ'' = 0.
    Abs,
    /// min(max(low, z), high); φ'' = 0.
    Clip {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// z where z > 0, else slope·z; φ'' = 0.
    LeakyRelu {
        /// Slope below 0.
        slope: f64,
    },
    /// z where z > 0, else α·(exp(z) - 1).
    Elu {
        /// α.
        alpha: f64,
    },
}

/// One list for all loops: φ, φ' and φ'' of numbers as they are go to `$map`, those that are computed
/// in f64 to `$wide`. Both are macros with loops of their own: closures are not always inlined, and
/// then not vectorised. What of the three a loop does not read is not computed.
macro_rules! curves {
    ($curve:expr, $map:ident, $wide:ident) => {
        match $curve {
            Curve::Relu => $map!(|z| relu(z)),
            Curve::Relu6 => $map!(|z| relu6(z)),
            Curve::SqrtRelu { tau } => {
                let tau = T::from_f64(tau);
                $map!(|z| sqrt_relu(z, tau))
            }
            Curve::SqrtRelu6 { tau } => {
                let tau = T::from_f64(tau);
                $map!(|z| sqrt_relu6(z, tau))
            }
            Curve::HardSwish => $map!(|z| hard_swish(z)),
            Curve::HardSigmoid => $map!(|z| hard_sigmoid(z)),
            Curve::Softplus { beta } => $wide!(|z| softplus(z, beta)),
            Curve::Softplus6 { beta } => $wide!(|z| softplus6(z, beta)),
            Curve::Sigmoid => $map!(|z| sigmoid(z)),
            Curve::Silu => $map!(|z| silu(z)),
            Curve::Gelu => $map!(|z| z.gelu()),
            Curve::GeluTanh => $wide!(|z| gelu_tanh(z)),
            Curve::Exp => $wide!(|z| exponential(z)),
            Curve::Log => $wide!(|z| logarithm(z)),
            Curve::Sqrt => $map!(|z| root(z)),
            Curve::Reciprocal => $map!(|z| reciprocal(z)),
            Curve::Power { exponent } => $wide!(|z| power(z, exponent)),
            Curve::Erf => $wide!(|z| erf(z)),
            Curve::Tanh => $wide!(|z| tanh(z)),
            Curve::Abs => $map!(|z| absolute(z)),
            Curve::Clip { low, high } => {
                let (low, high) = (T::from_f64(low), T::from_f64(high));
                $map!(|z| clip(z, low, high))
            }
            Curve::LeakyRelu { slope } => {
                let slope = T::from_f64(slope);
                $map!(|z| leaky_relu(z, slope))
            }
            Curve::Elu { alpha } => $wide!(|z| elu(z, alpha)),
        }
    };
}

impl Curve {
    /// φ, φ' and φ'' at z.
    pub fn evaluate<T: Scalar>(self, z: T) -> [T; 3] {
        macro_rules! map {
            (|$z:ident| $jet:expr) => {{
                let $z = z;
                $jet
            }};
        }
        macro_rules! wide {
            (|$z:ident| $jet:expr) => {{
                let $z = z.to_f64();
                $jet.map(T::from_f64)
            }};
        }
        curves!(self, map, wide)
    }

    /// `out` becomes the derivative of the given order at every z.
    #[inline(always)]
    pub(crate) fn derivative<T: Scalar, const ORDER: usize>(self, z: &[T], out: &mut [T]) {
        macro_rules! map {
            (|$z:ident| $jet:expr) => {
                for (&$z, out) in z.iter().zip(out) {
                    *out = $jet[ORDER];
                }
            };
        }
        macro_rules! wide {
            (|$z:ident| $jet:expr) => {
                for (&z, out) in z.iter().zip(out) {
                    let $z = z.to_f64();
                    *out = T::from_f64($jet[ORDER]);
                }
            };
        }
        curves!(self, map, wide);
    }

    /// Every z becomes φ(z).
    #[inline(always)]
    pub(crate) fn values_in_place<T: Scalar>(self, z: &mut [T]) {
        macro_rules! map {
            (|$z:ident| $jet:expr) => {
                for value in z {
                    let $z = *value;
                    *value = $jet[0];
                }
            };
        }
        macro_rules! wide {
            (|$z:ident| $jet:expr) => {
                for value in z {
                    let $z = value.to_f64();
                    *value = T::from_f64($jet[0]);
                }
            };
        }
        curves!(self, map, wide);
    }

    /// Every z becomes φ(z), and its φ'(z) goes to `slopes`: what both are made of is computed once.
    #[inline(always)]
    fn values_and_slopes<T: Scalar>(self, z: &mut [T], slopes: &mut [T]) {
        macro_rules! map {
            (|$z:ident| $jet:expr) => {
                for (value, slope) in z.iter_mut().zip(slopes) {
                    let $z = *value;
                    let jet = $jet;
                    (*value, *slope) = (jet[0], jet[1]);
                }
            };
        }
        macro_rules! wide {
            (|$z:ident| $jet:expr) => {
                for (value, slope) in z.iter_mut().zip(slopes) {
                    let $z = value.to_f64();
                    let jet = $jet;
                    (*value, *slope) = (T::from_f64(jet[0]), T::from_f64(jet[1]));
                }
            };
        }
        curves!(self, map, wide);
    }

    /// `z` becomes φ(z), its derivatives go where asked.
    #[inline(always)]
    pub(crate) fn in_place<T: Scalar>(
        self,
        z: &mut [T],
        slopes: Option<&mut [T]>,
        bends: Option<&mut [T]>,
    ) {
        if let Some(bends) = bends {
            self.derivative::<T, 2>(z, bends);
        }
        match slopes {
            Some(slopes) => self.values_and_slopes(z, slopes),
            None => self.values_in_place(z),
        }
    }
}

/// 1 where the condition holds, else 0.
#[inline(always)]
fn step<T: Scalar>(condition: bool) -> T {
    if condition { T::ONE } else { T::ZERO }
}

/// z between the bounds.
#[inline(always)]
fn clamp<T: Scalar>(z: T, low: T, high: T) -> T {
    let z = if z > low { z } else { low };
    if z < high { z } else { high }
}

#[inline(always)]
fn relu<T: Scalar>(z: T) -> [T; 3] {
    [if z > T::ZERO { z } else { T::ZERO }, step(z > T::ZERO), T::ZERO]
}

#[inline(always)]
fn relu6<T: Scalar>(z: T) -> [T; 3] {
    let six = T::from_f64(6.0);
    [clamp(z, T::ZERO, six), step::<T>(z > T::ZERO) * step(z < six), T::ZERO]
}

#[inline(always)]
fn sqrt_relu<T: Scalar>(z: T, tau: T) -> [T; 3] {
    let [slope, bend] = smooth_step(z, tau);
    [relu(z)[0], slope, bend]
}

#[inline(always)]
fn sqrt_relu6<T: Scalar>(z: T, tau: T) -> [T; 3] {
    let [up, up_bend] = smooth_step(z, tau);
    let [down, down_bend] = smooth_step(z - T::from_f64(6.0), tau);
    [relu6(z)[0], up - down, up_bend - down_bend]
}

/// r(z) and r'(z) of the smoothed `ReLU` derivative. For z < 0, r = 1 + z/√(z²+τ) is computed as
/// τ/(√(z²+τ)·(√(z²+τ) - z)), which does not cancel.
#[inline(always)]
fn smooth_step<T: Scalar>(z: T, tau: T) -> [T; 2] {
    let root = (z * z + tau).sqrt();
    let slope = if z < T::ZERO { tau / (root * (root - z)) } else { z / root };
    [slope, tau / (root * root * root)]
}

#[inline(always)]
fn hard_swish<T: Scalar>(z: T) -> [T; 3] {
    let number = T::from_f64;
    let (low, high) = (z <= number(-3.0), z >= number(3.0));
    let select = |inside: T, above: T| {
        if low {
            T::ZERO
        } else if high {
            above
        } else {
            inside
        }
    };
    let sixth = number(1.0 / 6.0);
    let third = number(1.0 / 3.0);
    [
        select(z * (z + number(3.0)) * sixth, z),
        select(z * third + number(0.5), T::ONE),
        select(third, T::ZERO),
    ]
}

#[inline(always)]
fn hard_sigmoid<T: Scalar>(z: T) -> [T; 3] {
    let number = T::from_f64;
    let sixth = number(1.0 / 6.0);
    let inside = step::<T>(z > number(-3.0)) * step(z < number(3.0));
    [clamp(z * sixth + number(0.5), T::ZERO, T::ONE), inside * sixth, T::ZERO]
}

/// √z.
#[inline(always)]
fn root<T: Scalar>(z: T) -> [T; 3] {
    let root = z.sqrt();
    let slope = T::from_f64(0.5) / root;
    [root, slope, -slope / (z + z)]
}

/// 1/z.
#[inline(always)]
fn reciprocal<T: Scalar>(z: T) -> [T; 3] {
    let y = T::ONE / z;
    let square = y * y;
    [y, -square, (square + square) * y]
}

#[inline(always)]
fn absolute<T: Scalar>(z: T) -> [T; 3] {
    [if z < T::ZERO { -z } else { z }, step::<T>(z > T::ZERO) - step(z < T::ZERO), T::ZERO]
}

#[inline(always)]
fn clip<T: Scalar>(z: T, low: T, high: T) -> [T; 3] {
    [clamp(z, low, high), step::<T>(z > low) * step(z < high), T::ZERO]
}

#[inline(always)]
fn leaky_relu<T: Scalar>(z: T, slope: T) -> [T; 3] {
    let slope = if z > T::ZERO { T::ONE } else { slope };
    [slope * z, slope, T::ZERO]
}

/// Softplus under a soft upper clip at 6.
#[inline(always)]
fn softplus6(z: f64, beta: f64) -> [f64; 3] {
    let (low, high) = (softplus(z, beta), softplus(z - 6.0, beta));
    std::array::from_fn(|i| low[i] - high[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consistent_curves_match_finite_differences() {
        let curves = [
            Curve::Softplus { beta: 5.0 },
            Curve::Softplus6 { beta: 3.0 },
            Curve::HardSwish,
            Curve::HardSigmoid,
            Curve::Sigmoid,
            Curve::Silu,
            Curve::Gelu,
            Curve::Relu,
            Curve::Relu6,
            Curve::GeluTanh,
            Curve::Exp,
            Curve::Log,
            Curve::Sqrt,
            Curve::Reciprocal,
            Curve::Power { exponent: 2.0 },
            Curve::Power { exponent: 3.0 },
            Curve::Power { exponent: -0.5 },
            Curve::Erf,
            Curve::Tanh,
            Curve::Abs,
            Curve::Clip { low: -1.0, high: 2.5 },
            Curve::LeakyRelu { slope: 0.1 },
            Curve::Elu { alpha: 0.7 },
        ];
        let step = 1e-5;
        for curve in curves {
            for z in [-7.3, -2.9, -1.1, -0.2, 0.3, 0.9, 2.8, 4.4, 6.2, 8.1f64] {
                if curve.evaluate(z)[0].is_nan() {
                    continue; // outside its domain
                }
                let [_, slope, bend] = curve.evaluate(z);
                let (up, down) = (curve.evaluate(z + step), curve.evaluate(z - step));
                let numeric_slope = (up[0] - down[0]) / (2.0 * step);
                let numeric_bend = (up[1] - down[1]) / (2.0 * step);
                let slope_error = (slope - numeric_slope).abs() / (1.0 + slope.abs());
                let bend_error = (bend - numeric_bend).abs() / (1.0 + bend.abs());
                assert!(slope_error < 2e-8, "{curve:?} at {z}: slope");
                assert!(bend_error < 2e-8, "{curve:?} at {z}: bend");
            }
        }
    }

    #[test]
    #[allow(clippy::float_cmp)] // exact by definition
    fn smoothed_relu_is_the_published_saw() {
        let tau = 1e-3f64;
        let curve = Curve::SqrtRelu { tau };
        let [value, slope, bend] = curve.evaluate(-0.01f64);
        let root = (0.0001 + tau).sqrt();
        assert_eq!(value, 0.0);
        assert!((slope - (1.0 - 0.01 / root)).abs() < 1e-15);
        assert!((bend - tau / root.powi(3)).abs() < 1e-12);
        assert_eq!(curve.evaluate(0.0f64)[1], 0.0);
    }
}
