//! What sets that know nothing would score.
//!
//! A random set of n of the picture's N pixels meets a part of P pixels in h of them, where h is
//! hypergeometric. Expectations and probabilities below are exact sums over that law.

use hsets_core::{Error, Mask, Result};

use crate::dice::Dice;
use crate::outline::length;
use crate::scoring::{Criterion, Overlap};

/// Mean overlap of a random set of `n_set` pixels with `part`.
pub fn expected_overlap(n_set: usize, part: &Mask) -> Result<Overlap> {
    let (n_pixels, n_part) = (part.inside().len(), part.area());
    check_size(n_set, n_pixels)?;
    let share = |of: usize, value: f64| if of == 0 { 0.0 } else { value };
    let iou = |(shared, p): (usize, f64)| p * shared as f64 / (n_set + n_part - shared) as f64;
    let n_max = n_set.min(n_part);
    Ok(Overlap {
        recall: share(n_part, n_set as f64 / n_pixels as f64),
        precision: share(n_set, n_part as f64 / n_pixels as f64),
        iou: share(n_max, hypergeometric(n_pixels, n_part, n_set).into_iter().map(iou).sum()),
    })
}

/// Probability that a random set of `n_set` pixels holds all of `parts`, which must not overlap.
///
/// Draws are dealt to the parts one after the other: given what earlier parts took, the next
/// part's number is hypergeometric over the pixels that are left.
pub fn chance_of_holding(n_set: usize, parts: &[&Mask], criterion: Criterion) -> Result<f64> {
    let Some(first) = parts.first() else { return Ok(1.0) };
    let mut n_left = first.inside().len();
    check_size(n_set, n_left)?;
    for (i, part) in parts.iter().enumerate() {
        for other in &parts[..i] {
            if part.shared(other)? > 0 {
                return Err(Error::Unsupported("chance level of parts that overlap".into()));
            }
        }
    }
    // by_open[k]: probability that all parts so far are held and k draws are still open.
    let mut by_open = vec![0.0; n_set + 1];
    by_open[n_set] = 1.0;
    for part in parts {
        let (n_part, needed) = (part.area(), criterion.needed(n_set, part.area())?);
        let mut next = vec![0.0; n_set + 1];
        for (open, &p_open) in by_open.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            for (shared, p) in hypergeometric(n_left, n_part, open) {
                if shared >= needed {
                    next[open - shared] += p_open * p;
                }
            }
        }
        by_open = next;
        n_left -= n_part;
    }
    Ok(by_open.iter().sum::<f64>().min(1.0))
}

fn check_size(n_set: usize, n_pixels: usize) -> Result<()> {
    if n_set <= n_pixels {
        Ok(())
    } else {
        Err(Error::config("set size", n_set, format!("at most the picture's {n_pixels} pixels")))
    }
}

/// (h, P(h)): of `drawn` of `n` things without replacement, h are among the `marked` ones.
fn hypergeometric(n: usize, marked: usize, drawn: usize) -> Vec<(usize, f64)> {
    let lowest = (marked + drawn).saturating_sub(n);
    let highest = marked.min(drawn);
    let log_weight =
        |h: usize| log_choose(marked, h) + log_choose(n - marked, drawn - h) - log_choose(n, drawn);
    (lowest..=highest).map(|h| (h, libm::exp(log_weight(h)))).collect()
}

fn log_choose(n: usize, k: usize) -> f64 {
    let log_factorial = |m: usize| libm::lgamma(m as f64 + 1.0);
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

/// Control: `n_set` pixels drawn evenly from the whole picture.
pub fn random_pixels(width: usize, height: usize, n_set: usize, seed: u64) -> Result<Mask> {
    let n_pixels = width * height;
    check_size(n_set, n_pixels)?;
    let mut dice = Dice::new(0, seed, 0);
    let mut order: Vec<usize> = (0..n_pixels).collect();
    for i in 0..n_set {
        let j = i + dice.below(n_pixels - i);
        order.swap(i, j);
    }
    Mask::of_pixels(width, height, order[..n_set].iter().copied())
}

/// Control: the `n_set` pixels nearest to a random point, a disc clipped by the border.
///
/// The fairer control for sets that cluster: scattered pixels touch everything a little.
pub fn random_blob(width: usize, height: usize, n_set: usize, seed: u64) -> Result<Mask> {
    check_size(n_set, width * height)?;
    let mut dice = Dice::new(0, seed, 1);
    let centre = [dice.between(0.0, width as f32), dice.between(0.0, height as f32)];
    let distance = |&pixel: &usize| {
        let (x, y) = ((pixel % width) as f32 + 0.5, (pixel / width) as f32 + 0.5);
        length([x - centre[0], y - centre[1]])
    };
    let mut order: Vec<usize> = (0..width * height).collect();
    order.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    Mask::of_pixels(width, height, order[..n_set].iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::{n_held, overlap};

    fn parts() -> [Mask; 2] {
        let part = |pixels| Mask::of_pixels(12, 10, pixels).unwrap();
        [part(0..9), part(40..55)]
    }

    #[test]
    fn hypergeometric_sums_to_one() {
        for (n, marked, drawn) in [(10, 3, 4), (10, 8, 9), (4096, 200, 300), (5, 5, 5), (7, 0, 3)] {
            let total: f64 = hypergeometric(n, marked, drawn).iter().map(|(_, p)| p).sum();
            assert!((total - 1.0).abs() < 1e-9, "{n} {marked} {drawn}: {total}");
        }
        // 3 of 10 marked, 4 drawn: P(2) = C(3,2) C(7,2) / C(10,4) = 63 / 210.
        assert!((hypergeometric(10, 3, 4)[2].1 - 0.3).abs() < 1e-12);
    }

    #[test]
    fn chance_levels_agree_with_simulation() {
        let [a, b] = parts();
        let (n_set, n_runs) = (20, 4000);
        let (mut iou, mut n_both) = (0.0, 0.0);
        for seed in 0..n_runs {
            let set = random_pixels(12, 10, n_set, seed).unwrap();
            iou += overlap(&set, &b).unwrap().iou / n_runs as f64;
            let held = n_held(&set, &[&a, &b], Criterion::ShareOfPart(0.2)).unwrap();
            n_both += f64::from(u8::from(held == 2)) / n_runs as f64;
        }
        let expected = expected_overlap(n_set, &b).unwrap();
        assert!((expected.recall - 1.0 / 6.0).abs() < 1e-12);
        assert!((expected.precision - 1.0 / 8.0).abs() < 1e-12);
        assert!((expected.iou - iou).abs() < 0.004, "{} against {iou}", expected.iou);
        let p = chance_of_holding(n_set, &[&a, &b], Criterion::ShareOfPart(0.2)).unwrap();
        assert!(0.05 < p && p < 0.95);
        let three_sigma = 3.0 * (p * (1.0 - p) / n_runs as f64).sqrt();
        assert!((p - n_both).abs() < three_sigma, "{p} against {n_both}");
    }

    #[test]
    fn the_whole_picture_holds_everything() {
        let [a, b] = parts();
        let p = chance_of_holding(120, &[&a, &b], Criterion::ShareOfPart(1.0)).unwrap();
        assert!((p - 1.0).abs() < 1e-9, "{p}");
        assert!(chance_of_holding(121, &[&a], Criterion::ShareOfPart(1.0)).is_err());
        assert!(chance_of_holding(9, &[&a, &a], Criterion::ShareOfPart(1.0)).is_err());
    }

    #[test]
    fn blobs_have_the_asked_size_and_hang_together() {
        let blob = random_blob(30, 20, 50, 3).unwrap();
        assert_eq!(blob.area(), 50);
        let touches =
            |pixel: usize| blob.pixels().any(|other| matches!(pixel.abs_diff(other), 1 | 30));
        assert!(blob.pixels().all(touches));
    }
}
