//! Progress of long stages, without saying how it is shown.

/// Told about the work of a stage; may ask it to stop.
pub trait Progress: Sync {
    /// A stage of `total` units of work begins.
    fn begin(&self, stage: &str, total: u64);
    /// `n` more units of the current stage are done.
    fn advance(&self, n: u64);
    /// The current stage is over, whatever was announced.
    fn end(&self) {}
    /// True when the user wants to stop; stages return [`crate::Error::Cancelled`] then.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Shows nothing, and asks another whether to stop.
#[derive(Clone, Copy)]
pub struct Unseen<'a>(pub &'a dyn Progress);

impl Progress for Unseen<'_> {
    fn begin(&self, _stage: &str, _total: u64) {}
    fn advance(&self, _n: u64) {}
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Shows nothing, never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _stage: &str, _total: u64) {}
    fn advance(&self, _n: u64) {}
}
