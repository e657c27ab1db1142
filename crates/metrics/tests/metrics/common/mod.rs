//! Goldens of the scripts in `fixtures/metrics`.
#![allow(clippy::unwrap_used)] // a broken golden file should end the test
#![allow(dead_code, unreachable_pub)] // every test binary uses a part

use std::path::Path;

use hsets_core::{Image, SaliencyMap, Shape, analytic::Polynomial};
use safetensors::SafeTensors;

/// The golden file, read once per test.
pub struct Goldens(Vec<u8>);

impl Goldens {
    pub fn load() -> Self {
        Self::file("goldens.safetensors")
    }

    /// Those of `make_newer_goldens.py`.
    pub fn newer() -> Self {
        Self::file("newer_goldens.safetensors")
    }

    fn file(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/metrics");
        Self(std::fs::read(folder.join(name)).unwrap())
    }

    pub fn shape_and_bytes(&self, name: &str) -> (Vec<usize>, Vec<u8>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        (tensor.shape().to_vec(), tensor.data().to_vec())
    }

    pub fn f32s(&self, name: &str) -> Vec<f32> {
        let (_, bytes) = self.shape_and_bytes(name);
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    pub fn f64s(&self, name: &str) -> Vec<f64> {
        let (_, bytes) = self.shape_and_bytes(name);
        bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    }

    pub fn indices(&self, name: &str) -> Vec<usize> {
        let (_, bytes) = self.shape_and_bytes(name);
        let index = |b: &[u8]| i64::from_le_bytes(b.try_into().unwrap()).try_into().unwrap();
        bytes.chunks_exact(8).map(index).collect()
    }

    pub fn image(&self, name: &str) -> Image {
        let (shape, _) = self.shape_and_bytes(name);
        Image::new(Shape::new(shape[0], shape[1], shape[2]), self.f32s(name)).unwrap()
    }

    pub fn map(&self, name: &str) -> SaliencyMap {
        let (shape, _) = self.shape_and_bytes(name);
        SaliencyMap::new(Shape::new(shape[0], shape[1], shape[2]), self.f32s(name)).unwrap()
    }

    /// The polynomial of the script.
    pub fn model(&self) -> Polynomial {
        let (shape, _) = self.shape_and_bytes("model.pairs");
        let (n_classes, n_products) = (shape[0], shape[1]);
        let image = self.image("model.image").shape();
        let (linear, weight) = (self.f32s("model.linear"), self.f32s("model.weight"));
        let pairs = self.indices("model.pairs");
        let logit = |class: usize| {
            let linear = linear[class * image.len()..].iter().take(image.len()).enumerate();
            let products = (class * n_products..(class + 1) * n_products)
                .map(|k| (f64::from(weight[k]), pairs[2 * k..2 * k + 2].to_vec()));
            linear.map(|(i, &w)| (f64::from(w), vec![i])).chain(products).collect()
        };
        Polynomial::new(image, (0..n_classes).map(logit).collect())
    }
}
