//! `--like`: how pictures were prepared for networks that people know by name.

use crate::Architecture;
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::preprocessing::{IMAGENET_MEAN, IMAGENET_STD, Preprocessing};
use crate::resample::Interpolation;

/// Beginnings of timm's and torchvision's names with the side of the crop, the share of the short
/// side it takes, and whether mean and standard deviation are 0.5 instead of ImageNet's. All resize
/// bicubically. A number of pixels at the end of a name (`_384`) goes before the side here.
const FAMILIES: [(&str, usize, f64, bool); 27] = [
    ("beit_", 224, 0.9, true),
    ("beitv2_", 224, 0.9, false),
    ("cait_", 224, 1.0, false),
    ("coatnet_", 224, 0.95, true),
    ("convnextv2_", 224, 0.875, false),
    ("deit3_", 224, 1.0, false),
    ("deit_", 224, 0.9, false),
    ("eva02_", 336, 1.0, false),
    ("fastvit_", 256, 0.9, false),
    ("ghostnet", 224, 0.875, false),
    ("googlenet", 224, 0.875, false),
    ("inception_v3", 299, 0.875, false),
    ("maxvit_", 224, 0.95, true),
    ("mixer_", 224, 0.875, true),
    ("mobileone_", 224, 0.9, false),
    ("mobilenetv4_", 256, 0.95, false),
    ("nfnet_", 224, 0.9, false),
    ("repvgg_", 224, 0.875, false),
    ("repvit_", 224, 0.95, false),
    ("shufflenet_v2_", 224, 0.875, false),
    ("squeezenet", 224, 0.875, false),
    ("swin_", 224, 0.9, false),
    ("swinv2_", 256, 0.9, false),
    ("tinynet_", 224, 0.875, false),
    ("vit_", 224, 0.9, true),
    ("wide_resnet", 224, 0.875, false),
    ("xception", 299, 0.897, true),
];

/// The preprocessing of a named architecture, or of a family that can be had from ONNX files only.
pub(crate) fn preprocessing(name: &str) -> Result<Preprocessing> {
    if let Ok(architecture) = name.parse::<Architecture>() {
        return Ok(architecture.preprocessing());
    }
    let family = FAMILIES.iter().find(|(family, ..)| name.starts_with(family));
    let Some(&(_, side, fraction, half)) = family else {
        let own = Architecture::all().map(Architecture::name);
        let near = nearest(name, own.chain(FAMILIES.iter().map(|(family, ..)| *family)));
        let hint = if near.is_empty() {
            "say it with --mean, --std and --size".to_owned()
        } else {
            format!("did you mean {}?", near.join(" or "))
        };
        let problem = format!("how pictures are prepared for '{name}' is not known: {hint}");
        return Err(Error::UnknownModel(problem));
    };
    let digits = |part: &str| part.split('.').next().and_then(|part| part.parse().ok());
    let side = name.rsplit('_').find_map(digits).filter(|n| *n >= 64).unwrap_or(side);
    let (mean, std) = if half { ([0.5; 3], [0.5; 3]) } else { (IMAGENET_MEAN, IMAGENET_STD) };
    let interpolation = Interpolation::Bicubic;
    let preprocessing = Preprocessing { interpolation, mean, std, ..Preprocessing::IMAGENET };
    Ok(preprocessing.with_input_size([side; 2]).with_crop_fraction(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_timm_are_known() {
        let swin = preprocessing("swin_tiny_patch4_window7_224").unwrap();
        assert_eq!((swin.crop, swin.resize, swin.mean), ([224; 2], 248, IMAGENET_MEAN));
        let large = preprocessing("maxvit_tiny_tf_384.in1k").unwrap();
        assert_eq!((large.crop, large.mean), ([384; 2], [0.5; 3]));
        assert_eq!(preprocessing("resnet18").unwrap(), Preprocessing::IMAGENET);
        let error = preprocessing("resnet_18").unwrap_err().to_string();
        assert!(error.contains("resnet18"), "{error}");
    }
}
