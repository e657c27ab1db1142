//! References: what shows where a part of the picture is removed.

use std::fmt;

use hsets_attribution::{Baseline, Normalisation};
use hsets_core::{Error, Image, Mask, Result, SegmentMap};
use hsets_detection::ring;
use hsets_metrics::impute;
use serde::{Deserialize, Serialize};

/// σ of [`Reference::Blur`] as a share of the shorter side: 11 pixels at 224.
const BLUR: f32 = 0.05;

/// What a removed pixel shows. It is one image, fixed for the picture and its segments: it never
/// depends on what else is removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reference {
    /// Every segment shows the mean colour of the ring around it.
    Ring,
    /// The picture, blurred until a twentieth of its side is a smear.
    Blur,
    /// Every segment, imputed from its surroundings as ROAD does.
    Imputed,
    /// The picture's own pixels, rolled by half its height and width: real texture in the wrong
    /// place.
    Rolled,
    /// What a path may start from: zero, black, mean, another image.
    #[serde(untagged)]
    Baseline(Baseline),
}

impl Reference {
    /// The name under which results report it.
    pub fn name(&self) -> String {
        match self {
            Self::Ring => "ring".into(),
            Self::Blur => "blur".into(),
            Self::Imputed => "imputed".into(),
            Self::Rolled => "rolled".into(),
            Self::Baseline(baseline) => match baseline {
                Baseline::Zero => "zero".into(),
                Baseline::Black => "black".into(),
                Baseline::White => "white".into(),
                Baseline::Mean => "mean".into(),
                Baseline::Blur { sigma } => format!("blur:{sigma}"),
                Baseline::Noise { .. } => "noise".into(),
                Baseline::Image(_) => "image".into(),
            },
        }
    }

    /// The reference of this name that needs nothing else; `None` for baselines.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Ring, Self::Blur, Self::Imputed, Self::Rolled]
            .into_iter()
            .find(|reference| reference.name() == name)
    }

    /// The reference of `image`, which is normalised by `normalisation`.
    pub fn image(
        &self,
        image: &Image,
        segments: &SegmentMap,
        normalisation: &Normalisation,
    ) -> Result<Image> {
        let shape = image.shape();
        match self {
            Self::Ring => ring(image, segments),
            Self::Blur => {
                let sigma = BLUR * shape.height.min(shape.width) as f32;
                Baseline::Blur { sigma }.image(image, normalisation)
            }
            Self::Imputed => imputed(image, segments),
            Self::Rolled => {
                let (down, right) = (shape.height / 2, shape.width / 2);
                let rolled = |feature: usize| {
                    let (channel, y, x) = shape.position(feature);
                    let (y, x) = ((y + down) % shape.height, (x + right) % shape.width);
                    image.data()[shape.index(channel, y, x)]
                };
                Image::new(shape, (0..shape.len()).map(rolled).collect())
            }
            Self::Baseline(baseline) => baseline.image(image, normalisation),
        }
    }
}

/// Every segment from the rest of the picture, each as if it alone were removed.
fn imputed(image: &Image, segments: &SegmentMap) -> Result<Image> {
    let shape = image.shape();
    if segments.n_segments() < 2 {
        let expected = "at least 2 for the reference `imputed`: choose another segmenter";
        return Err(Error::config("segments", segments.n_segments(), expected));
    }
    let mut data = image.data().to_vec();
    for label in 0..segments.n_segments() as u32 {
        let pixels: Vec<usize> = Mask::of_segments(segments, &[label]).pixels().collect();
        let filled = impute(image, &pixels)?;
        for plane in (0..shape.len()).step_by(shape.n_pixels()) {
            pixels.iter().for_each(|pixel| data[plane + pixel] = filled.data()[plane + pixel]);
        }
    }
    Image::new(shape, data)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    #[test]
    fn references_are_what_they_say() {
        let shape = Shape::new(1, 4, 4);
        let image = Image::new(shape, (0..16).map(|v| v as f32).collect()).unwrap();
        let labels: Vec<u32> = (0..16).map(|pixel| u32::from(pixel == 5)).collect();
        let segments = SegmentMap::new(4, 4, &labels).unwrap();
        let normalisation = Normalisation::identity(1);
        let shown = |reference: Reference| {
            reference.image(&image, &segments, &normalisation).unwrap().into_data()
        };
        assert_eq!(shown(Reference::Rolled)[0], 10.0);
        assert_eq!(shown(Reference::Rolled)[15], 5.0);
        // A linear picture: the mean of the neighbours is the pixel itself.
        assert!((shown(Reference::Imputed)[5] - 5.0).abs() < 1e-4);
        assert!((shown(Reference::Ring)[5] - 5.0).abs() < 1e-6);
        assert_eq!(shown(Reference::Baseline(Baseline::Zero))[7], 0.0);
        for reference in [Reference::Ring, Reference::Blur, Reference::Imputed, Reference::Rolled] {
            assert_eq!(Reference::named(&reference.name()), Some(reference));
        }
        assert_eq!(Reference::named("zero"), None);
    }
}
