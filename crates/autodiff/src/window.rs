//! Tangents of single features on windows.
//!
//! The tangent along one pixel is zero outside the outputs that read it, a window that grows layer
//! by layer. The first layers, whose maps are the largest, work on that window alone, feature by
//! feature; where windows are no longer small the patches are embedded in whole tensors and the
//! sweep goes on as usual. On the way back, φ''·λ_y·ż is added in the window only.

use std::sync::Arc;

use hsets_core::Shape;
use hsets_kernels::{Conv2dSpec, Window};
use rayon::prelude::*;

use crate::backend::{Backend, WindowOps};
use crate::ops::{Moved, Saved, activation};
use crate::plan::{PlanNode, Step};
use crate::sweep::{Forward, Linearization, Tangent};
use crate::{Error, Op, Result};

/// A window is small where the map has this many times its pixels.
const SMALL: usize = 4;

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

/// Which outputs of an op read an input pixel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Distance of the first and last pixel that an output reads.
    span: [usize; 2],
    stride: [usize; 2],
    /// Padding above and to the left.
    before: [usize; 2],
}

impl Reach {
    /// `None` for ops that do not work on windows.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        let of = |kernel: [usize; 2], stride, dilation: [usize; 2], before| Self {
            span: [0, 1].map(|axis| dilation[axis] * (kernel[axis] - 1)),
            stride,
            before,
        };
        match op {
            Op::Conv2d { spec: Conv2dSpec { kernel, stride, dilation, padding, .. }, .. } => {
                Some(of(*kernel, *stride, *dilation, [padding.top, padding.left]))
            }
            Op::MaxPool2d(pool) => {
                Some(of(pool.kernel, pool.stride, [1; 2], [pool.padding.top, pool.padding.left]))
            }
            Op::Activation(_) | Op::BatchNorm { .. } | Op::Add | Op::Concat => {
                Some(of([1; 2], [1; 2], [1; 2], [0; 2]))
            }
            _ => None,
        }
    }

    /// The outputs that read any pixel of `inputs`; one at least, even if none does.
    fn outputs(&self, inputs: Window, shape: Shape) -> Window {
        let size = [shape.height, shape.width];
        let range = [0, 1].map(|axis| {
            let (stride, from) = (self.stride[axis], inputs.origin[axis] + self.before[axis]);
            let first = from.saturating_sub(self.span[axis]).div_ceil(stride).min(size[axis] - 1);
            let last = (from + inputs.size[axis] - 1) / stride;
            (first, last.clamp(first, size[axis] - 1))
        });
        Window { origin: range.map(|r| r.0), size: range.map(|(first, last)| last - first + 1) }
    }

    /// Height and width that windows of outputs have at most.
    fn most(&self, inputs: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| (inputs[axis] + self.span[axis] - 1) / self.stride[axis] + 1)
    }
}

/// The first nodes, whose tangents stay in small windows.
pub(crate) fn n_windowed<B: Backend>(nodes: &[PlanNode<B>]) -> usize {
    let mut sizes = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let size = match node.reach {
            _ if at == 0 => [1, 1],
            Some(reach) => node.inputs.iter().fold([1, 1], |size: [usize; 2], &input| {
                let own = reach.most(sizes[input]);
                [size[0].max(own[0]), size[1].max(own[1])]
            }),
            None => break,
        };
        if SMALL * size[0] * size[1] > node.shape.n_pixels() {
            break;
        }
        sizes.push(size);
    }
    // A convolution and its activation run as one.
    let parted = |&at: &usize| nodes[at].activation.is_some_and(|other| other >= sizes.len());
    (0..sizes.len()).find(parted).unwrap_or(sizes.len())
}

fn union(a: Window, b: Window) -> Window {
    let first = [0, 1].map(|axis| a.origin[axis].min(b.origin[axis]));
    let end = [0, 1].map(|i| (a.origin[i] + a.size[i]).max(b.origin[i] + b.size[i]));
    Window { origin: first, size: [end[0] - first[0], end[1] - first[1]] }
}

impl<B: Backend> Linearization<'_, B> {
    /// The tangent sweep along the given features, one batch element each.
    pub(crate) fn tangent_of_features(&self, features: &[usize]) -> Result<Tangent<B>> {
        let plan = self.plan;
        let n = plan.n_windowed;
        let Some(ops) = self.backend.window_ops().filter(|_| n > 1) else {
            return self.tangent(self.backend.one_hot(plan.input_shape(), features)?);
        };
        let sweeps = features.par_iter().map(|&feature| self.patches(ops, feature, n));
        let sweeps: Vec<Vec<Patch<B>>> = sweeps.collect::<Result<_>>()?;
        let of_node = |at: usize| sweeps.iter().map(|patches| patches[at].clone()).collect();
        let mut moved: Vec<Moved<B>> = plan.nodes.iter().map(|_| Moved::Nothing).collect();
        let mut tangents = Forward::new(plan);
        for (at, node) in plan.nodes[..n].iter().enumerate() {
            tangents.skip(node);
            if let Step::Activation(_) = node.step {
                moved[at] = Moved::Patches(of_node(node.inputs[0]));
            }
        }
        for at in (0..n).filter(|&at| tangents.is_read(at)).collect::<Vec<_>>() {
            let embedded = ops.embed(plan.nodes[at].shape, &of_node(at))?;
            tangents.write(at, Arc::new(embedded));
        }
        self.tangent_from(n, tangents, moved, None)
    }

    /// The tangents of the first `n` nodes along one feature.
    fn patches(&self, ops: &dyn WindowOps<B>, feature: usize, n: usize) -> Result<Vec<Patch<B>>> {
        let mut patches: Vec<Patch<B>> = Vec::with_capacity(n);
        for at in 0..n {
            let patch = self.patch(ops, feature, at, &patches)?;
            patches.push(patch);
        }
        Ok(patches)
    }

    fn patch(
        &self,
        ops: &dyn WindowOps<B>,
        feature: usize,
        at: usize,
        before: &[Patch<B>],
    ) -> Result<Patch<B>> {
        let (backend, node) = (self.backend, &self.plan.nodes[at]);
        let inputs: Vec<&Patch<B>> = node.inputs.iter().map(|&input| &before[input]).collect();
        let unknown = || Error::Unsupported("an op that does not work on windows".into());
        let (Some(x), Some(reach)) = (inputs.first(), node.reach) else {
            return ops.pixel(node.shape, feature);
        };
        let window = inputs.iter().map(|x| reach.outputs(x.window, node.shape)).reduce(union);
        let window = window.ok_or_else(unknown)?;
        let grown = || inputs.iter().map(|x| ops.grow(x, window)).collect::<Result<Vec<_>>>();
        let values = match (&node.step, &self.saved[at]) {
            (Step::Conv2d { conv, .. }, _) => ops.conv2d(conv, x, window)?,
            (_, Saved::Activation(activation::Saved::Slopes { slopes, .. })) => {
                ops.scale(x, slopes)?
            }
            (_, Saved::MaxPool2d(indices)) => {
                let in_shape = self.plan.nodes[node.inputs[0]].shape;
                ops.gather(x, in_shape, indices, window)?
            }
            (Step::ChannelAffine { scale, .. }, _) => {
                let parts = grown()?;
                backend.channel_affine(&parts.iter().collect::<Vec<_>>(), scale, None, None)?
            }
            (Step::Add, _) => {
                let mut terms = grown()?.into_iter();
                let first = terms.next().ok_or_else(unknown)?;
                terms.try_fold(first, |sum, term| backend.add(Arc::new(sum), &term))?
            }
            (Step::Concat, _) => backend.concat(&grown()?.iter().collect::<Vec<_>>())?,
            _ => return Err(unknown()),
        };
        Ok(Patch { window, values: Arc::new(values) })
    }
}
