//! Masks are kept whole or not at all, whenever the processes that write them are killed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    env,
    ffi::OsStr,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use hsets_pipeline::{
    core::Photo,
    segmentation::sam::{FoundMask, Mask, MaskCache},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Names the folder in which this program, started again by the test, keeps masks until it is killed.
const FOLDER: &str = "HSETS_TEST_MASKS";
const SIDE: usize = 64;
const N_PHOTOS: usize = 8;

fn masks(photo: usize) -> Vec<FoundMask> {
    let mask = |at: usize| {
        let mask = Mask::from_fn(SIDE, SIDE, |i| (i * (at + 3) + photo) % 7 < 3);
        let bounds = mask.bounds();
        let (point, crop) = ((at as f64, 0.5), bounds);
        FoundMask { mask, bounds, predicted_iou: 0.9, stability_score: 0.95, point, crop }
    };
    (0..20).map(mask).collect()
}

fn keep(folder: &OsStr) -> ! {
    let cache = MaskCache::new(folder).unwrap();
    for photo in (0..N_PHOTOS).cycle() {
        cache.store(&photo.to_string(), &masks(photo)).unwrap();
    }
    unreachable!("it is killed")
}

fn start(folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed_writers_leave_whole_masks"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Two processes at once; `HSETS_KILLS=1000` kills more often than the usual 40 times, and
/// `HSETS_KILL_SEED` at other moments.
#[test]
fn killed_writers_leave_whole_masks() {
    if let Some(folder) = env::var_os(FOLDER) {
        keep(&folder);
    }
    let number = |name, usually| env::var(name).map_or(usually, |text| text.parse().unwrap());
    let (n_kills, seed) = (number("HSETS_KILLS", 40), number("HSETS_KILL_SEED", 1));
    println!("{n_kills} kills at moments of seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let photo = Photo::new(SIDE, SIDE, vec![0; 3 * SIDE * SIDE]).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut is_kept = [false; N_PHOTOS];
    for _ in 0..n_kills.div_ceil(2) {
        let children = [start(folder.path()), start(folder.path())];
        for mut child in children {
            sleep(Duration::from_micros(u64::from(rng.next_u32() % 60_000)));
            child.kill().unwrap();
            assert!(child.wait().unwrap().code().is_none(), "it ended before it was killed");
        }
        let cache = MaskCache::new(folder.path()).unwrap();
        for (at, is_kept) in is_kept.iter_mut().enumerate() {
            let found = cache.load(&at.to_string(), &photo);
            assert!(found.is_some() || !*is_kept, "the masks of {at} are lost");
            assert!(found.as_ref().is_none_or(|found| *found == masks(at)), "{at} has others");
            *is_kept |= found.is_some();
        }
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let leftovers = names.filter(|name| name.to_string_lossy().starts_with('.'));
        assert_eq!(leftovers.count(), 0, "what was begun is removed");
    }
    assert_eq!(is_kept, [true; N_PHOTOS], "no process came as far as its last photo");
    println!("{} kills, and every list of masks whole", 2 * n_kills.div_ceil(2));
}
