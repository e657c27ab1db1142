//! The order in which a tensor's axes are held.
//!
//! An order says for every axis of a held tensor which axis of the graph's tensor it is. Permuting is
//! then a matter of names, and reshaping moves nothing where the axes that are split or joined lie
//! next to each other.

use crate::Dims;
use crate::dims::groups;

/// Axes as the graph has them.
pub(super) fn plain(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

/// Where the graph's axis `axis` is held.
pub(super) fn place(order: &[usize], axis: usize) -> usize {
    order.iter().position(|&held| held == axis).unwrap_or(axis)
}

/// What to permute a tensor held in one order with, to hold it in another.
pub(super) fn change(from: &[usize], to: &[usize]) -> Vec<usize> {
    to.iter().map(|&axis| place(from, axis)).collect()
}

/// The order after a reshape from `from` to `to` that moves nothing, if there is one.
pub(super) fn reshaped(from: Dims, order: &[usize], to: Dims) -> Option<Vec<usize>> {
    let mut groups = groups(from.sizes(), to.sizes());
    let neighbours = |group: &[Vec<usize>; 2]| {
        let places: Vec<usize> = group[0].iter().map(|&axis| place(order, axis)).collect();
        places.windows(2).all(|pair| pair[1] == pair[0] + 1)
    };
    if !groups.iter().all(neighbours) {
        return None;
    }
    groups.sort_by_key(|[from, _]| from.first().map(|&axis| place(order, axis)));
    Some(groups.into_iter().flat_map(|[_, to]| to).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_joins_move_nothing() {
        let of = |from: &[usize], order: &[usize], to: &[usize]| {
            reshaped(Dims::new(from), order, Dims::new(to))
        };
        // tokens [T, C] held as [C, T], to heads [T, h, d] held as [h, d, T]
        assert_eq!(of(&[197, 768], &[1, 0], &[197, 12, 64]), Some(vec![1, 2, 0]));
        assert_eq!(of(&[197, 12, 64], &[1, 2, 0], &[197, 768]), Some(vec![1, 0]));
        // axes that are joined but lie apart
        assert_eq!(of(&[12, 197, 64], &[0, 2, 1], &[12 * 197, 64]), None);
        assert_eq!(of(&[3, 4, 5], &[0, 1, 2], &[60]), Some(vec![0]));
        assert_eq!(of(&[6, 1, 1], &[0, 1, 2], &[2, 3]), Some(vec![0, 1]));
        assert_eq!(of(&[1, 5], &[1, 0], &[5]), None);
    }

    #[test]
    fn a_change_is_undone_by_its_reverse() {
        let (a, b) = (vec![2, 0, 1], vec![1, 2, 0]);
        let dims = Dims::new(&[2, 3, 4]);
        let there = dims.permuted(&a).permuted(&change(&a, &b));
        assert_eq!(there, dims.permuted(&b));
    }
}
