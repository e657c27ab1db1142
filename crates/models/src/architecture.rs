//! The architectures by name.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use hsets_autodiff::{Graph, NodeId, Weights};
use hsets_core::Shape;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::layers::Layers;
use crate::published::Published;
use crate::regnet::REGNETS;
use crate::vit::VITS;
use crate::weights::Naming;
use crate::{
    Bag, CifarResNet, ConvNext, DenseNet, EfficientNet, MobileNetV3, Preprocessing, RegNet, ResNet,
    Vgg, Vit, mobilenet_v2,
};

/// A classifier's structure, without weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// VGG.
    Vgg(Vgg),
    /// ResNet for ImageNet.
    ResNet(ResNet),
    /// ResNet for CIFAR.
    CifarResNet(CifarResNet),
    /// DenseNet.
    DenseNet(DenseNet),
    /// MobileNetV2.
    MobileNetV2,
    /// MobileNetV3.
    MobileNetV3(MobileNetV3),
    /// EfficientNet.
    EfficientNet(EfficientNet),
    /// RegNet.
    RegNet(RegNet),
    /// Bag of local features.
    Bag(Bag),
    /// ConvNeXt.
    ConvNext(ConvNext),
    /// Vision transformer.
    Vit(Vit),
}

/// What a graph depends on besides the architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphOptions {
    /// Shape of the images, 3 channels; any size the architecture allows.
    pub input: Shape,
    /// Number of logits.
    pub n_classes: usize,
    /// Padding of strided convolutions; by default what the architecture was trained with.
    pub padding: Option<PaddingMode>,
    /// eps of batch norm, and of layer norm where there is no other; by default what the architecture
    /// was trained with.
    pub batch_norm_eps: Option<f64>,
    /// Output channels of convolutions and of hidden fully connected layers, by name, where they are
    /// not the published ones: narrower or wider forms of the network.
    pub channels: BTreeMap<String, usize>,
}

impl GraphOptions {
    /// Everything else as published.
    pub fn new(input: Shape, n_classes: usize) -> Self {
        Self { input, n_classes, padding: None, batch_norm_eps: None, channels: BTreeMap::new() }
    }
}

/// How strided convolutions pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaddingMode {
    /// The same number of pixels on all sides.
    #[default]
    Torch,
    /// `TensorFlow`'s SAME: the odd pixel at the bottom and right. For weights converted from there.
    Same,
}

impl FromStr for PaddingMode {
    type Err = hsets_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "torch" => Ok(Self::Torch),
            "same" => Ok(Self::Same),
            other => Err(hsets_core::Error::config("padding", other, "torch or same")),
        }
    }
}

use Architecture as A;

/// Every architecture but RegNets and ViTs under one name: torchvision's for those that were there
/// first, else timm's (the CIFAR forms: their layer count; the bags: the side of their patches).
const NAMES: [(&str, Architecture); 50] = [
    ("vgg11", A::Vgg(Vgg::VGG11)),
    ("vgg13", A::Vgg(Vgg::VGG13)),
    ("vgg16", A::Vgg(Vgg::VGG16)),
    ("vgg19", A::Vgg(Vgg::VGG19)),
    ("vgg11_bn", A::Vgg(Vgg::VGG11.with_batch_norm())),
    ("vgg13_bn", A::Vgg(Vgg::VGG13.with_batch_norm())),
    ("vgg16_bn", A::Vgg(Vgg::VGG16.with_batch_norm())),
    ("vgg19_bn", A::Vgg(Vgg::VGG19.with_batch_norm())),
    ("resnet18", A::ResNet(ResNet::RESNET18)),
    ("resnet34", A::ResNet(ResNet::RESNET34)),
    ("resnet50", A::ResNet(ResNet::RESNET50)),
    ("resnet101", A::ResNet(ResNet::RESNET101)),
    ("resnet152", A::ResNet(ResNet::RESNET152)),
    ("resnet20", A::CifarResNet(CifarResNet::RESNET20)),
    ("resnet32", A::CifarResNet(CifarResNet::RESNET32)),
    ("resnet44", A::CifarResNet(CifarResNet::RESNET44)),
    ("resnet56", A::CifarResNet(CifarResNet::RESNET56)),
    ("densenet121", A::DenseNet(DenseNet::DENSENET121)),
    ("densenet161", A::DenseNet(DenseNet::DENSENET161)),
    ("densenet169", A::DenseNet(DenseNet::DENSENET169)),
    ("densenet201", A::DenseNet(DenseNet::DENSENET201)),
    ("mobilenet_v2", A::MobileNetV2),
    ("mobilenet_v3_small", A::MobileNetV3(MobileNetV3::Small)),
    ("mobilenet_v3_large", A::MobileNetV3(MobileNetV3::Large)),
    ("efficientnet_b0", A::EfficientNet(EfficientNet::B[0])),
    ("efficientnet_b1", A::EfficientNet(EfficientNet::B[1])),
    ("efficientnet_b2", A::EfficientNet(EfficientNet::B[2])),
    ("efficientnet_b3", A::EfficientNet(EfficientNet::B[3])),
    ("efficientnet_b4", A::EfficientNet(EfficientNet::B[4])),
    ("efficientnet_b5", A::EfficientNet(EfficientNet::B[5])),
    ("efficientnet_b6", A::EfficientNet(EfficientNet::B[6])),
    ("efficientnet_b7", A::EfficientNet(EfficientNet::B[7])),
    ("efficientnetv2_s", A::EfficientNet(EfficientNet::V2_S)),
    ("efficientnet_lite0", A::EfficientNet(EfficientNet::LITE0)),
    ("tf_efficientnet_b0", A::EfficientNet(EfficientNet::B[0].of_tensorflow())),
    ("tf_efficientnet_b1", A::EfficientNet(EfficientNet::B[1].of_tensorflow())),
    ("tf_efficientnet_b2", A::EfficientNet(EfficientNet::B[2].of_tensorflow())),
    ("tf_efficientnet_b3", A::EfficientNet(EfficientNet::B[3].of_tensorflow())),
    ("tf_efficientnet_b4", A::EfficientNet(EfficientNet::B[4].of_tensorflow())),
    ("tf_efficientnet_b5", A::EfficientNet(EfficientNet::B[5].of_tensorflow())),
    ("tf_efficientnet_b6", A::EfficientNet(EfficientNet::B[6].of_tensorflow())),
    ("tf_efficientnet_b7", A::EfficientNet(EfficientNet::B[7].of_tensorflow())),
    ("tf_efficientnetv2_s", A::EfficientNet(EfficientNet::V2_S.of_tensorflow())),
    ("tf_efficientnet_lite0", A::EfficientNet(EfficientNet::LITE0.of_tensorflow())),
    ("bag9", A::Bag(Bag::SUM)),
    ("bag9_product", A::Bag(Bag::PRODUCT)),
    ("convnext_tiny", A::ConvNext(ConvNext::TINY)),
    ("convnext_small", A::ConvNext(ConvNext::SMALL)),
    ("convnext_base", A::ConvNext(ConvNext::BASE)),
    ("convnext_large", A::ConvNext(ConvNext::LARGE)),
];

/// Names that other libraries have for the same architectures.
const SYNONYMS: [(&str, &str); 18] = [
    ("mobilenetv2_100", "mobilenet_v2"),
    ("mobilenetv3_small_100", "mobilenet_v3_small"),
    ("mobilenetv3_large_100", "mobilenet_v3_large"),
    ("efficientnet_v2_s", "efficientnetv2_s"),
    ("regnet_x_400mf", "regnetx_004_tv"),
    ("regnet_x_800mf", "regnetx_008"),
    ("regnet_x_1_6gf", "regnetx_016"),
    ("regnet_x_3_2gf", "regnetx_032"),
    ("regnet_x_8gf", "regnetx_080"),
    ("regnet_x_16gf", "regnetx_160"),
    ("regnet_x_32gf", "regnetx_320"),
    ("regnet_y_400mf", "regnety_004"),
    ("regnet_y_800mf", "regnety_008_tv"),
    ("regnet_y_1_6gf", "regnety_016"),
    ("regnet_y_3_2gf", "regnety_032"),
    ("regnet_y_8gf", "regnety_080_tv"),
    ("regnet_y_16gf", "regnety_160"),
    ("regnet_y_32gf", "regnety_320"),
];

/// All names with what they stand for, families together.
fn names() -> impl Iterator<Item = (&'static str, Architecture)> {
    let regnets = REGNETS.into_iter().map(|(name, regnet)| (name, A::RegNet(regnet)));
    let vits = VITS.into_iter().map(|(name, vit)| (name, A::Vit(vit)));
    NAMES.into_iter().chain(regnets).chain(vits)
}

impl Architecture {
    /// All architectures, families together.
    pub fn all() -> impl Iterator<Item = Self> {
        names().map(|(_, architecture)| architecture)
    }

    /// Its name, as `hsets models` lists it.
    pub fn name(self) -> &'static str {
        names().find(|(_, architecture)| *architecture == self).map_or("custom", |(name, _)| name)
    }

    /// Names that other libraries have for it.
    pub fn synonyms(self) -> impl Iterator<Item = &'static str> {
        SYNONYMS.into_iter().filter(move |(_, name)| *name == self.name()).map(|(other, _)| other)
    }

    /// The architecture of exactly this name, its own or another library's.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let synonym = SYNONYMS.iter().find(|(known, _)| *known == name);
        let own = synonym.map_or(name, |(_, own)| own);
        names().find(|(known, _)| *known == own).map(|(_, architecture)| architecture)
    }

    /// All names that [`Architecture::named`] knows.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        names().map(|(name, _)| name).chain(SYNONYMS.into_iter().map(|(name, _)| name))
    }

    /// The network for these options; fails if the image is too small for it.
    pub fn graph(self, options: &GraphOptions) -> Result<Graph> {
        let eps = options.batch_norm_eps;
        let eps = eps.unwrap_or_else(|| self.batch_norm_eps(Naming::Torchvision));
        let mut layers = Layers::new(options, options.padding.unwrap_or(self.padding()), eps);
        let logits = self.build(&mut layers)?;
        Ok(layers.into_builder().finish(logits))
    }

    fn build(self, g: &mut Layers) -> Result<NodeId, hsets_autodiff::Error> {
        match self {
            Self::Vgg(vgg) => vgg.build(g),
            Self::ResNet(resnet) => resnet.build(g),
            Self::CifarResNet(resnet) => resnet.build(g),
            Self::DenseNet(densenet) => densenet.build(g),
            Self::MobileNetV2 => mobilenet_v2::build(g),
            Self::MobileNetV3(mobilenet) => mobilenet.build(g),
            Self::EfficientNet(efficientnet) => efficientnet.build(g),
            Self::RegNet(regnet) => regnet.build(g),
            Self::Bag(bag) => bag.build(g),
            Self::ConvNext(convnext) => convnext.build(g),
            Self::Vit(vit) => vit.build(g),
        }
    }

    /// eps of batch norm, or of layer norm, that weights of this origin were trained with.
    pub fn batch_norm_eps(self, naming: Naming) -> f64 {
        match (self, naming) {
            (Self::MobileNetV3(_), Naming::Torchvision) => 1e-3,
            (Self::EfficientNet(efficientnet), naming) => efficientnet.batch_norm_eps(naming),
            (Self::ConvNext(_), naming) => ConvNext::norm_eps(naming),
            (Self::Vit(vit), naming) => vit.norm_eps(naming),
            _ => 1e-5,
        }
    }

    /// Padding of strided convolutions it was trained with.
    pub fn padding(self) -> PaddingMode {
        match self {
            Self::EfficientNet(net) if net.pads_as_tensorflow() => PaddingMode::Same,
            _ => PaddingMode::Torch,
        }
    }

    /// What happens to photos, unless its weights say otherwise.
    pub fn preprocessing(self) -> Preprocessing {
        match self {
            Self::CifarResNet(_) => {
                Preprocessing { resize: 32, crop: [32; 2], ..Preprocessing::IMAGENET }
            }
            Self::Bag(_) => Preprocessing { resize: 64, crop: [64; 2], ..Preprocessing::IMAGENET },
            Self::EfficientNet(efficientnet) => efficientnet.preprocessing(),
            Self::RegNet(_) => RegNet::PREPROCESSING,
            Self::ConvNext(convnext) => convnext.preprocessing(),
            Self::Vit(vit) => vit.preprocessing(),
            _ => Preprocessing::IMAGENET,
        }
    }

    /// The same structure as the one that weights of this naming are of, where libraries prepare
    /// pictures in different ways.
    pub(crate) fn named_by(self, naming: Naming) -> Self {
        match self {
            Self::Vit(vit) => Self::Vit(vit.named_by(naming)),
            other => other,
        }
    }

    /// The size (height, width) of the pictures that weights were trained on, where the shapes of their
    /// tensors tell it: those of a vision transformer do.
    pub(crate) fn trained_size<'a>(
        self,
        dims: impl Fn(&str) -> Option<&'a [usize]>,
    ) -> Option<[usize; 2]> {
        match self {
            Self::Vit(vit) => vit.side_of(dims("pos_embed")?).map(|side| [side; 2]),
            _ => None,
        }
    }

    /// The name under which timm has the same tensors with TensorFlow's padding and eps, where that is
    /// no architecture of its own here.
    pub(crate) fn tensorflow_twin(self, naming: Naming) -> Option<&'static str> {
        match (self, naming) {
            (Self::MobileNetV3(MobileNetV3::Small), Naming::Timm) => {
                Some("tf_mobilenetv3_small_100")
            }
            (Self::MobileNetV3(MobileNetV3::Large), Naming::Timm) => {
                Some("tf_mobilenetv3_large_100")
            }
            _ => None,
        }
    }

    /// Weights as pictures of this size (height, width) want them: a vision transformer's position
    /// embeddings are interpolated; others stay as they are.
    pub fn resized(self, weights: Weights, size: [usize; 2]) -> Result<Weights> {
        match self {
            Self::Vit(vit) => vit.resized(weights, size),
            _ => Ok(weights),
        }
    }

    /// Name of the last layer, which has one row per class.
    pub(crate) fn classifier_name(self) -> &'static str {
        match self {
            Self::Vgg(_) => "classifier.6",
            Self::ResNet(_) | Self::Bag(_) => "fc",
            Self::CifarResNet(_) => "linear",
            Self::DenseNet(_) | Self::EfficientNet(_) => "classifier",
            Self::MobileNetV2 => "classifier.1",
            Self::MobileNetV3(_) => "classifier.3",
            Self::RegNet(_) | Self::ConvNext(_) => "head.fc",
            Self::Vit(_) => "head",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = Error;

    /// torchvision's names, and timm's of the same networks.
    fn from_str(name: &str) -> Result<Self> {
        name.parse().map(|published: Published| published.architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        for architecture in Architecture::all() {
            assert_eq!(architecture.name().parse::<Architecture>().unwrap(), architecture);
        }
    }

    #[test]
    fn synonyms_are_architectures() {
        for (synonym, name) in SYNONYMS {
            let architecture: Architecture = synonym.parse().unwrap();
            assert_eq!(architecture.name(), name);
            assert!(architecture.synonyms().any(|other| other == synonym));
        }
    }

    #[test]
    fn unknown_name_has_a_hint() {
        let error = "resnet_50".parse::<Architecture>().unwrap_err().to_string();
        assert!(error.contains("resnet50"), "{error}");
    }

    /// Parameter counts as torchvision's model pages state them, for 1000 classes (the CIFAR forms:
    /// as their README states them, for 10).
    #[test]
    fn parameter_counts_are_those_published() {
        let published = [
            ("vgg11", 132_863_336),
            ("vgg16_bn", 138_365_992),
            ("vgg19", 143_667_240),
            ("resnet18", 11_689_512),
            ("resnet34", 21_797_672),
            ("resnet50", 25_557_032),
            ("resnet101", 44_549_160),
            ("resnet152", 60_192_808),
            ("densenet121", 7_978_856),
            ("densenet161", 28_681_000),
            ("densenet169", 14_149_480),
            ("densenet201", 20_013_928),
            ("mobilenet_v2", 3_504_872),
            ("mobilenet_v3_small", 2_542_856),
            ("mobilenet_v3_large", 5_483_032),
            ("resnet20", 269_722),
            ("resnet56", 853_018),
            ("efficientnet_b0", 5_288_548),
            ("efficientnet_b2", 9_109_994),
            ("efficientnet_b7", 66_347_960),
            ("efficientnet_v2_s", 21_458_488),
            ("tf_efficientnet_lite0", 4_652_008),
            ("regnet_x_400mf", 5_495_976),
            ("regnet_x_32gf", 107_811_560),
            ("regnet_y_400mf", 4_344_144),
            ("regnet_y_800mf", 6_432_512),
            ("regnet_y_8gf", 39_381_472),
            ("regnety_160", 83_590_140),
            ("convnext_tiny", 28_589_128),
            ("convnext_large", 197_767_336),
            ("vit_b_16", 86_567_656),
            ("vit_b_32", 88_224_232),
            ("deit_tiny_patch16_224", 5_717_416),
            ("deit_small_patch16_224", 22_050_664),
        ];
        for (name, count) in published {
            let architecture: Architecture = name.parse().unwrap();
            let shape = architecture.preprocessing().shape();
            let n_classes = if shape.height == 32 { 10 } else { 1000 };
            let options = GraphOptions::new(shape, n_classes);
            let graph = architecture.graph(&options).unwrap();
            let trained = graph.parameters().iter().filter(|p| !p.name.contains("running_"));
            let total: usize = trained.map(|p| p.shape.iter().product::<usize>()).sum();
            assert_eq!(total, count, "{name}");
        }
    }

    #[test]
    fn any_size_down_to_32_is_allowed() {
        for architecture in Architecture::all() {
            for shape in [Shape::new(3, 32, 32), Shape::new(3, 75, 131)] {
                let graph = architecture.graph(&GraphOptions::new(shape, 7)).unwrap();
                assert_eq!(graph.n_classes(), 7, "{architecture}");
            }
        }
    }

    #[test]
    fn too_small_an_image_is_refused() {
        let options = GraphOptions::new(Shape::new(3, 8, 8), 10);
        let error = "densenet121".parse::<Architecture>().unwrap().graph(&options).unwrap_err();
        assert!(error.to_string().contains("larger image"), "{error}");
    }

    #[test]
    fn same_padding_moves_only_strided_convolutions() {
        let mut options = GraphOptions::new(Shape::new(3, 224, 224), 10);
        options.padding = Some(PaddingMode::Same);
        let graph = Architecture::MobileNetV2.graph(&options).unwrap();
        assert_eq!(graph.n_classes(), 10);
        let lite: Architecture = "tf_efficientnet_lite0".parse().unwrap();
        assert_eq!(lite.padding(), PaddingMode::Same);
        assert!("valid".parse::<PaddingMode>().is_err());
    }
}
