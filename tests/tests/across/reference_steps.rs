//! Both presets against the same steps in PyTorch, on goldens of
//! `fixtures/method/reference_steps.py`: same seeds, same sets in the same order, same rows asked
//! for, same scores.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, safetensors};
use hsets_attribution::{
    IdgVis, PathGradients, PathSettings, Samples, Steps, integrated_gradients, score_subsets,
};
use hsets_autodiff::{
    Activation, Conv2d, Cpu, Graph, GraphBuilder, Network, Pool2d, Result, Weights,
};
use hsets_core::{
    Differentiable, FeatureSet, Image, SaliencyMap, Scored, SegmentMap, Shape, Silent, Target,
    TwiceDifferentiable,
};
use hsets_detection::{Detection, HessianSets, detect};

const SHAPE: Shape = Shape::new(3, 24, 24);
const NU: usize = 60;

struct Goldens(HashMap<String, Tensor>);

impl Goldens {
    fn load() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/method");
        Self(safetensors::load(root.join("reference_steps.safetensors"), &Device::Cpu).unwrap())
    }

    fn f64s(&self, name: &str) -> Vec<f64> {
        let tensor = self.0[name].to_dtype(DType::F64).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn f32s(&self, name: &str) -> Vec<f32> {
        self.f64s(name).into_iter().map(|v| v as f32).collect()
    }

    /// The rows of a matrix of features; -1 ends a row.
    fn features(&self, name: &str) -> Vec<Vec<usize>> {
        let rows: Vec<Vec<i64>> = self.0[name].to_vec2().unwrap();
        let until_end = |row: Vec<i64>| row.into_iter().take_while(|&j| j >= 0);
        rows.into_iter().map(|row| until_end(row).map(|j| j as usize).collect()).collect()
    }

    fn weights(&self) -> Weights {
        let parameters = self.0.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix("net.")?.to_string(), tensor.clone()))
        });
        Weights::new(parameters.collect::<Vec<_>>())
    }

    fn image(&self) -> Image {
        Image::new(SHAPE, self.f32s("image")).unwrap()
    }

    fn segments(&self) -> SegmentMap {
        let labels: Vec<u32> = self.f64s("segments").into_iter().map(|v| v as u32).collect();
        SegmentMap::new(SHAPE.width, SHAPE.height, &labels).unwrap()
    }

    /// Which members of set `set` each sampled subset keeps.
    fn subsets(&self, preset: &str, set: usize) -> Vec<FeatureSet> {
        let members = &self.features(&format!("{preset}.sets"))[set];
        let masks = self.0[&format!("{preset}.masks")].get(set).unwrap();
        let masks: Vec<Vec<u8>> = masks.to_vec2().unwrap();
        let kept = |mask: &Vec<u8>| {
            members.iter().zip(mask).filter(|(_, keep)| **keep == 1).map(|(&j, _)| j).collect()
        };
        masks.iter().map(kept).collect()
    }
}

fn graph() -> Result<Graph> {
    let mut g = GraphBuilder::new(SHAPE);
    let x = g.input();
    let x = g.conv2d(x, "conv1", Conv2d::new(8, 3).with_padding(1).with_bias())?;
    let x = g.activation(x, Activation::Relu);
    let x = g.max_pool2d(x, Pool2d::new(2, 2))?;
    let x = g.conv2d(x, "conv2", Conv2d::new(12, 3).with_padding(1).with_bias())?;
    let x = g.activation(x, Activation::Relu6);
    let x = g.avg_pool2d(x, Pool2d::new(4, 4))?;
    let x = g.flatten(x);
    let x = g.linear(x, "fc1", 16)?;
    let x = g.activation(x, Activation::Relu);
    let logits = g.linear(x, "fc2", 4)?;
    Ok(g.finish(logits))
}

/// The network in both widths.
fn networks(goldens: &Goldens) -> [Box<dyn TwiceDifferentiable>; 2] {
    let (graph, weights) = (graph().unwrap(), goldens.weights());
    let single: Network<Cpu<f32>> = Network::new(&graph, &weights).unwrap();
    let double: Network<Cpu<f64>> = Network::new(&graph, &weights).unwrap();
    [Box::new(single), Box::new(double)]
}

fn assert_close(what: &str, found: f64, expected: f64) {
    let gap = (found - expected).abs() / expected.abs();
    assert!(gap < 1e-4, "{what}: {found} against {expected}");
}

fn assert_same_sets(goldens: &Goldens, preset: &str, found: &Detection) {
    let seeds: Vec<usize> = found.sets.iter().map(|set| set.seed.feature).collect();
    let expected: Vec<usize> =
        goldens.f64s(&format!("{preset}.seeds")).into_iter().map(|v| v as usize).collect();
    assert_eq!(seeds, expected, "{preset}: seeds");
    for (at, set) in found.sets.iter().enumerate() {
        let members: Vec<usize> = set.members.iter().map(|member| member.feature).collect();
        assert_eq!(members, goldens.features(&format!("{preset}.sets"))[at], "{preset}: set {at}");
        assert_eq!(set.rows, goldens.features(&format!("{preset}.rows"))[at], "{preset}: rows");
    }
}

fn assert_same_scores(goldens: &Goldens, preset: &str, path: &PathGradients, settings: &IdgVis) {
    let scores = goldens.f64s(&format!("{preset}.scores"));
    for (at, members) in goldens.features(&format!("{preset}.sets")).into_iter().enumerate() {
        let subsets = goldens.subsets(preset, at);
        assert_eq!(settings.samples, Samples::Fixed(subsets.len()));
        let score = score_subsets(path, &FeatureSet::new(members), &subsets, settings).unwrap();
        assert_close(&format!("{preset}: score {at}"), score.value, scores[at]);
        if preset == "paper" {
            let error = goldens.f64s("paper.errors")[at];
            assert_close(&format!("{preset}: error {at}"), score.standard_error, error);
        }
    }
}

fn along(field: &dyn Differentiable, image: &Image, m: Steps, target: &Target) -> PathGradients {
    let (zero, settings) = (Image::constant(SHAPE, 0.0), PathSettings::riemann(m));
    PathGradients::along(field, &zero, image, &settings, target, &Silent).unwrap()
}

fn top(field: &dyn Scored, image: &Image) -> usize {
    let logits = field.logits(std::slice::from_ref(image)).unwrap().remove(0);
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap()
}

#[test]
fn reference_preset_takes_the_steps_of_the_authors() {
    let goldens = Goldens::load();
    let (image, segments) = (goldens.image(), goldens.segments());
    let settings = HessianSets { max_features: NU, ..HessianSets::reference() };
    let idg = IdgVis::reference();
    for field in networks(&goldens) {
        let target = Target::Logit(top(field.as_ref(), &image));
        let path = along(field.as_ref(), &image, idg.steps, &idg.target(&target));
        let ranking = SaliencyMap::new(SHAPE, path.image_gradient().unwrap().to_vec()).unwrap();
        let found =
            detect(field.as_ref(), &image, &segments, &ranking, &target, &settings, &Silent)
                .unwrap();
        assert_same_sets(&goldens, "reference", &found);
        assert_same_scores(&goldens, "reference", &path, &idg);
        // The smoothed network prefers another class, and that is the one whose Hessian it is.
        let smoothed = (0..4).max_by(|&a, &b| found.logits[a].total_cmp(&found.logits[b]));
        assert_eq!(smoothed.unwrap() as f64, goldens.f64s("reference.class")[0]);
        assert_ne!(target, Target::Logit(smoothed.unwrap()));
    }
}

#[test]
fn paper_preset_takes_the_published_steps() {
    let goldens = Goldens::load();
    let (image, segments) = (goldens.image(), goldens.segments());
    let settings = HessianSets { max_features: NU, max_rows: None, ..HessianSets::paper() };
    let idg = IdgVis::paper();
    for field in networks(&goldens) {
        let class = top(field.as_ref(), &image);
        assert_eq!(class as f64, goldens.f64s("paper.class")[0]);
        let target = Target::Logit(class);
        let path = along(field.as_ref(), &image, idg.steps, &idg.target(&target));
        let ig = integrated_gradients(&path).unwrap().map;
        let expected = goldens.f64s("paper.ig");
        let largest = expected.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
        for (&found, &expected) in ig.data().iter().zip(&expected) {
            assert!((f64::from(found) - expected).abs() < 1e-4 * largest);
        }
        for lookahead in [1, 4] {
            let settings = HessianSets { lookahead, ..settings.clone() };
            let found = detect(field.as_ref(), &image, &segments, &ig, &target, &settings, &Silent)
                .unwrap();
            assert_same_sets(&goldens, "paper", &found);
        }
        assert_same_scores(&goldens, "paper", &path, &idg);
    }
}
