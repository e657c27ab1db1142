//! Inner loops of fully connected layers: the matrix is read once for a few vectors at a time.

#![allow(unsafe_code)] // Vector loads and stores through pointers.

use crate::micro::Rows;
use crate::simd::Simd;
use crate::{Isa, Scalar};

/// Rows of the matrix that are read together.
pub(crate) const ROWS: usize = 4;
/// Vectors at most that they meet at a time: all partial sums stay in registers.
pub(crate) const VECTORS: usize = 4;

/// Numbers of a row whose products are added in registers; such partial sums are then added up.
/// Short sums of sums round less than one long sum.
const BLOCK: usize = 1024;
/// Lanes of the widest vector.
const MAX_LANES: usize = 16;

/// `sums[r][n][lane]` become partial sums of the products of row r with vector n; every sum is
/// taken in the same order however many rows and vectors there are.
#[inline(always)]
pub(crate) unsafe fn dots<S: Simd, const R: usize, const N: usize>(
    rows: Rows<*const S::Element>,
    vectors: Rows<*const S::Element>,
    len: usize,
    sums: *mut S::Element,
    zero: S::Element,
) {
    // SAFETY: the caller gives R rows and N vectors of `len` numbers, and R·N·LANES sums.
    unsafe {
        let mut at = 0;
        loop {
            let mut all = [[S::splat(zero); N]; R];
            let (first, end) = (at == 0, len.min(at + BLOCK));
            while at < end {
                let n_left = end - at;
                let load = |from: *const S::Element| {
                    if n_left >= S::LANES { S::load(from) } else { S::load_first(from, n_left) }
                };
                let mut right = [S::splat(zero); N];
                for n in 0..N {
                    right[n] = load(vectors.start.add(n * vectors.step + at));
                }
                for r in 0..R {
                    let left = load(rows.start.add(r * rows.step + at));
                    for n in 0..N {
                        all[r][n] = left.multiply_add(right[n], all[r][n]);
                    }
                }
                at += S::LANES;
            }
            for r in 0..R {
                for n in 0..N {
                    let to = sums.add((r * N + n) * S::LANES);
                    let sum = if first { all[r][n] } else { S::load(to).add(all[r][n]) };
                    sum.store(to);
                }
            }
            if at >= len {
                return;
            }
        }
    }
}

/// `sums[n] += Σ_r factors[n][r] · rows[r]` for R rows and `n` vectors of `len` numbers.
#[inline(always)]
pub(crate) unsafe fn grow<S: Simd, const R: usize>(
    rows: Rows<*const S::Element>,
    factors: Rows<*const S::Element>,
    n: usize,
    len: usize,
    sums: Rows<*mut S::Element>,
    zero: S::Element,
) {
    // SAFETY: the caller gives R rows and n sums of `len` numbers, and n times R factors.
    unsafe {
        for n in 0..n {
            let mut by = [S::splat(zero); R];
            for r in 0..R {
                by[r] = S::splat(*factors.start.add(n * factors.step + r));
            }
            let to = sums.start.add(n * sums.step);
            let mut at = 0;
            while at + S::LANES <= len {
                let mut sum = S::load(to.add(at));
                for r in 0..R {
                    sum = by[r].multiply_add(S::load(rows.start.add(r * rows.step + at)), sum);
                }
                sum.store(to.add(at));
                at += S::LANES;
            }
            if at < len {
                let mut sum = S::load_first(to.add(at), len - at);
                for r in 0..R {
                    let row = S::load_first(rows.start.add(r * rows.step + at), len - at);
                    sum = by[r].multiply_add(row, sum);
                }
                sum.store_first(to.add(at), len - at);
            }
        }
    }
}

/// `out` [R, N] becomes the products of R ≤ [`ROWS`] rows with N ≤ [`VECTORS`] vectors, all of `len`
/// numbers and one after the other.
pub(crate) fn products<T: Scalar>(isa: Isa, len: usize, rows: &[T], vectors: &[T], out: &mut [T]) {
    assert!(isa <= Isa::detect(), "{isa:?} is not available on this machine");
    let micro = T::micro(isa);
    let (r, n) = (rows.len() / len, vectors.len() / len);
    let mut sums = [T::ZERO; ROWS * VECTORS * MAX_LANES];
    assert!(r * n == out.len() && micro.lanes <= MAX_LANES);
    let rows = Rows { start: rows.as_ptr(), step: len };
    let vectors = Rows { start: vectors.as_ptr(), step: len };
    // SAFETY: R rows and N vectors of `len` numbers, room for all sums, instructions present.
    unsafe { (micro.dots[r - 1][n - 1])(rows, vectors, len, sums.as_mut_ptr()) };
    for (out, sums) in out.iter_mut().zip(sums.chunks_exact_mut(micro.lanes)) {
        *out = fold(sums);
    }
}

/// `sums` [N, columns] grow by `Σ_r factors[n, r] · rows[r, columns]` for R ≤ [`ROWS`] rows that
/// start `row_step` apart; those of `factors` start `factor_step` apart.
pub(crate) fn add_multiples<T: Scalar>(
    isa: Isa,
    n_rows: usize,
    columns: usize,
    (rows, row_step): (&[T], usize),
    (factors, factor_step): (&[T], usize),
    sums: &mut [T],
) {
    assert!(isa <= Isa::detect(), "{isa:?} is not available on this machine");
    let n = sums.len() / columns;
    assert!((n_rows - 1) * row_step + columns <= rows.len());
    assert!((n - 1) * factor_step + n_rows <= factors.len());
    let rows = Rows { start: rows.as_ptr(), step: row_step };
    let factors = Rows { start: factors.as_ptr(), step: factor_step };
    let sums = Rows { start: sums.as_mut_ptr(), step: columns };
    // SAFETY: the last row, factor and sum are inside, instructions present.
    unsafe { (T::micro(isa).grow[n_rows - 1])(rows, factors, n, columns, sums) };
}

/// Σ x·y.
pub(crate) fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    assert_eq!(x.len(), y.len());
    let mut sum = [T::ZERO];
    if !x.is_empty() {
        products(Isa::detect(), x.len(), x, y, &mut sum);
    }
    sum[0]
}

/// Sum of partial sums, pairwise. Their number is a power of two.
pub(crate) fn fold<T: Scalar>(mut sums: &mut [T]) -> T {
    while sums.len() > 1 {
        let (low, high) = sums.split_at_mut(sums.len() / 2);
        low.iter_mut().zip(high).for_each(|(low, &mut high)| *low += high);
        sums = low;
    }
    sums[0]
}
