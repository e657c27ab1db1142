//! Growing five sets over 3×224×224 features, the rows themselves free: what is left is ranking the
//! entries of each row and following the strongest.

use divan::{Bencher, black_box};
use hsets_core::{Curvature, Result, SaliencyMap, SegmentMap, Shape, Silent};
use hsets_detection::{HessianSets, detect_at};

const SHAPE: Shape = Shape::new(3, 224, 224);
const SIDE: usize = 224;

/// Rows that are strong around their feature and fall off with distance, as those of a network do:
/// one of them, moved.
struct Bells {
    gradient: Vec<f32>,
    bell: Vec<f32>,
}

impl Curvature for Bells {
    fn logits(&self) -> &[f32] {
        &[0.0]
    }
    fn gradient(&self) -> &[f32] {
        &self.gradient
    }
    fn products(&self, directions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        Ok(directions.to_vec())
    }
    fn rows(&self, features: &[usize]) -> Result<Vec<Vec<f32>>> {
        Ok(features.iter().map(|&feature| moved(&self.bell, feature)).collect())
    }
}

fn moved(bell: &[f32], feature: usize) -> Vec<f32> {
    let (head, tail) = bell.split_at(bell.len() - feature);
    [tail, head].concat()
}

/// The row of feature 0, to be moved round a ring.
fn bell() -> Vec<f32> {
    let from_zero = |i: usize, period: usize| (i % period).min(period - i % period) as f32;
    let entry = |i: usize| {
        let (y, x) = (from_zero(i / SIDE, SIDE), from_zero(i, SIDE));
        let ripple = 1.0 + (i * 7919 % 1009) as f32 / 1009.0;
        ripple / (1.0 + y * y + x * x)
    };
    (0..SHAPE.len()).map(entry).collect()
}

/// Squares of 32 pixels.
fn squares() -> SegmentMap {
    let label = |pixel: usize| (pixel / SIDE / 32 * 7 + pixel % SIDE / 32) as u32;
    let labels: Vec<u32> = (0..SIDE * SIDE).map(label).collect();
    SegmentMap::new(SIDE, SIDE, &labels).expect("a label for each pixel")
}

fn ranking() -> SaliencyMap {
    let values = (0..SHAPE.len()).map(|i| (i * 7919 % 100_003) as f32).collect();
    SaliencyMap::new(SHAPE, values).expect("finite values")
}

fn bench(bencher: Bencher, settings: &HessianSets) {
    let (segments, ranking) = (squares(), ranking());
    let curvature = Bells { gradient: vec![0.0; SHAPE.len()], bell: bell() };
    bencher.bench(|| detect_at(black_box(&curvature), &segments, &ranking, settings, &Silent));
}

#[divan::bench]
fn paper(bencher: Bencher) {
    bench(bencher, &HessianSets::paper());
}

#[divan::bench]
fn reference(bencher: Bencher) {
    bench(bencher, &HessianSets::reference());
}

/// The rows alone, to be taken off the others.
#[divan::bench]
fn eight_rows(bencher: Bencher) {
    let bell = bell();
    bencher.bench(|| (0..8).map(|i| moved(&bell, black_box(10_007 * i))).collect::<Vec<_>>());
}

fn main() {
    divan::main();
}
