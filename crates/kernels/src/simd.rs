//! Vectors for the inner loops: one trait, one type for each instruction set and width of number.

#![allow(unsafe_code)] // Vector loads and stores through pointers; intrinsics.

use std::ops::{Add, Mul};

/// A vector of numbers. All methods are unsafe: the instructions must be present, and pointers must
/// be valid for [`Simd::LANES`] numbers.
pub(crate) trait Simd: Copy {
    type Element: Copy;
    const LANES: usize;
    unsafe fn splat(value: Self::Element) -> Self;
    unsafe fn load(from: *const Self::Element) -> Self;
    unsafe fn store(self, to: *mut Self::Element);
    unsafe fn add(self, other: Self) -> Self;
    /// self · factor + sum
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self;
}

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

macro_rules! intrinsics {
    ($name:ident, $module:ident, $element:ty, $lanes:literal, $vector:ident,
     $splat:ident, $load:ident, $store:ident, $add:ident, $fma:ident) => {
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
mod x86 {
    use super::Simd;
    use std::arch::x86_64::{_mm256_fmadd_pd, _mm256_fmadd_ps, _mm512_fmadd_pd, _mm512_fmadd_ps};

    intrinsics!(
        F32x8,
        x86_64,
        f32,
        8,
        __m256,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_fmadd_ps
    );
    intrinsics!(
        F64x4,
        x86_64,
        f64,
        4,
        __m256d,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_add_pd,
        _mm256_fmadd_pd
    );
    intrinsics!(
        F32x16,
        x86_64,
        f32,
        16,
        __m512,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps
    );
    intrinsics!(
        F64x8,
        x86_64,
        f64,
        8,
        __m512d,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_add_pd,
        _mm512_fmadd_pd
    );
}
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{F32x8, F32x16, F64x4, F64x8};

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::Simd;
    use std::arch::aarch64::{float32x4_t, float64x2_t, vfmaq_f32, vfmaq_f64};

    /// sum + a · b, the operand order of the x86 intrinsics.
    #[inline(always)]
    unsafe fn fma_f32(a: float32x4_t, b: float32x4_t, sum: float32x4_t) -> float32x4_t {
        // SAFETY: NEON is part of the AArch64 baseline.
        unsafe { vfmaq_f32(sum, a, b) }
    }
    #[inline(always)]
    unsafe fn fma_f64(a: float64x2_t, b: float64x2_t, sum: float64x2_t) -> float64x2_t {
        // SAFETY: NEON is part of the AArch64 baseline.
        unsafe { vfmaq_f64(sum, a, b) }
    }
    intrinsics!(
        F32x4,
        aarch64,
        f32,
        4,
        float32x4_t,
        vdupq_n_f32,
        vld1q_f32,
        vst1q_f32,
        vaddq_f32,
        fma_f32
    );
    intrinsics!(
        F64x2,
        aarch64,
        f64,
        2,
        float64x2_t,
        vdupq_n_f64,
        vld1q_f64,
        vst1q_f64,
        vaddq_f64,
        fma_f64
    );
}
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{F32x4, F64x2};
