//! What all architectures build their graphs with: the options applied in one place.

use std::ops::{Deref, DerefMut};

use hsets_autodiff::{Conv2d, GraphBuilder, NodeId, Result};

use crate::architecture::{GraphOptions, PaddingMode};

/// A [`GraphBuilder`] that knows the options of the network it builds.
pub(crate) struct Layers<'a> {
    builder: GraphBuilder,
    options: &'a GraphOptions,
    batch_norm_eps: f64,
}

impl<'a> Layers<'a> {
    pub(crate) fn new(options: &'a GraphOptions, batch_norm_eps: f64) -> Self {
        Self { builder: GraphBuilder::new(options.input), options, batch_norm_eps }
    }

    pub(crate) fn options(&self) -> &GraphOptions {
        self.options
    }

    pub(crate) fn into_builder(self) -> GraphBuilder {
        self.builder
    }

    /// Convolution, padded as the options want it where it is strided, of the width they give it.
    /// All grouped ones are depthwise: they keep the width of their input.
    pub(crate) fn conv2d(&mut self, x: NodeId, name: &str, mut conv: Conv2d) -> Result<NodeId> {
        if conv.groups > 1 {
            conv.groups = self.builder.shape(x).channels;
            conv.out_channels = conv.groups;
        } else if let Some(&channels) = self.options.channels.get(name) {
            conv.out_channels = channels;
        }
        let same = self.options.padding == PaddingMode::Same && conv.stride != [1; 2];
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
