//! What a device must compute for the sweeps.
//!
//! Tensors hold a batch of \[C, H, W\] elements; how they lie in memory is the device's business.
//! Every linear map has its adjoint beside it. Adjoints take `into`: a gradient that is already
//! there and that the result is added to.

use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::{Conv2dSpec, Curve, Pool2dSpec, Scalar};

use crate::Result;

mod cpu;
mod device;
mod trainable;
mod window_ops;

pub use cpu::{Cpu, CpuIndices, CpuTensor};
pub use device::{Device, DeviceConv2d, DeviceIndices};
pub use trainable::Trainable;
pub use window_ops::WindowOps;

/// What a convolution's adjoint is passed through at once: the activation before it.
///
/// λ_z = φ'(z)·λ_y, in the adjoint-tangent sweep with the bend of the activation besides.
#[derive(Debug)]
pub enum Through<'a, T> {
    /// φ' told by the output y.
    Output(Curve, &'a T),
    /// φ' itself, and what is added: φ''·λ_y times ż.
    Slopes(&'a T, Option<(&'a T, &'a T)>),
}

/// A device with its tensors and prepared weights.
///
/// The methods come in pairs: a map and its adjoint. Factors that belong to the point of
/// linearisation may have a batch of 1 where the tangents have more; they are shared.
pub trait Backend: Send + Sync + Sized + 'static {
    /// Width of the numbers.
    type Scalar: Scalar;
    /// A batch of \[C, H, W\].
    type Tensor: Send + Sync;
    /// Prepared convolution weights.
    type Conv2d: Send + Sync;
    /// Prepared matrix.
    type Linear: Send + Sync;
    /// One value per channel.
    type Vector: Send + Sync;
    /// Where each maximum came from.
    type Indices: Send + Sync;

    /// Prepares weights \[O, I/groups, kh, kw\].
    fn prepare_conv2d(&self, spec: Conv2dSpec, weights: &[f64]) -> Result<Self::Conv2d>;
    /// Prepares a matrix `[out, in]`.
    fn prepare_linear(&self, out: usize, weights: &[f64]) -> Result<Self::Linear>;
    /// Prepares one value per channel.
    fn prepare_vector(&self, values: &[f64]) -> Result<Self::Vector>;

    /// Host to device, one slice \[C·H·W\] per batch element.
    fn upload(&self, shape: Shape, batch: &[&[Self::Scalar]]) -> Result<Self::Tensor>;
    /// Tangents on windows, if this device has them.
    fn window_ops(&self) -> Option<&dyn WindowOps<Self>> {
        None
    }
    /// One-hot tensors, one per feature.
    fn one_hot(&self, shape: Shape, features: &[usize]) -> Result<Self::Tensor>;
    /// Device to host, one vector \[C·H·W\] per batch element.
    fn download(&self, x: &Self::Tensor) -> Result<Vec<Vec<Self::Scalar>>>;
    /// Shape of one batch element.
    fn shape(&self, x: &Self::Tensor) -> Shape;

    /// Convolution, plus bias.
    fn conv2d(
        &self,
        conv: &Self::Conv2d,
        x: &Self::Tensor,
        bias: Option<&Self::Vector>,
    ) -> Result<Self::Tensor>;
    /// Adjoint of [`Backend::conv2d`] without bias.
    fn conv2d_adjoint(
        &self,
        conv: &Self::Conv2d,
        grad: &Self::Tensor,
        in_shape: Shape,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;

    /// φ(convolution + bias), with φ' and φ'' where asked (`derivatives` 1 or 2).
    #[allow(clippy::type_complexity)]
    fn conv2d_curve(
        &self,
        conv: &Self::Conv2d,
        x: &Self::Tensor,
        bias: Option<&Self::Vector>,
        curve: Curve,
        derivatives: usize,
    ) -> Result<(Self::Tensor, Option<Self::Tensor>, Option<Self::Tensor>)> {
        let z = Arc::new(self.conv2d(conv, x, bias)?);
        if derivatives == 0 {
            return Ok((self.curve(curve, z)?, None, None));
        }
        let (slopes, bends) = self.curve_slopes(curve, &z, derivatives > 1)?;
        Ok((self.curve(curve, z)?, Some(slopes), bends))
    }
    /// (slopes ∘ convolution without bias, convolution without bias).
    fn conv2d_scaled(
        &self,
        conv: &Self::Conv2d,
        x: &Self::Tensor,
        slopes: &Self::Tensor,
    ) -> Result<(Self::Tensor, Self::Tensor)> {
        let unscaled = self.conv2d(conv, x, None)?;
        Ok((self.multiply(&unscaled, slopes, None)?, unscaled))
    }
    /// [`Backend::conv2d_adjoint`], passed through the activation before the convolution.
    fn conv2d_adjoint_through(
        &self,
        conv: &Self::Conv2d,
        grad: &Self::Tensor,
        in_shape: Shape,
        into: Option<Self::Tensor>,
        through: &Through<'_, Self::Tensor>,
    ) -> Result<Self::Tensor> {
        let grad = Arc::new(self.conv2d_adjoint(conv, grad, in_shape, into)?);
        match through {
            Through::Output(curve, y) => self.curve_adjoint_by_output(*curve, y, grad),
            Through::Slopes(slopes, None) => self.multiply_owned(grad, slopes),
            Through::Slopes(slopes, Some((bends, z_dot))) => {
                let through = self.multiply_owned(grad, slopes)?;
                self.multiply(z_dot, bends, Some(through))
            }
        }
    }

    /// Matrix product, plus bias.
    fn linear(
        &self,
        matrix: &Self::Linear,
        x: &Self::Tensor,
        bias: Option<&Self::Vector>,
    ) -> Result<Self::Tensor>;
    /// Product with the transposed matrix.
    fn linear_adjoint(
        &self,
        matrix: &Self::Linear,
        grad: &Self::Tensor,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;

    /// `φ(scale[c]·x + shift[c])` of the concatenation x of `parts` along channels; without a curve
    /// φ is not applied.
    fn channel_affine(
        &self,
        parts: &[&Self::Tensor],
        scale: &Self::Vector,
        shift: Option<&Self::Vector>,
        curve: Option<Curve>,
    ) -> Result<Self::Tensor>;
    /// Its adjoint (φ left aside) for the part of `n` channels from `first` on, added to `into`.
    fn channel_affine_adjoint(
        &self,
        grad: &Self::Tensor,
        scale: &Self::Vector,
        first: usize,
        n: usize,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;

    /// φ(z), reusing z where nobody else holds it.
    fn curve(&self, curve: Curve, z: Arc<Self::Tensor>) -> Result<Self::Tensor>;
    /// φ'(z) and, where asked, φ''(z).
    fn curve_slopes(
        &self,
        curve: Curve,
        z: &Self::Tensor,
        bends: bool,
    ) -> Result<(Self::Tensor, Option<Self::Tensor>)>;

    /// `φ'(z) ∘ grad` from y = φ(z), for curves where [`Curve::output_tells_slope`]; reuses the
    /// gradient where nobody else holds it.
    fn curve_adjoint_by_output(
        &self,
        curve: Curve,
        y: &Self::Tensor,
        grad: Arc<Self::Tensor>,
    ) -> Result<Self::Tensor>;

    /// Max pooling, and where the maxima came from.
    fn max_pool2d(
        &self,
        spec: &Pool2dSpec,
        x: &Self::Tensor,
    ) -> Result<(Self::Tensor, Self::Indices)>;
    /// Tangent of max pooling.
    fn gather(&self, x: &Self::Tensor, indices: &Self::Indices) -> Result<Self::Tensor>;
    /// Adjoint of max pooling.
    fn scatter(
        &self,
        grad: &Self::Tensor,
        indices: &Self::Indices,
        in_shape: Shape,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;

    /// Average pooling.
    fn avg_pool2d(&self, spec: &Pool2dSpec, x: &Self::Tensor) -> Result<Self::Tensor>;
    /// Adjoint of average pooling.
    fn avg_pool2d_adjoint(
        &self,
        spec: &Pool2dSpec,
        grad: &Self::Tensor,
        in_shape: Shape,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Average pooling to a given size.
    fn adaptive_avg_pool2d(&self, size: [usize; 2], x: &Self::Tensor) -> Result<Self::Tensor>;
    /// Adjoint of average pooling to a given size.
    fn adaptive_avg_pool2d_adjoint(
        &self,
        grad: &Self::Tensor,
        in_shape: Shape,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;

    /// a + b, reusing a where nobody else holds it.
    fn add(&self, a: Arc<Self::Tensor>, b: &Self::Tensor) -> Result<Self::Tensor>;
    /// φ(a + b), reusing either where nobody else holds it.
    fn add_curve(
        &self,
        a: Arc<Self::Tensor>,
        b: Arc<Self::Tensor>,
        curve: Curve,
    ) -> Result<Self::Tensor>;
    /// Concatenation along channels.
    fn concat(&self, parts: &[&Self::Tensor]) -> Result<Self::Tensor>;
    /// `n` channels from `first` on: adjoint of concatenation and of padding.
    fn channels(
        &self,
        x: &Self::Tensor,
        first: usize,
        n: usize,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Zero channels before and after.
    fn pad_channels(&self, x: &Self::Tensor, before: usize, after: usize) -> Result<Self::Tensor>;
    /// Same elements under another shape: flattening and its adjoint.
    fn reshape(&self, x: Arc<Self::Tensor>, shape: Shape) -> Result<Self::Tensor>;

    /// `factor ∘ x`; the factor may be shared by the batch and may be one value per channel.
    fn multiply(
        &self,
        x: &Self::Tensor,
        factor: &Self::Tensor,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// `factor ∘ x` for a factor of the same \[C, H, W\], reusing x where nobody else holds it.
    fn multiply_owned(&self, x: Arc<Self::Tensor>, factor: &Self::Tensor) -> Result<Self::Tensor>;
    /// `gate[c] · x`, a gate per channel and batch element; x may be shared by the batch.
    fn spread(
        &self,
        gate: &Self::Tensor,
        x: &Self::Tensor,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Σ over pixels of `x ∘ y`: adjoint of a gate per channel; y may be shared by the batch.
    fn sum_planes(
        &self,
        x: &Self::Tensor,
        y: &Self::Tensor,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
}
