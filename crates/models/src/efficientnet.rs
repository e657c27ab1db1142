//! EfficientNet (Tan & Le 2019, "EfficientNet: Rethinking Model Scaling"), EfficientNetV2-S (2021)
//! and EfficientNet-Lite0, as in timm and torchvision.
//!
//! Weights: timm's `efficientnet_b0` and its siblings, those converted from TensorFlow
//! (`tf_efficientnet_b0`: SAME padding, batch norm eps 1e-3), or torchvision's. The names are timm's.
//! Any size from 32×32 up.

use hsets_autodiff::{Activation, Conv2d, NodeId, Result};

use crate::layers::{Layers, round_to_8};
use crate::preprocessing::Preprocessing;
use crate::resample::Interpolation;
use crate::weights::Naming;

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EfficientNet {
    form: Form,
    /// Trained in TensorFlow: SAME padding, and its eps of batch norm.
    tensorflow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// B0 to B7.
    B(usize),
    V2S,
    Lite0,
}

/// The layers of a block before it projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// One 3×3 convolution, and nothing to project.
    Plain,
    /// A convolution that expands.
    Fused,
    /// Depthwise, behind a 1×1 convolution that expands; without it where the expansion is 1.
    Inverted,
}

/// One row of the papers' tables.
struct Stage {
    block: Block,
    kernel: usize,
    expansion: usize,
    channels: usize,
    repeats: usize,
    stride: usize,
}

const fn stage(
    block: Block,
    kernel: usize,
    expansion: usize,
    channels: usize,
    repeats: usize,
    stride: usize,
) -> Stage {
    Stage { block, kernel, expansion, channels, repeats, stride }
}

/// Table 1 of the first paper.
const B0: [Stage; 7] = [
    stage(Block::Inverted, 3, 1, 16, 1, 1),
    stage(Block::Inverted, 3, 6, 24, 2, 2),
    stage(Block::Inverted, 5, 6, 40, 2, 2),
    stage(Block::Inverted, 3, 6, 80, 3, 2),
    stage(Block::Inverted, 5, 6, 112, 3, 1),
    stage(Block::Inverted, 5, 6, 192, 4, 2),
    stage(Block::Inverted, 3, 6, 320, 1, 1),
];

/// Table 4 of the second paper.
const V2S: [Stage; 6] = [
    stage(Block::Plain, 3, 1, 24, 2, 1),
    stage(Block::Fused, 3, 4, 48, 4, 2),
    stage(Block::Fused, 3, 4, 64, 4, 2),
    stage(Block::Inverted, 3, 4, 128, 6, 2),
    stage(Block::Inverted, 3, 6, 160, 9, 1),
    stage(Block::Inverted, 3, 6, 256, 15, 2),
];

/// Width and depth of B0 to B7 in tenths of B0's.
const SCALES: [[usize; 2]; 8] =
    [[10, 10], [10, 11], [11, 12], [12, 14], [14, 18], [16, 22], [18, 26], [20, 31]];

impl EfficientNet {
    /// B0 to B7.
    pub const B: [Self; 8] = {
        let mut all = [Self { form: Form::B(0), tensorflow: false }; 8];
        let mut i = 1;
        while i < 8 {
            all[i].form = Form::B(i);
            i += 1;
        }
        all
    };
    /// The small form of the second version.
    pub const V2_S: Self = Self { form: Form::V2S, tensorflow: false };
    /// Without squeeze-and-excite, with ReLU6: for phones.
    pub const LITE0: Self = Self { form: Form::Lite0, tensorflow: false };

    /// The same network with TensorFlow's SAME padding and eps 1e-3.
    #[must_use]
    pub const fn of_tensorflow(self) -> Self {
        Self { tensorflow: true, ..self }
    }

    pub(crate) fn pads_as_tensorflow(self) -> bool {
        self.tensorflow
    }

    /// timm trains with PyTorch's eps; torchvision took TensorFlow's for its larger forms.
    pub(crate) fn batch_norm_eps(self, naming: Naming) -> f64 {
        let large = matches!(self.form, Form::B(5..) | Form::V2S);
        if self.tensorflow || large && naming == Naming::Torchvision { 1e-3 } else { 1e-5 }
    }

    /// torchvision's for its weights, else timm's.
    pub(crate) fn preprocessing(self) -> Preprocessing {
        const CROP: [usize; 8] = [224, 240, 288, 300, 380, 456, 528, 600];
        const RESIZE: [usize; 8] = [256, 256, 288, 320, 384, 456, 528, 600];
        /// What TensorFlow's networks see, and the short side of it in thousandths.
        const TENSORFLOW: [(usize, f64); 8] = [
            (224, 0.875),
            (240, 0.882),
            (260, 0.89),
            (300, 0.904),
            (380, 0.922),
            (456, 0.934),
            (528, 0.942),
            (600, 0.949),
        ];
        let bicubic =
            Preprocessing { interpolation: Interpolation::Bicubic, ..Preprocessing::IMAGENET };
        let square = |side: usize| [side; 2];
        let half = Preprocessing { mean: [0.5; 3], std: [0.5; 3], ..bicubic.clone() };
        match (self.form, self.tensorflow) {
            (Form::B(i), false) => {
                Preprocessing { crop: square(CROP[i]), resize: RESIZE[i], ..bicubic }
            }
            (Form::B(i), true) => {
                let (crop, fraction) = TENSORFLOW[i];
                bicubic.with_input_size(square(crop)).with_crop_fraction(fraction)
            }
            (Form::V2S, false) => {
                Preprocessing { crop: square(384), resize: 384, ..Preprocessing::IMAGENET }
            }
            (Form::V2S, true) => Preprocessing { crop: square(300), resize: 300, ..half },
            (Form::Lite0, false) => bicubic,
            (Form::Lite0, true) => half,
        }
    }

    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let (width, stages): (_, &[Stage]) = match self.form {
            Form::B(i) => (SCALES[i], &B0),
            Form::V2S => ([10; 2], &V2S),
            Form::Lite0 => ([10; 2], &B0),
        };
        let [width, depth] = width;
        let wide = |channels: usize| round_to_8(channels * width, 10);
        let act = self.activation();
        let x = g.input();
        let stem = if self.form == Form::V2S { 24 } else { 32 };
        let stem = Conv2d::new(wide(stem), 3).with_stride(2).with_padding(1);
        let x = g.conv_norm(x, ["conv_stem", "bn1"], stem)?;
        let mut x = g.activation(x, act);
        for (s, stage) in stages.iter().enumerate() {
            for i in 0..(stage.repeats * depth).div_ceil(10) {
                let stride = if i == 0 { stage.stride } else { 1 };
                let name = format!("blocks.{s}.{i}");
                x = self.block(g, x, &name, stage, wide(stage.channels), stride)?;
            }
        }
        let x = g.conv_norm(x, ["conv_head", "bn2"], Conv2d::new(wide(1280), 1))?;
        let x = g.activation(x, act);
        let x = g.global_avg_pool2d(x)?;
        let x = g.flatten(x);
        g.classifier(x, "classifier")
    }

    fn activation(self) -> Activation {
        if self.form == Form::Lite0 { Activation::Relu6 } else { Activation::Silu }
    }

    /// Expand, filter, squeeze and excite, project; added to x where shapes allow.
    fn block(
        self,
        g: &mut Layers,
        x: NodeId,
        name: &str,
        stage: &Stage,
        channels: usize,
        stride: usize,
    ) -> Result<NodeId> {
        let in_channels = g.shape(x).channels;
        let hidden = stage.expansion * in_channels;
        let act = self.activation();
        let named = |part: &str| format!("{name}.{part}");
        let filter = |channels| {
            Conv2d::new(channels, stage.kernel).with_padding(stage.kernel / 2).with_stride(stride)
        };
        let mut norms = 0;
        let mut layer = |g: &mut Layers, x, conv_name: &str, conv| {
            norms += 1;
            g.conv_norm(x, [&named(conv_name), &named(&format!("bn{norms}"))], conv)
        };
        let mut y = x;
        match stage.block {
            Block::Plain => {
                y = layer(g, y, "conv", filter(channels))?;
                y = g.activation(y, act);
            }
            Block::Fused => {
                y = layer(g, y, "conv_exp", filter(hidden))?;
                y = g.activation(y, act);
                y = layer(g, y, "conv_pwl", Conv2d::new(channels, 1))?;
            }
            Block::Inverted => {
                if stage.expansion > 1 {
                    y = layer(g, y, "conv_pw", Conv2d::new(hidden, 1))?;
                    y = g.activation(y, act);
                }
                y = layer(g, y, "conv_dw", filter(hidden).with_groups(hidden))?;
                y = g.activation(y, act);
                if self.form != Form::Lite0 {
                    let names = [named("se.conv_reduce"), named("se.conv_expand")];
                    let curves = [act, Activation::Sigmoid];
                    y = g.squeeze_excite(y, [&names[0], &names[1]], in_channels / 4, curves)?;
                }
                let project = if stage.expansion > 1 { "conv_pwl" } else { "conv_pw" };
                y = layer(g, y, project, Conv2d::new(channels, 1))?;
            }
        }
        if stride == 1 && g.shape(y) == g.shape(x) { g.add(y, x) } else { Ok(y) }
    }
}
