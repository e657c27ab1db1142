//! What all architectures build their graphs with: the options applied in one place.

use std::ops::{Deref, DerefMut};

use hsets_autodiff::{Activation, Conv2d, GraphBuilder, NodeId, Result};

use crate::architecture::{GraphOptions, PaddingMode};

/// A [`GraphBuilder`] that knows the options of the network it builds.
pub(crate) struct Layers<'a> {
    builder: GraphBuilder,
    options: &'a GraphOptions,
    padding: PaddingMode,
    batch_norm_eps: f64,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(
        options: &'a GraphOptions,
        padding: PaddingMode,
        batch_norm_eps: f64,
    ) -> Self {
        Self { builder: GraphBuilder::new(options.input), options, padding, batch_norm_eps }
    }

    /// eps of layer norms, where they have none of their own.
    pub(crate) fn norm_eps(&self) -> f64 {
        self.batch_norm_eps
    }

    pub(crate) fn into_builder(self) -> GraphBuilder {
        self.builder
    }

    /// Convolution, padded as the options want it where it is strided, of the width they give it.
    /// Depthwise ones keep the width of their input, other grouped ones the width of a group.
    pub(crate) fn conv2d(&mut self, x: NodeId, name: &str, mut conv: Conv2d) -> Result<NodeId> {
        if conv.groups > 1 && conv.groups == conv.out_channels {
            conv.groups = self.builder.shape(x).channels;
            conv.out_channels = conv.groups;
        } else if let Some(&channels) = self.options.channels.get(name) {
            let group_width = conv.out_channels / conv.groups;
            conv.out_channels = channels;
            conv.groups = if conv.groups > 1 { channels / group_width } else { 1 };
        }
        let same = self.padding == PaddingMode::Same && conv.stride != [1; 2];
        self.builder.conv2d(x, name, if same { conv.with_same_padding() } else { conv })
    }

    pub(crate) fn batch_norm(&mut self, x: NodeId, name: &str) -> NodeId {
        self.builder.batch_norm(x, name, self.batch_norm_eps)
    }

    /// Convolution and batch norm of these names.
    pub(crate) fn conv_norm(
        &mut self,
        x: NodeId,
        [conv_name, norm_name]: [&str; 2],
        conv: Conv2d,
    ) -> Result<NodeId> {
        let x = self.conv2d(x, conv_name, conv)?;
        Ok(self.batch_norm(x, norm_name))
    }

    /// Convolution `{name}.0` and batch norm `{name}.1`.
    pub(crate) fn conv_norm_at(&mut self, x: NodeId, name: &str, conv: Conv2d) -> Result<NodeId> {
        self.conv_norm(x, [&format!("{name}.0"), &format!("{name}.1")], conv)
    }

    /// x times a gate per channel: pool, squeeze, curve, excite, curve. `names` are those of the two
    /// 1×1 convolutions.
    pub(crate) fn squeeze_excite(
        &mut self,
        x: NodeId,
        [squeeze, excite]: [&str; 2],
        squeezed: usize,
        [within, gate]: [Activation; 2],
    ) -> Result<NodeId> {
        let channels = self.builder.shape(x).channels;
        let y = self.builder.global_avg_pool2d(x)?;
        let y = self.conv2d(y, squeeze, Conv2d::new(squeezed, 1).with_bias())?;
        let y = self.builder.activation(y, within);
        let y = self.conv2d(y, excite, Conv2d::new(channels, 1).with_bias())?;
        let y = self.builder.activation(y, gate);
        self.builder.multiply(x, y)
    }

    /// Fully connected layer, of the width the options give it.
    pub(crate) fn linear(&mut self, x: NodeId, name: &str, width: usize) -> Result<NodeId> {
        let width = self.options.channels.get(name).copied().unwrap_or(width);
        self.builder.linear(x, name, width)
    }

    /// Fully connected layer along an axis, of the width the options give it.
    pub(crate) fn linear_along(
        &mut self,
        x: NodeId,
        name: &str,
        width: usize,
        axis: usize,
        bias: bool,
    ) -> Result<NodeId> {
        let width = self.options.channels.get(name).copied().unwrap_or(width);
        self.builder.linear_along(x, name, width, axis, bias)
    }

    /// The last layer: one logit per class.
    pub(crate) fn classifier(&mut self, x: NodeId, name: &str) -> Result<NodeId> {
        let n_classes = self.options.n_classes;
        self.builder.linear(x, name, n_classes)
    }
}

impl Deref for Layers<'_> {
    type Target = GraphBuilder;

    fn deref(&self) -> &GraphBuilder {
        &self.builder
    }
}

impl DerefMut for Layers<'_> {
    fn deref_mut(&mut self) -> &mut GraphBuilder {
        &mut self.builder
    }
}

/// The multiple of 8 nearest to `channels / divisor`, but not more than a tenth below it.
pub(crate) fn round_to_8(channels: usize, divisor: usize) -> usize {
    let step = 8 * divisor;
    let rounded = ((channels + step / 2) / step * 8).max(8);
    if 10 * rounded * divisor < 9 * channels { rounded + 8 } else { rounded }
}
