//! QuickShift at the size of a classifier's input.

use divan::{Bencher, black_box};
use hsets_segmentation::{Photo, QuickShift, Segmenter};

fn main() {
    divan::main();
}

/// A square of waves, blocks and grain.
fn picture(side: usize) -> Photo {
    let byte = |at: usize| {
        let (pixel, channel) = (at / 3, at % 3);
        let (y, x) = (pixel / side, pixel % side);
        let wave = 60.0 * (x as f64 / 17.0 + channel as f64).sin() * (y as f64 / 23.0).cos();
        let block = 40 * ((x / 37 + y / 29) % 3);
        let grain = (pixel * 7919 + channel * 104_729) % 17;
        (80.0 + wave + (block + grain) as f64) as u8
    };
    Photo::new(side, side, (0..3 * side * side).map(byte).collect()).expect("the size is right")
}

#[divan::bench(args = [224, 448])]
fn photo(bencher: Bencher, side: usize) {
    let picture = picture(side);
    bencher.bench(|| QuickShift::photo().segment(black_box(&picture)));
}

#[divan::bench(args = [224])]
fn archipelago(bencher: Bencher, side: usize) {
    let picture = picture(side);
    bencher.bench(|| QuickShift::archipelago().segment(black_box(&picture)));
}

#[divan::bench(args = [224])]
fn scikit_image(bencher: Bencher, side: usize) {
    let picture = picture(side);
    bencher.bench(|| QuickShift::scikit_image().segment(black_box(&picture)));
}
