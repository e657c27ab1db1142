//! Where finished sums go, and what is done to them on the way.

#![allow(unsafe_code)] // Tasks write disjoint parts of one output.

use crate::Scalar;
use crate::shared::Shared;

/// Positions in the planes of an output: grid position (y, x) is pixel origin + step·(y, x).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) grid: [usize; 2],
    pub(crate) plane: [usize; 2],
    pub(crate) origin: [usize; 2],
    pub(crate) step: [usize; 2],
}

impl Place {
    /// Every pixel.
    pub(crate) fn whole(size: [usize; 2]) -> Self {
        Self { grid: size, plane: size, origin: [0, 0], step: [1, 1] }
    }

    pub(crate) fn is_whole(&self, size: [usize; 2]) -> bool {
        self.grid == size && self.plane == size && self.step == [1, 1] && self.origin == [0, 0]
    }

    /// Index within the channel.
    #[inline(always)]
    pub(crate) fn index(&self, image: usize, y: usize, x: usize) -> usize {
        let row = image * self.plane[0] + self.origin[0] + y * self.step[0];
        row * self.plane[1] + self.origin[1] + x * self.step[1]
    }
}

/// What is done to sums before they are stored.
pub(crate) struct Emit<'a, T> {
    /// One number per output channel, added.
    pub(crate) bias: Option<&'a [T]>,
    /// Whether the output grows rather than is overwritten.
    pub(crate) accumulate: bool,
}

impl<T: Scalar> Emit<'_, T> {
    /// Stores a run of sums at `to`, `to + step` and so on.
    #[inline(always)]
    pub(crate) fn run(
        &self,
        channel: usize,
        sums: &[T],
        step: usize,
        out: &Shared<'_, T>,
        to: usize,
    ) {
        // SAFETY: every output position belongs to one block, every channel to one panel.
        let out = unsafe { out.slice(to, (sums.len() - 1) * step + 1) };
        let bias = self.bias.map_or(T::ZERO, |bias| bias[channel]);
        if step > 1 {
            for (out, &sum) in out.iter_mut().step_by(step).zip(sums) {
                *out = sum + bias + if self.accumulate { *out } else { T::ZERO };
            }
        } else if self.accumulate {
            out.iter_mut().zip(sums).for_each(|(out, &sum)| *out += sum + bias);
        } else {
            out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = sum + bias);
        }
    }
}
