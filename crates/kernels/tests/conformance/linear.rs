//! Fully connected layers.

use hsets_kernels::{Isa, Linear, Scalar, linear_weight_gradient};

use proptest::prelude::*;

use crate::reference;
use crate::support::{assert_close, narrow, numbers, tolerance, with_threads};

fn check<T: Scalar>(n_in: usize, n_out: usize, batch: usize) {
    let (weights, bias) = (numbers(1, n_in * n_out), numbers(2, n_out));
    let (x, mut g) = (numbers(3, n_in * batch), numbers(4, n_out * batch));
    // As behind a ReLU: some rows of the adjoint meet zeros alone.
    g.chunks_exact_mut(batch).filter(|g| g[0] < 0.0).for_each(|g| g.fill(0.0));
    for isa in Isa::available() {
        let layer = Linear::<T>::with_isa([n_in, n_out], narrow(&weights), isa);
        check_layer(&layer, [n_in, n_out, batch], [&weights, &bias, &x, &g]);
    }
}

fn check_layer<T: Scalar>(
    layer: &Linear<T>,
    [n_in, n_out, batch]: [usize; 3],
    [weights, bias, x, g]: [&[f64]; 4],
) {
    let mut out = vec![T::ZERO; n_out * batch];
    layer.forward(batch, &narrow(x), Some(&narrow(bias)), &mut out);
    let expected = reference::linear(weights, n_in, batch, x, bias);
    assert_close(&out, &expected, tolerance::<T>(n_in), "linear");

    let expected = reference::linear_adjoint(weights, n_in, batch, g);
    let mut grad = vec![T::ONE; n_in * batch];
    layer.adjoint(batch, &narrow(g), &mut grad, false);
    assert_close(&grad, &expected, tolerance::<T>(n_out), "linear adjoint");
    layer.adjoint(batch, &narrow(g), &mut grad, true);
    let twice: Vec<f64> = expected.iter().map(|x| 2.0 * x).collect();
    assert_close(&grad, &twice, 2.0 * tolerance::<T>(n_out), "accumulating linear adjoint");
}

fn check_weight_gradient<T: Scalar>(n_in: usize, n_out: usize, batch: usize) {
    let (x, g) = (numbers(3, n_in * batch), numbers(4, n_out * batch));
    let line = |values: &[f64], row: usize| values[row * batch..][..batch].to_vec();
    let expected: Vec<f64> = (0..n_out * n_in)
        .map(|at| crate::support::dot(&line(&g, at / n_in), &line(&x, at % n_in)))
        .collect();
    let mut found = vec![T::from_f64(f64::NAN); n_out * n_in];
    linear_weight_gradient(batch, &narrow::<T>(&x), &narrow(&g), &mut found);
    assert_close(&found, &expected, tolerance::<T>(batch), "gradient of the matrix");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn matches_the_definition(n_in in 1..400usize, n_out in 1..300usize, batch in 1..11usize) {
        check::<f32>(n_in, n_out, batch);
        check::<f64>(n_in, n_out, batch);
        check_weight_gradient::<f32>(n_in, n_out, batch);
        check_weight_gradient::<f64>(n_in, n_out, batch);
    }

    #[test]
    fn same_bits_for_any_threads_and_batch(
        n_in in 1..3000usize,
        n_out in 1..50usize,
        batch in 1..7usize,
    ) {
        let layer = Linear::<f32>::new(n_in, n_out, narrow(&numbers(1, n_in * n_out)));
        let x: Vec<f32> = narrow(&numbers(3, n_in * batch));
        let g: Vec<f32> = narrow(&numbers(4, n_out * batch));
        let run = |batch: usize, x: &[f32], g: &[f32]| {
            let (mut out, mut grad) = (vec![0.0; g.len()], vec![0.0; x.len()]);
            layer.forward(batch, x, None, &mut out);
            layer.adjoint(batch, g, &mut grad, false);
            (out, grad)
        };
        let all = with_threads(1, || run(batch, &x, &g));
        prop_assert_eq!(&all, &with_threads(4, || run(batch, &x, &g)));
        let image = |values: &[f32], n: usize| -> Vec<f32> {
            values.iter().skip(n).step_by(batch).copied().collect()
        };
        for n in 0..batch {
            let alone = run(1, &image(&x, n), &image(&g, n));
            prop_assert_eq!(alone, (image(&all.0, n), image(&all.1, n)));
        }
    }
}
