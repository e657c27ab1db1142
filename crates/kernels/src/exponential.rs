//! Functions made of exponentials, without branches or calls, so that loops over them are
//! vectorised. Computed in f64 whatever the numbers are: relative errors stay near 1e-15, far below
//! the rounding of f32.

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E};

/// ln 2 in two parts; integers up to 2¹⁰ times the first are exact.
const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
/// 1/(13-n)!, of the series of exp on |r| ≤ ln(2)/2, whose rest is below 1e-17.
const EXP: [f64; 14] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    1.0 / 2.0,
    1.0,
    1.0,
];
/// Terms of artanh(u) = u·Σ u²ⁿ/(2n + 1) on |u| ≤ 1/3, whose rest is below 1e-17.
const ARTANH_TERMS: usize = 17;
/// Chebyshev coefficients of g in erfc(x) = t·exp(g(t) - x²), t = 2/(2 + x), over 2t - 1.
const ERFC: [f64; 28] = [
    -0.651_326_859_890_854_7,
    0.641_969_792_356_490_2,
    0.019_476_473_204_185_836,
    -0.009_561_514_786_808_632,
    -0.000_946_595_344_482_036_9,
    0.000_366_839_497_852_761_45,
    4.252_332_480_690_777e-5,
    -2.027_857_811_253_424_2e-5,
    -1.624_290_004_647_025_6e-6,
    1.303_655_835_580_523_2e-6,
    1.562_644_172_206_614_2e-8,
    -8.523_809_591_492_654e-8,
    6.529_054_439_098_851_5e-9,
    5.059_343_495_551_469e-9,
    -9.913_641_564_930_33e-10,
    -2.273_651_222_931_836e-10,
    9.646_791_102_015_527e-11,
    2.394_038_083_039_113_8e-12,
    -6.886_027_526_497_553e-12,
    8.944_879_273_090_725e-13,
    3.130_921_399_342_958e-13,
    -1.127_082_236_136_725_2e-13,
    3.810_905_255_189_232e-16,
    7.106_097_613_609_237e-15,
    -1.523_028_201_457_104_3e-15,
    -9.457_494_571_291_235e-17,
    1.210_237_189_224_279e-16,
    -2.816_663_087_747_177e-17,
];

/// exp(x) for x ≤ 709; 0 or close to it below -708.
#[inline(always)]
pub(crate) fn exp(x: f64) -> f64 {
    exp_from(0, x)
}

/// The same without the first terms of the series.
#[inline(always)]
fn exp_from(first: usize, x: f64) -> f64 {
    // Adding 1.5·2⁵² rounds to an integer, which then stands in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = if x < -708.0 { -708.0 } else { x }; // NaN stays
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    let mut sum = EXP[first];
    for term in &EXP[first + 1..] {
        sum = sum * r + term;
    }
    let two_to_n = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1.0f64.to_bits()));
    sum * two_to_n
}

/// exp(x) for x ≤ 88 to 2 units in the last place of f32; about 1e-38 below -87.
#[inline(always)]
pub(crate) fn exp_single(x: f32) -> f32 {
    /// 1.5·2²³: adding it rounds to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// 1/(7-n)!, of the series of exp on |r| ≤ ln(2)/2.
    const SERIES: [f32; 8] =
        [1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0, 1.0, 1.0];
    let x = if x < -87.0 { -87.0 } else { x }; // NaN stays
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let mut sum = SERIES[0];
    for term in &SERIES[1..] {
        sum = sum * r + term;
    }
    let two_to_n = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    sum * two_to_n
}

/// z·Φ(z) to about 1e-6: by the rational minimax approximation of erf on \[-4, 4\] that is common in
/// tensor libraries.
#[inline(always)]
pub(crate) fn gelu_single(z: f32) -> f32 {
    const ODD: [f32; 7] = [
        -2.726_142_4e-10,
        2.770_681_2e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const EVEN: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = z * std::f32::consts::FRAC_1_SQRT_2;
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let square = x * x;
    let mut odd = ODD[0];
    for term in &ODD[1..] {
        odd = odd * square + term;
    }
    let mut even = EVEN[0];
    for term in &EVEN[1..] {
        even = even * square + term;
    }
    0.5 * z * (1.0 + x * odd / even)
}

/// z·Φ(z).
#[inline(always)]
pub(crate) fn gelu_value(z: f64) -> f64 {
    gelu(z)[0]
}

/// ln(1 + y) for 0 ≤ y ≤ 1.
#[inline(always)]
fn ln_1p(y: f64) -> f64 {
    let u = y / (2.0 + y);
    let square = u * u;
    let mut sum = 0.0;
    for n in (0..ARTANH_TERMS).rev() {
        sum = sum * square + 1.0 / (2 * n + 1) as f64;
    }
    2.0 * u * sum
}

/// erfc(x) = 1 - erf(x).
#[inline(always)]
fn erfc(x: f64) -> f64 {
    erfc_to(ERFC.len(), 0, x)
}

/// The same with so many coefficients, and exp without its first terms.
#[inline(always)]
fn erfc_to(n_terms: usize, first: usize, x: f64) -> f64 {
    let z = x.abs();
    let t = 2.0 / (2.0 + z);
    let y = 4.0 * t - 2.0; // twice the argument of the polynomials, for Clenshaw's recurrence
    let (mut last, mut before) = (0.0, 0.0);
    for &coefficient in ERFC[1..n_terms].iter().rev() {
        (last, before) = (y * last - before + coefficient, last);
    }
    let g = 0.5 * y * last - before + ERFC[0];
    let tail = t * exp_from(first, g - z * z);
    if x < 0.0 { 2.0 - tail } else { tail }
}

/// 1/(1 + exp(-z)) with two derivatives.
#[inline(always)]
pub(crate) fn sigmoid(z: f64) -> [f64; 3] {
    let e = exp(-z.abs());
    let larger = 1.0 / (1.0 + e);
    let s = if z < 0.0 { e * larger } else { larger };
    let slope = e * larger * larger;
    [s, slope, slope * (1.0 - 2.0 * s)]
}

/// ln(1 + exp(βz))/β with two derivatives.
#[inline(always)]
pub(crate) fn softplus(z: f64, beta: f64) -> [f64; 3] {
    let [s, slope, _] = sigmoid(beta * z);
    let positive = if z > 0.0 { z } else { 0.0 };
    [positive + ln_1p(exp(-(beta * z).abs())) / beta, s, beta * slope]
}

/// z·sigmoid(z) with two derivatives.
#[inline(always)]
pub(crate) fn silu(z: f64) -> [f64; 3] {
    let [s, slope, bend] = sigmoid(z);
    [z * s, s + z * slope, 2.0 * slope + z * bend]
}

/// z·Φ(z) with two derivatives.
#[inline(always)]
pub(crate) fn gelu(z: f64) -> [f64; 3] {
    gelu_to(ERFC.len(), 0, z)
}

/// The same to a relative error of 1e-8, for numbers that will be f32: most of the time of networks
/// with `GELU` would go into digits that are rounded away.
#[inline(always)]
pub(crate) fn gelu_for_single(z: f64) -> [f64; 3] {
    gelu_to(16, 4, z)
}

#[inline(always)]
fn gelu_to(n_terms: usize, first: usize, z: f64) -> [f64; 3] {
    const INVERSE_SQRT_TAU: f64 = 0.398_942_280_401_432_7;
    let density = INVERSE_SQRT_TAU * exp_from(first, -0.5 * z * z);
    let distribution = 0.5 * erfc_to(n_terms, first, -z * FRAC_1_SQRT_2);
    [z * distribution, distribution + z * density, (2.0 - z * z) * density]
}

/// z·(1 + tanh(√(2/π)·(z + 0.044715·z³)))/2 with two derivatives.
#[inline(always)]
pub(crate) fn gelu_tanh(z: f64) -> [f64; 3] {
    const FACTOR: f64 = 1.595_769_121_605_730_7; // 2·√(2/π): (1 + tanh(u))/2 is sigmoid(2u)
    const CUBE: f64 = 0.044_715;
    let [s, slope, bend] = sigmoid(FACTOR * (z + CUBE * z * z * z));
    let inner = FACTOR * (1.0 + 3.0 * CUBE * z * z);
    let inner_slope = FACTOR * 6.0 * CUBE * z;
    [
        z * s,
        s + z * slope * inner,
        2.0 * slope * inner + z * (bend * inner * inner + slope * inner_slope),
    ]
}

/// exp(z) with two derivatives.
#[inline(always)]
pub(crate) fn exponential(z: f64) -> [f64; 3] {
    let y = if z > 709.78 { f64::INFINITY } else { exp(z) };
    [y, y, y]
}

/// ln z with two derivatives.
#[inline(always)]
pub(crate) fn logarithm(z: f64) -> [f64; 3] {
    let slope = 1.0 / z;
    [z.ln(), slope, -slope * slope]
}

/// z to the power of `exponent` with two derivatives.
#[inline(always)]
pub(crate) fn power(z: f64, exponent: f64) -> [f64; 3] {
    // Derivatives of whole powers are 0 where the factor is, also at z = 0.
    let term = |factor: f64, by: f64| if factor == 0.0 { 0.0 } else { factor * z.powf(by) };
    [
        z.powf(exponent),
        term(exponent, exponent - 1.0),
        term(exponent * (exponent - 1.0), exponent - 2.0),
    ]
}

/// 2/√π·∫₀ᶻ exp(-t²) dt with two derivatives.
#[inline(always)]
pub(crate) fn erf(z: f64) -> [f64; 3] {
    let slope = std::f64::consts::FRAC_2_SQRT_PI * exp(-z * z);
    [1.0 - erfc(z), slope, -2.0 * z * slope]
}

/// tanh(z) with two derivatives.
#[inline(always)]
pub(crate) fn tanh(z: f64) -> [f64; 3] {
    // tanh(z) = 2·sigmoid(2z) - 1; near 0 its series, which does not cancel.
    let [s, slope, _] = sigmoid(2.0 * z);
    let series = z * (1.0 - z * z / 3.0 + 2.0 / 15.0 * z * z * z * z);
    let y = if z.abs() < 1e-2 { series } else { 2.0 * s - 1.0 };
    [y, 4.0 * slope, -8.0 * y * slope]
}

/// z where z > 0, else α·(exp(z) - 1), with two derivatives.
#[inline(always)]
pub(crate) fn elu(z: f64, alpha: f64) -> [f64; 3] {
    let e = alpha * exp(if z < 0.0 { z } else { 0.0 });
    if z > 0.0 { [z, 1.0, 0.0] } else { [e - alpha, e, e] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(from: f64, to: f64) -> impl Iterator<Item = f64> {
        (0..=4000).map(move |i| from + (to - from) * f64::from(i) / 4000.0)
    }

    fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
        let error = (found - expected).abs();
        assert!(error <= tolerance * expected.abs(), "{what}: {found} and not {expected}");
    }

    #[test]
    fn exponentials_match_the_standard_library() {
        for x in grid(-700.0, 700.0).chain(grid(-2.0, 2.0)) {
            close(exp(x), x.exp(), 1e-15, &format!("exp({x})"));
        }
        assert!(exp(-1e300) < 1e-300 && exp(f64::NEG_INFINITY) < 1e-300);
        for y in grid(0.0, 1.0).chain(grid(0.0, 1e-9)) {
            close(ln_1p(y), y.ln_1p(), 1e-15, &format!("ln_1p({y})"));
        }
    }

    #[test]
    fn single_exponentials_match_the_standard_library() {
        for x in grid(-86.0, 0.0).chain(grid(-2.0, 0.0)) {
            let x = x as f32;
            close(exp_single(x).into(), f64::from(x).exp(), 3e-7, &format!("exp_single({x})"));
        }
        for z in grid(-9.0, 9.0) {
            let error = f64::from(gelu_single(z as f32)) - gelu(f64::from(z as f32))[0];
            assert!(error.abs() < 1.5e-6, "gelu_single({z}): off by {error}");
        }
        assert!(exp_single(-1e30) < 1e-37 && exp_single(f32::NEG_INFINITY) < 1e-37);
        assert_eq!(exp_single(0.0), 1.0);
    }

    #[test]
    fn the_error_function_matches_libm() {
        for x in grid(-6.0, 6.0).chain(grid(6.0, 26.0)) {
            close(erfc(x), libm::erfc(x), 3e-13, &format!("erfc({x})"));
        }
    }

    #[test]
    fn far_from_zero_nothing_is_lost() {
        let [s, slope, bend] = sigmoid(-40.0);
        close(s, (-40.0f64).exp(), 1e-14, "sigmoid");
        close(slope, (-40.0f64).exp(), 1e-14, "slope");
        close(bend, (-40.0f64).exp(), 1e-14, "bend");
        close(sigmoid(40.0)[1], (-40.0f64).exp(), 1e-14, "slope on the right");
        close(softplus(-40.0, 1.0)[0], (-40.0f64).exp(), 1e-14, "softplus");
        close(gelu(-8.0)[0], -8.0 * 0.5 * libm::erfc(8.0 * FRAC_1_SQRT_2), 1e-13, "gelu");
        assert_eq!(gelu(40.0)[0], 40.0);
        for at in -600..600 {
            let z = f64::from(at) / 50.0;
            let what = format!("gelu_for_single({z})");
            for (found, expected) in gelu_for_single(z).into_iter().zip(gelu(z)) {
                close(found, expected, 1e-8, &what);
            }
        }
        assert!(exp(f64::NAN).is_nan() && sigmoid(f64::NAN)[0].is_nan());
        assert!(gelu(f64::NAN)[0].is_nan() && softplus(f64::NAN, 2.0)[0].is_nan());
        assert!([f64::MAX, f64::MIN].iter().all(|&z| softplus(z, 1.0)[0].is_finite()));
    }
}
