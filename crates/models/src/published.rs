//! Names under which networks are published, and what each says beyond the architecture.

use std::str::FromStr;

use crate::architecture::{Architecture, PaddingMode};
use crate::error::Error;
use crate::{MobileNetV3, nearest::hint};

/// A published name, understood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Published {
    pub(crate) architecture: Architecture,
    /// Padding of strided convolutions, where the name says it.
    pub(crate) padding: Option<PaddingMode>,
    /// eps of batch norm, where the name says it.
    pub(crate) batch_norm_eps: Option<f64>,
}

/// Marks of weights that timm took over from elsewhere; the network is the plain one.
const TAKEN_OVER: [&str; 4] = ["tv_", "gluon_", "ssl_", "swsl_"];

impl Published {
    /// An architecture as it is by default.
    pub(crate) fn plain(architecture: Architecture) -> Self {
        Self { architecture, padding: None, batch_norm_eps: None }
    }
}

impl FromStr for Published {
    type Err = Error;

    /// torchvision's names, and timm's with or without the tag of the weights: `resnet50.a1_in1k`,
    /// `mobilenetv3_small_075`, `tf_mobilenetv3_large_100`.
    fn from_str(name: &str) -> Result<Self, Error> {
        let plain = name.split_once('.').map_or(name, |(plain, _)| plain);
        if let Some(architecture) = Architecture::named(plain) {
            return Ok(Self::plain(architecture));
        }
        // Converted from TensorFlow, with its padding and its eps.
        let (plain, is_tf) = match plain.strip_prefix("tf_") {
            Some(rest) => (rest, true),
            None => (plain, false),
        };
        let plain = TAKEN_OVER.iter().find_map(|mark| plain.strip_prefix(mark)).unwrap_or(plain);
        let plain = plain.strip_suffix("_v1b").unwrap_or(plain);
        let architecture = Architecture::named(plain).or_else(|| widths(plain));
        let architecture = architecture.ok_or_else(|| {
            let hint = hint(name, Architecture::names(), "`hsets models` lists them");
            Error::UnknownModel(format!("no model is called '{name}': {hint}"))
        })?;
        Ok(Self {
            architecture,
            padding: is_tf.then_some(PaddingMode::Same),
            batch_norm_eps: is_tf.then_some(1e-3),
        })
    }
}

/// Names whose last part is a width (the tensors tell it too): `mobilenetv2_140`.
fn widths(name: &str) -> Option<Architecture> {
    let fixed = match name {
        "wide_resnet50_2" => Some("resnet50"),
        "wide_resnet101_2" => Some("resnet101"),
        _ => None,
    };
    if let Some(name) = fixed {
        return Architecture::named(name);
    }
    let (family, percent) = name.rsplit_once('_')?;
    if percent.len() != 3 || !percent.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match family {
        "mobilenetv2" => Some(Architecture::MobileNetV2),
        "mobilenetv3_small" => Some(Architecture::MobileNetV3(MobileNetV3::Small)),
        "mobilenetv3_large" => Some(Architecture::MobileNetV3(MobileNetV3::Large)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_same_network_lead_to_it() {
        for (name, plain) in [
            ("resnet50", "resnet50"),
            ("resnet50.a1_in1k", "resnet50"),
            ("tv_resnet34", "resnet34"),
            ("gluon_resnet18_v1b", "resnet18"),
            ("wide_resnet50_2.tv2_in1k", "resnet50"),
            ("vgg16_bn.tv_in1k", "vgg16_bn"),
            ("mobilenetv2_140", "mobilenet_v2"),
            ("mobilenetv3_small_050.lamb_in1k", "mobilenet_v3_small"),
        ] {
            let found: Published = name.parse().unwrap();
            assert_eq!(found.architecture.name(), plain, "{name}");
            assert_eq!((found.padding, found.batch_norm_eps), (None, None), "{name}");
        }
    }

    #[test]
    fn tensorflow_is_told_by_the_name() {
        let found: Published = "tf_mobilenetv3_large_075.in1k".parse().unwrap();
        assert_eq!(found.architecture, Architecture::MobileNetV3(MobileNetV3::Large));
        assert_eq!((found.padding, found.batch_norm_eps), (Some(PaddingMode::Same), Some(1e-3)));
    }

    #[test]
    fn other_networks_are_no_network_of_ours() {
        for name in [
            "resnetblur18",
            "resnet50d",
            "gluon_resnet50_v1c",
            "tf_mobilenetv3_large_minimal_100",
            "mobilenetv2_110d",
            "mobilenetv3_rw",
            "seresnet50",
            "resnext50_32x4d",
        ] {
            let error = name.parse::<Published>().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
