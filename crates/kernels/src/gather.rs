//! The one convolution kernel behind both directions: every output gathers its inputs.
//!
//! out[o, n, origin + step·(y, x)] = Σ_{i, t} w[o, i, t] · in[i, n, stride·(y, x) + tap[t] + shift]
//!
//! A block of outputs copies what it reads into a padded buffer ([`Source`]), in which a tile of
//! neighbouring outputs is a product of packed weights [o, (i, t)] with rows that start at constant
//! offsets: a matrix product without ever writing the unrolled matrix.

use crate::Scalar;
use crate::emit::{Emit, Place};
use crate::isa::Isa;
use crate::shared::Shared;
use crate::source::{Source, View};
use crate::tiling::Call;

/// A convolution as a gather, with packed weights.
#[derive(Debug)]
pub(crate) struct Gather<T> {
    pub(crate) groups: usize,
    /// Output and input channels of a group.
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    stride: [usize; 2],
    pub(crate) taps: Vec<[isize; 2]>,
    /// Per group, panels of rows: [group][panel][(channel, tap)][row of panel].
    pub(crate) weights: Vec<T>,
    pub(crate) isa: Isa,
}

impl<T: Scalar> Gather<T> {
    /// Packs `weight(group, row, channel, tap)`.
    pub(crate) fn new(
        isa: Isa,
        [groups, rows, channels]: [usize; 3],
        stride: [usize; 2],
        taps: Vec<[isize; 2]>,
        weight: impl Fn(usize, usize, usize, usize) -> T,
    ) -> Self {
        assert!(isa <= Isa::detect(), "{isa:?} is not available on this machine");
        let mut gather = Self { groups, rows, channels, stride, taps, weights: Vec::new(), isa };
        let mut weights = Vec::with_capacity(groups * rows * gather.n_terms());
        for group in 0..groups {
            for (first, n_rows) in gather.panels() {
                for channel in 0..channels {
                    for tap in 0..gather.taps.len() {
                        let panel = first..first + n_rows;
                        weights.extend(panel.map(|row| weight(group, row, channel, tap)));
                    }
                }
            }
        }
        gather.weights = weights;
        gather
    }

    /// The weight that `new` was given.
    pub(crate) fn weight(&self, group: usize, row: usize, channel: usize, tap: usize) -> T {
        let n_terms = self.n_terms();
        let panel = self.panels().find(|&(first, n_rows)| row < first + n_rows);
        let (first, n_rows) = panel.unwrap_or((0, 1));
        let term = channel * self.taps.len() + tap;
        self.weights[(group * self.rows + first) * n_terms + term * n_rows + row - first]
    }

    pub(crate) fn n_terms(&self) -> usize {
        self.channels * self.taps.len()
    }

    pub(crate) fn n_panels(&self) -> usize {
        self.rows.div_ceil(T::micro(self.isa).tiles.len())
    }

    pub(crate) fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<T> {
        panels(self.rows, T::micro(self.isa).tiles.len())
    }

    /// Whether every output is zero.
    pub(crate) fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    /// Computes all of `place`'s grid.
    pub(crate) fn run(
        &self,
        view: View<'_, T>,
        shift: [isize; 2],
        place: Place,
        out: &mut [T],
        emit: &Emit<'_, T>,
    ) {
        assert_eq!(view.values.len(), self.groups * self.channels * view.batch * area(view.size));
        assert_eq!(out.len(), self.groups * self.rows * view.batch * area(place.plane));
        assert!(emit.bias.is_none_or(|bias| bias.len() == self.groups * self.rows));
        let source = Source::new(self.stride, &self.taps, shift);
        let flat = source.is_identity() && place.is_whole(view.size);
        let (view, place) = if flat {
            let row = [1, view.batch * area(view.size)];
            (View { values: view.values, batch: 1, size: row }, Place::whole(row))
        } else {
            (view, place)
        };
        if self.weights.len() * view.batch * area(place.grid) > 0 {
            Call::new(self, source, flat, view, place, &Shared::new(out), emit).run();
        }
    }
}

/// First row and number of rows of each panel of at most `most` rows, as equal as can be.
pub(crate) fn panels(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let n = rows.div_ceil(most);
    (0..n).map(move |i| (i * rows / n, (i + 1) * rows / n - i * rows / n))
}

pub(crate) fn area([height, width]: [usize; 2]) -> usize {
    height * width
}
