//! Gaussian smoothing as `skimage.filters.gaussian(mode="reflect")`.

/// Smooths a plane of `width` columns along both axes. The kernel ends at four standard deviations
/// and sums to 1; beyond its border the plane is mirrored, edge pixels included.
pub(super) fn smooth(plane: &[f64], width: usize, sigma: f64) -> Vec<f64> {
    if sigma <= 1e-15 {
        return plane.to_vec();
    }
    let kernel = half_kernel(sigma);
    let height = plane.len() / width;
    let columns = correlate(plane, (height, width), (width, 1), &kernel);
    correlate(&columns, (width, height), (1, width), &kernel)
}

/// Weights at distance 0, 1, … of the symmetric kernel.
fn half_kernel(sigma: f64) -> Vec<f64> {
    const TRUNCATE: f64 = 4.0;
    let radius = (TRUNCATE * sigma + 0.5) as usize;
    let weight = |k: usize| (-0.5 / (sigma * sigma) * (k * k) as f64).exp();
    let half: Vec<f64> = (0..=radius).map(weight).collect();
    let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
    half.iter().map(|weight| weight / sum).collect()
}

/// Correlates every one of `n_lines` lines of `len` elements; elements of a line lie `stride`
/// apart, lines `line_stride`.
fn correlate(
    plane: &[f64],
    (len, n_lines): (usize, usize),
    (stride, line_stride): (usize, usize),
    half_kernel: &[f64],
) -> Vec<f64> {
    let mut smoothed = vec![0.0; plane.len()];
    for line in 0..n_lines {
        let at = |i: usize| line * line_stride + i * stride;
        for i in 0..len {
            let beside = (1..).zip(&half_kernel[1..]).map(|(k, weight)| {
                let (before, after) =
                    (mirrored(i as isize - k, len), mirrored(i as isize + k, len));
                weight * (plane[at(before)] + plane[at(after)])
            });
            smoothed[at(i)] = half_kernel[0] * plane[at(i)] + beside.sum::<f64>();
        }
    }
    smoothed
}

/// Index of the line … c b a | a b c | c b a … at any position.
fn mirrored(i: isize, len: usize) -> usize {
    let i = i.rem_euclid(2 * len as isize) as usize;
    if i < len { i } else { 2 * len - 1 - i }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_mirrored() {
        let line: Vec<usize> = (-4..7).map(|i| mirrored(i, 3)).collect();
        assert_eq!(line, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
    }

    #[test]
    fn a_unit_impulse_spreads_as_in_scikit_image() {
        // skimage.filters.gaussian(a, sigma=1, mode="reflect") of its documentation.
        let mut plane = vec![0.0; 9];
        plane[4] = 1.0;
        let smoothed = smooth(&plane, 3, 1.0);
        let (corner, edge, centre) = (0.087_673_08, 0.120_750_24, 0.166_306_71);
        let expected = [corner, edge, corner, edge, centre, edge, corner, edge, corner];
        for (ours, theirs) in smoothed.iter().zip(expected) {
            assert!((ours - theirs).abs() < 1e-8, "{ours} for {theirs}");
        }
    }

    #[test]
    fn no_sigma_changes_nothing() {
        assert_eq!(smooth(&[1.0, 5.0, 2.0, 4.0], 2, 0.0), [1.0, 5.0, 2.0, 4.0]);
    }
}
