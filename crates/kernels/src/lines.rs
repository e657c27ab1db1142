//! Maps of whole lines along one axis of a tensor: softmax and normalisation, each with its
//! Jacobian J, which is symmetric, and with the derivative of J along a direction.
//!
//! | map | y | J·v |
//! |---|---|---|
//! | softmax | exp(x)/Σ exp(x) | y∘(v - ⟨y, v⟩) |
//! | normalisation | r·(x - m(x)), r = 1/√(m((x - m(x))²) + ε) | r·(v - m(v) - y·m(y∘v)) |
//!
//! m is the mean of a line; without centring m(x) and m(v) are left out (RMS norm).
//!
//! With ẋ the direction, λ what J is applied to and λ̇ its change, what an adjoint-tangent sweep needs
//! is J·λ̇ + J̇·λ, where
//!
//! - softmax: J̇·λ = ẏ∘(λ - ⟨y, λ⟩) - y∘⟨ẏ, λ⟩ with ẏ = J·ẋ;
//! - normalisation: J̇·λ = -r²·(a·(λ - m(λ)) + q·(ẋ - m(ẋ)) + y·(m(ẋ∘λ) - m(ẋ)·m(λ) - 3·a·q)) with
//!   a = m(y∘ẋ) and q = m(y∘λ).

#![allow(unsafe_code)] // Tasks write disjoint lines of one output.

use rayon::prelude::*;

use crate::shared::Shared;
use crate::{Isa, Scalar};

/// Neighbouring lines that go together where lines are not dense.
const WIDE: usize = 128;
/// Partial sums of a dense line.
const LANES: usize = 16;
/// Elements of a line that are summed before they meet the rest: short sums round less.
const CHUNK: usize = 64;
/// Elements a task should handle at least.
const TASK: usize = 1 << 13;

/// A map of lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LineMap {
    /// exp(x)/Σ exp(x).
    Softmax,
    /// (x - m(x))/√(m((x - m(x))²) + ε).
    Normalize {
        /// Whether the mean is taken away.
        centred: bool,
        /// ε.
        eps: f64,
    },
}

/// The lines along one axis of a tensor `[d₀, batch, d₁, …]`.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    /// Elements of a line, and lines side by side.
    n: usize,
    inner: usize,
    /// d₀, and the axes between it and the line; `None` for lines along the first axis.
    outer: Option<[usize; 2]>,
}

/// What [`LineMap::value`] leaves for the other sweeps.
#[derive(Debug, Clone, Copy)]
pub struct LinePoint<'a, T> {
    /// y.
    pub y: &'a [T],
    /// r of each line (normalisation).
    pub r: &'a [T],
    /// Batch of both, 1 if it is shared.
    pub batch: usize,
}

/// What the adjoint of a map is applied to.
#[derive(Debug, Clone, Copy)]
pub struct LineGradients<'a, T> {
    /// λ, with the batch of the point.
    pub grad: &'a [T],
    /// λ̇, `None` for zero.
    pub grad_dot: Option<&'a [T]>,
}

/// A tensor and its batch.
pub type Batched<'a, T> = (&'a [T], usize);

impl Lines {
    /// Lines along `axis` of elements of these sizes (without the batch).
    pub fn new(sizes: &[usize], axis: usize) -> Self {
        let inner = sizes[axis + 1..].iter().product();
        let outer = (axis > 0).then(|| [sizes[0], sizes[1..axis].iter().product()]);
        Self { n: sizes[axis], inner, outer }
    }

    /// Number of lines.
    pub fn count(&self, batch: usize) -> usize {
        self.groups(batch) * self.inner
    }

    /// Groups of lines side by side.
    fn groups(&self, batch: usize) -> usize {
        batch * self.outer.map_or(1, |[a, b]| a * b)
    }

    /// The group of a tensor with batch `own` that belongs to a group of one with `batch`.
    #[inline(always)]
    fn group(&self, group: usize, batch: usize, own: usize) -> usize {
        match self.outer {
            _ if own == batch => group,
            None => 0,
            Some([_, between]) => group / (batch * between) * between + group % between,
        }
    }

    /// First element of a group and the distance of neighbours in a line.
    #[inline(always)]
    fn place(&self, group: usize, batch: usize) -> [usize; 2] {
        match self.outer {
            None => [group * self.inner, batch * self.inner],
            Some(_) => [group * self.n * self.inner, self.inner],
        }
    }

    /// Calls `f(group, first line, lines)` for blocks of lines side by side.
    fn for_blocks(&self, batch: usize, f: impl Fn(usize, usize, usize) + Sync) {
        let n_blocks = self.inner.div_ceil(WIDE);
        let n = self.groups(batch) * n_blocks;
        let block = |at: usize| {
            let first = at % n_blocks * WIDE;
            f(at / n_blocks, first, WIDE.min(self.inner - first));
        };
        let per_task = (TASK / (self.n * self.inner.min(WIDE)).max(1)).max(1);
        let task = |task: usize| {
            Isa::detect().vectorise(
                #[inline(always)]
                || (task * per_task..n.min((task + 1) * per_task)).for_each(block),
            );
        };
        let n_tasks = n.div_ceil(per_task);
        if n_tasks == 1 { task(0) } else { (0..n_tasks).into_par_iter().for_each(task) }
    }

    /// Lengths must be those of tensors of such lines.
    fn check<T>(&self, tensors: &[Batched<'_, T>]) {
        for (values, batch) in tensors {
            assert_eq!(values.len(), self.count(*batch) * self.n, "length of a tensor of lines");
        }
    }
}

/// A block of lines in several tensors.
#[derive(Clone, Copy)]
struct Block<'a, T, const I: usize> {
    n: usize,
    lines: usize,
    /// Each from the first element of the block on.
    values: [&'a [T]; I],
    strides: [usize; I],
}

impl<'a, T: Scalar, const I: usize> Block<'a, T, I> {
    #[inline(always)]
    fn new(
        of: Lines,
        (group, first, lines): (usize, usize, usize),
        batch: usize,
        tensors: [Batched<'a, T>; I],
    ) -> Self {
        let places = tensors.map(|(_, own)| of.place(of.group(group, batch, own), own));
        let values = std::array::from_fn(|k| &tensors[k].0[places[k][0] + first..]);
        Self { n: of.n, lines, values, strides: places.map(|place| place[1]) }
    }

    /// Combines `f(line, elements)` over every line, W lines at most.
    #[inline(always)]
    fn fold<const W: usize, const S: usize>(
        &self,
        start: T,
        combine: impl Fn(T, T) -> T,
        f: impl Fn(usize, [T; I]) -> [T; S],
    ) -> [[T; W]; S] {
        let mut total = [[start; W]; S];
        if W == 1 {
            // The same partial sums for dense lines and for others.
            let sums = if self.strides.iter().all(|&stride| stride == 1) {
                let lines = self.values.map(|values| &values[..self.n]);
                lanes(self.n, start, combine, |i| f(0, std::array::from_fn(|k| lines[k][i])))
            } else {
                let element = |i: usize, k: usize| self.values[k][i * self.strides[k]];
                lanes(self.n, start, combine, |i| f(0, std::array::from_fn(|k| element(i, k))))
            };
            for s in 0..S {
                total[s][0] = sums[s];
            }
            return total;
        }
        for from in (0..self.n).step_by(CHUNK) {
            let mut part = [[start; W]; S];
            for i in from..self.n.min(from + CHUNK) {
                let rows: [&[T]; I] =
                    std::array::from_fn(|k| &self.values[k][i * self.strides[k]..][..self.lines]);
                for j in 0..self.lines {
                    let found = f(j, std::array::from_fn(|k| rows[k][j]));
                    for s in 0..S {
                        part[s][j] = combine(part[s][j], found[s]);
                    }
                }
            }
            for s in 0..S {
                for j in 0..self.lines {
                    total[s][j] = combine(total[s][j], part[s][j]);
                }
            }
        }
        total
    }

    /// Sums of `f(line, elements)`.
    #[inline(always)]
    fn sums<const W: usize, const S: usize>(
        &self,
        f: impl Fn(usize, [T; I]) -> [T; S],
    ) -> [[T; W]; S] {
        self.fold(T::ZERO, |a, b| a + b, f)
    }

    /// Elements of the output at `to` become (or grow by) `f(line, elements)`.
    ///
    /// # Safety
    /// No other thread may use these lines.
    #[inline(always)]
    unsafe fn write(
        &self,
        out: &Shared<'_, T>,
        [to, stride]: [usize; 2],
        accumulate: bool,
        f: impl Fn(usize, [T; I]) -> T,
    ) {
        if self.lines == 1 && stride == 1 && self.strides.iter().all(|&stride| stride == 1) {
            let lines = self.values.map(|values| &values[..self.n]);
            // SAFETY: by the caller's promise.
            let out = unsafe { out.slice(to, self.n) };
            for i in 0..self.n {
                let value = f(0, std::array::from_fn(|k| lines[k][i]));
                out[i] = if accumulate { out[i] + value } else { value };
            }
            return;
        }
        for i in 0..self.n {
            let rows: [&[T]; I] =
                std::array::from_fn(|k| &self.values[k][i * self.strides[k]..][..self.lines]);
            // SAFETY: by the caller's promise.
            let out = unsafe { out.slice(to + i * stride, self.lines) };
            for j in 0..self.lines {
                let value = f(j, std::array::from_fn(|k| rows[k][j]));
                out[j] = if accumulate { out[j] + value } else { value };
            }
        }
    }
}

/// Combines `f(i)` for all i < n, in partial sums.
#[inline(always)]
fn lanes<T: Scalar, const S: usize>(
    n: usize,
    start: T,
    combine: impl Fn(T, T) -> T,
    f: impl Fn(usize) -> [T; S],
) -> [T; S] {
    let mut lanes = [[start; LANES]; S];
    let whole = n / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            let found = f(i + lane);
            for s in 0..S {
                lanes[s][lane] = combine(lanes[s][lane], found[s]);
            }
        }
    }
    for i in whole..n {
        let found = f(i);
        for s in 0..S {
            lanes[s][i - whole] = combine(lanes[s][i - whole], found[s]);
        }
    }
    lanes.map(|lanes| lanes.into_iter().reduce(&combine).unwrap_or(start))
}

impl LineMap {
    /// y of x `[d₀, batch, d₁, …]` and, for normalisation, r of each line.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn value<T: Scalar>(self, lines: Lines, batch: usize, x: &[T], y: &mut [T], r: &mut [T]) {
        lines.check(&[(x, batch), (y, batch)]);
        if let Self::Normalize { .. } = self {
            assert_eq!(r.len(), lines.count(batch));
        }
        if lines.inner == 1 {
            self.value_in_blocks::<T, 1>(lines, batch, x, y, r);
        } else {
            self.value_in_blocks::<T, WIDE>(lines, batch, x, y, r);
        }
    }

    fn value_in_blocks<T: Scalar, const W: usize>(
        self,
        lines: Lines,
        batch: usize,
        x: &[T],
        y: &mut [T],
        r: &mut [T],
    ) {
        let (y, r) = (Shared::new(y), Shared::new(r));
        lines.for_blocks(
            batch,
            #[inline(always)]
            |group, first, count| {
                let block = Block::new(lines, (group, first, count), batch, [(x, batch)]);
                let [to, stride] = lines.place(group, batch);
                let place = [to + first, stride];
                match self {
                    Self::Softmax => {
                        let low = T::from_f64(f64::NEG_INFINITY);
                        let larger = |a: T, b: T| if a > b { a } else { b };
                        let [most] = block.fold::<W, 1>(low, larger, |_, x| x);
                        let power = |j: usize, [x]: [T; 1]| (x - most[j]).exp_below();
                        // SAFETY: blocks are disjoint.
                        unsafe { block.write(&y, place, false, power) };
                        let end = place[0] + (lines.n - 1) * stride + count;
                        // SAFETY: only this task uses these lines; the slices end before `own` does.
                        let own = unsafe { std::slice::from_raw_parts(y.pointer(0, end), end) };
                        let powers = Block::<T, 1> {
                            values: [&own[place[0]..]],
                            strides: [stride],
                            ..block
                        };
                        let [sums] = powers.sums::<W, 1>(|_, power| power);
                        let factors = sums.map(|sum| T::ONE / sum);
                        for i in 0..lines.n {
                            // SAFETY: blocks are disjoint, and `powers` is not used any more.
                            let y = unsafe { y.slice(place[0] + i * stride, count) };
                            y.iter_mut().zip(&factors).for_each(|(y, &factor)| *y *= factor);
                        }
                    }
                    Self::Normalize { centred, eps } => {
                        let share = T::from_f64(1.0 / lines.n as f64);
                        let mut mean = [T::ZERO; W];
                        if centred {
                            [mean] = block.sums::<W, 1>(|_, x| x);
                            mean.iter_mut().for_each(|mean| *mean *= share);
                        }
                        let [squares] =
                            block.sums::<W, 1>(|j, [x]| [(x - mean[j]) * (x - mean[j])]);
                        let eps = T::from_f64(eps);
                        let scale = squares.map(|sum| T::ONE / (sum * share + eps).sqrt());
                        // SAFETY: blocks are disjoint.
                        unsafe {
                            let r = r.slice(group * lines.inner + first, count);
                            r.copy_from_slice(&scale[..count]);
                            block.write(&y, place, false, |j, [x]| (x - mean[j]) * scale[j]);
                        }
                    }
                }
            },
        );
    }

    /// `out` becomes (or grows by) J·v: tangent and adjoint.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn jacobian<T: Scalar>(
        self,
        lines: Lines,
        point: LinePoint<'_, T>,
        (v, batch): Batched<'_, T>,
        out: &mut [T],
        accumulate: bool,
    ) {
        lines.check(&[(point.y, point.batch), (v, batch), (out, batch)]);
        if lines.inner == 1 {
            self.jacobian_in_blocks::<T, 1>(lines, point, (v, batch), out, accumulate);
        } else {
            self.jacobian_in_blocks::<T, WIDE>(lines, point, (v, batch), out, accumulate);
        }
    }

    fn jacobian_in_blocks<T: Scalar, const W: usize>(
        self,
        lines: Lines,
        point: LinePoint<'_, T>,
        (v, batch): Batched<'_, T>,
        out: &mut [T],
        accumulate: bool,
    ) {
        let out = Shared::new(out);
        lines.for_blocks(
            batch,
            #[inline(always)]
            |group, first, count| {
                let tensors = [(point.y, point.batch), (v, batch)];
                let block = Block::new(lines, (group, first, count), batch, tensors);
                let [to, stride] = lines.place(group, batch);
                let place = [to + first, stride];
                match self {
                    Self::Softmax => {
                        let [sum] = block.sums::<W, 1>(|_, [y, v]| [y * v]);
                        // SAFETY: blocks are disjoint.
                        unsafe {
                            block.write(&out, place, accumulate, |j, [y, v]| y * (v - sum[j]));
                        }
                    }
                    Self::Normalize { centred, .. } => {
                        let r = scales::<T, W>(lines, point, (group, first, count), batch);
                        let share = T::from_f64(1.0 / lines.n as f64);
                        let of_mean = if centred { share } else { T::ZERO };
                        let [sum, product] = block.sums::<W, 2>(|_, [y, v]| [v, y * v]);
                        let (mean, part) = (sum.map(|s| s * of_mean), product.map(|s| s * share));
                        // SAFETY: blocks are disjoint.
                        unsafe {
                            block.write(&out, place, accumulate, |j, [y, v]| {
                                r[j] * (v - mean[j] - y * part[j])
                            });
                        }
                    }
                }
            },
        );
    }

    /// `out` becomes J·λ̇ + J̇·λ for the direction ẋ.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn second<T: Scalar>(
        self,
        lines: Lines,
        point: LinePoint<'_, T>,
        LineGradients { grad, grad_dot }: LineGradients<'_, T>,
        (x_dot, batch): Batched<'_, T>,
        out: &mut [T],
    ) {
        lines.check(&[(point.y, point.batch), (grad, point.batch), (x_dot, batch), (out, batch)]);
        if let Some(grad_dot) = grad_dot {
            self.jacobian(lines, point, (grad_dot, batch), out, false);
        }
        let add = grad_dot.is_some();
        if lines.inner == 1 {
            self.second_in_blocks::<T, 1>(lines, point, grad, (x_dot, batch), out, add);
        } else {
            self.second_in_blocks::<T, WIDE>(lines, point, grad, (x_dot, batch), out, add);
        }
    }

    fn second_in_blocks<T: Scalar, const W: usize>(
        self,
        lines: Lines,
        point: LinePoint<'_, T>,
        grad: &[T],
        (x_dot, batch): Batched<'_, T>,
        out: &mut [T],
        accumulate: bool,
    ) {
        let out = Shared::new(out);
        lines.for_blocks(
            batch,
            #[inline(always)]
            |group, first, count| {
                let tensors = [(point.y, point.batch), (grad, point.batch), (x_dot, batch)];
                let block = Block::new(lines, (group, first, count), batch, tensors);
                let [to, stride] = lines.place(group, batch);
                let place = [to + first, stride];
                match self {
                    Self::Softmax => {
                        let [of_grad, of_dot, both] = block
                            .sums::<W, 3>(|_, [y, grad, dot]| [y * grad, y * dot, y * grad * dot]);
                        let mut rest = [T::ZERO; W];
                        for j in 0..count {
                            rest[j] = both[j] - of_grad[j] * of_dot[j];
                        }
                        // SAFETY: blocks are disjoint.
                        unsafe {
                            block.write(&out, place, accumulate, |j, [y, grad, dot]| {
                                y * ((dot - of_dot[j]) * (grad - of_grad[j]) - rest[j])
                            });
                        }
                    }
                    Self::Normalize { centred, .. } => {
                        let r = scales::<T, W>(lines, point, (group, first, count), batch);
                        let share = T::from_f64(1.0 / lines.n as f64);
                        let of_mean = if centred { share } else { T::ZERO };
                        let sums = block.sums::<W, 5>(|_, [y, grad, dot]| {
                            [grad, dot, y * grad, y * dot, grad * dot]
                        });
                        let [mean, mean_dot] = [sums[0], sums[1]].map(|s| s.map(|s| s * of_mean));
                        let [q, a, both] =
                            [sums[2], sums[3], sums[4]].map(|s| s.map(|s| s * share));
                        let mut rest = [T::ZERO; W];
                        let three = T::from_f64(3.0);
                        for j in 0..count {
                            rest[j] = both[j] - mean[j] * mean_dot[j] - three * a[j] * q[j];
                        }
                        // SAFETY: blocks are disjoint.
                        unsafe {
                            block.write(&out, place, accumulate, |j, [y, grad, dot]| {
                                let sum = a[j] * (grad - mean[j]) + q[j] * (dot - mean_dot[j]);
                                -(r[j] * r[j]) * (sum + y * rest[j])
                            });
                        }
                    }
                }
            },
        );
    }
}

/// r of the lines of a block.
#[inline(always)]
fn scales<T: Scalar, const W: usize>(
    lines: Lines,
    point: LinePoint<'_, T>,
    (group, first, count): (usize, usize, usize),
    batch: usize,
) -> [T; W] {
    let mut scales = [T::ZERO; W];
    let at = lines.group(group, batch, point.batch) * lines.inner + first;
    scales[..count].copy_from_slice(&point.r[at..][..count]);
    scales
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: [LineMap; 3] = [
        LineMap::Softmax,
        LineMap::Normalize { centred: true, eps: 1e-3 },
        LineMap::Normalize { centred: false, eps: 1e-3 },
    ];

    fn numbers(n: usize, by: f64) -> Vec<f64> {
        (0..n).map(|i| ((i as f64 + 1.0) * by).sin()).collect()
    }

    struct Point {
        y: Vec<f64>,
        r: Vec<f64>,
    }

    fn point(map: LineMap, lines: Lines, batch: usize, x: &[f64]) -> Point {
        let (mut y, mut r) = (vec![0.0; x.len()], vec![0.0; lines.count(batch)]);
        map.value(lines, batch, x, &mut y, &mut r);
        Point { y, r }
    }

    fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < tolerance, "{what}: {a} and not {b}");
        }
    }

    #[test]
    fn derivatives_are_those_of_values() {
        for (sizes, axis) in
            [([5, 3, 4], 0), ([5, 3, 4], 1), ([5, 3, 4], 2), ([70, 1, 1], 0), ([2, 1, 70], 2)]
        {
            for map in MAPS {
                let (lines, batch) = (Lines::new(&sizes, axis), 2);
                let n = batch * sizes.iter().product::<usize>();
                let [x, dot, grad, grad_dot] = [0.7, 1.9, 0.37, 2.3].map(|by| numbers(n, by));
                let moved = |step: f64| -> Vec<f64> {
                    x.iter().zip(&dot).map(|(x, dot)| x + step * dot).collect()
                };
                let (h, what) = (1e-5, format!("{map:?} {sizes:?} {axis}"));
                let jacobian = |x: &[f64], v: &[f64]| {
                    let Point { y, r } = point(map, lines, batch, x);
                    let mut out = vec![0.0; n];
                    let point = LinePoint { y: &y, r: &r, batch };
                    map.jacobian(lines, point, (v, batch), &mut out, false);
                    out
                };
                let difference = |up: &[f64], down: &[f64]| -> Vec<f64> {
                    up.iter().zip(down).map(|(up, down)| (up - down) / (2.0 * h)).collect()
                };
                let [up, down] = [h, -h].map(|step| point(map, lines, batch, &moved(step)).y);
                close(&jacobian(&x, &dot), &difference(&up, &down), 1e-7, &what);

                let Point { y, r } = point(map, lines, batch, &x);
                let here = LinePoint { y: &y, r: &r, batch };
                let mut out = vec![0.0; n];
                let grads = LineGradients { grad: &grad, grad_dot: Some(&grad_dot) };
                map.second(lines, here, grads, (&dot, batch), &mut out);
                let [up, down] = [h, -h].map(|step| jacobian(&moved(step), &grad));
                let mut expected = difference(&up, &down);
                let linear = jacobian(&x, &grad_dot);
                expected.iter_mut().zip(linear).for_each(|(sum, part)| *sum += part);
                close(&out, &expected, 1e-6, &what);
            }
        }
    }

    #[test]
    fn a_shared_point_is_that_of_every_image() {
        for axis in 0..3 {
            for map in MAPS {
                let sizes = [3, 4, 5];
                let lines = Lines::new(&sizes, axis);
                let (one, n) = (60, 180);
                let (x, v, grad) = (numbers(one, 0.7), numbers(n, 1.9), numbers(one, 0.3));
                let Point { y, r } = point(map, lines, 1, &x);
                let here = LinePoint { y: &y, r: &r, batch: 1 };
                let (mut first, mut second) = (vec![0.0; n], vec![0.0; n]);
                let grads = LineGradients { grad: &grad, grad_dot: None };
                map.jacobian(lines, here, (&v, 3), &mut first, false);
                map.second(lines, here, grads, (&v, 3), &mut second);
                for image in 0..3 {
                    let of_image = |all: &[f64]| -> Vec<f64> {
                        let element = |i: usize| all[i / 20 * 60 + image * 20 + i % 20];
                        (0..one).map(element).collect()
                    };
                    let own = of_image(&v);
                    let (mut a, mut b) = (vec![0.0; one], vec![0.0; one]);
                    map.jacobian(lines, here, (&own, 1), &mut a, false);
                    map.second(lines, here, grads, (&own, 1), &mut b);
                    assert_eq!((of_image(&first), of_image(&second)), (a, b), "{map:?} {axis}");
                }
            }
        }
    }

    #[test]
    fn far_scores_do_not_overflow() {
        let Point { y, .. } =
            point(LineMap::Softmax, Lines::new(&[3], 0), 1, &[1000.0, 0.0, f64::NEG_INFINITY]);
        assert!(y[0] == 1.0 && y[1..].iter().all(|&y| y < 1e-300), "{y:?}");
    }
}
