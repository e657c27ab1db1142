//! How alike two maps of one picture are.

use hsets_core::{ChannelReduction, Error, Result, SaliencyMap};

use crate::{
    complexity::finite_pixels,
    correlation::spearman,
    road::{Removal, Ties, removal_order},
};

/// Two maps compared by the order of their pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Spearman's correlation of the pixels, in \[-1, 1\]; NaN where a map is constant.
    pub correlation: f64,
    /// Intersection over union of the most relevant pixels, in \[0, 1\].
    pub overlap: f64,
}

/// Compares two maps of the same shape. `top` in (0, 1] is the share of the pixels whose overlap is
/// measured; pixels of 0 are none of them. NaN where neither map has any other.
pub fn agreement(
    a: &SaliencyMap,
    b: &SaliencyMap,
    reduction: ChannelReduction,
    top: f64,
    ties: Ties,
) -> Result<Agreement> {
    if a.shape() != b.shape() {
        return Err(Error::shape("saliency map", a.shape(), b.shape()));
    }
    if !(top > 0.0 && top <= 1.0) {
        return Err(Error::config("top", top, "a share above 0 and at most 1"));
    }
    let pixels = |map| finite_pixels(map, reduction);
    let wide = |pixels: &[f32]| pixels.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let (pixels_a, pixels_b) = (pixels(a)?, pixels(b)?);
    let k = ((top * pixels_a.len() as f64).round() as usize).max(1);
    let most = |map: &SaliencyMap, pixels: &[f32]| -> Result<Vec<bool>> {
        let mut marked = vec![false; pixels.len()];
        let order = removal_order(map, reduction, ties, Removal::Morf)?;
        order.into_iter().take(k).for_each(|pixel| marked[pixel] = pixels[pixel] != 0.0);
        Ok(marked)
    };
    let (marked_a, marked_b) = (most(a, &pixels_a)?, most(b, &pixels_b)?);
    let count = |both: fn(bool, bool) -> bool| {
        marked_a.iter().zip(&marked_b).filter(|(a, b)| both(**a, **b)).count() as f64
    };
    Ok(Agreement {
        correlation: spearman(&wide(&pixels_a), &wide(&pixels_b)),
        overlap: count(|a, b| a && b) / count(|a, b| a || b),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    fn map(values: &[f32]) -> SaliencyMap {
        SaliencyMap::new(Shape::new(1, 1, values.len()), values.to_vec()).unwrap()
    }

    #[test]
    fn by_hand() {
        let of = |a: &[f32], b: &[f32]| {
            agreement(&map(a), &map(b), ChannelReduction::Sum, 0.5, Ties::LastFirst).unwrap()
        };
        let same = of(&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]);
        assert!((same.correlation - 1.0).abs() < 1e-12 && same.overlap == 1.0);
        let opposite = of(&[1.0, 2.0, 3.0, 4.0], &[4.0, 3.0, 2.0, 1.0]);
        assert!((opposite.correlation + 1.0).abs() < 1e-12 && opposite.overlap == 0.0);
        // {2, 3} and {1, 3}: one of three.
        assert!(
            (of(&[0.0, 0.0, 1.0, 2.0], &[0.0, 5.0, 0.0, 9.0]).overlap - 1.0 / 3.0).abs() < 1e-12
        );
        assert!(of(&[0.0; 4], &[0.0; 4]).overlap.is_nan());
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let of = |a: &SaliencyMap, b: &SaliencyMap, top| {
            agreement(a, b, ChannelReduction::Sum, top, Ties::LastFirst)
        };
        assert!(of(&map(&[1.0]), &map(&[1.0, 2.0]), 0.5).is_err());
        assert!(of(&map(&[1.0]), &map(&[1.0]), 0.0).is_err());
    }
}
