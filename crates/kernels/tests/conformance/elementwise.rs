//! Elementwise kernels against scalar loops, on lengths that need and do not need threads.

use hsets_kernels::{
    Curve, add_assign, add_curve, channel_affine, channel_scale, curve_slopes, curve_values,
    multiply_planes, scale_in_place,
};
use proptest::prelude::*;

use crate::support::{assert_close, narrow, numbers};

const CURVES: [Curve; 11] = [
    Curve::Relu,
    Curve::Relu6,
    Curve::SqrtRelu { tau: 1e-3 },
    Curve::SqrtRelu6 { tau: 1e-3 },
    Curve::Softplus { beta: 5.0 },
    Curve::Softplus6 { beta: 5.0 },
    Curve::HardSwish,
    Curve::HardSigmoid,
    Curve::Sigmoid,
    Curve::Silu,
    Curve::Gelu,
];

#[test]
fn curves_in_bulk_are_the_curves() {
    for len in [1, 17, 70_001] {
        let z: Vec<f64> = numbers(1, len).iter().map(|z| z * 9.0).collect();
        for curve in CURVES {
            let expected: Vec<[f64; 3]> = z.iter().map(|&z| curve.evaluate(z)).collect();
            let order = |order: usize| -> Vec<f64> { expected.iter().map(|e| e[order]).collect() };
            let z: Vec<f32> = narrow(&z);
            let [mut values, mut slopes, mut bends] = [0, 1, 2].map(|_| vec![0f32; len]);
            curve_values(curve, &z, &mut values);
            curve_slopes(curve, &z, &mut slopes, Some(&mut bends));
            assert_close(&values, &order(0), 4e-6, &format!("{curve:?} values"));
            assert_close(&slopes, &order(1), 2e-5, &format!("{curve:?} slopes"));
            assert_close(&bends, &order(2), 2e-3, &format!("{curve:?} bends"));
        }
    }
}

/// Compilers stop inlining what has grown, and loops that are not vectorised take ten times as long.
#[test]
#[cfg(not(debug_assertions))]
fn loops_over_curves_are_vectorised() {
    let z: Vec<f32> = narrow(&numbers(1, 4096));
    let mut out = vec![0f32; z.len()];
    let mut least = |work: &mut dyn FnMut(&mut [f32])| {
        let time = |_| {
            let start = std::time::Instant::now();
            work(std::hint::black_box(&mut out));
            start.elapsed()
        };
        (0..30).map(time).min().unwrap()
    };
    for curve in [Curve::Gelu, Curve::Silu, Curve::Softplus { beta: 5.0 }, Curve::Tanh] {
        let bulk = least(&mut |out| curve_values(curve, &z, out));
        let slopes = least(&mut |out| curve_slopes(curve, &z, out, None));
        let single = least(&mut |out| {
            for (out, z) in out.iter_mut().zip(&z) {
                *out = std::hint::black_box(curve).evaluate(std::hint::black_box(*z))[0];
            }
        });
        assert!(2 * bulk.max(slopes) < single, "{curve:?}: {bulk:?}, {slopes:?}, {single:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn planes_match_scalar_loops(
        channels in 1..20usize,
        batch in 1..5usize,
        plane in prop_oneof![1..40usize, 900..2000usize],
        shared in any::<bool>(),
    ) {
        let len = channels * batch * plane;
        let own = if shared { 1 } else { batch };
        let (x, old) = (numbers(1, len), numbers(2, len));
        let factor = numbers(3, channels * own * plane);
        let of = |at: usize| {
            let (c, n, i) = (at / (batch * plane), at / plane % batch, at % plane);
            factor[(c * own + if shared { 0 } else { n }) * plane + i]
        };
        let product: Vec<f64> = (0..len).map(|at| of(at) * x[at]).collect();
        let grown: Vec<f64> = product.iter().zip(&old).map(|(x, y)| x + y).collect();
        let mut out = old.clone();
        multiply_planes((batch, plane), own, &x, &factor, &mut out, false);
        assert_close(&out, &product, 1e-15, "product");
        out.copy_from_slice(&old);
        multiply_planes((batch, plane), own, &x, &factor, &mut out, true);
        assert_close(&out, &grown, 1e-15, "product added");
        out.copy_from_slice(&old);
        add_assign(&mut out, &x);
        let expected: Vec<f64> = x.iter().zip(&old).map(|(x, y)| x + y).collect();
        assert_close(&out, &expected, 1e-15, "sum");
        scale_in_place(-0.5, &mut out);
        let half: Vec<f64> = expected.iter().map(|x| -0.5 * x).collect();
        assert_close(&out, &half, 1e-15, "scaled");
    }

    #[test]
    fn channels_match_scalar_loops(channels in 1..20usize, len in prop_oneof![1..40usize, 900..2000usize]) {
        let (x, scale, shift) = (numbers(1, channels * len), numbers(2, channels), numbers(3, channels));
        let expected = |sign: f64| -> Vec<f64> {
            (0..x.len()).map(|i| scale[i / len] * x[i] + sign * shift[i / len]).collect()
        };
        let mut out = vec![0.0; x.len()];
        let parts = x.split_at(channels / 2 * len);
        let parts = [parts.0, parts.1];
        channel_affine(len, &parts, &scale, Some(&shift), None, &mut out);
        assert_close(&out, &expected(1.0), 1e-15, "affine");
        channel_affine(len, &parts, &scale, Some(&shift), Some(Curve::Relu), &mut out);
        let positive: Vec<f64> = expected(1.0).iter().map(|x| x.max(0.0)).collect();
        assert_close(&out, &positive, 1e-15, "affine and curve");
        channel_affine(len, &parts, &scale, None, None, &mut out);
        assert_close(&out, &expected(0.0), 1e-15, "affine without shift");
        let mut sum = x.clone();
        add_curve(Curve::Relu, &mut sum, &out);
        let sums: Vec<f64> = x.iter().zip(&out).map(|(a, b)| (a + b).max(0.0)).collect();
        assert_close(&sum, &sums, 1e-15, "sum and curve");
        channel_scale(len, &x, &scale, &mut out, false);
        assert_close(&out, &expected(0.0), 1e-15, "scale");
        channel_scale(len, &x, &scale, &mut out, true);
        let twice: Vec<f64> = expected(0.0).iter().map(|x| 2.0 * x).collect();
        assert_close(&out, &twice, 1e-15, "scale added");
    }
}
