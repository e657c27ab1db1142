//! Image classifiers: VGG, ResNet, DenseNet and MobileNet as graphs, with their weights under
//! every naming, their preprocessing and their labels.

mod aliases;
mod architecture;
mod cifar_resnet;
mod classifier;
mod densenet;
mod error;
#[cfg(feature = "hub")]
mod hub;
mod input;
mod labels;
mod layers;
mod mobilenet_v2;
mod mobilenet_v3;
mod model_config;
mod nearest;
mod preprocessing;
mod recognise;
mod resample;
mod resnet;
mod vgg;
mod weights;

pub use aliases::ALIASES;
pub use architecture::{Architecture, GraphOptions, PaddingMode};
pub use cifar_resnet::CifarResNet;
pub use classifier::{Classifier, LoadOptions, Prediction};
pub use densenet::DenseNet;
pub use error::{Error, Result};
#[cfg(feature = "hub")]
pub use hub::{Hub, HubFiles, cached_commit};
pub use input::{read_input, read_photo, read_tensor};
pub use labels::Labels;
pub use mobilenet_v3::MobileNetV3;
pub use preprocessing::{IMAGENET_MEAN, IMAGENET_STD, Prepared, Preprocessing};
pub use resample::Interpolation;
pub use resnet::ResNet;
pub use vgg::Vgg;
pub use weights::{Naming, WeightFile};
