//! Images and maps made of whole segments.

use hsets_core::{Error, Image, Result, SaliencyMap, Scored, SegmentMap, Shape, Target};

/// A map that gives every segment its score, the same to all its pixels.
///
/// The score is split evenly among the channels, so that the sum over channels is the score.
pub fn segment_map(shape: Shape, segments: &SegmentMap, scores: &[f64]) -> Result<SaliencyMap> {
    check_segments(shape, segments)?;
    if scores.len() != segments.n_segments() {
        return Err(Error::shape("scores", segments.n_segments(), scores.len()));
    }
    let value = |feature| scores[segments.label(shape.pixel(feature)) as usize];
    let share = |feature| (value(feature) / shape.channels as f64) as f32;
    SaliencyMap::new(shape, (0..shape.len()).map(share).collect())
}

pub(super) fn check_segments(shape: Shape, segments: &SegmentMap) -> Result<()> {
    if (segments.height(), segments.width()) != (shape.height, shape.width) {
        let found = format!("{}x{}", segments.width(), segments.height());
        return Err(Error::shape("segments", format!("{}x{}", shape.width, shape.height), found));
    }
    Ok(())
}

/// `context` with the segments of `inserted` taken from `image`.
pub(super) fn composed(
    context: &Image,
    image: &Image,
    segments: &SegmentMap,
    inserted: impl IntoIterator<Item = u32>,
) -> Result<Image> {
    let shape = image.shape();
    let mut is_inserted = vec![false; segments.n_segments()];
    for label in inserted {
        is_inserted[label as usize] = true;
    }
    let mut data = context.data().to_vec();
    let planes = data.chunks_exact_mut(shape.n_pixels());
    for (plane, source) in planes.zip(image.data().chunks_exact(shape.n_pixels())) {
        for ((value, &x), &label) in plane.iter_mut().zip(source).zip(segments.labels()) {
            if is_inserted[label as usize] {
                *value = x;
            }
        }
    }
    Image::new(shape, data)
}

/// Values of `target` at images made one batch at a time.
pub(super) fn values(
    field: &dyn Scored,
    images: impl Iterator<Item = Result<Image>>,
    target: &Target,
    batch: usize,
) -> Result<Vec<f64>> {
    let mut values = Vec::new();
    for_batches(field, images, batch, |logits| values.push(target.value(&logits)))?;
    Ok(values)
}

/// Hands the logits of every image to `each`, in order.
pub(super) fn for_batches(
    field: &dyn Scored,
    mut images: impl Iterator<Item = Result<Image>>,
    batch: usize,
    mut each: impl FnMut(Vec<f64>),
) -> Result<()> {
    if batch == 0 {
        return Err(Error::config("batch", 0, "at least 1"));
    }
    loop {
        let images: Vec<Image> = images.by_ref().take(batch).collect::<Result<_>>()?;
        if images.is_empty() {
            return Ok(());
        }
        for logits in field.logits(&images)? {
            each(logits.into_iter().map(f64::from).collect());
        }
    }
}
