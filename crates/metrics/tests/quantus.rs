//! Equality with quantus 0.5.3, on goldens of `fixtures/metrics/make_goldens.py`.
#![allow(clippy::unwrap_used)] // a broken golden file should end the test

use std::path::Path;

use hsets_core::{ChannelReduction, SaliencyMap, Shape};
use hsets_metrics::{entropy, gini};
use safetensors::SafeTensors;

/// The golden file, read once per test.
struct Goldens(Vec<u8>);

impl Goldens {
    fn load() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self(std::fs::read(root.join("../../fixtures/metrics/goldens.safetensors")).unwrap())
    }

    fn shape_and_bytes(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        (tensor.shape().to_vec(), tensor.data().to_vec())
    }

    fn f32s(&self, name: &str) -> Vec<f32> {
        let (_, bytes) = self.shape_and_bytes(name);
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn f64s(&self, name: &str) -> Vec<f64> {
        let (_, bytes) = self.shape_and_bytes(name);
        bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn map(&self, name: &str) -> SaliencyMap {
        let (shape, _) = self.shape_and_bytes(name);
        SaliencyMap::new(Shape::new(shape[0], shape[1], shape[2]), self.f32s(name)).unwrap()
    }
}

#[test]
fn sparseness_and_complexity() {
    let goldens = Goldens::load();
    let reductions = [ChannelReduction::AbsSum, ChannelReduction::SumAbs, ChannelReduction::MaxAbs];
    for name in ["dense", "sparse", "one_hot", "constant"] {
        let map = goldens.map(&format!("map.{name}"));
        for reduction in reductions {
            let key = format!("{name}.{}", reduction.name());
            let expected = goldens.f64s(&format!("gini.{key}"))[0];
            let found = gini(&map, reduction).unwrap();
            assert!((found - expected).abs() < 1e-6, "gini.{key}: {found} against {expected}");
            let expected = goldens.f64s(&format!("entropy.{key}"))[0];
            let found = entropy(&map, reduction).unwrap();
            assert!((found - expected).abs() < 1e-6, "entropy.{key}: {found} against {expected}");
        }
    }
}
