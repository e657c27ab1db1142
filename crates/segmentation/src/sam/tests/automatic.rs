//! The mask generator: progress, odd photos, bad settings.

use hsets_core::{Error, Silent};

use super::{
    super::{
        testing::{drawn_photo, network, tiny_config},
        *,
    },
    Counter, settings,
};

#[test]
fn progress_counts_points_and_cancels() {
    let (sam, photo) = (network(tiny_config()), drawn_photo(50, 30));
    let progress = Counter::default();
    let all = find_masks(&sam, &photo, &settings(), &progress).unwrap();
    assert_eq!(progress.total.into_inner(), 16);
    assert_eq!(progress.done.into_inner(), 16);
    assert!(!all.is_empty());
    let progress = Counter { limit: Some(6), ..Counter::default() };
    let cancelled = find_masks(&sam, &photo, &settings(), &progress);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    // Points that were begun before are finished.
    assert!((6..16).contains(&progress.done.into_inner()));
    let progress = Counter { limit: Some(0), ..Counter::default() };
    assert!(matches!(find_masks(&sam, &photo, &settings(), &progress), Err(Error::Cancelled)));
}

/// Explicit points equal to the grid's give the grid's masks.
#[test]
fn explicit_points_replace_the_grid() {
    let (sam, photo) = (network(tiny_config()), drawn_photo(50, 30));
    let places = [0.125, 0.375, 0.625, 0.875];
    let grid = places.iter().flat_map(|&y| places.iter().map(move |&x| (x, y))).collect();
    let explicit = MaskSettings { point_grids: Some(vec![grid]), ..settings() };
    let masks = |settings| find_masks(&sam, &photo, &settings, &Silent).unwrap();
    assert_eq!(masks(explicit), masks(settings()));
}

#[test]
fn odd_photos_have_masks_of_their_size() {
    let sam = network(tiny_config());
    for (width, height) in [(1, 40), (40, 1), (1, 1), (700, 3), (1, 2000), (300, 200)] {
        let photo = drawn_photo(width, height);
        let crops = MaskSettings { crop_n_layers: 1, min_mask_region_area: 3, ..settings() };
        for found in find_masks(&sam, &photo, &crops, &Silent).unwrap() {
            assert_eq!((found.mask.width(), found.mask.height()), (width, height));
        }
    }
}

#[test]
fn bad_prompts_and_settings_are_refused() {
    let (sam, photo) = (network(tiny_config()), drawn_photo(50, 30));
    let embedding = sam.embed(&photo, &Silent).unwrap();
    let outside = sam.predict(&embedding, &Prompt::point(20.0, 31.0), true).unwrap_err();
    assert_eq!(outside.to_string(), "prompt = (20, 31): a place within the photo, 50x30 pixels");
    let nan = Prompt::bounds([0.0, 0.0, f64::NAN, 3.0]);
    assert!(matches!(sam.predict(&embedding, &nan, false), Err(Error::Config { .. })));
    let small = Prompt { mask: Some(vec![0.0; 16]), ..Prompt::default() };
    assert!(matches!(sam.predict(&embedding, &small, false), Err(Error::Shape { .. })));
    let original = MaskSettings::original;
    let bad = [
        MaskSettings { points_per_side: 0, ..original() },
        MaskSettings { points_per_batch: 0, ..original() },
        MaskSettings { box_nms_thresh: f32::NAN, ..original() },
        MaskSettings { stability_score_thresh: f32::NAN, ..original() },
        MaskSettings { crop_n_layers: 99, ..original() },
        MaskSettings { crop_n_layers: 2, crop_n_points_downscale_factor: 8, ..original() },
        MaskSettings { point_grids: Some(vec![vec![(0.5, 1.5)]]), ..original() },
    ];
    for settings in bad {
        assert!(matches!(settings.check(), Err(Error::Config { .. })), "{settings:?}");
    }
}
