//! How slices are divided among threads: always by whole elements of the output.

use rayon::prelude::*;

/// Elements a task should have at least: less is not worth waking a thread.
const TASK: usize = 1 << 14;

/// Planes of `len` elements that make up a task.
pub(crate) fn planes_per_task(len: usize) -> usize {
    TASK.div_ceil(len.max(1))
}

/// Calls `f(first plane, output planes)` for parts of `out`, planes of `len`.
pub(crate) fn for_planes<T: Send>(out: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    for_chunks(out, planes_per_task(len) * len, |first, out| f(first / len, out));
}

/// Calls `f(first element, elements)` for chunks of `out`.
pub(crate) fn for_chunks<T: Send>(out: &mut [T], n: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() <= n {
        return f(0, out);
    }
    out.par_chunks_mut(n).enumerate().for_each(|(task, out)| f(task * n, out));
}
