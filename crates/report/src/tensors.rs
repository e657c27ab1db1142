//! Results as `.safetensors`.

use hsets_core::Mask;
use hsets_pipeline::{Explanation, Interactions};
use safetensors::{Dtype, SafeTensorError, tensor::TensorView};

use crate::{Error, Result};

/// Named tensors to be written to one file.
#[derive(Debug, Default)]
pub struct Tensors(Vec<Tensor>);

#[derive(Debug)]
struct Tensor {
    name: &'static str,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensors {
    /// No tensor yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `values` of `shape`.
    #[must_use]
    pub fn f32(self, name: &'static str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.with(name, Dtype::F32, shape, bytes)
    }

    /// Adds `values` of `shape`.
    #[must_use]
    pub fn i32(
        self,
        name: &'static str,
        shape: &[usize],
        values: impl Iterator<Item = i32>,
    ) -> Self {
        self.with(name, Dtype::I32, shape, values.flat_map(i32::to_le_bytes).collect())
    }

    /// Adds `values` of `shape`.
    #[must_use]
    pub fn u8(self, name: &'static str, shape: &[usize], values: Vec<u8>) -> Self {
        self.with(name, Dtype::U8, shape, values)
    }

    fn with(mut self, name: &'static str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Self {
        self.0.push(Tensor { name, dtype, shape: shape.to_vec(), bytes });
        self
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let views: Result<Vec<_>, _> = self.0.iter().map(Tensor::view).collect();
        views
            .and_then(|views| safetensors::serialize(views, None))
            .map_err(|error| Error::encode("tensors", error))
    }
}

impl Tensor {
    fn view(&self) -> Result<(String, TensorView<'_>), SafeTensorError> {
        let view = TensorView::new(self.dtype, self.shape.clone(), &self.bytes)?;
        Ok((self.name.to_owned(), view))
    }
}

/// `map` \[3, H, W\] f32, `sets` \[n, 3, H, W\] u8 (1 for members) and `segments` \[H, W\] i32; of
/// methods that measure interactions `regions` \[n, 2, H, W\] u8, `group_regions` \[m, 3, H, W\] u8
/// and `pair_effects` \[S, S\] f32.
pub fn maps(explanation: &Explanation) -> Tensors {
    let shape = explanation.map.shape();
    let dimensions = [shape.channels, shape.height, shape.width];
    let sets = &explanation.sets;
    let mut members = vec![0u8; sets.len() * shape.len()];
    for (set, plane) in sets.iter().zip(members.chunks_exact_mut(shape.len())) {
        set.features.iter().for_each(|feature| plane[feature] = 1);
    }
    let segments = &explanation.segments;
    let tensors = Tensors::new()
        .f32("map", &dimensions, explanation.map.data())
        .u8("sets", &[sets.len(), shape.channels, shape.height, shape.width], members)
        .i32(
            "segments",
            &[segments.height(), segments.width()],
            segments.labels().iter().map(|&label| label as i32),
        );
    interactions(tensors, explanation)
}

fn interactions(mut tensors: Tensors, explanation: &Explanation) -> Tensors {
    let Interactions { contrasts, pair_effects, banzhaf: _ } = &explanation.interactions;
    let shape = explanation.map.shape();
    let flags = |regions: &[Mask]| -> Vec<u8> {
        regions
            .iter()
            .flat_map(|region| region.inside().iter().map(|&is_in| is_in.into()))
            .collect()
    };
    if let Some(found) = contrasts {
        let (pairs, groups) = (&found.interactions, &found.triples);
        let dimensions = |n, regions| [n, regions, shape.height, shape.width];
        let of_pairs = pairs.iter().flat_map(|pair| flags(&pair.regions)).collect();
        let of_groups = groups.iter().flat_map(|group| flags(&group.regions)).collect();
        tensors = tensors.u8("regions", &dimensions(pairs.len(), 2), of_pairs).u8(
            "group_regions",
            &dimensions(groups.len(), 3),
            of_groups,
        );
    }
    if let Some(effects) = pair_effects {
        let n = effects.n_segments();
        let single: Vec<f32> = effects.effects.iter().map(|&effect| effect as f32).collect();
        tensors = tensors.f32("pair_effects", &[n, n], &single);
    }
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    #[test]
    fn tensors_are_read_back() {
        let bytes = Tensors::new()
            .f32("map", &[1, 1, 2], &[0.5, -2.0])
            .i32("segments", &[1, 2], [3, -4].into_iter())
            .u8("sets", &[0, 1, 1, 2], vec![])
            .encode()
            .unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("map").unwrap().data(), [0, 0, 0, 63, 0, 0, 0, 192]);
        assert_eq!(file.tensor("segments").unwrap().data()[4..], (-4i32).to_le_bytes());
        assert_eq!(file.tensor("sets").unwrap().shape(), [0, 1, 1, 2]);
    }
}
