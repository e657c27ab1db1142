//! Pooling against windows spelled out.

use hsets_kernels::{
    Padding, Pool2dSpec, adaptive_avg_pool2d, avg_pool2d, gather, max_pool2d, scatter_add,
};
use proptest::prelude::*;

use crate::reference::window;
use crate::support::{assert_close, dot, numbers, tolerance};

fn spec() -> impl Strategy<Value = (Pool2dSpec, [usize; 2], usize)> {
    let kernel = [1..4usize, 1..4usize];
    let size = [4..30usize, 4..40usize];
    (kernel, [1..4usize, 1..4usize], [(); 4].map(|()| 0..2usize), any::<bool>(), size, 1..5usize)
        .prop_map(
            |(kernel, stride, [top, bottom, left, right], count_include_pad, size, planes)| {
                let padding = Padding {
                    top: top.min(kernel[0] / 2),
                    bottom: bottom.min(kernel[0] / 2),
                    left: left.min(kernel[1] / 2),
                    right: right.min(kernel[1] / 2),
                };
                (Pool2dSpec { kernel, stride, padding, count_include_pad }, size, planes)
            },
        )
}

proptest! {
    #[test]
    fn max_takes_the_first_largest((spec, size, planes) in spec()) {
        let [oh, ow] = spec.output_size(size).expect("fits");
        let (in_plane, out_plane) = (size[0] * size[1], oh * ow);
        // Few different values, so that there are ties.
        let x: Vec<f64> =
            numbers(1, planes * in_plane).iter().map(|x| (x * 3.0).round()).collect();
        let (mut out, mut indices) = (vec![0.0; planes * out_plane], vec![0; planes * out_plane]);
        max_pool2d(&spec, size, &x, &mut out, &mut indices);
        for at in 0..planes * out_plane {
            let plane = &x[at / out_plane * in_plane..][..in_plane];
            let covered = window(&spec, size, [at % out_plane / ow, at % ow]);
            let best = covered.iter().copied().reduce(|best, i| {
                if plane[i] > plane[best] { i } else { best }
            });
            prop_assert_eq!(Some(indices[at] as usize), best);
            prop_assert_eq!(out[at], plane[indices[at] as usize]);
        }
        let mut taken = vec![0.0; out.len()];
        gather(planes, planes, (in_plane, out_plane), &x, &indices, &mut taken);
        prop_assert_eq!(&taken, &out);
        let g = numbers(2, out.len());
        let mut grad = vec![0.0; x.len()];
        scatter_add(planes, planes, (in_plane, out_plane), &g, &indices, &mut grad);
        prop_assert!((dot(&g, &out) - dot(&grad, &x)).abs() < 1e-10);
    }

    #[test]
    fn average_matches_the_definition((spec, size, planes) in spec()) {
        let [oh, ow] = spec.output_size(size).expect("fits");
        let (in_plane, out_plane) = (size[0] * size[1], oh * ow);
        let x = numbers(1, planes * in_plane);
        let expected: Vec<f64> = (0..planes * out_plane).map(|at| {
            let plane = &x[at / out_plane * in_plane..][..in_plane];
            let covered = window(&spec, size, [at % out_plane / ow, at % ow]);
            let all = spec.kernel[0] * spec.kernel[1];
            let n = if spec.count_include_pad { all } else { covered.len() };
            covered.iter().map(|&i| plane[i]).sum::<f64>() / n as f64
        }).collect();
        let mut out = vec![0.0; expected.len()];
        avg_pool2d(&spec, size, &x, &mut out, false);
        assert_close(&out, &expected, tolerance::<f64>(9), "average");
        let (g, mut grad) = (numbers(2, out.len()), vec![0.0; x.len()]);
        avg_pool2d(&spec, size, &g, &mut grad, true);
        prop_assert!((dot(&g, &out) - dot(&grad, &x)).abs() < 1e-10);
    }

    #[test]
    fn adaptive_average_is_linear_and_keeps_constants(
        size in [1..30usize, 1..30usize],
        out_size in [1..8usize, 1..8usize],
        planes in 1..4usize,
    ) {
        let n_in = planes * size[0] * size[1];
        let mut out = vec![0.0; planes * out_size[0] * out_size[1]];
        adaptive_avg_pool2d(size, out_size, &vec![2.0; n_in], &mut out, false);
        assert_close(&out, &vec![2.0; out.len()], 1e-14, "constant");
        let x = numbers(1, n_in);
        adaptive_avg_pool2d(size, out_size, &x, &mut out, false);
        let (g, mut grad) = (numbers(2, out.len()), vec![0.0; n_in]);
        adaptive_avg_pool2d(size, out_size, &g, &mut grad, true);
        prop_assert!((dot(&g, &out) - dot(&grad, &x)).abs() < 1e-10);
    }
}

#[test]
fn adaptive_average_has_pytorch_bins() {
    let x: Vec<f64> = (0..5).map(f64::from).collect();
    let mut out = [0.0; 3];
    // Bins 0..2, 1..4, 3..5.
    adaptive_avg_pool2d([1, 5], [1, 3], &x, &mut out, false);
    assert_close(&out, &[0.5, 2.0, 3.5], 1e-15, "bins");
}

#[test]
fn what_is_no_number_is_the_maximum() {
    let spec = Pool2dSpec {
        kernel: [2, 2],
        stride: [2, 2],
        padding: Padding::all(0),
        count_include_pad: false,
    };
    let x = [1.0, f64::NAN, 2.0, 3.0, 5.0, 4.0, f64::NEG_INFINITY, -1.0];
    let (mut out, mut indices) = ([0.0; 2], [0; 2]);
    max_pool2d(&spec, [2, 4], &x, &mut out, &mut indices);
    assert!(out[0].is_nan());
    assert_eq!((indices, out[1]), ([1, 3], 3.0));
}
