//! Vectors for the inner loops: one trait, one type for each instruction set and width of number.

#![allow(unsafe_code)] // Vector loads and stores through pointers; intrinsics.

/// A vector of numbers. All methods are unsafe: the instructions must be present, and pointers must
/// be valid for [`Simd::LANES`] numbers.
pub(crate) trait Simd: Copy {
    type Element: Copy;
    const LANES: usize;
    unsafe fn splat(value: Self::Element) -> Self;
    unsafe fn load(from: *const Self::Element) -> Self;
    unsafe fn store(self, to: *mut Self::Element);
    unsafe fn add(self, other: Self) -> Self;
    /// The numbers at even places of `self` followed by `other`.
    unsafe fn even(self, other: Self) -> Self;
    /// The numbers at odd places of `self` followed by `other`.
    unsafe fn odd(self, other: Self) -> Self;
    /// The numbers of `self` and `other` in turns: two vectors.
    unsafe fn zip(self, other: Self) -> [Self; 2];
    /// The numbers of `from` whose bit is set, the rest zero.
    unsafe fn load_lanes(from: *const Self::Element, bits: u64) -> Self;
    /// The first `n` ≤ LANES numbers of `from`, the rest zero.
    unsafe fn load_first(from: *const Self::Element, n: usize) -> Self;
    /// Stores the first `n` ≤ LANES numbers.
    unsafe fn store_first(self, to: *mut Self::Element, n: usize);
    /// self · factor + sum
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self;
}

macro_rules! intrinsics {
    ($name:ident, $module:ident, $element:ty, $lanes:literal, $vector:ident,
     $splat:ident, $load:ident, $store:ident, $add:ident, $fma:ident, $load_first:ident,
     $store_first:ident, $even:ident, $odd:ident, $zip:ident,
     $load_lanes:ident) => {
        /// Vector of the architecture.
        #[derive(Clone, Copy)]
        pub(crate) struct $name(std::arch::$module::$vector);

        impl Simd for $name {
            type Element = $element;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(value: $element) -> Self {
                // SAFETY: instructions present by the trait's contract.
                Self(unsafe { std::arch::$module::$splat(value) })
            }
            #[inline(always)]
            unsafe fn load(from: *const $element) -> Self {
                // SAFETY: instructions present and pointer valid by the trait's contract.
                Self(unsafe { std::arch::$module::$load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: instructions present and pointer valid by the trait's contract.
                unsafe { std::arch::$module::$store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn even(self, other: Self) -> Self {
                // SAFETY: instructions present by the trait's contract.
                Self(unsafe { $even(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn odd(self, other: Self) -> Self {
                // SAFETY: instructions present by the trait's contract.
                Self(unsafe { $odd(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn zip(self, other: Self) -> [Self; 2] {
                // SAFETY: instructions present by the trait's contract.
                unsafe { $zip(self.0, other.0) }.map(Self)
            }
            #[inline(always)]
            unsafe fn load_lanes(from: *const $element, bits: u64) -> Self {
                // SAFETY: instructions present and pointer valid by the trait's contract.
                Self(unsafe { $load_lanes(from, bits) })
            }
            #[inline(always)]
            unsafe fn load_first(from: *const $element, n: usize) -> Self {
                // SAFETY: instructions present and pointer valid by the trait's contract.
                Self(unsafe { $load_first(from, n) })
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $element, n: usize) {
                // SAFETY: instructions present and pointer valid by the trait's contract.
                unsafe { $store_first(to, n, self.0) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: instructions present by the trait's contract.
                Self(unsafe { std::arch::$module::$add(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
                // SAFETY: instructions present by the trait's contract.
                Self(unsafe { $fma(self.0, factor.0, sum.0) })
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{F32x8, F32x16, F64x4, F64x8};

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{F32x4, F64x2};

#[cfg(not(target_arch = "aarch64"))]
mod plain;
#[cfg(not(target_arch = "aarch64"))]
pub(crate) use plain::Plain;
