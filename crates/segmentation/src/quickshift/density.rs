//! Density of every pixel: a sum of Gaussians over its window.

use rayon::prelude::*;

use super::color::Planes;

/// Rows whose pairs one task sums. Fixed, so that sums do not depend on the number of threads.
const BAND: usize = 8;

/// Σ_q exp(-‖p - q‖² / (2·`kernel_size`²)) over the pixels q at most `reach` rows and columns from
/// p, added to the noise in `density`.
///
/// A pair (p, q) weighs the same from either end, so each is computed once: every row meets itself
/// and the rows below it, and a band of rows hands on what it adds to the rows below the band.
#[allow(clippy::doc_markdown)] // a formula
pub(super) fn add_densities(
    density: &mut [f64],
    planes: &Planes,
    width: usize,
    kernel_size: f64,
    reach: usize,
) {
    let height = density.len() / width;
    let window = Window { planes, width, height, reach, scale: -0.5 / (kernel_size * kernel_size) };
    let bands: Vec<Vec<f64>> =
        (0..height.div_ceil(BAND)).into_par_iter().map(|band| window.band(band * BAND)).collect();
    for (band, sums) in bands.iter().enumerate() {
        let rows = &mut density[band * BAND * width..];
        rows.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
}

struct Window<'a> {
    planes: &'a Planes,
    width: usize,
    height: usize,
    reach: usize,
    /// -1 / (2·`kernel_size`²).
    scale: f64,
}

impl Window<'_> {
    /// Sums of the pairs whose upper pixel lies in the `BAND` rows from `top`: one value for each
    /// pixel from row `top` to the last row they reach.
    fn band(&self, top: usize) -> Vec<f64> {
        let bottom = (top + BAND).min(self.height);
        let mut sums = vec![0.0; ((bottom + self.reach).min(self.height) - top) * self.width];
        for y in top..bottom {
            let (above, below) = sums[(y - top) * self.width..].split_at_mut(self.width);
            self.add_row_to_itself(y, above);
            for (dy, row) in (1..=self.reach).zip(below.chunks_exact_mut(self.width)) {
                for dx in 0..=self.reach.min(self.width - 1) {
                    self.add_shifted(y, y + dy, dx, above, row);
                    if dx > 0 {
                        self.add_shifted(y + dy, y, dx, row, above);
                    }
                }
            }
        }
        sums
    }

    /// Pairs within row `y`, and every pixel with itself.
    fn add_row_to_itself(&self, y: usize, sums: &mut [f64]) {
        let mut right_ends = vec![0.0; self.width];
        for dx in 1..=self.reach.min(self.width - 1) {
            self.add_shifted(y, y, dx, sums, &mut right_ends);
        }
        sums.iter_mut().zip(right_ends).for_each(|(sum, right_end)| *sum += 1.0 + right_end);
    }

    /// Pairs of pixel x of row `left` and pixel x + `dx` of row `right`.
    fn add_shifted(
        &self,
        left: usize,
        right: usize,
        dx: usize,
        left_sums: &mut [f64],
        right_sums: &mut [f64],
    ) {
        let n = self.width - dx;
        let [a, b, c] = self.planes.each_ref().map(|p| &p[left * self.width..][..n]);
        let [d, e, f] = self.planes.each_ref().map(|p| &p[right * self.width + dx..][..n]);
        let (left_sums, right_sums) = (&mut left_sums[..n], &mut right_sums[dx..][..n]);
        let dy = left.abs_diff(right);
        let (dy2, dx2) = ((dy * dy) as f64, (dx * dx) as f64);
        for x in 0..n {
            let (u, v, w) = (a[x] - d[x], b[x] - e[x], c[x] - f[x]);
            let weight = exp((u * u + v * v + w * w + dy2 + dx2) * self.scale);
            left_sums[x] += weight;
            right_sums[x] += weight;
        }
    }
}

/// eˣ for x ≤ 0 to 1e-14 relative, without a branch, so that the loop around it becomes vector code
/// on any machine and gives the same bits on all. Below -700 it stays at e⁻⁷⁰⁰.
#[inline]
fn exp(x: f64) -> f64 {
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// 1/k!, k = 11..0.
    const TAYLOR: [f64; 12] = [
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    // Adding 1.5·2⁵² rounds to an integer, which then is in the low bits of the float.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = x.max(-700.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let rest = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let power = TAYLOR.into_iter().fold(0.0, |sum, coefficient| sum * rest + coefficient);
    let two_to_n = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    power * two_to_n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for i in 0..200_000 {
            let x = -f64::from(i) * 0.003_49;
            let error = (exp(x) / x.exp() - 1.0).abs();
            assert!(error < 2e-14, "exp({x}): {error}");
        }
        assert!(exp(-1e9) > 0.0 && exp(-1e9) < 1e-300);
    }

    /// The definition, pixel by pixel.
    fn naive(planes: &Planes, width: usize, kernel_size: f64, reach: usize) -> Vec<f64> {
        let n = planes[0].len();
        let place = |p: usize| ((p / width) as f64, (p % width) as f64);
        let weight = |p: usize, q: usize| {
            let (dy, dx) = (place(p).0 - place(q).0, place(p).1 - place(q).1);
            if dy.abs().max(dx.abs()) > reach as f64 {
                return 0.0;
            }
            let color: f64 = planes.iter().map(|plane| (plane[p] - plane[q]).powi(2)).sum();
            (-(color + dy * dy + dx * dx) / (2.0 * kernel_size * kernel_size)).exp()
        };
        (0..n).map(|p| (0..n).map(|q| weight(p, q)).sum()).collect()
    }

    #[test]
    fn symmetric_sums_are_the_plain_sums() {
        for (width, height, reach) in [(13, 21, 4), (5, 30, 9), (1, 4, 3), (6, 1, 3), (3, 3, 12)] {
            let value = |seed: usize| move |i: usize| ((i * seed + 7) % 23) as f64 * 0.2;
            let planes =
                [31, 57, 11].map(|seed| (0..width * height).map(value(seed)).collect::<Vec<_>>());
            let mut density = vec![0.0; width * height];
            add_densities(&mut density, &planes, width, 1.5, reach);
            for (ours, plain) in density.iter().zip(naive(&planes, width, 1.5, reach)) {
                assert!((ours / plain - 1.0).abs() < 1e-13, "{ours} for {plain}");
            }
        }
    }
}
