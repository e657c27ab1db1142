//! Insertion and deletion by explanations of second order (Baniecki et al. 2025, FIxLIP).

use hsets_core::{Error, Progress, Removal, Result, SegmentMap};

use crate::interactions::values;

/// An explanation of second order of a game of n players:
/// ê(S) = Σ_{i∈S} e_i + Σ_{ij⊆S} e_ij, ν(S) up to a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct SecondOrder {
    first: Vec<f64>,
    /// \[n, n\], symmetric; the diagonal is 0.
    second: Vec<f64>,
}

impl SecondOrder {
    /// Takes e_i \[n\] and e_ij \[n, n\]; the diagonal of `second` does not matter. Fails unless it
    /// is symmetric and all is finite.
    pub fn new(first: Vec<f64>, mut second: Vec<f64>) -> Result<Self> {
        let n = first.len();
        if second.len() != n * n {
            let found = format!("{} values", second.len());
            return Err(Error::shape("effects of pairs", format!("[{n}, {n}]"), found));
        }
        (0..n).for_each(|i| second[i * n + i] = 0.0);
        if !first.iter().chain(&second).all(|value| value.is_finite()) {
            let hint = "check how the explanation was made".into();
            return Err(Error::NotFinite { what: "explanation of second order".into(), hint });
        }
        let is_symmetric = |i: usize| (0..i).all(|j| second[i * n + j] == second[j * n + i]);
        if !(0..n).all(is_symmetric) {
            return Err(Error::config("effects of pairs", "asymmetric", "e_ij = e_ji"));
        }
        Ok(Self { first, second })
    }

    /// From what taking segments away from the whole picture does: Δ_i \[n\] of one and the second
    /// difference I_ij \[n, n\] of two. With ν(N \ T) ≈ ν(N) - Σ_{i∈T} Δ_i + Σ_{ij⊆T} I_ij,
    /// e_ij = I_ij and e_i = Δ_i - Σ_j I_ij.
    pub fn of_removal(main_effects: &[f64], pair_effects: &[f64]) -> Result<Self> {
        let n = main_effects.len();
        let row = |i: usize| (0..n).filter(move |&j| j != i);
        let rest = |i: usize| -> f64 { row(i).filter_map(|j| pair_effects.get(i * n + j)).sum() };
        let first = (0..n).map(|i| main_effects[i] - rest(i)).collect();
        Self::new(first, pair_effects.to_vec())
    }

    /// Number of players.
    pub fn n_players(&self) -> usize {
        self.first.len()
    }

    /// ê of a coalition.
    pub fn value(&self, present: &[bool]) -> f64 {
        let n = self.n_players();
        let inside = || (0..n).filter(|&i| present[i]);
        let pairs = |i: usize| inside().filter(move |&j| j < i).map(move |j| i * n + j);
        inside().map(|i| self.first[i] + pairs(i).map(|at| self.second[at]).sum::<f64>()).sum()
    }

    /// What is left of it in first order: e_i + p Σ_j e_ij, the mean of what i adds to a coalition
    /// in which everyone else is with probability p. The control of its own second order.
    #[must_use]
    pub fn first_order(&self, p: f64) -> Self {
        let n = self.n_players();
        let first = |i: usize| self.first[i] + p * self.second[i * n..][..n].iter().sum::<f64>();
        Self { first: (0..n).map(first).collect(), second: vec![0.0; n * n] }
    }

    /// For each size k = 1..=n a coalition that ê values much (`sign` = 1) or little (-1).
    ///
    /// Greedily: from every single player, the one that changes ê most in that direction joins; of
    /// each size the best over all starts is taken, as in the authors' program. The coalitions of
    /// different sizes need not be nested.
    fn extremes(&self, sign: f64) -> Vec<Vec<bool>> {
        let n = self.n_players();
        let mut best: Vec<Option<(f64, Vec<bool>)>> = vec![None; n];
        for start in 0..n {
            let mut present = vec![false; n];
            let mut gain: Vec<f64> = self.first.clone();
            let (mut value, mut next) = (0.0, start);
            for best in &mut best {
                value += gain[next];
                present[next] = true;
                for (gain, second) in gain.iter_mut().zip(&self.second[next * n..][..n]) {
                    *gain += second;
                }
                if best.as_ref().is_none_or(|(other, _)| sign * value > sign * other) {
                    *best = Some((value, present.clone()));
                }
                let better = |next: usize, i: usize| {
                    let is_better = present[next] || sign * gain[i] > sign * gain[next];
                    if !present[i] && is_better { i } else { next }
                };
                next = (0..n).fold(next, better);
            }
        }
        best.into_iter().flatten().map(|(_, present)| present).collect()
    }
}

/// ν of the game while players come in, as an explanation of it says.
#[derive(Debug, Clone, PartialEq)]
pub struct InteractionCurves {
    /// ν of coalitions of 0, 1, …, n players that the explanation values most: insertion, or
    /// deletion of the least important first.
    pub most: Vec<f64>,
    /// The same of those it values least: read backwards, deletion of the most important first.
    pub least: Vec<f64>,
}

impl InteractionCurves {
    /// The area between both curves, (ν(most) - ν(least)) / (ν(N) - ν(∅)) in the mean over all
    /// sizes; higher is better. NaN where ν(N) = ν(∅).
    pub fn area_between(&self) -> f64 {
        let scale = self.most[self.most.len() - 1] - self.most[0];
        if scale == 0.0 {
            return f64::NAN;
        }
        let gaps = self.most.iter().zip(&self.least).map(|(most, least)| most - least);
        gaps.sum::<f64>() / self.most.len() as f64 / scale
    }
}

/// Both curves of `explanation`: 2n forward passes.
pub fn interaction_curves(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    explanation: &SecondOrder,
    progress: &dyn Progress,
) -> Result<InteractionCurves> {
    let n = segments.n_segments();
    if explanation.n_players() != n {
        return Err(Error::shape("players of the explanation", n, explanation.n_players()));
    }
    let most = explanation.extremes(1.0);
    let mut least = explanation.extremes(-1.0);
    least.pop(); // everyone: the last of `most`
    progress.begin("insertion and deletion of pairs", 2 * n as u64);
    let coalitions = std::iter::once(vec![false; n]).chain(most).chain(least);
    let values = values(removal, segments, coalitions, progress)?;
    progress.end();
    let least = std::iter::once(values[0]).chain(values[n + 1..].iter().copied());
    Ok(InteractionCurves { most: values[..=n].to_vec(), least: least.chain([values[n]]).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{Image, Shape, Silent, Target, analytic::Polynomial};

    fn explanation(n: usize, seed: usize) -> SecondOrder {
        let draw = |i: usize, j: usize| ((i * 31 + j * 17 + seed * 7) % 23) as f64 / 5.0 - 2.0;
        let second = |at: usize| draw((at / n).max(at % n) + 3, (at / n).min(at % n));
        SecondOrder::new((0..n).map(|i| draw(i, i)).collect(), (0..n * n).map(second).collect())
            .unwrap()
    }

    /// f with exactly these effects of its pixels, which are 1 where present and 0 where not.
    fn field(of: &SecondOrder) -> Polynomial {
        let n = of.n_players();
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        let second = pairs.map(|(i, j)| (of.second[i * n + j], vec![i, j]));
        let first = (0..n).map(|i| (of.first[i], vec![i]));
        Polynomial::new(Shape::new(1, 1, n), vec![first.chain(second).collect()])
    }

    fn curves(of: &SecondOrder, by: &SecondOrder) -> InteractionCurves {
        let shape = Shape::new(1, 1, of.n_players());
        let (image, reference) = (Image::constant(shape, 1.0), Image::constant(shape, 0.0));
        let labels: Vec<u32> = (0..shape.width as u32).collect();
        let segments = SegmentMap::new(shape.width, 1, &labels).unwrap();
        let field = field(of);
        let removal = Removal::new(&field, &image, "zero", reference, Target::Logit(0)).unwrap();
        interaction_curves(&removal, &segments, by, &Silent).unwrap()
    }

    #[test]
    fn curves_are_the_values_of_the_coalitions() {
        let truth = explanation(8, 1);
        let found = curves(&truth, &truth);
        let expected: Vec<f64> = truth.extremes(1.0).iter().map(|s| truth.value(s)).collect();
        for (a, b) in found.most[1..].iter().zip(&expected) {
            assert!((a - b).abs() < 1e-5, "{a} against {b}");
        }
        assert_eq!((found.most.len(), found.least.len()), (9, 9));
        assert_eq!((found.most[0], found.most[8]), (found.least[0], found.least[8]));
        assert!(found.most.iter().zip(&found.least).all(|(most, least)| most >= least));
    }

    /// The area between both curves by the authors' program (`get_cliques_greedy_mif_lif` of their
    /// repository, of October 2025), for an explanation that misses a product of three.
    #[test]
    fn as_the_authors_have_it() {
        let n = 7;
        let first = |i: usize| ((i * 5) % 7) as f64 - 3.0 + 0.1 * i as f64;
        let second = |at: usize| {
            let (i, j) = ((at / n).min(at % n), (at / n).max(at % n));
            ((i * 3 + j * 5) % 9) as f64 - 4.0 + 0.01 * (i + j) as f64
        };
        let by = SecondOrder::new((0..n).map(first).collect(), (0..n * n).map(second).collect());
        let by = by.unwrap();
        let of = |present: &[bool]| {
            by.value(present) + 2.0 * f64::from(u8::from(present[..3] == [true; 3]))
        };
        let values = |coalitions: Vec<Vec<bool>>| {
            let values = coalitions.iter().map(|present| of(present));
            std::iter::once(0.0).chain(values).collect::<Vec<f64>>()
        };
        let curves =
            InteractionCurves { most: values(by.extremes(1.0)), least: values(by.extremes(-1.0)) };
        let expected = [0.0, 3.4, 7.66, 10.84, 10.69, 4.82, 1.25, -4.64];
        assert!(curves.most.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{curves:?}");
        assert!((curves.area_between() + 2.392_780_172_413_792_7).abs() < 1e-9);
    }

    /// Greedy search from every start finds most of the best coalitions that there are.
    #[test]
    fn greedy_search_is_near_the_best() {
        for seed in 0..20 {
            let (n, truth) = (9, explanation(9, seed));
            let all: Vec<Vec<bool>> =
                (0..1 << n).map(|s: usize| (0..n).map(|i| s >> i & 1 == 1).collect()).collect();
            for (k, found) in truth.extremes(1.0).iter().enumerate() {
                let of_size = all.iter().filter(|s| s.iter().filter(|&&p| p).count() == k + 1);
                let best = of_size.map(|s| truth.value(s)).fold(f64::MIN, f64::max);
                assert_eq!(found.iter().filter(|&&p| p).count(), k + 1);
                let value = truth.value(found);
                assert!(value <= best + 1e-9 && value >= best - 2.0, "{value} of {best}");
            }
        }
    }

    #[test]
    fn knowing_pairs_is_worth_more_than_their_first_order_and_opposites_less() {
        let mut gains = 0.0;
        for seed in 0..20 {
            let truth = explanation(9, seed);
            let found = curves(&truth, &truth);
            let scale = (found.most[9] - found.most[0]).signum();
            let first = curves(&truth, &truth.first_order(0.5));
            gains += scale * (found.area_between() - first.area_between());
            let opposite = SecondOrder {
                first: truth.first.iter().map(|e| -e).collect(),
                second: truth.second.iter().map(|e| -e).collect(),
            };
            let sum = found.area_between() + curves(&truth, &opposite).area_between();
            assert!(sum.abs() < 1e-4, "{sum}");
        }
        assert!(gains > 0.0, "{gains}");
    }

    #[test]
    fn removal_and_presence_tell_the_same() {
        let truth = explanation(6, 3);
        let n = truth.n_players();
        let all = vec![true; n];
        let without =
            |out: &[usize]| truth.value(&(0..n).map(|i| !out.contains(&i)).collect::<Vec<_>>());
        let whole = truth.value(&all);
        let mains: Vec<f64> = (0..n).map(|i| whole - without(&[i])).collect();
        let pair = |at: usize| match (at / n, at % n) {
            (i, j) if i == j => 99.0,
            (i, j) => whole - without(&[i.max(j)]) - without(&[i.min(j)]) + without(&[i, j]),
        };
        let pairs: Vec<f64> = (0..n * n).map(pair).collect();
        let found = SecondOrder::of_removal(&mains, &pairs).unwrap();
        for (a, b) in found.first.iter().zip(&truth.first) {
            assert!((a - b).abs() < 1e-9);
        }
        for (a, b) in found.second.iter().zip(&truth.second) {
            assert!((a - b).abs() < 1e-9);
        }
    }

    #[test]
    fn what_is_no_explanation_is_refused() {
        assert!(SecondOrder::new(vec![1.0; 2], vec![0.0; 3]).is_err());
        assert!(SecondOrder::new(vec![1.0; 2], vec![0.0, 1.0, 2.0, 0.0]).is_err());
        assert!(SecondOrder::new(vec![f64::NAN; 1], vec![0.0]).is_err());
        assert!(SecondOrder::new(vec![1.0; 2], vec![5.0, 1.0, 1.0, 7.0]).unwrap().second[0] == 0.0);
    }
}
