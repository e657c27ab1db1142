//! DenseNet (Huang et al. 2016, "Densely Connected Convolutional Networks"), as in torchvision.
//!
//! Weights: torchvision, or `timm/densenet121.tv_in1k` and its siblings (same names). Trained at
//! 224×224; any size from 32×32 up.

use hsets_autodiff::{Activation, Conv2d, NodeId, Pool2d, Result};

use crate::layers::Layers;

/// A 1×1 convolution to this many times the growth precedes every 3×3 convolution.
const BOTTLENECK: usize = 4;

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseNet {
    /// Channels of the stem.
    stem: usize,
    /// Channels that every layer adds (the paper's k).
    growth: usize,
    n_layers: [usize; 4],
}

impl DenseNet {
    /// 121 layers.
    pub const DENSENET121: Self = Self { stem: 64, growth: 32, n_layers: [6, 12, 24, 16] };
    /// 161 layers.
    pub const DENSENET161: Self = Self { stem: 96, growth: 48, n_layers: [6, 12, 36, 24] };
    /// 169 layers.
    pub const DENSENET169: Self = Self { stem: 64, growth: 32, n_layers: [6, 12, 32, 32] };
    /// 201 layers.
    pub const DENSENET201: Self = Self { stem: 64, growth: 32, n_layers: [6, 12, 48, 32] };

    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let x = g.input();
        let stem = Conv2d::new(self.stem, 7).with_stride(2).with_padding(3);
        let x = g.conv_norm(x, ["features.conv0", "features.norm0"], stem)?;
        let x = g.activation(x, Activation::Relu);
        let mut x = g.max_pool2d(x, Pool2d::new(3, 2).with_padding(1))?;
        for (i, n_layers) in self.n_layers.into_iter().enumerate() {
            if i > 0 {
                let name = format!("features.transition{i}");
                let half = Conv2d::new(g.shape(x).channels / 2, 1);
                x = norm_conv(g, x, [&format!("{name}.norm"), &format!("{name}.conv")], half)?;
                x = g.avg_pool2d(x, Pool2d::new(2, 2))?;
            }
            for layer in 1..=n_layers {
                let name = format!("features.denseblock{}.denselayer{layer}", i + 1);
                x = self.dense_layer(g, x, &name)?;
            }
        }
        let x = g.batch_norm(x, "features.norm5");
        // torchvision has no module here.
        let x = g.activation(x, Activation::FunctionalRelu);
        let x = g.global_avg_pool2d(x)?;
        let x = g.flatten(x);
        g.classifier(x, "classifier")
    }

    /// Everything so far, and `growth` new channels behind it.
    fn dense_layer(self, g: &mut Layers, x: NodeId, name: &str) -> Result<NodeId> {
        let narrow = Conv2d::new(BOTTLENECK * self.growth, 1);
        let new = norm_conv(g, x, [&format!("{name}.norm1"), &format!("{name}.conv1")], narrow)?;
        let wide = Conv2d::new(self.growth, 3).with_padding(1);
        let new = norm_conv(g, new, [&format!("{name}.norm2"), &format!("{name}.conv2")], wide)?;
        g.concat(&[x, new])
    }
}

/// Batch norm, ReLU, convolution.
fn norm_conv(g: &mut Layers, x: NodeId, names: [&str; 2], conv: Conv2d) -> Result<NodeId> {
    let x = g.batch_norm(x, names[0]);
    let x = g.activation(x, Activation::Relu);
    g.conv2d(x, names[1], conv)
}
