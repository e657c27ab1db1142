//! The prior touches neither gradients nor scores: what made a label map does not matter.
#![cfg(feature = "quickshift")]

use hsets_pipeline::{
    Explanation, Settings, Subject,
    attribution::Normalisation,
    core::{Image, Photo, SegmentMap, Segmenter, Shape, Silent, analytic::Polynomial},
    explain,
    segmentation::{LabelMap, QuickShift},
};

const SIDE: usize = 12;
const SHAPE: Shape = Shape::new(3, SIDE, SIDE);

/// Four patches of different colours, each with a gradient.
fn photo() -> Photo {
    let color = |pixel: usize| {
        let (y, x) = (pixel / SIDE, pixel % SIDE);
        let base = [[200, 30, 30], [30, 180, 40], [40, 60, 220], [230, 220, 60]];
        base[2 * (y / 6) + x / 6].map(|value: u8| value + (x % 6 + y % 6) as u8)
    };
    Photo::new(SIDE, SIDE, (0..SIDE * SIDE).flat_map(color).collect()).unwrap()
}

/// Products of two and three features near and far, with slopes that differ.
fn field() -> Polynomial {
    let pixel = |y: usize, x: usize| y * SIDE + x;
    let mut terms = Vec::new();
    for i in 0..SIDE - 1 {
        let weight = 1.0 + 0.37 * i as f64;
        terms.push((weight, vec![pixel(i, i), pixel(i + 1, i)]));
        terms.push((0.5 * weight, vec![pixel(i, SIDE - 1 - i), pixel(3, i), pixel(i, 7)]));
    }
    Polynomial::new(SHAPE, vec![terms, vec![(1.0, vec![5])]])
}

fn run(segmenter: &dyn Segmenter) -> Explanation {
    let data = (0..SHAPE.len()).map(|i| 0.3 + (i * 7919 % 101) as f32 / 101.0).collect();
    let image = Image::new(SHAPE, data).unwrap();
    let (photo, normalisation) = (photo(), Normalisation::identity(3));
    let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
    explain(&field(), &subject, segmenter, &Settings::paper(), &Silent).unwrap()
}

/// Everything but the names of the segments.
fn assert_same(found: &Explanation, expected: &Explanation) {
    assert_eq!((&found.logits, &found.target), (&expected.logits, &expected.target));
    assert_eq!(found.map, expected.map);
    assert_eq!(found.measures, expected.measures);
    assert_eq!(found.cost.alone, expected.cost.alone);
    assert_eq!(found.sets.len(), expected.sets.len());
    for (found, expected) in found.sets.iter().zip(&expected.sets) {
        let mut found = found.clone();
        if let (Some(found), Some(expected)) = (&mut found.grown, &expected.grown) {
            found.segment = expected.segment;
        }
        assert_eq!(&found, expected);
    }
}

fn quickshift() -> QuickShift {
    QuickShift { kernel_size: 1.0, max_dist: 8.0, ..QuickShift::photo() }
}

/// Segments as a picture that a user might bring.
fn through_a_file(segments: &SegmentMap) -> LabelMap {
    let labels = segments.labels().iter().map(|&label| label as u8).collect();
    let picture = image::GrayImage::from_raw(SIDE as u32, SIDE as u32, labels).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.png");
    picture.save(&path).unwrap();
    LabelMap::open(&path).unwrap()
}

#[test]
fn a_label_map_file_gives_what_its_segmenter_gave() {
    let expected = run(&quickshift());
    let n_segments = expected.segments.n_segments();
    assert!((3..40).contains(&n_segments), "{n_segments} segments");
    assert!(expected.sets.len() >= 3 && expected.sets[0].score > 0.0);
    let brought = run(&through_a_file(&expected.segments));
    assert_eq!(brought.segments, expected.segments);
    assert_same(&brought, &expected);
    // Another map gives other sets, so that the comparison can fail.
    let halves: Vec<u32> = (0..SIDE * SIDE).map(|pixel| (pixel % SIDE / 6) as u32).collect();
    let halves = run(&LabelMap::new(SegmentMap::new(SIDE, SIDE, &halves).unwrap()));
    assert_ne!(halves.map, expected.map);
}

/// Masks that partition the photo as QuickShift does, in an order of their own.
#[cfg(feature = "sam")]
#[test]
fn masks_give_what_the_same_segments_give() {
    use hsets_pipeline::{
        core::{MaskReport, Progress, Result, Segmentation},
        segmentation::sam::{Mask, Uncovered, partition},
    };

    struct Masks(Vec<Mask>);

    impl Segmenter for Masks {
        fn segment(&self, photo: &Photo) -> Result<SegmentMap> {
            self.segment_with(photo, &Silent).map(|found| found.segments)
        }

        fn segment_with(&self, photo: &Photo, _: &dyn Progress) -> Result<Segmentation> {
            let masks: Vec<&Mask> = self.0.iter().collect();
            let size = (photo.width(), photo.height());
            let (segments, partition) = partition(&masks, size, Uncovered::OwnLabel)?;
            let (network, weights_sha256) = ("stub".into(), String::new());
            let masks = Some(MaskReport { network, weights_sha256, partition });
            Ok(Segmentation { segments, masks })
        }
    }

    let expected = run(&quickshift());
    let labels = expected.segments.labels();
    let mask = |label: u32| Mask::from_fn(SIDE, SIDE, |pixel| labels[pixel] == label);
    let masks = Masks((0..expected.segments.n_segments() as u32).rev().map(mask).collect());
    let found = run(&masks);
    assert_ne!(found.segments, expected.segments, "other numbers");
    assert_same(&found, &expected);
    let report = found.masks.unwrap();
    assert!((report.partition.coverage - 1.0).abs() < 1e-12 && report.partition.overlap == 0.0);
    assert!(expected.masks.is_none());
}

/// Segment Anything as a whole, network and mask generator: what it hands on is a label map, and that
/// map from a file gives the same.
#[cfg(feature = "sam")]
#[test]
fn segment_anything_gives_what_its_label_map_gives() {
    let mut sam = segment_anything();
    let found = run(&sam);
    let report = found.masks.as_ref().unwrap();
    assert!(report.partition.n_masks >= 3 && !report.partition.fell_back, "{report:?}");
    assert!(found.segments.n_segments() >= 3 && found.sets.len() >= 3);
    assert!(found.sets[0].score > 0.0);
    let brought = run(&through_a_file(&found.segments));
    assert_eq!(brought.segments, found.segments);
    assert_same(&brought, &found);
    let shifted = run(&quickshift());
    assert_ne!(shifted.segments, found.segments);
    assert_ne!(shifted.map, found.map, "the comparison can fail");
    // Without masks it is QuickShift, wherever that was called from.
    sam.settings.pred_iou_thresh = 1e9;
    let fell_back = run(&sam);
    assert!(fell_back.masks.as_ref().unwrap().partition.fell_back);
    assert_eq!(fell_back.segments, shifted.segments);
    assert_same(&fell_back, &shifted);
}

/// A tiny network with random weights, and thresholds that leave it masks.
#[cfg(feature = "sam")]
fn segment_anything() -> hsets_pipeline::segmentation::sam::SamSegmenter {
    use hsets_pipeline::segmentation::sam::{
        MaskSettings, SamSegmenter,
        testing::{network, tiny_config},
    };
    let mut sam = SamSegmenter::new(network(tiny_config()), Box::new(quickshift()));
    sam.settings = MaskSettings {
        points_per_side: 4,
        pred_iou_thresh: -9.0,
        stability_score_thresh: 0.0,
        ..MaskSettings::original()
    };
    sam
}
