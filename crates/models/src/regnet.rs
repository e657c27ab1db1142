//! RegNet X and Y (Radosavovic et al. 2020, "Designing Network Design Spaces"), as in timm and
//! torchvision.
//!
//! Weights: timm's `regnety_004` and its siblings, whose names are used, or torchvision's
//! `regnet_y_400mf`. Trained at 224×224; any size from 32×32 up.

use hsets_autodiff::{Activation, Conv2d, NodeId, Result};

use crate::layers::Layers;
use crate::preprocessing::Preprocessing;

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegNet {
    n_blocks: [usize; 4],
    /// Channels of each stage.
    widths: [usize; 4],
    /// Channels of a group of the 3×3 convolutions, at most those of the stage.
    group_width: usize,
    /// Y: squeeze and excite.
    gated: bool,
}

const fn x(n_blocks: [usize; 4], widths: [usize; 4], group_width: usize) -> RegNet {
    RegNet { n_blocks, widths, group_width, gated: false }
}

const fn y(n_blocks: [usize; 4], widths: [usize; 4], group_width: usize) -> RegNet {
    RegNet { n_blocks, widths, group_width, gated: true }
}

/// All members under timm's names; the number is a hundredth of the multiply-adds in millions.
/// `_tv`: torchvision rounds some widths up where the authors round them down.
pub(crate) const REGNETS: [(&str, RegNet); 27] = [
    ("regnetx_002", x([1, 1, 4, 7], [24, 56, 152, 368], 8)),
    ("regnetx_004", x([1, 2, 7, 12], [32, 64, 160, 384], 16)),
    ("regnetx_004_tv", x([1, 2, 7, 12], [32, 64, 160, 400], 16)),
    ("regnetx_006", x([1, 3, 5, 7], [48, 96, 240, 528], 24)),
    ("regnetx_008", x([1, 3, 7, 5], [64, 128, 288, 672], 16)),
    ("regnetx_016", x([2, 4, 10, 2], [72, 168, 408, 912], 24)),
    ("regnetx_032", x([2, 6, 15, 2], [96, 192, 432, 1008], 48)),
    ("regnetx_040", x([2, 5, 14, 2], [80, 240, 560, 1360], 40)),
    ("regnetx_064", x([2, 4, 10, 1], [168, 392, 784, 1624], 56)),
    ("regnetx_080", x([2, 5, 15, 1], [80, 240, 720, 1920], 120)),
    ("regnetx_120", x([2, 5, 11, 1], [224, 448, 896, 2240], 112)),
    ("regnetx_160", x([2, 6, 13, 1], [256, 512, 896, 2048], 128)),
    ("regnetx_320", x([2, 7, 13, 1], [336, 672, 1344, 2520], 168)),
    ("regnety_002", y([1, 1, 4, 7], [24, 56, 152, 368], 8)),
    ("regnety_004", y([1, 3, 6, 6], [48, 104, 208, 440], 8)),
    ("regnety_006", y([1, 3, 7, 4], [48, 112, 256, 608], 16)),
    ("regnety_008", y([1, 3, 8, 2], [64, 128, 320, 768], 16)),
    ("regnety_008_tv", y([1, 3, 8, 2], [64, 144, 320, 784], 16)),
    ("regnety_016", y([2, 6, 17, 2], [48, 120, 336, 888], 24)),
    ("regnety_032", y([2, 5, 13, 1], [72, 216, 576, 1512], 24)),
    ("regnety_040", y([2, 6, 12, 2], [128, 192, 512, 1088], 64)),
    ("regnety_064", y([2, 7, 14, 2], [144, 288, 576, 1296], 72)),
    ("regnety_080", y([2, 4, 10, 1], [168, 448, 896, 2016], 56)),
    ("regnety_080_tv", y([2, 4, 10, 1], [224, 448, 896, 2016], 56)),
    ("regnety_120", y([2, 5, 11, 1], [224, 448, 896, 2240], 112)),
    ("regnety_160", y([2, 4, 11, 1], [224, 448, 1232, 3024], 112)),
    ("regnety_320", y([2, 5, 12, 1], [232, 696, 1392, 3712], 232)),
];

impl RegNet {
    /// That of torchvision's second weights.
    pub(crate) const PREPROCESSING: Preprocessing =
        Preprocessing { resize: 232, ..Preprocessing::IMAGENET };

    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let x = g.input();
        let stem = Conv2d::new(32, 3).with_stride(2).with_padding(1);
        let mut x = norm_layer(g, x, "stem", stem)?;
        x = g.activation(x, Activation::Relu);
        for stage in 0..4 {
            for block in 0..self.n_blocks[stage] {
                let stride = if block == 0 { 2 } else { 1 };
                let name = format!("s{}.b{}", stage + 1, block + 1);
                x = self.block(g, x, &name, self.widths[stage], stride)?;
            }
        }
        let x = g.global_avg_pool2d(x)?;
        let x = g.flatten(x);
        g.classifier(x, "head.fc")
    }

    /// relu(branch(x) + shortcut(x)); the shortcut is a 1×1 convolution where shapes change.
    fn block(
        self,
        g: &mut Layers,
        x: NodeId,
        name: &str,
        width: usize,
        stride: usize,
    ) -> Result<NodeId> {
        let in_channels = g.shape(x).channels;
        let y = norm_layer(g, x, &format!("{name}.conv1"), Conv2d::new(width, 1))?;
        let y = g.activation(y, Activation::Relu);
        let filter = Conv2d::new(width, 3)
            .with_padding(1)
            .with_stride(stride)
            .with_groups(width / self.group_width.min(width));
        let y = norm_layer(g, y, &format!("{name}.conv2"), filter)?;
        let mut y = g.activation(y, Activation::Relu);
        if self.gated {
            let names = [format!("{name}.se.fc1"), format!("{name}.se.fc2")];
            // A quarter of what the block reads, halves to the even neighbour.
            let squeezed = (in_channels as f64 / 4.0).round_ties_even() as usize;
            let curves = [Activation::Relu, Activation::Sigmoid];
            y = g.squeeze_excite(y, [&names[0], &names[1]], squeezed, curves)?;
        }
        let y = norm_layer(g, y, &format!("{name}.conv3"), Conv2d::new(width, 1))?;
        let mut shortcut = x;
        if stride > 1 || g.shape(x).channels != g.shape(y).channels {
            let conv = Conv2d::new(width, 1).with_stride(stride);
            shortcut = norm_layer(g, x, &format!("{name}.downsample"), conv)?;
        }
        let sum = g.add(y, shortcut)?;
        Ok(g.activation(sum, Activation::Relu))
    }
}

/// Convolution `{name}.conv` and batch norm `{name}.bn`.
fn norm_layer(g: &mut Layers, x: NodeId, name: &str, conv: Conv2d) -> Result<NodeId> {
    g.conv_norm(x, [&format!("{name}.conv"), &format!("{name}.bn")], conv)
}
