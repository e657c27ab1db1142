//! Pictures without some of their pixels.

use hsets_core::{Error, Image, Result};
use hsets_pipeline::{Reference, attribution::Baseline};

use crate::region::Region;

/// What pixels that are taken away may show, by the names of [`Reference`], and what people call
/// it. Each is one fixed image: it does not depend on what else is taken away, or regions would
/// seem to interact that do not.
pub(crate) const REFERENCES: [(&str, &str); 8] = [
    ("ring", "the colour around"),
    ("imputed", "filled in from around"),
    ("blur", "the picture, blurred"),
    ("rolled", "another part of it"),
    ("mean", "its mean colour"),
    ("zero", "the network's zero"),
    ("black", "black"),
    ("white", "white"),
];

/// The reference of this name.
pub(crate) fn reference(name: &str) -> Result<Reference> {
    if !REFERENCES.iter().any(|(known, _)| *known == name) {
        let names = REFERENCES.map(|(name, _)| name).join(", ");
        return Err(Error::config("reference", name, format!("one of {names}")));
    }
    if let Some(reference) = Reference::named(name) {
        return Ok(reference);
    }
    let baseline = Baseline::named(name, 0)?;
    baseline.map(Reference::Baseline).ok_or_else(|| Error::config("reference", name, "known"))
}

/// `image` with the pixels of a region from `reference`.
pub(crate) fn without(image: &Image, region: &Region, reference: &Image) -> Result<Image> {
    let shape = image.shape();
    region.check(shape)?;
    reference.expect_shape("reference", shape)?;
    let mut data = image.data().to_vec();
    for feature in region.features(shape).iter() {
        data[feature] = reference.data()[feature];
    }
    Image::new(shape, data)
}

/// Fails on no region, or on more than anybody takes away by hand.
pub(crate) fn check_number(regions: &[Region]) -> Result<()> {
    const MOST: usize = 24;
    if regions.is_empty() || regions.len() > MOST {
        return Err(Error::config("regions", regions.len(), format!("1 to {MOST}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{SegmentMap, Shape};
    use hsets_pipeline::attribution::Normalisation;

    #[test]
    fn only_the_region_changes_whatever_it_shows() {
        let shape = Shape::new(3, 4, 4);
        let values: Vec<f32> = (0..48).map(|i| (i as f32 * 0.7).sin() + 2.0).collect();
        let image = Image::new(shape, values).unwrap();
        let labels: Vec<u32> = (0..16).map(|pixel| u32::from(pixel % 4 > 1)).collect();
        let segments = SegmentMap::new(4, 4, &labels).unwrap();
        let region = Region::new([5, 6]);
        for (name, _) in REFERENCES {
            let shown = reference(name).unwrap();
            assert_eq!(shown.name(), name);
            let shown = shown.image(&image, &segments, &Normalisation::identity(3)).unwrap();
            let without = without(&image, &region, &shown).unwrap();
            for feature in 0..shape.len() {
                let same = without.data()[feature] == image.data()[feature];
                assert_eq!(same, ![5, 6].contains(&shape.pixel(feature)), "{name} at {feature}");
            }
        }
        assert!(without(&image, &Region::default(), &image).is_err());
        let error = reference("green").unwrap_err().to_string();
        assert!(error.contains("one of ring, imputed"), "{error}");
    }
}
