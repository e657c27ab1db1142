//! From overlapping masks to one label per pixel.

use std::collections::VecDeque;

use hsets_core::{Error, PartitionReport, Result, SegmentMap};

use super::{Mask, Uncovered};

/// Paints the masks, the largest first, so that the smallest on top wins; of equal areas the later
/// wins. Labels are dense, in the order of painting; uncovered pixels with a label of their own come
/// first.
pub fn partition(
    masks: &[&Mask],
    (width, height): (usize, usize),
    uncovered: Uncovered,
) -> Result<(SegmentMap, PartitionReport)> {
    if let Some(mask) = masks.iter().find(|mask| (mask.width(), mask.height()) != (width, height)) {
        let found = format!("{}x{}", mask.width(), mask.height());
        return Err(Error::shape("mask", format!("{width}x{height}"), found));
    }
    let mut order: Vec<&Mask> = masks.to_vec();
    order.sort_by_key(|mask| std::cmp::Reverse(mask.area()));
    let mut labels = vec![0; width * height];
    let mut depth = vec![0; width * height];
    for (label, mask) in (1..).zip(&order) {
        for (pixel, _) in mask.pixels().into_iter().enumerate().filter(|(_, inside)| *inside) {
            labels[pixel] = label;
            depth[pixel] += 1;
        }
    }
    let mut seen = vec![false; masks.len() + 1];
    labels.iter().for_each(|&label: &u32| seen[label as usize] = true);
    let fraction = |n: usize| n as f64 / labels.len() as f64;
    let report = PartitionReport {
        n_masks: masks.len(),
        n_visible: seen[1..].iter().filter(|seen| **seen).count(),
        coverage: fraction(depth.iter().filter(|n| **n > 0).count()),
        overlap: fraction(depth.iter().filter(|n| **n > 1).count()),
        deepest: depth.iter().max().copied().unwrap_or(0),
        notes: notes(masks.len(), &seen),
        fell_back: false,
    };
    if uncovered == Uncovered::NearestMask && !masks.is_empty() {
        fill_with_nearest(&mut labels, width);
    }
    Ok((SegmentMap::new(width, height, &labels)?, report))
}

fn notes(n_masks: usize, seen: &[bool]) -> Vec<String> {
    let hidden = seen[1..].iter().filter(|seen| !**seen).count();
    let mut notes = Vec::new();
    if hidden > 0 {
        notes.push(format!("{hidden} of {n_masks} masks are hidden under smaller ones"));
    }
    notes
}

/// Gives pixels of label 0 the label of the nearest other pixel.
fn fill_with_nearest(labels: &mut [u32], width: usize) {
    let mut open: VecDeque<usize> = (0..labels.len()).filter(|&pixel| labels[pixel] > 0).collect();
    while let Some(pixel) = open.pop_front() {
        let x = pixel % width;
        let neighbours = [
            pixel.checked_sub(width),
            (x > 0).then(|| pixel - 1),
            (x + 1 < width).then_some(pixel + 1),
            (pixel + width < labels.len()).then_some(pixel + width),
        ];
        for neighbour in neighbours.into_iter().flatten() {
            if labels[neighbour] == 0 {
                labels[neighbour] = labels[pixel];
                open.push_back(neighbour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Mask {
        Mask::from_fn(text.len(), 1, |i| text.as_bytes()[i] == b'#')
    }

    #[test]
    fn smallest_mask_on_top_wins() {
        let masks = [row("..##....."), row("######..."), row("#.......#"), row("#........")];
        let masks: Vec<&Mask> = masks.iter().collect();
        let (segments, report) = partition(&masks, (9, 1), Uncovered::OwnLabel).unwrap();
        assert_eq!(segments.labels(), [4, 1, 2, 2, 1, 1, 0, 0, 3]);
        assert_eq!((report.n_masks, report.n_visible, report.deepest), (4, 4, 3));
        assert!((report.coverage - 7.0 / 9.0).abs() < 1e-12);
        assert!((report.overlap - 3.0 / 9.0).abs() < 1e-12);
        let (segments, _) = partition(&masks, (9, 1), Uncovered::NearestMask).unwrap();
        assert_eq!(segments.labels(), [3, 0, 1, 1, 0, 0, 0, 2, 2]);
    }

    #[test]
    fn hidden_masks_are_noted() {
        let masks = [row("##."), row("##.")];
        let masks: Vec<&Mask> = masks.iter().collect();
        let (segments, report) = partition(&masks, (3, 1), Uncovered::OwnLabel).unwrap();
        assert_eq!((segments.n_segments(), report.n_visible), (2, 1));
        assert_eq!(report.notes, ["1 of 2 masks are hidden under smaller ones"]);
        let none = partition(&[], (3, 1), Uncovered::NearestMask).unwrap();
        assert_eq!(none.0.n_segments(), 1);
        assert!(partition(&masks, (2, 1), Uncovered::OwnLabel).is_err());
    }
}
