//! The two widths of number the kernels work in.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub};

use crate::exponential;
use crate::isa::Isa;
use crate::micro::{self, Micro};

/// What kernels need to know about a width of number; sealed.
pub trait Width: Sized + 'static {
    /// Inner loops for an instruction set.
    #[allow(private_interfaces)]
    fn micro(isa: Isa) -> Micro<Self>;
    /// Lends the buffer of this thread, emptied of nothing: old values stay in it.
    fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R;
}

/// `f32` or `f64`.
pub trait Scalar:
    Width
    + Copy
    + Default
    + Debug
    + PartialOrd
    + Send
    + Sync
    + Sum
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Rounds to this width.
    fn from_f64(value: f64) -> Self;
    /// Widens.
    fn to_f64(self) -> f64;
    /// These numbers in this width, without a copy where they are.
    fn of_singles(values: &[f32]) -> Cow<'_, [Self]>;
    /// √self.
    #[must_use]
    fn sqrt(self) -> Self;
    /// exp(self) of a number that is not above 0, to 2 units in the last place, without branches or
    /// calls, so that loops over it are vectorised; 0 far below.
    #[must_use]
    fn exp_below(self) -> Self;
    /// The curve `Gelu` with two derivatives.
    #[must_use]
    fn gelu(self) -> [Self; 3];
    /// Whether it is no number.
    fn is_nan(self) -> bool;
}

macro_rules! scalar {
    ($t:ty, $micro:path, $exp_below:path, $gelu:path, $of_singles:expr) => {
        impl Width for $t {
            #[allow(private_interfaces)]
            fn micro(isa: Isa) -> Micro<Self> {
                $micro(isa)
            }
            fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R {
                thread_local!(static SCRATCH: RefCell<Vec<$t>> = const { RefCell::new(Vec::new()) });
                SCRATCH.with_borrow_mut(|scratch| {
                    if scratch.len() < len {
                        scratch.resize(len, 0.0);
                    }
                    f(&mut scratch[..len])
                })
            }
        }

        impl Scalar for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn of_singles(values: &[f32]) -> Cow<'_, [Self]> {
                $of_singles(values)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn exp_below(self) -> Self {
                $exp_below(self)
            }
            #[inline(always)]
            fn gelu(self) -> [Self; 3] {
                $gelu(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
        }
    };
}

scalar!(f32, micro::for_f32, exponential::exp_single, exponential::gelu_single, Cow::Borrowed);
scalar!(f64, micro::for_f64, exponential::exp, exponential::gelu, |values: &[f32]| values
    .iter()
    .copied()
    .map(f64::from)
    .collect());
