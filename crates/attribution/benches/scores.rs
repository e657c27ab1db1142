//! Set scores at the size of a real run: 5 sets of 2000 features, 50 subsets, 51 points at
//! 3×224×224.

use divan::{Bencher, black_box};
use hsets_attribution::{IdgVis, PathGradients, score_sets};
use hsets_core::{
    Differentiable, Evaluation, FeatureSet, Image, Result, Scored, Shape, Silent, Target,
};

const SHAPE: Shape = Shape::new(3, 224, 224);

/// Gradients that cost nothing.
struct Waves;

impl Scored for Waves {
    fn shape(&self) -> Shape {
        SHAPE
    }
    fn n_classes(&self) -> usize {
        1
    }
    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        Ok(vec![vec![0.0]; images.len()])
    }
}

impl Differentiable for Waves {
    fn gradients(&self, images: &[Image], _target: &Target) -> Result<Vec<Evaluation>> {
        let wave = |image: &Image| Evaluation {
            logits: vec![0.0],
            gradient: image.data().iter().map(|x| x.sin()).collect(),
        };
        Ok(images.iter().map(wave).collect())
    }
}

fn path(settings: &IdgVis) -> PathGradients {
    let ramp = (0..SHAPE.len()).map(|i| (i % 1009) as f32 / 100.0).collect();
    let image = Image::new(SHAPE, ramp).expect("a finite ramp");
    let (zero, target) = (Image::constant(SHAPE, 0.0), Target::Top);
    PathGradients::along(&Waves, &zero, &image, &settings.path(), &target, &Silent)
        .expect("a path of finite gradients")
}

fn bench(bencher: Bencher, settings: &IdgVis) {
    let path = path(settings);
    let sets: Vec<FeatureSet> = (0..5)
        .map(|set| (0..2000).map(|i| (i * 7919 + set * 131) % SHAPE.len()).collect())
        .collect();
    bencher.bench(|| score_sets(black_box(&path), &sets, settings));
}

#[divan::bench]
fn paper(bencher: Bencher) {
    bench(bencher, &IdgVis::paper());
}

#[divan::bench]
fn reference(bencher: Bencher) {
    bench(bencher, &IdgVis::reference());
}

fn main() {
    divan::main();
}
