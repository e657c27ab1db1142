//! Activation curves in candle ops; the formulas are those of [`hsets_kernels::Curve`].

use candle_core::Tensor;
use hsets_kernels::Curve;

use crate::Result;

/// φ(z).
pub(super) fn value(curve: Curve, z: &Tensor) -> Result<Tensor> {
    Ok(match curve {
        Curve::Relu | Curve::SqrtRelu { .. } => z.relu()?,
        Curve::Relu6 | Curve::SqrtRelu6 { .. } => z.clamp(0f32, 6f32)?,
        Curve::Softplus { beta } => softplus(z, beta)?,
        Curve::Softplus6 { beta } => (softplus(z, beta)? - softplus(&(z - 6.0)?, beta)?)?,
        Curve::HardSwish => (z * (z + 3.0)?.clamp(0f32, 6f32)?)?.affine(1.0 / 6.0, 0.0)?,
        Curve::HardSigmoid => z.affine(1.0 / 6.0, 0.5)?.clamp(0f32, 1f32)?,
        Curve::Sigmoid => sigmoid(z)?,
        Curve::Silu => (z * sigmoid(z)?)?,
        Curve::Gelu => z.gelu_erf()?,
        Curve::GeluTanh => (z * sigmoid(&tanh_argument(z)?)?)?,
        Curve::Exp => z.exp()?,
        Curve::Log => z.log()?,
        Curve::Sqrt => z.sqrt()?,
        Curve::Reciprocal => z.recip()?,
        Curve::Power { exponent } => power(z, 1.0, exponent)?,
        Curve::Erf => z.erf()?,
        Curve::Tanh => z.tanh()?,
        Curve::Abs => z.abs()?,
        Curve::Clip { low, high } => z.clamp(low as f32, high as f32)?,
        Curve::LeakyRelu { slope } => (z.relu()? - (z.neg()?.relu()? * slope)?)?,
        Curve::Elu { alpha } => (z.relu()? + ((negative(z)?.exp()? - 1.0)? * alpha)?)?,
    })
}

/// φ'(z).
pub(super) fn slope(curve: Curve, z: &Tensor) -> Result<Tensor> {
    Ok(match curve {
        Curve::Relu => above(z, 0.0)?,
        Curve::Relu6 => between(z, 0.0, 6.0)?,
        Curve::SqrtRelu { tau } => smooth_step(z, tau)?,
        Curve::SqrtRelu6 { tau } => (smooth_step(z, tau)? - smooth_step(&(z - 6.0)?, tau)?)?,
        Curve::Softplus { beta } => sigmoid(&(z * beta)?)?,
        Curve::Softplus6 { beta } => (sigmoid(&(z * beta)?)? - sigmoid(&((z - 6.0)? * beta)?)?)?,
        Curve::HardSwish => {
            let inside = (between(z, -3.0, 3.0)? * z.affine(1.0 / 3.0, 0.5)?)?;
            (inside + z.ge(3f32)?.to_dtype(z.dtype())?)?
        }
        Curve::HardSigmoid => between(z, -3.0, 3.0)?.affine(1.0 / 6.0, 0.0)?,
        Curve::Sigmoid => sigmoid_slope(z)?,
        Curve::Silu => (sigmoid(z)? + (z * sigmoid_slope(z)?)?)?,
        Curve::Gelu => (distribution(z)? + (z * density(z)?)?)?,
        Curve::GeluTanh => {
            let u = tanh_argument(z)?;
            (sigmoid(&u)? + (z * (sigmoid_slope(&u)? * tanh_argument_slope(z)?)?)?)?
        }
        Curve::Exp => z.exp()?,
        Curve::Log => z.recip()?,
        Curve::Sqrt => (z.sqrt()?.recip()? * 0.5)?,
        Curve::Reciprocal => z.sqr()?.recip()?.neg()?,
        Curve::Power { exponent } => power(z, exponent, exponent - 1.0)?,
        Curve::Erf => erf_slope(z)?,
        Curve::Tanh => tanh_slope(z)?,
        Curve::Abs => (above(z, 0.0)? - above(&z.neg()?, 0.0)?)?,
        Curve::Clip { low, high } => between(z, low as f32, high as f32)?,
        Curve::LeakyRelu { slope } => above(z, 0.0)?.affine(1.0 - slope, slope)?,
        Curve::Elu { alpha } => {
            let (up, e) = (above(z, 0.0)?, (negative(z)?.exp()? * alpha)?);
            (&up + (up.affine(-1.0, 1.0)? * e)?)?
        }
    })
}

/// φ''(z).
pub(super) fn bend(curve: Curve, z: &Tensor) -> Result<Tensor> {
    Ok(match curve {
        Curve::Relu
        | Curve::Relu6
        | Curve::HardSigmoid
        | Curve::Abs
        | Curve::Clip { .. }
        | Curve::LeakyRelu { .. } => z.zeros_like()?,
        Curve::SqrtRelu { tau } => smooth_step_slope(z, tau)?,
        Curve::SqrtRelu6 { tau } => {
            (smooth_step_slope(z, tau)? - smooth_step_slope(&(z - 6.0)?, tau)?)?
        }
        Curve::Softplus { beta } => (sigmoid_slope(&(z * beta)?)? * beta)?,
        Curve::Softplus6 { beta } => {
            let (low, high) = ((z * beta)?, ((z - 6.0)? * beta)?);
            ((sigmoid_slope(&low)? - sigmoid_slope(&high)?)? * beta)?
        }
        Curve::HardSwish => between(z, -3.0, 3.0)?.affine(1.0 / 3.0, 0.0)?,
        Curve::Sigmoid => sigmoid_bend(z)?,
        Curve::Silu => ((sigmoid_slope(z)? * 2.0)? + (z * sigmoid_bend(z)?)?)?,
        Curve::Gelu => (z.sqr()?.affine(-1.0, 2.0)? * density(z)?)?,
        Curve::GeluTanh => {
            let (u, inner) = (tanh_argument(z)?, tanh_argument_slope(z)?);
            let slope = sigmoid_slope(&u)?;
            let bend = (sigmoid_bend(&u)? * inner.sqr()?)?;
            let rest = (bend + (&slope * (z * (6.0 * CUBE * FACTOR))?)?)?;
            (((slope * inner)? * 2.0)? + (z * rest)?)?
        }
        Curve::Exp => z.exp()?,
        Curve::Log => z.sqr()?.recip()?.neg()?,
        Curve::Sqrt => ((z * z.sqrt()?)?.recip()? * -0.25)?,
        Curve::Reciprocal => ((z * z.sqr()?)?.recip()? * 2.0)?,
        Curve::Power { exponent } => power(z, exponent * (exponent - 1.0), exponent - 2.0)?,
        Curve::Erf => ((z * erf_slope(z)?)? * -2.0)?,
        Curve::Tanh => ((z.tanh()? * tanh_slope(z)?)? * -2.0)?,
        Curve::Elu { alpha } => {
            ((above(z, 0.0)?.affine(-1.0, 1.0)? * negative(z)?.exp()?)? * alpha)?
        }
    })
}

fn above(z: &Tensor, bound: f32) -> Result<Tensor> {
    Ok(z.gt(bound)?.to_dtype(z.dtype())?)
}

fn between(z: &Tensor, low: f32, high: f32) -> Result<Tensor> {
    Ok((above(z, low)? * z.lt(high)?.to_dtype(z.dtype())?)?)
}

/// z/√(z²+τ) + [z < 0].
fn smooth_step(z: &Tensor, tau: f64) -> Result<Tensor> {
    let root = (z.sqr()? + tau)?.sqrt()?;
    Ok(((z / root)? + z.lt(0f32)?.to_dtype(z.dtype())?)?)
}

/// τ/(z²+τ)^(3/2).
fn smooth_step_slope(z: &Tensor, tau: f64) -> Result<Tensor> {
    let square = (z.sqr()? + tau)?;
    Ok(((&square * square.sqrt()?)?.recip()? * tau)?)
}

/// 1/(1 + exp(-z)) as (1 + tanh(z/2))/2, which cannot overflow.
fn sigmoid(z: &Tensor) -> Result<Tensor> {
    Ok((z * 0.5)?.tanh()?.affine(0.5, 0.5)?)
}

fn sigmoid_slope(z: &Tensor) -> Result<Tensor> {
    let s = sigmoid(z)?;
    Ok((&s * s.affine(-1.0, 1.0)?)?)
}

fn sigmoid_bend(z: &Tensor) -> Result<Tensor> {
    Ok((sigmoid_slope(z)? * sigmoid(z)?.affine(-2.0, 1.0)?)?)
}

/// max(0, z) + ln(1 + exp(-β|z|))/β.
fn softplus(z: &Tensor, beta: f64) -> Result<Tensor> {
    let rest = ((z.abs()? * -beta)?.exp()? + 1.0)?.log()?;
    Ok((z.relu()? + (rest / beta)?)?)
}

/// Density of the normal distribution.
fn density(z: &Tensor) -> Result<Tensor> {
    let norm = (2.0 * std::f64::consts::PI).sqrt().recip();
    Ok(((z.sqr()? * -0.5)?.exp()? * norm)?)
}

/// Normal distribution function.
fn distribution(z: &Tensor) -> Result<Tensor> {
    Ok((z * std::f64::consts::FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?)
}

/// √(2/π)·2, and the factor of the cube, of the approximation of GELU.
const FACTOR: f64 = 1.595_769_121_605_730_7;
const CUBE: f64 = 0.044_715;

/// 2·√(2/π)·(z + 0.044715·z³).
fn tanh_argument(z: &Tensor) -> Result<Tensor> {
    Ok((z * z.sqr()?.affine(FACTOR * CUBE, FACTOR)?)?)
}

fn tanh_argument_slope(z: &Tensor) -> Result<Tensor> {
    Ok(z.sqr()?.affine(3.0 * CUBE * FACTOR, FACTOR)?)
}

/// factor·z^exponent, 0 where the factor is. Whole powers are products, which take negative z.
fn power(z: &Tensor, factor: f64, exponent: f64) -> Result<Tensor> {
    if factor == 0.0 {
        return Ok(z.zeros_like()?);
    }
    if exponent.fract() != 0.0 || exponent.abs() > 16.0 {
        return Ok((z.powf(exponent)? * factor)?);
    }
    let mut product = z.ones_like()?;
    for _ in 0..exponent.abs() as usize {
        product = (product * z)?;
    }
    if exponent < 0.0 {
        product = product.recip()?;
    }
    Ok((product * factor)?)
}

/// min(z, 0).
fn negative(z: &Tensor) -> Result<Tensor> {
    Ok(z.neg()?.relu()?.neg()?)
}

fn erf_slope(z: &Tensor) -> Result<Tensor> {
    Ok((z.sqr()?.neg()?.exp()? * std::f64::consts::FRAC_2_SQRT_PI)?)
}

fn tanh_slope(z: &Tensor) -> Result<Tensor> {
    Ok(z.tanh()?.sqr()?.affine(-1.0, 1.0)?)
}
