//! Memory of tensors on the CPU.

use std::sync::{Arc, Mutex, PoisonError};

use hsets_kernels::Scalar;

use super::copy;

/// Buffers that are used again: fresh memory costs more than most elementwise ops.
#[derive(Debug, Default)]
pub(super) struct Pool<T> {
    free: Mutex<Vec<Vec<T>>>,
    /// Most numbers in buffers that nobody uses, where there is a limit.
    most: Option<usize>,
}

impl<T: Scalar> Pool<T> {
    /// A pool that holds at most so many numbers that nobody uses.
    pub(super) fn limited(most: usize) -> Self {
        Self { free: Mutex::default(), most: Some(most) }
    }

    /// Frees the buffers that are not in use.
    pub(super) fn clear(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A buffer of `len` elements of any value.
    pub(super) fn take(&self, len: usize) -> Vec<T> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &Vec<T>| buffer.len() >= len && buffer.len() <= 2 * len + 64;
        let best = free
            .iter()
            .enumerate()
            .filter(|(_, buffer)| fits(buffer))
            .min_by_key(|(_, buffer)| buffer.len())
            .map(|(at, _)| at);
        if let Some(at) = best {
            return free.remove(at);
        }
        drop(free);
        vec![T::ZERO; len]
    }

    fn give_back(&self, buffer: Vec<T>) {
        if buffer.is_empty() {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(buffer);
        let Some(most) = self.most else { return };
        // Those that came first are of layers long gone.
        let mut n: usize = free.iter().map(Vec::len).sum();
        let n_old = free.iter().take_while(|old| {
            let is_over = n > most;
            n -= old.len();
            is_over
        });
        let n_old = n_old.count();
        free.drain(..n_old);
    }
}

/// A buffer that goes back to its pool.
#[derive(Debug)]
pub(super) struct Buffer<T: Scalar> {
    pub(super) values: Vec<T>,
    pub(super) pool: Arc<Pool<T>>,
}

impl<T: Scalar> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.values));
    }
}

impl<T: Scalar> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        let mut values = self.pool.take(self.values.len());
        copy(&self.values, &mut values[..self.values.len()], false);
        Self { values, pool: Arc::clone(&self.pool) }
    }
}
