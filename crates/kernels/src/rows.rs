//! Rows of numbers: copied in, taking every number or every second or fourth, and stored.

#![allow(unsafe_code)] // Vector loads and stores through pointers.

use crate::micro::Rows;
use crate::simd::Simd;

#[inline(always)]
pub(crate) unsafe fn copy_rows<S: Simd>(
    from: Rows<*const S::Element>,
    to: Rows<*mut S::Element>,
    n_rows: usize,
    len: usize,
    step: usize,
) {
    // SAFETY: the caller gives that many rows of that many numbers, all valid.
    unsafe {
        for row in 0..n_rows {
            let (from, to) = (from.start.add(row * from.step), to.start.add(row * to.step));
            match step {
                2 => copy_spread::<S, 2>(from, to, len),
                4 => copy_spread::<S, 4>(from, to, len),
                _ => copy_dense::<S>(from, to, len),
            }
        }
    }
}

#[inline(always)]
unsafe fn copy_dense<S: Simd>(from: *const S::Element, to: *mut S::Element, len: usize) {
    // SAFETY: the caller gives `len` numbers on both sides.
    unsafe {
        let mut at = 0;
        while at + S::LANES <= len {
            S::load(from.add(at)).store(to.add(at));
            at += S::LANES;
        }
        if at < len {
            S::load_first(from.add(at), len - at).store_first(to.add(at), len - at);
        }
    }
}

/// Takes every `STEP`-th number, 2 or 4, and reads none beyond the last it takes.
#[inline(always)]
unsafe fn copy_spread<S: Simd, const STEP: usize>(
    from: *const S::Element,
    to: *mut S::Element,
    len: usize,
) {
    #[inline(always)]
    unsafe fn take<S: Simd, const STEP: usize>(part: impl Fn(usize) -> S) -> S {
        // SAFETY: as for `copy_spread`.
        unsafe {
            let low = part(0).even(part(1));
            if STEP == 2 { low } else { low.even(part(2).even(part(3))) }
        }
    }
    // SAFETY: the caller gives `len` numbers of `to` and STEP·(len - 1) + 1 of `from`.
    unsafe {
        let mut at = 0;
        // As long as a number follows, all vectors up to it are whole.
        while at + S::LANES < len {
            let from = from.add(STEP * at);
            take::<S, STEP>(|i| S::load(from.add(i * S::LANES))).store(to.add(at));
            at += S::LANES;
        }
        if at < len {
            let span = STEP * (len - at - 1) + 1;
            let from = from.add(STEP * at);
            let part = |i: usize| {
                let start = i * S::LANES;
                S::load_first(from.wrapping_add(start), S::LANES.min(span.saturating_sub(start)))
            };
            take::<S, STEP>(part).store_first(to.add(at), len - at);
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn store_rows<S: Simd>(
    sums: Rows<*const S::Element>,
    out: Rows<*mut S::Element>,
    n_rows: usize,
    len: usize,
    bias: Rows<*const S::Element>,
    add: bool,
    step: usize,
    zero: S::Element,
) {
    // SAFETY: the caller gives that many rows of that many numbers, all valid, `step` apart in
    // `out`, and a bias for each row unless it is null.
    unsafe {
        for row in 0..n_rows {
            let (from, to) = (sums.start.add(row * sums.step), out.start.add(row * out.step));
            let bias = if bias.start.is_null() { zero } else { *bias.start.add(row * bias.step) };
            match step {
                1 => store_dense(from, to, len, S::splat(bias), add),
                _ => store_spread(from, to, len, S::splat(bias), add),
            }
        }
    }
}

#[inline(always)]
unsafe fn store_dense<S: Simd>(
    from: *const S::Element,
    to: *mut S::Element,
    len: usize,
    bias: S,
    add: bool,
) {
    // SAFETY: the caller gives `len` numbers on both sides.
    unsafe {
        let mut at = 0;
        while at + S::LANES <= len {
            let mut value = S::load(from.add(at)).add(bias);
            if add {
                value = S::load(to.add(at)).add(value);
            }
            value.store(to.add(at));
            at += S::LANES;
        }
        if at < len {
            let n = len - at;
            let mut value = S::load_first(from.add(at), n).add(bias);
            if add {
                value = S::load_first(to.add(at), n).add(value);
            }
            value.store_first(to.add(at), n);
        }
    }
}

/// Stores to every second number of `to`, and puts back those between.
#[inline(always)]
unsafe fn store_spread<S: Simd>(
    from: *const S::Element,
    to: *mut S::Element,
    len: usize,
    bias: S,
    add: bool,
) {
    #[inline(always)]
    unsafe fn merge<S: Simd>(value: S, low: S, high: S, add: bool) -> [S; 2] {
        // SAFETY: as for `store_spread`.
        unsafe {
            let value = if add { low.even(high).add(value) } else { value };
            value.zip(low.odd(high))
        }
    }
    // SAFETY: the caller gives `len` numbers of `from` and 2·(len - 1) + 1 of `to`.
    unsafe {
        let mut at = 0;
        // As long as a number follows, both vectors up to it are whole.
        while at + S::LANES < len {
            let to = [to.add(2 * at), to.add(2 * at + S::LANES)];
            let value = S::load(from.add(at)).add(bias);
            let [low, high] = merge(value, S::load(to[0]), S::load(to[1]), add);
            low.store(to[0]);
            high.store(to[1]);
            at += S::LANES;
        }
        if at < len {
            let span = 2 * (len - at - 1) + 1;
            let n = [S::LANES.min(span), span.saturating_sub(S::LANES)];
            let to = [to.add(2 * at), to.wrapping_add(2 * at + S::LANES)];
            let value = S::load_first(from.add(at), len - at).add(bias);
            let (low, high) = (S::load_first(to[0], n[0]), S::load_first(to[1], n[1]));
            let [low, high] = merge(value, low, high, add);
            low.store_first(to[0], n[0]);
            high.store_first(to[1], n[1]);
        }
    }
}
