//! Scalar activation curves φ with their first and second derivatives.

use crate::Scalar;

/// An activation, with the derivatives it is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Curve {
    /// max(0, z); φ'' = 0.
    Relu,
    /// min(max(0, z), 6); φ'' = 0.
    Relu6,
    /// Values of ReLU; φ' = r(z) = z/√(z²+τ) + \[z < 0\], φ'' = τ/(z²+τ)^(3/2)
    /// (Zhang et al. 2020, "adv2").
    SqrtRelu {
        /// τ.
        tau: f64,
    },
    /// Values of ReLU6; φ' = r(z) - r(z - 6).
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
        self.evaluate_f64(z.to_f64()).map(T::from_f64)
    }

    fn evaluate_f64(self, z: f64) -> [f64; 3] {
        let step = |condition: bool| f64::from(u8::from(condition));
        match self {
            Self::Relu => [z.max(0.0), step(z > 0.0), 0.0],
            Self::Relu6 => [z.clamp(0.0, 6.0), step(z > 0.0 && z < 6.0), 0.0],
            Self::SqrtRelu { tau } => {
                let [slope, bend] = smooth_step(z, tau);
                [z.max(0.0), slope, bend]
            }
            Self::SqrtRelu6 { tau } => {
                let ([up, up_bend], [down, down_bend]) =
                    (smooth_step(z, tau), smooth_step(z - 6.0, tau));
                [z.clamp(0.0, 6.0), up - down, up_bend - down_bend]
            }
            Self::Softplus { beta } => softplus(z, beta),
            Self::Softplus6 { beta } => {
                let (low, high) = (softplus(z, beta), softplus(z - 6.0, beta));
                std::array::from_fn(|i| low[i] - high[i])
            }
            Self::HardSwish if z <= -3.0 => [0.0, 0.0, 0.0],
            Self::HardSwish if z >= 3.0 => [z, 1.0, 0.0],
            Self::HardSwish => [z * (z + 3.0) / 6.0, z / 3.0 + 0.5, 1.0 / 3.0],
            Self::HardSigmoid => {
                [(z / 6.0 + 0.5).clamp(0.0, 1.0), step(z > -3.0 && z < 3.0) / 6.0, 0.0]
            }
            Self::Sigmoid => sigmoid(z),
            Self::Silu => {
                let [s, slope, bend] = sigmoid(z);
                [z * s, s + z * slope, 2.0 * slope + z * bend]
            }
            Self::Gelu => {
                let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
                let distribution = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
                [z * distribution, distribution + z * density, (2.0 - z * z) * density]
            }
        }
    }
}

/// r(z) and r'(z) of the smoothed ReLU derivative.
fn smooth_step(z: f64, tau: f64) -> [f64; 2] {
    let root = (z * z + tau).sqrt();
    let slope = z / root + if z < 0.0 { 1.0 } else { 0.0 };
    [slope, tau / (root * root * root)]
}

fn sigmoid(z: f64) -> [f64; 3] {
    let s = if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) };
    let slope = s * (1.0 - s);
    [s, slope, slope * (1.0 - 2.0 * s)]
}

fn softplus(z: f64, beta: f64) -> [f64; 3] {
    let [s, slope, _] = sigmoid(beta * z);
    [z.max(0.0) + (-(beta * z).abs()).exp().ln_1p() / beta, s, beta * slope]
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
