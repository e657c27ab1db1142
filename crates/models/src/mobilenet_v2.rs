//! MobileNetV2 (Sandler et al. 2018, "Inverted Residuals and Linear Bottlenecks"), as in
//! torchvision.
//!
//! Weights: torchvision, or `timm/mobilenetv2_100.ra_in1k`; those converted from TensorFlow want
//! `PaddingMode::Same`. Trained at 224×224; any size from 32×32 up.

use hsets_autodiff::{Activation, Conv2d, NodeId, Result};

use crate::layers::Layers;

/// Table 2 of the paper: expansion t, channels c, repeats n, first stride s.
const STAGES: [[usize; 4]; 7] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
];

pub(crate) fn build(g: &mut Layers) -> Result<NodeId> {
    let x = g.input();
    let stem = Conv2d::new(32, 3).with_stride(2).with_padding(1);
    let mut x = conv_relu6(g, x, "features.0", stem)?;
    let mut index = 1;
    for [expansion, channels, repeats, first_stride] in STAGES {
        for i in 0..repeats {
            let stride = if i == 0 { first_stride } else { 1 };
            x = block(g, x, &format!("features.{index}.conv"), expansion, channels, stride)?;
            index += 1;
        }
    }
    let x = conv_relu6(g, x, &format!("features.{index}"), Conv2d::new(1280, 1))?;
    let x = g.global_avg_pool2d(x)?;
    let x = g.flatten(x);
    g.classifier(x, "classifier.1")
}

/// Expand (1×1), filter (3×3 depthwise), project (1×1, linear); added to x where neither size nor width changes.
fn block(
    g: &mut Layers,
    x: NodeId,
    name: &str,
    expansion: usize,
    channels: usize,
    stride: usize,
) -> Result<NodeId> {
    let in_channels = g.shape(x).channels;
    let hidden = expansion * in_channels;
    let mut branch = x;
    let filter = usize::from(expansion > 1);
    if expansion > 1 {
        branch = conv_relu6(g, branch, &format!("{name}.0"), Conv2d::new(hidden, 1))?;
    }
    let depthwise = Conv2d::new(hidden, 3).with_padding(1).with_stride(stride).with_groups(hidden);
    branch = conv_relu6(g, branch, &format!("{name}.{filter}"), depthwise)?;
    let project = [format!("{name}.{}", filter + 1), format!("{name}.{}", filter + 2)];
    branch = g.conv_norm(branch, [&project[0], &project[1]], Conv2d::new(channels, 1))?;
    let is_residual = stride == 1 && g.shape(branch).channels == in_channels;
    if is_residual { g.add(branch, x) } else { Ok(branch) }
}

fn conv_relu6(g: &mut Layers, x: NodeId, name: &str, conv: Conv2d) -> Result<NodeId> {
    let x = g.conv_norm_at(x, name, conv)?;
    Ok(g.activation(x, Activation::Relu6))
}
