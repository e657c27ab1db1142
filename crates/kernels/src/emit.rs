//! Where finished sums go, and what is done to them on the way.

#![allow(unsafe_code)] // Tasks write disjoint parts of one output.

use crate::Scalar;
use crate::epilogue::Finish;
use crate::micro::{Micro, Rows};
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
    /// What is done to finished outputs.
    pub(crate) finish: Option<&'a Finish<'a, T>>,
}

impl<T: Scalar> Emit<'_, T> {
    /// Stores rows of `len` sums: of consecutive channels from `channel` on, or, if `lines`, of
    /// consecutive lines of that channel. Rows start at the given distances; neighbours are `step`
    /// apart in the output.
    ///
    /// # Safety
    /// No other thread may use these elements.
    #[allow(clippy::too_many_arguments)]
    pub(crate) unsafe fn store(
        &self,
        micro: Micro<T>,
        out: &Shared<'_, T>,
        (channel, lines): (usize, bool),
        [n_rows, len]: [usize; 2],
        (sums, sums_row): (&[T], usize),
        (first, out_row): (usize, usize),
        step: usize,
    ) {
        let bias = self.bias.map(|bias| &bias[channel..channel + if lines { 1 } else { n_rows }]);
        assert!((n_rows - 1) * sums_row + len <= sums.len());
        if step <= 2 {
            // SAFETY: the last row ends inside: of the sums by the assertion, of the output by that
            // of `Shared::pointer`; the bias has an element for each row or one for all.
            unsafe {
                let reach = (n_rows - 1) * out_row + (len - 1) * step + 1;
                let out = Rows { start: out.pointer(first, reach), step: out_row };
                let start = bias.map_or(std::ptr::null(), <[T]>::as_ptr);
                let bias = Rows { start, step: usize::from(!lines) };
                let sums = Rows { start: sums.as_ptr(), step: sums_row };
                (micro.store_rows)(sums, out, n_rows, len, bias, self.accumulate, step);
            }
            return;
        }
        for row in 0..n_rows {
            let bias = bias.map_or(T::ZERO, |bias| bias[if lines { 0 } else { row }]);
            let sums = &sums[row * sums_row..][..len];
            // SAFETY: by the caller's promise.
            let out = unsafe { out.slice(first + row * out_row, (len - 1) * step + 1) };
            for (out, &sum) in out.iter_mut().step_by(step).zip(sums) {
                *out = sum + bias + if self.accumulate { *out } else { T::ZERO };
            }
        }
    }
}
