//! What a stage may ask of a network.

use crate::{Image, Link, Result, Shape, Smoothing, Target};

/// Something that gives logits for images.
pub trait Scored: Send + Sync {
    /// Shape of the images it takes.
    fn shape(&self) -> Shape;
    /// Number of logits.
    fn n_classes(&self) -> usize;
    /// How the logits become probabilities.
    fn link(&self) -> Link {
        Link::usual(self.n_classes())
    }
    /// Logits \[`n_classes`\] of each image. Any number of images: the field batches as it likes.
    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>>;
    /// The same of planar images \[C·H·W\] in memory of others, which a field may read there; those
    /// that do not say how get copies.
    fn logits_of_slices(&self, images: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
        self.logits(&copies(self.shape(), images)?)
    }
}

fn copies(shape: Shape, images: &[&[f32]]) -> Result<Vec<Image>> {
    images.iter().map(|data| Image::new(shape, data.to_vec())).collect()
}

impl<T: Scored + ?Sized> Scored for &T {
    fn shape(&self) -> Shape {
        (**self).shape()
    }

    fn n_classes(&self) -> usize {
        (**self).n_classes()
    }

    fn link(&self) -> Link {
        (**self).link()
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        (**self).logits(images)
    }

    fn logits_of_slices(&self, images: &[&[f32]]) -> Result<Vec<Vec<f32>>> {
        (**self).logits_of_slices(images)
    }
}

/// Logits and input gradient at one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Logits \[`n_classes`\].
    pub logits: Vec<f32>,
    /// Gradient \[C·H·W\] of the target with respect to the image.
    pub gradient: Vec<f32>,
}

/// A field with exact first derivatives (of the true network, unsmoothed).
pub trait Differentiable: Scored {
    /// Logits and gradient of `target` at each image. Any number of images.
    fn gradients(&self, images: &[Image], target: &Target) -> Result<Vec<Evaluation>>;
    /// The same of planar images \[C·H·W\] in memory of others, as [`Scored::logits_of_slices`].
    fn gradients_of_slices(&self, images: &[&[f32]], target: &Target) -> Result<Vec<Evaluation>> {
        self.gradients(&copies(self.shape(), images)?, target)
    }
}

/// A field with exact second derivatives.
pub trait TwiceDifferentiable: Differentiable {
    /// Linearises once at `image`; all Hessian products come from the result.
    fn curvature_at(
        &self,
        image: &Image,
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Box<dyn Curvature + '_>>;
}

/// A field linearised at one image: its (smoothed) gradient, and products with its Hessian.
pub trait Curvature: Send + Sync {
    /// Logits of the network as smoothed; [`Target::Top`] chose among these.
    fn logits(&self) -> &[f32];
    /// Gradient \[C·H·W\] of the target, with the smoothed derivatives.
    fn gradient(&self) -> &[f32];
    /// H·v for each direction v \[C·H·W\]; all share the linearisation.
    fn products(&self, directions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>>;
    /// Rows `H[j, :]` \[C·H·W\] of the given features j, as one batch where that is faster.
    fn rows(&self, features: &[usize]) -> Result<Vec<Vec<f32>>> {
        let one_hot = |&feature: &usize| {
            let mut direction = vec![0.0; self.gradient().len()];
            direction[feature] = 1.0;
            direction
        };
        self.products(&features.iter().map(one_hot).collect::<Vec<_>>())
    }
}

/// A network that can lose what training taught it, layer by layer.
///
/// For tests of what an explanation owes to the weights (Adebayo et al. 2018): one that stays the
/// same when they are random explains the picture and not the network.
pub trait Randomisable: Send + Sync {
    /// Number of layers with weights.
    fn n_layers(&self) -> usize;
    /// The network with the `n` layers nearest to its output drawn anew, as before training; those
    /// below are what they are. 0 ≤ n ≤ [`n_layers`](Self::n_layers). The same seed gives a layer
    /// the same weights, whatever n.
    fn randomised(&self, n: usize, seed: u64) -> Result<Box<dyn TwiceDifferentiable>>;
}
