//! What a device must compute for tangents on windows.

use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::Window;

use crate::Result;
use crate::backend::Backend;

/// A tangent that is zero outside a window, for one batch element.
pub struct Patch<B: Backend> {
    /// Where it is not zero.
    pub window: Window,
    /// \[C, height, width\] of the window.
    pub values: Arc<B::Tensor>,
}

impl<B: Backend> Clone for Patch<B> {
    fn clone(&self) -> Self {
        Self { window: self.window, values: Arc::clone(&self.values) }
    }
}

/// Tangents that are zero outside a window, one batch element at a time. Windows lie inside maps.
pub trait WindowOps<B: Backend>: Sync {
    /// 1 at one feature of an input of the given shape.
    fn pixel(&self, shape: Shape, feature: usize) -> Result<Patch<B>>;
    /// The convolution (without bias) in `window`.
    fn conv2d(&self, conv: &B::Conv2d, x: &Patch<B>, window: Window) -> Result<B::Tensor>;
    /// x times the same window of `factor` \[C, H, W\].
    fn scale(&self, x: &Patch<B>, factor: &B::Tensor) -> Result<B::Tensor>;
    /// Tangent of max pooling in `window`; `in_shape` is that of what is pooled.
    fn gather(
        &self,
        x: &Patch<B>,
        in_shape: Shape,
        indices: &B::Indices,
        window: Window,
    ) -> Result<B::Tensor>;
    /// A window of a whole tensor of one batch element.
    fn crop(&self, x: &B::Tensor, window: Window) -> Result<B::Tensor>;
    /// x in a window that contains its own.
    fn grow(&self, x: &Patch<B>, window: Window) -> Result<B::Tensor>;
    /// Whole tensors, one batch element for each patch.
    fn embed(&self, shape: Shape, patches: &[Patch<B>]) -> Result<B::Tensor>;
    /// `sum` \[C, N, H, W\] plus factor \[C, H, W\] times one patch for each batch element.
    fn add_product(
        &self,
        sum: B::Tensor,
        factor: &B::Tensor,
        patches: &[Patch<B>],
    ) -> Result<B::Tensor>;
}
