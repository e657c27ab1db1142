//! Whether the same method says the same of nearly the same picture.

use hsets_attribution::Normalisation;
use hsets_core::{Error, Image, Result, Shape};
use hsets_metrics::{Agreement, agreement, max_sensitivity};
use image::{ExtendedColorType, ImageEncoder as _, ImageFormat, codecs::jpeg::JpegEncoder};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

use super::{
    Better, Task,
    metric::{Found, Needs, Spec, named},
};

pub(super) const MAX_SENSITIVITY: Spec = Spec {
    name: "max-sensitivity",
    needs: Needs::Method,
    readings: || named([("max-sensitivity", Better::Lower, None)]),
    measure: |task| {
        let method = task.method()?;
        let maps = |images: &[Image]| images.iter().map(|image| method.at(image)).collect();
        let settings = &task.settings.max_sensitivity;
        // And the image itself.
        task.progress.begin("max-sensitivity", settings.n_samples as u64 + 1);
        let found = max_sensitivity(task.of.image, maps, settings)?;
        task.progress.end();
        Ok(Found::of([found]))
    },
};

pub(super) const STABILITY: Spec = Spec {
    name: "stability",
    needs: Needs::Method,
    readings: || {
        named([
            ("stability-jpeg-correlation", Better::Higher, Some("as JPEG")),
            ("stability-jpeg-overlap", Better::Higher, None),
            ("stability-noise-correlation", Better::Higher, Some("in noise")),
            ("stability-noise-overlap", Better::Higher, None),
        ])
    },
    measure: |task| {
        let settings = &task.settings.stability;
        let noise = under(task, &noisy(task, settings.noise, settings.seed)?)?;
        if task.of.image.shape().channels != 3 {
            let note = "stability: only pictures of three channels can be JPEGs";
            let values = [f64::NAN, f64::NAN, noise.correlation, noise.overlap];
            return Ok(Found { note: Some(note), ..Found::of(values) });
        }
        let photo = as_jpeg(task.of.image, task.of.normalisation, settings.jpeg_quality)?;
        let jpeg = under(task, &photo)?;
        Ok(Found::of([jpeg.correlation, jpeg.overlap, noise.correlation, noise.overlap]))
    },
};

/// The map beside that of a disturbed picture.
fn under(task: &Task<'_>, disturbed: &Image) -> Result<Agreement> {
    let other = task.method()?.at(disturbed)?;
    let (reduction, ties) = (task.settings.reduction, task.settings.road.ties);
    agreement(task.map, &other, reduction, task.settings.stability.top, ties)
}

fn noisy(task: &Task<'_>, sigma: f32, seed: u64) -> Result<Image> {
    let (image, normalisation) = (task.of.image, task.of.normalisation);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n_pixels = image.shape().n_pixels();
    let moved = image.data().iter().enumerate().map(|(feature, value)| {
        let normal: f32 = StandardNormal.sample(&mut rng);
        value + sigma * normal / normalisation.std[feature / n_pixels]
    });
    Image::new(image.shape(), moved.collect())
}

/// The picture in eight bits as a JPEG, and back.
fn as_jpeg(image: &Image, normalisation: &Normalisation, quality: u8) -> Result<Image> {
    let shape = image.shape();
    let Shape { height, width, .. } = shape;
    let eight_bits = |feature: usize, channel: usize| {
        let pixel =
            image.data()[feature] * normalisation.std[channel] + normalisation.mean[channel];
        (pixel * 255.0).round().clamp(0.0, 255.0) as u8
    };
    let pixels = (0..shape.n_pixels()).flat_map(|pixel| {
        [0, 1, 2].map(|channel| eight_bits(channel * shape.n_pixels() + pixel, channel))
    });
    let pixels: Vec<u8> = pixels.collect();
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, quality);
    let (columns, rows) = (width as u32, height as u32);
    let encoded = encoder.write_image(&pixels, columns, rows, ExtendedColorType::Rgb8);
    encoded.map_err(Error::field)?;
    let decoded = image::load_from_memory_with_format(&file, ImageFormat::Jpeg);
    let decoded = decoded.map_err(Error::field)?.into_rgb8().into_raw();
    let value = |feature: usize| {
        let (channel, pixel) = (feature / shape.n_pixels(), feature % shape.n_pixels());
        normalisation.apply(channel, f32::from(decoded[3 * pixel + channel]) / 255.0)
    };
    Image::new(shape, (0..shape.len()).map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_is_nearly_the_picture_and_less_so_at_lower_quality() {
        let shape = Shape::new(3, 24, 24);
        let normalisation = Normalisation { mean: vec![0.4, 0.5, 0.6], std: vec![0.2, 0.25, 0.3] };
        let pixel = |i: usize| {
            let (c, y, x) = shape.position(i);
            let value =
                0.5 + 0.4 * ((x as f32 + 2.0 * c as f32) / 3.0).sin() * (y as f32 / 5.0).cos();
            normalisation.apply(c, value)
        };
        let image = Image::new(shape, (0..shape.len()).map(pixel).collect()).unwrap();
        let error = |quality| {
            let other = as_jpeg(&image, &normalisation, quality).unwrap();
            let pairs = image.data().iter().zip(other.data()).enumerate();
            let error = |(i, (a, b)): (usize, (&f32, &f32))| {
                ((a - b) * normalisation.std[i / shape.n_pixels()]).abs()
            };
            pairs.map(error).sum::<f32>() / shape.len() as f32
        };
        assert!(error(100) < 0.01 && error(10) > 2.0 * error(95), "{} {}", error(95), error(10));
    }
}
