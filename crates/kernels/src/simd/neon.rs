//! Vectors of NEON.

#![allow(unsafe_code)] // Intrinsics.

use super::Simd;
use std::arch::aarch64::{
    float32x4_t, float64x2_t, vfmaq_f32, vfmaq_f64, vld1q_f32, vld1q_f64, vst1q_f32, vst1q_f64,
    vuzp1q_f32, vuzp1q_f64, vuzp2q_f32, vuzp2q_f64, vzip1q_f32, vzip1q_f64, vzip2q_f32, vzip2q_f64,
};

/// Arithmetic and partial loads and stores in the operand order of the x86 intrinsics.
macro_rules! order {
    ($fma:ident, $load:ident, $store:ident, $load_lanes:ident, $zip:ident,
     $element:ty, $lanes:literal, $vector:ident, $vfma:ident, $vload:ident, $vstore:ident,
     $vzip:ident, $vzip_high:ident) => {
        #[inline(always)]
        unsafe fn $fma(a: $vector, b: $vector, sum: $vector) -> $vector {
            // SAFETY: NEON is part of the AArch64 baseline.
            unsafe { $vfma(sum, a, b) }
        }
        #[inline(always)]
        unsafe fn $zip(a: $vector, b: $vector) -> [$vector; 2] {
            // SAFETY: NEON is part of the AArch64 baseline.
            unsafe { [$vzip(a, b), $vzip_high(a, b)] }
        }
        #[inline(always)]
        unsafe fn $load_lanes(from: *const $element, bits: u64) -> $vector {
            let mut all = [0.0; $lanes];
            // SAFETY: only these numbers are read.
            unsafe {
                for (lane, to) in all.iter_mut().enumerate() {
                    if bits >> lane & 1 == 1 {
                        *to = from.wrapping_add(lane).read();
                    }
                }
                $vload(all.as_ptr())
            }
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
    load_lanes_f32,
    zip_f32,
    f32,
    4,
    float32x4_t,
    vfmaq_f32,
    vld1q_f32,
    vst1q_f32,
    vzip1q_f32,
    vzip2q_f32
);
order!(
    fma_f64,
    load_first_f64,
    store_first_f64,
    load_lanes_f64,
    zip_f64,
    f64,
    2,
    float64x2_t,
    vfmaq_f64,
    vld1q_f64,
    vst1q_f64,
    vzip1q_f64,
    vzip2q_f64
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
    vuzp1q_f32,
    vuzp2q_f32,
    zip_f32,
    load_lanes_f32
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
    vuzp1q_f64,
    vuzp2q_f64,
    zip_f64,
    load_lanes_f64
);
