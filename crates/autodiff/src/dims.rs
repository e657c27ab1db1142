//! Sizes of tensors.

use hsets_core::Shape;

/// Sizes of a tensor along its axes, for one image: at least 1 and at most [`Dims::MAX_RANK`] axes.
///
/// An image is \[C, H, W\], a vector \[n\], tokens are \[T, C\] or \[C, T\].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dims {
    rank: usize,
    sizes: [usize; Dims::MAX_RANK],
}

impl Dims {
    /// Most axes a tensor can have.
    pub const MAX_RANK: usize = 8;

    /// These sizes.
    ///
    /// # Panics
    /// If there is no axis or more than [`Dims::MAX_RANK`].
    pub fn new(sizes: &[usize]) -> Self {
        assert!((1..=Self::MAX_RANK).contains(&sizes.len()), "a tensor of rank {}", sizes.len());
        let mut all = [1; Self::MAX_RANK];
        all[..sizes.len()].copy_from_slice(sizes);
        Self { rank: sizes.len(), sizes: all }
    }

    /// Size of each axis.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes[..self.rank]
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of elements.
    pub fn n_elements(&self) -> usize {
        self.sizes().iter().product()
    }

    /// Elements behind one index of the first axis.
    pub fn plane(&self) -> usize {
        self.sizes()[1..].iter().product()
    }

    /// With another size of one axis.
    #[must_use]
    pub fn with(mut self, axis: usize, size: usize) -> Self {
        self.sizes[axis] = size;
        self
    }

    /// As an image \[C, H, W\]: vectors are \[n, 1, 1\], other tensors \[first, between, last\].
    pub fn image(&self) -> Shape {
        match *self.sizes() {
            [n] => Shape::new(n, 1, 1),
            [first, ref between @ .., last] => Shape::new(first, between.iter().product(), last),
            [] => Shape::new(1, 1, 1),
        }
    }

    /// What both are broadcast to: aligned at their last axes, sizes are equal or one of them is 1.
    pub fn broadcast(self, other: Self) -> Option<Self> {
        let rank = self.rank.max(other.rank);
        let size = |dims: &Self, axis: usize| {
            (axis + dims.rank).checked_sub(rank).map_or(1, |own| dims.sizes[own])
        };
        let mut sizes = [1; Self::MAX_RANK];
        for (axis, size_of) in sizes.iter_mut().enumerate().take(rank) {
            *size_of = match (size(&self, axis), size(&other, axis)) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                _ => return None,
            };
        }
        Some(Self { rank, sizes })
    }

    /// The same axes in another order: axis k becomes the one at `order[k]`.
    #[must_use]
    pub fn permuted(&self, order: &[usize]) -> Self {
        Self::new(&order.iter().map(|&axis| self.sizes[axis]).collect::<Vec<_>>())
    }

    /// With axes of size 1 in front, up to this rank.
    #[must_use]
    pub fn padded(&self, rank: usize) -> Self {
        let missing = rank.saturating_sub(self.rank);
        let sizes = std::iter::repeat_n(1, missing).chain(self.sizes().iter().copied());
        Self::new(&sizes.collect::<Vec<_>>())
    }
}

impl From<Shape> for Dims {
    fn from(shape: Shape) -> Self {
        Self::new(&[shape.channels, shape.height, shape.width])
    }
}

impl std::fmt::Display for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.sizes())
    }
}

impl std::fmt::Debug for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The smallest groups of neighbouring axes with equally many elements on both sides.
pub(crate) fn groups(from: &[usize], to: &[usize]) -> Vec<[Vec<usize>; 2]> {
    let mut groups: Vec<[Vec<usize>; 2]> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() && j < to.len() {
        let mut group = [vec![i], vec![j]];
        let (mut left, mut right) = (from[i], to[j]);
        (i, j) = (i + 1, j + 1);
        while left != right {
            if left < right && i < from.len() {
                left *= from[i];
                group[0].push(i);
                i += 1;
            } else if j < to.len() {
                right *= to[j];
                group[1].push(j);
                j += 1;
            } else {
                break; // not the same number of elements: the builder refuses that
            }
        }
        groups.push(group);
    }
    // Axes of size 1 at the end.
    if let Some([left, right]) = groups.last_mut() {
        left.extend(i..from.len());
        right.extend(j..to.len());
    }
    groups
}

/// Where an axis is after a reshape that keeps it.
pub(crate) fn follow(from: Dims, to: Dims, axis: usize) -> Option<usize> {
    let groups = groups(from.sizes(), to.sizes());
    let [own, parts] = groups.iter().find(|[own, _]| own.contains(&axis))?;
    let is_alone = own.iter().all(|&other| other == axis || from.sizes()[other] == 1);
    parts.iter().copied().find(|&part| is_alone && to.sizes()[part] == from.sizes()[axis])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_align_at_the_end() {
        let dims = |sizes: &[usize]| Dims::new(sizes);
        assert_eq!(dims(&[4, 1, 3]).broadcast(dims(&[5, 1])), Some(dims(&[4, 5, 3])));
        assert_eq!(dims(&[3]).broadcast(dims(&[2, 3])), Some(dims(&[2, 3])));
        assert_eq!(dims(&[2]).broadcast(dims(&[2, 3])), None);
    }

    #[test]
    fn any_tensor_is_an_image() {
        assert_eq!(Dims::new(&[7]).image(), Shape::new(7, 1, 1));
        assert_eq!(Dims::new(&[7, 5]).image(), Shape::new(7, 1, 5));
        assert_eq!(Dims::new(&[2, 3, 4, 5]).image(), Shape::new(2, 12, 5));
        assert_eq!(Dims::from(Shape::new(3, 4, 5)).sizes(), [3, 4, 5]);
    }
}
