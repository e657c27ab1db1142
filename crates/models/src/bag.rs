//! A small bag of local features, after BagNet (Brendel & Bethge 2019), and a product of two such
//! bags: networks that do not, or do, combine distant pixels *by construction*.
//!
//! Four convolutions without padding see 9×9 pixels; their mean over the picture is read linearly.
//! So each logit is a sum over patches of 9×9, and pixels that no patch holds together never
//! interact: [`Bag::SUM`] is a control for every method that claims to find interactions.
//! [`Bag::PRODUCT`] reads u·v beside them, where u and v are linear in the features' means over the
//! four quadrants. Trained here, at 64×64; any size from 32×32 up.

use hsets_autodiff::{Activation, Conv2d, NodeId, Result};

use crate::layers::Layers;

/// Output channels, kernel and stride of each convolution: 9 pixels in all, every second one.
const CONVOLUTIONS: [(usize, usize, usize); 4] = [(16, 3, 1), (24, 3, 2), (32, 3, 1), (32, 1, 1)];

/// A member of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bag {
    has_product: bool,
}

impl Bag {
    /// Logits are sums over patches.
    pub const SUM: Self = Self { has_product: false };
    /// Logits are sums over patches plus a multiple of a product of two such sums.
    pub const PRODUCT: Self = Self { has_product: true };

    pub(crate) fn build(self, g: &mut Layers) -> Result<NodeId> {
        let mut x = g.input();
        for (i, (channels, kernel, stride)) in CONVOLUTIONS.into_iter().enumerate() {
            let conv = Conv2d::new(channels, kernel).with_stride(stride);
            x = g.conv_norm(x, [&format!("conv{}", i + 1), &format!("bn{}", i + 1)], conv)?;
            x = g.activation(x, Activation::Relu);
        }
        let mean = g.global_avg_pool2d(x)?;
        let mut read = g.flatten(mean);
        if self.has_product {
            let quadrants = g.adaptive_avg_pool2d(x, [2, 2])?;
            let quadrants = g.flatten(quadrants);
            let [u, v] = [g.linear(quadrants, "u", 1)?, g.linear(quadrants, "v", 1)?];
            let product = g.multiply(u, v)?;
            read = g.concat(&[read, product])?;
        }
        g.classifier(read, "fc")
    }
}
