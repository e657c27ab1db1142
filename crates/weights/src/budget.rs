//! What a parser may allocate.

/// Bytes that are left. Every allocation whose size a file decides is taken from here first.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    /// Enough for any honest file: its description takes some times its own size in memory.
    pub(crate) fn of(n_bytes: usize) -> Self {
        Self(n_bytes.saturating_mul(4).saturating_add(32 << 20))
    }

    pub(crate) fn take(&mut self, n_bytes: usize) -> Result<(), String> {
        let left = self.0.checked_sub(n_bytes);
        self.0 =
            left.ok_or("it describes more than its size can hold: it is made to exhaust memory")?;
        Ok(())
    }
}
