//! QuickShift against scikit-image.
//!
//! `fixtures/segmentation/goldens.py` made the pictures and label maps compared here. The photos of
//! `HSETS_REAL_DATA` are compared as well where that is set; `HSETS_PYTHON` (default `python3`)
//! must then have scikit-image.

#![cfg(feature = "quickshift")]
#![allow(clippy::unwrap_used)] // in helpers of tests

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use hsets_segmentation::{LabelMap, Photo, QuickShift, SegmentMap, Segmenter, adjusted_rand_index};

const PRESETS: [(&str, QuickShift); 3] = [
    ("scikit_image", QuickShift::scikit_image()),
    ("archipelago", QuickShift::archipelago()),
    ("photo", QuickShift::photo()),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/segmentation")
}

fn read_photo(path: &Path) -> Photo {
    let rgb = image::open(path).unwrap().to_rgb8();
    Photo::new(rgb.width() as usize, rgb.height() as usize, rgb.into_raw()).unwrap()
}

fn labels(path: &Path) -> SegmentMap {
    LabelMap::open(path).unwrap().map().clone()
}

#[test]
fn labels_of_drawn_pictures_are_the_same() {
    let base = QuickShift::scikit_image();
    let variants = [
        (
            "smoothed",
            QuickShift { kernel_size: 2.0, max_dist: 6.0, ratio: 0.5, sigma: 1.3, ..base },
        ),
        (
            "rgb",
            QuickShift {
                kernel_size: 3.0,
                max_dist: 4.0,
                ratio: 20.0,
                convert_to_lab: false,
                ..base
            },
        ),
        ("seed_7", QuickShift { kernel_size: 2.4, max_dist: 8.0, ratio: 0.7, seed: 7, ..base }),
    ];
    for picture in ["textured", "flat"] {
        let photo = read_photo(&fixtures().join(format!("{picture}.png")));
        for (name, settings) in PRESETS.iter().chain(&variants) {
            let theirs = labels(&fixtures().join(format!("{picture}.{name}.png")));
            let ours = settings.segment(&photo).unwrap();
            let agreement = adjusted_rand_index(&ours, &theirs).unwrap();
            println!("{picture}, {name}: {} segments, ARI {agreement}", ours.n_segments());
            assert_eq!(ours, theirs, "{picture}, {name}: ARI {agreement}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_labels() {
    let photo = read_photo(&fixtures().join("textured.png"));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| QuickShift::photo().segment(&photo).unwrap())
    };
    let one = run(1);
    assert!([2, 3, 4].into_iter().all(|threads| run(threads) == one));
}

#[test]
fn labels_of_real_photos_agree() {
    let Some(data) = std::env::var_os("HSETS_REAL_DATA") else {
        return skip("set HSETS_REAL_DATA to compare QuickShift on real photos");
    };
    let python = std::env::var("HSETS_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut installed = Command::new(&python);
    if !installed.args(["-c", "import skimage, PIL"]).status().is_ok_and(|status| status.success())
    {
        return skip(&format!("{python} has no scikit-image; set HSETS_PYTHON to one that has"));
    }
    let folder = tempfile::tempdir().unwrap();
    let names = write_crops(&Path::new(&data).join("images"), folder.path());
    let script = fixtures().join("goldens.py");
    let status = Command::new(&python).arg(script).arg("segment").arg(folder.path()).status();
    assert!(status.unwrap().success());

    for (preset, settings) in PRESETS {
        let mut worst = 1.0f64;
        for name in &names {
            let photo = read_photo(&folder.path().join(format!("{name}.png")));
            let theirs = labels(&folder.path().join(format!("{name}.{preset}.png")));
            let ours = settings.segment(&photo).unwrap();
            worst = worst.min(adjusted_rand_index(&ours, &theirs).unwrap());
        }
        println!("{preset}: {} photos, worst ARI {worst}", names.len());
        assert!(worst >= 0.99, "{preset}: worst ARI {worst}");
    }
}

/// Says so past the test harness, which hides what passing tests print.
fn skip(reason: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED: {reason}").unwrap();
}

/// Writes every twentieth photo as a PNG of 224×224, so that both sides see the same pixels.
fn write_crops(photos: &Path, folder: &Path) -> Vec<String> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(photos).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let write = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let filter = image::imageops::FilterType::Triangle;
        let crop = image::open(path).unwrap().resize_to_fill(224, 224, filter).to_rgb8();
        crop.save(folder.join(format!("{name}.png"))).unwrap();
        name
    };
    paths.iter().step_by(20).map(write).collect()
}
