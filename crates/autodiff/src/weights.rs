//! Named weights of a graph.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Device, Tensor};
use hsets_kernels::Scalar;

use crate::error::{Result, WeightsError};
use crate::{Graph, ParameterId};

/// Tensors by checkpoint name.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// Takes tensors under the names the graph uses.
    pub fn new(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        Self { tensors: tensors.into_iter().collect() }
    }

    /// One tensor.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// All tensors in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Fails with everything that is wrong at once: tensors that are missing, unexpected,
    /// misshapen or not finite.
    pub fn check(&self, graph: &Graph) -> Result<(), WeightsError> {
        let mut error = WeightsError::default();
        for parameter in graph.parameters() {
            match self.tensors.get(&parameter.name) {
                None => error.missing.push(parameter.name.clone()),
                Some(tensor) if tensor.dims() != parameter.shape => error.misshapen.push((
                    parameter.name.clone(),
                    parameter.shape.clone(),
                    tensor.dims().to_vec(),
                )),
                Some(tensor) if !is_finite(tensor) => {
                    error.not_finite.push(parameter.name.clone());
                }
                Some(_) => {}
            }
        }
        let known: BTreeSet<&str> =
            graph.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
        let unexpected = self.tensors.keys().filter(|name| !known.contains(name.as_str()));
        error.unexpected = unexpected.cloned().collect();
        if error.is_empty() { Ok(()) } else { Err(error) }
    }

    /// The elements of one parameter of a checked graph.
    pub(crate) fn elements<T: Scalar>(&self, graph: &Graph, id: ParameterId) -> Result<Vec<T>> {
        let name = &graph.parameter(id).name;
        let tensor = self.tensors.get(name).ok_or_else(|| WeightsError {
            missing: vec![name.clone()],
            ..WeightsError::default()
        })?;
        let tensor = tensor.flatten_all()?;
        if tensor.dtype() == DType::F32 {
            let values: Vec<f32> = tensor.to_vec1()?;
            return Ok(values.into_iter().map(|value| T::from_f64(value.into())).collect());
        }
        let values: Vec<f64> = tensor.to_dtype(DType::F64)?.to_vec1()?;
        Ok(values.into_iter().map(T::from_f64).collect())
    }

    /// These weights, but those of the `n` layers of `graph` nearest to its output by
    /// [`random`](Self::random).
    pub fn randomised(&self, graph: &Graph, n: usize, seed: u64) -> Result<Self> {
        let n_layers = graph.layers().count();
        let random = Self::random(graph, seed)?;
        let mut tensors = self.tensors.clone();
        for parameter in graph.layers().skip(n_layers.saturating_sub(n)).flatten() {
            if let Some(tensor) = random.get(&parameter.name) {
                tensors.insert(parameter.name.clone(), tensor.clone());
            }
        }
        Ok(Self { tensors })
    }

    /// Pseudo-random weights, as before any training: He-scaled kernels, batch norm near the
    /// identity. The same name gives the same numbers, whatever the graph around it.
    pub fn random(graph: &Graph, seed: u64) -> Result<Self> {
        let tensor = |name: &str, shape: &[usize]| -> Result<Tensor> {
            let mut random = Hashed::new(name, seed);
            let n: usize = shape.iter().product();
            let fan_in = shape.iter().skip(1).product::<usize>().max(1);
            let (centre, spread) = if name.ends_with("running_var") {
                (1.0, 0.5)
            } else if shape.len() == 1 && name.ends_with("weight") {
                (1.0, 0.25)
            } else if shape.len() == 1 {
                (0.0, 0.1)
            } else {
                (0.0, (6.0 / fan_in as f64).sqrt())
            };
            let values: Vec<f64> = (0..n).map(|_| centre + spread * random.next()).collect();
            // Rounded to f32, so that an f32 and an f64 network hold the same numbers.
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
            Ok(tensor.to_dtype(DType::F32)?)
        };
        let tensors = graph
            .parameters()
            .iter()
            .map(|p| Ok((p.name.clone(), tensor(&p.name, &p.shape)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self::new(tensors))
    }
}

fn is_finite(tensor: &Tensor) -> bool {
    if tensor.dtype() == DType::F32 {
        let values = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>());
        return values.is_ok_and(|values| values.iter().all(|value| value.is_finite()));
    }
    // A sum is finite only if every element is; f64 cannot overflow on f32 data.
    let sum = tensor.to_dtype(DType::F64).and_then(|t| t.sum_all()).and_then(|t| t.to_scalar());
    sum.is_ok_and(|sum: f64| sum.is_finite())
}

/// Uniform numbers in [-1, 1) by splitmix64, started from the FNV-1a hash of a name.
pub(crate) struct Hashed(u64);

impl Hashed {
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, fnv))
    }

    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2d, GraphBuilder};
    use hsets_core::Shape;

    /// conv, norm, fc: three layers.
    fn graph() -> Graph {
        let mut g = GraphBuilder::new(Shape::new(3, 4, 4));
        let x = g.conv2d(g.input(), "a.conv", Conv2d::new(2, 3).with_bias()).unwrap();
        let x = g.batch_norm(x, "a.norm", 1e-5);
        let x = g.global_avg_pool2d(x).unwrap();
        let x = g.linear(x, "fc", 2).unwrap();
        g.finish(x)
    }

    fn values(weights: &Weights, name: &str) -> Vec<f32> {
        weights.get(name).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn layers_are_drawn_anew_from_the_output_down() {
        let graph = graph();
        let names = |n: usize| -> Vec<&str> {
            let layer = graph.layers().nth(n).unwrap();
            layer.iter().map(|parameter| parameter.name.as_str()).collect()
        };
        assert_eq!(graph.layers().count(), 3);
        assert_eq!(names(0), ["a.conv.weight", "a.conv.bias"]);
        assert_eq!(names(2), ["fc.weight", "fc.bias"]);
        let trained = Weights::random(&graph, 1).unwrap();
        let changed = |n: usize| -> Vec<&str> {
            let other = trained.randomised(&graph, n, 2).unwrap();
            other.check(&graph).unwrap();
            let differs = |name: &&str| values(&other, name) != values(&trained, name);
            ["a.conv.weight", "a.norm.weight", "fc.weight"].into_iter().filter(differs).collect()
        };
        assert_eq!(changed(0), Vec::<&str>::new());
        assert_eq!(changed(1), ["fc.weight"]);
        assert_eq!(changed(2), ["a.norm.weight", "fc.weight"]);
        assert_eq!(changed(9), ["a.conv.weight", "a.norm.weight", "fc.weight"]);
        let of = |n| values(&trained.randomised(&graph, n, 2).unwrap(), "fc.weight");
        assert_eq!(of(1), of(3));
    }
}
