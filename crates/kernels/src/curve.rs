//! Scalar activation curves φ with their first and second derivatives.

use crate::Scalar;
use crate::exponential::{gelu, sigmoid, silu, softplus};

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
}

impl Curve {
    /// φ, φ' and φ'' at z.
    pub fn evaluate<T: Scalar>(self, z: T) -> [T; 3] {
        let number = T::from_f64;
        match self {
            Self::Relu => relu(z),
            Self::Relu6 => relu6(z),
            Self::SqrtRelu { tau } => sqrt_relu(z, number(tau)),
            Self::SqrtRelu6 { tau } => sqrt_relu6(z, number(tau)),
            Self::HardSwish => hard_swish(z),
            Self::HardSigmoid => hard_sigmoid(z),
            Self::Softplus { beta } => softplus(z.to_f64(), beta).map(number),
            Self::Softplus6 { beta } => softplus6(z.to_f64(), beta).map(number),
            Self::Sigmoid => sigmoid(z.to_f64()).map(number),
            Self::Silu => silu(z.to_f64()).map(number),
            Self::Gelu => gelu(z.to_f64()).map(number),
        }
    }

    /// `out` becomes the derivative of the given order at every z, one loop for each curve.
    #[inline(always)]
    pub(crate) fn derivative<T: Scalar, const ORDER: usize>(self, z: &[T], out: &mut [T]) {
        #[inline(always)]
        fn map<T: Scalar>(z: &[T], out: &mut [T], f: impl Fn(T) -> T) {
            z.iter().zip(out).for_each(|(&z, out)| *out = f(z));
        }
        #[inline(always)]
        fn wide<T: Scalar>(z: &[T], out: &mut [T], f: impl Fn(f64) -> f64) {
            map(z, out, |z| T::from_f64(f(z.to_f64())));
        }
        match self {
            Self::Relu => map(z, out, |z| relu(z)[ORDER]),
            Self::Relu6 => map(z, out, |z| relu6(z)[ORDER]),
            Self::SqrtRelu { tau } => {
                let tau = T::from_f64(tau);
                map(z, out, |z| sqrt_relu(z, tau)[ORDER]);
            }
            Self::SqrtRelu6 { tau } => {
                let tau = T::from_f64(tau);
                map(z, out, |z| sqrt_relu6(z, tau)[ORDER]);
            }
            Self::HardSwish => map(z, out, |z| hard_swish(z)[ORDER]),
            Self::HardSigmoid => map(z, out, |z| hard_sigmoid(z)[ORDER]),
            Self::Softplus { beta } => wide(z, out, |z| softplus(z, beta)[ORDER]),
            Self::Softplus6 { beta } => wide(z, out, |z| softplus6(z, beta)[ORDER]),
            Self::Sigmoid => wide(z, out, |z| sigmoid(z)[ORDER]),
            Self::Silu => wide(z, out, |z| silu(z)[ORDER]),
            Self::Gelu => wide(z, out, |z| gelu(z)[ORDER]),
        }
    }

    /// Every z becomes φ(z).
    #[inline(always)]
    pub(crate) fn values_in_place<T: Scalar>(self, z: &mut [T]) {
        #[inline(always)]
        fn map<T: Scalar>(z: &mut [T], f: impl Fn(T) -> T) {
            z.iter_mut().for_each(|z| *z = f(*z));
        }
        #[inline(always)]
        fn wide<T: Scalar>(z: &mut [T], f: impl Fn(f64) -> f64) {
            map(z, |z| T::from_f64(f(z.to_f64())));
        }
        match self {
            Self::Relu | Self::SqrtRelu { .. } => map(z, |z| relu(z)[0]),
            Self::Relu6 | Self::SqrtRelu6 { .. } => map(z, |z| relu6(z)[0]),
            Self::HardSwish => map(z, |z| hard_swish(z)[0]),
            Self::HardSigmoid => map(z, |z| hard_sigmoid(z)[0]),
            Self::Softplus { beta } => wide(z, |z| softplus(z, beta)[0]),
            Self::Softplus6 { beta } => wide(z, |z| softplus6(z, beta)[0]),
            Self::Sigmoid => wide(z, |z| sigmoid(z)[0]),
            Self::Silu => wide(z, |z| silu(z)[0]),
            Self::Gelu => wide(z, |z| gelu(z)[0]),
        }
    }

    /// `z` becomes φ(z), its derivatives go where asked.
    #[inline(always)]
    pub(crate) fn in_place<T: Scalar>(
        self,
        z: &mut [T],
        slopes: Option<&mut [T]>,
        bends: Option<&mut [T]>,
    ) {
        if let Some(slopes) = slopes {
            self.derivative::<T, 1>(z, slopes);
        }
        if let Some(bends) = bends {
            self.derivative::<T, 2>(z, bends);
        }
        self.values_in_place(z);
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
        ];
        let step = 1e-5;
        for curve in curves {
            for z in [-7.3, -2.9, -1.1, -0.2, 0.3, 0.9, 2.8, 4.4, 6.2, 8.1f64] {
                let [_, slope, bend] = curve.evaluate(z);
                let (up, down) = (curve.evaluate(z + step), curve.evaluate(z - step));
                let numeric_slope = (up[0] - down[0]) / (2.0 * step);
                let numeric_bend = (up[1] - down[1]) / (2.0 * step);
                assert!((slope - numeric_slope).abs() < 1e-8, "{curve:?} at {z}: slope");
                assert!((bend - numeric_bend).abs() < 1e-8, "{curve:?} at {z}: bend");
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
