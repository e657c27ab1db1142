//! What reading a file may take. A few bytes state a tensor of any size: what is computed of the
//! numbers of a file is bounded by how many it holds.

use std::cell::Cell;

type Result<T, E = String> = std::result::Result<T, E>;

/// Numbers that every file may make, of 8 bytes each.
const NUMBERS: usize = 6 << 20;
/// How many copies of a file's own numbers there may be besides: as they are and changed, for one op
/// after the other.
const COPIES: usize = 8;
/// Numbers that every file may visit, and visits of each of its own: what is made again and again
/// of a few numbers takes time where it takes no memory.
const VISITS: usize = 1 << 26;
const VISITS_OF_EACH: usize = 256;
/// What holds numbers in the end was copied so often on the way, itself included.
const WAYS: usize = 3;

/// Numbers and visits that are left.
#[derive(Debug)]
pub(super) struct Budget {
    numbers: Cell<usize>,
    visits: Cell<usize>,
}

impl Budget {
    /// Of a file that holds so many numbers.
    pub(super) fn new(n_numbers: usize) -> Self {
        let of = |own: usize, each: usize| own.saturating_add(n_numbers.saturating_mul(each));
        Self { numbers: of(NUMBERS, COPIES).into(), visits: of(VISITS, VISITS_OF_EACH).into() }
    }

    /// Fails unless so many numbers may be made, and copied on the way.
    pub(super) fn room(&self, n: usize) -> Result<()> {
        if n.checked_mul(WAYS).is_some_and(|n| n <= self.numbers.get()) {
            return Ok(());
        }
        Err(format!("works on {n} numbers, more than a file of this size may"))
    }

    /// Fails unless a tensor of these sizes may be made. Gives the number of its elements.
    pub(super) fn tensor(&self, dims: &[usize]) -> Result<usize> {
        let n = dims.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        n.filter(|&n| self.room(n).is_ok()).ok_or_else(|| {
            format!("makes a tensor of sizes {dims:?}, more than a file of this size may")
        })
    }

    /// Takes room for so many numbers, for good.
    pub(super) fn hold(&self, n: usize) -> Result<()> {
        self.room(n)?;
        self.numbers.set(self.numbers.get() - n);
        Ok(())
    }

    /// Takes so many visits.
    pub(super) fn visit(&self, n: usize) -> Result<()> {
        let left = self.visits.get().checked_sub(n);
        let left = left.ok_or("computes more than a file of this size may")?;
        self.visits.set(left);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_file_count() {
        let small = Budget::new(10);
        assert_eq!(small.tensor(&[1024, 1024]), Ok(1 << 20));
        assert!(small.tensor(&[4096, 4096]).is_err() && small.tensor(&[1 << 40, 1 << 40]).is_err());
        assert!(Budget::new(1 << 24).tensor(&[4096, 4096]).is_ok());
        assert!(Budget::new(usize::MAX).room(1 << 40).is_ok());
        // What is held is gone.
        assert_eq!((0..100).take_while(|_| small.hold(1 << 20).is_ok()).count(), 4);
        assert!(small.visit(1 << 26).is_ok() && small.visit(1 << 12).is_err());
    }
}
