//! How concentrated a map is: Gini index and entropy.

use hsets_core::{ChannelReduction, Error, Result, SaliencyMap};

/// Added to every value by quantus' Sparseness; it keeps an all-zero map at 0 and every Gini a
/// little below what the formula alone gives.
const QUANTUS_OFFSET: f64 = 1e-7;

/// Gini index of the pixels' absolute values, in \[0, 1\]: 0 if all are equal, near 1 if one pixel
/// holds everything. Higher is sparser.
///
/// G = Σᵢ (2i - n - 1) aᵢ / (n Σᵢ aᵢ) with a ascending, a = |reduced map| / max + 1e-7: Sparseness
/// (Chalasani et al. 2020) as in quantus 0.5.3.
pub fn gini(map: &SaliencyMap, reduction: ChannelReduction) -> Result<f64> {
    let mut values = magnitudes(map, reduction)?;
    for value in &mut values {
        *value += QUANTUS_OFFSET;
    }
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    let weighted = |(i, value): (usize, &f64)| (2.0 * (i + 1) as f64 - n - 1.0) * value;
    let spread: f64 = values.iter().enumerate().map(weighted).sum();
    Ok(spread / (n * values.iter().sum::<f64>()))
}

/// Gini index 1 - k/n of a map with `k` equal non-zero pixels among `n`.
///
/// The control of every Gini of sets: what their number of pixels alone gives, whatever they hold.
pub fn gini_of_equal(k: usize, n: usize) -> f64 {
    1.0 - k as f64 / n as f64
}

/// Entropy -Σ pᵢ ln pᵢ of the pixels' shares pᵢ = |aᵢ| / Σ|a|, in \[0, ln n\]. Lower is simpler.
///
/// Complexity (Bhatt et al. 2020) as in quantus 0.5.3. An all-zero map has no shares: NaN, as there.
pub fn entropy(map: &SaliencyMap, reduction: ChannelReduction) -> Result<f64> {
    let values = magnitudes(map, reduction)?;
    let total: f64 = values.iter().sum();
    if total == 0.0 {
        return Ok(f64::NAN);
    }
    let shares = values.iter().map(|value| value / total).filter(|&share| share > 0.0);
    Ok(-shares.map(|share| share * share.ln()).sum::<f64>())
}

/// |reduced map| divided by its maximum, one value per pixel.
fn magnitudes(map: &SaliencyMap, reduction: ChannelReduction) -> Result<Vec<f64>> {
    let pixels = finite_pixels(map, reduction)?;
    let top = pixels.iter().fold(0.0f32, |top, value| top.max(value.abs()));
    let scale = if top > 0.0 { f64::from(top) } else { 1.0 };
    Ok(pixels.iter().map(|value| f64::from(value.abs()) / scale).collect())
}

/// The map per pixel; fails on NaN and infinity, which have no place in an order.
pub(crate) fn finite_pixels(map: &SaliencyMap, reduction: ChannelReduction) -> Result<Vec<f32>> {
    let pixels = map.per_pixel(reduction);
    if let Some(pixel) = pixels.iter().position(|value| !value.is_finite()) {
        let width = map.shape().width;
        return Err(Error::NotFinite {
            what: format!("saliency map at y {}, x {}", pixel / width, pixel % width),
            hint: "check how the map was made".into(),
        });
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    fn map(values: &[f32]) -> SaliencyMap {
        SaliencyMap::new(Shape::new(1, 1, values.len()), values.to_vec()).unwrap()
    }

    #[test]
    fn equal_pixels_give_the_control() {
        let mut values = vec![0.0; 1000];
        values[..30].fill(-3.0);
        let gini = gini(&map(&values), ChannelReduction::Sum).unwrap();
        assert!((gini - gini_of_equal(30, 1000)).abs() < 1e-5);
        let entropy = entropy(&map(&values), ChannelReduction::Sum).unwrap();
        assert!((entropy - 30f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn zero_map_is_neither_sparse_nor_complex() {
        let zeros = map(&[0.0; 8]);
        assert!(gini(&zeros, ChannelReduction::AbsSum).unwrap().abs() < 1e-12);
        assert!(entropy(&zeros, ChannelReduction::AbsSum).unwrap().is_nan());
    }

    #[test]
    fn nan_is_refused_with_its_place() {
        let error = gini(&map(&[0.0, f32::NAN]), ChannelReduction::AbsSum).unwrap_err();
        assert!(error.to_string().contains("y 0, x 1"), "{error}");
    }
}
