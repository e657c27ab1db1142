//! Tangents of single features on windows.
//!
//! The tangent along one pixel is zero outside the outputs that read it, a window that grows layer
//! by layer. The first layers, whose maps are the largest, work on that window alone, feature by
//! feature; where windows are no longer small the patches are embedded in whole tensors and the
//! sweep goes on as usual. On the way back, φ''·λ_y·ż is added in the window only.

use std::sync::Arc;

use rayon::prelude::*;

use crate::backend::{Backend, Patch, WindowOps};
use crate::ops::linear::Linear;
use crate::ops::{Moved, Saved, Step, activation, choice};
use crate::plan::union;
use crate::sweep::{Forward, Linearization, Tangent};
use crate::{Dims, Error, Result};

/// Patches of the first nodes along one feature, `None` for those without a tangent.
type Patches<B> = Vec<Option<Patch<B>>>;

impl<B: Backend> Linearization<'_, B> {
    /// The tangent sweep along the given features, one batch element each.
    pub(crate) fn tangent_of_features(&self, features: &[usize]) -> Result<Tangent<B>> {
        let plan = self.plan;
        let n = plan.n_windowed;
        let Some(ops) = self.backend.window_ops().filter(|_| n > 1) else {
            return self.tangent(self.backend.one_hot(plan.input_dims(), features)?);
        };
        let sweeps = features.par_iter().map(|&feature| self.patches(ops, feature, n));
        let sweeps: Vec<Patches<B>> = sweeps.collect::<Result<_>>()?;
        let of_node = |at: usize| -> Vec<Patch<B>> {
            sweeps.iter().filter_map(|patches| patches[at].clone()).collect()
        };
        let mut moved: Vec<Moved<B>> = plan.nodes.iter().map(|_| Moved::Nothing).collect();
        let mut tangents = Forward::new(plan);
        for (at, node) in plan.nodes[..n].iter().enumerate() {
            tangents.skip(node);
            if let Step::Curve(_) | Step::Lines { .. } = node.step {
                moved[at] = Moved::Patches(of_node(node.inputs[0]));
            }
        }
        let is_read = |at: &usize| tangents.is_read(*at) && plan.nodes[*at].active;
        for at in (0..n).filter(is_read).collect::<Vec<_>>() {
            let embedded = ops.embed(plan.nodes[at].dims.image(), &of_node(at))?;
            tangents.write(at, Arc::new(embedded));
        }
        self.tangent_from(n, features.len(), tangents, moved, None)
    }

    /// The tangents of the first `n` nodes along one feature.
    fn patches(&self, ops: &dyn WindowOps<B>, feature: usize, n: usize) -> Result<Patches<B>> {
        let mut patches: Patches<B> = Vec::with_capacity(n);
        for at in 0..n {
            let is_active = self.plan.nodes[at].active;
            let patch = is_active.then(|| self.patch(ops, feature, at, &patches)).transpose()?;
            patches.push(patch);
        }
        Ok(patches)
    }

    fn patch(
        &self,
        ops: &dyn WindowOps<B>,
        feature: usize,
        at: usize,
        before: &[Option<Patch<B>>],
    ) -> Result<Patch<B>> {
        let (backend, node) = (self.backend, &self.plan.nodes[at]);
        let shape = node.dims.image();
        let inputs: Vec<&Patch<B>> =
            node.inputs.iter().filter_map(|&input| before[input].as_ref()).collect();
        let unknown = || Error::Unsupported("an op that does not work on windows".into());
        let (Some(x), Some(reach)) = (inputs.first(), node.reach) else {
            return ops.pixel(shape, feature);
        };
        let window = inputs.iter().map(|x| reach.outputs(x.window, shape)).reduce(union);
        let window = window.ok_or_else(unknown)?;
        let grown = || inputs.iter().map(|x| ops.grow(x, window)).collect::<Result<Vec<_>>>();
        let values = match (&node.step, &self.saved[at]) {
            (Step::Linear(Linear::Conv2d { conv, .. }), _) => ops.conv2d(conv, x, window)?,
            (_, Saved::Curve(activation::Saved::Slopes { slopes, .. })) => ops.scale(x, slopes)?,
            (Step::Lines { map, axis }, Saved::Lines(saved)) => {
                let point = saved.in_window(ops, window)?;
                backend.lines_jacobian((*map, *axis), &point, &x.values, None)?
            }
            (_, Saved::Choice(choice::Saved::Indices(indices))) => {
                let in_shape = self.plan.nodes[node.inputs[0]].dims.image();
                ops.gather(x, in_shape, indices, window)?
            }
            (Step::Linear(Linear::ChannelAffine { scale, .. }), _) => {
                let parts = grown()?;
                backend.channel_affine(&parts.iter().collect::<Vec<_>>(), scale, None, None)?
            }
            (Step::Linear(Linear::Add), _) => {
                let mut terms = grown()?.into_iter();
                let first = terms.next().ok_or_else(unknown)?;
                terms.try_fold(first, |sum, term| backend.add(Arc::new(sum), &term))?
            }
            (Step::Linear(Linear::Concat { extents, .. }), _) => {
                let parts = grown()?;
                let parts: Vec<Option<&B::Tensor>> = parts.iter().map(Some).collect();
                let dims = [node.dims.sizes()[0], window.size[0], window.size[1]];
                backend.concat(0, &parts, (Dims::new(&dims), 1), extents)?
            }
            _ => return Err(unknown()),
        };
        Ok(Patch { window, values: Arc::new(values) })
    }
}
