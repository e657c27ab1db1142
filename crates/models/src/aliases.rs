//! Short names of published ImageNet weights.

use crate::Architecture;
use crate::error::{Error, Result};
use crate::nearest::hint;

/// An architecture's name and the repository of the hub whose weights it stands for.
///
/// All were trained on ImageNet with 1000 classes. The repositories are followed at `main`; none is
/// pinned by this table. Pin one with `ALIAS@COMMIT`.
pub const ALIASES: &[(&str, &str)] = &[
    ("vgg11", "timm/vgg11.tv_in1k"),
    ("vgg13", "timm/vgg13.tv_in1k"),
    ("vgg16", "timm/vgg16.tv_in1k"),
    ("vgg19", "timm/vgg19.tv_in1k"),
    ("vgg11_bn", "timm/vgg11_bn.tv_in1k"),
    ("vgg13_bn", "timm/vgg13_bn.tv_in1k"),
    ("vgg16_bn", "timm/vgg16_bn.tv_in1k"),
    ("vgg19_bn", "timm/vgg19_bn.tv_in1k"),
    ("resnet18", "timm/resnet18.tv_in1k"),
    ("resnet34", "timm/resnet34.tv_in1k"),
    ("resnet50", "timm/resnet50.tv_in1k"),
    ("resnet101", "timm/resnet101.tv_in1k"),
    ("resnet152", "timm/resnet152.tv_in1k"),
    ("densenet121", "timm/densenet121.tv_in1k"),
    ("densenet161", "timm/densenet161.tv_in1k"),
    ("densenet169", "timm/densenet169.tv_in1k"),
    ("densenet201", "timm/densenet201.tv_in1k"),
    ("mobilenet_v2", "timm/mobilenetv2_100.ra_in1k"),
    ("mobilenet_v3_small", "timm/mobilenetv3_small_100.lamb_in1k"),
    ("mobilenet_v3_large", "timm/mobilenetv3_large_100.ra_in1k"),
    ("efficientnet_b0", "timm/efficientnet_b0.ra_in1k"),
    ("efficientnet_b1", "timm/efficientnet_b1.ra4_e3600_r240_in1k"),
    ("efficientnet_b2", "timm/efficientnet_b2.ra_in1k"),
    ("efficientnet_b3", "timm/efficientnet_b3.ra2_in1k"),
    ("efficientnet_b4", "timm/efficientnet_b4.ra2_in1k"),
    ("efficientnet_b5", "timm/efficientnet_b5.sw_in12k_ft_in1k"),
    ("efficientnet_lite0", "timm/efficientnet_lite0.ra_in1k"),
    ("tf_efficientnet_b0", "timm/tf_efficientnet_b0.ns_jft_in1k"),
    ("tf_efficientnet_b1", "timm/tf_efficientnet_b1.ns_jft_in1k"),
    ("tf_efficientnet_b2", "timm/tf_efficientnet_b2.ns_jft_in1k"),
    ("tf_efficientnet_b3", "timm/tf_efficientnet_b3.ns_jft_in1k"),
    ("tf_efficientnet_b4", "timm/tf_efficientnet_b4.ns_jft_in1k"),
    ("tf_efficientnet_b5", "timm/tf_efficientnet_b5.ns_jft_in1k"),
    ("tf_efficientnet_b6", "timm/tf_efficientnet_b6.ns_jft_in1k"),
    ("tf_efficientnet_b7", "timm/tf_efficientnet_b7.ns_jft_in1k"),
    ("tf_efficientnetv2_s", "timm/tf_efficientnetv2_s.in21k_ft_in1k"),
    ("tf_efficientnet_lite0", "timm/tf_efficientnet_lite0.in1k"),
    ("regnetx_002", "timm/regnetx_002.pycls_in1k"),
    ("regnetx_004", "timm/regnetx_004.pycls_in1k"),
    ("regnetx_004_tv", "timm/regnetx_004_tv.tv2_in1k"),
    ("regnetx_006", "timm/regnetx_006.pycls_in1k"),
    ("regnetx_008", "timm/regnetx_008.tv2_in1k"),
    ("regnetx_016", "timm/regnetx_016.tv2_in1k"),
    ("regnetx_032", "timm/regnetx_032.tv2_in1k"),
    ("regnetx_040", "timm/regnetx_040.pycls_in1k"),
    ("regnetx_064", "timm/regnetx_064.pycls_in1k"),
    ("regnetx_080", "timm/regnetx_080.tv2_in1k"),
    ("regnetx_120", "timm/regnetx_120.pycls_in1k"),
    ("regnetx_160", "timm/regnetx_160.tv2_in1k"),
    ("regnetx_320", "timm/regnetx_320.tv2_in1k"),
    ("regnety_002", "timm/regnety_002.pycls_in1k"),
    ("regnety_004", "timm/regnety_004.tv2_in1k"),
    ("regnety_006", "timm/regnety_006.pycls_in1k"),
    ("regnety_008", "timm/regnety_008.pycls_in1k"),
    ("regnety_008_tv", "timm/regnety_008_tv.tv2_in1k"),
    ("regnety_016", "timm/regnety_016.tv2_in1k"),
    ("regnety_032", "timm/regnety_032.ra_in1k"),
    ("regnety_040", "timm/regnety_040.ra3_in1k"),
    ("regnety_064", "timm/regnety_064.ra3_in1k"),
    ("regnety_080", "timm/regnety_080.ra3_in1k"),
    ("regnety_080_tv", "timm/regnety_080_tv.tv2_in1k"),
    ("regnety_120", "timm/regnety_120.sw_in12k_ft_in1k"),
    ("regnety_160", "timm/regnety_160.sw_in12k_ft_in1k"),
    ("regnety_320", "timm/regnety_320.tv2_in1k"),
    ("convnext_tiny", "timm/convnext_tiny.in12k_ft_in1k"),
    ("convnext_small", "timm/convnext_small.in12k_ft_in1k"),
    ("convnext_base", "timm/convnext_base.fb_in22k_ft_in1k"),
    ("convnext_large", "timm/convnext_large.fb_in22k_ft_in1k"),
    ("vit_tiny_patch16_224", "timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"),
    ("vit_tiny_patch16_384", "timm/vit_tiny_patch16_384.augreg_in21k_ft_in1k"),
    ("vit_small_patch16_224", "timm/vit_small_patch16_224.augreg_in21k_ft_in1k"),
    ("vit_small_patch16_384", "timm/vit_small_patch16_384.augreg_in21k_ft_in1k"),
    ("vit_small_patch32_224", "timm/vit_small_patch32_224.augreg_in21k_ft_in1k"),
    ("vit_small_patch32_384", "timm/vit_small_patch32_384.augreg_in21k_ft_in1k"),
    ("vit_base_patch16_224", "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k"),
    ("vit_base_patch16_384", "timm/vit_base_patch16_384.augreg_in21k_ft_in1k"),
    ("vit_base_patch32_224", "timm/vit_base_patch32_224.augreg_in21k_ft_in1k"),
    ("vit_base_patch32_384", "timm/vit_base_patch32_384.augreg_in21k_ft_in1k"),
    ("deit_tiny_patch16_224", "timm/deit_tiny_patch16_224.fb_in1k"),
    ("deit_small_patch16_224", "timm/deit_small_patch16_224.fb_in1k"),
    ("deit_base_patch16_224", "timm/deit_base_patch16_224.fb_in1k"),
    ("deit_base_patch16_384", "timm/deit_base_patch16_384.fb_in1k"),
    ("dinov2_small", "facebook/dinov2-small-imagenet1k-1-layer"),
    ("dinov2_base", "facebook/dinov2-base-imagenet1k-1-layer"),
];

/// The repository of an alias, or of another name of it; `owner/name` is taken as it is.
pub(crate) fn repository(name: &str) -> Result<&str> {
    let architecture = name.parse::<Architecture>().ok();
    let alias = architecture.map_or(name, |architecture| architecture.name());
    if let Some((_, repository)) = ALIASES.iter().find(|(known, _)| *known == alias) {
        return Ok(repository);
    }
    let is_id = name.split('/').count() == 2 && !name.contains("..") && !name.contains('\\');
    if is_id && name.split('/').all(|part| !part.is_empty()) {
        return Ok(name);
    }
    if architecture.is_some() {
        let what = "has no published weights behind an alias; pass a file with --weights FILE";
        return Err(Error::UnknownModel(format!("'{name}' {what}")));
    }
    let otherwise = "`hsets models` lists them; or give OWNER/REPOSITORY, or --weights FILE";
    let hint = hint(name, ALIASES.iter().map(|(alias, _)| *alias), otherwise);
    Err(Error::UnknownModel(format!("no weights are known as '{name}': {hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_architectures() {
        for (alias, _) in ALIASES {
            assert_eq!(alias.parse::<Architecture>().unwrap().name(), *alias);
        }
    }

    #[test]
    fn repositories_pass_and_typos_are_helped() {
        assert_eq!(repository("timm/resnet50.a1_in1k").unwrap(), "timm/resnet50.a1_in1k");
        assert!(repository("../etc/passwd").is_err());
        assert_eq!(repository("regnet_y_400mf").unwrap(), "timm/regnety_004.tv2_in1k");
        assert!(repository("resnet20").unwrap_err().to_string().contains("--weights"));
        assert!(repository("vgg16bn").unwrap_err().to_string().contains("vgg16_bn"));
    }
}
