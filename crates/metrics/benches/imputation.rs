//! ROAD imputation of one 224×224 picture at 50 percentages, by the shape of the map.
//!
//! `fixtures/metrics/compare_speed.py` times quantus 0.5.3 on the same pictures.

use divan::{Bencher, black_box};
use hsets_core::{Image, Shape};
use hsets_metrics::impute;
use rayon::prelude::*;

const SHAPE: Shape = Shape::new(3, 224, 224);

fn main() {
    divan::main();
}

/// Numbers in [0, 1) that look random; any will do.
fn hash(i: usize) -> f32 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1u64 << 24) as f32
}

fn picture() -> Image {
    Image::new(SHAPE, (0..SHAPE.len()).map(hash).collect()).expect("a finite picture")
}

/// Removal orders: scattered pixels, or one growing disc.
fn order(scattered: bool) -> Vec<usize> {
    let key = |pixel: usize| {
        let (y, x) = ((pixel / SHAPE.width) as f32, (pixel % SHAPE.width) as f32);
        if scattered { hash(pixel) } else { (y - 100.0).hypot(x - 90.0) }
    };
    let mut order: Vec<usize> = (0..SHAPE.n_pixels()).collect();
    order.sort_by(|&i, &j| key(i).total_cmp(&key(j)));
    order
}

fn n_removed() -> Vec<usize> {
    (1..100).step_by(2).map(|percentage| SHAPE.n_pixels() * percentage / 100).collect()
}

#[divan::bench(args = [true, false], sample_count = 3, sample_size = 1)]
fn one_thread(bencher: Bencher, scattered: bool) {
    let (picture, order) = (picture(), order(scattered));
    bencher.bench(|| {
        for n in n_removed() {
            black_box(impute(&picture, &order[..n]).expect("an imputed picture"));
        }
    });
}

#[divan::bench(args = [true, false], sample_count = 3, sample_size = 1)]
fn all_threads(bencher: Bencher, scattered: bool) {
    let (picture, order) = (picture(), order(scattered));
    bencher.bench(|| {
        let imputed = |n: usize| impute(&picture, &order[..n]).expect("an imputed picture");
        black_box(n_removed().into_par_iter().map(imputed).collect::<Vec<_>>())
    });
}
