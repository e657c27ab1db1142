//! Layers of VGG16, ResNet101 and MobileNet, both directions.
//!
//! `RAYON_NUM_THREADS=1 cargo bench -p hsets-kernels`; the throughput column is floating-point operations.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use hsets_kernels::{
    Algorithm, Conv2d, Conv2dSpec, Curve, Linear, Padding, Pool2dSpec, curve_slopes, max_pool2d,
};

/// Runs inside the thread pool, as the kernels' callers should: entering it costs as much as a small
/// layer.
fn main() {
    rayon::scope(|_| divan::main());
}

/// Input and output channels, kernel, stride, groups, height and width.
#[derive(Clone, Copy)]
struct Layer(usize, usize, usize, usize, usize, usize);

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(i, o, k, s, groups, size) = self;
        write!(f, "{k}x{k}/{s} {i}->{o} groups {groups} at {size}")
    }
}

const LAYERS: [Layer; 17] = [
    Layer(256, 64, 1, 1, 1, 56),
    Layer(64, 256, 1, 1, 1, 56),
    Layer(256, 1024, 1, 1, 1, 14),
    Layer(64, 64, 3, 1, 1, 56),
    Layer(256, 256, 3, 1, 1, 14),
    Layer(512, 512, 3, 1, 1, 14),
    Layer(512, 512, 3, 1, 1, 28),
    Layer(64, 64, 3, 1, 1, 224),
    Layer(3, 64, 7, 2, 1, 224),
    Layer(256, 256, 3, 2, 1, 28),
    Layer(96, 96, 3, 1, 96, 112),
    Layer(96, 96, 3, 2, 96, 112),
    Layer(672, 672, 5, 1, 672, 14),
    Layer(960, 960, 3, 1, 960, 7),
    Layer(16, 96, 1, 1, 1, 112),
    Layer(960, 160, 1, 1, 1, 7),
    Layer(160, 960, 1, 1, 1, 7),
];

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect()
}

struct Case {
    conv: Conv2d<f32>,
    in_size: [usize; 2],
    x: Vec<f32>,
    y: Vec<f32>,
    n_operations: ItemsCount,
}

impl Case {
    fn new(Layer(i, o, k, s, groups, size): Layer, algorithm: Algorithm) -> Self {
        let spec = Conv2dSpec {
            in_channels: i,
            out_channels: o,
            groups,
            kernel: [k, k],
            stride: [s, s],
            dilation: [1, 1],
            padding: Padding::all(k / 2),
        };
        let in_size = [size, size];
        let plane: usize = spec.output_size(in_size).map_or(0, |size| size.iter().product());
        let weights = numbers(spec.weight_shape().iter().product());
        let n_operations = ItemsCount::new(2 * weights.len() * plane);
        let conv = Conv2d::with_algorithm(spec, weights, algorithm);
        Self { conv, in_size, x: numbers(i * size * size), y: numbers(o * plane), n_operations }
    }

    fn forward(mut self, bencher: Bencher) {
        bencher.counter(self.n_operations).bench_local(|| {
            self.conv.forward(1, self.in_size, &self.x, None, black_box(&mut self.y));
        });
    }

    fn adjoint(mut self, bencher: Bencher) {
        bencher.counter(self.n_operations).bench_local(|| {
            self.conv.adjoint(1, self.in_size, &self.y, black_box(&mut self.x), false);
        });
    }
}

#[divan::bench(args = LAYERS, max_time = 0.5)]
fn forward(bencher: Bencher, layer: Layer) {
    Case::new(layer, Algorithm::Auto).forward(bencher);
}

#[divan::bench(args = LAYERS, max_time = 0.5)]
fn adjoint(bencher: Bencher, layer: Layer) {
    Case::new(layer, Algorithm::Auto).adjoint(bencher);
}

#[divan::bench(args = LAYERS[3..8].iter().copied(), consts = [0, 2, 4], max_time = 0.5)]
fn winograd<const M: usize>(bencher: Bencher, layer: Layer) {
    let algorithm = match M {
        2 => Algorithm::Winograd2,
        4 => Algorithm::Winograd4,
        _ => Algorithm::Direct,
    };
    Case::new(layer, algorithm).forward(bencher);
}

#[divan::bench(args = [1, 8], max_time = 0.5)]
fn linear_forward(bencher: Bencher, batch: usize) {
    let layer = Linear::new(4096, 4096, numbers(4096 * 4096));
    let (x, mut out) = (numbers(4096 * batch), numbers(4096 * batch));
    bencher.bench_local(|| layer.forward(batch, &x, None, black_box(&mut out)));
}

#[divan::bench(args = [1, 8], max_time = 0.5)]
fn linear_adjoint(bencher: Bencher, batch: usize) {
    let layer = Linear::new(4096, 4096, numbers(4096 * 4096));
    let (x, mut out) = (numbers(4096 * batch), numbers(4096 * batch));
    bencher.bench_local(|| layer.adjoint(batch, &x, black_box(&mut out), false));
}

#[divan::bench(max_time = 0.5)]
fn smoothed_relu_slopes(bencher: Bencher) {
    let z = numbers(64 * 112 * 112);
    let (mut slopes, mut bends) = (z.clone(), z.clone());
    let curve = Curve::SqrtRelu { tau: 1e-3 };
    bencher.bench_local(|| curve_slopes(curve, &z, black_box(&mut slopes), Some(&mut bends)));
}

#[divan::bench(args = [Curve::HardSwish, Curve::Silu, Curve::Gelu, Curve::Softplus { beta: 1.0 }])]
fn curves(bencher: Bencher, curve: Curve) {
    let z = numbers(64 * 112 * 112);
    let (mut slopes, mut bends) = (z.clone(), z.clone());
    bencher.bench_local(|| curve_slopes(curve, &z, black_box(&mut slopes), Some(&mut bends)));
}

#[divan::bench(max_time = 0.5)]
fn max_pool_3x3_stride_2(bencher: Bencher) {
    let spec = Pool2dSpec {
        kernel: [3, 3],
        stride: [2, 2],
        padding: Padding::all(1),
        count_include_pad: true,
    };
    let x = numbers(64 * 112 * 112);
    let (mut out, mut indices) = (vec![0.0; 64 * 56 * 56], vec![0; 64 * 56 * 56]);
    bencher.bench_local(|| max_pool2d(&spec, [112, 112], &x, black_box(&mut out), &mut indices));
}
