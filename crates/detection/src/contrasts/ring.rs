//! The ring reference: every segment shows the mean of what surrounds it.

use hsets_core::{Error, Image, Result, SegmentMap};

/// `image` with every segment filled by the mean colour of the ring around it, √side / 4 pixels
/// wide: 2 at 64, 4 at 224. Without a segment a picture looks as if it had never been there, as far
/// as one colour can. A segment without surroundings gets the mean of the picture.
pub fn ring(image: &Image, segments: &SegmentMap) -> Result<Image> {
    let shape = image.shape();
    if (segments.width(), segments.height()) != (shape.width, shape.height) {
        let found = format!("{}x{}", segments.width(), segments.height());
        return Err(Error::shape("segments", format!("{}x{}", shape.width, shape.height), found));
    }
    let side = shape.height.min(shape.width) as f64;
    let reach = (side.sqrt() / 4.0).round().max(1.0) as usize;
    let n = segments.n_segments();
    let mut sums = vec![0.0; n * shape.channels];
    let mut counts = vec![0usize; n];
    let planes: Vec<&[f32]> = image.data().chunks_exact(shape.n_pixels()).collect();
    let mut around = Vec::new();
    for pixel in 0..shape.n_pixels() {
        let (y, x) = (pixel / shape.width, pixel % shape.width);
        // The other segments whose ring this pixel is part of.
        around.clear();
        for row in y.saturating_sub(reach)..(y + reach + 1).min(shape.height) {
            let line = &segments.labels()[row * shape.width..][..shape.width];
            around.extend_from_slice(
                &line[x.saturating_sub(reach)..(x + reach + 1).min(shape.width)],
            );
        }
        around.sort_unstable();
        around.dedup();
        for &label in around.iter().filter(|&&label| label != segments.label(pixel)) {
            let label = label as usize;
            counts[label] += 1;
            for (channel, plane) in planes.iter().enumerate() {
                sums[label * shape.channels + channel] += f64::from(plane[pixel]);
            }
        }
    }
    let n_pixels = shape.n_pixels();
    let mean = |plane: &&[f32]| plane.iter().map(|&v| f64::from(v)).sum::<f64>() / n_pixels as f64;
    let means: Vec<f64> = planes.iter().map(mean).collect();
    let value = |feature: usize| {
        let (channel, label) = (feature / n_pixels, segments.label(feature % n_pixels) as usize);
        match counts[label] {
            0 => means[channel] as f32,
            count => (sums[label * shape.channels + channel] / count as f64) as f32,
        }
    };
    Image::new(shape, (0..shape.len()).map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    #[test]
    fn a_segment_shows_what_surrounds_it() {
        let shape = Shape::new(1, 5, 5);
        let mut data = vec![1.0; 25];
        (data[12], data[24]) = (9.0, 5.0);
        let mut labels = vec![0; 25];
        labels[12] = 1;
        let image = Image::new(shape, data).unwrap();
        let segments = SegmentMap::new(5, 5, &labels).unwrap();
        let filled = ring(&image, &segments).unwrap();
        // One pixel wide: the eight neighbours of the centre; for the rest, the centre.
        assert_eq!(filled.data()[12], 1.0);
        assert_eq!(filled.data()[0], 9.0);
        let whole = ring(&image, &SegmentMap::whole(5, 5).unwrap()).unwrap();
        assert!(whole.data().iter().all(|&v| (v - 37.0 / 25.0).abs() < 1e-6));
    }
}
