//! VGG (Simonyan & Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image
//! Recognition"), as in torchvision.
//!
//! Weights: torchvision, or `timm/vgg16.tv_in1k` and its siblings. Trained at 224×224; any size
//! from 32×32 up, because the features are pooled to 7×7.

use hsets_autodiff::{Activation, Conv2d, NodeId, Pool2d, Result};

use crate::layers::Layers;

/// Channels of the 3×3 convolutions; a 2×2 max pooling follows each group.
const STAGE_CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];
/// Width of the two hidden layers of the classifier.
const HIDDEN: usize = 4096;

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vgg {
    /// Convolutions in each stage.
    n_convs: [usize; 5],
    batch_norm: bool,
}

impl Vgg {
    /// 8 convolutions.
    pub const VGG11: Self = Self { n_convs: [1, 1, 2, 2, 2], batch_norm: false };
    /// 10 convolutions.
    pub const VGG13: Self = Self { n_convs: [2, 2, 2, 2, 2], batch_norm: false };
    /// 13 convolutions.
    pub const VGG16: Self = Self { n_convs: [2, 2, 3, 3, 3], batch_norm: false };
    /// 16 convolutions.
    pub const VGG19: Self = Self { n_convs: [2, 2, 4, 4, 4], batch_norm: false };

    /// The same network with batch norm behind every convolution.
    #[must_use]
    pub const fn with_batch_norm(self) -> Self {
        Self { batch_norm: true, ..self }
    }

    /// Layers are numbered as in torchvision's `nn.Sequential`, activations and pools included.
    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let mut x = g.input();
        let mut index = 0;
        for (channels, n_convs) in STAGE_CHANNELS.into_iter().zip(self.n_convs) {
            for _ in 0..n_convs {
                let conv = Conv2d::new(channels, 3).with_padding(1).with_bias();
                x = g.conv2d(x, &format!("features.{index}"), conv)?;
                if self.batch_norm {
                    index += 1;
                    x = g.batch_norm(x, &format!("features.{index}"));
                }
                x = g.activation(x, Activation::Relu);
                index += 2;
            }
            x = g.max_pool2d(x, Pool2d::new(2, 2))?;
            index += 1;
        }
        x = g.adaptive_avg_pool2d(x, [7, 7])?;
        x = g.flatten(x);
        for name in ["classifier.0", "classifier.3"] {
            x = g.linear(x, name, HIDDEN)?;
            x = g.activation(x, Activation::Relu);
        }
        g.classifier(x, "classifier.6")
    }
}
