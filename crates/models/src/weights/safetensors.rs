//! `.safetensors` files.

use std::collections::BTreeMap;

use candle_core::Tensor;
use safetensors::tensor::Dtype;
use safetensors::{SafeTensorError, SafeTensors};

use super::elements::{Element, tensor};

/// Tensors by name and the strings of `__metadata__`.
pub(super) type Content = (BTreeMap<String, Tensor>, BTreeMap<String, String>);

/// The floating-point tensors and the metadata of one file.
pub(super) fn read(bytes: &[u8]) -> Result<Content, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| explain(&error))?;
    let metadata = header.metadata().iter().flatten();
    let metadata = metadata.map(|(key, value)| (key.clone(), value.clone())).collect();
    let file = SafeTensors::deserialize(bytes).map_err(|error| explain(&error))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let element = match view.dtype() {
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::BF16,
            Dtype::F32 => Element::F32,
            Dtype::F64 => Element::F64,
            _ => continue, // counters and masks
        };
        tensors.insert(name.to_owned(), tensor(element, view.shape(), view.data())?);
    }
    Ok((tensors, metadata))
}

fn explain(error: &SafeTensorError) -> String {
    format!("not a valid safetensors file ({error}); download or convert it again")
}
