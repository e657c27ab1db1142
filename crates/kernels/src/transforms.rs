//! The transforms of Winograd's minimal filtering F(m×m, 3×3) (Lavin and Gray 2016): an output tile
//! of m×m costs (m+2)² products instead of 9·m².
//!
//! Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, one vector lane for each tile.

#![allow(unsafe_code)] // Vector loads and stores through pointers.

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

/// Bᵀ d for one column of F(4×4, 3×3).
#[inline(always)]
unsafe fn input_4<S: Simd>(d: [S; 6], c: &Vectors<S>) -> [S; 6] {
    // SAFETY: instructions present by the caller's contract.
    unsafe {
        let (even, odd) = (d[2].multiply_add(c.m4, d[4]), d[1].multiply_add(c.m4, d[3]));
        let (near, far) = (sub(d[4], d[2], c.m1), sub(d[3], d[1], c.m1));
        [
            d[0].multiply_add(c.p4, d[2].multiply_add(c.m5, d[4])),
            even.add(odd),
            sub(even, odd, c.m1),
            far.multiply_add(c.p2, near),
            far.multiply_add(c.m2, near),
            d[1].multiply_add(c.p4, d[3].multiply_add(c.m5, d[5])),
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
            difference_2.multiply_add(c.p2, difference),
            sum_2.multiply_add(c.p4, sum),
            difference_2.multiply_add(c.p8, difference).add(m[5]),
        ]
    }
}

/// What the transforms multiply with.
struct Vectors<S> {
    m1: S,
    m2: S,
    m4: S,
    m5: S,
    p2: S,
    p4: S,
    p8: S,
}

impl<S: Simd> Vectors<S> {
    #[inline(always)]
    unsafe fn new(number: impl Fn(i8) -> S::Element) -> Self {
        // SAFETY: instructions present by the caller's contract.
        unsafe {
            Self {
                m1: S::splat(number(-1)),
                m2: S::splat(number(-2)),
                m4: S::splat(number(-4)),
                m5: S::splat(number(-5)),
                p2: S::splat(number(2)),
                p4: S::splat(number(4)),
                p8: S::splat(number(8)),
            }
        }
    }
}

macro_rules! transform {
    ($input:ident, $output:ident, $columns_in:ident, $columns_out:ident, $n:literal, $m:literal) => {
        /// Transforms `len` neighbouring tiles: number (u, v) of a tile is read at `offsets[n·u + v]`
        /// and written `step` after the one before. Whole vectors are read and written.
        #[inline(always)]
        pub(crate) unsafe fn $input<S: Simd>(
            from: *const S::Element,
            offsets: *const usize,
            to: *mut S::Element,
            step: usize,
            len: usize,
            number: impl Fn(i8) -> S::Element,
        ) {
            // SAFETY: the caller gives n² offsets, whole vectors at each and at each step of `to`.
            unsafe {
                let constants = Vectors::<S>::new(number);
                let mut at = 0;
                while at < len {
                    let mut half = [[constants.m1; $n]; $n];
                    for v in 0..$n {
                        let mut column = [constants.m1; $n];
                        for u in 0..$n {
                            column[u] = S::load(from.add(at + *offsets.add($n * u + v)));
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
            number: impl Fn(i8) -> S::Element,
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
