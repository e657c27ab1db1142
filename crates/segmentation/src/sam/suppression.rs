//! Non-maximum suppression of boxes.

use super::Bounds;

/// Indices of the boxes that remain, best score first: each box in that order removes the later ones
/// whose IoU with it exceeds `threshold`. Equal scores keep their order.
pub(super) fn suppress(boxes: &[Bounds], scores: &[f32], threshold: f32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
    let mut kept: Vec<usize> = Vec::new();
    for i in order {
        let duplicate = kept.iter().any(|&k| iou(boxes[k], boxes[i]) > threshold);
        if !duplicate {
            kept.push(i);
        }
    }
    kept
}

/// IoU of boxes whose sides are differences of pixel numbers; NaN, which exceeds nothing, for two
/// boxes without area.
fn iou(a: Bounds, b: Bounds) -> f32 {
    let area = |left: usize, top: usize, right: usize, bottom: usize| {
        right.saturating_sub(left) as f32 * bottom.saturating_sub(top) as f32
    };
    let of = |bounds: Bounds| area(bounds.left, bounds.top, bounds.right, bounds.bottom);
    let common =
        area(a.left.max(b.left), a.top.max(b.top), a.right.min(b.right), a.bottom.min(b.bottom));
    common / (of(a) + of(b) - common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_of_two_similar_boxes_remains() {
        let at = |left, right| Bounds { left, top: 0, right, bottom: 10 };
        let boxes = [at(0, 10), at(1, 11), at(20, 30), at(0, 10), at(5, 5), at(5, 5)];
        let scores = [0.5, 0.9, 0.7, 0.9, 0.1, 0.1];
        // Boxes 0, 1 and 3 have an IoU of 9/11 or 1; 4 and 5 have no area.
        assert_eq!(suppress(&boxes, &scores, 0.7), [1, 2, 4, 5]);
        assert_eq!(suppress(&boxes, &scores, 0.9), [1, 3, 2, 4, 5]);
    }
}
