//! Segments that the user drew.

use std::path::Path;

use hsets_core::{Error, Photo, Result, SegmentMap, Segmenter};
use image::{DynamicImage, ImageFormat, ImageReader};

/// A segmentation made elsewhere, given to every photo of the same aspect ratio.
///
/// Read from a PNG of any kind: 8- or 16-bit grey values, palette entries and RGB(A) colours; each
/// distinct value is one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap(SegmentMap);

/// Above this many pixels a map whose segments have fewer than [`MIN_MEAN_AREA`] pixels on average
/// is taken for a photo given by mistake.
const MISTAKEN_ABOVE: usize = 4096;
const MIN_MEAN_AREA: usize = 4;

impl LabelMap {
    /// Uses these segments.
    pub fn new(map: SegmentMap) -> Self {
        Self(map)
    }

    /// Reads a PNG. Fails with [`Error::Config`] of the setting `segmenter` if that is impossible,
    /// or if the file holds a photo rather than labels.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refused = |why: String| Error::config("segmenter", path.display(), why);
        let picture = ImageReader::open(path)
            .map_err(image::ImageError::from)
            .and_then(|mut reader| {
                reader.set_format(ImageFormat::Png);
                reader.decode()
            })
            .map_err(|error| refused(format!("expected a PNG of labels ({error})")))?;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let map = SegmentMap::new(width, height, &labels(&picture))?;
        let n_pixels = width * height;
        if n_pixels > MISTAKEN_ABOVE && map.n_segments() * MIN_MEAN_AREA > n_pixels {
            return Err(refused(format!(
                "expected one grey value or colour per segment, found {} of them on {n_pixels} \
                 pixels; is this a photo?",
                map.n_segments()
            )));
        }
        Ok(Self(map))
    }

    /// The segments at their own size.
    pub fn map(&self) -> &SegmentMap {
        &self.0
    }
}

/// One label per pixel, numbered in ascending order of the grey value or colour.
fn labels(picture: &DynamicImage) -> Vec<u32> {
    match picture {
        DynamicImage::ImageLuma8(grey) => grey.as_raw().iter().map(|&v| v.into()).collect(),
        DynamicImage::ImageLuma16(grey) => grey.as_raw().iter().map(|&v| v.into()).collect(),
        other => {
            let colour = |pixel: &image::Rgba<u16>| {
                pixel.0.iter().fold(0, |packed, &v| packed << 16 | u64::from(v))
            };
            let colours: Vec<u64> = other.to_rgba16().pixels().map(colour).collect();
            let mut used = colours.clone();
            used.sort_unstable();
            used.dedup();
            colours.iter().map(|c| used.partition_point(|other| other < c) as u32).collect()
        }
    }
}

impl Segmenter for LabelMap {
    /// The map as it is, or resized by nearest neighbour if the photo has another size but the same
    /// aspect ratio (to the pixel).
    fn segment(&self, photo: &Photo) -> Result<SegmentMap> {
        let (width, height) = (photo.width(), photo.height());
        if (width, height) == (self.0.width(), self.0.height()) {
            return Ok(self.0.clone());
        }
        // Height that the photo would have with the map's aspect ratio.
        let fitting = (width * self.0.height()) as f64 / self.0.width() as f64;
        if (fitting - height as f64).abs() > 1.0 {
            return Err(Error::shape(
                "label map",
                format!("the aspect ratio of the {width}x{height} photo"),
                format!("{}x{}; crop it as the photo is cropped", self.0.width(), self.0.height()),
            ));
        }
        self.0.resized(width, height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageBuffer, Luma, RgbImage};

    fn open(picture: impl Into<DynamicImage>) -> Result<LabelMap> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.png");
        picture.into().save(&path).unwrap();
        LabelMap::open(&path)
    }

    fn labels_of(picture: impl Into<DynamicImage>) -> Vec<u32> {
        open(picture).unwrap().map().labels().to_vec()
    }

    #[test]
    fn grey_and_colour_values_are_labels() {
        let grey = GrayImage::from_raw(3, 1, vec![200, 7, 200]).unwrap();
        assert_eq!(labels_of(grey), [1, 0, 1]);
        let deep = ImageBuffer::<Luma<u16>, _>::from_raw(3, 1, vec![256, 257, 65535]).unwrap();
        assert_eq!(labels_of(deep), [0, 1, 2]);
        let rgb = RgbImage::from_raw(3, 1, vec![9, 0, 1, 9, 0, 0, 9, 0, 1]).unwrap();
        assert_eq!(labels_of(rgb), [1, 0, 1]);
    }

    #[test]
    fn palette_entries_are_labels() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/segmentation/palette.png");
        let map = LabelMap::open(path).unwrap();
        assert_eq!(map.map().labels(), [0, 0, 2, 2, 0, 1, 1, 2]);
    }

    #[test]
    fn is_resized_to_a_photo_of_its_aspect_ratio_only() {
        let map = LabelMap::new(SegmentMap::new(2, 1, &[0, 1]).unwrap());
        let photo = |width, height| Photo::new(width, height, vec![0; 3 * width * height]).unwrap();
        assert_eq!(map.segment(&photo(2, 1)).unwrap(), *map.map());
        assert_eq!(map.segment(&photo(4, 2)).unwrap().labels(), [0, 0, 1, 1, 0, 0, 1, 1]);
        let error = map.segment(&photo(10, 10)).unwrap_err().to_string();
        assert!(error.contains("10x10 photo") && error.contains("found 2x1"), "{error}");
    }

    #[test]
    fn what_holds_no_labels_is_refused() {
        let missing = LabelMap::open("no/such/labels.png").unwrap_err().to_string();
        assert!(missing.starts_with("segmenter = no/such/labels.png: expected a PNG"), "{missing}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.png");
        std::fs::write(&path, "not a picture").unwrap();
        let text = LabelMap::open(&path).unwrap_err().to_string();
        assert!(text.contains("expected a PNG of labels"), "{text}");

        let gradient = |x: u32, y: u32| image::Rgb([x as u8, y as u8, (x ^ y) as u8]);
        let photo = RgbImage::from_fn(128, 128, gradient);
        let error = open(photo).unwrap_err().to_string();
        assert!(error.contains("16384 of them") && error.contains("is this a photo?"), "{error}");
    }
}
