//! Residual networks for ImageNet (He et al. 2015, "Deep Residual Learning for Image Recognition"),
//! as in torchvision: the stride of a bottleneck sits on its 3×3 convolution ("v1.5").
//!
//! Weights: torchvision, or `timm/resnet101.tv_in1k` and its siblings (same names). Trained at
//! 224×224; any size from 32×32 up.

use hsets_autodiff::{Activation, Conv2d, NodeId, Pool2d, Result};

use crate::layers::Layers;

/// Channels of the inner convolutions of each stage.
const STAGE_CHANNELS: [usize; 4] = [64, 128, 256, 512];

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResNet {
    n_blocks: [usize; 4],
    block: Block,
}

/// Residual branch of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1; the last has four times the channels.
    Bottleneck,
}

impl ResNet {
    /// 18 layers.
    pub const RESNET18: Self = Self { n_blocks: [2, 2, 2, 2], block: Block::Basic };
    /// 34 layers.
    pub const RESNET34: Self = Self { n_blocks: [3, 4, 6, 3], block: Block::Basic };
    /// 50 layers.
    pub const RESNET50: Self = Self { n_blocks: [3, 4, 6, 3], block: Block::Bottleneck };
    /// 101 layers.
    pub const RESNET101: Self = Self { n_blocks: [3, 4, 23, 3], block: Block::Bottleneck };
    /// 152 layers.
    pub const RESNET152: Self = Self { n_blocks: [3, 8, 36, 3], block: Block::Bottleneck };

    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let x = g.input();
        let stem = Conv2d::new(64, 7).with_stride(2).with_padding(3);
        let x = g.conv_norm(x, ["conv1", "bn1"], stem)?;
        let x = g.activation(x, Activation::Relu);
        let mut x = g.max_pool2d(x, Pool2d::new(3, 2).with_padding(1))?;
        for (stage, (channels, n_blocks)) in
            STAGE_CHANNELS.into_iter().zip(self.n_blocks).enumerate()
        {
            for i in 0..n_blocks {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                let name = format!("layer{}.{i}", stage + 1);
                x = self.block(g, x, &name, channels, stride)?;
            }
        }
        let x = g.global_avg_pool2d(x)?;
        let x = g.flatten(x);
        g.classifier(x, "fc")
    }

    /// relu(branch(x) + shortcut(x)); the shortcut is a 1×1 convolution where shapes change.
    fn block(
        self,
        g: &mut Layers,
        x: NodeId,
        name: &str,
        channels: usize,
        stride: usize,
    ) -> Result<NodeId> {
        let wide = Conv2d::new(channels, 3).with_padding(1);
        let convs = match self.block {
            Block::Basic => vec![wide.with_stride(stride), wide],
            Block::Bottleneck => vec![
                Conv2d::new(channels, 1),
                wide.with_stride(stride),
                Conv2d::new(4 * channels, 1),
            ],
        };
        let mut branch = x;
        for (i, conv) in convs.into_iter().enumerate() {
            if i > 0 {
                branch = g.activation(branch, Activation::Relu);
            }
            let names = [format!("{name}.conv{}", i + 1), format!("{name}.bn{}", i + 1)];
            branch = g.conv_norm(branch, [&names[0], &names[1]], conv)?;
        }
        let out_channels = g.shape(branch).channels;
        let mut shortcut = x;
        if stride > 1 || g.shape(x).channels != out_channels {
            let conv = Conv2d::new(out_channels, 1).with_stride(stride);
            shortcut = g.conv_norm_at(x, &format!("{name}.downsample"), conv)?;
        }
        let sum = g.add(branch, shortcut)?;
        Ok(g.activation(sum, Activation::Relu))
    }
}
