//! Inputs: photos from image files, and tensors that are already normalised.

use std::path::{Path, PathBuf};

use std::str::FromStr;

use candle_core::DType;
use hsets_core::{Image, Photo, Shape};
use hsets_weights::TensorFile;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::preprocessing::{Prepared, Preprocessing};

/// What becomes of the orientation that a camera wrote into a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exif {
    /// The photo is turned as it says: what viewers and browsers show, and PIL's
    /// `ImageOps.exif_transpose` gives.
    #[default]
    Obey,
    /// The pixels stay as they lie in the file: what PIL's `Image.open` gives, and with it
    /// torchvision's and timm's data sets.
    Ignore,
}

impl Exif {
    /// The name that is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Obey => "obey",
            Self::Ignore => "ignore",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for Exif {
    type Err = hsets_core::Error;

    fn from_str(text: &str) -> hsets_core::Result<Self> {
        let all = [Self::Obey, Self::Ignore];
        let found = all.into_iter().find(|exif| exif.name() == text);
        found.ok_or_else(|| hsets_core::Error::config("exif", text, "obey or ignore"))
    }
}

/// A whole file.
pub(crate) fn read_whole(path: &Path) -> Result<Vec<u8>> {
    hsets_files::read(path).map_err(|error| Error::io(path, error))
}

/// Reads an input of either kind: a `.safetensors` file as [`read_tensor`], anything else as a
/// photo.
pub fn read_input(path: &Path, preprocessing: &Preprocessing) -> Result<Prepared> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        return read_tensor(path, preprocessing);
    }
    Ok(preprocessing.prepare(&read_photo(path, preprocessing.exif)?)?)
}

/// Reads the tensor `input` \[3, H, W\] or \[1, 3, H, W\] of a safetensors file, already normalised.
/// The photo is what the preprocessing would have made it from.
pub fn read_tensor(path: &Path, preprocessing: &Preprocessing) -> Result<Prepared> {
    let wrong = |problem: String| Error::file(path, problem);
    let file = TensorFile::read(path)?;
    let [height, width] = size(&file)?;
    let tensor = file.tensor("input")?;
    let values =
        tensor.flatten_all().and_then(|t| t.to_dtype(DType::F32)).and_then(|t| t.to_vec1());
    let values = values.map_err(|error| wrong(error.to_string()))?;
    let image = Image::new(Shape::new(3, height, width), values)?;
    Ok(Prepared { photo: preprocessing.denormalize(&image)?, image })
}

/// (height, width) of the tensor `input` of a safetensors file.
pub fn tensor_size(path: &Path) -> Result<[usize; 2]> {
    size(&TensorFile::read(path)?)
}

fn size(file: &TensorFile) -> Result<[usize; 2]> {
    let wrong = |problem: &str| Error::file(file.path(), problem);
    let dims = file
        .shape("input")
        .ok_or_else(|| wrong("holds no floating-point tensor called 'input' of shape [3, H, W]"))?;
    match *dims {
        [3, height, width] | [1, 3, height, width] => Ok([height, width]),
        _ => Err(wrong(&format!("tensor 'input' is {dims:?}, not [3, H, W] or [1, 3, H, W]"))),
    }
}

/// The mask of a picture: `place` itself, or the PNG of the picture's name in the folder `place`.
pub fn mask_file(place: &Path, picture: &Path) -> Result<PathBuf> {
    if !place.is_dir() {
        return Ok(place.to_owned());
    }
    let file = place.join(picture.file_stem().unwrap_or_default()).with_added_extension("png");
    if file.is_file() {
        return Ok(file);
    }
    Err(Error::file(&file, format!("is not there: the mask of {} is missing", picture.display())))
}

/// Needs the cargo feature `files`.
#[cfg(not(feature = "files"))]
pub fn read_photo(_path: &Path, _exif: Exif) -> Result<Photo> {
    Err(Error::NotCompiled { what: "reading image files".into(), feature: "files" })
}

/// Needs the cargo feature `files`.
#[cfg(not(feature = "files"))]
pub fn decode_photo(_bytes: &[u8], _name: &Path, _exif: Exif) -> Result<Photo> {
    Err(Error::NotCompiled { what: "reading image files".into(), feature: "files" })
}

#[cfg(feature = "files")]
pub use decode::{decode_photo, read_photo};

#[cfg(feature = "files")]
mod decode {
    use std::borrow::Cow;

    use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

    use super::{Error, Exif, Path, Photo, Result};

    /// 128 megapixels: 400 MB in memory, more than any camera of today takes.
    const MAX_PIXELS: u64 = 128 << 20;
    /// What a decoder may allocate besides the picture.
    const MAX_BYTES: u64 = 1 << 30;
    /// What the picture may take: of 16-bit samples, that is half as many pixels.
    const MAX_DECODED: u64 = 512 << 20;
    /// Most pixels of a byte of a JPEG: each block of 64 takes a bit.
    const MAX_JPEG_PIXELS: u64 = 8 * 64;

    /// Reads a photo from a JPEG, PNG, WebP, GIF, BMP, TIFF or PNM file; the content decides.
    ///
    /// Grey becomes RGB; of an animation the first frame is taken. As PIL's `convert("RGB")` does, transparency is dropped, not blended, and of 16-bit
    /// samples the high byte is taken (PIL clips 16-bit grey to white instead; that is not
    /// followed).
    pub fn read_photo(path: &Path, exif: Exif) -> Result<Photo> {
        decode_photo(&super::read_whole(path)?, path, exif)
    }

    /// [`read_photo`] of the content of a file; `name` stands in errors.
    pub fn decode_photo(bytes: &[u8], name: &Path, exif: Exif) -> Result<Photo> {
        let picture = decode(bytes, exif).map_err(|problem| Error::file(name, problem))?;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let high = |sample: u16| (sample >> 8) as u8;
        let rgb = match picture {
            DynamicImage::ImageLuma16(grey) => {
                grey.into_raw().into_iter().flat_map(|sample| [high(sample); 3]).collect()
            }
            DynamicImage::ImageLumaA16(grey) => {
                grey.pixels().flat_map(|pixel| [high(pixel.0[0]); 3]).collect()
            }
            DynamicImage::ImageRgb16(rgb) => rgb.into_raw().into_iter().map(high).collect(),
            DynamicImage::ImageRgba16(rgba) => {
                rgba.pixels().flat_map(|pixel| [0, 1, 2].map(|at| high(pixel.0[at]))).collect()
            }
            _ => picture.into_rgb8().into_raw(),
        };
        Ok(Photo::new(width, height, rgb)?)
    }

    fn decode(bytes: &[u8], exif: Exif) -> Result<DynamicImage, String> {
        if bytes.is_empty() {
            return Err("is empty".into());
        }
        let bytes = ended(bytes);
        let reader = ImageReader::new(std::io::Cursor::new(bytes.as_ref()));
        let mut reader = reader.with_guessed_format().map_err(|error| error.to_string())?;
        if reader.format().is_none() {
            return Err(
                "not an image of a known format (JPEG, PNG, WebP, GIF, BMP, TIFF, PNM)".into()
            );
        }
        let mut limits = Limits::default();
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(|error| explain(&error))?;
        let (width, height) = decoder.dimensions();
        let n_pixels = u64::from(width) * u64::from(height);
        if n_pixels > MAX_PIXELS {
            let megapixels = n_pixels >> 20;
            return Err(format!(
                "{width}x{height} is too large ({megapixels} megapixels, at most {}): scale it down",
                MAX_PIXELS >> 20
            ));
        }
        if decoder.total_bytes() > MAX_DECODED {
            let megabytes = decoder.total_bytes() >> 20;
            return Err(format!(
                "{width}x{height} is too large ({megabytes} MiB, at most {}): scale it down, or \
                 save it with 8 bits a sample",
                MAX_DECODED >> 20
            ));
        }
        let n_bits = n_pixels * u64::from(decoder.original_color_type().bits_per_pixel());
        if let Some(fault) = hsets_files::png_fault(&bytes, n_bits) {
            return Err(format!("a damaged or truncated PNG: {fault}"));
        }
        let is_jpeg = bytes.starts_with(&[0xff, 0xd8]);
        let holds_less = n_pixels > MAX_JPEG_PIXELS * bytes.len() as u64;
        if is_jpeg && (holds_less || is_cut_jpeg(&bytes)) {
            return Err("a damaged or truncated JPEG: its end is missing".into());
        }
        let orientation = decoder.orientation().map_err(|error| explain(&error))?;
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| explain(&error))?;
        if exif == Exif::Obey {
            picture.apply_orientation(orientation);
        }
        Ok(picture)
    }

    /// With the last chunk of a PNG, which other programs read without.
    fn ended(bytes: &[u8]) -> Cow<'_, [u8]> {
        const END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";
        if hsets_files::is_png(bytes) && !bytes.windows(END.len()).rev().any(|w| w == END) {
            Cow::Owned([bytes, END].concat())
        } else {
            Cow::Borrowed(bytes)
        }
    }

    fn explain(error: &ImageError) -> String {
        let what = match error {
            ImageError::Limits(_) => "too large to decode",
            ImageError::Unsupported(_) => "a kind of image this program does not read",
            _ => "a damaged or truncated image",
        };
        format!("{what} ({})", error.to_string().replace('\n', " "))
    }

    /// The decoder fills the missing rest of a JPEG with grey without a word. In the compressed
    /// data the end marker cannot occur by chance, so its absence there tells; but other programs
    /// read on without it, where the picture is whole.
    fn is_cut_jpeg(bytes: &[u8]) -> bool {
        const START_OF_SCAN: u8 = 0xda;
        const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
        let mut is_progressive = false;
        let mut at = 2;
        while let Some(found) =
            bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff))
        {
            // Between segments anything may lie: fill bytes, stuffed zeros, the rubbish of cameras.
            at += found + 1;
            let Some(&marker) = bytes.get(at) else { break };
            if matches!(marker, 0x00 | 0xff) {
                continue;
            }
            if marker == START_OF_SCAN {
                let scan = &bytes[at..];
                let has_end = scan.windows(2).any(|pair| pair == END_OF_IMAGE);
                return !has_end && (is_progressive || !is_whole_without_end(bytes));
            }
            is_progressive |= matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
            at += 1;
            let has_length = marker != 0x01 && !(0xd0..=0xd8).contains(&marker);
            if let (true, Some(&[high, low])) = (has_length, bytes.get(at..at + 2)) {
                at += usize::from(u16::from_be_bytes([high, low]));
            }
        }
        true
    }

    /// Whether the decoder needs nothing beyond the bytes that are there: then nothing that is
    /// appended to them changes the picture.
    fn is_whole_without_end(bytes: &[u8]) -> bool {
        // This byte would make a marker of what is appended.
        let n = bytes.iter().rposition(|&byte| byte != 0xff).map_or(0, |last| last + 1);
        let bytes = &bytes[..n];
        let with = |tail: u8| {
            let longer = [bytes, &vec![tail; 1 << 16]].concat();
            image::load_from_memory_with_format(&longer, ImageFormat::Jpeg).ok()
        };
        let picture = with(0x00);
        picture.is_some() && picture == with(0x55)
    }
}

#[cfg(feature = "files")]
#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};

    fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Photo> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo");
        std::fs::write(&path, bytes).unwrap();
        read_photo(&path, Exif::Obey)
    }

    /// Smooth, so that a part of it that is missing shows.
    fn photo() -> RgbImage {
        RgbImage::from_fn(48, 40, |x, y| Rgb([(4 * x) as u8, (5 * y) as u8, (x + 2 * y) as u8]))
    }

    #[test]
    fn jpegs_that_others_read_are_read() {
        let whole = encoded(photo(), ImageFormat::Jpeg);
        let expected = read(&whole).unwrap();
        let table = whole.windows(2).position(|pair| pair == [0xff, 0xdb]).unwrap();
        for rubbish in [&[0xff, 0x00, 0xff, 0x00][..], &[0xff, 0xff, 0xff], &[0x12, 0x34, 0x56]] {
            let padded = [&whole[..table], rubbish, &whole[table..]].concat();
            assert_eq!(read(&padded).unwrap(), expected, "{rubbish:?}");
        }
        let body = whole.strip_suffix(&[0xff, 0xd9]).unwrap();
        let foreign: Vec<u8> = (0..400_u32).map(|n| (n * 37 % 251) as u8).collect();
        for tail in [&foreign[..], b"", b"\0", &[0xff]] {
            assert_eq!(read(&[body, tail].concat()).unwrap(), expected, "{} bytes", tail.len());
        }
        for share in [2, 3, 10] {
            let cut = &body[..body.len() - body.len() / share];
            let error = read(cut).unwrap_err().to_string();
            assert!(error.contains("truncated"), "{share}: {error}");
        }
    }

    #[test]
    fn a_png_states_no_more_than_it_holds() {
        // Nothing packs better than this.
        let black = encoded(RgbImage::new(2000, 2000), ImageFormat::Png);
        assert_eq!(read(&black).unwrap().width(), 2000);
        let forged = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/hostile/photo/states-more.png");
        let error = read_photo(&forged, Exif::Obey).unwrap_err().to_string();
        assert!(error.contains("truncated PNG"), "{error}");
    }

    #[test]
    fn of_16_bits_the_high_byte_counts() {
        let grey = ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![0x1234, 0xfeff]).unwrap();
        let found = read(&encoded(DynamicImage::ImageLuma16(grey), ImageFormat::Png)).unwrap();
        assert_eq!(found.rgb(), [0x12, 0x12, 0x12, 0xfe, 0xfe, 0xfe]);
        let rgb = ImageBuffer::<Rgb<u16>, _>::from_raw(1, 1, vec![0x0100, 0x02ff, 0xff00]).unwrap();
        let found = read(&encoded(DynamicImage::ImageRgb16(rgb), ImageFormat::Png)).unwrap();
        assert_eq!(found.rgb(), [1, 2, 255]);
    }

    #[test]
    fn a_png_without_its_end_is_read() {
        let whole = encoded(photo(), ImageFormat::Png);
        let expected = read(&whole).unwrap();
        // Length, IEND, checksum.
        assert_eq!(read(&whole[..whole.len() - 12]).unwrap(), expected);
        assert!(read(&whole[..whole.len() / 2]).is_err());
    }

    #[test]
    fn ppm_is_read() {
        assert_eq!(
            read(b"P6 1 2 255\n\x01\x02\x03\x04\x05\x06").unwrap().rgb(),
            [1, 2, 3, 4, 5, 6]
        );
    }

    #[test]
    #[cfg(unix)]
    fn pipes_and_folders_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.png");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            let error = read_photo(path, Exif::Obey).unwrap_err().to_string();
            assert!(error.contains("is no file"), "{error}");
        }
    }
}
