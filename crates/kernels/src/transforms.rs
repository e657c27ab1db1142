//! The transforms of Winograd's minimal filtering F(m×m, 3×3) (Lavin and Gray 2016): an output tile
//! of m×m costs (m+2)² products instead of 9·m².
//!
//! Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, one vector lane for each tile.

#![allow(unsafe_code)] // Vector loads and stores through pointers.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::micro::Rows;
use crate::simd::Simd;

/// x - y
#[inline(always)]
unsafe fn sub<S: Simd>(x: S, y: S, minus_one: S) -> S {
    // SAFETY: instructions present by the caller's contract.
    unsafe { y.multiply_add(minus_one, x) }
}

/// Bᵀ d for one column of F(2×2, 3×3).
#[inline(always)]
unsafe fn input_2<S: Simd>(d: [S; 4], c: &Vectors<S>) -> [S; 4] {
    // SAFETY: instructions present by the caller's contract.
    unsafe { [sub(d[0], d[2], c.m1), d[1].add(d[2]), sub(d[2], d[1], c.m1), sub(d[1], d[3], c.m1)] }
}

/// Aᵀ m for one column of F(2×2, 3×3).
#[inline(always)]
unsafe fn output_2<S: Simd>(m: [S; 4], c: &Vectors<S>) -> [S; 2] {
    // SAFETY: instructions present by the caller's contract.
    unsafe { [m[0].add(m[1]).add(m[2]), sub(sub(m[1], m[2], c.m1), m[3], c.m1)] }
}

/// Bᵀ d for one column of F(4×4, 3×3) at 0, ±√½, ±√2 and ∞: points whose inverses are points too
/// round half as much as 0, ±1, ±2 and ∞.
#[inline(always)]
unsafe fn input_4<S: Simd>(d: [S; 6], c: &Vectors<S>) -> [S; 6] {
    // SAFETY: instructions present by the caller's contract.
    unsafe {
        let (even, odd) = (d[2].multiply_add(c.m2, d[4]), d[1].multiply_add(c.m2, d[3]));
        let (near, far) = (d[2].multiply_add(c.m_half, d[4]), d[1].multiply_add(c.m_half, d[3]));
        [
            d[2].multiply_add(c.m2_5, d[0].add(d[4])),
            odd.multiply_add(c.root_half, even),
            odd.multiply_add(c.m_root_half, even),
            far.multiply_add(c.root_2, near),
            far.multiply_add(c.m_root_2, near),
            d[3].multiply_add(c.m2_5, d[1].add(d[5])),
        ]
    }
}

/// Aᵀ m for one column of F(4×4, 3×3).
#[inline(always)]
unsafe fn output_4<S: Simd>(m: [S; 6], c: &Vectors<S>) -> [S; 4] {
    // SAFETY: instructions present by the caller's contract.
    unsafe {
        let (sum, difference) = (m[1].add(m[2]), sub(m[1], m[2], c.m1));
        let (sum_2, difference_2) = (m[3].add(m[4]), sub(m[3], m[4], c.m1));
        [
            m[0].add(sum).add(sum_2),
            difference.multiply_add(c.half, difference_2).multiply_add(c.root_2, c.zero),
            sum.multiply_add(c.half, sum_2.add(sum_2)),
            difference.multiply_add(c.eighth, difference_2).multiply_add(c.root_8, m[5]),
        ]
    }
}

/// What the transforms multiply with.
struct Vectors<S> {
    zero: S,
    m1: S,
    half: S,
    m_half: S,
    m2: S,
    m2_5: S,
    eighth: S,
    root_half: S,
    m_root_half: S,
    root_2: S,
    m_root_2: S,
    root_8: S,
}

impl<S: Simd> Vectors<S> {
    #[inline(always)]
    unsafe fn new(number: impl Fn(f64) -> S::Element) -> Self {
        // SAFETY: instructions present by the caller's contract.
        unsafe {
            Self {
                zero: S::splat(number(0.0)),
                m1: S::splat(number(-1.0)),
                half: S::splat(number(0.5)),
                m_half: S::splat(number(-0.5)),
                m2: S::splat(number(-2.0)),
                m2_5: S::splat(number(-2.5)),
                eighth: S::splat(number(0.125)),
                root_half: S::splat(number(FRAC_1_SQRT_2)),
                m_root_half: S::splat(number(-FRAC_1_SQRT_2)),
                root_2: S::splat(number(SQRT_2)),
                m_root_2: S::splat(number(-SQRT_2)),
                root_8: S::splat(number(2.0 * SQRT_2)),
            }
        }
    }
}

/// A line of pixels taken apart into columns of tiles.
#[derive(Clone, Copy)]
pub(crate) struct Line<T> {
    /// Its pixels, and how many.
    pub(crate) pixels: *const T,
    pub(crate) width: usize,
    /// Pixel that is column 0 of the first tile.
    pub(crate) first: isize,
}

impl<T> Line<T> {
    /// N vectors of pixels from `first` + `at` on, zeros beyond the ends of the line.
    #[inline(always)]
    unsafe fn load<S: Simd<Element = T>, const N: usize>(self, at: usize) -> [S; N] {
        // SAFETY: only pixels of the line are read.
        unsafe {
            let at = self.first + at as isize;
            if at >= 0 && at as usize + N * S::LANES <= self.width {
                let from = self.pixels.offset(at);
                return std::array::from_fn(|i| S::load(from.add(i * S::LANES)));
            }
            // A bit for each pixel that there is: at most 64, four vectors of sixteen.
            let clamp = |n: isize| n.clamp(0, (N * S::LANES) as isize) as u32;
            let (start, end) = (clamp(-at), clamp(self.width as isize - at));
            let below = |n: u32| u64::MAX.checked_shr(64 - n).unwrap_or(0);
            let bits = below(end) & !below(start);
            let from = self.pixels.wrapping_offset(at);
            std::array::from_fn(|i| {
                S::load_lanes(from.wrapping_add(i * S::LANES), bits >> (i * S::LANES))
            })
        }
    }
}

/// Columns v of neighbouring tiles: number x of `to` + v·step is pixel 2·x + v from the first on, for
/// `len` tiles and 4 columns, for one or two tiles that share the line. Whole vectors are written.
#[inline(always)]
pub(crate) unsafe fn split_2<S: Simd>(
    line: Line<S::Element>,
    to: [Option<*mut S::Element>; 2],
    step: usize,
    len: usize,
) {
    // SAFETY: the caller gives a line, and room for whole vectors.
    unsafe {
        for at in (0..len).step_by(S::LANES) {
            let [a, b] = line.load::<S, 2>(2 * at);
            let [c, d] = line.load::<S, 2>(2 * at + 2);
            let columns = [a.even(b), a.odd(b), c.even(d), c.odd(d)];
            for to in to.into_iter().flatten() {
                for v in 0..4 {
                    columns[v].store(to.add(at + v * step));
                }
            }
        }
    }
}

/// As [`split_2`] for tiles 4 pixels apart and 6 columns.
#[inline(always)]
pub(crate) unsafe fn split_4<S: Simd>(
    line: Line<S::Element>,
    to: [Option<*mut S::Element>; 2],
    step: usize,
    len: usize,
) {
    // SAFETY: the caller gives a line, and room for whole vectors.
    unsafe {
        for at in (0..len).step_by(S::LANES) {
            let (even, odd) = halves(line.load::<S, 4>(4 * at));
            let (next_even, next_odd) = halves(line.load::<S, 4>(4 * at + 4));
            let columns = [
                even[0].even(even[1]),
                odd[0].even(odd[1]),
                even[0].odd(even[1]),
                odd[0].odd(odd[1]),
                next_even[0].even(next_even[1]),
                next_odd[0].even(next_odd[1]),
            ];
            for to in to.into_iter().flatten() {
                for v in 0..6 {
                    columns[v].store(to.add(at + v * step));
                }
            }
        }
    }
}

/// Every second of four vectors of numbers, and the others.
#[inline(always)]
unsafe fn halves<S: Simd>([a, b, c, d]: [S; 4]) -> ([S; 2], [S; 2]) {
    // SAFETY: instructions present by the caller's contract.
    unsafe { ([a.even(b), c.even(d)], [a.odd(b), c.odd(d)]) }
}

/// The inverse of [`split_2`] without the overlap: pixel 2·x + v of `to` becomes number x of `from` +
/// v·step, plus `bias`, plus what is there if `add`, for `len` pixels. Whole vectors are read.
#[inline(always)]
pub(crate) unsafe fn join_2<S: Simd>(
    from: Rows<*const S::Element>,
    to: *mut S::Element,
    len: usize,
    bias: S::Element,
    add: bool,
) {
    // SAFETY: the caller gives whole vectors of `from`, and `len` pixels.
    unsafe {
        let bias = S::splat(bias);
        for at in (0..len).step_by(2 * S::LANES) {
            let column = |v: usize| S::load(from.start.add(at / 2 + v * from.step));
            store_line(column(0).zip(column(1)), to.add(at), len - at, bias, add);
        }
    }
}

/// As [`join_2`] for tiles 4 pixels wide.
#[inline(always)]
pub(crate) unsafe fn join_4<S: Simd>(
    from: Rows<*const S::Element>,
    to: *mut S::Element,
    len: usize,
    bias: S::Element,
    add: bool,
) {
    // SAFETY: as for `join_2`.
    unsafe {
        let bias = S::splat(bias);
        for at in (0..len).step_by(4 * S::LANES) {
            let column = |v: usize| S::load(from.start.add(at / 4 + v * from.step));
            let (even, odd) = (column(0).zip(column(2)), column(1).zip(column(3)));
            let ([a, b], [c, d]) = (even[0].zip(odd[0]), even[1].zip(odd[1]));
            store_line([a, b, c, d], to.add(at), len - at, bias, add);
        }
    }
}

/// Stores the first `len` numbers of some vectors.
#[inline(always)]
unsafe fn store_line<S: Simd, const N: usize>(
    values: [S; N],
    to: *mut S::Element,
    len: usize,
    bias: S,
    add: bool,
) {
    // SAFETY: the caller gives `len` numbers or whole vectors.
    unsafe {
        for (i, value) in values.into_iter().enumerate() {
            let at = i * S::LANES;
            if at >= len {
                return;
            }
            let (to, n) = (to.add(at), len - at);
            let value = value.add(bias);
            if n >= S::LANES {
                (if add { S::load(to).add(value) } else { value }).store(to);
            } else {
                let value = if add { S::load_first(to, n).add(value) } else { value };
                value.store_first(to, n);
            }
        }
    }
}

macro_rules! transform {
    ($input:ident, $output:ident, $columns_in:ident, $columns_out:ident, $n:literal, $m:literal) => {
        /// Transforms `len` neighbouring tiles: numbers (u, v) of a tile are read `from_step` and
        /// written `step` apart. Whole vectors are read and written.
        #[inline(always)]
        pub(crate) unsafe fn $input<S: Simd>(
            from: *const S::Element,
            from_step: usize,
            to: *mut S::Element,
            step: usize,
            len: usize,
            number: impl Fn(f64) -> S::Element,
        ) {
            // SAFETY: the caller gives whole vectors at each step of both.
            unsafe {
                let constants = Vectors::<S>::new(number);
                let mut at = 0;
                while at < len {
                    let mut half = [[constants.m1; $n]; $n];
                    for v in 0..$n {
                        let mut column = [constants.m1; $n];
                        for u in 0..$n {
                            column[u] = S::load(from.add(at + ($n * u + v) * from_step));
                        }
                        half[v] = $columns_in(column, &constants);
                    }
                    for u in 0..$n {
                        let mut row = [constants.m1; $n];
                        for v in 0..$n {
                            row[v] = half[v][u];
                        }
                        let row = $columns_in(row, &constants);
                        for v in 0..$n {
                            row[v].store(to.add(at + ($n * u + v) * step));
                        }
                    }
                    at += S::LANES;
                }
            }
        }

        /// The inverse direction: n² numbers `from_step` apart become m² numbers `to_step` apart, for
        /// one vector of tiles.
        #[inline(always)]
        pub(crate) unsafe fn $output<S: Simd>(
            from: *const S::Element,
            from_step: usize,
            to: *mut S::Element,
            to_step: usize,
            number: impl Fn(f64) -> S::Element,
        ) {
            // SAFETY: the caller gives whole vectors at each step.
            unsafe {
                let constants = Vectors::<S>::new(number);
                let mut half = [[constants.m1; $m]; $n];
                for v in 0..$n {
                    let mut column = [constants.m1; $n];
                    for u in 0..$n {
                        column[u] = S::load(from.add(($n * u + v) * from_step));
                    }
                    half[v] = $columns_out(column, &constants);
                }
                for a in 0..$m {
                    let mut row = [constants.m1; $n];
                    for v in 0..$n {
                        row[v] = half[v][a];
                    }
                    let row = $columns_out(row, &constants);
                    for b in 0..$m {
                        row[b].store(to.add(($m * a + b) * to_step));
                    }
                }
            }
        }
    };
}

transform!(tiles_in_2, tiles_out_2, input_2, output_2, 4, 2);
transform!(tiles_in_4, tiles_out_4, input_4, output_4, 6, 4);
