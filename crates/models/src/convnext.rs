//! ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s"), as in timm and torchvision.
//!
//! Weights: timm's `convnext_tiny` and its siblings, whose names are used, torchvision's, the authors'
//! and those of Hugging Face. Trained at 224×224; any size from 32×32 up.

use hsets_autodiff::{Activation, Conv2d, NodeId, Result};

use crate::layers::Layers;
use crate::preprocessing::Preprocessing;
use crate::weights::Naming;

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvNext {
    n_blocks: [usize; 4],
    /// Channels of the first stage; they double from stage to stage.
    width: usize,
    /// Short side of a picture for a crop of 224.
    resize: usize,
}

/// eps of all norms but, for weights of Hugging Face, the last.
pub(crate) const EPS: f64 = 1e-6;

impl ConvNext {
    /// T.
    pub const TINY: Self = Self { n_blocks: [3, 3, 9, 3], width: 96, resize: 236 };
    /// S.
    pub const SMALL: Self = Self { n_blocks: [3, 3, 27, 3], width: 96, resize: 230 };
    /// B.
    pub const BASE: Self = Self { n_blocks: [3, 3, 27, 3], width: 128, resize: 232 };
    /// L.
    pub const LARGE: Self = Self { n_blocks: [3, 3, 27, 3], width: 192, resize: 232 };

    /// That of torchvision's weights.
    pub(crate) fn preprocessing(self) -> Preprocessing {
        Preprocessing { resize: self.resize, ..Preprocessing::IMAGENET }
    }

    /// eps of the last norm.
    pub(crate) fn norm_eps(naming: Naming) -> f64 {
        if naming == Naming::HuggingFace { 1e-12 } else { EPS }
    }

    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let x = g.input();
        let patches = Conv2d::new(self.width, 4).with_stride(4).with_bias();
        let x = g.conv2d(x, "stem.0", patches)?;
        let mut x = g.layer_norm(x, "stem.1", 0, EPS)?;
        for (stage, n_blocks) in self.n_blocks.into_iter().enumerate() {
            if stage > 0 {
                let name = format!("stages.{stage}.downsample");
                x = g.layer_norm(x, &format!("{name}.0"), 0, EPS)?;
                let halve = Conv2d::new(self.width << stage, 2).with_stride(2).with_bias();
                x = g.conv2d(x, &format!("{name}.1"), halve)?;
            }
            for block in 0..n_blocks {
                x = Self::block(g, x, &format!("stages.{stage}.blocks.{block}"))?;
            }
        }
        let x = g.global_avg_pool2d(x)?;
        let x = g.flatten(x);
        let eps = g.norm_eps();
        let x = g.layer_norm(x, "head.norm", 0, eps)?;
        g.classifier(x, "head.fc")
    }

    /// x + γ·W₂·gelu(W₁·norm(depthwise(x))).
    fn block(g: &mut Layers, x: NodeId, name: &str) -> Result<NodeId> {
        let channels = g.shape(x).channels;
        let named = |part: &str| format!("{name}.{part}");
        let filter = Conv2d::new(channels, 7).with_padding(3).with_groups(channels).with_bias();
        let y = g.conv2d(x, &named("conv_dw"), filter)?;
        let y = g.layer_norm(y, &named("norm"), 0, EPS)?;
        let y = g.linear_along(y, &named("mlp.fc1"), 4 * channels, 0, true)?;
        let y = g.activation(y, Activation::Gelu);
        let y = g.linear_along(y, &named("mlp.fc2"), channels, 0, true)?;
        let y = g.scale_along(y, &named("gamma"), 0)?;
        g.add(x, y)
    }
}
