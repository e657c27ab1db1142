//! Masks as segments: fallback, cache, and what is reported.

use std::{
    fs,
    path::Path,
    process::{self, Command, Stdio},
};

use hsets_core::{Photo, SegmentMap, Segmenter, Silent};

use super::{
    super::{
        testing::{drawn_photo, network, tiny_config},
        *,
    },
    Counter, settings,
};

struct Halves;

impl Segmenter for Halves {
    fn segment(&self, photo: &Photo) -> hsets_core::Result<SegmentMap> {
        let (width, height) = (photo.width(), photo.height());
        let labels: Vec<u32> =
            (0..width * height).map(|i| u32::from(i % width > width / 2)).collect();
        SegmentMap::new(width, height, &labels)
    }
}

#[test]
fn without_masks_the_fallback_segments() {
    let photo = drawn_photo(40, 40);
    let mut segmenter = SamSegmenter::new(network(tiny_config()), Box::new(Halves));
    segmenter.settings = MaskSettings { pred_iou_thresh: 1e9, ..settings() };
    let result = segmenter.run(&photo, &Silent).unwrap();
    assert!(result.report.partition.fell_back && result.masks.is_empty());
    assert_eq!(
        result.report.partition.notes,
        ["no mask was found: 2 segments of the fallback segmenter instead"]
    );
    assert_eq!(result.segments, Halves.segment(&photo).unwrap());
    segmenter.settings = settings();
    let result = segmenter.run(&photo, &Silent).unwrap();
    assert!(!result.report.partition.fell_back && result.segments.n_segments() > 1);
    assert_eq!(segmenter.segment(&photo).unwrap(), result.segments);
    let segmentation = segmenter.segment_with(&photo, &Silent).unwrap();
    assert_eq!(segmentation.segments, result.segments);
    assert_eq!(segmentation.masks, Some(result.report));
}

/// A segmenter that keeps its masks.
fn cached(folder: &Path) -> SamSegmenter {
    let mut segmenter = SamSegmenter::new(network(tiny_config()), Box::new(Halves));
    segmenter.settings = settings();
    segmenter.cache = Some(MaskCache::new(folder).unwrap());
    segmenter
}

#[test]
fn found_masks_are_cached() {
    let folder = tempfile::tempdir().unwrap();
    let mut segmenter = cached(&folder.path().join("new"));
    let photo = drawn_photo(40, 40);
    let decoded = |segmenter: &SamSegmenter| {
        let progress = Counter::default();
        let found = segmenter.run(&photo, &progress).unwrap();
        (found, progress.done.into_inner())
    };
    let (first, n_points) = decoded(&segmenter);
    assert_eq!(n_points, 16);
    assert_eq!(decoded(&segmenter), (first.clone(), 0), "the second run decodes nothing");
    segmenter.uncovered = Uncovered::NearestMask;
    let (filled, n_points) = decoded(&segmenter);
    assert_eq!((filled.masks, n_points), (first.masks, 0), "masks do not depend on what follows");
    segmenter.settings.points_per_side = 3;
    assert_eq!(decoded(&segmenter).1, 9);
}

#[test]
fn damaged_cache_entries_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let segmenter = cached(folder.path());
    let photo = drawn_photo(40, 40);
    let first = segmenter.run(&photo, &Silent).unwrap();
    let entries: Vec<_> = fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    let whole = fs::read(entry.path()).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"[{}]", b"\xff\xfe"] {
        fs::write(entry.path(), damaged).unwrap();
        let progress = Counter::default();
        assert_eq!(segmenter.run(&photo, &progress).unwrap(), first);
        assert_eq!(progress.done.into_inner(), 16, "found again");
        assert_eq!(fs::read(entry.path()).unwrap(), whole, "kept again");
    }
}

/// Two processes find masks of the same photos into one folder; both see the same, and nothing but
/// whole entries is left. The processes are this test again, told the folder by a variable.
#[test]
fn two_processes_share_a_cache() {
    const FOLDER: &str = "HSETS_TEST_MASK_CACHE";
    let photos = [(40, 40), (30, 41), (40, 40), (25, 33)].map(|(w, h)| drawn_photo(w, h));
    let all = |folder: &Path| {
        let segmenter = cached(folder);
        let masks = photos.each_ref().map(|photo| segmenter.run(photo, &Silent).unwrap().masks);
        format!("{masks:?}")
    };
    if let Some(folder) = std::env::var_os(FOLDER) {
        fs::write(
            Path::new(&folder).join(format!("{}.answer", process::id())),
            all(folder.as_ref()),
        )
        .unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["two_processes_share_a_cache", "--test-threads", "1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    for mut child in [start(), start()] {
        assert!(child.wait().unwrap().success());
    }
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let (answers, entries): (Vec<_>, Vec<_>) =
        names.partition(|path| path.extension().is_some_and(|extension| extension == "answer"));
    assert_eq!((answers.len(), entries.len()), (2, 3), "{entries:?}");
    let alone = tempfile::tempdir().unwrap();
    let expected = all(alone.path());
    for answer in answers {
        assert!(fs::read_to_string(answer).unwrap() == expected);
    }
}
