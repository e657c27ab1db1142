//! Which vector instructions are used, decided once at run time.

#![allow(unsafe_code)] // Calling a function compiled for instructions that were detected.

use std::sync::OnceLock;

/// A set of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Whatever the target guarantees (SSE2 on x86-64, NEON on `AArch64`).
    Baseline,
    /// 256-bit vectors with fused multiply-add (x86-64).
    Avx2,
    /// 512-bit vectors (x86-64).
    Avx512,
}

impl Isa {
    /// The widest this machine has.
    pub fn detect() -> Self {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(|| *Self::available().last().unwrap_or(&Self::Baseline))
    }

    /// All that this machine has, narrowest first.
    pub fn available() -> Vec<Self> {
        [Self::Baseline, Self::Avx2, Self::Avx512].into_iter().filter(|isa| isa.present()).collect()
    }

    #[cfg(target_arch = "x86_64")]
    fn present(self) -> bool {
        match self {
            Self::Baseline => true,
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Avx512 => {
                Self::Avx2.present()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn present(self) -> bool {
        self == Self::Baseline
    }

    /// Runs `f` compiled for these instructions, so that its loops are vectorised with them. `f`
    /// must be an `#[inline(always)]` closure.
    #[inline]
    pub(crate) fn vectorise<R>(self, f: impl FnOnce() -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2<R>(f: impl FnOnce() -> R) -> R {
                f()
            }
            #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
            unsafe fn avx512<R>(f: impl FnOnce() -> R) -> R {
                f()
            }
            assert!(self <= Self::detect(), "{self:?} is not available on this machine");
            // SAFETY: the instructions are present: each set includes those before it.
            match self {
                Self::Baseline => f(),
                Self::Avx2 => unsafe { avx2(f) },
                Self::Avx512 => unsafe { avx512(f) },
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        f()
    }
}

/// Asks for what will be needed soon.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: prefetching never faults, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
