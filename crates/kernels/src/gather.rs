//! The one convolution kernel behind both directions: every output gathers its inputs.
//!
//! out[o, n, origin + step·(y, x)] = Σ_{i, t} w[o, i, t] · in[i, n, stride·(y, x) + tap[t] + shift]
//!
//! A block of outputs copies what it reads into a padded buffer ([`Source`]), in which a tile of
//! neighbouring outputs is a product of packed weights [o, (i, t)] with rows that start at constant
//! offsets: a matrix product without ever writing the unrolled matrix.

use rayon::prelude::*;

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
        weight: impl Fn(usize, usize, usize, usize) -> T + Sync,
    ) -> Self {
        assert!(isa <= Isa::detect(), "{isa:?} is not available on this machine");
        let mut gather = Self { groups, rows, channels, stride, taps, weights: Vec::new(), isa };
        let (n_taps, n_terms) = (gather.taps.len(), gather.n_terms());
        let panels = (0..groups)
            .flat_map(|group| gather.panels().map(move |(first, n_rows)| (group, first, n_rows)));
        let panel = |(group, first, n_rows): (usize, usize, usize)| {
            let mut packed = Vec::with_capacity(n_terms * n_rows);
            for channel in 0..channels {
                for tap in 0..n_taps {
                    let rows = first..first + n_rows;
                    packed.extend(rows.map(|row| weight(group, row, channel, tap)));
                }
            }
            packed
        };
        let panels: Vec<_> = panels.collect::<Vec<_>>().into_par_iter().map(panel).collect();
        gather.weights = panels.concat();
        gather
    }

    /// The weights as they were before packing: [group][row][channel][tap].
    pub(crate) fn unpacked(&self) -> Vec<T> {
        let n_terms = self.n_terms();
        let mut plain = vec![T::ZERO; self.weights.len()];
        let longest = T::micro(self.isa).tiles.len();
        plain.par_chunks_mut(n_terms.max(1)).enumerate().for_each(|(at, plain)| {
            let (group, row) = (at / self.rows, at % self.rows);
            let first = panels(self.rows, longest).take_while(|&(first, _)| first <= row).last();
            let (first, n_rows) = first.unwrap_or((0, 1));
            let packed = &self.weights[(group * self.rows + first) * n_terms + row - first..];
            plain.iter_mut().zip(packed.iter().step_by(n_rows)).for_each(|(to, &from)| *to = from);
        });
        plain
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
