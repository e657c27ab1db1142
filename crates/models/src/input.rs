//! Inputs: photos from image files, and tensors that are already normalised.

use std::path::{Path, PathBuf};

use candle_core::DType;
use hsets_core::{Image, Photo, Shape};
use hsets_weights::TensorFile;

use crate::error::{Error, Result};
use crate::preprocessing::{Prepared, Preprocessing};

/// Reads an input of either kind: a `.safetensors` file as [`read_tensor`], anything else as a
/// photo.
pub fn read_input(path: &Path, preprocessing: &Preprocessing) -> Result<Prepared> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors")) {
        return read_tensor(path, preprocessing);
    }
    Ok(preprocessing.prepare(&read_photo(path)?)?)
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
pub fn read_photo(_path: &Path) -> Result<Photo> {
    Err(Error::NotCompiled { what: "reading image files".into(), feature: "files" })
}

/// Needs the cargo feature `files`.
#[cfg(not(feature = "files"))]
pub fn decode_photo(_bytes: &[u8], _name: &Path) -> Result<Photo> {
    Err(Error::NotCompiled { what: "reading image files".into(), feature: "files" })
}

#[cfg(feature = "files")]
pub use decode::{decode_photo, read_photo};

#[cfg(feature = "files")]
mod decode {
    use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

    use super::{Error, Path, Photo, Result};

    /// 128 megapixels: 400 MB in memory, more than any camera of today takes.
    const MAX_PIXELS: u64 = 128 << 20;
    /// What a decoder may allocate.
    const MAX_BYTES: u64 = 2 << 30;

    /// Reads a photo from a JPEG, PNG, WebP, GIF, BMP or TIFF file; the content decides.
    ///
    /// The EXIF orientation is applied; grey becomes RGB; of an animation the first frame is
    /// taken. As PIL's `convert("RGB")` does, transparency is dropped, not blended, and of 16-bit
    /// samples the high byte is taken (PIL clips 16-bit grey to white instead; that is not
    /// followed).
    pub fn read_photo(path: &Path) -> Result<Photo> {
        let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        decode_photo(&bytes, path)
    }

    /// [`read_photo`] of the content of a file; `name` stands in errors.
    pub fn decode_photo(bytes: &[u8], name: &Path) -> Result<Photo> {
        let picture = decode(bytes).map_err(|problem| Error::file(name, problem))?;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let rgb = match picture {
            DynamicImage::ImageLuma16(_)
            | DynamicImage::ImageLumaA16(_)
            | DynamicImage::ImageRgb16(_)
            | DynamicImage::ImageRgba16(_) => {
                let samples = picture.into_rgb16().into_raw();
                samples.into_iter().map(|sample| (sample >> 8) as u8).collect()
            }
            _ => picture.into_rgb8().into_raw(),
        };
        Ok(Photo::new(width, height, rgb)?)
    }

    fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
        if bytes.is_empty() {
            return Err("is empty".into());
        }
        let reader = ImageReader::new(std::io::Cursor::new(bytes));
        let mut reader = reader.with_guessed_format().map_err(|error| error.to_string())?;
        if reader.format().is_none() {
            return Err("not an image of a known format (JPEG, PNG, WebP, GIF, BMP, TIFF)".into());
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
        if is_cut_jpeg(bytes) {
            return Err("a damaged or truncated JPEG: its end is missing".into());
        }
        let orientation = decoder.orientation().map_err(|error| explain(&error))?;
        let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| explain(&error))?;
        picture.apply_orientation(orientation);
        Ok(picture)
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
    /// data the end marker cannot occur by chance, so its absence there tells.
    fn is_cut_jpeg(bytes: &[u8]) -> bool {
        const START_OF_SCAN: u8 = 0xda;
        const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
        if !bytes.starts_with(&[0xff, 0xd8]) {
            return false;
        }
        let mut at = 2;
        while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
            if marker == START_OF_SCAN {
                return !bytes[at..].windows(2).any(|pair| pair == END_OF_IMAGE);
            }
            let has_length = marker != 0xff && marker != 0x01 && !(0xd0..=0xd7).contains(&marker);
            at += if marker == 0xff { 1 } else { 2 };
            if has_length {
                at += usize::from(u16::from_be_bytes([high, low]));
            }
        }
        true
    }
}
