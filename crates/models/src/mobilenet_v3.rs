//! MobileNetV3 (Howard et al. 2019, "Searching for MobileNetV3"), as in torchvision.
//!
//! Weights: torchvision (batch norm eps 1e-3), or `timm/mobilenetv3_large_100.ra_in1k` and its
//! siblings (eps 1e-5). Trained at 224×224; any size from 32×32 up.

use hsets_autodiff::{Activation, Conv2d, NodeId, Result};

use crate::layers::{Layers, round_to_8};

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MobileNetV3 {
    /// Table 2 of the paper.
    Small,
    /// Table 1 of the paper.
    Large,
}

/// One row of the paper's tables.
struct Row {
    kernel: usize,
    expanded: usize,
    channels: usize,
    squeeze_excite: bool,
    activation: Activation,
    stride: usize,
}

const fn row(
    kernel: usize,
    expanded: usize,
    channels: usize,
    squeeze_excite: bool,
    activation: Activation,
    stride: usize,
) -> Row {
    Row { kernel, expanded, channels, squeeze_excite, activation, stride }
}

/// Channels of the first convolution.
const STEM: usize = 16;

const RE: Activation = Activation::Relu;
const HS: Activation = Activation::HardSwish;

const SMALL: [Row; 11] = [
    row(3, 16, 16, true, RE, 2),
    row(3, 72, 24, false, RE, 2),
    row(3, 88, 24, false, RE, 1),
    row(5, 96, 40, true, HS, 2),
    row(5, 240, 40, true, HS, 1),
    row(5, 240, 40, true, HS, 1),
    row(5, 120, 48, true, HS, 1),
    row(5, 144, 48, true, HS, 1),
    row(5, 288, 96, true, HS, 2),
    row(5, 576, 96, true, HS, 1),
    row(5, 576, 96, true, HS, 1),
];

const LARGE: [Row; 15] = [
    row(3, 16, 16, false, RE, 1),
    row(3, 64, 24, false, RE, 2),
    row(3, 72, 24, false, RE, 1),
    row(5, 72, 40, true, RE, 2),
    row(5, 120, 40, true, RE, 1),
    row(5, 120, 40, true, RE, 1),
    row(3, 240, 80, false, HS, 2),
    row(3, 200, 80, false, HS, 1),
    row(3, 184, 80, false, HS, 1),
    row(3, 184, 80, false, HS, 1),
    row(3, 480, 112, true, HS, 1),
    row(3, 672, 112, true, HS, 1),
    row(5, 672, 160, true, HS, 2),
    row(5, 960, 160, true, HS, 1),
    row(5, 960, 160, true, HS, 1),
];

impl MobileNetV3 {
    fn rows(self) -> &'static [Row] {
        match self {
            Self::Small => &SMALL,
            Self::Large => &LARGE,
        }
    }

    /// Width of the hidden layer of the classifier.
    fn hidden(self) -> usize {
        match self {
            Self::Small => 1024,
            Self::Large => 1280,
        }
    }

    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let x = g.input();
        let stem = Conv2d::new(STEM, 3).with_stride(2).with_padding(1);
        let mut x = g.conv_norm_at(x, "features.0", stem)?;
        x = g.activation(x, HS);
        let mut published = STEM;
        for (i, row) in self.rows().iter().enumerate() {
            let expands = row.expanded != published;
            x = row.build(g, x, &format!("features.{}.block", i + 1), expands)?;
            published = row.channels;
        }
        let wide = Conv2d::new(6 * g.shape(x).channels, 1);
        x = g.conv_norm_at(x, &format!("features.{}", self.rows().len() + 1), wide)?;
        x = g.activation(x, HS);
        x = g.global_avg_pool2d(x)?;
        x = g.flatten(x);
        x = g.linear(x, "classifier.0", self.hidden())?;
        x = g.activation(x, HS);
        g.classifier(x, "classifier.3")
    }
}

impl Row {
    /// Expand, filter, squeeze and excite, project; added to x where neither size nor width changes.
    ///
    /// Which block expands is a matter of the table; which is residual, of the widths the network
    /// really has: rounding may make two equal that the table has different, and the reverse.
    fn build(&self, g: &mut Layers, x: NodeId, name: &str, expands: bool) -> Result<NodeId> {
        let in_channels = g.shape(x).channels;
        let filter = usize::from(expands);
        let project = filter + 1 + usize::from(self.squeeze_excite);

        let mut branch = x;
        if expands {
            let wide = Conv2d::new(self.expanded, 1);
            branch = g.conv_norm_at(branch, &format!("{name}.0"), wide)?;
            branch = g.activation(branch, self.activation);
        }
        let depthwise = Conv2d::new(self.expanded, self.kernel)
            .with_padding(self.kernel / 2)
            .with_stride(self.stride)
            .with_groups(self.expanded);
        branch = g.conv_norm_at(branch, &format!("{name}.{filter}"), depthwise)?;
        branch = g.activation(branch, self.activation);
        if self.squeeze_excite {
            let gate = ["fc1", "fc2"].map(|layer| format!("{name}.{}.{layer}", filter + 1));
            let squeezed = round_to_8(g.shape(branch).channels / 4, 1);
            let curves = [Activation::Relu, Activation::HardSigmoid];
            branch = g.squeeze_excite(branch, [&gate[0], &gate[1]], squeezed, curves)?;
        }
        let narrow = Conv2d::new(self.channels, 1);
        branch = g.conv_norm_at(branch, &format!("{name}.{project}"), narrow)?;
        let is_residual = self.stride == 1 && g.shape(branch).channels == in_channels;
        if is_residual { g.add(branch, x) } else { Ok(branch) }
    }
}
