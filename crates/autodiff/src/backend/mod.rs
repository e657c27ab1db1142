//! What a device must compute for the sweeps.
//!
//! Tensors hold a batch of elements of up to eight axes, images \[C, H, W\] among them; how they lie
//! in memory is the device's business. Every linear map has its adjoint beside it. Adjoints take
//! `into`: a gradient that is already there and that the result is added to.

use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::{Conv2dSpec, Curve, LineMap, Pool2dSpec, Scalar};

use crate::ops::attention::Attention;
use crate::{Dims, Result, Slice};

mod cpu;
mod device;
mod window_ops;

pub use cpu::{Cpu, CpuIndices, CpuTensor};
pub use device::{Device, DeviceConv2d, DeviceIndices};
pub use window_ops::{Patch, WindowOps};

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

/// Where a product of matrices goes.
#[derive(Debug, Clone, Copy)]
pub struct Matrices<'a> {
    /// Size and batch of the product.
    pub of: (Dims, usize),
    /// Its axes that are (broadcast …, row, column).
    pub axes: &'a [usize],
}

/// A map of lines at a point.
#[derive(Debug)]
pub struct LineValues<T> {
    /// y.
    pub y: Arc<T>,
    /// 1/deviation of each line (normalisation), size 1 along the axis.
    pub r: Option<T>,
}

/// A device with its tensors and prepared weights.
///
/// The methods come in pairs: a map and its adjoint. Factors that belong to the point of
/// linearisation may have a batch of 1 where the tangents have more; they are shared.
pub trait Backend: Send + Sync + Sized + 'static {
    /// Width of the numbers.
    type Scalar: Scalar;
    /// A batch of elements.
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
    fn prepare_conv2d(&self, spec: Conv2dSpec, weights: Vec<Self::Scalar>) -> Result<Self::Conv2d>;
    /// Prepares a matrix `[out, in]`.
    fn prepare_linear(&self, out: usize, weights: Vec<Self::Scalar>) -> Result<Self::Linear>;
    /// Prepares one value per channel.
    fn prepare_vector(&self, values: &[f64]) -> Result<Self::Vector>;

    /// What a prepared convolution was made from.
    fn spec(conv: &Self::Conv2d) -> &Conv2dSpec;

    /// Host to device, one slice for each batch element.
    fn upload(&self, dims: Dims, batch: &[&[Self::Scalar]]) -> Result<Self::Tensor>;
    /// Numbers that are the same for every image, as a batch of 1.
    fn constant(&self, dims: Dims, values: &[f64]) -> Result<Self::Tensor>;
    /// Tangents on windows, if this device has them.
    fn window_ops(&self) -> Option<&dyn WindowOps<Self>> {
        None
    }
    /// One-hot tensors, one per feature.
    fn one_hot(&self, dims: Dims, features: &[usize]) -> Result<Self::Tensor>;
    /// Device to host, one vector for each batch element.
    fn download(&self, x: &Self::Tensor) -> Result<Vec<Vec<Self::Scalar>>>;
    /// Sizes of one batch element.
    fn dims(&self, x: &Self::Tensor) -> Dims;
    /// Number of batch elements.
    fn batch(&self, x: &Self::Tensor) -> usize;

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

    /// a + b, reusing a where nobody else holds it; b is broadcast to a, also over the batch.
    fn add(&self, a: Arc<Self::Tensor>, b: &Self::Tensor) -> Result<Self::Tensor>;
    /// φ(a + b), reusing either where nobody else holds it.
    fn add_curve(
        &self,
        a: Arc<Self::Tensor>,
        b: Arc<Self::Tensor>,
        curve: Curve,
    ) -> Result<Self::Tensor>;
    /// `factor · x`, reusing x where nobody else holds it.
    fn scale(&self, x: Arc<Self::Tensor>, factor: f64) -> Result<Self::Tensor>;

    /// Concatenation along an axis to the given size and batch; parts that are `None` are zeros that
    /// fill what is left, parts with a batch of 1 are shared.
    fn concat(
        &self,
        axis: usize,
        parts: &[Option<&Self::Tensor>],
        of: (Dims, usize),
        extents: &[usize],
    ) -> Result<Self::Tensor>;
    /// Indices along an axis at equal distance.
    fn slice(
        &self,
        x: &Self::Tensor,
        slice: Slice,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Adjoint of [`Backend::slice`]: zeros of `size` along the axis, but at the slice.
    fn unslice(
        &self,
        x: &Self::Tensor,
        slice: Slice,
        size: usize,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Given indices along an axis.
    fn take(&self, x: &Self::Tensor, axis: usize, indices: &[usize]) -> Result<Self::Tensor>;
    /// Adjoint of [`Backend::take`], along an axis of the given size.
    fn put(
        &self,
        grad: &Self::Tensor,
        along: (usize, usize),
        indices: &[usize],
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// Axis k becomes the one at `order[k]`.
    fn permute(&self, x: &Self::Tensor, order: &[usize]) -> Result<Self::Tensor>;
    /// Same elements under other sizes.
    fn reshape(&self, x: Arc<Self::Tensor>, dims: Dims) -> Result<Self::Tensor>;
    /// Broadcast to a size and batch.
    fn broadcast(&self, x: &Self::Tensor, of: (Dims, usize)) -> Result<Self::Tensor>;
    /// Adjoint of [`Backend::broadcast`]: summed to a size and batch.
    fn sum_to(
        &self,
        x: &Self::Tensor,
        of: (Dims, usize),
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;

    /// `factor ∘ x` for a factor of the same size, which may be shared by the batch.
    fn multiply(
        &self,
        x: &Self::Tensor,
        factor: &Self::Tensor,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// `factor ∘ x` for a factor of the same size, reusing x where nobody else holds it.
    fn multiply_owned(&self, x: Arc<Self::Tensor>, factor: &Self::Tensor) -> Result<Self::Tensor>;
    /// x ∘ y, both broadcast to each other and to a size and batch, or summed to them.
    fn product(
        &self,
        x: &Self::Tensor,
        y: &Self::Tensor,
        of: (Dims, usize),
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// x·y of matrices, given their axes that are (broadcast …, row, column), broadcast or summed to
    /// the product's.
    fn matmul(
        &self,
        x: (&Self::Tensor, &[usize]),
        y: (&Self::Tensor, &[usize]),
        to: Matrices<'_>,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;

    /// An attention without derivatives, by a kernel of its own; `None` if there is none for it.
    fn attention(&self, _attention: &Attention<'_, Self::Tensor>) -> Result<Option<Self::Tensor>> {
        Ok(None)
    }

    /// 1 at the first maximum along an axis, else 0.
    fn max_mask(&self, x: &Self::Tensor, axis: usize) -> Result<Self::Tensor>;

    /// A map of the lines along an axis.
    fn lines(&self, map: (LineMap, usize), x: &Self::Tensor) -> Result<LineValues<Self::Tensor>>;
    /// Its Jacobian, which is symmetric, times v.
    fn lines_jacobian(
        &self,
        map: (LineMap, usize),
        at: &LineValues<Self::Tensor>,
        v: &Self::Tensor,
        into: Option<Self::Tensor>,
    ) -> Result<Self::Tensor>;
    /// J·λ̇ + J̇·λ for the direction ẋ, with (λ, λ̇).
    fn lines_second(
        &self,
        map: (LineMap, usize),
        at: &LineValues<Self::Tensor>,
        x_dot: &Self::Tensor,
        grads: (&Self::Tensor, Option<&Self::Tensor>),
    ) -> Result<Self::Tensor>;

    /// Mean and biased variance of each channel, over the batch and all pixels.
    fn channel_moments(&self, x: &Self::Tensor) -> Result<Vec<[f64; 2]>>;
    /// Σ grad and Σ grad·(x - mean) of each channel.
    fn channel_products(
        &self,
        grad: &Self::Tensor,
        x: &Self::Tensor,
        means: &[f64],
    ) -> Result<Vec<[f64; 2]>>;
    /// `a[c]·grad + b[c]·x + c[c]`, reusing the gradient where nobody else holds it.
    fn channel_combine(
        &self,
        grad: Arc<Self::Tensor>,
        x: &Self::Tensor,
        factors: [&[f64]; 3],
    ) -> Result<Self::Tensor>;
    /// Gradient with respect to the weights \[O, I/groups, kh, kw\] of a convolution of `x`.
    fn conv2d_weight_gradient(
        &self,
        conv: &Self::Conv2d,
        x: &Self::Tensor,
        grad: &Self::Tensor,
    ) -> Result<Vec<Self::Scalar>>;
    /// Gradient with respect to the matrix \[O, I\] of a fully connected layer of `x`.
    fn linear_weight_gradient(
        &self,
        x: &Self::Tensor,
        grad: &Self::Tensor,
    ) -> Result<Vec<Self::Scalar>>;
}
