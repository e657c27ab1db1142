//! Baselines: the image x' that stands for "nothing there".

use hsets_core::{Error, Image, Result, Shape};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// Per-channel constants that turned pixel values p in \[0, 1\] into (p - mean) / std.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalisation {
    /// Subtracted, one per channel.
    pub mean: Vec<f32>,
    /// Divided by, one per channel; positive.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// Images that already are pixel values in \[0, 1\].
    pub fn identity(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// A pixel value in \[0, 1\], normalised.
    pub fn apply(&self, channel: usize, pixel: f32) -> f32 {
        (pixel - self.mean[channel]) / self.std[channel]
    }

    fn check(&self, channels: usize) -> Result<()> {
        for (what, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != channels {
                let found = format!("{} values", values.len());
                return Err(Error::shape(what, format!("{channels} values"), found));
            }
        }
        match self.std.iter().find(|std| **std <= 0.0 || !std.is_finite()) {
            Some(std) => Err(Error::config("std", std, "a positive number")),
            None => Ok(()),
        }
    }
}

/// Where the path starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// 0 in the network's own space: the mean colour of its training data. What H-Sets uses.
    Zero,
    /// Black pixels.
    Black,
    /// White pixels.
    White,
    /// The mean colour of the image itself.
    Mean,
    /// The image blurred by a Gaussian; the kernel is cut at 4σ and renormalised at the border.
    Blur {
        /// σ > 0 in pixels.
        #[serde(serialize_with = "hsets_core::as_typed")]
        sigma: f32,
    },
    /// Uniform noise: every feature independently anywhere from black to white.
    Noise {
        /// The same seed gives the same noise.
        seed: u64,
    },
    /// Any other image, normalised.
    Image(Image),
}

impl Baseline {
    /// σ of `blur` without a number, in pixels.
    const BLUR_SIGMA: f32 = 10.0;

    /// The baseline of this name: zero, black, white, mean, blur, blur:SIGMA, or noise of a seed.
    /// `None` for any other.
    pub fn named(name: &str, seed: u64) -> Result<Option<Self>> {
        Ok(Some(match name {
            "zero" => Self::Zero,
            "black" => Self::Black,
            "white" => Self::White,
            "mean" => Self::Mean,
            "noise" => Self::Noise { seed },
            "blur" => Self::Blur { sigma: Self::BLUR_SIGMA },
            _ => {
                let Some(sigma) = name.strip_prefix("blur:") else { return Ok(None) };
                let refused = || Error::config("baseline", name, "expected blur:SIGMA, in pixels");
                Self::Blur { sigma: sigma.parse().map_err(|_| refused())? }
            }
        }))
    }

    /// The baseline of `image`, both normalised by `normalisation`.
    pub fn image(&self, image: &Image, normalisation: &Normalisation) -> Result<Image> {
        let shape = image.shape();
        normalisation.check(shape.channels)?;
        match self {
            Self::Zero => Ok(Image::constant(shape, 0.0)),
            Self::Black => Image::new(shape, per_channel(shape, |c| normalisation.apply(c, 0.0))),
            Self::White => Image::new(shape, per_channel(shape, |c| normalisation.apply(c, 1.0))),
            Self::Mean => Image::new(shape, per_channel(shape, |c| channel_mean(image, c))),
            Self::Blur { sigma } => blurred(image, *sigma),
            Self::Noise { seed } => Image::new(shape, noise(shape, normalisation, *seed)),
            Self::Image(baseline) => {
                baseline.expect_shape("baseline", shape)?;
                Ok(baseline.clone())
            }
        }
    }
}

fn per_channel(shape: Shape, value: impl Fn(usize) -> f32) -> Vec<f32> {
    (0..shape.channels).flat_map(|c| vec![value(c); shape.n_pixels()]).collect()
}

fn channel_mean(image: &Image, channel: usize) -> f32 {
    let n_pixels = image.shape().n_pixels();
    let plane = &image.data()[channel * n_pixels..][..n_pixels];
    (plane.iter().map(|&v| f64::from(v)).sum::<f64>() / n_pixels as f64) as f32
}

fn noise(shape: Shape, normalisation: &Normalisation, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // 24 random bits fill the mantissa of a uniform number in [0, 1).
    let mut uniform = || (rng.next_u32() >> 8) as f32 / (1u32 << 24) as f32;
    (0..shape.len()).map(|i| normalisation.apply(i / shape.n_pixels(), uniform())).collect()
}

/// Separable Gaussian: along the rows, then along the columns.
fn blurred(image: &Image, sigma: f32) -> Result<Image> {
    if !(sigma > 0.0 && sigma.is_finite()) {
        return Err(Error::config("sigma", sigma, "a positive number of pixels"));
    }
    let Shape { height, width, .. } = image.shape();
    let radius = (4.0 * sigma).ceil() as usize;
    let weight = |offset: usize| (-0.5 * (offset as f32 / sigma).powi(2)).exp();
    let kernel: Vec<f32> = (0..=radius).map(weight).collect();
    let rows = image.data().chunks_exact(width).flat_map(|row| smooth(row, &kernel));
    let mut data: Vec<f32> = rows.collect();
    for plane in data.chunks_exact_mut(height * width) {
        for x in 0..width {
            let column: Vec<f32> = plane[x..].iter().step_by(width).copied().collect();
            let smoothed = smooth(&column, &kernel);
            plane[x..].iter_mut().step_by(width).zip(smoothed).for_each(|(p, v)| *p = v);
        }
    }
    Image::new(image.shape(), data)
}

/// Weighted mean of the neighbours inside the line; `kernel[|offset|]` is the weight.
fn smooth(line: &[f32], kernel: &[f32]) -> Vec<f32> {
    let radius = kernel.len() - 1;
    let at = |centre: usize| {
        let window = centre.saturating_sub(radius)..(centre + radius + 1).min(line.len());
        let weights = window.clone().map(|i| kernel[i.abs_diff(centre)]);
        let sum: f32 = weights.clone().sum();
        weights.zip(&line[window]).map(|(w, v)| w * v).sum::<f32>() / sum
    };
    (0..line.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb() -> (Image, Normalisation) {
        let shape = Shape::new(3, 5, 7);
        let data = (0..shape.len()).map(|i| (i as f32 * 0.7).sin()).collect();
        let normalisation = Normalisation { mean: vec![0.4, 0.5, 0.6], std: vec![0.2, 0.25, 0.3] };
        (Image::new(shape, data).unwrap(), normalisation)
    }

    #[test]
    fn named_baselines_are_what_they_say() {
        let (image, normalisation) = rgb();
        let at = |baseline: Baseline| baseline.image(&image, &normalisation).unwrap();
        assert!(at(Baseline::Zero).data().iter().all(|&v| v == 0.0));
        let black = at(Baseline::Black);
        for (channel, expected) in [-0.4 / 0.2, -0.5 / 0.25, -0.6 / 0.3f32].iter().enumerate() {
            assert!((black.data()[35 * channel] - expected).abs() < 1e-6);
        }
        let white = at(Baseline::White);
        assert!((white.data()[0] - 0.6 / 0.2).abs() < 1e-6);
        let mean = at(Baseline::Mean);
        for (plane, means) in image.data().chunks(35).zip(mean.data().chunks(35)) {
            let expected = plane.iter().sum::<f32>() / 35.0;
            assert!(means.iter().all(|mean| (mean - expected).abs() < 1e-6));
        }
        assert_eq!(at(Baseline::Image(black.clone())), black);
    }

    #[test]
    fn noise_is_seeded_and_in_the_range_of_pixels() {
        let (image, normalisation) = rgb();
        let at = |seed| Baseline::Noise { seed }.image(&image, &normalisation).unwrap();
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
        for (i, &v) in at(3).data().iter().enumerate() {
            let pixel = v * normalisation.std[i / 35] + normalisation.mean[i / 35];
            assert!((-1e-6..=1.0 + 1e-6).contains(&pixel), "{pixel}");
        }
    }

    #[test]
    fn blur_keeps_constants_and_spreads_a_point() {
        let shape = Shape::new(1, 9, 9);
        let normalisation = Normalisation::identity(1);
        let blur = Baseline::Blur { sigma: 1.0 };
        let flat = Image::constant(shape, 0.3);
        let blurred = blur.image(&flat, &normalisation).unwrap();
        assert!(blurred.data().iter().all(|v| (v - 0.3).abs() < 1e-6));

        let mut data = vec![0.0; 81];
        data[shape.index(0, 4, 4)] = 1.0;
        let point = Image::new(shape, data).unwrap();
        let blurred = blur.image(&point, &normalisation).unwrap();
        // The kernel is cut at 4 pixels, so only the centre sees all of it.
        let total: f32 = (-4..=4i32).map(|i| (-0.5 * (i * i) as f32).exp()).sum();
        let centre = blurred.data()[shape.index(0, 4, 4)];
        assert!((centre - 1.0 / (total * total)).abs() < 1e-6);
        let side = blurred.data()[shape.index(0, 4, 3)];
        assert!(side < centre && side > 0.0);
    }

    #[test]
    fn baselines_by_name() {
        assert_eq!(Baseline::named("noise", 3).unwrap(), Some(Baseline::Noise { seed: 3 }));
        let blur = Baseline::named("blur:2.5", 0).unwrap();
        assert_eq!(blur, Some(Baseline::Blur { sigma: 2.5 }));
        assert_eq!(Baseline::named("photo.jpg", 0).unwrap(), None);
        assert!(Baseline::named("blur:wide", 0).is_err());
    }

    #[test]
    fn bad_settings_are_refused() {
        let (image, normalisation) = rgb();
        for sigma in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let error = Baseline::Blur { sigma }.image(&image, &normalisation).unwrap_err();
            assert!(matches!(error, Error::Config { setting: "sigma", .. }));
        }
        let grey = Normalisation::identity(1);
        assert!(matches!(Baseline::Black.image(&image, &grey), Err(Error::Shape { .. })));
        let other = Baseline::Image(Image::constant(Shape::new(3, 5, 5), 0.0));
        assert!(matches!(other.image(&image, &normalisation), Err(Error::Shape { .. })));
        let flat = Normalisation { mean: vec![0.0; 3], std: vec![1.0, 0.0, 1.0] };
        assert!(matches!(Baseline::Zero.image(&image, &flat), Err(Error::Config { .. })));
    }
}
