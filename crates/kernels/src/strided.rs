//! Loops over tensors with strides of their own: copies into and out of parts, transposition,
//! broadcasting, and sums over axes, all of them as one product.

#![allow(unsafe_code)] // Tasks write disjoint elements of one output.

use rayon::prelude::*;

use crate::matvec::dot;
use crate::shared::Shared;
use crate::{Isa, Scalar};

/// Elements of the innermost axis a task takes at most.
const RUN: usize = 1 << 12;
/// Elements a task should handle at least.
const TASK: usize = 1 << 14;
/// Height and width of the tiles a transposition goes by: both sides stay in the first-level cache.
const TILE: usize = 32;

/// `out (+)= Σ x · y` over axes of the given `sizes`; element (i₀, i₁, …) of an operand lies at
/// Σ iₖ·strides\[k\] of its slice. An axis with stride 0 is broadcast where it belongs to an input,
/// and summed over where it belongs to the output. `strides` are those of output, x and y; other
/// axes of the output must not overlap.
///
/// With y = \[1\] and strides 0 this copies, transposes, broadcasts or sums x.
///
/// Sums run axis by axis in the given order, over neighbours as one: what stands between two axes
/// keeps them apart even if its size is 1. The first axis is summed element by element.
///
/// # Panics
/// If an operand is too short.
pub fn strided_product<T: Scalar>(
    sizes: &[usize],
    strides: [&[usize]; 3],
    out: &mut [T],
    x: &[T],
    y: &[T],
    accumulate: bool,
) {
    if sizes.contains(&0) {
        return;
    }
    for (strides, len) in strides.iter().zip([out.len(), x.len(), y.len()]) {
        let last: usize =
            sizes.iter().zip(*strides).map(|(size, stride)| (size - 1) * stride).sum();
        assert!(last < len, "an operand of {len} elements is read at {last}");
    }
    let loops = Loops::new(sizes, strides);
    let out = Shared::new(out);
    if let Some(across) = loops.transposed_axis() {
        return loops.transpose(across, &out, x, y, accumulate);
    }
    let n_runs = loops.along.size.div_ceil(RUN);
    let n_items = loops.outer.iter().map(|axis| axis.size).product::<usize>() * n_runs;
    let work = loops.along.size.min(RUN) * loops.summed.iter().map(|a| a.size).product::<usize>();
    for_items(n_items, work, |items| {
        Isa::detect().vectorise(
            #[inline(always)]
            || {
                for item in items {
                    let at = offsets(&loops.outer, item / n_runs);
                    let first = item % n_runs * RUN;
                    let n = RUN.min(loops.along.size - first);
                    let at = [0, 1, 2].map(|i| at[i] + first * loops.along.strides[i]);
                    // SAFETY: items are disjoint parts of the output.
                    unsafe { loops.item(at, n, &out, x, y, accumulate) };
                }
            },
        );
    });
}

/// Calls `f` with ranges of items, in parallel if that pays.
fn for_items(n: usize, work: usize, f: impl Fn(std::ops::Range<usize>) + Sync) {
    let per_task = (TASK / work.max(1)).max(1);
    let n_tasks = n.div_ceil(per_task);
    let task = |task: usize| f(task * per_task..n.min((task + 1) * per_task));
    if n_tasks == 1 { task(0) } else { (0..n_tasks).into_par_iter().for_each(task) }
}

/// One loop, with its strides in output, x and y.
#[derive(Debug, Clone, Copy)]
struct Axis {
    size: usize,
    strides: [usize; 3],
    /// Its place among all axes, of the last of those that it stands for.
    place: usize,
}

/// Where a flat index over `axes` lies in the three operands.
#[inline(always)]
fn offsets(axes: &[Axis], mut index: usize) -> [usize; 3] {
    let mut at = [0; 3];
    for axis in axes.iter().rev() {
        let i = index % axis.size;
        index /= axis.size;
        for k in 0..3 {
            at[k] += i * axis.strides[k];
        }
    }
    at
}

#[derive(Debug)]
struct Loops {
    /// Axes of the output, outermost first, but the innermost.
    outer: Vec<Axis>,
    /// The innermost axis of the output.
    along: Axis,
    /// Axes that are summed over.
    summed: Vec<Axis>,
}

impl Loops {
    fn new(sizes: &[usize], strides: [&[usize]; 3]) -> Self {
        let axes = sizes.iter().enumerate().filter(|(_, size)| **size > 1);
        let axes = axes.map(|(k, &size)| Axis { size, strides: strides.map(|s| s[k]), place: k });
        let (summed, mut outer): (Vec<_>, Vec<_>) = axes.partition(|axis| axis.strides[0] == 0);
        outer.sort_by_key(|axis| std::cmp::Reverse(axis.strides[0]));
        let mut outer = merged(outer, |_, _| true);
        let along = outer.pop().unwrap_or(Axis { size: 1, strides: [1, 0, 0], place: 0 });
        let summed = merged(summed, |a, b| a.place + 1 == b.place);
        Self { outer, along, summed }
    }

    /// The axis along which x is dense, if that is not the innermost one.
    fn transposed_axis(&self) -> Option<usize> {
        let dense = |axis: &Axis| axis.strides[1] == 1 && axis.size >= 4;
        let applies = self.summed.is_empty()
            && self.along.strides[0] == 1
            && self.along.strides[1] > 1
            && self.along.size >= 4;
        self.outer.iter().position(dense).filter(|_| applies)
    }

    /// Without sums, in tiles of the innermost axis and of the one along which x is dense.
    fn transpose<T: Scalar>(
        &self,
        across: usize,
        out: &Shared<'_, T>,
        x: &[T],
        y: &[T],
        accumulate: bool,
    ) {
        let mut outer = self.outer.clone();
        let across = outer.remove(across);
        let n_tiles = [across, self.along].map(|axis| axis.size.div_ceil(TILE));
        let n = outer.iter().map(|axis| axis.size).product::<usize>() * n_tiles[0] * n_tiles[1];
        for_items(n, TILE * TILE, |items| {
            for item in items {
                let at = offsets(&outer, item / (n_tiles[0] * n_tiles[1]));
                let rest = item % (n_tiles[0] * n_tiles[1]);
                let first = [rest / n_tiles[1] * TILE, rest % n_tiles[1] * TILE];
                let end = [across, self.along].map(|axis| axis.size);
                for j in first[0]..end[0].min(first[0] + TILE) {
                    let at = [0, 1, 2]
                        .map(|k| at[k] + j * across.strides[k] + first[1] * self.along.strides[k]);
                    let n = TILE.min(end[1] - first[1]);
                    // SAFETY: tiles are disjoint parts of the output.
                    let out = unsafe { out.slice(at[0], n) };
                    for (i, out) in out.iter_mut().enumerate() {
                        let value = x[at[1] + i * self.along.strides[1]]
                            * y[at[2] + i * self.along.strides[2]];
                        *out = if accumulate { *out + value } else { value };
                    }
                }
            }
        });
    }

    /// `n` outputs along the innermost axis, from the given offsets on.
    ///
    /// # Safety
    /// No other thread may use these outputs.
    #[inline(always)]
    unsafe fn item<T: Scalar>(
        &self,
        at: [usize; 3],
        n: usize,
        out: &Shared<'_, T>,
        x: &[T],
        y: &[T],
        accumulate: bool,
    ) {
        let [step, x_step, y_step] = self.along.strides;
        if let Some((inner, summed)) = self.summed.split_last()
            && inner.strides[1] == 1
            && inner.strides[2] <= 1
            && inner.place > 0
            && x_step != 1
        {
            let n_sums = summed.iter().map(|axis| axis.size).product();
            for i in 0..n {
                let mut total = T::ZERO;
                for s in 0..n_sums {
                    let [_, x_at, y_at] = offsets(summed, s);
                    let x = &x[at[1] + i * x_step + x_at..][..inner.size];
                    let y = &y[at[2] + i * y_step + y_at..];
                    total += match inner.strides[2] {
                        0 => y[0] * sum(x),
                        _ => dot(x, &y[..inner.size]),
                    };
                }
                // SAFETY: by the caller's promise.
                let out = unsafe { &mut out.slice(at[0] + i * step, 1)[0] };
                *out = if accumulate { *out + total } else { total };
            }
            return;
        }
        for s in 0..self.summed.iter().map(|axis| axis.size).product() {
            let [_, x_at, y_at] = offsets(&self.summed, s);
            let (x, y) = (&x[at[1] + x_at..], &y[at[2] + y_at..]);
            let add = accumulate || s > 0;
            if step == 1 {
                // SAFETY: by the caller's promise.
                let out = unsafe { out.slice(at[0], n) };
                run(out, (x, x_step), (y, y_step), add);
            } else {
                for i in 0..n {
                    // SAFETY: by the caller's promise.
                    let out = unsafe { &mut out.slice(at[0] + i * step, 1)[0] };
                    let value = x[i * x_step] * y[i * y_step];
                    *out = if add { *out + value } else { value };
                }
            }
        }
    }
}

/// Neighbours that are one longer axis in all three operands become one, if they may.
fn merged(axes: Vec<Axis>, may: impl Fn(&Axis, &Axis) -> bool) -> Vec<Axis> {
    let mut merged: Vec<Axis> = Vec::with_capacity(axes.len());
    for axis in axes {
        match merged.last_mut() {
            Some(last)
                if may(last, &axis)
                    && (0..3).all(|k| last.strides[k] == axis.size * axis.strides[k]) =>
            {
                *last = Axis { size: last.size * axis.size, ..axis };
            }
            _ => merged.push(axis),
        }
    }
    merged
}

/// `out (+)= x · y` for inputs with strides.
#[inline(always)]
fn run<T: Scalar>(
    out: &mut [T],
    (x, x_step): (&[T], usize),
    (y, y_step): (&[T], usize),
    add: bool,
) {
    #[inline(always)]
    fn each<T: Scalar>(out: &mut [T], values: impl Iterator<Item = T>, add: bool) {
        if add {
            out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
        } else {
            out.iter_mut().zip(values).for_each(|(out, value)| *out = value);
        }
    }
    match (x_step, y_step) {
        (1, 1) => each(out, x.iter().zip(y).map(|(&x, &y)| x * y), add),
        (1, 0) => {
            let y = y[0];
            each(out, x.iter().map(|&x| x * y), add);
        }
        (0, 1) => {
            let x = x[0];
            each(out, y.iter().map(|&y| x * y), add);
        }
        (0, 0) => each(out, std::iter::repeat(x[0] * y[0]), add),
        _ => {
            let n = out.len();
            each(out, (0..n).map(|i| x[i * x_step] * y[i * y_step]), add);
        }
    }
}

/// Σ x, in partial sums.
#[inline(always)]
pub(crate) fn sum<T: Scalar>(x: &[T]) -> T {
    const LANES: usize = 16;
    let mut sums = [T::ZERO; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    for (sum, &x) in sums.iter_mut().zip(chunks.remainder()) {
        *sum += x;
    }
    crate::matvec::fold(&mut sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Element by element, as the definition says.
    fn naive(
        sizes: &[usize],
        strides: [&[usize]; 3],
        out: &mut [f64],
        x: &[f64],
        y: &[f64],
        accumulate: bool,
    ) {
        let all: usize = sizes.iter().product();
        let at = |mut flat: usize| {
            let mut at = [0; 3];
            for k in (0..sizes.len()).rev() {
                let i = flat % sizes[k];
                flat /= sizes[k];
                (0..3).for_each(|o| at[o] += i * strides[o][k]);
            }
            at
        };
        if !accumulate {
            (0..all).for_each(|flat| out[at(flat)[0]] = 0.0);
        }
        (0..all).map(at).for_each(|[o, i, j]| out[o] += x[i] * y[j]);
    }

    fn check(sizes: &[usize], strides: [&[usize]; 3]) {
        let len = |strides: &[usize]| {
            1 + sizes.iter().zip(strides).map(|(n, s)| (n - 1) * s).sum::<usize>()
        };
        let numbers = |n: usize, by: f64| (0..n).map(|i| (i as f64 * by).sin()).collect::<Vec<_>>();
        let (x, y) = (numbers(len(strides[1]), 0.7), numbers(len(strides[2]), 1.3));
        for accumulate in [false, true] {
            let mut found = numbers(len(strides[0]), 0.3);
            let mut expected = found.clone();
            strided_product(sizes, strides, &mut found, &x, &y, accumulate);
            naive(sizes, strides, &mut expected, &x, &y, accumulate);
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-11, "{sizes:?} {strides:?}: {a} and not {b}");
            }
        }
    }

    #[test]
    fn as_the_definition() {
        check(&[3, 5], [&[5, 1], &[5, 1], &[0, 0]]); // copy
        check(&[40, 70], [&[70, 1], &[1, 40], &[0, 0]]); // transposition
        check(&[3, 40, 5, 70], [&[14000, 350, 70, 1], &[14000, 1, 2800, 40], &[0, 0, 0, 0]]);
        check(&[4, 6], [&[1, 0], &[6, 1], &[0, 0]]); // sum over the last axis
        check(&[40, 60], [&[0, 1], &[60, 1], &[60, 1]]); // sum over the first, of a product
        check(&[4, 33], [&[1, 0], &[33, 1], &[0, 1]]); // matrix and vector
        check(&[4, 3, 7], [&[21, 7, 1], &[7, 0, 1], &[0, 0, 1]]); // broadcasts
        check(&[5, 9], [&[30, 3], &[9, 1], &[0, 0]]); // into a part, with steps
        check(&[2, 3, 4], [&[0, 0, 0], &[12, 4, 1], &[12, 4, 1]]); // one number
        check(&[9000], [&[1], &[1], &[0]]);
        check(&[1, 1], [&[1, 1], &[1, 1], &[0, 0]]);
    }
}
