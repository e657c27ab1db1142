//! Vectors of AVX2 and AVX-512.

#![allow(unsafe_code)] // Intrinsics.

use super::Simd;
use std::arch::x86_64 as arch;
use std::arch::x86_64::{_mm256_fmadd_pd, _mm256_fmadd_ps, _mm512_fmadd_pd, _mm512_fmadd_ps};

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
unsafe fn load_first_f32x8(from: *const f32, n: usize) -> arch::__m256 {
    // SAFETY: numbers beyond the mask are not touched.
    unsafe { arch::_mm256_maskload_ps(from, mask_32(n)) }
}
#[inline(always)]
unsafe fn load_first_f64x4(from: *const f64, n: usize) -> arch::__m256d {
    // SAFETY: numbers beyond the mask are not touched.
    unsafe { arch::_mm256_maskload_pd(from, mask_64(n)) }
}
/// In parts of 4, 2 and 1: stores by a mask take dozens of cycles on some processors.
#[inline(always)]
unsafe fn store_first_f32x8(mut to: *mut f32, n: usize, value: arch::__m256) {
    // SAFETY: the parts make up the first n numbers.
    unsafe {
        if n >= 8 {
            return arch::_mm256_storeu_ps(to, value);
        }
        let mut rest = arch::_mm256_castps256_ps128(value);
        if n & 4 != 0 {
            arch::_mm_storeu_ps(to, rest);
            rest = arch::_mm256_extractf128_ps::<1>(value);
            to = to.add(4);
        }
        if n & 2 != 0 {
            arch::_mm_storel_pd(to.cast(), arch::_mm_castps_pd(rest));
            rest = arch::_mm_movehl_ps(rest, rest);
            to = to.add(2);
        }
        if n & 1 != 0 {
            arch::_mm_store_ss(to, rest);
        }
    }
}
/// As [`store_first_f32x8`].
#[inline(always)]
unsafe fn store_first_f64x4(mut to: *mut f64, n: usize, value: arch::__m256d) {
    // SAFETY: the parts make up the first n numbers.
    unsafe {
        if n >= 4 {
            return arch::_mm256_storeu_pd(to, value);
        }
        let mut rest = arch::_mm256_castpd256_pd128(value);
        if n & 2 != 0 {
            arch::_mm_storeu_pd(to, rest);
            rest = arch::_mm256_extractf128_pd::<1>(value);
            to = to.add(2);
        }
        if n & 1 != 0 {
            arch::_mm_store_sd(to, rest);
        }
    }
}

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
    odd_f64x8,
    zip_f64x8,
    load_lanes_f64x8
);
