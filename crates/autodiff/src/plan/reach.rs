//! Which outputs of an op read an input pixel: how far tangents of single features spread.

use hsets_core::Shape;
use hsets_kernels::Window;

use super::PlanNode;
use crate::Dims;
use crate::backend::Backend;
use crate::ops::Step;
use crate::ops::choice::Choice;
use crate::ops::linear::Linear;

/// A window is small where the map has this many times its pixels.
const SMALL: usize = 4;

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
    /// `None` for ops that do not work on windows; `inputs` are the sizes of those inputs that depend
    /// on the image.
    pub(crate) fn of<B: Backend>(step: &Step<B>, inputs: &[Dims], dims: Dims) -> Option<Self> {
        let of = |kernel: [usize; 2], stride, dilation: [usize; 2], before| {
            let span = [0, 1].map(|axis| dilation[axis] * (kernel[axis] - 1));
            Some(Self { span, stride, before })
        };
        let pixelwise = || of([1; 2], [1; 2], [1; 2], [0; 2]);
        if dims.rank() != 3 {
            return None;
        }
        match step {
            Step::Linear(linear) => match linear {
                Linear::Conv2d { conv, .. } => {
                    let spec = B::spec(conv);
                    let before = [spec.padding.top, spec.padding.left];
                    of(spec.kernel, spec.stride, spec.dilation, before)
                }
                Linear::ChannelAffine { .. } => pixelwise(),
                Linear::Concat { axis: 0, .. } => {
                    let channels: usize = inputs.iter().map(|input| input.sizes()[0]).sum();
                    (channels == dims.sizes()[0]).then(pixelwise).flatten()
                }
                Linear::Add => inputs.iter().all(|&input| input == dims).then(pixelwise).flatten(),
                Linear::ConvTranspose2d { .. }
                | Linear::Dense { .. }
                | Linear::AvgPool2d(_)
                | Linear::AdaptiveAvgPool2d(_)
                | Linear::Scale(_)
                | Linear::Sum
                | Linear::Broadcast
                | Linear::Concat { .. }
                | Linear::Slice(_)
                | Linear::Pad(_)
                | Linear::Gather { .. }
                | Linear::Permute(_)
                | Linear::Reshape => None,
            },
            Step::Choice(Choice::MaxPool2d(pool)) => {
                of(pool.kernel, pool.stride, [1; 2], [pool.padding.top, pool.padding.left])
            }
            // Lines along the first axis are those of pixels.
            Step::Curve(_) | Step::Lines { axis: 0, .. } => pixelwise(),
            Step::Input
            | Step::Fixed(..)
            | Step::BatchNorm { .. }
            | Step::Bilinear(_)
            | Step::Choice(Choice::Max { .. })
            | Step::Lines { .. } => None,
        }
    }

    /// The outputs that read any pixel of `inputs`; one at least, even if none does.
    pub(crate) fn outputs(&self, inputs: Window, shape: Shape) -> Window {
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
pub(super) fn n_windowed<B: Backend>(nodes: &[PlanNode<B>]) -> usize {
    let mut sizes = Vec::new();
    for node in nodes {
        let size = match (&node.step, node.reach) {
            (Step::Input, _) => [1, 1],
            (Step::Fixed(..), _) => [0, 0],
            (_, Some(reach)) => {
                let active = node.inputs.iter().filter(|&&input| nodes[input].active);
                active.fold([1, 1], |size: [usize; 2], &input| {
                    let own = reach.most(sizes[input]);
                    [size[0].max(own[0]), size[1].max(own[1])]
                })
            }
            (_, None) => break,
        };
        if SMALL * size[0] * size[1] > node.dims.image().n_pixels() {
            break;
        }
        sizes.push(size);
    }
    // A convolution and its activation run as one.
    let parted = |&at: &usize| nodes[at].activation.is_some_and(|other| other >= sizes.len());
    (0..sizes.len()).find(parted).unwrap_or(sizes.len())
}

/// The smallest window that holds both.
pub(crate) fn union(a: Window, b: Window) -> Window {
    let first = [0, 1].map(|axis| a.origin[axis].min(b.origin[axis]));
    let end = [0, 1].map(|i| (a.origin[i] + a.size[i]).max(b.origin[i] + b.size[i]));
    Window { origin: first, size: [end[0] - first[0], end[1] - first[1]] }
}
