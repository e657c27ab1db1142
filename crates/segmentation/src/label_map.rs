//! Segments that the user drew.

use std::{borrow::Cow, collections::BTreeMap, io::Cursor, path::Path};

use hsets_core::{Error, Photo, Result, SegmentMap, Segmenter};
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

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
/// A map is held as colours, as labels and as segments at once: 1.5 GiB for the largest photo.
const MAX_PIXELS: u64 = 64 << 20;

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
        let is_file = path.metadata().map(|metadata| metadata.is_file());
        if let Ok(false) = is_file {
            return Err(refused("expected a PNG of labels (this is no file)".into()));
        }
        let bytes = std::fs::read(path)
            .map_err(|error| refused(format!("expected a PNG of labels ({error})")))?;
        Self::decode(&bytes).map_err(refused)
    }

    /// As [`Self::open`], from the bytes of the file; the error says what was expected.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let expected =
            |error: &dyn std::fmt::Display| format!("expected a PNG of labels ({error})");
        let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
        let mut limits = Limits::default();
        limits.max_alloc = Some(MAX_PIXELS * 8);
        reader.limits(limits);
        let decoder = reader.into_decoder().map_err(|error| expected(&error))?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            let limit = MAX_PIXELS >> 20;
            return Err(expected(&format!(
                "{width}x{height} is too large: {limit} megapixels at most"
            )));
        }
        let n_bits = u64::from(width)
            * u64::from(height)
            * u64::from(decoder.original_color_type().bits_per_pixel());
        if let Some(fault) = hsets_files::png_fault(bytes, n_bits) {
            return Err(expected(&fault));
        }
        let picture = DynamicImage::from_decoder(decoder).map_err(|error| expected(&error))?;
        let (width, height) = (width as usize, height as usize);
        let n_pixels = width * height;
        let is_photo = |n: usize| n_pixels > MISTAKEN_ABOVE && n * MIN_MEAN_AREA > n_pixels;
        let photo = |n: usize| {
            format!(
                "expected one grey value or colour per segment, found {n} of them on {n_pixels} \
                 pixels; is this a photo?"
            )
        };
        let labels = labels(&picture, is_photo).map_err(photo)?;
        drop(picture);
        let map = SegmentMap::new(width, height, &labels).map_err(|error| error.to_string())?;
        if is_photo(map.n_segments()) { Err(photo(map.n_segments())) } else { Ok(Self(map)) }
    }

    /// The segments at their own size.
    pub fn map(&self) -> &SegmentMap {
        &self.0
    }
}

/// One label per pixel, numbered in ascending order of the grey value or colour. Stops at the
/// number of colours that `are_too_many`, and gives it.
fn labels(picture: &DynamicImage, are_too_many: impl Fn(usize) -> bool) -> Result<Vec<u32>, usize> {
    match picture {
        DynamicImage::ImageLuma8(grey) => Ok(grey.as_raw().iter().map(|&v| v.into()).collect()),
        DynamicImage::ImageLuma16(grey) => Ok(grey.as_raw().iter().map(|&v| v.into()).collect()),
        other => {
            // Of what size the samples are is the same for all pixels.
            let mut samples = Cow::from(other.as_bytes());
            if other.color().bytes_per_pixel() == 2 * other.color().channel_count() {
                // The high byte first, so that bytes are in the order of numbers.
                for sample in samples.to_mut().as_chunks_mut::<2>().0 {
                    *sample = u16::from_ne_bytes(*sample).to_be_bytes();
                }
            }
            let width = samples.len() / (other.width() as usize * other.height() as usize).max(1);
            let mut known: BTreeMap<&[u8], u32> = BTreeMap::new();
            for colour in samples.chunks_exact(width.max(1)) {
                known.entry(colour).or_default();
                if are_too_many(known.len()) {
                    return Err(known.len());
                }
            }
            known.values_mut().zip(0..).for_each(|(label, rank)| *label = rank);
            Ok(samples.chunks_exact(width.max(1)).map(|colour| known[colour]).collect())
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
    fn one_segment_is_small_and_what_states_more_than_it_holds_is_refused() {
        // Nothing packs better than this.
        assert_eq!(open(GrayImage::new(3000, 3000)).unwrap().map().n_segments(), 1);
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fixtures/hostile/label_map/states-more.png"
        );
        let error = LabelMap::open(path).unwrap_err().to_string();
        assert!(error.contains("its end is missing"), "{error}");
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
        assert!(error.contains("4097 of them") && error.contains("is this a photo?"), "{error}");
    }
}
