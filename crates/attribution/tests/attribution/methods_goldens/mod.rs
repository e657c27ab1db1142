//! Goldens of `fixtures/methods/make_goldens.py`: the definitions of the methods, on a polynomial.
#![allow(clippy::unwrap_used)] // a broken golden file should end the test
#![allow(dead_code, unreachable_pub)] // every test binary uses a part

use std::path::Path;

use hsets_core::analytic::{Monomial, Polynomial};
use hsets_core::{Image, SegmentMap, Shape};
use safetensors::{Dtype, SafeTensors};

/// Class that is explained.
pub const CLASS: usize = 1;

/// Class whose merged sets have both signs.
pub const ARCHIPELAGO_CLASS: usize = 2;

pub const SHAPE: Shape = Shape::new(3, 8, 8);

/// The golden file, read once per test.
pub struct Goldens(Vec<u8>);

impl Goldens {
    pub fn load() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/methods");
        Self(std::fs::read(root.join("goldens.safetensors")).unwrap())
    }

    /// Any tensor, widened.
    pub fn values(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        let (bytes, dtype) = (tensor.data(), tensor.dtype());
        let eight = |b: &[u8]| b.try_into().unwrap();
        match dtype {
            Dtype::F32 => {
                let f32_of = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
                bytes.chunks_exact(4).map(|b| f64::from(f32_of(b))).collect()
            }
            Dtype::I64 => {
                bytes.chunks_exact(8).map(|b| i64::from_le_bytes(eight(b)) as f64).collect()
            }
            Dtype::F64 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(eight(b))).collect(),
            other => panic!("{name}: {other:?}"),
        }
    }

    pub fn f32s(&self, name: &str) -> Vec<f32> {
        self.values(name).into_iter().map(|v| v as f32).collect()
    }

    pub fn indices(&self, name: &str) -> Vec<usize> {
        self.values(name).into_iter().map(|v| v as usize).collect()
    }

    pub fn image(&self, name: &str) -> Image {
        Image::new(SHAPE, self.f32s(name)).unwrap()
    }

    pub fn segments(&self, name: &str) -> SegmentMap {
        let labels: Vec<u32> =
            self.indices(&format!("segments.{name}")).into_iter().map(|v| v as u32).collect();
        SegmentMap::new(SHAPE.width, SHAPE.height, &labels).unwrap()
    }

    /// The polynomial of the script.
    pub fn model(&self) -> Polynomial {
        let linear = self.values("model.linear");
        let n_classes = linear.len() / SHAPE.len();
        let logit = |class: usize| -> Vec<Monomial> {
            let row = &linear[class * SHAPE.len()..][..SHAPE.len()];
            let mut terms: Vec<Monomial> =
                row.iter().enumerate().map(|(i, &w)| (w, vec![i])).collect();
            for degree in [2, 3] {
                let weights = self.values(&format!("model.weight{degree}"));
                let factors = self.indices(&format!("model.factors{degree}"));
                let n = weights.len() / n_classes;
                let product =
                    |k: usize| (weights[k], factors[degree * k..degree * (k + 1)].to_vec());
                terms.extend((class * n..(class + 1) * n).map(product));
            }
            terms
        };
        Polynomial::new(SHAPE, (0..n_classes).map(logit).collect())
    }

    /// Fails unless `found` equals the tensor to `tolerance` of its largest value.
    pub fn assert_close(&self, name: &str, found: &[f64], tolerance: f64) {
        let expected = self.values(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        let top = expected.iter().fold(0.0f64, |top, v| top.max(v.abs()));
        for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
            assert!((a - b).abs() <= tolerance * top, "{name}, {i}: {a} against {b}");
        }
    }
}
