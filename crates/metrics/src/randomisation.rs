//! What a map owes to training: the model parameter randomisation test (Adebayo et al. 2018), and
//! its efficient form (Hedström et al. 2023).

use hsets_core::{ChannelReduction, Error, Result, SaliencyMap};

use crate::{complexity::finite_pixels, correlation::spearman};

/// How alike the maps of a network and of its randomised forms are.
#[derive(Debug, Clone, PartialEq)]
pub struct Mprt {
    /// Spearman's correlation of the pixels of both maps, one for each randomised form, in their
    /// order; NaN where a map is constant.
    pub correlations: Vec<f64>,
}

impl Mprt {
    /// Mean over the randomised forms. (quantus 0.6.0 counts the network as trained as one of them,
    /// with a correlation of 1.)
    pub fn average(&self) -> f64 {
        self.correlations.iter().sum::<f64>() / self.correlations.len() as f64
    }

    /// With the last form, where all layers are random; NaN if there is none.
    pub fn last(&self) -> f64 {
        self.correlations.last().copied().unwrap_or(f64::NAN)
    }
}

/// MPRT: `map` against the maps of the same picture and target under the same network with more and
/// more layers drawn anew, from the logits down. Low is good: a map that stays what it is does not
/// explain the weights.
pub fn mprt(
    map: &SaliencyMap,
    randomised: &[SaliencyMap],
    reduction: ChannelReduction,
) -> Result<Mprt> {
    let trained = pixels(map, reduction)?;
    let correlation = |other: &SaliencyMap| {
        if other.shape() != map.shape() {
            return Err(Error::shape("map of a randomised network", map.shape(), other.shape()));
        }
        Ok(spearman(&trained, &pixels(other, reduction)?))
    };
    Ok(Mprt { correlations: randomised.iter().map(correlation).collect::<Result<_>>()? })
}

/// Efficient MPRT: (H(ê) - H(e)) / H(e), the relative rise of the discrete entropy from the map e to
/// the map ê of the network with all layers drawn anew. High is good: what a network has not learnt
/// cannot order its pixels. NaN if H(e) is 0.
pub fn efficient_mprt(
    map: &SaliencyMap,
    randomised: &SaliencyMap,
    reduction: ChannelReduction,
    n_bins: usize,
) -> Result<f64> {
    if randomised.shape() != map.shape() {
        return Err(Error::shape("map of a randomised network", map.shape(), randomised.shape()));
    }
    let trained = discrete_entropy(map, reduction, n_bins)?;
    let random = discrete_entropy(randomised, reduction, n_bins)?;
    Ok(if trained == 0.0 { f64::NAN } else { (random - trained) / trained })
}

/// Entropy -Σ pᵢ ln pᵢ of a histogram of the pixels in `n_bins` ≥ 1 equal bins from the smallest
/// value to the largest, which the last bin holds too; 0 if all pixels are equal.
pub fn discrete_entropy(
    map: &SaliencyMap,
    reduction: ChannelReduction,
    n_bins: usize,
) -> Result<f64> {
    if n_bins == 0 {
        return Err(Error::config("bins", 0, "at least 1"));
    }
    let pixels = pixels(map, reduction)?;
    let low = pixels.iter().copied().fold(f64::INFINITY, f64::min);
    let high = pixels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low == high {
        return Ok(0.0);
    }
    let edge = |bin: usize| low + (high - low) * bin as f64 / n_bins as f64;
    let mut counts = vec![0usize; n_bins];
    for pixel in pixels {
        let guess = ((pixel - low) / (high - low) * n_bins as f64) as usize;
        let mut bin = guess.min(n_bins - 1);
        // The division rounds; the edges decide.
        if pixel < edge(bin) {
            bin -= 1;
        } else if bin + 1 < n_bins && pixel >= edge(bin + 1) {
            bin += 1;
        }
        counts[bin] += 1;
    }
    let n = map.shape().n_pixels() as f64;
    let shares = counts.into_iter().filter(|&count| count > 0).map(|count| count as f64 / n);
    Ok(-shares.map(|share| share * share.ln()).sum::<f64>())
}

fn pixels(map: &SaliencyMap, reduction: ChannelReduction) -> Result<Vec<f64>> {
    Ok(finite_pixels(map, reduction)?.into_iter().map(f64::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    fn map(values: &[f32]) -> SaliencyMap {
        SaliencyMap::new(Shape::new(1, 1, values.len()), values.to_vec()).unwrap()
    }

    #[test]
    fn a_map_that_ignores_the_weights_stays() {
        let trained = map(&[0.1, 4.0, 2.0, 3.0]);
        let states = [trained.clone(), map(&[4.0, 0.1, 3.0, 2.0])];
        let found = mprt(&trained, &states, ChannelReduction::Sum).unwrap();
        assert!((found.correlations[0] - 1.0).abs() < 1e-12);
        assert!((found.last() + 1.0).abs() < 1e-12 && found.average().abs() < 1e-12);
        let other = [map(&[1.0, 2.0])];
        let error = mprt(&trained, &other, ChannelReduction::Sum).unwrap_err();
        assert!(error.to_string().contains("randomised network"), "{error}");
    }

    #[test]
    fn entropy_of_bins_by_hand() {
        let entropy =
            |values: &[f32], n| discrete_entropy(&map(values), ChannelReduction::Sum, n).unwrap();
        assert!((entropy(&[0.0, 1.0, 2.0, 3.0], 4) - 4f64.ln()).abs() < 1e-12);
        // [0, 2) holds three, [2, 4] one.
        let expected = -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln());
        assert!((entropy(&[0.0, 1.0, 1.5, 4.0], 2) - expected).abs() < 1e-12);
        assert_eq!(entropy(&[7.0; 5], 10), 0.0);
        assert!(discrete_entropy(&map(&[0.0]), ChannelReduction::Sum, 0).is_err());
    }

    #[test]
    fn noise_has_more_entropy_than_a_point() {
        let (mut point, reduction) = (vec![0.0; 100], ChannelReduction::AbsSum);
        point[3] = 1.0;
        let noise: Vec<f32> = (0..100).map(|i| (i * 37 % 100) as f32).collect();
        let rise = |a: &[f32], b: &[f32]| efficient_mprt(&map(a), &map(b), reduction, 100).unwrap();
        assert!(rise(&point, &noise) > 1.0 && rise(&noise, &point) < -0.5);
        assert!(rise(&[1.0; 4], &[1.0, 2.0, 3.0, 4.0]).is_nan());
    }
}
