//! What scales or shifts channels is folded into the linear map before or behind it: the weights of
//! norms, layer scale, biases that are added by themselves.

use hsets_kernels::{Conv2dSpec, Scalar};

use super::lower::Planner;
use crate::backend::Backend;
use crate::ops::Step;
use crate::ops::bilinear::Bilinear;
use crate::ops::linear::Linear;
use crate::{Dims, NodeId, Op, Result};

/// A planned step that can still take in a scale and shift of its channels.
pub(super) enum Open<T> {
    /// A convolution with its weights and bias.
    Conv2d { spec: Conv2dSpec, weights: Vec<T>, bias: Vec<f64> },
    /// scale\[c\]·x + shift\[c\].
    Affine { scale: Vec<f64>, shift: Vec<f64> },
}

impl<B: Backend> Planner<'_, B> {
    /// An elementwise step of something with fixed numbers, one for each index of the first axis, as
    /// part of the step before it or as a step of its own. `None` if it is something else.
    pub(super) fn folded(
        &mut self,
        step: &Step<B>,
        (inputs, operands): (&[NodeId], &[usize]),
        dims: Dims,
    ) -> Result<Option<usize>> {
        let (&[a, b], None) = (operands, self.trained) else { return Ok(None) };
        let found = [(a, b, 0), (b, a, 1)].into_iter().find_map(|(x, fixed, which)| {
            let whole = self.nodes[x].active && self.nodes[x].dims == dims;
            self.of_channels(fixed, dims).filter(|_| whole).map(|values| (x, which, values))
        });
        let Some((x, which, values)) = found else { return Ok(None) };
        let values = values?;
        let n = values.len();
        let (scale, shift) = match step {
            Step::Bilinear(Bilinear::Multiply) => (values, vec![0.0; n]),
            _ => (vec![1.0; n], values),
        };
        let before = inputs[which].0;
        let is_only_reader = self.readers[before].len() == 1 && !self.graph.is_output(before);
        if is_only_reader && let Some(open) = self.open.remove(&x) {
            let open = open.then(&scale, &shift);
            self.nodes[x].step = Step::Linear(open.linear(self.backend)?);
            self.open.insert(x, open);
            return Ok(Some(x));
        }
        if let Step::Linear(_) = step {
            return Ok(None);
        }
        let open = Open::Affine { scale, shift };
        let at = self.push(Step::Linear(open.linear(self.backend)?), vec![x], dims)?;
        self.open.insert(at, open);
        Ok(Some(at))
    }

    /// Fixed numbers that are one for each index of the first axis, if that is what they are.
    fn of_channels(&self, at: usize, like: Dims) -> Option<Result<Vec<f64>>> {
        let Step::Fixed(tensor, _) = &self.nodes[at].step else { return None };
        let own = self.nodes[at].dims.padded(like.rank());
        let n = like.sizes()[0];
        let fits = own.plane() == 1 && [1, n].contains(&own.sizes()[0]);
        let values = || -> Result<Vec<f64>> {
            let values = self.backend.download(tensor)?.remove(0);
            let values = values.iter().map(|value| value.to_f64());
            Ok(if values.len() == n { values.collect() } else { values.cycle().take(n).collect() })
        };
        fits.then(values)
    }

    /// Whether all that reads a node is a product or sum with something that does not depend on the
    /// image, into which the node may be folded.
    pub(super) fn is_scaled(&self, at: usize) -> bool {
        let [reader] = self.readers[at][..] else { return false };
        let node = &self.graph.nodes[reader];
        let others = || node.inputs.iter().filter(|input| input.0 != at);
        self.trained.is_none()
            && !self.graph.is_output(at)
            && matches!(node.op, Op::Multiply | Op::Add)
            && others().count() == 1
            && others().all(|other| !self.depends[other.0])
    }

    /// What a linear map of x reads once the scale and shift of x are part of the map.
    pub(super) fn absorbed(
        &self,
        x: usize,
        matrix: &mut [B::Scalar],
        bias: &mut Vec<f64>,
    ) -> usize {
        let Some(Open::Affine { scale, shift }) = self.open.get(&x) else { return x };
        let n_in = scale.len();
        if bias.is_empty() {
            *bias = vec![0.0; matrix.len() / n_in];
        }
        for (row, bias) in matrix.chunks_exact_mut(n_in).zip(bias) {
            *bias += row.iter().zip(shift).map(|(w, shift)| w.to_f64() * shift).sum::<f64>();
            row.iter_mut().zip(scale).for_each(|(w, scale)| *w = scaled(*w, *scale));
        }
        self.nodes[x].inputs[0]
    }
}

impl<T: Scalar> Open<T> {
    /// With a scale and shift behind it.
    fn then(mut self, by: &[f64], plus: &[f64]) -> Self {
        let shifts = match &mut self {
            Self::Conv2d { weights, bias, .. } => {
                scale_rows(weights, by);
                bias
            }
            Self::Affine { scale, shift } => {
                scale.iter_mut().zip(by).for_each(|(scale, by)| *scale *= by);
                shift
            }
        };
        shifts.resize(by.len(), 0.0);
        for (shift, (by, plus)) in shifts.iter_mut().zip(by.iter().zip(plus)) {
            *shift = *shift * by + plus;
        }
        self
    }

    /// The step it stands for.
    pub(super) fn linear<B: Backend<Scalar = T>>(&self, backend: &B) -> Result<Linear<B>> {
        Ok(match self {
            Self::Conv2d { spec, weights, bias } => Linear::Conv2d {
                conv: backend.prepare_conv2d(*spec, weights.clone())?,
                bias: (!bias.is_empty()).then(|| backend.prepare_vector(bias)).transpose()?,
            },
            Self::Affine { scale, shift } => Linear::ChannelAffine {
                scale: backend.prepare_vector(scale)?,
                shift: backend.prepare_vector(shift)?,
            },
        })
    }
}

/// Every row of a matrix times a number of its own.
pub(super) fn scale_rows<T: Scalar>(matrix: &mut [T], by: &[f64]) {
    let len = matrix.len() / by.len();
    for (row, by) in matrix.chunks_exact_mut(len).zip(by) {
        row.iter_mut().for_each(|w| *w = scaled(*w, *by));
    }
}

fn scaled<T: Scalar>(w: T, by: f64) -> T {
    T::from_f64(w.to_f64() * by)
}
