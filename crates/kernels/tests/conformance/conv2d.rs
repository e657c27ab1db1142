//! Convolutions: random shapes, strides, paddings, dilations, groups, batches, on every path.

use hsets_kernels::{
    Algorithm, Conv2d, Conv2dSpec, Curve, Epilogue, Isa, Padding, Scalar, Window,
    conv2d_weight_gradient,
};
use proptest::prelude::*;

use crate::reference;
use crate::support::{assert_close, dot, narrow, numbers, tolerance, with_threads};

#[derive(Debug, Clone, Copy)]
struct Problem {
    spec: Conv2dSpec,
    batch: usize,
    in_size: [usize; 2],
}

impl Problem {
    fn in_len(&self) -> usize {
        self.spec.in_channels * self.batch * self.in_size[0] * self.in_size[1]
    }

    fn out_len(&self) -> usize {
        let [h, w] = self.spec.output_size(self.in_size).expect("fits");
        self.spec.out_channels * self.batch * h * w
    }

    fn weights(&self) -> Vec<f64> {
        numbers(1, self.spec.weight_shape().iter().product())
    }

    fn n_terms(&self) -> usize {
        self.spec.weight_shape()[1..].iter().product()
    }
}

/// Groups with input and output channels of each: dense, grouped, depthwise, with multiplier.
fn channels() -> impl Strategy<Value = (usize, usize, usize)> {
    prop_oneof![
        4 => (Just(1usize), 1..40usize, 1..40usize),
        1 => (Just(1usize), 30..160usize, 1..6usize),
        1 => (Just(1usize), 1..6usize, 120..160usize),
        2 => (2..5usize, 1..9usize, 1..9usize),
        2 => (1..20usize, Just(1usize), Just(1usize)),
        1 => (1..8usize, Just(1usize), 2..4usize),
    ]
}

fn problem() -> impl Strategy<Value = Problem> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    let kernel = prop_oneof![2 => Just([1, 1]), 3 => Just([3, 3]), 3 => pair(1..6)];
    let padding = (0..4usize, 0..4usize, 0..4usize, 0..4usize)
        .prop_map(|(top, bottom, left, right)| Padding { top, bottom, left, right });
    let padding = prop_oneof![1 => Just(Padding::all(0)), 3 => padding];
    let stride = prop_oneof![2 => Just([1, 1]), 2 => Just([2, 2]), 1 => pair(1..4)];
    let dilation = prop_oneof![3 => Just([1, 1]), 1 => pair(1..4)];
    let width = prop_oneof![4 => 1..70usize, 1 => 120..200usize];
    let size = (1..40usize, width).prop_map(|(height, width)| [height, width]);
    (channels(), kernel, stride, dilation, padding, 1..4usize, size)
        .prop_map(|((groups, i, o), kernel, stride, dilation, padding, batch, in_size)| Problem {
            spec: Conv2dSpec {
                in_channels: groups * i,
                out_channels: groups * o,
                groups,
                kernel,
                stride,
                dilation,
                padding,
            },
            batch,
            in_size,
        })
        .prop_filter("kernel fits", |problem| problem.spec.output_size(problem.in_size).is_some())
}

fn check<T: Scalar>(problem: &Problem, isa: Isa) {
    let Problem { spec, batch, in_size } = *problem;
    let weights = problem.weights();
    let (x, g) = (numbers(2, problem.in_len()), numbers(3, problem.out_len()));
    let (bias, old) = (numbers(4, spec.out_channels), numbers(5, problem.in_len()));
    let conv = Conv2d::<T>::with_isa(spec, narrow(&weights), Algorithm::Direct, isa);

    let expected = reference::conv2d(&spec, &weights, batch, in_size, &x, &bias);
    let mut out = vec![T::from_f64(f64::NAN); problem.out_len()];
    conv.forward(batch, in_size, &narrow(&x), Some(&narrow(&bias)), &mut out);
    let what = format!("{isa:?} {problem:?}");
    assert_close(&out, &expected, tolerance::<T>(problem.n_terms()), &format!("forward {what}"));

    let expected = reference::conv2d_adjoint(&spec, &weights, batch, in_size, &g);
    let n_terms = problem.n_terms() * spec.out_channels / spec.in_channels.min(spec.out_channels);
    let mut grad = vec![T::from_f64(f64::NAN); problem.in_len()];
    conv.adjoint(batch, in_size, &narrow(&g), &mut grad, false);
    assert_close(&grad, &expected, tolerance::<T>(n_terms), &format!("adjoint {what}"));

    let expected: Vec<f64> = expected.iter().zip(&old).map(|(x, y)| x + y).collect();
    let mut grad = narrow::<T>(&old);
    conv.adjoint(batch, in_size, &narrow(&g), &mut grad, true);
    assert_close(&grad, &expected, tolerance::<T>(n_terms), &format!("accumulating {what}"));
}

fn check_weight_gradient<T: Scalar>(problem: &Problem) {
    let Problem { spec, batch, in_size } = *problem;
    let (x, g) = (numbers(2, problem.in_len()), numbers(3, problem.out_len()));
    let expected = reference::conv2d_weight_gradient(&spec, batch, in_size, &x, &g);
    let run = |n_threads: usize| {
        let mut found = vec![T::from_f64(f64::NAN); expected.len()];
        with_threads(n_threads, || {
            conv2d_weight_gradient(&spec, batch, in_size, &narrow(&x), &narrow(&g), &mut found);
        });
        found
    };
    let found = run(1);
    let n_terms = problem.out_len() / spec.out_channels;
    assert_close(&found, &expected, tolerance::<T>(n_terms), &format!("{problem:?}"));
    assert_eq!(found, run(3), "{problem:?}");
}

/// Image `n` of [C, N, len].
fn image<T: Copy>(values: &[T], batch: usize, len: usize, n: usize) -> Vec<T> {
    values.chunks_exact(batch * len).flat_map(|c| c[n * len..][..len].to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_path_matches_the_definition(problem in problem()) {
        for isa in Isa::available() {
            check::<f32>(&problem, isa);
            check::<f64>(&problem, isa);
        }
    }

    #[test]
    fn weight_gradient_matches_the_definition(problem in problem()) {
        check_weight_gradient::<f32>(&problem);
        check_weight_gradient::<f64>(&problem);
    }

    #[test]
    fn adjoint_is_the_transpose(problem in problem()) {
        let Problem { spec, batch, in_size } = problem;
        let conv = Conv2d::new(spec, problem.weights());
        let (x, g) = (numbers(2, problem.in_len()), numbers(3, problem.out_len()));
        let (mut out, mut grad) = (vec![0.0; g.len()], vec![0.0; x.len()]);
        conv.forward(batch, in_size, &x, None, &mut out);
        conv.adjoint(batch, in_size, &g, &mut grad, false);
        let scale = dot(&out, &out).sqrt() * dot(&g, &g).sqrt() + 1.0;
        prop_assert!((dot(&out, &g) - dot(&x, &grad)).abs() < 1e-13 * scale);
    }

    #[test]
    fn same_bits_for_any_threads_and_batch(problem in problem()) {
        let Problem { spec, batch, in_size } = problem;
        let conv = Conv2d::<f32>::new(spec, narrow(&problem.weights()));
        let x: Vec<f32> = narrow(&numbers(2, problem.in_len()));
        let g: Vec<f32> = narrow(&numbers(3, problem.out_len()));
        let run = |batch: usize, x: &[f32], g: &[f32]| {
            let (mut out, mut grad) = (vec![0.0; g.len()], vec![0.0; x.len()]);
            conv.forward(batch, in_size, x, None, &mut out);
            conv.adjoint(batch, in_size, g, &mut grad, false);
            (out, grad)
        };
        let all = with_threads(1, || run(batch, &x, &g));
        for n_threads in [2, 4] {
            prop_assert_eq!(&all, &with_threads(n_threads, || run(batch, &x, &g)));
        }
        let (in_plane, out_plane) = (
            in_size[0] * in_size[1],
            problem.out_len() / (spec.out_channels * batch),
        );
        for n in 0..batch {
            let alone = run(1, &image(&x, batch, in_plane, n), &image(&g, batch, out_plane, n));
            prop_assert_eq!(alone.0, image(&all.0, batch, out_plane, n));
            prop_assert_eq!(alone.1, image(&all.1, batch, in_plane, n));
        }
    }
}

/// The first phase of this adjoint has one tap at (0, 0), but a grid wider than what it reads.
#[test]
fn one_tap_is_not_always_a_matrix_product() {
    let spec = Conv2dSpec {
        in_channels: 2,
        out_channels: 4,
        groups: 2,
        kernel: [3, 3],
        stride: [2, 2],
        dilation: [1, 1],
        padding: Padding::all(0),
    };
    for batch in [1, 2] {
        check::<f32>(&Problem { spec, batch, in_size: [3, 44] }, Isa::detect());
    }
}

/// A point-sized factor or curve after the convolution, against the same done separately.
fn check_epilogues<T: Scalar>(problem: &Problem, isa: Isa, shared: bool) {
    let Problem { spec, batch, in_size } = *problem;
    let conv = Conv2d::<T>::with_isa(spec, narrow(&problem.weights()), Algorithm::Direct, isa);
    let x: Vec<T> = narrow(&numbers(2, problem.in_len()));
    let g: Vec<T> = narrow(&numbers(3, problem.out_len()));
    let bias: Vec<T> = narrow(&numbers(4, spec.out_channels));
    let mut z = g.clone();
    conv.forward(batch, in_size, &x, Some(&bias), &mut z);

    let curve = Curve::SqrtRelu6 { tau: 1e-3 };
    let [mut out, mut slopes, mut bends] = [(); 3].map(|()| vec![T::ZERO; z.len()]);
    let (slopes_out, bends_out) = (Some(&mut slopes[..]), Some(&mut bends[..]));
    let epilogue = Epilogue::Curve { curve, slopes: slopes_out, bends: bends_out };
    conv.forward_with(batch, in_size, &x, Some(&bias), Some(epilogue), &mut out);
    for (i, &z) in z.iter().enumerate() {
        let expected = curve.evaluate(z);
        for (found, expected) in [out[i], slopes[i], bends[i]].into_iter().zip(expected) {
            let error = (found - expected).to_f64().abs();
            assert!(error <= 1e-5 * expected.to_f64().abs().max(1.0), "{isa:?} {problem:?}");
        }
    }

    let mut grad = x.clone();
    conv.adjoint(batch, in_size, &g, &mut grad, true);
    let plane = in_size[0] * in_size[1];
    let own = if shared { 1 } else { batch };
    let factor: Vec<T> = narrow(&numbers(6, spec.in_channels * own * plane));
    let second: Vec<T> = narrow(&numbers(7, factor.len()));
    let at = |i: usize| {
        if shared { i / (batch * plane) * plane + i % plane } else { i }
    };
    let expected: Vec<f64> = (0..grad.len())
        .map(|i| (grad[i] * factor[at(i)] + x[i] * second[at(i)]).to_f64())
        .collect();
    let (mut out, mut unscaled) = (x.clone(), vec![T::ZERO; x.len()]);
    let epilogue = Epilogue::Scale {
        unscaled: Some(&mut unscaled),
        factor: &factor,
        plus: Some((&second, &x)),
    };
    conv.adjoint_with(batch, in_size, &g, &mut out, true, Some(epilogue));
    assert_eq!(unscaled, grad, "{isa:?} {problem:?}");
    let scale = grad.iter().map(|x| x.to_f64().abs()).fold(1.0, f64::max);
    assert_close(&out, &expected, 1e-6 * scale, "scaled adjoint");

    let mut out = x.clone();
    let epilogue = Epilogue::Slope { curve: Curve::Relu, output: &x };
    conv.adjoint_with(batch, in_size, &g, &mut out, true, Some(epilogue));
    let masked = |(i, &z): (usize, &T)| if x[i] > T::ZERO { z } else { T::ZERO };
    let expected: Vec<T> = grad.iter().enumerate().map(masked).collect();
    assert_eq!(out, expected, "{isa:?} {problem:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn epilogues_are_separate_steps(problem in problem(), shared in any::<bool>()) {
        for isa in Isa::available() {
            check_epilogues::<f32>(&problem, isa, shared);
            check_epilogues::<f64>(&problem, isa, shared);
        }
    }

    #[test]
    fn windows_are_parts_of_the_whole(
        problem in problem(),
        place in [0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64],
        part in [0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64],
    ) {
        let Problem { spec, batch, in_size } = problem;
        let out_size = spec.output_size(in_size).expect("fits");
        let window = |size: [usize; 2], i: usize| {
            let len = [0, 1].map(|a| 1 + (part[i + a] * (size[a] as f64 - 0.5)) as usize);
            let origin = [0, 1].map(|a| (place[i + a] * (size[a] - len[a] + 1) as f64) as usize);
            Window { origin, size: len }
        };
        let (in_window, out_window) = (window(in_size, 0), window(out_size, 2));
        let cut = |values: &[f32], [height, width]: [usize; 2], window: Window| -> Vec<f32> {
            let plane = |plane: &[f32]| {
                let rows = plane.chunks_exact(width).skip(window.origin[0]).take(window.size[0]);
                rows.flat_map(|row| row[window.origin[1]..][..window.size[1]].to_vec()).collect::<Vec<_>>()
            };
            values.chunks_exact(height * width).flat_map(plane).collect()
        };
        let mut x: Vec<f32> = narrow(&numbers(2, problem.in_len()));
        for (i, x) in x.iter_mut().enumerate() {
            let at = [i / in_size[1] % in_size[0], i % in_size[1]];
            let inside = |a: usize| at[a].wrapping_sub(in_window.origin[a]) < in_window.size[a];
            if !(inside(0) && inside(1)) {
                *x = 0.0;
            }
        }
        let conv = Conv2d::<f32>::new(spec, narrow(&problem.weights()));
        let mut whole = vec![0.0; problem.out_len()];
        conv.forward(batch, in_size, &x, None, &mut whole);
        let expected: Vec<f32> = cut(&whole, out_size, out_window);
        let mut out = vec![f32::NAN; expected.len()];
        conv.forward_window(batch, in_window, &cut(&x, in_size, in_window), None, out_window, &mut out);
        prop_assert_eq!(out, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn winograd_matches_the_definition(
        (channels, rows) in (1..40usize, 1..40usize),
        padding in (0..3usize, 0..3usize, 0..3usize, 0..3usize),
        batch in 1..4usize,
        in_size in [3..30usize, 3..70usize],
    ) {
        let (top, bottom, left, right) = padding;
        let spec = Conv2dSpec {
            in_channels: channels,
            out_channels: rows,
            groups: 1,
            kernel: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding { top, bottom, left, right },
        };
        let problem = Problem { spec, batch, in_size };
        for isa in Isa::available() {
            for algorithm in [Algorithm::Winograd2, Algorithm::Winograd4] {
                check_winograd::<f32>(&problem, algorithm, isa);
                check_winograd::<f64>(&problem, algorithm, isa);
            }
        }
    }
}

/// Both directions with bias, accumulation and epilogue; an image alone has the bits it has in a
/// batch, on any number of threads.
fn check_winograd<T: Scalar>(problem: &Problem, algorithm: Algorithm, isa: Isa) {
    let Problem { spec, batch, in_size } = *problem;
    let weights = problem.weights();
    let conv = Conv2d::<T>::with_isa(spec, narrow(&weights), algorithm, isa);
    let (x, g) = (numbers(2, problem.in_len()), numbers(3, problem.out_len()));
    let (bias, old) = (numbers(4, spec.out_channels), numbers(5, problem.in_len()));
    let what = format!("{algorithm:?} {isa:?} {problem:?}");
    // Transforms grow numbers up to a hundredfold before they cancel.
    let tolerance = |n_terms: usize| 100.0 * tolerance::<T>(n_terms);

    let (narrow_x, narrow_bias) = (narrow::<T>(&x), narrow::<T>(&bias));
    let run = |batch: usize, x: &[T]| {
        let mut out = vec![T::ZERO; problem.out_len() / problem.batch * batch];
        let epilogue = Epilogue::Curve { curve: Curve::Relu, slopes: None, bends: None };
        conv.forward_with(batch, in_size, x, Some(&narrow_bias), Some(epilogue), &mut out);
        out
    };
    let expected: Vec<f64> = reference::conv2d(&spec, &weights, batch, in_size, &x, &bias)
        .into_iter()
        .map(|x| x.max(0.0))
        .collect();
    let out = with_threads(1, || run(batch, &narrow_x));
    assert_close(&out, &expected, tolerance(problem.n_terms()), &what);
    assert_eq!(out, with_threads(3, || run(batch, &narrow_x)), "{what}");
    let (in_plane, out_plane) =
        (in_size[0] * in_size[1], problem.out_len() / (spec.out_channels * batch));
    for n in 0..batch {
        let alone = run(1, &image(&narrow_x, batch, in_plane, n));
        assert_eq!(alone, image(&out, batch, out_plane, n), "{what}");
    }

    let expected = reference::conv2d_adjoint(&spec, &weights, batch, in_size, &g);
    let expected: Vec<f64> = expected.iter().zip(&old).map(|(x, y)| x + y).collect();
    let mut grad = narrow::<T>(&old);
    conv.adjoint(batch, in_size, &narrow(&g), &mut grad, true);
    assert_close(&grad, &expected, tolerance(9 * spec.out_channels), &what);
}

/// What fewer products give away: rounding errors against f64, relative to those of direct sums.
#[test]
fn winograd_rounds_little_more_than_the_direct_sum() {
    let spec = Conv2dSpec {
        in_channels: 256,
        out_channels: 64,
        groups: 1,
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: Padding::all(1),
    };
    let problem = Problem { spec, batch: 1, in_size: [28, 28] };
    let weights = problem.weights();
    let x: Vec<f64> = numbers(2, problem.in_len()).iter().map(|x| x.max(0.0)).collect();
    let mut exact = vec![0.0; problem.out_len()];
    Conv2d::with_algorithm(spec, weights.clone(), Algorithm::Direct).forward(
        1,
        problem.in_size,
        &x,
        None,
        &mut exact,
    );
    let error = |algorithm: Algorithm| {
        let conv = Conv2d::<f32>::with_algorithm(spec, narrow(&weights), algorithm);
        let mut out = vec![0.0; exact.len()];
        conv.forward(1, problem.in_size, &narrow(&x), None, &mut out);
        let errors: Vec<f64> =
            out.iter().zip(&exact).map(|(&out, exact)| f64::from(out) - exact).collect();
        dot(&errors, &errors).sqrt()
    };
    let direct = error(Algorithm::Direct);
    let ratio = |algorithm: Algorithm| error(algorithm) / direct;
    assert!(ratio(Algorithm::Winograd2) < 1.7);
    assert!(ratio(Algorithm::Winograd4) < 5.0);
    assert!(ratio(Algorithm::Auto) <= ratio(Algorithm::Winograd4));
}

/// Where a picture is flat, so is its convolution: else ties in max pooling would break at random.
#[test]
fn flat_pictures_stay_flat() {
    let spec = Conv2dSpec {
        in_channels: 64,
        out_channels: 64,
        groups: 1,
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: Padding::all(0),
    };
    let problem = Problem { spec, batch: 1, in_size: [36, 31] };
    let conv = Conv2d::<f32>::new(spec, narrow(&problem.weights()));
    let mut out = vec![0.0; problem.out_len()];
    conv.forward(1, problem.in_size, &vec![0.3; problem.in_len()], None, &mut out);
    for plane in out.chunks_exact(34 * 29) {
        assert!(plane.iter().all(|&x| x == plane[0] && x != 0.0));
    }
}

/// Parts that are made when first needed are made by a thread that takes other work while it waits
/// for its helpers, and that work may need the same part.
#[test]
fn tasks_that_need_a_part_at_once_do_not_wait_for_themselves() {
    let (done, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (batch, in_size) = (1, [4, 4]);
        for round in 0..150 {
            let stride = 1 + round as usize % 2;
            let spec = Conv2dSpec {
                in_channels: 256,
                out_channels: 256,
                groups: 1,
                kernel: [3, 3],
                stride: [stride, stride],
                dilation: [1, 1],
                padding: Padding::all(1),
            };
            let problem = Problem { spec, batch, in_size };
            let conv = Conv2d::<f32>::new(spec, narrow(&problem.weights()));
            let (x, y) = (vec![1.0; problem.in_len()], vec![1.0; problem.out_len()]);
            let run = &|wait: u64| {
                std::thread::sleep(std::time::Duration::from_micros(wait));
                pool.install(|| {
                    conv.forward(batch, in_size, &x, None, &mut vec![0.0; y.len()]);
                    conv.adjoint(batch, in_size, &y, &mut vec![0.0; x.len()], false);
                });
            };
            std::thread::scope(|scope| {
                for wait in [0, 7 * round, 13 * round] {
                    scope.spawn(move || run(wait));
                }
            });
        }
        done.send(()).unwrap();
    });
    let minute = std::time::Duration::from_mins(1);
    assert!(waits.recv_timeout(minute).is_ok(), "tasks wait for each other");
}
