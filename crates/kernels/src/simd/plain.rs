//! Vectors left to the compiler, for processors without AVX2.

#![allow(unsafe_code)] // Vector loads and stores through pointers.

use std::ops::{Add, Mul};

use super::Simd;

/// A vector of `L` numbers without intrinsics, left to the compiler.
#[derive(Clone, Copy)]
pub(crate) struct Plain<T, const L: usize>([T; L]);

impl<T: Copy + Add<Output = T> + Mul<Output = T>, const L: usize> Simd for Plain<T, L> {
    type Element = T;
    const LANES: usize = L;
    #[inline(always)]
    unsafe fn splat(value: T) -> Self {
        Self([value; L])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: valid for L numbers by the trait's contract.
        Self(unsafe { from.cast::<[T; L]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: valid for L numbers by the trait's contract.
        unsafe { to.cast::<[T; L]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn even(self, other: Self) -> Self {
        let at = |i: usize| if i < L { self.0[i] } else { other.0[i - L] };
        Self(std::array::from_fn(|lane| at(2 * lane)))
    }
    #[inline(always)]
    unsafe fn odd(self, other: Self) -> Self {
        let at = |i: usize| if i < L { self.0[i] } else { other.0[i - L] };
        Self(std::array::from_fn(|lane| at(2 * lane + 1)))
    }
    #[inline(always)]
    unsafe fn zip(self, other: Self) -> [Self; 2] {
        let at = |i: usize| if i.is_multiple_of(2) { self.0[i / 2] } else { other.0[i / 2] };
        [0, L].map(|first| Self(std::array::from_fn(|lane| at(first + lane))))
    }
    #[inline(always)]
    unsafe fn load_lanes(from: *const T, bits: u64) -> Self {
        // SAFETY: valid for these numbers by the trait's contract.
        unsafe {
            let mut all = [std::mem::zeroed(); L];
            for (lane, to) in all.iter_mut().enumerate().filter(|(lane, _)| bits >> lane & 1 == 1) {
                *to = from.wrapping_add(lane).read();
            }
            Self(all)
        }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const T, n: usize) -> Self {
        // SAFETY: valid for n numbers by the trait's contract.
        unsafe {
            let mut all = [std::mem::zeroed(); L];
            std::ptr::copy_nonoverlapping(from, all.as_mut_ptr(), n.min(L));
            Self(all)
        }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, n: usize) {
        // SAFETY: valid for n numbers by the trait's contract.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, n.min(L)) }
    }
    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for lane in 0..L {
            self.0[lane] = self.0[lane] + other.0[lane];
        }
        self
    }
    #[inline(always)]
    unsafe fn multiply_add(mut self, factor: Self, sum: Self) -> Self {
        for lane in 0..L {
            self.0[lane] = self.0[lane] * factor.0[lane] + sum.0[lane];
        }
        self
    }
}
