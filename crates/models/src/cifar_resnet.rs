//! Residual networks for CIFAR (He et al. 2015, section 4.2), with the parameter-free shortcuts of
//! the paper ("option A"): where the size halves, every second pixel is taken and zero channels are
//! added on both sides.
//!
//! Weights: `akamaster/pytorch_resnet_cifar10`, whose names are used. Trained at 32×32; any size.

use hsets_autodiff::{Activation, Conv2d, NodeId, Pool2d, Result};

use crate::layers::Layers;

/// Channels of each stage.
const STAGE_CHANNELS: [usize; 3] = [16, 32, 64];

/// A member of the family: 6n + 2 layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CifarResNet {
    /// n, the blocks of each stage.
    n_blocks: usize,
}

impl CifarResNet {
    /// 20 layers.
    pub const RESNET20: Self = Self { n_blocks: 3 };
    /// 32 layers.
    pub const RESNET32: Self = Self { n_blocks: 5 };
    /// 44 layers.
    pub const RESNET44: Self = Self { n_blocks: 7 };
    /// 56 layers.
    pub const RESNET56: Self = Self { n_blocks: 9 };

    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let x = g.input();
        let x = g.conv_norm(x, ["conv1", "bn1"], Conv2d::new(16, 3).with_padding(1))?;
        let mut x = g.activation(x, Activation::Relu);
        for (stage, channels) in STAGE_CHANNELS.into_iter().enumerate() {
            for i in 0..self.n_blocks {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                x = block(g, x, &format!("layer{}.{i}", stage + 1), channels, stride)?;
            }
        }
        let x = g.global_avg_pool2d(x)?;
        let x = g.flatten(x);
        g.classifier(x, "linear")
    }
}

fn block(g: &mut Layers, x: NodeId, name: &str, channels: usize, stride: usize) -> Result<NodeId> {
    let conv = Conv2d::new(channels, 3).with_padding(1);
    let names = |part: &str| format!("{name}.{part}");
    let first = conv.with_stride(stride);
    let branch = g.conv_norm(x, [&names("conv1"), &names("bn1")], first)?;
    let branch = g.activation(branch, Activation::Relu);
    let branch = g.conv_norm(branch, [&names("conv2"), &names("bn2")], conv)?;
    let mut shortcut = x;
    if stride > 1 {
        shortcut = g.max_pool2d(shortcut, Pool2d::new(1, stride))?;
        // Where the width shrinks instead, the sum below is refused.
        let missing = g.shape(branch).channels.saturating_sub(g.shape(x).channels);
        shortcut = g.pad_channels(shortcut, missing / 2, missing - missing / 2);
    }
    let sum = g.add(branch, shortcut)?;
    Ok(g.activation(sum, Activation::Relu))
}
