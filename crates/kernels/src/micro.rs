//! The innermost loops: a tile of a matrix product, and a strip of a depthwise convolution, both
//! reading their right-hand side through a table of offsets.

#![allow(unsafe_code)] // Register tiles over raw pointers: bounds checks here would halve the speed.

use crate::isa::{Isa, prefetch};
use crate::matvec::{ROWS, VECTORS};
use crate::simd::Simd;
use crate::transforms::Line;

/// `c[m, j] (+)= Σ_k a[k·M + m] · b[offsets[k] + j]` for one tile; rows of `c` are
/// [`Micro::columns`] apart. Arguments: number of k, a, b, offsets, c, whether to add to `c`, and what
/// will be needed soon.
pub(crate) type Tile<T> =
    unsafe fn(usize, *const T, *const T, *const usize, *mut T, bool, Rows<*const T>);

/// `out[j] = Σ_k weights[k] · b[offsets[k] + j]` for `len` columns, rounded up to whole vectors.
/// Arguments: number of k, weights, b, offsets, out, len.
pub(crate) type Strip<T> = unsafe fn(usize, *const T, *const T, *const usize, *mut T, usize);

/// Copies rows of numbers, taking every number of a row, every second or every fourth.
pub(crate) type CopyRows<T> = unsafe fn(Rows<*const T>, Rows<*mut T>, usize, usize, usize);

/// `out (+)= sums + bias` for rows of numbers. Rows of one number of bias, which may be null.
pub(crate) type StoreRows<T> =
    unsafe fn(Rows<*const T>, Rows<*mut T>, usize, usize, Rows<*const T>, bool, usize);

/// Partial sums of dot products. Arguments: rows, vectors, numbers in each, sums.
pub(crate) type Dots<T> = unsafe fn(Rows<*const T>, Rows<*const T>, usize, *mut T);

/// Adds multiples of rows to sums. Arguments: rows, factors, number of sums, numbers in each, sums.
pub(crate) type Grow<T> = unsafe fn(Rows<*const T>, Rows<*const T>, usize, usize, Rows<*mut T>);

/// Takes a line of pixels apart into columns of tiles, for the one or two tiles that have it.
/// Arguments: line, to, step, number of tiles.
pub(crate) type SplitLine<T> = unsafe fn(Line<T>, [Option<*mut T>; 2], usize, usize);

/// Puts a line of pixels together. Arguments: columns, to, number of pixels, bias, whether to add.
pub(crate) type JoinLine<T> = unsafe fn(Rows<*const T>, *mut T, usize, T, bool);

/// Winograd input transform. Arguments: from, step, to, step, number of tiles.
pub(crate) type TilesIn<T> = unsafe fn(*const T, usize, *mut T, usize, usize);

/// Winograd output transform of one vector. Arguments: from, step, to, step.
pub(crate) type TilesOut<T> = unsafe fn(*const T, usize, *mut T, usize);

/// Rows of numbers at equal distance.
#[derive(Clone, Copy)]
pub(crate) struct Rows<P> {
    pub(crate) start: P,
    pub(crate) step: usize,
}

impl<T> Rows<*const T> {
    /// What the first of `n` tiles should ask for of `data`, a part of it each.
    pub(crate) fn ahead(data: &[T], n: usize, n_terms: usize) -> Self {
        Self { start: data.as_ptr(), step: data.len().div_ceil((n * n_terms).max(1)) }
    }

    /// What the next tile should ask for.
    pub(crate) fn next(self, n_terms: usize) -> Self {
        Self { start: self.start.wrapping_add(n_terms * self.step), ..self }
    }
}

/// The transforms of F(m×m, 3×3).
pub(crate) struct Transforms<T> {
    pub(crate) split: SplitLine<T>,
    pub(crate) input: TilesIn<T>,
    pub(crate) output: TilesOut<T>,
    pub(crate) join: JoinLine<T>,
}

/// Inner loops for one instruction set.
pub(crate) struct Micro<T: 'static> {
    /// Numbers in a vector.
    pub(crate) lanes: usize,
    /// `tiles[M - 1][V - 1]` makes a tile of M rows and V vectors of columns, V ≤ 2.
    pub(crate) tiles: &'static [[Tile<T>; 2]],
    /// The strip kernel.
    pub(crate) strip: Strip<T>,
    /// Arguments: from, to, number of rows, numbers in a row of `to`, step in `from`.
    pub(crate) copy_rows: CopyRows<T>,
    /// Arguments: sums, out, number of rows, numbers in a row, bias, whether to add to `out`,
    /// distance of neighbours in `out` (1 or 2).
    pub(crate) store_rows: StoreRows<T>,
    /// `dots[R - 1][N - 1]` meets R rows with N vectors.
    pub(crate) dots: &'static [[Dots<T>; VECTORS]; ROWS],
    /// `grow[R - 1]` adds R rows.
    pub(crate) grow: [Grow<T>; ROWS],
    /// Transforms of F(2×2, 3×3) and F(4×4, 3×3).
    pub(crate) winograd: &'static [Transforms<T>; 2],
}

impl<T> Clone for Micro<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Micro<T> {}

impl<T> Micro<T> {
    /// Columns of a full tile, and the distance between the rows of a tile in memory.
    pub(crate) fn columns(&self) -> usize {
        2 * self.lanes
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tile<S: Simd, const M: usize, const V: usize>(
    n_terms: usize,
    a: *const S::Element,
    b: *const S::Element,
    offsets: *const usize,
    c: *mut S::Element,
    add: bool,
    ahead: Rows<*const S::Element>,
    zero: S::Element,
) {
    // SAFETY: the caller gives `n_terms` offsets, M numbers of `a` for each, V vectors of `b` at
    // each offset, and M rows of a tile at `c`.
    unsafe {
        let mut sums = [[S::splat(zero); V]; M];
        for k in 0..n_terms {
            // One at a time: many at once would wait for each other.
            prefetch(ahead.start.wrapping_add(k * ahead.step));
            let from = b.add(*offsets.add(k));
            let mut right = [S::splat(zero); V];
            for v in 0..V {
                right[v] = S::load(from.add(v * S::LANES));
            }
            for m in 0..M {
                let left = S::splat(*a.add(k * M + m));
                for v in 0..V {
                    sums[m][v] = left.multiply_add(right[v], sums[m][v]);
                }
            }
        }
        for m in 0..M {
            for v in 0..V {
                let to = c.add((2 * m + v) * S::LANES);
                let sum = if add { S::load(to).add(sums[m][v]) } else { sums[m][v] };
                sum.store(to);
            }
        }
    }
}

#[inline(always)]
unsafe fn strip<S: Simd>(
    n_terms: usize,
    weights: *const S::Element,
    b: *const S::Element,
    offsets: *const usize,
    out: *mut S::Element,
    len: usize,
    zero: S::Element,
) {
    #[inline(always)]
    unsafe fn vectors<S: Simd, const V: usize>(
        n_terms: usize,
        weights: *const S::Element,
        b: *const S::Element,
        offsets: *const usize,
        out: *mut S::Element,
        zero: S::Element,
    ) {
        // SAFETY: as for `strip`.
        unsafe {
            let mut sums = [S::splat(zero); V];
            for k in 0..n_terms {
                let from = b.add(*offsets.add(k));
                let weight = S::splat(*weights.add(k));
                for v in 0..V {
                    sums[v] = weight.multiply_add(S::load(from.add(v * S::LANES)), sums[v]);
                }
            }
            for v in 0..V {
                sums[v].store(out.add(v * S::LANES));
            }
        }
    }
    let mut at = 0;
    // SAFETY: the caller gives `n_terms` weights and offsets; `b` at each offset and `out` are
    // valid for `len` numbers rounded up to a whole vector.
    unsafe {
        while at + 7 * S::LANES < len {
            vectors::<S, 8>(n_terms, weights, b.add(at), offsets, out.add(at), zero);
            at += 8 * S::LANES;
        }
        while at + 3 * S::LANES < len {
            vectors::<S, 4>(n_terms, weights, b.add(at), offsets, out.add(at), zero);
            at += 4 * S::LANES;
        }
        while at < len {
            vectors::<S, 1>(n_terms, weights, b.add(at), offsets, out.add(at), zero);
            at += S::LANES;
        }
    }
}

/// Compiles the loops for one vector type and set of instructions.
macro_rules! compile {
    (@transforms $split:ident, $input:ident, $output:ident, $join:ident, $simd:ty, $element:ty $(, $features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        unsafe fn $split(
            line: Line<$element>,
            to: [Option<*mut $element>; 2],
            step: usize,
            len: usize,
        ) {
            // SAFETY: passed on to the caller, who also makes sure of the instructions.
            unsafe { crate::transforms::$split::<$simd>(line, to, step, len) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn $input(
            from: *const $element,
            from_step: usize,
            to: *mut $element,
            step: usize,
            len: usize,
        ) {
            // SAFETY: passed on to the caller, who also makes sure of the instructions.
            unsafe {
                crate::transforms::$input::<$simd>(from, from_step, to, step, len, |x| x as $element);
            }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn $output(from: *const $element, from_step: usize, to: *mut $element, step: usize) {
            // SAFETY: passed on to the caller, who also makes sure of the instructions.
            unsafe {
                crate::transforms::$output::<$simd>(from, from_step, to, step, |x| x as $element);
            }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn $join(
            from: Rows<*const $element>,
            to: *mut $element,
            len: usize,
            bias: $element,
            add: bool,
        ) {
            // SAFETY: passed on to the caller, who also makes sure of the instructions.
            unsafe { crate::transforms::$join::<$simd>(from, to, len, bias, add) }
        }
    };
    ($name:ident, $import:ident, $simd:ty, $element:ty, [$($rows:literal)*] $(, $features:literal)?) => {
        mod $name {
            use super::{Line, Micro, Rows, Simd, Transforms};
            use crate::simd::$import;

            $(#[target_feature(enable = $features)])?
            unsafe fn tile<const M: usize, const V: usize>(
                n_terms: usize,
                a: *const $element,
                b: *const $element,
                offsets: *const usize,
                c: *mut $element,
                add: bool,
                ahead: Rows<*const $element>,
            ) {
                // SAFETY: passed on to the caller, who also makes sure of the instructions.
                unsafe { super::tile::<$simd, M, V>(n_terms, a, b, offsets, c, add, ahead, 0.0) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn strip(
                n_terms: usize,
                weights: *const $element,
                b: *const $element,
                offsets: *const usize,
                out: *mut $element,
                len: usize,
            ) {
                // SAFETY: passed on to the caller, who also makes sure of the instructions.
                unsafe { super::strip::<$simd>(n_terms, weights, b, offsets, out, len, 0.0) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn copy_rows(
                from: Rows<*const $element>,
                to: Rows<*mut $element>,
                n_rows: usize,
                len: usize,
                step: usize,
            ) {
                // SAFETY: passed on to the caller, who also makes sure of the instructions.
                unsafe { crate::rows::copy_rows::<$simd>(from, to, n_rows, len, step) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn store_rows(
                sums: Rows<*const $element>,
                out: Rows<*mut $element>,
                n_rows: usize,
                len: usize,
                bias: Rows<*const $element>,
                add: bool,
                step: usize,
            ) {
                // SAFETY: passed on to the caller, who also makes sure of the instructions.
                unsafe {
                    crate::rows::store_rows::<$simd>(sums, out, n_rows, len, bias, add, step, 0.0);
                }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn dots<const R: usize, const N: usize>(
                rows: Rows<*const $element>,
                vectors: Rows<*const $element>,
                len: usize,
                sums: *mut $element,
            ) {
                // SAFETY: passed on to the caller, who also makes sure of the instructions.
                unsafe { crate::matvec::dots::<$simd, R, N>(rows, vectors, len, sums, 0.0) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn grow<const R: usize>(
                rows: Rows<*const $element>,
                factors: Rows<*const $element>,
                n: usize,
                len: usize,
                sums: Rows<*mut $element>,
            ) {
                // SAFETY: passed on to the caller, who also makes sure of the instructions.
                unsafe { crate::matvec::grow::<$simd, R>(rows, factors, n, len, sums, 0.0) }
            }

            compile!(@transforms split_2, tiles_in_2, tiles_out_2, join_2, $simd, $element $(, $features)?);
            compile!(@transforms split_4, tiles_in_4, tiles_out_4, join_4, $simd, $element $(, $features)?);

            pub(super) const MICRO: Micro<$element> = Micro {
                lanes: <$simd>::LANES,
                tiles: &[$([tile::<$rows, 1>, tile::<$rows, 2>]),*],
                strip,
                copy_rows,
                store_rows,
                dots: &[
                    [dots::<1, 1>, dots::<1, 2>, dots::<1, 3>, dots::<1, 4>],
                    [dots::<2, 1>, dots::<2, 2>, dots::<2, 3>, dots::<2, 4>],
                    [dots::<3, 1>, dots::<3, 2>, dots::<3, 3>, dots::<3, 4>],
                    [dots::<4, 1>, dots::<4, 2>, dots::<4, 3>, dots::<4, 4>],
                ],
                grow: [grow::<1>, grow::<2>, grow::<3>, grow::<4>],
                winograd: &[
                    Transforms {
                        split: split_2,
                        input: tiles_in_2,
                        output: tiles_out_2,
                        join: join_2,
                    },
                    Transforms {
                        split: split_4,
                        input: tiles_in_4,
                        output: tiles_out_4,
                        join: join_4,
                    },
                ],
            };
        }
    };
}

#[cfg(not(target_arch = "aarch64"))]
compile!(plain_f32, Plain, Plain<f32, 4>, f32, [1 2 3 4]);
#[cfg(not(target_arch = "aarch64"))]
compile!(plain_f64, Plain, Plain<f64, 2>, f64, [1 2 3 4]);
#[cfg(target_arch = "aarch64")]
compile!(plain_f32, F32x4, F32x4, f32, [1 2 3 4 5 6 7 8 9 10 11 12]);
#[cfg(target_arch = "aarch64")]
compile!(plain_f64, F64x2, F64x2, f64, [1 2 3 4 5 6 7 8 9 10 11 12]);
#[cfg(target_arch = "x86_64")]
compile!(avx2_f32, F32x8, F32x8, f32, [1 2 3 4 5 6], "avx2,fma");
#[cfg(target_arch = "x86_64")]
compile!(avx2_f64, F64x4, F64x4, f64, [1 2 3 4 5 6], "avx2,fma");
#[cfg(target_arch = "x86_64")]
compile!(avx512_f32, F32x16, F32x16, f32, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], "avx512f");
#[cfg(target_arch = "x86_64")]
compile!(avx512_f64, F64x8, F64x8, f64, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], "avx512f");

/// Inner loops for `f32`.
pub(crate) fn for_f32(isa: Isa) -> Micro<f32> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512_f32::MICRO,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2_f32::MICRO,
        _ => plain_f32::MICRO,
    }
}

/// Inner loops for `f64`.
pub(crate) fn for_f64(isa: Isa) -> Micro<f64> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512_f64::MICRO,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2_f64::MICRO,
        _ => plain_f64::MICRO,
    }
}
