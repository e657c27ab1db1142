//! Tensors of any rank on the CPU, by loops over strides.

use std::sync::Arc;

use hsets_kernels::{LineMap, LinePoint, Lines, MatMul, Scalar, strided_product};

use rayon::prelude::*;

use super::{CHUNK, Cpu, CpuTensor};
use crate::backend::{LineValues, Matrices};
use crate::{Dims, Slice};

/// Distance of neighbours along every axis and of batch elements.
pub(super) fn strides(dims: Dims, batch: usize) -> (Vec<usize>, usize) {
    let sizes = dims.sizes();
    let mut strides = vec![1; sizes.len()];
    for axis in (0..sizes.len() - 1).rev() {
        strides[axis] = strides[axis + 1] * sizes[axis + 1];
    }
    let plane = dims.plane();
    strides[0] = plane * batch;
    (strides, plane)
}

/// The loop that runs over an axis: (axis 0, batch, axis 1, …), as elements lie in memory.
pub(super) fn loop_of(axis: usize) -> usize {
    if axis == 0 { 0 } else { axis + 1 }
}

/// The loop that runs over the batch.
pub(super) const BATCH: usize = 1;

/// One number for the batch and one for every axis, in the order of the loops.
fn looped(of_batch: usize, of_axes: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut all: Vec<usize> = of_axes.into_iter().collect();
    all.insert(BATCH, of_batch);
    all
}

/// Strides of a tensor in loops over axes of `like`, 0 where it is broadcast.
pub(super) fn aligned(dims: Dims, batch: usize, like: Dims) -> Vec<usize> {
    let (own, of_batch) = strides(dims, batch);
    let missing = like.rank() - dims.rank();
    let of_axis = |axis: usize| {
        let own_axis = axis.checked_sub(missing)?;
        (dims.sizes()[own_axis] > 1).then(|| own[own_axis])
    };
    let axes = (0..like.rank()).map(|axis| of_axis(axis).unwrap_or(0));
    looped(if batch > 1 { of_batch } else { 0 }, axes)
}

/// Sizes of the loops over a tensor.
fn loops(dims: Dims, batch: usize) -> Vec<usize> {
    looped(batch, dims.sizes().iter().copied())
}

/// Strides of the loops over a tensor.
fn all_strides(dims: Dims, batch: usize) -> Vec<usize> {
    let (axes, of_batch) = strides(dims, batch);
    looped(of_batch, axes)
}

/// Adds x to a slice of `out`.
pub(super) fn paste<T: Scalar>(x: &CpuTensor<T>, slice: Slice, out: &mut CpuTensor<T>) {
    let own = all_strides(x.dims, x.batch);
    let mut to = all_strides(out.dims, out.batch);
    let first = slice.start * to[loop_of(slice.axis)];
    to[loop_of(slice.axis)] *= slice.step;
    let (sizes, zeros) = (loops(x.dims, x.batch), vec![0; own.len()]);
    let out = &mut out.data_mut()[first..];
    strided_product(&sizes, [&to, &own, &zeros], out, x.data(), &[T::ONE], true);
}

/// Adds every index of `grad` along an axis to that of `out` it was taken from.
pub(super) fn drop_at<T: Scalar>(
    grad: &CpuTensor<T>,
    axis: usize,
    indices: &[usize],
    out: &mut CpuTensor<T>,
) {
    for_runs(indices, |at, first, len| {
        let own = all_strides(grad.dims, grad.batch);
        let to = all_strides(out.dims, out.batch);
        let (sizes, zeros) = (loops(grad.dims.with(axis, len), grad.batch), vec![0; own.len()]);
        let from = &grad.data()[at * own[loop_of(axis)]..];
        let first = first * to[loop_of(axis)];
        let out = &mut out.data_mut()[first..];
        strided_product(&sizes, [&to, &own, &zeros], out, from, &[T::ONE], true);
    });
}

/// Calls `f(position, first, len)` for runs of neighbouring indices.
fn for_runs(indices: &[usize], mut f: impl FnMut(usize, usize, usize)) {
    let mut at = 0;
    while at < indices.len() {
        let follows = |n: &usize| indices[at + n] == indices[at] + n;
        let len = (1..indices.len() - at).take_while(follows).count() + 1;
        f(at, indices[at], len);
        at += len;
    }
}

/// What a map of lines keeps, as the kernels want it.
pub(super) fn point<T: Scalar>(values: &LineValues<CpuTensor<T>>) -> LinePoint<'_, T> {
    let r = values.r.as_ref().map_or(&[][..], |r| r.data());
    LinePoint { y: values.y.data(), r, batch: values.y.batch }
}

impl<T: Scalar> Cpu<T> {
    /// Parts side by side along an axis; those that are not there are zeros.
    pub(super) fn join(
        &self,
        axis: usize,
        parts: &[Option<&CpuTensor<T>>],
        (dims, batch): (Dims, usize),
        extents: &[usize],
    ) -> CpuTensor<T> {
        let is_whole = parts.iter().all(Option::is_some);
        let mut out = if is_whole { self.uninit(dims, batch) } else { self.zeros(dims, batch) };
        let to = all_strides(dims, batch);
        let mut first = 0;
        for (part, &extent) in parts.iter().zip(extents) {
            if let Some(part) = part {
                let sizes = loops(part.dims, batch);
                let mut from = all_strides(part.dims, part.batch);
                if part.batch == 1 {
                    from[1] = 0;
                }
                let (to, zeros) = (to.as_slice(), vec![0; from.len()]);
                let out = &mut out.data_mut()[first * to[loop_of(axis)]..];
                strided_product(&sizes, [to, &from, &zeros], out, part.data(), &[T::ONE], false);
            }
            first += extent;
        }
        out
    }

    /// Indices along an axis at equal distance.
    pub(super) fn cut(
        &self,
        x: &CpuTensor<T>,
        slice: Slice,
        into: Option<CpuTensor<T>>,
    ) -> CpuTensor<T> {
        let dims = x.dims.with(slice.axis, slice.len);
        if (slice.axis, slice.step) == (0, 1) && into.is_none() {
            // Neighbours in memory: nothing moves.
            let start = x.start + slice.start * x.plane() * x.batch;
            return CpuTensor { buffer: Arc::clone(&x.buffer), start, dims, batch: x.batch };
        }
        let (mut out, accumulate) = self.target(into, dims, x.batch);
        let to = all_strides(out.dims, out.batch);
        let mut from = all_strides(x.dims, x.batch);
        let first = slice.start * from[loop_of(slice.axis)];
        from[loop_of(slice.axis)] *= slice.step;
        let (sizes, zeros) = (loops(out.dims, out.batch), vec![0; from.len()]);
        let (out_data, x) = (out.data_mut(), &x.data()[first..]);
        strided_product(&sizes, [&to, &from, &zeros], out_data, x, &[T::ONE], accumulate);
        out
    }

    /// Given indices along an axis.
    pub(super) fn pick(&self, x: &CpuTensor<T>, axis: usize, indices: &[usize]) -> CpuTensor<T> {
        let mut out = self.uninit(x.dims.with(axis, indices.len()), x.batch);
        // Elements behind one index.
        let inner = all_strides(x.dims, x.batch)[loop_of(axis)];
        let (n, data) = (x.dims.sizes()[axis] * inner, x.data());
        let line = indices.len() * inner;
        let per_task = (CHUNK / line).max(1);
        out.data_mut().par_chunks_mut(per_task * line).enumerate().for_each(|(task, out)| {
            let lines = out.chunks_exact_mut(line).zip(data[task * per_task * n..].chunks_exact(n));
            for (to, from) in lines {
                if inner == 1 {
                    to.iter_mut().zip(indices).for_each(|(to, &index)| *to = from[index]);
                    continue;
                }
                for (to, &index) in to.chunks_exact_mut(inner).zip(indices) {
                    to.copy_from_slice(&from[index * inner..][..inner]);
                }
            }
        });
        out
    }

    /// Axes in another order.
    pub(super) fn permuted(&self, x: &CpuTensor<T>, order: &[usize]) -> CpuTensor<T> {
        let mut out = self.uninit(x.dims.permuted(order), x.batch);
        let (own, of_batch) = strides(x.dims, x.batch);
        let from = looped(of_batch, order.iter().map(|&axis| own[axis]));
        let to = all_strides(out.dims, out.batch);
        let (sizes, zeros) = (loops(out.dims, out.batch), vec![0; from.len()]);
        let data = out.data_mut();
        strided_product(&sizes, [&to, &from, &zeros], data, x.data(), &[T::ONE], false);
        out
    }

    /// The same elements under other sizes. Only batches whose first axis changes move anything.
    pub(super) fn reshaped(&self, x: Arc<CpuTensor<T>>, dims: Dims) -> CpuTensor<T> {
        let (from, to, n) = (x.plane(), dims.plane(), x.batch);
        if n == 1 || from == to {
            return CpuTensor { dims, ..Arc::unwrap_or_clone(x) };
        }
        let mut out = self.uninit(dims, n);
        let (long, short) = (from.max(to), from.min(to));
        if long % short == 0 {
            // (planes of the longer kind, parts of them, batch, elements of the shorter kind)
            let parts = long / short;
            let sizes = [x.dims.n_elements() / long, parts, n, short];
            let by_long = [n * long, short, long, 1];
            let by_short = [parts * n * short, n * short, short, 1];
            let (of_x, of_out) = if from > to { (by_long, by_short) } else { (by_short, by_long) };
            let strides = [&of_out[..], &of_x, &[0; 4]];
            strided_product(&sizes, strides, out.data_mut(), x.data(), &[T::ONE], false);
            return out;
        }
        let data = out.data_mut();
        for (p, plane) in x.data().chunks_exact(from).enumerate() {
            let (first, n_image) = (p / n * from, p % n);
            for (i, &value) in plane.iter().enumerate() {
                let at = first + i;
                data[(at / to * n + n_image) * to + at % to] = value;
            }
        }
        out
    }

    /// x ∘ y (or x alone), broadcast and summed to a size and batch.
    pub(super) fn contract(
        &self,
        x: &CpuTensor<T>,
        y: Option<&CpuTensor<T>>,
        (dims, batch): (Dims, usize),
        into: Option<CpuTensor<T>>,
    ) -> CpuTensor<T> {
        let (mut out, accumulate) = self.target(into, dims, batch);
        let other = y.map_or(x.dims, |y| y.dims);
        let all = x.dims.broadcast(other).and_then(|all| all.broadcast(dims)).unwrap_or(dims);
        let n = batch.max(x.batch).max(y.map_or(1, |y| y.batch));
        let sizes = loops(all, n);
        let (to, from) = (aligned(dims, batch, all), aligned(x.dims, x.batch, all));
        let (of_y, y) = match y {
            Some(y) => (aligned(y.dims, y.batch, all), y.data()),
            None => (vec![0; from.len()], &[T::ONE][..]),
        };
        strided_product(&sizes, [&to, &from, &of_y], out.data_mut(), x.data(), y, accumulate);
        out
    }

    /// A product of matrices at any axes.
    pub(super) fn matrix_product(
        &self,
        (x, x_axes): (&CpuTensor<T>, &[usize]),
        (y, y_axes): (&CpuTensor<T>, &[usize]),
        Matrices { of: (dims, batch), axes }: Matrices<'_>,
        into: Option<CpuTensor<T>>,
    ) -> CpuTensor<T> {
        let (_, [row, column]) = split(axes);
        let last = dims.rank() - 1;
        if row != last && column != last {
            // No axis of the matrix is dense: computed elsewhere and put in its place.
            let ordered = dims.permuted(axes);
            let plain: Vec<usize> = (0..dims.rank()).collect();
            let to = Matrices { of: (ordered, batch), axes: &plain };
            let product = self.matrix_product((x, x_axes), (y, y_axes), to, None);
            let mut back = vec![0; axes.len()];
            axes.iter().enumerate().for_each(|(at, &axis)| back[axis] = at);
            let product = self.permuted(&product, &back);
            return match into {
                Some(into) => self.contract(&product, None, (dims, batch), Some(into)),
                None => product,
            };
        }
        let (mut out, accumulate) = self.target(into, dims, batch);
        let operands = [
            Operand::new(dims, batch, axes),
            Operand::new(x.dims, x.batch, x_axes),
            Operand::new(y.dims, y.batch, y_axes),
        ];
        let [to, a, b] = &operands;
        let dense_rows = to.steps[1] != 1 && to.steps[0] == 1;
        let (m, k, n) = (to.sizes[0], a.sizes[1], to.sizes[1]);
        let spec = if dense_rows {
            // The transposed product: its columns are the rows that are dense.
            MatMul {
                sizes: [n, k, m],
                a: [b.steps[1], b.steps[0]],
                b: [a.steps[1], a.steps[0]],
                out: to.steps[1],
            }
        } else {
            MatMul { sizes: [m, k, n], a: a.steps, b: b.steps, out: to.steps[0] }
        };
        let rounds = Operand::offsets(&operands, batch.max(x.batch).max(y.batch));
        let (left, right) = if dense_rows { (y, x) } else { (x, y) };
        let data = out.data_mut();
        for (round, offsets) in rounds.iter().enumerate() {
            let offsets: Vec<[usize; 3]> = offsets
                .iter()
                .map(|&[to, a, b]| if dense_rows { [to, b, a] } else { [to, a, b] })
                .collect();
            spec.run(&offsets, data, left.data(), right.data(), accumulate || round > 0);
        }
        out
    }

    /// 1 at the first maximum along an axis, else 0.
    pub(super) fn maxima(&self, x: &CpuTensor<T>, axis: usize) -> CpuTensor<T> {
        let mut mask = self.zeros(x.dims, x.batch);
        let (sizes, steps) = (loops(x.dims.with(axis, 1), x.batch), all_strides(x.dims, x.batch));
        let (n, step) = (x.dims.sizes()[axis], steps[loop_of(axis)]);
        let (values, data) = (x.data(), mask.data_mut());
        for_each_offset(&sizes, &steps, |first| {
            let mut best = 0;
            for i in 1..n {
                if values[first + i * step] > values[first + best * step] {
                    best = i;
                }
            }
            data[first + best * step] = T::ONE;
        });
        mask
    }

    /// A map of the lines along an axis.
    pub(super) fn line_values(
        &self,
        map: LineMap,
        axis: usize,
        x: &CpuTensor<T>,
    ) -> LineValues<CpuTensor<T>> {
        let lines = Lines::new(x.dims.sizes(), axis);
        let mut y = self.uninit(x.dims, x.batch);
        let mut r = match map {
            LineMap::Softmax => None,
            LineMap::Normalize { .. } => Some(self.uninit(x.dims.with(axis, 1), x.batch)),
        };
        let scales = r.as_mut().map_or(&mut [][..], CpuTensor::data_mut);
        map.value(lines, x.batch, x.data(), y.data_mut(), scales);
        LineValues { y: Arc::new(y), r }
    }
}

/// Calls `f` with the offset of every element.
fn for_each_offset(sizes: &[usize], steps: &[usize], mut f: impl FnMut(usize)) {
    for mut flat in 0..sizes.iter().product() {
        let mut at = 0;
        for (size, step) in sizes.iter().zip(steps).rev() {
            at += flat % size * step;
            flat /= size;
        }
        f(at);
    }
}

/// Axes before the matrix, and its rows and columns.
fn split(axes: &[usize]) -> (&[usize], [usize; 2]) {
    let (outer, matrix) = axes.split_at(axes.len() - 2);
    (outer, [matrix[0], matrix[1]])
}

/// A tensor of matrices.
struct Operand {
    /// Sizes and strides of rows and columns.
    sizes: [usize; 2],
    steps: [usize; 2],
    /// Sizes and strides of the axes before, innermost first.
    outer: Vec<(usize, usize)>,
    /// Distance of batch elements, 0 if there is one only.
    image: usize,
}

impl Operand {
    fn new(dims: Dims, batch: usize, axes: &[usize]) -> Self {
        let (own, of_batch) = strides(dims, batch);
        let (outer, matrix) = split(axes);
        let outer = outer.iter().rev().map(|&axis| (dims.sizes()[axis], own[axis])).collect();
        Self {
            sizes: matrix.map(|axis| dims.sizes()[axis]),
            steps: matrix.map(|axis| own[axis]),
            outer,
            image: if batch > 1 { of_batch } else { 0 },
        }
    }

    /// Where the matrices of all three begin, in rounds in which no product is met twice.
    fn offsets(operands: &[Self; 3], n_images: usize) -> Vec<Vec<[usize; 3]>> {
        let rank = operands.iter().map(|o| o.outer.len()).max().unwrap_or(0);
        // Loops over images and outer axes: sizes, and strides of each operand.
        let mut axes = vec![(n_images, operands.each_ref().map(|o| o.image))];
        for axis in 0..rank {
            let own = operands.each_ref().map(|o| o.outer.get(axis).copied().unwrap_or((1, 0)));
            let size = own.iter().map(|(size, _)| *size).max().unwrap_or(1);
            axes.push((size, own.map(|(size, step)| if size > 1 { step } else { 0 })));
        }
        let (summed, kept): (Vec<_>, Vec<_>) =
            axes.into_iter().filter(|(size, _)| *size > 1).partition(|(_, steps)| steps[0] == 0);
        let all = |axes: &[(usize, [usize; 3])]| {
            let mut offsets = vec![[0; 3]];
            for (size, steps) in axes {
                offsets = (0..*size)
                    .flat_map(|i| {
                        offsets.iter().map(move |at| [0, 1, 2].map(|k| at[k] + i * steps[k]))
                    })
                    .collect();
            }
            offsets
        };
        let kept = all(&kept);
        let round = |first: [usize; 3]| -> Vec<[usize; 3]> {
            kept.iter().map(|at| [0, 1, 2].map(|k| at[k] + first[k])).collect()
        };
        all(&summed).into_iter().map(round).collect()
    }
}
