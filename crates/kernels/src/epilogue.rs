//! What a convolution does to its output while it is still in the cache.

#![allow(unsafe_code)] // Tasks write disjoint parts of the further outputs.

use crate::isa::Isa;
use crate::parallel::for_planes;
use crate::shared::Shared;
use crate::{Curve, Scalar};

/// A last step, applied to every output element z (after bias and accumulation). All slices have
/// the shape of the output [C, N, H, W], but factors may have N = 1 and are then shared by the batch.
#[derive(Debug)]
pub enum Epilogue<'a, T> {
    /// The output becomes φ(z).
    Curve {
        /// φ.
        curve: Curve,
        /// Becomes φ'(z).
        slopes: Option<&'a mut [T]>,
        /// Becomes φ''(z).
        bends: Option<&'a mut [T]>,
    },
    /// The output becomes factor · z, plus factor · x of a second pair if there is one.
    Scale {
        /// Becomes z itself.
        unscaled: Option<&'a mut [T]>,
        /// Factor of z.
        factor: &'a [T],
        /// Second factor and what it multiplies, [C, N, H, W].
        plus: Option<(&'a [T], &'a [T])>,
    },
    /// The output becomes φ'(·)·z, the slope told by the curve's own output.
    Slope {
        /// φ, with [`Curve::output_tells_slope`].
        curve: Curve,
        /// φ(·), shape of the output.
        output: &'a [T],
    },
}

/// An [`Epilogue`] shared by threads.
pub(crate) struct Finish<'a, T> {
    step: Step<'a, T>,
    /// Elements of a channel of the output and of one of its images.
    channel: usize,
    plane: usize,
    len: usize,
}

enum Step<'a, T> {
    Curve { curve: Curve, slopes: Option<Shared<'a, T>>, bends: Option<Shared<'a, T>> },
    Scale { unscaled: Option<Shared<'a, T>>, factor: &'a [T], plus: Option<(&'a [T], &'a [T])> },
    Slope { curve: Curve, output: &'a [T] },
}

impl<'a, T: Scalar> Finish<'a, T> {
    /// # Panics
    /// If a length does not fit an output of `channels` · `batch` · `plane`.
    pub(crate) fn new(
        epilogue: Epilogue<'a, T>,
        channels: usize,
        batch: usize,
        plane: usize,
    ) -> Self {
        let len = channels * batch * plane;
        let share = |slice: Option<&'a mut [T]>| {
            slice.map(|slice| {
                assert_eq!(slice.len(), len, "length of an output of an epilogue");
                Shared::new(slice)
            })
        };
        let check = |factor: &[T]| {
            let fits = factor.len() == len || factor.len() == channels * plane;
            assert!(fits, "length {} of a factor of an epilogue", factor.len());
        };
        let step = match epilogue {
            Epilogue::Curve { curve, slopes, bends } => {
                Step::Curve { curve, slopes: share(slopes), bends: share(bends) }
            }
            Epilogue::Slope { curve, output } => {
                assert!(
                    curve.output_tells_slope(),
                    "{curve:?}: its output does not tell its slope"
                );
                assert_eq!(output.len(), len, "length of the output that tells the slope");
                Step::Slope { curve, output }
            }
            Epilogue::Scale { unscaled, factor, plus } => {
                check(factor);
                if let Some((factor, x)) = plus {
                    check(factor);
                    assert_eq!(x.len(), len, "length of the second operand of an epilogue");
                }
                Step::Scale { unscaled: share(unscaled), factor, plus }
            }
        };
        Self { step, channel: batch * plane, plane, len }
    }

    /// Applies it to all of an output.
    pub(crate) fn apply_everywhere(&self, isa: Isa, out: &mut [T]) {
        // SAFETY: the parts do not overlap.
        for_planes(out, 1, |first, out| unsafe { self.apply(isa, first, out) });
    }

    /// Applies it to the elements of the output from `start`.
    ///
    /// # Safety
    /// No other thread may use these elements, nor call this for them.
    pub(crate) unsafe fn apply(&self, isa: Isa, start: usize, out: &mut [T]) {
        let len = out.len();
        match &self.step {
            Step::Curve { curve, slopes, bends } => {
                // SAFETY: by the caller's promise.
                let part = |shared| unsafe { Shared::slice(shared, start, len) };
                let (slopes, bends) = (slopes.as_ref().map(part), bends.as_ref().map(part));
                isa.vectorise(
                    #[inline(always)]
                    || curve.in_place(out, slopes, bends),
                );
            }
            Step::Slope { curve, output } => {
                let output = &output[start..start + len];
                isa.vectorise(
                    #[inline(always)]
                    || curve.multiply_slope_by_output(output, out),
                );
            }
            Step::Scale { unscaled, factor, plus } => {
                if let Some(unscaled) = unscaled {
                    // SAFETY: as above.
                    unsafe { unscaled.slice(start, len) }.copy_from_slice(out);
                }
                self.runs(factor, start, out, |factor, _, out| {
                    isa.vectorise(
                        #[inline(always)]
                        || out.iter_mut().zip(factor).for_each(|(out, &f)| *out = f * *out),
                    );
                });
                let Some((factor, x)) = *plus else { return };
                self.runs(factor, start, out, |factor, at, out| {
                    let x = &x[at..at + out.len()];
                    isa.vectorise(
                        #[inline(always)]
                        || {
                            let pairs = factor.iter().zip(x);
                            out.iter_mut().zip(pairs).for_each(|(out, (&f, &x))| *out += f * x);
                        },
                    );
                });
            }
        }
    }

    /// Calls `f(factor, start of the run, run)` for the runs of `out` whose factor is contiguous.
    fn runs(&self, factor: &[T], start: usize, out: &mut [T], f: impl Fn(&[T], usize, &mut [T])) {
        if factor.len() == self.len {
            return f(&factor[start..start + out.len()], start, out);
        }
        let mut at = start;
        let mut rest = out;
        while !rest.is_empty() {
            let in_plane = at % self.plane;
            let (run, others) = rest.split_at_mut(rest.len().min(self.plane - in_plane));
            let first = at / self.channel * self.plane + in_plane;
            f(&factor[first..first + run.len()], at, run);
            at += run.len();
            rest = others;
        }
    }
}
