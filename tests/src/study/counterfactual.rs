//! What is true of a network, not of a task: scenes drawn again without their parts.

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    core::{Image, Target},
    models::Classifier,
};
use hsets_scenes::{Scene, Task};

/// A scene, and what its parts mean to a network, all of the log-odds g of the predicted class.
pub struct Counterfactual {
    /// The scene.
    pub scene: Scene,
    /// g(x).
    pub log_odds: f64,
    /// g(x) - g(x without P), of each part P.
    pub effects: Vec<f64>,
    /// I*(P, Q) = g(x) - g(x without P) - g(x without Q) + g(x without both), of all pairs P < Q.
    pub interactions: Vec<([usize; 2], f64)>,
}

impl Counterfactual {
    /// Draws the scene with all its parts, without each and without each two.
    pub fn draw(classifier: &Classifier, task: Task, seed: u64, index: u64) -> Result<Self> {
        let n = task.part_names().len();
        let size = classifier.shape().width;
        let pairs: Vec<[usize; 2]> = (0..n).flat_map(|p| (p + 1..n).map(move |q| [p, q])).collect();
        let singles = (0..n).map(|part| vec![part]);
        let absent = std::iter::once(vec![]).chain(singles).chain(pairs.iter().map(|p| p.to_vec()));
        let image = |absent: Vec<usize>| -> Result<Image> {
            let scene = task.draw_without(&absent, seed, index, size)?;
            Ok(classifier.preprocessing().prepare(&scene.photo)?.image)
        };
        let images: Vec<Image> = absent.map(image).collect::<Result<_>>()?;
        let logits = classifier.field().logits(&images)?;
        let top = (0..logits[0].len()).max_by(|&a, &b| logits[0][a].total_cmp(&logits[0][b]));
        let target = Target::LogOdds(top.context("a network without classes")?);
        let value = |logits: &Vec<f32>| {
            target.value(&logits.iter().map(|&logit| f64::from(logit)).collect::<Vec<_>>())
        };
        let g: Vec<f64> = logits.iter().map(value).collect();
        let without = &g[1..=n];
        let interaction =
            |(&[p, q], both): (&[usize; 2], &f64)| ([p, q], g[0] - without[p] - without[q] + both);
        Ok(Self {
            scene: task.draw(seed, index, size)?,
            log_odds: g[0],
            effects: without.iter().map(|without| g[0] - without).collect(),
            interactions: pairs.iter().zip(&g[n + 1..]).map(interaction).collect(),
        })
    }

    /// The largest |I*|.
    pub fn largest(&self) -> f64 {
        self.interactions.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max)
    }

    /// The largest |effect| of one part.
    pub fn largest_effect(&self) -> f64 {
        self.effects.iter().map(|value| value.abs()).fold(0.0, f64::max)
    }

    /// Whether parts interact here as strongly as they must to decide: a network that falls back to
    /// the class at hand without a part shows nothing by its removal.
    pub fn is_live(&self) -> bool {
        self.largest() > self.log_odds.abs() / 2.0
    }

    /// What sheets keep of it.
    pub fn numbers(&self) -> [(&'static str, f64); 4] {
        [
            ("live", f64::from(self.is_live())),
            ("log-odds", self.log_odds),
            ("largest", self.largest()),
            ("largest-effect", self.largest_effect()),
        ]
    }

    /// I* of these parts, whatever their order.
    pub fn interaction(&self, parts: [usize; 2]) -> Option<f64> {
        let sorted = [parts[0].min(parts[1]), parts[0].max(parts[1])];
        self.interactions.iter().find(|(pair, _)| *pair == sorted).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::truth_networks;

    fn drawn(name: &str, n: u64) -> Vec<Counterfactual> {
        let networks = truth_networks().unwrap();
        let network = networks.iter().find(|network| network.subject() == name).unwrap();
        let classifier = network.load().unwrap();
        (0..n).map(|i| Counterfactual::draw(&classifier, network.task, 33, i).unwrap()).collect()
    }

    fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
        values.clone().sum::<f64>() / values.count() as f64
    }

    /// No patch of 9 × 9 pixels holds two tiles, so they add up to the rounding of `f32`. Where the
    /// shadows of two tiles nearly touch, one patch in 784 may see both.
    #[test]
    fn bag_is_additive_by_construction() {
        let mut n_apart = 0;
        for picture in drawn("bag", 30) {
            assert!(picture.largest_effect() > 0.5, "tiles matter");
            for &([p, q], value) in &picture.interactions {
                let [p, q] = [p, q].map(|part| &picture.scene.parts[part].mask);
                let gap = gap(p, q);
                if gap > 16 {
                    n_apart += 1;
                    assert!(value.abs() < 1e-4, "{value} at a distance of {gap}");
                }
            }
        }
        assert!(n_apart > 100, "{n_apart} pairs lie apart");
    }

    /// Fewest rows or columns between two masks, whichever are more.
    fn gap(a: &hsets_scenes::Mask, b: &hsets_scenes::Mask) -> usize {
        let width = a.width();
        let apart = |p: usize, q: usize| {
            (p / width).abs_diff(q / width).max((p % width).abs_diff(q % width))
        };
        a.pixels().flat_map(|p| b.pixels().map(move |q| apart(p, q))).min().unwrap_or(0)
    }

    /// Only a tile in the top left quadrant and one in the bottom right interact.
    #[test]
    fn bagmix_has_the_pairs_it_was_given() {
        let pictures = drawn("bagmix", 120);
        let (mut given, mut others) = (Vec::new(), Vec::new());
        for picture in &pictures {
            for (pair, value) in &picture.interactions {
                let quadrants = pair.map(|part| quadrant(&picture.scene.parts[part].mask));
                match quadrants {
                    [Some([false, false]), Some([true, true])]
                    | [Some([true, true]), Some([false, false])] => given.push(value.abs()),
                    [Some(_), Some(_)] => others.push(value.abs()),
                    _ => {}
                }
            }
        }
        assert!(given.len() >= 5 && others.len() >= 30, "{} and {}", given.len(), others.len());
        let [given, others] = [given, others].map(|values| mean(values.iter().copied()));
        assert!(given > 20.0 * others, "{given} against {others}");
    }

    /// [below the middle, right of it]; none if the tile lies across, with the patches that see it.
    fn quadrant(tile: &hsets_scenes::Mask) -> Option<[bool; 2]> {
        let side = |line: usize| match line {
            0..=24 => Some(false),
            40.. => Some(true),
            _ => None,
        };
        let of = |pixel: usize| Some([side(pixel / 64)?, side(pixel % 64)?]);
        let first = of(tile.pixels().next()?)?;
        tile.pixels().all(|pixel| of(pixel) == Some(first)).then_some(first)
    }

    /// A product is worth nothing without either factor: I* is as large as the effects.
    #[test]
    fn parts_of_prod_are_worth_nothing_alone() {
        let pictures = drawn("prod", 60);
        assert!(pictures.iter().all(Counterfactual::is_live));
        let ratio = |picture: &Counterfactual| picture.largest() / picture.largest_effect();
        let ratio = mean(pictures.iter().map(ratio));
        assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    }
}
