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
    /// The numbers at even places of `self` followed by `other`.
    unsafe fn even(self, other: Self) -> Self;
    /// The first `n` ≤ LANES numbers of `from`, the rest zero.
    unsafe fn load_first(from: *const Self::Element, n: usize) -> Self;
    /// Stores the first `n` ≤ LANES numbers.
    unsafe fn store_first(self, to: *mut Self::Element, n: usize);
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
    unsafe fn even(self, other: Self) -> Self {
        let at = |i: usize| if i < L { self.0[i] } else { other.0[i - L] };
        Self(std::array::from_fn(|lane| at(2 * lane)))
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

macro_rules! intrinsics {
    ($name:ident, $module:ident, $element:ty, $lanes:literal, $vector:ident,
     $splat:ident, $load:ident, $store:ident, $add:ident, $fma:ident, $load_first:ident,
     $store_first:ident, $even:ident) => {
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
mod x86 {
    use super::Simd;
    use std::arch::x86_64 as arch;
    use std::arch::x86_64::{_mm256_fmadd_pd, _mm256_fmadd_ps, _mm512_fmadd_pd, _mm512_fmadd_ps};

    /// Loads and stores of the first n numbers, by a mask.
    macro_rules! partial {
        ($load:ident, $store:ident, $element:ty, $vector:ident, $mask:expr, $masked_load:ident,
         $masked_store:ident) => {
            #[inline(always)]
            unsafe fn $load(from: *const $element, n: usize) -> arch::$vector {
                // SAFETY: numbers beyond the mask are not touched.
                unsafe { arch::$masked_load(from, $mask(n)) }
            }
            #[inline(always)]
            unsafe fn $store(to: *mut $element, n: usize, value: arch::$vector) {
                // SAFETY: numbers beyond the mask are not touched.
                unsafe { arch::$masked_store(to, $mask(n), value) }
            }
        };
    }

    /// Lanes whose number is below n, all bits set.
    #[inline(always)]
    unsafe fn mask_32(n: usize) -> arch::__m256i {
        // SAFETY: AVX2 by the caller's contract.
        unsafe {
            let lanes = arch::_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            arch::_mm256_cmpgt_epi32(arch::_mm256_set1_epi32(n as i32), lanes)
        }
    }
    #[inline(always)]
    unsafe fn mask_64(n: usize) -> arch::__m256i {
        // SAFETY: AVX2 by the caller's contract.
        unsafe {
            let lanes = arch::_mm256_setr_epi64x(0, 1, 2, 3);
            arch::_mm256_cmpgt_epi64(arch::_mm256_set1_epi64x(n as i64), lanes)
        }
    }
    #[inline(always)]
    fn bits_16(n: usize) -> arch::__mmask16 {
        ((1u32 << n.min(16)) - 1) as arch::__mmask16
    }
    #[inline(always)]
    fn bits_8(n: usize) -> arch::__mmask8 {
        ((1u32 << n.min(8)) - 1) as arch::__mmask8
    }
    /// The AVX-512 load has the mask first.
    #[inline(always)]
    unsafe fn load_first_f32x16(from: *const f32, n: usize) -> arch::__m512 {
        // SAFETY: numbers beyond the mask are not touched.
        unsafe { arch::_mm512_maskz_loadu_ps(bits_16(n), from) }
    }
    #[inline(always)]
    unsafe fn store_first_f32x16(to: *mut f32, n: usize, value: arch::__m512) {
        // SAFETY: numbers beyond the mask are not touched.
        unsafe { arch::_mm512_mask_storeu_ps(to, bits_16(n), value) }
    }
    #[inline(always)]
    unsafe fn load_first_f64x8(from: *const f64, n: usize) -> arch::__m512d {
        // SAFETY: numbers beyond the mask are not touched.
        unsafe { arch::_mm512_maskz_loadu_pd(bits_8(n), from) }
    }
    #[inline(always)]
    unsafe fn store_first_f64x8(to: *mut f64, n: usize, value: arch::__m512d) {
        // SAFETY: numbers beyond the mask are not touched.
        unsafe { arch::_mm512_mask_storeu_pd(to, bits_8(n), value) }
    }
    #[inline(always)]
    unsafe fn even_f32x8(a: arch::__m256, b: arch::__m256) -> arch::__m256 {
        // SAFETY: AVX2 by the caller's contract.
        unsafe {
            let pairs = arch::_mm256_castps_pd(arch::_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            arch::_mm256_castpd_ps(arch::_mm256_permute4x64_pd::<0b11_01_10_00>(pairs))
        }
    }
    #[inline(always)]
    unsafe fn even_f64x4(a: arch::__m256d, b: arch::__m256d) -> arch::__m256d {
        // SAFETY: AVX2 by the caller's contract.
        unsafe { arch::_mm256_permute4x64_pd::<0b11_01_10_00>(arch::_mm256_unpacklo_pd(a, b)) }
    }
    #[inline(always)]
    unsafe fn even_f32x16(a: arch::__m512, b: arch::__m512) -> arch::__m512 {
        // SAFETY: AVX-512 by the caller's contract.
        unsafe {
            let at =
                arch::_mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            arch::_mm512_permutex2var_ps(a, at, b)
        }
    }
    #[inline(always)]
    unsafe fn even_f64x8(a: arch::__m512d, b: arch::__m512d) -> arch::__m512d {
        // SAFETY: AVX-512 by the caller's contract.
        unsafe {
            let at = arch::_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            arch::_mm512_permutex2var_pd(a, at, b)
        }
    }
    partial!(
        load_first_f32x8,
        store_first_f32x8,
        f32,
        __m256,
        mask_32,
        _mm256_maskload_ps,
        _mm256_maskstore_ps
    );
    partial!(
        load_first_f64x4,
        store_first_f64x4,
        f64,
        __m256d,
        mask_64,
        _mm256_maskload_pd,
        _mm256_maskstore_pd
    );

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
        _mm256_fmadd_ps,
        load_first_f32x8,
        store_first_f32x8,
        even_f32x8
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
        _mm256_fmadd_pd,
        load_first_f64x4,
        store_first_f64x4,
        even_f64x4
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
        _mm512_fmadd_ps,
        load_first_f32x16,
        store_first_f32x16,
        even_f32x16
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
        _mm512_fmadd_pd,
        load_first_f64x8,
        store_first_f64x8,
        even_f64x8
    );
}
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{F32x8, F32x16, F64x4, F64x8};

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::Simd;
    use std::arch::aarch64::{
        float32x4_t, float64x2_t, vfmaq_f32, vfmaq_f64, vld1q_f32, vld1q_f64, vst1q_f32, vst1q_f64,
        vuzp1q_f32, vuzp1q_f64,
    };

    /// Arithmetic and partial loads and stores in the operand order of the x86 intrinsics.
    macro_rules! order {
        ($fma:ident, $load:ident, $store:ident, $element:ty, $lanes:literal, $vector:ident,
         $vfma:ident, $vload:ident, $vstore:ident) => {
            #[inline(always)]
            unsafe fn $fma(a: $vector, b: $vector, sum: $vector) -> $vector {
                // SAFETY: NEON is part of the AArch64 baseline.
                unsafe { $vfma(sum, a, b) }
            }
            #[inline(always)]
            unsafe fn $load(from: *const $element, n: usize) -> $vector {
                let mut all = [0.0; $lanes];
                // SAFETY: only the first n numbers are read.
                unsafe {
                    std::ptr::copy_nonoverlapping(from, all.as_mut_ptr(), n.min($lanes));
                    $vload(all.as_ptr())
                }
            }
            #[inline(always)]
            unsafe fn $store(to: *mut $element, n: usize, value: $vector) {
                let mut all = [0.0; $lanes];
                // SAFETY: only the first n numbers are written.
                unsafe {
                    $vstore(all.as_mut_ptr(), value);
                    std::ptr::copy_nonoverlapping(all.as_ptr(), to, n.min($lanes));
                }
            }
        };
    }
    order!(
        fma_f32,
        load_first_f32,
        store_first_f32,
        f32,
        4,
        float32x4_t,
        vfmaq_f32,
        vld1q_f32,
        vst1q_f32
    );
    order!(
        fma_f64,
        load_first_f64,
        store_first_f64,
        f64,
        2,
        float64x2_t,
        vfmaq_f64,
        vld1q_f64,
        vst1q_f64
    );
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
        fma_f32,
        load_first_f32,
        store_first_f32,
        vuzp1q_f32
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
        fma_f64,
        load_first_f64,
        store_first_f64,
        vuzp1q_f64
    );
}
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{F32x4, F64x2};
