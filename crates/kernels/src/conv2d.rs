//! Two-dimensional convolution (cross-correlation, as networks use the word) and its adjoint.
//!
//! out[o, n, y, x] = bias[o] + Σ_{i, u, v} w[o, i, u, v] · in[i, n, s·y + d·u - p, s·x + d·v - p]

use std::sync::OnceLock;

use crate::emit::{Emit, Place};
use crate::epilogue::{Epilogue, Finish};
use crate::gather::{Gather, area};
use crate::source::View;
use crate::winograd::Winograd;
use crate::{Isa, Scalar};

/// Zero padding at the four sides, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same at all four sides.
    pub const fn all(pixels: usize) -> Self {
        Self { top: pixels, bottom: pixels, left: pixels, right: pixels }
    }
}

/// Everything about a convolution but its weights and the size of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dSpec {
    /// Channels of the input, a multiple of `groups`.
    pub in_channels: usize,
    /// Channels of the output, a multiple of `groups`.
    pub out_channels: usize,
    /// Number of groups; `in_channels` for depthwise.
    pub groups: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal dilation.
    pub dilation: [usize; 2],
    /// Zero padding.
    pub padding: Padding,
}

impl Conv2dSpec {
    /// Height and width of the output, `None` if the kernel does not fit into the padded input.
    pub fn output_size(&self, [height, width]: [usize; 2]) -> Option<[usize; 2]> {
        let size = |padded: usize, axis: usize| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            Some(padded.checked_sub(reach)? / self.stride[axis] + 1)
        };
        Some([
            size(height + self.padding.top + self.padding.bottom, 0)?,
            size(width + self.padding.left + self.padding.right, 1)?,
        ])
    }

    /// Shape of the weights \[O, I/groups, kh, kw\].
    pub fn weight_shape(&self) -> [usize; 4] {
        let [height, width] = self.kernel;
        [self.out_channels, self.in_channels / self.groups, height, width]
    }
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Winograd's where it applies and there are at least [`Algorithm::WINOGRAD_CHANNELS`] on both
    /// sides, else direct: forward F(2×2, 3×3), whose outputs are equal where inputs are, so that
    /// max pooling finds the same first maximum on flat pictures; adjoints, which decide nothing, by
    /// F(4×4, 3×3) from [`Algorithm::WINOGRAD4_SIZE`] on.
    #[default]
    Auto,
    /// Products as in the definition.
    Direct,
    /// Winograd's F(2×2, 3×3) where it applies (3×3, stride 1, dilation 1, one group): 2.25 times
    /// fewer products, and rounding errors at most half again those of the direct sum.
    Winograd2,
    /// Winograd's F(4×4, 3×3) where it applies: 4 times fewer products, and rounding errors four
    /// times those of the direct sum.
    Winograd4,
}

impl Algorithm {
    /// Channels from which fewer products outweigh the transforms.
    pub const WINOGRAD_CHANNELS: usize = 64;
    /// Height and width from which F(4×4, 3×3) has enough tiles for its weights, which are 2.25 times
    /// as many to read as those of F(2×2, 3×3).
    pub const WINOGRAD4_SIZE: usize = 28;

    /// How many times fewer products than the definition it takes forward, and for the adjoint, for
    /// an input of a given size.
    pub fn reductions(self, spec: &Conv2dSpec, in_size: [usize; 2]) -> [f64; 2] {
        [self.winograd(spec), self.adjoint_winograd(spec, in_size)]
            .map(|m| m.map_or(1.0, |m| (9 * m * m) as f64 / ((m + 2) * (m + 2)) as f64))
    }

    /// m of Winograd's F(m×m, 3×3), if that is what the spec gets.
    fn winograd(self, spec: &Conv2dSpec) -> Option<usize> {
        let applies = spec.kernel == [3, 3]
            && spec.stride == [1, 1]
            && spec.dilation == [1, 1]
            && spec.groups == 1;
        let pays = spec.in_channels.min(spec.out_channels) >= Self::WINOGRAD_CHANNELS;
        match self {
            Self::Auto if applies && pays => Some(2),
            Self::Winograd2 if applies => Some(2),
            Self::Winograd4 if applies => Some(4),
            _ => None,
        }
    }

    /// The same for the adjoint.
    fn adjoint_winograd(self, spec: &Conv2dSpec, in_size: [usize; 2]) -> Option<usize> {
        let is_large = in_size.iter().all(|&n| n >= Self::WINOGRAD4_SIZE);
        self.winograd(spec).map(|m| if self == Self::Auto && is_large { 4 } else { m })
    }
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First row and column.
    pub origin: [usize; 2],
    /// Height and width.
    pub size: [usize; 2],
}

/// A convolution with frozen weights, prepared once for both directions.
#[derive(Debug)]
pub struct Conv2d<T> {
    spec: Conv2dSpec,
    isa: Isa,
    algorithm: Algorithm,
    forward: Gather<T>,
    /// Made when first needed.
    forward_winograd: OnceLock<Winograd<T>>,
    /// By F(2×2, 3×3) and by F(4×4, 3×3).
    adjoint_winograd: [OnceLock<Winograd<T>>; 2],
    adjoint: OnceLock<Vec<Phase<T>>>,
}

/// Input pixels (y, x) ≡ `origin` (mod stride): their gradient is a gather of stride 1.
#[derive(Debug)]
struct Phase<T> {
    origin: [usize; 2],
    gather: Gather<T>,
}

/// A part, made when first needed. It is made outside of the lock: while its helpers work, rayon
/// gives the thread other work, which may need the part and would wait for its own thread. So it may
/// be made twice; the first one stays.
fn made<V>(part: &OnceLock<V>, make: impl FnOnce() -> V) -> &V {
    if let Some(made) = part.get() {
        return made;
    }
    let new = make();
    part.get_or_init(|| new)
}

impl<T: Scalar> Conv2d<T> {
    /// Prepares weights of shape [`Conv2dSpec::weight_shape`], row-major.
    ///
    /// # Panics
    /// If the number of weights does not fit the spec.
    pub fn new(spec: Conv2dSpec, weights: Vec<T>) -> Self {
        Self::with_algorithm(spec, weights, Algorithm::default())
    }

    /// As [`Conv2d::new`], computed in a given way.
    ///
    /// # Panics
    /// If the number of weights does not fit the spec.
    pub fn with_algorithm(spec: Conv2dSpec, weights: Vec<T>, algorithm: Algorithm) -> Self {
        Self::with_isa(spec, weights, algorithm, Isa::detect())
    }

    /// As [`Conv2d::with_algorithm`], for given vector instructions.
    ///
    /// # Panics
    /// If the number of weights does not fit the spec or this machine lacks the instructions.
    #[allow(clippy::needless_pass_by_value)] // they are dropped once packed
    pub fn with_isa(spec: Conv2dSpec, weights: Vec<T>, algorithm: Algorithm, isa: Isa) -> Self {
        let [_, channels, kh, kw] = spec.weight_shape();
        assert_eq!(weights.len(), spec.weight_shape().iter().product::<usize>());
        let rows = spec.out_channels / spec.groups;
        let at = |axis: usize, k: usize, before: usize| {
            (k * spec.dilation[axis]) as isize - before as isize
        };
        let taps = (0..kh * kw)
            .map(|t| [at(0, t / kw, spec.padding.top), at(1, t % kw, spec.padding.left)])
            .collect();
        let weight = |group: usize, row: usize, channel: usize, tap: usize| {
            weights[((group * rows + row) * channels + channel) * kh * kw + tap]
        };
        let forward = Gather::new(isa, [spec.groups, rows, channels], spec.stride, taps, weight);
        Self {
            spec,
            isa,
            algorithm,
            forward,
            forward_winograd: OnceLock::new(),
            adjoint_winograd: [OnceLock::new(), OnceLock::new()],
            adjoint: OnceLock::new(),
        }
    }

    /// The spec it was made from.
    pub fn spec(&self) -> &Conv2dSpec {
        &self.spec
    }

    /// `out` [O, N, oh, ow] becomes the convolution of `x` [I, N, h, w], plus `bias` \[O\].
    pub fn forward(
        &self,
        batch: usize,
        in_size: [usize; 2],
        x: &[T],
        bias: Option<&[T]>,
        out: &mut [T],
    ) {
        self.forward_with(batch, in_size, x, bias, None, out);
    }

    /// As [`Conv2d::forward`], with a last step.
    pub fn forward_with(
        &self,
        batch: usize,
        in_size: [usize; 2],
        x: &[T],
        bias: Option<&[T]>,
        epilogue: Option<Epilogue<'_, T>>,
        out: &mut [T],
    ) {
        let Some(out_size) = self.spec.output_size(in_size) else { return };
        let finish = epilogue
            .map(|epilogue| Finish::new(epilogue, self.spec.out_channels, batch, area(out_size)));
        let emit = Emit { bias, accumulate: false, finish: finish.as_ref() };
        let view = View { values: x, batch, size: in_size };
        if let Some(m) = self.algorithm.winograd(&self.spec) {
            let winograd = made(&self.forward_winograd, || self.winograd(m));
            return winograd.run(view, out_size, out, &emit);
        }
        self.forward.run(view, [0, 0], Place::whole(out_size), out, &emit);
    }

    /// The part of the output of [`Conv2d::forward`] in `out_window`, from an input that is zero
    /// outside `in_window`: `x` [I, N, height, width of `in_window`], `out` [O, N, height, width of
    /// `out_window`]. Tangents that start at a single pixel have such inputs.
    pub fn forward_window(
        &self,
        batch: usize,
        in_window: Window,
        x: &[T],
        bias: Option<&[T]>,
        out_window: Window,
        out: &mut [T],
    ) {
        let shift = [0, 1].map(|axis| {
            (self.spec.stride[axis] * out_window.origin[axis]) as isize
                - in_window.origin[axis] as isize
        });
        let emit = Emit { bias, accumulate: false, finish: None };
        let view = View { values: x, batch, size: in_window.size };
        self.forward.run(view, shift, Place::whole(out_window.size), out, &emit);
    }

    /// `grad_in` [I, N, h, w] becomes (or, if `accumulate`, grows by) the adjoint applied to
    /// `grad_out` [O, N, oh, ow].
    pub fn adjoint(
        &self,
        batch: usize,
        in_size: [usize; 2],
        grad_out: &[T],
        grad_in: &mut [T],
        accumulate: bool,
    ) {
        self.adjoint_with(batch, in_size, grad_out, grad_in, accumulate, None);
    }

    /// As [`Conv2d::adjoint`], with a last step.
    pub fn adjoint_with(
        &self,
        batch: usize,
        in_size: [usize; 2],
        grad_out: &[T],
        grad_in: &mut [T],
        accumulate: bool,
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let Some(out_size) = self.spec.output_size(in_size) else { return };
        let finish = epilogue
            .map(|epilogue| Finish::new(epilogue, self.spec.in_channels, batch, area(in_size)));
        let view = View { values: grad_out, batch, size: out_size };
        let emit = Emit { bias: None, accumulate, finish: finish.as_ref() };
        if let Some(m) = self.algorithm.adjoint_winograd(&self.spec, in_size) {
            let winograd = made(&self.adjoint_winograd[m / 4], || self.winograd_adjoint(m));
            return winograd.run(view, in_size, grad_in, &emit);
        }
        let phases = made(&self.adjoint, || self.phases());
        if !accumulate && phases.iter().any(|phase| phase.gather.is_empty()) {
            grad_in.fill(T::ZERO);
        }
        for Phase { origin, gather } in phases {
            let step = self.spec.stride;
            let grid =
                [0, 1].map(|axis| in_size[axis].saturating_sub(origin[axis]).div_ceil(step[axis]));
            let place = Place { grid, plane: in_size, origin: *origin, step };
            gather.run(view, [0, 0], place, grad_in, &emit);
        }
        if self.spec.stride != [1, 1] {
            // Phases interleave: only now is any run of the output finished.
            if let Some(finish) = &finish {
                finish.apply_everywhere(self.isa, grad_in);
            }
        }
    }

    fn winograd(&self, m: usize) -> Winograd<T> {
        let Conv2dSpec { in_channels, out_channels, padding, .. } = self.spec;
        let first = [-(padding.top as isize), -(padding.left as isize)];
        let weights = self.forward.unpacked();
        Winograd::new(self.isa, m, [out_channels, in_channels], first, |row, channel, tap| {
            weights[(row * in_channels + channel) * 9 + tap]
        })
    }

    /// The adjoint of stride 1 is the convolution with the kernel turned by half a turn.
    fn winograd_adjoint(&self, m: usize) -> Winograd<T> {
        let Conv2dSpec { in_channels, out_channels, padding, .. } = self.spec;
        let first = [padding.top as isize - 2, padding.left as isize - 2];
        let weights = self.forward.unpacked();
        Winograd::new(self.isa, m, [in_channels, out_channels], first, |row, channel, tap| {
            weights[(channel * in_channels + row) * 9 + 8 - tap]
        })
    }

    /// The adjoint as one gather for each phase: input pixel a = φ + s·a' gets w[.., u] times
    /// output pixel a' + (φ + p - d·u)/s for every u that makes this an integer.
    fn phases(&self) -> Vec<Phase<T>> {
        let Conv2dSpec { in_channels, out_channels, groups, stride, .. } = self.spec;
        let [_, _, kh, kw] = self.spec.weight_shape();
        let source = |axis: usize, phase: usize, before: usize, u: usize| {
            let at = (phase + before) as isize - (self.spec.dilation[axis] * u) as isize;
            let stride = stride[axis] as isize;
            (at % stride == 0).then_some(at / stride)
        };
        let weights = self.forward.unpacked();
        let (rows, channels) = (out_channels / groups, in_channels / groups);
        let phase = |origin: [usize; 2]| {
            let at = |t: usize| {
                Some([
                    source(0, origin[0], self.spec.padding.top, t / kw)?,
                    source(1, origin[1], self.spec.padding.left, t % kw)?,
                ])
            };
            let (used, taps): (Vec<_>, Vec<_>) =
                (0..kh * kw).filter_map(|t| Some((t, at(t)?))).unzip();
            let shape = [groups, in_channels / groups, out_channels / groups];
            let gather = Gather::new(self.isa, shape, [1, 1], taps, |group, row, channel, tap| {
                weights[((group * rows + channel) * channels + row) * kh * kw + used[tap]]
            });
            Phase { origin, gather }
        };
        let origins = (0..stride[0]).flat_map(|y| (0..stride[1]).map(move |x| [y, x]));
        origins.map(phase).collect()
    }
}
