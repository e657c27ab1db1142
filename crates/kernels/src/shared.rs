//! A mutable slice that several threads write to, each its own elements.

#![allow(unsafe_code)] // Disjointness across threads is known to the caller only.

use std::marker::PhantomData;

/// A `&mut [T]` handed to many tasks.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it is a `&mut [T]` whose elements are divided among threads by `Shared::slice`.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// Pointer to the elements from `start`, `len` of them.
    ///
    /// # Panics
    /// If they are not all inside.
    pub(crate) fn pointer(&self, start: usize, len: usize) -> *mut T {
        assert!(start <= self.len && len <= self.len - start);
        self.start.wrapping_add(start)
    }

    /// The elements from `start`, `len` of them.
    ///
    /// # Safety
    /// No two live slices may overlap.
    ///
    /// # Panics
    /// If they are not all inside.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)] // that is its purpose
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        let start = self.pointer(start, len);
        // SAFETY: inside the slice by the assertion there, not shared by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }
}
