//! Image classifiers: VGG, ResNet, DenseNet, MobileNet, EfficientNet, RegNet, ConvNeXt
//! and ViT as graphs, with their weights under every naming, their preprocessing and their labels.
//!
//! ```no_run
//! use std::path::Path;
//! use hsets_core::Silent;
//! use hsets_models::{Classifier, LoadOptions};
//!
//! let options = LoadOptions {
//!     model: Some("resnet50".into()),
//!     weights: Some("resnet50-0676ba61.pth".into()),
//!     ..LoadOptions::default()
//! };
//! let classifier = Classifier::load(&options, &Silent)?;
//! let prepared = classifier.read(Path::new("photo.jpg"))?;
//! for prediction in classifier.predict(&prepared.image, 5)? {
//!     println!("{} {:.3}", prediction.label, prediction.probability);
//! }
//! // `classifier.field()` is what detection and attribution take.
//! # Ok::<(), hsets_models::Error>(())
//! ```
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `files` | yes | photos from JPEG, PNG, WebP, GIF, BMP and TIFF files |
//! | `onnx` | yes | networks in ONNX files |
//! | `hub` | yes | weights by alias from the Hugging Face hub, see [`ALIASES`] |
//! | `sam` | no | Segment Anything, see [`sam`] |
//! | `cuda`, `cudnn`, `metal` | no | candle's devices, by [`LoadOptions::device`] |

mod aliases;
mod architecture;
mod bag;
mod cifar_resnet;
mod classifier;
mod convnext;
mod densenet;
mod device;
mod efficientnet;
mod error;
#[cfg(feature = "hub")]
mod hub;
mod input;
mod labels;
mod layers;
#[cfg(feature = "onnx")]
mod like;
mod mobilenet_v2;
mod mobilenet_v3;
mod model_config;
mod nearest;
#[cfg(feature = "onnx")]
mod onnx;
mod preprocessing;
mod published;
mod recognise;
mod regnet;
mod resample;
mod resnet;
#[cfg(feature = "sam")]
pub mod sam;
mod vgg;
mod vit;
mod weights;

pub use aliases::ALIASES;
pub use architecture::{Architecture, GraphOptions, PaddingMode};
pub use bag::Bag;
pub use cifar_resnet::CifarResNet;
pub use classifier::{Classifier, LoadOptions, Prediction};
pub use convnext::ConvNext;
pub use densenet::DenseNet;
pub use device::Device;
pub use efficientnet::EfficientNet;
pub use error::{Error, Result};
#[cfg(feature = "hub")]
pub use hub::{Hub, HubFiles, cached_commit};
pub use input::{Exif, decode_photo, mask_file, read_input, read_photo, read_tensor, tensor_size};
pub use labels::Labels;
pub use mobilenet_v3::MobileNetV3;
#[cfg(feature = "onnx")]
pub use onnx::{OnnxFile, OnnxReading, OnnxSummary};
pub use preprocessing::{IMAGENET_MEAN, IMAGENET_STD, Prepared, Preprocessing};
pub use regnet::RegNet;
pub use resample::Interpolation;
pub use resnet::ResNet;
pub use vgg::Vgg;
pub use vit::Vit;
pub use weights::{Naming, WeightFile};
