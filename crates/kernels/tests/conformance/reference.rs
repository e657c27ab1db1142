//! The same kernels written as their definitions, in f64.

use hsets_kernels::{Conv2dSpec, Pool2dSpec};

/// Calls `tap(weight index, input index, output index)` for every product of a convolution.
fn for_each_tap(
    spec: &Conv2dSpec,
    batch: usize,
    [h, w]: [usize; 2],
    mut tap: impl FnMut(usize, usize, usize),
) {
    let Some([oh, ow]) = spec.output_size([h, w]) else { return };
    let [_, group_in, kh, kw] = spec.weight_shape();
    let group_out = spec.out_channels / spec.groups;
    let pairs = |a: usize, b: usize| (0..a).flat_map(move |i| (0..b).map(move |j| (i, j)));
    for (o, i) in pairs(spec.out_channels, group_in) {
        let channel = o / group_out * group_in + i;
        for (n, (y, x)) in (0..batch).flat_map(|n| pairs(oh, ow).map(move |at| (n, at))) {
            for (u, v) in pairs(kh, kw) {
                let source = |at: usize, axis: usize, k: usize, before: usize| {
                    (at * spec.stride[axis] + k * spec.dilation[axis]).checked_sub(before)
                };
                let (Some(sy), Some(sx)) =
                    (source(y, 0, u, spec.padding.top), source(x, 1, v, spec.padding.left))
                else {
                    continue;
                };
                if sy < h && sx < w {
                    tap(
                        ((o * group_in + i) * kh + u) * kw + v,
                        ((channel * batch + n) * h + sy) * w + sx,
                        ((o * batch + n) * oh + y) * ow + x,
                    );
                }
            }
        }
    }
}

/// Convolution plus bias.
pub(crate) fn conv2d(
    spec: &Conv2dSpec,
    weights: &[f64],
    batch: usize,
    in_size: [usize; 2],
    x: &[f64],
    bias: &[f64],
) -> Vec<f64> {
    let plane: usize = spec.output_size(in_size).expect("fits").iter().product();
    let mut out: Vec<f64> =
        bias.iter().flat_map(|&bias| std::iter::repeat_n(bias, batch * plane)).collect();
    for_each_tap(spec, batch, in_size, |weight, at_in, at_out| {
        out[at_out] += weights[weight] * x[at_in];
    });
    out
}

/// Gradient of the convolution with respect to its weights.
pub(crate) fn conv2d_weight_gradient(
    spec: &Conv2dSpec,
    batch: usize,
    in_size: [usize; 2],
    x: &[f64],
    grad: &[f64],
) -> Vec<f64> {
    let mut out = vec![0.0; spec.weight_shape().iter().product()];
    for_each_tap(spec, batch, in_size, |weight, at_in, at_out| {
        out[weight] += grad[at_out] * x[at_in];
    });
    out
}

/// Adjoint of the convolution.
pub(crate) fn conv2d_adjoint(
    spec: &Conv2dSpec,
    weights: &[f64],
    batch: usize,
    in_size: [usize; 2],
    grad_out: &[f64],
) -> Vec<f64> {
    let mut grad_in = vec![0.0; spec.in_channels * batch * in_size[0] * in_size[1]];
    for_each_tap(spec, batch, in_size, |weight, at_in, at_out| {
        grad_in[at_in] += weights[weight] * grad_out[at_out];
    });
    grad_in
}

/// W·x + b for x [I, N].
pub(crate) fn linear(
    weights: &[f64],
    n_in: usize,
    batch: usize,
    x: &[f64],
    bias: &[f64],
) -> Vec<f64> {
    let element = |at: usize| {
        let (o, n) = (at / batch, at % batch);
        bias[o] + (0..n_in).map(|i| weights[o * n_in + i] * x[i * batch + n]).sum::<f64>()
    };
    (0..bias.len() * batch).map(element).collect()
}

/// Wᵀ·g for g [O, N].
pub(crate) fn linear_adjoint(weights: &[f64], n_in: usize, batch: usize, g: &[f64]) -> Vec<f64> {
    let n_out = g.len() / batch;
    let element = |at: usize| {
        let (i, n) = (at / batch, at % batch);
        (0..n_out).map(|o| weights[o * n_in + i] * g[o * batch + n]).sum()
    };
    (0..n_in * batch).map(element).collect()
}

/// Rows and columns a pooling window covers.
pub(crate) fn window(spec: &Pool2dSpec, size: [usize; 2], at: [usize; 2]) -> Vec<usize> {
    let covered = |axis: usize, before: usize| {
        let start = (at[axis] * spec.stride[axis]) as isize - before as isize;
        (start..start + spec.kernel[axis] as isize)
            .filter(move |&i| 0 <= i && i < size[axis] as isize)
    };
    covered(0, spec.padding.top)
        .flat_map(|y| covered(1, spec.padding.left).map(move |x| y as usize * size[1] + x as usize))
        .collect()
}
