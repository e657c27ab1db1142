//! Vectors of AVX2 and AVX-512.

#![allow(unsafe_code)] // Intrinsics.

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
        let at = arch::_mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
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
#[inline(always)]
unsafe fn odd_f32x8(a: arch::__m256, b: arch::__m256) -> arch::__m256 {
    // SAFETY: AVX2 by the caller's contract.
    unsafe {
        let pairs = arch::_mm256_castps_pd(arch::_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
        arch::_mm256_castpd_ps(arch::_mm256_permute4x64_pd::<0b11_01_10_00>(pairs))
    }
}
#[inline(always)]
unsafe fn odd_f64x4(a: arch::__m256d, b: arch::__m256d) -> arch::__m256d {
    // SAFETY: AVX2 by the caller's contract.
    unsafe { arch::_mm256_permute4x64_pd::<0b11_01_10_00>(arch::_mm256_unpackhi_pd(a, b)) }
}
#[inline(always)]
unsafe fn odd_f32x16(a: arch::__m512, b: arch::__m512) -> arch::__m512 {
    // SAFETY: AVX-512 by the caller's contract.
    unsafe {
        let at = arch::_mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        arch::_mm512_permutex2var_ps(a, at, b)
    }
}
#[inline(always)]
unsafe fn odd_f64x8(a: arch::__m512d, b: arch::__m512d) -> arch::__m512d {
    // SAFETY: AVX-512 by the caller's contract.
    unsafe {
        let at = arch::_mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
        arch::_mm512_permutex2var_pd(a, at, b)
    }
}
#[inline(always)]
unsafe fn zip_f32x8(a: arch::__m256, b: arch::__m256) -> [arch::__m256; 2] {
    // SAFETY: AVX2 by the caller's contract.
    unsafe {
        let (low, high) = (arch::_mm256_unpacklo_ps(a, b), arch::_mm256_unpackhi_ps(a, b));
        [
            arch::_mm256_permute2f128_ps::<0x20>(low, high),
            arch::_mm256_permute2f128_ps::<0x31>(low, high),
        ]
    }
}
#[inline(always)]
unsafe fn zip_f64x4(a: arch::__m256d, b: arch::__m256d) -> [arch::__m256d; 2] {
    // SAFETY: AVX2 by the caller's contract.
    unsafe {
        let (low, high) = (arch::_mm256_unpacklo_pd(a, b), arch::_mm256_unpackhi_pd(a, b));
        [
            arch::_mm256_permute2f128_pd::<0x20>(low, high),
            arch::_mm256_permute2f128_pd::<0x31>(low, high),
        ]
    }
}
#[inline(always)]
unsafe fn zip_f32x16(a: arch::__m512, b: arch::__m512) -> [arch::__m512; 2] {
    // SAFETY: AVX-512 by the caller's contract.
    unsafe {
        let at = arch::_mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = arch::_mm512_add_epi32(at, arch::_mm512_set1_epi32(8));
        [at, high].map(|at| arch::_mm512_permutex2var_ps(a, at, b))
    }
}
#[inline(always)]
unsafe fn zip_f64x8(a: arch::__m512d, b: arch::__m512d) -> [arch::__m512d; 2] {
    // SAFETY: AVX-512 by the caller's contract.
    unsafe {
        let at = arch::_mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        let high = arch::_mm512_add_epi64(at, arch::_mm512_set1_epi64(4));
        [at, high].map(|at| arch::_mm512_permutex2var_pd(a, at, b))
    }
}
#[inline(always)]
unsafe fn load_lanes_f32x8(from: *const f32, bits: u64) -> arch::__m256 {
    // SAFETY: AVX2 by the caller's contract; numbers without a bit are not touched.
    unsafe {
        let lanes = arch::_mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        let own = arch::_mm256_and_si256(arch::_mm256_set1_epi32(bits as i32), lanes);
        arch::_mm256_maskload_ps(from, arch::_mm256_cmpeq_epi32(own, lanes))
    }
}
#[inline(always)]
unsafe fn load_lanes_f64x4(from: *const f64, bits: u64) -> arch::__m256d {
    // SAFETY: AVX2 by the caller's contract; numbers without a bit are not touched.
    unsafe {
        let lanes = arch::_mm256_setr_epi64x(1, 2, 4, 8);
        let own = arch::_mm256_and_si256(arch::_mm256_set1_epi64x(bits as i64), lanes);
        arch::_mm256_maskload_pd(from, arch::_mm256_cmpeq_epi64(own, lanes))
    }
}
#[inline(always)]
unsafe fn load_lanes_f32x16(from: *const f32, bits: u64) -> arch::__m512 {
    // SAFETY: AVX-512 by the caller's contract; numbers without a bit are not touched.
    unsafe { arch::_mm512_maskz_loadu_ps(bits as arch::__mmask16, from) }
}
#[inline(always)]
unsafe fn load_lanes_f64x8(from: *const f64, bits: u64) -> arch::__m512d {
    // SAFETY: AVX-512 by the caller's contract; numbers without a bit are not touched.
    unsafe { arch::_mm512_maskz_loadu_pd(bits as arch::__mmask8, from) }
}
#[inline(always)]
unsafe fn store_spread_f32x8(to: *mut f32, n: usize, x: arch::__m256) {
    // SAFETY: AVX2 by the caller's contract; numbers beyond the masks are not touched.
    unsafe {
        for (half, at) in [(0, [0, 0, 1, 1, 2, 2, 3, 3]), (1, [4, 4, 5, 5, 6, 6, 7, 7])] {
            let at = arch::_mm256_loadu_si256(at.as_ptr().cast());
            let even = arch::_mm256_setr_epi32(-1, 0, -1, 0, -1, 0, -1, 0);
            let mask = arch::_mm256_and_si256(mask_32((2 * n).saturating_sub(8 * half)), even);
            let spread = arch::_mm256_permutevar8x32_ps(x, at);
            arch::_mm256_maskstore_ps(to.wrapping_add(8 * half), mask, spread);
        }
    }
}
#[inline(always)]
unsafe fn store_spread_f64x4(to: *mut f64, n: usize, x: arch::__m256d) {
    // SAFETY: AVX2 by the caller's contract; numbers beyond the masks are not touched.
    unsafe {
        let even = arch::_mm256_setr_epi64x(-1, 0, -1, 0);
        let mask =
            |half: usize| arch::_mm256_and_si256(mask_64((2 * n).saturating_sub(4 * half)), even);
        arch::_mm256_maskstore_pd(to, mask(0), arch::_mm256_permute4x64_pd::<0b01_01_00_00>(x));
        let high = arch::_mm256_permute4x64_pd::<0b11_11_10_10>(x);
        arch::_mm256_maskstore_pd(to.wrapping_add(4), mask(1), high);
    }
}
#[inline(always)]
unsafe fn store_spread_f32x16(to: *mut f32, n: usize, x: arch::__m512) {
    // SAFETY: AVX-512 by the caller's contract; numbers beyond the masks are not touched.
    unsafe {
        let low = arch::_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
        let high = arch::_mm512_add_epi32(low, arch::_mm512_set1_epi32(8));
        let mask = |half: usize| bits_16((2 * n).saturating_sub(16 * half)) & 0x5555;
        arch::_mm512_mask_storeu_ps(to, mask(0), arch::_mm512_permutexvar_ps(low, x));
        let to = to.wrapping_add(16);
        arch::_mm512_mask_storeu_ps(to, mask(1), arch::_mm512_permutexvar_ps(high, x));
    }
}
#[inline(always)]
unsafe fn store_spread_f64x8(to: *mut f64, n: usize, x: arch::__m512d) {
    // SAFETY: AVX-512 by the caller's contract; numbers beyond the masks are not touched.
    unsafe {
        let low = arch::_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
        let high = arch::_mm512_setr_epi64(4, 4, 5, 5, 6, 6, 7, 7);
        let mask = |half: usize| bits_8((2 * n).saturating_sub(8 * half)) & 0x55;
        arch::_mm512_mask_storeu_pd(to, mask(0), arch::_mm512_permutexvar_pd(low, x));
        let to = to.wrapping_add(8);
        arch::_mm512_mask_storeu_pd(to, mask(1), arch::_mm512_permutexvar_pd(high, x));
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
    even_f32x8,
    store_spread_f32x8,
    odd_f32x8,
    zip_f32x8,
    load_lanes_f32x8
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
    even_f64x4,
    store_spread_f64x4,
    odd_f64x4,
    zip_f64x4,
    load_lanes_f64x4
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
    even_f32x16,
    store_spread_f32x16,
    odd_f32x16,
    zip_f32x16,
    load_lanes_f32x16
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
    even_f64x8,
    store_spread_f64x8,
    odd_f64x8,
    zip_f64x8,
    load_lanes_f64x8
);
